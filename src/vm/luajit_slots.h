/* Where the value in a slot of a LuaJIT function comes from, read off its bytecode: what is
 * known of a function before it is called.
 *
 * Source: lj_bc.h, lj_parse.c, lj_trace.c of 2.1, late 2021 to 2026, GC64. Runs inside the allocator. Bytecode
 * is read as it is: the prototypes must have been looked at (luajit_bytecode.h). */
#ifndef SEEP_LUAJIT_SLOTS_H
#define SEEP_LUAJIT_SLOTS_H

#include "vm/luajit_code.h"

/* The traces there are, for loops that were compiled since, and what is known of the one that runs. */
struct seep_luajit_traces {
  uintptr_t traces;          /* J->trace */
  uint32_t trace_count;      /* its size */
  uintptr_t start_pc;        /* where it came into the outermost function, with all of that in memory; 0: not so */
};

/* What is known of a value. */
struct seep_luajit_origin {
  uintptr_t object;          /* this function, now; 0: unknown */
  bool is_certain;           /* it was the same when the trace was recorded */
  uint64_t key;              /* it was found under this name (a string object); 0: unknown */
  bool is_loaded;            /* from a table, or an upvalue that is assigned to */
  uint32_t iterated;         /* or one of the values that the iterator of a `for` gave, in this slot, plus 1; else 0 */
};

/* What `slot` has before the instruction at which `level` is. `is_outermost`: in its frame the trace runs. */
struct seep_luajit_origin seep_luajit_slot_origin(const struct seep_luajit_traces *traces,
                                                  const struct seep_luajit_level *level, bool is_outermost,
                                                  uint32_t slot);

/* Whether `slot` is there the variable of a numeric `for`, which nothing in the loop assigns to: it is a number. */
bool seep_luajit_counts(const struct seep_luajit_traces *traces, const struct seep_luajit_level *level, uint32_t slot);

/* `ins`, or the instruction that stood there before a trace was compiled; 0 when that is not known. */
uint32_t seep_luajit_original(const struct seep_luajit_traces *traces, uint32_t ins);

/* The value of upvalue `number`, if it is never assigned to; 0: unknown. */
uint64_t seep_luajit_fixed_upvalue(const struct seep_luajit_level *level, uint32_t number);

#endif
