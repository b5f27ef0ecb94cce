/* Which bytecode an allocation of a compiled trace of LuaJIT was made from: proven,
 * or not told.
 *
 * Between two snapshots a trace is a straight piece of code, and the snapshots say where
 * in the bytecode it begins and ends, in which inlined calls. This tries every way
 * there: both sides of each test, every function that the trace may have called
 * (luajit_callees.h). A way fits if it makes exactly those tables, in that order,
 * with those sizes and templates, that the piece's IR makes: each TNEW and TDUP is one
 * instruction's, and nothing removes one. Other allocations are made by
 * instructions that may make none, for their result can be known already. So on
 * ways that fit, all those come into question that can make such a thing, lie
 * between the same two tables, and leave enough others before and behind them for
 * those that the IR has there. Where all that come into question are on the same line
 * in the same calls, the place is proven.
 *
 * Ways that meet with all the same that matters are one from there on: they make a graph,
 * of points of the program in calls, and what leads where is a matter of following its edges.
 *
 * The set of what comes into question is never too small: what is not understood
 * (a metamethod without a name, more ways than are tried) proves nothing.
 *
 * Source: lj_record.c, lj_snap.c, lj_ffrecord.c, lj_crecord.c, lj_opt_loop.c of 2.1,
 * late 2021 to 2026, GC64. Runs inside the allocator; bounded. */
#ifndef SEEP_LUAJIT_PATH_H
#define SEEP_LUAJIT_PATH_H

#include "vm/luajit_code.h"

/* A piece of a trace: its IR from `first` to before `end`, and where it begins and ends. */
struct seep_luajit_piece {
  const struct seep_vm *vm;
  uintptr_t traces;          /* J->trace and its size, for loops that were compiled since */
  uint32_t trace_count;
  const struct seep_luajit_trace *trace;
  uint32_t first, end;
  struct seep_luajit_levels from, to;
  bool has_returned;         /* the trace has returned to a lower frame before the piece's end */
  uintptr_t loop_pc;         /* the instruction at which the loop of the trace, or of its root, goes round; 0: there is none */
  bool is_own_loop;          /* it is the trace's, and so in the outermost function only */
  uintptr_t range_first, range_end;  /* what the trace does not leave there; range_end 0: it may */
};

/* Memory for a search, of which nothing is kept. */
enum { SEEP_LUAJIT_SEARCH_BYTES = 480 << 10 };

/* Finds where instruction `ref` of a piece comes from, in SEEP_LUAJIT_SEARCH_BYTES of `memory`. False:
 * not proven, `out` is anything. */
bool seep_luajit_prove(const struct seep_luajit_piece *piece, uint32_t ref, void *memory,
                       struct seep_luajit_levels *out);

#endif
