/* `diff` of two captures, for people and as JSON. */
#include "report/capture_diff.h"

#include <stdlib.h>

#include "base/text.h"
#include "model/compare.h"
#include "report/heap_parts.h"
#include "report/json_parts.h"

static const struct seep_profile_row *row_of(const struct seep_row_change *change) {
  return change->after != NULL ? change->after : change->before;
}

static void print_change(const struct seep_row_change *change, FILE *out) {
  const struct seep_profile_row *row = row_of(change);
  char *place = row->line == 0 ? seep_must_copy(row->file == NULL ? "(several files)" : row->file)
                               : seep_must_format("%s:%u%s", row->file, row->line, row->exact ? "" : "~");
  seep_print_byte_change(out, change->live_bytes);
  fputc(' ', out);
  seep_print_count_change(out, change->live_count);
  fputc(' ', out);
  seep_print_byte_change(out, change->survivor_bytes);
  fprintf(out, "  %-9s ", row->type < 0 ? "(several)" : seep_type_name((enum seep_type)row->type));
  seep_print_owned(out, place);
  if (row->function != NULL) {
    fputs("  ", out);
    seep_print_escaped(out, row->function);
  }
  fputs(change->before == NULL ? "  (new)\n" : "\n", out);
  seep_print_callers((const struct seep_profile_frame *const *)row->frames, row->frame_count, row->file, out);
}

void seep_report_capture_diff(const struct seep_profile *before, const struct seep_profile *after, uint32_t limit,
                              FILE *out) {
  struct seep_row_change *changes;
  size_t count = seep_compare_rows(before, after, &changes), grown = 0, shown;
  fputs("A  ", out);
  seep_print_program(before, out);
  fputs("B  ", out);
  seep_print_program(after, out);
  fputs("live: ", out);
  seep_print_size(out, before->totals.counters.live_bytes);
  fputs(" → ", out);
  seep_print_size(out, after->totals.counters.live_bytes);
  fputc('\n', out);
  while (grown < count && changes[grown].live_bytes > 0) grown++;
  shown = limit != 0 && limit < grown ? limit : grown;
  if (shown > 0) fprintf(out, "\n%10s %12s %10s  %-9s %s\n", "LIVE", "BLOCKS", "SURVIVORS", "TYPE", "LINE, FUNCTION");
  for (size_t i = 0; i < shown; i++) print_change(&changes[i], out);
  if (grown == 0) fputs("nothing grew\n", out);
  if (shown < grown)
    seep_print_count(out, grown - shown, "more row grew (-n for more)\n", "more rows grew (-n for more)\n");
  free(changes);
}

/* -- JSON ------------------------------------------------------------------------------ */

static json_t *capture_object(const struct seep_profile *profile) {
  json_t *object = json_object();
  if (profile->state_count > 0) seep_json_put(object, "vm", json_string(profile->states[0].family));
  seep_json_put(object, "pid", seep_json_integer(profile->pid));
  seep_json_put(object, "command", json_string(profile->command));
  seep_json_put(object, "started", seep_json_time(profile->started_wall_ns));
  seep_json_put(object, "complete", json_boolean(profile->complete));
  seep_json_put(object, "live_bytes", seep_json_integer(profile->totals.counters.live_bytes));
  seep_json_put(object, "live_count", seep_json_integer(profile->totals.counters.live_count));
  return object;
}

static json_t *change_object(const struct seep_row_change *change) {
  const struct seep_profile_row *row = row_of(change);
  json_t *object = json_object();
  if (row->file != NULL) seep_json_put(object, "file", json_string(row->file));
  if (row->file != NULL) seep_json_put(object, "line", seep_json_integer(row->line));
  if (row->function != NULL) seep_json_put(object, "function", json_string(row->function));
  if (row->type >= 0) seep_json_put(object, "type", json_string(seep_type_name((enum seep_type)row->type)));
  seep_json_put(object, "exact", json_boolean(row->exact));
  seep_json_put(object, "live_growth_bytes", json_integer((json_int_t)change->live_bytes));
  seep_json_put(object, "live_growth_count", json_integer((json_int_t)change->live_count));
  seep_json_put(object, "survivor_growth_bytes", json_integer((json_int_t)change->survivor_bytes));
  seep_json_put(object, "in", json_string(change->before == NULL ? "b" : change->after == NULL ? "a" : "both"));
  seep_json_put(object, "stack",
                seep_json_stack((const struct seep_profile_frame *const *)row->frames, row->frame_count));
  return object;
}

bool seep_report_capture_diff_json(const struct seep_profile *before, const struct seep_profile *after, uint32_t limit,
                                   FILE *out) {
  struct seep_row_change *changes;
  size_t count = seep_compare_rows(before, after, &changes);
  json_t *root = json_object();
  seep_json_put(root, "schema", json_integer(1));
  seep_json_put(root, "a", capture_object(before));
  seep_json_put(root, "b", capture_object(after));
  bool done = seep_json_write_open(root, out) && fputs(",\"sites\":[", out) != EOF;
  for (size_t i = 0; done && i < count && (limit == 0 || i < limit); i++) {
    if (i > 0) fputc(',', out);
    done = seep_json_write(change_object(&changes[i]), out);
  }
  free(changes);
  return done && fputs("]}\n", out) != EOF && fflush(out) == 0;
}
