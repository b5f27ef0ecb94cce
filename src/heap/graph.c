/* Reading a finished graph. See graph.h.
 *
 * A text in the pool is: its length as a varint (7 bits a byte, least first),
 * then, if it is longer than SEEP_TEXT_KEPT, 8 bytes of hash, then the bytes
 * that are kept. Its number is its offset in the pool; 0 is the empty text. */
#include "heap/graph.h"

#include <string.h>

static const char *const kind_names[SEEP_NODE_KIND_COUNT] = {
    [SEEP_NODE_KIND_ROOT] = "root",      [SEEP_NODE_TABLE] = "table",         [SEEP_NODE_STRING] = "string",
    [SEEP_NODE_LUA_FUNCTION] = "function", [SEEP_NODE_C_FUNCTION] = "function", [SEEP_NODE_USERDATA] = "userdata",
    [SEEP_NODE_THREAD] = "thread",       [SEEP_NODE_PROTO] = "proto",         [SEEP_NODE_UPVALUE] = "upvalue",
    [SEEP_NODE_CDATA] = "cdata",         [SEEP_NODE_TRACE] = "trace",         [SEEP_NODE_VM] = "vm",
};

const char *seep_node_kind_name(uint8_t kind) { return kind < SEEP_NODE_KIND_COUNT ? kind_names[kind] : "other"; }

uint64_t seep_graph_hash(const void *bytes, size_t size_bytes) {
  const unsigned char *at = bytes;
  uint64_t hash = size_bytes, word;
  for (; size_bytes >= 8; at += 8, size_bytes -= 8) {
    memcpy(&word, at, 8);
    hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
    hash ^= hash >> 29;
  }
  word = 0;
  memcpy(&word, at, size_bytes);
  return seep_mix64(hash ^ word);
}

static void unmap(void *items, uint64_t count, size_t item_bytes) {
  if (items != NULL) seep_pages_unmap(items, count * item_bytes);
}

void seep_graph_free(struct seep_graph *graph) {
  unmap(graph->address, graph->node_count, sizeof *graph->address);
  unmap(graph->size_low, graph->node_count, sizeof *graph->size_low);
  unmap(graph->kind, graph->node_count, sizeof *graph->kind);
  unmap(graph->flags, graph->node_count, sizeof *graph->flags);
  unmap(graph->info, graph->node_count, sizeof *graph->info);
  unmap(graph->site, graph->node_count, sizeof *graph->site);
  unmap(graph->first_edge, (uint64_t)graph->node_count + 1, sizeof *graph->first_edge);
  unmap(graph->target, (uint64_t)graph->edge_count + 1, sizeof *graph->target);
  unmap(graph->edge_name, (uint64_t)graph->edge_count + 1, sizeof *graph->edge_name);
  unmap(graph->edge_kind, (uint64_t)graph->edge_count + 1, sizeof *graph->edge_kind);
  seep_array_free(&graph->large);
  seep_array_free(&graph->texts);
  seep_array_free(&graph->shapes);
  seep_array_free(&graph->places);
  seep_array_free(&graph->locals);
  seep_array_free(&graph->ledger);
  seep_array_free(&graph->sites);
  seep_array_free(&graph->parts);
  *graph = (struct seep_graph){0};
}

static void count_node(struct seep_graph *graph, uint32_t node) {
  uint64_t size_bytes = seep_graph_size(graph, node);
  if ((graph->flags[node] & SEEP_NODE_UNREACHABLE) != 0) {
    graph->unreachable_bytes += size_bytes;
    graph->unreachable_count++;
  } else if ((graph->flags[node] & SEEP_NODE_PENDING) != 0) {
    graph->pending_bytes += size_bytes;
    graph->pending_count++;
  } else {
    graph->object_bytes += size_bytes;
    graph->object_count++;
  }
}

void seep_graph_sum_up(struct seep_graph *graph) {
  const struct seep_graph_ledger *line = graph->ledger.items;
  graph->object_bytes = graph->pending_bytes = graph->unreachable_bytes = graph->ledger_bytes = 0;
  graph->object_count = graph->pending_count = graph->unreachable_count = 0;
  for (uint32_t node = 1; node < graph->node_count; node++) count_node(graph, node);
  for (size_t i = 0; i < graph->ledger.count; i++) graph->ledger_bytes += (uint64_t)line[i].bytes;
}

uint64_t seep_graph_bytes(const struct seep_graph *graph) {
  return graph->object_bytes + graph->pending_bytes + graph->unreachable_bytes + graph->ledger_bytes;
}

static const struct seep_graph_text empty_text = {.bytes = ""};

/* Reads the length; 0 when the pool ends in it. */
static size_t read_varint(const unsigned char *at, const unsigned char *end, uint64_t *out) {
  uint64_t value = 0;
  for (size_t i = 0; i < 9 && at + i < end; i++) {
    value |= (uint64_t)(at[i] & 0x7f) << (7 * i);
    if (at[i] < 0x80) {
      *out = value;
      return i + 1;
    }
  }
  return 0;
}

/* What stands before a text's bytes. Returns how much that is. */
static size_t write_head(const char *bytes, size_t size_bytes, unsigned char head[18]) {
  size_t used = 0;
  for (size_t rest = size_bytes;; rest >>= 7) {
    head[used++] = (unsigned char)(rest < 0x80 ? rest : (rest & 0x7f) | 0x80);
    if (rest < 0x80) break;
  }
  if (size_bytes <= SEEP_TEXT_KEPT) return used;
  uint64_t hash = seep_graph_hash(bytes, size_bytes);
  memcpy(head + used, &hash, sizeof hash);
  return used + sizeof hash;
}

bool seep_graph_add_text(struct seep_array *texts, const char *bytes, size_t size_bytes, uint32_t *out) {
  unsigned char head[18];
  size_t kept_bytes = size_bytes > SEEP_TEXT_KEPT ? SEEP_TEXT_KEPT : size_bytes;
  size_t head_bytes = write_head(bytes, size_bytes, head), all = texts->count + head_bytes + kept_bytes;
  *out = 0;
  if (size_bytes == 0 || all > UINT32_MAX) return true;
  if (!seep_array_reserve(texts, all, 1)) return false;
  *out = (uint32_t)texts->count;
  memcpy((char *)texts->items + texts->count, head, head_bytes);
  memcpy((char *)texts->items + texts->count + head_bytes, bytes, kept_bytes);
  texts->count = all;
  return true;
}

struct seep_graph_text seep_graph_text(const struct seep_graph *graph, uint32_t text) {
  const unsigned char *pool = graph->texts.items, *end = pool + graph->texts.count;
  struct seep_graph_text out = empty_text;
  if (text == 0 || text >= graph->texts.count) return empty_text;
  const unsigned char *at = pool + text;
  size_t used = read_varint(at, end, &out.length_bytes);
  bool is_cut = out.length_bytes > SEEP_TEXT_KEPT;
  out.kept_bytes = is_cut ? SEEP_TEXT_KEPT : (uint32_t)out.length_bytes;
  if (used == 0 || (size_t)(end - at) < used + (is_cut ? 8 : 0) + out.kept_bytes) return empty_text;
  at += used;
  if (is_cut) {
    memcpy(&out.hash, at, 8);
    at += 8;
  } else {
    out.hash = seep_graph_hash(at, out.kept_bytes);
  }
  out.bytes = (const char *)at;
  return out;
}

const struct seep_graph_shape *seep_graph_shape(const struct seep_graph *graph, uint32_t shape) {
  return (const struct seep_graph_shape *)graph->shapes.items + (shape < graph->shapes.count ? shape : 0);
}

const struct seep_graph_place *seep_graph_place(const struct seep_graph *graph, uint32_t place) {
  return (const struct seep_graph_place *)graph->places.items + (place < graph->places.count ? place : 0);
}

const struct seep_graph_local *seep_graph_local(const struct seep_graph *graph, uint32_t local) {
  return (const struct seep_graph_local *)graph->locals.items + (local < graph->locals.count ? local : 0);
}

const struct seep_graph_site *seep_graph_site(const struct seep_graph *graph, uint32_t node) {
  uint32_t site = graph->site == NULL ? 0 : graph->site[node];
  return site == 0 || site >= graph->sites.count ? NULL : (const struct seep_graph_site *)graph->sites.items + site;
}

bool seep_graph_begin_sites(struct seep_graph *graph) {
  struct seep_graph_site *unknown = seep_array_push(&graph->sites, sizeof *unknown);
  if (unknown == NULL) return false;
  *unknown = (struct seep_graph_site){0};
  graph->site = seep_pages_map(graph->node_count * sizeof *graph->site);
  return graph->site != NULL;
}

bool seep_graph_add_site(struct seep_graph *graph, struct seep_graph_site site, const char *file, size_t file_bytes,
                         uint32_t *out) {
  if (!seep_graph_add_text(&graph->texts, file, file_bytes, &site.file)) return false;
  struct seep_graph_site *place = seep_array_push(&graph->sites, sizeof *place);
  if (place == NULL) return false;
  *place = site;
  *out = (uint32_t)graph->sites.count - 1;
  return true;
}
