/* Stopping a process and letting it go on. See stopped.h. */
#define _GNU_SOURCE
#include "reach/stopped.h"

#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif

struct thread {
  pid_t id;
  bool is_stopped, has_gone;
  int signal;   /* that arrived for it and has to be passed on; 0: none */
};

enum { WAIT_MAX_NS = 500000000, ROUNDS_MAX = 64 };

/* -- Why not ------------------------------------------------------------------------ */

/* The number behind `name` in a file of /proc, in `base`; `fallback` when it is not there. */
static unsigned long long number_in(const char *path, const char *name, int base, unsigned long long fallback) {
  char line[512];
  FILE *file = fopen(path, "re");
  size_t length = strlen(name);
  unsigned long long value = fallback;
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    if (strncmp(line, name, length) != 0) continue;
    value = strtoull(line + length, NULL, base);
    break;
  }
  if (file != NULL) fclose(file);
  return value;
}

static void name_user(unsigned long long uid, char *out, size_t out_bytes) {
  struct passwd *user = getpwuid((uid_t)uid);
  if (user != NULL) {
    snprintf(out, out_bytes, "%s", user->pw_name);
  } else {
    snprintf(out, out_bytes, "user %llu", uid);
  }
}

enum seep_status seep_explain_refusal(pid_t pid, int error_number, struct seep_error *error) {
  enum { CAP_SYS_PTRACE = 19 };
  char status[64], user[64];
  snprintf(status, sizeof status, "/proc/%d/status", (int)pid);
  if (error_number == ESRCH || error_number == ENOENT) {
    return seep_error_set(error, SEEP_E_NOT_FOUND, "there is no process %d", (int)pid);
  }
  unsigned long long tracer = number_in(status, "TracerPid:", 10, 0);
  unsigned long long owner = number_in(status, "Uid:", 10, geteuid());
  unsigned long long scope = number_in("/proc/sys/kernel/yama/ptrace_scope", "", 10, 0);
  bool capable = (number_in("/proc/self/status", "CapEff:", 16, 0) >> CAP_SYS_PTRACE & 1) != 0;
  if (tracer != 0) {
    return seep_error_set(error, SEEP_E_SYSTEM,
                          "process %d is being traced by process %llu (a debugger?): end that first", (int)pid, tracer);
  }
  if (owner != geteuid() && !capable) {
    name_user(owner, user, sizeof user);
    return seep_error_set(error, SEEP_E_SYSTEM, "process %d belongs to %s: run seepline as that user, or as root",
                          (int)pid, user);
  }
  if (scope == 3) {
    return seep_error_set(error, SEEP_E_SYSTEM,
                          "no process may be looked into on this machine (kernel.yama.ptrace_scope is 3)");
  }
  if (scope > 0 && !capable) {
    return seep_error_set(error, SEEP_E_SYSTEM,
                          "kernel.yama.ptrace_scope is %llu: process %d may be looked into by root "
                          "(CAP_SYS_PTRACE) alone; try sudo",
                          scope, (int)pid);
  }
  return seep_error_set(error, SEEP_E_SYSTEM, "process %d may not be looked into (%s)%s", (int)pid,
                        strerror(error_number),
                        capable ? ": a sandbox or container forbids it"
                                : ": CAP_SYS_PTRACE is missing; in a container, "
                                  "start it with that capability");
}

/* -- Stopping ------------------------------------------------------------------------ */

static struct thread *threads_of(const struct seep_stopped *stopped) { return stopped->threads.items; }

static bool knows(const struct seep_stopped *stopped, pid_t id) {
  for (size_t i = 0; i < stopped->threads.count; i++) {
    if (threads_of(stopped)[i].id == id) return true;
  }
  return false;
}

/* 0, or the kernel's error number. A thread that has gone meanwhile is no error. */
static int seize(struct seep_stopped *stopped, pid_t id) {
  if (ptrace(PTRACE_SEIZE, id, 0, 0) != 0) return errno == ESRCH ? 0 : errno;
  struct thread *thread = seep_array_push(&stopped->threads, sizeof *thread);
  if (thread == NULL) { /* our end lets it go */
    ptrace(PTRACE_DETACH, id, 0, 0);
    return ENOMEM;
  }
  *thread = (struct thread){.id = id};
  if (ptrace(PTRACE_INTERRUPT, id, 0, 0) != 0) thread->has_gone = errno == ESRCH;
  return 0;
}

/* Seizes the threads that are not seized yet. Returns an error number; *fresh says how many there were. */
static int seize_new(struct seep_stopped *stopped, uint32_t *fresh) {
  char path[64];
  struct dirent *entry;
  int failure = 0;
  snprintf(path, sizeof path, "/proc/%d/task", (int)stopped->pid);
  DIR *folder = opendir(path);
  *fresh = 0;
  if (folder == NULL) return errno;
  while (failure == 0 && (entry = readdir(folder)) != NULL) {
    pid_t id = (pid_t)strtol(entry->d_name, NULL, 10);
    if (id <= 0 || knows(stopped, id)) continue;
    failure = seize(stopped, id);
    (*fresh)++;
  }
  closedir(folder);
  return failure;
}

/* A thread stops because it was told to, or because a signal has come for it. */
static void take_status(struct thread *thread, int status) {
  if (!WIFSTOPPED(status)) {
    thread->has_gone = true;
    return;
  }
  thread->is_stopped = true;
  if (status >> 16 != PTRACE_EVENT_STOP) thread->signal = WSTOPSIG(status);
}

/* Waits until the thread has stopped or gone, at most until `deadline_ns`. */
static void wait_for(struct thread *thread, uint64_t deadline_ns) {
  while (!thread->is_stopped && !thread->has_gone) {
    int status;
    pid_t got = waitpid(thread->id, &status, __WALL | WNOHANG);
    if (got == thread->id) {
      take_status(thread, status);
    } else if (got < 0 && errno != EINTR) {
      thread->has_gone = true;
    } else if (seep_clock_monotonic_ns() > deadline_ns) {
      return;
    } else {
      nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    }
  }
}

enum seep_status seep_stop(pid_t pid, struct seep_stopped *out, struct seep_error *error) {
  uint32_t fresh = 1;
  int failure = 0;
  *out = (struct seep_stopped){.pid = pid, .since_ns = seep_clock_monotonic_ns()};
  uint64_t deadline_ns = out->since_ns + WAIT_MAX_NS;
  for (int round = 0; fresh > 0 && failure == 0 && round < ROUNDS_MAX; round++) {
    failure = seize_new(out, &fresh);
    for (size_t i = 0; i < out->threads.count; i++) wait_for(&threads_of(out)[i], deadline_ns);
  }
  bool any = false;
  for (size_t i = 0; i < out->threads.count; i++) any |= !threads_of(out)[i].has_gone;
  if (failure == 0 && any) return SEEP_OK;
  seep_resume(out);
  return seep_explain_refusal(pid, failure == 0 ? ESRCH : failure, error);
}

/* Only a stopped thread can be let go; one that is not yet stops before it runs on. */
static void let_go(struct thread *thread) {
  if (thread->has_gone) return;
  wait_for(thread, seep_clock_monotonic_ns() + 10ULL * WAIT_MAX_NS);
  if (thread->is_stopped) ptrace(PTRACE_DETACH, thread->id, 0, (void *)(intptr_t)thread->signal);
}

uint64_t seep_resume(struct seep_stopped *stopped) {
  for (size_t i = 0; i < stopped->threads.count; i++) let_go(&threads_of(stopped)[i]);
  seep_array_free(&stopped->threads);
  return seep_clock_monotonic_ns() - stopped->since_ns;
}
