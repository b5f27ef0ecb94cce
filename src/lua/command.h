/* The command `seepline` at work for the module: what reads heaps is not in here, since libc is all that a host gets.
 *
 * The process leaves a frozen copy of itself (record/frozen.h), the command reads that, and the caller waits. Where the
 * command is: $SEEPLINE_COMMAND, else where it lies when the module was built or installed, else on PATH.
 * No Lua in this file. */
#ifndef SEEP_LUA_COMMAND_H
#define SEEP_LUA_COMMAND_H

#include "base/error.h"

struct seep_command_call {
  const char *verb;
  char *const *words;    /* behind the copy's process number; NULL at the end */
  int stream;            /* what is listened to: 1 or 2; the other one goes nowhere */
  char *said;            /* its beginning, with a zero byte behind it */
  size_t said_room, said_bytes;
  bool is_known;         /* how it ended: a program that reaps all its children itself hides that */
};

/* Runs `seepline VERB COPY WORDS…` and waits. SEEP_OK when it ended with status 0, or when that is not known. */
enum seep_status seep_command_run(struct seep_command_call *call, struct seep_error *error);

#endif
