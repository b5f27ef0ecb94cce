/* The entry of a Lua state in a capture: the record that says which VM it is,
 * how it is recorded, and how much of each of its tables is in use. */
#ifndef SEEP_ENTRY_H
#define SEEP_ENTRY_H

#include "store/writer.h"

/* Makes the entry of state `state_index`; `table` becomes the table that holds
 * it. NULL when there is no room. May run inside an allocator. */
struct seep_state_record *seep_entry_open(struct seep_capture *capture, struct seep_table *table,
                                          uint32_t state_index, enum seep_mode mode, const char *family,
                                          const char *release);

#endif
