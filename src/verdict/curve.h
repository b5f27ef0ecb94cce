/* The shape of one survivor curve: does it grow until the end, and if not, why
 * not. Numbers only: nothing of captures, lines or texts.
 *
 * Model: a curve says how many bytes of what was born until some clock were still
 * alive later, at ends of epochs. The clock is the bytes that the state had
 * allocated, so the shape does not depend on how often the collector ran. What is
 * judged is the *floor*: the least value from a point on, that is, what was never
 * given back. A leak's floor rises from its onset to the end and does not slow
 * down; a cache's flattens, a load's is one step, a sawtooth's stays low and no
 * tooth is higher than those before.
 *
 * Pure functions; any numbers are safe. */
#ifndef SEEP_CURVE_H
#define SEEP_CURVE_H

#include "base/base.h"

enum { SEEP_CURVE_POINTS = 40 };

enum seep_verdict { SEEP_VERDICT_LEAK, SEEP_VERDICT_SATURATING, SEEP_VERDICT_WARMUP,
                    SEEP_VERDICT_STATIC, SEEP_VERDICT_CHURN, SEEP_VERDICT_NONE };

struct seep_curve {
  uint32_t count;                       /* of points, in the order of born_bytes */
  double at_bytes[SEEP_CURVE_POINTS];   /* the clock until which the survivors of a point were born */
  double bytes[SEEP_CURVE_POINTS];      /* survivors */
  double newest_bytes[SEEP_CURVE_POINTS]; /* the size of the newest block then */
  double epoch[SEEP_CURVE_POINTS];      /* the number of the epoch that ended there */
  bool is_share;                        /* of a line's callers, or of no line: judged by a long curve alone */
  bool resized;                         /* parts that grow in place: few, each twice the one before */
  double clock_bytes;                   /* now */
  double last_epoch_bytes;              /* of the clock, in the last epoch that ended */
  double idle_share;                    /* of the program's work, done after it had all but stopped allocating */
  double first_alloc_bytes, last_alloc_bytes; /* the clock at those allocations */
  double ended_bytes;                   /* the clock at the last end of an epoch */
  double spared_bytes;                  /* what lives of the epoch that it ended */
  double heap_bytes;                    /* live of the whole state, now */
  double live_bytes, live_count, alloc_bytes; /* now; of all blocks ever */
  double died_share;                    /* of the blocks that became survivors, how many are gone: 0 to 1 */
};

struct seep_shape {
  enum seep_verdict verdict;
  double confidence;                    /* 0 to 1 */
  bool doubling;                        /* the growth is that of a part that doubles when it is full */
  bool swelling;                        /* … of one block that is replaced by a larger one again and again */
  bool few;                             /* there were too few ends of epochs to see a curve */
  uint32_t onset, steps, rises;         /* point where growth began; points after it; how many are higher than before */
  uint32_t last_rise;                   /* point of the last growth */
  double from_bytes, to_bytes;          /* floor at the onset and at the last point */
  double rate;                          /* bytes that stay per byte of the clock, from the onset on */
};

/* Judges a curve; growth below `least_bytes` is none. */
void seep_curve_judge(const struct seep_curve *curve, double least_bytes, struct seep_shape *out);

/* By how much the floor rises from a clock on. */
double seep_curve_growth(const struct seep_curve *curve, double since_bytes);

#endif
