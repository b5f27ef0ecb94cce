/* The heap of LuaJIT 2.1 in memory. Source: lj_obj.h, lj_jit.h, lj_ctype.h, lj_dispatch.h, lj_buf.h, lj_frame.h of the
 * v2.1 branch, 2017 to 2026, and of OpenResty's; the numbers are offsetof and sizeof in a program compiled with them.
 * Internal to this folder.
 *
 * Two kinds of build: with GC64 a reference between objects has 64 bits (GCRef, MRef), a value has its type in the
 * upper 17 bits, and a call frame takes two slots; without it (x64 until 2022 unless asked for) references have 32 bits, a
 * value has its type in the upper half, and a frame takes one slot. Everything that follows from that is numbers in
 * struct seep_luajit_refs, and the few functions below that load a reference, a value or a frame. */
#ifndef SEEP_LUAJIT_HEAP_H
#define SEEP_LUAJIT_HEAP_H

#include "vm/heap_walk.h"
#include "vm/viewed.h"

/* What depends on how wide a reference is. Names are the VM's; a field that a release lacks is 0. */
struct seep_luajit_refs {
  uint8_t bytes;         /* of a reference: 8 with GC64, else 4 */
  uint8_t frame_slots;   /* that a call frame takes below its base: 1 + LJ_FR2 */
  uint8_t o_marked, o_type;
  uint8_t l_glref, l_base, l_top, l_stack, l_openupval, l_env, l_stacksize;  /* base and top are whole pointers */
  uint16_t g_allocf, g_total, g_white, g_state, g_lightudnum, g_root, g_mmudata, g_lightudseg, g_strempty;
  uint16_t g_strtab, g_strmask, g_main, g_tmpbuf, g_registry;                /* the string table is a whole pointer */
  uint8_t sbuf_bytes, sbuf_e, sbuf_b;      /* where a string buffer ends and begins: bytes of such a pointer first */
  uint8_t sbufext_bytes, sbufext_flags, sbufext_cowref, sbufext_dict, sbufext_dict2;
  uint8_t str_bytes, str_length, str_unit; /* a text and its NUL take a multiple of that unit */
  uint8_t tab_bytes, tab_nomm, tab_colo, tab_array, tab_metatable, tab_node, tab_asize, tab_hmask;
  uint8_t udata_bytes, udata_type, udata_env, udata_length, udata_metatable;
  uint8_t cdata_bytes, cdata_id;
  uint8_t proto_bytes, proto_sizebc, proto_k, proto_sizekgc, proto_size, proto_trace, proto_chunkname;
  uint8_t proto_firstline, proto_uvinfo, proto_varinfo;
  uint8_t upval_bytes, upval_v;
  uint8_t func_ffid, func_nupvalues, func_env, func_pc, func_l_upvalues, func_c_upvalues;
  uint8_t trace_bytes, trace_nsnap, trace_nins, trace_ir, trace_nk, trace_nsnapmap, trace_startpt;
  uint8_t trace_number, trace_link, trace_nextroot, trace_nextside, snap_bytes;
  bool snapmap_is_short;                   /* trace_nsnapmap has 16 bits */
  uint16_t j_irtoplim, j_irbotlim, j_sizesnap, j_sizesnapmap, j_trace, j_sizetrace, j_bytes;
  uint8_t ctype_bytes, ctype_name;
  uint32_t types_of_64_bits;               /* lj_ir.h IRT_IS64 */
};

/* What differs between groups of releases. */
struct seep_luajit_heap {
  const struct seep_luajit_refs *refs;
  uint16_t thread_bytes;            /* sizeof(lua_State), and where global_State is in GG_State */
  uint16_t gg_bytes, gg_jit;        /* GG_State, and where jit_State is in it */
  uint16_t gg_dispatch, dispatch_count;
  uint16_t jit_tobit;               /* of a known constant in jit_State */
  uint16_t g_vmthref;               /* 2026: a thread of the VM's own */
  uint16_t g_cur_L, g_ctype_state, g_gcroot, gcroot_count;
  uint16_t cts_bytes, cts_sizeid;
};

/* The same in every release and kind of build. */
enum {
  LJ_O_NEXT = 0,
  LJ_MM_GC = 2, LJ_MM_MODE = 3, LJ_MM_COUNT = 22, LJ_BASEMT_COUNT = 14,
  LJ_SLOT_BYTES = 8, LJ_NODE_BYTES = 24, LJ_NODE_KEY = 8,
  LJ_UDTYPE_BUFFER = 3, LJ_CDATAV_BYTES = 8, LJ_SNAPENTRY_BYTES = 4, LJ_IR_BYTES = 8,
  LJ_CTYPE_SIZE = 4, LJ_CTS_TOP = 8, LJ_CTS_SIZETAB = 12,
};

/* GCobj types (~LJ_T…), and the bits of `marked`. */
enum { LJ_STR = 4, LJ_UPVAL, LJ_THREAD, LJ_PROTO, LJ_FUNC, LJ_TRACE, LJ_CDATA, LJ_TAB, LJ_UDATA };
enum { LJ_WHITES = 3, LJ_FINALIZED = 8, LJ_CDATA_FIN = 0x10, LJ_FIXED = 0x20, LJ_CDATA_VAR = 0x80 };

SEEP_ALWAYS_INLINE const struct seep_luajit_refs *seep_lj_refs(const struct seep_walk *walk) {
  return ((const struct seep_luajit_heap *)walk->layout)->refs;
}

/* A reference as it stands in an object: GCRef, MRef. */
SEEP_ALWAYS_INLINE uintptr_t seep_lj_ref(const struct seep_luajit_refs *refs, const char *bytes, size_t at) {
  return refs->bytes == 8 ? seep_at_pointer(bytes, at) : seep_at_u32(bytes, at);
}

/* lj_obj.h TValue: the type (~LJ_T…) and the pointer of a value; a number has a type above all others. With GC64 17
 * bits and 47; else 32 and 32, but light userdata have 17 bits there, too. */
SEEP_ALWAYS_INLINE uint32_t seep_lj_type(const struct seep_luajit_refs *refs, uint64_t value) {
  enum { LIGHT = 3 };
  if (refs->bytes == 8) return (uint32_t)(~value >> 47);
  if (SEEP_UNLIKELY(value >> 47 == 0x1fffe)) return LIGHT;
  return ~(uint32_t)(value >> 32);
}
SEEP_ALWAYS_INLINE uintptr_t seep_lj_pointer(const struct seep_luajit_refs *refs, uint64_t value) {
  return refs->bytes == 8 ? value & ((1ULL << 47) - 1) : (uint32_t)value;
}
SEEP_ALWAYS_INLINE bool seep_lj_is_object(const struct seep_luajit_refs *refs, uint64_t value) {
  uint32_t type = seep_lj_type(refs, value);
  return type >= LJ_STR && type <= LJ_UDATA;
}
SEEP_ALWAYS_INLINE uintptr_t seep_lj_object(const struct seep_luajit_refs *refs, uint64_t value) {
  return seep_lj_is_object(refs, value) ? seep_lj_pointer(refs, value) : 0;
}
SEEP_ALWAYS_INLINE bool seep_lj_is_nil(const struct seep_luajit_refs *refs, uint64_t value) {
  return seep_lj_type(refs, value) == 0;
}

/* The text of a string object; NULL when it is none. */
const char *seep_lj_string(struct seep_walk *walk, uintptr_t address, size_t *size_bytes);
uint32_t seep_lj_name(struct seep_walk *walk, uintptr_t string);
uint32_t seep_lj_place(struct seep_walk *walk, uintptr_t proto);
/* What a prototype's header is, or NULL. */
const char *seep_lj_view_proto(struct seep_walk *walk, uintptr_t address);

/* seep_heap_vm.read of all releases. luajit_heap.c */
enum seep_status seep_lj_heap_read(struct seep_image *image, const struct seep_heap_state *state,
                                   struct seep_object_sink *sink, struct seep_heap_found *out,
                                   struct seep_error *error);

/* Threads, prototypes, traces and the compiler's own memory. luajit_heap_code.c */
void seep_lj_read_thread(struct seep_walk *walk, uintptr_t address, const char *thread);
/* What variables of a call that has ended held (state->remains). */
void seep_lj_read_remains(struct seep_walk *walk);
void seep_lj_read_proto(struct seep_walk *walk, uintptr_t address, const char *proto);
void seep_lj_read_trace(struct seep_walk *walk, uintptr_t address, const char *trace);
void seep_lj_read_compiler(struct seep_walk *walk);
void seep_lj_read_open_upvalue(struct seep_walk *walk, uintptr_t address);

#endif
