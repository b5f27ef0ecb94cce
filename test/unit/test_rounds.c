/* What rounds.c takes for a leak. */
#include "model/rounds.h"
#include "unit.h"

#define JUDGE(warmup, is_buffer, ...)                                                        \
  seep_rounds_judge_series((const uint64_t[]){__VA_ARGS__},                                  \
                           SEEP_ARRAY_SIZE(((const uint64_t[]){__VA_ARGS__})), warmup, is_buffer)

static void test_every_round(void **state) {
  (void)state;
  assert_int_equal(JUDGE(2, false, 10, 20, 30, 40, 50, 60, 70), SEEP_ROUNDS_LEAK);
  assert_int_equal(JUDGE(2, false, 10, 11, 30, 31, 32, 99, 100), SEEP_ROUNDS_LEAK);
  assert_int_equal(JUDGE(2, true, 10, 20, 30, 40, 50, 60, 70), SEEP_ROUNDS_LEAK);
  assert_int_equal(JUDGE(1, false, 0, 1), SEEP_ROUNDS_LEAK);
}

static void test_not_every_round(void **state) {
  (void)state;
  assert_int_equal(JUDGE(2, false, 10, 10, 10, 10, 10, 10, 10), SEEP_ROUNDS_INNOCENT);
  assert_int_equal(JUDGE(2, false, 10, 20, 30, 30, 50, 60, 70), SEEP_ROUNDS_INNOCENT);
  assert_int_equal(JUDGE(2, false, 10, 20, 30, 40, 50, 60, 60), SEEP_ROUNDS_INNOCENT);
  assert_int_equal(JUDGE(2, false, 10, 20, 30, 40, 50, 60, 10), SEEP_ROUNDS_INNOCENT);
  assert_int_equal(JUDGE(2, false, 10, 10, 10, 999, 999, 999, 999), SEEP_ROUNDS_INNOCENT);
  assert_int_equal(JUDGE(1, false, 5), SEEP_ROUNDS_INNOCENT);
}

/* n entries a round: the buffer doubles when the entries pass a power of two. */
static void test_doubling(void **state) {
  (void)state;
  for (uint64_t entries = 1; entries < 300; entries++) {
    for (uint32_t rounds = 4; rounds <= 64; rounds++) {
      uint64_t live[64];
      uint32_t warmup = rounds < 8 ? 1 : rounds / 4, points = 0;
      for (uint32_t round = warmup; round <= rounds; round++) {
        uint64_t size = 1;
        while (size < round * entries) size *= 2;
        live[points++] = size * 16;
      }
      assert_int_not_equal(seep_rounds_judge_series(live, points, warmup, true), SEEP_ROUNDS_INNOCENT);
    }
  }
}

static void test_buffers_that_settle(void **state) {
  (void)state;
  assert_int_equal(JUDGE(2, true, 16, 32, 64, 64, 64, 64, 64), SEEP_ROUNDS_INNOCENT);
  assert_int_equal(JUDGE(2, true, 16, 16, 16, 16, 64, 64, 64), SEEP_ROUNDS_INNOCENT);
  assert_int_equal(JUDGE(2, true, 16, 16, 64, 64, 64, 64, 32), SEEP_ROUNDS_INNOCENT);
  assert_int_equal(JUDGE(2, true, 16, 16, 32, 32, 32, 64, 64), SEEP_ROUNDS_GROWING_BUFFER);
  assert_int_equal(JUDGE(2, false, 16, 16, 32, 32, 32, 64, 64), SEEP_ROUNDS_INNOCENT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_round), cmocka_unit_test(test_not_every_round),
      cmocka_unit_test(test_doubling), cmocka_unit_test(test_buffers_that_settle),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
