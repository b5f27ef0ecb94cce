/* See sampled.h. */
#include "model/sampled.h"

static double mean_bytes(const struct seep_row_record *row) {
  return row->alloc_count == 0 ? 0 : (double)row->alloc_bytes / (double)row->alloc_count;
}

double seep_sampled_weight(const struct seep_row_record *row, uint32_t interval_bytes) {
  return seep_estimate_weight(mean_bytes(row), interval_bytes);
}

/* A damaged file can hold any number. */
static uint64_t scale(uint64_t value, double weight, double rounding) {
  double scaled = (double)value * weight + rounding;
  return scaled < 0x1p63 ? (uint64_t)scaled : (uint64_t)1 << 63;
}

uint64_t seep_sampled_scale(uint64_t bytes, double weight) { return weight == 1 ? bytes : scale(bytes, weight, 0.5); }

/* The least size of a block that may be there unseen. Where all blocks of a
 * type are equal it is the one that was seen. (malloc gives no less than 16.) */
static double smallest_bytes(const struct seep_row_record *row) {
  bool equal = row->type == SEEP_TYPE_TABLE || row->type == SEEP_TYPE_THREAD || row->type == SEEP_TYPE_UPVALUE;
  double size_bytes = mean_bytes(row);
  return equal || size_bytes < 16 ? size_bytes : 16;
}

static uint64_t difference(uint64_t more, uint64_t less) { return more > less ? more - less : 0; }

static void scale_counters(double weight, uint64_t seed, struct seep_counters *counters) {
  double rounding = (double)(seep_mix64(seed) >> 11) * 0x1p-53;
  struct seep_counters all = {
      .alloc_bytes = scale(counters->alloc_bytes, weight, 0.5),
      .alloc_count = scale(counters->alloc_count, weight, rounding),
      .live_bytes = scale(counters->live_bytes, weight, 0.5),
      .live_count = scale(counters->live_count, weight, rounding),
      .survivor_bytes = scale(counters->survivor_bytes, weight, 0.5),
      .survivor_count = scale(counters->survivor_count, weight, rounding),
      .temporary_count = scale(counters->temporary_count, weight, rounding),
  };
  all.freed_bytes = difference(all.alloc_bytes, all.live_bytes);
  all.freed_count = difference(all.alloc_count, all.live_count);
  if (all.temporary_count > all.freed_count) all.temporary_count = all.freed_count;
  *counters = all;
}

void seep_sampled_estimate(const struct seep_row_record *row, uint32_t interval_bytes, uint64_t seed,
                           struct seep_counters *counters, struct seep_profile_estimates *out) {
  double weight = seep_sampled_weight(row, interval_bytes), smallest = smallest_bytes(row);
  *out = (struct seep_profile_estimates){0};
  seep_estimate_add_bytes(&out->live_bytes, counters->live_count, counters->live_bytes, weight, interval_bytes);
  seep_estimate_add_count(&out->live_count, counters->live_count, weight, smallest, interval_bytes);
  seep_estimate_add_bytes(&out->alloc_bytes, counters->alloc_count, counters->alloc_bytes, weight, interval_bytes);
  seep_estimate_add_count(&out->alloc_count, counters->alloc_count, weight, smallest, interval_bytes);
  seep_estimate_add_bytes(&out->survivor_bytes, counters->survivor_count, counters->survivor_bytes, weight, interval_bytes);
  seep_estimate_add_count(&out->survivor_count, counters->survivor_count, weight, smallest, interval_bytes);
  scale_counters(weight, seed ^ (uint64_t)row->flags << 32 ^ (uint64_t)row->type << 48, counters);
}

void seep_sampled_merge(struct seep_profile_estimates *to, const struct seep_profile_estimates *from) {
  seep_estimate_merge(&to->live_bytes, &from->live_bytes);
  seep_estimate_merge(&to->live_count, &from->live_count);
  seep_estimate_merge(&to->alloc_bytes, &from->alloc_bytes);
  seep_estimate_merge(&to->alloc_count, &from->alloc_count);
  seep_estimate_merge(&to->survivor_bytes, &from->survivor_bytes);
  seep_estimate_merge(&to->survivor_count, &from->survivor_count);
}
