/* seepline held: what holds the objects that lines allocated, for the Lua module (contract.h says how it asks). */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/held_by.h"

static bool print_held(const struct seep_holding *holding, uint32_t number, const char *place) {
  struct seep_held_list held;
  const char *colon = strrchr(place, ':');
  struct seep_held_question question = {.type = SEEP_HELD_ANY_TYPE};
  if (colon == NULL || !seep_verb_number(colon + 1, 0, &question.line)) return false;
  char *file = seep_must_format("%.*s", (int)(colon - place), place);
  question.file = file;
  holding->find(holding->data, &question, &held);
  for (uint32_t i = 0; i < held.count; i++) {
    const struct seep_held *item = &held.items[i];
    printf("%u %llu %llu %c%c %s%c", number, (unsigned long long)item->count, (unsigned long long)item->bytes,
           item->is_estimate ? '~' : '=', item->are_parts ? 'b' : 'o', item->path, 0);
  }
  seep_held_list_free(&held);
  free(file);
  return true;
}

int seep_verb_held(const struct seep_verb *verb, int argc, char **argv) {
  struct seep_held_by held_by;
  uint32_t pid;
  bool understood = argc > 2 && seep_verb_number(argv[1], 1, &pid) && pid <= INT_MAX;
  if (!understood) return seep_verb_fail(verb, SEEP_WRONG_USAGE, "seepline %s", verb->synopsis);
  int status = seep_held_by_open_copy(verb, (pid_t)pid, seep_verb_copy(), &held_by);
  if (status != SEEP_DONE) return status;
  for (int i = 2; understood && i < argc; i++) {
    understood = print_held(seep_held_by_ask(&held_by), (uint32_t)i - 2, argv[i]);
  }
  seep_held_by_close(&held_by);
  if (!understood) return seep_verb_fail(verb, SEEP_WRONG_USAGE, "seepline %s", verb->synopsis);
  return seep_verb_written(verb, true);
}
