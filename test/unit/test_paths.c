/* Names of references, shortest paths, groups, growth and finding, on graphs that
 * are made by hand. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "heap/find.h"
#include "heap/graph_build.h"
#include "heap/growth.h"
#include "heap/view.h"

enum { GLOBALS = 0x1000, REGISTRY = 0x2000, THREAD = 0x3000, LOADED = 0x4000 };

struct made {
  struct seep_graph_builder builder;
  struct seep_graph graph;
  struct seep_heap_view view;
  uint64_t next_string;
};

static uint32_t name(struct made *made, const char *text) {
  return seep_graph_builder_name(&made->builder, text, strlen(text));
}

static uint32_t table(struct made *made, uint64_t address) {
  return seep_graph_builder_node(&made->builder, address, SEEP_NODE_TABLE, 56, 0, 0);
}

/* The address of a new string. */
static uint64_t string(struct made *made, const char *text) {
  uint32_t info = seep_graph_builder_string(&made->builder, text, strlen(text));
  seep_graph_builder_node(&made->builder, made->next_string, SEEP_NODE_STRING, 25 + strlen(text), info, 0);
  return (made->next_string += 64) - 64;
}

static void edge(struct made *made, uint32_t from, uint64_t target, uint8_t kind, uint64_t edge_name) {
  seep_graph_builder_edge(&made->builder, from, target, kind, edge_name);
}

static void field(struct made *made, uint32_t from, const char *key, uint64_t target) {
  edge(made, from, target, SEEP_EDGE_FIELD, string(made, key));
}

/* A state with its roots; returns the node of _G. */
static uint32_t begin(struct made *made) {
  *made = (struct made){.next_string = 0x100000};
  seep_graph_builder_init(&made->builder, "state 1", "Lua 5.4", "Lua 5.4.4");
  edge(made, SEEP_NODE_ROOT, REGISTRY, SEEP_EDGE_REGISTRY, 0);
  edge(made, SEEP_NODE_ROOT, THREAD, SEEP_EDGE_MAIN_THREAD, 0);
  uint32_t registry = table(made, REGISTRY);
  edge(made, registry, GLOBALS, SEEP_EDGE_INDEX, 2);
  field(made, registry, "_LOADED", LOADED);
  table(made, LOADED);
  return table(made, GLOBALS);
}

static void finish(struct made *made) {
  const struct seep_graph_mark_addresses marks = {
      .globals = GLOBALS, .registry = REGISTRY, .main_thread = THREAD, .loaded = LOADED};
  assert_int_equal(seep_graph_builder_finish(&made->builder, &marks, 0, &made->graph, NULL), SEEP_OK);
  assert_int_equal(seep_heap_view_build(&made->graph, &made->view, NULL), SEEP_OK);
}

static void end(struct made *made) {
  seep_heap_view_free(&made->view);
  seep_graph_free(&made->graph);
}

static uint32_t node_at(const struct made *made, uint64_t address) {
  for (uint32_t node = 0; node < made->graph.node_count; node++) {
    if (made->graph.address[node] == address) return node;
  }
  return SEEP_NODE_NONE;
}

static void assert_path(const struct made *made, uint64_t address, const char *expected) {
  char *text = seep_path_text(&made->view.paths, node_at(made, address), NULL);
  assert_string_equal(text, expected);
  struct seep_array nodes;
  struct seep_error error = {{0}};
  /* What is printed can be asked for. */
  if (seep_heap_find(&made->view, text, NULL, &nodes, &error) != SEEP_OK) fail_msg("%s: %s", text, error.text);
  assert_int_equal(((uint32_t *)nodes.items)[0], node_at(made, address));
  seep_array_free(&nodes);
  free(text);
}

static void references_have_names(void **unused) {
  (void)unused;
  struct made made;
  uint32_t globals = begin(&made);
  uint32_t thread = seep_graph_builder_node(&made.builder, THREAD, SEEP_NODE_THREAD, 200, 0, 0);
  struct seep_graph_place place = {.source = name(&made, "@app.lua"), .line = 10};
  struct seep_graph_local local = {
      .name = name(&made, "buffer"), .place = seep_graph_builder_place(&made.builder, &place), .line = 12};
  edge(&made, thread, 0x5000, SEEP_EDGE_LOCAL, seep_graph_builder_local(&made.builder, &local));
  uint32_t buffer = table(&made, 0x5000);
  edge(&made, buffer, 0x5100, SEEP_EDGE_INDEX, 17);
  table(&made, 0x5100);
  field(&made, globals, "app", 0x6000);
  uint32_t app = table(&made, 0x6000);
  field(&made, app, "a key", 0x6100);
  table(&made, 0x6100);
  edge(&made, app, 0x6200, SEEP_EDGE_ENTRY_TEXT, name(&made, "1.5"));
  table(&made, 0x6200);
  edge(&made, app, 0x6300, SEEP_EDGE_METATABLE, 0);
  table(&made, 0x6300);
  field(&made, app, "call", 0x6400);
  uint32_t function = seep_graph_builder_node(&made.builder, 0x6400, SEEP_NODE_LUA_FUNCTION, 40, local.place, 0);
  edge(&made, function, 0x6500, SEEP_EDGE_UPVALUE, name(&made, "cache"));
  uint32_t upvalue = seep_graph_builder_node(&made.builder, 0x6500, SEEP_NODE_UPVALUE, 40, 0, 0);
  edge(&made, upvalue, 0x6600, SEEP_EDGE_UPVALUE_VALUE, 0);
  uint32_t cache = table(&made, 0x6600);
  field(&made, cache, "x", 0x6700);
  table(&made, 0x6700);
  edge(&made, app, 0x6800, SEEP_EDGE_ENTRY, 0x6600);
  table(&made, 0x6800);
  finish(&made);
  assert_path(&made, GLOBALS, "_G");
  assert_path(&made, LOADED, "registry → package.loaded");
  assert_path(&made, REGISTRY, "registry");
  assert_path(&made, 0x5000, "main thread → local 'buffer' of function <app.lua:10> (app.lua:12)");
  assert_path(&made, 0x5100, "main thread → local 'buffer' of function <app.lua:10> (app.lua:12)[17]");
  assert_path(&made, 0x6100, "_G.app[\"a key\"]");
  assert_path(&made, 0x6200, "_G.app[1.5]");
  assert_path(&made, 0x6300, "_G.app → metatable");
  char *text = seep_path_text(&made.view.paths, node_at(&made, 0x6800), NULL);
  assert_string_equal(text, "_G.app[table 0x6600]");
  free(text);
  end(&made);
}

static void a_path_of_three_million_steps_is_told(void **unused) {
  (void)unused;
  enum { LENGTH = 3000000 };
  struct made made;
  uint32_t globals = begin(&made);
  uint64_t next = string(&made, "next");
  field(&made, globals, "list", 0x10000000);
  for (uint64_t i = 0; i <= LENGTH; i++) {
    uint32_t node = table(&made, 0x10000000 + i * 64);
    edge(&made, node, 0x10000000 + (i + 1) * 64, SEEP_EDGE_FIELD, next);
  }
  finish(&made);
  uint32_t last = node_at(&made, 0x10000000 + (uint64_t)LENGTH * 64);
  char *text = seep_path_text(&made.view.paths, last, NULL);
  assert_string_equal(text, "_G.list(.next)×3000000");
  free(text);
  const struct seep_group *group = seep_groups_at(&made.view.groups, made.view.groups.of_node[last]);
  assert_true(group->recursive && group->count == LENGTH);
  assert_true(group->retained_bytes == (uint64_t)LENGTH * 56);
  end(&made);
}

/* A path whose steps alternate is shortened in its middle. */
static void a_long_path_is_shortened(void **unused) {
  (void)unused;
  struct made made;
  uint32_t globals = begin(&made);
  uint64_t keys[2] = {string(&made, "a"), string(&made, "b")};
  edge(&made, globals, 0x10000000, SEEP_EDGE_FIELD, keys[1]);
  for (uint64_t i = 0; i < 1000; i++)
    edge(&made, table(&made, 0x10000000 + i * 64), 0x10000000 + (i + 1) * 64, SEEP_EDGE_FIELD, keys[i % 2]);
  finish(&made);
  char *text = seep_path_text(&made.view.paths, node_at(&made, 0x10000000 + 999 * 64), NULL);
  assert_non_null(strstr(text, "…952 steps…"));
  assert_true(strlen(text) < 300 && strncmp(text, "_G.b.a.b", 8) == 0);
  free(text);
  end(&made);
}

static void all_ways_to_an_object_are_listed(void **unused) {
  (void)unused;
  struct made made;
  uint32_t globals = begin(&made);
  field(&made, globals, "one", 0x7000);
  field(&made, globals, "two", 0x7100);
  edge(&made, globals, 0x7000, SEEP_EDGE_INDEX | SEEP_EDGE_WEAK, 1);
  edge(&made, table(&made, 0x7000), 0x7000, SEEP_EDGE_INDEX, 1); /* itself */
  uint32_t two = table(&made, 0x7100);
  field(&made, two, "deep", 0x7000);
  edge(&made, two, 0x7000, SEEP_EDGE_INDEX, 5);
  edge(&made, table(&made, 0x7200), 0x7000, SEEP_EDGE_INDEX, 5); /* garbage */
  finish(&made);
  struct seep_paths without;
  struct seep_referrers referrers;
  uint32_t node = node_at(&made, 0x7000);
  assert_true(seep_paths_build(&made.graph, node, &without));
  assert_true(seep_paths_referrers(&without, node, 0, &referrers));
  assert_int_equal(referrers.edges.count, 2);
  assert_int_equal(referrers.holding, 3);
  assert_int_equal(referrers.weak, 1);
  assert_int_equal(referrers.unreachable, 1);
  const char *expected[] = {"_G.one", "_G.two.deep"};
  for (uint32_t i = 0; i < 2; i++) {
    char *text = seep_path_text_through(&without, ((uint32_t *)referrers.edges.items)[i], node, NULL);
    assert_string_equal(text, expected[i]);
    free(text);
  }
  seep_array_free(&referrers.edges);
  seep_paths_free(&without);
  end(&made);
}

/* A tree of `depth` levels below a field, and an array of `items` tables. */
static void make_growing(struct made *made, uint32_t depth, uint32_t items) {
  uint32_t globals = begin(made);
  uint64_t left = string(made, "left"), right = string(made, "right");
  field(made, globals, "tree", 0x20000000 + 64);
  for (uint64_t i = 1; i < 1ULL << depth; i++) {
    uint32_t node = table(made, 0x20000000 + i * 64);
    edge(made, node, 0x20000000 + 2 * i * 64, SEEP_EDGE_FIELD, left);
    edge(made, node, 0x20000000 + (2 * i + 1) * 64, SEEP_EDGE_FIELD, right);
  }
  field(made, globals, "items", 0x40000000);
  uint32_t all = table(made, 0x40000000);
  for (uint64_t i = 1; i <= items; i++) edge(made, all, 0x40000000 + i * 64, SEEP_EDGE_INDEX, i);
  for (uint64_t i = 1; i <= items; i++) table(made, 0x40000000 + i * 64);
  finish(made);
}

static void growth_is_found_by_path(void **unused) {
  (void)unused;
  struct made before, after;
  struct seep_array growths;
  make_growing(&before, 10, 100);
  make_growing(&after, 10, 150);
  assert_true(after.view.groups.groups.count < 20); /* a tree is a few groups, not one per node */
  assert_true(seep_growth_by_path(&before.view, &after.view, &growths));
  assert_int_equal(growths.count, 1);
  const struct seep_growth *growth = growths.items;
  assert_int_equal(growth->was.count, 100);
  assert_int_equal(growth->is.count, 150);
  char *text = seep_group_text(&after.graph, &after.view.groups, growth->after, NULL);
  assert_string_equal(text, "_G.items[*]");
  free(text);
  seep_array_free(&growths);
  assert_true(seep_growth_by_type(&before.view, &after.view, &growths));
  assert_int_equal(growths.count, 1);
  seep_array_free(&growths);
  assert_true(seep_growth_by_path(&before.view, NULL, &growths));
  assert_int_equal(((struct seep_growth *)growths.items)[0].after, SEEP_GROWTH_NONE);
  seep_array_free(&growths);
  end(&before);
  end(&after);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(references_have_names),
      cmocka_unit_test(a_path_of_three_million_steps_is_told),
      cmocka_unit_test(a_long_path_is_shortened),
      cmocka_unit_test(all_ways_to_an_object_are_listed),
      cmocka_unit_test(growth_is_found_by_path),
  };
  return cmocka_run_group_tests_name("paths", tests, NULL, NULL);
}
