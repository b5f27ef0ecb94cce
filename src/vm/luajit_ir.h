/* A compiled trace of LuaJIT and its intermediate code, as far as it is needed here.
 *
 * Source: lj_jit.h, lj_ir.h of 2.1, late 2021 to 2026, GC64. */
#ifndef SEEP_LUAJIT_IR_H
#define SEEP_LUAJIT_IR_H

#include "vm/vm.h"

/* What is needed of a GCtrace. All addresses are those of readable memory. */
struct seep_luajit_trace {
  uintptr_t ir;              /* of instruction 0: real ones are near REF_BIAS */
  uintptr_t snaps, snap_map, code, start_pc;
  uint32_t first_constant, ir_end, snap_count, snap_map_count, code_bytes, start_ins;
  uint32_t root;             /* number of the trace from which this one branches off, at last; 0: from none */
};

enum { SEEP_IR_BIAS = 0x8000, SEEP_IR_BYTES = 8 };

/* lj_ir.h, since the end of 2021. */
enum { SEEP_IR_EQ = 8, SEEP_IR_RETF = 11, SEEP_IR_NOP, SEEP_IR_LOOP = 17, SEEP_IR_KGC = 24, SEEP_IR_KPTR, SEEP_IR_KKPTR,
       SEEP_IR_KNUM = 28, SEEP_IR_KINT64, SEEP_IR_KSLOT, SEEP_IR_MOD = 45, SEEP_IR_HREFK = 57, SEEP_IR_HREF,
       SEEP_IR_NEWREF, SEEP_IR_HLOAD = 67, SEEP_IR_FLOAD = 69, SEEP_IR_SLOAD = 71,
       SEEP_IR_ALEN = 73, SEEP_IR_ASTORE, SEEP_IR_HSTORE, SEEP_IR_XSTORE = 78, SEEP_IR_SNEW = 79, SEEP_IR_XSNEW,
       SEEP_IR_TNEW, SEEP_IR_TDUP, SEEP_IR_CNEW, SEEP_IR_CNEWI, SEEP_IR_BUFHDR, SEEP_IR_BUFPUT, SEEP_IR_BUFSTR,
       SEEP_IR_OBAR = 89, SEEP_IR_TOSTR = 93, SEEP_IR_STRTO, SEEP_IR_CALLN, SEEP_IR_CALLA, SEEP_IR_CALLL,
       SEEP_IR_CALLXS = 99, SEEP_IR_CARG };

struct seep_luajit_ir { uint16_t op1, op2; uint8_t type, op, reg, spill; };

/* Instruction or constant `ref`, which must be one of the trace's. */
SEEP_ALWAYS_INLINE struct seep_luajit_ir seep_luajit_ir(const struct seep_luajit_trace *trace, uint32_t ref) {
  struct seep_luajit_ir ir;
  seep_load(NULL, trace->ir + ref * (uintptr_t)SEEP_IR_BYTES, &ir, sizeof ir);
  return ir;
}

/* The 64 bits of constant `ref` (an object, a number): they lie behind it. 0 when it is no constant. */
SEEP_ALWAYS_INLINE uint64_t seep_luajit_constant(const struct seep_luajit_trace *trace, uint32_t ref) {
  bool is_constant = ref >= trace->first_constant && ref + 1 < SEEP_IR_BIAS;
  return is_constant ? seep_load_u64(NULL, trace->ir + (ref + 1) * (uintptr_t)SEEP_IR_BYTES) : 0;
}

/* The object that `ref` is a constant for; 0 when it is no such constant. */
SEEP_ALWAYS_INLINE uintptr_t seep_luajit_object(const struct seep_luajit_trace *trace, uint32_t ref) {
  if (ref < trace->first_constant || ref + 1 >= SEEP_IR_BIAS) return 0;
  return seep_luajit_ir(trace, ref).op == SEEP_IR_KGC ? (uintptr_t)seep_luajit_constant(trace, ref) : 0;
}

/* Whether an instruction has a register or a slot for its result: others were not
 * compiled, or as a part of another. */
SEEP_ALWAYS_INLINE bool seep_luajit_ir_has_result(struct seep_luajit_ir ir) {
  enum { NONE = 0x80 };
  return (ir.reg & NONE) == 0 || ir.spill != 0;
}

#endif
