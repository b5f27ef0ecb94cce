/* Sites: from the stack that a walk found to a node of the capture's tree.
 *
 * Model: a stack is a path from the outermost frame inwards; the nodes of the last
 * path are kept where its frames are (struct seep_stack), so that only the frames
 * that changed are looked up. A lookup goes from (parent node, frame key) to a node.
 * Several keys (instructions) of one line lead to the same node.
 *
 * A key names a place only as long as its prototype lives. When a prototype is
 * freed the *code epoch* advances: the kept path is dropped, and an entry of an
 * earlier code epoch is described anew before it is believed.
 *
 * A function's name is sought when its record is made (in the program's text, if that is the chunk's name, and in
 * package.loaded), and in the first instruction of Lua code that is seen to call it; source files are for the reader.
 *
 * One per Lua state; runs inside the allocator, on the state's thread. */
#ifndef SEEP_SITES_H
#define SEEP_SITES_H

#include "base/map.h"
#include "store/writer.h"
#include "vm/vm.h"

enum {
  SEEP_NODE_NONE = 0,
  SEEP_NODE_EMPTY_STACK = 1,
  SEEP_NODES_MAX = 1 << 22,
  SEEP_LEAF_NODES_MAX = 1 << 16, /* on top of these, for leaf lines alone */
  SEEP_SOURCE_BYTES_MAX = 4096,  /* of a chunk name that is kept when it is a file name */
  SEEP_TEXT_BYTES_MAX = 256,     /* … when it is program text */
};

struct seep_place_entry;

struct seep_sites {
  struct seep_capture *capture;
  struct seep_state_record *record;
  struct seep_table strings, functions, frames, nodes;
  /* (hash, length) → string; (source and lines) → function; … */
  struct seep_map string_map, function_map, frame_map;
  uint32_t *node_set;            /* numbers of nodes, by their parent and frame */
  size_t node_set_capacity;
  struct seep_place_entry *places;
  size_t place_capacity, place_count;
  uint32_t place_shift, node_set_shift;  /* 64, less as many bits as a number in them has */
  uint32_t code_epoch;
  void (*on_code)(struct seep_sites *sites, uintptr_t function);  /* a Lua function is described: may be NULL */
  uint32_t nodes_max;            /* SEEP_NODES_MAX; tests lower it */
  uint32_t path_count;           /* outermost frames of the last path whose nodes are known */
  uint64_t path_leaf_key;        /* of the last path, whole */
  uint32_t path_nodes[SEEP_STACK_MAX];  /* outermost last, like struct seep_stack */
};

/* Prepares the tables of state `state_index` and enters the empty stack.
 * False when there is no room for that. */
bool seep_sites_init(struct seep_sites *sites, struct seep_capture *capture,
                     struct seep_state_record *record, uint32_t state_index);

/* Gives back what is not in the capture. */
void seep_sites_clear(struct seep_sites *sites);

/* -- From a frame's key to its node -- */

/* A node below a parent by its key, as of a code epoch: as small as can be, for a program has many. */
struct seep_place_entry {
  uint64_t key;
  uint64_t link; /* the node (0: empty entry), above it its parent, above that the code epoch's lower bits */
};
enum { SEEP_LINK_NODE_BITS = 23, SEEP_LINK_EPOCH_BITS = 64 - 2 * SEEP_LINK_NODE_BITS };
#define SEEP_LINK_NODE_MASK ((1u << SEEP_LINK_NODE_BITS) - 1)
_Static_assert(SEEP_NODES_MAX + SEEP_LEAF_NODES_MAX <= SEEP_LINK_NODE_MASK, "a node's number fits into a link");

/* Where a place is looked for first. The upper bits of a product depend on all bits of its factors: one
 * multiplication, because a stack that changes is looked up frame by frame. */
SEEP_ALWAYS_INLINE size_t seep_sites_slot(const struct seep_sites *sites, uint32_t parent, uint64_t key) {
  return (key ^ (uint64_t)parent << 32) * 0x9e3779b97f4a7c15ULL >> sites->place_shift;
}

/* The link of a node below `parent`, less the node, as it would be put now. */
SEEP_ALWAYS_INLINE uint64_t seep_sites_link(const struct seep_sites *sites, uint32_t parent) {
  return (uint64_t)sites->code_epoch << 2 * SEEP_LINK_NODE_BITS | (uint64_t)parent << SEEP_LINK_NODE_BITS;
}

/* The node of frame `at` of the stack, called from `parent`: it is described when it is
 * new, or when a prototype was freed since. SEEP_NODE_NONE when there is no room. The stack must just have been
 * walked. The second one asks the first place only. */
SEEP_NOINLINE uint32_t seep_sites_find_child(struct seep_sites *sites, const struct seep_vm_state *state, uint32_t parent,
                                             const struct seep_stack *stack, uint32_t at);
SEEP_ALWAYS_INLINE uint32_t seep_sites_child(struct seep_sites *sites, const struct seep_vm_state *state, uint32_t parent,
                                             const struct seep_stack *stack, uint32_t at) {
  uint64_t key = stack->keys[at];
  const struct seep_place_entry *entry = &sites->places[seep_sites_slot(sites, parent, key)];
  uint64_t node = entry->link ^ seep_sites_link(sites, parent);
  if (SEEP_LIKELY(entry->key == key && node <= SEEP_LINK_NODE_MASK)) return (uint32_t)node;
  return seep_sites_find_child(sites, state, parent, stack, at);
}

/* Looks up the frames of `stack` but for its `known` outermost ones, which are those of
 * the last path. Returns the node of the whole stack, or SEEP_NODE_NONE when there is no
 * room. The stack must just have been walked. */
SEEP_ALWAYS_INLINE uint32_t seep_sites_extend(struct seep_sites *sites, const struct seep_vm_state *state,
                                              const struct seep_stack *stack, uint32_t known) {
  uint32_t *nodes = &sites->path_nodes[SEEP_STACK_MAX - stack->count];
  uint32_t at = stack->count - known;
  uint32_t node = known == 0 ? (uint32_t)SEEP_NODE_EMPTY_STACK : nodes[at];
  while (at-- > 0) {
    node = seep_sites_child(sites, state, node, stack, at);
    if (SEEP_UNLIKELY(node == SEEP_NODE_NONE)) {
      sites->path_count = stack->count - at - 1;
      return SEEP_NODE_NONE;
    }
    nodes[at] = node;
  }
  sites->path_count = stack->count;
  sites->path_leaf_key = stack->keys[0];
  return node;
}

/* The node of a stack that has just been walked: always the same one for these sites,
 * which knows what has changed since the last time. */
SEEP_ALWAYS_INLINE uint32_t seep_sites_locate(struct seep_sites *sites,
                                              const struct seep_vm_state *state,
                                              struct seep_stack *stack) {
  uint32_t count = stack->count;
  uint32_t known = stack->same < sites->path_count ? stack->same : sites->path_count;
  stack->same = count;
  if (SEEP_UNLIKELY(count == 0)) return SEEP_NODE_EMPTY_STACK;
  /* A leaf that was corrected anew (seep_stack_correct_leaf) is often what it was. */
  bool same_leaf = known == count - 1 && sites->path_count == count && sites->path_leaf_key == stack->keys[0];
  if (SEEP_LIKELY(known >= count || same_leaf)) return sites->path_nodes[SEEP_STACK_MAX - count];
  return seep_sites_extend(sites, state, stack, known);
}

/* The node of the stack's leaf line alone: for when there are too many sites. */
uint32_t seep_sites_leaf_line(struct seep_sites *sites, const struct seep_vm_state *state,
                              const struct seep_stack *stack);

/* The same for a stack whose node is there, which need not have been walked;
 * SEEP_NODE_NONE when there is no room. */
uint32_t seep_sites_leaf_of(struct seep_sites *sites, uint32_t node);

/* -- Stacks whose frames are told one by one, as the hook modes know them -- */

/* A frame that somebody described. Functions are told apart by source, lines and length of code; where there are no
 * lines (LuaJIT, stripped) by what they are called. */
struct seep_sites_subject {
  const struct seep_vm_state *state;     /* its vm may be NULL: then package.loaded is not asked */
  uint64_t key;                          /* the frame's (its C function's address, for one without a name) */
  uintptr_t function;                    /* its prototype, or 0 */
  const struct seep_frame_info *info;
  /* Asks how the function is called here; NULL when that cannot be known. Called when it would be good to know. */
  void (*call_name)(const struct seep_sites_subject *subject, struct seep_call_name *out);
  const void *call;                      /* what that needs */
};

/* The function record of a frame; 0 when there is no room. */
uint32_t seep_sites_function(struct seep_sites *sites, const struct seep_sites_subject *subject);


/* The node of a frame of `function` at `line`, called from `parent`; `flags` are
 * enum seep_frame_flags. SEEP_NODE_NONE when there is no room. */
uint32_t seep_sites_called(struct seep_sites *sites, uint32_t parent, uint32_t function, uint32_t line,
                           uint32_t flags);

/* The node that stands for frames left out above `parent`. */
uint32_t seep_sites_left_out(struct seep_sites *sites, uint32_t parent);

/* A node below the empty stack that stands for no place in the program, such as
 * "(before recording)". */
uint32_t seep_sites_mark(struct seep_sites *sites, const char *name);

/* A prototype was freed: what keys mean may change. */
void seep_sites_code_freed(struct seep_sites *sites);

SEEP_ALWAYS_INLINE struct seep_node_record *seep_sites_node(const struct seep_sites *sites,
                                                            uint32_t node) {
  return seep_table_record(&sites->nodes, node);
}

#endif
