/* Shortest paths from the roots to every node, with names.
 *
 * Model: a breadth first search along edges that hold. It starts at the places
 * that names begin with (_G, then package.loaded, then the root), so a path is
 * the shortest that begins at one of them. A path is read backwards: each node
 * has the edge by which it was reached first. Last comes what nothing holds any
 * more, but variables of a call did that has ended (seep_graph_held_once).
 * Memory: 16 bytes a node, private pages; texts are from malloc. */
#ifndef SEEP_PATHS_H
#define SEEP_PATHS_H

#include <stdio.h>

#include "heap/graph.h"

#define SEEP_VIA_NONE 0xffffffffu   /* not reached */
#define SEEP_VIA_START 0xfffffffeu  /* a path begins here */

struct seep_paths {
  const struct seep_graph *graph;
  uint32_t *via;     /* by node: edge, or one of the above */
  uint32_t *order;   /* nodes as they were reached: nearest first */
  /* Steps that are like the one before them (the `next` of a list) make a run: the node above the run that ends here,
   * and how many steps it has. So the path to the end of a long list is told at once. */
  uint32_t *run_above, *run_length;
  uint32_t reached;
};

/* `avoid`: a node that no path may lead through, or SEEP_NODE_NONE. False when there is no memory. To be freed.
 * The graph must live as long. */
bool seep_paths_build(const struct seep_graph *graph, uint32_t avoid, struct seep_paths *out);
void seep_paths_free(struct seep_paths *paths);

/* The node whose edge this is. */
uint32_t seep_graph_edge_owner(const struct seep_graph *graph, uint32_t edge);

/* What refers to a node: edges that hold it, at most one per owner and at most `limit` of them (0: all), those with
 * the shortest paths first. `without` are paths built to avoid `node`, so that none leads through it. */
struct seep_referrers {
  struct seep_array edges;                 /* uint32_t */
  uint64_t holding, weak, unreachable;     /* how many references of each sort there are in all */
};
bool seep_paths_referrers(const struct seep_paths *without, uint32_t node, uint32_t limit, struct seep_referrers *out);

/* Names of functions for people, if whoever calls knows any: returns a string to be freed, or NULL. `file` as shown. */
struct seep_namer {
  char *(*function_name)(void *data, const char *file, uint32_t line);
  void *data;
};

/* Texts for people; all to be freed by the caller. Names from the program are put in as they are: bytes that a
 * terminal or JSON would not take are for the report to escape. */

/* "_G.app.listeners[17]", "registry → package.loaded.cache.get → entries[\"x\"]", "main thread → local 'buffer' of
 * worker (app.lua:12)". Long paths are shortened in the middle, repeated steps are counted: "_G.list(.next)×2999999".
 */
char *seep_path_text(const struct seep_paths *paths, uint32_t node, const struct seep_namer *namer);

/* The same by way of `edge`, which leads to `node`. */
char *seep_path_text_through(const struct seep_paths *paths, uint32_t edge, uint32_t node,
                             const struct seep_namer *namer);

/* One edge as it continues a path to `node`: ".listeners", "[17]", " → metatable". */
void seep_path_print_step(const struct seep_graph *graph, uint32_t edge, uint32_t node, const struct seep_namer *namer,
                          FILE *out);

/* What a path begins with: "_G", "registry → package.loaded", "root". */
const char *seep_path_start_text(const struct seep_graph *graph, uint32_t node);

/* "table", "string \"GET /…\"", "function worker (app.lua:10)", "userdata FILE*". */
char *seep_node_text(const struct seep_graph *graph, uint32_t node, const struct seep_namer *namer);

/* A place as DESIGN.md shows files: "app.lua:12", "[string \"…\"]:1", "[C]". */
char *seep_place_text(const struct seep_graph *graph, uint32_t place);
/* Its file alone. */
char *seep_place_file(const struct seep_graph *graph, uint32_t place);

/* The value of a string field of a table node ("__name"), or SEEP_NODE_NONE. */
uint32_t seep_graph_field(const struct seep_graph *graph, uint32_t table, const char *name);

#endif
