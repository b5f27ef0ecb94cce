/* The mapped capture file. See writer.h. */
#define _GNU_SOURCE
#include "store/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/pages.h"

/* -- The file ---------------------------------------------------------------- */

/* Extends the file by allocated, zeroed blocks. Past RLIMIT_FSIZE the kernel
 * would send the program a signal, so that is asked first. */
static int allocate_blocks(int file, uint64_t offset, uint64_t size_bytes) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
      offset + size_bytes > limit.rlim_cur) {
    return EFBIG;
  }
  if (fallocate(file, 0, (off_t)offset, (off_t)size_bytes) == 0) return 0;
  if (errno != EOPNOTSUPP && errno != ENOSYS) return errno;
  static const char zeros[16384];
  for (uint64_t at = 0; at < size_bytes;) {
    uint64_t left = size_bytes - at;
    ssize_t wrote = pwrite(file, zeros, left < sizeof zeros ? left : sizeof zeros, (off_t)(offset + at));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return wrote < 0 ? errno : ENOSPC;
    at += (uint64_t)wrote;
  }
  return 0;
}

/* Opens the capture's file again; -1 when it is no longer there. */
static int reopen(const struct seep_capture *capture) {
  struct stat status;
  int file = open(capture->path, O_RDWR | O_CLOEXEC);
  if (file < 0) return -1;
  if (fstat(file, &status) == 0 && status.st_dev == capture->device &&
      status.st_ino == capture->inode) {
    return file;
  }
  close(file);
  errno = ESTALE;
  return -1;
}

static void *map_file(int file, uint64_t offset, uint64_t size_bytes, void *at) {
  void *pages = mmap(at, size_bytes, PROT_READ | PROT_WRITE,
                     MAP_SHARED | (at != NULL ? MAP_FIXED : 0), file, (off_t)offset);
  return pages == MAP_FAILED ? NULL : pages;
}

void seep_capture_mark_incomplete(struct seep_capture *capture, const char *reason) {
  struct seep_file_header *header = capture->header;
  header->flags |= SEEP_FILE_INCOMPLETE;
  if (header->problem[0] == '\0') snprintf(header->problem, sizeof header->problem, "%s", reason);
}

/* -- Creating ---------------------------------------------------------------- */

static enum seep_status map_header(struct seep_capture *capture, int file,
                                   struct seep_error *error) {
  struct stat status;
  if (fstat(file, &status) != 0 || status.st_size != 0) {
    return seep_error_set(error, SEEP_E_USAGE, "%s: not empty", capture->path);
  }
  int failure = allocate_blocks(file, 0, SEEP_HEADER_BYTES);
  if (failure != 0) {
    return seep_error_set(error, SEEP_E_SYSTEM, "%s: %s", capture->path, strerror(failure));
  }
  capture->header = map_file(file, 0, SEEP_HEADER_BYTES, NULL);
  if (capture->header == NULL) {
    return seep_error_set(error, SEEP_E_SYSTEM, "%s: cannot map: %s", capture->path, strerror(errno));
  }
  capture->device = status.st_dev;
  capture->inode = status.st_ino;
  return SEEP_OK;
}

static void fill_header(struct seep_file_header *header) {
  header->byte_order = SEEP_BYTE_ORDER_MARK;
  header->size_bytes = SEEP_HEADER_BYTES;
  header->started_wall_ns = seep_clock_wall_ns();
  header->started_monotonic_ns = seep_clock_monotonic_ns();
  header->pid = (uint32_t)getpid();
  header->parent_pid = (uint32_t)getppid();
  header->version = SEEP_FORMAT_VERSION;
  memcpy(header->magic, SEEP_FORMAT_MAGIC, sizeof header->magic);
}

enum seep_status seep_capture_create(struct seep_capture *capture, const char *path,
                                     struct seep_error *error) {
  int saved_errno = errno;
  memset(capture, 0, offsetof(struct seep_capture, segments));
  pthread_mutex_init(&capture->growing, NULL);
  snprintf(capture->path, sizeof capture->path, "%s", path);
  int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) {
    enum seep_status failed = seep_error_set(error, SEEP_E_SYSTEM, "%s: %s", path, strerror(errno));
    errno = saved_errno;
    return failed;
  }
  flock(file, LOCK_EX); /* of two that come at once, one finds it empty */
  enum seep_status status = map_header(capture, file, error);
  if (status == SEEP_OK) fill_header(capture->header);
  flock(file, LOCK_UN); /* closing would not do: the mapping keeps the lock alive */
  close(file);
  errno = saved_errno;
  return status;
}

/* -- Tables ------------------------------------------------------------------ */

void seep_table_init(struct seep_table *table, enum seep_segment_kind kind, uint32_t state,
                     uint32_t record_bytes, uint32_t first_bytes) {
  uint32_t records = (first_bytes - (uint32_t)sizeof(struct seep_segment_header)) / record_bytes;
  *table = (struct seep_table){
      .kind = kind,
      .state = state,
      .record_bytes = record_bytes,
      .first_shift = 31 - (uint32_t)__builtin_clz(records),
  };
}

static struct seep_segment_header *map_segment(struct seep_capture *capture, uint64_t size_bytes) {
  uint64_t offset = capture->header->size_bytes;
  char reason[160];
  int file = reopen(capture);
  int failure = file < 0 ? errno : allocate_blocks(file, offset, size_bytes);
  struct seep_segment_header *segment = NULL;
  if (failure == 0) {
    segment = map_file(file, offset, size_bytes, NULL);
    if (segment == NULL) failure = errno;
  }
  if (file >= 0) close(file);
  if (segment == NULL) {
    capture->full = true;
    snprintf(reason, sizeof reason, "the capture could not grow: %s", strerror(failure));
    seep_capture_mark_incomplete(capture, reason);
  }
  return segment;
}

static bool add_segment(struct seep_capture *capture, struct seep_table *table) {
  if (capture->full) return false;
  if (table->segment_count == SEEP_TABLE_SEGMENTS_MAX ||
      capture->segment_count == SEEP_CAPTURE_SEGMENTS_MAX) {
    seep_capture_mark_incomplete(capture, "the capture's tables are full");
    return false;
  }
  uint64_t records = 1ULL << (table->first_shift + table->segment_count);
  if (table->capacity + records > INT32_MAX) return false;
  uint64_t size_bytes = seep_round_up(
      sizeof(struct seep_segment_header) + records * table->record_bytes, SEEP_PAGE_BYTES);
  struct seep_segment_header *segment = map_segment(capture, size_bytes);
  if (segment == NULL) return false;
  *segment = (struct seep_segment_header){
      .magic = SEEP_SEGMENT_MAGIC,
      .kind = table->kind,
      .state = table->state,
      .size_bytes = size_bytes,
      .offset = capture->header->size_bytes,
      .record_bytes = table->record_bytes,
      .first_record = table->capacity,
      .record_capacity = (uint32_t)records,
  };
  capture->segments[capture->segment_count++] = segment;
  capture->header->size_bytes += size_bytes;
  capture->header->segment_count++;
  table->origins[table->segment_count++] = (uintptr_t)(segment + 1) - (uintptr_t)table->capacity * table->record_bytes;
  table->capacity += (uint32_t)records;
  return true;
}

bool seep_table_reserve(struct seep_capture *capture, struct seep_table *table, uint32_t count) {
  int saved_errno = errno;
  bool enough = true;
  if (SEEP_LIKELY(table->capacity >= count)) return true;
  pthread_mutex_lock(&capture->growing);
  while (enough && table->capacity < count) enough = add_segment(capture, table);
  pthread_mutex_unlock(&capture->growing);
  errno = saved_errno;
  return enough;
}

uint32_t seep_table_run(const struct seep_table *table, uint32_t number) {
  uint32_t first = 0;
  for (uint32_t i = 0; i < table->segment_count; i++) {
    uint32_t capacity = 1u << (table->first_shift + i);
    if (number < first + capacity) return first + capacity - number;
    first += capacity;
  }
  return 0;
}

void seep_capture_hold(struct seep_capture *capture) { pthread_mutex_lock(&capture->growing); }

void seep_capture_let_go(struct seep_capture *capture) { pthread_mutex_unlock(&capture->growing); }

/* -- Forking ----------------------------------------------------------------- */

void *seep_capture_copy(const struct seep_capture *capture, size_t *size_bytes) {
  *size_bytes = capture->header->size_bytes;
  char *copy = seep_pages_map(*size_bytes);
  if (copy == NULL) return NULL;
  memcpy(copy, capture->header, SEEP_HEADER_BYTES);
  for (uint32_t i = 0; i < capture->segment_count; i++) {
    const struct seep_segment_header *segment = capture->segments[i];
    memcpy(copy + segment->offset, segment, segment->size_bytes);
  }
  return copy;
}

void seep_capture_restore(struct seep_capture *capture, const void *copy, size_t copy_bytes) {
  struct seep_file_header *header = capture->header, now = *header;
  memcpy(header, copy, SEEP_HEADER_BYTES);
  header->size_bytes = now.size_bytes;
  header->segment_count = now.segment_count;
  header->flags = now.flags;
  memcpy(header->problem, now.problem, sizeof header->problem);
  for (uint32_t i = 0; i < capture->segment_count; i++) {
    struct seep_segment_header *segment = capture->segments[i];
    if (segment->offset >= copy_bytes) continue;
    memcpy(segment, (const char *)copy + segment->offset, segment->size_bytes);
  }
}

/* Puts private memory with the copy's content in place of the shared pages. */
static void detach(struct seep_capture *capture, const char *copy) {
  for (uint32_t i = 0; i <= capture->segment_count; i++) {
    void *at = i == 0 ? (void *)capture->header : (void *)capture->segments[i - 1];
    uint64_t offset = i == 0 ? 0 : capture->segments[i - 1]->offset;
    uint64_t size = i == 0 ? SEEP_HEADER_BYTES : capture->segments[i - 1]->size_bytes;
    void *pages = mmap(at, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (pages != MAP_FAILED) memcpy(pages, copy + offset, size);
  }
}

static int write_all(int file, const char *bytes, size_t size_bytes) {
  while (size_bytes > 0) {
    ssize_t wrote = write(file, bytes, size_bytes);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return wrote < 0 ? errno : ENOSPC;
    bytes += wrote;
    size_bytes -= (size_t)wrote;
  }
  return 0;
}

/* Maps the new file's pages over the detached ones. */
static bool attach(struct seep_capture *capture, int file) {
  for (uint32_t i = 0; i < capture->segment_count; i++) {
    struct seep_segment_header *segment = capture->segments[i];
    if (map_file(file, segment->offset, segment->size_bytes, segment) == NULL) return false;
  }
  return map_file(file, 0, SEEP_HEADER_BYTES, capture->header) != NULL;
}

enum seep_status seep_capture_fork(struct seep_capture *capture, const char *path,
                                   const void *copy, size_t copy_bytes, struct seep_error *error) {
  int saved_errno = errno;
  struct stat status;
  detach(capture, copy);
  snprintf(capture->path, sizeof capture->path, "%s", path);
  int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  int failure = file < 0 ? errno : allocate_blocks(file, 0, copy_bytes);
  if (failure == 0) failure = write_all(file, copy, copy_bytes);
  if (failure == 0 && (fstat(file, &status) != 0 || !attach(capture, file))) failure = errno;
  if (file >= 0) close(file);
  if (failure == 0) {
    capture->device = status.st_dev;
    capture->inode = status.st_ino;
    capture->header->pid = (uint32_t)getpid();
    capture->header->parent_pid = (uint32_t)getppid();
    capture->header->flags |= SEEP_FILE_FORKED;
  }
  errno = saved_errno;
  if (failure == 0) return SEEP_OK;
  return seep_error_set(error, SEEP_E_SYSTEM, "%s: %s", path, strerror(failure));
}

/* -- Sealing ----------------------------------------------------------------- */

/* Replaces a shared mapping by a private one of the same bytes: a thread of the
 * program that is still in the middle of a count cannot change the file any
 * more. */
static bool make_private(int file, void *at, uint64_t offset, uint64_t size_bytes) {
  return mmap(at, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file,
              (off_t)offset) != MAP_FAILED;
}

/* What is written from here on goes through mappings of its own: a program may have
 * lowered its limit on file sizes, and a write past that would end it. */
static bool seal_segment(int file, struct seep_segment_header *segment) {
  struct seep_segment_header header = *segment;
  if (!make_private(file, segment, header.offset, header.size_bytes)) return false;
  struct seep_segment_header *shared = map_file(file, header.offset, SEEP_PAGE_BYTES, NULL);
  if (shared == NULL) return false;
  segment->checksum = 0;
  shared->checksum = seep_checksum(0, segment, header.size_bytes);
  munmap(shared, SEEP_PAGE_BYTES);
  return true;
}

/* The seal comes last: who is killed before it leaves a file that is not sealed. */
static bool seal_header(int file, struct seep_file_header *header) {
  if (!make_private(file, header, 0, SEEP_HEADER_BYTES)) return false;
  struct seep_file_header *shared = map_file(file, 0, SEEP_HEADER_BYTES, NULL);
  if (shared == NULL) return false;
  header->ended_monotonic_ns = seep_clock_monotonic_ns();
  memcpy(header->seal, SEEP_SEAL_MAGIC, sizeof header->seal);
  header->checksum = 0;
  header->checksum = seep_checksum(0, header, SEEP_HEADER_BYTES);
  size_t behind = offsetof(struct seep_file_header, checksum);
  memcpy((char *)shared + behind, (const char *)header + behind, SEEP_HEADER_BYTES - behind);
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  memcpy(shared->seal, header->seal, sizeof header->seal);
  munmap(shared, SEEP_HEADER_BYTES);
  return true;
}

static void note_unsealed(struct seep_capture *capture, int failure) {
  char reason[160];
  snprintf(reason, sizeof reason, "the capture could not be sealed: %s", strerror(failure));
  seep_capture_mark_incomplete(capture, reason);
}

void seep_capture_seal(struct seep_capture *capture) {
  int saved_errno = errno;
  int file = reopen(capture);
  bool sealed = file >= 0;
  if (!sealed) note_unsealed(capture, errno);
  for (uint32_t i = 0; sealed && i < capture->segment_count; i++) {
    sealed = seal_segment(file, capture->segments[i]);
  }
  if (sealed) seal_header(file, capture->header);
  if (file >= 0) close(file);
  errno = saved_errno;
}

void seep_capture_close(struct seep_capture *capture) {
  int saved_errno = errno;
  for (uint32_t i = 0; i < capture->segment_count; i++) {
    munmap(capture->segments[i], capture->segments[i]->size_bytes);
  }
  munmap(capture->header, SEEP_HEADER_BYTES);
  capture->header = NULL;
  capture->segment_count = 0;
  errno = saved_errno;
}
