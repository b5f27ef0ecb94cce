/* LuaJIT 2.1 (GC64) in memory. Source: lj_obj.h, lj_frame.h, lj_debug.c,
 * lj_state.c, lj_gc.c of the v2.1 branch, 2021 to 2026. Its stacks: luajit_walk.h.
 * The running thread is known (cur_L). */
#include "vm/descriptions.h"
#include "vm/luajit_calls.h"
#include "vm/luajit_walk.h"

/* The same in every release described. */
enum {
  G_TOTAL = 16, G_WHITE = 32, G_ROOT = 40, G_ESTIMATE = 96, G_STRTAB = 152, G_STRNUM = 164,
  UPVAL_NEXT = 24,
  OBJECT_NEXT = 0,
};

static const struct seep_lj_layout layouts[] = {
    {.releases = "2.1 of 2021 to 2023", .g_vmstate = 184, .g_main = 192, .g_cur_L = 368,
     .g_jit_base = 376, .g_uvhead = 280},
    {.releases = "2.1 of 2024 to 2025", .g_vmstate = 184, .g_main = 192, .g_cur_L = 368,
     .g_jit_base = 376, .g_uvhead = 280},
    {.releases = "2.1 of 2026", .g_vmstate = 184, .g_main = 192, .g_cur_L = 376,
     .g_jit_base = 384, .g_uvhead = 288},
};

/* -- Frames -------------------------------------------------------------- */

/* lj_dispatch.c callhook: i_ci is the slot of the frame, from the stack's first. */
static uint64_t frame_function(const struct seep_vm *vm, uintptr_t thread, uintptr_t frame,
                               uintptr_t *function) {
  (void)vm;
  *function = 0;
  uintptr_t object = seep_lj_function_of(seep_load_pointer(NULL, thread + SEEP_LJ_STACK) + frame * 8);
  if (object == 0) return SEEP_KEY_C | SEEP_KEY_BUILTIN;
  if (seep_load_u8(NULL, object + SEEP_FUNCTION_FFID) != SEEP_LJ_FFID_LUA) return seep_lj_c_key(object);
  *function = seep_load_pointer(NULL, object + SEEP_FUNCTION_PC) - SEEP_PROTO_BYTES;
  return 0;
}

/* -- Description --------------------------------------------------------- */

/* The position of the instruction before `pc` in the bytecode. */
static uint32_t position_of(uintptr_t proto, uintptr_t pc) {
  uintptr_t code = proto + SEEP_PROTO_BYTES;
  return pc > code && seep_lj_is_code_of(proto, pc) ? (uint32_t)((pc - code) / 4 - 1) : 0;
}

/* The walk's handle of a Lua frame is its prototype already, or leads there. */
static uintptr_t function_behind(const struct seep_vm_state *state, uint64_t key, uintptr_t handle) {
  (void)state;
  if (key & SEEP_KEY_C) return 0;
  if ((handle & SEEP_LJ_HANDLE_IS_FRAME) == 0) return handle;
  return seep_load_pointer(NULL, seep_lj_function_of(handle - SEEP_LJ_HANDLE_IS_FRAME) + SEEP_FUNCTION_PC) - SEEP_PROTO_BYTES;
}

/* lj_debug.c lj_debug_getinfo: a main chunk begins on line 0 and has lines. Without them, stripped, it is like any function
 * that takes varargs and has no upvalues. */
static bool is_main_chunk(uintptr_t proto) {
  enum { PROTO_VARARG = 2 };
  if (seep_load_u32(NULL, proto + SEEP_PROTO_FIRSTLINE) != 0) return false;
  return seep_load_u32(NULL, proto + SEEP_PROTO_NUMLINE) != 0 ||
         ((seep_load_u8(NULL, proto + SEEP_PROTO_FLAGS) & PROTO_VARARG) && seep_load_u8(NULL, proto + SEEP_PROTO_SIZEUV) == 0);
}

static void describe(const struct seep_vm_state *state, uint64_t key, uintptr_t handle,
                     struct seep_frame_info *out) {
  *out = (struct seep_frame_info){0};
  if (key & SEEP_KEY_C) {
    out->is_c = true;
    out->name = seep_vm_c_name(state->vm, key);
    return;
  }
  uintptr_t name = seep_load_pointer(NULL, handle + SEEP_PROTO_CHUNKNAME);
  out->source = (const char *)name + SEEP_STRING_BYTES;
  out->source_bytes = seep_load_u32(NULL, name + SEEP_STRING_LENGTH);
  uint32_t first = seep_load_u32(NULL, handle + SEEP_PROTO_FIRSTLINE);
  if (first == UINT32_MAX) first = 0; /* a builtin written in bytecode */
  out->line_defined = first;
  out->line_last = first + seep_load_u32(NULL, handle + SEEP_PROTO_NUMLINE);
  out->is_main = is_main_chunk(handle);
  out->code_count = seep_load_u32(NULL, handle + SEEP_PROTO_SIZEBC);
  uint32_t line = seep_luajit_line(handle, position_of(handle, key & SEEP_KEY_ADDRESS));
  out->line = line < first || line > out->line_last ? first : line;
}

/* -- Names ------------------------------------------------------------------ */

/* How a frame's function was called: enum FRAME_…, of a vararg function the frame below its own tells. What a trace has
 * inlined was called by Lua code. */
static uint32_t call_kind(const struct seep_image *image, uintptr_t handle) {
  if ((handle & SEEP_LJ_HANDLE_IS_FRAME) == 0) return SEEP_LJ_FRAME_LUA;
  uintptr_t frame = handle - SEEP_LJ_HANDLE_IS_FRAME;
  uint64_t link = seep_load_u64(image, frame);
  if ((link & 7) == SEEP_LJ_FRAME_VARG) link = seep_load_u64(image, frame - (uintptr_t)(link & ~7ULL));
  return (link & 3) == SEEP_LJ_FRAME_LUA ? SEEP_LJ_FRAME_LUA : (uint32_t)(link & 7);
}

/* Neither a call nor a metamethod: the VM has called, for a finalizer or a hook (lj_dispatch.h, HOOK_ACTIVE, HOOK_GC). */
static void name_interruption(uint8_t hookmask, struct seep_call_name *out) {
  enum { HOOK_ACTIVE = 0x10, HOOK_GC = 0x40 };
  if (hookmask & HOOK_GC) {
    *out = (struct seep_call_name){.as = SEEP_CALLED_METAMETHOD, .name = "__gc", .name_bytes = 4};
  } else if (hookmask & HOOK_ACTIVE) {
    out->as = SEEP_CALLED_HOOK;
  }
}

static void call_name(const struct seep_image *image, const struct seep_vm_state *state, const struct seep_call *call,
                      struct seep_call_name *out) {
  enum { G_HOOKMASK = 145 };
  *out = (struct seep_call_name){.as = SEEP_CALLED_UNKNOWN};
  uint32_t kind = call_kind(image, call->handle);
  if (call->caller_key & SEEP_KEY_C) {
    const char *name = seep_vm_c_name(state->vm, call->caller_key);
    if (name == NULL || strcmp(name, "collectgarbage") != 0) return;
    name_interruption(seep_load_u8(image, state->global + G_HOOKMASK), out);
  } else if (kind != SEEP_LJ_FRAME_LUA && kind != SEEP_LJ_FRAME_CONT) {
    name_interruption(seep_load_u8(image, state->global + G_HOOKMASK), out);
  } else if ((call->caller_key & SEEP_KEY_INEXACT) == 0 || (call->handle & SEEP_LJ_HANDLE_IS_FRAME) == 0) {
    uintptr_t proto = function_behind(state, call->caller_key, call->caller_handle);
    struct seep_lj_caller caller = {.proto = proto, .is_call = kind == SEEP_LJ_FRAME_LUA,
                                    .position = position_of(proto, call->caller_key & SEEP_KEY_ADDRESS)};
    if (call->handle & call->caller_handle & SEEP_LJ_HANDLE_IS_FRAME) {
      caller.base = call->caller_handle - SEEP_LJ_HANDLE_IS_FRAME + 8;
      caller.closure = seep_lj_function_of(call->caller_handle - SEEP_LJ_HANDLE_IS_FRAME);
      caller.callee = seep_lj_function_of(call->handle - SEEP_LJ_HANDLE_IS_FRAME);
    }
    seep_lj_name_call(image, &caller, out);
  }
}

/* -- Types --------------------------------------------------------------- */

/* lj_udata.c: a new userdata stands behind the main thread; behind those that the
 * collector has put there to be finalized, if one of their finalizers runs. */
static bool heads_userdata(uintptr_t main_thread, uintptr_t block) {
  enum { OBJECT_MARKED = 8, FINALIZED = 8, STEPS_MAX = 4096 };
  uintptr_t object = seep_load_pointer(NULL, main_thread + OBJECT_NEXT);
  for (int i = 0; i < STEPS_MAX && object != 0; i++) {
    if (object == block) return true;
    if ((seep_load_u8(NULL, object + OBJECT_MARKED) & FINALIZED) == 0) return false;
    object = seep_load_pointer(NULL, object + OBJECT_NEXT);
  }
  return false;
}

/* The head of the root list, or what stands behind upvalues that were closed
 * since (lj_func.c gola_closeuv puts them in front). */
static uintptr_t newest_object(uintptr_t root, uintptr_t block) {
  enum { STEPS_MAX = 256 };
  for (int i = 0; i < STEPS_MAX && root != 0 && root != block; i++) {
    if (seep_load_u8(NULL, root + SEEP_OBJECT_TYPE) != SEEP_GCT_UPVAL) break;
    root = seep_load_pointer(NULL, root + OBJECT_NEXT);
  }
  return root;
}

/* lj_gc.c lj_mem_newgco: new objects other than strings head the root list; a cdata of variable
 * size lies inside its block; userdata stand behind the main thread; open
 * upvalues head their own list. */
static enum seep_type type_of(const struct seep_vm_state *state, uintptr_t block,
                              size_t size_bytes) {
  static const uint8_t by_type[16] = {
      [SEEP_GCT_UPVAL] = SEEP_TYPE_UPVALUE, [SEEP_GCT_THREAD] = SEEP_TYPE_THREAD,
      [SEEP_GCT_PROTO] = SEEP_TYPE_PROTO,   [SEEP_GCT_FUNC] = SEEP_TYPE_FUNCTION,
      [SEEP_GCT_CDATA] = SEEP_TYPE_CDATA,   [SEEP_GCT_TAB] = SEEP_TYPE_TABLE};
  const struct seep_lj_layout *layout = state->vm->layout;
  uintptr_t root = newest_object(seep_load_pointer(NULL, state->global + G_ROOT), block);
  if (root >= block && root < block + size_bytes) {
    uint8_t type = seep_load_u8(NULL, root + SEEP_OBJECT_TYPE);
    return root == block || type == SEEP_GCT_CDATA ? by_type[type & 15] : SEEP_TYPE_BUFFER;
  }
  if (heads_userdata(state->main_thread, block)) return SEEP_TYPE_USERDATA;
  if (seep_load_pointer(NULL, state->global + layout->g_uvhead + UPVAL_NEXT) == block) {
    return SEEP_TYPE_UPVALUE;
  }
  return SEEP_TYPE_BUFFER;
}

/* An object has one of the whites and a type's number. */
static enum seep_type type_of_swept(uintptr_t block) {
  static const uint8_t by_type[16] = {
      [SEEP_GCT_STR] = SEEP_TYPE_STRING,    [SEEP_GCT_UPVAL] = SEEP_TYPE_UPVALUE, [SEEP_GCT_THREAD] = SEEP_TYPE_THREAD,
      [SEEP_GCT_PROTO] = SEEP_TYPE_PROTO,   [SEEP_GCT_FUNC] = SEEP_TYPE_FUNCTION, [SEEP_GCT_CDATA] = SEEP_TYPE_CDATA,
      [SEEP_GCT_TAB] = SEEP_TYPE_TABLE,     [SEEP_GCT_UDATA] = SEEP_TYPE_USERDATA};
  enum { MARKED = 8, WHITES = 3 };
  uint8_t type = seep_load_u8(NULL, block + SEEP_OBJECT_TYPE);
  if ((seep_load_u8(NULL, block + MARKED) & WHITES) == 0 || type >= 16) return SEEP_TYPE_BUFFER;
  return by_type[type] == SEEP_TYPE_OTHER ? SEEP_TYPE_BUFFER : (enum seep_type)by_type[type];
}

/* lj_func.c lj_func_newL_gc: a Lua function says that it has no upvalues until it has all of them. */
static bool is_unfinished(uintptr_t function) {
  if (seep_load_u8(NULL, function + SEEP_FUNCTION_FFID) != SEEP_LJ_FFID_LUA) return false;
  if (seep_load_u8(NULL, function + SEEP_FUNCTION_NUPVALUES) != 0) return false;
  uintptr_t proto = seep_load_pointer(NULL, function + SEEP_FUNCTION_PC) - SEEP_PROTO_BYTES;
  return seep_load_u8(NULL, proto + SEEP_PROTO_SIZEUV) != 0;
}

/* The description holds for 64-bit references alone: a build with 32-bit ones
 * fails here. The running thread's top function must be a function. */
static bool anchors_hold(const struct seep_vm_state *state, bool running) {
  const struct seep_image *image = &seep_image_self_checked;
  const struct seep_lj_layout *layout = state->vm->layout;
  uintptr_t main_thread = state->main_thread;
  if (SEEP_GC_POINTER(seep_load_u64(image, state->global + layout->g_main)) != main_thread) return false;
  if (seep_load_u8(image, main_thread + SEEP_OBJECT_TYPE) != SEEP_GCT_THREAD) return false;
  if (seep_load_u8(image, main_thread + SEEP_LJ_STATUS) != 0) return false; /* still being opened */
  if (!running) return true;
  uintptr_t thread = SEEP_GC_POINTER(seep_load_u64(image, state->global + layout->g_cur_L));
  if (seep_load_u8(image, thread + SEEP_OBJECT_TYPE) != SEEP_GCT_THREAD) return false;
  if (seep_load_pointer(image, state->global + layout->g_jit_base) != 0) return false;
  uintptr_t base = seep_load_pointer(image, thread + SEEP_LJ_BASE);
  uintptr_t function = SEEP_GC_POINTER(seep_load_u64(image, base - 16));
  uint64_t c_frame[5];
  return seep_load_u8(image, function + SEEP_OBJECT_TYPE) == SEEP_GCT_FUNC &&
         seep_load(image, seep_lj_raw_c_frame(seep_load_pointer(image, thread + SEEP_LJ_CFRAME)), c_frame,
                   sizeof c_frame);
}

/* At the bottom of a stack stands a dummy frame (lj_state.c stack_init). */
static bool take_remains(const struct seep_vm_state *state, bool at_bottom, const struct seep_stack *last,
                         struct seep_remains *out) {
  (void)last;
  const struct seep_image *image = &seep_image_self_checked;
  uintptr_t base = seep_load_pointer(image, state->main_thread + SEEP_LJ_BASE);
  uintptr_t stack = seep_load_pointer(image, state->main_thread + SEEP_LJ_STACK);
  if (stack == 0 || base < stack + 16 || (at_bottom && base != stack + 16)) return false;
  if (!seep_load(image, state->main_thread, out->thread, sizeof out->thread)) return false;
  seep_vm_take_words(base - 16, out);
  out->global = state->global;
  out->is_late = at_bottom;
  return true;
}

static uint64_t c_key_of(uintptr_t object, uintptr_t function) {
  (void)function;
  return seep_lj_c_key(object);
}

static const struct seep_vm_ops ops = {
    .family = "LuaJIT 2.1",
    .walk = seep_lj_walk,
    .leaf = seep_lj_leaf,
    .threads = seep_lj_threads,
    .take_remains = take_remains,
    .frame_function = frame_function,
    .function_of = function_behind,
    .describe = describe,
    .anchors_hold = anchors_hold,
    .c_key = c_key_of,
    .type_of = type_of,
    .type_of_swept = type_of_swept,
    .is_unfinished = is_unfinished,
    .call_name = call_name,
    .loaded = &seep_lj_loaded_reader,
};

bool seep_luajit_describe(uint32_t candidate, struct seep_vm *vm) {
  if (candidate >= SEEP_ARRAY_SIZE(layouts)) return false;
  vm->ops = &ops;
  vm->layout = &layouts[candidate];
  vm->layout_name = layouts[candidate].releases;
  vm->names_layout = &layouts[candidate]; /* what names are read from is the same everywhere */
  vm->thread_global = SEEP_LJ_GLREF;
  vm->allocf = 0;
  vm->total = G_TOTAL;
  vm->estimate = G_ESTIMATE;
  vm->finalizers_lower_estimate = true;
  vm->string_table = G_STRTAB;
  vm->string_count = G_STRNUM;
  vm->parts.of_thread = 1; /* lj_state.c lj_state_new: its stack */
  vm->counts_frees_first = true; /* lj_gc.h lj_mem_free */
  vm->white = G_WHITE;
  vm->word_mask = 0xffff;
  vm->closing_bits = 3; /* lj_gc.c lj_gc_freeall makes both whites current */
  vm->white_bits = 3; /* LJ_GC_WHITE0, LJ_GC_WHITE1 */
  vm->sweep_first = 3; /* GCSsweepstring, GCSsweep */
  vm->sweep_last = 4;
  return true;
}
