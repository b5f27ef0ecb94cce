/* Calibration: a description of a VM is believed only after it agreed with the
 * public API of the same build.
 *
 * A scratch state of that build, with an allocator of our own, runs a small
 * program whose stacks (functions, tail calls, coroutines within coroutines,
 * pcall, metamethods) are read both ways and compared; so are the count of
 * memory, the collector's white and state, and the types of new blocks. The
 * program's own states and heap are not touched. */
#ifndef SEEP_CALIBRATE_H
#define SEEP_CALIBRATE_H

#include "base/error.h"
#include "vm/lua_api.h"
#include "vm/vm.h"

/* Finds the description that fits the build behind `api` and fills `vm`.
 * SEEP_E_UNKNOWN_VM when none does: the message says what was recognised.
 * Not to be run inside an allocator, and by one thread at a time. */
enum seep_status seep_calibrate(const struct seep_lua_api *api, struct seep_vm *vm,
                                struct seep_error *error);

/* How a new state of a build shows when no description fits that build: the first block that
 * its allocator is asked for holds the main thread and the allocator at these places. */
struct seep_birth {
  size_t block_bytes;
  size_t main_thread_offset, allocf_offset;
  uintptr_t allocator;  /* luaL_newstate's */
};

/* Learns it from two scratch states. SEEP_E_UNKNOWN_VM when a state is not like
 * that (LuaJIT). As seep_calibrate otherwise. */
enum seep_status seep_calibrate_birth(const struct seep_lua_api *api, struct seep_birth *birth,
                                      struct seep_error *error);

/* Whether the block at `block` is such a state's, or may be: read through the kernel. */
bool seep_birth_is_state(const struct seep_birth *birth, uintptr_t block);

#endif
