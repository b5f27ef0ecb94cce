/* What a Lua VM looks like in memory: the contract of this folder.
 *
 * One file per VM describes its structures (puc.c and the lua5x.c tables,
 * luajit.c); nothing else in the house knows an offset. A *description* is
 * believed only after calibration (calibrate.h) has compared it with what the
 * public API of the same build says.
 *
 * Model of a stack: frames from the innermost to the outermost, through
 * `resume` into the resumer. Each frame is a *key* (64 bits that identify the
 * place: the instruction behind a call in a Lua function, or the C function)
 * and a *handle* (where to read more about it while the frame lives). Equal
 * keys mean the same place as long as no function prototype was freed in
 * between. Keys are all that the hot path compares.
 *
 * Thread rule: a state's functions are called on the thread that runs the
 * state. Everything but calibration may run inside an allocator. */
#ifndef SEEP_VM_H
#define SEEP_VM_H

#include "base/base.h"
#include "vm/image.h"
#include "vm/remains.h"

/* Types of blocks, in the words of DESIGN.md. Stored in captures: append only. */
enum seep_type {
  SEEP_TYPE_OTHER = 0,
  SEEP_TYPE_TABLE,
  SEEP_TYPE_STRING,
  SEEP_TYPE_FUNCTION,
  SEEP_TYPE_USERDATA,
  SEEP_TYPE_THREAD,
  SEEP_TYPE_PROTO,
  SEEP_TYPE_UPVALUE,
  SEEP_TYPE_CDATA,
  SEEP_TYPE_BUFFER,
  SEEP_TYPE_COUNT
};

/* Marks in the upper bits of a frame key; user addresses leave them free. */
#define SEEP_KEY_C (1ULL << 63)         /* a C function */
#define SEEP_KEY_TAIL (1ULL << 62)      /* was tail called */
#define SEEP_KEY_RESUMER (1ULL << 61)   /* this frame resumed the coroutine above it */
#define SEEP_KEY_INEXACT (1ULL << 60)   /* the line is a guess */
#define SEEP_KEY_BUILTIN (1ULL << 59)   /* with C: the address is a VM's builtin number */
#define SEEP_KEY_ADDRESS ((1ULL << 48) - 1)
/* Stands for the frames that a deep stack leaves out. */
#define SEEP_KEY_TRUNCATED (SEEP_KEY_C | SEEP_KEY_BUILTIN | 0xffffffffULL)

enum {
  SEEP_STACK_INNER = 192,  /* innermost frames that are kept */
  SEEP_STACK_OUTER = 64,   /* outermost frames that are kept */
  SEEP_STACK_MAX = SEEP_STACK_INNER + SEEP_STACK_OUTER + 1,
  SEEP_THREADS_MAX = 200,  /* coroutines resumed within each other: LUAI_MAXCCALLS */
  SEEP_HOST_RESUMES_MAX = 32,
  SEEP_VM_SCRATCH_BYTES = 768 << 10,
};

/* For walks that compare (LuaJIT's): the words that lead from a frame of the main thread to
 * the bottom of the stack. While each of them is what it was, so are all frames out from there. */
enum { SEEP_SEAL_WORDS = 64 };
struct seep_sealed_word { uintptr_t at; uint64_t word, mask; };
struct seep_seal {
  uintptr_t frame;       /* where it begins; those out from it are sealed */
  uintptr_t c_frame;     /* the C frame that belongs there */
  uintptr_t slots;       /* the thread's */
  uint32_t frame_count;  /* sealed: the outermost of the stack */
  uint32_t word_count;   /* 0: nothing is sealed */
  uint32_t missed_count; /* so often in a row other frames were met first that C code has called */
  struct seep_sealed_word words[SEEP_SEAL_WORDS];
};

/* The stack that the last walk found, leaf first; a left-out middle is one
 * SEEP_KEY_TRUNCATED frame. Zeroed before its first walk, then walked again and again.
 *
 * The outermost frame stands at the end of kept_keys, however deep the stack is: so
 * each frame is compared where the walk before left it, and most need not be written. */
struct seep_stack {
  uint64_t *keys;        /* in kept_keys; may be corrected by seep_stack_correct_leaf */
  uintptr_t *handles;    /* in kept_handles */
  uint32_t count;
  uint32_t same;         /* so many outermost frames are what they were when this was last set to `count` */
  uintptr_t leaf_frame;  /* identifies the innermost frame while it lives */
  uintptr_t leaf_thread; /* whose frame it is */
  uint32_t traced_count; /* so many innermost frames are a trace's, and have no address */
  struct seep_seal seal;
  uint16_t resumer_at[SEEP_THREADS_MAX];   /* where the innermost frame of each thread but the running one was */
  uint64_t kept_keys[SEEP_STACK_MAX + 1];  /* one more, that no frame equals */
  uintptr_t kept_handles[SEEP_STACK_MAX + 1];
  uint64_t fresh_keys[SEEP_STACK_MAX];     /* scratch, leaf first from the beginning */
  uintptr_t fresh_handles[SEEP_STACK_MAX];
};

/* What "nothing has run since" is judged by at a free: the innermost frame, and
 * the keys from it out to the innermost Lua frame, folded into one word. */
struct seep_leaf {
  uintptr_t frame;
  uint64_t place;
};

SEEP_ALWAYS_INLINE uint64_t seep_leaf_fold(uint64_t place, uint64_t key) { return place * 31 + key; }

/* One frame, described for people. Pointers lead into the VM's own memory (or
 * our constants) and are good until the VM runs on. */
struct seep_frame_info {
  bool is_c;
  bool is_main;              /* a main chunk */
  const char *source;      /* chunk name with its @ or =; NULL for C */
  size_t source_bytes;
  const char *name;        /* C functions: "string.rep" where known, else NULL */
  uint32_t line;           /* current line; 0 when stripped or C */
  uint32_t line_defined;   /* 0: main chunk, C, or (LuaJIT) stripped */
  uint32_t line_last;
  uint32_t code_count;       /* instructions: tells functions on the same lines apart; 0 for C */
};

/* How a call names what it calls. Stored in captures: append only. */
enum seep_called {
  SEEP_CALLED_UNKNOWN = 0,   /* no call was looked at yet */
  SEEP_CALLED_UNNAMED,       /* by an instruction that does not name it, as in t[i]() */
  SEEP_CALLED_GLOBAL,
  SEEP_CALLED_LOCAL,
  SEEP_CALLED_METHOD,
  SEEP_CALLED_FIELD,
  SEEP_CALLED_UPVALUE,
  SEEP_CALLED_METAMETHOD,    /* the name is that of the event: "__index" */
  SEEP_CALLED_ITERATOR,      /* no name, like the next one */
  SEEP_CALLED_HOOK,
  SEEP_CALLED_LOADED,        /* found in package.loaded, as debug.traceback has it: "lpeg.match" */
  SEEP_CALLED_COUNT
};

/* A name leads into the VM's memory, or is a constant of ours: good until the VM runs on. */
struct seep_call_name {
  enum seep_called as;
  const char *name;
  size_t name_bytes;
};

/* A frame of the last walk and the one around it, which called it: keys and handles as in struct seep_stack. */
struct seep_call {
  uint64_t key, caller_key;
  uintptr_t handle, caller_handle;
  uintptr_t thread;          /* that runs */
};

enum { SEEP_CALL_NAME_MAX = 120 };  /* longer names are not told, or cut */

/* A C function that the VM's own libraries define: for names. */
struct seep_c_name {
  uint64_t key;    /* as in a frame key, marks other than C and BUILTIN cleared */
  char name[40];   /* "string.rep" */
};

enum { SEEP_C_NAMES_MAX = 320 };

/* A way of C calls from the interpreter's loop to the allocator (native.h). Words
 * are counted from the allocator's frame. */
enum { SEEP_NATIVE_PATHS_MAX = 24 };
struct seep_native_path {
  uintptr_t inner, outer;    /* return addresses: of the allocator's call, and of the loop's */
  int16_t inner_word, outer_word;
  int16_t pc_word;           /* where the pc is */
  uint8_t back;              /* it points that many instructions behind, or further */
  uint8_t opcodes;           /* which of the version's unsaved instructions come this way: bits */
};

struct seep_vm;

/* A live Lua state of our own process, as the recorder sees it. */
struct seep_vm_state {
  const struct seep_vm *vm;
  uintptr_t main_thread;
  uintptr_t global;
  /* Threads that C code resumed itself (lua_resume called by a host),
   * outermost first; kept by seep_vm_host_resume. */
  uintptr_t host_resumed[SEEP_HOST_RESUMES_MAX];
  uint32_t host_resumed_count;
  /* SEEP_VM_SCRATCH_BYTES, zero at first, in which a description keeps what it has
   * looked up; may be NULL. What it tells of code is good for one code epoch: that
   * advances when a prototype is freed. */
  void *scratch;
  uint32_t code_epoch;
};

/* A function's code, and the opcodes that allocate without saving the pc. */
struct seep_unsaved_code {
  const uint32_t *instructions;
  uint32_t size;
  uint8_t opcode_mask;      /* of an instruction */
  uint8_t opcode_count;
  const uint8_t *opcodes;
};

struct seep_loaded_reader;

struct seep_vm_ops {
  const char *family;  /* "Lua 5.4", "LuaJIT 2.1": the "vm" of reports */

  /* Finds the stack of what runs now. `out` is zeroed, or was walked before in this
   * state; all its handles are good afterwards. Hot. */
  void (*walk)(const struct seep_vm_state *state, struct seep_stack *out);

  /* The innermost Lua place, for the quick check at frees. Hot. */
  void (*leaf)(const struct seep_vm_state *state, struct seep_leaf *out);

  /* The threads that are active, outermost first: each resumed the next, the last
   * one runs. Returns how many; 0 never. */
  uint32_t (*threads)(const struct seep_vm_state *state, uintptr_t threads[SEEP_THREADS_MAX]);

  /* Takes what the call that ended last below the main thread's innermost frame has left behind (remains.h). With
   * `at_bottom` only if the thread runs nothing. `last` is the last walk, of the last call that allocated or freed
   * anything; NULL: it is not known, or no walk was deep enough to see the call that has ended. False when there is
   * nothing of the kind. Reads through the kernel: may be called at any moment, even from a signal handler. */
  bool (*take_remains)(const struct seep_vm_state *state, bool at_bottom, const struct seep_stack *last,
                       struct seep_remains *out);

  /* Notes how the main thread stands when it is about to call something that may be looked for afterwards. NULL: it need
   * not be known. Same care. */
  void (*take_begin)(const struct seep_vm_state *state, struct seep_call_begin *out);

  /* What a frame of a thread runs, the frame named as a hook's lua_Debug has it
   * (lua_api.h): the key of a C function; or 0 and a Lua function's prototype. */
  uint64_t (*frame_function)(const struct seep_vm *vm, uintptr_t thread, uintptr_t frame, uintptr_t *function);

  /* The function (a prototype) behind a Lua frame of the last walk: good until
   * the next allocator call returns, while a handle is good until it begins. */
  uintptr_t (*function_of)(const struct seep_vm_state *state, uint64_t key, uintptr_t handle);

  /* Describes the place `key` in `function`, as function_of had it. */
  void (*describe)(const struct seep_vm_state *state, uint64_t key, uintptr_t function,
                   struct seep_frame_info *out);

  /* How the caller names the function of a frame; out->as SEEP_CALLED_UNKNOWN when no Lua code called it. Reads what
   * vm->names_layout says, which must be there, through `image`. */
  void (*call_name)(const struct seep_image *image, const struct seep_vm_state *state, const struct seep_call *call,
                    struct seep_call_name *out);

  /* How to look through package.loaded, for seep_loaded_find (loaded.h). */
  const struct seep_loaded_reader *loaded;

  /* For calibration: whether the words that lead from the main thread to
   * everything else are what they must be, read through the kernel so that a
   * wrong description cannot crash us; with `running` also the running
   * thread's frames. */
  bool (*anchors_hold)(const struct seep_vm_state *state, bool running);

  /* For calibration: the key of a C function, given as the function object's
   * address and its C pointer (0 where it has none). */
  uint64_t (*c_key)(uintptr_t object, uintptr_t function);

  /* The type of a block that was allocated by the previous allocator call and
   * is no string, now that the VM has linked it; NULL where the allocation
   * itself tells (vm->types_in_osize). Strings are known by their count. The
   * block is read only when it is an object: a buffer's bytes mean nothing. */
  enum seep_type (*type_of)(const struct seep_vm_state *state, uintptr_t block,
                            size_t size_bytes);

  /* The same for a block that a sweep frees before it could be told: it is off
   * its list, but an object's header is still whole. NULL where type_of is. */
  enum seep_type (*type_of_swept)(uintptr_t block);

  /* Where a buffer's place tells that it is an object after all (5.3 allocates
   * upvalues without a tag): the better type. NULL elsewhere. */
  enum seep_type (*refine_buffer)(uint64_t leaf_key, size_t size_bytes);

  /* The code of a Lua frame of the last walk and which of its instructions
   * allocate without saving the pc. NULL where none does. Hot. */
  void (*unsaved_code)(const struct seep_vm_state *state, uint64_t key, uintptr_t handle,
                       struct seep_unsaved_code *out);

  /* Whether a function, the last object that was made, still lacks upvalues: then what is allocated now is for it, and
   * nothing has run since it was. NULL where that does not show in it. Hot. */
  bool (*is_unfinished)(uintptr_t function);

  /* The stack of Lua values of the running thread or its resumers is at
   * `block`: while it is resized no frame may be read (5.4.5 and later). NULL
   * where frames stay readable. */
  bool (*is_running_stack)(const struct seep_vm_state *state, uintptr_t block);
};

/* Fresh blocks that a VM asks for right after one, as parts of what it is making: a table's array and nodes, a thread's
 * stack. The program, a hook or the collector cannot run in between, so that their place is the same. */
struct seep_parts {
  uint32_t opcode_mask, newtable;  /* the instruction that makes a table: opcode_mask 0 where it is not looked at */
  uint32_t size_bits[2];     /* of it: any set, and there is an array, and there are nodes */
  uint8_t of_thread;
  bool upvalues_are_told;    /* allocated with a tag of their own, and only behind the closure that takes them */
};
enum {
  SEEP_PARTS_UPVALUES = 255,      /* any number of them, if they are upvalues */
  SEEP_PARTS_OF_UNFINISHED = 254, /* any number of them, as long as vm_ops.is_unfinished */
};

/* One calibrated build. Constant after calibration. */
struct seep_vm {
  const struct seep_vm_ops *ops;
  const void *layout;           /* the description's own table of offsets */
  const char *layout_name;      /* "5.4.3 to 5.4.8" */
  char release[48];             /* as the build says: "Lua 5.4.4", "LuaJIT 2.1.0-beta3" */

  size_t state_block_bytes;     /* the block that lua_newstate asks for first */
  size_t main_thread_offset;    /* of the main thread in that block */
  size_t global_offset;         /* of the global state, from the main thread */
  uint16_t thread_global;       /* in a thread: its pointer to the global state */

  /* The collector's words, as offsets from the global state. `estimate` is 0
   * where there is none, `debt` is 0 where the count is one word. */
  uint16_t allocf, total, debt, estimate;
  uint16_t string_table;        /* the pointer to the block of the string table's buckets */
  uint16_t threshold;           /* 5.1: where the next collection begins; 0: not asked for */
  uint64_t stopped_threshold;   /* … and its value while the collector is stopped */
  uint16_t string_count;        /* a 32-bit count of interned strings, where type_of exists */
  uint16_t white;               /* of the collector word: white, state, kind … a byte each */
  uint64_t word_mask;           /* which bits of those eight bytes are the collector's */
  uint64_t closing_bits;        /* all set while lua_close frees everything */
  uint8_t white_bits;           /* of the white byte: those of the two whites */
  uint8_t sweep_first, sweep_last;  /* states between atomic phase and end of sweep */
  uint8_t kind_generational;    /* value of the kind byte, 0 where there is none */
  bool types_in_osize;
  bool finalizers_lower_estimate; /* in the state behind the sweep (lgc.c GCTM, lj_gc.c gc_finalize) */
  bool counts_frees_first;      /* a freed block is off the count before the allocator is called */
  bool stack_unreadable_while_resized;  /* see vm_ops.is_running_stack */
  uint8_t type_by_tag[16];      /* enum seep_type, for types_in_osize */
  struct seep_parts parts;

  /* C functions behind which a coroutine runs; 0 when the build has none. */
  uintptr_t resume_function, wrap_function, close_function;

  const void *names_layout;     /* the description's own, of what names are read from; NULL: not known, or wrong */

  uint32_t native_path_count;   /* 0: not learned */
  struct seep_native_path native_paths[SEEP_NATIVE_PATHS_MAX];

  uint32_t c_name_count;
  struct seep_c_name c_names[SEEP_C_NAMES_MAX];  /* sorted by key */
};

/* The VM's own count of the memory in use, as collectgarbage("count") has it. */
SEEP_ALWAYS_INLINE uint64_t seep_vm_count_bytes(const struct seep_vm_state *state) {
  const struct seep_vm *vm = state->vm;
  uint64_t bytes = seep_load_u64(NULL, state->global + vm->total);
  if (vm->debt != 0) bytes += seep_load_u64(NULL, state->global + vm->debt);
  return bytes;
}

/* The same as it was before an allocator call of these sizes began. */
SEEP_ALWAYS_INLINE uint64_t seep_vm_count_before(const struct seep_vm_state *state, size_t old_size, size_t new_size) {
  uint64_t bytes = seep_vm_count_bytes(state);
  return new_size == 0 && state->vm->counts_frees_first ? bytes + old_size : bytes;
}

/* The block of the buckets in which the VM keeps its strings: no part of an object. */
SEEP_ALWAYS_INLINE uintptr_t seep_vm_string_table(const struct seep_vm_state *state) {
  return seep_load_pointer(NULL, state->global + state->vm->string_table);
}

/* Whether the program has stopped the collector, for versions whose API does not
 * say it (5.1); false where the description does not either. */
SEEP_ALWAYS_INLINE bool seep_vm_collector_is_stopped(const struct seep_vm_state *state) {
  return state->vm->threshold != 0 &&
         seep_load_u64(NULL, state->global + state->vm->threshold) == state->vm->stopped_threshold;
}

/* How many strings are interned, where type_of exists: a new string raises it
 * before the next allocator call, a freed one lowers it before its own. */
SEEP_ALWAYS_INLINE uint32_t seep_vm_string_count(const struct seep_vm_state *state) {
  return seep_load_u32(NULL, state->global + state->vm->string_count);
}

/* The collector's white, state and kind as one number: equal numbers mean that
 * no phase has ended in between. */
SEEP_ALWAYS_INLINE uint64_t seep_vm_collector_word(const struct seep_vm_state *state) {
  return seep_load_u64(NULL, state->global + state->vm->white) & state->vm->word_mask;
}
SEEP_ALWAYS_INLINE uint8_t seep_vm_word_phase(uint64_t word) { return (uint8_t)(word >> 8); }
SEEP_ALWAYS_INLINE uint8_t seep_vm_word_kind(uint64_t word) { return (uint8_t)(word >> 16); }

/* The main thread of the first state of this build in `size_bytes` of our own
 * memory at `begin`, or 0. Read through the kernel: the memory may be gone. */
uintptr_t seep_vm_find_state(const struct seep_vm *vm, uintptr_t begin, size_t size_bytes);

/* Whether a complete state of this build begins at `main_thread`; same care. */
bool seep_vm_is_state(const struct seep_vm *vm, uintptr_t main_thread);

/* For vm_ops.take_remains: the words of a stack from `stack` on, as many as there are and fit. */
void seep_vm_take_words(uintptr_t stack, struct seep_remains *out);

/* Keeps track of lua_resume called by a host: `thread` runs from begin to end,
 * on top of what ran. Begin returns what end takes. */
uint32_t seep_vm_host_resume_begin(struct seep_vm_state *state, uintptr_t thread);
void seep_vm_host_resume_end(struct seep_vm_state *state, uint32_t depth);

/* Puts a walk's result into `stack`: its frames are in kept_keys and kept_handles,
 * and those further in than the outermost `same` may have changed. */
SEEP_ALWAYS_INLINE void seep_stack_set(struct seep_stack *stack, uint32_t count, uint32_t same) {
  stack->keys = &stack->kept_keys[SEEP_STACK_MAX - count];
  stack->handles = &stack->kept_handles[SEEP_STACK_MAX - count];
  stack->count = count;
  if (same < stack->same) stack->same = same;
}

/* Puts another key in the place of the leaf's, when that is known better. */
SEEP_ALWAYS_INLINE void seep_stack_correct_leaf(struct seep_stack *stack, uint64_t key) {
  stack->keys[0] = key;
  if (stack->same >= stack->count) stack->same = stack->count - 1;
}

/* Adds a frame to a stack that is being walked from scratch, leaf first. `*total`
 * counts all frames so far. Past the innermost frames the outermost go round a ring;
 * seep_stack_finish puts the ring in order, and the frames into the stack. */
SEEP_ALWAYS_INLINE void seep_stack_push(struct seep_stack *stack, uint32_t *total, uint64_t key,
                                        uintptr_t handle) {
  uint32_t at = *total;
  if (SEEP_UNLIKELY(at > SEEP_STACK_INNER)) {
    at = SEEP_STACK_INNER + 1 + (at - SEEP_STACK_INNER - 1) % SEEP_STACK_OUTER;
  }
  stack->fresh_keys[at] = key;
  stack->fresh_handles[at] = handle;
  (*total)++;
}
void seep_stack_finish(struct seep_stack *stack, uint32_t total);

/* How many parts follow a block of `type` that was made at `leaf_key`, or SEEP_PARTS_…; fewer when memory ends.
 * 0 where that is not known. Hot. */
SEEP_ALWAYS_INLINE uint8_t seep_vm_parts_of(const struct seep_vm *vm, enum seep_type type, uint64_t leaf_key) {
  const struct seep_parts *parts = &vm->parts;
  if (type == SEEP_TYPE_BUFFER || type == SEEP_TYPE_STRING) return 0;
  if (type == SEEP_TYPE_TABLE) {
    if (parts->opcode_mask == 0 || (leaf_key & (SEEP_KEY_C | SEEP_KEY_INEXACT))) return 0;
    uint32_t instruction = seep_load_u32(NULL, (leaf_key & SEEP_KEY_ADDRESS) - 4);
    if ((instruction & parts->opcode_mask) != parts->newtable) return 0;
    return ((instruction & parts->size_bits[0]) != 0) + ((instruction & parts->size_bits[1]) != 0);
  }
  if (type == SEEP_TYPE_THREAD) return parts->of_thread;
  if (type == SEEP_TYPE_FUNCTION && vm->ops->is_unfinished != NULL) return SEEP_PARTS_OF_UNFINISHED;
  bool takes_upvalues = type == SEEP_TYPE_FUNCTION || type == SEEP_TYPE_UPVALUE;
  return takes_upvalues && parts->upvalues_are_told ? SEEP_PARTS_UPVALUES : 0;
}

/* The name of a C function from the VM's libraries, or NULL. */
const char *seep_vm_c_name(const struct seep_vm *vm, uint64_t key);

const char *seep_type_name(enum seep_type type);

#endif
