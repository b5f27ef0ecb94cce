/* The heap of PUC Lua: the numbers, by group of releases, and what makes a state of each. See puc_heap.h. */
#include "vm/puc_heap.h"

#define COMMON_OF_5_4                                                                                                \
  .version = 54, .tag_proto = 10, .tag_upvalue = 9, .white_bits = 0x18, .last_gcstate = 8, .L_G = 24,                \
  .L_top = 16, .L_ci = 32, .thread_before = 8, .ci_savedpc = 32, .ci_next = 24, .ci_status = 62, .ci_size = 64,      \
  .status_c = 2, .g_total = 16, .g_debt = 24, .g_white = 100, .g_gcstate = 101, .g_objects = 112,                    \
  .g_finobj = 128, .g_tobefnz = 176, .g_fixedgc = 184, .g_strings = 48, .g_string_slots = 60, .g_registry = 64,      \
  .table_bytes = 56, .t_flags = 10, .t_lsizenode = 11, .t_array = 16, .t_node = 24, .t_lastfree = 32,                \
  .t_metatable = 40, .t_sizearray = 12, .node_bytes = 24, .n_key = 16, .n_key_tag = 9, .ts_size = 24,                \
  .ts_short_length = 11, .ts_long_length = 16, .udata_bytes = 40, .u_metatable = 24, .u_length = 16,                 \
  .u_value = 40, .u_value_count = 10, .proto_bytes = 128, .p_k = 56, .p_sizek = 20, .p_code = 64,                    \
  .p_sizecode = 24, .p_p = 72, .p_sizep = 32, .p_sizelineinfo = 28, .p_lineinfo = 88, .p_locvars = 104,              \
  .p_sizelocvars = 36, .p_upvalues = 80, .p_sizeupvalues = 16, .p_source = 112, .p_linedefined = 44,                 \
  .p_sizeabslineinfo = 40, .p_abslineinfo = 96, .lineinfo_bytes = 1, .upvaldesc_bytes = 16, .cl_nupvalues = 10,      \
  .cl_proto = 24, .cl_upvalues = 32, .upval_bytes = 40, .uv_v = 16, .uv_next = 24, .uv_value = 24

static const struct seep_puc_heap lua_5_4_3 = {
    COMMON_OF_5_4,
    .stack_last_is_end = true, .L_stack = 48, .L_stack_last = 40, .L_openupval = 56, .L_base_ci = 96,
    .thread_bytes = 208, .state_bytes = 1624, .global_behind = 200, .g_mainthread = 264, .g_mt = 480,
    .g_tmname = 280, .t_unreal_size = 10,
};

static const struct seep_puc_heap lua_5_4_0 = {
    COMMON_OF_5_4,
    .L_stack = 56, .L_stack_last = 48, .L_stacksize = 180, .L_openupval = 64, .L_base_ci = 96,
    .thread_bytes = 208, .state_bytes = 1624, .global_behind = 200, .g_mainthread = 256, .g_mt = 472,
    .g_tmname = 272, .t_unreal_size = 9,
};

static const struct seep_puc_heap lua_5_4_1 = {
    COMMON_OF_5_4,
    .L_stack = 48, .L_stack_last = 40, .L_stacksize = 176, .L_openupval = 56, .L_base_ci = 88,
    .thread_bytes = 200, .state_bytes = 1624, .global_behind = 192, .g_mainthread = 264, .g_mt = 480,
    .g_tmname = 280, .t_unreal_size = 10,
};

static const struct seep_puc_heap lua_5_4_2 = {
    COMMON_OF_5_4,
    .stack_last_is_end = true, .L_stack = 48, .L_stack_last = 40, .L_openupval = 56, .L_base_ci = 88,
    .thread_bytes = 200, .state_bytes = 1616, .global_behind = 192, .g_mainthread = 264, .g_mt = 480,
    .g_tmname = 280, .t_unreal_size = 10,
};

static const struct seep_puc_heap lua_5_5_0 = {
    .version = 55, .tag_proto = 10, .tag_upvalue = 9, .white_bits = 0x18, .last_gcstate = 8, .stack_last_is_end = true,
    .L_G = 24, .L_top = 16, .L_ci = 32, .L_stack = 48, .L_stack_last = 40, .L_openupval = 56, .L_base_ci = 96,
    .thread_bytes = 216, .thread_before = 8, .state_bytes = 1624, .main_inside = 1416, .ci_savedpc = 32, .ci_next = 24,
    .ci_status = 60, .ci_size = 64, .status_c = 0x8000, .g_total = 16, .g_debt = 24, .g_white = 106, .g_gcstate = 107,
    .g_objects = 112, .g_finobj = 128, .g_tobefnz = 176, .g_fixedgc = 184, .g_strings = 48, .g_string_slots = 60,
    .g_registry = 64, .g_mt = 472, .g_tmname = 272, .dummy_bit = 0x40, .table_bytes = 48, .t_flags = 10,
    .t_lsizenode = 11, .t_array = 16, .t_node = 24, .t_metatable = 32, .t_sizearray = 12, .node_bytes = 24, .n_key = 16,
    .n_key_tag = 9, .ts_size = 24, .ts_short_length = 11, .ts_long_length = 16, .ts_contents = 24, .udata_bytes = 40,
    .u_metatable = 24, .u_length = 16, .u_value = 40, .u_value_count = 10, .proto_bytes = 128, .p_k = 56, .p_sizek = 20,
    .p_code = 64, .p_sizecode = 24, .p_p = 72, .p_sizep = 32, .p_sizelineinfo = 28, .p_lineinfo = 88, .p_locvars = 104,
    .p_sizelocvars = 36, .p_upvalues = 80, .p_sizeupvalues = 16, .p_source = 112, .p_linedefined = 44,
    .p_sizeabslineinfo = 40, .p_abslineinfo = 96, .p_flag = 11, .lineinfo_bytes = 1, .upvaldesc_bytes = 16,
    .cl_nupvalues = 10, .cl_proto = 24, .cl_upvalues = 32, .upval_bytes = 40, .uv_v = 16, .uv_next = 24, .uv_value = 24,
};

#define COMMON_OF_5_3                                                                                                \
  .version = 53, .tag_proto = 9, .tag_upvalue = 255, .white_bits = 0x3, .last_gcstate = 8, .L_G = 24,                \
  .L_top = 16, .L_ci = 32, .L_stack = 56, .L_stack_last = 48, .L_stacksize = 184, .L_openupval = 64,                 \
  .L_base_ci = 96, .thread_bytes = 216, .thread_before = 8, .global_behind = 208, .ci_base = 32,                     \
  .ci_savedpc = 40, .ci_next = 24, .ci_status = 66, .ci_size = 72, .status_lua = 2, .g_total = 16, .g_debt = 24,     \
  .g_white = 84, .g_gcstate = 85, .g_objects = 88, .g_finobj = 104, .g_tobefnz = 152, .g_fixedgc = 160,              \
  .g_strings = 48, .g_string_slots = 60, .g_registry = 64, .table_bytes = 56, .t_flags = 10, .t_lsizenode = 11,      \
  .t_array = 16, .t_node = 24, .t_lastfree = 32, .t_metatable = 40, .t_sizearray = 12, .node_bytes = 32,             \
  .n_key = 16, .n_key_tag = 24, .udata_bytes = 40, .u_metatable = 16, .u_length = 24, .u_value = 32,                 \
  .u_value_tag = 10, .proto_bytes = 120, .p_k = 48, .p_sizek = 20, .p_code = 56, .p_sizecode = 24, .p_p = 64,        \
  .p_sizep = 32, .p_sizelineinfo = 28, .p_lineinfo = 72, .p_locvars = 80, .p_sizelocvars = 36, .p_upvalues = 88,     \
  .p_sizeupvalues = 16, .p_source = 104, .p_linedefined = 40, .p_cache = 96, .lineinfo_bytes = 4,                    \
  .upvaldesc_bytes = 16, .cl_nupvalues = 10, .cl_proto = 24, .cl_upvalues = 32, .upval_bytes = 32, .uv_v = 0,        \
  .uv_refcount = 8, .uv_next = 16, .uv_value = 16

static const struct seep_puc_heap lua_5_3_2 = {
    COMMON_OF_5_3,
    .state_bytes = 1552, .g_mainthread = 200, .g_mt = 416, .g_tmname = 224, .ts_size = 24, .ts_short_length = 11,
    .ts_long_length = 16,
};

static const struct seep_puc_heap lua_5_3_1 = {
    COMMON_OF_5_3,
    .state_bytes = 1744, .g_mainthread = 224, .g_mt = 440, .g_tmname = 248, .g_buffer_bytes = 192, .ts_size = 24,
    .ts_short_length = 11, .ts_long_length = 16,
};

static const struct seep_puc_heap lua_5_3_0 = {
    COMMON_OF_5_3,
    .state_bytes = 728, .g_mainthread = 224, .g_mt = 440, .g_tmname = 248, .g_buffer_bytes = 192, .ts_size = 32,
    .ts_length = 16,
};

#define COMMON_OF_5_2                                                                                                \
  .version = 52, .tag_proto = 9, .tag_upvalue = 10, .white_bits = 0x3, .fixed_bit = 0x20, .last_gcstate = 5,         \
  .strings_in_table = true, .L_G = 24, .L_top = 16, .L_ci = 32, .L_stack = 56, .L_stack_last = 48,                   \
  .L_stacksize = 64, .L_openupval = 96, .L_base_ci = 128, .thread_bytes = 208, .global_behind = 208,                 \
  .ci_next = 24, .ci_status = 34, .ci_size = 80, .status_lua = 1, .g_total = 16, .g_debt = 24, .t_flags = 10,        \
  .t_lsizenode = 11, .node_bytes = 40, .n_key = 16, .n_key_tag = 24, .ts_size = 24, .ts_length = 16,                 \
  .udata_bytes = 40, .u_metatable = 16, .u_length = 32, .u_env = 24, .proto_bytes = 128, .p_k = 16,                  \
  .p_sizek = 84, .p_code = 24, .p_sizecode = 88, .p_p = 32, .p_sizep = 96, .p_sizelineinfo = 92, .p_lineinfo = 40,   \
  .p_locvars = 48, .p_sizelocvars = 100, .p_upvalues = 56, .p_sizeupvalues = 80, .p_source = 72,                     \
  .p_linedefined = 104, .p_cache = 64, .lineinfo_bytes = 4, .upvaldesc_bytes = 16, .cl_proto = 24,                   \
  .cl_upvalues = 32, .upval_bytes = 40, .uv_v = 16, .uv_value = 24

static const struct seep_puc_heap lua_5_2_4 = {
    COMMON_OF_5_2,
    .state_bytes = 704, .ci_base = 48, .ci_savedpc = 56, .g_white = 84, .g_gcstate = 85, .g_objects = 96,
    .g_finobj = 104, .g_tobefnz = 168, .g_strings = 48, .g_string_slots = 60, .g_buffer_bytes = 232,
    .g_registry = 64, .g_mainthread = 264, .g_mt = 424, .g_tmname = 288, .table_bytes = 56, .t_array = 16,
    .t_node = 24, .t_lastfree = 32, .t_metatable = 40, .t_sizearray = 12, .cl_nupvalues = 10,
};

static const struct seep_puc_heap lua_5_2_1 = {
    COMMON_OF_5_2,
    .state_bytes = 704, .ci_base = 48, .ci_savedpc = 56, .g_white = 84, .g_gcstate = 85, .g_objects = 96,
    .g_finobj = 104, .g_tobefnz = 168, .g_strings = 48, .g_string_slots = 60, .g_buffer_bytes = 232,
    .g_registry = 64, .g_mainthread = 264, .g_mt = 424, .g_tmname = 288, .table_bytes = 64, .t_array = 24,
    .t_node = 32, .t_lastfree = 40, .t_metatable = 16, .t_sizearray = 56, .cl_nupvalues = 10,
};

static const struct seep_puc_heap lua_5_2_0 = {
    COMMON_OF_5_2,
    .state_bytes = 680, .ci_base = 40, .ci_savedpc = 48, .g_white = 72, .g_gcstate = 73, .g_objects = 80,
    .g_finobj = 88, .g_tobefnz = 144, .g_strings = 40, .g_string_slots = 52, .g_buffer_bytes = 208,
    .g_registry = 56, .g_mainthread = 240, .g_mt = 400, .g_tmname = 264, .table_bytes = 64, .t_array = 24,
    .t_node = 32, .t_lastfree = 40, .t_metatable = 16, .t_sizearray = 56, .cl_nupvalues = 11, .cl_isC = 10,
};

#define COMMON_OF_5_1                                                                                                \
  .version = 51, .tag_proto = 9, .tag_upvalue = 10, .white_bits = 0x3, .fixed_bit = 0x20, .finalized_bit = 8,        \
  .last_gcstate = 4, .strings_in_table = true, .L_G = 32, .L_top = 16, .L_ci = 40, .L_stack = 64,                    \
  .L_stack_last = 56, .L_stacksize = 88, .L_openupval = 152, .L_base_ci = 80, .L_size_ci = 92, .L_gt = 120,          \
  .L_savedpc = 48, .thread_bytes = 184, .state_bytes = 616, .global_behind = 184, .ci_func = 8, .ci_savedpc = 24,    \
  .ci_size = 40, .g_frealloc = 16, .g_total = 120, .g_white = 32, .g_gcstate = 33, .g_objects = 40,                  \
  .g_tobefnz = 80, .g_string_slots = 12, .g_buffer_bytes = 104, .g_registry = 160, .g_mainthread = 176,              \
  .g_mt = 224, .g_tmname = 296, .t_flags = 10, .node_bytes = 40, .n_key = 16, .n_key_tag = 24, .ts_size = 24,        \
  .ts_length = 16, .udata_bytes = 40, .u_metatable = 16, .u_length = 32, .u_env = 24, .proto_bytes = 120,            \
  .p_k = 16, .p_sizek = 76, .p_code = 24, .p_sizecode = 80, .p_p = 32, .p_sizep = 88, .p_sizelineinfo = 84,          \
  .p_lineinfo = 40, .p_locvars = 48, .p_sizelocvars = 92, .p_upvalues = 56, .p_sizeupvalues = 72, .p_source = 64,    \
  .p_linedefined = 96, .lineinfo_bytes = 4, .upvaldesc_bytes = 8, .cl_nupvalues = 11, .cl_proto = 32,                \
  .cl_upvalues = 40, .cl_isC = 10, .cl_env = 24, .upval_bytes = 40, .uv_v = 16, .uv_value = 24

static const struct seep_puc_heap lua_5_1 = {
    COMMON_OF_5_1,
    .table_bytes = 64, .t_lsizenode = 11, .t_array = 24, .t_node = 32, .t_lastfree = 40, .t_metatable = 16,
    .t_sizearray = 56,
};

static const struct seep_puc_heap lua_5_1_5_of_redis = {
    COMMON_OF_5_1,
    .table_bytes = 72, .t_lsizenode = 16, .t_array = 32, .t_node = 40, .t_lastfree = 48, .t_metatable = 24,
    .t_sizearray = 64,
};

/* -- What makes a state ---------------------------------------------------------------- */

/* lgc.h: one of the two whites is current, or both while lua_close frees everything; 5.1 and 5.2 fix the objects that
 * a state begins with through the same byte (lstate.c). While 5.1 frees everything, SFIXEDBIT spares the main thread. */
static bool collector_fits(const struct seep_puc_heap *layout, const char *global) {
  enum { SFIXED_BIT = 0x40 };
  uint8_t white = seep_at_u8(global, layout->g_white);
  bool closing = layout->version == 51 && white == (layout->white_bits | SFIXED_BIT);
  uint8_t others = (uint8_t)(white & ~(layout->white_bits | layout->fixed_bit));
  return (white & layout->white_bits) != 0 && (closing || others == 0) &&
         seep_at_u8(global, layout->g_gcstate) <= layout->last_gcstate;
}

/* The allocator and the panic function, if any, are code. An image that has no code at all (a core without its
 * files) says nothing about it. */
static bool is_code(struct seep_image *image, uintptr_t address) {
  const struct seep_segment *segment = seep_image_segment(image, address);
  return segment == NULL || (segment->access & SEEP_SEGMENT_EXECUTABLE) != 0;
}

static bool counts_fit(const struct seep_puc_heap *layout, const char *global) {
  uint64_t bytes = seep_at_pointer(global, layout->g_total);
  if (layout->g_debt != 0) bytes += seep_puc_debt(layout, global);
  uint32_t slots = seep_at_u32(global, layout->g_string_slots);
  return bytes >= layout->state_bytes && bytes < 1ULL << 46 && slots >= 32 && (slots & (slots - 1)) == 0;
}

/* lstate.c stack_init, ldo.c: stack_last is EXTRA_STACK slots before the end, on 5.1 one more. */
static bool stack_size_fits(const struct seep_puc_heap *layout, const char *thread, uintptr_t used_bytes) {
  enum { EXTRA_STACK = 5 };
  uint32_t slots = seep_at_u32(thread, layout->L_stacksize);
  return used_bytes / SEEP_PUC_SLOT_BYTES + EXTRA_STACK + (layout->version == 51) == slots;
}

static bool thread_fits(struct seep_image *image, const struct seep_puc_heap *layout,
                        const struct seep_heap_state *state, const char *thread) {
  uintptr_t stack = seep_at_pointer(thread, layout->L_stack), top = seep_at_pointer(thread, layout->L_top);
  uintptr_t last = seep_at_pointer(thread, layout->L_stack_last), call = seep_at_pointer(thread, layout->L_ci);
  if (seep_at_u8(thread, SEEP_PUC_O_TT) != SEEP_PUC_THREAD_TYPE) return false;
  if (seep_at_pointer(thread, layout->L_G) != state->global) return false;
  if (stack == 0 || top < stack || last < stack || last - stack > (64u << 20)) return false;
  if (!layout->stack_last_is_end && !stack_size_fits(layout, thread, last - stack)) return false;
  return seep_image_view(image, stack, SEEP_PUC_SLOT_BYTES) != NULL &&
         seep_image_view(image, call, layout->ci_size) != NULL;
}

/* An object at the head of a list: of a type that there is, with one of the colours or none. */
static bool head_fits(struct seep_image *image, const struct seep_puc_heap *layout, uintptr_t object) {
  const char *header = seep_image_view(image, object, 16);
  if (header == NULL) return false;
  uint8_t type = seep_puc_type(seep_at_u8(header, SEEP_PUC_O_TT));
  return (type >= SEEP_PUC_STRING && type <= 10) &&
         (seep_at_u8(header, SEEP_PUC_O_MARKED) & layout->white_bits) != layout->white_bits;
}

/* ltable.c getfreepos: `lastfree` goes down through the nodes, on 5.1 to one below them. */
static bool nodes_fit(const struct seep_puc_heap *layout, const char *table) {
  uintptr_t nodes = seep_at_pointer(table, layout->t_node), free = seep_at_pointer(table, layout->t_lastfree);
  uint8_t log_size = seep_at_u8(table, layout->t_lsizenode);
  if (log_size > 30) return false;
  if (layout->t_lastfree == 0) return true; /* 5.5 */
  return (free + layout->node_bytes >= nodes && free <= nodes + ((uintptr_t)layout->node_bytes << log_size)) ||
         (layout->version == 54 && free == 0 && log_size == 0);
}

/* The registry is a table. */
static bool registry_fits(struct seep_image *image, const struct seep_puc_heap *layout, const char *global) {
  const char *slot = global + layout->g_registry;
  uint8_t tag = seep_at_u8(slot, 8);
  if (!seep_puc_is_object(layout, tag) || seep_puc_type(tag) != SEEP_PUC_TABLE) return false;
  const char *table = seep_image_view(image, seep_at_pointer(slot, 0), layout->table_bytes);
  return table != NULL && seep_at_u8(table, SEEP_PUC_O_TT) == SEEP_PUC_TABLE && nodes_fit(layout, table);
}

/* The name of the metamethod "__gc" is where it should be, with its text and its length: the layout of strings and
 * of the end of the global state, which differ most between releases. */
static bool names_fit(struct seep_image *image, const struct seep_puc_heap *layout, const char *global) {
  static const char *const names[] = {"__index", "__newindex", "__gc", "__mode"};
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(names); i++) {
    uintptr_t string = seep_at_pointer(global, layout->g_tmname + i * sizeof(uintptr_t));
    size_t length = strlen(names[i]);
    const char *text = seep_image_view(image, string + layout->ts_size, length + 1);
    const char *header = seep_image_view(image, string, layout->ts_size);
    if (text == NULL || header == NULL || memcmp(text, names[i], length + 1) != 0) return false;
    size_t have = layout->ts_length != 0 ? seep_at_pointer(header, layout->ts_length)
                                         : seep_at_u8(header, layout->ts_short_length);
    if (have != length) return false;
  }
  return true;
}

static bool fits(struct seep_image *image, const struct seep_heap_state *state) {
  const struct seep_puc_heap *layout = state->vm->layout;
  const char *thread = seep_image_view(image, state->main_thread, layout->thread_bytes - layout->thread_before);
  const char *global = seep_image_view(image, state->global, seep_puc_global_bytes(layout));
  if (thread == NULL || global == NULL) return false;
  if (layout->main_inside != 0) {
    if (state->main_thread - state->global != layout->main_inside) return false;
  } else if (state->global - state->main_thread != layout->global_behind ||
             seep_at_pointer(global, layout->g_mainthread) != state->main_thread) {
    return false;
  }
  return collector_fits(layout, global) && counts_fit(layout, global) &&
         is_code(image, seep_at_pointer(global, layout->g_frealloc)) && thread_fits(image, layout, state, thread) &&
         head_fits(image, layout, seep_at_pointer(global, layout->g_objects)) &&
         registry_fits(image, layout, global) && names_fit(image, layout, global);
}

#define HEAP(number, release_text, layout_of, link, global_at, main_at)                                               \
  {.family = "Lua 5." number, .releases = release_text, .layout = &(layout_of), .ref_bytes = 8, .global_link = link, \
   .thread_global = global_at, .global_main = main_at, .thread_tag_at = SEEP_PUC_O_TT,                               \
   .thread_tag = SEEP_PUC_THREAD_TYPE, .fits = fits, .read = seep_puc_heap_read}

/* Those that check more come first. */
const struct seep_heap_vm seep_puc_heaps[] = {
    HEAP("4", "5.4.3 to 5.4.8", lua_5_4_3, 176, 24, 264),
    HEAP("4", "5.4.0", lua_5_4_0, 176, 24, 256),
    HEAP("4", "5.4.1", lua_5_4_1, 168, 24, 264),
    HEAP("4", "5.4.2", lua_5_4_2, 168, 24, 264),
    HEAP("5", "5.5.0", lua_5_5_0, SEEP_PUC_LINK_OF_5_5, 24, 0),
    HEAP("3", "5.3.2 to 5.3.6", lua_5_3_2, 184, 24, 200),
    HEAP("3", "5.3.1", lua_5_3_1, 184, 24, 224),
    HEAP("3", "5.3.0", lua_5_3_0, 184, 24, 224),
    HEAP("2", "5.2.4", lua_5_2_4, 184, 24, 264),
    HEAP("2", "5.2.1 to 5.2.3", lua_5_2_1, 184, 24, 264),
    HEAP("2", "5.2.0", lua_5_2_0, 184, 24, 240),
    HEAP("1", "5.1 to 5.1.5", lua_5_1, 152, 32, 176),
    HEAP("1", "5.1.5 of Redis 7", lua_5_1_5_of_redis, 152, 32, 176),
};
const uint32_t seep_puc_heap_count = SEEP_ARRAY_SIZE(seep_puc_heaps);
