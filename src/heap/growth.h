/* What grew between two snapshots of a program: by path, by type, by the line that
 * allocated. Groups are matched by their paths' names, lines by file and number. */
#ifndef SEEP_GROWTH_H
#define SEEP_GROWTH_H

#include "heap/view.h"

#define SEEP_GROWTH_NONE 0xffffffffu

struct seep_amount {
  uint64_t count, self_bytes, retained_bytes;
};

/* One thing in both snapshots, or in one of them: `before` and `after` are numbers of groups, kinds or lines there,
 * or SEEP_GROWTH_NONE. */
struct seep_growth {
  uint32_t before, after;
  struct seep_amount was, is;
};

SEEP_ALWAYS_INLINE int64_t seep_growth_of(uint64_t was, uint64_t is) { return (int64_t)(is - was); }

/* Each fills `out` with struct seep_growth, those whose retained size grew most first and those that shrank last; what
 * did not change is left out. Either view may be NULL: a state that was not there. False when there is no memory. */

/* Groups of alike objects, and single objects that grew themselves (a string that is appended to, a table's array);
 * single objects that only hold more than before are left out: what they hold is told. */
bool seep_growth_by_path(const struct seep_heap_view *before, const struct seep_heap_view *after,
                         struct seep_array *out);

/* By type; retained is self here. Numbers are those of enum seep_node_kind, of one kind of that type. */
bool seep_growth_by_type(const struct seep_heap_view *before, const struct seep_heap_view *after,
                         struct seep_array *out);

/* A line at which objects of a snapshot were allocated. */
struct seep_line {
  uint32_t site;             /* one of its sites */
  uint64_t hash;             /* of file and line */
  struct seep_amount amount; /* of what is reachable */
};

/* The lines of a snapshot as struct seep_line, in no order; none when there was no recording. */
bool seep_growth_lines(const struct seep_heap_view *view, struct seep_array *out);

/* By line: numbers are places in those arrays. Lines that made what holds the growth, and did not grow themselves, are
 * left out. */
bool seep_growth_by_line(const struct seep_array *before, const struct seep_array *after, struct seep_array *out);

#endif
