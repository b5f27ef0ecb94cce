/* The join of findings and heaps. See held_by.h. */
#include "cli/held_by.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/kept_heap.h"
#include "heap/holders.h"
#include "model/sampled.h"
#include "reach/process_maps.h"

enum { PATHS_TOLD = 3 };

/* Whether what is held is of a row's type: parts of objects are buffers. */
static bool is_of_type(const struct seep_heap_view *view, const struct seep_holder *holder, int type) {
  const struct seep_group *group = seep_groups_at(&view->groups, holder->group);
  if (holder->are_parts) return type == SEEP_TYPE_BUFFER;
  return type == SEEP_HELD_ANY_TYPE ||
         strcmp(seep_node_kind_name(group->kind), seep_type_name((enum seep_type)type)) == 0;
}

static int compare_bytes(const void *a, const void *b) {
  const struct seep_holder *left = a, *right = b;
  if (left->bytes != right->bytes) return left->bytes < right->bytes ? 1 : -1;
  return (left->group > right->group) - (left->group < right->group);
}

/* Adds the holders of one key to those of others, path by path. */
static void add_key(const struct seep_held_by *held_by, uint32_t view_number, uint64_t key, int type,
                    struct seep_map *places, struct seep_array *sums) {
  const struct seep_holder *holder;
  size_t count = seep_holders_of(&held_by->holders[view_number], key, &holder);
  for (size_t i = 0; i < count; i++, holder++) {
    if (!is_of_type(&held_by->input.views[view_number], holder, type)) continue;
    uint32_t place = seep_map_get(places, holder->group, holder->are_parts);
    struct seep_holder *sum = place == 0 ? seep_array_push(sums, sizeof *sum)
                                         : (struct seep_holder *)sums->items + (place - 1);
    if (sum == NULL) abort();
    if (place == 0) {
      *sum = *holder;
      if (!seep_map_put(places, holder->group, holder->are_parts, (uint32_t)sums->count)) abort();
    } else {
      sum->count += holder->count;
      sum->bytes += holder->bytes;
    }
  }
}

/* The paths that hold most of what is asked for in one state; others are left out. */
static void add_holders(struct seep_held_by *held_by, uint32_t view_number, const struct seep_held_question *question,
                        struct seep_held_list *list) {
  const struct seep_heap_view *view = &held_by->input.views[view_number];
  struct seep_array sums = {0};
  struct seep_map places = {0};
  uint64_t line = question->keys == NULL ? seep_holders_line(question->file, question->line) : 0;
  if (question->keys == NULL) add_key(held_by, view_number, line, question->type, &places, &sums);
  for (uint32_t i = 0; i < question->key_count; i++) {
    add_key(held_by, view_number, question->keys[i], question->type, &places, &sums);
  }
  if (sums.count > 0) qsort(sums.items, sums.count, sizeof(struct seep_holder), compare_bytes);
  for (size_t i = 0; i < sums.count && i < PATHS_TOLD; i++) {
    const struct seep_holder *holder = (struct seep_holder *)sums.items + i;
    char *path = seep_group_text(view->graph, &view->groups, holder->group, &held_by->input.namer);
    list->items = seep_must_grow(list->items, (list->count + 1) * sizeof *list->items);
    list->items[list->count++] = (struct seep_held){
        .path = seep_text_utf8(path, strlen(path)), .count = (uint64_t)(holder->count + 0.5),
        .bytes = (uint64_t)(holder->bytes + 0.5), .is_estimate = held_by->is_estimate, .are_parts = holder->are_parts};
    free(path);
  }
  seep_map_clear(&places);
  seep_array_free(&sums);
}

/* A line that only made tables larger has made no objects: then the parts are told of. */
static void find_holders(void *data, const struct seep_held_question *question, struct seep_held_list *out) {
  struct seep_held_by *held_by = data;
  struct seep_held_question parts = *question;
  parts.type = SEEP_TYPE_BUFFER;
  *out = (struct seep_held_list){0};
  for (uint32_t i = 0; i < held_by->input.view_count; i++) add_holders(held_by, i, question, out);
  if (out->count > 0 || question->type != SEEP_HELD_ANY_TYPE) return;
  for (uint32_t i = 0; i < held_by->input.view_count; i++) add_holders(held_by, i, &parts, out);
}

/* How many objects an object of each site stands for; NULL in a recording that knows them all. */
static double *weigh_sites(const struct seep_graph *graph, const struct seep_reader *reader) {
  const struct seep_file_header *header = seep_reader_header(reader);
  const struct seep_graph_site *sites = graph->sites.items;
  if (header->mode != SEEP_MODE_SAMPLE) return NULL;
  double *weights = seep_must_alloc((graph->sites.count + 1) * sizeof *weights);
  for (size_t i = 0; i < graph->sites.count; i++) {
    const struct seep_row_record *row = seep_reader_row(reader, sites[i].state, sites[i].row);
    weights[i] = row == NULL || row->alloc_count == 0 ? 0 : seep_sampled_weight(row, header->interval);
  }
  return weights;
}

/* The profile's row that each site is in. */
static uint64_t *keys_of_sites(const struct seep_graph *graph, const struct seep_profile *profile) {
  const struct seep_graph_site *sites = graph->sites.items;
  uint64_t *keys = seep_must_alloc((graph->sites.count + 1) * sizeof *keys);
  for (size_t i = 0; i < graph->sites.count; i++) keys[i] = seep_profile_key(profile, sites[i].state, sites[i].row);
  return keys;
}

/* Without a profile it can be asked for lines alone, else for the profile's rows. */
static void join(const struct seep_reader *reader, const struct seep_profile *profile, struct seep_held_by *out) {
  out->holders = seep_must_alloc(out->input.view_count * sizeof *out->holders);
  out->is_estimate = seep_reader_header(reader)->mode == SEEP_MODE_SAMPLE;
  for (uint32_t i = 0; i < out->input.view_count; i++) {
    const struct seep_graph *graph = out->input.views[i].graph;
    double *weights = weigh_sites(graph, reader);
    uint64_t *keys = profile == NULL ? NULL : keys_of_sites(graph, profile);
    if (!seep_holders_build(&out->input.views[i], weights, keys, &out->holders[i])) abort();
    free(weights);
    free(keys);
  }
  out->holding = (struct seep_holding){.find = find_holders, .data = out};
}

/* Joins the snapshot that was opened, which must be of this recording. `name` is for messages. */
static int join_recording(const struct seep_verb *verb, const char *name, const struct seep_profile *profile,
                          const struct seep_reader *reader, struct seep_held_by *out) {
  uint64_t its_run_id = out->input.snapshot.info.run_id;
  if (its_run_id != 0 && its_run_id == seep_reader_header(reader)->run_id) {
    join(reader, profile, out);
    return SEEP_DONE;
  }
  seep_heap_input_close(&out->input);
  return seep_verb_fail(verb, SEEP_FAILED, "%s knows nothing of this recording: %s", name,
                        its_run_id == 0 ? "its process was not recorded by this version in mode exact or sample"
                                        : "it is of another one");
}

static int open_file(const struct seep_verb *verb, const char *path, const struct seep_profile *profile,
                     const struct seep_reader *reader, struct seep_held_by *out) {
  const struct seep_heap_options all = {.limit = 0};
  int status = seep_heap_input_open(verb, path, &all, 0, &out->input);
  return status == SEEP_DONE ? join_recording(verb, path, profile, reader, out) : status;
}

/* From a snapshot of process `pid`, taken now and not kept. */
static int open_process(const struct seep_verb *verb, const struct seep_profile *profile,
                        const struct seep_reader *reader, struct seep_held_by *out) {
  char name[32];
  int status = seep_heap_input_take(verb, (pid_t)profile->pid, (struct seep_frozen_copy){0}, &out->input);
  snprintf(name, sizeof name, "process %u", profile->pid);
  return status == SEEP_DONE ? join_recording(verb, name, profile, reader, out) : status;
}

int seep_held_by_open_copy(const struct seep_verb *verb, pid_t pid, struct seep_frozen_copy copy,
                           struct seep_held_by *out) {
  char path[PATH_MAX];
  struct seep_reader *reader;
  struct seep_error error = {{0}};
  *out = (struct seep_held_by){.holders = NULL};
  if (!seep_process_mapped_capture(pid, path)) {
    return seep_verb_fail(verb, SEEP_FAILED, "process %d is not recorded", (int)pid);
  }
  if (seep_reader_open(path, &reader, &error) != SEEP_OK) return seep_verb_fail(verb, SEEP_FAILED, "%s", error.text);
  int status = seep_heap_input_take(verb, pid, copy, &out->input);
  if (status == SEEP_DONE) join(reader, NULL, out);
  seep_reader_close(reader);
  return status;
}

int seep_held_by_open(const struct seep_verb *verb, const struct seep_held_request *request,
                      const struct seep_profile *profile, const struct seep_reader *reader, struct seep_held_by *out) {
  *out = (struct seep_held_by){.holders = NULL};
  if (request->heap != NULL) return open_file(verb, request->heap, profile, reader, out);
  if (request->take_now && profile->running) return open_process(verb, profile, reader, out);
  if (request->take_now) {
    return seep_verb_fail(verb, SEEP_FAILED, "%s: the program does not run any more, so its heap cannot be read: give "
                          "a snapshot that was taken before, with --heap FILE", profile->path);
  }
  char *kept = seep_kept_heap_find(profile->path, seep_reader_header(reader)->run_id);
  if (kept != NULL) open_file(verb, kept, profile, reader, out);
  free(kept);
  return SEEP_DONE;
}

const struct seep_holding *seep_held_by_ask(const struct seep_held_by *held_by) {
  return held_by->holders == NULL ? NULL : &held_by->holding;
}

void seep_held_by_fill(struct seep_held_by *held_by, struct seep_findings *findings) {
  if (held_by->holders == NULL) return;
  for (uint32_t i = 0; i < findings->count; i++) {
    struct seep_finding *finding = &findings->rows[i];
    struct seep_held_question all = {
        .keys = finding->keys, .key_count = finding->key_count, .type = SEEP_HELD_ANY_TYPE};
    find_holders(held_by, &all, &finding->held_by);
  }
}

void seep_held_by_close(struct seep_held_by *held_by) {
  if (held_by->holders == NULL) return;
  for (uint32_t i = 0; i < held_by->input.view_count; i++) seep_array_free(&held_by->holders[i]);
  free(held_by->holders);
  seep_heap_input_close(&held_by->input);
}
