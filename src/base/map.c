/* Open-addressing hash map in private pages. See map.h. */
#include "base/map.h"

#include "base/pages.h"

enum { FIRST_CAPACITY = 256 };

static size_t home_slot(const struct seep_map *map, uint64_t key, uint32_t subkey) {
  return seep_mix64(key ^ ((uint64_t)subkey << 40)) & (map->capacity - 1);
}

/* The slot that holds the key, or the empty slot where it belongs. */
static size_t find_slot(const struct seep_map *map, uint64_t key, uint32_t subkey) {
  size_t slot = home_slot(map, key, subkey);
  while (map->entries[slot].value != 0 &&
         (map->entries[slot].key != key || map->entries[slot].subkey != subkey)) {
    slot = (slot + 1) & (map->capacity - 1);
  }
  return slot;
}

static bool grow(struct seep_map *map) {
  struct seep_map old = *map;
  size_t capacity = old.capacity == 0 ? FIRST_CAPACITY : old.capacity * 2;
  struct seep_map_entry *entries = seep_pages_map(capacity * sizeof *entries);
  if (entries == NULL) return false;
  map->entries = entries;
  map->capacity = capacity;
  for (size_t i = 0; i < old.capacity; i++) {
    struct seep_map_entry entry = old.entries[i];
    if (entry.value != 0) map->entries[find_slot(map, entry.key, entry.subkey)] = entry;
  }
  seep_pages_unmap(old.entries, old.capacity * sizeof *old.entries);
  return true;
}

uint32_t seep_map_get(const struct seep_map *map, uint64_t key, uint32_t subkey) {
  if (map->capacity == 0) return 0;
  return map->entries[find_slot(map, key, subkey)].value;
}

bool seep_map_put(struct seep_map *map, uint64_t key, uint32_t subkey, uint32_t value) {
  if (map->count * 4 >= map->capacity * 3 && !grow(map)) return false;
  struct seep_map_entry *entry = &map->entries[find_slot(map, key, subkey)];
  if (entry->value == 0) map->count++;
  *entry = (struct seep_map_entry){.key = key, .subkey = subkey, .value = value};
  return true;
}

/* Moves entries behind a hole up, so that every entry stays reachable from
 * its home slot without passing an empty one. */
static void close_hole(struct seep_map *map, size_t hole) {
  size_t mask = map->capacity - 1;
  for (size_t slot = (hole + 1) & mask; map->entries[slot].value != 0; slot = (slot + 1) & mask) {
    size_t home = home_slot(map, map->entries[slot].key, map->entries[slot].subkey);
    if (((slot - home) & mask) >= ((slot - hole) & mask)) {
      map->entries[hole] = map->entries[slot];
      map->entries[slot].value = 0;
      hole = slot;
    }
  }
}

uint32_t seep_map_take(struct seep_map *map, uint64_t key, uint32_t subkey) {
  if (map->capacity == 0) return 0;
  size_t slot = find_slot(map, key, subkey);
  uint32_t value = map->entries[slot].value;
  if (value == 0) return 0;
  map->entries[slot].value = 0;
  map->count--;
  close_hole(map, slot);
  return value;
}

void seep_map_clear(struct seep_map *map) {
  seep_pages_unmap(map->entries, map->capacity * sizeof *map->entries);
  *map = (struct seep_map){0};
}
