/* Dominators and retained sizes of a graph.
 *
 * Node d dominates n if every way from the root to n leads through d: without d,
 * the collector would free n. The nearest such node is n's *dominator*; together
 * they form a tree. What a node *retains* is the sum of sizes in its subtree.
 * Where the state has a global table, the root is taken to hold it itself, as names
 * begin there: else the registry, in which 5.2 and later keep it, would be said to
 * retain the program. What ephemerons and pending finalizers hold counts as graph_mark.c has it: a
 * value belongs to its key, and the root holds what waits for a finalizer.
 *
 * Nearly linear for any shape of heap (the search tree of a list of millions is
 * as deep as the list; nothing here calls itself). Private pages, no malloc. */
#ifndef SEEP_DOMINATORS_H
#define SEEP_DOMINATORS_H

#include "heap/graph.h"

struct seep_dominators {
  uint32_t node_count;  /* of the graph */
  uint32_t reached;     /* how many nodes are reachable or pending, the root included */
  uint32_t *dominator;  /* by node; the root's is the root, that of an unreachable node SEEP_NODE_NONE */
  uint64_t *retained;   /* by node, bytes; of an unreachable node its own size */
  uint32_t *order; /* the reached nodes: each comes after its dominator, and a subtree's nodes stand near each other */
};

/* False when there is no memory. On success *out is to be freed. */
bool seep_dominators_compute(const struct seep_graph *graph, struct seep_dominators *out);
void seep_dominators_free(struct seep_dominators *dominators);

#endif
