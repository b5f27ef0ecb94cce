/* From an image to a graph: what reads a heap (vm/objects.h) and what builds a graph (graph_build.h), put together. */
#ifndef SEEP_IMAGE_GRAPH_H
#define SEEP_IMAGE_GRAPH_H

#include "heap/graph.h"

/* What was read besides the graph. */
struct seep_image_graph {
  struct seep_graph graph;
  uint64_t damage_count;  /* pointers and lists that could not be followed */
  const char *damage;     /* the first of them, or NULL: "a table's nodes" */
};

/* The graph of `state`. `name` is what the state is called, `release` that of its build if it is known, else NULL: the
 * releases that its layout fits are said instead. If objects and ledger do not add up to the VM's own count, the
 * ledger gets a line "in flight". On success out->graph is to be freed with seep_graph_free; on failure nothing is.
 * SEEP_E_FORMAT: the state is none any more. One thread; may run in a forked child. */
enum seep_status seep_image_graph_read(struct seep_image *image, const struct seep_heap_state *state, const char *name,
                                       const char *release, struct seep_image_graph *out, struct seep_error *error);

#endif
