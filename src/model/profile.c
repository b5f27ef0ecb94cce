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

static char *show_lua_function(struct seep_names *names, const char *file, uint32_t line, bool in_file) {
  char *name = in_file ? seep_names_find(names, file, line) : NULL;
  if (name == NULL) return seep_must_format("function <%s:%u>", file, line);
  char *clean = seep_text_utf8(name, strlen(name));
  free(name);
  return clean;
}

static char *show_function(struct seep_names *names, const struct seep_function_record *function,
                           const char *file, bool in_file, const char *name, uint32_t name_bytes) {
  switch (function->kind) {
    case SEEP_FUNCTION_MAIN: return seep_must_copy("main chunk");
    case SEEP_FUNCTION_LUA: return show_lua_function(names, file, function->line_defined, in_file);
    case SEEP_FUNCTION_C:
      if (name_bytes > 2 && memcmp(name, "0x", 2) == 0) {
        char *address = seep_text_utf8(name, name_bytes);
        char *text = seep_must_format("C function at %s", address);
        free(address);
        return text;
      }
      return seep_text_utf8(name, name_bytes);
    default: return seep_text_utf8(name, name_bytes);
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
  uint32_t source_bytes, name_bytes;
  const char *source = seep_reader_string(reader, builder->state, function->source, &source_bytes);
  const char *name = seep_reader_string(reader, builder->state, function->name, &name_bytes);
  struct seep_profile_frame *frame = own(builder->owned, seep_must_alloc(sizeof *frame));
  char *file = function->kind == SEEP_FUNCTION_C      ? seep_must_copy("[C]")
               : function->kind == SEEP_FUNCTION_MARK ? seep_text_utf8(name, name_bytes)
                                                      : show_source(abbreviation_of(builder->record->family), source, source_bytes);
  bool in_file = source_bytes > 0 && source[0] == '@';
  frame->file = own(builder->owned, file);
  frame->function = own(builder->owned, show_function(builder->names, function, file, in_file, name, name_bytes));
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
  static const struct seep_profile_frame no_lua = {.file = "[C]", .function = "[C]", .kind = SEEP_FUNCTION_C};
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

/* What the parts of a merged row do not agree on is not shown. */
static void agree(struct seep_profile_row *row, const struct seep_profile_frame *leaf, int type) {
  row->has_peak = false;
  if (row->type != type) row->type = -1;
  if (row->function != NULL && strcmp(row->function, leaf->function) != 0) row->function = NULL;
  if (row->file != NULL && (strcmp(row->file, leaf->file) != 0)) row->file = NULL;
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
    if (is_part) agree(&builder->profile->rows[known - 1], leaf, type);
    return &builder->profile->rows[known - 1];
  }
  struct seep_profile_row *row = new_row(builder, key);
  enum seep_by by = builder->profile->by;
  row->file = leaf->file;
  row->function = leaf->function;
  row->line = leaf->line;
  row->type = type;
  row->exact = true;
  row->has_peak = is_part;
  row->state = builder->record->number;
  if (by == SEEP_BY_ROW || by == SEEP_BY_STACK || by == SEEP_BY_STATE) take_stack(builder, row, node);
  return row;
}

static void add_counters(struct seep_counters *to, const struct seep_counters *from) {
  to->alloc_bytes += from->alloc_bytes;
  to->alloc_count += from->alloc_count;
  to->freed_bytes += from->freed_bytes;
  to->freed_count += from->freed_count;
  to->live_bytes += from->live_bytes;
  to->live_count += from->live_count;
  to->survivor_bytes += from->survivor_bytes;
  to->survivor_count += from->survivor_count;
  to->temporary_count += from->temporary_count;
  to->growth_bytes = (int64_t)((uint64_t)to->growth_bytes + (uint64_t)from->growth_bytes); /* wraps: files can hold any number */
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
