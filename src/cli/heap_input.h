/* What the verbs about heaps read: a snapshot, from a file or taken now, some or all of its states, and
 * names of functions. */
#ifndef SEEP_HEAP_INPUT_H
#define SEEP_HEAP_INPUT_H

#include "cli/verb.h"
#include "model/names.h"
#include "reach/take_heap.h"
#include "report/heap.h"

/* Options that these verbs share. */
struct seep_heap_options {
  uint32_t limit;        /* 0: no limit */
  bool limited;          /* the user gave it */
  bool json;
  const char *state;     /* its name or number; NULL: all */
};

/* Reads the arguments: options, and exactly `word_count` words, the first of which is then at argv[*first]. SEEP_DONE,
 * or the exit status of a failure that was said (`question` is asked when words are missing), or, with *helped, of help
 * that was given. */
int seep_heap_options_read(const struct seep_verb *verb, int argc, char **argv, int word_count, const char *question,
                           struct seep_heap_options *out, int *first, bool *helped);

struct seep_heap_input {
  struct seep_snapshot snapshot;
  struct seep_heap_view *views;
  uint32_t view_count;
  struct seep_names *names;
  struct seep_namer namer;
  struct seep_heap_report report;  /* refers to the above */
};

/* Opens and analyses. SEEP_DONE, or SEEP_FAILED after a message. To be closed after success. The input must not move.
 */
int seep_heap_input_open(const struct seep_verb *verb, const char *path, const struct seep_heap_options *options,
                         uint32_t default_limit, struct seep_heap_input *out);
/* The same of a process, now (take_heap.h). */
int seep_heap_input_take(const struct seep_verb *verb, pid_t pid, struct seep_frozen_copy copy,
                         struct seep_heap_input *out);
void seep_heap_input_close(struct seep_heap_input *input);

#endif
