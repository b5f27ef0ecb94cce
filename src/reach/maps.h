/* /proc/PID/maps, read without malloc: what is mapped where. */
#ifndef SEEP_MAPS_H
#define SEEP_MAPS_H

#include <sys/types.h>

#include "base/error.h"

struct seep_mapping {
  uintptr_t begin, end;
  bool readable, writable, executable, shared;
  uint64_t file_offset, inode;
  const char *path;  /* "" where there is none; "[heap]"; good until the next one is read */
};

/* Reads line by line; the caller owns it, no part is allocated. */
struct seep_maps {
  int file;
  size_t begin, end;  /* of what is in the buffer and not yet used */
  bool at_end;
  char buffer[8192];
};

/* Opens the maps of a process; 0: our own. -1 on failure, with errno. */
int seep_maps_open(struct seep_maps *maps, pid_t pid);
/* The next mapping; false when there is none (or the process has gone). */
bool seep_maps_next(struct seep_maps *maps, struct seep_mapping *out);
void seep_maps_close(struct seep_maps *maps);

#endif
