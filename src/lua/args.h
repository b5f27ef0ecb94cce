/* Arguments of the module's functions. A wrong one is a Lua error that names
 * function and argument, at the position of the nearest Lua code that called. */
#ifndef SEEP_LUA_ARGS_H
#define SEEP_LUA_ARGS_H

#include "base/base.h"
#include "lua/compat.h"

/* Raises an error "where: text". Does not return. */
int seep_args_raise(lua_State *L, const char *text);

/* Raises "where: bad argument #n to 'function' (…)". Does not return. */
int seep_args_bad(lua_State *L, int argument, const char *function, const char *format, ...);

/* A whole number from `least` up that may be absent (then `otherwise`). */
uint32_t seep_args_count(lua_State *L, int argument, const char *function, uint32_t least, uint32_t otherwise);

/* One option of a table that may be absent. */
struct seep_option {
  const char *name;
  enum { SEEP_OPTION_TEXT, SEEP_OPTION_COUNT, SEEP_OPTION_CHOICE, SEEP_OPTION_SWITCH } kind;
  uint32_t least, most;              /* of a count; most 0: no limit */
  const char *const *choices;        /* of a choice, NULL at the end */
  /* What was given; as it stands when it was not. */
  const char *text;                  /* good while the table has it */
  uint32_t number;                   /* a count, the index of a choice, or of a switch 1 or 0 */
};

/* Reads a table of options, none of which may be unknown or of a wrong type. */
void seep_args_options(lua_State *L, int argument, const char *function, struct seep_option *options, size_t count);

#endif
