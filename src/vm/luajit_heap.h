/* The heap of LuaJIT 2.1 (GC64) in memory. Source: lj_obj.h, lj_jit.h, lj_ctype.h, lj_dispatch.h, lj_buf.h of the v2.1
 * branch, 2021 to 2026, and of OpenResty's; the numbers are offsetof and sizeof in a program compiled against them.
 * Internal to this folder. */
#ifndef SEEP_LUAJIT_HEAP_H
#define SEEP_LUAJIT_HEAP_H

#include "vm/heap_walk.h"
#include "vm/viewed.h"

/* What differs between groups of releases. */
struct seep_luajit_heap {
  uint16_t thread_bytes;            /* sizeof(lua_State), and where global_State is in GG_State */
  uint16_t gg_bytes, gg_jit;        /* GG_State, and where jit_State is in it */
  uint16_t gg_dispatch, dispatch_count;
  uint16_t jit_tobit;               /* of a known constant in jit_State */
  uint16_t g_vmthref;               /* 2026: a thread of the VM's own */
  uint16_t g_cur_L, g_ctype_state, g_gcroot, gcroot_count;
  uint16_t cts_bytes, cts_sizeid;
};

/* The same in every release described. */
enum {
  LJ_O_NEXT = 0, LJ_O_MARKED = 8, LJ_O_TYPE = 9,
  LJ_L_GLREF = 16, LJ_L_BASE = 32, LJ_L_TOP = 40, LJ_L_STACK = 56, LJ_L_OPENUPVAL = 64,
  LJ_L_ENV = 72, LJ_L_STACKSIZE = 88,
  LJ_G_TOTAL = 16, LJ_G_WHITE = 32, LJ_G_STATE = 33, LJ_G_LIGHTUDNUM = 35, LJ_G_ROOT = 40, LJ_G_MMUDATA = 80,
  LJ_G_LIGHTUDSEG = 112, LJ_G_STREMPTY = 120, LJ_G_STRTAB = 152, LJ_G_STRMASK = 160, LJ_G_MAIN = 192,
  LJ_G_TMPBUF = 200, LJ_G_REGISTRY = 272,
  LJ_MM_GC = 2, LJ_MM_MODE = 3, LJ_MM_COUNT = 22, LJ_BASEMT_COUNT = 14,
  LJ_STR_BYTES = 24, LJ_STR_LENGTH = 20,
  LJ_TAB_BYTES = 64, LJ_TAB_NOMM = 10, LJ_TAB_COLO = 11, LJ_TAB_ARRAY = 16, LJ_TAB_METATABLE = 32, LJ_TAB_NODE = 40,
  LJ_TAB_ASIZE = 48, LJ_TAB_HMASK = 52, LJ_NODE_BYTES = 24, LJ_NODE_KEY = 8,
  LJ_UDATA_BYTES = 48, LJ_UDATA_TYPE = 10, LJ_UDATA_ENV = 16, LJ_UDATA_LENGTH = 24, LJ_UDATA_METATABLE = 32,
  LJ_UDTYPE_BUFFER = 3,
  LJ_CDATA_BYTES = 16, LJ_CDATA_ID = 10, LJ_CDATAV_BYTES = 8,
  LJ_PROTO_BYTES = 104, LJ_PROTO_SIZEBC = 12, LJ_PROTO_K = 32, LJ_PROTO_SIZEKGC = 48, LJ_PROTO_SIZE = 56,  LJ_PROTO_TRACE = 62, LJ_PROTO_CHUNKNAME = 64, LJ_PROTO_FIRSTLINE = 72, LJ_PROTO_UVINFO = 88,
  LJ_PROTO_VARINFO = 96,
  LJ_UPVAL_BYTES = 48, LJ_UPVAL_V = 32,
  LJ_FUNC_FFID = 10, LJ_FUNC_NUPVALUES = 11, LJ_FUNC_ENV = 16, LJ_FUNC_PC = 32, LJ_FUNC_L_UPVALUES = 40,
  LJ_FUNC_C_UPVALUES = 48,
  LJ_TRACE_BYTES = 120, LJ_TRACE_NSNAP = 10, LJ_TRACE_NINS = 12, LJ_TRACE_IR = 32, LJ_TRACE_NK = 40,
  LJ_TRACE_NSNAPMAP = 44, LJ_TRACE_STARTPT = 64, LJ_TRACE_NUMBER = 104, LJ_TRACE_LINK = 106,
  LJ_TRACE_NEXTROOT = 110, LJ_TRACE_NEXTSIDE = 112, LJ_SNAP_BYTES = 12, LJ_SNAPENTRY_BYTES = 4, LJ_IR_BYTES = 8,
  LJ_J_IRTOPLIM = 336, LJ_J_IRBOTLIM = 340, LJ_J_SIZESNAP = 348,
  LJ_J_SIZESNAPMAP = 368, LJ_J_TRACE = 384, LJ_J_SIZETRACE = 396, LJ_J_BYTES = 400,
  LJ_CTYPE_BYTES = 24, LJ_CTYPE_SIZE = 4, LJ_CTYPE_NAME = 16, LJ_CTS_TOP = 8, LJ_CTS_SIZETAB = 12,
};

/* GCobj types (~LJ_T…), and the bits of `marked`. */
enum { LJ_STR = 4, LJ_UPVAL, LJ_THREAD, LJ_PROTO, LJ_FUNC, LJ_TRACE, LJ_CDATA, LJ_TAB, LJ_UDATA };
enum { LJ_WHITES = 3, LJ_FINALIZED = 8, LJ_CDATA_FIN = 0x10, LJ_FIXED = 0x20, LJ_CDATA_VAR = 0x80 };

/* lj_obj.h TValue: 17 bits of type (~LJ_T…), 47 of pointer; everything above is a number. */
SEEP_ALWAYS_INLINE uint32_t seep_lj_type(uint64_t value) { return (uint32_t)(~value >> 47); }
SEEP_ALWAYS_INLINE uintptr_t seep_lj_pointer(uint64_t value) { return value & ((1ULL << 47) - 1); }
SEEP_ALWAYS_INLINE bool seep_lj_is_object(uint64_t value) {
  uint32_t type = seep_lj_type(value);
  return type >= LJ_STR && type <= LJ_UDATA;
}
SEEP_ALWAYS_INLINE uintptr_t seep_lj_object(uint64_t value) {
  return seep_lj_is_object(value) ? seep_lj_pointer(value) : 0;
}
SEEP_ALWAYS_INLINE bool seep_lj_is_nil(uint64_t value) { return value == UINT64_MAX; }

/* The text of a string object; NULL when it is none. */
const char *seep_lj_string(struct seep_walk *walk, uintptr_t address, size_t *size_bytes);
uint32_t seep_lj_name(struct seep_walk *walk, uintptr_t string);
uint32_t seep_lj_place(struct seep_walk *walk, uintptr_t proto);
/* What a prototype's header is, or NULL. */
const char *seep_lj_view_proto(struct seep_walk *walk, uintptr_t address);

/* Threads, prototypes, traces and the compiler's own memory. luajit_heap_code.c */
void seep_lj_read_thread(struct seep_walk *walk, uintptr_t address, const char *thread);
void seep_lj_read_proto(struct seep_walk *walk, uintptr_t address, const char *proto);
void seep_lj_read_trace(struct seep_walk *walk, uintptr_t address, const char *trace);
void seep_lj_read_compiler(struct seep_walk *walk);
void seep_lj_read_open_upvalue(struct seep_walk *walk, uintptr_t address);

#endif
