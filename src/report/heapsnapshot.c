/* V8's heap snapshot format. See heapsnapshot.h.
 *
 * The format (V8, src/profiler/heap-snapshot-generator.cc, HeapSnapshotJSONSerializer): one object with the keys
 * snapshot, nodes, edges, trace_function_infos, trace_tree, samples, locations, strings in this order. Nodes and
 * edges are flat arrays of numbers; a node's edges are the next edge_count ones; to_node is an index into the array
 * of nodes; names are numbers of strings. Two passes over the graph: one writes nodes, one edges, and both collect
 * names, which come last. */
#include "report/heapsnapshot.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "report/heap.h"

/* Identities are odd, as V8's are for objects; that of node n is 2 n + 3. */
enum { NODE_FIELDS = 7, FIRST_NODE = 2 /* behind the root and "(GC roots)" */, ROOT_ID = 1, GC_ROOTS_ID = 3 };

/* Places in node_types and edge_types below. */
enum node_type {
  NODE_HIDDEN = 0,
  NODE_OBJECT = 3,
  NODE_STRING = 2,
  NODE_CODE = 4,
  NODE_CLOSURE = 5,
  NODE_NATIVE = 8,
  NODE_SYNTHETIC = 9
};
enum edge_type { EDGE_CONTEXT = 0, EDGE_ELEMENT, EDGE_PROPERTY, EDGE_INTERNAL, EDGE_HIDDEN, EDGE_SHORTCUT, EDGE_WEAK };

static const char meta[] =
    "\"node_fields\":[\"type\",\"name\",\"id\",\"self_size\",\"edge_count\",\"trace_node_id\",\"detachedness\"],"
    "\"node_types\":[[\"hidden\",\"array\",\"string\",\"object\",\"code\",\"closure\",\"regexp\",\"number\",\"native\","
    "\"synthetic\",\"concatenated string\",\"sliced string\",\"symbol\",\"bigint\",\"object "
    "shape\"],\"string\",\"number\","
    "\"number\",\"number\",\"number\",\"number\"],"
    "\"edge_fields\":[\"type\",\"name_or_index\",\"to_node\"],"
    "\"edge_types\":[[\"context\",\"element\",\"property\",\"internal\",\"hidden\",\"shortcut\",\"weak\"],"
    "\"string_or_number\",\"node\"],"
    "\"trace_function_info_fields\":[\"function_id\",\"name\",\"script_name\",\"script_id\",\"line\",\"column\"],"
    "\"trace_node_fields\":[\"id\",\"function_info_index\",\"count\",\"size\",\"children\"],"
    "\"sample_fields\":[\"timestamp_us\",\"last_assigned_id\"],"
    "\"location_fields\":[\"object_index\",\"script_id\",\"line\",\"column\"]";

struct exporter {
  const struct seep_heap_view *view;
  const struct seep_graph *graph;
  const struct seep_namer *namer;
  FILE *out;
  uint32_t *place;         /* by node: its place among the exported ones */
  uint32_t count;          /* exported nodes, with the root and "(GC roots)" */
  struct seep_map known;   /* hash of a name to its number + 1 */
  struct seep_array names; /* char *: strings in the order of their numbers */
  uint32_t *group_name;    /* by group: number of its text + 1, or 0 */
  uint64_t edge_count, clamped;
  bool counting;           /* edges are counted, not written */
  bool first;
};

/* -- Strings ------------------------------------------------------------------------- */

/* The number of a text, which is taken over. */
static uint32_t name_owned(struct exporter *exporter, char *text) {
  uint64_t hash = seep_graph_hash(text, strlen(text));
  uint32_t number = seep_map_get(&exporter->known, hash, 0);
  if (number != 0) {
    free(text);
    return number - 1;
  }
  char **place = seep_array_push(&exporter->names, sizeof *place);
  if (place == NULL || !seep_map_put(&exporter->known, hash, 0, (uint32_t)exporter->names.count)) abort();
  *place = text;
  return (uint32_t)exporter->names.count - 1;
}

static uint32_t name(struct exporter *exporter, const char *text) { return name_owned(exporter, seep_must_copy(text)); }

static uint32_t name_text(struct exporter *exporter, uint32_t text) {
  struct seep_graph_text view = seep_graph_text(exporter->graph, text);
  return name_owned(exporter, seep_must_format("%.*s%s", (int)view.kept_bytes, view.bytes,
                                               view.kept_bytes < view.length_bytes ? "…" : ""));
}

static bool write_strings(struct exporter *exporter) {
  bool done = fputs("\"strings\":[", exporter->out) != EOF;
  for (size_t i = 0; i < exporter->names.count && done; i++) {
    const char *text = ((char **)exporter->names.items)[i];
    char *valid = seep_text_utf8(text, strlen(text));
    json_t *string = json_string(valid);
    done = fputs(i > 0 ? ",\n" : "", exporter->out) != EOF && json_dumpf(string, exporter->out, JSON_ENCODE_ANY) == 0;
    json_decref(string);
    free(valid);
  }
  return done && fputs("]}\n", exporter->out) != EOF;
}

/* -- Nodes ------------------------------------------------------------------------------ */

static enum node_type node_type(uint8_t kind) {
  switch (kind) {
    case SEEP_NODE_STRING: return NODE_STRING;
    case SEEP_NODE_LUA_FUNCTION: case SEEP_NODE_C_FUNCTION: return NODE_CLOSURE;
    case SEEP_NODE_PROTO: case SEEP_NODE_TRACE: return NODE_CODE;
    case SEEP_NODE_CDATA: return NODE_NATIVE;
    case SEEP_NODE_VM: return NODE_HIDDEN;
    default: return NODE_OBJECT;
  }
}

/* "table app.lua:12", or "table _G.app.listeners[*]". */
static uint32_t name_by_origin(struct exporter *exporter, uint32_t node) {
  const struct seep_graph *graph = exporter->graph;
  const char *kind = seep_node_kind_name(graph->kind[node]);
  char *site = seep_heap_site_text(graph, seep_graph_site(graph, node));
  uint32_t group = exporter->view->groups.of_node[node];
  if (site == NULL && group != SEEP_GROUP_NONE && exporter->group_name[group] != 0)
    return exporter->group_name[group] - 1;
  char *origin = site != NULL ? site : group == SEEP_GROUP_NONE ? seep_must_copy("")
                 : seep_group_text(graph, &exporter->view->groups, group, exporter->namer);
  uint32_t number = name_owned(exporter, seep_must_format("%s %s", kind, origin));
  if (site == NULL && group != SEEP_GROUP_NONE) exporter->group_name[group] = number + 1;
  free(origin);
  return number;
}

static uint32_t node_name(struct exporter *exporter, uint32_t node) {
  const struct seep_graph *graph = exporter->graph;
  switch (graph->kind[node]) {
    case SEEP_NODE_STRING: return name_text(exporter, graph->info[node]);
    case SEEP_NODE_TABLE:
      if (node == graph->marks.globals) return name(exporter, "_G");
      if (node == graph->marks.registry) return name(exporter, "registry");
      return name_by_origin(exporter, node);
    case SEEP_NODE_UPVALUE: return name(exporter, "upvalue");
    default: return name_owned(exporter, seep_node_text(graph, node, exporter->namer));
  }
}

static void write_numbers(struct exporter *exporter, const uint64_t *numbers, int count) {
  for (int i = 0; i < count; i++) {
    fprintf(exporter->out, "%s%llu", i > 0 ? "," : exporter->first ? "" : ",\n", (unsigned long long)numbers[i]);
  }
  exporter->first = false;
}

static void write_node(struct exporter *exporter, enum node_type type, uint32_t node_name_number, uint64_t id,
                       uint64_t size_bytes, uint64_t edge_count) {
  if (size_bytes > UINT32_MAX) {
    size_bytes = UINT32_MAX;
    exporter->clamped++;
  }
  const uint64_t fields[NODE_FIELDS] = {type, node_name_number, id, size_bytes, edge_count, 0, 0};
  write_numbers(exporter, fields, NODE_FIELDS);
}

/* -- Edges ------------------------------------------------------------------------------- */

static void write_edge(struct exporter *exporter, enum edge_type type, uint32_t name_or_index, uint32_t to_place) {
  exporter->edge_count++;
  if (exporter->counting) return;
  const uint64_t fields[3] = {type, name_or_index, (uint64_t)to_place * NODE_FIELDS};
  write_numbers(exporter, fields, 3);
}

/* A step in words, " → metatable", is the name of an internal edge: "metatable". */
static uint32_t step_name(struct exporter *exporter, uint32_t edge, uint32_t node) {
  static const char arrow[] = " → ";
  char *text = NULL;
  size_t size_bytes;
  if (exporter->counting) return 0;
  FILE *out = open_memstream(&text, &size_bytes);
  if (out == NULL) abort();
  seep_path_print_step(exporter->graph, edge, node, exporter->namer, out);
  fclose(out);
  const char *words = strncmp(text, arrow, sizeof arrow - 1) == 0 ? text + sizeof arrow - 1 : text;
  uint32_t number = name(exporter, words[0] == '\0' ? "value" : words);
  free(text);
  return number;
}

static uint32_t key_name(struct exporter *exporter, uint32_t edge) {
  uint32_t key = exporter->graph->edge_name[edge];
  bool is_string = key != SEEP_NODE_NONE && exporter->graph->kind[key] == SEEP_NODE_STRING;
  if (exporter->counting) return 0;
  return is_string ? name_text(exporter, exporter->graph->info[key])
                   : step_name(exporter, edge, exporter->graph->target[edge]);
}

/* One of an edge's two nodes. `is_held`: the edge keeps it alive. */
static void write_link(struct exporter *exporter, uint32_t edge, uint32_t node, bool is_key, bool is_held) {
  const struct seep_graph *graph = exporter->graph;
  uint8_t kind = graph->edge_kind[edge] & SEEP_EDGE_KIND_MASK;
  uint32_t to = exporter->place[node];
  if (to == 0) return; /* not exported */
  if (!is_held)
    write_edge(exporter, EDGE_WEAK, is_key ? step_name(exporter, edge, node) : key_name(exporter, edge), to);
  else if (is_key) write_edge(exporter, EDGE_INTERNAL, exporter->counting ? 0 : name(exporter, "key"), to);
  else if (kind == SEEP_EDGE_INDEX) write_edge(exporter, EDGE_ELEMENT, graph->edge_name[edge], to);
  else if (kind == SEEP_EDGE_FIELD || kind == SEEP_EDGE_ENTRY)
    write_edge(exporter, EDGE_PROPERTY, key_name(exporter, edge), to);
  else if (kind == SEEP_EDGE_ENTRY_TEXT)
    write_edge(exporter, EDGE_PROPERTY, exporter->counting ? 0 : name_text(exporter, graph->edge_name[edge]), to);
  else if (kind == SEEP_EDGE_UPVALUE || kind == SEEP_EDGE_LOCAL)
    write_edge(exporter, EDGE_CONTEXT, step_name(exporter, edge, node), to);
  else write_edge(exporter, EDGE_INTERNAL, step_name(exporter, edge, node), to);
}

static void write_edge_links(struct exporter *exporter, uint32_t edge) {
  const struct seep_graph *graph = exporter->graph;
  uint8_t kind = graph->edge_kind[edge];
  write_link(exporter, edge, graph->target[edge], false, (kind & (SEEP_EDGE_WEAK | SEEP_EDGE_EPHEMERON)) == 0);
  if (!seep_edge_names_node(kind) || graph->edge_name[edge] == SEEP_NODE_NONE) return;
  write_link(exporter, edge, graph->edge_name[edge], true, (kind & SEEP_EDGE_WEAK_KEY) == 0);
}

static void write_node_edges(struct exporter *exporter, uint32_t node) {
  const struct seep_graph *graph = exporter->graph;
  for (uint32_t edge = graph->first_edge[node]; edge < graph->first_edge[node + 1]; edge++)
    write_edge_links(exporter, edge);
}

/* What dominators.c has the root hold. As shortcuts, or as the edges of "(GC roots)". */
static void write_root_edge(struct exporter *exporter, uint32_t node, uint32_t name_number, bool as_shortcut) {
  if (exporter->place[node] != 0)
    write_edge(exporter, as_shortcut ? EDGE_SHORTCUT : EDGE_INTERNAL, name_number, exporter->place[node]);
}

static void write_root_edges(struct exporter *exporter, bool as_shortcut) {
  const struct seep_graph *graph = exporter->graph;
  const uint8_t waits = SEEP_NODE_PENDING | SEEP_NODE_FINALIZER;
  for (uint32_t edge = graph->first_edge[SEEP_NODE_ROOT]; edge < graph->first_edge[SEEP_NODE_ROOT + 1]; edge++) {
    uint32_t held[2];
    uint32_t count = seep_graph_holds(graph, edge, held);
    for (uint32_t i = 0; i < count; i++)
      write_root_edge(exporter, held[i], step_name(exporter, edge, held[i]), as_shortcut);
  }
  if (graph->marks.globals < graph->node_count) {
    write_root_edge(exporter, graph->marks.globals, exporter->counting ? 0 : name(exporter, "_G"), as_shortcut);
  }
  for (uint32_t node = 1; node < graph->node_count; node++) {
    if ((graph->flags[node] & waits) != waits) continue;
    write_root_edge(exporter, node, exporter->counting ? 0 : name(exporter, "finalizer to be called"), as_shortcut);
  }
}

/* -- The file -------------------------------------------------------------------------------- */

/* Counts with the code that writes, so that both agree. */
static uint64_t count_edges(struct exporter *exporter, void (*write)(struct exporter *, uint32_t), uint32_t argument) {
  uint64_t before = exporter->edge_count;
  exporter->counting = true;
  write(exporter, argument);
  exporter->counting = false;
  uint64_t count = exporter->edge_count - before;
  exporter->edge_count = before;
  return count;
}

static void write_top(struct exporter *exporter, uint32_t is_root) {
  if (is_root) write_edge(exporter, EDGE_ELEMENT, 1, 1); /* "(GC roots)" */
  write_root_edges(exporter, is_root != 0);
}

static void place_nodes(struct exporter *exporter) {
  exporter->place = seep_pages_map(exporter->graph->node_count * sizeof *exporter->place);
  exporter->group_name = seep_pages_map((exporter->view->groups.groups.count + 1) * sizeof *exporter->group_name);
  if (exporter->place == NULL || exporter->group_name == NULL) abort();
  exporter->count = FIRST_NODE;
  for (uint32_t node = 1; node < exporter->graph->node_count; node++) {
    if (exporter->view->dominators.dominator[node] != SEEP_NODE_NONE) exporter->place[node] = exporter->count++;
  }
}

/* What write does to the root, to "(GC roots)" and to every exported node, in this order. */
static void write_nodes(struct exporter *exporter) {
  const struct seep_graph *graph = exporter->graph;
  exporter->first = true;
  fputs("\"nodes\":[", exporter->out);
  write_node(exporter, NODE_SYNTHETIC, name(exporter, ""), ROOT_ID, 0, count_edges(exporter, write_top, 1));
  write_node(exporter, NODE_SYNTHETIC, name(exporter, "(GC roots)"), GC_ROOTS_ID, 0,
             count_edges(exporter, write_top, 0));
  for (uint32_t node = 1; node < graph->node_count; node++) {
    if (exporter->place[node] == 0) continue;
    write_node(exporter, node_type(graph->kind[node]), node_name(exporter, node), 2 * (uint64_t)node + GC_ROOTS_ID,
               seep_graph_size(graph, node), count_edges(exporter, write_node_edges, node));
  }
  fputs("],\n", exporter->out);
}

static void write_edges(struct exporter *exporter) {
  exporter->first = true;
  fputs("\"edges\":[", exporter->out);
  write_top(exporter, 1);
  write_top(exporter, 0);
  for (uint32_t node = 1; node < exporter->graph->node_count; node++) {
    if (exporter->place[node] != 0) write_node_edges(exporter, node);
  }
  fputs("],\n", exporter->out);
}

static uint64_t count_all_edges(struct exporter *exporter) {
  uint64_t count = count_edges(exporter, write_top, 1) + count_edges(exporter, write_top, 0);
  for (uint32_t node = 1; node < exporter->graph->node_count; node++) {
    if (exporter->place[node] != 0) count += count_edges(exporter, write_node_edges, node);
  }
  return count;
}

static void free_exporter(struct exporter *exporter) {
  for (size_t i = 0; i < exporter->names.count; i++) free(((char **)exporter->names.items)[i]);
  seep_array_free(&exporter->names);
  seep_map_clear(&exporter->known);
  seep_pages_unmap(exporter->place, exporter->graph->node_count * sizeof *exporter->place);
  seep_pages_unmap(exporter->group_name, (exporter->view->groups.groups.count + 1) * sizeof *exporter->group_name);
}

bool seep_report_heapsnapshot(const struct seep_heap_view *view, const struct seep_namer *namer, FILE *out,
                              uint64_t *clamped) {
  struct exporter exporter = {.view = view, .graph = view->graph, .namer = namer, .out = out};
  place_nodes(&exporter);
  name(&exporter, "<dummy>"); /* number 0, as V8 has it */
  fprintf(out, "{\"snapshot\":{\"meta\":{%s},\"node_count\":%u,\"edge_count\":%llu,\"trace_function_count\":0,\"extra_native_bytes\":0},\n",
          meta, exporter.count, (unsigned long long)count_all_edges(&exporter));
  write_nodes(&exporter);
  write_edges(&exporter);
  fputs("\"trace_function_infos\":[],\n\"trace_tree\":[],\n\"samples\":[],\n\"locations\":[],\n", out);
  bool done = write_strings(&exporter);
  *clamped = exporter.clamped;
  free_exporter(&exporter);
  return done && fflush(out) == 0 && !ferror(out);
}
