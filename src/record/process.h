/* The recording of a whole process: one capture, a recorder per Lua state, and
 * what happens when states come and go, the process forks, or ends.
 *
 * States: the first FRESH_STATES states of a process get an entry of their own
 * in the capture; after that, an entry whose state is closed is used again, so
 * a host that opens a state per request does not grow the file.
 * Thread rule: every function here may be called from any thread; a lock is
 * taken where states come and go, never where memory is counted. */
#ifndef SEEP_PROCESS_H
#define SEEP_PROCESS_H

#include "record/recorder.h"
#include "vm/calibrate.h"

struct seep_settings {
  char path[PATH_MAX];  /* of the capture, absolute */
  uint64_t run_id;
  char command[2048];   /* arguments, each ended by a zero byte */
  uint32_t command_bytes;
  enum seep_mode mode;
  uint32_t interval;    /* mode sample: bytes between two samples, on average */
  uint64_t seed;        /* … of its points */
};

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

/* Settles every state and seals the capture. In a forked child that has not
 * recorded anything: nothing. */
void seep_process_finish(void);

#endif
