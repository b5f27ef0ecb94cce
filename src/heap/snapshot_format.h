/* The snapshot file, structure by structure. doc/snapshot-format.md says the
 * same byte by byte; change both together, and SEEP_SNAPSHOT_VERSION with them.
 *
 * A page of header, then chunks: 24 bytes of chunk header and one zstd frame of
 * at most 4 MiB of content. The chunks of one kind and state make a *column*: an
 * array of one property of all nodes or edges, as varints, so that like stands
 * beside like and compresses well. Columns come in the order of their kinds,
 * states one after another; the last chunk is END. */
#ifndef SEEP_SNAPSHOT_FORMAT_H
#define SEEP_SNAPSHOT_FORMAT_H

#include "base/base.h"

#define SEEP_SNAPSHOT_MAGIC "SEEPHEAP"

enum {
  SEEP_SNAPSHOT_VERSION = 1,
  SEEP_SNAPSHOT_BYTE_ORDER = 0x01020304,
  SEEP_SNAPSHOT_CHUNK_MAGIC = 0x4b4e4843, /* "CHNK" */
  SEEP_SNAPSHOT_HEADER_BYTES = 4096,
  SEEP_SNAPSHOT_CHUNK_RAW_MAX = 4 << 20,
  SEEP_SNAPSHOT_STATES_MAX = 1024,
};

enum seep_column {
  SEEP_COLUMN_META = 1,      /* one struct seep_snapshot_meta */
  SEEP_COLUMN_TEXTS,         /* bytes: the pool of texts */
  SEEP_COLUMN_SHAPES,        /* struct seep_graph_shape */
  SEEP_COLUMN_PLACES,        /* struct seep_graph_place */
  SEEP_COLUMN_LOCALS,        /* struct seep_graph_local */
  SEEP_COLUMN_LEDGER,        /* struct seep_graph_ledger */
  SEEP_COLUMN_SITES,         /* struct seep_graph_site */
  SEEP_COLUMN_KINDS,         /* a byte per node */
  SEEP_COLUMN_FLAGS,         /* a byte per node */
  SEEP_COLUMN_SIZES,         /* varint per node */
  SEEP_COLUMN_ADDRESSES,     /* signed varint per node: difference from the node before */
  SEEP_COLUMN_INFOS,         /* signed varint per node: difference from the last node of its kind */
  SEEP_COLUMN_NODE_SITES,    /* varint per node; empty when there are no sites */
  SEEP_COLUMN_EDGE_COUNTS,   /* varint per node */
  SEEP_COLUMN_EDGE_KINDS,    /* a byte per edge */
  SEEP_COLUMN_EDGE_TARGETS,  /* signed varint per edge: target minus the node it starts at */
  SEEP_COLUMN_EDGE_NAMES,    /* varint per edge: + 1 for FIELD and ENTRY (0: SEEP_NODE_NONE) */
  SEEP_COLUMN_PARTS,         /* struct seep_graph_part */
  SEEP_COLUMN_END,
};

enum seep_snapshot_flags {
  SEEP_SNAPSHOT_FROM_CORE = 1 << 0,  /* of a core file */
  SEEP_SNAPSHOT_FROM_FORK = 1 << 1,  /* of a copy that the process made of itself */
  SEEP_SNAPSHOT_SAMPLED = 1 << 2,    /* sites are known of sampled objects alone */
};

struct seep_snapshot_header {
  char magic[8];          /* SEEP_SNAPSHOT_MAGIC */
  uint32_t version;
  uint32_t byte_order;
  uint32_t checksum;      /* CRC-32 of these 4096 bytes with this field 0 */
  uint32_t flags;         /* enum seep_snapshot_flags */
  uint32_t pid;
  uint32_t state_count;
  uint64_t taken_wall_ns; /* since 1970 */
  uint64_t pause_ns;      /* how long the program stood still; 0 from a core */
  uint64_t run_id;        /* that of the capture that sites refer to, or 0 */
  uint32_t command_bytes; /* used of command */
  uint32_t interval_bytes;  /* of a sampling recording: bytes between two samples, on average; else 0 */
  char command[2048];     /* the arguments, each ended by a zero byte */
  char reserved[SEEP_SNAPSHOT_HEADER_BYTES - 2112];
};

struct seep_snapshot_chunk {
  uint32_t magic;         /* SEEP_SNAPSHOT_CHUNK_MAGIC */
  uint16_t column;        /* enum seep_column */
  uint16_t state;         /* index of the state */
  uint32_t checksum;      /* CRC-32 of this header with this field 0, then of the frame */
  uint32_t raw_bytes;     /* content of the frame */
  uint32_t packed_bytes;  /* the frame */
  uint32_t reserved;
};

struct seep_snapshot_meta {
  char name[32];
  char family[16];
  char release[48];
  uint64_t state_bytes;
  uint64_t dropped_edges;
  uint32_t node_count, edge_count;
  uint32_t globals, registry, main_thread, loaded;  /* nodes, or 0xffffffff */
};

_Static_assert(sizeof(struct seep_snapshot_header) == SEEP_SNAPSHOT_HEADER_BYTES, "the header is one page");
_Static_assert(sizeof(struct seep_snapshot_chunk) == 24, "doc/snapshot-format.md says 24");
_Static_assert(sizeof(struct seep_snapshot_meta) == 136, "doc/snapshot-format.md says 136");

#endif
