/* How much is spent on proving where traces allocate.
 *
 * A proof takes as long as some hundred allocations. Most programs have a few hundred places to prove, once; but one whose
 * traces never last shows new ones all the time, most of them once or twice. So there is an allowance, which grows with the
 * allocations in traces, and when little is left of it, only places that come again and again are worth a proof. The others
 * are at their trace's start, marked, until they are.
 * It counts, and asks no clock: the same program has the same places proven. Runs inside the allocator. */
#ifndef SEEP_LUAJIT_ALLOWANCE_H
#define SEEP_LUAJIT_ALLOWANCE_H

#include "base/base.h"

/* How often an address that is not proven was met. */
struct seep_luajit_sighting {
  uint32_t address, count;
};
enum { SEEP_LUAJIT_SIGHTINGS = 4096 };

/* Zero at first. */
struct seep_luajit_allowance {
  uint64_t asked_count;  /* allocations in traces: the caller counts them */
  uint64_t proof_count;
  struct seep_luajit_sighting sightings[SEEP_LUAJIT_SIGHTINGS];
};

/* Whether the place at `address` (a return address, or what stands for one) is to be proven now: then it counts as proven. */
bool seep_luajit_is_worth_proof(struct seep_luajit_allowance *allowance, uintptr_t address);

#endif
