/* See luajit_path.h. */
#include "vm/luajit_path.h"

#include <string.h>

#include "vm/luajit_bytecode.h"
#include "vm/luajit_callees.h"

enum { TABLES_MAX = 64, WAYS_MAX = 128, STEPS_MAX = 4096, LENGTH_MAX = 512, MADE_MAX = 32, TURNS_MAX = 32, SEEN_MAX = 2048 };

/* A way as far as it was gone. What it has met is kept beside it: ways share their beginnings. */
struct way {
  struct seep_luajit_levels levels;
  uint32_t tables;           /* of the piece's that were made */
  uint64_t made_hash;        /* of their places */
  uint32_t made;             /* instructions met that may have made what is wanted */
  uint32_t turns;            /* places where it may have gone round */
  uint32_t length;
  uint32_t met;              /* callees that were called: bits */
  bool has_joined_parts;     /* in a concatenation that may have made several strings */
  bool has_compared;         /* values, so that a function that is compared with need not be called */
  bool is_past_snapshot;     /* one was taken and let go: nothing with a guard is made any more */
};

struct search {
  const struct seep_luajit_piece *piece;
  struct seep_luajit_callees callees;
  uint32_t required;         /* callees that the piece compares with: bits */
  uint32_t guard_tables[SEEP_CALLEES_MAX];  /* … and how many tables it makes before it does */

  struct seep_luajit_ir wanted;
  bool is_table;             /* TNEW or TDUP */
  bool is_guard;             /* it is one, so that snapshots on either side of it stay apart */
  bool has_concat;           /* a metamethod: one concatenation may make several strings */
  uint32_t tables_before;    /* tables of the piece before it */
  uint32_t like_before, like_count;  /* of those of its kind between the same tables: its number, and how many */
  uint32_t table_count;
  struct { struct seep_luajit_ir ir; uintptr_t template; } tables[TABLES_MAX];

  uint32_t way_count, steps;
  struct way ways[WAYS_MAX];
  struct { uint64_t place; struct seep_luajit_levels levels; } made[MADE_MAX];
  uint64_t turns[TURNS_MAX];
  uint32_t seen_count;
  uint64_t seen[SEEN_MAX];   /* states that ways were in: a hash table, 0 is free */

  bool goes_round;           /* a way does: it may make things more often than was counted */
  bool has_counted;          /* something was told apart by counting */
  bool has_failed, has_found;
  uint64_t found_place;
  struct seep_luajit_levels found;
};
_Static_assert(sizeof(struct search) <= SEEP_LUAJIT_SEARCH_BYTES, "the memory is large enough");

/* -- Places ---------------------------------------------------------------------- */

/* The line of a level: of its instruction, of a caller that of its call. */
static uint64_t line_of(const struct seep_luajit_level *level, bool is_caller) {
  uint32_t number = (uint32_t)((level->pc - seep_bc_first(level->proto)) / 4);
  return seep_luajit_line(level->proto, is_caller ? number - 1 : number);
}

uint64_t seep_luajit_place_of(const struct seep_luajit_levels *levels) {
  uint64_t place = levels->count;
  for (uint32_t i = 0; i < levels->count; i++) {
    place = seep_mix64(place * 31 + levels->at[i].proto + levels->at[i].ffid);
    if (levels->at[i].ffid == 0) place = seep_mix64(place * 31 + line_of(&levels->at[i], i + 1 < levels->count));
  }
  return place;
}

static bool is_same_point(const struct seep_luajit_levels *one, const struct seep_luajit_levels *other) {
  if (one->count != other->count) return false;
  for (uint32_t i = 0; i < one->count; i++) {
    if (one->at[i].pc != other->at[i].pc || one->at[i].ffid != other->at[i].ffid) return false;
  }
  return true;
}

/* -- The piece -------------------------------------------------------------------- */

static bool is_arithmetic(uint8_t op) { return op >= BC_UNM && op <= BC_POW; }
static bool is_get(uint8_t op) { return op == BC_GGET || (op >= BC_TGETV && op <= BC_TGETR); }
static bool is_set(uint8_t op) { return op == BC_GSET || (op >= BC_TSETV && op <= BC_TSETR); }

static bool is_table(uint8_t op) { return op == SEEP_IR_TNEW || op == SEEP_IR_TDUP; }

/* Whether two are of a kind of which an instruction of the bytecode makes one at most, and
 * would be made by the same ones. */
static bool is_like(const struct seep_luajit_trace *trace, struct seep_luajit_ir one, struct seep_luajit_ir other) {
  if (one.op != other.op) return false;
  if (one.op == SEEP_IR_NEWREF) return seep_luajit_object(trace, one.op2) == seep_luajit_object(trace, other.op2);
  return one.op == SEEP_IR_BUFSTR || one.op == SEEP_IR_SNEW || one.op == SEEP_IR_XSNEW;
}

static bool note_table(struct search *search, struct seep_luajit_ir ir) {
  if (search->table_count == TABLES_MAX) return false;
  search->tables[search->table_count].ir = ir;
  search->tables[search->table_count++].template =
      ir.op == SEEP_IR_TDUP ? seep_luajit_object(search->piece->trace, ir.op1) : 0;
  return true;
}

/* Which callees the piece compares with. */
static void read_guards(struct search *search) {
  for (uint32_t i = 0; i < search->callees.count; i++) {
    uint32_t guard = search->callees.at[i].guard;
    if (guard < search->piece->first || guard >= search->piece->end) continue;
    if (search->callees.at[i].code != 0) search->required |= 1u << i;
    for (uint32_t at = search->piece->first; at < guard; at++) {
      if (is_table(seep_luajit_ir(search->piece->trace, at).op)) search->guard_tables[i]++;
    }
  }
}

/* What the piece makes, and where `ref` is among it. */
static bool read_piece(struct search *search, uint32_t ref) {
  enum { GUARD = 0x80 };
  const struct seep_luajit_trace *trace = search->piece->trace;
  bool is_behind = false;
  search->wanted = seep_luajit_ir(trace, ref);
  search->is_table = is_table(search->wanted.op);
  search->is_guard = (search->wanted.type & GUARD) != 0;
  for (uint32_t at = search->piece->first; at < search->piece->end; at++) {
    struct seep_luajit_ir ir = seep_luajit_ir(trace, at);
    if (at == ref) {
      search->tables_before = search->table_count;
      search->like_before = search->like_count;
    }
    if (is_like(trace, ir, search->wanted) && !is_behind) search->like_count++;
    if (!is_table(ir.op)) continue;
    if (at < ref) search->like_count = 0;
    if (at > ref) is_behind = true;
    if (!note_table(search, ir)) return false;
  }
  return true;
}

/* -- Ways -------------------------------------------------------------------------- */

static struct seep_luajit_level *innermost(struct way *way) { return &way->levels.at[way->levels.count - 1]; }

static void give_up(struct search *search) { search->has_failed = true; }

/* Notes that the instruction at hand may have made what is wanted. */
static void may_have_made(struct search *search, struct way *way) {
  if (search->is_table || way->tables != search->tables_before) return;
  if (way->is_past_snapshot && search->is_guard) return;
  if (way->made == MADE_MAX) {
    give_up(search);
    return;
  }
  search->made[way->made].place = seep_luajit_place_of(&way->levels);
  way->made_hash = seep_mix64(way->made_hash * 31 + search->made[way->made].place);
  search->made[way->made++].levels = way->levels;
}

/* A table is made: that must be the piece's next. */
static bool make_table(struct search *search, struct way *way, uint32_t ins) {
  if (way->tables == search->table_count || way->is_past_snapshot) return false;
  struct seep_luajit_ir ir = search->tables[way->tables].ir;
  if (seep_bc_op(ins) == BC_TNEW) {
    uint32_t array = ins >> 16 & 0x7ff; /* lj_record.c rec_tnew */
    if (ir.op != SEEP_IR_TNEW || (array == 0x7ff ? 0x801 : array) != ir.op1 || ins >> 27 != ir.op2) return false;
  } else {
    uintptr_t template = seep_luajit_proto_constant(innermost(way)->proto, seep_bc_d(ins));
    if (ir.op != SEEP_IR_TDUP || template != search->tables[way->tables].template) return false;
  }
  if (search->is_table && way->tables == search->tables_before && way->made < MADE_MAX) {
    search->made[way->made].place = seep_luajit_place_of(&way->levels);
    way->made_hash = seep_mix64(way->made_hash * 31 + search->made[way->made].place);
  search->made[way->made++].levels = way->levels;
  }
  way->tables++;
  return true;
}

/* Takes another way at a fork: it is gone later. */
static struct way *fork_way(struct search *search, const struct way *way) {
  if (search->way_count == WAYS_MAX) {
    give_up(search);
    return NULL;
  }
  search->ways[search->way_count] = *way;
  return &search->ways[search->way_count++];
}

/* Whether another way was here before, with all that matters the same: then this one adds nothing. */
static bool is_seen(struct search *search, const struct way *way) {
  uint64_t state = seep_mix64(way->made_hash ^ ((uint64_t)way->tables << 32 | way->met));
  state = state * 31 + (way->has_joined_parts << 2 | way->has_compared << 1 | way->is_past_snapshot);
  for (uint32_t i = 0; i < way->levels.count; i++) {
    state = seep_mix64(state * 31 + way->levels.at[i].pc + way->levels.at[i].ffid);
    state = seep_mix64(state * 31 + way->levels.at[i].closure);
  }
  uint32_t at = (uint32_t)(state % SEEN_MAX);
  while (search->seen[at] != 0 && search->seen[at] != state) at = (at + 1) % SEEN_MAX;
  if (search->seen[at] == state) return true;
  if (search->seen_count == SEEN_MAX / 2) return false;
  search->seen_count++;
  search->seen[at] = state;
  return false;
}

/* lj_record.c rec_for takes a snapshot, and so does every instruction behind a store (needsnap). The
 * piece ends there, unless the snapshot was let go: lj_snap_add and loop_subst_snap do that only when
 * no guard comes before the next one. */
static bool takes_snapshot(uint8_t op) {
  return is_set(op) || (op >= BC_USETV && op <= BC_USETP) || (op >= BC_FORI && op <= BC_JFORL);
}

/* A way goes on at `pc` of the innermost function. False: it has been there with as many tables. */
static bool turn(struct search *search, struct way *way, uintptr_t pc) {
  bool is_back = pc <= innermost(way)->pc;
  innermost(way)->pc = pc;
  if (!is_back) return true;
  uint64_t mark = way->tables;
  for (uint32_t i = 0; i < way->levels.count; i++) mark = seep_mix64(mark * 31 + way->levels.at[i].pc);
  for (uint32_t i = 0; i < way->turns; i++) {
    if (search->turns[i] == mark) {
      search->goes_round = true;
      if (search->has_counted) give_up(search);
      return false;
    }
  }
  if (way->turns == TURNS_MAX) {
    give_up(search);
    return false;
  }
  search->turns[way->turns++] = mark;
  return true;
}

/* A way that fits: what it has met comes into question. */
static void accept(struct search *search, const struct way *way) {
  uint32_t first = 0, last = way->made;
  if (way->tables != search->table_count || way->made == 0) return;
  if (!way->has_compared && (search->required & ~way->met) != 0) return;
  bool is_counted = search->like_count != 0 && !way->has_joined_parts;
  if (is_counted && way->made < search->like_count) return;
  if (is_counted && !search->goes_round) {
    first = search->like_before;
    last = first + 1 + way->made - search->like_count;
    search->has_counted |= last - first < way->made;
  }
  for (uint32_t i = first; i < last; i++) {
    if (search->has_found && search->made[i].place != search->found_place) give_up(search);
    search->has_found = true;
    search->found_place = search->made[i].place;
    search->found = search->made[i].levels;
  }
}

/* -- Which function is called -------------------------------------------------------- */

static bool writes_slot(uint32_t ins, uint32_t slot) {
  uint8_t op = seep_bc_op(ins);
  uint32_t a = seep_bc_a(ins);
  if ((op >= BC_CALLM && op <= BC_CALL) || op == BC_VARG) return slot >= a; /* one or many, and what is above is gone */
  if (op == BC_ITERC || op == BC_ITERN) return slot >= a - 3;
  if (op == BC_KNIL) return slot >= a && slot <= seep_bc_d(ins);
  if (op >= BC_FORI && op <= BC_JITERL) return slot >= a;
  bool is_other = (op >= BC_ISTC && op <= BC_ISFC) || (op >= BC_MOV && op <= BC_UGET) ||
                  (op >= BC_FNEW && op <= BC_TGETR && op != BC_GSET);
  return is_other && a == slot;
}

/* The instruction that stood where a loop was compiled: its trace keeps it (lj_trace.c trace_stop). */
static uint32_t original(const struct search *search, uint32_t ins) {
  enum { TRACE_STARTINS = 80, GCT_TRACE = 9 };
  uint8_t op = seep_bc_op(ins);
  if (op != BC_JFORL && op != BC_JITERL) return ins;
  uint32_t number = seep_bc_d(ins);
  if (number >= search->piece->trace_count) return 0;
  uintptr_t trace = seep_load_pointer(NULL, search->piece->traces + number * (uintptr_t)8);
  if (trace == 0 || seep_load_u8(NULL, trace + SEEP_OBJECT_TYPE) != GCT_TRACE) return 0;
  return seep_load_u32(NULL, trace + TRACE_STARTINS);
}

/* Where the instruction at `pc` may jump to; 0: nowhere. */
static uintptr_t jump_at(const struct search *search, uintptr_t pc) {
  uint32_t ins = original(search, seep_bc_at(pc));
  uint8_t op = seep_bc_op(ins);
  bool jumps = op == BC_JMP || op == BC_UCLO || op == BC_ISNEXT || (op >= BC_FORI && op <= BC_IITERL);
  return jumps ? seep_bc_target(pc, ins) : 0;
}

/* Whether something elsewhere jumps to behind `from` and not beyond `pc`: then what is at `from` need
 * not have been done. */
static bool is_jumped_into(const struct search *search, uintptr_t proto, uintptr_t from, uintptr_t pc) {
  for (uintptr_t at = seep_bc_first(proto) + 4; at < seep_bc_end(proto); at += 4) {
    uintptr_t target = jump_at(search, at);
    if (target > from && target <= pc && (at < from || at > pc)) return true;
  }
  return false;
}

/* The instruction before `pc` that certainly put there what `slot` has; 0: not certain. */
static uintptr_t writer_of(const struct search *search, uintptr_t proto, uintptr_t pc, uint32_t slot) {
  enum { BACK_MAX = 128 };
  for (uintptr_t at = pc - 4; at > seep_bc_first(proto) && pc - at < BACK_MAX * 4u; at -= 4) {
    if (!writes_slot(seep_bc_at(at), slot)) continue;
    return is_jumped_into(search, proto, at, pc) ? 0 : at;
  }
  return 0;
}

/* The value of an upvalue that is never assigned to; 0: unknown. */
static uint64_t fixed_upvalue(const struct seep_luajit_level *level, uint32_t number) {
  enum { IMMUTABLE = 0x4000 };
  if (level->closure == 0 || number >= seep_load_u8(NULL, level->proto + SEEP_PROTO_SIZEUV)) return 0;
  uintptr_t numbers = seep_load_pointer(NULL, level->proto + SEEP_PROTO_UV);
  if ((seep_load_u16(NULL, numbers + number * (uintptr_t)2) & IMMUTABLE) == 0) return 0;
  uintptr_t cell = seep_load_pointer(NULL, level->closure + SEEP_FUNCTION_UVPTR + number * (uintptr_t)8);
  return seep_load_u64(NULL, seep_load_pointer(NULL, cell + SEEP_UPVALUE_V));
}

/* Whether `slot` of the function in which a root trace runs is never written in the loop that holds
 * both its start and `level`: then it is in memory, as it was before. */
static bool is_settled(const struct search *search, const struct seep_luajit_level *level, uint32_t slot) {
  struct seep_luajit_ir base = seep_luajit_ir(search->piece->trace, SEEP_IR_BIAS);
  struct seep_luajit_snapshot start;
  uintptr_t first = UINTPTR_MAX, last = 0;
  for (uintptr_t at = level->pc; at < seep_bc_end(level->proto); at += 4) {
    uintptr_t target = jump_at(search, at);
    if (target == 0 || target > level->pc || at < level->pc) continue;
    if (target < first) first = target;
    last = at;
  }
  if (base.op1 != 0 || !seep_luajit_snapshot(search->piece->trace, 0, &start)) return false;
  if (start.pc < first || start.pc > last) return false;
  for (uintptr_t at = first; at <= last; at += 4) {
    if (writes_slot(seep_bc_at(at), slot)) return false;
  }
  return true;
}

/* What is known of a function that is called. */
struct called {
  uintptr_t object;          /* certainly this one; 0: unknown */
  uint64_t key;              /* or one that was found under this name; 0: unknown */
};

static struct called called_in(const struct search *search, const struct seep_luajit_level *level, bool is_outermost, uint32_t slot) {
  enum { MOVES_MAX = 3 };
  struct called called = {0};
  uint64_t value = 0;
  uintptr_t pc = level->pc;
  for (uint32_t i = 0; i < MOVES_MAX; i++) {
    uintptr_t writer = writer_of(search, level->proto, pc, slot);
    uint32_t ins = writer == 0 ? 0 : seep_bc_at(writer);
    if (writer != 0 && seep_bc_op(ins) == BC_MOV) {
      pc = writer;
      slot = seep_bc_d(ins);
      continue;
    }
    if (writer != 0 && seep_bc_op(ins) == BC_UGET) value = fixed_upvalue(level, seep_bc_d(ins));
    if (writer != 0 && seep_bc_op(ins) == BC_GGET) called.key = seep_luajit_proto_constant(level->proto, seep_bc_d(ins));
    if (writer != 0 && seep_bc_op(ins) == BC_TGETS) called.key = seep_luajit_proto_constant(level->proto, seep_bc_c(ins));
    bool is_in_memory = is_outermost && level->base != 0 && value == 0 && called.key == 0 && is_settled(search, level, slot);
    if (is_in_memory) value = seep_load_u64(NULL, level->base + slot * (uintptr_t)8);
    break;
  }
  if (value >> 47 == SEEP_TAG_FUNCTION) called.object = SEEP_GC_POINTER(value);
  return called;
}

/* Whether a callee may be what is called. One whose origin is unknown may be anything, unless others
 * were found under the very name. */
static bool may_be(const struct seep_luajit_callee *callee, const struct called *called, bool has_named) {
  if (called->key == 0 || callee->metamethod == SEEP_MM_CALL) return true;
  return has_named ? callee->key == called->key : callee->key == 0;
}

/* The callees that may be called: bits. */
static uint32_t callees_called(const struct search *search, struct called called) {
  uint32_t found = 0;
  bool has_named = false;
  for (uint32_t i = 0; i < search->callees.count; i++) {
    if (called.key != 0 && search->callees.at[i].key == called.key) has_named = true;
  }
  if (called.object != 0) { /* a closure of a prototype that the trace checks for */
    uintptr_t code = seep_load_pointer(NULL, called.object + SEEP_FUNCTION_PC);
    for (uint32_t i = 0; i < search->callees.count; i++) {
      const struct seep_luajit_callee *callee = &search->callees.at[i];
      if (callee->object == called.object || (callee->code != 0 && callee->code == code)) found |= 1u << i;
    }
    if (found != 0) return found;
  }
  for (uint32_t i = 0; i < search->callees.count; i++) {
    if (may_be(&search->callees.at[i], &called, has_named)) found |= 1u << i;
  }
  return found;
}

/* -- What builtins make --------------------------------------------------------------- */

/* What a builtin may make in a trace: bits. CALLS: it may call a metamethod, which is not followed.
 * RUNS: it calls its first argument. */
enum { MAKES_TEXT = 1, MAKES_PART = 2, MAKES_NUMBER = 4, MAKES_KEY = 8, MAKES_CDATA = 16, MAKES_TABLE = 32, CALLS = 64,
       RUNS = 128, MAKES_ANY = 63 };

static const struct { const char *name; uint8_t makes; } builtins[] = {
    {"string.format", MAKES_TEXT | MAKES_NUMBER | CALLS}, {"string.rep", MAKES_TEXT | MAKES_NUMBER},
    {"string.lower", MAKES_TEXT | MAKES_NUMBER}, {"string.upper", MAKES_TEXT | MAKES_NUMBER},
    {"string.reverse", MAKES_TEXT | MAKES_NUMBER}, {"string.sub", MAKES_PART | MAKES_NUMBER},
    {"string.char", MAKES_TEXT | MAKES_NUMBER}, {"string.", MAKES_NUMBER}, {"io.", MAKES_NUMBER | MAKES_TEXT},
    {"table.concat", MAKES_TEXT | MAKES_NUMBER}, {"tostring", MAKES_NUMBER | MAKES_PART | CALLS},
    {"table.insert", MAKES_KEY}, {"rawset", MAKES_KEY}, {"table.new", MAKES_TABLE}, {"pcall", RUNS},
    {"xpcall", RUNS}, {"ffi.", MAKES_ANY & ~MAKES_TABLE}, {"bit.", MAKES_CDATA | MAKES_NUMBER},
    {"coroutine.", 0}, {"os.", 0},
    {"debug.", 0}, {"jit.", 0}, {"print", 0}, {"error", 0}, {"load", 0}, {"loadstring", 0}, {"collectgarbage", 0},
    {"require", 0}, {"ipairs iterator", 0}, {"math.", 0}, {"type", 0}, {"next", 0}, {"pairs", 0}, {"ipairs", 0}, {"select", 0}, {"setmetatable", 0},
    {"getmetatable", 0}, {"rawget", 0}, {"rawequal", 0}, {"rawlen", 0}, {"assert", 0}, {"unpack", 0},
    {"tonumber", MAKES_CDATA}, {"table.remove", 0}, {"table.", MAKES_KEY | MAKES_TEXT}};

static uint8_t made_by(const struct seep_vm *vm, uint8_t ffid) {
  const char *name = seep_vm_c_name(vm, SEEP_KEY_C | SEEP_KEY_BUILTIN | ffid);
  for (uint32_t i = 0; name != NULL && i < SEEP_ARRAY_SIZE(builtins); i++) {
    size_t bytes = strlen(builtins[i].name);
    bool is_library = builtins[i].name[bytes - 1] == '.';
    if (strncmp(name, builtins[i].name, bytes) == 0 && (is_library || name[bytes] == '\0')) return builtins[i].makes;
  }
  return MAKES_ANY;
}

/* Which of these bits an IR instruction is. */
static uint8_t bits_of(uint8_t op) {
  switch (op) {
    case SEEP_IR_BUFSTR: return MAKES_TEXT;
    case SEEP_IR_SNEW: return MAKES_PART;
    case SEEP_IR_XSNEW: case SEEP_IR_CNEW: case SEEP_IR_CNEWI: return MAKES_CDATA;
    case SEEP_IR_TOSTR: return MAKES_NUMBER;
    case SEEP_IR_NEWREF: return MAKES_KEY;
    case SEEP_IR_TNEW: case SEEP_IR_TDUP: return MAKES_TABLE;
    default: return MAKES_ANY;
  }
}

/* A builtin runs, one of those in `which`. False: it cannot be followed. */
static bool run_builtin(struct search *search, struct way *way, uint32_t which) {
  uint8_t makes = 0;
  for (uint32_t i = 0; i < search->callees.count; i++) {
    const struct seep_luajit_callee *callee = &search->callees.at[i];
    if ((which >> i & 1) && callee->code == 0 && callee->guard < search->piece->end) makes |= made_by(search->piece->vm, callee->ffid);
  }
  if ((makes & CALLS) && seep_luajit_callees_have(&search->callees, SEEP_MM_TOSTRING)) return false;
  if ((makes & MAKES_TABLE) && search->table_count != 0) return false;
  if (makes & bits_of(search->wanted.op)) may_have_made(search, way);
  return true;
}

/* -- What instructions make -------------------------------------------------------------- */

/* A key that is set: the IR's constant, if it is a constant. */
static bool may_set(const struct search *search, const struct seep_luajit_level *level, uint32_t ins) {
  uint8_t op = seep_bc_op(ins);
  uintptr_t key = seep_luajit_object(search->piece->trace, search->wanted.op2);
  if (op == BC_GSET) return seep_luajit_proto_constant(level->proto, seep_bc_d(ins)) == key;
  if (op == BC_TSETS) return seep_luajit_proto_constant(level->proto, seep_bc_c(ins)) == key;
  return is_set(op);
}

/* Whether an instruction that is no call may have made what is wanted (no table). */
static bool may_make(const struct search *search, const struct seep_luajit_level *level, uint32_t ins) {
  uint8_t op = seep_bc_op(ins);
  switch (search->wanted.op) {
    case SEEP_IR_SNEW: return false;
    case SEEP_IR_BUFSTR: case SEEP_IR_TOSTR: case SEEP_IR_BUFPUT: return op == BC_CAT;
    case SEEP_IR_NEWREF: return may_set(search, level, ins);
    case SEEP_IR_XSNEW: case SEEP_IR_CNEW: case SEEP_IR_CNEWI:
      return op <= BC_ISNEP || is_arithmetic(op) || op == BC_CAT || (is_get(op) && op != BC_GGET) || is_set(op);
    default: return op == BC_CAT || is_arithmetic(op) || is_get(op) || is_set(op) || op == BC_VARG;
  }
}

/* -- Steps --------------------------------------------------------------------------- */

/* Goes on in a function that is called from the instruction at hand, by the builtin `through` if that is not 0. */
static bool enter(struct search *search, struct way *way, uint32_t number, bool is_tail, uint8_t through) {
  const struct seep_luajit_callee *callee = &search->callees.at[number];
  bool is_closure = callee->code != callee->object + SEEP_PROTO_BYTES;
  innermost(way)->pc += 4;
  if (way->levels.count + 2 > SEEP_TRACE_FRAMES_MAX) return false;
  if (!is_tail) way->levels.count++;
  if (through != 0) {
    *innermost(way) = (struct seep_luajit_level){.ffid = through};
    way->levels.count++;
  }
  *innermost(way) = (struct seep_luajit_level){.pc = callee->code, .proto = callee->code - SEEP_PROTO_BYTES,
                                               .closure = is_closure ? callee->object : 0};
  return true;
}

static bool is_lua(const struct search *search, uint32_t number) { return search->callees.at[number].code != 0; }

/* Whether a callee may be called now. The trace compares before the first call: not later than it, and
 * not before tables that it makes later. */
static bool is_due(const struct search *search, const struct way *way, uint32_t number) {
  uint32_t guard = search->callees.at[number].guard;
  if (guard >= search->piece->end) return false;
  if (guard < search->piece->first || (way->met >> number & 1) || way->has_compared) return true;
  return way->tables == search->guard_tables[number];
}

/* Which of `which` are the same function as `number`, and are due: bits. */
static uint32_t same_due(const struct search *search, const struct way *way, uint32_t which, uint32_t number) {
  uint32_t same = 0;
  for (uint32_t i = 0; i < search->callees.count; i++) {
    bool is_same = (which >> i & 1) && search->callees.at[i].code == search->callees.at[number].code;
    if (is_same && is_due(search, way, i)) same |= 1u << i;
  }
  return same;
}

/* All entries of a function: bits. */
static uint32_t entries_of(const struct search *search, uintptr_t code) {
  uint32_t found = 0;
  for (uint32_t i = 0; i < search->callees.count; i++) {
    if (search->callees.at[i].code == code) found |= 1u << i;
  }
  return found;
}

/* Takes a way of its own into each Lua function of `which`. */
static void enter_each(struct search *search, const struct way *way, uint32_t which, bool is_tail, uint8_t through) {
  for (uint32_t i = 0; i < search->callees.count; i++) {
    uint32_t same = (which >> i & 1) && is_lua(search, i) ? same_due(search, way, which, i) : 0;
    if (same == 0 || (same & ((1u << i) - 1)) != 0) continue;
    struct way *other = fork_way(search, way);
    if (other == NULL) return;
    other->met |= entries_of(search, search->callees.at[i].code);
    if (!enter(search, other, i, is_tail, through)) search->way_count--;
  }
}

static bool has_builtin(const struct search *search, uint32_t which) {
  for (uint32_t i = 0; i < search->callees.count; i++) {
    if ((which >> i & 1) && !is_lua(search, i) && search->callees.at[i].guard < search->piece->end) return true;
  }
  return false;
}

/* pcall and xpcall run the function that is their first argument. Takes a way into each that it may be,
 * and returns which of `which` are such. Nobody passes pcall itself on as a function: where it is not
 * called by its name, it is not considered. */
static uint32_t take_protected_calls(struct search *search, struct way *way, uint32_t which, struct called called,
                                     bool is_tail) {
  uint32_t found = 0;
  for (uint32_t i = 0; i < search->callees.count; i++) {
    const struct seep_luajit_callee *callee = &search->callees.at[i];
    if (!(which >> i & 1) || callee->code != 0 || (made_by(search->piece->vm, callee->ffid) & RUNS) == 0) continue;
    found |= 1u << i;
    bool is_meant = callee->key == 0 || callee->key == called.key || callee->object == called.object;
    if (!is_meant || callee->guard >= search->piece->end) continue;
    uint32_t slot = seep_bc_a(seep_bc_at(innermost(way)->pc)) + 2;
    uint32_t run = callees_called(search, called_in(search, innermost(way), way->levels.count == 1, slot));
    enter_each(search, way, run, is_tail, callee->ffid);
    if (has_builtin(search, run)) may_have_made(search, way);
  }
  return found;
}

static bool step_call(struct search *search, struct way *way, uint32_t ins) {
  uint8_t op = seep_bc_op(ins);
  bool is_tail = op == BC_CALLT || op == BC_CALLMT;
  bool is_iterator = op == BC_ITERC || op == BC_ITERN;
  struct called called = {0};
  if (!is_iterator) called = called_in(search, innermost(way), way->levels.count == 1, seep_bc_a(ins));
  uint32_t which = callees_called(search, called);
  which &= ~take_protected_calls(search, way, which, called, is_tail);
  enter_each(search, way, which, is_tail, 0);
  if (!is_iterator && !has_builtin(search, which)) return false;
  if (!is_iterator && !run_builtin(search, way, which)) {
    give_up(search);
    return false;
  }
  if (is_tail) return seep_luajit_leave(&way->levels); /* a builtin's results are those of the function */
  innermost(way)->pc += 4;
  return true;
}

/* The metamethods that an instruction may call. */
static enum seep_metamethod metamethod_of(uint8_t op) {
  if (is_get(op)) return SEEP_MM_INDEX;
  if (is_set(op)) return SEEP_MM_NEWINDEX;
  if (op == BC_CAT) return SEEP_MM_CONCAT;
  return is_arithmetic(op) ? SEEP_MM_ARITHMETIC : SEEP_MM_NONE;
}

/* An instruction may call a metamethod instead of what it does. */
static void step_metamethods(struct search *search, const struct way *way, uint8_t op) {
  enum seep_metamethod metamethod = metamethod_of(op);
  uint32_t which = 0;
  for (uint32_t i = 0; metamethod != SEEP_MM_NONE && i < search->callees.count; i++) {
    if (search->callees.at[i].metamethod == metamethod) which |= 1u << i;
  }
  enter_each(search, way, which, false, 0);
}

/* Goes on at two places. */
static bool step_fork(struct search *search, struct way *way, uintptr_t one, uintptr_t other) {
  struct way *forked = fork_way(search, way);
  if (forked != NULL && !turn(search, forked, other)) search->way_count--;
  return turn(search, way, one);
}

static bool step_loop(struct search *search, struct way *way, uint32_t ins) {
  uintptr_t pc = innermost(way)->pc;
  uintptr_t target = seep_bc_target(pc, original(search, ins));
  if (!seep_bc_is_inside(innermost(way)->proto, target)) {
    give_up(search);
    return false;
  }
  way->is_past_snapshot |= takes_snapshot(seep_bc_op(ins));
  return step_fork(search, way, pc + 4, target);
}

static bool step_plain(struct search *search, struct way *way, uint32_t ins) {
  uint8_t op = seep_bc_op(ins);
  if ((op == BC_TNEW || op == BC_TDUP) && !make_table(search, way, ins)) return false;
  if (op == BC_FNEW) return false; /* not compiled */
  if (may_make(search, innermost(way), ins)) may_have_made(search, way);
  if (op == BC_CAT && search->has_concat && seep_bc_c(ins) > seep_bc_b(ins) + 1) way->has_joined_parts = true;
  if (search->callees.has_metamethods) step_metamethods(search, way, op);
  way->is_past_snapshot |= takes_snapshot(op);
  bool jumps_on = op == BC_JMP || op == BC_UCLO || op == BC_ISNEXT;
  return turn(search, way, jumps_on ? seep_bc_target(innermost(way)->pc, ins) : innermost(way)->pc + 4);
}

/* One instruction. False: the way ends here. */
static bool step(struct search *search, struct way *way) {
  uintptr_t pc = innermost(way)->pc;
  uint32_t ins = seep_bc_at(pc);
  uint8_t op = seep_bc_op(ins);
  if (op <= BC_ISF) {
    if (op <= BC_ISNEP) way->has_compared |= op == BC_ISEQV || op == BC_ISNEV;
    if (may_make(search, innermost(way), ins)) may_have_made(search, way);
    return step_fork(search, way, pc + 8, seep_bc_target(pc + 4, seep_bc_at(pc + 4)));
  }
  if (op >= BC_CALLM && op <= BC_ITERN) return step_call(search, way, ins);
  if (op >= BC_RETM && op <= BC_RET1) return seep_luajit_leave(&way->levels);
  if (op >= BC_FORI && op <= BC_JITERL) return step_loop(search, way, ins);
  return step_plain(search, way, ins);
}

/* Goes one way to its end. */
static void go(struct search *search, struct way way) {
  while (!search->has_failed) {
    if (way.length > 0 && is_same_point(&way.levels, &search->piece->to)) accept(search, &way);
    if (search->steps++ == STEPS_MAX || way.length++ == LENGTH_MAX) {
      give_up(search);
      return;
    }
    if (!seep_bc_is_inside(innermost(&way)->proto, innermost(&way)->pc) || is_seen(search, &way)) return;
    if (!step(search, &way)) return;
  }
}

/* A function that an upvalue holds for good is a constant wherever it is called by that: no comparison
 * with it comes first. */
static void free_upvalues(struct search *search, const struct seep_luajit_level *level) {
  if (level->closure == 0) return;
  uint32_t count = seep_load_u8(NULL, level->proto + SEEP_PROTO_SIZEUV);
  for (uint32_t number = 0; number < count; number++) {
    uint64_t value = fixed_upvalue(level, number);
    for (uint32_t i = 0; value >> 47 == SEEP_TAG_FUNCTION && i < search->callees.count; i++) {
      if (search->callees.at[i].object == SEEP_GC_POINTER(value)) search->callees.at[i].guard = 0;
    }
  }
}

/* The same for what a side trace's parent has as a constant. */
static void free_inherited(struct search *search) {
  struct seep_luajit_snapshot first;
  if (!seep_luajit_snapshot(search->piece->trace, 0, &first)) return;
  for (uint32_t n = 0; n < first.count; n++) {
    uint32_t entry = seep_load_u32(NULL, first.entries + n * (uintptr_t)4);
    uintptr_t object = seep_luajit_object(search->piece->trace, entry & 0xffff);
    for (uint32_t i = 0; object != 0 && i < search->callees.count; i++) {
      if (search->callees.at[i].object == object) search->callees.at[i].guard = 0;
    }
  }
}

static void free_constants(struct search *search) {
  bool matters = false;
  for (uint32_t i = 0; i < search->callees.count; i++) {
    if (search->callees.at[i].guard >= search->piece->first) matters = true;
  }
  if (!matters) return;
  free_inherited(search);
  for (uint32_t i = 0; i < search->callees.count; i++) {
    const struct seep_luajit_callee *callee = &search->callees.at[i];
    bool is_closure = callee->code != 0 && callee->code != callee->object + SEEP_PROTO_BYTES;
    struct seep_luajit_level level = {.proto = callee->code - SEEP_PROTO_BYTES, .closure = callee->object};
    if (is_closure) free_upvalues(search, &level);
  }
  for (uint32_t i = 0; i < search->piece->from.count; i++) free_upvalues(search, &search->piece->from.at[i]);
  for (uint32_t i = 0; i < search->piece->to.count; i++) free_upvalues(search, &search->piece->to.at[i]);
}

/* The functions that run where the piece begins: a trace compares with those, too, when it reads their
 * upvalues (rec_upvalue). */
static uint32_t running(const struct search *search) {
  uint32_t found = 0;
  for (uint32_t k = 0; k < search->piece->from.count; k++) {
    uintptr_t proto = search->piece->from.at[k].proto;
    if (proto != 0) found |= entries_of(search, proto + SEEP_PROTO_BYTES);
  }
  return found;
}

bool seep_luajit_prove(const struct seep_luajit_piece *piece, uint32_t ref, void *memory,
                       struct seep_luajit_levels *out) {
  struct search *search = memory;
  memset(search, 0, sizeof *search);
  search->piece = piece;
  if (!seep_luajit_callees_of(piece->trace, &search->callees) || !read_piece(search, ref)) return false;
  /* Comparisons that call a metamethod are not followed into it. */
  if (seep_luajit_callees_have(&search->callees, SEEP_MM_COMPARISON)) return false;
  free_constants(search);
  read_guards(search);
  search->has_concat = seep_luajit_callees_have(&search->callees, SEEP_MM_CONCAT);
  search->ways[0].met = running(search);
  search->ways[search->way_count++].levels = piece->from;
  while (search->way_count > 0 && !search->has_failed) go(search, search->ways[--search->way_count]);
  if (search->has_failed || !search->has_found) return false;
  *out = search->found;
  return true;
}
