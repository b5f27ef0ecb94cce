/* The functions of the module, and what they share. */
#ifndef SEEP_LUA_FUNCTIONS_H
#define SEEP_LUA_FUNCTIONS_H

#include "lua/answer.h"
#include "lua/session.h"

/* Pushes nil and the message: what a function returns for what can go wrong in
 * the world. */
int seep_fail(lua_State *L, const struct seep_error *error);

/* Pushes a full userdata that frees with `collect` what its pointer leads to, in
 * the end or when an error is raised. */
void **seep_new_box(lua_State *L, lua_CFunction collect);

/* What to name a capture and messages after: the script's arg[0], else the
 * program. Good until the stack slot that this pushes is popped. */
const char *seep_program_name(lua_State *L);

/* seepline.check (check.c). */
int seep_check(lua_State *L);

/* seepline.snapshot (snapshot.c). */
int seep_take_snapshot(lua_State *L);

#endif
