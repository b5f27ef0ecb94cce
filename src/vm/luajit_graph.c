/* See luajit_graph.h. */
#include "vm/luajit_graph.h"

#include <stddef.h>
#include <string.h>

#include "vm/luajit_bytecode.h"

/* The line of a level: of its instruction, of a caller that of its call. */
static uint64_t line_of(const struct seep_luajit_level *level, bool is_caller) {
  uint32_t number = (uint32_t)((level->pc - seep_bc_first(level->proto)) / 4);
  return seep_luajit_line(level->proto, is_caller ? number - 1 : number);
}

uint64_t seep_luajit_place_of(const struct seep_luajit_levels *levels) {
  uint64_t place = levels->count;
  for (uint32_t i = 0; i < levels->count; i++) {
    place = seep_mix64(place * 31 + levels->at[i].proto + levels->at[i].ffid);
    if (levels->at[i].ffid == 0) place = seep_mix64(place * 31 + line_of(&levels->at[i], i + 1 < levels->count));
  }
  return place;
}

void seep_luajit_graph_start(struct seep_luajit_graph *graph) {
  memset(graph, 0, offsetof(struct seep_luajit_graph, places));
}

static bool add_edge(struct seep_luajit_graph *graph, uint32_t from, uint32_t to) {
  if (graph->edge_count == SEEP_GRAPH_EDGES_MAX) return false;
  graph->edges[graph->edge_count].from = (uint16_t)from;
  graph->edges[graph->edge_count++].to = (uint16_t)to;
  return true;
}

bool seep_luajit_graph_reach(struct seep_luajit_graph *graph, uint64_t state, uint32_t *node) {
  uint32_t from = *node;
  uint32_t at = (uint32_t)(state % SEEP_GRAPH_HASH_MAX);
  while (graph->numbers[at] != 0 && graph->nodes[graph->numbers[at] - 1].state != state) {
    at = (at + 1) % SEEP_GRAPH_HASH_MAX;
  }
  bool is_new = graph->numbers[at] == 0;
  *node = SEEP_GRAPH_NOWHERE;
  if (is_new && graph->node_count == SEEP_GRAPH_NODES_MAX) return false;
  if (is_new) {
    graph->nodes[graph->node_count++] = (struct seep_graph_node){.state = state};
    graph->numbers[at] = (uint16_t)graph->node_count;
  }
  uint32_t number = graph->numbers[at] - 1u;
  if (from != SEEP_GRAPH_NOWHERE && !add_edge(graph, from, number)) return false;
  *node = number;
  return is_new;
}

/* Leaves out the builtin that was called last, if it is one. */
static struct seep_luajit_levels without_builtin(const struct seep_luajit_levels *levels) {
  struct seep_luajit_levels outside = *levels;
  if (outside.count < 2 || outside.at[outside.count - 1].ffid == 0) return outside;
  outside.count--;
  outside.at[outside.count - 1].pc -= 4;
  return outside;
}

/* The number of a place, plus 1; 0 when there are too many. One line may have it made by several builtins, or itself:
 * then none is named. */
static uint8_t number_of(struct seep_luajit_graph *graph, const struct seep_luajit_levels *levels) {
  struct seep_luajit_levels outside = without_builtin(levels);
  uint64_t place = seep_luajit_place_of(&outside);
  uint32_t i = 0;
  while (i < graph->place_count && graph->places[i].place != place) i++;
  if (i == SEEP_GRAPH_PLACES_MAX) return 0;
  if (i == graph->place_count) {
    graph->places[i].place = place;
    graph->places[graph->place_count++].levels = *levels;
  }
  struct seep_luajit_levels *noted = &graph->places[i].levels;
  bool is_same = noted->count == levels->count &&
                 noted->at[noted->count - 1].ffid == levels->at[levels->count - 1].ffid;
  if (!is_same) *noted = without_builtin(noted);
  return (uint8_t)(i + 1);
}

bool seep_luajit_graph_make(struct seep_luajit_graph *graph, uint32_t number, uint32_t count,
                            const struct seep_luajit_levels *levels) {
  struct seep_graph_node *node = &graph->nodes[number];
  node->made = (uint8_t)(node->made + count < UINT8_MAX ? node->made + count : UINT8_MAX);
  if (levels == NULL) return true;
  node->place = number_of(graph, levels);
  return node->place != 0;
}

void seep_luajit_graph_end(struct seep_luajit_graph *graph, uint32_t node, bool has_joined_parts) {
  graph->nodes[node].is_end = true;
  graph->nodes[node].has_joined_parts = has_joined_parts;
}

/* -- What comes into question ---------------------------------------------------------- */

static uint8_t larger(uint32_t one, uint32_t other, uint32_t limit) {
  uint32_t larger = one > other ? one : other;
  return (uint8_t)(larger < limit ? larger : limit);
}

/* Takes what is known of one end of an edge to the other. Returns whether that is new there. */
static bool pass_along(struct seep_graph_node *from, struct seep_graph_node *to, uint32_t limit) {
  struct seep_graph_node old_from = *from, old_to = *to;
  to->before = larger(to->before, from->before + from->made, limit);
  from->leads |= to->is_end || to->leads;
  from->leads_joined |= (to->is_end && to->has_joined_parts) || to->leads_joined;
  if (to->leads) from->after = larger(from->after, to->after + to->made, limit);
  return memcmp(&old_from, from, sizeof *from) != 0 || memcmp(&old_to, to, sizeof *to) != 0;
}

/* Finds for every node whether it leads to an end, and how many may be made on the way, up to `limit`. */
static bool follow_edges(struct seep_luajit_graph *graph, uint32_t limit) {
  enum { ROUNDS_MAX = 256 };
  bool has_news = true;
  uint32_t round = 0;
  for (; has_news && round < ROUNDS_MAX; round++) {
    has_news = false;
    for (uint32_t i = 0; i < graph->edge_count; i++) {
      uint32_t e = round % 2 == 0 ? graph->edge_count - 1 - i : i;
      has_news |= pass_along(&graph->nodes[graph->edges[e].from], &graph->nodes[graph->edges[e].to], limit);
    }
  }
  return !has_news;
}

static bool is_in_question(const struct seep_graph_node *node, uint32_t before, uint32_t count) {
  if (node->place == 0 || !node->leads) return false;
  if (count == 0 || node->leads_joined) return true;
  return node->before + node->made > before && node->after + node->made >= count - before;
}

bool seep_luajit_graph_conclude(struct seep_luajit_graph *graph, uint32_t before, uint32_t count,
                                struct seep_luajit_levels *out) {
  uint8_t place = 0;
  if (!follow_edges(graph, count)) return false;
  for (uint32_t i = 0; i < graph->node_count; i++) {
    const struct seep_graph_node *node = &graph->nodes[i];
    if (!is_in_question(node, before, count)) continue;
    if (place != 0 && node->place != place) return false;
    place = node->place;
  }
  if (place == 0) return false;
  *out = graph->places[place - 1].levels;
  return true;
}
