/* Charging growth to places by hook events. See hooks.h. */
#include "record/hooks.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "record/entry.h"
#include "record/recorder.h"

enum { ROWS_BYTES = 16384, SITES_MAX = 1000000 };

/* -- Rows ---------------------------------------------------------------------- */

static struct seep_hook_row_record *row_at(const struct seep_hooks *hooks, uint32_t row) {
  return seep_table_record(&hooks->rows, row);
}

static uint32_t add_row(struct seep_hooks *hooks, uint32_t node) {
  struct seep_state_record *record = hooks->record;
  uint32_t number = record->row_count;
  if (!seep_table_reserve(hooks->capture, &hooks->rows, number + 1)) return 0;
  struct seep_hook_row_record *row = row_at(hooks, number);
  *row = (struct seep_hook_row_record){
      .node = node, .flags = hooks->mode == SEEP_MODE_COUNT ? SEEP_ROW_INEXACT : 0};
  record->row_count = number + 1;
  record->site_count++;
  seep_sites_node(&hooks->sites, node)->first_row = number;
  return number;
}

/* A node's row; past the limits that of `leaf`, the innermost Lua line alone. */
static uint32_t row_of(struct seep_hooks *hooks, uint32_t node, uint32_t leaf) {
  uint32_t row = node == SEEP_NODE_NONE ? 0 : seep_sites_node(&hooks->sites, node)->first_row;
  if (SEEP_LIKELY(row != 0)) return row;
  if (node != SEEP_NODE_NONE && hooks->record->site_count < SITES_MAX) row = add_row(hooks, node);
  if (row != 0) return row;
  hooks->record->dropped_count++;
  if (leaf == SEEP_NODE_NONE) return hooks->unrecorded_row;
  row = seep_sites_node(&hooks->sites, leaf)->first_row;
  if (row == 0) row = add_row(hooks, leaf);
  return row != 0 ? row : hooks->unrecorded_row;
}

/* -- Charging ------------------------------------------------------------------ */

static inline uint64_t count_bytes(const struct seep_hooks *hooks, lua_State *L) {
  if (SEEP_LIKELY(hooks->vm_state.vm != NULL)) return seep_vm_count_bytes(&hooks->vm_state);
  return seep_lua_api_count_bytes(hooks->api, L);
}

static void add_growth(struct seep_hooks *hooks, uint32_t number, int64_t growth_bytes) {
  struct seep_hook_row_record *row = row_at(hooks, number);
  if (growth_bytes > 0) {
    row->gain_bytes += (uint64_t)growth_bytes;
    row->gain_count++;
  } else {
    row->loss_bytes += 0 - (uint64_t)growth_bytes;
    row->loss_count++;
  }
  hooks->record->vm_bytes += (uint64_t)growth_bytes;
}

static SEEP_NOINLINE void charge_growth(struct seep_hooks *hooks, int64_t growth_bytes) {
  uint32_t node = seep_hook_stack_node(&hooks->stack);
  uint32_t leaf = SEEP_LIKELY(node != SEEP_NODE_NONE && seep_sites_node(&hooks->sites, node)->first_row != 0)
                      ? (uint32_t)SEEP_NODE_NONE : seep_hook_stack_leaf_line(&hooks->stack);
  add_growth(hooks, row_of(hooks, node, leaf), growth_bytes);
}

/* What has changed since the last event is the doing of what ran since. */
static inline void charge(struct seep_hooks *hooks, lua_State *L) {
  uint64_t bytes = count_bytes(hooks, L);
  int64_t growth_bytes = (int64_t)(bytes - hooks->count_bytes);
  if (growth_bytes == 0) return;
  hooks->count_bytes = bytes;
  charge_growth(hooks, growth_bytes);
}

/* -- Mode count ---------------------------------------------------------------- */

/* Prototypes may have been freed between two samples, and a sample is rare enough
 * that every frame can be described anew: what a key meant is not trusted. */
static uint32_t node_by_walk(struct seep_hooks *hooks, uint32_t *leaf) {
  const struct seep_vm_state *state = &hooks->vm_state;
  seep_sites_code_freed(&hooks->sites);
  state->vm->ops->walk(state, &hooks->walked);
  uint32_t node = seep_sites_locate(&hooks->sites, state, &hooks->walked);
  *leaf = node == SEEP_NODE_NONE ? seep_sites_leaf_line(&hooks->sites, state, &hooks->walked)
                                 : (uint32_t)SEEP_NODE_NONE;
  return node;
}

static void sample(struct seep_hooks *hooks, lua_State *L) {
  uint32_t node, leaf = SEEP_NODE_NONE;
  if (hooks->vm_state.vm != NULL) {
    node = node_by_walk(hooks, &leaf);
  } else {
    seep_hook_stack_read(&hooks->stack, L);
    node = seep_hook_stack_node(&hooks->stack);
    leaf = seep_hook_stack_leaf_line(&hooks->stack);
  }
  uint32_t row = row_of(hooks, node, leaf);
  uint64_t bytes = count_bytes(hooks, L);
  row_at(hooks, row)->sample_count++;
  if (bytes != hooks->count_bytes) add_growth(hooks, row, (int64_t)(bytes - hooks->count_bytes));
  hooks->count_bytes = bytes;
}

/* -- Events -------------------------------------------------------------------- */

static void set_hook(struct seep_hooks *hooks, lua_State *L) {
  hooks->api->sethook(L, hooks->installed, hooks->mask, hooks->instructions);
}

/* LuaJIT has no event when a coroutine yields or goes on, or when an error ends frames:
 * what runs then shows itself by its very next instruction. */
static void notice_next(struct seep_hooks *hooks, lua_State *L) {
  hooks->api->sethook(L, hooks->installed, hooks->mask | SEEP_LUA_MASK_COUNT, 1);
}

static void noticed(struct seep_hooks *hooks, lua_State *L, uintptr_t frame) {
  seep_hook_stack_at(&hooks->stack, L, frame);
  set_hook(hooks, L);
}

static bool may_resume(const struct seep_hooks *hooks, uint64_t key) {
  const struct seep_vm *vm = hooks->vm_state.vm;
  uintptr_t function = key & SEEP_KEY_ADDRESS;
  return vm == NULL || function == vm->resume_function || function == vm->wrap_function;
}

/* A coroutine that is older than the recording has no hook on PUC. One that the
 * program gave a hook of its own keeps it. */
static void meet_coroutine(struct seep_hooks *hooks, lua_State *L) {
  lua_State *coroutine = seep_lua_api_thread_argument(hooks->api, L);
  if (coroutine != NULL && hooks->api->gethook(coroutine) == NULL) set_hook(hooks, coroutine);
}

static void end_by_program(struct seep_hooks *hooks, lua_State *L) {
  seep_hooks_end(hooks, L);
  seep_capture_mark_incomplete(hooks->capture,
                               "the program used debug.sethook: the hook is its own from there on, and the recording "
                               "ended");
}

static void called(struct seep_hooks *hooks, lua_State *L, const struct seep_lua_event *event, void *debug) {
  uint64_t key = seep_hook_stack_called(&hooks->stack, L, event, debug);
  if (key == 0) return;
  if (SEEP_UNLIKELY(key == hooks->sethook_key)) {
    end_by_program(hooks, L);
  } else if (!hooks->api->is_luajit) {
    if (may_resume(hooks, key)) meet_coroutine(hooks, L);
  } else if (key == hooks->yield_key || key == hooks->error_key || may_resume(hooks, key)) {
    notice_next(hooks, L);
  }
}

static void returned(struct seep_hooks *hooks, lua_State *L, uintptr_t frame) {
  seep_hook_stack_at(&hooks->stack, L, frame);
  seep_hook_stack_returned(&hooks->stack);
  if (!hooks->api->is_luajit) return;
  const struct seep_hook_frame *top = seep_hook_stack_top(&hooks->stack);
  if (top != NULL && top->thread != (uintptr_t)L) notice_next(hooks, L); /* the coroutine ends */
}

static void follow(struct seep_hooks *hooks, lua_State *L, const struct seep_lua_event *event, void *debug) {
  struct seep_hook_stack *stack = &hooks->stack;
  switch (event->kind) {
    case SEEP_LUA_LINE:
      seep_hook_stack_at(stack, L, event->frame);
      seep_hook_stack_line(stack, event->line > 0 ? (uint32_t)event->line : 0);
      return;
    case SEEP_LUA_CALL: case SEEP_LUA_TAIL_CALL: called(hooks, L, event, debug); return;
    case SEEP_LUA_RETURN: returned(hooks, L, event->frame); return;
    case SEEP_LUA_COUNT: noticed(hooks, L, event->frame); return;
    default: return;
  }
}

void seep_hooks_event(struct seep_hooks *hooks, lua_State *L, void *debug) {
  if (SEEP_UNLIKELY(*seep_recorder_alive == 0 && hooks->phase == SEEP_HOOKS_RECORDING)) seep_recorder_on_fork();
  if (SEEP_UNLIKELY(hooks->phase != SEEP_HOOKS_RECORDING)) {
    hooks->api->sethook(L, NULL, 0, 0);
    return;
  }
  struct seep_lua_event event;
  seep_lua_api_event(hooks->api, debug, &event);
  hooks->os_thread = __builtin_thread_pointer();
  if (hooks->mode == SEEP_MODE_COUNT) {
    sample(hooks, L);
  } else {
    charge(hooks, L);
    follow(hooks, L, &event, debug);
  }
}

/* -- Beginning and end --------------------------------------------------------- */

/* On LuaJIT changing what is hooked costs more than an event that hardly ever comes
 * (lj_dispatch_update), where every instruction is looked at anyway. */
static void choose_events(struct seep_hooks *hooks, uint32_t instructions) {
  int calls = SEEP_LUA_MASK_CALL | SEEP_LUA_MASK_RETURN;
  switch (hooks->mode) {
    case SEEP_MODE_LINE:
      hooks->mask = calls | SEEP_LUA_MASK_LINE | (hooks->api->is_luajit ? SEEP_LUA_MASK_COUNT : 0);
      hooks->instructions = hooks->api->is_luajit ? INT_MAX : 0;
      return;
    case SEEP_MODE_CALL: hooks->mask = calls; return;
    default:
      hooks->mask = SEEP_LUA_MASK_COUNT;
      hooks->instructions = (int)instructions;
  }
}

static uint64_t key_of_name(const struct seep_vm *vm, const char *name) {
  for (uint32_t i = 0; vm != NULL && i < vm->c_name_count; i++) {
    if (strcmp(vm->c_names[i].name, name) == 0) return vm->c_names[i].key;
  }
  return 0;
}

bool seep_hooks_init(struct seep_hooks *hooks, struct seep_capture *capture, uint32_t state_index,
                     const struct seep_lua_api *api, const struct seep_vm *vm, enum seep_mode mode,
                     uint32_t instructions) {
  char family[16], release[48];
  seep_lua_api_name(api, family, release);
  if (vm != NULL) snprintf(family, sizeof family, "%s", vm->ops->family);
  hooks->api = api;
  hooks->vm_state = (struct seep_vm_state){.vm = vm};
  hooks->mode = mode;
  choose_events(hooks, instructions);
  hooks->sethook_key = key_of_name(vm, "debug.sethook");
  hooks->yield_key = key_of_name(vm, "coroutine.yield");
  hooks->error_key = key_of_name(vm, "error");
  hooks->capture = capture;
  hooks->record = seep_entry_open(capture, &hooks->state_table, state_index, mode, family, release);
  if (hooks->record == NULL) return false;
  if (!seep_sites_init(&hooks->sites, capture, hooks->record, state_index)) return false;
  if (!seep_hook_stack_init(&hooks->stack, api, &hooks->vm_state, &hooks->sites, mode != SEEP_MODE_CALL)) return false;
  seep_table_init(&hooks->rows, SEEP_SEGMENT_ROWS, state_index, sizeof(struct seep_hook_row_record), ROWS_BYTES);
  if (!seep_table_reserve(capture, &hooks->rows, 1)) return false;
  uint32_t rest = seep_sites_mark(&hooks->sites, "(not recorded)");
  if (rest != SEEP_NODE_NONE) hooks->unrecorded_row = add_row(hooks, rest);
  hooks->record->unrecorded_row = hooks->unrecorded_row;
  return hooks->unrecorded_row != 0;
}

void seep_hooks_clear(struct seep_hooks *hooks) {
  seep_hook_stack_clear(&hooks->stack);
  seep_sites_clear(&hooks->sites);
}

/* Without a description of the VM only L is known to be active. */
static void hook_active_threads(struct seep_hooks *hooks, lua_State *L) {
  uintptr_t threads[SEEP_THREADS_MAX];
  const struct seep_vm_state *state = &hooks->vm_state;
  uint32_t count = state->vm == NULL || hooks->api->is_luajit ? 0 : state->vm->ops->threads(state, threads);
  set_hook(hooks, L);
  for (uint32_t i = 0; i < count; i++) {
    if (threads[i] != (uintptr_t)L) set_hook(hooks, (lua_State *)threads[i]);
  }
}

/* The word of a PUC thread that holds its hook: once lua_close has been there, the
 * public API must not be asked any more. */
static uintptr_t find_hook(const struct seep_hooks *hooks) {
  enum { WORDS = 32 };  /* of lua_State, which has 20 to 28 */
  uintptr_t words[WORDS];
  uintptr_t main_thread = hooks->vm_state.main_thread;
  if (main_thread == 0 || hooks->api->is_luajit) return 0;
  if (!seep_load(&seep_image_self_checked, main_thread, words, sizeof words)) return 0;
  for (size_t i = 0; i < WORDS; i++) {
    if (words[i] == (uintptr_t)hooks->installed) return main_thread + i * sizeof words[0];
  }
  return 0;
}

void seep_hooks_begin(struct seep_hooks *hooks, lua_State *L, uintptr_t main_thread) {
  const struct seep_vm *vm = hooks->vm_state.vm;
  struct seep_state_record *record = hooks->record;
  if (vm != NULL) {
    hooks->vm_state.main_thread = main_thread;
    hooks->vm_state.global = seep_load_pointer(NULL, (uintptr_t)L + vm->thread_global);
  }
  hooks->identity = seep_lua_api_identity(hooks->api, L);
  hooks->thread = L;
  hooks->os_thread = __builtin_thread_pointer();
  hooks->count_bytes = count_bytes(hooks, L);
  hooks->stack.count = 0;
  record->opened_count++;
  record->closed = SEEP_STATE_OPEN;
  record->vm_bytes += hooks->count_bytes; /* of all states that use this entry */
  record->vm_bytes_at_start += hooks->count_bytes;
  hooks->phase = SEEP_HOOKS_RECORDING;
  if (hooks->mode != SEEP_MODE_COUNT) seep_hook_stack_read(&hooks->stack, L);
  hook_active_threads(hooks, L);
  hooks->hook_place = find_hook(hooks);
}

void seep_hooks_settle(struct seep_hooks *hooks, lua_State *L) {
  if (hooks->phase != SEEP_HOOKS_RECORDING) return;
  if (hooks->mode == SEEP_MODE_COUNT) {
    sample(hooks, L);
  } else {
    charge(hooks, L);
  }
}

void seep_hooks_end(struct seep_hooks *hooks, lua_State *L) {
  if (hooks->phase != SEEP_HOOKS_RECORDING) return;
  if (L != NULL) seep_hooks_settle(hooks, L);
  hooks->phase = SEEP_HOOKS_ENDED;
  if (L != NULL && hooks->api->gethook(L) == hooks->installed) hooks->api->sethook(L, NULL, 0, 0);
}

static bool is_in_place(const struct seep_hooks *hooks, lua_State *L) {
  if (L != NULL) return hooks->api->gethook(L) == hooks->installed;
  return hooks->hook_place == 0 ||
         seep_load_pointer(&seep_image_self_checked, hooks->hook_place) == (uintptr_t)hooks->installed;
}

void seep_hooks_note_takeover(struct seep_hooks *hooks, lua_State *L) {
  if (hooks->phase != SEEP_HOOKS_RECORDING || is_in_place(hooks, L)) return;
  seep_hooks_end(hooks, NULL);
  seep_capture_mark_incomplete(hooks->capture,
                               "the program set a debug hook in the recorder's place, and the recording ended");
}

enum seep_hooks_life seep_hooks_life(const struct seep_hooks *hooks) {
  const struct seep_vm_state *state = &hooks->vm_state;
  uint64_t word = 0;
  if (state->vm == NULL || !seep_vm_is_state(state->vm, state->main_thread)) return SEEP_HOOKS_GONE;
  seep_load(&seep_image_self_checked, state->global + state->vm->white, &word, sizeof word);
  word &= state->vm->word_mask;
  return (word & state->vm->closing_bits) == state->vm->closing_bits ? SEEP_HOOKS_CLOSED : SEEP_HOOKS_ALIVE;
}
