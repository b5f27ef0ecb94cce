/* Which functions a compiled trace of LuaJIT may have called.
 *
 * A trace is specialized to every function that it calls: unless the function is
 * a constant anyway, it is compared with one (lj_record.c rec_call_specialize), or
 * its prototype is. So they all are among the trace's constants. What it was
 * compared with tells more: a value that was loaded from a field tells the field's name, and
 * metamethods are looked up by their names, too.
 *
 * Source: lj_record.c, lj_ir.h of 2.1, late 2021 to 2026, GC64. Runs inside the allocator. A trace that
 * runs keeps its constants alive: they are read as they are. */
#ifndef SEEP_LUAJIT_CALLEES_H
#define SEEP_LUAJIT_CALLEES_H

#include "vm/luajit_ir.h"

enum { SEEP_CALLEES_MAX = 32 };

/* Which metamethod a callee is, by its name. */
enum seep_metamethod { SEEP_MM_NONE, SEEP_MM_INDEX, SEEP_MM_NEWINDEX, SEEP_MM_CALL, SEEP_MM_CONCAT, SEEP_MM_UNM,
                       SEEP_MM_LEN, SEEP_MM_ADD, SEEP_MM_SUB, SEEP_MM_MUL, SEEP_MM_DIV, SEEP_MM_MOD, SEEP_MM_POW,
                       SEEP_MM_EQ, SEEP_MM_LT, SEEP_MM_LE, SEEP_MM_TOSTRING, SEEP_MM_PAIRS };

struct seep_luajit_callee {
  uintptr_t object;          /* a function; or a prototype, of which any closure may be called */
  uintptr_t code;            /* of a Lua function: its first instruction; 0: a builtin */
  uint64_t key;              /* the name (a string object) of the field it came from; 0: unknown */
  bool is_key_set;           /* the trace stores something under that name */
  bool is_compared;          /* the trace compares something with it: else it is a constant wherever it is called */
  uint32_t guard;            /* the first instruction that compares with it; 0: none does */
  uint8_t ffid;              /* of a builtin: its number */
  bool may_be_element;       /* it may have come from a table, by a key that is no name */
  uint16_t slot;             /* or it was in this slot when the trace began (IR_SLOAD); 0: it was in none */
  bool is_stored;            /* the trace puts it into a table or an upvalue, from where it may come again */
  enum seep_metamethod metamethod;
};

struct seep_luajit_callees {
  uint32_t count;            /* one function may be here twice, from two places */
  bool has_metamethods;      /* some may have been called by instructions that are no calls */
  bool has_cdata;            /* whose metamethods are constants, and found under no name */
  struct seep_luajit_callee at[SEEP_CALLEES_MAX];
};

/* Fills `out`; false when there are too many. */
bool seep_luajit_callees_of(const struct seep_luajit_trace *trace, struct seep_luajit_callees *out);

/* Whether one of them is such a metamethod. */
bool seep_luajit_callees_have(const struct seep_luajit_callees *callees, enum seep_metamethod metamethod);

#endif
