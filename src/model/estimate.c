/* See estimate.h. */
#include "model/estimate.h"

#include <math.h>

static const double standard_errors = 2.1;

double seep_estimate_weight(double size_bytes, uint32_t interval_bytes) {
  if (size_bytes <= 0 || interval_bytes == 0) return 1;
  return -1 / expm1(-size_bytes / interval_bytes);
}

static void add(struct seep_estimate *estimate, double count, double value, double weight) {
  estimate->total += count * value * weight;
  estimate->variance += count * value * value * weight * (weight - 1);
  estimate->seen += count * value;
}

/* Of blocks of any size, one interval's bytes are missed as often as one sample is. */
void seep_estimate_add_bytes(struct seep_estimate *estimate, uint64_t count, uint64_t bytes, double weight,
                             uint32_t interval_bytes) {
  if (count != 0) add(estimate, (double)count, (double)bytes / (double)count, weight);
  estimate->unseen = interval_bytes;
}

void seep_estimate_add_count(struct seep_estimate *estimate, uint64_t count, double weight,
                             double smallest_bytes, uint32_t interval_bytes) {
  double unseen = interval_bytes / (smallest_bytes < 1 ? 1 : smallest_bytes);
  add(estimate, (double)count, 1, weight);
  if (unseen > estimate->unseen) estimate->unseen = unseen;
}

void seep_estimate_merge(struct seep_estimate *to, const struct seep_estimate *from) {
  to->total += from->total;
  to->variance += from->variance;
  to->seen += from->seen;
  if (from->unseen > to->unseen) to->unseen = from->unseen;
}

/* Byar's approximation to half of a chi-square quantile with 2n degrees of
 * freedom, divided by n. `sign`: -1 lower, 1 upper. */
static double byar(double n, int sign) {
  double root = 1 - 1 / (9 * n) + sign * standard_errors / (3 * sqrt(n));
  return root > 0 ? root * root * root : 0;
}

void seep_estimate_interval(const struct seep_estimate *estimate, double *low, double *high) {
  double total = estimate->total, variance = estimate->variance;
  *low = variance > 0 ? total * byar(total * total / variance, -1) : total;
  double most = total + estimate->unseen;
  double most_variance = variance + estimate->unseen * estimate->unseen;
  *high = most_variance > 0 ? most * byar(most * most / most_variance, 1) : most;
  if (*low < estimate->seen) *low = estimate->seen;
  if (*high < total) *high = total;
  *low = fmin(*low, 9e18);
  *high = fmin(*high, 9e18);
}
