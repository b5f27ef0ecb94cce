/* What holds the memory that rows of a profile or lines allocated, from a heap snapshot that is joined with their recording. */
#ifndef SEEP_HELD_BY_H
#define SEEP_HELD_BY_H

#include "cli/heap_input.h"
#include "report/report.h"

/* Where the user wants it from: a snapshot file, or the running process now; neither: the snapshot that is kept beside
 * the capture (kept_heap.h), if there is one. */
struct seep_held_request {
  const char *heap;
  bool take_now;
};

/* A snapshot that was opened to be asked. It must not move. */
struct seep_held_by {
  struct seep_heap_input input;
  struct seep_array *holders;    /* of each view; NULL: there is no snapshot */
  bool is_estimate;              /* from sampled objects alone */
  struct seep_holding holding;
};

/* Opens what is asked for, which must be of the recording that `profile` is made from. SEEP_FAILED after a
 * message; a kept snapshot that cannot be read is said, and taken for none. To be closed after success. */
int seep_held_by_open(const struct seep_verb *verb, const struct seep_held_request *request,
                      const struct seep_profile *profile, const struct seep_reader *reader, struct seep_held_by *out);

/* The same of a frozen copy that a process has made of itself, and the recording that goes on there. */
int seep_held_by_open_copy(const struct seep_verb *verb, pid_t pid, struct seep_frozen_copy copy,
                           struct seep_held_by *out);
void seep_held_by_close(struct seep_held_by *held_by);

/* For reports; NULL when there is no snapshot. */
const struct seep_holding *seep_held_by_ask(const struct seep_held_by *held_by);

/* Fills held_by of each finding. */
void seep_held_by_fill(struct seep_held_by *held_by, struct seep_findings *findings);

#endif
