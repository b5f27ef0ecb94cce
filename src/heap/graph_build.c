/* Building a graph. See graph_build.h.
 *
 * Nodes go straight into the arrays of the graph to be; edges are kept with the
 * addresses of what they refer to, in the order of their nodes, until finish has
 * an index of all addresses. What came out of order (strays) and what ephemerons
 * hold is then merged in. */
#include "heap/graph_build.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "heap/graph_index.h"
#include "heap/graph_mark.h"

enum { RELEASE_EDGES = 1 << 20, EXPECT_PAGES = 16, EXPECT_NODES = 8 };
#define COUNT_MAX 0xfffffffeu

struct stray {
  uint32_t from;
  struct seep_pending_edge edge;
};

static void fail(struct seep_graph_builder *builder, enum seep_status status, const char *failure) {
  if (builder->status != SEEP_OK) return;
  builder->status = status;
  builder->failure = failure;
}

static void *push(struct seep_graph_builder *builder, struct seep_array *array, size_t item_bytes) {
  void *item = builder->status == SEEP_OK ? seep_array_push(array, item_bytes) : NULL;
  if (item == NULL) fail(builder, SEEP_E_MEMORY, "there is no memory for the graph");
  return item;
}

/* -- Pools ------------------------------------------------------------------- */

static uint32_t add_text(struct seep_graph_builder *builder, const char *bytes, size_t size_bytes) {
  uint32_t text = 0;
  if (builder->status != SEEP_OK) return 0;
  if (!seep_graph_add_text(&builder->graph.texts, bytes, size_bytes, &text)) {
    fail(builder, SEEP_E_MEMORY, "there is no memory for the names in the graph");
  }
  return text;
}

uint32_t seep_graph_builder_string(struct seep_graph_builder *builder, const char *bytes, size_t size_bytes) {
  return add_text(builder, bytes, size_bytes);
}

enum { INTERN_NAME = 1, INTERN_SHAPE, INTERN_PLACE, INTERN_LOCAL };

uint32_t seep_graph_builder_name(struct seep_graph_builder *builder, const char *bytes, size_t size_bytes) {
  uint64_t hash = seep_graph_hash(bytes, size_bytes);
  uint32_t text = seep_map_get(&builder->interned, hash, INTERN_NAME);
  if (text != 0) {
    struct seep_graph_text known = seep_graph_text(&builder->graph, text);
    if (known.length_bytes == size_bytes && memcmp(known.bytes, bytes, known.kept_bytes) == 0) return text;
  }
  text = add_text(builder, bytes, size_bytes);
  if (text != 0) seep_map_put(&builder->interned, hash, INTERN_NAME, text);
  return text;
}

/* The number of an equal record in a pool, or of a new one. */
static uint32_t intern(struct seep_graph_builder *builder, struct seep_array *pool, uint32_t which, const void *record,
                       size_t record_bytes) {
  uint64_t hash = seep_graph_hash(record, record_bytes);
  uint32_t number = seep_map_get(&builder->interned, hash, which);
  if (number != 0 && memcmp((char *)pool->items + number * record_bytes, record, record_bytes) == 0) return number;
  void *item = pool->count < COUNT_MAX ? push(builder, pool, record_bytes) : NULL;
  if (item == NULL) return 0;
  memcpy(item, record, record_bytes);
  number = (uint32_t)pool->count - 1;
  seep_map_put(&builder->interned, hash, which, number);
  return number;
}

uint32_t seep_graph_builder_shape(struct seep_graph_builder *builder, const struct seep_graph_shape *shape) {
  return intern(builder, &builder->graph.shapes, INTERN_SHAPE, shape, sizeof *shape);
}

uint32_t seep_graph_builder_place(struct seep_graph_builder *builder, const struct seep_graph_place *place) {
  return intern(builder, &builder->graph.places, INTERN_PLACE, place, sizeof *place);
}

uint32_t seep_graph_builder_local(struct seep_graph_builder *builder, const struct seep_graph_local *local) {
  return intern(builder, &builder->graph.locals, INTERN_LOCAL, local, sizeof *local);
}

void seep_graph_builder_ledger(struct seep_graph_builder *builder, const char *name, int64_t bytes) {
  struct seep_array *ledger = &builder->graph.ledger;
  struct seep_graph_ledger *line = ledger->items;
  for (size_t i = 0; i < ledger->count; i++) {
    if (strncmp(line[i].name, name, sizeof line[i].name - 1) == 0) {
      line[i].bytes += bytes;
      return;
    }
  }
  line = push(builder, ledger, sizeof *line);
  if (line == NULL) return;
  *line = (struct seep_graph_ledger){.bytes = bytes};
  snprintf(line->name, sizeof line->name, "%s", name);
}

/* -- Nodes and edges ---------------------------------------------------------- */

/* Entry 0 of each pool, and the root. */
static void add_zeros(struct seep_graph_builder *builder) {
  struct seep_graph *graph = &builder->graph;
  char *empty = push(builder, &graph->texts, 1);
  if (empty != NULL) *empty = 0;
  void *shape = push(builder, &graph->shapes, sizeof(struct seep_graph_shape));
  if (shape != NULL) memset(shape, 0, sizeof(struct seep_graph_shape));
  void *place = push(builder, &graph->places, sizeof(struct seep_graph_place));
  if (place != NULL) memset(place, 0, sizeof(struct seep_graph_place));
  void *local = push(builder, &graph->locals, sizeof(struct seep_graph_local));
  if (local != NULL) memset(local, 0, sizeof(struct seep_graph_local));
  seep_graph_builder_node(builder, 0, SEEP_NODE_KIND_ROOT, 0, 0, 0);
}

void seep_graph_builder_init(struct seep_graph_builder *builder, const char *name, const char *family,
                             const char *release) {
  memset(builder, 0, sizeof *builder);
  snprintf(builder->graph.name, sizeof builder->graph.name, "%s", name);
  snprintf(builder->graph.family, sizeof builder->graph.family, "%s", family);
  snprintf(builder->graph.release, sizeof builder->graph.release, "%s", release);
  add_zeros(builder);
}

void seep_graph_builder_free(struct seep_graph_builder *builder) {
  seep_array_free(&builder->addresses);
  seep_array_free(&builder->sizes);
  seep_array_free(&builder->kinds);
  seep_array_free(&builder->flags);
  seep_array_free(&builder->infos);
  seep_array_free(&builder->first_edges);
  seep_array_free(&builder->pending);
  seep_array_free(&builder->strays);
  seep_map_clear(&builder->interned);
  seep_graph_free(&builder->graph);
}

static void set_size(struct seep_graph_builder *builder, uint32_t *low, uint64_t size_bytes) {
  struct seep_array *large = &builder->graph.large;
  if (size_bytes < SEEP_SIZE_LARGE) {
    *low = (uint32_t)size_bytes;
    return;
  }
  if (*low < SEEP_SIZE_LARGE) {
    if (large->count >= UINT32_MAX - SEEP_SIZE_LARGE) {
      fail(builder, SEEP_E_FORMAT, "more than a million objects are larger than 4 GiB: this is no heap");
      return;
    }
    if (push(builder, large, sizeof(uint64_t)) == NULL) return;
    *low = SEEP_SIZE_LARGE + (uint32_t)large->count - 1;
  }
  ((uint64_t *)large->items)[*low - SEEP_SIZE_LARGE] = size_bytes;
}

static bool reserve_node(struct seep_graph_builder *builder, size_t count) {
  return seep_array_reserve(&builder->addresses, count, sizeof(uint64_t)) &&
         seep_array_reserve(&builder->sizes, count, sizeof(uint32_t)) &&
         seep_array_reserve(&builder->kinds, count, 1) && seep_array_reserve(&builder->flags, count, 1) &&
         seep_array_reserve(&builder->infos, count, sizeof(uint32_t)) &&
         seep_array_reserve(&builder->first_edges, count + 1, sizeof(uint32_t));
}

uint32_t seep_graph_builder_node(struct seep_graph_builder *builder, uint64_t address, uint8_t kind,
                                 uint64_t size_bytes, uint32_t info, uint8_t flags) {
  struct seep_graph *graph = &builder->graph;
  uint32_t node = graph->node_count;
  if (node == COUNT_MAX) fail(builder, SEEP_E_FORMAT, "more objects than 32 bits can number");
  if (builder->status != SEEP_OK) return SEEP_NODE_NONE;
  if (!reserve_node(builder, (size_t)node + 1)) {
    fail(builder, SEEP_E_MEMORY, "there is no memory for the graph");
    return SEEP_NODE_NONE;
  }
  ((uint64_t *)builder->addresses.items)[node] = address;
  ((uint8_t *)builder->kinds.items)[node] = kind < SEEP_NODE_KIND_COUNT ? kind : SEEP_NODE_VM;
  ((uint8_t *)builder->flags.items)[node] = flags & (SEEP_NODE_FINALIZER | SEEP_NODE_WEAK_TABLE);
  ((uint32_t *)builder->infos.items)[node] = info;
  uint32_t *low = (uint32_t *)builder->sizes.items + node;
  *low = 0;
  set_size(builder, low, size_bytes);
  graph->node_count = node + 1;
  return node;
}

void seep_graph_builder_grow_node(struct seep_graph_builder *builder, uint32_t node, uint64_t size_bytes) {
  if (builder->status != SEEP_OK || node >= builder->graph.node_count) return;
  uint32_t *low = (uint32_t *)builder->sizes.items + node;
  uint64_t before = *low < SEEP_SIZE_LARGE ? *low : ((uint64_t *)builder->graph.large.items)[*low - SEEP_SIZE_LARGE];
  set_size(builder, low, before + size_bytes);
}

void seep_graph_builder_part(struct seep_graph_builder *builder, uint32_t node, uint64_t address, uint64_t size_bytes) {
  if (builder->status != SEEP_OK || node >= builder->graph.node_count) return;
  struct seep_graph_part *part = push(builder, &builder->graph.parts, sizeof *part);
  if (part != NULL) *part = (struct seep_graph_part){.address = address, .size_bytes = size_bytes, .node = node};
}

/* Edges of `from` begin where the pending ones end now. */
static void begin_edges(struct seep_graph_builder *builder, uint32_t from) {
  uint32_t *first = builder->first_edges.items;
  while (builder->current < from) first[++builder->current] = (uint32_t)builder->pending.count;
}

static void add_edge(struct seep_graph_builder *builder, uint32_t from, struct seep_pending_edge edge) {
  if (builder->status != SEEP_OK || from >= builder->graph.node_count) return;
  if (builder->pending.count + builder->strays.count >= COUNT_MAX) {
    fail(builder, SEEP_E_FORMAT, "more references than 32 bits can number");
    return;
  }
  if (SEEP_UNLIKELY(from < builder->current)) {
    struct stray *stray = push(builder, &builder->strays, sizeof *stray);
    if (stray != NULL) *stray = (struct stray){.from = from, .edge = edge};
    return;
  }
  if (from > builder->current) begin_edges(builder, from);
  struct seep_pending_edge *pending = push(builder, &builder->pending, sizeof *pending);
  if (pending != NULL) *pending = edge;
}

void seep_graph_builder_edge(struct seep_graph_builder *builder, uint32_t from, uint64_t target, uint8_t kind,
                             uint64_t name) {
  if (target > SEEP_PENDING_ADDRESS) target = 0;
  add_edge(builder, from, (struct seep_pending_edge){.target = target | (uint64_t)kind << 48, .name = name});
}

void seep_graph_builder_edge_to_node(struct seep_graph_builder *builder, uint32_t from, uint32_t target, uint8_t kind,
                                     uint64_t name) {
  add_edge(builder, from,
           (struct seep_pending_edge){.target = target | (uint64_t)kind << 48 | SEEP_PENDING_NODE, .name = name});
}

/* -- Finish -------------------------------------------------------------------- */

struct finisher {
  struct seep_graph_builder *builder;
  struct seep_graph *graph;
  struct seep_graph_index index;
  struct seep_array extras;  /* struct seep_graph_extra */
};

/* A kind that is none, and flags that its kind cannot have, are taken for the plainest edge. */
static uint8_t checked_kind(uint8_t kind) {
  if ((kind & SEEP_EDGE_KIND_MASK) >= SEEP_EDGE_KIND_COUNT) return SEEP_EDGE_OTHER | (kind & SEEP_EDGE_WEAK);
  return seep_edge_names_node(kind) ? kind : kind & (SEEP_EDGE_KIND_MASK | SEEP_EDGE_WEAK);
}

/* Finds an edge's nodes. False when it leads nowhere. An entry whose value is not found still holds its key. */
static bool resolve(struct finisher *finisher, uint32_t from, struct seep_pending_edge edge,
                    struct seep_graph_extra *out) {
  struct seep_graph *graph = finisher->graph;
  uint64_t target = edge.target & SEEP_PENDING_ADDRESS;
  uint8_t kind = checked_kind((uint8_t)(edge.target >> 48));
  uint32_t node =
      (edge.target & SEEP_PENDING_NODE) != 0 ? (uint32_t)target : seep_graph_index_find(&finisher->index, target);
  uint32_t name = (uint32_t)edge.name;
  if (seep_edge_names_node(kind)) name = seep_graph_index_find(&finisher->index, edge.name);
  if (node >= graph->node_count) {
    graph->dropped_edges++;
    if (!seep_edge_names_node(kind) || name == SEEP_NODE_NONE) return false;
    node = name;
    name = 0;
    kind = (uint8_t)(SEEP_EDGE_KEY | ((kind & SEEP_EDGE_WEAK_KEY) != 0 ? SEEP_EDGE_WEAK : 0));
  }
  *out = (struct seep_graph_extra){.from = from, .target = node, .name = name, .kind = kind};
  return true;
}

static bool map_edges(struct seep_graph *graph, uint64_t count) {
  graph->target = seep_pages_map((count + 1) * sizeof *graph->target);
  graph->edge_name = seep_pages_map((count + 1) * sizeof *graph->edge_name);
  graph->edge_kind = seep_pages_map((count + 1) * sizeof *graph->edge_kind);
  return graph->target != NULL && graph->edge_name != NULL && graph->edge_kind != NULL;
}

static void put_edge(struct seep_graph *graph, uint32_t edge, const struct seep_graph_extra *extra) {
  graph->target[edge] = extra->target;
  graph->edge_name[edge] = extra->name;
  graph->edge_kind[edge] = extra->kind;
}

/* Gives back the pages of pending edges that have been read. */
static void release_pending(struct seep_array *pending, size_t upto) {
  size_t bytes = upto * sizeof(struct seep_pending_edge) / SEEP_PAGE_BYTES * SEEP_PAGE_BYTES;
  madvise(pending->items, bytes, MADV_DONTNEED);
}

/* Memory is slow and a heap is large: what the next edges need is asked for while this one is looked at. */
static void expect(struct finisher *finisher, const struct seep_pending_edge *edges, size_t at, size_t count) {
  if (at + EXPECT_PAGES < count) {
    const struct seep_pending_edge *edge = &edges[at + EXPECT_PAGES];
    seep_graph_index_expect_page(&finisher->index, edge->target & SEEP_PENDING_ADDRESS);
  }
  if (at + EXPECT_NODES < count) {
    const struct seep_pending_edge *edge = &edges[at + EXPECT_NODES];
    seep_graph_index_expect_node(&finisher->index, edge->target & SEEP_PENDING_ADDRESS);
  }
}

/* The pending edges, in place. Arrays are mapped for all of them; those after edge_count stay untouched. */
static bool resolve_pending(struct finisher *finisher) {
  struct seep_graph *graph = finisher->graph;
  struct seep_array *pending = &finisher->builder->pending;
  const struct seep_pending_edge *edges = pending->items;
  uint32_t done = 0, at = 0;
  graph->edge_count = (uint32_t)pending->count;
  if (!map_edges(graph, pending->count)) return false;
  for (uint32_t node = 0; node < graph->node_count; node++) {
    uint32_t end = graph->first_edge[node + 1];
    graph->first_edge[node] = done;
    for (; at < end; at++) {
      struct seep_graph_extra resolved;
      expect(finisher, edges, at, pending->count);
      if (resolve(finisher, node, edges[at], &resolved)) put_edge(graph, done++, &resolved);
      if ((at + 1) % RELEASE_EDGES == 0) release_pending(pending, at + 1);
    }
  }
  graph->first_edge[graph->node_count] = done;
  seep_array_free(pending);
  return true;
}

static void *shrink(void *items, uint64_t old_count, uint64_t new_count, size_t item_bytes) {
  void *shrunk = seep_pages_resize(items, (old_count + 1) * item_bytes, (new_count + 1) * item_bytes);
  return shrunk == NULL ? items : shrunk;
}

static void fit_edges(struct seep_graph *graph) {
  uint32_t mapped = graph->edge_count, used = graph->first_edge[graph->node_count];
  graph->target = shrink(graph->target, mapped, used, sizeof *graph->target);
  graph->edge_name = shrink(graph->edge_name, mapped, used, sizeof *graph->edge_name);
  graph->edge_kind = shrink(graph->edge_kind, mapped, used, sizeof *graph->edge_kind);
  graph->edge_count = used;
}

static bool resolve_strays(struct finisher *finisher) {
  const struct seep_array *strays = &finisher->builder->strays;
  for (size_t i = 0; i < strays->count; i++) {
    struct stray stray = ((struct stray *)strays->items)[i];
    struct seep_graph_extra extra, *place;
    if (!resolve(finisher, stray.from, stray.edge, &extra)) continue;
    if ((place = seep_array_push(&finisher->extras, sizeof *place)) == NULL) return false;
    *place = extra;
  }
  return true;
}

/* Puts each extra behind its node's edges. `next` has room for a number per node. */
static void merge(const struct seep_graph *old, struct seep_graph *graph, const struct seep_array *extras,
                  uint32_t *next) {
  const struct seep_graph_extra *extra = extras->items;
  uint32_t added = 0;
  for (size_t i = 0; i < extras->count; i++) next[extra[i].from]++;
  for (uint32_t node = 0; node < graph->node_count; node++) {
    uint32_t first = graph->first_edge[node], count = graph->first_edge[node + 1] - first, more = next[node];
    memcpy(graph->target + first + added, old->target + first, count * sizeof *graph->target);
    memcpy(graph->edge_name + first + added, old->edge_name + first, count * sizeof *graph->edge_name);
    memcpy(graph->edge_kind + first + added, old->edge_kind + first, count * sizeof *graph->edge_kind);
    graph->first_edge[node] = first + added;
    next[node] = first + added + count;
    added += more;
  }
  graph->first_edge[graph->node_count] += added;
  for (size_t i = 0; i < extras->count; i++) put_edge(graph, next[extra[i].from]++, &extra[i]);
}

static void unmap_edges(const struct seep_graph *graph) {
  size_t count = (size_t)graph->edge_count + 1;
  seep_pages_unmap(graph->target, count * sizeof *graph->target);
  seep_pages_unmap(graph->edge_name, count * sizeof *graph->edge_name);
  seep_pages_unmap(graph->edge_kind, count * sizeof *graph->edge_kind);
}

/* Edges that were found later take their place among their nodes' edges. */
static bool insert_extras(struct finisher *finisher) {
  struct seep_graph *graph = finisher->graph, merged = *graph;
  struct seep_array *extras = &finisher->extras;
  if (extras->count == 0) return true;
  if (extras->count > COUNT_MAX - graph->edge_count) return false;
  merged.edge_count += (uint32_t)extras->count;
  uint32_t *next = seep_pages_map(graph->node_count * sizeof *next);
  bool mapped = map_edges(&merged, merged.edge_count) && next != NULL;
  if (mapped) merge(graph, &merged, extras, next);
  unmap_edges(mapped ? graph : &merged);
  if (mapped) *graph = merged;
  seep_pages_unmap(next, graph->node_count * sizeof *next);
  seep_array_free(extras);
  return mapped;
}

static void take(void **out, struct seep_array *array, uint32_t count, size_t item_bytes) {
  array->count = count;
  seep_array_fit(array, item_bytes);
  *out = array->items;
  *array = (struct seep_array){0};
}

static void take_arrays(struct seep_graph_builder *builder) {
  struct seep_graph *graph = &builder->graph;
  take((void **)&graph->address, &builder->addresses, graph->node_count, sizeof *graph->address);
  take((void **)&graph->size_low, &builder->sizes, graph->node_count, sizeof *graph->size_low);
  take((void **)&graph->kind, &builder->kinds, graph->node_count, sizeof *graph->kind);
  take((void **)&graph->flags, &builder->flags, graph->node_count, sizeof *graph->flags);
  take((void **)&graph->info, &builder->infos, graph->node_count, sizeof *graph->info);
  take((void **)&graph->first_edge, &builder->first_edges, graph->node_count + 1, sizeof *graph->first_edge);
  seep_array_fit(&graph->texts, 1);
}

/* A number in a name or an info that leads nowhere becomes 0. */
static uint32_t checked(uint32_t number, const struct seep_array *pool) { return number < pool->count ? number : 0; }

static uint32_t checked_info(const struct seep_graph *graph, uint8_t kind, uint32_t info) {
  switch (kind) {
    case SEEP_NODE_TABLE: return checked(info, &graph->shapes);
    case SEEP_NODE_STRING: case SEEP_NODE_USERDATA: case SEEP_NODE_CDATA: case SEEP_NODE_VM:
      return checked(info, &graph->texts);
    case SEEP_NODE_LUA_FUNCTION: case SEEP_NODE_C_FUNCTION: case SEEP_NODE_PROTO: case SEEP_NODE_THREAD:
    case SEEP_NODE_TRACE:
      return checked(info, &graph->places);
    default: return 0;
  }
}

static void check_infos(struct seep_graph *graph) {
  for (uint32_t node = 0; node < graph->node_count; node++) {
    graph->info[node] = checked_info(graph, graph->kind[node], graph->info[node]);
  }
}

static void find_marks(struct finisher *finisher, const struct seep_graph_mark_addresses *marks) {
  struct seep_graph_marks *out = &finisher->graph->marks;
  out->globals = seep_graph_index_find(&finisher->index, marks->globals);
  out->registry = seep_graph_index_find(&finisher->index, marks->registry);
  out->main_thread = seep_graph_index_find(&finisher->index, marks->main_thread);
  out->loaded = seep_graph_index_find(&finisher->index, marks->loaded);
}

static bool connect(struct finisher *finisher, const struct seep_graph_mark_addresses *marks) {
  struct seep_graph *graph = finisher->graph;
  begin_edges(finisher->builder, graph->node_count);
  take_arrays(finisher->builder);
  check_infos(graph);
  if (!seep_graph_index_build(&finisher->index, graph->address, graph->node_count)) return false;
  if (!resolve_pending(finisher) || !resolve_strays(finisher)) return false;
  find_marks(finisher, marks);
  seep_graph_index_free(&finisher->index);
  fit_edges(graph);
  return insert_extras(finisher) && seep_graph_mark(graph, &finisher->extras) && insert_extras(finisher);
}

enum seep_status seep_graph_builder_finish(struct seep_graph_builder *builder,
                                           const struct seep_graph_mark_addresses *marks, uint64_t state_bytes,
                                           struct seep_graph *out, struct seep_error *error) {
  struct finisher finisher = {.builder = builder, .graph = &builder->graph};
  struct seep_graph *graph = &builder->graph;
  if (builder->status == SEEP_OK && !connect(&finisher, marks)) {
    fail(builder, SEEP_E_MEMORY, "there is no memory for the graph");
  }
  seep_graph_index_free(&finisher.index);
  seep_array_free(&finisher.extras);
  enum seep_status status = builder->status;
  if (status != SEEP_OK) {
    seep_error_set(error, status, "%s: %s", graph->name, builder->failure);
    seep_graph_builder_free(builder);
    return status;
  }
  seep_graph_sum_up(graph);
  graph->state_bytes = state_bytes;
  *out = *graph;
  *graph = (struct seep_graph){0};
  seep_graph_builder_free(builder);
  return SEEP_OK;
}
