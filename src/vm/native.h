/* The instruction that a PUC function is executing, read from the VM's own
 * machine registers and C frames when it calls the allocator.
 *
 * Some instructions allocate without saving their pc (5.1: OP_NEWTABLE,
 * OP_CLOSURE, OP_SETLIST; 5.4: OP_NEWTABLE, OP_SETLIST), but luaV_execute has it
 * all the time, in a register or in its frame. Between it and the allocator
 * stand a few C functions (luaH_new, luaM_malloc_ …). In one build each of
 * these *paths* always lays its frames out in the same way, so calibration can
 * learn it: a path is a list of *marks*, words at fixed distances that are the
 * same at every call (return addresses, first of all), and the distance of the
 * word that holds the pc.
 *
 * Why a match is trusted: the innermost return address tells which call of the
 * allocator this is, the outermost which call in luaV_execute, at the distance
 * that the frames of the path between them have. Another way between the same two
 * calls would need frames of the same size and a return address left over in the
 * right word; and then the word read for the pc must still point into the running
 * function's code, at an instruction that comes this way. (The return addresses between
 * are not compared: doc/decisions.md.)
 *
 * Distances are in words from the *frame*: the address behind the return
 * address of seep_recorder_call, which saves all registers that a callee must
 * keep just below. Nothing here knows a machine's registers or instructions.
 *
 * Thread rule: learning as calibration; the rest runs inside the allocator. */
#ifndef SEEP_NATIVE_H
#define SEEP_NATIVE_H

#include "vm/lua_api.h"
#include "vm/vm.h"

/* At the top of the function that stands for the allocator: makes it save the
 * registers that callees must keep, and gives its frame. */
#define SEEP_NATIVE_FRAME() (__builtin_unwind_init(), (const uintptr_t *)__builtin_dwarf_cfa())

/* Whether an allocator call has come by `path`. Hot. */
SEEP_ALWAYS_INLINE bool seep_native_matches(const struct seep_native_path *path, const uintptr_t *frame) {
  return frame[path->inner_word] == path->inner && frame[path->outer_word] == path->outer;
}

/* The path that leads to the allocator now, or NULL: none of those that were
 * learned, hence the pc is saved. Hot. */
SEEP_ALWAYS_INLINE const struct seep_native_path *seep_native_find(const struct seep_vm *vm,
                                                                   const uintptr_t *frame) {
  const struct seep_native_path *path = vm->native_paths;
  const struct seep_native_path *end = path + vm->native_path_count;
  for (; path < end; path++) {
    if (seep_native_matches(path, frame)) return path;
  }
  return NULL;
}

/* Which instruction a pc that was read there means: the nearest one at or before
 * it that does not save. (OP_CLOSURE of 5.1 goes on through the instructions
 * behind it.) UINT32_MAX when that is none of `opcodes`, or out of the code. */
SEEP_ALWAYS_INLINE uint32_t seep_native_instruction(const struct seep_unsaved_code *code, uintptr_t pc,
                                                    uint32_t back, uint32_t opcodes) {
  enum { BEHIND_MAX = 256 };
  uint64_t at = (pc - (uintptr_t)code->instructions) / 4 - back;
  for (uint32_t i = 0; i < BEHIND_MAX && at < code->size; i++, at--) {
    uint8_t opcode = code->instructions[at] & code->opcode_mask;
    for (uint32_t k = 0; k < code->opcode_count; k++) {
      if (opcode == code->opcodes[k]) return opcodes >> k & 1 ? (uint32_t)at : UINT32_MAX;
    }
  }
  return UINT32_MAX;
}

/* Numbers a path of `vm`, from 1 on. */
SEEP_ALWAYS_INLINE uint32_t seep_native_number(const struct seep_vm *vm, const struct seep_native_path *path) {
  return (uint32_t)(path - vm->native_paths) + 1;
}

/* Where the innermost frame, a Lua function that came on `path`, is executing: its leaf
 * key with the running instruction's place in it, with SEEP_KEY_INEXACT when `pc`, what
 * stands at pc_word, makes no sense. `handle` is the walk's. */
SEEP_ALWAYS_INLINE uint64_t seep_native_place(const struct seep_vm_state *state,
                                              const struct seep_native_path *path, uintptr_t pc,
                                              uint64_t leaf_key, uintptr_t handle) {
  struct seep_unsaved_code code;
  state->vm->ops->unsaved_code(state, leaf_key, handle, &code);
  uint32_t at = seep_native_instruction(&code, pc, path->back, path->opcodes);
  if (SEEP_UNLIKELY(at == UINT32_MAX)) return leaf_key | SEEP_KEY_INEXACT;
  return (leaf_key & ~(uint64_t)SEEP_KEY_ADDRESS) | (uintptr_t)(code.instructions + at + 1);
}

/* Learns the paths of a calibrated build in a scratch state of its own, whose
 * allocator is `entry`: one that shows each call with its frame to
 * seep_native_observe, in the same C function as when it records, and then
 * calls seep_scratch_alloc. Without
 * success vm->native_path_count is 0: the saved pc then stands for the right one, marked. */
void seep_native_learn(const struct seep_lua_api *api, struct seep_vm *vm, seep_lua_alloc *entry);

/* Looks at an allocator call while paths are learned. */
void seep_native_observe(const uintptr_t *frame, const void *block, size_t new_size);

#endif
