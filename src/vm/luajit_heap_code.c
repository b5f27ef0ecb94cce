/* Threads, prototypes, traces and the compiler's memory of LuaJIT 2.1. See luajit_heap.h. */
#include "vm/luajit_heap.h"

/* -- Prototypes -------------------------------------------------------------------------- */

/* J->trace[number], or 0. */
static uintptr_t trace_number(struct seep_walk *walk, uint32_t number) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  const struct seep_luajit_heap *layout = walk->layout;
  if (number == 0) return 0;
  const char *jit = seep_image_view(walk->image, walk->state->main_thread + layout->gg_jit, refs->j_bytes);
  if (jit == NULL || number >= seep_at_u32(jit, refs->j_sizetrace)) return 0;
  const char *slot =
      seep_image_view(walk->image, seep_at_pointer(jit, refs->j_trace) + (uintptr_t)number * refs->bytes, refs->bytes);
  return slot == NULL ? 0 : seep_lj_ref(refs, slot, 0);
}

/* lj_obj.h proto_kgc: collectable constants stand below `k`, the first one last. */
static void read_constants(struct seep_walk *walk, uint32_t number, const char *proto) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  uint32_t count = seep_at_u32(proto, refs->proto_sizekgc);
  uintptr_t begin = seep_lj_ref(refs, proto, refs->proto_k) - (uintptr_t)count * refs->bytes;
  if (count == 0) return;
  const char *constants = seep_walk_view(walk, begin, (size_t)count * refs->bytes, "a function's constants");
  for (uint32_t i = 0; constants != NULL && i < count; i++) {
    uintptr_t object = seep_lj_ref(refs, constants, (size_t)(count - 1 - i) * refs->bytes);
    const char *header = seep_image_view(walk->image, object, refs->cdata_bytes);
    bool is_proto = header != NULL && seep_at_u8(header, refs->o_type) == LJ_PROTO;
    seep_walk_edge(walk, number, object, is_proto ? SEEP_EDGE_PROTO : SEEP_EDGE_CONSTANT, i);
  }
}

void seep_lj_read_proto(struct seep_walk *walk, uintptr_t address, const char *proto) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  uint64_t bytes = seep_at_u32(proto, refs->proto_size);
  if (!seep_walk_claim(walk, bytes)) return;
  uint32_t number = seep_walk_object(walk, address, SEEP_NODE_PROTO, bytes, seep_lj_place(walk, address), 0);
  seep_walk_edge(walk, number, seep_lj_ref(refs, proto, refs->proto_chunkname), SEEP_EDGE_DEBUG_NAME, 0);
  read_constants(walk, number, proto);
  seep_walk_edge(walk, number, trace_number(walk, seep_at_u16(proto, refs->proto_trace)), SEEP_EDGE_TRACE, 0);
}

/* -- Traces ------------------------------------------------------------------------------ */

/* lj_gc.c gc_traverse_trace: constants are instructions from nk up to REF_TRUE; an object's address stands in the one
 * behind, or, if it has 32 bits, in the instruction itself (lj_jit.h ir_kgc). `ir` is biased: instruction n is at
 * ir + 8 n. */
static void read_trace_constants(struct seep_walk *walk, uint32_t number, uintptr_t ir, uint32_t first) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  enum { REF_TRUE = 0x7ffd, IR_TYPE = 4, IR_OP = 5, IR_KGC = 24, IR_KNULL = 27, TYPE_MASK = 0x1f };
  const size_t object_at = refs->bytes == 8 ? LJ_IR_BYTES : 0;
  if (first >= REF_TRUE) return;
  const size_t size_bytes = (size_t)(REF_TRUE - first) * LJ_IR_BYTES;
  const char *constants =
      seep_walk_view(walk, ir + (uintptr_t)first * LJ_IR_BYTES, size_bytes, "a trace's constants");
  if (constants == NULL) return;
  for (size_t at = 0; at * LJ_IR_BYTES + object_at < size_bytes; at++) {
    const char *instruction = constants + at * LJ_IR_BYTES;
    uint8_t op = seep_at_u8(instruction, IR_OP);
    if (op == IR_KGC) seep_walk_edge(walk, number, seep_lj_ref(refs, instruction, object_at), SEEP_EDGE_CONSTANT, at);
    if ((refs->types_of_64_bits >> (seep_at_u8(instruction, IR_TYPE) & TYPE_MASK) & 1) != 0 && op != IR_KNULL) at++;
  }
}

static void read_trace_links(struct seep_walk *walk, uint32_t number, const char *trace) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  const uint16_t links[] = {refs->trace_link, refs->trace_nextroot, refs->trace_nextside};
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(links); i++) {
    seep_walk_edge(walk, number, trace_number(walk, seep_at_u16(trace, links[i])), SEEP_EDGE_TRACE, 0);
  }
  seep_walk_edge(walk, number, seep_lj_ref(refs, trace, refs->trace_startpt), SEEP_EDGE_PROTO, 0);
}

static uint64_t snapmap_entries(const struct seep_luajit_refs *refs, const char *trace) {
  return refs->snapmap_is_short ? seep_at_u16(trace, refs->trace_nsnapmap) : seep_at_u32(trace, refs->trace_nsnapmap);
}

void seep_lj_read_trace(struct seep_walk *walk, uintptr_t address, const char *trace) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  uint32_t last = seep_at_u32(trace, refs->trace_nins), first = seep_at_u32(trace, refs->trace_nk);
  uint64_t bytes = refs->trace_bytes + (uint64_t)seep_at_u16(trace, refs->trace_nsnap) * refs->snap_bytes +
                   snapmap_entries(refs, trace) * LJ_SNAPENTRY_BYTES;
  if (last >= first) bytes += (uint64_t)(last - first) * LJ_IR_BYTES;
  if (!seep_walk_claim(walk, bytes)) return;
  uint32_t place = seep_lj_place(walk, seep_lj_ref(refs, trace, refs->trace_startpt));
  uint32_t number = seep_walk_object(walk, address, SEEP_NODE_TRACE, bytes, place, 0);
  if (seep_at_u16(trace, refs->trace_number) == 0) return; /* flushed: it holds nothing any more */
  read_trace_constants(walk, number, seep_at_pointer(trace, refs->trace_ir), first);
  read_trace_links(walk, number, trace);
}

void seep_lj_read_compiler(struct seep_walk *walk) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  const struct seep_luajit_heap *layout = walk->layout;
  const char *jit =
      seep_walk_view(walk, walk->state->main_thread + layout->gg_jit, refs->j_bytes, "the compiler's state");
  if (jit == NULL) return;
  uint32_t top = seep_at_u32(jit, refs->j_irtoplim), bottom = seep_at_u32(jit, refs->j_irbotlim);
  uint64_t bytes = (uint64_t)seep_at_u32(jit, refs->j_sizesnap) * refs->snap_bytes +
                   (uint64_t)seep_at_u32(jit, refs->j_sizesnapmap) * LJ_SNAPENTRY_BYTES +
                   (uint64_t)seep_at_u32(jit, refs->j_sizetrace) * refs->bytes;
  if (top >= bottom) bytes += (uint64_t)(top - bottom) * LJ_IR_BYTES;
  seep_walk_ledger(walk, "compiler", bytes);
  if (seep_at_u16(jit, refs->trace_number) != 0) { /* the trace that is being recorded is a root */
    uint32_t first = seep_at_u32(jit, refs->trace_nk);
    read_trace_constants(walk, SEEP_ROOT_NUMBER, seep_at_pointer(jit, refs->trace_ir), first);
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

/* The variables that are asked for: those that live at a pc, and at least to `end`. */
struct place {
  uint32_t pc, end;
};

/* lj_debug.c debug_varname: for each variable its name (or a small number for what the loops make), the distance of its
 * begin to the last one's, and how long it lives. The n-th that lives at pc is in slot n; so is the n-th of those that
 * last longest. */
static void name_locals(struct seep_walk *walk, const char *at, const char *end, struct place place,
                        struct frame *frame) {
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
    if (begin > place.pc) return;
    uint32_t length = read_number(&at, end);
    if (place.pc >= begin + length || begin + length < place.end) continue;
    struct seep_graph_local local = {.name = walk->sink->name(walk->sink, name, size), .place = frame->place};
    frame->locals[frame->local_count++] = walk->sink->local(walk->sink, &local);
  }
}

/* `pc`: behind the running instruction; 0: not known, then the variables have no names. They are described inside of
 * the prototype's own block. */
static void describe_frame(struct seep_walk *walk, uintptr_t function, uintptr_t pc, struct frame *frame) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  frame->local_count = 0;
  frame->place = 0;
  const char *object = seep_image_view(walk->image, function, refs->func_l_upvalues);
  if (object == NULL || seep_at_u8(object, refs->o_type) != LJ_FUNC || seep_at_u8(object, refs->func_ffid) != 0) return;
  uintptr_t address = seep_lj_ref(refs, object, refs->func_pc) - refs->proto_bytes;
  const char *proto = seep_lj_view_proto(walk, address);
  if (proto == NULL) return;
  frame->place = seep_lj_place(walk, address);
  uintptr_t code = address + refs->proto_bytes, size = seep_at_u32(proto, refs->proto_size);
  uintptr_t names = seep_lj_ref(refs, proto, refs->proto_varinfo);
  if (pc <= code || pc > code + (uintptr_t)seep_at_u32(proto, refs->proto_sizebc) * 4) return;
  if (names < address || names >= address + size) return;
  const char *whole = seep_image_view(walk->image, address, size);
  if (whole == NULL) return;
  struct place place = {.pc = (uint32_t)((pc - code) / 4 - 1)};
  name_locals(walk, whole + (names - address), whole + size, place, frame);
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
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  for (uintptr_t at = from; at < to; at += LJ_SLOT_BYTES) {
    uintptr_t object = seep_lj_object(refs, slot_at(stack, at));
    size_t index = (at - frame->base) / LJ_SLOT_BYTES;
    if (object == 0) continue;
    if (at >= frame->base && index < frame->local_count) {
      seep_walk_edge(walk, number, object, SEEP_EDGE_LOCAL, frame->locals[index]);
    } else {
      seep_walk_edge(walk, number, object, SEEP_EDGE_SLOT, frame->place);
    }
  }
}

/* lj_frame.h: below a frame's base stand its function and its link: in a slot each, or without GC64 in the halves of
 * one. A continuation has as many slots below that, of which the upper one has the pc where it goes on. */
struct call {
  uintptr_t function;  /* address; 0: no object */
  uint64_t link;
};

static struct call call_at(const struct seep_luajit_refs *refs, const struct stack *stack, uintptr_t frame) {
  uint64_t slot = slot_at(stack, frame);
  if (refs->frame_slots == 1) return (struct call){.function = (uint32_t)slot, .link = slot >> 32};
  return (struct call){.function = seep_lj_object(refs, slot_at(stack, frame - LJ_SLOT_BYTES)), .link = slot};
}

/* The frame of the thread itself, which all others are above. */
static uintptr_t bottom_of(const struct seep_luajit_refs *refs, const struct stack *stack) {
  return stack->begin + (refs->frame_slots - 1u) * LJ_SLOT_BYTES;
}

/* lj_frame.h frame_prev: a Lua frame's link is the pc behind the call, whose operand A says how far down the caller
 * is; any other link is a distance. 0 when the call is not to be read. */
static uintptr_t previous_frame(struct seep_walk *walk, uintptr_t frame, uint64_t link) {
  if ((link & 3) != FRAME_LUA) return frame - (uintptr_t)(link & ~7ULL);
  const char *call = seep_image_view(walk->image, (uintptr_t)link - 4, 4);
  return call == NULL ? 0 : frame - (uintptr_t)(seep_lj_refs(walk)->frame_slots + seep_at_u8(call, 1)) * LJ_SLOT_BYTES;
}

/* Where the function below stands, as the frame above tells. */
static uintptr_t pc_below(const struct seep_luajit_refs *refs, const struct stack *stack, uintptr_t frame,
                          uint64_t link) {
  if ((link & 3) == FRAME_LUA) return (uintptr_t)link;
  if ((link & 7) != FRAME_CONT || frame < stack->begin + 4 * LJ_SLOT_BYTES) return 0;
  uint64_t slot = slot_at(stack, frame - refs->frame_slots * (uintptr_t)LJ_SLOT_BYTES);
  return refs->frame_slots == 1 ? slot >> 32 : slot;
}

static bool is_frame(const struct seep_luajit_refs *refs, const struct stack *stack, uintptr_t frame, uintptr_t upper) {
  return frame > bottom_of(refs, stack) && frame < upper && (frame - stack->begin) % LJ_SLOT_BYTES == 0;
}

/* Frames from the innermost out: `frame` is the slot of a frame's link, and the values are above it. A link that leads
 * up or out of the stack ends this; what is below it then has no names. */
static void read_stack(struct seep_walk *walk, uint32_t number, const char *thread, const struct stack *stack) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  const uintptr_t frame_bytes = refs->frame_slots * (uintptr_t)LJ_SLOT_BYTES;
  uintptr_t frame = seep_at_pointer(thread, refs->l_base) - LJ_SLOT_BYTES, upper = stack->top, pc = 0;
  struct frame names;
  while (is_frame(refs, stack, frame, upper)) {
    struct call call = call_at(refs, stack, frame);
    names.base = frame + LJ_SLOT_BYTES;
    describe_frame(walk, call.function, pc, &names);
    read_slots(walk, number, stack, &names, names.base, upper);
    seep_walk_edge(walk, number, call.function, SEEP_EDGE_FRAME, 0);
    pc = pc_below(refs, stack, frame, call.link);
    upper = names.base - frame_bytes;
    if ((call.link & 7) == FRAME_CONT) upper -= frame_bytes;
    frame = previous_frame(walk, frame, call.link);
  }
  names = (struct frame){.base = UINTPTR_MAX};
  read_slots(walk, number, stack, &names, stack->begin + frame_bytes, upper);
}

/* The place of the innermost Lua function, or 0. */
static uint32_t innermost_place(struct seep_walk *walk, const char *thread, const struct stack *stack) {
  enum { STEPS_MAX = 16 };
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  uintptr_t frame = seep_at_pointer(thread, refs->l_base) - LJ_SLOT_BYTES, upper = stack->top;
  for (int i = 0; i < STEPS_MAX && is_frame(refs, stack, frame, upper); i++) {
    struct call call = call_at(refs, stack, frame);
    const char *object = seep_image_view(walk->image, call.function, refs->func_l_upvalues);
    if (object != NULL && seep_at_u8(object, refs->o_type) == LJ_FUNC && seep_at_u8(object, refs->func_ffid) == 0) {
      return seep_lj_place(walk, seep_lj_ref(refs, object, refs->func_pc) - refs->proto_bytes);
    }
    upper = frame;
    frame = previous_frame(walk, frame, call.link);
  }
  return 0;
}

/* lj_gc.c: a thread does not hold its open upvalues. */
static void read_open_upvalues(struct seep_walk *walk, uint32_t number, const char *thread) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  struct seep_list_guard guard = {0};
  uintptr_t at = seep_lj_ref(refs, thread, refs->l_openupval);
  while (at != 0 && seep_list_goes_on(&guard, at)) {
    const char *upvalue = seep_walk_view(walk, at, refs->upval_bytes, "an open upvalue");
    if (upvalue == NULL) return;
    seep_lj_read_open_upvalue(walk, at);
    seep_walk_edge(walk, number, at, SEEP_EDGE_OPEN_UPVALUE | SEEP_EDGE_WEAK, 0);
    at = seep_lj_ref(refs, upvalue, LJ_O_NEXT);
  }
}

void seep_lj_read_thread(struct seep_walk *walk, uintptr_t address, const char *thread) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  const struct seep_luajit_heap *layout = walk->layout;
  uint64_t slots = seep_at_u32(thread, refs->l_stacksize);
  struct stack stack = {.begin = seep_lj_ref(refs, thread, refs->l_stack), .top = seep_at_pointer(thread, refs->l_top)};
  if (slots != 0) stack.slots = seep_walk_view(walk, stack.begin, slots * LJ_SLOT_BYTES, "a thread's stack");
  if (stack.slots == NULL) slots = 0;
  uint64_t bytes = layout->thread_bytes + slots * LJ_SLOT_BYTES;
  if (!seep_walk_claim(walk, bytes)) return;
  bool whole = slots != 0 && stack.top >= bottom_of(refs, &stack) + LJ_SLOT_BYTES &&
               stack.top <= stack.begin + slots * LJ_SLOT_BYTES && (stack.top - stack.begin) % LJ_SLOT_BYTES == 0;
  uint32_t place = whole ? innermost_place(walk, thread, &stack) : 0;
  uint32_t number = seep_walk_object(walk, address, SEEP_NODE_THREAD, bytes, place, 0);
  seep_walk_edge(walk, number, seep_lj_ref(refs, thread, refs->l_env), SEEP_EDGE_ENVIRONMENT, 0);
  seep_walk_part(walk, number, stack.begin, slots * LJ_SLOT_BYTES);
  read_open_upvalues(walk, number, thread);
  if (whole) {
    read_stack(walk, number, thread, &stack);
  } else {
    seep_walk_damage(walk, "a thread's top");
  }
}

/* -- What ended calls leave behind ------------------------------------------------------------ */

/* A call that has ended: its function's code, and where its variables begin. */
struct ended {
  uintptr_t base, proto, code;
  const char *header;        /* of the prototype */
  uint32_t size;             /* instructions */
  const uint64_t *words;     /* from base on */
  uint32_t word_count;
  bool may_have_failed;      /* one value has been written over its function: its result, or an error */
};

/* How many of the words are in the stack that they are from, as it was then. */
static uint32_t count_in_stack(struct seep_walk *walk) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  const struct seep_remains *remains = walk->state->remains;
  if (remains->word_count > SEEP_REMAINS_WORDS) return 0;
  uintptr_t begin = seep_lj_ref(refs, remains->thread, refs->l_stack);
  uint64_t bytes = (uint64_t)seep_at_u32(remains->thread, refs->l_stacksize) * LJ_SLOT_BYTES;
  if (remains->stack < begin || remains->stack - begin >= bytes) return 0;
  uint64_t words = (begin + bytes - remains->stack) / 8;
  return words < remains->word_count ? (uint32_t)words : remains->word_count;
}

/* lj_frame.h, vm_*.dasc BC_IFUNCV: a function with variable arguments, as main chunks are, runs in a second frame above
 * them, with a copy of the function and the distance between the frames. The first one in the words is the outermost.
 * (Builds without GC64 are not recorded, so nothing is noted of them: they have both in one word.) */
static bool find_ended(struct seep_walk *walk, struct ended *out) {
  const uint64_t LINKS_END = 1ULL << 32; /* a link to the frame below is a distance; nearly all values are larger words */
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  const struct seep_remains *remains = walk->state->remains;
  if (refs->bytes != 8) return false;
  uint32_t count = count_in_stack(walk);
  for (uint32_t i = 0; i + 1 < count; i++) {
    uint64_t function = remains->words[i], link = remains->words[i + 1], distance = link & ~7ULL;
    if (seep_lj_type(refs, function) != LJ_FUNC || (link & 7) != FRAME_VARG || distance > (uint64_t)i * 8) continue;
    const uint64_t *below = remains->words + i - distance / 8;
    if (remains->is_late && below[0] != function) continue;
    out->may_have_failed = below[0] != function && below[1] < LINKS_END;
    const char *object = seep_image_view(walk->image, seep_lj_pointer(refs, function), refs->func_l_upvalues);
    if (object == NULL || seep_at_u8(object, refs->o_type) != LJ_FUNC || seep_at_u8(object, refs->func_ffid) != 0) continue;
    out->code = seep_lj_ref(refs, object, refs->func_pc);
    out->proto = out->code - refs->proto_bytes;
    out->base = remains->stack + (uintptr_t)(i + 2) * 8;
    out->header = seep_lj_view_proto(walk, out->proto);
    if (out->header == NULL) continue;
    out->size = seep_at_u32(out->header, refs->proto_sizebc);
    out->words = remains->words + i + 2;
    out->word_count = count - i - 2;
    return true;
  }
  return false;
}

/* Where it stood at least: the calls that it made have left the pcs behind them in their frames, and before its first
 * return it has not ended, unless it failed: then perhaps in the last of those calls. (Opcodes are those of builds without the instructions that 2026 added.) */
static uint32_t known_place(struct seep_walk *walk, const struct ended *ended) {
  enum { OP_RETM = 73, OP_RET1 = 76, DISPATCHED = 243 };
  const struct seep_luajit_heap *layout = walk->layout;
  uint32_t known = 0, first;
  const char *code = seep_image_view(walk->image, ended->code, (size_t)ended->size * 4);
  if (code == NULL) return 0;
  for (uint32_t i = 0; i < ended->word_count; i++) {
    uintptr_t distance = (uintptr_t)ended->words[i] - ended->code;
    bool is_pc = distance < (uintptr_t)ended->size * 4 && distance % 4 == 0;
    if (is_pc && distance / 4 > known) known = (uint32_t)(distance / 4);
  }
  if (ended->may_have_failed) return known - (known > 0);
  if (layout->dispatch_count != DISPATCHED) return known;
  for (first = 1; first + 1 < ended->size; first++) {
    uint8_t opcode = seep_at_u8(code, (size_t)first * 4);
    if (opcode >= OP_RETM && opcode <= OP_RET1) break;
  }
  return first > known ? first : known;
}

void seep_lj_read_remains(struct seep_walk *walk) {
  struct ended ended;
  if (walk->state->remains == NULL || !find_ended(walk, &ended)) return;
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  uintptr_t names = seep_lj_ref(refs, ended.header, refs->proto_varinfo);
  uintptr_t size = seep_at_u32(ended.header, refs->proto_size);
  const char *whole = seep_image_view(walk->image, ended.proto, size);
  if (whole == NULL || names < ended.proto || names >= ended.proto + size) return;
  struct frame frame = {.base = ended.base, .place = seep_lj_place(walk, ended.proto)};
  struct place lasting = {.pc = known_place(walk, &ended), .end = ended.size};
  name_locals(walk, whole + (names - ended.proto), whole + size, lasting, &frame);
  for (uint32_t i = 0; i < frame.local_count; i++) {
    uintptr_t object = i < ended.word_count ? seep_lj_object(refs, ended.words[i]) : 0;
    seep_walk_edge(walk, SEEP_ROOT_NUMBER, object, SEEP_EDGE_ENDED_LOCAL | SEEP_EDGE_WEAK, frame.locals[i]);
  }
}
