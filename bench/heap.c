/* What reading and analysing one heap costs: figures for bench/heap-run.
 *
 *   heap process PID FILE       the largest state of a running process
 *   heap made-up OBJECTS FILE   a heap that is made up (made_up_heap.h)
 *
 * Takes a graph and does with it what `seepline snapshot` and `heap` do; FILE is written and removed. Prints lines
 * "name value": times are CPU seconds of this process, since the machine may have others to run; sizes are bytes. A
 * peak is the largest resident size up to then. Ends with 1, and a line on stderr, when something failed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "heap/view.h"
#include "made_up_heap.h"
#include "reach/take_heap.h"

static void say_count(const char *name, uint64_t value) { printf("%s %llu\n", name, (unsigned long long)value); }
static void say_seconds(const char *name, uint64_t ns) { printf("%s %.6f\n", name, (double)ns / 1e9); }

static void say_since(const char *name, uint64_t from_ns) { say_seconds(name, seep_clock_cpu_ns() - from_ns); }

static void say_peak(const char *name) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  say_count(name, (uint64_t)usage.ru_maxrss * 1024);
}

/* -- Steps ---------------------------------------------------------------------------- */

static bool analyse(const struct seep_graph *graph) {
  struct seep_heap_view view = {.graph = graph};
  uint64_t from_ns = seep_clock_cpu_ns();
  if (!seep_dominators_compute(graph, &view.dominators)) return false;
  say_since("dominators_s", from_ns);
  from_ns = seep_clock_cpu_ns();
  bool done = seep_paths_build(graph, SEEP_NODE_NONE, &view.paths);
  if (done) {
    say_since("paths_s", from_ns);
    from_ns = seep_clock_cpu_ns();
    done = seep_groups_build(&view.paths, &view.dominators, &view.groups);
    if (done) say_since("groups_s", from_ns);
  }
  seep_heap_view_free(&view);
  return done;
}

static bool write_file(const char *path, const struct seep_snapshot *snapshot) {
  struct seep_error error = {{0}};
  struct stat status;
  uint64_t from_ns = seep_clock_cpu_ns();
  if (seep_snapshot_write(path, &snapshot->info, snapshot->graphs, 1, &error) != SEEP_OK) {
    fprintf(stderr, "%s\n", error.text);
    return false;
  }
  say_since("write_s", from_ns);
  if (stat(path, &status) != 0) return false;
  say_count("file_bytes", (uint64_t)status.st_size);
  return true;
}

/* What `seepline heap FILE` does. */
static bool read_file(const char *path) {
  struct seep_snapshot snapshot;
  struct seep_error error = {{0}};
  uint64_t from_ns = seep_clock_cpu_ns();
  if (seep_snapshot_read(path, &snapshot, &error) != SEEP_OK) {
    fprintf(stderr, "%s\n", error.text);
    return false;
  }
  say_since("read_back_s", from_ns);
  bool done = analyse(&snapshot.graphs[0]);
  seep_snapshot_free(&snapshot);
  return done;
}

/* In a process of its own, whose peak is of this alone. */
static bool read_file_apart(const char *path) {
  int status;
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    bool done = read_file(path);
    if (done) say_peak("analysis_bytes");
    fflush(stdout);
    _exit(done ? 0 : 1);
  }
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* -- Where a graph comes from ----------------------------------------------------------- */

static bool take_process(const char *pid, struct seep_taken_heap *out) {
  struct seep_error error = {{0}};
  if (seep_take_process_heap(atoi(pid), (struct seep_frozen_copy){0}, out, &error) != SEEP_OK) {
    fprintf(stderr, "%s\n", error.text);
    return false;
  }
  say_seconds("search_s", out->cost.search_cpu_ns);
  say_seconds("explore_s", out->cost.explore_cpu_ns);
  say_seconds("graph_s", out->cost.read_cpu_ns);
  say_seconds("pause_s", out->snapshot.info.pause_ns);
  say_count("copied_bytes", out->cost.copied_bytes);
  say_count("heap_bytes", out->snapshot.graphs[0].state_bytes);
  return true;
}

static bool make_up(const char *objects, struct seep_taken_heap *out) {
  uint64_t resolve_cpu_ns;
  *out = (struct seep_taken_heap){.snapshot.graphs = calloc(1, sizeof *out->snapshot.graphs)};
  if (out->snapshot.graphs == NULL) return false;
  if (!make_up_heap(strtoull(objects, NULL, 10), out->snapshot.graphs, &resolve_cpu_ns)) return false;
  out->snapshot.graph_count = 1;
  say_seconds("resolve_s", resolve_cpu_ns);
  say_count("heap_bytes", seep_graph_bytes(out->snapshot.graphs));
  return true;
}

int main(int argc, char **argv) {
  struct seep_taken_heap taken;
  if (argc != 4) {
    fputs("usage: heap process PID FILE | heap made-up OBJECTS FILE\n", stderr);
    return 2;
  }
  seep_pages_prefer_large(); /* as the command does */
  bool done = strcmp(argv[1], "process") == 0 ? take_process(argv[2], &taken) : make_up(argv[2], &taken);
  if (!done) return 1;
  say_count("objects", taken.snapshot.graphs[0].node_count - 1);
  say_count("references", taken.snapshot.graphs[0].edge_count);
  say_peak("take_peak_bytes");
  done = write_file(argv[3], &taken.snapshot);
  seep_taken_heap_free(&taken);
  done = done && read_file_apart(argv[3]);
  unlink(argv[3]);
  return done ? 0 : 1;
}
