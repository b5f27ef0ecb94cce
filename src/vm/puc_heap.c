/* The heap of PUC Lua: which words make a state, its lists of objects, and the objects that need no file of their
 * own. See puc_heap.h and objects.h. */
#include "vm/puc_heap.h"

/* -- Small objects -------------------------------------------------------------------- */

/* lstring.c luaS_sizelngstr of 5.5: the text of a long string follows, or it is somebody else's. */
static uint64_t string_bytes(const struct seep_puc_heap *layout, const char *string, uint64_t length) {
  enum { WITH_CONTENTS = 32, WITH_FREE = 48, FIXED = -2, FREED = -3 };
  if (layout->ts_contents == 0 || !seep_puc_is_long(string)) return layout->ts_size + length + 1;
  switch ((int8_t)seep_at_u8(string, layout->ts_short_length)) {
    case FIXED: return WITH_CONTENTS;
    case FREED: return WITH_FREE;
    default: return WITH_CONTENTS + length + 1;
  }
}

static void read_string(struct seep_walk *walk, uintptr_t address, const char *string) {
  const struct seep_puc_heap *layout = walk->layout;
  size_t length;
  const char *text = seep_puc_string(walk, address, &length);
  if (text == NULL) seep_walk_damage(walk, "a string's text");
  uint64_t bytes = string_bytes(layout, string, length);
  if (!seep_walk_claim(walk, bytes)) return;
  uint32_t content = text == NULL ? 0 : walk->sink->string(walk->sink, text, length);
  uint32_t number = seep_walk_object(walk, address, SEEP_NODE_STRING, bytes, content, 0);
  if (layout->fixed_bit != 0 && (seep_at_u8(string, SEEP_PUC_O_MARKED) & layout->fixed_bit) != 0) {
    walk->sink->edge(walk->sink, SEEP_ROOT_NUMBER, address, SEEP_EDGE_OTHER, seep_walk_text(walk, "fixed string"));
  }
  (void)number;
}

/* The value of an upvalue: in itself when it is closed, else in a stack. */
static void read_upvalue_value(struct seep_walk *walk, uint32_t number, const char *upvalue) {
  const struct seep_puc_heap *layout = walk->layout;
  uintptr_t at = seep_at_pointer(upvalue, layout->uv_v);
  const char *slot = seep_walk_view(walk, at, SEEP_PUC_SLOT_BYTES, "an upvalue's value");
  if (slot == NULL) return;
  seep_walk_edge(walk, number, seep_puc_object_in(layout, slot), SEEP_EDGE_UPVALUE_VALUE, 0);
}

static void read_upvalue(struct seep_walk *walk, uintptr_t address, const char *upvalue) {
  const struct seep_puc_heap *layout = walk->layout;
  if (!seep_walk_claim(walk, layout->upval_bytes)) return;
  uint32_t number = seep_walk_object(walk, address, SEEP_NODE_UPVALUE, layout->upval_bytes, 0, 0);
  read_upvalue_value(walk, number, upvalue);
}

/* 5.3 counts references to its upvalues, so those with one reference are met once. */
void seep_puc_read_upvalue(struct seep_walk *walk, uintptr_t address) {
  const struct seep_puc_heap *layout = walk->layout;
  const char *upvalue = seep_walk_view(walk, address, layout->upval_bytes, "an upvalue");
  if (upvalue == NULL) return;
  if (layout->uv_refcount != 0) {
    bool is_closed = seep_at_pointer(upvalue, layout->uv_v) == address + layout->uv_value;
    if (!is_closed || seep_at_pointer(upvalue, layout->uv_refcount) != 1) {
      if (seep_map_get(&walk->seen_upvalues, address, 0) != 0) return;
      if (!seep_map_put(&walk->seen_upvalues, address, 0, 1)) return;
    }
  }
  read_upvalue(walk, address, upvalue);
}

/* -- Functions ------------------------------------------------------------------------ */

static bool is_c_function(const struct seep_puc_heap *layout, const char *closure) {
  if (layout->cl_isC != 0) return seep_at_u8(closure, layout->cl_isC) != 0;
  return (seep_at_u8(closure, SEEP_PUC_O_TT) & 0x30) != 0; /* LUA_TCCL: variant 2 */
}

static void read_c_function(struct seep_walk *walk, uintptr_t address, uint32_t count) {
  const struct seep_puc_heap *layout = walk->layout;
  uint64_t bytes = layout->cl_upvalues + (uint64_t)count * SEEP_PUC_SLOT_BYTES;
  const char *closure = seep_walk_view(walk, address, bytes, "a function's upvalues");
  if (closure == NULL || !seep_walk_claim(walk, bytes)) return;
  uint32_t number = seep_walk_object(walk, address, SEEP_NODE_C_FUNCTION, bytes, 0, 0);
  if (layout->cl_env != 0) {
    seep_walk_edge(walk, number, seep_at_pointer(closure, layout->cl_env), SEEP_EDGE_ENVIRONMENT, 0);
  }
  for (uint32_t i = 0; i < count; i++) {
    const char *slot = closure + layout->cl_upvalues + (size_t)i * SEEP_PUC_SLOT_BYTES;
    seep_walk_edge(walk, number, seep_puc_object_in(layout, slot), SEEP_EDGE_UPVALUE_INDEX, i + 1);
  }
}

/* The descriptions of a prototype's upvalues, for their names: Upvaldesc, or on 5.1 the names themselves. */
static const char *upvalue_names(struct seep_walk *walk, uintptr_t proto, uint32_t *count) {
  const struct seep_puc_heap *layout = walk->layout;
  const char *bytes = seep_image_view(walk->image, proto, layout->proto_bytes);
  *count = 0;
  if (bytes == NULL || seep_at_u8(bytes, SEEP_PUC_O_TT) != layout->tag_proto) return NULL;
  uint32_t names = seep_at_u32(bytes, layout->p_sizeupvalues);
  if (names > UINT8_MAX) return NULL;
  const char *items = seep_image_view(walk->image, seep_at_pointer(bytes, layout->p_upvalues),
                                      (size_t)names * layout->upvaldesc_bytes);
  if (items != NULL) *count = names;
  return items;
}

static void read_lua_function(struct seep_walk *walk, uintptr_t address, uint32_t count) {
  const struct seep_puc_heap *layout = walk->layout;
  uint64_t bytes = layout->cl_upvalues + (uint64_t)count * sizeof(uintptr_t);
  const char *closure = seep_walk_view(walk, address, bytes, "a function's upvalues");
  if (closure == NULL || !seep_walk_claim(walk, bytes)) return;
  uintptr_t proto = seep_at_pointer(closure, layout->cl_proto);
  uint32_t number = seep_walk_object(walk, address, SEEP_NODE_LUA_FUNCTION, bytes, seep_puc_place(walk, proto), 0);
  seep_walk_edge(walk, number, proto, SEEP_EDGE_PROTO, 0);
  if (layout->cl_env != 0) {
    seep_walk_edge(walk, number, seep_at_pointer(closure, layout->cl_env), SEEP_EDGE_ENVIRONMENT, 0);
  }
  uint32_t name_count = 0;
  const char *names = count == 0 ? NULL : upvalue_names(walk, proto, &name_count);
  for (uint32_t i = 0; i < count; i++) {
    uintptr_t upvalue = seep_at_pointer(closure, layout->cl_upvalues + (size_t)i * sizeof(uintptr_t));
    uint32_t name =
        i < name_count ? seep_puc_name(walk, seep_at_pointer(names, (size_t)i * layout->upvaldesc_bytes)) : 0;
    seep_walk_edge(walk, number, upvalue, name != 0 ? SEEP_EDGE_UPVALUE : SEEP_EDGE_UPVALUE_INDEX,
                   name != 0 ? name : i + 1);
    if (layout->version == 53 && upvalue != 0) seep_puc_read_upvalue(walk, upvalue);
  }
}

/* -- Userdata ------------------------------------------------------------------------- */

/* lobject.h sizeudata of each version. 5.4 puts the block behind the user values, whose header is longer. */
static uint64_t userdata_bytes(const struct seep_puc_heap *layout, const char *userdata, uint32_t *values) {
  enum { HEADER_WITHOUT_VALUES = 32 };
  uint64_t length = seep_at_pointer(userdata, layout->u_length);
  *values = layout->u_value_count != 0 ? seep_at_u16(userdata, layout->u_value_count) : 0;
  if (layout->u_value_count == 0) return layout->udata_bytes + length;
  if (*values == 0) return HEADER_WITHOUT_VALUES + length;
  return layout->udata_bytes + (uint64_t)*values * SEEP_PUC_SLOT_BYTES + length;
}

static void read_user_values(struct seep_walk *walk, uint32_t number, uintptr_t address, uint32_t values) {
  const struct seep_puc_heap *layout = walk->layout;
  const char *slots = seep_walk_view(walk, address + layout->u_value, (size_t)values * SEEP_PUC_SLOT_BYTES,
                                     "user values");
  for (uint32_t i = 0; slots != NULL && i < values; i++) {
    uintptr_t object = seep_puc_object_in(layout, slots + (size_t)i * SEEP_PUC_SLOT_BYTES);
    seep_walk_edge(walk, number, object, SEEP_EDGE_USER_VALUE, i + 1);
  }
}

static void read_userdata(struct seep_walk *walk, uintptr_t address, const char *userdata, uint8_t flags) {
  const struct seep_puc_heap *layout = walk->layout;
  uint32_t values, type_name = 0;
  uint64_t bytes = userdata_bytes(layout, userdata, &values);
  if (!seep_walk_claim(walk, bytes)) return;
  uintptr_t metatable = seep_at_pointer(userdata, layout->u_metatable);
  if (metatable != 0) {
    const struct seep_meta_facts *facts = seep_puc_meta(walk, metatable);
    type_name = facts->type_name;
    /* 5.1: lgc.c luaC_separateudata. Later such objects are in a list of their own. */
    bool finalized = (seep_at_u8(userdata, SEEP_PUC_O_MARKED) & layout->finalized_bit) != 0;
    if (layout->version == 51 && facts->has_finalizer && !finalized) flags |= SEEP_NODE_FINALIZER;
  }
  uint32_t number = seep_walk_object(walk, address, SEEP_NODE_USERDATA, bytes, type_name, flags);
  seep_walk_edge(walk, number, metatable, SEEP_EDGE_METATABLE, 0);
  if (layout->u_value_count != 0) {
    read_user_values(walk, number, address, values);
  } else if (layout->u_value_tag != 0) { /* 5.3: value and tag apart */
    uintptr_t value = seep_at_pointer(userdata, layout->u_value);
    bool is_object = seep_puc_is_object(layout, seep_at_u8(userdata, layout->u_value_tag));
    seep_walk_edge(walk, number, is_object ? value : 0, SEEP_EDGE_USER_VALUE, 1);
  } else {
    uint8_t kind = layout->version == 52 ? SEEP_EDGE_USER_VALUE : SEEP_EDGE_ENVIRONMENT;
    seep_walk_edge(walk, number, seep_at_pointer(userdata, layout->u_env), kind, kind == SEEP_EDGE_USER_VALUE);
  }
}

/* -- Lists of objects ------------------------------------------------------------------- */

/* The header that an object of that type is viewed with; 0: no such type. */
static size_t header_bytes(const struct seep_puc_heap *layout, uint8_t tag) {
  if (tag == layout->tag_proto) return layout->proto_bytes;
  if (tag == layout->tag_upvalue) return layout->upval_bytes;
  switch (seep_puc_type(tag)) {
    case SEEP_PUC_STRING: return layout->ts_size;
    case SEEP_PUC_TABLE: return layout->table_bytes;
    case SEEP_PUC_FUNCTION: return layout->cl_upvalues;
    case SEEP_PUC_USERDATA: return layout->u_value_count != 0 ? 32 : layout->udata_bytes;
    case SEEP_PUC_THREAD_TYPE: return (size_t)(layout->thread_bytes - layout->thread_before);
    default: return 0;
  }
}

static void read_object(struct seep_walk *walk, uintptr_t address, const char *object, uint8_t tag, uint8_t flags) {
  const struct seep_puc_heap *layout = walk->layout;
  if (tag == layout->tag_proto) {
    seep_puc_read_proto(walk, address, object);
  } else if (tag == layout->tag_upvalue) {
    read_upvalue(walk, address, object);
  } else if (seep_puc_type(tag) == SEEP_PUC_STRING) {
    read_string(walk, address, object);
  } else if (seep_puc_type(tag) == SEEP_PUC_TABLE) {
    seep_puc_read_table(walk, address, object, flags);
  } else if (seep_puc_type(tag) == SEEP_PUC_USERDATA) {
    read_userdata(walk, address, object, flags);
  } else if (seep_puc_type(tag) == SEEP_PUC_THREAD_TYPE) {
    seep_puc_read_thread(walk, address, object);
  } else if (is_c_function(layout, object)) {
    read_c_function(walk, address, seep_at_u8(object, layout->cl_nupvalues));
  } else {
    read_lua_function(walk, address, seep_at_u8(object, layout->cl_nupvalues));
  }
}

/* `root_kind`: an edge from the root to each object of the list, or ROOT (0) for none. `stop`: 0, or where the
 * list is closed to a ring. */
struct list {
  uintptr_t head, stop;
  uint8_t flags, root_kind;
  uint32_t root_name;
};

static void read_list(struct seep_walk *walk, const struct list *list) {
  const struct seep_puc_heap *layout = walk->layout;
  struct seep_list_guard guard = {0};
  uintptr_t at = list->head;
  while (at != 0) {
    const char *object = seep_walk_view(walk, at, 16, "a list of objects");
    if (object == NULL) return;
    uint8_t tag = seep_at_u8(object, SEEP_PUC_O_TT);
    size_t header = header_bytes(layout, tag);
    object = header == 0 ? NULL : seep_image_view(walk->image, at, header);
    if (object == NULL || !seep_list_goes_on(&guard, at)) {
      seep_walk_damage(walk, "an object of no known type");
      return;
    }
    uintptr_t next = seep_at_pointer(object, SEEP_PUC_O_NEXT);
    seep_image_prefetch(walk->image, next);
    if (list->root_kind != 0) seep_walk_edge(walk, SEEP_ROOT_NUMBER, at, list->root_kind, list->root_name);
    /* The main thread is in its list on 5.1 alone; there, too, it is read apart. */
    if (at != walk->state->main_thread) read_object(walk, at, object, tag, list->flags);
    if (walk->budget_bytes == 0 || (list->stop != 0 && next == list->stop)) return;
    at = next;
  }
}

/* (The head of the list is in the global state, and looks like an object's first word.) */
static bool is_object(struct seep_walk *walk, uintptr_t address) {
  const struct seep_puc_heap *layout = walk->layout;
  if (address - walk->state->global < seep_puc_global_bytes(layout)) return false;
  const char *object = seep_image_view(walk->image, address, 16);
  size_t header = object == NULL ? 0 : header_bytes(layout, seep_at_u8(object, SEEP_PUC_O_TT));
  return header != 0 && seep_image_view(walk->image, address, header) != NULL;
}

static void read_string_table(struct seep_walk *walk, const char *global) {
  const struct seep_puc_heap *layout = walk->layout;
  uint32_t slots = seep_at_u32(global, layout->g_string_slots);
  uint64_t bytes = (uint64_t)slots * sizeof(uintptr_t);
  seep_walk_ledger(walk, "string table", bytes);
  if (!layout->strings_in_table) return;
  const char *heads = seep_walk_view(walk, seep_at_pointer(global, layout->g_strings), bytes, "the string table");
  for (uint32_t i = 0; heads != NULL && i < slots; i++) {
    if (i + SEEP_STRINGS_AHEAD < slots) {
      seep_image_prefetch(walk->image, seep_at_pointer(heads, (size_t)(i + SEEP_STRINGS_AHEAD) * sizeof(uintptr_t)));
    }
    struct list chain = {.head = seep_at_pointer(heads, (size_t)i * sizeof(uintptr_t))};
    if (chain.head != 0) read_list(walk, &chain);
  }
}

/* 5.1 keeps what is to be finalized in a ring whose last object is known (lgc.c luaC_separateudata). */
static void read_pending(struct seep_walk *walk, uintptr_t head) {
  const struct seep_puc_heap *layout = walk->layout;
  struct list list = {.head = head, .root_kind = SEEP_EDGE_FINALIZER};
  if (layout->version == 51 && head != 0) {
    const char *last = seep_walk_view(walk, head, 16, "the list of userdata to finalize");
    if (last == NULL) return;
    list.head = list.stop = seep_at_pointer(last, SEEP_PUC_O_NEXT);
  }
  read_list(walk, &list);
}

/* -- Roots ---------------------------------------------------------------------------- */

static void read_type_metatables(struct seep_walk *walk, const char *global) {
  static const char *const types[SEEP_PUC_TYPES] = {
      "nil", "boolean", "light userdata", "number", "string", "table", "function", "userdata", "thread"};
  const struct seep_puc_heap *layout = walk->layout;
  for (uint32_t i = 0; i < SEEP_PUC_TYPES; i++) {
    uintptr_t metatable = seep_at_pointer(global, layout->g_mt + i * sizeof(uintptr_t));
    if (metatable == 0) continue;
    seep_walk_edge(walk, SEEP_ROOT_NUMBER, metatable, SEEP_EDGE_TYPE_METATABLE, seep_walk_text(walk, types[i]));
  }
}

static void read_roots(struct seep_walk *walk, const char *thread, const char *global) {
  const struct seep_puc_heap *layout = walk->layout;
  const struct seep_heap_state *state = walk->state;
  seep_puc_read_thread(walk, state->main_thread, thread);
  seep_walk_edge(walk, SEEP_ROOT_NUMBER, state->main_thread, SEEP_EDGE_MAIN_THREAD, 0);
  if (state->running != 0 && state->running != state->main_thread) {
    seep_walk_edge(walk, SEEP_ROOT_NUMBER, state->running, SEEP_EDGE_OTHER, seep_walk_text(walk, "running thread"));
  }
  uintptr_t registry = seep_puc_object_in(layout, global + layout->g_registry);
  seep_walk_edge(walk, SEEP_ROOT_NUMBER, registry, SEEP_EDGE_REGISTRY, 0);
  if (layout->L_gt != 0) walk->found->globals = seep_puc_object_in(layout, thread + layout->L_gt);
  seep_walk_edge(walk, SEEP_ROOT_NUMBER, walk->found->globals, SEEP_EDGE_GLOBALS, 0);
  read_type_metatables(walk, global);
}

/* The bytes of a thread in the state's block count for it; the rest of the block is the global state. */
static void read_ledger(struct seep_walk *walk, const char *global) {
  const struct seep_puc_heap *layout = walk->layout;
  seep_walk_ledger(walk, "global state", (uint64_t)(layout->state_bytes - layout->thread_bytes));
  if (layout->g_buffer_bytes != 0) {
    seep_walk_ledger(walk, "buffer for strings", seep_at_pointer(global, layout->g_buffer_bytes));
  }
}

enum seep_status seep_puc_heap_read(struct seep_image *image, const struct seep_heap_state *state,
                                    struct seep_object_sink *sink, struct seep_heap_found *out,
                                    struct seep_error *error) {
  const struct seep_puc_heap *layout = state->vm->layout;
  const char *global = seep_image_view(image, state->global, seep_puc_global_bytes(layout));
  const char *thread = seep_image_view(image, state->main_thread, layout->thread_bytes - layout->thread_before);
  if (global == NULL || thread == NULL || !state->vm->fits(image, state)) {
    return seep_error_set(error, SEEP_E_FORMAT, "the Lua state at %#zx has gone", (size_t)state->main_thread);
  }
  struct seep_walk *walk = seep_walk_open(image, state, sink, out);
  if (walk == NULL) return seep_error_set(error, SEEP_E_MEMORY, "no memory to read a heap");
  out->state_bytes = seep_at_pointer(global, layout->g_total);
  if (layout->g_debt != 0) out->state_bytes += seep_puc_debt(layout, global);
  walk->mode_name = seep_at_pointer(global, layout->g_tmname + SEEP_PUC_TM_MODE * sizeof(uintptr_t));
  walk->gc_name = seep_at_pointer(global, layout->g_tmname + SEEP_PUC_TM_GC * sizeof(uintptr_t));
  uintptr_t registry = seep_puc_object_in(layout, global + layout->g_registry);
  seep_puc_read_registry(walk, registry);
  seep_puc_begin_remains(walk);
  read_roots(walk, thread, global);
  uintptr_t head = seep_at_pointer(global, layout->g_objects);
  if (layout->version < 54) head = seep_walk_unlinked(walk, head, (size_t)layout->thread_before, is_object);
  read_list(walk, &(struct list){.head = head});
  if (layout->g_finobj != 0) {
    read_list(walk, &(struct list){.head = seep_at_pointer(global, layout->g_finobj), .flags = SEEP_NODE_FINALIZER});
  }
  read_pending(walk, seep_at_pointer(global, layout->g_tobefnz));
  if (layout->g_fixedgc != 0) {
    struct list fixed = {.head = seep_at_pointer(global, layout->g_fixedgc), .root_kind = SEEP_EDGE_OTHER,
                         .root_name = seep_walk_text(walk, "fixed string")};
    read_list(walk, &fixed);
  }
  read_string_table(walk, global);
  read_ledger(walk, global);
  seep_puc_read_remains(walk);
  seep_walk_close(walk);
  return SEEP_OK;
}
