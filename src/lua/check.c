/* seepline.check: a function is run round after round, and what is left over from
 * every round is an error that says where it was allocated.
 *
 * Before the first round and after each one two full collections run (the second
 * takes what finalizers let go of), then the rows are noted (rounds.h). Where
 * nothing records the state, a recording in a temporary file does for the time.
 * LuaJIT interprets meanwhile: its compiler allocates when it likes, and charges
 * a trace's allocations to where the trace begins.
 * Whatever happens, collector, compiler and recording are put back. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "lua/args.h"
#include "lua/functions.h"
#include "lua/held.h"
#include "lua/here.h"
#include "model/names.h"
#include "model/rounds.h"

enum { ROUNDS_DEFAULT = 8, PLACES_TOLD = 5, CALLERS_TOLD = 8 };

struct check {
  struct seep_session *session;
  const struct seep_vm *vm;
  uint32_t round_count;
  struct seep_rounds rounds;
  struct seep_mark *typical;       /* the last point less what a round typically leaves */
  struct seep_reader *reader;      /* of the present point */
  struct seep_rounds_finding finding;
  bool own_recording;
  char temporary[PATH_MAX];
  bool was_stopped;                /* the collector */
  bool compiler_was_on;
  const char *caller_source;       /* the line that called check: stacks are told up to it */
  int caller_line;
  char *message;                   /* of a leak */
};

static int collect_check(lua_State *L) {
  struct check **box = lua_touserdata(L, 1);
  struct check *check = box == NULL ? NULL : *box;
  if (check == NULL) return 0;
  *box = NULL;
  seep_rounds_clear(&check->rounds);
  seep_mark_free(check->typical);
  seep_rounds_finding_clear(&check->finding);
  if (check->reader != NULL) seep_reader_close(check->reader);
  free(check->message);
  free(check);
  return 0;
}

/* -- The VM around the rounds --------------------------------------------------- */

/* Calls package.loaded.jit[name]; the first result, as a truth. False on PUC. */
static bool call_jit(lua_State *L, const char *name) {
  int top = lua_gettop(L);
  bool result = false;
  lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
  if (lua_istable(L, -1)) lua_getfield(L, -1, "jit");
  if (lua_gettop(L) == top + 2 && lua_istable(L, -1)) {
    lua_getfield(L, -1, name);
    result = lua_isfunction(L, -1) && lua_pcall(L, 0, 1, 0) == 0 && lua_toboolean(L, -1);
  }
  lua_settop(L, top);
  return result;
}

static void pause_compiler(struct check *check, lua_State *L) {
  check->compiler_was_on = call_jit(L, "status");
  if (!check->compiler_was_on) return;
  call_jit(L, "off");
  call_jit(L, "flush");
}

/* A full collection starts 5.1's collector again if it was stopped. */
static void restore_collector(const struct check *check, lua_State *L) {
  if (check->was_stopped) {
    lua_gc(L, LUA_GCSTOP, 0);
  } else if (seep_here_collector_is_stopped(check->vm, L)) {
    lua_gc(L, LUA_GCRESTART, 0);
  }
}

static int collect_garbage(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT, 0);
  lua_gc(L, LUA_GCCOLLECT, 0);
  return 0;
}

/* -- Recording ------------------------------------------------------------------- */

static enum seep_status open_recording(struct check *check, lua_State *L, struct seep_error *error) {
  if (seep_session_settle(check->session, L)) return SEEP_OK;
  const char *folder = getenv("TMPDIR");
  if (folder == NULL || folder[0] == '\0') folder = "/tmp";
  if (snprintf(check->temporary, PATH_MAX, "%s/seepline-check.XXXXXX", folder) >= PATH_MAX - 64) {
    return seep_error_set(error, SEEP_E_SYSTEM, "TMPDIR is too long");
  }
  int file = mkstemp(check->temporary);
  if (file < 0) {
    return seep_error_set(error, SEEP_E_SYSTEM,
                          "%s: no file can be made here: set TMPDIR to a folder that can be written", folder);
  }
  close(file);
  struct seep_session_request request = {.out = check->temporary, .mode = SEEP_MODE_EXACT};
  enum seep_status status = seep_session_start_quietly(check->session, L, &request, error);
  check->own_recording = status == SEEP_OK;
  if (status != SEEP_OK) unlink(check->temporary);
  return status;
}

static void close_recording(struct check *check) {
  if (!check->own_recording) return;
  seep_session_stop_quietly(check->session);
  unlink(check->temporary);
  check->own_recording = false;
}

static void restore(struct check *check, lua_State *L) {
  close_recording(check);
  restore_collector(check, L);
  if (check->compiler_was_on) call_jit(L, "on");
}

/* -- Rounds ----------------------------------------------------------------------- */

static void note(void *argument) {
  struct check *check = argument;
  seep_rounds_note(&check->rounds, check->reader, check->session->state_index);
}

static void judge(void *argument) {
  struct check *check = argument;
  seep_rounds_judge(&check->rounds, check->reader, check->session->state_index, &check->finding);
}

static enum seep_status read_point(struct check *check, lua_State *L, struct seep_error *error) {
  if (check->reader != NULL) seep_reader_close(check->reader);
  check->reader = NULL;
  if (!seep_session_settle(check->session, L)) {
    return seep_error_set(error, SEEP_E_SYSTEM, "the recording ended while check was running");
  }
  enum seep_status status = seep_reader_open(check->session->path, &check->reader, error);
  if (status != SEEP_OK) return status;
  if (check->session->state_index >= seep_reader_state_count(check->reader)) {
    return seep_error_set(error, SEEP_E_FORMAT, "%s: the state is not in the capture", check->session->path);
  }
  if (seep_reader_state(check->reader, check->session->state_index)->mode == SEEP_MODE_EXACT) return SEEP_OK;
  return seep_error_set(error, SEEP_E_USAGE,
                        "every allocation is needed, and this process records in another mode than exact");
}

/* Runs what is at `function` and collects. The error that it raised, if any, is
 * left on the stack. */
static bool run_round(lua_State *L, int function, int collector) {
  lua_pushvalue(L, function);
  if (lua_pcall(L, 0, 0, 0) != 0) return false;
  lua_pushvalue(L, collector);
  return lua_pcall(L, 0, 0, 0) == 0;
}

/* SEEP_OK with *raised: the function raised an error, which is on the stack. */
static enum seep_status run_rounds(struct check *check, lua_State *L, int function, int collector, bool *raised,
                                   struct seep_error *error) {
  enum seep_status status = SEEP_OK;
  for (uint32_t round = 1; status == SEEP_OK && round <= check->round_count; round++) {
    *raised = !run_round(L, function, collector);
    if (*raised) return SEEP_OK;
    if (check->was_stopped) lua_gc(L, LUA_GCSTOP, 0);
    if (round < check->rounds.warmup) continue;
    status = read_point(check, L, error);
    if (status == SEEP_OK) status = seep_answer_guarded(note, check, error);
  }
  return status == SEEP_OK ? seep_answer_guarded(judge, check, error) : status;
}

/* -- What is said about a leak ------------------------------------------------------ */

static void print_escaped(FILE *out, const char *text) {
  char *printable = seep_text_printable(text);
  fputs(printable, out);
  free(printable);
}

static bool has_name(const struct seep_profile_frame *frame) {
  return !seep_names_is_anonymous(frame->function);
}

/* "cache.lua:12 (put)"; ~ as in tables: the line is near. */
static void print_place(FILE *out, const struct seep_profile_frame *frame, bool exact) {
  print_escaped(out, frame->file);
  if (frame->line != 0) fprintf(out, ":%u%s", frame->line, exact ? "" : "~");
  if (!has_name(frame)) return;
  fputs(" (", out);
  print_escaped(out, frame->function);
  fputc(')', out);
}

/* The frames from the innermost Lua frame out, up to the line that called check:
 * what runs the test is not part of the leak. */
static void print_stack(const struct check *check, FILE *out, const struct seep_profile_row *row) {
  uint32_t told = 0;
  for (uint32_t i = 0; i < row->frame_count && told <= CALLERS_TOLD; i++) {
    const struct seep_profile_frame *frame = row->frames[i];
    if (frame->kind == SEEP_FUNCTION_C) continue;
    bool is_caller = told > 0 && (int)frame->line == check->caller_line &&
                     strcmp(frame->source, check->caller_source) == 0;
    if (is_caller && i > 0 && row->frames[i - 1]->kind == SEEP_FUNCTION_C) return;
    fputs(told == 0 ? "" : told == 1 ? ", called from " : " ← ", out);
    if (told == CALLERS_TOLD) fputs("…", out);
    else print_place(out, frame, told > 0 || row->exact);
    told++;
  }
}

static void print_number(FILE *out, uint64_t number, const char *one, const char *many) {
  fprintf(out, "%llu %s", (unsigned long long)number, number == 1 ? one : many);
}

/* A buffer that grows is one block, replaced each time. */
static void print_leak(const struct check *check, FILE *out, const struct seep_profile_row *row,
                       const struct seep_held_list *held) {
  print_number(out, row->counters.live_bytes, "byte", "bytes");
  fputs(" in ", out);
  if (row->counters.live_count == 0) fputs("a growing block", out);
  else print_number(out, row->counters.live_count, "block", "blocks");
  fputs(" per round at ", out);
  print_stack(check, out, row);
  if (held->count == 0) return;
  fputs(", held by ", out);
  print_escaped(out, held->items[0].path);
}

static void set_typical(struct check *check) {
  const struct seep_rounds_finding *finding = &check->finding;
  check->typical = seep_mark_take(check->reader);
  for (uint32_t row = 1; row < finding->row_count; row++) {
    if (!finding->leaks[row]) continue;
    seep_mark_set_difference(check->typical, check->reader, check->session->state_index, row,
                             finding->per_round[row].bytes, finding->per_round[row].count);
  }
}

/* What holds the first rows' memory, where that can be found out. */
static void find_held(const struct seep_profile *profile, uint32_t count, struct seep_held_line lines[PLACES_TOLD]) {
  for (uint32_t i = 0; i < count; i++) {
    lines[i] = (struct seep_held_line){.file = profile->rows[i].file, .line = profile->rows[i].line};
  }
  if (count > 0) seep_held_ask(lines, count, NULL);
}

static void print_message(const struct check *check, const struct seep_profile *profile, FILE *out) {
  struct seep_held_line lines[PLACES_TOLD];
  uint32_t told = profile->row_count < PLACES_TOLD ? profile->row_count : PLACES_TOLD;
  find_held(profile, told, lines);
  fputs("check: leaks ", out);
  for (uint32_t i = 0; i < told; i++) {
    if (i > 0) fputs("\n  and ", out);
    print_leak(check, out, &profile->rows[i], &lines[i].held);
    seep_held_list_free(&lines[i].held);
  }
  if (told < profile->row_count) fprintf(out, "\n  and at %u more stacks", profile->row_count - told);
  fprintf(out, "; over %u rounds", check->round_count);
}

/* Puts together what has one stack: for people the types do not matter. While it is recorded, so that the heap can
 * be joined with it. */
static void describe_leaks(void *argument) {
  struct check *check = argument;
  struct seep_profile profile;
  set_typical(check);
  struct seep_profile_request request = {
      .reader = check->reader, .path = check->session->path, .by = SEEP_BY_STACK, .sort = SEEP_SORT_LIVE,
      .since = check->typical, .only = check->finding.leaks, .only_state = check->session->state_index,
      .only_count = check->finding.row_count};
  seep_profile_build_request(&request, &profile);
  size_t size_bytes;
  FILE *out = open_memstream(&check->message, &size_bytes);
  if (out == NULL) seep_must_alloc(SIZE_MAX / 2);
  print_message(check, &profile, out);
  seep_profile_free(&profile);
  if (fclose(out) != 0) seep_must_alloc(SIZE_MAX / 2);
}

/* -- The function ------------------------------------------------------------------- */

static void note_caller(struct check *check, lua_State *L) {
  lua_Debug debug;
  check->caller_source = "";
  check->caller_line = -1;
  for (int level = 1; lua_getstack(L, level, &debug); level++) {
    lua_getinfo(L, "Sl", &debug);
    if (debug.currentline <= 0) continue;
    check->caller_source = debug.source;
    check->caller_line = debug.currentline;
    return;
  }
}

static struct check *new_check(lua_State *L, uint32_t round_count) {
  void **box = seep_new_box(L, collect_check);
  struct check *check = *box = calloc(1, sizeof *check);
  if (check == NULL) return NULL;
  check->session = seep_session_of(L);
  check->vm = seep_here_vm(NULL);
  check->round_count = round_count;
  check->was_stopped = seep_here_collector_is_stopped(check->vm, L);
  note_caller(check, L);
  return check;
}

static void init_rounds(void *argument) {
  struct check *check = argument;
  seep_rounds_init(&check->rounds, check->round_count);
}

static bool is_callable(lua_State *L, int index) {
  if (lua_type(L, index) == LUA_TFUNCTION) return true;
  if (lua_isnone(L, index) || luaL_getmetafield(L, index, "__call") == 0) return false;
  lua_pop(L, 1);
  return true;
}

static void check_arguments(lua_State *L, uint32_t *round_count) {
  struct seep_option options[] = {
      {.name = "rounds", .kind = SEEP_OPTION_COUNT, .least = SEEP_ROUNDS_MIN,
       .most = SEEP_ROUNDS_MAX, .number = ROUNDS_DEFAULT}};
  if (!is_callable(L, 1)) {
    seep_args_bad(L, 1, "check", "function expected, got %s", lua_isnone(L, 1) ? "no value" : luaL_typename(L, 1));
  }
  seep_args_options(L, 2, "check", options, SEEP_ARRAY_SIZE(options));
  *round_count = options[0].number;
}

/* A test that looked at nothing must not pass: this is an error, too. */
static int cannot_check(lua_State *L, const struct seep_error *error) {
  return seep_args_raise(L, lua_pushfstring(L, "check: %s", error->text));
}

int seep_check(lua_State *L) {
  struct seep_error error = {{0}};
  uint32_t round_count;
  bool raised = false;
  check_arguments(L, &round_count);
  lua_settop(L, 1);
  luaL_checkstack(L, 16, "no room for check");
  struct check *check = new_check(L, round_count);
  if (check == NULL) return seep_args_raise(L, "check: no memory");
  lua_pushcfunction(L, collect_garbage);
  int collector = lua_gettop(L);
  enum seep_status status = seep_answer_guarded(init_rounds, check, &error);
  seep_rounds_ignore(&check->rounds, (uintptr_t)collect_garbage, (uintptr_t)lua_topointer(L, collector));
  if (status == SEEP_OK) status = open_recording(check, L, &error);
  if (status != SEEP_OK) return cannot_check(L, &error);
  pause_compiler(check, L);
  status = run_rounds(check, L, 1, collector, &raised, &error);
  if (status == SEEP_OK && !raised && check->finding.leaking_count > 0) {
    status = seep_answer_guarded(describe_leaks, check, &error);
  }
  restore(check, L);
  if (raised) {
    SEEP_ABANDONS_FRAMES();
    return lua_error(L);
  }
  if (status != SEEP_OK) return cannot_check(L, &error);
  if (check->message != NULL) return seep_args_raise(L, check->message);
  lua_pushboolean(L, true);
  return 1;
}
