/* `path` for people: why an object is alive. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "report/heap_parts.h"

enum { CHAIN_SHOWN = 8 };

/* "table, 56 B, retains 96 MiB, at 0x55…, node #17, allocated at app.lua:12" */
static void print_object(const struct seep_heap_report *report, const struct seep_heap_view *view, uint32_t node,
                         FILE *out) {
  const struct seep_graph *graph = view->graph;
  char *site = seep_heap_site_text(graph, seep_graph_site(graph, node));
  seep_print_owned(out, seep_node_text(graph, node, report->namer));
  fputs(", ", out);
  seep_print_size(out, seep_graph_size(graph, node));
  fputs(", retains ", out);
  seep_print_size(out, view->dominators.retained[node]);
  if (graph->address[node] != 0) fprintf(out, ", at 0x%llx", (unsigned long long)graph->address[node]);
  fprintf(out, ", node #%u", node);
  if (site != NULL) {
    fputs(", allocated at ", out);
    seep_print_owned(out, site);
  }
  fputc('\n', out);
}

/* What has to go for the object to go: its dominators, from the nearest on, but for roots. */
static void print_dominators(const struct seep_heap_report *report, const struct seep_heap_view *view, uint32_t node,
                             FILE *out) {
  const uint32_t *dominator = view->dominators.dominator;
  uint32_t at = dominator[node], shown = 0;
  if (at == SEEP_NODE_NONE || at == SEEP_NODE_ROOT) {
    fputs("no single object keeps it alive: several independent ways lead to it, or a root itself does\n", out);
    return;
  }
  fputs("it goes when one of these goes:\n", out);
  for (; at != SEEP_NODE_ROOT && shown < CHAIN_SHOWN; at = dominator[at], shown++) {
    fputs("  ", out);
    seep_print_owned(out, seep_path_text(&view->paths, at, report->namer));
    fputs(" (", out);
    seep_print_owned(out, seep_node_text(view->graph, at, report->namer));
    fputs(")\n", out);
  }
  if (at != SEEP_NODE_ROOT) fputs("  …\n", out);
}

static void print_counts(const struct seep_referrers *referrers, size_t shown, FILE *out) {
  seep_print_count(out, referrers->holding, "reference holds it", "references hold it");
  if (shown < referrers->holding) {
    fputs(" (", out);
    seep_print_count(out, shown, "path is shown", "paths are shown");
    fputs(")", out);
  }
  if (referrers->weak > 0) {
    fputs("; ", out);
    seep_print_count(out, referrers->weak, "weak one does not", "weak ones do not");
  }
  if (referrers->unreachable > 0) {
    fputs("; ", out);
    seep_print_count(out, referrers->unreachable, "comes", "come");
    fputs(" from garbage, or only through the object itself", out);
  }
  fputc('\n', out);
}

static void print_paths(const struct seep_heap_report *report, const struct seep_heap_view *view, uint32_t node,
                        FILE *out) {
  struct seep_paths without;
  struct seep_referrers referrers;
  if (!seep_paths_build(view->graph, node, &without) ||
      !seep_paths_referrers(&without, node, report->limit, &referrers))
    abort();
  if (view->paths.via[node] == SEEP_VIA_START) {
    fputs("  ", out);
    seep_print_owned(out, seep_path_text(&view->paths, node, report->namer));
    fputs("  (a root: names begin here)\n", out);
  }
  for (size_t i = 0; i < referrers.edges.count; i++) {
    fputs("  ", out);
    seep_print_owned(out,
                     seep_path_text_through(&without, ((uint32_t *)referrers.edges.items)[i], node, report->namer));
    fputc('\n', out);
  }
  print_counts(&referrers, referrers.edges.count, out);
  seep_array_free(&referrers.edges);
  seep_paths_free(&without);
}

static void print_one(const struct seep_heap_report *report, const struct seep_heap_view *view, uint32_t node,
                      FILE *out) {
  uint8_t flags = view->graph->flags[node];
  print_object(report, view, node, out);
  if ((flags & SEEP_NODE_UNREACHABLE) != 0) {
    fputs("nothing holds it: it is garbage that the collector has not freed yet\n", out);
    if (view->paths.via[node] == SEEP_VIA_NONE) return;
    fputs("what held it to the end of a call:\n  ", out);
    seep_print_owned(out, seep_path_text(&view->paths, node, report->namer));
    fputc('\n', out);
    return;
  }
  if ((flags & SEEP_NODE_PENDING) != 0) fputs("only a finalizer that is still to be called keeps it:\n", out);
  print_paths(report, view, node, out);
  print_dominators(report, view, node, out);
}

static void print_many(const struct seep_heap_report *report, const struct seep_path_answer *answer, FILE *out) {
  size_t shown = report->limit != 0 && report->limit < answer->nodes.count ? report->limit : answer->nodes.count;
  char retained[16];
  seep_print_count(out, answer->nodes.count, "object", "objects");
  fputs(", those that retain the most first:\n", out);
  for (size_t i = 0; i < shown; i++) {
    uint32_t node = ((uint32_t *)answer->nodes.items)[i];
    seep_text_bytes(answer->view->dominators.retained[node], retained);
    fprintf(out, "%10s  #%-9u ", retained, node);
    seep_print_owned(out, seep_path_text(&answer->view->paths, node, report->namer));
    fputs("  ", out);
    seep_print_owned(out, seep_node_text(answer->view->graph, node, report->namer));
    fputc('\n', out);
  }
  if (shown < answer->nodes.count) {
    seep_print_count(out, answer->nodes.count - shown, "more object", "more objects");
    fputs(" (-n for more). ", out);
  }
  fputs("seepline path FILE '#NUMBER' tells more of one.\n", out);
}

void seep_report_path(const struct seep_heap_report *report, const struct seep_path_answer *answers,
                      uint32_t answer_count, FILE *out) {
  for (uint32_t i = 0; i < answer_count; i++) {
    if (report->view_count > 1) {
      fputs("== ", out);
      seep_print_owned(out, seep_must_copy(answers[i].view->graph->name));
      fputc('\n', out);
    }
    if (answers[i].nodes.count == 1) print_one(report, answers[i].view, ((uint32_t *)answers[i].nodes.items)[0], out);
    else print_many(report, &answers[i], out);
  }
}
