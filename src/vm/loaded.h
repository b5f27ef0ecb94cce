/* What a function is called in package.loaded: "lpeg.match", as luaL_traceback of 5.2 and later has it (lauxlib.c
 * pushglobalfuncname). For functions of modules, of which calibration has seen none but the standard libraries.
 *
 * A walk over the registry's table _LOADED and the tables in it, bounded, through an image; nothing is called or
 * allocated. May run inside an allocator, at the beginning of a call: the VM is about to change no table then. */
#ifndef SEEP_LOADED_H
#define SEEP_LOADED_H

#include "vm/vm.h"

/* An entry with a string as its key. */
struct seep_loaded_entry {
  uintptr_t string;          /* the key */
  uintptr_t table;           /* what the value is: a table, */
  uint64_t key;              /* a C function (its frame key), */
  uintptr_t function;        /* or a Lua function (its prototype) */
};

/* How a VM's tables are read; the layout is vm->names_layout. */
struct seep_loaded_reader {
  uintptr_t (*registry)(const struct seep_image *image, const struct seep_vm_state *state);  /* 0: not there yet */
  uint32_t (*count)(const struct seep_image *image, const struct seep_vm_state *state, uintptr_t table);
  /* False: the entry has another key or another value. */
  bool (*entry)(const struct seep_image *image, const struct seep_vm_state *state, uintptr_t table, uint32_t at,
                struct seep_loaded_entry *out);
  /* Where a string's text is in the image; at most SEEP_CALL_NAME_MAX bytes, or false. */
  bool (*text)(const struct seep_image *image, const struct seep_vm_state *state, uintptr_t string,
               struct seep_call_name *out);
};

/* Whether the registry has the table _LOADED: for calibration. */
bool seep_loaded_is_there(const struct seep_image *image, const struct seep_vm_state *state);

/* The name of a function, given by its frame key if it is a C function, else by its prototype. Returns its length, 0
 * when it has none there. A C function that several closures share has the name of one of them. */
size_t seep_loaded_find(const struct seep_image *image, const struct seep_vm_state *state, uint64_t key,
                        uintptr_t function, char name[SEEP_CALL_NAME_MAX]);

#endif
