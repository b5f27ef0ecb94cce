/* See loaded.h. */
#include "vm/loaded.h"

enum { ENTRIES_MAX = 8192, TABLE_MAX = 1024 };

struct search {
  const struct seep_image *image;
  const struct seep_vm_state *state;
  const struct seep_loaded_reader *reader;
  uint64_t key;
  uintptr_t function;
  uint32_t left;             /* entries that may still be looked at */
};

static uint32_t count_of(const struct search *search, uintptr_t table) {
  return search->reader->count(search->image, search->state, table);
}

/* Copies the text of a key; returns its length, 0 when it has none that fits. */
static size_t take_text(const struct search *search, uintptr_t string, char text[SEEP_CALL_NAME_MAX]) {
  struct seep_call_name name;
  bool there = search->reader->text(search->image, search->state, string, &name) &&
               seep_load(search->image, (uintptr_t)name.name, text, name.name_bytes);
  return there ? name.name_bytes : 0;
}

static bool is_named(const struct search *search, const struct seep_loaded_entry *entry, const char *name) {
  char text[SEEP_CALL_NAME_MAX];
  size_t length = strlen(name);
  return take_text(search, entry->string, text) == length && memcmp(text, name, length) == 0;
}

static uintptr_t find_loaded(struct search *search, uintptr_t registry) {
  struct seep_loaded_entry entry;
  uint32_t count = count_of(search, registry);
  for (uint32_t i = 0; i < count && i < ENTRIES_MAX; i++) {
    bool found = search->reader->entry(search->image, search->state, registry, i, &entry) && entry.table != 0;
    if (found && is_named(search, &entry, "_LOADED")) return entry.table;
  }
  return 0;
}

static bool is_sought(const struct search *search, const struct seep_loaded_entry *entry) {
  return search->key != 0 ? entry->key == search->key : entry->function == search->function && entry->function != 0;
}

/* Finds the function in a module. Tables that are large are data. */
static bool find_in(struct search *search, uintptr_t table, struct seep_loaded_entry *out) {
  uint32_t count = count_of(search, table);
  if (count > TABLE_MAX || count > search->left) return false;
  search->left -= count;
  for (uint32_t i = 0; i < count; i++) {
    if (search->reader->entry(search->image, search->state, table, i, out) && is_sought(search, out)) return true;
  }
  return false;
}

/* "string.rep"; of a global function the name alone. */
static size_t join(const struct search *search, const struct seep_loaded_entry *module,
                   const struct seep_loaded_entry *member, char name[SEEP_CALL_NAME_MAX]) {
  char last[SEEP_CALL_NAME_MAX];
  size_t last_size = take_text(search, member->string, last), size = 0;
  if (module != NULL && !is_named(search, module, "_G")) {
    size = take_text(search, module->string, name);
    if (size == 0 || size + 1 + last_size > SEEP_CALL_NAME_MAX) return 0;
    name[size++] = '.';
  }
  if (last_size == 0) return 0;
  memcpy(name + size, last, last_size);
  return size + last_size;
}

bool seep_loaded_is_there(const struct seep_image *image, const struct seep_vm_state *state) {
  struct search search = {.image = image, .state = state, .reader = state->vm->ops->loaded};
  uintptr_t registry = search.reader->registry(image, state);
  return registry != 0 && find_loaded(&search, registry) != 0;
}

size_t seep_loaded_find(const struct seep_image *image, const struct seep_vm_state *state, uint64_t key,
                        uintptr_t function, char name[SEEP_CALL_NAME_MAX]) {
  struct search search = {.image = image, .state = state, .reader = state->vm->ops->loaded,
                          .key = key & (SEEP_KEY_C | SEEP_KEY_BUILTIN | SEEP_KEY_ADDRESS), .function = function,
                          .left = ENTRIES_MAX};
  if ((key & SEEP_KEY_C) == 0) search.key = 0;
  if (search.reader == NULL || state->vm->names_layout == NULL) return 0;
  uintptr_t registry = search.reader->registry(image, state);
  uintptr_t loaded = registry == 0 ? 0 : find_loaded(&search, registry);
  uint32_t count = loaded == 0 ? 0 : count_of(&search, loaded);
  for (uint32_t i = 0; i < count && i < ENTRIES_MAX; i++) {
    struct seep_loaded_entry module, member;
    if (!search.reader->entry(image, state, loaded, i, &module)) continue;
    if (is_sought(&search, &module)) return join(&search, NULL, &module, name);
    if (module.table != 0 && find_in(&search, module.table, &member)) return join(&search, &module, &member, name);
  }
  return 0;
}
