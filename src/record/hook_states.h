/* The states of this process that are recorded by hooks: what process.h is for
 * those whose allocator is recorded. Both share the capture and its lock.
 *
 * A state keeps its recorder, and its hook function, while it lives: coroutines
 * may have the hook long after it ended. Entries of closed states are used again
 * as process.h says.
 * Thread rule: as said at each function. */
#ifndef SEEP_HOOK_STATES_H
#define SEEP_HOOK_STATES_H

#include "record/hooks.h"

/* What to record a state by. */
struct seep_hook_request {
  const struct seep_lua_api *api;
  const struct seep_vm *vm;    /* NULL: no description fits this build */
  enum seep_mode mode;         /* line, call or count */
  uint32_t instructions;       /* between two samples, mode count; else 0 */
};

/* Begins to record the state of L, on the thread that runs it (or while it runs
 * nothing): L is the Lua thread that runs, `main_thread` the state's main one, 0 if
 * not known. Calls no Lua function and allocates nothing from the state; the
 * request's api and vm must outlive the process. Does nothing when the state has
 * our hook already. SEEP_E_MEMORY when there is no room in the capture, or none
 * can be written; the message says why. */
enum seep_status seep_hook_states_start(const struct seep_hook_request *request, lua_State *L,
                                        uintptr_t main_thread, struct seep_error *error);

/* Ends the recording of L's state, on the thread that runs it: the last interval
 * is charged, and L's hook taken off. `is_closing`: lua_close comes next. False
 * when the state is not recorded by hooks, or not any more. */
bool seep_hook_states_stop(const struct seep_lua_api *api, lua_State *L, bool is_closing);

/* Makes the rows of L's state add up to what its VM counts at this moment, on the
 * thread that runs it. False when it is not recorded by hooks. */
bool seep_hook_states_settle(const struct seep_lua_api *api, lua_State *L);

/* The description's view of the state at `global`, if it is recorded by hooks, for
 * seep_vm_host_resume_begin; else NULL. Any thread. */
struct seep_vm_state *seep_hook_states_vm_state(uintptr_t global);

/* This memory is about to go: so does a state in it. (That is how an interpreter
 * with LuaJIT inside ends a state.) Any thread. */
void seep_hook_states_unmap(uintptr_t begin, size_t size_bytes);

/* The state of L is about to end: its recorder may serve another state once the
 * capture that it is in is finished. */
void seep_hook_states_abandon(const struct seep_lua_api *api, lua_State *L);

/* For process.c, under its lock: whether any state is recorded by hooks; and that
 * the capture is finished and its pages go. */
bool seep_hook_states_any(void);
void seep_hook_states_detach(void);

/* For process.c, under its lock: charges what can still be read, and ends all; or
 * ends all at once. */
void seep_hook_states_finish(void);
void seep_hook_states_end_all(void);

#endif
