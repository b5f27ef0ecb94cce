/* Taking a heap snapshot from outside. See take_heap.h. */
#define _GNU_SOURCE
#include "reach/take_heap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "heap/image_graph.h"
#include "reach/core_image.h"
#include "reach/find_release.h"
#include "reach/join_heap.h"
#include "reach/process_image.h"

/* -- States --------------------------------------------------------------------------- */

/* The states found so far, and where they are looked for. */
struct states {
  struct seep_image *image;
  struct seep_heap_state found[SEEP_SNAPSHOT_STATES_MAX];
  uint32_t count;
  uint32_t torn;     /* how many of them do not look like states at this moment, and still are */
  pid_t pid;         /* of a process; 0: a core */
  bool is_copy;      /* that stands still: what is torn stays so */
  uintptr_t anchor;  /* of a recorder in it (join_heap.h), or 0 */
  struct seep_remains remains;  /* of the state that is looked at */
  struct seep_closing closing;
};

/* A state, with what the recorder knows of calls that have ended in it. */
static const struct seep_heap_state *state_with_remains(struct states *states, uint32_t index) {
  struct seep_heap_state *state = &states->found[index];
  bool known = states->anchor != 0 && seep_join_remains(states->image, states->anchor, state->global, &states->remains);
  state->remains = known ? &states->remains : NULL;
  known = states->anchor != 0 && seep_join_closing(states->image, states->anchor, state->global, &states->closing);
  state->closing = known ? &states->closing : NULL;
  return state;
}

static bool take_candidate(void *context, uintptr_t address) {
  struct states *states = context;
  struct seep_heap_state state;
  if (seep_heap_identify(states->image, address, &state)) states->found[states->count++] = state;
  return states->count < SEEP_SNAPSHOT_STATES_MAX;
}

/* In a process that runs, what is read at different moments need not agree, memory is mapped meanwhile, and a state may
 * be in the middle of something: if it may be one, it is looked at again, for a quarter of a second if need be. */
static bool take_running_candidate(struct seep_process_image *image, struct states *states, uintptr_t address) {
  enum { LOOKS_MAX = 50, WAIT_NS = 5000000 };
  uint32_t before = states->count;
  for (int look = 0; look < LOOKS_MAX; look++) {
    if (seep_process_image_thaw(image, true, NULL) != SEEP_OK) return false;
    if (!take_candidate(states, address)) return false;
    if (states->count > before || !seep_heap_is_likely(states->image, address)) return true;
    nanosleep(&(struct timespec){.tv_nsec = WAIT_NS}, NULL);
  }
  return true;
}

static uint64_t find_running_states(struct seep_process_image *image, struct states *states) {
  struct seep_array candidates = {0};
  uint64_t searched_bytes = seep_process_image_search(image, &candidates);
  const uintptr_t *addresses = candidates.items;
  for (size_t i = 0; i < candidates.count; i++) {
    if (!take_running_candidate(image, states, addresses[i])) break;
  }
  seep_array_free(&candidates);
  return searched_bytes;
}

static enum seep_status say_none(const struct seep_releases *releases, const char *what, uint64_t searched_bytes,
                                 struct seep_error *error) {
  char searched[16], names[256] = "";
  seep_text_bytes(searched_bytes, searched);
  for (uint32_t i = 0; i < releases->count && strlen(names) < sizeof names - 64; i++) {
    snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i > 0 ? ", " : "", releases->names[i]);
  }
  if (releases->count > 0) {
    return seep_error_set(error, SEEP_E_UNKNOWN_VM,
                          "%s: no Lua state that seepline knows, though %s is in it: it has no state open, "
                          "or was built in a way that is not known (%s of writable memory were searched)",
                          what, names, searched);
  }
  return seep_error_set(error, SEEP_E_NOT_FOUND,
                        "%s: no Lua in it (%s of writable memory were searched for states of Lua 5.1 to 5.5 and "
                        "LuaJIT 2.1, 64 bits)",
                        what, searched);
}

/* -- Reading for the sake of it ---------------------------------------------------------- */

/* A sink that takes everything and keeps nothing: reading into it finds out which memory a heap lies in. */
struct idle_sink {
  struct seep_object_sink sink;  /* first */
  struct seep_join join;
  bool is_joined;                /* the recorder's tables will be wanted, too */
};

static uint32_t no_node(struct seep_object_sink *sink, uint64_t address, uint8_t kind, uint64_t size_bytes,
                        uint32_t info, uint8_t flags) {
  struct idle_sink *idle = (struct idle_sink *)sink;
  (void)size_bytes, (void)info, (void)flags;
  if (idle->is_joined) seep_join_object_row(&idle->join, address, kind);
  return 1;
}
static void no_edge(struct seep_object_sink *sink, uint32_t from, uint64_t target, uint8_t kind, uint64_t name) {
  (void)sink, (void)from, (void)target, (void)kind, (void)name;
}
static uint32_t no_text(struct seep_object_sink *sink, const char *bytes, size_t size_bytes) {
  (void)sink, (void)bytes, (void)size_bytes;
  return 1;
}
static uint32_t no_shape(struct seep_object_sink *sink, const struct seep_graph_shape *shape) {
  (void)sink, (void)shape;
  return 1;
}
static uint32_t no_place(struct seep_object_sink *sink, const struct seep_graph_place *place) {
  (void)sink, (void)place;
  return 1;
}
static uint32_t no_local(struct seep_object_sink *sink, const struct seep_graph_local *local) {
  (void)sink, (void)local;
  return 1;
}
static void no_ledger(struct seep_object_sink *sink, const char *name, int64_t bytes) {
  (void)sink, (void)name, (void)bytes;
}

static void no_part(struct seep_object_sink *sink, uint32_t number, uint64_t address, uint64_t size_bytes) {
  struct idle_sink *idle = (struct idle_sink *)sink;
  (void)number, (void)size_bytes;
  if (idle->is_joined) seep_join_row(&idle->join, address);
}

/* Returns how much damage was met. */
static uint64_t read_for_nothing(struct states *states) {
  struct idle_sink idle = {.sink = {.node = no_node, .edge = no_edge, .name = no_text, .string = no_text,
                                    .shape = no_shape, .place = no_place, .local = no_local, .ledger = no_ledger,
                                    .part = no_part}};
  uint64_t damage = 0;
  for (uint32_t i = 0; i < states->count; i++) {
    struct seep_heap_found found;
    idle.is_joined =
        states->anchor != 0 && seep_join_open(states->image, states->anchor, states->found[i].global, &idle.join);
    if (seep_heap_read(states->image, state_with_remains(states, i), &idle.sink, &found, NULL) != SEEP_OK) damage++;
    damage += found.damage_count;
  }
  return damage;
}

/* -- Graphs ------------------------------------------------------------------------------ */

static void drop_graphs(struct seep_taken_heap *taken) {
  for (uint32_t i = 0; i < taken->snapshot.graph_count; i++) seep_graph_free(&taken->snapshot.graphs[i]);
  taken->snapshot.graph_count = 0;
  taken->damage_count = 0;
  taken->damage = NULL;
}

/* Adds the graph of a state, and who made its objects where that is recorded. */
static enum seep_status read_graph(struct states *states, uint32_t index, const struct seep_releases *releases,
                                   struct seep_taken_heap *taken, struct seep_error *error) {
  const struct seep_heap_state *state = state_with_remains(states, index);
  struct seep_snapshot *snapshot = &taken->snapshot;
  struct seep_image_graph read;
  struct seep_join join;
  char name[32];
  snprintf(name, sizeof name, "state %u", snapshot->graph_count + 1);
  bool is_joined = states->anchor != 0 && seep_join_open(states->image, states->anchor, state->global, &join);
  struct seep_image_reading reading = {.name = name, .is_last = index + 1 == states->count,
                                       .release = seep_release_of(releases, seep_heap_vm_family(state->vm)),
                                       .row_of = is_joined ? seep_join_row_of : NULL, .context = &join};
  enum seep_status status = seep_image_graph_read(states->image, state, &reading, &read, error);
  if (status != SEEP_OK) return status;
  if (is_joined) {
    seep_join_graph(&join, states->pid, read.rows, &read.graph, &snapshot->info);
    if (join.samples != 0) snapshot->info.flags |= SEEP_SNAPSHOT_SAMPLED;
    seep_pages_unmap(read.rows, read.graph.node_count * sizeof *read.rows);
    if (read.graph.site == NULL) seep_array_free(&read.graph.parts);
  }
  snapshot->graphs[snapshot->graph_count++] = read.graph;
  if (taken->damage == NULL) taken->damage = read.damage;
  taken->damage_count += read.damage_count;
  return SEEP_OK;
}

/* A state that has been closed meanwhile is left out. One that is about to link a new object, say, is there all the same
 * (5.1: the newest object has no type yet). */
static enum seep_status read_graphs(struct states *states, const struct seep_releases *releases,
                                    struct seep_taken_heap *taken, struct seep_error *error) {
  uint64_t from_ns = seep_clock_cpu_ns();
  states->torn = 0;
  for (uint32_t i = 0; i < states->count; i++) {
    enum seep_status status = read_graph(states, i, releases, taken, error);
    if (status != SEEP_OK && status != SEEP_E_FORMAT) return status;
    if (status == SEEP_E_FORMAT) states->torn += seep_heap_is_there(states->image, &states->found[i]);
  }
  taken->cost.read_cpu_ns = seep_clock_cpu_ns() - from_ns;
  if (taken->snapshot.graph_count > 0) return SEEP_OK;
  return seep_error_set(error, SEEP_E_NOT_FOUND,
                        "the program closed its Lua states, ended, or turned into another one meanwhile");
}

/* -- Processes ----------------------------------------------------------------------------- */

static size_t read_process_block(void *context, uintptr_t address, void *out, size_t size_bytes) {
  struct iovec local = {.iov_base = out, .iov_len = size_bytes};
  struct iovec remote = {.iov_base = (void *)address, .iov_len = size_bytes};
  ssize_t got = process_vm_readv(((struct seep_process_image *)context)->pid, &local, 1, &remote, 1, 0);
  return got > 0 ? (size_t)got : 0;
}

static size_t read_file(const char *format, pid_t pid, char *out, size_t out_bytes) {
  char path[64];
  snprintf(path, sizeof path, format, (int)pid);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  ssize_t got = read(file, out, out_bytes);
  close(file);
  return got > 0 ? (size_t)got : 0;
}

/* A file's name from the program's: what would not do in one becomes _. */
static void name_program(const char *text, size_t length, struct seep_taken_heap *taken) {
  size_t used = 0;
  for (size_t i = 0; i < length && used + 1 < sizeof taken->program; i++) {
    if (text[i] == '\0' || text[i] == '\n' || text[i] == ' ') break;
    bool plain = (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z') ||
                 (text[i] >= '0' && text[i] <= '9') || strchr("._-+", text[i]) != NULL;
    if (text[i] == '/') {
      used = 0;
    } else {
      taken->program[used++] = plain ? text[i] : '_';
    }
  }
  taken->program[used] = '\0';
}

static void describe_process(pid_t pid, struct seep_taken_heap *taken) {
  struct seep_snapshot_info *info = &taken->snapshot.info;
  char name[64];
  info->pid = (uint32_t)pid;
  info->taken_wall_ns = seep_clock_wall_ns();
  info->command_bytes = (uint32_t)read_file("/proc/%d/cmdline", pid, info->command, sizeof info->command - 1);
  name_program(name, read_file("/proc/%d/comm", pid, name, sizeof name), taken);
}

/* Finds out which memory the heaps lie in, while the process runs. A list that is changed under our eyes leads astray;
 * what was copied stays, so that another try gets further. */
static enum seep_status explore(struct seep_process_image *image, struct states *states, struct seep_error *error) {
  enum { TRIES_MAX = 4 };
  for (int try = 0; try < TRIES_MAX; try++) {
    enum seep_status status = seep_process_image_thaw(image, false, error);
    if (status != SEEP_OK || read_for_nothing(states) == 0) return status;
  }
  return SEEP_OK;
}

/* Whether a state was met in the middle of an operation that tears what hangs together (a string table or a stack that
 * is being moved): something leads nowhere. An object that is merely not linked yet does no such harm. */
static bool is_torn(const struct states *states, const struct seep_taken_heap *taken) {
  bool torn = taken->damage_count > 0 || states->torn > 0;
  for (uint32_t i = 0; i < taken->snapshot.graph_count; i++) torn |= taken->snapshot.graphs[i].dropped_edges > 0;
  return torn;
}

/* Explores, freezes and reads until nothing was missing: what the process had allocated between our looking and its
 * stopping may lie where nothing of interest was before. The last time all that it could be is copied. A torn heap is
 * taken again, too, but the program is not to be stopped for ever: twice at most. */
static enum seep_status freeze_and_read(struct seep_process_image *image, struct states *states,
                                        const struct seep_releases *releases, struct seep_taken_heap *taken,
                                        struct seep_error *error) {
  enum { FREEZES_MAX = 5, TORN_MAX = 2, TORN_WAIT_NS = 20000000 };
  for (int torn = 0;;) {
    bool last = ++taken->freezes >= FREEZES_MAX;
    uint64_t from_ns = seep_clock_cpu_ns();
    enum seep_status status = explore(image, states, error);
    taken->cost.explore_cpu_ns = seep_clock_cpu_ns() - from_ns;
    if (status == SEEP_OK) status = seep_process_image_freeze(image, last, error);
    if (status != SEEP_OK) return status;
    taken->cost.copied_bytes = image->copied_bytes;
    taken->snapshot.info.taken_wall_ns = seep_clock_wall_ns();
    status = read_graphs(states, releases, taken, error);
    bool can_be_torn = status == SEEP_OK || states->torn > 0;
    bool again = image->wanted_chunks > 0 || (can_be_torn && is_torn(states, taken) && torn++ < TORN_MAX);
    if (!again || last) return status;
    drop_graphs(taken);
    if (torn > 0) nanosleep(&(struct timespec){.tv_nsec = TORN_WAIT_NS}, NULL); /* it must get on with it first */
  }
}

/* A frozen copy stands still as it is: it is read as it is copied, once, and what is torn in it stays so. */
static enum seep_status read_copy(struct seep_process_image *image, struct states *states,
                                  const struct seep_releases *releases, struct seep_taken_heap *taken,
                                  struct seep_error *error) {
  enum seep_status status = seep_process_image_thaw(image, true, error);
  if (status == SEEP_OK) status = read_graphs(states, releases, taken, error);
  taken->cost.copied_bytes = image->copied_bytes;
  if (!image->has_gone) return status;
  drop_graphs(taken);
  return seep_error_set(error, SEEP_E_NOT_FOUND, "the copy of the program ended while it was read");
}

static enum seep_status take_process(pid_t pid, struct seep_process_image *image, struct states *states,
                                     struct seep_taken_heap *taken, struct seep_error *error) {
  char what[64];
  struct seep_releases releases;
  snprintf(what, sizeof what, "process %d", (int)pid);
  states->image = &image->image;
  states->count = 0;
  states->anchor = 0;
  uint64_t from_ns = seep_clock_cpu_ns();
  taken->searched_bytes = find_running_states(image, states);
  seep_find_releases(&image->image, read_process_block, image, &releases);
  if (states->count == 0) return say_none(&releases, what, taken->searched_bytes, error);
  states->pid = pid;
  states->anchor = seep_join_find_anchor(states->image, pid);
  taken->cost.search_cpu_ns = seep_clock_cpu_ns() - from_ns;
  enum seep_status status = states->is_copy ? read_copy(image, states, &releases, taken, error)
                                            : freeze_and_read(image, states, &releases, taken, error);
  taken->snapshot.info.pause_ns = image->pause_ns;
  return status;
}

static enum seep_status begin(struct seep_taken_heap *taken, struct states **states, struct seep_error *error) {
  *taken = (struct seep_taken_heap){.program = "program"};
  *states = malloc(sizeof **states);
  taken->snapshot.graphs = malloc(SEEP_SNAPSHOT_STATES_MAX * sizeof *taken->snapshot.graphs);
  if (*states != NULL && taken->snapshot.graphs != NULL) return SEEP_OK;
  free(*states);
  free(taken->snapshot.graphs);
  return seep_error_set(error, SEEP_E_MEMORY, "no memory to take a snapshot");
}

enum seep_status seep_take_process_heap(pid_t pid, struct seep_frozen_copy copy, struct seep_taken_heap *out,
                                        struct seep_error *error) {
  struct states *states;
  struct seep_process_image image;
  if (pid == getpid()) return seep_error_set(error, SEEP_E_USAGE, "process %d is seepline itself", (int)pid);
  enum seep_status status = begin(out, &states, error);
  if (status != SEEP_OK) return status;
  status = seep_process_image_open(pid, &image, error);
  if (status == SEEP_OK) {
    describe_process(pid, out);
    states->is_copy = copy.of != 0;
    status = take_process(pid, &image, states, out, error);
    if (copy.of != 0) {
      out->snapshot.info.pid = (uint32_t)copy.of;
      out->snapshot.info.pause_ns = copy.pause_ns;
      out->snapshot.info.flags |= SEEP_SNAPSHOT_FROM_FORK;
    }
    seep_process_image_close(&image);
  }
  free(states);
  if (status != SEEP_OK) seep_taken_heap_free(out);
  return status;
}

/* -- Core files ------------------------------------------------------------------------------ */

static size_t read_core_block(void *context, uintptr_t address, void *out, size_t size_bytes) {
  return seep_image_read_segments(context, address, out, size_bytes) ? size_bytes : 0;
}

static void describe_core(const struct seep_core_image *image, struct seep_taken_heap *taken) {
  struct seep_snapshot_info *info = &taken->snapshot.info;
  size_t length = strlen(image->command);
  info->pid = image->pid;
  info->flags = SEEP_SNAPSHOT_FROM_CORE;
  info->taken_wall_ns = seep_clock_wall_ns();
  memcpy(info->command, image->command, length);
  for (size_t i = 0; i < length; i++) {
    if (info->command[i] == ' ') info->command[i] = '\0'; /* the core has joined the arguments */
  }
  info->command_bytes = (uint32_t)(length == 0 ? 0 : length + 1);
  name_program(image->command, length, taken);
  if (taken->program[0] == '\0') snprintf(taken->program, sizeof taken->program, "core");
  taken->missing_bytes = image->missing_bytes;
}

static enum seep_status take_core(const char *path, struct seep_core_image *image, struct states *states,
                                  struct seep_taken_heap *taken, struct seep_error *error) {
  char missing[16];
  struct seep_releases releases;
  struct seep_error inner = {{0}};
  states->image = &image->image;
  states->count = 0;
  states->anchor = 0;
  taken->searched_bytes = seep_core_image_search(image, take_candidate, states);
  seep_find_releases(&image->image, read_core_block, image, &releases);
  if (states->count > 0) return read_graphs(states, &releases, taken, error);
  enum seep_status status = say_none(&releases, path, taken->searched_bytes, &inner);
  if (image->missing_bytes == 0) return seep_error_set(error, status, "%s", inner.text);
  seep_text_bytes(image->missing_bytes, missing);
  return seep_error_set(error, status,
                        "%s; %s of writable memory are missing in it (see core_pattern and coredump_filter)",
                        inner.text, missing);
}

enum seep_status seep_take_core_heap(const char *path, struct seep_taken_heap *out, struct seep_error *error) {
  struct states *states;
  struct seep_core_image image;
  enum seep_status status = begin(out, &states, error);
  if (status != SEEP_OK) return status;
  status = seep_core_image_open(path, &image, error);
  if (status == SEEP_OK) {
    describe_core(&image, out);
    status = take_core(path, &image, states, out, error);
    seep_core_image_close(&image);
  }
  free(states);
  if (status != SEEP_OK) seep_taken_heap_free(out);
  return status;
}

void seep_taken_heap_free(struct seep_taken_heap *taken) {
  drop_graphs(taken);
  free(taken->snapshot.graphs);
  taken->snapshot.graphs = NULL;
}
