/* Which bytecode instruction of LuaJIT made an object, given where a compiled trace
 * was shortly before: a walk forward through the functions that the trace inlined.
 *
 * A *level* is a function that runs in the trace; levels lie outermost first, as
 * frames do. The walk is straight and short: it follows jumps, enters calls of
 * Lua functions that the trace is known to have inlined, and leaves them again.
 * It guesses at a test; what comes of it is likely, not proven.
 *
 * Source: lj_bc.h, lj_ir.h, lj_snap.c of 2.1, late 2021 to 2026, GC64. Runs inside the
 * allocator. The trace's own memory and bytecode are read as they are (both live as
 * long as the trace does), values through the kernel. */
#ifndef SEEP_LUAJIT_CODE_H
#define SEEP_LUAJIT_CODE_H

#include "vm/luajit_text.h"

enum { SEEP_TRACE_FRAMES_MAX = 12 };

struct seep_luajit_level {
  uintptr_t pc;              /* of the instruction that runs; of a caller: the one behind its call */
  uintptr_t proto;
  uintptr_t closure;         /* 0: unknown */
  uintptr_t base;            /* where its slots are in memory; 0: in registers only */
  uint8_t ffid;              /* a builtin (pcall, which runs a function): its number; then all else is 0 */
};

struct seep_luajit_levels {
  uint32_t count;
  struct seep_luajit_level at[SEEP_TRACE_FRAMES_MAX];
};

/* A snapshot, as read from the trace. */
struct seep_luajit_snapshot {
  uintptr_t entries;         /* its SnapEntry array, behind it the pc and the base */
  uint32_t count;
  uint32_t ref;              /* its first IR instruction */
  uint32_t code_offset;
  uintptr_t pc;
};

/* Snapshot `number` of a trace; false when it makes no sense. */
bool seep_luajit_snapshot(const struct seep_luajit_trace *trace, uint32_t number, struct seep_luajit_snapshot *out);

/* The functions that run at a snapshot; the innermost is at its pc, or is a builtin before which a trace ends (lj_ffrecord.c
 * recff_stitch). `closure` (0: unknown) is the one in whose frame the trace runs, its slots are at `base`. */
bool seep_luajit_levels(const struct seep_luajit_trace *trace, const struct seep_luajit_snapshot *snapshot,
                        uintptr_t closure, uintptr_t base, struct seep_luajit_levels *out);

/* Whether functions run at a snapshot that the trace (or its parent) has inlined. */
bool seep_luajit_is_inside(const struct seep_luajit_snapshot *snapshot);

/* Returns from the innermost function to the Lua function that has called it; false when the trace
 * has not inlined that. */
bool seep_luajit_leave(struct seep_luajit_levels *levels);

/* What is looked for: the IR instruction that allocates, and how many of its kind
 * come before it behind the place where the walk starts. */
enum { SEEP_CHECKED_MAX = 16 };
struct seep_luajit_wanted {
  struct seep_luajit_ir ir;
  uint64_t constant;         /* of a TDUP its template, of a NEWREF its key where that is a constant; else 0 */
  struct seep_luajit_text text;  /* of a BUFSTR */
  bool is_loose;             /* the text need not fit */
  uint32_t before;
  uint32_t snapshot;         /* where the walk starts */
  uint32_t checked_count;    /* functions that the trace checks for from there on, before it calls them */
  uintptr_t checked[SEEP_CHECKED_MAX];
  bool with_operators;       /* they may be metamethods of operators */
};

/* Walks from `levels`, not beyond the instruction `end` (0: none), to the
 * instruction that is wanted, and leaves `levels` there. False: not found, `levels`
 * are anywhere. */
bool seep_luajit_walk(const struct seep_vm_state *state, const struct seep_luajit_trace *trace,
                      const struct seep_luajit_wanted *wanted, uintptr_t end, struct seep_luajit_levels *levels);

/* Looks backward from where `levels` are, in the innermost function, for the next
 * instruction that makes what is wanted (no call), and leaves `levels` there. */
bool seep_luajit_walk_back(const struct seep_luajit_wanted *wanted, struct seep_luajit_levels *levels);

/* Where the trace may have gone on at a snapshot that was taken before a test: its
 * pc is where the other branch leads (lj_record.c rec_comp_fixup). Fills `out` with
 * the pcs that it may stand for, its own first, and returns their number. */
enum { SEEP_STARTS_MAX = 4 };
uint32_t seep_luajit_starts(const struct seep_luajit_level *level, uintptr_t out[SEEP_STARTS_MAX]);

/* What tells one prototype's memory from another's in its place: a number of all of it that the VM does not change, read
 * through the kernel, for it may be gone. 0: it is, or is very large. */
uint64_t seep_luajit_print(uintptr_t proto);

#endif
