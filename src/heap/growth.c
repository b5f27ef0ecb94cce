/* Matching two snapshots. See growth.h. */
#include "heap/growth.h"

#include <stdlib.h>
#include <string.h>

enum { DOMINATORS_LOOKED_AT = 16 };

/* Something that can be matched: its identity and how much of it there is. */
struct item {
  uint64_t hash;
  uint32_t number;
  struct seep_amount amount;
};

static bool add_item(struct seep_array *items, uint64_t hash, uint32_t number, struct seep_amount amount) {
  struct item *item = seep_array_push(items, sizeof *item);
  if (item != NULL) *item = (struct item){.hash = hash, .number = number, .amount = amount};
  return item != NULL;
}

static int compare_growth(const void *a, const void *b) {
  const struct seep_growth *left = a, *right = b;
  int64_t grew_left = seep_growth_of(left->was.retained_bytes, left->is.retained_bytes);
  int64_t grew_right = seep_growth_of(right->was.retained_bytes, right->is.retained_bytes);
  if (grew_left != grew_right) return grew_left < grew_right ? 1 : -1;
  if (left->after != right->after) return left->after < right->after ? -1 : 1;
  return (left->before > right->before) - (left->before < right->before);
}

static bool put_growth(struct seep_array *out, const struct item *before, const struct item *after) {
  static const struct item nothing = {.number = SEEP_GROWTH_NONE};
  if (before == NULL) before = &nothing;
  if (after == NULL) after = &nothing;
  if (memcmp(&before->amount, &after->amount, sizeof before->amount) == 0) return true;
  struct seep_growth *growth = seep_array_push(out, sizeof *growth);
  if (growth == NULL) return false;
  *growth = (struct seep_growth){
      .before = before->number, .after = after->number, .was = before->amount, .is = after->amount};
  return true;
}

/* Pairs items of equal hash; of equal hashes on one side the first counts. Frees the items. */
static bool match(struct seep_array *before, struct seep_array *after, struct seep_array *out) {
  struct seep_map places = {0}; /* hash to place in `before`, + 1; taken out when matched */
  const struct item *old = before->items, *new = after->items;
  bool done = true;
  *out = (struct seep_array){0};
  for (size_t i = 0; done && i < before->count; i++) {
    if (seep_map_get(&places, old[i].hash, 0) == 0) done = seep_map_put(&places, old[i].hash, 0, (uint32_t)i + 1);
  }
  for (size_t i = 0; done && i < after->count; i++) {
    uint32_t place = seep_map_take(&places, new[i].hash, 0);
    done = put_growth(out, place == 0 ? NULL : &old[place - 1], &new[i]);
  }
  for (size_t i = 0; done && i < before->count; i++) {
    uint32_t place = seep_map_get(&places, old[i].hash, 0);
    if (place == i + 1) done = put_growth(out, &old[i], NULL);
  }
  seep_map_clear(&places);
  seep_array_free(before);
  seep_array_free(after);
  if (!done) seep_array_free(out);
  else if (out->count > 0) qsort(out->items, out->count, sizeof(struct seep_growth), compare_growth);
  return done;
}

/* -- By path ---------------------------------------------------------------------------- */

static bool list_groups(const struct seep_heap_view *view, struct seep_array *out) {
  for (uint32_t i = 0; view != NULL && i < view->groups.groups.count; i++) {
    const struct seep_group *group = seep_groups_at(&view->groups, i);
    struct seep_amount amount = {
        .count = group->count, .self_bytes = group->self_bytes, .retained_bytes = group->retained_bytes};
    if (!add_item(out, group->hash, i, amount)) return false;
  }
  return true;
}

static uint64_t distance(uint64_t a, uint64_t b) { return a > b ? a - b : b - a; }

/* Whether a growth tells something that the growth of what it holds does not. */
static bool is_telling(const struct seep_growth *growth) {
  uint64_t self = distance(growth->was.self_bytes, growth->is.self_bytes);
  if (growth->was.count > 1 || growth->is.count > 1) return true;
  return growth->was.count != growth->is.count ||
         self * 2 >= distance(growth->was.retained_bytes, growth->is.retained_bytes);
}

static void keep_telling(struct seep_array *growths, bool (*tells)(const struct seep_growth *)) {
  struct seep_growth *all = growths->items;
  size_t kept = 0;
  for (size_t i = 0; i < growths->count; i++) {
    if (tells(&all[i])) all[kept++] = all[i];
  }
  growths->count = kept;
}

bool seep_growth_by_path(const struct seep_heap_view *before, const struct seep_heap_view *after,
                         struct seep_array *out) {
  struct seep_array old = {0}, new = {0};
  if (!list_groups(before, &old) || !list_groups(after, &new)) {
    seep_array_free(&old);
    seep_array_free(&new);
    return false;
  }
  if (!match(&old, &new, out)) return false;
  keep_telling(out, is_telling);
  return true;
}

/* -- By type ------------------------------------------------------------------------------ */

static bool list_types(const struct seep_heap_view *view, struct seep_array *out) {
  struct seep_type_sum types[SEEP_NODE_KIND_COUNT];
  uint32_t count = view == NULL ? 0 : seep_heap_types(view->graph, false, types);
  for (uint32_t i = 0; i < count; i++) {
    uint8_t kind = 0;
    while (strcmp(seep_node_kind_name(kind), types[i].type) != 0) kind++;
    struct seep_amount amount = {
        .count = types[i].count, .self_bytes = types[i].bytes, .retained_bytes = types[i].bytes};
    if (!add_item(out, kind, kind, amount)) return false;
  }
  return true;
}

bool seep_growth_by_type(const struct seep_heap_view *before, const struct seep_heap_view *after,
                         struct seep_array *out) {
  struct seep_array old = {0}, new = {0};
  if (list_types(before, &old) && list_types(after, &new)) return match(&old, &new, out);
  seep_array_free(&old);
  seep_array_free(&new);
  return false;
}

/* -- By line --------------------------------------------------------------------------------- */

/* For each site its line's place in `out`, + 1; 0 for site 0. NULL when there is no memory. */
static uint32_t *find_lines(const struct seep_graph *graph, struct seep_array *out) {
  const struct seep_graph_site *sites = graph->sites.items;
  struct seep_map known = {0};
  uint32_t *line_of = seep_pages_map(graph->sites.count * sizeof *line_of);
  bool done = line_of != NULL;
  for (uint32_t site = 1; done && site < graph->sites.count; site++) {
    uint64_t hash = seep_graph_text(graph, sites[site].file).hash;
    line_of[site] = seep_map_get(&known, hash, sites[site].line);
    if (line_of[site] != 0) continue;
    struct seep_line *line = seep_array_push(out, sizeof *line);
    done = line != NULL && seep_map_put(&known, hash, sites[site].line, (uint32_t)out->count);
    if (!done) break;
    *line = (struct seep_line){.site = site, .hash = seep_mix64(hash * 31 + sites[site].line)};
    line_of[site] = (uint32_t)out->count;
  }
  seep_map_clear(&known);
  if (done || line_of == NULL) return line_of;
  seep_pages_unmap(line_of, graph->sites.count * sizeof *line_of);
  return NULL;
}

/* Whether one of the nearest dominators was allocated at the same line, and so has this node's bytes in its own. */
static bool is_within_line(const struct seep_heap_view *view, const uint32_t *line_of, uint32_t node) {
  const struct seep_graph *graph = view->graph;
  uint32_t line = line_of[graph->site[node]];
  for (int i = 0; i < DOMINATORS_LOOKED_AT && node != SEEP_NODE_ROOT; i++) {
    node = view->dominators.dominator[node];
    if (node == SEEP_NODE_NONE) return false;
    if (line_of[graph->site[node]] == line) return true;
  }
  return false;
}

bool seep_growth_lines(const struct seep_heap_view *view, struct seep_array *out) {
  const struct seep_graph *graph = view->graph;
  *out = (struct seep_array){0};
  if (graph->site == NULL) return true;
  uint32_t *line_of = find_lines(graph, out);
  if (line_of == NULL) {
    seep_array_free(out);
    return false;
  }
  for (uint32_t node = 1; node < graph->node_count; node++) {
    uint32_t number = line_of[graph->site[node]];
    if (number == 0 || view->dominators.dominator[node] == SEEP_NODE_NONE) continue;
    struct seep_amount *amount = &((struct seep_line *)out->items)[number - 1].amount;
    amount->count++;
    amount->self_bytes += seep_graph_size(graph, node);
    if (!is_within_line(view, line_of, node)) amount->retained_bytes += view->dominators.retained[node];
  }
  seep_pages_unmap(line_of, graph->sites.count * sizeof *line_of);
  return true;
}

static bool list_lines(const struct seep_array *lines, struct seep_array *out) {
  const struct seep_line *line = lines->items;
  for (uint32_t i = 0; i < lines->count; i++) {
    if (!add_item(out, line[i].hash, i, line[i].amount)) return false;
  }
  return true;
}

/* The line that made a holder has not grown because what it holds has: a tenth more objects, or a third of the growth
 * in the objects themselves. */
static bool has_line_grown(const struct seep_growth *growth) {
  uint64_t self = distance(growth->was.self_bytes, growth->is.self_bytes);
  uint64_t count = distance(growth->was.count, growth->is.count);
  if (count > 0 && count * 10 >= growth->was.count) return true;
  return self * 3 >= distance(growth->was.retained_bytes, growth->is.retained_bytes);
}

bool seep_growth_by_line(const struct seep_array *before, const struct seep_array *after, struct seep_array *out) {
  struct seep_array old = {0}, new = {0};
  if (!list_lines(before, &old) || !list_lines(after, &new)) {
    seep_array_free(&old);
    seep_array_free(&new);
    return false;
  }
  if (!match(&old, &new, out)) return false;
  keep_telling(out, has_line_grown);
  return true;
}
