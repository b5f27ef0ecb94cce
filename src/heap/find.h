/* What a user means by WHAT in `seepline path FILE WHAT`. Tried in this order:
 *
 *   0x55d0c0ffee10          the object that begins at that address
 *   #1234                   the node of that number
 *   _G.app.listeners[17]    a path as Seepline prints it, from _G, registry, package.loaded or main thread on;
 *                           [*] stands for every entry
 *   table, string, …        a type: the objects of that type that retain the most
 *   app.lua:12              functions defined on that line, and, with a recording, what was allocated there
 *   "text", text            strings with that content; if there are none, strings that contain it
 */
#ifndef SEEP_FIND_H
#define SEEP_FIND_H

#include "heap/view.h"

/* The nodes, those that retain the most first, as uint32_t in `out`, to be freed. SEEP_E_NOT_FOUND with a message
 * that says what was looked for, SEEP_E_USAGE for a path that cannot be read, SEEP_E_MEMORY. */
enum seep_status seep_heap_find(const struct seep_heap_view *view, const char *what, const struct seep_namer *namer,
                                struct seep_array *out, struct seep_error *error);

#endif
