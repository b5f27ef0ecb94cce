/* Comparing a description with the public API. See calibrate.h. */
#include "vm/calibrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pages.h"
#include "vm/descriptions.h"
#include "vm/loaded.h"
#include "vm/scratch.h"

/* -- The program and its probe ---------------------------------------------- */

static const char program[] =
    "local probe = ...\n"
    "if jit then jit.off() end\n"
    "for module, members in pairs(package.loaded) do\n"
    "  for name, member in pairs(type(members) == 'table' and members or {}) do\n"
    "    if type(member) == 'function' and type(name) == 'string' then\n"
    "      probe('name', module == '_G' and name or module .. '.' .. name, member)\n"
    "    end\n"
    "  end\n"
    "end\n"
    "if jit then probe('name', 'ipairs iterator', (ipairs({}))) end\n"
    "local has_buffer, buffer = pcall(require, jit and 'string.buffer' or '')\n"
    "for name, member in pairs(has_buffer and debug.getmetatable(buffer.new()) or {}) do\n"
    "  if type(member) == 'function' and not name:find('^__') then probe('name', 'string.buffer.' .. name, member) end\n"
    "end\n"
    "probe('resume', 'coroutine.resume', coroutine.resume)\n"
    "probe('wrap', 'coroutine.wrap function', coroutine.wrap(function() end))\n"
    "if coroutine.close then probe('close', 'coroutine.close', coroutine.close) end\n"
    "local function inner(t)\n"
    "  local a = probe('stack')\n"
    "  t.x = a; local b = probe('stack')\n"
    "  return t\n"
    "end\n"
    "local function varargs(...)\n"
    "  local t = inner({...})\n"
    "  return t\n"
    "end\n"
    "local function tail(...)\n"
    "  return inner(...)\n"
    "end\n"
    "inner({})\n"
    "varargs(1, 2, 3)\n"
    "local u = tail({})\n"
    "pcall(varargs, 1)\n"
    "local indexed = setmetatable({}, {__index = function(t, k)\n"
    "  probe('stack')\n"
    "  return k\n"
    "end})\n"
    "local v = indexed.field\n"
    "string.gsub('x', 'x', function() probe('stack') end)\n"
    "local function in_coroutine()\n"
    "  varargs(4, 5)\n"
    "  coroutine.yield()\n"
    "  probe('stack')\n"
    "  coroutine.wrap(function()\n"
    "    probe('stack')\n"
    "    tail({})\n"
    "  end)()\n"
    "end\n"
    "local co = coroutine.create(in_coroutine)\n"
    "coroutine.resume(co)\n"
    "probe('stack')\n"
    "coroutine.resume(co)\n"
    "probe('stack')\n"
    "coroutine.wrap(in_coroutine)()\n"
    "probe('called', 'l', 'probe')\n"
    "local function by_upvalue() probe('called', 'u', 'probe') end\n"
    "by_upvalue()\n"
    "local holder = {field = probe}\n"
    "holder.field('called', 'f', 'field')\n"
    "calibrated = probe\n"
    "calibrated('called', 'g', 'calibrated')\n"
    "probe('loaded', 'string.rep', string.rep)\n"
    "probe('type table', {})\n"
    "probe('count')\n"
    "return true\n";

/* What the probe works on: it is called by the VM and gets no argument of
 * ours. One calibration runs at a time on a thread. */
struct session {
  const struct seep_lua_api *api;
  struct seep_vm *vm;
  struct seep_vm_state state;
  struct seep_scratch *arena;
  lua_State *main_thread;
  const char *failure;  /* what did not agree; NULL so far so good */
  uint32_t stacks_compared;
  uint32_t most_compared;          /* by the description that came furthest, */
  const char *furthest_failure;    /* and what it failed at: for the message */
  bool opens_no_state;             /* the build refuses to */
};
static __thread struct session *current;

static void fail(const char *what) {
  if (current->failure == NULL) current->failure = what;
}

/* -- Stacks ------------------------------------------------------------------ */

static bool same_text(const struct seep_frame_info *frame, const char *text) {
  return strlen(text) == frame->source_bytes && memcmp(text, frame->source, frame->source_bytes) == 0;
}

static bool frame_agrees(uint64_t key, const struct seep_frame_info *frame,
                         const struct seep_lua_debug *debug) {
  if (debug->what == 'C') return frame->is_c;
  if (frame->is_c || !same_text(frame, debug->source)) return false;
  if ((int)frame->line_defined != debug->line_defined) return false;
  if ((int)frame->line_last != debug->line_last && debug->what != 'm') return false;
  bool tail = (key & SEEP_KEY_TAIL) != 0;
  if (current->api->version > 501 && tail != debug->is_tail_call) return false;
  return (int)frame->line == debug->current_line;
}

/* Compares one thread's frames, from stack->keys[at] on. Returns the index
 * behind the thread's last frame, or 0 when something differs. */
static uint32_t compare_thread(const struct seep_stack *stack, uint32_t at, lua_State *L) {
  struct seep_lua_debug debug;
  uint32_t first = at;
  for (int level = 0; seep_lua_api_debug(current->api, L, level, &debug); level++) {
    if (debug.what == 't') continue; /* 5.1 shows a tail call as a level of its own */
    struct seep_frame_info frame;
    if (at >= stack->count) return 0;
    if (at > first && (stack->keys[at] & SEEP_KEY_RESUMER)) return 0;
    const struct seep_vm_ops *ops = current->vm->ops;
    uintptr_t function = ops->function_of(&current->state, stack->keys[at], stack->handles[at]);
    ops->describe(&current->state, stack->keys[at], function, &frame);
    if (!frame_agrees(stack->keys[at], &frame, &debug)) return 0;
    at++;
  }
  return at;
}

static void compare_stack(lua_State *L) {
  struct seep_stack stack = {0};
  if (!current->vm->ops->anchors_hold(&current->state, true)) {
    fail("frames");
    return;
  }
  current->vm->ops->walk(&current->state, &stack);
  uint32_t at = compare_thread(&stack, 0, L);
  if (at == 0) fail("the running thread's frames");
  if (L == current->main_thread) {
    if (at != 0 && at != stack.count) fail("frames below the main thread");
  } else if (at != 0) {
    while (at < stack.count && !(stack.keys[at] & SEEP_KEY_RESUMER)) at++;
    uint32_t last = 0;
    for (uint32_t i = at; i < stack.count; i++) {
      if (stack.keys[i] & SEEP_KEY_RESUMER) last = i;
    }
    if (last == 0 || compare_thread(&stack, last, current->main_thread) != stack.count) {
      fail("the resumer's frames");
    }
  }
  current->stacks_compared++;
}

/* -- Names, types, the collector --------------------------------------------- */

static uint64_t key_of_argument(lua_State *L, int index) {
  const struct seep_lua_api *api = current->api;
  seep_lua_function *function = api->tocfunction(L, index);
  uintptr_t object = (uintptr_t)api->topointer(L, index);
  if (function == NULL && !api->is_luajit) return 0;
  uint64_t key = current->vm->ops->c_key(object, (uintptr_t)function);
  return (key & SEEP_KEY_ADDRESS) == 0 ? 0 : key;
}

static void add_name(uint64_t key, const char *name) {
  struct seep_vm *vm = current->vm;
  if (key == 0 || name == NULL || vm->c_name_count == SEEP_C_NAMES_MAX) return;
  for (uint32_t i = 0; i < vm->c_name_count; i++) {
    if (vm->c_names[i].key == key) return;
  }
  struct seep_c_name *entry = &vm->c_names[vm->c_name_count++];
  entry->key = key;
  snprintf(entry->name, sizeof entry->name, "%s", name);
}

/* How the frame of this probe was called, in which the names of locals, upvalues and constants are read. */
static bool call_agrees(lua_State *L) {
  static const enum seep_called kinds[256] = {['l'] = SEEP_CALLED_LOCAL, ['u'] = SEEP_CALLED_UPVALUE,
                                              ['f'] = SEEP_CALLED_FIELD, ['g'] = SEEP_CALLED_GLOBAL};
  const struct seep_lua_api *api = current->api;
  struct seep_stack stack = {0};
  struct seep_call_name name;
  char text[SEEP_CALL_NAME_MAX];
  const char *kind = api->tolstring(L, 2, NULL), *wanted = api->tolstring(L, 3, NULL);
  if (kind == NULL || wanted == NULL || !current->vm->ops->anchors_hold(&current->state, true)) return false;
  current->vm->ops->walk(&current->state, &stack);
  if (stack.count < 2) return false;
  struct seep_call call = {.key = stack.keys[0], .caller_key = stack.keys[1], .handle = stack.handles[0],
                           .caller_handle = stack.handles[1], .thread = stack.leaf_thread};
  current->vm->ops->call_name(&seep_image_self_checked, &current->state, &call, &name);
  return name.as == kinds[(unsigned char)kind[0]] && name.name_bytes == strlen(wanted) &&
         seep_load(&seep_image_self_checked, (uintptr_t)name.name, text, name.name_bytes) &&
         memcmp(text, wanted, name.name_bytes) == 0;
}

/* Tables are walked straight once the way to the first of them was found through the kernel. */
static bool loaded_agrees(lua_State *L) {
  char name[SEEP_CALL_NAME_MAX];
  const char *wanted = current->api->tolstring(L, 2, NULL);
  if (wanted == NULL || !seep_loaded_is_there(&seep_image_self_checked, &current->state)) return false;
  size_t size = seep_loaded_find(NULL, &current->state, key_of_argument(L, 3), 0, name);
  return size == strlen(wanted) && memcmp(name, wanted, size) == 0;
}

/* Names are no reason to refuse a build: without what they are read from functions have fewer. */
static void check_names(lua_State *L, const char *what) {
  if (current->vm->names_layout == NULL) return;
  bool agrees = strcmp(what, "called") == 0 ? call_agrees(L) : loaded_agrees(L);
  if (!agrees) current->vm->names_layout = NULL;
}

static void check_type(void) {
  const struct seep_vm *vm = current->vm;
  const struct seep_scratch *arena = current->arena;
  enum seep_type type = vm->types_in_osize
                            ? vm->type_by_tag[arena->last_tag & 15]
                            : vm->ops->type_of(&current->state, arena->last_block, arena->last_size);
  if (type != SEEP_TYPE_TABLE) fail("the type of a new table");
}

static void check_collector(lua_State *L) {
  enum { GCCOLLECT = 2, GCCOUNT = 3, GCCOUNTB = 4 };
  const struct seep_vm *vm = current->vm;
  uint64_t public_count = (uint64_t)current->api->gc(L, GCCOUNT, 0) * 1024 +
                          (uint64_t)current->api->gc(L, GCCOUNTB, 0);
  if (public_count != seep_vm_count_bytes(&current->state)) fail("the count of memory");
  uint64_t before = seep_vm_collector_word(&current->state);
  current->api->gc(L, GCCOLLECT, 0);
  uint64_t after = seep_vm_collector_word(&current->state);
  uint8_t phase = seep_vm_word_phase(after);
  if (((before ^ after) & vm->white_bits) == 0) fail("the collector's white");
  if ((after & vm->closing_bits) == vm->closing_bits) fail("the marks of a closing state");
  if (phase > 10 || (phase >= vm->sweep_first && phase <= vm->sweep_last)) {
    fail("the collector's state");
  }
}

static int probe(lua_State *L) {
  const struct seep_lua_api *api = current->api;
  const char *what = api->tolstring(L, 1, NULL);
  if (what == NULL || current->failure != NULL) return 0;
  if (strcmp(what, "stack") == 0) {
    compare_stack(L);
  } else if (strcmp(what, "type table") == 0) {
    check_type();
  } else if (strcmp(what, "count") == 0) {
    check_collector(L);
  } else if (strcmp(what, "called") == 0 || strcmp(what, "loaded") == 0) {
    check_names(L, what);
  } else {
    uint64_t key = key_of_argument(L, 3);
    uintptr_t address = key & SEEP_KEY_ADDRESS;
    add_name(key, api->tolstring(L, 2, NULL));
    if (strcmp(what, "resume") == 0) current->vm->resume_function = address;
    if (strcmp(what, "wrap") == 0) current->vm->wrap_function = address;
    if (strcmp(what, "close") == 0) current->vm->close_function = address;
  }
  return 0;
}

/* -- Trying descriptions ------------------------------------------------------ */

static bool run_program(struct session *session, lua_State *L) {
  const struct seep_lua_api *api = session->api;
  if (api->loadbuffer(L, program, sizeof program - 1, "@seepline calibration", NULL) != 0) {
    fail("loading the calibration program");
    return false;
  }
  api->pushcclosure(L, probe, 0);
  if (api->pcall(L, 1, 1, 0, (intptr_t)0, NULL) != 0) {
    fail("running the calibration program");
    return false;
  }
  if (session->stacks_compared < 12) fail("the number of stacks");
  return session->failure == NULL;
}

/* Where main thread and global state stand in the state's block, found by the
 * description's own anchors. */
static bool find_anchors(struct session *session, lua_State *L) {
  struct seep_vm *vm = session->vm;
  uintptr_t block = (uintptr_t)session->arena->pages;
  uintptr_t thread = (uintptr_t)L;
  if (thread < block || thread >= block + session->arena->first_size) return false;
  vm->state_block_bytes = session->arena->first_size;
  vm->main_thread_offset = thread - block;
  for (uintptr_t at = block; at + 16 <= block + vm->state_block_bytes; at += 8) {
    session->state.global = at;
    if (seep_load_pointer(NULL, at + vm->allocf) != (uintptr_t)seep_scratch_alloc) continue;
    if (seep_load_pointer(NULL, at + vm->allocf + 8) != (uintptr_t)session->arena) continue;
    vm->global_offset = at - thread;
    return vm->ops->anchors_hold(&session->state, false);
  }
  return false;
}

static int compare_names(const void *a, const void *b) {
  uint64_t left = ((const struct seep_c_name *)a)->key;
  uint64_t right = ((const struct seep_c_name *)b)->key;
  return (left > right) - (left < right);
}

static bool try_description(struct session *session) {
  struct seep_scratch *arena = session->arena;
  const struct seep_lua_api *api = session->api;
  session->failure = NULL;
  session->stacks_compared = 0;
  arena->used = 0;
  lua_State *L = api->newstate(seep_scratch_alloc, arena, 0);
  if (L == NULL) {
    session->opens_no_state = true;
    return false;
  }
  session->main_thread = L;
  session->state = (struct seep_vm_state){.vm = session->vm, .main_thread = (uintptr_t)L};
  current = session;
  bool fits = false;
  if (find_anchors(session, L)) {
    api->openlibs(L, -1, 0);
    fits = run_program(session, L);
  } else {
    fail("the words that lead to a state");
  }
  current = NULL;
  api->close(L);
  if (session->furthest_failure == NULL || session->stacks_compared > session->most_compared) {
    session->furthest_failure = session->failure;
    session->most_compared = session->stacks_compared;
  }
  return fits;
}

typedef bool describe_function(uint32_t candidate, struct seep_vm *vm);

static describe_function *family_of(const struct seep_lua_api *api) {
  if (api->is_luajit) return seep_luajit_describe;
  switch (api->version) {
    case 501: return seep_lua51_describe;
    case 502: return seep_lua52_describe;
    case 503: return seep_lua53_describe;
    case 504: return seep_lua54_describe;
    default: return NULL;
  }
}

/* lj_state.c: where references have 32 bits, lua_newstate says so and does nothing, since only an allocator of LuaJIT's
 * own finds memory that low. */
static enum seep_status say_no_state(const struct seep_lua_api *api, const char *release, struct seep_error *error) {
  if (!api->is_luajit) {
    return seep_error_set(error, SEEP_E_MEMORY, "%s: no memory for a state to calibrate with", release);
  }
  return seep_error_set(error, SEEP_E_UNKNOWN_VM,
                        "%s built without GC64: it lets nobody replace its allocator; seepline snapshot reads its "
                        "heap, and the Lua module's modes line, call and count record it", release);
}

enum seep_status seep_calibrate(const struct seep_lua_api *api, struct seep_vm *vm,
                                struct seep_error *error) {
  describe_function *describe = family_of(api);
  struct seep_scratch arena = {0};
  struct session session = {.api = api, .vm = vm, .arena = &arena};
  *vm = (struct seep_vm){0};
  char family[16];
  seep_lua_api_name(api, family, vm->release);
  if (describe == NULL) {
    return seep_error_set(error, SEEP_E_UNKNOWN_VM, "%s: this version is not described for modes exact and sample (line, call and count need "
                          "no description, and seepline snapshot reads its heap)", vm->release);
  }
  arena.pages = seep_pages_map(SEEP_SCRATCH_BYTES);
  if (arena.pages == NULL) return seep_error_set(error, SEEP_E_MEMORY, "no memory to calibrate in");
  bool fits = false;
  for (uint32_t candidate = 0; !fits && !session.opens_no_state; candidate++) {
    struct seep_vm attempt = {0};
    memcpy(attempt.release, vm->release, sizeof attempt.release);
    if (!describe(candidate, &attempt)) break;
    *vm = attempt;
    fits = try_description(&session);
  }
  seep_pages_unmap(arena.pages, SEEP_SCRATCH_BYTES);
  if (session.opens_no_state) return say_no_state(api, vm->release, error);
  if (!fits) {
    return seep_error_set(error, SEEP_E_UNKNOWN_VM,
                          "%s: the layout of this build is not known (%s did not agree)",
                          vm->release, session.furthest_failure);
  }
  qsort(vm->c_names, vm->c_name_count, sizeof vm->c_names[0], compare_names);
  return SEEP_OK;
}

/* -- States of a build that is not described ------------------------------------- */

/* The place in the state's block where the allocator stands, with its ud behind it. */
static bool find_allocator(const struct seep_scratch *arena, size_t *offset) {
  uintptr_t block = (uintptr_t)arena->pages;
  for (size_t at = 0; at + 16 <= arena->first_size; at += 8) {
    if (seep_load_pointer(NULL, block + at) != (uintptr_t)seep_scratch_alloc) continue;
    if (seep_load_pointer(NULL, block + at + 8) != (uintptr_t)arena) continue;
    *offset = at;
    return true;
  }
  return false;
}

static bool learn_birth(const struct seep_lua_api *api, struct seep_scratch *arena, struct seep_birth *birth) {
  lua_State *L = api->newstate(seep_scratch_alloc, arena, 0);
  lua_State *plain = L == NULL ? NULL : api->newstate_plain();
  if (plain == NULL) return false;
  void *ud;
  uintptr_t block = (uintptr_t)arena->pages, thread = (uintptr_t)L;
  birth->block_bytes = arena->first_size;
  birth->main_thread_offset = thread - block;
  birth->allocator = (uintptr_t)api->getallocf(plain, &ud);
  bool found = thread >= block && thread < block + arena->first_size && find_allocator(arena, &birth->allocf_offset);
  api->close(plain);
  api->close(L);
  return found;
}

enum seep_status seep_calibrate_birth(const struct seep_lua_api *api, struct seep_birth *birth,
                                      struct seep_error *error) {
  struct seep_scratch arena = {.pages = api->is_luajit ? NULL : seep_pages_map(SEEP_SCRATCH_BYTES)};
  bool learnt = arena.pages != NULL && learn_birth(api, &arena, birth);
  if (arena.pages != NULL) seep_pages_unmap(arena.pages, SEEP_SCRATCH_BYTES);
  if (learnt) return SEEP_OK;
  return seep_error_set(error, SEEP_E_UNKNOWN_VM, "the layout of this build is not known, and its states cannot be found");
}

bool seep_birth_is_state(const struct seep_birth *birth, uintptr_t block) {
  return seep_load_pointer(&seep_image_self_checked, block + birth->allocf_offset) == birth->allocator;
}
