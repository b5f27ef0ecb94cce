/* PUC Lua in memory, 5.1 to 5.4: what the versions share.
 *
 * A version file (lua51.c … lua54.c) owns a table of layouts, one per group of
 * releases that look alike, and instantiates the inline functions here with
 * its constants. Sources: lstate.h, lobject.h, ldo.c, ldebug.c, lcorolib.c of
 * each release (field names in the comments are theirs). All sizes and offsets
 * are in bytes and hold for 64-bit builds with 8-byte numbers. */
#ifndef SEEP_PUC_H
#define SEEP_PUC_H

#include "vm/vm.h"

struct seep_puc_layout {
  const char *releases;  /* "5.4.3 to 5.4.8" */

  /* lua_State */
  uint16_t L_status, L_G, L_ci, L_stack, L_base_ci;
  uint16_t L_savedpc;    /* 5.1 only: the running function's pc */

  /* CallInfo */
  uint16_t ci_func, ci_previous, ci_next, ci_status, ci_savedpc, ci_size;
  uint16_t ci_tailcalls; /* 5.1 only */

  /* global_State */
  uint16_t g_frealloc, g_total, g_debt, g_estimate, g_white, g_mainthread;
  uint16_t g_rootgc, g_strt, g_uvhead; /* 5.1 only: hash first, then nuse, size */

  /* Closure, Proto, TString */
  uint16_t cl_proto, cl_f, cl_upvalue, cl_isC;
  uint16_t p_source, p_code, p_lineinfo, p_linedefined, p_lastlinedefined;
  uint16_t p_sizecode, p_sizelineinfo, p_abslineinfo, p_sizeabslineinfo;
  uint16_t ts_size;      /* sizeof(TString): the text follows */
  uint16_t ts_length;    /* offset of the length, or 0: see ts_short_length */
  uint16_t ts_short_length; /* 5.3, 5.4: shrlen, a byte */
  uint16_t ts_long_length;  /* 5.3, 5.4: u.lnglen */
};

/* What the compiler should know as constants in the hot path. */
struct seep_puc_traits {
  bool call_infos_in_array;    /* 5.1 */
  bool status_is_byte;         /* 5.2: callstatus is one byte */
  uint16_t status_lua;         /* set on Lua frames, or 0 when status_c tells */
  uint16_t status_c;
  uint16_t status_tail;
};

enum {
  SEEP_PUC_LCLOSURE = 6,   /* low six bits of a TValue's tag: LUA_TFUNCTION and variant */
  SEEP_PUC_LIGHT_C = 22,
  SEEP_PUC_CCLOSURE = 38,
  SEEP_PUC_THREAD = 8,
  SEEP_PUC_TVALUE_BYTES = 16,
  SEEP_PUC_STATUS_OK = 0,
};

/* The C function behind a function slot of the stack; 0 when it is none. */
SEEP_ALWAYS_INLINE uintptr_t seep_puc_c_function(const struct seep_image *image,
                                                 const struct seep_puc_layout *layout,
                                                 const struct seep_puc_traits *traits,
                                                 uintptr_t slot) {
  uintptr_t value = seep_load_pointer(image, slot);
  if (traits->call_infos_in_array) return seep_load_pointer(image, value + layout->cl_f);
  uint8_t tag = seep_load_u8(image, slot + 8) & 0x3f;
  if (tag == SEEP_PUC_LIGHT_C) return value;
  if (tag == SEEP_PUC_CCLOSURE) return seep_load_pointer(image, value + layout->cl_f);
  return 0;
}

SEEP_ALWAYS_INLINE uint32_t seep_puc_call_status(const struct seep_image *image,
                                                 const struct seep_puc_layout *layout,
                                                 const struct seep_puc_traits *traits,
                                                 uintptr_t ci) {
  return traits->status_is_byte ? seep_load_u8(image, ci + layout->ci_status)
                                : seep_load_u16(image, ci + layout->ci_status);
}

SEEP_ALWAYS_INLINE uintptr_t seep_puc_base_ci(const struct seep_image *image,
                                              const struct seep_puc_layout *layout,
                                              const struct seep_puc_traits *traits,
                                              uintptr_t thread) {
  if (traits->call_infos_in_array) return seep_load_pointer(image, thread + layout->L_base_ci);
  return thread + layout->L_base_ci;
}

/* The pc of a Lua frame. On 5.1 the innermost function's is in the thread. */
SEEP_ALWAYS_INLINE uintptr_t seep_puc_pc(const struct seep_image *image,
                                         const struct seep_puc_layout *layout,
                                         const struct seep_puc_traits *traits, uintptr_t thread,
                                         uintptr_t ci, bool innermost) {
  if (traits->call_infos_in_array && innermost) {
    return seep_load_pointer(image, thread + layout->L_savedpc);
  }
  return seep_load_pointer(image, ci + layout->ci_savedpc);
}

SEEP_ALWAYS_INLINE uint64_t seep_puc_key(const struct seep_image *image,
                                         const struct seep_puc_layout *layout,
                                         const struct seep_puc_traits *traits, uintptr_t thread,
                                         uintptr_t ci, bool innermost) {
  if (traits->call_infos_in_array) {
    uintptr_t slot = seep_load_pointer(image, ci + layout->ci_func);
    uintptr_t closure = seep_load_pointer(image, slot);
    if (seep_load_u8(image, closure + layout->cl_isC)) {
      return SEEP_KEY_C | seep_load_pointer(image, closure + layout->cl_f);
    }
    uint64_t tail = seep_load_u32(image, ci + layout->ci_tailcalls) > 0 ? SEEP_KEY_TAIL : 0;
    return tail | seep_puc_pc(image, layout, traits, thread, ci, innermost);
  }
  /* One test tells the usual frame, a Lua function that was not tail called. */
  uint32_t status = seep_puc_call_status(image, layout, traits, ci);
  uint32_t usual = status & (traits->status_lua | traits->status_c | traits->status_tail);
  if (SEEP_LIKELY(usual == traits->status_lua)) return seep_load_pointer(image, ci + layout->ci_savedpc);
  uint64_t tail = (status & traits->status_tail) ? SEEP_KEY_TAIL : 0;
  bool is_lua = traits->status_lua ? (status & traits->status_lua) != 0
                                   : (status & traits->status_c) == 0;
  if (is_lua) return tail | seep_load_pointer(image, ci + layout->ci_savedpc);
  uintptr_t slot = seep_load_pointer(image, ci + layout->ci_func);
  return tail | SEEP_KEY_C | seep_puc_c_function(image, layout, traits, slot);
}

/* The coroutine that the C function on top of `thread` has resumed and that
 * runs now, or 0. A coroutine runs when its status is OK and it has a frame. */
SEEP_ALWAYS_INLINE uintptr_t seep_puc_resumed_by(const struct seep_image *image,
                                                 const struct seep_puc_layout *layout,
                                                 const struct seep_puc_traits *traits,
                                                 const struct seep_vm *vm, uintptr_t thread) {
  uintptr_t ci = seep_load_pointer(image, thread + layout->L_ci);
  if (ci == 0 || ci == seep_puc_base_ci(image, layout, traits, thread)) return 0;
  uint64_t key = seep_puc_key(image, layout, traits, thread, ci, true);
  if ((key & SEEP_KEY_C) == 0) return 0;
  uintptr_t function = key & SEEP_KEY_ADDRESS;
  uintptr_t slot = seep_load_pointer(image, ci + layout->ci_func);
  uintptr_t value;
  if (function == vm->resume_function || function == vm->close_function) {
    value = slot + SEEP_PUC_TVALUE_BYTES;
  } else if (function == vm->wrap_function) {
    value = seep_load_pointer(image, slot) + layout->cl_upvalue;
  } else {
    return 0;
  }
  if ((seep_load_u8(image, value + 8) & 0x3f) != SEEP_PUC_THREAD) return 0;
  uintptr_t coroutine = seep_load_pointer(image, value);
  uintptr_t top = seep_load_pointer(image, coroutine + layout->L_ci);
  bool runs = seep_load_u8(image, coroutine + layout->L_status) == SEEP_PUC_STATUS_OK &&
              top != 0 && top != seep_puc_base_ci(image, layout, traits, coroutine);
  return runs ? coroutine : 0;
}

/* The threads that are active, outermost first: the main thread, what it
 * resumed, and so on, then what the host resumed and what that resumed. */
SEEP_ALWAYS_INLINE uint32_t seep_puc_threads(const struct seep_image *image,
                                             const struct seep_puc_layout *layout,
                                             const struct seep_puc_traits *traits,
                                             const struct seep_vm_state *state,
                                             uintptr_t threads[SEEP_THREADS_MAX]) {
  uint32_t count = 0;
  uint32_t host = 0;
  uintptr_t next = state->main_thread;
  for (;;) {
    while (next != 0 && count < SEEP_THREADS_MAX) {
      for (uint32_t i = 0; i < count; i++) {
        if (threads[i] == next) goto chain_ends; /* resumes a thread that is active already */
      }
      threads[count++] = next;
      next = seep_puc_resumed_by(image, layout, traits, state->vm, next);
    }
  chain_ends:
    if (SEEP_LIKELY(host == state->host_resumed_count)) return count;
    next = state->host_resumed[host++];
  }
}

/* -- A walk from scratch -- */

/* Takes a thread's frames from the innermost out until the stack is full.
 * False when some were left. */
SEEP_ALWAYS_INLINE bool seep_puc_take_innermost(const struct seep_image *image,
                                                const struct seep_puc_layout *layout,
                                                const struct seep_puc_traits *traits,
                                                uintptr_t thread, uint64_t marks,
                                                struct seep_stack *stack, uint32_t *total) {
  uintptr_t ci = seep_load_pointer(image, thread + layout->L_ci);
  uintptr_t base = seep_puc_base_ci(image, layout, traits, thread);
  uint32_t first = *total, count = first;
  bool innermost = true;
  while (ci != 0 && ci != base && SEEP_LIKELY(count < SEEP_STACK_MAX)) {
    stack->fresh_keys[count] = seep_puc_key(image, layout, traits, thread, ci, innermost);
    stack->fresh_handles[count] = ci;
    count++;
    innermost = false;
    ci = traits->call_infos_in_array ? ci - layout->ci_size
                                     : seep_load_pointer(image, ci + layout->ci_previous);
  }
  if (count > first) stack->fresh_keys[first] |= marks;
  *total = count;
  return ci == 0 || ci == base;
}

/* Takes the outermost frames of a stack that is too deep to be taken whole. Call
 * infos are linked, or lie, outwards and inwards alike, so that the middle need
 * not be passed: a stack of 200,000 frames costs no more than one of 257. */
SEEP_ALWAYS_INLINE void seep_puc_take_outermost(const struct seep_image *image,
                                                const struct seep_puc_layout *layout,
                                                const struct seep_puc_traits *traits,
                                                const uintptr_t *threads, uint32_t thread_count,
                                                struct seep_stack *stack) {
  uint32_t at = SEEP_STACK_MAX;
  for (uint32_t i = 0; i < thread_count; i++) {
    uintptr_t top = seep_load_pointer(image, threads[i] + layout->L_ci);
    uintptr_t ci = seep_puc_base_ci(image, layout, traits, threads[i]);
    while (ci != 0 && ci != top && at > SEEP_STACK_INNER + 1) {
      ci = traits->call_infos_in_array ? ci + layout->ci_size
                                       : seep_load_pointer(image, ci + layout->ci_next);
      uint64_t marks = ci == top && i + 1 < thread_count ? SEEP_KEY_RESUMER : 0;
      at--;
      stack->fresh_keys[at] = seep_puc_key(image, layout, traits, threads[i], ci, ci == top) | marks;
      stack->fresh_handles[at] = ci;
    }
  }
  stack->fresh_keys[SEEP_STACK_INNER] = SEEP_KEY_TRUNCATED;
}

SEEP_ALWAYS_INLINE void seep_puc_walk_afresh(const struct seep_image *image,
                                             const struct seep_puc_layout *layout,
                                             const struct seep_puc_traits *traits,
                                             const uintptr_t *threads, uint32_t count,
                                             struct seep_stack *stack) {
  uint32_t total = 0;
  for (uint32_t i = count; i-- > 0;) {
    uint64_t marks = i + 1 == count ? 0 : SEEP_KEY_RESUMER;
    if (SEEP_UNLIKELY(!seep_puc_take_innermost(image, layout, traits, threads[i], marks, stack, &total))) {
      seep_puc_take_outermost(image, layout, traits, threads, count, stack);
      break;
    }
  }
  seep_stack_finish(stack, total);
}

/* -- A walk that compares -- */

/* How many frames a thread has; SEEP_STACK_MAX + 1 for any number above. */
SEEP_ALWAYS_INLINE uint32_t seep_puc_depth(const struct seep_puc_layout *layout,
                                           const struct seep_puc_traits *traits, uintptr_t ci, uintptr_t base) {
  if (traits->call_infos_in_array) {
    uintptr_t depth = (ci - base) / layout->ci_size;
    return depth > SEEP_STACK_MAX ? (uint32_t)SEEP_STACK_MAX + 1 : (uint32_t)depth;
  }
  uint32_t depth = 0;
  for (; ci != base && depth <= SEEP_STACK_MAX; depth++) ci = seep_load_pointer(NULL, ci + layout->ci_previous);
  return depth;
}

/* Where the frame `ci`, a thread's innermost, belongs in the kept stack, if that
 * thread's frames end before `end`; `hint` is where its innermost frame was. Call infos
 * keep their places, so that where one was found before is likely to be right: whether
 * it is, the walk sees at the thread's end. Above SEEP_STACK_MAX: no room. */
SEEP_ALWAYS_INLINE uint32_t seep_puc_position(const struct seep_puc_layout *layout,
                                              const struct seep_puc_traits *traits,
                                              const struct seep_stack *stack, uintptr_t ci, uintptr_t base,
                                              uint32_t hint, uint32_t end) {
  enum { STEPS_MAX = 8 };
  if (!traits->call_infos_in_array) {
    const uintptr_t *handles = stack->kept_handles;
    if (handles[hint] == ci) return hint;
    if (hint > 0 && handles[hint] == seep_load_pointer(NULL, ci + layout->ci_previous)) return hint - 1;
    for (uint32_t at = hint + 1; at < end && at <= hint + STEPS_MAX; at++) {
      if (handles[at] == ci) return at;
    }
  }
  return end - seep_puc_depth(layout, traits, ci, base);
}

/* Whether a call info is the usual frame, a Lua function that was not tail called: never
 * so for a thread's base. All these bits are in the status' first byte. */
SEEP_ALWAYS_INLINE bool seep_puc_is_usual(const struct seep_puc_layout *layout, const struct seep_puc_traits *traits,
                                          uintptr_t ci) {
  uint8_t bits = (uint8_t)(traits->status_lua | traits->status_c | traits->status_tail);
  return (seep_load_u8(NULL, ci + layout->ci_status) & bits) == traits->status_lua;
}

/* Brings the kept frames of a thread up to date, from `at` to before `end`. In
 * `*changed` the frame behind the outermost that was another before, else 0. False when
 * the thread's frames do not end there. */
SEEP_ALWAYS_INLINE bool seep_puc_compare(const struct seep_puc_layout *layout,
                                         const struct seep_puc_traits *traits, uintptr_t thread, uintptr_t ci,
                                         uint64_t marks, struct seep_stack *stack, size_t at, size_t end,
                                         size_t *changed) {
  const uintptr_t base = seep_puc_base_ci(NULL, layout, traits, thread);
  uint64_t key = seep_puc_key(NULL, layout, traits, thread, ci, true) | marks;
  *changed = 0;
  for (;;) {
    if (SEEP_UNLIKELY(stack->kept_keys[at] != key)) {
      if (at >= end) return false;
      stack->kept_keys[at] = key;
      *changed = at + 1;
    }
    stack->kept_handles[at++] = ci;
    if (traits->call_infos_in_array) {
      ci -= layout->ci_size;
      if (ci == base) return at == end;
    } else {
      ci = seep_load_pointer(NULL, ci + layout->ci_previous);
      key = seep_load_pointer(NULL, ci + layout->ci_savedpc);
      if (SEEP_LIKELY(seep_puc_is_usual(layout, traits, ci))) continue;
      if (ci == base) return at == end;
    }
    key = seep_puc_key(NULL, layout, traits, thread, ci, false);
  }
}

/* The same where the main thread runs, and is the only one. */
SEEP_ALWAYS_INLINE bool seep_puc_walk_main(const struct seep_puc_layout *layout,
                                           const struct seep_puc_traits *traits, uintptr_t thread, uintptr_t ci,
                                           struct seep_stack *stack) {
  size_t changed;
  uintptr_t base = seep_puc_base_ci(NULL, layout, traits, thread);
  size_t at = seep_puc_position(layout, traits, stack, ci, base, SEEP_STACK_MAX - stack->count, SEEP_STACK_MAX);
  if (SEEP_UNLIKELY(at > SEEP_STACK_MAX)) return false;
  stack->kept_keys[SEEP_STACK_MAX] = UINT64_MAX;
  if (SEEP_UNLIKELY(!seep_puc_compare(layout, traits, thread, ci, 0, stack, at, SEEP_STACK_MAX, &changed))) return false;
  seep_stack_set(stack, (uint32_t)(SEEP_STACK_MAX - at), (uint32_t)(SEEP_STACK_MAX - changed));
  return true;
}

/* The same for any threads. False when the stack must be walked from scratch. */
SEEP_ALWAYS_INLINE bool seep_puc_walk_again(const struct seep_puc_layout *layout,
                                            const struct seep_puc_traits *traits,
                                            const uintptr_t *threads, uint32_t count,
                                            struct seep_stack *stack) {
  uint32_t end = SEEP_STACK_MAX, hint = SEEP_STACK_MAX - stack->count;
  size_t changed = 0;
  stack->kept_keys[SEEP_STACK_MAX] = UINT64_MAX;
  for (uint32_t i = 0; i < count; i++) {
    uintptr_t ci = seep_load_pointer(NULL, threads[i] + layout->L_ci);
    uintptr_t base = seep_puc_base_ci(NULL, layout, traits, threads[i]);
    if (ci == 0 || ci == base) continue;
    bool runs = i + 1 == count;
    uint32_t at = seep_puc_position(layout, traits, stack, ci, base, runs ? hint : stack->resumer_at[i], end);
    if (at > SEEP_STACK_MAX) return false;
    if (!runs) stack->resumer_at[i] = (uint16_t)at;
    uint64_t marks = runs ? 0 : SEEP_KEY_RESUMER;
    size_t here;
    if (!seep_puc_compare(layout, traits, threads[i], ci, marks, stack, at, end, &here)) return false;
    if (here > changed) changed = here;
    end = at;
  }
  seep_stack_set(stack, SEEP_STACK_MAX - end, SEEP_STACK_MAX - (uint32_t)changed);
  return true;
}

/* Whether the main thread runs a Lua function: then no coroutine runs. */
SEEP_ALWAYS_INLINE bool seep_puc_main_runs(const struct seep_puc_layout *layout, const struct seep_puc_traits *traits,
                                           const struct seep_vm_state *state, uintptr_t ci) {
  if (state->host_resumed_count != 0) return false;
  if (traits->call_infos_in_array) {
    if (ci == 0 || ci == seep_puc_base_ci(NULL, layout, traits, state->main_thread)) return false;
    uintptr_t closure = seep_load_pointer(NULL, seep_load_pointer(NULL, ci + layout->ci_func));
    return seep_load_u8(NULL, closure + layout->cl_isC) == 0;
  }
  if (ci == 0) return false;
  uint32_t status = seep_puc_call_status(NULL, layout, traits, ci);
  return (status & (traits->status_lua | traits->status_c)) == traits->status_lua;
}

SEEP_ALWAYS_INLINE void seep_puc_walk_threads(const struct seep_image *image,
                                              const struct seep_puc_layout *layout,
                                              const struct seep_puc_traits *traits,
                                              const struct seep_vm_state *state,
                                              struct seep_stack *stack) {
  uintptr_t threads[SEEP_THREADS_MAX];
  uint32_t count = seep_puc_threads(image, layout, traits, state, threads);
  stack->leaf_thread = threads[count - 1];
  stack->leaf_frame = seep_load_pointer(image, stack->leaf_thread + layout->L_ci);
  if (image == NULL && SEEP_LIKELY(seep_puc_walk_again(layout, traits, threads, count, stack))) return;
  stack->same = 0;
  seep_puc_walk_afresh(image, layout, traits, threads, count, stack);
}

/* The usual walk; false when it must be that of all threads. */
SEEP_ALWAYS_INLINE bool seep_puc_walk_quickly(const struct seep_puc_layout *layout,
                                              const struct seep_puc_traits *traits,
                                              const struct seep_vm_state *state, struct seep_stack *stack) {
  uintptr_t thread = state->main_thread;
  uintptr_t ci = seep_load_pointer(NULL, thread + layout->L_ci);
  if (SEEP_UNLIKELY(!seep_puc_main_runs(layout, traits, state, ci))) return false;
  stack->leaf_thread = thread;
  stack->leaf_frame = ci;
  if (SEEP_LIKELY(seep_puc_walk_main(layout, traits, thread, ci, stack))) return true;
  stack->same = 0;
  return false;
}

/* A C function that is called again from another line differs, although its
 * frame may be the same: hence the keys out to the innermost Lua frame. */
SEEP_ALWAYS_INLINE void seep_puc_leaf_of_threads(const struct seep_image *image,
                                                 const struct seep_puc_layout *layout,
                                                 const struct seep_puc_traits *traits,
                                                 const struct seep_vm_state *state, struct seep_leaf *leaf) {
  uintptr_t threads[SEEP_THREADS_MAX];
  uintptr_t thread = threads[seep_puc_threads(image, layout, traits, state, threads) - 1];
  uintptr_t ci = seep_load_pointer(image, thread + layout->L_ci);
  uintptr_t base = seep_puc_base_ci(image, layout, traits, thread);
  *leaf = (struct seep_leaf){.frame = ci};
  bool innermost = true;
  while (ci != 0 && ci != base) {
    uint64_t key = seep_puc_key(image, layout, traits, thread, ci, innermost);
    leaf->place = seep_leaf_fold(leaf->place, key);
    if ((key & SEEP_KEY_C) == 0) return;
    innermost = false;
    ci = traits->call_infos_in_array ? ci - layout->ci_size
                                     : seep_load_pointer(image, ci + layout->ci_previous);
  }
}

/* The same where the main thread runs a Lua function; else false. */
SEEP_ALWAYS_INLINE bool seep_puc_leaf_of_main(const struct seep_puc_layout *layout,
                                              const struct seep_puc_traits *traits,
                                              const struct seep_vm_state *state, struct seep_leaf *leaf) {
  uintptr_t thread = state->main_thread;
  uintptr_t ci = seep_load_pointer(NULL, thread + layout->L_ci);
  if (SEEP_UNLIKELY(!seep_puc_main_runs(layout, traits, state, ci))) return false;
  leaf->frame = ci;
  leaf->place = seep_leaf_fold(0, seep_puc_key(NULL, layout, traits, thread, ci, true));
  return true;
}

/* See vm_ops.frame_function. i_ci is a call info's index on 5.1, its address
 * later (ldebug.c lua_getstack, ldo.c luaD_hook). The frame's pc may not be set yet. */
SEEP_ALWAYS_INLINE uint64_t seep_puc_frame_function(const struct seep_image *image,
                                                    const struct seep_puc_layout *layout,
                                                    const struct seep_puc_traits *traits, uintptr_t thread,
                                                    uintptr_t frame, uintptr_t *function) {
  uintptr_t ci = frame;
  bool is_c;
  if (traits->call_infos_in_array) {
    ci = seep_load_pointer(image, thread + layout->L_base_ci) + frame * layout->ci_size;
  }
  uintptr_t slot = seep_load_pointer(image, ci + layout->ci_func);
  uintptr_t closure = seep_load_pointer(image, slot);
  if (traits->call_infos_in_array) {
    is_c = seep_load_u8(image, closure + layout->cl_isC) != 0;
  } else {
    is_c = (seep_puc_key(image, layout, traits, thread, ci, false) & SEEP_KEY_C) != 0;
  }
  *function = is_c ? 0 : seep_load_pointer(image, closure + layout->cl_proto);
  return is_c ? SEEP_KEY_C | seep_puc_c_function(image, layout, traits, slot) : 0;
}

/* Shared cold parts, in puc.c. */

/* The line of instruction `pc` by lineinfo as an int per instruction (5.1 to 5.3). */
uint32_t seep_puc_line_by_table(const struct seep_image *image,
                                const struct seep_puc_layout *layout, uintptr_t proto,
                                uint32_t pc);

typedef uint32_t seep_puc_line_function(const struct seep_image *image,
                                        const struct seep_puc_layout *layout, uintptr_t proto,
                                        uint32_t pc);

/* vm_ops.function_of of all PUC versions: the handle is a call info. */
uintptr_t seep_puc_function_of(const struct seep_vm_state *state, uint64_t key, uintptr_t ci);

/* The code of a Lua frame, for vm_ops.unsaved_code; the opcodes are the version's. */
void seep_puc_unsaved_code(const struct seep_vm_state *state, uint64_t key, uintptr_t ci,
                           struct seep_unsaved_code *out);

/* vm_ops.describe for a PUC version. */
void seep_puc_describe(const struct seep_image *image, const struct seep_vm_state *state,
                       uint64_t key, uintptr_t proto, seep_puc_line_function *line_of,
                       struct seep_frame_info *out);

/* vm_ops.c_key of all PUC versions. */
uint64_t seep_puc_c_key(uintptr_t object, uintptr_t function);

/* The thread's words are consistent: its global state names it as the main
 * thread and its value stack can be read. */
bool seep_puc_thread_holds(const struct seep_puc_layout *layout, const struct seep_vm_state *state);

/* Whether every frame of a walk is readable where describing it will look. */
bool seep_puc_stack_holds(const struct seep_puc_layout *layout, const struct seep_stack *stack);

/* vm_ops.take_begin and take_remains of all PUC versions. */
void seep_puc_take_begin(const struct seep_vm_state *state, struct seep_call_begin *out);
bool seep_puc_take_remains(const struct seep_vm_state *state, bool at_bottom, const struct seep_stack *last,
                           struct seep_remains *out);

/* Copies what the recorder reads directly from a layout into a vm. */
void seep_puc_fill_vm(const struct seep_puc_layout *layout, struct seep_vm *vm);

/* Whether a state's releases are the i-th of the version's layouts: in the hot ones its
 * offsets are then constants. */
#define SEEP_PUC_HAS_LAYOUT(state, i) (SEEP_ARRAY_SIZE(layouts) == 1 || (state)->vm->layout == &layouts[i])

/* Defines the vm_ops that every version has, with its traits as constants: walk,
 * leaf, threads, frame_function, describe, and anchors_hold (a walk through the kernel that must find
 * readable frames). */
#define SEEP_PUC_DEFINE_OPS(traits, line_of)                                                  \
  static SEEP_NOINLINE void walk_threads(const struct seep_vm_state *state, struct seep_stack *out) { \
    seep_puc_walk_threads(NULL, state->vm->layout, &(traits), state, out);                    \
  }                                                                                           \
  static void walk(const struct seep_vm_state *state, struct seep_stack *out) {               \
    if (SEEP_PUC_HAS_LAYOUT(state, 0) && SEEP_LIKELY(seep_puc_walk_quickly(&layouts[0], &(traits), state, out))) return; \
    walk_threads(state, out);                                                                 \
  }                                                                                           \
  static SEEP_NOINLINE void leaf_of_threads(const struct seep_vm_state *state, struct seep_leaf *out) { \
    seep_puc_leaf_of_threads(NULL, state->vm->layout, &(traits), state, out);                 \
  }                                                                                           \
  static void leaf(const struct seep_vm_state *state, struct seep_leaf *out) {                \
    if (SEEP_PUC_HAS_LAYOUT(state, 0) && SEEP_LIKELY(seep_puc_leaf_of_main(&layouts[0], &(traits), state, out))) return; \
    leaf_of_threads(state, out);                                                              \
  }                                                                                           \
  static uint32_t threads(const struct seep_vm_state *state, uintptr_t out[SEEP_THREADS_MAX]) { \
    return seep_puc_threads(NULL, state->vm->layout, &(traits), state, out);                  \
  }                                                                                           \
  static uint64_t frame_function(const struct seep_vm *vm, uintptr_t thread, uintptr_t frame, \
                                 uintptr_t *function) {                                       \
    return seep_puc_frame_function(NULL, vm->layout, &(traits), thread, frame, function);     \
  }                                                                                           \
  static void describe(const struct seep_vm_state *state, uint64_t key, uintptr_t function,   \
                       struct seep_frame_info *out) {                                         \
    seep_puc_describe(NULL, state, key, function, line_of, out);                              \
  }                                                                                           \
  static bool anchors_hold(const struct seep_vm_state *state, bool running) {                 \
    struct seep_stack stack = {0};                                                            \
    if (!seep_puc_thread_holds(state->vm->layout, state)) return false;                       \
    if (!running) return true;                                                                \
    seep_puc_walk_threads(&seep_image_self_checked, state->vm->layout, &(traits), state, &stack);\
    return seep_puc_stack_holds(state->vm->layout, &stack);                                   \
  }

/* The fields of vm_ops that SEEP_PUC_DEFINE_OPS and puc.c fill. */
#define SEEP_PUC_OPS                                                                          \
  .walk = walk, .leaf = leaf, .threads = threads, .frame_function = frame_function,           \
  .take_begin = seep_puc_take_begin,                                                          \
  .take_remains = seep_puc_take_remains,                                                      \
  .function_of = seep_puc_function_of, .describe = describe,                                  \
  .anchors_hold = anchors_hold, .c_key = seep_puc_c_key, .call_name = seep_puc_call_name,                         \
  .loaded = &seep_puc_loaded_reader

/* Defines vm_ops.unsaved_code of a version whose opcodes are in `mask`. */
#define SEEP_PUC_DEFINE_UNSAVED_CODE(mask, ...)                                               \
  static void unsaved_code(const struct seep_vm_state *state, uint64_t key, uintptr_t ci,     \
                           struct seep_unsaved_code *out) {                                   \
    static const uint8_t opcodes[] = {__VA_ARGS__};                                           \
    seep_puc_unsaved_code(state, key, ci, out);                                               \
    out->opcode_mask = (mask);                                                                \
    out->opcodes = opcodes;                                                                   \
    out->opcode_count = SEEP_ARRAY_SIZE(opcodes);                                             \
  }

/* True when `block` is the value stack of an active thread. Of that thread no
 * frame is read: its call infos hold offsets while its stack is resized. */
SEEP_ALWAYS_INLINE bool seep_puc_is_running_stack(const struct seep_puc_layout *layout,
                                                  const struct seep_puc_traits *traits,
                                                  const struct seep_vm_state *state, uintptr_t block) {
  uintptr_t thread = state->main_thread;
  uint32_t host = 0;
  for (uint32_t count = 0; count < SEEP_THREADS_MAX; count++) {
    if (seep_load_pointer(NULL, thread + layout->L_stack) == block) return true;
    thread = seep_puc_resumed_by(NULL, layout, traits, state->vm, thread);
    if (thread == 0 && host == state->host_resumed_count) return false;
    if (thread == 0) thread = state->host_resumed[host++];
  }
  return false;
}

#endif
