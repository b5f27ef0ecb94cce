/* The recording of a whole process: one capture at a time, a recorder per Lua
 * state, and what happens when states come and go, the process forks, or ends.
 *
 * A recording is begun for all states of the process (seep_process_init: the
 * preload, until the end) or by one state for itself (seep_process_start: the
 * module; another state that starts joins, the last one that stops ends it).
 *
 * States: the first SEEP_FRESH_STATES states of a process get an entry of their own
 * in the capture; after that, an entry whose state is closed is used again, so
 * a host that opens a state per request does not grow the file.
 * Thread rule: every function here may be called from any thread; a lock is
 * taken where states come and go, never where memory is counted. */
#ifndef SEEP_PROCESS_H
#define SEEP_PROCESS_H

#include "record/recorder.h"
#include "record/remains_notes.h"
#include "vm/calibrate.h"

enum { SEEP_FRESH_STATES = 64 };

struct seep_settings {
  char path[PATH_MAX];  /* of the capture, absolute */
  uint64_t run_id;
  char command[2048];   /* arguments, each ended by a zero byte */
  uint32_t command_bytes;
  enum seep_mode mode;
  uint32_t interval;    /* mode sample: bytes between two samples, on average */
  uint64_t seed;        /* … of its points */
  pid_t heap_keeper;    /* process that wants a frozen copy at the end (frozen.h); 0: nobody does */
  bool default_name;    /* nobody asked for this path: a later recording gets a number */
};

/* Fills in the command from what the kernel knows of this process. */
void seep_process_read_command(struct seep_settings *settings);

/* Calibrates a build of Lua for recording: seep_calibrate, and where the VM keeps
 * its pc when it calls a recorder (native.h). Its contract. */
enum seep_status seep_process_calibrate(const struct seep_lua_api *api, struct seep_vm *vm,
                                        struct seep_error *error);

/* Prepares recording. Nothing is written before the first Lua state. Call once. */
void seep_process_init(const struct seep_settings *settings);

/* Whether states are still being recorded (false after finish, or a failure). */
bool seep_process_is_recording(void);

/* Begins to record a state that exists and runs nothing at the moment; does
 * nothing when it is recorded already. */
void seep_process_adopt(const struct seep_vm *vm, uintptr_t main_thread);

/* The same for a state whose block was just handed out by the program's own
 * allocator and that has asked for nothing else yet. */
void seep_process_adopt_newborn(const struct seep_vm *vm, uintptr_t block);

/* For lua_newstate(original, ud): the allocator to open the state with, or
 * `original` itself when it cannot be recorded. */
seep_allocator *seep_process_open(const struct seep_vm *vm, seep_allocator *original);

/* lua_newstate, given what seep_process_open returned, has failed. */
void seep_process_open_failed(seep_allocator *allocator);

/* The recorder of the state that a thread belongs to, or NULL. */
struct seep_recorder *seep_process_recorder_of(uintptr_t global);

/* A Lua state is there, but it cannot be recorded: the capture says why. */
void seep_process_note_unrecorded(const char *reason);

/* For hook_states.h, which has states of its own in the same capture: takes the
 * lock in any case, and returns the capture, or NULL when nothing is recorded. */
struct seep_capture *seep_process_lock(void);
void seep_process_unlock(void);

/* A call of the only state that is recorded has just ended, or, with SEEP_END_OF_STATE, the state of `recorder` (else
 * NULL) is about to be closed: for the heap at the end, what the call has left is noted (remains_notes.h). If a collection
 * comes before anything else is called, the state ends, for capture and heap, as it is before that.
 * Does nothing when another thread is in here; may be called from a signal handler. */
void seep_process_note_end(const struct seep_recorder *recorder, enum seep_end end);

/* A call of an interpreter's begins: its end has not been yet. */
void seep_process_note_begin(void);

/* -- For states that start and stop by themselves (the Lua module) -- */

/* Begins to record a state that exists, on the thread that runs it, between two
 * allocator calls: into the capture that this process writes at the moment, or
 * else into a new one as `settings` say, made now. What the state holds becomes
 * the row "(before recording)". Not for a state that is recorded already.
 * SEEP_E_SYSTEM, SEEP_E_MEMORY: nothing has changed, the message says why. */
enum seep_status seep_process_start(const struct seep_settings *settings, const struct seep_vm *vm,
                                    uintptr_t main_thread, struct seep_error *error);

/* Ends what seep_process_start began, on the thread that runs the state: the VM
 * gets its allocator back. What the state held stays in the capture, and is
 * counted anew if the state starts again. When no state records any more, the
 * capture is sealed and let go of: the next start makes another. */
void seep_process_stop(struct seep_recorder *recorder);

/* For a state that is to be recorded by hooks (hook_states.h): makes a capture for
 * it, unless there is one; and when it has stopped, finishes the capture if no
 * other state records. */
enum seep_status seep_process_open_capture(const struct seep_settings *settings, struct seep_error *error);
void seep_process_close_unused(void);

/* Where this process records at the moment; false when it does not. */
bool seep_process_path(char path[PATH_MAX]);

/* The state at `global` is about to end: its recorder, if it does not record,
 * may serve another state. */
void seep_process_abandon(uintptr_t global);

/* Makes the rows of a state add up, on the thread that runs it, and says where
 * they are. False when it is not recorded (any more): then nothing is written. */
bool seep_process_settle(struct seep_recorder *recorder, char path[PATH_MAX]);

/* Settles every state and seals the capture. In a forked child that has not
 * recorded anything: nothing. */
void seep_process_finish(void);

#endif
