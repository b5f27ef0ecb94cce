/* From a user's words to nodes. See find.h. */
#define _GNU_SOURCE
#include "heap/find.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

struct finder {
  const struct seep_heap_view *view;
  const struct seep_graph *graph;
  const struct seep_namer *namer;
  const char *what;
  struct seep_array *out;
  struct seep_error *error;
  bool failed;
};

static void add(struct finder *finder, uint32_t node) {
  uint32_t *place = seep_array_push(finder->out, sizeof *place);
  if (place == NULL) finder->failed = true;
  else *place = node;
}

static bool found(const struct finder *finder) { return finder->out->count > 0; }

/* -- Addresses and numbers ------------------------------------------------------------ */

static enum seep_status find_address(struct finder *finder) {
  char *end;
  errno = 0;
  uint64_t address = strtoull(finder->what, &end, 16), lowest = UINT64_MAX, highest = 0;
  if (*end != '\0' || errno != 0) return seep_error_set(finder->error, SEEP_E_USAGE, "%s is no address", finder->what);
  for (uint32_t node = 1; node < finder->graph->node_count; node++) {
    uint64_t at = finder->graph->address[node];
    if (at == address && at != 0) add(finder, node);
    if (at != 0 && at < lowest) lowest = at;
    if (at > highest) highest = at;
  }
  if (found(finder)) return SEEP_OK;
  return seep_error_set(finder->error, SEEP_E_NOT_FOUND,
                        "no object begins at %s; objects of this state lie from 0x%llx to 0x%llx", finder->what,
                        (unsigned long long)lowest, (unsigned long long)highest);
}

static enum seep_status find_number(struct finder *finder) {
  char *end;
  errno = 0;
  unsigned long long number = strtoull(finder->what + 1, &end, 10);
  if (!isdigit((unsigned char)finder->what[1]) || *end != '\0' || errno != 0) {
    return seep_error_set(finder->error, SEEP_E_USAGE, "%s is no node number", finder->what);
  }
  if (number >= finder->graph->node_count) {
    return seep_error_set(finder->error, SEEP_E_NOT_FOUND, "there is no node %s: they go up to #%u", finder->what,
                          finder->graph->node_count - 1);
  }
  add(finder, (uint32_t)number);
  return SEEP_OK;
}

/* -- Paths ----------------------------------------------------------------------------- */

static const char arrow[] = " → ";

/* Where a path begins, and how much of the text that takes; 0 when it begins nowhere. */
static size_t read_start(const struct seep_graph *graph, const char *text, uint32_t *node) {
  const struct { const char *word; uint32_t node; } starts[] = {
      {"registry → package.loaded", graph->marks.loaded}, {"package.loaded", graph->marks.loaded},
      {"_G", graph->marks.globals}, {"registry", graph->marks.registry}, {"main thread", graph->marks.main_thread}};
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(starts); i++) {
    size_t length = strlen(starts[i].word);
    if (strncmp(text, starts[i].word, length) != 0) continue;
    const char *next = text + length;
    if (*next != '\0' && *next != '.' && *next != '[' && strncmp(next, arrow, sizeof arrow - 1) != 0) continue;
    *node = starts[i].node;
    return length;
  }
  return 0;
}

/* A step that does not depend on the node: a key. */
struct key {
  bool is_any, is_number;
  uint32_t number;
  char *text;  /* to be freed */
};

/* Reads `.name`, `["text"]`, `[17]` or `[*]`; returns how much that was, 0 when it is none of them. */
static size_t read_key(const char *text, struct key *key) {
  *key = (struct key){.text = NULL};
  if (text[0] == '.') {
    size_t length = strcspn(text + 1, ".[ ");
    key->text = strndup(text + 1, length);
    return length == 0 ? 0 : length + 1;
  }
  if (strncmp(text, "[*]", 3) == 0) {
    key->is_any = true;
    return 3;
  }
  if (strncmp(text, "[\"", 2) == 0) {
    size_t used = 0, at = 2;
    key->text = seep_must_alloc(strlen(text) + 1);
    for (; text[at] != '\0' && text[at] != '"'; at++) {
      bool escaped = text[at] == '\\' && text[at + 1] != '\0';
      if (escaped) at++;
      key->text[used++] = escaped && text[at] == 'n' ? '\n' : text[at];
    }
    key->text[used] = '\0';
    return text[at] == '"' && text[at + 1] == ']' ? at + 2 : 0;
  }
  const char *end = text[0] == '[' ? strchr(text, ']') : NULL;
  if (end == NULL) return 0;
  char *rest;
  unsigned long long number = strtoull(text + 1, &rest, 10);
  key->is_number = isdigit((unsigned char)text[1]) && rest == end && number < UINT32_MAX;
  key->number = (uint32_t)number;
  key->text = strndup(text + 1, (size_t)(end - text - 1));
  return (size_t)(end - text) + 1;
}

static bool has_content(const struct seep_graph *graph, uint32_t text, const char *wanted) {
  struct seep_graph_text view = seep_graph_text(graph, text);
  size_t length = strlen(wanted);
  if (view.length_bytes != length) return false;
  if (length > view.kept_bytes) return view.hash == seep_graph_hash(wanted, length);
  return memcmp(view.bytes, wanted, length) == 0;
}

static bool matches_key(const struct seep_graph *graph, uint32_t edge, const struct key *key) {
  uint8_t kind = graph->edge_kind[edge] & SEEP_EDGE_KIND_MASK;
  uint32_t name = graph->edge_name[edge];
  switch (kind) {
    case SEEP_EDGE_FIELD:
      if (key->is_any || key->is_number) return key->is_any;
      return name != SEEP_NODE_NONE && graph->kind[name] == SEEP_NODE_STRING &&
             has_content(graph, graph->info[name], key->text);
    case SEEP_EDGE_INDEX: return key->is_any || (key->is_number && key->number == name);
    case SEEP_EDGE_ENTRY: return key->is_any;
    case SEEP_EDGE_ENTRY_TEXT: return key->is_any || has_content(graph, name, key->text);
    default: return false;
  }
}

/* The step behind an arrow, in the words of path_text.c. Returns how much of the text it is, 0 when it is not there. */
static size_t matches_words(const struct finder *finder, uint32_t edge, const char *text) {
  char *words = NULL;
  size_t size_bytes, used = 0;
  FILE *out = open_memstream(&words, &size_bytes);
  if (out == NULL) abort();
  seep_path_print_step(finder->graph, edge, finder->graph->target[edge], finder->namer, out);
  fclose(out);
  if (strncmp(words, arrow, sizeof arrow - 1) == 0 && strncmp(text, words, size_bytes) == 0) used = size_bytes;
  free(words);
  return used;
}

/* From an upvalue to its value: that step has no text. */
static uint32_t pass_upvalue(const struct seep_graph *graph, uint32_t node) {
  if (graph->kind[node] != SEEP_NODE_UPVALUE || graph->first_edge[node] == graph->first_edge[node + 1]) return node;
  return graph->target[graph->first_edge[node]];
}

/* One step from every node in `from`. Returns how much of the text was read. */
static size_t take_step(struct finder *finder, const struct seep_array *from, const char *text, struct seep_array *to) {
  const struct seep_graph *graph = finder->graph;
  struct key key;
  size_t read = read_key(text, &key), key_bytes = read;
  bool by_words = strncmp(text, arrow, sizeof arrow - 1) == 0;
  for (size_t i = 0; i < from->count && (key_bytes > 0 || by_words); i++) {
    uint32_t node = ((const uint32_t *)from->items)[i];
    for (uint32_t edge = graph->first_edge[node]; edge < graph->first_edge[node + 1]; edge++) {
      size_t words = key_bytes > 0 ? 0 : matches_words(finder, edge, text);
      if (key_bytes > 0 ? !matches_key(graph, edge, &key) : words == 0) continue;
      if (words > read) read = words;
      uint32_t *place = seep_array_push(to, sizeof *place);
      if (place == NULL) finder->failed = true;
      else *place = pass_upvalue(graph, graph->target[edge]);
    }
  }
  free(key.text);
  return read;
}

static enum seep_status find_path(struct finder *finder, uint32_t start, size_t at) {
  const char *what = finder->what;
  if (start >= finder->graph->node_count) {
    return seep_error_set(finder->error, SEEP_E_NOT_FOUND, "this state has no %.*s", (int)at, what);
  }
  add(finder, start);
  while (what[at] != '\0' && !finder->failed) {
    struct seep_array next = {0};
    size_t read = take_step(finder, finder->out, what + at, &next);
    size_t nodes = next.count;
    seep_array_free(finder->out);
    *finder->out = next;
    if (read == 0) {
      return seep_error_set(finder->error, SEEP_E_NOT_FOUND, "%.*s is there, but the path does not go on with %s",
                            (int)at, what, what + at);
    }
    if (nodes == 0) {
      return seep_error_set(finder->error, SEEP_E_NOT_FOUND, "%.*s has no %.*s that is an object", (int)at, what,
                            (int)read, what + at);
    }
    at += read;
  }
  return SEEP_OK;
}

/* -- Types, lines, strings ---------------------------------------------------------------- */

static bool is_type(const char *what) {
  for (uint8_t kind = SEEP_NODE_TABLE; kind < SEEP_NODE_KIND_COUNT; kind++) {
    if (strcmp(seep_node_kind_name(kind), what) == 0) return true;
  }
  return false;
}

static enum seep_status find_type(struct finder *finder) {
  for (uint32_t node = 1; node < finder->graph->node_count; node++) {
    if (strcmp(seep_node_kind_name(finder->graph->kind[node]), finder->what) == 0) add(finder, node);
  }
  if (found(finder)) return SEEP_OK;
  return seep_error_set(finder->error, SEEP_E_NOT_FOUND, "there is no %s in this state", finder->what);
}

/* Whether a file is the one meant: the whole of it, or its end from a folder on. */
static bool is_file(const char *file, const char *wanted, size_t length) {
  size_t file_length = strlen(file);
  if (file_length < length || memcmp(file + file_length - length, wanted, length) != 0) return false;
  return file_length == length || file[file_length - length - 1] == '/';
}

static bool is_defined_at(const struct seep_graph *graph, uint32_t node, const char *file, size_t length,
                          uint32_t line) {
  uint8_t kind = graph->kind[node];
  if (kind != SEEP_NODE_LUA_FUNCTION && kind != SEEP_NODE_PROTO && kind != SEEP_NODE_TRACE) return false;
  if (seep_graph_place(graph, graph->info[node])->line != line) return false;
  char *shown = seep_place_file(graph, graph->info[node]);
  bool is_it = is_file(shown, file, length);
  free(shown);
  return is_it;
}

static bool is_allocated_at(const struct seep_graph *graph, uint32_t node, const char *file, size_t length,
                            uint32_t line) {
  const struct seep_graph_site *site = seep_graph_site(graph, node);
  if (site == NULL || site->line != line) return false;
  struct seep_graph_text text = seep_graph_text(graph, site->file);
  char *shown = seep_must_format("%.*s", (int)text.kept_bytes, text.bytes);
  bool is_it = is_file(shown, file, length);
  free(shown);
  return is_it;
}

/* "app.lua:12": where its colon is, or NULL. */
static const char *line_colon(const char *what) {
  const char *colon = strrchr(what, ':');
  if (colon == NULL || colon == what || colon[1] == '\0') return NULL;
  return strspn(colon + 1, "0123456789") == strlen(colon + 1) ? colon : NULL;
}

static void find_line(struct finder *finder, const char *colon) {
  size_t length = (size_t)(colon - finder->what);
  uint32_t line = (uint32_t)strtoul(colon + 1, NULL, 10);
  for (uint32_t node = 1; node < finder->graph->node_count; node++) {
    if (is_defined_at(finder->graph, node, finder->what, length, line) ||
        is_allocated_at(finder->graph, node, finder->what, length, line)) {
      add(finder, node);
    }
  }
}

static bool contains(struct seep_graph_text text, const char *wanted, size_t length) {
  return memmem(text.bytes, text.kept_bytes, wanted, length) != NULL;
}

static void find_string(struct finder *finder, const char *wanted, bool whole) {
  const struct seep_graph *graph = finder->graph;
  size_t length = strlen(wanted);
  for (uint32_t node = 1; node < graph->node_count; node++) {
    if (graph->kind[node] != SEEP_NODE_STRING) continue;
    bool is_it = whole ? has_content(graph, graph->info[node], wanted)
                       : contains(seep_graph_text(graph, graph->info[node]), wanted, length);
    if (is_it) add(finder, node);
  }
}

static enum seep_status find_text(struct finder *finder) {
  const char *colon = line_colon(finder->what);
  size_t length = strlen(finder->what);
  bool quoted = length >= 2 && finder->what[0] == '"' && finder->what[length - 1] == '"';
  char *wanted = quoted ? strndup(finder->what + 1, length - 2) : seep_must_copy(finder->what);
  if (colon != NULL && !quoted) find_line(finder, colon);
  if (!found(finder)) find_string(finder, wanted, true);
  if (!found(finder) && wanted[0] != '\0') find_string(finder, wanted, false);
  free(wanted);
  if (found(finder)) return SEEP_OK;
  if (colon != NULL && !quoted) {
    return seep_error_set(finder->error, SEEP_E_NOT_FOUND,
                          "no function of this state is defined at %s%s, and no string contains that", finder->what,
                          finder->graph->site == NULL
                              ? " (there was no recording, so lines of allocation are not known)"
                              : ", and nothing that is left was allocated there");
  }
  return seep_error_set(finder->error, SEEP_E_NOT_FOUND,
                        "nothing here is called %s: it is no address (0x…), node (#…), path (_G.…), "
                        "type, file:line, and no string contains it",
                        finder->what);
}

/* -- All -------------------------------------------------------------------------------------- */

static int compare_retained(const void *a, const void *b, void *data) {
  const uint64_t *retained = data;
  uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
  if (retained[left] != retained[right]) return retained[left] < retained[right] ? 1 : -1;
  return (left > right) - (left < right);
}

/* "ended main chunk (app.lua) → local 'cache'", "metatable of all numbers.__index": a step of the root's, in the words of
 * path_text.c; else a text. */
static enum seep_status find_from_root(struct finder *finder) {
  const char *what = finder->what;
  char *step = seep_must_format("%s%s", arrow, what);
  finder->what = step;
  enum seep_status status = find_path(finder, SEEP_NODE_ROOT, 0);
  finder->what = what;
  free(step);
  if (status == SEEP_OK || finder->failed) return status;
  seep_array_free(finder->out);
  return find_text(finder);
}

enum seep_status seep_heap_find(const struct seep_heap_view *view, const char *what, const struct seep_namer *namer,
                                struct seep_array *out, struct seep_error *error) {
  struct finder finder = {.view = view, .graph = view->graph, .namer = namer, .what = what, .out = out, .error = error};
  uint32_t start = SEEP_NODE_NONE;
  size_t start_bytes = read_start(view->graph, what, &start);
  enum seep_status status;
  *out = (struct seep_array){0};
  if (strncmp(what, "0x", 2) == 0) status = find_address(&finder);
  else if (what[0] == '#') status = find_number(&finder);
  else if (start_bytes > 0) status = find_path(&finder, start, start_bytes);
  else if (is_type(what)) status = find_type(&finder);
  else if (what[0] != '"') status = find_from_root(&finder);
  else status = find_text(&finder);
  if (finder.failed) status = seep_error_set(error, SEEP_E_MEMORY, "there is no memory to look for %s", what);
  if (status == SEEP_OK && out->count > 0)
    qsort_r(out->items, out->count, sizeof(uint32_t), compare_retained, view->dominators.retained);
  if (status != SEEP_OK) seep_array_free(out);
  return status;
}
