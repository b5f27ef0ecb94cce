/* See luajit_slots.h. */
#include "vm/luajit_slots.h"

#include "vm/luajit_bytecode.h"

static bool writes_slot(uint32_t ins, uint32_t slot) {
  uint8_t op = seep_bc_op(ins);
  uint32_t a = seep_bc_a(ins);
  if ((op >= BC_CALLM && op <= BC_CALL) || op == BC_VARG) return slot >= a; /* one or many, and what is above is gone */
  if (op == BC_ITERC || op == BC_ITERN) return slot >= a - 3;
  if (op == BC_KNIL) return slot >= a && slot <= seep_bc_d(ins);
  if (op >= BC_FORI && op <= BC_JITERL) return slot >= a;
  bool is_other = (op >= BC_ISTC && op <= BC_ISFC) || (op >= BC_MOV && op <= BC_UGET) ||
                  (op >= BC_FNEW && op <= BC_TGETR && op != BC_GSET) || op >= BC_LATER;
  return is_other && a == slot;
}

/* lj_trace.c trace_stop: the trace keeps it. */
uint32_t seep_luajit_original(const struct seep_luajit_traces *traces, uint32_t ins) {
  enum { TRACE_STARTINS = 80, GCT_TRACE = 9 };
  uint8_t op = seep_bc_op(ins);
  if (op != BC_JFORL && op != BC_JITERL && op != BC_JLOOP) return ins;
  uint32_t number = seep_bc_d(ins);
  if (number >= traces->trace_count) return 0;
  uintptr_t trace = seep_load_pointer(NULL, traces->traces + number * (uintptr_t)8);
  if (trace == 0 || seep_load_u8(NULL, trace + SEEP_OBJECT_TYPE) != GCT_TRACE) return 0;
  return seep_load_u32(NULL, trace + TRACE_STARTINS);
}

/* Where the instruction at `pc` may jump to; 0: nowhere. */
static uintptr_t jump_at(const struct seep_luajit_traces *traces, uintptr_t pc) {
  uint32_t ins = seep_luajit_original(traces, seep_bc_at(pc));
  uint8_t op = seep_bc_op(ins);
  bool jumps = op == BC_JMP || op == BC_UCLO || op == BC_ISNEXT || (op >= BC_FORI && op <= BC_IITERL);
  return jumps ? seep_bc_target(pc, ins) : 0;
}

static bool may_write(const struct seep_luajit_traces *traces, uintptr_t pc, uint32_t slot) {
  uint32_t ins = seep_luajit_original(traces, seep_bc_at(pc));
  return ins == 0 || writes_slot(ins, slot);
}

/* Whether something elsewhere jumps to behind `from` and not beyond `pc`: then what is at `from` need
 * not have been done. */
static bool is_jumped_into(const struct seep_luajit_traces *traces, uintptr_t proto, uintptr_t from, uintptr_t pc) {
  for (uintptr_t at = seep_bc_first(proto) + 4; at < seep_bc_end(proto); at += 4) {
    uintptr_t target = jump_at(traces, at);
    if (target > from && target <= pc && (at < from || at > pc)) return true;
  }
  return false;
}

/* Whether something from outside jumps into the body of a loop, from `first` to before `end`. */
static bool is_jumped_into_body(const struct seep_luajit_traces *traces, uintptr_t proto, uintptr_t first,
                                uintptr_t end) {
  for (uintptr_t at = seep_bc_first(proto) + 4; at < seep_bc_end(proto); at += 4) {
    uintptr_t target = jump_at(traces, at);
    if (target >= first && target < end && (at < first || at > end + 4)) return true;
  }
  return false;
}

/* The instruction before `pc` that certainly put there what `slot` has; 0: not certain. */
static uintptr_t writer_of(const struct seep_luajit_traces *traces, uintptr_t proto, uintptr_t pc, uint32_t slot) {
  enum { BACK_MAX = 128 };
  for (uintptr_t at = pc - 4; at > seep_bc_first(proto) && pc - at < BACK_MAX * 4u; at -= 4) {
    if (!may_write(traces, at, slot)) continue;
    return is_jumped_into(traces, proto, at, pc) ? 0 : at;
  }
  return 0;
}

/* The cell of an upvalue; 0: the closure is unknown. */
static uintptr_t cell_of(const struct seep_luajit_level *level, uint32_t number) {
  if (level->closure == 0 || number >= seep_load_u8(NULL, level->proto + SEEP_PROTO_SIZEUV)) return 0;
  return seep_load_pointer(NULL, level->closure + SEEP_FUNCTION_UVPTR + number * (uintptr_t)8);
}

uint64_t seep_luajit_fixed_upvalue(const struct seep_luajit_level *level, uint32_t number) {
  uintptr_t cell = cell_of(level, number);
  if (cell == 0 || seep_load_u8(NULL, cell + SEEP_UPVALUE_IMMUTABLE) == 0) return 0;
  return seep_load_u64(NULL, seep_load_pointer(NULL, cell + SEEP_UPVALUE_V));
}

/* Whether an instruction loads what may change: from a table, or an upvalue that is assigned to. (An open one can be a
 * slot of the trace's, with a constant in it.) */
static bool is_load(const struct seep_luajit_level *level, uint32_t ins) {
  uint8_t op = seep_bc_op(ins);
  if (op == BC_GGET || (op >= BC_TGETV && op <= BC_TGETR)) return true;
  uintptr_t cell = op == BC_UGET ? cell_of(level, seep_bc_d(ins)) : 0;
  return cell != 0 && seep_load_u8(NULL, cell + SEEP_UPVALUE_IMMUTABLE) == 0 &&
         seep_load_u8(NULL, cell + SEEP_UPVALUE_CLOSED) != 0;
}

/* Whether `slot` of the function in which a trace runs is never written in the loop that holds both
 * where it began there and `level`: then it is in memory, as it was before. */
static bool is_settled(const struct seep_luajit_traces *traces, const struct seep_luajit_level *level, uint32_t slot) {
  uintptr_t first = UINTPTR_MAX, last = 0;
  if (traces->start_pc == 0) return false;
  for (uintptr_t at = level->pc; at < seep_bc_end(level->proto); at += 4) {
    uintptr_t target = jump_at(traces, at);
    if (target == 0 || target > level->pc || at < level->pc) continue;
    if (target < first) first = target;
    last = at;
  }
  if (traces->start_pc < first || traces->start_pc > last) return false;
  for (uintptr_t at = first; at <= last; at += 4) {
    if (may_write(traces, at, slot)) return false;
  }
  return true;
}

/* The loop over an iterator whose body holds `pc` and has `slot` as one of its variables, set by the iterator
 * alone: then that is where its value comes from. */
static bool is_iterated(const struct seep_luajit_traces *traces, uintptr_t proto, uintptr_t pc, uint32_t slot) {
  for (uintptr_t at = pc + 4; at < seep_bc_end(proto); at += 4) {
    uint32_t call = seep_bc_at(at - 4), ins = seep_luajit_original(traces, seep_bc_at(at));
    uintptr_t target = jump_at(traces, at);
    bool is_loop = (seep_bc_op(ins) == BC_ITERL || seep_bc_op(ins) == BC_IITERL) && target != 0 && target <= pc;
    if (!is_loop || seep_bc_op(call) != BC_ITERC) continue;
    if (slot < seep_bc_a(call) || slot + 1 >= seep_bc_a(call) + seep_bc_b(call)) continue;
    for (uintptr_t inside = target; inside < at - 4; inside += 4) {
      if (may_write(traces, inside, slot)) return false;
    }
    return !is_jumped_into_body(traces, proto, target, at - 4);
  }
  return false;
}

bool seep_luajit_counts(const struct seep_luajit_traces *traces, const struct seep_luajit_level *level, uint32_t slot) {
  enum { VARIABLE = 3 };
  for (uintptr_t at = level->pc + 4; at < seep_bc_end(level->proto); at += 4) {
    uint32_t ins = seep_luajit_original(traces, seep_bc_at(at));
    uintptr_t target = jump_at(traces, at);
    bool is_loop = (seep_bc_op(ins) == BC_FORL || seep_bc_op(ins) == BC_IFORL) && target != 0 && target <= level->pc;
    if (!is_loop || slot != seep_bc_a(ins) + VARIABLE) continue;
    for (uintptr_t inside = target; inside < at; inside += 4) {
      if (may_write(traces, inside, slot)) return false;
    }
    return !is_jumped_into_body(traces, level->proto, target, at);
  }
  return false;
}

/* Whether there has never been another closure of a level's prototype (lj_func.c lj_func_newL counts them). Others than
 * that of the outermost function are constants of the trace. */
static bool is_only_closure(const struct seep_luajit_level *level, bool is_outermost) {
  enum { COUNT = 0xe0, ONE = 0x20 };
  return !is_outermost || (seep_load_u8(NULL, level->proto + SEEP_PROTO_FLAGS) & COUNT) == ONE;
}

/* What a table has now under a name (a string object); 0: not found. */
static uint64_t field_of(uint64_t table, uintptr_t name) {
  enum { NODES_MAX = 256, TAG_STRING = 0x1fffb, TAG_TABLE = 0x1fff4 };
  if (table >> 47 != TAG_TABLE) return 0;
  uintptr_t nodes = seep_load_pointer(NULL, SEEP_GC_POINTER(table) + SEEP_TABLE_NODE);
  uint32_t mask = seep_load_u32(NULL, SEEP_GC_POINTER(table) + SEEP_TABLE_HMASK);
  for (uint32_t i = 0; i <= mask && i < NODES_MAX; i++) {
    uintptr_t node = nodes + i * (uintptr_t)SEEP_TABLE_NODE_BYTES;
    uint64_t key = seep_load_u64(NULL, node + SEEP_TABLE_NODE_KEY);
    if (key >> 47 == TAG_STRING && SEEP_GC_POINTER(key) == name) return seep_load_u64(NULL, node);
  }
  return 0;
}

/* What is followed to a value: where it was put into its slot. */
struct source {
  uintptr_t writer;          /* the instruction; 0: not known */
  uintptr_t pc;              /* otherwise it was in `slot` here */
  uint32_t slot;
};

static struct source source_of(const struct seep_luajit_traces *traces, const struct seep_luajit_level *level,
                               uintptr_t pc, uint32_t slot) {
  enum { MOVES_MAX = 3 };
  struct source source = {.pc = pc, .slot = slot};
  for (uint32_t i = 0; i < MOVES_MAX; i++) {
    source.writer = writer_of(traces, level->proto, source.pc, source.slot);
    if (source.writer == 0 || seep_bc_op(seep_bc_at(source.writer)) != BC_MOV) return source;
    source.pc = source.writer;
    source.slot = seep_bc_d(seep_bc_at(source.writer));
  }
  source.writer = 0;
  return source;
}

/* What a slot has that nothing in the loop writes, or an upvalue that nothing ever writes; 0: unknown. */
static uint64_t fixed_value(const struct seep_luajit_traces *traces, const struct seep_luajit_level *level,
                            bool is_outermost, const struct source *source) {
  uint32_t ins = source->writer == 0 ? 0 : seep_bc_at(source->writer);
  if (source->writer != 0 && seep_bc_op(ins) == BC_UGET) return seep_luajit_fixed_upvalue(level, seep_bc_d(ins));
  bool is_in_memory = is_outermost && level->base != 0 && is_settled(traces, level, source->slot);
  return is_in_memory ? seep_load_u64(NULL, level->base + source->slot * (uintptr_t)8) : 0;
}

struct seep_luajit_origin seep_luajit_slot_origin(const struct seep_luajit_traces *traces,
                                                  const struct seep_luajit_level *level, bool is_outermost,
                                                  uint32_t slot) {
  struct seep_luajit_origin origin = {0};
  struct source source = source_of(traces, level, level->pc, slot);
  uint32_t ins = source.writer == 0 ? 0 : seep_bc_at(source.writer);
  uint64_t value = 0;
  if (source.writer != 0 && seep_bc_op(ins) == BC_GGET) {
    origin.key = seep_luajit_proto_constant(level->proto, seep_bc_d(ins));
  } else if (source.writer != 0 && seep_bc_op(ins) == BC_TGETS) {
    struct source table = source_of(traces, level, source.writer, seep_bc_b(ins));
    origin.key = seep_luajit_proto_constant(level->proto, seep_bc_c(ins));
    value = field_of(fixed_value(traces, level, is_outermost, &table), (uintptr_t)origin.key);
  } else {
    value = fixed_value(traces, level, is_outermost, &source);
    origin.is_certain = source.writer != 0 && value != 0 && is_only_closure(level, is_outermost);
    if (source.writer == 0 && is_iterated(traces, level->proto, source.pc, source.slot)) origin.iterated = source.slot + 1;
  }
  origin.is_loaded = source.writer != 0 && is_load(level, ins);
  if (value >> 47 == SEEP_TAG_FUNCTION) origin.object = SEEP_GC_POINTER(value);
  return origin;
}
