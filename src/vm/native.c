/* Learning the paths from luaV_execute to the allocator. See native.h.
 *
 * Small programs run in which exactly one instruction can be allocating without
 * having saved its pc: the next such one behind the last that saved. Each is
 * run in many ways (what went before, who called), and what is the same every
 * time, of all words around the allocator's frame, is kept: words of the VM's
 * machine code that never change are marks, and a place that always holds the
 * pc is where it is. Then everything runs once more, and every allocation must
 * be found by what was learned. */
#define _GNU_SOURCE
#include "vm/native.h"

#include <link.h>
#include <stdlib.h>
#include <string.h>

#include "base/pages.h"
#include "vm/scratch.h"

/* Words of the window: below the frame the return address and the registers that
 * our function has saved (six on x86-64), above it the C functions of the VM.
 * luaV_execute compiled without optimisation needs most. */
enum { BELOW = 7, ABOVE = 760, WINDOW = BELOW + ABOVE };
enum { GROUPS_MAX = 96, SAMPLES_MIN = 4, BACK_MAX = 1 };
enum { IS_CONSTANT = 1, IS_PC = 2 /* shifted by `back` */ };

/* The programs. Each is a chunk that tells the probe when to watch; `f`, `g`,
 * `h` and `b` return several values, and leave different things behind on the C stack. */
static const char program[] =
    "local probe = ...\n"
    "collectgarbage('stop')\n"
    "local load, unpack, g = loadstring or load, table.unpack or unpack, select\n"
    "local function f(n) return n, n, n end\n"
    "local function h(n) local s = n .. 'x' return n, n, n end\n"
    "local watch, rest = ' probe(\"watch\", id) ', ' probe(\"rest\") '\n"
    "local head = 'local probe, id, f, g, h, b, n = ... h(n, n, n, n, n, n, n, n, n, n) '\n"
    "head = head .. 'g(1, n, n, n, n, n, n, n, n, n, n) local s = n .. [[x]] '\n"
    "local before = {\n"
    "  head .. watch, head .. watch .. 'local a = n + 1 local y, z = -a, [[k]] ',\n"
    "  head .. watch .. 'if n > 3 then n = 2 else n = 5 end local z = not n ',\n"
    "  head .. 'for i = 1, 2 do f(n) ' .. watch,\n"
    "  head .. watch .. 'for i = 1, 2 do n = n + i end ',\n"
    "  head .. 'local t = {n} ' .. watch .. 'n = t[1] ',\n"
    "  head .. watch .. 's = n .. [[x]] ', head .. watch .. 'if s < [[abc]] then n = 8 end n = n ^ 2.5 ',\n"
    "}\n"
    "local shapes = {\n"
    "  '{}', '{x = n}', '{n, n}', '{n, n, x = n}', '{f(n)}', '{g(1, n, n)}', '{x = n, f(n)}',\n"
    "  '{n, f(n)}', '{n, x = n, f(n)}', '{n, x = n, g(1, n, n)}', '{...}', '{x = n, ...}', '{n, ...}',\n"
    "  '{n, x = n, ...}', '{b(s, 1, 2)}', '{x = n, b(s, 1, 2)}', '{n, b(s, 1, 2)}', '{h(n)}', '{x = n, h(n)}',\n"
    "  '{n, x = n, y = n, h(n)}', 'function() end', 'function() return n end', 'function() return n, f end',\n"
    "  'function() return f, n, g end',\n"
    "}\n"
    "local wrap, yield = coroutine.wrap, coroutine.yield\n"
    "local ways = {\n"
    "  function(...) local c = ... c(select(2, ...)) end,\n"
    "  function(...) pcall(...) end,\n"
    "  function(c, ...) wrap(c)(...) end,\n"
    "  function(c, ...) local co = wrap(function(...) yield() local r = c(...) return r end) co(...) co() end,\n"
    "  function(c, ...)\n"
    "    local args = {...}\n"
    "    local t = setmetatable({}, {__index = function() c(unpack(args)) end})\n"
    "    local _ = t.x\n"
    "  end,\n"
    "  function(c, ...) return c(...) end,\n"
    "  function(...) local args = {...} string.gsub('x', 'x', function() args[1](unpack(args, 2)) end) end,\n"
    "}\n"
    "local chunks, way = {}, 0\n"
    "for id, shape in ipairs(shapes) do\n"
    "  for i = 1, #before do\n"
    "    local text = before[i] .. 'local t = ' .. shape .. rest .. (i == 4 and 'end' or '')\n"
    "    chunks[#chunks + 1] = {load(text, '=native'), tostring(id)}\n"
    "  end\n"
    "end\n"
    "for pass = 1, 2 do\n"
    "  for _, chunk in ipairs(chunks) do\n"
    "    way = way % #ways + 1\n"
    "    ways[way](chunk[1], probe, chunk[2], f, g, h, string.byte, 7)\n"
    "  end\n"
    "  way = way + pass\n"
    "  probe('learned')\n"
    "end\n"
    "return true\n";

/* What the samples of one kind (a shape's n-th allocation) have in common. */
struct group {
  uint32_t samples;
  uint32_t kind;             /* shape and ordinal */
  uint8_t opcodes;           /* bits, as in a path */
  uint8_t flags[WINDOW];
  uintptr_t words[WINDOW];
  uint16_t open[WINDOW];     /* the words that have flags left */
  uint32_t count;            /* of those */
};

/* One learning at a time on a thread; the probe and the allocator get no argument of ours. */
struct session {
  const struct seep_lua_api *api;
  struct seep_vm *vm;
  struct seep_vm_state state;
  struct seep_scratch scratch;
  uintptr_t text_begin, text_end;  /* the VM's machine code */
  uintptr_t watched;         /* the function (a prototype) that is watched, or 0 */
  uint32_t shape, ordinal;
  bool learned, failed;
  uint32_t checked;
  uint32_t group_count;
  struct group groups[GROUPS_MAX];
  struct seep_stack stack;
  uintptr_t words[WINDOW];   /* scratch of a sample */
};
static __thread struct session *current;

/* -- Samples ----------------------------------------------------------------- */

/* The truth: the next instruction behind the saved pc that does not save. */
static uint32_t next_unsaved(const struct seep_unsaved_code *code, uint64_t key, uint8_t *opcode_bit) {
  uint64_t at = ((key & SEEP_KEY_ADDRESS) - (uintptr_t)code->instructions) / 4;
  for (; at < code->size; at++) {
    uint8_t opcode = code->instructions[at] & code->opcode_mask;
    for (uint32_t k = 0; k < code->opcode_count; k++) {
      if (opcode != code->opcodes[k]) continue;
      *opcode_bit = (uint8_t)(1u << k);
      return (uint32_t)at;
    }
  }
  return UINT32_MAX;
}

static struct group *group_of(uint32_t kind, uint8_t opcode_bit) {
  for (uint32_t i = 0; i < current->group_count; i++) {
    if (current->groups[i].kind == kind) return &current->groups[i];
  }
  if (current->group_count == GROUPS_MAX) return NULL;
  struct group *group = &current->groups[current->group_count++];
  *group = (struct group){.kind = kind, .opcodes = opcode_bit};
  return group;
}

/* The words around the frame. Near the end of the C stack there are fewer: then
 * the rest reads as zero. */
static void read_window(const uintptr_t *frame, uintptr_t words[WINDOW]) {
  memset(words, 0, WINDOW * sizeof words[0]);
  for (uint32_t above = ABOVE; above >= 64; above /= 2) {
    size_t size_bytes = (BELOW + above) * sizeof words[0];
    if (seep_load(&seep_image_self_checked, (uintptr_t)(frame - BELOW), words, size_bytes)) return;
  }
}

static bool in_text(uintptr_t word) { return word >= current->text_begin && word < current->text_end; }

static uint8_t flags_of(const struct seep_unsaved_code *code, uint32_t truth, uintptr_t word) {
  uint8_t flags = in_text(word) ? IS_CONSTANT : 0;
  if (word - (uintptr_t)code->instructions > (uintptr_t)code->size * 4) return flags;
  for (uint32_t back = 0; back <= BACK_MAX; back++) {
    if (seep_native_instruction(code, word, back, UINT32_MAX) == truth) flags |= (uint8_t)(IS_PC << back);
  }
  return flags;
}

/* From the second sample on only what is still in question is looked at. */
static void add_sample(struct group *group, const uintptr_t *frame, const struct seep_unsaved_code *code,
                       uint32_t truth) {
  uintptr_t *words = current->words;
  bool first = group->samples++ == 0;
  read_window(frame, words);
  if (first) memcpy(group->words, words, sizeof group->words);
  group->count = first ? WINDOW : group->count;
  uint32_t kept = 0;
  for (uint32_t k = 0; k < group->count; k++) {
    uint32_t i = first ? k : group->open[k];
    uint8_t flags = flags_of(code, truth, words[i]);
    if (words[i] != group->words[i]) flags &= (uint8_t)~IS_CONSTANT;
    group->flags[i] = first ? flags : group->flags[i] & flags;
    if (group->flags[i] != 0) group->open[kept++] = (uint16_t)i;
  }
  group->count = kept;
}

/* An allocator call of the function that is watched. */
static void observe(const uintptr_t *frame) {
  const struct seep_vm_ops *ops = current->vm->ops;
  struct seep_stack *stack = &current->stack;
  ops->walk(&current->state, stack);
  if (stack->count == 0 || (stack->keys[0] & SEEP_KEY_C)) return;
  if (ops->function_of(&current->state, stack->keys[0], stack->handles[0]) != current->watched) return;
  struct seep_unsaved_code code;
  uint8_t opcode_bit;
  ops->unsaved_code(&current->state, stack->keys[0], stack->handles[0], &code);
  uint32_t truth = next_unsaved(&code, stack->keys[0], &opcode_bit);
  if (truth == UINT32_MAX) return;
  if (current->learned) {
    const struct seep_native_path *path = seep_native_find(current->vm, frame);
    uint64_t place = path == NULL ? 0 : seep_native_place(&current->state, path, frame[path->pc_word],
                                                          stack->keys[0], stack->handles[0]);
    if ((place & SEEP_KEY_ADDRESS) != (uintptr_t)(code.instructions + truth + 1)) current->failed = true;
    current->checked++;
    return;
  }
  struct group *group = group_of(current->shape << 8 | current->ordinal++, opcode_bit);
  if (group == NULL || group->opcodes != opcode_bit) {
    current->failed = true;
  } else {
    add_sample(group, frame, &code, truth);
  }
}

void seep_native_observe(const uintptr_t *frame, const void *block, size_t new_size) {
  if (current != NULL && current->watched != 0 && (block != NULL || new_size != 0)) observe(frame);
}

/* -- Paths ------------------------------------------------------------------- */

/* Words below the return address are our own frame's: registers, never marks. */
static bool is_mark(const struct group *group, uint32_t i) {
  return i + 1 >= BELOW && (group->flags[i] & IS_CONSTANT);
}

/* The first mark or the last, as a word of the window; 0 when there is none. */
static uint32_t innermost(const struct group *group) {
  for (uint32_t k = 0; k < group->count; k++) {
    if (is_mark(group, group->open[k])) return group->open[k];
  }
  return 0;
}

static uint32_t outermost(const struct group *group) {
  for (uint32_t k = group->count; k-- > 0;) {
    if (is_mark(group, group->open[k])) return group->open[k];
  }
  return 0;
}

/* Whether two kinds of allocation come the same way: from the same call in
 * luaV_execute, through the same call of the allocator, at the same distance. */
static bool same_way(const struct group *a, const struct group *b) {
  uint32_t inner = innermost(a), outer = outermost(a);
  return inner == innermost(b) && outer == outermost(b) && a->words[inner] == b->words[inner] &&
         a->words[outer] == b->words[outer];
}

static void merge(struct group *into, const struct group *group) {
  uint32_t kept = 0;
  for (uint32_t k = 0; k < into->count; k++) {
    uint32_t i = into->open[k];
    into->flags[i] &= group->flags[i];
    if (into->words[i] != group->words[i]) into->flags[i] &= (uint8_t)~IS_CONSTANT;
    if (into->flags[i] != 0) into->open[kept++] = (uint16_t)i;
  }
  into->count = kept;
  into->samples += group->samples;
  into->opcodes |= group->opcodes;
}

static void merge_groups(void) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < current->group_count; i++) {
    uint32_t at = 0;
    while (at < count && !same_way(&current->groups[at], &current->groups[i])) at++;
    if (at < count) {
      merge(&current->groups[at], &current->groups[i]);
    } else if (count++ < i) {
      current->groups[count - 1] = current->groups[i];
    }
  }
  current->group_count = count;
}

/* Of the words that always hold the pc, the one to rely on: a register that is
 * still as luaV_execute left it; else where the first function behind luaV_execute
 * saved it; else one in luaV_execute's own frame. (What lies further in may be
 * left over from a call before.) WINDOW when there is none. */
static uint32_t pc_word_of(const struct group *group, uint32_t inner, uint32_t outer) {
  enum { HOLDS_PC = IS_PC | IS_PC << BACK_MAX };
  uint32_t i;
  for (i = inner; i-- > 0;) {
    if (group->flags[i] & HOLDS_PC) return i;
  }
  for (i = outer; i-- > inner;) {
    if (group->flags[i] & HOLDS_PC) return i;
  }
  for (i = outer; i < WINDOW && !(group->flags[i] & HOLDS_PC); i++) {}
  return i;
}

/* A group's ends and its pc as a path. */
static bool path_of(const struct group *group, struct seep_native_path *path) {
  uint32_t inner = innermost(group), outer = outermost(group);
  uint32_t pc = pc_word_of(group, inner, outer);
  if (inner == 0 || pc == WINDOW || group->samples < SAMPLES_MIN) return false;
  *path = (struct seep_native_path){
      .inner = group->words[inner], .inner_word = (int16_t)((int)inner - BELOW),
      .outer = group->words[outer], .outer_word = (int16_t)((int)outer - BELOW),
      .pc_word = (int16_t)((int)pc - BELOW),
      .back = group->flags[pc] & IS_PC << 1 ? 1 : 0,
      .opcodes = group->opcodes,
  };
  return true;
}

static void conclude(void) {
  struct seep_vm *vm = current->vm;
  merge_groups();
  if (current->group_count > SEEP_NATIVE_PATHS_MAX) current->failed = true;
  for (uint32_t i = 0; i < current->group_count && !current->failed; i++) {
    if (!path_of(&current->groups[i], &vm->native_paths[vm->native_path_count++])) current->failed = true;
  }
  if (current->group_count == 0) current->failed = true;
  current->learned = true;
}

/* -- Running ------------------------------------------------------------------ */

static int probe(lua_State *L) {
  const char *what = current->api->tolstring(L, 1, NULL);
  if (what == NULL || current->failed) return 0;
  if (strcmp(what, "watch") == 0) {
    struct seep_stack *stack = &current->stack;
    current->vm->ops->walk(&current->state, stack);
    current->watched = stack->count < 2 ? 0
        : current->vm->ops->function_of(&current->state, stack->keys[1], stack->handles[1]);
    current->shape = (uint32_t)atoi(current->api->tolstring(L, 2, NULL));
    current->ordinal = 0;
  } else {
    current->watched = 0;
    if (strcmp(what, "learned") == 0 && !current->learned) conclude();
  }
  return 0;
}

/* The machine code that the VM's functions are in. */
static int find_text(struct dl_phdr_info *info, size_t size, void *argument) {
  struct session *session = argument;
  uintptr_t function = (uintptr_t)session->api->pcall;
  (void)size;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    uintptr_t begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
    uintptr_t end = begin + info->dlpi_phdr[i].p_memsz;
    if (info->dlpi_phdr[i].p_type != PT_LOAD || function < begin || function >= end) continue;
    session->text_begin = begin;
    session->text_end = end;
    return 1;
  }
  return 0;
}

static bool run(struct session *session, seep_lua_alloc *entry) {
  const struct seep_lua_api *api = session->api;
  lua_State *L = api->newstate(entry, &session->scratch, 0);
  if (L == NULL) return false;
  session->state = (struct seep_vm_state){.vm = session->vm, .main_thread = (uintptr_t)L,
                                          .global = (uintptr_t)L + session->vm->global_offset};
  api->openlibs(L, -1, 0);
  bool ran = api->loadbuffer(L, program, sizeof program - 1, "=seepline paths", NULL) == 0;
  if (ran) {
    api->pushcclosure(L, probe, 0);
    ran = api->pcall(L, 1, 0, 0, (intptr_t)0, NULL) == 0;
  }
  session->watched = 0;
  api->close(L);
  return ran && session->learned && !session->failed && session->checked > 0;
}

void seep_native_learn(const struct seep_lua_api *api, struct seep_vm *vm, seep_lua_alloc *entry) {
  vm->native_path_count = 0;
  if (vm->ops->unsaved_code == NULL) return;
  struct session *session = seep_pages_map(sizeof *session);
  if (session == NULL) return;
  session->api = api;
  session->vm = vm;
  session->scratch.pages = seep_pages_map(SEEP_SCRATCH_BYTES);
  dl_iterate_phdr(find_text, session);
  current = session;
  bool done = session->scratch.pages != NULL && session->text_begin != 0 && run(session, entry);
  current = NULL;
  if (!done) vm->native_path_count = 0;
  if (session->scratch.pages != NULL) seep_pages_unmap(session->scratch.pages, SEEP_SCRATCH_BYTES);
  seep_pages_unmap(session, sizeof *session);
}
