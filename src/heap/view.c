/* What a heap's answers are read from. See view.h. */
#include "heap/view.h"

#include <stdlib.h>
#include <string.h>

enum seep_status seep_heap_view_build(const struct seep_graph *graph, struct seep_heap_view *out,
                                      struct seep_error *error) {
  *out = (struct seep_heap_view){.graph = graph};
  if (seep_dominators_compute(graph, &out->dominators) && seep_paths_build(graph, SEEP_NODE_NONE, &out->paths) &&
      seep_groups_build(&out->paths, &out->dominators, &out->groups)) {
    return SEEP_OK;
  }
  seep_heap_view_free(out);
  return seep_error_set(error, SEEP_E_MEMORY, "%s: there is no memory to analyse %u objects", graph->name,
                        graph->node_count);
}

void seep_heap_view_free(struct seep_heap_view *view) {
  seep_groups_free(&view->groups);
  seep_paths_free(&view->paths);
  seep_dominators_free(&view->dominators);
}

/* -- Types ----------------------------------------------------------------------------- */

static int compare_numbers(uint64_t a, uint64_t b) { return (a < b) - (a > b); } /* larger first */

static int compare_types(const void *a, const void *b) {
  return compare_numbers(((const struct seep_type_sum *)a)->bytes, ((const struct seep_type_sum *)b)->bytes);
}

uint32_t seep_heap_types(const struct seep_graph *graph, bool with_garbage, struct seep_type_sum out[]) {
  struct seep_type_sum sums[SEEP_NODE_KIND_COUNT] = {{0}};
  uint32_t used = 0;
  for (uint32_t node = 1; node < graph->node_count; node++) {
    if (!with_garbage && (graph->flags[node] & SEEP_NODE_UNREACHABLE) != 0) continue;
    sums[graph->kind[node]].count++;
    sums[graph->kind[node]].bytes += seep_graph_size(graph, node);
  }
  for (uint8_t kind = 0; kind < SEEP_NODE_KIND_COUNT; kind++) {
    uint32_t at = 0;
    if (sums[kind].count == 0) continue;
    while (at < used && strcmp(out[at].type, seep_node_kind_name(kind)) != 0) at++;
    if (at == used) out[used++] = (struct seep_type_sum){.type = seep_node_kind_name(kind)};
    out[at].count += sums[kind].count;
    out[at].bytes += sums[kind].bytes;
  }
  qsort(out, used, sizeof *out, compare_types);
  return used;
}

/* -- Ranking ----------------------------------------------------------------------------- */

/* A number with what it is ranked by; equal ranks are in the order of their numbers, so that output is the same
 * every time. */
struct ranked {
  uint64_t rank;
  uint32_t number;
};

static int compare_ranked(const void *a, const void *b) {
  const struct ranked *left = a, *right = b;
  int order = compare_numbers(left->rank, right->rank);
  return order != 0 ? order : (left->number > right->number) - (left->number < right->number);
}

static bool add_ranked(struct seep_array *ranked, uint64_t rank, uint32_t number) {
  struct ranked *item = seep_array_push(ranked, sizeof *item);
  if (item != NULL) *item = (struct ranked){.rank = rank, .number = number};
  return item != NULL;
}

/* Sorts, and leaves the numbers alone in `out`. */
static bool take_numbers(struct seep_array *ranked, struct seep_array *out) {
  const struct ranked *items = ranked->items;
  *out = (struct seep_array){0};
  if (ranked->count > 0) qsort(ranked->items, ranked->count, sizeof *items, compare_ranked);
  bool done = seep_array_reserve(out, ranked->count + 1, sizeof(uint32_t));
  for (size_t i = 0; done && i < ranked->count; i++) ((uint32_t *)out->items)[out->count++] = items[i].number;
  seep_array_free(ranked);
  return done;
}

static bool is_start(const struct seep_graph *graph, uint32_t node) {
  const struct seep_graph_marks *marks = &graph->marks;
  return node == SEEP_NODE_ROOT || node == marks->globals || node == marks->registry || node == marks->loaded ||
         node == marks->main_thread;
}

bool seep_heap_dominators(const struct seep_heap_view *view, struct seep_array *out) {
  const struct seep_graph *graph = view->graph;
  struct seep_array ranked = {0};
  for (uint32_t node = 1; node < graph->node_count; node++) {
    uint32_t dominator = view->dominators.dominator[node];
    if (dominator == SEEP_NODE_NONE || is_start(graph, node) || !is_start(graph, dominator)) continue;
    if (!add_ranked(&ranked, view->dominators.retained[node], node)) {
      seep_array_free(&ranked);
      return false;
    }
  }
  return take_numbers(&ranked, out);
}

/* Groups that have something of what they are ranked by. */
static bool rank_groups(const struct seep_heap_view *view, uint64_t (*rank)(const struct seep_group *),
                        struct seep_array *out) {
  struct seep_array ranked = {0};
  for (uint32_t i = 0; i < view->groups.groups.count; i++) {
    uint64_t bytes = rank(seep_groups_at(&view->groups, i));
    if (bytes > 0 && !add_ranked(&ranked, bytes, i)) {
      seep_array_free(&ranked);
      return false;
    }
  }
  return take_numbers(&ranked, out);
}

static uint64_t retained_of_many(const struct seep_group *group) {
  return group->count < 2 ? 0 : group->retained_bytes;
}
static uint64_t slack_of(const struct seep_group *group) { return group->slack_bytes; }

bool seep_heap_groups(const struct seep_heap_view *view, struct seep_array *out) {
  return rank_groups(view, retained_of_many, out);
}

bool seep_heap_slack(const struct seep_heap_view *view, struct seep_array *out) {
  return rank_groups(view, slack_of, out);
}

/* -- Where memory gathers -------------------------------------------------------------------- */

/* The child that retains the most, by node; SEEP_NODE_NONE without children. */
static uint32_t *find_heaviest(const struct seep_heap_view *view) {
  const struct seep_dominators *dominators = &view->dominators;
  uint32_t *heaviest = seep_pages_map(dominators->node_count * sizeof *heaviest);
  if (heaviest == NULL) return NULL;
  memset(heaviest, 0xff, dominators->node_count * sizeof *heaviest);
  for (uint32_t i = 1; i < dominators->reached; i++) {
    uint32_t node = dominators->order[i], *best = &heaviest[dominators->dominator[node]];
    if (*best == SEEP_NODE_NONE || dominators->retained[node] > dominators->retained[*best]) *best = node;
  }
  return heaviest;
}

/* A list hangs by its head, not by its middle: the way down ends where it would go on among alike objects. */
static uint32_t find_point(const struct seep_heap_view *view, const uint32_t *heaviest, uint32_t node) {
  const uint64_t *retained = view->dominators.retained;
  for (uint32_t child = heaviest[node]; child != SEEP_NODE_NONE; child = heaviest[node]) {
    if (retained[child] * 10 < retained[node] * 7) return node;
    if (view->groups.of_node[child] == view->groups.of_node[node]) return node;
    node = child;
  }
  return node;
}

/* Which group of the point's children retains the most. */
static bool find_main_group(const struct seep_heap_view *view, struct seep_gathering *gathering) {
  const struct seep_dominators *dominators = &view->dominators;
  size_t group_count = view->groups.groups.count;
  struct { uint64_t count, bytes; } *sums = seep_pages_map(group_count * sizeof *sums);
  if (sums == NULL) return false;
  for (uint32_t i = 1; i < dominators->reached; i++) {
    uint32_t node = dominators->order[i], group = view->groups.of_node[node];
    if (dominators->dominator[node] != gathering->point || group == SEEP_GROUP_NONE) continue;
    sums[group].count++;
    sums[group].bytes += dominators->retained[node];
  }
  gathering->group = SEEP_GROUP_NONE;
  for (uint32_t group = 0; group < group_count; group++) {
    if (sums[group].bytes <= gathering->group_bytes) continue;
    gathering->group = group;
    gathering->group_count = sums[group].count;
    gathering->group_bytes = sums[group].bytes;
  }
  seep_pages_unmap(sums, group_count * sizeof *sums);
  return true;
}

bool seep_heap_gatherings(const struct seep_heap_view *view, const struct seep_array *dominators,
                          struct seep_array *out) {
  const uint64_t *retained = view->dominators.retained;
  uint32_t *heaviest = find_heaviest(view);
  bool done = heaviest != NULL;
  *out = (struct seep_array){0};
  for (size_t i = 0; done && i < dominators->count; i++) {
    uint32_t node = ((const uint32_t *)dominators->items)[i];
    if (retained[node] * 10 <= retained[SEEP_NODE_ROOT]) break; /* largest first: none follows */
    struct seep_gathering *gathering = seep_array_push(out, sizeof *gathering);
    done = gathering != NULL;
    if (!done) break;
    *gathering = (struct seep_gathering){.node = node, .point = find_point(view, heaviest, node)};
    done = find_main_group(view, gathering);
  }
  if (heaviest != NULL) seep_pages_unmap(heaviest, view->dominators.node_count * sizeof *heaviest);
  if (!done) seep_array_free(out);
  return done;
}

/* -- Duplicate strings ------------------------------------------------------------------------- */

static int compare_duplicates(const void *a, const void *b) {
  const struct seep_duplicate *left = a, *right = b;
  int order = compare_numbers(seep_duplicate_wasted(left), seep_duplicate_wasted(right));
  return order != 0 ? order : (left->node > right->node) - (left->node < right->node);
}

/* Counts a string with those of the same content. */
static bool count_string(const struct seep_graph *graph, uint32_t node, struct seep_map *known,
                         struct seep_array *all) {
  struct seep_graph_text text = seep_graph_text(graph, graph->info[node]);
  uint32_t at = seep_map_get(known, text.hash, (uint32_t)text.length_bytes);
  if (at == 0) {
    struct seep_duplicate *first = seep_array_push(all, sizeof *first);
    if (first == NULL || !seep_map_put(known, text.hash, (uint32_t)text.length_bytes, (uint32_t)all->count))
      return false;
    *first = (struct seep_duplicate){.node = node};
    at = (uint32_t)all->count;
  }
  struct seep_duplicate *duplicate = (struct seep_duplicate *)all->items + (at - 1);
  duplicate->count++;
  duplicate->bytes += seep_graph_size(graph, node);
  return true;
}

bool seep_heap_duplicates(const struct seep_graph *graph, struct seep_array *out) {
  struct seep_map known = {0};
  bool done = true;
  size_t kept = 0;
  *out = (struct seep_array){0};
  for (uint32_t node = 1; done && node < graph->node_count; node++) {
    if ((graph->flags[node] & SEEP_NODE_UNREACHABLE) != 0) continue;
    if (graph->kind[node] == SEEP_NODE_STRING && graph->info[node] != 0) done = count_string(graph, node, &known, out);
  }
  seep_map_clear(&known);
  if (!done) {
    seep_array_free(out);
    return false;
  }
  struct seep_duplicate *items = out->items;
  for (size_t i = 0; i < out->count; i++) {
    if (items[i].count > 1) items[kept++] = items[i];
  }
  out->count = kept;
  if (kept > 0) qsort(items, kept, sizeof *items, compare_duplicates);
  return true;
}
