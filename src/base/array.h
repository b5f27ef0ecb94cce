/* An array that grows, in private pages: appending never copies (the kernel
 * moves pages) and nothing comes from malloc. A zeroed array is an empty one.
 * Not thread safe; may run inside an allocator. */
#ifndef SEEP_ARRAY_H
#define SEEP_ARRAY_H

#include "base/pages.h"

struct seep_array {
  void *items;
  size_t count;
  size_t capacity_bytes;
};

/* Room for `count` items of `item_bytes` in all. False when there is no memory:
 * the array is then as it was. */
bool seep_array_reserve(struct seep_array *array, size_t count, size_t item_bytes);

/* The next item, to be filled by the caller; NULL when there is no memory. The
 * pointer is good until the array grows. */
SEEP_ALWAYS_INLINE void *seep_array_push(struct seep_array *array, size_t item_bytes) {
  if (SEEP_UNLIKELY((array->count + 1) * item_bytes > array->capacity_bytes) &&
      !seep_array_reserve(array, array->count + 1, item_bytes)) {
    return NULL;
  }
  return (char *)array->items + array->count++ * item_bytes;
}

/* Gives back the pages past the items that are there. */
void seep_array_fit(struct seep_array *array, size_t item_bytes);

void seep_array_free(struct seep_array *array);

#endif
