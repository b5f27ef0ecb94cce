/* Function names from source lines. See names.h. */
#define _GNU_SOURCE
#include "model/names.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

enum { FILE_BYTES_MAX = 16 << 20 };

struct source {
  char *path;
  char *text;            /* NULL: not to be had */
  const char **lines;    /* where each line begins, and one past the end */
  uint32_t line_count;
};

struct seep_names {
  uint64_t started_wall_ns;
  size_t count, capacity;
  struct source *sources;
  size_t last;           /* functions of one file tend to come together */
};

/* -- A line ------------------------------------------------------------------ */

static bool is_word(char c) { return isalnum((unsigned char)c) || c == '_'; }

/* The next "function" of the line that is a word by itself and not behind a
 * comment or inside a string. */
static const char *next_keyword(const char *at, const char *end) {
  static const char keyword[] = "function";
  const size_t length = sizeof keyword - 1;
  char previous = ' ';
  for (; at < end; previous = *at++) {
    if (*at == '"' || *at == '\'') {
      char quote = *at++;
      while (at < end && *at != quote) at += *at == '\\' ? 2 : 1;
      if (at >= end) return NULL;
    } else if (*at == '-' && at + 1 < end && at[1] == '-') {
      return NULL;
    } else if ((size_t)(end - at) >= length && memcmp(at, keyword, length) == 0 && !is_word(previous) &&
               (at + length == end || !is_word(at[length]))) {
      return at;
    }
  }
  return NULL;
}

/* "function a.b:c(": what stands behind the keyword. */
static char *name_behind(const char *at, const char *end) {
  while (at < end && isspace((unsigned char)*at)) at++;
  const char *begin = at;
  while (at < end && (is_word(*at) || *at == '.' || *at == ':')) at++;
  return at == begin ? NULL : seep_must_format("%.*s", (int)(at - begin), begin);
}

/* "a.b = function(": what stands before the equals sign. */
static char *name_before(const char *begin, const char *at) {
  while (at > begin && isspace((unsigned char)at[-1])) at--;
  if (at == begin || at[-1] != '=') return NULL;
  at--;
  if (at > begin && strchr("=~<>", at[-1]) != NULL) return NULL;
  while (at > begin && isspace((unsigned char)at[-1])) at--;
  const char *end = at;
  if (at > begin && at[-1] == ']') { /* a.b["c"] */
    while (at > begin && *at != '[') at--;
  }
  while (at > begin && (is_word(at[-1]) || at[-1] == '.')) at--;
  return at == end ? NULL : seep_must_format("%.*s", (int)(end - at), at);
}

char *seep_names_from_line(const char *line, size_t count) {
  const char *end = line + count;
  const char *keyword = next_keyword(line, end);
  if (keyword == NULL) return NULL;
  const char *behind = keyword + strlen("function");
  if (next_keyword(behind, end) != NULL) return NULL;
  char *name = name_behind(behind, end);
  return name != NULL ? name : name_before(line, keyword);
}

/* -- Files ------------------------------------------------------------------- */

static char *read_source(const char *path, uint64_t not_after_ns, size_t *count) {
  struct stat status;
  char *text = NULL;
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0) return NULL;
  if (fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_size <= FILE_BYTES_MAX &&
      (uint64_t)status.st_mtim.tv_sec <= not_after_ns / 1000000000u) {
    text = seep_must_alloc((size_t)status.st_size + 1);
    ssize_t got = read(file, text, (size_t)status.st_size);
    *count = got > 0 ? (size_t)got : 0;
  }
  close(file);
  return text;
}

static void index_lines(struct source *source, size_t count) {
  const char *end = source->text + count;
  size_t capacity = 0;
  const char *at = source->text;
  for (;;) {
    if (source->line_count + 2 > capacity) {
      capacity = capacity * 2 + 256;
      source->lines = seep_must_grow(source->lines, capacity * sizeof *source->lines);
    }
    source->lines[source->line_count++] = at;
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    if (newline == NULL) break;
    at = newline + 1;
  }
  source->lines[source->line_count] = end;
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
  source->text = read_source(path, names->started_wall_ns, &count);
  if (source->text != NULL) index_lines(source, count);
  names->last = names->count++;
  return source;
}

struct seep_names *seep_names_new(uint64_t started_wall_ns) {
  struct seep_names *names = seep_must_alloc(sizeof *names);
  names->started_wall_ns = started_wall_ns;
  return names;
}

char *seep_names_find(struct seep_names *names, const char *file, uint32_t line) {
  const struct source *source = source_of(names, file);
  if (line == 0 || line > source->line_count) return NULL;
  const char *begin = source->lines[line - 1];
  return seep_names_from_line(begin, (size_t)(source->lines[line] - begin));
}

void seep_names_free(struct seep_names *names) {
  for (size_t i = 0; i < names->count; i++) {
    free(names->sources[i].path);
    free(names->sources[i].text);
    free(names->sources[i].lines);
  }
  free(names->sources);
  free(names);
}
