/* The cold parts that all PUC versions share. See puc.h. */
#include "vm/puc.h"

#include <string.h>

uint32_t seep_puc_line_by_table(const struct seep_image *image,
                                const struct seep_puc_layout *layout, uintptr_t proto,
                                uint32_t pc) {
  uintptr_t lines = seep_load_pointer(image, proto + layout->p_lineinfo);
  uint32_t count = seep_load_u32(image, proto + layout->p_sizelineinfo);
  if (lines == 0 || pc >= count) return 0;
  return seep_load_u32(image, lines + (uintptr_t)pc * 4);
}

/* TString: the text stands behind the header; where its length is differs. */
static void describe_source(const struct seep_image *image, const struct seep_puc_layout *layout,
                            uintptr_t string, struct seep_frame_info *out) {
  if (string == 0) {
    out->source = "=?";
    out->source_bytes = 2;
    return;
  }
  out->source = (const char *)string + layout->ts_size;
  if (layout->ts_length != 0) {
    out->source_bytes = seep_load_u64(image, string + layout->ts_length);
    return;
  }
  /* The tag's variant bit tells a long string from a short one. */
  bool is_long = (seep_load_u8(image, string + 8) & 0x10) != 0;
  out->source_bytes = is_long ? seep_load_u64(image, string + layout->ts_long_length)
                              : seep_load_u8(image, string + layout->ts_short_length);
}

uintptr_t seep_puc_function_of(const struct seep_vm_state *state, uint64_t key, uintptr_t ci) {
  const struct seep_puc_layout *layout = state->vm->layout;
  if (key & SEEP_KEY_C) return 0;
  uintptr_t closure = seep_load_pointer(NULL, seep_load_pointer(NULL, ci + layout->ci_func));
  return seep_load_pointer(NULL, closure + layout->cl_proto);
}

void seep_puc_describe(const struct seep_image *image, const struct seep_vm_state *state,
                       uint64_t key, uintptr_t proto, seep_puc_line_function *line_of,
                       struct seep_frame_info *out) {
  const struct seep_puc_layout *layout = state->vm->layout;
  *out = (struct seep_frame_info){0};
  if (key & SEEP_KEY_C) {
    out->is_c = true;
    out->name = seep_vm_c_name(state->vm, key);
    return;
  }
  uintptr_t code = seep_load_pointer(image, proto + layout->p_code);
  uintptr_t place = key & SEEP_KEY_ADDRESS;
  uint32_t size = seep_load_u32(image, proto + layout->p_sizecode);
  describe_source(image, layout, seep_load_pointer(image, proto + layout->p_source), out);
  out->line_defined = seep_load_u32(image, proto + layout->p_linedefined);
  out->line_last = seep_load_u32(image, proto + layout->p_lastlinedefined);
  out->is_main = out->line_defined == 0;
  out->code_count = size;
  if (place < code) return;
  /* savedpc points behind the running instruction, or at the first one. */
  uint32_t pc = (uint32_t)((place - code) / 4);
  if (pc > 0) pc--;
  if (pc < size) out->line = line_of(image, layout, proto, pc);
}

void seep_puc_fill_vm(const struct seep_puc_layout *layout, struct seep_vm *vm) {
  vm->layout = layout;
  vm->layout_name = layout->releases;
  vm->thread_global = layout->L_G;
  vm->allocf = layout->g_frealloc;
  vm->total = layout->g_total;
  vm->debt = layout->g_debt;
  vm->estimate = layout->g_estimate;
  vm->white = layout->g_white;
}

uint64_t seep_puc_c_key(uintptr_t object, uintptr_t function) {
  (void)object;
  return SEEP_KEY_C | function;
}

bool seep_puc_thread_holds(const struct seep_puc_layout *layout,
                           const struct seep_vm_state *state) {
  const struct seep_image *image = &seep_image_self_checked;
  char slot[SEEP_PUC_TVALUE_BYTES];
  uintptr_t main_thread = state->main_thread;
  uintptr_t stack = seep_load_pointer(image, main_thread + layout->L_stack);
  return seep_load_pointer(image, main_thread + layout->L_G) == state->global &&
         seep_load_pointer(image, state->global + layout->g_mainthread) == main_thread &&
         (stack == 0 || seep_load(image, stack, slot, sizeof slot)); /* 0: being born */
}

/* Every frame must be readable where describing it will look. */
bool seep_puc_stack_holds(const struct seep_puc_layout *layout, const struct seep_stack *stack) {
  const struct seep_image *image = &seep_image_self_checked;
  if (stack->count == 0) return false;
  for (uint32_t i = 0; i < stack->count; i++) {
    uint32_t code;
    if ((stack->keys[i] & SEEP_KEY_ADDRESS) == 0) return false;
    if (stack->keys[i] & SEEP_KEY_C) continue;
    uintptr_t slot = seep_load_pointer(image, stack->handles[i] + layout->ci_func);
    uintptr_t closure = seep_load_pointer(image, slot);
    uintptr_t proto = seep_load_pointer(image, closure + layout->cl_proto);
    uintptr_t begin = seep_load_pointer(image, proto + layout->p_code);
    uintptr_t place = stack->keys[i] & SEEP_KEY_ADDRESS;
    uint32_t size = seep_load_u32(image, proto + layout->p_sizecode);
    if (place < begin || place > begin + (uintptr_t)size * 4) return false;
    if (!seep_load(image, begin, &code, sizeof code)) return false;
  }
  return true;
}

/* The Lua function that `ci`, the outermost frame, had called when it was walked last: its call info, and the pc in it. */
static uintptr_t called_by(const struct seep_stack *last, uintptr_t ci, uintptr_t *pc) {
  enum { OUTERMOST = SEEP_STACK_MAX - 1, CALLED = SEEP_STACK_MAX - 2 };
  if (last == NULL || last->kept_handles[OUTERMOST] != ci || (last->kept_keys[CALLED] & SEEP_KEY_C)) return 0;
  *pc = last->kept_keys[CALLED] & SEEP_KEY_ADDRESS;
  return last->kept_handles[CALLED];
}

/* Takes the call info of the call that has ended. It is not the next one when a call has failed: then 5.3 has freed every
 * other one (ldo.c luaD_shrinkstack), but free() leaves the pc in it. */
static bool take_call_info(const struct seep_puc_layout *layout, uintptr_t next, uintptr_t called, uintptr_t pc,
                           struct seep_remains *out) {
  uintptr_t ended = called != 0 && layout->ci_next != 0 ? called : next, saved_pc;
  if (!seep_load(&seep_image_self_checked, ended, out->call_info, layout->ci_size)) return false;
  memcpy(&saved_pc, out->call_info + layout->ci_savedpc, sizeof saved_pc);
  out->is_pc_known = called == ended;
  return ended == next || saved_pc == pc;
}

/* Whether nothing has been allocated or freed since the Lua function ran whose call info that is, the outermost one. */
static bool ran_last(const struct seep_stack *last, uintptr_t ci) {
  enum { OUTERMOST = SEEP_STACK_MAX - 1 };
  return last != NULL && last->count > 0 && last->kept_handles[OUTERMOST] == ci &&
         (last->kept_keys[OUTERMOST] & SEEP_KEY_C) == 0;
}

/* What the thread ran that runs nothing now: behind its bottom, or one further where that is an interpreter's own C
 * function, which does not end before the program does (lua.c pmain, when a chunk has called os.exit). */
static uintptr_t ended_at_bottom(const struct seep_puc_layout *layout, uintptr_t first, const struct seep_stack *last) {
  enum { OUTERMOST = SEEP_STACK_MAX - 1 };
  bool is_c = last != NULL && last->kept_handles[OUTERMOST] == first && (last->kept_keys[OUTERMOST] & SEEP_KEY_C);
  return is_c ? seep_load_pointer(&seep_image_self_checked, first + layout->ci_next) : first;
}

void seep_puc_take_begin(const struct seep_vm_state *state, struct seep_call_begin *out) {
  const struct seep_puc_layout *layout = state->vm->layout;
  const struct seep_image *image = &seep_image_self_checked;
  uintptr_t ci = seep_load_pointer(image, state->main_thread + layout->L_ci);
  out->stack = ci == 0 ? 0 : seep_load_pointer(image, ci + layout->ci_func);
  if (!seep_load(image, state->main_thread, out->thread, sizeof out->thread)) out->stack = 0;
}

/* Call infos stay where they are when a call has ended: in the array (5.1) or in the list, until a collection. */
bool seep_puc_take_remains(const struct seep_vm_state *state, bool at_bottom, const struct seep_stack *last,
                           struct seep_remains *out) {
  const struct seep_puc_layout *layout = state->vm->layout;
  const struct seep_image *image = &seep_image_self_checked;
  bool in_array = layout->ci_next == 0;
  uintptr_t ci = seep_load_pointer(image, state->main_thread + layout->L_ci);
  uintptr_t base_ci = state->main_thread + layout->L_base_ci;
  if (in_array) base_ci = seep_load_pointer(image, base_ci);
  uintptr_t ended = in_array ? ci + layout->ci_size : seep_load_pointer(image, ci + layout->ci_next);
  if (ci == 0 || ended == 0) return false;
  /* 5.1 empties only a part of what is not in use (lgc.c traversestack), and the host may have collected since. */
  if (at_bottom && (ci != base_ci || (in_array && !ran_last(last, ended)))) return false;
  if (at_bottom && !in_array) ended = ended_at_bottom(layout, ended, last);
  uintptr_t pc = 0, called = at_bottom ? 0 : called_by(last, ci, &pc);
  if (called == 0 && !in_array && !at_bottom) return false;
  if (!take_call_info(layout, ended, called, pc, out)) return false;
  if (!seep_load(image, state->main_thread, out->thread, sizeof out->thread)) return false;
  seep_vm_take_words(seep_load_pointer(image, ci + layout->ci_func), out);
  out->global = state->global;
  out->is_late = at_bottom;
  return true;
}

void seep_puc_unsaved_code(const struct seep_vm_state *state, uint64_t key, uintptr_t ci,
                           struct seep_unsaved_code *out) {
  const struct seep_puc_layout *layout = state->vm->layout;
  uintptr_t proto = seep_puc_function_of(state, key, ci);
  out->instructions = (const uint32_t *)seep_load_pointer(NULL, proto + layout->p_code);
  out->size = seep_load_u32(NULL, proto + layout->p_sizecode);
}
