/* seepline export: what was measured, in other tools' formats. */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "cli/heap_input.h"
#include "report/heapsnapshot.h"

struct request {
  const char *format, *out;
  struct seep_heap_options heap;
};

static int read_option(int option, struct request *request) {
  switch (option) {
    case 'f': request->format = optarg; return SEEP_DONE;
    case 'o': request->out = optarg; return SEEP_DONE;
    case 's': request->heap.state = optarg; return SEEP_DONE;
    default: return SEEP_WRONG_USAGE; /* getopt has said why */
  }
}

/* stdout without -o. */
static FILE *open_out(const struct seep_verb *verb, const char *path) {
  FILE *out = path == NULL ? stdout : fopen(path, "we");
  if (out == NULL) seep_verb_fail(verb, SEEP_FAILED, "%s: %s", path, strerror(errno));
  return out;
}

static int close_out(const struct seep_verb *verb, const char *path, FILE *out, bool written) {
  if (path != NULL && fclose(out) != 0) written = false;
  if (written) return SEEP_DONE;
  if (path != NULL) unlink(path);
  return seep_verb_fail(verb, SEEP_FAILED, "%s could not be written", path == NULL ? "the answer" : path);
}

static int export_heapsnapshot(const struct seep_verb *verb, const char *path, const struct request *request) {
  struct seep_heap_input input;
  uint64_t clamped = 0;
  int status = seep_heap_input_open(verb, path, &request->heap, 0, &input);
  if (status != SEEP_DONE) return status;
  FILE *out = NULL;
  if (input.view_count > 1) {
    status = seep_verb_fail(verb, SEEP_FAILED,
                            "%s has %u Lua states, the format has one: choose with --state (seepline heap names them)",
                            path, input.view_count);
  } else if ((out = open_out(verb, request->out)) == NULL) {
    status = SEEP_FAILED;
  } else {
    status = close_out(verb, request->out, out, seep_report_heapsnapshot(&input.views[0], &input.namer, out, &clamped));
  }
  if (clamped > 0)
    seep_verb_fail(verb, 0, "%llu objects are larger than the format can say: they are shown with 4 GiB",
                   (unsigned long long)clamped);
  seep_heap_input_close(&input);
  return status;
}

int seep_verb_export(const struct seep_verb *verb, int argc, char **argv) {
  static const struct option options[] = {{"format", required_argument, NULL, 'f'},
                                          {"state", required_argument, NULL, 's'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
  struct request request = {.format = NULL};
  int option;
  while ((option = getopt_long(argc, argv, "o:", options, NULL)) != -1) {
    if (option == 'h') return seep_verb_help(verb);
    int status = read_option(option, &request);
    if (status != SEEP_DONE) return status;
  }
  if (optind + 1 != argc || request.format == NULL) {
    return seep_verb_fail(verb, SEEP_WRONG_USAGE, "it takes one file and a format: seepline %s", verb->synopsis);
  }
  if (strcmp(request.format, "heapsnapshot") == 0) return export_heapsnapshot(verb, argv[optind], &request);
  return seep_verb_fail(verb, SEEP_WRONG_USAGE, "this version exports heapsnapshot alone, not %s", request.format);
}
