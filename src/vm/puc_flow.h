/* Which instruction of a PUC function is allocating, when the saved pc is that
 * of an earlier one.
 *
 * Model: the saved pc tells the last instruction that saved it. From there the
 * VM has run on through instructions that do not save, to one that allocates
 * without saving (OP_NEWTABLE; on 5.1 OP_CLOSURE, too). The allocator sees every
 * such allocation, so on each path through the code only the first of them can
 * be the one. If all paths agree on the line, the line is known. */
#ifndef SEEP_PUC_FLOW_H
#define SEEP_PUC_FLOW_H

#include "base/base.h"

/* What one instruction does to the search. */
struct seep_flow {
  uint32_t next[2];      /* instructions that can run after it */
  uint32_t next_count;
  bool saves_pc;         /* always: nothing behind it can have a stale pc from before it */
  bool allocates;        /* an object, without saving the pc */
};

typedef void seep_flow_function(const uint32_t *code, uint32_t pc, struct seep_flow *out);

struct seep_flow_search {
  seep_flow_function *flow;
  const uint32_t *code;
  uint32_t size;
  /* Whether instruction pc, which allocates, can be the one that is sought. */
  bool (*matches)(const uint32_t *code, uint32_t pc, int32_t register_a);
  int32_t register_a;    /* the register it writes, or -1: not known */
};

enum { SEEP_FLOW_FOUND_MAX = 4 };

/* The instructions that may be allocating, when the last one known to have run
 * is `after` (UINT32_MAX: none yet, the function has just begun), and, if
 * `other` is not UINT32_MAX, alternatively `other`. Returns how many were
 * found, the likeliest first; 0 also when the search was given up. */
uint32_t seep_flow_find(const struct seep_flow_search *search, uint32_t after, uint32_t other,
                        uint32_t found[SEEP_FLOW_FOUND_MAX]);

#endif
