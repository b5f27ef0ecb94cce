/* What a change of the collector's word means. See epochs.h. */
#include "record/epochs.h"

#include "base/clock.h"
#include "record/series.h"

static void end_epoch(struct seep_recorder *recorder) {
  recorder->sweeping = false;
  if (recorder->sweeping_minor) {
    recorder->record->minor_count++;
    return;
  }
  struct seep_state_record *record = recorder->record;
  seep_history_note(&record->history, record->alloc_bytes, (uint32_t)record->epoch_count,
                    (uint32_t)record->minor_count);
  uint64_t epoch = ++record->epoch_count;
  recorder->tag_before = recorder->tag_now;
  recorder->tag_now = seep_tag_of_epoch(epoch);
  seep_block_table_age(&recorder->blocks, epoch);
  if (seep_recorder_on_epoch != NULL) seep_recorder_on_epoch();
}

/* lua_close is about to free everything: the rows keep what was held until now,
 * and the VM gets its own allocator back (LuaJIT then releases its arena in one
 * go). The program may have put another allocator in our place: then that stays. */
static void close_state(struct seep_recorder *recorder, uint64_t vm_bytes) {
  uintptr_t *allocator = (uintptr_t *)(recorder->vm_state.global + recorder->vm_state.vm->allocf);
  recorder->record->vm_bytes = vm_bytes;
  if (seep_recorder_on_close != NULL) seep_recorder_on_close(recorder);
  recorder->record->ended_cpu_ns = seep_clock_cpu_ns();
  recorder->phase = SEEP_PHASE_PASSIVE;
  if (*allocator == (uintptr_t)recorder->installed) *allocator = (uintptr_t)recorder->original;
  seep_block_table_clear(&recorder->blocks);
  seep_sampler_clear(&recorder->sampler);
  /* From here on another thread may use this recorder for a state of its own. */
  __atomic_store_n(&recorder->record->closed, SEEP_STATE_CLOSED, __ATOMIC_RELEASE);
}

/* Whether whole collections came and went since the last call: an even number of flips
 * leaves the word as it was, but the estimate is that of the last one. */
static bool was_missed(const struct seep_recorder *recorder, bool same_word, uint64_t estimate, uint8_t phase) {
  const struct seep_vm *vm = recorder->vm_state.vm;
  bool in_sweep = phase >= vm->sweep_first && phase <= vm->sweep_last;
  if (!same_word || estimate == recorder->estimate || in_sweep) return false;
  return phase < vm->sweep_first || !vm->finalizers_lower_estimate;
}

/* What a look at the collector finds, against the look before. */
struct look {
  bool in_sweep;
  bool flipped;   /* an atomic phase is over; a sweep that was going on is, too */
  bool finishes;  /* the sweep, that of a flip just now included */
  bool missed;    /* see was_missed */
};

static struct look look_at(const struct seep_recorder *recorder, uint64_t word, uint64_t estimate) {
  const struct seep_vm *vm = recorder->vm_state.vm;
  uint8_t phase = seep_vm_word_phase(word);
  struct look look = {.in_sweep = phase >= vm->sweep_first && phase <= vm->sweep_last,
                      .flipped = ((word ^ recorder->collector_word) & vm->white_bits) != 0};
  look.finishes = (recorder->sweeping || look.flipped) && !look.in_sweep;
  look.missed = !look.finishes && was_missed(recorder, word == recorder->collector_word, estimate, phase);
  return look;
}

/* The collector's word changed. A flip of the white means that an atomic phase
 * is over: everything (in a minor collection: everything young) was examined.
 * A major collection of generational mode sweeps as an incremental one, so the
 * kind tells while it sweeps; afterwards the estimate does, which only a major
 * one renews (5.2 and 5.4 lgc.c). False when lua_close has begun. */
bool seep_epochs_changed(struct seep_recorder *recorder, uint64_t word, uint64_t vm_bytes) {
  const struct seep_vm *vm = recorder->vm_state.vm;
  uint64_t estimate = seep_load_u64(NULL, recorder->vm_state.global + vm->estimate);
  if (recorder->collector_word == 0) { /* the first look at a newborn state */
    recorder->collector_word = word;
    recorder->estimate = estimate;
    return true;
  }
  struct look look = look_at(recorder, word, estimate);
  recorder->collector_word = word;
  if ((word & vm->closing_bits) == vm->closing_bits) {
    close_state(recorder, vm_bytes);
    return false;
  }
  if (look.flipped) {
    if (seep_recorder_on_flip != NULL) seep_recorder_on_flip(recorder);
    bool generational = vm->kind_generational != 0 && seep_vm_word_kind(word) == vm->kind_generational;
    if (recorder->sweeping) end_epoch(recorder);
    recorder->sweeping = true;
    recorder->sweeping_minor = generational && (look.in_sweep || estimate == recorder->estimate);
  }
  if (look.missed) recorder->sweeping_minor = false;
  if (look.finishes || look.missed) end_epoch(recorder);
  recorder->estimate = estimate;
  return true;
}

struct seep_collections seep_epochs_seen(const struct seep_recorder *recorder) {
  return (struct seep_collections){.ended = recorder->record->epoch_count + recorder->record->minor_count,
                                   .sweeping = recorder->sweeping};
}

struct seep_collections seep_epochs_to_be_seen(const struct seep_recorder *recorder) {
  struct seep_collections then = seep_epochs_seen(recorder);
  uint64_t word = seep_vm_collector_word(&recorder->vm_state);
  uint64_t estimate = seep_load_u64(NULL, recorder->vm_state.global + recorder->vm_state.vm->estimate);
  struct look look = look_at(recorder, word, estimate);
  then.ended += (uint64_t)(look.flipped && then.sweeping) + (look.finishes || look.missed);
  then.sweeping = (then.sweeping || look.flipped) && !look.finishes && !look.missed;
  return then;
}
