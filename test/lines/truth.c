/* The truth about lines, without Seepline: how much the VM's own count rises on
 * each of them.
 *
 * A Lua program loads this as a C library and calls `truth`; if SEEP_TRUTH_OUT
 * names a file, a hook then reads the count before every VM instruction and at
 * every call and return, and charges what it grew by to the line that ran until
 * then: that of the innermost Lua function, through coroutines into whoever
 * resumed them. The sums are written to the file at exit, one line of code a
 * line: bytes, line, chunk name.
 *
 * One library for all versions: nothing is compiled against a version's headers;
 * the few fields of lua_Debug that are needed are read where each version has
 * them (lua.h). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct lua_State lua_State;
typedef void hook_function(lua_State *L, void *debug);
int lua_gc(lua_State *L, int what, ...);
int lua_getstack(lua_State *L, int level, void *debug);
int lua_getinfo(lua_State *L, const char *what, void *debug);
int lua_sethook(lua_State *L, hook_function *hook, int mask, int count);
int truth(lua_State *L);

enum { HOOK_CALL = 0, HOOK_RETURN = 1, HOOK_TAIL = 4, MASK_ALL = 1 | 2 | 4 | 8, GCCOUNT = 3, GCCOUNTB = 4 };
enum { PLACES = 1 << 16, THREADS = 200, NAME_BYTES = 256 };

struct place {
  char *name;
  int line;
  long bytes;
};

static struct place places[PLACES];
static struct thread {
  lua_State *L;
  struct place *place;  /* what runs in it, or ran when it resumed the next */
} threads[THREADS];
static int thread_count;
static long last_count;
static int is_5_4;
static int is_tail_call_told;  /* event 4 is a tail call; on 5.1 and LuaJIT it is the return of one */

static long count_bytes(lua_State *L) { return lua_gc(L, GCCOUNT, 0) * 1024L + lua_gc(L, GCCOUNTB, 0); }

static struct place *place_of(const char *name, int line) {
  unsigned hash = (unsigned)line * 2654435761u;
  for (const char *c = name; *c != '\0'; c++) hash = hash * 31 + (unsigned char)*c;
  for (;; hash++) {
    struct place *place = &places[hash % PLACES];
    if (place->name == NULL) *place = (struct place){strdup(name), line, 0};
    if (place->line == line && strcmp(place->name, name) == 0) return place;
  }
}

static int is_lua(lua_State *L) {
  _Alignas(8) char debug[512];
  const char *what;
  if (!lua_getstack(L, 0, debug) || !lua_getinfo(L, "S", debug)) return 0;
  memcpy(&what, debug + 24, sizeof what);
  return what[0] == 'L' || what[0] == 'm';
}

/* The innermost Lua function of a thread from `level` on, or NULL. */
static struct place *lua_place(lua_State *L, int level) {
  _Alignas(8) char debug[512];
  char name[NAME_BYTES];
  for (; lua_getstack(L, level, debug); level++) {
    const char *what, *source;
    int line;
    if (!lua_getinfo(L, "Sl", debug)) return NULL;
    memcpy(&what, debug + 24, sizeof what);
    memcpy(&source, debug + 32, sizeof source);
    memcpy(&line, debug + (is_5_4 ? 48 : 40), sizeof line);
    if (what[0] != 'L' && what[0] != 'm') continue;
    if (source[0] == '@' || source[0] == '=') return place_of(source + 1, line);
    snprintf(name, sizeof name, "%s", debug + (is_5_4 ? 68 : 56));
    return place_of(name, line);
  }
  return NULL;
}

/* Where a thread is at an event. A Lua function that has been called, but has not
 * executed anything, is on no line yet: all it needs is room on the stack. */
static struct place *place_at(lua_State *L, int event) {
  if (event == HOOK_RETURN || (!is_tail_call_told && event == HOOK_TAIL)) return lua_place(L, 1);
  if ((event == HOOK_CALL || event == HOOK_TAIL) && is_lua(L)) return place_of("[entry]", 0);
  return lua_place(L, 0);
}

/* Which of the active threads runs; a new one was resumed by the last. */
static struct thread *enter(lua_State *L) {
  for (int i = 0; i < thread_count; i++) {
    if (threads[i].L != L) continue;
    thread_count = i + 1;
    return &threads[i];
  }
  if (thread_count == THREADS) abort();
  threads[thread_count].L = L;
  return &threads[thread_count++];
}

static void hook(lua_State *L, void *debug) {
  int event;
  memcpy(&event, debug, sizeof event);
  struct thread *running = &threads[thread_count - 1];
  running->place->bytes += count_bytes(L) - last_count;
  running = enter(L);
  running->place = place_at(L, event);
  if (running->place == NULL) {
    running->place = running > threads ? running[-1].place : place_of("[C]", 0);
  }
  last_count = count_bytes(L);
}

static void write_all(void) {
  FILE *out = fopen(getenv("SEEP_TRUTH_OUT"), "w");
  if (out == NULL) abort();
  for (int i = 0; i < PLACES; i++) {
    if (places[i].name != NULL) fprintf(out, "%ld %d %s\n", places[i].bytes, places[i].line, places[i].name);
  }
  fclose(out);
}

int truth(lua_State *L) {
  const char *ident = dlsym(RTLD_DEFAULT, "lua_ident");
  if (getenv("SEEP_TRUTH_OUT") == NULL) return 0;
  is_tail_call_told = ident != NULL && strstr(ident, "Lua 5.1") == NULL;
  is_5_4 = ident != NULL && strstr(ident, "Lua 5.4") != NULL;
  threads[0] = (struct thread){L, place_of("[C]", 0)};
  thread_count = 1;
  last_count = count_bytes(L);
  lua_sethook(L, hook, MASK_ALL, 1);
  atexit(write_all);
  return 0;
}
