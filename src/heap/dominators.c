/* Semi-NCA with jump pointers. See dominators.h; doc/dominators.md has what was tried.
 *
 * L. Georgiadis, "Linear-Time Algorithms for Dominators and Related Problems"
 * (2005), 2.3.2: number the nodes by a depth first search; find semidominators
 * from the last number to the first, with path compression; then each dominator
 * is the nearest ancestor, in the tree of dominators built so far, whose number
 * is at most the semidominator's. Walking there step by step is quadratic when
 * things in a long list are also held from elsewhere, which is a plain heap; so
 * every node of the dominator tree has a pointer that jumps far up (E. Myers,
 * "An applicative random-access stack", 1983), and the walk takes log n steps.
 *
 * Everything after the search works on the search's numbers, which are close for
 * nodes that refer to each other: this is where the speed comes from. */
#include "heap/dominators.h"

/* Node numbers and search numbers are both uint32_t; "number" is the latter. */
struct link {
  uint32_t ancestor;  /* nearest one that is not compressed away */
  uint32_t label;     /* least semidominator on the way there */
};

struct reference {
  uint32_t to, from;  /* numbers */
};

struct search {
  const struct seep_graph *graph;
  uint32_t *number;             /* by node, + 1; 0: not reached */
  uint32_t *node;               /* by number */
  uint32_t *parent;             /* by number: in the search tree */
  uint32_t *reference_end;      /* by number: how many references, then where they end */
  uint32_t count;
  struct seep_array positions;  /* uint64_t: where to go on with each node on the way; 2 * edge + which */
  struct seep_array references; /* what is not in the search tree */
  bool failed;
};

static uint32_t *map_numbers(uint64_t count) { return seep_pages_map(count * sizeof(uint32_t)); }
static void unmap_numbers(uint32_t *numbers, uint64_t count) {
  if (numbers != NULL) seep_pages_unmap(numbers, count * sizeof(uint32_t));
}

/* -- The search ---------------------------------------------------------------- */

static uint32_t add_number(struct search *search, uint32_t node, uint32_t parent) {
  uint32_t number = search->count++;
  search->node[number] = node;
  search->parent[number] = parent;
  search->number[node] = number + 1;
  return number;
}

static void note_reference(struct search *search, uint32_t to, uint32_t from) {
  struct reference *reference = seep_array_push(&search->references, sizeof *reference);
  if (reference == NULL) {
    search->failed = true;
    return;
  }
  *reference = (struct reference){.to = to, .from = from};
  search->reference_end[to]++;
}

static bool is_leaf(const struct seep_graph *graph, uint32_t node) {
  return graph->first_edge[node] == graph->first_edge[node + 1];
}

/* Meets `node` from `number`. True when the search has to go into it. */
static bool meet(struct search *search, uint32_t node, uint32_t number) {
  uint32_t known = search->number[node];
  if (known != 0) {
    if (known != 1 && known - 1 != number && search->parent[known - 1] != number)
      note_reference(search, known - 1, number);
    return false;
  }
  add_number(search, node, number);
  return !is_leaf(search->graph, node);
}

/* Looks at a node's edges from `position` on, up to the first that leads somewhere new. */
static bool go_on(struct search *search, uint32_t number, uint64_t *position) {
  const struct seep_graph *graph = search->graph;
  uint32_t node = search->node[number];
  uint64_t end = (uint64_t)graph->first_edge[node + 1] * 2;
  for (uint64_t at = *position; at < end; at++) {
    uint32_t edge = (uint32_t)(at / 2);
    uint8_t kind = graph->edge_kind[edge];
    uint32_t target;
    if (at % 2 == 0) {
      if ((kind & (SEEP_EDGE_WEAK | SEEP_EDGE_EPHEMERON)) != 0) continue;
      target = graph->target[edge];
    } else {
      if (!seep_edge_names_node(kind) || (kind & SEEP_EDGE_WEAK_KEY) != 0) continue;
      target = graph->edge_name[edge];
      if (target == SEEP_NODE_NONE) continue;
    }
    if (meet(search, target, number)) {
      *position = at + 1;
      return true;
    }
  }
  return false;
}

static bool push_position(struct search *search, uint32_t number) {
  uint64_t *position = seep_array_push(&search->positions, sizeof *position);
  if (position == NULL) return false;
  *position = (uint64_t)search->graph->first_edge[search->node[number]] * 2;
  return true;
}

/* Everything that can be reached from `number`, which has just got it. */
static void search_from(struct search *search, uint32_t number) {
  search->failed |= !push_position(search, number);
  while (!search->failed && search->positions.count > 0) {
    uint64_t *position = (uint64_t *)search->positions.items + search->positions.count - 1;
    if (go_on(search, number, position)) {
      number = search->count - 1;
      search->failed |= !push_position(search, number);
    } else {
      search->positions.count--;
      number = search->parent[number];
    }
  }
}

static void search_below_root(struct search *search, uint32_t node) {
  if (meet(search, node, 0)) search_from(search, search->count - 1);
}

/* The root's edges lead to what is reachable and to finalizers that wait; the VM also keeps what will need one. The
 * global table has been met by then: this is one more way to it. */
static void search_all(struct search *search) {
  const struct seep_graph *graph = search->graph;
  const uint8_t held = SEEP_NODE_PENDING | SEEP_NODE_FINALIZER;
  add_number(search, SEEP_NODE_ROOT, 0);
  search_from(search, 0);
  if (graph->marks.globals < graph->node_count && (graph->flags[graph->marks.globals] & SEEP_NODE_UNREACHABLE) == 0) {
    search_below_root(search, graph->marks.globals);
  }
  for (uint32_t node = 1; node < graph->node_count; node++) {
    if ((graph->flags[node] & held) == held) search_below_root(search, node);
  }
}

/* -- Semidominators ------------------------------------------------------------- */

/* Sorts the references by what they lead to; reference_end becomes where each list ends. */
static uint32_t *sort_references(struct search *search) {
  const struct reference *references = search->references.items;
  uint32_t *sorted = map_numbers(search->references.count + 1), end = 0;
  if (sorted == NULL) return NULL;
  for (uint32_t number = 0; number < search->count; number++) {
    uint32_t count = search->reference_end[number];
    search->reference_end[number] = end;
    end += count;
  }
  for (size_t i = 0; i < search->references.count; i++) {
    sorted[search->reference_end[references[i].to]++] = references[i].from;
  }
  seep_array_free(&search->references);
  return sorted;
}

/* The least semidominator on the way from `number` up to `last`; shortens that way. */
static uint32_t least_label(struct link *links, struct seep_array *way, uint32_t number, uint32_t last, bool *failed) {
  uint32_t at = number;
  way->count = 0;
  while (links[at].ancestor > last) {
    uint32_t *step = seep_array_push(way, sizeof *step);
    if (step == NULL) {
      *failed = true;
      return 0;
    }
    *step = at;
    at = links[at].ancestor;
  }
  while (way->count > 0) {
    struct link *below = &links[((uint32_t *)way->items)[--way->count]], *above = &links[below->ancestor];
    if (above->label < below->label) below->label = above->label;
    below->ancestor = above->ancestor;
  }
  return links[number].label;
}

/* semidominator[number] for all; `links` is scratch. */
static bool find_semidominators(struct search *search, const uint32_t *sorted, struct link *links,
                                uint32_t *semidominator) {
  struct seep_array way = {0};
  bool failed = false;
  for (uint32_t number = 0; number < search->count; number++) {
    links[number] = (struct link){.ancestor = search->parent[number], .label = number};
  }
  for (uint32_t number = search->count - 1; number > 0 && !failed; number--) {
    uint32_t least = search->parent[number], end = search->reference_end[number];
    for (uint32_t i = search->reference_end[number - 1]; i < end && least > 0; i++) {
      uint32_t from = sorted[i];
      uint32_t label = from < number ? from : least_label(links, &way, from, number, &failed);
      if (label < least) least = label;
    }
    semidominator[number] = least;
    links[number].label = least;
  }
  seep_array_free(&way);
  return !failed;
}

/* -- Dominators ----------------------------------------------------------------- */

/* A node of the dominator tree: `jump` is an ancestor further up, chosen by depth alone. */
struct rung {
  uint32_t dominator, jump, depth;
};

/* The nearest node at or above `number` in the tree that is not past `limit`. */
static uint32_t climb(const struct rung *rungs, uint32_t number, uint32_t limit) {
  while (number > limit) number = rungs[number].jump > limit ? rungs[number].jump : rungs[number].dominator;
  return number;
}

static struct rung rung_below(const struct rung *rungs, uint32_t dominator) {
  const struct rung *above = &rungs[dominator], *jump = &rungs[above->jump];
  bool same_length = above->depth - jump->depth == jump->depth - rungs[jump->jump].depth;
  return (struct rung){.dominator = dominator, .jump = same_length ? jump->jump : dominator, .depth = above->depth + 1};
}

static void find_dominators(const struct search *search, const uint32_t *semidominator, struct rung *rungs) {
  rungs[0] = (struct rung){0};
  for (uint32_t number = 1; number < search->count; number++) {
    rungs[number] = rung_below(rungs, climb(rungs, search->parent[number], semidominator[number]));
  }
}

/* -- Retained sizes ---------------------------------------------------------------- */

static void write_results(const struct search *search, const struct rung *rungs, struct seep_dominators *out) {
  const struct seep_graph *graph = search->graph;
  for (uint32_t node = 0; node < graph->node_count; node++) {
    out->dominator[node] = SEEP_NODE_NONE;
    out->retained[node] = seep_graph_size(graph, node);
  }
  for (uint32_t number = 0; number < search->count; number++) {
    out->dominator[search->node[number]] = search->node[rungs[number].dominator];
  }
  for (uint32_t number = search->count - 1; number > 0; number--) {
    uint32_t node = search->node[number];
    out->retained[out->dominator[node]] += out->retained[node];
  }
}

static bool map_search(struct search *search) {
  uint64_t count = (uint64_t)search->graph->node_count;
  search->number = map_numbers(count);
  search->node = map_numbers(count);
  search->parent = map_numbers(count);
  search->reference_end = map_numbers(count);
  return search->number != NULL && search->node != NULL && search->parent != NULL && search->reference_end != NULL;
}

static void free_search(struct search *search) {
  uint64_t count = search->graph->node_count;
  unmap_numbers(search->number, count);
  unmap_numbers(search->node, count);
  unmap_numbers(search->parent, count);
  unmap_numbers(search->reference_end, count);
  seep_array_free(&search->positions);
  seep_array_free(&search->references);
}

/* From the search to rungs; the tables in between are gone when it returns. */
static struct rung *dominate(struct search *search) {
  struct rung *rungs = NULL;
  uint64_t count = search->count;
  uint64_t reference_count = search->references.count + 1;
  uint32_t *sorted = sort_references(search), *semidominator = map_numbers(count);
  struct link *links = seep_pages_map(count * sizeof *links);
  bool found = sorted != NULL && semidominator != NULL && links != NULL &&
               find_semidominators(search, sorted, links, semidominator);
  unmap_numbers(sorted, reference_count);
  if (links != NULL) seep_pages_unmap(links, count * sizeof *links);
  if (found) rungs = seep_pages_map(count * sizeof *rungs);
  if (rungs != NULL) find_dominators(search, semidominator, rungs);
  unmap_numbers(semidominator, count);
  return rungs;
}

static bool map_results(struct seep_dominators *out, uint32_t node_count) {
  *out = (struct seep_dominators){.node_count = node_count};
  out->dominator = map_numbers(node_count);
  out->retained = seep_pages_map(node_count * sizeof *out->retained);
  return out->dominator != NULL && out->retained != NULL;
}

bool seep_dominators_compute(const struct seep_graph *graph, struct seep_dominators *out) {
  struct search search = {.graph = graph};
  struct rung *rungs = NULL;
  *out = (struct seep_dominators){0};
  search.failed = !map_search(&search);
  if (!search.failed) search_all(&search);
  unmap_numbers(search.number, graph->node_count);
  search.number = NULL;
  seep_array_free(&search.positions);
  if (!search.failed) rungs = dominate(&search);
  bool done = rungs != NULL && map_results(out, graph->node_count);
  if (done) {
    write_results(&search, rungs, out);
    out->reached = search.count;
    out->order = search.node;
    search.node = NULL;
  } else {
    seep_dominators_free(out);
  }
  if (rungs != NULL) seep_pages_unmap(rungs, (uint64_t)search.count * sizeof *rungs);
  free_search(&search);
  return done;
}

void seep_dominators_free(struct seep_dominators *dominators) {
  unmap_numbers(dominators->dominator, dominators->node_count);
  unmap_numbers(dominators->order, dominators->node_count);
  if (dominators->retained != NULL) {
    seep_pages_unmap(dominators->retained, dominators->node_count * sizeof *dominators->retained);
  }
  *dominators = (struct seep_dominators){0};
}
