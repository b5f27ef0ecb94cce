/* The graph: what is built is what was added, and what is reachable is what a
 * plain collector, written here a second time, says. */
#include "unit.h"

#include <string.h>

#include "heap/graph_build.h"

static const struct seep_graph_mark_addresses no_marks = {0};

static void begin(struct seep_graph_builder *builder) {
  seep_graph_builder_init(builder, "state 1", "Lua 5.4", "Lua 5.4.4");
}

static void finish(struct seep_graph_builder *builder, const struct seep_graph_mark_addresses *marks,
                   struct seep_graph *graph) {
  struct seep_error error = {{0}};
  assert_int_equal(seep_graph_builder_finish(builder, marks, 0, graph, &error), SEEP_OK);
}

static uint32_t add(struct seep_graph_builder *builder, uint64_t address, uint8_t kind, uint64_t size_bytes) {
  return seep_graph_builder_node(builder, address, kind, size_bytes, 0, 0);
}

static uint32_t add_string(struct seep_graph_builder *builder, uint64_t address, const char *text) {
  uint32_t info = seep_graph_builder_string(builder, text, strlen(text));
  return seep_graph_builder_node(builder, address, SEEP_NODE_STRING, 25 + strlen(text), info, 0);
}

static void assert_edge(const struct seep_graph *graph, uint32_t edge, uint32_t target, uint8_t kind, uint32_t name) {
  assert_int_equal(graph->target[edge], target);
  assert_int_equal(graph->edge_kind[edge], kind);
  assert_int_equal(graph->edge_name[edge], name);
}

static void it_has_what_was_added(void **unused) {
  (void)unused;
  struct seep_graph_builder builder;
  struct seep_graph graph;
  begin(&builder);
  uint32_t registry = add(&builder, 0x1000, SEEP_NODE_TABLE, 56);
  seep_graph_builder_edge(&builder, registry, 0x2001, SEEP_EDGE_FIELD, 0x1038); /* an odd address */
  uint32_t key = add_string(&builder, 0x1038, "app");
  uint32_t app = add(&builder, 0x2001, SEEP_NODE_TABLE, 100);
  seep_graph_builder_edge(&builder, app, 0x5550, SEEP_EDGE_INDEX, 17); /* leads nowhere */
  seep_graph_builder_edge(&builder, app, 0x1000, SEEP_EDGE_INDEX, 18);
  seep_graph_builder_edge(&builder, SEEP_NODE_ROOT, 0x1000, SEEP_EDGE_REGISTRY, 0); /* late, and a stray */
  seep_graph_builder_edge_to_node(&builder, registry, app, SEEP_EDGE_METATABLE, 0);
  seep_graph_builder_grow_node(&builder, app, 11);
  seep_graph_builder_ledger(&builder, "string table", 1024);
  seep_graph_builder_ledger(&builder, "string table", -24);
  finish(&builder, &(struct seep_graph_mark_addresses){.registry = 0x1000, .globals = 0x9999}, &graph);
  assert_int_equal(graph.node_count, 4);
  assert_int_equal(graph.edge_count, 4);
  assert_int_equal(graph.dropped_edges, 1);
  assert_int_equal(graph.first_edge[1], 1);
  assert_edge(&graph, 0, registry, SEEP_EDGE_REGISTRY, 0);
  assert_edge(&graph, 1, app, SEEP_EDGE_FIELD, key);
  assert_edge(&graph, 2, app, SEEP_EDGE_METATABLE, 0);
  assert_edge(&graph, 3, registry, SEEP_EDGE_INDEX, 18);
  assert_int_equal(graph.marks.registry, registry);
  assert_int_equal(graph.marks.globals, SEEP_NODE_NONE);
  assert_int_equal(seep_graph_size(&graph, app), 111);
  assert_int_equal(graph.object_bytes, 56 + 28 + 111);
  assert_int_equal(seep_graph_bytes(&graph), 56 + 28 + 111 + 1000);
  assert_int_equal(graph.unreachable_count, 0);
  seep_graph_free(&graph);
}

static void sizes_past_32_bits_are_kept(void **unused) {
  (void)unused;
  struct seep_graph_builder builder;
  struct seep_graph graph;
  begin(&builder);
  uint32_t large = add(&builder, 0x10, SEEP_NODE_TABLE, 1ULL << 40);
  uint32_t limit = add(&builder, 0x20, SEEP_NODE_TABLE, SEEP_SIZE_LARGE - 1);
  uint32_t beyond = add(&builder, 0x30, SEEP_NODE_TABLE, SEEP_SIZE_LARGE);
  seep_graph_builder_grow_node(&builder, limit, 1);
  seep_graph_builder_grow_node(&builder, large, 5);
  finish(&builder, &no_marks, &graph);
  assert_true(seep_graph_size(&graph, large) == (1ULL << 40) + 5);
  assert_true(seep_graph_size(&graph, limit) == SEEP_SIZE_LARGE);
  assert_true(seep_graph_size(&graph, beyond) == SEEP_SIZE_LARGE);
  assert_true(graph.unreachable_bytes == (1ULL << 40) + 5 + 2ULL * SEEP_SIZE_LARGE);
  seep_graph_free(&graph);
}

static void texts_and_pools_come_back(void **unused) {
  (void)unused;
  struct seep_graph_builder builder;
  struct seep_graph graph;
  char text[4000];
  uint32_t numbers[200];
  memset(text, 'x', sizeof text);
  text[70] = '\0';
  begin(&builder);
  for (uint32_t i = 0; i < 200; i++) numbers[i] = seep_graph_builder_string(&builder, text, i);
  uint32_t a = seep_graph_builder_name(&builder, "name", 4), b = seep_graph_builder_name(&builder, "name", 4);
  uint32_t c = seep_graph_builder_name(&builder, "other", 5);
  uint32_t long_a = seep_graph_builder_string(&builder, text, 3000);
  text[2999] = 'y'; /* past what is kept */
  uint32_t long_b = seep_graph_builder_string(&builder, text, 3000);
  struct seep_graph_shape shape = {.array_capacity = 4, .array_used = 3, .slack_bytes = 16};
  uint32_t first_shape = seep_graph_builder_shape(&builder, &shape);
  shape.hash_capacity = 8;
  uint32_t second_shape = seep_graph_builder_shape(&builder, &shape);
  shape.hash_capacity = 0;
  assert_int_equal(seep_graph_builder_shape(&builder, &shape), first_shape);
  finish(&builder, &no_marks, &graph);
  for (uint32_t i = 0; i < 200; i++) {
    struct seep_graph_text view = seep_graph_text(&graph, numbers[i]);
    assert_int_equal(view.length_bytes, i);
    assert_int_equal(view.kept_bytes, i > SEEP_TEXT_KEPT ? SEEP_TEXT_KEPT : i);
    assert_memory_equal(view.bytes, text, view.kept_bytes);
    if (i > 0) assert_true(view.hash == seep_graph_hash(text, i));
  }
  assert_int_equal(a, b);
  assert_int_not_equal(a, c);
  assert_true(seep_graph_text(&graph, long_a).hash != seep_graph_text(&graph, long_b).hash);
  assert_int_equal(seep_graph_shape(&graph, first_shape)->array_used, 3);
  assert_int_equal(seep_graph_shape(&graph, second_shape)->hash_capacity, 8);
  assert_int_equal(seep_graph_shape(&graph, 99)->array_used, 0);
  assert_int_equal(seep_graph_text(&graph, UINT32_MAX).kept_bytes, 0);
  seep_graph_free(&graph);
}

/* -- Reachability against a plain collector ---------------------------------- */

enum { OBJECTS_MAX = 40, EDGES_MAX = 120 };

struct plain_edge {
  uint32_t from, to, key;
  uint8_t kind;
};
struct plain {
  uint32_t objects, edge_count;
  bool finalizer[OBJECTS_MAX];
  struct plain_edge edges[EDGES_MAX];
};

static uint64_t address_of(uint32_t object) { return object == 0 ? 0 : 0x7f0000000000ULL + object * 0x6428ULL; }

static void make_plain(struct unit_random *random, struct plain *plain) {
  static const uint8_t kinds[] = {SEEP_EDGE_INDEX,
                                  SEEP_EDGE_INDEX,
                                  SEEP_EDGE_FIELD,
                                  SEEP_EDGE_METATABLE,
                                  SEEP_EDGE_KEY,
                                  SEEP_EDGE_INDEX | SEEP_EDGE_WEAK,
                                  SEEP_EDGE_FIELD | SEEP_EDGE_WEAK,
                                  SEEP_EDGE_ENTRY,
                                  SEEP_EDGE_ENTRY | SEEP_EDGE_WEAK | SEEP_EDGE_WEAK_KEY,
                                  SEEP_EDGE_ENTRY | SEEP_EDGE_WEAK_KEY,
                                  SEEP_EDGE_ENTRY | SEEP_EDGE_WEAK_KEY | SEEP_EDGE_EPHEMERON,
                                  SEEP_EDGE_ENTRY | SEEP_EDGE_WEAK_KEY | SEEP_EDGE_EPHEMERON,
                                  SEEP_EDGE_ENTRY | SEEP_EDGE_WEAK_KEY | SEEP_EDGE_EPHEMERON};
  plain->objects = 2 + unit_random_below(random, OBJECTS_MAX - 2);
  plain->edge_count = unit_random_below(random, EDGES_MAX);
  for (uint32_t i = 0; i < plain->objects; i++) plain->finalizer[i] = unit_random_below(random, 12) == 0;
  for (uint32_t i = 0; i < plain->edge_count; i++) {
    struct plain_edge *edge = &plain->edges[i];
    edge->from = unit_random_below(random, plain->objects);
    edge->to = 1 + unit_random_below(random, plain->objects - 1);
    edge->key = 1 + unit_random_below(random, plain->objects - 1);
    edge->kind = kinds[unit_random_below(random, SEEP_ARRAY_SIZE(kinds))];
    if (edge->from == 0) edge->kind = unit_random_below(random, 5) == 0 ? SEEP_EDGE_FINALIZER : SEEP_EDGE_OTHER;
  }
}

/* Passes over all edges until nothing changes. */
static void plain_mark(const struct plain *plain, bool marked[OBJECTS_MAX]) {
  bool changed = true;
  while (changed) {
    changed = false;
    for (uint32_t i = 0; i < plain->edge_count; i++) {
      const struct plain_edge *edge = &plain->edges[i];
      if (!marked[edge->from] || edge->kind == SEEP_EDGE_FINALIZER) continue;
      bool value = (edge->kind & SEEP_EDGE_WEAK) == 0;
      bool key = seep_edge_names_node(edge->kind) && (edge->kind & SEEP_EDGE_WEAK_KEY) == 0;
      if ((edge->kind & SEEP_EDGE_EPHEMERON) != 0) value = marked[edge->key];
      if (value && !marked[edge->to]) changed = marked[edge->to] = true;
      if (key && !marked[edge->key]) changed = marked[edge->key] = true;
    }
  }
}

static void build_plain(struct unit_random *random, const struct plain *plain, struct seep_graph *graph) {
  struct seep_graph_builder builder;
  begin(&builder);
  bool in_order = unit_random_below(random, 2) == 0;
  for (uint32_t i = 0; i < plain->objects; i++) {
    if (i > 0)
      seep_graph_builder_node(&builder, address_of(i), SEEP_NODE_TABLE, 1ULL << i % 20, 0,
                              plain->finalizer[i] ? SEEP_NODE_FINALIZER : 0);
    for (uint32_t j = 0; in_order && j < plain->edge_count; j++) {
      const struct plain_edge *edge = &plain->edges[j];
      if (edge->from == i)
        seep_graph_builder_edge(&builder, i, address_of(edge->to), edge->kind, address_of(edge->key));
    }
  }
  for (uint32_t j = 0; !in_order && j < plain->edge_count; j++) {
    const struct plain_edge *edge = &plain->edges[j];
    seep_graph_builder_edge(&builder, edge->from, address_of(edge->to), edge->kind, address_of(edge->key));
  }
  finish(&builder, &no_marks, graph);
}

static void reach_is_that_of_a_plain_collector(void **unused) {
  (void)unused;
  struct unit_random random = {5};
  uint32_t reachable = 0, pending = 0, unreachable = 0;
  for (int round = 0; round < 4000; round++) {
    struct plain plain;
    struct seep_graph graph;
    bool held[OBJECTS_MAX] = {true}, kept[OBJECTS_MAX];
    make_plain(&random, &plain);
    build_plain(&random, &plain, &graph);
    plain_mark(&plain, held);
    memcpy(kept, held, sizeof kept);
    for (uint32_t i = 1; i < plain.objects; i++) kept[i] |= plain.finalizer[i];
    for (uint32_t i = 0; i < plain.edge_count; i++) {
      if (plain.edges[i].kind == SEEP_EDGE_FINALIZER) kept[plain.edges[i].to] = true;
    }
    plain_mark(&plain, kept);
    assert_int_equal(graph.node_count, plain.objects);
    for (uint32_t i = 0; i < plain.objects; i++) {
      assert_int_equal((graph.flags[i] & SEEP_NODE_UNREACHABLE) != 0, !kept[i]);
      assert_int_equal((graph.flags[i] & SEEP_NODE_PENDING) != 0, kept[i] && !held[i]);
      assert_int_equal(graph.flags[i] & SEEP_NODE_AWAITED, 0);
    }
    reachable += graph.object_count, pending += graph.pending_count, unreachable += graph.unreachable_count;
    seep_graph_free(&graph);
  }
  assert_true(reachable > 10000 && pending > 10000 && unreachable > 10000);
}

static void ephemerons_hold_from_their_keys(void **unused) {
  (void)unused;
  struct seep_graph_builder builder;
  struct seep_graph graph;
  begin(&builder);
  seep_graph_builder_edge(&builder, SEEP_NODE_ROOT, 0x100, SEEP_EDGE_OTHER, 0);
  seep_graph_builder_edge(&builder, SEEP_NODE_ROOT, 0x200, SEEP_EDGE_OTHER, 0);
  uint32_t table = seep_graph_builder_node(&builder, 0x100, SEEP_NODE_TABLE, 1, 0, SEEP_NODE_WEAK_TABLE);
  seep_graph_builder_edge(&builder, table, 0x300, SEEP_EDGE_ENTRY | SEEP_EDGE_WEAK_KEY | SEEP_EDGE_EPHEMERON, 0x200);
  uint32_t key = add(&builder, 0x200, SEEP_NODE_TABLE, 1);
  uint32_t value = add(&builder, 0x300, SEEP_NODE_TABLE, 1);
  finish(&builder, &no_marks, &graph);
  assert_int_equal(graph.first_edge[key + 1] - graph.first_edge[key], 1);
  assert_edge(&graph, graph.first_edge[key], value, SEEP_EDGE_EPHEMERON_VALUE, table);
  seep_graph_free(&graph);
}

static void a_long_list_needs_no_stack(void **unused) {
  (void)unused;
  enum { LENGTH = 3000000 };
  struct seep_graph_builder builder;
  struct seep_graph graph;
  begin(&builder);
  seep_graph_builder_edge(&builder, SEEP_NODE_ROOT, 64, SEEP_EDGE_OTHER, 0);
  for (uint64_t i = 1; i <= LENGTH; i++) {
    uint32_t node = add(&builder, i * 64, SEEP_NODE_TABLE, 64);
    seep_graph_builder_edge(&builder, node, (i + 1) * 64, SEEP_EDGE_INDEX, 1);
  }
  finish(&builder, &no_marks, &graph);
  assert_int_equal(graph.object_count, LENGTH);
  assert_int_equal(graph.edge_count, LENGTH);
  assert_int_equal(graph.dropped_edges, 1);
  seep_graph_free(&graph);
}

static void garbage_keeps_the_invariants(void **unused) {
  (void)unused;
  struct unit_random random = {9};
  for (int round = 0; round < 300; round++) {
    struct seep_graph_builder builder;
    struct seep_graph graph;
    begin(&builder);
    for (int i = 0; i < 200; i++) {
      uint64_t address = unit_random_next(&random) >> unit_random_below(&random, 64);
      uint64_t other = unit_random_below(&random, 2) == 0 ? address : unit_random_next(&random) >> 20;
      uint32_t node =
          seep_graph_builder_node(&builder, address, (uint8_t)unit_random_below(&random, SEEP_NODE_KIND_COUNT),
                                  unit_random_next(&random) >> 3, (uint32_t)unit_random_next(&random), 0xff);
      seep_graph_builder_edge(&builder, unit_random_below(&random, 250), other, (uint8_t)unit_random_next(&random),
                              address);
      seep_graph_builder_edge_to_node(&builder, node, unit_random_below(&random, 300),
                                      (uint8_t)unit_random_next(&random), other);
    }
    finish(&builder, &no_marks, &graph);
    for (uint32_t i = 0; i < graph.edge_count; i++) {
      assert_true(graph.target[i] < graph.node_count);
      if (seep_edge_names_node(graph.edge_kind[i])) {
        assert_true(graph.edge_name[i] < graph.node_count || graph.edge_name[i] == SEEP_NODE_NONE);
      }
    }
    assert_int_equal(graph.first_edge[graph.node_count], graph.edge_count);
    seep_graph_free(&graph);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_has_what_was_added),
      cmocka_unit_test(sizes_past_32_bits_are_kept),
      cmocka_unit_test(texts_and_pools_come_back),
      cmocka_unit_test(reach_is_that_of_a_plain_collector),
      cmocka_unit_test(ephemerons_hold_from_their_keys),
      cmocka_unit_test(a_long_list_needs_no_stack),
      cmocka_unit_test(garbage_keeps_the_invariants),
  };
  return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
