/* The heap of LuaJIT 2.1: its lists of objects, tables, functions, userdata and cdata. See luajit_heap.h and
 * objects.h. */
#include "vm/luajit_heap.h"

/* -- Names ---------------------------------------------------------------------------- */

const char *seep_lj_string(struct seep_walk *walk, uintptr_t address, size_t *size_bytes) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  const char *string = seep_image_view(walk->image, address, refs->str_bytes);
  *size_bytes = 0;
  if (string == NULL || seep_at_u8(string, refs->o_type) != LJ_STR) return NULL;
  size_t length = seep_at_u32(string, refs->str_length);
  const char *text = seep_image_view(walk->image, address + refs->str_bytes, length + 1);
  if (text != NULL) *size_bytes = length;
  return text;
}

uint32_t seep_lj_name(struct seep_walk *walk, uintptr_t string) {
  if (string == 0) return 0;
  struct seep_cached_number *slot = &walk->names[seep_cache_slot(string, SEEP_NAME_CACHE)];
  if (slot->address == string) return slot->number;
  size_t size;
  const char *text = seep_lj_string(walk, string, &size);
  uint32_t number = text == NULL ? 0 : walk->sink->name(walk->sink, text, size);
  *slot = (struct seep_cached_number){.address = string, .number = number};
  return number;
}

const char *seep_lj_view_proto(struct seep_walk *walk, uintptr_t address) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  const char *proto = seep_image_view(walk->image, address, refs->proto_bytes);
  return proto == NULL || seep_at_u8(proto, refs->o_type) != LJ_PROTO ? NULL : proto;
}

uint32_t seep_lj_place(struct seep_walk *walk, uintptr_t proto) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  struct seep_cached_number *slot = &walk->places[seep_cache_slot(proto, SEEP_PLACE_CACHE)];
  if (slot->address == proto) return slot->number;
  const char *bytes = seep_lj_view_proto(walk, proto);
  if (bytes == NULL) return 0;
  uint32_t line = seep_at_u32(bytes, refs->proto_firstline);
  struct seep_graph_place place = {.line = line == UINT32_MAX ? 0 : line, /* a builtin in bytecode */
                                   .source = seep_lj_name(walk, seep_lj_ref(refs, bytes, refs->proto_chunkname))};
  uint32_t number = walk->sink->place(walk->sink, &place);
  *slot = (struct seep_cached_number){.address = proto, .number = number};
  return number;
}

/* -- Tables --------------------------------------------------------------------------- */

/* The nodes of a table; none when its hash part is the shared empty one (lj_tab.c: hmask 0). */
static const char *view_nodes(struct seep_walk *walk, const char *table, uint32_t *count) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  uint32_t mask = seep_at_u32(table, refs->tab_hmask);
  *count = 0;
  if (mask == 0) return NULL;
  if ((mask & (mask + 1)) != 0 || mask > 1u << 30) {
    seep_walk_damage(walk, "a table's size");
    return NULL;
  }
  const char *nodes = seep_walk_view(walk, seep_lj_ref(refs, table, refs->tab_node), ((size_t)mask + 1) * LJ_NODE_BYTES,
                                     "a table's nodes");
  if (nodes != NULL) *count = mask + 1;
  return nodes;
}

/* lj_gc.c gc_traverse_tab: a 'k' and a 'v' in the string __mode. */
static void take_meta_node(struct seep_walk *walk, uint8_t absent, const char *node, struct seep_meta_facts *facts) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  uint64_t key = seep_at_pointer(node, LJ_NODE_KEY), value = seep_at_pointer(node, 0);
  if (seep_lj_type(refs, key) != LJ_STR || seep_lj_is_nil(refs, value)) return;
  uintptr_t name = seep_lj_pointer(refs, key);
  size_t size;
  const char *text;
  if (name == walk->mode_name) {
    if (absent >> LJ_MM_MODE & 1 || seep_lj_type(refs, value) != LJ_STR) return;
    text = seep_lj_string(walk, seep_lj_pointer(refs, value), &size);
    if (text == NULL) return;
    size = strnlen(text, size);
    facts->weak_keys = memchr(text, 'k', size) != NULL;
    facts->weak_values = memchr(text, 'v', size) != NULL;
  } else if (name == walk->gc_name) {
    facts->has_finalizer = (absent >> LJ_MM_GC & 1) == 0;
  }
}

static const struct seep_meta_facts *meta(struct seep_walk *walk, uintptr_t metatable) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  enum { NODES_MAX = 65536 };
  struct seep_meta_facts *facts = &walk->metas[seep_cache_slot(metatable, SEEP_META_CACHE)];
  if (facts->metatable == metatable) return facts;
  *facts = (struct seep_meta_facts){.metatable = metatable};
  const char *table = seep_image_view(walk->image, metatable, refs->tab_bytes);
  if (table == NULL || seep_at_u8(table, refs->o_type) != LJ_TAB) return facts;
  facts->type_name = seep_map_get(&walk->type_names, metatable, 0);
  uint32_t count;
  const char *nodes = view_nodes(walk, table, &count);
  uint8_t absent = seep_at_u8(table, refs->tab_nomm);
  for (uint32_t i = 0; i < count && i < NODES_MAX; i++) {
    take_meta_node(walk, absent, nodes + (size_t)i * LJ_NODE_BYTES, facts);
  }
  return facts;
}

static void take_plain_key(struct seep_walk *walk, uint64_t key, struct seep_table_entry *entry) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  switch (seep_lj_type(refs, key)) {
    case 1: seep_walk_text_key(walk, "false", entry); break;
    case 2: seep_walk_text_key(walk, "true", entry); break;
    case 3: seep_walk_pointer_key(walk, "userdata", key & ((1ULL << 47) - 1), entry); break;
    default: {
      double number;
      memcpy(&number, &key, sizeof number);
      seep_walk_number_key(walk, number, entry);
    }
  }
}

static void take_value(const struct seep_luajit_refs *refs, uint64_t value, struct seep_table_entry *entry) {
  entry->value = seep_lj_object(refs, value);
  entry->value_is_string = seep_lj_type(refs, value) == LJ_STR;
}

static uint32_t read_nodes(struct seep_walk *walk, uint32_t number, struct seep_weakness weakness, const char *nodes,
                           uint32_t count) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  uint32_t used = 0;
  for (uint32_t i = 0; i < count; i++) {
    const char *node = nodes + (size_t)i * LJ_NODE_BYTES;
    uint64_t value = seep_at_pointer(node, 0), key = seep_at_pointer(node, LJ_NODE_KEY);
    if (seep_lj_is_nil(refs, value)) continue;
    struct seep_table_entry entry = {.key = seep_lj_object(refs, key),
                                     .key_is_string = seep_lj_type(refs, key) == LJ_STR};
    take_value(refs, value, &entry);
    if (entry.key == 0 && entry.value == 0) continue;
    if (entry.key == 0) take_plain_key(walk, key, &entry);
    seep_walk_entry(walk, number, weakness, &entry);
    used++;
  }
  return used;
}

static void read_array(struct seep_walk *walk, uint32_t number, struct seep_weakness weakness, const char *slots,
                       uint32_t count) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  for (uint32_t i = 0; i < count; i++) {
    struct seep_table_entry entry = {.kind = SEEP_EDGE_INDEX, .name = i};
    take_value(refs, seep_at_pointer(slots, (size_t)i * LJ_SLOT_BYTES), &entry);
    if (entry.value != 0) seep_walk_entry(walk, number, weakness, &entry);
  }
}

static uint32_t count_used(const struct seep_luajit_refs *refs, const char *slots, uint32_t count, size_t slot_bytes) {
  uint32_t used = 0;
  for (uint32_t i = 0; i < count; i++) used += !seep_lj_is_nil(refs, seep_at_pointer(slots, (size_t)i * slot_bytes));
  return used;
}

/* lj_tab.c lj_tab_free: the array is in the table's own block (colo > 0), or was and is not any more (colo < 0: the
 * room for it is still there), or never was. */
static uint64_t table_bytes(const struct seep_luajit_refs *refs, const char *table, uint32_t slots, uint32_t nodes) {
  int8_t colocated = (int8_t)seep_at_u8(table, refs->tab_colo);
  uint64_t bytes = refs->tab_bytes + (uint64_t)(colocated & 0x7f) * LJ_SLOT_BYTES + (uint64_t)nodes * LJ_NODE_BYTES;
  return colocated > 0 ? bytes : bytes + (uint64_t)slots * LJ_SLOT_BYTES;
}

static void read_table(struct seep_walk *walk, uintptr_t address, const char *table) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  uint32_t slots = seep_at_u32(table, refs->tab_asize), node_count;
  const char *array = NULL;
  if (slots != 0) {
    array = seep_walk_view(walk, seep_lj_ref(refs, table, refs->tab_array), (size_t)slots * LJ_SLOT_BYTES,
                           "a table's array");
  }
  if (array == NULL) slots = 0;
  const char *nodes = view_nodes(walk, table, &node_count);
  uint64_t bytes = table_bytes(refs, table, slots, node_count);
  if (!seep_walk_claim(walk, bytes)) return;
  struct seep_graph_shape shape = {.array_capacity = slots, .array_used = count_used(refs, array, slots, LJ_SLOT_BYTES),
                                   .hash_capacity = node_count,
                                   .hash_used = count_used(refs, nodes, node_count, LJ_NODE_BYTES)};
  shape.slack_bytes = (uint64_t)(slots - shape.array_used) * LJ_SLOT_BYTES +
                      (uint64_t)(node_count - shape.hash_used) * LJ_NODE_BYTES;
  uintptr_t metatable = seep_lj_ref(refs, table, refs->tab_metatable);
  struct seep_weakness weakness = {0};
  if (metatable != 0) {
    const struct seep_meta_facts *facts = meta(walk, metatable);
    weakness = (struct seep_weakness){.keys = facts->weak_keys, .values = facts->weak_values};
  }
  uint8_t flags = weakness.keys || weakness.values ? SEEP_NODE_WEAK_TABLE : 0;
  uint32_t number =
      seep_walk_object(walk, address, SEEP_NODE_TABLE, bytes, walk->sink->shape(walk->sink, &shape), flags);
  uint64_t array_bytes = (int8_t)seep_at_u8(table, refs->tab_colo) > 0 ? 0 : (uint64_t)slots * LJ_SLOT_BYTES;
  seep_walk_part(walk, number, seep_lj_ref(refs, table, refs->tab_array), array_bytes);
  seep_walk_part(walk, number, seep_lj_ref(refs, table, refs->tab_node), (uint64_t)node_count * LJ_NODE_BYTES);
  seep_walk_edge(walk, number, metatable, SEEP_EDGE_METATABLE, 0);
  read_array(walk, number, weakness, array, slots);
  read_nodes(walk, number, weakness, nodes, node_count);
}

/* -- Strings, functions, upvalues -------------------------------------------------------- */

/* lj_str.h lj_str_size, lj_obj.h sizestring: with its NUL, and since 2020 a round number. */
static void read_string(struct seep_walk *walk, uintptr_t address, const char *string) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  size_t length;
  const char *text = seep_lj_string(walk, address, &length);
  if (text == NULL) seep_walk_damage(walk, "a string's text");
  uint64_t bytes = refs->str_bytes + ((uint64_t)length + refs->str_unit) / refs->str_unit * refs->str_unit;
  if (!seep_walk_claim(walk, bytes)) return;
  uint32_t content = text == NULL ? 0 : walk->sink->string(walk->sink, text, length);
  seep_walk_object(walk, address, SEEP_NODE_STRING, bytes, content, 0);
  if (seep_at_u8(string, refs->o_marked) & LJ_FIXED) {
    walk->sink->edge(walk->sink, SEEP_ROOT_NUMBER, address, SEEP_EDGE_OTHER, seep_walk_text(walk, "fixed string"));
  }
}

static void read_upvalue(struct seep_walk *walk, uintptr_t address, const char *upvalue) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  if (!seep_walk_claim(walk, refs->upval_bytes)) return;
  uint32_t number = seep_walk_object(walk, address, SEEP_NODE_UPVALUE, refs->upval_bytes, 0, 0);
  const char *slot = seep_walk_view(walk, seep_lj_ref(refs, upvalue, refs->upval_v), 8, "an upvalue's value");
  if (slot == NULL) return;
  seep_walk_edge(walk, number, seep_lj_object(refs, seep_at_pointer(slot, 0)), SEEP_EDGE_UPVALUE_VALUE, 0);
}

void seep_lj_read_open_upvalue(struct seep_walk *walk, uintptr_t address) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  const char *upvalue = seep_walk_view(walk, address, refs->upval_bytes, "an open upvalue");
  if (upvalue != NULL) read_upvalue(walk, address, upvalue);
}

static void read_c_function(struct seep_walk *walk, uintptr_t address, uint32_t count) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  uint64_t bytes = refs->func_c_upvalues + (uint64_t)count * LJ_SLOT_BYTES;
  const char *function = seep_walk_view(walk, address, bytes, "a function's upvalues");
  if (function == NULL || !seep_walk_claim(walk, bytes)) return;
  uint32_t number = seep_walk_object(walk, address, SEEP_NODE_C_FUNCTION, bytes, 0, 0);
  seep_walk_edge(walk, number, seep_lj_ref(refs, function, refs->func_env), SEEP_EDGE_ENVIRONMENT, 0);
  for (uint32_t i = 0; i < count; i++) {
    uint64_t value = seep_at_pointer(function, refs->func_c_upvalues + (size_t)i * LJ_SLOT_BYTES);
    seep_walk_edge(walk, number, seep_lj_object(refs, value), SEEP_EDGE_UPVALUE_INDEX, i + 1);
  }
}

/* lj_debug.c lj_debug_uvname: names one behind the other, each with its NUL. Returns the text of the next one and
 * moves *at behind it; NULL where they end. */
static const char *next_upvalue_name(struct seep_walk *walk, uintptr_t *at, size_t *size_bytes) {
  enum { NAME_MAX_BYTES = 256 };
  if (*at == 0) return NULL;
  for (size_t room = NAME_MAX_BYTES; room > 0; room /= 2) {
    const char *text = seep_image_view(walk->image, *at, room);
    const char *end = text == NULL ? NULL : memchr(text, '\0', room);
    if (end == NULL) continue;
    *size_bytes = (size_t)(end - text);
    *at += *size_bytes + 1;
    return text;
  }
  *at = 0;
  return NULL;
}

static void read_lua_function(struct seep_walk *walk, uintptr_t address, uint32_t count) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  uint64_t bytes = refs->func_l_upvalues + (uint64_t)count * refs->bytes;
  const char *function = seep_walk_view(walk, address, bytes, "a function's upvalues");
  if (function == NULL || !seep_walk_claim(walk, bytes)) return;
  uintptr_t proto = seep_lj_ref(refs, function, refs->func_pc) - refs->proto_bytes;
  uint32_t number = seep_walk_object(walk, address, SEEP_NODE_LUA_FUNCTION, bytes, seep_lj_place(walk, proto), 0);
  seep_walk_edge(walk, number, proto, SEEP_EDGE_PROTO, 0);
  seep_walk_edge(walk, number, seep_lj_ref(refs, function, refs->func_env), SEEP_EDGE_ENVIRONMENT, 0);
  const char *header = count == 0 ? NULL : seep_lj_view_proto(walk, proto);
  uintptr_t names = header == NULL ? 0 : seep_lj_ref(refs, header, refs->proto_uvinfo);
  for (uint32_t i = 0; i < count; i++) {
    size_t size;
    const char *text = next_upvalue_name(walk, &names, &size);
    uint32_t name = text == NULL || size == 0 ? 0 : walk->sink->name(walk->sink, text, size);
    seep_walk_edge(walk, number, seep_lj_ref(refs, function, refs->func_l_upvalues + (size_t)i * refs->bytes),
                   name != 0 ? SEEP_EDGE_UPVALUE : SEEP_EDGE_UPVALUE_INDEX, name != 0 ? name : i + 1);
  }
}

/* -- Userdata and cdata -------------------------------------------------------------------- */

/* lj_buf.h SBufExt in the userdata of a string buffer: w, e, b, L with flags, the object that it borrows from, r, and
 * one dictionary or two, by release. */
enum { BUFFER_COW = 2, BUFFER_BORROWS = 4 };

static void read_buffer(struct seep_walk *walk, uint32_t number, const char *buffer, uint64_t size_bytes) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  if (size_bytes < refs->sbufext_dict2) return;
  if (seep_at_u32(buffer, refs->sbufext_flags) & BUFFER_COW) {
    seep_walk_edge(walk, number, seep_lj_ref(refs, buffer, refs->sbufext_cowref), SEEP_EDGE_OTHER,
                   seep_walk_text(walk, "buffered text"));
  }
  uint32_t name = seep_walk_text(walk, "dictionary");
  seep_walk_edge(walk, number, seep_lj_ref(refs, buffer, refs->sbufext_dict), SEEP_EDGE_OTHER, name);
  if (size_bytes < refs->sbufext_bytes) return;
  seep_walk_edge(walk, number, seep_lj_ref(refs, buffer, refs->sbufext_dict2), SEEP_EDGE_OTHER, name);
}

/* The bytes of a buffer that are its own, and not borrowed. */
static uint64_t buffer_bytes(const struct seep_luajit_refs *refs, const char *buffer, uint64_t size_bytes) {
  enum { E = 8, B = 16 };
  uintptr_t begin, end;
  if (size_bytes < refs->sbufext_dict2) return 0;
  if ((seep_at_u32(buffer, refs->sbufext_flags) & (BUFFER_COW | BUFFER_BORROWS)) != 0) return 0;
  begin = seep_at_pointer(buffer, B);
  end = seep_at_pointer(buffer, E);
  return end < begin ? 0 : end - begin;
}

static void read_userdata(struct seep_walk *walk, uintptr_t address) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  const char *userdata = seep_walk_view(walk, address, refs->udata_bytes, "userdata");
  if (userdata == NULL) return;
  uint64_t length = seep_at_u32(userdata, refs->udata_length), bytes = refs->udata_bytes + length;
  const char *buffer = NULL;
  if (seep_at_u8(userdata, refs->udata_type) == LJ_UDTYPE_BUFFER && refs->sbufext_bytes != 0) {
    buffer = seep_walk_view(walk, address + refs->udata_bytes, length, "a string buffer");
    if (buffer != NULL) bytes += buffer_bytes(refs, buffer, length);
  }
  if (!seep_walk_claim(walk, bytes)) return;
  uintptr_t metatable = seep_lj_ref(refs, userdata, refs->udata_metatable);
  uint32_t type_name = 0;
  uint8_t flags = 0;
  if (metatable != 0) {
    const struct seep_meta_facts *facts = meta(walk, metatable);
    type_name = facts->type_name;
    bool finalized = (seep_at_u8(userdata, refs->o_marked) & LJ_FINALIZED) != 0;
    if (facts->has_finalizer && !finalized) flags = SEEP_NODE_FINALIZER;
  }
  uint32_t number = seep_walk_object(walk, address, SEEP_NODE_USERDATA, bytes, type_name, flags);
  seep_walk_edge(walk, number, metatable, SEEP_EDGE_METATABLE, 0);
  seep_walk_edge(walk, number, seep_lj_ref(refs, userdata, refs->udata_env), SEEP_EDGE_ENVIRONMENT, 0);
  if (buffer != NULL) read_buffer(walk, number, buffer, length);
}

/* The C type `id`: lj_ctype.h ctype_raw goes through attributes. NULL when there is none. */
static const char *raw_ctype(struct seep_walk *walk, uint32_t id) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  enum { STEPS_MAX = 32, CT_ATTRIB = 8 };
  const struct seep_luajit_heap *layout = walk->layout;
  const char *global = seep_image_view(walk->image, walk->state->global, layout->g_ctype_state + 8);
  const char *state =
      global == NULL ? NULL : seep_image_view(walk->image, seep_lj_ref(refs, global, layout->g_ctype_state), 16);
  for (int i = 0; i < STEPS_MAX && state != NULL && id < seep_at_u32(state, LJ_CTS_TOP); i++) {
    const char *type =
        seep_image_view(walk->image, seep_at_pointer(state, 0) + (uintptr_t)id * refs->ctype_bytes, refs->ctype_bytes);
    if (type == NULL || seep_at_u32(type, 0) >> 28 != CT_ATTRIB) return type;
    id = seep_at_u32(type, 0) & 0xffff;
  }
  return NULL;
}

/* lj_cdata.c lj_cdata_free: the size of the type, or of a pointer for what has none; or, for cdata of variable
 * size, what stands in front of the object. */
static uint64_t cdata_bytes(struct seep_walk *walk, uintptr_t address, const char *cdata, const char *type) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  enum { CT_HASSIZE = 5, POINTER_BYTES = 8 };
  if (seep_at_u8(cdata, refs->o_marked) & LJ_CDATA_VAR) {
    const char *variable = seep_walk_view(walk, address - LJ_CDATAV_BYTES, LJ_CDATAV_BYTES, "a cdata's size");
    return variable == NULL ? refs->cdata_bytes : (uint64_t)seep_at_u16(variable, 2) + seep_at_u32(variable, 4);
  }
  if (type == NULL) {
    seep_walk_damage(walk, "a C type");
    return refs->cdata_bytes;
  }
  bool has_size = seep_at_u32(type, 0) >> 28 <= CT_HASSIZE;
  return refs->cdata_bytes + (has_size ? seep_at_u32(type, LJ_CTYPE_SIZE) : POINTER_BYTES);
}

static void read_cdata(struct seep_walk *walk, uintptr_t address, const char *cdata) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  const char *type = raw_ctype(walk, seep_at_u16(cdata, refs->cdata_id));
  uint64_t bytes = cdata_bytes(walk, address, cdata, type);
  if (!seep_walk_claim(walk, bytes)) return;
  uint32_t name = type == NULL ? 0 : seep_lj_name(walk, seep_lj_ref(refs, type, refs->ctype_name));
  uint8_t flags = seep_at_u8(cdata, refs->o_marked) & LJ_CDATA_FIN ? SEEP_NODE_FINALIZER : 0;
  seep_walk_object(walk, address, SEEP_NODE_CDATA, bytes, name, flags);
}

/* -- Lists ------------------------------------------------------------------------------ */

static size_t header_bytes(const struct seep_luajit_heap *layout, uint8_t type) {
  const struct seep_luajit_refs *refs = layout->refs;
  switch (type) {
    case LJ_STR: return refs->str_bytes;
    case LJ_UPVAL: return refs->upval_bytes;
    case LJ_THREAD: return layout->thread_bytes;
    case LJ_PROTO: return refs->proto_bytes;
    case LJ_FUNC: return refs->func_l_upvalues;
    case LJ_TRACE: return refs->trace_bytes;
    case LJ_CDATA: return refs->cdata_bytes;
    case LJ_TAB: return refs->tab_bytes;
    case LJ_UDATA: return refs->udata_bytes;
    default: return 0;
  }
}

static void read_object(struct seep_walk *walk, uintptr_t address, const char *object) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  switch (seep_at_u8(object, refs->o_type)) {
    case LJ_STR: read_string(walk, address, object); break;
    case LJ_UPVAL: read_upvalue(walk, address, object); break;
    case LJ_THREAD: seep_lj_read_thread(walk, address, object); break;
    case LJ_PROTO: seep_lj_read_proto(walk, address, object); break;
    case LJ_FUNC:
      if (seep_at_u8(object, refs->func_ffid) == 0) {
        read_lua_function(walk, address, seep_at_u8(object, refs->func_nupvalues));
      } else {
        read_c_function(walk, address, seep_at_u8(object, refs->func_nupvalues));
      }
      break;
    case LJ_TRACE: seep_lj_read_trace(walk, address, object); break;
    case LJ_CDATA: read_cdata(walk, address, object); break;
    case LJ_TAB: read_table(walk, address, object); break;
    case LJ_UDATA: read_userdata(walk, address); break;
    default: break;
  }
}

/* `stop`: 0, or where the list is closed to a ring; `pending`: each of its objects waits for its finalizer. */
static void read_list(struct seep_walk *walk, uintptr_t head, uintptr_t stop, bool pending) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  const struct seep_luajit_heap *layout = walk->layout;
  struct seep_list_guard guard = {0};
  uintptr_t at = head;
  while (at != 0) {
    const char *object = seep_walk_view(walk, at, refs->cdata_bytes, "a list of objects");
    if (object == NULL) return;
    size_t header = header_bytes(layout, seep_at_u8(object, refs->o_type));
    object = header == 0 ? NULL : seep_image_view(walk->image, at, header);
    if (object == NULL || !seep_list_goes_on(&guard, at)) {
      seep_walk_damage(walk, "an object of no known type");
      return;
    }
    uintptr_t next = seep_lj_ref(refs, object, LJ_O_NEXT);
    seep_image_prefetch(walk->image, next);
    if (pending) seep_walk_edge(walk, SEEP_ROOT_NUMBER, at, SEEP_EDGE_FINALIZER, 0);
    read_object(walk, at, object);
    if (walk->budget_bytes == 0 || (stop != 0 && next == stop)) return;
    at = next;
  }
}

/* (The head of the list is in the global state, and looks like an object's first word.) */
static bool is_object(struct seep_walk *walk, uintptr_t address) {
  const struct seep_luajit_heap *layout = walk->layout;
  const struct seep_luajit_refs *refs = layout->refs;
  if (address - walk->state->main_thread < (uintptr_t)layout->gg_bytes) return false;
  const char *object = seep_image_view(walk->image, address, refs->cdata_bytes);
  size_t header = object == NULL ? 0 : header_bytes(layout, seep_at_u8(object, refs->o_type));
  return header != 0 && seep_image_view(walk->image, address, header) != NULL;
}

/* lj_str.c: the lowest bit of a chain's head says how it is hashed. */
static void read_strings(struct seep_walk *walk, const char *global) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  uint64_t slots = (uint64_t)seep_at_u32(global, refs->g_strmask) + 1;
  seep_walk_ledger(walk, "string table", slots * refs->bytes);
  const char *heads =
      seep_walk_view(walk, seep_at_pointer(global, refs->g_strtab), slots * refs->bytes, "the string table");
  for (uint64_t i = 0; heads != NULL && i < slots && walk->budget_bytes != 0; i++) {
    if (i + SEEP_STRINGS_AHEAD < slots) {
      seep_image_prefetch(walk->image,
                          seep_lj_ref(refs, heads, (i + SEEP_STRINGS_AHEAD) * refs->bytes) & ~(uintptr_t)1);
    }
    read_list(walk, seep_lj_ref(refs, heads, i * refs->bytes) & ~(uintptr_t)1, 0, false);
  }
}

/* -- Roots ------------------------------------------------------------------------------- */

/* lj_obj.h GCROOT_…: names of metamethods, metatables of types, io's files, the table of cdata finalizers. */
static void read_gc_roots(struct seep_walk *walk, const char *global) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  static const char *const types[LJ_BASEMT_COUNT] = {
      "nil", "boolean", "boolean", "light userdata", "string", "upvalue", "thread", "proto", "function", "trace",
      "cdata", "table", "userdata", "number"};
  const struct seep_luajit_heap *layout = walk->layout;
  for (uint32_t i = 0; i < layout->gcroot_count; i++) {
    uintptr_t object = seep_lj_ref(refs, global, layout->g_gcroot + i * refs->bytes);
    uint32_t type = i - LJ_MM_COUNT;
    if (object == 0) continue;
    if (type < LJ_BASEMT_COUNT) {
      seep_walk_edge(walk, SEEP_ROOT_NUMBER, object, SEEP_EDGE_TYPE_METATABLE, seep_walk_text(walk, types[type]));
    } else {
      const char *what = i < LJ_MM_COUNT ? "metamethod name"
                         : type < LJ_BASEMT_COUNT + 2 ? "default file"
                                                      : "cdata finalizers";
      seep_walk_edge(walk, SEEP_ROOT_NUMBER, object, SEEP_EDGE_OTHER, seep_walk_text(walk, what));
    }
  }
}

/* Names that begin with the registry: types of userdata, package.loaded. */
static void read_registry(struct seep_walk *walk, uintptr_t registry) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  const char *table = seep_image_view(walk->image, registry, refs->tab_bytes);
  if (table == NULL || seep_at_u8(table, refs->o_type) != LJ_TAB) return;
  walk->found->registry = registry;
  uint32_t count;
  const char *nodes = view_nodes(walk, table, &count);
  for (uint32_t i = 0; i < count; i++) {
    uint64_t value = seep_at_pointer(nodes, (size_t)i * LJ_NODE_BYTES);
    uint64_t key = seep_at_pointer(nodes, (size_t)i * LJ_NODE_BYTES + LJ_NODE_KEY);
    if (seep_lj_type(refs, key) != LJ_STR || seep_lj_type(refs, value) != LJ_TAB) continue;
    size_t size;
    const char *text = seep_lj_string(walk, seep_lj_pointer(refs, key), &size);
    if (text == NULL) continue;
    if (size == 7 && memcmp(text, "_LOADED", 7) == 0) {
      walk->found->loaded = seep_lj_pointer(refs, value);
      continue;
    }
    uint32_t name = walk->sink->name(walk->sink, text, size);
    if (name != 0) seep_map_put(&walk->type_names, seep_lj_pointer(refs, value), 0, name);
  }
}

static void read_roots(struct seep_walk *walk, const char *thread, const char *global) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  const struct seep_heap_state *state = walk->state;
  const struct seep_luajit_heap *layout = walk->layout;
  seep_walk_edge(walk, SEEP_ROOT_NUMBER, state->main_thread, SEEP_EDGE_MAIN_THREAD, 0);
  uintptr_t running = state->running != 0 ? state->running : seep_lj_ref(refs, global, layout->g_cur_L);
  if (running != 0 && running != state->main_thread) {
    seep_walk_edge(walk, SEEP_ROOT_NUMBER, running, SEEP_EDGE_OTHER, seep_walk_text(walk, "running thread"));
  }
  uintptr_t registry = seep_lj_object(refs, seep_at_pointer(global, refs->g_registry));
  read_registry(walk, registry);
  seep_walk_edge(walk, SEEP_ROOT_NUMBER, registry, SEEP_EDGE_REGISTRY, 0);
  walk->found->globals = seep_lj_ref(refs, thread, refs->l_env);
  seep_walk_edge(walk, SEEP_ROOT_NUMBER, walk->found->globals, SEEP_EDGE_GLOBALS, 0);
  read_gc_roots(walk, global);
  if (layout->g_vmthref != 0) {
    uintptr_t thread_of_vm = seep_lj_ref(refs, global, layout->g_vmthref);
    seep_walk_edge(walk, SEEP_ROOT_NUMBER, thread_of_vm, SEEP_EDGE_OTHER, seep_walk_text(walk, "the VM's own thread"));
  }
}

/* A pointer of the VM's own string buffer. */
static uintptr_t buffer_mark(const struct seep_luajit_refs *refs, const char *global, uint8_t at) {
  const char *buffer = global + refs->g_tmpbuf;
  return refs->sbuf_bytes == 8 ? seep_at_pointer(buffer, at) : seep_at_u32(buffer, at);
}

static void read_ledger(struct seep_walk *walk, const char *global) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  const struct seep_luajit_heap *layout = walk->layout;
  seep_walk_ledger(walk, "global state", (uint64_t)(layout->gg_bytes - layout->thread_bytes));
  uintptr_t begin = buffer_mark(refs, global, refs->sbuf_b), end = buffer_mark(refs, global, refs->sbuf_e);
  if (end >= begin) seep_walk_ledger(walk, "buffer for strings", end - begin);
  /* lj_state.c: a power of two of them */
  if (refs->g_lightudseg != 0 && seep_lj_ref(refs, global, refs->g_lightudseg) != 0) {
    uint32_t last = seep_at_u8(global, refs->g_lightudnum);
    seep_walk_ledger(walk, "light userdata segments", (last == 0 ? 2 : 2ULL << (31 - __builtin_clz(last))) * 4);
  }
  uintptr_t ctypes = seep_lj_ref(refs, global, layout->g_ctype_state);
  const char *state = ctypes == 0 ? NULL : seep_walk_view(walk, ctypes, layout->cts_bytes, "the C type state");
  if (state != NULL) {
    seep_walk_ledger(walk, "C types",
                     layout->cts_bytes + (uint64_t)seep_at_u32(state, LJ_CTS_SIZETAB) * refs->ctype_bytes +
                         (uint64_t)seep_at_u32(state, layout->cts_sizeid) * 2);
  }
  seep_lj_read_compiler(walk);
}

/* The empty string is a part of the global state. */
static void read_empty_string(struct seep_walk *walk) {
  const struct seep_luajit_refs *refs = seep_lj_refs(walk);
  uintptr_t address = walk->state->global + refs->g_strempty;
  seep_walk_object(walk, address, SEEP_NODE_STRING, 0, walk->sink->string(walk->sink, "", 0), 0);
  walk->sink->edge(walk->sink, SEEP_ROOT_NUMBER, address, SEEP_EDGE_OTHER, seep_walk_text(walk, "fixed string"));
}

enum seep_status seep_lj_heap_read(struct seep_image *image, const struct seep_heap_state *state,
                                   struct seep_object_sink *sink, struct seep_heap_found *out,
                                   struct seep_error *error) {
  const struct seep_luajit_heap *layout = state->vm->layout;
  const struct seep_luajit_refs *refs = layout->refs;
  const char *global = seep_image_view(image, state->global, (size_t)(layout->gg_jit - layout->thread_bytes));
  const char *thread = seep_image_view(image, state->main_thread, layout->thread_bytes);
  if (global == NULL || thread == NULL || !state->vm->fits(image, state)) {
    return seep_error_set(error, SEEP_E_FORMAT, "the Lua state at %#zx has gone", (size_t)state->main_thread);
  }
  struct seep_walk *walk = seep_walk_open(image, state, sink, out);
  if (walk == NULL) return seep_error_set(error, SEEP_E_MEMORY, "no memory to read a heap");
  out->state_bytes = state->closing != NULL ? state->closing->state_bytes : seep_lj_ref(refs, global, refs->g_total);
  walk->mode_name = seep_lj_ref(refs, global, layout->g_gcroot + LJ_MM_MODE * refs->bytes);
  walk->gc_name = seep_lj_ref(refs, global, layout->g_gcroot + LJ_MM_GC * refs->bytes);
  read_empty_string(walk);
  read_roots(walk, thread, global);
  read_list(walk, seep_walk_unlinked(walk, seep_lj_ref(refs, global, refs->g_root), 0, is_object), 0, false);
  uintptr_t last = seep_lj_ref(refs, global, refs->g_mmudata);
  const char *ring =
      last == 0 ? NULL : seep_walk_view(walk, last, refs->udata_bytes, "the list of userdata to finalize");
  if (ring != NULL) read_list(walk, seep_lj_ref(refs, ring, LJ_O_NEXT), seep_lj_ref(refs, ring, LJ_O_NEXT), true);
  read_strings(walk, global);
  read_ledger(walk, global);
  seep_lj_read_remains(walk);
  seep_walk_close(walk);
  return SEEP_OK;
}
