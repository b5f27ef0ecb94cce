/* Finding and smoothing over the public C API. See lua_api.h. */
#define _GNU_SOURCE
#include "vm/lua_api.h"

#include <dlfcn.h>
#include <string.h>

static const struct {
  const char *name, *other_name;
  size_t offset;
} symbols[] = {
    {"lua_newstate", NULL, offsetof(struct seep_lua_api, newstate)},
    {"lua_close", NULL, offsetof(struct seep_lua_api, close)},
    {"luaL_openlibs", "luaL_openselectedlibs", offsetof(struct seep_lua_api, openlibs)},
    {"luaL_loadbufferx", "luaL_loadbuffer", offsetof(struct seep_lua_api, loadbuffer)},
    {"lua_pcallk", "lua_pcall", offsetof(struct seep_lua_api, pcall)},
    {"lua_pushcclosure", NULL, offsetof(struct seep_lua_api, pushcclosure)},
    {"lua_getstack", NULL, offsetof(struct seep_lua_api, getstack)},
    {"lua_getinfo", NULL, offsetof(struct seep_lua_api, getinfo)},
    {"lua_gc", NULL, offsetof(struct seep_lua_api, gc)},
    {"lua_tolstring", NULL, offsetof(struct seep_lua_api, tolstring)},
    {"lua_tocfunction", NULL, offsetof(struct seep_lua_api, tocfunction)},
    {"lua_tothread", NULL, offsetof(struct seep_lua_api, tothread)},
    {"lua_topointer", NULL, offsetof(struct seep_lua_api, topointer)},
};

/* lua_version counts differently: 5.1 has none, 5.2 and 5.3 return a pointer
 * to a number, from 5.4 on it is the number. lua_ident says it everywhere. */
static int version_of(const char *ident, bool is_luajit) {
  if (is_luajit) return 501;
  const char *text = ident == NULL ? NULL : strstr(ident, "Lua 5.");
  return text == NULL ? 0 : 500 + (text[6] - '0');
}

enum seep_status seep_lua_api_find(void *handle, struct seep_lua_api *api,
                                   struct seep_error *error) {
  *api = (struct seep_lua_api){0};
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(symbols); i++) {
    void *found = dlsym(handle, symbols[i].name);
    if (found == NULL && symbols[i].other_name != NULL) found = dlsym(handle, symbols[i].other_name);
    if (found == NULL) {
      return seep_error_set(error, SEEP_E_NOT_FOUND, "no symbol %s in this program", symbols[i].name);
    }
    memcpy((char *)api + symbols[i].offset, &found, sizeof found);
  }
  api->is_luajit = dlsym(handle, "luaJIT_setmode") != NULL;
  api->ident = dlsym(handle, "lua_ident");
  api->version = version_of(api->ident, api->is_luajit);
  return SEEP_OK;
}

/* The public lua_Debug of each version (lua.h): where its ints stand. */
static const struct {
  int version;
  uint16_t what, source, current_line, line_defined, line_last, tail_call;
} debug_layouts[] = {
    {501, 24, 32, 40, 48, 52, 0},
    {502, 24, 32, 40, 44, 48, 55},
    {503, 24, 32, 40, 44, 48, 55},
    {504, 24, 32, 48, 52, 56, 63},
    {505, 24, 32, 48, 52, 56, 63},
};

bool seep_lua_api_debug(const struct seep_lua_api *api, lua_State *L, int level,
                        struct seep_lua_debug *out) {
  _Alignas(8) char debug[512] = {0};
  if (!api->getstack(L, level, debug)) return false;
  if (!api->getinfo(L, api->version == 501 ? "Sl" : "Slt", debug)) return false;
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(debug_layouts); i++) {
    if (debug_layouts[i].version != api->version) continue;
    const char *what;
    memcpy(&what, debug + debug_layouts[i].what, sizeof what);
    memcpy(&out->source, debug + debug_layouts[i].source, sizeof out->source);
    memcpy(&out->current_line, debug + debug_layouts[i].current_line, sizeof(int));
    memcpy(&out->line_defined, debug + debug_layouts[i].line_defined, sizeof(int));
    memcpy(&out->line_last, debug + debug_layouts[i].line_last, sizeof(int));
    out->what = what[0];
    out->is_tail_call = debug_layouts[i].tail_call != 0 && debug[debug_layouts[i].tail_call] != 0;
    return true;
  }
  return false;
}
