/* Groups of rows, their curves and what follows from them. See verdict.h. */
#include "verdict/verdict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "verdict/evidence.h"

enum { LEAST_BYTES = 4096, LEAST_SHARE = 256, LARGE_PART_BYTES = 1024, FEW_COLLECTIONS = 4, CALLERS_DEPTH = 24 };

struct judge {
  const struct seep_profile *profile;
  const struct seep_profile_row **rows;  /* sorted, so that a group is a range */
  struct seep_findings *out;
  uint32_t capacity;
  double least_bytes;                    /* growth that matters */
};

/* The rows [first, end) have their `depth` innermost Lua frames in common. */
struct range {
  uint32_t first, end, depth;
};

/* -- Order ------------------------------------------------------------------------ */

static bool is_lua(const struct seep_profile_frame *frame) { return frame->kind != SEEP_FUNCTION_C; }

static bool same_function(const struct seep_profile_frame *a, const struct seep_profile_frame *b) {
  return a->line_defined == b->line_defined && a->kind == b->kind && strcmp(a->file, b->file) == 0;
}

/* A walk over the Lua frames of a row, leaf first. A function that calls itself is
 * one frame: the innermost. */
struct walk {
  const struct seep_profile_row *row;
  uint32_t at;
  const struct seep_profile_frame *last;
};

/* The next frame, or NULL. */
static const struct seep_profile_frame *next_lua(struct walk *walk) {
  while (walk->at < walk->row->frame_count) {
    const struct seep_profile_frame *frame = walk->row->frames[walk->at++];
    if (!is_lua(frame) || (walk->last != NULL && same_function(walk->last, frame))) continue;
    walk->last = frame;
    return frame;
  }
  return NULL;
}

static int compare_frames(const struct seep_profile_frame *a, const struct seep_profile_frame *b) {
  if (a == b) return 0;
  if (a == NULL || b == NULL) return a == NULL ? -1 : 1;
  if (a->line != b->line) return a->line < b->line ? -1 : 1;
  return strcmp(a->file, b->file);
}

static int compare_rows(const void *left, const void *right) {
  const struct seep_profile_row *a = *(const struct seep_profile_row *const *)left;
  const struct seep_profile_row *b = *(const struct seep_profile_row *const *)right;
  if (a->state != b->state) return a->state < b->state ? -1 : 1;
  struct walk walk_a = {.row = a}, walk_b = {.row = b};
  for (;;) {
    const struct seep_profile_frame *frame_a = next_lua(&walk_a), *frame_b = next_lua(&walk_b);
    int order = compare_frames(frame_a, frame_b);
    if (order != 0 || frame_a == NULL) return order;
  }
}

/* The Lua frame number `depth` of a row, the leaf being 0; NULL past the outermost. */
static const struct seep_profile_frame *frame_at(const struct seep_profile_row *row, uint32_t depth) {
  struct walk walk = {.row = row};
  const struct seep_profile_frame *frame = next_lua(&walk);
  while (frame != NULL && depth-- > 0) frame = next_lua(&walk);
  return frame;
}

/* The next group within `range` whose rows agree in one frame more; it begins at
 * `first`. */
static struct range next_child(const struct judge *judge, struct range range, uint32_t first) {
  const struct seep_profile_frame *frame = frame_at(judge->rows[first], range.depth);
  struct range child = {.first = first, .end = first + 1, .depth = range.depth + 1};
  while (child.end < range.end && judge->rows[child.end]->state == judge->rows[first]->state &&
         compare_frames(frame, frame_at(judge->rows[child.end], range.depth)) == 0) {
    child.end++;
  }
  return child;
}

/* -- Curves ------------------------------------------------------------------------- */

static const struct seep_profile_state *state_of(const struct judge *judge, uint32_t number) {
  for (uint32_t i = 0; i < judge->profile->state_count; i++) {
    if (judge->profile->states[i].number == number) return &judge->profile->states[i];
  }
  return NULL;
}

/* What is added up beside the curve. */
struct sums {
  double died, survived;         /* blocks */
  double large_part_bytes;
};

static void add_row(struct seep_curve *curve, const struct seep_profile_row *row, uint32_t moments,
                    struct sums *sums) {
  const struct seep_profile_past *past = &row->past;
  if (row->type == SEEP_TYPE_OTHER) return; /* the VM's own: tables of strings, traces */
  for (uint32_t i = 0; i < moments && past->survivor_bytes != NULL; i++) {
    curve->bytes[i] += (double)past->survivor_bytes[i];
    curve->newest_bytes[i] = fmax(curve->newest_bytes[i], (double)past->newest_bytes[i]);
  }
  curve->bytes[moments] += (double)row->counters.survivor_bytes;
  curve->alloc_bytes += (double)row->counters.alloc_bytes;
  curve->live_bytes += (double)row->counters.live_bytes;
  curve->live_count += (double)row->counters.live_count;
  curve->spared_bytes += (double)past->young_bytes[1];
  curve->first_alloc_bytes = fmin(curve->first_alloc_bytes, (double)past->first_alloc_bytes);
  curve->last_alloc_bytes = fmax(curve->last_alloc_bytes, (double)past->last_alloc_bytes);
  if (row->type == SEEP_TYPE_BUFFER && row->counters.alloc_bytes >= LARGE_PART_BYTES * row->counters.alloc_count) {
    sums->large_part_bytes += (double)row->counters.live_bytes;
    return; /* they are resized: not every free is a death */
  }
  uint64_t gone = row->counters.freed_count;
  sums->died += gone > row->counters.temporary_count ? (double)(gone - row->counters.temporary_count) : 0;
  sums->survived += (double)row->counters.survivor_count;
}

/* Fresh blocks are put at the clock until which they were born; parts that were
 * resized keep the age of the first, so they are put at the clock itself. */
static void place_points(const struct seep_profile_state *state, uint32_t moments, struct seep_curve *curve) {
  const struct seep_history *history = &state->history;
  for (uint32_t i = 0; i < moments; i++) {
    const struct seep_moment *moment = &history->moments[i];
    curve->at_bytes[i] = (double)(curve->resized ? moment->alloc_bytes : moment->born_bytes);
    curve->epoch[i] = moment->epoch;
  }
  curve->at_bytes[moments] = (double)history->ended_bytes[curve->resized ? 0 : 1];
  curve->epoch[moments] = (double)state->epochs - 1;
}

/* The points are the moments, then now. */
static void take_curve(const struct judge *judge, struct range range, struct seep_curve *curve) {
  const struct seep_profile_state *state = state_of(judge, judge->rows[range.first]->state);
  const struct seep_history *history = &state->history;
  uint32_t moments = history->count;
  struct sums sums = {0};
  *curve = (struct seep_curve){.clock_bytes = (double)state->clock_bytes,
                               .heap_bytes = (double)state->counters.live_bytes,
                               .first_alloc_bytes = (double)state->clock_bytes,
                               .ended_bytes = (double)history->ended_bytes[0],
                               .last_epoch_bytes = (double)(history->ended_bytes[0] - history->ended_bytes[1]),
                               .idle_share = judge->profile->state_count == 1 ? state->idle_share : 0};
  for (uint32_t i = range.first; i < range.end; i++) add_row(curve, judge->rows[i], moments, &sums);
  curve->resized = sums.large_part_bytes > 0.9 * curve->live_bytes;
  curve->died_share = sums.died > 0 ? sums.died / (sums.died + sums.survived) : 0;
  curve->is_share = range.depth > 1 || frame_at(judge->rows[range.first], 0) == NULL;
  place_points(state, moments, curve);
  curve->count = moments;
  if (moments == 0) return;
  if ((uint64_t)history->moments[moments - 1].epoch + 1 < state->epochs) curve->count++;
  else curve->bytes[moments - 1] = curve->bytes[moments];
}

/* -- Findings ---------------------------------------------------------------------- */

static double growth_of(const struct judge *judge, struct range range, double since_bytes) {
  struct seep_curve curve;
  take_curve(judge, range, &curve);
  return seep_curve_growth(&curve, since_bytes);
}

static double allocated_in(const struct judge *judge, struct range range) {
  double bytes = 0;
  for (uint32_t i = range.first; i < range.end; i++) bytes += (double)judge->rows[i]->counters.alloc_bytes;
  return bytes;
}

/* The caller that has nearly all the growth of a range while others allocate too;
 * the outermost such split is the most exact. `calls`: the rows that it has. */
static const struct seep_profile_frame *separating_caller(const struct judge *judge, struct range range,
                                                          double since_bytes, struct range *calls) {
  const struct seep_profile_frame *caller = NULL;
  *calls = range;
  while (range.depth < CALLERS_DEPTH) {
    double growth = growth_of(judge, range, since_bytes), allocated = allocated_in(judge, range), most = 0;
    struct range best = range;
    for (uint32_t first = range.first; first < range.end;) {
      struct range child = next_child(judge, range, first);
      bool is_all = child.first == range.first && child.end == range.end;
      double child_growth = is_all ? growth : growth_of(judge, child, since_bytes);
      if (child_growth > most) {
        most = child_growth;
        best = child;
      }
      first = child.end;
    }
    const struct seep_profile_frame *frame = frame_at(judge->rows[best.first], range.depth);
    if (best.depth == range.depth || most < 0.9 * growth || frame == NULL) break;
    if (allocated - allocated_in(judge, best) >= 0.1 * allocated_in(judge, best)) {
      caller = frame;
      *calls = best;
    }
    range = best;
  }
  return caller;
}

/* What most of a group's survivors are; the parts of an object count for it. */
static int type_of_group(const struct judge *judge, struct range range) {
  double bytes[SEEP_TYPE_COUNT] = {0};
  for (uint32_t i = range.first; i < range.end; i++) {
    const struct seep_profile_row *row = judge->rows[i];
    if (row->type <= SEEP_TYPE_OTHER) continue;
    bytes[row->type] += (double)row->counters.survivor_bytes + 1e-6 * (double)row->counters.live_bytes;
  }
  static const int with_parts[] = {SEEP_TYPE_TABLE, SEEP_TYPE_FUNCTION, SEEP_TYPE_USERDATA, SEEP_TYPE_THREAD,
                                   SEEP_TYPE_PROTO};
  int whole = SEEP_TYPE_TABLE, best = SEEP_TYPE_OTHER;
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(with_parts); i++) {
    if (bytes[with_parts[i]] > bytes[whole]) whole = with_parts[i];
  }
  if (bytes[whole] >= 0.1 * bytes[SEEP_TYPE_BUFFER]) {
    bytes[whole] += bytes[SEEP_TYPE_BUFFER];
    bytes[SEEP_TYPE_BUFFER] = 0;
  }
  for (int type = 0; type < SEEP_TYPE_COUNT; type++) {
    if (bytes[type] > bytes[best]) best = type;
  }
  return best;
}

static struct seep_finding *new_finding(struct judge *judge) {
  struct seep_findings *out = judge->out;
  if (out->count == judge->capacity) {
    judge->capacity = judge->capacity * 2 + 64;
    out->rows = seep_must_grow(out->rows, judge->capacity * sizeof *out->rows);
  }
  struct seep_finding *finding = &out->rows[out->count++];
  *finding = (struct seep_finding){.exact = true};
  return finding;
}

static void take_keys(const struct judge *judge, struct range range, struct seep_finding *finding) {
  finding->keys = seep_must_alloc((size_t)(range.end - range.first) * sizeof *finding->keys);
  for (uint32_t i = range.first; i < range.end; i++) finding->keys[finding->key_count++] = judge->rows[i]->merge_key;
}

/* `calls`: the part of the range that comes from the caller. */
static void add_finding(struct judge *judge, struct range range, const struct seep_curve *curve,
                        const struct seep_shape *shape, const struct seep_profile_frame *caller, struct range calls) {
  struct seep_finding *finding = new_finding(judge);
  const struct seep_profile_row *heaviest = judge->rows[range.first];
  for (uint32_t i = range.first; i < range.end; i++) {
    const struct seep_profile_row *row = judge->rows[i];
    if (row->counters.survivor_bytes > heaviest->counters.survivor_bytes) heaviest = row;
    finding->live_bytes += row->counters.live_bytes;
    finding->live_count += row->counters.live_count;
    finding->survivor_bytes += row->counters.survivor_bytes;
    if (!row->exact) finding->exact = false;
  }
  finding->verdict = shape->verdict;
  finding->confidence = shape->confidence;
  finding->file = heaviest->file;
  finding->function = heaviest->function;
  finding->line = heaviest->line;
  finding->type = type_of_group(judge, range);
  finding->caller = caller;
  finding->frame_count = heaviest->frame_count;
  finding->frames = heaviest->frames;
  take_keys(judge, calls, finding);
  seep_evidence_write(state_of(judge, heaviest->state), curve, shape, finding);
}

/* Finds leaks among the callers of a line that as a whole is none. */
static bool judge_callers(struct judge *judge, struct range range) {
  bool found = false;
  if (range.depth >= CALLERS_DEPTH) return false;
  for (uint32_t first = range.first; first < range.end;) {
    struct range child = next_child(judge, range, first);
    const struct seep_profile_frame *frame = frame_at(judge->rows[first], range.depth);
    first = child.end;
    if (frame == NULL) continue;
    bool same = child.first == range.first && child.end == range.end;
    struct seep_curve curve;
    struct seep_shape shape = {.verdict = SEEP_VERDICT_NONE};
    if (!same) {
      take_curve(judge, child, &curve);
      seep_curve_judge(&curve, judge->least_bytes, &shape);
    }
    if (shape.verdict == SEEP_VERDICT_LEAK) {
      struct range calls;
      const struct seep_profile_frame *further = separating_caller(judge, child, curve.at_bytes[shape.onset], &calls);
      add_finding(judge, child, &curve, &shape, further != NULL ? further : frame, calls);
      found = true;
    } else if (child.end - child.first > 1 && judge_callers(judge, child)) {
      found = true;
    }
  }
  return found;
}

static void judge_line(struct judge *judge, struct range range) {
  struct seep_curve curve;
  struct seep_shape shape;
  const struct seep_profile_frame *leaf = frame_at(judge->rows[range.first], 0);
  if (leaf != NULL && leaf->kind == SEEP_FUNCTION_MARK) return;
  take_curve(judge, range, &curve);
  seep_curve_judge(&curve, judge->least_bytes, &shape);
  if (shape.verdict == SEEP_VERDICT_LEAK) {
    struct range calls;
    const struct seep_profile_frame *caller = separating_caller(judge, range, curve.at_bytes[shape.onset], &calls);
    add_finding(judge, range, &curve, &shape, caller, calls);
  } else if (!judge_callers(judge, range) && curve.alloc_bytes >= judge->least_bytes) {
    add_finding(judge, range, &curve, &shape, NULL, range);
  }
}

/* What a claim weighs. Parts of tables belong to objects that were made elsewhere: where
 * that line leaks as well, it tells more, and so does what a growing table holds. */
static double own_weight(const struct seep_finding *finding) {
  return finding->survivor_bytes_per_epoch * (finding->type == SEEP_TYPE_BUFFER ? 0.3 : 1);
}

static const struct seep_profile_frame *leaf_of(const struct seep_finding *finding) {
  struct seep_profile_row row = {.frames = finding->frames, .frame_count = finding->frame_count};
  struct walk walk = {.row = &row};
  return next_lua(&walk);
}

static bool is_called_from(const struct seep_finding *callee, const struct seep_finding *caller) {
  uint32_t lua_frames = 0;
  for (uint32_t i = 0; i < callee->frame_count; i++) {
    const struct seep_profile_frame *frame = callee->frames[i];
    if (!is_lua(frame) || lua_frames++ == 0) continue;
    if (frame->line == caller->line && strcmp(frame->file, caller->file) == 0) return true;
  }
  return false;
}

static bool is_same_function(const struct seep_finding *a, const struct seep_finding *b) {
  const struct seep_profile_frame *leaf_a = leaf_of(a), *leaf_b = leaf_of(b);
  return leaf_a != NULL && leaf_b != NULL && same_function(leaf_a, leaf_b);
}

/* The claim on the line that seems to have made the objects whose parts `part` is: the
 * weightiest line with objects in the same function. NULL: none. */
static struct seep_finding *maker_of(struct seep_findings *findings, const struct seep_finding *part) {
  struct seep_finding *maker = NULL;
  if (part->type != SEEP_TYPE_BUFFER || part->live_bytes >= LARGE_PART_BYTES * part->live_count) return NULL;
  for (uint32_t i = 0; i < findings->leak_count; i++) {
    struct seep_finding *finding = &findings->rows[i];
    if (finding->type == SEEP_TYPE_BUFFER || finding->type == SEEP_TYPE_STRING) continue;
    if (!is_same_function(finding, part)) continue;
    if (maker == NULL || own_weight(finding) > own_weight(maker)) maker = finding;
  }
  return maker;
}

/* A line that makes an object and calls for its parts weighs what it and they do; so does
 * one whose objects get their parts in other lines of the function. */
static void weigh(struct seep_findings *findings) {
  for (uint32_t i = 0; i < findings->leak_count; i++) {
    struct seep_finding *finding = &findings->rows[i];
    double own = own_weight(finding);
    finding->weight = own;
    for (uint32_t k = 0; k < findings->leak_count; k++) {
      const struct seep_finding *part = &findings->rows[k];
      if (k == i || finding->type == SEEP_TYPE_BUFFER || own < 0.5 * own_weight(part)) continue;
      if (is_called_from(part, finding) && !is_called_from(finding, part)) finding->weight += own_weight(part);
    }
  }
  for (uint32_t i = 0; i < findings->leak_count; i++) {
    struct seep_finding *maker = maker_of(findings, &findings->rows[i]);
    if (maker != NULL) maker->weight += findings->rows[i].survivor_bytes_per_epoch;
  }
}

static int compare_findings(const void *left, const void *right) {
  const struct seep_finding *a = left, *b = right;
  bool leak_a = a->verdict == SEEP_VERDICT_LEAK, leak_b = b->verdict == SEEP_VERDICT_LEAK;
  if (leak_a != leak_b) return leak_a ? -1 : 1;
  double worth_a = leak_a ? a->weight : (double)a->live_bytes;
  double worth_b = leak_b ? b->weight : (double)b->live_bytes;
  if (worth_a != worth_b) return worth_a > worth_b ? -1 : 1;
  int files = strcmp(a->file, b->file);
  if (files != 0) return files;
  return (a->line > b->line) - (a->line < b->line);
}

static int compare_places(const void *left, const void *right) {
  const struct seep_finding *a = left, *b = right;
  if (a->verdict != b->verdict) return a->verdict < b->verdict ? -1 : 1;
  if (a->line != b->line) return a->line < b->line ? -1 : 1;
  int files = strcmp(a->file, b->file);
  return files != 0 ? files : compare_frames(a->caller, b->caller);
}

static void add_other_state(struct seep_finding *to, struct seep_finding *from) {
  if (from->confidence > to->confidence) to->confidence = from->confidence;
  to->live_bytes += from->live_bytes;
  to->live_count += from->live_count;
  to->survivor_bytes += from->survivor_bytes;
  to->survivor_bytes_per_epoch += from->survivor_bytes_per_epoch;
  free(from->evidence);
}

/* A line that has the same verdict in several Lua states is one row. */
static void merge_states(struct seep_findings *findings) {
  uint32_t kept = 0;
  if (findings->count == 0) return;
  qsort(findings->rows, findings->count, sizeof *findings->rows, compare_places);
  for (uint32_t i = 1; i < findings->count; i++) {
    if (compare_places(&findings->rows[kept], &findings->rows[i]) == 0) {
      add_other_state(&findings->rows[kept], &findings->rows[i]);
    } else {
      findings->rows[++kept] = findings->rows[i];
    }
  }
  findings->count = kept + 1;
}

/* Whether the collector has left most of the run in the dark: hardly an end of an epoch
 * after the start, or none in the second half. */
static bool has_few_collections(const struct seep_profile_state *state) {
  uint32_t later = 0;
  for (uint32_t i = 0; i < state->history.count; i++) {
    if (state->history.moments[i].alloc_bytes >= state->clock_bytes / 10) later++;
  }
  return later < FEW_COLLECTIONS || state->history.ended_bytes[0] < state->clock_bytes / 2;
}

void seep_findings_build(const struct seep_profile *profile, struct seep_findings *out) {
  struct judge judge = {.profile = profile, .out = out};
  *out = (struct seep_findings){0};
  judge.least_bytes = (double)(profile->totals.counters.live_bytes / LEAST_SHARE);
  if (judge.least_bytes < LEAST_BYTES) judge.least_bytes = LEAST_BYTES;
  judge.rows = seep_must_alloc(profile->row_count * sizeof *judge.rows);
  for (uint32_t i = 0; i < profile->row_count; i++) judge.rows[i] = &profile->rows[i];
  if (profile->row_count > 0) qsort(judge.rows, profile->row_count, sizeof *judge.rows, compare_rows);
  struct range all = {.first = 0, .end = profile->row_count, .depth = 0};
  for (uint32_t first = 0; first < all.end;) {
    struct range line = next_child(&judge, all, first);
    judge_line(&judge, line);
    first = line.end;
  }
  free(judge.rows);
  merge_states(out);
  /* Once so that the claims stand together, and then by their weight. */
  if (out->count > 0) qsort(out->rows, out->count, sizeof *out->rows, compare_findings);
  while (out->leak_count < out->count && out->rows[out->leak_count].verdict == SEEP_VERDICT_LEAK) out->leak_count++;
  weigh(out);
  if (out->leak_count > 0) qsort(out->rows, out->leak_count, sizeof *out->rows, compare_findings);
  for (uint32_t i = 0; i < profile->state_count; i++) {
    const struct seep_profile_state *state = &profile->states[i];
    if (state->epochs < out->epochs) continue;
    out->epochs = state->epochs;
    out->few = has_few_collections(state);
  }
}

void seep_held_list_free(struct seep_held_list *list) {
  for (uint32_t i = 0; i < list->count; i++) free(list->items[i].path);
  free(list->items);
}

void seep_findings_free(struct seep_findings *findings) {
  for (uint32_t i = 0; i < findings->count; i++) {
    struct seep_finding *finding = &findings->rows[i];
    seep_held_list_free(&finding->held_by);
    free(finding->evidence);
    free(finding->keys);
  }
  free(findings->rows);
  *findings = (struct seep_findings){0};
}

const char *seep_verdict_name(enum seep_verdict verdict) {
  static const char *const names[] = {"leak", "saturating", "warmup", "static", "churn", "none"};
  return names[verdict];
}
