/* seepline path: why something is alive. */
#include <stdlib.h>

#include "base/text.h"
#include "cli/heap_input.h"
#include "heap/find.h"

enum { PATHS_DEFAULT = 5 };

/* Looks in every state; a failure in one is none when another has it. */
static int find(const struct seep_verb *verb, const struct seep_heap_input *input, const char *what,
                struct seep_path_answer *answers, uint32_t *answer_count) {
  struct seep_error error = {{0}};
  *answer_count = 0;
  for (uint32_t i = 0; i < input->view_count; i++) {
    struct seep_array nodes;
    if (seep_heap_find(&input->views[i], what, &input->namer, &nodes, &error) != SEEP_OK) continue;
    answers[(*answer_count)++] = (struct seep_path_answer){.view = &input->views[i], .nodes = nodes};
  }
  return *answer_count > 0 ? SEEP_DONE : seep_verb_fail(verb, SEEP_FAILED, "%s", error.text);
}

static void answer(const struct seep_heap_input *input, const struct seep_path_answer *answers, uint32_t count,
                   bool json, bool *written) {
  if (json) *written = seep_report_path_json(&input->report, answers, count, stdout);
  else seep_report_path(&input->report, answers, count, stdout);
}

int seep_verb_path(const struct seep_verb *verb, int argc, char **argv) {
  struct seep_heap_options options;
  struct seep_heap_input input;
  bool helped, written = true;
  uint32_t answer_count;
  int first;
  int status = seep_heap_options_read(verb, argc, argv, 2, "it takes a snapshot, and what to look for in it", &options,
                                      &first, &helped);
  if (helped || status != SEEP_DONE) return status;
  status = seep_heap_input_open(verb, argv[first], &options, options.json ? 0 : PATHS_DEFAULT, &input);
  if (status != SEEP_DONE) return status;
  struct seep_path_answer *answers = seep_must_alloc(input.view_count * sizeof *answers);
  status = find(verb, &input, argv[first + 1], answers, &answer_count);
  if (status == SEEP_DONE) answer(&input, answers, answer_count, options.json, &written);
  for (uint32_t i = 0; i < answer_count; i++) seep_array_free(&answers[i].nodes);
  free(answers);
  seep_heap_input_close(&input);
  return status != SEEP_DONE ? status : seep_verb_written(verb, written);
}
