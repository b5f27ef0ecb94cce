/* What functions are called, from their source files: in the programmer's own words ("Account:deposit", "cache.put",
 * "local t = { on = { click = function": t.on.click), see vm/definitions.h.
 *
 * A file is believed only where it holds, on exactly those lines, a function from beginning to end. Files are read at
 * most once, only regular ones, only up to a size, and only if they are not newer than the recording. */
#ifndef SEEP_NAMES_H
#define SEEP_NAMES_H

#include "base/base.h"

struct seep_names;

/* A function of which a name is sought. */
struct seep_names_function {
  const char *file;
  uint32_t line, line_last;  /* on which it begins and ends; line_last 0: not known */
  const char *called;        /* what it was called by, to tell functions on the same lines apart; or NULL */
};

/* `started_wall_ns`: when the recording began. */
struct seep_names *seep_names_new(uint64_t started_wall_ns);
void seep_names_free(struct seep_names *names);

/* The name of a function, good until the names are freed; NULL when its file does not tell (it is gone or newer, the
 * function is anonymous, there are several on its lines). `is_part`: a key without the name of what it is the key of.
 * `is_part` may be NULL. */
const char *seep_names_find(struct seep_names *names, const struct seep_names_function *function, bool *is_part);

/* The same from a text: for tests. To be freed by the caller. */
char *seep_names_from_text(const char *text, size_t size_bytes, const struct seep_names_function *function);

/* "anonymous <app.lua:12>", for a function that nothing names; to be freed. */
char *seep_names_anonymous(const char *file, uint32_t line);
bool seep_names_is_anonymous(const char *name);

#endif
