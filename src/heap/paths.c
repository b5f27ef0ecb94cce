/* Breadth first search for paths. See paths.h. */
#include "heap/paths.h"

#include <string.h>

static bool is_like(const struct seep_graph *graph, uint32_t a, uint32_t b) {
  return a < SEEP_VIA_START && b < SEEP_VIA_START && graph->edge_kind[a] == graph->edge_kind[b] &&
         graph->edge_name[a] == graph->edge_name[b];
}

static void reach(struct seep_paths *paths, uint32_t node, uint32_t via, uint32_t owner) {
  if (paths->via[node] != SEEP_VIA_NONE) return;
  bool goes_on = is_like(paths->graph, via, paths->via[owner]);
  paths->via[node] = via;
  paths->run_above[node] = goes_on ? paths->run_above[owner] : owner;
  paths->run_length[node] = goes_on ? paths->run_length[owner] + 1 : 1;
  paths->order[paths->reached++] = node;
}

static void start_at(struct seep_paths *paths, uint32_t node, uint32_t avoid) {
  if (node >= paths->graph->node_count || node == avoid) return;
  if ((paths->graph->flags[node] & SEEP_NODE_UNREACHABLE) == 0) reach(paths, node, SEEP_VIA_START, node);
}

static void follow(struct seep_paths *paths, uint32_t node, uint32_t avoid) {
  const struct seep_graph *graph = paths->graph;
  for (uint32_t edge = graph->first_edge[node]; edge < graph->first_edge[node + 1]; edge++) {
    uint32_t held[2];
    uint32_t count = seep_graph_holds(graph, edge, held);
    for (uint32_t i = 0; i < count; i++) {
      if (held[i] != avoid) reach(paths, held[i], edge, node);
    }
  }
}

/* What variables of an ended call held. */
static void follow_ended(struct seep_paths *paths, uint32_t avoid) {
  const struct seep_graph *graph = paths->graph;
  for (uint32_t edge = graph->first_edge[SEEP_NODE_ROOT]; edge < graph->first_edge[SEEP_NODE_ROOT + 1]; edge++) {
    uint32_t node = seep_graph_held_once(graph, edge);
    if (node != SEEP_NODE_NONE && node != avoid) reach(paths, node, edge, SEEP_NODE_ROOT);
  }
}

static void search_breadth_first(struct seep_paths *paths, uint32_t avoid) {
  const struct seep_graph *graph = paths->graph;
  const uint8_t waits = SEEP_NODE_PENDING | SEEP_NODE_FINALIZER;
  uint32_t at = 0;
  memset(paths->via, 0xff, graph->node_count * sizeof *paths->via);
  start_at(paths, graph->marks.globals, avoid);
  start_at(paths, graph->marks.loaded, avoid);
  start_at(paths, SEEP_NODE_ROOT, avoid);
  while (at < paths->reached) follow(paths, paths->order[at++], avoid);
  for (uint32_t node = 1; node < graph->node_count; node++) {
    if ((graph->flags[node] & waits) == waits) start_at(paths, node, avoid);
  }
  while (at < paths->reached) follow(paths, paths->order[at++], avoid);
  follow_ended(paths, avoid);
  while (at < paths->reached) follow(paths, paths->order[at++], avoid);
}

bool seep_paths_build(const struct seep_graph *graph, uint32_t avoid, struct seep_paths *out) {
  *out = (struct seep_paths){.graph = graph};
  out->via = seep_pages_map(graph->node_count * sizeof *out->via);
  out->order = seep_pages_map(graph->node_count * sizeof *out->order);
  out->run_above = seep_pages_map(graph->node_count * sizeof *out->run_above);
  out->run_length = seep_pages_map(graph->node_count * sizeof *out->run_length);
  if (out->via == NULL || out->order == NULL || out->run_above == NULL || out->run_length == NULL) {
    seep_paths_free(out);
    return false;
  }
  search_breadth_first(out, avoid);
  return true;
}

void seep_paths_free(struct seep_paths *paths) {
  uint32_t *arrays[] = {paths->via, paths->order, paths->run_above, paths->run_length};
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(arrays); i++) {
    if (arrays[i] != NULL) seep_pages_unmap(arrays[i], paths->graph->node_count * sizeof *arrays[i]);
  }
  *paths = (struct seep_paths){0};
}

uint32_t seep_graph_edge_owner(const struct seep_graph *graph, uint32_t edge) {
  uint32_t low = 0, high = graph->node_count; /* first_edge[low] <= edge < first_edge[high] */
  while (high - low > 1) {
    uint32_t middle = low + (high - low) / 2;
    if (graph->first_edge[middle] <= edge) low = middle;
    else high = middle;
  }
  return low;
}

/* -- What refers to a node ----------------------------------------------------------- */

static bool leads_to(const struct seep_graph *graph, uint32_t edge, uint32_t node) {
  return graph->target[edge] == node ||
         (seep_edge_names_node(graph->edge_kind[edge]) && graph->edge_name[edge] == node);
}

static bool holds(const struct seep_graph *graph, uint32_t edge, uint32_t node) {
  uint32_t held[2];
  uint32_t count = seep_graph_holds(graph, edge, held);
  return (count > 0 && held[0] == node) || (count > 1 && held[1] == node);
}

/* Counts the owner's references to the node; the first that holds is in *found. */
static void count_references(const struct seep_paths *without, uint32_t owner, uint32_t node,
                             struct seep_referrers *out, uint32_t *found) {
  const struct seep_graph *graph = without->graph;
  for (uint32_t edge = graph->first_edge[owner]; edge < graph->first_edge[owner + 1]; edge++) {
    if (!leads_to(graph, edge, node) || seep_graph_held_once(graph, edge) != SEEP_NODE_NONE) continue;
    bool is_holding = holds(graph, edge, node);
    if (is_holding && without->via[owner] == SEEP_VIA_NONE) out->unreachable++;
    else if (!is_holding) out->weak++;
    else if (out->holding++, *found == SEEP_VIA_NONE) *found = edge;
  }
}

bool seep_paths_referrers(const struct seep_paths *without, uint32_t node, uint32_t limit, struct seep_referrers *out) {
  const struct seep_graph *graph = without->graph;
  *out = (struct seep_referrers){.holding = 0};
  for (uint32_t i = 0; i < without->reached; i++) {
    uint32_t edge = SEEP_VIA_NONE;
    count_references(without, without->order[i], node, out, &edge);
    if (edge == SEEP_VIA_NONE || (limit != 0 && out->edges.count >= limit)) continue;
    uint32_t *place = seep_array_push(&out->edges, sizeof *place);
    if (place == NULL) {
      seep_array_free(&out->edges);
      return false;
    }
    *place = edge;
  }
  for (uint32_t owner = 0; owner < graph->node_count; owner++) {
    uint32_t edge = SEEP_VIA_NONE;
    if (without->via[owner] == SEEP_VIA_NONE && owner != node) count_references(without, owner, node, out, &edge);
  }
  return true;
}
