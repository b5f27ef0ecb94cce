/* Opening snapshots for the verbs. See heap_input.h. */
#include "cli/heap_input.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static int read_option(const struct seep_verb *verb, int option, struct seep_heap_options *out) {
  switch (option) {
    case 'j': out->json = true; return SEEP_DONE;
    case 's': out->state = optarg; return SEEP_DONE;
    case 'n':
      out->limited = true;
      if (seep_verb_number(optarg, 1, &out->limit)) return SEEP_DONE;
      return seep_verb_fail(verb, SEEP_WRONG_USAGE, "-n takes a number of rows from 1 up, not '%s'", optarg);
    default: return SEEP_WRONG_USAGE; /* getopt has said why */
  }
}

int seep_heap_options_read(const struct seep_verb *verb, int argc, char **argv, int word_count, const char *question,
                           struct seep_heap_options *out, int *first, bool *helped) {
  static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {"state", required_argument, NULL, 's'},
                                          {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
  int option;
  *out = (struct seep_heap_options){.limit = 0};
  *helped = false;
  while ((option = getopt_long(argc, argv, "n:", options, NULL)) != -1) {
    *helped = option == 'h';
    int status = *helped ? seep_verb_help(verb) : read_option(verb, option, out);
    if (*helped || status != SEEP_DONE) return status;
  }
  *first = optind;
  if (argc - optind == word_count) return SEEP_DONE;
  return seep_verb_fail(verb, SEEP_WRONG_USAGE, "%s: seepline %s", question, verb->synopsis);
}

static char *function_name(void *data, const char *file, uint32_t line) {
  struct seep_names_function function = {.file = file, .line = line};
  const char *name = seep_names_find(data, &function, NULL);
  return name == NULL ? NULL : seep_must_copy(name);
}

static bool is_chosen(const char *wanted, const struct seep_graph *graph, uint32_t index) {
  uint32_t number;
  if (wanted == NULL || strcmp(wanted, graph->name) == 0) return true;
  return seep_verb_number(wanted, 1, &number) && number == index + 1;
}

/* The states' names in a row, for a message. */
static char *list_names(const struct seep_snapshot *snapshot) {
  char *list = seep_must_copy("");
  for (uint32_t i = 0; i < snapshot->graph_count; i++) {
    char *longer = seep_must_format("%s%s%s", list, i > 0 ? ", " : "", snapshot->graphs[i].name);
    free(list);
    list = longer;
  }
  return list;
}

static int build_views(const struct seep_verb *verb, const char *path, const char *state,
                       struct seep_heap_input *input) {
  struct seep_error error = {{0}};
  const struct seep_snapshot *snapshot = &input->snapshot;
  input->views = seep_must_alloc(snapshot->graph_count * sizeof *input->views);
  for (uint32_t i = 0; i < snapshot->graph_count; i++) {
    if (!is_chosen(state, &snapshot->graphs[i], i)) continue;
    if (seep_heap_view_build(&snapshot->graphs[i], &input->views[input->view_count], &error) != SEEP_OK) {
      return seep_verb_fail(verb, SEEP_FAILED, "%s", error.text);
    }
    input->view_count++;
  }
  if (input->view_count > 0) return SEEP_DONE;
  char *names = list_names(snapshot);
  int status = seep_verb_fail(verb, SEEP_FAILED, "%s has no state '%s'; it has: %s", path, state, names);
  free(names);
  return status;
}

static int read_snapshot(const struct seep_verb *verb, const char *path, struct seep_snapshot *out) {
  struct seep_error error = {{0}};
  struct seep_reader *capture;
  if (seep_snapshot_read(path, out, &error) == SEEP_OK) return SEEP_DONE;
  if (!seep_snapshot_is_one(path) && seep_reader_open(path, &capture, NULL) == SEEP_OK) {
    seep_reader_close(capture);
    return seep_verb_fail(verb, SEEP_FAILED,
                          "%s is a capture: it knows who allocated, not what holds it (seepline show and leaks "
                          "read it); seepline snapshot PID -o FILE takes a heap snapshot",
                          path);
  }
  return seep_verb_fail(verb, SEEP_FAILED, "%s", error.text);
}

/* Of a snapshot that is there; `path` is for messages. */
static int analyse(const struct seep_verb *verb, const char *path, const struct seep_heap_options *options,
                   uint32_t default_limit, struct seep_heap_input *out) {
  int status = build_views(verb, path, options->state, out);
  if (status != SEEP_DONE) {
    seep_heap_input_close(out);
    return status;
  }
  out->names = seep_names_new(out->snapshot.info.taken_wall_ns);
  out->namer = (struct seep_namer){.function_name = function_name, .data = out->names};
  out->report = (struct seep_heap_report){.info = &out->snapshot.info,
                                          .views = out->views,
                                          .view_count = out->view_count,
                                          .namer = &out->namer,
                                          .limit = options->limited ? options->limit : default_limit};
  return SEEP_DONE;
}

int seep_heap_input_open(const struct seep_verb *verb, const char *path, const struct seep_heap_options *options,
                         uint32_t default_limit, struct seep_heap_input *out) {
  *out = (struct seep_heap_input){.view_count = 0};
  int status = read_snapshot(verb, path, &out->snapshot);
  return status == SEEP_DONE ? analyse(verb, path, options, default_limit, out) : status;
}

int seep_heap_input_take(const struct seep_verb *verb, pid_t pid, struct seep_frozen_copy copy,
                         struct seep_heap_input *out) {
  const struct seep_heap_options all = {.limit = 0};
  struct seep_taken_heap taken;
  struct seep_error error = {{0}};
  char name[32];
  *out = (struct seep_heap_input){.view_count = 0};
  if (seep_take_process_heap(pid, copy, &taken, &error) != SEEP_OK) {
    return seep_verb_fail(verb, SEEP_FAILED, "%s", error.text);
  }
  out->snapshot = taken.snapshot;
  snprintf(name, sizeof name, "process %d", (int)pid);
  return analyse(verb, name, &all, 0, out);
}

void seep_heap_input_close(struct seep_heap_input *input) {
  for (uint32_t i = 0; i < input->view_count; i++) seep_heap_view_free(&input->views[i]);
  free(input->views);
  if (input->names != NULL) seep_names_free(input->names);
  seep_snapshot_free(&input->snapshot);
}
