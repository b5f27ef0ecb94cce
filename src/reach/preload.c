/* The library that `seepline run` preloads into a program.
 *
 * It finds the program's Lua states as they are born and puts a recorder in the
 * place of their allocator, without calling into them or allocating from them:
 *
 * - An interpreter that has Lua inside (Debian's lua5.x, luajit) binds
 *   luaL_newstate to itself, so it is not to be replaced; what it calls in libc
 *   is. PUC: the first block is a realloc of a known size, and by the next
 *   realloc the state in it is set up far enough to be recognised. LuaJIT: the
 *   state is in a fresh mapping, and by the first getenv (of package.path) it is
 *   complete and has run nothing.
 * - A host with a shared liblua calls lua_newstate, luaL_newstate and lua_resume
 *   through symbols, which are replaced here.
 *
 * A process without Lua (env, a shell) is left alone, and its children inherit
 * the request, until one has Lua. Nothing is recorded without SEEPLINE_RUN. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "reach/contract.h"
#include "record/hook_states.h"
#include "record/process.h"

enum { BUILDS_MAX = 4, MAPPINGS_MAX = 16, STATE_SEARCH_BYTES = 16384, CALLERS_KNOWN = 32 };

/* A build of Lua in this process, told apart by its lua_newstate. */
struct build {
  void *newstate;
  bool usable; /* its public API was found */
  bool known;  /* calibration succeeded */
  struct seep_lua_api api;
  struct seep_vm vm;
  struct seep_birth birth;  /* of one that is usable and not known */
};

static struct {
  bool requested;              /* SEEPLINE_RUN was there */
  bool claimed;                /* this process is the one to record */
  struct seep_settings settings;
  bool keep_variables;         /* --children */
  bool publicly;               /* hook modes: the public API alone */
  bool by_saved_pc;            /* the running pc is not read from C frames */
  pthread_mutex_t builds_lock;
  struct build builds[BUILDS_MAX];
  uint32_t build_count;
  /* PUC inside the program: the size that announces a state. 0: do not watch. */
  size_t watched_bytes;
  /* LuaJIT inside the program: a state is in a fresh mapping. */
  bool watch_mappings;
} preload = {.builds_lock = PTHREAD_MUTEX_INITIALIZER};

/* Calibration opens a state of its own: the watchers must not take it. */
static __thread bool calibrating;
static __thread uintptr_t candidate_block;
/* Fresh mappings of this thread in which a LuaJIT state may be. Another thread's
 * are not ours to look into: its state may be running already. */
struct places {
  uintptr_t begin[MAPPINGS_MAX];
  uint32_t count;
};
static __thread struct places mappings;
/* Blocks of PUC states that this thread opens and that wait for their hook: it can
 * be set once the state is complete. */
static __thread struct places newborns;

/* -- The request, and how it leaves the environment --------------------------- */

extern char **environ;

static char *find_variable(const char *name, size_t *at) {
  size_t length = strlen(name);
  for (size_t i = 0; environ != NULL && environ[i] != NULL; i++) {
    if (strncmp(environ[i], name, length) == 0 && environ[i][length] == '=') {
      *at = i;
      return environ[i] + length + 1;
    }
  }
  return NULL;
}

static void drop_variable(size_t at) {
  for (; environ[at] != NULL; at++) environ[at] = environ[at + 1];
}

/* Takes our entry out of a list of libraries between colons; false when it was
 * alone, so that there was no such variable before. (It may have been empty.) */
static bool drop_entry(char *list) {
  char *found = strstr(list, SEEP_PRELOAD_NAME);
  if (found == NULL) return true;
  char *begin = found, *end = found + strlen(SEEP_PRELOAD_NAME);
  while (begin > list && begin[-1] != ':') begin--;
  if (begin == list && *end == '\0') return false;
  if (*end == ':') {
    end++;
  } else if (begin > list) {
    begin--; /* the last entry goes with the colon before it */
  }
  memmove(begin, end, strlen(end) + 1);
  return true;
}

static void restore_environment(void) {
  size_t at;
  char *value = find_variable("LD_PRELOAD", &at);
  if (value != NULL && !drop_entry(value)) drop_variable(at);
  if (find_variable(SEEP_RUN_VARIABLE, &at) != NULL) drop_variable(at);
  if (find_variable(SEEP_MODE_VARIABLE, &at) != NULL) drop_variable(at);
  if (find_variable(SEEP_KEEPER_VARIABLE, &at) != NULL) drop_variable(at);
}

static void read_mode(struct seep_settings *settings) {
  size_t at;
  char *end;
  const char *text = find_variable(SEEP_MODE_VARIABLE, &at);
  const char *seed = find_variable(SEEP_SEED_VARIABLE, &at);
  unsigned long mode = text == NULL ? SEEP_MODE_EXACT : strtoul(text, &end, 10);
  settings->mode = SEEP_MODE_EXACT;
  if (text == NULL || *end != ':' || mode < SEEP_MODE_EXACT || mode > SEEP_MODE_COUNT) return;
  settings->mode = (enum seep_mode)mode;
  settings->interval = (uint32_t)strtoul(end + 1, &end, 10);
  settings->seed = seed != NULL ? strtoull(seed, NULL, 10) : settings->run_id ^ (uint64_t)getpid() << 32;
  preload.publicly = strcmp(end, ":public") == 0;
  preload.by_saved_pc = strcmp(end, ":saved") == 0;
}

/* The modes that leave the allocator alone. */
static bool by_hooks(void) { return preload.settings.mode > SEEP_MODE_SAMPLE; }

static bool read_request(void) {
  size_t at;
  const char *value = find_variable(SEEP_RUN_VARIABLE, &at);
  if (value == NULL || strlen(value) < 19 || value[16] != ':' || value[18] != ':') return false;
  struct seep_settings *settings = &preload.settings;
  if (strlen(value + 19) >= sizeof settings->path) return false;
  settings->run_id = strtoull(value, NULL, 16);
  preload.keep_variables = value[17] == SEEP_RUN_CHILDREN;
  strcpy(settings->path, value + 19);
  const char *keeper = find_variable(SEEP_KEEPER_VARIABLE, &at);
  settings->heap_keeper = keeper == NULL ? 0 : (pid_t)strtol(keeper, NULL, 10);
  seep_process_read_command(settings);
  read_mode(settings);
  return true;
}

/* This process has Lua: it is the one that was meant. */
static void claim(void) {
  if (preload.claimed || !preload.requested) return;
  preload.claimed = true;
  if (!preload.keep_variables) restore_environment();
  seep_process_init(&preload.settings);
}

/* -- Builds of Lua ------------------------------------------------------------ */

/* Hooks need the public API alone. */
static bool can_record(const struct build *build) { return by_hooks() ? build->usable : build->known; }

/* Under the lock. */
static struct build *add_build(void *newstate, void *handle) {
  struct build *build = &preload.builds[preload.build_count];
  struct seep_error error = {{0}};
  calibrating = true;
  build->newstate = newstate;
  enum seep_status status = seep_lua_api_find(handle, &build->api, &error);
  build->usable = status == SEEP_OK;
  if (status == SEEP_OK) status = seep_process_calibrate(&build->api, &build->vm, &error);
  if (preload.by_saved_pc) build->vm.native_path_count = 0;
  build->known = status == SEEP_OK && !(preload.publicly && !build->api.is_luajit);
  calibrating = false;
  preload.build_count++;
  if (!can_record(build)) seep_process_note_unrecorded(error.text);
  return build;
}

/* The build whose lua_newstate is `newstate`, calibrated at first sight; NULL
 * when its states cannot be recorded. */
static struct build *build_of(void *newstate, void *handle) {
  struct build *found = NULL;
  pthread_mutex_lock(&preload.builds_lock);
  for (uint32_t i = 0; found == NULL && i < preload.build_count; i++) {
    if (preload.builds[i].newstate == newstate) found = &preload.builds[i];
  }
  if (found == NULL && preload.build_count < BUILDS_MAX) found = add_build(newstate, handle);
  pthread_mutex_unlock(&preload.builds_lock);
  return found != NULL && can_record(found) ? found : NULL;
}

/* Records a complete state that runs nothing of the program's yet. */
static void record_state(struct build *build, lua_State *L) {
  struct seep_error error = {{0}};
  bool described = build->known && !preload.publicly;
  struct seep_hook_request request = {.api = &build->api, .vm = described ? &build->vm : NULL,
                                      .mode = preload.settings.mode, .instructions = preload.settings.interval};
  if (!by_hooks()) {
    seep_process_adopt(&build->vm, (uintptr_t)L);
  } else if (seep_hook_states_start(&request, L, (uintptr_t)L, &error) != SEEP_OK) {
    seep_process_note_unrecorded(error.text);
  }
}

/* -- Lua inside the program: what it calls in libc ---------------------------- */

typedef void *realloc_function(void *block, size_t size);
static realloc_function *next_realloc;

static realloc_function *find_next_realloc(void) {
  if (next_realloc == NULL) next_realloc = (realloc_function *)dlsym(RTLD_NEXT, "realloc");
  return next_realloc;
}

/* The way of all calls but a candidate: straight to libc's, but while some thread
 * has a candidate every call is looked at. */
static realloc_function watch_realloc;
static realloc_function *realloc_route = watch_realloc;
static uint32_t expecting_count;

static void expect_state(uintptr_t block) {
  candidate_block = block;
  __atomic_add_fetch(&expecting_count, 1, __ATOMIC_SEQ_CST);
  __atomic_store_n(&realloc_route, watch_realloc, __ATOMIC_SEQ_CST);
}

/* (Another thread may begin to expect one meanwhile: hence the second look.) */
static void stop_expecting(void) {
  candidate_block = 0;
  if (__atomic_sub_fetch(&expecting_count, 1, __ATOMIC_SEQ_CST) != 0) return;
  __atomic_store_n(&realloc_route, next_realloc, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&expecting_count, __ATOMIC_SEQ_CST) != 0) {
    __atomic_store_n(&realloc_route, watch_realloc, __ATOMIC_SEQ_CST);
  }
}

/* The main thread of the state whose block that is; NULL if it is none. */
static lua_State *main_thread_in(const struct build *build, uintptr_t block) {
  if (!build->known) {
    return seep_birth_is_state(&build->birth, block) ? (lua_State *)(block + build->birth.main_thread_offset) : NULL;
  }
  uintptr_t main_thread = block + build->vm.main_thread_offset;
  return seep_vm_is_state(&build->vm, main_thread) ? (lua_State *)main_thread : NULL;
}

/* The call after the one that may have been a state's: if it was, begin to
 * record. The call itself has passed the state's allocator already, so its
 * block is counted by hand. */
static struct seep_recorder *take_candidate(void) {
  const struct seep_vm *vm = &preload.builds[0].vm;
  uintptr_t block = candidate_block;
  stop_expecting();
  if (main_thread_in(&preload.builds[0], block) == NULL) return NULL;
  if (by_hooks()) {
    newborns.begin[newborns.count++ % MAPPINGS_MAX] = block;
    return NULL;
  }
  seep_process_adopt_newborn(vm, block);
  return seep_process_recorder_of(block + vm->main_thread_offset + vm->global_offset);
}

static SEEP_NOINLINE void *watch_realloc(void *block, size_t size) {
  struct seep_recorder *recorder = NULL;
  if (candidate_block != 0 && !calibrating) recorder = take_candidate();
  void *result = find_next_realloc()(block, size);
  if (result == NULL || calibrating) return result;
  if (recorder != NULL && block == NULL) {
    seep_recorder_note_buffer(recorder, (uintptr_t)result, size);
  }
  if (block == NULL && size == preload.watched_bytes) {
    expect_state((uintptr_t)result);
  }
  return result;
}

SEEP_EXPORT void *realloc(void *block, size_t size) {
  if (SEEP_UNLIKELY(block == NULL && size == preload.watched_bytes)) return watch_realloc(block, size);
  return realloc_route(block, size);
}

static void *map(void *at, size_t size, int protection, int flags, int file, off_t offset) {
  void *pages = (void *)syscall(SYS_mmap, at, size, protection, flags, file, offset);
  if (preload.watch_mappings && pages != MAP_FAILED && file == -1 && !calibrating) {
    mappings.begin[mappings.count++ % MAPPINGS_MAX] = (uintptr_t)pages;
  }
  return pages;
}

SEEP_EXPORT void *mmap(void *at, size_t size, int protection, int flags, int file, off_t offset) {
  return map(at, size, protection, flags, file, offset);
}

SEEP_EXPORT void *mmap64(void *at, size_t size, int protection, int flags, int file, off64_t offset) {
  return map(at, size, protection, flags, file, offset);
}

SEEP_EXPORT int munmap(void *at, size_t size) {
  if (by_hooks() && preload.watch_mappings) seep_hook_states_unmap((uintptr_t)at, size);
  return (int)syscall(SYS_munmap, at, size);
}

/* A state that this thread opens is complete by the time it asks for package.path,
 * so one look at each mapping is enough. */
static SEEP_NOINLINE void search_mappings(void) {
  const struct seep_vm *vm = &preload.builds[0].vm;
  uint32_t count = mappings.count < MAPPINGS_MAX ? mappings.count : MAPPINGS_MAX;
  mappings.count = 0;
  for (uint32_t i = 0; i < count; i++) {
    uintptr_t main_thread = seep_vm_find_state(vm, mappings.begin[i], STATE_SEARCH_BYTES);
    if (main_thread != 0) record_state(&preload.builds[0], (lua_State *)main_thread);
  }
}

/* PUC asks for package.path from within the state, complete then. */
static SEEP_NOINLINE void hook_newborns(void) {
  uint32_t count = newborns.count < MAPPINGS_MAX ? newborns.count : MAPPINGS_MAX;
  newborns.count = 0;
  for (uint32_t i = 0; i < count; i++) {
    lua_State *main_thread = main_thread_in(&preload.builds[0], newborns.begin[i]);
    if (main_thread != NULL) record_state(&preload.builds[0], main_thread);
  }
}

SEEP_EXPORT char *getenv(const char *name) {
  static char *(*next)(const char *);
  if ((mappings.count | newborns.count) != 0 && !calibrating) {
    int saved_errno = errno;
    search_mappings();
    hook_newborns();
    errno = saved_errno;
  }
  if (next == NULL) next = (char *(*)(const char *))dlsym(RTLD_NEXT, "getenv");
  return next(name);
}

/* An interpreter takes interrupts while a chunk runs (lua.c, luajit.c docall): when it stops to, the chunk has just
 * ended. Only its own thread does that. */
static void note_interrupts(int number, bool by_default) {
  if (number != SIGINT || !preload.claimed || calibrating || by_hooks()) return;
  if (syscall(SYS_gettid) != getpid()) return;
  if (by_default) seep_process_note_end(NULL, SEEP_END_OF_CHUNK);
  else seep_process_note_begin();
}

typedef void signal_handler(int);
typedef signal_handler *signal_function(int number, signal_handler *handler);
typedef int sigaction_function(int number, const struct sigaction *action, struct sigaction *before);
static signal_function *next_signal, *next_sysv_signal;
static sigaction_function *next_sigaction;

/* Once, before there are threads: a signal handler may ask for them. */
static void find_signal_functions(void) {
  next_signal = (signal_function *)dlsym(RTLD_NEXT, "signal");
  next_sysv_signal = (signal_function *)dlsym(RTLD_NEXT, "__sysv_signal");
  next_sigaction = (sigaction_function *)dlsym(RTLD_NEXT, "sigaction");
}

SEEP_EXPORT signal_handler *signal(int number, signal_handler *handler) {
  note_interrupts(number, handler == SIG_DFL);
  if (next_signal == NULL) find_signal_functions();
  return next_signal(number, handler);
}

/* What signal is in programs that are compiled for ISO C alone. */
SEEP_EXPORT signal_handler *__sysv_signal(int number, signal_handler *handler) {
  note_interrupts(number, handler == SIG_DFL);
  if (next_sysv_signal == NULL) find_signal_functions();
  return next_sysv_signal(number, handler);
}

SEEP_EXPORT int sigaction(int number, const struct sigaction *action, struct sigaction *before) {
  if (action != NULL) note_interrupts(number, action->sa_handler == SIG_DFL);
  if (next_sigaction == NULL) find_signal_functions();
  return next_sigaction(number, action, before);
}

/* -- Lua in a shared library: what the host calls ----------------------------- */

/* The function of that name in the library that the caller was linked with, or
 * else the next one in the global order. (A process can hold two versions of
 * Lua: each caller must reach its own.) */
static void *search_real(const char *name, void *caller) {
  Dl_info where, found_in, ours;
  if (dladdr(caller, &where) != 0 && dladdr(&preload, &ours) != 0) {
    void *object = dlopen(where.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    void *found = object == NULL ? NULL : dlsym(object, name);
    if (found != NULL && dladdr(found, &found_in) != 0 && found_in.dli_fbase != ours.dli_fbase) {
      return found;
    }
  }
  return dlsym(RTLD_NEXT, name);
}

/* The same, remembered per place of call: lua_resume is called often. */
static void *real_function(const char *name, void *caller) {
  static __thread struct {
    const char *name;
    void *caller, *real;
  } known[CALLERS_KNOWN];
  uintptr_t at = seep_mix64((uintptr_t)caller ^ (uintptr_t)name) % CALLERS_KNOWN;
  if (known[at].caller != caller || known[at].name != name) {
    known[at].real = search_real(name, caller);
    known[at].name = name;
    known[at].caller = caller;
  }
  return known[at].real;
}

static struct build *build_behind(void *real_newstate) {
  Dl_info where;
  if (!preload.requested || calibrating || real_newstate == NULL) return NULL;
  claim();
  if (!seep_process_is_recording() || dladdr(real_newstate, &where) == 0) return NULL;
  void *object = dlopen(where.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  return object == NULL ? NULL : build_of(real_newstate, object);
}

/* Any version's: 5.5 has a third argument. */
lua_State *lua_newstate(seep_allocator *allocator, void *ud, unsigned seed);
lua_State *luaL_newstate(void);
void lua_close(lua_State *L);
int lua_resume(lua_State *L, void *a, void *b, void *c);
void lua_setallocf(lua_State *L, seep_allocator *allocator, void *ud);
seep_allocator *lua_getallocf(lua_State *L, void **ud);

/* LuaJIT compares the allocator with its own in many places, so its states are
 * taken over once they are there; PUC is opened with the recorder in place. */
SEEP_EXPORT lua_State *lua_newstate(seep_allocator *allocator, void *ud, unsigned seed) {
  lua_State *(*real)(seep_allocator *, void *, unsigned) =
      real_function("lua_newstate", __builtin_return_address(0));
  struct build *build = build_behind((void *)real);
  if (real == NULL) return NULL;
  if (build == NULL) return real(allocator, ud, seed);
  bool opens_here = !build->api.is_luajit && !by_hooks();
  seep_allocator *stands_in = opens_here ? seep_process_open(&build->vm, allocator) : allocator;
  lua_State *L = real(stands_in, ud, seed);
  if (L == NULL) {
    if (opens_here) seep_process_open_failed(stands_in);
  } else if (!opens_here) {
    record_state(build, L);
  }
  return L;
}

SEEP_EXPORT lua_State *luaL_newstate(void) {
  lua_State *(*real)(void) = real_function("luaL_newstate", __builtin_return_address(0));
  if (real == NULL) return NULL;
  lua_State *L = real();
  struct build *build = build_behind(search_real("lua_newstate", (void *)real));
  if (L != NULL && build != NULL) record_state(build, L);
  return L;
}

/* The global state of a thread, when one build of Lua is recorded here; else 0. */
static uintptr_t global_of_thread(lua_State *L) {
  if (preload.build_count != 1 || !preload.builds[0].known) return 0;
  return *(uintptr_t *)((uintptr_t)L + preload.builds[0].vm.thread_global);
}

static struct seep_recorder *recorder_of_thread(lua_State *L) {
  uintptr_t global = global_of_thread(L);
  return global == 0 ? NULL : seep_process_recorder_of(global);
}

/* What the host's last call has left. */
static void note_close(lua_State *L) {
  struct seep_recorder *recorder = calibrating || L == NULL ? NULL : recorder_of_thread(L);
  if (recorder != NULL) seep_process_note_end(recorder, SEEP_END_OF_STATE);
}

/* What a recorder of allocators sees by itself, hooks must be told. */
SEEP_EXPORT void lua_close(lua_State *L) {
  void (*real)(lua_State *) = real_function("lua_close", __builtin_return_address(0));
  if (by_hooks() && preload.build_count == 1 && preload.builds[0].usable && !calibrating) {
    seep_hook_states_stop(&preload.builds[0].api, L, true);
  }
  if (!by_hooks()) note_close(L);
  real(L);
}

static struct seep_vm_state *vm_state_of_thread(lua_State *L) {
  if (by_hooks()) return seep_hook_states_vm_state(global_of_thread(L));
  struct seep_recorder *recorder = recorder_of_thread(L);
  return recorder == NULL ? NULL : &recorder->vm_state;
}

/* -- What the Lua module in this process asks ---------------------------------- */

/* The recorder of a thread's state, whatever build it is of. */
static struct seep_recorder *recorder_of_any(uintptr_t thread) {
  struct seep_recorder *found = NULL;
  for (uint32_t i = 0; i < preload.build_count && found == NULL; i++) {
    const struct build *build = &preload.builds[i];
    if (!build->known) continue;
    found = seep_process_recorder_of(seep_load_pointer(&seep_image_self_checked, thread + build->vm.thread_global));
  }
  return found;
}

static bool settle_hooks_for_module(lua_State *L, char path[PATH_MAX]) {
  for (uint32_t i = 0; i < preload.build_count; i++) {
    if (seep_hook_states_settle(&preload.builds[i].api, L)) return seep_process_path(path);
  }
  return false;
}

static bool settle_for_module(void *thread, char path[PATH_MAX], uint32_t *state_index) {
  *state_index = 0;
  if (by_hooks()) return settle_hooks_for_module(thread, path);
  struct seep_recorder *recorder = recorder_of_any((uintptr_t)thread);
  if (recorder == NULL || !seep_process_settle(recorder, path)) return false;
  *state_index = recorder->state_index;
  return true;
}

extern const struct seep_recording_1 seepline_recording_1;
SEEP_EXPORT const struct seep_recording_1 seepline_recording_1 = {.settle = settle_for_module};

/* -- What a host does with its allocator and threads --------------------------- */

/* The program's own allocator: one that the program puts around it comes behind the
 * recorder, and would call the recorder again. */
SEEP_EXPORT seep_allocator *lua_getallocf(lua_State *L, void **ud) {
  seep_allocator *(*real)(lua_State *, void **) = real_function("lua_getallocf", __builtin_return_address(0));
  seep_allocator *allocator = real(L, ud);
  struct seep_recorder *recorder = recorder_of_thread(L);
  return recorder != NULL && allocator == recorder->installed ? recorder->original : allocator;
}

/* The program's new allocator comes behind the recorder, as the old one was. */
SEEP_EXPORT void lua_setallocf(lua_State *L, seep_allocator *allocator, void *ud) {
  void (*real)(lua_State *, seep_allocator *, void *) =
      real_function("lua_setallocf", __builtin_return_address(0));
  struct seep_recorder *recorder = recorder_of_thread(L);
  if (recorder != NULL && allocator != recorder->installed) {
    recorder->original = allocator;
    allocator = recorder->installed;
  }
  real(L, allocator, ud);
}

/* Any version's lua_resume: up to four arguments in registers. LuaJIT says
 * itself which thread runs. */
SEEP_EXPORT int lua_resume(lua_State *L, void *a, void *b, void *c) {
  int (*next)(lua_State *, void *, void *, void *) =
      real_function("lua_resume", __builtin_return_address(0));
  struct seep_vm_state *state = preload.builds[0].api.is_luajit ? NULL : vm_state_of_thread(L);
  if (state == NULL) return next(L, a, b, c);
  uint32_t depth = seep_vm_host_resume_begin(state, (uintptr_t)L);
  int status = next(L, a, b, c);
  seep_vm_host_resume_end(state, depth);
  return status;
}

/* -- Beginning and end --------------------------------------------------------- */

SEEP_EXPORT __attribute__((noreturn)) void _exit(int status) {
  seep_process_finish();
  for (;;) syscall(SYS_exit_group, status);
}

SEEP_EXPORT __attribute__((noreturn)) void _Exit(int status) { _exit(status); }

/* The program's own lua_newstate, when Lua is inside it. (Comparing it with ours
 * by name would not do: our name, too, means the program's.) */
static void *newstate_of_program(void) {
  Dl_info found_in, ours;
  void *found = dlsym(RTLD_DEFAULT, "lua_newstate");
  if (found == NULL || dladdr(found, &found_in) == 0) return NULL;
  if (dladdr(&preload, &ours) == 0 || found_in.dli_fbase == ours.dli_fbase) return NULL;
  return found;
}

/* A build that no description fits, to be recorded by hooks. */
static void watch_births(struct build *build) {
  struct seep_error error = {{0}};
  calibrating = true;
  enum seep_status status = seep_calibrate_birth(&build->api, &build->birth, &error);
  calibrating = false;
  if (status != SEEP_OK) seep_process_note_unrecorded(error.text);
  else preload.watched_bytes = build->birth.block_bytes;
}

static void watch_program(void *newstate) {
  claim();
  struct build *build = build_of(newstate, RTLD_DEFAULT);
  if (build == NULL) return;
  if (!build->known) {
    watch_births(build);
  } else if (build->api.is_luajit) {
    preload.watch_mappings = true;
  } else {
    preload.watched_bytes = build->vm.state_block_bytes;
  }
}

__attribute__((constructor)) static void begin(void) {
  realloc_route = find_next_realloc();
  find_signal_functions();
  preload.requested = read_request();
  if (!preload.requested) return;
  at_quick_exit(seep_process_finish);
  void *newstate = newstate_of_program();
  if (newstate != NULL) {
    watch_program(newstate);
  } else if (dlsym(RTLD_NEXT, "lua_newstate") != NULL) {
    claim();
  }
}

__attribute__((destructor)) static void end(void) { seep_process_finish(); }
