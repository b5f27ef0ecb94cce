/* Raw system calls alone, since in the copy libc's idea of itself is wrong. See frozen.h. */
#define _GNU_SOURCE
#include "record/frozen.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

enum { SECONDS_MAX = 60, KERNEL_SIGSET_BYTES = 8 };

static bool is_there(pid_t pid) { return syscall(SYS_kill, pid, 0) == 0 || errno != ESRCH; }

/* In the copy. A kernel that cannot close all at once (before 5.9) gets no snapshot: a
 * pipe that stays open would hang its reader. */
static __attribute__((noreturn)) void stand_still(pid_t keeper, pid_t program) {
  bool closed = syscall(SYS_close_range, 0u, ~0u, 0u) == 0;
  syscall(SYS_setsid);
  syscall(SYS_chdir, "/");
  syscall(SYS_prctl, PR_SET_PTRACER, keeper, 0, 0, 0);
  syscall(SYS_prctl, PR_SET_NAME, "seepline-heap", 0, 0, 0);
  for (int seconds = 0; closed && seconds < SECONDS_MAX && is_there(keeper); seconds += is_there(program)) {
    struct timespec second = {.tv_sec = 1};
    syscall(SYS_nanosleep, &second, NULL);
  }
  for (;;) syscall(SYS_exit_group, 0);
}

void seep_frozen_make(pid_t keeper, struct seep_frozen *out) {
  int saved_errno = errno;
  uint64_t all = ~0ULL, before;
  uint64_t since_ns = seep_clock_monotonic_ns();
  pid_t program = (pid_t)syscall(SYS_getpid);
  unsigned long flags = syscall(SYS_getppid) == keeper ? CLONE_PARENT | SIGCHLD : 0;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, KERNEL_SIGSET_BYTES);
  long pid = syscall(SYS_clone, flags, 0L, 0L, 0L, 0L);
  if (pid == 0) stand_still(keeper, program);
  int failure = pid < 0 ? errno : 0;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, KERNEL_SIGSET_BYTES);
  *out = (struct seep_frozen){.pid = pid < 0 ? 0 : (pid_t)pid,
                              .pause_ns = seep_clock_monotonic_ns() - since_ns, .failure = failure};
  errno = saved_errno;
}

void seep_frozen_drop(struct seep_frozen *frozen) {
  int saved_errno = errno;
  if (frozen->pid != 0) {
    syscall(SYS_kill, frozen->pid, SIGKILL);
    while (syscall(SYS_wait4, frozen->pid, NULL, __WALL, NULL) < 0 && errno == EINTR) {
    }
  }
  frozen->pid = 0;
  errno = saved_errno;
}
