/* The heap snapshot that is kept beside a capture: app.seep has app.heap.seep. `run` takes it at the program's end;
 * that both are of one recording, their run ids say. */
#ifndef SEEP_KEPT_HEAP_H
#define SEEP_KEPT_HEAP_H

#include "reach/launch.h"

/* Where it is, to be freed. */
char *seep_kept_heap_path(const char *capture_path);

/* The same if it is there and of recording `run_id`, else NULL. */
char *seep_kept_heap_find(const char *capture_path, uint64_t run_id);

/* Takes it from the frozen copy that the program has left, and ends the copy. NULL, or why there is none, to be freed.
 * An earlier snapshot is overwritten, another file is not. */
char *seep_kept_heap_take(const struct seep_launch *launch, int wait_status);

#endif
