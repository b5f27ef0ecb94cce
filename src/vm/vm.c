/* What all VM descriptions share: stacks, names, host resumes. See vm.h. */
#include "vm/vm.h"

#include <stdlib.h>

static const char *const type_names[SEEP_TYPE_COUNT] = {
    "other", "table", "string", "function", "userdata", "thread", "proto", "upvalue", "cdata", "buffer",
};

const char *seep_type_name(enum seep_type type) {
  return type < SEEP_TYPE_COUNT ? type_names[type] : "other";
}

uint32_t seep_vm_host_resume_begin(struct seep_vm_state *state, uintptr_t thread) {
  uint32_t depth = state->host_resumed_count;
  if (depth < SEEP_HOST_RESUMES_MAX) {
    state->host_resumed[depth] = thread;
    state->host_resumed_count = depth + 1;
  }
  return depth;
}

void seep_vm_host_resume_end(struct seep_vm_state *state, uint32_t depth) {
  state->host_resumed_count = depth;
}

/* The ring of outermost frames starts behind the last one written. The slot at
 * SEEP_STACK_INNER, the first that is left out, becomes the mark. */
static void put_ring_in_order(struct seep_stack *stack, uint32_t total) {
  uint64_t keys[SEEP_STACK_OUTER];
  uintptr_t handles[SEEP_STACK_OUTER];
  uint32_t ring = SEEP_STACK_INNER + 1;
  uint32_t oldest = (total - ring) % SEEP_STACK_OUTER;
  for (uint32_t i = 0; i < SEEP_STACK_OUTER; i++) {
    keys[i] = stack->fresh_keys[ring + (oldest + i) % SEEP_STACK_OUTER];
    handles[i] = stack->fresh_handles[ring + (oldest + i) % SEEP_STACK_OUTER];
  }
  memcpy(&stack->fresh_keys[ring], keys, sizeof keys);
  memcpy(&stack->fresh_handles[ring], handles, sizeof handles);
  stack->fresh_keys[SEEP_STACK_INNER] = SEEP_KEY_TRUNCATED;
}

void seep_stack_finish(struct seep_stack *stack, uint32_t total) {
  uint32_t count = total, same = 0;
  if (SEEP_UNLIKELY(total > SEEP_STACK_MAX)) {
    put_ring_in_order(stack, total);
    count = SEEP_STACK_MAX;
  }
  uint64_t *kept = &stack->kept_keys[SEEP_STACK_MAX - count];
  while (same < count && kept[count - 1 - same] == stack->fresh_keys[count - 1 - same]) same++;
  for (uint32_t i = 0; i < count - same; i++) kept[i] = stack->fresh_keys[i];
  memcpy(&stack->kept_handles[SEEP_STACK_MAX - count], stack->fresh_handles, count * sizeof(uintptr_t));
  seep_stack_set(stack, count, same);
}

static int compare_c_names(const void *key, const void *element) {
  uint64_t wanted = *(const uint64_t *)key;
  uint64_t have = ((const struct seep_c_name *)element)->key;
  return (wanted > have) - (wanted < have);
}

const char *seep_vm_c_name(const struct seep_vm *vm, uint64_t key) {
  uint64_t wanted = key & (SEEP_KEY_ADDRESS | SEEP_KEY_C | SEEP_KEY_BUILTIN);
  const struct seep_c_name *found =
      bsearch(&wanted, vm->c_names, vm->c_name_count, sizeof vm->c_names[0], compare_c_names);
  return found == NULL ? NULL : found->name;
}

bool seep_vm_is_state(const struct seep_vm *vm, uintptr_t main_thread) {
  struct seep_vm_state state = {
      .vm = vm, .main_thread = main_thread, .global = main_thread + vm->global_offset};
  return seep_load_pointer(&seep_image_self_checked, main_thread + vm->thread_global) == state.global &&
         seep_load_pointer(&seep_image_self_checked, state.global + vm->allocf) != 0 &&
         vm->ops->anchors_hold(&state, false);
}

uintptr_t seep_vm_find_state(const struct seep_vm *vm, uintptr_t begin, size_t size_bytes) {
  uintptr_t words[512];
  for (size_t at = 0; at < size_bytes; at += sizeof words) {
    if (!seep_load(&seep_image_self_checked, begin + at, words, sizeof words)) return 0;
    for (size_t i = 0; i < SEEP_ARRAY_SIZE(words); i++) {
      uintptr_t main_thread = begin + at + i * sizeof words[0] - vm->thread_global;
      if (words[i] == main_thread + vm->global_offset && seep_vm_is_state(vm, main_thread)) {
        return main_thread;
      }
    }
  }
  return 0;
}

void seep_vm_take_words(uintptr_t stack, struct seep_remains *out) {
  enum { WORDS_AT_ONCE = 32 };
  out->stack = stack;
  out->word_count = 0;
  while (out->word_count < SEEP_REMAINS_WORDS &&
         seep_load(&seep_image_self_checked, stack + out->word_count * sizeof *out->words,
                   out->words + out->word_count, WORDS_AT_ONCE * sizeof *out->words)) {
    out->word_count += WORDS_AT_ONCE;
  }
}
