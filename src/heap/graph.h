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

#define SEEP_NODE_NONE 0xffffffffu
#define SEEP_NODE_ROOT 0u

/* Stored in snapshot files: append only. */
enum seep_node_kind {
  SEEP_NODE_KIND_ROOT = 0,
  SEEP_NODE_TABLE,         /* info: shape */
  SEEP_NODE_STRING,        /* info: text, its content */
  SEEP_NODE_LUA_FUNCTION,  /* info: place where it is defined */
  SEEP_NODE_C_FUNCTION,    /* info: place; no source, its name if known */
  SEEP_NODE_USERDATA,      /* info: text, the name of its type if known, or 0 */
  SEEP_NODE_THREAD,        /* info: place of the function that it runs, or 0 */
  SEEP_NODE_PROTO,         /* info: place */
  SEEP_NODE_UPVALUE,       /* info: 0 */
  SEEP_NODE_CDATA,         /* info: text, its C type if known, or 0 */
  SEEP_NODE_TRACE,         /* info: place where it starts, or 0 */
  SEEP_NODE_VM,            /* a structure of the VM's own; info: text, what it is */
  SEEP_NODE_KIND_COUNT
};

enum seep_node_flags {
  SEEP_NODE_UNREACHABLE = 1 << 0,  /* a full collection would free it now */
  SEEP_NODE_PENDING = 1 << 1,      /* held only by a finalizer that is still to be called */
  SEEP_NODE_FINALIZER = 1 << 2,    /* the VM will call a finalizer before freeing it (set by whoever adds it) */
  SEEP_NODE_WEAK_TABLE = 1 << 3,   /* a table with weak keys or values (set by whoever adds it) */
  SEEP_NODE_AWAITED = 1 << 4,      /* private to graph_mark.c */
};

/* What an edge is; "name" says what its name means. Append only; at most 32. */
enum seep_edge_kind {
  SEEP_EDGE_FIELD = 0,       /* value under a string key; name: node of the key, which is held too */
  SEEP_EDGE_INDEX,           /* value under an integer key from 0 to 2^32-2; name: the key */
  SEEP_EDGE_ENTRY,           /* value under another collectable key; name: node of the key, which is held too */
  SEEP_EDGE_ENTRY_TEXT,      /* value under any other key (1.5, -3, true, a light userdata); name: text of the key */
  SEEP_EDGE_KEY,             /* a key whose value is no object; name: none (0) */
  SEEP_EDGE_METATABLE,       /* name: none */
  SEEP_EDGE_TYPE_METATABLE,  /* of all strings, numbers, …, from the root; name: text, the type */
  SEEP_EDGE_UPVALUE,         /* function to upvalue (or, of a C function or 5.4's, to the value); name: text, or 0 */
  SEEP_EDGE_UPVALUE_INDEX,   /* the same without a name, as in C functions; name: its number from 1 */
  SEEP_EDGE_UPVALUE_VALUE,   /* upvalue to its value; name: none */
  SEEP_EDGE_OPEN_UPVALUE,    /* thread to an upvalue that points into its stack; name: none */
  SEEP_EDGE_LOCAL,           /* thread to a local variable's value; name: number of a local */
  SEEP_EDGE_SLOT,            /* thread to any other stack slot (a temporary, an argument); name: place of the function, or 0 */
  SEEP_EDGE_FRAME,           /* thread to a function that it is running; name: none */
  SEEP_EDGE_ENVIRONMENT,     /* of a function, thread or userdata (5.1, LuaJIT); name: none */
  SEEP_EDGE_USER_VALUE,      /* userdata to a value; name: its number from 1 */
  SEEP_EDGE_PROTO,           /* function (or trace) to proto, proto to a proto in it; name: number from 0 */
  SEEP_EDGE_CONSTANT,        /* proto to a constant; name: its number from 0 */
  SEEP_EDGE_DEBUG_NAME,      /* proto to the string of a source, local or upvalue name; name: none */
  SEEP_EDGE_CACHE,           /* proto to its last closure (5.2, 5.3: weak); name: none */
  SEEP_EDGE_REGISTRY,        /* root to the registry; name: none */
  SEEP_EDGE_MAIN_THREAD,     /* root to the main thread; name: none */
  SEEP_EDGE_GLOBALS,         /* root to _G, where the VM itself holds it; name: none */
  SEEP_EDGE_FINALIZER,       /* root to an object whose finalizer is to be called; name: none */
  SEEP_EDGE_TRACE,           /* proto or trace to a trace; name: none */
  SEEP_EDGE_PART,            /* an object to a part of its own that is a node (a VM structure); name: none */
  SEEP_EDGE_OTHER,           /* name: text, what it is ("memory error message", "C type metatable") */
  SEEP_EDGE_EPHEMERON_VALUE, /* key to value, made by the builder from an ephemeron entry; name: node of the table */
  SEEP_EDGE_KIND_COUNT
};

/* Or-ed to the kind. What the collector does not follow is an edge all the same. */
enum seep_edge_flags {
  SEEP_EDGE_KIND_MASK = 0x1f,
  SEEP_EDGE_WEAK = 0x20,       /* does not hold its target */
  SEEP_EDGE_WEAK_KEY = 0x40,   /* FIELD, ENTRY: does not hold the key in its name */
  /* ENTRY with WEAK_KEY in a table of ephemerons (weak keys, 5.2 and later): the
   * value is held while the table and the key are both held otherwise. */
  SEEP_EDGE_EPHEMERON = 0x80,
};

/* Room in a table. */
struct seep_graph_shape {
  uint32_t array_capacity, array_used;  /* slots; used: not nil */
  uint32_t hash_capacity, hash_used;
  uint64_t slack_bytes;                 /* of the slots that are not used */
};

/* Where a function is defined. Line 0 with a source: the main chunk. */
struct seep_graph_place {
  uint32_t source;  /* text: the chunk name with its @ or =; 0 for C */
  uint32_t line;    /* of its definition */
  uint32_t name;    /* text: of a C function, its symbol if known; else 0 */
};

/* A local variable of a frame. */
struct seep_graph_local {
  uint32_t name;    /* text */
  uint32_t place;   /* of the function */
  uint32_t line;    /* at which the function stands; 0: not known */
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

/* The pools by number; a number that is none gives the pool's entry 0. */
struct seep_graph_text seep_graph_text(const struct seep_graph *graph, uint32_t text);
const struct seep_graph_shape *seep_graph_shape(const struct seep_graph *graph, uint32_t shape);
const struct seep_graph_place *seep_graph_place(const struct seep_graph *graph, uint32_t place);
const struct seep_graph_local *seep_graph_local(const struct seep_graph *graph, uint32_t local);

/* The words for kinds in tables and JSON: "table", "string", "function", …; those of enum seep_type where there is one. */
const char *seep_node_kind_name(uint8_t kind);

/* The hash by which texts are compared. */
uint64_t seep_graph_hash(const void *bytes, size_t size_bytes);

#endif
