/* Names from programs, made safe to show; sizes as people read them. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define FFFD "\xef\xbf\xbd"

static void check_utf8(const char *bytes, size_t count, const char *expected) {
  char *text = seep_text_utf8(bytes, count);
  assert_string_equal(text, expected);
  free(text);
}
#define CHECK_UTF8(literal, expected) check_utf8(literal, sizeof(literal) - 1, expected)

static void check_printable(const char *bytes, const char *expected) {
  char *text = seep_text_printable(bytes);
  assert_string_equal(text, expected);
  free(text);
}

static void valid_utf8_stays(void **unused) {
  (void)unused;
  CHECK_UTF8("", "");
  CHECK_UTF8("plain", "plain");
  CHECK_UTF8("gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f");
  CHECK_UTF8("\xe2\x82\xac \xf0\x9f\x98\x80", "\xe2\x82\xac \xf0\x9f\x98\x80");
  CHECK_UTF8("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf");
}

static void each_invalid_byte_becomes_a_replacement(void **unused) {
  (void)unused;
  CHECK_UTF8("a\xff" "b", "a" FFFD "b");
  CHECK_UTF8("\x80", FFFD);
  CHECK_UTF8("\xc0\x80", FFFD FFFD);                 /* overlong */
  CHECK_UTF8("\xe0\x80\x80", FFFD FFFD FFFD);        /* overlong */
  CHECK_UTF8("\xf0\x80\x80\x80", FFFD FFFD FFFD FFFD);
  CHECK_UTF8("\xed\xa0\x80", FFFD FFFD FFFD);        /* a surrogate */
  CHECK_UTF8("\xf4\x90\x80\x80", FFFD FFFD FFFD FFFD); /* above U+10FFFF */
  CHECK_UTF8("\xe2\x82", FFFD FFFD);                 /* cut */
  CHECK_UTF8("\xe2" "ab", FFFD "ab");
  CHECK_UTF8("a\0b", "a" FFFD "b");                  /* a zero byte would end the text */
}

static void controls_are_escaped_on_terminals(void **unused) {
  (void)unused;
  check_printable("plain gr\xc3\xbc\xc3\x9f", "plain gr\xc3\xbc\xc3\x9f");
  check_printable("\x1b[2J", "\\x1b[2J");
  check_printable("a\nb\tc\rd", "a\\x0ab\\x09c\\x0dd");
  check_printable("\x7f", "\\x7f");
  check_printable("\xff\xc3", "\\xff\\xc3");
  check_printable("\x9b" "31m", "\\x9b" "31m");
}

/* U+009B is a terminal's control sequence introducer, also when it is UTF-8. */
static void upper_controls_are_escaped_too(void **unused) {
  (void)unused;
  char *text = seep_text_printable("\xc2\x9b" "31m");
  assert_null(strstr(text, "\xc2\x9b"));
  assert_non_null(strstr(text, "\\xc2"));
  free(text);
  check_printable("\xc2\xa0", "\xc2\xa0");
}

static bool is_valid_utf8(const char *text) {
  size_t length = strlen(text);
  char *again = seep_text_utf8(text, length);
  bool same = strcmp(again, text) == 0;
  free(again);
  return same;
}

static void random_bytes_become_safe(void **unused) {
  (void)unused;
  struct unit_random random = {3};
  for (int n = 0; n < 20000; n++) {
    char bytes[24];
    size_t count = unit_random_below(&random, sizeof bytes);
    for (size_t i = 0; i < count; i++) bytes[i] = (char)(unit_random_next(&random) | (n % 2 == 0 ? 0x80 : 0));
    char *clean = seep_text_utf8(bytes, count);
    assert_true(is_valid_utf8(clean));
    bytes[count] = '\0';
    char *printable = seep_text_printable(bytes);
    assert_true(is_valid_utf8(printable));
    for (const char *at = printable; *at != '\0'; at++) {
      assert_true((unsigned char)*at >= 0x20 && *at != 0x7f);
    }
    free(clean);
    free(printable);
  }
}

static void columns_are_code_points(void **unused) {
  (void)unused;
  assert_int_equal(seep_text_columns(""), 0);
  assert_int_equal(seep_text_columns("abc"), 3);
  assert_int_equal(seep_text_columns("gr\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"), 5);
}

static void check_bytes(uint64_t size_bytes, const char *expected) {
  char text[16];
  seep_text_bytes(size_bytes, text);
  assert_string_equal(text, expected);
}

static void sizes_have_units(void **unused) {
  (void)unused;
  check_bytes(0, "0 B");
  check_bytes(1, "1 B");
  check_bytes(999, "999 B");
  check_bytes(1024, "1.0 KiB");
  check_bytes(1536, "1.5 KiB");
  check_bytes(512 * 1024, "512 KiB");
  check_bytes(1024 * 1024, "1.0 MiB");
  check_bytes((uint64_t)5 << 30, "5.0 GiB");
  check_bytes((uint64_t)7 << 40, "7.0 TiB");
}

static void sizes_fit_their_column(void **unused) {
  (void)unused;
  struct unit_random random = {4};
  for (int n = 0; n < 100000; n++) {
    char text[16];
    seep_text_bytes(unit_random_next(&random) >> (4 + n % 60), text);
    assert_in_range(strlen(text), 3, 9);
  }
}

static void check_count(uint64_t count, const char *expected) {
  char text[32];
  seep_text_count(count, text);
  assert_string_equal(text, expected);
}

static void counts_have_commas(void **unused) {
  (void)unused;
  check_count(0, "0");
  check_count(999, "999");
  check_count(1000, "1,000");
  check_count(1203112, "1,203,112");
  check_count(100000, "100,000");
  check_count(UINT64_MAX, "18,446,744,073,709,551,615");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(valid_utf8_stays),
      cmocka_unit_test(each_invalid_byte_becomes_a_replacement),
      cmocka_unit_test(controls_are_escaped_on_terminals),
      cmocka_unit_test(upper_controls_are_escaped_too),
      cmocka_unit_test(random_bytes_become_safe),
      cmocka_unit_test(columns_are_code_points),
      cmocka_unit_test(sizes_have_units),
      cmocka_unit_test(sizes_fit_their_column),
      cmocka_unit_test(counts_have_commas),
  };
  return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
