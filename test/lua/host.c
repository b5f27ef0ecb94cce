/* A host of Lua whose programs use the module: several states, threads, forks, an
 * allocator of its own, and memory that runs out. Compiled by hosts.t against
 * each version's headers and shared library.
 *
 *   host CASE
 *
 * It prints what the test expects, or "failed: …". Its malloc fails on request. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#ifndef LUA_OK
#define LUA_OK 0
#endif

/* -- A C heap that fails at the n-th call ----------------------------------------- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);

static __thread long heap_calls, heap_fails_at; /* 0: never */

static int heap_fails(void) {
  heap_calls++;
  if (heap_fails_at == 0 || heap_calls < heap_fails_at) return 0;
  errno = ENOMEM;
  return 1;
}

#ifdef FAILING_HEAP
void *malloc(size_t size) { return heap_fails() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return heap_fails() ? NULL : __libc_calloc(count, size); }
void *realloc(void *block, size_t size) { return heap_fails() ? NULL : __libc_realloc(block, size); }
#endif

/* -- The program ------------------------------------------------------------------- */

#define FAILS_IN_A_ROW 2
#define POOL_REALLOC __libc_realloc
#include "../lib/host_parts.h"

static lua_State *open_state(struct pool *pool) {
  lua_State *L = lua_newstate(allocate, pool);
  need(L != NULL, "lua_newstate");
  luaL_openlibs(L);
  return L;
}

static const char *const work =
    "kept = kept or {} "
    "for i = 1, 300 do kept[#kept + 1] = { i, tostring(i) .. 'x' } end "
    "local co = coroutine.wrap(function() for i = 1, 10 do coroutine.yield({ i }) end end) "
    "for _ = 1, 5 do co() end "
    "for i = 1, 200 do local t = { {}, i } end";

static const char *const start = "seepline = require 'seepline' path = assert(seepline.start{ out = OUT })";
static const char *const stop = "assert(seepline.stop() == path)";

static void set_out(lua_State *L, const char *out) {
  lua_pushstring(L, out);
  lua_setglobal(L, "OUT");
}

/* -- Cases --------------------------------------------------------------------------- */

static struct pool pools[2];

/* The second state joins; the last one that stops ends the recording. */
static void case_two(void) {
  lua_State *a = open_state(&pools[0]), *b = open_state(&pools[1]);
  set_out(a, "two.seep");
  set_out(b, "other.seep");
  run(a, start);
  run(a, work);
  run(b, work);
  run(b, start);
  run(b, "print(path:match('[^/]+$'), #seepline.top(3), seepline.stats().states)");
  run(b, work);
  run(a, stop);
  long bytes = count_bytes(a);
  run(a, work);
  run(b, work);
  run(b, "local s = seepline.stats() print(s.live_bytes == s.vm_bytes)");
  run(b, stop);
  bytes += count_bytes(b);
  fprintf(stderr, "%ld\n", bytes);
  lua_close(a);
  lua_close(b);
  printf("%ld %ld\n", pools[0].live, pools[1].live);
}

/* A state that leaves and comes back is counted once. */
static void case_rejoin(void) {
  lua_State *a = open_state(&pools[0]), *b = open_state(&pools[1]);
  set_out(a, "rejoin.seep");
  run(a, start);
  lua_pushliteral(b, "rejoin.seep");
  lua_setglobal(b, "OUT");
  run(b, start);
  for (int i = 0; i < 5; i++) {
    run(a, work);
    run(b, work);
    run(a, stop);
    run(a, work);
    run(a, start);
  }
  run(b, "collectgarbage() collectgarbage() local s = seepline.stats() print(s.live_bytes == s.vm_bytes, s.states)");
  run(b, stop);
  run(a, stop);
  run(a, start); /* a recording of its own, of the same name */
  run(a, work);
  run(a, stop);
  fprintf(stderr, "%ld\n", count_bytes(a));
}

/* Closed while it records: the next one joins, the end of the process seals. */
static void case_close(void) {
  for (int i = 0; i < 5; i++) {
    lua_State *L = open_state(&pools[0]);
    set_out(L, "close.seep");
    run(L, start);
    run(L, work);
    if (i < 4) {
      lua_close(L);
      need(pools[0].live == 0, "everything is freed");
    } else {
      fprintf(stderr, "%ld\n", count_bytes(L));
    }
  }
  puts("closed");
}

/* More states than there are thunks. */
static void case_many(void) {
  for (int i = 0; i < 1100; i++) {
    lua_State *L = open_state(&pools[0]);
    set_out(L, "many.seep");
    if (!run(L, start)) break;
    run(L, "x = { {} }");
    if (!run(L, stop)) break;
    lua_close(L);
    if (pools[0].live != 0) printf("left %ld\n", pools[0].live);
  }
  puts("many");
}

static void *thread_work(void *name) {
  struct pool pool = {0};
  for (int i = 0; i < 40; i++) {
    lua_State *L = open_state(&pool);
    set_out(L, name);
    run(L, start);
    run(L, work);
    if (i % 3 == 0) run(L, "assert(#seepline.top() > 3) assert(seepline.stats().recording)");
    if (i % 5 == 0) run(L, "local m = seepline.mark() local t = {} for i = 1, 100 do t[i] = {} end seepline.since(m)");
    if (i % 7 == 0) run(L, "assert(seepline.check(function() end))");
    if (i % 4 != 1) run(L, stop);
    run(L, work);
    lua_close(L);
    need(pool.live == 0, "everything is freed");
  }
  return NULL;
}

static void case_threads(void) {
  pthread_t threads[4];
  static char names[4][16];
  for (int i = 0; i < 4; i++) {
    snprintf(names[i], sizeof names[i], "thread%d.seep", i);
    need(pthread_create(&threads[i], NULL, thread_work, names[i]) == 0, "pthread_create");
  }
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  puts("joined");
}

/* A child goes on in a file of its own, and may stop and start. */
static void case_fork(void) {
  lua_State *L = open_state(&pools[0]);
  set_out(L, "fork.seep");
  run(L, start);
  run(L, work);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    run(L, work);
    run(L, "print(seepline.start()) local p = seepline.stop() print(p ~= path, p:match('fork%.%d+%.seep$') ~= nil)");
    set_out(L, "child.seep");
    run(L, start);
    run(L, work);
    run(L, stop);
    fprintf(stderr, "child %ld\n", count_bytes(L));
    fflush(stdout);
    _exit(0);
  }
  int status;
  waitpid(child, &status, 0);
  printf("child %d\n", status);
  run(L, work);
  run(L, stop);
  fprintf(stderr, "parent %ld\n", count_bytes(L));
}

/* What kept the allocator goes on with it, in whatever state the recording is. */
static void use_kept(lua_Alloc kept, void *ud) {
  long before = ((struct pool *)ud)->live;
  void *block = kept(ud, NULL, 0, 100);
  block = kept(ud, block, 100, 3000);
  need(block != NULL && ((struct pool *)ud)->live == before + 3000, "the kept allocator is the program's own");
  kept(ud, block, 3000, 0);
  need(((struct pool *)ud)->live == before, "and frees");
}

static void case_kept(void) {
  void *ud;
  lua_State *L = open_state(&pools[0]);
  set_out(L, "kept.seep");
  for (int i = 0; i < 3; i++) {
    run(L, start);
    lua_Alloc kept = lua_getallocf(L, &ud);
    need(ud == &pools[0], "its own ud");
    use_kept(kept, ud);
    run(L, work);
    run(L, stop);
    use_kept(kept, ud);
    need(lua_getallocf(L, &ud) == allocate && ud == &pools[0], "stop gives the allocator back");
    run(L, work);
    use_kept(kept, ud);
  }
  lua_close(L);
  printf("kept %ld\n", pools[0].live);
}

/* The program puts an allocator of its own in the recorder's place. */
static void case_replaced(void) {
  lua_State *L = open_state(&pools[0]);
  set_out(L, "replaced.seep");
  run(L, start);
  run(L, work);
  pools[1] = pools[0];
  lua_setallocf(L, allocate, &pools[1]);
  run(L, work);
  run(L, stop);
  void *ud;
  need(lua_getallocf(L, &ud) == allocate && ud == &pools[1], "the program's allocator stays");
  run(L, work);
  set_out(L, "again.seep");
  run(L, start);
  run(L, work);
  run(L, stop);
  fprintf(stderr, "%ld\n", count_bytes(L));
  lua_close(L);
  printf("replaced %ld\n", pools[1].live);
}

/* Errors in what the module calls: print, finalizers. */
static void case_errors(void) {
  lua_State *L = open_state(&pools[0]);
  set_out(L, "errors.seep");
  run(L, start);
  run(L, "print = function() error('print fails') end print2 = select(2, pcall(seepline.show, 1)) ");
  run(L, "assert(print2:match('print fails'))");
  run(L, "setmetatable(_G, { __gc = 5 }) local mt = { __gc = function() error('gc') end } "
         "if newproxy then getmetatable(newproxy(true)).__gc = mt.__gc else setmetatable({}, mt) end "
         "pcall(seepline.check, function() end) pcall(collectgarbage) assert(seepline.stats().recording)");
  run(L, stop);
  lua_close(L);
  printf("errors %ld\n", pools[0].live);
}

/* -- Memory that runs out ---------------------------------------------------------------- */

static const char *const everything =
    "local seepline = require 'seepline' "
    "local path = seepline.start{ out = 'failing.seep' } "
    "local kept = {} for i = 1, 20 do kept[i] = { i } end "
    "local m = seepline.mark() "
    "local a, b, c = seepline.top(5), seepline.stats(), m and seepline.since(m) "
    "print = function() end seepline.show(2) "
    "seepline.check(function() local t = {} end, { rounds = 3 }) "
    "if path then assert(seepline.stop()) end return 1";

static int protected_everything(lua_State *L) {
  luaL_openlibs(L);
  if (luaL_loadstring(L, everything) != LUA_OK) lua_error(L);
  lua_call(L, 0, 1);
  return 1;
}

/* The state's own allocator fails at the n-th call and the next. (Not while the
 * state is opened: LuaJIT does not survive that.) */
static void case_failing(void) {
  struct pool pool = {0};
  int out = dup(1); /* 5.1's io library, half opened, closes stdout */
  long all = 1000000;
  for (long fail_at = 0; fail_at <= all; fail_at += fail_at < 200 ? 1 : 7) {
    pool = (struct pool){0};
    lua_State *L = lua_newstate(allocate, &pool);
    need(L != NULL, "lua_newstate");
    long first = pool.calls;
    if (fail_at > 0) pool.fail_at = first + fail_at;
#if LUA_VERSION_NUM >= 502
    lua_pushcfunction(L, protected_everything);
    int status = lua_pcall(L, 0, 1, 0);
#else
    int status = lua_cpcall(L, protected_everything, NULL);
#endif
    if (fail_at == 0) {
      need(status == LUA_OK, "it works when nothing fails");
      all = pool.calls - first;
    }
    pool.fail_at = 0;
    lua_close(L);
    need(pool.live == 0, "everything is freed");
  }
  dprintf(out, "survived\n");
}

/* malloc fails in the module, from the n-th call of a function on. */
static void fail_in(lua_State *L, const char *code, const char *name) {
  long failures = 0;
  for (long at = 1; at < 20000; at++) {
    need(luaL_loadstring(L, code) == LUA_OK, "load");
    heap_calls = 0;
    heap_fails_at = at;
    int status = lua_pcall(L, 0, 2, 0);
    heap_fails_at = 0;
    need(status == LUA_OK, lua_tostring(L, -1));
    int done = lua_toboolean(L, -2);
    if (!done) need(strstr(lua_tostring(L, -1), "no memory") != NULL, lua_tostring(L, -1));
    failures += !done;
    lua_settop(L, 0);
    if (done && heap_calls < at) break;
  }
  printf("%s %s\n", name, failures > 0 ? "failed and went on" : "never failed");
}

static void case_heap(void) {
  lua_State *L = open_state(&pools[0]);
  set_out(L, "heap.seep");
  run(L, start);
  run(L, work);
  run(L, "m = seepline.mark() print = function() end");
  fail_in(L, "return seepline.show(3)", "show");
  fail_in(L, "return seepline.top(3)", "top");
  fail_in(L, "return seepline.stats()", "stats");
  fail_in(L, "return seepline.mark()", "mark");
  fail_in(L, "return seepline.since(m)", "since");
  run(L, "check = function(leaky) local list = {} local done, a, b = pcall(seepline.check, function() if leaky then list[#list + 1] = {} end end, { rounds = 3 }) "
         "if done then return a, b end if a:match('no memory') then return nil, a end return true end");
  fail_in(L, "return check(false)", "check");
  fail_in(L, "return check(true)", "leak");
  run(L, "local s = seepline.stats() assert(s.live_bytes == s.vm_bytes)");
  run(L, stop);
  puts("stopped");
}

static const struct {
  const char *name;
  void (*run)(void);
} cases[] = {
    {"two", case_two},       {"rejoin", case_rejoin}, {"close", case_close},       {"many", case_many},
    {"threads", case_threads}, {"fork", case_fork},   {"kept", case_kept},         {"replaced", case_replaced},
    {"errors", case_errors}, {"failing", case_failing}, {"heap", case_heap},
};

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (size_t i = 0; argc > 1 && i < sizeof cases / sizeof cases[0]; i++) {
    if (strcmp(cases[i].name, argv[1]) != 0) continue;
    cases[i].run();
    return 0;
  }
  fputs("usage: host CASE\n", stderr);
  return 2;
}
