/* Our own process as an image that cannot crash us, and images with segments. See image.h. */
#define _GNU_SOURCE
#include "vm/image.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Where a sandbox forbids process_vm_readv, the kernel's file of our memory
 * usually still opens. */
static bool read_through_file(uintptr_t address, void *out, size_t size_bytes) {
  int file = open("/proc/thread-self/mem", O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  ssize_t got = pread(file, out, size_bytes, (off_t)address);
  close(file);
  return got == (ssize_t)size_bytes;
}

static bool read_checked(const struct seep_image *image, uintptr_t address, void *out,
                         size_t size_bytes) {
  (void)image;
  int saved_errno = errno;
  struct iovec local = {.iov_base = out, .iov_len = size_bytes};
  struct iovec remote = {.iov_base = (void *)address, .iov_len = size_bytes};
  /* By the number of this thread: the process's is that of its first one, which may have ended. */
  ssize_t got = process_vm_readv((pid_t)syscall(SYS_gettid), &local, 1, &remote, 1, 0);
  bool done = got == (ssize_t)size_bytes;
  if (!done && got < 0 && errno != EFAULT) done = read_through_file(address, out, size_bytes);
  errno = saved_errno;
  return done;
}

const struct seep_image seep_image_self_checked = {.read = read_checked};

const struct seep_segment *seep_image_segment(const struct seep_image *image, uintptr_t address) {
  uint32_t low = 0, high = image->segment_count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    const struct seep_segment *segment = &image->segments[middle];
    if (address < segment->begin) {
      high = middle;
    } else if (address >= segment->end) {
      low = middle + 1;
    } else {
      return segment;
    }
  }
  return NULL;
}

/* Whether every chunk that the bytes touch is there. */
static bool all_present(const struct seep_segment *segment, uintptr_t address, size_t size_bytes) {
  if (segment->present == NULL || size_bytes == 0) return true;
  size_t last = seep_chunk_index(segment, address + size_bytes - 1);
  for (size_t chunk = seep_chunk_index(segment, address); chunk <= last; chunk++) {
    if (segment->present[chunk] != SEEP_CHUNK_PRESENT) return false;
  }
  return true;
}

const void *seep_image_view_elsewhere(struct seep_image *image, uintptr_t address, size_t size_bytes) {
  const struct seep_segment *segment = seep_image_segment(image, address);
  if (segment == NULL || size_bytes > segment->end - address) return NULL;
  if (segment->bytes != NULL && all_present(segment, address, size_bytes)) {
    image->last = segment;
    return segment->bytes + (address - segment->begin);
  }
  return image->fetch == NULL ? NULL : image->fetch(image, segment, address, size_bytes);
}

bool seep_image_read_segments(const struct seep_image *image, uintptr_t address, void *out, size_t size_bytes) {
  const struct seep_segment *segment = seep_image_segment(image, address);
  if (segment == NULL || segment->bytes == NULL || size_bytes > segment->end - address) return false;
  if (!all_present(segment, address, size_bytes)) return false;
  memcpy(out, segment->bytes + (address - segment->begin), size_bytes);
  return true;
}
