/* The Lua module `seepline`: arguments in, results out. doc/module.md describes
 * every function for its users.
 *
 * Each function reads its arguments (a wrong one raises), does its work without
 * Lua (what fails is nil and a message), and only then pushes results. What
 * belongs to the C heap hangs on a userdata meanwhile, because pushing can raise. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "lua/args.h"
#include "lua/functions.h"
#include "lua/held.h"
#include "lua/push.h"
#include "record/sampler.h"

enum { ROWS_DEFAULT = 30 };

static const char mark_key; /* its address: the metatable of marks in the registry */

/* -- What the functions share ---------------------------------------------------- */

int seep_fail(lua_State *L, const struct seep_error *error) {
  lua_pushnil(L);
  lua_pushstring(L, error->text);
  return 2;
}

void **seep_new_box(lua_State *L, lua_CFunction collect) {
  void **box = lua_newuserdata(L, sizeof *box);
  *box = NULL;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, collect);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  return box;
}

static int collect_answer(lua_State *L) {
  struct seep_answer **box = lua_touserdata(L, 1);
  if (box == NULL || *box == NULL) return 0;
  seep_answer_close(*box);
  free(*box);
  *box = NULL;
  return 0;
}

/* Pushes the box of an answer. NULL with a message when there is no memory. */
static struct seep_answer *new_answer(lua_State *L, struct seep_error *error) {
  void **box = seep_new_box(L, collect_answer);
  struct seep_answer *answer = *box = calloc(1, sizeof *answer);
  if (answer == NULL) seep_error_set(error, SEEP_E_MEMORY, "no memory for seepline");
  return answer;
}

const char *seep_program_name(lua_State *L) {
  char program[256];
  seep_lua_push_globals(L);
  lua_pushliteral(L, "arg");
  lua_rawget(L, -2);
  lua_remove(L, -2);
  if (lua_istable(L, -1)) {
    lua_rawgeti(L, -1, 0);
    lua_remove(L, -2);
    if (lua_type(L, -1) == LUA_TSTRING && lua_tostring(L, -1)[0] != '\0') return lua_tostring(L, -1);
  }
  ssize_t length = readlink("/proc/self/exe", program, sizeof program);
  lua_pushlstring(L, program, length > 0 ? (size_t)length : 0);
  return length > 0 ? lua_tostring(L, -1) : "lua";
}

/* -- Which rows, and how ----------------------------------------------------------- */

static const char *const bys[] = {"row", "line", "function", "type", "stack", "state", NULL};
static const char *const sorts[] = {"live", "survivors", "alloc", "growth", "peak", NULL};

struct wish {
  uint32_t limit;  /* 0: all */
  enum seep_by by;
  enum seep_sort sort;
};

/* The arguments (…, n, {by, sort}). */
static struct wish read_wish(lua_State *L, int argument, const char *function, uint32_t otherwise) {
  struct seep_option options[] = {{.name = "by", .kind = SEEP_OPTION_CHOICE, .choices = bys},
                                  {.name = "sort", .kind = SEEP_OPTION_CHOICE, .choices = sorts}};
  _Static_assert(SEEP_BY_ROW == 0 && SEEP_BY_STATE == 5, "the names above are in order");
  _Static_assert(SEEP_SORT_LIVE == 0 && SEEP_SORT_PEAK == 4, "the names above are in order");
  uint32_t limit = seep_args_count(L, argument, function, 1, otherwise);
  seep_args_options(L, argument + 1, function, options, SEEP_ARRAY_SIZE(options));
  return (struct wish){.limit = limit, .by = (enum seep_by)options[0].number,
                       .sort = (enum seep_sort)options[1].number};
}

/* Opens what there is to see: the running recording, a closed view, or the last capture. */
static enum seep_status open_shown(struct seep_session *session, lua_State *L, struct seep_answer *answer,
                                   struct seep_error *error) {
  if (!session->has_recorded) {
    return seep_error_set(error, SEEP_E_USAGE, "nothing is recorded yet: call seepline.start() first");
  }
  if (session->recording && seep_session_settle(session, L)) return seep_answer_open(answer, session->path, error);
  if (session->frozen == NULL) return seep_answer_open(answer, session->shown_path, error);
  answer->reader = session->frozen;
  answer->borrowed = true;
  return SEEP_OK;
}

static void note_running(const struct seep_session *session, struct seep_profile *profile) {
  if (!session->recording) return;
  uint64_t now = seep_clock_wall_ns();
  profile->running = true;
  profile->duration_s = now > profile->started_wall_ns ? (double)(now - profile->started_wall_ns) / 1e9 : 0;
}

static enum seep_status build_shown(lua_State *L, struct seep_answer *answer, const struct wish *wish,
                                    struct seep_error *error) {
  struct seep_session *session = seep_session_of(L);
  struct seep_profile_request request = {
      .path = session->shown_path, .by = wish->by, .sort = wish->sort, .since = session->view};
  enum seep_status status = open_shown(session, L, answer, error);
  if (status == SEEP_OK) status = seep_answer_profile(answer, &request, error);
  if (status == SEEP_OK) note_running(session, &answer->profile);
  return status;
}

/* -- start, stop --------------------------------------------------------------------- */

static const char *const modes[] = {"exact", "sample", "line", "call", "count", NULL};
enum { MODE, OUT, INTERVAL, COUNT };
enum { INSTRUCTIONS_DEFAULT = 1000 };

static void read_mode(const struct seep_option *options, struct seep_session_request *request) {
  static const enum seep_mode by_name[] = {SEEP_MODE_EXACT, SEEP_MODE_SAMPLE, SEEP_MODE_LINE,
                                           SEEP_MODE_CALL, SEEP_MODE_COUNT};
  request->mode = by_name[options[MODE].number];
  if (request->mode == SEEP_MODE_SAMPLE) request->interval = options[INTERVAL].number;
  if (request->mode == SEEP_MODE_COUNT) request->interval = options[COUNT].number;
}

static int start(lua_State *L) {
  struct seep_option options[] = {
      [MODE] = {.name = "mode", .kind = SEEP_OPTION_CHOICE, .choices = modes},
      [OUT] = {.name = "out", .kind = SEEP_OPTION_TEXT},
      [INTERVAL] = {.name = "interval", .kind = SEEP_OPTION_COUNT, .least = SEEP_INTERVAL_MIN_BYTES,
                    .most = SEEP_INTERVAL_MAX_BYTES, .number = SEEP_INTERVAL_DEFAULT_BYTES},
      [COUNT] = {.name = "count", .kind = SEEP_OPTION_COUNT, .least = 1, .number = INSTRUCTIONS_DEFAULT}};
  struct seep_session_request request = {0};
  struct seep_error error = {{0}};
  seep_args_options(L, 1, "start", options, SEEP_ARRAY_SIZE(options));
  read_mode(options, &request);
  lua_settop(L, 1);
  struct seep_session *session = seep_session_of(L);
  request.out = options[OUT].text;
  request.program = seep_program_name(L);
  if (seep_session_start(session, L, &request, &error) != SEEP_OK) return seep_fail(L, &error);
  lua_pushstring(L, session->path);
  return 1;
}

static int stop(lua_State *L) {
  struct seep_error error = {{0}};
  struct seep_session *session = seep_session_of(L);
  if (seep_session_stop(session, L, &error) != SEEP_OK) return seep_fail(L, &error);
  lua_pushstring(L, session->shown_path);
  return 1;
}

/* -- show, top, stats ------------------------------------------------------------------ */

/* Pushes the global print; looked up under pcall, because the table of globals
 * may have a metatable that raises. False when there is none. */
static int get_print(lua_State *L) {
  seep_lua_push_globals(L);
  lua_getfield(L, -1, "print");
  return 1;
}

static bool push_print(lua_State *L) {
  lua_pushcfunction(L, get_print);
  if (lua_pcall(L, 0, 1, 0) == 0 && !lua_isnil(L, -1)) return true;
  lua_pop(L, 1);
  return false;
}

/* Calls print for each line of the text. */
static void print_lines(lua_State *L, const char *text, size_t text_bytes) {
  const char *end = text + text_bytes;
  while (text < end) {
    const char *newline = memchr(text, '\n', (size_t)(end - text));
    if (newline == NULL) newline = end;
    lua_pushvalue(L, -1);
    lua_pushlstring(L, text, (size_t)(newline - text));
    lua_call(L, 1, 0);
    text = newline + 1;
  }
}

static int show(lua_State *L) {
  struct seep_error error = {{0}};
  struct wish wish = read_wish(L, 1, "show", ROWS_DEFAULT);
  luaL_checkstack(L, 12, "no room for show");
  struct seep_answer *answer = new_answer(L, &error);
  if (answer == NULL) return seep_fail(L, &error);
  enum seep_status status = build_shown(L, answer, &wish, &error);
  if (status == SEEP_OK) status = seep_answer_table(answer, wish.limit, &error);
  if (status == SEEP_OK && !push_print(L)) {
    status = seep_error_set(&error, SEEP_E_NOT_FOUND, "there is no global function print to print with");
  }
  if (status == SEEP_OK) print_lines(L, answer->text, answer->text_bytes);
  seep_answer_close(answer);
  if (status != SEEP_OK) return seep_fail(L, &error);
  lua_pushboolean(L, true);
  return 1;
}

static int top(lua_State *L) {
  struct seep_error error = {{0}};
  struct wish wish = read_wish(L, 1, "top", ROWS_DEFAULT);
  luaL_checkstack(L, 12, "no room for top");
  struct seep_answer *answer = new_answer(L, &error);
  if (answer == NULL) return seep_fail(L, &error);
  enum seep_status status = build_shown(L, answer, &wish, &error);
  if (status == SEEP_OK) seep_push_rows(L, &answer->profile, wish.limit);
  seep_answer_close(answer);
  return status == SEEP_OK ? 1 : seep_fail(L, &error);
}

static int stats(lua_State *L) {
  struct seep_error error = {{0}};
  struct wish wish = {.by = SEEP_BY_TYPE};
  struct seep_session *session = seep_session_of(L);
  luaL_checkstack(L, 12, "no room for stats");
  if (!session->has_recorded) {
    lua_createtable(L, 0, 1);
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "recording");
    return 1;
  }
  struct seep_answer *answer = new_answer(L, &error);
  if (answer == NULL) return seep_fail(L, &error);
  enum seep_status status = build_shown(L, answer, &wish, &error);
  if (status == SEEP_OK) {
    seep_push_stats(L, &answer->profile);
    lua_pushboolean(L, session->recording);
    lua_setfield(L, -2, "recording");
    lua_pushboolean(L, session->is_view);
    lua_setfield(L, -2, "view");
    lua_pushstring(L, session->shown_path);
    lua_setfield(L, -2, "path");
  }
  seep_answer_close(answer);
  return status == SEEP_OK ? 1 : seep_fail(L, &error);
}

/* -- mark, since ------------------------------------------------------------------------ */

static int collect_mark(lua_State *L) {
  struct seep_mark **box = lua_touserdata(L, 1);
  if (box == NULL) return 0;
  seep_mark_free(*box);
  *box = NULL;
  return 0;
}

/* Pushes the metatable of marks. */
static void push_mark_type(lua_State *L) {
  seep_lua_registry_get(L, &mark_key);
  if (!lua_isnil(L, -1)) return;
  lua_pop(L, 1);
  lua_createtable(L, 0, 3);
  lua_pushcfunction(L, collect_mark);
  lua_setfield(L, -2, "__gc");
  lua_pushliteral(L, "seepline.mark");
  lua_setfield(L, -2, "__name");
  lua_pushboolean(L, false);
  lua_setfield(L, -2, "__metatable");
  lua_pushvalue(L, -1);
  seep_lua_registry_set(L, &mark_key);
}

static const struct seep_mark *to_mark(lua_State *L, int argument) {
  struct seep_mark **box = lua_touserdata(L, argument);
  if (box != NULL && lua_type(L, argument) == LUA_TUSERDATA && lua_getmetatable(L, argument)) {
    push_mark_type(L);
    bool is_mark = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    if (is_mark && *box != NULL) return *box;
  }
  seep_args_bad(L, argument, "since", "a mark of seepline.mark() expected, got %s",
                lua_isnone(L, argument) ? "no value" : luaL_typename(L, argument));
  return NULL;
}

/* Opens the running recording: what was stopped does not grow. */
static enum seep_status open_running(lua_State *L, struct seep_answer *answer, struct seep_error *error) {
  struct seep_session *session = seep_session_of(L);
  if (!session->recording || !seep_session_settle(session, L)) {
    return seep_error_set(error, SEEP_E_USAGE, "not recording: call seepline.start() first");
  }
  return seep_answer_open(answer, session->path, error);
}

static int mark(lua_State *L) {
  struct seep_error error = {{0}};
  struct seep_answer answer = {0};
  luaL_checkstack(L, 12, "no room for mark");
  struct seep_mark **box = lua_newuserdata(L, sizeof *box);
  *box = NULL;
  push_mark_type(L);
  lua_setmetatable(L, -2);
  enum seep_status status = open_running(L, &answer, &error);
  if (status == SEEP_OK) status = seep_answer_mark(&answer, box, &error);
  seep_answer_close(&answer);
  return status == SEEP_OK ? 1 : seep_fail(L, &error);
}

static int since(lua_State *L) {
  struct seep_error error = {{0}};
  const struct seep_mark *from = to_mark(L, 1);
  struct wish wish = read_wish(L, 2, "since", 0);
  luaL_checkstack(L, 12, "no room for since");
  struct seep_answer *answer = new_answer(L, &error);
  if (answer == NULL) return seep_fail(L, &error);
  struct seep_profile_request request = {.path = "", .by = wish.by, .sort = wish.sort, .since = from};
  enum seep_status status = open_running(L, answer, &error);
  if (status == SEEP_OK && !seep_mark_belongs(from, answer->reader)) {
    status = seep_error_set(&error, SEEP_E_USAGE, "the mark is of another recording, which was stopped");
  }
  if (status == SEEP_OK) status = seep_answer_profile(answer, &request, &error);
  if (status == SEEP_OK) seep_push_rows(L, &answer->profile, wish.limit);
  seep_answer_close(answer);
  return status == SEEP_OK ? 1 : seep_fail(L, &error);
}

/* -- leaks ------------------------------------------------------------------------------- */

/* What holds the memory: of the claims alone unless it was asked for. */
enum { HELD_NOT = 0, HELD_ASKED = 1, HELD_OF_CLAIMS = 2 };

static enum seep_status join_heap(struct seep_session *session, uint32_t wish, uint32_t limit,
                                  struct seep_findings *findings, struct seep_error *error) {
  struct seep_held_line lines[SEEP_HELD_LINES_MAX];
  uint32_t count = wish == HELD_ASKED ? findings->count : findings->leak_count;
  if (limit != 0 && count > limit) count = limit;
  if (count > SEEP_HELD_LINES_MAX) count = SEEP_HELD_LINES_MAX;
  if (wish == HELD_NOT || count == 0) return SEEP_OK;
  if (!session->recording) {
    return seep_error_set(error, SEEP_E_USAGE, "what holds the memory can be asked while it is recorded alone");
  }
  for (uint32_t i = 0; i < count; i++) {
    lines[i] = (struct seep_held_line){.file = findings->rows[i].file, .line = findings->rows[i].line};
  }
  enum seep_status status = seep_held_ask(lines, count, error);
  for (uint32_t i = 0; i < count; i++) findings->rows[i].held_by = lines[i].held;
  return status;
}

/* Of the whole recording, also under `seepline run`: a verdict needs the past. */
static enum seep_status judge_shown(lua_State *L, struct seep_session *session, struct seep_answer *answer,
                                    struct seep_error *error) {
  struct seep_profile_request request = {.path = session->shown_path, .by = SEEP_BY_STATE};
  enum seep_status status = open_shown(session, L, answer, error);
  if (status == SEEP_OK) status = seep_answer_profile(answer, &request, error);
  if (status != SEEP_OK) return status;
  if (!seep_profile_knows_blocks(answer->profile.mode)) {
    return seep_error_set(error, SEEP_E_USAGE, "mode %s does not see what stays alive: verdicts need mode exact or sample",
                          seep_profile_mode_name(answer->profile.mode));
  }
  return seep_answer_judge(answer, error);
}

static int leaks(lua_State *L) {
  struct seep_error error = {{0}};
  struct seep_option options[] = {{.name = "held_by", .kind = SEEP_OPTION_SWITCH, .number = HELD_OF_CLAIMS}};
  uint32_t limit = seep_args_count(L, 1, "leaks", 1, 0);
  seep_args_options(L, 2, "leaks", options, SEEP_ARRAY_SIZE(options));
  struct seep_session *session = seep_session_of(L);
  luaL_checkstack(L, 12, "no room for leaks");
  struct seep_answer *answer = new_answer(L, &error);
  if (answer == NULL) return seep_fail(L, &error);
  enum seep_status status = judge_shown(L, session, answer, &error);
  if (status == SEEP_OK) {
    status = join_heap(session, options[0].number, limit, &answer->findings, &error);
    if (options[0].number == HELD_OF_CLAIMS) status = SEEP_OK; /* verdicts do not need it */
  }
  if (status == SEEP_OK) seep_push_findings(L, &answer->findings, limit);
  seep_answer_close(answer);
  return status == SEEP_OK ? 1 : seep_fail(L, &error);
}

/* -- The module -------------------------------------------------------------------------- */

static const struct {
  const char *name;
  lua_CFunction function;
} functions[] = {
    {"start", start}, {"stop", stop}, {"show", show}, {"top", top}, {"leaks", leaks}, {"mark", mark},
    {"since", since}, {"snapshot", seep_take_snapshot}, {"check", seep_check}, {"stats", stats},
};

SEEP_EXPORT int luaopen_seepline(lua_State *L);
int luaopen_seepline(lua_State *L) {
  lua_createtable(L, 0, SEEP_ARRAY_SIZE(functions) + 1);
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(functions); i++) {
    lua_pushcfunction(L, functions[i].function);
    lua_setfield(L, -2, functions[i].name);
  }
  lua_pushliteral(L, SEEP_VERSION);
  lua_setfield(L, -2, "version");
  return 1;
}
