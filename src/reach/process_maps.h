/* Finding the capture of a running process: it maps the file, so /proc says
 * which. The process is only looked at. */
#ifndef SEEP_PROCESS_MAPS_H
#define SEEP_PROCESS_MAPS_H

#include <limits.h>
#include <sys/types.h>

#include "base/error.h"

/* The path of the capture that process `pid` records into. SEEP_E_NOT_FOUND:
 * there is no such process, it may not be looked at, or it is not recorded;
 * the message says which. */
enum seep_status seep_process_capture_path(pid_t pid, char out[PATH_MAX], struct seep_error *error);

/* The path of a capture that process `pid` maps, be it its own or, in a copy that a fork made, its parent's. False when
 * there is none. */
bool seep_process_mapped_capture(pid_t pid, char out[PATH_MAX]);

/* Whether that is the file at `path`. */
bool seep_process_maps_capture(pid_t pid, const char *path);

/* Whether process `pid` runs and records into the file at `path`. */
bool seep_process_records_into(pid_t pid, const char *path);

#endif
