/* Groups of nodes by generalised path. See groups.h. */
#include "heap/groups.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum {
  COLLECTION_FIELDS = 32,   /* fewer fields are a record or a module */
  DEPTH_MAX = 96,
  ANY_STEPS_MAX = 8,        /* `[*]` after each other before they are taken for recursion */
  GROUPS_MAX = 1 << 20,
  DOMINATORS_LOOKED_AT = 16,
};

struct grouper {
  const struct seep_paths *paths;
  const struct seep_graph *graph;
  const struct seep_dominators *dominators;
  struct seep_groups *out;
  struct seep_map known;  /* hash of (group, step) and kind to group + 1 */
  bool failed;
};

struct step {
  uint32_t edge, node;
  uint8_t kind;  /* enum seep_step_kind */
  uint64_t label;
};

static struct seep_group *group_at(struct seep_groups *groups, uint32_t group) {
  return (struct seep_group *)groups->groups.items + group;
}

/* -- Steps --------------------------------------------------------------------------- */

/* A table whose string keys are data: many, and mostly of one kind that is not functions. */
static bool is_collection(const struct seep_graph *graph, uint32_t node) {
  uint32_t kinds[SEEP_NODE_KIND_COUNT] = {0}, fields = 0, most = 0;
  const struct seep_graph_marks *marks = &graph->marks;
  if (graph->kind[node] != SEEP_NODE_TABLE || node == marks->globals || node == marks->loaded ||
      node == marks->registry) {
    return false;
  }
  for (uint32_t edge = graph->first_edge[node]; edge < graph->first_edge[node + 1]; edge++) {
    if ((graph->edge_kind[edge] & SEEP_EDGE_KIND_MASK) != SEEP_EDGE_FIELD) continue;
    fields++;
    kinds[graph->kind[graph->target[edge]]]++;
  }
  kinds[SEEP_NODE_LUA_FUNCTION] = kinds[SEEP_NODE_C_FUNCTION] = 0;
  for (int i = 0; i < SEEP_NODE_KIND_COUNT; i++) most = kinds[i] > most ? kinds[i] : most;
  return fields >= COLLECTION_FIELDS && (uint64_t)most * 4 >= (uint64_t)fields * 3;
}

static uint64_t text_hash(const struct seep_graph *graph, uint32_t text) { return seep_graph_text(graph, text).hash; }

static uint64_t place_hash(const struct seep_graph *graph, uint32_t place) {
  const struct seep_graph_place *where = seep_graph_place(graph, place);
  return text_hash(graph, where->source) * 31 + text_hash(graph, where->name) * 7 + where->line;
}

/* The hash of what a name means, not of its number. */
static uint64_t name_hash(const struct seep_graph *graph, uint8_t kind, uint32_t name) {
  switch (kind) {
    case SEEP_EDGE_FIELD:
      if (name == SEEP_NODE_NONE || graph->kind[name] != SEEP_NODE_STRING) return 0;
      return text_hash(graph, graph->info[name]);
    case SEEP_EDGE_TYPE_METATABLE: case SEEP_EDGE_UPVALUE: case SEEP_EDGE_OTHER: return text_hash(graph, name);
    case SEEP_EDGE_LOCAL: case SEEP_EDGE_ENDED_LOCAL: {
      const struct seep_graph_local *local = seep_graph_local(graph, name);
      return text_hash(graph, local->name) * 31 + place_hash(graph, local->place);
    }
    case SEEP_EDGE_SLOT: return place_hash(graph, name);
    case SEEP_EDGE_UPVALUE_INDEX: case SEEP_EDGE_USER_VALUE: return name;
    default: return 0;
  }
}

static struct step step_along(const struct seep_graph *graph, uint32_t edge, uint32_t node, bool in_collection) {
  uint8_t kind = graph->edge_kind[edge] & SEEP_EDGE_KIND_MASK;
  struct step step = {.edge = edge, .node = node, .kind = SEEP_STEP_NAMED};
  bool is_key = kind == SEEP_EDGE_KEY || (seep_edge_names_node(kind) && graph->target[edge] != node);
  bool is_any = kind == SEEP_EDGE_INDEX || kind == SEEP_EDGE_ENTRY || kind == SEEP_EDGE_ENTRY_TEXT ||
                (kind == SEEP_EDGE_FIELD && in_collection);
  if (is_key) step.kind = SEEP_STEP_KEYS;
  else if (is_any) step.kind = SEEP_STEP_ANY;
  else if (kind == SEEP_EDGE_UPVALUE_VALUE) step.kind = SEEP_STEP_SILENT;
  step.label =
      step.kind == SEEP_STEP_NAMED ? seep_mix64(name_hash(graph, kind, graph->edge_name[edge]) + kind) : step.kind;
  return step;
}

/* -- Groups --------------------------------------------------------------------------- */

static uint32_t add_group(struct grouper *grouper, uint32_t parent, struct step step, uint8_t kind) {
  struct seep_groups *out = grouper->out;
  struct seep_group *group = seep_array_push(&out->groups, sizeof *group);
  if (group == NULL) {
    grouper->failed = true;
    return 0;
  }
  *group = (struct seep_group){.parent = parent, .edge = step.edge, .node = step.node, .step = step.kind, .kind = kind,
                               .label = step.label};
  if (parent != SEEP_GROUP_NONE) {
    const struct seep_group *above = group_at(out, parent);
    group->depth = (uint8_t)(above->depth + 1);
    group->hash = seep_mix64(above->hash * 31 + step.label) + kind;
  } else {
    group->hash = seep_mix64(step.label) + kind;
  }
  return (uint32_t)out->groups.count - 1;
}

/* The group on the way to `parent` to which this step leads back, or SEEP_GROUP_NONE. */
static uint32_t find_recursion(struct seep_groups *groups, uint32_t parent, const struct step *step, uint8_t kind) {
  uint32_t any_steps = 0;
  for (uint32_t at = parent; at != SEEP_GROUP_NONE; at = group_at(groups, at)->parent) {
    const struct seep_group *group = group_at(groups, at);
    bool same = group->step == step->kind && group->label == step->label && group->kind == kind;
    if (step->kind == SEEP_STEP_NAMED && same) return at;
    if (step->kind == SEEP_STEP_ANY && same && ++any_steps >= ANY_STEPS_MAX) return at;
  }
  bool is_full = groups->groups.count >= GROUPS_MAX || group_at(groups, parent)->depth >= DEPTH_MAX;
  return is_full ? parent : SEEP_GROUP_NONE;
}

static uint32_t group_behind(struct grouper *grouper, uint32_t parent, struct step step, uint8_t kind) {
  uint64_t key = seep_mix64(step.label + ((uint64_t)parent << 8) * 0x9e3779b97f4a7c15ULL + step.kind);
  uint32_t known = seep_map_get(&grouper->known, key, kind + 1u);
  if (known != 0) return known - 1;
  uint32_t group = find_recursion(grouper->out, parent, &step, kind);
  if (group != SEEP_GROUP_NONE) group_at(grouper->out, group)->recursive = true;
  else group = add_group(grouper, parent, step, kind);
  grouper->failed |= !seep_map_put(&grouper->known, key, kind + 1u, group + 1);
  return group;
}

static void group_start(struct grouper *grouper, uint32_t node) {
  const struct seep_graph *graph = grouper->graph;
  const char *name = seep_path_start_text(graph, node);
  struct step step = {
      .edge = SEEP_VIA_START, .node = node, .kind = SEEP_STEP_START, .label = seep_graph_hash(name, strlen(name))};
  uint64_t key = step.label;
  uint32_t known = seep_map_get(&grouper->known, key, 0);
  if (known == 0) {
    known = add_group(grouper, SEEP_GROUP_NONE, step, graph->kind[node]) + 1;
    grouper->failed |= !seep_map_put(&grouper->known, key, 0, known);
  }
  grouper->out->of_node[node] = known - 1;
}

/* Gives a group to each node that was reached first from `node`. */
static void group_children(struct grouper *grouper, uint32_t node) {
  const struct seep_graph *graph = grouper->graph;
  uint32_t *of_node = grouper->out->of_node, count = graph->first_edge[node + 1] - graph->first_edge[node];
  bool in_collection = count >= COLLECTION_FIELDS && is_collection(graph, node);
  for (uint32_t edge = graph->first_edge[node]; edge < graph->first_edge[node + 1]; edge++) {
    uint32_t held[2], held_count = seep_graph_holds(graph, edge, held);
    if (seep_graph_held_once(graph, edge) != SEEP_NODE_NONE) held[held_count++] = graph->target[edge];
    for (uint32_t i = 0; i < held_count; i++) {
      if (grouper->paths->via[held[i]] != edge || of_node[held[i]] != SEEP_GROUP_NONE) continue;
      struct step step = step_along(graph, edge, held[i], in_collection);
      of_node[held[i]] = group_behind(grouper, of_node[node], step, graph->kind[held[i]]);
    }
  }
}

static void group_all(struct grouper *grouper) {
  const struct seep_paths *paths = grouper->paths;
  for (uint32_t i = 0; i < paths->reached && !grouper->failed; i++) {
    uint32_t node = paths->order[i];
    if (paths->via[node] == SEEP_VIA_START) group_start(grouper, node);
    group_children(grouper, node);
  }
}

/* -- Sums ------------------------------------------------------------------------------ */

/* Whether one of the nearest dominators is in the same group: then that one's retained size has this node's in it. */
static bool is_within_group(const struct grouper *grouper, uint32_t node, uint32_t group) {
  const uint32_t *dominator = grouper->dominators->dominator;
  for (int i = 0; i < DOMINATORS_LOOKED_AT && node != SEEP_NODE_ROOT; i++) {
    node = dominator[node];
    if (node == SEEP_NODE_NONE) return false;
    if (grouper->out->of_node[node] == group) return true;
  }
  return false;
}

static void sum_up(struct grouper *grouper) {
  const struct seep_graph *graph = grouper->graph;
  for (uint32_t node = 0; node < graph->node_count; node++) {
    uint32_t number = grouper->out->of_node[node];
    if (number == SEEP_GROUP_NONE) continue;
    struct seep_group *group = group_at(grouper->out, number);
    group->count++;
    group->self_bytes += seep_graph_size(graph, node);
    if (graph->kind[node] == SEEP_NODE_TABLE)
      group->slack_bytes += seep_graph_shape(graph, graph->info[node])->slack_bytes;
    if (!is_within_group(grouper, node, number)) group->retained_bytes += grouper->dominators->retained[node];
  }
}

bool seep_groups_build(const struct seep_paths *paths, const struct seep_dominators *dominators,
                       struct seep_groups *out) {
  struct grouper grouper = {.paths = paths, .graph = paths->graph, .dominators = dominators, .out = out};
  *out = (struct seep_groups){.node_count = paths->graph->node_count};
  out->of_node = seep_pages_map(out->node_count * sizeof *out->of_node);
  if (out->of_node == NULL) return false;
  memset(out->of_node, 0xff, out->node_count * sizeof *out->of_node);
  group_all(&grouper);
  seep_map_clear(&grouper.known);
  if (grouper.failed) {
    seep_groups_free(out);
    return false;
  }
  sum_up(&grouper);
  return true;
}

void seep_groups_free(struct seep_groups *groups) {
  if (groups->of_node != NULL) seep_pages_unmap(groups->of_node, groups->node_count * sizeof *groups->of_node);
  seep_array_free(&groups->groups);
  *groups = (struct seep_groups){0};
}

/* -- Texts ------------------------------------------------------------------------------ */

static void print_group(const struct seep_graph *graph, const struct seep_groups *groups, uint32_t number,
                        const struct seep_namer *namer, FILE *out) {
  uint32_t way[DEPTH_MAX + 1], count = 0;
  for (uint32_t at = number; at != SEEP_GROUP_NONE && count <= DEPTH_MAX; at = seep_groups_at(groups, at)->parent)
    way[count++] = at;
  while (count-- > 0) {
    const struct seep_group *group = seep_groups_at(groups, way[count]);
    if (group->recursive) fputc('(', out);
    switch (group->step) {
      case SEEP_STEP_START: fputs(seep_path_start_text(graph, group->node), out); break;
      case SEEP_STEP_ANY: fputs("[*]", out); break;
      case SEEP_STEP_KEYS: fputs(" → keys", out); break;
      case SEEP_STEP_SILENT: break;
      default: seep_path_print_step(graph, group->edge, group->node, namer, out);
    }
    if (group->recursive) fputs(")+", out);
  }
}

char *seep_group_text(const struct seep_graph *graph, const struct seep_groups *groups, uint32_t group,
                      const struct seep_namer *namer) {
  static const char arrow[] = " → ";
  char *text = NULL;
  size_t size_bytes;
  FILE *out = open_memstream(&text, &size_bytes);
  if (out == NULL) abort();
  print_group(graph, groups, group, namer, out);
  fclose(out);
  if (strncmp(text, arrow, sizeof arrow - 1) == 0)
    memmove(text, text + sizeof arrow - 1, size_bytes - (sizeof arrow - 1) + 1);
  if (text[0] != '\0') return text;
  free(text);
  return seep_must_copy("root");
}

