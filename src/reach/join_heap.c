/* Joining a snapshot with the recording of its process. See join_heap.h. */
#include "reach/join_heap.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "reach/maps.h"
#include "reach/process_maps.h"
#include "store/reader.h"

enum { ANCHOR_STEP = 8, SCANNED_MAX_BYTES = 4 << 20, THREAD_EXTRA_BYTES = 8, FILE_BYTES = 1024 };

/* -- The anchor ------------------------------------------------------------------------ */

/* The library's own data: small, and of a file that is called after us. */
static bool may_have_anchor(const struct seep_mapping *mapping) {
  const char *slash = strrchr(mapping->path, '/');
  return mapping->writable && !mapping->shared && slash != NULL && strstr(slash, "seepline") != NULL &&
         mapping->end - mapping->begin <= SCANNED_MAX_BYTES;
}

static uintptr_t scan(struct seep_image *image, uintptr_t begin, uintptr_t end) {
  for (uintptr_t at = begin; at + sizeof(struct seep_join_anchor) <= end; at += ANCHOR_STEP) {
    const uint64_t *word = seep_image_view(image, at, sizeof *word);
    if (word != NULL && *word == SEEP_JOIN_MAGIC_1 && seep_join_is_anchor(image, at)) return at;
  }
  return 0;
}

uintptr_t seep_join_find_anchor(struct seep_image *image, pid_t pid) {
  struct seep_maps maps;
  struct seep_mapping mapping;
  uintptr_t found = 0, library_end = 0;
  if (seep_maps_open(&maps, pid) != 0) return 0;
  while (found == 0 && seep_maps_next(&maps, &mapping)) {
    /* What the library's file does not fill of its data (.bss) is mapped behind it without a name. */
    bool follows = mapping.path[0] == '\0' && mapping.begin == library_end && mapping.writable;
    if (!may_have_anchor(&mapping) && !follows) continue;
    found = scan(image, mapping.begin, mapping.end);
    library_end = mapping.end;
  }
  seep_maps_close(&maps);
  return found;
}

uint32_t seep_join_object_row(struct seep_join *join, uint64_t address, uint8_t kind) {
  uint32_t row = address == 0 ? 0 : seep_join_row(join, address);
  return row == 0 && kind == SEEP_NODE_THREAD ? seep_join_row(join, address - THREAD_EXTRA_BYTES) : row;
}

uint32_t seep_join_row_of(void *join, uint64_t address, uint8_t kind) {
  return seep_join_object_row(join, address, kind);
}

/* -- Rows in words --------------------------------------------------------------------------- */

/* The innermost Lua frame of a row's stack, or what stands for a stack without one; NULL when the row is none. */
static const struct seep_frame_record *leaf_of(const struct seep_reader *reader, uint32_t state, uint32_t row_number,
                                               const struct seep_function_record **function) {
  const struct seep_row_record *row = seep_reader_row(reader, state, row_number);
  uint32_t node = row == NULL ? 0 : row->node;
  *function = NULL;
  while (node != 0) {
    const struct seep_node_record *record = seep_reader_node(reader, state, node);
    const struct seep_frame_record *frame = record == NULL ? NULL : seep_reader_frame(reader, state, record->frame);
    if (frame == NULL) return NULL;
    *function = seep_reader_function(reader, state, frame->function);
    if (*function != NULL && (*function)->kind != SEEP_FUNCTION_C) return frame;
    node = record->parent < node ? record->parent : 0;
  }
  return NULL;
}

/* The file as it is shown; returns its length. */
static size_t show_file(const struct seep_reader *reader, uint32_t state, const struct seep_function_record *function,
                        char out[FILE_BYTES]) {
  uint32_t count = 0;
  if (function == NULL || function->kind == SEEP_FUNCTION_C) return (size_t)snprintf(out, FILE_BYTES, "[C]");
  bool is_mark = function->kind == SEEP_FUNCTION_MARK;
  const char *source = seep_reader_string(reader, state, is_mark ? function->name : function->source, &count);
  if (count > FILE_BYTES - 32) count = FILE_BYTES - 32;
  int written;
  if (is_mark) {
    written = snprintf(out, FILE_BYTES, "%.*s", (int)count, source);
  } else if (count > 0 && (source[0] == '@' || source[0] == '=')) {
    written = snprintf(out, FILE_BYTES, "%.*s", (int)count - 1, source + 1);
  } else {
    written = snprintf(out, FILE_BYTES, "[string \"%.*s\"]", (int)count, source);
  }
  return written < 0 ? 0 : (size_t)written;
}

/* -- Sites -------------------------------------------------------------------------------------- */

struct joiner {
  const struct seep_join *join;
  const struct seep_reader *reader;
  struct seep_graph *graph;
  struct seep_map sites;  /* row to site */
};

static uint32_t mean_block_bytes(const struct joiner *joiner, uint32_t number) {
  const struct seep_row_record *row = seep_reader_row(joiner->reader, joiner->join->state, number);
  if (joiner->join->samples == 0 || row->alloc_count == 0) return 0;
  uint64_t bytes = (row->alloc_bytes + row->alloc_count / 2) / row->alloc_count;
  return bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
}

/* The site of a row, made when it is met first; 0 when the capture does not know it, or there is no memory. */
static uint32_t site_of_row(struct joiner *joiner, uint32_t row) {
  uint32_t site = seep_map_get(&joiner->sites, row, 0), state = joiner->join->state;
  const struct seep_function_record *function;
  char file[FILE_BYTES];
  if (site != 0 || seep_reader_row(joiner->reader, state, row) == NULL) return site;
  const struct seep_frame_record *frame = leaf_of(joiner->reader, state, row, &function);
  struct seep_graph_site made = {.state = state, .row = row, .line = frame == NULL ? 0 : frame->line,
                                 .block_bytes = mean_block_bytes(joiner, row)};
  size_t file_bytes = show_file(joiner->reader, state, frame == NULL ? NULL : function, file);
  if (!seep_graph_add_site(joiner->graph, made, file, file_bytes, &site)) return 0;
  return seep_map_put(&joiner->sites, row, 0, site) ? site : 0;
}

static void set_sites(struct joiner *joiner, const uint32_t *rows) {
  struct seep_graph *graph = joiner->graph;
  for (uint32_t node = 1; node < graph->node_count; node++) {
    if (rows[node] != 0) graph->site[node] = site_of_row(joiner, rows[node]);
  }
}

/* Parts whose block is not known are left out. */
static void set_part_sites(struct joiner *joiner) {
  struct seep_array *all = &joiner->graph->parts;
  struct seep_graph_part *parts = all->items;
  size_t kept = 0;
  for (size_t i = 0; i < all->count; i++) {
    if (parts[i].site != 0) parts[i].site = site_of_row(joiner, parts[i].site);
    if (parts[i].site != 0) parts[kept++] = parts[i];
  }
  all->count = kept;
}

void seep_join_graph(const struct seep_join *join, pid_t pid, const uint32_t *rows, struct seep_graph *graph,
                     struct seep_snapshot_info *info) {
  char path[PATH_MAX];
  struct seep_reader *reader;
  if (!seep_process_mapped_capture(pid, path) || seep_reader_open(path, &reader, NULL) != SEEP_OK) return;
  struct joiner joiner = {.join = join, .reader = reader, .graph = graph};
  if (join->state < seep_reader_state_count(reader) && seep_graph_begin_sites(graph)) {
    set_sites(&joiner, rows);
    set_part_sites(&joiner);
    const struct seep_file_header *header = seep_reader_header(reader);
    info->run_id = header->run_id;
    info->interval_bytes = header->mode == SEEP_MODE_SAMPLE ? header->interval : 0;
  }
  seep_map_clear(&joiner.sites);
  seep_reader_close(reader);
}
