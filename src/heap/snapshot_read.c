/* Reading snapshot files. See snapshot.h.
 *
 * The file is read from front to end, a chunk at a time, and nothing in it is
 * believed: checksums find damage, and every number is checked against what it
 * counts or leads to, so that a file made to deceive does no harm either. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "base/checksum.h"
#include "base/text.h"
#include "heap/snapshot.h"

struct reader {
  const char *path;
  FILE *file;
  struct seep_error *error;
  enum seep_status status;
  ZSTD_DCtx *decompressor;
  unsigned char *raw, *packed;
  size_t packed_capacity;
  size_t at, raw_bytes;       /* what is left of the chunk that is in */
  uint64_t offset;            /* in the file, of the next chunk */
  struct seep_snapshot_chunk next;  /* header of the next chunk */
  uint16_t column, state;
};

static void fail(struct reader *reader, const char *what) {
  if (reader->status != SEEP_OK) return;
  reader->status = seep_error_set(reader->error, SEEP_E_FORMAT, "%s: damaged at offset %llu: %s", reader->path,
                                  (unsigned long long)reader->offset, what);
}

static void fail_memory(struct reader *reader) {
  if (reader->status != SEEP_OK) return;
  reader->status =
      seep_error_set(reader->error, SEEP_E_MEMORY, "%s: there is no memory for this snapshot", reader->path);
}

static bool is_failed(const struct reader *reader) { return reader->status != SEEP_OK; }

/* -- Chunks ------------------------------------------------------------------------ */

static void peek_chunk(struct reader *reader) {
  struct seep_snapshot_chunk *next = &reader->next;
  if (is_failed(reader)) return;
  if (fread(next, sizeof *next, 1, reader->file) != 1) fail(reader, "the file ends here: it is not complete");
  else if (next->magic != SEEP_SNAPSHOT_CHUNK_MAGIC) fail(reader, "no chunk begins here");
  else if (next->raw_bytes > SEEP_SNAPSHOT_CHUNK_RAW_MAX || next->packed_bytes > reader->packed_capacity) {
    fail(reader, "a chunk is larger than a chunk can be");
  }
}

/* Checks and unpacks the chunk whose header is in `next`, and reads on to the header after it. */
static void load_chunk(struct reader *reader) {
  struct seep_snapshot_chunk header = reader->next;
  uint32_t checksum = header.checksum;
  header.checksum = 0;
  if (is_failed(reader)) return;
  if (fread(reader->packed, 1, header.packed_bytes, reader->file) != header.packed_bytes) {
    fail(reader, "the file ends within this chunk");
    return;
  }
  if (seep_checksum(seep_checksum(0, &header, sizeof header), reader->packed, header.packed_bytes) != checksum) {
    fail(reader, "the checksum of this chunk is wrong");
    return;
  }
  size_t size_bytes = ZSTD_decompressDCtx(reader->decompressor, reader->raw, SEEP_SNAPSHOT_CHUNK_RAW_MAX,
                                          reader->packed, header.packed_bytes);
  if (ZSTD_isError(size_bytes) || size_bytes != header.raw_bytes) {
    fail(reader, "this chunk cannot be unpacked");
    return;
  }
  reader->at = 0;
  reader->raw_bytes = size_bytes;
  reader->offset += sizeof header + header.packed_bytes;
  if (header.column != SEEP_COLUMN_END) peek_chunk(reader);
}

static bool has_chunk(const struct reader *reader) {
  return !is_failed(reader) && reader->next.column == reader->column && reader->next.state == reader->state;
}

static void begin_column(struct reader *reader, enum seep_column column) {
  reader->column = (uint16_t)column;
  reader->at = reader->raw_bytes = 0;
}

static void end_column(struct reader *reader) {
  if (!is_failed(reader) && (reader->at != reader->raw_bytes || has_chunk(reader)))
    fail(reader, "a column has more than belongs to it");
}

/* Makes sure that a byte is there. */
static bool need(struct reader *reader) {
  while (reader->at == reader->raw_bytes) {
    if (!has_chunk(reader)) {
      fail(reader, "a column ends too early");
      return false;
    }
    load_chunk(reader);
    if (is_failed(reader)) return false;
    if (reader->raw_bytes == 0) {
      fail(reader, "an empty chunk");
      return false;
    }
  }
  return true;
}

static void get_bytes(struct reader *reader, void *out, size_t count) {
  unsigned char *at = out;
  while (count > 0 && need(reader)) {
    size_t left = reader->raw_bytes - reader->at, part = count < left ? count : left;
    memcpy(at, reader->raw + reader->at, part);
    reader->at += part;
    at += part;
    count -= part;
  }
}

static uint64_t get_varint(struct reader *reader) {
  uint64_t value = 0;
  if (reader->at == reader->raw_bytes && !need(reader)) return 0;
  for (unsigned shift = 0; shift < 64 && reader->at < reader->raw_bytes; shift += 7) {
    unsigned char byte = reader->raw[reader->at++];
    value |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  fail(reader, "a number that does not end");
  return 0;
}

static int64_t get_signed(struct reader *reader) {
  uint64_t value = get_varint(reader);
  return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* A number below `end`. */
static uint32_t get_below(struct reader *reader, uint64_t value, uint64_t end, const char *what) {
  if (value < end) return (uint32_t)value;
  fail(reader, what);
  return 0;
}

/* -- A graph ------------------------------------------------------------------------ */

static void get_pool(struct reader *reader, enum seep_column column, struct seep_array *pool, size_t item_bytes) {
  size_t size_bytes = 0;
  begin_column(reader, column);
  while (has_chunk(reader)) {
    load_chunk(reader);
    if (is_failed(reader)) return;
    if (size_bytes + reader->raw_bytes > UINT32_MAX || !seep_array_reserve(pool, size_bytes + reader->raw_bytes, 1)) {
      fail_memory(reader);
      return;
    }
    memcpy((char *)pool->items + size_bytes, reader->raw, reader->raw_bytes);
    size_bytes += reader->raw_bytes;
  }
  pool->count = size_bytes / item_bytes;
  if (size_bytes % item_bytes != 0) fail(reader, "a table with half a record");
}

static void get_pools(struct reader *reader, struct seep_graph *graph) {
  get_pool(reader, SEEP_COLUMN_TEXTS, &graph->texts, 1);
  get_pool(reader, SEEP_COLUMN_SHAPES, &graph->shapes, sizeof(struct seep_graph_shape));
  get_pool(reader, SEEP_COLUMN_PLACES, &graph->places, sizeof(struct seep_graph_place));
  get_pool(reader, SEEP_COLUMN_LOCALS, &graph->locals, sizeof(struct seep_graph_local));
  get_pool(reader, SEEP_COLUMN_LEDGER, &graph->ledger, sizeof(struct seep_graph_ledger));
  get_pool(reader, SEEP_COLUMN_SITES, &graph->sites, sizeof(struct seep_graph_site));
  if (!is_failed(reader) && (graph->shapes.count == 0 || graph->places.count == 0 || graph->locals.count == 0)) {
    fail(reader, "a table without its record 0");
  }
  struct seep_graph_ledger *line = graph->ledger.items;
  for (size_t i = 0; i < graph->ledger.count; i++) line[i].name[sizeof line[i].name - 1] = '\0';
}

static void get_name(char *out, const char *name, size_t size_bytes) {
  memcpy(out, name, size_bytes);
  out[size_bytes - 1] = '\0';
}

static uint32_t checked_mark(uint32_t node, uint32_t node_count) { return node < node_count ? node : SEEP_NODE_NONE; }

/* The arrays are mapped, not touched: a number that is too large costs nothing until content comes for it. But what
 * would never fit into this machine is refused at once. */
static bool fits_memory(uint64_t node_count, uint64_t edge_count) {
  uint64_t bytes = node_count * 26 + edge_count * 9;
  long pages = sysconf(_SC_PHYS_PAGES);
  return pages <= 0 || bytes / SEEP_PAGE_BYTES <= (uint64_t)pages;
}

static void map_arrays(struct reader *reader, struct seep_graph *graph) {
  size_t nodes = graph->node_count, edges = (size_t)graph->edge_count + 1;
  if (!fits_memory(nodes, edges)) {
    fail_memory(reader);
    return;
  }
  graph->address = seep_pages_map(nodes * sizeof *graph->address);
  graph->size_low = seep_pages_map(nodes * sizeof *graph->size_low);
  graph->kind = seep_pages_map(nodes);
  graph->flags = seep_pages_map(nodes);
  graph->info = seep_pages_map(nodes * sizeof *graph->info);
  graph->first_edge = seep_pages_map((nodes + 1) * sizeof *graph->first_edge);
  graph->target = seep_pages_map(edges * sizeof *graph->target);
  graph->edge_name = seep_pages_map(edges * sizeof *graph->edge_name);
  graph->edge_kind = seep_pages_map(edges);
  if (graph->sites.count > 0) graph->site = seep_pages_map(nodes * sizeof *graph->site);
  if (graph->address == NULL || graph->size_low == NULL || graph->kind == NULL || graph->flags == NULL ||
      graph->info == NULL || graph->first_edge == NULL || graph->target == NULL || graph->edge_name == NULL ||
      graph->edge_kind == NULL || (graph->sites.count > 0 && graph->site == NULL)) {
    fail_memory(reader);
  }
}

static void get_meta(struct reader *reader, struct seep_graph *graph) {
  struct seep_snapshot_meta meta = {.node_count = 0};
  begin_column(reader, SEEP_COLUMN_META);
  get_bytes(reader, &meta, sizeof meta);
  end_column(reader);
  if (is_failed(reader)) return;
  get_name(graph->name, meta.name, sizeof meta.name);
  get_name(graph->family, meta.family, sizeof meta.family);
  get_name(graph->release, meta.release, sizeof meta.release);
  graph->state_bytes = meta.state_bytes;
  graph->dropped_edges = meta.dropped_edges;
  if (meta.node_count == 0 || meta.node_count > 0xfffffffeu || meta.edge_count > 0xfffffffeu) {
    fail(reader, "a graph with no or too many nodes");
    return;
  }
  graph->marks = (struct seep_graph_marks){.globals = checked_mark(meta.globals, meta.node_count),
                                           .registry = checked_mark(meta.registry, meta.node_count),
                                           .main_thread = checked_mark(meta.main_thread, meta.node_count),
                                           .loaded = checked_mark(meta.loaded, meta.node_count)};
  graph->node_count = meta.node_count;
  graph->edge_count = meta.edge_count;
}

static void get_kinds(struct reader *reader, struct seep_graph *graph) {
  const uint8_t known = SEEP_NODE_UNREACHABLE | SEEP_NODE_PENDING | SEEP_NODE_FINALIZER | SEEP_NODE_WEAK_TABLE;
  begin_column(reader, SEEP_COLUMN_KINDS);
  get_bytes(reader, graph->kind, graph->node_count);
  end_column(reader);
  begin_column(reader, SEEP_COLUMN_FLAGS);
  get_bytes(reader, graph->flags, graph->node_count);
  end_column(reader);
  for (uint32_t node = 0; node < graph->node_count && !is_failed(reader); node++) {
    if (graph->kind[node] >= SEEP_NODE_KIND_COUNT || (graph->kind[node] == SEEP_NODE_KIND_ROOT) != (node == 0)) {
      fail(reader, "a node of no known kind");
    }
    graph->flags[node] &= known;
  }
}

static void get_size(struct reader *reader, struct seep_graph *graph, uint32_t node) {
  uint64_t size_bytes = get_varint(reader);
  if (size_bytes < SEEP_SIZE_LARGE) {
    graph->size_low[node] = (uint32_t)size_bytes;
    return;
  }
  if (size_bytes >> 47 != 0 || graph->large.count >= UINT32_MAX - SEEP_SIZE_LARGE) {
    fail(reader, "a size that no object has");
    return;
  }
  uint64_t *large = seep_array_push(&graph->large, sizeof *large);
  if (large == NULL) {
    fail_memory(reader);
    return;
  }
  *large = size_bytes;
  graph->size_low[node] = SEEP_SIZE_LARGE + (uint32_t)graph->large.count - 1;
}

static void get_nodes(struct reader *reader, struct seep_graph *graph) {
  uint64_t address = 0;
  uint32_t last[SEEP_NODE_KIND_COUNT] = {0};
  get_kinds(reader, graph);
  begin_column(reader, SEEP_COLUMN_SIZES);
  for (uint32_t node = 0; node < graph->node_count && !is_failed(reader); node++) get_size(reader, graph, node);
  end_column(reader);
  begin_column(reader, SEEP_COLUMN_ADDRESSES);
  for (uint32_t node = 0; node < graph->node_count && !is_failed(reader); node++) {
    address += (uint64_t)get_signed(reader);
    graph->address[node] = address;
  }
  end_column(reader);
  begin_column(reader, SEEP_COLUMN_INFOS);
  for (uint32_t node = 0; node < graph->node_count && !is_failed(reader); node++) {
    uint32_t *before = &last[graph->kind[node]];
    graph->info[node] = *before = (uint32_t)(*before + (uint64_t)get_signed(reader));
  }
  end_column(reader);
  begin_column(reader, SEEP_COLUMN_NODE_SITES);
  for (uint32_t node = 0; graph->site != NULL && node < graph->node_count && !is_failed(reader); node++) {
    graph->site[node] = get_below(reader, get_varint(reader), graph->sites.count, "a site that is not there");
  }
  end_column(reader);
}

static void get_edge_counts(struct reader *reader, struct seep_graph *graph) {
  uint64_t end = 0;
  begin_column(reader, SEEP_COLUMN_EDGE_COUNTS);
  for (uint32_t node = 0; node < graph->node_count && !is_failed(reader); node++) {
    graph->first_edge[node] = (uint32_t)end;
    uint64_t count = get_varint(reader);
    if (count > graph->edge_count - end) {
      fail(reader, "more references than the graph has");
      count = 0;
    }
    end += count;
  }
  end_column(reader);
  graph->first_edge[graph->node_count] = (uint32_t)end;
  if (!is_failed(reader) && end != graph->edge_count) fail(reader, "fewer references than the graph has");
}

static void check_edge_kind(struct reader *reader, uint8_t kind) {
  bool names_node = seep_edge_names_node(kind);
  if ((kind & SEEP_EDGE_KIND_MASK) >= SEEP_EDGE_KIND_COUNT ||
      (!names_node && (kind & (SEEP_EDGE_WEAK_KEY | SEEP_EDGE_EPHEMERON)) != 0)) {
    fail(reader, "a reference of no known kind");
  }
}

static void get_targets(struct reader *reader, struct seep_graph *graph) {
  begin_column(reader, SEEP_COLUMN_EDGE_TARGETS);
  for (uint32_t node = 0; node < graph->node_count && !is_failed(reader); node++) {
    for (uint32_t edge = graph->first_edge[node]; edge < graph->first_edge[node + 1] && !is_failed(reader); edge++) {
      uint64_t target = (uint64_t)get_signed(reader) + node;
      graph->target[edge] = get_below(reader, target, graph->node_count, "a reference to a node that is not there");
    }
  }
  end_column(reader);
}

static void get_edges(struct reader *reader, struct seep_graph *graph) {
  get_edge_counts(reader, graph);
  begin_column(reader, SEEP_COLUMN_EDGE_KINDS);
  get_bytes(reader, graph->edge_kind, graph->edge_count);
  end_column(reader);
  for (uint32_t edge = 0; edge < graph->edge_count && !is_failed(reader); edge++)
    check_edge_kind(reader, graph->edge_kind[edge]);
  get_targets(reader, graph);
  begin_column(reader, SEEP_COLUMN_EDGE_NAMES);
  for (uint32_t edge = 0; edge < graph->edge_count && !is_failed(reader); edge++) {
    uint64_t name = get_varint(reader);
    if (seep_edge_names_node(graph->edge_kind[edge])) {
      graph->edge_name[edge] = get_below(reader, name, (uint64_t)graph->node_count + 1, "a key that is not there") - 1;
    } else {
      graph->edge_name[edge] = get_below(reader, name, 1ULL << 32, "a name past 32 bits");
    }
  }
  end_column(reader);
}

static void get_parts(struct reader *reader, struct seep_graph *graph) {
  get_pool(reader, SEEP_COLUMN_PARTS, &graph->parts, sizeof(struct seep_graph_part));
  const struct seep_graph_part *parts = graph->parts.items;
  for (size_t i = 0; i < graph->parts.count && !is_failed(reader); i++) {
    get_below(reader, parts[i].node, graph->node_count, "a part of an object that is not there");
    get_below(reader, parts[i].site, graph->sites.count, "a part's site that is not there");
  }
}

static void get_graph(struct reader *reader, struct seep_graph *graph) {
  get_meta(reader, graph);
  get_pools(reader, graph);
  if (!is_failed(reader)) map_arrays(reader, graph);
  if (!is_failed(reader)) get_nodes(reader, graph);
  if (!is_failed(reader)) get_edges(reader, graph);
  if (!is_failed(reader)) get_parts(reader, graph);
  if (!is_failed(reader)) seep_graph_sum_up(graph);
}

/* -- The file ------------------------------------------------------------------------- */

static void check_header(struct reader *reader, struct seep_snapshot_header *header) {
  uint32_t checksum = header->checksum;
  header->checksum = 0;
  if (memcmp(header->magic, SEEP_SNAPSHOT_MAGIC, sizeof header->magic) != 0) {
    reader->status = seep_error_set(reader->error, SEEP_E_FORMAT, "%s is not a snapshot", reader->path);
  } else if (header->byte_order != SEEP_SNAPSHOT_BYTE_ORDER) {
    fail(reader, "written by a machine with another byte order");
  } else if (header->version > SEEP_SNAPSHOT_VERSION) {
    reader->status =
        seep_error_set(reader->error, SEEP_E_VERSION, "%s: a snapshot of format version %u; this seepline knows %d",
                       reader->path, header->version, SEEP_SNAPSHOT_VERSION);
  } else if (seep_checksum(0, header, sizeof *header) != checksum) {
    fail(reader, "the checksum of the header is wrong");
  } else if (header->state_count == 0 || header->state_count > SEEP_SNAPSHOT_STATES_MAX ||
             header->command_bytes > sizeof header->command) {
    fail(reader, "the header counts more than it can");
  }
}

static void get_header(struct reader *reader, struct seep_snapshot *out) {
  struct seep_snapshot_header header;
  if (fread(&header, sizeof header, 1, reader->file) != 1) {
    reader->status = seep_error_set(reader->error, SEEP_E_FORMAT, "%s is too short for a snapshot", reader->path);
    return;
  }
  check_header(reader, &header);
  if (is_failed(reader)) return;
  out->info = (struct seep_snapshot_info){.pid = header.pid,
                                          .flags = header.flags,
                                          .taken_wall_ns = header.taken_wall_ns,
                                          .pause_ns = header.pause_ns,
                                          .run_id = header.run_id,
                                          .interval_bytes = header.interval_bytes,
                                          .command_bytes = header.command_bytes};
  memcpy(out->info.command, header.command, sizeof header.command);
  out->graph_count = header.state_count;
  reader->offset = sizeof header;
  peek_chunk(reader);
}

static void get_end(struct reader *reader) {
  begin_column(reader, SEEP_COLUMN_END);
  reader->state = reader->next.state;
  if (is_failed(reader)) return;
  if (!has_chunk(reader)) fail(reader, "something other than the end");
  load_chunk(reader);
  if (!is_failed(reader) && fgetc(reader->file) != EOF) fail(reader, "something stands behind the end");
}

static bool prepare(struct reader *reader) {
  reader->packed_capacity = ZSTD_compressBound(SEEP_SNAPSHOT_CHUNK_RAW_MAX);
  reader->raw = malloc(SEEP_SNAPSHOT_CHUNK_RAW_MAX);
  reader->packed = malloc(reader->packed_capacity);
  reader->decompressor = ZSTD_createDCtx();
  if (reader->raw != NULL && reader->packed != NULL && reader->decompressor != NULL) return true;
  fail_memory(reader);
  return false;
}

enum seep_status seep_snapshot_read(const char *path, struct seep_snapshot *out, struct seep_error *error) {
  struct reader reader = {.path = path, .error = error};
  *out = (struct seep_snapshot){0};
  reader.file = fopen(path, "re");
  if (reader.file == NULL) return seep_error_set(error, SEEP_E_SYSTEM, "%s: %s", path, strerror(errno));
  if (prepare(&reader)) get_header(&reader, out);
  if (!is_failed(&reader)) {
    out->graphs = seep_must_alloc(out->graph_count * sizeof *out->graphs);
    memset(out->graphs, 0, out->graph_count * sizeof *out->graphs);
  }
  for (uint32_t i = 0; i < out->graph_count && !is_failed(&reader); i++) {
    reader.state = (uint16_t)i;
    get_graph(&reader, &out->graphs[i]);
  }
  if (!is_failed(&reader)) get_end(&reader);
  if (is_failed(&reader)) seep_snapshot_free(out);
  fclose(reader.file);
  free(reader.raw);
  free(reader.packed);
  ZSTD_freeDCtx(reader.decompressor);
  return reader.status;
}

void seep_snapshot_free(struct seep_snapshot *snapshot) {
  for (uint32_t i = 0; snapshot->graphs != NULL && i < snapshot->graph_count; i++)
    seep_graph_free(&snapshot->graphs[i]);
  free(snapshot->graphs);
  *snapshot = (struct seep_snapshot){0};
}

static bool read_beginning(const char *path, void *out, size_t size_bytes) {
  FILE *file = fopen(path, "re");
  bool read = file != NULL && fread(out, size_bytes, 1, file) == 1;
  if (file != NULL) fclose(file);
  return read && memcmp(out, SEEP_SNAPSHOT_MAGIC, sizeof(((struct seep_snapshot_header *)0)->magic)) == 0;
}

bool seep_snapshot_is_one(const char *path) {
  char magic[8];
  return read_beginning(path, magic, sizeof magic);
}

uint64_t seep_snapshot_run_id(const char *path) {
  struct seep_snapshot_header header;
  return read_beginning(path, &header, sizeof header) ? header.run_id : 0;
}
