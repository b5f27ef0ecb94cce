/* `diff` of two heap snapshots, for people and as JSON. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "heap/growth.h"
#include "report/heap_json.h"
#include "report/heap_parts.h"
#include "report/sampled_lines.h"

/* One state in both snapshots, or in one of them. */
struct pair {
  const struct seep_heap_report *before_report, *after_report;
  const struct seep_heap_view *before, *after;
};

static const struct seep_heap_view *find_state(const struct seep_heap_report *report, const char *name) {
  for (uint32_t i = 0; i < report->view_count; i++) {
    if (strcmp(report->views[i].graph->name, name) == 0) return &report->views[i];
  }
  return NULL;
}

/* Those of `after` in their order, then those that are gone. Returns how many; `pairs` has room for all. */
static uint32_t pair_states(const struct seep_heap_report *before, const struct seep_heap_report *after,
                            struct pair *pairs) {
  uint32_t count = 0;
  bool single = before->view_count == 1 && after->view_count == 1;
  for (uint32_t i = 0; i < after->view_count; i++) {
    const struct seep_heap_view *view = &after->views[i];
    pairs[count++] =
        (struct pair){before, after, single ? &before->views[0] : find_state(before, view->graph->name), view};
  }
  for (uint32_t i = 0; i < before->view_count && !single; i++) {
    const struct seep_heap_view *view = &before->views[i];
    if (find_state(after, view->graph->name) == NULL) pairs[count++] = (struct pair){before, after, view, NULL};
  }
  return count;
}

static const struct seep_graph *any_graph(const struct pair *pair) {
  return pair->after != NULL ? pair->after->graph : pair->before->graph;
}

/* A growth's group, in whichever snapshot it is. */
static char *group_text(const struct pair *pair, const struct seep_growth *growth, const char **type) {
  bool is_there = growth->after != SEEP_GROWTH_NONE;
  const struct seep_heap_view *view = is_there ? pair->after : pair->before;
  const struct seep_namer *namer = is_there ? pair->after_report->namer : pair->before_report->namer;
  uint32_t number = is_there ? growth->after : growth->before;
  *type = seep_node_kind_name(seep_groups_at(&view->groups, number)->kind);
  return seep_group_text(view->graph, &view->groups, number, namer);
}

/* -- By line: both sides' lines are needed to name them ------------------------------------- */

struct line_growth {
  struct seep_array before, after;  /* struct seep_line */
  struct seep_array growths;
};

static void lines_of(const struct seep_heap_view *view, struct seep_array *out) {
  *out = (struct seep_array){0};
  if (view != NULL && !seep_growth_lines(view, out)) abort();
}

static void build_lines(const struct pair *pair, struct line_growth *out) {
  lines_of(pair->before, &out->before);
  lines_of(pair->after, &out->after);
  if (!seep_growth_by_line(&out->before, &out->after, &out->growths)) abort();
}

static void free_lines(struct line_growth *lines) {
  seep_array_free(&lines->before);
  seep_array_free(&lines->after);
  seep_array_free(&lines->growths);
}

static char *line_text(const struct pair *pair, const struct line_growth *lines, const struct seep_growth *growth) {
  bool is_there = growth->after != SEEP_GROWTH_NONE;
  const struct seep_line *line = is_there ? (const struct seep_line *)lines->after.items + growth->after
                                          : (const struct seep_line *)lines->before.items + growth->before;
  const struct seep_graph *graph = is_there ? pair->after->graph : pair->before->graph;
  return seep_heap_site_text(graph, (const struct seep_graph_site *)graph->sites.items + line->site);
}

/* Of a sampled recording some objects know their lines; the others are estimated. */
static bool is_sampled(const struct pair *pair) {
  uint32_t flags = pair->before_report->info->flags | pair->after_report->info->flags;
  return (flags & SEEP_SNAPSHOT_SAMPLED) != 0;
}

static void sample_lines(const struct pair *pair, struct seep_array *out) {
  struct seep_sampled_side was = {pair->before, pair->before_report->info->interval_bytes};
  struct seep_sampled_side is = {pair->after, pair->after_report->info->interval_bytes};
  seep_sampled_lines(&was, &is, out);
}

static char *sampled_text(const struct seep_sampled_line *line) {
  return seep_heap_site_text(line->graph, (const struct seep_graph_site *)line->graph->sites.items + line->site);
}

/* -- For people -------------------------------------------------------------------------------- */

static int64_t grew(const struct seep_growth *growth) {
  return seep_growth_of(growth->was.retained_bytes, growth->is.retained_bytes);
}

static void print_amounts(const struct seep_growth *growth, FILE *out) {
  seep_print_byte_change(out, grew(growth));
  fputc(' ', out);
  seep_print_byte_change(out, seep_growth_of(growth->was.self_bytes, growth->is.self_bytes));
  fputc(' ', out);
  seep_print_count_change(out, seep_growth_of(growth->was.count, growth->is.count));
  fputs("  ", out);
}

/* How many rows of a list ranked from growth to shrinkage are told: what grew, up to the limit. */
static size_t grown_rows(const struct seep_array *growths, uint32_t limit) {
  size_t count = 0;
  while (count < growths->count && (limit == 0 || count < limit) &&
         grew((struct seep_growth *)growths->items + count) > 0)
    count++;
  return count;
}

static void print_paths(const struct pair *pair, FILE *out) {
  struct seep_array growths;
  if (!seep_growth_by_path(pair->before, pair->after, &growths)) abort();
  size_t shown = grown_rows(&growths, pair->after_report->limit), more = grown_rows(&growths, 0) - shown;
  fprintf(out, "\n%10s %10s %12s  %-9s %s\n", "RETAINED", "SELF", "OBJECTS", "TYPE", "WHAT GREW, BY PATH");
  for (size_t i = 0; i < shown; i++) {
    const struct seep_growth *growth = (struct seep_growth *)growths.items + i;
    const char *type;
    char *text = group_text(pair, growth, &type);
    print_amounts(growth, out);
    fprintf(out, "%-9s ", type);
    seep_print_owned(out, text);
    fputs(growth->before == SEEP_GROWTH_NONE ? "  (new)\n" : "\n", out);
  }
  if (shown == 0) fputs("  nothing grew\n", out);
  if (more > 0) {
    fputs("  ", out);
    seep_print_count(out, more, "more (-n for more)\n", "more (-n for more)\n");
  }
  seep_array_free(&growths);
}

static void print_types(const struct pair *pair, FILE *out) {
  struct seep_array growths;
  if (!seep_growth_by_type(pair->before, pair->after, &growths)) abort();
  fprintf(out, "\n%10s %12s  %s\n", "BYTES", "OBJECTS", "TYPE");
  for (size_t i = 0; i < growths.count; i++) {
    const struct seep_growth *growth = (struct seep_growth *)growths.items + i;
    uint32_t kind = growth->after != SEEP_GROWTH_NONE ? growth->after : growth->before;
    seep_print_byte_change(out, grew(growth));
    fputc(' ', out);
    seep_print_count_change(out, seep_growth_of(growth->was.count, growth->is.count));
    fprintf(out, "  %s\n", seep_node_kind_name((uint8_t)kind));
  }
  seep_array_free(&growths);
}

/* A damaged file can hold any number. */
static int64_t whole(double value) { return (int64_t)fmin(fmax(round(value), -9e18), 9e18); }

/* What has grown for sure: what may be chance alone is left out. */
static void print_sampled_lines(const struct pair *pair, FILE *out) {
  struct seep_array lines;
  sample_lines(pair, &lines);
  uint32_t limit = pair->after_report->limit, shown = 0;
  for (size_t i = 0; i < lines.count && (limit == 0 || shown < limit); i++) {
    const struct seep_sampled_line *line = (struct seep_sampled_line *)lines.items + i;
    if (line->low_bytes <= 0) continue;
    if (shown++ == 0) {
      fprintf(out, "\n%10s  %22s %12s  %s\n", "ABOUT", "BETWEEN", "OBJECTS", "LINE THAT ALLOCATED (from samples)");
    }
    seep_print_byte_change(out, whole(line->growth_bytes));
    fputs("  ", out);
    seep_print_byte_change(out, whole(line->low_bytes));
    fputs("  ", out);
    seep_print_byte_change(out, whole(line->high_bytes));
    fputc(' ', out);
    seep_print_count_change(out, whole(line->is_count.total - line->was_count.total));
    fputs("  ", out);
    seep_print_owned(out, sampled_text(line));
    fputc('\n', out);
  }
  seep_array_free(&lines);
}

static void print_lines(const struct pair *pair, FILE *out) {
  struct line_growth lines;
  if (is_sampled(pair)) {
    print_sampled_lines(pair, out);
    return;
  }
  build_lines(pair, &lines);
  size_t shown = grown_rows(&lines.growths, pair->after_report->limit);
  if (shown > 0) fprintf(out, "\n%10s %10s %12s  %s\n", "RETAINED", "SELF", "OBJECTS", "LINE THAT ALLOCATED");
  for (size_t i = 0; i < shown; i++) {
    const struct seep_growth *growth = (struct seep_growth *)lines.growths.items + i;
    print_amounts(growth, out);
    seep_print_owned(out, line_text(pair, &lines, growth));
    fputc('\n', out);
  }
  free_lines(&lines);
}

static void print_sum(const struct pair *pair, FILE *out) {
  const struct seep_graph *was = pair->before == NULL ? NULL : pair->before->graph,
                          *is = pair->after == NULL ? NULL : pair->after->graph;
  uint64_t was_bytes = was == NULL ? 0 : was->object_bytes, is_bytes = is == NULL ? 0 : is->object_bytes;
  uint64_t was_count = was == NULL ? 0 : was->object_count, is_count = is == NULL ? 0 : is->object_count;
  if (was == NULL) fputs("this state is new\n", out);
  if (is == NULL) fputs("this state is gone\n", out);
  fputs("reachable: ", out);
  seep_print_size(out, was_bytes);
  fputs(" → ", out);
  seep_print_size(out, is_bytes);
  fputs(", ", out);
  seep_print_count(out, was_count, "object", "objects");
  fputs(" → ", out);
  seep_print_count(out, is_count, "object", "objects");
  fputc('\n', out);
}

void seep_report_heap_diff(const struct seep_heap_report *before, const struct seep_heap_report *after, FILE *out) {
  struct pair *pairs = seep_must_alloc((before->view_count + after->view_count) * sizeof *pairs);
  uint32_t count = pair_states(before, after, pairs);
  fputs("A  ", out);
  seep_report_heap_heading(before, out);
  fputs("B  ", out);
  seep_report_heap_heading(after, out);
  for (uint32_t i = 0; i < count; i++) {
    if (count > 1) {
      fputs("\n== ", out);
      seep_print_owned(out, seep_must_copy(any_graph(&pairs[i])->name));
      fputc('\n', out);
    }
    print_sum(&pairs[i], out);
    print_paths(&pairs[i], out);
    print_lines(&pairs[i], out);
    print_types(&pairs[i], out);
  }
  free(pairs);
}

/* -- JSON ------------------------------------------------------------------------------------------ */

static json_t *growth_object(const struct pair *pair, const struct seep_growth *growth, bool several) {
  json_t *object = json_object();
  if (several) seep_json_put_owned(object, "state", seep_must_copy(any_graph(pair)->name));
  seep_json_put(object, "count_before", seep_json_integer(growth->was.count));
  seep_json_put(object, "count", seep_json_integer(growth->is.count));
  seep_json_put(object, "self_bytes_before", seep_json_integer(growth->was.self_bytes));
  seep_json_put(object, "self_bytes", seep_json_integer(growth->is.self_bytes));
  seep_json_put(object, "retained_bytes_before", seep_json_integer(growth->was.retained_bytes));
  seep_json_put(object, "retained_bytes", seep_json_integer(growth->is.retained_bytes));
  seep_json_put(object, "retained_growth_bytes", json_integer((json_int_t)grew(growth)));
  return object;
}

static size_t limited(const struct pair *pair, size_t count) {
  size_t limit = pair->after_report->limit;
  return limit != 0 && limit < count ? limit : count;
}

static void write_paths(struct seep_json_rows *rows, const struct pair *pair, bool several) {
  struct seep_array growths;
  if (!seep_growth_by_path(pair->before, pair->after, &growths)) abort();
  for (size_t i = 0; i < limited(pair, growths.count); i++) {
    const struct seep_growth *growth = (struct seep_growth *)growths.items + i;
    const char *type;
    json_t *object = growth_object(pair, growth, several);
    seep_json_put_owned(object, "path", group_text(pair, growth, &type));
    seep_json_put(object, "type", json_string(type));
    seep_json_rows_add(rows, object);
  }
  seep_array_free(&growths);
}

static void write_types(struct seep_json_rows *rows, const struct pair *pair, bool several) {
  struct seep_array growths;
  if (!seep_growth_by_type(pair->before, pair->after, &growths)) abort();
  for (size_t i = 0; i < growths.count; i++) {
    const struct seep_growth *growth = (struct seep_growth *)growths.items + i;
    uint32_t kind = growth->after != SEEP_GROWTH_NONE ? growth->after : growth->before;
    json_t *object = json_object();
    if (several) seep_json_put_owned(object, "state", seep_must_copy(any_graph(pair)->name));
    seep_json_put(object, "type", json_string(seep_node_kind_name((uint8_t)kind)));
    seep_json_put(object, "count_before", seep_json_integer(growth->was.count));
    seep_json_put(object, "count", seep_json_integer(growth->is.count));
    seep_json_put(object, "bytes_before", seep_json_integer(growth->was.self_bytes));
    seep_json_put(object, "bytes", seep_json_integer(growth->is.self_bytes));
    seep_json_rows_add(rows, object);
  }
  seep_array_free(&growths);
}

static json_t *rounded(double value) { return json_integer(whole(value)); }

static void write_sampled_lines(struct seep_json_rows *rows, const struct pair *pair, bool several) {
  struct seep_array lines;
  sample_lines(pair, &lines);
  for (size_t i = 0; i < limited(pair, lines.count); i++) {
    const struct seep_sampled_line *line = (struct seep_sampled_line *)lines.items + i;
    json_t *object = json_object(), *interval = json_array();
    if (several) seep_json_put_owned(object, "state", seep_must_copy(any_graph(pair)->name));
    seep_json_put_owned(object, "site", sampled_text(line));
    seep_json_put(object, "estimate", json_true());
    seep_json_put(object, "count_before", rounded(line->was_count.total));
    seep_json_put(object, "count", rounded(line->is_count.total));
    seep_json_put(object, "block_bytes_before", rounded(line->was_bytes.total));
    seep_json_put(object, "block_bytes", rounded(line->is_bytes.total));
    seep_json_put(object, "block_growth_bytes", rounded(line->growth_bytes));
    json_array_append_new(interval, rounded(line->low_bytes));
    json_array_append_new(interval, rounded(line->high_bytes));
    seep_json_put(object, "ci95", interval);
    seep_json_rows_add(rows, object);
  }
  seep_array_free(&lines);
}

static void write_lines(struct seep_json_rows *rows, const struct pair *pair, bool several) {
  struct line_growth lines;
  if (is_sampled(pair)) {
    write_sampled_lines(rows, pair, several);
    return;
  }
  build_lines(pair, &lines);
  for (size_t i = 0; i < limited(pair, lines.growths.count); i++) {
    const struct seep_growth *growth = (struct seep_growth *)lines.growths.items + i;
    json_t *object = growth_object(pair, growth, several);
    seep_json_put_owned(object, "site", line_text(pair, &lines, growth));
    seep_json_rows_add(rows, object);
  }
  free_lines(&lines);
}

static json_t *head_object(const struct seep_heap_report *report) {
  json_t *object = json_object();
  uint64_t reachable_bytes = 0, reachable_count = 0;
  seep_heap_json_head(object, report);
  for (uint32_t i = 0; i < report->view_count; i++) {
    reachable_bytes += report->views[i].graph->object_bytes;
    reachable_count += report->views[i].graph->object_count;
  }
  seep_json_put(object, "reachable_bytes", seep_json_integer(reachable_bytes));
  seep_json_put(object, "reachable_count", seep_json_integer(reachable_count));
  return object;
}

bool seep_report_heap_diff_json(const struct seep_heap_report *before, const struct seep_heap_report *after,
                                FILE *out) {
  static const struct {
    const char *key;
    void (*write)(struct seep_json_rows *, const struct pair *, bool);
  } sections[] = {{"paths", write_paths}, {"lines", write_lines}, {"types", write_types}};
  struct pair *pairs = seep_must_alloc((before->view_count + after->view_count) * sizeof *pairs);
  uint32_t count = pair_states(before, after, pairs);
  struct seep_json_rows rows = {.report = after, .out = out};
  json_t *root = json_object();
  seep_json_put(root, "schema", json_integer(1));
  seep_json_put(root, "a", head_object(before));
  seep_json_put(root, "b", head_object(after));
  rows.done = seep_json_write_open(root, out);
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(sections); i++) {
    seep_json_rows_begin(&rows, sections[i].key);
    for (uint32_t j = 0; j < count; j++) sections[i].write(&rows, &pairs[j], count > 1);
    seep_json_rows_end(&rows);
  }
  free(pairs);
  return rows.done && fputs("}\n", out) != EOF && fflush(out) == 0;
}
