/* What changed between two captures: rows with the same stack and type, matched by
 * files, lines and functions. Both profiles were built with SEEP_BY_ROW. */
#ifndef SEEP_COMPARE_H
#define SEEP_COMPARE_H

#include "model/profile.h"

struct seep_row_change {
  const struct seep_profile_row *before, *after;  /* at most one is NULL */
  int64_t live_bytes, live_count, survivor_bytes; /* after minus before */
};

/* The rows that changed, those whose live bytes grew most first. Returns how many; *out is to be freed. Rows point
 * into the profiles. Ends the program when there is no memory. */
size_t seep_compare_rows(const struct seep_profile *before, const struct seep_profile *after,
                         struct seep_row_change **out);

#endif
