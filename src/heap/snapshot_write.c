/* Writing snapshot files. See snapshot.h.
 *
 * Columns are written one after another through one buffer of 4 MiB; a varint
 * never crosses from one chunk into the next. The file is made beside its place
 * and moved there when it is whole. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/checksum.h"
#include "base/text.h"
#include "heap/snapshot.h"

enum { LEVEL = 3, VARINT_MAX = 10 };

struct writer {
  FILE *file;
  ZSTD_CCtx *compressor;
  unsigned char *raw, *packed;
  size_t raw_bytes, packed_capacity;
  uint16_t column, state;
  bool failed;
};

static void flush_chunk(struct writer *writer) {
  size_t packed_bytes = ZSTD_compressCCtx(writer->compressor, writer->packed, writer->packed_capacity, writer->raw,
                                          writer->raw_bytes, LEVEL);
  if (ZSTD_isError(packed_bytes)) {
    errno = ENOMEM;
    writer->failed = true;
    return;
  }
  struct seep_snapshot_chunk chunk = {.magic = SEEP_SNAPSHOT_CHUNK_MAGIC,
                                      .column = writer->column,
                                      .state = writer->state,
                                      .raw_bytes = (uint32_t)writer->raw_bytes,
                                      .packed_bytes = (uint32_t)packed_bytes};
  chunk.checksum = seep_checksum(seep_checksum(0, &chunk, sizeof chunk), writer->packed, packed_bytes);
  writer->failed |= fwrite(&chunk, sizeof chunk, 1, writer->file) != 1 ||
                    fwrite(writer->packed, 1, packed_bytes, writer->file) != packed_bytes;
  writer->raw_bytes = 0;
}

static void begin_column(struct writer *writer, enum seep_column column) { writer->column = (uint16_t)column; }

static void end_column(struct writer *writer) {
  if (writer->raw_bytes > 0) flush_chunk(writer);
}

static void put_bytes(struct writer *writer, const void *bytes, size_t count) {
  const unsigned char *at = bytes;
  while (count > 0) {
    size_t room = SEEP_SNAPSHOT_CHUNK_RAW_MAX - writer->raw_bytes, part = count < room ? count : room;
    memcpy(writer->raw + writer->raw_bytes, at, part);
    writer->raw_bytes += part;
    at += part;
    count -= part;
    if (writer->raw_bytes == SEEP_SNAPSHOT_CHUNK_RAW_MAX) flush_chunk(writer);
  }
}

static inline void put_varint(struct writer *writer, uint64_t value) {
  if (writer->raw_bytes > SEEP_SNAPSHOT_CHUNK_RAW_MAX - VARINT_MAX) flush_chunk(writer);
  unsigned char *at = writer->raw + writer->raw_bytes;
  size_t used = 0;
  for (; value >= 0x80; value >>= 7) at[used++] = (unsigned char)(value | 0x80);
  at[used++] = (unsigned char)value;
  writer->raw_bytes += used;
}

/* Small differences of either sign become small numbers. */
static inline void put_signed(struct writer *writer, int64_t value) {
  put_varint(writer, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

static void put_array(struct writer *writer, enum seep_column column, const struct seep_array *array,
                      size_t item_bytes) {
  begin_column(writer, column);
  put_bytes(writer, array->items, array->count * item_bytes);
  end_column(writer);
}

/* -- A graph ---------------------------------------------------------------------- */

static void put_meta(struct writer *writer, const struct seep_graph *graph) {
  struct seep_snapshot_meta meta = {
      .state_bytes = graph->state_bytes, .dropped_edges = graph->dropped_edges, .node_count = graph->node_count,
      .edge_count = graph->edge_count, .globals = graph->marks.globals, .registry = graph->marks.registry,
      .main_thread = graph->marks.main_thread, .loaded = graph->marks.loaded};
  memcpy(meta.name, graph->name, sizeof meta.name);
  memcpy(meta.family, graph->family, sizeof meta.family);
  memcpy(meta.release, graph->release, sizeof meta.release);
  begin_column(writer, SEEP_COLUMN_META);
  put_bytes(writer, &meta, sizeof meta);
  end_column(writer);
}

static void put_pools(struct writer *writer, const struct seep_graph *graph) {
  put_array(writer, SEEP_COLUMN_TEXTS, &graph->texts, 1);
  put_array(writer, SEEP_COLUMN_SHAPES, &graph->shapes, sizeof(struct seep_graph_shape));
  put_array(writer, SEEP_COLUMN_PLACES, &graph->places, sizeof(struct seep_graph_place));
  put_array(writer, SEEP_COLUMN_LOCALS, &graph->locals, sizeof(struct seep_graph_local));
  put_array(writer, SEEP_COLUMN_LEDGER, &graph->ledger, sizeof(struct seep_graph_ledger));
  put_array(writer, SEEP_COLUMN_SITES, &graph->sites, sizeof(struct seep_graph_site));
}

static void put_byte_column(struct writer *writer, enum seep_column column, const uint8_t *bytes, uint32_t count) {
  begin_column(writer, column);
  put_bytes(writer, bytes, count);
  end_column(writer);
}

static void put_nodes(struct writer *writer, const struct seep_graph *graph) {
  put_byte_column(writer, SEEP_COLUMN_KINDS, graph->kind, graph->node_count);
  put_byte_column(writer, SEEP_COLUMN_FLAGS, graph->flags, graph->node_count);
  begin_column(writer, SEEP_COLUMN_SIZES);
  for (uint32_t node = 0; node < graph->node_count; node++) put_varint(writer, seep_graph_size(graph, node));
  end_column(writer);
  begin_column(writer, SEEP_COLUMN_ADDRESSES);
  uint64_t before = 0;
  for (uint32_t node = 0; node < graph->node_count; before = graph->address[node++]) {
    put_signed(writer, (int64_t)(graph->address[node] - before));
  }
  end_column(writer);
  uint32_t last[SEEP_NODE_KIND_COUNT] = {0};
  begin_column(writer, SEEP_COLUMN_INFOS);
  for (uint32_t node = 0; node < graph->node_count; node++) {
    uint32_t *info_before = &last[graph->kind[node]];
    put_signed(writer, (int64_t)graph->info[node] - *info_before);
    *info_before = graph->info[node];
  }
  end_column(writer);
  begin_column(writer, SEEP_COLUMN_NODE_SITES);
  for (uint32_t node = 0; graph->site != NULL && node < graph->node_count; node++)
    put_varint(writer, graph->site[node]);
  end_column(writer);
}

/* Addresses are not kept: nothing refers to parts. */
static void put_parts(struct writer *writer, const struct seep_graph *graph) {
  const struct seep_graph_part *parts = graph->parts.items;
  begin_column(writer, SEEP_COLUMN_PARTS);
  for (size_t i = 0; i < graph->parts.count; i++) {
    struct seep_graph_part part = parts[i];
    part.address = 0;
    put_bytes(writer, &part, sizeof part);
  }
  end_column(writer);
}

static void put_edges(struct writer *writer, const struct seep_graph *graph) {
  begin_column(writer, SEEP_COLUMN_EDGE_COUNTS);
  for (uint32_t node = 0; node < graph->node_count; node++) {
    put_varint(writer, graph->first_edge[node + 1] - graph->first_edge[node]);
  }
  end_column(writer);
  put_byte_column(writer, SEEP_COLUMN_EDGE_KINDS, graph->edge_kind, graph->edge_count);
  begin_column(writer, SEEP_COLUMN_EDGE_TARGETS);
  for (uint32_t node = 0; node < graph->node_count; node++) {
    for (uint32_t edge = graph->first_edge[node]; edge < graph->first_edge[node + 1]; edge++) {
      put_signed(writer, (int64_t)graph->target[edge] - node);
    }
  }
  end_column(writer);
  begin_column(writer, SEEP_COLUMN_EDGE_NAMES);
  for (uint32_t edge = 0; edge < graph->edge_count; edge++) {
    uint32_t name = graph->edge_name[edge];
    put_varint(writer, seep_edge_names_node(graph->edge_kind[edge]) ? (uint32_t)(name + 1) : name);
  }
  end_column(writer);
}

/* -- The file ---------------------------------------------------------------------- */

static void put_header(struct writer *writer, const struct seep_snapshot_info *info, uint32_t state_count) {
  struct seep_snapshot_header header = {
      .magic = SEEP_SNAPSHOT_MAGIC, .version = SEEP_SNAPSHOT_VERSION, .byte_order = SEEP_SNAPSHOT_BYTE_ORDER,
      .flags = info->flags, .pid = info->pid, .state_count = state_count, .taken_wall_ns = info->taken_wall_ns,
      .pause_ns = info->pause_ns, .run_id = info->run_id, .command_bytes = info->command_bytes,
      .interval_bytes = info->interval_bytes};
  memcpy(header.command, info->command, sizeof header.command);
  if (header.command_bytes > sizeof header.command) header.command_bytes = sizeof header.command;
  header.checksum = seep_checksum(0, &header, sizeof header);
  writer->failed |= fwrite(&header, sizeof header, 1, writer->file) != 1;
}

static void put_all(struct writer *writer, const struct seep_snapshot_info *info, const struct seep_graph *graphs,
                    uint32_t graph_count) {
  put_header(writer, info, graph_count);
  for (uint32_t i = 0; i < graph_count && !writer->failed; i++) {
    writer->state = (uint16_t)i;
    put_meta(writer, &graphs[i]);
    put_pools(writer, &graphs[i]);
    put_nodes(writer, &graphs[i]);
    put_edges(writer, &graphs[i]);
    put_parts(writer, &graphs[i]);
  }
  begin_column(writer, SEEP_COLUMN_END);
  flush_chunk(writer);
}

static bool prepare(struct writer *writer) {
  writer->packed_capacity = ZSTD_compressBound(SEEP_SNAPSHOT_CHUNK_RAW_MAX);
  writer->raw = malloc(SEEP_SNAPSHOT_CHUNK_RAW_MAX);
  writer->packed = malloc(writer->packed_capacity);
  writer->compressor = ZSTD_createCCtx();
  if (writer->raw != NULL && writer->packed != NULL && writer->compressor != NULL) return true;
  errno = ENOMEM;
  return false;
}

static FILE *create(const char *path) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return NULL;
  FILE *file = fchmod(fd, 0600) == 0 ? fdopen(fd, "w") : NULL;
  if (file == NULL) close(fd);
  return file;
}

enum seep_status seep_snapshot_write(const char *path, const struct seep_snapshot_info *info,
                                     const struct seep_graph *graphs, uint32_t graph_count, struct seep_error *error) {
  struct writer writer = {0};
  char *part = seep_must_format("%s.part", path);
  if (graph_count == 0 || graph_count > SEEP_SNAPSHOT_STATES_MAX) {
    free(part);
    return seep_error_set(error, SEEP_E_USAGE, "a snapshot has from 1 to %d states, not %u", SEEP_SNAPSHOT_STATES_MAX,
                          graph_count);
  }
  bool done = prepare(&writer) && (writer.file = create(part)) != NULL;
  if (done) {
    put_all(&writer, info, graphs, graph_count);
    done = !writer.failed;
    if (fclose(writer.file) != 0) done = false;
    if (done) done = rename(part, path) == 0;
    int saved_errno = errno;
    if (!done) unlink(part);
    errno = saved_errno;
  }
  enum seep_status status =
      done ? SEEP_OK
           : seep_error_set(error, SEEP_E_SYSTEM, "%s: the snapshot cannot be written: %s", path, strerror(errno));
  free(part);
  free(writer.raw);
  free(writer.packed);
  ZSTD_freeCCtx(writer.compressor);
  return status;
}
