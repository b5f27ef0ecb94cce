/* Our own process as an image. See self_image.h. */
#include "reach/self_image.h"

#include <errno.h>
#include <string.h>

#include "base/array.h"
#include "reach/maps.h"

/* The vsyscall page and device memory may not be touched, whatever they are mapped as. */
static bool is_memory(const struct seep_mapping *mapping) {
  return mapping->readable && strncmp(mapping->path, "[v", 2) != 0 && strncmp(mapping->path, "/dev/", 5) != 0;
}

/* Neighbours that differ in nothing become one: an object may lie across them. */
static bool add_segment(struct seep_array *segments, const struct seep_mapping *mapping) {
  struct seep_segment *all = segments->items;
  uint8_t access = (uint8_t)((mapping->writable ? SEEP_SEGMENT_WRITABLE : 0) |
                             (mapping->executable ? SEEP_SEGMENT_EXECUTABLE : 0));
  const char *bytes = is_memory(mapping) ? (const char *)mapping->begin : NULL;
  if (segments->count > 0) {
    struct seep_segment *last = &all[segments->count - 1];
    if (last->end == mapping->begin && last->access == access && (last->bytes == NULL) == (bytes == NULL)) {
      last->end = mapping->end;
      return true;
    }
  }
  struct seep_segment *added = seep_array_push(segments, sizeof *added);
  if (added == NULL) return false;
  *added = (struct seep_segment){.begin = mapping->begin, .end = mapping->end, .bytes = bytes, .access = access};
  return true;
}

enum seep_status seep_self_image_open(struct seep_image *image, struct seep_error *error) {
  struct seep_array segments = {0};
  struct seep_maps maps;
  struct seep_mapping mapping;
  if (seep_maps_open(&maps, 0) != 0) {
    return seep_error_set(error, SEEP_E_SYSTEM, "/proc/self/maps: %s", strerror(errno));
  }
  bool complete = true;
  while (complete && seep_maps_next(&maps, &mapping)) complete = add_segment(&segments, &mapping);
  seep_maps_close(&maps);
  if (!complete) {
    seep_array_free(&segments);
    return seep_error_set(error, SEEP_E_MEMORY, "no memory to list what is mapped");
  }
  seep_array_fit(&segments, sizeof(struct seep_segment));
  *image = (struct seep_image){.read = seep_image_read_segments, .segments = segments.items,
                               .segment_count = (uint32_t)segments.count};
  return SEEP_OK;
}

void seep_self_image_close(struct seep_image *image) {
  size_t bytes = seep_round_up(image->segment_count * sizeof *image->segments, SEEP_PAGE_BYTES);
  seep_pages_unmap((void *)(uintptr_t)image->segments, bytes);
  *image = (struct seep_image){0};
}
