/* What the builtin functions of LuaJIT make when a trace runs them.
 *
 * Source: lj_ffrecord.c, lj_crecord.c, lj_ir.h of 2.1, late 2021 to 2026. Runs inside the allocator. */
#ifndef SEEP_LUAJIT_BUILTINS_H
#define SEEP_LUAJIT_BUILTINS_H

#include "vm/vm.h"

/* Bits. CALLS: it may call the metamethod __tostring in its place. RUNS: it calls its first argument.
 * TWICE, MANY: it makes as many of each. */
enum { SEEP_MAKES_TEXT = 1, SEEP_MAKES_PART = 2, SEEP_MAKES_NUMBER = 4, SEEP_MAKES_KEY = 8, SEEP_MAKES_CDATA = 16,
       SEEP_MAKES_TABLE = 32, SEEP_MAKES_COPY = 64, SEEP_MAKES_ANY = 127, SEEP_MAKES_CALLS = 128, SEEP_MAKES_RUNS = 256,
       SEEP_MAKES_TWICE = 512, SEEP_MAKES_MANY = 1024 };

/* What builtin number `ffid` makes: anything but tables where its name is not known. */
uint32_t seep_luajit_made_by(const struct seep_vm *vm, uint8_t ffid);

/* Whether it is a method of string buffers with another name than `name` (a string object). */
bool seep_luajit_is_other_method(const struct seep_vm *vm, uint8_t ffid, uintptr_t name);

/* Whether it is ipairs or pairs, whose iterator is a builtin, too. */
bool seep_luajit_is_pairs(const struct seep_vm *vm, uint8_t ffid);

/* Which of the bits the IR instruction `op` is. */
uint32_t seep_luajit_bits_of(uint8_t op);

#endif
