/* The survivor series: with bounded memory, each point is the value at the end
 * of the epoch that it stands for. */
#include "unit.h"

#include "record/series.h"

/* The value at the end of an epoch, to compare with. */
static uint64_t value_at(uint32_t epoch) { return seep_mix64(epoch) >> 8; }

static void check_points(const struct seep_series_record *series, uint32_t last_epoch) {
  assert_in_range(series->count, 1, SEEP_SERIES_POINTS);
  assert_int_equal(series->next_epoch, series->first_epoch + series->count * series->step);
  assert_true(series->next_epoch > last_epoch);
  assert_true(series->next_epoch - last_epoch <= series->step);
  for (uint32_t i = 0; i < series->count; i++) {
    assert_true(series->survivor_bytes[i] == value_at(series->first_epoch + i * series->step));
  }
}

static void one_epoch_at_a_time(void **unused) {
  (void)unused;
  struct seep_series_record series;
  seep_series_start(&series, 17);
  for (uint32_t epoch = 17; epoch < 5000; epoch++) {
    seep_series_advance(&series, epoch, value_at(epoch));
    check_points(&series, epoch);
  }
  assert_int_equal(series.first_epoch, 17);
  /* Steps double when it is full: 4983 epochs need 256 at least. */
  assert_int_equal(series.step, 256);
  assert_true(series.count >= SEEP_SERIES_POINTS / 2);
}

static void it_is_fine_grained_until_it_is_full(void **unused) {
  (void)unused;
  struct seep_series_record series;
  seep_series_start(&series, 0);
  for (uint32_t epoch = 0; epoch < SEEP_SERIES_POINTS; epoch++) {
    seep_series_advance(&series, epoch, epoch);
    assert_int_equal(series.step, 1);
    assert_int_equal(series.count, epoch + 1);
  }
  seep_series_advance(&series, SEEP_SERIES_POINTS, 32);
  assert_int_equal(series.step, 2);
  assert_int_equal(series.count, SEEP_SERIES_POINTS / 2 + 1);
}

/* Long pauses: all the epochs of one have the value that was there meanwhile. */
static void gaps_hold_their_value(void **unused) {
  (void)unused;
  struct unit_random random = {11};
  for (int round = 0; round < 200; round++) {
    enum { EPOCHS = 3000 };
    static uint64_t model[EPOCHS];
    struct seep_series_record series;
    uint32_t first = unit_random_below(&random, 50), epoch = first;
    seep_series_start(&series, first);
    while (epoch < EPOCHS - 400) {
      uint32_t last = epoch + unit_random_below(&random, round % 2 == 0 ? 3 : 400);
      uint64_t value = unit_random_next(&random);
      for (; epoch <= last; epoch++) model[epoch] = value;
      seep_series_advance(&series, last, value);
      assert_true(series.next_epoch > last);
      for (uint32_t i = 0; i < series.count; i++) {
        assert_true(series.survivor_bytes[i] == model[series.first_epoch + i * series.step]);
      }
    }
  }
}

static void what_is_known_already_changes_nothing(void **unused) {
  (void)unused;
  struct seep_series_record series;
  seep_series_start(&series, 5);
  seep_series_advance(&series, 4, 99);
  assert_int_equal(series.count, 0);
  seep_series_advance(&series, 8, 1);
  struct seep_series_record before = series;
  seep_series_advance(&series, 8, 2);
  seep_series_advance(&series, 3, 2);
  assert_memory_equal(&series, &before, sizeof series);
}

static void a_huge_gap_ends(void **unused) {
  (void)unused;
  struct seep_series_record series;
  seep_series_start(&series, 1);
  seep_series_advance(&series, 1u << 30, 7);
  assert_in_range(series.count, SEEP_SERIES_POINTS / 2, SEEP_SERIES_POINTS);
  for (uint32_t i = 0; i < series.count; i++) assert_int_equal(series.survivor_bytes[i], 7);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_epoch_at_a_time),
      cmocka_unit_test(it_is_fine_grained_until_it_is_full),
      cmocka_unit_test(gaps_hold_their_value),
      cmocka_unit_test(what_is_known_already_changes_nothing),
      cmocka_unit_test(a_huge_gap_ends),
  };
  return cmocka_run_group_tests_name("series", tests, NULL, NULL);
}
