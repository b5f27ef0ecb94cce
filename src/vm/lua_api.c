/* Finding and smoothing over the public C API. See lua_api.h. */
#define _GNU_SOURCE
#include "vm/lua_api.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static const struct {
  const char *name, *other_name;
  size_t offset;
} symbols[] = {
    {"lua_newstate", NULL, offsetof(struct seep_lua_api, newstate)},
    {"luaL_newstate", NULL, offsetof(struct seep_lua_api, newstate_plain)},
    {"lua_getallocf", NULL, offsetof(struct seep_lua_api, getallocf)},
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
    {"lua_sethook", NULL, offsetof(struct seep_lua_api, sethook)},
    {"lua_gethook", NULL, offsetof(struct seep_lua_api, gethook)},
};

/* lua.h of each version; the same for LuaJIT as for 5.1. */
static const struct seep_lua_debug_layout debug_layouts[] = {
    {501, 24, 32, 40, 48, 52, 0, 116},
    {502, 24, 32, 40, 44, 48, 55, 120},
    {503, 24, 32, 40, 44, 48, 55, 120},
    {504, 24, 32, 48, 52, 56, 63, 128},
    {505, 24, 32, 48, 52, 56, 64, 136},
};
enum { DEBUG_BYTES = 512 };  /* more than any lua_Debug has */

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
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(debug_layouts); i++) {
    if (debug_layouts[i].version == api->version) api->debug = &debug_layouts[i];
  }
  if (api->debug != NULL) return SEEP_OK;
  return seep_error_set(error, SEEP_E_UNKNOWN_VM, "%s: no description of this version",
                        api->ident != NULL ? api->ident : "this Lua");
}

/* "$LuaVersion: Lua 5.4.4  Copyright …" gives "Lua 5.4.4". */
void seep_lua_api_name(const struct seep_lua_api *api, char family[16], char release[48]) {
  const char *text = api->ident == NULL ? NULL : strstr(api->ident, "Lua 5.");
  size_t length = text == NULL ? 0 : 4 + strspn(text + 4, "0123456789.");
  if (length == 0) {
    snprintf(release, 48, "%s", api->is_luajit ? "LuaJIT" : "unknown Lua");
    snprintf(family, 16, "%s", api->is_luajit ? "LuaJIT" : "Lua");
  } else {
    snprintf(release, 48, "%.*s", (int)length, text);
    snprintf(family, 16, "%.7s", text);
  }
}

static void read_debug(const struct seep_lua_api *api, const char *debug, struct seep_lua_debug *out) {
  const struct seep_lua_debug_layout *layout = api->debug;
  const char *what;
  memcpy(&what, debug + layout->what, sizeof what);
  memcpy(&out->source, debug + layout->source, sizeof out->source);
  memcpy(&out->current_line, debug + layout->current_line, sizeof(int));
  memcpy(&out->line_defined, debug + layout->line_defined, sizeof(int));
  memcpy(&out->line_last, debug + layout->line_last, sizeof(int));
  out->what = what[0];
  out->is_tail_call = layout->tail_call != 0 && debug[layout->tail_call] != 0;
  out->frame = seep_lua_api_frame_of(api, debug);
}

bool seep_lua_api_describe(const struct seep_lua_api *api, lua_State *L, void *debug,
                           struct seep_lua_debug *out) {
  if (!api->getinfo(L, api->version == 501 ? "Sl" : "Slt", debug)) return false;
  read_debug(api, debug, out);
  return true;
}

/* A word of namewhat and what it means here. From 5.4 on a finalizer and a hook have their own; "?" and numbers that
 * were keys say nothing. */
static enum seep_called meaning_of(const char *word, const char *name) {
  static const struct { const char *word; enum seep_called as; } words[] = {
      {"global", SEEP_CALLED_GLOBAL}, {"local", SEEP_CALLED_LOCAL}, {"method", SEEP_CALLED_METHOD},
      {"field", SEEP_CALLED_FIELD}, {"upvalue", SEEP_CALLED_UPVALUE}, {"metamethod", SEEP_CALLED_METAMETHOD},
      {"for iterator", SEEP_CALLED_ITERATOR}, {"hook", SEEP_CALLED_HOOK}};
  if (word == NULL || word[0] == '\0') return SEEP_CALLED_UNKNOWN;
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(words); i++) {
    if (strcmp(word, words[i].word) != 0) continue;
    if (words[i].as == SEEP_CALLED_ITERATOR || words[i].as == SEEP_CALLED_HOOK) return words[i].as;
    bool says = name != NULL && name[0] != '?' && name[0] != '(' && strcmp(name, "integer index") != 0;
    return says ? words[i].as : SEEP_CALLED_UNNAMED;
  }
  return SEEP_CALLED_UNNAMED;
}

/* The events of metamethods, which 5.4 and LuaJIT name without underscores. */
static const char *event_name(const char *name) {
  static const char *const events[] = {
      "__index", "__newindex", "__gc", "__mode", "__len", "__eq", "__add", "__sub", "__mul", "__mod", "__pow", "__div",
      "__idiv", "__band", "__bor", "__bxor", "__shl", "__shr", "__unm", "__bnot", "__lt", "__le", "__concat", "__call",
      "__close", "__pairs", "__ipairs"};
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(events); i++) {
    if (strcmp(events[i] + 2, name) == 0) return events[i];
  }
  return name;
}

void seep_lua_api_call_name(const struct seep_lua_api *api, lua_State *L, void *debug, struct seep_call_name *out) {
  const char *name, *word;
  *out = (struct seep_call_name){.as = SEEP_CALLED_UNKNOWN};
  if (!api->getinfo(L, "n", debug)) return;
  memcpy(&name, (const char *)debug + 8, sizeof name);   /* lua_Debug: event, name, namewhat, in all versions */
  memcpy(&word, (const char *)debug + 16, sizeof word);
  out->as = meaning_of(word, name);
  if (out->as < SEEP_CALLED_GLOBAL || out->as >= SEEP_CALLED_ITERATOR) return;
  out->name = out->as == SEEP_CALLED_METAMETHOD ? event_name(name) : name;
  out->name_bytes = strnlen(out->name, SEEP_CALL_NAME_MAX);
}

bool seep_lua_api_debug(const struct seep_lua_api *api, lua_State *L, int level,
                        struct seep_lua_debug *out) {
  _Alignas(8) char debug[DEBUG_BYTES] = {0};
  return api->getstack(L, level, debug) && seep_lua_api_describe(api, L, debug, out);
}

uintptr_t seep_lua_api_frame(const struct seep_lua_api *api, lua_State *L, int level) {
  _Alignas(8) char debug[DEBUG_BYTES];
  return api->getstack(L, level, debug) ? seep_lua_api_frame_of(api, debug) : 0;
}

uint64_t seep_lua_api_count_bytes(const struct seep_lua_api *api, lua_State *L) {
  enum { GCCOUNT = 3, GCCOUNTB = 4 };
  return (uint64_t)api->gc(L, GCCOUNT, 0) * 1024 + (uint64_t)api->gc(L, GCCOUNTB, 0);
}

/* LUA_REGISTRYINDEX of lua.h; in 5.1 there is LUA_GLOBALSINDEX two below, and the
 * upvalues of a C function come after the last of these. */
static int registry_index(const struct seep_lua_api *api) {
  if (api->version == 501) return -10000;
  return api->version == 505 ? -(INT_MAX / 2 + 1000) : -1001000;
}

uintptr_t seep_lua_api_identity(const struct seep_lua_api *api, lua_State *L) {
  return (uintptr_t)api->topointer(L, registry_index(api));
}

lua_State *seep_lua_api_thread_argument(const struct seep_lua_api *api, lua_State *L) {
  lua_State *thread = api->tothread(L, 1);
  if (thread != NULL) return thread;
  return api->tothread(L, registry_index(api) - (api->version == 501 ? 3 : 1));
}
