/* Reachability as a full collection of the VM has it.
 *
 * Three phases, like the collectors (lgc.c: atomic, separatetobefnz, markbeingfnz; lj_gc.c: atomic): first what
 * the root holds, then what objects with a finalizer hold that the first phase did not reach (they and what they
 * refer to live on until the finalizer has run: *pending*), and what is left is unreachable. An ephemeron entry
 * whose key is not reached yet waits in a list at the key, so that each is looked at twice at most. */
#include "heap/graph_mark.h"

enum { QUEUE = 16 };

struct waiting {
  uint32_t table, edge;
  uint32_t next;  /* index + 1 in `waiting`; 0: last */
};

struct marker {
  struct seep_graph *graph;
  struct seep_array stack;      /* uint32_t: marked, edges not followed yet */
  struct seep_array waiting;
  struct seep_map waiting_for;  /* key node to index + 1 in `waiting` */
  struct seep_array *ephemerons;
  uint8_t phase_flag;           /* what a node that is reached now gets */
  bool failed;
};

static bool is_marked(const struct marker *marker, uint32_t node) {
  return (marker->graph->flags[node] & SEEP_NODE_UNREACHABLE) == 0;
}

static void mark_node(struct marker *marker, uint32_t node) {
  uint8_t *flags = &marker->graph->flags[node];
  if ((*flags & SEEP_NODE_UNREACHABLE) == 0) return;
  *flags = (uint8_t)((*flags & ~SEEP_NODE_UNREACHABLE) | marker->phase_flag);
  uint32_t *top = seep_array_push(&marker->stack, sizeof *top);
  if (top == NULL) marker->failed = true;
  else *top = node;
}

/* Table and key of an ephemeron are held: so is its value. */
static void hold_value(struct marker *marker, uint32_t table, uint32_t edge) {
  const struct seep_graph *graph = marker->graph;
  struct seep_graph_extra *extra = seep_array_push(marker->ephemerons, sizeof *extra);
  if (extra == NULL) {
    marker->failed = true;
    return;
  }
  *extra = (struct seep_graph_extra){.from = graph->edge_name[edge], .target = graph->target[edge],
                                     .name = table, .kind = SEEP_EDGE_EPHEMERON_VALUE};
  mark_node(marker, graph->target[edge]);
}

static void wait_for_key(struct marker *marker, uint32_t table, uint32_t edge) {
  uint32_t key = marker->graph->edge_name[edge];
  struct waiting *waiting = seep_array_push(&marker->waiting, sizeof *waiting);
  if (waiting == NULL) {
    marker->failed = true;
    return;
  }
  *waiting = (struct waiting){.table = table, .edge = edge, .next = seep_map_get(&marker->waiting_for, key, 0)};
  marker->failed |= !seep_map_put(&marker->waiting_for, key, 0, (uint32_t)marker->waiting.count);
  marker->graph->flags[key] |= SEEP_NODE_AWAITED;
}

static void end_waiting(struct marker *marker, uint32_t key) {
  marker->graph->flags[key] &= (uint8_t)~SEEP_NODE_AWAITED;
  uint32_t at = seep_map_take(&marker->waiting_for, key, 0);
  while (at != 0) {
    struct waiting waiting = ((struct waiting *)marker->waiting.items)[at - 1];
    hold_value(marker, waiting.table, waiting.edge);
    at = waiting.next;
  }
}

static void follow_edge(struct marker *marker, uint32_t node, uint32_t edge) {
  const struct seep_graph *graph = marker->graph;
  uint8_t kind = graph->edge_kind[edge];
  uint32_t held[2];
  uint32_t count = seep_graph_holds(graph, edge, held);
  for (uint32_t i = 0; i < count; i++) mark_node(marker, held[i]);
  if ((kind & SEEP_EDGE_EPHEMERON) != 0 && graph->edge_name[edge] != SEEP_NODE_NONE) {
    if (is_marked(marker, graph->edge_name[edge])) hold_value(marker, node, edge);
    else wait_for_key(marker, node, edge);
  }
}

static void follow_node(struct marker *marker, uint32_t node) {
  const struct seep_graph *graph = marker->graph;
  if ((graph->flags[node] & SEEP_NODE_AWAITED) != 0) end_waiting(marker, node);
  for (uint32_t edge = graph->first_edge[node]; edge < graph->first_edge[node + 1]; edge++) {
    if (node == SEEP_NODE_ROOT && graph->edge_kind[edge] == SEEP_EDGE_FINALIZER) continue;
    follow_edge(marker, node, edge);
  }
}

/* Follows all that is marked. Nodes from the stack go through a short queue, so that their edges' places are
 * fetched from memory while the ones before them are followed. */
static void follow_stack(struct marker *marker) {
  const struct seep_graph *graph = marker->graph;
  uint32_t queue[QUEUE], in = 0, out = 0;
  while (!marker->failed && (marker->stack.count > 0 || in != out)) {
    while (marker->stack.count > 0 && in - out < QUEUE) {
      uint32_t node = ((uint32_t *)marker->stack.items)[--marker->stack.count];
      __builtin_prefetch(&graph->first_edge[node]);
      queue[in++ % QUEUE] = node;
    }
    if (in - out > QUEUE / 2) {
      uint32_t first = graph->first_edge[queue[(out + QUEUE / 2) % QUEUE]];
      __builtin_prefetch(&graph->edge_kind[first]);
      __builtin_prefetch(&graph->target[first]);
    }
    follow_node(marker, queue[out++ % QUEUE]);
  }
}

static void mark_root(struct marker *marker) {
  mark_node(marker, SEEP_NODE_ROOT);
  follow_stack(marker);
}

static void mark_pending(struct marker *marker) {
  const struct seep_graph *graph = marker->graph;
  marker->phase_flag = SEEP_NODE_PENDING;
  for (uint32_t edge = graph->first_edge[0]; edge < graph->first_edge[1]; edge++) {
    if (graph->edge_kind[edge] == SEEP_EDGE_FINALIZER) mark_node(marker, graph->target[edge]);
  }
  for (uint32_t node = 0; node < graph->node_count; node++) {
    if ((graph->flags[node] & SEEP_NODE_FINALIZER) != 0) mark_node(marker, node);
  }
  follow_stack(marker);
}

bool seep_graph_mark(struct seep_graph *graph, struct seep_array *ephemerons) {
  struct marker marker = {.graph = graph, .ephemerons = ephemerons};
  for (uint32_t node = 0; node < graph->node_count; node++) {
    graph->flags[node] = (graph->flags[node] & (SEEP_NODE_FINALIZER | SEEP_NODE_WEAK_TABLE)) | SEEP_NODE_UNREACHABLE;
  }
  mark_root(&marker);
  mark_pending(&marker);
  seep_array_free(&marker.stack);
  seep_array_free(&marker.waiting);
  seep_map_clear(&marker.waiting_for);
  for (uint32_t node = 0; node < graph->node_count; node++) graph->flags[node] &= (uint8_t)~SEEP_NODE_AWAITED;
  return !marker.failed;
}
