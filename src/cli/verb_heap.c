/* seepline heap: what a snapshot has in it. */
#include "cli/heap_input.h"

int seep_verb_heap(const struct seep_verb *verb, int argc, char **argv) {
  struct seep_heap_options options;
  struct seep_heap_input input;
  bool helped, written = true;
  int first;
  int status = seep_heap_options_read(verb, argc, argv, 1, "it takes one snapshot", &options, &first, &helped);
  if (helped || status != SEEP_DONE) return status;
  status = seep_heap_input_open(verb, argv[first], &options, options.json ? 0 : SEEP_ROWS_DEFAULT, &input);
  if (status != SEEP_DONE) return status;
  if (options.json) written = seep_report_heap_json(&input.report, stdout);
  else seep_report_heap(&input.report, stdout);
  seep_heap_input_close(&input);
  return seep_verb_written(verb, written);
}
