/* Names and empty files for captures. See capture_path.h. */
#define _GNU_SOURCE
#include "store/capture_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/format.h"

void seep_capture_path_default(const char *program, uint32_t pid, char out[SEEP_CAPTURE_NAME_BYTES]) {
  const char *slash = strrchr(program, '/');
  snprintf(out, SEEP_CAPTURE_NAME_BYTES, "seepline.%.200s.%u.seep", slash != NULL ? slash + 1 : program, pid);
}

enum seep_status seep_capture_path_absolute(const char *path, const char *option, char out[PATH_MAX],
                                            struct seep_error *error) {
  char here[PATH_MAX];
  if (path[0] == '/') {
    here[0] = '\0';
  } else if (getcwd(here, sizeof here) == NULL) {
    return seep_error_set(error, SEEP_E_SYSTEM, "the current directory is gone: give %s an absolute path", option);
  }
  if (strlen(here) + strlen(path) + 32 >= PATH_MAX) {
    return seep_error_set(error, SEEP_E_USAGE, "%s: the path is too long", option);
  }
  stpcpy(stpcpy(stpcpy(out, here), here[0] != '\0' ? "/" : ""), path);
  return SEEP_OK;
}

void seep_capture_path_numbered(const char *path, uint32_t number, char *out, size_t out_bytes) {
  size_t length = strlen(path);
  if (length > 5 && strcmp(path + length - 5, ".seep") == 0) {
    snprintf(out, out_bytes, "%.*s.%u.seep", (int)(length - 5), path, number);
  } else {
    snprintf(out, out_bytes, "%s.%u", path, number);
  }
}

/* An earlier capture may be overwritten; anything else that is there may not. */
static bool may_overwrite(int file) {
  char magic[8];
  struct stat status;
  if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) return false;
  if (status.st_size == 0) return true;
  return pread(file, magic, sizeof magic, 0) == (ssize_t)sizeof magic &&
         memcmp(magic, SEEP_FORMAT_MAGIC, sizeof magic) == 0;
}

static enum seep_status cannot_write(const char *path, const char *option, int failure, struct seep_error *error) {
  return seep_error_set(error, SEEP_E_SYSTEM, "%s: %s: give %s a place that can be written", path,
                        strerror(failure), option);
}

enum seep_status seep_capture_path_prepare(const char *path, const char *option, struct seep_error *error) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < SEEP_HEADER_BYTES) {
    return seep_error_set(error, SEEP_E_SYSTEM, "%s: files may be %llu bytes at most (ulimit -f): a capture needs more",
                          path, (unsigned long long)limit.rlim_cur);
  }
  int file = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (file >= 0) {
    bool free_to_use = may_overwrite(file);
    close(file);
    if (!free_to_use) {
      return seep_error_set(error, SEEP_E_USAGE,
                            "%s: there is a file that is no capture: give %s another name", path, option);
    }
    if (unlink(path) != 0) {
      return cannot_write(path, option, errno, error);
    }
  } else if (errno != ENOENT) {
    return cannot_write(path, option, errno, error);
  }
  file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  int failure = file < 0 ? errno : posix_fallocate(file, 0, SEEP_HEADER_BYTES);
  if (file >= 0 && ftruncate(file, 0) != 0 && failure == 0) failure = errno;
  if (file >= 0) close(file);
  if (failure == 0) return SEEP_OK;
  if (file >= 0) unlink(path);
  return cannot_write(path, option, failure, error);
}
