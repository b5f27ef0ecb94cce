/* The rows of a state, by what they stand for: (node, type, flags).
 *
 * A node's rows are a chain; the last ones asked for are found through a cache, whose entries
 * stay good because rows never move. A row is brought up to the current epoch when it is
 * touched (rows.h), and gets a series when it has something to show over time.
 *
 * Invariant: past recorder->rows_max only rows of leaf lines are made.
 * Thread rule: as the recorder's. All may run inside an allocator. */
#ifndef SEEP_ROW_TABLE_H
#define SEEP_ROW_TABLE_H

#include "record/recorder.h"

enum { SEEP_LEAF_ROWS_MAX = 1 << 16 };  /* the last rows are for leaf lines alone */

SEEP_ALWAYS_INLINE struct seep_row_record *seep_row_table_at(const struct seep_recorder *recorder, uint32_t row) {
  return seep_table_record(&recorder->rows, row);
}

/* Makes a row; 0 when there is no room for it. */
uint32_t seep_row_table_add(struct seep_recorder *recorder, uint32_t node, enum seep_type type, uint32_t flags);

/* Asks for a row that is not in the cache at `cached`. */
SEEP_NOINLINE struct seep_row seep_row_table_fetch(struct seep_recorder *recorder, struct seep_row_cache_entry *cached,
                                                   uint32_t node, enum seep_type type, uint32_t flags);

SEEP_ALWAYS_INLINE uint64_t seep_row_table_key(uint32_t node, enum seep_type type, uint32_t flags) {
  return (uint64_t)node << 32 | (uint32_t)type << 16 | flags;
}

/* The row of (node, type, flags); where there is no room for a new one, that of its leaf
 * line, or else the row that takes everything. Hot. */
SEEP_ALWAYS_INLINE struct seep_row seep_row_table_find(struct seep_recorder *recorder, uint32_t node,
                                                       enum seep_type type, uint32_t flags) {
  uint64_t key = seep_row_table_key(node, type, flags);
  struct seep_row_cache_entry *cached = &recorder->row_cache[key * 0x9e3779b97f4a7c15ULL >> 55];
  if (SEEP_LIKELY(cached->key == key)) return cached->row;
  return seep_row_table_fetch(recorder, cached, node, type, flags);
}
_Static_assert(SEEP_ROW_CACHE == 1 << (64 - 55), "the shift above picks a cache entry");

/* Brings a row up to the current epoch. The second one only asks whether it must be. */
SEEP_NOINLINE void seep_row_table_catch_up(struct seep_recorder *recorder, struct seep_row_record *row);

SEEP_ALWAYS_INLINE void seep_row_table_touch(struct seep_recorder *recorder, struct seep_row_record *row) {
  if (SEEP_UNLIKELY(row->epoch != (uint32_t)recorder->record->epoch_count)) seep_row_table_catch_up(recorder, row);
}

#endif
