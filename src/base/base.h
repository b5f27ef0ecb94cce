/* The few compiler facts and helpers that every layer uses.
 *
 * This is the one configuration header: what differs between compilers or
 * platforms (apart from the VMs, see src/vm/) is named here and nowhere else.
 * Knows nothing of Lua. Everything here may run inside an allocator. */
#ifndef SEEP_BASE_H
#define SEEP_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEEP_ALWAYS_INLINE static inline __attribute__((always_inline))
#define SEEP_NOINLINE __attribute__((noinline))
#define SEEP_EXPORT __attribute__((visibility("default")))
#define SEEP_LIKELY(x) __builtin_expect(!!(x), 1)
#define SEEP_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define SEEP_PRINTF(format_at, args_at) \
  __attribute__((format(printf, format_at, args_at)))
#define SEEP_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Said before a longjmp that the sanitizer does not see (lua_error's): it would take
 * what the abandoned frames leave behind for out of scope in the frames that come. */
#ifdef __SANITIZE_ADDRESS__
void __asan_handle_no_return(void);
#define SEEP_ABANDONS_FRAMES() __asan_handle_no_return()
#else
#define SEEP_ABANDONS_FRAMES() ((void)0)
#endif

/* The unit in which memory is mapped. Every supported kernel uses a multiple
 * of it, and files are laid out in it whatever the machine's own page is. */
#define SEEP_PAGE_BYTES ((size_t)4096)

SEEP_ALWAYS_INLINE size_t seep_round_up(size_t value, size_t unit) {
  return (value + unit - 1) / unit * unit;
}

/* Mixes 64 bits so that any of them decides any bucket (the finalizer of
 * MurmurHash3, Austin Appleby, public domain). */
SEEP_ALWAYS_INLINE uint64_t seep_mix64(uint64_t x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdULL;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53ULL;
  x ^= x >> 33;
  return x;
}

#endif
