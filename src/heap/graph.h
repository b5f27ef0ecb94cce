/* The graph of one Lua state: its objects (nodes) and references (edges).
 *
 * Model: nodes are numbered from 0; node 0 is the *root*, which stands for what
 * the collector starts from. The edges of node n are those from first_edge[n]
 * up to first_edge[n + 1]. An edge has a target, a kind and a name whose meaning
 * depends on the kind. An entry of a table with a collectable key is ONE edge,
 * from the table to the value, named by the key's node; it holds the key as well
 * as the value unless flags say otherwise. So an edge can lead to two nodes:
 * seep_graph_holds says which of them it keeps alive.
 *
 * Invariants: every target and every name that is a node number is below
 * node_count (or SEEP_NODE_NONE for a key that was not found); every text,
 * shape, place and local number leads into its pool; reach flags are those of
 * the collector (graph_mark.c). A graph is never changed once it is finished.
 *
 * Memory: private pages, no malloc. Nothing here may run inside an allocator;
 * everything may run in a forked child. One graph is used by one thread. */
#ifndef SEEP_GRAPH_H
#define SEEP_GRAPH_H

#include "base/array.h"
#include "base/error.h"
#include "base/map.h"
#include "vm/objects.h"

#define SEEP_NODE_NONE 0xffffffffu
#define SEEP_NODE_ROOT 0u

/* Who allocated an object, where a recording was going on. Record 0: not known. */
struct seep_graph_site {
  uint32_t state, row;  /* of the capture: index of the state, number of the row */
  uint32_t file;        /* text, as shown: "app.lua", "[C]" */
  uint32_t block_bytes; /* mode sample: mean size of the blocks that it counts, by which its weight is known; else 0 */
  uint32_t line;
};

/* A block that is a part of an object (objects.h), with the site that allocated it: where a recording was going on. */
struct seep_graph_part {
  uint64_t address;     /* 0 in snapshot files */
  uint64_t size_bytes;
  uint32_t node, site;  /* while it is joined: the row */
};

/* Bytes that are no object: "string table", "global state", "in flight". A negative amount is what
 * the VM does not count though it was found, or found twice. */
struct seep_graph_ledger {
  char name[48];
  int64_t bytes;
};

/* Nodes that names begin with; SEEP_NODE_NONE where there is none. */
struct seep_graph_marks {
  uint32_t globals;      /* _G */
  uint32_t registry;
  uint32_t main_thread;
  uint32_t loaded;       /* package.loaded, registry._LOADED */
};

/* The bytes of a text. Texts longer than SEEP_TEXT_KEPT have only their beginning kept. */
struct seep_graph_text {
  const char *bytes;
  uint32_t kept_bytes;
  uint64_t length_bytes;
  uint64_t hash;          /* of the whole: equal texts have equal hashes (and lengths) */
};
enum { SEEP_TEXT_KEPT = 64 };

struct seep_graph {
  char name[32];            /* "state 1": how this state is called on the command line */
  char family[16];          /* "Lua 5.4" */
  char release[48];         /* "Lua 5.4.4" */
  uint64_t state_bytes;     /* what the VM itself counts */
  struct seep_graph_marks marks;

  uint32_t node_count;
  uint64_t *address;        /* 0: no object of its own (the root) */
  uint32_t *size_low;       /* see seep_graph_size */
  uint8_t *kind;            /* enum seep_node_kind */
  uint8_t *flags;           /* enum seep_node_flags */
  uint32_t *info;           /* by kind */
  uint32_t *site;           /* number of a site; NULL when there was no recording */
  struct seep_array large;  /* uint64_t: sizes that do not fit */

  uint32_t edge_count;
  uint32_t *first_edge;     /* node_count + 1 numbers */
  uint32_t *target;
  uint32_t *edge_name;
  uint8_t *edge_kind;       /* enum seep_edge_kind | enum seep_edge_flags */
  uint64_t dropped_edges;   /* references that led to no object */

  struct seep_array texts;   /* bytes: see graph_text.c; read through seep_graph_text */
  struct seep_array shapes;  /* struct seep_graph_shape; 0 is all zeros */
  struct seep_array places;  /* struct seep_graph_place; 0 is "not known" */
  struct seep_array locals;  /* struct seep_graph_local; 0 is "not known" */
  struct seep_array ledger;  /* struct seep_graph_ledger */
  struct seep_array sites;   /* struct seep_graph_site; empty when there was no recording */
  struct seep_array parts;   /* struct seep_graph_part; the same */

  /* Sums: reachable and pending objects, and unreachable ones. */
  uint64_t object_bytes, pending_bytes, unreachable_bytes, ledger_bytes;
  uint64_t object_count, pending_count, unreachable_count;
};

void seep_graph_free(struct seep_graph *graph);

/* Sizes of 4 GiB - 1 MiB and more are kept in a pool of their own. */
#define SEEP_SIZE_LARGE 0xfff00000u
SEEP_ALWAYS_INLINE uint64_t seep_graph_size(const struct seep_graph *graph, uint32_t node) {
  uint32_t low = graph->size_low[node];
  if (SEEP_LIKELY(low < SEEP_SIZE_LARGE)) return low;
  return ((const uint64_t *)graph->large.items)[low - SEEP_SIZE_LARGE];
}

/* Fills in the sums by reach, from sizes, flags and ledger. */
void seep_graph_sum_up(struct seep_graph *graph);

/* The sum over all nodes and the ledger: what state_bytes is compared with. */
uint64_t seep_graph_bytes(const struct seep_graph *graph);

SEEP_ALWAYS_INLINE bool seep_edge_names_node(uint8_t edge_kind) {
  uint8_t kind = edge_kind & SEEP_EDGE_KIND_MASK;
  return kind == SEEP_EDGE_FIELD || kind == SEEP_EDGE_ENTRY;
}

/* The nodes that an edge keeps alive, at most two; returns how many. Ephemeron
 * entries hold nothing here: what they hold stands as EPHEMERON_VALUE at the key. */
SEEP_ALWAYS_INLINE uint32_t seep_graph_holds(const struct seep_graph *graph, uint32_t edge, uint32_t out[2]) {
  uint8_t kind = graph->edge_kind[edge];
  uint32_t count = 0;
  if ((kind & (SEEP_EDGE_WEAK | SEEP_EDGE_EPHEMERON)) == 0) out[count++] = graph->target[edge];
  if (seep_edge_names_node(kind) && (kind & SEEP_EDGE_WEAK_KEY) == 0 && graph->edge_name[edge] != SEEP_NODE_NONE) {
    out[count++] = graph->edge_name[edge];
  }
  return count;
}

/* The node to which an edge leads that held it until a call ended, and holds nothing any more; else SEEP_NODE_NONE.
 * Paths and groups go on from there once all that is held has been reached: so garbage has a path, too, if a
 * variable of the main chunk has held it to the end. */
SEEP_ALWAYS_INLINE uint32_t seep_graph_held_once(const struct seep_graph *graph, uint32_t edge) {
  bool is_ended = (graph->edge_kind[edge] & SEEP_EDGE_KIND_MASK) == SEEP_EDGE_ENDED_LOCAL;
  return is_ended ? graph->target[edge] : SEEP_NODE_NONE;
}

/* The pools by number; a number that is none gives the pool's entry 0. */
struct seep_graph_text seep_graph_text(const struct seep_graph *graph, uint32_t text);
const struct seep_graph_shape *seep_graph_shape(const struct seep_graph *graph, uint32_t shape);
const struct seep_graph_place *seep_graph_place(const struct seep_graph *graph, uint32_t place);
const struct seep_graph_local *seep_graph_local(const struct seep_graph *graph, uint32_t local);

/* Room for the sites of all nodes (all "not known" yet) and a first record that says so. False when there is no memory.
 */
bool seep_graph_begin_sites(struct seep_graph *graph);
/* Adds a site, and its number is *out; its `file` is given as bytes. False when there is no memory. */
bool seep_graph_add_site(struct seep_graph *graph, struct seep_graph_site site, const char *file, size_t file_bytes,
                         uint32_t *out);

/* The site of a node, or NULL when it is not known. */
const struct seep_graph_site *seep_graph_site(const struct seep_graph *graph, uint32_t node);

/* The words for kinds in tables and JSON: "table", "string", "function", …; those of enum seep_type where there is one.
 */
const char *seep_node_kind_name(uint8_t kind);

/* Adds a text to a pool; its number, or 0 when the pool is full. False when there is no memory. For whoever makes
 * graphs. */
bool seep_graph_add_text(struct seep_array *texts, const char *bytes, size_t size_bytes, uint32_t *out);

/* The hash by which texts are compared. */
uint64_t seep_graph_hash(const void *bytes, size_t size_bytes);

#endif
