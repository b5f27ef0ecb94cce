/* One capture per process. See process.h. */
#define _GNU_SOURCE
#include "record/process.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pages.h"
#include "record/frozen.h"
#include "record/hook_states.h"
#include "record/sample_call.h"
#include "record/join.h"
#include "record/thunks.h"
#include "store/capture_path.h"
#include "vm/native.h"

enum { OWNER_CACHE = 16, FREEZES_MAX = 8, ENDS_KEPT_MAX = 8 };

static struct {
  pthread_mutex_t lock;
  struct seep_settings settings;
  bool watched;              /* forks are noticed: it was begun once */
  bool recording, created;
  uint32_t begun;            /* recordings with the default name, begun by states */
  struct seep_capture capture;
  uint32_t recorder_count;
  pid_t pid;                 /* of the process that records here: a vfork shares our memory */
  bool fork_held;            /* the capture is held across a fork that is under way */
  bool fork_threaded;        /* other threads ran at the fork */
  bool fork_torn;            /* and counted while the copy was made */
  void *fork_copy;           /* the capture as it was at the fork, for the child */
  size_t fork_copy_bytes;
  struct seep_frozen frozen; /* the heap at the end, if this was the end */
  uint32_t freezes;          /* at closed states */
  uintptr_t chunk_ended_of;  /* the global state whose chunk has ended, since when none has begun; 0: none */
  struct {
    void *capture;           /* a copy, or NULL */
    size_t capture_bytes;
    uint64_t at_ns;
    uint32_t count;          /* of all that were kept */
    bool is_of_closed;       /* its state was closed right after it */
  } end;                     /* as the chunk left it (keep_end) */
} process = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* -- The capture ------------------------------------------------------------- */

static enum seep_status create_capture(struct seep_error *error) {
  const struct seep_settings *settings = &process.settings;
  enum seep_status status = seep_capture_create(&process.capture, settings->path, error);
  if (status == SEEP_E_USAGE) { /* another process of this run came first */
    char path[PATH_MAX];
    seep_capture_path_numbered(settings->path, (uint32_t)getpid(), path, sizeof path);
    status = seep_capture_create(&process.capture, path, error);
  }
  process.recording = process.created = status == SEEP_OK;
  if (status != SEEP_OK) return status;
  struct seep_file_header *header = process.capture.header;
  header->run_id = settings->run_id;
  header->mode = settings->mode;
  header->interval = settings->interval;
  header->command_bytes = settings->command_bytes;
  memcpy(header->command, settings->command, sizeof header->command);
  return SEEP_OK;
}

/* Under the lock: there is a capture to record into. */
static bool ready(void) {
  if (process.recording && !process.created) create_capture(NULL);
  return process.recording;
}

/* -- Builds ------------------------------------------------------------------ */

enum seep_status seep_process_calibrate(const struct seep_lua_api *api, struct seep_vm *vm,
                                        struct seep_error *error) {
  enum seep_status status = seep_calibrate(api, vm, error);
  if (status == SEEP_OK) seep_native_learn(api, vm, seep_thunk_observed());
  return status;
}

/* -- The heap at the end ------------------------------------------------------- */

/* The first process of a run, while it records blocks. (A forked child writes a file
 * of another name.) */
static bool is_to_be_frozen(void) {
  const struct seep_settings *settings = &process.settings;
  return settings->heap_keeper != 0 && settings->mode <= SEEP_MODE_SAMPLE && process.recording && process.created &&
         getpid() == process.pid && strcmp(process.capture.path, settings->path) == 0;
}

static bool records_other_than(const struct seep_recorder *one) {
  for (uint32_t i = 0; i < process.recorder_count; i++) {
    if (seep_thunk_recorders[i] != one && seep_thunk_recorders[i]->phase == SEEP_PHASE_RECORDING) return true;
  }
  return false;
}

/* The only recorder that records, or NULL. */
static const struct seep_recorder *only_recorder(void) {
  const struct seep_recorder *first = process.recorder_count == 0 ? NULL : seep_thunk_recorders[0];
  return first == NULL || first->phase != SEEP_PHASE_RECORDING || records_other_than(first) ? NULL : first;
}

/* Under the lock. */
static void drop_end(void) {
  if (process.end.capture != NULL) seep_pages_unmap(process.end.capture, process.end.capture_bytes);
  process.end.capture = NULL;
  process.end.is_of_closed = false;
  process.chunk_ended_of = 0;
}

void seep_process_note_begin(void) {
  process.chunk_ended_of = 0;
  if (!process.recording || pthread_mutex_trylock(&process.lock) != 0) return;
  const struct seep_recorder *recorder = only_recorder();
  if (recorder != NULL) seep_remains_begin(recorder);
  pthread_mutex_unlock(&process.lock);
}

void seep_process_note_end(const struct seep_recorder *recorder, enum seep_end end) {
  int saved_errno = errno;
  if (!process.recording || pthread_mutex_trylock(&process.lock) != 0) return;
  if (end == SEEP_END_OF_CHUNK) {
    recorder = only_recorder();
    drop_end();
    if (recorder != NULL) process.chunk_ended_of = recorder->vm_state.global;
  }
  if (recorder != NULL && is_to_be_frozen()) seep_remains_note(recorder, end);
  pthread_mutex_unlock(&process.lock);
  errno = saved_errno;
}

/* Under the lock. */
static void freeze(void) {
  struct seep_file_header *header = process.capture.header;
  if (!is_to_be_frozen()) return;
  seep_frozen_drop(&process.frozen);
  for (uint32_t i = 0; i < process.recorder_count; i++) {
    if (seep_thunk_recorders[i]->phase == SEEP_PHASE_RECORDING) seep_remains_check(seep_thunk_recorders[i]);
  }
  seep_frozen_make(process.settings.heap_keeper, &process.frozen);
  header->freeze_ns = process.frozen.pause_ns;
  header->freeze_error = (uint32_t)process.frozen.failure;
  header->frozen_pid = (uint32_t)process.frozen.pid;
}

/* An interpreter can collect between the end of its chunk and that of its state: 5.1, 5.2 and LuaJIT do so when the
 * chunk has failed, and finalizers may. What the chunk's variables held is gone then, which is what the user asks for. So the
 * capture and the heap are kept as they are before anything is freed, and are the end, unless another chunk begins. */
static void keep_end(struct seep_recorder *recorder) {
  int saved_errno = errno;
  if (process.chunk_ended_of != recorder->vm_state.global || process.chunk_ended_of == 0) return;
  pthread_mutex_lock(&process.lock);
  if (process.end.capture == NULL && process.end.count < ENDS_KEPT_MAX && only_recorder() == recorder) {
    process.end.count++;
    seep_recorder_settle(recorder);
    freeze();
    process.end.capture = seep_capture_copy(&process.capture, &process.end.capture_bytes);
    process.end.at_ns = seep_clock_monotonic_ns();
  }
  pthread_mutex_unlock(&process.lock);
  errno = saved_errno;
}

/* Whether the end that was kept is that of a state. (A frozen copy does not wait for ever.) */
static bool is_end_kept(const struct seep_recorder *recorder) {
  enum { SECONDS_MAX = 30 };
  return process.end.capture != NULL && process.chunk_ended_of == recorder->vm_state.global &&
         seep_clock_monotonic_ns() - process.end.at_ns < SECONDS_MAX * 1000000000ULL;
}

/* Where nobody said that the state is about to be closed: what the call has left that lua_close came from, as os.exit can,
 * or behind which it came, if nothing has been allocated or freed since. */
static void note_what_ended(const struct seep_recorder *recorder) {
  bool is_noted = seep_remains_notes[SEEP_END_OF_STATE].global == recorder->vm_state.global;
  bool is_untouched = !seep_recorder_samples(recorder) && recorder->stack.count > 0;
  if (process.chunk_ended_of == 0 && !is_noted && is_untouched) seep_remains_note(recorder, SEEP_END_OF_STATE);
}

/* The heap of a state that is closed. What the VM keeps in registers goes into this frame, which is above the next one. */
static SEEP_NOINLINE void freeze_closing(const struct seep_recorder *recorder) {
  volatile uintptr_t here = 0;
  __builtin_unwind_init();
  seep_closing_note = (struct seep_closing){.global = recorder->vm_state.global, .c_stack = (uintptr_t)&here,
                                            .state_bytes = recorder->record->vm_bytes};
  freeze();
  seep_closing_note.global = 0;
}

/* The last state that is open may be the last one at all. A program that closes states
 * again and again is not copied each time. */
static void on_close(const struct seep_recorder *recorder) {
  pthread_mutex_lock(&process.lock);
  if (is_end_kept(recorder)) {
    process.end.is_of_closed = true;
  } else if (!records_other_than(recorder) && process.freezes++ < FREEZES_MAX) {
    if (is_to_be_frozen()) note_what_ended(recorder);
    drop_end();
    freeze_closing(recorder);
  }
  pthread_mutex_unlock(&process.lock);
}

/* Under the lock: a state is opened, so that was not the end. */
static void thaw(void) {
  drop_end();
  if (process.frozen.pid == 0 || getpid() != process.pid) return;
  process.capture.header->frozen_pid = 0;
  seep_frozen_drop(&process.frozen);
}

/* -- States ------------------------------------------------------------------ */

/* In the capture, and its lua_close was seen. */
static bool is_closed(const struct seep_recorder *recorder) {
  return recorder->record != NULL &&
         __atomic_load_n(&recorder->record->closed, __ATOMIC_ACQUIRE) == SEEP_STATE_CLOSED;
}

/* In the capture, and nothing has ended its part in it. */
static bool is_member(const struct seep_recorder *recorder) {
  return recorder->record != NULL && !recorder->left &&
         __atomic_load_n(&recorder->record->closed, __ATOMIC_ACQUIRE) == SEEP_STATE_OPEN;
}

static void release_closed_states(void) {
  for (uint32_t i = 0; i < process.recorder_count; i++) {
    if (is_closed(seep_thunk_recorders[i])) seep_recorder_release(seep_thunk_recorders[i]);
  }
}

/* A recorder whose state is gone and whose tables fit the new one. A module
 * that kept the thunk of the old state must still reach the same allocator. */
static struct seep_recorder *find_reusable(const struct seep_vm *vm, seep_allocator *original) {
  for (uint32_t i = 0; i < process.recorder_count; i++) {
    struct seep_recorder *recorder = seep_thunk_recorders[i];
    if (recorder->record != NULL && recorder->record->closed == SEEP_STATE_RELEASED && !recorder->left &&
        recorder->vm_state.vm == vm && recorder->original == original) {
      return recorder;
    }
  }
  return NULL;
}

/* As asked for; each state has points of its own. */
static bool prepare(struct seep_recorder *recorder, uint32_t index, const struct seep_vm *vm) {
  const struct seep_settings *settings = &process.settings;
  if (!seep_recorder_init(recorder, &process.capture, index, vm)) return false;
  if (settings->mode != SEEP_MODE_SAMPLE) return true;
  return seep_recorder_sample(recorder, settings->interval, settings->seed + index);
}

/* The recorder that a state had when it recorded before, or else one whose state
 * is gone; not in a capture any more. */
static struct seep_recorder *find_former(const struct seep_vm *vm, seep_allocator *original, uintptr_t global) {
  struct seep_recorder *found = NULL;
  for (uint32_t i = 0; i < process.recorder_count; i++) {
    struct seep_recorder *recorder = seep_thunk_recorders[i];
    if (recorder->original != original || recorder->vm_state.vm != vm || is_member(recorder)) continue;
    bool its_own = recorder->vm_state.global == global && (recorder->record == NULL || recorder->left);
    if (!its_own && !(recorder->abandoned && recorder->record == NULL)) continue;
    if (found == NULL || its_own) found = recorder;
  }
  if (found == NULL) return NULL;
  if (found->record != NULL) { /* it left this very capture: what it held is counted anew */
    seep_recorder_release(found);
    seep_recorder_detach(found);
  }
  return found;
}

static struct seep_recorder *add_recorder(seep_allocator *original) {
  uint32_t index = process.recorder_count;
  if (index == SEEP_STATES_MAX) return NULL;
  struct seep_recorder *recorder = seep_pages_map(sizeof *recorder);
  if (recorder == NULL) return NULL;
  recorder->original = original;
  recorder->installed = seep_thunk(index);
  recorder->call = seep_recorder_call;
  recorder->abandoned = true; /* until it is somebody's */
  seep_thunk_recorders[index] = recorder;
  process.recorder_count = index + 1;
  if (index == 0) seep_join_cast_anchor(seep_thunk_recorders, seep_remains_notes, &seep_closing_note);
  return recorder;
}

/* Enters a recorder that is in no capture into this one. */
static struct seep_recorder *enter(struct seep_recorder *recorder, const struct seep_vm *vm) {
  uint32_t index = process.capture.header->state_count;
  if (recorder == NULL || index == SEEP_STATES_MAX) return NULL;
  if (!prepare(recorder, index, vm)) {
    seep_recorder_detach(recorder);
    return NULL;
  }
  recorder->abandoned = false;
  process.capture.header->state_count = index + 1;
  return recorder;
}

/* Under the lock. NULL, and noted in the capture, when there is no room. */
static struct seep_recorder *take_recorder(const struct seep_vm *vm, seep_allocator *original, uintptr_t global) {
  struct seep_recorder *recorder = NULL;
  if (!ready()) return NULL;
  thaw();
  release_closed_states();
  if (process.capture.header->state_count >= SEEP_FRESH_STATES) recorder = find_reusable(vm, original);
  if (recorder != NULL) {
    recorder->record->closed = SEEP_STATE_OPEN; /* nobody else's any more */
    return recorder;
  }
  recorder = find_former(vm, original, global);
  recorder = enter(recorder != NULL ? recorder : add_recorder(original), vm);
  if (recorder == NULL) {
    process.capture.header->unrecorded_states++;
    seep_capture_mark_incomplete(&process.capture, "no room for another Lua state");
  }
  return recorder;
}

/* Puts a recorder in place of a state's allocator, unless one is there. `begin`
 * gets the recorder and `where`. */
static void adopt(const struct seep_vm *vm, uintptr_t main_thread,
                  void (*begin)(struct seep_recorder *, uintptr_t), uintptr_t where) {
  int saved_errno = errno;
  uintptr_t *allocator = (uintptr_t *)(main_thread + vm->global_offset + vm->allocf);
  pthread_mutex_lock(&process.lock);
  if (seep_thunk_owner(*allocator) == NULL) {
    struct seep_recorder *recorder = take_recorder(vm, (seep_allocator *)*allocator, main_thread + vm->global_offset);
    if (recorder != NULL) {
      begin(recorder, where);
      *allocator = (uintptr_t)recorder->installed;
    }
  }
  pthread_mutex_unlock(&process.lock);
  errno = saved_errno;
}

void seep_process_adopt(const struct seep_vm *vm, uintptr_t main_thread) {
  adopt(vm, main_thread, seep_recorder_begin, main_thread);
}

void seep_process_adopt_newborn(const struct seep_vm *vm, uintptr_t block) {
  adopt(vm, block + vm->main_thread_offset, seep_recorder_begin_newborn, block);
}

seep_allocator *seep_process_open(const struct seep_vm *vm, seep_allocator *original) {
  int saved_errno = errno;
  pthread_mutex_lock(&process.lock);
  struct seep_recorder *recorder = take_recorder(vm, original, 0);
  if (recorder != NULL) recorder->phase = SEEP_PHASE_NEWBORN;
  pthread_mutex_unlock(&process.lock);
  errno = saved_errno;
  return recorder == NULL ? original : recorder->installed;
}

void seep_process_open_failed(seep_allocator *allocator) {
  pthread_mutex_lock(&process.lock);
  struct seep_recorder *recorder = seep_thunk_owner((uintptr_t)allocator);
  if (recorder != NULL) {
    recorder->phase = SEEP_PHASE_PASSIVE;
    seep_block_table_clear(&recorder->blocks);
    seep_sampler_clear(&recorder->sampler);
    seep_recorder_release(recorder);
  }
  pthread_mutex_unlock(&process.lock);
}

struct seep_recorder *seep_process_recorder_of(uintptr_t global) {
  static __thread struct {
    uintptr_t global;
    struct seep_recorder *recorder;
  } cache[OWNER_CACHE];
  uintptr_t at = global / 64 % OWNER_CACHE;
  struct seep_recorder *recorder = cache[at].recorder;
  if (cache[at].global == global && recorder != NULL && recorder->vm_state.global == global &&
      recorder->phase == SEEP_PHASE_RECORDING) {
    return recorder;
  }
  for (uint32_t i = 0; i < process.recorder_count; i++) {
    recorder = seep_thunk_recorders[i];
    if (recorder->vm_state.global != global || recorder->phase != SEEP_PHASE_RECORDING) continue;
    cache[at].global = global;
    cache[at].recorder = recorder;
    return recorder;
  }
  return NULL;
}

void seep_process_note_unrecorded(const char *reason) {
  pthread_mutex_lock(&process.lock);
  if (ready()) {
    process.capture.header->unrecorded_states++;
    seep_capture_mark_incomplete(&process.capture, reason);
  }
  pthread_mutex_unlock(&process.lock);
}

/* -- Threads ----------------------------------------------------------------- */

/* glibc's word for a process without threads; an old one does not have it. */
extern char __libc_single_threaded __attribute__((weak));

static bool has_threads(void) { return &__libc_single_threaded == NULL || !__libc_single_threaded; }

/* -- Forks ------------------------------------------------------------------- */

/* Whether a state's record in the copy is still what it was made from. */
static bool is_up_to_date(const struct seep_recorder *recorder, const char *copy) {
  const struct seep_segment_header *segment = (const struct seep_segment_header *)recorder->state_table.origins[0] - 1;
  return memcmp(copy + segment->offset + sizeof *segment, recorder->record, sizeof *recorder->record) == 0;
}

static bool counted_meanwhile(const char *copy) {
  for (uint32_t i = 0; copy != NULL && i < process.recorder_count; i++) {
    if (!is_up_to_date(seep_thunk_recorders[i], copy)) return true;
  }
  return false;
}

/* Before a fork the capture is copied in memory, so that a child that records
 * starts from the very counters of that instant, whatever its parent does
 * meanwhile. A child that execs at once never makes a file of it. */
static void before_fork(void) {
  pthread_mutex_lock(&process.lock);
  /* A child that has recorded nothing yet hands its own parent's copy on. */
  if (!process.recording || !process.created || *seep_recorder_alive == 0) return;
  seep_capture_hold(&process.capture);
  process.fork_held = true;
  process.fork_threaded = has_threads();
  process.fork_copy = seep_capture_copy(&process.capture, &process.fork_copy_bytes);
  process.fork_torn = process.fork_threaded && counted_meanwhile(process.fork_copy);
}

static void let_go(void) {
  if (process.fork_held) seep_capture_let_go(&process.capture);
  process.fork_held = false;
  pthread_mutex_unlock(&process.lock);
}

static void after_fork_in_parent(void) {
  if (process.fork_held) {
    seep_pages_unmap(process.fork_copy, process.fork_copy_bytes);
    process.fork_copy = NULL;
  }
  let_go();
}

static void after_fork_in_child(void) { let_go(); }

/* States that were closed and are outlived by an epoch of another are gone. */
static void on_epoch(void) {
  if (process.recorder_count < 2) return;
  pthread_mutex_lock(&process.lock);
  release_closed_states();
  pthread_mutex_unlock(&process.lock);
}

/* Whether a state's records, as copied, are of one instant, and of that of the fork. */
static bool is_whole(const struct seep_recorder *recorder) {
  const struct seep_state_record *record = recorder->record;
  if (seep_recorder_samples(recorder)) return true; /* most calls change no record */
  if (!seep_recorder_adds_up(recorder)) return false;
  if (recorder->phase == SEEP_PHASE_RECORDING) return record->vm_bytes == seep_vm_count_bytes(&recorder->vm_state);
  bool is_unborn = record->live_bytes == 0 && record->vm_bytes == 0;
  return is_unborn || record->closed != SEEP_STATE_OPEN;
}

/* Threads that ran Lua at the fork do not exist in the child, but their states do:
 * caught in the middle of whatever they did. */
static void note_torn_states(void) {
  for (uint32_t i = 0; process.fork_threaded && i < process.recorder_count; i++) {
    if (!process.fork_torn && is_whole(seep_thunk_recorders[i])) continue;
    seep_capture_mark_incomplete(&process.capture,
                                 "the fork caught another thread's Lua state in the middle of a change");
    return;
  }
}

static void stop_all(void) {
  process.recording = false;
  for (uint32_t i = 0; i < process.recorder_count; i++) {
    seep_thunk_recorders[i]->phase = SEEP_PHASE_PASSIVE;
  }
  seep_hook_states_end_all();
}

/* The first allocator call in a child: a file of its own takes the place of the
 * parent's, at the same addresses. (A fork that went past libc left no copy:
 * then the parent's present counters stand in.) */
static void woke_in_child(void) {
  char path[PATH_MAX];
  struct seep_error error;
  size_t size_bytes = process.fork_copy_bytes;
  void *copy = process.fork_copy;
  if (copy == NULL) copy = seep_capture_copy(&process.capture, &size_bytes);
  *seep_recorder_alive = 1;
  process.pid = getpid();
  seep_capture_path_numbered(process.settings.path, (uint32_t)process.pid, path, sizeof path);
  if (copy == NULL) {
    stop_all();
  } else {
    if (seep_capture_fork(&process.capture, path, copy, size_bytes, &error) != SEEP_OK) stop_all();
    if (process.recording) note_torn_states();
    process.frozen.pid = 0;
    process.capture.header->frozen_pid = 0;
    drop_end();
    seep_pages_unmap(copy, size_bytes);
  }
  process.fork_copy = NULL;
}

static bool watch_forks(void) {
  void *page = seep_pages_map(SEEP_PAGE_BYTES);
  if (page == NULL || madvise(page, SEEP_PAGE_BYTES, MADV_WIPEONFORK) != 0) return false;
  seep_recorder_alive = page;
  *seep_recorder_alive = 1;
  seep_recorder_on_fork = woke_in_child;
  seep_recorder_on_epoch = on_epoch;
  seep_recorder_on_flip = keep_end;
  seep_recorder_on_close = on_close;
  return pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0;
}

/* Under the lock. A forked child that has recorded nothing yet finds out now. */
static void notice_fork(void) {
  if (!process.watched || *seep_recorder_alive != 0) return;
  if (process.recording && process.created) {
    woke_in_child();
  } else {
    *seep_recorder_alive = 1;
    process.pid = getpid();
  }
}

struct seep_capture *seep_process_lock(void) {
  pthread_mutex_lock(&process.lock);
  if (!ready()) return NULL;
  notice_fork();
  return process.recording ? &process.capture : NULL;
}

void seep_process_unlock(void) { pthread_mutex_unlock(&process.lock); }

/* -- Beginning and end ------------------------------------------------------- */

void seep_process_init(const struct seep_settings *settings) {
  process.settings = *settings;
  process.pid = getpid();
  process.watched = watch_forks();
  process.recording = process.watched;
}

void seep_process_read_command(struct seep_settings *settings) {
  int file = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  ssize_t got = read(file, settings->command, sizeof settings->command - 1);
  settings->command_bytes = got > 0 ? (uint32_t)got : 0;
  close(file);
}

bool seep_process_is_recording(void) {
  return process.recording;
}

/* States that were closed while others stay open are gone; when all are closed,
 * the program closed them to end, and they show what they held. */
static void release_gone_states(void) {
  for (uint32_t i = 0; i < process.recorder_count; i++) {
    if (is_member(seep_thunk_recorders[i])) {
      release_closed_states();
      return;
    }
  }
}

/* An allocator that the program put in our place sees what we do not, the end of
 * the state included: then nothing of the state may be read any more. */
static bool is_still_in_place(const struct seep_recorder *recorder) {
  uintptr_t at = recorder->vm_state.global + recorder->vm_state.vm->allocf;
  return seep_load_pointer(&seep_image_self_checked, at) == (uintptr_t)recorder->installed;
}

static void note_replaced(void) {
  seep_capture_mark_incomplete(&process.capture,
                               "the program put an allocator of its own in the recorder's place");
}

/* What C code allocated and freed outside the VM's count since its last own call is
 * not in that count. (With threads the VM may be in the middle of a call: then the
 * count that follows from the call stands; samples follow no call.) */
static void settle(struct seep_recorder *recorder) {
  seep_recorder_settle(recorder);
  bool counts_now = !has_threads() || seep_recorder_samples(recorder);
  if (counts_now) recorder->record->vm_bytes = seep_vm_count_bytes(&recorder->vm_state);
}

static void settle_all(void) {
  for (uint32_t i = 0; i < process.recorder_count; i++) {
    struct seep_recorder *recorder = seep_thunk_recorders[i];
    if (recorder->phase != SEEP_PHASE_RECORDING) continue;
    if (is_still_in_place(recorder)) {
      settle(recorder);
    } else {
      note_replaced();
    }
  }
}

/* Puts the end that was kept into the capture, in place of what came after it. */
static void restore_end(void) {
  if (!process.end.is_of_closed) return;
  for (uint32_t i = 0; i < process.recorder_count; i++) {
    struct seep_recorder *recorder = seep_thunk_recorders[i];
    if (recorder->vm_state.global != process.chunk_ended_of || !is_closed(recorder)) continue;
    seep_capture_restore(&process.capture, process.end.capture, process.end.capture_bytes);
    recorder->record->closed = SEEP_STATE_CLOSED;
    return;
  }
}

void seep_process_finish(void) {
  if (!process.watched || *seep_recorder_alive == 0 || getpid() != process.pid) return;
  pthread_mutex_lock(&process.lock);
  if (process.recording && process.created) {
    release_gone_states();
    settle_all();
    if (records_other_than(NULL)) freeze();
    seep_hook_states_finish();
    stop_all();
    restore_end();
    seep_capture_seal(&process.capture);
  }
  process.recording = false;
  pthread_mutex_unlock(&process.lock);
}

/* -- States that start and stop by themselves ---------------------------------- */

/* The last one has left: the capture is finished, and another one may follow. */
static void end_recording(void) {
  seep_capture_seal(&process.capture);
  for (uint32_t i = 0; i < process.recorder_count; i++) {
    if (seep_thunk_recorders[i]->record != NULL) seep_recorder_detach(seep_thunk_recorders[i]);
  }
  seep_hook_states_detach();
  seep_capture_close(&process.capture);
  process.recording = process.created = false;
}

static bool any_member(void) {
  for (uint32_t i = 0; i < process.recorder_count; i++) {
    if (is_member(seep_thunk_recorders[i])) return true;
  }
  return seep_hook_states_any();
}

/* Under the lock: a capture of our own, now, so that what fails is known. */
static enum seep_status begin_recording(const struct seep_settings *settings, struct seep_error *error) {
  if (!process.watched) process.watched = watch_forks();
  if (!process.watched) {
    return seep_error_set(error, SEEP_E_SYSTEM, "this kernel does not say when a process was forked");
  }
  process.settings = *settings;
  process.pid = getpid();
  char *path = process.settings.path;
  if (settings->default_name && process.begun > 0) {
    seep_capture_path_numbered(settings->path, process.begun + 1, path, PATH_MAX);
  }
  enum seep_status status = seep_capture_path_prepare(path, "out", error);
  if (status != SEEP_OK) return status;
  status = create_capture(error);
  if (status != SEEP_OK) unlink(path);
  else if (settings->default_name) process.begun++;
  return status;
}

static enum seep_status join(const struct seep_vm *vm, uintptr_t main_thread, struct seep_error *error) {
  uintptr_t global = main_thread + vm->global_offset;
  uintptr_t *allocator = (uintptr_t *)(global + vm->allocf);
  struct seep_recorder *recorder = take_recorder(vm, (seep_allocator *)*allocator, global);
  if (recorder == NULL) {
    seep_error_set(error, SEEP_E_MEMORY, "%s", process.capture.header->problem);
    if (!any_member()) {
      end_recording();
      unlink(process.capture.path);
    }
    return SEEP_E_MEMORY;
  }
  seep_recorder_begin(recorder, main_thread);
  *allocator = (uintptr_t)recorder->installed;
  return SEEP_OK;
}

enum seep_status seep_process_start(const struct seep_settings *settings, const struct seep_vm *vm,
                                    uintptr_t main_thread, struct seep_error *error) {
  int saved_errno = errno;
  enum seep_status status = SEEP_OK;
  pthread_mutex_lock(&process.lock);
  notice_fork();
  if (!process.recording) status = begin_recording(settings, error);
  if (status == SEEP_OK) status = join(vm, main_thread, error);
  pthread_mutex_unlock(&process.lock);
  errno = saved_errno;
  return status;
}

void seep_process_stop(struct seep_recorder *recorder) {
  int saved_errno = errno;
  pthread_mutex_lock(&process.lock);
  notice_fork();
  if (process.recording && recorder->phase == SEEP_PHASE_RECORDING) {
    if (!is_still_in_place(recorder)) note_replaced();
    seep_recorder_leave(recorder);
    recorder->left = true;
    if (!any_member()) end_recording();
  }
  pthread_mutex_unlock(&process.lock);
  errno = saved_errno;
}

enum seep_status seep_process_open_capture(const struct seep_settings *settings, struct seep_error *error) {
  enum seep_status status = SEEP_OK;
  pthread_mutex_lock(&process.lock);
  notice_fork();
  if (!process.recording) status = begin_recording(settings, error);
  pthread_mutex_unlock(&process.lock);
  return status;
}

void seep_process_close_unused(void) {
  pthread_mutex_lock(&process.lock);
  if (process.recording && process.created && !any_member()) end_recording();
  pthread_mutex_unlock(&process.lock);
}

bool seep_process_path(char path[PATH_MAX]) {
  pthread_mutex_lock(&process.lock);
  notice_fork();
  bool recording = process.recording && process.created;
  if (recording) snprintf(path, PATH_MAX, "%s", process.capture.path);
  pthread_mutex_unlock(&process.lock);
  return recording;
}

void seep_process_abandon(uintptr_t global) {
  pthread_mutex_lock(&process.lock);
  for (uint32_t i = 0; i < process.recorder_count; i++) {
    struct seep_recorder *recorder = seep_thunk_recorders[i];
    if (recorder->vm_state.global == global && recorder->phase == SEEP_PHASE_PASSIVE) recorder->abandoned = true;
  }
  pthread_mutex_unlock(&process.lock);
}

bool seep_process_settle(struct seep_recorder *recorder, char path[PATH_MAX]) {
  pthread_mutex_lock(&process.lock);
  notice_fork();
  bool recording = process.recording && recorder->phase == SEEP_PHASE_RECORDING;
  if (recording) {
    seep_recorder_settle(recorder);
    snprintf(path, PATH_MAX, "%s", process.capture.path);
  }
  pthread_mutex_unlock(&process.lock);
  return recording;
}
