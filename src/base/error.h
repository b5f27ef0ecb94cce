/* Errors: one enum and one line of text with the place.
 *
 * A function that can fail returns a seep_status and, if it is told where,
 * leaves a message there that a person can act on: what, where, what to try.
 * Nothing allocates; may run inside an allocator. */
#ifndef SEEP_ERROR_H
#define SEEP_ERROR_H

#include "base/base.h"

enum seep_status {
  SEEP_OK = 0,
  SEEP_E_MEMORY,      /* no memory for our own structures */
  SEEP_E_SYSTEM,      /* a system call failed: the message has errno's text */
  SEEP_E_FORMAT,      /* a file is not what it should be: the message has the offset */
  SEEP_E_VERSION,     /* a file of a newer format version */
  SEEP_E_UNKNOWN_VM,  /* a VM build that no description fits */
  SEEP_E_USAGE,       /* the caller's words are off */
  SEEP_E_NOT_FOUND,   /* no such file, process or state */
};

struct seep_error {
  char text[512];  /* one line, no final newline; "" when nothing failed */
};

/* Formats the message into `error` (which may be NULL) and returns `status`,
 * so that a failing function can end with `return seep_error_set(...)`. */
enum seep_status seep_error_set(struct seep_error *error, enum seep_status status,
                                const char *format, ...) SEEP_PRINTF(3, 4);

#endif
