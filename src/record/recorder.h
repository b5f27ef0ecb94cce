/* The recorder of one Lua state: it stands in the place of the state's
 * allocator, hands every call on unchanged, and counts.
 *
 * One call, in order: has the process been forked; has the collector moved on
 * (epochs.h); what type was the last block (5.1 and LuaJIT say it late); where
 * are we (walk, sites.h); the program's own allocator; the counters. The walk
 * comes before the allocator because the VM's pointers are only then all valid.
 *
 * Invariants: the program's allocator is called exactly once per call, with the
 * same arguments, and its result is returned; nothing here raises an error,
 * allocates from a heap or calls into the VM. The sum of live bytes over the
 * rows is state->live_bytes.
 * Thread rule: on the thread that runs the state, without a lock. */
#ifndef SEEP_RECORDER_H
#define SEEP_RECORDER_H

#include "record/block_table.h"
#include "record/rows.h"
#include "record/sampler.h"
#include "record/sites.h"

typedef void *seep_allocator(void *ud, void *block, size_t old_size, size_t new_size);

enum seep_phase {
  SEEP_PHASE_PASSIVE = 0,  /* hands calls on: never used, closed, sealed or switched off */
  SEEP_PHASE_NEWBORN,      /* the next call asks for the state itself */
  SEEP_PHASE_RECORDING,
  SEEP_PHASE_OBSERVED,     /* not a program's state: calibration learns paths (native.h) */
};

/* A block whose type will be known at the next call. Block 0: none. */
struct seep_pending {
  uintptr_t block;
  uint64_t size_bytes;
  uint64_t leaf_key;
  uint32_t node;
  uint32_t tag;           /* sampling: the epoch */
  uint32_t string_count;  /* seep_vm_string_count just after the allocation */
  bool is_place_saved;    /* a Lua function made it, at the saved pc as far as is known */
};

/* Running instructions that were found lately. */
struct seep_place_cache_entry {
  uint64_t leaf_key;      /* as saved */
  uintptr_t pc;           /* as read; 0: empty */
  uint64_t place;
  uint32_t path;          /* the number of the path on which it was read */
  uint32_t code_epoch;
};
enum { SEEP_PLACE_CACHE = 256 };

/* What an allocator call is about, as far as it tells which native path it comes by. */
enum seep_call_kind { SEEP_CALL_FRESH, SEEP_CALL_TABLE, SEEP_CALL_RESIZE, SEEP_CALL_FREE, SEEP_CALL_KINDS };

/* While this word is as expected, nothing but the next sample can have happened
 * (sample_call.h). */
struct seep_watch {
  uintptr_t word;  /* not aligned on every VM */
  uint64_t mask, expected;
};

/* A row, by its number and where it is. */
struct seep_row {
  uint32_t number;
  struct seep_row_record *record;
};

/* The row of a (node, type, flags) that was asked for lately. */
struct seep_row_cache_entry {
  uint64_t key;  /* the node in the upper half: 0 for an empty entry */
  struct seep_row row;
};
enum { SEEP_ROW_CACHE = 512 };

/* What can be told of a fresh block before it is there. */
struct seep_fresh {
  uint32_t node;
  enum seep_type type;  /* where the VM tells it then */
  uint64_t leaf_key;
};

struct seep_recorder;
typedef void *seep_recorder_call_function(void *ud, void *block, size_t old_size, size_t new_size,
                                          struct seep_recorder *recorder);

struct seep_recorder {
  /* What every call of the sampling mode reads: one cache line. */
  seep_recorder_call_function *call;  /* the allocator's work, by mode */
  seep_allocator *original;     /* the program's own */
  struct seep_watch watch;
  struct seep_sampler sampler;

  enum seep_phase phase;
  seep_allocator *installed;    /* ours, in its place */
  struct seep_vm_state vm_state;
  struct seep_capture *capture;
  struct seep_state_record *record;  /* NULL: in no capture */
  uint32_t state_index;         /* of the record in the capture */
  bool left;                    /* the state stopped recording, and is still in the capture */
  bool abandoned;               /* the state stopped recording, and is gone since */
  struct seep_sites sites;
  struct seep_table state_table, rows, series;
  struct seep_block_table blocks;
  struct seep_pending pending;
  uint32_t sites_max, rows_max;  /* constants; tests lower them */

  uint64_t collector_word, estimate;
  bool sweeping, sweeping_minor;
  bool is_code_unwatched;       /* sampling: there was no memory for it */
  uint32_t tag_now, tag_before;  /* of this epoch and the one before */

  uint64_t next_mark_bytes;      /* of the state's clock, for busy_cpu_ns */

  uint32_t last_node;
  struct seep_node_record *last_node_record;  /* NULL: not asked for yet */
  struct seep_leaf last_leaf;    /* where last_node was found; frame 0: not folded yet */
  uint64_t last_leaf_key;
  bool is_leaf_saved;            /* that place is what the VM has saved, not what a native path told */
  uint8_t parts_due;             /* seep_vm_parts_of the block that was made last, less those made since */
  uintptr_t unfinished;          /* that block, if parts_due is SEEP_PARTS_OF_UNFINISHED */
  const struct seep_native_path *likely_path[SEEP_CALL_KINDS];  /* the last one of its kind, or NULL */
  struct seep_stack stack;       /* of the last walk */
  struct seep_place_cache_entry place_cache[SEEP_PLACE_CACHE];
  struct seep_row_cache_entry row_cache[SEEP_ROW_CACHE];
  _Alignas(8) char vm_scratch[SEEP_VM_SCRATCH_BYTES];
};

/* Prepares a recorder and its tables in the capture. False when there is no
 * room. `vm` must outlive it. */
bool seep_recorder_init(struct seep_recorder *recorder, struct seep_capture *capture,
                        uint32_t state_index, const struct seep_vm *vm);

/* Begins with a state that exists: what it holds becomes the row "(before
 * recording)". The allocator is swapped by the caller. */
void seep_recorder_begin(struct seep_recorder *recorder, uintptr_t main_thread);

/* Begins with a state that has just been allocated as `block` and is still
 * being set up: nothing is missed. */
void seep_recorder_begin_newborn(struct seep_recorder *recorder, uintptr_t block);

/* The allocator's work in mode exact. `recorder` in any phase. */
seep_recorder_call_function seep_recorder_call;

/* Counts a fresh block that the program's allocator handed out before the
 * recorder stood in its place. */
void seep_recorder_note_buffer(struct seep_recorder *recorder, uintptr_t block, size_t size_bytes);

/* Counts what is still pending and takes the VM's count, so that the rows add up. */
void seep_recorder_settle(struct seep_recorder *recorder);

/* Whether live_bytes is the sum of the rows and what is pending: between two calls
 * always, in a copy that was taken while another thread counted not. */
bool seep_recorder_adds_up(const struct seep_recorder *recorder);

/* A closed state is no longer part of the program: what it held is freed. */
void seep_recorder_release(struct seep_recorder *recorder);

/* -- What mode sample does at its samples (sample_call.c) -- */

SEEP_ALWAYS_INLINE bool seep_recorder_samples(const struct seep_recorder *recorder) {
  return recorder->sampler.interval_bytes != 0;
}

/* Counts the pending block, if there is one. `freed_block` is what the call at
 * hand frees, or 0. */
void seep_recorder_settle_before(struct seep_recorder *recorder, uintptr_t freed_block);

/* Where a block is about to be allocated, or `block` to be resized: a walk,
 * before the program's allocator is called. `frame`: as native.h has it, of the
 * function that the thunk called. */
void seep_recorder_place_fresh(struct seep_recorder *recorder, const uintptr_t *frame, size_t type_tag,
                               size_t size_bytes, struct seep_fresh *out);
void seep_recorder_place_resize(struct seep_recorder *recorder, const uintptr_t *frame, uintptr_t block,
                                size_t size_bytes, struct seep_fresh *out);

/* Counts a sampled block, born in `epoch`, under a row of its stack, type and
 * size class: sizes stand for different numbers of blocks. Or keeps it until
 * its type can be told. */
void seep_recorder_enter_sample(struct seep_recorder *recorder, uintptr_t block, uint64_t size_bytes,
                                const struct seep_fresh *fresh, uint32_t epoch);
void seep_recorder_pend_sample(struct seep_recorder *recorder, uintptr_t block, uint64_t size_bytes,
                               const struct seep_fresh *fresh);

/* Sets the state's clock by what has passed the sampler. */
void seep_recorder_note_clock(struct seep_recorder *recorder);

/* A prototype was freed, or may have been: what was kept of code is void. */
void seep_recorder_code_freed(struct seep_recorder *recorder);

/* Counts a sampled block that goes. */
void seep_recorder_remove_sample(struct seep_recorder *recorder, const struct seep_sample *sample,
                                 uint64_t size_bytes);

/* The first call of a state: it asks for the state itself. */
void *seep_recorder_birth(struct seep_recorder *recorder, void *ud, size_t type_tag, size_t new_size);

/* The state stops recording: what is pending is counted, the rows keep what is
 * held, and the VM gets its own allocator back, unless the program put another
 * in our place. The thunk goes on handing calls to the program's allocator, for
 * whoever kept it. */
void seep_recorder_leave(struct seep_recorder *recorder);

/* Lets go of the capture and of all tables. The recorder can be prepared anew;
 * until then it hands calls on. Nobody may be in a call of it that counts. */
void seep_recorder_detach(struct seep_recorder *recorder);

/* The process woke up in a forked child: set by process.c, called before
 * anything is written. */
extern void (*seep_recorder_on_fork)(void);
/* An epoch of some state ended: the program goes on. May be NULL. */
extern void (*seep_recorder_on_epoch)(void);
/* A collection has marked, and is about to free what nothing holds: all of it is still there. May be NULL. */
extern void (*seep_recorder_on_flip)(struct seep_recorder *recorder);
/* lua_close has begun to end a state, which is still whole. May be NULL. */
extern void (*seep_recorder_on_close)(const struct seep_recorder *recorder);
/* In a page that a fork empties: 1 in the process that records. */
extern volatile uint32_t *seep_recorder_alive;

#endif
