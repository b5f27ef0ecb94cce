/* Growing arrays in private pages. See array.h. */
#include "base/array.h"

enum { FIRST_BYTES = 16 * 1024 };

bool seep_array_reserve(struct seep_array *array, size_t count, size_t item_bytes) {
  if (count > SIZE_MAX / 4 / item_bytes) return false;
  if (count * item_bytes <= array->capacity_bytes) return true;
  size_t bytes = array->capacity_bytes == 0 ? FIRST_BYTES : array->capacity_bytes * 2;
  if (bytes < count * item_bytes) bytes = seep_round_up(count * item_bytes, SEEP_PAGE_BYTES);
  void *items = seep_pages_resize(array->items, array->capacity_bytes, bytes);
  if (items == NULL) return false;
  array->items = items;
  array->capacity_bytes = bytes;
  return true;
}

void seep_array_fit(struct seep_array *array, size_t item_bytes) {
  size_t bytes = seep_round_up(array->count * item_bytes, SEEP_PAGE_BYTES);
  if (bytes == array->capacity_bytes) return;
  if (bytes == 0) {
    seep_array_free(array);
    return;
  }
  void *items = seep_pages_resize(array->items, array->capacity_bytes, bytes);
  if (items == NULL) return;
  array->items = items;
  array->capacity_bytes = bytes;
}

void seep_array_free(struct seep_array *array) {
  seep_pages_unmap(array->items, array->capacity_bytes);
  *array = (struct seep_array){0};
}
