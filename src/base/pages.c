/* Anonymous mappings for private tables. See pages.h. */
#define _GNU_SOURCE
#include "base/pages.h"

#include <errno.h>
#include <sys/mman.h>

void *seep_pages_map(size_t size_bytes) {
  int saved_errno = errno;
  void *pages = mmap(NULL, seep_round_up(size_bytes, SEEP_PAGE_BYTES),
                     PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  errno = saved_errno;
  return pages == MAP_FAILED ? NULL : pages;
}

void *seep_pages_resize(void *pages, size_t old_bytes, size_t new_bytes) {
  int saved_errno = errno;
  if (pages == NULL) return seep_pages_map(new_bytes);
  void *moved = mremap(pages, seep_round_up(old_bytes, SEEP_PAGE_BYTES), seep_round_up(new_bytes, SEEP_PAGE_BYTES),
                       MREMAP_MAYMOVE);
  errno = saved_errno;
  return moved == MAP_FAILED ? NULL : moved;
}

void seep_pages_unmap(void *pages, size_t size_bytes) {
  int saved_errno = errno;
  if (pages != NULL) munmap(pages, seep_round_up(size_bytes, SEEP_PAGE_BYTES));
  errno = saved_errno;
}
