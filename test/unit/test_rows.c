/* A row's counters against a model that remembers every block's epoch of birth,
 * for random allocations, frees, resizes and ends of epochs, with the row
 * touched now and then only. */
#include "unit.h"

#include <string.h>

#include "record/rows.h"
#include "record/series.h"

enum { BLOCKS = 400, EPOCHS = 1200 };

struct block {
  uint64_t size_bytes;  /* 0: not alive */
  int birth;
};

struct model {
  struct block blocks[BLOCKS];
  int epoch;
  uint64_t alloc_bytes, alloc_count, freed_bytes, freed_count, temporary_count, peak_bytes;
  uint64_t survivors_at_end[EPOCHS];  /* of each epoch that is over */
  struct seep_history history;
};

/* A row with its series, and the epoch since which it has one. */
struct subject {
  struct seep_row_record row;
  struct seep_series_record series;
  uint32_t series_from;
};

static const struct seep_history no_history;

static uint64_t live_bytes(const struct model *model, int youngest_age, uint64_t *count) {
  uint64_t bytes = 0;
  *count = 0;
  for (int i = 0; i < BLOCKS; i++) {
    const struct block *block = &model->blocks[i];
    if (block->size_bytes == 0 || model->epoch - block->birth < youngest_age) continue;
    bytes += block->size_bytes;
    ++*count;
  }
  return bytes;
}

static int age_of(const struct model *model, const struct block *block) {
  int age = model->epoch - block->birth;
  return age < 2 ? age : 2;
}

static void model_add(struct model *model, struct block *block, uint64_t size_bytes, int birth) {
  uint64_t count;
  *block = (struct block){.size_bytes = size_bytes, .birth = birth};
  model->alloc_bytes += size_bytes;
  model->alloc_count++;
  uint64_t live = live_bytes(model, 0, &count);
  if (live > model->peak_bytes) model->peak_bytes = live;
}

static void model_remove(struct model *model, struct block *block) {
  model->freed_bytes += block->size_bytes;
  model->freed_count++;
  if (age_of(model, block) < 2) model->temporary_count++;
  block->size_bytes = 0;
}

static void model_end_epoch(struct model *model) {
  uint64_t count;
  int ended = model->epoch++;
  /* Those that have now seen two ends: born before the epoch that ended. */
  model->survivors_at_end[ended] = live_bytes(model, 2, &count);
  seep_history_note(&model->history, model->alloc_bytes, (uint32_t)ended, 0);
}

/* A series begins with the first touch after an end that left survivors. */
static void touch(struct subject *subject, const struct seep_history *history, int epoch) {
  struct seep_row_record *row = &subject->row;
  if (row->epoch == (uint32_t)epoch) return;
  uint64_t live = row->alloc_bytes - row->freed_bytes;
  bool two_ends = row->epoch + 1 < (uint32_t)epoch;
  if (row->series == 0 && live != (two_ends ? 0 : row->young_bytes[0])) {
    seep_series_start(&subject->series, history);
    subject->series_from = row->epoch;
    row->series = 1;
  }
  seep_row_catch_up(row, row->series != 0 ? &subject->series : NULL, history, (uint32_t)epoch);
}

/* The least since the moment before, as far back as the series goes. */
static uint64_t floor_until(const struct model *model, const struct subject *subject, uint32_t moment) {
  const struct seep_moment *moments = model->history.moments;
  uint32_t epoch = moment == 0 ? 0 : moments[moment - 1].epoch + 1;
  if (epoch < subject->series_from) epoch = subject->series_from;
  uint64_t least = UINT64_MAX;
  for (; epoch <= moments[moment].epoch; epoch++) {
    if (model->survivors_at_end[epoch] < least) least = model->survivors_at_end[epoch];
  }
  return least;
}

static void check_series(const struct model *model, const struct subject *subject) {
  const struct seep_series_record *series = &subject->series;
  uint32_t moment = 0;
  while (moment < model->history.count && model->history.moments[moment].epoch < subject->series_from) moment++;
  assert_int_equal(series->count, model->history.count - moment);
  for (uint32_t i = 0; i < series->count; i++, moment++) {
    assert_int_equal(series->epochs[i], model->history.moments[moment].epoch);
    assert_true(series->survivor_bytes[i] == floor_until(model, subject, moment));
  }
}

/* What the reader does: a copy is brought up to date and must say the truth. */
static void check(const struct model *model, const struct subject *subject) {
  struct subject copy = *subject;
  uint64_t count;
  touch(&copy, &model->history, model->epoch);
  struct seep_row_record now = copy.row;
  assert_true(now.alloc_bytes == model->alloc_bytes && now.alloc_count == model->alloc_count);
  assert_true(now.freed_bytes == model->freed_bytes && now.freed_count == model->freed_count);
  assert_true(now.alloc_bytes - now.freed_bytes == live_bytes(model, 0, &count));
  assert_true(now.alloc_count - now.freed_count == count);
  assert_true(seep_row_survivor_bytes(&now) == live_bytes(model, 2, &count));
  assert_true(seep_row_survivor_count(&now) == count);
  assert_true(now.temporary_count == model->temporary_count);
  assert_true(now.peak_bytes == model->peak_bytes);
  if (now.series != 0) check_series(model, &copy);
}

static void step(struct model *model, struct subject *subject, struct unit_random *random) {
  struct seep_row_record *row = &subject->row;
  struct block *block = &model->blocks[unit_random_below(random, BLOCKS)];
  uint64_t size = 1 + unit_random_below(random, 5000);
  touch(subject, &model->history, model->epoch);
  if (block->size_bytes == 0) {
    seep_row_add(row, size, 0, model->alloc_bytes + size);
    model_add(model, block, size, model->epoch);
  } else if (unit_random_below(random, 3) == 0) {
    /* A resize is a free and an allocation of the age that the block has. */
    int birth = block->birth;
    seep_row_remove(row, block->size_bytes, age_of(model, block));
    seep_row_add(row, size, model->epoch - birth < 2 ? model->epoch - birth : 2, model->alloc_bytes + size);
    model_remove(model, block);
    model_add(model, block, size, birth);
  } else {
    seep_row_remove(row, block->size_bytes, age_of(model, block));
    model_remove(model, block);
  }
}

static void random_lives(uint64_t seed, uint32_t busy, uint32_t quiet) {
  static struct model model;
  struct subject subject = {.row = {0}};
  struct unit_random random = {seed};
  memset(&model, 0, sizeof model);
  while (model.epoch < EPOCHS - 200) {
    for (uint32_t i = unit_random_below(&random, busy); i > 0; i--) step(&model, &subject, &random);
    check(&model, &subject);
    for (uint32_t i = unit_random_below(&random, quiet); i > 0; i--) model_end_epoch(&model);
    check(&model, &subject);
  }
}

static void busy_rows(void **unused) {
  (void)unused;
  for (uint64_t seed = 1; seed <= 5; seed++) random_lives(seed, 30, 3);
}

static void rows_with_long_pauses(void **unused) {
  (void)unused;
  for (uint64_t seed = 100; seed <= 110; seed++) random_lives(seed, 8, 100);
}

static void few_changes_many_epochs(void **unused) {
  (void)unused;
  for (uint64_t seed = 200; seed <= 205; seed++) random_lives(seed, 2, 5);
}

static void a_block_survives_at_its_second_end(void **unused) {
  (void)unused;
  struct seep_row_record row = {0};
  seep_row_add(&row, 100, 0, 100);
  assert_int_equal(seep_row_survivor_bytes(&row), 0);
  seep_row_catch_up(&row, NULL, &no_history, 1);
  assert_int_equal(seep_row_survivor_bytes(&row), 0);
  seep_row_catch_up(&row, NULL, &no_history, 2);
  assert_int_equal(seep_row_survivor_bytes(&row), 100);
  assert_int_equal(seep_row_survivor_count(&row), 1);
  seep_row_remove(&row, 100, 2);
  assert_int_equal(row.temporary_count, 0);
  assert_int_equal(seep_row_survivor_bytes(&row), 0);
}

static void what_goes_young_is_temporary(void **unused) {
  (void)unused;
  struct seep_row_record row = {0};
  seep_row_add(&row, 100, 0, 100);
  seep_row_add(&row, 50, 0, 150);
  seep_row_remove(&row, 50, 0);
  seep_row_catch_up(&row, NULL, &no_history, 1);
  seep_row_remove(&row, 100, 1);
  assert_int_equal(row.temporary_count, 2);
  assert_int_equal(row.peak_bytes, 150);
  assert_int_equal(row.young_bytes[0] + row.young_bytes[1], 0);
}

static void a_jump_of_many_epochs_makes_all_old(void **unused) {
  (void)unused;
  struct seep_row_record row = {0};
  struct seep_history history = {0};
  struct seep_series_record series;
  seep_row_add(&row, 10, 0, 10);
  seep_series_start(&series, &history);
  seep_history_note(&history, 10, 0, 0);
  seep_history_note(&history, 20, 3999999999u, 0);
  seep_row_catch_up(&row, &series, &history, 4000000000u);
  assert_int_equal(seep_row_survivor_bytes(&row), 10);
  assert_int_equal(series.count, 2);
  assert_int_equal(series.survivor_bytes[0], 0);
  assert_int_equal(series.survivor_bytes[1], 10);
}

static void the_last_allocation_is_known_by_the_clock(void **unused) {
  (void)unused;
  struct seep_row_record row = {0};
  seep_row_add(&row, 10, 0, 3 * SEEP_CLOCK_UNIT_BYTES + 17);
  assert_int_equal(row.last_alloc, 3);
  seep_row_remove(&row, 10, 0);
  assert_int_equal(row.last_alloc, 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_block_survives_at_its_second_end),
      cmocka_unit_test(what_goes_young_is_temporary),
      cmocka_unit_test(a_jump_of_many_epochs_makes_all_old),
      cmocka_unit_test(the_last_allocation_is_known_by_the_clock),
      cmocka_unit_test(busy_rows),
      cmocka_unit_test(rows_with_long_pauses),
      cmocka_unit_test(few_changes_many_epochs),
  };
  return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
