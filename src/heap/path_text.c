/* Nodes, places and paths in words. See paths.h.
 *
 * Fields and entries continue a name (".listeners", "[17]"); every other
 * reference begins a new part after an arrow (" → metatable"). An upvalue is
 * named by its variable, and the step from it to its value is silent. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "heap/paths.h"

enum { SHOWN_BYTES = 40, STEPS_HEAD = 24, STEPS_TAIL = 24, REPEATS_TOLD = 3 };

/* -- Pieces ---------------------------------------------------------------------- */

static FILE *open_text(char **text, size_t *size_bytes) {
  FILE *out = open_memstream(text, size_bytes);
  if (out == NULL) abort();
  return out;
}

/* A zero byte would end the text. */
static void print_byte(char byte, FILE *out) {
  if (byte == '\0') fputs("\\0", out);
  else fputc(byte, out);
}

static void print_bytes(const char *bytes, size_t count, FILE *out) {
  for (size_t i = 0; i < count; i++) print_byte(bytes[i], out);
}

static void print_name(const struct seep_graph *graph, uint32_t text, FILE *out) {
  struct seep_graph_text view = seep_graph_text(graph, text);
  print_bytes(view.bytes, view.kept_bytes, out);
}

static bool is_identifier(struct seep_graph_text text) {
  if (text.kept_bytes == 0 || text.length_bytes != text.kept_bytes || isdigit((unsigned char)text.bytes[0]))
    return false;
  for (uint32_t i = 0; i < text.kept_bytes; i++) {
    if (!isalnum((unsigned char)text.bytes[i]) && text.bytes[i] != '_') return false;
  }
  return true;
}

/* In double quotes, with quotes and backslashes in it marked. */
static void print_quoted(struct seep_graph_text text, uint32_t most_bytes, FILE *out) {
  uint32_t count = text.kept_bytes < most_bytes ? text.kept_bytes : most_bytes;
  fputc('"', out);
  for (uint32_t i = 0; i < count; i++) {
    if (text.bytes[i] == '"' || text.bytes[i] == '\\') fputc('\\', out);
    if (text.bytes[i] == '\n') fputs("\\n", out);
    else print_byte(text.bytes[i], out);
  }
  fputs(count < text.length_bytes ? "…\"" : "\"", out);
}

/* -- Places and nodes --------------------------------------------------------------- */

char *seep_place_file(const struct seep_graph *graph, uint32_t place) {
  const struct seep_graph_place *where = seep_graph_place(graph, place);
  struct seep_graph_text source = seep_graph_text(graph, where->source);
  if (where->source == 0) return seep_must_copy("[C]");
  const char *line_end = memchr(source.bytes, '\n', source.kept_bytes);
  if (source.bytes[0] == '@' || source.bytes[0] == '=') {
    return seep_must_format("%.*s", (int)source.kept_bytes - 1, source.bytes + 1);
  }
  int shown = line_end != NULL ? (int)(line_end - source.bytes) : (int)source.kept_bytes;
  return seep_must_format("[string \"%.*s%s\"]", shown, source.bytes,
                          (uint64_t)shown < source.length_bytes ? "..." : "");
}

char *seep_place_text(const struct seep_graph *graph, uint32_t place) {
  const struct seep_graph_place *where = seep_graph_place(graph, place);
  char *file = seep_place_file(graph, place);
  if (where->source == 0 || where->line == 0) return file;
  char *text = seep_must_format("%s:%u", file, where->line);
  free(file);
  return text;
}

/* "worker", "main chunk", "function <app.lua:10>"; to be freed. */
static char *function_text(const struct seep_graph *graph, uint32_t place, const struct seep_namer *namer) {
  const struct seep_graph_place *where = seep_graph_place(graph, place);
  struct seep_graph_text symbol = seep_graph_text(graph, where->name);
  if (symbol.kept_bytes > 0) return seep_must_format("%.*s", (int)symbol.kept_bytes, symbol.bytes);
  if (where->source == 0) return seep_must_copy("a C function");
  if (where->line == 0) return seep_must_copy("main chunk");
  char *file = seep_place_file(graph, place), *name = NULL;
  if (namer != NULL && namer->function_name != NULL) name = namer->function_name(namer->data, file, where->line);
  if (name == NULL) name = seep_must_format("function <%s:%u>", file, where->line);
  free(file);
  return name;
}

static void print_function(const struct seep_graph *graph, uint32_t place, const struct seep_namer *namer, FILE *out) {
  char *name = function_text(graph, place, namer), *where = seep_place_text(graph, place);
  bool named = strncmp(name, "function <", 10) != 0 && strcmp(where, "[C]") != 0;
  bool known = seep_graph_place(graph, place)->source != 0 || seep_graph_place(graph, place)->name != 0;
  if (!known) fputs("function", out);
  else if (named) fprintf(out, "function %s (%s)", name, where);
  else fprintf(out, strncmp(name, "function <", 10) == 0 ? "%s" : "function %s", name);
  free(name);
  free(where);
}

uint32_t seep_graph_field(const struct seep_graph *graph, uint32_t table, const char *name) {
  size_t length = strlen(name);
  for (uint32_t edge = graph->first_edge[table]; edge < graph->first_edge[table + 1]; edge++) {
    if ((graph->edge_kind[edge] & SEEP_EDGE_KIND_MASK) != SEEP_EDGE_FIELD) continue;
    uint32_t key = graph->edge_name[edge];
    if (key == SEEP_NODE_NONE || graph->kind[key] != SEEP_NODE_STRING) continue;
    struct seep_graph_text text = seep_graph_text(graph, graph->info[key]);
    if (text.length_bytes == length && text.kept_bytes == length && memcmp(text.bytes, name, length) == 0) {
      return graph->target[edge];
    }
  }
  return SEEP_NODE_NONE;
}

/* The name that luaL_newmetatable gives a userdata's type (5.3 and later). */
static void print_type_name(const struct seep_graph *graph, uint32_t node, FILE *out) {
  for (uint32_t edge = graph->first_edge[node]; edge < graph->first_edge[node + 1]; edge++) {
    if (graph->edge_kind[edge] != SEEP_EDGE_METATABLE) continue;
    uint32_t name = seep_graph_field(graph, graph->target[edge], "__name");
    if (name == SEEP_NODE_NONE || graph->kind[name] != SEEP_NODE_STRING) return;
    fputc(' ', out);
    print_name(graph, graph->info[name], out);
    return;
  }
}

static void print_node(const struct seep_graph *graph, uint32_t node, const struct seep_namer *namer, FILE *out) {
  uint32_t info = graph->info[node];
  uint8_t kind = graph->kind[node];
  switch (kind) {
    case SEEP_NODE_LUA_FUNCTION: case SEEP_NODE_C_FUNCTION: print_function(graph, info, namer, out); return;
    case SEEP_NODE_THREAD: fputs(node == graph->marks.main_thread ? "main thread" : "coroutine", out); return;
    default: fputs(seep_node_kind_name(kind), out);
  }
  if (kind == SEEP_NODE_STRING) {
    fputc(' ', out);
    print_quoted(seep_graph_text(graph, info), SHOWN_BYTES, out);
  } else if (kind == SEEP_NODE_PROTO || kind == SEEP_NODE_TRACE) {
    char *where = seep_place_text(graph, info);
    fprintf(out, " %s", info == 0 ? "" : where);
    free(where);
  } else if ((kind == SEEP_NODE_USERDATA || kind == SEEP_NODE_CDATA || kind == SEEP_NODE_VM) && info != 0) {
    fputc(' ', out);
    print_name(graph, info, out);
  } else if (kind == SEEP_NODE_USERDATA || kind == SEEP_NODE_TABLE) {
    print_type_name(graph, node, out);
  }
}

char *seep_node_text(const struct seep_graph *graph, uint32_t node, const struct seep_namer *namer) {
  char *text = NULL;
  size_t size_bytes;
  FILE *out = open_text(&text, &size_bytes);
  print_node(graph, node, namer, out);
  fclose(out);
  return text;
}

/* -- Steps ------------------------------------------------------------------------------ */

static void print_key(const struct seep_graph *graph, uint32_t key, const struct seep_namer *namer, FILE *out) {
  if (key == SEEP_NODE_NONE) {
    fputs("[?]", out);
    return;
  }
  if (graph->kind[key] != SEEP_NODE_STRING) {
    fputc('[', out);
    print_node(graph, key, namer, out);
    if (graph->kind[key] == SEEP_NODE_TABLE || graph->kind[key] == SEEP_NODE_USERDATA) {
      fprintf(out, " 0x%llx", (unsigned long long)graph->address[key]);
    }
    fputc(']', out);
    return;
  }
  struct seep_graph_text text = seep_graph_text(graph, graph->info[key]);
  if (is_identifier(text)) {
    fputc('.', out);
    print_bytes(text.bytes, text.kept_bytes, out);
  } else {
    fputc('[', out);
    print_quoted(text, SHOWN_BYTES, out);
    fputc(']', out);
  }
}

/* " → local 'buffer' of worker (app.lua:12)", with "coroutine" before it where the thread is one. */
static void print_local(const struct seep_graph *graph, uint32_t edge, const struct seep_namer *namer, FILE *out) {
  const struct seep_graph_local *local = seep_graph_local(graph, graph->edge_name[edge]);
  bool is_main = seep_graph_edge_owner(graph, edge) == graph->marks.main_thread;
  char *name = function_text(graph, local->place, namer), *file = seep_place_file(graph, local->place);
  uint32_t line = local->line != 0 ? local->line : seep_graph_place(graph, local->place)->line;
  fputs(is_main ? " → local '" : " → coroutine local '", out);
  print_name(graph, local->name, out);
  fprintf(out, "' of %s", name);
  if (line != 0) fprintf(out, " (%s:%u)", file, line);
  else if (strcmp(file, "[C]") != 0) fprintf(out, " (%s)", file);
  free(name);
  free(file);
}

/* "ended main chunk (app.lua) → local 'cache'": the path begins here. */
static void print_ended_local(const struct seep_graph *graph, uint32_t edge, const struct seep_namer *namer, FILE *out) {
  const struct seep_graph_local *local = seep_graph_local(graph, graph->edge_name[edge]);
  char *name = function_text(graph, local->place, namer), *where = seep_place_text(graph, local->place);
  fprintf(out, " → ended %s (%s) → local '", name, where);
  print_name(graph, local->name, out);
  fputc('\'', out);
  free(name);
  free(where);
}

static void print_slot(const struct seep_graph *graph, uint32_t edge, const struct seep_namer *namer, FILE *out) {
  char *name = graph->edge_name[edge] == 0 ? NULL : function_text(graph, graph->edge_name[edge], namer);
  fputs(" → stack", out);
  if (name != NULL) fprintf(out, " of %s", name);
  free(name);
}

static void print_named(const struct seep_graph *graph, uint32_t text, const char *without, FILE *out) {
  fputs(" → ", out);
  if (text == 0) fputs(without, out);
  else print_name(graph, text, out);
}

/* What most kinds are called after the arrow; kinds that are not here have a case below. */
static const char *const plain_steps[SEEP_EDGE_KIND_COUNT] = {
    [SEEP_EDGE_KEY] = "key",
    [SEEP_EDGE_METATABLE] = "metatable",
    [SEEP_EDGE_OPEN_UPVALUE] = "open upvalue",
    [SEEP_EDGE_FRAME] = "running function",
    [SEEP_EDGE_ENVIRONMENT] = "environment",
    [SEEP_EDGE_DEBUG_NAME] = "debug name",
    [SEEP_EDGE_CACHE] = "last closure",
    [SEEP_EDGE_REGISTRY] = "registry",
    [SEEP_EDGE_MAIN_THREAD] = "main thread",
    [SEEP_EDGE_GLOBALS] = "_G",
    [SEEP_EDGE_FINALIZER] = "finalizer to be called",
    [SEEP_EDGE_TRACE] = "trace",
    [SEEP_EDGE_PART] = "part",
    [SEEP_EDGE_EPHEMERON_VALUE] = "value in a weak table",
    [SEEP_EDGE_PROTO] = "prototype",
};

void seep_path_print_step(const struct seep_graph *graph, uint32_t edge, uint32_t node, const struct seep_namer *namer,
                          FILE *out) {
  uint8_t kind = graph->edge_kind[edge] & SEEP_EDGE_KIND_MASK;
  uint32_t name = graph->edge_name[edge];
  if (seep_edge_names_node(kind) && graph->target[edge] != node) {
    fputs(" → key", out);
    return;
  }
  switch (kind) {
    case SEEP_EDGE_FIELD: case SEEP_EDGE_ENTRY: print_key(graph, name, namer, out); return;
    case SEEP_EDGE_INDEX: fprintf(out, "[%u]", name); return;
    case SEEP_EDGE_ENTRY_TEXT: fputc('[', out); print_name(graph, name, out); fputc(']', out); return;
    case SEEP_EDGE_TYPE_METATABLE:
      fputs(" → metatable of all ", out);
      print_name(graph, name, out);
      fputc('s', out);
      return;
    case SEEP_EDGE_UPVALUE: print_named(graph, name, "upvalue", out); return;
    case SEEP_EDGE_UPVALUE_INDEX: fprintf(out, " → upvalue %u", name); return;
    case SEEP_EDGE_UPVALUE_VALUE: return;
    case SEEP_EDGE_ENDED_LOCAL: print_ended_local(graph, edge, namer, out); return;
    case SEEP_EDGE_LOCAL: print_local(graph, edge, namer, out); return;
    case SEEP_EDGE_SLOT: print_slot(graph, edge, namer, out); return;
    case SEEP_EDGE_USER_VALUE: fprintf(out, " → user value %u", name); return;
    case SEEP_EDGE_CONSTANT: fprintf(out, " → constant %u", name); return;
    case SEEP_EDGE_OTHER: print_named(graph, name, "other", out); return;
    default: fprintf(out, " → %s", plain_steps[kind] == NULL ? "?" : plain_steps[kind]);
  }
}

/* -- Paths ------------------------------------------------------------------------------- */

const char *seep_path_start_text(const struct seep_graph *graph, uint32_t node) {
  if (node == graph->marks.globals) return "_G";
  if (node == graph->marks.loaded) return "registry → package.loaded";
  if (node == SEEP_NODE_ROOT) return "";
  return "(finalizer still to be called)";
}


static char *step_text(const struct seep_graph *graph, uint32_t edge, uint32_t node, const struct seep_namer *namer) {
  char *text = NULL;
  size_t size_bytes;
  FILE *out = open_text(&text, &size_bytes);
  seep_path_print_step(graph, edge, node, namer, out);
  fclose(out);
  return text;
}

/* A run of like steps (paths.h) is one part. */
struct part {
  char *text;
  uint64_t times;
};

static void print_part(const struct part *part, FILE *out) {
  if (part->times > REPEATS_TOLD) {
    fprintf(out, "(%s)×%llu", part->text, (unsigned long long)part->times);
    return;
  }
  for (uint64_t i = 0; i < part->times; i++) fputs(part->text, out);
}

/* Parts from the end of the path to its start. Of a long path the middle ones lose their text (it is NULL). */
static struct part *collect_parts(const struct seep_paths *paths, uint32_t node, const struct seep_namer *namer,
                                  size_t *count, uint32_t *start) {
  const struct seep_graph *graph = paths->graph;
  struct part *parts = NULL;
  size_t used = 0, capacity = 0;
  for (uint32_t via = paths->via[node]; via < SEEP_VIA_START; via = paths->via[node]) {
    bool is_silent = (graph->edge_kind[via] & SEEP_EDGE_KIND_MASK) == SEEP_EDGE_UPVALUE_VALUE;
    if (!is_silent) {
      if (used == capacity) parts = seep_must_grow(parts, (capacity = capacity * 2 + 16) * sizeof *parts);
      if (used >= STEPS_HEAD + STEPS_TAIL) {
        free(parts[used - STEPS_HEAD].text);
        parts[used - STEPS_HEAD].text = NULL;
      }
      parts[used++] = (struct part){.text = step_text(graph, via, node, namer), .times = paths->run_length[node]};
    }
    node = paths->run_above[node];
  }
  *count = used;
  *start = node;
  return parts;
}

/* The arrow that separates from a start without a name is left out. */
static void print_first(const struct part *part, FILE *out) {
  static const char arrow[] = " → ";
  struct part shown = *part;
  if (strncmp(shown.text, arrow, sizeof arrow - 1) == 0) shown.text += sizeof arrow - 1;
  print_part(&shown, out);
}

/* Prints a path; true when it is the root's own, which has no text. */
static bool print_path(const struct seep_paths *paths, uint32_t node, const struct seep_namer *namer, FILE *out) {
  size_t count = 0;
  uint32_t start = node;
  uint64_t left_out = 0;
  struct part *parts = collect_parts(paths, node, namer, &count, &start);
  const char *begin = seep_path_start_text(paths->graph, start);
  fputs(begin, out);
  for (size_t i = count; i-- > 0;) {
    if (parts[i].text == NULL) {
      left_out += parts[i].times;
      continue;
    }
    if (left_out > 0) fprintf(out, " …%llu steps… ", (unsigned long long)left_out);
    left_out = 0;
    if (i + 1 == count && begin[0] == '\0') print_first(&parts[i], out);
    else print_part(&parts[i], out);
    free(parts[i].text);
  }
  free(parts);
  return begin[0] == '\0' && count == 0;
}

char *seep_path_text(const struct seep_paths *paths, uint32_t node, const struct seep_namer *namer) {
  char *text = NULL;
  size_t size_bytes;
  if (paths->via[node] == SEEP_VIA_NONE) return seep_must_copy("(unreachable)");
  FILE *out = open_text(&text, &size_bytes);
  if (print_path(paths, node, namer, out)) fputs("root", out);
  fclose(out);
  return text;
}

char *seep_path_text_through(const struct seep_paths *paths, uint32_t edge, uint32_t node,
                             const struct seep_namer *namer) {
  char *text = NULL;
  size_t size_bytes;
  FILE *out = open_text(&text, &size_bytes);
  struct part last = {.text = step_text(paths->graph, edge, node, namer), .times = 1};
  if (print_path(paths, seep_graph_edge_owner(paths->graph, edge), namer, out)) print_first(&last, out);
  else print_part(&last, out);
  free(last.text);
  fclose(out);
  return text;
}
