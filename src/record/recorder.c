/* Recording one state. See recorder.h. */
#include "record/recorder.h"

#include <string.h>

#include "base/clock.h"
#include "record/entry.h"
#include "record/epochs.h"
#include "record/row_table.h"
#include "vm/native.h"

enum {
  ROWS_BYTES = 16384,
  SERIES_BYTES = 16384,
  SITES_MAX = 1000000,
};

void (*seep_recorder_on_fork)(void);
void (*seep_recorder_on_epoch)(void);
void (*seep_recorder_on_flip)(struct seep_recorder *recorder);
void (*seep_recorder_on_close)(const struct seep_recorder *recorder);
static volatile uint32_t never_forked = 1;
volatile uint32_t *seep_recorder_alive = &never_forked;

/* -- Where are we ------------------------------------------------------------ */

/* Past the limits, a stack is charged to its leaf line; when even that has no
 * room, to the row for the rest. */
static SEEP_NOINLINE uint32_t locate_dropped(struct seep_recorder *recorder) {
  recorder->record->dropped_count++;
  uint32_t node = seep_sites_leaf_line(&recorder->sites, &recorder->vm_state, &recorder->stack);
  if (node != SEEP_NODE_NONE) return node;
  return seep_row_table_at(recorder, recorder->record->unrecorded_row)->node;
}

/* The next allocations and frees may be at this node as well. */
SEEP_ALWAYS_INLINE uint32_t remember_node(struct seep_recorder *recorder, uint32_t node) {
  recorder->last_node = node;
  recorder->last_node_record = NULL;
  return node;
}

SEEP_ALWAYS_INLINE void count_freed_here(struct seep_recorder *recorder, uint64_t size_bytes) {
  struct seep_node_record *node = recorder->last_node_record;
  if (node == NULL) node = recorder->last_node_record = seep_sites_node(&recorder->sites, recorder->last_node);
  node->freed_here_bytes += size_bytes;
}

/* The node of the stack that has just been walked. */
SEEP_ALWAYS_INLINE uint32_t find_node(struct seep_recorder *recorder) {
  uint32_t node = seep_sites_locate(&recorder->sites, &recorder->vm_state, &recorder->stack);
  if (node == recorder->last_node) return node;
  if (SEEP_UNLIKELY(node == SEEP_NODE_NONE ||
                    (recorder->record->site_count >= recorder->sites_max &&
                     seep_sites_node(&recorder->sites, node)->first_row == 0))) {
    node = locate_dropped(recorder);
  }
  return remember_node(recorder, node);
}

SEEP_ALWAYS_INLINE void walk(struct seep_recorder *recorder) {
  recorder->vm_state.vm->ops->walk(&recorder->vm_state, &recorder->stack);
  recorder->last_leaf_key = recorder->stack.count > 0 ? recorder->stack.keys[0] : SEEP_KEY_C;
  recorder->last_leaf.frame = 0;
  recorder->is_leaf_saved = true;
  recorder->parts_due = 0;
}

/* What the place of a free is compared with: put together for the first free that asks. */
static SEEP_NOINLINE void fold_leaf(struct seep_recorder *recorder) {
  const struct seep_stack *stack = &recorder->stack;
  uint64_t place = 0;
  for (uint32_t i = 0; i < stack->count; i++) {
    place = seep_leaf_fold(place, stack->keys[i]);
    if ((stack->keys[i] & SEEP_KEY_C) == 0) break;
  }
  recorder->last_leaf = (struct seep_leaf){.frame = stack->leaf_frame, .place = place};
}

/* -- The running instruction ---------------------------------------------------- */

/* What a pc that was read on `path` means; `cached` does not know it. */
static SEEP_NOINLINE uint64_t read_place(struct seep_recorder *recorder, const struct seep_native_path *path,
                                         uintptr_t pc, struct seep_place_cache_entry *cached) {
  const struct seep_stack *stack = &recorder->stack;
  uint64_t place = seep_native_place(&recorder->vm_state, path, pc, stack->keys[0], stack->handles[0]);
  *cached = (struct seep_place_cache_entry){.leaf_key = stack->keys[0], .pc = pc, .place = place,
                                            .path = seep_native_number(recorder->vm_state.vm, path),
                                            .code_epoch = recorder->sites.code_epoch};
  return place;
}

/* Where the innermost frame, a Lua function, is executing; 0 when its pc is saved. As
 * long as no prototype was freed, the same pc on the same path from the function with
 * the same saved pc is the same place. */
SEEP_ALWAYS_INLINE uint64_t running_place(struct seep_recorder *recorder, const uintptr_t *frame, enum seep_call_kind kind) {
  const struct seep_vm *vm = recorder->vm_state.vm;
  const struct seep_native_path *path = recorder->likely_path[kind];
  if (path == NULL || !seep_native_matches(path, frame)) {
    path = seep_native_find(vm, frame);
    if (path == NULL) return 0;
    recorder->likely_path[kind] = path;
  }
  uintptr_t pc = frame[path->pc_word];
  uint32_t number = seep_native_number(vm, path);
  struct seep_place_cache_entry *cached = &recorder->place_cache[(pc / 4 + number * 53) % SEEP_PLACE_CACHE];
  if (SEEP_LIKELY(cached->pc == pc && cached->leaf_key == recorder->stack.keys[0] && cached->path == number &&
                  cached->code_epoch == recorder->sites.code_epoch)) {
    return cached->place;
  }
  return read_place(recorder, path, pc, cached);
}

/* Puts the running instruction into the stack that has just been walked. */
SEEP_ALWAYS_INLINE void put_running_place(struct seep_recorder *recorder, const uintptr_t *frame,
                                          enum seep_type type, enum seep_call_kind kind) {
  struct seep_stack *stack = &recorder->stack;
  uint64_t place = running_place(recorder, frame, kind);
  if (place == 0 && type != SEEP_TYPE_TABLE) return;
  if (place == 0) place = stack->keys[0] | SEEP_KEY_INEXACT; /* no instruction that makes one saves the pc */
  seep_stack_correct_leaf(stack, place);
  recorder->last_leaf_key = place;
  recorder->is_leaf_saved = false;
}

/* The saved pc may be that of an earlier instruction when a Lua function makes or
 * moves an object (other than a string) or a buffer itself; which of them, 5.1
 * says later: SEEP_TYPE_OTHER. On a build whose paths are not known it stands for
 * the right place, and is marked. */
SEEP_ALWAYS_INLINE void correct_leaf(struct seep_recorder *recorder, const uintptr_t *frame, enum seep_type type,
                                     enum seep_call_kind kind) {
  const struct seep_vm *vm = recorder->vm_state.vm;
  struct seep_stack *stack = &recorder->stack;
  if (vm->ops->unsaved_code == NULL || (recorder->last_leaf_key & SEEP_KEY_C)) return;
  if (SEEP_LIKELY(vm->native_path_count != 0)) {
    put_running_place(recorder, frame, type, kind);
  } else if (type == SEEP_TYPE_TABLE || type == SEEP_TYPE_BUFFER) {
    fold_leaf(recorder);
    seep_stack_correct_leaf(stack, stack->keys[0] | SEEP_KEY_INEXACT);
    recorder->last_leaf_key = stack->keys[0];
  }
}

static SEEP_NOINLINE uint32_t locate(struct seep_recorder *recorder, const uintptr_t *frame, size_t size_bytes) {
  walk(recorder);
  if (size_bytes == 0) correct_leaf(recorder, frame, SEEP_TYPE_OTHER, SEEP_CALL_FREE);
  else correct_leaf(recorder, frame, SEEP_TYPE_BUFFER, SEEP_CALL_RESIZE);
  return find_node(recorder);
}

/* Where a resize happens. While the running thread's own stack is resized its
 * frames may be unreadable: the last known place stands for it. */
static uint32_t locate_resize(struct seep_recorder *recorder, const uintptr_t *frame, uintptr_t block,
                              size_t size_bytes) {
  const struct seep_vm *vm = recorder->vm_state.vm;
  if (vm->stack_unreadable_while_resized && vm->ops->is_running_stack(&recorder->vm_state, block)) {
    recorder->parts_due = 0;
    return recorder->last_node;
  }
  return locate(recorder, frame, size_bytes);
}

/* Where a free happens: a sweep frees thousands of blocks at one place, so the
 * innermost Lua place is compared first. The pc that the VM has saved says it, for an instruction that does not save
 * its own frees nothing before it has allocated, and that has told its place. (Two call paths to that place with no
 * allocation in between would be told apart only by the next allocation; the
 * line is the same.) */
static inline bool frees_at_last_node(struct seep_recorder *recorder) {
  struct seep_leaf leaf;
  if (SEEP_UNLIKELY(recorder->last_leaf.frame == 0)) fold_leaf(recorder);
  recorder->vm_state.vm->ops->leaf(&recorder->vm_state, &leaf);
  return leaf.frame == recorder->last_leaf.frame && leaf.place == recorder->last_leaf.place;
}

/* -- Counting ---------------------------------------------------------------- */

static inline int age_of_tag(const struct seep_recorder *recorder, uint32_t tag) {
  if (tag == recorder->tag_now) return 0;
  return tag == recorder->tag_before ? 1 : 2;
}

static inline int age_of_epoch(const struct seep_recorder *recorder, uint32_t birth) {
  uint32_t ends = (uint32_t)recorder->record->epoch_count - birth;
  return ends < 2 ? (int)ends : 2;
}

void seep_recorder_code_freed(struct seep_recorder *recorder) {
  seep_sites_code_freed(&recorder->sites);
  recorder->vm_state.code_epoch = recorder->sites.code_epoch;
}

SEEP_ALWAYS_INLINE void count_add(struct seep_recorder *recorder, struct seep_row_record *row, uint64_t size_bytes,
                                  int age) {
  seep_row_table_touch(recorder, row);
  seep_row_add(row, size_bytes, age, recorder->record->alloc_bytes);
}

SEEP_ALWAYS_INLINE void count_remove(struct seep_recorder *recorder, struct seep_block block, uint64_t size_bytes) {
  uint32_t number = block.row != 0 ? block.row : recorder->record->before_row;
  struct seep_row_record *row = seep_row_table_at(recorder, number);
  seep_row_table_touch(recorder, row);
  seep_row_remove(row, size_bytes, block.row == 0 ? 2 : age_of_tag(recorder, block.tag));
  /* Of the blocks before recording only the bytes are known: they count as one,
   * from which each that goes is split off. */
  if (block.row == 0 && row->alloc_bytes > row->freed_bytes) row->alloc_count++;
  if (SEEP_UNLIKELY(row->type == SEEP_TYPE_PROTO || block.row == 0)) {
    seep_recorder_code_freed(recorder);
  }
}

static inline uint32_t row_flags(uint64_t leaf_key) {
  return leaf_key & SEEP_KEY_INEXACT ? SEEP_ROW_INEXACT : 0;
}

void seep_recorder_enter_sample(struct seep_recorder *recorder, uintptr_t block, uint64_t size_bytes,
                                const struct seep_fresh *fresh, uint32_t epoch) {
  uint32_t flags = row_flags(fresh->leaf_key) | seep_size_class(size_bytes) << SEEP_ROW_SIZE_SHIFT;
  struct seep_row row = seep_row_table_find(recorder, fresh->node, fresh->type, flags);
  if (!seep_sampler_put(&recorder->sampler, block, row.number, epoch)) {
    recorder->record->dropped_count++;
    return;
  }
  count_add(recorder, row.record, size_bytes, age_of_epoch(recorder, epoch));
  recorder->record->live_bytes += size_bytes;
}

void seep_recorder_remove_sample(struct seep_recorder *recorder, const struct seep_sample *sample,
                                 uint64_t size_bytes) {
  struct seep_row_record *row = seep_row_table_at(recorder, sample->row);
  seep_row_table_touch(recorder, row);
  seep_row_remove(row, size_bytes, age_of_epoch(recorder, sample->epoch));
  recorder->record->live_bytes -= size_bytes;
  seep_sampler_take(&recorder->sampler, sample);
}

/* A block's free will be taken for that of an older block: say so at once. */
static SEEP_NOINLINE void enter_unknown(struct seep_recorder *recorder, uint64_t size_bytes) {
  recorder->record->dropped_count++;
  count_add(recorder, seep_row_table_at(recorder, recorder->record->before_row), size_bytes, 2);
}

/* Enters a block under its row; the type is known. */
SEEP_ALWAYS_INLINE void enter_block(struct seep_recorder *recorder, uintptr_t block, uint64_t size_bytes,
                                    uint32_t node, enum seep_type type, uint32_t tag, uint64_t leaf_key) {
  struct seep_row row = seep_row_table_find(recorder, node, type, row_flags(leaf_key));
  struct seep_block entry = {.row = row.number, .tag = tag};
  if (SEEP_UNLIKELY(!seep_block_table_put(&recorder->blocks, block, entry))) {
    enter_unknown(recorder, size_bytes);
    return;
  }
  count_add(recorder, row.record, size_bytes, age_of_tag(recorder, tag));
}

/* Whether the pending block is a string: then the count of strings has risen
 * since, unless the call at hand frees another string, which is off the count
 * already. */
static bool pending_is_string(struct seep_recorder *recorder, uintptr_t freed_block) {
  uint32_t count = seep_vm_string_count(&recorder->vm_state);
  uint32_t freed_row = freed_block == 0 ? 0 : seep_block_table_peek_row(&recorder->blocks, freed_block);
  if (freed_row != 0 && seep_row_table_at(recorder, freed_row)->type == SEEP_TYPE_STRING) count++;
  return count == recorder->pending.string_count + 1;
}

static bool is_sweeping(const struct seep_recorder *recorder) {
  const struct seep_vm *vm = recorder->vm_state.vm;
  uint64_t word = seep_vm_collector_word(&recorder->vm_state);
  uint8_t phase = seep_vm_word_phase(word);
  return (phase >= vm->sweep_first && phase <= vm->sweep_last) ||
         (word & vm->closing_bits) == vm->closing_bits;
}

static enum seep_type pending_type(struct seep_recorder *recorder, uintptr_t freed_block) {
  const struct seep_pending *pending = &recorder->pending;
  /* The VM frees the buckets of its strings right after making larger ones. */
  if (freed_block != 0 && freed_block == seep_vm_string_table(&recorder->vm_state)) return SEEP_TYPE_OTHER;
  if (freed_block == pending->block && is_sweeping(recorder)) {
    return recorder->vm_state.vm->ops->type_of_swept(freed_block);
  }
  if (pending_is_string(recorder, freed_block)) return SEEP_TYPE_STRING;
  return recorder->vm_state.vm->ops->type_of(&recorder->vm_state, pending->block, pending->size_bytes);
}

/* Marks what came on no path, though the VM saves no pc when it makes such a thing:
 * a function, or, where no path is known, any object but a string. */
static void mark_pending(struct seep_recorder *recorder, enum seep_type type) {
  struct seep_pending *pending = &recorder->pending;
  bool paths = recorder->vm_state.vm->native_path_count != 0;
  bool unsaved = paths ? type == SEEP_TYPE_FUNCTION : type != SEEP_TYPE_STRING && type != SEEP_TYPE_OTHER;
  if (pending->is_place_saved && unsaved) pending->leaf_key |= SEEP_KEY_INEXACT;
}

/* A block of `type` has been made: what is the VM going to make along with it? */
SEEP_ALWAYS_INLINE void expect_parts(struct seep_recorder *recorder, uintptr_t block, enum seep_type type,
                                     uint64_t leaf_key) {
  if (recorder->parts_due != 0) return;
  recorder->parts_due = seep_vm_parts_of(recorder->vm_state.vm, type, leaf_key);
  recorder->unfinished = block;
}

/* Counts the pending block, now that its type can be told. `freed_block` is what
 * the call at hand frees, or 0. */
static SEEP_NOINLINE void settle_pending(struct seep_recorder *recorder, uintptr_t freed_block) {
  struct seep_pending *pending = &recorder->pending;
  enum seep_type type = pending_type(recorder, freed_block);
  mark_pending(recorder, type);
  struct seep_fresh fresh = {.node = pending->node, .type = type, .leaf_key = pending->leaf_key};
  if (seep_recorder_samples(recorder)) {
    seep_recorder_enter_sample(recorder, pending->block, pending->size_bytes, &fresh, pending->tag);
  } else {
    enter_block(recorder, pending->block, pending->size_bytes, fresh.node, type, pending->tag, fresh.leaf_key);
    expect_parts(recorder, pending->block, type, fresh.leaf_key);
  }
  pending->block = 0;
  recorder->record->pending_bytes = 0;
}

static inline void settle(struct seep_recorder *recorder, uintptr_t freed_block) {
  if (recorder->pending.block != 0) settle_pending(recorder, freed_block);
}

void seep_recorder_settle(struct seep_recorder *recorder) {
  settle(recorder, 0);
  if (seep_recorder_samples(recorder)) recorder->record->alloc_bytes = seep_sampler_clock(&recorder->sampler);
  recorder->record->ended_cpu_ns = seep_clock_cpu_ns();
}

void seep_recorder_settle_before(struct seep_recorder *recorder, uintptr_t freed_block) {
  settle(recorder, freed_block);
}

/* When did the allocating stop: seldom looked at, often enough to tell. */
static SEEP_NOINLINE void mark_busy(struct seep_recorder *recorder) {
  struct seep_state_record *record = recorder->record;
  record->busy_cpu_ns = seep_clock_cpu_ns();
  recorder->next_mark_bytes = record->alloc_bytes + record->alloc_bytes / 64 + 4096;
}

void seep_recorder_note_clock(struct seep_recorder *recorder) {
  recorder->record->alloc_bytes = seep_sampler_clock(&recorder->sampler);
  if (recorder->record->alloc_bytes >= recorder->next_mark_bytes) mark_busy(recorder);
}

SEEP_ALWAYS_INLINE void add_live(struct seep_recorder *recorder, uint64_t size_bytes) {
  struct seep_state_record *record = recorder->record;
  record->alloc_bytes += size_bytes;
  record->live_bytes += size_bytes;
  if (record->live_bytes > record->peak_bytes) record->peak_bytes = record->live_bytes;
  if (SEEP_UNLIKELY(record->alloc_bytes >= recorder->next_mark_bytes)) mark_busy(recorder);
}

/* Keeps a fresh block until its type can be told. */
static inline void pend(struct seep_recorder *recorder, uintptr_t block, uint64_t size_bytes, uint32_t node,
                 uint32_t tag) {
  const struct seep_vm *vm = recorder->vm_state.vm;
  bool by_lua = vm->ops->unsaved_code != NULL && !(recorder->last_leaf_key & SEEP_KEY_C);
  bool is_found = vm->native_path_count != 0 && !recorder->is_leaf_saved;
  recorder->pending = (struct seep_pending){
      .block = block, .size_bytes = size_bytes, .leaf_key = recorder->last_leaf_key, .node = node,
      .tag = tag, .string_count = seep_vm_string_count(&recorder->vm_state),
      .is_place_saved = by_lua && !is_found};
  recorder->record->pending_node = node;
  recorder->record->pending_bytes = size_bytes;
}

/* The type that the allocation of a fresh block tells. */
static enum seep_type type_of_tag(const struct seep_recorder *recorder, size_t type_tag,
                                  size_t size_bytes) {
  const struct seep_vm *vm = recorder->vm_state.vm;
  enum seep_type type = type_tag < 16 ? vm->type_by_tag[type_tag] : SEEP_TYPE_OTHER;
  if (type != SEEP_TYPE_OTHER) return type;
  if (vm->ops->refine_buffer == NULL) return SEEP_TYPE_BUFFER;
  return vm->ops->refine_buffer(recorder->last_leaf_key, size_bytes);
}

/* The same where the VM tells it; SEEP_TYPE_OTHER where it does so later. */
SEEP_ALWAYS_INLINE enum seep_type type_of_fresh(const struct seep_recorder *recorder, size_t type_tag, size_t size_bytes) {
  return recorder->vm_state.vm->types_in_osize ? type_of_tag(recorder, type_tag, size_bytes) : SEEP_TYPE_OTHER;
}

/* -- The allocator ----------------------------------------------------------- */

/* A free at the place of last_node. */
SEEP_ALWAYS_INLINE void *record_free(struct seep_recorder *recorder, void *ud, void *block, size_t old_size,
                                     uint64_t vm_bytes) {
  struct seep_state_record *record = recorder->record;
  struct seep_block known = seep_block_table_take(&recorder->blocks, (uintptr_t)block);
  count_remove(recorder, known, old_size);
  record->live_bytes -= old_size;
  record->vm_bytes = vm_bytes - old_size;
  count_freed_here(recorder, old_size);
  recorder->parts_due = 0;
  return recorder->original(ud, block, old_size, 0);
}

/* The same place as the call before. */
SEEP_ALWAYS_INLINE void place_part(struct seep_recorder *recorder, size_t type_tag, size_t size_bytes,
                                   struct seep_fresh *out) {
  out->type = type_of_fresh(recorder, type_tag, size_bytes);
  out->leaf_key = recorder->last_leaf_key;
  out->node = recorder->last_node;
}

SEEP_ALWAYS_INLINE void place_fresh(struct seep_recorder *recorder, const uintptr_t *frame, size_t type_tag,
                               size_t size_bytes, struct seep_fresh *out) {
  bool type_is_told = recorder->vm_state.vm->types_in_osize;
  walk(recorder);
  out->type = type_of_fresh(recorder, type_tag, size_bytes);
  if (!type_is_told || out->type == SEEP_TYPE_TABLE || out->type == SEEP_TYPE_BUFFER) {
    correct_leaf(recorder, frame, out->type, out->type == SEEP_TYPE_TABLE ? SEEP_CALL_TABLE : SEEP_CALL_FRESH);
  }
  out->leaf_key = recorder->last_leaf_key;
  out->node = find_node(recorder);
}

/* Whether a fresh block is made along with the one before, and hence at the same place. */
SEEP_ALWAYS_INLINE bool is_part(struct seep_recorder *recorder, size_t type_tag) {
  uint8_t due = recorder->parts_due;
  if (SEEP_LIKELY(due == 0)) return false;
  if (due == SEEP_PARTS_UPVALUES) return recorder->vm_state.vm->type_by_tag[type_tag & 15] == SEEP_TYPE_UPVALUE && type_tag < 16;
  if (due == SEEP_PARTS_OF_UNFINISHED) return recorder->vm_state.vm->ops->is_unfinished(recorder->unfinished);
  recorder->parts_due = due - 1;
  return true;
}

static inline void *record_alloc(struct seep_recorder *recorder, const uintptr_t *frame, void *ud, size_t type_tag,
                                 size_t new_size, uint64_t vm_bytes) {
  struct seep_fresh fresh;
  if (is_part(recorder, type_tag)) place_part(recorder, type_tag, new_size, &fresh);
  else place_fresh(recorder, frame, type_tag, new_size, &fresh);
  uint32_t node = fresh.node;
  void *result = recorder->original(ud, NULL, type_tag, new_size);
  if (SEEP_UNLIKELY(result == NULL)) { /* what it was for is given up */
    recorder->parts_due = 0;
    return NULL;
  }
  recorder->record->vm_bytes = vm_bytes + new_size;
  add_live(recorder, new_size);
  if (recorder->vm_state.vm->types_in_osize) {
    enter_block(recorder, (uintptr_t)result, new_size, node, fresh.type, recorder->tag_now, fresh.leaf_key);
    expect_parts(recorder, (uintptr_t)result, fresh.type, fresh.leaf_key);
  } else {
    pend(recorder, (uintptr_t)result, new_size, node, recorder->tag_now);
  }
  return result;
}

/* The strings' table belongs to no object, and grows wherever the VM interns one more. */
static enum seep_type resized_type(const struct seep_recorder *recorder, uintptr_t block) {
  return block == seep_vm_string_table(&recorder->vm_state) ? SEEP_TYPE_OTHER : SEEP_TYPE_BUFFER;
}

static void *record_resize(struct seep_recorder *recorder, const uintptr_t *frame, void *ud, void *block,
                           size_t old_size, size_t new_size, uint64_t vm_bytes) {
  struct seep_state_record *record = recorder->record;
  uint32_t node = locate_resize(recorder, frame, (uintptr_t)block, new_size);
  uint64_t leaf_key = recorder->last_leaf_key;
  enum seep_type type = resized_type(recorder, (uintptr_t)block);
  void *result = recorder->original(ud, block, old_size, new_size);
  if (result == NULL) return NULL;
  struct seep_block known = seep_block_table_take(&recorder->blocks, (uintptr_t)block);
  count_remove(recorder, known, old_size);
  record->live_bytes -= old_size;
  record->vm_bytes = vm_bytes + new_size - old_size;
  count_freed_here(recorder, old_size);
  uint32_t tag = known.row != 0 ? known.tag : recorder->tag_now;
  add_live(recorder, new_size);
  enter_block(recorder, (uintptr_t)result, new_size, node, type, tag, leaf_key);
  return result;
}

/* -- For sampling ------------------------------------------------------------ */

/* Prototypes whose frees are not seen may be gone: then keys mean nothing. */
static void forget_unseen(struct seep_recorder *recorder) {
  if (SEEP_UNLIKELY(recorder->is_code_unwatched)) seep_recorder_code_freed(recorder);
}

void seep_recorder_place_fresh(struct seep_recorder *recorder, const uintptr_t *frame, size_t type_tag,
                               size_t size_bytes, struct seep_fresh *out) {
  forget_unseen(recorder);
  place_fresh(recorder, frame, type_tag, size_bytes, out);
}

void seep_recorder_place_resize(struct seep_recorder *recorder, const uintptr_t *frame, uintptr_t block,
                                size_t size_bytes, struct seep_fresh *out) {
  forget_unseen(recorder);
  out->node = locate_resize(recorder, frame, block, size_bytes);
  out->type = resized_type(recorder, block);
  out->leaf_key = recorder->last_leaf_key;
}

void seep_recorder_pend_sample(struct seep_recorder *recorder, uintptr_t block, uint64_t size_bytes,
                               const struct seep_fresh *fresh) {
  pend(recorder, block, size_bytes, fresh->node, (uint32_t)recorder->record->epoch_count);
}

/* The first call of a state: it asks for the state itself. */
void *seep_recorder_birth(struct seep_recorder *recorder, void *ud, size_t type_tag, size_t new_size) {
  void *result = recorder->original(ud, NULL, type_tag, new_size);
  if (result == NULL || new_size != recorder->vm_state.vm->state_block_bytes) {
    recorder->phase = SEEP_PHASE_PASSIVE;
  } else {
    seep_recorder_begin_newborn(recorder, (uintptr_t)result);
  }
  return result;
}

/* Not recording: being born, watched while paths are learned, or handed on. */
static SEEP_NOINLINE void *call_elsewhere(struct seep_recorder *recorder, const uintptr_t *frame, void *ud,
                                          void *block, size_t old_size, size_t new_size) {
  if (recorder->phase == SEEP_PHASE_NEWBORN && block == NULL) {
    return seep_recorder_birth(recorder, ud, old_size, new_size);
  }
  if (recorder->phase == SEEP_PHASE_OBSERVED) seep_native_observe(frame, block, new_size);
  return recorder->original(ud, block, old_size, new_size);
}

/* Any call but a free of nothing. It is jumped to, so that its frame is that of
 * seep_recorder_call; a compiler that calls it instead does so while paths are learned, too. */
static SEEP_NOINLINE void *call(void *ud, void *block, size_t old_size, size_t new_size,
                                struct seep_recorder *recorder) {
  const uintptr_t *frame = SEEP_NATIVE_FRAME();
  if (SEEP_UNLIKELY(*seep_recorder_alive == 0 && recorder->phase != SEEP_PHASE_PASSIVE)) {
    seep_recorder_on_fork();
  }
  if (SEEP_UNLIKELY(recorder->phase != SEEP_PHASE_RECORDING)) {
    return call_elsewhere(recorder, frame, ud, block, old_size, new_size);
  }
  settle(recorder, new_size == 0 ? (uintptr_t)block : 0);
  uint64_t vm_bytes = seep_vm_count_before(&recorder->vm_state, old_size, new_size);
  seep_allocator *original = recorder->original;
  if (SEEP_UNLIKELY(!seep_epochs_observe(recorder, vm_bytes))) return original(ud, block, old_size, new_size);
  if (new_size == 0) {
    if (!frees_at_last_node(recorder)) locate(recorder, frame, 0);
    return record_free(recorder, ud, block, old_size, vm_bytes);
  }
  if (block == NULL) return record_alloc(recorder, frame, ud, old_size, new_size, vm_bytes);
  return record_resize(recorder, frame, ud, block, old_size, new_size, vm_bytes);
}

void *seep_recorder_call(void *ud, void *block, size_t old_size, size_t new_size, struct seep_recorder *recorder) {
  if (block == NULL && new_size == 0) return recorder->original(ud, NULL, old_size, 0);
  return call(ud, block, old_size, new_size, recorder);
}

/* -- Beginning and end ------------------------------------------------------- */

bool seep_recorder_init(struct seep_recorder *recorder, struct seep_capture *capture,
                        uint32_t state_index, const struct seep_vm *vm) {
  recorder->capture = capture;
  recorder->state_index = state_index;
  recorder->vm_state.vm = vm;
  recorder->sites_max = SITES_MAX;
  recorder->rows_max = SEEP_BLOCK_ROWS_MAX - SEEP_LEAF_ROWS_MAX;
  recorder->record = seep_entry_open(capture, &recorder->state_table, state_index, SEEP_MODE_EXACT,
                                     vm->ops->family, vm->release);
  if (recorder->record == NULL) return false;
  if (vm->ops->unsaved_code != NULL && vm->native_path_count == 0) recorder->record->flags = SEEP_STATE_LINES_SAVED;
  if (!seep_sites_init(&recorder->sites, capture, recorder->record, state_index)) return false;
  seep_table_init(&recorder->rows, SEEP_SEGMENT_ROWS, state_index, sizeof(struct seep_row_record),
                  ROWS_BYTES);
  seep_table_init(&recorder->series, SEEP_SEGMENT_SERIES, state_index,
                  sizeof(struct seep_series_record), SERIES_BYTES);
  if (!seep_table_reserve(capture, &recorder->rows, 1)) return false;
  uint32_t before = seep_sites_mark(&recorder->sites, "(before recording)");
  uint32_t rest = seep_sites_mark(&recorder->sites, "(not recorded)");
  if (before == SEEP_NODE_NONE || rest == SEEP_NODE_NONE) return false;
  recorder->record->before_row = seep_row_table_add(recorder, before, SEEP_TYPE_OTHER, 0);
  recorder->record->unrecorded_row = seep_row_table_add(recorder, rest, SEEP_TYPE_OTHER, 0);
  recorder->call = seep_recorder_call;
  return recorder->record->before_row != 0 && recorder->record->unrecorded_row != 0;
}

static void begin(struct seep_recorder *recorder, uintptr_t main_thread) {
  const struct seep_vm *vm = recorder->vm_state.vm;
  recorder->vm_state = (struct seep_vm_state){
      .vm = vm, .main_thread = main_thread, .global = main_thread + vm->global_offset,
      .scratch = recorder->vm_scratch};
  recorder->record->opened_count++;
  recorder->record->closed = SEEP_STATE_OPEN;
  recorder->record->ended_cpu_ns = 0;
  recorder->collector_word = 0;
  recorder->sweeping = false;
  recorder->pending.block = 0;
  recorder->last_leaf = (struct seep_leaf){0};
  recorder->is_leaf_saved = false;
  recorder->parts_due = 0;
  remember_node(recorder, SEEP_NODE_EMPTY_STACK);
  recorder->tag_now = seep_tag_of_epoch(recorder->record->epoch_count);
  recorder->tag_before = SEEP_TAG_NONE;
  seep_recorder_code_freed(recorder);
}

void seep_recorder_begin(struct seep_recorder *recorder, uintptr_t main_thread) {
  begin(recorder, main_thread);
  struct seep_state_record *record = recorder->record;
  record->vm_bytes = seep_vm_count_bytes(&recorder->vm_state);
  record->vm_bytes_at_start += record->vm_bytes; /* of all states that use this entry */
  recorder->collector_word = seep_vm_collector_word(&recorder->vm_state);
  recorder->estimate = seep_load_u64(NULL, recorder->vm_state.global + recorder->vm_state.vm->estimate);
  if (!seep_recorder_samples(recorder)) {
    count_add(recorder, seep_row_table_at(recorder, record->before_row), record->vm_bytes, 2);
    add_live(recorder, record->vm_bytes);
  }
  recorder->phase = SEEP_PHASE_RECORDING;
}

/* Counts a block that belongs to no stack. */
static void note_block(struct seep_recorder *recorder, uintptr_t block, size_t size_bytes,
                       enum seep_type type) {
  struct seep_fresh fresh = {.node = SEEP_NODE_EMPTY_STACK, .type = type};
  if (seep_recorder_samples(recorder)) {
    if (!seep_sampler_pass(&recorder->sampler, size_bytes)) return;
    seep_recorder_enter_sample(recorder, block, size_bytes, &fresh, (uint32_t)recorder->record->epoch_count);
    seep_sampler_draw(&recorder->sampler);
    return;
  }
  struct seep_row row = seep_row_table_find(recorder, SEEP_NODE_EMPTY_STACK, type, 0);
  struct seep_block entry = {.row = row.number, .tag = recorder->tag_now};
  seep_block_table_put(&recorder->blocks, block, entry);
  count_add(recorder, row.record, size_bytes, 0);
  add_live(recorder, size_bytes);
}

void seep_recorder_note_buffer(struct seep_recorder *recorder, uintptr_t block, size_t size_bytes) {
  note_block(recorder, block, size_bytes, SEEP_TYPE_BUFFER);
  recorder->record->vm_bytes += size_bytes;
}

/* The VM fills the block in before its next call; until then nothing in it is
 * read. Its white is set by then, and no collection can have been. */
void seep_recorder_begin_newborn(struct seep_recorder *recorder, uintptr_t block) {
  const struct seep_vm *vm = recorder->vm_state.vm;
  begin(recorder, block + vm->main_thread_offset);
  recorder->record->vm_bytes = vm->state_block_bytes;
  note_block(recorder, block, vm->state_block_bytes, SEEP_TYPE_THREAD);
  recorder->phase = SEEP_PHASE_RECORDING;
}

bool seep_recorder_adds_up(const struct seep_recorder *recorder) {
  const struct seep_state_record *record = recorder->record;
  uint64_t live_bytes = record->pending_bytes;
  for (uint32_t number = 1; number < record->row_count; number++) {
    const struct seep_row_record *row = seep_row_table_at(recorder, number);
    live_bytes += row->alloc_bytes - row->freed_bytes;
  }
  return live_bytes == record->live_bytes;
}

void seep_recorder_release(struct seep_recorder *recorder) {
  struct seep_state_record *record = recorder->record;
  for (uint32_t number = 1; number < record->row_count; number++) {
    struct seep_row_record *row = seep_row_table_at(recorder, number);
    seep_row_table_catch_up(recorder, row);
    row->freed_bytes = row->alloc_bytes;
    row->freed_count = row->alloc_count;
    memset(row->young_bytes, 0, sizeof row->young_bytes);
    memset(row->young_count, 0, sizeof row->young_count);
  }
  seep_sites_node(&recorder->sites, SEEP_NODE_EMPTY_STACK)->freed_here_bytes += record->live_bytes;
  record->live_bytes = 0;
  record->vm_bytes = 0;
  record->closed = SEEP_STATE_RELEASED;
}

void seep_recorder_leave(struct seep_recorder *recorder) {
  uintptr_t *allocator = (uintptr_t *)(recorder->vm_state.global + recorder->vm_state.vm->allocf);
  seep_recorder_settle(recorder);
  recorder->record->vm_bytes = seep_vm_count_bytes(&recorder->vm_state);
  recorder->phase = SEEP_PHASE_PASSIVE;
  if (*allocator == (uintptr_t)recorder->installed) *allocator = (uintptr_t)recorder->original;
  seep_block_table_clear(&recorder->blocks);
  seep_sampler_clear(&recorder->sampler);
}

void seep_recorder_detach(struct seep_recorder *recorder) {
  seep_allocator *original = recorder->original, *installed = recorder->installed;
  struct seep_vm_state vm_state = recorder->vm_state;
  bool abandoned = recorder->abandoned;
  seep_block_table_clear(&recorder->blocks);
  seep_sampler_clear(&recorder->sampler);
  seep_sites_clear(&recorder->sites);
  memset(recorder, 0, sizeof *recorder);
  recorder->abandoned = abandoned;
  recorder->call = seep_recorder_call;
  recorder->vm_state = vm_state;
  recorder->installed = installed;
  recorder->original = original;
}
