/* See luajit_code.h. */
#include "vm/luajit_code.h"

#include <string.h>

#include "vm/luajit_bytecode.h"

/* SnapShot: offsets in bytes. */
enum {
  SNAP_MAPOFS = 0, SNAP_REF = 4, SNAP_MCOFS = 6, SNAP_NENT = 10, SNAP_BYTES = 12,
};

/* The upper 17 bits of a TValue. */
enum { TAG_STRING = 0x1fffb, TAG_TABLE = 0x1fff4 };
#define TABLE_VALUE(pointer) ((uint64_t)TAG_TABLE << 47 | (pointer))

/* lj_frame.h: a frame's link, with its type in the low bits (all of the two lowest 0: a Lua function's pc). */
enum { LINK_IS_LUA = 3, LINK_TYPE = 7, LINK_CONT = 2, LINK_VARG = 3, LINK_PCALL = 6 };

enum { ENTRY_FRAME = 0x010000, ENTRY_CONT = 0x020000 }; /* SNAP_FRAME, SNAP_CONT */

static uintptr_t load_pointer(uintptr_t at) { return seep_load_pointer(&seep_image_self_checked, at); }
static uint64_t load_u64(uintptr_t at) { return seep_load_u64(&seep_image_self_checked, at); }
static uint32_t load_u32(uintptr_t at) { return seep_load_u32(&seep_image_self_checked, at); }
static uint8_t load_u8(uintptr_t at) { return seep_load_u8(&seep_image_self_checked, at); }

/* -- Bytecode ---------------------------------------------------------------- */

static uint8_t opcode_at(uintptr_t pc) { return seep_bc_op(seep_bc_at(pc)); }
static uintptr_t target_of(uintptr_t pc) { return seep_bc_target(pc, seep_bc_at(pc)); }

/* The prototype that an instruction belongs to: its first instruction is a FUNC*. 0 when none is found. Nothing is read
 * from before the page in which the prototype lies: there may be nothing. */
static uintptr_t proto_of(uintptr_t pc) {
  enum { BACK_MAX = 1 << 16, CHUNK_BYTES = 256 };
  uint32_t code[CHUNK_BYTES / 4];
  for (uintptr_t end = pc + 4; pc + 4 - end < BACK_MAX;) {
    uintptr_t begin = (end - 1) & ~(uintptr_t)(CHUNK_BYTES - 1);
    if (!seep_load(&seep_image_self_checked, begin, code, end - begin)) return 0;
    for (uintptr_t at = end; at > begin;) {
      at -= 4;
      uint8_t opcode = (uint8_t)code[(at - begin) / 4];
      if (opcode >= BC_LATER && seep_luajit_holds(at - SEEP_PROTO_BYTES, pc)) return at - SEEP_PROTO_BYTES;
    }
    end = begin;
  }
  return 0;
}

/* -- Values ------------------------------------------------------------------ */

static bool is_lua_function(uintptr_t function) {
  return load_u8(function + SEEP_OBJECT_TYPE) == SEEP_GCT_FUNC && load_u8(function + SEEP_FUNCTION_FFID) == 0;
}

/* A trace was specialized to the functions that it calls: they, or their code,
 * are among its constants. */
static bool is_constant(const struct seep_luajit_trace *trace, uintptr_t function) {
  uintptr_t code = load_pointer(function + SEEP_FUNCTION_PC);
  for (uint32_t ref = trace->first_constant; ref + 1 < SEEP_IR_BIAS; ref++) {
    uint64_t word = seep_luajit_constant(trace, ref);
    if (word == function || word == code) return true;
  }
  return false;
}

static uint64_t field_of(uint64_t table, uintptr_t key) {
  enum { NODES_MAX = 256 };
  uintptr_t object = SEEP_GC_POINTER(table);
  if (table >> 47 != TAG_TABLE) return 0;
  uintptr_t nodes = load_pointer(object + SEEP_TABLE_NODE);
  uint32_t mask = load_u32(object + SEEP_TABLE_HMASK);
  for (uint32_t i = 0; i <= mask && i < NODES_MAX; i++) {
    uintptr_t node = nodes + i * (uintptr_t)SEEP_TABLE_NODE_BYTES;
    uint64_t node_key = load_u64(node + 8);
    if (node_key >> 47 == TAG_STRING && SEEP_GC_POINTER(node_key) == key) return load_u64(node);
  }
  return 0;
}

static uint64_t upvalue(const struct seep_luajit_level *level, uint32_t number) {
  if (level->closure == 0) return 0;
  uintptr_t cell = load_pointer(level->closure + SEEP_FUNCTION_UVPTR + number * (uintptr_t)8);
  return load_u64(load_pointer(cell + SEEP_UPVALUE_V));
}

static uint64_t global(const struct seep_luajit_level *level, uint32_t number) {
  if (level->closure == 0) return 0;
  return field_of(TABLE_VALUE(load_pointer(level->closure + SEEP_FUNCTION_ENV)), seep_luajit_proto_constant(level->proto, number));
}

static bool writes_a_slot(uint8_t opcode) {
  return (opcode >= BC_MOV && opcode <= BC_UGET) || (opcode >= BC_FNEW && opcode <= BC_TGETR && opcode != BC_GSET) ||
         opcode == BC_CALL || opcode == BC_CALLM;
}

/* The value that slot `slot` has before instruction `pc`, as far as the code that
 * put it there can be read off; 0: unknown. It is a guess: values may have
 * changed, so what comes of it is checked against the trace's constants. */
static uint64_t value_of(const struct seep_luajit_level *level, uintptr_t pc, uint32_t slot, uint32_t depth) {
  enum { BACK_MAX = 64, DEPTH_MAX = 4 };
  uintptr_t first = seep_bc_first(level->proto) + 4;
  for (uint32_t i = 0; depth < DEPTH_MAX && i < BACK_MAX && pc > first; i++) {
    pc -= 4;
    uint32_t ins = seep_bc_at(pc);
    if ((ins >> 8 & 0xff) != slot || !writes_a_slot((uint8_t)ins)) continue;
    switch ((uint8_t)ins) {
      case BC_UGET: return upvalue(level, ins >> 16);
      case BC_MOV: return value_of(level, pc, ins >> 16, depth + 1);
      case BC_GGET: return global(level, ins >> 16);
      case BC_TGETS:
        return field_of(value_of(level, pc, ins >> 24, depth + 1), seep_luajit_proto_constant(level->proto, ins >> 16 & 0xff));
      default: i = BACK_MAX; /* made in a way that is not followed: perhaps it is still there */
    }
  }
  return level->base == 0 ? 0 : load_u64(level->base + slot * (uintptr_t)8);
}

/* -- Snapshots ---------------------------------------------------------------- */

bool seep_luajit_snapshot(const struct seep_luajit_trace *trace, uint32_t number, struct seep_luajit_snapshot *out) {
  if (number >= trace->snap_count) return false;
  uintptr_t snap = trace->snaps + number * (uintptr_t)SNAP_BYTES;
  uint32_t at = seep_load_u32(NULL, snap + SNAP_MAPOFS);
  uint32_t count = seep_load_u8(NULL, snap + SNAP_NENT);
  if (at > trace->snap_map_count || at + count + 2 > trace->snap_map_count) return false;
  uintptr_t entries = trace->snap_map + at * (uintptr_t)4;
  *out = (struct seep_luajit_snapshot){
      .entries = entries, .count = count, .ref = seep_load_u16(NULL, snap + SNAP_REF),
      .code_offset = seep_load_u16(NULL, snap + SNAP_MCOFS),
      .pc = (uintptr_t)(seep_load_u64(NULL, entries + count * (uintptr_t)4) >> 8)};
  return out->pc != 0 && out->ref > SEEP_IR_BIAS && out->ref <= trace->ir_end;
}

static uint32_t entry_at(const struct seep_luajit_snapshot *snapshot, uint32_t i) {
  return seep_load_u32(NULL, snapshot->entries + i * (uintptr_t)4);
}

/* The function in slot `slot` of a snapshot, if it is a constant; else 0. */
static uintptr_t function_in(const struct seep_luajit_trace *trace, const struct seep_luajit_snapshot *snapshot,
                             uint32_t slot) {
  for (uint32_t i = 0; i < snapshot->count; i++) {
    uint32_t entry = entry_at(snapshot, i);
    if (entry >> 24 == slot) return (uintptr_t)seep_luajit_constant(trace, entry & 0xffff);
  }
  return 0;
}

static bool add_level(struct seep_luajit_levels *levels, uintptr_t pc, uintptr_t closure, uintptr_t base) {
  if (levels->count == SEEP_TRACE_FRAMES_MAX) return false;
  uintptr_t proto = closure != 0 ? load_pointer(closure + SEEP_FUNCTION_PC) - SEEP_PROTO_BYTES : 0;
  if (proto == 0 || !seep_luajit_holds(proto, pc)) {
    proto = proto_of(pc);
    closure = 0;
  }
  levels->at[levels->count++] = (struct seep_luajit_level){.pc = pc, .proto = proto, .closure = closure, .base = base};
  return proto != 0;
}

static bool is_builtin(uintptr_t function) {
  return function != 0 && load_u8(function + SEEP_OBJECT_TYPE) == SEEP_GCT_FUNC && load_u8(function + SEEP_FUNCTION_FFID) != 0;
}

/* A builtin that has called a function: its frame is not one of Lua's. */
static bool add_builtin(struct seep_luajit_levels *levels, uintptr_t function) {
  if (levels->count == SEEP_TRACE_FRAMES_MAX || !is_builtin(function)) return false;
  levels->at[levels->count++] = (struct seep_luajit_level){.ffid = load_u8(function + SEEP_FUNCTION_FFID)};
  return true;
}

/* Frame slots come in rising order, and each seep_luajit_holds where its caller goes on; that
 * of a metamethod has it in the slots before. Slot 1 belongs to the frame in which
 * the trace runs. Vararg functions have two frames. */
bool seep_luajit_levels(const struct seep_luajit_trace *trace, const struct seep_luajit_snapshot *snapshot,
                        uintptr_t closure, uintptr_t base, struct seep_luajit_levels *out) {
  uint64_t cont_pc = 0;
  out->count = 0;
  for (uint32_t i = 0; i < snapshot->count; i++) {
    uint32_t entry = entry_at(snapshot, i);
    uint64_t link = seep_luajit_constant(trace, entry & 0xffff);
    if (entry & ENTRY_CONT) cont_pc = link;
    if (!(entry & ENTRY_FRAME)) continue;
    if (entry >> 24 < 2) { /* another function was called in its place */
      closure = function_in(trace, snapshot, 0);
      base = 0;
      continue;
    }
    if ((link & LINK_TYPE) == LINK_VARG) continue;
    if ((link & LINK_TYPE) == LINK_PCALL) {
      if (!add_builtin(out, closure)) return false;
      closure = function_in(trace, snapshot, (entry >> 24) - 1);
      continue;
    }
    if ((link & LINK_TYPE) == LINK_CONT) link = cont_pc;
    if ((link & LINK_IS_LUA) != 0 || !add_level(out, (uintptr_t)link, closure, base)) return false;
    closure = function_in(trace, snapshot, (entry >> 24) - 1);
    base = 0;
  }
  if (out->count > 0 && is_builtin(closure)) return add_builtin(out, closure);
  return add_level(out, snapshot->pc, closure, base);
}

bool seep_luajit_is_inside(const struct seep_luajit_snapshot *snapshot) {
  for (uint32_t i = 0; i < snapshot->count; i++) {
    uint32_t entry = entry_at(snapshot, i);
    if ((entry & ENTRY_FRAME) && entry >> 24 >= 2) return true;
  }
  return false;
}

/* The function that a snapshot has in the frame of what the instruction before `return_pc`
 * called (itself or as a metamethod), or 0. */
static uintptr_t called_in(const struct seep_luajit_trace *trace, uint32_t number, uintptr_t return_pc) {
  struct seep_luajit_snapshot snapshot;
  uint64_t cont_pc = 0;
  if (!seep_luajit_snapshot(trace, number, &snapshot)) return 0;
  for (uint32_t i = 0; i < snapshot.count; i++) {
    uint32_t entry = entry_at(&snapshot, i);
    if (!(entry & (ENTRY_FRAME | ENTRY_CONT)) || entry >> 24 < 2) continue;
    uint64_t link = seep_luajit_constant(trace, entry & 0xffff);
    if (entry & ENTRY_CONT) cont_pc = link;
    if (!(entry & ENTRY_FRAME)) continue;
    if ((link & LINK_TYPE) == LINK_CONT) link = cont_pc;
    if (link == return_pc) return function_in(trace, &snapshot, (entry >> 24) - 1);
  }
  return 0;
}

/* The same for a trace: the next snapshot behind `from` tells what is called there then. */
static uintptr_t called_at(const struct seep_luajit_trace *trace, uint32_t from, uintptr_t return_pc) {
  enum { AHEAD_MAX = 64 };
  for (uint32_t i = 1; i < trace->snap_count && i < AHEAD_MAX; i++) {
    uintptr_t function = called_in(trace, (from + i) % trace->snap_count, return_pc);
    if (function != 0) return function;
  }
  return 0;
}

/* -- What makes what ------------------------------------------------------------ */

/* What a builtin makes in a trace. */
enum call_kind { CALL_UNKNOWN, CALL_NOTHING, CALL_FORMAT, CALL_BUFFER, CALL_PART, CALL_NUMBER, CALL_TABLES,
                 CALL_CDATA };

static const struct { const char *name; enum call_kind kind; } builtins[] = {
    {"string.format", CALL_FORMAT}, {"string.rep", CALL_BUFFER}, {"string.lower", CALL_BUFFER},
    {"string.upper", CALL_BUFFER}, {"string.reverse", CALL_BUFFER}, {"table.concat", CALL_BUFFER},
    {"string.sub", CALL_PART}, {"tostring", CALL_NUMBER}, {"string.char", CALL_NUMBER},
    {"table.insert", CALL_TABLES}, {"rawset", CALL_TABLES}, {"table.new", CALL_TABLES}};

static enum call_kind kind_of_builtin(const char *name) {
  for (uint32_t i = 0; i < SEEP_ARRAY_SIZE(builtins); i++) {
    if (strcmp(name, builtins[i].name) == 0) return builtins[i].kind;
  }
  return strncmp(name, "ffi.", 4) == 0 ? CALL_CDATA : CALL_NOTHING;
}

static bool is_string_maker(uint8_t op) {
  return op == SEEP_IR_SNEW || op == SEEP_IR_XSNEW || op == SEEP_IR_TOSTR ||
         (op >= SEEP_IR_BUFHDR && op <= SEEP_IR_BUFSTR);
}

/* The constant string that the last instruction before `pc` that writes `slot` puts there, or 0. */
static uintptr_t string_in(const struct seep_luajit_level *level, uintptr_t pc, uint32_t slot) {
  enum { BACK_MAX = 24 };
  for (uint32_t i = 0; i < BACK_MAX && pc > seep_bc_first(level->proto) + 4; i++) {
    pc -= 4;
    uint32_t ins = seep_bc_at(pc);
    if ((ins >> 8 & 0xff) != slot || !writes_a_slot((uint8_t)ins)) continue;
    return (uint8_t)ins == BC_KSTR ? seep_luajit_proto_constant(level->proto, ins >> 16) : 0;
  }
  return 0;
}

/* What a builtin in a field of that name makes, of a table or string that is not known. */
static enum call_kind kind_of_field(uintptr_t string) {
  enum { NAME_MAX = 16, STRING_BYTES = 24 };
  char field[NAME_MAX + 1] = "";
  seep_load(&seep_image_self_checked, string + STRING_BYTES, field, NAME_MAX);
  for (uint32_t i = 0; i < SEEP_ARRAY_SIZE(builtins); i++) {
    const char *dot = strchr(builtins[i].name, '.');
    if (dot != NULL && strcmp(dot + 1, field) == 0) return builtins[i].kind;
  }
  return CALL_UNKNOWN;
}

/* The same for the call at a level, of whatever its slot has from a field. */
static enum call_kind kind_of_method(const struct seep_luajit_level *level) {
  enum { BACK_MAX = 24 };
  uint32_t slot = seep_bc_at(level->pc) >> 8 & 0xff;
  for (uintptr_t pc = level->pc - 4; pc > seep_bc_first(level->proto) && level->pc - pc < BACK_MAX * 4u; pc -= 4) {
    uint32_t ins = seep_bc_at(pc);
    if ((ins >> 8 & 0xff) != slot || !writes_a_slot((uint8_t)ins)) continue;
    return (uint8_t)ins == BC_TGETS ? kind_of_field(seep_luajit_proto_constant(level->proto, ins >> 16 & 0xff)) : CALL_UNKNOWN;
  }
  return CALL_UNKNOWN;
}

/* Whether the first operand of a concatenation was put together just before: then its
 * buffer goes on, unless it is needed elsewhere. */
static bool begins_with_made(const struct seep_luajit_level *level, uint32_t first) {
  enum { BACK_MAX = 24 };
  for (uint32_t i = 1; i < BACK_MAX && level->pc - i * 4 > seep_bc_first(level->proto); i++) {
    struct seep_luajit_level before = *level;
    before.pc -= i * 4;
    uint32_t ins = seep_bc_at(before.pc);
    uint8_t opcode = (uint8_t)ins;
    bool is_call = opcode >= BC_CALLM && opcode <= BC_ITERN;
    if (opcode <= BC_ISF || (is_call && (ins >> 8 & 0xff) != first)) return false;
    if (opcode == BC_CAT) return (ins >> 8 & 0xff) == first;
    if (!is_call) continue;
    enum call_kind kind = kind_of_method(&before);
    return kind == CALL_FORMAT || kind == CALL_BUFFER;
  }
  return false;
}

/* CAT A B C: of the slots B to C. */
static bool cat_fits(const struct seep_luajit_level *level, const struct seep_luajit_wanted *wanted) {
  uint32_t ins = seep_bc_at(level->pc), first = ins >> 24, last = ins >> 16 & 0xff;
  if (wanted->is_loose || wanted->ir.op != SEEP_IR_BUFSTR) return true;
  if (wanted->text.is_whole && begins_with_made(level, first)) return false;
  uint64_t operands[SEEP_TEXT_PIECES_MAX];
  uint32_t count = last - first + 1;
  for (uint32_t i = 0; i < count && i < SEEP_TEXT_PIECES_MAX; i++) operands[i] = string_in(level, level->pc, last - i);
  return count > SEEP_TEXT_PIECES_MAX || seep_luajit_text_fits(&wanted->text, operands, count);
}

/* Whether what the instruction puts into its slot A goes as the first piece into a
 * concatenation, whose buffer then goes on with it. */
static bool is_appended_to(const struct seep_luajit_level *level) {
  enum { AHEAD_MAX = 24 };
  uint32_t slot = seep_bc_at(level->pc) >> 8 & 0xff;
  for (uint32_t i = 1; i < AHEAD_MAX && seep_bc_is_inside(level->proto, level->pc + i * 4); i++) {
    uint32_t ins = seep_bc_at(level->pc + i * 4);
    uint8_t opcode = (uint8_t)ins;
    if (opcode == BC_CAT) return ins >> 24 == slot;
    if (opcode <= BC_ISF || (opcode >= BC_CALLM && opcode <= BC_ITERN) || opcode >= BC_RETM) return false;
  }
  return false;
}

/* Format's first argument: behind the function and the frame's link. */
static bool call_makes_text(const struct seep_luajit_level *level, const struct seep_luajit_wanted *wanted,
                            enum call_kind kind) {
  if (kind != CALL_FORMAT && kind != CALL_BUFFER && kind != CALL_NUMBER && kind != CALL_UNKNOWN) return false;
  if (wanted->is_loose) return true;
  if (kind == CALL_UNKNOWN || is_appended_to(level)) return false;
  if (kind == CALL_BUFFER) return wanted->text.by_call && wanted->text.is_whole && wanted->text.count == 1;
  if (kind == CALL_NUMBER) return !wanted->text.by_call;
  uintptr_t format = string_in(level, level->pc, (seep_bc_at(level->pc) >> 8 & 0xff) + 2);
  return format == 0 || seep_luajit_text_fits_format(&wanted->text, format);
}

static bool call_makes(const struct seep_luajit_level *level, const struct seep_luajit_wanted *wanted,
                       enum call_kind kind) {
  uint8_t op = wanted->ir.op;
  if (op == SEEP_IR_BUFSTR) return call_makes_text(level, wanted, kind);
  if (op == SEEP_IR_TOSTR) return kind == CALL_NUMBER || kind == CALL_UNKNOWN;
  if (op == SEEP_IR_SNEW) return kind == CALL_PART || kind == CALL_UNKNOWN;
  if (op == SEEP_IR_NEWREF) return kind == CALL_TABLES;
  if (op == SEEP_IR_CNEW || op == SEEP_IR_CNEWI || op == SEEP_IR_XSNEW) {
    return kind == CALL_CDATA || kind == CALL_UNKNOWN;
  }
  return (is_string_maker(op) || (op >= SEEP_IR_CALLN && op <= SEEP_IR_CALLXS)) && kind != CALL_NOTHING;
}

/* A key that is set: by its constant where that is one. */
static bool sets_key(const struct seep_luajit_level *level, uint32_t ins, uint64_t key) {
  uint8_t opcode = (uint8_t)ins;
  if (key == 0) return (opcode >= BC_TSETV && opcode <= BC_TSETR && opcode != BC_TSETS);
  if (opcode == BC_GSET) return seep_luajit_proto_constant(level->proto, ins >> 16) == key;
  if (opcode == BC_TSETS) return seep_luajit_proto_constant(level->proto, ins >> 16 & 0xff) == key;
  return opcode == BC_TSETV;
}

/* Whether the instruction that runs at a level becomes the IR that is wanted; calls
 * are looked at when their function is known. */
static bool makes(const struct seep_luajit_level *level, const struct seep_luajit_wanted *wanted) {
  uint32_t ins = seep_bc_at(level->pc);
  uint8_t opcode = (uint8_t)ins;
  uint32_t array = ins >> 16 & 0x7ff;
  switch (wanted->ir.op) {
    case SEEP_IR_TNEW: /* lj_record.c rec_tnew */
      return opcode == BC_TNEW && (array == 0x7ff ? 0x801 : array) == wanted->ir.op1 && ins >> 27 == wanted->ir.op2;
    case SEEP_IR_TDUP: return opcode == BC_TDUP && seep_luajit_proto_constant(level->proto, ins >> 16) == wanted->constant;
    case SEEP_IR_NEWREF: return sets_key(level, ins, wanted->constant);
    case SEEP_IR_CNEW:
    case SEEP_IR_CNEWI: return (opcode >= BC_ADDVN && opcode <= BC_POW) || opcode == BC_UNM ||
                               (opcode >= BC_TGETV && opcode <= BC_TGETB);
    case SEEP_IR_BUFSTR:
      return opcode == BC_CAT && cat_fits(level, wanted) && (wanted->is_loose || !is_appended_to(level));
    default: return is_string_maker(wanted->ir.op) && opcode == BC_CAT;
  }
}

/* -- The walk ------------------------------------------------------------------ */

struct walk {
  const struct seep_vm_state *state;
  const struct seep_luajit_trace *trace;
  const struct seep_luajit_wanted *wanted;
  uintptr_t end;
  struct seep_luajit_levels *levels;
  uint32_t before;           /* of the kind wanted, that are still to come */
  uint32_t met;              /* which of the checked functions were called: bits */
};

enum step { STEP_ON, STEP_FOUND, STEP_OUT };

static struct seep_luajit_level *innermost(const struct walk *walk) {
  return &walk->levels->at[walk->levels->count - 1];
}

static enum step count_down(struct walk *walk) { return walk->before-- == 0 ? STEP_FOUND : STEP_ON; }

/* Notes that a function is called. */
static void meet(struct walk *walk, uintptr_t function) {
  for (uint32_t i = 0; i < walk->wanted->checked_count; i++) {
    if (walk->wanted->checked[i] != function || (walk->met >> i & 1)) continue;
    walk->met |= 1u << i;
    return;
  }
}

/* The next function that the trace checks for and that was not met; 0: none. */
static uintptr_t next_checked(const struct walk *walk) {
  for (uint32_t i = 0; i < walk->wanted->checked_count; i++) {
    if (!(walk->met >> i & 1)) return walk->wanted->checked[i];
  }
  return 0;
}

/* The function that the call at a level calls, by the value of its slot; 0: unknown. */
static uintptr_t value_called(const struct walk *walk, const struct seep_luajit_level *level) {
  uint64_t value = value_of(level, level->pc, seep_bc_at(level->pc) >> 8 & 0xff, 0);
  uintptr_t function = value >> 47 == SEEP_TAG_FUNCTION ? SEEP_GC_POINTER(value) : 0;
  if (function == 0 || load_u8(function + SEEP_OBJECT_TYPE) != SEEP_GCT_FUNC) return 0;
  return is_lua_function(function) && !is_constant(walk->trace, function) ? 0 : function;
}

static uintptr_t callee_of(struct walk *walk, const struct seep_luajit_level *level) {
  uintptr_t function = called_at(walk->trace, walk->wanted->snapshot, level->pc + 4);
  if (function == 0) function = value_called(walk, level);
  if (function == 0) function = next_checked(walk);
  if (load_u8(function + SEEP_OBJECT_TYPE) != SEEP_GCT_FUNC) return 0;
  meet(walk, function);
  return function;
}

static enum call_kind kind_of_callee(const struct walk *walk, const struct seep_luajit_level *level,
                                     uintptr_t function) {
  if (function == 0) return kind_of_method(level);
  uint8_t ffid = load_u8(function + SEEP_FUNCTION_FFID);
  const char *name = seep_vm_c_name(walk->state->vm, SEEP_KEY_C | SEEP_KEY_BUILTIN | ffid);
  return name == NULL ? CALL_UNKNOWN : kind_of_builtin(name);
}

/* Goes on in a function that is called. */
static enum step enter(struct walk *walk, uintptr_t function, bool is_tail) {
  uintptr_t code = load_pointer(function + SEEP_FUNCTION_PC);
  if (!seep_luajit_holds(code - SEEP_PROTO_BYTES, code + 4)) return STEP_OUT;
  innermost(walk)->pc += 4;
  if (!is_tail && walk->levels->count == SEEP_TRACE_FRAMES_MAX) return STEP_OUT;
  if (!is_tail) walk->levels->count++;
  *innermost(walk) = (struct seep_luajit_level){.pc = code + 4, .proto = code - SEEP_PROTO_BYTES, .closure = function};
  return STEP_ON;
}

/* A call: of a Lua function, which the trace has inlined, or of a builtin. */
static enum step step_call(struct walk *walk, bool is_tail) {
  struct seep_luajit_level *level = innermost(walk);
  uintptr_t function = callee_of(walk, level);
  if (function == 0 || !is_lua_function(function)) {
    bool made = call_makes(level, walk->wanted, kind_of_callee(walk, level, function));
    if (made && count_down(walk) == STEP_FOUND) return STEP_FOUND;
    level->pc += 4;
    return is_tail ? STEP_OUT : STEP_ON;
  }
  return enter(walk, function, is_tail);
}

/* The metamethod that an instruction calls, if a snapshot shows it, or a check lets one think so; else 0. */
static uintptr_t metamethod_of(struct walk *walk, const struct seep_luajit_level *level) {
  uint8_t opcode = opcode_at(level->pc);
  bool is_operator = opcode >= BC_UNM && opcode <= BC_CAT;
  if (!is_operator && (opcode < BC_GGET || opcode > BC_TSETB)) return 0;
  uintptr_t function = called_at(walk->trace, walk->wanted->snapshot, level->pc + 4);
  if (function == 0 && is_operator && walk->wanted->with_operators) function = next_checked(walk);
  if (function == 0 || !is_lua_function(function)) return 0;
  meet(walk, function);
  return function;
}

/* A test and the jump behind it: towards the end that is known, else straight on. */
static void step_test(struct walk *walk) {
  struct seep_luajit_level *level = innermost(walk);
  uintptr_t target = target_of(level->pc + 4);
  bool is_towards_end = target > level->pc && target <= walk->end && seep_bc_is_inside(level->proto, walk->end);
  level->pc = is_towards_end ? target : level->pc + 8;
}

/* A jump, a loop's end, or anything else that goes on. The trace's own loop has
 * another instruction in place of the one kept in the trace; other traces' loops end
 * here, as does the one at whose end a side trace starts. */
static void step_plain(struct walk *walk) {
  struct seep_luajit_level *level = innermost(walk);
  uint8_t opcode = opcode_at(level->pc);
  uint8_t start = (uint8_t)walk->trace->start_ins;
  bool is_own = level->pc == walk->trace->start_pc && (start == BC_FORL || start == BC_ITERL);
  bool jumps = opcode == BC_JMP || opcode == BC_UCLO || opcode == BC_FORL || opcode == BC_IFORL ||
               opcode == BC_ITERL || opcode == BC_IITERL;
  if ((opcode == BC_JFORL || opcode == BC_JITERL) && is_own) {
    level->pc += 4 + ((uintptr_t)(walk->trace->start_ins >> 16) - 0x8000) * 4;
  } else {
    level->pc = jumps ? target_of(level->pc) : level->pc + 4;
  }
}

static enum step step(struct walk *walk) {
  uint8_t opcode = opcode_at(innermost(walk)->pc);
  if (opcode <= BC_ISF) {
    step_test(walk);
  } else if (opcode >= BC_CALLM && opcode <= BC_ITERN) {
    return step_call(walk, opcode == BC_CALLMT || opcode == BC_CALLT);
  } else if (opcode >= BC_RETM && opcode <= BC_RET1) {
    if (!seep_luajit_leave(walk->levels)) return STEP_OUT;
  } else {
    uintptr_t function = metamethod_of(walk, innermost(walk));
    if (function != 0) return enter(walk, function, false);
    if (makes(innermost(walk), walk->wanted) && count_down(walk) == STEP_FOUND) return STEP_FOUND;
    step_plain(walk);
  }
  return STEP_ON;
}

bool seep_luajit_leave(struct seep_luajit_levels *levels) {
  uint32_t count = levels->count - 1;
  while (count > 0 && levels->at[count - 1].ffid != 0) count--;
  if (count == 0) return false;
  levels->count = count;
  return true;
}

bool seep_luajit_walk(const struct seep_vm_state *state, const struct seep_luajit_trace *trace,
                      const struct seep_luajit_wanted *wanted, uintptr_t end, struct seep_luajit_levels *levels) {
  enum { STEPS_MAX = 96 };
  struct walk walk = {.state = state, .trace = trace, .wanted = wanted, .end = end, .levels = levels,
                      .before = wanted->before};
  for (uint32_t i = 0; i < STEPS_MAX; i++) {
    const struct seep_luajit_level *level = innermost(&walk);
    if (!seep_bc_is_inside(level->proto, level->pc) || (i > 0 && level->pc == end)) return false;
    enum step next = step(&walk);
    if (next != STEP_ON) return next == STEP_FOUND;
  }
  return false;
}

bool seep_luajit_walk_back(const struct seep_luajit_wanted *wanted, struct seep_luajit_levels *levels) {
  enum { BACK_MAX = 96 };
  struct seep_luajit_level *level = &levels->at[levels->count - 1];
  for (uint32_t i = 0; i < BACK_MAX && level->pc > seep_bc_first(level->proto) + 4; i++) {
    level->pc -= 4;
    if (makes(level, wanted)) return true;
  }
  return false;
}

uint32_t seep_luajit_starts(const struct seep_luajit_level *level, uintptr_t out[SEEP_STARTS_MAX]) {
  enum { BACK_MAX = 128 };
  uint32_t count = 0;
  uintptr_t first = seep_bc_first(level->proto);
  out[count++] = level->pc;
  for (uintptr_t at = level->pc; at >= first + 8 && count < SEEP_STARTS_MAX; at -= 4) {
    if (level->pc - at >= BACK_MAX * 4u) break;
    if (opcode_at(at - 4) != BC_JMP || opcode_at(at - 8) > BC_ISF) continue;
    if (at == level->pc) {
      out[count++] = target_of(at - 4);
    } else if (target_of(at - 4) == level->pc) {
      out[count++] = at;
    }
  }
  return count;
}

/* -- Prints -- */

uint64_t seep_luajit_print(uintptr_t proto) {
  enum { FIRST = SEEP_PROTO_CHUNKNAME, SIZE_MAX_BYTES = 256 << 10, WORDS = 128 };
  const struct seep_image *image = &seep_image_self_checked;
  uint32_t code = SEEP_PROTO_BYTES + seep_load_u32(image, proto + SEEP_PROTO_SIZEBC) * 4;
  uint32_t size = seep_load_u32(image, proto + SEEP_PROTO_SIZE);
  if (size < code || size > SIZE_MAX_BYTES) return 0;
  uint64_t print = size, words[WORDS];
  if (!seep_load(image, proto + FIRST, words, SEEP_PROTO_BYTES - FIRST)) return 0;
  for (uint32_t i = 0; i < (SEEP_PROTO_BYTES - FIRST) / 8; i++) print = seep_mix64(print ^ words[i]);
  for (uint32_t at = code, count; at < size; at += count) {
    count = size - at < sizeof words ? size - at : (uint32_t)sizeof words;
    words[(count - 1) / 8] = 0;
    if (!seep_load(image, proto + at, words, count)) return 0;
    for (uint32_t i = 0; i < (count + 7) / 8; i++) print = seep_mix64(print ^ words[i]);
  }
  return print;
}
