/* CRC-32 against published values. */
#include "unit.h"

#include <string.h>

#include "base/checksum.h"

static uint32_t of_text(const char *text) { return seep_checksum(0, text, strlen(text)); }

static void known_values(void **unused) {
  (void)unused;
  assert_int_equal(of_text(""), 0);
  assert_int_equal(of_text("a"), 0xe8b7be43);
  assert_int_equal(of_text("abc"), 0x352441c2);
  assert_int_equal(of_text("123456789"), 0xcbf43926); /* the check value of the standard */
  assert_int_equal(of_text("The quick brown fox jumps over the lazy dog"), 0x414fa339);
}

static void zeros_and_ones(void **unused) {
  (void)unused;
  unsigned char bytes[32];
  memset(bytes, 0, sizeof bytes);
  assert_int_equal(seep_checksum(0, bytes, sizeof bytes), 0x190a55ad);
  memset(bytes, 0xff, sizeof bytes);
  assert_int_equal(seep_checksum(0, bytes, sizeof bytes), 0xff6cab0b);
}

static void parts_are_as_good_as_the_whole(void **unused) {
  (void)unused;
  char bytes[1000];
  struct unit_random random = {7};
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)unit_random_next(&random);
  uint32_t whole = seep_checksum(0, bytes, sizeof bytes);
  for (size_t cut = 0; cut <= sizeof bytes; cut++) {
    uint32_t first = seep_checksum(0, bytes, cut);
    assert_int_equal(seep_checksum(first, bytes + cut, sizeof bytes - cut), whole);
  }
}

static void every_changed_bit_is_seen(void **unused) {
  (void)unused;
  unsigned char bytes[256] = {0};
  uint32_t sound = seep_checksum(0, bytes, sizeof bytes);
  for (size_t i = 0; i < sizeof bytes * 8; i++) {
    bytes[i / 8] ^= (unsigned char)(1 << i % 8);
    assert_int_not_equal(seep_checksum(0, bytes, sizeof bytes), sound);
    bytes[i / 8] ^= (unsigned char)(1 << i % 8);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(known_values),
      cmocka_unit_test(zeros_and_ones),
      cmocka_unit_test(parts_are_as_good_as_the_whole),
      cmocka_unit_test(every_changed_bit_is_seen),
  };
  return cmocka_run_group_tests_name("checksum", tests, NULL, NULL);
}
