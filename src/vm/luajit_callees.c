/* See luajit_callees.h. */
#include "vm/luajit_callees.h"

#include <string.h>

#include "vm/luajit_bytecode.h"

static const struct { const char *name; enum seep_metamethod metamethod; } metamethods[] = {
    {"__index", SEEP_MM_INDEX}, {"__newindex", SEEP_MM_NEWINDEX}, {"__call", SEEP_MM_CALL},
    {"__concat", SEEP_MM_CONCAT}, {"__add", SEEP_MM_ADD}, {"__sub", SEEP_MM_SUB},
    {"__mul", SEEP_MM_MUL}, {"__div", SEEP_MM_DIV}, {"__mod", SEEP_MM_MOD},
    {"__pow", SEEP_MM_POW}, {"__unm", SEEP_MM_UNM}, {"__len", SEEP_MM_LEN},
    {"__eq", SEEP_MM_EQ}, {"__lt", SEEP_MM_LT}, {"__le", SEEP_MM_LE},
    {"__tostring", SEEP_MM_TOSTRING}, {"__pairs", SEEP_MM_PAIRS}, {"__ipairs", SEEP_MM_PAIRS}};

static enum seep_metamethod metamethod_of(uint64_t name) {
  enum { TEXT_MAX = 12 };
  char text[TEXT_MAX + 1] = "";
  if (name == 0) return SEEP_MM_NONE;
  uint32_t bytes = seep_load_u32(NULL, (uintptr_t)name + SEEP_STRING_LENGTH);
  if (bytes > TEXT_MAX) return SEEP_MM_NONE;
  seep_load(NULL, (uintptr_t)name + SEEP_STRING_BYTES, text, bytes);
  for (uint32_t i = 0; i < SEEP_ARRAY_SIZE(metamethods); i++) {
    if (strcmp(text, metamethods[i].name) == 0) return metamethods[i].metamethod;
  }
  return SEEP_MM_NONE;
}

/* -- Constants ----------------------------------------------------------------- */

static void add(struct seep_luajit_callees *callees, struct seep_luajit_callee callee) {
  if (callees->count < SEEP_CALLEES_MAX) callees->at[callees->count] = callee;
  callees->count++;
}

/* Whether the trace stores what `ref` is. */
static bool is_stored(const struct seep_luajit_trace *trace, uint32_t ref) {
  for (uint32_t at = SEEP_IR_BIAS + 1; at < trace->ir_end; at++) {
    struct seep_luajit_ir store = seep_luajit_ir(trace, at);
    if (store.op >= SEEP_IR_ASTORE && store.op <= SEEP_IR_XSTORE && store.op2 == ref) return true;
  }
  return false;
}

/* A constant is called without having been anywhere, until a comparison tells otherwise. */
static void add_object(struct seep_luajit_callees *callees, uintptr_t object, bool is_stored) {
  struct seep_luajit_callee callee = {.object = object, .is_stored = is_stored};
  uint8_t type = seep_load_u8(NULL, object + SEEP_OBJECT_TYPE);
  if (type == SEEP_GCT_FUNC) {
    callee.ffid = seep_load_u8(NULL, object + SEEP_FUNCTION_FFID);
    if (callee.ffid == 0) callee.code = seep_load_pointer(NULL, object + SEEP_FUNCTION_PC);
  } else if (type == SEEP_GCT_PROTO) {
    callee.code = seep_bc_first(object);
  } else {
    return;
  }
  add(callees, callee);
}

/* lj_ir.c lj_ir_k64: these have their value in the word behind them. */
static bool has_value_behind(uint8_t op) {
  return op == SEEP_IR_KGC || op == SEEP_IR_KPTR || op == SEEP_IR_KKPTR || op == SEEP_IR_KNUM || op == SEEP_IR_KINT64;
}

/* lj_record.c rec_mm_prep: the continuation of a metamethod is a constant: a code address,
 * which no number of a program looks like. */
static bool is_continuation(uint8_t op, uint64_t value) {
  return op == SEEP_IR_KNUM && value >= SEEP_PAGE_BYTES && value >> 47 == 0;
}

static void collect_constants(const struct seep_luajit_trace *trace, struct seep_luajit_callees *out) {
  for (uint32_t ref = trace->first_constant; ref + 1 < SEEP_IR_BIAS; ref++) {
    uint8_t op = seep_luajit_ir(trace, ref).op;
    if (!has_value_behind(op)) continue;
    uint64_t value = seep_luajit_constant(trace, ref);
    if (op == SEEP_IR_KGC) add_object(out, (uintptr_t)value, is_stored(trace, ref));
    if (is_continuation(op, value)) out->has_metamethods = true;
    ref++;
  }
}

/* -- Where they came from -------------------------------------------------------- */

static bool is_instruction(const struct seep_luajit_trace *trace, uint32_t ref) {
  return ref > SEEP_IR_BIAS && ref < trace->ir_end;
}

/* The name under which a table has the slot `ref`; 0: it has none, or it is not known. */
static uint64_t name_of_slot(const struct seep_luajit_trace *trace, uint32_t ref) {
  if (!is_instruction(trace, ref)) return 0;
  struct seep_luajit_ir slot = seep_luajit_ir(trace, ref);
  if (slot.op != SEEP_IR_HREFK && slot.op != SEEP_IR_HREF && slot.op != SEEP_IR_NEWREF) return 0;
  uint32_t key = slot.op2;
  if (key < trace->first_constant || key >= SEEP_IR_BIAS) return 0;
  if (seep_luajit_ir(trace, key).op == SEEP_IR_KSLOT) key = seep_luajit_ir(trace, key).op1;
  uintptr_t string = seep_luajit_object(trace, key);
  return string != 0 && seep_load_u8(NULL, string + SEEP_OBJECT_TYPE) == SEEP_GCT_STR ? string : 0;
}

/* The name of the field that `ref` was loaded from; 0: from elsewhere. */
static uint64_t field_of(const struct seep_luajit_trace *trace, uint32_t ref) {
  if (!is_instruction(trace, ref)) return 0;
  struct seep_luajit_ir load = seep_luajit_ir(trace, ref);
  return load.op == SEEP_IR_HLOAD ? name_of_slot(trace, load.op1) : 0;
}

/* Whether the trace stores something under a name. */
static bool is_key_set(const struct seep_luajit_trace *trace, uint64_t name) {
  for (uint32_t at = SEEP_IR_BIAS + 1; at < trace->ir_end; at++) {
    struct seep_luajit_ir store = seep_luajit_ir(trace, at);
    if (store.op == SEEP_IR_HSTORE && name_of_slot(trace, store.op1) == name) return true;
  }
  return false;
}

/* What a guard compares with: a function, or a prototype's code with a function's. */
static uintptr_t compared_with(const struct seep_luajit_trace *trace, struct seep_luajit_ir guard, uint32_t *value) {
  *value = guard.op1;
  if (guard.op2 < trace->first_constant || guard.op2 + 1 >= SEEP_IR_BIAS) return 0;
  uint8_t op = seep_luajit_ir(trace, guard.op2).op;
  uintptr_t constant = (uintptr_t)seep_luajit_constant(trace, guard.op2);
  if (op == SEEP_IR_KGC) return constant;
  if ((op != SEEP_IR_KPTR && op != SEEP_IR_KKPTR) || !is_instruction(trace, guard.op1)) return 0;
  struct seep_luajit_ir load = seep_luajit_ir(trace, guard.op1);
  if (load.op != SEEP_IR_FLOAD) return 0;
  *value = load.op1;
  return constant - SEEP_PROTO_BYTES;
}

static bool is_noted(const struct seep_luajit_callees *callees, struct seep_luajit_callee callee) {
  for (uint32_t i = 0; i < callees->count; i++) {
    const struct seep_luajit_callee *noted = &callees->at[i];
    bool is_same = noted->object == callee.object && noted->key == callee.key && noted->slot == callee.slot;
    if (is_same && noted->may_be_element == callee.may_be_element) return true;
  }
  return false;
}

/* Notes under which names the callees are found: the first in its own entry, others in new ones. */
static void collect_names(const struct seep_luajit_trace *trace, struct seep_luajit_callees *out) {
  bool is_named[SEEP_CALLEES_MAX] = {false};
  uint32_t count = out->count;
  for (uint32_t ref = SEEP_IR_BIAS + 1; ref < trace->ir_end && out->count <= SEEP_CALLEES_MAX; ref++) {
    struct seep_luajit_ir guard = seep_luajit_ir(trace, ref);
    if (guard.op != SEEP_IR_EQ) continue;
    uint32_t value;
    uintptr_t object = compared_with(trace, guard, &value);
    for (uint32_t i = 0; object != 0 && i < count; i++) {
      if (out->at[i].object != object) continue;
      struct seep_luajit_callee callee = out->at[i];
      callee.key = field_of(trace, value);
      callee.guard = ref;
      callee.is_compared = true;
      callee.metamethod = metamethod_of(callee.key);
      bool was_in_slot = seep_luajit_ir(trace, value).op == SEEP_IR_SLOAD;
      callee.slot = was_in_slot ? seep_luajit_ir(trace, value).op1 : 0;
      callee.may_be_element = callee.key == 0 && !was_in_slot;
      callee.is_stored = is_stored(trace, value);
      callee.is_key_set = callee.key != 0 && is_key_set(trace, callee.key);
      if (!is_named[i]) {
        is_named[i] = true;
        out->at[i] = callee;
      } else if (!is_noted(out, callee)) {
        add(out, callee);
      }
    }
  }
}

/* A prototype that nothing is compared with is no callee: the trace returns to it (lj_record_ret). */
static void drop_returns(struct seep_luajit_callees *callees) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < callees->count; i++) {
    struct seep_luajit_callee callee = callees->at[i];
    bool is_prototype = callee.code != 0 && callee.code == seep_bc_first(callee.object);
    if (!is_prototype || callee.guard != 0) callees->at[kept++] = callee;
  }
  callees->count = kept;
}

static bool has_cdata(const struct seep_luajit_trace *trace) {
  enum { TYPE = 0x1f, TYPE_CDATA = 10 };
  for (uint32_t ref = SEEP_IR_BIAS + 1; ref < trace->ir_end; ref++) {
    if ((seep_luajit_ir(trace, ref).type & TYPE) == TYPE_CDATA) return true;
  }
  return false;
}

bool seep_luajit_callees_of(const struct seep_luajit_trace *trace, struct seep_luajit_callees *out) {
  out->count = 0;
  out->has_metamethods = false;
  collect_constants(trace, out);
  if (out->count > SEEP_CALLEES_MAX) return false;
  collect_names(trace, out);
  if (out->count > SEEP_CALLEES_MAX) return false;
  drop_returns(out);
  out->has_cdata = has_cdata(trace);
  return true;
}

bool seep_luajit_callees_have(const struct seep_luajit_callees *callees, enum seep_metamethod metamethod) {
  for (uint32_t i = 0; i < callees->count; i++) {
    if (callees->at[i].metamethod == metamethod) return true;
  }
  return false;
}
