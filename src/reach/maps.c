/* Reading /proc/PID/maps. See maps.h. */
#define _GNU_SOURCE
#include "reach/maps.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int seep_maps_open(struct seep_maps *maps, pid_t pid) {
  char name[64] = "/proc/self/maps";
  if (pid != 0) snprintf(name, sizeof name, "/proc/%d/maps", (int)pid);
  maps->begin = maps->end = 0;
  maps->at_end = false;
  maps->file = open(name, O_RDONLY | O_CLOEXEC);
  return maps->file < 0 ? -1 : 0;
}

void seep_maps_close(struct seep_maps *maps) { close(maps->file); }

/* The next line, its newline replaced; NULL at the end. A line that does not fit is cut: paths are at most 4096 bytes.
 */
static char *next_line(struct seep_maps *maps) {
  for (;;) {
    char *line = maps->buffer + maps->begin;
    char *end = memchr(line, '\n', maps->end - maps->begin);
    bool full = maps->begin == 0 && maps->end == sizeof maps->buffer - 1;
    if (end != NULL || (full && maps->end > 0)) {
      if (end == NULL) end = maps->buffer + maps->end;
      *end = '\0';
      maps->begin = (size_t)(end - maps->buffer) + (maps->end > (size_t)(end - maps->buffer));
      return line;
    }
    if (maps->at_end) return NULL;
    memmove(maps->buffer, line, maps->end - maps->begin);
    maps->end -= maps->begin;
    maps->begin = 0;
    ssize_t got = read(maps->file, maps->buffer + maps->end, sizeof maps->buffer - 1 - maps->end);
    if (got <= 0) {
      maps->at_end = true;
    } else {
      maps->end += (size_t)got;
    }
  }
}

bool seep_maps_next(struct seep_maps *maps, struct seep_mapping *out) {
  char *line;
  while ((line = next_line(maps)) != NULL) {
    unsigned long long begin, end, offset, inode;
    char access[8];
    int path_at = 0;
    if (sscanf(line, "%llx-%llx %7s %llx %*s %llu %n", &begin, &end, access, &offset, &inode, &path_at) < 5) continue;
    *out = (struct seep_mapping){
        .begin = begin, .end = end, .readable = access[0] == 'r', .writable = access[1] == 'w',
        .executable = access[2] == 'x', .shared = access[3] == 's', .file_offset = offset, .inode = inode,
        .path = path_at > 0 ? line + path_at : ""};
    return true;
  }
  return false;
}
