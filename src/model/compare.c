/* Matching the rows of two captures. See compare.h. */
#include "model/compare.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/text.h"

static uint64_t hash_text(uint64_t hash, const char *text) {
  for (; text != NULL && *text != '\0'; text++) hash = (hash ^ (unsigned char)*text) * 0x100000001b3ULL; /* FNV-1a */
  return hash;
}

/* What a function is called in both captures. A Lua function is known by where it is defined: its name comes from a
 * source file that may have changed since. A C function without a name is called by its address, or by how it happened to
 * be called first: such names have a space in them. */
static const char *steady_name(const struct seep_profile_frame *frame) {
  if (frame->kind != SEEP_FUNCTION_C) return "";
  return strchr(frame->function, ' ') != NULL ? "" : frame->function;
}

static uint64_t hash_row(const struct seep_profile_row *row) {
  uint64_t hash = seep_mix64((uint64_t)row->type + 1);
  for (uint32_t i = 0; i < row->frame_count; i++) {
    const struct seep_profile_frame *frame = row->frames[i];
    hash = hash_text(hash_text(hash, frame->file), steady_name(frame));
    hash = seep_mix64(hash + ((uint64_t)frame->line << 32) + frame->line_defined);
  }
  if (row->frame_count == 0) hash = seep_mix64(hash_text(hash, row->file) + row->line);
  return hash;
}

/* The rows of one stack and type added up: a process can have it once for each Lua state, and exact and inexact. */
struct sum {
  uint64_t hash;
  const struct seep_profile_row *row;
  uint64_t live_bytes, live_count, survivor_bytes;
};

/* Returns how many. `places` maps hashes to places in *out, + 1. */
static uint32_t add_up(const struct seep_profile *profile, struct seep_map *places, struct sum **out) {
  struct sum *sums = seep_must_alloc((profile->row_count + 1) * sizeof *sums);
  uint32_t used = 0;
  for (uint32_t i = 0; i < profile->row_count; i++) {
    const struct seep_profile_row *row = &profile->rows[i];
    uint64_t hash = hash_row(row);
    uint32_t place = seep_map_get(places, hash, 0);
    if (place == 0) {
      sums[used] = (struct sum){.hash = hash, .row = row};
      place = ++used;
      if (!seep_map_put(places, hash, 0, place)) abort();
    }
    sums[place - 1].live_bytes += row->counters.live_bytes;
    sums[place - 1].live_count += row->counters.live_count;
    sums[place - 1].survivor_bytes += row->counters.survivor_bytes;
  }
  *out = sums;
  return used;
}

static int compare_changes(const void *a, const void *b) {
  const struct seep_row_change *left = a, *right = b;
  if (left->live_bytes != right->live_bytes) return left->live_bytes < right->live_bytes ? 1 : -1;
  if (left->live_count != right->live_count) return left->live_count < right->live_count ? 1 : -1;
  const struct seep_profile_row *l = left->after != NULL ? left->after : left->before;
  const struct seep_profile_row *r = right->after != NULL ? right->after : right->before;
  int order = strcmp(l->file == NULL ? "" : l->file, r->file == NULL ? "" : r->file);
  return order != 0 ? order : (l->line > r->line) - (l->line < r->line);
}

static size_t put_change(struct seep_row_change *changes, size_t used, const struct sum *before,
                         const struct sum *after) {
  static const struct sum nothing;
  if (before == NULL) before = &nothing;
  if (after == NULL) after = &nothing;
  struct seep_row_change change = {.before = before->row, .after = after->row,
                                   .live_bytes = (int64_t)(after->live_bytes - before->live_bytes),
                                   .live_count = (int64_t)(after->live_count - before->live_count),
                                   .survivor_bytes = (int64_t)(after->survivor_bytes - before->survivor_bytes)};
  if (change.live_bytes == 0 && change.live_count == 0 && change.survivor_bytes == 0) return used;
  changes[used] = change;
  return used + 1;
}

size_t seep_compare_rows(const struct seep_profile *before, const struct seep_profile *after,
                         struct seep_row_change **out) {
  struct seep_map old_places = {0}, new_places = {0};
  struct sum *old, *new;
  uint32_t old_count = add_up(before, &old_places, &old), new_count = add_up(after, &new_places, &new);
  struct seep_row_change *changes = seep_must_alloc(((size_t)old_count + new_count + 1) * sizeof *changes);
  size_t used = 0;
  for (uint32_t i = 0; i < new_count; i++) {
    uint32_t place = seep_map_get(&old_places, new[i].hash, 0);
    used = put_change(changes, used, place == 0 ? NULL : &old[place - 1], &new[i]);
  }
  for (uint32_t i = 0; i < old_count; i++) {
    if (seep_map_get(&new_places, old[i].hash, 0) == 0) used = put_change(changes, used, &old[i], NULL);
  }
  qsort(changes, used, sizeof *changes, compare_changes);
  seep_map_clear(&old_places);
  seep_map_clear(&new_places);
  free(old);
  free(new);
  *out = changes;
  return used;
}
