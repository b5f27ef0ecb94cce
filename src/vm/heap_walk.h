/* What the readers of all VMs share while they go through one state: counting, damage, and caches for what
 * repeats (names of variables, places of functions, modes of metatables). Internal to this folder; see objects.h. */
#ifndef SEEP_HEAP_WALK_H
#define SEEP_HEAP_WALK_H

#include "base/map.h"
#include "vm/objects.h"

/* A group of releases, as its reader describes it. */
struct seep_heap_vm {
  const char *family, *releases;
  const void *layout;
  uint8_t ref_bytes;       /* how wide the pointers between a main thread and its state are: 8 or 4 */
  ptrdiff_t global_link;   /* what a word must be above its address to be a main thread's pointer to its state */
  uint16_t thread_global;  /* where that word is in the thread */
  uint16_t global_main;    /* where the main thread's address is in the global state; 0: the thread itself is in it */
  uint8_t thread_tag_at;   /* where the thread's type is in it, */
  uint8_t thread_tag;      /* and what it is */
  bool (*fits)(struct seep_image *image, const struct seep_heap_state *state);
  enum seep_status (*read)(struct seep_image *image, const struct seep_heap_state *state,
                           struct seep_object_sink *sink, struct seep_heap_found *out, struct seep_error *error);
};

enum { SEEP_PUC_LINK_OF_5_5 = -1440 }; /* the only global_link that leads down */

extern const struct seep_heap_vm seep_puc_heaps[];
extern const uint32_t seep_puc_heap_count;
extern const struct seep_heap_vm seep_luajit_heaps[];
extern const uint32_t seep_luajit_heap_count;

/* What a metatable says of its objects. */
struct seep_meta_facts {
  uintptr_t metatable;
  uint32_t type_name;   /* text, or 0 */
  bool weak_keys, weak_values, has_finalizer;
};

enum { SEEP_NAME_CACHE = 4096, SEEP_PLACE_CACHE = 4096, SEEP_META_CACHE = 1024 };

struct seep_cached_number {
  uintptr_t address;
  uint32_t number;
};

struct seep_walk {
  struct seep_image *image;
  struct seep_object_sink *sink;
  const struct seep_heap_state *state;
  const void *layout;
  struct seep_heap_found *found;
  uint64_t budget_bytes;            /* what objects may claim yet */
  struct seep_map type_names;       /* metatable to text, from the registry */
  struct seep_map seen_upvalues;    /* 5.3: upvalues that several closures share */
  uintptr_t mode_name, gc_name;     /* the strings "__mode" and "__gc" */
  uintptr_t ended_pc, ended_proto;  /* PUC: where the call of state->remains stood, and the prototype that it is in */
  struct seep_cached_number names[SEEP_NAME_CACHE];
  struct seep_cached_number places[SEEP_PLACE_CACHE];
  struct seep_meta_facts metas[SEEP_META_CACHE];
};

/* Strings in a string table lie anywhere: they are asked for this many chains ahead. */
enum { SEEP_STRINGS_AHEAD = 16 };

/* The kinds of table slots that the collector tells apart. */
struct seep_weakness {
  bool keys, values;
  bool ephemeron;    /* 5.2 and later: weak keys alone hold their values only while they are held */
};

/* A walk over `state` with the layout of its VM, or NULL without memory. Freed with seep_walk_close. */
struct seep_walk *seep_walk_open(struct seep_image *image, const struct seep_heap_state *state,
                                 struct seep_object_sink *sink, struct seep_heap_found *found);
void seep_walk_close(struct seep_walk *walk);

/* Counts what could not be followed; the first is remembered. */
void seep_walk_damage(struct seep_walk *walk, const char *what);

/* The bytes at an address, or NULL and damage. */
SEEP_ALWAYS_INLINE const char *seep_walk_view(struct seep_walk *walk, uintptr_t address, size_t size_bytes,
                                              const char *what) {
  const char *bytes = seep_image_view(walk->image, address, size_bytes);
  if (SEEP_UNLIKELY(bytes == NULL)) seep_walk_damage(walk, what);
  return bytes;
}

/* Whether `size_bytes` more may be claimed; damage if not. */
bool seep_walk_claim(struct seep_walk *walk, uint64_t size_bytes);

/* Tells the sink of an object. */
uint32_t seep_walk_object(struct seep_walk *walk, uintptr_t address, uint8_t kind, uint64_t size_bytes, uint32_t info,
                          uint8_t flags);

void seep_walk_ledger(struct seep_walk *walk, const char *name, uint64_t bytes);

/* A constant text of ours, as a name. */
uint32_t seep_walk_text(struct seep_walk *walk, const char *text);

SEEP_ALWAYS_INLINE void seep_walk_edge(struct seep_walk *walk, uint32_t from, uintptr_t target, uint8_t kind,
                                       uint64_t name) {
  if (target != 0) walk->sink->edge(walk->sink, from, target, kind, name);
}

/* The object that lua_close has taken off the list that begins at `head` (remains.h); `head` when there is none. `is_object`
 * says whether a header that begins like one is one; `before`: how far a block may begin before its object. */
uintptr_t seep_walk_unlinked(struct seep_walk *walk, uintptr_t head, size_t before,
                             bool (*is_object)(struct seep_walk *walk, uintptr_t address));

/* The words at `address` among what is left of a call; NULL where they were not taken. */
const char *seep_walk_remains(const struct seep_walk *walk, uintptr_t address, size_t word_count);

SEEP_ALWAYS_INLINE void seep_walk_part(struct seep_walk *walk, uint32_t number, uintptr_t address, uint64_t size_bytes) {
  if (walk->sink->part != NULL && size_bytes != 0) walk->sink->part(walk->sink, number, address, size_bytes);
}

/* The place in a cache for an address. */
SEEP_ALWAYS_INLINE uint32_t seep_cache_slot(uintptr_t address, uint32_t capacity) {
  return (uint32_t)(seep_mix64(address) & (capacity - 1));
}

/* Ends a list that bites its tail: Brent's algorithm, one comparison a step. */
struct seep_list_guard {
  uintptr_t mark;
  uint64_t steps, limit;
};
SEEP_ALWAYS_INLINE bool seep_list_goes_on(struct seep_list_guard *guard, uintptr_t object) {
  if (SEEP_UNLIKELY(object == guard->mark)) return false;
  if (guard->steps++ == guard->limit) {
    guard->mark = object;
    guard->limit = guard->limit * 2 + 16;
    guard->steps = 0;
  }
  return true;
}

/* How the collector treats the entry (key, value) of a table of that weakness, as an edge from the table:
 * told to the sink with the right kind and flags. `key` and `value` are 0 for what is no object; then `name` is
 * the edge's name if the key is none, and `kind` what it is (INDEX, ENTRY_TEXT). */
struct seep_table_entry {
  uintptr_t key, value;
  bool key_is_string, value_is_string;
  uint8_t kind;
  uint64_t name;
};
void seep_walk_entry(struct seep_walk *walk, uint32_t table, struct seep_weakness weakness,
                     const struct seep_table_entry *entry);

/* The edge kind and name of a number, boolean or other key that is no object. */
void seep_walk_number_key(struct seep_walk *walk, double number, struct seep_table_entry *entry);
void seep_walk_integer_key(struct seep_walk *walk, int64_t number, struct seep_table_entry *entry);
void seep_walk_text_key(struct seep_walk *walk, const char *text, struct seep_table_entry *entry);
void seep_walk_pointer_key(struct seep_walk *walk, const char *what, uint64_t pointer, struct seep_table_entry *entry);

#endif
