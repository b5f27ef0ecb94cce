/* An image: the memory in which a Lua state lives.
 *
 * The VM descriptions in this folder never follow a pointer themselves; they
 * ask an image. NULL is the image of our own process read straight (the
 * compiler then turns each load into one instruction: this is what runs inside
 * the allocator). Any other image has a `read` that may refuse an address:
 * a copy of another process, a core file, or our own process read through the
 * kernel, which cannot crash us whatever a wrong description asks for. */
#ifndef SEEP_IMAGE_H
#define SEEP_IMAGE_H

#include <string.h>

#include "base/base.h"

struct seep_image {
  /* Copies size bytes at `address` to `out`; false when they are not there. */
  bool (*read)(const struct seep_image *image, uintptr_t address, void *out, size_t size_bytes);
};

/* Our own process, read through the kernel: a bad address is refused, not a
 * crash. Thread safe. Slow (a system call each): for calibration. */
extern const struct seep_image seep_image_self_checked;

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
