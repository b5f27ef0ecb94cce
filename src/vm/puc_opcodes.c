/* The instructions of PUC Lua, as far as they name what they call. Source: lopcodes.h, lvm.c, ldebug.c (getfuncname,
 * funcnamefromcode) and ltm.h of 5.1.5, 5.2.4, 5.3.6 and 5.4.4; the numbers are the same in all releases of a version
 * that is described. See puc_calls.h. */
#include "vm/puc_calls.h"

#define OP(role_name) {.role = SEEP_ROLE_##role_name}
#define CALLS(role_name, event) {.role = SEEP_ROLE_##role_name, .metamethod = event}
#define GETS(role_name, key_kind) {.role = SEEP_ROLE_##role_name, .key = SEEP_KEY_IS_##key_kind, .metamethod = "__index"}

static const struct seep_puc_opcode opcodes_51[] = {
    OP(MOVE), OP(LOADK), OP(SETS), OP(LOADNIL), OP(UPVALUE),               /* MOVE LOADK LOADBOOL LOADNIL GETUPVAL */
    GETS(GLOBAL, CONSTANT), GETS(FIELD, EITHER),                           /* GETGLOBAL GETTABLE */
    CALLS(NONE, "__newindex"), OP(NONE), CALLS(NONE, "__newindex"),        /* SETGLOBAL SETUPVAL SETTABLE */
    OP(SETS), GETS(SELF, EITHER),                                          /* NEWTABLE SELF */
    CALLS(SETS, "__add"), CALLS(SETS, "__sub"), CALLS(SETS, "__mul"), CALLS(SETS, "__div"), CALLS(SETS, "__mod"),
    CALLS(SETS, "__pow"), CALLS(SETS, "__unm"), OP(SETS), CALLS(SETS, "__len"), CALLS(SETS, "__concat"), /* … NOT … */
    OP(JUMP), CALLS(NONE, "__eq"), CALLS(NONE, "__lt"), CALLS(NONE, "__le"), OP(NONE), OP(SETS), /* … TEST TESTSET */
    OP(CALL), OP(CALL), OP(NONE), OP(SETS), OP(SETS), OP(FOR), OP(NONE),   /* CALL TAILCALL RETURN FOR… SETLIST */
    OP(NONE), OP(SETS), OP(SETS),                                          /* CLOSE CLOSURE VARARG */
};

static const struct seep_puc_opcode opcodes_52[] = {
    OP(MOVE), OP(LOADK), OP(SETS), OP(SETS), OP(LOADNIL), OP(UPVALUE),     /* … LOADKX LOADBOOL LOADNIL GETUPVAL */
    GETS(FIELD_UP, EITHER), GETS(FIELD, EITHER),                           /* GETTABUP GETTABLE */
    CALLS(NONE, "__newindex"), OP(NONE), CALLS(NONE, "__newindex"),        /* SETTABUP SETUPVAL SETTABLE */
    OP(SETS), GETS(SELF, EITHER),                                          /* NEWTABLE SELF */
    CALLS(SETS, "__add"), CALLS(SETS, "__sub"), CALLS(SETS, "__mul"), CALLS(SETS, "__div"), CALLS(SETS, "__mod"),
    CALLS(SETS, "__pow"), CALLS(SETS, "__unm"), OP(SETS), CALLS(SETS, "__len"), CALLS(SETS, "__concat"),
    OP(JUMP), CALLS(NONE, "__eq"), CALLS(NONE, "__lt"), CALLS(NONE, "__le"), OP(NONE), OP(SETS),
    OP(CALL), OP(CALL), OP(NONE), OP(SETS), OP(SETS), OP(FOR), OP(SETS),   /* … RETURN FORLOOP FORPREP TFORCALL TFORLOOP */
    OP(NONE), OP(SETS), OP(SETS), OP(NONE),                                /* SETLIST CLOSURE VARARG EXTRAARG */
};

static const struct seep_puc_opcode opcodes_53[] = {
    OP(MOVE), OP(LOADK), OP(SETS), OP(SETS), OP(LOADNIL), OP(UPVALUE),
    GETS(FIELD_UP, EITHER), GETS(FIELD, EITHER),
    CALLS(NONE, "__newindex"), OP(NONE), CALLS(NONE, "__newindex"),
    OP(SETS), GETS(SELF, EITHER),
    CALLS(SETS, "__add"), CALLS(SETS, "__sub"), CALLS(SETS, "__mul"), CALLS(SETS, "__mod"), CALLS(SETS, "__pow"),
    CALLS(SETS, "__div"), CALLS(SETS, "__idiv"), CALLS(SETS, "__band"), CALLS(SETS, "__bor"), CALLS(SETS, "__bxor"),
    CALLS(SETS, "__shl"), CALLS(SETS, "__shr"), CALLS(SETS, "__unm"), CALLS(SETS, "__bnot"), OP(SETS), /* … NOT */
    CALLS(SETS, "__len"), CALLS(SETS, "__concat"),
    OP(JUMP), CALLS(NONE, "__eq"), CALLS(NONE, "__lt"), CALLS(NONE, "__le"), OP(NONE), OP(SETS),
    OP(CALL), OP(CALL), OP(NONE), OP(SETS), OP(SETS), OP(FOR), OP(SETS),
    OP(NONE), OP(SETS), OP(SETS), OP(NONE),
};

static const struct seep_puc_opcode opcodes_54[] = {
    OP(MOVE), OP(SETS), OP(SETS), OP(LOADK), OP(SETS), OP(SETS), OP(SETS), OP(SETS), /* MOVE … LOADTRUE */
    OP(LOADNIL), OP(UPVALUE), OP(NONE),                                    /* LOADNIL GETUPVAL SETUPVAL */
    GETS(FIELD_UP, CONSTANT), GETS(FIELD, REGISTER), CALLS(SETS, "__index"), GETS(FIELD, CONSTANT), /* … GETI GETFIELD */
    CALLS(NONE, "__newindex"), CALLS(NONE, "__newindex"), CALLS(NONE, "__newindex"), CALLS(NONE, "__newindex"),
    OP(SETS), GETS(SELF, EITHER),                                          /* NEWTABLE SELF */
    OP(SETS), OP(SETS), OP(SETS), OP(SETS), OP(SETS), OP(SETS), OP(SETS), OP(SETS), OP(SETS), OP(SETS), OP(SETS),
    OP(SETS), OP(SETS),                                                    /* ADDI … SHLI */
    OP(SETS), OP(SETS), OP(SETS), OP(SETS), OP(SETS), OP(SETS), OP(SETS), OP(SETS), OP(SETS), OP(SETS), OP(SETS),
    OP(SETS),                                                              /* ADD … SHR */
    OP(MMBIN), OP(MMBIN), OP(MMBIN),                                       /* MMBIN MMBINI MMBINK */
    CALLS(SETS, "__unm"), CALLS(SETS, "__bnot"), OP(SETS), CALLS(SETS, "__len"), CALLS(SETS, "__concat"),
    CALLS(NONE, "__close"), OP(NONE), OP(JUMP),                            /* CLOSE TBC JMP */
    CALLS(NONE, "__eq"), CALLS(NONE, "__lt"), CALLS(NONE, "__le"), OP(NONE), OP(NONE), /* EQ LT LE EQK EQI */
    CALLS(NONE, "__lt"), CALLS(NONE, "__le"), CALLS(NONE, "__lt"), CALLS(NONE, "__le"), OP(NONE), OP(SETS), /* LTI … TESTSET */
    OP(CALL), OP(CALL), CALLS(NONE, "__close"), OP(NONE), OP(NONE),        /* CALL TAILCALL RETURN RETURN0 RETURN1 */
    OP(SETS), OP(SETS), OP(NONE), OP(FOR), OP(SETS),                       /* FORLOOP FORPREP TFORPREP TFORCALL TFORLOOP */
    OP(NONE), OP(SETS), OP(SETS), OP(SETS), OP(NONE),                      /* SETLIST CLOSURE VARARG VARARGPREP EXTRAARG */
};

/* CIST_HOOKED and CIST_FIN of lstate.h (5.3 has the latter from 5.3.3 on; the bit is not used before). */
#define FIELDS_BEFORE_5_4                                                                                           \
  .op_bits = 6, .a_at = 6, .b_at = 23, .b_bits = 9, .c_at = 14, .c_bits = 9, .bx_at = 14, .jump_at = 14,           \
  .jump_excess = 131071, .constant_bit = 256

static const struct seep_puc_format formats[] = {
    {.version = 51, FIELDS_BEFORE_5_4, .opcodes = opcodes_51, .opcode_count = SEEP_ARRAY_SIZE(opcodes_51),
     .L_allowhook = 101},
    {.version = 52, FIELDS_BEFORE_5_4, .opcodes = opcodes_52, .opcode_count = SEEP_ARRAY_SIZE(opcodes_52),
     .status_hooked = 1 << 1, .L_allowhook = 73},
    {.version = 53, FIELDS_BEFORE_5_4, .opcodes = opcodes_53, .opcode_count = SEEP_ARRAY_SIZE(opcodes_53),
     .status_hooked = 1 << 2, .status_finalizer = 1 << 8},
    {.version = 54, .op_bits = 7, .a_at = 7, .b_at = 16, .b_bits = 8, .c_at = 24, .c_bits = 8, .bx_at = 15,
     .jump_at = 7, .jump_excess = 16777215, .k_at = 15, .opcodes = opcodes_54,
     .opcode_count = SEEP_ARRAY_SIZE(opcodes_54), .status_hooked = 1 << 3, .status_finalizer = 1 << 7},
};

_Static_assert(SEEP_ARRAY_SIZE(opcodes_51) == 38, "lopcodes.h of 5.1 has 38 opcodes");
_Static_assert(SEEP_ARRAY_SIZE(opcodes_52) == 40, "lopcodes.h of 5.2 has 40 opcodes");
_Static_assert(SEEP_ARRAY_SIZE(opcodes_53) == 47, "lopcodes.h of 5.3 has 47 opcodes");
_Static_assert(SEEP_ARRAY_SIZE(opcodes_54) == 83, "lopcodes.h of 5.4 has 83 opcodes");

const struct seep_puc_format *seep_puc_format(uint8_t version) {
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(formats); i++) {
    if (formats[i].version == version) return &formats[i];
  }
  return NULL;
}

const char *seep_puc_metamethod(uint32_t number) {
  static const char *const names[] = {
      "__index", "__newindex", "__gc", "__mode", "__len", "__eq", "__add", "__sub", "__mul", "__mod", "__pow",
      "__div", "__idiv", "__band", "__bor", "__bxor", "__shl", "__shr", "__unm", "__bnot", "__lt", "__le",
      "__concat", "__call", "__close"};
  return number < SEEP_ARRAY_SIZE(names) ? names[number] : NULL;
}
