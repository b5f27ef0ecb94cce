/* One allocator function and one hook function per recorder. An allocator gets no
 * state, and its `ud` must stay the program's, so the function itself says which
 * recorder it is; a hook gets a thread, from which the way to its state depends
 * on the VM. Thunks stay valid for ever: a module may keep an allocator
 * (lua_getallocf), a coroutine a hook. */
#ifndef SEEP_THUNKS_H
#define SEEP_THUNKS_H

#include "record/hooks.h"
#include "record/recorder.h"

/* The recorder behind each thunk; set before the thunk is handed out, and never
 * back to NULL. */
extern struct seep_recorder *seep_thunk_recorders[SEEP_STATES_MAX + 1];

/* The thunk of recorder `index`. */
seep_allocator *seep_thunk(uint32_t index);

/* The same for hooks. */
extern struct seep_hooks *seep_thunk_hooks[SEEP_STATES_MAX];
seep_lua_hook *seep_hook_thunk(uint32_t index);
/* A thunk for calibration: its calls go to seep_native_observe, through the same
 * frames as those of all other thunks. */
seep_allocator *seep_thunk_observed(void);

/* The recorder whose thunk `function` is, or NULL. */
struct seep_recorder *seep_thunk_owner(uintptr_t function);

#endif
