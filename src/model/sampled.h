/* The rows of mode sample: from counters of sampled blocks to those of all
 * blocks, with how far they are certain (estimate.h).
 *
 * A row of such a capture counts blocks of one size class, so that one weight
 * serves all its counters: a linear change, after which allocated, freed, live
 * and survivors still belong together. */
#ifndef SEEP_SAMPLED_H
#define SEEP_SAMPLED_H

#include "model/profile.h"

/* How many blocks a sampled block of the row stands for. */
double seep_sampled_weight(const struct seep_row_record *row, uint32_t interval_bytes);

/* Bytes of sampled blocks as bytes of all blocks. Any values are safe. */
uint64_t seep_sampled_scale(uint64_t bytes, double weight);

/* Replaces the counters of a row by estimates, and says how far these are
 * certain. Growth becomes 0: it is not known. `seed` is the row's own number; it
 * decides which counts of blocks are rounded up, so that none is biased. */
void seep_sampled_estimate(const struct seep_row_record *row, uint32_t interval_bytes, uint64_t seed,
                           struct seep_counters *counters, struct seep_profile_estimates *out);

/* Adds what was estimated of another row. */
void seep_sampled_merge(struct seep_profile_estimates *to, const struct seep_profile_estimates *from);

#endif
