/* LuaJIT's bytecode behind its prototype: where objects have what leads to it, the numbers
 * of instructions, and the few readers that everybody needs who follows it.
 *
 * Source: lj_bc.h, lj_obj.h of 2.1, late 2021 to 2026, GC64. Runs inside the allocator.
 * All is read as it is: `pc` must lie in a prototype that was looked at (seep_luajit_holds),
 * which reads through the kernel, or that a trace has as a constant. */
#ifndef SEEP_LUAJIT_BYTECODE_H
#define SEEP_LUAJIT_BYTECODE_H

#include "vm/vm.h"

/* GCproto, GCfunc, GCupval, GCobj, GCstr, GCtab: offsets in bytes. */
enum {
  SEEP_PROTO_SIZEBC = 12, SEEP_PROTO_K = 32, SEEP_PROTO_UV = 40, SEEP_PROTO_SIZEKGC = 48, SEEP_PROTO_SIZE = 56,
  SEEP_PROTO_SIZEUV = 60, SEEP_PROTO_FLAGS = 61, SEEP_PROTO_CHUNKNAME = 64, SEEP_PROTO_FIRSTLINE = 72,
  SEEP_PROTO_NUMLINE = 76, SEEP_PROTO_LINEINFO = 80, SEEP_PROTO_UVINFO = 88, SEEP_PROTO_VARINFO = 96,
  SEEP_PROTO_BYTES = 104,
  SEEP_FUNCTION_FFID = 10, SEEP_FUNCTION_NUPVALUES = 11, SEEP_FUNCTION_ENV = 16, SEEP_FUNCTION_PC = 32,
  SEEP_FUNCTION_UVPTR = 40, SEEP_UPVALUE_CLOSED = 10, SEEP_UPVALUE_IMMUTABLE = 11, SEEP_UPVALUE_V = 32,
  SEEP_OBJECT_TYPE = 9, SEEP_STRING_LENGTH = 20, SEEP_STRING_BYTES = 24,
  SEEP_TABLE_METATABLE = 32, SEEP_TABLE_NODE = 40, SEEP_TABLE_HMASK = 52,
  SEEP_TABLE_NODE_BYTES = 24, SEEP_TABLE_NODE_KEY = 8,
};

/* ~LJ_TSTR …: the types of objects. */
enum { SEEP_GCT_STR = 4, SEEP_GCT_UPVAL, SEEP_GCT_THREAD, SEEP_GCT_PROTO, SEEP_GCT_FUNC, SEEP_GCT_TRACE, SEEP_GCT_CDATA,
       SEEP_GCT_TAB, SEEP_GCT_UDATA };

/* The upper 17 bits of a TValue that is a function, and its object. */
enum { SEEP_TAG_FUNCTION = 0x1fff7 };
#define SEEP_GC_POINTER(value) ((uintptr_t)((value) & ((1ULL << 47) - 1)))

/* lj_bc.h of 2.1 */
enum { BC_ISLE = 2, BC_ISEQV = 4, BC_ISNEV, BC_ISNEP = 11, BC_ISTC, BC_ISFC, BC_IST, BC_ISF, BC_MOV = 18,
       BC_UNM = 20, BC_LEN, BC_ADDVN, BC_POW = 37, BC_CAT, BC_KSTR, BC_KNIL = 44, BC_UGET, BC_USETV, BC_USETP = 49, BC_UCLO, BC_FNEW, BC_TNEW, BC_TDUP, BC_GGET, BC_GSET,
       BC_TGETV, BC_TGETS, BC_TGETB, BC_TGETR, BC_TSETV, BC_TSETS, BC_TSETB, BC_TSETM, BC_TSETR, BC_CALLM, BC_CALL,
       BC_CALLMT, BC_CALLT, BC_ITERC, BC_ITERN, BC_VARG, BC_ISNEXT, BC_RETM, BC_RET1 = 76, BC_FORI, BC_JFORI, BC_FORL,
       BC_IFORL, BC_JFORL, BC_ITERL, BC_IITERL, BC_JITERL, BC_LOOP, BC_ILOOP, BC_JLOOP, BC_JMP,
       BC_LATER }; /* from there on releases differ: operations on bits (2026), which write to slot A, and the headers of functions */

SEEP_ALWAYS_INLINE uint32_t seep_bc_at(uintptr_t pc) { return seep_load_u32(NULL, pc); }
SEEP_ALWAYS_INLINE uint8_t seep_bc_op(uint32_t ins) { return (uint8_t)ins; }
SEEP_ALWAYS_INLINE uint32_t seep_bc_a(uint32_t ins) { return ins >> 8 & 0xff; }
SEEP_ALWAYS_INLINE uint32_t seep_bc_b(uint32_t ins) { return ins >> 24; }
SEEP_ALWAYS_INLINE uint32_t seep_bc_c(uint32_t ins) { return ins >> 16 & 0xff; }
SEEP_ALWAYS_INLINE uint32_t seep_bc_d(uint32_t ins) { return ins >> 16; }

/* Where `ins`, which stands at `pc`, jumps to. */
SEEP_ALWAYS_INLINE uintptr_t seep_bc_target(uintptr_t pc, uint32_t ins) {
  return pc + 4 + ((uintptr_t)(ins >> 16) - 0x8000) * 4;
}

SEEP_ALWAYS_INLINE uintptr_t seep_bc_first(uintptr_t proto) { return proto + SEEP_PROTO_BYTES; }
SEEP_ALWAYS_INLINE uintptr_t seep_bc_end(uintptr_t proto) {
  return seep_bc_first(proto) + seep_load_u32(NULL, proto + SEEP_PROTO_SIZEBC) * (uintptr_t)4;
}
SEEP_ALWAYS_INLINE bool seep_bc_is_inside(uintptr_t proto, uintptr_t pc) {
  return (pc & 3) == 0 && pc >= seep_bc_first(proto) && pc < seep_bc_end(proto);
}

/* Object constant `number` of a prototype, as one of its instructions names it. */
SEEP_ALWAYS_INLINE uintptr_t seep_luajit_proto_constant(uintptr_t proto, uint32_t number) {
  return seep_load_pointer(NULL, seep_load_pointer(NULL, proto + SEEP_PROTO_K) - (number + 1) * (uintptr_t)8);
}

/* Whether `proto` is a prototype whose code holds `pc` and can be read to its end. */
SEEP_ALWAYS_INLINE bool seep_luajit_holds(uintptr_t proto, uintptr_t pc) {
  uint32_t last;
  if (seep_load_u8(&seep_image_self_checked, proto + SEEP_OBJECT_TYPE) != SEEP_GCT_PROTO) return false;
  return seep_bc_is_inside(proto, pc) && seep_load(&seep_image_self_checked, seep_bc_end(proto) - 4, &last, sizeof last);
}

/* The line of instruction number `pc` (lj_debug.c lj_debug_line: one, two or four bytes an
 * instruction); 0 in stripped code. */
SEEP_ALWAYS_INLINE uint32_t seep_luajit_line(uintptr_t proto, uint32_t pc) {
  uintptr_t lines = seep_load_pointer(NULL, proto + SEEP_PROTO_LINEINFO);
  uint32_t first = seep_load_u32(NULL, proto + SEEP_PROTO_FIRSTLINE);
  uint32_t count = seep_load_u32(NULL, proto + SEEP_PROTO_NUMLINE);
  uint32_t size = seep_load_u32(NULL, proto + SEEP_PROTO_SIZEBC);
  if (lines == 0 || pc > size) return 0;
  if (pc == size) return first + count;
  if (pc-- == 0) return first;
  if (count < 256) return first + seep_load_u8(NULL, lines + pc);
  if (count < 65536) return first + seep_load_u16(NULL, lines + (uintptr_t)pc * 2);
  return first + seep_load_u32(NULL, lines + (uintptr_t)pc * 4);
}

#endif
