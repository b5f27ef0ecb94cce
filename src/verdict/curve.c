/* See curve.h. */
#include "verdict/curve.h"

/* The floor of a curve: at each point the least value from there on. */
struct floor {
  uint32_t count;
  const double *x;
  double y[SEEP_CURVE_POINTS];
};

static double larger(double a, double b) { return a > b ? a : b; }
static double smaller(double a, double b) { return a < b ? a : b; }

static void take_floor(const struct seep_curve *curve, uint32_t count, struct floor *floor) {
  floor->count = count;
  floor->x = curve->at_bytes;
  double least = curve->bytes[curve->count - 1];
  for (uint32_t i = curve->count; i-- > 0;) {
    least = smaller(least, curve->bytes[i]);
    if (i < count) floor->y[i] = least;
  }
}

static double top_x(const struct floor *floor) { return floor->x[floor->count - 1]; }
static double top_y(const struct floor *floor) { return floor->y[floor->count - 1]; }

/* The floor at a clock between points. */
static double floor_at(const struct floor *floor, double x) {
  uint32_t i = 0;
  while (i < floor->count && floor->x[i] < x) i++;
  if (i == 0) return floor->y[0];
  if (i == floor->count) return top_y(floor);
  double width = floor->x[i] - floor->x[i - 1];
  double part = width > 0 ? (x - floor->x[i - 1]) / width : 1;
  return floor->y[i - 1] + part * (floor->y[i] - floor->y[i - 1]);
}

/* The last point at which the floor had no more than a share of its top. */
static uint32_t onset_of(const struct floor *floor, double share) {
  uint32_t onset = 0;
  for (uint32_t i = 0; i < floor->count; i++) {
    if (floor->y[i] - floor->y[0] <= share * (top_y(floor) - floor->y[0])) onset = i;
  }
  return onset;
}

/* -- Growing until the end ---------------------------------------------------- */

enum { RISES_WANTED = 3, SURE_RISES = 8, RESTLESS_POINTS = 9, BRIEF_POINTS = 6, A_FEW_PARTS = 4 };

/* Growth from a point to the last: how it is spread over the window (rises: points
 * at which the floor is higher by a fiftieth of the growth), how far the
 * curve itself fell meanwhile, and the longest part of the span without a rise. */
struct window {
  uint32_t from, rises, last_rise, higher;
  double growth, span, middle, last, largest, fall, flat;
};

static void measure(const struct seep_curve *curve, const struct floor *floor, uint32_t from,
                    struct window *window) {
  double start = floor->x[from], highest = 0;
  *window = (struct window){.from = from, .last_rise = from,
                            .span = top_x(floor) - start, .growth = top_y(floor) - floor->y[from]};
  double second = floor_at(floor, start + window->span * 2 / 3);
  window->middle = second - floor_at(floor, start + window->span / 3);
  window->last = top_y(floor) - second;
  for (uint32_t i = from + 1; i < floor->count; i++) {
    double rise = floor->y[i] - floor->y[i - 1];
    window->largest = larger(window->largest, rise);
    if (rise > 0) window->higher++;
    highest = larger(highest, curve->bytes[i]);
    window->fall = larger(window->fall, highest - curve->bytes[i]);
    bool rises = rise >= 0.02 * window->growth;
    window->flat = larger(window->flat, floor->x[rises ? i - 1 : i] - floor->x[window->last_rise]);
    if (!rises) continue;
    window->rises++;
    window->last_rise = i;
  }
}

static bool is_restless(const struct window *window) { return window->fall > 0.15 * window->growth; }

/* Growth is spread over the window and does not slow down. */
static bool is_steady(const struct window *window) {
  return window->growth > 0 && window->rises >= RISES_WANTED && window->last >= 0.5 * window->middle &&
         window->last >= 0.25 * window->growth && window->largest <= 0.7 * window->growth &&
         window->flat <= 0.4 * window->span;
}

/* What is still to be seen: what was born after the last point counts for growth that
 * goes on if it is as much as the rate says, or nearly. */
static bool goes_on(const struct seep_curve *curve, const struct floor *floor, const struct window *window) {
  double tail = curve->clock_bytes - top_x(floor);
  double rate = window->growth / larger(window->span, 1);
  if (tail <= 0.1 * window->span) return true;
  return curve->live_bytes - top_y(floor) >= 0.4 * rate * tail;
}

/* A line that has not allocated lately does not leak any more. */
static bool allocates_still(const struct seep_curve *curve, double start) {
  double span = curve->clock_bytes - start;
  return curve->clock_bytes - curve->last_alloc_bytes <= 0.15 * span + 4096;
}

/* Teeth: what was reached before the growth began and then given back. */
static bool is_tooth(const struct seep_curve *curve, const struct floor *floor, const struct window *window) {
  double before = 0;
  for (uint32_t i = 0; i <= window->from; i++) before = larger(before, curve->bytes[i] - floor->y[i]);
  return window->growth < 1.5 * before;
}

/* If most survivors die within a few epochs, there are more of them whenever an epoch
 * is longer: that is garbage which the collector is slow to find. Those that have
 * died are then as many as all that survived at each epoch's end. */
static bool is_renewed(const struct seep_curve *curve, const struct floor *floor, const struct window *window) {
  uint32_t last = floor->count - 1;
  double sum = 0;
  if (curve->died_share < 0.5) return false;
  for (uint32_t i = window->from + 1; i <= last; i++) sum += curve->bytes[i];
  double epochs = curve->epoch[last] - curve->epoch[window->from];
  double died_bytes = curve->bytes[last] * curve->died_share / larger(1 - curve->died_share, 1e-6);
  return died_bytes > 0.45 * epochs * sum / (last - window->from);
}

/* What the line allocated in a part of the clock, if it did so evenly. */
static double allocated_in(const struct seep_curve *curve, double span) {
  return curve->alloc_bytes * span / larger(curve->clock_bytes - curve->first_alloc_bytes, 1);
}

/* Survivors that are few beside what the last epoch brought may be garbage that was
 * still in use when the collector came by. */
static bool may_float(const struct seep_curve *curve, const struct floor *floor) {
  double share = top_y(floor) / larger(allocated_in(curve, curve->last_epoch_bytes), 1);
  return share < 0.05 || (share < 0.5 && curve->died_share > 0.1);
}

/* The growth of the window's floor, judged. Where the curve also falls, its last
 * points are not yet floor: whatever it is, the least of the rest seems to rise
 * there. They are left out, and the growth must show in the middle. */
static bool is_growth(const struct seep_curve *curve, uint32_t from, double least_bytes, double usual,
                      struct window *window) {
  struct floor floor;
  take_floor(curve, curve->count, &floor);
  measure(curve, &floor, from, window);
  if (window->growth < least_bytes || window->growth < 0.4 * usual * window->span) return false;
  if (is_tooth(curve, &floor, window) || !goes_on(curve, &floor, window)) return false;
  if (may_float(curve, &floor) && window->rises < SURE_RISES) return false;
  if (is_restless(window) || (curve->died_share > 0.5 && window->rises < SURE_RISES)) {
    uint32_t points = curve->count - from;
    if (points < RESTLESS_POINTS) return false;
    take_floor(curve, curve->count - points / 6 - 1, &floor);
    measure(curve, &floor, from, window);
    if (window->growth < least_bytes || window->middle < 0.15 * window->growth) return false;
    if (window->growth < 0.25 * window->fall || window->rises < RISES_WANTED + 2) return false;
  }
  return is_steady(window) && !is_renewed(curve, &floor, window) && allocates_still(curve, floor.x[from]);
}

static bool find_growth(const struct seep_curve *curve, const struct floor *floor, double least_bytes,
                        struct window *out) {
  uint32_t onset = onset_of(floor, 0.05);
  double usual = (top_y(floor) - floor->y[onset]) / larger(top_x(floor) - floor->x[onset], 1);
  for (uint32_t from = onset; from + RISES_WANTED < floor->count; from++) {
    if (top_x(floor) - floor->x[from] < 0.04 * curve->clock_bytes) break;
    if (is_growth(curve, from, least_bytes, usual, out)) return true;
  }
  return false;
}

/* One point more: what the last end of an epoch has spared for the first time. */
static void add_spared(struct floor *floor, double x[], const struct seep_curve *curve) {
  uint32_t count = floor->count;
  if (curve->resized || count == SEEP_CURVE_POINTS || curve->ended_bytes <= floor->x[count - 1]) return;
  for (uint32_t i = 0; i < count; i++) x[i] = floor->x[i];
  x[count] = curve->ended_bytes;
  floor->y[count] = floor->y[count - 1] + curve->spared_bytes;
  floor->x = x;
  floor->count = count + 1;
}

/* Every part of the window, a fifth of it or more, rises at half the usual rate at least. */
static bool never_slows(const struct floor *floor, const struct window *window) {
  double rate = window->growth / larger(window->span, 1);
  uint32_t before = window->from;
  for (uint32_t i = before + 1; i < floor->count; i++) {
    double width = floor->x[i] - floor->x[before];
    if (width < 0.2 * window->span) continue;
    if (floor->y[i] - floor->y[before] < 0.5 * rate * width) return false;
    before = i;
  }
  return true;
}

/* With few ends of epochs there are few points; then every cohort must have stayed
 * at much the same rate, and nothing that once was spared may have died. */
static bool find_brief_growth(const struct seep_curve *curve, const struct floor *known, double least_bytes,
                              struct window *out) {
  struct floor copy = *known, *floor = &copy;
  double x[SEEP_CURVE_POINTS];
  add_spared(floor, x, curve);
  measure(curve, floor, onset_of(floor, 0.05), out);
  uint32_t points = floor->count - out->from;
  if (points < 3 || points > BRIEF_POINTS || out->growth < 4 * least_bytes || curve->died_share > 0.1) return false;
  if (out->growth < 0.5 * allocated_in(curve, out->span)) return false;
  return never_slows(floor, out) && goes_on(curve, floor, out) && allocates_still(curve, floor->x[out->from]);
}

/* How the sizes of a line's newest blocks went. */
struct sizes {
  uint32_t rises;
  double last_x, before_x;       /* the clock at the last rise and at the one before */
  double last_third, top;        /* by how much they rose in the last third of the points; the last size */
};

/* False when a block was smaller than the one seen before. */
static bool never_shrink(const struct seep_curve *curve, struct sizes *sizes) {
  *sizes = (struct sizes){0};
  for (uint32_t i = 0; i < curve->count; i++) {
    double size = curve->newest_bytes[i], rise = size - sizes->top;
    if (size == 0) continue;
    if (rise < 0) return false;
    if (3 * i >= 2 * curve->count) sizes->last_third += rise;
    sizes->top = size;
    if (rise == 0) continue;
    sizes->rises++;
    sizes->before_x = sizes->last_x;
    sizes->last_x = curve->at_bytes[i];
  }
  return true;
}

/* A text to which lines are appended is a new, longer string each time: hardly one
 * survives, but each is larger than the one before. */
static bool find_swelling(const struct seep_curve *curve, double least_bytes, struct window *out) {
  struct sizes sizes;
  if (curve->count < RISES_WANTED || !never_shrink(curve, &sizes)) return false;
  *out = (struct window){.growth = sizes.top, .span = curve->clock_bytes, .rises = sizes.rises, .higher = sizes.rises,
                         .last_rise = curve->count - 1};
  return sizes.rises >= SURE_RISES && sizes.top >= 4 * least_bytes && sizes.last_third >= 0.1 * sizes.top &&
         2 * sizes.rises >= curve->count && curve->live_bytes >= sizes.top && allocates_still(curve, 0);
}

/* A part that doubles when it is full (a table's array or hash) was allocated anew
 * at growing intervals: all that it ever was is about twice what it is, and the last
 * time was in the second half. Of a single one each was larger than the one before. It
 * must be a large part of the heap: a list of what comes and goes grows as well. */
static bool find_doubling(const struct seep_curve *curve, double least_bytes, struct window *out) {
  struct sizes sizes;
  if (!curve->resized || curve->count < RISES_WANTED) return false;
  bool larger_each = never_shrink(curve, &sizes) && sizes.rises >= 2;
  *out = (struct window){.growth = curve->live_bytes, .span = curve->clock_bytes, .rises = sizes.rises,
                         .higher = sizes.rises, .last_rise = curve->count - 1};
  bool matters = curve->live_bytes >= 4 * least_bytes && curve->live_bytes >= 0.1 * curve->heap_bytes;
  return matters && (larger_each || curve->live_count > A_FEW_PARTS) &&
         curve->alloc_bytes >= 1.6 * curve->live_bytes && curve->alloc_bytes <= 2.6 * curve->live_bytes &&
         curve->first_alloc_bytes <= 0.3 * curve->clock_bytes && curve->clock_bytes <= 2 * curve->last_alloc_bytes;
}

/* -- Why not ------------------------------------------------------------------- */

static double highest(const struct seep_curve *curve) {
  double most = 0;
  for (uint32_t i = 0; i < curve->count; i++) most = larger(most, curve->bytes[i]);
  return most;
}

/* The clock, as a share of the whole, at which the floor had nearly all it has. */
static double settled_at(const struct seep_curve *curve, const struct floor *floor) {
  uint32_t last = onset_of(floor, 0.95);
  if (last + 1 < floor->count) last++;
  return smaller(floor->x[last], curve->last_alloc_bytes) / larger(curve->clock_bytes, 1);
}

static enum seep_verdict explain(const struct seep_curve *curve, const struct floor *floor, double least_bytes) {
  double most = highest(curve), top = top_y(floor);
  if (most < least_bytes) return curve->alloc_bytes > 8 * least_bytes ? SEEP_VERDICT_CHURN : SEEP_VERDICT_NONE;
  struct window whole;
  measure(curve, floor, 0, &whole);
  if (top < 0.5 * most || whole.fall > 0.5 * most || curve->died_share > 0.3) return SEEP_VERDICT_CHURN;
  if (settled_at(curve, floor) < 0.25) return SEEP_VERDICT_STATIC;
  return allocates_still(curve, 0) ? SEEP_VERDICT_SATURATING : SEEP_VERDICT_WARMUP;
}

/* -- The whole ------------------------------------------------------------------- */

static void describe_growth(const struct seep_curve *curve, const struct floor *floor, const struct window *window,
                            struct seep_shape *out) {
  out->onset = window->from;
  out->steps = floor->count - 1 - window->from;
  out->rises = window->higher;
  out->last_rise = window->last_rise;
  out->from_bytes = floor->y[window->from];
  out->to_bytes = out->doubling ? curve->live_bytes : out->swelling ? window->growth : top_y(floor);
  out->rate = window->growth / larger(window->span, 1);
}

static bool find_leak(const struct seep_curve *curve, const struct floor *floor, double least_bytes,
                      struct window *window, struct seep_shape *out) {
  if (curve->idle_share > 0.3) return false;
  out->verdict = SEEP_VERDICT_LEAK;
  if (find_growth(curve, floor, least_bytes, window)) {
    out->confidence = 0.6 + 0.39 * window->rises / (window->rises + 4.0);
    return true;
  }
  if (curve->is_share) return false;
  out->confidence = 0.5;
  out->few = find_brief_growth(curve, floor, least_bytes, window);
  if (out->few) return true;
  out->confidence = 0.6;
  out->doubling = find_doubling(curve, least_bytes, window);
  out->swelling = !out->doubling && find_swelling(curve, least_bytes, window);
  return out->doubling || out->swelling;
}

void seep_curve_judge(const struct seep_curve *curve, double least_bytes, struct seep_shape *out) {
  struct floor floor;
  struct window window = {0};
  *out = (struct seep_shape){.verdict = SEEP_VERDICT_NONE, .confidence = 0.5, .few = true};
  if (curve->count == 0) return;
  take_floor(curve, curve->count, &floor);
  out->few = false;
  if (!find_leak(curve, &floor, least_bytes, &window, out)) {
    measure(curve, &floor, onset_of(&floor, 0.05), &window);
    *out = (struct seep_shape){.verdict = explain(curve, &floor, least_bytes), .confidence = 0.5,
                               .few = curve->count < 4};
  }
  describe_growth(curve, &floor, &window, out);
}

double seep_curve_growth(const struct seep_curve *curve, double since_bytes) {
  struct floor floor;
  if (curve->count == 0) return 0;
  take_floor(curve, curve->count, &floor);
  return top_y(&floor) - floor_at(&floor, since_bytes);
}
