/* The outputs: one file per kind. All take a finished profile and write it to a
 * stream; rows past `limit` are left out (0: no limit). */
#ifndef SEEP_REPORT_H
#define SEEP_REPORT_H

#include <stdio.h>

#include "verdict/verdict.h"

/* Whoever knows what holds the memory that was allocated under some keys of a profile's rows (profile.h), or, without
 * keys, by a line: all of it, or the objects of one type. */
struct seep_held_question {
  const uint64_t *keys;
  uint32_t key_count;
  const char *file;
  uint32_t line;
  int type;   /* enum seep_type, or SEEP_HELD_ANY_TYPE */
};
enum { SEEP_HELD_ANY_TYPE = -1 };
struct seep_holding {
  void (*find)(void *data, const struct seep_held_question *question, struct seep_held_list *out); /* out: to be freed */
  void *data;
};

/* The table for people, with a heading and the ledger; `holding` may be NULL. */
void seep_report_table(const struct seep_profile *profile, const struct seep_holding *holding, uint32_t limit,
                       FILE *out);

/* `show --json`, schema 1 (DESIGN.md); `holding` may be NULL. False when writing failed. */
bool seep_report_json(const struct seep_profile *profile, const struct seep_holding *holding, uint32_t limit,
                      FILE *out);

/* `leaks`: the claims with their evidence, then why other lines are none. */
void seep_report_leaks(const struct seep_profile *profile, const struct seep_findings *findings,
                       uint32_t limit, FILE *out);

/* The same in a few lines, for the summary of `run`. */
void seep_report_leaks_summary(const struct seep_profile *profile, const struct seep_findings *findings, FILE *out);

/* `leaks --json`, schema 1. False when writing failed. */
bool seep_report_leaks_json(const struct seep_findings *findings, uint32_t limit, FILE *out);

#endif
