/* A host of Lua for the tests: opens states, closes them, runs them in threads,
 * forks, lets allocations fail, and resumes coroutines from C. Compiled by the
 * tests against each version's headers and shared library; LOCAL: without the
 * library, which it opens itself.
 *
 *   host CASE [N]
 *
 * What it prints must be the same with and without us. The bytes that its open
 * states count at the end differ from run to run (hash seeds): they go to
 * stderr, and must be what the process's capture says is live. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#define FAILS_IN_A_ROW 3
#include "../lib/host_parts.h"

#if LUA_VERSION_NUM >= 504
static int resume(lua_State *L, lua_State *from, int arguments) {
  int results;
  return lua_resume(L, from, arguments, &results);
}
#elif LUA_VERSION_NUM >= 502
static int resume(lua_State *L, lua_State *from, int arguments) { return lua_resume(L, from, arguments); }
#else
static int resume(lua_State *L, lua_State *from, int arguments) {
  (void)from;
  return lua_resume(L, arguments);
}
#define LUA_OK 0
#endif

/* What the capture of this process must say at its end. */
static void tell(long bytes) {
  char text[64];
  int length = snprintf(text, sizeof text, "%d %ld\n", (int)getpid(), bytes);
  if (write(2, text, (size_t)length) != length) _exit(8);
}

static const char *const work =
    "kept = kept or {} "
    "for i = 1, 200 do kept[#kept + 1] = { i, tostring(i) .. 'x' } end "
    "local co = coroutine.wrap(function() for i = 1, 10 do coroutine.yield({ i }) end end) "
    "for _ = 1, 5 do co() end "
    "for i = 1, 200 do local t = { {}, i } end";

/* -- States -------------------------------------------------------------------- */

static lua_State *open_state(void) {
  lua_State *L = luaL_newstate();
  need(L != NULL, "luaL_newstate");
  luaL_openlibs(L);
  return L;
}

/* N states opened and closed one after another; the last stays open. */
static void case_states(int count) {
  for (int i = 0; i < count; i++) {
    lua_State *L = open_state();
    run(L, work);
    if (i + 1 < count) lua_close(L);
    else tell(count_bytes(L));
  }
}

/* N states at the same time, closed in another order. */
static void case_together(int count) {
  lua_State **states = calloc((size_t)count, sizeof *states);
  long total = 0;
  for (int i = 0; i < count; i++) states[i] = open_state();
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < count; i++) run(states[i], work);
  }
  for (int i = 0; i < count; i += 2) lua_close(states[i]);
  for (int i = 1; i < count; i += 2) {
    run(states[i], work);
    total += count_bytes(states[i]);
  }
  tell(total);
  free(states);
}

/* -- Threads ------------------------------------------------------------------- */

/* Chunks of many names: the capture must grow in all threads at once. */
static void *thread_work(void *argument) {
  int number = *(int *)argument;
  char code[300];
  lua_State *L = open_state();
  for (int i = 0; i < 300; i++) {
    snprintf(code, sizeof code,
             "kept = kept or {} local function f%d() local t = { {}, 'thread %d at %d' } return t end "
             "\n\n kept[#kept + 1] = f%d() kept[#kept + 1] = { f%d() }", i, number, i, i, i);
    run(L, code);
    if (i % 10 == 0) run(L, work);
  }
  long *bytes = malloc(sizeof *bytes);
  *bytes = count_bytes(L);
  return bytes;
}

static void case_threads(int count) {
  pthread_t threads[64];
  int numbers[64];
  long total = 0;
  for (int i = 0; i < count; i++) {
    numbers[i] = i;
    need(pthread_create(&threads[i], NULL, thread_work, &numbers[i]) == 0, "pthread_create");
  }
  for (int i = 0; i < count; i++) {
    void *bytes;
    pthread_join(threads[i], &bytes);
    total += *(long *)bytes;
  }
  tell(total);
}

static void *churn_states(void *argument) {
  for (int i = 0; i < *(int *)argument; i++) {
    lua_State *L = open_state();
    run(L, work);
    lua_close(L);
  }
  return NULL;
}

/* States that come and go in two threads, while a third state goes on. */
static void case_thread_states(int count) {
  pthread_t threads[2];
  lua_State *L = open_state();
  for (int i = 0; i < 2; i++) need(pthread_create(&threads[i], NULL, churn_states, &count) == 0, "pthread_create");
  for (int i = 0; i < count; i++) run(L, "local t = {} for i = 1, 100 do t[i] = { i } end last = t");
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  tell(count_bytes(L));
}

/* A state that is made in one thread and goes on in others. */
static void *continue_state(void *L) {
  run(L, work);
  return NULL;
}

static void case_wandering(int count) {
  lua_State *L = open_state();
  for (int i = 0; i < count; i++) {
    pthread_t thread;
    need(pthread_create(&thread, NULL, continue_state, L) == 0, "pthread_create");
    pthread_join(thread, NULL);
  }
  tell(count_bytes(L));
}

/* -- Forks --------------------------------------------------------------------- */

static void wait_for(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  printf("child: %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
}

/* Child and parent go on. */
static void case_fork(int count) {
  lua_State *L = open_state();
  (void)count;
  run(L, work);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    run(L, work);
    run(L, "for i = 1, 500 do kept[#kept + 1] = { 'child' } end");
    puts("in the child");
    tell(count_bytes(L));
    exit(0);
  }
  run(L, work);
  run(L, work);
  wait_for(child);
  puts("in the parent");
  tell(count_bytes(L));
}

/* The child forks before it has done anything else, while the parent goes on. */
static void case_fork_twice(int count) {
  lua_State *L = open_state();
  int ready[2];
  char byte = 0;
  (void)count;
  run(L, work);
  fflush(stdout);
  need(pipe(ready) == 0, "pipe");
  pid_t child = fork();
  if (child == 0) {
    pid_t grandchild = fork();
    if (grandchild == 0) {
      run(L, work);
      tell(count_bytes(L));
      exit(0);
    }
    waitpid(grandchild, NULL, 0);
    need(read(ready[0], &byte, 1) == 1, "read");
    run(L, work);
    run(L, work);
    puts("in the child");
    tell(count_bytes(L));
    exit(0);
  }
  run(L, work);
  run(L, work);
  run(L, work);
  need(write(ready[1], &byte, 1) == 1, "write");
  wait_for(child);
  puts("in the parent");
  tell(count_bytes(L));
}

/* Children of a process in which other threads run Lua: their states are caught in
 * the middle of something. */
static void case_fork_busy(int count) {
  pthread_t threads[2];
  lua_State *L = open_state();
  for (int i = 0; i < 2; i++) need(pthread_create(&threads[i], NULL, churn_states, &count) == 0, "pthread_create");
  for (int i = 0; i < count / 10; i++) {
    run(L, work);
    pid_t child = fork();
    if (child == 0) {
      run(L, "kept[#kept + 1] = { 'child' }");
      _exit(0);
    }
    waitpid(child, NULL, 0);
  }
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  tell(count_bytes(L));
}

/* A child that has nothing to do with Lua. */
static void case_fork_exit(int count) {
  lua_State *L = open_state();
  run(L, work);
  fflush(stdout);
  for (int i = 0; i < count; i++) {
    pid_t child = fork();
    if (child == 0) {
      if (i % 3 == 0) _exit(3);
      if (i % 3 == 1) exit(4);
      execl("/bin/true", "true", (char *)NULL);
      _exit(5);
    }
    wait_for(child);
    run(L, work);
  }
  tell(count_bytes(L));
}

/* vfork: the child shares the memory and ends by _exit when exec fails. */
static void case_vfork(int count) {
  lua_State *L = open_state();
  run(L, work);
  fflush(stdout);
  for (int i = 0; i < count; i++) {
    pid_t child = vfork();
    if (child == 0) {
      execl("/nowhere/at/all", "none", (char *)NULL);
      _exit(6);
    }
    wait_for(child);
    run(L, work);
  }
  tell(count_bytes(L));
}

/* -- Allocators ---------------------------------------------------------------- */

static const char *const small_program =
    "local kept = {} "
    "for i = 1, 30 do kept[i] = { i, 'x' .. i, function() return i end } end "
    "local co = coroutine.create(function(a) local t = { a } coroutine.yield(t) error({}) end) "
    "coroutine.resume(co, 1) coroutine.resume(co) "
    "local function deep(n) if n == 0 then return { n } end local t = { deep(n - 1) } return t end "
    "deep(30) "
    "pcall(error, { 'an error' }) "
    "return table.concat({ 'a', 'b' }, ','):rep(20)";

static int protected_program(lua_State *L) {
  luaL_openlibs(L);
  if (luaL_loadstring(L, small_program) != LUA_OK) lua_error(L);
  lua_call(L, 0, 1);
  return 1;
}

/* One outcome: n for no state, else the status; then what was not freed. */
static void print_outcome(long fail_at, long *calls) {
  struct pool pool = {.fail_at = fail_at};
  lua_State *L = lua_newstate(allocate, &pool);
  if (L == NULL) {
    printf("n %ld\n", pool.live);
    *calls = pool.calls;
    return;
  }
  lua_atpanic(L, NULL);
#if LUA_VERSION_NUM >= 502
  lua_pushcfunction(L, protected_program); /* does not allocate */
  int status = lua_pcall(L, 0, 1, 0);
  printf("%d ", status);
#else
  int status = lua_cpcall(L, protected_program, NULL);
  printf("%d ", status);
#endif
  *calls = pool.calls;
  lua_close(L);
  printf("%ld\n", pool.live);
}

/* The allocator fails at its first call, at its second, and so on. */
static void case_failing(int step) {
  long calls = 0, all;
  print_outcome(0, &all);
  for (long fail_at = 1; fail_at <= all - 10; fail_at += step) print_outcome(fail_at, &calls);
}

/* Many states that cannot be opened, then one that can. */
static void case_failing_births(int count) {
  int failed = 0;
  for (int i = 0; i < count; i++) {
    struct pool pool = {.fail_at = 1 + i % 2};
    failed += lua_newstate(allocate, &pool) == NULL;
  }
  printf("%d\n", failed);
  struct pool pool = {0};
  lua_State *L = lua_newstate(allocate, &pool);
  need(L != NULL, "lua_newstate");
  luaL_openlibs(L);
  run(L, work);
  printf("%d\n", count_bytes(L) == pool.live);
  tell(count_bytes(L));
}

/* The program looks at its allocator, and puts another in its place. */
static lua_State *swap_allocators(struct pool *pool, struct pool *other) {
  void *ud = NULL;
  lua_State *L = lua_newstate(allocate, pool);
  need(L != NULL, "lua_newstate");
  luaL_openlibs(L);
  run(L, work);
  lua_Alloc function = lua_getallocf(L, &ud);
  printf("ud %d\n", ud == pool);
  void *block = function(ud, NULL, 0, 100);
  block = function(ud, block, 100, 5000);
  function(ud, block, 5000, 0);
  run(L, work);
  *other = *pool;
  lua_setallocf(L, allocate, other);
  run(L, work);
  printf("%d\n", other->live == count_bytes(L));
  return L;
}

/* Once with a state that is closed, once with one that stays open: finalizers
 * that lua_close runs may allocate, so only the open one can be told to the byte. */
static void case_allocator(int count) {
  static struct pool pools[2], others[2];
  (void)count;
  lua_close(swap_allocators(&pools[0], &others[0]));
  printf("%ld\n", others[0].live);
  tell(count_bytes(swap_allocators(&pools[1], &others[1])));
}

/* Puts an allocator around the one that lua_getallocf gives, as hosts do that limit or
 * count memory. */
static struct {
  lua_Alloc inner;
  void *ud;
  long calls;
} around;

static void *allocate_around(void *ud, void *block, size_t old_size, size_t new_size) {
  (void)ud;
  around.calls++;
  return around.inner(around.ud, block, old_size, new_size);
}

static void case_around(int count) {
  (void)count;
  lua_State *L = open_state();
  run(L, work);
  around.inner = lua_getallocf(L, &around.ud);
  lua_setallocf(L, allocate_around, &around);
  run(L, work);
  void *ud;
  printf("%d %d %d\n", around.calls > 1000, lua_getallocf(L, &ud) == allocate_around, ud == (void *)&around);
  tell(count_bytes(L));
}

/* Allocates through what lua_getallocf gives, outside the VM's count, last of all. */
static void case_outside(int size_bytes) {
  void *ud;
  lua_State *L = open_state();
  run(L, work);
  lua_Alloc function = lua_getallocf(L, &ud);
  function(ud, function(ud, NULL, 0, (size_t)size_bytes), (size_t)size_bytes, 0);
  tell(count_bytes(L));
}

/* -- Ends ------------------------------------------------------------------------ */

/* The program may write no more to files. */
static void case_no_files(int bytes_max) {
  struct rlimit limit = {(rlim_t)bytes_max, (rlim_t)bytes_max};
  lua_State *L = open_state();
  run(L, work);
  tell(count_bytes(L));
  need(setrlimit(RLIMIT_FSIZE, &limit) == 0, "setrlimit");
}

static void case_quick_exit(int status) {
  lua_State *L = open_state();
  run(L, work);
  tell(count_bytes(L));
  quick_exit(status);
}

/* The process ends with its last thread, long after its first one. */
static void *outlive_main(void *main_thread) {
  pthread_join(*(pthread_t *)main_thread, NULL);
  lua_State *L = open_state();
  run(L, work);
  tell(count_bytes(L));
  return NULL;
}

static void case_main_ends(int unused) {
  static pthread_t self;
  pthread_t thread;
  (void)unused;
  self = pthread_self();
  need(pthread_create(&thread, NULL, outlive_main, &self) == 0, "pthread_create");
  pthread_exit(NULL);
}

/* -- Coroutines ---------------------------------------------------------------- */

static const char *const resumed =
    "local kept = {} all = kept "
    "return coroutine.create(function(a) "
    "  for i = 1, 50 do kept[#kept + 1] = { i } "
    "    coroutine.wrap(function() kept[#kept + 1] = { { i } } end)() "
    "    if i % 5 == 0 then coroutine.yield({ i }) end end "
    "  error({ 'at the end' }) end)";

/* Threads that C resumes, from the main thread and from within each other. */
static void case_resumes(int count) {
  lua_State *L = open_state();
  for (int i = 0; i < count; i++) {
    need(luaL_loadstring(L, resumed) == LUA_OK, "load");
    lua_call(L, 0, 1);
    lua_State *co = lua_tothread(L, -1);
    int resumes = 0, status;
    while ((status = resume(co, L, 0)) == LUA_YIELD) {
      lua_settop(co, 0);
      resumes++;
    }
    if (i == 0) printf("%d resumes, status %d, %s\n", resumes, status, luaL_typename(co, -1));
    if (i % 2 == 0) lua_pop(L, 1); /* some stay */
  }
  tell(count_bytes(L));
}

static int resume_from_c(lua_State *L) {
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  int status = resume(co, L, 0);
  lua_pushinteger(L, status);
  return 1;
}

static void case_nested_resumes(int count) {
  lua_State *L = open_state();
  lua_register(L, "resume_from_c", resume_from_c);
  lua_pushinteger(L, count);
  lua_setglobal(L, "depth");
  run(L, "kept = {} "
         "local function nest(n) kept[#kept + 1] = { n } if n == 0 then error('deepest') end "
         "  local status = resume_from_c(function() nest(n - 1) end) kept[#kept + 1] = { status } end "
         "nest(depth) "
         "coroutine.wrap(function() resume_from_c(function() coroutine.wrap(function() kept[#kept + 1] = { 'in' } end)() end) end)() "
         "print(#kept)");
  tell(count_bytes(L));
}

/* -- The whole ----------------------------------------------------------------- */

static const struct {
  const char *name;
  void (*run)(int);
  int number;
} cases[] = {
    {"states", case_states, 200},
    {"together", case_together, 100},
    {"threads", case_threads, 4},
    {"thread-states", case_thread_states, 150},
    {"wandering", case_wandering, 10},
    {"fork", case_fork, 1},
    {"fork-twice", case_fork_twice, 1},
    {"fork-busy", case_fork_busy, 200},
    {"fork-exit", case_fork_exit, 6},
    {"vfork", case_vfork, 3},
    {"failing", case_failing, 1},
    {"failing-births", case_failing_births, 3000},
    {"allocator", case_allocator, 1},
    {"around", case_around, 1},
    {"outside", case_outside, 1000},
    {"no-files", case_no_files, 0},
    {"quick-exit", case_quick_exit, 0},
    {"main-ends", case_main_ends, 0},
    {"resumes", case_resumes, 50},
    {"nested-resumes", case_nested_resumes, 20},
};

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (size_t i = 0; argc > 1 && i < sizeof cases / sizeof cases[0]; i++) {
    if (strcmp(cases[i].name, argv[1]) != 0) continue;
    cases[i].run(argc > 2 ? atoi(argv[2]) : cases[i].number);
    return 0;
  }
  fputs("usage: host CASE [N]\n", stderr);
  return 2;
}
