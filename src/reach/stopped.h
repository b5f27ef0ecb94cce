/* All threads of another process, stopped for as long as needed: see process_image.h for how and why it is safe. */
#ifndef SEEP_STOPPED_H
#define SEEP_STOPPED_H

#include <sys/types.h>

#include "base/array.h"
#include "base/error.h"

struct seep_stopped {
  pid_t pid;
  struct seep_array threads;   /* struct of stopped.c */
  uint64_t since_ns;           /* when the first thread was told to stop */
};

/* Stops every thread of `pid`. A thread that sits in the kernel and cannot be stopped within half a second runs no code
 * of the process and is let be; should it come back, it stops there. On failure every thread goes on and nothing is
 * left to free. SEEP_E_NOT_FOUND: there is no such process (any more). SEEP_E_SYSTEM: it may not be stopped; the
 * message says why. */
enum seep_status seep_stop(pid_t pid, struct seep_stopped *out, struct seep_error *error);

/* Lets every thread go on, with the signals that arrived for it. Returns for how long the process was stopped. */
uint64_t seep_resume(struct seep_stopped *stopped);

/* Why `pid` may not be looked into, in words; `error_number` is what the kernel said. Fills `error`. */
enum seep_status seep_explain_refusal(pid_t pid, int error_number, struct seep_error *error);

#endif
