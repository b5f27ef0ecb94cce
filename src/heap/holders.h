/* What holds the objects that one line allocated, grouped by path: the join of a
 * recording and a heap. */
#ifndef SEEP_HOLDERS_H
#define SEEP_HOLDERS_H

#include "heap/view.h"

/* Objects of one line behind one path, or parts of objects there that the line allocated (a table's array). */
struct seep_holder {
  uint64_t line;          /* hash of file and line */
  bool are_parts;
  uint32_t group;
  double count, bytes;    /* of the objects, parts included, or of the parts */
};

/* All of them, as struct seep_holder, by line, those with most bytes first; none when there was no recording. Only what
 * has a path counts. `weights`: how many objects each object of a site stands for, by the site's number; NULL: one each.
 * False when there is no memory. */
bool seep_holders_build(const struct seep_heap_view *view, const double *weights, struct seep_array *out);

/* Those of one line, most bytes first; returns how many there are. `file` as shown. */
size_t seep_holders_of(const struct seep_array *holders, const char *file, uint32_t line,
                       const struct seep_holder **first);

#endif
