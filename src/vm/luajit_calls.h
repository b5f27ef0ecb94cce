/* What a function of LuaJIT is called by the instruction that calls it: read from the caller's bytecode.
 *
 * Source: lj_debug.c (lj_debug_funcname, lj_debug_slotname, debug_varname), lj_bc.h, lj_frame.h, lj_dispatch.h of 2.1,
 * late 2021 to 2026, GC64. Bytecode may be anything: what is read lies inside of the prototype's own block, or is
 * checked against a count, and the search is bounded. Reads through an image; allocates nothing; may run inside an
 * allocator. */
#ifndef SEEP_LUAJIT_CALLS_H
#define SEEP_LUAJIT_CALLS_H

#include "vm/vm.h"

/* Who calls, and what. A function that was tail called stands where another was called, without any mark: where the
 * caller's frame and closure are given, what the name stands for there is compared with the function that runs. */
struct seep_lj_caller {
  uintptr_t proto;
  uint32_t position;         /* of its instruction */
  bool is_call;              /* it calls by its own operands, not for a metamethod */
  uintptr_t base, closure;   /* its slots, its function; 0: not known */
  uintptr_t callee;          /* the function that runs; 0: not known */
};

/* How the caller's instruction names what it calls. */
void seep_lj_name_call(const struct seep_image *image, const struct seep_lj_caller *caller, struct seep_call_name *out);

/* The tables that vm/loaded.h reads. */
extern const struct seep_loaded_reader seep_lj_loaded_reader;

#endif
