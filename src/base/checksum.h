/* CRC-32 (ISO 3309, the polynomial of zlib and PNG), for sealing captures.
 * Our own few lines because the host side may use libc alone. */
#ifndef SEEP_CHECKSUM_H
#define SEEP_CHECKSUM_H

#include "base/base.h"

/* The checksum of `size_bytes` at `data`, going on from `previous` (0 at the
 * start). Thread safe; may run inside an allocator. */
uint32_t seep_checksum(uint32_t previous, const void *data, size_t size_bytes);

#endif
