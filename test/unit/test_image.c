/* Images with segments: what is found where, what is refused at every edge, and chunks that come when they are asked for. */
#include "unit.h"

#include <string.h>

#include "reach/find_release.h"
#include "reach/self_image.h"
#include "vm/image.h"
#include "vm/objects.h"

static char low_bytes[64], high_bytes[2 * SEEP_CHUNK_BYTES];
static uint8_t present[4];
static uint32_t fetches;

/* The higher one begins in the middle of a chunk, so that it touches three. */
static const uintptr_t high_begin = 16 * SEEP_CHUNK_BYTES + SEEP_CHUNK_BYTES / 2;

static const void *fetch(struct seep_image *image, const struct seep_segment *segment, uintptr_t address,
                         size_t size_bytes) {
  (void)image;
  (void)size_bytes;
  fetches++;
  return segment->bytes == NULL ? NULL : segment->bytes + (address - segment->begin);
}

static struct seep_segment segments[3];
static struct seep_image image;

static int set_up(void **unused) {
  (void)unused;
  segments[0] = (struct seep_segment){.begin = 0x1000, .end = 0x1000 + sizeof low_bytes, .bytes = low_bytes};
  segments[1] = (struct seep_segment){.begin = 0x2000, .end = 0x3000, .access = SEEP_SEGMENT_EXECUTABLE};
  segments[2] = (struct seep_segment){.begin = high_begin, .end = high_begin + sizeof high_bytes, .bytes = high_bytes,
                                      .present = present};
  image = (struct seep_image){.read = seep_image_read_segments, .segments = segments, .segment_count = 3};
  memset(present, 0, sizeof present);
  fetches = 0;
  return 0;
}

static void segments_are_found(void **unused) {
  (void)unused;
  assert_null(seep_image_segment(&image, 0));
  assert_null(seep_image_segment(&image, 0xfff));
  assert_ptr_equal(seep_image_segment(&image, 0x1000), &segments[0]);
  assert_ptr_equal(seep_image_segment(&image, 0x1000 + sizeof low_bytes - 1), &segments[0]);
  assert_null(seep_image_segment(&image, 0x1000 + sizeof low_bytes));
  assert_ptr_equal(seep_image_segment(&image, 0x2fff), &segments[1]);
  assert_ptr_equal(seep_image_segment(&image, high_begin), &segments[2]);
  assert_null(seep_image_segment(&image, UINTPTR_MAX));
}

static void views_end_where_segments_end(void **unused) {
  (void)unused;
  for (int round = 0; round < 2; round++) { /* the second time with a last segment */
    assert_ptr_equal(seep_image_view(&image, 0x1000, sizeof low_bytes), low_bytes);
    assert_ptr_equal(seep_image_view(&image, 0x1008, sizeof low_bytes - 8), low_bytes + 8);
    assert_null(seep_image_view(&image, 0x1008, sizeof low_bytes - 7));
    assert_null(seep_image_view(&image, 0x1000, SIZE_MAX));
    assert_null(seep_image_view(&image, 0x1000 + sizeof low_bytes, 1));
    assert_null(seep_image_view(&image, 0x2000, 1));
  }
}

static void reads_are_refused_alike(void **unused) {
  (void)unused;
  char out[8] = "";
  low_bytes[63] = 'z';
  assert_true(image.read(&image, 0x1000 + 63, out, 1));
  assert_int_equal(out[0], 'z');
  assert_false(image.read(&image, 0x1000 + 63, out, 2));
  assert_false(image.read(&image, 0x2000, out, 1));
  assert_false(image.read(&image, high_begin, out, 1));
  assert_int_equal(seep_load_u64(&image, 0x2000), 0);
}

static void chunks_are_there_or_fetched(void **unused) {
  (void)unused;
  uintptr_t second = 17 * SEEP_CHUNK_BYTES;
  assert_null(seep_image_view(&image, high_begin, 8));
  present[0] = SEEP_CHUNK_PRESENT;
  assert_ptr_equal(seep_image_view(&image, high_begin, 8), high_bytes);
  assert_ptr_equal(seep_image_view(&image, second - 8, 8), high_bytes + (second - high_begin) - 8);
  assert_null(seep_image_view(&image, second - 8, 9));
  present[1] = SEEP_CHUNK_PRESENT;
  assert_ptr_equal(seep_image_view(&image, second - 8, 9), high_bytes + (second - high_begin) - 8);
  assert_null(seep_image_view(&image, high_begin, sizeof high_bytes));
  image.fetch = fetch;
  assert_ptr_equal(seep_image_view(&image, high_begin, sizeof high_bytes), high_bytes);
  assert_int_equal(fetches, 1);
  assert_null(seep_image_view(&image, high_begin, sizeof high_bytes + 1));
  assert_int_equal(fetches, 1);
}

static void our_own_process_is_seen(void **unused) {
  (void)unused;
  struct seep_image self;
  char on_stack = 'x';
  assert_int_equal(seep_self_image_open(&self, NULL), SEEP_OK);
  assert_ptr_equal(seep_image_view(&self, (uintptr_t)&on_stack, 1), &on_stack);
  assert_ptr_equal(seep_image_view(&self, (uintptr_t)low_bytes, sizeof low_bytes), low_bytes);
  assert_null(seep_image_view(&self, 0, 1));
  const struct seep_segment *code = seep_image_segment(&self, (uintptr_t)our_own_process_is_seen);
  assert_non_null(code);
  assert_true(code->access & SEEP_SEGMENT_EXECUTABLE);
  assert_false(code->access & SEEP_SEGMENT_WRITABLE);
  for (uint32_t i = 1; i < self.segment_count; i++) assert_true(self.segments[i - 1].end <= self.segments[i].begin);
  seep_self_image_close(&self);
}

static void a_word_alone_is_no_state(void **unused) {
  (void)unused;
  struct unit_random random = {11};
  struct seep_heap_state state;
  for (int round = 0; round < 2000; round++) {
    for (size_t i = 0; i < sizeof low_bytes; i++) low_bytes[i] = (char)unit_random_next(&random);
    uintptr_t word = 0x1020 + 64 + unit_random_below(&random, 200);
    memcpy(low_bytes + 32, &word, sizeof word);
    assert_false(seep_heap_identify(&image, 0x1020, &state));
    assert_false(seep_heap_is_likely(&image, 0x1020));
  }
}

static size_t read_text(void *context, uintptr_t address, void *out, size_t size_bytes) {
  const struct seep_segment *segment = seep_image_segment(context, address);
  memcpy(out, segment->bytes + (address - segment->begin), size_bytes);
  return size_bytes;
}

static void find_in(const char *text, size_t size_bytes, struct seep_releases *out) {
  struct seep_segment constants = {.begin = 0x1000, .end = 0x1000 + size_bytes, .bytes = text};
  struct seep_image with_text = {.segments = &constants, .segment_count = 1};
  seep_find_releases(&with_text, read_text, &with_text, out);
}

static void releases_are_read(void **unused) {
  (void)unused;
  static const char text[] = "Lua 5.9.9 is a word\0$LuaVersion: Lua 5.4.4  Copyright (C)\0$Lua: Lua 5.1.5 Copyright\0"
                             "LuaJIT 2.1.0-beta3\0$LuaVersion: Lua 5.4.4  again";
  struct seep_releases releases;
  find_in(text, sizeof text, &releases);
  assert_int_equal(releases.count, 3);
  assert_string_equal(seep_release_of(&releases, "Lua 5.4"), "Lua 5.4.4");
  assert_string_equal(seep_release_of(&releases, "Lua 5.1"), "Lua 5.1.5");
  assert_string_equal(seep_release_of(&releases, "LuaJIT 2.1"), "LuaJIT 2.1.0-beta3");
  assert_null(seep_release_of(&releases, "Lua 5.3"));
  static const char two[] = "$LuaVersion: Lua 5.4.4 \0$LuaVersion: Lua 5.4.6 ";
  find_in(two, sizeof two, &releases);
  assert_null(seep_release_of(&releases, "Lua 5.4"));
  for (size_t size = 0; size < sizeof text; size++) find_in(text + sizeof text - size, size, &releases);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(segments_are_found, set_up),
      cmocka_unit_test_setup(views_end_where_segments_end, set_up),
      cmocka_unit_test_setup(reads_are_refused_alike, set_up),
      cmocka_unit_test_setup(chunks_are_there_or_fetched, set_up),
      cmocka_unit_test(our_own_process_is_seen),
      cmocka_unit_test_setup(a_word_alone_is_no_state, set_up),
      cmocka_unit_test(releases_are_read),
  };
  return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
