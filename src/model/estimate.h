/* What sampled blocks say about all blocks: estimates and their intervals.
 *
 * Model (record/sampler.h): a block of s bytes is sampled with probability
 * p = 1 - e^(-s / interval), independently of all others. So every sampled
 * block stands for w = 1 / p blocks and s w bytes (Horvitz and Thompson, 1952):
 * the sum has the right expectation for any mixture of sizes, because each
 * size is weighted before anything is added up. Its variance is estimated by
 * the sum of (value w)^2 (1 - p).
 *
 * The interval is that for a weighted sum of Poisson counts (Fay and Feuer,
 * 1997), with the chi-square quantiles as Byar has them: as many standard
 * errors as belong to 96.4 %, because what is promised is *at least* 95 % at
 * any number of samples, and quantiles are approximate. For one size and a
 * small chance it is the exact one of a Poisson count (Garwood, 1936). It
 * always contains what was seen. No samples give an interval too: from 0.
 *
 * Uses libm: for the command, not inside a program. */
#ifndef SEEP_ESTIMATE_H
#define SEEP_ESTIMATE_H

#include "base/base.h"

/* A sum of values over blocks: bytes, or 1 for each block. */
struct seep_estimate {
  double total, variance;
  double seen;    /* the sum over the sampled blocks themselves */
  double unseen;  /* what one more sample could have stood for, at most */
};

/* How many blocks of `size_bytes` one sampled block stands for. */
double seep_estimate_weight(double size_bytes, uint32_t interval_bytes);

/* Adds `count` sampled blocks of about one size, which are `bytes` together and
 * have that weight: to a sum of bytes, and to a number of blocks.
 * `smallest_bytes` is the least size that a block of this kind may have, unseen:
 * a number of blocks is uncertain by the smallest of them. */
void seep_estimate_add_bytes(struct seep_estimate *estimate, uint64_t count, uint64_t bytes, double weight,
                             uint32_t interval_bytes);
void seep_estimate_add_count(struct seep_estimate *estimate, uint64_t count, double weight,
                             double smallest_bytes, uint32_t interval_bytes);

/* Adds up what was estimated apart. */
void seep_estimate_merge(struct seep_estimate *to, const struct seep_estimate *from);

/* The 95 % interval. Cut at 9e18, so that it can be made a whole number. */
void seep_estimate_interval(const struct seep_estimate *estimate, double *low, double *high);

#endif
