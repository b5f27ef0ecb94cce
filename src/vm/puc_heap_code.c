/* Threads and prototypes of PUC Lua: stacks with the names of what stands in them, and code. See puc_heap.h. */
#include "vm/puc_heap.h"

#include <string.h>

/* -- Prototypes --------------------------------------------------------------------- */

/* An array of a prototype: NULL when it is empty or not there. */
static const char *view_array(struct seep_walk *walk, const char *proto, uint16_t pointer_at, uint16_t count_at,
                              size_t item_bytes, uint32_t *count) {
  *count = seep_at_u32(proto, count_at);
  if (*count == 0) return NULL;
  const char *items = NULL;
  if (*count <= INT32_MAX) {
    items = seep_walk_view(walk, seep_at_pointer(proto, pointer_at), *count * item_bytes, "an array of a function");
  }
  if (items == NULL) *count = 0;
  return items;
}

/* The arrays of a prototype (lfunc.c luaF_freeproto): where their addresses and counts stand in it. */
struct proto_array {
  uint16_t pointer_at, count_at, item_bytes;
};
enum { PROTO_ARRAYS = 7 };

static uint32_t list_arrays(const struct seep_puc_heap *layout, const char *proto,
                            struct proto_array out[PROTO_ARRAYS]) {
  enum { FIXED = 4 }; /* lobject.h PF_FIXED: code and lines are the host's */
  const struct proto_array all[PROTO_ARRAYS] = {
      {layout->p_p, layout->p_sizep, sizeof(uintptr_t)},
      {layout->p_k, layout->p_sizek, SEEP_PUC_SLOT_BYTES},
      {layout->p_locvars, layout->p_sizelocvars, 16}, /* LocVar: name, two ints */
      {layout->p_upvalues, layout->p_sizeupvalues, layout->upvaldesc_bytes},
      {layout->p_code, layout->p_sizecode, 4},
      {layout->p_lineinfo, layout->p_sizelineinfo, layout->lineinfo_bytes},
      {layout->p_abslineinfo, layout->p_sizeabslineinfo, 8}};
  bool is_fixed = layout->p_flag != 0 && (seep_at_u8(proto, layout->p_flag) & FIXED) != 0;
  memcpy(out, all, sizeof all);
  return is_fixed ? 4 : layout->p_sizeabslineinfo != 0 ? PROTO_ARRAYS : PROTO_ARRAYS - 1;
}

static uint64_t array_bytes(const char *proto, const struct proto_array *array) {
  return (uint64_t)seep_at_u32(proto, array->count_at) * array->item_bytes;
}

static void read_pointers(struct seep_walk *walk, uint32_t number, const char *items, uint32_t count,
                          size_t item_bytes, uint8_t kind) {
  for (uint32_t i = 0; i < count; i++) {
    seep_walk_edge(walk, number, seep_at_pointer(items, i * item_bytes), kind, kind == SEEP_EDGE_PROTO ? i : 0);
  }
}

static void read_constants(struct seep_walk *walk, uint32_t number, const char *constants, uint32_t count) {
  const struct seep_puc_heap *layout = walk->layout;
  for (uint32_t i = 0; i < count; i++) {
    uintptr_t object = seep_puc_object_in(layout, constants + (size_t)i * SEEP_PUC_SLOT_BYTES);
    seep_walk_edge(walk, number, object, SEEP_EDGE_CONSTANT, i);
  }
}

/* Whether a saved pc, which points behind an instruction, is this function's. */
static bool is_in_code(const struct seep_puc_heap *layout, const char *proto, uintptr_t pc) {
  uintptr_t code = seep_at_pointer(proto, layout->p_code);
  return pc > code && pc - code <= (uintptr_t)seep_at_u32(proto, layout->p_sizecode) * 4;
}

void seep_puc_read_proto(struct seep_walk *walk, uintptr_t address, const char *proto) {
  const struct seep_puc_heap *layout = walk->layout;
  struct proto_array arrays[PROTO_ARRAYS];
  uint32_t array_count = list_arrays(layout, proto, arrays);
  uint64_t bytes = layout->proto_bytes;
  for (uint32_t i = 0; i < array_count; i++) bytes += array_bytes(proto, &arrays[i]);
  if (!seep_walk_claim(walk, bytes)) return;
  if (is_in_code(layout, proto, walk->ended_pc)) walk->ended_proto = address;
  uint32_t number = seep_walk_object(walk, address, SEEP_NODE_PROTO, bytes, seep_puc_place(walk, address), 0);
  for (uint32_t i = 0; i < array_count; i++) {
    seep_walk_part(walk, number, seep_at_pointer(proto, arrays[i].pointer_at), array_bytes(proto, &arrays[i]));
  }
  uint32_t count;
  const char *items = view_array(walk, proto, layout->p_k, layout->p_sizek, SEEP_PUC_SLOT_BYTES, &count);
  read_constants(walk, number, items, count);
  items = view_array(walk, proto, layout->p_p, layout->p_sizep, sizeof(uintptr_t), &count);
  read_pointers(walk, number, items, count, sizeof(uintptr_t), SEEP_EDGE_PROTO);
  items = view_array(walk, proto, layout->p_upvalues, layout->p_sizeupvalues, layout->upvaldesc_bytes, &count);
  read_pointers(walk, number, items, count, layout->upvaldesc_bytes, SEEP_EDGE_DEBUG_NAME);
  items = view_array(walk, proto, layout->p_locvars, layout->p_sizelocvars, 16, &count);
  read_pointers(walk, number, items, count, 16, SEEP_EDGE_DEBUG_NAME);
  seep_walk_edge(walk, number, seep_at_pointer(proto, layout->p_source), SEEP_EDGE_DEBUG_NAME, 0);
  if (layout->p_cache != 0) {
    uint8_t kind = SEEP_EDGE_CACHE | SEEP_EDGE_WEAK;
    seep_walk_edge(walk, number, seep_at_pointer(proto, layout->p_cache), kind, 0);
  }
}

/* -- Frames ------------------------------------------------------------------------- */

enum { LOCALS_MAX = 256 };

/* The part of a stack that one call uses, and the names in it. */
struct frame {
  uintptr_t function_slot, base;   /* addresses in the stack */
  uint32_t place;
  uint32_t local_count;
  uint32_t locals[LOCALS_MAX];     /* numbers of locals by register; 0: none */
};

/* lobject.h LocVar, lfunc.c luaF_getlocalname: the n-th variable that lives at pc is in register n. */
static void name_locals(struct seep_walk *walk, const char *proto, uint32_t pc, struct frame *frame) {
  const struct seep_puc_heap *layout = walk->layout;
  uint32_t count;
  const char *variables = view_array(walk, proto, layout->p_locvars, layout->p_sizelocvars, 16, &count);
  for (uint32_t i = 0; i < count && frame->local_count < LOCALS_MAX; i++) {
    const char *variable = variables + (size_t)i * 16;
    if (seep_at_u32(variable, 8) > pc) break;
    if (pc >= seep_at_u32(variable, 12)) continue;
    struct seep_graph_local local = {.name = seep_puc_name(walk, seep_at_pointer(variable, 0)), .place = frame->place};
    frame->locals[frame->local_count++] = walk->sink->local(walk->sink, &local);
  }
}

static bool runs_lua(const struct seep_puc_heap *layout, const char *ci) {
  if (layout->version == 51) return true; /* its closure tells */
  uint32_t status = layout->version == 52 ? seep_at_u8(ci, layout->ci_status) : seep_at_u16(ci, layout->ci_status);
  return layout->status_lua != 0 ? (status & layout->status_lua) != 0 : (status & layout->status_c) == 0;
}

/* What a call info's function is, if it is a Lua function: its prototype's bytes, else NULL. */
static const char *lua_proto(struct seep_walk *walk, const char *ci, const char *slot, uintptr_t *address) {
  const struct seep_puc_heap *layout = walk->layout;
  uint8_t tag = (uint8_t)slot[8];
  if (!runs_lua(layout, ci) || seep_puc_type(tag) != SEEP_PUC_FUNCTION || !seep_puc_is_object(layout, tag)) return NULL;
  const char *closure = seep_image_view(walk->image, seep_at_pointer(slot, 0), layout->cl_upvalues);
  if (closure == NULL || (layout->cl_isC != 0 && seep_at_u8(closure, layout->cl_isC) != 0)) return NULL;
  *address = seep_at_pointer(closure, layout->cl_proto);
  const char *proto = seep_image_view(walk->image, *address, layout->proto_bytes);
  return proto == NULL || seep_at_u8(proto, SEEP_PUC_O_TT) != layout->tag_proto ? NULL : proto;
}

/* Fills a frame from its call info. `slot`: the function in the stack. `saved_pc`: the thread's, for the innermost
 * frame of 5.1, else 0. */
static void describe_frame(struct seep_walk *walk, const char *ci, const char *slot, uintptr_t saved_pc,
                           struct frame *frame) {
  const struct seep_puc_heap *layout = walk->layout;
  uintptr_t address;
  frame->base = frame->function_slot + SEEP_PUC_SLOT_BYTES;
  frame->local_count = 0;
  frame->place = 0;
  const char *proto = lua_proto(walk, ci, slot, &address);
  if (proto == NULL) return;
  if (layout->ci_base != 0 || layout->version == 51) frame->base = seep_at_pointer(ci, layout->ci_base);
  frame->place = seep_puc_place(walk, address);
  uintptr_t pc = saved_pc != 0 ? saved_pc : seep_at_pointer(ci, layout->ci_savedpc);
  uintptr_t code = seep_at_pointer(proto, layout->p_code);
  uintptr_t size = seep_at_u32(proto, layout->p_sizecode);
  if (pc < code || pc > code + size * 4) return;
  uint32_t at = (uint32_t)((pc - code) / 4);
  name_locals(walk, proto, at == 0 ? 0 : at - 1, frame);
}

/* -- Stacks ------------------------------------------------------------------------- */

struct stack {
  uintptr_t begin, top;
  const char *slots;     /* of begin */
};

/* The references in the slots from `from` to `to`, which belong to the frame. */
static void read_slots(struct seep_walk *walk, uint32_t number, const struct stack *stack, const struct frame *frame,
                       uintptr_t from, uintptr_t to) {
  const struct seep_puc_heap *layout = walk->layout;
  for (uintptr_t at = from; at < to; at += SEEP_PUC_SLOT_BYTES) {
    uintptr_t object = seep_puc_object_in(layout, stack->slots + (at - stack->begin));
    if (object == 0) continue;
    size_t index = at >= frame->base ? (at - frame->base) / SEEP_PUC_SLOT_BYTES : LOCALS_MAX;
    if (at == frame->function_slot) {
      seep_walk_edge(walk, number, object, SEEP_EDGE_FRAME, 0);
    } else if (index < frame->local_count) {
      seep_walk_edge(walk, number, object, SEEP_EDGE_LOCAL, frame->locals[index]);
    } else {
      seep_walk_edge(walk, number, object, SEEP_EDGE_SLOT, frame->place);
    }
  }
}

/* 5.4: whether a call has returned, from where its pc is (lopcodes.h: OP_RETURN, OP_RETURN0, OP_RETURN1). */
static bool has_returned(struct seep_walk *walk, const char *ci) {
  enum { RETURN_FIRST = 70, RETURN_LAST = 72, OPCODE = 0x7f, SAVED_PC = 32 };
  const char *code = seep_image_view(walk->image, seep_at_pointer(ci, SAVED_PC) - 4, 4);
  uint32_t opcode = code == NULL ? 0 : seep_at_u32(code, 0) & OPCODE;
  return opcode >= RETURN_FIRST && opcode <= RETURN_LAST;
}

/* Whether a thread's call infos are to be followed further in than the last one that it says: 5.4 has lua_close forget
 * them before it empties the stack (lstate.c close_state), and the recorder knows that nothing has happened since. */
static bool is_closed_in_call(struct seep_walk *walk, uintptr_t address, uintptr_t last) {
  const struct seep_puc_heap *layout = walk->layout;
  const struct seep_remains *remains = walk->state->remains;
  return layout->version == 54 && address == walk->state->main_thread && last == address + layout->L_base_ci &&
         remains != NULL && remains->is_late && !has_returned(walk, remains->call_info);
}

/* Goes through the call infos from the outermost in, and through the stack with them. A call info whose function
 * is not further up in the stack than the last one's, or not in the stack, ends this: the rest has no names. */
static void read_stack(struct seep_walk *walk, uint32_t number, const char *thread, uintptr_t address,
                       const struct stack *stack) {
  const struct seep_puc_heap *layout = walk->layout;
  uintptr_t last = seep_at_pointer(thread, layout->L_ci);
  uintptr_t at = layout->version == 51 ? seep_at_pointer(thread, layout->L_base_ci) : address + layout->L_base_ci;
  uintptr_t done = stack->begin;
  if (is_closed_in_call(walk, address, last)) last = 0;
  struct frame frame = {.function_slot = 0, .base = UINTPTR_MAX};
  while (at != 0) {
    const char *ci = seep_image_view(walk->image, at, layout->ci_size);
    if (ci == NULL) break;
    uintptr_t function = seep_at_pointer(ci, layout->ci_func);
    if (function < done || function >= stack->top || (function - stack->begin) % SEEP_PUC_SLOT_BYTES != 0) break;
    read_slots(walk, number, stack, &frame, done, function);
    done = function;
    frame.function_slot = function;
    uintptr_t saved_pc = layout->L_savedpc != 0 && at == last ? seep_at_pointer(thread, layout->L_savedpc) : 0;
    describe_frame(walk, ci, stack->slots + (function - stack->begin), saved_pc, &frame);
    if (at == last) break;
    at = layout->version == 51 ? at + layout->ci_size : seep_at_pointer(ci, layout->ci_next);
    if (function + SEEP_PUC_SLOT_BYTES > stack->top) break;
  }
  read_slots(walk, number, stack, &frame, done, stack->top);
}

/* ldo.c, lstate.c stack_init: how many slots were allocated. */
static uint64_t stack_slots(const struct seep_puc_heap *layout, const char *thread) {
  enum { EXTRA_STACK = 5 };
  if (!layout->stack_last_is_end) return seep_at_u32(thread, layout->L_stacksize);
  uintptr_t begin = seep_at_pointer(thread, layout->L_stack), last = seep_at_pointer(thread, layout->L_stack_last);
  return begin == 0 || last < begin ? 0 : (last - begin) / SEEP_PUC_SLOT_BYTES + EXTRA_STACK;
}

/* The call infos that a thread has, used or not. 5.1: an array; later a list behind the one in the thread. */
static uint64_t call_infos(struct seep_walk *walk, const char *thread) {
  const struct seep_puc_heap *layout = walk->layout;
  if (layout->version == 51) return seep_at_u32(thread, layout->L_size_ci);
  struct seep_list_guard guard = {0};
  uint64_t count = 0;
  uintptr_t at = seep_at_pointer(thread, layout->L_base_ci + layout->ci_next);
  for (; at != 0 && seep_list_goes_on(&guard, at); count++) {
    const char *ci = seep_walk_view(walk, at, layout->ci_size, "a call info");
    if (ci == NULL) break;
    at = seep_at_pointer(ci, layout->ci_next);
  }
  return count;
}

/* lgc.c: a thread does not hold its open upvalues, but 5.3 frees them with it (lfunc.c luaF_close) and 5.4 marks
 * them. */
static void read_open_upvalues(struct seep_walk *walk, uint32_t number, const char *thread) {
  const struct seep_puc_heap *layout = walk->layout;
  uint8_t kind = layout->version >= 53 ? SEEP_EDGE_OPEN_UPVALUE : SEEP_EDGE_OPEN_UPVALUE | SEEP_EDGE_WEAK;
  struct seep_list_guard guard = {0};
  uintptr_t at = seep_at_pointer(thread, layout->L_openupval);
  while (at != 0 && seep_list_goes_on(&guard, at)) {
    const char *upvalue = seep_walk_view(walk, at, layout->upval_bytes, "an open upvalue");
    if (upvalue == NULL) return;
    if (layout->version < 54) seep_puc_read_upvalue(walk, at);
    seep_walk_edge(walk, number, at, kind, 0);
    at = seep_at_pointer(upvalue, layout->uv_next);
  }
}

/* Where the values of a running Lua function end: not at `top`, which such a function does not keep. */
static uintptr_t end_of_values(struct seep_walk *walk, const char *thread, uintptr_t begin, uint64_t slots) {
  const struct seep_puc_heap *layout = walk->layout;
  uintptr_t top = seep_at_pointer(thread, layout->L_top);
  uintptr_t limit = begin + slots * SEEP_PUC_SLOT_BYTES;
  if (top < begin || top > limit || (top - begin) % SEEP_PUC_SLOT_BYTES != 0) {
    seep_walk_damage(walk, "a thread's top");
    return begin;
  }
  return top;
}

/* The place of the function that a thread runs, for its name: that of the innermost Lua frame. */
static uint32_t innermost_place(struct seep_walk *walk, const char *thread) {
  enum { STEPS_MAX = 16, CI_PREVIOUS = 16 };
  const struct seep_puc_heap *layout = walk->layout;
  uintptr_t at = seep_at_pointer(thread, layout->L_ci);
  for (int i = 0; i < STEPS_MAX && at != 0; i++) {
    const char *ci = seep_image_view(walk->image, at, layout->ci_size);
    const char *slot = ci == NULL ? NULL
        : seep_image_view(walk->image, seep_at_pointer(ci, layout->ci_func), SEEP_PUC_SLOT_BYTES);
    uintptr_t proto;
    if (slot == NULL) return 0;
    if (lua_proto(walk, ci, slot, &proto) != NULL) return seep_puc_place(walk, proto);
    if (layout->version == 51 && at == seep_at_pointer(thread, layout->L_base_ci)) return 0; /* an array's first */
    at = layout->version == 51 ? at - layout->ci_size : seep_at_pointer(ci, CI_PREVIOUS);
  }
  return 0;
}

void seep_puc_read_thread(struct seep_walk *walk, uintptr_t address, const char *thread) {
  const struct seep_puc_heap *layout = walk->layout;
  uint64_t slots = stack_slots(layout, thread);
  struct stack stack = {.begin = seep_at_pointer(thread, layout->L_stack)};
  if (slots > INT32_MAX || stack.begin == 0) slots = 0;
  if (slots != 0) {
    stack.slots = seep_walk_view(walk, stack.begin, slots * SEEP_PUC_SLOT_BYTES, "a thread's stack");
    if (stack.slots == NULL) slots = 0;
  }
  uint64_t bytes = layout->thread_bytes + slots * SEEP_PUC_SLOT_BYTES + call_infos(walk, thread) * layout->ci_size;
  if (!seep_walk_claim(walk, bytes)) return;
  uint32_t number = seep_walk_object(walk, address, SEEP_NODE_THREAD, bytes, innermost_place(walk, thread), 0);
  if (layout->L_gt != 0) {
    const char *globals = thread + layout->L_gt;
    seep_walk_edge(walk, number, seep_puc_object_in(layout, globals), SEEP_EDGE_ENVIRONMENT, 0);
  }
  seep_walk_part(walk, number, stack.begin, slots * SEEP_PUC_SLOT_BYTES);
  read_open_upvalues(walk, number, thread);
  if (slots == 0) return;
  stack.top = end_of_values(walk, thread, stack.begin, slots);
  read_stack(walk, number, thread, address, &stack);
}

/* -- What ended calls leave behind ------------------------------------------------------- */

/* 5.1 does not keep the pc at which a call ended, but that of the last call from there, if there was one. What was
 * declared by then, or before the first return, and lives to the end of the code was there when it ended. (lparser.c
 * close_func: such variables end before the last return.) With `may_have_failed` it need not have come to a return, nor
 * behind the call. */
static void name_lasting(struct seep_walk *walk, const char *proto, uintptr_t saved_pc, bool may_have_failed,
                         struct frame *frame) {
  enum { OP_RETURN = 30, OPCODE = 0x3f };
  const struct seep_puc_heap *layout = walk->layout;
  uint32_t count, size = seep_at_u32(proto, layout->p_sizecode), first = 0;
  uintptr_t code_at = seep_at_pointer(proto, layout->p_code);
  const char *code = size > INT32_MAX ? NULL : seep_image_view(walk->image, code_at, (size_t)size * 4);
  const char *variables = view_array(walk, proto, layout->p_locvars, layout->p_sizelocvars, 16, &count);
  if (code == NULL) return;
  while (first + 1 < size && (seep_at_u32(code, (size_t)first * 4) & OPCODE) != OP_RETURN) first++;
  uint32_t known = is_in_code(layout, proto, saved_pc) ? (uint32_t)((saved_pc - code_at) / 4) : 0;
  if (may_have_failed) known -= known > 0;
  else if (known < first) known = first;
  for (uint32_t i = 0; i < count && frame->local_count < LOCALS_MAX; i++) {
    const char *variable = variables + (size_t)i * 16;
    if (seep_at_u32(variable, 8) > known || seep_at_u32(variable, 12) + 1 < size) continue;
    struct seep_graph_local local = {.name = seep_puc_name(walk, seep_at_pointer(variable, 0)), .place = frame->place};
    frame->locals[frame->local_count++] = walk->sink->local(walk->sink, &local);
  }
}

/* How far above the words' beginning what was given to the ended call ends; 0: not known. */
static uint64_t given_bytes(struct seep_walk *walk) {
  const struct seep_puc_heap *layout = walk->layout;
  const struct seep_call_begin *begin = &walk->state->remains->begin;
  uintptr_t top = seep_at_pointer(begin->thread, layout->L_top);
  return begin->stack == 0 || top <= begin->stack ? 0 : top - begin->stack;
}

/* Where the variables of the ended call begin. Those of a main chunk, behind what was given to it (ldo.c
 * adjust_varargs); but 5.4 copies a function with variable arguments there (ltm.c luaT_adjustvarargs), and turns its call
 * info back to the first copy when it returns. (A call info is as old as the call, and the stack may have moved.) */
static uintptr_t base_of_ended(struct seep_walk *walk, const char *ci, const char *proto) {
  enum { EXTRA_ARGUMENTS = 44, EXTRA_MAX = 4096, PARAMETERS = 10, IS_VARARG = 11 };
  const struct seep_puc_heap *layout = walk->layout;
  bool is_main = seep_at_u32(proto, layout->p_linedefined) == 0;
  bool has_base = layout->ci_base != 0 || layout->version == 51;
  uint64_t given = is_main ? given_bytes(walk) : 0;
  if (given != 0) return walk->state->remains->stack + given + (has_base ? 0 : SEEP_PUC_SLOT_BYTES);
  if (has_base) return seep_at_pointer(ci, layout->ci_base);
  uintptr_t slot = seep_at_pointer(ci, layout->ci_func);
  uint32_t extra = seep_at_u32(ci, EXTRA_ARGUMENTS);
  bool is_copied = seep_at_u8(proto, IS_VARARG) && extra <= EXTRA_MAX && has_returned(walk, ci);
  if (!is_copied) return slot + SEEP_PUC_SLOT_BYTES;
  return slot + ((uintptr_t)extra + 2 + seep_at_u8(proto, PARAMETERS)) * SEEP_PUC_SLOT_BYTES;
}

void seep_puc_begin_remains(struct seep_walk *walk) {
  const struct seep_puc_heap *layout = walk->layout;
  const struct seep_remains *remains = walk->state->remains;
  if (remains == NULL) return;
  if (layout->version == 51 ? !remains->is_pc_known : !runs_lua(layout, remains->call_info)) return;
  walk->ended_pc = seep_at_pointer(remains->call_info, layout->ci_savedpc);
}

/* The prototype of the call that has ended: the one that its pc is in; on 5.1 its function's, and that of its pc if
 * results or an error were written over that. */
static const char *ended_proto(struct seep_walk *walk, const char *ci, uintptr_t *address, bool *in_slot) {
  const struct seep_puc_heap *layout = walk->layout;
  const char *slot = seep_walk_remains(walk, seep_at_pointer(ci, layout->ci_func), 2);
  uintptr_t by_pc = walk->ended_proto;
  *in_slot = slot != NULL && lua_proto(walk, ci, slot, address) != NULL;
  if (walk->state->remains->is_late || (layout->version == 51 && by_pc == 0)) {
    if (!*in_slot || (by_pc != 0 && *address != by_pc)) return NULL;
  } else {
    *in_slot = *in_slot && *address == by_pc;
    *address = by_pc;
  }
  return *address == 0 ? NULL : seep_image_view(walk->image, *address, layout->proto_bytes);
}

/* The end of the stack that the words are from, as it was then. */
static uintptr_t end_of_stack(struct seep_walk *walk) {
  const struct seep_puc_heap *layout = walk->layout;
  const struct seep_remains *remains = walk->state->remains;
  uintptr_t begin = seep_at_pointer(remains->thread, layout->L_stack), words = remains->stack;
  uint64_t slots = stack_slots(layout, remains->thread);
  if (slots > INT32_MAX || words < begin || words - begin >= slots * SEEP_PUC_SLOT_BYTES) return 0;
  return begin + slots * SEEP_PUC_SLOT_BYTES;
}

void seep_puc_read_remains(struct seep_walk *walk) {
  const struct seep_puc_heap *layout = walk->layout;
  if (walk->state->remains == NULL) return;
  const char *ci = walk->state->remains->call_info;
  uintptr_t address = 0, saved_pc = seep_at_pointer(ci, layout->ci_savedpc), end = end_of_stack(walk);
  bool in_slot;
  const char *proto = ended_proto(walk, ci, &address, &in_slot);
  if (proto == NULL) return;
  struct frame frame = {.base = base_of_ended(walk, ci, proto), .place = seep_puc_place(walk, address)};
  if (layout->version == 51) {
    name_lasting(walk, proto, saved_pc, !in_slot, &frame);
  } else {
    name_locals(walk, proto, (uint32_t)((saved_pc - seep_at_pointer(proto, layout->p_code)) / 4 - 1), &frame);
  }
  for (uint32_t i = 0; i < frame.local_count; i++) {
    uintptr_t at = frame.base + (uintptr_t)i * SEEP_PUC_SLOT_BYTES;
    const char *slot = at < end ? seep_walk_remains(walk, at, 2) : NULL;
    uintptr_t object = slot == NULL ? 0 : seep_puc_object_in(layout, slot);
    seep_walk_edge(walk, SEEP_ROOT_NUMBER, object, SEEP_EDGE_ENDED_LOCAL | SEEP_EDGE_WEAK, frame.locals[i]);
  }
}
