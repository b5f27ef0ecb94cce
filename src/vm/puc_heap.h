/* The heap of PUC Lua, 5.1 to 5.5, in memory: what the reader (puc_heap*.c) knows of a group of releases.
 *
 * Source: lstate.h, lobject.h, lstate.c (LG, LX) of each release; the numbers are offsetof and sizeof in a program
 * compiled against those headers (64 bits, LUAI_EXTRASPACE and LUA_EXTRASPACE as they come). Names are theirs; a
 * field that a release lacks is 0. */
#ifndef SEEP_PUC_HEAP_H
#define SEEP_PUC_HEAP_H

#include "vm/heap_walk.h"
#include "vm/viewed.h"

struct seep_puc_heap {
  uint8_t version;                 /* 51 … 55 */
  uint8_t tag_proto, tag_upvalue;
  uint8_t white_bits;              /* both, in `marked` and currentwhite */
  uint8_t fixed_bit;               /* 5.1, 5.2: of `marked`, a bit mask; later a list */
  uint8_t finalized_bit;           /* 5.1: of `marked`, a bit mask */
  uint8_t last_gcstate;
  bool stack_last_is_end;          /* 5.4.2 on: the stack is stack_last - stack + EXTRA_STACK slots */
  bool strings_in_table;           /* 5.1: all, 5.2: short strings are in the string table alone */

  /* lua_State and LX; the state's block LG */
  uint16_t L_G, L_top, L_ci, L_stack, L_stack_last, L_stacksize, L_openupval, L_base_ci;
  uint16_t L_size_ci, L_gt, L_savedpc;  /* 5.1 */
  uint16_t thread_bytes, thread_before, state_bytes, global_behind; /* global_behind: from L to g */
  uint16_t main_inside;            /* 5.5: the state's block is g, and this is from there to L */

  /* CallInfo */
  uint16_t ci_func, ci_base, ci_savedpc, ci_next, ci_status, ci_size;
  uint16_t status_lua, status_c;   /* bits of callstatus: one of them tells */

  /* global_State */
  uint16_t g_frealloc, g_total, g_debt, g_white, g_gcstate;
  uint16_t g_objects, g_finobj, g_tobefnz, g_fixedgc;
  uint16_t g_strings, g_string_slots, g_buffer_bytes, g_registry, g_mainthread, g_mt, g_tmname;

  /* Table, Node */
  uint8_t dummy_bit;               /* 5.5: of t_flags: the hash part is the shared empty one */
  uint16_t table_bytes, t_flags, t_lsizenode, t_array, t_node, t_lastfree, t_metatable, t_sizearray;
  uint16_t t_unreal_size;          /* 5.4: the byte whose highest bit says that `alimit` is no size */
  uint16_t node_bytes, n_key, n_key_tag;

  /* TString, Udata */
  uint16_t ts_size, ts_length, ts_short_length, ts_long_length;
  uint16_t ts_contents;            /* 5.5: where a long string points to its text; its short length is its kind */
  uint16_t udata_bytes, u_metatable, u_length, u_env, u_value, u_value_tag, u_value_count;

  /* Proto and what its arrays are made of */
  uint16_t proto_bytes, p_k, p_sizek, p_code, p_sizecode, p_p, p_sizep, p_lineinfo, p_sizelineinfo;
  uint16_t p_locvars, p_sizelocvars, p_upvalues, p_sizeupvalues, p_source, p_linedefined, p_cache;
  uint16_t p_abslineinfo, p_sizeabslineinfo, lineinfo_bytes, upvaldesc_bytes;
  uint16_t p_flag;                 /* 5.5 */

  /* Closures, UpVal */
  uint16_t cl_nupvalues, cl_proto, cl_upvalues, cl_isC, cl_env;
  uint16_t upval_bytes, uv_v, uv_refcount, uv_next, uv_value;
};

/* The part of the state's block that has the global state. */
SEEP_ALWAYS_INLINE size_t seep_puc_global_bytes(const struct seep_puc_heap *layout) {
  if (layout->main_inside != 0) return layout->state_bytes;
  return layout->state_bytes - layout->global_behind - layout->thread_before;
}

enum {
  SEEP_PUC_TM_GC = 2, SEEP_PUC_TM_MODE = 3, /* ltm.h, all versions */
  SEEP_PUC_TYPES = 9,                       /* metatables of basic types */
  SEEP_PUC_O_NEXT = 0, SEEP_PUC_O_TT = 8, SEEP_PUC_O_MARKED = 9, /* CommonHeader */
  SEEP_PUC_SLOT_BYTES = 16,                 /* TValue: the value, and a tag behind it */
};

/* -- Values ------------------------------------------------------------------------ */

enum seep_puc_value_type { SEEP_PUC_NIL, SEEP_PUC_BOOLEAN, SEEP_PUC_LIGHT, SEEP_PUC_NUMBER, SEEP_PUC_STRING,
                           SEEP_PUC_TABLE, SEEP_PUC_FUNCTION, SEEP_PUC_USERDATA, SEEP_PUC_THREAD_TYPE };

SEEP_ALWAYS_INLINE bool seep_puc_is_object(const struct seep_puc_heap *layout, uint8_t tag) {
  if (layout->version == 51) return tag >= SEEP_PUC_STRING && tag <= SEEP_PUC_THREAD_TYPE;
  return (tag & 0x40) != 0; /* lobject.h BIT_ISCOLLECTABLE */
}
SEEP_ALWAYS_INLINE uint8_t seep_puc_type(uint8_t tag) { return tag & 0x0f; }

/* The object that a value is, or 0. */
SEEP_ALWAYS_INLINE uintptr_t seep_puc_object_in(const struct seep_puc_heap *layout, const char *slot) {
  return seep_puc_is_object(layout, (uint8_t)slot[8]) ? seep_at_pointer(slot, 0) : 0;
}

/* lgc.h gettotalbytes: what is to be added to the total, below zero more often than not. */
SEEP_ALWAYS_INLINE uint64_t seep_puc_debt(const struct seep_puc_heap *layout, const char *global) {
  uint64_t debt = seep_at_pointer(global, layout->g_debt);
  return layout->version >= 55 ? -debt : debt;
}

/* 5.3 and later: of a string object. */
SEEP_ALWAYS_INLINE bool seep_puc_is_long(const char *string) {
  return (seep_at_u8(string, SEEP_PUC_O_TT) & 0x10) != 0;
}

/* -- The parts of the reader --------------------------------------------------------- */

/* The text of the string at `address`; NULL when it is none. puc_heap_names.c */
const char *seep_puc_string(struct seep_walk *walk, uintptr_t address, size_t *size_bytes);

/* Names and places, through the walk's caches: texts of strings, where functions are defined, what metatables
 * say. puc_heap_names.c */
uint32_t seep_puc_name(struct seep_walk *walk, uintptr_t string);
uint32_t seep_puc_place(struct seep_walk *walk, uintptr_t proto);
const struct seep_meta_facts *seep_puc_meta(struct seep_walk *walk, uintptr_t metatable);
/* Fills walk->type_names and found->loaded from the registry. */
void seep_puc_read_registry(struct seep_walk *walk, uintptr_t registry);

/* Tables. The nodes of one, how many, and whether they are its own (not the shared dummy). puc_heap_tables.c */
const char *seep_puc_nodes(struct seep_walk *walk, const char *table, uint32_t *count);
uint32_t seep_puc_array_slots(const struct seep_puc_heap *layout, const char *table);
/* The array part of a table of that many slots, or NULL when it is not there, and a value in it. What it weighs. */
const char *seep_puc_array(struct seep_walk *walk, const char *table, uint32_t slots);
struct seep_puc_value {
  uint64_t value;
  uint8_t tag;
};
struct seep_puc_value seep_puc_array_value(const struct seep_puc_heap *layout, const char *array, uint32_t slots,
                                           uint32_t at);
void seep_puc_read_table(struct seep_walk *walk, uintptr_t address, const char *table, uint8_t flags);

/* Threads and prototypes. puc_heap_code.c */
void seep_puc_read_thread(struct seep_walk *walk, uintptr_t address, const char *thread);
void seep_puc_read_proto(struct seep_walk *walk, uintptr_t address, const char *proto);
/* What variables of a call that has ended held (state->remains, of this state); after all prototypes. */
void seep_puc_begin_remains(struct seep_walk *walk);
void seep_puc_read_remains(struct seep_walk *walk);
/* seep_heap_vm.read of all PUC versions. puc_heap.c */
enum seep_status seep_puc_heap_read(struct seep_image *image, const struct seep_heap_state *state,
                                    struct seep_object_sink *sink, struct seep_heap_found *out,
                                    struct seep_error *error);
/* An upvalue that no list of objects has (open ones of 5.1 and 5.2, all of 5.3), once. puc_heap.c */
void seep_puc_read_upvalue(struct seep_walk *walk, uintptr_t address);

#endif
