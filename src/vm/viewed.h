/* Loads from bytes that an image has shown (seep_image_view): of any alignment, without another check. */
#ifndef SEEP_VIEWED_H
#define SEEP_VIEWED_H

#include <string.h>

#include "base/base.h"

SEEP_ALWAYS_INLINE uintptr_t seep_at_pointer(const char *bytes, size_t at) {
  uintptr_t value;
  memcpy(&value, bytes + at, sizeof value);
  return value;
}
SEEP_ALWAYS_INLINE uint32_t seep_at_u32(const char *bytes, size_t at) {
  uint32_t value;
  memcpy(&value, bytes + at, sizeof value);
  return value;
}
SEEP_ALWAYS_INLINE uint16_t seep_at_u16(const char *bytes, size_t at) {
  uint16_t value;
  memcpy(&value, bytes + at, sizeof value);
  return value;
}
SEEP_ALWAYS_INLINE uint8_t seep_at_u8(const char *bytes, size_t at) { return (uint8_t)bytes[at]; }

#endif
