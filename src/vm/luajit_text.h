/* Which concatenation made a string, in a trace of LuaJIT: what the IR puts into the
 * buffer, compared with the bytecode.
 *
 * The IR has a chain: BUFHDR, a BUFPUT (or a call) for each piece, BUFSTR. A piece
 * that the program has as a constant is one there, too. When the first piece is a
 * string that was just made and nobody else needs, its chain goes on (APPEND).
 *
 * Source: lj_record.c rec_cat, lj_opt_fold.c, lj_ffrecord.c of 2.1. Runs inside the
 * allocator. */
#ifndef SEEP_LUAJIT_TEXT_H
#define SEEP_LUAJIT_TEXT_H

#include "vm/luajit_ir.h"

enum { SEEP_TEXT_PIECES_MAX = 8 };

/* The pieces of a string, the last first. */
struct seep_luajit_text {
  uint64_t constants[SEEP_TEXT_PIECES_MAX];  /* string objects; 0: not constant */
  uint32_t count;            /* of the pieces known */
  uint32_t appended;         /* how many of them were put behind a string that went on; else 0 */
  bool is_whole;             /* there are no others */
  bool by_call;              /* the last was put by a call of the VM's */
};

/* The pieces of what BUFSTR `ref` makes. */
void seep_luajit_text_of(const struct seep_luajit_trace *trace, uint32_t ref, struct seep_luajit_text *out);

/* Whether two are made of the same pieces, as far as is known. */
bool seep_luajit_text_equal(const struct seep_luajit_text *one, const struct seep_luajit_text *other);

/* Whether a concatenation of `count` operands may have made it. Constant operands are
 * string objects, others 0; the last first, at most SEEP_TEXT_PIECES_MAX. */
bool seep_luajit_text_fits(const struct seep_luajit_text *text, const uint64_t *operands, uint32_t count);

/* Whether string.format may have, given its format (a string object). */
bool seep_luajit_text_fits_format(const struct seep_luajit_text *text, uintptr_t format);

#endif
