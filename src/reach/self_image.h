/* Our own process as an image with segments: straight pointers, bounded by what the kernel says is mapped. For the heap
 * of a state that lives in this process: in a forked child, or while nothing else runs. libc alone, no malloc. */
#ifndef SEEP_SELF_IMAGE_H
#define SEEP_SELF_IMAGE_H

#include "base/error.h"
#include "vm/image.h"

/* Fills `image` with what is mapped and readable now. To be freed with seep_self_image_close. Not inside an
 * allocator. SEEP_E_SYSTEM: /proc/self/maps cannot be read. */
enum seep_status seep_self_image_open(struct seep_image *image, struct seep_error *error);
void seep_self_image_close(struct seep_image *image);

#endif
