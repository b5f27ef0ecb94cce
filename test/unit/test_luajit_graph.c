/* The graph of ways against every way gone by itself: what it concludes is never less
 * than what lies on some way, and on a graph without forks that meet it is the same. */
#include "unit.h"

#include <string.h>

#include "vm/luajit_graph.h"

enum { POINTS_MAX = 10, PLACES = 3, ROUNDS = 20000 };

/* A graph in which edges lead to later points. */
struct model {
  uint32_t count;
  uint32_t made[POINTS_MAX], place[POINTS_MAX];
  bool is_end[POINTS_MAX], leads[POINTS_MAX][POINTS_MAX];
  uint32_t before, wanted;   /* number `before` of `wanted` */
  bool comes_into_question[PLACES];
};

static struct seep_luajit_graph graph;

static struct seep_luajit_levels levels_of(uint32_t place) {
  return (struct seep_luajit_levels){.count = 1, .at = {{.ffid = (uint8_t)(place + 1)}}};
}

static void draw(struct unit_random *random, bool is_tree, struct model *model) {
  memset(model, 0, sizeof *model);
  model->count = 2 + unit_random_below(random, POINTS_MAX - 1);
  for (uint32_t i = 0; i < model->count; i++) {
    model->made[i] = unit_random_below(random, 3);
    model->place[i] = unit_random_below(random, PLACES);
    model->is_end[i] = i > 0 && (i + 1 == model->count || unit_random_below(random, 5) == 0);
    if (i > 0) model->leads[unit_random_below(random, i)][i] = true;
    for (uint32_t j = 0; j < i && !is_tree; j++) model->leads[j][i] |= unit_random_below(random, 3) == 0;
  }
  model->wanted = unit_random_below(random, 4);
  model->before = model->wanted == 0 ? 0 : unit_random_below(random, model->wanted);
}

/* Goes every way from `point` on; `made` are the places of what was made before. */
static void go(struct model *model, uint32_t point, uint32_t *made, uint32_t count) {
  if (model->is_end[point] && count >= model->wanted) {
    uint32_t behind = model->wanted == 0 ? 0 : model->wanted - 1 - model->before;
    for (uint32_t i = model->before; i + behind < count; i++) model->comes_into_question[made[i]] = true;
  }
  for (uint32_t i = 0; i < model->made[point]; i++) made[count++] = model->place[point];
  for (uint32_t next = point + 1; next < model->count; next++) {
    if (model->leads[point][next]) go(model, next, made, count);
  }
}

/* Goes the same ways in the graph: what was gone before is not gone again. */
static void fill(const struct model *model, uint32_t point, uint32_t from) {
  uint32_t node = from;
  bool is_new = seep_luajit_graph_reach(&graph, seep_mix64(point + 1), &node);
  assert_int_not_equal(node, SEEP_GRAPH_NOWHERE);
  if (!is_new) return;
  struct seep_luajit_levels levels = levels_of(model->place[point]);
  if (model->is_end[point]) seep_luajit_graph_end(&graph, node, false);
  if (model->made[point] != 0) assert_true(seep_luajit_graph_make(&graph, node, model->made[point], &levels));
  for (uint32_t next = point + 1; next < model->count; next++) {
    if (model->leads[point][next]) fill(model, next, node);
  }
}

static void check(struct model *model, bool is_tree) {
  uint32_t made[2 * POINTS_MAX], questions = 0, answer = 0;
  struct seep_luajit_levels out;
  go(model, 0, made, 0);
  for (uint32_t i = 0; i < PLACES; i++) {
    if (!model->comes_into_question[i]) continue;
    questions++;
    answer = i;
  }
  seep_luajit_graph_start(&graph);
  fill(model, 0, SEEP_GRAPH_NOWHERE);
  bool is_one = seep_luajit_graph_conclude(&graph, model->before, model->wanted, &out);
  if (is_one && questions != 0) {
    assert_int_equal(questions, 1);
    assert_int_equal(out.at[0].ffid, answer + 1);
  }
  if (questions > 1) assert_false(is_one);
  if (is_tree && questions == 1 && model->wanted < 2) assert_true(is_one);
}

static void nothing_is_forgotten(void **unused) {
  (void)unused;
  struct unit_random random = {7};
  for (uint32_t round = 0; round < ROUNDS; round++) {
    struct model model;
    bool is_tree = round % 2 == 0;
    draw(&random, is_tree, &model);
    check(&model, is_tree);
  }
}

static void a_loop_makes_any_number(void **unused) {
  (void)unused;
  uint32_t node = SEEP_GRAPH_NOWHERE;
  struct seep_luajit_levels levels = levels_of(1), out;
  seep_luajit_graph_start(&graph);
  assert_true(seep_luajit_graph_reach(&graph, 1, &node));
  assert_true(seep_luajit_graph_make(&graph, node, 1, &levels));
  assert_false(seep_luajit_graph_reach(&graph, 1, &node)); /* round */
  assert_true(seep_luajit_graph_reach(&graph, 2, &node));
  seep_luajit_graph_end(&graph, node, false);
  assert_true(seep_luajit_graph_conclude(&graph, 2, 5, &out));
  assert_int_equal(out.at[0].ffid, 2);
}

static void too_many_nodes_are_said(void **unused) {
  (void)unused;
  uint32_t node = SEEP_GRAPH_NOWHERE;
  seep_luajit_graph_start(&graph);
  for (uint32_t i = 0; i < SEEP_GRAPH_NODES_MAX; i++) assert_true(seep_luajit_graph_reach(&graph, seep_mix64(i), &node));
  assert_false(seep_luajit_graph_reach(&graph, seep_mix64(SEEP_GRAPH_NODES_MAX), &node));
  assert_int_equal(node, SEEP_GRAPH_NOWHERE);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_forgotten), cmocka_unit_test(a_loop_makes_any_number),
                                     cmocka_unit_test(too_many_nodes_are_said)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
