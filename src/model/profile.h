/* A capture as a person asks about it: rows with files, lines and functions,
 * merged as wanted, sorted, with totals.
 *
 * Model: one row per (stack, type) of a state is merged into the rows that the
 * caller asks for. Counters are sums, except peaks, which a merged row does not
 * have. A profile owns all its text; a stack is a list of frames, leaf first. */
#ifndef SEEP_PROFILE_H
#define SEEP_PROFILE_H

#include "model/estimate.h"
#include "model/mark.h"
#include "store/reader.h"
#include "vm/vm.h"

enum seep_by { SEEP_BY_ROW, SEEP_BY_LINE, SEEP_BY_FUNCTION, SEEP_BY_TYPE, SEEP_BY_STACK, SEEP_BY_STATE };
/* Rows of the hook modes are ranked by growth, or else by gains: they have nothing more. */
enum seep_sort { SEEP_SORT_LIVE, SEEP_SORT_SURVIVORS, SEEP_SORT_ALLOC, SEEP_SORT_GROWTH, SEEP_SORT_PEAK };

struct seep_profile_frame {
  const char *file;       /* as shown: "src/app.lua", "[C]", "[string \"…\"]"; valid UTF-8 */
  const char *source;     /* the chunk's name as the VM has it ("@src/app.lua"), "=[C]"; valid UTF-8 */
  const char *function;
  uint32_t line;
  uint32_t line_defined;
  uint32_t flags;         /* enum seep_frame_flags */
  uint32_t kind;          /* enum seep_function_kind */
};

/* Mode sample: how far the counters of a row are certain. */
struct seep_profile_estimates {
  struct seep_estimate live_bytes, live_count, alloc_bytes, alloc_count, survivor_bytes, survivor_count;
};

/* What a verdict asks about a row's past (SEEP_BY_STATE only). */
struct seep_profile_past {
  const uint64_t *survivor_bytes;  /* least around each moment of the state's history; NULL: never any */
  const uint64_t *newest_bytes;    /* the size of the newest block then, the largest of the parts; NULL likewise */
  uint64_t young_bytes[2];         /* live bytes born since the last end of an epoch; in the epoch before it */
  uint64_t first_alloc_bytes, last_alloc_bytes; /* the state's clock at those allocations, rounded down to 4096 */
};

struct seep_profile_row {
  const char *file;       /* of the innermost Lua frame; NULL: not the same in all parts */
  const char *function;   /* likewise */
  const char *source;     /* likewise */
  uint32_t line;
  int type;               /* enum seep_type, or -1: not the same in all parts */
  bool exact;
  bool truncated;         /* frames of the stack were left out */
  bool has_peak;
  bool has_blocks;        /* parts of it were recorded at the allocator */
  bool has_gains;         /* … by hooks */
  uint64_t peak_bytes;
  struct seep_counters counters;
  struct seep_profile_estimates *estimates;  /* NULL: the counters are exact */
  uint32_t state;         /* number of the state, with SEEP_BY_STATE */
  struct seep_profile_past past;
  uint32_t frame_count;   /* 0 when merged over stacks */
  const struct seep_profile_frame **frames;  /* leaf first, the mark of left-out frames not in it */
  uint64_t merge_key;     /* its identity: what seep_profile_key says of the capture's rows in it */
  /* Private to profile.c. */
  uint64_t stamp;
};

struct seep_profile_state {
  uint32_t number;
  char name[32];          /* "state 1" */
  char family[16], release[48];
  uint32_t opened_count;
  bool closed, released;
  bool lines_saved;    /* SEEP_STATE_LINES_SAVED */
  enum seep_mode mode;
  bool has_blocks, has_gains;
  struct seep_counters counters;
  struct seep_profile_estimates estimates;   /* mode sample */
  uint64_t sample_count;                     /* … blocks that were sampled */
  uint64_t peak_bytes, vm_bytes, vm_bytes_at_start, epochs, minor_collections, dropped;
  uint64_t clock_bytes;                /* allocated so far */
  double idle_share;                   /* of the processor time, after allocation had all but ended; 0: not known */
  struct seep_history history;         /* in order, whatever the file says */
  uint64_t *row_keys;                  /* seep_profile_key, by number of the row */
  uint32_t row_key_count;
};

struct seep_profile {
  char *command;          /* arguments joined by spaces, valid UTF-8 */
  const char *path;
  uint32_t pid;
  uint64_t started_wall_ns;
  double duration_s;
  bool sealed, complete, running, forked;
  bool is_difference;     /* since a mark: live and survivor numbers are int64_t */
  char problem[256];      /* why it is not complete, "" otherwise */
  uint32_t unrecorded_states;
  enum seep_mode mode;    /* of the first state */
  uint32_t interval;      /* mode sample: bytes between two samples, on average; mode count: VM instructions */
  uint32_t state_count;
  struct seep_profile_state *states;
  struct seep_profile_state totals;  /* sums; peak only when there is one state */
  enum seep_by by;
  uint32_t row_count;
  struct seep_profile_row *rows;
  void *owned;            /* everything else, private */
};

/* What to build. */
struct seep_profile_request {
  const struct seep_reader *reader;  /* must stay open as long as the profile */
  const char *path;                  /* kept by reference */
  enum seep_by by;
  enum seep_sort sort;
  const struct seep_mark *since;     /* NULL: from the start. Rows that have not changed are left out */
  const bool *only;                  /* NULL, or by row number whether it counts, */
  uint32_t only_state, only_count;   /* for this state: no other counts */
};

/* Builds the rows of a capture. Ends like seep_must_alloc when there is no
 * memory; what seep_profile_free frees is then in order. */
void seep_profile_build_request(const struct seep_profile_request *request, struct seep_profile *profile);

/* The whole of a capture. */
void seep_profile_build(const struct seep_reader *reader, const char *path, enum seep_by by,
                        enum seep_sort sort, struct seep_profile *profile);
void seep_profile_free(struct seep_profile *profile);

/* The merge_key of the profile's row that row `number` of the capture's state `state` (from 0) is in; 0: it is in none. */
uint64_t seep_profile_key(const struct seep_profile *profile, uint32_t state, uint32_t number);

/* "exact", "line", … */
const char *seep_profile_mode_name(enum seep_mode mode);

/* Whether a mode knows blocks: their types, what is live, what survives, peaks. */
bool seep_profile_knows_blocks(enum seep_mode mode);

#endif
