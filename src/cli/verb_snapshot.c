/* seepline snapshot: the heap of a running process or of a core file, into a file and in short. */
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/heap_input.h"
#include "reach/core_image.h"
#include "reach/take_heap.h"

enum { ROWS_IN_SHORT = 10 };

struct request {
  const char *what, *output;
  struct seep_heap_options options;
};

static int read_option(const struct seep_verb *verb, int option, struct request *request) {
  switch (option) {
    case 'o':
      request->output = optarg;
      if (optarg[0] != '\0') return SEEP_DONE;
      return seep_verb_fail(verb, SEEP_WRONG_USAGE, "-o takes a file name");
    case 'j': request->options.json = true; return SEEP_DONE;
    case 'n':
      request->options.limited = true;
      if (seep_verb_number(optarg, 1, &request->options.limit)) return SEEP_DONE;
      return seep_verb_fail(verb, SEEP_WRONG_USAGE, "-n takes a number of rows from 1 up, not '%s'", optarg);
    default: return SEEP_WRONG_USAGE; /* getopt has said why */
  }
}

static int read_arguments(const struct seep_verb *verb, int argc, char **argv, struct request *request) {
  static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
  int option;
  while ((option = getopt_long(argc, argv, "n:o:", options, NULL)) != -1) {
    int status = read_option(verb, option, request);
    if (status != SEEP_DONE) return status;
  }
  if (optind + 1 != argc) {
    return seep_verb_fail(verb, SEEP_WRONG_USAGE, "it takes one process or one core file: seepline %s", verb->synopsis);
  }
  request->what = argv[optind];
  return SEEP_DONE;
}

/* A file of that name comes first, as with the other verbs. */
static int take(const struct seep_verb *verb, const char *what, struct seep_taken_heap *out) {
  struct seep_error error = {{0}};
  uint32_t pid;
  enum seep_status status;
  if (access(what, F_OK) != 0 && seep_verb_number(what, 1, &pid) && pid <= INT_MAX) {
    status = seep_take_process_heap((pid_t)pid, seep_verb_copy(), out, &error);
  } else {
    status = seep_take_core_heap(what, out, &error);
  }
  return status == SEEP_OK ? SEEP_DONE : seep_verb_fail(verb, SEEP_FAILED, "%s", error.text);
}

/* What the numbers do not say. */
static void note_misses(const struct seep_verb *verb, const struct seep_taken_heap *taken) {
  char missing[16];
  if (taken->missing_bytes > 0) {
    seep_text_bytes(taken->missing_bytes, missing);
    seep_verb_fail(verb, 0, "the core lacks %s of writable memory: what lay there is not in the snapshot", missing);
  }
  if (taken->damage_count > 0) {
    seep_verb_fail(
        verb, 0,
        "%llu pointers led nowhere, the first was %s: the program was in the middle of something, or its memory "
        "is damaged",
        (unsigned long long)taken->damage_count, taken->damage);
  }
}

static int print_summary(const struct seep_verb *verb, const char *path, const struct seep_heap_options *options) {
  struct seep_heap_input input;
  bool written = true;
  int status = seep_heap_input_open(verb, path, options, options->json ? 0 : ROWS_IN_SHORT, &input);
  if (status != SEEP_DONE) return status;
  if (options->json) {
    written = seep_report_heap_json(&input.report, stdout);
  } else {
    seep_report_heap(&input.report, stdout);
  }
  seep_heap_input_close(&input);
  return seep_verb_written(verb, written);
}

int seep_verb_snapshot(const struct seep_verb *verb, int argc, char **argv) {
  struct request request = {0};
  struct seep_taken_heap taken;
  struct seep_error error = {{0}};
  if (argc > 1 && strcmp(argv[1], "--help") == 0) return seep_verb_help(verb);
  int status = read_arguments(verb, argc, argv, &request);
  if (status != SEEP_DONE) return status;
  status = take(verb, request.what, &taken);
  if (status != SEEP_DONE) return status;
  char *path = request.output != NULL
                   ? seep_must_copy(request.output)
                   : seep_must_format("seepline.%s.%u.heap.seep", taken.program, taken.snapshot.info.pid);
  const struct seep_snapshot *snapshot = &taken.snapshot;
  if (seep_snapshot_write(path, &snapshot->info, snapshot->graphs, snapshot->graph_count, &error) != SEEP_OK) {
    status = seep_verb_fail(verb, SEEP_FAILED, "%s", error.text);
  }
  note_misses(verb, &taken);
  seep_taken_heap_free(&taken);
  if (status == SEEP_DONE) status = print_summary(verb, path, &request.options);
  if (status == SEEP_DONE && !request.options.json) {
    char *printable = seep_text_printable(path);
    printf("Snapshot: %s (seepline heap FILE, seepline path FILE WHAT)\n", printable);
    free(printable);
  }
  free(path);
  return status;
}
