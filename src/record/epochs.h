/* Epochs, as an allocator call can see them: ends of collections that examined every
 * object, and the end of the state.
 *
 * Model: the collector's word (white, phase, kind) and its estimate are compared with
 * those of the call before. A flip of the white says that an atomic phase is over; the
 * epoch ends when the sweep after it does. Whole collections between two calls leave
 * the word as it was, but renew the estimate. A minor collection of generational mode
 * ends no epoch.
 *
 * Invariant: recorder->collector_word and estimate are those of the last look.
 * Runs inside the allocator, on the state's thread. */
#ifndef SEEP_EPOCHS_H
#define SEEP_EPOCHS_H

#include "record/recorder.h"

/* What observe calls when the word or the estimate is another than at the last look. */
SEEP_NOINLINE bool seep_epochs_changed(struct seep_recorder *recorder, uint64_t word, uint64_t vm_bytes);

/* Whether the collector is as it was at the last look. */
SEEP_ALWAYS_INLINE bool seep_epochs_rest(const struct seep_recorder *recorder) {
  uint64_t word = seep_vm_collector_word(&recorder->vm_state);
  uint64_t estimate = seep_load_u64(NULL, recorder->vm_state.global + recorder->vm_state.vm->estimate);
  return word == recorder->collector_word && estimate == recorder->estimate;
}

/* The collections that have ended, minor ones included, and whether one sweeps: as the last look has it, or as the next
 * one will, from what the collector says now. May be called from a signal handler. */
struct seep_collections {
  uint64_t ended;
  bool sweeping;
};
struct seep_collections seep_epochs_seen(const struct seep_recorder *recorder);
struct seep_collections seep_epochs_to_be_seen(const struct seep_recorder *recorder);

/* Looks at the collector; `vm_bytes` is the VM's count before the call at hand.
 * False when lua_close has begun: the recorder is no longer this state's. */
SEEP_ALWAYS_INLINE bool seep_epochs_observe(struct seep_recorder *recorder, uint64_t vm_bytes) {
  if (SEEP_LIKELY(seep_epochs_rest(recorder))) return true;
  return seep_epochs_changed(recorder, seep_vm_collector_word(&recorder->vm_state), vm_bytes);
}

#endif
