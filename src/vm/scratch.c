/* See scratch.h. */
#include "vm/scratch.h"

#include <string.h>

void *seep_scratch_alloc(void *ud, void *block, size_t old_size, size_t new_size) {
  struct seep_scratch *scratch = ud;
  if (new_size == 0) return NULL;
  size_t size = seep_round_up(new_size, 16);
  if (scratch->used + size > SEEP_SCRATCH_BYTES) return NULL;
  char *fresh = scratch->pages + scratch->used;
  if (scratch->used == 0) scratch->first_size = new_size;
  scratch->used += size;
  if (block != NULL) {
    memcpy(fresh, block, old_size < new_size ? old_size : new_size);
  } else {
    scratch->last_block = (uintptr_t)fresh;
    scratch->last_size = new_size;
    scratch->last_tag = old_size;
  }
  return fresh;
}
