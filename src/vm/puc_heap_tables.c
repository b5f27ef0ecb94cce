/* Tables of PUC Lua: the array part, the nodes, and how the collector treats each entry. See puc_heap.h. */
#include "vm/puc_heap.h"

/* ltable.c luaH_realasize (5.4): if the size is not real, it is the next power of two. */
uint32_t seep_puc_array_slots(const struct seep_puc_heap *layout, const char *table) {
  uint32_t size = seep_at_u32(table, layout->t_sizearray);
  if (layout->t_unreal_size == 0 || (seep_at_u8(table, layout->t_unreal_size) & 0x80) == 0) return size;
  if (size == 0 || (size & (size - 1)) == 0 || size > 1u << 31) return size;
  return 1u << (32 - __builtin_clz(size));
}

/* ltable.h of 5.5: values from the last one down, a number, and their tags from the first one up; `array` points
 * between. Before, slots of 16 bytes. */
enum { HINT_BYTES = 4, VALUE_BYTES = 8 };

static uint64_t array_bytes(const struct seep_puc_heap *layout, uint32_t slots) {
  if (layout->version < 55) return (uint64_t)slots * SEEP_PUC_SLOT_BYTES;
  return slots == 0 ? 0 : (uint64_t)slots * (VALUE_BYTES + 1) + HINT_BYTES; /* ltable.c concretesize */
}

const char *seep_puc_array(struct seep_walk *walk, const char *table, uint32_t slots) {
  const struct seep_puc_heap *layout = walk->layout;
  uintptr_t array = seep_at_pointer(table, layout->t_array);
  if (layout->version >= 55) array -= (uintptr_t)slots * VALUE_BYTES;
  return slots == 0 ? NULL : seep_walk_view(walk, array, array_bytes(layout, slots), "a table's array");
}

struct seep_puc_value seep_puc_array_value(const struct seep_puc_heap *layout, const char *array, uint32_t slots,
                                           uint32_t at) {
  if (layout->version < 55) {
    const char *slot = array + (size_t)at * SEEP_PUC_SLOT_BYTES;
    return (struct seep_puc_value){.value = seep_at_pointer(slot, 0), .tag = (uint8_t)slot[8]};
  }
  const char *tags = array + (size_t)slots * VALUE_BYTES + HINT_BYTES;
  return (struct seep_puc_value){.value = seep_at_pointer(array, (size_t)(slots - 1 - at) * VALUE_BYTES),
                                 .tag = (uint8_t)tags[at]};
}

/* A table without entries shares one constant node: ltable.c isdummy() of 5.3 and later looks at `lastfree`; before
 * that the VM compares with the address of the constant, which lies where nothing is written. */
static bool is_dummy(struct seep_walk *walk, const struct seep_puc_heap *layout, const char *table) {
  if (layout->dummy_bit != 0) return (seep_at_u8(table, layout->t_flags) & layout->dummy_bit) != 0;
  if (layout->version == 54) return seep_at_pointer(table, layout->t_lastfree) == 0;
  if (seep_at_u8(table, layout->t_lsizenode) != 0) return false;
  const struct seep_segment *segment = walk->image->last;
  uintptr_t node = seep_at_pointer(table, layout->t_node);
  if (segment == NULL || node < segment->begin || node >= segment->end) segment = seep_image_segment(walk->image, node);
  return segment == NULL || (segment->access & SEEP_SEGMENT_WRITABLE) == 0;
}

const char *seep_puc_nodes(struct seep_walk *walk, const char *table, uint32_t *count) {
  const struct seep_puc_heap *layout = walk->layout;
  uint8_t log_size = seep_at_u8(table, layout->t_lsizenode);
  *count = 0;
  if (log_size > 30) {
    seep_walk_damage(walk, "a table with more nodes than any");
    return NULL;
  }
  if (is_dummy(walk, layout, table)) return NULL;
  const char *nodes = seep_walk_view(walk, seep_at_pointer(table, layout->t_node),
                                     ((size_t)1 << log_size) * layout->node_bytes, "a table's nodes");
  if (nodes != NULL) *count = 1u << log_size;
  return nodes;
}

/* -- Entries -------------------------------------------------------------------- */

static void take_value(const struct seep_puc_heap *layout, const char *slot, struct seep_table_entry *entry) {
  entry->value = seep_puc_object_in(layout, slot);
  entry->value_is_string = entry->value != 0 && seep_puc_type((uint8_t)slot[8]) == SEEP_PUC_STRING;
}

/* The bytes of a number: an integer (5.3: tag 0x13, 5.4: 3) or a double. */
static void take_number_key(struct seep_walk *walk, const struct seep_puc_heap *layout, const char *key, uint8_t tag,
                            struct seep_table_entry *entry) {
  bool is_integer = layout->version == 53 ? tag == 0x13 : layout->version >= 54 && tag == 0x03;
  if (is_integer) {
    seep_walk_integer_key(walk, (int64_t)seep_at_pointer(key, 0), entry);
  } else {
    double number;
    memcpy(&number, key, sizeof number);
    seep_walk_number_key(walk, number, entry);
  }
}

static void take_plain_key(struct seep_walk *walk, const struct seep_puc_heap *layout, const char *key, uint8_t tag,
                           struct seep_table_entry *entry) {
  switch (seep_puc_type(tag)) {
    case SEEP_PUC_BOOLEAN: {
      bool is_true = layout->version >= 54 ? tag == 0x11 : seep_at_u8(key, 0) != 0;
      seep_walk_text_key(walk, is_true ? "true" : "false", entry);
      break;
    }
    case SEEP_PUC_NUMBER: take_number_key(walk, layout, key, tag, entry); break;
    case SEEP_PUC_FUNCTION: seep_walk_pointer_key(walk, "function", seep_at_pointer(key, 0), entry); break;
    default: seep_walk_pointer_key(walk, "userdata", seep_at_pointer(key, 0), entry); break;
  }
}

static void read_node(struct seep_walk *walk, uint32_t number, struct seep_weakness weakness, const char *node) {
  const struct seep_puc_heap *layout = walk->layout;
  struct seep_table_entry entry = {0};
  const char *key = node + layout->n_key;
  uint8_t tag = seep_at_u8(node, layout->n_key_tag);
  take_value(layout, node, &entry);
  if (seep_puc_is_object(layout, tag)) {
    entry.key = seep_at_pointer(key, 0);
    entry.key_is_string = seep_puc_type(tag) == SEEP_PUC_STRING;
  } else if (entry.value != 0) {
    take_plain_key(walk, layout, key, tag, &entry);
  } else {
    return;
  }
  seep_walk_entry(walk, number, weakness, &entry);
}

static uint32_t read_nodes(struct seep_walk *walk, uint32_t number, struct seep_weakness weakness, const char *nodes,
                           uint32_t count) {
  const struct seep_puc_heap *layout = walk->layout;
  uint32_t used = 0;
  for (uint32_t i = 0; i < count; i++) {
    const char *node = nodes + (size_t)i * layout->node_bytes;
    if (seep_puc_type((uint8_t)node[8]) == SEEP_PUC_NIL) continue; /* an empty entry: its key is dead */
    read_node(walk, number, weakness, node);
    used++;
  }
  return used;
}

static uint32_t count_used_nodes(const struct seep_puc_heap *layout, const char *nodes, uint32_t count) {
  uint32_t used = 0;
  for (uint32_t i = 0; i < count; i++)
    used += seep_puc_type((uint8_t)nodes[(size_t)i * layout->node_bytes + 8]) != SEEP_PUC_NIL;
  return used;
}

static uint32_t count_used_slots(const struct seep_puc_heap *layout, const char *array, uint32_t slots) {
  uint32_t used = 0;
  for (uint32_t i = 0; i < slots; i++)
    used += seep_puc_type(seep_puc_array_value(layout, array, slots, i).tag) != SEEP_PUC_NIL;
  return used;
}

/* ltable.c sizehash of 5.5: 8 nodes and more have a pointer, `lastfree`, in front of them. */
static uint64_t hash_bytes(const struct seep_puc_heap *layout, uint32_t nodes) {
  enum { LEAST_WITH_LASTFREE = 8 };
  bool has_lastfree = layout->version >= 55 && nodes >= LEAST_WITH_LASTFREE;
  return (uint64_t)nodes * layout->node_bytes + (has_lastfree ? sizeof(uintptr_t) : 0);
}

static void read_array(struct seep_walk *walk, uint32_t number, struct seep_weakness weakness, const char *array,
                       uint32_t slots) {
  const struct seep_puc_heap *layout = walk->layout;
  for (uint32_t i = 0; i < slots; i++) {
    struct seep_puc_value value = seep_puc_array_value(layout, array, slots, i);
    if (!seep_puc_is_object(layout, value.tag) || value.value == 0) continue;
    struct seep_table_entry entry = {.kind = SEEP_EDGE_INDEX, .name = i + 1, .value = value.value,
                                     .value_is_string = seep_puc_type(value.tag) == SEEP_PUC_STRING};
    seep_walk_entry(walk, number, weakness, &entry);
  }
}

void seep_puc_read_table(struct seep_walk *walk, uintptr_t address, const char *table, uint8_t flags) {
  const struct seep_puc_heap *layout = walk->layout;
  uint32_t slots = seep_puc_array_slots(layout, table), node_count;
  const char *array = seep_puc_array(walk, table, slots);
  const char *nodes = seep_puc_nodes(walk, table, &node_count);
  if (array == NULL) slots = 0;
  uint64_t parts = array_bytes(layout, slots) + hash_bytes(layout, node_count);
  if (!seep_walk_claim(walk, layout->table_bytes + parts)) return;
  struct seep_graph_shape shape = {
      .array_capacity = slots, .array_used = count_used_slots(layout, array, slots),
      .hash_capacity = node_count, .hash_used = count_used_nodes(layout, nodes, node_count)};
  uint64_t slot_bytes = layout->version < 55 ? SEEP_PUC_SLOT_BYTES : VALUE_BYTES + 1;
  shape.slack_bytes = (uint64_t)(slots - shape.array_used) * slot_bytes +
                      (uint64_t)(node_count - shape.hash_used) * layout->node_bytes;
  uintptr_t metatable = seep_at_pointer(table, layout->t_metatable);
  struct seep_weakness weakness = {0};
  if (metatable != 0) {
    const struct seep_meta_facts *facts = seep_puc_meta(walk, metatable);
    weakness = (struct seep_weakness){.keys = facts->weak_keys, .values = facts->weak_values,
                                      .ephemeron = layout->version > 51};
    if (facts->weak_keys || facts->weak_values) flags |= SEEP_NODE_WEAK_TABLE;
  }
  uint32_t number = seep_walk_object(walk, address, SEEP_NODE_TABLE, layout->table_bytes + parts,
                                     walk->sink->shape(walk->sink, &shape), flags);
  seep_walk_part(walk, number, seep_at_pointer(table, layout->t_array), (uint64_t)slots * SEEP_PUC_SLOT_BYTES);
  seep_walk_part(walk, number, seep_at_pointer(table, layout->t_node), (uint64_t)node_count * layout->node_bytes);
  seep_walk_edge(walk, number, metatable, SEEP_EDGE_METATABLE, 0);
  read_array(walk, number, weakness, array, slots);
  read_nodes(walk, number, weakness, nodes, node_count);
}
