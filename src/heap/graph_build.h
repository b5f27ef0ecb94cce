/* Making a graph, object by object, from whatever reads an image.
 *
 * Use: init, then for each object `node` and after it its `edge`s (the order
 * that is fastest; any order is allowed), pools and ledger in between, `finish`
 * at the end. References are given by the address of their target; finish finds
 * the nodes, drops what leads nowhere, and says what is reachable.
 *
 * Failure is sticky: once there is no memory or a limit is passed, calls do
 * nothing and finish says why. Whatever is added (a garbage image), finish gives
 * a graph that keeps its invariants. Limits: 2^32-2 nodes, 2^32-2 edges, 4 GiB
 * of kept text (later texts are then not kept).
 * Memory: about 24 bytes a node and 16 an edge while building. No malloc; may
 * run in a forked child; not inside an allocator; one thread. */
#ifndef SEEP_GRAPH_BUILD_H
#define SEEP_GRAPH_BUILD_H

#include "heap/graph.h"

/* A reference as it was added. */
struct seep_pending_edge {
  uint64_t target;  /* 48 bits of address (or node), edge kind from bit 48 on, SEEP_PENDING_NODE */
  uint64_t name;
};
#define SEEP_PENDING_NODE (1ULL << 56)
#define SEEP_PENDING_ADDRESS ((1ULL << 48) - 1)

struct seep_graph_builder {
  struct seep_graph graph;         /* nodes and pools grow in place */
  struct seep_array addresses, sizes, kinds, flags, infos, first_edges;
  struct seep_array pending;       /* struct seep_pending_edge, ordered by node */
  struct seep_array strays;        /* struct stray: edges that were added later */
  uint32_t current;                /* the node whose edges are being added */
  struct seep_map interned;        /* hash of a pool's record to its number */
  enum seep_status status;         /* what failed first */
  const char *failure;
};

/* `family`, `release` and `name` as in struct seep_graph, cut if too long. Adds the root. */
void seep_graph_builder_init(struct seep_graph_builder *builder, const char *name, const char *family,
                             const char *release);
/* Throws everything away; needed only when finish was not called. */
void seep_graph_builder_free(struct seep_graph_builder *builder);

/* Adds an object and returns its number. `address` 0: nothing refers to it by address. `size_bytes` is all
 * that a collection of it would give back. `flags`: SEEP_NODE_FINALIZER, SEEP_NODE_WEAK_TABLE.
 * SEEP_NODE_NONE after a failure. An address that was there before keeps its first node. */
uint32_t seep_graph_builder_node(struct seep_graph_builder *builder, uint64_t address, uint8_t kind,
                                 uint64_t size_bytes, uint32_t info, uint8_t flags);

/* More bytes for a node that was added before: a part that was found later. */
void seep_graph_builder_grow_node(struct seep_graph_builder *builder, uint32_t node, uint64_t size_bytes);

/* Adds a reference from a node (SEEP_NODE_ROOT too) to the object at `target`. `kind` with flags. `name`:
 * the ADDRESS of the key for FIELD and ENTRY, else a number as the kind wants it. */
void seep_graph_builder_edge(struct seep_graph_builder *builder, uint32_t from, uint64_t target, uint8_t kind,
                             uint64_t name);
/* The same to a node that has no address. */
void seep_graph_builder_edge_to_node(struct seep_graph_builder *builder, uint32_t from, uint32_t target, uint8_t kind,
                                     uint64_t name);

/* Pools. Each returns a number for `info` or a name; equal content may give the same number. 0 after a failure.
 * `name` interns (for what repeats: variable names, sources); `string` does not (for contents of strings). */
uint32_t seep_graph_builder_name(struct seep_graph_builder *builder, const char *bytes, size_t size_bytes);
uint32_t seep_graph_builder_string(struct seep_graph_builder *builder, const char *bytes, size_t size_bytes);
uint32_t seep_graph_builder_shape(struct seep_graph_builder *builder, const struct seep_graph_shape *shape);
uint32_t seep_graph_builder_place(struct seep_graph_builder *builder, const struct seep_graph_place *place);
uint32_t seep_graph_builder_local(struct seep_graph_builder *builder, const struct seep_graph_local *local);

/* Adds a part of an object; its site is not known yet. */
void seep_graph_builder_part(struct seep_graph_builder *builder, uint32_t node, uint64_t address, uint64_t size_bytes);

/* Adds to the ledger line of that name. */
void seep_graph_builder_ledger(struct seep_graph_builder *builder, const char *name, int64_t bytes);

/* The nodes that names begin with, by address; 0: none. To be called before finish, any time. */
struct seep_graph_mark_addresses {
  uint64_t globals, registry, main_thread, loaded;
};

/* Ends building. `state_bytes` is the VM's own count. On success *out is to be freed with seep_graph_free; on
 * failure nothing is left to free, and the message says why. */
enum seep_status seep_graph_builder_finish(struct seep_graph_builder *builder,
                                           const struct seep_graph_mark_addresses *marks, uint64_t state_bytes,
                                           struct seep_graph *out, struct seep_error *error);

#endif
