/* See luajit_trace.h. */
#include "vm/luajit_trace.h"

#include <string.h>

#include "vm/luajit_allowance.h"
#include "vm/luajit_bytecode.h"
#include "vm/luajit_graph.h"
#include "vm/luajit_path.h"

/* GCtrace: offsets in bytes. */
enum {
  TRACE_TYPE = 9, TRACE_NSNAP = 10, TRACE_NINS = 12, TRACE_IR = 32, TRACE_NK = 40, TRACE_NSNAPMAP = 44, TRACE_SNAP = 48,
  TRACE_SNAPMAP = 56, TRACE_STARTPC = 72, TRACE_STARTINS = 80, TRACE_SZMCODE = 84, TRACE_MCODE = 88,
  TRACE_SPADJUST = 102, TRACE_ROOT = 108, SNAP_BYTES = 12, GCT_TRACE = 9,
};

enum { CACHE_SETS = 96, CACHE_WAYS = 4, REF_FIRST = SEEP_IR_BIAS + 1 };

/* Stands for a return address where a trace is left: with the numbers of the trace and the exit. */
#define EXIT_ADDRESS(trace, exit) ((uintptr_t)1 << 63 | (uintptr_t)(trace) << 32 | (exit))
#define IS_EXIT(address) ((address) >> 63 != 0)

/* A trace as it is compared in the hot path. It may be flushed, and another take its place, its
 * memory, its number: then it is recorded another way, and has other snapshots. */
struct identity {
  uintptr_t return_address, trace, code, start_pc;
  uint32_t code_epoch, ir_end, snap_map_count, code_bytes;
};

/* What was looked up, by return address. */
struct cached {
  struct identity identity;
  uintptr_t pc_at[2];        /* where the trace has the pcs of the snapshots on either side */
  uint64_t pcs[2];
  struct seep_trace_place place;
  uint64_t print;            /* of the place's prototypes: see print_of */
  bool is_unsure;            /* which IR instruction calls was a guess … */
  uint32_t lessons;          /* … with what had been learned by then */
};

/* Which kind of IR instruction calls a C function, learned where the two were in step. */
enum { LEARNED = 64, LEARNED_NOTHING = 0xffffffff };
struct learned { uintptr_t callee; uint32_t kind; };

struct scratch {
  struct cached cached[CACHE_SETS][CACHE_WAYS];
  uint32_t replaced, lessons;
  struct seep_luajit_allowance allowance;
  struct learned learned[LEARNED];
  _Alignas(8) uint8_t search[SEEP_LUAJIT_SEARCH_BYTES];
};
_Static_assert(sizeof(struct scratch) <= SEEP_VM_SCRATCH_BYTES, "the scratch is large enough");

/* -- Traces -------------------------------------------------------------------- */

static bool is_readable(uintptr_t begin, size_t size_bytes) {
  uint8_t byte;
  return size_bytes == 0 || (seep_load(&seep_image_self_checked, begin, &byte, 1) &&
                             seep_load(&seep_image_self_checked, begin + size_bytes - 1, &byte, 1));
}

static uintptr_t trace_at(const struct seep_trace_run *run, uint32_t number) {
  if (number == 0 || number >= run->trace_count) return 0;
  return seep_load_pointer(&seep_image_self_checked, run->traces + number * (uintptr_t)8);
}

/* Reads a trace, and looks whether all that it refers to is there. */
static bool read_trace(uintptr_t at, struct seep_luajit_trace *out) {
  const struct seep_image *image = &seep_image_self_checked;
  if (at == 0 || seep_load_u8(image, at + TRACE_TYPE) != GCT_TRACE) return false;
  *out = (struct seep_luajit_trace){
      .ir = seep_load_pointer(image, at + TRACE_IR), .snaps = seep_load_pointer(image, at + TRACE_SNAP),
      .snap_map = seep_load_pointer(image, at + TRACE_SNAPMAP), .code = seep_load_pointer(image, at + TRACE_MCODE),
      .start_pc = seep_load_pointer(image, at + TRACE_STARTPC), .first_constant = seep_load_u32(image, at + TRACE_NK),
      .ir_end = seep_load_u32(image, at + TRACE_NINS), .snap_count = seep_load_u16(image, at + TRACE_NSNAP),
      .snap_map_count = seep_load_u32(image, at + TRACE_NSNAPMAP),
      .code_bytes = seep_load_u32(image, at + TRACE_SZMCODE), .start_ins = seep_load_u32(image, at + TRACE_STARTINS),
      .root = seep_load_u16(image, at + TRACE_ROOT)};
  if (out->first_constant > SEEP_IR_BIAS || out->ir_end < REF_FIRST || out->ir_end > 2 * SEEP_IR_BIAS) return false;
  return out->snap_count != 0 && is_readable(out->code, out->code_bytes) &&
         is_readable(out->ir + out->first_constant * (uintptr_t)SEEP_IR_BYTES,
                     (out->ir_end - out->first_constant) * (size_t)SEEP_IR_BYTES) &&
         is_readable(out->snaps, out->snap_count * (size_t)SNAP_BYTES) &&
         is_readable(out->snap_map, out->snap_map_count * (size_t)4);
}

/* The last snapshot whose field is at or below a limit: lj_trace.c lj_trace_unwind. */
static uint32_t snapshot_before(const struct seep_luajit_trace *trace, uint32_t code_offset, uint32_t ref) {
  struct seep_luajit_snapshot snapshot;
  uint32_t low = 0, high = trace->snap_count;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    if (!seep_luajit_snapshot(trace, middle, &snapshot)) return 0;
    if (snapshot.code_offset > code_offset || snapshot.ref > ref) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low == 0 ? 0 : low - 1;
}

/* A part of a trace, between two snapshots: its IR and machine code. */
struct part { uint32_t first, end, code_first, code_end; };

static bool read_part(const struct seep_luajit_trace *trace, uint32_t number, struct part *out) {
  struct seep_luajit_snapshot snapshot, next;
  if (!seep_luajit_snapshot(trace, number, &snapshot)) return false;
  *out = (struct part){.first = number == 0 ? REF_FIRST : snapshot.ref, .end = trace->ir_end,
                       .code_first = snapshot.code_offset, .code_end = trace->code_bytes};
  if (number + 1 == trace->snap_count) return true;
  if (!seep_luajit_snapshot(trace, number + 1, &next)) return false;
  out->end = next.ref;
  out->code_end = next.code_offset;
  return out->code_end <= trace->code_bytes;
}

/* -- Which IR instruction calls -------------------------------------------------- */

/* How often a part calls a C function, in order of the first call: of the machine code by
 * the function's address, of the IR by the instruction's kind. */
enum { CALLEES_MAX = 24 };
struct callees {
  uint32_t count;
  struct { uint64_t what; uint32_t calls; } at[CALLEES_MAX];
};

static uint32_t note_call(struct callees *callees, uint64_t what) {
  uint32_t i = 0;
  while (i < callees->count && callees->at[i].what != what) i++;
  if (i == CALLEES_MAX) return i;
  if (i == callees->count) {
    callees->at[callees->count].what = what;
    callees->at[callees->count++].calls = 0;
  }
  callees->at[i].calls++;
  return i;
}

/* The function that the call before `end` calls (lj_emit_x86.h emit_call_), or 0. */
static uintptr_t callee_before(uintptr_t end) {
  enum { CALL = 0xe8, CALL_BYTES = 5 };
  if (seep_load_u8(NULL, end - CALL_BYTES) != CALL) return 0;
  return end + (uintptr_t)(int64_t)(int32_t)seep_load_u32(NULL, end - 4);
}

/* lj_asm_x86.h asm_gc_check: a call of the collector is followed by a test of its result. */
static bool is_collector_call(const struct seep_luajit_trace *trace, uint32_t end) {
  return end + 4 <= trace->code_bytes && (seep_load_u32(NULL, trace->code + end) & 0xf0ffffff) == 0x800fc085;
}

/* The calls of a part's machine code to anywhere near `callee`: no other bytes look
 * like that, in all likelihood. Returns how many to `callee` itself come before `code_offset`. */
static uint32_t collect_calls(const struct seep_luajit_trace *trace, const struct part *part, uintptr_t callee,
                              uint32_t code_offset, struct callees *out) {
  enum { CALL_BYTES = 5, LIBRARY_BYTES = 1 << 20 };
  uint32_t before = 0;
  for (uint32_t end = part->code_first + CALL_BYTES; end <= part->code_end; end++) {
    uintptr_t other = callee_before(trace->code + end);
    if (other == 0 || other - callee + LIBRARY_BYTES > 2 * LIBRARY_BYTES) continue;
    if (is_collector_call(trace, end)) continue;
    note_call(out, other);
    if (other == callee && end < code_offset) before++;
  }
  return before;
}

/* lj_asm.c asm_bufput: what is put decides who puts it. */
static uint32_t kind_of_put(const struct seep_luajit_trace *trace, struct seep_luajit_ir ir) {
  enum { STRING_LENGTH = 20, PUT_CHAR = 1, PUT_NUMBER, PUT_MEMORY = 8 };
  uintptr_t string = seep_luajit_object(trace, ir.op2);
  if (string != 0) {
    bool is_char = seep_load_u32(&seep_image_self_checked, string + STRING_LENGTH) == 1;
    return SEEP_IR_BUFPUT | (is_char ? PUT_CHAR : 0) << 8;
  }
  if (ir.op2 < SEEP_IR_BIAS || ir.op2 >= trace->ir_end) return SEEP_IR_BUFPUT;
  struct seep_luajit_ir piece = seep_luajit_ir(trace, ir.op2);
  if (seep_luajit_ir_has_result(piece)) return SEEP_IR_BUFPUT;
  if (piece.op == SEEP_IR_TOSTR) return SEEP_IR_BUFPUT | (piece.op2 == 2 ? PUT_CHAR : PUT_NUMBER + piece.op2) << 8;
  return SEEP_IR_BUFPUT | (piece.op == SEEP_IR_SNEW ? PUT_MEMORY : 0) << 8;
}

/* A kind of IR instructions that all call one function; 0: calls none. */
static uint32_t kind_of(const struct seep_luajit_trace *trace, struct seep_luajit_ir ir) {
  enum { SUNK = 0xfd, SINK = 0xfe, NIL = SEEP_IR_BIAS - 1 };
  if (ir.reg == SUNK || ir.reg == SINK) return 0;
  switch (ir.op) {
    case SEEP_IR_XSNEW: return seep_luajit_ir_has_result(ir) ? SEEP_IR_SNEW : 0;
    case SEEP_IR_CNEWI: return seep_luajit_ir_has_result(ir) ? SEEP_IR_CNEW : 0;
    case SEEP_IR_BUFPUT: return seep_luajit_ir_has_result(ir) ? kind_of_put(trace, ir) : 0;
    case SEEP_IR_CALLN: case SEEP_IR_CALLA: case SEEP_IR_CALLL:
      return seep_luajit_ir_has_result(ir) ? ir.op | (uint32_t)ir.op2 << 8 : 0;
    case SEEP_IR_NEWREF: case SEEP_IR_OBAR: return ir.op;
    case SEEP_IR_TNEW: case SEEP_IR_TDUP: case SEEP_IR_CNEW: case SEEP_IR_BUFSTR: case SEEP_IR_SNEW:
    case SEEP_IR_MOD: case SEEP_IR_STRTO: return seep_luajit_ir_has_result(ir) ? ir.op : 0;
    case SEEP_IR_ALEN: return seep_luajit_ir_has_result(ir) ? ir.op | (ir.op2 == NIL) << 8 : 0;
    case SEEP_IR_TOSTR: return seep_luajit_ir_has_result(ir) ? ir.op | (uint32_t)ir.op2 << 8 : 0;
    default: return ir.op > SEEP_IR_CALLL && ir.op <= SEEP_IR_CALLXS ? ir.op | (uint32_t)ir.op2 << 8 : 0;
  }
}

/* Kinds whose every instruction makes an object, or a table larger. */
static bool is_maker(uint32_t kind) {
  return kind == SEEP_IR_NEWREF || kind == SEEP_IR_SNEW || kind == SEEP_IR_TNEW || kind == SEEP_IR_TDUP ||
         kind == SEEP_IR_CNEW || kind == SEEP_IR_BUFSTR || (uint8_t)kind == SEEP_IR_TOSTR;
}

/* Where a C function's kind is noted, or can be; NULL: there is no room. */
static struct learned *learned_of(struct scratch *scratch, uintptr_t callee) {
  uint32_t first = (uint32_t)(seep_mix64(callee) % LEARNED);
  for (uint32_t i = 0; i < LEARNED; i++) {
    struct learned *learned = &scratch->learned[(first + i) % LEARNED];
    if (learned->callee == callee || learned->callee == 0) return learned;
  }
  return NULL;
}

/* Takes out what is known already to belong together, and is there as often. */
static void drop_learned(struct scratch *scratch, struct callees *kinds, struct callees *calls) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < calls->count; i++) {
    const struct learned *learned = learned_of(scratch, (uintptr_t)calls->at[i].what);
    uint32_t k = 0;
    while (k < kinds->count && !(learned != NULL && learned->callee == calls->at[i].what && kinds->at[k].what == learned->kind &&
                                 kinds->at[k].calls == calls->at[i].calls)) k++;
    if (k == kinds->count) {
      calls->at[kept++] = calls->at[i];
    } else {
      memmove(&kinds->at[k], &kinds->at[k + 1], (--kinds->count - k) * sizeof kinds->at[0]);
    }
  }
  calls->count = kept;
}

/* Learns who calls whom when each C function is called as often as the kind of IR in its place. One that was
 * seen to be called by two kinds says nothing any more. */
static void learn(struct scratch *scratch, struct callees kinds, struct callees calls) {
  if (kinds.count == CALLEES_MAX || calls.count == CALLEES_MAX) return;
  if (kinds.count != calls.count) drop_learned(scratch, &kinds, &calls);
  if (kinds.count != calls.count) return;
  for (uint32_t i = 0; i < kinds.count; i++) {
    if (kinds.at[i].calls != calls.at[i].calls) return;
  }
  for (uint32_t i = 0; i < kinds.count; i++) {
    uintptr_t callee = (uintptr_t)calls.at[i].what;
    uint32_t kind = (uint32_t)kinds.at[i].what;
    struct learned *learned = learned_of(scratch, callee);
    if (learned == NULL) return;
    if (learned->callee == 0) scratch->lessons++;
    *learned = (struct learned){callee, learned->callee == 0 || learned->kind == kind ? kind : LEARNED_NOTHING};
  }
}

static uint32_t times(const struct callees *callees, uint64_t what) {
  for (uint32_t i = 0; i < callees->count; i++) {
    if (callees->at[i].what == what) return callees->at[i].calls;
  }
  return 0;
}

/* The kind that was learned for `callee`, if the part has any of it; else 0. */
static uint32_t learned_kind(struct scratch *scratch, const struct callees *kinds, uintptr_t callee) {
  const struct learned *learned = learned_of(scratch, callee);
  for (uint32_t i = 0; learned != NULL && learned->callee == callee && i < kinds->count; i++) {
    if (kinds->at[i].what == learned->kind) return learned->kind;
  }
  return 0;
}

/* The kind of IR that stands for `callee`: the two are called equally often; among several
 * of which that is so, in the same order. 0: none. */
static uint32_t kind_of_callee(const struct callees *kinds, const struct callees *calls, uintptr_t callee) {
  uint32_t rank = 0, number = 0;
  while (number < calls->count && calls->at[number].what != callee) number++;
  if (number == calls->count) return 0;
  uint32_t times = calls->at[number].calls;
  for (uint32_t i = 0; i < number; i++) rank += calls->at[i].calls == times;
  uint32_t likely = 0;
  for (uint32_t i = 0; i < kinds->count; i++) {
    if (kinds->at[i].calls != times) continue;
    if (rank-- == 0) return (uint32_t)kinds->at[i].what;
    if (is_maker((uint32_t)kinds->at[i].what)) likely = (uint32_t)kinds->at[i].what;
  }
  for (uint32_t i = 0; likely == 0 && i < kinds->count; i++) {
    if (is_maker((uint32_t)kinds->at[i].what)) likely = (uint32_t)kinds->at[i].what;
  }
  return likely;
}

/* The IR instruction of `part` whose call returns to `code_offset`; 0: unknown. */
static uint32_t calling_ref(struct scratch *scratch, const struct seep_luajit_trace *trace, const struct part *part,
                            uint32_t code_offset, bool *is_sure) {
  enum { CALL_BYTES = 5 };
  struct callees kinds = {0}, calls = {0};
  uintptr_t callee = code_offset < CALL_BYTES ? 0 : callee_before(trace->code + code_offset);
  uint32_t before = callee == 0 ? 0 : collect_calls(trace, part, callee, code_offset, &calls);
  for (uint32_t ref = part->first; ref < part->end; ref++) {
    uint32_t kind = kind_of(trace, seep_luajit_ir(trace, ref));
    if (kind != 0) note_call(&kinds, kind);
  }
  if (callee != 0 && is_collector_call(trace, code_offset)) return 0;
  learn(scratch, kinds, calls);
  uint32_t wanted = learned_kind(scratch, &kinds, callee);
  *is_sure = wanted != 0 && times(&kinds, wanted) == times(&calls, callee);
  if (wanted == 0) wanted = kind_of_callee(&kinds, &calls, callee);
  uint32_t last = 0;
  for (uint32_t ref = part->first; wanted != 0 && ref < part->end; ref++) {
    if (kind_of(trace, seep_luajit_ir(trace, ref)) != wanted) continue;
    last = ref;
    if (before-- == 0) break;
  }
  return last;
}

/* -- Which bytecode it was made from ------------------------------------------------ */

/* What tells the instruction `ref` from others of its kind. */
static void want(const struct seep_luajit_trace *trace, uint32_t ref, struct seep_luajit_wanted *out) {
  *out = (struct seep_luajit_wanted){.ir = seep_luajit_ir(trace, ref)};
  if (out->ir.op == SEEP_IR_TDUP) out->constant = seep_luajit_object(trace, out->ir.op1);
  if (out->ir.op == SEEP_IR_NEWREF) out->constant = seep_luajit_object(trace, out->ir.op2);
  if (out->ir.op == SEEP_IR_BUFSTR) seep_luajit_text_of(trace, ref, &out->text);
}

/* Whether an instruction, perhaps of another trace, makes the same thing. */
static bool is_like(const struct seep_luajit_trace *trace, uint32_t ref, const struct seep_luajit_wanted *wanted) {
  struct seep_luajit_ir ir = seep_luajit_ir(trace, ref);
  struct seep_luajit_wanted other;
  if (ir.op != wanted->ir.op) return false;
  if (ir.op == SEEP_IR_TNEW) return ir.op1 == wanted->ir.op1 && ir.op2 == wanted->ir.op2;
  if (ir.op >= SEEP_IR_TOSTR) return ir.op2 == wanted->ir.op2;
  want(trace, ref, &other);
  return other.constant == wanted->constant && (wanted->is_loose || seep_luajit_text_equal(&other.text, &wanted->text));
}

static uint32_t count_like(const struct seep_luajit_trace *trace, uint32_t first, uint32_t end,
                           const struct seep_luajit_wanted *wanted) {
  uint32_t count = 0;
  for (uint32_t ref = first; ref < end; ref++) count += is_like(trace, ref, wanted);
  return count;
}

/* The instruction in a loop's first body that `ref`, in its second, is a copy of. */
static uint32_t first_copy(const struct seep_luajit_trace *trace, uint32_t ref,
                           const struct seep_luajit_wanted *wanted) {
  uint32_t loop = REF_FIRST;
  while (loop < ref && seep_luajit_ir(trace, loop).op != SEEP_IR_LOOP) loop++;
  if (loop == ref) return ref;
  uint32_t first = count_like(trace, REF_FIRST, loop, wanted);
  uint32_t second = count_like(trace, loop, trace->ir_end, wanted);
  uint32_t left = count_like(trace, loop, ref, wanted);
  if (second > first) return ref;
  left += first - second; /* those of the first body that are not in the second are done once, before the others */
  for (uint32_t at = REF_FIRST; at < loop; at++) {
    if (is_like(trace, at, wanted) && left-- == 0) return at;
  }
  return ref;
}

/* What is being looked for. */
struct search {
  const struct seep_vm_state *state;
  const struct seep_trace_run *run;
  struct seep_luajit_trace trace;
  struct seep_luajit_wanted wanted;
  struct seep_luajit_levels levels;
  bool is_proven;
  bool is_unsure;            /* which instruction calls */
  bool is_elsewhere;         /* what is looked for was not made where the trace is now */
};

/* Goes on in the trace from which a side trace branches off, when that is where
 * `ref` comes from (lj_snap.c lj_snap_replay): to its last instruction of the kind before the exit. */
static uint32_t ref_in_parent(struct search *search, uint32_t ref) {
  enum { DEPTH_MAX = 4 };
  for (uint32_t depth = 0; depth < DEPTH_MAX; depth++) {
    struct seep_luajit_snapshot first, exit;
    struct seep_luajit_trace parent;
    struct seep_luajit_ir base = seep_luajit_ir(&search->trace, SEEP_IR_BIAS); /* IR_BASE: parent, exit */
    if (!seep_luajit_snapshot(&search->trace, 0, &first) || ref >= first.ref) return ref;
    if (!read_trace(trace_at(search->run, base.op1), &parent)) return ref;
    if (!seep_luajit_snapshot(&parent, base.op2, &exit)) return ref;
    uint32_t at = exit.ref - 1;
    while (at >= REF_FIRST && !is_like(&parent, at, &search->wanted)) at--;
    if (at < REF_FIRST) return ref;
    search->trace = parent;
    ref = at;
  }
  return ref;
}

/* Takes the levels at a snapshot. */
static bool take_snapshot(struct search *search, uint32_t number) {
  struct seep_luajit_snapshot snapshot;
  return seep_luajit_snapshot(&search->trace, number, &snapshot) &&
         seep_luajit_levels(&search->trace, &snapshot, search->run->closure, search->run->base, &search->levels) &&
         search->levels.at[search->levels.count - 1].ffid == 0;
}

/* The functions that the trace checks for between two instructions, in order. */
static void collect_checked(const struct seep_luajit_trace *trace, uint32_t first, uint32_t end,
                            struct seep_luajit_wanted *out) {
  enum { OBJECT_TYPE = 9, GCT_FUNC = 8 };
  out->checked_count = 0;
  for (uint32_t ref = first; ref < end && out->checked_count < SEEP_CHECKED_MAX; ref++) {
    struct seep_luajit_ir ir = seep_luajit_ir(trace, ref);
    uintptr_t object = ir.op == SEEP_IR_EQ ? seep_luajit_object(trace, ir.op2) : 0;
    if (object == 0 || seep_load_u8(&seep_image_self_checked, object + OBJECT_TYPE) != GCT_FUNC) continue;
    out->checked[out->checked_count++] = object;
  }
}

/* Walks from snapshot `number`, and from where else it may stand for, to `ref`'s instruction. */
static bool walk_from(struct search *search, uint32_t number, uint32_t ref, uintptr_t end) {
  struct seep_luajit_snapshot snapshot;
  uintptr_t starts[SEEP_STARTS_MAX];
  if (!seep_luajit_snapshot(&search->trace, number, &snapshot) || !take_snapshot(search, number)) return false;
  struct seep_luajit_levels from = search->levels;
  uint32_t count = seep_luajit_starts(&from.at[from.count - 1], starts);
  search->wanted.snapshot = number;
  search->wanted.before = count_like(&search->trace, snapshot.ref, ref, &search->wanted);
  collect_checked(&search->trace, snapshot.ref, ref, &search->wanted);
  for (uint32_t i = 0; i < 2 * count; i++) {
    search->levels = from;
    search->levels.at[from.count - 1].pc = starts[i / 2];
    search->wanted.with_operators = i % 2 == 1;
    if (search->wanted.with_operators && search->wanted.checked_count == 0) continue;
    if (seep_luajit_walk(search->state, &search->trace, &search->wanted, end, &search->levels)) return true;
  }
  return false;
}

/* The bytecode of instruction `ref`: forward from the snapshot before it, backward from
 * the one behind it, or forward from one of those before. */
static bool find_bytecode(struct search *search, uint32_t ref) {
  enum { BACK_MAX = 4 };
  struct seep_luajit_snapshot next = {0};
  uint32_t number = snapshot_before(&search->trace, UINT32_MAX, ref);
  bool has_next = seep_luajit_snapshot(&search->trace, number + 1, &next);
  if (walk_from(search, number, ref, next.pc)) return true;
  if (has_next && take_snapshot(search, number + 1) && seep_luajit_walk_back(&search->wanted, &search->levels)) {
    return true;
  }
  for (uint32_t back = 1; back < BACK_MAX && back <= number; back++) {
    if (walk_from(search, number - back, ref, next.pc)) return true;
  }
  return false;
}

/* Where a piece begins or ends: at a snapshot, or behind the last one where the loop does. */
static bool take_point(const struct search *search, uint32_t number, struct seep_luajit_levels *out) {
  struct seep_luajit_snapshot snapshot;
  if (number == search->trace.snap_count) number = 0;
  return seep_luajit_snapshot(&search->trace, number, &snapshot) &&
         seep_luajit_levels(&search->trace, &snapshot, search->run->closure, search->run->base, out);
}

/* Whether the trace returns to a lower frame between two instructions. */
static bool returns_between(const struct seep_luajit_trace *trace, uint32_t first, uint32_t end) {
  for (uint32_t at = first; at < end; at++) {
    if (seep_luajit_ir(trace, at).op == SEEP_IR_RETF) return true;
  }
  return false;
}

/* What a root trace of a loop does not leave in its own function: lj_record.c rec_setup_root. */
static void find_range(const struct seep_luajit_trace *root, struct seep_luajit_piece *piece) {
  uint32_t ins = root->start_ins;
  uintptr_t end = root->start_pc;
  if (seep_bc_op(ins) == BC_ITERN) {
    end += 4;
    if (!seep_load(&seep_image_self_checked, end, &ins, sizeof ins)) return;
  }
  uintptr_t target = seep_bc_target(end, ins);
  if (seep_bc_op(ins) != BC_LOOP) {
    piece->range_first = target;
    piece->range_end = end + 4;
    return;
  }
  uintptr_t last = target - 4; /* of a while loop: there it jumps back */
  if (!seep_load(&seep_image_self_checked, last, &ins, sizeof ins) || seep_bc_op(ins) != BC_JMP) return;
  uintptr_t first = seep_bc_target(last, ins);
  if (first > last) return;
  piece->range_first = first;
  piece->range_end = target;
}

/* Finds the loop that ends the trace: its own, unless it has gone on in a lower frame, or that of its root. */
static void find_loop(const struct search *search, struct seep_luajit_piece *piece) {
  struct seep_luajit_trace root = search->trace;
  piece->is_own_loop = root.root == 0;
  if (piece->is_own_loop && piece->has_returned) return;
  if (!piece->is_own_loop && !read_trace(trace_at(search->run, root.root), &root)) return;
  struct seep_luajit_ir base = seep_luajit_ir(&root, SEEP_IR_BIAS);
  uint8_t op = seep_bc_op(root.start_ins);
  if (base.op1 != 0 || base.op2 != 0) return; /* it goes on behind a builtin that is not compiled (recff_stitch) */
  if (op != BC_FORL && op != BC_ITERL && op != BC_ITERN && op != BC_LOOP) return;
  piece->loop_pc = root.start_pc;
  if (piece->is_own_loop) find_range(&root, piece);
}

/* Proves where `ref`, which is not before the first snapshot, comes from. */
static bool prove(const struct search *search, uint32_t ref, struct seep_luajit_levels *out) {
  const struct seep_luajit_trace *trace = &search->trace;
  struct seep_luajit_piece piece = {.vm = search->state->vm, .traces = search->run->traces,
                                    .trace_count = search->run->trace_count, .trace = trace};
  struct seep_luajit_snapshot snapshot;
  struct part part;
  uint32_t number = snapshot_before(trace, UINT32_MAX, ref);
  if (!read_part(trace, number, &part) || !seep_luajit_snapshot(trace, number, &snapshot)) return false;
  piece.first = snapshot.ref;
  piece.end = part.end;
  if (ref < piece.first || ref >= piece.end || returns_between(trace, piece.first, piece.end)) return false;
  if (!take_point(search, number, &piece.from) || !take_point(search, number + 1, &piece.to)) return false;
  if (piece.from.at[piece.from.count - 1].ffid != 0) return false;
  piece.has_returned = returns_between(trace, REF_FIRST, piece.first);
  find_loop(search, &piece);
  if (piece.has_returned && search->is_elsewhere) piece.from.at[0].base = piece.to.at[0].base = 0;
  return seep_luajit_prove(&piece, ref, ((struct scratch *)search->state->scratch)->search, out);
}

/* Proves where something comes from that a side trace makes at its start because its parent has put
 * it off (lj_snap.c lj_snap_replay): all those of the parent that are like it come into question. */
static bool prove_in_parent(const struct search *search, uint32_t ref, uint32_t depth, struct seep_luajit_levels *out) {
  enum { SUNK = 0xfd, DEPTH_MAX = 6 };
  struct search parent = {.state = search->state, .run = search->run, .is_elsewhere = true};
  struct seep_luajit_wanted wanted;
  struct seep_luajit_snapshot first, exit;
  struct seep_luajit_ir base = seep_luajit_ir(&search->trace, SEEP_IR_BIAS); /* IR_BASE: parent, exit */
  bool has_found = false;
  if (depth == DEPTH_MAX || !read_trace(trace_at(search->run, base.op1), &parent.trace)) return false;
  if (!seep_luajit_snapshot(&parent.trace, base.op2, &exit)) return false;
  if (!seep_luajit_snapshot(&parent.trace, 0, &first)) return false;
  want(&search->trace, ref, &wanted);
  for (uint32_t at = REF_FIRST; at < exit.ref; at++) {
    struct seep_luajit_levels found;
    if (seep_luajit_ir(&parent.trace, at).reg != SUNK || !is_like(&parent.trace, at, &wanted)) continue;
    if (!(at < first.ref ? prove_in_parent(&parent, at, depth + 1, &found) : prove(&parent, at, &found))) return false;
    if (has_found && seep_luajit_place_of(&found) != seep_luajit_place_of(out)) return false;
    *out = found;
    has_found = true;
  }
  return has_found;
}

static bool is_in_head(const struct search *search, uint32_t ref) {
  struct seep_luajit_snapshot first;
  return seep_luajit_snapshot(&search->trace, 0, &first) && ref < first.ref;
}

static bool look_up(struct search *search, uintptr_t trace, uint32_t code_offset) {
  struct part part;
  if (!read_trace(trace, &search->trace)) return false;
  uint32_t number = snapshot_before(&search->trace, code_offset - 1, UINT32_MAX);
  if (!read_part(&search->trace, number, &part)) return false;
  bool is_sure = false;
  uint32_t ref = calling_ref(search->state->scratch, &search->trace, &part, code_offset, &is_sure);
  search->is_unsure = !is_sure;
  if (ref == 0) return take_snapshot(search, number);
  search->is_proven = is_sure && (is_in_head(search, ref) ? prove_in_parent(search, ref, 0, &search->levels)
                                                          : prove(search, ref, &search->levels));
  if (search->is_proven) return true;
  struct seep_luajit_trace own = search->trace;
  want(&own, ref, &search->wanted);
  ref = first_copy(&own, ref, &search->wanted);
  ref = ref_in_parent(search, ref);
  if (find_bytecode(search, ref)) return true;
  search->wanted.is_loose = true;
  if (find_bytecode(search, ref)) return true;
  search->trace = own;
  return take_snapshot(search, number);
}

/* -- Exits ------------------------------------------------------------------------- */

bool seep_luajit_is_exit(const struct seep_trace_run *run, uint32_t number, uintptr_t pc) {
  struct seep_luajit_trace trace;
  struct seep_luajit_snapshot snapshot;
  if (!read_trace(trace_at(run, run->number), &trace) || !seep_luajit_snapshot(&trace, number, &snapshot)) return false;
  return pc == snapshot.pc || pc == snapshot.pc + 4;
}

/* Whether an instruction before exit `snapshot` may be made by it: it was put off, and is in one of the
 * program's variables, or in something else that was put off. */
static bool is_made_by_exit(const struct seep_luajit_trace *trace, const struct seep_luajit_snapshot *snapshot,
                            uint32_t ref) {
  enum { SUNK = 0xfd, SINK = 0xfe };
  if (seep_luajit_ir(trace, ref).reg != SUNK) return false;
  for (uint32_t i = 0; i < snapshot->count; i++) {
    if ((seep_load_u32(NULL, snapshot->entries + i * (uintptr_t)4) & 0xffff) == ref) return true;
  }
  for (uint32_t at = ref + 1; at < snapshot->ref; at++) {
    struct seep_luajit_ir store = seep_luajit_ir(trace, at);
    if (store.reg == SINK && store.op2 == ref) return true;
  }
  return false;
}

/* Proves where all that an exit may make comes from. */
static bool prove_exit(struct search *search, const struct seep_luajit_snapshot *snapshot) {
  bool has_found = false;
  for (uint32_t ref = REF_FIRST; ref < snapshot->ref; ref++) {
    struct seep_luajit_levels found;
    if (!is_made_by_exit(&search->trace, snapshot, ref)) continue;
    if (!(is_in_head(search, ref) ? prove_in_parent(search, ref, 0, &found) : prove(search, ref, &found))) return false;
    if (has_found && seep_luajit_place_of(&found) != seep_luajit_place_of(&search->levels)) return false;
    search->levels = found;
    has_found = true;
  }
  return has_found;
}

/* Without anything that was put off, what is made is for the program to go on: a larger stack. */
static bool look_up_exit(struct search *search, uintptr_t trace, uint32_t number) {
  struct seep_luajit_snapshot snapshot;
  if (!read_trace(trace, &search->trace) || !seep_luajit_snapshot(&search->trace, number, &snapshot)) return false;
  bool makes = false;
  for (uint32_t ref = REF_FIRST; ref < snapshot.ref; ref++) makes |= is_made_by_exit(&search->trace, &snapshot, ref);
  search->is_elsewhere = true;
  search->is_proven = !makes || prove_exit(search, &snapshot);
  return (makes && search->is_proven) || take_snapshot(search, number);
}

/* -- Places ------------------------------------------------------------------------ */

/* A caller's pc is behind its call, as a key has it; the innermost one's is at its
 * instruction. */
static void take_frames(const struct seep_luajit_levels *levels, bool is_proven, struct seep_trace_place *out) {
  for (uint32_t i = 0; i < levels->count; i++) {
    const struct seep_luajit_level *level = &levels->at[levels->count - 1 - i];
    if (level->ffid != 0) {
      out->keys[i] = SEEP_KEY_C | SEEP_KEY_BUILTIN | level->ffid;
      out->protos[i] = 0;
      continue;
    }
    out->keys[i] = i == 0 ? (level->pc + 4) | (is_proven ? 0 : SEEP_KEY_INEXACT) : level->pc;
    out->protos[i] = level->proto;
  }
  out->count = levels->count;
}

/* Notes the pcs of the snapshots on either side of the call, or of the exit's. */
static void note_pcs(const struct search *search, struct cached *cached) {
  uintptr_t address = cached->identity.return_address;
  uint32_t number = IS_EXIT(address) ? (uint32_t)address
                                     : snapshot_before(&search->trace, (uint32_t)(address - cached->identity.code) - 1, UINT32_MAX);
  for (uint32_t i = 0; i < 2; i++) {
    struct seep_luajit_snapshot snapshot;
    cached->pc_at[i] = 0;
    if (!seep_luajit_snapshot(&search->trace, number + i, &snapshot)) continue;
    cached->pc_at[i] = snapshot.entries + snapshot.count * (uintptr_t)4;
    cached->pcs[i] = seep_load_u64(NULL, cached->pc_at[i]);
  }
}

/* Of all prototypes of a place; 0 when that of one cannot be told. */
static uint64_t print_of(const struct seep_trace_place *place) {
  uint64_t print = 1;
  for (uint32_t i = 0; i < place->count; i++) {
    uint64_t one = place->protos[i] == 0 ? 1 : seep_luajit_print(place->protos[i]);
    if (one == 0) return 0;
    print = seep_mix64(print ^ one);
  }
  return print;
}

static SEEP_NOINLINE void fill(const struct seep_vm_state *state, const struct seep_trace_run *run,
                               const struct identity *identity, struct cached *cached) {
  struct search search = {.state = state, .run = run};
  uintptr_t address = identity->return_address;
  *cached = (struct cached){.identity = *identity};
  if (!read_trace(identity->trace, &search.trace)) return;
  note_pcs(&search, cached);
  if (IS_EXIT(address) ? look_up_exit(&search, identity->trace, (uint32_t)address)
                       : look_up(&search, identity->trace, (uint32_t)(address - identity->code))) {
    take_frames(&search.levels, search.is_proven, &cached->place);
    cached->print = print_of(&cached->place);
    cached->is_unsure = search.is_unsure;
    cached->lessons = ((struct scratch *)state->scratch)->lessons;
  }
}

/* Whether an entry is of the trace that is there now, as far as the trace tells, and nothing has been learned since that
 * it lacked. */
static inline bool is_of_trace(const struct scratch *scratch, const struct cached *cached, uintptr_t trace) {
  const struct identity *identity = &cached->identity;
  if (identity->trace != trace) return false;
  if (identity->code != seep_load_pointer(NULL, trace + TRACE_MCODE) ||
      identity->start_pc != seep_load_pointer(NULL, trace + TRACE_STARTPC) ||
      identity->ir_end != seep_load_u32(NULL, trace + TRACE_NINS) ||
      identity->snap_map_count != seep_load_u32(NULL, trace + TRACE_NSNAPMAP) ||
      identity->code_bytes != seep_load_u32(NULL, trace + TRACE_SZMCODE)) {
    return false;
  }
  return (cached->pc_at[0] == 0 || seep_load_u64(NULL, cached->pc_at[0]) == cached->pcs[0]) &&
         (cached->pc_at[1] == 0 || seep_load_u64(NULL, cached->pc_at[1]) == cached->pcs[1]) &&
         (!cached->is_unsure || cached->lessons == scratch->lessons);
}

/* The same, and no prototype has been freed since. */
static inline bool is_current(const struct scratch *scratch, const struct cached *cached, uintptr_t trace, uint32_t code_epoch) {
  return cached->identity.code_epoch == code_epoch && is_of_trace(scratch, cached, trace);
}

/* A prototype has been freed: an entry whose own are as they were is good for this epoch, too. (A trace keeps alive what
 * it runs; another trace with the same code, snapshots and prototypes at the same addresses is the same again.) */
static bool revive(const struct scratch *scratch, struct cached *cached, uintptr_t trace, uint32_t code_epoch) {
  if (!is_of_trace(scratch, cached, trace) || cached->print == 0 || print_of(&cached->place) != cached->print) return false;
  cached->identity.code_epoch = code_epoch;
  return true;
}

/* A trace and where it is: the return address, or what stands for it. */
static void identify(const struct seep_vm_state *state, uintptr_t trace, uintptr_t address, struct identity *out) {
  *out = (struct identity){
      .return_address = address, .trace = trace, .code = seep_load_pointer(NULL, trace + TRACE_MCODE),
      .start_pc = seep_load_pointer(NULL, trace + TRACE_STARTPC), .code_epoch = state->code_epoch,
      .ir_end = seep_load_u32(NULL, trace + TRACE_NINS), .snap_map_count = seep_load_u32(NULL, trace + TRACE_NSNAPMAP),
      .code_bytes = seep_load_u32(NULL, trace + TRACE_SZMCODE)};
}

/* vm_x64.dasc BC_JLOOP: the trace runs in the interpreter's C frame, below two saved
 * registers and its spill slots. */
SEEP_ALWAYS_INLINE uintptr_t return_address(uintptr_t trace, uintptr_t c_frame) {
  return seep_load_pointer(NULL, c_frame - 16 - seep_load_u16(NULL, trace + TRACE_SPADJUST) - 8);
}

/* The entry of an address, or NULL; in `*set` those where it may stand. */
static inline struct cached *find_cached(struct scratch *scratch, uintptr_t address, struct cached **set) {
  uint64_t mixed = address * 0x9e3779b97f4a7c15ULL;
  *set = scratch->cached[(mixed >> 32) * CACHE_SETS >> 32];
  for (uint32_t i = 0; i < CACHE_WAYS; i++) {
    if (SEEP_LIKELY((*set)[i].identity.return_address == address)) return &(*set)[i];
  }
  return NULL;
}

static const struct seep_trace_place *place_of(const struct seep_vm_state *state, const struct seep_trace_run *run,
                                               const struct identity *identity) {
  struct scratch *scratch = state->scratch;
  struct cached *set, *cached = find_cached(scratch, identity->return_address, &set);
  bool is_known = cached != NULL && (is_current(scratch, cached, identity->trace, state->code_epoch) ||
                                     revive(scratch, cached, identity->trace, state->code_epoch));
  scratch->allowance.asked_count++;
  if (!is_known && !seep_luajit_is_worth_proof(&scratch->allowance, identity->return_address)) return NULL;
  if (cached == NULL) cached = &set[scratch->replaced++ % CACHE_WAYS];
  if (!is_known) fill(state, run, identity, cached);
  return cached->place.count == 0 ? NULL : &cached->place;
}

const struct seep_trace_place *seep_luajit_trace_known(const struct seep_vm_state *state, uintptr_t trace,
                                                       uintptr_t c_frame) {
  struct scratch *scratch = state->scratch;
  struct cached *set;
  if (SEEP_UNLIKELY(scratch == NULL)) return NULL;
  struct cached *cached = find_cached(scratch, return_address(trace, c_frame), &set);
  if (cached == NULL || !is_current(scratch, cached, trace, state->code_epoch)) return NULL;
  scratch->allowance.asked_count++;
  return &cached->place;
}

const struct seep_trace_place *seep_luajit_trace_place(const struct seep_vm_state *state,
                                                       const struct seep_trace_run *run) {
  struct identity identity;
  uintptr_t trace = seep_load_pointer(NULL, run->traces + run->number * (uintptr_t)8);
  if (state->scratch == NULL || trace == 0) return NULL;
  identify(state, trace, return_address(trace, run->c_frame), &identity);
  if (identity.return_address - identity.code - 1 >= identity.code_bytes) return NULL; /* not in the trace's code */
  return place_of(state, run, &identity);
}

const struct seep_trace_place *seep_luajit_exit_place(const struct seep_vm_state *state,
                                                      const struct seep_trace_run *run, uint32_t number) {
  struct identity identity;
  uintptr_t trace = trace_at(run, run->number);
  if (state->scratch == NULL || trace == 0) return NULL;
  identify(state, trace, EXIT_ADDRESS(run->number, number), &identity);
  return place_of(state, run, &identity);
}
