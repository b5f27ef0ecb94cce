/* Snapshot files: graphs of the states of one process, on disk. The format is in
 * snapshot_format.h and doc/snapshot-format.md.
 *
 * Writing needs room for a chunk or two; reading maps the graphs. For the
 * command side: zstd and malloc. */
#ifndef SEEP_SNAPSHOT_H
#define SEEP_SNAPSHOT_H

#include "heap/graph.h"
#include "heap/snapshot_format.h"

struct seep_snapshot_info {
  uint32_t pid;
  uint32_t flags;           /* enum seep_snapshot_flags */
  uint64_t taken_wall_ns;
  uint64_t pause_ns;
  uint64_t run_id;
  uint32_t interval_bytes;  /* with SEEP_SNAPSHOT_SAMPLED: between two samples, on average; else 0 */
  uint32_t command_bytes;
  char command[2048];       /* arguments, each ended by a zero byte */
};

struct seep_snapshot {
  struct seep_snapshot_info info;
  uint32_t graph_count;     /* at least 1 */
  struct seep_graph *graphs;
};

/* Writes `path` with mode 0600, complete or not at all: what was there before stays when writing fails. At most
 * SEEP_SNAPSHOT_STATES_MAX graphs. */
enum seep_status seep_snapshot_write(const char *path, const struct seep_snapshot_info *info,
                                     const struct seep_graph *graphs, uint32_t graph_count, struct seep_error *error);

/* Reads a file, which may be hostile: everything in it is checked, and graphs keep the invariants of graph.h.
 * The message of an error has the offset. On success *out is to be freed. */
enum seep_status seep_snapshot_read(const char *path, struct seep_snapshot *out, struct seep_error *error);
void seep_snapshot_free(struct seep_snapshot *snapshot);

/* Whether the file begins like a snapshot. False also when it cannot be read. */
bool seep_snapshot_is_one(const char *path);

/* The recording that a snapshot belongs to, from its header alone, which is not checked; 0: none, or no snapshot. */
uint64_t seep_snapshot_run_id(const char *path);

#endif
