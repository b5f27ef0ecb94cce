/* Recording a Lua state by its debug hook, for VMs and hosts whose allocator
 * must not be touched: the modes line, call and count.
 *
 * Model: the VM's own count of its memory is read at every event, and what it
 * has changed since the event before is charged to the place that ran in between
 * (hook_stack.h): a rise as a gain, a fall as a loss (a collection freed more than
 * was allocated). So gains minus losses of all rows are the VM's count now
 * minus that at the start, exactly, whatever the collector did.
 * - line: call, return and line events. Growth belongs to the line that ran.
 * - call: call and return events. Growth belongs to the function that ran; its
 *   frame's line is the one on which it begins.
 * - count: an event every so many VM instructions. Growth is charged to the place
 *   at which the sample finds the VM: an estimate.
 *
 * A description of the VM makes reading cheap; without one (vm NULL) everything
 * is asked of the public API. Each state has a hook function of its own
 * (hook_thunks.c), which a coroutine inherits. One that has another's hook, or
 * none, is met when it is resumed from a thread that is recorded.
 *
 * Invariants: the hook allocates nothing from the VM, calls nothing that can
 * raise an error, and changes nothing but hooks of the state.
 * Thread rule: on the thread that runs the state; starting and stopping also
 * under the lock of process.c. */
#ifndef SEEP_HOOKS_H
#define SEEP_HOOKS_H

#include "record/hook_stack.h"

enum seep_hooks_phase {
  SEEP_HOOKS_UNUSED = 0,
  SEEP_HOOKS_RECORDING,
  SEEP_HOOKS_ENDED,    /* the hook takes itself off wherever it is called */
};

struct seep_hooks {
  enum seep_hooks_phase phase;
  enum seep_mode mode;
  const struct seep_lua_api *api;
  struct seep_vm_state vm_state;     /* vm NULL: no description */
  uintptr_t identity;                /* of the state: seep_lua_api_identity */
  lua_State *thread;                 /* on which it was started */
  seep_lua_hook *installed;          /* this state's hook function */
  uintptr_t hook_place;              /* in the main thread, where PUC keeps it; 0: not found */
  int mask;
  int instructions;                  /* between two count events */
  uint64_t count_bytes;              /* the VM's own count at the last event */
  void *os_thread;                   /* that had the last event */
  uint64_t sethook_key;              /* of debug.sethook, where known; 0: not */
  uint64_t yield_key, error_key;     /* likewise, on LuaJIT alone */
  struct seep_capture *capture;
  struct seep_state_record *record;  /* NULL: in no capture */
  bool abandoned;                    /* the state is gone */
  struct seep_table state_table, rows;
  uint32_t unrecorded_row;
  struct seep_sites sites;
  struct seep_hook_stack stack;
  struct seep_stack walked;          /* scratch of mode count */
};

/* Prepares a recorder's entry and tables as state `state_index`. False when there
 * is no room. `api` and `vm` must outlive it; `vm` may be NULL. */
bool seep_hooks_init(struct seep_hooks *hooks, struct seep_capture *capture, uint32_t state_index,
                     const struct seep_lua_api *api, const struct seep_vm *vm, enum seep_mode mode,
                     uint32_t instructions);

/* Gives back what is not in the capture. */
void seep_hooks_clear(struct seep_hooks *hooks);

/* Begins: `L` is the thread that runs, or the main thread of a state that runs
 * nothing; `main_thread` is 0 where it is not known. Sets the hook of every thread that
 * is active. */
void seep_hooks_begin(struct seep_hooks *hooks, lua_State *L, uintptr_t main_thread);

/* The hook's work. */
void seep_hooks_event(struct seep_hooks *hooks, lua_State *L, void *debug);

/* Charges what has grown since the last event. `L` is a thread of the state, in
 * mode count the one that runs. */
void seep_hooks_settle(struct seep_hooks *hooks, lua_State *L);

/* Ends the recording of a state. With `L`, a thread of it, it is settled first and
 * that thread's hook is taken off; others take it off themselves. With NULL the
 * state is gone, or must not be asked. */
void seep_hooks_end(struct seep_hooks *hooks, lua_State *L);

/* What the description tells of a state whose end nobody announced; without one,
 * gone. Reads memory that may be gone. */
enum seep_hooks_life {
  SEEP_HOOKS_ALIVE,
  SEEP_HOOKS_CLOSED,   /* lua_close has been there, and the memory is as it left it */
  SEEP_HOOKS_GONE,
};
enum seep_hooks_life seep_hooks_life(const struct seep_hooks *hooks);

/* Ends the recording, and notes it in the capture, if the hook is no longer ours.
 * `L`: a thread that had it; NULL: of a closed state whose memory is as it was. */
void seep_hooks_note_takeover(struct seep_hooks *hooks, lua_State *L);

#endif
