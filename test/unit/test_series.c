/* The history of a state and the series that follow it: bounded memory, spread evenly
 * over the clock, each point the least since the one before. */
#include "unit.h"

#include "record/series.h"

/* Moments lie in order, the first epoch is always one, and none is nearer to the one
 * before than the spacing. */
static void check_history(const struct seep_history *history) {
  assert_in_range(history->count, 1, SEEP_MOMENTS_MAX);
  assert_int_equal(history->moments[0].epoch, 0);
  for (uint32_t i = 1; i < history->count; i++) {
    const struct seep_moment *moment = &history->moments[i];
    assert_true(moment->epoch > moment[-1].epoch);
    assert_true(moment->alloc_bytes - moment[-1].alloc_bytes >= history->spacing_bytes);
    assert_true(moment->born_bytes <= moment->alloc_bytes);
  }
}

static void all_epochs_are_moments_while_there_is_room(void **unused) {
  (void)unused;
  struct seep_history history = {0};
  for (uint32_t epoch = 0; epoch < SEEP_MOMENTS_MAX; epoch++) {
    seep_history_note(&history, 1000 * (epoch + 1), epoch, 7);
    assert_int_equal(history.count, epoch + 1);
    assert_int_equal(history.moments[epoch].alloc_bytes, 1000 * (epoch + 1));
    assert_int_equal(history.moments[epoch].born_bytes, 1000 * epoch);
    assert_int_equal(history.moments[epoch].minor_count, 7);
  }
  assert_int_equal(history.generation, 0);
}

/* A thousand epochs while the heap is small, few while it is large: the late ones are
 * kept all the same. */
static void moments_are_spread_over_the_clock(void **unused) {
  (void)unused;
  struct seep_history history = {0};
  uint64_t clock = 0;
  uint32_t epoch = 0;
  for (; epoch < 1000; epoch++) seep_history_note(&history, clock += 1000, epoch, 0);
  for (; epoch < 1010; epoch++) seep_history_note(&history, clock += 1000000, epoch, 0);
  check_history(&history);
  uint32_t late = 0;
  for (uint32_t i = 0; i < history.count; i++) late += history.moments[i].epoch >= 1000;
  assert_int_equal(late, 10);
}

static void any_pace_leaves_half_the_moments(void **unused) {
  (void)unused;
  struct unit_random random = {3};
  for (int round = 0; round < 100; round++) {
    struct seep_history history = {0};
    uint64_t clock = 0;
    for (uint32_t epoch = 0; epoch < 3000; epoch++) {
      clock += 1 + unit_random_below(&random, 5000);
      seep_history_note(&history, clock, epoch, 0);
      check_history(&history);
      if (epoch > SEEP_MOMENTS_MAX) assert_true(history.count >= SEEP_MOMENTS_MAX / 3);
    }
    assert_true(clock - history.moments[history.count - 1].alloc_bytes <= 2 * history.spacing_bytes);
  }
}

/* A series is told of every end, or only now and then; the points are the same. */
static void a_series_follows_its_history(void **unused) {
  (void)unused;
  enum { EPOCHS = 3000 };
  static uint64_t value[EPOCHS];
  static uint32_t newest[EPOCHS];
  struct unit_random random = {11};
  for (int round = 0; round < 60; round++) {
    struct seep_history history = {0};
    struct seep_series_record series;
    uint64_t clock = 0;
    seep_series_start(&series, &history);
    for (uint32_t epoch = 0; epoch < EPOCHS - 400;) {
      uint32_t first = epoch, last = epoch + unit_random_below(&random, round % 2 == 0 ? 3 : 400);
      uint64_t bytes = unit_random_next(&random) >> 20, more = bytes + unit_random_below(&random, 1000);
      for (; epoch <= last; epoch++) {
        value[epoch] = epoch == first ? bytes : more;
        seep_history_note(&history, clock += 1 + unit_random_below(&random, 900), epoch, 0);
      }
      struct seep_ends ends = {.first = first, .now = epoch, .bytes_first = bytes, .bytes_later = more,
                               .newest_bytes = first + 1};
      seep_series_advance(&series, &history, &ends);
      for (uint32_t i = first; i < epoch; i++) newest[i] = first + 1;
      assert_int_equal(series.count, history.count);
      uint32_t from = 0;
      for (uint32_t i = 0; i < series.count; i++) {
        uint64_t least = UINT64_MAX;
        for (; from <= history.moments[i].epoch; from++) least = value[from] < least ? value[from] : least;
        assert_int_equal(series.epochs[i], history.moments[i].epoch);
        assert_true(series.survivor_bytes[i] == least);
        assert_int_equal(series.newest_bytes[i], newest[series.epochs[i]]);
      }
    }
  }
}

/* A file may hold anything. */
static void damaged_records_are_harmless(void **unused) {
  (void)unused;
  struct unit_random random = {5};
  for (int round = 0; round < 20000; round++) {
    struct seep_history history;
    struct seep_series_record series;
    unsigned char *bytes = (unsigned char *)&history;
    for (size_t i = 0; i < sizeof history; i++) bytes[i] = (unsigned char)unit_random_below(&random, 256);
    bytes = (unsigned char *)&series;
    for (size_t i = 0; i < sizeof series; i++) bytes[i] = (unsigned char)unit_random_below(&random, 256);
    if (round % 2 == 0) history.count %= 2 * SEEP_MOMENTS_MAX;
    if (round % 3 == 0) series.count %= 2 * SEEP_MOMENTS_MAX;
    if (round % 5 == 0) series.generation = history.generation;
    struct seep_ends ends = {.first = unit_random_below(&random, 9), .now = 10, .bytes_first = 5, .bytes_later = 6};
    seep_series_advance(&series, &history, &ends);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_epochs_are_moments_while_there_is_room),
      cmocka_unit_test(moments_are_spread_over_the_clock),
      cmocka_unit_test(any_pace_leaves_half_the_moments),
      cmocka_unit_test(a_series_follows_its_history),
      cmocka_unit_test(damaged_records_are_harmless),
  };
  return cmocka_run_group_tests_name("series", tests, NULL, NULL);
}
