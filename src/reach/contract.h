/* What `seepline run` and the preloaded library tell each other, by way of the
 * environment: the library takes these variables out again before the program
 * sees them. And what the library tells the Lua module in the same process. */
#ifndef SEEP_CONTRACT_H
#define SEEP_CONTRACT_H

#include <limits.h>

#include "base/base.h"

/* "<run id, 16 hex digits>:<flags>:<absolute path of the capture>" */
#define SEEP_RUN_VARIABLE "SEEPLINE_RUN"

/* Flags: letters. */
#define SEEP_RUN_CHILDREN 'c' /* leave the variables for exec'd children */
#define SEEP_RUN_PLAIN '-'    /* no flag */

/* "<enum seep_mode>:<interval, as in the capture's header>"; not there: mode exact.
 * Tests add a fall-back that is to be taken: ":public", the hook modes ask the public API
 * alone, as they do on a build that no description fits; ":saved", lines are those of
 * saved pcs, as on a build whose paths to the allocator cannot be learned. */
#define SEEP_MODE_VARIABLE "SEEPLINE_MODE"

/* The process number of `run`, when it wants to read the heap at the end: the library
 * then leaves a frozen copy for it (record/frozen.h) and says so in the capture's header. */
#define SEEP_KEEPER_VARIABLE "SEEPLINE_KEEPER"

/* What the Lua module tells `seepline snapshot` of the process that it is to read: it is a
 * frozen copy. "<process number of the program>:<nanoseconds that it stood for the copy>" */
#define SEEP_FROZEN_VARIABLE "SEEPLINE_FROZEN"

/* The verb by which the Lua module asks what holds the objects that lines allocated: "held PID FILE:LINE…", PID being
 * a frozen copy. For each path the answer has "<number of the line, from 0> <objects> <bytes> <sort> <path>" and a zero
 * byte, those that hold most first. Sort: = or ~ (estimates), and o (objects) or b (buffers, which are parts of them). */
#define SEEP_HELD_VERB "held"

/* A number that fixes the points of mode sample, for tests. The user's own: it
 * stays in the environment. */
#define SEEP_SEED_VARIABLE "SEEPLINE_SEED"

#define SEEP_PRELOAD_NAME "libseepline-preload.so"

/* The module finds the recording of `seepline run` by this symbol. Another shape
 * gets another number. */
#define SEEP_RECORDING_SYMBOL "seepline_recording_1"
struct seep_recording_1 {
  /* Whether the state that `thread` (a lua_State) belongs to is recorded; if so,
   * makes its rows add up, and says in which capture and as which state. On the
   * thread that runs the state, between two allocator calls. */
  bool (*settle)(void *thread, char path[PATH_MAX], uint32_t *state_index);
};

#endif
