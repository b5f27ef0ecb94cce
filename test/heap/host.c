/* A host with Lua inside: two states, each on a thread of its own, which work until they are killed. Linked statically and
 * stripped by test/cli/snapshot.t. Says "ready" when both are at work. It ends by itself after a minute. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

static pthread_barrier_t all_ready;

static int at_work(lua_State *L) {
  (void)L;
  pthread_barrier_wait(&all_ready);
  return 0;
}

static void *run(void *number) {
  char program[1024];
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  lua_pushcclosure(L, at_work, 0);
  lua_setglobal(L, "at_work");
  snprintf(program, sizeof program,
           "app = {state_%d = {}} for i = 1, 3000 do app[i] = {text = 'text' .. i, i = {i}} end at_work()\n"
           "local i = 0 while true do i = i + 1 app[i %% 3000 + 1] = {text = 'more' .. i, i = {i}} end\n",
           (int)(size_t)number);
  if (luaL_loadstring(L, program) != 0 || lua_pcall(L, 0, 0, 0) != 0) fprintf(stderr, "%s\n", lua_tostring(L, -1));
  exit(1);
}

int main(void) {
  pthread_t threads[2];
  alarm(60);
  pthread_barrier_init(&all_ready, NULL, 3);
  for (size_t i = 0; i < 2; i++) pthread_create(&threads[i], NULL, run, (void *)(i + 1));
  pthread_barrier_wait(&all_ready);
  puts("ready");
  fflush(stdout);
  pthread_join(threads[0], NULL);
  return 0;
}
