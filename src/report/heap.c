/* `heap` for people: where a heap's bytes are and what holds them. Names from the
 * program are escaped. */
#include "report/heap_parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"

enum { GATHERINGS_SHOWN = 5, SHARE_OF_ROWS = 3 };

/* -- Pieces ------------------------------------------------------------------------- */

void seep_print_owned(FILE *out, char *text) {
  seep_print_escaped(out, text);
  free(text);
}

void seep_print_byte_change(FILE *out, int64_t bytes) {
  char text[16], whole[24];
  seep_text_bytes(bytes < 0 ? (uint64_t)-bytes : (uint64_t)bytes, text);
  snprintf(whole, sizeof whole, "%s%s", bytes > 0 ? "+" : bytes < 0 ? "-" : "", text);
  fprintf(out, "%10s", whole);
}

void seep_print_count_change(FILE *out, int64_t count) {
  char text[32], whole[40];
  seep_text_count(count < 0 ? (uint64_t)-count : (uint64_t)count, text);
  snprintf(whole, sizeof whole, "%s%s", count > 0 ? "+" : count < 0 ? "-" : "", text);
  fprintf(out, "%12s", whole);
}

static const char *bytes_text(uint64_t size_bytes, char buffer[16]) {
  seep_text_bytes(size_bytes, buffer);
  return buffer;
}

static const char *count_text(uint64_t count, char buffer[32]) {
  seep_text_count(count, buffer);
  return buffer;
}

/* Tables behind the first have a part of the rows, unless the user asked for a number of his own. */
static size_t rows_of(const struct seep_heap_report *report, size_t count, bool is_minor) {
  size_t limit = report->limit;
  if (is_minor && limit > SHARE_OF_ROWS) limit = (limit + SHARE_OF_ROWS - 1) / SHARE_OF_ROWS;
  return limit != 0 && limit < count ? limit : count;
}

static void print_more(size_t shown, size_t count, FILE *out) {
  char text[32];
  if (shown < count) fprintf(out, "  %s more (-n for more)\n", count_text(count - shown, text));
}

char *seep_heap_site_text(const struct seep_graph *graph, const struct seep_graph_site *site) {
  if (site == NULL) return NULL;
  struct seep_graph_text file = seep_graph_text(graph, site->file);
  return site->line == 0 ? seep_must_format("%.*s", (int)file.kept_bytes, file.bytes)
                         : seep_must_format("%.*s:%u", (int)file.kept_bytes, file.bytes, site->line);
}

char *seep_heap_command_text(const struct seep_snapshot_info *info) {
  char joined[sizeof info->command];
  size_t count = info->command_bytes < sizeof joined ? info->command_bytes : sizeof joined;
  memcpy(joined, info->command, count);
  while (count > 0 && joined[count - 1] == '\0') count--;
  for (size_t i = 0; i < count; i++) {
    if (joined[i] == '\0') joined[i] = ' ';
  }
  return seep_text_utf8(joined, count);
}

static void print_taken(const struct seep_snapshot_info *info, FILE *out) {
  char when[32];
  time_t seconds = (time_t)(info->taken_wall_ns / 1000000000u);
  struct tm local;
  localtime_r(&seconds, &local);
  strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &local);
  fprintf(out, ", pid %u, %s", info->pid, when);
  if ((info->flags & SEEP_SNAPSHOT_FROM_CORE) != 0) fputs(", from a core file", out);
  else fprintf(out, ", stopped for %.1f ms", (double)info->pause_ns / 1e6);
  if ((info->flags & SEEP_SNAPSHOT_SAMPLED) != 0) fputs(", lines of sampled objects alone", out);
}

void seep_report_heap_heading(const struct seep_heap_report *report, FILE *out) {
  seep_print_owned(out, seep_heap_command_text(report->info));
  fprintf(out, "  (%s", report->view_count > 0 ? report->views[0].graph->release : "no Lua state");
  print_taken(report->info, out);
  fputs(")\n", out);
}

/* -- Sections --------------------------------------------------------------------------- */

/* Of the garbage, what variables of a call that has ended held to its end. */
static void print_held_to_end(const struct seep_heap_view *view, FILE *out) {
  const struct seep_graph *graph = view->graph;
  uint64_t held_bytes = 0, count = 0;
  char bytes[16], objects[32];
  for (uint32_t node = 1; node < graph->node_count; node++) {
    if ((graph->flags[node] & SEEP_NODE_UNREACHABLE) == 0 || view->paths.via[node] == SEEP_VIA_NONE) continue;
    held_bytes += seep_graph_size(graph, node);
    count++;
  }
  if (count == 0) return;
  fprintf(out, ", of which local variables of a call held %s in %s until it ended", bytes_text(held_bytes, bytes),
          count_text(count, objects));
}

static void print_totals(const struct seep_heap_view *view, FILE *out) {
  const struct seep_graph *graph = view->graph;
  char bytes[16], objects[32], references[32];
  fprintf(out, "%s in %s objects with %s references", bytes_text(seep_graph_bytes(graph), bytes),
          count_text(graph->node_count - 1, objects), count_text(graph->edge_count, references));
  if (graph->unreachable_count > 0) {
    fprintf(out, "; %s in %s unreachable ones (garbage that the collector has not freed yet)",
            bytes_text(graph->unreachable_bytes, bytes), count_text(graph->unreachable_count, objects));
    print_held_to_end(view, out);
  }
  if (graph->pending_count > 0) {
    fprintf(out, "; %s in %s held only until a finalizer has run", bytes_text(graph->pending_bytes, bytes),
            count_text(graph->pending_count, objects));
  }
  fputc('\n', out);
}

static void print_types(const struct seep_graph *graph, FILE *out) {
  struct seep_type_sum types[SEEP_NODE_KIND_COUNT];
  uint32_t count = seep_heap_types(graph, true, types);
  char bytes[16], objects[32];
  fprintf(out, "\n%10s %12s  %s\n", "BYTES", "OBJECTS", "TYPE");
  for (uint32_t i = 0; i < count; i++) {
    fprintf(out, "%10s %12s  %s\n", bytes_text(types[i].bytes, bytes), count_text(types[i].count, objects),
            types[i].type);
  }
}

static void print_gathering(const struct seep_heap_report *report, const struct seep_heap_view *view,
                            const struct seep_gathering *gathering, FILE *out) {
  const uint64_t *retained = view->dominators.retained;
  char bytes[16], count[32];
  uint64_t all = retained[SEEP_NODE_ROOT];
  fprintf(out, "  %2.0f %% (%s) is held by ", all == 0 ? 0.0 : 100.0 * (double)retained[gathering->node] / (double)all,
          bytes_text(retained[gathering->node], bytes));
  seep_print_owned(out, seep_path_text(&view->paths, gathering->node, report->namer));
  if (gathering->point != gathering->node) {
    fprintf(out, ",\n       and gathers at ");
    seep_print_owned(out, seep_path_text(&view->paths, gathering->point, report->namer));
  }
  if (gathering->group != SEEP_GROUP_NONE && gathering->group_count > 1) {
    const struct seep_group *group = seep_groups_at(&view->groups, gathering->group);
    fprintf(out, ":\n       %s %ss, %s, as ", count_text(gathering->group_count, count),
            seep_node_kind_name(group->kind), bytes_text(gathering->group_bytes, bytes));
    seep_print_owned(out, seep_group_text(view->graph, &view->groups, gathering->group, report->namer));
  }
  fputc('\n', out);
}

static void print_gatherings(const struct seep_heap_report *report, const struct seep_heap_view *view,
                             const struct seep_array *dominators, FILE *out) {
  struct seep_array gatherings;
  if (!seep_heap_gatherings(view, dominators, &gatherings)) abort();
  if (gatherings.count > 0) fputs("\nWhere memory gathers\n", out);
  for (size_t i = 0; i < gatherings.count && i < GATHERINGS_SHOWN; i++) {
    print_gathering(report, view, (struct seep_gathering *)gatherings.items + i, out);
  }
  seep_array_free(&gatherings);
}

static void print_dominator(const struct seep_heap_report *report, const struct seep_heap_view *view, uint32_t node,
                            FILE *out) {
  char retained[16], self[16];
  char *site = seep_heap_site_text(view->graph, seep_graph_site(view->graph, node));
  fprintf(out, "%10s %10s  %-9s ", bytes_text(view->dominators.retained[node], retained),
          bytes_text(seep_graph_size(view->graph, node), self), seep_node_kind_name(view->graph->kind[node]));
  seep_print_owned(out, seep_path_text(&view->paths, node, report->namer));
  if (site != NULL) {
    fputs("  allocated at ", out);
    seep_print_owned(out, site);
  }
  fputc('\n', out);
}

static void print_dominators(const struct seep_heap_report *report, const struct seep_heap_view *view,
                             const struct seep_array *dominators, FILE *out) {
  size_t shown = rows_of(report, dominators->count, false);
  if (shown == 0) return;
  fprintf(out, "\n%10s %10s  %-9s %s\n", "RETAINED", "SELF", "TYPE", "BIGGEST DOMINATORS");
  for (size_t i = 0; i < shown; i++) print_dominator(report, view, ((uint32_t *)dominators->items)[i], out);
  print_more(shown, dominators->count, out);
}

static void print_groups(const struct seep_heap_report *report, const struct seep_heap_view *view, FILE *out) {
  struct seep_array groups;
  char retained[16], self[16], count[32];
  if (!seep_heap_groups(view, &groups)) abort();
  size_t shown = rows_of(report, groups.count, false);
  if (shown > 0)
    fprintf(out, "\n%10s %10s %12s  %-9s %s\n", "RETAINED", "SELF", "OBJECTS", "TYPE", "ALIKE, BEHIND ONE PATH");
  for (size_t i = 0; i < shown; i++) {
    uint32_t number = ((uint32_t *)groups.items)[i];
    const struct seep_group *group = seep_groups_at(&view->groups, number);
    fprintf(out, "%10s %10s %12s  %-9s ", bytes_text(group->retained_bytes, retained),
            bytes_text(group->self_bytes, self), count_text(group->count, count), seep_node_kind_name(group->kind));
    seep_print_owned(out, seep_group_text(view->graph, &view->groups, number, report->namer));
    fputc('\n', out);
  }
  print_more(shown, groups.count, out);
  seep_array_free(&groups);
}

static void print_duplicates(const struct seep_heap_report *report, const struct seep_heap_view *view, FILE *out) {
  struct seep_array duplicates;
  char wasted[16], count[32];
  if (!seep_heap_duplicates(view->graph, &duplicates)) abort();
  size_t shown = rows_of(report, duplicates.count, true);
  if (shown > 0) fprintf(out, "\n%10s %12s  %s\n", "WASTED", "COPIES", "DUPLICATE STRINGS");
  for (size_t i = 0; i < shown; i++) {
    const struct seep_duplicate *duplicate = (struct seep_duplicate *)duplicates.items + i;
    fprintf(out, "%10s %12s  ", bytes_text(seep_duplicate_wasted(duplicate), wasted),
            count_text(duplicate->count, count));
    seep_print_owned(out, seep_node_text(view->graph, duplicate->node, report->namer));
    fputs(", at ", out);
    seep_print_owned(out, seep_path_text(&view->paths, duplicate->node, report->namer));
    fputc('\n', out);
  }
  print_more(shown, duplicates.count, out);
  seep_array_free(&duplicates);
}

static void print_slack(const struct seep_heap_report *report, const struct seep_heap_view *view, FILE *out) {
  struct seep_array groups;
  char slack[16], count[32];
  if (!seep_heap_slack(view, &groups)) abort();
  size_t shown = rows_of(report, groups.count, true);
  if (shown > 0) fprintf(out, "\n%10s %12s  %s\n", "SLACK", "TABLES", "ROOM IN TABLES THAT IS NOT USED");
  for (size_t i = 0; i < shown; i++) {
    uint32_t number = ((uint32_t *)groups.items)[i];
    const struct seep_group *group = seep_groups_at(&view->groups, number);
    fprintf(out, "%10s %12s  ", bytes_text(group->slack_bytes, slack), count_text(group->count, count));
    seep_print_owned(out, seep_group_text(view->graph, &view->groups, number, report->namer));
    fputc('\n', out);
  }
  print_more(shown, groups.count, out);
  seep_array_free(&groups);
}

static void print_ledger_line(int64_t bytes, const char *name, FILE *out) {
  char text[32];
  seep_text_count(bytes < 0 ? (uint64_t)-bytes : (uint64_t)bytes, text);
  fprintf(out, "%s%*s  ", bytes < 0 ? "-" : " ", 18, text);
  seep_print_owned(out, seep_must_copy(name));
  fputc('\n', out);
}

static void print_ledger(const struct seep_graph *graph, FILE *out) {
  const struct seep_graph_ledger *line = graph->ledger.items;
  uint64_t sum = seep_graph_bytes(graph);
  fputs("\nLedger, in bytes\n", out);
  print_ledger_line((int64_t)graph->object_bytes, "reachable objects", out);
  if (graph->pending_bytes > 0)
    print_ledger_line((int64_t)graph->pending_bytes, "objects held until a finalizer has run", out);
  if (graph->unreachable_bytes > 0) print_ledger_line((int64_t)graph->unreachable_bytes, "unreachable objects", out);
  for (size_t i = 0; i < graph->ledger.count; i++) print_ledger_line(line[i].bytes, line[i].name, out);
  if (sum == graph->state_bytes) {
    print_ledger_line((int64_t)sum, "in all: the VM's own count, to the byte", out);
    return;
  }
  print_ledger_line((int64_t)sum, "in all", out);
  print_ledger_line((int64_t)graph->state_bytes, "the VM's own count", out);
}

static void print_state(const struct seep_heap_report *report, const struct seep_heap_view *view, FILE *out) {
  struct seep_array dominators;
  if (!seep_heap_dominators(view, &dominators)) abort();
  print_totals(view, out);
  print_types(view->graph, out);
  print_gatherings(report, view, &dominators, out);
  print_dominators(report, view, &dominators, out);
  print_groups(report, view, out);
  print_duplicates(report, view, out);
  print_slack(report, view, out);
  print_ledger(view->graph, out);
  seep_array_free(&dominators);
}

void seep_report_heap(const struct seep_heap_report *report, FILE *out) {
  seep_report_heap_heading(report, out);
  for (uint32_t i = 0; i < report->view_count; i++) {
    const struct seep_graph *graph = report->views[i].graph;
    if (report->view_count > 1) fprintf(out, "\n== %s (%s)\n", graph->name, graph->release);
    print_state(report, &report->views[i], out);
  }
}
