/* Estimates: unbiased, and intervals that cover the truth as often as they
 * promise, over a thousand seeded runs of the real sampler. SEEP_SAMPLING_LONG
 * in the environment: also with thousands of expected samples. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "model/estimate.h"
#include "record/sampler.h"

enum { INTERVAL = 4096, RUNS = 1000, SIZES_MAX = 4 };

/* Blocks of a few sizes, and what part of the sampled ones each is. */
struct population {
  const char *name;
  uint32_t size_count;
  double sizes_bytes[SIZES_MAX];
  double parts[SIZES_MAX];
  double smallest_bytes;  /* what is known of sizes: 0, the row's own */
};

static const struct population populations[] = {
    {"tables", 1, {56}, {1}, 0},
    {"small blocks", 1, {16}, {1}, 0},
    {"of one interval", 1, {4096}, {1}, 0},
    {"two sizes", 2, {16, 512}, {0.5, 0.5}, 16},
    {"a few small ones that are most", 2, {16, 1024}, {0.05, 0.95}, 16},
    {"a mixture", 4, {40, 56, 200, 6000}, {0.3, 0.3, 0.2, 0.2}, 16},
};

struct outcome {
  uint32_t bytes_covered, count_covered;
  double bytes_sum, count_sum;
};

/* One run: every block passes the sampler, in turns; those sampled are added up
 * by size, as the recorder does. */
static void run(struct seep_sampler *sampler, const struct population *population, const uint32_t *counts,
                struct seep_estimate *bytes, struct seep_estimate *count) {
  uint32_t sampled[SIZES_MAX] = {0}, left[SIZES_MAX], all = 0;
  for (uint32_t k = 0; k < population->size_count; k++) all += left[k] = counts[k];
  for (uint32_t k = 0; all > 0; k = (k + 1) % population->size_count) {
    uint32_t share = counts[k] / 97 + 1;
    for (; share > 0 && left[k] > 0; share--, left[k]--, all--) {
      if (!seep_sampler_pass(sampler, (size_t)population->sizes_bytes[k])) continue;
      seep_sampler_draw(sampler);
      sampled[k]++;
    }
  }
  for (uint32_t k = 0; k < population->size_count; k++) {
    double size = population->sizes_bytes[k], weight = seep_estimate_weight(size, INTERVAL);
    double smallest = population->smallest_bytes > 0 ? population->smallest_bytes : size;
    seep_estimate_add_bytes(bytes, sampled[k], (uint64_t)(sampled[k] * size), weight, INTERVAL);
    seep_estimate_add_count(count, sampled[k], weight, smallest, INTERVAL);
  }
}

static bool covers(const struct seep_estimate *estimate, double truth) {
  double low, high;
  seep_estimate_interval(estimate, &low, &high);
  assert_true(low <= estimate->total + 1e-6 && estimate->total <= high + 1e-6);
  return low <= truth && truth <= high;
}

static void check_coverage(const struct population *population, double expected) {
  static struct seep_sampler sampler;
  uint32_t counts[SIZES_MAX];
  double true_bytes = 0, true_count = 0;
  struct outcome outcome = {0};
  for (uint32_t k = 0; k < population->size_count; k++) {
    counts[k] = (uint32_t)(expected * population->parts[k] * seep_estimate_weight(population->sizes_bytes[k], INTERVAL) + 1);
    true_bytes += counts[k] * population->sizes_bytes[k];
    true_count += counts[k];
  }
  for (uint64_t seed = 1; seed <= RUNS; seed++) {
    struct seep_estimate bytes = {0}, count = {0};
    memset(&sampler, 0, sizeof sampler);
    assert_true(seep_sampler_init(&sampler, INTERVAL, seed * 1000003 + (uint64_t)expected));
    run(&sampler, population, counts, &bytes, &count);
    seep_sampler_clear(&sampler);
    outcome.bytes_covered += covers(&bytes, true_bytes);
    outcome.count_covered += covers(&count, true_count);
    outcome.bytes_sum += bytes.total;
    outcome.count_sum += count.total;
  }
  print_message("# %-32s %6.1f samples: bytes %5.1f %%, blocks %5.1f %% covered; bias %+.2f %%, %+.2f %%\n",
                population->name, expected, 100.0 * outcome.bytes_covered / RUNS, 100.0 * outcome.count_covered / RUNS,
                100 * (outcome.bytes_sum / RUNS / true_bytes - 1), 100 * (outcome.count_sum / RUNS / true_count - 1));
  assert_in_range(outcome.bytes_covered, RUNS * 950 / 1000, RUNS);
  assert_in_range(outcome.count_covered, RUNS * 950 / 1000, RUNS);
  if (expected >= 20) {
    assert_in_range(outcome.bytes_covered, 0, RUNS * 985 / 1000);
    if (population->size_count == 1) assert_in_range(outcome.count_covered, 0, RUNS * 985 / 1000);
  }
  /* Four standard errors of the mean of all runs. */
  assert_true(fabs(outcome.bytes_sum / RUNS / true_bytes - 1) < 4 / sqrt(expected * RUNS));
}

static void intervals_cover_the_truth(void **unused) {
  (void)unused;
  static const double expected[] = {0.2, 1, 3, 8, 20, 33, 60, 200};
  for (size_t p = 0; p < SEEP_ARRAY_SIZE(populations); p++) {
    for (size_t i = 0; i < SEEP_ARRAY_SIZE(expected); i++) check_coverage(&populations[p], expected[i]);
    if (getenv("SEEP_SAMPLING_LONG") == NULL) continue;
    for (double many = 20; many <= 3000; many *= 1.25) check_coverage(&populations[p], many);
  }
}

static void weights_are_one_over_the_chance(void **unused) {
  (void)unused;
  assert_true(fabs(seep_estimate_weight(1, 1u << 20) - ((1 << 20) + 0.5)) < 1e-3);
  assert_true(fabs(seep_estimate_weight(1 << 20, 1u << 20) - 1 / (1 - exp(-1))) < 1e-12);
  assert_true(seep_estimate_weight(1e9, 1024) == 1);
  assert_true(seep_estimate_weight(0, 1024) == 1);
  assert_true(seep_estimate_weight(10, 0) == 1);
}

static void no_samples_are_an_answer_too(void **unused) {
  (void)unused;
  struct seep_estimate estimate = {0};
  double low, high;
  seep_estimate_interval(&estimate, &low, &high);
  assert_true(low == 0 && high == 0);
  seep_estimate_add_bytes(&estimate, 0, 0, 100, 1000);
  seep_estimate_interval(&estimate, &low, &high);
  assert_true(low == 0 && high > 3000 && high < 5000);
}

static void what_was_seen_is_certain(void **unused) {
  (void)unused;
  struct seep_estimate estimate = {0};
  double low, high;
  seep_estimate_add_bytes(&estimate, 3, 3000000, seep_estimate_weight(1000000, 1000), 1000);
  seep_estimate_interval(&estimate, &low, &high);
  assert_true(low == 3000000 && high >= 3000000 && high < 3010000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(weights_are_one_over_the_chance),
      cmocka_unit_test(no_samples_are_an_answer_too),
      cmocka_unit_test(what_was_seen_is_certain),
      cmocka_unit_test(intervals_cover_the_truth),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
