/* A graph to measure on that needs no program: a server's heap, made up. */
#ifndef MADE_UP_HEAP_H
#define MADE_UP_HEAP_H

#include "heap/graph.h"

/* About so many objects. False, and a line on stderr, when there is no memory; else to be freed with seep_graph_free.
 * *resolve_cpu_ns is what the last part of building took: addresses to nodes, and reachability. */
bool make_up_heap(uint64_t objects, struct seep_graph *out, uint64_t *resolve_cpu_ns);

#endif
