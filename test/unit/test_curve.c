/* Made-up survivor curves of which one knows what they are. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "verdict/curve.h"

enum { KIB = 1024, MIB = 1024 * 1024, LEAST = 4096 };

/* A curve of `count` points evenly over the clock, filled by `shape` from the share of
 * the clock; nothing dies, and the line allocates until the end. */
static struct seep_curve make(uint32_t count, double (*shape)(double)) {
  struct seep_curve curve = {.count = count, .clock_bytes = 100 * MIB, .last_alloc_bytes = 100 * MIB,
                             .ended_bytes = 100 * MIB, .last_epoch_bytes = 100.0 * MIB / count};
  for (uint32_t i = 0; i < count; i++) {
    double share = (double)i / count;
    curve.at_bytes[i] = share * curve.clock_bytes;
    curve.bytes[i] = shape(share);
    curve.epoch[i] = i;
  }
  curve.live_bytes = shape(1);
  curve.live_count = curve.live_bytes / 64;
  curve.alloc_bytes = curve.live_bytes * 1.2;
  return curve;
}

static enum seep_verdict verdict_of(const struct seep_curve *curve) {
  struct seep_shape shape;
  seep_curve_judge(curve, LEAST, &shape);
  assert_true(shape.confidence >= 0 && shape.confidence <= 1);
  return shape.verdict;
}

static double steady(double x) { return 10 * MIB * x; }
static double from_two_thirds(double x) { return x < 0.67 ? 0 : 10 * MIB * (x - 0.67); }
static double in_steps(double x) { return floor(x * 8) * MIB; }
static double faster(double x) { return 10 * MIB * x * x; }
static double filling_up(double x) { return 10 * MIB * (1 - exp(-x * 8)); }
static double full_at_half(double x) { return x < 0.5 ? 20 * MIB * x : 10 * MIB; }
static double loaded(double x) { return x < 0.03 ? 0 : 10 * MIB; }
static double one_step(double x) { return x < 0.7 ? MIB : 5 * MIB; }
static double teeth(double x) { return 10 * MIB * (x * 5 - floor(x * 5)); }
static double half_a_tooth(double x) { return 10 * MIB * (x * 3.6 - floor(x * 3.6)); }
static double noise(double x) { return 300 * KIB + 60 * KIB * sin(x * 977) * sin(x * 131); }
static double rising_teeth(double x) { return 20 * MIB * x + 2 * MIB * (x * 15 - floor(x * 15)); }
static double shrinking(double x) { return 10 * MIB * (1.1 - x); }
static double nothing(double x) { (void)x; return 0; }

static void what_grows_until_the_end_is_a_leak(void **unused) {
  (void)unused;
  double (*const leaks[])(double) = {steady, from_two_thirds, in_steps, faster, rising_teeth};
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(leaks); i++) {
    struct seep_curve curve = make(32, leaks[i]);
    assert_int_equal(verdict_of(&curve), SEEP_VERDICT_LEAK);
  }
}

static void what_does_not_is_none(void **unused) {
  (void)unused;
  const struct {
    double (*shape)(double);
    enum seep_verdict verdict;
  } cases[] = {{filling_up, SEEP_VERDICT_SATURATING}, {full_at_half, SEEP_VERDICT_SATURATING},
               {loaded, SEEP_VERDICT_STATIC}, {one_step, SEEP_VERDICT_SATURATING}, {teeth, SEEP_VERDICT_CHURN}, {half_a_tooth, SEEP_VERDICT_CHURN},
               {noise, SEEP_VERDICT_SATURATING}, {shrinking, SEEP_VERDICT_CHURN}, {nothing, SEEP_VERDICT_NONE}};
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(cases); i++) {
    struct seep_curve curve = make(32, cases[i].shape);
    assert_int_equal(verdict_of(&curve), cases[i].verdict);
  }
}

/* A cache that is full, or data that was loaded: the line is quiet. */
static void a_line_that_has_stopped_does_not_leak(void **unused) {
  (void)unused;
  struct seep_curve curve = make(32, steady);
  curve.last_alloc_bytes = 0.6 * curve.clock_bytes;
  assert_int_equal(verdict_of(&curve), SEEP_VERDICT_WARMUP);
  curve = make(32, steady);
  curve.idle_share = 0.5;
  assert_true(verdict_of(&curve) != SEEP_VERDICT_LEAK);
}

/* Survivors that are renewed at every epoch grow with the epochs. */
static void garbage_found_late_is_none(void **unused) {
  (void)unused;
  struct seep_curve curve = make(12, steady);
  curve.died_share = 0.9;
  curve.alloc_bytes = 300 * MIB;
  assert_true(verdict_of(&curve) != SEEP_VERDICT_LEAK);
}

/* The collector ran twice: what it left is all that there was, and there is more. */
static void few_collections_are_enough_when_all_stays(void **unused) {
  (void)unused;
  struct seep_curve curve = {.count = 3, .clock_bytes = MIB, .last_alloc_bytes = MIB, .ended_bytes = 0.6 * MIB,
                             .spared_bytes = 60 * KIB, .live_bytes = 195 * KIB, .live_count = 3000,
                             .alloc_bytes = 200 * KIB, .last_epoch_bytes = 0.3 * MIB};
  curve.at_bytes[1] = 0.1 * MIB, curve.bytes[1] = 20 * KIB, curve.epoch[1] = 1;
  curve.at_bytes[2] = 0.3 * MIB, curve.bytes[2] = 60 * KIB, curve.epoch[2] = 2;
  struct seep_shape shape;
  seep_curve_judge(&curve, LEAST, &shape);
  assert_int_equal(shape.verdict, SEEP_VERDICT_LEAK);
  assert_true(shape.few);
  assert_true(shape.confidence <= 0.5);
  curve.spared_bytes = 0; /* nothing of the last epoch stayed */
  assert_true(verdict_of(&curve) != SEEP_VERDICT_LEAK);
  curve.spared_bytes = 60 * KIB;
  curve.alloc_bytes = 2 * MIB; /* most of what there was has gone */
  assert_true(verdict_of(&curve) != SEEP_VERDICT_LEAK);
  curve.count = 0;
  seep_curve_judge(&curve, LEAST, &shape);
  assert_int_equal(shape.verdict, SEEP_VERDICT_NONE);
  assert_true(shape.few);
}

/* The hash part of a set: never a survivor for long, for it is made anew at each doubling. */
static void a_part_that_doubles_is_a_leak(void **unused) {
  (void)unused;
  struct seep_curve curve = {.count = 10, .clock_bytes = 100 * MIB, .last_alloc_bytes = 80 * MIB,
                             .ended_bytes = 100 * MIB, .live_bytes = 8 * MIB, .live_count = 1, .alloc_bytes = 16 * MIB, .resized = true};
  for (uint32_t i = 0; i < curve.count; i++) {
    curve.at_bytes[i] = i * 10.0 * MIB;
    curve.epoch[i] = i;
    curve.newest_bytes[i] = i < 2 ? MIB : i < 4 ? 2 * MIB : i < 8 ? 4 * MIB : 8 * MIB;
  }
  assert_int_equal(verdict_of(&curve), SEEP_VERDICT_LEAK);
  struct seep_curve other = curve;
  other.last_alloc_bytes = 40 * MIB; /* it would have had to double again */
  assert_true(verdict_of(&other) != SEEP_VERDICT_LEAK);
  other = curve;
  other.first_alloc_bytes = 75 * MIB; /* filled in one go */
  assert_true(verdict_of(&other) != SEEP_VERDICT_LEAK);
  other = curve;
  other.newest_bytes[9] = 2 * MIB; /* it was made smaller */
  assert_true(verdict_of(&other) != SEEP_VERDICT_LEAK);
  other = curve;
  other.alloc_bytes = 80 * MIB; /* made anew again and again at the same size */
  assert_true(verdict_of(&other) != SEEP_VERDICT_LEAK);
}

/* A text that gets longer with each line: no survivors, but ever larger blocks. */
static void a_block_that_swells_is_a_leak(void **unused) {
  (void)unused;
  struct seep_curve curve = make(30, nothing);
  for (uint32_t i = 0; i < curve.count; i++) curve.newest_bytes[i] = 10.0 * KIB * i + 100;
  curve.live_bytes = 400 * KIB;
  curve.alloc_bytes = 60 * MIB;
  assert_int_equal(verdict_of(&curve), SEEP_VERDICT_LEAK);
  curve.newest_bytes[20] = 5; /* it was cut */
  assert_true(verdict_of(&curve) != SEEP_VERDICT_LEAK);
}

static void growth_is_that_of_the_floor(void **unused) {
  (void)unused;
  struct seep_curve curve = make(20, steady);
  assert_in_range((uint64_t)seep_curve_growth(&curve, 0.5 * curve.clock_bytes), 4.4 * MIB, 4.6 * MIB);
  curve = make(20, teeth);
  assert_in_range((uint64_t)seep_curve_growth(&curve, 0), 7 * MIB, 8 * MIB);
  curve.count = 0;
  assert_true(seep_curve_growth(&curve, 0) == 0);
}

/* A file may hold anything: no crash, and a confidence that is one. */
static void any_numbers_are_safe(void **unused) {
  (void)unused;
  struct unit_random random = {77};
  for (int round = 0; round < 20000; round++) {
    struct seep_curve curve;
    struct seep_shape shape;
    double *numbers = (double *)&curve.at_bytes;
    memset(&curve, 0, sizeof curve);
    for (size_t i = 0; i < 3 * SEEP_CURVE_POINTS; i++) {
      numbers[i] = round % 3 == 0 ? (double)unit_random_next(&random) : (double)unit_random_below(&random, 9);
    }
    curve.count = unit_random_below(&random, SEEP_CURVE_POINTS + 1);
    curve.resized = round % 2;
    curve.clock_bytes = (double)(unit_random_next(&random) >> unit_random_below(&random, 64));
    curve.live_bytes = (double)(unit_random_next(&random) >> unit_random_below(&random, 64));
    curve.alloc_bytes = (double)(unit_random_next(&random) >> unit_random_below(&random, 64));
    curve.died_share = unit_random_below(&random, 11) / 10.0;
    seep_curve_judge(&curve, LEAST, &shape);
    assert_true(shape.confidence >= 0 && shape.confidence <= 1);
    assert_true(shape.onset <= SEEP_CURVE_POINTS && shape.last_rise <= SEEP_CURVE_POINTS);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_grows_until_the_end_is_a_leak),
      cmocka_unit_test(what_does_not_is_none),
      cmocka_unit_test(a_line_that_has_stopped_does_not_leak),
      cmocka_unit_test(garbage_found_late_is_none),
      cmocka_unit_test(few_collections_are_enough_when_all_stays),
      cmocka_unit_test(a_part_that_doubles_is_a_leak),
      cmocka_unit_test(a_block_that_swells_is_a_leak),
      cmocka_unit_test(growth_is_that_of_the_floor),
      cmocka_unit_test(any_numbers_are_safe),
  };
  return cmocka_run_group_tests_name("curve", tests, NULL, NULL);
}
