/* The join of findings and heaps. See held_by.h. */
#include "cli/held_by.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/kept_heap.h"
#include "heap/holders.h"
#include "reach/take_heap.h"

enum { PATHS_TOLD = 3 };

static void add_held(struct seep_finding *finding, char *path, uint64_t count, uint64_t bytes) {
  finding->held_by = seep_must_grow(finding->held_by, (finding->held_count + 1) * sizeof *finding->held_by);
  finding->held_by[finding->held_count++] = (struct seep_held){.path = path, .count = count, .bytes = bytes};
}

/* The paths that hold most of what one finding's line made; others of the line are left out. */
static void fill(const struct seep_heap_view *view, const struct seep_array *holders, const struct seep_namer *namer,
                 struct seep_finding *finding) {
  struct seep_array found;
  if (!seep_holders_of(holders, finding->file, finding->line, &found)) abort();
  for (size_t i = 0; i < found.count && i < PATHS_TOLD; i++) {
    const struct seep_holder *holder = (struct seep_holder *)found.items + i;
    char *path = seep_group_text(view->graph, &view->groups, holder->group, namer);
    char *valid = seep_text_utf8(path, strlen(path));
    free(path);
    add_held(finding, valid, holder->count, holder->bytes);
  }
  seep_array_free(&found);
}

int seep_held_by_file(const struct seep_verb *verb, const char *path, uint64_t run_id, struct seep_findings *findings) {
  const struct seep_heap_options all = {.limit = 0};
  struct seep_heap_input input;
  int status = seep_heap_input_open(verb, path, &all, 0, &input);
  if (status != SEEP_DONE) return status;
  if (input.snapshot.info.run_id == 0 || input.snapshot.info.run_id != run_id) {
    status =
        seep_verb_fail(verb, SEEP_FAILED, "%s knows nothing of this recording: %s", path,
                       input.snapshot.info.run_id == 0 ? "its process was not recorded by this version in mode exact"
                                                       : "it is of another one");
  }
  for (uint32_t i = 0; status == SEEP_DONE && i < input.view_count; i++) {
    struct seep_array holders;
    if (!seep_holders_build(&input.views[i], &holders)) abort();
    for (uint32_t j = 0; j < findings->count; j++) fill(&input.views[i], &holders, &input.namer, &findings->rows[j]);
    seep_array_free(&holders);
  }
  seep_heap_input_close(&input);
  return status;
}

int seep_held_by_kept(const struct seep_verb *verb, const char *capture_path, uint64_t run_id,
                      struct seep_findings *findings) {
  char *path = seep_kept_heap_find(capture_path, run_id);
  int status = path == NULL ? SEEP_DONE : seep_held_by_file(verb, path, run_id, findings);
  free(path);
  return status;
}

int seep_held_by_process(const struct seep_verb *verb, uint32_t pid, uint64_t run_id, struct seep_findings *findings) {
  char path[] = "/tmp/seepline-heap-XXXXXX";
  struct seep_taken_heap taken;
  struct seep_error error = {{0}};
  if (seep_take_process_heap((pid_t)pid, (struct seep_frozen_copy){0}, &taken, &error) != SEEP_OK)
    return seep_verb_fail(verb, SEEP_FAILED, "%s", error.text);
  const struct seep_snapshot *snapshot = &taken.snapshot;
  int file = mkstemp(path), status = SEEP_DONE;
  if (file < 0 ||
      seep_snapshot_write(path, &snapshot->info, snapshot->graphs, snapshot->graph_count, &error) != SEEP_OK) {
    status = seep_verb_fail(verb, SEEP_FAILED, "%s", file < 0 ? "no temporary file can be made in /tmp" : error.text);
  }
  seep_taken_heap_free(&taken);
  if (status == SEEP_DONE) status = seep_held_by_file(verb, path, run_id, findings);
  if (file >= 0) {
    close(file);
    unlink(path);
  }
  return status;
}
