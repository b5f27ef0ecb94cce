/* Quiet and loud calls. See sample_call.h. */
#include "record/sample_call.h"

#include "record/epochs.h"
#include "vm/native.h"

/* -- What is watched --------------------------------------------------------- */

/* Every call is loud. */
static void watch_nothing(struct seep_recorder *recorder) {
  static const uint64_t zero;
  recorder->watch = (struct seep_watch){.word = (uintptr_t)&zero, .mask = 0, .expected = 1};
}

/* Quiet calls may follow, unless a block's type is still to be told. */
static void watch_collector(struct seep_recorder *recorder) {
  const struct seep_vm_state *state = &recorder->vm_state;
  if (recorder->phase != SEEP_PHASE_RECORDING || recorder->pending.block != 0 || recorder->collector_word == 0) {
    watch_nothing(recorder);
    return;
  }
  recorder->watch = (struct seep_watch){.word = state->global + state->vm->white,
                                        .mask = state->vm->word_mask, .expected = recorder->collector_word};
}

/* -- Loud calls -------------------------------------------------------------- */

static void note_vm_bytes(struct seep_recorder *recorder, uint64_t vm_bytes) {
  struct seep_state_record *record = recorder->record;
  record->vm_bytes = vm_bytes;
  if (vm_bytes > record->peak_bytes) record->peak_bytes = vm_bytes;
}

/* The walk comes before the program's allocator, as in mode exact. */
static void *sample_alloc(struct seep_recorder *recorder, const uintptr_t *frame, void *ud, size_t type_tag,
                          size_t new_size) {
  struct seep_fresh fresh;
  seep_recorder_place_fresh(recorder, frame, type_tag, new_size, &fresh);
  void *result = recorder->original(ud, NULL, type_tag, new_size);
  seep_sampler_draw(&recorder->sampler);
  if (result == NULL) return NULL;
  note_vm_bytes(recorder, seep_vm_count_bytes(&recorder->vm_state) + new_size);
  if (recorder->vm_state.vm->types_in_osize) {
    uint32_t epoch = (uint32_t)recorder->record->epoch_count;
    seep_recorder_enter_sample(recorder, (uintptr_t)result, new_size, &fresh, epoch);
  } else {
    seep_recorder_pend_sample(recorder, (uintptr_t)result, new_size, &fresh);
  }
  return result;
}

/* A resize of a sampled block, or one that is sampled itself, or both. */
static void *sample_resize(struct seep_recorder *recorder, const uintptr_t *frame, void *ud, void *block,
                           size_t old_size, size_t new_size, bool sampled) {
  const struct seep_sample *known = seep_sampler_find(&recorder->sampler, (uintptr_t)block);
  struct seep_fresh fresh;
  if (sampled) seep_recorder_place_resize(recorder, frame, (uintptr_t)block, new_size, &fresh);
  void *result = recorder->original(ud, block, old_size, new_size);
  if (sampled) seep_sampler_draw(&recorder->sampler);
  if (result == NULL) return NULL;
  uint32_t birth = known != NULL ? known->epoch : (uint32_t)recorder->record->epoch_count;
  if (known != NULL) seep_recorder_remove_sample(recorder, known, old_size);
  if (sampled) {
    note_vm_bytes(recorder, seep_vm_count_bytes(&recorder->vm_state) + new_size - old_size);
    seep_recorder_enter_sample(recorder, (uintptr_t)result, new_size, &fresh, birth);
  }
  return result;
}

static void sample_free(struct seep_recorder *recorder, void *block, size_t old_size) {
  const struct seep_sample *known = seep_sampler_find(&recorder->sampler, (uintptr_t)block);
  if (known != NULL) seep_recorder_remove_sample(recorder, known, old_size);
  if (seep_sampler_unwatch(&recorder->sampler, (uintptr_t)block)) seep_recorder_code_freed(recorder);
}

static void *record_call(struct seep_recorder *recorder, const uintptr_t *frame, void *ud, void *block,
                         size_t old_size, size_t new_size, bool sampled) {
  seep_allocator *original = recorder->original;
  uint64_t vm_bytes = seep_vm_count_before(&recorder->vm_state, old_size, new_size);
  seep_recorder_note_clock(recorder);
  seep_recorder_settle_before(recorder, new_size == 0 ? (uintptr_t)block : 0);
  if (!seep_epochs_observe(recorder, vm_bytes)) return original(ud, block, old_size, new_size);
  note_vm_bytes(recorder, vm_bytes);
  if (new_size == 0) {
    sample_free(recorder, block, old_size);
    recorder->record->vm_bytes = vm_bytes - old_size;
    return original(ud, block, old_size, 0);
  }
  if (block != NULL) return sample_resize(recorder, frame, ud, block, old_size, new_size, sampled);
  return sampled ? sample_alloc(recorder, frame, ud, old_size, new_size) : original(ud, NULL, old_size, new_size);
}

/* It is jumped to, so that its frame is that of seep_sample_call; where a compiler
 * calls it instead, no native path is found, and lines that depend on one are marked. */
static SEEP_NOINLINE void *loud_call(void *ud, void *block, size_t old_size, size_t new_size,
                                     struct seep_recorder *recorder) {
  const uintptr_t *frame = SEEP_NATIVE_FRAME();
  if (*seep_recorder_alive == 0 && recorder->phase != SEEP_PHASE_PASSIVE) seep_recorder_on_fork();
  if (recorder->phase != SEEP_PHASE_RECORDING) {
    watch_nothing(recorder);
    if (recorder->phase != SEEP_PHASE_NEWBORN || block != NULL) {
      return recorder->original(ud, block, old_size, new_size);
    }
    return seep_recorder_birth(recorder, ud, old_size, new_size);
  }
  if (block == NULL && new_size == 0) return recorder->original(ud, NULL, old_size, 0);
  bool sampled = seep_sampler_pass(&recorder->sampler, new_size);
  void *result = record_call(recorder, frame, ud, block, old_size, new_size, sampled);
  watch_collector(recorder);
  return result;
}

/* -- Quiet calls ------------------------------------------------------------- */

void *seep_sample_call(void *ud, void *block, size_t old_size, size_t new_size, struct seep_recorder *recorder) {
  struct seep_sampler *sampler = &recorder->sampler;
  const struct seep_watch *watch = &recorder->watch;
  if (SEEP_UNLIKELY((seep_load_u64(NULL, watch->word) & watch->mask) != watch->expected)) goto loud;
  if (new_size == 0) {
    if (SEEP_UNLIKELY(seep_sampler_may_have(sampler, (uintptr_t)block))) goto loud;
  } else {
    int64_t left_bytes = sampler->left_bytes - (int64_t)new_size;
    if (block != NULL && SEEP_UNLIKELY(seep_sampler_may_have(sampler, (uintptr_t)block))) goto loud;
    if (SEEP_UNLIKELY(left_bytes < 0)) goto loud;
    sampler->left_bytes = left_bytes;
  }
  return recorder->original(ud, block, old_size, new_size);
loud:
  return loud_call(ud, block, old_size, new_size, recorder);
}

/* What is told of code by its address is good until it is freed: that free must be seen. */
static void watch_code(struct seep_sites *sites, uintptr_t function) {
  struct seep_recorder *recorder = (struct seep_recorder *)((char *)sites - offsetof(struct seep_recorder, sites));
  if (!seep_sampler_watch(&recorder->sampler, function)) recorder->is_code_unwatched = true;
}

/* -- Beginning --------------------------------------------------------------- */

bool seep_recorder_sample(struct seep_recorder *recorder, uint32_t interval_bytes, uint64_t seed) {
  watch_nothing(recorder);
  recorder->call = seep_sample_call;
  recorder->sites.on_code = watch_code;
  recorder->record->mode = SEEP_MODE_SAMPLE;
  return seep_sampler_init(&recorder->sampler, interval_bytes, seed);
}
