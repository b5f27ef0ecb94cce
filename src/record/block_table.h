/* Which row a live block belongs to, by its address.
 *
 * Model: memory is cut into granules of 32 bytes and regions of 4 MiB. A region
 * has an array with one 32-bit slot per granule, so neighbours in memory are
 * neighbours in the table and a sweep walks it in order. A slot packs the row
 * (21 bits), where in the granule the block begins (2 bits, in units of 8) and
 * an *age tag* (9 bits): 0 for blocks that are survivors already, else the
 * epoch of birth modulo 510, plus 1. malloc and LuaJIT's allocator never put
 * two blocks into one granule; where another allocator does, or uses odd
 * addresses, the slot says SHARED and the blocks are in a hash map.
 *
 * Invariant: a tag is cleared before its number comes round again; that is what
 * seep_block_table_age does, a little at every end of an epoch.
 * One table per Lua state, used by the thread that runs it. May run inside an
 * allocator; memory comes from pages.h. */
#ifndef SEEP_BLOCK_TABLE_H
#define SEEP_BLOCK_TABLE_H

#include "base/map.h"

enum {
  SEEP_GRANULE_SHIFT = 5,
  SEEP_REGION_SHIFT = 22,
  SEEP_REGION_SLOTS = 1 << (SEEP_REGION_SHIFT - SEEP_GRANULE_SHIFT),
  SEEP_REGION_CACHE = 64,
  SEEP_TAG_BITS = 9,
  SEEP_TAG_CYCLE = 510,
  SEEP_TAG_NONE = 511,  /* no block has it */
  SEEP_BLOCK_ROWS_MAX = (1 << 21) - 2,
};

#define SEEP_SLOT_SHARED 0xffffffffu

struct seep_region {
  uintptr_t number;   /* address >> SEEP_REGION_SHIFT */
  uint32_t *slots;    /* NULL: free entry */
};

struct seep_block_table {
  struct seep_region cache[SEEP_REGION_CACHE];
  struct seep_region *regions;  /* open addressing */
  size_t region_capacity, region_count;
  struct seep_map shared;       /* blocks that share a granule: address to row and tag */
  size_t age_region;            /* where the next ageing goes on */
  uint32_t age_slot;
  uint64_t age_due;             /* slots still to be looked at before the next end of an epoch */
};

/* What is known of a block. Row 0: nothing. */
struct seep_block {
  uint32_t row;
  uint32_t tag;
};

SEEP_ALWAYS_INLINE uint32_t seep_tag_of_epoch(uint64_t epoch) {
  return (uint32_t)(epoch % SEEP_TAG_CYCLE) + 1;
}

/* The slots of an address's region, or NULL. The second adds the region. */
uint32_t *seep_block_table_find_region(struct seep_block_table *table, uintptr_t number);
uint32_t *seep_block_table_add_region(struct seep_block_table *table, uintptr_t number);

bool seep_block_table_put_shared(struct seep_block_table *table, uintptr_t address,
                                 uint32_t *slot, struct seep_block block);
struct seep_block seep_block_table_take_shared(struct seep_block_table *table, uintptr_t address);

SEEP_ALWAYS_INLINE uint32_t *seep_block_table_region(struct seep_block_table *table,
                                                     uintptr_t address) {
  uintptr_t number = address >> SEEP_REGION_SHIFT;
  struct seep_region *cached = &table->cache[number % SEEP_REGION_CACHE];
  if (SEEP_LIKELY(cached->number == number)) return cached->slots; /* an empty entry: no block is at so low an address */
  return seep_block_table_find_region(table, number);
}

SEEP_ALWAYS_INLINE uint32_t *seep_block_table_slot(uint32_t *region, uintptr_t address) {
  return &region[(address >> SEEP_GRANULE_SHIFT) & (SEEP_REGION_SLOTS - 1)];
}

/* Enters a block. False when there is no memory: the block is then unknown. */
SEEP_ALWAYS_INLINE bool seep_block_table_put(struct seep_block_table *table, uintptr_t address,
                                             struct seep_block block) {
  uint32_t *region = seep_block_table_region(table, address);
  if (SEEP_UNLIKELY(region == NULL)) {
    region = seep_block_table_add_region(table, address >> SEEP_REGION_SHIFT);
    if (region == NULL) return false;
  }
  uint32_t *slot = seep_block_table_slot(region, address);
  if (SEEP_UNLIKELY(*slot != 0 || (address & 7) != 0)) {
    return seep_block_table_put_shared(table, address, slot, block);
  }
  *slot = block.row << 11 | (uint32_t)(address & 0x18) << (SEEP_TAG_BITS - 3) | block.tag;
  return true;
}

/* Takes a block out; row 0 when it was never entered. */
SEEP_ALWAYS_INLINE struct seep_block seep_block_table_take(struct seep_block_table *table,
                                                           uintptr_t address) {
  uint32_t *region = seep_block_table_region(table, address);
  if (SEEP_UNLIKELY(region == NULL)) return (struct seep_block){0};
  uint32_t *slot = seep_block_table_slot(region, address);
  uint32_t value = *slot;
  if (SEEP_UNLIKELY(value == SEEP_SLOT_SHARED)) return seep_block_table_take_shared(table, address);
  if ((value >> (SEEP_TAG_BITS - 3) & 0x18) != (address & 0x1f)) return (struct seep_block){0};
  *slot = 0;
  return (struct seep_block){.row = value >> 11, .tag = value & ((1 << SEEP_TAG_BITS) - 1)};
}

/* The row of a block that stays entered; 0 when it is unknown or shares a granule. */
SEEP_ALWAYS_INLINE uint32_t seep_block_table_peek_row(struct seep_block_table *table,
                                                      uintptr_t address) {
  uint32_t *region = seep_block_table_region(table, address);
  uint32_t value = region == NULL ? 0 : *seep_block_table_slot(region, address);
  return value == SEEP_SLOT_SHARED ? 0 : value >> 11;
}

/* Clears the tags of blocks that are survivors at `epoch`, in one 128th of the
 * table for each epoch. The first is called at every end of an epoch, and does
 * what is left of the last share; the second does a thousand slots of it (less
 * than a microsecond), and is called now and then in between, so that the ends of
 * epochs are no pauses. */
void seep_block_table_age(struct seep_block_table *table, uint64_t epoch);
void seep_block_table_age_some(struct seep_block_table *table, uint64_t epoch);

/* Gives everything back; the table is then empty. */
void seep_block_table_clear(struct seep_block_table *table);

#endif
