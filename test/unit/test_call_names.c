/* The names of calls, read from bytecode: what each version's instructions say, and that any bytes at all are read within
 * bounds. The functions are made up here, in memory that an image guards. (test/names has the real ones.) */
#include "unit.h"

#include <string.h>

#include "vm/luajit_bytecode.h"
#include "vm/luajit_calls.h"
#include "vm/puc_calls.h"

enum { MEMORY_BYTES = 16384, BASE = 0x10000 };

/* A piece of memory, and how often something else was asked for, which reads as zeros. */
static char memory[MEMORY_BYTES];
static uint64_t loads, refused;

static bool read_memory(const struct seep_image *image, uintptr_t address, void *out, size_t size_bytes) {
  (void)image;
  loads++;
  if (address < BASE || address > BASE + MEMORY_BYTES || size_bytes > BASE + MEMORY_BYTES - address) {
    refused++;
    return false;
  }
  memcpy(out, memory + (address - BASE), size_bytes);
  return true;
}

static const struct seep_image image = {.read = read_memory};

static void put(uintptr_t address, uint64_t value, size_t size_bytes) {
  assert_true(address >= BASE && address + size_bytes <= BASE + MEMORY_BYTES);
  memcpy(memory + (address - BASE), &value, size_bytes);
}

/* -- PUC ------------------------------------------------------------------------ */

enum { PROTO = BASE, CODE = BASE + 0x400, CONSTANTS = BASE + 0x800, LOCALS = BASE + 0xa00, UPVALUES = BASE + 0xc00,
       STRINGS = BASE + 0x1000 };

static uintptr_t put_string(const struct seep_puc_heap *layout, uint32_t number, const char *text) {
  uintptr_t string = STRINGS + number * 128u;
  put(string + SEEP_PUC_O_TT, 4, 1);
  if (layout->ts_length != 0) put(string + layout->ts_length, strlen(text), 8);
  else put(string + layout->ts_short_length, strlen(text), 1);
  memcpy(memory + (string + layout->ts_size - BASE), text, strlen(text) + 1);
  return string;
}

/* A function with the constants "put" and "handler", the upvalues "up" and "_ENV", and the local "f" in register 0. */
static const struct seep_puc_heap *make_proto(uint8_t version, const uint32_t *code, uint32_t size) {
  static const char *const releases[] = {"5.1 to 5.1.5", "5.2.4", "5.3.2 to 5.3.6", "5.4.3 to 5.4.8"};
  const struct seep_puc_heap *layout = seep_puc_names_layout(version, releases[version - 51]);
  assert_non_null(layout);
  memset(memory, 0, sizeof memory);
  for (uint32_t i = 0; i < size; i++) put(CODE + i * 4, code[i], 4);
  put(PROTO + layout->p_code, CODE, 8);
  put(PROTO + layout->p_sizecode, size, 4);
  put(PROTO + layout->p_k, CONSTANTS, 8);
  put(PROTO + layout->p_sizek, 2, 4);
  for (uint32_t i = 0; i < 2; i++) {
    put(CONSTANTS + i * 16, put_string(layout, i, i == 0 ? "put" : "handler"), 8);
    put(CONSTANTS + i * 16 + 8, version == 51 ? 4 : 0x44, 1);
    put(UPVALUES + i * layout->upvaldesc_bytes, put_string(layout, 2 + i, i == 0 ? "up" : "_ENV"), 8);
  }
  put(PROTO + layout->p_upvalues, UPVALUES, 8);
  put(PROTO + layout->p_sizeupvalues, 2, 4);
  put(PROTO + layout->p_locvars, LOCALS, 8);
  put(PROTO + layout->p_sizelocvars, 1, 4);
  put(LOCALS, put_string(layout, 4, "f"), 8);
  put(LOCALS + 8, 0, 4);
  put(LOCALS + 12, 100, 4);
  return layout;
}

static void check_puc(uint8_t version, const uint32_t *code, uint32_t size, enum seep_called as, const char *name) {
  const struct seep_puc_heap *layout = make_proto(version, code, size);
  struct seep_call_name got;
  seep_puc_name_at(&image, layout, PROTO, size - 1, &got);
  assert_int_equal(got.as, as);
  assert_int_equal(got.name_bytes, strlen(name));
  if (got.name_bytes == 0) return;
  /* An event is a constant of ours, anything else stands in the memory. */
  const char *text = as == SEEP_CALLED_METAMETHOD ? got.name : memory + ((uintptr_t)got.name - BASE);
  assert_memory_equal(text, name, got.name_bytes);
}

#define CHECK_PUC(version, as, name, ...)                                              \
  do {                                                                                 \
    const uint32_t code[] = {__VA_ARGS__};                                             \
    check_puc(version, code, SEEP_ARRAY_SIZE(code), as, name);                         \
  } while (0)

/* Instructions of 5.1 to 5.3 and of 5.4. */
#define ABC(op, a, b, c) ((uint32_t)(op) | (uint32_t)(a) << 6 | (uint32_t)(b) << 23 | (uint32_t)(c) << 14)
#define ABX(op, a, bx) ((uint32_t)(op) | (uint32_t)(a) << 6 | (uint32_t)(bx) << 14)
#define ABC4(op, a, k, b, c) ((uint32_t)(op) | (uint32_t)(a) << 7 | (uint32_t)(k) << 15 | (uint32_t)(b) << 16 | (uint32_t)(c) << 24)
enum { K = 256 };

static void the_calls_of_5_1(void **unused) {
  (void)unused;
  CHECK_PUC(51, SEEP_CALLED_GLOBAL, "handler", ABX(5, 1, 1), ABC(28, 1, 1, 1));
  CHECK_PUC(51, SEEP_CALLED_FIELD, "put", ABC(6, 1, 0, K | 0), ABC(28, 1, 1, 1));
  CHECK_PUC(51, SEEP_CALLED_METHOD, "put", ABC(11, 1, 0, K | 0), ABC(28, 1, 1, 1));
  CHECK_PUC(51, SEEP_CALLED_UPVALUE, "up", ABC(4, 1, 0, 0), ABC(28, 1, 1, 1));
  CHECK_PUC(51, SEEP_CALLED_LOCAL, "f", ABC(0, 1, 0, 0), ABC(28, 1, 1, 1));
  CHECK_PUC(51, SEEP_CALLED_METAMETHOD, "__concat", ABC(21, 1, 1, 2));
  CHECK_PUC(51, SEEP_CALLED_ITERATOR, "", ABC(33, 1, 0, 1));
  CHECK_PUC(51, SEEP_CALLED_UNNAMED, "", ABC(6, 1, 0, 2), ABC(28, 1, 1, 1));
}

static void the_calls_of_5_3(void **unused) {
  (void)unused;
  CHECK_PUC(52, SEEP_CALLED_GLOBAL, "handler", ABC(6, 1, 1, K | 1), ABC(29, 1, 1, 1));
  CHECK_PUC(53, SEEP_CALLED_GLOBAL, "handler", ABC(6, 1, 1, K | 1), ABC(36, 1, 1, 1));
  CHECK_PUC(53, SEEP_CALLED_FIELD, "put", ABC(6, 1, 0, K | 0), ABC(36, 1, 1, 1));
  CHECK_PUC(53, SEEP_CALLED_FIELD, "put", ABX(1, 2, 0), ABC(7, 1, 0, 2), ABC(36, 1, 1, 1));
  CHECK_PUC(53, SEEP_CALLED_METAMETHOD, "__idiv", ABC(19, 1, 1, 2));
}

static void the_calls_of_5_4(void **unused) {
  (void)unused;
  CHECK_PUC(54, SEEP_CALLED_GLOBAL, "handler", ABC4(11, 1, 0, 1, 1), ABC4(68, 1, 0, 1, 1));
  CHECK_PUC(54, SEEP_CALLED_FIELD, "put", ABC4(14, 1, 0, 0, 0), ABC4(68, 1, 0, 1, 1));
  CHECK_PUC(54, SEEP_CALLED_METHOD, "put", ABC4(20, 1, 1, 0, 0), ABC4(68, 1, 0, 1, 1));
  CHECK_PUC(54, SEEP_CALLED_METAMETHOD, "__idiv", ABC4(46, 1, 0, 1, 12));
  CHECK_PUC(54, SEEP_CALLED_METAMETHOD, "__close", ABC4(70, 1, 0, 1, 0));
  CHECK_PUC(54, SEEP_CALLED_UNNAMED, "", ABC4(46, 1, 0, 1, 255));
}

/* What may have been jumped over says nothing. */
static void conditions(void **unused) {
  (void)unused;
  uint32_t jump = 56 | (uint32_t)(16777215 + 1) << 7;
  CHECK_PUC(54, SEEP_CALLED_UNNAMED, "", jump, ABC4(14, 1, 0, 0, 0), ABC4(68, 1, 0, 1, 1));
  CHECK_PUC(54, SEEP_CALLED_FIELD, "put", jump, ABC4(0, 5, 0, 0, 0), ABC4(14, 1, 0, 0, 0), ABC4(68, 1, 0, 1, 1));
}

static void random_bytes(struct unit_random *random, size_t begin, size_t end) {
  for (size_t i = begin; i < end; i += 8) {
    uint64_t word = unit_random_next(random);
    memcpy(memory + i, &word, 8);
  }
}

/* A name that is told lies in the memory, or is ours; and the search ends. */
static void check_bounds(const struct seep_call_name *got, uint64_t loads_max) {
  assert_true(got->as < SEEP_CALLED_COUNT && got->name_bytes <= SEEP_CALL_NAME_MAX);
  assert_true(loads <= loads_max);
  loads = 0;
}

static void any_code_of_puc(void **unused) {
  (void)unused;
  struct unit_random random = {5};
  const uint32_t nothing[1] = {0};
  for (uint32_t round = 0; round < 4000; round++) {
    const struct seep_puc_heap *layout = make_proto((uint8_t)(51 + round % 4), nothing, 1);
    random_bytes(&random, CODE - BASE, CODE - BASE + 0x400);
    if (round % 3 == 0) random_bytes(&random, CONSTANTS - BASE, MEMORY_BYTES);
    if (round % 7 == 0) random_bytes(&random, 0, CODE - BASE);
    else put(PROTO + layout->p_sizecode, round % 5 == 0 ? UINT32_MAX : 256, 4);
    for (int i = 0; i < 8; i++) {
      struct seep_call_name got;
      seep_puc_name_at(&image, layout, PROTO, unit_random_below(&random, 300), &got);
      check_bounds(&got, 1u << 20);
    }
  }
  assert_true(refused > 0);
}

static void a_function_without_end(void **unused) {
  (void)unused;
  const uint32_t nothing[1] = {0};
  const struct seep_puc_heap *layout = make_proto(54, nothing, 1);
  struct seep_call_name got;
  put(PROTO + layout->p_sizecode, UINT32_MAX, 4);
  put(PROTO + layout->p_sizelocvars, UINT32_MAX, 4);
  loads = 0;
  seep_puc_name_at(&image, layout, PROTO, UINT32_MAX - 1, &got);
  check_bounds(&got, 1u << 18);
}

/* -- LuaJIT ----------------------------------------------------------------------- */

enum { LJ_CODE = PROTO + SEEP_PROTO_BYTES, LJ_K = BASE + 0x900, LJ_TEXTS = BASE + 0x600, LJ_SIZE = 0x800 };

static void put_lj_proto(const uint32_t *code, uint32_t size) {
  static const char upvalues[] = "up\0other", variables[] = "f\0\0\x7f"; /* "f" in slot 0, as long as the code */
  static const char *const names[] = {"put", "handler"};
  memset(memory, 0, sizeof memory);
  for (uint32_t i = 0; i < size; i++) put(LJ_CODE + i * 4, code[i], 4);
  put(PROTO + SEEP_PROTO_SIZEBC, size, 4);
  put(PROTO + SEEP_PROTO_SIZE, LJ_SIZE, 4);
  put(PROTO + SEEP_PROTO_K, LJ_K, 8);
  put(PROTO + SEEP_PROTO_SIZEKGC, 2, 4);
  for (uint32_t i = 0; i < 2; i++) {
    uintptr_t string = STRINGS + i * 128u;
    put(LJ_K - (i + 1) * 8, string, 8);
    put(string + SEEP_OBJECT_TYPE, SEEP_GCT_STR, 1);
    put(string + SEEP_STRING_LENGTH, strlen(names[i]), 4);
    memcpy(memory + (string + SEEP_STRING_BYTES - BASE), names[i], strlen(names[i]));
  }
  put(PROTO + SEEP_PROTO_UVINFO, LJ_TEXTS, 8);
  memcpy(memory + (LJ_TEXTS - BASE), upvalues, sizeof upvalues);
  put(PROTO + SEEP_PROTO_VARINFO, LJ_TEXTS + 64, 8);
  memcpy(memory + (LJ_TEXTS + 64 - BASE), variables, sizeof variables);
}

static void check_lj(const uint32_t *code, uint32_t size, bool is_call, enum seep_called as, const char *name) {
  struct seep_call_name got;
  put_lj_proto(code, size);
  seep_lj_name_call(&image, &(struct seep_lj_caller){.proto = PROTO, .position = size - 1, .is_call = is_call}, &got);
  assert_int_equal(got.as, as);
  assert_int_equal(got.name_bytes, strlen(name));
  if (got.name_bytes == 0) return;
  const char *text = as == SEEP_CALLED_METAMETHOD ? got.name : memory + ((uintptr_t)got.name - BASE);
  assert_memory_equal(text, name, got.name_bytes);
}

#define CHECK_LJ(is_call, as, name, ...)                                               \
  do {                                                                                 \
    const uint32_t code[] = {__VA_ARGS__};                                             \
    check_lj(code, SEEP_ARRAY_SIZE(code), is_call, as, name);                          \
  } while (0)
#define LJ_AD(op, a, d) ((uint32_t)(op) | (uint32_t)(a) << 8 | (uint32_t)(d) << 16)
#define LJ_ABC(op, a, b, c) LJ_AD(op, a, (uint32_t)(b) << 8 | (uint32_t)(c))
enum { FUNCF = 96, MOV = 18, UGET = 45, GGET = 54, TGETV = 56, TGETS = 57, CALL = 66, ITERC = 69, CAT = 38 };

static void the_calls_of_luajit(void **unused) {
  (void)unused;
  CHECK_LJ(true, SEEP_CALLED_GLOBAL, "handler", FUNCF, LJ_AD(GGET, 1, 1), LJ_ABC(CALL, 1, 1, 1));
  CHECK_LJ(true, SEEP_CALLED_FIELD, "put", FUNCF, LJ_ABC(TGETS, 1, 0, 0), LJ_ABC(CALL, 1, 1, 1));
  CHECK_LJ(true, SEEP_CALLED_METHOD, "put", FUNCF, LJ_AD(MOV, 3, 0), LJ_ABC(TGETS, 1, 0, 0), LJ_ABC(CALL, 1, 1, 2));
  CHECK_LJ(true, SEEP_CALLED_UPVALUE, "other", FUNCF, LJ_AD(UGET, 1, 1), LJ_ABC(CALL, 1, 1, 1));
  CHECK_LJ(true, SEEP_CALLED_LOCAL, "f", FUNCF, LJ_AD(MOV, 1, 0), LJ_ABC(CALL, 1, 1, 1));
  CHECK_LJ(true, SEEP_CALLED_UNNAMED, "", FUNCF, LJ_ABC(TGETV, 1, 0, 2), LJ_ABC(CALL, 1, 1, 1));
  CHECK_LJ(true, SEEP_CALLED_ITERATOR, "", FUNCF, LJ_ABC(ITERC, 4, 2, 3));
  CHECK_LJ(false, SEEP_CALLED_METAMETHOD, "__concat", FUNCF, LJ_ABC(CAT, 1, 1, 2));
  CHECK_LJ(true, SEEP_CALLED_UNNAMED, "", FUNCF, LJ_ABC(CAT, 1, 1, 2)); /* no metamethod was called */
}

static void any_code_of_luajit(void **unused) {
  (void)unused;
  struct unit_random random = {6};
  const uint32_t nothing[1] = {0};
  for (int round = 0; round < 4000; round++) {
    put_lj_proto(nothing, 1);
    random_bytes(&random, LJ_CODE - BASE, LJ_CODE - BASE + 0x400);
    put(PROTO + SEEP_PROTO_SIZEBC, 256, 4);
    if (round % 3 == 0) random_bytes(&random, LJ_TEXTS - BASE, MEMORY_BYTES);
    if (round % 7 == 0) random_bytes(&random, 0, LJ_CODE - BASE);
    put(PROTO + SEEP_PROTO_SIZE, round % 5 == 0 ? UINT32_MAX : LJ_SIZE, 4);
    for (int i = 0; i < 8; i++) {
      struct seep_call_name got;
      struct seep_lj_caller caller = {.proto = PROTO, .position = unit_random_below(&random, 300), .is_call = i % 2 == 0,
                                      .base = STRINGS, .closure = STRINGS + 0x200, .callee = STRINGS};
      seep_lj_name_call(&image, &caller, &got);
      check_bounds(&got, 1u << 20);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_calls_of_5_1),
      cmocka_unit_test(the_calls_of_5_3),
      cmocka_unit_test(the_calls_of_5_4),
      cmocka_unit_test(conditions),
      cmocka_unit_test(any_code_of_puc),
      cmocka_unit_test(a_function_without_end),
      cmocka_unit_test(the_calls_of_luajit),
      cmocka_unit_test(any_code_of_luajit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
