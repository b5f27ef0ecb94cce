/* See rounds.h. */
#include "model/rounds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/text.h"
#include "vm/vm.h"

/* -- Noting ------------------------------------------------------------------ */

void seep_rounds_init(struct seep_rounds *rounds, uint32_t count) {
  *rounds = (struct seep_rounds){.count = count, .warmup = count < 8 ? 1 : count / 4};
  uint32_t points = count - rounds->warmup + 1;
  rounds->row_counts = seep_must_alloc(points * sizeof *rounds->row_counts);
  rounds->live = seep_must_alloc(points * sizeof *rounds->live);
}

/* As record/sites.c names a C function that it has no name for. */
static void name_address(uintptr_t address, char out[SEEP_ROUNDS_NAME_BYTES]) {
  snprintf(out, SEEP_ROUNDS_NAME_BYTES, "0x%012llx", (unsigned long long)(address & SEEP_KEY_ADDRESS));
}

void seep_rounds_ignore(struct seep_rounds *rounds, uintptr_t function, uintptr_t object) {
  name_address(function, rounds->ignored[0]);
  name_address(object, rounds->ignored[1]);
}

void seep_rounds_clear(struct seep_rounds *rounds) {
  for (uint32_t i = 0; i < rounds->noted; i++) free(rounds->live[i]);
  free(rounds->live);
  free(rounds->row_counts);
  *rounds = (struct seep_rounds){0};
}

static uint64_t difference(uint64_t more, uint64_t less) { return more > less ? more - less : 0; }

void seep_rounds_note(struct seep_rounds *rounds, const struct seep_reader *reader, uint32_t state) {
  uint32_t count = seep_reader_state(reader, state)->row_count;
  struct seep_rounds_live *live = seep_must_alloc(count * sizeof *live);
  for (uint32_t i = 1; i < count; i++) {
    const struct seep_row_record *row = seep_reader_row(reader, state, i);
    live[i].bytes = difference(row->alloc_bytes, row->freed_bytes);
    live[i].count = difference(row->alloc_count, row->freed_count);
  }
  rounds->live[rounds->noted] = live;
  rounds->row_counts[rounds->noted] = count;
  rounds->noted++;
}

static struct seep_rounds_live noted(const struct seep_rounds *rounds, uint32_t point, uint32_t row) {
  return row < rounds->row_counts[point] ? rounds->live[point][row] : (struct seep_rounds_live){0};
}

/* -- Judging a series --------------------------------------------------------- */

enum seep_rounds_verdict seep_rounds_judge_series(const uint64_t *live_bytes, uint32_t point_count, uint32_t warmup,
                                                  bool one_buffer) {
  uint32_t last = point_count - 1;
  uint32_t half = (last + warmup) / 2; /* as many rounds before it, warm-up included, as behind it */
  bool always = point_count > 1;
  for (uint32_t i = 1; i <= last && always; i++) always = live_bytes[i] > live_bytes[i - 1];
  if (always) return SEEP_ROUNDS_LEAK;
  if (!one_buffer || half <= warmup) return SEEP_ROUNDS_INNOCENT;
  bool keeps_growing = live_bytes[half - warmup] > live_bytes[0] && live_bytes[last] > live_bytes[half - warmup];
  return keeps_growing ? SEEP_ROUNDS_GROWING_BUFFER : SEEP_ROUNDS_INNOCENT;
}

/* -- Groups ------------------------------------------------------------------ */

enum { LEAKING_PLACE = SEEP_TYPE_COUNT }; /* a key beside the types */

struct group {
  uint64_t place;
  uint64_t *live_bytes;  /* by point */
  uint64_t first_count, last_count;
  bool is_buffer;
  enum seep_rounds_verdict verdict;
};

struct grouping {
  const struct seep_rounds *rounds;
  const struct seep_reader *reader;
  uint32_t state;
  struct seep_map index;     /* (source and line, type) to group number + 1; (…, LEAKING_PLACE) to 1 */
  struct group *groups;
  uint32_t count, capacity;
};

/* The innermost Lua place of a row; false when there is none. */
static bool place_of(const struct grouping *grouping, uint32_t node_number, uint64_t *place) {
  const struct seep_node_record *node = seep_reader_node(grouping->reader, grouping->state, node_number);
  while (node != NULL && node->frame != 0) {
    const struct seep_frame_record *frame = seep_reader_frame(grouping->reader, grouping->state, node->frame);
    const struct seep_function_record *function =
        frame == NULL ? NULL : seep_reader_function(grouping->reader, grouping->state, frame->function);
    if (function == NULL) return false;
    if (function->kind == SEEP_FUNCTION_LUA || function->kind == SEEP_FUNCTION_MAIN) {
      *place = (uint64_t)function->source << 32 | frame->line;
      return true;
    }
    if (node->parent >= node_number) return false;
    node_number = node->parent;
    node = seep_reader_node(grouping->reader, grouping->state, node_number);
  }
  return false;
}

static const struct seep_function_record *leaf_function(const struct grouping *grouping, uint32_t node_number) {
  const struct seep_node_record *node = seep_reader_node(grouping->reader, grouping->state, node_number);
  const struct seep_frame_record *frame =
      node == NULL ? NULL : seep_reader_frame(grouping->reader, grouping->state, node->frame);
  return frame == NULL ? NULL : seep_reader_function(grouping->reader, grouping->state, frame->function);
}

static bool is_ignored(const struct grouping *grouping, uint32_t node_number) {
  const struct seep_function_record *function = leaf_function(grouping, node_number);
  if (function == NULL || function->kind != SEEP_FUNCTION_C) return false;
  uint32_t size;
  const char *name = seep_reader_string(grouping->reader, grouping->state, function->name, &size);
  for (int i = 0; i < 2; i++) {
    const char *ignored = grouping->rounds->ignored[i];
    if (ignored[0] != '\0' && size == strlen(ignored) && memcmp(name, ignored, size) == 0) return true;
  }
  return false;
}

/* What is of no type of Lua's own (what was there before, a VM's own parts) is no leak of a line. */
static bool counts(const struct grouping *grouping, const struct seep_row_record *row) {
  return row->type != SEEP_TYPE_OTHER && row->type < SEEP_TYPE_COUNT && !is_ignored(grouping, row->node);
}

static void put(struct grouping *grouping, uint64_t place, uint32_t kind, uint32_t value) {
  if (!seep_map_put(&grouping->index, place, kind, value)) seep_must_alloc(SIZE_MAX / 2);
}

/* The number of a row's group + 1; 0 when the row is in none. */
static uint32_t group_of(struct grouping *grouping, const struct seep_row_record *row, uint32_t point_count) {
  uint64_t place;
  if (!counts(grouping, row) || !place_of(grouping, row->node, &place)) return 0;
  uint32_t known = seep_map_get(&grouping->index, place, row->type);
  if (known != 0) return known;
  if (grouping->count == grouping->capacity) {
    grouping->capacity = grouping->capacity * 2 + 64;
    grouping->groups = seep_must_grow(grouping->groups, grouping->capacity * sizeof *grouping->groups);
  }
  struct group *group = &grouping->groups[grouping->count];
  *group = (struct group){.place = place, .is_buffer = row->type == SEEP_TYPE_BUFFER};
  group->live_bytes = seep_must_alloc(point_count * sizeof *group->live_bytes);
  grouping->count++;
  put(grouping, place, row->type, grouping->count);
  return grouping->count;
}

/* Where objects leak, the buffer that holds them is no news, and its doublings
 * would blur the numbers. */
static void judge_groups(struct grouping *grouping, const struct seep_rounds *rounds) {
  for (uint32_t i = 0; i < grouping->count; i++) {
    struct group *group = &grouping->groups[i];
    bool one_grows = group->is_buffer && group->last_count == group->first_count;
    group->verdict = seep_rounds_judge_series(group->live_bytes, rounds->noted, rounds->warmup, one_grows);
    if (group->verdict == SEEP_ROUNDS_LEAK) put(grouping, group->place, LEAKING_PLACE, 1);
  }
}

static bool is_told(const struct grouping *grouping, const struct group *group) {
  return group->verdict == SEEP_ROUNDS_LEAK ||
         (group->verdict == SEEP_ROUNDS_GROWING_BUFFER &&
          seep_map_get(&grouping->index, group->place, LEAKING_PLACE) == 0);
}

static void clear_grouping(struct grouping *grouping) {
  for (uint32_t i = 0; i < grouping->count; i++) free(grouping->groups[i].live_bytes);
  free(grouping->groups);
  seep_map_clear(&grouping->index);
}

/* -- What is typical ----------------------------------------------------------- */

static int compare(const void *left, const void *right) {
  uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
  return (a > b) - (a < b);
}

/* The median of the rounds, so that a table that doubles in one of them does not
 * show; where most rounds left nothing, the mean. */
static uint64_t typical(uint64_t *rises, uint32_t count, uint64_t total) {
  qsort(rises, count, sizeof *rises, compare);
  uint64_t median = rises[(count - 1) / 2];
  return median != 0 ? median : (total + count / 2) / count;
}

static struct seep_rounds_live typical_of(const struct seep_rounds *rounds, uint32_t row, bool is_growing_buffer) {
  uint32_t count = rounds->noted - 1;
  struct seep_rounds_live first = noted(rounds, 0, row), last = noted(rounds, count, row);
  struct seep_rounds_live mean = {.bytes = (last.bytes - first.bytes + count / 2) / count};
  if (is_growing_buffer) return mean;
  uint64_t *bytes = seep_must_alloc(2 * count * sizeof *bytes), *counts = bytes + count;
  for (uint32_t i = 0; i < count; i++) {
    struct seep_rounds_live from = noted(rounds, i, row), to = noted(rounds, i + 1, row);
    bytes[i] = difference(to.bytes, from.bytes);
    counts[i] = difference(to.count, from.count);
  }
  struct seep_rounds_live result = {.bytes = typical(bytes, count, difference(last.bytes, first.bytes)),
                                    .count = typical(counts, count, difference(last.count, first.count))};
  free(bytes);
  return result;
}

/* -- The whole ------------------------------------------------------------------ */

/* Puts every row into its group, and the number of that into groups[row]. */
static void group_rows(struct grouping *grouping, const struct seep_rounds *rounds, uint32_t row_count,
                       uint32_t *groups) {
  for (uint32_t row = 1; row < row_count; row++) {
    groups[row] = group_of(grouping, seep_reader_row(grouping->reader, grouping->state, row), rounds->noted);
    if (groups[row] == 0) continue;
    struct group *group = &grouping->groups[groups[row] - 1];
    for (uint32_t point = 0; point < rounds->noted; point++) {
      group->live_bytes[point] += noted(rounds, point, row).bytes;
    }
    group->first_count += noted(rounds, 0, row).count;
    group->last_count += noted(rounds, rounds->noted - 1, row).count;
  }
}

/* A buffer that one table or another made larger now and then, in a group that
 * has what every round leaves: no news, either. */
static bool is_blur(const struct seep_rounds *rounds, const struct group *group, uint32_t row) {
  uint32_t last = rounds->noted - 1;
  if (group->verdict != SEEP_ROUNDS_LEAK || !group->is_buffer) return false;
  if (noted(rounds, 0, row).count != noted(rounds, last, row).count) return false;
  for (uint32_t point = 1; point <= last; point++) {
    if (noted(rounds, point, row).bytes <= noted(rounds, point - 1, row).bytes) return true;
  }
  return false;
}

static void find_leaks(const struct grouping *grouping, const struct seep_rounds *rounds, const uint32_t *groups,
                       struct seep_rounds_finding *finding) {
  for (uint32_t row = 1; row < finding->row_count; row++) {
    const struct group *group = groups[row] == 0 ? NULL : &grouping->groups[groups[row] - 1];
    if (group == NULL || !is_told(grouping, group)) continue;
    if (noted(rounds, rounds->noted - 1, row).bytes <= noted(rounds, 0, row).bytes) continue;
    if (is_blur(rounds, group, row)) continue;
    finding->leaks[row] = true;
    finding->leaking_count++;
    finding->per_round[row] = typical_of(rounds, row, group->verdict == SEEP_ROUNDS_GROWING_BUFFER);
  }
}

void seep_rounds_judge(const struct seep_rounds *rounds, const struct seep_reader *reader, uint32_t state,
                       struct seep_rounds_finding *finding) {
  struct grouping grouping = {.rounds = rounds, .reader = reader, .state = state};
  uint32_t row_count = rounds->row_counts[rounds->noted - 1];
  uint32_t *groups = seep_must_alloc(row_count * sizeof *groups);
  finding->leaks = seep_must_alloc(row_count);
  finding->per_round = seep_must_alloc(row_count * sizeof *finding->per_round);
  finding->row_count = row_count;
  group_rows(&grouping, rounds, row_count, groups);
  judge_groups(&grouping, rounds);
  find_leaks(&grouping, rounds, groups, finding);
  clear_grouping(&grouping);
  free(groups);
}

void seep_rounds_finding_clear(struct seep_rounds_finding *finding) {
  free(finding->leaks);
  free(finding->per_round);
  *finding = (struct seep_rounds_finding){0};
}
