/* What the outputs about heaps share. */
#ifndef SEEP_HEAP_PARTS_H
#define SEEP_HEAP_PARTS_H

#include "report/heap.h"
#include "report/parts.h"

/* Prints a text escaped, and frees it. */
void seep_print_owned(FILE *out, char *text);

/* "+1.2 MiB", "-40 B", "0" in a column; the same for counts. */
void seep_print_byte_change(FILE *out, int64_t bytes);
void seep_print_count_change(FILE *out, int64_t count);

#endif
