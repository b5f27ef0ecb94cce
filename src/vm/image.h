/* An image: the memory in which a Lua state lives.
 *
 * The VM descriptions in this folder never follow a pointer themselves; they
 * ask an image. NULL is the image of our own process read straight (the
 * compiler then turns each load into one instruction: this is what runs inside
 * the allocator). Any other image has a `read` that may refuse an address:
 * a copy of another process, a core file, or our own process read through the
 * kernel, which cannot crash us whatever a wrong description asks for.
 *
 * Reading a whole heap wants more than single loads: an image with *segments*
 * shows its bytes where they lie (seep_image_view), as many as its reader can
 * bound. Such an image is used by one thread. */
#ifndef SEEP_IMAGE_H
#define SEEP_IMAGE_H

#include <string.h>

#include "base/base.h"

/* A stretch of an image: addresses that are mapped there. */
struct seep_segment {
  uintptr_t begin, end;
  const char *bytes;        /* what stands at `begin`; NULL: mapped, but its content is not to be had */
  const uint8_t *present;   /* for each chunk of addresses that the segment touches: SEEP_CHUNK_PRESENT when its
                               content is there; NULL: all of it is */
  uint8_t access;           /* enum seep_segment_access */
};
enum seep_segment_access { SEEP_SEGMENT_WRITABLE = 1, SEEP_SEGMENT_EXECUTABLE = 2 };

enum { SEEP_CHUNK_BYTES = 65536, SEEP_CHUNK_PRESENT = 1 };

struct seep_image {
  /* Copies size bytes at `address` to `out`; false when they are not there. */
  bool (*read)(const struct seep_image *image, uintptr_t address, void *out, size_t size_bytes);

  /* The rest is there for seep_image_view alone: segments in order of address, that do not overlap. */
  const struct seep_segment *segments;
  uint32_t segment_count;
  const struct seep_segment *last;  /* where the last view was: the next is likely to be there, too */
  /* Called for bytes inside of `segment` that are not there (see `present`); returns them if they are now,
   * else NULL. May be NULL. */
  const void *(*fetch)(struct seep_image *image, const struct seep_segment *segment, uintptr_t address,
                       size_t size_bytes);
  /* Gives back the memory of an image that has been copied: nothing that was viewed is good any more, and what is
   * viewed now is not there, or is fetched anew. May be NULL. */
  void (*release)(struct seep_image *image);
};

/* Our own process, read through the kernel: a bad address is refused, not a
 * crash. Thread safe. Slow (a system call each): for calibration. */
extern const struct seep_image seep_image_self_checked;

/* The segment that `address` is in, or NULL. */
const struct seep_segment *seep_image_segment(const struct seep_image *image, uintptr_t address);

/* `read` of an image that has segments: what is not there is refused, never fetched. */
bool seep_image_read_segments(const struct seep_image *image, uintptr_t address, void *out, size_t size_bytes);

const void *seep_image_view_elsewhere(struct seep_image *image, uintptr_t address, size_t size_bytes);

/* Where a chunk stands in `present`. */
SEEP_ALWAYS_INLINE size_t seep_chunk_index(const struct seep_segment *segment, uintptr_t address) {
  return address / SEEP_CHUNK_BYTES - segment->begin / SEEP_CHUNK_BYTES;
}

/* The bytes at `address` as they lie in the image, good for as long as the image; NULL when they are not there
 * or do not lie in one segment. For images with segments. */
SEEP_ALWAYS_INLINE const void *seep_image_view(struct seep_image *image, uintptr_t address, size_t size_bytes) {
  const struct seep_segment *segment = image->last;
  if (SEEP_LIKELY(segment != NULL && address >= segment->begin && address < segment->end &&
                  size_bytes <= segment->end - address && segment->bytes != NULL)) {
    size_t at = address - segment->begin;
    if (SEEP_LIKELY(segment->present == NULL)) return segment->bytes + at;
    size_t chunk = seep_chunk_index(segment, address);
    if (SEEP_LIKELY(size_bytes != 0 && segment->present[chunk] == SEEP_CHUNK_PRESENT &&
                    seep_chunk_index(segment, address + size_bytes - 1) == chunk)) {
      return segment->bytes + at;
    }
  }
  return seep_image_view_elsewhere(image, address, size_bytes);
}

/* Has the bytes at `address` brought near, if they are likely to be in the same segment as those viewed last. */
SEEP_ALWAYS_INLINE void seep_image_prefetch(const struct seep_image *image, uintptr_t address) {
  const struct seep_segment *segment = image->last;
  if (segment == NULL || segment->bytes == NULL || address < segment->begin || address >= segment->end) return;
  __builtin_prefetch(segment->bytes + (address - segment->begin));
}

/* Loads. A refused address reads as zero bytes, and false is returned. */
SEEP_ALWAYS_INLINE bool seep_load(const struct seep_image *image, uintptr_t address, void *out,
                                  size_t size_bytes) {
  if (image == NULL) {
    memcpy(out, (const void *)address, size_bytes);
    return true;
  }
  if (image->read(image, address, out, size_bytes)) return true;
  memset(out, 0, size_bytes);
  return false;
}

SEEP_ALWAYS_INLINE uintptr_t seep_load_pointer(const struct seep_image *image, uintptr_t address) {
  uintptr_t value;
  seep_load(image, address, &value, sizeof value);
  return value;
}

SEEP_ALWAYS_INLINE uint64_t seep_load_u64(const struct seep_image *image, uintptr_t address) {
  uint64_t value;
  seep_load(image, address, &value, sizeof value);
  return value;
}

SEEP_ALWAYS_INLINE uint32_t seep_load_u32(const struct seep_image *image, uintptr_t address) {
  uint32_t value;
  seep_load(image, address, &value, sizeof value);
  return value;
}

SEEP_ALWAYS_INLINE uint16_t seep_load_u16(const struct seep_image *image, uintptr_t address) {
  uint16_t value;
  seep_load(image, address, &value, sizeof value);
  return value;
}

SEEP_ALWAYS_INLINE uint8_t seep_load_u8(const struct seep_image *image, uintptr_t address) {
  uint8_t value;
  seep_load(image, address, &value, sizeof value);
  return value;
}

#endif
