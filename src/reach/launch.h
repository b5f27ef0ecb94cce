/* Starting a program with the recorder in it, and ending as it ended.
 *
 * The program is a child: its standard streams, terminal and process group are
 * ours. While it runs, interrupts from the terminal are left to it, and signals
 * sent to us are passed on. */
#ifndef SEEP_LAUNCH_H
#define SEEP_LAUNCH_H

#include <limits.h>

#include "base/error.h"
#include "store/format.h"

/* Exit statuses of our own, as env(1) has them. */
enum { SEEP_EXIT_CANNOT_RECORD = 125, SEEP_EXIT_CANNOT_RUN = 126, SEEP_EXIT_NOT_FOUND = 127 };

struct seep_launch {
  char *const *arguments;     /* of the program, NULL at the end; [0] is looked up on PATH */
  const char *capture;        /* path as asked for, or NULL for the default name */
  bool children;              /* record exec'd children, too */
  bool wants_heap;            /* the program is to leave a frozen copy of itself for us (record/frozen.h) */
  enum seep_mode mode;
  uint32_t interval;          /* modes sample and count: as in the capture's header; else 0 */
  uint64_t run_id;            /* set by seep_launch_run */
  char capture_path[PATH_MAX];/* absolute, set by seep_launch_run */
};

/* Runs the program to its end. Returns its wait status in *wait_status, or one
 * of the exit statuses above in *failure (else 0) with a message. */
enum seep_status seep_launch_run(struct seep_launch *launch, int *wait_status, int *failure,
                                 struct seep_error *error);

/* Ends this process as `wait_status` says: with the same status, or by the same
 * signal (without a core file of ours). Does not return. */
void seep_launch_end_alike(int wait_status) __attribute__((noreturn));

/* The full path of `program` as execvp would find it; false with errno set. */
bool seep_launch_find(const char *program, char out[PATH_MAX]);

#endif
