/* Memory for the recorder's private tables, straight from the kernel.
 *
 * Inside a host nothing of ours may come from malloc: the allocator that is
 * being recorded may be malloc itself, and its state is none of our business.
 * Pages come zeroed and are touched only when used. Thread safe. */
#ifndef SEEP_PAGES_H
#define SEEP_PAGES_H

#include "base/base.h"

/* Large mappings that are made or grown from now on are of huge pages where the kernel has any: a heap of millions
 * of objects is otherwise half a million page faults. For processes of our own: in a program its memory would grow. */
void seep_pages_prefer_large(void);

/* Maps at least `size_bytes` of zeroed memory; NULL when there is none.
 * Keeps errno as it was. */
void *seep_pages_map(size_t size_bytes);

/* Makes a mapping of `old_bytes` (0 with NULL: none yet) one of `new_bytes`, moving it without
 * copying; what is new is zeroed. NULL when there is no memory: the old mapping is then as it was. */
void *seep_pages_resize(void *pages, size_t old_bytes, size_t new_bytes);

/* Gives back what seep_pages_map returned for the same size. */
void seep_pages_unmap(void *pages, size_t size_bytes);

#endif
