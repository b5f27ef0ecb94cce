/* Where a program's text defines its functions, and what it calls them there.
 *
 * Model: one pass over the tokens with a stack of what is open (blocks, constructors, parentheses). A function is
 * named by its statement ("function Account:deposit(", "local function f("), by what it is assigned to
 * ("cache.put = function("), or by its key in a constructor and what that is assigned to ("local t = { on = { click =
 * function(": t.on.click). Any other function (an argument, a returned one) has no name. The text need not be a
 * program: what makes no sense ends the pass, and only definitions that were closed before are told.
 *
 * Lines are those that the VM notes: lparser.c body(), lj_parse.c parse_body(), the same in all versions.
 * Allocates nothing; may run inside an allocator. */
#ifndef SEEP_DEFINITIONS_H
#define SEEP_DEFINITIONS_H

#include "base/base.h"

enum { SEEP_DEFINITION_NAME_MAX = 120 };

struct seep_definition {
  const char *name;          /* ended by a zero byte, without spaces; good during the call; NULL: it has none */
  uint32_t line, line_last;  /* linedefined, lastlinedefined */
  bool is_part;              /* the key in a constructor that nobody's name stands before: "put" of { put = … } */
};

typedef void seep_definition_sink(void *context, const struct seep_definition *definition);

/* Tells `sink` every function of the text, inner ones before those around them. */
void seep_definitions_read(const char *text, size_t size_bytes, seep_definition_sink *sink, void *context);

#endif
