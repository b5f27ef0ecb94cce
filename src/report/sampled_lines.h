/* Lines of two sampled snapshots: what the blocks that were sampled say about how much all blocks of a line have grown.
 *
 * Model: a site's blocks are all of about one size (the site is a row of the capture, of one size class), so each stands for
 * as many as in the tables (model/estimate.h). Blocks are objects and parts of objects that are still reachable. What a
 * line's objects retain is not known: of an object that was not sampled nobody knows whose it is. */
#ifndef SEEP_SAMPLED_LINES_H
#define SEEP_SAMPLED_LINES_H

#include "heap/view.h"
#include "model/estimate.h"

/* A snapshot's side: `view` may be NULL (there is no such state); `interval_bytes`: 0 in one whose objects are all
 * known. */
struct seep_sampled_side {
  const struct seep_heap_view *view;
  uint32_t interval_bytes;
};

struct seep_sampled_line {
  const struct seep_graph *graph;   /* that `site` is of: to name the line */
  uint32_t site;
  struct seep_estimate was_bytes, is_bytes;   /* of blocks */
  struct seep_estimate was_count, is_count;   /* of objects */
  double growth_bytes, low_bytes, high_bytes;   /* and its 95 % interval */
};

/* Lines that have objects on either side, as struct seep_sampled_line, those that grew most first. */
void seep_sampled_lines(const struct seep_sampled_side *before, const struct seep_sampled_side *after,
                        struct seep_array *out);

#endif
