/* Clocks, in nanoseconds. Thread safe; may run inside an allocator. */
#ifndef SEEP_CLOCK_H
#define SEEP_CLOCK_H

#include "base/base.h"

uint64_t seep_clock_wall_ns(void);       /* since 1970, for people */
uint64_t seep_clock_monotonic_ns(void);  /* for durations */
uint64_t seep_clock_cpu_ns(void);        /* that the process has used */

#endif
