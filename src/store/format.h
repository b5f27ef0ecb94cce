/* The capture file, structure by structure. doc/format.md says the same byte by
 * byte; change both together, and SEEP_FORMAT_VERSION with them.
 *
 * A capture is the recorder's live state: a header page, then *segments*, each
 * a 64-byte segment header and an array of equal records (or, for strings, of
 * bytes). Records of one kind and state are numbered through their segments in
 * order, from 0; record 0 of every table but states is not used, so that 0 can
 * mean "none". All numbers are little endian and naturally aligned. A file is
 * mapped while it is recorded, so every field is at any moment the truth or,
 * for an instant, half of a change. Sealing adds checksums. */
#ifndef SEEP_FORMAT_H
#define SEEP_FORMAT_H

#include "base/base.h"

#define SEEP_FORMAT_MAGIC "SEEPCAP\n"
#define SEEP_SEAL_MAGIC "SEALED.\n"

enum {
  SEEP_FORMAT_VERSION = 2,
  SEEP_BYTE_ORDER_MARK = 0x01020304,
  SEEP_SEGMENT_MAGIC = 0x474d4753, /* "SGMG" */
  SEEP_HEADER_BYTES = 4096,
  SEEP_MOMENTS_MAX = 32,
  SEEP_CLOCK_UNIT_BYTES = 4096,
  SEEP_STATES_MAX = 1024,
};

/* What a segment holds. */
enum seep_segment_kind {
  SEEP_SEGMENT_STATE = 1,     /* one struct seep_state_record */
  SEEP_SEGMENT_STRINGS,       /* bytes; a string is a 32-bit length and its bytes, padded to 4 */
  SEEP_SEGMENT_FUNCTIONS,
  SEEP_SEGMENT_FRAMES,
  SEEP_SEGMENT_NODES,
  SEEP_SEGMENT_ROWS,
  SEEP_SEGMENT_SERIES,
  SEEP_SEGMENT_KIND_COUNT
};

/* How a state is recorded. The last three are the hook modes (record/hooks.h):
 * their rows are struct seep_hook_row_record. */
enum seep_mode {
  SEEP_MODE_EXACT = 1,
  SEEP_MODE_SAMPLE,           /* one allocation in so many bytes */
  SEEP_MODE_LINE,
  SEEP_MODE_CALL,
  SEEP_MODE_COUNT,
};

enum seep_file_flags {
  SEEP_FILE_INCOMPLETE = 1 << 0,  /* something could not be recorded: see problem */
  SEEP_FILE_FORKED = 1 << 1,      /* started as a copy of the parent's */
};

struct seep_file_header {
  char magic[8];               /* SEEP_FORMAT_MAGIC */
  uint32_t version;            /* SEEP_FORMAT_VERSION */
  uint32_t byte_order;         /* SEEP_BYTE_ORDER_MARK */
  char seal[8];                /* SEEP_SEAL_MAGIC once sealed, else zeros */
  uint32_t checksum;           /* CRC-32 of this page with this field 0, once sealed */
  uint32_t flags;              /* enum seep_file_flags */
  uint64_t size_bytes;         /* of the file */
  uint64_t run_id;             /* equal in all captures of one `seepline run` */
  uint64_t started_wall_ns;
  uint64_t started_monotonic_ns;
  uint64_t ended_monotonic_ns; /* 0 until sealed */
  uint32_t pid, parent_pid;
  uint32_t segment_count;
  uint32_t state_count;
  uint32_t mode;               /* enum seep_mode */
  uint32_t unrecorded_states;  /* Lua states seen but not recorded: see problem */
  char problem[256];           /* why something is missing, "" if nothing is */
  uint32_t command_bytes;      /* used of command */
  uint32_t interval;           /* mode sample: bytes between two samples, on average; mode count: VM instructions; else 0 */
  char command[2048];          /* the arguments, each ended by a zero byte */
  uint64_t freeze_ns;          /* how long the program stood for its frozen copy */
  uint32_t frozen_pid;         /* of the copy, for `seepline run` to read; 0: none */
  uint32_t freeze_error;       /* error number, when there is none */
  char reserved[SEEP_HEADER_BYTES - 2424];
};

struct seep_segment_header {
  uint32_t magic;              /* SEEP_SEGMENT_MAGIC */
  uint32_t kind;               /* enum seep_segment_kind */
  uint32_t state;              /* index of the state it belongs to */
  uint32_t checksum;           /* CRC-32 of the segment with this field 0, once sealed */
  uint64_t size_bytes;         /* with this header; a multiple of 4096 */
  uint64_t offset;             /* of this header in the file */
  uint32_t record_bytes;
  uint32_t first_record;       /* number of the first record in here */
  uint32_t record_capacity;
  uint32_t reserved[5];
};

/* An end of an epoch at which the survivors of rows are kept. */
struct seep_moment {
  uint64_t alloc_bytes;        /* the state's clock then */
  uint64_t born_bytes;         /* … and at the end before: every survivor was born until then */
  uint32_t epoch;              /* that ended: its number from 0 */
  uint32_t minor_count;        /* minor collections until then */
};

/* Which ends of epochs those are: at first all, and when there are too many, some
 * that lie about spacing_bytes of the clock apart. */
struct seep_history {
  uint32_t count;
  uint32_t generation;         /* how often moments were taken out */
  uint64_t spacing_bytes;
  uint64_t ended_bytes[2];     /* the clock at the last end of an epoch, and at the one before */
  struct seep_moment moments[SEEP_MOMENTS_MAX];
};

/* One Lua state, or several that were opened and closed one after another and
 * share an entry (opened_count). */
struct seep_state_record {
  char family[16];             /* "Lua 5.4" */
  char release[48];            /* "Lua 5.4.4" */
  uint32_t number;             /* 1 for the first of the process */
  uint32_t opened_count;
  uint32_t closed;             /* enum seep_closed */
  uint32_t string_bytes;       /* used of each table */
  uint32_t function_count, frame_count, node_count, row_count, series_count;
  uint32_t site_count;         /* nodes that have rows */
  uint64_t dropped_count;      /* allocations charged to their leaf line alone */
  uint64_t live_bytes;         /* sum over the rows, and the peak of that sum */
  uint64_t peak_bytes;
  uint64_t vm_bytes;           /* the VM's own count after the last call */
  uint64_t vm_bytes_at_start;
  uint64_t epoch_count;
  uint64_t minor_count;
  uint32_t before_row;         /* the row "(before recording)", or 0 */
  uint32_t unrecorded_row;     /* takes what finds no room in the tables, or 0 */
  /* The last allocation while its type is not known yet (5.1, LuaJIT). */
  uint64_t pending_bytes;
  uint32_t pending_node;
  uint32_t mode;               /* enum seep_mode */
  uint64_t alloc_bytes;        /* by all allocations so far: the state's clock */
  uint64_t busy_cpu_ns;        /* processor time when the clock had come to about its last 64th, */
  uint64_t ended_cpu_ns;       /* and when the state was closed or the capture sealed; 0 until then */
  uint32_t flags;              /* enum seep_state_flags */
  uint32_t pad;
  struct seep_history history;
};

/* Lines of instructions that do not save their pc were searched in the code, not
 * read from the VM's registers (vm/native.h): some are marked as inexact. */
enum seep_state_flags { SEEP_STATE_LINES_SAVED = 1 << 0 };

/* A state that lua_close ends is frozen with what it held just before; once the
 * program goes on with other states, it is released: what it held is freed. */
enum seep_closed { SEEP_STATE_OPEN = 0, SEEP_STATE_CLOSED, SEEP_STATE_RELEASED };

enum seep_function_kind { SEEP_FUNCTION_LUA = 1, SEEP_FUNCTION_MAIN, SEEP_FUNCTION_C, SEEP_FUNCTION_MARK };

struct seep_function_record {
  uint32_t source;             /* string: chunk name with its @ or =; 0 for C */
  uint32_t name;               /* string, 0: unknown; of a C function without one, its address */
  uint32_t line_defined, line_last;
  uint32_t kind;               /* enum seep_function_kind */
  uint32_t code_count;         /* instructions: tells functions on the same lines apart; 0: C, or not known */
  uint32_t called;             /* string: what the first call that was seen names it, or package.loaded; 0: nothing */
  uint32_t called_as;          /* enum seep_called */
};

enum seep_frame_flags {
  SEEP_FRAME_TAIL = 1 << 0,
  SEEP_FRAME_COROUTINE = 1 << 1,  /* resumed what stands above it */
  SEEP_FRAME_TRUNCATED = 1 << 2,  /* stands for frames left out */
};

struct seep_frame_record {
  uint32_t function;
  uint32_t line;
  uint32_t flags;              /* enum seep_frame_flags */
  uint32_t reserved;
};

/* The tree of call stacks: a node is a stack; its parent is the stack without
 * its innermost frame. A parent's number is smaller than its children's. */
struct seep_node_record {
  uint32_t parent;             /* 0: none, this is an outermost frame */
  uint32_t frame;              /* 0: the empty stack */
  uint32_t first_row;          /* rows of this stack, linked by next_row; 0: none */
  uint32_t depth;
  uint64_t freed_here_bytes;   /* by calls made while at this stack, whoever made the blocks */
};

/* In mode sample the upper bits hold the size class of the row's blocks (sampler.h),
 * and the counters are those of the sampled blocks alone. */
enum seep_row_flags { SEEP_ROW_INEXACT = 1 << 0, SEEP_ROW_SIZE_SHIFT = 4 };

/* The counters of one (stack, type). Live is alloc minus freed. Survivors are
 * live minus young, once young is shifted up to the current epoch (model/). */
struct seep_row_record {
  uint32_t node;
  uint32_t next_row;
  uint16_t type;               /* enum seep_type */
  uint16_t flags;              /* enum seep_row_flags */
  uint32_t series;             /* record in the series table, or 0 */
  uint64_t alloc_bytes, alloc_count;
  uint64_t freed_bytes, freed_count;
  uint64_t peak_bytes;
  uint64_t temporary_count;
  /* Live blocks born in epoch `epoch` ([0]) and in the one before ([1]). */
  uint64_t young_bytes[2];
  uint32_t young_count[2];
  uint32_t epoch;              /* of the state, when the row was last touched */
  /* The clock at its last and at its first allocation, in units of SEEP_CLOCK_UNIT_BYTES. */
  uint32_t last_alloc, first_alloc;
  uint32_t newest_bytes;       /* the size of the last block, at most UINT32_MAX */
};

/* A row of a hook mode, in the place of the above: how the VM's count changed
 * between events while at one stack. There is one row per stack. */
struct seep_hook_row_record {
  uint32_t node;
  uint32_t next_row;           /* 0 */
  uint16_t type;               /* SEEP_TYPE_OTHER: not known */
  uint16_t flags;              /* enum seep_row_flags */
  uint32_t series;             /* 0 */
  uint64_t gain_bytes, gain_count;  /* intervals in which the count rose, and by how much */
  uint64_t loss_bytes, loss_count;  /* … in which it fell: a collection freed more than was allocated */
  uint64_t sample_count;       /* mode count */
  uint64_t reserved[6];
};

#define SEEP_NO_FLOOR UINT64_MAX

/* The survivor bytes of a row at moments of its state, the least that there were at an
 * end of an epoch since the moment before, and the size of its newest block then. */
struct seep_series_record {
  uint32_t count;
  uint32_t generation;         /* of the history that the points follow */
  uint64_t floor_bytes;        /* least since the last point, or SEEP_NO_FLOOR */
  uint32_t epochs[SEEP_MOMENTS_MAX];  /* of the moments */
  uint64_t survivor_bytes[SEEP_MOMENTS_MAX];
  uint32_t newest_bytes[SEEP_MOMENTS_MAX];
};

_Static_assert(sizeof(struct seep_file_header) == SEEP_HEADER_BYTES, "the header is one page");
_Static_assert(sizeof(struct seep_segment_header) == 64, "doc/format.md says 64");
_Static_assert(sizeof(struct seep_state_record) == 1016, "doc/format.md says 1016");
_Static_assert(sizeof(struct seep_history) == 800, "doc/format.md says 800");
_Static_assert(sizeof(struct seep_function_record) == 32, "doc/format.md says 32");
_Static_assert(sizeof(struct seep_frame_record) == 16, "doc/format.md says 16");
_Static_assert(sizeof(struct seep_node_record) == 24, "doc/format.md says 24");
_Static_assert(sizeof(struct seep_row_record) == 104, "doc/format.md says 104");
_Static_assert(sizeof(struct seep_hook_row_record) == sizeof(struct seep_row_record), "one table holds either");
_Static_assert(offsetof(struct seep_hook_row_record, gain_bytes) == offsetof(struct seep_row_record, alloc_bytes),
               "what stands before the counters is the same");
_Static_assert(sizeof(struct seep_series_record) == 528, "doc/format.md says 528");

#endif
