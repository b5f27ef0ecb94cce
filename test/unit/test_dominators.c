/* Dominators against the definition: take a node out, see what is no longer
 * reached. On thousands of random graphs, and on the shapes that are deep. */
#include "unit.h"

#include <string.h>

#include "heap/dominators.h"
#include "heap/graph_build.h"

enum { OBJECTS_MAX = 48 };

static uint64_t address_of(uint64_t object) { return object * 48; }

static void begin(struct seep_graph_builder *builder) {
  seep_graph_builder_init(builder, "state 1", "Lua 5.4", "Lua 5.4.4");
}

static void finish_with_globals(struct seep_graph_builder *builder, uint64_t globals, struct seep_graph *graph) {
  struct seep_graph_mark_addresses marks = {.globals = globals};
  assert_int_equal(seep_graph_builder_finish(builder, &marks, 0, graph, NULL), SEEP_OK);
}

static void finish(struct seep_graph_builder *builder, struct seep_graph *graph) {
  finish_with_globals(builder, 0, graph);
}

static void make_random(struct unit_random *random, struct seep_graph *graph) {
  static const uint8_t kinds[] = {SEEP_EDGE_INDEX,
                                  SEEP_EDGE_INDEX,
                                  SEEP_EDGE_INDEX,
                                  SEEP_EDGE_FIELD,
                                  SEEP_EDGE_ENTRY,
                                  SEEP_EDGE_INDEX | SEEP_EDGE_WEAK,
                                  SEEP_EDGE_ENTRY | SEEP_EDGE_WEAK_KEY,
                                  SEEP_EDGE_ENTRY | SEEP_EDGE_WEAK,
                                  SEEP_EDGE_ENTRY | SEEP_EDGE_WEAK_KEY | SEEP_EDGE_EPHEMERON};
  struct seep_graph_builder builder;
  uint32_t objects = 2 + unit_random_below(random, OBJECTS_MAX - 2);
  uint32_t edges = unit_random_below(random, objects * 3 + 1);
  begin(&builder);
  for (uint32_t i = 1; i < objects; i++) {
    uint8_t flags = unit_random_below(random, 15) == 0 ? SEEP_NODE_FINALIZER : 0;
    seep_graph_builder_node(&builder, address_of(i), SEEP_NODE_TABLE, 1 + unit_random_below(random, 1000), 0, flags);
  }
  uint32_t reach = 1 + unit_random_below(random, objects); /* how far edges lead: small ones make long, thin graphs */
  for (uint32_t i = 0; i < edges; i++) {
    uint32_t from = unit_random_below(random, objects);
    uint32_t to = (from + 1 + unit_random_below(random, reach)) % objects;
    uint8_t kind = kinds[unit_random_below(random, SEEP_ARRAY_SIZE(kinds))];
    if (from == 0) kind = unit_random_below(random, 4) == 0 ? SEEP_EDGE_FINALIZER : SEEP_EDGE_OTHER;
    seep_graph_builder_edge(&builder, from, address_of(to), kind,
                            address_of(1 + unit_random_below(random, objects - 1)));
  }
  finish_with_globals(&builder, unit_random_below(random, 2) == 0 ? 0 : address_of(1), graph);
}

/* What is reached when `without` is not there (SEEP_NODE_NONE: all are). */
static void reach(const struct seep_graph *graph, uint32_t without, bool reached[OBJECTS_MAX]) {
  memset(reached, 0, OBJECTS_MAX * sizeof *reached);
  if (without == SEEP_NODE_ROOT) return;
  reached[SEEP_NODE_ROOT] = true;
  uint32_t globals = graph->marks.globals;
  if (globals != SEEP_NODE_NONE && globals != without && (graph->flags[globals] & SEEP_NODE_UNREACHABLE) == 0) {
    reached[globals] = true;
  }
  for (uint32_t i = 1; i < graph->node_count; i++) {
    bool is_root = (graph->flags[i] & SEEP_NODE_PENDING) != 0 && (graph->flags[i] & SEEP_NODE_FINALIZER) != 0;
    if (is_root && i != without) reached[i] = true;
  }
  for (bool changed = true; changed;) {
    changed = false;
    for (uint32_t from = 0; from < graph->node_count; from++) {
      for (uint32_t edge = graph->first_edge[from]; reached[from] && edge < graph->first_edge[from + 1]; edge++) {
        uint32_t held[2];
        uint32_t count = seep_graph_holds(graph, edge, held);
        for (uint32_t i = 0; i < count; i++) {
          if (held[i] != without && !reached[held[i]]) changed = reached[held[i]] = true;
        }
      }
    }
  }
}

static void check(const struct seep_graph *graph, const struct seep_dominators *dominators) {
  bool all[OBJECTS_MAX], without[OBJECTS_MAX][OBJECTS_MAX];
  uint32_t depth[OBJECTS_MAX] = {0}, reached_count = 0;
  reach(graph, SEEP_NODE_NONE, all);
  for (uint32_t i = 0; i < graph->node_count; i++) reach(graph, i, without[i]);
  for (uint32_t i = 0; i < graph->node_count; i++) {
    reached_count += all[i];
    assert_int_equal(all[i], (graph->flags[i] & SEEP_NODE_UNREACHABLE) == 0);
    for (uint32_t d = 0; d < graph->node_count; d++) depth[i] += all[i] && d != i && !without[d][i];
  }
  assert_int_equal(dominators->reached, reached_count);
  for (uint32_t i = 1; i < graph->node_count; i++) {
    uint32_t d = dominators->dominator[i];
    uint64_t retained_bytes = seep_graph_size(graph, i);
    if (all[i]) {
      assert_true(d < graph->node_count && d != i);
      assert_false(without[d][i]);                /* it dominates */
      assert_int_equal(depth[d] + 1, depth[i]);   /* and none is nearer */
    } else {
      assert_int_equal(d, SEEP_NODE_NONE);
    }
    for (uint32_t other = 1; other < graph->node_count; other++) {
      if (all[i] && all[other] && other != i && !without[i][other]) retained_bytes += seep_graph_size(graph, other);
    }
    assert_true(dominators->retained[i] == retained_bytes);
  }
  assert_true(dominators->retained[0] == graph->object_bytes + graph->pending_bytes);
}

static void check_order(const struct seep_graph *graph, const struct seep_dominators *dominators) {
  bool seen[OBJECTS_MAX] = {false};
  for (uint32_t i = 0; i < dominators->reached; i++) {
    uint32_t node = dominators->order[i];
    assert_true(node < graph->node_count && !seen[node]);
    if (i > 0) assert_true(seen[dominators->dominator[node]]);
    seen[node] = true;
  }
}

static void they_are_as_defined(void **unused) {
  (void)unused;
  struct unit_random random = {17};
  for (int round = 0; round < 3000; round++) {
    struct seep_graph graph;
    struct seep_dominators dominators;
    make_random(&random, &graph);
    assert_true(seep_dominators_compute(&graph, &dominators));
    check(&graph, &dominators);
    check_order(&graph, &dominators);
    seep_dominators_free(&dominators);
    seep_graph_free(&graph);
  }
}

static void the_root_alone(void **unused) {
  (void)unused;
  struct seep_graph_builder builder;
  struct seep_graph graph;
  struct seep_dominators dominators;
  begin(&builder);
  finish(&builder, &graph);
  assert_true(seep_dominators_compute(&graph, &dominators));
  assert_int_equal(dominators.reached, 1);
  assert_int_equal(dominators.dominator[0], 0);
  seep_dominators_free(&dominators);
  seep_graph_free(&graph);
}

enum { LENGTH = 1000000 };

/* A list whose nodes refer back, share a key, and have values that an array holds as well. */
static void a_long_list_in_linear_time(void **unused) {
  (void)unused;
  struct seep_graph_builder builder;
  struct seep_graph graph;
  struct seep_dominators dominators;
  const uint64_t key = address_of(3 * (uint64_t)LENGTH), array = key + 48;
  begin(&builder);
  seep_graph_builder_edge(&builder, SEEP_NODE_ROOT, address_of(1), SEEP_EDGE_OTHER, 0);
  seep_graph_builder_edge(&builder, SEEP_NODE_ROOT, array, SEEP_EDGE_OTHER, 0);
  for (uint64_t i = 1; i <= LENGTH; i++) {
    uint32_t node = seep_graph_builder_node(&builder, address_of(i), SEEP_NODE_TABLE, 10, 0, 0);
    seep_graph_builder_edge(&builder, node, address_of(i + 1), SEEP_EDGE_FIELD, key);
    if (i > 1) seep_graph_builder_edge(&builder, node, address_of(i - 1), SEEP_EDGE_FIELD, key);
    seep_graph_builder_edge(&builder, node, address_of(LENGTH + i), SEEP_EDGE_INDEX, 1);
  }
  seep_graph_builder_node(&builder, key, SEEP_NODE_STRING, 3, 0, 0);
  uint32_t holder = seep_graph_builder_node(&builder, array, SEEP_NODE_TABLE, 5, 0, 0);
  for (uint64_t i = 1; i <= LENGTH; i++)
    seep_graph_builder_edge(&builder, holder, address_of(LENGTH + i), SEEP_EDGE_INDEX, i);
  for (uint64_t i = 1; i <= LENGTH; i++)
    seep_graph_builder_node(&builder, address_of(LENGTH + i), SEEP_NODE_TABLE, 7, 0, 0);
  finish(&builder, &graph);
  assert_true(seep_dominators_compute(&graph, &dominators));
  for (uint32_t i = 1; i <= LENGTH; i++) {
    assert_int_equal(dominators.dominator[i], i - 1);
    assert_int_equal(dominators.dominator[holder + i], SEEP_NODE_ROOT);
    assert_true(dominators.retained[i] == (LENGTH - i + 1) * 10ULL + (i == 1 ? 3 : 0));
  }
  assert_true(dominators.retained[holder] == 5);
  seep_dominators_free(&dominators);
  seep_graph_free(&graph);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_root_alone),
      cmocka_unit_test(they_are_as_defined),
      cmocka_unit_test(a_long_list_in_linear_time),
  };
  return cmocka_run_group_tests_name("dominators", tests, NULL, NULL);
}
