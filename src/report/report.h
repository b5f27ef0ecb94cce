/* The outputs: one file per kind. All take a finished profile and write it to a
 * stream; rows past `limit` are left out (0: no limit). */
#ifndef SEEP_REPORT_H
#define SEEP_REPORT_H

#include <stdio.h>

#include "model/profile.h"

/* The table for people, with a heading and the ledger. */
void seep_report_table(const struct seep_profile *profile, uint32_t limit, FILE *out);

/* `show --json`, schema 1 (DESIGN.md). False when writing failed. */
bool seep_report_json(const struct seep_profile *profile, uint32_t limit, FILE *out);

#endif
