/* Following a stack by its events. See hook_stack.h. */
#include "record/hook_stack.h"

#include "base/pages.h"

enum { FIRST_FRAMES = 1024, FRAMES_MAX = 1 << 22, DEBUG_BYTES = 512 };

bool seep_hook_stack_init(struct seep_hook_stack *stack, const struct seep_lua_api *api,
                          const struct seep_vm_state *vm_state, struct seep_sites *sites, bool follows_lines) {
  memset(stack, 0, sizeof *stack);
  stack->api = api;
  stack->vm_state = vm_state;
  stack->sites = sites;
  stack->follows_lines = follows_lines;
  stack->frames = seep_pages_map(FIRST_FRAMES * sizeof *stack->frames);
  stack->capacity = stack->frames == NULL ? 0 : FIRST_FRAMES;
  return stack->frames != NULL;
}

void seep_hook_stack_clear(struct seep_hook_stack *stack) {
  if (stack->frames != NULL) seep_pages_unmap(stack->frames, stack->capacity * sizeof *stack->frames);
  stack->frames = NULL;
  stack->count = stack->capacity = 0;
}

/* -- What a frame runs --------------------------------------------------------- */

struct identified {
  uint64_t key;             /* of a C function: without its address where nothing describes it; else 0 */
  uint32_t record, line_defined;
  bool is_c;
};

/* A prototype can only be freed by a sweep: while one is under way, or after the
 * collector has moved, an address may mean another function than before. */
static bool code_may_have_changed(struct seep_hook_stack *stack) {
  const struct seep_vm_state *state = stack->vm_state;
  uint64_t word = seep_vm_collector_word(state);
  uint64_t estimate = seep_load_u64(NULL, state->global + state->vm->estimate);
  uint8_t phase = seep_vm_word_phase(word);
  if (word != stack->collector_word || estimate != stack->estimate) {
    stack->collector_word = word;
    stack->estimate = estimate;
    stack->code_epoch++;
  }
  return phase >= state->vm->sweep_first && phase <= state->vm->sweep_last;
}

/* A frame as the public API sees it. */
struct public_call {
  const struct seep_lua_api *api;
  lua_State *L;
  void *debug;
};

static void ask_publicly(const struct seep_sites_subject *subject, struct seep_call_name *out) {
  const struct public_call *call = subject->call;
  seep_lua_api_call_name(call->api, call->L, call->debug, out);
}

/* The record of a function, named as the VM itself would name this call. */
static uint32_t record_of(struct seep_hook_stack *stack, lua_State *L, void *debug, uint64_t key, uintptr_t prototype,
                          const struct seep_frame_info *info) {
  struct public_call call = {.api = stack->api, .L = L, .debug = debug};
  struct seep_sites_subject subject = {.state = stack->vm_state, .key = key, .function = prototype, .info = info,
                                       .call = &call, .call_name = debug == NULL ? NULL : ask_publicly};
  return seep_sites_function(stack->sites, &subject);
}

static SEEP_NOINLINE void describe(struct seep_hook_stack *stack, lua_State *L, void *debug, uint64_t key,
                                   uintptr_t prototype, struct seep_hook_function *out) {
  struct seep_frame_info info;
  stack->vm_state->vm->ops->describe(stack->vm_state, key, prototype, &info);
  *out = (struct seep_hook_function){
      .identity = prototype != 0 ? prototype : key,
      .record = record_of(stack, L, debug, key, prototype, &info),
      .line_defined = info.line_defined,
      .code_epoch = stack->code_epoch,
  };
}

/* `debug` names the frame, as a hook or lua_getstack filled it in; NULL: it is not at hand. */
static void identify(struct seep_hook_stack *stack, lua_State *L, uintptr_t frame, void *debug, struct identified *out) {
  uintptr_t prototype;
  const struct seep_vm *vm = stack->vm_state->vm;
  uint64_t key = vm->ops->frame_function(vm, (uintptr_t)L, frame, &prototype);
  uint64_t identity = prototype != 0 ? prototype : key;
  struct seep_hook_function *known = &stack->functions[seep_mix64(identity) % SEEP_HOOK_FUNCTIONS];
  bool current = known->identity == identity;
  if (prototype != 0) {
    bool changing = code_may_have_changed(stack);
    current = current && !changing && known->code_epoch == stack->code_epoch;
  }
  if (SEEP_UNLIKELY(!current)) describe(stack, L, debug, key, prototype, known);
  *out = (struct identified){.key = key, .record = known->record, .line_defined = known->line_defined,
                             .is_c = prototype == 0};
}

static void identify_publicly(struct seep_hook_stack *stack, lua_State *L, void *debug, struct identified *out) {
  struct seep_lua_debug seen = {.what = 'C'};
  struct seep_frame_info info = {.is_c = true};
  seep_lua_api_describe(stack->api, L, debug, &seen);
  if (seen.what != 'C') {
    info = (struct seep_frame_info){.is_main = seen.what == 'm', .source = seen.source, .source_bytes = strlen(seen.source),
                                    .line_defined = (uint32_t)seen.line_defined,
                                    .line_last = (uint32_t)seen.line_last};
  }
  *out = (struct identified){.key = info.is_c ? SEEP_KEY_C : 0, .record = record_of(stack, L, debug, 0, 0, &info),
                             .line_defined = info.line_defined, .is_c = info.is_c};
}

static void identify_frame(struct seep_hook_stack *stack, lua_State *L, uintptr_t frame, void *debug,
                           struct identified *out) {
  if (stack->vm_state->vm != NULL) {
    identify(stack, L, frame, debug, out);
  } else {
    identify_publicly(stack, L, debug, out);
  }
}

/* -- Frames -------------------------------------------------------------------- */

static bool grow(struct seep_hook_stack *stack) {
  uint32_t capacity = stack->capacity * 2;
  struct seep_hook_frame *fresh = capacity > FRAMES_MAX ? NULL : seep_pages_map(capacity * sizeof *fresh);
  if (fresh == NULL) return false;
  memcpy(fresh, stack->frames, stack->count * sizeof *fresh);
  seep_pages_unmap(stack->frames, stack->capacity * sizeof *fresh);
  stack->frames = fresh;
  stack->capacity = capacity;
  return true;
}

/* Without memory for more the outermost frames are forgotten: they are read
 * again when their turn comes. */
static void push(struct seep_hook_stack *stack, lua_State *L, uintptr_t frame, const struct identified *what,
                 uint32_t line, uint32_t flags) {
  if (SEEP_UNLIKELY(stack->count == stack->capacity) && !grow(stack)) stack->count = 0;
  stack->frames[stack->count++] = (struct seep_hook_frame){
      .thread = (uintptr_t)L, .frame = frame, .function = what->record, .line = line,
      .flags = flags | (what->is_c ? SEEP_HOOK_FRAME_C : 0)};
}

/* The mark of a resumer is for as long as something stands above it. */
static void pop(struct seep_hook_stack *stack) {
  struct seep_hook_frame *below = --stack->count == 0 ? NULL : &stack->frames[stack->count - 1];
  if (below == NULL || SEEP_LIKELY((below->flags & SEEP_FRAME_COROUTINE) == 0)) return;
  below->flags &= ~(uint32_t)SEEP_FRAME_COROUTINE;
  below->node = SEEP_NODE_NONE;
}

void seep_hook_stack_returned(struct seep_hook_stack *stack) {
  if (stack->count > 0) pop(stack);
}

static bool top_is_of(const struct seep_hook_stack *stack, lua_State *L) {
  return stack->count > 0 && stack->frames[stack->count - 1].thread == (uintptr_t)L;
}

/* Drops what stands above a frame of L; false, and nothing is dropped, when it
 * is not there. */
static bool drop_down_to(struct seep_hook_stack *stack, lua_State *L, uintptr_t frame) {
  uint32_t i = stack->count;
  while (i > 0 && (stack->frames[i - 1].frame != frame || stack->frames[i - 1].thread != (uintptr_t)L)) i--;
  if (i == 0) return false;
  while (stack->count > i) pop(stack);
  return true;
}

/* -- Reading the stack --------------------------------------------------------- */

static uint32_t depth_of(const struct seep_lua_api *api, lua_State *L) {
  int least = 0, most = 1;  /* `least` levels exist */
  _Alignas(8) char debug[DEBUG_BYTES];
  while (api->getstack(L, most - 1, debug)) {
    least = most;
    most *= 2;
  }
  while (least + 1 < most) {
    int middle = least + (most - least) / 2;
    if (api->getstack(L, middle - 1, debug)) least = middle; else most = middle;
  }
  return (uint32_t)least;
}

/* The line that runs in a frame, where lines are followed. */
static uint32_t line_of(struct seep_hook_stack *stack, lua_State *L, void *debug, const struct identified *what) {
  struct seep_lua_debug seen = {.current_line = 0};
  if (what->is_c) return 0;
  if (!stack->follows_lines) return what->line_defined;
  seep_lua_api_describe(stack->api, L, debug, &seen);
  return seen.current_line > 0 ? (uint32_t)seen.current_line : 0;
}

/* One level of L. 5.1 has levels for calls that a tail call replaced: what stands
 * above them was tail called. */
static void read_level(struct seep_hook_stack *stack, lua_State *L, uint32_t level, bool *tail_called) {
  struct identified what;
  _Alignas(8) char debug[DEBUG_BYTES] = {0};
  if (!stack->api->getstack(L, (int)level, debug)) return;
  uintptr_t frame = seep_lua_api_frame_of(stack->api, debug);
  if (frame == 0) {
    *tail_called = true;
    return;
  }
  identify_frame(stack, L, frame, debug, &what);
  if (!(what.is_c && stack->api->is_luajit)) {
    push(stack, L, frame, &what, line_of(stack, L, debug, &what), *tail_called ? SEEP_FRAME_TAIL : 0);
  }
  *tail_called = false;
}

/* Adds the frames of L, of a deep stack only those that a node can have. */
static void read_thread(struct seep_hook_stack *stack, lua_State *L) {
  bool tail_called = false;
  uint32_t depth = depth_of(stack->api, L);
  for (uint32_t level = depth; level-- > 0;) {
    bool outer = depth - level <= SEEP_STACK_OUTER, inner = level <= SEEP_STACK_INNER;
    if (outer || inner) read_level(stack, L, level, &tail_called);
  }
}

/* Thread L is about to be on top: below it must be those that resumed it. They
 * are known to the description alone; without, L stands for itself. */
static void enter_thread(struct seep_hook_stack *stack, lua_State *L) {
  uintptr_t threads[SEEP_THREADS_MAX];
  const struct seep_vm_state *state = stack->vm_state;
  uint32_t count = state->vm == NULL ? 0 : state->vm->ops->threads(state, threads);
  uint32_t at = 0;
  while (at < count && threads[at] != (uintptr_t)L) at++;
  if (at == count || at == 0) {
    stack->count = 0;
    return;
  }
  while (stack->count > 0 && stack->frames[stack->count - 1].thread != threads[at - 1]) pop(stack);
  for (uint32_t i = 0; stack->count == 0 && i < at; i++) {
    uint32_t before = stack->count;
    read_thread(stack, (lua_State *)threads[i]);
    if (stack->count > before && before > 0) stack->frames[before - 1].flags |= SEEP_FRAME_COROUTINE;
  }
  if (stack->count == 0) return;
  struct seep_hook_frame *resumer = &stack->frames[stack->count - 1];
  resumer->flags |= SEEP_FRAME_COROUTINE;
  resumer->node = SEEP_NODE_NONE;
}

void seep_hook_stack_read(struct seep_hook_stack *stack, lua_State *L) {
  while (top_is_of(stack, L)) pop(stack);
  enter_thread(stack, L);
  read_thread(stack, L);
}

/* -- Events -------------------------------------------------------------------- */

/* On 5.1 and LuaJIT frames have numbers that grow inwards: what is not below
 * `limit` is gone. Returns the last one that was dropped, or NULL. */
static const struct seep_hook_frame *drop_from(struct seep_hook_stack *stack, lua_State *L, uintptr_t limit) {
  const struct seep_hook_frame *dropped = NULL;
  while (top_is_of(stack, L) && stack->frames[stack->count - 1].frame >= limit) {
    dropped = &stack->frames[stack->count - 1];
    pop(stack);
  }
  return dropped;
}

/* 5.1 has a called function one above its caller's frame when it says so, and
 * moves it down after that if it was tail called (lvm.c OP_TAILCALL). A Lua function
 * that Lua called cannot go in another way without a return event, for an error
 * would have ended the caller, too. So if it was found gone, it was moved. */
static void note_tail_call(struct seep_hook_stack *stack, const struct seep_hook_frame *dropped) {
  struct seep_hook_frame *top = &stack->frames[stack->count - 1];
  if (stack->api->is_luajit || dropped == NULL || dropped->frame != top->frame + 1 ||
      ((dropped->flags | top->flags) & SEEP_HOOK_FRAME_C)) {
    return;
  }
  top->function = dropped->function;
  top->line = dropped->line;
  top->flags = dropped->flags | SEEP_FRAME_TAIL;
  top->node = SEEP_NODE_NONE;
}

static bool find_by_number(struct seep_hook_stack *stack, lua_State *L, uintptr_t frame) {
  const struct seep_hook_frame *dropped = drop_from(stack, L, frame + 1);
  if (!top_is_of(stack, L)) return false;
  struct seep_hook_frame *top = &stack->frames[stack->count - 1];
  if (top->frame == frame) {
    note_tail_call(stack, dropped);
    return true;
  }
  if (!stack->api->is_luajit || dropped != NULL || stack->vm_state->vm == NULL) return false;
  /* A vararg function has moved up, over its arguments, since it was called. */
  struct identified what;
  identify(stack, L, frame, NULL, &what);
  if (what.record != top->function) return false;
  top->frame = frame;
  return true;
}

void seep_hook_stack_find(struct seep_hook_stack *stack, lua_State *L, uintptr_t frame) {
  if (stack->api->version == 501 && top_is_of(stack, L) && find_by_number(stack, L, frame)) return;
  if (drop_down_to(stack, L, frame)) return;
  seep_hook_stack_read(stack, L);
}

/* Makes the caller of a frame that is about to be entered the top. False: the
 * stack was read anew, with that frame. */
static bool find_caller_by_number(struct seep_hook_stack *stack, lua_State *L, uintptr_t frame, uint32_t *flags) {
  const struct seep_hook_frame *dropped = drop_from(stack, L, frame);
  if (stack->api->is_luajit && dropped != NULL && dropped->frame == frame) *flags |= SEEP_FRAME_TAIL;
  if (top_is_of(stack, L)) {
    note_tail_call(stack, dropped);
    if (stack->api->is_luajit || stack->frames[stack->count - 1].frame + 1 == frame) return true;
  } else if (seep_lua_api_frame(stack->api, L, 1) == 0) {
    enter_thread(stack, L);
    return true;
  }
  seep_hook_stack_read(stack, L);
  return false;
}

static bool find_caller(struct seep_hook_stack *stack, lua_State *L) {
  uintptr_t caller = seep_lua_api_frame(stack->api, L, 1);
  const struct seep_hook_frame *top = seep_hook_stack_top(stack);
  if (top != NULL && caller != 0 && top->frame == caller && top->thread == (uintptr_t)L) return true;
  if (caller == 0) { /* the first of its thread */
    while (top_is_of(stack, L)) pop(stack);
    enter_thread(stack, L);
    return true;
  }
  if (drop_down_to(stack, L, caller)) return true;
  seep_hook_stack_read(stack, L);
  return false;
}

/* From 5.2 on a tail call has an event of its own. 5.2 and 5.3 have the called
 * function in a frame above its caller's then (ldo.c callhook) and move it down,
 * 5.4 has it in place. */
static void tail_called(struct seep_hook_stack *stack, lua_State *L, uintptr_t frame, const struct identified *what) {
  bool in_place = stack->api->version >= 504;
  uintptr_t place = in_place ? frame : seep_lua_api_frame(stack->api, L, 1);
  seep_hook_stack_at(stack, L, place);
  struct seep_hook_frame *top = seep_hook_stack_top(stack);
  if (top == NULL || top->frame != place) return;
  top->function = what->record;
  top->line = what->line_defined;
  top->flags = SEEP_FRAME_TAIL | (what->is_c ? SEEP_HOOK_FRAME_C : 0);
  top->node = SEEP_NODE_NONE;
}

uint64_t seep_hook_stack_called(struct seep_hook_stack *stack, lua_State *L,
                                const struct seep_lua_event *event, void *debug) {
  struct identified what;
  uint32_t flags = 0;
  identify_frame(stack, L, event->frame, debug, &what);
  if (event->kind == SEEP_LUA_TAIL_CALL) {
    tail_called(stack, L, event->frame, &what);
    return what.key;
  }
  if (what.is_c && stack->api->is_luajit) {
    drop_from(stack, L, event->frame);
    return what.key;
  }
  bool found = stack->api->version == 501 ? find_caller_by_number(stack, L, event->frame, &flags)
                                          : find_caller(stack, L);
  if (found) push(stack, L, event->frame, &what, what.line_defined, flags);
  return what.key;
}

/* -- Nodes --------------------------------------------------------------------- */

static uint32_t node_above(struct seep_hook_stack *stack, uint32_t parent, const struct seep_hook_frame *frame) {
  return seep_sites_called(stack->sites, parent, frame->function, frame->line,
                           frame->flags & ~(uint32_t)SEEP_HOOK_FRAME_C);
}

/* The node of the outermost `count` frames, which are few enough to be kept all. */
static uint32_t node_of_outer(struct seep_hook_stack *stack, uint32_t count) {
  uint32_t known = count;
  while (known > 0 && stack->frames[known - 1].node == SEEP_NODE_NONE) known--;
  uint32_t node = known == 0 ? (uint32_t)SEEP_NODE_EMPTY_STACK : stack->frames[known - 1].node;
  for (; known < count && node != SEEP_NODE_NONE; known++) {
    node = node_above(stack, node, &stack->frames[known]);
    stack->frames[known].node = node;
  }
  return node;
}

static uint32_t node_of_deep(struct seep_hook_stack *stack) {
  struct seep_hook_frame *top = seep_hook_stack_top(stack);
  if (top->node != SEEP_NODE_NONE) return top->node;
  uint32_t node = seep_sites_left_out(stack->sites, node_of_outer(stack, SEEP_STACK_OUTER));
  for (uint32_t i = stack->count - SEEP_STACK_INNER; i < stack->count && node != SEEP_NODE_NONE; i++) {
    node = node_above(stack, node, &stack->frames[i]);
  }
  top->node = node;
  return node;
}

uint32_t seep_hook_stack_node(struct seep_hook_stack *stack) {
  if (SEEP_UNLIKELY(stack->count > SEEP_STACK_INNER + SEEP_STACK_OUTER)) return node_of_deep(stack);
  return node_of_outer(stack, stack->count);
}

uint32_t seep_hook_stack_leaf_line(struct seep_hook_stack *stack) {
  for (uint32_t i = stack->count; i-- > 0;) {
    if (stack->frames[i].flags & SEEP_HOOK_FRAME_C) continue;
    return node_above(stack, SEEP_NODE_EMPTY_STACK, &stack->frames[i]);
  }
  return SEEP_NODE_EMPTY_STACK;
}
