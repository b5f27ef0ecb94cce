/* Adds up samples by line, and compares. See sampled_lines.h. */
#include "report/sampled_lines.h"

#include <math.h>
#include <stdlib.h>

/* What was found of a site. */
struct found {
  uint64_t objects, blocks, bytes;
};

static bool is_reachable(const struct seep_heap_view *view, uint32_t node) {
  return view->dominators.dominator[node] != SEEP_NODE_NONE;
}

/* Of a snapshot that knows all objects their sizes are those of their parts, too. */
static struct found *find_blocks(const struct seep_sampled_side *side) {
  const struct seep_heap_view *view = side->view;
  const struct seep_graph *graph = view->graph;
  const struct seep_graph_site *sites = graph->sites.items;
  const struct seep_graph_part *parts = graph->parts.items;
  struct found *found = calloc(graph->sites.count + 1, sizeof *found);
  if (found == NULL) abort();
  for (uint32_t node = 1; node < graph->node_count; node++) {
    uint32_t site = graph->site[node];
    if (site == 0 || !is_reachable(view, node)) continue;
    found[site].objects++;
    found[site].blocks++;
    found[site].bytes += side->interval_bytes == 0 ? seep_graph_size(graph, node) : sites[site].block_bytes;
  }
  for (size_t i = 0; side->interval_bytes != 0 && i < graph->parts.count; i++) {
    if (!is_reachable(view, parts[i].node)) continue;
    found[parts[i].site].blocks++;
    found[parts[i].site].bytes += parts[i].size_bytes;
  }
  return found;
}

/* The line of a site, on either side. */
static struct seep_sampled_line *line_of(const struct seep_graph *graph, uint32_t site, struct seep_map *places,
                                         struct seep_array *out) {
  const struct seep_graph_site *record = (const struct seep_graph_site *)graph->sites.items + site;
  uint64_t hash = seep_graph_text(graph, record->file).hash;
  uint32_t place = seep_map_get(places, hash, record->line);
  if (place != 0) return (struct seep_sampled_line *)out->items + (place - 1);
  struct seep_sampled_line *line = seep_array_push(out, sizeof *line);
  if (line == NULL || !seep_map_put(places, hash, record->line, (uint32_t)out->count)) abort();
  *line = (struct seep_sampled_line){.graph = graph, .site = site};
  return line;
}

static void add_side(const struct seep_sampled_side *side, bool is_after, struct seep_map *places,
                     struct seep_array *out) {
  if (side->view == NULL || side->view->graph->site == NULL) return;
  const struct seep_graph *graph = side->view->graph;
  const struct seep_graph_site *sites = graph->sites.items;
  struct found *found = find_blocks(side);
  for (uint32_t site = 1; site < graph->sites.count; site++) {
    if (found[site].blocks == 0) continue;
    struct seep_sampled_line *line = line_of(graph, site, places, out);
    double weight = seep_estimate_weight(sites[site].block_bytes, side->interval_bytes);
    struct seep_estimate bytes = {0}, count = {0};
    seep_estimate_add_bytes(&bytes, found[site].blocks, found[site].bytes, weight, side->interval_bytes);
    seep_estimate_add_count(&count, found[site].objects, weight, sites[site].block_bytes, side->interval_bytes);
    seep_estimate_merge(is_after ? &line->is_bytes : &line->was_bytes, &bytes);
    seep_estimate_merge(is_after ? &line->is_count : &line->was_count, &count);
  }
  free(found);
}

/* The interval of a difference from those of its parts (G. Y. Zou, A. Donner: Construction of confidence limits about
 * effect measures, 2008). It takes them to be independent; objects that are in both make it wider than it need be. */
static void compare(const struct seep_sampled_side *before, const struct seep_sampled_side *after,
                    struct seep_sampled_line *line) {
  double was_low, was_high, is_low, is_high, was = line->was_bytes.total, is = line->is_bytes.total;
  line->was_bytes.unseen = before->interval_bytes;
  line->is_bytes.unseen = after->interval_bytes;
  seep_estimate_interval(&line->was_bytes, &was_low, &was_high);
  seep_estimate_interval(&line->is_bytes, &is_low, &is_high);
  line->growth_bytes = is - was;
  line->low_bytes = line->growth_bytes - hypot(is - is_low, was_high - was);
  line->high_bytes = line->growth_bytes + hypot(is_high - is, was - was_low);
}

static int compare_growth(const void *a, const void *b) {
  const struct seep_sampled_line *left = a, *right = b;
  if (left->growth_bytes != right->growth_bytes) return left->growth_bytes < right->growth_bytes ? 1 : -1;
  return (left->site > right->site) - (left->site < right->site);
}

void seep_sampled_lines(const struct seep_sampled_side *before, const struct seep_sampled_side *after,
                        struct seep_array *out) {
  struct seep_map places = {0};
  *out = (struct seep_array){0};
  add_side(before, false, &places, out);
  add_side(after, true, &places, out);
  seep_map_clear(&places);
  struct seep_sampled_line *lines = out->items;
  for (size_t i = 0; i < out->count; i++) compare(before, after, &lines[i]);
  if (out->count > 0) qsort(lines, out->count, sizeof *lines, compare_growth);
}
