/* The command: picks a verb from the table and hands over. */
#include <stdio.h>
#include <string.h>

#include "base/pages.h"
#include "cli/verb.h"
#include "reach/contract.h"

static const struct seep_verb verbs[] = {
    {"run", "run [OPTIONS] [--] PROGRAM|SCRIPT.lua [ARGUMENTS…]",
     "record a program from start to end, then print the summary",
     "  -o FILE             the capture (default seepline.<program>.<pid>.seep)\n"
     "  --mode exact        every allocation, with its call stack (default)\n"
     "  --mode sample       one allocation in so many bytes: estimates, at next to no cost\n"
     "  --mode line|call    growth by line, or by function, through the debug hook: the allocator is left alone\n"
     "  --mode count        likewise, estimated by a sample every N VM instructions (--count N, default 1000)\n"
     "  --interval BYTES    bytes between two samples on average (sample; default 512k)\n"
     "  --lua INTERPRETER   run SCRIPT.lua with this one (default: its #! line, else the newest lua on PATH)\n"
     "  --children          record exec'd children too, each in its own file\n"
     "  -n N                rows in the summary (default 30)\n"
     "  --no-snapshot       take no heap snapshot at the end (exact and sample take one, FILE.heap.seep)\n"
     "  --no-summary        print nothing unless something failed\n",
     seep_verb_run},
    {"show", "show FILE|PID [OPTIONS]", "the lines that hold memory, in a capture or a running program",
     "  -n N                rows (default 30; all with --json)\n"
     "  --sort live|survivors|alloc|growth|peak\n"
     "  --by line|function|type|stack|state\n"
     "  --held-by           say what holds the memory: reads the heap of the running process\n"
     "  --heap FILE         the same from a snapshot that was taken while it was recorded\n"
     "  --json              schema 1, for programs\n",
     seep_verb_show},
    {"snapshot", "snapshot PID|CORE [OPTIONS]", "the heap of a running process or of a core file: what holds the memory",
     "  -o FILE             the snapshot (default seepline.<program>.<pid>.heap.seep)\n"
     "  -n N                rows (default 10; all with --json)\n"
     "  --json              schema 1, for programs\n\n"
     "The process is only read, and stopped for as long as its Lua memory is copied.\n",
     seep_verb_snapshot},
    {"heap", "heap FILE [OPTIONS]", "what a heap snapshot has in it: types, what holds the most, alike objects, the ledger",
     "  -n N                rows (default 30; all with --json)\n"
     "  --state NAME        of this Lua state alone: its name or number (default: all)\n"
     "  --json              schema 1, for programs\n",
     seep_verb_heap},
    {"path", "path FILE WHAT [OPTIONS]", "why something in a heap snapshot is alive: paths from roots",
     "WHAT is one of\n"
     "  0x55d0c0ffee10      the object at that address\n"
     "  '#1234'             the node of that number\n"
     "  '_G.app.listeners'  a path as heap prints it; [*] stands for every entry\n"
     "  table               a type: the objects of it that retain the most\n"
     "  app.lua:12          functions defined there and, after a recording, what was allocated there\n"
     "  'some text'         strings with that content, or else strings that contain it\n\n"
     "  -n N                paths, or objects (default 5; all with --json)\n"
     "  --state NAME        in this Lua state alone: its name or number (default: all)\n"
     "  --json              schema 1, for programs\n",
     seep_verb_path},
    {"diff", "diff A B [OPTIONS]", "what grew between two heap snapshots (by path, type and line) or two captures (by call stack)",
     "  -n N                rows (default 30; all with --json)\n"
     "  --state NAME        of this Lua state alone: its name or number (snapshots)\n"
     "  --json              schema 1, for programs\n",
     seep_verb_diff},
    {"export", "export FILE --format heapsnapshot [-o OUT]", "a heap snapshot for Chrome DevTools (Memory, Load) or memlab",
     "  --format heapsnapshot\n"
     "  -o OUT              (default: stdout)\n"
     "  --state NAME        of this Lua state: its name or number (needed when there are several)\n",
     seep_verb_export},
    {"leaks", "leaks FILE|PID [OPTIONS]", "which lines leak, with evidence, and why the others do not",
     "  -n N                rows (default 30; all with --json)\n"
     "  --fail-on-leak      exit with status 3 when there is a leak\n"
     "  --held-by           say what holds the memory: reads the heap of the running process\n"
     "  --heap FILE         the same from a snapshot that was taken while it was recorded\n"
     "  --json              schema 1, for programs\n",
     seep_verb_leaks},
    {SEEP_HELD_VERB, SEEP_HELD_VERB " PID FILE:LINE…", NULL, "", seep_verb_held},
};

static int print_help(FILE *out) {
  fputs("seepline: where a Lua program's memory is, and who allocated it\n\n", out);
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(verbs); i++) {
    if (verbs[i].purpose == NULL) continue;
    fprintf(out, "  seepline %s\n      %s\n", verbs[i].synopsis, verbs[i].purpose);
  }
  fputs("\nseepline VERB --help says more. A first try: seepline run program.lua\n", out);
  return SEEP_DONE;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    print_help(stderr);
    return SEEP_WRONG_USAGE;
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
    return print_help(stdout);
  }
  if (strcmp(argv[1], "--version") == 0) {
    puts("seepline " SEEP_VERSION);
    return SEEP_DONE;
  }
  seep_pages_prefer_large();
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(verbs); i++) {
    if (strcmp(argv[1], verbs[i].name) == 0) return verbs[i].run(&verbs[i], argc - 1, argv + 1);
  }
  fprintf(stderr, "seepline: no verb '%s': try seepline --help\n", argv[1]);
  return SEEP_WRONG_USAGE;
}
