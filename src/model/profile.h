/* A capture as a person asks about it: rows with files, lines and functions,
 * merged as wanted, sorted, with totals.
 *
 * Model: one row per (stack, type) of a state is merged into the rows that the
 * caller asks for. Counters are sums, except peaks, which a merged row does not
 * have. A profile owns all its text; a stack is a list of frames, leaf first. */
#ifndef SEEP_PROFILE_H
#define SEEP_PROFILE_H

#include "model/estimate.h"
#include "store/reader.h"
#include "vm/vm.h"

enum seep_by { SEEP_BY_ROW, SEEP_BY_LINE, SEEP_BY_FUNCTION, SEEP_BY_TYPE, SEEP_BY_STACK, SEEP_BY_STATE };
enum seep_sort { SEEP_SORT_LIVE, SEEP_SORT_SURVIVORS, SEEP_SORT_ALLOC, SEEP_SORT_GROWTH, SEEP_SORT_PEAK };

struct seep_profile_frame {
  const char *file;       /* as shown: "src/app.lua", "[C]", "[string \"…\"]"; valid UTF-8 */
  const char *function;
  uint32_t line;
  uint32_t line_defined;
  uint32_t flags;         /* enum seep_frame_flags */
  uint32_t kind;          /* enum seep_function_kind */
};

struct seep_counters {
  uint64_t alloc_bytes, alloc_count, freed_bytes, freed_count, live_bytes, live_count;
  uint64_t survivor_bytes, survivor_count, temporary_count;
  int64_t growth_bytes;
};

/* Mode sample: how far the counters of a row are certain. */
struct seep_profile_estimates {
  struct seep_estimate live_bytes, live_count, alloc_bytes, alloc_count, survivor_bytes, survivor_count;
};

/* What a verdict asks about a row's past (SEEP_BY_STATE only). */
struct seep_profile_past {
  const uint64_t *survivor_bytes;  /* least around each moment of the state's history; NULL: never any */
  uint64_t young_bytes[2];         /* live bytes born since the last end of an epoch; in the epoch before it */
  uint64_t first_alloc_bytes, last_alloc_bytes; /* the state's clock at those allocations, rounded down to 4096 */
};

struct seep_profile_row {
  const char *file;       /* of the innermost Lua frame; NULL: not the same in all parts */
  const char *function;   /* likewise */
  uint32_t line;
  int type;               /* enum seep_type, or -1: not the same in all parts */
  bool exact;
  bool truncated;         /* frames of the stack were left out */
  bool has_peak;
  uint64_t peak_bytes;
  struct seep_counters counters;
  struct seep_profile_estimates *estimates;  /* NULL: the counters are exact */
  uint32_t state;         /* number of the state, with SEEP_BY_STATE */
  struct seep_profile_past past;
  uint32_t frame_count;   /* 0 when merged over stacks */
  const struct seep_profile_frame **frames;  /* leaf first, the mark of left-out frames not in it */
  /* How the key was made: private to profile.c. */
  uint64_t merge_key;
};

struct seep_profile_state {
  uint32_t number;
  char name[32];          /* "state 1" */
  char family[16], release[48];
  uint32_t opened_count;
  bool closed, released;
  bool lines_searched;    /* SEEP_STATE_LINES_SEARCHED */
  struct seep_counters counters;
  enum seep_mode mode;
  struct seep_profile_estimates estimates;   /* mode sample */
  uint64_t sample_count;                     /* … blocks that were sampled */
  uint64_t peak_bytes, vm_bytes, epochs, minor_collections, dropped;
  uint64_t clock_bytes;                /* allocated so far */
  double idle_share;                   /* of the processor time, after allocation had all but ended; 0: not known */
  struct seep_history history;         /* in order, whatever the file says */
};

struct seep_profile {
  char *command;          /* arguments joined by spaces, valid UTF-8 */
  const char *path;
  uint32_t pid;
  uint64_t started_wall_ns;
  double duration_s;
  bool sealed, complete, running, forked;
  enum seep_mode mode;
  uint32_t interval;      /* mode sample: bytes between two samples, on average */
  char problem[256];      /* why it is not complete, "" otherwise */
  uint32_t unrecorded_states;
  uint32_t state_count;
  struct seep_profile_state *states;
  struct seep_profile_state totals;  /* sums; peak only when there is one state */
  enum seep_by by;
  uint32_t row_count;
  struct seep_profile_row *rows;
  void *owned;            /* everything else, private */
};

/* Builds the rows of a capture. `path` is kept by reference. The reader must
 * stay open as long as the profile. Ends the program when there is no memory. */
void seep_profile_build(const struct seep_reader *reader, const char *path, enum seep_by by,
                        enum seep_sort sort, struct seep_profile *profile);
void seep_profile_free(struct seep_profile *profile);

#endif
