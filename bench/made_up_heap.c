/* A heap of millions of objects, made up. See made_up_heap.h.
 *
 * The shape is that of a server's heap: sessions in a table by string key, each
 * with a record, strings, a list of events (each refers to the next and to its
 * session), a closure with an upvalue, a cache with weak values; objects that
 * were made together lie together, some places were used again out of order. */
#include "made_up_heap.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "heap/graph_build.h"

enum { EVENTS = 12, OBJECTS_PER_SESSION = 8 + 2 * EVENTS };

struct maker {
  struct seep_graph_builder builder;
  uint64_t *place;      /* of object i */
  uint64_t object, objects;
  uint64_t key[16];     /* addresses of the strings that all share */
  uint64_t random;
};

static uint64_t next_random(struct maker *maker) {
  uint64_t x = maker->random += 0x9e3779b97f4a7c15ULL;
  return seep_mix64(x);
}

/* Places in the order of allocation, a tenth of them exchanged with others. */
static void make_places(struct maker *maker) {
  uint64_t at = 0x7f1200000010ULL;
  maker->place = malloc((maker->objects + 1) * sizeof *maker->place);
  if (maker->place == NULL) exit(1);
  for (uint64_t i = 0; i <= maker->objects; i++) {
    maker->place[i] = at;
    at += 32 + 16 * (next_random(maker) % 6);
  }
  for (uint64_t i = 0; i < maker->objects / 20; i++) {
    uint64_t a = next_random(maker) % maker->objects, b = next_random(maker) % maker->objects;
    uint64_t place = maker->place[a];
    maker->place[a] = maker->place[b];
    maker->place[b] = place;
  }
}

static uint64_t place(const struct maker *maker, uint64_t object) {
  return maker->place[object < maker->objects ? object : maker->objects];
}

static void field(struct maker *maker, uint32_t from, uint32_t key, uint64_t target) {
  seep_graph_builder_edge(&maker->builder, from, target, SEEP_EDGE_FIELD, maker->key[key]);
}

static void string(struct maker *maker, uint64_t address, const char *format, uint64_t number) {
  char text[40];
  int length = snprintf(text, sizeof text, format, (unsigned long long)number);
  uint32_t info = seep_graph_builder_string(&maker->builder, text, (size_t)length);
  seep_graph_builder_node(&maker->builder, address, SEEP_NODE_STRING, 25 + (uint64_t)length, info, 0);
}

static uint32_t table(struct maker *maker, uint64_t address, uint32_t fields) {
  struct seep_graph_shape shape = {.hash_capacity = 4, .hash_used = fields, .slack_bytes = 40 * (4 - fields)};
  return seep_graph_builder_node(&maker->builder, address, SEEP_NODE_TABLE, 56 + 40 * 4,
                                 seep_graph_builder_shape(&maker->builder, &shape), 0);
}

/* Session i: its record is object i * OBJECTS_PER_SESSION. Nodes come as the VM links them, last made first. */
static void make_session(struct maker *maker, uint64_t session) {
  uint64_t first = session * OBJECTS_PER_SESSION;
  for (int i = EVENTS - 1; i >= 0; i--) {
    uint64_t event = first + 8 + 2 * (uint64_t)i;
    string(maker, place(maker, event + 1), "event text %llu", event * 7919);
    uint32_t node = table(maker, place(maker, event), 4);
    if (i + 1 < EVENTS) field(maker, node, 0, place(maker, event + 2));
    field(maker, node, 1, place(maker, first));
    field(maker, node, 2, place(maker, event + 1));
    field(maker, node, 3, place(maker, next_random(maker) % maker->objects));
  }
  uint32_t cache =
      seep_graph_builder_node(&maker->builder, place(maker, first + 7), SEEP_NODE_TABLE, 56, 0, SEEP_NODE_WEAK_TABLE);
  for (uint64_t i = 0; i < 4; i++) {
    seep_graph_builder_edge(&maker->builder, cache, place(maker, first + 8 + 4 * i), SEEP_EDGE_INDEX | SEEP_EDGE_WEAK,
                            i + 1);
  }
  uint32_t upvalue = seep_graph_builder_node(&maker->builder, place(maker, first + 6), SEEP_NODE_UPVALUE, 40, 0, 0);
  seep_graph_builder_edge(&maker->builder, upvalue, place(maker, first), SEEP_EDGE_UPVALUE_VALUE, 0);
  uint32_t closure =
      seep_graph_builder_node(&maker->builder, place(maker, first + 5), SEEP_NODE_LUA_FUNCTION, 40, 0, 0);
  seep_graph_builder_edge(&maker->builder, closure, place(maker, first + 6), SEEP_EDGE_UPVALUE, 0);
  string(maker, place(maker, first + 4), "user-%llu@example.org", session);
  string(maker, place(maker, first + 3), "name %llu", session);
  string(maker, place(maker, first + 2), "session:%llu", session);
  uint32_t list = table(maker, place(maker, first + 1), 1);
  seep_graph_builder_edge(&maker->builder, list, place(maker, first + 8), SEEP_EDGE_INDEX, 1);
  uint32_t record = table(maker, place(maker, first), 4);
  for (uint32_t i = 1; i <= 7; i++) {
    if (i != 2 && i != 6) field(maker, record, 3 + i, place(maker, first + i));
  }
}

static void make_heap(struct maker *maker) {
  uint64_t sessions = maker->objects / OBJECTS_PER_SESSION, end = place(maker, maker->objects) + 4096;
  for (uint32_t i = 0; i < 16; i++) maker->key[i] = end + 64 * i;
  seep_graph_builder_init(&maker->builder, "state 1", "Lua 5.4", "made up");
  seep_graph_builder_edge(&maker->builder, SEEP_NODE_ROOT, end + 2048, SEEP_EDGE_REGISTRY, 0);
  for (uint64_t i = sessions; i-- > 0;) make_session(maker, i);
  for (uint32_t i = 0; i < 16; i++) string(maker, maker->key[i], "key %llu", i);
  uint32_t all = table(maker, end + 2048, 0);
  for (uint64_t i = 0; i < sessions; i++) {
    uint64_t first = i * OBJECTS_PER_SESSION;
    seep_graph_builder_edge(&maker->builder, all, place(maker, first), SEEP_EDGE_FIELD, place(maker, first + 2));
  }
}

bool make_up_heap(uint64_t objects, struct seep_graph *out, uint64_t *resolve_cpu_ns) {
  struct maker maker = {.objects = objects - objects % OBJECTS_PER_SESSION, .random = 1};
  struct seep_error error;
  if (maker.objects == 0) return false;
  make_places(&maker);
  make_heap(&maker);
  free(maker.place);
  uint64_t from_ns = seep_clock_cpu_ns();
  enum seep_status status =
      seep_graph_builder_finish(&maker.builder, &(struct seep_graph_mark_addresses){0}, 0, out, &error);
  *resolve_cpu_ns = seep_clock_cpu_ns() - from_ns;
  if (status != SEEP_OK) fprintf(stderr, "%s\n", error.text);
  return status == SEEP_OK;
}
