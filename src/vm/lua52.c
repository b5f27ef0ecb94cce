/* PUC Lua 5.2 in memory. Source: lstate.h, lobject.h of 5.2.1 to 5.2.4, which
 * look alike. (5.2.0 has another call info and no GCestimate: not described.)
 * The saved pc is right for every instruction that allocates. */
#include "vm/descriptions.h"
#include "vm/puc.h"
#include "vm/puc_calls.h"

static const struct seep_puc_traits traits = {
    .status_is_byte = true, .status_lua = 1 << 0, .status_tail = 1 << 6};

static const struct seep_puc_layout layouts[] = {{
    .releases = "5.2.1 to 5.2.4",
    .L_status = 10, .L_G = 24, .L_ci = 32, .L_stack = 56, .L_base_ci = 128,
    .ci_func = 0, .ci_previous = 16, .ci_next = 24, .ci_status = 34, .ci_savedpc = 56, .ci_size = 80,
    .g_frealloc = 0, .g_total = 16, .g_debt = 24, .g_estimate = 40, .g_white = 84,
    .g_mainthread = 264,
    .cl_proto = 24, .cl_f = 24, .cl_upvalue = 32,
    .p_source = 72, .p_code = 24, .p_lineinfo = 40, .p_linedefined = 104, .p_lastlinedefined = 108,
    .p_sizecode = 88, .p_sizelineinfo = 92,
    .ts_size = 24, .ts_length = 16,
}};

SEEP_PUC_DEFINE_OPS(traits, seep_puc_line_by_table)

/* lopcodes.h: OP_NEWTABLE is 11, its B and C are the bits from 23 and from 14 on. */
static const struct seep_parts parts = {.opcode_mask = 0x3f, .newtable = 11, .size_bits = {0xff800000, 0x007fc000}, .of_thread = 1, .upvalues_are_told = true};

static const struct seep_vm_ops ops = {
    .family = "Lua 5.2",
    SEEP_PUC_OPS,
};

bool seep_lua52_describe(uint32_t candidate, struct seep_vm *vm) {
  static const uint8_t type_by_tag[16] = {
      [4] = SEEP_TYPE_STRING, [5] = SEEP_TYPE_TABLE, [6] = SEEP_TYPE_FUNCTION, [7] = SEEP_TYPE_USERDATA,
      [8] = SEEP_TYPE_THREAD, [9] = SEEP_TYPE_PROTO, [10] = SEEP_TYPE_UPVALUE};
  if (candidate >= SEEP_ARRAY_SIZE(layouts)) return false;
  seep_puc_fill_vm(&layouts[candidate], vm);
  vm->ops = &ops;
  vm->parts = parts;
  bool is_last = strcmp(vm->release, "Lua 5.2.4") == 0;
  vm->names_layout = seep_puc_names_layout(52, is_last ? "5.2.4" : "5.2.1 to 5.2.3");
  vm->string_table = vm->estimate + 8; /* lstate.h: strt follows GCestimate */
  vm->types_in_osize = true;
  memcpy(vm->type_by_tag, type_by_tag, sizeof type_by_tag);
  vm->word_mask = 0xffffff;
  vm->closing_bits = 3; /* lgc.c luaC_freeallobjects makes both whites current */
  vm->white_bits = 3; /* WHITE0BIT 0, WHITE1BIT 1 */
  vm->sweep_first = 2; /* GCSsweepstring, GCSsweepudata, GCSsweep */
  vm->sweep_last = 4;
  vm->kind_generational = 2; /* KGC_GEN */
  return true;
}
