/* Looking for the line that names a build. See find_release.h. */
#define _GNU_SOURCE
#include "reach/find_release.h"

#include <stdio.h>
#include <string.h>

#include "base/pages.h"

/* Blocks overlap by as much as a line needs. */
enum { BLOCK_BYTES = 1 << 20, OVERLAP_BYTES = 128, SEGMENT_MAX_BYTES = 256 << 20 };

static const struct {
  const char *before;     /* what stands in front of the name */
  const char *beginning;  /* of the name itself */
} marks[] = {{"$LuaVersion: ", "Lua 5."}, {"$Lua: ", "Lua 5."}, {"", "LuaJIT 2."}};

static void add_release(struct seep_releases *out, const char *name, size_t length) {
  if (length >= SEEP_RELEASE_BYTES) return;
  for (uint32_t i = 0; i < out->count; i++) {
    if (strlen(out->names[i]) == length && memcmp(out->names[i], name, length) == 0) return;
  }
  if (out->count == SEEP_RELEASES_MAX) return;
  memcpy(out->names[out->count], name, length);
  out->names[out->count++][length] = '\0';
}

/* "Lua 5.4.4", "LuaJIT 2.1.0-beta3", "LuaJIT 2.1.1700000000"; nothing for "Lua 5.1" without a release that other texts
 * have, too, unless a mark stands before it. */
static size_t name_length(const char *name, size_t room, const char *beginning) {
  size_t length = strlen(beginning);
  while (length < room &&
         (strchr("0123456789.-", name[length]) != NULL || (name[length] >= 'a' && name[length] <= 'z')) &&
         name[length] != '\0') {
    length++;
  }
  return length;
}

static void search_for(const char *block, size_t size, const char *before, const char *beginning,
                       struct seep_releases *out) {
  char pattern[32];
  int length = snprintf(pattern, sizeof pattern, "%s%s", before, beginning);
  size_t skip = strlen(before);
  const char *at = block;
  while ((at = memmem(at, size - (size_t)(at - block), pattern, (size_t)length)) != NULL) {
    const char *name = at + skip;
    size_t room = size - (size_t)(name - block);
    size_t found = name_length(name, room, beginning);
    if (found > strlen(beginning) && found < room) add_release(out, name, found);
    at++;
  }
}

static void search_segment(const struct seep_segment *segment, seep_block_read *read, void *context, char *block,
                           struct seep_releases *out) {
  for (uintptr_t at = segment->begin; at < segment->end; at += BLOCK_BYTES - OVERLAP_BYTES) {
    size_t wanted = segment->end - at < BLOCK_BYTES ? segment->end - at : BLOCK_BYTES;
    size_t got = read(context, at, block, wanted);
    for (size_t i = 0; got > 0 && i < SEEP_ARRAY_SIZE(marks); i++)
      search_for(block, got, marks[i].before, marks[i].beginning, out);
    if (wanted < BLOCK_BYTES) return;
  }
}

void seep_find_releases(const struct seep_image *image, seep_block_read *read, void *context,
                        struct seep_releases *out) {
  *out = (struct seep_releases){0};
  char *block = seep_pages_map(BLOCK_BYTES);
  if (block == NULL) return;
  for (uint32_t i = 0; i < image->segment_count; i++) {
    const struct seep_segment *segment = &image->segments[i];
    bool constant = segment->bytes != NULL && (segment->access & SEEP_SEGMENT_WRITABLE) == 0;
    if (constant && segment->end - segment->begin <= SEGMENT_MAX_BYTES)
      search_segment(segment, read, context, block, out);
  }
  seep_pages_unmap(block, BLOCK_BYTES);
}

const char *seep_release_of(const struct seep_releases *releases, const char *family) {
  const char *found = NULL;
  for (uint32_t i = 0; i < releases->count; i++) {
    if (strncmp(releases->names[i], family, strlen(family)) != 0) continue;
    if (found != NULL) return NULL;
    found = releases->names[i];
  }
  return found;
}
