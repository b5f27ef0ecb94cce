/* The join of findings and heaps. See held_by.h. */
#include "cli/held_by.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/kept_heap.h"
#include "heap/holders.h"

enum { PATHS_TOLD = 3 };

/* Whether the objects of a group are of a row's type; SEEP_HELD_ANY_TYPE: any is. */
static bool is_of_type(const struct seep_group *group, int type) {
  return type == SEEP_HELD_ANY_TYPE ||
         strcmp(seep_node_kind_name(group->kind), seep_type_name((enum seep_type)type)) == 0;
}

/* The paths that hold most of what one line made in one state; others are left out. */
static void add_holders(struct seep_held_by *held_by, uint32_t view_number, const struct seep_held_question *question,
                        struct seep_held_list *list) {
  const struct seep_heap_view *view = &held_by->input.views[view_number];
  const struct seep_holder *holder;
  uint32_t told = 0;
  size_t count = seep_holders_of(&held_by->holders[view_number], question->file, question->line, &holder);
  for (size_t i = 0; i < count && told < PATHS_TOLD; i++, holder++) {
    if (!is_of_type(seep_groups_at(&view->groups, holder->group), question->type)) continue;
    char *path = seep_group_text(view->graph, &view->groups, holder->group, &held_by->input.namer);
    list->items = seep_must_grow(list->items, (list->count + 1) * sizeof *list->items);
    list->items[list->count++] = (struct seep_held){
        .path = seep_text_utf8(path, strlen(path)), .count = holder->count, .bytes = holder->bytes};
    free(path);
    told++;
  }
}

static void find_holders(void *data, const struct seep_held_question *question, struct seep_held_list *out) {
  struct seep_held_by *held_by = data;
  *out = (struct seep_held_list){0};
  for (uint32_t i = 0; i < held_by->input.view_count; i++) add_holders(held_by, i, question, out);
}

static void join(struct seep_held_by *out) {
  out->holders = seep_must_alloc(out->input.view_count * sizeof *out->holders);
  for (uint32_t i = 0; i < out->input.view_count; i++) {
    if (!seep_holders_build(&out->input.views[i], &out->holders[i])) abort();
  }
  out->holding = (struct seep_holding){.find = find_holders, .data = out};
}

/* Joins the snapshot that was opened, which must be of the recording `run_id`. `name` is for messages. */
static int join_recording(const struct seep_verb *verb, const char *name, uint64_t run_id, struct seep_held_by *out) {
  uint64_t its_run_id = out->input.snapshot.info.run_id;
  if (its_run_id != 0 && its_run_id == run_id) {
    join(out);
    return SEEP_DONE;
  }
  seep_heap_input_close(&out->input);
  return seep_verb_fail(verb, SEEP_FAILED, "%s knows nothing of this recording: %s", name,
                        its_run_id == 0 ? "its process was not recorded by this version in mode exact"
                                        : "it is of another one");
}

static int open_file(const struct seep_verb *verb, const char *path, uint64_t run_id, struct seep_held_by *out) {
  const struct seep_heap_options all = {.limit = 0};
  int status = seep_heap_input_open(verb, path, &all, 0, &out->input);
  return status == SEEP_DONE ? join_recording(verb, path, run_id, out) : status;
}

/* From a snapshot of process `pid`, taken now and not kept. */
static int open_process(const struct seep_verb *verb, uint32_t pid, uint64_t run_id, struct seep_held_by *out) {
  char name[32];
  int status = seep_heap_input_take(verb, (pid_t)pid, (struct seep_frozen_copy){0}, &out->input);
  snprintf(name, sizeof name, "process %u", pid);
  return status == SEEP_DONE ? join_recording(verb, name, run_id, out) : status;
}

int seep_held_by_open_copy(const struct seep_verb *verb, pid_t pid, struct seep_frozen_copy copy,
                           struct seep_held_by *out) {
  *out = (struct seep_held_by){.holders = NULL};
  int status = seep_heap_input_take(verb, pid, copy, &out->input);
  if (status == SEEP_DONE) join(out);
  return status;
}

int seep_held_by_open(const struct seep_verb *verb, const struct seep_held_request *request,
                      const struct seep_profile *profile, uint64_t run_id, struct seep_held_by *out) {
  *out = (struct seep_held_by){.holders = NULL};
  if (request->heap != NULL) return open_file(verb, request->heap, run_id, out);
  if (request->take_now && profile->running) return open_process(verb, profile->pid, run_id, out);
  if (request->take_now) {
    return seep_verb_fail(verb, SEEP_FAILED, "%s: the program does not run any more, so its heap cannot be read: give a "
                          "snapshot that was taken before, with --heap FILE", profile->path);
  }
  char *kept = seep_kept_heap_find(profile->path, run_id);
  if (kept != NULL) open_file(verb, kept, run_id, out);
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
    struct seep_held_question all = {.file = finding->file, .line = finding->line, .type = SEEP_HELD_ANY_TYPE};
    find_holders(held_by, &all, &finding->held_by);
  }
}

void seep_held_by_close(struct seep_held_by *held_by) {
  if (held_by->holders == NULL) return;
  for (uint32_t i = 0; i < held_by->input.view_count; i++) seep_array_free(&held_by->holders[i]);
  free(held_by->holders);
  seep_heap_input_close(&held_by->input);
}
