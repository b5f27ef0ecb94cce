/* Regions, shared granules and ageing. See block_table.h. */
#include "record/block_table.h"

#include "base/pages.h"

enum { FIRST_REGIONS = 64, AGE_SHARE = 128, AGE_SLOTS_MIN = 4096, AGE_SLOTS_SOME = 1024 };

/* -- Regions ----------------------------------------------------------------- */

static size_t region_slot(const struct seep_block_table *table, uintptr_t number) {
  size_t at = seep_mix64(number) & (table->region_capacity - 1);
  while (table->regions[at].slots != NULL && table->regions[at].number != number) {
    at = (at + 1) & (table->region_capacity - 1);
  }
  return at;
}

uint32_t *seep_block_table_find_region(struct seep_block_table *table, uintptr_t number) {
  if (table->region_capacity == 0) return NULL;
  struct seep_region *region = &table->regions[region_slot(table, number)];
  if (region->slots != NULL) table->cache[number % SEEP_REGION_CACHE] = *region;
  return region->slots;
}

static bool grow_regions(struct seep_block_table *table) {
  struct seep_region *old = table->regions;
  size_t old_capacity = table->region_capacity;
  size_t capacity = old_capacity == 0 ? FIRST_REGIONS : old_capacity * 2;
  struct seep_region *fresh = seep_pages_map(capacity * sizeof *fresh);
  if (fresh == NULL) return false;
  table->regions = fresh;
  table->region_capacity = capacity;
  for (size_t i = 0; i < old_capacity; i++) {
    if (old[i].slots != NULL) fresh[region_slot(table, old[i].number)] = old[i];
  }
  seep_pages_unmap(old, old_capacity * sizeof *old);
  return true;
}

uint32_t *seep_block_table_add_region(struct seep_block_table *table, uintptr_t number) {
  if (table->region_count * 2 >= table->region_capacity && !grow_regions(table)) return NULL;
  uint32_t *slots = seep_pages_map(SEEP_REGION_SLOTS * sizeof *slots);
  if (slots == NULL) return NULL;
  struct seep_region *region = &table->regions[region_slot(table, number)];
  *region = (struct seep_region){.number = number, .slots = slots};
  table->region_count++;
  table->cache[number % SEEP_REGION_CACHE] = *region;
  return slots;
}

/* -- Shared granules --------------------------------------------------------- */

static bool put_in_map(struct seep_block_table *table, uintptr_t address, struct seep_block block) {
  return seep_map_put(&table->shared, address, 0, block.row << 11 | block.tag);
}

bool seep_block_table_put_shared(struct seep_block_table *table, uintptr_t address,
                                 uint32_t *slot, struct seep_block block) {
  uint32_t value = *slot;
  if (value != SEEP_SLOT_SHARED && value != 0) {
    uintptr_t granule = address & ~(((uintptr_t)1 << SEEP_GRANULE_SHIFT) - 1);
    struct seep_block other = {.row = value >> 11, .tag = value & ((1 << SEEP_TAG_BITS) - 1)};
    if (!put_in_map(table, granule + (value >> SEEP_TAG_BITS & 3) * 8, other)) return false;
  }
  *slot = SEEP_SLOT_SHARED;
  return put_in_map(table, address, block);
}

struct seep_block seep_block_table_take_shared(struct seep_block_table *table, uintptr_t address) {
  uint32_t value = seep_map_take(&table->shared, address, 0);
  return (struct seep_block){.row = value >> 11, .tag = value & ((1 << SEEP_TAG_BITS) - 1)};
}

/* -- Ageing ------------------------------------------------------------------ */

static bool is_young(uint32_t tag, uint64_t epoch) {
  return tag == seep_tag_of_epoch(epoch) || (epoch > 0 && tag == seep_tag_of_epoch(epoch - 1));
}

static uint32_t aged(uint32_t value, uint64_t epoch) {
  uint32_t tag = value & ((1 << SEEP_TAG_BITS) - 1);
  return tag == 0 || is_young(tag, epoch) ? value : value - tag;
}

static void age_slots(uint32_t *slots, uint32_t count, uint64_t epoch) {
  for (uint32_t i = 0; i < count; i++) {
    if (slots[i] != 0 && slots[i] != SEEP_SLOT_SHARED) slots[i] = aged(slots[i], epoch);
  }
}

static void age_shared(struct seep_map *shared, uint64_t epoch) {
  for (size_t i = 0; i < shared->capacity; i++) {
    if (shared->entries[i].value != 0) {
      shared->entries[i].value = aged(shared->entries[i].value, epoch);
    }
  }
}

static void age(struct seep_block_table *table, uint64_t slots, uint64_t epoch) {
  for (size_t passed = 0; slots > 0 && passed <= table->region_capacity;) {
    struct seep_region *region = &table->regions[table->age_region];
    if (region->slots != NULL) {
      uint32_t left = SEEP_REGION_SLOTS - table->age_slot;
      uint32_t count = slots < left ? (uint32_t)slots : left;
      age_slots(region->slots + table->age_slot, count, epoch);
      table->age_slot += count;
      slots -= count;
      if (table->age_slot < SEEP_REGION_SLOTS) return;
    }
    table->age_slot = 0;
    table->age_region++;
    passed++;
    if (table->age_region == table->region_capacity) {
      table->age_region = 0;
      age_shared(&table->shared, epoch);
    }
  }
}

void seep_block_table_age(struct seep_block_table *table, uint64_t epoch) {
  if (table->region_capacity == 0) return;
  age(table, table->age_due, epoch);
  table->age_due = (uint64_t)table->region_count * SEEP_REGION_SLOTS / AGE_SHARE;
  if (table->age_due < AGE_SLOTS_MIN) table->age_due = AGE_SLOTS_MIN;
}

void seep_block_table_age_some(struct seep_block_table *table, uint64_t epoch) {
  uint64_t slots = table->age_due < AGE_SLOTS_SOME ? table->age_due : AGE_SLOTS_SOME;
  table->age_due -= slots;
  age(table, slots, epoch);
}

void seep_block_table_clear(struct seep_block_table *table) {
  for (size_t i = 0; i < table->region_capacity; i++) {
    seep_pages_unmap(table->regions[i].slots, SEEP_REGION_SLOTS * sizeof(uint32_t));
  }
  seep_pages_unmap(table->regions, table->region_capacity * sizeof *table->regions);
  seep_map_clear(&table->shared);
  *table = (struct seep_block_table){0};
}
