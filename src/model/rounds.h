/* What is left over from every round of a test: the judgement behind `check`.
 *
 * Model: after each round (and full collections) the live bytes of every row are
 * noted. Rows are put together by (line, type). The first rounds are warm-up:
 * caches fill, tables find their size. After that a group leaks
 *  - if it is larger after every round than after the one before; or
 *  - for buffers that stay as many, which a growing table doubles ever more rarely: if it grew both
 *    in the first and in the second half of the rounds, the second as long as all
 *    before it. A table that gets entries in every round has to double in each;
 *    one that finds its size, or a string table that is resized once, does not.
 * Of a leaking group the rows that grew themselves are chosen.
 *
 * Ends like seep_must_alloc when there is no memory. */
#ifndef SEEP_ROUNDS_H
#define SEEP_ROUNDS_H

#include "store/reader.h"

enum { SEEP_ROUNDS_MIN = 2, SEEP_ROUNDS_MAX = 1000 };

struct seep_rounds_live {
  uint64_t bytes, count;
};

enum { SEEP_ROUNDS_NAME_BYTES = 16 };

struct seep_rounds {
  uint32_t count;                 /* rounds asked for */
  uint32_t warmup;                /* of which the first do not count */
  uint32_t noted;                 /* from the end of the last warm-up round on */
  uint32_t *row_counts;           /* of each point */
  struct seep_rounds_live **live; /* of each point, by row number */
  char ignored[2][SEEP_ROUNDS_NAME_BYTES];  /* as captures name C functions */
};

void seep_rounds_init(struct seep_rounds *rounds, uint32_t count);

/* What the C function that runs the collections allocates itself (a collector may
 * resize stacks) is nobody's. It is known by its address, or by that of its
 * object: by what the VM goes by. */
void seep_rounds_ignore(struct seep_rounds *rounds, uintptr_t function, uintptr_t object);

void seep_rounds_clear(struct seep_rounds *rounds);

/* Notes how rows stand after the next round, the last warm-up round first. */
void seep_rounds_note(struct seep_rounds *rounds, const struct seep_reader *reader, uint32_t state);

/* What leaks. */
struct seep_rounds_finding {
  uint32_t leaking_count;         /* rows that leak, of */
  uint32_t row_count;
  bool *leaks;                    /* by row number */
  struct seep_rounds_live *per_round;  /* of those rows: what is typically left over */
};
void seep_rounds_finding_clear(struct seep_rounds_finding *finding);

/* Judges the rows of the capture as it is after the last round. */
void seep_rounds_judge(const struct seep_rounds *rounds, const struct seep_reader *reader, uint32_t state,
                       struct seep_rounds_finding *finding);

enum seep_rounds_verdict { SEEP_ROUNDS_INNOCENT, SEEP_ROUNDS_LEAK, SEEP_ROUNDS_GROWING_BUFFER };

/* The judgement on the live bytes of one group at `point_count` points, the first
 * being the end of `warmup` rounds; one_buffer: of buffers that stay as many. */
enum seep_rounds_verdict seep_rounds_judge_series(const uint64_t *live_bytes, uint32_t point_count, uint32_t warmup,
                                                  bool one_buffer);

#endif
