/* A frozen copy of this process: what its memory is at this moment, for a reader outside.
 *
 * Model: a child that shares nothing but pages that nobody has written to since. It
 * closes every descriptor at once (who reads the program's output sees its end), leaves
 * the session and takes no signal but the kernel's own; it calls nothing of libc's that
 * locks or allocates, and no handler of pthread_atfork runs. Then it waits to be killed.
 * It goes by itself when its keeper has gone, or after a minute during which the
 * program went on.
 *
 * The program cannot see it: a copy for its parent is the parent's child, not the
 * program's; another one ends without a signal, so that no wait() knows it but one
 * with __WALL. (A child of a child that ends at once would be nobody's, but then the
 * first one is there for as long as the fork takes, and who reaps the second one is
 * up to the machine's first process: in some containers nobody does.)
 * Allowed inside an allocator, from any thread; errno is kept. */
#ifndef SEEP_FROZEN_H
#define SEEP_FROZEN_H

#include <sys/types.h>

#include "base/base.h"

struct seep_frozen {
  pid_t pid;           /* 0: there is none */
  uint64_t pause_ns;   /* how long the calling thread stood for it */
  int failure;         /* error number, when there is none */
};

/* Makes a copy that `keeper` and its descendants may read. */
void seep_frozen_make(pid_t keeper, struct seep_frozen *out);

/* Ends a copy that this process has made; a keeper that is not its parent's reaps it. */
void seep_frozen_drop(struct seep_frozen *frozen);

#endif
