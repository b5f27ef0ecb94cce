/* Addresses to nodes by rank in a bitmap. See graph_index.h. */
#include "heap/graph_index.h"

#include <string.h>

enum {
  REGION_PAGES = 1 << (SEEP_INDEX_REGION_SHIFT - SEEP_INDEX_PAGE_SHIFT),
  TABLE_BYTES = REGION_PAGES * sizeof(uint32_t),
};
#define NOT_FOUND 0xffffffffu

static uint32_t *table_of(struct seep_graph_index *index, uint32_t table) {
  return (uint32_t *)((char *)index->tables.items + (size_t)table * TABLE_BYTES);
}

/* The page table of a region, or NULL. */
static uint32_t *find_table(struct seep_graph_index *index, uint64_t region) {
  size_t slot = region % SEEP_INDEX_CACHE;
  if (index->cache[slot].number != region || index->cache[slot].table == 0) {
    uint32_t table = seep_map_get(&index->regions, region + 1, 0);
    if (table == 0) return NULL;
    index->cache[slot].number = region;
    index->cache[slot].table = table;
  }
  return table_of(index, index->cache[slot].table - 1);
}

static uint32_t *add_table(struct seep_graph_index *index, uint64_t region) {
  uint32_t *table = seep_array_push(&index->tables, TABLE_BYTES);
  if (table == NULL || !seep_map_put(&index->regions, region + 1, 0, (uint32_t)index->tables.count)) return NULL;
  return table;
}

static struct seep_index_page *find_page(struct seep_graph_index *index, uint64_t address) {
  uint32_t *table = find_table(index, address >> SEEP_INDEX_REGION_SHIFT);
  if (table == NULL) return NULL;
  uint32_t page = table[address >> SEEP_INDEX_PAGE_SHIFT & (REGION_PAGES - 1)];
  return page == 0 ? NULL : (struct seep_index_page *)index->pages.items + (page - 1);
}

static struct seep_index_page *find_or_add_page(struct seep_graph_index *index, uint64_t address) {
  uint32_t *table = find_table(index, address >> SEEP_INDEX_REGION_SHIFT);
  if (table == NULL) table = add_table(index, address >> SEEP_INDEX_REGION_SHIFT);
  if (table == NULL) return NULL;
  uint32_t *page = &table[address >> SEEP_INDEX_PAGE_SHIFT & (REGION_PAGES - 1)];
  if (*page == 0) {
    if (seep_array_push(&index->pages, sizeof(struct seep_index_page)) == NULL) return NULL;
    *page = (uint32_t)index->pages.count;
  }
  return (struct seep_index_page *)index->pages.items + (*page - 1);
}

/* Without the processor's own instruction, which not every x86-64 has. */
static uint32_t count_bits(uint64_t x) {
  x -= x >> 1 & 0x5555555555555555ULL;
  x = (x & 0x3333333333333333ULL) + (x >> 2 & 0x3333333333333333ULL);
  x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
  return (uint32_t)(x * 0x0101010101010101ULL >> 56);
}

static bool is_indexed(uint64_t address) { return address != 0 && address >> 48 == 0; }

static bool add_address(struct seep_graph_index *index, uint64_t address, uint32_t node) {
  if (!is_indexed(address)) return true;
  if ((address & 7) != 0) {
    return seep_map_get(&index->odd, address, 0) != 0 || seep_map_put(&index->odd, address, 0, node + 1);
  }
  struct seep_index_page *page = find_or_add_page(index, address);
  if (page == NULL) return false;
  page->bits[address >> 9 & 7] |= 1ULL << (address >> 3 & 63);
  return true;
}

/* Counts what comes before each word and page; returns how many there are in all. */
static uint32_t count_ranks(struct seep_graph_index *index) {
  struct seep_index_page *pages = index->pages.items;
  uint32_t rank = 0;
  for (size_t i = 0; i < index->pages.count; i++) {
    uint16_t before = 0;
    for (int word = 0; word < 8; word++) {
      pages[i].before[word] = before;
      before = (uint16_t)(before + count_bits(pages[i].bits[word]));
    }
    pages[i].first = rank;
    rank += before;
  }
  return rank;
}

/* Where in `nodes` the object at `address` stands, or NOT_FOUND. */
static uint32_t rank_of(struct seep_graph_index *index, uint64_t address) {
  struct seep_index_page *page = find_page(index, address);
  if (page == NULL) return NOT_FOUND;
  uint32_t word = address >> 9 & 7, bit = address >> 3 & 63;
  if ((page->bits[word] >> bit & 1) == 0) return NOT_FOUND;
  return page->first + page->before[word] + count_bits(page->bits[word] & ((1ULL << bit) - 1));
}

bool seep_graph_index_build(struct seep_graph_index *index, const uint64_t *addresses, uint32_t count) {
  memset(index, 0, sizeof *index);
  for (uint32_t node = 0; node < count; node++) {
    if (!add_address(index, addresses[node], node)) return false;
  }
  uint32_t ranks = count_ranks(index);
  if (!seep_array_reserve(&index->nodes, ranks, sizeof(uint32_t))) return false;
  index->nodes.count = ranks;
  uint32_t *nodes = index->nodes.items;
  for (uint32_t node = 0; node < count; node++) {
    uint64_t address = addresses[node];
    if (!is_indexed(address) || (address & 7) != 0) continue;
    uint32_t rank = rank_of(index, address);
    if (nodes[rank] == 0) nodes[rank] = node + 1;
  }
  return true;
}

void seep_graph_index_expect_page(struct seep_graph_index *index, uint64_t address) {
  if (!is_indexed(address)) return;
  const struct seep_index_page *page = find_page(index, address);
  if (page == NULL) return;
  __builtin_prefetch(&page->bits[address >> 9 & 7]);
  __builtin_prefetch(&page->first);
}

void seep_graph_index_expect_node(struct seep_graph_index *index, uint64_t address) {
  uint32_t rank = is_indexed(address) && (address & 7) == 0 ? rank_of(index, address) : NOT_FOUND;
  if (rank != NOT_FOUND) __builtin_prefetch((const uint32_t *)index->nodes.items + rank);
}

uint32_t seep_graph_index_find(struct seep_graph_index *index, uint64_t address) {
  if (!is_indexed(address)) return NOT_FOUND;
  if ((address & 7) != 0) return seep_map_get(&index->odd, address, 0) - 1;
  uint32_t rank = rank_of(index, address);
  return rank == NOT_FOUND ? NOT_FOUND : ((const uint32_t *)index->nodes.items)[rank] - 1;
}

void seep_graph_index_free(struct seep_graph_index *index) {
  seep_map_clear(&index->regions);
  seep_map_clear(&index->odd);
  seep_array_free(&index->tables);
  seep_array_free(&index->pages);
  seep_array_free(&index->nodes);
}
