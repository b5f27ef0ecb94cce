/* The recorder over a VM that is made up here: what happens at its limits, and
 * that the counters stay whole. */
#define _GNU_SOURCE
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "record/recorder.h"

enum { DEPTH = 3, LINES = 7, ALLOCATIONS = 2000, SMALL_MAX = 40 };

/* The state: an allocator that may be swapped, a count, a collector that rests. */
static struct {
  uintptr_t allocator;
  uint64_t count;
  uint64_t collector;
} state;

/* The stack that runs: line numbers stand for places, leaf first. */
static uint64_t places[DEPTH];

static void walk(const struct seep_vm_state *unused, struct seep_stack *out) {
  (void)unused;
  uint32_t total = 0;
  for (uint32_t i = 0; i < DEPTH; i++) seep_stack_push(out, &total, places[i], 0);
  seep_stack_finish(out, total);
  out->leaf_frame = 1;
}

static void leaf(const struct seep_vm_state *unused, struct seep_leaf *out) {
  (void)unused;
  *out = (struct seep_leaf){.frame = 1, .place = seep_leaf_fold(0, places[0])};
}

static uintptr_t function_of(const struct seep_vm_state *unused, uint64_t key, uintptr_t handle) {
  (void)unused;
  (void)key;
  (void)handle;
  return 1;
}

static void describe(const struct seep_vm_state *unused, uint64_t key, uintptr_t function,
                     struct seep_frame_info *out) {
  (void)unused;
  (void)function;
  *out = (struct seep_frame_info){.source = "@a.lua", .source_bytes = 6, .line = (uint32_t)key,
                                  .line_defined = 1, .line_last = 10000};
}

static const struct seep_vm_ops ops = {.family = "Lua 5.4", .walk = walk, .leaf = leaf,
                                       .function_of = function_of, .describe = describe};

static const struct seep_vm vm = {
    .ops = &ops, .release = "Lua 5.4.4", .allocf = 0, .total = 8, .white = 16, .word_mask = 0xffffff,
    .closing_bits = 0x800000, .types_in_osize = true,
    .type_by_tag = {[4] = SEEP_TYPE_STRING, [5] = SEEP_TYPE_TABLE}};

static char path[] = "/tmp/seepline-unit-recorder-XXXXXX";
static struct seep_capture capture;
static struct seep_recorder *recorder;

static void *from_malloc(void *ud, void *block, size_t old_size, size_t new_size) {
  (void)ud;
  (void)old_size;
  if (new_size != 0) return realloc(block, new_size);
  free(block);
  return NULL;
}

static int begin(void **unused) {
  (void)unused;
  struct seep_error error;
  strcpy(path + sizeof path - 7, "XXXXXX");
  int file = mkstemp(path);
  if (file < 0) return -1;
  close(file);
  recorder = calloc(1, sizeof *recorder);
  state.count = 0;
  state.collector = 1;
  if (seep_capture_create(&capture, path, &error) != SEEP_OK) return -1;
  if (!seep_recorder_init(recorder, &capture, 0, &vm)) return -1;
  recorder->original = from_malloc;
  seep_recorder_begin(recorder, (uintptr_t)&state);
  return 0;
}

static int end(void **unused) {
  (void)unused;
  seep_block_table_clear(&recorder->blocks);
  free(recorder);
  return unlink(path);
}

/* Allocates at leaf line `line`, called from places that `caller` tells apart. */
static void *allocate(uint32_t line, uint32_t caller, size_t type_tag, size_t size_bytes) {
  places[0] = line;
  places[1] = LINES + 1 + caller / 50;
  places[2] = LINES + 1 + caller % 50;
  void *block = seep_recorder_call(NULL, NULL, type_tag, size_bytes, recorder);
  state.count += size_bytes;
  return block;
}

static void release(void *block, size_t size_bytes) {
  seep_recorder_call(NULL, block, size_bytes, 0, recorder);
  state.count -= size_bytes;
}

static const struct seep_row_record *row_at(uint32_t number) {
  return seep_table_record(&recorder->rows, number);
}

/* The line of a row, and how many frames its stack has. */
static uint32_t line_of(const struct seep_row_record *row, uint32_t *depth) {
  const struct seep_node_record *node = seep_sites_node(&recorder->sites, row->node);
  const struct seep_frame_record *frame = seep_table_record(&recorder->sites.frames, node->frame);
  *depth = node->depth;
  return frame->line;
}

/* Live bytes by line; [0]: of rows that have no line. */
static void sum_by_line(uint64_t bytes[LINES + 1], uint32_t *whole_stacks) {
  memset(bytes, 0, (LINES + 1) * sizeof *bytes);
  *whole_stacks = 0;
  for (uint32_t i = 1; i < recorder->record->row_count; i++) {
    uint32_t depth, line = line_of(row_at(i), &depth);
    bytes[line <= LINES ? line : 0] += row_at(i)->alloc_bytes - row_at(i)->freed_bytes;
    if (depth == DEPTH) ++*whole_stacks;
  }
}

/* Many stacks, each with two types; every third block goes again. */
static void run_program(uint64_t expected[LINES + 1]) {
  memset(expected, 0, (LINES + 1) * sizeof *expected);
  for (uint32_t i = 0; i < ALLOCATIONS; i++) {
    uint32_t line = 1 + i % LINES;
    size_t size = 16 + i % 5 * 8;
    void *block = allocate(line, i / 2, 4 + i % 2, size);
    expected[line] += size;
    if (i % 3 != 0) continue;
    release(block, size);
    expected[line] -= size;
  }
}

static void check_lines(const uint64_t expected[LINES + 1]) {
  uint64_t found[LINES + 1];
  uint32_t whole_stacks;
  sum_by_line(found, &whole_stacks);
  for (int line = 0; line <= LINES; line++) assert_int_equal(found[line], expected[line]);
  assert_true(seep_recorder_adds_up(recorder));
  assert_int_equal(recorder->record->live_bytes, state.count);
  assert_int_equal(recorder->record->vm_bytes, state.count);
}

static void test_no_limit(void **unused) {
  (void)unused;
  uint64_t expected[LINES + 1];
  run_program(expected);
  check_lines(expected);
  assert_int_equal(recorder->record->dropped_count, 0);
}

/* Whatever runs out, new stacks are charged to their leaf line. */
static void test_nodes_run_out(void **unused) {
  (void)unused;
  uint64_t expected[LINES + 1];
  recorder->sites.nodes_max = SMALL_MAX;
  run_program(expected);
  check_lines(expected);
  assert_true(recorder->record->dropped_count > ALLOCATIONS / 2);
}

static void test_rows_run_out(void **unused) {
  (void)unused;
  uint64_t expected[LINES + 1];
  recorder->rows_max = SMALL_MAX;
  run_program(expected);
  check_lines(expected);
  assert_true(recorder->record->dropped_count > ALLOCATIONS / 2);
}

static void test_sites_run_out(void **unused) {
  (void)unused;
  uint64_t expected[LINES + 1], found[LINES + 1];
  uint32_t whole_stacks;
  recorder->sites_max = SMALL_MAX;
  run_program(expected);
  check_lines(expected);
  sum_by_line(found, &whole_stacks);
  assert_true(whole_stacks <= 2 * SMALL_MAX);
  assert_true(recorder->record->dropped_count > ALLOCATIONS / 2);
}

/* A copy that was taken in the middle of a call is known as such. */
static void test_adds_up(void **unused) {
  (void)unused;
  allocate(1, 1, 5, 100);
  assert_true(seep_recorder_adds_up(recorder));
  recorder->record->live_bytes += 100;
  assert_false(seep_recorder_adds_up(recorder));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_no_limit, begin, end),
      cmocka_unit_test_setup_teardown(test_nodes_run_out, begin, end),
      cmocka_unit_test_setup_teardown(test_rows_run_out, begin, end),
      cmocka_unit_test_setup_teardown(test_sites_run_out, begin, end),
      cmocka_unit_test_setup_teardown(test_adds_up, begin, end),
  };
  return cmocka_run_group_tests_name("recorder", tests, NULL, NULL);
}
