/* CRC-32 eight bytes at a time ("slicing by 8", Kounavis and Berry 2005): sealing
 * happens while the program ends, so it should not be felt. */
#include "base/checksum.h"

#include <string.h>

enum { SLICES = 8 };

/* tables[k][n] is the remainder of byte n followed by k zero bytes. */
struct tables {
  uint32_t remainder[SLICES][256];
};

static void make_tables(struct tables *tables) {
  for (uint32_t n = 0; n < 256; n++) {
    uint32_t crc = n;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320u : 0);
    tables->remainder[0][n] = crc;
  }
  for (uint32_t n = 0; n < 256; n++) {
    for (int k = 1; k < SLICES; k++) {
      uint32_t before = tables->remainder[k - 1][n];
      tables->remainder[k][n] = (before >> 8) ^ tables->remainder[0][before & 255];
    }
  }
}

static uint32_t add_eight(const struct tables *tables, uint32_t crc, const unsigned char *bytes) {
  uint64_t word;
  memcpy(&word, bytes, sizeof word); /* little endian, as everything in a capture */
  word ^= crc;
  crc = 0;
  for (int k = 0; k < SLICES; k++) crc ^= tables->remainder[SLICES - 1 - k][word >> (8 * k) & 255];
  return crc;
}

uint32_t seep_checksum(uint32_t previous, const void *data, size_t size_bytes) {
  static struct tables tables;
  static bool made;
  const unsigned char *bytes = data;
  uint32_t crc = ~previous;
  if (!__atomic_load_n(&made, __ATOMIC_ACQUIRE)) { /* twice at once makes the same */
    make_tables(&tables);
    __atomic_store_n(&made, true, __ATOMIC_RELEASE);
  }
  for (; size_bytes >= 8; size_bytes -= 8, bytes += 8) crc = add_eight(&tables, crc, bytes);
  for (; size_bytes > 0; size_bytes--, bytes++) {
    crc = (crc >> 8) ^ tables.remainder[0][(crc ^ *bytes) & 255];
  }
  return ~crc;
}
