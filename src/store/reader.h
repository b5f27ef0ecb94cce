/* Reading a capture, finished or not. The file is hostile: every size, number
 * and link in it is checked before it is used, and nothing is trusted twice.
 *
 * A sealed capture must match its checksums to the byte. One that is not sealed
 * (the program runs, or was killed) is checked for structure alone.
 * The whole file is copied into memory first, so it may change meanwhile. */
#ifndef SEEP_READER_H
#define SEEP_READER_H

#include "base/error.h"
#include "store/format.h"

struct seep_reader;

/* Opens and checks `path`. On success *out is to be closed. The message of an
 * error says what is wrong and at which offset. */
enum seep_status seep_reader_open(const char *path, struct seep_reader **out,
                                  struct seep_error *error);
void seep_reader_close(struct seep_reader *reader);

const struct seep_file_header *seep_reader_header(const struct seep_reader *reader);
bool seep_reader_is_sealed(const struct seep_reader *reader);

uint32_t seep_reader_state_count(const struct seep_reader *reader);
const struct seep_state_record *seep_reader_state(const struct seep_reader *reader, uint32_t state);

/* Records by number; NULL when there is none of that number. The pointers are
 * good until close. */
const struct seep_function_record *seep_reader_function(const struct seep_reader *reader, uint32_t state, uint32_t number);
const struct seep_frame_record *seep_reader_frame(const struct seep_reader *reader, uint32_t state, uint32_t number);
const struct seep_node_record *seep_reader_node(const struct seep_reader *reader, uint32_t state, uint32_t number);
const struct seep_row_record *seep_reader_row(const struct seep_reader *reader, uint32_t state, uint32_t number);
const struct seep_series_record *seep_reader_series(const struct seep_reader *reader, uint32_t state, uint32_t number);

/* The bytes of a string and how many; an empty string for a bad number. */
const char *seep_reader_string(const struct seep_reader *reader, uint32_t state, uint32_t number,
                               uint32_t *size_bytes);

#endif
