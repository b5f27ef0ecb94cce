/* `diff` of two captures: what is alive in the second and was not in the first, by
 * call stack and type. Both profiles were built with SEEP_BY_ROW. */
#ifndef SEEP_CAPTURE_DIFF_H
#define SEEP_CAPTURE_DIFF_H

#include <stdio.h>

#include "model/profile.h"

void seep_report_capture_diff(const struct seep_profile *before, const struct seep_profile *after, uint32_t limit,
                              FILE *out);

/* False when writing failed. */
bool seep_report_capture_diff_json(const struct seep_profile *before, const struct seep_profile *after, uint32_t limit,
                                   FILE *out);

#endif
