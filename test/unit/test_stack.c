/* What a walk keeps of a stack: all of a shallow one; of a deep one the 192
 * innermost frames, a mark, and the 64 outermost in their order. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "vm/vm.h"

static struct seep_stack stack;

/* A stack of `depth` frames, whose keys are 1 for the innermost and so on. */
static void walk(uint32_t depth) {
  uint32_t total = 0;
  memset(&stack, 0xee, sizeof stack);
  for (uint32_t i = 1; i <= depth; i++) seep_stack_push(&stack, &total, i, i + 1000000);
  assert_int_equal(total, depth);
  seep_stack_finish(&stack, total);
}

static void check_frame(uint32_t at, uint32_t key) {
  assert_int_equal(stack.keys[at], key);
  assert_int_equal(stack.handles[at], key + 1000000);
}

static void a_shallow_stack_is_kept_whole(void **unused) {
  (void)unused;
  for (uint32_t depth = 0; depth <= SEEP_STACK_MAX; depth++) {
    walk(depth);
    assert_int_equal(stack.count, depth);
    for (uint32_t i = 0; i < depth; i++) check_frame(i, i + 1);
  }
}

static void check_deep(uint32_t depth) {
  walk(depth);
  assert_int_equal(stack.count, SEEP_STACK_MAX);
  for (uint32_t i = 0; i < SEEP_STACK_INNER; i++) check_frame(i, i + 1);
  assert_true(stack.keys[SEEP_STACK_INNER] == SEEP_KEY_TRUNCATED);
  for (uint32_t i = 0; i < SEEP_STACK_OUTER; i++) {
    check_frame(SEEP_STACK_MAX - 1 - i, depth - i);
  }
}

static void a_deep_stack_keeps_both_ends(void **unused) {
  (void)unused;
  for (uint32_t depth = SEEP_STACK_MAX + 1; depth < SEEP_STACK_MAX + 3 * SEEP_STACK_OUTER; depth++) {
    check_deep(depth);
  }
  check_deep(2000);
  check_deep(200000);
}

static void the_limits_are_those_of_the_design(void **unused) {
  (void)unused;
  assert_int_equal(SEEP_STACK_INNER, 192);
  assert_int_equal(SEEP_STACK_OUTER, 64);
}

static void host_resumes_nest(void **unused) {
  (void)unused;
  struct seep_vm_state state = {0};
  uint32_t depths[100];
  for (uint32_t i = 0; i < 100; i++) depths[i] = seep_vm_host_resume_begin(&state, i + 1);
  assert_int_equal(state.host_resumed_count, SEEP_HOST_RESUMES_MAX);
  for (uint32_t i = 0; i < SEEP_HOST_RESUMES_MAX; i++) assert_int_equal(state.host_resumed[i], i + 1);
  for (uint32_t i = 100; i-- > 0;) seep_vm_host_resume_end(&state, depths[i]);
  assert_int_equal(state.host_resumed_count, 0);
}

static void types_have_the_names_of_the_design(void **unused) {
  (void)unused;
  assert_string_equal(seep_type_name(SEEP_TYPE_TABLE), "table");
  assert_string_equal(seep_type_name(SEEP_TYPE_CDATA), "cdata");
  assert_string_equal(seep_type_name(SEEP_TYPE_BUFFER), "buffer");
  assert_string_equal(seep_type_name((enum seep_type)99), "other");
}

static int by_key(const void *left, const void *right) {
  uint64_t a = ((const struct seep_c_name *)left)->key, b = ((const struct seep_c_name *)right)->key;
  return (a > b) - (a < b);
}

static void c_functions_are_found_by_key(void **unused) {
  (void)unused;
  static struct seep_vm vm;
  struct unit_random random = {5};
  vm.c_name_count = 100;
  for (uint32_t i = 0; i < vm.c_name_count; i++) {
    vm.c_names[i].key = SEEP_KEY_C | (unit_random_next(&random) & SEEP_KEY_ADDRESS);
  }
  qsort(vm.c_names, vm.c_name_count, sizeof vm.c_names[0], by_key);
  for (uint32_t i = 0; i < vm.c_name_count; i++) {
    vm.c_names[i].name[0] = (char)(i + 1);
    const char *found = seep_vm_c_name(&vm, vm.c_names[i].key | SEEP_KEY_TAIL);
    assert_ptr_equal(found, vm.c_names[i].name);
    assert_null(seep_vm_c_name(&vm, vm.c_names[i].key | SEEP_KEY_BUILTIN));
  }
  assert_null(seep_vm_c_name(&vm, SEEP_KEY_C | 1));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_shallow_stack_is_kept_whole),
      cmocka_unit_test(a_deep_stack_keeps_both_ends),
      cmocka_unit_test(the_limits_are_those_of_the_design),
      cmocka_unit_test(host_resumes_nest),
      cmocka_unit_test(types_have_the_names_of_the_design),
      cmocka_unit_test(c_functions_are_found_by_key),
  };
  return cmocka_run_group_tests_name("stack", tests, NULL, NULL);
}
