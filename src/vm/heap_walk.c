/* Going through a state's objects: what the readers share. See heap_walk.h and objects.h. */
#include "vm/heap_walk.h"

#include <stdio.h>

#include "base/pages.h"
#include "vm/viewed.h"

/* -- States ------------------------------------------------------------------- */

const char *seep_heap_vm_family(const struct seep_heap_vm *vm) { return vm->family; }
const char *seep_heap_vm_releases(const struct seep_heap_vm *vm) { return vm->releases; }

static const struct seep_heap_vm *vm_number(uint32_t i) {
  if (i < seep_puc_heap_count) return &seep_puc_heaps[i];
  i -= seep_puc_heap_count;
  return i < seep_luajit_heap_count ? &seep_luajit_heaps[i] : NULL;
}

static bool has_thread_tag(const struct seep_heap_vm *vm, const uintptr_t *word, size_t before) {
  if (before * sizeof *word < vm->thread_global) return true; /* not to be seen */
  const uint8_t *thread = (const uint8_t *)word - vm->thread_global;
  return thread[vm->thread_tag_at] == vm->thread_tag;
}

/* Pointers of 32 bits lead only to what lies below 4 GiB. */
static uintptr_t narrow(const struct seep_heap_vm *vm, uintptr_t word) {
  return vm->ref_bytes == sizeof(uintptr_t) ? word : (uint32_t)word;
}

/* 5.5 has the main thread in the global state, near its end. */
static bool is_near(uintptr_t distance) {
  enum { LEAST = 48, MOST = 256 };
  return (distance >= LEAST && distance <= MOST) || distance == (uintptr_t)SEEP_PUC_LINK_OF_5_5;
}

/* The distances of all layouts; few differ. */
bool seep_heap_is_candidate(uintptr_t address, const uintptr_t *word, size_t before) {
  bool may_be_narrow = address <= UINT32_MAX;
  if (SEEP_LIKELY(!is_near(*word - address) && !(may_be_narrow && is_near((uint32_t)*word - address)))) return false;
  const struct seep_heap_vm *vm;
  for (uint32_t i = 0; (vm = vm_number(i)) != NULL; i++) {
    if ((uintptr_t)vm->global_link == narrow(vm, *word) - address && has_thread_tag(vm, word, before)) return true;
  }
  return false;
}

/* Loads a pointer as wide as the VM has them there; 0 when it is not there. */
static uintptr_t load_ref(struct seep_image *image, const struct seep_heap_vm *vm, uintptr_t address) {
  uintptr_t word = 0;
  const void *bytes = seep_image_view(image, address, vm->ref_bytes);
  if (bytes != NULL) memcpy(&word, bytes, vm->ref_bytes);
  return word;
}

bool seep_heap_identify(struct seep_image *image, uintptr_t address, struct seep_heap_state *out) {
  const struct seep_heap_vm *vm;
  for (uint32_t i = 0; (vm = vm_number(i)) != NULL; i++) {
    uintptr_t global = load_ref(image, vm, address);
    if (global == 0 || (uintptr_t)vm->global_link != global - address) continue;
    struct seep_heap_state state = {.vm = vm, .main_thread = address - vm->thread_global, .global = global};
    if (!vm->fits(image, &state)) continue;
    *out = state;
    return true;
  }
  return false;
}

static bool leads_back(struct seep_image *image, const struct seep_heap_vm *vm, uintptr_t address) {
  uintptr_t global = load_ref(image, vm, address);
  if (global == 0 || (uintptr_t)vm->global_link != global - address) return false;
  return vm->global_main == 0 || load_ref(image, vm, global + vm->global_main) == address - vm->thread_global;
}

bool seep_heap_is_likely(struct seep_image *image, uintptr_t address) {
  const struct seep_heap_vm *vm;
  for (uint32_t i = 0; (vm = vm_number(i)) != NULL; i++) {
    if (leads_back(image, vm, address)) return true;
  }
  return false;
}

bool seep_heap_is_there(struct seep_image *image, const struct seep_heap_state *state) {
  return leads_back(image, state->vm, state->main_thread + state->vm->thread_global);
}

bool seep_heap_identify_thread(struct seep_image *image, uintptr_t main_thread, struct seep_heap_state *out) {
  const struct seep_heap_vm *vm;
  for (uint32_t i = 0; (vm = vm_number(i)) != NULL; i++) {
    struct seep_heap_state found;
    if (seep_heap_identify(image, main_thread + vm->thread_global, &found) && found.main_thread == main_thread) {
      *out = found;
      return true;
    }
  }
  return false;
}

enum seep_status seep_heap_read(struct seep_image *image, const struct seep_heap_state *state,
                                struct seep_object_sink *sink, struct seep_heap_found *out,
                                struct seep_error *error) {
  struct seep_heap_found found = {.main_thread = state->main_thread};
  enum seep_status status = state->vm->read(image, state, sink, &found, error);
  *out = found;
  return status;
}

/* -- A walk ------------------------------------------------------------------- */

/* Objects lie apart from each other: together they cannot be larger than the image. Twice that, for what two
 * objects share while the VM is in the middle of something. */
static uint64_t image_bytes(const struct seep_image *image) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < image->segment_count; i++) {
    if (image->segments[i].bytes != NULL) sum += image->segments[i].end - image->segments[i].begin;
  }
  return sum;
}

struct seep_walk *seep_walk_open(struct seep_image *image, const struct seep_heap_state *state,
                                 struct seep_object_sink *sink, struct seep_heap_found *found) {
  struct seep_walk *walk = seep_pages_map(sizeof *walk);
  if (walk == NULL) return NULL;
  walk->image = image;
  walk->sink = sink;
  walk->state = state;
  walk->layout = state->vm->layout;
  walk->found = found;
  walk->budget_bytes = 2 * image_bytes(image);
  return walk;
}

void seep_walk_close(struct seep_walk *walk) {
  seep_map_clear(&walk->type_names);
  seep_map_clear(&walk->seen_upvalues);
  seep_pages_unmap(walk, sizeof *walk);
}

void seep_walk_damage(struct seep_walk *walk, const char *what) {
  if (walk->found->damage_count++ == 0) walk->found->damage = what;
}

bool seep_walk_claim(struct seep_walk *walk, uint64_t size_bytes) {
  if (SEEP_LIKELY(size_bytes <= walk->budget_bytes)) {
    walk->budget_bytes -= size_bytes;
    return true;
  }
  walk->budget_bytes = 0;
  seep_walk_damage(walk, "objects that claim more memory than there is");
  return false;
}

uint32_t seep_walk_object(struct seep_walk *walk, uintptr_t address, uint8_t kind, uint64_t size_bytes, uint32_t info,
                          uint8_t flags) {
  walk->found->found_bytes += size_bytes;
  return walk->sink->node(walk->sink, address, kind, size_bytes, info, flags);
}

void seep_walk_ledger(struct seep_walk *walk, const char *name, uint64_t bytes) {
  if (bytes == 0) return;
  walk->found->found_bytes += bytes;
  walk->sink->ledger(walk->sink, name, (int64_t)bytes);
}

uint32_t seep_walk_text(struct seep_walk *walk, const char *text) {
  return walk->sink->name(walk->sink, text, strlen(text));
}

/* -- Entries of tables ---------------------------------------------------------- */

/* lgc.c of each version: iscleared() marks strings, so a weak reference to a string holds it, as soon as the
 * collector looks at it. With weak keys and weak values it looks at the values first (5.2 and later: clearvalues,
 * then clearkeys, which skips entries that are empty by then), or at the key first and not at all at the value
 * of a dead key (5.1, LuaJIT). */
static uint8_t flags_of_all_weak(struct seep_weakness weakness, const struct seep_table_entry *entry) {
  bool value_stays = entry->value == 0 || entry->value_is_string;
  uint8_t flags = value_stays ? 0 : SEEP_EDGE_WEAK;
  if (entry->key == 0) return flags;
  if (!entry->key_is_string) {
    flags |= SEEP_EDGE_WEAK_KEY;
    if (!weakness.ephemeron && entry->value_is_string) flags |= SEEP_EDGE_EPHEMERON;
  } else if (weakness.ephemeron && !value_stays) {
    flags |= SEEP_EDGE_WEAK_KEY;
  }
  return flags;
}

static uint8_t flags_of_entry(struct seep_weakness weakness, const struct seep_table_entry *entry) {
  if (weakness.keys && weakness.values) return flags_of_all_weak(weakness, entry);
  if (weakness.values) return entry->value_is_string ? 0 : SEEP_EDGE_WEAK;
  if (!weakness.keys || entry->key == 0 || entry->key_is_string) return 0;
  return weakness.ephemeron ? SEEP_EDGE_WEAK_KEY | SEEP_EDGE_EPHEMERON : SEEP_EDGE_WEAK_KEY;
}

void seep_walk_entry(struct seep_walk *walk, uint32_t table, struct seep_weakness weakness,
                     const struct seep_table_entry *entry) {
  uint8_t flags = 0;
  if (SEEP_UNLIKELY(weakness.keys || weakness.values)) flags = flags_of_entry(weakness, entry);
  if (entry->key == 0) {
    seep_walk_edge(walk, table, entry->value, entry->kind | flags, entry->name);
  } else if (entry->value == 0) {
    uint8_t weak = flags & SEEP_EDGE_WEAK_KEY ? SEEP_EDGE_WEAK : 0;
    seep_walk_edge(walk, table, entry->key, SEEP_EDGE_KEY | weak, 0);
  } else {
    uint8_t kind = entry->key_is_string ? SEEP_EDGE_FIELD : SEEP_EDGE_ENTRY;
    seep_walk_edge(walk, table, entry->value, kind | flags, entry->key);
    if (weakness.keys && weakness.values && entry->key_is_string && (flags & SEEP_EDGE_WEAK_KEY)) {
      /* The string is held while the value is: an ephemeron the other way round. */
      seep_walk_edge(walk, table, entry->key, SEEP_EDGE_ENTRY | SEEP_EDGE_WEAK_KEY | SEEP_EDGE_EPHEMERON,
                     entry->value);
    }
  }
}

void seep_walk_integer_key(struct seep_walk *walk, int64_t number, struct seep_table_entry *entry) {
  entry->kind = SEEP_EDGE_INDEX;
  entry->name = (uint64_t)number;
  if (number >= 0 && number < UINT32_MAX) return;
  char text[32];
  snprintf(text, sizeof text, "%lld", (long long)number);
  seep_walk_text_key(walk, text, entry);
}

void seep_walk_number_key(struct seep_walk *walk, double number, struct seep_table_entry *entry) {
  if (number >= -9e15 && number <= 9e15 && (double)(int64_t)number == number) {
    seep_walk_integer_key(walk, (int64_t)number, entry);
    return;
  }
  char text[32];
  snprintf(text, sizeof text, "%.14g", number);
  seep_walk_text_key(walk, text, entry);
}

void seep_walk_text_key(struct seep_walk *walk, const char *text, struct seep_table_entry *entry) {
  entry->kind = SEEP_EDGE_ENTRY_TEXT;
  entry->name = seep_walk_text(walk, text);
}

void seep_walk_pointer_key(struct seep_walk *walk, const char *what, uint64_t pointer,
                           struct seep_table_entry *entry) {
  char text[48];
  snprintf(text, sizeof text, "%s: %#llx", what, (unsigned long long)pointer);
  seep_walk_text_key(walk, text, entry);
}

/* -- Remains --------------------------------------------------------------------- */

const char *seep_walk_remains(const struct seep_walk *walk, uintptr_t address, size_t word_count) {
  const struct seep_remains *remains = walk->state->remains;
  uintptr_t end = remains->stack + remains->word_count * sizeof *remains->words;
  if (remains->word_count > SEEP_REMAINS_WORDS || address < remains->stack || address % sizeof *remains->words != 0 ||
      address > end || (end - address) / sizeof *remains->words < word_count) {
    return NULL;
  }
  return (const char *)(remains->words + (address - remains->stack) / sizeof *remains->words);
}

/* -- Closing --------------------------------------------------------------------- */

/* Whether an object begins there whose successor (of all VMs the first word) is `next`. */
static bool precedes(struct seep_walk *walk, uintptr_t address, uintptr_t next,
                     bool (*is_object)(struct seep_walk *walk, uintptr_t address)) {
  const char *object = address % sizeof(uintptr_t) != 0 ? NULL : seep_image_view(walk->image, address, 2 * sizeof(uintptr_t));
  return object != NULL && seep_at_pointer(object, 0) == next && is_object(walk, address);
}

uintptr_t seep_walk_unlinked(struct seep_walk *walk, uintptr_t head, size_t before,
                             bool (*is_object)(struct seep_walk *walk, uintptr_t address)) {
  const struct seep_closing *closing = walk->state->closing;
  if (closing == NULL || head == 0) return head;
  for (size_t at = 0; at < SEEP_CLOSING_STACK_BYTES; at += sizeof(uintptr_t)) {
    const char *word = seep_image_view(walk->image, closing->c_stack + at, sizeof(uintptr_t));
    if (word == NULL) return head;
    uintptr_t found = seep_at_pointer(word, 0);
    if (precedes(walk, found, head, is_object)) return found;
    if (before != 0 && precedes(walk, found + before, head, is_object)) return found + before;
  }
  return head;
}
