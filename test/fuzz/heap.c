/* Feeds damaged images of real heaps to what reads them and builds graphs.
 *
 *   fuzz-heap CORE SEED ROUNDS|SECONDSs
 *
 * A core file gives the image; each round changes some words of it (to other pointers of the image, near and far
 * numbers, sizes, tags), reads every state, checks what graph.h promises, and changes the words back. Deterministic for
 * a seed, unless it is told to run for a time. Segments are blocks of their own, so that a sanitizer sees a read past
 * their ends. Prints one line; ends with 1, and says the round, when a promise is broken or a round takes too long. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "heap/image_graph.h"
#include "reach/core_image.h"

enum { CHANGES_MAX = 64, STATES_MAX = 8, ROUND_MAX_NS_PER_MB = 1000000000 };

static uint64_t random_state;

/* splitmix64 (Sebastiano Vigna, public domain). */
static uint64_t next_random(void) {
  uint64_t x = random_state += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}
static uint64_t below(uint64_t end) { return next_random() % end; }

/* -- The image, in blocks that can be changed -------------------------------------------- */

static struct seep_core_image core;
static struct seep_segment *writable[4096];
static uint32_t writable_count;
static uint64_t writable_bytes;
static struct seep_heap_state states[STATES_MAX];
static uint32_t state_count;

static void copy_segments(void) {
  struct seep_segment *segments = core.segments.items;
  for (size_t i = 0; i < core.segments.count; i++) {
    size_t size = segments[i].end - segments[i].begin;
    if (segments[i].bytes == NULL) continue;
    char *copy = malloc(size);
    memcpy(copy, segments[i].bytes, size);
    segments[i].bytes = copy;
    if ((segments[i].access & SEEP_SEGMENT_WRITABLE) == 0 || size < 64 || writable_count == 4096) continue;
    writable[writable_count++] = &segments[i];
    writable_bytes += size;
  }
}

static bool take_state(void *context, uintptr_t address) {
  (void)context;
  if (seep_heap_identify(&core.image, address, &states[state_count])) state_count++;
  return state_count < STATES_MAX;
}

/* -- Changes -------------------------------------------------------------------------------- */

struct change {
  char *at;
  uint64_t was;
};

/* A word somewhere in what the process could write; objects are more likely than stacks of zeros. */
static char *any_word(void) {
  for (int i = 0; i < 64; i++) {
    struct seep_segment *segment = writable[below(writable_count)];
    size_t words = (segment->end - segment->begin) / 8;
    char *word = (char *)(uintptr_t)segment->bytes + below(words) * 8;
    uint64_t value;
    memcpy(&value, word, sizeof value);
    if (value != 0) return word;
  }
  return (char *)(uintptr_t)writable[0]->bytes;
}

static uint64_t load(const char *at) {
  uint64_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

static uint64_t another_value(uint64_t was) {
  static const uint64_t numbers[] = {0,          1,          7,         255,        65536,         INT32_MAX,
                                     UINT32_MAX, 1ULL << 47, INT64_MAX, UINT64_MAX, 0x7f0000000000};
  switch (below(8)) {
    case 0: return numbers[below(SEEP_ARRAY_SIZE(numbers))];
    case 1: return load(any_word());
    case 2: return load(any_word()) + below(64);
    case 3: return was + 8 - below(16);
    case 4: return was ^ (1ULL << below(64));
    case 5: return (was & ~0xffffULL) | below(65536);                /* tags and marks of an object's header */
    case 6: return (was & 0xffffffffULL) | (next_random() << 32);    /* a size in the upper half */
    default: return next_random();
  }
}

static uint32_t make_changes(struct change *changes) {
  uint32_t count = 1 + (uint32_t)below(CHANGES_MAX);
  for (uint32_t i = 0; i < count; i++) {
    changes[i].at = any_word();
    changes[i].was = load(changes[i].at);
    uint64_t value = another_value(changes[i].was);
    memcpy(changes[i].at, &value, sizeof value);
  }
  return count;
}

static void undo_changes(const struct change *changes, uint32_t count) {
  while (count-- > 0) memcpy(changes[count].at, &changes[count].was, sizeof changes[count].was);
}

/* -- Remains -------------------------------------------------------------------------------- */

/* What a main thread points to, or what that points to: stacks and call infos are among it. */
static const char *anything_of(uintptr_t thread, size_t size_bytes, uintptr_t *address) {
  enum { THREAD_WORDS = 24 };
  for (int depth = 0; depth < 2; depth++) {
    const uint64_t *word = seep_image_view(&core.image, thread + below(THREAD_WORDS) * 8, 8);
    if (word == NULL) break;
    *address = thread = (uintptr_t)*word & ~7ULL;
    if (below(2) == 0) break;
  }
  return seep_image_view(&core.image, *address, size_bytes);
}

/* A main thread's bytes, of which a few may be others. */
static void take_thread(uintptr_t thread, char out[SEEP_REMAINS_THREAD_BYTES]) {
  const char *bytes = seep_image_view(&core.image, thread, SEEP_REMAINS_THREAD_BYTES);
  if (bytes != NULL) memcpy(out, bytes, SEEP_REMAINS_THREAD_BYTES);
  for (uint64_t i = below(3); i > 0; i--) {
    char *at = out + below(SEEP_REMAINS_THREAD_BYTES / 8) * 8;
    uint64_t value = another_value(load(at));
    memcpy(at, &value, sizeof value);
  }
}

/* What an ended call has left, more or less: in every second round. */
static const struct seep_remains *some_remains(const struct seep_heap_state *state) {
  static struct seep_remains remains;
  uintptr_t at = 0;
  remains.word_count = (uint32_t)below(SEEP_REMAINS_WORDS + 1);
  const char *words = anything_of(state->main_thread, remains.word_count * sizeof *remains.words, &remains.stack);
  const char *call_info = anything_of(state->main_thread, sizeof remains.call_info, &at);
  if (below(2) == 0 || words == NULL || call_info == NULL) return NULL;
  memcpy(remains.words, words, remains.word_count * sizeof *remains.words);
  memcpy(remains.call_info, call_info, sizeof remains.call_info);
  remains.global = state->global;
  remains.is_late = below(2) == 0;
  remains.is_pc_known = below(2) == 0;
  take_thread(state->main_thread, remains.thread);
  take_thread(state->main_thread, remains.begin.thread);
  remains.begin.stack = below(2) == 0 ? 0 : remains.stack;
  return &remains;
}

/* As if lua_close were about to free something, and any part of the image were the C stack: in every second round. */
static const struct seep_closing *some_closing(const struct seep_heap_state *state) {
  static struct seep_closing closing;
  const struct seep_segment *segment = writable[below(writable_count)];
  closing.global = state->global;
  closing.c_stack = segment->begin + below((segment->end - segment->begin) / 8) * 8;
  closing.state_bytes = below(2) == 0 ? next_random() : below(1 << 24);
  return below(2) == 0 ? NULL : &closing;
}

/* -- Promises --------------------------------------------------------------------------------- */

static const char *broken_promise(const struct seep_graph *graph) {
  if (graph->first_edge[0] != 0 || graph->first_edge[graph->node_count] != graph->edge_count) return "the edges' ends";
  for (uint32_t i = 0; i < graph->node_count; i++) {
    if (graph->first_edge[i] > graph->first_edge[i + 1]) return "the edges' order";
    if (graph->kind[i] >= SEEP_NODE_KIND_COUNT) return "a node's kind";
  }
  for (uint32_t i = 0; i < graph->edge_count; i++) {
    uint8_t kind = graph->edge_kind[i];
    if (graph->target[i] >= graph->node_count) return "an edge's target";
    if ((kind & SEEP_EDGE_KIND_MASK) >= SEEP_EDGE_KIND_COUNT) return "an edge's kind";
    if (seep_edge_names_node(kind) && graph->edge_name[i] >= graph->node_count &&
        graph->edge_name[i] != SEEP_NODE_NONE) {
      return "an edge's name";
    }
  }
  return seep_graph_bytes(graph) == graph->state_bytes ? NULL : "the sum";
}

static const char *read_states(void) {
  for (uint32_t i = 0; i < state_count; i++) {
    struct seep_image_graph read;
    struct seep_error error = {{0}};
    states[i].remains = some_remains(&states[i]);
    states[i].closing = some_closing(&states[i]);
    if (seep_image_graph_read(&core.image, &states[i], &(struct seep_image_reading){.name = "state"}, &read, &error) !=
        SEEP_OK) {
      if (error.text[0] == '\0') return "a failure without a message";
      continue;
    }
    const char *broken = broken_promise(&read.graph);
    seep_graph_free(&read.graph);
    if (broken != NULL) return broken;
  }
  return NULL;
}

static int run(uint64_t rounds, uint64_t seconds) {
  struct change changes[CHANGES_MAX];
  uint64_t from_ns = seep_clock_monotonic_ns(), longest_ns = 0, round = 0;
  uint64_t limit_ns = (writable_bytes / 1048576 + 10) * ROUND_MAX_NS_PER_MB;
  for (; seconds > 0 ? seep_clock_monotonic_ns() - from_ns < seconds * 1000000000ULL : round < rounds; round++) {
    uint64_t begin_ns = seep_clock_monotonic_ns();
    uint32_t count = make_changes(changes);
    const char *broken = read_states();
    undo_changes(changes, count);
    uint64_t took_ns = seep_clock_monotonic_ns() - begin_ns;
    if (took_ns > longest_ns) longest_ns = took_ns;
    if (broken == NULL && took_ns > limit_ns) broken = "the time";
    if (broken == NULL) continue;
    printf("not ok: round %" PRIu64 " breaks %s\n", round, broken);
    return 1;
  }
  printf("ok: %" PRIu64 " rounds, %" PRIu32 " states, %" PRIu64 " KiB of writable memory, longest round %.3f s\n",
         round, state_count, writable_bytes / 1024, (double)longest_ns / 1e9);
  return 0;
}

int main(int argc, char **argv) {
  struct seep_error error = {{0}};
  if (argc != 4) {
    fputs("usage: fuzz-heap CORE SEED ROUNDS|SECONDSs\n", stderr);
    return 2;
  }
  random_state = strtoull(argv[2], NULL, 10);
  char *unit;
  uint64_t amount = strtoull(argv[3], &unit, 10);
  if (seep_core_image_open(argv[1], &core, &error) != SEEP_OK) {
    printf("not ok: %s\n", error.text);
    return 1;
  }
  copy_segments();
  seep_core_image_search(&core, take_state, NULL);
  if (state_count == 0 || writable_count == 0) {
    puts("not ok: no state in the core");
    return 1;
  }
  return run(amount, *unit == 's' ? amount : 0);
}
