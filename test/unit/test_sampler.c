/* The sampler: points that are a Poisson process, a table that knows its blocks,
 * a filter that never denies one. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "record/sampler.h"

static struct seep_sampler sampler;

static void fresh(uint32_t interval_bytes, uint64_t seed) {
  seep_sampler_clear(&sampler);
  memset(&sampler, 0, sizeof sampler);
  assert_true(seep_sampler_init(&sampler, interval_bytes, seed));
}

static void logarithms_are_right(void **unused) {
  (void)unused;
  struct unit_random random = {.state = 1};
  for (int i = 0; i < 200000; i++) {
    double x = (double)((unit_random_next(&random) >> 11) + 1) * 0x1p-53;
    assert_true(fabs(seep_ln(x) - log(x)) <= 1e-13 * (1 + fabs(log(x))));
  }
  assert_true(seep_ln(1) == 0);
  assert_true(fabs(seep_ln(0x1p-53) - log(0x1p-53)) < 1e-12);
  assert_true(fabs(seep_ln(2.0 / 3) - log(2.0 / 3)) < 1e-15);
}

/* The chance of a block depends on its size alone, and on nothing before it. */
static void chances_are_those_of_a_poisson_process(void **unused) {
  (void)unused;
  enum { INTERVAL = 4096, BLOCKS = 400000 };
  static const size_t sizes[] = {1, 16, 56, 500, 4096, 10000, 40000};
  fresh(INTERVAL, 5);
  for (size_t k = 0; k < SEEP_ARRAY_SIZE(sizes); k++) {
    double chance = -expm1(-(double)sizes[k] / INTERVAL);
    uint32_t hits = 0, hits_after_hit = 0;
    bool hit = false;
    for (int i = 0; i < BLOCKS; i++) {
      bool again = seep_sampler_pass(&sampler, sizes[k]);
      if (again) seep_sampler_draw(&sampler);
      hits += again;
      hits_after_hit += hit && again;
      hit = again;
    }
    double deviation = sqrt(BLOCKS * chance * (1 - chance)) + 1;
    assert_true(fabs(hits - BLOCKS * chance) < 4 * deviation);
    assert_true(fabs(hits_after_hit - hits * chance) < 4 * sqrt(hits * chance * (1 - chance)) + 4);
  }
}

static void equal_seeds_give_equal_points(void **unused) {
  (void)unused;
  int64_t points[100];
  fresh(1000, 42);
  for (int i = 0; i < 100; i++) {
    seep_sampler_draw(&sampler);
    points[i] = sampler.left_bytes;
  }
  fresh(1000, 42);
  for (int i = 0; i < 100; i++) {
    seep_sampler_draw(&sampler);
    assert_int_equal(sampler.left_bytes, points[i]);
  }
  fresh(1000, 43);
  seep_sampler_draw(&sampler);
  assert_int_not_equal(sampler.left_bytes, points[0]);
}

static void size_classes_are_narrow(void **unused) {
  (void)unused;
  uint32_t last = 0;
  for (uint64_t size = 0; size < 128; size++) assert_int_equal(seep_size_class(size), size);
  for (uint64_t size = 1, first = 1; size < (1u << 20); size++) {
    uint32_t class = seep_size_class(size);
    assert_true(class == last || class == last + 1);
    if (class != last) first = size;
    assert_true((size - first) * 64 <= first);
    last = class;
  }
  assert_true(seep_size_class(UINT64_MAX) < 4096);
}

/* Blocks that come and go, also ones that share a place in the filter. */
static void blocks_are_known_while_they_live(void **unused) {
  (void)unused;
  enum { BLOCKS = 20000, STEPS = 400000 };
  static uint32_t rows[BLOCKS];
  struct unit_random random = {.state = 7};
  fresh(1000, 1);
  memset(rows, 0, sizeof rows);
  for (int i = 0; i < STEPS; i++) {
    uint32_t n = unit_random_below(&random, BLOCKS);
    uintptr_t block = 0x7f0000000000 + (uintptr_t)(n % 100) * 48 + (uintptr_t)(n / 100) * SEEP_FILTER_BYTES * 16;
    const struct seep_sample *found = seep_sampler_find(&sampler, block);
    if (rows[n] == 0) {
      assert_null(found);
      rows[n] = 1 + unit_random_below(&random, 1000);
      assert_true(seep_sampler_put(&sampler, block, rows[n], n));
    } else {
      assert_true(seep_sampler_may_have(&sampler, block));
      assert_non_null(found);
      assert_int_equal(found->row, rows[n]);
      assert_int_equal(found->epoch, n);
      seep_sampler_take(&sampler, found);
      rows[n] = 0;
    }
  }
  size_t alive = 0;
  for (int n = 0; n < BLOCKS; n++) alive += rows[n] != 0;
  assert_int_equal(sampler.count, alive);
}

/* The same place of the filter, more often than a byte can count. */
static void a_full_count_stays(void **unused) {
  (void)unused;
  fresh(1000, 1);
  for (uintptr_t i = 1; i <= 600; i++) {
    assert_true(seep_sampler_put(&sampler, i * SEEP_FILTER_BYTES * 16, 1, 0));
  }
  for (uintptr_t i = 1; i <= 600; i++) {
    const struct seep_sample *found = seep_sampler_find(&sampler, i * SEEP_FILTER_BYTES * 16);
    assert_non_null(found);
    seep_sampler_take(&sampler, found);
  }
  assert_int_equal(sampler.count, 0);
  assert_null(seep_sampler_find(&sampler, SEEP_FILTER_BYTES * 16));
}

static void frees_of_watched_blocks_are_told(void **unused) {
  (void)unused;
  fresh(4096, 3);
  for (uintptr_t i = 1; i <= 300; i++) assert_true(seep_sampler_watch(&sampler, i * SEEP_FILTER_BYTES * 16)); /* all in one place */
  assert_true(seep_sampler_watch(&sampler, 4096));
  assert_true(seep_sampler_watch(&sampler, 4096));
  assert_true(seep_sampler_may_have(&sampler, 4096));
  assert_null(seep_sampler_find(&sampler, 4096));
  assert_true(seep_sampler_unwatch(&sampler, 4096));
  assert_false(seep_sampler_may_have(&sampler, 4096));
  assert_false(seep_sampler_unwatch(&sampler, 4096));
  assert_true(seep_sampler_unwatch(&sampler, 300 * SEEP_FILTER_BYTES * 16));
  seep_sampler_clear(&sampler);
  assert_false(seep_sampler_unwatch(&sampler, SEEP_FILTER_BYTES * 16));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(logarithms_are_right),
      cmocka_unit_test(chances_are_those_of_a_poisson_process),
      cmocka_unit_test(equal_seeds_give_equal_points),
      cmocka_unit_test(size_classes_are_narrow),
      cmocka_unit_test(blocks_are_known_while_they_live),
      cmocka_unit_test(a_full_count_stays),
      cmocka_unit_test(frees_of_watched_blocks_are_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
