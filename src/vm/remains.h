/* What a call that has ended leaves in a stack: words, taken as they lie there, by the process itself, and made sense
 * of by whoever reads an image of it later (objects.h).
 *
 * Model: an interpreter calls the main chunk, and goes on when it has ended. At that moment the variables of the main
 * chunk still stand in the part of the stack that is not in use any more, and the call info behind the current one is
 * still the main chunk's (LuaJIT has none: its frames are in the stack). Soon after, finalizers or the host's own calls
 * write over them. What they hold was alive when the call ended: while it ran, every collection went through them or
 * emptied them (lgc.c traversestack and traversethread, lj_gc.c gc_traverse_thread). */
#ifndef SEEP_REMAINS_H
#define SEEP_REMAINS_H

#include "base/base.h"

enum { SEEP_REMAINS_WORDS = 768, SEEP_REMAINS_CALL_INFO_BYTES = 96, SEEP_REMAINS_THREAD_BYTES = 224 };

/* What was seen when the call was about to begin: then the stack may have moved since, and a call info that a failed call
 * has left still has the old addresses. */
struct seep_call_begin {
  uintptr_t stack;        /* address of the function of the frame that calls; 0: not known */
  _Alignas(8) char thread[SEEP_REMAINS_THREAD_BYTES];  /* the main thread */
};

struct seep_remains {
  uintptr_t global;       /* of which state; 0: there are none */
  bool is_late;           /* the caller may have used its stack since: then the function's slot has been written over first */
  bool is_pc_known;       /* PUC: the saved pc in `call_info` is surely of this call, and not of one before it */
  uintptr_t stack;        /* address of the first word: the function of the frame that goes on */
  uint32_t word_count;
  uint64_t words[SEEP_REMAINS_WORDS];
  struct seep_call_begin begin;                           /* PUC */
  _Alignas(8) char thread[SEEP_REMAINS_THREAD_BYTES];        /* the main thread when it had ended */
  _Alignas(8) char call_info[SEEP_REMAINS_CALL_INFO_BYTES];  /* PUC: of the call that has ended */
};

/* What lua_close does at this moment: all VMs but 5.4 have taken an object off their list when they free the first part of
 * it. It is whole, and nothing but a C frame between lua_close and the allocator knows it (lgc.c sweeplist, freeobj; lj_gc.c
 * gc_sweep), so it is looked for there: it is the object whose successor is the first of the list. */
struct seep_closing {
  uintptr_t global;       /* of which state; 0: of none */
  uintptr_t c_stack;      /* where the frames begin; what was in registers lies there, too */
  uint64_t state_bytes;   /* the VM's count before it lowered it for what it is about to free */
};
enum { SEEP_CLOSING_STACK_BYTES = 4096 };

#endif
