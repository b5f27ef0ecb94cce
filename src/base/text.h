/* Names from programs, made safe for where they are shown. A chunk name can
 * hold anything: control characters of terminals, invalid UTF-8, markup.
 * For the command side and the module: uses malloc. */
#ifndef SEEP_TEXT_H
#define SEEP_TEXT_H

#include "base/base.h"

/* A copy that is valid UTF-8: each invalid byte becomes U+FFFD. The caller
 * frees it. Ends the program when there is no memory. */
char *seep_text_utf8(const char *bytes, size_t count);

/* A copy that a terminal shows as it is: control characters and invalid bytes
 * become \xNN. The caller frees it. Takes valid and invalid UTF-8. */
char *seep_text_printable(const char *text);

/* The number of columns of a printable text (its code points). */
size_t seep_text_columns(const char *text);

/* "17.9 MiB" and the like, at most 9 columns. */
void seep_text_bytes(uint64_t size_bytes, char out[16]);

/* "1,203,112" */
void seep_text_count(uint64_t count, char out[32]);

/* malloc, calloc-like and strdup-like: end the program with a clear line when
 * there is no memory, after a call of seep_on_no_memory if this thread has put
 * a function there. Inside a host it is one that does not return. */
extern __thread void (*seep_on_no_memory)(void);
void *seep_must_alloc(size_t size_bytes);
void *seep_must_grow(void *block, size_t size_bytes);
char *seep_must_copy(const char *text);
char *seep_must_format(const char *format, ...) SEEP_PRINTF(1, 2);

#endif
