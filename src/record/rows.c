/* See rows.h. */
#include "record/rows.h"

#include "record/series.h"

void seep_row_catch_up(struct seep_row_record *row, struct seep_series_record *series,
                       const struct seep_history *history, uint32_t epoch) {
  uint32_t passed = epoch - row->epoch;
  if (passed == 0) return;
  uint64_t live_bytes = row->alloc_bytes - row->freed_bytes;
  if (series != NULL) {
    /* At the first end, what was born in that epoch had seen one end only. */
    struct seep_ends ends = {.first = row->epoch, .now = epoch, .bytes_first = live_bytes - row->young_bytes[0],
                             .bytes_later = live_bytes, .newest_bytes = row->newest_bytes};
    seep_series_advance(series, history, &ends);
  }
  row->young_bytes[1] = passed == 1 ? row->young_bytes[0] : 0;
  row->young_count[1] = passed == 1 ? row->young_count[0] : 0;
  row->young_bytes[0] = 0;
  row->young_count[0] = 0;
  row->epoch = epoch;
}
