/* The question and its answer. See held.h, and contract.h for how they are written. */
#include "lua/held.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lua/command.h"
#include "reach/contract.h"

enum { ANSWER_BYTES = 64 << 10, NUMBER_BYTES = 16 };

/* "FILE:LINE" of each line, NULL behind the last; to be freed with free_places. NULL: no memory. */
static char **make_places(const struct seep_held_line *lines, uint32_t count) {
  char **places = calloc(count + 1, sizeof *places);
  for (uint32_t i = 0; places != NULL && i < count; i++) {
    size_t room = strlen(lines[i].file) + NUMBER_BYTES;
    places[i] = malloc(room);
    if (places[i] == NULL) break;
    snprintf(places[i], room, "%s:%u", lines[i].file, lines[i].line);
  }
  return places;
}

static void free_places(char **places) {
  for (uint32_t i = 0; places != NULL && places[i] != NULL; i++) free(places[i]);
  free(places);
}

/* False when there is no memory. */
static bool add_held(struct seep_held_list *list, const char *path, struct seep_held held) {
  struct seep_held *items = realloc(list->items, (list->count + 1) * sizeof *items);
  char *copy = strdup(path);
  if (items != NULL) list->items = items;
  if (items == NULL || copy == NULL) {
    free(copy);
    return false;
  }
  held.path = copy;
  items[list->count++] = held;
  return true;
}

/* Records that were cut off are left out. */
static void read_answer(const char *said, size_t said_bytes, struct seep_held_line *lines, uint32_t count) {
  const char *end = said + said_bytes, *next;
  for (; said < end; said = next + 1) {
    next = memchr(said, '\0', (size_t)(end - said));
    unsigned long long objects, bytes;
    unsigned number;
    char estimate, sort;
    int path_at = 0;
    if (next == NULL) return;
    int read = sscanf(said, "%u %llu %llu %c%c %n", &number, &objects, &bytes, &estimate, &sort, &path_at);
    if (read != 5 || path_at == 0) return;
    struct seep_held held = {
        .count = objects, .bytes = bytes, .is_estimate = estimate == '~', .are_parts = sort == 'b'};
    if ( number >= count || !add_held(&lines[number].held, said + path_at, held)) return;
  }
}

enum seep_status seep_held_ask(struct seep_held_line *lines, uint32_t count, struct seep_error *error) {
  if (count > SEEP_HELD_LINES_MAX) count = SEEP_HELD_LINES_MAX;
  for (uint32_t i = 0; i < count; i++) lines[i].held = (struct seep_held_list){0};
  char *said = malloc(ANSWER_BYTES), **places = make_places(lines, count);
  enum seep_status status = SEEP_OK;
  if (said == NULL || places == NULL) status = seep_error_set(error, SEEP_E_MEMORY, "no memory to ask what holds it");
  struct seep_command_call call = {
      .verb = SEEP_HELD_VERB, .words = places, .stream = 1, .said = said, .said_room = ANSWER_BYTES};
  if (status == SEEP_OK) status = seep_command_run(&call, error);
  if (status == SEEP_OK) read_answer(said, call.said_bytes, lines, count);
  free_places(places);
  free(said);
  return status;
}
