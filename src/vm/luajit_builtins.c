/* See luajit_builtins.h. */
#include "vm/luajit_builtins.h"

#include <string.h>

#include "vm/luajit_ir.h"

static const struct { const char *name; uint16_t makes; } builtins[] = {
    {"string.format", SEEP_MAKES_TEXT | SEEP_MAKES_NUMBER}, {"string.rep", SEEP_MAKES_TEXT | SEEP_MAKES_NUMBER | SEEP_MAKES_TWICE},
    {"string.lower", SEEP_MAKES_TEXT | SEEP_MAKES_NUMBER}, {"string.upper", SEEP_MAKES_TEXT | SEEP_MAKES_NUMBER},
    {"string.reverse", SEEP_MAKES_TEXT | SEEP_MAKES_NUMBER}, {"string.sub", SEEP_MAKES_PART | SEEP_MAKES_NUMBER},
    {"string.char", SEEP_MAKES_TEXT | SEEP_MAKES_NUMBER}, {"string.", SEEP_MAKES_NUMBER}, {"io.", SEEP_MAKES_NUMBER | SEEP_MAKES_TEXT},
    {"table.concat", SEEP_MAKES_TEXT | SEEP_MAKES_NUMBER}, {"tostring", SEEP_MAKES_NUMBER | SEEP_MAKES_PART | SEEP_MAKES_CALLS},
    {"table.insert", SEEP_MAKES_KEY}, {"rawset", SEEP_MAKES_KEY}, {"table.new", SEEP_MAKES_TABLE}, {"pcall", SEEP_MAKES_RUNS},
    {"xpcall", SEEP_MAKES_RUNS}, {"ffi.", SEEP_MAKES_ANY & ~SEEP_MAKES_TABLE}, {"bit.", SEEP_MAKES_CDATA | SEEP_MAKES_NUMBER},
    {"coroutine.", 0}, {"os.", 0},
    {"debug.", 0}, {"jit.", 0}, {"print", 0}, {"error", 0}, {"load", 0}, {"loadstring", 0}, {"collectgarbage", 0},
    {"require", 0}, {"ipairs iterator", 0}, {"math.", 0}, {"type", 0}, {"next", 0}, {"pairs", 0}, {"ipairs", 0}, {"select", 0}, {"setmetatable", 0},
    {"getmetatable", 0}, {"rawget", 0}, {"rawequal", 0}, {"rawlen", 0}, {"assert", 0}, {"unpack", 0},
    {"tonumber", SEEP_MAKES_CDATA}, {"table.remove", 0}, {"table.", SEEP_MAKES_KEY | SEEP_MAKES_TEXT}};

uint32_t seep_luajit_made_by(const struct seep_vm *vm, uint8_t ffid) {
  const char *name = seep_vm_c_name(vm, SEEP_KEY_C | SEEP_KEY_BUILTIN | ffid);
  for (uint32_t i = 0; name != NULL && i < SEEP_ARRAY_SIZE(builtins); i++) {
    size_t bytes = strlen(builtins[i].name);
    bool is_library = builtins[i].name[bytes - 1] == '.';
    if (strncmp(name, builtins[i].name, bytes) == 0 && (is_library || name[bytes] == '\0')) return builtins[i].makes;
  }
  return SEEP_MAKES_ANY;
}

bool seep_luajit_is_pairs(const struct seep_vm *vm, uint8_t ffid) {
  const char *name = seep_vm_c_name(vm, SEEP_KEY_C | SEEP_KEY_BUILTIN | ffid);
  return name != NULL && (strcmp(name, "ipairs") == 0 || strcmp(name, "pairs") == 0);
}

uint32_t seep_luajit_bits_of(uint8_t op) {
  switch (op) {
    case SEEP_IR_BUFSTR: return SEEP_MAKES_TEXT;
    case SEEP_IR_SNEW: return SEEP_MAKES_PART;
    case SEEP_IR_XSNEW: case SEEP_IR_CNEW: case SEEP_IR_CNEWI: return SEEP_MAKES_CDATA;
    case SEEP_IR_TOSTR: return SEEP_MAKES_NUMBER;
    case SEEP_IR_NEWREF: return SEEP_MAKES_KEY;
    case SEEP_IR_TNEW: case SEEP_IR_TDUP: return SEEP_MAKES_TABLE;
    default: return SEEP_MAKES_ANY;
  }
}
