/* What the collector would keep, and what ephemerons hold. For graph_build.c. */
#ifndef SEEP_GRAPH_MARK_H
#define SEEP_GRAPH_MARK_H

#include "heap/graph.h"

/* An edge with its node, before it has its place among the node's edges. */
struct seep_graph_extra {
  uint32_t from, target, name;
  uint8_t kind;
};

/* Sets UNREACHABLE and PENDING for all nodes as a full collection would find them.
 * `ephemerons` gets an EPHEMERON_VALUE extra for each entry whose table and key are held. False when there is
 * no memory. */
bool seep_graph_mark(struct seep_graph *graph, struct seep_array *ephemerons);

#endif
