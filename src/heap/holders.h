/* What holds the objects that one site or line allocated, grouped by path: the join of a
 * recording and a heap. Sites are told apart by keys that the caller gives; a line's is its hash. */
#ifndef SEEP_HOLDERS_H
#define SEEP_HOLDERS_H

#include "heap/view.h"

/* Objects of one key behind one path, or parts of objects there that were allocated under the key (a table's array). */
struct seep_holder {
  uint64_t key;
  bool are_parts;
  uint32_t group;
  double count, bytes;    /* of the objects, parts included, or of the parts */
};

/* All of them, as struct seep_holder, by key, those with most bytes first; none when there was no recording. Only what
 * has a path counts. By the site's number: `weights`, how many objects each object of a site stands for, NULL: one
 * each; `keys`, 0: it does not count, NULL: those of lines. False when there is no memory. */
bool seep_holders_build(const struct seep_heap_view *view, const double *weights, const uint64_t *keys,
                        struct seep_array *out);

/* The key of a line. `file` as shown. */
uint64_t seep_holders_line(const char *file, uint32_t line);

/* Those of one key, most bytes first; returns how many there are. */
size_t seep_holders_of(const struct seep_array *holders, uint64_t key, const struct seep_holder **first);

#endif
