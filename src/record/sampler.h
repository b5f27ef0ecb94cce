/* Sampling: which allocations are looked at, and which blocks were.
 *
 * Model: the bytes that a state allocates, one after another, are a line on
 * which points lie at random, `interval_bytes` apart on average (a Poisson
 * process). A block is sampled when a point lies in it: a block of s bytes with
 * probability 1 - e^(-s / interval), whatever happened before. So a sampled
 * block stands for 1 / (1 - e^(-s / interval)) blocks of its size; the reader
 * multiplies (model/estimate.h), the recorder counts what it saw.
 *
 * Only the distance to the next point is kept: an allocation subtracts its
 * size, and is sampled when the result is negative. (The distance is drawn
 * anew behind each sampled block; exponential distances have no memory, so
 * that is the same line.) Allocations that fail have used up a part of the
 * distance, which for the same reason changes nothing.
 *
 * Sampled blocks are in a hash table. A free must know without a cache miss
 * that its block is not one of them: a *filter* of one byte for every 16 bytes
 * of address, modulo its size, counts the sampled blocks that fall there, and
 * zero says "not sampled". Neighbours in memory are neighbours in the filter,
 * so a sweep reads it in order. It has a fixed size and place, which saves
 * instructions; past some ten thousand samples it says "perhaps" often, and the
 * table decides.
 *
 * The frees of some other blocks must be seen, too: of prototypes that are known by
 * their addresses. They are *watched*: counted in the filter, and in a map of their own.
 *
 * One per Lua state, used by the thread that runs it. May run inside an
 * allocator; memory comes from pages.h. */
#ifndef SEEP_SAMPLER_H
#define SEEP_SAMPLER_H

#include "base/map.h"

enum {
  SEEP_INTERVAL_DEFAULT_BYTES = 512 * 1024,
  SEEP_INTERVAL_MIN_BYTES = 256,
  SEEP_INTERVAL_MAX_BYTES = 1 << 30,
  SEEP_FILTER_BYTES = 1 << 16,
};

/* A sampled block that is alive. */
struct seep_sample {
  uintptr_t block;
  uint32_t row;    /* 0: empty entry */
  uint32_t epoch;  /* of birth */
};

struct seep_sampler {
  int64_t left_bytes;           /* to the next point */
  struct seep_sample *samples;  /* open addressing, at most half full */
  size_t capacity, count;
  uint32_t interval_bytes;   /* 0: everything is recorded */
  uint64_t random;
  uint64_t point_bytes;         /* the clock at the next point: what all allocations so far are together */
  struct seep_map watched;
  uint8_t filter[SEEP_FILTER_BYTES];
};

/* Prepares a sampler in zeroed memory. Equal seeds give equal points. False when there is no memory. */
bool seep_sampler_init(struct seep_sampler *sampler, uint32_t interval_bytes, uint64_t seed);

/* Draws the distance to the next point, after a sampled allocation. */
void seep_sampler_draw(struct seep_sampler *sampler);

/* A sampled block that lives from now on. False when there is no memory: its
 * free will not be known. */
bool seep_sampler_put(struct seep_sampler *sampler, uintptr_t block, uint32_t row, uint32_t epoch);

/* The entry of a sampled block, or NULL. Good until the next put or take. */
const struct seep_sample *seep_sampler_find(const struct seep_sampler *sampler, uintptr_t block);

/* Where the entry of a block is looked for first, and then behind that, up to an empty one. */
SEEP_ALWAYS_INLINE size_t seep_sampler_home(uintptr_t block, size_t capacity) {
  return seep_mix64(block) & (capacity - 1);
}

/* Takes a block out that seep_sampler_find has found. */
void seep_sampler_take(struct seep_sampler *sampler, const struct seep_sample *sample);

/* Watches a block, whether it is already or not. False when there is no memory. */
bool seep_sampler_watch(struct seep_sampler *sampler, uintptr_t block);

/* A block is freed: whether it was watched. It is not any more. */
bool seep_sampler_unwatch(struct seep_sampler *sampler, uintptr_t block);

/* Forgets all blocks and gives their memory back; points go on. For any sampler. */
void seep_sampler_clear(struct seep_sampler *sampler);

/* Takes note of an allocation. True: it is sampled, and a distance must be drawn. */
SEEP_ALWAYS_INLINE bool seep_sampler_pass(struct seep_sampler *sampler, size_t size_bytes) {
  sampler->left_bytes -= (int64_t)size_bytes;
  return sampler->left_bytes < 0;
}

/* All that seep_sampler_pass has seen. */
SEEP_ALWAYS_INLINE uint64_t seep_sampler_clock(const struct seep_sampler *sampler) {
  return sampler->point_bytes - (uint64_t)sampler->left_bytes;
}

/* Whether `block` may be a sampled one, or a watched one. True now and then for others, and for 0. */
SEEP_ALWAYS_INLINE bool seep_sampler_may_have(const struct seep_sampler *sampler, uintptr_t block) {
  return sampler->filter[block >> 4 & (SEEP_FILTER_BYTES - 1)] != 0;
}

/* The size class by which sampled blocks are counted apart: exact below 128
 * bytes, then 64 classes to each doubling. Below 4096 for any size. */
SEEP_ALWAYS_INLINE uint32_t seep_size_class(uint64_t size_bytes) {
  if (size_bytes < 128) return (uint32_t)size_bytes;
  uint32_t octave = 63 - (uint32_t)__builtin_clzll(size_bytes);
  return octave * 64 - 384 + (uint32_t)(size_bytes >> (octave - 6));
}

/* The natural logarithm of x, a positive normal number; right to 1e-13. Public
 * for its test: what runs inside a program does without libm. */
double seep_ln(double x);

#endif
