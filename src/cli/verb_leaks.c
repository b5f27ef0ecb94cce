/* seepline leaks: which lines leak, and the evidence. */
#include <getopt.h>
#include <limits.h>
#include <string.h>

#include "cli/held_by.h"
#include "report/report.h"

enum { LEAK_FOUND = 3 };

struct request {
  bool json, fail_on_leak;
  uint32_t limit;  /* 0: no limit */
  const char *what;
  struct seep_held_request held_by;
};

static int read_arguments(const struct seep_verb *verb, int argc, char **argv, struct request *request) {
  static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                          {"fail-on-leak", no_argument, NULL, 'f'},
                                          {"heap", required_argument, NULL, 'h'},
                                          {"held-by", no_argument, NULL, 'k'},
                                          {NULL, 0, NULL, 0}};
  bool limited = false;
  int option;
  while ((option = getopt_long(argc, argv, "n:", options, NULL)) != -1) {
    switch (option) {
      case 'j': request->json = true; break;
      case 'f': request->fail_on_leak = true; break;
      case 'h': request->held_by.heap = optarg; break;
      case 'k': request->held_by.take_now = true; break;
      case 'n':
        limited = true;
        if (seep_verb_number(optarg, 1, &request->limit)) break;
        return seep_verb_fail(verb, SEEP_WRONG_USAGE, "-n takes a number of rows from 1 up, not '%s'", optarg);
      default: return SEEP_WRONG_USAGE; /* getopt has said why */
    }
  }
  if (optind + 1 != argc) {
    return seep_verb_fail(verb, SEEP_WRONG_USAGE, "it takes one capture or one process: seepline %s", verb->synopsis);
  }
  request->what = argv[optind];
  if (!limited) request->limit = request->json ? 0 : SEEP_ROWS_DEFAULT;
  return SEEP_DONE;
}

static bool write_answer(const struct request *request, const struct seep_profile *profile,
                         const struct seep_findings *findings) {
  if (request->json) return seep_report_leaks_json(findings, request->limit, stdout);
  seep_report_leaks(profile, findings, request->limit, stdout);
  return fflush(stdout) == 0 && !ferror(stdout);
}

static int answer(const struct seep_verb *verb, const struct request *request, const struct seep_reader *reader,
                  const char *path) {
  struct seep_profile profile;
  struct seep_findings findings;
  struct seep_held_by held_by;
  seep_profile_build(reader, path, SEEP_BY_STATE, SEEP_SORT_LIVE, &profile);
  seep_verb_note_running(&profile);
  seep_findings_build(&profile, &findings);
  int status = seep_held_by_open(verb, &request->held_by, &profile, reader, &held_by);
  if (status == SEEP_DONE) {
    seep_held_by_fill(&held_by, &findings);
    seep_held_by_close(&held_by);
    if (request->fail_on_leak && findings.leak_count > 0) status = LEAK_FOUND;
    if (!write_answer(request, &profile, &findings)) {
      status = seep_verb_fail(verb, SEEP_FAILED, "the answer could not be written");
    }
  }
  seep_findings_free(&findings);
  seep_profile_free(&profile);
  return status;
}

int seep_verb_leaks(const struct seep_verb *verb, int argc, char **argv) {
  struct request request = {0};
  char path[PATH_MAX];
  struct seep_reader *reader;
  if (argc > 1 && strcmp(argv[1], "--help") == 0) return seep_verb_help(verb);
  int status = read_arguments(verb, argc, argv, &request);
  if (status != SEEP_DONE) return status;
  status = seep_verb_open_capture(verb, request.what, path, &reader);
  if (status != SEEP_DONE) return status;
  uint32_t mode = seep_reader_header(reader)->mode;
  if (!seep_profile_knows_blocks(mode)) {
    seep_reader_close(reader);
    return seep_verb_fail(verb, SEEP_FAILED,
                          "%s was recorded in mode %s, which does not know what stays: record in mode exact or sample",
                          request.what, seep_profile_mode_name(mode));
  }
  status = answer(verb, &request, reader, path);
  seep_reader_close(reader);
  return status;
}
