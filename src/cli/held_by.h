/* What holds the memory that findings claim, from a heap snapshot that is joined with their recording. */
#ifndef SEEP_HELD_BY_H
#define SEEP_HELD_BY_H

#include "cli/heap_input.h"
#include "verdict/verdict.h"

/* Fills held_by of each finding from the snapshot at `path`, which must be of the same recording (`run_id`). SEEP_DONE,
 * or SEEP_FAILED after a message. */
int seep_held_by_file(const struct seep_verb *verb, const char *path, uint64_t run_id, struct seep_findings *findings);

/* The same from the snapshot that is kept beside a capture (kept_heap.h), if there is one. */
int seep_held_by_kept(const struct seep_verb *verb, const char *capture_path, uint64_t run_id,
                      struct seep_findings *findings);

/* The same from a snapshot of process `pid`, taken now and not kept. */
int seep_held_by_process(const struct seep_verb *verb, uint32_t pid, uint64_t run_id, struct seep_findings *findings);

#endif
