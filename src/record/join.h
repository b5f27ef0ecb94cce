/* Who allocated a block of another process: its recorder knows, and this is how one
 * asks from outside.
 *
 * Model: the library in the recorded process has an *anchor* in its data: a magic
 * number, the layout of a recorder in that build, and where the recorders are. A
 * reader of the process's image that finds the anchor, and was built with the same
 * layout, reads the block tables as they lie there. Nothing is asked of the process.
 * Rows are those of the capture; a recorder knows the number of its state there.
 * A sampling recorder knows its samples alone.
 *
 * The anchor also leads to the notes of what ended calls have left (remains_notes.h). */
#ifndef SEEP_JOIN_H
#define SEEP_JOIN_H

#include "record/remains_notes.h"
#include "vm/image.h"

#define SEEP_JOIN_MAGIC_1 0x4e494f4a50454553ULL /* "SEEPJOIN" */
#define SEEP_JOIN_MAGIC_2 0xb5a1f0d3c2968e47ULL

struct seep_join_anchor {
  uint64_t magic[2];
  uint64_t layout;                      /* seep_join_layout of the build */
  void *recorders;                      /* seep_thunk_recorders */
  void *remains;                        /* seep_remains_notes */
  void *closing;                        /* seep_closing_note */
};

/* Of this build; anchors of others are refused. */
uint64_t seep_join_layout(void);

/* In the recorded process: says where its recorders and its notes are, from the first recorder on. */
void seep_join_cast_anchor(void *recorders, void *remains, void *closing);

/* In an image: the note for the state whose global state is at `global`; false when there is none. */
bool seep_join_remains(struct seep_image *image, uintptr_t anchor, uintptr_t global, struct seep_remains *out);

/* The same of what lua_close does. */
bool seep_join_closing(struct seep_image *image, uintptr_t anchor, uintptr_t global, struct seep_closing *out);

/* The recorder of one state, in an image. */
struct seep_join {
  struct seep_image *image;
  uint32_t state;                  /* index in the capture */
  uintptr_t regions, shared;       /* addresses of the tables in the image */
  size_t region_capacity, shared_capacity;
  uintptr_t last_number, last_slots;
  uintptr_t samples;               /* of a sampling recorder, else 0 */
  size_t sample_capacity;
};

/* Whether an anchor of this build stands at `address`. */
bool seep_join_is_anchor(struct seep_image *image, uintptr_t address);

/* Finds the recorder of the state whose global state is at `global`. False when there is none, or it cannot be
 * read. What it reads is asked of the image with seep_image_view. */
bool seep_join_open(struct seep_image *image, uintptr_t anchor, uintptr_t global, struct seep_join *out);

/* The row of the block at `address`; 0 when it is not known. */
uint32_t seep_join_row(struct seep_join *join, uintptr_t address);

#endif
