/* See luajit_calls.h. */
#include "vm/luajit_calls.h"

#include "vm/loaded.h"
#include "vm/luajit_bytecode.h"

enum { G_REGISTRY = 272 }; /* global_State, the same in every release described */

enum { SEARCH_MAX = 1 << 15, VARIABLES_MAX = 1 << 12, DEPTH_MAX = 8 };

struct code {
  const struct seep_image *image;
  const struct seep_lj_caller *caller;
  uintptr_t proto, end;      /* of its block */
  uint32_t size;             /* instructions */
};

/* lj_obj.h TValue: 17 bits of type, 47 of pointer; everything above is a number. */
static uint32_t type_of(uint64_t value) { return (uint32_t)(~value >> 47); }
static bool is_nil(uint64_t value) { return value == UINT64_MAX; }

/* -- Instructions ------------------------------------------------------------------ */

static uint32_t instruction_at(const struct code *code, uint32_t position) {
  return seep_load_u32(code->image, code->proto + SEEP_PROTO_BYTES + (uintptr_t)position * 4);
}

/* lj_bc.h bcmode_mm, for what can call a metamethod: the event by ranges of opcodes. */
static const char *metamethod_of(uint8_t op) {
  static const char *const arithmetic[] = {"__add", "__sub", "__mul", "__div", "__mod"};
  if (op < BC_ISLE) return "__lt";
  if (op < BC_ISEQV) return "__le";
  if (op < BC_ISTC) return "__eq";
  if (op == BC_UNM) return "__unm";
  if (op == BC_LEN) return "__len";
  if (op >= BC_ADDVN && op < BC_POW) return arithmetic[(op - BC_ADDVN) % 5];
  if (op == BC_POW) return "__pow";
  if (op == BC_CAT) return "__concat";
  if (op == BC_GGET || (op >= BC_TGETV && op <= BC_TGETR)) return "__index";
  if (op == BC_GSET || (op >= BC_TSETV && op <= BC_TSETR)) return "__newindex";
  return NULL;
}

/* bcmode_a: writes slot A alone (BCMdst) */
static bool writes_one(uint8_t op) {
  return op == BC_ISTC || op == BC_ISFC || (op >= BC_MOV && op < BC_KNIL) || op == BC_UGET ||
         (op >= BC_FNEW && op <= BC_GGET) || (op >= BC_TGETV && op <= BC_TGETR);
}

/* … or all slots from A on (BCMbase). */
static bool writes_from(uint8_t op) {
  return op == BC_TSETM || (op >= BC_CALLM && op <= BC_RETM) || (op >= BC_FORI && op <= BC_JITERL);
}

/* -- Names in a prototype ------------------------------------------------------------ */

static bool take_text(const struct code *code, uintptr_t at, struct seep_call_name *out) {
  size_t size = 0;
  while (at + size < code->end && size <= SEEP_CALL_NAME_MAX && seep_load_u8(code->image, at + size) != 0) size++;
  if (size == 0 || size > SEEP_CALL_NAME_MAX || at + size >= code->end) return false;
  out->name = (const char *)at;
  out->name_bytes = size;
  return true;
}

static bool take_string(const struct seep_image *image, uintptr_t string, struct seep_call_name *out) {
  if (string == 0 || seep_load_u8(image, string + SEEP_OBJECT_TYPE) != SEEP_GCT_STR) return false;
  uint32_t size = seep_load_u32(image, string + SEEP_STRING_LENGTH);
  if (size == 0 || size > SEEP_CALL_NAME_MAX) return false;
  out->name = (const char *)string + SEEP_STRING_BYTES;
  out->name_bytes = size;
  return true;
}

/* proto_kgc: collectable constants stand below `k`. */
static bool take_constant(const struct code *code, uint32_t number, struct seep_call_name *out) {
  if (number >= seep_load_u32(code->image, code->proto + SEEP_PROTO_SIZEKGC)) return false;
  uintptr_t constants = seep_load_pointer(code->image, code->proto + SEEP_PROTO_K);
  return take_string(code->image, seep_load_pointer(code->image, constants - ((uintptr_t)number + 1) * 8), out);
}

/* lj_debug_uvname: texts one behind the other. */
static bool take_upvalue(const struct code *code, uint32_t number, struct seep_call_name *out) {
  uintptr_t at = seep_load_pointer(code->image, code->proto + SEEP_PROTO_UVINFO);
  if (at < code->proto || number > 255) return false;
  while (number > 0 && at < code->end) number -= seep_load_u8(code->image, at++) == 0;
  return at < code->end && take_text(code, at, out);
}

static uint32_t read_number(const struct code *code, uintptr_t *at) {
  uint32_t value = 0;
  for (int shift = 0; *at < code->end && shift < 35; shift += 7) {
    uint8_t byte = seep_load_u8(code->image, (*at)++);
    value |= (uint32_t)(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return value;
}

/* debug_varname; see name_locals in luajit_heap_code.c. What loops make for themselves has numbers for names. */
static bool take_local(const struct code *code, uint32_t slot, uint32_t position, struct seep_call_name *out) {
  enum { NAME_MAX = 7 };
  uintptr_t at = seep_load_pointer(code->image, code->proto + SEEP_PROTO_VARINFO);
  uint32_t begin = 0;
  for (int i = 0; at >= code->proto && at < code->end && i < VARIABLES_MAX; i++) {
    uintptr_t name = at;
    uint8_t first = seep_load_u8(code->image, at++);
    if (first == 0) return false;
    if (first >= NAME_MAX) {
      while (at < code->end && seep_load_u8(code->image, at) != 0) at++;
      at++;
    }
    begin += read_number(code, &at);
    if (begin > position) return false;
    uint32_t length = read_number(code, &at);
    if (position >= begin + length || slot-- > 0) continue;
    return first >= NAME_MAX && take_text(code, name, out);
  }
  return false;
}

/* -- What a name stands for ---------------------------------------------------------------- */

/* Values; 0 (a number) is none. */
static uint64_t slot_value(const struct code *code, uint32_t slot) {
  uintptr_t base = code->caller->base;
  return base == 0 ? 0 : seep_load_u64(code->image, base + (uintptr_t)slot * 8);
}

static uint64_t upvalue_value(const struct code *code, uint32_t number) {
  uintptr_t closure = code->caller->closure;
  if (closure == 0 || number >= seep_load_u8(code->image, closure + SEEP_FUNCTION_NUPVALUES)) return 0;
  uintptr_t upvalue = seep_load_pointer(code->image, closure + SEEP_FUNCTION_UVPTR + (uintptr_t)number * 8);
  return seep_load_u64(code->image, seep_load_pointer(code->image, upvalue + SEEP_UPVALUE_V));
}

static bool is_text(const struct code *code, uint64_t key, const char *text) {
  struct seep_call_name name;
  char bytes[SEEP_CALL_NAME_MAX];
  size_t size = strlen(text);
  return type_of(key) == SEEP_GCT_STR && take_string(code->image, SEEP_GC_POINTER(key), &name) &&
         name.name_bytes == size && seep_load(code->image, (uintptr_t)name.name, bytes, size) && memcmp(bytes, text, size) == 0;
}

/* The entry of a table with a string as its key: the object `key`, or, if that is 0, the one that reads `text`. */
static uint64_t raw_field(const struct code *code, uintptr_t table, uintptr_t key, const char *text) {
  enum { NODES_MAX = 4096 };
  uintptr_t nodes = seep_load_pointer(code->image, table + SEEP_TABLE_NODE);
  uint32_t mask = seep_load_u32(code->image, table + SEEP_TABLE_HMASK);
  for (uint32_t i = 0; i <= mask && i < NODES_MAX; i++) {
    uintptr_t node = nodes + (uintptr_t)i * SEEP_TABLE_NODE_BYTES;
    uint64_t have = seep_load_u64(code->image, node + SEEP_TABLE_NODE_KEY);
    bool fits = key != 0 ? type_of(have) == SEEP_GCT_STR && SEEP_GC_POINTER(have) == key : is_text(code, have, text);
    if (fits && !is_nil(seep_load_u64(code->image, node))) return seep_load_u64(code->image, node);
  }
  return 0;
}

/* … or that of the table that its metatable's __index is, and so on. */
static uint64_t field_value(const struct code *code, uint64_t table, uintptr_t key) {
  for (int depth = 0; depth < DEPTH_MAX && type_of(table) == SEEP_GCT_TAB; depth++) {
    uint64_t value = raw_field(code, SEEP_GC_POINTER(table), key, NULL);
    if (value != 0) return value;
    uintptr_t metatable = seep_load_pointer(code->image, SEEP_GC_POINTER(table) + SEEP_TABLE_METATABLE);
    if (metatable == 0) return 0;
    table = raw_field(code, metatable, 0, "__index");
  }
  return 0;
}

static uint64_t global_value(const struct code *code, uintptr_t key) {
  uintptr_t closure = code->caller->closure;
  return closure == 0 ? 0 : raw_field(code, seep_load_pointer(code->image, closure + SEEP_FUNCTION_ENV), key, NULL);
}

static uintptr_t constant_at(const struct code *code, uint32_t number) {
  struct seep_call_name unused;
  if (!take_constant(code, number, &unused)) return 0;
  uintptr_t constants = seep_load_pointer(code->image, code->proto + SEEP_PROTO_K);
  return seep_load_pointer(code->image, constants - ((uintptr_t)number + 1) * 8);
}

/* The table in slot B of the TGETS at `position`. Slots below the call's are as they were; what was put into the call's
 * own slot just before was put there by the instruction before, or by that before the copy of a method's object. */
static uint64_t table_value(const struct code *code, uint32_t position, uint32_t i, int depth) {
  if (seep_bc_b(i) < seep_bc_a(i)) return slot_value(code, seep_bc_b(i));
  uint32_t before = position > 1 ? instruction_at(code, --position) : 0;
  bool is_copy = seep_bc_op(before) == BC_MOV && seep_bc_d(before) == seep_bc_b(i);
  if (is_copy && position > 1) before = instruction_at(code, --position);
  if (seep_bc_a(before) != seep_bc_b(i)) return 0;
  switch (seep_bc_op(before)) {
    case BC_UGET: return upvalue_value(code, seep_bc_d(before));
    case BC_GGET: return global_value(code, constant_at(code, seep_bc_d(before)));
    case BC_TGETS:
      if (depth == DEPTH_MAX) return 0;
      return field_value(code, table_value(code, position, before, depth + 1), constant_at(code, seep_bc_c(before)));
    default: return 0;
  }
}

/* The name is not that of the function that runs, if it stands for another. */
static enum seep_called unless_other(const struct code *code, uint64_t value, enum seep_called as) {
  bool is_other = type_of(value) == SEEP_GCT_FUNC && SEEP_GC_POINTER(value) != code->caller->callee;
  return code->caller->callee != 0 && is_other ? SEEP_CALLED_UNNAMED : as;
}

/* -- Calls ------------------------------------------------------------------------------ */

/* lj_debug_slotname: "method" when the object was moved to where the call has its first argument just before. */
static enum seep_called name_field(const struct code *code, uint32_t position, uint32_t i, struct seep_call_name *out) {
  enum { BEHIND = 2 }; /* of the function's slot: lj_frame.h, LJ_FR2 */
  if (!take_constant(code, seep_bc_c(i), out)) return SEEP_CALLED_UNNAMED;
  uint32_t before = position > 1 ? instruction_at(code, position - 1) : 0;
  bool is_method = position > 1 && seep_bc_op(before) == BC_MOV && seep_bc_a(before) == seep_bc_a(i) + BEHIND &&
                   seep_bc_d(before) == seep_bc_b(i);
  uint64_t value = field_value(code, table_value(code, position, i, 0), constant_at(code, seep_bc_c(i)));
  return unless_other(code, value, is_method ? SEEP_CALLED_METHOD : SEEP_CALLED_FIELD);
}

static enum seep_called name_slot(const struct code *code, uint32_t position, uint32_t slot,
                                  struct seep_call_name *out) {
  if (take_local(code, slot, position, out)) return unless_other(code, slot_value(code, slot), SEEP_CALLED_LOCAL);
  for (uint32_t steps = 0, depth = 0; --position > 0 && steps < SEARCH_MAX; steps++) {
    uint32_t i = instruction_at(code, position), a = seep_bc_a(i);
    uint8_t op = seep_bc_op(i);
    if (op == BC_KNIL && slot >= a && slot <= seep_bc_d(i)) return SEEP_CALLED_UNNAMED;
    if (writes_from(op) && slot >= a) return SEEP_CALLED_UNNAMED;
    if (!writes_one(op) || slot != a) continue;
    switch (op) {
      case BC_MOV:
        if (++depth > DEPTH_MAX) return SEEP_CALLED_UNNAMED;
        slot = seep_bc_d(i);
        if (take_local(code, slot, position, out)) return unless_other(code, slot_value(code, slot), SEEP_CALLED_LOCAL);
        continue;
      case BC_GGET:
        if (!take_constant(code, seep_bc_d(i), out)) return SEEP_CALLED_UNNAMED;
        return unless_other(code, global_value(code, constant_at(code, seep_bc_d(i))), SEEP_CALLED_GLOBAL);
      case BC_TGETS: return name_field(code, position, i, out);
      case BC_UGET:
        if (!take_upvalue(code, seep_bc_d(i), out)) return SEEP_CALLED_UNNAMED;
        return unless_other(code, upvalue_value(code, seep_bc_d(i)), SEEP_CALLED_UPVALUE);
      default: return SEEP_CALLED_UNNAMED;
    }
  }
  return SEEP_CALLED_UNNAMED;
}

void seep_lj_name_call(const struct seep_image *image, const struct seep_lj_caller *caller,
                       struct seep_call_name *out) {
  uintptr_t proto = caller->proto;
  uint32_t position = caller->position;
  struct code code = {.image = image, .caller = caller, .proto = proto,
                      .end = proto + seep_load_u32(image, proto + SEEP_PROTO_SIZE),
                      .size = seep_load_u32(image, proto + SEEP_PROTO_SIZEBC)};
  *out = (struct seep_call_name){.as = SEEP_CALLED_UNNAMED};
  if (position == 0 || position >= code.size) return;
  uint32_t i = instruction_at(&code, position);
  uint8_t op = seep_bc_op(i);
  const char *event = metamethod_of(op);
  if (op >= BC_CALLM && op <= BC_CALLT) {
    out->as = name_slot(&code, position, seep_bc_a(i), out);
    if (out->as == SEEP_CALLED_UNNAMED) out->name_bytes = 0;
  } else if (op == BC_ITERC || op == BC_ITERN) {
    out->as = SEEP_CALLED_ITERATOR;
  } else if (!caller->is_call && event != NULL) {
    *out = (struct seep_call_name){.as = SEEP_CALLED_METAMETHOD, .name = event, .name_bytes = strlen(event)};
  }
}

/* -- package.loaded ---------------------------------------------------------------------- */

static uintptr_t registry_of(const struct seep_image *image, const struct seep_vm_state *state) {
  uint64_t value = seep_load_u64(image, state->global + G_REGISTRY);
  return type_of(value) == SEEP_GCT_TAB ? SEEP_GC_POINTER(value) : 0;
}

static uint32_t node_count(const struct seep_image *image, const struct seep_vm_state *state, uintptr_t table) {
  (void)state;
  uint32_t mask = seep_load_u32(image, table + SEEP_TABLE_HMASK);
  return mask < 1u << 30 ? mask + 1 : 0;
}

static bool take_entry(const struct seep_image *image, const struct seep_vm_state *state, uintptr_t table, uint32_t at,
                       struct seep_loaded_entry *out) {
  uintptr_t node = seep_load_pointer(image, table + SEEP_TABLE_NODE) + (uintptr_t)at * SEEP_TABLE_NODE_BYTES;
  uint64_t value = seep_load_u64(image, node), key = seep_load_u64(image, node + SEEP_TABLE_NODE_KEY);
  uintptr_t object = SEEP_GC_POINTER(value);
  *out = (struct seep_loaded_entry){0};
  if (type_of(value) != SEEP_GCT_TAB && type_of(value) != SEEP_GCT_FUNC) return false;
  if (type_of(key) != SEEP_GCT_STR) return false;
  out->string = SEEP_GC_POINTER(key);
  if (type_of(value) == SEEP_GCT_TAB) {
    out->table = object;
  } else if (seep_load_u8(image, object + SEEP_FUNCTION_FFID) == 0) {
    out->function = seep_load_pointer(image, object + SEEP_FUNCTION_PC) - SEEP_PROTO_BYTES;
  } else {
    out->key = state->vm->ops->c_key(object, 0);
  }
  return true;
}

static bool loaded_text(const struct seep_image *image, const struct seep_vm_state *state, uintptr_t string,
                        struct seep_call_name *out) {
  (void)state;
  return take_string(image, string, out);
}

const struct seep_loaded_reader seep_lj_loaded_reader = {
    .registry = registry_of, .count = node_count, .entry = take_entry, .text = loaded_text};
