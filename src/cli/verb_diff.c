/* seepline diff: what grew between two heap snapshots, or two captures. */
#include <limits.h>

#include "cli/heap_input.h"
#include "report/capture_diff.h"

static int diff_snapshots(const struct seep_verb *verb, char **paths, const struct seep_heap_options *options) {
  struct seep_heap_input before, after;
  uint32_t rows = options->json ? 0 : SEEP_ROWS_DEFAULT;
  bool written = true;
  int status = seep_heap_input_open(verb, paths[0], options, rows, &before);
  if (status != SEEP_DONE) return status;
  status = seep_heap_input_open(verb, paths[1], options, rows, &after);
  if (status == SEEP_DONE) {
    if (options->json) written = seep_report_heap_diff_json(&before.report, &after.report, stdout);
    else seep_report_heap_diff(&before.report, &after.report, stdout);
    seep_heap_input_close(&after);
  }
  seep_heap_input_close(&before);
  return status != SEEP_DONE ? status : seep_verb_written(verb, written);
}

/* A capture or a running process, as a profile. */
struct capture {
  char path[PATH_MAX];
  struct seep_reader *reader;
  struct seep_profile profile;
};

static int open_capture(const struct seep_verb *verb, const char *what, struct capture *out) {
  int status = seep_verb_open_capture(verb, what, out->path, &out->reader);
  if (status != SEEP_DONE) return status;
  seep_profile_build(out->reader, out->path, SEEP_BY_ROW, SEEP_SORT_LIVE, &out->profile);
  return SEEP_DONE;
}

static void close_capture(struct capture *capture) {
  seep_profile_free(&capture->profile);
  seep_reader_close(capture->reader);
}

static int diff_captures(const struct seep_verb *verb, char **paths, const struct seep_heap_options *options) {
  struct capture before, after;
  uint32_t limit = options->limited ? options->limit : options->json ? 0 : SEEP_ROWS_DEFAULT;
  bool written = true;
  int status = open_capture(verb, paths[0], &before);
  if (status != SEEP_DONE) return status;
  status = open_capture(verb, paths[1], &after);
  if (status == SEEP_DONE) {
    if (options->json) written = seep_report_capture_diff_json(&before.profile, &after.profile, limit, stdout);
    else seep_report_capture_diff(&before.profile, &after.profile, limit, stdout);
    close_capture(&after);
  }
  close_capture(&before);
  return status != SEEP_DONE ? status : seep_verb_written(verb, written);
}

int seep_verb_diff(const struct seep_verb *verb, int argc, char **argv) {
  struct seep_heap_options options;
  bool helped;
  int first;
  int status =
      seep_heap_options_read(verb, argc, argv, 2, "it takes two snapshots, or two captures", &options, &first, &helped);
  if (helped || status != SEEP_DONE) return status;
  bool a_is_snapshot = seep_snapshot_is_one(argv[first]), b_is_snapshot = seep_snapshot_is_one(argv[first + 1]);
  if (a_is_snapshot && b_is_snapshot) return diff_snapshots(verb, argv + first, &options);
  if (a_is_snapshot || b_is_snapshot) {
    return seep_verb_fail(verb, SEEP_FAILED, "%s is a heap snapshot and %s is none: it takes two of the same sort",
                          argv[first + (a_is_snapshot ? 0 : 1)], argv[first + (a_is_snapshot ? 1 : 0)]);
  }
  if (options.state != NULL)
    return seep_verb_fail(verb, SEEP_WRONG_USAGE, "--state is for heap snapshots; these are captures");
  return diff_captures(verb, argv + first, &options);
}
