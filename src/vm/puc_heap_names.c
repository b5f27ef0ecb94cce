/* Names in the heap of PUC Lua: texts of strings, places of functions, what metatables and the registry say.
 * See puc_heap.h. */
#include "vm/puc_heap.h"

static const struct seep_puc_heap *layout_of(const struct seep_walk *walk) { return walk->layout; }

/* TString: the text stands behind the header, but a long string of 5.5 may have it elsewhere. A long string's tag has
 * the variant bit (5.3 and later, where a short one's length is a byte). */
static size_t length_of(const struct seep_puc_heap *layout, const char *string) {
  if (layout->ts_length != 0) return seep_at_pointer(string, layout->ts_length);
  if (seep_puc_is_long(string)) return seep_at_pointer(string, layout->ts_long_length);
  return seep_at_u8(string, layout->ts_short_length);
}

const char *seep_puc_string(struct seep_walk *walk, uintptr_t address, size_t *size_bytes) {
  const struct seep_puc_heap *layout = layout_of(walk);
  const char *string = seep_image_view(walk->image, address, layout->ts_size);
  *size_bytes = 0;
  if (string == NULL || seep_puc_type(seep_at_u8(string, SEEP_PUC_O_TT)) != SEEP_PUC_STRING) return NULL;
  size_t length = length_of(layout, string);
  if (length > SIZE_MAX / 2) return NULL;
  uintptr_t at = address + layout->ts_size;
  if (layout->ts_contents != 0 && seep_puc_is_long(string)) {
    const char *whole = seep_image_view(walk->image, address, layout->ts_contents + sizeof(uintptr_t));
    at = whole == NULL ? 0 : seep_at_pointer(whole, layout->ts_contents);
  }
  const char *text = seep_image_view(walk->image, at, length + 1);
  if (text != NULL) *size_bytes = length;
  return text;
}

uint32_t seep_puc_name(struct seep_walk *walk, uintptr_t string) {
  if (string == 0) return 0;
  struct seep_cached_number *slot = &walk->names[seep_cache_slot(string, SEEP_NAME_CACHE)];
  if (slot->address == string) return slot->number;
  size_t size;
  const char *text = seep_puc_string(walk, string, &size);
  uint32_t number = text == NULL ? 0 : walk->sink->name(walk->sink, text, size);
  *slot = (struct seep_cached_number){.address = string, .number = number};
  return number;
}

uint32_t seep_puc_place(struct seep_walk *walk, uintptr_t proto) {
  const struct seep_puc_heap *layout = layout_of(walk);
  struct seep_cached_number *slot = &walk->places[seep_cache_slot(proto, SEEP_PLACE_CACHE)];
  if (slot->address == proto) return slot->number;
  const char *bytes = seep_image_view(walk->image, proto, layout->proto_bytes);
  if (bytes == NULL || seep_at_u8(bytes, SEEP_PUC_O_TT) != layout->tag_proto) return 0;
  struct seep_graph_place place = {.line = seep_at_u32(bytes, layout->p_linedefined)};
  uintptr_t source = seep_at_pointer(bytes, layout->p_source);
  place.source = source == 0 ? seep_walk_text(walk, "=?") : seep_puc_name(walk, source);
  uint32_t number = walk->sink->place(walk->sink, &place);
  *slot = (struct seep_cached_number){.address = proto, .number = number};
  return number;
}

/* -- Metatables ------------------------------------------------------------------- */

static const char *view_table(struct seep_walk *walk, uintptr_t address) {
  const struct seep_puc_heap *layout = layout_of(walk);
  const char *table = seep_image_view(walk->image, address, layout->table_bytes);
  return table == NULL || seep_at_u8(table, SEEP_PUC_O_TT) != SEEP_PUC_TABLE ? NULL : table;
}

/* Whether a name is shown for the type: luaL_newmetatable's __name (5.3 and later). */
static void take_type_name(struct seep_walk *walk, const char *value, struct seep_meta_facts *facts) {
  if (seep_puc_type((uint8_t)value[8]) != SEEP_PUC_STRING) return;
  uint32_t name = seep_puc_name(walk, seep_at_pointer(value, 0));
  if (name != 0) facts->type_name = name;
}

/* lgc.c traversetable: a 'k' and a 'v' in the string __mode. */
static void take_mode(struct seep_walk *walk, const char *value, struct seep_meta_facts *facts) {
  size_t size;
  if (seep_puc_type((uint8_t)value[8]) != SEEP_PUC_STRING) return;
  const char *text = seep_puc_string(walk, seep_at_pointer(value, 0), &size);
  if (text == NULL) return;
  size = strnlen(text, size);
  facts->weak_keys = memchr(text, 'k', size) != NULL;
  facts->weak_values = memchr(text, 'v', size) != NULL;
}

static void take_meta_node(struct seep_walk *walk, uint8_t absent, const char *node, struct seep_meta_facts *facts) {
  const struct seep_puc_heap *layout = layout_of(walk);
  uint8_t tag = seep_at_u8(node, layout->n_key_tag);
  if (!seep_puc_is_object(layout, tag) || seep_puc_type(tag) != SEEP_PUC_STRING) return;
  if (seep_puc_type((uint8_t)node[8]) == SEEP_PUC_NIL) return;
  uintptr_t key = seep_at_pointer(node, layout->n_key);
  if (key == walk->mode_name) {
    if ((absent >> SEEP_PUC_TM_MODE & 1) == 0) take_mode(walk, node, facts);
  } else if (key == walk->gc_name) {
    facts->has_finalizer = (absent >> SEEP_PUC_TM_GC & 1) == 0;
  } else {
    size_t size;
    const char *text = seep_puc_string(walk, key, &size);
    if (text != NULL && size == 6 && memcmp(text, "__name", 6) == 0) take_type_name(walk, node, facts);
  }
}

/* Metatables are read whole, once as long as they stay in the cache; a set of many thousand entries that serves as
 * its own metatable would be looked at too often, so only its first nodes are. */
static void read_meta(struct seep_walk *walk, uintptr_t metatable, struct seep_meta_facts *facts) {
  enum { NODES_MAX = 65536 };
  const struct seep_puc_heap *layout = layout_of(walk);
  const char *table = view_table(walk, metatable);
  if (table == NULL) return;
  facts->type_name = seep_map_get(&walk->type_names, metatable, 0);
  uint32_t count;
  const char *nodes = seep_puc_nodes(walk, table, &count);
  uint8_t absent = seep_at_u8(table, layout->t_flags);
  for (uint32_t i = 0; i < count && i < NODES_MAX; i++) {
    take_meta_node(walk, absent, nodes + (size_t)i * layout->node_bytes, facts);
  }
}

const struct seep_meta_facts *seep_puc_meta(struct seep_walk *walk, uintptr_t metatable) {
  struct seep_meta_facts *facts = &walk->metas[seep_cache_slot(metatable, SEEP_META_CACHE)];
  if (facts->metatable != metatable) {
    *facts = (struct seep_meta_facts){.metatable = metatable};
    read_meta(walk, metatable, facts);
  }
  return facts;
}

/* -- The registry ------------------------------------------------------------------- */

/* luaL_newmetatable: registry[type name] = metatable; loadlib.c: registry._LOADED. */
static void take_registry_node(struct seep_walk *walk, const char *node) {
  const struct seep_puc_heap *layout = layout_of(walk);
  uint8_t tag = seep_at_u8(node, layout->n_key_tag);
  if (!seep_puc_is_object(layout, tag) || seep_puc_type(tag) != SEEP_PUC_STRING) return;
  if (!seep_puc_is_object(layout, (uint8_t)node[8]) || seep_puc_type((uint8_t)node[8]) != SEEP_PUC_TABLE) return;
  size_t size;
  const char *text = seep_puc_string(walk, seep_at_pointer(node, layout->n_key), &size);
  if (text == NULL) return;
  uintptr_t table = seep_at_pointer(node, 0);
  if (size == 7 && memcmp(text, "_LOADED", 7) == 0) {
    walk->found->loaded = table;
    return;
  }
  uint32_t name = walk->sink->name(walk->sink, text, size);
  if (name != 0) seep_map_put(&walk->type_names, table, 0, name);
}

/* lua.h: LUA_RIDX_GLOBALS is 2 (5.2 and later). */
static uintptr_t globals_of(struct seep_walk *walk, const char *table) {
  const struct seep_puc_heap *layout = layout_of(walk);
  uint32_t slots = seep_puc_array_slots(layout, table);
  const char *array = layout->version == 51 || slots < 2 ? NULL : seep_puc_array(walk, table, slots);
  if (array == NULL) return 0;
  struct seep_puc_value value = seep_puc_array_value(layout, array, slots, 1);
  return seep_puc_is_object(layout, value.tag) ? value.value : 0;
}

void seep_puc_read_registry(struct seep_walk *walk, uintptr_t registry) {
  enum { NODES_MAX = 1 << 20 };
  const struct seep_puc_heap *layout = layout_of(walk);
  const char *table = view_table(walk, registry);
  if (table == NULL) return;
  walk->found->registry = registry;
  uintptr_t globals = globals_of(walk, table);
  if (globals != 0) walk->found->globals = globals;
  uint32_t count;
  const char *nodes = seep_puc_nodes(walk, table, &count);
  for (uint32_t i = 0; i < count && i < NODES_MAX; i++) {
    take_registry_node(walk, nodes + (size_t)i * layout->node_bytes);
  }
}
