/* What holds the memory that lines allocated, from a heap snapshot that is joined with their recording. */
#ifndef SEEP_HELD_BY_H
#define SEEP_HELD_BY_H

#include "cli/heap_input.h"
#include "report/report.h"

/* A snapshot that was opened to be asked. */
struct seep_held_by {
  struct seep_heap_input input;
  struct seep_array *holders;    /* of each view */
};

/* Opens the snapshot at `path`, which must be of the recording `run_id`. SEEP_DONE, or SEEP_FAILED after a message.
 * It must not move. */
int seep_held_by_open(const struct seep_verb *verb, const char *path, uint64_t run_id, struct seep_held_by *out);
void seep_held_by_close(struct seep_held_by *held_by);

/* For reports: asks it by line. */
struct seep_holding seep_held_by_ask(struct seep_held_by *held_by);

/* Fills held_by of each finding from the snapshot at `path`. SEEP_DONE, or SEEP_FAILED after a message. */
int seep_held_by_file(const struct seep_verb *verb, const char *path, uint64_t run_id, struct seep_findings *findings);

/* The same from the snapshot that is kept beside a capture (kept_heap.h), if there is one; one that cannot be read is
 * said, and nothing is filled in. */
void seep_held_by_kept(const struct seep_verb *verb, const char *capture_path, uint64_t run_id,
                       struct seep_findings *findings);

/* The same from a snapshot of process `pid`, taken now and not kept. */
int seep_held_by_process(const struct seep_verb *verb, uint32_t pid, uint64_t run_id, struct seep_findings *findings);

#endif
