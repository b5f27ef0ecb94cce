/* The counters of rows: what an allocation and a free do to them.
 *
 * A row is brought up to the current epoch only when it is touched: between two
 * touches nothing about it changes, so the ends of epochs that passed follow
 * from what it holds. That keeps the end of an epoch cheap however many rows
 * there are. Survivors are live minus young (format.h). The same catching up
 * serves the reader. May run inside an allocator. */
#ifndef SEEP_ROWS_H
#define SEEP_ROWS_H

#include "store/format.h"

/* Bytes (and blocks) of a row that have lived through two ends of an epoch. */
SEEP_ALWAYS_INLINE uint64_t seep_row_survivor_bytes(const struct seep_row_record *row) {
  return row->alloc_bytes - row->freed_bytes - row->young_bytes[0] - row->young_bytes[1];
}
SEEP_ALWAYS_INLINE uint64_t seep_row_survivor_count(const struct seep_row_record *row) {
  return row->alloc_count - row->freed_count - row->young_count[0] - row->young_count[1];
}

/* Moves the row's young blocks up to `epoch` and its series, if it has one
 * (else NULL), through the ends in between. */
void seep_row_catch_up(struct seep_row_record *row, struct seep_series_record *series,
                       const struct seep_history *history, uint32_t epoch);

/* Counts a block that is born, or arrives by a resize with the age it has:
 * 0 born in this epoch, 1 in the one before, 2 earlier. `clock_bytes`: the state's. */
SEEP_ALWAYS_INLINE void seep_row_add(struct seep_row_record *row, uint64_t size_bytes, int age,
                                     uint64_t clock_bytes) {
  row->alloc_bytes += size_bytes;
  row->alloc_count++;
  row->last_alloc = (uint32_t)(clock_bytes / SEEP_CLOCK_UNIT_BYTES);
  row->newest_bytes = size_bytes < UINT32_MAX ? (uint32_t)size_bytes : UINT32_MAX;
  if (age < 2) {
    row->young_bytes[age] += size_bytes;
    row->young_count[age]++;
  }
  uint64_t live = row->alloc_bytes - row->freed_bytes;
  if (live > row->peak_bytes) row->peak_bytes = live;
}

/* Counts a block that goes. */
SEEP_ALWAYS_INLINE void seep_row_remove(struct seep_row_record *row, uint64_t size_bytes, int age) {
  row->freed_bytes += size_bytes;
  row->freed_count++;
  if (age < 2) {
    row->young_bytes[age] -= size_bytes;
    row->young_count[age]--;
    row->temporary_count++;
  }
}

#endif
