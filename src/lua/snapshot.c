/* seepline.snapshot: the heap of this process, into a file.
 *
 * Nothing that reads heaps is in here: the process leaves a frozen copy of itself
 * (record/frozen.h), the command reads that and writes the file, and the caller waits.
 * Where the command is: $SEEPLINE_COMMAND, else where it lies when the module was built
 * or installed, else on PATH. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lua/args.h"
#include "lua/functions.h"
#include "reach/contract.h"
#include "record/frozen.h"
#include "store/capture_path.h"

/* The command at work. */
struct work {
  char path[PATH_MAX];      /* of the snapshot */
  char command[PATH_MAX];
  struct seep_frozen frozen;
  int from;                 /* what it says goes here */
  pid_t pid;
  char said[512];
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

/* Returns an error number. */
static int spawn(struct work *work, int to) {
  char copy[32], variable[96];
  char *arguments[] = {work->command, "snapshot", copy, "-o", work->path, NULL};
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none;
  sigemptyset(&none);
  snprintf(copy, sizeof copy, "%d", (int)work->frozen.pid);
  snprintf(variable, sizeof variable, SEEP_FROZEN_VARIABLE "=%d:%llu", (int)getpid(),
           (unsigned long long)work->frozen.pause_ns);
  char **environment = environment_with(variable);
  if (environment == NULL) return ENOMEM;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, to, 2);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  int failure = posix_spawnp(&work->pid, work->command, &actions, &attributes, arguments, environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  free(environment);
  return failure;
}

/* Keeps the beginning of what the command says, until it ends. */
static void listen(struct work *work) {
  char rest[512];
  size_t used = 0;
  for (;;) {
    bool full = used == sizeof work->said - 1;
    size_t room = full ? sizeof rest : sizeof work->said - 1 - used;
    ssize_t got = read(work->from, full ? rest : work->said + used, room);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    if (!full) used += (size_t)got;
  }
  work->said[used] = '\0';
  work->said[strcspn(work->said, "\n")] = '\0';
}

/* Whether it ended well. A program that reaps all its children itself leaves us what was said. */
static bool has_succeeded(const struct work *work) {
  int status = 0;
  pid_t got;
  do {
    got = waitpid(work->pid, &status, 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return work->said[0] == '\0' && access(work->path, F_OK) == 0;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static enum seep_status say_failure(const struct work *work, struct seep_error *error) {
  static const char prefix[] = "seepline snapshot: ";
  bool prefixed = strncmp(work->said, prefix, sizeof prefix - 1) == 0;
  const char *said = work->said + (prefixed ? sizeof prefix - 1 : 0);
  if (said[0] == '\0') said = "the command seepline failed, and said nothing";
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

/* -- The function -------------------------------------------------------------------- */

static enum seep_status take(struct work *work, struct seep_error *error) {
  find_command(work->command);
  seep_frozen_make(getpid(), &work->frozen);
  if (work->frozen.pid == 0) {
    return seep_error_set(error, SEEP_E_SYSTEM, "the process could not be copied: %s", strerror(work->frozen.failure));
  }
  enum seep_status status = run_command(work, error);
  seep_frozen_drop(&work->frozen);
  return status;
}

int seep_take_snapshot(lua_State *L) {
  struct seep_error error = {{0}};
  if (lua_type(L, 1) != LUA_TSTRING) {
    return seep_args_bad(L, 1, "snapshot", "path expected, got %s", lua_isnone(L, 1) ? "no value" : luaL_typename(L, 1));
  }
  seep_session_settle(seep_session_of(L), L); /* may raise: first */
  struct work *work = calloc(1, sizeof *work);
  if (work == NULL) {
    seep_error_set(&error, SEEP_E_MEMORY, "no memory for a snapshot");
    return seep_fail(L, &error);
  }
  enum seep_status status = seep_capture_path_absolute(lua_tostring(L, 1), "path", work->path, &error);
  if (status == SEEP_OK) status = take(work, &error);
  char path[PATH_MAX];
  memcpy(path, work->path, sizeof path);
  free(work);
  if (status != SEEP_OK) return seep_fail(L, &error);
  lua_pushstring(L, path);
  return 1;
}
