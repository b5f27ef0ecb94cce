/* Our own process as an image that cannot crash us. See image.h. */
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
