/* The public C API of the Lua build that lives in this process, by its symbols.
 *
 * Calibration uses all of it, on a state of its own. On a state that belongs to
 * the program the hook modes (record/hooks.h) use what allocates nothing and
 * raises nothing: sethook, gethook, getstack, getinfo with "S", "l", "n" and "t", gc for
 * the count, tothread, topointer. Functions that a version has under another
 * name or shape are wrapped.
 * Thread rule: of the state that is asked about. */
#ifndef SEEP_LUA_API_H
#define SEEP_LUA_API_H

#include "base/error.h"
#include "vm/vm.h"

#include <string.h>

typedef struct lua_State lua_State;
typedef void *seep_lua_alloc(void *ud, void *block, size_t old_size, size_t new_size);
typedef int seep_lua_function(lua_State *L);
typedef void seep_lua_hook(lua_State *L, void *debug);

/* lua_Debug of a version (its lua.h): where its fields stand, in bytes. */
struct seep_lua_debug_layout {
  int version;
  uint16_t what, source, current_line, line_defined, line_last;
  uint16_t tail_call;       /* 0: none */
  uint16_t frame;           /* i_ci */
};

struct seep_lua_api {
  int version;      /* 501 … 505 */
  bool is_luajit;
  const char *ident;  /* lua_ident, or NULL (LuaJIT) */
  const struct seep_lua_debug_layout *debug;

  lua_State *(*newstate)(seep_lua_alloc *alloc, void *ud, ...);  /* 5.5 adds a seed */
  lua_State *(*newstate_plain)(void);  /* luaL_newstate */
  seep_lua_alloc *(*getallocf)(lua_State *L, void **ud);
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
  int (*sethook)(lua_State *L, seep_lua_hook *hook, int mask, int count);  /* void from 5.3 on */
  seep_lua_hook *(*gethook)(lua_State *L);
};

/* Looks the API up from `handle` (as dlsym takes it). SEEP_E_NOT_FOUND when
 * there is no Lua there; the message names the first symbol that is missing. */
enum seep_status seep_lua_api_find(void *handle, struct seep_lua_api *api, struct seep_error *error);

/* What the build calls itself: "Lua 5.4" and "Lua 5.4.4"; LuaJIT does not say more
 * than its name. */
void seep_lua_api_name(const struct seep_lua_api *api, char family[16], char release[48]);

/* What lua_getinfo reports, whichever version wrote it. */
struct seep_lua_debug {
  const char *source;
  int current_line, line_defined, line_last;
  char what;        /* 'L'ua, 'C', 'm'ain, 't'ail */
  bool is_tail_call;
  uintptr_t frame;
};

/* Level `level` of a thread, or false when the stack is not that deep. */
bool seep_lua_api_debug(const struct seep_lua_api *api, lua_State *L, int level,
                        struct seep_lua_debug *out);

/* -- Hooks -- */

/* Kinds of events: LUA_HOOK… of lua.h, where 4 depends on the version. */
enum seep_lua_event_kind {
  SEEP_LUA_CALL = 0, SEEP_LUA_RETURN, SEEP_LUA_LINE, SEEP_LUA_COUNT, SEEP_LUA_TAIL_CALL,
  SEEP_LUA_TAIL_RETURN  /* 5.1 alone: a tail-called function returned, once more for each that is gone */
};
enum { SEEP_LUA_MASK_CALL = 1, SEEP_LUA_MASK_RETURN = 2, SEEP_LUA_MASK_LINE = 4, SEEP_LUA_MASK_COUNT = 8 };

struct seep_lua_event {
  enum seep_lua_event_kind kind;
  int line;          /* of a line event */
  uintptr_t frame;   /* tells the thread's frames apart while they live; on 5.1 and LuaJIT larger inwards */
};

/* What a frame is called in i_ci. LuaJIT's lua_getstack puts the frame's size
 * into the upper bits (lj_debug.c); its stacks have less than 65536 slots. */
SEEP_ALWAYS_INLINE uintptr_t seep_lua_api_frame_of(const struct seep_lua_api *api, const void *debug) {
  const char *at = (const char *)debug + api->debug->frame;
  uintptr_t pointer;
  uint32_t number;
  if (api->version != 501) {
    memcpy(&pointer, at, sizeof pointer);
    return pointer;
  }
  memcpy(&number, at, sizeof number);
  return api->is_luajit ? number & 0xffff : number;
}

/* Reads what a hook was given. */
SEEP_ALWAYS_INLINE void seep_lua_api_event(const struct seep_lua_api *api, const void *debug,
                                           struct seep_lua_event *out) {
  int kind;
  memcpy(&kind, debug, sizeof kind);
  out->kind = (enum seep_lua_event_kind)(kind == 4 && api->version == 501 ? SEEP_LUA_TAIL_RETURN : kind);
  memcpy(&out->line, (const char *)debug + api->debug->current_line, sizeof out->line);
  out->frame = seep_lua_api_frame_of(api, debug);
}

/* The frame at a level of a thread; 0 when the stack is not that deep. */
uintptr_t seep_lua_api_frame(const struct seep_lua_api *api, lua_State *L, int level);

/* Describes the frame that a hook was given. */
bool seep_lua_api_describe(const struct seep_lua_api *api, lua_State *L, void *debug, struct seep_lua_debug *out);

/* How the caller of that frame names its function, as the VM itself knows (lua_getinfo with "n"). */
void seep_lua_api_call_name(const struct seep_lua_api *api, lua_State *L, void *debug, struct seep_call_name *out);

/* The VM's own count, as collectgarbage("count") has it. */
uint64_t seep_lua_api_count_bytes(const struct seep_lua_api *api, lua_State *L);

/* A pointer that is this state's alone, the same in all its threads: its registry. */
uintptr_t seep_lua_api_identity(const struct seep_lua_api *api, lua_State *L);

/* In a call event of a C function: the coroutine that is its first argument, or
 * its first upvalue; NULL when there is none. */
lua_State *seep_lua_api_thread_argument(const struct seep_lua_api *api, lua_State *L);

#endif
