/* See args.h. */
#include "lua/args.h"

#include <string.h>

/* Pushes "file:line: " of the nearest Lua function up the stack: a caller may be
 * behind pcall or a tail call. */
static void push_where(lua_State *L) {
  lua_Debug debug;
  for (int level = 1; lua_getstack(L, level, &debug); level++) {
    lua_getinfo(L, "Sl", &debug);
    if (debug.currentline <= 0) continue;
    lua_pushfstring(L, "%s:%d: ", debug.short_src, debug.currentline);
    return;
  }
  lua_pushliteral(L, "");
}

int seep_args_raise(lua_State *L, const char *text) {
  push_where(L);
  lua_pushstring(L, text);
  lua_concat(L, 2);
  SEEP_ABANDONS_FRAMES();
  return lua_error(L);
}

int seep_args_bad(lua_State *L, int argument, const char *function, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const char *what = lua_pushvfstring(L, format, arguments);
  va_end(arguments);
  return seep_args_raise(L, lua_pushfstring(L, "bad argument #%d to '%s' (%s)", argument, function, what));
}

/* 0: the value on top is no whole number from `least` up. */
static bool read_count(lua_State *L, int index, uint32_t least, uint32_t *out) {
  if (lua_type(L, index) != LUA_TNUMBER) return false;
  lua_Number number = lua_tonumber(L, index);
  if (!(number >= least && number <= INT32_MAX) || number != (lua_Number)(uint32_t)number) return false;
  *out = (uint32_t)number;
  return true;
}

uint32_t seep_args_count(lua_State *L, int argument, const char *function, uint32_t least, uint32_t otherwise) {
  uint32_t count = otherwise;
  if (lua_isnoneornil(L, argument) || read_count(L, argument, least, &count)) return count;
  if (lua_type(L, argument) != LUA_TNUMBER) {
    seep_args_bad(L, argument, function, "number expected, got %s", luaL_typename(L, argument));
  }
  seep_args_bad(L, argument, function, "a whole number from %d up expected, got %f", (int)least,
                lua_tonumber(L, argument));
  return 0;
}

static struct seep_option *find_option(struct seep_option *options, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++) {
    if (strcmp(options[i].name, name) == 0) return &options[i];
  }
  return NULL;
}

/* Pushes "a", "b" or "c". */
static const char *push_choices(lua_State *L, const char *const *choices) {
  lua_pushstring(L, choices[0]);
  for (size_t i = 1; choices[i] != NULL; i++) {
    lua_pushstring(L, choices[i + 1] == NULL ? " or " : ", ");
    lua_pushstring(L, choices[i]);
    lua_concat(L, 3);
  }
  return lua_tostring(L, -1);
}

static void read_choice(lua_State *L, int argument, const char *function, struct seep_option *option) {
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  for (uint32_t i = 0; text != NULL && option->choices[i] != NULL; i++) {
    if (strcmp(option->choices[i], text) != 0) continue;
    option->number = i;
    option->text = option->choices[i];
    return;
  }
  const char *got = text != NULL ? lua_pushfstring(L, "'%s'", text) : luaL_typename(L, -1);
  seep_args_bad(L, argument, function, "option '%s' takes %s, not %s", option->name,
                push_choices(L, option->choices), got);
}

static void read_count_option(lua_State *L, int argument, const char *function, struct seep_option *option) {
  uint32_t most = option->most != 0 ? option->most : INT32_MAX;
  if (read_count(L, -1, option->least, &option->number) && option->number <= most) return;
  const char *got =
      lua_type(L, -1) == LUA_TNUMBER ? lua_pushfstring(L, "%f", lua_tonumber(L, -1)) : luaL_typename(L, -1);
  if (option->most == 0) {
    seep_args_bad(L, argument, function, "option '%s' takes a whole number from %d up, not %s", option->name,
                  (int)option->least, got);
  }
  seep_args_bad(L, argument, function, "option '%s' takes a whole number from %d to %d, not %s", option->name,
                (int)option->least, (int)option->most, got);
}

static void read_text(lua_State *L, int argument, const char *function, struct seep_option *option) {
  size_t length = 0;
  option->text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &length) : NULL;
  if (option->text == NULL) {
    seep_args_bad(L, argument, function, "option '%s' takes a string, not %s", option->name, luaL_typename(L, -1));
  }
  if (length == 0 || strlen(option->text) != length) {
    seep_args_bad(L, argument, function, "option '%s' is %s", option->name,
                  length == 0 ? "empty" : "no path: it has a zero byte");
  }
}

static void read_switch(lua_State *L, int argument, const char *function, struct seep_option *option) {
  if (lua_type(L, -1) != LUA_TBOOLEAN) {
    seep_args_bad(L, argument, function, "option '%s' takes true or false, not %s", option->name, luaL_typename(L, -1));
  }
  option->number = (uint32_t)lua_toboolean(L, -1);
}

/* The value of an option is on top of the stack, its name below. */
static void read_option(lua_State *L, int argument, const char *function, struct seep_option *options, size_t count) {
  if (lua_type(L, -2) != LUA_TSTRING) {
    seep_args_bad(L, argument, function, "options have names; there is one under a %s", luaL_typename(L, -2));
  }
  const char *name = lua_tostring(L, -2);
  struct seep_option *option = find_option(options, count, name);
  if (option == NULL) seep_args_bad(L, argument, function, "there is no option '%s'", name);
  switch (option->kind) {
    case SEEP_OPTION_TEXT: read_text(L, argument, function, option); break;
    case SEEP_OPTION_COUNT: read_count_option(L, argument, function, option); break;
    case SEEP_OPTION_CHOICE: read_choice(L, argument, function, option); break;
    case SEEP_OPTION_SWITCH: read_switch(L, argument, function, option); break;
  }
}

void seep_args_options(lua_State *L, int argument, const char *function, struct seep_option *options, size_t count) {
  if (lua_isnoneornil(L, argument)) return;
  if (lua_type(L, argument) != LUA_TTABLE) {
    seep_args_bad(L, argument, function, "table expected, got %s", luaL_typename(L, argument));
  }
  luaL_checkstack(L, 8, "no room for options");
  lua_pushnil(L);
  while (lua_next(L, argument) != 0) {
    read_option(L, argument, function, options, count);
    lua_pop(L, 1);
  }
}
