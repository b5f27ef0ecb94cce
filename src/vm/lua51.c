/* PUC Lua 5.1 in memory. Source: 5.1.5 lstate.h, lobject.h, ldo.c, lvm.c;
 * 5.1 to 5.1.5 look alike. Call infos are an array; the innermost function's
 * pc is in the thread; blocks do not say their type when they are allocated. */
#include "vm/descriptions.h"
#include "vm/puc.h"

static const struct seep_puc_traits traits = {.call_infos_in_array = true};

static const struct seep_puc_layout layouts[] = {{
    .releases = "5.1 to 5.1.5",
    .L_status = 10, .L_G = 32, .L_ci = 40, .L_stack = 64, .L_base_ci = 80, .L_savedpc = 48,
    .ci_func = 8, .ci_savedpc = 24, .ci_size = 40, .ci_tailcalls = 36,
    .g_frealloc = 16, .g_total = 120, .g_estimate = 128, .g_white = 32, .g_mainthread = 176,
    .g_rootgc = 40, .g_strt = 0, .g_uvhead = 184,
    .cl_proto = 32, .cl_f = 32, .cl_upvalue = 40, .cl_isC = 10,
    .p_source = 64, .p_code = 24, .p_lineinfo = 40, .p_linedefined = 96, .p_lastlinedefined = 100,
    .p_sizecode = 80, .p_sizelineinfo = 84,
    .ts_size = 24, .ts_length = 16,
}};

enum { UPVAL_NEXT = 32 };  /* UpVal.u.l.next */

/* lopcodes.h of 5.1 */
enum { OP_SETGLOBAL = 7, OP_SETTABLE = 9, OP_NEWTABLE = 10, OP_CALL = 28, OP_TAILCALL = 29,
       OP_SETLIST = 34, OP_CLOSURE = 36, OP_VARARG = 37 };

static void walk(const struct seep_vm_state *state, struct seep_stack *out) {
  seep_puc_walk(NULL, state->vm->layout, &traits, state, out);
}

static void leaf(const struct seep_vm_state *state, struct seep_leaf *out) {
  seep_puc_leaf(NULL, state->vm->layout, &traits, state, out);
}

static void describe(const struct seep_vm_state *state, uint64_t key, uintptr_t handle,
                     struct seep_frame_info *out) {
  seep_puc_describe(NULL, state, key, handle, seep_puc_line_by_table, out);
}

/* lgc.c luaC_link: new objects other than strings head the list of all objects; userdata stand
 * behind the main thread (lstring.c luaS_newudata); open upvalues head their
 * own list (lfunc.c luaF_findupval). */
static enum seep_type type_of(const struct seep_vm_state *state, uintptr_t block,
                              size_t size_bytes) {
  static const uint8_t by_tag[16] = {
      [5] = SEEP_TYPE_TABLE,  [6] = SEEP_TYPE_FUNCTION, [7] = SEEP_TYPE_USERDATA,
      [8] = SEEP_TYPE_THREAD, [9] = SEEP_TYPE_PROTO,    [10] = SEEP_TYPE_UPVALUE};
  const struct seep_puc_layout *layout = state->vm->layout;
  (void)size_bytes;
  if (seep_load_pointer(NULL, state->global + layout->g_rootgc) == block) {
    enum seep_type type = by_tag[seep_load_u8(NULL, block + 8) & 15];
    return type == SEEP_TYPE_OTHER ? SEEP_TYPE_BUFFER : type;
  }
  if (seep_load_pointer(NULL, state->main_thread) == block) return SEEP_TYPE_USERDATA;
  if (seep_load_pointer(NULL, state->global + layout->g_uvhead + UPVAL_NEXT) == block) {
    return SEEP_TYPE_UPVALUE;
  }
  return SEEP_TYPE_BUFFER;
}

/* lvm.c: OP_NEWTABLE, OP_CLOSURE and OP_SETLIST allocate without saving the
 * pc. What they made may thus carry the place of an earlier instruction; the
 * parts of such a table, too, until the pc moves on. */
static bool line_is_stale(const struct seep_vm_state *state, uint64_t leaf_key,
                          enum seep_type type, bool fresh_block, size_t size_bytes,
                          bool previous_stale) {
  (void)state;
  (void)size_bytes;
  if (leaf_key & SEEP_KEY_C) return false;
  if (type == SEEP_TYPE_TABLE || type == SEEP_TYPE_FUNCTION || type == SEEP_TYPE_UPVALUE) return true;
  if (type != SEEP_TYPE_BUFFER || !fresh_block) return false;
  if (previous_stale) return true;
  uint32_t opcode = seep_load_u32(NULL, (leaf_key & SEEP_KEY_ADDRESS) - 4) & 0x3f;
  return opcode != OP_SETTABLE && opcode != OP_SETGLOBAL;
}

SEEP_PUC_DEFINE_ANCHORS_HOLD(anchors_hold, traits)

static const struct seep_vm_ops ops = {
    .family = "Lua 5.1",
    .walk = walk,
    .leaf = leaf,
    .describe = describe,
    .anchors_hold = anchors_hold,
    .c_key = seep_puc_c_key,
    .type_of = type_of,
    .line_is_stale = line_is_stale,
};

static void fill_vm(const struct seep_puc_layout *layout, struct seep_vm *vm) {
  seep_puc_fill_vm(layout, vm);
  vm->ops = &ops;
  vm->word_mask = 0xffff;
  vm->closing_bits = 3; /* lgc.c luaC_freeall makes both whites current */
  vm->white_bits = 3; /* WHITE0BIT 0, WHITE1BIT 1 */
  vm->string_count = layout->g_strt + 8; /* stringtable.nuse */
  vm->sweep_first = 2; /* GCSsweepstring, GCSsweep */
  vm->sweep_last = 3;
}

bool seep_lua51_describe(uint32_t candidate, struct seep_vm *vm) {
  if (candidate >= SEEP_ARRAY_SIZE(layouts)) return false;
  fill_vm(&layouts[candidate], vm);
  return true;
}
