/* PUC Lua 5.4 in memory. Source: lstate.h, lobject.h, ldebug.c, lvm.c of 5.4.4
 * to 5.4.8. (5.4.0 to 5.4.3 do not say when lua_close frees everything, and
 * .0 to .2 lay their states out otherwise: not described.) OP_NEWTABLE and OP_SETLIST allocate without saving the pc; from
 * 5.4.5 on a stack that is resized holds offsets instead of pointers (ldo.c,
 * relstack), so no frame can be read during that call. */
#include "vm/descriptions.h"
#include "vm/puc.h"
#include "vm/puc_calls.h"

#include <limits.h>
#include <stdlib.h>

static const struct seep_puc_traits traits = {.status_c = 1 << 1, .status_tail = 1 << 5};

static const struct seep_puc_layout layouts[] = {{
    .releases = "5.4.4 to 5.4.8",
    .L_status = 10, .L_G = 24, .L_ci = 32, .L_stack = 48, .L_base_ci = 96,
    .ci_func = 0, .ci_previous = 16, .ci_next = 24, .ci_status = 62, .ci_savedpc = 32, .ci_size = 64,
    .g_frealloc = 0, .g_total = 16, .g_debt = 24, .g_estimate = 32, .g_white = 100,
    .g_mainthread = 264,
    .cl_proto = 24, .cl_f = 24, .cl_upvalue = 32,
    .p_source = 112, .p_code = 64, .p_lineinfo = 88, .p_linedefined = 44, .p_lastlinedefined = 48,
    .p_sizecode = 24, .p_sizelineinfo = 28, .p_abslineinfo = 96, .p_sizeabslineinfo = 40,
    .ts_size = 24, .ts_short_length = 11, .ts_long_length = 16,
}};

/* lopcodes.h of 5.4: those that allocate without saving the pc. */
enum { OP_NEWTABLE = 19, OP_SETLIST = 78 };

/* ldebug.c luaG_getfuncline: a base line from abslineinfo {int pc, line},
 * then one signed byte per instruction. */
static uint32_t line_by_deltas(const struct seep_image *image,
                               const struct seep_puc_layout *layout, uintptr_t proto,
                               uint32_t pc) {
  uintptr_t deltas = seep_load_pointer(image, proto + layout->p_lineinfo);
  uintptr_t bases = seep_load_pointer(image, proto + layout->p_abslineinfo);
  uint32_t base_count = seep_load_u32(image, proto + layout->p_sizeabslineinfo);
  if (deltas == 0 || pc >= seep_load_u32(image, proto + layout->p_sizelineinfo)) return 0;
  uint32_t line = seep_load_u32(image, proto + layout->p_linedefined);
  uint32_t at = UINT32_MAX; /* the instruction that `line` belongs to; -1: before the first */
  uint32_t low = 0, high = base_count;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    uintptr_t base = bases + (uintptr_t)middle * 8;
    if (seep_load_u32(image, base) <= pc) {
      at = seep_load_u32(image, base);
      line = seep_load_u32(image, base + 4);
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  while (at++ != pc) line += (uint32_t)(int8_t)seep_load_u8(image, deltas + at);
  return line;
}

SEEP_PUC_DEFINE_OPS(traits, line_by_deltas)

static bool is_running_stack(const struct seep_vm_state *state, uintptr_t block) {
  return seep_puc_is_running_stack(state->vm->layout, &traits, state, block);
}

SEEP_PUC_DEFINE_UNSAVED_CODE(0x7f, OP_NEWTABLE, OP_SETLIST)

/* lopcodes.h: B of OP_NEWTABLE is the bits from 16 on, C those from 24 on, with k (bit 15) for what goes beyond. */
static const struct seep_parts parts = {.opcode_mask = 0x7f, .newtable = OP_NEWTABLE, .size_bits = {0x00ff0000, 0xff008000}, .of_thread = 1,
                                        .upvalues_are_told = true};

static const struct seep_vm_ops ops = {
    .family = "Lua 5.4",
    SEEP_PUC_OPS,
    .unsaved_code = unsaved_code,
    .is_running_stack = is_running_stack,
};

bool seep_lua54_describe(uint32_t candidate, struct seep_vm *vm) {
  static const uint8_t type_by_tag[16] = {
      [4] = SEEP_TYPE_STRING, [5] = SEEP_TYPE_TABLE, [6] = SEEP_TYPE_FUNCTION, [7] = SEEP_TYPE_USERDATA,
      [8] = SEEP_TYPE_THREAD, [9] = SEEP_TYPE_UPVALUE, [10] = SEEP_TYPE_PROTO};
  bool numbered = strncmp(vm->release, "Lua 5.4.", 8) == 0;
  long number = numbered ? strtol(vm->release + 8, NULL, 10) : LONG_MAX;
  if (candidate >= SEEP_ARRAY_SIZE(layouts) || number < 4) return false;
  seep_puc_fill_vm(&layouts[candidate], vm);
  vm->ops = &ops;
  vm->parts = parts;
  vm->names_layout = seep_puc_names_layout(54, "5.4.3 to 5.4.8");
  vm->string_table = vm->estimate + 16; /* lstate.h: strt follows GCestimate and lastatomic */
  vm->types_in_osize = true;
  memcpy(vm->type_by_tag, type_by_tag, sizeof type_by_tag);
  vm->word_mask = 0x0004000000ffffffULL;
  vm->closing_bits = 0x0004000000000000ULL; /* lgc.c luaC_freeallobjects: gcstp has GCSTPCLS */
  vm->white_bits = 0x18; /* WHITE0BIT 3, WHITE1BIT 4 */
  vm->sweep_first = 3; /* GCSswpallgc to GCSswpend */
  vm->sweep_last = 6;
  vm->kind_generational = 1; /* KGC_GEN */
  vm->stack_unreadable_while_resized = number >= 5;
  return true;
}
