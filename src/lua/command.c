/* Finding, starting and hearing the command. See command.h. */
#define _GNU_SOURCE
#include "lua/command.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reach/contract.h"
#include "record/frozen.h"

/* The command at work. */
struct work {
  struct seep_command_call *call;
  char command[PATH_MAX];
  struct seep_frozen frozen;
  int from;                 /* what it says comes from here */
  pid_t pid;
};

/* -- Which command --------------------------------------------------------------- */

/* From the module's folder: in a build, in an installation, and in one of a multiarch system. */
static bool find_beside(char out[PATH_MAX]) {
  static const char *const ways[] = {"../../seepline", "../../../bin/seepline", "../../../../bin/seepline"};
  Dl_info where;
  if (dladdr(ways, &where) == 0 || where.dli_fname == NULL) return false;
  const char *slash = strrchr(where.dli_fname, '/');
  for (size_t i = 0; slash != NULL && i < SEEP_ARRAY_SIZE(ways); i++) {
    int length = (int)(slash - where.dli_fname);
    if (snprintf(out, PATH_MAX, "%.*s/%s", length, where.dli_fname, ways[i]) >= PATH_MAX) continue;
    if (access(out, X_OK) == 0) return true;
  }
  return false;
}

static void find_command(char out[PATH_MAX]) {
  const char *given = getenv("SEEPLINE_COMMAND");
  if (given != NULL && given[0] != '\0') {
    snprintf(out, PATH_MAX, "%s", given);
  } else if (!find_beside(out)) {
    strcpy(out, "seepline");
  }
}

/* -- Running it ------------------------------------------------------------------- */

extern char **environ;

/* The environment, and behind it what the copy is. To be freed; NULL: no memory. */
static char **environment_with(char *more) {
  size_t count = 0;
  while (environ != NULL && environ[count] != NULL) count++;
  char **all = malloc((count + 2) * sizeof *all);
  if (all == NULL) return NULL;
  if (count > 0) memcpy(all, environ, count * sizeof *all);
  all[count] = more;
  all[count + 1] = NULL;
  return all;
}

/* The command, its verb, the copy's number, which goes to `copy`, and the words. To be freed; NULL: no memory. */
static char **arguments_of(struct work *work, char *copy, size_t copy_bytes) {
  size_t count = 0;
  while (work->call->words[count] != NULL) count++;
  char **all = malloc((count + 4) * sizeof *all);
  if (all == NULL) return NULL;
  snprintf(copy, copy_bytes, "%d", (int)work->frozen.pid);
  all[0] = work->command;
  all[1] = (char *)work->call->verb;
  all[2] = copy;
  memcpy(all + 3, work->call->words, (count + 1) * sizeof *all);
  return all;
}

/* Returns an error number. */
static int spawn_with(struct work *work, int to, char **arguments, char **environment) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none;
  int stream = work->call->stream;
  sigemptyset(&none);
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 3 - stream, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, to, stream);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  int failure = posix_spawnp(&work->pid, work->command, &actions, &attributes, arguments, environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return failure;
}

static int spawn(struct work *work, int to) {
  char copy[32], variable[96];
  snprintf(variable, sizeof variable, SEEP_FROZEN_VARIABLE "=%d:%llu", (int)getpid(),
           (unsigned long long)work->frozen.pause_ns);
  char **arguments = arguments_of(work, copy, sizeof copy), **environment = environment_with(variable);
  int failure = arguments == NULL || environment == NULL ? ENOMEM : spawn_with(work, to, arguments, environment);
  free(environment);
  free(arguments);
  return failure;
}

/* Keeps the beginning of what the command says, until it ends. */
static void listen(struct work *work) {
  struct seep_command_call *call = work->call;
  char rest[512];
  call->said_bytes = 0;
  for (;;) {
    bool full = call->said_bytes == call->said_room - 1;
    size_t room = full ? sizeof rest : call->said_room - 1 - call->said_bytes;
    ssize_t got = read(work->from, full ? rest : call->said + call->said_bytes, room);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    if (!full) call->said_bytes += (size_t)got;
  }
  call->said[call->said_bytes] = '\0';
}

/* Whether it ended well, as far as that is known. */
static bool has_succeeded(struct work *work) {
  int status = 0;
  pid_t got;
  do {
    got = waitpid(work->pid, &status, 0);
  } while (got < 0 && errno == EINTR);
  work->call->is_known = got >= 0;
  return got < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static enum seep_status say_failure(const struct work *work, struct seep_error *error) {
  char prefix[64], *said = work->call->said;
  size_t length = (size_t)snprintf(prefix, sizeof prefix, "seepline %s: ", work->call->verb);
  said[strcspn(said, "\n")] = '\0';
  if (strncmp(said, prefix, length) == 0) said += length;
  if (work->call->stream != 2 || said[0] == '\0') said = "the command seepline failed, and said nothing";
  return seep_error_set(error, SEEP_E_SYSTEM, "%s", said);
}

/* The program's handler of SIGCHLD, if any, need not know of our child (as with system). */
static enum seep_status run_command(struct work *work, struct seep_error *error) {
  int ends[2];
  sigset_t child, before;
  if (pipe2(ends, O_CLOEXEC) != 0) return seep_error_set(error, SEEP_E_SYSTEM, "pipe: %s", strerror(errno));
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  pthread_sigmask(SIG_BLOCK, &child, &before);
  int failure = spawn(work, ends[1]);
  close(ends[1]);
  work->from = ends[0];
  if (failure == 0) listen(work);
  close(ends[0]);
  bool done = failure == 0 && has_succeeded(work);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (done) return SEEP_OK;
  if (failure == 0) return say_failure(work, error);
  return seep_error_set(error, SEEP_E_NOT_FOUND,
                        "%s: %s: the command reads the heap; set SEEPLINE_COMMAND to its path, or put it on PATH",
                        work->command, strerror(failure));
}

enum seep_status seep_command_run(struct seep_command_call *call, struct seep_error *error) {
  struct work *work = calloc(1, sizeof *work);
  if (work == NULL) return seep_error_set(error, SEEP_E_MEMORY, "no memory to run the command seepline");
  work->call = call;
  enum seep_status status = SEEP_OK;
  find_command(work->command);
  seep_frozen_make(getpid(), &work->frozen);
  if (work->frozen.pid == 0) {
    status = seep_error_set(error, SEEP_E_SYSTEM, "the process could not be copied: %s", strerror(work->frozen.failure));
  } else {
    status = run_command(work, error);
    seep_frozen_drop(&work->frozen);
  }
  free(work);
  return status;
}
