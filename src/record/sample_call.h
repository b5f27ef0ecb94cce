/* Mode sample: the allocator's work when only some allocations are looked at.
 *
 * Model: almost every call is *quiet*: it compares the collector's word with
 * what it was, looks its block up in the sampler's filter, subtracts its size,
 * and jumps to the program's allocator. All the rest (samples and their frees,
 * the collector's progress, a block whose type is pending, a state that is
 * still to be born or gone) is *loud*, and does what mode exact does, for the
 * sampled blocks alone. Nothing that a fork shares is written by a quiet call,
 * so whether the process was forked is asked by loud ones only.
 *
 * Two things are not known: where unsampled blocks were freed, so there is no
 * growth by place; and that a prototype was freed, so what keys mean is found
 * anew after every step of a sweep. */
#ifndef SEEP_SAMPLE_CALL_H
#define SEEP_SAMPLE_CALL_H

#include "record/recorder.h"

/* Makes a recorder, just prepared, sample. False when there is no memory. */
bool seep_recorder_sample(struct seep_recorder *recorder, uint32_t interval_bytes, uint64_t seed);

/* The allocator's work in mode sample. `recorder` in any phase. */
seep_recorder_call_function seep_sample_call;

#endif
