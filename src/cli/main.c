/* The command: picks a verb from the table and hands over. */
#include <stdio.h>
#include <string.h>

#include "cli/verb.h"

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
     "  --no-summary        print nothing unless something failed\n",
     seep_verb_run},
    {"show", "show FILE|PID [OPTIONS]", "the lines that hold memory, in a capture or a running program",
     "  -n N                rows (default 30; all with --json)\n"
     "  --sort live|survivors|alloc|growth|peak\n"
     "  --by line|function|type|stack|state\n"
     "  --json              schema 1, for programs\n",
     seep_verb_show},
    {"leaks", "leaks FILE|PID [OPTIONS]", "which lines leak, with evidence, and why the others do not",
     "  -n N                rows (default 30; all with --json)\n"
     "  --fail-on-leak      exit with status 3 when there is a leak\n"
     "  --json              schema 1, for programs\n",
     seep_verb_leaks},
};

static int print_help(FILE *out) {
  fputs("seepline: where a Lua program's memory is, and who allocated it\n\n", out);
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(verbs); i++) {
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
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(verbs); i++) {
    if (strcmp(argv[1], verbs[i].name) == 0) return verbs[i].run(&verbs[i], argc - 1, argv + 1);
  }
  fprintf(stderr, "seepline: no verb '%s': try seepline --help\n", argv[1]);
  return SEEP_WRONG_USAGE;
}
