/* Lines and the paths of what they made. See holders.h. */
#include "heap/holders.h"

#include <stdlib.h>
#include <string.h>

static uint64_t hash_line(uint64_t file_hash, uint32_t line) { return seep_mix64(file_hash * 31 + line); }

uint64_t seep_holders_line(const char *file, uint32_t line) {
  return hash_line(seep_graph_hash(file, strlen(file)), line);
}

struct counting {
  const struct seep_heap_view *view;
  const double *weights;   /* by site, or NULL */
  const uint64_t *keys;    /* by site */
  struct seep_map known;   /* key and group, twice that and 1 for parts, to holder + 1 */
  struct seep_array *out;
};

/* Counts what was allocated at a site, and is `node` or a part of it. False when there is no memory. */
static bool count(struct counting *counting, uint32_t node, uint32_t site, uint64_t size_bytes, bool is_part) {
  uint32_t group = counting->view->groups.of_node[node];
  if (site == 0 || group == SEEP_GROUP_NONE) return true;
  uint64_t key = counting->keys[site];
  if (key == 0) return true;
  double weight = counting->weights == NULL ? 1 : counting->weights[site];
  uint32_t place = seep_map_get(&counting->known, key, group * 2 + is_part);
  if (place == 0) {
    struct seep_holder *fresh = seep_array_push(counting->out, sizeof *fresh);
    place = (uint32_t)counting->out->count;
    if (fresh == NULL || !seep_map_put(&counting->known, key, group * 2 + is_part, place)) return false;
    *fresh = (struct seep_holder){.key = key, .group = group, .are_parts = is_part};
  }
  struct seep_holder *holder = (struct seep_holder *)counting->out->items + (place - 1);
  holder->count += weight;
  holder->bytes += weight * (double)size_bytes;
  return true;
}

static int compare_holders(const void *a, const void *b) {
  const struct seep_holder *left = a, *right = b;
  if (left->key != right->key) return left->key < right->key ? -1 : 1;
  if (left->bytes != right->bytes) return left->bytes < right->bytes ? 1 : -1;
  if (left->group != right->group) return left->group > right->group ? 1 : -1;
  return left->are_parts - right->are_parts;
}

static bool count_all(struct counting *counting) {
  const struct seep_graph *graph = counting->view->graph;
  const struct seep_graph_part *parts = graph->parts.items;
  for (uint32_t node = 1; node < graph->node_count; node++) {
    if (!count(counting, node, graph->site[node], seep_graph_size(graph, node), false)) return false;
  }
  for (size_t i = 0; i < graph->parts.count; i++) {
    if (!count(counting, parts[i].node, parts[i].site, parts[i].size_bytes, true)) return false;
  }
  return true;
}

static uint64_t *keys_of_lines(const struct seep_graph *graph) {
  const struct seep_graph_site *sites = graph->sites.items;
  uint64_t *keys = seep_pages_map(graph->sites.count * sizeof *keys);
  for (size_t i = 0; keys != NULL && i < graph->sites.count; i++) {
    keys[i] = hash_line(seep_graph_text(graph, sites[i].file).hash, sites[i].line);
  }
  return keys;
}

bool seep_holders_build(const struct seep_heap_view *view, const double *weights, const uint64_t *keys,
                        struct seep_array *out) {
  const struct seep_graph *graph = view->graph;
  uint64_t *of_lines = NULL;
  *out = (struct seep_array){0};
  if (graph->site == NULL) return true;
  if (keys == NULL) keys = of_lines = keys_of_lines(graph);
  struct counting counting = {.view = view, .weights = weights, .keys = keys, .out = out};
  bool done = keys != NULL && count_all(&counting);
  if (of_lines != NULL) seep_pages_unmap(of_lines, graph->sites.count * sizeof *of_lines);
  seep_map_clear(&counting.known);
  if (!done) seep_array_free(out);
  if (out->count > 0) qsort(out->items, out->count, sizeof(struct seep_holder), compare_holders);
  return done;
}

size_t seep_holders_of(const struct seep_array *holders, uint64_t key, const struct seep_holder **first) {
  const struct seep_holder *all = holders->items;
  size_t low = 0, high = holders->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (all[middle].key < key) low = middle + 1;
    else high = middle;
  }
  size_t end = low;
  while (end < holders->count && all[end].key == key) end++;
  *first = all + low;
  return end - low;
}
