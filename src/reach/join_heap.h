/* Giving each object of a snapshot the line that allocated it, where its process is being recorded. */
#ifndef SEEP_JOIN_HEAP_H
#define SEEP_JOIN_HEAP_H

#include <sys/types.h>

#include "heap/snapshot.h"
#include "heap/graph.h"
#include "record/join.h"

/* Where the anchor of a recorder of this build stands in process `pid`, or 0: it is not recorded, or by another build.
 */
uintptr_t seep_join_find_anchor(struct seep_image *image, pid_t pid);

/* The row of an object that lies at `address`: its block may begin a little before it (a thread's does from 5.3 on). */
uint32_t seep_join_object_row(struct seep_join *join, uint64_t address, uint8_t kind);

/* The same for struct seep_image_reading, whose context is the join. */
uint32_t seep_join_row_of(void *join, uint64_t address, uint8_t kind);

/* Sets the sites of a graph and its parts from the rows of its nodes and the capture that `pid` maps (a copy that a fork made maps its
 * parent's), whose run and interval are then in *info. A capture that cannot be read leaves the graph as it is. */
void seep_join_graph(const struct seep_join *join, pid_t pid, const uint32_t *rows, struct seep_graph *graph,
                     struct seep_snapshot_info *info);

#endif
