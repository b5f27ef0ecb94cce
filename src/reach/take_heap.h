/* Taking a heap snapshot from outside: of a running process that knows nothing of it, or of a core file. */
#ifndef SEEP_TAKE_HEAP_H
#define SEEP_TAKE_HEAP_H

#include <sys/types.h>

#include "base/error.h"
#include "heap/snapshot.h"

/* What taking it has cost: CPU time of this process, and memory. Of a core, reading alone. */
struct seep_take_cost {
  uint64_t search_cpu_ns;    /* finding the states */
  uint64_t explore_cpu_ns;   /* finding out which memory matters */
  uint64_t read_cpu_ns;      /* from the image to the graphs */
  uint64_t copied_bytes;     /* of the process, while it stood */
};

struct seep_taken_heap {
  struct seep_snapshot snapshot;  /* graphs in the order of the states' addresses */
  char program[64];               /* for a file's name: the program's own, without a folder */
  uint64_t searched_bytes;        /* of writable memory, for states */
  uint64_t damage_count;          /* pointers that could not be followed, in all states */
  const char *damage;             /* the first of them, or NULL */
  uint64_t missing_bytes;         /* of writable memory that a core says there was and does not have */
  uint32_t freezes;               /* how often the process was stopped */
  struct seep_take_cost cost;     /* of the last time, if it was taken more than once */
};

/* A process that is a frozen copy of another one (record/frozen.h). */
struct seep_frozen_copy {
  pid_t of;             /* 0: it is none, but a process of its own */
  uint64_t pause_ns;    /* that the other one stood for it */
};

/* Snapshots all Lua states of process `pid`. The process is stopped for copying their memory alone
 * (process_image.h); snapshot.info.pause_ns says for how long. Of a frozen copy, process and pause are those
 * of the program. On success to be freed with seep_taken_heap_free.
 * SEEP_E_NOT_FOUND: no such process, or no Lua in it; SEEP_E_UNKNOWN_VM: a Lua of an unknown version or build;
 * SEEP_E_SYSTEM: it may not be read. The message says what was missing, or how was searched. */
enum seep_status seep_take_process_heap(pid_t pid, struct seep_frozen_copy copy, struct seep_taken_heap *out,
                                        struct seep_error *error);

/* The same of a core file. */
enum seep_status seep_take_core_heap(const char *path, struct seep_taken_heap *out, struct seep_error *error);

void seep_taken_heap_free(struct seep_taken_heap *taken);

#endif
