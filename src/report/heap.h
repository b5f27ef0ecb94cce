/* The outputs about heaps: types, dominators, paths, growth. All take finished
 * views (heap/view.h) of the states of one snapshot and write to a stream; rows
 * past `limit` are left out (0: no limit). They end the program when there is no
 * memory. JSON functions return false when writing failed. */
#ifndef SEEP_REPORT_HEAP_H
#define SEEP_REPORT_HEAP_H

#include <stdio.h>

#include "heap/snapshot.h"
#include "heap/view.h"

struct seep_heap_report {
  const struct seep_snapshot_info *info;
  const struct seep_heap_view *views;  /* one per state that is told of */
  uint32_t view_count;
  const struct seep_namer *namer;
  uint32_t limit;
};

/* `heap`, and what `snapshot` prints when it has taken one. */
void seep_report_heap(const struct seep_heap_report *report, FILE *out);
bool seep_report_heap_json(const struct seep_heap_report *report, FILE *out);

/* The line above every heap report: program, VM, when, how long it stood still. */
void seep_report_heap_heading(const struct seep_heap_report *report, FILE *out);

/* What `path` was asked for, and what was found in one state (`view`). With one node: its paths; with several: the
 * largest ones with a path each. */
struct seep_path_answer {
  const struct seep_heap_view *view;
  struct seep_array nodes;  /* uint32_t, as seep_heap_find gives them */
};
void seep_report_path(const struct seep_heap_report *report, const struct seep_path_answer *answers,
                      uint32_t answer_count, FILE *out);
bool seep_report_path_json(const struct seep_heap_report *report, const struct seep_path_answer *answers,
                           uint32_t answer_count, FILE *out);

/* `diff` of two snapshots: states are paired by name, and if each has one, these two. */
void seep_report_heap_diff(const struct seep_heap_report *before, const struct seep_heap_report *after, FILE *out);
bool seep_report_heap_diff_json(const struct seep_heap_report *before, const struct seep_heap_report *after, FILE *out);

/* Where a node was allocated, "app.lua:12"; NULL when it is not known. To be freed. */
char *seep_heap_site_text(const struct seep_graph *graph, const struct seep_graph_site *site);

/* The program's arguments joined by spaces, valid UTF-8. To be freed. */
char *seep_heap_command_text(const struct seep_snapshot_info *info);

#endif
