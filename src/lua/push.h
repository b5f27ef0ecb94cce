/* Results as Lua tables, with the field names of `show --json`. What a row or a
 * mode does not know is nil. These may raise a Lua error (memory). */
#ifndef SEEP_LUA_PUSH_H
#define SEEP_LUA_PUSH_H

#include "lua/compat.h"
#include "verdict/verdict.h"

/* Pushes an array of the first `limit` rows (0: all). */
void seep_push_rows(lua_State *L, const struct seep_profile *profile, uint32_t limit);

/* Pushes an array of the first `limit` verdicts (0: all), as `leaks --json` has them. */
void seep_push_findings(lua_State *L, const struct seep_findings *findings, uint32_t limit);

/* Pushes a table of totals and of what the recording is. */
void seep_push_stats(lua_State *L, const struct seep_profile *profile);

#endif
