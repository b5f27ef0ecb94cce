/* Threads, prototypes, traces and the compiler's memory of LuaJIT 2.1. See luajit_heap.h. */
#include "vm/luajit_heap.h"

/* -- Prototypes -------------------------------------------------------------------------- */

/* J->trace[number], or 0. */
static uintptr_t trace_number(struct seep_walk *walk, uint32_t number) {
  const struct seep_luajit_heap *layout = walk->layout;
  if (number == 0) return 0;
  const char *jit = seep_image_view(walk->image, walk->state->main_thread + layout->gg_jit, LJ_J_BYTES);
  if (jit == NULL || number >= seep_at_u32(jit, LJ_J_SIZETRACE)) return 0;
  const char *slot = seep_image_view(walk->image, seep_at_pointer(jit, LJ_J_TRACE) + (uintptr_t)number * 8, 8);
  return slot == NULL ? 0 : seep_at_pointer(slot, 0);
}

/* lj_obj.h proto_kgc: collectable constants stand below `k`, the first one last. */
static void read_constants(struct seep_walk *walk, uint32_t number, const char *proto) {
  uint32_t count = seep_at_u32(proto, LJ_PROTO_SIZEKGC);
  uintptr_t begin = seep_at_pointer(proto, LJ_PROTO_K) - (uintptr_t)count * 8;
  if (count == 0) return;
  const char *constants = seep_walk_view(walk, begin, (size_t)count * 8, "a function's constants");
  for (uint32_t i = 0; constants != NULL && i < count; i++) {
    uintptr_t object = seep_at_pointer(constants, (size_t)(count - 1 - i) * 8);
    const char *header = seep_image_view(walk->image, object, 16);
    bool is_proto = header != NULL && seep_at_u8(header, LJ_O_TYPE) == LJ_PROTO;
    seep_walk_edge(walk, number, object, is_proto ? SEEP_EDGE_PROTO : SEEP_EDGE_CONSTANT, i);
  }
}

void seep_lj_read_proto(struct seep_walk *walk, uintptr_t address, const char *proto) {
  uint64_t bytes = seep_at_u32(proto, LJ_PROTO_SIZE);
  if (!seep_walk_claim(walk, bytes)) return;
  uint32_t number = seep_walk_object(walk, address, SEEP_NODE_PROTO, bytes, seep_lj_place(walk, address), 0);
  seep_walk_edge(walk, number, seep_at_pointer(proto, LJ_PROTO_CHUNKNAME), SEEP_EDGE_DEBUG_NAME, 0);
  read_constants(walk, number, proto);
  seep_walk_edge(walk, number, trace_number(walk, seep_at_u16(proto, LJ_PROTO_TRACE)), SEEP_EDGE_TRACE, 0);
}

/* -- Traces ------------------------------------------------------------------------------ */

/* lj_gc.c gc_traverse_trace: constants are instructions from nk up to REF_TRUE; an object's address stands in the one
 * behind. `ir` is biased: instruction n is at ir + 8 n. */
static void read_trace_constants(struct seep_walk *walk, uint32_t number, uintptr_t ir, uint32_t first) {
  enum { REF_TRUE = 0x7ffd, IR_TYPE = 4, IR_OP = 5, IR_KGC = 24, IR_KNULL = 27, TYPE_MASK = 0x1f };
  const uint32_t types_of_64_bits = 0x605fd9; /* lj_ir.h IRT_IS64 */
  if (first >= REF_TRUE) return;
  const char *constants = seep_walk_view(walk, ir + (uintptr_t)first * LJ_IR_BYTES,
                                         (size_t)(REF_TRUE - first) * LJ_IR_BYTES, "a trace's constants");
  if (constants == NULL) return;
  for (uint32_t at = 0; at + 1 < REF_TRUE - first; at++) {
    const char *instruction = constants + (size_t)at * LJ_IR_BYTES;
    uint8_t op = seep_at_u8(instruction, IR_OP);
    if (op == IR_KGC) seep_walk_edge(walk, number, seep_at_pointer(instruction, LJ_IR_BYTES), SEEP_EDGE_CONSTANT, at);
    if ((types_of_64_bits >> (seep_at_u8(instruction, IR_TYPE) & TYPE_MASK) & 1) != 0 && op != IR_KNULL) at++;
  }
}

static void read_trace_links(struct seep_walk *walk, uint32_t number, const char *trace) {
  static const uint16_t links[] = {LJ_TRACE_LINK, LJ_TRACE_NEXTROOT, LJ_TRACE_NEXTSIDE};
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(links); i++) {
    seep_walk_edge(walk, number, trace_number(walk, seep_at_u16(trace, links[i])), SEEP_EDGE_TRACE, 0);
  }
  seep_walk_edge(walk, number, seep_at_pointer(trace, LJ_TRACE_STARTPT), SEEP_EDGE_PROTO, 0);
}

void seep_lj_read_trace(struct seep_walk *walk, uintptr_t address, const char *trace) {
  uint32_t last = seep_at_u32(trace, LJ_TRACE_NINS), first = seep_at_u32(trace, LJ_TRACE_NK);
  uint64_t bytes = LJ_TRACE_BYTES + (uint64_t)seep_at_u16(trace, LJ_TRACE_NSNAP) * LJ_SNAP_BYTES +
                   (uint64_t)seep_at_u32(trace, LJ_TRACE_NSNAPMAP) * LJ_SNAPENTRY_BYTES;
  if (last >= first) bytes += (uint64_t)(last - first) * LJ_IR_BYTES;
  if (!seep_walk_claim(walk, bytes)) return;
  uint32_t place = seep_lj_place(walk, seep_at_pointer(trace, LJ_TRACE_STARTPT));
  uint32_t number = seep_walk_object(walk, address, SEEP_NODE_TRACE, bytes, place, 0);
  if (seep_at_u16(trace, LJ_TRACE_NUMBER) == 0) return; /* flushed: it holds nothing any more */
  read_trace_constants(walk, number, seep_at_pointer(trace, LJ_TRACE_IR), first);
  read_trace_links(walk, number, trace);
}

void seep_lj_read_compiler(struct seep_walk *walk) {
  const struct seep_luajit_heap *layout = walk->layout;
  const char *jit = seep_walk_view(walk, walk->state->main_thread + layout->gg_jit, LJ_J_BYTES, "the compiler's state");
  if (jit == NULL) return;
  uint32_t top = seep_at_u32(jit, LJ_J_IRTOPLIM), bottom = seep_at_u32(jit, LJ_J_IRBOTLIM);
  uint64_t bytes = (uint64_t)seep_at_u32(jit, LJ_J_SIZESNAP) * LJ_SNAP_BYTES +
                   (uint64_t)seep_at_u32(jit, LJ_J_SIZESNAPMAP) * LJ_SNAPENTRY_BYTES +
                   (uint64_t)seep_at_u32(jit, LJ_J_SIZETRACE) * 8;
  if (top >= bottom) bytes += (uint64_t)(top - bottom) * LJ_IR_BYTES;
  seep_walk_ledger(walk, "compiler", bytes);
  if (seep_at_u16(jit, LJ_TRACE_NUMBER) != 0) { /* the trace that is being recorded is a root */
    read_trace_constants(walk, SEEP_ROOT_NUMBER, seep_at_pointer(jit, LJ_TRACE_IR), seep_at_u32(jit, LJ_TRACE_NK));
    read_trace_links(walk, SEEP_ROOT_NUMBER, jit);
  }
}

/* -- Local variables ----------------------------------------------------------------------- */

enum { LOCALS_MAX = 256 };

struct frame {
  uintptr_t base;
  uint32_t place;
  uint32_t local_count;
  uint32_t locals[LOCALS_MAX];
};

/* lj_buf.c lj_buf_ruleb128, bounded. */
static uint32_t read_number(const char **at, const char *end) {
  uint32_t value = 0;
  for (int shift = 0; *at < end && shift < 35; shift += 7) {
    uint8_t byte = (uint8_t)*(*at)++;
    value |= (uint32_t)(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return value;
}

/* lj_debug.c debug_varname: for each variable its name (or a small number for what the loops make), the distance of its
 * begin to the last one's, and how long it lives. The n-th that lives at pc is in slot n. */
static void name_locals(struct seep_walk *walk, const char *at, const char *end, uint32_t pc, struct frame *frame) {
  static const char *const internal[] = {"", "(for index)", "(for limit)", "(for step)", "(for generator)",
                                         "(for state)", "(for control)"};
  uint32_t begin = 0;
  while (at < end && frame->local_count < LOCALS_MAX) {
    uint8_t first = (uint8_t)*at;
    const char *name = at;
    size_t size = 0;
    if (first == 0) return;
    if (first < SEEP_ARRAY_SIZE(internal)) {
      name = internal[first];
      size = strlen(name);
      at++;
    } else {
      const char *stop = memchr(at, '\0', (size_t)(end - at));
      if (stop == NULL) return;
      size = (size_t)(stop - at);
      at = stop + 1;
    }
    begin += read_number(&at, end);
    if (begin > pc) return;
    uint32_t length = read_number(&at, end);
    if (pc >= begin + length) continue;
    struct seep_graph_local local = {.name = walk->sink->name(walk->sink, name, size), .place = frame->place};
    frame->locals[frame->local_count++] = walk->sink->local(walk->sink, &local);
  }
}

/* `pc`: behind the running instruction; 0: not known, then the variables have no names. They are described inside of
 * the prototype's own block. */
static void describe_frame(struct seep_walk *walk, uintptr_t function, uintptr_t pc, struct frame *frame) {
  frame->local_count = 0;
  frame->place = 0;
  const char *object = seep_image_view(walk->image, function, LJ_FUNC_L_UPVALUES);
  if (object == NULL || seep_at_u8(object, LJ_O_TYPE) != LJ_FUNC || seep_at_u8(object, LJ_FUNC_FFID) != 0) return;
  uintptr_t address = seep_at_pointer(object, LJ_FUNC_PC) - LJ_PROTO_BYTES;
  const char *proto = seep_lj_view_proto(walk, address);
  if (proto == NULL) return;
  frame->place = seep_lj_place(walk, address);
  uintptr_t code = address + LJ_PROTO_BYTES, size = seep_at_u32(proto, LJ_PROTO_SIZE);
  uintptr_t names = seep_at_pointer(proto, LJ_PROTO_VARINFO);
  if (pc <= code || pc > code + (uintptr_t)seep_at_u32(proto, LJ_PROTO_SIZEBC) * 4) return;
  if (names < address || names >= address + size) return;
  const char *whole = seep_image_view(walk->image, address, size);
  if (whole == NULL) return;
  name_locals(walk, whole + (names - address), whole + size, (uint32_t)((pc - code) / 4 - 1), frame);
}

/* -- Stacks ---------------------------------------------------------------------------------- */

enum { FRAME_LUA, FRAME_C, FRAME_CONT, FRAME_VARG };

struct stack {
  uintptr_t begin, top;
  const char *slots;  /* of begin */
};

static uint64_t slot_at(const struct stack *stack, uintptr_t address) {
  return seep_at_pointer(stack->slots, address - stack->begin);
}

static void read_slots(struct seep_walk *walk, uint32_t number, const struct stack *stack, const struct frame *frame,
                       uintptr_t from, uintptr_t to) {
  for (uintptr_t at = from; at < to; at += 8) {
    uintptr_t object = seep_lj_object(slot_at(stack, at));
    size_t index = (at - frame->base) / 8;
    if (object == 0) continue;
    if (at >= frame->base && index < frame->local_count) {
      seep_walk_edge(walk, number, object, SEEP_EDGE_LOCAL, frame->locals[index]);
    } else {
      seep_walk_edge(walk, number, object, SEEP_EDGE_SLOT, frame->place);
    }
  }
}

/* lj_frame.h frame_prev: a Lua frame's link is the pc behind the call, whose operand A says how far down the caller
 * is; any other link is a distance. 0 when the call is not to be read. */
static uintptr_t previous_frame(struct seep_walk *walk, uintptr_t frame, uint64_t link) {
  if ((link & 3) != FRAME_LUA) return frame - (uintptr_t)(link & ~7ULL);
  const char *call = seep_image_view(walk->image, (uintptr_t)link - 4, 4);
  return call == NULL ? 0 : frame - (uintptr_t)(2 + seep_at_u8(call, 1)) * 8;
}

/* Where the function below stands, as the frame above tells. */
static uintptr_t pc_below(const struct stack *stack, uintptr_t frame, uint64_t link) {
  if ((link & 3) == FRAME_LUA) return (uintptr_t)link;
  if ((link & 7) == FRAME_CONT && frame >= stack->begin + 32) return slot_at(stack, frame - 16);
  return 0;
}

/* Frames from the innermost out: `frame` is the slot of a frame's link, the function is below it and the values
 * above. A link that leads up or out of the stack ends this; what is below it then has no names. */
static void read_stack(struct seep_walk *walk, uint32_t number, const char *thread, const struct stack *stack) {
  uintptr_t frame = seep_at_pointer(thread, LJ_L_BASE) - 8, upper = stack->top, pc = 0;
  uintptr_t bottom = stack->begin + 8;
  struct frame names;
  while (frame > bottom && frame < upper && (frame - stack->begin) % 8 == 0) {
    uint64_t link = slot_at(stack, frame), function = slot_at(stack, frame - 8);
    names.base = frame + 8;
    describe_frame(walk, seep_lj_pointer(function), pc, &names);
    read_slots(walk, number, stack, &names, frame + 8, upper);
    seep_walk_edge(walk, number, seep_lj_object(function), SEEP_EDGE_FRAME, 0);
    pc = pc_below(stack, frame, link);
    upper = frame - 8;
    if ((link & 7) == FRAME_CONT) upper -= 16;
    frame = previous_frame(walk, frame, link);
  }
  names = (struct frame){.base = UINTPTR_MAX};
  read_slots(walk, number, stack, &names, stack->begin + 16, upper);
}

/* The place of the innermost Lua function, or 0. */
static uint32_t innermost_place(struct seep_walk *walk, const char *thread, const struct stack *stack) {
  enum { STEPS_MAX = 16 };
  uintptr_t frame = seep_at_pointer(thread, LJ_L_BASE) - 8, upper = stack->top;
  for (int i = 0; i < STEPS_MAX && frame > stack->begin + 8 && frame < upper && (frame - stack->begin) % 8 == 0; i++) {
    uintptr_t function = seep_lj_object(slot_at(stack, frame - 8));
    const char *object = seep_image_view(walk->image, function, LJ_FUNC_L_UPVALUES);
    if (object != NULL && seep_at_u8(object, LJ_O_TYPE) == LJ_FUNC && seep_at_u8(object, LJ_FUNC_FFID) == 0) {
      return seep_lj_place(walk, seep_at_pointer(object, LJ_FUNC_PC) - LJ_PROTO_BYTES);
    }
    upper = frame;
    frame = previous_frame(walk, frame, slot_at(stack, frame));
  }
  return 0;
}

/* lj_gc.c: a thread does not hold its open upvalues. */
static void read_open_upvalues(struct seep_walk *walk, uint32_t number, const char *thread) {
  struct seep_list_guard guard = {0};
  uintptr_t at = seep_at_pointer(thread, LJ_L_OPENUPVAL);
  while (at != 0 && seep_list_goes_on(&guard, at)) {
    const char *upvalue = seep_walk_view(walk, at, LJ_UPVAL_BYTES, "an open upvalue");
    if (upvalue == NULL) return;
    seep_lj_read_open_upvalue(walk, at);
    seep_walk_edge(walk, number, at, SEEP_EDGE_OPEN_UPVALUE | SEEP_EDGE_WEAK, 0);
    at = seep_at_pointer(upvalue, LJ_O_NEXT);
  }
}

void seep_lj_read_thread(struct seep_walk *walk, uintptr_t address, const char *thread) {
  const struct seep_luajit_heap *layout = walk->layout;
  uint64_t slots = seep_at_u32(thread, LJ_L_STACKSIZE);
  struct stack stack = {.begin = seep_at_pointer(thread, LJ_L_STACK), .top = seep_at_pointer(thread, LJ_L_TOP)};
  if (slots != 0) stack.slots = seep_walk_view(walk, stack.begin, slots * 8, "a thread's stack");
  if (stack.slots == NULL) slots = 0;
  uint64_t bytes = layout->thread_bytes + slots * 8;
  if (!seep_walk_claim(walk, bytes)) return;
  bool whole = slots != 0 && stack.top >= stack.begin + 16 && stack.top <= stack.begin + slots * 8 &&
               (stack.top - stack.begin) % 8 == 0;
  uint32_t place = whole ? innermost_place(walk, thread, &stack) : 0;
  uint32_t number = seep_walk_object(walk, address, SEEP_NODE_THREAD, bytes, place, 0);
  seep_walk_edge(walk, number, seep_at_pointer(thread, LJ_L_ENV), SEEP_EDGE_ENVIRONMENT, 0);
  read_open_upvalues(walk, number, thread);
  if (whole) {
    read_stack(walk, number, thread, &stack);
  } else {
    seep_walk_damage(walk, "a thread's top");
  }
}
