/* See session.h. */
#define _GNU_SOURCE
#include "lua/session.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "lua/answer.h"
#include "lua/here.h"
#include "reach/contract.h"
#include "record/hook_states.h"
#include "record/process.h"
#include "store/capture_path.h"

static const char registry_key; /* its address */

/* -- One per state ------------------------------------------------------------ */

static void stop_hooks(struct seep_session *session, lua_State *L, bool is_closing);

static void forget_view(struct seep_session *session) {
  seep_mark_free(session->view);
  if (session->frozen != NULL) seep_reader_close(session->frozen);
  session->view = NULL;
  session->frozen = NULL;
}

/* The state is being closed. (If it still records, its recorder sees that.) */
static int collect(lua_State *L) {
  struct seep_session **box = lua_touserdata(L, 1);
  if (box == NULL || *box == NULL) return 0;
  if ((*box)->is_by_hooks) stop_hooks(*box, L, true);
  if ((*box)->used_hooks) seep_hook_states_abandon(seep_here_api(NULL), L);
  if ((*box)->global != 0 && !(*box)->recording) seep_process_abandon((*box)->global);
  forget_view(*box);
  free(*box);
  *box = NULL;
  return 0;
}

static struct seep_session **new_box(lua_State *L) {
  struct seep_session **box = lua_newuserdata(L, sizeof *box);
  *box = NULL;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, collect);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  seep_lua_registry_set(L, &registry_key);
  return box;
}

struct seep_session *seep_session_of(lua_State *L) {
  luaL_checkstack(L, 6, "no room for seepline");
  seep_lua_registry_get(L, &registry_key);
  struct seep_session **box = lua_touserdata(L, -1);
  if (box == NULL) {
    lua_pop(L, 1);
    box = new_box(L);
  }
  if (*box == NULL) *box = calloc(1, sizeof **box);
  lua_pop(L, 1);
  if (*box == NULL) luaL_error(L, "no memory for seepline");
  return *box;
}

/* -- The recording of `seepline run` ------------------------------------------- */

static bool settle_run(struct seep_session *session, lua_State *L) {
  const struct seep_recording_1 *recording = dlsym(RTLD_DEFAULT, SEEP_RECORDING_SYMBOL);
  return recording != NULL && recording->settle(L, session->path, &session->state_index);
}

static enum seep_status open_view(struct seep_session *session, struct seep_error *error) {
  struct seep_answer answer = {0};
  struct seep_mark *mark = NULL;
  enum seep_status status = seep_answer_open(&answer, session->path, error);
  if (status == SEEP_OK) status = seep_answer_mark(&answer, &mark, error);
  seep_answer_close(&answer);
  if (status != SEEP_OK) return status;
  forget_view(session);
  session->view = mark;
  return SEEP_OK;
}

/* A closed view keeps what it saw; where that cannot be, it goes on looking. */
static void close_view(struct seep_session *session, lua_State *L) {
  if (settle_run(session, L)) seep_reader_open(session->path, &session->frozen, NULL);
}

/* -- A recording of our own ----------------------------------------------------- */

static enum seep_status describe(const struct seep_session_request *request, struct seep_settings *settings,
                                 struct seep_error *error) {
  char name[SEEP_CAPTURE_NAME_BYTES];
  seep_process_read_command(settings);
  settings->mode = request->mode;
  settings->interval = request->interval;
  settings->seed = seep_clock_wall_ns() ^ (uint64_t)getpid() << 32;
  settings->default_name = request->out == NULL;
  if (getrandom(&settings->run_id, sizeof settings->run_id, GRND_NONBLOCK) < 0) settings->run_id = settings->seed;
  if (request->out != NULL) return seep_capture_path_absolute(request->out, "out", settings->path, error);
  seep_capture_path_default(request->program, (uint32_t)getpid(), name);
  return seep_capture_path_absolute(name, "out", settings->path, error);
}

static enum seep_status start_own(struct seep_session *session, lua_State *L,
                                  const struct seep_session_request *request, struct seep_error *error) {
  const struct seep_vm *vm = seep_here_vm(error);
  if (vm == NULL) return SEEP_E_UNKNOWN_VM;
  uintptr_t main_thread = seep_here_main_thread(vm, L, error);
  if (main_thread == 0) return SEEP_E_UNKNOWN_VM;
  struct seep_settings *settings = calloc(1, sizeof *settings);
  if (settings == NULL) return seep_error_set(error, SEEP_E_MEMORY, "no memory to record");
  enum seep_status status = describe(request, settings, error);
  if (status == SEEP_OK) status = seep_process_start(settings, vm, main_thread, error);
  free(settings);
  if (status == SEEP_OK) session->global = main_thread + vm->global_offset;
  return status;
}

/* The allocator stays the program's own; a build that no description fits can be
 * recorded so, too. */
static enum seep_status start_hooks(struct seep_session *session, lua_State *L,
                                    const struct seep_session_request *request, struct seep_error *error) {
  const struct seep_lua_api *api = seep_here_api(error);
  const struct seep_vm *vm = seep_here_vm(NULL);
  uintptr_t main_thread = vm == NULL ? 0 : seep_here_main_thread(vm, L, NULL);
  struct seep_hook_request hook = {.api = api, .vm = main_thread == 0 ? NULL : vm, .mode = request->mode,
                                   .instructions = request->mode == SEEP_MODE_COUNT ? request->interval : 0};
  if (api == NULL) return SEEP_E_NOT_FOUND;
  struct seep_settings *settings = calloc(1, sizeof *settings);
  if (settings == NULL) return seep_error_set(error, SEEP_E_MEMORY, "no memory to record");
  enum seep_status status = describe(request, settings, error);
  if (status == SEEP_OK) status = seep_process_open_capture(settings, error);
  free(settings);
  if (status != SEEP_OK) return status;
  status = seep_hook_states_start(&hook, L, main_thread, error);
  session->is_by_hooks = session->used_hooks = status == SEEP_OK;
  if (status != SEEP_OK) seep_process_close_unused();
  return status;
}

/* The lock of the process is not held over both: the capture stays while the state
 * is in it. */
static bool settle_hooks(struct seep_session *session, lua_State *L) {
  return seep_hook_states_settle(seep_here_api(NULL), L) && seep_process_path(session->path);
}

static void stop_hooks(struct seep_session *session, lua_State *L, bool is_closing) {
  seep_process_path(session->path);
  seep_hook_states_stop(seep_here_api(NULL), L, is_closing);
  session->is_by_hooks = false;
  seep_process_close_unused();
}

static bool settle_own(struct seep_session *session) {
  struct seep_recorder *recorder = session->global == 0 ? NULL : seep_process_recorder_of(session->global);
  if (recorder == NULL || !seep_process_settle(recorder, session->path)) return false;
  session->state_index = recorder->state_index;
  return true;
}

static void stop_own(struct seep_session *session) {
  struct seep_recorder *recorder = seep_process_recorder_of(session->global);
  if (recorder == NULL) return;
  seep_process_settle(recorder, session->path);
  seep_process_stop(recorder);
}

/* -- The whole ------------------------------------------------------------------ */

bool seep_session_settle(struct seep_session *session, lua_State *L) {
  if (session->is_by_hooks) return settle_hooks(session, L);
  return settle_own(session) || settle_run(session, L);
}

static bool is_hook_mode(enum seep_mode mode) { return mode != SEEP_MODE_EXACT && mode != SEEP_MODE_SAMPLE; }

static enum seep_status start_here(struct seep_session *session, lua_State *L,
                                   const struct seep_session_request *request, struct seep_error *error) {
  return is_hook_mode(request->mode) ? start_hooks(session, L, request, error) : start_own(session, L, request, error);
}

enum seep_status seep_session_start(struct seep_session *session, lua_State *L,
                                    const struct seep_session_request *request, struct seep_error *error) {
  if (session->recording && seep_session_settle(session, L)) {
    return seep_error_set(error, SEEP_E_USAGE, "already recording");
  }
  session->is_view = settle_run(session, L);
  enum seep_status status = session->is_view ? open_view(session, error) : start_here(session, L, request, error);
  session->recording = status == SEEP_OK;
  if (status != SEEP_OK) return status;
  if (!session->is_view) forget_view(session);
  session->has_recorded = true;
  seep_session_settle(session, L);
  memcpy(session->shown_path, session->path, PATH_MAX);
  return SEEP_OK;
}

enum seep_status seep_session_start_quietly(struct seep_session *session, lua_State *L,
                                            const struct seep_session_request *request, struct seep_error *error) {
  enum seep_status status = start_own(session, L, request, error);
  if (status == SEEP_OK) seep_session_settle(session, L);
  return status;
}

void seep_session_stop_quietly(struct seep_session *session) { stop_own(session); }

enum seep_status seep_session_stop(struct seep_session *session, lua_State *L, struct seep_error *error) {
  if (!session->recording) {
    return seep_error_set(error, SEEP_E_USAGE, session->has_recorded ? "not recording: it was stopped already"
                                                                     : "not recording: it was never started");
  }
  if (session->is_view) {
    close_view(session, L);
  } else {
    if (session->is_by_hooks) stop_hooks(session, L, false);
    else stop_own(session);
    memcpy(session->shown_path, session->path, PATH_MAX); /* a forked child's is another */
  }
  session->recording = false;
  return SEEP_OK;
}
