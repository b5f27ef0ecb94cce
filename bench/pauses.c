/* pauses: how long single allocator calls of a Lua program take.
 *
 * Mental model: a host with a Lua of its own runs a script. Once the state is there, a clock is put around whatever
 * allocator the state has by then: the host's own, or, when the program is recorded, the recorder that stands in front
 * of it. Both ways pay for the clock alike. Times go into classes of a sixteenth of a doubling, so that nothing is
 * allocated, and every call counts.
 *
 * Usage:   pauses RESULT_FILE SCRIPT [ARGUMENTS…]
 * Writes:  calls median_ns p99_ns p99.9_ns p99.99_ns max_ns     to RESULT_FILE; the script's output is its own.
 * Compiled once for each Lua, with its shared library. Ends with the script's status: 0, 1 for an error, or what
 * os.exit says (then nothing is written).
 *
 * (The clock stands between the VM and the recorder, so that instructions that do not save their pc are not recognised
 * as usual, and their lines come out as marked. The work is the same otherwise.) */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

enum { PARTS = 16, CLASSES = 64 * PARTS };

static struct {
  lua_Alloc allocator;
  uint64_t calls;
  uint64_t max_ticks;
  uint64_t classes[CLASSES];
} clocked;

/* -- Time ---------------------------------------------------------------------- */

static uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

#if defined(__x86_64__)
static inline uint64_t ticks(void) { return __builtin_ia32_rdtsc(); }
#else
static inline uint64_t ticks(void) { return now_ns(); }
#endif

/* Sixteen classes to each doubling; below 16 ticks, one for each. */
static uint32_t class_of(uint64_t time) {
  if (time < PARTS) return (uint32_t)time;
  uint32_t doubling = 63 - (uint32_t)__builtin_clzll(time);
  return (doubling - 3) * PARTS + (uint32_t)(time >> (doubling - 4) & (PARTS - 1));
}

/* The least time of a class. */
static uint64_t begin_of(uint32_t class) {
  if (class < PARTS) return class;
  return (uint64_t)(PARTS + class % PARTS) << (class / PARTS - 1);
}

/* The time that so many of a thousand thousand calls do not exceed, to a sixteenth. */
static uint64_t quantile(uint64_t millionths) {
  uint64_t rest = clocked.calls - clocked.calls * millionths / 1000000;
  uint32_t class = CLASSES - 1;
  for (uint64_t seen = 0; class > 0; class--) {
    seen += clocked.classes[class];
    if (seen > rest) break;
  }
  return begin_of(class);
}

/* -- The state ------------------------------------------------------------------- */

static void *allocate(void *ud, void *block, size_t old_size, size_t new_size) {
  (void)ud;
  (void)old_size;
  if (new_size != 0) return realloc(block, new_size);
  free(block);
  return NULL;
}

static void *allocate_clocked(void *ud, void *block, size_t old_size, size_t new_size) {
  uint64_t begin = ticks();
  void *result = clocked.allocator(ud, block, old_size, new_size);
  uint64_t time = ticks() - begin;
  clocked.calls++;
  clocked.classes[class_of(time)]++;
  if (time > clocked.max_ticks) clocked.max_ticks = time;
  return result;
}

/* Lua's own lua_getallocf and lua_setallocf: the recorder has functions of these names that hide it from the program. */
static int find_real_functions(lua_Alloc (**get)(lua_State *, void **), void (**set)(lua_State *, lua_Alloc, void *)) {
  Dl_info lua;
  void *library = dladdr((void *)luaL_openlibs, &lua) != 0 ? dlopen(lua.dli_fname, RTLD_LAZY | RTLD_NOLOAD) : NULL;
  if (library == NULL) return 0;
  *get = (lua_Alloc (*)(lua_State *, void **))dlsym(library, "lua_getallocf");
  *set = (void (*)(lua_State *, lua_Alloc, void *))dlsym(library, "lua_setallocf");
  return *get != NULL && *set != NULL;
}

static int run(lua_State *L, int count, char **arguments) {
  int status = luaL_loadfile(L, arguments[0]);
  for (int i = 1; i < count; i++) lua_pushstring(L, arguments[i]);
  if (status == 0) status = lua_pcall(L, count - 1, 0, 0);
  if (status != 0) fprintf(stderr, "pauses: %s\n", lua_tostring(L, -1));
  return status != 0;
}

/* -- The result ------------------------------------------------------------------ */

static int report(const char *path, double ns_per_tick) {
  static const uint64_t millionths[] = {500000, 990000, 999000, 999900};
  FILE *file = fopen(path, "w");
  if (file == NULL) {
    perror(path);
    return 1;
  }
  fprintf(file, "%llu", (unsigned long long)clocked.calls);
  for (size_t i = 0; i < sizeof millionths / sizeof millionths[0]; i++) {
    fprintf(file, " %.0f", (double)quantile(millionths[i]) * ns_per_tick);
  }
  fprintf(file, " %.0f\n", (double)clocked.max_ticks * ns_per_tick);
  return fclose(file) != 0;
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fputs("usage: pauses RESULT_FILE SCRIPT [ARGUMENTS...]\n", stderr);
    return 2;
  }
  lua_Alloc (*get)(lua_State *, void **);
  void (*set)(lua_State *, lua_Alloc, void *);
  lua_State *L = lua_newstate(allocate, NULL);
  if (L == NULL || !find_real_functions(&get, &set)) return 1;
  luaL_openlibs(L);
  void *ud;
  clocked.allocator = get(L, &ud);
  set(L, allocate_clocked, ud);
  uint64_t begin_ns = now_ns(), begin_ticks = ticks();
  int failed = run(L, argc - 2, argv + 2);
  double ns_per_tick = (double)(now_ns() - begin_ns) / (double)(ticks() - begin_ticks);
  set(L, clocked.allocator, ud);
  lua_close(L);
  return report(argv[1], ns_per_tick) | failed;
}
