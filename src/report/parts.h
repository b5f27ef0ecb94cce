/* What the outputs for people share. Names from the program are escaped. */
#ifndef SEEP_PARTS_H
#define SEEP_PARTS_H

#include <stdio.h>

#include "report/report.h"

void seep_print_escaped(FILE *out, const char *text);
void seep_print_size(FILE *out, uint64_t size_bytes);
void seep_print_count(FILE *out, uint64_t count, const char *one, const char *many);

/* The program with VM, mode, duration and pid, and what is missing in the recording. */
void seep_print_program(const struct seep_profile *profile, FILE *out);

/* "32 full collections, 4 minor ones" */
void seep_print_collections(const struct seep_profile *profile, FILE *out);

/* What a row's line and type hold on to, if that is known; the list is empty otherwise, and to be freed in any case. */
void seep_find_held(const struct seep_profile *profile, const struct seep_profile_row *row,
                    const struct seep_holding *holding, struct seep_held_list *out);

/* At most `limit` of what holds something, each on a line that begins with `indent`. */
void seep_print_held(const struct seep_held_list *held, uint32_t limit, const char *indent, FILE *out);

/* "Server:join :158", with the file where it is not `file_before` (may be NULL). */
void seep_print_caller(const struct seep_profile_frame *frame, const char *file_before, FILE *out);

/* A line with the callers of a stack, leaf first, that stands in `file`; nothing when
 * there are none. The first Lua frame stands elsewhere. */
void seep_print_callers(const struct seep_profile_frame *const *frames, uint32_t count, const char *file,
                        FILE *out);

#endif
