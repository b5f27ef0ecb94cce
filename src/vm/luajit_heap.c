/* The heap of LuaJIT 2.1 (GC64): which words make a state, its lists of objects, tables, functions, userdata and
 * cdata. See luajit_heap.h and objects.h. */
#include "vm/luajit_heap.h"

/* -- Names ---------------------------------------------------------------------------- */

const char *seep_lj_string(struct seep_walk *walk, uintptr_t address, size_t *size_bytes) {
  const char *string = seep_image_view(walk->image, address, LJ_STR_BYTES);
  *size_bytes = 0;
  if (string == NULL || seep_at_u8(string, LJ_O_TYPE) != LJ_STR) return NULL;
  size_t length = seep_at_u32(string, LJ_STR_LENGTH);
  const char *text = seep_image_view(walk->image, address + LJ_STR_BYTES, length + 1);
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
  const char *proto = seep_image_view(walk->image, address, LJ_PROTO_BYTES);
  return proto == NULL || seep_at_u8(proto, LJ_O_TYPE) != LJ_PROTO ? NULL : proto;
}

uint32_t seep_lj_place(struct seep_walk *walk, uintptr_t proto) {
  struct seep_cached_number *slot = &walk->places[seep_cache_slot(proto, SEEP_PLACE_CACHE)];
  if (slot->address == proto) return slot->number;
  const char *bytes = seep_lj_view_proto(walk, proto);
  if (bytes == NULL) return 0;
  uint32_t line = seep_at_u32(bytes, LJ_PROTO_FIRSTLINE);
  struct seep_graph_place place = {.line = line == UINT32_MAX ? 0 : line, /* a builtin in bytecode */
                                   .source = seep_lj_name(walk, seep_at_pointer(bytes, LJ_PROTO_CHUNKNAME))};
  uint32_t number = walk->sink->place(walk->sink, &place);
  *slot = (struct seep_cached_number){.address = proto, .number = number};
  return number;
}

/* -- Tables --------------------------------------------------------------------------- */

/* The nodes of a table; none when its hash part is the shared empty one (lj_tab.c: hmask 0). */
static const char *view_nodes(struct seep_walk *walk, const char *table, uint32_t *count) {
  uint32_t mask = seep_at_u32(table, LJ_TAB_HMASK);
  *count = 0;
  if (mask == 0) return NULL;
  if ((mask & (mask + 1)) != 0 || mask > 1u << 30) {
    seep_walk_damage(walk, "a table's size");
    return NULL;
  }
  const char *nodes = seep_walk_view(walk, seep_at_pointer(table, LJ_TAB_NODE), ((size_t)mask + 1) * LJ_NODE_BYTES,
                                     "a table's nodes");
  if (nodes != NULL) *count = mask + 1;
  return nodes;
}

/* lj_gc.c gc_traverse_tab: a 'k' and a 'v' in the string __mode. */
static void take_meta_node(struct seep_walk *walk, uint8_t absent, const char *node, struct seep_meta_facts *facts) {
  uint64_t key = seep_at_pointer(node, LJ_NODE_KEY), value = seep_at_pointer(node, 0);
  if (seep_lj_type(key) != LJ_STR || seep_lj_is_nil(value)) return;
  uintptr_t name = seep_lj_pointer(key);
  size_t size;
  const char *text;
  if (name == walk->mode_name) {
    if (absent >> LJ_MM_MODE & 1 || seep_lj_type(value) != LJ_STR) return;
    text = seep_lj_string(walk, seep_lj_pointer(value), &size);
    if (text == NULL) return;
    size = strnlen(text, size);
    facts->weak_keys = memchr(text, 'k', size) != NULL;
    facts->weak_values = memchr(text, 'v', size) != NULL;
  } else if (name == walk->gc_name) {
    facts->has_finalizer = (absent >> LJ_MM_GC & 1) == 0;
  }
}

static const struct seep_meta_facts *meta(struct seep_walk *walk, uintptr_t metatable) {
  enum { NODES_MAX = 65536 };
  struct seep_meta_facts *facts = &walk->metas[seep_cache_slot(metatable, SEEP_META_CACHE)];
  if (facts->metatable == metatable) return facts;
  *facts = (struct seep_meta_facts){.metatable = metatable};
  const char *table = seep_image_view(walk->image, metatable, LJ_TAB_BYTES);
  if (table == NULL || seep_at_u8(table, LJ_O_TYPE) != LJ_TAB) return facts;
  facts->type_name = seep_map_get(&walk->type_names, metatable, 0);
  uint32_t count;
  const char *nodes = view_nodes(walk, table, &count);
  uint8_t absent = seep_at_u8(table, LJ_TAB_NOMM);
  for (uint32_t i = 0; i < count && i < NODES_MAX; i++) {
    take_meta_node(walk, absent, nodes + (size_t)i * LJ_NODE_BYTES, facts);
  }
  return facts;
}

static void take_plain_key(struct seep_walk *walk, uint64_t key, struct seep_table_entry *entry) {
  switch (seep_lj_type(key)) {
    case 1: seep_walk_text_key(walk, "false", entry); break;
    case 2: seep_walk_text_key(walk, "true", entry); break;
    case 3: seep_walk_pointer_key(walk, "userdata", seep_lj_pointer(key), entry); break;
    default: {
      double number;
      memcpy(&number, &key, sizeof number);
      seep_walk_number_key(walk, number, entry);
    }
  }
}

static void take_value(uint64_t value, struct seep_table_entry *entry) {
  entry->value = seep_lj_object(value);
  entry->value_is_string = seep_lj_type(value) == LJ_STR;
}

static uint32_t read_nodes(struct seep_walk *walk, uint32_t number, struct seep_weakness weakness, const char *nodes,
                           uint32_t count) {
  uint32_t used = 0;
  for (uint32_t i = 0; i < count; i++) {
    const char *node = nodes + (size_t)i * LJ_NODE_BYTES;
    uint64_t value = seep_at_pointer(node, 0), key = seep_at_pointer(node, LJ_NODE_KEY);
    if (seep_lj_is_nil(value)) continue;
    struct seep_table_entry entry = {.key = seep_lj_object(key), .key_is_string = seep_lj_type(key) == LJ_STR};
    take_value(value, &entry);
    if (entry.key == 0 && entry.value == 0) continue;
    if (entry.key == 0) take_plain_key(walk, key, &entry);
    seep_walk_entry(walk, number, weakness, &entry);
    used++;
  }
  return used;
}

static void read_array(struct seep_walk *walk, uint32_t number, struct seep_weakness weakness, const char *slots,
                       uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    struct seep_table_entry entry = {.kind = SEEP_EDGE_INDEX, .name = i};
    take_value(seep_at_pointer(slots, (size_t)i * 8), &entry);
    if (entry.value != 0) seep_walk_entry(walk, number, weakness, &entry);
  }
}

static uint32_t count_used(const char *slots, uint32_t count, size_t slot_bytes) {
  uint32_t used = 0;
  for (uint32_t i = 0; i < count; i++) used += !seep_lj_is_nil(seep_at_pointer(slots, (size_t)i * slot_bytes));
  return used;
}

/* lj_tab.c lj_tab_free: the array is in the table's own block (colo > 0), or was and is not any more (colo < 0: the
 * room for it is still there), or never was. */
static uint64_t table_bytes(const char *table, uint32_t slots, uint32_t nodes) {
  int8_t colocated = (int8_t)seep_at_u8(table, LJ_TAB_COLO);
  uint64_t bytes = LJ_TAB_BYTES + (uint64_t)(colocated & 0x7f) * 8 + (uint64_t)nodes * LJ_NODE_BYTES;
  return colocated > 0 ? bytes : bytes + (uint64_t)slots * 8;
}

static void read_table(struct seep_walk *walk, uintptr_t address, const char *table) {
  uint32_t slots = seep_at_u32(table, LJ_TAB_ASIZE), node_count;
  const char *array = NULL;
  if (slots != 0) {
    array = seep_walk_view(walk, seep_at_pointer(table, LJ_TAB_ARRAY), (size_t)slots * 8, "a table's array");
  }
  if (array == NULL) slots = 0;
  const char *nodes = view_nodes(walk, table, &node_count);
  uint64_t bytes = table_bytes(table, slots, node_count);
  if (!seep_walk_claim(walk, bytes)) return;
  struct seep_graph_shape shape = {.array_capacity = slots, .array_used = count_used(array, slots, 8),
                                   .hash_capacity = node_count,
                                   .hash_used = count_used(nodes, node_count, LJ_NODE_BYTES)};
  shape.slack_bytes = (uint64_t)(slots - shape.array_used) * 8 +
                      (uint64_t)(node_count - shape.hash_used) * LJ_NODE_BYTES;
  uintptr_t metatable = seep_at_pointer(table, LJ_TAB_METATABLE);
  struct seep_weakness weakness = {0};
  if (metatable != 0) {
    const struct seep_meta_facts *facts = meta(walk, metatable);
    weakness = (struct seep_weakness){.keys = facts->weak_keys, .values = facts->weak_values};
  }
  uint8_t flags = weakness.keys || weakness.values ? SEEP_NODE_WEAK_TABLE : 0;
  uint32_t number =
      seep_walk_object(walk, address, SEEP_NODE_TABLE, bytes, walk->sink->shape(walk->sink, &shape), flags);
  seep_walk_edge(walk, number, metatable, SEEP_EDGE_METATABLE, 0);
  read_array(walk, number, weakness, array, slots);
  read_nodes(walk, number, weakness, nodes, node_count);
}

/* -- Strings, functions, upvalues -------------------------------------------------------- */

/* lj_str.h lj_str_size: with its NUL, and a round number. */
static void read_string(struct seep_walk *walk, uintptr_t address, const char *string) {
  size_t length;
  const char *text = seep_lj_string(walk, address, &length);
  if (text == NULL) seep_walk_damage(walk, "a string's text");
  uint64_t bytes = LJ_STR_BYTES + (((uint64_t)length + 4) & ~3ULL);
  if (!seep_walk_claim(walk, bytes)) return;
  uint32_t content = text == NULL ? 0 : walk->sink->string(walk->sink, text, length);
  seep_walk_object(walk, address, SEEP_NODE_STRING, bytes, content, 0);
  if (seep_at_u8(string, LJ_O_MARKED) & LJ_FIXED) {
    walk->sink->edge(walk->sink, SEEP_ROOT_NUMBER, address, SEEP_EDGE_OTHER, seep_walk_text(walk, "fixed string"));
  }
}

static void read_upvalue(struct seep_walk *walk, uintptr_t address, const char *upvalue) {
  if (!seep_walk_claim(walk, LJ_UPVAL_BYTES)) return;
  uint32_t number = seep_walk_object(walk, address, SEEP_NODE_UPVALUE, LJ_UPVAL_BYTES, 0, 0);
  const char *slot = seep_walk_view(walk, seep_at_pointer(upvalue, LJ_UPVAL_V), 8, "an upvalue's value");
  if (slot != NULL) seep_walk_edge(walk, number, seep_lj_object(seep_at_pointer(slot, 0)), SEEP_EDGE_UPVALUE_VALUE, 0);
}

void seep_lj_read_open_upvalue(struct seep_walk *walk, uintptr_t address) {
  const char *upvalue = seep_walk_view(walk, address, LJ_UPVAL_BYTES, "an open upvalue");
  if (upvalue != NULL) read_upvalue(walk, address, upvalue);
}

static void read_c_function(struct seep_walk *walk, uintptr_t address, uint32_t count) {
  uint64_t bytes = LJ_FUNC_C_UPVALUES + (uint64_t)count * 8;
  const char *function = seep_walk_view(walk, address, bytes, "a function's upvalues");
  if (function == NULL || !seep_walk_claim(walk, bytes)) return;
  uint32_t number = seep_walk_object(walk, address, SEEP_NODE_C_FUNCTION, bytes, 0, 0);
  seep_walk_edge(walk, number, seep_at_pointer(function, LJ_FUNC_ENV), SEEP_EDGE_ENVIRONMENT, 0);
  for (uint32_t i = 0; i < count; i++) {
    uint64_t value = seep_at_pointer(function, LJ_FUNC_C_UPVALUES + (size_t)i * 8);
    seep_walk_edge(walk, number, seep_lj_object(value), SEEP_EDGE_UPVALUE_INDEX, i + 1);
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
  uint64_t bytes = LJ_FUNC_L_UPVALUES + (uint64_t)count * 8;
  const char *function = seep_walk_view(walk, address, bytes, "a function's upvalues");
  if (function == NULL || !seep_walk_claim(walk, bytes)) return;
  uintptr_t proto = seep_at_pointer(function, LJ_FUNC_PC) - LJ_PROTO_BYTES;
  uint32_t number = seep_walk_object(walk, address, SEEP_NODE_LUA_FUNCTION, bytes, seep_lj_place(walk, proto), 0);
  seep_walk_edge(walk, number, proto, SEEP_EDGE_PROTO, 0);
  seep_walk_edge(walk, number, seep_at_pointer(function, LJ_FUNC_ENV), SEEP_EDGE_ENVIRONMENT, 0);
  const char *header = count == 0 ? NULL : seep_lj_view_proto(walk, proto);
  uintptr_t names = header == NULL ? 0 : seep_at_pointer(header, LJ_PROTO_UVINFO);
  for (uint32_t i = 0; i < count; i++) {
    size_t size;
    const char *text = next_upvalue_name(walk, &names, &size);
    uint32_t name = text == NULL || size == 0 ? 0 : walk->sink->name(walk->sink, text, size);
    seep_walk_edge(walk, number, seep_at_pointer(function, LJ_FUNC_L_UPVALUES + (size_t)i * 8),
                   name != 0 ? SEEP_EDGE_UPVALUE : SEEP_EDGE_UPVALUE_INDEX, name != 0 ? name : i + 1);
  }
}

/* -- Userdata and cdata -------------------------------------------------------------------- */

/* lj_buf.h SBufExt in the userdata of a string buffer: w, e, b, L with flags, the object that it borrows from, r, and
 * one dictionary or two, by release. */
static void read_buffer(struct seep_walk *walk, uint32_t number, const char *buffer, uint64_t size_bytes) {
  enum { FLAGS = 24, COW = 2, COWREF = 32, DICTIONARY = 48, OTHER_DICTIONARY = 56, ONE_BYTES = 64, TWO_BYTES = 72 };
  if (size_bytes < ONE_BYTES) return;
  if (seep_at_pointer(buffer, FLAGS) & COW) {
    seep_walk_edge(walk, number, seep_at_pointer(buffer, COWREF), SEEP_EDGE_OTHER,
                   seep_walk_text(walk, "buffered text"));
  }
  uint32_t name = seep_walk_text(walk, "dictionary");
  seep_walk_edge(walk, number, seep_at_pointer(buffer, DICTIONARY), SEEP_EDGE_OTHER, name);
  if (size_bytes < TWO_BYTES) return;
  seep_walk_edge(walk, number, seep_at_pointer(buffer, OTHER_DICTIONARY), SEEP_EDGE_OTHER, name);
}

/* The bytes of a buffer that are its own, and not borrowed. */
static uint64_t buffer_bytes(const char *buffer, uint64_t size_bytes) {
  enum { E = 8, B = 16, FLAGS = 24, COW_OR_BORROW = 6, BUFFER_BYTES = 64 };
  uintptr_t begin, end;
  if (size_bytes < BUFFER_BYTES || (seep_at_pointer(buffer, FLAGS) & COW_OR_BORROW) != 0) return 0;
  begin = seep_at_pointer(buffer, B);
  end = seep_at_pointer(buffer, E);
  return end < begin ? 0 : end - begin;
}

static void read_userdata(struct seep_walk *walk, uintptr_t address) {
  const char *userdata = seep_walk_view(walk, address, LJ_UDATA_BYTES, "userdata");
  if (userdata == NULL) return;
  uint64_t length = seep_at_u32(userdata, LJ_UDATA_LENGTH), bytes = LJ_UDATA_BYTES + length;
  const char *buffer = NULL;
  if (seep_at_u8(userdata, LJ_UDATA_TYPE) == LJ_UDTYPE_BUFFER) {
    buffer = seep_walk_view(walk, address + LJ_UDATA_BYTES, length, "a string buffer");
    if (buffer != NULL) bytes += buffer_bytes(buffer, length);
  }
  if (!seep_walk_claim(walk, bytes)) return;
  uintptr_t metatable = seep_at_pointer(userdata, LJ_UDATA_METATABLE);
  uint32_t type_name = 0;
  uint8_t flags = 0;
  if (metatable != 0) {
    const struct seep_meta_facts *facts = meta(walk, metatable);
    type_name = facts->type_name;
    bool finalized = (seep_at_u8(userdata, LJ_O_MARKED) & LJ_FINALIZED) != 0;
    if (facts->has_finalizer && !finalized) flags = SEEP_NODE_FINALIZER;
  }
  uint32_t number = seep_walk_object(walk, address, SEEP_NODE_USERDATA, bytes, type_name, flags);
  seep_walk_edge(walk, number, metatable, SEEP_EDGE_METATABLE, 0);
  seep_walk_edge(walk, number, seep_at_pointer(userdata, LJ_UDATA_ENV), SEEP_EDGE_ENVIRONMENT, 0);
  if (buffer != NULL) read_buffer(walk, number, buffer, length);
}

/* The C type `id`: lj_ctype.h ctype_raw goes through attributes. NULL when there is none. */
static const char *raw_ctype(struct seep_walk *walk, uint32_t id) {
  enum { STEPS_MAX = 32, CT_ATTRIB = 8 };
  const struct seep_luajit_heap *layout = walk->layout;
  const char *global = seep_image_view(walk->image, walk->state->global, layout->g_ctype_state + 8);
  const char *state =
      global == NULL ? NULL : seep_image_view(walk->image, seep_at_pointer(global, layout->g_ctype_state), 16);
  for (int i = 0; i < STEPS_MAX && state != NULL && id < seep_at_u32(state, LJ_CTS_TOP); i++) {
    const char *type =
        seep_image_view(walk->image, seep_at_pointer(state, 0) + (uintptr_t)id * LJ_CTYPE_BYTES, LJ_CTYPE_BYTES);
    if (type == NULL || seep_at_u32(type, 0) >> 28 != CT_ATTRIB) return type;
    id = seep_at_u32(type, 0) & 0xffff;
  }
  return NULL;
}

/* lj_cdata.c lj_cdata_free: the size of the type, or of a pointer for what has none; or, for cdata of variable
 * size, what stands in front of the object. */
static uint64_t cdata_bytes(struct seep_walk *walk, uintptr_t address, const char *cdata, const char *type) {
  enum { CT_HASSIZE = 5, POINTER_BYTES = 8 };
  if (seep_at_u8(cdata, LJ_O_MARKED) & LJ_CDATA_VAR) {
    const char *variable = seep_walk_view(walk, address - LJ_CDATAV_BYTES, LJ_CDATAV_BYTES, "a cdata's size");
    return variable == NULL ? LJ_CDATA_BYTES : (uint64_t)seep_at_u16(variable, 2) + seep_at_u32(variable, 4);
  }
  if (type == NULL) {
    seep_walk_damage(walk, "a C type");
    return LJ_CDATA_BYTES;
  }
  bool has_size = seep_at_u32(type, 0) >> 28 <= CT_HASSIZE;
  return LJ_CDATA_BYTES + (has_size ? seep_at_u32(type, LJ_CTYPE_SIZE) : POINTER_BYTES);
}

static void read_cdata(struct seep_walk *walk, uintptr_t address, const char *cdata) {
  const char *type = raw_ctype(walk, seep_at_u16(cdata, LJ_CDATA_ID));
  uint64_t bytes = cdata_bytes(walk, address, cdata, type);
  if (!seep_walk_claim(walk, bytes)) return;
  uint32_t name = type == NULL ? 0 : seep_lj_name(walk, seep_at_pointer(type, LJ_CTYPE_NAME));
  uint8_t flags = seep_at_u8(cdata, LJ_O_MARKED) & LJ_CDATA_FIN ? SEEP_NODE_FINALIZER : 0;
  seep_walk_object(walk, address, SEEP_NODE_CDATA, bytes, name, flags);
}

/* -- Lists ------------------------------------------------------------------------------ */

static size_t header_bytes(const struct seep_luajit_heap *layout, uint8_t type) {
  static const uint8_t sizes[] = {[LJ_STR] = LJ_STR_BYTES, [LJ_UPVAL] = LJ_UPVAL_BYTES, [LJ_PROTO] = LJ_PROTO_BYTES,
                                  [LJ_FUNC] = LJ_FUNC_L_UPVALUES, [LJ_TRACE] = LJ_TRACE_BYTES,
                                  [LJ_CDATA] = LJ_CDATA_BYTES, [LJ_TAB] = LJ_TAB_BYTES, [LJ_UDATA] = LJ_UDATA_BYTES};
  if (type == LJ_THREAD) return layout->thread_bytes;
  return type < SEEP_ARRAY_SIZE(sizes) ? sizes[type] : 0;
}

static void read_object(struct seep_walk *walk, uintptr_t address, const char *object) {
  switch (seep_at_u8(object, LJ_O_TYPE)) {
    case LJ_STR: read_string(walk, address, object); break;
    case LJ_UPVAL: read_upvalue(walk, address, object); break;
    case LJ_THREAD: seep_lj_read_thread(walk, address, object); break;
    case LJ_PROTO: seep_lj_read_proto(walk, address, object); break;
    case LJ_FUNC:
      if (seep_at_u8(object, LJ_FUNC_FFID) == 0) {
        read_lua_function(walk, address, seep_at_u8(object, LJ_FUNC_NUPVALUES));
      } else {
        read_c_function(walk, address, seep_at_u8(object, LJ_FUNC_NUPVALUES));
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
  const struct seep_luajit_heap *layout = walk->layout;
  struct seep_list_guard guard = {0};
  uintptr_t at = head;
  while (at != 0) {
    const char *object = seep_walk_view(walk, at, 16, "a list of objects");
    if (object == NULL) return;
    size_t header = header_bytes(layout, seep_at_u8(object, LJ_O_TYPE));
    object = header == 0 ? NULL : seep_image_view(walk->image, at, header);
    if (object == NULL || !seep_list_goes_on(&guard, at)) {
      seep_walk_damage(walk, "an object of no known type");
      return;
    }
    uintptr_t next = seep_at_pointer(object, LJ_O_NEXT);
    seep_image_prefetch(walk->image, next);
    if (pending) seep_walk_edge(walk, SEEP_ROOT_NUMBER, at, SEEP_EDGE_FINALIZER, 0);
    read_object(walk, at, object);
    if (walk->budget_bytes == 0 || (stop != 0 && next == stop)) return;
    at = next;
  }
}

/* lj_str.c: the lowest bit of a chain's head says how it is hashed. */
static void read_strings(struct seep_walk *walk, const char *global) {
  uint64_t slots = (uint64_t)seep_at_u32(global, LJ_G_STRMASK) + 1;
  seep_walk_ledger(walk, "string table", slots * sizeof(uintptr_t));
  const char *heads =
      seep_walk_view(walk, seep_at_pointer(global, LJ_G_STRTAB), slots * sizeof(uintptr_t), "the string table");
  for (uint64_t i = 0; heads != NULL && i < slots && walk->budget_bytes != 0; i++) {
    if (i + SEEP_STRINGS_AHEAD < slots) {
      seep_image_prefetch(walk->image,
                          seep_at_pointer(heads, (i + SEEP_STRINGS_AHEAD) * sizeof(uintptr_t)) & ~(uintptr_t)1);
    }
    read_list(walk, seep_at_pointer(heads, i * sizeof(uintptr_t)) & ~(uintptr_t)1, 0, false);
  }
}

/* -- Roots ------------------------------------------------------------------------------- */

/* lj_obj.h GCROOT_…: names of metamethods, metatables of types, io's files, the table of cdata finalizers. */
static void read_gc_roots(struct seep_walk *walk, const char *global) {
  static const char *const types[LJ_BASEMT_COUNT] = {
      "nil", "boolean", "boolean", "light userdata", "string", "upvalue", "thread", "proto", "function", "trace",
      "cdata", "table", "userdata", "number"};
  const struct seep_luajit_heap *layout = walk->layout;
  for (uint32_t i = 0; i < layout->gcroot_count; i++) {
    uintptr_t object = seep_at_pointer(global, layout->g_gcroot + i * sizeof(uintptr_t));
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
  const char *table = seep_image_view(walk->image, registry, LJ_TAB_BYTES);
  if (table == NULL || seep_at_u8(table, LJ_O_TYPE) != LJ_TAB) return;
  walk->found->registry = registry;
  uint32_t count;
  const char *nodes = view_nodes(walk, table, &count);
  for (uint32_t i = 0; i < count; i++) {
    uint64_t value = seep_at_pointer(nodes, (size_t)i * LJ_NODE_BYTES);
    uint64_t key = seep_at_pointer(nodes, (size_t)i * LJ_NODE_BYTES + LJ_NODE_KEY);
    if (seep_lj_type(key) != LJ_STR || seep_lj_type(value) != LJ_TAB) continue;
    size_t size;
    const char *text = seep_lj_string(walk, seep_lj_pointer(key), &size);
    if (text == NULL) continue;
    if (size == 7 && memcmp(text, "_LOADED", 7) == 0) {
      walk->found->loaded = seep_lj_pointer(value);
      continue;
    }
    uint32_t name = walk->sink->name(walk->sink, text, size);
    if (name != 0) seep_map_put(&walk->type_names, seep_lj_pointer(value), 0, name);
  }
}

static void read_roots(struct seep_walk *walk, const char *thread, const char *global) {
  const struct seep_heap_state *state = walk->state;
  const struct seep_luajit_heap *layout = walk->layout;
  seep_walk_edge(walk, SEEP_ROOT_NUMBER, state->main_thread, SEEP_EDGE_MAIN_THREAD, 0);
  uintptr_t running = state->running != 0 ? state->running : seep_at_pointer(global, layout->g_cur_L);
  if (running != 0 && running != state->main_thread) {
    seep_walk_edge(walk, SEEP_ROOT_NUMBER, running, SEEP_EDGE_OTHER, seep_walk_text(walk, "running thread"));
  }
  uintptr_t registry = seep_lj_object(seep_at_pointer(global, LJ_G_REGISTRY));
  read_registry(walk, registry);
  seep_walk_edge(walk, SEEP_ROOT_NUMBER, registry, SEEP_EDGE_REGISTRY, 0);
  walk->found->globals = seep_at_pointer(thread, LJ_L_ENV);
  seep_walk_edge(walk, SEEP_ROOT_NUMBER, walk->found->globals, SEEP_EDGE_GLOBALS, 0);
  read_gc_roots(walk, global);
  if (layout->g_vmthref != 0) {
    uintptr_t thread_of_vm = seep_at_pointer(global, layout->g_vmthref);
    seep_walk_edge(walk, SEEP_ROOT_NUMBER, thread_of_vm, SEEP_EDGE_OTHER, seep_walk_text(walk, "the VM's own thread"));
  }
}

static void read_ledger(struct seep_walk *walk, const char *global) {
  const struct seep_luajit_heap *layout = walk->layout;
  seep_walk_ledger(walk, "global state", (uint64_t)(layout->gg_bytes - layout->thread_bytes));
  uintptr_t begin = seep_at_pointer(global, LJ_G_TMPBUF + 16), end = seep_at_pointer(global, LJ_G_TMPBUF + 8);
  if (end >= begin) seep_walk_ledger(walk, "buffer for strings", end - begin);
  if (seep_at_pointer(global, LJ_G_LIGHTUDSEG) != 0) { /* lj_state.c: a power of two of them */
    uint32_t last = seep_at_u8(global, LJ_G_LIGHTUDNUM);
    seep_walk_ledger(walk, "light userdata segments", (last == 0 ? 2 : 2ULL << (31 - __builtin_clz(last))) * 4);
  }
  uintptr_t ctypes = seep_at_pointer(global, layout->g_ctype_state);
  const char *state = ctypes == 0 ? NULL : seep_walk_view(walk, ctypes, layout->cts_bytes, "the C type state");
  if (state != NULL) {
    seep_walk_ledger(walk, "C types",
                     layout->cts_bytes + (uint64_t)seep_at_u32(state, LJ_CTS_SIZETAB) * LJ_CTYPE_BYTES +
                         (uint64_t)seep_at_u32(state, layout->cts_sizeid) * 2);
  }
  seep_lj_read_compiler(walk);
}

/* The empty string is a part of the global state. */
static void read_empty_string(struct seep_walk *walk) {
  uintptr_t address = walk->state->global + LJ_G_STREMPTY;
  seep_walk_object(walk, address, SEEP_NODE_STRING, 0, walk->sink->string(walk->sink, "", 0), 0);
  walk->sink->edge(walk->sink, SEEP_ROOT_NUMBER, address, SEEP_EDGE_OTHER, seep_walk_text(walk, "fixed string"));
}

static enum seep_status read_heap(struct seep_image *image, const struct seep_heap_state *state,
                                  struct seep_object_sink *sink, struct seep_heap_found *out,
                                  struct seep_error *error) {
  const struct seep_luajit_heap *layout = state->vm->layout;
  const char *global = seep_image_view(image, state->global, (size_t)(layout->gg_jit - layout->thread_bytes));
  const char *thread = seep_image_view(image, state->main_thread, layout->thread_bytes);
  if (global == NULL || thread == NULL || !state->vm->fits(image, state)) {
    return seep_error_set(error, SEEP_E_FORMAT, "the Lua state at %#zx has gone", (size_t)state->main_thread);
  }
  struct seep_walk *walk = seep_walk_open(image, state, sink, out);
  if (walk == NULL) return seep_error_set(error, SEEP_E_MEMORY, "no memory to read a heap");
  out->state_bytes = seep_at_pointer(global, LJ_G_TOTAL);
  walk->mode_name = seep_at_pointer(global, layout->g_gcroot + LJ_MM_MODE * sizeof(uintptr_t));
  walk->gc_name = seep_at_pointer(global, layout->g_gcroot + LJ_MM_GC * sizeof(uintptr_t));
  read_empty_string(walk);
  read_roots(walk, thread, global);
  read_list(walk, seep_at_pointer(global, LJ_G_ROOT), 0, false);
  uintptr_t last = seep_at_pointer(global, LJ_G_MMUDATA);
  const char *ring = last == 0 ? NULL : seep_walk_view(walk, last, 16, "the list of userdata to finalize");
  if (ring != NULL) read_list(walk, seep_at_pointer(ring, LJ_O_NEXT), seep_at_pointer(ring, LJ_O_NEXT), true);
  read_strings(walk, global);
  read_ledger(walk, global);
  seep_walk_close(walk);
  return SEEP_OK;
}

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
  static const char *const names[] = {"__index", "__newindex", "__gc", "__mode"};
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(names); i++) {
    uintptr_t string = seep_at_pointer(global, layout->g_gcroot + i * sizeof(uintptr_t));
    const char *text = seep_image_view(image, string + LJ_STR_BYTES, strlen(names[i]) + 1);
    if (text == NULL || memcmp(text, names[i], strlen(names[i]) + 1) != 0) return false;
  }
  return true;
}

static bool thread_fits(struct seep_image *image, const struct seep_heap_state *state, const char *thread) {
  uintptr_t stack = seep_at_pointer(thread, LJ_L_STACK), top = seep_at_pointer(thread, LJ_L_TOP);
  uint64_t slots = seep_at_u32(thread, LJ_L_STACKSIZE);
  return seep_at_u8(thread, LJ_O_TYPE) == LJ_THREAD && seep_at_pointer(thread, LJ_L_GLREF) == state->global &&
         stack != 0 && slots < 1 << 22 && top >= stack && top <= stack + slots * 8 &&
         seep_image_view(image, stack, slots * 8) != NULL;
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

static bool fits(struct seep_image *image, const struct seep_heap_state *state) {
  const struct seep_luajit_heap *layout = state->vm->layout;
  const char *thread = seep_image_view(image, state->main_thread, layout->thread_bytes);
  const char *global = seep_image_view(image, state->global, (size_t)(layout->gg_jit - layout->thread_bytes));
  if (thread == NULL || global == NULL || state->global - state->main_thread != layout->thread_bytes) return false;
  if (seep_at_pointer(global, LJ_G_MAIN) != state->main_thread || !thread_fits(image, state, thread)) return false;
  uint8_t white = seep_at_u8(global, LJ_G_WHITE) & LJ_WHITES;
  uint32_t mask = seep_at_u32(global, LJ_G_STRMASK);
  return white != 0 && seep_at_u8(global, LJ_G_STATE) <= 6 && (mask & (mask + 1)) == 0 && mask != 0 &&
         seep_at_pointer(global, LJ_G_TOTAL) >= layout->gg_bytes && is_code(image, seep_at_pointer(global, 0)) &&
         seep_lj_type(seep_at_pointer(global, LJ_G_REGISTRY)) == LJ_TAB && names_fit(image, layout, global) &&
         jit_fits(image, state);
}

static const struct seep_luajit_heap of_2021 = {
    .thread_bytes = 96, .gg_bytes = 6240, .gg_jit = 824, .gg_dispatch = 4064, .dispatch_count = 243,
    .jit_tobit = 304, .g_cur_L = 368, .g_ctype_state = 384, .g_gcroot = 424, .gcroot_count = 38,
    .cts_bytes = 472, .cts_sizeid = 200,
};
static const struct seep_luajit_heap of_openresty = {
    .thread_bytes = 112, .gg_bytes = 6296, .gg_jit = 848, .gg_dispatch = 4120, .dispatch_count = 243,
    .jit_tobit = 304, .g_cur_L = 368, .g_ctype_state = 384, .g_gcroot = 424, .gcroot_count = 38,
    .cts_bytes = 520, .cts_sizeid = 248,
};
static const struct seep_luajit_heap of_2024 = {
    .thread_bytes = 96, .gg_bytes = 6248, .gg_jit = 832, .gg_dispatch = 4072, .dispatch_count = 243,
    .jit_tobit = 304, .g_cur_L = 368, .g_ctype_state = 384, .g_gcroot = 424, .gcroot_count = 39,
    .cts_bytes = 464, .cts_sizeid = 192,
};
static const struct seep_luajit_heap of_early_2026 = {
    .thread_bytes = 96, .gg_bytes = 6272, .gg_jit = 840, .gg_dispatch = 4096, .dispatch_count = 243,
    .jit_tobit = 312, .g_vmthref = 280, .g_cur_L = 376, .g_ctype_state = 392, .g_gcroot = 432,
    .gcroot_count = 39, .cts_bytes = 464, .cts_sizeid = 192,
};
static const struct seep_luajit_heap of_2026 = {
    .thread_bytes = 96, .gg_bytes = 6384, .gg_jit = 840, .gg_dispatch = 4096, .dispatch_count = 257,
    .jit_tobit = 312, .g_vmthref = 280, .g_cur_L = 376, .g_ctype_state = 392, .g_gcroot = 432,
    .gcroot_count = 39, .cts_bytes = 464, .cts_sizeid = 192,
};

#define HEAP(release_text, layout_of, thread_size)                                                                    \
  {.family = "LuaJIT 2.1", .releases = release_text, .layout = &(layout_of),                                          \
   .global_link = (thread_size) - LJ_L_GLREF, .thread_global = LJ_L_GLREF, .global_main = LJ_G_MAIN, .thread_tag_at = LJ_O_TYPE, \
   .thread_tag = LJ_THREAD, .fits = fits, .read = read_heap}

const struct seep_heap_vm seep_luajit_heaps[] = {
    HEAP("2.1 of 2021 to 2023", of_2021, 96),
    HEAP("OpenResty's 2.1 of 2022 to 2024", of_openresty, 112),
    HEAP("2.1 of 2024 to 2025", of_2024, 96),
    HEAP("2.1 of 2026", of_2026, 96), /* before the one that has fewer instructions */
    HEAP("2.1 of early 2026", of_early_2026, 96),
};
const uint32_t seep_luajit_heap_count = SEEP_ARRAY_SIZE(seep_luajit_heaps);
