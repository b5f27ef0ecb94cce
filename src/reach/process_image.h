/* The memory of another process as an image: copied piece by piece while it runs, to find out which pieces matter, and
 * then those at once while it is stopped. The process is only read.
 *
 * Model: addresses are mirrored. Each *window* of the process's addresses has a reservation of the same size here, of
 * which only the chunks that were copied are ever touched; a pointer into the process becomes a pointer into a window
 * by one addition, and objects lie as they lay. Segments follow /proc/PID/maps; chunks have a state (`present`).
 *
 * Life: open → read at will (chunks are copied as they are asked for, and the process changes meanwhile: nothing read
 * now may be believed) → freeze (the process is stopped, everything that was asked for so far is copied again, and it
 * goes on) → read: what is there is one moment. What is not there is refused and noted; if anything was, thaw, read at
 * will, and freeze again.
 *
 * Stopping: PTRACE_SEIZE and PTRACE_INTERRUPT for every thread, without PTRACE_O_EXITKILL: if we die, the kernel lets
 * all of them go on. Signals that arrive meanwhile are passed on. Not thread safe. */
#ifndef SEEP_PROCESS_IMAGE_H
#define SEEP_PROCESS_IMAGE_H

#include <sys/types.h>

#include "base/array.h"
#include "base/error.h"
#include "vm/image.h"

enum { SEEP_WINDOWS_MAX = 64 };

struct seep_window {
  uintptr_t begin, end;
  char *bytes;
  uint8_t *present;   /* a byte for each chunk */
  size_t low, high;   /* chunks from low up to high may be other than absent */
};

struct seep_process_image {
  struct seep_image image;        /* first */
  pid_t pid;
  bool has_gone;                  /* a copy failed because the process has ended */
  bool frozen;                    /* what is there is one moment, and nothing more is copied */
  struct seep_array segments;     /* struct seep_segment */
  struct seep_window windows[SEEP_WINDOWS_MAX];
  uint32_t window_count;
  uint64_t pause_ns;              /* of all freezes together */
  uint64_t copied_bytes;          /* by the last freeze */
  uint64_t wanted_chunks;         /* asked for since the last freeze and not there */
};

/* Prepares an image of process `pid`. The message of an error says which permission is missing, as far as that can be
 * found out. The image must not be moved; it is freed with seep_process_image_close. */
enum seep_status seep_process_image_open(pid_t pid, struct seep_process_image *image, struct seep_error *error);
void seep_process_image_close(struct seep_process_image *image);

/* Stops the process, copies every chunk that was ever asked for and what has been mapped next to them since, lets it go
 * on. With `all`, copies all writable memory of the mappings in which anything was asked for. SEEP_E_NOT_FOUND: the
 * process has ended. */
enum seep_status seep_process_image_freeze(struct seep_process_image *image, bool all, struct seep_error *error);

/* Looks again at what is mapped now, and lets chunks be copied from the running process again; what has been copied
 * stays, unless `forget`. Nothing that was viewed before is good any more. */
enum seep_status seep_process_image_thaw(struct seep_process_image *image, bool forget, struct seep_error *error);

/* Fills `candidates` (uintptr_t, added to what is there) with the address of each aligned word of writable memory that
 * may lead to a Lua state (vm/objects.h seep_heap_is_candidate), at most SEEP_CANDIDATES_MAX. The process goes on
 * meanwhile. Returns how many bytes were searched. */
enum { SEEP_CANDIDATES_MAX = 1 << 20 };
uint64_t seep_process_image_search(struct seep_process_image *image, struct seep_array *candidates);

#endif
