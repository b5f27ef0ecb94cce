/* Notes and the collections since. See remains_notes.h. */
#include "record/remains_notes.h"

#include "record/epochs.h"

struct seep_remains seep_remains_notes[SEEP_END_COUNT];
struct seep_closing seep_closing_note;

/* The collections of its state when a note was taken. */
static struct {
  struct seep_collections seen, to_be_seen;
} collections[SEEP_END_COUNT];

/* When the interpreter's call began: how the thread stood, and what the outermost frame had called last, as the walk's
 * arrays keep it (vm.h). */
static struct seep_call_begin begin;
static uint64_t key_before;

static uint64_t key_called(const struct seep_recorder *recorder) {
  return recorder->stack.kept_keys[SEEP_STACK_MAX - 2];
}

void seep_remains_begin(const struct seep_recorder *recorder) {
  const struct seep_vm_state *state = &recorder->vm_state;
  key_before = key_called(recorder);
  begin.stack = 0;
  if (state->vm->ops->take_begin != NULL) state->vm->ops->take_begin(state, &begin);
}

void seep_remains_note(const struct seep_recorder *recorder, enum seep_end end) {
  const struct seep_vm_ops *ops = recorder->vm_state.vm->ops;
  struct seep_remains *note = &seep_remains_notes[end];
  const struct seep_stack *last = key_called(recorder) == key_before ? NULL : &recorder->stack;
  if (end == SEEP_END_OF_STATE && seep_recorder_samples(recorder)) last = NULL; /* few calls walk */
  note->global = 0;
  if (!ops->take_remains(&recorder->vm_state, end == SEEP_END_OF_STATE, last, note)) note->global = 0;
  note->begin = begin;
  if (end == SEEP_END_OF_STATE) note->begin.stack = 0; /* a host's call */
  collections[end].seen = seep_epochs_seen(recorder);
  collections[end].to_be_seen = seep_epochs_to_be_seen(recorder);
}

/* No look at the collector since, or one that saw only what was there to be seen. */
static bool is_good(const struct seep_recorder *recorder, enum seep_end end) {
  struct seep_collections now = seep_epochs_seen(recorder), seen = collections[end].seen;
  struct seep_collections to_be_seen = collections[end].to_be_seen;
  if (now.ended == seen.ended && now.sweeping == seen.sweeping) return true;
  return now.ended == to_be_seen.ended && (!now.sweeping || to_be_seen.sweeping);
}

void seep_remains_check(const struct seep_recorder *recorder) {
  for (int end = 0; end < SEEP_END_COUNT; end++) {
    struct seep_remains *note = &seep_remains_notes[end];
    if (note->global == recorder->vm_state.global && !is_good(recorder, (enum seep_end)end)) note->global = 0;
  }
}
