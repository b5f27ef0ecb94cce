/* `show --json`: schema 1 of DESIGN.md, written with jansson. What a merged row
 * or a mode does not know is absent, never 0. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "report/report.h"

static json_t *integer(uint64_t value) { return json_integer((json_int_t)value); }

static void put(json_t *object, const char *key, json_t *value) {
  if (json_object_set_new(object, key, value) != 0) abort(); /* no memory: nothing sensible is left */
}

static void put_counters(json_t *object, const struct seep_counters *counters) {
  put(object, "alloc_bytes", integer(counters->alloc_bytes));
  put(object, "alloc_count", integer(counters->alloc_count));
  put(object, "freed_bytes", integer(counters->freed_bytes));
  put(object, "freed_count", integer(counters->freed_count));
  put(object, "live_bytes", integer(counters->live_bytes));
  put(object, "live_count", integer(counters->live_count));
  put(object, "growth_bytes", json_integer((json_int_t)counters->growth_bytes));
}

static json_t *totals_object(const struct seep_profile_state *totals, bool has_peak) {
  json_t *object = json_object();
  put_counters(object, &totals->counters);
  if (has_peak) put(object, "peak_bytes", integer(totals->peak_bytes));
  put(object, "survivor_bytes", integer(totals->counters.survivor_bytes));
  put(object, "survivor_count", integer(totals->counters.survivor_count));
  put(object, "vm_bytes", integer(totals->vm_bytes));
  put(object, "epochs", integer(totals->epochs));
  put(object, "minor_collections", integer(totals->minor_collections));
  put(object, "dropped", integer(totals->dropped));
  return object;
}

static json_t *state_object(const struct seep_profile_state *state) {
  json_t *object = json_object();
  put(object, "id", integer(state->number));
  put(object, "name", json_string(state->name));
  put(object, "vm", json_string(state->family));
  put(object, "release", json_string(state->release));
  put(object, "mode", json_string("exact"));
  put(object, "opened", integer(state->opened_count));
  put(object, "closed", json_boolean(state->closed));
  put(object, "totals", totals_object(state, true));
  return object;
}

static json_t *frame_object(const struct seep_profile_frame *frame) {
  json_t *object = json_object();
  put(object, "file", json_string(frame->file));
  put(object, "line", integer(frame->line));
  put(object, "function", json_string(frame->function));
  if (frame->flags & SEEP_FRAME_COROUTINE) put(object, "coroutine", json_true());
  if (frame->flags & SEEP_FRAME_TAIL) put(object, "tail", json_true());
  return object;
}

static json_t *stack_array(const struct seep_profile_row *row) {
  json_t *stack = json_array();
  for (uint32_t i = 0; i < row->frame_count; i++) {
    if (json_array_append_new(stack, frame_object(row->frames[i])) != 0) abort();
  }
  return stack;
}

static bool has_stack(enum seep_by by) {
  return by == SEEP_BY_ROW || by == SEEP_BY_STACK || by == SEEP_BY_STATE;
}

static json_t *row_object(const struct seep_profile *profile, const struct seep_profile_row *row) {
  json_t *object = json_object();
  if (row->file != NULL) put(object, "file", json_string(row->file));
  if (row->file != NULL && profile->by != SEEP_BY_FUNCTION && profile->by != SEEP_BY_TYPE) {
    put(object, "line", integer(row->line));
  }
  if (row->function != NULL) put(object, "function", json_string(row->function));
  if (row->type >= 0) put(object, "type", json_string(seep_type_name((enum seep_type)row->type)));
  put(object, "exact", json_boolean(row->exact));
  if (profile->by == SEEP_BY_STATE) put(object, "state", integer(row->state));
  put_counters(object, &row->counters);
  if (row->has_peak) put(object, "peak_bytes", integer(row->peak_bytes));
  put(object, "survivor_bytes", integer(row->counters.survivor_bytes));
  put(object, "survivor_count", integer(row->counters.survivor_count));
  put(object, "temporary_count", integer(row->counters.temporary_count));
  if (row->truncated) put(object, "truncated", json_true());
  if (has_stack(profile->by)) put(object, "stack", stack_array(row));
  return object;
}

static json_t *started(uint64_t wall_ns) {
  char text[32];
  time_t seconds = (time_t)(wall_ns / 1000000000u);
  struct tm utc;
  gmtime_r(&seconds, &utc);
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return json_string(text);
}

static void put_head(json_t *root, const struct seep_profile *profile) {
  put(root, "schema", json_integer(1));
  if (profile->state_count > 0) put(root, "vm", json_string(profile->states[0].family));
  put(root, "mode", json_string("exact"));
  put(root, "pid", integer(profile->pid));
  put(root, "command", json_string(profile->command));
  put(root, "started", started(profile->started_wall_ns));
  if (profile->duration_s >= 0) put(root, "duration_s", json_real(round(profile->duration_s * 1e6) / 1e6));
  put(root, "complete", json_boolean(profile->complete));
  if (profile->running) put(root, "running", json_true());
  if (profile->forked) put(root, "forked", json_true());
  if (profile->problem[0] != '\0') put(root, "problem", json_string(profile->problem));
  if (profile->unrecorded_states > 0) put(root, "unrecorded_states", integer(profile->unrecorded_states));
}

/* Writes one value and lets it go: a capture can have a million rows. */
static bool write_value(json_t *value, FILE *out) {
  bool done = json_dumpf(value, out, JSON_COMPACT | JSON_REAL_PRECISION(15)) == 0;
  json_decref(value);
  return done;
}

/* An object without its closing brace, so that more can follow. */
static bool write_open_object(json_t *object, FILE *out) {
  char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(15));
  json_decref(object);
  if (text == NULL) return false;
  bool done = fwrite(text, 1, strlen(text) - 1, out) == strlen(text) - 1;
  free(text);
  return done;
}

bool seep_report_json(const struct seep_profile *profile, uint32_t limit, FILE *out) {
  json_t *root = json_object();
  json_t *states = json_array();
  put_head(root, profile);
  for (uint32_t i = 0; i < profile->state_count; i++) {
    if (json_array_append_new(states, state_object(&profile->states[i])) != 0) abort();
  }
  put(root, "states", states);
  put(root, "totals", totals_object(&profile->totals, profile->state_count == 1));
  bool done = write_open_object(root, out) && fputs(",\"sites\":[", out) != EOF;
  uint32_t count = limit != 0 && limit < profile->row_count ? limit : profile->row_count;
  for (uint32_t i = 0; done && i < count; i++) {
    if (i > 0) fputc(',', out);
    done = write_value(row_object(profile, &profile->rows[i]), out);
  }
  return done && fputs("]}\n", out) != EOF && fflush(out) == 0;
}
