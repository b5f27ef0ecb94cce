/* See here.h. */
#define _GNU_SOURCE
#include "lua/here.h"

#include <dlfcn.h>
#include <pthread.h>

#include "record/process.h"

static struct {
  pthread_mutex_t lock;
  bool tried, has_api, known;
  struct seep_lua_api api;
  struct seep_vm vm;
  struct seep_error error;
} here = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The object that our own calls of Lua go to: a process can hold several Luas.
 * For a program that has Lua inside, dlopen does not know it by that name. */
static void *handle_of_lua(void) {
  Dl_info where;
  void *object = NULL;
  if (dladdr((void *)lua_gettop, &where) != 0) object = dlopen(where.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  return object != NULL ? object : RTLD_DEFAULT;
}

static void try_build(void) {
  here.tried = true;
  enum seep_status status = seep_lua_api_find(handle_of_lua(), &here.api, &here.error);
  here.has_api = status == SEEP_OK;
  if (status == SEEP_OK) status = seep_process_calibrate(&here.api, &here.vm, &here.error);
  here.known = status == SEEP_OK;
}

const struct seep_vm *seep_here_vm(struct seep_error *error) {
  pthread_mutex_lock(&here.lock);
  if (!here.tried) try_build();
  pthread_mutex_unlock(&here.lock);
  if (here.known) return &here.vm;
  if (error != NULL) *error = here.error;
  return NULL;
}

const struct seep_lua_api *seep_here_api(struct seep_error *error) {
  seep_here_vm(error);
  return here.has_api ? &here.api : NULL;
}

uintptr_t seep_here_main_thread(const struct seep_vm *vm, lua_State *L, struct seep_error *error) {
  uintptr_t global = seep_load_pointer(&seep_image_self_checked, (uintptr_t)L + vm->thread_global);
  uintptr_t main_thread = global - vm->global_offset;
  if (seep_vm_is_state(vm, main_thread)) return main_thread;
  seep_error_set(error, SEEP_E_UNKNOWN_VM, "%s: this state does not look like others of its build", vm->release);
  return 0;
}

bool seep_here_collector_is_stopped(const struct seep_vm *vm, lua_State *L) {
  int running = lua_gc(L, LUA_GCISRUNNING, 0);
  if (running >= 0) return running == 0;
  uintptr_t main_thread = vm == NULL ? 0 : seep_here_main_thread(vm, L, NULL);
  if (main_thread == 0) return false;
  struct seep_vm_state state = {.vm = vm, .main_thread = main_thread, .global = main_thread + vm->global_offset};
  return seep_vm_collector_is_stopped(&state);
}
