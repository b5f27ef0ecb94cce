/* Twice 1024 functions that differ in one number, and one more. See thunks.h. */
#include "record/thunks.h"

#include "vm/scratch.h"

struct seep_recorder *seep_thunk_recorders[SEEP_STATES_MAX + 1];
struct seep_hooks *seep_thunk_hooks[SEEP_STATES_MAX];

#define THUNK(n)                                                                     \
  static void *thunk_##n(void *ud, void *block, size_t old_size, size_t new_size) {  \
    struct seep_recorder *recorder = seep_thunk_recorders[0x##n];                    \
    return recorder->call(ud, block, old_size, new_size, recorder);                  \
  }
#define NAME(n) thunk_##n,
#define HOOK(n)                                                                            \
  static void hook_##n(lua_State *L, void *debug) { seep_hooks_event(seep_thunk_hooks[0x##n], L, debug); }
#define HOOK_NAME(n) hook_##n,

/* X(n) for the sixteen numbers that begin with p, and so on up to 0x3ff. */
#define SIXTEEN(X, p)                                                                       \
  X(p##0) X(p##1) X(p##2) X(p##3) X(p##4) X(p##5) X(p##6) X(p##7)                           \
  X(p##8) X(p##9) X(p##a) X(p##b) X(p##c) X(p##d) X(p##e) X(p##f)
#define TWO_FIFTY_SIX(X, p)                                                                 \
  SIXTEEN(X, p##0) SIXTEEN(X, p##1) SIXTEEN(X, p##2) SIXTEEN(X, p##3)                       \
  SIXTEEN(X, p##4) SIXTEEN(X, p##5) SIXTEEN(X, p##6) SIXTEEN(X, p##7)                       \
  SIXTEEN(X, p##8) SIXTEEN(X, p##9) SIXTEEN(X, p##a) SIXTEEN(X, p##b)                       \
  SIXTEEN(X, p##c) SIXTEEN(X, p##d) SIXTEEN(X, p##e) SIXTEEN(X, p##f)
#define ALL(X) TWO_FIFTY_SIX(X, 0) TWO_FIFTY_SIX(X, 1) TWO_FIFTY_SIX(X, 2) TWO_FIFTY_SIX(X, 3)

ALL(THUNK)
ALL(HOOK)
THUNK(400)

static seep_allocator *const thunks[] = {ALL(NAME)};
_Static_assert(SEEP_ARRAY_SIZE(thunks) == SEEP_STATES_MAX && SEEP_STATES_MAX == 0x400, "a thunk for every state");

static seep_lua_hook *const hooks[] = {ALL(HOOK_NAME)};
_Static_assert(SEEP_ARRAY_SIZE(hooks) == SEEP_STATES_MAX, "a hook for every state");

seep_allocator *seep_thunk(uint32_t index) { return thunks[index]; }

seep_lua_hook *seep_hook_thunk(uint32_t index) { return hooks[index]; }

seep_allocator *seep_thunk_observed(void) {
  static struct seep_recorder observed = {
      .phase = SEEP_PHASE_OBSERVED, .original = seep_scratch_alloc, .call = seep_recorder_call};
  seep_thunk_recorders[SEEP_STATES_MAX] = &observed;
  return thunk_400;
}

struct seep_recorder *seep_thunk_owner(uintptr_t function) {
  for (uint32_t i = 0; i < SEEP_STATES_MAX && seep_thunk_recorders[i] != NULL; i++) {
    if (function == (uintptr_t)thunks[i]) return seep_thunk_recorders[i];
  }
  return NULL;
}
