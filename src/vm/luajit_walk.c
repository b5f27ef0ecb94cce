/* Threads, frames, and the walk that compares. See luajit_walk.h.
 *
 * Model of the usual walk: the stack that the last walk found is kept with its outermost
 * frame at a fixed place (struct seep_stack). A thread's frames are taken from the innermost
 * out, as their links lead. They are *fresh* until one has the address of a kept frame:
 * there the walk *joins* the kept stack, and from there on each frame need only be
 * compared where it stands. It parts again where the addresses differ. What was fresh is
 * put in place at the end. What is not usual is walked from scratch.
 *
 * Of the main thread the outermost frames, from the first that C code has called, are
 * *sealed* (struct seep_seal): all words that lead from there to the stack's bottom are
 * kept, and as long as each of them is what it was, so are the frames.
 *
 * Invariant: every address that is read comes from words that were read just before, or
 * compared and found equal: what is kept is never believed. */
#include "vm/luajit_walk.h"

#include "vm/luajit_trace.h"

enum {
  J_TRACE = 384, J_SIZETRACE = 396,
  TRACE_STARTPT = 64, TRACE_STARTPC = 72, TRACE_STARTINS = 80,
  CFRAME_PREV = 32, CFRAME_PC = 24, CFRAME_NRES = 8,
  CONT_FFI_CALLBACK = 1,
};

/* -- Threads ------------------------------------------------------------- */

/* The coroutine that the function on top of `thread` has resumed, or 0. A
 * coroutine that runs has a C frame (lj_vm_resume gives it one). */
static uintptr_t resumed_by(const struct seep_vm *vm, uintptr_t thread) {
  uintptr_t base = seep_load_pointer(NULL, thread + SEEP_LJ_BASE);
  if (base <= seep_load_pointer(NULL, thread + SEEP_LJ_STACK) + 16) return 0;
  uintptr_t function = seep_lj_function_of(base - 8);
  if (function == 0 || seep_load_u8(NULL, function + SEEP_OBJECT_TYPE) != SEEP_GCT_FUNC) return 0;
  uint8_t ffid = seep_load_u8(NULL, function + SEEP_FUNCTION_FFID);
  if (ffid <= SEEP_LJ_FFID_C) return 0;
  uint64_t value;
  if (ffid == vm->resume_function) {
    value = seep_load_u64(NULL, base);
  } else if (ffid == vm->wrap_function) {
    value = seep_load_u64(NULL, function + SEEP_LJ_FUNCTION_UPVALUE);
  } else {
    return 0;
  }
  uintptr_t coroutine = SEEP_GC_POINTER(value);
  if (coroutine == 0 || seep_load_u8(NULL, coroutine + SEEP_OBJECT_TYPE) != SEEP_GCT_THREAD) return 0;
  return seep_load_pointer(NULL, coroutine + SEEP_LJ_CFRAME) == 0 ? 0 : coroutine;
}

SEEP_ALWAYS_INLINE uintptr_t running_thread(const struct seep_vm_state *state) {
  const struct seep_lj_layout *layout = state->vm->layout;
  uintptr_t running = SEEP_GC_POINTER(seep_load_u64(NULL, state->global + layout->g_cur_L));
  return running == 0 ? state->main_thread : running;
}

/* The running thread, and before it those whose resumes led to it. */
uint32_t seep_lj_threads(const struct seep_vm_state *state, uintptr_t threads[SEEP_THREADS_MAX]) {
  uintptr_t running = running_thread(state);
  uint32_t count = 0;
  uintptr_t next = state->main_thread;
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

struct walker {
  uintptr_t thread;
  uintptr_t frame;       /* base-1 of the current frame */
  uintptr_t next_frame;  /* of the frame above, 0 for the innermost */
  uintptr_t c_frame;     /* the C frame that belongs to where we are */
  uintptr_t stack, bottom, limit;
  bool in_trace;         /* see is_in_trace */
  struct seep_seal *seal;  /* notes what is read; NULL: nothing does */
};

static SEEP_NOINLINE void note_word(struct seep_seal *seal, uintptr_t at, uint64_t word, uint64_t mask) {
  for (uint32_t i = 0; i < seal->word_count && i < SEEP_SEAL_WORDS; i++) {
    if (seal->words[i].at == at) return;
  }
  if (seal->word_count < SEEP_SEAL_WORDS) seal->words[seal->word_count] = (struct seep_sealed_word){at, word & mask, mask};
  seal->word_count++;
}

/* Reads what the frames depend on that are still to come: so many bits of a word. */
SEEP_ALWAYS_INLINE uint64_t peek_bits(const struct walker *walker, uintptr_t at, uint64_t mask) {
  uint64_t word = seep_load_u64(NULL, at);
  if (SEEP_UNLIKELY(walker->seal != NULL)) note_word(walker->seal, at, word, mask);
  return word & mask;
}
SEEP_ALWAYS_INLINE uint64_t peek(const struct walker *walker, uintptr_t at) { return peek_bits(walker, at, UINT64_MAX); }

/* lj_debug.c debug_framepc: C frames with a negative nres were entered without
 * a Lua frame and are passed over. */
SEEP_ALWAYS_INLINE void settle_c_frame(struct walker *walker, uintptr_t frame) {
  while (walker->c_frame != 0) {
    int32_t nres = (int32_t)(uint32_t)peek_bits(walker, walker->c_frame + CFRAME_NRES, UINT32_MAX);
    if (nres >= 0 || frame >= walker->stack + (uintptr_t)(-(int64_t)nres)) return;
    walker->c_frame = seep_lj_raw_c_frame(peek(walker, walker->c_frame + CFRAME_PREV));
  }
}

SEEP_ALWAYS_INLINE bool leaves_c_frame(const struct walker *walker, uintptr_t frame, uint64_t link) {
  if ((link & 3) == SEEP_LJ_FRAME_C) return true;
  return (link & 7) == SEEP_LJ_FRAME_CONT && peek(walker, frame - 24) == CONT_FFI_CALLBACK;
}

SEEP_ALWAYS_INLINE uintptr_t previous_frame(uintptr_t frame, uint64_t link) {
  if ((link & 3) == SEEP_LJ_FRAME_LUA) {
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
    c_frame = seep_lj_raw_c_frame(peek(walker, c_frame + CFRAME_PREV));
    pc = c_frame == 0 ? 0 : peek(walker, c_frame + CFRAME_PC);
    if (seep_lj_is_code_of(proto, pc)) return pc;
  }
  if (walker->seal != NULL) walker->seal->word_count = SEEP_SEAL_WORDS + 1; /* not sealed: what follows is not noted */
  uintptr_t trace = pc - 4 - TRACE_STARTINS;
  if (pc < SEEP_PAGE_BYTES || seep_load_u8(image, trace + SEEP_OBJECT_TYPE) != SEEP_GCT_TRACE) return 0;
  uintptr_t start_pc = seep_load_pointer(image, trace + TRACE_STARTPC);
  return seep_lj_is_code_of(proto, start_pc) ? start_pc + 4 : 0;
}

SEEP_ALWAYS_INLINE uintptr_t c_frame_pc(const struct walker *walker, uintptr_t proto) {
  if (walker->c_frame == 0) return 0;
  uintptr_t pc = peek(walker, walker->c_frame + CFRAME_PC);
  return SEEP_LIKELY(seep_lj_is_code_of(proto, pc)) ? pc : unusual_pc(walker, proto, pc);
}

/* The pc of the Lua function at walker->frame; 0 when nobody has it. */
SEEP_ALWAYS_INLINE uintptr_t lua_pc(struct walker *walker, uintptr_t proto) {
  if (walker->next_frame != 0) {
    uint64_t link = peek(walker, walker->next_frame);
    if ((link & 3) == SEEP_LJ_FRAME_LUA) return (uintptr_t)link;
    if ((link & 7) == SEEP_LJ_FRAME_CONT) return peek(walker, walker->next_frame - 16);
    settle_c_frame(walker, walker->next_frame);
  } else if (walker->in_trace) {
    return 0;
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
  uint64_t link = peek(walker, walker->frame);
  settle_c_frame(walker, walker->frame);
  if (leaves_c_frame(walker, walker->frame, link) && walker->c_frame != 0) {
    walker->c_frame = seep_lj_raw_c_frame(peek(walker, walker->c_frame + CFRAME_PREV));
  }
  walker->next_frame = walker->frame;
  walker->frame = previous_frame(walker->frame, link);
  if ((link & 7) == SEEP_LJ_FRAME_VARG && at_frame(walker)) { /* the pseudo-frame below belongs to the same call */
    walker->next_frame = walker->frame;
    walker->frame = previous_frame(walker->frame, peek(walker, walker->frame));
  }
}

/* Whether a trace is being left: what it had put off is made now (lj_snap.c lj_snap_restore). */
SEEP_ALWAYS_INLINE bool leaves_trace(const struct seep_vm_state *state) {
  enum { VMST_EXIT = 3 };
  const struct seep_lj_layout *layout = state->vm->layout;
  return seep_load_u32(NULL, state->global + layout->g_vmstate) == ~(uint32_t)VMST_EXIT;
}

/* Where a base of traces is set: whether a trace runs, or the collector, called by one (lj_gc.c lj_gc_step_jit), so that
 * the innermost frame has no pc. Else it has been left, and the compiler may be at work. */
SEEP_ALWAYS_INLINE bool is_in_trace(const struct seep_vm_state *state) {
  enum { VMST_GC = 2 };
  const struct seep_lj_layout *layout = state->vm->layout;
  uint32_t vm_state = seep_load_u32(NULL, state->global + layout->g_vmstate);
  return (int32_t)vm_state > 0 || vm_state == ~(uint32_t)VMST_GC;
}

SEEP_ALWAYS_INLINE void start(struct walker *walker, const struct seep_vm_state *state, uintptr_t thread, bool running) {
  const struct seep_lj_layout *layout = state->vm->layout;
  uintptr_t jit_base = running ? seep_load_pointer(NULL, state->global + layout->g_jit_base) : 0;
  uintptr_t base = jit_base != 0 ? jit_base : seep_load_pointer(NULL, thread + SEEP_LJ_BASE);
  uintptr_t stack = seep_load_pointer(NULL, thread + SEEP_LJ_STACK);
  *walker = (struct walker){
      .thread = thread,
      .frame = base - 8,
      .c_frame = seep_lj_raw_c_frame(seep_load_pointer(NULL, thread + SEEP_LJ_CFRAME)),
      .stack = stack,
      .bottom = stack + 8,
      .limit = stack + (uintptr_t)seep_load_u32(NULL, thread + SEEP_LJ_STACKSIZE) * 8,
      .in_trace = jit_base != 0 && is_in_trace(state),
  };
}

/* What the frame at hand runs: a function, its thread (a dummy frame, lj_err_optype_call), or 0. */
SEEP_ALWAYS_INLINE uintptr_t function_at(const struct walker *walker) {
  return seep_lj_function_in(peek(walker, walker->frame - 8));
}

/* What stands in the key for a frame. */
SEEP_ALWAYS_INLINE uint64_t frame_key(struct walker *walker, uintptr_t function) {
  if (function == 0) return SEEP_KEY_C | SEEP_KEY_BUILTIN;
  uint8_t ffid = (uint8_t)peek_bits(walker, function + SEEP_FUNCTION_FFID, UINT8_MAX);
  if (ffid > SEEP_LJ_FFID_C) return SEEP_KEY_C | SEEP_KEY_BUILTIN | ffid;
  if (ffid == SEEP_LJ_FFID_C) return SEEP_KEY_C | peek(walker, function + SEEP_LJ_FUNCTION_F);
  uintptr_t proto = peek(walker, function + SEEP_FUNCTION_PC) - SEEP_PROTO_BYTES;
  uintptr_t pc = lua_pc(walker, proto);
  return pc != 0 ? pc : (proto + SEEP_PROTO_BYTES) | SEEP_KEY_INEXACT;
}

/* -- Traces -------------------------------------------------------------- */

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

/* The offset of jit_State, looked for when the first trace allocates; 0 when it is
 * nowhere near. */
SEEP_ALWAYS_INLINE uint16_t jit_state_offset(uintptr_t global, uint32_t number) {
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
  uintptr_t function = seep_lj_function_of(frame);
  bool is_lua = function != 0 && seep_load_u8(NULL, function + SEEP_OBJECT_TYPE) == SEEP_GCT_FUNC &&
                seep_load_u8(NULL, function + SEEP_FUNCTION_FFID) == SEEP_LJ_FFID_LUA;
  return is_lua ? function : 0;
}

/* Where a trace starts, marked: when nothing better is known. */
static const struct seep_trace_place *start_of(uintptr_t trace, struct seep_trace_place *start) {
  start->count = 1;
  start->keys[0] = (seep_load_pointer(NULL, trace + TRACE_STARTPC) + 4) | SEEP_KEY_INEXACT;
  start->protos[0] = seep_load_pointer(NULL, trace + TRACE_STARTPT);
  return start->protos[0] == 0 ? NULL : start;
}

/* The innermost frames while a trace runs: where it is, or, if that cannot be told,
 * where it starts (in `start`). NULL when not even that is known: the collector runs,
 * called by a trace (lj_gc.c lj_gc_step_jit), or the trace is not to be found. */
static const struct seep_trace_place *trace_frames(const struct seep_vm_state *state, uintptr_t frame, uintptr_t c_frame,
                                                   struct seep_trace_place *start) {
  const struct seep_lj_layout *layout = state->vm->layout;
  uint32_t number = seep_load_u32(NULL, state->global + layout->g_vmstate);
  if ((int32_t)number <= 0) return NULL;
  uint16_t offset = jit_state_offset(state->global, number);
  uintptr_t jit = state->global + offset;
  uint32_t trace_count = seep_load_u32(NULL, jit + J_SIZETRACE);
  if (offset == 0 || number >= trace_count) return NULL;
  uintptr_t traces = seep_load_pointer(NULL, jit + J_TRACE);
  uintptr_t trace = seep_load_pointer(NULL, traces + number * (uintptr_t)8);
  if (trace == 0) return NULL;
  if (c_frame == 0) return start_of(trace, start);
  const struct seep_trace_place *place = seep_luajit_trace_known(state, trace, c_frame);
  if (SEEP_UNLIKELY(place == NULL)) {
    struct seep_trace_run run = {.traces = traces, .trace_count = trace_count, .number = number,
                                 .c_frame = c_frame, .closure = lua_function_of(frame), .base = frame + 8};
    place = seep_luajit_trace_place(state, &run);
  }
  return SEEP_LIKELY(place != NULL && place->count != 0) ? place : start_of(trace, start);
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

/* -- What is sealed --------------------------------------------------------- */

/* Whether `frame` of the main thread is the sealed one, and nothing out from there has changed.
 * Each word is read only when those that lead to it are what they were. */
SEEP_ALWAYS_INLINE bool seal_holds(const struct seep_seal *seal, uintptr_t frame, uintptr_t c_frame, uintptr_t slots) {
  if (seal->word_count == 0 || frame != seal->frame || c_frame != seal->c_frame || slots != seal->slots) return false;
  for (const struct seep_sealed_word *word = seal->words, *end = word + seal->word_count; word < end; word++) {
    if ((seep_load_u64(NULL, word->at) & word->mask) != word->word) return false;
  }
  return true;
}

/* Whether the walker's frame is one that C code has called. */
SEEP_ALWAYS_INLINE bool is_called_by_c(const struct walker *walker) {
  uint64_t link = seep_load_u64(NULL, walker->frame);
  if ((link & 7) == SEEP_LJ_FRAME_VARG) link = seep_load_u64(NULL, walker->frame - (uintptr_t)(link & ~7ULL));
  return (link & 3) == SEEP_LJ_FRAME_C;
}

/* Begins a seal behind `frame_count` frames: what is read from here on is noted. */
static void begin_seal(struct walker *walker, struct seep_seal *seal, uint32_t frame_count) {
  seal->frame = walker->frame;
  seal->c_frame = walker->c_frame;
  seal->slots = walker->stack;
  seal->frame_count = frame_count;
  seal->word_count = seal->missed_count = 0;
  walker->seal = seal;
}

/* At a frame of the main thread that C code has called, behind `frame_count` frames. Those out from it are sealed on
 * the way; if they are too many, those further out. What is sealed already and holds stays so, unless it was met behind
 * other calls by C again and again. */
static void pass_c_call(struct walker *walker, struct seep_seal *seal, uint32_t frame_count, bool *is_met) {
  enum { MISSED_MAX = 8 };
  if (walker->seal != NULL) {
    if (seal->word_count > SEEP_SEAL_WORDS) begin_seal(walker, seal, frame_count);
    return;
  }
  if (*is_met) return;
  bool is_other = seal->word_count != 0 && walker->frame != seal->frame;
  if (is_other && seal->missed_count < MISSED_MAX) {
    seal->missed_count++;
  } else if (is_other || !seal_holds(seal, walker->frame, walker->c_frame, walker->stack)) {
    begin_seal(walker, seal, frame_count);
  } else {
    *is_met = true;
  }
}

/* At the main thread's bottom, `frame_count` frames in all. (A seal that was not met on the way is void: what it
 * stands for may be.) */
static void end_seal(const struct walker *walker, struct seep_seal *seal, uint32_t frame_count, bool is_met) {
  if (is_met) return;
  bool is_whole = walker->seal != NULL && seal->word_count <= SEEP_SEAL_WORDS && frame_count <= SEEP_STACK_MAX;
  if (!is_whole) seal->word_count = 0;
  seal->frame_count = frame_count - seal->frame_count;
}

/* -- The usual walk -------------------------------------------------------- */

/* The key of a thread's innermost frame; 0 when it is not as simple as that. `c_frame` is the thread's. In a trace,
 * while the collector runs, a Lua function has no pc. */
SEEP_ALWAYS_INLINE uint64_t usual_key(uintptr_t frame, uintptr_t c_frame, bool in_trace) {
  uint64_t slot = seep_load_u64(NULL, frame - 8);
  if (SEEP_UNLIKELY(slot >> 47 != SEEP_TAG_FUNCTION)) return 0;
  uintptr_t function = SEEP_GC_POINTER(slot);
  if (seep_load_u8(NULL, function + SEEP_FUNCTION_FFID) != SEEP_LJ_FFID_LUA) return seep_lj_c_key(function);
  uintptr_t code = seep_load_pointer(NULL, function + SEEP_FUNCTION_PC);
  if (in_trace) return code | SEEP_KEY_INEXACT;
  if (SEEP_UNLIKELY(c_frame == 0)) return 0;
  uintptr_t pc = seep_load_pointer(NULL, c_frame + CFRAME_PC);
  return SEEP_LIKELY(seep_lj_is_code_of(code - SEEP_PROTO_BYTES, pc)) ? pc : 0;
}

enum { QUICK_FRESH_MAX = 64 };

/* A thread's frames, on their way into the kept stack. */
struct quick {
  struct seep_stack *stack;
  uintptr_t frame;       /* the last that was taken */
  uintptr_t slots;       /* the thread's */
  size_t end;            /* the thread's outermost frame stands just before */
  size_t at;             /* where the frame stands, if it has joined; else the first where it may */
  size_t joined_at;      /* where it has joined */
  bool joined;
  uint32_t fresh;        /* frames that were taken before, in fresh_keys and fresh_handles */
  size_t changed;        /* the frame behind the outermost that was another before, else 0 */
};

SEEP_ALWAYS_INLINE void put_where(struct quick *quick, size_t at, uint64_t key) {
  if (quick->stack->kept_keys[at] == key) return;
  quick->stack->kept_keys[at] = key;
  if (at >= quick->changed) quick->changed = at + 1;
}

/* Takes a frame, where it stands or fresh. */
SEEP_ALWAYS_INLINE void take_one(struct quick *quick, uint64_t key) {
  struct seep_stack *stack = quick->stack;
  uintptr_t handle = quick->frame | SEEP_LJ_HANDLE_IS_FRAME;
  while (stack->kept_handles[quick->at] > handle) quick->at++;
  if (stack->kept_handles[quick->at] != handle) {
    stack->fresh_keys[quick->fresh] = key;
    stack->fresh_handles[quick->fresh++] = handle;
    return;
  }
  quick->joined = true;
  quick->joined_at = quick->at;
  put_where(quick, quick->at, key);
}

/* Leaves the kept stack: what has been compared there is fresh. False: too many. */
static bool part_quickly(struct quick *quick) {
  struct seep_stack *stack = quick->stack;
  size_t count = quick->at + 1 - quick->joined_at;
  if (count + quick->fresh > QUICK_FRESH_MAX) return false;
  memcpy(&stack->fresh_keys[quick->fresh], &stack->kept_keys[quick->joined_at], count * sizeof stack->kept_keys[0]);
  memcpy(&stack->fresh_handles[quick->fresh], &stack->kept_handles[quick->joined_at], count * sizeof stack->kept_handles[0]);
  quick->fresh += (uint32_t)count;
  quick->joined = false;
  quick->at++;
  return true;
}

/* Takes the Lua functions that have called one another, out to the first that has its place in the kept stack, or
 * to one that was called otherwise. False: too many. */
SEEP_ALWAYS_INLINE bool take_fresh(struct quick *quick) {
  while (!quick->joined) {
    uint64_t link = seep_load_u64(NULL, quick->frame);
    if ((link & 3) != SEEP_LJ_FRAME_LUA) return true;
    if (SEEP_UNLIKELY(quick->fresh >= QUICK_FRESH_MAX)) return false;
    quick->frame = previous_frame(quick->frame, link);
    take_one(quick, link);
  }
  return true;
}

/* The same where they stand, as long as they do. */
SEEP_ALWAYS_INLINE void compare_quickly(struct quick *quick) {
  uint64_t *keys = quick->stack->kept_keys;
  const uintptr_t *handles = quick->stack->kept_handles;
  for (;;) {
    uint64_t link = seep_load_u64(NULL, quick->frame);
    if ((link & 3) != SEEP_LJ_FRAME_LUA) return;
    uintptr_t caller = previous_frame(quick->frame, link);
    if (SEEP_UNLIKELY(handles[quick->at + 1] != (caller | SEEP_LJ_HANDLE_IS_FRAME))) return;
    quick->frame = caller;
    quick->at++;
    if (SEEP_UNLIKELY(keys[quick->at] != link)) {
      keys[quick->at] = link;
      quick->changed = quick->at + 1;
    }
  }
}

/* Goes out from a vararg function, a metamethod, or a function that pcall has called: the key of the caller, which
 * becomes *frame. 0: it is none of them. */
static uint64_t step_over(uintptr_t *frame, uint64_t link, uintptr_t c_frame) {
  enum { FRAME_PCALL = 6 };
  uintptr_t at = *frame;
  if ((link & 7) == SEEP_LJ_FRAME_VARG) { /* the pseudo-frame below belongs to the same call */
    at -= (uintptr_t)(link & ~7ULL);
    link = seep_load_u64(NULL, at);
    if (SEEP_LIKELY((link & 3) == SEEP_LJ_FRAME_LUA)) {
      *frame = previous_frame(at, link);
      return link;
    }
  }
  if ((link & 3) != SEEP_LJ_FRAME_CONT || c_frame == 0 || (int32_t)seep_load_u32(NULL, c_frame + CFRAME_NRES) < 0) return 0;
  uintptr_t caller = at - (uintptr_t)(link & ~7ULL);
  uint64_t slot = seep_load_u64(NULL, caller - 8);
  if (slot >> 47 != SEEP_TAG_FUNCTION) return 0;
  bool is_lua = seep_load_u8(NULL, SEEP_GC_POINTER(slot) + SEEP_FUNCTION_FFID) == SEEP_LJ_FFID_LUA;
  if (((link & 7) == FRAME_PCALL) == is_lua) return 0;
  if (is_lua && seep_load_u64(NULL, at - 24) == CONT_FFI_CALLBACK) return 0;
  uint64_t key = is_lua ? seep_load_u64(NULL, at - 16) : seep_lj_c_key(SEEP_GC_POINTER(slot));
  *frame = caller;
  return key;
}

/* Takes the callers of the frame at hand, out to one that C code has called, or that nobody has. False: not usual. */
SEEP_ALWAYS_INLINE bool take_callers_quickly(struct quick *quick, uintptr_t c_frame) {
  for (;;) {
    if (!take_fresh(quick)) return false;
    if (quick->joined) compare_quickly(quick);
    uint64_t link = seep_load_u64(NULL, quick->frame);
    if ((link & 3) == SEEP_LJ_FRAME_LUA) { /* it was called from another frame than the one that stands there */
      if (!part_quickly(quick)) return false;
      continue;
    }
    if (SEEP_LIKELY((link & 3) == SEEP_LJ_FRAME_C || quick->frame == quick->stack->seal.frame)) return true;
    uint64_t key = step_over(&quick->frame, link, c_frame);
    if (key == 0) return true;
    if (quick->joined && quick->stack->kept_handles[quick->at + 1] == (quick->frame | SEEP_LJ_HANDLE_IS_FRAME)) {
      put_where(quick, ++quick->at, key);
      continue;
    }
    if (SEEP_UNLIKELY(quick->joined && !part_quickly(quick))) return false;
    if (quick->fresh >= QUICK_FRESH_MAX) return false;
    take_one(quick, key);
  }
}

/* Takes what stands out from the frame at hand: the main thread's sealed frames, or a coroutine's bottom.
 * False: it is neither. */
SEEP_ALWAYS_INLINE bool take_bottom(struct quick *quick, bool is_main, uintptr_t c_frame) {
  struct seep_seal *seal = &quick->stack->seal;
  if (!is_main) {
    uint64_t link = seep_load_u64(NULL, quick->frame);
    if ((link & 3) != SEEP_LJ_FRAME_C || quick->frame - (uintptr_t)(link & ~7ULL) > quick->slots + 8) return false;
    return !quick->joined || quick->at + 1 == quick->end;
  }
  if (!seal_holds(seal, quick->frame, c_frame, quick->slots)) return false;
  seal->missed_count = 0;
  if (quick->joined) return quick->at + 1 + seal->frame_count == SEEP_STACK_MAX;
  quick->joined = true;
  quick->joined_at = SEEP_STACK_MAX - seal->frame_count;
  return true;
}

/* Puts the fresh frames in front of those that were met. False: no room. */
SEEP_ALWAYS_INLINE bool put_quickly(struct quick *quick) {
  struct seep_stack *stack = quick->stack;
  size_t top = quick->joined ? quick->joined_at : quick->end;
  if (SEEP_UNLIKELY(top < quick->fresh)) return false;
  size_t first = top - quick->fresh;
  for (uint32_t i = quick->fresh; i-- > 0;) {
    put_where(quick, first + i, stack->fresh_keys[i]);
    stack->kept_handles[first + i] = stack->fresh_handles[i];
  }
  quick->end = first;
  return true;
}

/* The innermost frames of the running thread. Key of its own frame, or 0 when a trace runs there, whose frames
 * are fresh then. False: not usual. */
SEEP_ALWAYS_INLINE bool take_innermost(const struct seep_vm_state *state, struct quick *quick, uintptr_t c_frame,
                                       bool in_trace, uint64_t *key) {
  struct seep_trace_place start;
  struct seep_stack *stack = quick->stack;
  stack->leaf_frame = quick->frame;
  stack->traced_count = 0;
  *key = 0;
  if (SEEP_UNLIKELY(quick->frame <= quick->slots + 8 || leaves_trace(state))) return false;
  const struct seep_trace_place *place = in_trace ? trace_frames(state, quick->frame, c_frame, &start) : NULL;
  if (place == NULL) {
    *key = usual_key(quick->frame, c_frame, in_trace);
    return *key != 0;
  }
  for (uint32_t i = 0; i < place->count; i++) {
    stack->fresh_keys[i] = place->keys[i];
    stack->fresh_handles[i] = place->protos[i];
  }
  stack->traced_count = quick->fresh = place->count;
  return true;
}

/* Brings a thread's frames up to date: those before quick->end. False: not usual. */
SEEP_ALWAYS_INLINE bool take_quickly(const struct seep_vm_state *state, uintptr_t thread, bool is_main, bool running,
                                     uint32_t hint, struct quick *quick) {
  const struct seep_lj_layout *layout = state->vm->layout;
  uintptr_t jit_base = running ? seep_load_pointer(NULL, state->global + layout->g_jit_base) : 0;
  uintptr_t base = jit_base != 0 ? jit_base : seep_load_pointer(NULL, thread + SEEP_LJ_BASE);
  uintptr_t c_frame = seep_lj_raw_c_frame(seep_load_pointer(NULL, thread + SEEP_LJ_CFRAME));
  uint64_t key;
  quick->slots = seep_load_pointer(NULL, thread + SEEP_LJ_STACK);
  quick->frame = base - 8;
  quick->fresh = 0;
  quick->joined = false;
  quick->at = hint;
  if (running) {
    if (!take_innermost(state, quick, c_frame, jit_base != 0 && is_in_trace(state), &key)) return false;
  } else {
    key = usual_key(quick->frame, c_frame, false);
    if (key == 0 || quick->frame <= quick->slots + 8) return false;
    key |= SEEP_KEY_RESUMER;
  }
  if (key != 0) take_one(quick, key);
  return take_callers_quickly(quick, c_frame) && take_bottom(quick, is_main, c_frame) && put_quickly(quick);
}

/* What has changed on the way is told even if something on it was not usual. */
SEEP_ALWAYS_INLINE bool walk_quickly(const struct seep_vm_state *state, const uintptr_t *threads, uint32_t count,
                                     struct seep_stack *stack) {
  struct quick quick = {.stack = stack, .end = SEEP_STACK_MAX, .changed = 0};
  uint32_t hint = SEEP_STACK_MAX - stack->count + stack->traced_count;
  bool done = true;
  stack->kept_handles[SEEP_STACK_MAX] = 0;
  for (uint32_t i = 0; done && i + 1 < count; i++) {
    size_t changed = quick.changed;
    quick.changed = 0;
    done = take_quickly(state, threads[i], i == 0, false, stack->resumer_at[i], &quick);
    stack->resumer_at[i] = (uint16_t)quick.end;
    if (changed > quick.changed) quick.changed = changed;
  }
  size_t changed = quick.changed;
  quick.changed = 0;
  done = done && take_quickly(state, threads[count - 1], count == 1, true, hint, &quick);
  if (changed > quick.changed) quick.changed = changed;
  uint32_t same = SEEP_STACK_MAX - (uint32_t)quick.changed;
  if (SEEP_LIKELY(done)) {
    seep_stack_set(stack, SEEP_STACK_MAX - (uint32_t)quick.end, same);
  } else if (same < stack->same) {
    stack->same = same;
  }
  return done;
}

/* -- A walk from scratch --------------------------------------------------- */

/* The frames of Lua functions that have called one another: their return addresses are all there is to it; C frames
 * are not passed between them. */
SEEP_ALWAYS_INLINE uint32_t push_lua_callers(struct walker *walker, struct seep_stack *stack, uint32_t total) {
  for (;;) {
    uint64_t link = peek(walker, walker->frame);
    if ((link & 3) != SEEP_LJ_FRAME_LUA) return total;
    uintptr_t caller = previous_frame(walker->frame, link);
    if (caller <= walker->bottom) return total;
    walker->next_frame = walker->frame;
    walker->frame = caller;
    seep_stack_push(stack, &total, link, caller | SEEP_LJ_HANDLE_IS_FRAME);
  }
}

/* The innermost frames of the running thread in a trace, or while one is being left; the walker stands at the frame in
 * which it runs. NULL: they are in the stack, their key to be marked with `*marks`. */
static const struct seep_trace_place *find_traced(const struct seep_vm_state *state, const struct walker *walker,
                                                  struct seep_trace_place *start, uint64_t *marks) {
  bool is_left;
  if (SEEP_UNLIKELY(leaves_trace(state))) {
    const struct seep_trace_place *place = exit_frames(state, walker, &is_left);
    *marks = is_left || place != NULL ? 0 : SEEP_KEY_INEXACT;
    return place;
  }
  *marks = 0;
  return walker->in_trace && at_frame(walker) ? trace_frames(state, walker->frame, walker->c_frame, start) : NULL;
}

/* Puts them into the stack. */
static bool push_traced(const struct seep_vm_state *state, const struct walker *walker, struct seep_stack *stack,
                        uint32_t *total, uint64_t *marks) {
  struct seep_trace_place start;
  const struct seep_trace_place *place = find_traced(state, walker, &start, marks);
  stack->leaf_frame = walker->frame;
  stack->traced_count = place == NULL ? 0 : place->count;
  for (uint32_t i = 0; i < stack->traced_count; i++) seep_stack_push(stack, total, place->keys[i], place->protos[i]);
  return place != NULL;
}

static uint32_t push_thread(const struct seep_vm_state *state, uintptr_t thread, bool is_main, bool running,
                            struct seep_stack *stack, uint32_t total) {
  struct walker walker;
  bool is_met = false;
  uint64_t marks = SEEP_KEY_RESUMER;
  start(&walker, state, thread, running);
  bool is_frame_taken = running && push_traced(state, &walker, stack, &total, &marks);
  while (at_frame(&walker)) {
    uintptr_t function = is_frame_taken ? thread : function_at(&walker);
    if (function != thread) { /* else a dummy frame, lj_err_optype_call */
      uint64_t key = frame_key(&walker, function) | marks;
      seep_stack_push(stack, &total, key, walker.frame | SEEP_LJ_HANDLE_IS_FRAME);
      marks = 0;
    }
    is_frame_taken = false;
    total = push_lua_callers(&walker, stack, total);
    if (is_main && is_called_by_c(&walker)) pass_c_call(&walker, &stack->seal, total, &is_met);
    step(&walker);
  }
  if (is_main) end_seal(&walker, &stack->seal, total, is_met);
  return total;
}

/* For all that is not usual, and to seal what will be. */
static SEEP_NOINLINE void walk_afresh(const struct seep_vm_state *state, const uintptr_t *threads, uint32_t count,
                                      struct seep_stack *stack) {
  uint32_t total = 0;
  stack->same = 0;
  for (uint32_t i = count; i-- > 0;) {
    if (i + 1 < count) stack->resumer_at[i] = (uint16_t)(total < SEEP_STACK_MAX ? total : SEEP_STACK_MAX);
    total = push_thread(state, threads[i], i == 0, i + 1 == count, stack, total);
  }
  seep_stack_finish(stack, total);
  for (uint32_t i = 0; i + 1 < count; i++) {
    uint32_t at = stack->resumer_at[i] + SEEP_STACK_MAX - stack->count;
    stack->resumer_at[i] = (uint16_t)(at < SEEP_STACK_MAX ? at : SEEP_STACK_MAX);
  }
}

/* -- For vm_ops ------------------------------------------------------------ */

void seep_lj_walk(const struct seep_vm_state *state, struct seep_stack *out) {
  uintptr_t threads[SEEP_THREADS_MAX];
  uint32_t count = 1;
  threads[0] = running_thread(state);
  if (SEEP_UNLIKELY(threads[0] != state->main_thread)) count = seep_lj_threads(state, threads);
  if (SEEP_LIKELY(walk_quickly(state, threads, count, out))) return;
  walk_afresh(state, threads, count, out);
}

/* Out to the innermost Lua function, as the recorder folds a walked stack. */
static SEEP_NOINLINE void leaf_step_by_step(const struct seep_vm_state *state, struct seep_leaf *out) {
  struct walker walker;
  struct seep_trace_place start_of_trace;
  start(&walker, state, running_thread(state), true);
  *out = (struct seep_leaf){.frame = walker.frame};
  const struct seep_trace_place *place = 
      walker.in_trace && at_frame(&walker) ? trace_frames(state, walker.frame, walker.c_frame, &start_of_trace) : NULL;
  for (uint32_t i = 0; place != NULL && i < place->count; i++) {
    out->place = seep_leaf_fold(out->place, place->keys[i]);
    if ((place->keys[i] & SEEP_KEY_C) == 0) return;
  }
  for (; at_frame(&walker); step(&walker)) {
    uintptr_t function = function_at(&walker);
    if (function == walker.thread) continue;
    uint64_t key = frame_key(&walker, function);
    out->place = seep_leaf_fold(out->place, key);
    if ((key & SEEP_KEY_C) == 0) return;
  }
}

void seep_lj_leaf(const struct seep_vm_state *state, struct seep_leaf *out) {
  const struct seep_lj_layout *layout = state->vm->layout;
  uintptr_t thread = running_thread(state);
  uintptr_t jit_base = seep_load_pointer(NULL, state->global + layout->g_jit_base);
  bool in_trace = jit_base != 0 && is_in_trace(state);
  uintptr_t frame = (jit_base != 0 ? jit_base : seep_load_pointer(NULL, thread + SEEP_LJ_BASE)) - 8;
  bool runs_trace = in_trace && (int32_t)seep_load_u32(NULL, state->global + layout->g_vmstate) > 0;
  if (SEEP_LIKELY(!runs_trace && frame > seep_load_pointer(NULL, thread + SEEP_LJ_STACK) + 8)) {
    uintptr_t c_frame = seep_lj_raw_c_frame(seep_load_pointer(NULL, thread + SEEP_LJ_CFRAME));
    uint64_t key = usual_key(frame, c_frame, in_trace), link = seep_load_u64(NULL, frame);
    *out = (struct seep_leaf){.frame = frame, .place = key};
    if ((key & SEEP_KEY_C) != 0) out->place = seep_leaf_fold(key, link);
    if (SEEP_LIKELY(key != 0 && ((key & SEEP_KEY_C) == 0 || (link & 3) == SEEP_LJ_FRAME_LUA))) return;
  }
  leaf_step_by_step(state, out);
}
