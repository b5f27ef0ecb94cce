/* A sink that builds a graph. See image_graph.h. */
#include "heap/image_graph.h"

#include <stdio.h>

#include "heap/graph_build.h"

struct building {
  struct seep_object_sink sink;  /* first: a sink is the building that it is the beginning of */
  struct seep_graph_builder builder;
};

static struct seep_graph_builder *builder_of(struct seep_object_sink *sink) {
  return &((struct building *)sink)->builder;
}

static uint32_t add_node(struct seep_object_sink *sink, uint64_t address, uint8_t kind, uint64_t size_bytes,
                         uint32_t info, uint8_t flags) {
  return seep_graph_builder_node(builder_of(sink), address, kind, size_bytes, info, flags);
}

static void add_edge(struct seep_object_sink *sink, uint32_t from, uint64_t target, uint8_t kind, uint64_t name) {
  seep_graph_builder_edge(builder_of(sink), from, target, kind, name);
}

static uint32_t add_name(struct seep_object_sink *sink, const char *bytes, size_t size_bytes) {
  return seep_graph_builder_name(builder_of(sink), bytes, size_bytes);
}

static uint32_t add_string(struct seep_object_sink *sink, const char *bytes, size_t size_bytes) {
  return seep_graph_builder_string(builder_of(sink), bytes, size_bytes);
}

static uint32_t add_shape(struct seep_object_sink *sink, const struct seep_graph_shape *shape) {
  return seep_graph_builder_shape(builder_of(sink), shape);
}

static uint32_t add_place(struct seep_object_sink *sink, const struct seep_graph_place *place) {
  return seep_graph_builder_place(builder_of(sink), place);
}

static uint32_t add_local(struct seep_object_sink *sink, const struct seep_graph_local *local) {
  return seep_graph_builder_local(builder_of(sink), local);
}

static void add_ledger(struct seep_object_sink *sink, const char *name, int64_t bytes) {
  seep_graph_builder_ledger(builder_of(sink), name, bytes);
}

static void add_part(struct seep_object_sink *sink, uint32_t number, uint64_t address, uint64_t size_bytes) {
  seep_graph_builder_part(builder_of(sink), number, address, size_bytes);
}

static const struct seep_object_sink building_sink = {
    .node = add_node, .edge = add_edge, .name = add_name, .string = add_string, .shape = add_shape,
    .place = add_place, .local = add_local, .ledger = add_ledger};

static void name_release(const struct seep_heap_state *state, const char *release, char *out, size_t out_bytes) {
  const char *family = seep_heap_vm_family(state->vm);
  const char *releases = seep_heap_vm_releases(state->vm);
  if (release != NULL) {
    snprintf(out, out_bytes, "%s", release);
  } else {
    snprintf(out, out_bytes, "%.*s %s", family[3] == 'J' ? 6 : 3, family, releases);
  }
}

/* While the image is still there. */
static bool ask_rows(const struct seep_image_reading *reading, struct seep_graph_builder *builder, uint32_t **out) {
  const uint64_t *addresses = builder->addresses.items;
  const uint8_t *kinds = builder->kinds.items;
  uint32_t count = builder->graph.node_count, *rows = seep_pages_map(count * sizeof *rows);
  if (rows == NULL) return false;
  for (uint32_t node = 1; node < count; node++) {
    rows[node] = reading->row_of(reading->context, addresses[node], kinds[node]);
  }
  struct seep_graph_part *parts = builder->graph.parts.items;
  for (size_t i = 0; i < builder->graph.parts.count; i++) {
    parts[i].site = reading->row_of(reading->context, parts[i].address, SEEP_NODE_VM);
  }
  *out = rows;
  return true;
}

enum seep_status seep_image_graph_read(struct seep_image *image, const struct seep_heap_state *state,
                                       const struct seep_image_reading *reading, struct seep_image_graph *out,
                                       struct seep_error *error) {
  struct building building = {.sink = building_sink};
  struct seep_graph_builder *builder = &building.builder;
  if (reading->row_of != NULL) building.sink.part = add_part;
  struct seep_heap_found found;
  struct seep_image_graph result = {.rows = NULL};
  char text[48];
  name_release(state, reading->release, text, sizeof text);
  seep_graph_builder_init(builder, reading->name, seep_heap_vm_family(state->vm), text);
  enum seep_status status = seep_heap_read(image, state, &building.sink, &found, error);
  if (status == SEEP_OK && reading->row_of != NULL && !ask_rows(reading, builder, &result.rows)) {
    status = seep_error_set(error, SEEP_E_MEMORY, "there is no memory for who made the objects");
  }
  if (status != SEEP_OK) {
    seep_graph_builder_free(builder);
    return status;
  }
  if (reading->is_last && image->release != NULL) image->release(image);
  if (found.found_bytes != found.state_bytes) {
    add_ledger(&building.sink, "in flight", (int64_t)(found.state_bytes - found.found_bytes));
  }
  struct seep_graph_mark_addresses marks = {.globals = found.globals, .registry = found.registry,
                                            .main_thread = found.main_thread, .loaded = found.loaded};
  result.damage_count = found.damage_count;
  result.damage = found.damage;
  size_t rows_bytes = builder->graph.node_count * sizeof *result.rows;
  status = seep_graph_builder_finish(builder, &marks, found.state_bytes, &result.graph, error);
  if (status == SEEP_OK) *out = result;
  else if (result.rows != NULL) seep_pages_unmap(result.rows, rows_bytes);
  return status;
}
