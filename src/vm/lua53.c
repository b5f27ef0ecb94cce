/* PUC Lua 5.3 in memory. Source: lstate.h, lobject.h, lfunc.h of 5.3.0 to
 * 5.3.6. The saved pc is right for every instruction that allocates. Upvalues
 * are no objects here and are allocated without a tag. */
#include "vm/descriptions.h"
#include "vm/puc.h"
#include "vm/puc_calls.h"

static const struct seep_puc_traits traits = {.status_lua = 1 << 1, .status_tail = 1 << 5};

#define COMMON_OF_5_3                                                                          \
  .L_G = 24, .L_ci = 32, .L_stack = 56, .L_base_ci = 96, .ci_func = 0, .ci_previous = 16, .ci_next = 24,      \
  .ci_status = 66, .ci_savedpc = 40, .ci_size = 72, .g_frealloc = 0, .g_total = 16,            \
  .g_debt = 24, .g_estimate = 40, .g_white = 84, .cl_proto = 24, .cl_f = 24,     \
  .cl_upvalue = 32, .p_source = 104, .p_code = 56, .p_lineinfo = 72, .p_linedefined = 40,      \
  .p_lastlinedefined = 44, .p_sizecode = 24, .p_sizelineinfo = 28

static const struct seep_puc_layout layouts[] = {
    {.releases = "5.3.2 to 5.3.6", COMMON_OF_5_3, .L_status = 12, .g_mainthread = 200,
     .ts_size = 24, .ts_short_length = 11, .ts_long_length = 16},
    {.releases = "5.3.1", COMMON_OF_5_3, .L_status = 10, .g_mainthread = 224,
     .ts_size = 24, .ts_short_length = 11, .ts_long_length = 16},
    {.releases = "5.3.0", COMMON_OF_5_3, .L_status = 10, .g_mainthread = 224,
     .ts_size = 32, .ts_length = 16},
};

enum { OP_CLOSURE = 44, UPVAL_BYTES = 32 };

SEEP_PUC_DEFINE_OPS(traits, seep_puc_line_by_table)

/* lfunc.c luaF_findupval: while OP_CLOSURE runs, a block of an UpVal's size is one. */
static enum seep_type refine_buffer(uint64_t leaf_key, size_t size_bytes) {
  if ((leaf_key & SEEP_KEY_C) || size_bytes != UPVAL_BYTES) return SEEP_TYPE_BUFFER;
  uint32_t opcode = seep_load_u32(NULL, (leaf_key & SEEP_KEY_ADDRESS) - 4) & 0x3f;
  return opcode == OP_CLOSURE ? SEEP_TYPE_UPVALUE : SEEP_TYPE_BUFFER;
}

/* lopcodes.h: OP_NEWTABLE is 11, its B and C are the bits from 23 and from 14 on. */
static const struct seep_parts parts = {.opcode_mask = 0x3f, .newtable = 11, .size_bits = {0xff800000, 0x007fc000}, .of_thread = 1};

static const struct seep_vm_ops ops = {
    .family = "Lua 5.3",
    SEEP_PUC_OPS,
    .refine_buffer = refine_buffer,
};

bool seep_lua53_describe(uint32_t candidate, struct seep_vm *vm) {
  static const uint8_t type_by_tag[16] = {
      [4] = SEEP_TYPE_STRING, [5] = SEEP_TYPE_TABLE, [6] = SEEP_TYPE_FUNCTION, [7] = SEEP_TYPE_USERDATA,
      [8] = SEEP_TYPE_THREAD, [9] = SEEP_TYPE_PROTO};
  if (candidate >= SEEP_ARRAY_SIZE(layouts)) return false;
  seep_puc_fill_vm(&layouts[candidate], vm);
  vm->ops = &ops;
  vm->parts = parts;
  vm->names_layout = seep_puc_names_layout(53, layouts[candidate].releases);
  vm->string_table = vm->estimate + 8; /* lstate.h: strt follows GCestimate */
  vm->types_in_osize = true;
  memcpy(vm->type_by_tag, type_by_tag, sizeof type_by_tag);
  vm->word_mask = 0xffff;
  vm->closing_bits = 3; /* lgc.c luaC_freeallobjects makes both whites current */
  vm->white_bits = 3; /* WHITE0BIT 0, WHITE1BIT 1 */
  vm->sweep_first = 2; /* GCSswpallgc to GCSswpend */
  vm->sweep_last = 5;
  return true;
}
