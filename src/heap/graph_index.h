/* From an object's address to its node, while a graph is built.
 *
 * Model: memory is cut into pages of 4 KiB and granules of 8 bytes. A page that
 * has objects keeps one bit per granule and how many objects come before; so an
 * address leads to a *rank*, and an array to the node. That is 100 bytes per
 * page of heap, so that the index stays in the processor's caches where a hash
 * table of the same heap would not. Odd addresses go to a hash map.
 * Private pages, no malloc; one thread. */
#ifndef SEEP_GRAPH_INDEX_H
#define SEEP_GRAPH_INDEX_H

#include "base/array.h"
#include "base/map.h"

enum { SEEP_INDEX_PAGE_SHIFT = 12, SEEP_INDEX_REGION_SHIFT = 22, SEEP_INDEX_CACHE = 1024 };

struct seep_index_page {
  uint64_t bits[8];    /* granules at which an object begins */
  uint16_t before[8];  /* objects of this page before that word */
  uint32_t first;      /* rank of the first one */
  uint32_t pad;
};

struct seep_graph_index {
  struct seep_map regions;         /* region number + 1 to its place in `tables`, + 1 */
  struct seep_array tables;        /* per region: uint32_t[1024], page + 1 or 0 */
  struct seep_array pages;
  struct seep_array nodes;         /* by rank: node + 1 */
  struct seep_map odd;             /* addresses that are no multiple of 8 */
  struct { uint64_t number; uint32_t table; } cache[SEEP_INDEX_CACHE];  /* table + 1 of a region; 0: empty */
};

/* Indexes nodes 0 to count - 1 by `addresses`; address 0 and those past 48 bits are left out, and of
 * equal addresses the first wins. False when there is no memory. To be freed in any case. */
bool seep_graph_index_build(struct seep_graph_index *index, const uint64_t *addresses, uint32_t count);
void seep_graph_index_free(struct seep_graph_index *index);

/* The node of the object that begins at `address`, or 0xffffffff. */
uint32_t seep_graph_index_find(struct seep_graph_index *index, uint64_t address);

/* Fetches ahead what a find of `address` will need: the first some finds before it, the second when the first
 * has had its time. */
void seep_graph_index_expect_page(struct seep_graph_index *index, uint64_t address);
void seep_graph_index_expect_node(struct seep_graph_index *index, uint64_t address);

#endif
