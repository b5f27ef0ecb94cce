/* The descriptions of all VM families, as candidates for calibration.
 *
 * Each function fills `vm` with its `candidate`-th description (ops, layout,
 * the collector's words, the types of tags) and returns true, or returns false
 * when it has no such candidate. Nothing is checked against memory here. */
#ifndef SEEP_DESCRIPTIONS_H
#define SEEP_DESCRIPTIONS_H

#include "vm/vm.h"

bool seep_lua51_describe(uint32_t candidate, struct seep_vm *vm);
bool seep_lua52_describe(uint32_t candidate, struct seep_vm *vm);
bool seep_lua53_describe(uint32_t candidate, struct seep_vm *vm);
bool seep_lua54_describe(uint32_t candidate, struct seep_vm *vm);
bool seep_luajit_describe(uint32_t candidate, struct seep_vm *vm);

#endif
