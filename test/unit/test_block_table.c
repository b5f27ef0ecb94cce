/* The block table against an array that remembers every block: rows, and ages
 * that stay right over many more epochs than an age tag can count. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "record/block_table.h"

enum { BLOCKS = 20000, EPOCHS = 2100 };

struct block {
  uintptr_t address;
  uint32_t row;
  int birth;  /* epoch; negative: entered as a survivor */
  bool alive;
};

static struct block blocks[BLOCKS];
static struct seep_block_table table;

static uint32_t tag_now(int epoch) { return seep_tag_of_epoch((uint64_t)epoch); }

static int age_of_tag(uint32_t tag, int epoch) {
  if (tag == tag_now(epoch)) return 0;
  return epoch > 0 && tag == tag_now(epoch - 1) ? 1 : 2;
}

static int age_of_block(const struct block *block, int epoch) {
  int age = block->birth < 0 ? 2 : epoch - block->birth;
  return age < 2 ? age : 2;
}

static void put(struct block *block, struct unit_random *random, int epoch) {
  block->row = 1 + unit_random_below(random, SEEP_BLOCK_ROWS_MAX);
  block->birth = unit_random_below(random, 20) == 0 ? -1 : epoch;
  block->alive = true;
  struct seep_block entry = {.row = block->row, .tag = block->birth < 0 ? 0 : tag_now(epoch)};
  assert_true(seep_block_table_put(&table, block->address, entry));
}

static void take(struct block *block, int epoch) {
  struct seep_block found = seep_block_table_take(&table, block->address);
  assert_int_equal(found.row, block->alive ? block->row : 0);
  if (block->alive) assert_int_equal(age_of_tag(found.tag, epoch), age_of_block(block, epoch));
  block->alive = false;
}

/* A resize: the block keeps its age, and usually moves. */
static void resize(struct block *block, struct block *to, int epoch) {
  struct seep_block found = seep_block_table_take(&table, block->address);
  assert_int_equal(found.row, block->row);
  assert_true(seep_block_table_put(&table, to->address, found));
  uint32_t row = block->row;
  int birth = epoch - block->birth < 2 ? block->birth : -1;
  if (block->birth < 0) birth = -1;
  block->alive = false;
  *to = (struct block){.address = to->address, .row = row, .birth = birth, .alive = true};
}

static void random_operations(struct unit_random *random, uint32_t count, uint32_t from, uint32_t end, int epoch) {
  for (uint32_t n = 0; n < count; n++) {
    struct block *block = &blocks[from + unit_random_below(random, end - from)];
    struct block *other = &blocks[from + unit_random_below(random, end - from)];
    if (!block->alive && unit_random_below(random, 10) < 7) {
      put(block, random, epoch);
    } else if (block->alive && (!other->alive || other == block) && unit_random_below(random, 2) == 0) {
      resize(block, other, epoch);
    } else {
      take(block, epoch);
    }
  }
}

static void take_all(uint32_t from, uint32_t end, int epoch) {
  for (uint32_t i = from; i < end; i++) {
    take(&blocks[i], epoch);
    take(&blocks[i], epoch); /* it is no longer there */
  }
}

/* Addresses in `spacing` steps, with gaps of whole regions. */
static void lay_out(uint32_t spacing, uint32_t blocks_per_region) {
  memset(blocks, 0, sizeof blocks);
  for (uint32_t i = 0; i < BLOCKS; i++) {
    uintptr_t region = (uintptr_t)(i / blocks_per_region) * 3 + 0x1000000;
    blocks[i].address = (region << SEEP_REGION_SHIFT) + (i % blocks_per_region) * spacing;
  }
}

static void what_malloc_gives_is_found_again(void **unused) {
  (void)unused;
  struct unit_random random = {1};
  lay_out(32, 5000);
  for (uint32_t i = 0; i < BLOCKS; i++) blocks[i].address += i % 2 * 16; /* malloc: 16 modulo 32 too */
  random_operations(&random, 300000, 0, BLOCKS, 0);
  take_all(0, BLOCKS, 0);
  seep_block_table_clear(&table);
}

static void blocks_of_one_granule_are_told_apart(void **unused) {
  (void)unused;
  struct unit_random random = {2};
  static const uint32_t spacings[] = {8, 16, 24, 1, 3, 5};
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(spacings); i++) {
    lay_out(spacings[i], 5000);
    random_operations(&random, 100000, 0, BLOCKS, 0);
    take_all(0, BLOCKS, 0);
    seep_block_table_clear(&table);
  }
}

static void odd_addresses_are_not_mistaken(void **unused) {
  (void)unused;
  uintptr_t base = (uintptr_t)0x1000000 << SEEP_REGION_SHIFT;
  for (uintptr_t at = 0; at < 64; at++) {
    assert_true(seep_block_table_put(&table, base + at, (struct seep_block){.row = 7, .tag = 1}));
    for (uintptr_t other = 0; other < 64; other++) {
      if (other != at) assert_int_equal(seep_block_table_take(&table, base + other).row, 0);
    }
    assert_int_equal(seep_block_table_take(&table, base + at).row, 7);
    assert_int_equal(seep_block_table_take(&table, base + at).row, 0);
    seep_block_table_clear(&table);
  }
}

static void unknown_regions_hold_nothing(void **unused) {
  (void)unused;
  assert_int_equal(seep_block_table_take(&table, 0x7f1234567890).row, 0);
  assert_true(seep_block_table_put(&table, 0x7f1234567890, (struct seep_block){.row = 1, .tag = 3}));
  /* The same place in another region that shares the cache's entry. */
  uintptr_t far = 0x7f1234567890 - ((uintptr_t)SEEP_REGION_CACHE << SEEP_REGION_SHIFT);
  assert_int_equal(seep_block_table_take(&table, far).row, 0);
  assert_int_equal(seep_block_table_take(&table, 0x7f1234567890).row, 1);
  seep_block_table_clear(&table);
}

static void the_first_and_last_addresses_work(void **unused) {
  (void)unused;
  static const uintptr_t ends[] = {8, 0x7ffffffffff0, ((uintptr_t)1 << SEEP_REGION_SHIFT) - 8, (uintptr_t)1 << SEEP_REGION_SHIFT};
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(ends); i++) {
    struct seep_block entry = {.row = SEEP_BLOCK_ROWS_MAX, .tag = SEEP_TAG_CYCLE};
    assert_true(seep_block_table_put(&table, ends[i], entry));
  }
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(ends); i++) {
    struct seep_block found = seep_block_table_take(&table, ends[i]);
    assert_int_equal(found.row, SEEP_BLOCK_ROWS_MAX);
    assert_int_equal(found.tag, SEEP_TAG_CYCLE);
  }
  seep_block_table_clear(&table);
}

static void age(uint32_t spacing, uint32_t blocks_per_region, uint64_t seed) {
  struct unit_random random = {seed};
  lay_out(spacing, blocks_per_region);
  for (int epoch = 0; epoch < EPOCHS; epoch++) {
    /* The memory in use grows over time, so regions are added in between. */
    uint32_t end = (uint32_t)(BLOCKS / 4 + (uint64_t)(BLOCKS * 3 / 4) * (uint32_t)epoch / EPOCHS);
    random_operations(&random, 40, 0, end, epoch);
    seep_block_table_age(&table, (uint64_t)epoch + 1);
  }
  take_all(0, BLOCKS, EPOCHS);
  seep_block_table_clear(&table);
}

static void ages_stay_right_in_few_regions(void **unused) {
  (void)unused;
  age(32, 5000, 21);
}

static void ages_stay_right_in_many_regions(void **unused) {
  (void)unused;
  age(4096, 100, 22);
}

static void ages_stay_right_in_shared_granules(void **unused) {
  (void)unused;
  age(8, 2000, 23);
}

/* Old blocks whose tag would come round again are the ones that could go wrong:
 * all of them, looked at in each of the epochs around that. */
static void tags_do_not_come_round(void **unused) {
  (void)unused;
  struct unit_random random = {24};
  for (uint32_t spacing = 8; spacing <= 32; spacing += 24) {
    lay_out(spacing, 1000);
    for (uint32_t i = 0; i < 3000; i++) put(&blocks[i], &random, 0);
    for (int epoch = 1; epoch < 3 * SEEP_TAG_CYCLE; epoch++) {
      seep_block_table_age(&table, (uint64_t)epoch);
      struct block *block = &blocks[epoch];
      take(block, epoch);
    }
    seep_block_table_clear(&table);
  }
}

static void clearing_empties(void **unused) {
  (void)unused;
  assert_true(seep_block_table_put(&table, 4096, (struct seep_block){.row = 1, .tag = 1}));
  seep_block_table_clear(&table);
  assert_int_equal(seep_block_table_take(&table, 4096).row, 0);
  seep_block_table_age(&table, 5);
  seep_block_table_clear(&table);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_malloc_gives_is_found_again),
      cmocka_unit_test(blocks_of_one_granule_are_told_apart),
      cmocka_unit_test(odd_addresses_are_not_mistaken),
      cmocka_unit_test(unknown_regions_hold_nothing),
      cmocka_unit_test(the_first_and_last_addresses_work),
      cmocka_unit_test(ages_stay_right_in_few_regions),
      cmocka_unit_test(ages_stay_right_in_many_regions),
      cmocka_unit_test(ages_stay_right_in_shared_granules),
      cmocka_unit_test(tags_do_not_come_round),
      cmocka_unit_test(clearing_empties),
  };
  return cmocka_run_group_tests_name("block_table", tests, NULL, NULL);
}
