/* The objects of a Lua heap, as any image shows them: the contract of the heap side of this folder.
 *
 * Model: a *reader* (one for PUC, one for LuaJIT) follows a state's own lists of objects in an image with
 * segments and tells a *sink* about each object and then about each reference in it, in the order of the lists.
 * Nothing is resolved here: a reference is an address. What the collector does not follow (weak references,
 * lists of open upvalues) is told, too, and marked. What is no object goes to the ledger, so that nodes and
 * ledger add up to the VM's own count.
 *
 * Hostile images: every pointer is looked up before it is followed, lists that bite their tail end, and the
 * bytes that all objects claim together may not pass those that the image has. Damage is counted, not fatal.
 *
 * Kinds are stored in snapshot files: append only. Nothing here allocates but the caches in struct seep_walk;
 * libc alone; may run in a forked child. */
#ifndef SEEP_OBJECTS_H
#define SEEP_OBJECTS_H

#include "base/error.h"
#include "vm/image.h"
#include "vm/remains.h"

/* What an object is, and what a sink's `info` means for it. */
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
  SEEP_EDGE_FIELD = 0, /* value under a string key; name: node of the key, which is held too */
  SEEP_EDGE_INDEX, /* value under an integer key from 0 to 2^32-2; name: the key */
  SEEP_EDGE_ENTRY, /* value under another collectable key; name: node of the key, which is held too */
  SEEP_EDGE_ENTRY_TEXT, /* value under any other key (1.5, -3, true, a light userdata); name: text of the key */
  SEEP_EDGE_KEY, /* a key whose value is no object; name: none (0) */
  SEEP_EDGE_METATABLE, /* name: none */
  SEEP_EDGE_TYPE_METATABLE, /* of all strings, numbers, …, from the root; name: text, the type */
  SEEP_EDGE_UPVALUE, /* function to upvalue (or, of a C function or 5.4's, to the value); name: text, or 0 */
  SEEP_EDGE_UPVALUE_INDEX, /* the same without a name, as in C functions; name: its number from 1 */
  SEEP_EDGE_UPVALUE_VALUE, /* upvalue to its value; name: none */
  SEEP_EDGE_OPEN_UPVALUE, /* thread to an upvalue that points into its stack; name: none */
  SEEP_EDGE_LOCAL, /* thread to a local variable's value; name: number of a local */
  SEEP_EDGE_SLOT, /* thread to any other stack slot (a temporary, an argument); name: place of the function, or 0 */
  SEEP_EDGE_FRAME, /* thread to a function that it is running; name: none */
  SEEP_EDGE_ENVIRONMENT, /* of a function, thread or userdata (5.1, LuaJIT); name: none */
  SEEP_EDGE_USER_VALUE, /* userdata to a value; name: its number from 1 */
  SEEP_EDGE_PROTO, /* function (or trace) to proto, proto to a proto in it; name: number from 0 */
  SEEP_EDGE_CONSTANT, /* proto to a constant; name: its number from 0 */
  SEEP_EDGE_DEBUG_NAME, /* proto to the string of a source, local or upvalue name; name: none */
  SEEP_EDGE_CACHE, /* proto to its last closure (5.2, 5.3: weak); name: none */
  SEEP_EDGE_REGISTRY, /* root to the registry; name: none */
  SEEP_EDGE_MAIN_THREAD, /* root to the main thread; name: none */
  SEEP_EDGE_GLOBALS, /* root to _G, where the VM itself holds it; name: none */
  SEEP_EDGE_FINALIZER, /* root to an object whose finalizer is to be called; name: none */
  SEEP_EDGE_TRACE, /* proto or trace to a trace; name: none */
  SEEP_EDGE_PART, /* an object to a part of its own that is a node (a VM structure); name: none */
  SEEP_EDGE_OTHER, /* name: text, what it is ("memory error message", "C type metatable") */
  SEEP_EDGE_EPHEMERON_VALUE, /* key to value, made by the builder from an ephemeron entry; name: node of the table */
  SEEP_EDGE_ENDED_LOCAL, /* root to what a variable held until its call ended (remains.h); always WEAK; name: number of a local */
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

/* Who is told. A sink that has failed takes everything and does nothing; the functions are those of
 * heap/graph_build.h, which says more. */
struct seep_object_sink {
  /* An object of `size_bytes`, all its parts included. Returns its number. */
  uint32_t (*node)(struct seep_object_sink *sink, uint64_t address, uint8_t kind, uint64_t size_bytes, uint32_t info,
                   uint8_t flags);
  /* A reference of object `from` (SEEP_NODE_ROOT: of the VM itself). `name`: the ADDRESS of the key for FIELD and
   * ENTRY, else a number as the kind wants it. */
  void (*edge)(struct seep_object_sink *sink, uint32_t from, uint64_t target, uint8_t kind, uint64_t name);
  /* Texts that repeat, contents of strings, and records: each returns its number. */
  uint32_t (*name)(struct seep_object_sink *sink, const char *bytes, size_t size_bytes);
  uint32_t (*string)(struct seep_object_sink *sink, const char *bytes, size_t size_bytes);
  uint32_t (*shape)(struct seep_object_sink *sink, const struct seep_graph_shape *shape);
  uint32_t (*place)(struct seep_object_sink *sink, const struct seep_graph_place *place);
  uint32_t (*local)(struct seep_object_sink *sink, const struct seep_graph_local *local);
  void (*ledger)(struct seep_object_sink *sink, const char *name, int64_t bytes);
  /* A block of its own that is a part of object `number` (its size is in the object's): a table's array or hash part, a
   * thread's stack, an array of a prototype. NULL: nobody wants to know. */
  void (*part)(struct seep_object_sink *sink, uint32_t number, uint64_t address, uint64_t size_bytes);
};
#define SEEP_ROOT_NUMBER 0u

/* A group of releases that look alike. */
struct seep_heap_vm;

/* A Lua state in an image. */
struct seep_heap_state {
  const struct seep_heap_vm *vm;
  uintptr_t main_thread, global;
  uintptr_t running;        /* the thread whose API function is running, if it is known; else 0 */
  const struct seep_remains *remains;  /* of this state, if any are known; else NULL */
  const struct seep_closing *closing;  /* of this state while lua_close frees its first object; else NULL */
};

/* What a reading found besides objects. */
struct seep_heap_found {
  uint64_t state_bytes;     /* the VM's own count */
  uintptr_t globals, registry, main_thread, loaded;  /* objects that names begin with; 0: none */
  uint64_t found_bytes;     /* objects and ledger together */
  uint64_t damage_count;    /* pointers and lists that could not be followed */
  const char *damage;       /* the first of them, or NULL */
};

/* "Lua 5.4", "LuaJIT 2.1", and the releases that the layout fits: "5.4.3 to 5.4.8". */
const char *seep_heap_vm_family(const struct seep_heap_vm *vm);
const char *seep_heap_vm_releases(const struct seep_heap_vm *vm);

/* Whether the word at `address` may be a main thread's pointer to its global state: a first, cheap test for every
 * aligned word of an image. `word` points to a copy of it, behind which nothing and before which `before` more words of
 * the image can be read; with at least 3 of them the test lets hardly anything else pass. */
bool seep_heap_is_candidate(uintptr_t address, const uintptr_t *word, size_t before);

/* Whether they are: then *out is that state. All that a state's anchors must satisfy is checked: pointers in both
 * directions, allocator, collector's state, string table, stack, registry, and the heads of its lists. */
bool seep_heap_identify(struct seep_image *image, uintptr_t address, struct seep_heap_state *out);

/* Whether main thread and global state name each other at least: in a process that runs, a state that is looked at in
 * the middle of an operation may not fit, and will a moment later. */
bool seep_heap_is_likely(struct seep_image *image, uintptr_t address);
/* The same of a state that was identified before. */
bool seep_heap_is_there(struct seep_image *image, const struct seep_heap_state *state);

/* The state that `main_thread` is the main thread of; for our own process. */
bool seep_heap_identify_thread(struct seep_image *image, uintptr_t main_thread, struct seep_heap_state *out);

/* Tells `sink` everything. SEEP_E_FORMAT when the image has turned into something that is no state (the message
 * says what); damage further inside is counted in *out. */
enum seep_status seep_heap_read(struct seep_image *image, const struct seep_heap_state *state,
                                struct seep_object_sink *sink, struct seep_heap_found *out, struct seep_error *error);

#endif
