/* The Lua that this module was loaded into: which build it is, and where in
 * memory a thread's state stands. */
#ifndef SEEP_LUA_HERE_H
#define SEEP_LUA_HERE_H

#include "base/error.h"
#include "lua/compat.h"
#include "vm/lua_api.h"
#include "vm/vm.h"

/* The description of this build, calibrated at the first call (some
 * milliseconds, in a scratch state; the caller's heap is not touched). NULL with
 * a message when no description fits. Any thread. */
const struct seep_vm *seep_here_vm(struct seep_error *error);

/* The public API of this build, for the hook modes: also where no description fits.
 * NULL with a message when a symbol of it is missing. */
const struct seep_lua_api *seep_here_api(struct seep_error *error);

/* The main thread of the state that L belongs to, or 0 with a message when the
 * state is not of this build. */
uintptr_t seep_here_main_thread(const struct seep_vm *vm, lua_State *L, struct seep_error *error);

/* Whether the collector is stopped; `vm` may be NULL, and is asked on 5.1, whose
 * API does not tell: false then. */
bool seep_here_collector_is_stopped(const struct seep_vm *vm, lua_State *L);

#endif
