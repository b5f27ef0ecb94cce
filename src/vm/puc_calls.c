/* See puc_calls.h. Source: ldebug.c (getobjname, findsetreg, funcnamefromcode), lfunc.c luaF_getlocalname, ldo.c of
 * 5.1.5, 5.2.4, 5.3.6 and 5.4.4. */
#include "vm/puc_calls.h"

#include "vm/loaded.h"
#include "vm/puc.h"

enum { SEARCH_MAX = 1 << 15, VARIABLES_MAX = 1 << 12, DEPTH_MAX = 8, NOT_FOUND = -1 };

/* A function whose code is read. */
struct code {
  const struct seep_image *image;
  const struct seep_puc_heap *layout;
  const struct seep_puc_format *format;
  uintptr_t proto, instructions;
  uint32_t size;
};

/* -- Instructions ---------------------------------------------------------------- */

static uint32_t instruction_at(const struct code *code, uint32_t pc) {
  return seep_load_u32(code->image, code->instructions + (uintptr_t)pc * 4);
}

static uint32_t field(uint32_t instruction, uint8_t at, uint8_t bits) { return instruction >> at & ((1u << bits) - 1); }
static uint32_t operand_a(const struct code *code, uint32_t i) { return field(i, code->format->a_at, 8); }
static uint32_t operand_b(const struct code *code, uint32_t i) {
  return field(i, code->format->b_at, code->format->b_bits);
}
static uint32_t operand_c(const struct code *code, uint32_t i) {
  return field(i, code->format->c_at, code->format->c_bits);
}
static uint32_t operand_bx(const struct code *code, uint32_t i) { return i >> code->format->bx_at; }

/* The instruction behind a jump, as an index: it may lie anywhere. */
static int64_t target_of(const struct code *code, uint32_t pc, uint32_t i) {
  return (int64_t)pc + 1 + (int64_t)(i >> code->format->jump_at) - code->format->jump_excess;
}

static const struct seep_puc_opcode *opcode_of(const struct code *code, uint32_t i) {
  static const struct seep_puc_opcode none = {.role = SEEP_ROLE_NONE};
  uint32_t number = field(i, 0, code->format->op_bits);
  return number < code->format->opcode_count ? &code->format->opcodes[number] : &none;
}

/* -- Names in a prototype ---------------------------------------------------------- */

static bool take_string(const struct code *code, uintptr_t string, struct seep_call_name *out) {
  const struct seep_puc_heap *layout = code->layout;
  if (string == 0 || seep_puc_type(seep_load_u8(code->image, string + SEEP_PUC_O_TT)) != SEEP_PUC_STRING) return false;
  bool is_long = layout->ts_length == 0 && (seep_load_u8(code->image, string + SEEP_PUC_O_TT) & 0x10) != 0;
  size_t size = layout->ts_length != 0 ? seep_load_u64(code->image, string + layout->ts_length)
                : is_long              ? seep_load_u64(code->image, string + layout->ts_long_length)
                                       : seep_load_u8(code->image, string + layout->ts_short_length);
  if (size == 0 || size > SEEP_CALL_NAME_MAX) return false;
  out->name = (const char *)string + layout->ts_size;
  out->name_bytes = size;
  return true;
}

static bool take_constant(const struct code *code, uint32_t number, struct seep_call_name *out) {
  const struct seep_puc_heap *layout = code->layout;
  if (number >= seep_load_u32(code->image, code->proto + layout->p_sizek)) return false;
  uintptr_t slot = seep_load_pointer(code->image, code->proto + layout->p_k) + (uintptr_t)number * SEEP_PUC_SLOT_BYTES;
  if (seep_puc_type(seep_load_u8(code->image, slot + 8)) != SEEP_PUC_STRING) return false;
  return take_string(code, seep_load_pointer(code->image, slot), out);
}

/* 5.1 has an array of names, later ones one of descriptions that begin with it. */
static bool take_upvalue(const struct code *code, uint32_t number, struct seep_call_name *out) {
  const struct seep_puc_heap *layout = code->layout;
  if (number >= seep_load_u32(code->image, code->proto + layout->p_sizeupvalues)) return false;
  uintptr_t items = seep_load_pointer(code->image, code->proto + layout->p_upvalues);
  return take_string(code, seep_load_pointer(code->image, items + (uintptr_t)number * layout->upvaldesc_bytes), out);
}

/* lobject.h LocVar: name, startpc, endpc. The n-th that lives at pc is in register n. What the compiler made for
 * itself begins with a parenthesis. */
static bool take_local(const struct code *code, uint32_t number, uint32_t pc, struct seep_call_name *out) {
  const struct seep_puc_heap *layout = code->layout;
  uintptr_t variables = seep_load_pointer(code->image, code->proto + layout->p_locvars);
  uint32_t count = seep_load_u32(code->image, code->proto + layout->p_sizelocvars);
  for (uint32_t i = 0; i < count && i < VARIABLES_MAX; i++) {
    uintptr_t variable = variables + (uintptr_t)i * 16;
    if (seep_load_u32(code->image, variable + 8) > pc) return false;
    if (pc >= seep_load_u32(code->image, variable + 12)) continue;
    if (number-- > 0) continue;
    return take_string(code, seep_load_pointer(code->image, variable), out) &&
           seep_load_u8(code->image, (uintptr_t)out->name) != '(';
  }
  return false;
}

/* -- What was put into a register ---------------------------------------------------- */

static bool writes(const struct code *code, uint32_t i, uint8_t role, uint32_t wanted) {
  uint32_t a = operand_a(code, i);
  switch (role) {
    case SEEP_ROLE_NONE: case SEEP_ROLE_JUMP: case SEEP_ROLE_MMBIN: return false;
    case SEEP_ROLE_LOADNIL: {
      uint32_t last = code->format->version == 51 ? operand_b(code, i) : a + operand_b(code, i);
      return wanted >= a && wanted <= last;
    }
    case SEEP_ROLE_CALL: return wanted >= a;
    case SEEP_ROLE_FOR: return wanted >= a + 2;
    case SEEP_ROLE_SELF: return wanted == a || (code->format->version == 51 && wanted == a + 1);
    default: return wanted == a;
  }
}

/* The last instruction before `pc` that wrote the register; NOT_FOUND when there is none, or it may have been jumped
 * over (ldebug.c findsetreg). Of a very long function the last part is looked at. */
static int64_t find_setter(const struct code *code, uint32_t pc, uint32_t wanted) {
  int64_t setter = NOT_FOUND, jumped_to = 0;
  for (uint32_t at = pc > SEARCH_MAX ? pc - SEARCH_MAX : 0; at < pc; at++) {
    uint32_t i = instruction_at(code, at);
    uint8_t role = opcode_of(code, i)->role;
    if (role == SEEP_ROLE_JUMP) {
      int64_t target = target_of(code, at, i);
      if (target <= (int64_t)pc && target > jumped_to) jumped_to = target;
    } else if (writes(code, i, role, wanted)) {
      setter = at < jumped_to ? NOT_FOUND : (int64_t)at;
    }
  }
  return setter;
}

static bool take_key(const struct code *code, const struct seep_puc_opcode *opcode, uint32_t pc, uint32_t i,
                     struct seep_call_name *out) {
  uint32_t key = operand_c(code, i);
  bool is_constant = opcode->key == SEEP_KEY_IS_CONSTANT;
  if (opcode->key == SEEP_KEY_IS_EITHER && code->format->k_at != 0) is_constant = (i >> code->format->k_at & 1) != 0;
  if (opcode->key == SEEP_KEY_IS_EITHER && code->format->k_at == 0 && (key & code->format->constant_bit)) {
    is_constant = true;
    key &= ~(uint32_t)code->format->constant_bit;
  }
  if (is_constant) return take_constant(code, key, out);
  int64_t setter = find_setter(code, pc, key);
  if (setter == NOT_FOUND) return false;
  uint32_t load = instruction_at(code, (uint32_t)setter);
  return opcode_of(code, load)->role == SEEP_ROLE_LOADK && take_constant(code, operand_bx(code, load), out);
}

static bool is_environment(const struct code *code, const struct seep_call_name *name) {
  char text[4];
  return code->format->version > 51 && name->name_bytes == sizeof text &&
         seep_load(code->image, (uintptr_t)name->name, text, sizeof text) && memcmp(text, "_ENV", sizeof text) == 0;
}

static bool is_in_environment(const struct code *code, uint8_t role, uint32_t pc, uint32_t table) {
  struct seep_call_name name;
  bool known = role == SEEP_ROLE_FIELD_UP ? take_upvalue(code, table, &name) : take_local(code, table, pc, &name);
  return known && is_environment(code, &name);
}

/* ldebug.c getobjname, for what a call takes from a register. */
static enum seep_called name_register(const struct code *code, uint32_t pc, uint32_t number,
                                      struct seep_call_name *out) {
  for (int depth = 0; depth < DEPTH_MAX; depth++) {
    if (take_local(code, number, pc, out)) return SEEP_CALLED_LOCAL;
    int64_t setter = find_setter(code, pc, number);
    if (setter == NOT_FOUND) return SEEP_CALLED_UNNAMED;
    pc = (uint32_t)setter;
    uint32_t i = instruction_at(code, pc);
    const struct seep_puc_opcode *opcode = opcode_of(code, i);
    bool found;
    enum seep_called as = SEEP_CALLED_FIELD;
    switch (opcode->role) {
      case SEEP_ROLE_MOVE:
        if (operand_b(code, i) >= operand_a(code, i)) return SEEP_CALLED_UNNAMED;
        number = operand_b(code, i);
        continue;
      case SEEP_ROLE_GLOBAL:
        as = SEEP_CALLED_GLOBAL;
        found = take_constant(code, operand_bx(code, i), out);
        break;
      case SEEP_ROLE_UPVALUE:
        as = SEEP_CALLED_UPVALUE;
        found = take_upvalue(code, operand_b(code, i), out);
        break;
      case SEEP_ROLE_SELF:
        as = SEEP_CALLED_METHOD;
        found = take_key(code, opcode, pc, i, out);
        break;
      case SEEP_ROLE_FIELD_UP: case SEEP_ROLE_FIELD:
        if (is_in_environment(code, opcode->role, pc, operand_b(code, i))) as = SEEP_CALLED_GLOBAL;
        found = take_key(code, opcode, pc, i, out);
        break;
      default: return SEEP_CALLED_UNNAMED;
    }
    return found ? as : SEEP_CALLED_UNNAMED;
  }
  return SEEP_CALLED_UNNAMED;
}

/* -- Calls ----------------------------------------------------------------------------- */

static bool open_code(const struct seep_image *image, const struct seep_puc_heap *layout, uintptr_t proto,
                      struct code *out) {
  *out = (struct code){
      .image = image, .layout = layout, .format = seep_puc_format(layout->version), .proto = proto,
      .instructions = seep_load_pointer(image, proto + layout->p_code),
      .size = seep_load_u32(image, proto + layout->p_sizecode)};
  return out->format != NULL && out->instructions != 0;
}

static void name_event(const char *event, struct seep_call_name *out) {
  if (event == NULL) return;
  *out = (struct seep_call_name){.as = SEEP_CALLED_METAMETHOD, .name = event, .name_bytes = strlen(event)};
}

static void name_instruction(const struct code *code, uint32_t pc, struct seep_call_name *out) {
  uint32_t i = instruction_at(code, pc);
  const struct seep_puc_opcode *opcode = opcode_of(code, i);
  *out = (struct seep_call_name){.as = SEEP_CALLED_UNNAMED};
  switch (opcode->role) {
    case SEEP_ROLE_CALL: out->as = name_register(code, pc, operand_a(code, i), out); break;
    case SEEP_ROLE_FOR: out->as = SEEP_CALLED_ITERATOR; break;
    case SEEP_ROLE_MMBIN: name_event(seep_puc_metamethod(operand_c(code, i)), out); break;
    default: name_event(opcode->metamethod, out);
  }
  if (out->as == SEEP_CALLED_UNNAMED || out->as == SEEP_CALLED_ITERATOR) out->name_bytes = 0;
}

void seep_puc_name_at(const struct seep_image *image, const struct seep_puc_heap *layout, uintptr_t proto, uint32_t pc,
                      struct seep_call_name *out) {
  struct code code;
  *out = (struct seep_call_name){.as = SEEP_CALLED_UNNAMED};
  if (open_code(image, layout, proto, &code) && pc < code.size) name_instruction(&code, pc, out);
}

/* Whether the function stands where a call instruction takes it from: a hook or a finalizer that runs between two
 * instructions does not. */
static bool stands_at_call(const struct code *code, const struct seep_puc_layout *frames, const struct seep_call *call,
                           uint32_t i, uint8_t role) {
  uintptr_t slot = seep_load_pointer(code->image, call->handle + frames->ci_func);
  uintptr_t base = seep_load_pointer(code->image, call->caller_handle + frames->ci_func) + SEEP_PUC_SLOT_BYTES;
  bool has_base = code->layout->ci_base != 0 || code->format->version == 51;
  if (has_base) base = seep_load_pointer(code->image, call->caller_handle + code->layout->ci_base);
  uint32_t behind = role == SEEP_ROLE_CALL ? 0 : code->format->version == 54 ? 4 : 3;
  return slot == base + (uintptr_t)(operand_a(code, i) + behind) * SEEP_PUC_SLOT_BYTES;
}

static uint32_t call_status(const struct seep_image *image, const struct seep_puc_layout *frames, uint8_t version,
                            uintptr_t ci) {
  if (version == 51) return 0;
  return version == 52 ? seep_load_u8(image, ci + frames->ci_status) : seep_load_u16(image, ci + frames->ci_status);
}

/* 5.1 and 5.2: a hook or a finalizer runs in the thread. */
static bool hooks_are_off(const struct code *code, uintptr_t thread) {
  return code->format->L_allowhook != 0 && seep_load_u8(code->image, thread + code->format->L_allowhook) == 0;
}

/* An instruction that calls nothing itself: a finalizer runs, or, on 5.1, which does not mark them, a hook. */
static void name_interruption(const struct code *code, uintptr_t global, struct seep_call_name *out) {
  enum { GCS_FINALIZE = 4 }; /* lgc.h of 5.1 */
  bool is_hook = code->format->version == 51 &&
                 seep_load_u8(code->image, global + code->layout->g_gcstate) != GCS_FINALIZE;
  if (is_hook) *out = (struct seep_call_name){.as = SEEP_CALLED_HOOK};
  else name_event("__gc", out);
}

static void name_lua_call(const struct code *code, const struct seep_vm_state *state, const struct seep_call *call,
                          uint32_t pc, struct seep_call_name *out) {
  uint32_t i = instruction_at(code, pc);
  const struct seep_puc_opcode *opcode = opcode_of(code, i);
  if (opcode->role == SEEP_ROLE_CALL || opcode->role == SEEP_ROLE_FOR) {
    if (stands_at_call(code, state->vm->layout, call, i, opcode->role)) name_instruction(code, pc, out);
    else *out = (struct seep_call_name){.as = SEEP_CALLED_HOOK};
  } else if (opcode->metamethod == NULL && opcode->role != SEEP_ROLE_MMBIN) {
    name_interruption(code, state->global, out);
  } else if (!hooks_are_off(code, call->thread)) {
    name_instruction(code, pc, out);
  }
}

/* Without its mark a finalizer is known by who collects. */
static bool collects(const struct seep_vm_state *state, uint64_t caller_key) {
  const char *name = seep_vm_c_name(state->vm, caller_key);
  return name != NULL && strcmp(name, "collectgarbage") == 0;
}

void seep_puc_call_name(const struct seep_image *image, const struct seep_vm_state *state, const struct seep_call *call,
                        struct seep_call_name *out) {
  const struct seep_puc_layout *frames = state->vm->layout;
  struct code code;
  *out = (struct seep_call_name){.as = SEEP_CALLED_UNKNOWN};
  bool is_c = (call->caller_key & SEEP_KEY_C) != 0;
  uintptr_t proto = is_c ? 0 : seep_puc_function_of(state, call->caller_key, call->caller_handle);
  code = (struct code){.image = image, .layout = state->vm->names_layout};
  code.format = seep_puc_format(code.layout->version);
  uint32_t status = call_status(image, frames, code.layout->version, call->caller_handle);
  if (status & code.format->status_finalizer) {
    name_event("__gc", out);
  } else if (status & code.format->status_hooked) {
    out->as = SEEP_CALLED_HOOK;
  } else if (is_c) {
    if (hooks_are_off(&code, call->thread) && collects(state, call->caller_key)) name_event("__gc", out);
  } else if (open_code(image, code.layout, proto, &code)) {
    uintptr_t place = call->caller_key & SEEP_KEY_ADDRESS;
    if (place <= code.instructions || place > code.instructions + (uintptr_t)code.size * 4) return;
    *out = (struct seep_call_name){.as = SEEP_CALLED_UNNAMED};
    name_lua_call(&code, state, call, (uint32_t)((place - code.instructions) / 4) - 1, out);
  }
}

/* -- package.loaded ---------------------------------------------------------------------- */

static uintptr_t registry_of(const struct seep_image *image, const struct seep_vm_state *state) {
  const struct seep_puc_heap *layout = state->vm->names_layout;
  uintptr_t slot = state->global + layout->g_registry;
  return seep_puc_type(seep_load_u8(image, slot + 8)) == SEEP_PUC_TABLE ? seep_load_pointer(image, slot) : 0;
}

static uint32_t node_count(const struct seep_image *image, const struct seep_vm_state *state, uintptr_t table) {
  const struct seep_puc_heap *layout = state->vm->names_layout;
  uint8_t log_size = seep_load_u8(image, table + layout->t_lsizenode);
  return log_size < 31 ? 1u << log_size : 0;
}

/* What a value that is a function is: the C function's key, or a prototype. */
static void take_function(const struct seep_image *image, const struct seep_vm_state *state, uintptr_t slot,
                          struct seep_loaded_entry *out) {
  const struct seep_puc_heap *layout = state->vm->names_layout;
  const struct seep_puc_layout *frames = state->vm->layout;
  uintptr_t value = seep_load_pointer(image, slot);
  uint8_t tag = seep_load_u8(image, slot + 8) & 0x3f;
  bool is_c = layout->version == 51 ? seep_load_u8(image, value + layout->cl_isC) != 0 : tag != SEEP_PUC_LCLOSURE;
  if (!is_c) out->function = seep_load_pointer(image, value + layout->cl_proto);
  else if (tag == SEEP_PUC_LIGHT_C) out->key = SEEP_KEY_C | value;
  else out->key = SEEP_KEY_C | seep_load_pointer(image, value + frames->cl_f);
}

static bool take_entry(const struct seep_image *image, const struct seep_vm_state *state, uintptr_t table, uint32_t at,
                       struct seep_loaded_entry *out) {
  const struct seep_puc_heap *layout = state->vm->names_layout;
  uintptr_t node = seep_load_pointer(image, table + layout->t_node) + (uintptr_t)at * layout->node_bytes;
  uint8_t type = seep_puc_type(seep_load_u8(image, node + 8));
  *out = (struct seep_loaded_entry){0};
  if (type != SEEP_PUC_TABLE && type != SEEP_PUC_FUNCTION) return false;
  uint8_t key_tag = seep_load_u8(image, node + layout->n_key_tag);
  if (seep_puc_type(key_tag) != SEEP_PUC_STRING || !seep_puc_is_object(layout, key_tag)) return false;
  out->string = seep_load_pointer(image, node + layout->n_key);
  if (type == SEEP_PUC_TABLE) out->table = seep_load_pointer(image, node);
  else take_function(image, state, node, out);
  return true;
}

static bool loaded_text(const struct seep_image *image, const struct seep_vm_state *state, uintptr_t string,
                        struct seep_call_name *out) {
  struct code strings = {.image = image, .layout = state->vm->names_layout};
  return take_string(&strings, string, out);
}

const struct seep_loaded_reader seep_puc_loaded_reader = {
    .registry = registry_of, .count = node_count, .entry = take_entry, .text = loaded_text};

const struct seep_puc_heap *seep_puc_names_layout(uint8_t version, const char *release) {
  for (uint32_t i = 0; i < seep_puc_heap_count; i++) {
    const struct seep_heap_vm *heap = &seep_puc_heaps[i];
    const struct seep_puc_heap *layout = heap->layout;
    if (layout->version == version && strcmp(heap->releases, release) == 0) return layout;
  }
  return NULL;
}
