/* See evidence.h. */
#include "verdict/evidence.h"

#include <stdlib.h>

#include "base/text.h"

/* The number of the epoch whose end a point of the curve stands for. */
static double epoch_at(const struct seep_profile_state *state, uint32_t point) {
  const struct seep_history *history = &state->history;
  if (point < history->count) return history->moments[point].epoch;
  return (double)state->epochs - 1 + (point > history->count);
}

static void size_text(double bytes, char out[16]) { seep_text_bytes(bytes > 0 ? (uint64_t)bytes : 0, out); }

static double percent(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }

static char *growth_sentence(const struct seep_curve *curve, const struct seep_shape *shape,
                             const struct seep_finding *finding) {
  char from[16], to[16], each[16];
  size_text(shape->from_bytes, from);
  size_text(shape->to_bytes, to);
  size_text(finding->survivor_bytes_per_epoch, each);
  double since = percent(curve->at_bytes[shape->onset], curve->clock_bytes);
  const char *last = shape->last_rise + 1 >= curve->count ? "at the last one" : "shortly before the end";
  return seep_must_format("survivors grew at %u of the %u epoch ends that were kept since %.0f %% of the run, "
                          "from %s to %s, %s per epoch; the last growth was %s",
                          shape->rises, shape->steps, since, from, to, each, last);
}

/* Few ends of epochs: what is said is what became of all that was allocated. */
static char *brief_sentence(const struct seep_profile_state *state, const struct seep_curve *curve,
                            const struct seep_finding *finding) {
  char live[16], allocated[16];
  seep_text_bytes(finding->live_bytes, live);
  size_text(curve->alloc_bytes, allocated);
  return seep_must_format("most of what was allocated here is still there: %s of %s, after %llu collections, and at "
                          "the same rate until the end; there were few collections, so this may be a program that is "
                          "still filling up", live, allocated, (unsigned long long)state->epochs);
}

static char *doubling_sentence(const struct seep_curve *curve, const struct seep_finding *finding) {
  char live[16], allocated[16];
  seep_text_bytes(finding->live_bytes, live);
  size_text(curve->alloc_bytes, allocated);
  return seep_must_format("a part of a table that is made twice as large when it is full, and never smaller: %s now, "
                          "%s in all; the last time at %.0f %% of the run", live, allocated,
                          percent(curve->last_alloc_bytes, curve->clock_bytes));
}

static char *swelling_sentence(const struct seep_shape *shape) {
  char to[16];
  size_text(shape->to_bytes, to);
  return seep_must_format("each new block replaces a smaller one: the newest was larger than before at %u epoch ends, "
                          "and has %s now", shape->rises, to);
}

static char *leak_sentence(const struct seep_profile_state *state, const struct seep_curve *curve,
                           const struct seep_shape *shape, const struct seep_finding *finding) {
  if (shape->doubling) return doubling_sentence(curve, finding);
  if (shape->swelling) return swelling_sentence(shape);
  if (shape->few) return brief_sentence(state, curve, finding);
  return growth_sentence(curve, shape, finding);
}

static char *other_sentence(const struct seep_profile_state *state, const struct seep_curve *curve,
                            const struct seep_shape *shape, const struct seep_finding *finding) {
  char live[16], survivors[16], allocated[16];
  seep_text_bytes(finding->live_bytes, live);
  seep_text_bytes(finding->survivor_bytes, survivors);
  size_text(curve->alloc_bytes, allocated);
  double last = percent(curve->last_alloc_bytes, curve->clock_bytes);
  switch (shape->verdict) {
    case SEEP_VERDICT_STATIC:
      return seep_must_format("%s survive; all of it came in the first quarter of the run", survivors);
    case SEEP_VERDICT_WARMUP:
      return seep_must_format("%s survive; the line stopped allocating at %.0f %% of the run",
                              survivors, last);
    case SEEP_VERDICT_SATURATING:
      return seep_must_format("%s survive; they grow no more, or more and more slowly, though the line goes on",
                              survivors);
    case SEEP_VERDICT_CHURN:
      return seep_must_format("of %s allocated %s are live and %s survive: what comes goes again",
                              allocated, live, survivors);
    default:
      if (shape->few) {
        return seep_must_format("%s live after %llu collections: too few to tell", live,
                                (unsigned long long)state->epochs);
      }
      return seep_must_format("%s live, %s survive: too little to judge", live, survivors);
  }
}

void seep_evidence_write(const struct seep_profile_state *state, const struct seep_curve *curve,
                         const struct seep_shape *shape, struct seep_finding *finding) {
  double last = curve->count > 0 ? epoch_at(state, curve->count - 1) : 0;
  double epochs = last - epoch_at(state, shape->onset);
  finding->survivor_bytes_per_epoch = (shape->to_bytes - shape->from_bytes) / (epochs > 1 ? epochs : 1);
  finding->evidence = shape->verdict == SEEP_VERDICT_LEAK ? leak_sentence(state, curve, shape, finding)
                                                           : other_sentence(state, curve, shape, finding);
}
