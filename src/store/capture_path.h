/* Where a capture goes: its name, and the empty file of that name that a
 * recorder takes over. What cannot be written is known before anything runs.
 *
 * `option` is what the user calls the path ("-o", "out"): for messages.
 * Uses libc alone and no heap; not for inside an allocator. */
#ifndef SEEP_CAPTURE_PATH_H
#define SEEP_CAPTURE_PATH_H

#include <limits.h>

#include "base/error.h"

enum { SEEP_CAPTURE_NAME_BYTES = 320 };

/* The default name of a recording of `program` (a path): its last part and the
 * process. "seepline.app.lua.4711.seep" */
void seep_capture_path_default(const char *program, uint32_t pid, char out[SEEP_CAPTURE_NAME_BYTES]);

/* `path` from the root, with room for what a child's name adds. */
enum seep_status seep_capture_path_absolute(const char *path, const char *option, char out[PATH_MAX],
                                            struct seep_error *error);

/* The same for another process or recording: "app.seep" and 77 give
 * "app.77.seep"; another name gets ".77" at its end. */
void seep_capture_path_numbered(const char *path, uint32_t number, char *out, size_t out_bytes);

/* Makes the empty file at `path` (absolute), mode 0600. An earlier capture of
 * that name is overwritten, and keeps its inode if it is still being written;
 * a file that is no capture is not touched: SEEP_E_USAGE. */
enum seep_status seep_capture_path_prepare(const char *path, const char *option, struct seep_error *error);

#endif
