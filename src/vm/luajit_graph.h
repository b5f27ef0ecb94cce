/* The ways through bytecode that a search has gone (luajit_path.h), as a graph.
 *
 * A *node* is a point on ways before an instruction, in calls: all that matters of ways that
 * meet there is the same (their *state*), so they go on alike and are one. An instruction may
 * make things of the kind that is looked for, and a way may end before it. What comes
 * into question is what lies on some way from the start to an end, with as many made before and
 * behind it as there must be.
 *
 * Runs inside the allocator. Bounded; calls say when there are too many of something. */
#ifndef SEEP_LUAJIT_GRAPH_H
#define SEEP_LUAJIT_GRAPH_H

#include "vm/luajit_code.h"

enum { SEEP_GRAPH_NODES_MAX = 6144, SEEP_GRAPH_HASH_MAX = 2 * SEEP_GRAPH_NODES_MAX, SEEP_GRAPH_EDGES_MAX = 9216,
       SEEP_GRAPH_PLACES_MAX = 160 };
#define SEEP_GRAPH_NOWHERE UINT32_MAX

struct seep_graph_node {
  uint64_t state;
  uint8_t made;              /* how many of the kind its instruction may make */
  uint8_t place;             /* … and where, by its number plus 1; 0: what is wanted is not among them */
  uint8_t before, after;     /* how many may be made before it, and behind it until an end */
  bool is_end;               /* a way may end here, before the instruction */
  bool leads;                /* there is an end behind the instruction */
  bool has_joined_parts;     /* of an end: what was made before cannot be counted */
  bool leads_joined;         /* there is such an end behind the instruction */
};

struct seep_luajit_graph {
  uint32_t place_count, node_count, edge_count;
  uint16_t numbers[SEEP_GRAPH_HASH_MAX];  /* of nodes by their states, plus 1: a hash table */
  /* Up to here it is zero at first. */
  struct { uint64_t place; struct seep_luajit_levels levels; } places[SEEP_GRAPH_PLACES_MAX];
  struct seep_graph_node nodes[SEEP_GRAPH_NODES_MAX];
  struct { uint16_t from, to; } edges[SEEP_GRAPH_EDGES_MAX];
};

/* A number for the line and the calls at `levels`: equal ones are the same to a person. */
uint64_t seep_luajit_place_of(const struct seep_luajit_levels *levels);

/* Begins with none. */
void seep_luajit_graph_start(struct seep_luajit_graph *graph);

/* Takes a way from `*node` (NOWHERE: it begins) to the node of a state, which it leaves there. False: another way was
 * there, or, with NOWHERE left, there are too many. */
bool seep_luajit_graph_reach(struct seep_luajit_graph *graph, uint64_t state, uint32_t *node);

/* The instruction at a node may make as many. `levels`: what is wanted may be among them, and was made there, in the
 * builtin that it calls if that is the last; or NULL. False: there are too many places. */
bool seep_luajit_graph_make(struct seep_luajit_graph *graph, uint32_t node, uint32_t count,
                            const struct seep_luajit_levels *levels);

/* A way may end at a node. */
void seep_luajit_graph_end(struct seep_luajit_graph *graph, uint32_t node, bool has_joined_parts);

/* The one place that comes into question for number `before` of `count` (0: they are not counted); false when there are
 * more, or none. */
bool seep_luajit_graph_conclude(struct seep_luajit_graph *graph, uint32_t before, uint32_t count,
                                struct seep_luajit_levels *out);

#endif
