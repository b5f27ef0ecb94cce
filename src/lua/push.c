/* See push.h. */
#include "lua/push.h"

#include <math.h>

static void set_integer(lua_State *L, const char *name, uint64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, const char *value) {
  lua_pushstring(L, value);
  lua_setfield(L, -2, name);
}

static void set_boolean(lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

static void set_blocks(lua_State *L, const struct seep_counters *counters) {
  set_integer(L, "alloc_bytes", counters->alloc_bytes);
  set_integer(L, "alloc_count", counters->alloc_count);
  set_integer(L, "freed_bytes", counters->freed_bytes);
  set_integer(L, "freed_count", counters->freed_count);
  set_integer(L, "live_bytes", counters->live_bytes);
  set_integer(L, "live_count", counters->live_count);
  set_integer(L, "survivor_bytes", counters->survivor_bytes);
  set_integer(L, "survivor_count", counters->survivor_count);
  set_integer(L, "temporary_count", counters->temporary_count);
}

static void set_gains(lua_State *L, const struct seep_counters *counters) {
  set_integer(L, "gain_bytes", counters->gain_bytes);
  set_integer(L, "gain_count", counters->gain_count);
  set_integer(L, "loss_bytes", counters->loss_bytes);
  set_integer(L, "loss_count", counters->loss_count);
}

static void push_interval(lua_State *L, const struct seep_estimate *estimate) {
  double low, high;
  seep_estimate_interval(estimate, &low, &high);
  lua_createtable(L, 2, 0);
  lua_pushinteger(L, (lua_Integer)floor(low));
  lua_rawseti(L, -2, 1);
  lua_pushinteger(L, (lua_Integer)ceil(high));
  lua_rawseti(L, -2, 2);
}

/* How far estimates are certain. */
static void set_intervals(lua_State *L, const struct seep_profile_estimates *estimates) {
  const struct {
    const char *name;
    const struct seep_estimate *estimate;
  } fields[] = {{"alloc_bytes", &estimates->alloc_bytes}, {"alloc_count", &estimates->alloc_count},
                {"live_bytes", &estimates->live_bytes}, {"live_count", &estimates->live_count},
                {"survivor_bytes", &estimates->survivor_bytes}, {"survivor_count", &estimates->survivor_count}};
  lua_createtable(L, 0, SEEP_ARRAY_SIZE(fields));
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(fields); i++) {
    push_interval(L, fields[i].estimate);
    lua_setfield(L, -2, fields[i].name);
  }
  lua_setfield(L, -2, "ci95");
}

static void push_frame(lua_State *L, const struct seep_profile_frame *frame) {
  lua_createtable(L, 0, 4);
  set_text(L, "file", frame->file);
  set_integer(L, "line", frame->line);
  set_text(L, "function", frame->function);
  if (frame->flags & SEEP_FRAME_COROUTINE) set_boolean(L, "coroutine", true);
  if (frame->flags & SEEP_FRAME_TAIL) set_boolean(L, "tail", true);
}

static void set_stack(lua_State *L, const struct seep_profile_frame *const *frames, uint32_t count) {
  lua_createtable(L, (int)count, 0);
  for (uint32_t i = 0; i < count; i++) {
    push_frame(L, frames[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
  lua_setfield(L, -2, "stack");
}

static bool has_stack(enum seep_by by) {
  return by == SEEP_BY_ROW || by == SEEP_BY_STACK || by == SEEP_BY_STATE;
}

static void push_row(lua_State *L, const struct seep_profile *profile, const struct seep_profile_row *row) {
  lua_createtable(L, 0, 20);
  if (row->file != NULL) set_text(L, "file", row->file);
  if (row->source != NULL && row->source[0] != '\0') set_text(L, "source", row->source);
  if (row->file != NULL && profile->by != SEEP_BY_FUNCTION && profile->by != SEEP_BY_TYPE) {
    set_integer(L, "line", row->line);
  }
  if (row->function != NULL) set_text(L, "function", row->function);
  if (row->type >= 0) set_text(L, "type", seep_type_name((enum seep_type)row->type));
  set_boolean(L, "exact", row->exact);
  if (profile->by == SEEP_BY_STATE) set_integer(L, "state", row->state);
  if (row->has_blocks) set_blocks(L, &row->counters);
  if (row->has_gains) set_gains(L, &row->counters);
  if (profile->mode != SEEP_MODE_SAMPLE) set_integer(L, "growth_bytes", (uint64_t)row->counters.growth_bytes);
  if (row->has_gains && profile->mode == SEEP_MODE_COUNT) set_integer(L, "sample_count", row->counters.sample_count);
  if (row->has_gains && profile->mode != SEEP_MODE_COUNT) {
    set_integer(L, "inclusive_growth_bytes", (uint64_t)row->counters.inclusive_growth_bytes);
  }
  if (row->estimates != NULL) set_intervals(L, row->estimates);
  if (row->has_peak) set_integer(L, "peak_bytes", row->peak_bytes);
  if (row->truncated) set_boolean(L, "truncated", true);
  if (has_stack(profile->by)) set_stack(L, row->frames, row->frame_count);
}

void seep_push_rows(lua_State *L, const struct seep_profile *profile, uint32_t limit) {
  uint32_t count = limit != 0 && limit < profile->row_count ? limit : profile->row_count;
  luaL_checkstack(L, 8, "no room for rows");
  lua_createtable(L, (int)count, 0);
  for (uint32_t i = 0; i < count; i++) {
    push_row(L, profile, &profile->rows[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
}

/* "held_by", unless the list is empty. */
static void set_held(lua_State *L, const struct seep_held_list *list) {
  if (list->count == 0) return;
  lua_createtable(L, (int)list->count, 0);
  for (uint32_t i = 0; i < list->count; i++) {
    lua_createtable(L, 0, 3);
    set_text(L, "path", list->items[i].path);
    set_integer(L, "count", list->items[i].count);
    set_integer(L, "bytes", list->items[i].bytes);
    if (list->items[i].are_parts) set_boolean(L, "buffers", true);
    if (list->items[i].is_estimate) set_boolean(L, "estimate", true);
    lua_rawseti(L, -2, (int)i + 1);
  }
  lua_setfield(L, -2, "held_by");
}

static void push_finding(lua_State *L, const struct seep_finding *finding) {
  lua_createtable(L, 0, 16);
  set_text(L, "verdict", seep_verdict_name(finding->verdict));
  lua_pushnumber(L, finding->confidence);
  lua_setfield(L, -2, "confidence");
  set_text(L, "file", finding->file);
  set_integer(L, "line", finding->line);
  if (finding->function != NULL) set_text(L, "function", finding->function);
  set_text(L, "type", seep_type_name((enum seep_type)finding->type));
  set_boolean(L, "exact", finding->exact);
  if (finding->caller != NULL) {
    push_frame(L, finding->caller);
    lua_setfield(L, -2, "caller");
  }
  set_stack(L, finding->frames, finding->frame_count);
  set_integer(L, "live_bytes", finding->live_bytes);
  set_integer(L, "live_count", finding->live_count);
  set_integer(L, "survivor_bytes", finding->survivor_bytes);
  set_integer(L, "survivor_bytes_per_epoch", (uint64_t)fmax(finding->survivor_bytes_per_epoch, 0));
  set_text(L, "evidence", finding->evidence);
  set_held(L, &finding->held_by);
}

void seep_push_findings(lua_State *L, const struct seep_findings *findings, uint32_t limit) {
  uint32_t count = limit != 0 && limit < findings->count ? limit : findings->count;
  luaL_checkstack(L, 8, "no room for verdicts");
  lua_createtable(L, (int)count, 0);
  for (uint32_t i = 0; i < count; i++) {
    push_finding(L, &findings->rows[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
}

static void set_collections(lua_State *L, const struct seep_profile_state *totals) {
  set_integer(L, "epochs", totals->epochs);
  set_integer(L, "minor_collections", totals->minor_collections);
  set_integer(L, "dropped", totals->dropped);
}

void seep_push_stats(lua_State *L, const struct seep_profile *profile) {
  const struct seep_profile_state *totals = &profile->totals;
  luaL_checkstack(L, 6, "no room for totals");
  lua_createtable(L, 0, 28);
  if (totals->has_blocks) set_blocks(L, &totals->counters);
  if (totals->has_gains) set_gains(L, &totals->counters);
  set_integer(L, "growth_bytes", (uint64_t)totals->counters.growth_bytes);
  set_integer(L, "vm_bytes", totals->vm_bytes);
  if (totals->has_blocks) set_collections(L, totals);
  if (totals->has_blocks && profile->state_count == 1 && !profile->is_difference) {
    set_integer(L, "peak_bytes", totals->peak_bytes);
  }
  if (profile->mode == SEEP_MODE_SAMPLE && !profile->is_difference) set_intervals(L, &totals->estimates);
  set_integer(L, "states", profile->state_count);
  set_integer(L, "unrecorded_states", profile->unrecorded_states);
  if (profile->state_count > 0) set_text(L, "vm", profile->states[0].family);
  set_text(L, "mode", seep_profile_mode_name(profile->mode));
  if (profile->mode == SEEP_MODE_SAMPLE || profile->mode == SEEP_MODE_COUNT) {
    set_integer(L, "interval", profile->interval);
  }
  set_integer(L, "pid", profile->pid);
  if (profile->duration_s >= 0) {
    lua_pushnumber(L, profile->duration_s);
    lua_setfield(L, -2, "duration_s");
  }
  set_boolean(L, "complete", profile->complete);
  if (profile->problem[0] != '\0') set_text(L, "problem", profile->problem);
}
