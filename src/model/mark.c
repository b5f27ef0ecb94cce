/* Points in a recording. See mark.h. */
#include "model/mark.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "model/profile.h"
#include "record/rows.h"

struct state_mark {
  uint32_t row_count, node_count;
  struct seep_counters *rows;
  uint64_t *freed_here_bytes;
  struct seep_mark_totals totals;
};

struct seep_mark {
  uint64_t started_monotonic_ns, started_wall_ns;
  uint32_t state_count;
  struct state_mark *states;
};

/* -- Counters ---------------------------------------------------------------- */

/* Wraps: files can hold any number. */
static void add_signed(int64_t *to, int64_t from, bool less) {
  *to = (int64_t)((uint64_t)*to + (less ? 0 - (uint64_t)from : (uint64_t)from));
}

#define FOR_COUNTERS(X)                                                                       \
  X(alloc_bytes) X(alloc_count) X(freed_bytes) X(freed_count) X(live_bytes) X(live_count)     \
  X(survivor_bytes) X(survivor_count) X(temporary_count)                                      \
  X(gain_bytes) X(gain_count) X(loss_bytes) X(loss_count) X(sample_count)

void seep_counters_add(struct seep_counters *to, const struct seep_counters *from) {
#define ADD(name) to->name += from->name;
  FOR_COUNTERS(ADD)
  add_signed(&to->growth_bytes, from->growth_bytes, false);
  add_signed(&to->inclusive_growth_bytes, from->inclusive_growth_bytes, false);
}

void seep_counters_subtract(struct seep_counters *from, const struct seep_counters *what) {
#define SUBTRACT(name) from->name -= what->name;
  FOR_COUNTERS(SUBTRACT)
  add_signed(&from->growth_bytes, what->growth_bytes, true);
  add_signed(&from->inclusive_growth_bytes, what->inclusive_growth_bytes, true);
}

static uint64_t difference(uint64_t more, uint64_t less) { return more > less ? more - less : 0; }

void seep_counters_of_row(const struct seep_state_record *state, const struct seep_row_record *row, bool is_before,
                          struct seep_counters *out) {
  *out = (struct seep_counters){
      .alloc_bytes = row->alloc_bytes, .alloc_count = row->alloc_count,
      .freed_bytes = row->freed_bytes, .freed_count = row->freed_count,
      .live_bytes = difference(row->alloc_bytes, row->freed_bytes),
      .live_count = difference(row->alloc_count, row->freed_count),
      .temporary_count = row->temporary_count,
      .growth_bytes = (int64_t)row->alloc_bytes,
  };
  out->survivor_bytes = difference(out->live_bytes, row->young_bytes[0] + row->young_bytes[1]);
  out->survivor_count = difference(out->live_count, (uint64_t)row->young_count[0] + row->young_count[1]);
  if (is_before) out->growth_bytes = (int64_t)(row->alloc_bytes - state->vm_bytes_at_start);
}

/* -- Marks ------------------------------------------------------------------- */

static struct seep_counters counters_of(const struct seep_reader *reader, uint32_t state, uint32_t number) {
  const struct seep_state_record *record = seep_reader_state(reader, state);
  struct seep_row_record row = *seep_reader_row(reader, state, number);
  struct seep_counters counters;
  if (!seep_profile_knows_blocks((enum seep_mode)record->mode)) {
    struct seep_hook_row_record hook;
    memcpy(&hook, &row, sizeof hook);
    return (struct seep_counters){.gain_bytes = hook.gain_bytes, .gain_count = hook.gain_count,
                                  .loss_bytes = hook.loss_bytes, .loss_count = hook.loss_count,
                                  .sample_count = hook.sample_count};
  }
  seep_row_catch_up(&row, NULL, &record->history, (uint32_t)record->epoch_count);
  seep_counters_of_row(record, &row, number == record->before_row, &counters);
  return counters;
}

static void take_state(const struct seep_reader *reader, uint32_t index, struct state_mark *state) {
  const struct seep_state_record *record = seep_reader_state(reader, index);
  state->rows = seep_must_alloc(record->row_count * sizeof *state->rows);
  state->freed_here_bytes = seep_must_alloc(record->node_count * sizeof *state->freed_here_bytes);
  state->row_count = record->row_count;
  state->node_count = record->node_count;
  for (uint32_t i = 1; i < record->row_count; i++) state->rows[i] = counters_of(reader, index, i);
  for (uint32_t i = 1; i < record->node_count; i++) {
    state->freed_here_bytes[i] = seep_reader_node(reader, index, i)->freed_here_bytes;
  }
  state->totals = (struct seep_mark_totals){
      .epochs = record->epoch_count, .minor_collections = record->minor_count,
      .dropped = record->dropped_count};
}

struct seep_mark *seep_mark_take(const struct seep_reader *reader) {
  struct seep_mark *mark = seep_must_alloc(sizeof *mark);
  mark->started_monotonic_ns = seep_reader_header(reader)->started_monotonic_ns;
  mark->started_wall_ns = seep_reader_header(reader)->started_wall_ns;
  mark->state_count = seep_reader_state_count(reader);
  mark->states = seep_must_alloc(mark->state_count * sizeof *mark->states);
  for (uint32_t i = 0; i < mark->state_count; i++) take_state(reader, i, &mark->states[i]);
  return mark;
}

void seep_mark_free(struct seep_mark *mark) {
  if (mark == NULL) return;
  for (uint32_t i = 0; i < mark->state_count; i++) {
    free(mark->states[i].rows);
    free(mark->states[i].freed_here_bytes);
  }
  free(mark->states);
  free(mark);
}

bool seep_mark_belongs(const struct seep_mark *mark, const struct seep_reader *reader) {
  const struct seep_file_header *header = seep_reader_header(reader);
  return mark->started_monotonic_ns == header->started_monotonic_ns && mark->started_wall_ns == header->started_wall_ns;
}

void seep_mark_set_difference(struct seep_mark *mark, const struct seep_reader *reader, uint32_t state,
                              uint32_t number, uint64_t live_bytes, uint64_t live_count) {
  if (state >= mark->state_count || number >= mark->states[state].row_count) return;
  struct seep_counters *counters = &mark->states[state].rows[number];
  *counters = counters_of(reader, state, number);
  counters->live_bytes -= live_bytes;
  counters->live_count -= live_count;
  counters->alloc_count--; /* it has changed */
}

struct seep_counters seep_mark_row(const struct seep_mark *mark, uint32_t state, uint32_t number) {
  if (state >= mark->state_count || number >= mark->states[state].row_count) return (struct seep_counters){0};
  return mark->states[state].rows[number];
}

uint64_t seep_mark_freed_here_bytes(const struct seep_mark *mark, uint32_t state, uint32_t node) {
  if (state >= mark->state_count || node >= mark->states[state].node_count) return 0;
  return mark->states[state].freed_here_bytes[node];
}

struct seep_mark_totals seep_mark_totals_of(const struct seep_mark *mark, uint32_t state) {
  return state < mark->state_count ? mark->states[state].totals : (struct seep_mark_totals){0};
}
