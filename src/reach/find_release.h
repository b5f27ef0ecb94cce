/* Which release of Lua is inside an image, by the line that every build carries: "$LuaVersion: Lua 5.4.4 …" (5.1:
 * "$Lua: Lua 5.1.5 …"), "LuaJIT 2.1.0-beta3". */
#ifndef SEEP_FIND_RELEASE_H
#define SEEP_FIND_RELEASE_H

#include "vm/image.h"

enum { SEEP_RELEASES_MAX = 16, SEEP_RELEASE_BYTES = 48 };

struct seep_releases {
  char names[SEEP_RELEASES_MAX][SEEP_RELEASE_BYTES];  /* "Lua 5.4.4", each once */
  uint32_t count;
};

/* Reads what is not writable in the image (constants), block by block with `read` of the process or file. */
typedef size_t seep_block_read(void *context, uintptr_t address, void *out, size_t size_bytes);
void seep_find_releases(const struct seep_image *image, seep_block_read *read, void *context,
                        struct seep_releases *out);

/* The one release of a family ("Lua 5.4", "LuaJIT 2.1"); NULL when there is none, or more than one. */
const char *seep_release_of(const struct seep_releases *releases, const char *family);

#endif
