/* What a function is called, from its source file: the VM does not keep names,
 * but the line on which a function begins usually says it, in the programmer's
 * own words ("function Account:deposit(", "cache.put = function(").
 *
 * Files are read at most once, only regular ones, only up to a size, and only
 * if they are not newer than the recording. */
#ifndef SEEP_NAMES_H
#define SEEP_NAMES_H

#include "base/base.h"

struct seep_names;

/* `started_wall_ns`: when the recording began. */
struct seep_names *seep_names_new(uint64_t started_wall_ns);
void seep_names_free(struct seep_names *names);

/* The name of the function that begins on `line` of `file`, to be freed by the
 * caller, or NULL when the line does not tell (no such file, an anonymous
 * function, two functions on the line). */
char *seep_names_find(struct seep_names *names, const char *file, uint32_t line);

/* The same from the text of that line: for tests. */
char *seep_names_from_line(const char *line, size_t count);

#endif
