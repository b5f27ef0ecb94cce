/* A core file as an image: its PT_LOAD segments, mapped. The file is only read, and hostile: every offset is checked
 * against its size. With elfutils (libelf). */
#ifndef SEEP_CORE_IMAGE_H
#define SEEP_CORE_IMAGE_H

#include "base/array.h"
#include "base/error.h"
#include "vm/image.h"

struct seep_core_image {
  struct seep_image image;   /* first */
  struct seep_array segments;
  const char *file;          /* the whole file, mapped */
  size_t file_bytes;
  uint32_t pid;              /* of the process; 0 when the core does not say */
  char command[256];         /* its arguments, as far as the core has them; "" when it does not say */
  uint64_t missing_bytes;    /* of writable memory that the core says was there and does not have */
};

/* Whether the file at `path` is an ELF core file: by its first bytes. */
bool seep_core_image_is_core(const char *path);

/* SEEP_E_FORMAT: it is no core file of this machine, or has no memory; SEEP_E_SYSTEM: it cannot be read. The image must
 * not be moved; it is freed with seep_core_image_close. */
enum seep_status seep_core_image_open(const char *path, struct seep_core_image *image, struct seep_error *error);
void seep_core_image_close(struct seep_core_image *image);

/* As seep_process_image_search. */
uint64_t seep_core_image_search(struct seep_core_image *image, bool (*visit)(void *context, uintptr_t address),
                                void *context);

#endif
