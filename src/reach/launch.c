/* Starting a program with the recorder in it. See launch.h. */
#define _GNU_SOURCE
#include "reach/launch.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reach/contract.h"
#include "store/capture_path.h"

static pid_t child_pid;

/* -- Finding things ----------------------------------------------------------- */

static bool is_program(const char *path) {
  struct stat status;
  if (stat(path, &status) != 0) return false;
  if (!S_ISREG(status.st_mode)) {
    errno = S_ISDIR(status.st_mode) ? EISDIR : EACCES;
    return false;
  }
  return access(path, X_OK) == 0;
}

bool seep_launch_find(const char *program, char out[PATH_MAX]) {
  if (strchr(program, '/') != NULL) {
    snprintf(out, PATH_MAX, "%s", program);
    return is_program(program);
  }
  const char *path = getenv("PATH");
  int found_errno = ENOENT;
  if (path == NULL) path = "/usr/local/bin:/usr/bin:/bin";
  while (path != NULL) {
    const char *colon = strchrnul(path, ':');
    int length = (int)(colon - path);
    snprintf(out, PATH_MAX, "%.*s%s%s", length, path, length > 0 ? "/" : "./", program);
    if (is_program(out)) return true;
    if (errno == EACCES) found_errno = EACCES;
    path = *colon == ':' ? colon + 1 : NULL;
  }
  errno = found_errno;
  return false;
}

/* The library lies beside the command (a build) or in ../lib/seepline. */
static bool find_preload(char out[PATH_MAX]) {
  char self[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  if (length <= 0) return false;
  self[length] = '\0';
  *strrchr(self, '/') = '\0';
  snprintf(out, PATH_MAX, "%.*s/%s", PATH_MAX - 64, self, SEEP_PRELOAD_NAME);
  if (access(out, R_OK) == 0) return true;
  snprintf(out, PATH_MAX, "%.*s/../lib/seepline/%s", PATH_MAX - 64, self, SEEP_PRELOAD_NAME);
  return access(out, R_OK) == 0;
}

/* Why the loader would not preload into the program, or NULL. */
static const char *preload_obstacle(const char *program) {
  Elf64_Ehdr header;
  struct stat status;
  const char *obstacle = NULL;
  int file = open(program, O_RDONLY | O_CLOEXEC);
  if (file < 0) return NULL;
  ssize_t got = read(file, &header, sizeof header);
  if (fstat(file, &status) == 0 && (status.st_mode & (S_ISUID | S_ISGID)) && geteuid() != 0) {
    obstacle = "it is set-user-ID, so the loader takes no library from its user";
  } else if (got == (ssize_t)sizeof header && memcmp(header.e_ident, ELFMAG, SELFMAG) == 0) {
    bool dynamic = header.e_type == ET_DYN;
    for (int i = 0; i < header.e_phnum && !dynamic; i++) {
      Elf64_Phdr segment;
      off_t at = (off_t)(header.e_phoff + (uint64_t)i * header.e_phentsize);
      dynamic = pread(file, &segment, sizeof segment, at) == (ssize_t)sizeof segment &&
                segment.p_type == PT_INTERP;
    }
    if (!dynamic) obstacle = "it is statically linked, so no library can be preloaded";
  }
  close(file);
  return obstacle;
}

/* -- The capture's file ------------------------------------------------------- */

static enum seep_status name_capture(struct seep_launch *launch, pid_t pid, struct seep_error *error) {
  char name[SEEP_CAPTURE_NAME_BYTES];
  if (launch->capture != NULL) {
    return seep_capture_path_absolute(launch->capture, "-o", launch->capture_path, error);
  }
  const char *program = launch->arguments[0];
  for (int i = 0; launch->arguments[i] != NULL && i < 2; i++) {
    /* `lua app.lua` is named after the script. */
    const char *dot = strrchr(launch->arguments[i], '.');
    if (dot != NULL && strcmp(dot, ".lua") == 0) program = launch->arguments[i];
  }
  seep_capture_path_default(program, (uint32_t)pid, name);
  return seep_capture_path_absolute(name, "-o", launch->capture_path, error);
}

/* -- The child ----------------------------------------------------------------- */

static void set_environment(const struct seep_launch *launch, const char *preload) {
  const char *before = getenv("LD_PRELOAD");
  char *value, *request;
  if (asprintf(&value, "%s%s%s", preload, before != NULL ? ":" : "", before != NULL ? before : "") < 0 ||
      asprintf(&request, "%016llx:%c:%s", (unsigned long long)launch->run_id,
               launch->children ? SEEP_RUN_CHILDREN : SEEP_RUN_PLAIN, launch->capture_path) < 0 ||
      setenv("LD_PRELOAD", value, 1) != 0 || setenv(SEEP_RUN_VARIABLE, request, 1) != 0) {
    _exit(SEEP_EXIT_CANNOT_RECORD);
  }
  if (launch->wants_heap &&
      (asprintf(&value, "%d", (int)getppid()) < 0 || setenv(SEEP_KEEPER_VARIABLE, value, 1) != 0)) {
    _exit(SEEP_EXIT_CANNOT_RECORD);
  }
  if (launch->mode == SEEP_MODE_EXACT) return;
  if (asprintf(&value, "%u:%u", (unsigned)launch->mode, launch->interval) < 0 || setenv(SEEP_MODE_VARIABLE, value, 1) != 0) {
    _exit(SEEP_EXIT_CANNOT_RECORD);
  }
}

/* What a child that could not become the program tells its parent. */
struct report {
  int failure;  /* exit status of ours */
  struct seep_error error;
};

static void become_program(struct seep_launch *launch, const char *program, const char *preload,
                           int report_to) {
  struct report report = {.failure = SEEP_EXIT_CANNOT_RECORD};
  if (name_capture(launch, getpid(), &report.error) == SEEP_OK &&
      seep_capture_path_prepare(launch->capture_path, "-o", &report.error) == SEEP_OK) {
    set_environment(launch, preload);
    execv(program, launch->arguments);
    unlink(launch->capture_path);
    report.failure = errno == ENOENT ? SEEP_EXIT_NOT_FOUND : SEEP_EXIT_CANNOT_RUN;
    seep_error_set(&report.error, SEEP_E_SYSTEM, "%s: %s", program,
                   errno == ENOEXEC ? "not a program and not a script with a #! line: give --lua INTERPRETER"
                                    : strerror(errno));
  }
  if (write(report_to, &report, sizeof report) < 0) _exit(SEEP_EXIT_CANNOT_RECORD);
  _exit(SEEP_EXIT_CANNOT_RECORD);
}

/* -- Signals ------------------------------------------------------------------- */

static void pass_on(int number) {
  if (child_pid > 0) kill(child_pid, number);
}

/* The terminal sends its interrupts to the program as well; one that a process
 * sent to us alone is passed on. */
static void pass_on_if_sent(int number, siginfo_t *info, void *context) {
  (void)context;
  if (info->si_code <= 0) pass_on(number);
}

static void handle_signals(void) {
  static const int passed_on[] = {SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT, SIGWINCH};
  struct sigaction interrupt = {.sa_sigaction = pass_on_if_sent, .sa_flags = SA_RESTART | SA_SIGINFO};
  struct sigaction pass = {.sa_handler = pass_on, .sa_flags = SA_RESTART};
  sigaction(SIGINT, &interrupt, NULL);
  sigaction(SIGQUIT, &interrupt, NULL);
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(passed_on); i++) {
    struct sigaction before;
    sigaction(passed_on[i], NULL, &before);
    if (before.sa_handler != SIG_IGN) sigaction(passed_on[i], &pass, NULL);
  }
}

void seep_launch_end_alike(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    struct rlimit no_core = {0, 0};
    sigset_t only;
    setrlimit(RLIMIT_CORE, &no_core);
    signal(WTERMSIG(wait_status), SIG_DFL);
    sigemptyset(&only);
    sigaddset(&only, WTERMSIG(wait_status));
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    kill(getpid(), WTERMSIG(wait_status));
    exit(128 + WTERMSIG(wait_status));
  }
  exit(WEXITSTATUS(wait_status));
}

/* -- The whole ----------------------------------------------------------------- */

static enum seep_status check_program(const struct seep_launch *launch, char program[PATH_MAX],
                                      int *failure, struct seep_error *error) {
  const char *name = launch->arguments[0];
  if (!seep_launch_find(name, program)) {
    *failure = errno == ENOENT || errno == ENOTDIR ? SEEP_EXIT_NOT_FOUND : SEEP_EXIT_CANNOT_RUN;
    return seep_error_set(error, SEEP_E_NOT_FOUND, "%s: %s", name,
                          *failure == SEEP_EXIT_NOT_FOUND ? "no such program" : strerror(errno));
  }
  const char *obstacle = preload_obstacle(program);
  *failure = SEEP_EXIT_CANNOT_RECORD;
  if (obstacle != NULL) {
    return seep_error_set(error, SEEP_E_SYSTEM, "%s cannot be recorded: %s", name, obstacle);
  }
  return SEEP_OK;
}

static enum seep_status wait_for_child(int report_from, int *wait_status, int *failure,
                                       struct seep_error *error) {
  struct report report;
  ssize_t got;
  do {
    got = read(report_from, &report, sizeof report); /* ends empty when exec succeeds */
  } while (got < 0 && errno == EINTR);
  close(report_from);
  while (waitpid(child_pid, wait_status, 0) < 0 && errno == EINTR) {
  }
  if (got != (ssize_t)sizeof report) return SEEP_OK;
  *failure = report.failure;
  return seep_error_set(error, SEEP_E_SYSTEM, "%s", report.error.text);
}

enum seep_status seep_launch_run(struct seep_launch *launch, int *wait_status, int *failure,
                                 struct seep_error *error) {
  char program[PATH_MAX], preload[PATH_MAX];
  int pipe_ends[2];
  enum seep_status status = check_program(launch, program, failure, error);
  if (status != SEEP_OK) return status;
  if (!find_preload(preload)) {
    return seep_error_set(error, SEEP_E_NOT_FOUND, "%s is neither beside seepline nor in ../lib/seepline: install it again",
                          SEEP_PRELOAD_NAME);
  }
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) return seep_error_set(error, SEEP_E_SYSTEM, "pipe: %s", strerror(errno));
  if (getrandom(&launch->run_id, sizeof launch->run_id, 0) < 0) launch->run_id = (uint64_t)getpid();
  child_pid = fork();
  if (child_pid < 0) return seep_error_set(error, SEEP_E_SYSTEM, "fork: %s", strerror(errno));
  if (child_pid == 0) become_program(launch, program, preload, pipe_ends[1]);
  handle_signals();
  close(pipe_ends[1]);
  *failure = 0;
  if (name_capture(launch, child_pid, error) != SEEP_OK) launch->capture_path[0] = '\0';
  return wait_for_child(pipe_ends[0], wait_status, failure, error);
}
