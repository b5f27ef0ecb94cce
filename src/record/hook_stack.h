/* The call stack of a state that is recorded by hooks, kept up to date by its
 * events, so that a place costs nothing until memory is charged to it.
 *
 * Model: the frames of the running thread and of those that resumed it, the
 * outermost first. A call event puts a frame on top, a return event takes the
 * top off, a line event says where the top frame is. Each frame knows its
 * function's record in the capture, never the function itself, which may be
 * gone by the time that memory is charged. What no event tells (an error that
 * unwound frames, another thread that runs now) shows in the next event: its
 * frame is not the one on top. Then the frames above it are dropped, or the
 * stack is read anew through the public API.
 *
 * C functions: on PUC they have frames like others; LuaJIT does not say when
 * they return, so there they have none, and their memory is the caller's.
 *
 * One per state, on the thread that runs the state, from inside a hook. Nothing
 * here allocates from the VM's heap, or changes anything in the VM. */
#ifndef SEEP_HOOK_STACK_H
#define SEEP_HOOK_STACK_H

#include "record/sites.h"
#include "vm/lua_api.h"

enum {
  SEEP_HOOK_FUNCTIONS = 1024,
  SEEP_HOOK_FRAME_C = 1 << 16,  /* in flags, beside enum seep_frame_flags: of a C function */
};

struct seep_hook_frame {
  uintptr_t thread, frame;  /* frame: as lua_Debug has it (lua_api.h) */
  uint32_t function;        /* its record in the capture; 0: there was no room */
  uint32_t line;            /* that runs; where lines are not followed, that the function begins on */
  uint32_t flags;
  uint32_t node;            /* the stack up to here, or 0: not asked for at this line */
};

/* A function that was called lately. */
struct seep_hook_function {
  uint64_t identity;        /* a prototype, or a C function's key; 0: empty */
  uint32_t record, line_defined;
  uint32_t code_epoch;
};

struct seep_hook_stack {
  const struct seep_lua_api *api;
  const struct seep_vm_state *vm_state;  /* vm NULL: by the public API alone */
  struct seep_sites *sites;
  bool follows_lines;
  struct seep_hook_frame *frames;
  uint32_t count, capacity;
  /* Whether a function may have been freed since: then prototypes are described anew. */
  uint64_t collector_word, estimate;
  uint32_t code_epoch;
  struct seep_hook_function functions[SEEP_HOOK_FUNCTIONS];
};

/* Prepares an empty stack; what it points to must outlive it. False when there
 * is no memory. */
bool seep_hook_stack_init(struct seep_hook_stack *stack, const struct seep_lua_api *api,
                          const struct seep_vm_state *vm_state, struct seep_sites *sites, bool follows_lines);
void seep_hook_stack_clear(struct seep_hook_stack *stack);

/* A function was called (or tail called): it is on top now. Returns the key of a C
 * function, without its address where no description is there; 0 for a Lua function. */
uint64_t seep_hook_stack_called(struct seep_hook_stack *stack, lua_State *L,
                                const struct seep_lua_event *event, void *debug);

/* Makes `frame` of thread L, which has an event, the top. */
void seep_hook_stack_find(struct seep_hook_stack *stack, lua_State *L, uintptr_t frame);

SEEP_ALWAYS_INLINE struct seep_hook_frame *seep_hook_stack_top(const struct seep_hook_stack *stack) {
  return stack->count == 0 ? NULL : &stack->frames[stack->count - 1];
}

SEEP_ALWAYS_INLINE void seep_hook_stack_at(struct seep_hook_stack *stack, lua_State *L, uintptr_t frame) {
  const struct seep_hook_frame *top = seep_hook_stack_top(stack);
  if (SEEP_LIKELY(top != NULL && top->frame == frame && top->thread == (uintptr_t)L)) return;
  seep_hook_stack_find(stack, L, frame);
}

/* Reads the whole stack anew: thread L runs. */
void seep_hook_stack_read(struct seep_hook_stack *stack, lua_State *L);

/* The top frame is at `line` now. */
SEEP_ALWAYS_INLINE void seep_hook_stack_line(struct seep_hook_stack *stack, uint32_t line) {
  struct seep_hook_frame *top = seep_hook_stack_top(stack);
  if (top == NULL || top->line == line) return;
  top->line = line;
  top->node = SEEP_NODE_NONE;
}

/* The top frame returns. */
void seep_hook_stack_returned(struct seep_hook_stack *stack);

/* The node of the whole stack; SEEP_NODE_NONE when there is no room for it. */
uint32_t seep_hook_stack_node(struct seep_hook_stack *stack);

/* The node of the innermost Lua frame alone, for when there are too many. */
uint32_t seep_hook_stack_leaf_line(struct seep_hook_stack *stack);

#endif
