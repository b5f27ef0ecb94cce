/* Snapshot files: what is written comes back; what is damaged or made to deceive
 * is refused or gives a graph that can be worked with. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/checksum.h"
#include "heap/dominators.h"
#include "heap/graph_build.h"
#include "heap/groups.h"
#include "heap/paths.h"
#include "heap/snapshot.h"

static char folder[] = "/tmp/seep-snapshot-XXXXXX";
static char path[64], other_path[64];

static uint64_t address_of(uint32_t object) { return 0x7f0000001000ULL + object * 48ULL; }

static void make_graph(struct unit_random *random, uint32_t objects, struct seep_graph *graph) {
  struct seep_graph_builder builder;
  char text[100];
  memset(text, 'a', sizeof text);
  seep_graph_builder_init(&builder, "state 1", "Lua 5.4", "Lua 5.4.4");
  seep_graph_builder_edge(&builder, SEEP_NODE_ROOT, address_of(0), SEEP_EDGE_REGISTRY, 0);
  for (uint32_t i = 0; i < objects; i++) {
    uint8_t kind = (uint8_t)(1 + unit_random_below(random, SEEP_NODE_KIND_COUNT - 1));
    uint32_t info =
        kind == SEEP_NODE_STRING ? seep_graph_builder_string(&builder, text, unit_random_below(random, 100)) : 0;
    uint32_t node = seep_graph_builder_node(&builder, address_of(i), kind, unit_random_below(random, 200), info, 0);
    for (uint32_t j = unit_random_below(random, 4); j > 0; j--) {
      static const uint8_t kinds[] = {SEEP_EDGE_INDEX,
                                      SEEP_EDGE_FIELD,
                                      SEEP_EDGE_ENTRY | SEEP_EDGE_WEAK_KEY,
                                      SEEP_EDGE_METATABLE,
                                      SEEP_EDGE_ENTRY | SEEP_EDGE_WEAK_KEY | SEEP_EDGE_EPHEMERON,
                                      SEEP_EDGE_UPVALUE,
                                      SEEP_EDGE_LOCAL};
      uint8_t edge = kinds[unit_random_below(random, SEEP_ARRAY_SIZE(kinds))];
      uint64_t name = seep_edge_names_node(edge) ? address_of(unit_random_below(random, objects)) : 0;
      seep_graph_builder_edge(&builder, node, address_of(unit_random_below(random, objects)), edge, name);
    }
  }
  seep_graph_builder_node(&builder, 0x10, SEEP_NODE_TABLE, 1ULL << 40, 0, SEEP_NODE_FINALIZER);
  seep_graph_builder_ledger(&builder, "string table", 1024);
  struct seep_graph_mark_addresses marks = {.registry = address_of(0), .globals = address_of(1)};
  assert_int_equal(seep_graph_builder_finish(&builder, &marks, 123456, graph, NULL), SEEP_OK);
}

/* As a recorded process has it: a site for every third object, and a part for every fifth. */
static void add_sites(struct seep_graph *graph) {
  uint32_t site;
  assert_true(seep_graph_begin_sites(graph));
  assert_true(seep_graph_add_site(graph, (struct seep_graph_site){.state = 1, .row = 2, .line = 3}, "app.lua", 7, &site));
  for (uint32_t node = 1; node < graph->node_count; node++) {
    if (node % 3 == 0) graph->site[node] = site;
    if (node % 5 != 0) continue;
    struct seep_graph_part *part = seep_array_push(&graph->parts, sizeof *part);
    assert_non_null(part);
    *part = (struct seep_graph_part){.address = address_of(node), .size_bytes = node * 16ULL, .node = node, .site = site};
  }
}

static void assert_same_sites(const struct seep_graph *a, const struct seep_graph *b) {
  const struct seep_graph_part *parts = a->parts.items, *others = b->parts.items;
  assert_int_equal(a->sites.count, b->sites.count);
  assert_int_equal(a->parts.count, b->parts.count);
  if (a->site != NULL) assert_memory_equal(a->site, b->site, a->node_count * sizeof *a->site);
  for (size_t i = 0; i < a->parts.count; i++) {
    assert_true(parts[i].size_bytes == others[i].size_bytes && others[i].address == 0);
    assert_true(parts[i].node == others[i].node && parts[i].site == others[i].site);
  }
}

static void write_graphs(const struct seep_graph *graphs, uint32_t count) {
  struct seep_snapshot_info info = {
      .pid = 4711, .taken_wall_ns = 5, .pause_ns = 7, .run_id = 9, .command_bytes = 8, .command = "lua\0app"};
  struct seep_error error = {{0}};
  assert_int_equal(seep_snapshot_write(path, &info, graphs, count, &error), SEEP_OK);
}

static void assert_same(const struct seep_graph *a, const struct seep_graph *b) {
  uint32_t nodes = a->node_count, edges = a->edge_count;
  assert_string_equal(a->name, b->name);
  assert_string_equal(a->release, b->release);
  assert_int_equal(nodes, b->node_count);
  assert_int_equal(edges, b->edge_count);
  assert_memory_equal(a->address, b->address, nodes * sizeof *a->address);
  assert_memory_equal(a->size_low, b->size_low, nodes * sizeof *a->size_low);
  assert_memory_equal(a->kind, b->kind, nodes);
  assert_memory_equal(a->flags, b->flags, nodes);
  assert_memory_equal(a->info, b->info, nodes * sizeof *a->info);
  assert_memory_equal(a->first_edge, b->first_edge, (nodes + 1) * sizeof *a->first_edge);
  if (edges > 0) {
    assert_memory_equal(a->target, b->target, edges * sizeof *a->target);
    assert_memory_equal(a->edge_name, b->edge_name, edges * sizeof *a->edge_name);
    assert_memory_equal(a->edge_kind, b->edge_kind, edges);
  }
  assert_int_equal(a->texts.count, b->texts.count);
  assert_memory_equal(a->texts.items, b->texts.items, a->texts.count);
  assert_memory_equal(&a->marks, &b->marks, sizeof a->marks);
  assert_true(a->state_bytes == b->state_bytes && a->object_bytes == b->object_bytes);
  assert_true(seep_graph_bytes(a) == seep_graph_bytes(b) && a->pending_bytes == b->pending_bytes);
}

static void what_is_written_comes_back(void **unused) {
  (void)unused;
  struct unit_random random = {3};
  for (uint32_t objects = 2; objects < 200000; objects = objects * 7 + 1) {
    struct seep_graph graphs[2];
    struct seep_snapshot snapshot;
    struct seep_error error = {{0}};
    struct stat status;
    make_graph(&random, objects, &graphs[0]);
    make_graph(&random, 5, &graphs[1]);
    add_sites(&graphs[0]);
    write_graphs(graphs, 2);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_true(seep_snapshot_is_one(path));
    assert_int_equal(seep_snapshot_read(path, &snapshot, &error), SEEP_OK);
    assert_int_equal(snapshot.graph_count, 2);
    assert_int_equal(snapshot.info.pid, 4711);
    assert_memory_equal(snapshot.info.command, "lua\0app", 8);
    assert_true(snapshot.info.pause_ns == 7 && snapshot.info.run_id == 9);
    for (int i = 0; i < 2; i++) {
      assert_same(&graphs[i], &snapshot.graphs[i]);
      assert_same_sites(&graphs[i], &snapshot.graphs[i]);
      seep_graph_free(&graphs[i]);
    }
    seep_snapshot_free(&snapshot);
  }
}

/* -- Damage ------------------------------------------------------------------------ */

static unsigned char *read_file(const char *name, size_t *size_bytes) {
  FILE *file = fopen(name, "rb");
  assert_non_null(file);
  assert_int_equal(fseek(file, 0, SEEK_END), 0);
  *size_bytes = (size_t)ftell(file);
  rewind(file);
  unsigned char *bytes = malloc(*size_bytes);
  assert_int_equal(fread(bytes, 1, *size_bytes, file), *size_bytes);
  fclose(file);
  return bytes;
}

static void write_file(const char *name, const unsigned char *bytes, size_t size_bytes) {
  FILE *file = fopen(name, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, size_bytes, file), size_bytes);
  fclose(file);
}

static void assert_refused(void) {
  struct seep_snapshot snapshot;
  struct seep_error error = {{0}};
  assert_int_not_equal(seep_snapshot_read(other_path, &snapshot, &error), SEEP_OK);
  assert_non_null(strstr(error.text, other_path));
  assert_null(snapshot.graphs);
}

static void write_sample(uint32_t objects) {
  struct unit_random random = {8};
  struct seep_graph graph;
  make_graph(&random, objects, &graph);
  add_sites(&graph);
  write_graphs(&graph, 1);
  seep_graph_free(&graph);
}

static void a_flipped_byte_is_found(void **unused) {
  (void)unused;
  size_t size_bytes;
  write_sample(60);
  unsigned char *bytes = read_file(path, &size_bytes);
  for (size_t i = 0; i < size_bytes; i += i < 64 ? 1 : i < SEEP_SNAPSHOT_HEADER_BYTES ? 97 : 3) {
    bytes[i] ^= 0x41;
    write_file(other_path, bytes, size_bytes);
    assert_refused();
    bytes[i] ^= 0x41;
  }
  free(bytes);
}

static void a_file_that_ends_early_is_refused(void **unused) {
  (void)unused;
  size_t size_bytes;
  write_sample(60);
  unsigned char *bytes = read_file(path, &size_bytes);
  for (size_t i = 0; i < size_bytes; i += i < SEEP_SNAPSHOT_HEADER_BYTES ? 500 : 3) {
    write_file(other_path, bytes, i);
    assert_refused();
  }
  unsigned char *longer = malloc(size_bytes + 1);
  memcpy(longer, bytes, size_bytes);
  longer[size_bytes] = 0;
  write_file(other_path, longer, size_bytes + 1);
  assert_refused();
  free(longer);
  free(bytes);
}

/* Changes the content of one chunk, with a checksum that is right. */
static void deceive(struct unit_random *random, const unsigned char *bytes, size_t size_bytes, uint32_t victim) {
  FILE *out = fopen(other_path, "wb");
  unsigned char raw[1 << 16], packed[1 << 17];
  uint32_t number = 0;
  assert_non_null(out);
  assert_int_equal(fwrite(bytes, 1, SEEP_SNAPSHOT_HEADER_BYTES, out), SEEP_SNAPSHOT_HEADER_BYTES);
  for (size_t at = SEEP_SNAPSHOT_HEADER_BYTES; at < size_bytes; number++) {
    struct seep_snapshot_chunk chunk;
    memcpy(&chunk, bytes + at, sizeof chunk);
    size_t raw_bytes = ZSTD_decompress(raw, sizeof raw, bytes + at + sizeof chunk, chunk.packed_bytes);
    assert_int_equal(raw_bytes, chunk.raw_bytes);
    at += sizeof chunk + chunk.packed_bytes;
    if (number == victim && raw_bytes > 0) {
      for (uint32_t i = 1 + unit_random_below(random, 3); i > 0; i--) {
        raw[unit_random_below(random, (uint32_t)raw_bytes)] =
            (unsigned char)(unit_random_below(random, 3) == 0 ? 0xff : unit_random_next(random));
      }
      if (unit_random_below(random, 4) == 0) raw_bytes -= unit_random_below(random, (uint32_t)raw_bytes);
    }
    size_t packed_bytes = ZSTD_compress(packed, sizeof packed, raw, raw_bytes, 1);
    chunk.raw_bytes = (uint32_t)raw_bytes;
    chunk.packed_bytes = (uint32_t)packed_bytes;
    chunk.checksum = 0;
    chunk.checksum = seep_checksum(seep_checksum(0, &chunk, sizeof chunk), packed, packed_bytes);
    assert_int_equal(fwrite(&chunk, sizeof chunk, 1, out), 1);
    assert_int_equal(fwrite(packed, 1, packed_bytes, out), packed_bytes);
  }
  fclose(out);
}

static void work_with(const struct seep_graph *graph) {
  struct seep_dominators dominators;
  struct seep_paths paths;
  struct seep_groups groups;
  assert_true(seep_dominators_compute(graph, &dominators));
  assert_true(seep_paths_build(graph, SEEP_NODE_NONE, &paths));
  assert_true(seep_groups_build(&paths, &dominators, &groups));
  for (uint32_t node = 0; node < graph->node_count; node++) {
    free(seep_path_text(&paths, node, NULL));
    free(seep_node_text(graph, node, NULL));
  }
  for (uint32_t group = 0; group < groups.groups.count; group++) free(seep_group_text(graph, &groups, group, NULL));
  seep_groups_free(&groups);
  seep_paths_free(&paths);
  seep_dominators_free(&dominators);
}

static void a_file_made_to_deceive_does_no_harm(void **unused) {
  (void)unused;
  struct unit_random random = {21};
  size_t size_bytes;
  uint32_t read = 0, refused = 0;
  write_sample(80);
  unsigned char *bytes = read_file(path, &size_bytes);
  for (int round = 0; round < 4000; round++) {
    struct seep_snapshot snapshot;
    struct seep_error error = {{0}};
    deceive(&random, bytes, size_bytes, (uint32_t)round % 17);
    if (seep_snapshot_read(other_path, &snapshot, &error) != SEEP_OK) {
      refused++;
      assert_true(error.text[0] != '\0');
      continue;
    }
    read++;
    work_with(&snapshot.graphs[0]);
    seep_snapshot_free(&snapshot);
  }
  assert_true(read > 200 && refused > 200);
  free(bytes);
}

static void what_cannot_be_written_leaves_nothing(void **unused) {
  (void)unused;
  struct unit_random random = {3};
  struct seep_graph graph;
  struct seep_error error = {{0}};
  struct seep_snapshot_info info = {.pid = 1};
  make_graph(&random, 10, &graph);
  assert_int_equal(seep_snapshot_write("/nonexistent/x.seep", &info, &graph, 1, &error), SEEP_E_SYSTEM);
  assert_non_null(strstr(error.text, "/nonexistent/x.seep"));
  assert_int_equal(seep_snapshot_write(folder, &info, &graph, 1, &error), SEEP_E_SYSTEM); /* a folder */
  char part[128];
  snprintf(part, sizeof part, "%s.part", folder);
  assert_int_not_equal(access(part, F_OK), 0);
  seep_graph_free(&graph);
}

static int make_folder(void **unused) {
  (void)unused;
  if (mkdtemp(folder) == NULL) return -1;
  snprintf(path, sizeof path, "%s/a.seep", folder);
  snprintf(other_path, sizeof other_path, "%s/b.seep", folder);
  return 0;
}

static int remove_folder(void **unused) {
  (void)unused;
  unlink(path);
  unlink(other_path);
  return rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_written_comes_back),
      cmocka_unit_test(a_flipped_byte_is_found),
      cmocka_unit_test(a_file_that_ends_early_is_refused),
      cmocka_unit_test(a_file_made_to_deceive_does_no_harm),
      cmocka_unit_test(what_cannot_be_written_leaves_nothing),
  };
  return cmocka_run_group_tests_name("snapshot", tests, make_folder, remove_folder);
}
