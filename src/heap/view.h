/* A graph with all that is worked out about it: what the answers are read from. */
#ifndef SEEP_VIEW_H
#define SEEP_VIEW_H

#include "heap/dominators.h"
#include "heap/groups.h"
#include "heap/paths.h"

struct seep_heap_view {
  const struct seep_graph *graph;
  struct seep_dominators dominators;
  struct seep_paths paths;
  struct seep_groups groups;
};

/* The graph must live as long. SEEP_E_MEMORY, or SEEP_OK: then to be freed. */
enum seep_status seep_heap_view_build(const struct seep_graph *graph, struct seep_heap_view *out,
                                      struct seep_error *error);
void seep_heap_view_free(struct seep_heap_view *view);

/* -- What is read from it ------------------------------------------------------------ */

/* Objects of one kind. */
struct seep_type_sum {
  const char *type;
  uint64_t count, bytes;
};

/* Largest first; returns how many of the SEEP_NODE_KIND_COUNT entries are in use. `with_garbage`: unreachable ones too.
 */
uint32_t seep_heap_types(const struct seep_graph *graph, bool with_garbage, struct seep_type_sum out[]);

/* The nodes that hold the most: those that nothing but a root, _G, the registry, package.loaded or the main thread
 * dominates. Largest retained size first; `out` is an array of uint32_t, to be freed. False when there is no memory. */
bool seep_heap_dominators(const struct seep_heap_view *view, struct seep_array *out);

/* Where memory gathers (the rules of Eclipse MAT): a node that retains more than a tenth of the heap, and the node
 * below it at which the retained size falls apart: none of its children keeps 0.7 of what it keeps. */
struct seep_gathering {
  uint32_t node, point;     /* the same when it falls apart at once */
  uint32_t group;           /* of the children that make up most of the point, or SEEP_GROUP_NONE */
  uint64_t group_count, group_bytes;
};
bool seep_heap_gatherings(const struct seep_heap_view *view, const struct seep_array *dominators,
                          struct seep_array *out);

/* Groups of at least two objects, by retained bytes: numbers of groups (uint32_t). By slack: of tables, those that have
 * any. */
bool seep_heap_groups(const struct seep_heap_view *view, struct seep_array *out);
bool seep_heap_slack(const struct seep_heap_view *view, struct seep_array *out);

/* Strings with the same content. */
struct seep_duplicate {
  uint32_t node;            /* one of them */
  uint64_t count, bytes;    /* all of them */
};

SEEP_ALWAYS_INLINE uint64_t seep_duplicate_wasted(const struct seep_duplicate *duplicate) {
  return duplicate->bytes - duplicate->bytes / duplicate->count;
}

/* Those that are reachable and exist more than once, by the bytes that one copy would save. */
bool seep_heap_duplicates(const struct seep_graph *graph, struct seep_array *out);

#endif
