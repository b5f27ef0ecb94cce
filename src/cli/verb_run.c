/* seepline run: start, record, summarise, and end as the program ended. What it
 * says goes to stderr. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/held_by.h"
#include "cli/kept_heap.h"
#include "record/sampler.h"
#include "report/report.h"

struct request {
  const char *capture, *interpreter;
  bool children, no_summary, no_snapshot;
  enum seep_mode mode;
  uint32_t interval_bytes;  /* mode sample; 0: not asked for */
  uint32_t instructions;    /* mode count; 0: not asked for */
  uint32_t rows;
  char **program;  /* PROGRAM and its arguments, NULL at the end */
};

/* -- Arguments ---------------------------------------------------------------- */

static int wrong(const struct seep_verb *verb, const char *format, const char *text) {
  char *line = seep_must_format("%s", format);
  int status = seep_verb_fail(verb, SEEP_WRONG_USAGE, "%s%s", line, text);
  free(line);
  return status;
}

/* Bytes, or with k, M, G behind the number. */
static bool read_interval(const char *text, uint32_t *interval_bytes) {
  static const char units[] = "kMG";
  char *end;
  if (text[0] < '0' || text[0] > '9') return false;
  unsigned long long value = strtoull(text, &end, 10);
  const char *unit = *end == '\0' ? NULL : strchr(units, *end == 'K' ? 'k' : *end);
  if (value > SEEP_INTERVAL_MAX_BYTES || (*end != '\0' && (unit == NULL || end[1] != '\0'))) return false;
  if (unit != NULL) value <<= 10 * (unit - units + 1);
  *interval_bytes = (uint32_t)value;
  return value >= SEEP_INTERVAL_MIN_BYTES && value <= SEEP_INTERVAL_MAX_BYTES;
}

static int read_mode(const struct seep_verb *verb, const char *name, struct request *request) {
  for (enum seep_mode mode = SEEP_MODE_EXACT; mode <= SEEP_MODE_COUNT; mode++) {
    if (strcmp(name, seep_profile_mode_name(mode)) != 0) continue;
    request->mode = mode;
    return SEEP_DONE;
  }
  return wrong(verb, "--mode takes exact, sample, line, call or count, not ", name);
}

/* As asked for, or the default of a mode that has one. */
static uint32_t interval_of(const struct request *request) {
  enum { INSTRUCTIONS_DEFAULT = 1000 };
  if (request->mode == SEEP_MODE_SAMPLE && request->interval_bytes == 0) return SEEP_INTERVAL_DEFAULT_BYTES;
  if (request->mode == SEEP_MODE_COUNT && request->instructions == 0) return INSTRUCTIONS_DEFAULT;
  return request->mode == SEEP_MODE_COUNT ? request->instructions : request->interval_bytes;
}

static int read_option(const struct seep_verb *verb, int option, struct request *request) {
  switch (option) {
    case 'o': request->capture = optarg; return SEEP_DONE;
    case 'l': request->interpreter = optarg; return SEEP_DONE;
    case 'c': request->children = true; return SEEP_DONE;
    case 'q': request->no_summary = true; return SEEP_DONE;
    case 's': request->no_snapshot = true; return SEEP_DONE;
    case 'n':
      if (seep_verb_number(optarg, 1, &request->rows)) return SEEP_DONE;
      return wrong(verb, "-n takes a number of rows from 1 up, not ", optarg);
    case 'm': return read_mode(verb, optarg, request);
    case 'k':
      if (seep_verb_number(optarg, 1, &request->instructions) && request->instructions <= INT_MAX) return SEEP_DONE;
      return wrong(verb, "--count takes a number of VM instructions from 1 up, not ", optarg);
    case 'i':
      if (read_interval(optarg, &request->interval_bytes)) return SEEP_DONE;
      return wrong(verb, "--interval takes bytes between two samples, from 256 to 1G (512k, 2M), not ", optarg);
    default: return SEEP_WRONG_USAGE; /* getopt has said why */
  }
}

static int read_arguments(const struct seep_verb *verb, int argc, char **argv, struct request *request) {
  static const struct option options[] = {
      {"lua", required_argument, NULL, 'l'},  {"children", no_argument, NULL, 'c'},
      {"mode", required_argument, NULL, 'm'}, {"interval", required_argument, NULL, 'i'},
      {"count", required_argument, NULL, 'k'}, {"no-summary", no_argument, NULL, 'q'},
      {"no-snapshot", no_argument, NULL, 's'},
      {NULL, 0, NULL, 0}};
  int option;
  /* "+": options of the program are its own. */
  while ((option = getopt_long(argc, argv, "+o:n:", options, NULL)) != -1) {
    int status = read_option(verb, option, request);
    if (status != SEEP_DONE) return status;
  }
  if (optind == argc) return wrong(verb, "which program? seepline ", verb->synopsis);
  if (request->interval_bytes != 0 && request->mode != SEEP_MODE_SAMPLE) {
    return wrong(verb, "--interval is for --mode sample", "");
  }
  if (request->instructions != 0 && request->mode != SEEP_MODE_COUNT) return wrong(verb, "--count is for --mode count", "");
  if (request->capture != NULL && request->capture[0] == '\0') return wrong(verb, "-o takes a file name", "");
  request->program = argv + optind;
  return SEEP_DONE;
}

/* -- Which interpreter -------------------------------------------------------- */

static bool is_script(const char *name) {
  const char *dot = strrchr(name, '.');
  return dot != NULL && strcmp(dot, ".lua") == 0;
}

/* The words of a "#!" line, without "env": at most four. Returns how many. */
static int read_shebang(const char *script, char line[256], char *words[4]) {
  FILE *file = fopen(script, "re");
  int count = 0;
  if (file == NULL) return 0;
  bool has_line = fgets(line, 256, file) != NULL && line[0] == '#' && line[1] == '!';
  fclose(file);
  if (!has_line) return 0;
  for (char *word = strtok(line + 2, " \t\r\n"); word != NULL && count < 4; word = strtok(NULL, " \t\r\n")) {
    const char *slash = strrchr(word, '/');
    bool is_env = count == 0 && slash != NULL && strcmp(slash, "/env") == 0;
    if (!is_env && strcmp(word, "-S") != 0) words[count++] = word;
  }
  return count;
}

static const char *newest_lua(void) {
  static const char *const names[] = {"lua5.5", "lua5.4", "lua5.3", "lua5.2", "lua5.1", "lua", "luajit"};
  char path[PATH_MAX];
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(names); i++) {
    if (seep_launch_find(names[i], path)) return names[i];
  }
  return NULL;
}

/* The words to execute: INTERPRETER… SCRIPT ARGS…, or PROGRAM ARGS…. NULL after
 * a message, with the exit status in *failure. */
static char **words_to_execute(const struct seep_verb *verb, const struct request *request, int *failure) {
  size_t count = 0, used = 0;
  char line[256];
  char *shebang[4];
  const char *program = request->program[0];
  while (request->program[count] != NULL) count++;
  char **words = seep_must_alloc((count + 6) * sizeof *words);
  if (request->interpreter != NULL) {
    words[used++] = seep_must_copy(request->interpreter);
  } else if (is_script(program)) {
    int found = read_shebang(program, line, shebang);
    const char *newest = found > 0 ? NULL : newest_lua();
    if (found == 0 && newest == NULL) {
      *failure = seep_verb_fail(verb, SEEP_EXIT_NOT_FOUND, "no lua on PATH: install one or give --lua INTERPRETER");
      return NULL;
    }
    for (int i = 0; i < found; i++) words[used++] = seep_must_copy(shebang[i]);
    if (found == 0) words[used++] = seep_must_copy(newest);
  }
  if (used > 0 && access(program, R_OK) != 0) {
    *failure = seep_verb_fail(verb, errno == ENOENT ? SEEP_EXIT_NOT_FOUND : SEEP_EXIT_CANNOT_RUN,
                              "%s: %s", program, strerror(errno));
    return NULL;
  }
  for (size_t i = 0; i < count; i++) words[used++] = seep_must_copy(request->program[i]);
  return words;
}

/* -- Afterwards --------------------------------------------------------------- */

static void join_kept(const struct seep_verb *verb, const struct seep_profile *profile, const struct seep_reader *reader,
                      struct seep_findings *findings) {
  const struct seep_held_request kept = {.heap = NULL};
  struct seep_held_by held_by;
  if (seep_held_by_open(verb, &kept, profile, reader, &held_by) != SEEP_DONE) return;
  seep_held_by_fill(&held_by, findings);
  seep_held_by_close(&held_by);
}

static void print_leaks(const struct seep_verb *verb, const struct seep_reader *reader, const char *path) {
  struct seep_profile profile;
  struct seep_findings findings;
  seep_profile_build(reader, path, SEEP_BY_STATE, SEEP_SORT_LIVE, &profile);
  seep_findings_build(&profile, &findings);
  if (findings.leak_count > 0) join_kept(verb, &profile, reader, &findings);
  seep_report_leaks_summary(&profile, &findings, stderr);
  seep_findings_free(&findings);
  seep_profile_free(&profile);
}

/* Where the files are, and why one is not there. */
static void print_files(const char *path, bool judged, const char *no_snapshot) {
  char *printable = seep_text_printable(path);
  fprintf(stderr, "Capture: %s (seepline show FILE%s)\n", printable, judged ? ", seepline leaks FILE" : "");
  free(printable);
  if (no_snapshot != NULL) {
    printable = seep_text_printable(no_snapshot);
    fprintf(stderr, "No heap snapshot: %s\n", printable);
    free(printable);
  }
}

static void print_kept(const char *path, uint64_t run_id) {
  char *heap = seep_kept_heap_find(path, run_id);
  char *printable = heap == NULL ? NULL : seep_text_printable(heap);
  if (heap != NULL) fprintf(stderr, "Heap: %s (seepline heap FILE, seepline path FILE WHAT)\n", printable);
  free(printable);
  free(heap);
}

/* `no_snapshot`: why there is none, or NULL. */
static void print_summary(const struct seep_verb *verb, const char *path, uint32_t rows, const char *no_snapshot) {
  struct seep_reader *reader;
  struct seep_error error = {{0}};
  if (seep_reader_open(path, &reader, &error) != SEEP_OK) {
    fprintf(stderr, "seepline: %s\n", error.text);
    return;
  }
  struct seep_profile profile;
  seep_profile_build(reader, path, SEEP_BY_ROW, SEEP_SORT_LIVE, &profile);
  fputs("\nseepline: ", stderr);
  seep_report_table(&profile, NULL, rows, stderr);
  bool judged = seep_profile_knows_blocks(profile.mode);
  if (judged) print_leaks(verb, reader, path);
  print_files(path, judged, no_snapshot);
  print_kept(path, seep_reader_header(reader)->run_id);
  seep_profile_free(&profile);
  seep_reader_close(reader);
}

/* Captures of other processes of this run: forked or exec'd children. */
static void name_children(const struct seep_launch *launch) {
  size_t length = strlen(launch->capture_path);
  bool suffix = length > 5 && strcmp(launch->capture_path + length - 5, ".seep") == 0;
  char *escaped = seep_must_alloc(2 * length + 16), *at = escaped;
  glob_t found;
  for (size_t i = 0; i < length - (suffix ? 5 : 0); i++) {
    if (strchr("*?[\\", launch->capture_path[i]) != NULL) *at++ = '\\';
    *at++ = launch->capture_path[i];
  }
  strcpy(at, suffix ? ".*.seep" : ".*");
  if (glob(escaped, 0, NULL, &found) == 0) {
    for (size_t i = 0; i < found.gl_pathc; i++) {
      struct seep_reader *reader;
      if (seep_reader_open(found.gl_pathv[i], &reader, NULL) != SEEP_OK) continue;
      const struct seep_file_header *header = seep_reader_header(reader);
      if (header->run_id == launch->run_id) {
        char *printable = seep_text_printable(found.gl_pathv[i]);
        fprintf(stderr, "Child %u: %s\n", header->pid, printable);
        free(printable);
      }
      seep_reader_close(reader);
    }
    globfree(&found);
  }
  free(escaped);
}

/* The header alone: 1 when it is there, 0 when the file is empty, -1 on failure. */
static int read_header(const char *path, struct seep_file_header *header) {
  FILE *file = fopen(path, "re");
  if (file == NULL) return -1;
  size_t got = fread(header, 1, sizeof *header, file);
  fclose(file);
  if (got == 0) return 0;
  errno = EIO;
  return got == sizeof *header && memcmp(header->magic, SEEP_FORMAT_MAGIC, sizeof header->magic) == 0 ? 1 : -1;
}

/* Whether a Lua state was recorded; says why not when none was. */
static bool was_recorded(const struct seep_verb *verb, const struct seep_launch *launch, const char *program) {
  struct seep_file_header header;
  const char *path = launch->capture_path;
  int found = read_header(path, &header);
  if (found < 0) {
    seep_verb_fail(verb, 0, "%s: the capture cannot be read: %s", path, strerror(errno));
    return false;
  }
  if (found > 0 && header.state_count > 0) return true;
  unlink(path);
  if (found == 0) {
    seep_verb_fail(verb, 0, "%s ran, but opened no Lua state that seepline knows: nothing was recorded", program);
  } else {
    seep_verb_fail(verb, 0, "%s was not recorded: %.*s", program, (int)sizeof header.problem,
                   header.problem[0] != '\0' ? header.problem : "it opened no Lua state");
  }
  return false;
}

int seep_verb_run(const struct seep_verb *verb, int argc, char **argv) {
  struct request request = {.rows = SEEP_ROWS_DEFAULT, .mode = SEEP_MODE_EXACT};
  struct seep_error error = {{0}};
  int failure = 0, wait_status = 0;
  if (argc > 1 && strcmp(argv[1], "--help") == 0) return seep_verb_help(verb);
  int status = read_arguments(verb, argc, argv, &request);
  if (status != SEEP_DONE) return status == SEEP_WRONG_USAGE ? SEEP_EXIT_CANNOT_RECORD : status;
  char **words = words_to_execute(verb, &request, &failure);
  if (words == NULL) return failure;
  bool wants_heap = seep_profile_knows_blocks(request.mode) && !request.no_snapshot;
  struct seep_launch launch = {
      .arguments = words, .capture = request.capture, .children = request.children,
      .wants_heap = wants_heap, .mode = request.mode, .interval = interval_of(&request)};
  if (seep_launch_run(&launch, &wait_status, &failure, &error) != SEEP_OK) {
    return seep_verb_fail(verb, failure, "%s", error.text);
  }
  if (!was_recorded(verb, &launch, request.program[0])) {
    /* The program's own failure says more than ours. */
    if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0) return SEEP_EXIT_CANNOT_RECORD;
  } else {
    char *no_snapshot = wants_heap ? seep_kept_heap_take(&launch, wait_status) : NULL;
    if (!request.no_summary) {
      print_summary(verb, launch.capture_path, request.rows, no_snapshot);
      name_children(&launch);
    }
    free(no_snapshot);
  }
  seep_launch_end_alike(wait_status);
}
