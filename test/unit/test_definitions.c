/* What a text calls the functions that it defines, on which lines; and that any text is read to its end. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "model/names.h"
#include "vm/definitions.h"

/* The names in the order in which their functions end, "-" for none, "~" before a key alone. */
static char told[4096];

static void tell(void *context, const struct seep_definition *definition) {
  (void)context;
  if (told[0] != '\0') strcat(told, " ");
  if (definition->is_part) strcat(told, "~");
  strcat(told, definition->name == NULL ? "-" : definition->name);
}

static void check(const char *text, const char *wanted) {
  told[0] = '\0';
  seep_definitions_read(text, strlen(text), tell, NULL);
  assert_string_equal(told, wanted);
}

static void statements(void **unused) {
  (void)unused;
  check("function f() end", "f");
  check("function a.b.c() end function Account:deposit(v) end", "a.b.c Account:deposit");
  check("local function f() local function g() end end", "g f");
  check("#!/usr/bin/lua\nfunction f() end", "f");
  check("function f() if a then elseif b then else end while c do end for i = 1, 2 do end repeat until d do end end", "f");
}

static void assignments(void **unused) {
  (void)unused;
  check("f = function() end", "f");
  check("local f <const> = function() end", "f");
  check("cache.put = function() end cache [ 'get' ] = function() end", "cache.put cache['get']");
  check("a, b.c = function() end, function() end", "a b.c");
  check("local x, y = 1, function() end z = function() end", "y z");
  check("handlers[n + 1].go = function() end", "handlers[n+1].go");
  check("f = g or function() end", "f");
  check("if x == function() end then end", "-");
}

static void constructors(void **unused) {
  (void)unused;
  check("local t = { put = function() end, on = { click = function() end } }", "t.put t.on.click");
  check("t = { function() end; 1, function() end, ['a b'] = function() end }", "t[1] t[3] t['a b']");
  check("t = { a, b = 1, function() end }", "t[2]");
  check("return { put = function() end, sub = { get = function() end } }", "~put ~sub.get");
  check("f { on = function() end }", "~on");
  check("C = setmetatable({ m = function() end }, { __index = function() end })", "C.m ~__index");
}

static void functions_without_a_name(void **unused) {
  (void)unused;
  check("return function() end", "-");
  check("table.sort(t, function(a, b) return a < b end)", "-");
  check("x = f(function() end)", "-");
  check("x = (function() end)()", "-");
  check("f 'text' .x = function() end", "-");
}

static void what_is_no_code(void **unused) {
  (void)unused;
  check("-- function a() end\nfunction b() end --[[ function c() end ]] --[==[ ]] function d() end ]==]", "b");
  check("x = 'function a() end' y = \"\\\"function b() end\" z = [=[ ]] function c() end ]=] function d() end", "d");
  check("x = 'a\\z  \n  b' function f() end", "f");
  check("goto done function f() end ::done::", "f");
  check("x = 0x1p-2 y = 1e+5 z = 3..2 function f() end", "f");
}

static void lines_are_those_of_the_vm(void **unused) {
  (void)unused;
  const char text[] = "function f\n()\nend\nlocal g = function\n()\n\nend\r\nlocal function h() end\n";
  struct seep_names_function f = {.file = "", .line = 1, .line_last = 3}, g = {.file = "", .line = 5, .line_last = 7};
  struct seep_names_function h = {.file = "", .line = 8, .line_last = 8};
  const struct { struct seep_names_function *function; const char *name; } all[] = {{&f, "f"}, {&g, "g"}, {&h, "h"}};
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(all); i++) {
    char *name = seep_names_from_text(text, sizeof text - 1, all[i].function);
    assert_non_null(name);
    assert_string_equal(name, all[i].name);
    free(name);
    all[i].function->line_last++;
    assert_null(seep_names_from_text(text, sizeof text - 1, all[i].function));
  }
}

static void functions_on_one_line(void **unused) {
  (void)unused;
  const char text[] = "t = { put = function() end, get = function() end }";
  struct seep_names_function function = {.file = "", .line = 1, .line_last = 1};
  assert_null(seep_names_from_text(text, sizeof text - 1, &function));
  function.called = "get";
  char *name = seep_names_from_text(text, sizeof text - 1, &function);
  assert_string_equal(name, "t.get");
  free(name);
  function.called = "et";
  assert_null(seep_names_from_text(text, sizeof text - 1, &function));
}

static void count(void *context, const struct seep_definition *definition) {
  uint32_t *counted = context;
  assert_true(definition->name == NULL || strlen(definition->name) < SEEP_DEFINITION_NAME_MAX);
  (*counted)++;
}

/* Texts of pieces in any order, cut anywhere: nothing is read past the end, which valgrind and the sanitizers see. */
static void any_text_is_read_to_its_end(void **unused) {
  static const char *const pieces[] = {
      "function", " f", "(", ")", "end", "{", "}", "[", "]", "=", ",", ";", ".", ":", "'", "\"", "\\", "--", "[[", "]]",
      "[=[", "\n", "\r\n", "local", "x", "or", "do", "if", "until", "repeat", "setmetatable", "<", ">", "1e", "..", "::",
      "\xff", "#", "return", "function f() ", "x = { y = function(", ") end "};
  struct unit_random random = {1};
  uint32_t counted = 0;
  (void)unused;
  for (int round = 0; round < 20000; round++) {
    char text[512] = "";
    for (uint32_t i = unit_random_below(&random, 60); i > 0; i--) {
      strcat(text, pieces[unit_random_below(&random, SEEP_ARRAY_SIZE(pieces))]);
      if (unit_random_below(&random, 2)) strcat(text, " ");
    }
    size_t size = unit_random_below(&random, (uint32_t)strlen(text) + 1);
    char *copy = malloc(size + 1); /* its end is its own */
    memcpy(copy, text, size);
    seep_definitions_read(copy, size, count, &counted);
    free(copy);
  }
  assert_true(counted > 0);
}

static void deep_nesting_ends_the_pass(void **unused) {
  (void)unused;
  char text[2048] = "function first() end x = ";
  for (int i = 0; i < 1000; i++) strcat(text, "{");
  check(text, "first");
}

static void long_names_are_not_told(void **unused) {
  (void)unused;
  char text[1024] = "t = { ", name[201];
  memset(name, 'n', 200);
  name[200] = '\0';
  strcat(strcat(text, name), " = function() end }");
  check(text, "-");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(statements),
      cmocka_unit_test(assignments),
      cmocka_unit_test(constructors),
      cmocka_unit_test(functions_without_a_name),
      cmocka_unit_test(what_is_no_code),
      cmocka_unit_test(lines_are_those_of_the_vm),
      cmocka_unit_test(functions_on_one_line),
      cmocka_unit_test(any_text_is_read_to_its_end),
      cmocka_unit_test(deep_nesting_ends_the_pass),
      cmocka_unit_test(long_names_are_not_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
