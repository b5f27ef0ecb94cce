/* See series.h. */
#include "record/series.h"

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* Moments in use; never more than there is room for, whatever a file says. */
static uint32_t moment_count(const struct seep_history *history) {
  return history->count < SEEP_MOMENTS_MAX ? history->count : (uint32_t)SEEP_MOMENTS_MAX;
}

/* Keeps moments that are far enough apart; half of them at least go. */
static void thin(struct seep_history *history, uint64_t alloc_bytes) {
  uint32_t kept = 1;
  history->spacing_bytes = alloc_bytes / (SEEP_MOMENTS_MAX / 2) + 1;
  for (uint32_t i = 1; i < history->count; i++) {
    uint64_t before_bytes = history->moments[kept - 1].alloc_bytes;
    if (history->moments[i].alloc_bytes - before_bytes < history->spacing_bytes) continue;
    history->moments[kept++] = history->moments[i];
  }
  history->count = kept;
  history->generation++;
}

void seep_history_note(struct seep_history *history, uint64_t alloc_bytes, uint32_t epoch,
                       uint32_t minor_count) {
  history->ended_bytes[1] = history->ended_bytes[0];
  history->ended_bytes[0] = alloc_bytes;
  if (history->count == SEEP_MOMENTS_MAX) thin(history, alloc_bytes);
  uint32_t count = history->count;
  if (count > 0 && alloc_bytes - history->moments[count - 1].alloc_bytes < history->spacing_bytes) return;
  history->moments[count] = (struct seep_moment){
      .alloc_bytes = alloc_bytes, .born_bytes = history->ended_bytes[1], .epoch = epoch,
      .minor_count = minor_count};
  history->count = count + 1;
}

void seep_series_start(struct seep_series_record *series, const struct seep_history *history) {
  *series = (struct seep_series_record){.generation = history->generation, .floor_bytes = SEEP_NO_FLOOR};
}

/* Drops the points whose moments are gone; their values count for the next point. */
static void follow(struct seep_series_record *series, const struct seep_history *history) {
  uint32_t kept = 0, at = 0, moments = moment_count(history);
  uint64_t floor_bytes = SEEP_NO_FLOOR;
  for (uint32_t i = 0; i < series->count && i < SEEP_MOMENTS_MAX; i++) {
    floor_bytes = least(floor_bytes, series->survivor_bytes[i]);
    while (at < moments && history->moments[at].epoch < series->epochs[i]) at++;
    if (at == moments || history->moments[at].epoch != series->epochs[i]) continue;
    series->epochs[kept] = series->epochs[i];
    series->newest_bytes[kept] = series->newest_bytes[i];
    series->survivor_bytes[kept++] = floor_bytes;
    floor_bytes = SEEP_NO_FLOOR;
  }
  series->floor_bytes = least(series->floor_bytes, floor_bytes);
  series->count = kept;
  series->generation = history->generation;
}

static void add_point(struct seep_series_record *series, uint32_t epoch, uint32_t newest_bytes) {
  if (series->count >= SEEP_MOMENTS_MAX) return;
  series->epochs[series->count] = epoch;
  series->newest_bytes[series->count] = newest_bytes;
  series->survivor_bytes[series->count++] = series->floor_bytes;
}

void seep_series_advance(struct seep_series_record *series, const struct seep_history *history,
                         const struct seep_ends *ends) {
  uint32_t moments = moment_count(history), at = moments;
  if (series->generation != history->generation) follow(series, history);
  while (at > 0 && history->moments[at - 1].epoch >= ends->first) at--;
  series->floor_bytes = least(series->floor_bytes, ends->bytes_first);
  for (; at < moments; at++) {
    uint32_t epoch = history->moments[at].epoch;
    add_point(series, epoch, ends->newest_bytes);
    series->floor_bytes = epoch + 1 == ends->now ? SEEP_NO_FLOOR : ends->bytes_later;
  }
}
