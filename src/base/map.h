/* A hash map from (64-bit key, 32-bit key) to a 32-bit value, in private pages.
 *
 * Open addressing with linear probing, at most three quarters full, doubled
 * when it is. Value 0 means "not there", so 0 cannot be stored. A removed
 * entry leaves no tombstone: its followers are moved up.
 * Not thread safe; may run inside an allocator (memory comes from pages.h). */
#ifndef SEEP_MAP_H
#define SEEP_MAP_H

#include "base/base.h"

struct seep_map_entry {
  uint64_t key;
  uint32_t subkey;
  uint32_t value;  /* 0: empty slot */
};

struct seep_map {
  struct seep_map_entry *entries;
  size_t capacity;  /* a power of two, or 0 before the first entry */
  size_t count;
};

/* The value under (key, subkey), or 0. */
uint32_t seep_map_get(const struct seep_map *map, uint64_t key, uint32_t subkey);

/* Stores a value other than 0, replacing what was there.
 * False when there is no memory: the map is then as it was. */
bool seep_map_put(struct seep_map *map, uint64_t key, uint32_t subkey, uint32_t value);

/* Takes an entry out and returns its value, or 0 when it was not there. */
uint32_t seep_map_take(struct seep_map *map, uint64_t key, uint32_t subkey);

/* Gives the pages back; the map is then empty and usable. */
void seep_map_clear(struct seep_map *map);

#endif
