/* Reading /proc/PID/maps for captures. See process_maps.h. */
#define _GNU_SOURCE
#include "reach/process_maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/format.h"

/* Whether the file is a capture, of that process (0: of any). */
static bool is_capture_of(const char *path, pid_t pid) {
  struct seep_file_header header;
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return false;
  bool whole = read(file, &header, sizeof header) == (ssize_t)sizeof header;
  close(file);
  return whole && memcmp(header.magic, SEEP_FORMAT_MAGIC, sizeof header.magic) == 0 &&
         (pid == 0 || header.pid == (uint32_t)pid);
}

/* "7f..-7f.. rw-s 00000000 fe:00 1234   /path": shared mappings alone. */
static const char *shared_path(char *line) {
  int path_at = 0;
  char permissions[8];
  line[strcspn(line, "\n")] = '\0';
  if (sscanf(line, "%*s %7s %*s %*s %*s %n", permissions, &path_at) != 1 || path_at == 0) return NULL;
  if (permissions[3] != 's' || line[path_at] != '/') return NULL;
  return line + path_at;
}

/* Searches the mappings of `pid` for a capture of process `owner` (0: of any). */
static enum seep_status search(pid_t pid, pid_t owner, char out[PATH_MAX]) {
  char name[64], line[PATH_MAX + 128], last[PATH_MAX] = "";
  enum seep_status status = SEEP_E_NOT_FOUND;
  snprintf(name, sizeof name, "/proc/%d/maps", (int)pid);
  FILE *maps = fopen(name, "re");
  if (maps == NULL) return SEEP_E_SYSTEM;
  while (status != SEEP_OK && fgets(line, sizeof line, maps) != NULL) {
    const char *path = shared_path(line);
    if (path == NULL || strcmp(path, last) == 0) continue;
    snprintf(last, sizeof last, "%s", path);
    if (!is_capture_of(path, owner)) continue;
    snprintf(out, PATH_MAX, "%s", path);
    status = SEEP_OK;
  }
  fclose(maps);
  return status;
}

bool seep_process_mapped_capture(pid_t pid, char out[PATH_MAX]) {
  return search(pid, pid, out) == SEEP_OK || search(pid, 0, out) == SEEP_OK;
}

enum seep_status seep_process_capture_path(pid_t pid, char out[PATH_MAX],
                                           struct seep_error *error) {
  enum seep_status status = search(pid, pid, out);
  if (status == SEEP_OK) return SEEP_OK;
  if (status == SEEP_E_SYSTEM) {
    bool gone = errno == ENOENT;
    return seep_error_set(error, SEEP_E_NOT_FOUND, gone ? "there is no process %d"
                          : "process %d may not be looked at: try as its user, or as root", (int)pid);
  }
  return seep_error_set(error, SEEP_E_NOT_FOUND,
                        "process %d is not being recorded: start it with `seepline run`", (int)pid);
}

static bool is_same_file(const char *a, const char *b) {
  struct stat first, second;
  return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

bool seep_process_maps_capture(pid_t pid, const char *path) {
  char found[PATH_MAX];
  return seep_process_mapped_capture(pid, found) && is_same_file(path, found);
}

bool seep_process_records_into(pid_t pid, const char *path) {
  char found[PATH_MAX];
  return seep_process_capture_path(pid, found, NULL) == SEEP_OK && is_same_file(path, found);
}
