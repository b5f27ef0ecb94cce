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

static char *growth_sentence(const struct seep_profile_state *state, const struct seep_curve *curve,
                             const struct seep_shape *shape, const struct seep_finding *finding) {
  char from[16], to[16], each[16];
  size_text(shape->from_bytes, from);
  size_text(shape->to_bytes, to);
  size_text(finding->survivor_bytes_per_epoch, each);
  bool at_end = shape->last_rise + 1 == curve->count;
  char *late = shape->onset == 0 ? seep_must_copy("")
      : seep_must_format(" since %.0f %% of the run", percent(curve->at_bytes[shape->onset], curve->clock_bytes));
  char *text = seep_must_format("survivors grew at %u of %u epoch ends%s, from %s to %s, %s per epoch; the last growth was %s%s",
      shape->rises, shape->steps, late, from, to, each,
      at_end ? "at the last of them" : "shortly before the end",
      shape->few ? "; there were few collections" : "");
  (void)state;
  free(late);
  return text;
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
      return seep_must_format("%s survive and do not grow: the last growth was in the first quarter of the run", survivors);
    case SEEP_VERDICT_WARMUP:
      return seep_must_format("%s survive; growth stopped before the end (last allocation at %.0f %% of the run)", survivors, last);
    case SEEP_VERDICT_SATURATING:
      return seep_must_format("%s survive; growth slows down or has stopped", survivors);
    case SEEP_VERDICT_CHURN:
      return seep_must_format("of %s allocated %s are live and %s survive: what comes goes again", allocated, live, survivors);
    default:
      if (shape->few) return seep_must_format("%s live after %llu collections: too few to tell", live, (unsigned long long)state->epochs);
      return seep_must_format("%s survive: too little growth to judge", survivors);
  }
}

void seep_evidence_write(const struct seep_profile_state *state, const struct seep_curve *curve,
                         const struct seep_shape *shape, struct seep_finding *finding) {
  double last = curve->count > 0 ? epoch_at(state, curve->count - 1) : 0;
  double epochs = last - epoch_at(state, shape->onset);
  finding->survivor_bytes_per_epoch = (shape->to_bytes - shape->from_bytes) / (epochs > 1 ? epochs : 1);
  finding->evidence = shape->verdict == SEEP_VERDICT_LEAK ? growth_sentence(state, curve, shape, finding)
                                                           : other_sentence(state, curve, shape, finding);
}
