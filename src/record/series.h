/* The survivor series of a row, with bounded memory, at moments that all rows of
 * a state share, so that the series of rows can be added up.
 *
 * Model: moments are ends of epochs, spread evenly over the state's clock (the
 * bytes allocated so far) and not over the count of epochs: a collector runs
 * often while the heap is small and seldom when it is large, and what a verdict
 * needs to see is the late part. A point is the *least* value since the moment
 * before, so that what comes and goes in between does not look like growth.
 *
 * When the history is full, moments are taken out of it; a series follows the
 * next time it is touched. The reader calls the same functions to bring a row
 * that was not touched for a while up to date. May run inside an allocator. */
#ifndef SEEP_SERIES_H
#define SEEP_SERIES_H

#include "store/format.h"

/* Takes note that epoch number `epoch` has ended, with the clock and the count of
 * minor collections as they are. */
void seep_history_note(struct seep_history *history, uint64_t alloc_bytes, uint32_t epoch,
                       uint32_t minor_count);

/* An empty series: at the moments before its first point the row had no survivors. */
void seep_series_start(struct seep_series_record *series, const struct seep_history *history);

/* What a row that is touched again has to say about the ends of epochs since. */
struct seep_ends {
  uint32_t first, now;           /* from the end of epoch `first` to that of the one before `now` */
  uint64_t bytes_first;          /* survivors at the first of them, */
  uint64_t bytes_later;          /* and at the others: not less */
  uint32_t newest_bytes;         /* the size of the newest block, at all of them */
};

/* Takes note of these ends. Any values are safe: a file may hold them. */
void seep_series_advance(struct seep_series_record *series, const struct seep_history *history,
                         const struct seep_ends *ends);

#endif
