/* The heap in V8's format, for Chrome DevTools (Memory, Load…) and memlab.
 *
 * What stands for what: the root is V8's synthetic root. Everything that a root
 * holds gets a shortcut edge from it (so DevTools takes all objects for the page's
 * own, and no reference for the debugger's) and an edge from "(GC roots)". So
 * dominators and retained sizes are those of dominators.h. Unreachable objects
 * are left out. Tables are named by the line that made them where there was a
 * recording, else by their group's path, because DevTools groups by name. */
#ifndef SEEP_HEAPSNAPSHOT_H
#define SEEP_HEAPSNAPSHOT_H

#include <stdio.h>

#include "heap/view.h"

/* Writes one state. False when writing failed. *clamped counts objects of 4 GiB and more, whose size the format cannot
 * tell (it says 4 GiB - 1). Ends the program when there is no memory. */
bool seep_report_heapsnapshot(const struct seep_heap_view *view, const struct seep_namer *namer, FILE *out,
                              uint64_t *clamped);

#endif
