/* Interning strings, functions, frames and nodes. See sites.h. */
#include "record/sites.h"

#include <string.h>

#include "base/pages.h"
#include "vm/definitions.h"
#include "vm/loaded.h"

enum {
  FIRST_PLACES = 1024,
  FIRST_NODES = 1024,
  STRINGS_BYTES = 16384,
  FUNCTIONS_BYTES = 4096,
  FRAMES_BYTES = 8192,
  NODES_BYTES = 16384,
};

/* -- Strings ----------------------------------------------------------------- */

static uint64_t hash_bytes(const char *bytes, size_t count) {
  uint64_t hash = 0x9e3779b97f4a7c15ULL ^ count;
  while (count >= 8) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    hash = seep_mix64(hash ^ word);
    bytes += 8;
    count -= 8;
  }
  uint64_t rest = 0;
  memcpy(&rest, bytes, count);
  return seep_mix64(hash ^ rest);
}

/* Finds room for `size` bytes in one segment; the tail of a segment that is too
 * short for them is left empty. */
static bool reserve_string(struct seep_sites *sites, uint32_t size, uint32_t *at) {
  uint32_t number = sites->record->string_bytes;
  while (number + size > sites->strings.capacity || seep_table_run(&sites->strings, number) < size) {
    uint32_t run = seep_table_run(&sites->strings, number);
    if (run > 0 && run < size) {
      number += run;
    } else if (!seep_table_reserve(sites->capture, &sites->strings, sites->strings.capacity + 1)) {
      return false;
    }
  }
  *at = number;
  return true;
}

/* The number of an equal string in the capture, or 0 when there is no room. */
static uint32_t intern_string(struct seep_sites *sites, const char *bytes, size_t count) {
  uint64_t hash = hash_bytes(bytes, count);
  uint32_t known = seep_map_get(&sites->string_map, hash, (uint32_t)count);
  if (known != 0) return known;
  uint32_t size = (uint32_t)seep_round_up(4 + count, 4);
  uint32_t at;
  if (!reserve_string(sites, size, &at)) return 0;
  char *target = seep_table_record(&sites->strings, at);
  uint32_t length = (uint32_t)count;
  memcpy(target, &length, sizeof length);
  memcpy(target + 4, bytes, count);
  sites->record->string_bytes = at + size;
  return seep_map_put(&sites->string_map, hash, length, at) ? at : 0;
}

/* Chunk names can be whole programs, a megabyte long: what a report shows of
 * them fits the limits. */
static uint32_t intern_source(struct seep_sites *sites, const struct seep_frame_info *info) {
  if (info->is_c) return 0;
  bool is_name = info->source_bytes > 0 && (info->source[0] == '@' || info->source[0] == '=');
  size_t limit = is_name ? SEEP_SOURCE_BYTES_MAX : SEEP_TEXT_BYTES_MAX;
  return intern_string(sites, info->source, info->source_bytes < limit ? info->source_bytes : limit);
}

/* -- Functions --------------------------------------------------------------- */

static struct seep_function_record *function_at(const struct seep_sites *sites, uint32_t number) {
  return seep_table_record(&sites->functions, number);
}

/* The record of an equal function: what it is, not what it is called. `*is_new`: it was made, without a name. */
static uint32_t add_function(struct seep_sites *sites, const struct seep_function_record *function, bool *is_new) {
  uint64_t hash = hash_bytes((const char *)function, sizeof *function);
  uint32_t known = seep_map_get(&sites->function_map, hash, function->source);
  *is_new = known == 0;
  if (known != 0) return known;
  uint32_t number = sites->record->function_count;
  if (!seep_table_reserve(sites->capture, &sites->functions, number + 1)) return 0;
  memcpy(function_at(sites, number), function, sizeof *function);
  sites->record->function_count = number + 1;
  return seep_map_put(&sites->function_map, hash, function->source, number) ? number : 0;
}

/* A C function without a known name is told apart by its address. */
static uint32_t c_function_name(struct seep_sites *sites, uint64_t key, const char *name) {
  static const char digits[] = "0123456789abcdef";
  if (name != NULL) return intern_string(sites, name, strlen(name));
  uint64_t address = key & SEEP_KEY_ADDRESS;
  if (address == 0) return intern_string(sites, "C function", 10);
  char text[16 + 2] = "0x";
  for (int i = 0; i < 12; i++) text[2 + i] = digits[address >> (44 - 4 * i) & 15];
  return intern_string(sites, text, 14);
}

/* What a program's text defines on a function's lines. */
struct sought_definition {
  const struct seep_frame_info *info;
  uint32_t count;
  bool is_part;
  char name[SEEP_DEFINITION_NAME_MAX];
};

static void take_definition(void *context, const struct seep_definition *definition) {
  struct sought_definition *sought = context;
  if (definition->line != sought->info->line_defined || definition->line_last != sought->info->line_last) return;
  sought->count++;
  sought->is_part = definition->is_part;
  sought->name[0] = '\0';
  if (definition->name != NULL) memcpy(sought->name, definition->name, strlen(definition->name) + 1);
}

/* Of a function in a chunk whose name is its text: what it is called there; 0: nothing, or two on the lines. */
static uint32_t defined_name(struct seep_sites *sites, const struct seep_frame_info *info, bool *is_part) {
  enum { READ_MAX = 16384 };
  struct sought_definition sought = {.info = info};
  if (info->source_bytes == 0 || info->source[0] == '@' || info->source[0] == '=') return 0;
  size_t size = info->source_bytes < READ_MAX ? info->source_bytes : READ_MAX;
  seep_definitions_read(info->source, size, take_definition, &sought);
  *is_part = sought.is_part;
  if (sought.count != 1 || sought.name[0] == '\0' || (sought.is_part && sought.name[0] == '_')) return 0;
  return intern_string(sites, sought.name, strlen(sought.name));
}

static uint32_t loaded_name(struct seep_sites *sites, const struct seep_sites_subject *subject) {
  char name[SEEP_CALL_NAME_MAX];
  const struct seep_vm *vm = subject->state->vm;
  if (vm == NULL || vm->names_layout == NULL) return 0;
  uint64_t word = seep_vm_collector_word(subject->state);
  if ((word & vm->closing_bits) == vm->closing_bits) return 0; /* tables are being freed */
  size_t size = seep_loaded_find(NULL, subject->state, subject->key, subject->function, name);
  return size == 0 ? 0 : intern_string(sites, name, size);
}

/* Names a record that was just made. A C function keeps its address, by which it is known. */
static void name_function(struct seep_sites *sites, const struct seep_sites_subject *subject, uint32_t number) {
  if (subject->info->is_c) {
    uint32_t found = subject->info->name != NULL ? 0 : loaded_name(sites, subject);
    if (found == 0) return;
    function_at(sites, number)->called = found;
    function_at(sites, number)->called_as = SEEP_CALLED_LOADED;
  } else if (!subject->info->is_main) {
    bool is_part = false;
    uint32_t defined = defined_name(sites, subject->info, &is_part);
    uint32_t loaded = defined != 0 && !is_part ? 0 : loaded_name(sites, subject);
    function_at(sites, number)->name = loaded != 0 ? loaded : defined;
  }
}

/* How the function is called by the frame at hand. */
static void note_call(struct seep_sites *sites, const struct seep_sites_subject *subject, struct seep_function_record *record) {
  struct seep_call_name name;
  subject->call_name(subject, &name);
  if (name.as == SEEP_CALLED_UNKNOWN) return;
  record->called = name.name_bytes == 0 ? 0 : intern_string(sites, name.name, name.name_bytes);
  record->called_as = name.as;
}

/* The first call that names it counts. */
static void name_by_call(struct seep_sites *sites, const struct seep_sites_subject *subject, uint32_t number) {
  const struct seep_function_record *record = function_at(sites, number);
  if (subject->call_name == NULL || record->called_as != SEEP_CALLED_UNKNOWN || record->kind == SEEP_FUNCTION_MAIN) return;
  note_call(sites, subject, function_at(sites, number));
}

uint32_t seep_sites_function(struct seep_sites *sites, const struct seep_sites_subject *subject) {
  const struct seep_frame_info *info = subject->info;
  struct seep_function_record function = {
      .source = intern_source(sites, info),
      .line_defined = info->line_defined,
      .line_last = info->line_last,
      .kind = info->is_c ? SEEP_FUNCTION_C : (info->is_main ? SEEP_FUNCTION_MAIN : SEEP_FUNCTION_LUA),
      .code_count = info->code_count,
  };
  bool is_new, has_lines = info->is_c || info->is_main || info->line_defined != 0;
  if (info->is_c) function.name = c_function_name(sites, subject->key, info->name);
  if (!info->is_c && function.source == 0) return 0;
  if (!has_lines) {
    function.name = loaded_name(sites, subject);
    if (subject->call_name != NULL) note_call(sites, subject, &function);
  }
  uint32_t number = add_function(sites, &function, &is_new);
  if (number == 0 || !has_lines) return number;
  if (is_new) name_function(sites, subject, number);
  if (!info->is_c || info->name == NULL) name_by_call(sites, subject, number);
  return number;
}

static uint32_t mark_function(struct seep_sites *sites, const char *name) {
  bool is_new;
  struct seep_function_record function = {
      .name = intern_string(sites, name, strlen(name)),
      .kind = SEEP_FUNCTION_MARK,
  };
  return function.name == 0 ? 0 : add_function(sites, &function, &is_new);
}

/* -- Frames ------------------------------------------------------------------ */

static uint32_t intern_frame(struct seep_sites *sites, uint32_t function, uint32_t line,
                             uint32_t flags) {
  uint64_t key = (uint64_t)function << 32 | line;
  uint32_t known = seep_map_get(&sites->frame_map, key, flags);
  if (known != 0) return known;
  uint32_t number = sites->record->frame_count;
  if (!seep_table_reserve(sites->capture, &sites->frames, number + 1)) return 0;
  struct seep_frame_record *frame = seep_table_record(&sites->frames, number);
  *frame = (struct seep_frame_record){.function = function, .line = line, .flags = flags};
  sites->record->frame_count = number + 1;
  return seep_map_put(&sites->frame_map, key, flags, number) ? number : 0;
}

static uint32_t left_out_frame(struct seep_sites *sites) {
  uint32_t mark = mark_function(sites, "(frames left out)");
  return mark == 0 ? 0 : intern_frame(sites, mark, 0, SEEP_FRAME_TRUNCATED);
}

/* How the caller calls the function of a walked frame. */
static void ask_caller(const struct seep_sites_subject *subject, struct seep_call_name *out) {
  subject->state->vm->ops->call_name(NULL, subject->state, subject->call, out);
}

/* Fills `call` for frame `at`. False: a tail call has left no caller, a resumed function has none, or what calls are read
 * from is not known. */
static bool find_call(const struct seep_vm_state *state, const struct seep_stack *stack, uint32_t at, struct seep_call *call) {
  if (state->vm->names_layout == NULL || at + 1 >= stack->count) return false;
  *call = (struct seep_call){.key = stack->keys[at], .caller_key = stack->keys[at + 1], .handle = stack->handles[at],
                             .caller_handle = stack->handles[at + 1], .thread = stack->leaf_thread};
  return call->caller_key != SEEP_KEY_TRUNCATED &&
         ((call->key & SEEP_KEY_TAIL) | (call->caller_key & SEEP_KEY_RESUMER)) == 0;
}

static uint32_t describe_frame(struct seep_sites *sites, const struct seep_vm_state *state, const struct seep_stack *stack,
                               uint32_t at) {
  uint64_t key = stack->keys[at];
  if (key == SEEP_KEY_TRUNCATED) return left_out_frame(sites);
  struct seep_frame_info info;
  uintptr_t function = state->vm->ops->function_of(state, key, stack->handles[at]);
  state->vm->ops->describe(state, key, function, &info);
  if (function != 0 && sites->on_code != NULL) sites->on_code(sites, function);
  uint32_t flags = (key & SEEP_KEY_TAIL ? SEEP_FRAME_TAIL : 0) |
                   (key & SEEP_KEY_RESUMER ? SEEP_FRAME_COROUTINE : 0);
  struct seep_call call;
  struct seep_sites_subject subject = {.state = state, .key = key, .function = function, .info = &info, .call = &call};
  if (find_call(state, stack, at, &call)) subject.call_name = ask_caller;
  uint32_t number = seep_sites_function(sites, &subject);
  return number == 0 ? 0 : intern_frame(sites, number, info.line, flags);
}

/* -- Nodes ------------------------------------------------------------------- */

/* Leaf lines stand below the empty stack: they find room when stacks no longer do. */
static uint32_t room_for_nodes(const struct seep_sites *sites, uint32_t parent) {
  return sites->nodes_max + (parent == SEEP_NODE_EMPTY_STACK ? SEEP_LEAF_NODES_MAX : 0);
}

/* Where the node of (parent, frame) is in the set, or an empty place for it: the records themselves say what is there. */
static uint32_t *find_in_set(const struct seep_sites *sites, uint32_t parent, uint32_t frame) {
  size_t at = ((uint64_t)parent << 32 | frame) * 0x9e3779b97f4a7c15ULL >> sites->node_set_shift;
  for (;; at = (at + 1) & (sites->node_set_capacity - 1)) {
    if (sites->node_set[at] == 0) break;
    const struct seep_node_record *node = seep_sites_node(sites, sites->node_set[at]);
    if (node->parent == parent && node->frame == frame) break;
  }
  return &sites->node_set[at];
}

static bool grow_set(struct seep_sites *sites) {
  size_t old_capacity = sites->node_set_capacity;
  size_t capacity = old_capacity == 0 ? FIRST_NODES : old_capacity * 2;
  uint32_t *fresh = seep_pages_map(capacity * sizeof *fresh);
  if (fresh == NULL) return false;
  seep_pages_unmap(sites->node_set, old_capacity * sizeof *fresh);
  sites->node_set = fresh;
  sites->node_set_capacity = capacity;
  sites->node_set_shift = 64 - (uint32_t)__builtin_ctzll(capacity);
  for (uint32_t number = SEEP_NODE_EMPTY_STACK; number < sites->record->node_count; number++) {
    const struct seep_node_record *node = seep_sites_node(sites, number);
    *find_in_set(sites, node->parent, node->frame) = number;
  }
  return true;
}

static uint32_t intern_node(struct seep_sites *sites, uint32_t parent, uint32_t frame) {
  bool is_full = (size_t)sites->record->node_count * 4 >= sites->node_set_capacity * 3;
  if (is_full && !grow_set(sites)) return SEEP_NODE_NONE;
  uint32_t *known = find_in_set(sites, parent, frame);
  if (*known != 0) return *known;
  uint32_t number = sites->record->node_count;
  if (number >= room_for_nodes(sites, parent)) return SEEP_NODE_NONE;
  if (!seep_table_reserve(sites->capture, &sites->nodes, number + 1)) return SEEP_NODE_NONE;
  struct seep_node_record *node = seep_sites_node(sites, number);
  uint32_t depth = parent == SEEP_NODE_NONE ? 0 : seep_sites_node(sites, parent)->depth + 1;
  *node = (struct seep_node_record){.parent = parent, .frame = frame, .depth = depth};
  sites->record->node_count = number + 1;
  return *known = number;
}

static uint32_t link_node(uint64_t link) { return (uint32_t)link & SEEP_LINK_NODE_MASK; }
static uint32_t link_parent(uint64_t link) { return (uint32_t)(link >> SEEP_LINK_NODE_BITS) & SEEP_LINK_NODE_MASK; }

static struct seep_place_entry *find_place(const struct seep_sites *sites, uint32_t parent, uint64_t key) {
  size_t at = seep_sites_slot(sites, parent, key);
  while (sites->places[at].link != 0 && (sites->places[at].key != key || link_parent(sites->places[at].link) != parent)) {
    at = (at + 1) & (sites->place_capacity - 1);
  }
  return &sites->places[at];
}

static bool grow_places(struct seep_sites *sites) {
  struct seep_place_entry *old = sites->places;
  size_t old_capacity = sites->place_capacity;
  size_t capacity = old_capacity == 0 ? FIRST_PLACES : old_capacity * 2;
  struct seep_place_entry *fresh = seep_pages_map(capacity * sizeof *fresh);
  if (fresh == NULL) return false;
  sites->places = fresh;
  sites->place_capacity = capacity;
  sites->place_shift = 64 - (uint32_t)__builtin_ctzll(capacity);
  for (size_t i = 0; i < old_capacity; i++) {
    if (old[i].link != 0) *find_place(sites, link_parent(old[i].link), old[i].key) = old[i];
  }
  seep_pages_unmap(old, old_capacity * sizeof *old);
  return true;
}

/* A link has only the lower bits of the epoch: when they come round, what is there from the last time must not count. */
void seep_sites_code_freed(struct seep_sites *sites) {
  sites->path_count = 0;
  sites->code_epoch++;
  if (sites->code_epoch % (1u << SEEP_LINK_EPOCH_BITS) != 0 || sites->place_count == 0) return;
  sites->place_count = 0;
  memset(sites->places, 0, sites->place_capacity * sizeof *sites->places);
}

/* The node of frame `at` of the stack, which is new, or was described before a prototype was freed. */
static uint32_t describe_child(struct seep_sites *sites, const struct seep_vm_state *state, uint32_t parent,
                                             const struct seep_stack *stack, uint32_t at) {
  uint64_t key = stack->keys[at];
  if (sites->place_count * 4 >= sites->place_capacity * 3 && !grow_places(sites)) return SEEP_NODE_NONE;
  struct seep_place_entry *entry = find_place(sites, parent, key);
  uint32_t frame = describe_frame(sites, state, stack, at);
  uint32_t node = frame == 0 ? (uint32_t)SEEP_NODE_NONE : intern_node(sites, parent, frame);
  if (node == SEEP_NODE_NONE) return SEEP_NODE_NONE;
  if (entry->link == 0) sites->place_count++;
  *entry = (struct seep_place_entry){.key = key, .link = seep_sites_link(sites, parent) | node};
  return node;
}

uint32_t seep_sites_find_child(struct seep_sites *sites, const struct seep_vm_state *state, uint32_t parent,
                               const struct seep_stack *stack, uint32_t at) {
  const struct seep_place_entry *entry = find_place(sites, parent, stack->keys[at]);
  bool is_known = entry->link != 0 && (entry->link & ~(uint64_t)SEEP_LINK_NODE_MASK) == seep_sites_link(sites, parent);
  if (is_known) return link_node(entry->link);
  return describe_child(sites, state, parent, stack, at);
}

uint32_t seep_sites_leaf_line(struct seep_sites *sites, const struct seep_vm_state *state,
                              const struct seep_stack *stack) {
  for (uint32_t i = 0; i < stack->count; i++) {
    if (stack->keys[i] & SEEP_KEY_C) continue;
    return seep_sites_child(sites, state, SEEP_NODE_EMPTY_STACK, stack, i);
  }
  return SEEP_NODE_EMPTY_STACK;
}

uint32_t seep_sites_leaf_of(struct seep_sites *sites, uint32_t node) {
  for (; node > SEEP_NODE_EMPTY_STACK; node = seep_sites_node(sites, node)->parent) {
    uint32_t frame_number = seep_sites_node(sites, node)->frame;
    const struct seep_frame_record *frame = seep_table_record(&sites->frames, frame_number);
    const struct seep_function_record *function = seep_table_record(&sites->functions, frame->function);
    if (function->kind == SEEP_FUNCTION_C || function->kind == SEEP_FUNCTION_MARK) continue;
    return intern_node(sites, SEEP_NODE_EMPTY_STACK, frame_number);
  }
  return SEEP_NODE_EMPTY_STACK;
}

uint32_t seep_sites_called(struct seep_sites *sites, uint32_t parent, uint32_t function, uint32_t line,
                           uint32_t flags) {
  uint32_t frame = function == 0 ? 0 : intern_frame(sites, function, line, flags);
  return frame == 0 || parent == SEEP_NODE_NONE ? (uint32_t)SEEP_NODE_NONE : intern_node(sites, parent, frame);
}

uint32_t seep_sites_left_out(struct seep_sites *sites, uint32_t parent) {
  uint32_t frame = left_out_frame(sites);
  return frame == 0 || parent == SEEP_NODE_NONE ? (uint32_t)SEEP_NODE_NONE : intern_node(sites, parent, frame);
}

uint32_t seep_sites_mark(struct seep_sites *sites, const char *name) {
  uint32_t function = mark_function(sites, name);
  uint32_t frame = function == 0 ? 0 : intern_frame(sites, function, 0, 0);
  return frame == 0 ? (uint32_t)SEEP_NODE_NONE : intern_node(sites, SEEP_NODE_EMPTY_STACK, frame);
}

bool seep_sites_init(struct seep_sites *sites, struct seep_capture *capture,
                     struct seep_state_record *record, uint32_t state_index) {
  memset(sites, 0, sizeof *sites);
  sites->capture = capture;
  sites->record = record;
  sites->nodes_max = SEEP_NODES_MAX;
  seep_table_init(&sites->strings, SEEP_SEGMENT_STRINGS, state_index, 1, STRINGS_BYTES);
  seep_table_init(&sites->functions, SEEP_SEGMENT_FUNCTIONS, state_index,
                  sizeof(struct seep_function_record), FUNCTIONS_BYTES);
  seep_table_init(&sites->frames, SEEP_SEGMENT_FRAMES, state_index,
                  sizeof(struct seep_frame_record), FRAMES_BYTES);
  seep_table_init(&sites->nodes, SEEP_SEGMENT_NODES, state_index, sizeof(struct seep_node_record),
                  NODES_BYTES);
  record->string_bytes = 4; /* number 0 means none */
  record->function_count = record->frame_count = record->node_count = 1;
  return seep_table_reserve(capture, &sites->strings, 1) &&
         seep_table_reserve(capture, &sites->functions, 1) &&
         seep_table_reserve(capture, &sites->frames, 1) &&
         seep_table_reserve(capture, &sites->nodes, 1) &&
         grow_places(sites) && intern_node(sites, SEEP_NODE_NONE, 0) == SEEP_NODE_EMPTY_STACK;
}

void seep_sites_clear(struct seep_sites *sites) {
  seep_map_clear(&sites->string_map);
  seep_map_clear(&sites->function_map);
  seep_map_clear(&sites->frame_map);
  seep_pages_unmap(sites->node_set, sites->node_set_capacity * sizeof *sites->node_set);
  sites->node_set = NULL;
  sites->node_set_capacity = 0;
  seep_pages_unmap(sites->places, sites->place_capacity * sizeof *sites->places);
  sites->places = NULL;
  sites->place_capacity = sites->place_count = 0;
}
