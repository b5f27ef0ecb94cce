/* Lines and the paths of what they made. See holders.h. */
#include "heap/holders.h"

#include <stdlib.h>
#include <string.h>

static uint64_t hash_line(uint64_t file_hash, uint32_t line) { return seep_mix64(file_hash * 31 + line); }

struct counting {
  const struct seep_heap_view *view;
  const double *weights;   /* by site, or NULL */
  uint64_t *lines;         /* hash of the line, by site */
  struct seep_map known;   /* line and group, twice that and 1 for parts, to holder + 1 */
  struct seep_array *out;
};

/* Counts what was allocated at a site, and is `node` or a part of it. False when there is no memory. */
static bool count(struct counting *counting, uint32_t node, uint32_t site, uint64_t size_bytes, bool is_part) {
  uint32_t group = counting->view->groups.of_node[node];
  if (site == 0 || group == SEEP_GROUP_NONE) return true;
  uint64_t line = counting->lines[site];
  double weight = counting->weights == NULL ? 1 : counting->weights[site];
  uint32_t place = seep_map_get(&counting->known, line, group * 2 + is_part);
  if (place == 0) {
    struct seep_holder *fresh = seep_array_push(counting->out, sizeof *fresh);
    place = (uint32_t)counting->out->count;
    if (fresh == NULL || !seep_map_put(&counting->known, line, group * 2 + is_part, place)) return false;
    *fresh = (struct seep_holder){.line = line, .group = group, .are_parts = is_part};
  }
  struct seep_holder *holder = (struct seep_holder *)counting->out->items + (place - 1);
  holder->count += weight;
  holder->bytes += weight * (double)size_bytes;
  return true;
}

static int compare_holders(const void *a, const void *b) {
  const struct seep_holder *left = a, *right = b;
  if (left->line != right->line) return left->line < right->line ? -1 : 1;
  if (left->bytes != right->bytes) return left->bytes < right->bytes ? 1 : -1;
  if (left->group != right->group) return left->group > right->group ? 1 : -1;
  return left->are_parts - right->are_parts;
}

static bool count_all(struct counting *counting) {
  const struct seep_graph *graph = counting->view->graph;
  const struct seep_graph_site *sites = graph->sites.items;
  const struct seep_graph_part *parts = graph->parts.items;
  for (size_t i = 0; i < graph->sites.count; i++) {
    counting->lines[i] = hash_line(seep_graph_text(graph, sites[i].file).hash, sites[i].line);
  }
  for (uint32_t node = 1; node < graph->node_count; node++) {
    if (!count(counting, node, graph->site[node], seep_graph_size(graph, node), false)) return false;
  }
  for (size_t i = 0; i < graph->parts.count; i++) {
    if (!count(counting, parts[i].node, parts[i].site, parts[i].size_bytes, true)) return false;
  }
  return true;
}

bool seep_holders_build(const struct seep_heap_view *view, const double *weights, struct seep_array *out) {
  const struct seep_graph *graph = view->graph;
  struct counting counting = {.view = view, .weights = weights, .out = out};
  *out = (struct seep_array){0};
  if (graph->site == NULL) return true;
  counting.lines = seep_pages_map(graph->sites.count * sizeof *counting.lines);
  bool done = counting.lines != NULL && count_all(&counting);
  if (counting.lines != NULL) seep_pages_unmap(counting.lines, graph->sites.count * sizeof *counting.lines);
  seep_map_clear(&counting.known);
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
