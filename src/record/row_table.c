/* See row_table.h. */
#include "record/row_table.h"

#include "record/series.h"

enum { LARGE_BLOCK_BYTES = 2048 }; /* one of which is worth a series */

/* Gives a row that has had survivors at the end of an epoch, or makes large blocks, a
 * series. What was born in the row's epoch is among them from the second end on. */
static struct seep_series_record *series_of(struct seep_recorder *recorder,
                                            struct seep_row_record *row) {
  uint32_t passed = (uint32_t)recorder->record->epoch_count - row->epoch;
  if (row->series != 0) return seep_table_record(&recorder->series, row->series);
  bool has_survivors = row->alloc_bytes - row->freed_bytes != (passed > 1 ? 0 : row->young_bytes[0]);
  if (!has_survivors && row->newest_bytes < LARGE_BLOCK_BYTES) return NULL;
  uint32_t number = recorder->record->series_count;
  if (!seep_table_reserve(recorder->capture, &recorder->series, number + 1)) return NULL;
  struct seep_series_record *series = seep_table_record(&recorder->series, number);
  seep_series_start(series, &recorder->record->history);
  row->series = number;
  recorder->record->series_count = number + 1;
  return series;
}

void seep_row_table_catch_up(struct seep_recorder *recorder, struct seep_row_record *row) {
  seep_block_table_age_some(&recorder->blocks, recorder->record->epoch_count);
  seep_row_catch_up(row, series_of(recorder, row), &recorder->record->history,
                    (uint32_t)recorder->record->epoch_count);
}

uint32_t seep_row_table_add(struct seep_recorder *recorder, uint32_t node, enum seep_type type, uint32_t flags) {
  struct seep_state_record *record = recorder->record;
  uint32_t number = record->row_count;
  struct seep_node_record *place = seep_sites_node(&recorder->sites, node);
  bool is_leaf_line = place->parent == SEEP_NODE_EMPTY_STACK;
  if (number >= recorder->rows_max + (is_leaf_line ? SEEP_LEAF_ROWS_MAX : 0)) return 0;
  if (!seep_table_reserve(recorder->capture, &recorder->rows, number + 1)) return 0;
  struct seep_row_record *row = seep_row_table_at(recorder, number);
  *row = (struct seep_row_record){
      .node = node,
      .next_row = place->first_row,
      .type = (uint16_t)type,
      .flags = (uint16_t)flags,
      .epoch = (uint32_t)record->epoch_count,
      .first_alloc = (uint32_t)(record->alloc_bytes / SEEP_CLOCK_UNIT_BYTES),
  };
  record->row_count = number + 1;
  if (place->first_row == 0) record->site_count++;
  place->first_row = number;
  return number;
}

/* 0 when there is none yet and no room for it. */
static uint32_t find_or_add_row(struct seep_recorder *recorder, uint32_t node, enum seep_type type,
                                uint32_t flags) {
  uint32_t number = seep_sites_node(&recorder->sites, node)->first_row;
  while (number != 0) {
    const struct seep_row_record *row = seep_row_table_at(recorder, number);
    if (row->type == type && row->flags == flags) return number;
    number = row->next_row;
  }
  return seep_row_table_add(recorder, node, type, flags);
}

/* The row of (node, type); where there is no room for a new one, that of its leaf
 * line, or else the row that takes everything. */
static uint32_t find_row(struct seep_recorder *recorder, uint32_t node, enum seep_type type, uint32_t flags) {
  uint32_t number = find_or_add_row(recorder, node, type, flags);
  if (number != 0) return number;
  recorder->record->dropped_count++;
  uint32_t leaf = seep_sites_leaf_of(&recorder->sites, node);
  if (leaf != SEEP_NODE_NONE) number = find_or_add_row(recorder, leaf, type, flags);
  return number != 0 ? number : recorder->record->unrecorded_row;
}

struct seep_row seep_row_table_fetch(struct seep_recorder *recorder, struct seep_row_cache_entry *cached,
                                     uint32_t node, enum seep_type type, uint32_t flags) {
  uint32_t number = find_row(recorder, node, type, flags);
  struct seep_row row = {.number = number, .record = seep_row_table_at(recorder, number)};
  bool is_own = row.record->node == node; /* else it counts as dropped each time */
  if (is_own) *cached = (struct seep_row_cache_entry){.key = seep_row_table_key(node, type, flags), .row = row};
  return row;
}
