/* seepline.snapshot: the heap of this process, into a file, by the command (command.h). */
#include <limits.h>
#include <unistd.h>

#include "lua/args.h"
#include "lua/command.h"
#include "lua/functions.h"
#include "store/capture_path.h"

/* Of a program that reaps the command itself: it has succeeded if it said nothing, and the file is there. */
static enum seep_status take(char *path, struct seep_error *error) {
  char said[512], *words[] = {"-o", path, NULL};
  struct seep_command_call call = {
      .verb = "snapshot", .words = words, .stream = 2, .said = said, .said_room = sizeof said};
  enum seep_status status = seep_command_run(&call, error);
  if (status != SEEP_OK || call.is_known || (call.said_bytes == 0 && access(path, F_OK) == 0)) return status;
  return seep_error_set(error, SEEP_E_SYSTEM, "%s", call.said_bytes > 0 ? said : "the snapshot was not written");
}

int seep_take_snapshot(lua_State *L) {
  struct seep_error error = {{0}};
  if (lua_type(L, 1) != LUA_TSTRING) {
    return seep_args_bad(L, 1, "snapshot", "path expected, got %s", lua_isnone(L, 1) ? "no value" : luaL_typename(L, 1));
  }
  seep_session_settle(seep_session_of(L), L); /* may raise: first */
  char path[PATH_MAX];
  enum seep_status status = seep_capture_path_absolute(lua_tostring(L, 1), "path", path, &error);
  if (status == SEEP_OK) status = take(path, &error);
  if (status != SEEP_OK) return seep_fail(L, &error);
  lua_pushstring(L, path);
  return 1;
}
