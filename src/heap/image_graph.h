/* From an image to a graph: what reads a heap (vm/objects.h) and what builds a graph (graph_build.h), put together. */
#ifndef SEEP_IMAGE_GRAPH_H
#define SEEP_IMAGE_GRAPH_H

#include "heap/graph.h"

/* What to read, and what to ask on the way. */
struct seep_image_reading {
  const char *name;      /* what the state is called */
  const char *release;   /* that of its build if it is known, else NULL: the releases that its layout fits are said */
  bool is_last;          /* nothing more will be read from the image: it may give its memory back (seep_image.release)
                            before the graph needs as much */
  uint32_t (*row_of)(void *context, uint64_t address, uint8_t kind);  /* who made an object, or a part of
                            one; NULL: nobody knows */
  void *context;
};

/* What was read besides the graph. */
struct seep_image_graph {
  struct seep_graph graph;
  uint32_t *rows;         /* by node: what row_of said; private pages, NULL without it */
  uint64_t damage_count;  /* pointers and lists that could not be followed */
  const char *damage;     /* the first of them, or NULL: "a table's nodes" */
};

/* The graph of `state`. If objects and ledger do not add up to the VM's own count, the ledger gets a line "in flight".
 * On success out->graph is to be freed with seep_graph_free, and out->rows as pages of node_count numbers; on failure
 * nothing is. SEEP_E_FORMAT: the state is none any more. One thread; may run in a forked child. */
enum seep_status seep_image_graph_read(struct seep_image *image, const struct seep_heap_state *state,
                                       const struct seep_image_reading *reading, struct seep_image_graph *out,
                                       struct seep_error *error);

#endif
