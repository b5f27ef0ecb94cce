/* What the hosts of the tests (test/cli/host.c, test/lua/host.c) share: an allocator of the program's own, and the
 * few calls of Lua that all their cases make. */
#ifndef HOST_PARTS_H
#define HOST_PARTS_H

#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* realloc as the allocator calls it: a host may have put its own in libc's place. */
#ifndef POOL_REALLOC
#define POOL_REALLOC realloc
#endif

struct pool {
  long calls, fail_at;  /* the call that fails first, and some behind it; 0: none */
  long live;            /* what the program's own allocator has given out */
};

/* A lua_Alloc. FAILS_IN_A_ROW, which the host defines: how many calls fail from fail_at on. */
static void *allocate(void *ud, void *block, size_t old_size, size_t new_size) {
  struct pool *pool = ud;
  if (block == NULL) old_size = 0;
  if (new_size == 0) {
    pool->live -= (long)old_size;
    free(block);
    return NULL;
  }
  pool->calls++;
  long past = pool->calls - pool->fail_at;
  if (new_size > old_size && pool->fail_at != 0 && past >= 0 && past < FAILS_IN_A_ROW) return NULL;
  void *result = POOL_REALLOC(block, new_size);
  if (result != NULL) pool->live += (long)new_size - (long)old_size;
  return result;
}

static void need(int condition, const char *what) {
  if (condition) return;
  printf("failed: %s\n", what);
  fflush(stdout);
  _exit(9);
}

/* Runs code; prints an error. */
static int run(lua_State *L, const char *code) {
  if (luaL_loadstring(L, code) == 0 && lua_pcall(L, 0, 0, 0) == 0) return 1;
  printf("error: %s\n", lua_tostring(L, -1));
  lua_pop(L, 1);
  return 0;
}

static long count_bytes(lua_State *L) { return lua_gc(L, LUA_GCCOUNT, 0) * 1024L + lua_gc(L, LUA_GCCOUNTB, 0); }

#endif
