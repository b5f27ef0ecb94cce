/* A point in a recording: the counters of every row as they were. What has
 * happened since is a later capture minus the mark (profile.h), so every number
 * keeps its meaning: allocated, freed, and live as their difference.
 *
 * A mark keeps what the file says: in mode sample the counters are of sampled blocks.
 * It belongs to one recording, of which rows and states only become more.
 * For the command side and the module: uses malloc. */
#ifndef SEEP_MARK_H
#define SEEP_MARK_H

#include "store/reader.h"

/* What a mode does not know is 0 here, and has_blocks or has_gains of the row or
 * state says so: reports leave it out. */
struct seep_counters {
  uint64_t alloc_bytes, alloc_count, freed_bytes, freed_count, live_bytes, live_count;
  uint64_t survivor_bytes, survivor_count, temporary_count;
  int64_t growth_bytes;
  /* Of the hook modes (record/hooks.h): */
  uint64_t gain_bytes, gain_count, loss_bytes, loss_count, sample_count;
  int64_t inclusive_growth_bytes;  /* with callees; line and call */
};

/* Sums and differences; they wrap, because files can hold any number, and
 * because a difference of live bytes can be negative: read it as int64_t. */
void seep_counters_add(struct seep_counters *to, const struct seep_counters *from);
void seep_counters_subtract(struct seep_counters *from, const struct seep_counters *what);

/* The counters of a row that was brought up to its state's last epoch (rows.h). In
 * a file that was caught in the middle of a change, what would be negative for an
 * instant is 0. Growth is without the frees that happened at the row's place; what
 * was there before recording did not grow. */
void seep_counters_of_row(const struct seep_state_record *state, const struct seep_row_record *row, bool is_before,
                          struct seep_counters *out);

/* What a mark keeps of a state besides its rows. */
struct seep_mark_totals {
  uint64_t epochs, minor_collections, dropped;
};

struct seep_mark;

/* The present point of a capture. Ends like seep_must_alloc when there is no memory. */
struct seep_mark *seep_mark_take(const struct seep_reader *reader);
void seep_mark_free(struct seep_mark *mark);  /* NULL: nothing */

/* Whether the capture is of the recording in which the mark was taken. */
bool seep_mark_belongs(const struct seep_mark *mark, const struct seep_reader *reader);

/* Makes the mark say that of row `number` there was this much less than now: what
 * has come since is then as given. For a row that `reader` has, too. */
void seep_mark_set_difference(struct seep_mark *mark, const struct seep_reader *reader, uint32_t state,
                              uint32_t number, uint64_t live_bytes, uint64_t live_count);

/* What was there at the mark; zeros for what came later. */
struct seep_counters seep_mark_row(const struct seep_mark *mark, uint32_t state, uint32_t number);
uint64_t seep_mark_freed_here_bytes(const struct seep_mark *mark, uint32_t state, uint32_t node);
struct seep_mark_totals seep_mark_totals_of(const struct seep_mark *mark, uint32_t state);

#endif
