/* What holds the objects that lines have allocated, asked of the command (command.h). No Lua in this file. */
#ifndef SEEP_LUA_HELD_H
#define SEEP_LUA_HELD_H

#include "verdict/verdict.h"

/* A line, and after the question what holds its objects (to be freed with seep_held_list_free). */
struct seep_held_line {
  const char *file;   /* as shown */
  uint32_t line;
  struct seep_held_list held;
};

enum { SEEP_HELD_LINES_MAX = 64 };

/* Asks for at most SEEP_HELD_LINES_MAX lines; between two allocator calls of the state. What cannot be known (no
 * command, another version's, no memory) leaves the lists empty, and is in the message. */
enum seep_status seep_held_ask(struct seep_held_line *lines, uint32_t count, struct seep_error *error);

#endif
