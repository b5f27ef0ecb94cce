/* Where a compiled trace of LuaJIT is when it calls into C, as the source has it.
 *
 * A trace has no pc and builds no frames for the functions that it has inlined.
 * But its machine code calls C functions from a known place of the C stack, so
 * the return address is there. Snapshots say which bytecode, in which inlined
 * calls, a part of the machine code was made from. Within the part, the calls to
 * the same C function are counted, and the IR instruction with that number is
 * looked up. Where its place can be proven (luajit_path.h), it is; else the likeliest
 * is taken (luajit_code.h) and marked SEEP_KEY_INEXACT: the next bytecode behind the
 * snapshot that makes such a thing; of a loop's second body, which has few snapshots,
 * the one in the first. What a side trace makes at its start its parent had put off:
 * it is looked for there.
 *
 * It is done once for each return address.
 *
 * Source: lj_jit.h, lj_snap.c, lj_trace.c (lj_trace_unwind), lj_asm.c, lj_opt_loop.c,
 * vm_x64.dasc of 2.1, late 2021 to 2026, GC64. Runs inside the allocator. */
#ifndef SEEP_LUAJIT_TRACE_H
#define SEEP_LUAJIT_TRACE_H

#include "vm/luajit_code.h"

/* The innermost frames: of the inlined functions, leaf first, and last that of the
 * function in whose frame the trace runs. */
struct seep_trace_place {
  uint32_t count;            /* 0: cannot be told */
  uint64_t keys[SEEP_TRACE_FRAMES_MAX];
  uintptr_t protos[SEEP_TRACE_FRAMES_MAX];
};

/* What runs. */
struct seep_trace_run {
  uintptr_t traces;          /* J->trace and its size: the GCtraces by their number */
  uint32_t trace_count;
  uint32_t number;           /* of the trace */
  uintptr_t c_frame;         /* of its thread */
  uintptr_t closure;         /* the Lua function in whose frame it runs; 0: unknown */
  uintptr_t base;            /* that function's slots */
};

/* What seep_luajit_trace_place has found for this return address of a trace lately; NULL: not known. Hot. */
const struct seep_trace_place *seep_luajit_trace_known(const struct seep_vm_state *state, uintptr_t trace,
                                                       uintptr_t c_frame);

/* The place of what runs, or NULL when it cannot be told. Kept in state->scratch, good
 * until the next call. */
const struct seep_trace_place *seep_luajit_trace_place(const struct seep_vm_state *state,
                                                       const struct seep_trace_run *run);

/* The same while a trace (`run->number`) is being left by exit `number`, and makes what it had put off: proven where
 * all that it may be is from one place. Where nothing was put off, it is where the program goes on. */
const struct seep_trace_place *seep_luajit_exit_place(const struct seep_vm_state *state,
                                                      const struct seep_trace_run *run, uint32_t number);

/* Whether trace `run->number` has an exit of this number, behind which the interpreter goes on at `pc` or, as the VM
 * notes it for messages, before it. Reads through the kernel. */
bool seep_luajit_is_exit(const struct seep_trace_run *run, uint32_t number, uintptr_t pc);

#endif
