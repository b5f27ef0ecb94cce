/* What the unit tests share: cmocka with its needs, and random numbers that are
 * the same in every run. */
#ifndef SEEP_UNIT_H
#define SEEP_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"

struct unit_random {
  uint64_t state;
};

/* splitmix64 (Sebastiano Vigna, public domain). */
static inline uint64_t unit_random_next(struct unit_random *random) {
  uint64_t x = random->state += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/* From 0 to `end` - 1. */
static inline uint32_t unit_random_below(struct unit_random *random, uint32_t end) {
  return (uint32_t)(unit_random_next(random) % end);
}

#endif
