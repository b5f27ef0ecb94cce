/* The snapshot beside a capture. See kept_heap.h. */
#include "cli/kept_heap.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "reach/process_maps.h"
#include "reach/take_heap.h"

char *seep_kept_heap_path(const char *capture_path) {
  size_t length = strlen(capture_path);
  bool suffix = length > 5 && strcmp(capture_path + length - 5, ".seep") == 0;
  return seep_must_format("%.*s.heap.seep", (int)(length - (suffix ? 5 : 0)), capture_path);
}

char *seep_kept_heap_find(const char *capture_path, uint64_t run_id) {
  char *path = seep_kept_heap_path(capture_path);
  if (run_id != 0 && seep_snapshot_run_id(path) == run_id) return path;
  free(path);
  return NULL;
}

/* The header alone: the capture was checked before. */
static bool read_header(const char *path, struct seep_file_header *header) {
  FILE *file = fopen(path, "re");
  bool read = file != NULL && fread(header, sizeof *header, 1, file) == 1;
  if (file != NULL) fclose(file);
  return read;
}

static char *say_why(const struct seep_file_header *header, int wait_status) {
  if (header->freeze_error != 0) {
    return seep_must_format("the program could not be copied: %s", strerror((int)header->freeze_error));
  }
  if (WIFSIGNALED(wait_status)) return seep_must_format("the program was ended by signal %d", WTERMSIG(wait_status));
  if (memcmp(header->seal, SEEP_SEAL_MAGIC, sizeof header->seal) != 0) {
    return seep_must_copy("the program did not end in a way that could be seen");
  }
  return seep_must_copy("the program left no copy of itself: its Lua states were closed and opened again and again");
}

static char *write_heap(const struct seep_taken_heap *taken, const char *path) {
  const struct seep_snapshot *snapshot = &taken->snapshot;
  struct seep_error error = {{0}};
  if (access(path, F_OK) == 0 && !seep_snapshot_is_one(path)) {
    return seep_must_format("%s is there, and is no snapshot", path);
  }
  enum seep_status status = seep_snapshot_write(path, &snapshot->info, snapshot->graphs, snapshot->graph_count, &error);
  return status == SEEP_OK ? NULL : seep_must_copy(error.text);
}

static char *take(const struct seep_launch *launch, const struct seep_file_header *header) {
  struct seep_frozen_copy copy = {.of = (pid_t)header->pid, .pause_ns = header->freeze_ns};
  struct seep_taken_heap taken;
  struct seep_error error = {{0}};
  if (seep_take_process_heap((pid_t)header->frozen_pid, copy, &taken, &error) != SEEP_OK) {
    return seep_must_copy(error.text);
  }
  char *path = seep_kept_heap_path(launch->capture_path);
  char *why = write_heap(&taken, path);
  free(path);
  seep_taken_heap_free(&taken);
  return why;
}

char *seep_kept_heap_take(const struct seep_launch *launch, int wait_status) {
  struct seep_file_header header;
  if (!read_header(launch->capture_path, &header) || header.run_id != launch->run_id) {
    return seep_must_copy("the capture cannot be read");
  }
  pid_t frozen = (pid_t)header.frozen_pid;
  if (frozen <= 0) return say_why(&header, wait_status);
  /* It may have gone, and its number may be another's. */
  if (!seep_process_maps_capture(frozen, launch->capture_path)) {
    return seep_must_copy("the program went on for too long after it had closed its Lua state");
  }
  char *why = take(launch, &header);
  kill(frozen, SIGKILL);
  waitpid(frozen, NULL, 0);
  return why;
}
