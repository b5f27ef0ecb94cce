/* PUC Lua 5.1 in memory. Source: 5.1.5 lstate.h, lobject.h, ldo.c, lvm.c;
 * 5.1 to 5.1.5 look alike. Call infos are an array; the innermost function's
 * pc is in the thread; blocks do not say their type when they are allocated. */
#include "vm/descriptions.h"
#include "vm/puc.h"
#include "vm/puc_calls.h"

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

/* lopcodes.h of 5.1: those that allocate before they save the pc. */
enum { OP_NEWTABLE = 10, OP_SETLIST = 34, OP_CLOSURE = 36 };

/* An object has one of the whites; where a table's part would have them, the tag
 * of its first value has a zero byte. */
static enum seep_type type_of_swept(uintptr_t block) {
  static const uint8_t by_tag[16] = {
      [4] = SEEP_TYPE_STRING,   [5] = SEEP_TYPE_TABLE,  [6] = SEEP_TYPE_FUNCTION, [7] = SEEP_TYPE_USERDATA,
      [8] = SEEP_TYPE_THREAD,   [9] = SEEP_TYPE_PROTO,  [10] = SEEP_TYPE_UPVALUE};
  enum { TT = 8, MARKED = 9, WHITES = 3 };
  uint8_t tag = seep_load_u8(NULL, block + TT);
  if ((seep_load_u8(NULL, block + MARKED) & WHITES) == 0 || tag >= 16) return SEEP_TYPE_BUFFER;
  return by_tag[tag] == SEEP_TYPE_OTHER ? SEEP_TYPE_BUFFER : (enum seep_type)by_tag[tag];
}

SEEP_PUC_DEFINE_OPS(traits, seep_puc_line_by_table)

/* lstring.c luaS_newudata: a new userdata stands behind the main thread; behind
 * those that the collector has put there again (lgc.c GCTM), if one of their
 * finalizers runs. */
static bool heads_userdata(uintptr_t main_thread, uintptr_t block) {
  enum { NEXT = 0, MARKED = 9, FINALIZED = 1 << 3, STEPS_MAX = 4096 };
  uintptr_t object = seep_load_pointer(NULL, main_thread + NEXT);
  for (int i = 0; i < STEPS_MAX && object != 0; i++) {
    if (object == block) return true;
    if ((seep_load_u8(NULL, object + MARKED) & FINALIZED) == 0) return false;
    object = seep_load_pointer(NULL, object + NEXT);
  }
  return false;
}

/* The head of the list of all objects, or what stands behind upvalues that were
 * closed since (lgc.c luaC_linkupval puts them in front). */
static uintptr_t newest_object(uintptr_t root, uintptr_t block) {
  enum { NEXT = 0, TT = 8, LUA_TUPVAL = 10, STEPS_MAX = 256 };
  for (int i = 0; i < STEPS_MAX && root != 0 && root != block; i++) {
    if (seep_load_u8(NULL, root + TT) != LUA_TUPVAL) break;
    root = seep_load_pointer(NULL, root + NEXT);
  }
  return root;
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
  if (newest_object(seep_load_pointer(NULL, state->global + layout->g_rootgc), block) == block) {
    enum seep_type type = by_tag[seep_load_u8(NULL, block + 8) & 15];
    return type == SEEP_TYPE_OTHER ? SEEP_TYPE_BUFFER : type;
  }
  if (heads_userdata(state->main_thread, block)) return SEEP_TYPE_USERDATA;
  if (seep_load_pointer(NULL, state->global + layout->g_uvhead + UPVAL_NEXT) == block) {
    return SEEP_TYPE_UPVALUE;
  }
  return SEEP_TYPE_BUFFER;
}

SEEP_PUC_DEFINE_UNSAVED_CODE(0x3f, OP_NEWTABLE, OP_SETLIST, OP_CLOSURE)

/* lopcodes.h: B and C of OP_NEWTABLE are the bits from 23 and from 14 on; lstate.c: call infos, and the stack. */
static const struct seep_parts parts = {.opcode_mask = 0x3f, .newtable = OP_NEWTABLE, .size_bits = {0xff800000, 0x007fc000}, .of_thread = 2};

static const struct seep_vm_ops ops = {
    .family = "Lua 5.1",
    SEEP_PUC_OPS,
    .unsaved_code = unsaved_code,
    .type_of = type_of,
    .type_of_swept = type_of_swept,
};

static void fill_vm(const struct seep_puc_layout *layout, struct seep_vm *vm) {
  seep_puc_fill_vm(layout, vm);
  vm->ops = &ops;
  vm->parts = parts;
  vm->names_layout = seep_puc_names_layout(51, layout->releases);
  vm->word_mask = 0xffff;
  vm->closing_bits = 3; /* lgc.c luaC_freeall makes both whites current */
  vm->white_bits = 3; /* WHITE0BIT 0, WHITE1BIT 1 */
  vm->finalizers_lower_estimate = true;
  vm->string_table = layout->g_strt;
  vm->threshold = layout->g_total - 8; /* lstate.h: GCthreshold, totalbytes */
  vm->stopped_threshold = UINT64_MAX - 2; /* lapi.c LUA_GCSTOP: MAX_LUMEM */
  vm->string_count = layout->g_strt + 8; /* stringtable.nuse */
  vm->sweep_first = 2; /* GCSsweepstring, GCSsweep */
  vm->sweep_last = 3;
}

bool seep_lua51_describe(uint32_t candidate, struct seep_vm *vm) {
  if (candidate >= SEEP_ARRAY_SIZE(layouts)) return false;
  fill_vm(&layouts[candidate], vm);
  return true;
}
