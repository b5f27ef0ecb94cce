/* `heap --json`: schema 1 of DESIGN.md. With several states the figures at the top
 * are sums, `vm` is the first state's, and dominators, groups and the like say whose
 * they are; `states` has each for itself. */
#include "report/heap_json.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "report/json_parts.h"

void seep_json_put_owned(json_t *object, const char *key, char *text) {
  char *valid = seep_text_utf8(text, strlen(text));
  seep_json_put(object, key, json_string(valid));
  free(valid);
  free(text);
}

static json_t *ledger_array(const struct seep_graph *graph) {
  const struct seep_graph_ledger *line = graph->ledger.items;
  json_t *array = json_array();
  for (size_t i = 0; i < graph->ledger.count; i++) {
    json_t *object = json_object();
    seep_json_put_owned(object, "name", seep_must_copy(line[i].name));
    seep_json_put(object, "bytes", json_integer(line[i].bytes));
    if (json_array_append_new(array, object) != 0) abort();
  }
  return array;
}

/* Sums over graphs. */
struct totals {
  uint64_t state_bytes, graph_bytes, objects, references, unreachable_bytes, unreachable_count, pending_bytes,
      pending_count;
};

static void add_totals(struct totals *totals, const struct seep_graph *graph) {
  totals->state_bytes += graph->state_bytes;
  totals->graph_bytes += seep_graph_bytes(graph);
  totals->objects += graph->node_count - 1;
  totals->references += graph->edge_count;
  totals->unreachable_bytes += graph->unreachable_bytes;
  totals->unreachable_count += graph->unreachable_count;
  totals->pending_bytes += graph->pending_bytes;
  totals->pending_count += graph->pending_count;
}

static void put_totals(json_t *object, const struct totals *totals) {
  seep_json_put(object, "state_bytes", seep_json_integer(totals->state_bytes));
  seep_json_put(object, "graph_bytes", seep_json_integer(totals->graph_bytes));
  seep_json_put(object, "objects", seep_json_integer(totals->objects));
  seep_json_put(object, "references", seep_json_integer(totals->references));
  seep_json_put(object, "unreachable_bytes", seep_json_integer(totals->unreachable_bytes));
  seep_json_put(object, "unreachable_count", seep_json_integer(totals->unreachable_count));
  seep_json_put(object, "pending_bytes", seep_json_integer(totals->pending_bytes));
  seep_json_put(object, "pending_count", seep_json_integer(totals->pending_count));
}

static json_t *types_array(const struct seep_heap_view *views, uint32_t view_count) {
  struct seep_type_sum sums[SEEP_NODE_KIND_COUNT], more[SEEP_NODE_KIND_COUNT];
  uint32_t used = 0;
  json_t *array = json_array();
  for (uint32_t i = 0; i < view_count; i++) {
    uint32_t count = seep_heap_types(views[i].graph, true, more);
    for (uint32_t j = 0; j < count; j++) {
      uint32_t at = 0;
      while (at < used && strcmp(sums[at].type, more[j].type) != 0) at++;
      if (at == used) sums[used++] = (struct seep_type_sum){.type = more[j].type};
      sums[at].count += more[j].count;
      sums[at].bytes += more[j].bytes;
    }
  }
  for (uint32_t i = 0; i < used; i++) {
    json_t *object = json_object();
    seep_json_put(object, "type", json_string(sums[i].type));
    seep_json_put(object, "count", seep_json_integer(sums[i].count));
    seep_json_put(object, "bytes", seep_json_integer(sums[i].bytes));
    if (json_array_append_new(array, object) != 0) abort();
  }
  return array;
}

static json_t *state_object(const struct seep_heap_view *view) {
  const struct seep_graph *graph = view->graph;
  struct totals totals = {0};
  json_t *object = json_object();
  add_totals(&totals, graph);
  seep_json_put_owned(object, "name", seep_must_copy(graph->name));
  seep_json_put_owned(object, "vm", seep_must_copy(graph->family));
  seep_json_put_owned(object, "release", seep_must_copy(graph->release));
  put_totals(object, &totals);
  seep_json_put(object, "types", types_array(view, 1));
  seep_json_put(object, "ledger", ledger_array(graph));
  return object;
}

static void put_states(json_t *root, const struct seep_heap_report *report) {
  struct totals totals = {0};
  json_t *states = json_array();
  for (uint32_t i = 0; i < report->view_count; i++) {
    add_totals(&totals, report->views[i].graph);
    if (json_array_append_new(states, state_object(&report->views[i])) != 0) abort();
  }
  put_totals(root, &totals);
  seep_json_put(root, "states", states);
  seep_json_put(root, "types", types_array(report->views, report->view_count));
}

void seep_heap_json_head(json_t *root, const struct seep_heap_report *report) {
  const struct seep_snapshot_info *info = report->info;
  if (report->view_count > 0) seep_json_put_owned(root, "vm", seep_must_copy(report->views[0].graph->family));
  seep_json_put(root, "pid", seep_json_integer(info->pid));
  seep_json_put_owned(root, "command", seep_heap_command_text(info));
  seep_json_put(root, "taken", seep_json_time(info->taken_wall_ns));
  if ((info->flags & SEEP_SNAPSHOT_SAMPLED) != 0) seep_json_put(root, "sampled", json_true());
  if ((info->flags & SEEP_SNAPSHOT_FROM_CORE) == 0)
    seep_json_put(root, "pause_ms", json_real((double)(info->pause_ns / 1000u) / 1e3));
}

/* -- Rows: written one by one, because there can be very many ----------------------------------- */

void seep_json_rows_begin(struct seep_json_rows *rows, const char *key) {
  if (rows->done) rows->done = fprintf(rows->out, ",\"%s\":[", key) > 0;
  rows->first = true;
}

void seep_json_rows_add(struct seep_json_rows *rows, json_t *object) {
  if (rows->done && !rows->first) rows->done = fputc(',', rows->out) != EOF;
  rows->first = false;
  if (rows->done) rows->done = seep_json_write(object, rows->out);
  else json_decref(object);
}

void seep_json_rows_end(struct seep_json_rows *rows) {
  if (rows->done) rows->done = fputc(']', rows->out) != EOF;
}

/* A row of one state; says which when there are several. */
static void write_row(struct seep_json_rows *rows, const struct seep_heap_view *view, json_t *object) {
  if (rows->report->view_count > 1) seep_json_put_owned(object, "state", seep_must_copy(view->graph->name));
  seep_json_rows_add(rows, object);
}

static size_t limited(const struct seep_json_rows *rows, size_t count) {
  return rows->report->limit != 0 && rows->report->limit < count ? rows->report->limit : count;
}

static json_t *node_object(const struct seep_heap_report *report, const struct seep_heap_view *view, uint32_t node) {
  json_t *object = json_object();
  char *site = seep_heap_site_text(view->graph, seep_graph_site(view->graph, node));
  seep_json_put_owned(object, "path", seep_path_text(&view->paths, node, report->namer));
  seep_json_put(object, "type", json_string(seep_node_kind_name(view->graph->kind[node])));
  seep_json_put(object, "self_bytes", seep_json_integer(seep_graph_size(view->graph, node)));
  seep_json_put(object, "retained_bytes", seep_json_integer(view->dominators.retained[node]));
  if (site != NULL) seep_json_put_owned(object, "site", site);
  seep_json_put(object, "node", seep_json_integer(node));
  return object;
}

static json_t *group_object(const struct seep_heap_report *report, const struct seep_heap_view *view, uint32_t number) {
  const struct seep_group *group = seep_groups_at(&view->groups, number);
  json_t *object = json_object();
  seep_json_put_owned(object, "path", seep_group_text(view->graph, &view->groups, number, report->namer));
  seep_json_put(object, "type", json_string(seep_node_kind_name(group->kind)));
  seep_json_put(object, "count", seep_json_integer(group->count));
  seep_json_put(object, "self_bytes", seep_json_integer(group->self_bytes));
  seep_json_put(object, "retained_bytes", seep_json_integer(group->retained_bytes));
  if (group->slack_bytes > 0) seep_json_put(object, "slack_bytes", seep_json_integer(group->slack_bytes));
  return object;
}

static void write_dominators(struct seep_json_rows *rows, const struct seep_heap_view *view) {
  struct seep_array dominators;
  if (!seep_heap_dominators(view, &dominators)) abort();
  for (size_t i = 0; i < limited(rows, dominators.count); i++) {
    write_row(rows, view, node_object(rows->report, view, ((uint32_t *)dominators.items)[i]));
  }
  seep_array_free(&dominators);
}

static void write_groups(struct seep_json_rows *rows, const struct seep_heap_view *view) {
  struct seep_array groups;
  if (!seep_heap_groups(view, &groups)) abort();
  for (size_t i = 0; i < limited(rows, groups.count); i++) {
    write_row(rows, view, group_object(rows->report, view, ((uint32_t *)groups.items)[i]));
  }
  seep_array_free(&groups);
}

static void write_slack(struct seep_json_rows *rows, const struct seep_heap_view *view) {
  struct seep_array groups;
  if (!seep_heap_slack(view, &groups)) abort();
  for (size_t i = 0; i < limited(rows, groups.count); i++) {
    write_row(rows, view, group_object(rows->report, view, ((uint32_t *)groups.items)[i]));
  }
  seep_array_free(&groups);
}

static void write_gatherings(struct seep_json_rows *rows, const struct seep_heap_view *view) {
  struct seep_array dominators, gatherings;
  if (!seep_heap_dominators(view, &dominators) || !seep_heap_gatherings(view, &dominators, &gatherings)) abort();
  for (size_t i = 0; i < gatherings.count; i++) {
    const struct seep_gathering *gathering = (struct seep_gathering *)gatherings.items + i;
    json_t *object = node_object(rows->report, view, gathering->node);
    seep_json_put_owned(object, "gathers_at", seep_path_text(&view->paths, gathering->point, rows->report->namer));
    if (gathering->group != SEEP_GROUP_NONE) {
      seep_json_put_owned(object, "as",
                          seep_group_text(view->graph, &view->groups, gathering->group, rows->report->namer));
      seep_json_put(object, "count", seep_json_integer(gathering->group_count));
      seep_json_put(object, "bytes", seep_json_integer(gathering->group_bytes));
    }
    write_row(rows, view, object);
  }
  seep_array_free(&gatherings);
  seep_array_free(&dominators);
}

static void write_duplicates(struct seep_json_rows *rows, const struct seep_heap_view *view) {
  struct seep_array duplicates;
  if (!seep_heap_duplicates(view->graph, &duplicates)) abort();
  for (size_t i = 0; i < limited(rows, duplicates.count); i++) {
    const struct seep_duplicate *duplicate = (struct seep_duplicate *)duplicates.items + i;
    struct seep_graph_text text = seep_graph_text(view->graph, view->graph->info[duplicate->node]);
    json_t *object = json_object();
    char *valid = seep_text_utf8(text.bytes, text.kept_bytes);
    seep_json_put(object, "text", json_string(valid));
    free(valid);
    seep_json_put(object, "length", seep_json_integer(text.length_bytes));
    seep_json_put(object, "count", seep_json_integer(duplicate->count));
    seep_json_put(object, "wasted_bytes", seep_json_integer(seep_duplicate_wasted(duplicate)));
    seep_json_put_owned(object, "path", seep_path_text(&view->paths, duplicate->node, rows->report->namer));
    write_row(rows, view, object);
  }
  seep_array_free(&duplicates);
}

static void write_section(struct seep_json_rows *rows, const char *key,
                          void (*write)(struct seep_json_rows *, const struct seep_heap_view *)) {
  seep_json_rows_begin(rows, key);
  for (uint32_t i = 0; i < rows->report->view_count; i++) write(rows, &rows->report->views[i]);
  seep_json_rows_end(rows);
}

bool seep_report_heap_json(const struct seep_heap_report *report, FILE *out) {
  struct seep_json_rows rows = {.report = report, .out = out};
  json_t *root = json_object();
  seep_json_put(root, "schema", json_integer(1));
  seep_heap_json_head(root, report);
  put_states(root, report);
  rows.done = seep_json_write_open(root, out);
  write_section(&rows, "dominators", write_dominators);
  write_section(&rows, "groups", write_groups);
  write_section(&rows, "gatherings", write_gatherings);
  write_section(&rows, "duplicates", write_duplicates);
  write_section(&rows, "slack", write_slack);
  return rows.done && fputs("}\n", out) != EOF && fflush(out) == 0;
}

/* -- `path --json` ----------------------------------------------------------------------------------- */

static json_t *paths_array(const struct seep_heap_report *report, const struct seep_heap_view *view, uint32_t node,
                           struct seep_referrers *referrers) {
  struct seep_paths without;
  json_t *paths = json_array();
  if (!seep_paths_build(view->graph, node, &without) || !seep_paths_referrers(&without, node, report->limit, referrers))
    abort();
  for (size_t i = 0; i < referrers->edges.count; i++) {
    char *text = seep_path_text_through(&without, ((uint32_t *)referrers->edges.items)[i], node, report->namer);
    char *valid = seep_text_utf8(text, strlen(text));
    if (json_array_append_new(paths, json_string(valid)) != 0) abort();
    free(valid);
    free(text);
  }
  seep_array_free(&referrers->edges);
  seep_paths_free(&without);
  return paths;
}

static json_t *found_object(const struct seep_heap_report *report, const struct seep_heap_view *view, uint32_t node,
                            bool with_paths) {
  const struct seep_graph *graph = view->graph;
  json_t *object = node_object(report, view, node);
  char address[24];
  snprintf(address, sizeof address, "0x%llx", (unsigned long long)graph->address[node]);
  seep_json_put_owned(object, "what", seep_node_text(graph, node, report->namer));
  seep_json_put(object, "address", json_string(address));
  seep_json_put(object, "reachable",
                json_boolean((graph->flags[node] & (SEEP_NODE_UNREACHABLE | SEEP_NODE_PENDING)) == 0));
  uint32_t dominator = view->dominators.dominator[node];
  if (dominator != SEEP_NODE_NONE && node != SEEP_NODE_ROOT) {
    seep_json_put_owned(object, "dominator", seep_path_text(&view->paths, dominator, report->namer));
    seep_json_put(object, "dominator_node", seep_json_integer(dominator));
  }
  if (!with_paths) return object;
  struct seep_referrers referrers;
  seep_json_put(object, "paths", paths_array(report, view, node, &referrers));
  seep_json_put(object, "references", seep_json_integer(referrers.holding));
  seep_json_put(object, "weak_references", seep_json_integer(referrers.weak));
  seep_json_put(object, "unreachable_references", seep_json_integer(referrers.unreachable));
  return object;
}

bool seep_report_path_json(const struct seep_heap_report *report, const struct seep_path_answer *answers,
                           uint32_t answer_count, FILE *out) {
  struct seep_json_rows rows = {.report = report, .out = out};
  json_t *root = json_object();
  size_t found = 0;
  seep_json_put(root, "schema", json_integer(1));
  seep_heap_json_head(root, report);
  for (uint32_t i = 0; i < answer_count; i++) found += answers[i].nodes.count;
  seep_json_put(root, "found", seep_json_integer(found));
  rows.done = seep_json_write_open(root, out);
  seep_json_rows_begin(&rows, "objects");
  for (uint32_t i = 0; i < answer_count; i++) {
    size_t shown = limited(&rows, answers[i].nodes.count);
    for (size_t j = 0; j < shown; j++) {
      write_row(&rows, answers[i].view,
                found_object(report, answers[i].view, ((uint32_t *)answers[i].nodes.items)[j], found == 1));
    }
  }
  seep_json_rows_end(&rows);
  return rows.done && fputs("}\n", out) != EOF && fflush(out) == 0;
}
