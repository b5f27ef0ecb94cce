/* Notes of what ended calls have left in a stack (vm/remains.h), for the heap at the end: what only variables of the
 * main chunk held is garbage by the time that a state is closed.
 *
 * Model: a note is taken where the process can tell that a call has just ended. It is good while no collection has
 * freed anything since, and thrown away otherwise before the process is copied (frozen.h); whoever reads the copy finds
 * it by the anchor (join.h).
 * By one thread at a time. Allowed inside an allocator. */
#ifndef SEEP_REMAINS_NOTES_H
#define SEEP_REMAINS_NOTES_H

#include "vm/remains.h"

/* How the end was noticed: one note each. */
enum seep_end {
  SEEP_END_OF_CHUNK,   /* the interpreter goes on behind it */
  SEEP_END_OF_STATE,   /* lua_close was called */
  SEEP_END_COUNT
};

extern struct seep_remains seep_remains_notes[SEEP_END_COUNT];

/* Set while a state is closed. */
extern struct seep_closing seep_closing_note;

struct seep_recorder;

/* The interpreter calls a chunk: what walks have seen so far was before it. */
void seep_remains_begin(const struct seep_recorder *recorder);

/* Takes what the call has left that ended last in the recorder's state. May be called from a signal handler. */
void seep_remains_note(const struct seep_recorder *recorder, enum seep_end end);

/* Throws away the notes of a state in which collections have freed something since. */
void seep_remains_check(const struct seep_recorder *recorder);

#endif
