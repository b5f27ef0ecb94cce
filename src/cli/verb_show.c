/* seepline show: a capture, finished or not, as a table or as JSON. */
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cli/held_by.h"

struct choice {
  const char *name;
  int value;
};

static const struct choice bys[] = {{"line", SEEP_BY_LINE}, {"function", SEEP_BY_FUNCTION},
                                    {"type", SEEP_BY_TYPE}, {"stack", SEEP_BY_STACK},
                                    {"state", SEEP_BY_STATE}};
static const struct choice sorts[] = {{"live", SEEP_SORT_LIVE}, {"survivors", SEEP_SORT_SURVIVORS},
                                      {"alloc", SEEP_SORT_ALLOC}, {"growth", SEEP_SORT_GROWTH},
                                      {"peak", SEEP_SORT_PEAK}};

struct request {
  enum seep_by by;
  enum seep_sort sort;
  bool sorted;      /* it was asked for */
  bool json;
  uint32_t limit;   /* 0: no limit */
  bool limited;
  const char *what;
  struct seep_held_request held_by;
};

static bool choose(const struct choice *choices, size_t count, const char *name, int *out) {
  for (size_t i = 0; i < count; i++) {
    if (strcmp(choices[i].name, name) == 0) {
      *out = choices[i].value;
      return true;
    }
  }
  return false;
}

/* SEEP_DONE, or the exit status after a message. */
static int read_option(const struct seep_verb *verb, int option, struct request *request) {
  int value = 0;
  switch (option) {
    case 'n':
      request->limited = true;
      if (seep_verb_number(optarg, 1, &request->limit)) return SEEP_DONE;
      return seep_verb_fail(verb, SEEP_WRONG_USAGE, "-n takes a number of rows from 1 up, not '%s'", optarg);
    case 'j': request->json = true; return SEEP_DONE;
    case 'h': request->held_by.heap = optarg; return SEEP_DONE;
    case 'k': request->held_by.take_now = true; return SEEP_DONE;
    case 'b':
      if (!choose(bys, SEEP_ARRAY_SIZE(bys), optarg, &value)) {
        return seep_verb_fail(verb, SEEP_WRONG_USAGE, "--by takes line, function, type, stack or state, not '%s'", optarg);
      }
      request->by = (enum seep_by)value;
      return SEEP_DONE;
    case 's':
      if (!choose(sorts, SEEP_ARRAY_SIZE(sorts), optarg, &value)) {
        return seep_verb_fail(verb, SEEP_WRONG_USAGE, "--sort takes live, survivors, alloc, growth or peak, not '%s'", optarg);
      }
      request->sort = (enum seep_sort)value;
      request->sorted = true;
      return SEEP_DONE;
    default: return SEEP_WRONG_USAGE; /* getopt has said why */
  }
}

static int read_arguments(const struct seep_verb *verb, int argc, char **argv, struct request *request) {
  static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                          {"by", required_argument, NULL, 'b'},
                                          {"sort", required_argument, NULL, 's'},
                                          {"heap", required_argument, NULL, 'h'},
                                          {"held-by", no_argument, NULL, 'k'},
                                          {NULL, 0, NULL, 0}};
  int option;
  while ((option = getopt_long(argc, argv, "n:", options, NULL)) != -1) {
    int status = read_option(verb, option, request);
    if (status != SEEP_DONE) return status;
  }
  if (optind + 1 != argc) {
    return seep_verb_fail(verb, SEEP_WRONG_USAGE, "it takes one capture or one process: seepline %s", verb->synopsis);
  }
  request->what = argv[optind];
  if (!request->limited) request->limit = request->json ? 0 : SEEP_ROWS_DEFAULT;
  return SEEP_DONE;
}

/* False after a message: what is asked for is not known in this mode. */
static bool can_answer(const struct seep_verb *verb, const struct request *request, enum seep_mode mode) {
  const char *name = seep_profile_mode_name(mode);
  bool needs_blocks = request->sorted && request->sort != SEEP_SORT_ALLOC && request->sort != SEEP_SORT_GROWTH;
  if (seep_profile_knows_blocks(mode)) return true;
  if (needs_blocks) {
    seep_verb_fail(verb, 0, "%s was recorded in mode %s, which does not know that: --sort alloc ranks by gains, "
                   "--sort growth by growth", request->what, name);
  } else if (request->by == SEEP_BY_TYPE) {
    seep_verb_fail(verb, 0, "%s was recorded in mode %s, which does not know types: try --by line or function",
                   request->what, name);
  }
  return !needs_blocks && request->by != SEEP_BY_TYPE;
}

/* With what holds each line's memory, if that is known. */
static int answer(const struct seep_verb *verb, const struct request *request, const struct seep_profile *profile,
                  const struct seep_reader *reader) {
  struct seep_held_by held_by;
  bool written = true;
  int status = seep_held_by_open(verb, &request->held_by, profile, reader, &held_by);
  if (status != SEEP_DONE) return status;
  const struct seep_holding *holding = seep_held_by_ask(&held_by);
  if (request->json) written = seep_report_json(profile, holding, request->limit, stdout);
  else seep_report_table(profile, holding, request->limit, stdout);
  seep_held_by_close(&held_by);
  return seep_verb_written(verb, written);
}

int seep_verb_show(const struct seep_verb *verb, int argc, char **argv) {
  struct request request = {.by = SEEP_BY_ROW, .sort = SEEP_SORT_LIVE};
  char path[PATH_MAX];
  struct seep_reader *reader;
  if (argc > 1 && strcmp(argv[1], "--help") == 0) return seep_verb_help(verb);
  int status = read_arguments(verb, argc, argv, &request);
  if (status == SEEP_DONE) status = seep_verb_open_capture(verb, request.what, path, &reader);
  if (status != SEEP_DONE) return status;
  struct seep_profile profile;
  seep_profile_build(reader, path, request.by, request.sort, &profile);
  seep_verb_note_running(&profile);
  status = SEEP_FAILED;
  if (can_answer(verb, &request, profile.mode)) {
    status = answer(verb, &request, &profile, reader);
  }
  seep_profile_free(&profile);
  seep_reader_close(reader);
  return status;
}
