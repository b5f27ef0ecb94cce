/* See entry.h. */
#include "record/entry.h"

#include <stdio.h>

enum { STATE_BYTES = 4096 };

struct seep_state_record *seep_entry_open(struct seep_capture *capture, struct seep_table *table,
                                          uint32_t state_index, enum seep_mode mode, const char *family,
                                          const char *release) {
  seep_table_init(table, SEEP_SEGMENT_STATE, state_index, sizeof(struct seep_state_record), STATE_BYTES);
  if (!seep_table_reserve(capture, table, 1)) return NULL;
  struct seep_state_record *record = seep_table_record(table, 0);
  snprintf(record->family, sizeof record->family, "%s", family);
  snprintf(record->release, sizeof record->release, "%s", release);
  record->number = state_index + 1;
  record->mode = mode;
  record->row_count = record->series_count = 1;
  return record;
}
