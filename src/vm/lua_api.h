/* The public C API of the Lua build that lives in this process, by its symbols.
 *
 * Used for calibration alone: never on a state that belongs to the program.
 * Functions that a version has under another name or shape are wrapped. */
#ifndef SEEP_LUA_API_H
#define SEEP_LUA_API_H

#include "base/error.h"

typedef struct lua_State lua_State;
typedef void *seep_lua_alloc(void *ud, void *block, size_t old_size, size_t new_size);
typedef int seep_lua_function(lua_State *L);

struct seep_lua_api {
  int version;      /* 501 … 505 */
  bool is_luajit;
  const char *ident;  /* lua_ident, or NULL (LuaJIT) */

  lua_State *(*newstate)(seep_lua_alloc *alloc, void *ud, ...);  /* 5.5 adds a seed */
  void (*close)(lua_State *L);
  void (*openlibs)(lua_State *L, ...);
  int (*loadbuffer)(lua_State *L, const char *text, size_t size, const char *name, ...);
  int (*pcall)(lua_State *L, int arguments, int results, int handler, ...);
  void (*pushcclosure)(lua_State *L, seep_lua_function *function, int upvalues);
  int (*getstack)(lua_State *L, int level, void *debug);
  int (*getinfo)(lua_State *L, const char *what, void *debug);
  int (*gc)(lua_State *L, int what, ...);
  const char *(*tolstring)(lua_State *L, int index, size_t *length);
  seep_lua_function *(*tocfunction)(lua_State *L, int index);
  lua_State *(*tothread)(lua_State *L, int index);
  const void *(*topointer)(lua_State *L, int index);
};

/* Looks the API up from `handle` (as dlsym takes it). SEEP_E_NOT_FOUND when
 * there is no Lua there; the message names the first symbol that is missing. */
enum seep_status seep_lua_api_find(void *handle, struct seep_lua_api *api, struct seep_error *error);

/* What lua_getinfo reports, whichever version wrote it. */
struct seep_lua_debug {
  const char *source;
  int current_line, line_defined, line_last;
  char what;        /* 'L'ua, 'C', 'm'ain, 't'ail */
  bool is_tail_call;
};

/* Level `level` of a thread, or false when the stack is not that deep. */
bool seep_lua_api_debug(const struct seep_lua_api *api, lua_State *L, int level,
                        struct seep_lua_debug *out);

#endif
