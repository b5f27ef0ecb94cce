/* The hash map against an array: after any sequence of operations it holds what
 * the array holds. */
#include "unit.h"

#include <string.h>

#include "base/map.h"

enum { KEYS = 3000, SUBKEYS = 3, OPERATIONS = 400000 };

static uint32_t model[KEYS][SUBKEYS];

/* Keys that look like what the recorder has: addresses, hashes, small numbers. */
static uint64_t key_of(uint32_t i) {
  switch (i % 3) {
    case 0: return 0x7f0000000000ULL + i * 16;
    case 1: return seep_mix64(i);
    default: return i;
  }
}

static void check_all(const struct seep_map *map) {
  size_t count = 0;
  for (uint32_t i = 0; i < KEYS; i++) {
    for (uint32_t j = 0; j < SUBKEYS; j++) {
      assert_int_equal(seep_map_get(map, key_of(i), j), model[i][j]);
      count += model[i][j] != 0;
    }
  }
  assert_int_equal(map->count, count);
  assert_true(map->count * 4 <= map->capacity * 3 + 4);
}

static void an_empty_map_has_nothing(void **unused) {
  (void)unused;
  struct seep_map map = {0};
  assert_int_equal(seep_map_get(&map, 1, 2), 0);
  assert_int_equal(seep_map_take(&map, 1, 2), 0);
  seep_map_clear(&map);
  assert_int_equal(map.capacity, 0);
}

static void it_holds_what_an_array_holds(void **unused) {
  (void)unused;
  struct seep_map map = {0};
  struct unit_random random = {1};
  memset(model, 0, sizeof model);
  for (uint32_t n = 0; n < OPERATIONS; n++) {
    uint32_t i = unit_random_below(&random, KEYS), j = unit_random_below(&random, SUBKEYS);
    /* Phases in which it mostly grows, and phases in which it mostly shrinks. */
    bool put = unit_random_below(&random, 10) < (n / 50000 % 2 == 0 ? 7u : 3u);
    if (put) {
      uint32_t value = 1 + unit_random_below(&random, UINT32_MAX - 1);
      assert_true(seep_map_put(&map, key_of(i), j, value));
      model[i][j] = value;
    } else {
      assert_int_equal(seep_map_take(&map, key_of(i), j), model[i][j]);
      model[i][j] = 0;
    }
    if (n % 20000 == 0) check_all(&map);
  }
  check_all(&map);
  seep_map_clear(&map);
  assert_int_equal(seep_map_get(&map, key_of(0), 0), 0);
}

static void removing_keeps_colliding_followers(void **unused) {
  (void)unused;
  /* Keys of one home slot in the first capacity, found by trying. */
  enum { WANTED = 60, FIRST_CAPACITY = 256 };
  uint64_t keys[WANTED];
  uint32_t found = 0;
  for (uint64_t key = 0; found < WANTED; key++) {
    size_t home = seep_mix64(key) & (FIRST_CAPACITY - 1);
    if (home >= FIRST_CAPACITY - 2 || home == 0) keys[found++] = key; /* round the end of the array */
  }
  for (uint32_t removed = 0; removed < WANTED; removed++) {
    struct seep_map map = {0};
    for (uint32_t i = 0; i < WANTED; i++) assert_true(seep_map_put(&map, keys[i], 0, i + 1));
    assert_int_equal(map.capacity, FIRST_CAPACITY);
    assert_int_equal(seep_map_take(&map, keys[removed], 0), removed + 1);
    for (uint32_t i = 0; i < WANTED; i++) {
      assert_int_equal(seep_map_get(&map, keys[i], 0), i == removed ? 0 : i + 1);
    }
    seep_map_clear(&map);
  }
}

static void the_largest_value_and_keys_are_kept(void **unused) {
  (void)unused;
  struct seep_map map = {0};
  assert_true(seep_map_put(&map, UINT64_MAX, UINT32_MAX, UINT32_MAX));
  assert_true(seep_map_put(&map, 0, 0, 1));
  assert_int_equal(seep_map_get(&map, UINT64_MAX, UINT32_MAX), UINT32_MAX);
  assert_int_equal(seep_map_get(&map, 0, 0), 1);
  assert_int_equal(seep_map_get(&map, UINT64_MAX, 0), 0);
  seep_map_clear(&map);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_empty_map_has_nothing),
      cmocka_unit_test(it_holds_what_an_array_holds),
      cmocka_unit_test(removing_keeps_colliding_followers),
      cmocka_unit_test(the_largest_value_and_keys_are_kept),
  };
  return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
