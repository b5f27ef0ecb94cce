/* A module whose functions keep a table each: `work` is in its table, `hidden` is returned by a call, `poke` is a method
 * of the userdata that `object` makes. */
#include <lauxlib.h>
#include <lua.h>

static int keep(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, "native.kept");
  lua_newtable(L);
  luaL_ref(L, -2);
  return 0;
}

static int work(lua_State *L) { return keep(L); }
static int hidden(lua_State *L) { return keep(L); }
static int poke(lua_State *L) { return keep(L); }

static int get_hidden(lua_State *L) {
  lua_pushcfunction(L, hidden);
  return 1;
}

static int object(lua_State *L) {
  lua_newuserdata(L, 8);
  lua_newtable(L);
  lua_newtable(L);
  lua_pushcfunction(L, poke);
  lua_setfield(L, -2, "poke");
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  return 1;
}

static void add(lua_State *L, const char *name, lua_CFunction function) {
  lua_pushcfunction(L, function);
  lua_setfield(L, -2, name);
}

int luaopen_native(lua_State *L) {
  lua_newtable(L);
  lua_setfield(L, LUA_REGISTRYINDEX, "native.kept");
  lua_newtable(L);
  add(L, "work", work);
  add(L, "get_hidden", get_hidden);
  add(L, "object", object);
  return 1;
}
