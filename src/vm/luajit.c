/* LuaJIT 2.1 (GC64) in memory. Source: lj_obj.h, lj_frame.h, lj_debug.c,
 * lj_state.c, lj_jit.h of the v2.1 branch, 2021 to 2026, and vm_x64.dasc.
 *
 * A frame is a slot of the Lua stack: base-1 holds the return pc or a delta
 * with the frame's type in its low bits, base-2 the function. The pc of a Lua
 * function is found in the frame above it, or, for the innermost, in the C
 * frame of the interpreter. Inside a trace the frames above the trace's entry
 * do not exist yet: what a trace allocates is charged to where it most likely is
 * (luajit_trace.h), or else to the trace's start, and marked. The running thread
 * is known (cur_L). */
#include "vm/descriptions.h"
#include "vm/luajit_bytecode.h"
#include "vm/luajit_calls.h"
#include "vm/luajit_trace.h"

struct layout {
  const char *releases;
  uint16_t g_vmstate, g_main, g_cur_L, g_jit_base, g_uvhead;
};

/* The same in every release described. */
enum {
  L_STATUS = 11, L_GLREF = 16, L_BASE = 32, L_STACK = 56, L_CFRAME = 80, L_STACKSIZE = 88,
  G_TOTAL = 16, G_WHITE = 32, G_ROOT = 40, G_ESTIMATE = 96, G_STRTAB = 152, G_STRNUM = 164,
  UPVAL_NEXT = 24,
  J_TRACE = 384, J_SIZETRACE = 396,
  TRACE_STARTPT = 64, TRACE_STARTPC = 72, TRACE_STARTINS = 80,
  FUNCTION_F = 40, FUNCTION_UPVALUE = 48, /* of a C function */
  OBJECT_NEXT = 0,
  CFRAME_PREV = 32, CFRAME_PC = 24, CFRAME_L = 16, CFRAME_NRES = 8,
};

enum { FRAME_LUA, FRAME_C, FRAME_CONT, FRAME_VARG, FRAME_P = 4 };
enum { FFID_LUA = 0, FFID_C = 1, CONT_FFI_CALLBACK = 1 };

/* The upper 17 bits of a TValue: ~LJ_TTHREAD, sign-extended. */
enum { TAG_THREAD = 0x1fff9 };

static const struct layout layouts[] = {
    {.releases = "2.1 of 2021 to 2023", .g_vmstate = 184, .g_main = 192, .g_cur_L = 368,
     .g_jit_base = 376, .g_uvhead = 280},
    {.releases = "2.1 of 2024 to 2025", .g_vmstate = 184, .g_main = 192, .g_cur_L = 368,
     .g_jit_base = 376, .g_uvhead = 280},
    {.releases = "2.1 of 2026", .g_vmstate = 184, .g_main = 192, .g_cur_L = 376,
     .g_jit_base = 384, .g_uvhead = 288},
};

/* -- Threads ------------------------------------------------------------- */

/* What stands in a frame's function slot: a function, or the thread in a dummy
 * frame. 0 when a fast function has put its first result there already
 * (lib_base.c ffh_resume makes its message string only then). */
SEEP_ALWAYS_INLINE uintptr_t function_of(uintptr_t frame) {
  uint64_t slot = seep_load_u64(NULL, frame - 8);
  uint64_t tag = slot >> 47;
  return tag == SEEP_TAG_FUNCTION || tag == TAG_THREAD ? SEEP_GC_POINTER(slot) : 0;
}

/* The coroutine that the function on top of `thread` has resumed, or 0. A
 * coroutine that runs has a C frame (lj_vm_resume gives it one). */
static uintptr_t resumed_by(const struct seep_vm *vm, uintptr_t thread) {
  uintptr_t base = seep_load_pointer(NULL, thread + L_BASE);
  if (base <= seep_load_pointer(NULL, thread + L_STACK) + 16) return 0;
  uintptr_t function = function_of(base - 8);
  if (function == 0 || seep_load_u8(NULL, function + SEEP_OBJECT_TYPE) != SEEP_GCT_FUNC) return 0;
  uint8_t ffid = seep_load_u8(NULL, function + SEEP_FUNCTION_FFID);
  if (ffid <= FFID_C) return 0;
  uint64_t value;
  if (ffid == vm->resume_function) {
    value = seep_load_u64(NULL, base);
  } else if (ffid == vm->wrap_function) {
    value = seep_load_u64(NULL, function + FUNCTION_UPVALUE);
  } else {
    return 0;
  }
  uintptr_t coroutine = SEEP_GC_POINTER(value);
  if (coroutine == 0 || seep_load_u8(NULL, coroutine + SEEP_OBJECT_TYPE) != SEEP_GCT_THREAD) return 0;
  return seep_load_pointer(NULL, coroutine + L_CFRAME) == 0 ? 0 : coroutine;
}

/* The running thread, and before it those whose resumes led to it. */
static uint32_t find_threads(const struct seep_vm_state *state,
                             uintptr_t threads[SEEP_THREADS_MAX]) {
  const struct layout *layout = state->vm->layout;
  uintptr_t running = SEEP_GC_POINTER(seep_load_u64(NULL, state->global + layout->g_cur_L));
  uint32_t count = 0;
  uintptr_t next = state->main_thread;
  if (running == 0) running = next;
  while (next != 0 && next != running && count + 1 < SEEP_THREADS_MAX) {
    for (uint32_t i = 0; i < count; i++) {
      if (threads[i] == next) goto unknown;
    }
    threads[count++] = next;
    next = resumed_by(state->vm, next);
  }
  if (next != running) {
  unknown:
    count = 0; /* resumed by a host in a way that the chain does not show */
  }
  threads[count++] = running;
  return count;
}

/* -- Frames -------------------------------------------------------------- */

/* In a walk's handle: it is a frame's address, else a prototype (of what a trace has inlined). */
enum { HANDLE_IS_FRAME = 1 };

struct walker {
  uintptr_t thread;
  uintptr_t frame;       /* base-1 of the current frame */
  uintptr_t next_frame;  /* of the frame above, 0 for the innermost */
  uintptr_t c_frame;     /* the C frame that belongs to where we are */
  uintptr_t stack, bottom, limit;
};

SEEP_ALWAYS_INLINE uintptr_t raw_c_frame(uintptr_t c_frame) { return c_frame & ~(uintptr_t)3; }

/* Whether `pc` is an instruction of `proto`, or the one behind its last. */
SEEP_ALWAYS_INLINE bool is_code_of(uintptr_t proto, uintptr_t pc) {
  uintptr_t code = proto + SEEP_PROTO_BYTES;
  return pc >= code && pc <= code + (uintptr_t)seep_load_u32(NULL, proto + SEEP_PROTO_SIZEBC) * 4;
}

/* lj_debug.c debug_framepc: C frames with a negative nres were entered without
 * a Lua frame and are passed over. */
SEEP_ALWAYS_INLINE void settle_c_frame(struct walker *walker, uintptr_t frame) {
  while (walker->c_frame != 0) {
    int32_t nres = (int32_t)seep_load_u32(NULL, walker->c_frame + CFRAME_NRES);
    if (nres >= 0 || frame >= walker->stack + (uintptr_t)(-(int64_t)nres)) return;
    walker->c_frame = raw_c_frame(seep_load_pointer(NULL, walker->c_frame + CFRAME_PREV));
  }
}

SEEP_ALWAYS_INLINE bool leaves_c_frame(uintptr_t frame, uint64_t link) {
  if ((link & 3) == FRAME_C) return true;
  return (link & 7) == FRAME_CONT && seep_load_u64(NULL, frame - 24) == CONT_FFI_CALLBACK;
}

SEEP_ALWAYS_INLINE uintptr_t previous_frame(uintptr_t frame, uint64_t link) {
  if ((link & 3) == FRAME_LUA) {
    uint8_t slot = seep_load_u8(NULL, (uintptr_t)link - 4 + 1); /* operand A of the call */
    return frame - (uintptr_t)(2 + slot) * 8;
  }
  return frame - (uintptr_t)(link & ~7ULL);
}

/* Where a C frame's pc is in the bytecode of `proto`. The compiler runs in C frames of its own, whose pc
 * is the thread (vm_x64.dasc vm_cpcall): the interpreter's is before them. A pc may also point into a
 * trace's copy of its first instruction (after an exit), or be any value at all
 * (vm_resume, vm_call): then 0. */
static SEEP_NOINLINE uintptr_t unusual_pc(const struct walker *walker, uintptr_t proto, uintptr_t pc) {
  enum { DEPTH_MAX = 4 };
  const struct seep_image *image = &seep_image_self_checked;
  uintptr_t c_frame = walker->c_frame;
  for (uint32_t i = 0; i < DEPTH_MAX && pc == walker->thread && c_frame != 0; i++) {
    c_frame = raw_c_frame(seep_load_pointer(NULL, c_frame + CFRAME_PREV));
    pc = c_frame == 0 ? 0 : seep_load_pointer(NULL, c_frame + CFRAME_PC);
    if (is_code_of(proto, pc)) return pc;
  }
  uintptr_t trace = pc - 4 - TRACE_STARTINS;
  if (pc < SEEP_PAGE_BYTES || seep_load_u8(image, trace + SEEP_OBJECT_TYPE) != SEEP_GCT_TRACE) return 0;
  uintptr_t start_pc = seep_load_pointer(image, trace + TRACE_STARTPC);
  return is_code_of(proto, start_pc) ? start_pc + 4 : 0;
}

SEEP_ALWAYS_INLINE uintptr_t c_frame_pc(const struct walker *walker, uintptr_t proto) {
  if (walker->c_frame == 0) return 0;
  uintptr_t pc = seep_load_pointer(NULL, walker->c_frame + CFRAME_PC);
  return SEEP_LIKELY(is_code_of(proto, pc)) ? pc : unusual_pc(walker, proto, pc);
}

/* The pc of the Lua function at walker->frame; 0 when nobody has it. */
SEEP_ALWAYS_INLINE uintptr_t lua_pc(struct walker *walker, uintptr_t proto) {
  if (walker->next_frame != 0) {
    uint64_t link = seep_load_u64(NULL, walker->next_frame);
    if ((link & 3) == FRAME_LUA) return (uintptr_t)link;
    if ((link & 7) == FRAME_CONT) return seep_load_pointer(NULL, walker->next_frame - 16);
    settle_c_frame(walker, walker->next_frame);
  }
  return c_frame_pc(walker, proto);
}

/* Frames lie one below the other, in their thread's stack: a link that leads
 * anywhere else ends the walk. */
SEEP_ALWAYS_INLINE bool at_frame(const struct walker *walker) {
  return walker->frame > walker->bottom && walker->frame < walker->limit &&
         (walker->next_frame == 0 || walker->frame < walker->next_frame);
}

/* Goes one frame out. */
SEEP_ALWAYS_INLINE void step(struct walker *walker) {
  uint64_t link = seep_load_u64(NULL, walker->frame);
  settle_c_frame(walker, walker->frame);
  if (leaves_c_frame(walker->frame, link) && walker->c_frame != 0) {
    walker->c_frame = raw_c_frame(seep_load_pointer(NULL, walker->c_frame + CFRAME_PREV));
  }
  walker->next_frame = walker->frame;
  walker->frame = previous_frame(walker->frame, link);
  if ((link & 7) == FRAME_VARG && at_frame(walker)) { /* the pseudo-frame below belongs to the same call */
    walker->next_frame = walker->frame;
    walker->frame = previous_frame(walker->frame, seep_load_u64(NULL, walker->frame));
  }
}

SEEP_ALWAYS_INLINE void start(struct walker *walker, uintptr_t thread, uintptr_t base) {
  uintptr_t stack = seep_load_pointer(NULL, thread + L_STACK);
  *walker = (struct walker){
      .thread = thread,
      .frame = base - 8,
      .c_frame = raw_c_frame(seep_load_pointer(NULL, thread + L_CFRAME)),
      .stack = stack,
      .bottom = stack + 8,
      .limit = stack + (uintptr_t)seep_load_u32(NULL, thread + L_STACKSIZE) * 8,
  };
}

SEEP_ALWAYS_INLINE uint64_t c_key(uintptr_t function) {
  uint8_t ffid = seep_load_u8(NULL, function + SEEP_FUNCTION_FFID);
  if (ffid > FFID_C) return SEEP_KEY_C | SEEP_KEY_BUILTIN | ffid;
  return SEEP_KEY_C | seep_load_pointer(NULL, function + FUNCTION_F);
}

/* Whether jit_State is `offset` behind the global state: then trace `number` is
 * in its array, is a trace, and starts inside its prototype. Read through the
 * kernel, for the offset differs by release and nothing else tells. */
static bool jit_state_holds(uintptr_t global, uint16_t offset, uint32_t number) {
  const struct seep_image *image = &seep_image_self_checked;
  uintptr_t jit = global + offset;
  uint32_t count = seep_load_u32(image, jit + J_SIZETRACE);
  if (number == 0 || number >= count || count > 65536) return false;
  uintptr_t trace = seep_load_pointer(image, seep_load_pointer(image, jit + J_TRACE) + number * 8u);
  if (trace == 0 || seep_load_u8(image, trace + SEEP_OBJECT_TYPE) != SEEP_GCT_TRACE) return false;
  uintptr_t proto = seep_load_pointer(image, trace + TRACE_STARTPT);
  uintptr_t pc = seep_load_pointer(image, trace + TRACE_STARTPC);
  uintptr_t code = proto + SEEP_PROTO_BYTES;
  return seep_load_u8(image, proto + SEEP_OBJECT_TYPE) == SEEP_GCT_PROTO && pc >= code &&
         pc < code + (uintptr_t)seep_load_u32(image, proto + SEEP_PROTO_SIZEBC) * 4;
}

/* The offset of jit_State, looked for when the first trace allocates; NOT_FOUND
 * when it is nowhere near. */
static uint16_t jit_state_offset(uintptr_t global, uint32_t number) {
  enum { UNKNOWN = 0, NOT_FOUND = 1, FIRST = 600, LAST = 1000 };
  static uint16_t known;
  uint16_t offset = __atomic_load_n(&known, __ATOMIC_RELAXED);
  if (SEEP_UNLIKELY(offset == UNKNOWN)) {
    for (offset = FIRST; offset <= LAST; offset += 8) {
      if (jit_state_holds(global, offset, number)) break;
    }
    if (offset > LAST) offset = NOT_FOUND;
    __atomic_store_n(&known, offset, __ATOMIC_RELAXED);
  }
  return offset == NOT_FOUND ? 0 : offset;
}

/* The Lua function in a frame's slot, else 0. */
static uintptr_t lua_function_of(uintptr_t frame) {
  uintptr_t function = function_of(frame);
  bool is_lua = function != 0 && seep_load_u8(NULL, function + SEEP_OBJECT_TYPE) == SEEP_GCT_FUNC &&
                seep_load_u8(NULL, function + SEEP_FUNCTION_FFID) == FFID_LUA;
  return is_lua ? function : 0;
}

/* The running trace; false when it is not to be found. */
static bool running_trace(const struct seep_vm_state *state, const struct walker *walker, struct seep_trace_run *out) {
  const struct layout *layout = state->vm->layout;
  uint32_t number = seep_load_u32(NULL, state->global + layout->g_vmstate);
  if ((int32_t)number <= 0) return false;
  uint16_t offset = jit_state_offset(state->global, number);
  uintptr_t jit = state->global + offset;
  if (offset == 0 || number >= seep_load_u32(NULL, jit + J_SIZETRACE)) return false;
  *out = (struct seep_trace_run){
      .traces = seep_load_pointer(NULL, jit + J_TRACE), .trace_count = seep_load_u32(NULL, jit + J_SIZETRACE),
      .number = number, .c_frame = walker->c_frame, .closure = lua_function_of(walker->frame),
      .base = walker->frame + 8};
  return true;
}

/* The innermost frames while a trace runs: where it is, or, if that cannot be told,
 * where it starts (in `start`). NULL when not even that is known. */
static const struct seep_trace_place *trace_frames(const struct seep_vm_state *state, const struct walker *walker,
                                                   struct seep_trace_place *start) {
  struct seep_trace_run run;
  if (!at_frame(walker) || !running_trace(state, walker, &run)) return NULL;
  const struct seep_trace_place *place = walker->c_frame == 0 ? NULL : seep_luajit_trace_place(state, &run);
  if (place != NULL) return place;
  uintptr_t trace = seep_load_pointer(NULL, run.traces + run.number * (uintptr_t)8);
  if (trace == 0) return NULL;
  start->count = 1;
  start->keys[0] = (seep_load_pointer(NULL, trace + TRACE_STARTPC) + 4) | SEEP_KEY_INEXACT;
  start->protos[0] = seep_load_pointer(NULL, trace + TRACE_STARTPT);
  return start->protos[0] == 0 ? NULL : start;
}

/* Whether a trace is being left: what it had put off is made now (lj_snap.c lj_snap_restore). */
SEEP_ALWAYS_INLINE bool leaves_trace(const struct seep_vm_state *state) {
  enum { VMST_EXIT = 3 };
  const struct layout *layout = state->vm->layout;
  return seep_load_u32(NULL, state->global + layout->g_vmstate) == ~(uint32_t)VMST_EXIT;
}

/* Which trace is being left by which exit: J->parent and J->exitno, two numbers that stand where no release has them in
 * the same place. They are where the pc of the C frame is that of this exit's snapshot, and nowhere else. */
static bool find_exit(uintptr_t jit, uintptr_t pc, struct seep_trace_run *run, uint32_t *exit) {
  enum { FIRST = J_SIZETRACE + 4, LAST = FIRST + (16 << 10) };
  static uint32_t known;
  uint32_t offset = __atomic_load_n(&known, __ATOMIC_RELAXED), found = 0;
  for (uint32_t at = offset != 0 ? offset : FIRST; at <= (offset != 0 ? offset : LAST); at += 8) {
    uint32_t numbers[2];
    if (!seep_load(&seep_image_self_checked, jit + at, numbers, sizeof numbers)) break;
    run->number = numbers[0];
    if (!seep_luajit_is_exit(run, numbers[1], pc)) continue;
    if (found != 0) return false;
    found = at;
    *exit = numbers[1];
  }
  if (found == 0) return false;
  run->number = seep_load_u32(NULL, jit + found);
  __atomic_store_n(&known, found, __ATOMIC_RELAXED);
  return true;
}

/* The innermost frames while a trace is being left. NULL when they cannot be told, or when it has been left already:
 * then they are in the stack, and `is_left` says so. */
static SEEP_NOINLINE const struct seep_trace_place *exit_frames(const struct seep_vm_state *state,
                                                                const struct walker *walker, bool *is_left) {
  uint16_t offset = jit_state_offset(state->global, 1);
  uintptr_t jit = state->global + offset;
  uint32_t exit;
  uintptr_t pc = walker->c_frame == 0 ? 0 : seep_load_pointer(NULL, walker->c_frame + CFRAME_PC);
  /* With the thread as its pc it is the C frame of the compiler, which begins with a side trace. */
  *is_left = pc == 0 || pc == walker->thread || (int32_t)seep_load_u32(NULL, walker->c_frame + CFRAME_NRES) >= 0;
  if (*is_left || offset == 0 || !at_frame(walker)) return NULL;
  struct seep_trace_run run = {
      .traces = seep_load_pointer(NULL, jit + J_TRACE), .trace_count = seep_load_u32(NULL, jit + J_SIZETRACE),
      .closure = lua_function_of(walker->frame), .base = walker->frame + 8};
  if (!find_exit(jit, pc, &run, &exit)) return NULL;
  return seep_luajit_exit_place(state, &run, exit);
}

static uintptr_t base_of(const struct seep_vm_state *state, uintptr_t thread, bool running,
                         bool *in_trace) {
  const struct layout *layout = state->vm->layout;
  uintptr_t jit_base = seep_load_pointer(NULL, state->global + layout->g_jit_base);
  *in_trace = running && jit_base != 0;
  return *in_trace ? jit_base : seep_load_pointer(NULL, thread + L_BASE);
}

/* What stands in the key for a frame. */
SEEP_ALWAYS_INLINE uint64_t frame_key(struct walker *walker, uintptr_t function) {
  if (function == 0) return SEEP_KEY_C | SEEP_KEY_BUILTIN;
  if (seep_load_u8(NULL, function + SEEP_FUNCTION_FFID) != FFID_LUA) return c_key(function);
  uintptr_t proto = seep_load_pointer(NULL, function + SEEP_FUNCTION_PC) - SEEP_PROTO_BYTES;
  uintptr_t pc = lua_pc(walker, proto);
  return pc != 0 ? pc : (proto + SEEP_PROTO_BYTES) | SEEP_KEY_INEXACT;
}

/* Takes the Lua functions that have called one another, from the caller of the
 * frame at hand out: most of most stacks. Their return addresses are all there
 * is to it; C frames are not passed between them. */
SEEP_ALWAYS_INLINE uint32_t take_lua_callers(struct walker *walker, struct seep_stack *stack, uint32_t total) {
  uintptr_t frame = walker->frame, next_frame = walker->next_frame;
  const uintptr_t bottom = walker->bottom;
  uint64_t link = seep_load_u64(NULL, frame);
  while ((link & 3) == FRAME_LUA && total < SEEP_STACK_INNER) {
    uintptr_t caller = previous_frame(frame, link);
    if (caller <= bottom) break;
    next_frame = frame;
    frame = caller;
    stack->fresh_keys[total] = link;
    stack->fresh_handles[total++] = caller | HANDLE_IS_FRAME;
    link = seep_load_u64(NULL, caller);
  }
  walker->frame = frame;
  walker->next_frame = next_frame;
  return total;
}

/* (A trace runs in the running thread: no frame of its own is a resumer's.) */
static uint32_t walk_thread(const struct seep_vm_state *state, uintptr_t thread, bool running,
                            struct seep_stack *stack, uint32_t total) {
  bool in_trace;
  struct walker walker;
  start(&walker, thread, base_of(state, thread, running, &in_trace));
  uint64_t marks = running ? 0 : SEEP_KEY_RESUMER;
  if (running) stack->leaf_frame = walker.frame;
  struct seep_trace_place start_of_trace;
  const struct seep_trace_place *place = in_trace ? trace_frames(state, &walker, &start_of_trace) : NULL;
  if (running && SEEP_UNLIKELY(leaves_trace(state))) {
    bool is_left;
    place = exit_frames(state, &walker, &is_left);
    if (!is_left) marks = SEEP_KEY_INEXACT;
  }
  if (place != NULL) {
    marks = 0;
    for (uint32_t i = 0; i < place->count; i++) seep_stack_push(stack, &total, place->keys[i], place->protos[i]);
    step(&walker);
  }
  for (; at_frame(&walker); step(&walker)) {
    uintptr_t function = function_of(walker.frame);
    if (function == thread) continue; /* a dummy frame, lj_err_optype_call */
    uint64_t key = frame_key(&walker, function);
    seep_stack_push(stack, &total, key | marks, walker.frame | HANDLE_IS_FRAME);
    marks = 0;
    total = take_lua_callers(&walker, stack, total);
  }
  return total;
}

static void walk(const struct seep_vm_state *state, struct seep_stack *out) {
  uintptr_t threads[SEEP_THREADS_MAX];
  uint32_t count = find_threads(state, threads);
  uint32_t total = 0;
  for (uint32_t i = count; i-- > 0;) {
    total = walk_thread(state, threads[i], i + 1 == count, out, total);
  }
  seep_stack_finish(out, total);
}

static void leaf(const struct seep_vm_state *state, struct seep_leaf *out) {
  uintptr_t threads[SEEP_THREADS_MAX];
  uint32_t count = find_threads(state, threads);
  uintptr_t thread = threads[count - 1];
  bool in_trace;
  struct walker walker;
  start(&walker, thread, base_of(state, thread, true, &in_trace));
  *out = (struct seep_leaf){.frame = walker.frame};
  struct seep_trace_place start_of_trace;
  const struct seep_trace_place *place = in_trace ? trace_frames(state, &walker, &start_of_trace) : NULL;
  if (place != NULL) {
    for (uint32_t i = 0; i < place->count; i++) out->place = seep_leaf_fold(out->place, place->keys[i]);
    return;
  }
  for (; at_frame(&walker); step(&walker)) {
    uintptr_t function = function_of(walker.frame);
    if (function == thread) continue;
    uint64_t key = frame_key(&walker, function);
    out->place = seep_leaf_fold(out->place, key);
    if ((key & SEEP_KEY_C) == 0) return;
  }
}

/* lj_dispatch.c callhook: i_ci is the slot of the frame, from the stack's first. */
static uint64_t frame_function(const struct seep_vm *vm, uintptr_t thread, uintptr_t frame,
                               uintptr_t *function) {
  (void)vm;
  *function = 0;
  uintptr_t object = function_of(seep_load_pointer(NULL, thread + L_STACK) + frame * 8);
  if (object == 0) return SEEP_KEY_C | SEEP_KEY_BUILTIN;
  if (seep_load_u8(NULL, object + SEEP_FUNCTION_FFID) != FFID_LUA) return c_key(object);
  *function = seep_load_pointer(NULL, object + SEEP_FUNCTION_PC) - SEEP_PROTO_BYTES;
  return 0;
}

/* -- Description --------------------------------------------------------- */

/* The position of the instruction before `pc` in the bytecode. */
static uint32_t position_of(uintptr_t proto, uintptr_t pc) {
  uintptr_t code = proto + SEEP_PROTO_BYTES;
  return pc > code && is_code_of(proto, pc) ? (uint32_t)((pc - code) / 4 - 1) : 0;
}

/* The walk's handle of a Lua frame is its prototype already, or leads there. */
static uintptr_t function_behind(const struct seep_vm_state *state, uint64_t key, uintptr_t handle) {
  (void)state;
  if (key & SEEP_KEY_C) return 0;
  if ((handle & HANDLE_IS_FRAME) == 0) return handle;
  return seep_load_pointer(NULL, function_of(handle - HANDLE_IS_FRAME) + SEEP_FUNCTION_PC) - SEEP_PROTO_BYTES;
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
  if ((handle & HANDLE_IS_FRAME) == 0) return FRAME_LUA;
  uintptr_t frame = handle - HANDLE_IS_FRAME;
  uint64_t link = seep_load_u64(image, frame);
  if ((link & 7) == FRAME_VARG) link = seep_load_u64(image, frame - (uintptr_t)(link & ~7ULL));
  return (link & 3) == FRAME_LUA ? FRAME_LUA : (uint32_t)(link & 7);
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
  } else if (kind != FRAME_LUA && kind != FRAME_CONT) {
    name_interruption(seep_load_u8(image, state->global + G_HOOKMASK), out);
  } else if ((call->caller_key & SEEP_KEY_INEXACT) == 0 || (call->handle & HANDLE_IS_FRAME) == 0) {
    uintptr_t proto = function_behind(state, call->caller_key, call->caller_handle);
    struct seep_lj_caller caller = {.proto = proto, .is_call = kind == FRAME_LUA,
                                    .position = position_of(proto, call->caller_key & SEEP_KEY_ADDRESS)};
    if (call->handle & call->caller_handle & HANDLE_IS_FRAME) {
      caller.base = call->caller_handle - HANDLE_IS_FRAME + 8;
      caller.closure = function_of(call->caller_handle - HANDLE_IS_FRAME);
      caller.callee = function_of(call->handle - HANDLE_IS_FRAME);
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
  const struct layout *layout = state->vm->layout;
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

/* The description holds for 64-bit references alone: a build with 32-bit ones
 * fails here. The running thread's top function must be a function. */
static bool anchors_hold(const struct seep_vm_state *state, bool running) {
  const struct seep_image *image = &seep_image_self_checked;
  const struct layout *layout = state->vm->layout;
  uintptr_t main_thread = state->main_thread;
  if (SEEP_GC_POINTER(seep_load_u64(image, state->global + layout->g_main)) != main_thread) return false;
  if (seep_load_u8(image, main_thread + SEEP_OBJECT_TYPE) != SEEP_GCT_THREAD) return false;
  if (seep_load_u8(image, main_thread + L_STATUS) != 0) return false; /* still being opened */
  if (!running) return true;
  uintptr_t thread = SEEP_GC_POINTER(seep_load_u64(image, state->global + layout->g_cur_L));
  if (seep_load_u8(image, thread + SEEP_OBJECT_TYPE) != SEEP_GCT_THREAD) return false;
  if (seep_load_pointer(image, state->global + layout->g_jit_base) != 0) return false;
  uintptr_t base = seep_load_pointer(image, thread + L_BASE);
  uintptr_t function = SEEP_GC_POINTER(seep_load_u64(image, base - 16));
  uint64_t c_frame[5];
  return seep_load_u8(image, function + SEEP_OBJECT_TYPE) == SEEP_GCT_FUNC &&
         seep_load(image, raw_c_frame(seep_load_pointer(image, thread + L_CFRAME)), c_frame,
                   sizeof c_frame);
}

/* At the bottom of a stack stands a dummy frame (lj_state.c stack_init). */
static bool take_remains(const struct seep_vm_state *state, bool at_bottom, const struct seep_stack *last,
                         struct seep_remains *out) {
  (void)last;
  const struct seep_image *image = &seep_image_self_checked;
  uintptr_t base = seep_load_pointer(image, state->main_thread + L_BASE);
  uintptr_t stack = seep_load_pointer(image, state->main_thread + L_STACK);
  if (stack == 0 || base < stack + 16 || (at_bottom && base != stack + 16)) return false;
  if (!seep_load(image, state->main_thread, out->thread, sizeof out->thread)) return false;
  seep_vm_take_words(base - 16, out);
  out->global = state->global;
  out->is_late = at_bottom;
  return true;
}

static uint64_t c_key_of(uintptr_t object, uintptr_t function) {
  (void)function;
  return c_key(object);
}

static const struct seep_vm_ops ops = {
    .family = "LuaJIT 2.1",
    .walk = walk,
    .leaf = leaf,
    .threads = find_threads,
    .take_remains = take_remains,
    .frame_function = frame_function,
    .function_of = function_behind,
    .describe = describe,
    .anchors_hold = anchors_hold,
    .c_key = c_key_of,
    .type_of = type_of,
    .type_of_swept = type_of_swept,
    .call_name = call_name,
    .loaded = &seep_lj_loaded_reader,
};

bool seep_luajit_describe(uint32_t candidate, struct seep_vm *vm) {
  if (candidate >= SEEP_ARRAY_SIZE(layouts)) return false;
  vm->ops = &ops;
  vm->layout = &layouts[candidate];
  vm->layout_name = layouts[candidate].releases;
  vm->names_layout = &layouts[candidate]; /* what names are read from is the same everywhere */
  vm->thread_global = L_GLREF;
  vm->allocf = 0;
  vm->total = G_TOTAL;
  vm->estimate = G_ESTIMATE;
  vm->finalizers_lower_estimate = true;
  vm->string_table = G_STRTAB;
  vm->string_count = G_STRNUM;
  vm->counts_frees_first = true; /* lj_gc.h lj_mem_free */
  vm->white = G_WHITE;
  vm->word_mask = 0xffff;
  vm->closing_bits = 3; /* lj_gc.c lj_gc_freeall makes both whites current */
  vm->white_bits = 3; /* LJ_GC_WHITE0, LJ_GC_WHITE1 */
  vm->sweep_first = 3; /* GCSsweepstring, GCSsweep */
  vm->sweep_last = 4;
  return true;
}
