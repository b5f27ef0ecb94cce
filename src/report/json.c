/* `show --json`: schema 1 of DESIGN.md, written with jansson. What a merged row
 * or a mode does not know is absent, never 0. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "report/json_parts.h"
#include "report/parts.h"

json_t *seep_json_integer(uint64_t value) { return json_integer((json_int_t)value); }

void seep_json_put(json_t *object, const char *key, json_t *value) {
  if (json_object_set_new(object, key, value) != 0) abort(); /* no memory: nothing sensible is left */
}

void seep_json_put_held(json_t *object, const struct seep_held_list *list) {
  json_t *array = json_array();
  for (uint32_t i = 0; i < list->count; i++) {
    json_t *held = json_object();
    seep_json_put(held, "path", json_string(list->items[i].path));
    seep_json_put(held, "count", seep_json_integer(list->items[i].count));
    seep_json_put(held, "bytes", seep_json_integer(list->items[i].bytes));
    if (list->items[i].are_parts) seep_json_put(held, "buffers", json_true());
    if (list->items[i].is_estimate) seep_json_put(held, "estimate", json_true());
    if (json_array_append_new(array, held) != 0) abort();
  }
  if (list->count > 0) seep_json_put(object, "held_by", array);
  else json_decref(array);
}

static void put_blocks(json_t *object, const struct seep_counters *counters) {
  seep_json_put(object, "alloc_bytes", seep_json_integer(counters->alloc_bytes));
  seep_json_put(object, "alloc_count", seep_json_integer(counters->alloc_count));
  seep_json_put(object, "freed_bytes", seep_json_integer(counters->freed_bytes));
  seep_json_put(object, "freed_count", seep_json_integer(counters->freed_count));
  seep_json_put(object, "live_bytes", seep_json_integer(counters->live_bytes));
  seep_json_put(object, "live_count", seep_json_integer(counters->live_count));
}

static void put_gains(json_t *object, const struct seep_counters *counters) {
  seep_json_put(object, "gain_bytes", seep_json_integer(counters->gain_bytes));
  seep_json_put(object, "gain_count", seep_json_integer(counters->gain_count));
  seep_json_put(object, "loss_bytes", seep_json_integer(counters->loss_bytes));
  seep_json_put(object, "loss_count", seep_json_integer(counters->loss_count));
}

static void put_counters(json_t *object, const struct seep_counters *counters, bool has_blocks, bool has_gains) {
  if (has_blocks) put_blocks(object, counters);
  if (has_gains) put_gains(object, counters);
}

static void put_survivors(json_t *object, const struct seep_counters *counters) {
  seep_json_put(object, "survivor_bytes", seep_json_integer(counters->survivor_bytes));
  seep_json_put(object, "survivor_count", seep_json_integer(counters->survivor_count));
}

static void put_growth(json_t *object, const struct seep_counters *counters) {
  seep_json_put(object, "growth_bytes", json_integer((json_int_t)counters->growth_bytes));
}

static void put_interval(json_t *object, const char *key, const struct seep_estimate *estimate) {
  double low, high;
  seep_estimate_interval(estimate, &low, &high);
  seep_json_put(object, key, json_pack("[I, I]", (json_int_t)floor(low), (json_int_t)ceil(high)));
}

/* "ci95": between what the truth is, 95 times in 100 at least. */
static void put_intervals(json_t *object, const struct seep_profile_estimates *estimates) {
  json_t *intervals = json_object();
  put_interval(intervals, "alloc_bytes", &estimates->alloc_bytes);
  put_interval(intervals, "alloc_count", &estimates->alloc_count);
  put_interval(intervals, "live_bytes", &estimates->live_bytes);
  put_interval(intervals, "live_count", &estimates->live_count);
  put_interval(intervals, "survivor_bytes", &estimates->survivor_bytes);
  put_interval(intervals, "survivor_count", &estimates->survivor_count);
  seep_json_put(object, "ci95", intervals);
}

static json_t *totals_object(const struct seep_profile_state *totals, bool has_peak) {
  json_t *object = json_object();
  put_counters(object, &totals->counters, totals->has_blocks, totals->has_gains);
  put_growth(object, &totals->counters);
  seep_json_put(object, "vm_bytes", seep_json_integer(totals->vm_bytes));
  if (totals->has_gains) seep_json_put(object, "vm_bytes_at_start", seep_json_integer(totals->vm_bytes_at_start));
  if (totals->has_blocks) {
    if (has_peak) seep_json_put(object, "peak_bytes", seep_json_integer(totals->peak_bytes));
    put_survivors(object, &totals->counters);
    seep_json_put(object, "epochs", seep_json_integer(totals->epochs));
    seep_json_put(object, "minor_collections", seep_json_integer(totals->minor_collections));
  }
  seep_json_put(object, "dropped", seep_json_integer(totals->dropped));
  if (totals->mode == SEEP_MODE_SAMPLE) {
    seep_json_put(object, "samples", seep_json_integer(totals->sample_count));
    put_intervals(object, &totals->estimates);
  }
  return object;
}

static json_t *state_object(const struct seep_profile_state *state) {
  json_t *object = json_object();
  seep_json_put(object, "id", seep_json_integer(state->number));
  seep_json_put(object, "name", json_string(state->name));
  seep_json_put(object, "vm", json_string(state->family));
  seep_json_put(object, "release", json_string(state->release));
  seep_json_put(object, "mode", json_string(seep_profile_mode_name(state->mode)));
  if (state->lines_saved) seep_json_put(object, "lines", json_string("approximate"));
  seep_json_put(object, "opened", seep_json_integer(state->opened_count));
  seep_json_put(object, "closed", json_boolean(state->closed));
  seep_json_put(object, "totals", totals_object(state, true));
  return object;
}

json_t *seep_json_frame(const struct seep_profile_frame *frame) {
  json_t *object = json_object();
  seep_json_put(object, "file", json_string(frame->file));
  seep_json_put(object, "line", seep_json_integer(frame->line));
  seep_json_put(object, "function", json_string(frame->function));
  if (frame->flags & SEEP_FRAME_COROUTINE) seep_json_put(object, "coroutine", json_true());
  if (frame->flags & SEEP_FRAME_TAIL) seep_json_put(object, "tail", json_true());
  return object;
}

json_t *seep_json_stack(const struct seep_profile_frame *const *frames, uint32_t count) {
  json_t *stack = json_array();
  for (uint32_t i = 0; i < count; i++) {
    if (json_array_append_new(stack, seep_json_frame(frames[i])) != 0) abort();
  }
  return stack;
}

static bool has_stack(enum seep_by by) {
  return by == SEEP_BY_ROW || by == SEEP_BY_STACK || by == SEEP_BY_STATE;
}

/* Callees are known where calls are, samples where they are taken. */
static void put_hook_details(json_t *object, enum seep_mode mode, const struct seep_counters *counters) {
  if (mode == SEEP_MODE_COUNT) {
    seep_json_put(object, "sample_count", seep_json_integer(counters->sample_count));
  } else {
    seep_json_put(object, "inclusive_growth_bytes", json_integer((json_int_t)counters->inclusive_growth_bytes));
  }
}

static json_t *row_object(const struct seep_profile *profile, const struct seep_profile_row *row) {
  json_t *object = json_object();
  if (row->file != NULL) seep_json_put(object, "file", json_string(row->file));
  if (row->file != NULL && profile->by != SEEP_BY_FUNCTION && profile->by != SEEP_BY_TYPE) {
    seep_json_put(object, "line", seep_json_integer(row->line));
  }
  if (row->function != NULL) seep_json_put(object, "function", json_string(row->function));
  if (row->type >= 0) seep_json_put(object, "type", json_string(seep_type_name((enum seep_type)row->type)));
  seep_json_put(object, "exact", json_boolean(row->exact));
  if (profile->by == SEEP_BY_STATE) seep_json_put(object, "state", seep_json_integer(row->state));
  put_counters(object, &row->counters, row->has_blocks, row->has_gains);
  if (row->estimates == NULL) put_growth(object, &row->counters);
  if (row->has_gains && !row->has_blocks) put_hook_details(object, profile->mode, &row->counters);
  if (row->has_peak) seep_json_put(object, "peak_bytes", seep_json_integer(row->peak_bytes));
  if (row->has_blocks) {
    put_survivors(object, &row->counters);
    seep_json_put(object, "temporary_count", seep_json_integer(row->counters.temporary_count));
  }
  if (row->estimates != NULL) put_intervals(object, row->estimates);
  if (row->truncated) seep_json_put(object, "truncated", json_true());
  if (has_stack(profile->by)) seep_json_put(object, "stack", seep_json_stack(row->frames, row->frame_count));
  return object;
}

json_t *seep_json_time(uint64_t wall_ns) {
  char text[32];
  time_t seconds = (time_t)(wall_ns / 1000000000u);
  struct tm utc;
  gmtime_r(&seconds, &utc);
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return json_string(text);
}

static void put_head(json_t *root, const struct seep_profile *profile) {
  seep_json_put(root, "schema", json_integer(1));
  if (profile->state_count > 0) seep_json_put(root, "vm", json_string(profile->states[0].family));
  seep_json_put(root, "mode", json_string(seep_profile_mode_name(profile->mode)));
  if (profile->interval != 0) seep_json_put(root, "interval", seep_json_integer(profile->interval));
  seep_json_put(root, "pid", seep_json_integer(profile->pid));
  seep_json_put(root, "command", json_string(profile->command));
  seep_json_put(root, "started", seep_json_time(profile->started_wall_ns));
  if (profile->duration_s >= 0) seep_json_put(root, "duration_s", json_real(round(profile->duration_s * 1e6) / 1e6));
  seep_json_put(root, "complete", json_boolean(profile->complete));
  if (profile->running) seep_json_put(root, "running", json_true());
  if (profile->forked) seep_json_put(root, "forked", json_true());
  if (profile->problem[0] != '\0') seep_json_put(root, "problem", json_string(profile->problem));
  if (profile->unrecorded_states > 0) seep_json_put(root, "unrecorded_states", seep_json_integer(profile->unrecorded_states));
}

/* One at a time: a capture can have a million rows. */
bool seep_json_write(json_t *value, FILE *out) {
  bool done = json_dumpf(value, out, JSON_COMPACT | JSON_REAL_PRECISION(15)) == 0;
  json_decref(value);
  return done;
}

bool seep_json_write_open(json_t *object, FILE *out) {
  char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(15));
  json_decref(object);
  if (text == NULL) return false;
  bool done = fwrite(text, 1, strlen(text) - 1, out) == strlen(text) - 1;
  free(text);
  return done;
}

bool seep_report_json(const struct seep_profile *profile, const struct seep_holding *holding, uint32_t limit,
                      FILE *out) {
  json_t *root = json_object();
  json_t *states = json_array();
  put_head(root, profile);
  for (uint32_t i = 0; i < profile->state_count; i++) {
    if (json_array_append_new(states, state_object(&profile->states[i])) != 0) abort();
  }
  seep_json_put(root, "states", states);
  seep_json_put(root, "totals", totals_object(&profile->totals, profile->state_count == 1));
  bool done = seep_json_write_open(root, out) && fputs(",\"sites\":[", out) != EOF;
  uint32_t count = limit != 0 && limit < profile->row_count ? limit : profile->row_count;
  for (uint32_t i = 0; done && i < count; i++) {
    if (i > 0) fputc(',', out);
    struct seep_held_list held;
    json_t *object = row_object(profile, &profile->rows[i]);
    seep_find_held(profile, &profile->rows[i], holding, &held);
    seep_json_put_held(object, &held);
    seep_held_list_free(&held);
    done = seep_json_write(object, out);
  }
  return done && fputs("]}\n", out) != EOF && fflush(out) == 0;
}
