/* Recording by hooks as a caller in C does it: a state that starts in the middle of its
 * life, with coroutines that are older, stops, starts again, in other modes, beside
 * other states; with a description of its VM and by the public API alone. On
 * every shared liblua that is installed; all in one capture. */
#include "unit.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "record/hook_states.h"
#include "record/process.h"
#include "store/reader.h"
#include "vm/calibrate.h"

static const char *const libraries[] = {"liblua5.1.so.0", "liblua5.2.so.0", "liblua5.3.so.0", "liblua5.4.so.0",
                                        "libluajit-5.1.so.2"};

static struct library {
  bool found;
  struct seep_lua_api api;
  struct seep_vm vm;
} known[SEEP_ARRAY_SIZE(libraries)];

static void *plain_alloc(void *ud, void *block, size_t old_size, size_t new_size) {
  (void)ud;
  (void)old_size;
  if (new_size != 0) return realloc(block, new_size);
  free(block);
  return NULL;
}

static lua_State *open_state(const struct seep_lua_api *api) {
  lua_State *L = api->newstate(plain_alloc, NULL, 0);
  assert_non_null(L);
  api->openlibs(L, -1, 0);
  return L;
}

static void run(const struct seep_lua_api *api, lua_State *L, const char *name, const char *code) {
  assert_int_equal(api->loadbuffer(L, code, strlen(code), name, NULL), 0);
  assert_int_equal(api->pcall(L, 0, 0, 0, (intptr_t)0, NULL), 0);
}

static struct seep_settings settings;

/* How many states the capture has. */
static uint32_t state_count(void) {
  struct seep_reader *reader;
  if (access(settings.path, F_OK) != 0) return 0;
  assert_int_equal(seep_reader_open(settings.path, &reader, NULL), SEEP_OK);
  uint32_t count = seep_reader_state_count(reader);
  seep_reader_close(reader);
  return count;
}

/* The gains of a line, and the sum over all rows is what the VM has grown by. */
static uint64_t gains_of_line(uint32_t state, uint32_t line, uint64_t *count) {
  struct seep_reader *reader;
  struct seep_error error = {{0}};
  uint64_t growth = 0, gains = 0;
  *count = 0;
  if (seep_reader_open(settings.path, &reader, &error) != SEEP_OK) fail_msg("%s", error.text);
  const struct seep_state_record *record = seep_reader_state(reader, state);
  for (uint32_t i = 1; i < record->row_count; i++) {
    const struct seep_hook_row_record *row = (const void *)seep_reader_row(reader, state, i);
    const struct seep_node_record *node = seep_reader_node(reader, state, row->node);
    const struct seep_frame_record *frame = seep_reader_frame(reader, state, node->frame);
    growth += row->gain_bytes - row->loss_bytes;
    if (frame == NULL || frame->line != line) continue;
    gains += row->gain_bytes;
    *count += row->gain_count;
  }
  assert_int_equal(growth, record->vm_bytes - record->vm_bytes_at_start);
  seep_reader_close(reader);
  return gains;
}

static struct seep_hook_request request_of(const struct library *library, bool described, enum seep_mode mode) {
  return (struct seep_hook_request){.api = &library->api, .vm = described ? &library->vm : NULL, .mode = mode,
                                    .instructions = mode == SEEP_MODE_COUNT ? 10 : 0};
}

static void start(const struct seep_hook_request *request, lua_State *L) {
  struct seep_error error = {{0}};
  if (seep_hook_states_start(request, L, (uintptr_t)L, &error) != SEEP_OK) fail_msg("%s", error.text);
}

/* A coroutine that is older than the recording is followed as soon as it is resumed. */
static void check_late_start(const struct library *library, bool described) {
  const struct seep_lua_api *api = &library->api;
  struct seep_hook_request request = request_of(library, described, SEEP_MODE_LINE);
  uint64_t count;
  uint32_t index = state_count();
  lua_State *L = open_state(api);
  api->gc(L, 0, 0);
  run(api, L, "@old", "if jit then jit.off() end\n"
                      "co = coroutine.create(function() while true do coroutine.yield()\n"
                      "kept = { 1, 2, 3 } end end)\n"
                      "wrapped = coroutine.wrap(function() while true do coroutine.yield()\n\n"
                      "kept = { 1, 2, 3 } end end)\n"
                      "coroutine.resume(co) wrapped()");
  start(&request, L);
  start(&request, L); /* once more changes nothing */
  run(api, L, "@new", "for i = 1, 100 do coroutine.resume(co) wrapped() end");
  assert_true(seep_hook_states_settle(api, L));
  assert_int_equal(state_count(), index + 1);
  assert_true(gains_of_line(index, 3, &count) >= 100 * 56);
  assert_int_equal(count, 100);
  gains_of_line(index, 6, &count);
  assert_int_equal(count, 100);
  assert_true(seep_hook_states_stop(api, L, false));
  assert_false(seep_hook_states_stop(api, L, false));
  assert_false(seep_hook_states_settle(api, L));
  /* Nothing is recorded any more, although coroutines may still have the hook. */
  run(api, L, "@new", "for i = 1, 100 do coroutine.resume(co) end");
  assert_null(api->gethook(L));
  gains_of_line(index, 3, &count);
  assert_int_equal(count, 100);
  /* Once more, into the same entry. */
  start(&request, L);
  run(api, L, "@new", "for i = 1, 50 do coroutine.resume(co) end");
  assert_true(seep_hook_states_stop(api, L, true));
  gains_of_line(index, 3, &count);
  assert_int_equal(count, 150);
  assert_int_equal(state_count(), index + 1);
  api->close(L);
}

/* Two states at a time, in two modes. */
static void check_two_states(const struct library *library, bool described) {
  const struct seep_lua_api *api = &library->api;
  struct seep_hook_request by_line = request_of(library, described, SEEP_MODE_LINE);
  struct seep_hook_request by_count = request_of(library, described, SEEP_MODE_COUNT);
  uint64_t count;
  uint32_t index = state_count();
  lua_State *A = open_state(api), *B = open_state(api);
  start(&by_line, A);
  start(&by_count, B);
  run(api, A, "@a", "local t = {}\nfor i = 1, 100 do t[i] = { i } end");
  run(api, B, "@b", "local t = {}\nfor i = 1, 100 do t[i] = { i } end");
  assert_true(seep_hook_states_settle(api, B));
  assert_true(seep_hook_states_stop(api, A, true));
  api->close(A);
  assert_true(seep_hook_states_stop(api, B, true));
  assert_true(gains_of_line(index, 2, &count) > 100 * 56);
  assert_true(gains_of_line(index + 1, 2, &count) > 0);
  api->close(B);
}

/* Many states, one after another: entries and recorders are used again. */
static void check_many_states(const struct library *library, bool described) {
  const struct seep_lua_api *api = &library->api;
  struct seep_hook_request request = request_of(library, described, SEEP_MODE_CALL);
  for (int i = 0; i < 300; i++) {
    lua_State *L = open_state(api);
    start(&request, L);
    run(api, L, "@many", "local function f() return {} end f() coroutine.wrap(f)()");
    seep_hook_states_stop(api, L, i % 2 == 0);
    if (i % 2 == 1) seep_hook_states_stop(api, L, true);
    api->close(L);
  }
  assert_true(state_count() < 200);
}

static void each(void (*check)(const struct library *, bool)) {
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(known); i++) {
    if (!known[i].found) continue;
    check(&known[i], true);
    check(&known[i], false);
  }
}

static void test_late_start(void **state) { (void)state; each(check_late_start); }
static void test_two_states(void **state) { (void)state; each(check_two_states); }
static void test_many_states(void **state) { (void)state; each(check_many_states); }
static int open_libraries(void **state) {
  (void)state;
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(libraries); i++) {
    struct seep_error error = {{0}};
    void *handle = dlopen(libraries[i], RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) continue;
    if (seep_lua_api_find(handle, &known[i].api, &error) != SEEP_OK) fail_msg("%s", error.text);
    if (seep_calibrate(&known[i].api, &known[i].vm, &error) != SEEP_OK) fail_msg("%s", error.text);
    known[i].found = true;
  }
  settings.mode = SEEP_MODE_LINE;
  snprintf(settings.path, sizeof settings.path, "/tmp/seepline-hooks-%d.seep", (int)getpid());
  seep_process_init(&settings);
  return 0;
}

/* The capture is sealed, and can be read as such. */
static int finish(void **state) {
  struct seep_reader *reader;
  (void)state;
  if (state_count() == 0) return 0; /* no library is installed */
  seep_process_finish();
  enum seep_status status = seep_reader_open(settings.path, &reader, NULL);
  bool sealed = status == SEEP_OK && seep_reader_is_sealed(reader);
  if (status == SEEP_OK) seep_reader_close(reader);
  unlink(settings.path);
  return sealed ? 0 : 1;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_late_start), cmocka_unit_test(test_two_states),
      cmocka_unit_test(test_many_states)};
  return cmocka_run_group_tests(tests, open_libraries, finish);
}
