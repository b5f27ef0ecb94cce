/* The public API's differences between 5.1 and 5.4 as far as the module meets
 * them. The 5.1 module serves LuaJIT as well, so it calls nothing that LuaJIT
 * has differently. */
#ifndef SEEP_LUA_COMPAT_H
#define SEEP_LUA_COMPAT_H

#include <lauxlib.h>
#include <lua.h>

#ifndef LUA_GCISRUNNING
#define LUA_GCISRUNNING 9 /* 5.2 on, and LuaJIT 2.1; 5.1 answers -1 */
#endif

/* Pushes the table of globals. */
static inline void seep_lua_push_globals(lua_State *L) {
#if LUA_VERSION_NUM >= 502
  lua_pushglobaltable(L);
#else
  lua_pushvalue(L, LUA_GLOBALSINDEX);
#endif
}

/* The registry's value under an address of ours. Get pushes it; set pops it. */
static inline void seep_lua_registry_get(lua_State *L, const void *key) {
  lua_pushlightuserdata(L, (void *)key);
  lua_rawget(L, LUA_REGISTRYINDEX);
}
static inline void seep_lua_registry_set(lua_State *L, const void *key) {
  lua_pushlightuserdata(L, (void *)key);
  lua_insert(L, -2);
  lua_rawset(L, LUA_REGISTRYINDEX);
}

#endif
