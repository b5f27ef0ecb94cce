/* Function names from source files. See names.h. */
#define _GNU_SOURCE
#include "model/names.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "vm/definitions.h"

enum { FILE_BYTES_MAX = 16 << 20 };

static const char anonymous[] = "anonymous <";

struct definition {
  uint32_t line, line_last;
  char *name;              /* NULL: none */
  bool is_part;
};

struct source {
  char *path;
  size_t count, capacity;
  struct definition *definitions;  /* by line; none: not to be had */
};

struct seep_names {
  uint64_t started_wall_ns;
  size_t count, capacity;
  struct source *sources;
  size_t last;             /* functions of one file tend to come together */
};

/* -- A text -------------------------------------------------------------------- */

static void take(void *context, const struct seep_definition *definition) {
  struct source *source = context;
  if (source->count == source->capacity) {
    source->capacity = source->capacity * 2 + 64;
    source->definitions = seep_must_grow(source->definitions, source->capacity * sizeof *source->definitions);
  }
  source->definitions[source->count++] = (struct definition){
      .line = definition->line, .line_last = definition->line_last, .is_part = definition->is_part,
      .name = definition->name == NULL ? NULL : seep_must_copy(definition->name)};
}

static int compare(const void *left, const void *right) {
  const struct definition *a = left, *b = right;
  return (a->line > b->line) - (a->line < b->line);
}

static void read_text(struct source *source, const char *text, size_t size_bytes) {
  seep_definitions_read(text, size_bytes, take, source);
  if (source->count > 0) qsort(source->definitions, source->count, sizeof *source->definitions, compare);
}

static void clear(struct source *source) {
  for (size_t i = 0; i < source->count; i++) free(source->definitions[i].name);
  free(source->definitions);
  free(source->path);
}

/* Whether the last part of a name is what the function was called by. */
static bool ends_in(const char *name, const char *called) {
  size_t length = strlen(name), wanted = strlen(called);
  if (length < wanted || memcmp(name + length - wanted, called, wanted) != 0) return false;
  return length == wanted || name[length - wanted - 1] == '.' || name[length - wanted - 1] == ':';
}

static size_t first_on(const struct source *source, uint32_t line) {
  size_t low = 0, high = source->count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (source->definitions[middle].line < line) low = middle + 1; else high = middle;
  }
  return low;
}

/* The one function on these lines, or, of several, the one that is called so. */
static const struct definition *find(const struct source *source, const struct seep_names_function *function) {
  const struct definition *one = NULL, *fitting = NULL;
  size_t count = 0, fitting_count = 0;
  for (size_t i = first_on(source, function->line); i < source->count; i++) {
    const struct definition *definition = &source->definitions[i];
    if (definition->line != function->line) break;
    if (function->line_last != 0 && definition->line_last != function->line_last) continue;
    one = definition;
    count++;
    if (definition->name == NULL || function->called == NULL || !ends_in(definition->name, function->called)) continue;
    fitting = definition;
    fitting_count++;
  }
  if (count == 1) return one;
  return fitting_count == 1 ? fitting : NULL;
}

char *seep_names_from_text(const char *text, size_t size_bytes, const struct seep_names_function *function) {
  struct source source = {0};
  read_text(&source, text, size_bytes);
  const struct definition *found = find(&source, function);
  char *name = found == NULL || found->name == NULL ? NULL : seep_must_copy(found->name);
  clear(&source);
  return name;
}

/* -- Files ------------------------------------------------------------------- */

static char *read_file(const char *path, uint64_t not_after_ns, size_t *count) {
  struct stat status;
  char *text = NULL;
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0) return NULL;
  if (fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_size <= FILE_BYTES_MAX &&
      (uint64_t)status.st_mtim.tv_sec * 1000000000u + (uint64_t)status.st_mtim.tv_nsec <= not_after_ns) {
    text = seep_must_alloc((size_t)status.st_size + 1);
    ssize_t got = read(file, text, (size_t)status.st_size);
    *count = got > 0 ? (size_t)got : 0;
  }
  close(file);
  return text;
}

static struct source *source_of(struct seep_names *names, const char *path) {
  for (size_t i = 0; i < names->count; i++) {
    size_t at = (names->last + i) % names->count;
    if (strcmp(names->sources[at].path, path) != 0) continue;
    names->last = at;
    return &names->sources[at];
  }
  if (names->count == names->capacity) {
    names->capacity = names->capacity * 2 + 16;
    names->sources = seep_must_grow(names->sources, names->capacity * sizeof *names->sources);
  }
  struct source *source = &names->sources[names->count];
  size_t count = 0;
  *source = (struct source){.path = seep_must_copy(path)};
  char *text = read_file(path, names->started_wall_ns, &count);
  if (text != NULL) read_text(source, text, count);
  free(text);
  names->last = names->count++;
  return source;
}

struct seep_names *seep_names_new(uint64_t started_wall_ns) {
  struct seep_names *names = seep_must_alloc(sizeof *names);
  names->started_wall_ns = started_wall_ns;
  return names;
}

const char *seep_names_find(struct seep_names *names, const struct seep_names_function *function, bool *is_part) {
  const struct definition *found = find(source_of(names, function->file), function);
  if (found == NULL || found->name == NULL) return NULL;
  if (is_part != NULL) *is_part = found->is_part;
  return found->name;
}

void seep_names_free(struct seep_names *names) {
  for (size_t i = 0; i < names->count; i++) clear(&names->sources[i]);
  free(names->sources);
  free(names);
}

/* -- Functions without one ------------------------------------------------------ */

char *seep_names_anonymous(const char *file, uint32_t line) {
  return seep_must_format("%s%s:%u>", anonymous, file, line);
}

bool seep_names_is_anonymous(const char *name) { return strncmp(name, anonymous, sizeof anonymous - 1) == 0; }
