/* Checking and indexing a capture. See reader.h. */
#define _GNU_SOURCE
#include "store/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"

enum { SEGMENTS_PER_TABLE_MAX = 32 };

/* The records of one kind and state, through their segments. */
struct table {
  uint32_t count;     /* records in use, as the state record says */
  uint32_t capacity;
  uint32_t segment_count;
  struct {
    uint32_t first, capacity;
    const char *records;
  } segments[SEGMENTS_PER_TABLE_MAX];
};

struct seep_reader {
  char *bytes;
  uint64_t size_bytes;
  bool sealed;
  uint32_t state_count;
  struct table (*tables)[SEEP_SEGMENT_KIND_COUNT];  /* [state][kind] */
};

static const uint32_t record_bytes_of[SEEP_SEGMENT_KIND_COUNT] = {
    [SEEP_SEGMENT_STATE] = sizeof(struct seep_state_record),
    [SEEP_SEGMENT_STRINGS] = 1,
    [SEEP_SEGMENT_FUNCTIONS] = sizeof(struct seep_function_record),
    [SEEP_SEGMENT_FRAMES] = sizeof(struct seep_frame_record),
    [SEEP_SEGMENT_NODES] = sizeof(struct seep_node_record),
    [SEEP_SEGMENT_ROWS] = sizeof(struct seep_row_record),
    [SEEP_SEGMENT_SERIES] = sizeof(struct seep_series_record),
};

/* -- Getting the bytes ------------------------------------------------------- */

static bool read_at(int file, char *out, uint64_t offset, uint64_t size_bytes) {
  while (size_bytes > 0) {
    ssize_t got = pread(file, out, size_bytes, (off_t)offset);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    out += got;
    offset += (uint64_t)got;
    size_bytes -= (uint64_t)got;
  }
  return true;
}

static enum seep_status check_identity(const char *path, const struct seep_file_header *header,
                                       struct seep_error *error) {
  if (memcmp(header->magic, SEEP_FORMAT_MAGIC, sizeof header->magic) != 0) {
    return seep_error_set(error, SEEP_E_FORMAT, "%s: not a seepline capture (no signature at offset 0)", path);
  }
  if (header->version > SEEP_FORMAT_VERSION) {
    return seep_error_set(error, SEEP_E_VERSION,
                          "%s: capture format %u is newer than this seepline (%u): use a newer seepline",
                          path, header->version, SEEP_FORMAT_VERSION);
  }
  if (header->version != SEEP_FORMAT_VERSION || header->byte_order != SEEP_BYTE_ORDER_MARK) {
    return seep_error_set(error, SEEP_E_FORMAT, "%s: damaged header (version or byte order at offset 8)", path);
  }
  return SEEP_OK;
}

/* The header decides how much is read: a file that grows meanwhile is cut at
 * what its header knew. */
static enum seep_status read_file(const char *path, int file, struct seep_reader *reader,
                                  struct seep_error *error) {
  struct seep_file_header header;
  struct stat status;
  if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
    return seep_error_set(error, SEEP_E_FORMAT, "%s: not a regular file", path);
  }
  if (!read_at(file, (char *)&header, 0, sizeof header)) {
    return seep_error_set(error, SEEP_E_FORMAT, "%s: not a seepline capture (%lld bytes are too few for its header)",
                          path, (long long)status.st_size);
  }
  enum seep_status bad = check_identity(path, &header, error);
  if (bad != SEEP_OK) return bad;
  uint64_t size = header.size_bytes;
  if (size < SEEP_HEADER_BYTES || size % SEEP_PAGE_BYTES != 0 || size > (uint64_t)1 << 46) {
    return seep_error_set(error, SEEP_E_FORMAT, "%s: damaged header (size at offset 32)", path);
  }
  /* Asked once more, behind the header: a file that grows has its blocks before its header says so. */
  if (fstat(file, &status) != 0 || size > (uint64_t)status.st_size) {
    return seep_error_set(error, SEEP_E_FORMAT, "%s: truncated: it ends at offset %lld of %llu", path,
                          (long long)status.st_size, (unsigned long long)size);
  }
  reader->bytes = malloc(size);
  if (reader->bytes == NULL) {
    return seep_error_set(error, SEEP_E_MEMORY, "%s: no memory for its %llu bytes", path, (unsigned long long)size);
  }
  reader->size_bytes = size;
  if (!read_at(file, reader->bytes, 0, size)) {
    return seep_error_set(error, SEEP_E_SYSTEM, "%s: %s", path, strerror(errno));
  }
  return check_identity(path, seep_reader_header(reader), error);
}

/* -- The seal ---------------------------------------------------------------- */

static bool all_zero(const char *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (bytes[i] != 0) return false;
  }
  return true;
}

static enum seep_status check_seal(const char *path, struct seep_reader *reader,
                                   struct seep_error *error) {
  struct seep_file_header *header = (struct seep_file_header *)reader->bytes;
  if (all_zero(header->seal, sizeof header->seal) && header->checksum == 0 &&
      header->ended_monotonic_ns == 0) {
    return SEEP_OK;
  }
  uint32_t expected = header->checksum;
  header->checksum = 0;
  uint32_t found = seep_checksum(0, header, SEEP_HEADER_BYTES);
  header->checksum = expected;
  if (memcmp(header->seal, SEEP_SEAL_MAGIC, sizeof header->seal) != 0 || found != expected) {
    return seep_error_set(error, SEEP_E_FORMAT, "%s: damaged header (checksum of offsets 0 to %d)", path,
                          SEEP_HEADER_BYTES - 1);
  }
  reader->sealed = true;
  return SEEP_OK;
}

static enum seep_status check_segment_seal(const char *path, const struct seep_reader *reader,
                                           struct seep_segment_header *segment, uint64_t offset,
                                           struct seep_error *error) {
  uint32_t expected = segment->checksum;
  if (!reader->sealed) return SEEP_OK;
  segment->checksum = 0;
  uint32_t found = seep_checksum(0, segment, segment->size_bytes);
  segment->checksum = expected;
  if (found == expected) return SEEP_OK;
  return seep_error_set(error, SEEP_E_FORMAT, "%s: damaged between offsets %llu and %llu (checksum)", path,
                        (unsigned long long)offset, (unsigned long long)(offset + segment->size_bytes - 1));
}

/* -- Segments ---------------------------------------------------------------- */

/* NULL when the segment is sound, else what is wrong with it. */
static const char *segment_fault(const struct seep_reader *reader,
                                 const struct seep_segment_header *segment, uint64_t offset) {
  uint64_t left = reader->size_bytes - offset;
  if (segment->magic != SEEP_SEGMENT_MAGIC) return "no segment signature";
  if (segment->kind < 1 || segment->kind >= SEEP_SEGMENT_KIND_COUNT) return "unknown segment kind";
  /* A state whose tables are just being made, or could not be, is not counted. */
  if (segment->state > reader->state_count) return "segment of an unknown state";
  if (segment->offset != offset) return "segment offset";
  if (segment->size_bytes < sizeof *segment || segment->size_bytes > left ||
      segment->size_bytes % SEEP_PAGE_BYTES != 0) {
    return "segment size";
  }
  if (segment->record_bytes != record_bytes_of[segment->kind]) return "record size";
  uint64_t room = (segment->size_bytes - sizeof *segment) / segment->record_bytes;
  if (segment->record_capacity == 0 || segment->record_capacity > room) return "record capacity";
  return NULL;
}

static const char *add_segment(struct seep_reader *reader, const struct seep_segment_header *segment) {
  struct table *table = &reader->tables[segment->state][segment->kind];
  if (segment->first_record != table->capacity) return "segment order";
  if (table->segment_count == SEGMENTS_PER_TABLE_MAX) return "too many segments";
  table->segments[table->segment_count].first = table->capacity;
  table->segments[table->segment_count].capacity = segment->record_capacity;
  table->segments[table->segment_count].records = (const char *)(segment + 1);
  table->segment_count++;
  table->capacity += segment->record_capacity;
  return NULL;
}

static enum seep_status index_segments(const char *path, struct seep_reader *reader,
                                       struct seep_error *error) {
  uint64_t offset = SEEP_HEADER_BYTES;
  while (offset + sizeof(struct seep_segment_header) <= reader->size_bytes) {
    struct seep_segment_header *segment = (struct seep_segment_header *)(reader->bytes + offset);
    const char *fault = segment_fault(reader, segment, offset);
    if (fault == NULL) {
      enum seep_status bad = check_segment_seal(path, reader, segment, offset, error);
      if (bad != SEEP_OK) return bad;
      fault = add_segment(reader, segment);
    }
    if (fault != NULL) {
      return seep_error_set(error, SEEP_E_FORMAT, "%s: damaged at offset %llu: %s", path,
                            (unsigned long long)offset, fault);
    }
    offset += segment->size_bytes;
  }
  return SEEP_OK;
}

/* -- States ------------------------------------------------------------------ */

/* Every count must fit the room that the segments have. */
static bool take_counts(struct seep_reader *reader, uint32_t state) {
  struct table *tables = reader->tables[state];
  if (tables[SEEP_SEGMENT_STATE].capacity == 0) return false;
  tables[SEEP_SEGMENT_STATE].count = 1;
  const struct seep_state_record *record = seep_reader_state(reader, state);
  tables[SEEP_SEGMENT_STRINGS].count = record->string_bytes;
  tables[SEEP_SEGMENT_FUNCTIONS].count = record->function_count;
  tables[SEEP_SEGMENT_FRAMES].count = record->frame_count;
  tables[SEEP_SEGMENT_NODES].count = record->node_count;
  tables[SEEP_SEGMENT_ROWS].count = record->row_count;
  /* Room for series is made with the first one: 1 means none. */
  tables[SEEP_SEGMENT_SERIES].count = record->series_count > 1 ? record->series_count : 0;
  for (uint32_t kind = 1; kind < SEEP_SEGMENT_KIND_COUNT; kind++) {
    if (tables[kind].count > tables[kind].capacity) return false;
  }
  return record->history.count <= SEEP_MOMENTS_MAX && memchr(record->family, 0, sizeof record->family) != NULL &&
         memchr(record->release, 0, sizeof record->release) != NULL;
}

static enum seep_status index_states(const char *path, struct seep_reader *reader,
                                     struct seep_error *error) {
  for (uint32_t state = 0; state < reader->state_count; state++) {
    if (take_counts(reader, state)) continue;
    return seep_error_set(error, SEEP_E_FORMAT, "%s: damaged: the counts of state %u do not fit its tables",
                          path, state + 1);
  }
  return SEEP_OK;
}

static enum seep_status check_file(const char *path, struct seep_reader *reader,
                                   struct seep_error *error) {
  enum seep_status status = check_seal(path, reader, error);
  if (status != SEEP_OK) return status;
  reader->state_count = seep_reader_header(reader)->state_count;
  if (reader->state_count > SEEP_STATES_MAX) {
    return seep_error_set(error, SEEP_E_FORMAT, "%s: damaged header (state count at offset 84)", path);
  }
  reader->tables = calloc(reader->state_count + 1, sizeof *reader->tables); /* one more: see segment_fault */
  if (reader->tables == NULL) return seep_error_set(error, SEEP_E_MEMORY, "%s: no memory", path);
  status = index_segments(path, reader, error);
  return status != SEEP_OK ? status : index_states(path, reader, error);
}

static enum seep_status open_once(const char *path, int file, struct seep_reader **out, struct seep_error *error) {
  *out = NULL;
  struct seep_reader *reader = calloc(1, sizeof *reader);
  if (reader == NULL) return seep_error_set(error, SEEP_E_MEMORY, "%s: no memory", path);
  enum seep_status status = read_file(path, file, reader, error);
  if (status == SEEP_OK) status = check_file(path, reader, error);
  *out = reader;
  return status;
}

/* A file that has grown while it was read can hold counts of what is behind the
 * end that its header had: it is read again. */
static bool has_grown(const struct seep_reader *reader, int file) {
  struct seep_file_header header;
  return reader != NULL && reader->bytes != NULL && !reader->sealed &&
         read_at(file, (char *)&header, 0, sizeof header) && header.size_bytes > reader->size_bytes;
}

enum seep_status seep_reader_open(const char *path, struct seep_reader **out,
                                  struct seep_error *error) {
  enum { TRIES = 20 };
  enum seep_status status = SEEP_E_SYSTEM;
  bool again = true;
  *out = NULL;
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return seep_error_set(error, SEEP_E_SYSTEM, "%s: %s", path, strerror(errno));
  for (int i = 0; again && i < TRIES; i++) {
    struct seep_reader *reader;
    status = open_once(path, file, &reader, error);
    again = status == SEEP_E_FORMAT && has_grown(reader, file);
    if (status == SEEP_OK) *out = reader;
    else seep_reader_close(reader);
  }
  close(file);
  return status;
}

void seep_reader_close(struct seep_reader *reader) {
  if (reader == NULL) return;
  free(reader->tables);
  free(reader->bytes);
  free(reader);
}

/* -- Access ------------------------------------------------------------------ */

const struct seep_file_header *seep_reader_header(const struct seep_reader *reader) {
  return (const struct seep_file_header *)reader->bytes;
}

bool seep_reader_is_sealed(const struct seep_reader *reader) { return reader->sealed; }

uint32_t seep_reader_state_count(const struct seep_reader *reader) { return reader->state_count; }

static const void *record_of(const struct seep_reader *reader, uint32_t state,
                             enum seep_segment_kind kind, uint32_t number) {
  if (state >= reader->state_count) return NULL;
  const struct table *table = &reader->tables[state][kind];
  if (number >= table->count) return NULL;
  uint32_t i = 0;
  while (number - table->segments[i].first >= table->segments[i].capacity) i++;
  return table->segments[i].records + (size_t)(number - table->segments[i].first) * record_bytes_of[kind];
}

const struct seep_state_record *seep_reader_state(const struct seep_reader *reader, uint32_t state) {
  return record_of(reader, state, SEEP_SEGMENT_STATE, 0);
}

#define DEFINE_ACCESS(name, kind)                                                              \
  const struct seep_##name##_record *seep_reader_##name(const struct seep_reader *reader,      \
                                                        uint32_t state, uint32_t number) {     \
    return number == 0 ? NULL : record_of(reader, state, kind, number);                        \
  }
DEFINE_ACCESS(function, SEEP_SEGMENT_FUNCTIONS)
DEFINE_ACCESS(frame, SEEP_SEGMENT_FRAMES)
DEFINE_ACCESS(node, SEEP_SEGMENT_NODES)
DEFINE_ACCESS(row, SEEP_SEGMENT_ROWS)
DEFINE_ACCESS(series, SEEP_SEGMENT_SERIES)

const char *seep_reader_string(const struct seep_reader *reader, uint32_t state, uint32_t number,
                               uint32_t *size_bytes) {
  *size_bytes = 0;
  const char *at = number == 0 ? NULL : record_of(reader, state, SEEP_SEGMENT_STRINGS, number);
  if (at == NULL || number % 4 != 0) return "";
  const struct table *table = &reader->tables[state][SEEP_SEGMENT_STRINGS];
  uint32_t length;
  for (uint32_t i = 0; i < table->segment_count; i++) {
    uint32_t offset = number - table->segments[i].first;
    if (number < table->segments[i].first || offset >= table->segments[i].capacity) continue;
    uint32_t room = table->segments[i].capacity - offset;
    if (room < 4) return "";
    memcpy(&length, at, sizeof length);
    if (length > room - 4) return "";
    *size_bytes = length;
    return at + 4;
  }
  return "";
}
