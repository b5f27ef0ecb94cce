/* The heap of LuaJIT 2.1: the numbers, by kind of build and group of releases, and what makes a state of each. See
 * luajit_heap.h. */
#include "vm/luajit_heap.h"

/* With GC64, 2021 to 2026. */
static const struct seep_luajit_refs refs_of_64_bits = {
    .bytes = 8, .frame_slots = 2, .sbuf_bytes = 8, .sbuf_e = 8, .sbuf_b = 16, .j_bytes = 400, .o_marked = 8,
    .o_type = 9, .l_glref = 16, .l_base = 32, .l_top = 40, .l_stack = 56, .l_openupval = 64, .l_env = 72,
    .l_stacksize = 88, .g_total = 16, .g_white = 32, .g_state = 33, .g_lightudnum = 35, .g_root = 40, .g_mmudata = 80,
    .g_lightudseg = 112, .g_strempty = 120, .g_strtab = 152, .g_strmask = 160, .g_main = 192, .g_tmpbuf = 200,
    .g_registry = 272, .sbufext_bytes = 72, .sbufext_flags = 24, .sbufext_cowref = 32, .sbufext_dict = 48,
    .sbufext_dict2 = 56, .str_bytes = 24, .str_unit = 4, .str_length = 20, .tab_bytes = 64, .tab_nomm = 10,
    .tab_colo = 11, .tab_array = 16, .tab_metatable = 32, .tab_node = 40, .tab_asize = 48, .tab_hmask = 52,
    .udata_bytes = 48, .udata_type = 10, .udata_env = 16, .udata_length = 24, .udata_metatable = 32,
    .cdata_bytes = 16, .cdata_id = 10, .proto_bytes = 104, .proto_sizebc = 12, .proto_k = 32, .proto_sizekgc = 48,
    .proto_size = 56, .proto_trace = 62, .proto_chunkname = 64, .proto_firstline = 72, .proto_uvinfo = 88,
    .proto_varinfo = 96, .upval_bytes = 48, .upval_v = 32, .func_ffid = 10, .func_nupvalues = 11, .func_env = 16,
    .func_pc = 32, .func_l_upvalues = 40, .func_c_upvalues = 48, .trace_bytes = 120, .trace_nsnap = 10,
    .trace_nins = 12, .trace_ir = 32, .trace_nk = 40, .trace_nsnapmap = 44, .trace_startpt = 64, .trace_number = 104,
    .trace_link = 106, .trace_nextroot = 110, .trace_nextside = 112, .snap_bytes = 12, .j_irtoplim = 336,
    .j_irbotlim = 340, .j_sizesnap = 348, .j_sizesnapmap = 368, .j_trace = 384, .j_sizetrace = 396, .ctype_bytes = 24,
    .ctype_name = 16, .types_of_64_bits = 0x605fd9,
};

/* Without, since 2022. */
static const struct seep_luajit_refs refs_of_32_bits = {
    .bytes = 4, .frame_slots = 1, .sbuf_bytes = 8, .sbuf_e = 8, .sbuf_b = 16, .j_bytes = 376, .o_marked = 4,
    .o_type = 5, .l_glref = 8, .l_base = 16, .l_top = 24, .l_stack = 36, .l_openupval = 40, .l_env = 44,
    .l_stacksize = 56, .g_total = 16, .g_white = 24, .g_state = 25, .g_lightudnum = 27, .g_root = 32, .g_mmudata = 52,
    .g_lightudseg = 72, .g_strempty = 76, .g_strtab = 104, .g_strmask = 112, .g_main = 140, .g_tmpbuf = 144,
    .g_registry = 216, .sbufext_bytes = 56, .sbufext_flags = 24, .sbufext_cowref = 28, .sbufext_dict = 40,
    .sbufext_dict2 = 44, .str_bytes = 20, .str_unit = 4, .str_length = 16, .tab_bytes = 32, .tab_nomm = 6,
    .tab_colo = 7, .tab_array = 8, .tab_metatable = 16, .tab_node = 20, .tab_asize = 24, .tab_hmask = 28,
    .udata_bytes = 24, .udata_type = 6, .udata_env = 8, .udata_length = 12, .udata_metatable = 16, .cdata_bytes = 8,
    .cdata_id = 6, .proto_bytes = 64, .proto_sizebc = 8, .proto_k = 16, .proto_sizekgc = 24, .proto_size = 32,
    .proto_trace = 38, .proto_chunkname = 40, .proto_firstline = 44, .proto_uvinfo = 56, .proto_varinfo = 60,
    .upval_bytes = 24, .upval_v = 16, .func_ffid = 6, .func_nupvalues = 7, .func_env = 8, .func_pc = 16,
    .func_l_upvalues = 20, .func_c_upvalues = 32, .trace_bytes = 96, .trace_nsnap = 6, .trace_nins = 8,
    .trace_ir = 16, .trace_nk = 24, .trace_nsnapmap = 28, .trace_startpt = 48, .trace_number = 80, .trace_link = 82,
    .trace_nextroot = 86, .trace_nextside = 88, .snap_bytes = 12, .j_irtoplim = 312, .j_irbotlim = 316,
    .j_sizesnap = 324, .j_sizesnapmap = 344, .j_trace = 360, .j_sizetrace = 372, .ctype_bytes = 16, .ctype_name = 12,
    .types_of_64_bits = 0x604208,
};

/* Without, in the beta3 of 2017 that distributions had for long, and until 2020. */
#define COMMON_OF_BETA3                                                                                              \
  .bytes = 4, .frame_slots = 1, .sbuf_bytes = 4, .sbuf_e = 4, .sbuf_b = 8, .j_bytes = 384, .o_marked = 4,            \
  .o_type = 5, .l_glref = 8, .l_base = 16, .l_top = 24, .l_stack = 36, .l_openupval = 40, .l_env = 44,               \
  .l_stacksize = 56, .g_allocf = 16, .g_total = 32, .g_white = 40, .g_state = 41, .g_root = 48, .g_mmudata = 68,     \
  .g_strempty = 108, .g_strmask = 8, .g_main = 128, .g_tmpbuf = 92, .g_registry = 136, .str_bytes = 16,              \
  .str_unit = 1, .str_length = 12, .tab_bytes = 32, .tab_nomm = 6, .tab_colo = 7, .tab_array = 8,                    \
  .tab_metatable = 16, .tab_node = 20, .tab_asize = 24, .tab_hmask = 28, .udata_bytes = 24, .udata_type = 6,         \
  .udata_env = 8, .udata_length = 12, .udata_metatable = 16, .cdata_bytes = 8, .cdata_id = 6, .proto_bytes = 64,     \
  .proto_sizebc = 8, .proto_k = 16, .proto_sizekgc = 24, .proto_size = 32, .proto_trace = 38, .proto_chunkname = 40, \
  .proto_firstline = 44, .proto_uvinfo = 56, .proto_varinfo = 60, .upval_bytes = 24, .upval_v = 16, .func_ffid = 6,  \
  .func_nupvalues = 7, .func_env = 8, .func_pc = 16, .func_l_upvalues = 20, .func_c_upvalues = 32,                   \
  .trace_bytes = 96, .trace_nins = 8, .trace_ir = 16, .trace_nk = 24, .trace_startpt = 48, .trace_number = 80,       \
  .trace_link = 82, .trace_nextroot = 86, .trace_nextside = 88, .j_irtoplim = 320, .j_irbotlim = 324,                \
  .j_sizesnap = 332, .j_sizesnapmap = 352, .j_trace = 368, .j_sizetrace = 380, .ctype_bytes = 16, .ctype_name = 12,  \
  .types_of_64_bits = 0x604208

static const struct seep_luajit_refs refs_of_beta3 = {
    COMMON_OF_BETA3, .snapmap_is_short = true, .trace_nsnap = 28, .trace_nsnapmap = 30, .snap_bytes = 8,
};
/* From 2019 on (lj_jit.h: offsets into a snapshot map have 32 bits). */
static const struct seep_luajit_refs refs_of_2019 = {
    COMMON_OF_BETA3, .trace_nsnap = 6, .trace_nsnapmap = 28, .snap_bytes = 12,
};

static const struct seep_luajit_heap of_2021 = {
    .refs = &refs_of_64_bits, .thread_bytes = 96, .gg_bytes = 6240, .gg_jit = 824, .gg_dispatch = 4064,
    .dispatch_count = 243, .jit_tobit = 304, .g_cur_L = 368, .g_ctype_state = 384, .g_gcroot = 424,
    .gcroot_count = 38, .cts_bytes = 472, .cts_sizeid = 200,
};
static const struct seep_luajit_heap of_openresty = {
    .refs = &refs_of_64_bits, .thread_bytes = 112, .gg_bytes = 6296, .gg_jit = 848, .gg_dispatch = 4120,
    .dispatch_count = 243, .jit_tobit = 304, .g_cur_L = 368, .g_ctype_state = 384, .g_gcroot = 424,
    .gcroot_count = 38, .cts_bytes = 520, .cts_sizeid = 248,
};
static const struct seep_luajit_heap of_2024 = {
    .refs = &refs_of_64_bits, .thread_bytes = 96, .gg_bytes = 6248, .gg_jit = 832, .gg_dispatch = 4072,
    .dispatch_count = 243, .jit_tobit = 304, .g_cur_L = 368, .g_ctype_state = 384, .g_gcroot = 424,
    .gcroot_count = 39, .cts_bytes = 464, .cts_sizeid = 192,
};
static const struct seep_luajit_heap of_early_2026 = {
    .refs = &refs_of_64_bits, .thread_bytes = 96, .gg_bytes = 6272, .gg_jit = 840, .gg_dispatch = 4096,
    .dispatch_count = 243, .jit_tobit = 312, .g_vmthref = 280, .g_cur_L = 376, .g_ctype_state = 392, .g_gcroot = 432,
    .gcroot_count = 39, .cts_bytes = 464, .cts_sizeid = 192,
};
static const struct seep_luajit_heap of_2026 = {
    .refs = &refs_of_64_bits, .thread_bytes = 96, .gg_bytes = 6384, .gg_jit = 840, .gg_dispatch = 4096,
    .dispatch_count = 257, .jit_tobit = 312, .g_vmthref = 280, .g_cur_L = 376, .g_ctype_state = 392, .g_gcroot = 432,
    .gcroot_count = 39, .cts_bytes = 464, .cts_sizeid = 192,
};

#define NARROW_OF_BETA3                                                                                              \
  .thread_bytes = 64, .gg_bytes = 5352, .gg_jit = 480, .gg_dispatch = 3176, .dispatch_count = 243, .jit_tobit = 280, \
  .g_cur_L = 248, .g_ctype_state = 256, .g_gcroot = 260, .gcroot_count = 38, .cts_bytes = 472, .cts_sizeid = 200
static const struct seep_luajit_heap narrow_of_beta3 = {.refs = &refs_of_beta3, NARROW_OF_BETA3};
static const struct seep_luajit_heap narrow_of_2019 = {.refs = &refs_of_2019, NARROW_OF_BETA3};
static const struct seep_luajit_heap narrow_of_2022 = {
    .refs = &refs_of_32_bits, .thread_bytes = 64, .gg_bytes = 5416, .gg_jit = 552, .gg_dispatch = 3240,
    .dispatch_count = 243, .jit_tobit = 280, .g_cur_L = 288, .g_ctype_state = 296, .g_gcroot = 336,
    .gcroot_count = 38, .cts_bytes = 472, .cts_sizeid = 200,
};
static const struct seep_luajit_heap narrow_of_2024 = {
    .refs = &refs_of_32_bits, .thread_bytes = 64, .gg_bytes = 5424, .gg_jit = 560, .gg_dispatch = 3248,
    .dispatch_count = 243, .jit_tobit = 280, .g_cur_L = 288, .g_ctype_state = 296, .g_gcroot = 336,
    .gcroot_count = 39, .cts_bytes = 464, .cts_sizeid = 192,
};
static const struct seep_luajit_heap narrow_of_early_2026 = {
    .refs = &refs_of_32_bits, .thread_bytes = 64, .gg_bytes = 5448, .gg_jit = 568, .gg_dispatch = 3272,
    .dispatch_count = 243, .jit_tobit = 288, .g_vmthref = 224, .g_cur_L = 296, .g_ctype_state = 304, .g_gcroot = 344,
    .gcroot_count = 39, .cts_bytes = 464, .cts_sizeid = 192,
};
static const struct seep_luajit_heap narrow_of_2026 = {
    .refs = &refs_of_32_bits, .thread_bytes = 64, .gg_bytes = 5560, .gg_jit = 568, .gg_dispatch = 3272,
    .dispatch_count = 257, .jit_tobit = 288, .g_vmthref = 224, .g_cur_L = 296, .g_ctype_state = 304, .g_gcroot = 344,
    .gcroot_count = 39, .cts_bytes = 464, .cts_sizeid = 192,
};

/* -- What makes a state ---------------------------------------------------------------------- */

static bool is_code(const struct seep_image *image, uintptr_t address) {
  const struct seep_segment *segment = seep_image_segment(image, address);
  return segment == NULL || (segment->access & SEEP_SEGMENT_EXECUTABLE) != 0;
}

/* What must be code, whatever else is not known of the image. */
static bool is_in_code(const struct seep_image *image, uintptr_t address) {
  return seep_image_segment(image, address) != NULL && is_code(image, address);
}

/* The names of metamethods are where they should be. */
static bool names_fit(struct seep_image *image, const struct seep_luajit_heap *layout, const char *global) {
  const struct seep_luajit_refs *refs = layout->refs;
  static const char *const names[] = {"__index", "__newindex", "__gc", "__mode"};
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(names); i++) {
    uintptr_t string = seep_lj_ref(refs, global, layout->g_gcroot + i * refs->bytes);
    const char *text = seep_image_view(image, string + refs->str_bytes, strlen(names[i]) + 1);
    if (text == NULL || memcmp(text, names[i], strlen(names[i]) + 1) != 0) return false;
  }
  return true;
}

static bool thread_fits(struct seep_image *image, const struct seep_heap_state *state, const char *thread) {
  const struct seep_luajit_heap *layout = state->vm->layout;
  const struct seep_luajit_refs *refs = layout->refs;
  uintptr_t stack = seep_lj_ref(refs, thread, refs->l_stack), top = seep_at_pointer(thread, refs->l_top);
  uint64_t slots = seep_at_u32(thread, refs->l_stacksize);
  return seep_at_u8(thread, refs->o_type) == LJ_THREAD && seep_lj_ref(refs, thread, refs->l_glref) == state->global &&
         stack != 0 && slots < 1 << 22 && top >= stack && top <= stack + slots * LJ_SLOT_BYTES &&
         seep_image_view(image, stack, slots * LJ_SLOT_BYTES) != NULL;
}

/* lj_trace.c lj_trace_initstate: constants that the compiler's state begins with; without a compiler they are not
 * there, and a build like that is not described. lj_dispatch.h: then addresses of code, as many as the release has. */
static bool jit_fits(struct seep_image *image, const struct seep_heap_state *state) {
  const struct seep_luajit_heap *layout = state->vm->layout;
  const uint64_t tobit = 0x4338000000000000ULL;
  const char *gg = seep_image_view(image, state->main_thread, layout->gg_bytes);
  if (gg == NULL) return false;
  const char *jit = gg + layout->gg_jit;
  const char *dispatch = gg + layout->gg_dispatch;
  return seep_at_pointer(jit, layout->jit_tobit) == tobit && is_in_code(image, seep_at_pointer(dispatch, 0)) &&
         is_in_code(image, seep_at_pointer(dispatch, (layout->dispatch_count - 1) * sizeof(uintptr_t)));
}

/* lj_trace.c lj_trace_alloc: behind a trace's snapshots lies their map. It is what tells builds from each other that
 * differ in traces alone; where there are none, it does not matter. (One that is being recorded is in the compiler's
 * state.) */
static bool traces_fit(struct seep_image *image, const struct seep_heap_state *state) {
  enum { LOOKED_AT = 256 };
  const struct seep_luajit_heap *layout = state->vm->layout;
  const struct seep_luajit_refs *refs = layout->refs;
  const char *jit = seep_image_view(image, state->main_thread + layout->gg_jit, refs->j_bytes);
  if (jit == NULL) return false;
  uint32_t count = seep_at_u32(jit, refs->j_sizetrace);
  for (uint32_t i = 1; i < count && i < LOOKED_AT; i++) {
    const char *slot = seep_image_view(image, seep_at_pointer(jit, refs->j_trace) + i * refs->bytes, refs->bytes);
    uintptr_t address = slot == NULL ? 0 : seep_lj_ref(refs, slot, 0);
    const char *trace = address == 0 ? NULL : seep_image_view(image, address, refs->trace_bytes);
    if (trace == NULL || address - state->main_thread < (uintptr_t)layout->gg_bytes) continue;
    uintptr_t snapshots = seep_at_pointer(trace, refs->trace_startpt - 16u);
    uintptr_t map = seep_at_pointer(trace, refs->trace_startpt - 8u);
    return map - snapshots == (uintptr_t)seep_at_u16(trace, refs->trace_nsnap) * refs->snap_bytes;
  }
  return true;
}

static bool fits(struct seep_image *image, const struct seep_heap_state *state) {
  const struct seep_luajit_heap *layout = state->vm->layout;
  const struct seep_luajit_refs *refs = layout->refs;
  const char *thread = seep_image_view(image, state->main_thread, layout->thread_bytes);
  const char *global = seep_image_view(image, state->global, (size_t)(layout->gg_jit - layout->thread_bytes));
  if (thread == NULL || global == NULL || state->global - state->main_thread != layout->thread_bytes) return false;
  if (seep_lj_ref(refs, global, refs->g_main) != state->main_thread || !thread_fits(image, state, thread)) return false;
  uint8_t white = seep_at_u8(global, refs->g_white) & LJ_WHITES;
  uint32_t mask = seep_at_u32(global, refs->g_strmask);
  return white != 0 && seep_at_u8(global, refs->g_state) <= 6 && (mask & (mask + 1)) == 0 && mask != 0 &&
         seep_lj_ref(refs, global, refs->g_total) >= layout->gg_bytes &&
         is_code(image, seep_at_pointer(global, refs->g_allocf)) &&
         seep_lj_type(refs, seep_at_pointer(global, refs->g_registry)) == LJ_TAB && names_fit(image, layout, global) &&
         jit_fits(image, state) && (refs->g_allocf == 0 || traces_fit(image, state));
}

/* refs, size of a thread, where its pointer to the global state is, and the main thread's in that. */
#define HEAP(release_text, layout_of, ref_size, thread_size, global_at, main_at, tag_at)                               \
  {.family = "LuaJIT 2.1", .releases = release_text, .layout = &(layout_of), .ref_bytes = ref_size,                    \
   .global_link = (thread_size) - (global_at), .thread_global = global_at, .global_main = main_at,                     \
   .thread_tag_at = tag_at, .thread_tag = LJ_THREAD, .fits = fits, .read = seep_lj_heap_read}
#define WIDE(release_text, layout_of, thread_size) HEAP(release_text, layout_of, 8, thread_size, 16, 192, 9)
#define NARROW(release_text, layout_of, main_at) HEAP(release_text " without GC64", layout_of, 4, 64, 8, main_at, 5)

/* Those that check more come first. */
const struct seep_heap_vm seep_luajit_heaps[] = {
    WIDE("2.1 of 2021 to 2023", of_2021, 96),
    WIDE("OpenResty's 2.1 of 2022 to 2024", of_openresty, 112),
    WIDE("2.1 of 2024 to 2025", of_2024, 96),
    WIDE("2.1 of 2026", of_2026, 96), /* before the one that has fewer instructions */
    WIDE("2.1 of early 2026", of_early_2026, 96),
    NARROW("2.1 of 2022 to 2023", narrow_of_2022, 140),
    NARROW("2.1 of 2024 to 2025", narrow_of_2024, 140),
    NARROW("2.1 of 2026", narrow_of_2026, 140),
    NARROW("2.1 of early 2026", narrow_of_early_2026, 140),
    NARROW("2.1 beta3 of 2017 to 2018", narrow_of_beta3, 128),
    NARROW("2.1 beta3 of 2019 to 2020", narrow_of_2019, 128),
};
const uint32_t seep_luajit_heap_count = SEEP_ARRAY_SIZE(seep_luajit_heaps);
