/* Stacks of LuaJIT 2.1: which threads run, what their frames are, and where a free is.
 *
 * A frame is a slot of the Lua stack: base-1 holds the return pc or a delta with the
 * frame's type in its low bits, base-2 the function. The pc of a Lua function is found
 * in the frame above it, or, for the innermost, in the C frame of the interpreter.
 * Inside a trace the frames above the trace's entry do not exist yet: what a trace
 * allocates is charged to where it most likely is (luajit_trace.h), or else to the
 * trace's start, and marked. What the collector frees from within a trace has no place:
 * it is charged to the function whose frame that is, and marked.
 *
 * Source: lj_obj.h, lj_frame.h, lj_debug.c, lj_state.c, lj_jit.h, lj_gc.c of the v2.1
 * branch, 2021 to 2026, GC64, and vm_x64.dasc. Runs inside the allocator. */
#ifndef SEEP_LUAJIT_WALK_H
#define SEEP_LUAJIT_WALK_H

#include "vm/luajit_bytecode.h"

/* What differs by release: in the global state. */
struct seep_lj_layout {
  const char *releases;
  uint16_t g_vmstate, g_main, g_cur_L, g_jit_base, g_uvhead;
};

/* The same in every release described: lua_State, GCfuncC. */
enum {
  SEEP_LJ_STATUS = 11, SEEP_LJ_GLREF = 16, SEEP_LJ_BASE = 32, SEEP_LJ_STACK = 56, SEEP_LJ_CFRAME = 80,
  SEEP_LJ_STACKSIZE = 88, SEEP_LJ_FUNCTION_F = 40, SEEP_LJ_FUNCTION_UPVALUE = 48,
};

/* The types of frames, and the functions that are no builtins. */
enum { SEEP_LJ_FRAME_LUA, SEEP_LJ_FRAME_C, SEEP_LJ_FRAME_CONT, SEEP_LJ_FRAME_VARG };
enum { SEEP_LJ_FFID_LUA = 0, SEEP_LJ_FFID_C = 1 };

/* In a walk's handle: it is a frame's address, else a prototype (of what a trace has inlined). */
enum { SEEP_LJ_HANDLE_IS_FRAME = 1 };

/* The upper 17 bits of a TValue that is a thread: ~LJ_TTHREAD, sign-extended. */
enum { SEEP_TAG_THREAD = 0x1fff9 };

/* What stands in a frame's function slot: a function, or the thread in a dummy
 * frame. 0 when a fast function has put its first result there already
 * (lib_base.c ffh_resume makes its message string only then). */
SEEP_ALWAYS_INLINE uintptr_t seep_lj_function_in(uint64_t slot) {
  uint64_t tag = slot >> 47;
  return tag == SEEP_TAG_FUNCTION || tag == SEEP_TAG_THREAD ? SEEP_GC_POINTER(slot) : 0;
}
SEEP_ALWAYS_INLINE uintptr_t seep_lj_function_of(uintptr_t frame) {
  return seep_lj_function_in(seep_load_u64(NULL, frame - 8));
}

/* Whether `pc` is an instruction of `proto`, or the one behind its last. */
SEEP_ALWAYS_INLINE bool seep_lj_is_code_of(uintptr_t proto, uintptr_t pc) {
  uintptr_t code = proto + SEEP_PROTO_BYTES;
  return pc >= code && pc <= code + (uintptr_t)seep_load_u32(NULL, proto + SEEP_PROTO_SIZEBC) * 4;
}

/* A C frame of the interpreter, as lua_State and others have it: two bits are no address. */
SEEP_ALWAYS_INLINE uintptr_t seep_lj_raw_c_frame(uintptr_t c_frame) { return c_frame & ~(uintptr_t)3; }

/* The key of a C function. */
SEEP_ALWAYS_INLINE uint64_t seep_lj_c_key(uintptr_t function) {
  uint8_t ffid = seep_load_u8(NULL, function + SEEP_FUNCTION_FFID);
  if (ffid > SEEP_LJ_FFID_C) return SEEP_KEY_C | SEEP_KEY_BUILTIN | ffid;
  return SEEP_KEY_C | seep_load_pointer(NULL, function + SEEP_LJ_FUNCTION_F);
}

/* vm_ops.threads, walk and leaf (vm.h). */
uint32_t seep_lj_threads(const struct seep_vm_state *state, uintptr_t threads[SEEP_THREADS_MAX]);
void seep_lj_walk(const struct seep_vm_state *state, struct seep_stack *out);
void seep_lj_leaf(const struct seep_vm_state *state, struct seep_leaf *out);

#endif
