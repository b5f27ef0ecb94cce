/* Captures written, grown, sealed, forked and read back. */
#define _GNU_SOURCE
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/pages.h"
#include "store/reader.h"
#include "store/writer.h"

enum { ROWS = 20000, FRAMES = 3000, STRINGS = 5000 };

static char folder[64];
static char path[128], child_path[128];
static struct seep_capture capture;
static struct seep_table states, strings, functions, frames, nodes, rows, series;
static struct seep_state_record *state;

static int make_folder(void **unused) {
  (void)unused;
  snprintf(folder, sizeof folder, "/tmp/seepline-unit-XXXXXX");
  return mkdtemp(folder) == NULL;
}

static int remove_folder(void **unused) {
  (void)unused;
  return rmdir(folder);
}

static int new_paths(void **unused) {
  (void)unused;
  snprintf(path, sizeof path, "%s/a.seep", folder);
  snprintf(child_path, sizeof child_path, "%s/b.seep", folder);
  return 0;
}

static int remove_files(void **unused) {
  (void)unused;
  unlink(path);
  unlink(child_path);
  return 0;
}

/* -- Writing ------------------------------------------------------------------ */

static void init_tables(void) {
  seep_table_init(&states, SEEP_SEGMENT_STATE, 0, sizeof(struct seep_state_record), 4096);
  seep_table_init(&strings, SEEP_SEGMENT_STRINGS, 0, 1, 4096);
  seep_table_init(&functions, SEEP_SEGMENT_FUNCTIONS, 0, sizeof(struct seep_function_record), 4096);
  seep_table_init(&frames, SEEP_SEGMENT_FRAMES, 0, sizeof(struct seep_frame_record), 4096);
  seep_table_init(&nodes, SEEP_SEGMENT_NODES, 0, sizeof(struct seep_node_record), 4096);
  seep_table_init(&rows, SEEP_SEGMENT_ROWS, 0, sizeof(struct seep_row_record), 4096);
  seep_table_init(&series, SEEP_SEGMENT_SERIES, 0, sizeof(struct seep_series_record), 4096);
}

static void create(void) {
  struct seep_error error = {{0}};
  assert_int_equal(seep_capture_create(&capture, path, &error), SEEP_OK);
  assert_string_equal(error.text, "");
  init_tables();
  assert_true(seep_table_reserve(&capture, &states, 1));
  state = seep_table_record(&states, 0);
  strcpy(state->family, "Lua 5.4");
  strcpy(state->release, "Lua 5.4.4");
  state->number = 1;
  state->string_bytes = 4;
  state->function_count = state->frame_count = state->node_count = state->row_count = state->series_count = 1;
  struct seep_table *all[] = {&strings, &functions, &frames, &nodes, &rows};
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(all); i++) assert_true(seep_table_reserve(&capture, all[i], 1));
  capture.header->state_count = 1;
}

static void add_rows(uint32_t count, uint64_t seed) {
  for (uint32_t i = 0; i < count; i++) {
    uint32_t number = state->row_count;
    assert_true(seep_table_reserve(&capture, &rows, number + 1));
    struct seep_row_record *row = seep_table_record(&rows, number);
    row->alloc_bytes = seep_mix64(seed + number);
    row->freed_bytes = number;
    state->row_count = number + 1;
  }
}

static void add_frames(uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    uint32_t number = state->frame_count;
    assert_true(seep_table_reserve(&capture, &frames, number + 1));
    struct seep_frame_record *frame = seep_table_record(&frames, number);
    frame->line = number * 3;
    state->frame_count = number + 1;
  }
}

/* Strings of varying lengths, none over the end of a segment. */
static uint32_t string_numbers[STRINGS];

static uint32_t string_length(uint32_t i) { return i * 7 % 300; }

static void add_strings(void) {
  for (uint32_t i = 0; i < STRINGS; i++) {
    uint32_t length = string_length(i), size = (uint32_t)seep_round_up(4 + length, 4);
    uint32_t number = state->string_bytes;
    while (number + size > strings.capacity || seep_table_run(&strings, number) < size) {
      uint32_t run = seep_table_run(&strings, number);
      if (run > 0 && run < size) {
        number += run;
      } else {
        assert_true(seep_table_reserve(&capture, &strings, strings.capacity + 1));
      }
    }
    char *record = seep_table_record(&strings, number);
    memcpy(record, &length, 4);
    memset(record + 4, 'a' + (int)(i % 26), length);
    string_numbers[i] = number;
    state->string_bytes = number + size;
  }
}

/* -- Reading ------------------------------------------------------------------ */

static struct seep_reader *open_capture(const char *name) {
  struct seep_reader *reader;
  struct seep_error error = {{0}};
  enum seep_status status = seep_reader_open(name, &reader, &error);
  if (status != SEEP_OK) print_message("# %s\n", error.text);
  assert_int_equal(status, SEEP_OK);
  return reader;
}

static void check_rows(const struct seep_reader *reader, uint32_t from, uint32_t end, uint64_t seed) {
  for (uint32_t number = from; number < end; number++) {
    const struct seep_row_record *row = seep_reader_row(reader, 0, number);
    assert_non_null(row);
    assert_true(row->alloc_bytes == seep_mix64(seed + number));
    assert_int_equal(row->freed_bytes, number);
  }
}

static void check_strings(const struct seep_reader *reader) {
  for (uint32_t i = 0; i < STRINGS; i++) {
    uint32_t length;
    const char *text = seep_reader_string(reader, 0, string_numbers[i], &length);
    assert_int_equal(length, string_length(i));
    for (uint32_t at = 0; at < length; at++) assert_int_equal(text[at], 'a' + (int)(i % 26));
  }
}

/* -- Tests -------------------------------------------------------------------- */

static void a_new_capture_is_private_and_empty(void **unused) {
  (void)unused;
  struct stat status;
  mode_t before = umask(0);
  assert_int_equal(seep_capture_create(&capture, path, NULL), SEEP_OK);
  umask(before);
  assert_int_equal(stat(path, &status), 0);
  assert_int_equal(status.st_mode & 07777, 0600);
  assert_int_equal(status.st_size, SEEP_HEADER_BYTES);
  struct seep_reader *reader = open_capture(path);
  assert_false(seep_reader_is_sealed(reader));
  assert_int_equal(seep_reader_state_count(reader), 0);
  assert_int_equal(seep_reader_header(reader)->pid, getpid());
  assert_null(seep_reader_row(reader, 0, 1));
  seep_reader_close(reader);
}

static void what_was_written_is_read(void **unused) {
  (void)unused;
  create();
  const struct seep_row_record *early;
  add_rows(1, 1);
  early = seep_table_record(&rows, 1);
  add_rows(ROWS - 1, 1);
  add_frames(FRAMES);
  add_strings();
  assert_ptr_equal(early, seep_table_record(&rows, 1)); /* records do not move */
  assert_true(rows.segment_count > 4 && strings.segment_count > 4);
  struct seep_reader *reader = open_capture(path);
  check_rows(reader, 1, ROWS + 1, 1);
  seep_reader_close(reader);

  seep_capture_seal(&capture);
  reader = open_capture(path);
  assert_true(seep_reader_is_sealed(reader));
  assert_int_equal(seep_reader_state_count(reader), 1);
  assert_string_equal(seep_reader_state(reader, 0)->release, "Lua 5.4.4");
  check_rows(reader, 1, ROWS + 1, 1);
  check_strings(reader);
  for (uint32_t number = 1; number <= FRAMES; number++) {
    assert_int_equal(seep_reader_frame(reader, 0, number)->line, number * 3);
  }
  assert_null(seep_reader_row(reader, 0, 0));
  assert_null(seep_reader_row(reader, 0, ROWS + 1));
  assert_null(seep_reader_row(reader, 1, 1));
  assert_null(seep_reader_series(reader, 0, 1));
  seep_reader_close(reader);
}

static void strings_that_are_not_there_are_empty(void **unused) {
  (void)unused;
  uint32_t length = 99;
  create();
  add_strings();
  struct seep_reader *reader = open_capture(path);
  assert_string_equal(seep_reader_string(reader, 0, 0, &length), "");
  assert_int_equal(length, 0);
  seep_reader_string(reader, 0, UINT32_MAX, &length);
  assert_int_equal(length, 0);
  seep_reader_string(reader, 0, string_numbers[5] + 1, &length);
  assert_int_equal(length, 0);
  seep_reader_string(reader, 7, string_numbers[5], &length);
  assert_int_equal(length, 0);
  seep_reader_close(reader);
}

static void what_is_written_after_the_seal_does_not_count(void **unused) {
  (void)unused;
  create();
  add_rows(100, 1);
  seep_capture_seal(&capture);
  struct seep_row_record *row = seep_table_record(&rows, 50);
  row->alloc_bytes = 1;
  capture.header->state_count = 77;
  struct seep_reader *reader = open_capture(path);
  check_rows(reader, 1, 101, 1);
  seep_reader_close(reader);
}

static void a_file_with_something_in_it_is_refused(void **unused) {
  (void)unused;
  struct seep_error error = {{0}};
  FILE *file = fopen(path, "w");
  fputs("precious", file);
  fclose(file);
  assert_int_equal(seep_capture_create(&capture, path, &error), SEEP_E_USAGE);
  assert_non_null(strstr(error.text, path));
  file = fopen(path, "r");
  char text[16] = "";
  assert_non_null(fgets(text, sizeof text, file));
  fclose(file);
  assert_string_equal(text, "precious");
  snprintf(child_path, sizeof child_path, "%s/none/b.seep", folder);
  assert_int_equal(seep_capture_create(&capture, child_path, &error), SEEP_E_SYSTEM);
}

static void an_empty_file_is_taken_over(void **unused) {
  (void)unused;
  int file = open(path, O_CREAT | O_WRONLY, 0600);
  close(file);
  create();
  add_rows(10, 2);
  seep_capture_seal(&capture);
  struct seep_reader *reader = open_capture(path);
  check_rows(reader, 1, 11, 2);
  seep_reader_close(reader);
}

static void the_first_reason_stays(void **unused) {
  (void)unused;
  create();
  seep_capture_mark_incomplete(&capture, "one");
  seep_capture_mark_incomplete(&capture, "two");
  seep_capture_seal(&capture);
  struct seep_reader *reader = open_capture(path);
  assert_string_equal(seep_reader_header(reader)->problem, "one");
  assert_true(seep_reader_header(reader)->flags & SEEP_FILE_INCOMPLETE);
  seep_reader_close(reader);
}

/* In a process of its own: a limit on file sizes is for the whole process. */
static void write_up_to_a_limit(void) {
  struct rlimit limit = {40 * 4096, 40 * 4096};
  signal(SIGXFSZ, SIG_DFL);
  create();
  if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(10);
  uint32_t room = 1;
  while (room < 1000000 && seep_table_reserve(&capture, &rows, room + 1)) room++;
  if (room == 1000000) _exit(11);
  if (!(capture.header->flags & SEEP_FILE_INCOMPLETE) || capture.header->problem[0] == '\0') _exit(12);
  if (seep_table_reserve(&capture, &rows, room + 1)) _exit(13);
  for (uint32_t number = state->row_count; number < room; number++) {
    struct seep_row_record *row = seep_table_record(&rows, number);
    row->alloc_bytes = seep_mix64(9 + number);
    row->freed_bytes = number;
  }
  state->row_count = room;
  seep_capture_seal(&capture);
  _exit(0);
}

static void check_child(pid_t child) {
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_file_that_cannot_grow_keeps_what_it_has(void **unused) {
  (void)unused;
  fflush(NULL);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) write_up_to_a_limit();
  check_child(child);
  struct seep_reader *reader = open_capture(path);
  assert_true(seep_reader_is_sealed(reader));
  assert_true(seep_reader_state(reader, 0)->row_count > 100);
  check_rows(reader, 1, seep_reader_state(reader, 0)->row_count, 9);
  seep_reader_close(reader);
}

static void a_file_that_is_gone_takes_no_more(void **unused) {
  (void)unused;
  create();
  unlink(path);
  int other = open(path, O_CREAT | O_RDWR, 0600); /* another one of that name is not touched */
  assert_false(seep_table_reserve(&capture, &rows, 100000));
  assert_true(capture.header->flags & SEEP_FILE_INCOMPLETE);
  seep_capture_seal(&capture);
  struct stat status;
  assert_int_equal(fstat(other, &status), 0);
  assert_int_equal(status.st_size, 0);
  close(other);
}

static void errno_is_kept(void **unused) {
  (void)unused;
  errno = 123;
  create();
  add_rows(ROWS, 1);
  seep_capture_seal(&capture);
  assert_int_equal(errno, 123);
  assert_int_not_equal(seep_capture_create(&capture, "/nowhere/at/all", NULL), SEEP_OK);
  assert_int_equal(errno, 123);
}

static void no_descriptor_stays_open(void **unused) {
  (void)unused;
  int before = dup(0);
  close(before);
  create();
  add_rows(1000, 1);
  int during = dup(0);
  close(during);
  assert_int_equal(during, before);
  seep_capture_seal(&capture);
  int after = dup(0);
  close(after);
  assert_int_equal(after, before);
}

/* A forked child goes on with a file of its own; both are true afterwards. */
static void a_child_has_a_file_of_its_own(void **unused) {
  (void)unused;
  size_t copy_bytes;
  create();
  add_rows(1000, 5);
  void *copy = seep_capture_copy(&capture, &copy_bytes);
  assert_non_null(copy);
  uint32_t room = rows.capacity;
  add_rows(100, 5); /* after the copy: the child must not see it */
  assert_int_equal(rows.capacity, room); /* growing is locked out between copy and fork */
  fflush(NULL);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    if (seep_capture_fork(&capture, child_path, copy, copy_bytes, NULL) != SEEP_OK) _exit(10);
    if (state->row_count != 1001) _exit(11);
    add_rows(3000, 6);
    seep_capture_seal(&capture);
    _exit(0);
  }
  check_child(child);
  seep_pages_unmap(copy, copy_bytes);
  add_rows(2000, 5);
  seep_capture_seal(&capture);

  struct seep_reader *reader = open_capture(path);
  assert_int_equal(seep_reader_state(reader, 0)->row_count, 3101);
  check_rows(reader, 1, 3101, 5);
  assert_int_equal(seep_reader_header(reader)->pid, getpid());
  assert_false(seep_reader_header(reader)->flags & SEEP_FILE_FORKED);
  seep_reader_close(reader);

  reader = open_capture(child_path);
  assert_true(seep_reader_is_sealed(reader));
  assert_int_equal(seep_reader_state(reader, 0)->row_count, 4001);
  check_rows(reader, 1, 1001, 5);
  check_rows(reader, 1001, 4001, 6);
  assert_int_equal(seep_reader_header(reader)->pid, child);
  assert_int_equal(seep_reader_header(reader)->parent_pid, getpid());
  assert_true(seep_reader_header(reader)->flags & SEEP_FILE_FORKED);
  seep_reader_close(reader);
}

/* Where the child's file cannot be made, the parent's is still safe. */
static void a_child_without_a_file_leaves_its_parents_alone(void **unused) {
  (void)unused;
  size_t copy_bytes;
  create();
  add_rows(100, 5);
  void *copy = seep_capture_copy(&capture, &copy_bytes);
  fflush(NULL);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    if (seep_capture_fork(&capture, "/nowhere/at/all", copy, copy_bytes, NULL) == SEEP_OK) _exit(10);
    struct seep_row_record *row = seep_table_record(&rows, 50);
    if (row->freed_bytes != 50) _exit(11);
    memset(row, 0, sizeof *row);
    capture.header->state_count = 0;
    _exit(0);
  }
  check_child(child);
  seep_capture_seal(&capture);
  struct seep_reader *reader = open_capture(path);
  check_rows(reader, 1, 101, 5);
  seep_reader_close(reader);
  seep_pages_unmap(copy, copy_bytes);
}

/* What came after the copy is gone, but not the room for it. */
static void a_copy_is_put_back(void **unused) {
  (void)unused;
  size_t copy_bytes;
  create();
  add_rows(100, 5);
  void *copy = seep_capture_copy(&capture, &copy_bytes);
  assert_non_null(copy);
  add_rows(5000, 6);
  memset(seep_table_record(&rows, 50), 0xff, sizeof(struct seep_row_record));
  seep_capture_mark_incomplete(&capture, "a reason");
  uint64_t size_bytes = capture.header->size_bytes;
  uint32_t segments = capture.header->segment_count;
  assert_true(size_bytes > copy_bytes);
  seep_capture_restore(&capture, copy, copy_bytes);
  assert_int_equal(state->row_count, 101);
  assert_int_equal(capture.header->size_bytes, size_bytes);
  assert_int_equal(capture.header->segment_count, segments);
  seep_capture_seal(&capture);
  struct seep_reader *reader = open_capture(path);
  assert_true(seep_reader_is_sealed(reader));
  assert_int_equal(seep_reader_state(reader, 0)->row_count, 101);
  check_rows(reader, 1, 101, 5);
  assert_true(seep_reader_header(reader)->flags & SEEP_FILE_INCOMPLETE);
  assert_string_equal(seep_reader_header(reader)->problem, "a reason");
  seep_reader_close(reader);
  seep_pages_unmap(copy, copy_bytes);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, new_paths, remove_files)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_new_capture_is_private_and_empty),
      TEST(what_was_written_is_read),
      TEST(strings_that_are_not_there_are_empty),
      TEST(what_is_written_after_the_seal_does_not_count),
      TEST(a_file_with_something_in_it_is_refused),
      TEST(an_empty_file_is_taken_over),
      TEST(the_first_reason_stays),
      TEST(a_file_that_cannot_grow_keeps_what_it_has),
      TEST(a_file_that_is_gone_takes_no_more),
      TEST(errno_is_kept),
      TEST(no_descriptor_stays_open),
      TEST(a_child_has_a_file_of_its_own),
      TEST(a_child_without_a_file_leaves_its_parents_alone),
      TEST(a_copy_is_put_back),
  };
  return cmocka_run_group_tests_name("store", tests, make_folder, remove_folder);
}
