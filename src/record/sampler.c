/* Points, filter and table. See sampler.h. */
#include "record/sampler.h"

#include <string.h>

#include "base/pages.h"

enum { FIRST_SAMPLES = 256, STUCK = 255 };

/* -- Points ------------------------------------------------------------------ */

/* splitmix64 (Sebastiano Vigna, public domain). */
static uint64_t next_random(struct seep_sampler *sampler) {
  uint64_t x = sampler->random += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/* ln(2^e m) = e ln 2 + 2 artanh((m - 1) / (m + 1)), with m between 2/3 and 4/3
 * so that the series ends soon. */
double seep_ln(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  int exponent = (int)(bits >> 52) - 1023;
  bits = (bits & 0x000fffffffffffffULL) | 0x3ff0000000000000ULL;
  double m;
  memcpy(&m, &bits, sizeof m);
  if (m > 4.0 / 3) {
    m /= 2;
    exponent++;
  }
  double t = (m - 1) / (m + 1), square = t * t, sum = 0;
  for (int i = 19; i > 0; i -= 2) sum = sum * square + 1.0 / i;
  return exponent * 0.693147180559945309417 + 2 * t * sum;
}

void seep_sampler_draw(struct seep_sampler *sampler) {
  double uniform = (double)((next_random(sampler) >> 11) + 1) * 0x1p-53; /* above 0, up to 1 */
  uint64_t clock_bytes = seep_sampler_clock(sampler);
  sampler->left_bytes = (int64_t)(-(double)sampler->interval_bytes * seep_ln(uniform));
  sampler->point_bytes = clock_bytes + (uint64_t)sampler->left_bytes;
}

/* -- The filter -------------------------------------------------------------- */

/* A count that has reached the end of its byte stays there. */
static void count_in_filter(struct seep_sampler *sampler, uintptr_t block, int change) {
  uint8_t *count = &sampler->filter[block >> 4 & (SEEP_FILTER_BYTES - 1)];
  if (*count != STUCK) *count = (uint8_t)(*count + change);
}

/* -- The table --------------------------------------------------------------- */

static size_t home_of(const struct seep_sampler *sampler, uintptr_t block) {
  return seep_sampler_home(block, sampler->capacity);
}

/* The entry of the block, or the empty one where it belongs. */
static size_t slot_of(const struct seep_sampler *sampler, uintptr_t block) {
  size_t at = home_of(sampler, block);
  while (sampler->samples[at].row != 0 && sampler->samples[at].block != block) {
    at = (at + 1) & (sampler->capacity - 1);
  }
  return at;
}

static bool grow_table(struct seep_sampler *sampler) {
  struct seep_sample *old = sampler->samples;
  size_t old_capacity = sampler->capacity;
  size_t capacity = old_capacity == 0 ? FIRST_SAMPLES : old_capacity * 2;
  struct seep_sample *fresh = seep_pages_map(capacity * sizeof *fresh);
  if (fresh == NULL) return false;
  sampler->samples = fresh;
  sampler->capacity = capacity;
  for (size_t i = 0; i < old_capacity; i++) {
    if (old[i].row != 0) fresh[slot_of(sampler, old[i].block)] = old[i];
  }
  seep_pages_unmap(old, old_capacity * sizeof *old);
  return true;
}

bool seep_sampler_put(struct seep_sampler *sampler, uintptr_t block, uint32_t row, uint32_t epoch) {
  if ((sampler->count + 1) * 2 > sampler->capacity && !grow_table(sampler)) return false;
  struct seep_sample *sample = &sampler->samples[slot_of(sampler, block)];
  if (sample->row == 0) {
    sampler->count++;
    count_in_filter(sampler, block, 1);
  }
  *sample = (struct seep_sample){.block = block, .row = row, .epoch = epoch};
  return true;
}

const struct seep_sample *seep_sampler_find(const struct seep_sampler *sampler, uintptr_t block) {
  if (sampler->count == 0 || !seep_sampler_may_have(sampler, block)) return NULL;
  const struct seep_sample *sample = &sampler->samples[slot_of(sampler, block)];
  return sample->row == 0 ? NULL : sample;
}

/* Moves the entries behind the hole up, so that each stays reachable from its
 * home without passing an empty one. */
void seep_sampler_take(struct seep_sampler *sampler, const struct seep_sample *sample) {
  size_t mask = sampler->capacity - 1;
  size_t hole = (size_t)(sample - sampler->samples);
  count_in_filter(sampler, sample->block, -1);
  sampler->count--;
  sampler->samples[hole].row = 0;
  for (size_t at = (hole + 1) & mask; sampler->samples[at].row != 0; at = (at + 1) & mask) {
    size_t home = home_of(sampler, sampler->samples[at].block);
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    sampler->samples[hole] = sampler->samples[at];
    sampler->samples[at].row = 0;
    hole = at;
  }
}

/* -- Watched blocks ---------------------------------------------------------- */

bool seep_sampler_watch(struct seep_sampler *sampler, uintptr_t block) {
  if (seep_map_get(&sampler->watched, block, 0) != 0) return true;
  if (!seep_map_put(&sampler->watched, block, 0, 1)) return false;
  count_in_filter(sampler, block, 1);
  return true;
}

bool seep_sampler_unwatch(struct seep_sampler *sampler, uintptr_t block) {
  if (sampler->watched.count == 0 || seep_map_take(&sampler->watched, block, 0) == 0) return false;
  count_in_filter(sampler, block, -1);
  return true;
}

/* -- Beginning and end ------------------------------------------------------- */

void seep_sampler_clear(struct seep_sampler *sampler) {
  if (sampler->samples == NULL) return;
  seep_map_clear(&sampler->watched);
  seep_pages_unmap(sampler->samples, sampler->capacity * sizeof *sampler->samples);
  sampler->samples = NULL;
  sampler->capacity = sampler->count = 0;
  memset(sampler->filter, 0, sizeof sampler->filter);
}

bool seep_sampler_init(struct seep_sampler *sampler, uint32_t interval_bytes, uint64_t seed) {
  sampler->interval_bytes = interval_bytes;
  sampler->random = seep_mix64(seed);
  seep_sampler_draw(sampler);
  return grow_table(sampler);
}
