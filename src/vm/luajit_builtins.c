/* See luajit_builtins.h. */
#include "vm/luajit_builtins.h"

#include <string.h>

#include "vm/luajit_bytecode.h"
#include "vm/luajit_ir.h"

enum { TEXT = SEEP_MAKES_TEXT, PART = SEEP_MAKES_PART, NUMBER = SEEP_MAKES_NUMBER, KEY = SEEP_MAKES_KEY,
       CDATA = SEEP_MAKES_CDATA, TABLE = SEEP_MAKES_TABLE, COPY = SEEP_MAKES_COPY, ANY = SEEP_MAKES_ANY,
       TWICE = SEEP_MAKES_TWICE, MANY = SEEP_MAKES_MANY };

/* A name that ends in a dot is that of a library: of what was not named before. */
static const struct { const char *name; uint16_t makes; } builtins[] = {
    {"string.format", TEXT | NUMBER}, {"string.rep", TEXT | NUMBER | TWICE}, {"string.lower", TEXT | NUMBER},
    {"string.upper", TEXT | NUMBER}, {"string.reverse", TEXT | NUMBER}, {"string.sub", PART | NUMBER},
    {"string.char", TEXT | NUMBER}, {"string.buffer.put", NUMBER}, {"string.buffer.putf", NUMBER},
    {"string.buffer.reset", 0}, {"string.buffer.skip", 0}, {"string.buffer.free", 0}, {"string.buffer.set", NUMBER},
    {"string.buffer.get", COPY | MANY}, {"string.buffer.tostring", COPY},
    {"string.buffer.", ANY}, {"string.", NUMBER}, {"io.", NUMBER | TEXT},
    {"table.concat", TEXT | NUMBER}, {"tostring", NUMBER | COPY | SEEP_MAKES_CALLS}, {"table.insert", KEY},
    {"rawset", KEY},
    {"table.new", TABLE}, {"pcall", SEEP_MAKES_RUNS}, {"xpcall", SEEP_MAKES_RUNS}, {"ffi.", ANY & ~TABLE},
    {"bit.", CDATA | NUMBER}, {"coroutine.", 0}, {"os.", 0}, {"debug.", 0}, {"jit.", 0}, {"print", 0}, {"error", 0},
    {"load", 0}, {"loadstring", 0}, {"collectgarbage", 0}, {"require", 0}, {"ipairs iterator", 0}, {"math.", 0},
    {"type", 0},
    {"next", 0}, {"pairs", 0}, {"ipairs", 0}, {"select", 0}, {"setmetatable", 0}, {"getmetatable", 0}, {"rawget", 0},
    {"rawequal", 0}, {"rawlen", 0}, {"assert", 0}, {"unpack", 0}, {"tonumber", CDATA}, {"table.remove", 0},
    {"table.", KEY | TEXT}};

uint32_t seep_luajit_made_by(const struct seep_vm *vm, uint8_t ffid) {
  const char *name = seep_vm_c_name(vm, SEEP_KEY_C | SEEP_KEY_BUILTIN | ffid);
  for (uint32_t i = 0; name != NULL && i < SEEP_ARRAY_SIZE(builtins); i++) {
    size_t bytes = strlen(builtins[i].name);
    bool is_library = builtins[i].name[bytes - 1] == '.';
    if (strncmp(name, builtins[i].name, bytes) == 0 && (is_library || name[bytes] == '\0')) return builtins[i].makes;
  }
  return ANY & ~TABLE; /* lj_ffrecord.c: table.new alone makes a table */
}

bool seep_luajit_is_other_method(const struct seep_vm *vm, uint8_t ffid, uintptr_t name) {
  static const char library[] = "string.buffer.";
  const char *whole = seep_vm_c_name(vm, SEEP_KEY_C | SEEP_KEY_BUILTIN | ffid);
  if (whole == NULL || strncmp(whole, library, sizeof library - 1) != 0) return false;
  size_t bytes = strlen(whole) - (sizeof library - 1);
  return seep_load_u32(NULL, name + SEEP_STRING_LENGTH) != bytes ||
         memcmp((const char *)name + SEEP_STRING_BYTES, whole + sizeof library - 1, bytes) != 0;
}

bool seep_luajit_is_pairs(const struct seep_vm *vm, uint8_t ffid) {
  const char *name = seep_vm_c_name(vm, SEEP_KEY_C | SEEP_KEY_BUILTIN | ffid);
  return name != NULL && (strcmp(name, "ipairs") == 0 || strcmp(name, "pairs") == 0);
}

uint32_t seep_luajit_bits_of(uint8_t op) {
  switch (op) {
    case SEEP_IR_BUFSTR: return SEEP_MAKES_TEXT;
    case SEEP_IR_SNEW: return SEEP_MAKES_PART;
    case SEEP_IR_XSNEW: return SEEP_MAKES_COPY;
    case SEEP_IR_CNEW: case SEEP_IR_CNEWI: return SEEP_MAKES_CDATA;
    case SEEP_IR_TOSTR: return SEEP_MAKES_NUMBER;
    case SEEP_IR_NEWREF: return SEEP_MAKES_KEY;
    case SEEP_IR_TNEW: case SEEP_IR_TDUP: return SEEP_MAKES_TABLE;
    default: return SEEP_MAKES_ANY;
  }
}
