/* Anonymous mappings for private tables. See pages.h. */
#define _GNU_SOURCE
#include "base/pages.h"

#include <errno.h>
#include <sys/mman.h>

enum { LARGE_BYTES = 4 << 20 };

static bool prefers_large;

void seep_pages_prefer_large(void) { prefers_large = true; }

static void *advise(void *pages, size_t size_bytes) {
  if (pages == MAP_FAILED) return NULL;
  if (prefers_large && size_bytes >= LARGE_BYTES) madvise(pages, size_bytes, MADV_HUGEPAGE);
  return pages;
}

void *seep_pages_map(size_t size_bytes) {
  int saved_errno = errno;
  size_t rounded_bytes = seep_round_up(size_bytes, SEEP_PAGE_BYTES);
  void *pages = advise(mmap(NULL, rounded_bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), rounded_bytes);
  errno = saved_errno;
  return pages;
}

void *seep_pages_resize(void *pages, size_t old_bytes, size_t new_bytes) {
  int saved_errno = errno;
  if (pages == NULL) return seep_pages_map(new_bytes);
  size_t rounded_bytes = seep_round_up(new_bytes, SEEP_PAGE_BYTES);
  void *moved = advise(mremap(pages, seep_round_up(old_bytes, SEEP_PAGE_BYTES), rounded_bytes, MREMAP_MAYMOVE),
                       rounded_bytes);
  errno = saved_errno;
  return moved;
}

void seep_pages_unmap(void *pages, size_t size_bytes) {
  int saved_errno = errno;
  if (pages != NULL) munmap(pages, seep_round_up(size_bytes, SEEP_PAGE_BYTES));
  errno = saved_errno;
}
