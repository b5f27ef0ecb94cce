/* See luajit_path.h. */
#include "vm/luajit_path.h"

#include <stddef.h>
#include <string.h>

#include "vm/luajit_builtins.h"
#include "vm/luajit_bytecode.h"
#include "vm/luajit_callees.h"
#include "vm/luajit_graph.h"
#include "vm/luajit_slots.h"

enum { TABLES_MAX = 64, WAYS_MAX = 384 };

/* A way as far as it was gone. */
struct way {
  struct seep_luajit_levels levels;
  uint32_t node;             /* of the graph, where it was last */
  uint32_t tables;           /* of the piece's that were made */
  uint32_t met;              /* callees that were called: bits */
  uint32_t last_guard;       /* the last comparison with a callee that was passed */
  bool has_joined_parts;     /* in a concatenation that may have made several strings */
  bool has_compared;         /* values, so that a function that is compared with need not be called */
  bool is_past_snapshot;     /* one was taken and let go: nothing with a guard is made any more */
  bool is_over;              /* it is where the trace's loop begins again: it may end here, and goes no further */
};

struct search {
  const struct seep_luajit_piece *piece;
  struct seep_luajit_traces traces;
  struct seep_luajit_callees callees;
  bool starts_inside;        /* the trace may begin in functions that its parent has inlined, with their slots */
  uint32_t required;         /* callees that the piece compares with: bits */
  uint32_t guard_tables[SEEP_CALLEES_MAX];  /* … and how many tables it makes before it does */

  struct seep_luajit_ir wanted;
  bool is_table;             /* TNEW or TDUP */
  bool is_guarded;           /* it is a guard, or one comes behind it: so that no snapshot before it was let go */
  bool has_concat;           /* a metamethod: one concatenation may make several strings */
  uint32_t tables_before;    /* tables of the piece before it */
  uint32_t like_before, like_count;  /* of those of its kind between the same tables: its number, and how many */
  uint32_t table_count;
  struct { struct seep_luajit_ir ir; uintptr_t template; } tables[TABLES_MAX];

  bool has_failed;
  uint32_t way_count;
  /* Up to here it is zero at first. */
  struct way ways[WAYS_MAX];
  struct seep_luajit_graph graph;
};
_Static_assert(sizeof(struct search) <= SEEP_LUAJIT_SEARCH_BYTES, "the memory is large enough");

static bool is_same_point(const struct seep_luajit_levels *one, const struct seep_luajit_levels *other) {
  if (one->count != other->count) return false;
  for (uint32_t i = 0; i < one->count; i++) {
    if (one->at[i].pc != other->at[i].pc || one->at[i].ffid != other->at[i].ffid) return false;
  }
  return true;
}

/* -- The piece -------------------------------------------------------------------- */

static bool is_arithmetic(uint8_t op) { return (op >= BC_UNM && op <= BC_POW) || op >= BC_LATER; }
static bool is_get(uint8_t op) { return op == BC_GGET || (op >= BC_TGETV && op <= BC_TGETR); }
static bool is_set(uint8_t op) { return op == BC_GSET || (op >= BC_TSETV && op <= BC_TSETR); }

static bool is_table(uint8_t op) { return op == SEEP_IR_TNEW || op == SEEP_IR_TDUP; }

/* Whether two are of a kind of which it is known how many an instruction of the bytecode makes at most. */
static bool is_like(struct seep_luajit_ir one, struct seep_luajit_ir other) {
  bool is_countable = one.op == SEEP_IR_NEWREF || one.op == SEEP_IR_BUFSTR || one.op == SEEP_IR_SNEW ||
                      one.op == SEEP_IR_XSNEW;
  return is_countable && one.op == other.op;
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
  for (uint32_t at = search->piece->first; at < search->piece->end; at++) {
    struct seep_luajit_ir ir = seep_luajit_ir(trace, at);
    if (at == ref) {
      search->tables_before = search->table_count;
      search->like_before = search->like_count;
    }
    if (at >= ref && (ir.type & GUARD)) search->is_guarded = true;
    if (is_like(ir, search->wanted) && !is_behind) search->like_count++;
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

/* Notes that the instruction at hand may make as many of the kind that is wanted, and whether the one that is wanted
 * may be among them. */
static void note_made(struct search *search, const struct way *way, uint32_t count, bool is_wanted) {
  if (!seep_luajit_graph_make(&search->graph, way->node, count, is_wanted ? &way->levels : NULL)) give_up(search);
}

/* The same if it is no table: the way must have made as many as the piece. */
static void may_have_made(struct search *search, const struct way *way, uint32_t count, bool is_wanted) {
  if (search->is_table || way->tables != search->tables_before) return;
  if (way->is_past_snapshot && search->is_guarded) return;
  note_made(search, way, count, is_wanted);
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
  if (search->is_table && way->tables == search->tables_before) note_made(search, way, 1, true);
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

static uint64_t state_of(const struct way *way) {
  uint64_t state = seep_mix64((uint64_t)way->tables << 32 | way->met);
  uint32_t flags = way->has_joined_parts << 3 | way->has_compared << 2 | way->is_past_snapshot << 1 | way->is_over;
  state = seep_mix64(state * 31 + ((uint64_t)way->last_guard << 32 | flags));
  for (uint32_t i = 0; i < way->levels.count; i++) {
    state = seep_mix64(state * 31 + way->levels.at[i].pc + way->levels.at[i].ffid);
    state = seep_mix64(state * 31 + way->levels.at[i].closure);
  }
  return state;
}

/* lj_record.c rec_for takes a snapshot, and so does every instruction behind a store (needsnap). The
 * piece ends there, unless the snapshot was let go: lj_snap_add and loop_subst_snap do that only when
 * no guard comes before the next one. */
static bool takes_snapshot(uint8_t op) {
  return is_set(op) || (op >= BC_USETV && op <= BC_USETP) || (op >= BC_FORI && op <= BC_JFORL);
}

/* A way is where the piece ends: that is the end of it if it fits. */
static void accept(struct search *search, const struct way *way) {
  if (way->tables != search->table_count) return;
  if (!way->has_compared && (search->required & ~way->met) != 0) return;
  seep_luajit_graph_end(&search->graph, way->node, way->has_joined_parts);
}

/* -- Which function is called -------------------------------------------------------- */

/* Whether a callee may be what an iterator gave. */
static bool may_be_iterated(const struct search *search, const struct seep_luajit_callee *callee,
                            const struct seep_luajit_origin *called, bool is_outermost) {
  enum { FRAME_SLOTS = 2 };
  if (callee->is_stored || callee->may_be_element) return true;
  if (callee->slot == 0) return false;
  if (search->starts_inside) return true;
  return is_outermost && callee->slot == called->iterated - 1 + FRAME_SLOTS;
}

/* Whether a callee may be what was loaded: a constant is that only if the trace has stored it, but for the fields of
 * metatables of cdata and of string buffers, which are constants themselves. */
static bool may_be_loaded(const struct search *search, const struct seep_luajit_callee *callee,
                          const struct seep_luajit_origin *called) {
  bool may_be_method = called->key != 0 && (callee->code == 0 || search->callees.has_cdata);
  return callee->is_compared || callee->is_stored || may_be_method;
}

/* Whether a callee may be what is called. One whose origin is unknown may be anything, unless others
 * were found under the very name. */
static bool may_be(const struct search *search, const struct seep_luajit_callee *callee,
                   const struct seep_luajit_origin *called, bool is_outermost, bool has_named) {
  if (callee->metamethod == SEEP_MM_CALL) return true;
  if (called->is_loaded && !may_be_loaded(search, callee, called)) return false;
  if (called->iterated != 0) return may_be_iterated(search, callee, called, is_outermost);
  if (called->key == 0) return true;
  if (has_named) return callee->key == called->key;
  return callee->key == 0 && !(callee->code == 0 && !callee->is_stored &&
                               seep_luajit_is_other_method(search->piece->vm, callee->ffid, (uintptr_t)called->key));
}

/* The callees that are a certain function, or closures of its prototype: bits. */
static uint32_t callees_that_are(const struct search *search, uintptr_t function) {
  uint32_t found = 0;
  uintptr_t code = seep_load_pointer(NULL, function + SEEP_FUNCTION_PC);
  for (uint32_t i = 0; i < search->callees.count; i++) {
    const struct seep_luajit_callee *callee = &search->callees.at[i];
    if (callee->object == function || (callee->code != 0 && callee->code == code)) found |= 1u << i;
  }
  return found;
}

/* Whether there are callees that were found under a name; and whether the trace stores something there. */
static bool has_key(const struct search *search, uint64_t key, bool *is_set) {
  bool has_named = false;
  *is_set = false;
  for (uint32_t i = 0; key != 0 && i < search->callees.count; i++) {
    if (search->callees.at[i].key != key) continue;
    has_named = true;
    *is_set |= search->callees.at[i].is_key_set;
  }
  return has_named;
}

/* The callees that may be called: bits. */
static uint32_t callees_called(const struct search *search, const struct way *way, struct seep_luajit_origin called) {
  uint32_t found = 0;
  bool is_set;
  bool has_named = has_key(search, called.key, &is_set);
  if (called.object != 0 && !is_set) {
    found = callees_that_are(search, called.object);
    if (found != 0 || called.is_certain) return found;
  }
  for (uint32_t i = 0; i < search->callees.count; i++) {
    if (may_be(search, &search->callees.at[i], &called, way->levels.count == 1, has_named)) found |= 1u << i;
  }
  return found;
}

/* -- What builtins make --------------------------------------------------------------- */

/* What the builtins in `which` make: bits. `ffid`: of the one that it is; 0: several come into question. */
static uint32_t made_by(const struct search *search, uint32_t which, uint8_t *ffid) {
  uint32_t makes = 0, count = 0;
  *ffid = 0;
  for (uint32_t i = 0; i < search->callees.count; i++) {
    const struct seep_luajit_callee *callee = &search->callees.at[i];
    if (!(which >> i & 1) || callee->code != 0 || callee->guard >= search->piece->end) continue;
    makes |= seep_luajit_made_by(search->piece->vm, callee->ffid);
    count += callee->ffid != *ffid;
    *ffid = callee->ffid;
  }
  if (count > 1) *ffid = 0;
  return makes;
}

/* A builtin runs that makes these: its frame is above the one of its call. False: it cannot be followed. */
static bool run_builtin(struct search *search, const struct way *way, uint32_t makes, uint8_t ffid) {
  struct way inside = *way;
  if ((makes & SEEP_MAKES_TABLE) && search->table_count != 0) return false;
  if ((makes & seep_luajit_bits_of(search->wanted.op)) == 0) return true;
  if (ffid != 0 && inside.levels.count < SEEP_TRACE_FRAMES_MAX) {
    innermost(&inside)->pc += 4;
    inside.levels.at[inside.levels.count++] = (struct seep_luajit_level){.ffid = ffid};
  }
  may_have_made(search, &inside, makes & SEEP_MAKES_MANY ? UINT8_MAX : makes & SEEP_MAKES_TWICE ? 2 : 1, true);
  return true;
}

/* -- What instructions make -------------------------------------------------------------- */

/* How many of what is wanted an instruction may make, if it may make any: TSETM sets all that a call gave. */
static uint32_t most_made(uint8_t op) { return op == BC_TSETM ? UINT8_MAX : 1; }

/* Whether what is set under a key may be what is wanted: under the constant that it has, if it has one, or under a
 * key of the same type. */
static bool may_set(const struct search *search, const struct seep_luajit_level *level, uint32_t ins) {
  enum { TYPE = 0x1f, TYPE_STRING = 4 };
  uint8_t op = seep_bc_op(ins);
  struct seep_luajit_ir key = seep_luajit_ir(search->piece->trace, search->wanted.op2);
  uintptr_t constant = seep_luajit_object(search->piece->trace, search->wanted.op2);
  if (op == BC_GSET) return seep_luajit_proto_constant(level->proto, seep_bc_d(ins)) == constant;
  if (op == BC_TSETS) return seep_luajit_proto_constant(level->proto, seep_bc_c(ins)) == constant;
  bool is_string = (key.type & TYPE) == TYPE_STRING;
  if (op == BC_TSETV && is_string) return !seep_luajit_counts(&search->traces, level, seep_bc_c(ins));
  return is_set(op);
}

/* Whether an instruction that is no call may have made what is of the kind that is wanted (no table). */
static bool may_make(const struct search *search, uint8_t op) {
  switch (search->wanted.op) {
    case SEEP_IR_SNEW: case SEEP_IR_XSNEW: return false;
    case SEEP_IR_BUFSTR: case SEEP_IR_TOSTR: case SEEP_IR_BUFPUT: return op == BC_CAT;
    case SEEP_IR_NEWREF: return is_set(op);
    case SEEP_IR_CNEW: case SEEP_IR_CNEWI:
      return op <= BC_ISNEP || is_arithmetic(op) || op == BC_CAT || (is_get(op) && op != BC_GGET) || is_set(op);
    default: return op == BC_CAT || is_arithmetic(op) || is_get(op) || is_set(op) || op == BC_VARG;
  }
}

/* An instruction makes what it makes. */
static void make(struct search *search, struct way *way, uint32_t ins) {
  uint8_t op = seep_bc_op(ins);
  if (!may_make(search, op)) return;
  bool is_wanted = search->wanted.op != SEEP_IR_NEWREF || may_set(search, innermost(way), ins);
  may_have_made(search, way, most_made(op), is_wanted);
}

/* -- Steps --------------------------------------------------------------------------- */

/* How often a prototype runs at once. */
static uint32_t depth_of(const struct seep_luajit_levels *levels, uintptr_t proto) {
  uint32_t depth = 0;
  for (uint32_t i = 0; i < levels->count; i++) depth += levels->at[i].proto == proto;
  return depth;
}

/* Whether one more call of a function is more than a trace goes into: lj_record.c check_call_unroll, where three that
 * run already are the most (JIT_P_callunroll), unless the piece shows that it may be more. */
static bool is_too_deep(const struct search *search, const struct way *way, uintptr_t proto) {
  enum { UNROLLED_MAX = 3 };
  uint32_t depth = depth_of(&way->levels, proto);
  return depth > UNROLLED_MAX && depth >= depth_of(&search->piece->from, proto) &&
         depth >= depth_of(&search->piece->to, proto);
}

/* Goes on in a function that is called from the instruction at hand, by the builtin `through` if that is not 0. */
static bool enter(struct search *search, struct way *way, uint32_t number, bool is_tail, uint8_t through) {
  const struct seep_luajit_callee *callee = &search->callees.at[number];
  bool is_closure = callee->code != callee->object + SEEP_PROTO_BYTES;
  innermost(way)->pc += 4;
  if (way->levels.count + 2 > SEEP_TRACE_FRAMES_MAX) return false;
  if (is_too_deep(search, way, callee->code - SEEP_PROTO_BYTES)) return false;
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

/* Passes the comparison with a function (its entries: `same`) that is called for the first time: comparisons come in
 * the order of the calls. False: it is called too late for that. */
static bool pass_guard(const struct search *search, struct way *way, uint32_t same) {
  uint32_t first = UINT32_MAX, last = 0;
  if ((same & way->met) != 0 || way->has_compared) return true;
  for (uint32_t i = 0; i < search->callees.count; i++) {
    uint32_t guard = search->callees.at[i].guard;
    if (!(same >> i & 1)) continue;
    if (guard < search->piece->first) return true;
    if (guard < first) first = guard;
    if (guard > last) last = guard;
  }
  if (last < way->last_guard) return false;
  if (first > way->last_guard) way->last_guard = first;
  return true;
}

/* Takes a way of its own into each Lua function of `which`. */
static void enter_each(struct search *search, const struct way *way, uint32_t which, bool is_tail, uint8_t through) {
  for (uint32_t i = 0; i < search->callees.count; i++) {
    uint32_t same = (which >> i & 1) && is_lua(search, i) ? same_due(search, way, which, i) : 0;
    if (same == 0 || (same & ((1u << i) - 1)) != 0) continue;
    struct way *other = fork_way(search, way);
    if (other == NULL) return;
    bool fits = pass_guard(search, other, same);
    other->met |= entries_of(search, search->callees.at[i].code);
    if (!fits || !enter(search, other, i, is_tail, through)) search->way_count--;
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
static uint32_t take_protected_calls(struct search *search, struct way *way, uint32_t which,
                                     struct seep_luajit_origin called, bool is_tail) {
  uint32_t found = 0;
  for (uint32_t i = 0; i < search->callees.count; i++) {
    const struct seep_luajit_callee *callee = &search->callees.at[i];
    if (!(which >> i & 1) || callee->code != 0) continue;
    if ((seep_luajit_made_by(search->piece->vm, callee->ffid) & SEEP_MAKES_RUNS) == 0) continue;
    found |= 1u << i;
    bool is_meant = callee->key == 0 || callee->key == called.key || callee->object == called.object;
    if (!is_meant || callee->guard >= search->piece->end) continue;
    uint32_t slot = seep_bc_a(seep_bc_at(innermost(way)->pc)) + 2;
    struct seep_luajit_origin argument =
        seep_luajit_slot_origin(&search->traces, innermost(way), way->levels.count == 1, slot);
    uint32_t run = callees_called(search, way, argument);
    enter_each(search, way, run, is_tail, callee->ffid);
    if (has_builtin(search, run)) may_have_made(search, way, 1, true);
  }
  return found;
}

/* All that are this metamethod: bits. */
static uint32_t metamethods_of(const struct search *search, enum seep_metamethod metamethod) {
  uint32_t which = 0;
  for (uint32_t i = 0; i < search->callees.count; i++) {
    if (search->callees.at[i].metamethod == metamethod) which |= 1u << i;
  }
  return which;
}

/* All functions that may be a cdata's metamethod: bits. */
static uint32_t metamethods_of_cdata(const struct search *search) {
  uint32_t which = 0;
  for (uint32_t i = 0; i < search->callees.count; i++) {
    const struct seep_luajit_callee *callee = &search->callees.at[i];
    if (callee->code != 0 && callee->key == 0 && callee->guard == 0) which |= 1u << i;
  }
  return which;
}

/* Whether the loop at whose iterator call a way is goes over what ipairs or pairs gave: it calls no Lua function
 * then. */
static bool is_over_table(const struct search *search, const struct way *way) {
  const struct seep_luajit_level *level = &way->levels.at[way->levels.count - 1];
  struct seep_luajit_level before = *level;
  uint32_t loop = seep_luajit_original(&search->traces, seep_bc_at(level->pc + 4));
  if (seep_bc_op(loop) != BC_ITERL && seep_bc_op(loop) != BC_IITERL) return false;
  before.pc = seep_bc_target(level->pc + 4, loop) - 8;
  uint32_t call = seep_bc_at(before.pc);
  bool is_call = seep_bc_is_inside(level->proto, before.pc) && seep_bc_op(call) == BC_CALL;
  if (!is_call || seep_bc_a(call) + 3 != seep_bc_a(seep_bc_at(level->pc))) return false;
  struct seep_luajit_origin called =
      seep_luajit_slot_origin(&search->traces, &before, way->levels.count == 1, seep_bc_a(call));
  uint32_t which = called.key != 0 || called.object != 0 ? callees_called(search, way, called) : 0;
  for (uint32_t i = 0; i < search->callees.count; i++) {
    const struct seep_luajit_callee *callee = &search->callees.at[i];
    if ((which >> i & 1) && (callee->code != 0 || !seep_luajit_is_pairs(search->piece->vm, callee->ffid))) return false;
  }
  return which != 0 && !seep_luajit_callees_have(&search->callees, SEEP_MM_PAIRS);
}

static bool step_iterator(struct search *search, struct way *way) {
  uint32_t which = is_over_table(search, way) ? 0 : callees_called(search, way, (struct seep_luajit_origin){0});
  enter_each(search, way, which, false, 0);
  innermost(way)->pc += 4;
  return true;
}

/* Whether the call at hand is where the piece ends, before a builtin that is not compiled. */
static bool ends_in_builtin(const struct search *search, const struct way *way) {
  const struct seep_luajit_levels *to = &search->piece->to;
  struct seep_luajit_levels levels = way->levels;
  if (to->at[to->count - 1].ffid == 0 || levels.count + 1 != to->count) return false;
  levels.at[levels.count - 1].pc += 4;
  levels.at[levels.count++] = (struct seep_luajit_level){.ffid = to->at[to->count - 1].ffid};
  return is_same_point(&levels, to);
}

static bool step_call(struct search *search, struct way *way, uint32_t ins) {
  bool is_tail = seep_bc_op(ins) == BC_CALLT || seep_bc_op(ins) == BC_CALLMT;
  struct seep_luajit_origin called =
      seep_luajit_slot_origin(&search->traces, innermost(way), way->levels.count == 1, seep_bc_a(ins));
  uint32_t which = callees_called(search, way, called);
  if (ends_in_builtin(search, way)) accept(search, way);
  which &= ~take_protected_calls(search, way, which, called, is_tail);
  enter_each(search, way, which, is_tail, 0);
  uint8_t ffid;
  uint32_t makes = made_by(search, which, &ffid);
  if (makes & SEEP_MAKES_CALLS) enter_each(search, way, metamethods_of(search, SEEP_MM_TOSTRING), is_tail, 0);
  if (!has_builtin(search, which)) return false;
  if (!run_builtin(search, way, makes, ffid)) {
    give_up(search);
    return false;
  }
  if (is_tail) return seep_luajit_leave(&way->levels); /* a builtin's results are those of the function */
  innermost(way)->pc += 4;
  return true;
}

/* The metamethod that an instruction may call. */
static enum seep_metamethod metamethod_of(uint8_t op) {
  enum { ISLE = 2 };
  if (op < ISLE) return SEEP_MM_LT;
  if (op < BC_ISEQV) return SEEP_MM_LE;
  if (op <= BC_ISNEV) return SEEP_MM_EQ;
  if (is_get(op)) return SEEP_MM_INDEX;
  if (is_set(op)) return SEEP_MM_NEWINDEX;
  switch (op) {
    case BC_CAT: return SEEP_MM_CONCAT;
    case BC_UNM: return SEEP_MM_UNM;
    case BC_LEN: return SEEP_MM_LEN;
    case BC_POW: return SEEP_MM_POW;
    default: return op >= BC_ADDVN && op < BC_POW ? SEEP_MM_ADD + (op - BC_ADDVN) % 5u : SEEP_MM_NONE;
  }
}

/* An instruction may call a metamethod instead of what it does. */
static void step_metamethods(struct search *search, const struct way *way, uint8_t op) {
  enum seep_metamethod metamethod = metamethod_of(op);
  if (metamethod == SEEP_MM_NONE || !search->callees.has_metamethods) return;
  uint32_t which = metamethods_of(search, metamethod);
  if (metamethod == SEEP_MM_LE) which |= metamethods_of(search, SEEP_MM_LT); /* lj_meta.c lj_meta_comp */
  if (search->callees.has_cdata) which |= metamethods_of_cdata(search);
  enter_each(search, way, which, false, 0);
}

/* Goes on at two places. */
static bool step_fork(struct search *search, struct way *way, uintptr_t one, uintptr_t other) {
  struct way *forked = fork_way(search, way);
  if (forked != NULL) innermost(forked)->pc = other;
  innermost(way)->pc = one;
  return true;
}

/* At the end of a loop, or where a numeric one begins. When a trace's own loop goes round again, the trace does so
 * too; when its root's does, a side trace has arrived there (lj_record.c rec_loop_interp, rec_loop_jit). */
static bool step_loop(struct search *search, struct way *way, uint32_t ins) {
  uintptr_t pc = innermost(way)->pc;
  uintptr_t target = seep_bc_target(pc, ins);
  if (!seep_bc_is_inside(innermost(way)->proto, target)) {
    give_up(search);
    return false;
  }
  way->is_past_snapshot |= takes_snapshot(seep_bc_op(ins));
  step_fork(search, way, pc + 4, target);
  bool is_end = pc == search->piece->loop_pc && (!search->piece->is_own_loop || way->levels.count == 1);
  if (is_end && search->way_count > 0) search->ways[search->way_count - 1].is_over = true;
  return true;
}

/* A jump. Behind a comparison it is met alone when that has called a metamethod: then it need not be taken. */
static bool step_jump(struct search *search, struct way *way, uint32_t ins) {
  uintptr_t pc = innermost(way)->pc;
  uintptr_t target = seep_bc_target(pc, ins);
  bool is_behind_comparison = seep_bc_op(seep_bc_at(pc - 4)) <= BC_ISNEV;
  if (seep_bc_op(ins) == BC_JMP && is_behind_comparison) return step_fork(search, way, pc + 4, target);
  innermost(way)->pc = target;
  return true;
}

static bool step_plain(struct search *search, struct way *way, uint32_t ins) {
  uint8_t op = seep_bc_op(ins);
  if ((op == BC_TNEW || op == BC_TDUP) && !make_table(search, way, ins)) return false;
  if (op == BC_FNEW) return false; /* not compiled */
  make(search, way, ins);
  if (op == BC_CAT && search->has_concat && seep_bc_c(ins) > seep_bc_b(ins) + 1) way->has_joined_parts = true;
  step_metamethods(search, way, op);
  way->is_past_snapshot |= takes_snapshot(op);
  innermost(way)->pc += 4;
  return true;
}

/* One instruction. False: the way ends here. */
static bool step(struct search *search, struct way *way) {
  uintptr_t pc = innermost(way)->pc;
  uint32_t ins = seep_luajit_original(&search->traces, seep_bc_at(pc));
  uint8_t op = seep_bc_op(ins);
  if (pc == seep_bc_first(innermost(way)->proto)) { /* a function's header */
    innermost(way)->pc += 4;
    return true;
  }
  if (op <= BC_ISF) {
    if (op <= BC_ISNEP) way->has_compared |= op == BC_ISEQV || op == BC_ISNEV;
    make(search, way, ins);
    step_metamethods(search, way, op);
    return step_fork(search, way, pc + 8, seep_bc_target(pc + 4, seep_bc_at(pc + 4)));
  }
  if (op == BC_ITERC || op == BC_ITERN) return step_iterator(search, way);
  if (op >= BC_CALLM && op < BC_ITERC) return step_call(search, way, ins);
  if (op >= BC_RETM && op <= BC_RET1) return seep_luajit_leave(&way->levels);
  if (op >= BC_FORI && op <= BC_IITERL) return step_loop(search, way, ins);
  if (op == BC_JMP || op == BC_UCLO || op == BC_ISNEXT) return step_jump(search, way, ins);
  bool is_loop = op >= BC_LOOP && op <= BC_JLOOP && pc == search->piece->loop_pc;
  if (is_loop) way->is_over = !search->piece->is_own_loop || way->levels.count == 1;
  return step_plain(search, way, ins);
}

/* Whether a way has left the loop that its trace must not leave (lj_record.c lj_record_ins). */
static bool is_out_of_range(const struct search *search, const struct way *way) {
  uintptr_t pc = way->levels.at[0].pc;
  if (way->levels.count != 1 || search->piece->range_end == 0) return false;
  return pc < search->piece->range_first || pc >= search->piece->range_end;
}

/* Whether a way is where a trace's loop over all of a table begins again, which is at its call of next (lj_record.c
 * rec_itern). */
static bool is_at_next(const struct search *search, const struct way *way) {
  const struct seep_luajit_level *level = &way->levels.at[way->levels.count - 1];
  if (level->pc != search->piece->loop_pc || !search->piece->is_own_loop || way->levels.count != 1) return false;
  return seep_bc_op(seep_luajit_original(&search->traces, seep_bc_at(level->pc))) == BC_ITERN;
}

/* Goes one way to its end. */
static void go(struct search *search, struct way way) {
  while (!search->has_failed && seep_bc_is_inside(innermost(&way)->proto, innermost(&way)->pc)) {
    bool is_start = way.node == SEEP_GRAPH_NOWHERE;
    bool is_new = seep_luajit_graph_reach(&search->graph, state_of(&way), &way.node);
    if (way.node == SEEP_GRAPH_NOWHERE) give_up(search);
    if (search->has_failed) return;
    if (!is_start && is_same_point(&way.levels, &search->piece->to)) accept(search, &way);
    if (!is_start && is_at_next(search, &way)) return;
    if (!is_new || way.is_over || is_out_of_range(search, &way) || !step(search, &way)) return;
  }
}

/* A function that an upvalue holds for good is a constant wherever it is called by that: no comparison
 * with it comes first. */
static void free_upvalues(struct search *search, const struct seep_luajit_level *level) {
  if (level->closure == 0) return;
  uint32_t count = seep_load_u8(NULL, level->proto + SEEP_PROTO_SIZEUV);
  for (uint32_t number = 0; number < count; number++) {
    uint64_t value = seep_luajit_fixed_upvalue(level, number);
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

/* Where a trace came into its outermost function: as a root trace with all in memory, or by a return. What a side
 * trace's parent has changed is not there. */
static uintptr_t start_of(const struct seep_luajit_piece *piece) {
  struct seep_luajit_snapshot first;
  if (piece->has_returned) return piece->from.at[0].pc;
  bool is_root = seep_luajit_ir(piece->trace, SEEP_IR_BIAS).op1 == 0;
  return is_root && seep_luajit_snapshot(piece->trace, 0, &first) ? first.pc : 0;
}

static bool starts_inside(const struct search *search) {
  struct seep_luajit_snapshot first;
  if (search->piece->has_returned || !seep_luajit_snapshot(search->piece->trace, 0, &first)) return true;
  return seep_luajit_is_inside(&first);
}

bool seep_luajit_prove(const struct seep_luajit_piece *piece, uint32_t ref, void *memory,
                       struct seep_luajit_levels *out) {
  struct search *search = memory;
  memset(search, 0, offsetof(struct search, ways));
  seep_luajit_graph_start(&search->graph);
  search->piece = piece;
  search->traces = (struct seep_luajit_traces){piece->traces, piece->trace_count, start_of(piece)};
  if (!seep_luajit_callees_of(piece->trace, &search->callees) || !read_piece(search, ref)) return false;
  if (search->like_count >= UINT8_MAX) return false;
  search->starts_inside = starts_inside(search);
  free_constants(search);
  read_guards(search);
  search->has_concat = seep_luajit_callees_have(&search->callees, SEEP_MM_CONCAT);
  search->ways[search->way_count++] =
      (struct way){.levels = piece->from, .node = SEEP_GRAPH_NOWHERE, .met = running(search)};
  while (search->way_count > 0 && !search->has_failed) go(search, search->ways[--search->way_count]);
  if (search->has_failed) return false;
  return seep_luajit_graph_conclude(&search->graph, search->like_before, search->like_count, out);
}
