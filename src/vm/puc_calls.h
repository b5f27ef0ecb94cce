/* What a PUC Lua function is called by the instruction that calls it: read from the caller's bytecode.
 *
 * Model: the name of what a call takes from register A is found by looking back for the instruction that last wrote
 * the register (ldebug.c findsetreg, getobjname); any other instruction calls a metamethod. One table per version
 * (puc_opcodes.c) says where an instruction's fields are and what each opcode does.
 *
 * Bytecode may be anything: every index is checked against its array, and the search is bounded. Reads through an
 * image; allocates nothing; may run inside an allocator, on a frame of the last walk. */
#ifndef SEEP_PUC_CALLS_H
#define SEEP_PUC_CALLS_H

#include "vm/puc_heap.h"
#include "vm/vm.h"

/* What an opcode does to registers, as far as names are concerned. */
enum seep_puc_role {
  SEEP_ROLE_NONE,        /* writes no register */
  SEEP_ROLE_SETS,        /* … A */
  SEEP_ROLE_MOVE, SEEP_ROLE_LOADNIL, SEEP_ROLE_LOADK, SEEP_ROLE_JUMP,
  SEEP_ROLE_GLOBAL,      /* 5.1: constant Bx of the globals */
  SEEP_ROLE_FIELD_UP,    /* key C of upvalue B */
  SEEP_ROLE_FIELD,       /* key C of register B */
  SEEP_ROLE_UPVALUE, SEEP_ROLE_SELF, SEEP_ROLE_CALL,
  SEEP_ROLE_FOR,         /* calls an iterator; writes from A + 2 on */
  SEEP_ROLE_MMBIN,       /* 5.4: the metamethod C of the instruction before */
};

/* How the key C of an instruction is meant. */
enum seep_puc_key { SEEP_KEY_IS_REGISTER, SEEP_KEY_IS_CONSTANT, SEEP_KEY_IS_EITHER };

struct seep_puc_opcode {
  uint8_t role;          /* enum seep_puc_role */
  uint8_t key;           /* enum seep_puc_key */
  const char *metamethod;/* that it calls; NULL: none */
};

/* A version's instructions: positions and widths in bits (lopcodes.h). */
struct seep_puc_format {
  uint8_t version;       /* 51 … 54 */
  uint8_t op_bits, a_at, b_at, b_bits, c_at, c_bits, bx_at;
  uint8_t jump_at;
  int32_t jump_excess;   /* subtracted from a jump's operand */
  uint16_t constant_bit; /* in a key that is either */
  uint8_t k_at;          /* 5.4: the bit that says so; 0: none */
  uint8_t opcode_count;
  const struct seep_puc_opcode *opcodes;
  uint16_t status_hooked, status_finalizer; /* of the caller's call status; 0: see L_allowhook */
  uint16_t L_allowhook;  /* lua_State.allowhook: 0 while a hook or a finalizer runs; 0: not needed */
};

/* NULL for a version that there is not. puc_opcodes.c */
const struct seep_puc_format *seep_puc_format(uint8_t version);
/* ltm.h of 5.4: the name of metamethod `number`; NULL behind the last. puc_opcodes.c */
const char *seep_puc_metamethod(uint32_t number);

/* What instruction `pc` of the function calls. The name leads into the VM's memory; it is only shown where it can be
 * told. */
void seep_puc_name_at(const struct seep_image *image, const struct seep_puc_heap *layout, uintptr_t proto, uint32_t pc,
                      struct seep_call_name *out);

/* vm_ops.call_name of all PUC versions, with the version's traits and layout in state->vm. */
void seep_puc_call_name(const struct seep_image *image, const struct seep_vm_state *state, const struct seep_call *call,
                        struct seep_call_name *out);

/* The tables that vm/loaded.h reads. */
extern const struct seep_loaded_reader seep_puc_loaded_reader;

/* The heap layout of a release, for seep_vm.names_layout; NULL when there is none. */
const struct seep_puc_heap *seep_puc_names_layout(uint8_t version, const char *release);

#endif
