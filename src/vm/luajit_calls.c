/* See luajit_calls.h. */
#include "vm/luajit_calls.h"

#include "vm/loaded.h"

/* lj_bc.h of 2.1 */
enum { BC_ISLT = 0, BC_ISLE = 2, BC_ISEQV = 4, BC_ISTC = 12, BC_ISTYPE = 16, BC_MOV = 18, BC_UNM = 20, BC_LEN, BC_ADDVN,
       BC_POW = 37, BC_CAT, BC_KSTR, BC_KNIL = 44, BC_UGET, BC_FNEW = 51, BC_GGET = 54, BC_GSET, BC_TGETV, BC_TGETS,
       BC_TGETR = 59, BC_TSETV, BC_TSETM = 63, BC_TSETR, BC_CALLM, BC_CALLT = 68, BC_ITERC, BC_ITERN, BC_VARG, BC_ISNEXT,
       BC_RETM, BC_FORI = 77, BC_JITERL = 84 };

enum { SEARCH_MAX = 1 << 15, VARIABLES_MAX = 1 << 12, DEPTH_MAX = 8 };

struct code {
  const struct seep_image *image;
  uintptr_t proto, end;      /* of its block */
  uint32_t size;             /* instructions */
};

/* -- Instructions ------------------------------------------------------------------ */

static uint32_t instruction_at(const struct code *code, uint32_t position) {
  return seep_load_u32(code->image, code->proto + LJ_PROTO_BYTES + (uintptr_t)position * 4);
}
static uint8_t opcode(uint32_t i) { return (uint8_t)i; }
static uint32_t operand_a(uint32_t i) { return i >> 8 & 0xff; }
static uint32_t operand_b(uint32_t i) { return i >> 24; }
static uint32_t operand_c(uint32_t i) { return i >> 16 & 0xff; }
static uint32_t operand_d(uint32_t i) { return i >> 16; }

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
  return op == BC_ISTC || op == BC_ISTC + 1 || (op >= BC_MOV && op < BC_KNIL) || op == BC_UGET ||
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
  if (string == 0 || seep_load_u8(image, string + LJ_O_TYPE) != LJ_STR) return false;
  uint32_t size = seep_load_u32(image, string + LJ_STR_LENGTH);
  if (size == 0 || size > SEEP_CALL_NAME_MAX) return false;
  out->name = (const char *)string + LJ_STR_BYTES;
  out->name_bytes = size;
  return true;
}

/* proto_kgc: collectable constants stand below `k`. */
static bool take_constant(const struct code *code, uint32_t number, struct seep_call_name *out) {
  if (number >= seep_load_u32(code->image, code->proto + LJ_PROTO_SIZEKGC)) return false;
  uintptr_t constants = seep_load_pointer(code->image, code->proto + LJ_PROTO_K);
  return take_string(code->image, seep_load_pointer(code->image, constants - ((uintptr_t)number + 1) * 8), out);
}

/* lj_debug_uvname: texts one behind the other. */
static bool take_upvalue(const struct code *code, uint32_t number, struct seep_call_name *out) {
  uintptr_t at = seep_load_pointer(code->image, code->proto + LJ_PROTO_UVINFO);
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
  uintptr_t at = seep_load_pointer(code->image, code->proto + LJ_PROTO_VARINFO);
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

/* -- Calls ------------------------------------------------------------------------------ */

/* lj_debug_slotname: "method" when the object was moved to where the call has its first argument just before. */
static enum seep_called name_field(const struct code *code, uint32_t position, uint32_t i, struct seep_call_name *out) {
  enum { BEHIND = 2 }; /* of the function's slot: lj_frame.h, LJ_FR2 */
  if (!take_constant(code, operand_c(i), out)) return SEEP_CALLED_UNNAMED;
  uint32_t before = position > 1 ? instruction_at(code, position - 1) : 0;
  bool is_method = position > 1 && opcode(before) == BC_MOV && operand_a(before) == operand_a(i) + BEHIND &&
                   operand_d(before) == operand_b(i);
  return is_method ? SEEP_CALLED_METHOD : SEEP_CALLED_FIELD;
}

static enum seep_called name_slot(const struct code *code, uint32_t position, uint32_t slot, struct seep_call_name *out) {
  if (take_local(code, slot, position, out)) return SEEP_CALLED_LOCAL;
  for (uint32_t steps = 0, depth = 0; --position > 0 && steps < SEARCH_MAX; steps++) {
    uint32_t i = instruction_at(code, position), a = operand_a(i);
    uint8_t op = opcode(i);
    if (op == BC_KNIL && slot >= a && slot <= operand_d(i)) return SEEP_CALLED_UNNAMED;
    if (writes_from(op) && slot >= a) return SEEP_CALLED_UNNAMED;
    if (!writes_one(op) || slot != a) continue;
    switch (op) {
      case BC_MOV:
        if (++depth > DEPTH_MAX) return SEEP_CALLED_UNNAMED;
        slot = operand_d(i);
        if (take_local(code, slot, position, out)) return SEEP_CALLED_LOCAL;
        continue;
      case BC_GGET: return take_constant(code, operand_d(i), out) ? SEEP_CALLED_GLOBAL : SEEP_CALLED_UNNAMED;
      case BC_TGETS: return name_field(code, position, i, out);
      case BC_UGET: return take_upvalue(code, operand_d(i), out) ? SEEP_CALLED_UPVALUE : SEEP_CALLED_UNNAMED;
      default: return SEEP_CALLED_UNNAMED;
    }
  }
  return SEEP_CALLED_UNNAMED;
}

void seep_lj_name_at(const struct seep_image *image, uintptr_t proto, uint32_t position, bool is_call,
                     struct seep_call_name *out) {
  struct code code = {.image = image, .proto = proto, .end = proto + seep_load_u32(image, proto + LJ_PROTO_SIZE),
                      .size = seep_load_u32(image, proto + LJ_PROTO_SIZEBC)};
  *out = (struct seep_call_name){.as = SEEP_CALLED_UNNAMED};
  if (position == 0 || position >= code.size) return;
  uint32_t i = instruction_at(&code, position);
  uint8_t op = opcode(i);
  const char *event = metamethod_of(op);
  if (op >= BC_CALLM && op <= BC_CALLT) {
    out->as = name_slot(&code, position, operand_a(i), out);
    if (out->as == SEEP_CALLED_UNNAMED) out->name_bytes = 0;
  } else if (op == BC_ITERC || op == BC_ITERN) {
    out->as = SEEP_CALLED_ITERATOR;
  } else if (!is_call && event != NULL) {
    *out = (struct seep_call_name){.as = SEEP_CALLED_METAMETHOD, .name = event, .name_bytes = strlen(event)};
  }
}

/* -- package.loaded ---------------------------------------------------------------------- */

static uintptr_t registry_of(const struct seep_image *image, const struct seep_vm_state *state) {
  uint64_t value = seep_load_u64(image, state->global + LJ_G_REGISTRY);
  return seep_lj_type(value) == LJ_TAB ? seep_lj_pointer(value) : 0;
}

static uint32_t node_count(const struct seep_image *image, const struct seep_vm_state *state, uintptr_t table) {
  (void)state;
  uint32_t mask = seep_load_u32(image, table + LJ_TAB_HMASK);
  return mask < 1u << 30 ? mask + 1 : 0;
}

static bool take_entry(const struct seep_image *image, const struct seep_vm_state *state, uintptr_t table, uint32_t at,
                       struct seep_loaded_entry *out) {
  uintptr_t node = seep_load_pointer(image, table + LJ_TAB_NODE) + (uintptr_t)at * LJ_NODE_BYTES;
  uint64_t value = seep_load_u64(image, node), key = seep_load_u64(image, node + LJ_NODE_KEY);
  uintptr_t object = seep_lj_pointer(value);
  *out = (struct seep_loaded_entry){0};
  if (seep_lj_type(value) != LJ_TAB && seep_lj_type(value) != LJ_FUNC) return false;
  if (seep_lj_type(key) != LJ_STR) return false;
  out->string = seep_lj_pointer(key);
  if (seep_lj_type(value) == LJ_TAB) {
    out->table = object;
  } else if (seep_load_u8(image, object + LJ_FUNC_FFID) == 0) {
    out->function = seep_load_pointer(image, object + LJ_FUNC_PC) - LJ_PROTO_BYTES;
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
