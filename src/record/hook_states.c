/* Which states are recorded by hooks. See hook_states.h. */
#include "record/hook_states.h"

#include <errno.h>

#include "base/pages.h"
#include "record/process.h"
#include "record/thunks.h"

static uint32_t hooks_count;  /* of seep_thunk_hooks; changed under the lock of process.c */

/* In the capture, and lua_close was not there yet. */
static bool is_open(const struct seep_hooks *hooks) {
  return hooks->record != NULL && hooks->record->closed == SEEP_STATE_OPEN;
}

static bool is_closed(const struct seep_hooks *hooks) {
  return hooks->record != NULL && hooks->record->closed != SEEP_STATE_OPEN;
}

static struct seep_hooks *find(const struct seep_lua_api *api, lua_State *L) {
  uintptr_t identity = seep_lua_api_identity(api, L);
  for (uint32_t i = 0; i < hooks_count; i++) {
    if (seep_thunk_hooks[i]->identity == identity && is_open(seep_thunk_hooks[i])) return seep_thunk_hooks[i];
  }
  return NULL;
}

/* The recorder that the state had in a capture that is finished, or one whose
 * state is gone since. */
static struct seep_hooks *find_former(const struct seep_lua_api *api, lua_State *L) {
  uintptr_t identity = seep_lua_api_identity(api, L);
  struct seep_hooks *found = NULL;
  for (uint32_t i = 0; i < hooks_count; i++) {
    struct seep_hooks *hooks = seep_thunk_hooks[i];
    if (hooks->record == NULL && (hooks->identity == identity || hooks->abandoned)) found = hooks;
    if (found != NULL && found->identity == identity) break;
  }
  return found;
}

static void mark_closed(struct seep_hooks *hooks) {
  seep_hooks_end(hooks, NULL);
  hooks->record->closed = SEEP_STATE_CLOSED;
}

/* lua_close inside an interpreter is not seen: its state is found gone. */
static void look_for_closed(void) {
  for (uint32_t i = 0; i < hooks_count; i++) {
    struct seep_hooks *hooks = seep_thunk_hooks[i];
    if (is_open(hooks) && hooks->vm_state.vm != NULL && seep_hooks_life(hooks) != SEEP_HOOKS_ALIVE) {
      mark_closed(hooks);
    }
  }
}

/* -- Starting ------------------------------------------------------------------ */

static bool fits(const struct seep_hooks *hooks, const struct seep_hook_request *request) {
  return hooks->api == request->api && hooks->vm_state.vm == request->vm && hooks->mode == request->mode &&
         (hooks->mode != SEEP_MODE_COUNT || (uint32_t)hooks->instructions == request->instructions);
}

static struct seep_hooks *find_reusable(const struct seep_hook_request *request) {
  look_for_closed();
  for (uint32_t i = 0; i < hooks_count; i++) {
    struct seep_hooks *hooks = seep_thunk_hooks[i];
    if (is_closed(hooks) && fits(hooks, request)) return hooks;
  }
  return NULL;
}

static bool enter(struct seep_hooks *hooks, struct seep_capture *capture, const struct seep_hook_request *request) {
  struct seep_file_header *header = capture->header;
  uint32_t index = header->state_count;
  if (index == SEEP_STATES_MAX) return false;
  if (!seep_hooks_init(hooks, capture, index, request->api, request->vm, request->mode, request->instructions)) {
    seep_hooks_clear(hooks);
    return false;
  }
  if (index == 0) {
    header->mode = request->mode;
    header->interval = request->mode == SEEP_MODE_COUNT ? request->instructions : 0;
  }
  header->state_count = index + 1;
  return true;
}

static struct seep_hooks *add(struct seep_capture *capture, const struct seep_hook_request *request) {
  uint32_t index = hooks_count;
  struct seep_hooks *hooks = index == SEEP_STATES_MAX ? NULL : seep_pages_map(sizeof *hooks);
  if (hooks == NULL) return NULL;
  if (!enter(hooks, capture, request)) {
    seep_pages_unmap(hooks, sizeof *hooks);
    return NULL;
  }
  hooks->installed = seep_hook_thunk(index);
  seep_thunk_hooks[index] = hooks;
  hooks_count = index + 1;
  return hooks;
}

/* The recorder that this state has, or had; else one of a state that is gone; else
 * a new one. One that was started in another way becomes another entry. */
static struct seep_hooks *take(struct seep_capture *capture, const struct seep_hook_request *request,
                               struct seep_hooks *own) {
  if (own != NULL && own->record != NULL && fits(own, request)) return own;
  if (own != NULL) {
    seep_lua_hook *installed = own->installed;
    seep_hooks_clear(own);
    memset(own, 0, sizeof *own);
    own->installed = installed;
    return enter(own, capture, request) ? own : NULL;
  }
  struct seep_hooks *hooks = NULL;
  if (capture->header->state_count >= SEEP_FRESH_STATES) hooks = find_reusable(request);
  return hooks != NULL ? hooks : add(capture, request);
}

static enum seep_status start(struct seep_capture *capture, const struct seep_hook_request *request,
                              lua_State *L, uintptr_t main_thread, struct seep_error *error) {
  struct seep_hooks *own = find(request->api, L);
  if (own != NULL && own->phase == SEEP_HOOKS_RECORDING) {
    if (request->api->gethook(L) == own->installed) return SEEP_OK;
    mark_closed(own); /* another state at the same address: the old one is gone */
    own = NULL;
  }
  if (own == NULL) own = find_former(request->api, L);
  struct seep_hooks *hooks = take(capture, request, own);
  if (hooks == NULL) {
    capture->header->unrecorded_states++;
    seep_capture_mark_incomplete(capture, "no room for another Lua state");
    return seep_error_set(error, SEEP_E_MEMORY, "%s", capture->header->problem);
  }
  seep_hooks_begin(hooks, L, main_thread);
  return SEEP_OK;
}

enum seep_status seep_hook_states_start(const struct seep_hook_request *request, lua_State *L,
                                        uintptr_t main_thread, struct seep_error *error) {
  int saved_errno = errno;
  enum seep_status status = SEEP_E_MEMORY;
  struct seep_capture *capture = seep_process_lock();
  if (capture != NULL) {
    status = start(capture, request, L, main_thread, error);
  } else {
    seep_error_set(error, status, "nothing is being recorded, or no capture can be written");
  }
  seep_process_unlock();
  errno = saved_errno;
  return status;
}

/* -- Stopping ------------------------------------------------------------------ */

bool seep_hook_states_stop(const struct seep_lua_api *api, lua_State *L, bool is_closing) {
  int saved_errno = errno;
  bool recorded = false;
  if (seep_process_lock() != NULL) {
    struct seep_hooks *hooks = find(api, L);
    recorded = hooks != NULL && hooks->phase == SEEP_HOOKS_RECORDING;
    if (recorded) seep_hooks_note_takeover(hooks, L);
    if (hooks != NULL) seep_hooks_end(hooks, L);
    if (hooks != NULL && is_closing) hooks->record->closed = SEEP_STATE_CLOSED;
  }
  seep_process_unlock();
  errno = saved_errno;
  return recorded;
}

bool seep_hook_states_settle(const struct seep_lua_api *api, lua_State *L) {
  struct seep_hooks *hooks = NULL;
  if (seep_process_lock() != NULL) hooks = find(api, L);
  if (hooks != NULL && hooks->phase != SEEP_HOOKS_RECORDING) hooks = NULL;
  if (hooks != NULL) seep_hooks_settle(hooks, L);
  seep_process_unlock();
  return hooks != NULL;
}

struct seep_vm_state *seep_hook_states_vm_state(uintptr_t global) {
  for (uint32_t i = 0; i < hooks_count; i++) {
    struct seep_hooks *hooks = seep_thunk_hooks[i];
    if (hooks->phase == SEEP_HOOKS_RECORDING && hooks->vm_state.global == global) return &hooks->vm_state;
  }
  return NULL;
}

/* The thread that had the last event may be in the middle of anything, unless it
 * is the one that asks. Without a description nobody knows whether the state is
 * still there. A hook that was taken over in a closed state still shows. */
static void finish(struct seep_hooks *hooks) {
  lua_State *main_thread = (lua_State *)hooks->vm_state.main_thread;
  if (hooks->phase != SEEP_HOOKS_RECORDING) return;
  enum seep_hooks_life life = main_thread == NULL ? SEEP_HOOKS_GONE : seep_hooks_life(hooks);
  bool may_ask = life == SEEP_HOOKS_ALIVE || hooks->api->is_luajit; /* whose memory is not unmapped yet */
  if (life != SEEP_HOOKS_GONE) seep_hooks_note_takeover(hooks, may_ask ? main_thread : NULL);
  if (hooks->vm_state.vm != NULL && life != SEEP_HOOKS_ALIVE) hooks->record->closed = SEEP_STATE_CLOSED;
  if (life == SEEP_HOOKS_ALIVE && hooks->os_thread == __builtin_thread_pointer()) {
    seep_hooks_settle(hooks, main_thread);
  }
  seep_hooks_end(hooks, NULL);
}

void seep_hook_states_unmap(uintptr_t begin, size_t size_bytes) {
  for (uint32_t i = 0; i < hooks_count; i++) {
    uintptr_t main_thread = seep_thunk_hooks[i]->vm_state.main_thread;
    if (main_thread - begin >= size_bytes || seep_thunk_hooks[i]->phase != SEEP_HOOKS_RECORDING) continue;
    if (seep_process_lock() != NULL) finish(seep_thunk_hooks[i]);
    seep_process_unlock();
  }
}

void seep_hook_states_finish(void) {
  for (uint32_t i = 0; i < hooks_count; i++) finish(seep_thunk_hooks[i]);
}

bool seep_hook_states_any(void) {
  for (uint32_t i = 0; i < hooks_count; i++) {
    if (is_open(seep_thunk_hooks[i]) && seep_thunk_hooks[i]->phase == SEEP_HOOKS_RECORDING) return true;
  }
  return false;
}

/* A coroutine may have the hook for long yet: what it needs to take it off stays. */
static void detach(struct seep_hooks *hooks) {
  struct seep_hooks kept = {.phase = SEEP_HOOKS_ENDED, .api = hooks->api, .identity = hooks->identity,
                            .installed = hooks->installed, .abandoned = hooks->abandoned};
  seep_hooks_clear(hooks);
  memset(hooks, 0, sizeof *hooks);
  hooks->phase = kept.phase;
  hooks->api = kept.api;
  hooks->identity = kept.identity;
  hooks->installed = kept.installed;
  hooks->abandoned = kept.abandoned;
}

void seep_hook_states_detach(void) {
  for (uint32_t i = 0; i < hooks_count; i++) {
    if (seep_thunk_hooks[i]->record != NULL) detach(seep_thunk_hooks[i]);
  }
}

void seep_hook_states_abandon(const struct seep_lua_api *api, lua_State *L) {
  uintptr_t identity = seep_lua_api_identity(api, L);
  seep_process_lock();
  for (uint32_t i = 0; i < hooks_count; i++) {
    if (seep_thunk_hooks[i]->identity == identity) seep_thunk_hooks[i]->abandoned = true;
  }
  seep_process_unlock();
}

void seep_hook_states_end_all(void) {
  for (uint32_t i = 0; i < hooks_count; i++) seep_hooks_end(seep_thunk_hooks[i], NULL);
}
