/* Lines and the paths of what they made. See holders.h. */
#include "heap/holders.h"

#include <stdlib.h>
#include <string.h>

static uint64_t hash_line(uint64_t file_hash, uint32_t line) { return seep_mix64(file_hash * 31 + line); }

/* Counts a node for its line and group. */
static bool count_node(const struct seep_heap_view *view, uint32_t node, const uint64_t *lines, const double *weights,
                       struct seep_map *known, struct seep_array *out) {
  double weight = weights == NULL ? 1 : weights[view->graph->site[node]];
  uint32_t group = view->groups.of_node[node], site = view->graph->site[node];
  if (site == 0 || group == SEEP_GROUP_NONE) return true;
  uint32_t place = seep_map_get(known, lines[site], group);
  if (place == 0) {
    struct seep_holder *fresh = seep_array_push(out, sizeof *fresh);
    if (fresh == NULL || !seep_map_put(known, lines[site], group, (uint32_t)out->count)) return false;
    *fresh = (struct seep_holder){.line = lines[site], .group = group};
    place = (uint32_t)out->count;
  }
  struct seep_holder *holder = (struct seep_holder *)out->items + (place - 1);
  holder->count += weight;
  holder->bytes += weight * (double)seep_graph_size(view->graph, node);
  return true;
}

static int compare_holders(const void *a, const void *b) {
  const struct seep_holder *left = a, *right = b;
  if (left->line != right->line) return left->line < right->line ? -1 : 1;
  if (left->bytes != right->bytes) return left->bytes < right->bytes ? 1 : -1;
  return (left->group > right->group) - (left->group < right->group);
}

bool seep_holders_build(const struct seep_heap_view *view, const double *weights, struct seep_array *out) {
  const struct seep_graph *graph = view->graph;
  const struct seep_graph_site *sites = graph->sites.items;
  struct seep_map known = {0};
  *out = (struct seep_array){0};
  if (graph->site == NULL) return true;
  uint64_t *lines = seep_pages_map(graph->sites.count * sizeof *lines);
  bool done = lines != NULL;
  for (size_t i = 0; done && i < graph->sites.count; i++) {
    lines[i] = hash_line(seep_graph_text(graph, sites[i].file).hash, sites[i].line);
  }
  for (uint32_t node = 1; done && node < graph->node_count; node++) done = count_node(view, node, lines, weights, &known, out);
  if (lines != NULL) seep_pages_unmap(lines, graph->sites.count * sizeof *lines);
  seep_map_clear(&known);
  if (!done) seep_array_free(out);
  if (out->count > 0) qsort(out->items, out->count, sizeof(struct seep_holder), compare_holders);
  return done;
}

size_t seep_holders_of(const struct seep_array *holders, const char *file, uint32_t line,
                       const struct seep_holder **first) {
  const struct seep_holder *all = holders->items;
  uint64_t wanted = hash_line(seep_graph_hash(file, strlen(file)), line);
  size_t low = 0, high = holders->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (all[middle].line < wanted) low = middle + 1;
    else high = middle;
  }
  size_t end = low;
  while (end < holders->count && all[end].line == wanted) end++;
  *first = all + low;
  return end - low;
}
