/* Objects that are alike: the same kind behind the same path, apart from which
 * entry of a collection they are: `_G.app.listeners[*]`.
 *
 * Model: every reached node belongs to one group, by the shortest path to it
 * (paths.h). A step through an array entry, an entry with an object as its key,
 * or a field of a table that is a collection is `[*]`; every other step keeps its
 * name. A step that occurred before on the way leads back to that group, so the
 * nodes of a list or tree are one group (`_G.list(.next)+`), and the
 * number of groups depends on the program, not on its data.
 * A group's hash depends on its path's names and kinds alone: the same path in
 * another snapshot has the same hash. */
#ifndef SEEP_GROUPS_H
#define SEEP_GROUPS_H

#include "heap/dominators.h"
#include "heap/paths.h"

#define SEEP_GROUP_NONE 0xffffffffu

enum seep_step_kind { SEEP_STEP_START = 0, SEEP_STEP_NAMED, SEEP_STEP_ANY, SEEP_STEP_KEYS, SEEP_STEP_SILENT };

struct seep_group {
  uint32_t parent;       /* group, or SEEP_GROUP_NONE */
  uint32_t edge, node;   /* the first member, and the edge by which it was reached: for the text of the step */
  uint8_t step;          /* enum seep_step_kind */
  uint8_t kind;          /* enum seep_node_kind of its members */
  bool recursive;        /* members are reached through members */
  uint8_t depth;
  uint64_t label;        /* hash of the last step */
  uint64_t hash;         /* of the whole path */
  uint64_t count, self_bytes;
  uint64_t retained_bytes;  /* by all members: what is retained within another member counts once */
  uint64_t slack_bytes;     /* of tables */
};

struct seep_groups {
  struct seep_array groups;  /* struct seep_group */
  uint32_t *of_node;         /* by node: group, or SEEP_GROUP_NONE */
  uint32_t node_count;
};

/* False when there is no memory. To be freed. */
bool seep_groups_build(const struct seep_paths *paths, const struct seep_dominators *dominators,
                       struct seep_groups *out);
void seep_groups_free(struct seep_groups *groups);

SEEP_ALWAYS_INLINE const struct seep_group *seep_groups_at(const struct seep_groups *groups, uint32_t group) {
  return (const struct seep_group *)groups->groups.items + group;
}

/* "_G.app.listeners[*]", "_G.list(.next)+.value"; to be freed. */
char *seep_group_text(const struct seep_graph *graph, const struct seep_groups *groups, uint32_t group,
                      const struct seep_namer *namer);

#endif
