/* The survivor series of a row: survivor bytes at the ends of epochs, with
 * bounded memory. A full series drops every other point and from then on takes
 * one where it took two. The reader calls the same functions to bring a row
 * that was not touched for a while up to date. May run inside an allocator. */
#ifndef SEEP_SERIES_H
#define SEEP_SERIES_H

#include "store/format.h"

/* Starts a series whose first point will be the end of `epoch`. */
void seep_series_start(struct seep_series_record *series, uint32_t epoch);

/* Takes note that at the ends of all epochs up to and including `last_epoch`
 * that the series has not seen yet there were `survivor_bytes`. */
void seep_series_advance(struct seep_series_record *series, uint32_t last_epoch,
                         uint64_t survivor_bytes);

#endif
