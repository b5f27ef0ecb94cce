/* Writing a capture: a growing file, mapped while it is recorded.
 *
 * Model: a capture owns the mappings of a header page and of segments. A
 * *table* is the numbered records of one kind and state; its segments double,
 * so that a record's address follows from its number without a search, and
 * stays. The file's blocks are allocated before they are mapped, so a full
 * disk is an error here and never a SIGBUS in the program. No descriptor stays
 * open between calls (a program may close or count descriptors): the file is
 * opened again by its path and checked to be the same.
 *
 * After a failure the capture is marked incomplete with the reason, and goes
 * on with the room that it has. Thread rule: any thread may make its tables
 * grow (a lock of the capture's own is taken for that); records are written by
 * the thread that runs their state; creating, forking and sealing are the
 * caller's to keep apart. May run inside an allocator; errno is kept. */
#ifndef SEEP_WRITER_H
#define SEEP_WRITER_H

#include <limits.h>
#include <pthread.h>
#include <sys/types.h>

#include "base/error.h"
#include "store/format.h"

enum { SEEP_TABLE_SEGMENTS_MAX = 26, SEEP_CAPTURE_SEGMENTS_MAX = SEEP_STATES_MAX * 8 };

struct seep_table {
  uint32_t kind, state;
  uint32_t record_bytes;
  uint32_t first_shift;          /* segment 0 has 2^first_shift records, segment i 2^i times as many */
  uint32_t capacity;             /* records in all segments so far */
  uint32_t segment_count;
  uintptr_t origins[SEEP_TABLE_SEGMENTS_MAX];  /* of each segment: where record 0 would be, before its first one */
};

struct seep_capture {
  char path[PATH_MAX];
  dev_t device;
  ino_t inode;
  struct seep_file_header *header;
  bool full;                     /* it could not grow once: it is not tried again */
  pthread_mutex_t growing;       /* held while the file grows, and across a fork */
  uint32_t segment_count;
  struct seep_segment_header *segments[SEEP_CAPTURE_SEGMENTS_MAX];
};

/* Takes over the file at `path` (absolute) if it is empty, or creates it, mode
 * 0600, and maps a header. SEEP_E_USAGE when there is a file with something in
 * it: another process was first. */
enum seep_status seep_capture_create(struct seep_capture *capture, const char *path,
                                     struct seep_error *error);

/* Prepares an empty table; nothing is allocated yet. */
void seep_table_init(struct seep_table *table, enum seep_segment_kind kind, uint32_t state,
                     uint32_t record_bytes, uint32_t first_bytes);

/* Makes room until the table holds `count` records. False when there is none:
 * the capture is then marked incomplete, and does not grow any more. */
bool seep_table_reserve(struct seep_capture *capture, struct seep_table *table, uint32_t count);

/* The address of a record that seep_table_reserve made room for. */
SEEP_ALWAYS_INLINE void *seep_table_record(const struct seep_table *table, uint32_t number) {
  uint32_t segment = 31 - (uint32_t)__builtin_clz((number >> table->first_shift) + 1);
  return (void *)(table->origins[segment] + (size_t)number * table->record_bytes);
}

/* For string tables (record_bytes 1): the number of bytes, from `number` on,
 * that lie in one segment. */
uint32_t seep_table_run(const struct seep_table *table, uint32_t number);

/* Notes why something is missing; the first reason stays. */
void seep_capture_mark_incomplete(struct seep_capture *capture, const char *reason);

/* Keeps the file from growing, or lets it grow again: around a fork, so that the
 * child does not inherit a lock that nobody gives back. */
void seep_capture_hold(struct seep_capture *capture);
void seep_capture_let_go(struct seep_capture *capture);

/* A private copy of the whole file, in pages; NULL when there is no memory.
 * For the instant before a fork. `*size_bytes` is what to unmap. */
void *seep_capture_copy(const struct seep_capture *capture, size_t *size_bytes);

/* Puts the content of a copy back; what the file has grown by since stays, and so do flags and problem. */
void seep_capture_restore(struct seep_capture *capture, const void *copy, size_t copy_bytes);

/* In a forked child: writes `copy` to a new file at `path` and puts its pages
 * where the parent's were, so that every address stays good. On failure the
 * parent's pages are replaced by private memory: nothing is recorded in a file,
 * and the parent's file is safe. */
enum seep_status seep_capture_fork(struct seep_capture *capture, const char *path,
                                   const void *copy, size_t copy_bytes, struct seep_error *error);

/* Writes the checksums and the seal. What is written to the capture's pages from
 * then on does not reach the file. A file that cannot be opened (it is gone, or no
 * descriptor is left) stays unsealed, and says why. */
void seep_capture_seal(struct seep_capture *capture);

/* Gives the pages back. Nobody may hold a record any more; the file stays. */
void seep_capture_close(struct seep_capture *capture);

#endif
