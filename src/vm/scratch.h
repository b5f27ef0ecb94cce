/* The memory of a scratch state: handed out once, never taken back. */
#ifndef SEEP_SCRATCH_H
#define SEEP_SCRATCH_H

#include "base/base.h"

enum { SEEP_SCRATCH_BYTES = 16 << 20 };

struct seep_scratch {
  char *pages;
  size_t used;
  size_t first_size;            /* of the first block: the state itself */
  uintptr_t last_block;
  size_t last_size, last_tag;   /* tag: what osize said for a new block */
};

/* A lua_Alloc; `ud` is a struct seep_scratch with SEEP_SCRATCH_BYTES of pages. */
void *seep_scratch_alloc(void *ud, void *block, size_t old_size, size_t new_size);

#endif
