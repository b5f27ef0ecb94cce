/* Reads damaged copies of a capture, thousands of them, as the command would:
 *
 *   damage sealed CAPTURE SEED COUNT    every byte of the header and COUNT
 *                                       others changed: all must be refused
 *   damage open CAPTURE SEED COUNT      the same in a capture without a seal:
 *                                       refused or read, but never a crash
 *   damage short CAPTURE                cut at many lengths: all refused
 *
 * The file is changed in place, one change at a time. The work is done in child
 * processes, so that a crash is counted and the next change tried. Prints what
 * went wrong; the exit status is 0 when nothing did. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model/profile.h"
#include "report/report.h"
#include "store/reader.h"

enum { SECONDS_PER_READ = 10, FAULTS_SHOWN = 20 };

/* Bytes to put at an offset, or a length to cut at. */
struct change {
  uint64_t offset;
  uint32_t size_bytes;  /* 0: cut */
  unsigned char bytes[8];
};

static struct {
  const char *path;
  char *content;
  uint64_t size_bytes;
  struct change *changes;
  uint32_t count;
  bool must_refuse;
} work;

static struct shared {
  uint32_t next;    /* the change that is being tried */
  uint32_t faults, refused;
} *shared;

static uint64_t random_next(uint64_t *state) {
  *state += 0x9e3779b97f4a7c15ULL;
  return seep_mix64(*state);
}

/* -- Changes ------------------------------------------------------------------ */

static void add_change(uint64_t offset, uint32_t size_bytes, uint64_t value) {
  struct change *change = &work.changes[work.count++];
  *change = (struct change){.offset = offset, .size_bytes = size_bytes};
  memcpy(change->bytes, &value, sizeof value);
}

static void add_flip(uint64_t offset, uint64_t random) {
  unsigned char mask = random % 3 == 0 ? 0xff : (unsigned char)(1 << random / 3 % 8);
  add_change(offset, 1, (unsigned char)work.content[offset] ^ mask);
}

/* Half of the places are where something stands: the rest of a file is mostly
 * empty. */
static uint64_t pick_offset(uint64_t *random) {
  uint64_t body = work.size_bytes - SEEP_HEADER_BYTES;
  for (int i = 0; i < 1000; i++) {
    uint64_t offset = SEEP_HEADER_BYTES + random_next(random) % body;
    if (work.content[offset] != 0) return offset;
  }
  return SEEP_HEADER_BYTES + random_next(random) % body;
}

static void flip_bytes(uint64_t seed, uint32_t count) {
  uint64_t random = seed;
  for (uint64_t offset = 0; offset < SEEP_HEADER_BYTES; offset++) add_flip(offset, random_next(&random));
  for (uint32_t i = 0; i < count; i++) {
    uint64_t offset = i % 2 == 0 ? pick_offset(&random)
        : SEEP_HEADER_BYTES + random_next(&random) % (work.size_bytes - SEEP_HEADER_BYTES);
    add_flip(offset, random_next(&random));
  }
}

/* Whole numbers replaced by those that programs stumble over. */
static void replace_numbers(uint64_t seed, uint32_t count) {
  static const uint64_t numbers[] = {0, 1, 2, 3, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe,
                                     UINT64_MAX, INT64_MAX, 0x1000, 0xffffffffffff, 0x100000000};
  uint64_t random = ~seed;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t size = random_next(&random) % 2 == 0 ? 4 : 8;
    uint64_t offset = pick_offset(&random) & ~(uint64_t)(size - 1);
    add_change(offset, size, numbers[random_next(&random) % SEEP_ARRAY_SIZE(numbers)]);
  }
  for (uint64_t offset = 32; offset < 120; offset += 4) {
    for (size_t i = 0; i < SEEP_ARRAY_SIZE(numbers); i++) add_change(offset, 4, numbers[i]);
  }
}

/* Every number of the segment headers and of the state's record. */
static void replace_heads(void) {
  static const uint64_t numbers[] = {0, 1, 7, 0x7fffffff, 0xffffffff};
  for (uint64_t offset = SEEP_HEADER_BYTES; offset + 4096 <= work.size_bytes;) {
    const struct seep_segment_header *segment = (const void *)(work.content + offset);
    uint64_t end = segment->kind == SEEP_SEGMENT_STATE ? 64 + sizeof(struct seep_state_record) : 64 + 32;
    for (uint64_t at = 0; at < end; at += 4) {
      for (size_t i = 0; i < SEEP_ARRAY_SIZE(numbers); i++) add_change(offset + at, 4, numbers[i]);
    }
    offset += segment->size_bytes;
  }
}

static void cut_short(void) {
  for (uint64_t length = 0; length < 4200; length += length < 64 ? 1 : 61) add_change(length, 0, 0);
  for (uint64_t page = 1; page * 4096 < work.size_bytes; page++) {
    for (uint64_t length = page * 4096 - 1; length <= page * 4096 + 1; length++) add_change(length, 0, 0);
  }
  add_change(work.size_bytes - 1, 0, 0);
}

/* -- Trying ------------------------------------------------------------------- */

static void fault(const struct change *change, const char *what) {
  if (shared->faults++ >= FAULTS_SHOWN) return;
  printf("offset %llu, %u bytes %02x%02x%02x%02x: %s\n", (unsigned long long)change->offset, change->size_bytes,
         change->bytes[0], change->bytes[1], change->bytes[2], change->bytes[3], what);
  fflush(stdout);
}

static void judge(const struct seep_profile *profile, bool as_json, FILE *out) {
  struct seep_findings findings;
  seep_findings_build(profile, &findings);
  if (as_json) seep_report_leaks_json(&findings, 0, out);
  else seep_report_leaks(profile, &findings, 0, out);
  seep_findings_free(&findings);
}

/* One way to merge and to print, another one for every change. */
static void report(const struct seep_reader *reader, uint32_t number) {
  FILE *nowhere = fopen("/dev/null", "w");
  struct seep_profile profile;
  struct seep_mark *mark = seep_mark_take(reader);
  struct seep_profile_request request = {.reader = reader, .path = work.path, .by = (enum seep_by)(number % 6),
                                         .sort = (enum seep_sort)(number % 5), .since = number % 7 == 0 ? mark : NULL};
  seep_profile_build_request(&request, &profile);
  seep_mark_free(mark);
  if (number % 3 == 0) seep_report_table(&profile, NULL, 30, nowhere);
  else seep_report_json(&profile, NULL, 0, nowhere);
  if (profile.by == SEEP_BY_STATE) judge(&profile, number % 2 == 0, nowhere);
  seep_profile_free(&profile);
  fclose(nowhere);
}

static void try_change(const struct change *change) {
  struct seep_reader *reader;
  struct seep_error error = {{0}};
  char text[700];
  alarm(SECONDS_PER_READ);
  if (seep_reader_open(work.path, &reader, &error) == SEEP_OK) {
    bool same = change->size_bytes != 0 &&
                memcmp(change->bytes, work.content + change->offset, change->size_bytes) == 0;
    if (work.must_refuse && !same) fault(change, "accepted");
    report(reader, shared->next);
    seep_reader_close(reader);
    return;
  }
  shared->refused++;
  bool says_where = strstr(error.text, "offset") != NULL || strstr(error.text, "damaged") != NULL ||
                    strstr(error.text, "truncated") != NULL || strstr(error.text, "newer") != NULL ||
                    strstr(error.text, "not a seepline capture") != NULL;
  snprintf(text, sizeof text, "the message says neither what nor where: %s", error.text);
  if (!says_where) fault(change, text);
}

static bool apply(int file, const struct change *change) {
  if (change->size_bytes == 0) return ftruncate(file, (off_t)change->offset) == 0;
  return pwrite(file, change->bytes, change->size_bytes, (off_t)change->offset) == (ssize_t)change->size_bytes;
}

static bool restore(int file, const struct change *change) {
  uint64_t end = change->size_bytes == 0 ? work.size_bytes : change->offset + change->size_bytes;
  ssize_t count = (ssize_t)(end - change->offset);
  return pwrite(file, work.content + change->offset, (size_t)count, (off_t)change->offset) == count;
}

static void try_all(int file) {
  while (shared->next < work.count) {
    const struct change *change = &work.changes[shared->next];
    if (!apply(file, change)) _exit(2);
    try_change(change);
    if (!restore(file, change)) _exit(2);
    shared->next++;
  }
  _exit(0);
}

/* Goes on behind a change that brought a child down. */
static void try_in_children(int file) {
  while (shared->next < work.count) {
    int status;
    char text[64];
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) try_all(file);
    if (child < 0 || waitpid(child, &status, 0) != child) exit(2);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    const struct change *change = &work.changes[shared->next];
    if (WIFSIGNALED(status)) snprintf(text, sizeof text, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else snprintf(text, sizeof text, "ended with status %d", WEXITSTATUS(status));
    fault(change, text);
    restore(file, change);
    shared->next++;
  }
}

static void load(const char *path) {
  struct stat status;
  int file = open(path, O_RDONLY);
  if (file < 0 || fstat(file, &status) != 0) exit(2);
  work.path = path;
  work.size_bytes = (uint64_t)status.st_size;
  work.content = malloc(work.size_bytes);
  if (read(file, work.content, work.size_bytes) != (ssize_t)work.size_bytes) exit(2);
  close(file);
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fputs("usage: damage sealed|open|short CAPTURE [SEED COUNT]\n", stderr);
    return 2;
  }
  uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
  uint32_t count = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) : 1000;
  struct rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  load(argv[2]);
  work.changes = malloc((4096 + 3 * (size_t)count + 400000) * sizeof *work.changes);
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  work.must_refuse = strcmp(argv[1], "open") != 0;
  if (strcmp(argv[1], "short") == 0) {
    cut_short();
  } else {
    flip_bytes(seed, count);
    if (!work.must_refuse) {
      replace_numbers(seed, count);
      replace_heads();
    }
  }
  int file = open(work.path, O_RDWR);
  if (file < 0) return 2;
  try_in_children(file);
  printf("%u changes, %u refused, %u faults\n", work.count, shared->refused, shared->faults);
  return shared->faults == 0 ? 0 : 1;
}
