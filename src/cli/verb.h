/* The verbs of the command line: one file each, one table (main.c). A verb gets
 * its own arguments (argv[0] is its name) and returns the exit status. */
#ifndef SEEP_VERB_H
#define SEEP_VERB_H

#include <limits.h>

#include "model/profile.h"
#include "reach/take_heap.h"

enum { SEEP_DONE = 0, SEEP_FAILED = 1, SEEP_WRONG_USAGE = 2 };
enum { SEEP_ROWS_DEFAULT = 30 };

struct seep_verb {
  const char *name;
  const char *synopsis;   /* behind "seepline " */
  const char *purpose;    /* one line; NULL: it is not for users, and not listed */
  const char *options;    /* lines for --help, or "" */
  int (*run)(const struct seep_verb *verb, int argc, char **argv);
};

int seep_verb_diff(const struct seep_verb *verb, int argc, char **argv);
int seep_verb_export(const struct seep_verb *verb, int argc, char **argv);
int seep_verb_held(const struct seep_verb *verb, int argc, char **argv);
int seep_verb_heap(const struct seep_verb *verb, int argc, char **argv);
int seep_verb_path(const struct seep_verb *verb, int argc, char **argv);
int seep_verb_run(const struct seep_verb *verb, int argc, char **argv);
int seep_verb_snapshot(const struct seep_verb *verb, int argc, char **argv);
int seep_verb_leaks(const struct seep_verb *verb, int argc, char **argv);
int seep_verb_show(const struct seep_verb *verb, int argc, char **argv);

/* Prints one line to stderr, "seepline VERB: …", and returns `status`. */
int seep_verb_fail(const struct seep_verb *verb, int status, const char *format, ...) SEEP_PRINTF(3, 4);

/* What the Lua module says of the process that is to be read, if it started us (contract.h). */
struct seep_frozen_copy seep_verb_copy(void);

/* Prints how the verb is used and returns 0. */
int seep_verb_help(const struct seep_verb *verb);

/* SEEP_DONE when the answer was written and stdout takes the rest of it; SEEP_FAILED after a message otherwise. */
int seep_verb_written(const struct seep_verb *verb, bool written);

/* A whole number from `least` up; false when the text is none. */
bool seep_verb_number(const char *text, uint32_t least, uint32_t *out);

/* Opens what FILE|PID names: a capture's path, or a running process (a file of
 * that name comes first), and says in `path` where it is. SEEP_DONE, or SEEP_FAILED
 * after a message. */
int seep_verb_open_capture(const struct seep_verb *verb, const char *what, char path[PATH_MAX],
                           struct seep_reader **out);

/* Fills profile->running and its duration from the process table. */
void seep_verb_note_running(struct seep_profile *profile);

#endif
