/* A Lua module that reads the heap it lives in, and compares with what the VM itself says.
 *
 *   local probe = require-like loadlib, on the main thread
 *   probe.check(name)        objects and ledger add up to the VM's count to the byte; a full collection frees exactly
 *                            what the graph calls unreachable
 *   probe.edges()            every edge with a name, as lines (for tests of names)
 *   probe.snapshot(path)     writes a snapshot file
 *   probe.measure()          how many objects a second become a graph
 *
 * Prints one line for each check: "ok NAME objects=N …" or "not ok NAME: why". */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

#include "base/clock.h"
#include "heap/image_graph.h"
#include "heap/snapshot.h"
#include "reach/self_image.h"

static lua_State *main_thread;

static bool read_graph(lua_State *L, struct seep_image_graph *out, struct seep_error *error) {
  struct seep_image image;
  if (seep_self_image_open(&image, error) != SEEP_OK) return false;
  struct seep_heap_state state;
  bool done = seep_heap_identify_thread(&image, (uintptr_t)main_thread, &state);
  if (!done) {
    seep_error_set(error, SEEP_E_UNKNOWN_VM, "the state was not identified");
  } else {
    state.running = (uintptr_t)L;
    done = seep_image_graph_read(&image, &state, &(struct seep_image_reading){.name = "state 1"}, out, error) == SEEP_OK;
  }
  seep_self_image_close(&image);
  return done;
}

static uint64_t count_of(lua_State *L) {
  return (uint64_t)lua_gc(L, LUA_GCCOUNT, 0) * 1024 + (uint64_t)lua_gc(L, LUA_GCCOUNTB, 0);
}

/* -- Sets of objects ------------------------------------------------------------------ */

struct object {
  uint64_t address;
  uint32_t node;
};

static int by_address(const void *left, const void *right) {
  uint64_t a = ((const struct object *)left)->address, b = ((const struct object *)right)->address;
  return (a > b) - (a < b);
}

static struct object *objects_of(const struct seep_graph *graph, size_t *count) {
  struct object *objects = malloc((graph->node_count + 1) * sizeof *objects);
  *count = 0;
  for (uint32_t i = 0; i < graph->node_count; i++) {
    if (graph->address[i] != 0) objects[(*count)++] = (struct object){graph->address[i], i};
  }
  qsort(objects, *count, sizeof *objects, by_address);
  return objects;
}

static void show(const struct seep_graph *graph, uint32_t node, char out[256]) {
  struct seep_graph_text text = {0};
  uint8_t kind = graph->kind[node];
  if (kind == SEEP_NODE_STRING) text = seep_graph_text(graph, graph->info[node]);
  snprintf(out, 256, "%s %#" PRIx64 " of %" PRIu64 " bytes, flags %d '%.*s'", seep_node_kind_name(kind),
           graph->address[node], seep_graph_size(graph, node), graph->flags[node], (int)text.kept_bytes,
           text.bytes == NULL ? "" : text.bytes);
}

static bool has_object(const struct seep_graph *graph, uint64_t address) {
  for (uint32_t i = 0; i < graph->node_count; i++) {
    if (graph->address[i] == address) return true;
  }
  return false;
}

/* 5.3 leaves the mark `touched` on the open upvalues of coroutines that are alive (lgc.c remarkupvals); when such a
 * coroutine dies, the values of these upvalues stay for one collection more. So what was not freed must go with the
 * next one. */
static bool goes_later(lua_State *L, uint64_t address) {
#if LUA_VERSION_NUM == 503
  struct seep_image_graph later;
  struct seep_error error;
  lua_gc(L, LUA_GCCOLLECT, 0);
  if (!read_graph(L, &later, &error)) return false;
  bool gone = !has_object(&later.graph, address);
  seep_graph_free(&later.graph);
  return gone;
#else
  (void)L;
  (void)address;
  (void)has_object;
  return false;
#endif
}

/* What already waits for its finalizer, and what that holds: a full collection of 5.5 ends the cycle that is under way
 * first, finalizers included, so that its own cycle may free them. */
static bool may_go(uint8_t flags) {
  return LUA_VERSION_NUM == 505 && (flags & (SEEP_NODE_PENDING | SEEP_NODE_FINALIZER)) == SEEP_NODE_PENDING;
}

/* Both graphs, object by object: before without what is unreachable must be after. */
static int compare(lua_State *L, const char *name, const struct seep_graph *before, const struct seep_graph *after) {
  size_t before_count, after_count, at = 0, wrong = 0;
  struct object *old = objects_of(before, &before_count), *new = objects_of(after, &after_count);
  char text[256];
  for (size_t i = 0; i < before_count; i++) {
    while (at < after_count && new[at].address < old[i].address) {
      show(after, new[at++].node, text);
      if (wrong++ < 5) printf("# %s: new after the collection: %s\n", name, text);
    }
    bool there = at < after_count && new[at].address == old[i].address;
    bool unreachable = (before->flags[old[i].node] & SEEP_NODE_UNREACHABLE) != 0;
    if (there) at++;
    if (there != unreachable || (there && goes_later(L, old[i].address))) continue;
    if (!there && may_go(before->flags[old[i].node])) continue;
    show(before, old[i].node, text);
    if (wrong++ < 5) printf("# %s: %s: %s\n", name, there ? "was not freed" : "was freed", text);
  }
  free(old);
  free(new);
  return wrong == 0;
}

/* -- Checks --------------------------------------------------------------------------- */

static void fail(const char *name, const char *why) { printf("not ok %s: %s\n", name, why); }

static bool adds_up(lua_State *L, const char *name, const char *when, const struct seep_image_graph *read,
                    uint64_t counted) {
  (void)L;
  char why[256];
  const struct seep_graph *graph = &read->graph;
  uint64_t in_flight = 0;
  const struct seep_graph_ledger *ledger = graph->ledger.items;
  for (size_t i = 0; i < graph->ledger.count; i++) {
    if (strcmp(ledger[i].name, "in flight") == 0) in_flight = (uint64_t)ledger[i].bytes;
  }
  if (graph->state_bytes == counted && seep_graph_bytes(graph) == counted && in_flight == 0 && read->damage_count == 0) {
    return true;
  }
  snprintf(why, sizeof why, "%s: the VM counts %" PRIu64 ", we read %" PRIu64 ", the graph has %" PRIu64
           " (in flight %" PRId64 "), damage %" PRIu64 " (%s)", when, counted, graph->state_bytes,
           seep_graph_bytes(graph), (int64_t)in_flight, read->damage_count, read->damage == NULL ? "none" : read->damage);
  fail(name, why);
  return false;
}

static int check(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  bool collects = !lua_isboolean(L, 2) || lua_toboolean(L, 2);
  struct seep_image_graph before, after;
  struct seep_error error = {{0}};
  uint64_t counted = count_of(L);
  if (!read_graph(L, &before, &error)) {
    fail(name, error.text);
    return 0;
  }
  if (count_of(L) != counted) fail(name, "reading changed the VM's count");
  bool good = adds_up(L, name, "before", &before, counted);
  if (collects) {
    lua_gc(L, LUA_GCCOLLECT, 0);
    counted = count_of(L);
    if (!read_graph(L, &after, &error)) {
      fail(name, error.text);
      good = false;
    } else {
      if (good) good = adds_up(L, name, "after", &after, counted);
      if (!compare(L, name, &before.graph, &after.graph)) {
        if (good) fail(name, "a collection did not free what the graph calls unreachable");
        good = false;
      }
      seep_graph_free(&after.graph);
    }
  }
  if (good) {
    printf("ok %s objects=%" PRIu32 " edges=%" PRIu32 " unreachable=%" PRIu64 " pending=%" PRIu64 " dropped=%" PRIu64 "\n",
           name, before.graph.node_count, before.graph.edge_count, before.graph.unreachable_count,
           before.graph.pending_count, before.graph.dropped_edges);
  }
  seep_graph_free(&before.graph);
  return 0;
}

/* How fast a heap becomes a graph: by the processor's time, so that other programs matter less. */
static int measure(lua_State *L) {
  struct seep_image_graph read;
  struct seep_error error = {{0}};
  struct timespec from, to;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
  if (!read_graph(L, &read, &error)) return luaL_error(L, "%s", error.text);
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
  double seconds = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
  printf("%" PRIu32 " objects, %" PRIu32 " references, %.3f s, %.2f million objects/s\n", read.graph.node_count,
         read.graph.edge_count, seconds, read.graph.node_count / seconds / 1e6);
  seep_graph_free(&read.graph);
  return 0;
}

/* -- Names ---------------------------------------------------------------------------- */

static void print_text(const struct seep_graph *graph, uint32_t text) {
  struct seep_graph_text t = seep_graph_text(graph, text);
  printf("%.*s", (int)t.kept_bytes, t.bytes == NULL ? "" : t.bytes);
}

static void print_node(const struct seep_graph *graph, uint32_t node) {
  uint8_t kind = graph->kind[node];
  printf("%s", seep_node_kind_name(kind));
  if (kind == SEEP_NODE_STRING || kind == SEEP_NODE_USERDATA || kind == SEEP_NODE_CDATA) {
    printf(" '");
    print_text(graph, graph->info[node]);
    printf("'");
  } else if (kind != SEEP_NODE_TABLE && kind != SEEP_NODE_UPVALUE && kind != SEEP_NODE_KIND_ROOT) {
    const struct seep_graph_place *place = seep_graph_place(graph, graph->info[node]);
    printf(" ");
    print_text(graph, place->source);
    printf(":%u", place->line);
  }
}

static void print_edge(const struct seep_graph *graph, uint32_t from, uint32_t edge) {
  static const char *const names[SEEP_EDGE_KIND_COUNT] = {
      "field", "index", "entry", "entry_text", "key", "metatable", "type_metatable", "upvalue", "upvalue_index",
      "upvalue_value", "open_upvalue", "local", "slot", "frame", "environment", "user_value", "proto", "constant",
      "debug_name", "cache", "registry", "main_thread", "globals", "finalizer", "trace", "part", "other",
      "ephemeron_value"};
  uint8_t kind = graph->edge_kind[edge] & SEEP_EDGE_KIND_MASK;
  uint32_t name = graph->edge_name[edge];
  print_node(graph, from);
  printf(" | %s", names[kind]);
  if (graph->edge_kind[edge] & SEEP_EDGE_WEAK) printf(" weak");
  if (graph->edge_kind[edge] & SEEP_EDGE_EPHEMERON) printf(" ephemeron");
  printf(" ");
  if (seep_edge_names_node(kind)) {
    if (name != SEEP_NODE_NONE) print_node(graph, name);
  } else if (kind == SEEP_EDGE_LOCAL) {
    const struct seep_graph_local *local = seep_graph_local(graph, name);
    print_text(graph, local->name);
  } else if (kind == SEEP_EDGE_UPVALUE || kind == SEEP_EDGE_TYPE_METATABLE || kind == SEEP_EDGE_ENTRY_TEXT ||
             kind == SEEP_EDGE_OTHER) {
    print_text(graph, name);
  } else {
    printf("%u", name);
  }
  printf(" | ");
  print_node(graph, graph->target[edge]);
  printf("\n");
}

static int print_edges(lua_State *L) {
  struct seep_image_graph read;
  struct seep_error error = {{0}};
  if (!read_graph(L, &read, &error)) return luaL_error(L, "%s", error.text);
  const struct seep_graph *graph = &read.graph;
  for (uint32_t node = 0; node < graph->node_count; node++) {
    for (uint32_t edge = graph->first_edge[node]; edge < graph->first_edge[node + 1]; edge++) print_edge(graph, node, edge);
  }
  seep_graph_free(&read.graph);
  return 0;
}

/* -- A snapshot file, as `seepline snapshot` would make one -------------------------------- */

static int write_snapshot(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  struct seep_image_graph read;
  struct seep_error error = {{0}};
  struct seep_snapshot_info info = {.pid = (uint32_t)getpid(), .taken_wall_ns = seep_clock_wall_ns(), .pause_ns = 1234567,
                                    .command_bytes = 12, .command = "lua\0test.lua"};
  if (!read_graph(L, &read, &error)) return luaL_error(L, "%s", error.text);
  enum seep_status status = seep_snapshot_write(path, &info, &read.graph, 1, &error);
  seep_graph_free(&read.graph);
  return status == SEEP_OK ? 0 : luaL_error(L, "%s", error.text);
}

/* A userdata with as many bytes and user values as asked for, and a metatable. */
static int new_userdata(lua_State *L) {
  size_t bytes = (size_t)luaL_checknumber(L, 1);
#if LUA_VERSION_NUM >= 504
  lua_newuserdatauv(L, bytes, (int)luaL_optnumber(L, 3, 1));
#else
  lua_newuserdata(L, bytes);
#endif
  if (lua_istable(L, 2)) {
    lua_pushvalue(L, 2);
    lua_setmetatable(L, -2);
  }
  return 1;
}

/* A string whose text is not in it, and is given back when it goes, if that is asked for; where there are none, like any
 * other. */
#if LUA_VERSION_NUM >= 505
static void *give_back(void *ud, void *block, size_t old_bytes, size_t new_bytes) {
  (void)ud, (void)old_bytes, (void)new_bytes;
  free(block);
  return NULL;
}
static int new_text(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  static char kept[1000];
  bool is_given = lua_toboolean(L, 2);
  char *copy = is_given ? malloc(length + 1) : kept;
  if (!is_given && length >= sizeof kept) return luaL_error(L, "too long");
  memcpy(copy, text, length + 1);
  lua_pushexternalstring(L, copy, length, is_given ? give_back : NULL, NULL);
  return 1;
}
#else
static int new_text(lua_State *L) {
  lua_settop(L, 1);
  return 1;
}
#endif

/* A C function with upvalues: all that it was called with. */
static int noop(lua_State *L) {
  (void)L;
  return 0;
}
static int new_closure(lua_State *L) {
  lua_pushcclosure(L, noop, lua_gettop(L));
  return 1;
}

int luaopen_probe(lua_State *L) __attribute__((visibility("default")));

int luaopen_probe(lua_State *L) {
  static const struct {
    const char *name;
    lua_CFunction function;
  } functions[] = {{"check", check}, {"edges", print_edges}, {"snapshot", write_snapshot}, {"measure", measure},
                   {"userdata", new_userdata}, {"text", new_text}, {"closure", new_closure}, {"noop", noop}};
  main_thread = L;
  setvbuf(stdout, NULL, _IOLBF, 4096);
  lua_newtable(L);
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    lua_pushcclosure(L, functions[i].function, 0);
    lua_setfield(L, -2, functions[i].name);
  }
  return 1;
}
