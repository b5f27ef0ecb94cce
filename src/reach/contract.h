/* What `seepline run` and the preloaded library tell each other, by way of the
 * environment: the library takes these variables out again before the program
 * sees them. */
#ifndef SEEP_CONTRACT_H
#define SEEP_CONTRACT_H

/* "<run id, 16 hex digits>:<flags>:<absolute path of the capture>" */
#define SEEP_RUN_VARIABLE "SEEPLINE_RUN"

/* Flags: letters. */
#define SEEP_RUN_CHILDREN 'c' /* leave the variables for exec'd children */
#define SEEP_RUN_PLAIN '-'    /* no flag */

/* "sample:<bytes between two samples>"; not there: mode exact. */
#define SEEP_MODE_VARIABLE "SEEPLINE_MODE"

/* A number that fixes the points of mode sample, for tests. The user's own: it
 * stays in the environment. */
#define SEEP_SEED_VARIABLE "SEEPLINE_SEED"

#define SEEP_PRELOAD_NAME "libseepline-preload.so"

#endif
