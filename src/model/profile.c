/* From a capture's records to rows for people. See profile.h. */
#include "model/profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/text.h"
#include "model/names.h"
#include "model/sampled.h"
#include "record/rows.h"
#include "record/series.h"

/* Everything a profile owns, in one list. */
struct owned {
  size_t count, capacity;
  void **blocks;
};

struct builder {
  const struct seep_profile_request *request;
  const struct seep_reader *reader;
  struct seep_profile *profile;
  struct owned *owned;
  struct seep_names *names;
  struct seep_map index;   /* merge key to row number + 1 */
  size_t row_capacity;
  uint64_t run_id;
  /* Of the state that is being read: */
  uint32_t state;
  const struct seep_state_record *record;
  const struct seep_profile_frame **frames;  /* by frame number, made when first asked for */
  uint64_t *node_hashes;                     /* by node number */
  uint32_t *main_rows;                       /* by node number: its row with most allocated */
  uint64_t stamp;                            /* of the row that is being spread over its callers */
};

static void *own(struct owned *owned, void *block) {
  if (owned->count == owned->capacity) {
    owned->capacity = owned->capacity * 2 + 64;
    owned->blocks = seep_must_grow(owned->blocks, owned->capacity * sizeof *owned->blocks);
  }
  owned->blocks[owned->count++] = block;
  return block;
}

static uint64_t hash_text(uint64_t hash, const char *text) {
  for (; *text != '\0'; text++) hash = (hash ^ (unsigned char)*text) * 0x100000001b3ULL;
  return seep_mix64(hash);
}

static uint64_t hash_number(uint64_t hash, uint64_t number) {
  return seep_mix64(hash * 31 + number + 0x9e3779b97f4a7c15ULL);
}

/* -- Modes --------------------------------------------------------------------- */

const char *seep_profile_mode_name(enum seep_mode mode) {
  switch (mode) {
    case SEEP_MODE_SAMPLE: return "sample";
    case SEEP_MODE_LINE: return "line";
    case SEEP_MODE_CALL: return "call";
    case SEEP_MODE_COUNT: return "count";
    default: return "exact";
  }
}

bool seep_profile_knows_blocks(enum seep_mode mode) {
  return mode != SEEP_MODE_LINE && mode != SEEP_MODE_CALL && mode != SEEP_MODE_COUNT;
}

/* -- Names as shown ---------------------------------------------------------- */

/* How a VM abbreviates program text in a chunk's name (lobject.c luaO_chunkid,
 * lj_debug.c lj_debug_shortname; LUA_IDSIZE is 60): text of one line and at most
 * `whole` bytes is shown whole, else at most `cut` bytes of the first line. */
struct abbreviation {
  size_t whole, cut;
  const char *line_ends;
};

static const struct abbreviation *abbreviation_of(const char *family) {
  static const struct abbreviation lua51 = {43, 43, "\n\r"}, later = {44, 45, "\n"};
  static const struct abbreviation luajit = {48, 45, "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17"
      "\20\21\22\23\24\25\26\27\30\31\32\33\34\35\36\37"};
  if (strncmp(family, "LuaJIT", 6) == 0) return &luajit;
  return strcmp(family, "Lua 5.1") == 0 ? &lua51 : &later;
}

static char *abbreviate_text(const struct abbreviation *rule, const char *text, size_t count) {
  size_t line = 0;
  while (line < count && text[line] != '\0' && strchr(rule->line_ends, text[line]) == NULL) line++;
  if (line == count && count <= rule->whole) return seep_must_format("[string \"%.*s\"]", (int)count, text);
  return seep_must_format("[string \"%.*s...\"]", (int)(line < rule->cut ? line : rule->cut), text);
}

static char *show_source(const struct abbreviation *rule, const char *source, size_t count) {
  char *raw;
  if (count > 0 && (source[0] == '@' || source[0] == '=')) {
    return seep_text_utf8(source + 1, count - 1);
  }
  raw = abbreviate_text(rule, source, count);
  char *clean = seep_text_utf8(raw, strlen(raw));
  free(raw);
  return clean;
}

static char *show_bytes(const char *prefix, const char *bytes, size_t count) {
  char *clean = seep_text_utf8(bytes, count);
  char *shown = seep_must_format("%s%s", prefix, clean);
  free(clean);
  return shown;
}

/* A function's record, with its texts. */
struct named {
  const struct seep_function_record *record;
  const char *file;                  /* as shown */
  bool in_file;
  const char *name, *called;
  uint32_t name_bytes, called_bytes;
};

/* "upvalue handler", "for iterator": what a call made of it; NULL: nothing. */
static char *show_call(const struct named *function) {
  static const char *const words[SEEP_CALLED_COUNT] = {
      [SEEP_CALLED_GLOBAL] = "", [SEEP_CALLED_LOCAL] = "local ", [SEEP_CALLED_METHOD] = "method ",
      [SEEP_CALLED_FIELD] = "field ", [SEEP_CALLED_UPVALUE] = "upvalue ", [SEEP_CALLED_METAMETHOD] = "metamethod ",
      [SEEP_CALLED_ITERATOR] = "for iterator", [SEEP_CALLED_HOOK] = "hook", [SEEP_CALLED_LOADED] = ""};
  uint32_t as = function->record->called_as;
  const char *word = as < SEEP_CALLED_COUNT ? words[as] : NULL;
  if (word == NULL || (function->called_bytes == 0 && as != SEEP_CALLED_ITERATOR && as != SEEP_CALLED_HOOK)) return NULL;
  return show_bytes(word, function->called, function->called_bytes);
}

/* A key alone, as the source has it: better with the name of the table, if that is known. An event is a word by itself. */
static char *show_part(const struct named *function, const char *key) {
  size_t length = strlen(key);
  const char *end = function->name + function->name_bytes;
  bool completes = function->name_bytes > length && end[-(ptrdiff_t)length - 1] == '.' && memcmp(end - length, key, length) == 0;
  if (completes) return show_bytes("", function->name, function->name_bytes);
  return show_bytes(length > 2 && key[0] == '_' && key[1] == '_' ? "metamethod " : "", key, length);
}

/* The programmer's own words in the source, else where package.loaded has it, else what it was called by. */
static char *show_lua_function(struct seep_names *names, const struct named *function) {
  bool is_part = false;
  char called[SEEP_CALL_NAME_MAX + 1];
  uint32_t line = function->record->line_defined;
  bool fits = function->called_bytes > 0 && function->called_bytes < sizeof called;
  snprintf(called, sizeof called, "%.*s", fits ? (int)function->called_bytes : 0, function->called);
  struct seep_names_function wanted = {.file = function->file, .line = line, .line_last = function->record->line_last,
                                       .called = fits ? called : NULL};
  const char *name = function->in_file ? seep_names_find(names, &wanted, &is_part) : NULL;
  if (name != NULL) return is_part ? show_part(function, name) : show_bytes("", name, strlen(name));
  if (function->name_bytes > 0) return show_bytes("", function->name, function->name_bytes);
  char *by_call = show_call(function);
  return by_call != NULL ? by_call : seep_names_anonymous(function->file, line);
}

static char *show_c_function(const struct named *function) {
  bool is_address = function->name_bytes > 2 && memcmp(function->name, "0x", 2) == 0;
  if (!is_address) return show_bytes("", function->name, function->name_bytes);
  char *by_call = show_call(function);
  return by_call != NULL ? by_call : show_bytes("C function at ", function->name, function->name_bytes);
}

static char *show_function(struct seep_names *names, const struct named *function) {
  switch (function->record->kind) {
    case SEEP_FUNCTION_MAIN: return seep_must_copy("main chunk");
    case SEEP_FUNCTION_LUA: return show_lua_function(names, function);
    case SEEP_FUNCTION_C: return show_c_function(function);
    default: return show_bytes("", function->name, function->name_bytes);
  }
}

/* -- Frames and stacks ------------------------------------------------------- */

static const struct seep_function_record unknown_function = {.kind = SEEP_FUNCTION_MARK};

static const struct seep_profile_frame *make_frame(struct builder *builder,
                                                   const struct seep_frame_record *record) {
  const struct seep_reader *reader = builder->reader;
  const struct seep_function_record *function =
      seep_reader_function(reader, builder->state, record->function);
  if (function == NULL) function = &unknown_function;
  uint32_t source_bytes;
  struct named named = {.record = function};
  const char *source = seep_reader_string(reader, builder->state, function->source, &source_bytes);
  named.name = seep_reader_string(reader, builder->state, function->name, &named.name_bytes);
  named.called = seep_reader_string(reader, builder->state, function->called, &named.called_bytes);
  struct seep_profile_frame *frame = own(builder->owned, seep_must_alloc(sizeof *frame));
  char *file = function->kind == SEEP_FUNCTION_C      ? seep_must_copy("[C]")
               : function->kind == SEEP_FUNCTION_MARK ? seep_text_utf8(named.name, named.name_bytes)
                                                      : show_source(abbreviation_of(builder->record->family), source, source_bytes);
  named.file = frame->file = own(builder->owned, file);
  named.in_file = source_bytes > 0 && source[0] == '@';
  frame->source = function->kind == SEEP_FUNCTION_C ? "=[C]"
                                                        : own(builder->owned, seep_text_utf8(source, source_bytes));
  frame->function = own(builder->owned, show_function(builder->names, &named));
  frame->line = record->line;
  frame->line_defined = function->line_defined;
  frame->flags = record->flags;
  frame->kind = function->kind;
  return frame;
}

/* NULL for a number that leads nowhere. */
static const struct seep_profile_frame *frame_of(struct builder *builder, uint32_t number) {
  const struct seep_frame_record *record = seep_reader_frame(builder->reader, builder->state, number);
  if (record == NULL) return NULL;
  if (builder->frames[number] == NULL) builder->frames[number] = make_frame(builder, record);
  return builder->frames[number];
}

static uint64_t hash_frame(const struct seep_profile_frame *frame) {
  uint64_t hash = hash_text(hash_text(7, frame->file), frame->function);
  return hash_number(hash_number(hash, frame->line), (uint64_t)frame->flags << 32 | frame->line_defined);
}

/* A parent's number is smaller than its child's, so one pass makes all. */
static void hash_nodes(struct builder *builder) {
  for (uint32_t number = 1; number < builder->record->node_count; number++) {
    const struct seep_node_record *node = seep_reader_node(builder->reader, builder->state, number);
    uint64_t parent = node->parent < number ? builder->node_hashes[node->parent] : 0;
    const struct seep_profile_frame *frame = frame_of(builder, node->frame);
    builder->node_hashes[number] = frame == NULL ? 1 : hash_number(parent, hash_frame(frame));
  }
}

/* Calls for the frames of a node, leaf first; a damaged link ends the stack. */
static const struct seep_profile_frame *next_frame(struct builder *builder, uint32_t *node) {
  const struct seep_node_record *record = seep_reader_node(builder->reader, builder->state, *node);
  if (record == NULL || record->frame == 0) return NULL;
  const struct seep_profile_frame *frame = frame_of(builder, record->frame);
  *node = record->parent < *node ? record->parent : 0;
  return frame;
}

static const struct seep_profile_frame *lua_leaf(struct builder *builder, uint32_t node) {
  const struct seep_profile_frame *frame;
  while ((frame = next_frame(builder, &node)) != NULL) {
    if (frame->kind != SEEP_FUNCTION_C && !(frame->flags & SEEP_FRAME_TRUNCATED)) return frame;
  }
  static const struct seep_profile_frame no_lua = {.file = "[C]", .source = "=[C]", .function = "[C]",
                                                   .kind = SEEP_FUNCTION_C};
  return &no_lua;
}

static void take_stack(struct builder *builder, struct seep_profile_row *row, uint32_t node) {
  uint32_t capacity = 0;
  const struct seep_profile_frame *frame;
  while ((frame = next_frame(builder, &node)) != NULL) {
    if (frame->flags & SEEP_FRAME_TRUNCATED) {
      row->truncated = true;
      continue;
    }
    if (row->frame_count == capacity) {
      capacity = capacity * 2 + 8;
      row->frames = seep_must_grow(row->frames, capacity * sizeof *row->frames);
    }
    row->frames[row->frame_count++] = frame;
  }
  if (row->frames != NULL) own(builder->owned, row->frames);
}

/* -- Merging ----------------------------------------------------------------- */

static uint64_t merge_key(struct builder *builder, uint32_t node, int type,
                          const struct seep_profile_frame *leaf) {
  uint64_t stack = builder->node_hashes[node];
  switch (builder->profile->by) {
    case SEEP_BY_LINE: return hash_number(hash_text(1, leaf->file), leaf->line);
    case SEEP_BY_FUNCTION: return hash_number(hash_text(hash_text(2, leaf->file), leaf->function), leaf->line_defined);
    case SEEP_BY_TYPE: return hash_number(3, (uint64_t)type);
    case SEEP_BY_STACK: return hash_number(stack, 4);
    case SEEP_BY_STATE: return hash_number(hash_number(stack, (uint64_t)type), 5 + (uint64_t)builder->state);
    default: return hash_number(stack, (uint64_t)type << 8 | 6);
  }
}

static struct seep_profile_row *new_row(struct builder *builder, uint64_t key) {
  struct seep_profile *profile = builder->profile;
  if (profile->row_count == builder->row_capacity) {
    builder->row_capacity = builder->row_capacity * 2 + 256;
    profile->rows = seep_must_grow(profile->rows, builder->row_capacity * sizeof *profile->rows);
  }
  struct seep_profile_row *row = &profile->rows[profile->row_count++];
  memset(row, 0, sizeof *row);
  row->merge_key = key;
  if (!seep_map_put(&builder->index, key, 0, profile->row_count)) seep_must_alloc(SIZE_MAX / 2);
  return row;
}

static enum seep_mode mode_of(const struct seep_state_record *record) {
  return record->mode <= SEEP_MODE_COUNT && record->mode != 0 ? (enum seep_mode)record->mode : SEEP_MODE_EXACT;
}

/* What the parts of a merged row do not agree on is not shown. */
static void agree(struct seep_profile_row *row, const struct seep_profile_frame *leaf, int type) {
  row->has_peak = false;
  if (row->type != type) row->type = -1;
  if (row->function != NULL && strcmp(row->function, leaf->function) != 0) row->function = NULL;
  if (row->file != NULL && (strcmp(row->file, leaf->file) != 0)) row->file = NULL;
  if (row->source != NULL && (strcmp(row->source, leaf->source) != 0)) row->source = NULL;
  if (row->line != leaf->line) row->line = 0;
}

/* The row that (node, type) of the state at hand belongs to. A part is a row of
 * the capture; what is no part (frees by place) does not change what the row is. */
static struct seep_profile_row *merged_row(struct builder *builder, uint32_t node, int type,
                                           bool is_part) {
  const struct seep_profile_frame *leaf = lua_leaf(builder, node);
  uint64_t key = merge_key(builder, node, type, leaf);
  uint32_t known = seep_map_get(&builder->index, key, 0);
  if (known != 0) {
    struct seep_profile_row *row = &builder->profile->rows[known - 1];
    if (is_part) agree(row, leaf, type);
    bool knows_blocks = seep_profile_knows_blocks(mode_of(builder->record));
    row->has_blocks = row->has_blocks || knows_blocks;
    row->has_gains = row->has_gains || !knows_blocks;
    return row;
  }
  struct seep_profile_row *row = new_row(builder, key);
  enum seep_by by = builder->profile->by;
  row->file = leaf->file;
  row->source = leaf->source;
  row->function = leaf->function;
  row->line = leaf->line;
  row->type = type;
  row->exact = true;
  row->has_blocks = seep_profile_knows_blocks(mode_of(builder->record));
  row->has_gains = !row->has_blocks;
  row->has_peak = is_part && row->has_blocks;
  row->state = builder->record->number;
  if (by == SEEP_BY_ROW || by == SEEP_BY_STACK || by == SEEP_BY_STATE) take_stack(builder, row, node);
  return row;
}

/* In a file that was caught in the middle of a change a difference can be
 * negative for an instant: it is shown as none. */
static uint64_t difference(uint64_t more, uint64_t less) { return more > less ? more - less : 0; }

/* Adds the points of a series to the row's, moment by moment. */
static void add_series(struct builder *builder, struct seep_profile_past *past,
                       const struct seep_series_record *series, double weight) {
  const struct seep_history *history = &builder->profile->states[builder->state].history;
  uint64_t *points = (uint64_t *)past->survivor_bytes, *newest = (uint64_t *)past->newest_bytes;
  if (points == NULL) {
    past->survivor_bytes = points = own(builder->owned, seep_must_alloc(SEEP_MOMENTS_MAX * sizeof *points));
    past->newest_bytes = newest = own(builder->owned, seep_must_alloc(SEEP_MOMENTS_MAX * sizeof *newest));
  }
  uint32_t at = 0, count = series->count < SEEP_MOMENTS_MAX ? series->count : (uint32_t)SEEP_MOMENTS_MAX;
  for (uint32_t i = 0; i < history->count; i++) {
    while (at < count && series->epochs[at] < history->moments[i].epoch) at++;
    if (at == count || series->epochs[at] != history->moments[i].epoch) continue;
    points[i] += seep_sampled_scale(series->survivor_bytes[at], weight);
    if (series->newest_bytes[at] > newest[i]) newest[i] = series->newest_bytes[at];
  }
}

/* `weight`: 1, or what a sampled block of the row stands for. */
static void add_past(struct builder *builder, struct seep_profile_past *past, const struct seep_row_record *row,
                     const struct seep_series_record *series, double weight) {
  uint64_t first_alloc_bytes = (uint64_t)row->first_alloc * SEEP_CLOCK_UNIT_BYTES;
  uint64_t last_alloc_bytes = (uint64_t)row->last_alloc * SEEP_CLOCK_UNIT_BYTES;
  bool is_first = past->survivor_bytes == NULL;
  if (is_first || first_alloc_bytes < past->first_alloc_bytes) past->first_alloc_bytes = first_alloc_bytes;
  for (int age = 0; age < 2; age++) past->young_bytes[age] += seep_sampled_scale(row->young_bytes[age], weight);
  if (last_alloc_bytes > past->last_alloc_bytes) past->last_alloc_bytes = last_alloc_bytes;
  if (series != NULL) add_series(builder, past, series, weight);
}

/* Brings copies of a row and its series up to the last epoch. Returns whether
 * there is a series. */
static bool bring_up_to_date(struct builder *builder, struct seep_row_record *row,
                             struct seep_series_record *series) {
  const struct seep_history *history = &builder->record->history;
  const struct seep_series_record *found = seep_reader_series(builder->reader, builder->state, row->series);
  bool wanted = builder->profile->by == SEEP_BY_STATE;
  if (found != NULL) *series = *found;
  if (found == NULL) seep_series_start(series, history); /* not touched since its first epoch */
  seep_row_catch_up(row, wanted ? series : NULL, history, (uint32_t)builder->record->epoch_count);
  return wanted;
}

/* In mode sample a row counts sampled blocks of one size class. merged NULL: how far that is certain is not
 * asked. */
static double weigh(struct builder *builder, const struct seep_row_record *row, struct seep_counters *counters,
                    struct seep_profile_row *merged) {
  struct seep_profile_state *state = &builder->profile->states[builder->state];
  if (state->mode != SEEP_MODE_SAMPLE) return 1;
  struct seep_profile_estimates estimates = {0};
  uint32_t interval = builder->profile->interval;
  uint64_t seed = hash_number(hash_number(builder->run_id, builder->state), row->node);
  seep_sampled_estimate(row, interval, seed, counters, &estimates);
  if (merged == NULL) return seep_sampled_weight(row, interval);
  state->sample_count += row->alloc_count;
  if (merged->estimates == NULL) merged->estimates = own(builder->owned, seep_must_alloc(sizeof estimates));
  seep_sampled_merge(merged->estimates, &estimates);
  seep_sampled_merge(&state->estimates, &estimates);
  merged->has_peak = false;
  return seep_sampled_weight(row, interval);
}

/* What the row has had since the mark; false when that is nothing. */
static bool subtract_past(struct builder *builder, uint32_t number, const struct seep_row_record *row,
                          struct seep_counters *counters) {
  struct seep_counters before = seep_mark_row(builder->request->since, builder->state, number);
  if (before.alloc_count == counters->alloc_count && before.freed_count == counters->freed_count) return false;
  weigh(builder, row, &before, NULL);
  weigh(builder, row, counters, NULL);
  seep_counters_subtract(counters, &before);
  return true;
}

static void count_row(struct builder *builder, uint32_t number, const struct seep_row_record *record) {
  bool is_difference = builder->request->since != NULL;
  struct seep_row_record row = *record;
  struct seep_series_record series;
  struct seep_counters counters;
  double weight = 1;
  bool has_series = bring_up_to_date(builder, &row, &series);
  seep_counters_of_row(builder->record, &row, number == builder->record->before_row, &counters);
  if (is_difference && !subtract_past(builder, number, &row, &counters)) return;
  struct seep_profile_row *merged = merged_row(builder, row.node, row.type < SEEP_TYPE_COUNT ? row.type : 0, true);
  builder->profile->states[builder->state].row_keys[number] = merged->merge_key;
  if (!is_difference) weight = weigh(builder, &row, &counters, merged);
  seep_counters_add(&merged->counters, &counters);
  seep_counters_add(&builder->profile->states[builder->state].counters, &counters);
  add_past(builder, &merged->past, &row, has_series ? &series : NULL, weight);
  if (row.flags & SEEP_ROW_INEXACT) merged->exact = false;
  if (is_difference) merged->has_peak = false;
  merged->peak_bytes = merged->has_peak ? row.peak_bytes : 0;
}

static bool is_left_out(const struct builder *builder, uint32_t number) {
  const struct seep_profile_request *request = builder->request;
  if (request->only == NULL) return false;
  return builder->state != request->only_state || number >= request->only_count || !request->only[number];
}

static void note_main_row(struct builder *builder, uint32_t number, const struct seep_row_record *row) {
  uint32_t other = builder->main_rows[row->node];
  const struct seep_row_record *best = seep_reader_row(builder->reader, builder->state, other);
  if (best == NULL || row->alloc_bytes > best->alloc_bytes) builder->main_rows[row->node] = number;
}

static void count_rows(struct builder *builder) {
  struct seep_profile_state *state = &builder->profile->states[builder->state];
  state->row_keys = own(builder->owned, seep_must_alloc((size_t)builder->record->row_count * sizeof *state->row_keys));
  state->row_key_count = builder->record->row_count;
  for (uint32_t number = 1; number < builder->record->row_count; number++) {
    const struct seep_row_record *row = seep_reader_row(builder->reader, builder->state, number);
    if (row->node >= builder->record->node_count || row->alloc_count == 0 || is_left_out(builder, number)) continue;
    note_main_row(builder, number, row);
    count_row(builder, number, row);
  }
}

uint64_t seep_profile_key(const struct seep_profile *profile, uint32_t state, uint32_t number) {
  const struct seep_profile_state *of = state < profile->state_count ? &profile->states[state] : NULL;
  return of == NULL || number >= of->row_key_count ? 0 : of->row_keys[number];
}

/* -- Rows of hook modes ---------------------------------------------------------- */

enum { NO_TYPE = -1 };

static void count_hook_row(struct builder *builder, const struct seep_hook_row_record *row) {
  struct seep_counters counters = {
      .gain_bytes = row->gain_bytes, .gain_count = row->gain_count,
      .loss_bytes = row->loss_bytes, .loss_count = row->loss_count,
      .sample_count = row->sample_count,
      .growth_bytes = (int64_t)(row->gain_bytes - row->loss_bytes),
  };
  struct seep_profile_row *merged = merged_row(builder, row->node, NO_TYPE, true);
  seep_counters_add(&merged->counters, &counters);
  seep_counters_add(&builder->profile->states[builder->state].counters, &counters);
  if (row->flags & SEEP_ROW_INEXACT) merged->exact = false;
}

/* The row that (node) is shown in, if there is one; in mode call one is made, for
 * a function that only calls others belongs into the list, too. */
static struct seep_profile_row *caller_row(struct builder *builder, uint32_t node) {
  uint64_t key = merge_key(builder, node, NO_TYPE, lua_leaf(builder, node));
  bool make = mode_of(builder->record) == SEEP_MODE_CALL;
  return make || seep_map_get(&builder->index, key, 0) != 0 ? merged_row(builder, node, NO_TYPE, false) : NULL;
}

/* Growth with callees: what a row has grown is added to each row that its stack
 * leads through, once, however often recursion passes there. */
static void spread_over_callers(struct builder *builder, const struct seep_hook_row_record *row) {
  int64_t growth_bytes = (int64_t)(row->gain_bytes - row->loss_bytes);
  uint32_t node = row->node;
  builder->stamp++;
  while (node != 0) {
    const struct seep_node_record *record = seep_reader_node(builder->reader, builder->state, node);
    if (record == NULL || (record->frame == 0 && node != row->node)) return;
    struct seep_profile_row *caller = caller_row(builder, node);
    if (caller != NULL && caller->stamp != builder->stamp) {
      caller->stamp = builder->stamp;
      seep_counters_add(&caller->counters, &(struct seep_counters){.inclusive_growth_bytes = growth_bytes});
    }
    node = record->parent < node ? record->parent : 0;
  }
}

static void subtract_hook_past(struct builder *builder, uint32_t number, struct seep_hook_row_record *row) {
  struct seep_counters before = seep_mark_row(builder->request->since, builder->state, number);
  row->gain_bytes -= before.gain_bytes;
  row->gain_count -= before.gain_count;
  row->loss_bytes -= before.loss_bytes;
  row->loss_count -= before.loss_count;
  row->sample_count -= before.sample_count;
}

static void each_hook_row(struct builder *builder,
                          void (*act)(struct builder *, const struct seep_hook_row_record *)) {
  for (uint32_t number = 1; number < builder->record->row_count; number++) {
    const struct seep_hook_row_record *row =
        (const struct seep_hook_row_record *)seep_reader_row(builder->reader, builder->state, number);
    struct seep_hook_row_record since = *row;
    if (row->node >= builder->record->node_count || builder->request->only != NULL) continue;
    if (builder->request->since != NULL) subtract_hook_past(builder, number, &since);
    if ((since.gain_count | since.loss_count | since.sample_count) != 0) act(builder, &since);
  }
}

static void count_hook_rows(struct builder *builder) {
  each_hook_row(builder, count_hook_row);
  if (mode_of(builder->record) != SEEP_MODE_COUNT) each_hook_row(builder, spread_over_callers);
}

/* Frees lower the growth of the place where they happened, whatever they freed:
 * there, of the type that is allocated most. */
static void count_frees_by_place(struct builder *builder) {
  const struct seep_mark *since = builder->request->since;
  if (builder->request->only != NULL) return;
  for (uint32_t number = 1; number < builder->record->node_count; number++) {
    const struct seep_node_record *node = seep_reader_node(builder->reader, builder->state, number);
    uint64_t freed_bytes = node->freed_here_bytes;
    if (since != NULL) freed_bytes -= seep_mark_freed_here_bytes(since, builder->state, number);
    if (freed_bytes == 0) continue;
    const struct seep_row_record *row = seep_reader_row(builder->reader, builder->state, builder->main_rows[number]);
    int type = row == NULL || row->type >= SEEP_TYPE_COUNT ? SEEP_TYPE_OTHER : row->type;
    struct seep_counters counters = {.growth_bytes = (int64_t)(0 - freed_bytes)};
    seep_counters_add(&merged_row(builder, number, type, false)->counters, &counters);
    seep_counters_add(&builder->profile->states[builder->state].counters, &counters);
  }
}

/* The last allocation of a running program whose type is still to come. */
static void count_pending(struct builder *builder) {
  uint64_t size = builder->record->pending_bytes;
  if (builder->record->mode == SEEP_MODE_SAMPLE) return; /* one sample more or less */
  if (size == 0 || builder->request->only != NULL) return;
  if (builder->record->pending_node >= builder->record->node_count) return;
  struct seep_counters counters = {.alloc_bytes = size, .alloc_count = 1, .live_bytes = size,
                                   .live_count = 1, .growth_bytes = (int64_t)size};
  seep_counters_add(&merged_row(builder, builder->record->pending_node, SEEP_TYPE_OTHER, true)->counters, &counters);
  seep_counters_add(&builder->profile->states[builder->state].counters, &counters);
}

/* -- States ------------------------------------------------------------------ */

/* Our own words in the file (releases, reasons) are printable ASCII; in a
 * damaged one they may be anything. */
static void copy_plain(char *out, size_t out_bytes, const char *in, size_t in_bytes) {
  size_t i = 0;
  for (; i < in_bytes && i + 1 < out_bytes && in[i] != '\0'; i++) {
    out[i] = in[i] >= 0x20 && in[i] < 0x7f ? in[i] : '?';
  }
  out[i] = '\0';
}

/* The moments in the order of time. A program that runs may be caught as it takes
 * some out; then those that do not fit are left out. */
static void take_history(const struct seep_state_record *record, struct seep_history *history) {
  *history = record->history;
  history->count = 0;
  for (uint32_t i = 0; i < record->history.count; i++) {
    const struct seep_moment *moment = &record->history.moments[i];
    bool follows = moment->born_bytes <= moment->alloc_bytes && moment->alloc_bytes <= record->alloc_bytes;
    if (history->count > 0) {
      const struct seep_moment *last = &history->moments[history->count - 1];
      follows = follows && moment->epoch > last->epoch && moment->born_bytes >= last->born_bytes;
    }
    if (follows) history->moments[history->count++] = *moment;
  }
  for (int i = 0; i < 2; i++) {
    if (history->ended_bytes[i] > record->alloc_bytes) history->ended_bytes[i] = record->alloc_bytes;
  }
}

static void describe_state(const struct seep_state_record *record, struct seep_profile_state *state) {
  state->number = record->number;
  snprintf(state->name, sizeof state->name, "state %u", record->number);
  copy_plain(state->family, sizeof state->family, record->family, sizeof record->family);
  copy_plain(state->release, sizeof state->release, record->release, sizeof record->release);
  state->opened_count = record->opened_count;
  state->closed = record->closed != SEEP_STATE_OPEN;
  state->released = record->closed == SEEP_STATE_RELEASED;
  state->lines_saved = (record->flags & SEEP_STATE_LINES_SAVED) != 0;
  state->mode = mode_of(record);
  state->has_blocks = seep_profile_knows_blocks(state->mode);
  state->has_gains = !state->has_blocks;
  state->vm_bytes_at_start = record->vm_bytes_at_start;
  state->peak_bytes = record->peak_bytes;
  state->vm_bytes = record->vm_bytes;
  state->epochs = record->epoch_count;
  state->minor_collections = record->minor_count;
  state->dropped = record->dropped_count;
  state->clock_bytes = record->alloc_bytes;
  state->idle_share = record->ended_cpu_ns > record->busy_cpu_ns
      ? (double)(record->ended_cpu_ns - record->busy_cpu_ns) / (double)record->ended_cpu_ns : 0;
  take_history(record, &state->history);
}

static void subtract_mark(const struct seep_mark *since, uint32_t index, struct seep_profile_state *state) {
  struct seep_mark_totals before = seep_mark_totals_of(since, index);
  state->epochs -= before.epochs;
  state->minor_collections -= before.minor_collections;
  state->dropped -= before.dropped;
}

static void add_state(struct builder *builder, uint32_t index) {
  const struct seep_state_record *record = seep_reader_state(builder->reader, index);
  builder->state = index;
  builder->record = record;
  builder->frames = seep_must_alloc((size_t)record->frame_count * sizeof *builder->frames);
  builder->node_hashes = seep_must_alloc((size_t)record->node_count * sizeof *builder->node_hashes);
  builder->main_rows = seep_must_alloc((size_t)record->node_count * sizeof *builder->main_rows);
  describe_state(record, &builder->profile->states[index]);
  if (builder->request->since != NULL) subtract_mark(builder->request->since, index, &builder->profile->states[index]);
  hash_nodes(builder);
  if (!seep_profile_knows_blocks(mode_of(record))) {
    count_hook_rows(builder);
  } else {
    count_rows(builder);
    count_pending(builder);
    if (record->mode != SEEP_MODE_SAMPLE) count_frees_by_place(builder);
  }
  if (record->mode == SEEP_MODE_SAMPLE) {
    builder->profile->states[index].counters.growth_bytes = (int64_t)(record->vm_bytes - record->vm_bytes_at_start);
  }
  free(builder->frames);
  free(builder->node_hashes);
  free(builder->main_rows);
}

static void add_totals(struct seep_profile *profile) {
  struct seep_profile_state *totals = &profile->totals;
  for (uint32_t i = 0; i < profile->state_count; i++) {
    const struct seep_profile_state *state = &profile->states[i];
    seep_counters_add(&totals->counters, &state->counters);
    seep_sampled_merge(&totals->estimates, &state->estimates);
    totals->sample_count += state->sample_count;
    totals->mode = state->mode;
    totals->has_blocks = totals->has_blocks || state->has_blocks;
    totals->has_gains = totals->has_gains || state->has_gains;
    totals->vm_bytes += state->vm_bytes;
    totals->vm_bytes_at_start += state->vm_bytes_at_start;
    totals->peak_bytes += state->peak_bytes;
    totals->epochs += state->epochs;
    totals->minor_collections += state->minor_collections;
    totals->dropped += state->dropped;
  }
}

/* -- Sorting ----------------------------------------------------------------- */

static int64_t rank(const struct seep_profile_row *row, enum seep_sort sort) {
  if (!row->has_blocks && sort != SEEP_SORT_GROWTH) return (int64_t)row->counters.gain_bytes;
  switch (sort) {
    case SEEP_SORT_SURVIVORS: return (int64_t)row->counters.survivor_bytes;
    case SEEP_SORT_ALLOC: return (int64_t)row->counters.alloc_bytes;
    case SEEP_SORT_GROWTH: return row->counters.growth_bytes;
    case SEEP_SORT_PEAK: return row->has_peak ? (int64_t)row->peak_bytes : -1;
    default: return (int64_t)row->counters.live_bytes;
  }
}

static int compare_text(const char *a, const char *b) {
  if (a == NULL || b == NULL) return (a != NULL) - (b != NULL);
  return strcmp(a, b);
}

/* By the callers, leaf first. */
static int compare_stacks(const struct seep_profile_row *a, const struct seep_profile_row *b) {
  for (uint32_t i = 0; i < a->frame_count && i < b->frame_count; i++) {
    int text = strcmp(a->frames[i]->file, b->frames[i]->file);
    if (text != 0) return text;
    if (a->frames[i]->line != b->frames[i]->line) return a->frames[i]->line < b->frames[i]->line ? -1 : 1;
  }
  return (a->frame_count > b->frame_count) - (a->frame_count < b->frame_count);
}

/* Ties are settled by name, so that equal captures print alike. */
static int compare_rows(const void *left, const void *right, enum seep_sort sort) {
  const struct seep_profile_row *a = left, *b = right;
  int64_t rank_a = rank(a, sort), rank_b = rank(b, sort);
  if (rank_a != rank_b) return rank_a < rank_b ? 1 : -1;
  if (a->counters.alloc_bytes != b->counters.alloc_bytes) {
    return a->counters.alloc_bytes < b->counters.alloc_bytes ? 1 : -1;
  }
  int text = compare_text(a->file, b->file);
  if (text != 0) return text;
  if (a->line != b->line) return a->line < b->line ? -1 : 1;
  int stacks = compare_stacks(a, b);
  if (stacks != 0) return stacks;
  return (a->merge_key > b->merge_key) - (a->merge_key < b->merge_key);
}

#define DEFINE_COMPARE(name, sort)                         \
  static int name(const void *left, const void *right) {   \
    return compare_rows(left, right, sort);                \
  }
DEFINE_COMPARE(by_live, SEEP_SORT_LIVE)
DEFINE_COMPARE(by_survivors, SEEP_SORT_SURVIVORS)
DEFINE_COMPARE(by_alloc, SEEP_SORT_ALLOC)
DEFINE_COMPARE(by_growth, SEEP_SORT_GROWTH)
DEFINE_COMPARE(by_peak, SEEP_SORT_PEAK)

static void sort_rows(struct seep_profile *profile, enum seep_sort sort) {
  static int (*const comparisons[])(const void *, const void *) = {
      [SEEP_SORT_LIVE] = by_live,     [SEEP_SORT_SURVIVORS] = by_survivors,
      [SEEP_SORT_ALLOC] = by_alloc,   [SEEP_SORT_GROWTH] = by_growth,
      [SEEP_SORT_PEAK] = by_peak,
  };
  if (profile->row_count > 0) {
    qsort(profile->rows, profile->row_count, sizeof *profile->rows, comparisons[sort]);
  }
}

/* -- The whole --------------------------------------------------------------- */

static void describe_file(const struct seep_reader *reader, struct seep_profile *profile) {
  const struct seep_file_header *header = seep_reader_header(reader);
  char command[sizeof header->command];
  size_t count = header->command_bytes < sizeof command ? header->command_bytes : sizeof command;
  memcpy(command, header->command, count);
  while (count > 0 && command[count - 1] == '\0') count--;
  for (size_t i = 0; i < count; i++) {
    if (command[i] == '\0') command[i] = ' ';
  }
  profile->command = seep_text_utf8(command, count);
  profile->pid = header->pid;
  profile->started_wall_ns = header->started_wall_ns;
  profile->interval = header->interval;
  profile->sealed = seep_reader_is_sealed(reader);
  profile->forked = (header->flags & SEEP_FILE_FORKED) != 0;
  profile->unrecorded_states = header->unrecorded_states;
  profile->complete = profile->sealed && !(header->flags & SEEP_FILE_INCOMPLETE);
  copy_plain(profile->problem, sizeof profile->problem, header->problem, sizeof header->problem);
  profile->duration_s = profile->sealed
      ? (double)difference(header->ended_monotonic_ns, header->started_monotonic_ns) / 1e9 : -1;
}

void seep_profile_build_request(const struct seep_profile_request *request, struct seep_profile *profile) {
  *profile = (struct seep_profile){
      .path = request->path, .by = request->by, .is_difference = request->since != NULL};
  struct owned *owned = profile->owned = seep_must_alloc(sizeof *owned);
  struct builder builder = {.request = request, .reader = request->reader, .profile = profile, .owned = owned};
  describe_file(request->reader, profile);
  builder.run_id = seep_reader_header(request->reader)->run_id;
  uint32_t state_count = seep_reader_state_count(request->reader);
  profile->states = seep_must_alloc(state_count * sizeof *profile->states);
  profile->state_count = state_count;
  profile->mode = state_count == 0 ? SEEP_MODE_EXACT : mode_of(seep_reader_state(request->reader, 0));
  builder.names = seep_names_new(profile->started_wall_ns);
  for (uint32_t i = 0; i < state_count; i++) add_state(&builder, i);
  seep_names_free(builder.names);
  add_totals(profile);
  sort_rows(profile, request->sort);
  seep_map_clear(&builder.index);
}

void seep_profile_build(const struct seep_reader *reader, const char *path, enum seep_by by,
                        enum seep_sort sort, struct seep_profile *profile) {
  struct seep_profile_request request = {.reader = reader, .path = path, .by = by, .sort = sort};
  seep_profile_build_request(&request, profile);
}

void seep_profile_free(struct seep_profile *profile) {
  struct owned *owned = profile->owned;
  for (size_t i = 0; owned != NULL && i < owned->count; i++) free(owned->blocks[i]);
  if (owned != NULL) free(owned->blocks);
  free(owned);
  free(profile->rows);
  free(profile->states);
  free(profile->command);
}
