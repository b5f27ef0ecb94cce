/* What the verbs share. See verb.h. */
#define _GNU_SOURCE
#include "cli/verb.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "reach/contract.h"
#include "reach/process_maps.h"

int seep_verb_fail(const struct seep_verb *verb, int status, const char *format, ...) {
  char *line;
  va_list arguments;
  va_start(arguments, format);
  int length = vasprintf(&line, format, arguments);
  va_end(arguments);
  if (length < 0) return status;
  char *printable = seep_text_printable(line);
  fprintf(stderr, "seepline %s: %s\n", verb->name, printable);
  free(printable);
  free(line);
  return status;
}

int seep_verb_help(const struct seep_verb *verb) {
  printf("seepline %s\n%s\n\n%s", verb->synopsis, verb->purpose, verb->options);
  return SEEP_DONE;
}

int seep_verb_written(const struct seep_verb *verb, bool written) {
  if (written && fflush(stdout) == 0 && !ferror(stdout)) return SEEP_DONE;
  return seep_verb_fail(verb, SEEP_FAILED, "the answer could not be written");
}

bool seep_verb_number(const char *text, uint32_t least, uint32_t *out) {
  char *end;
  errno = 0;
  if (!isdigit((unsigned char)text[0])) return false;
  unsigned long long value = strtoull(text, &end, 10);
  if (errno != 0 || *end != '\0' || value < least || value > UINT32_MAX) return false;
  *out = (uint32_t)value;
  return true;
}

int seep_verb_open_capture(const struct seep_verb *verb, const char *what, char path[PATH_MAX],
                           struct seep_reader **out) {
  struct seep_error error = {{0}};
  enum seep_status status = SEEP_OK;
  uint32_t pid;
  snprintf(path, PATH_MAX, "%s", what);
  if (access(what, F_OK) != 0 && seep_verb_number(what, 1, &pid) && pid <= INT_MAX) {
    status = seep_process_capture_path((pid_t)pid, path, &error);
  }
  if (status == SEEP_OK) status = seep_reader_open(path, out, &error);
  return status == SEEP_OK ? SEEP_DONE : seep_verb_fail(verb, SEEP_FAILED, "%s", error.text);
}

void seep_verb_note_running(struct seep_profile *profile) {
  if (profile->sealed || !seep_process_records_into((pid_t)profile->pid, profile->path)) return;
  profile->running = true;
  uint64_t now = seep_clock_wall_ns();
  profile->duration_s = now > profile->started_wall_ns ? (double)(now - profile->started_wall_ns) / 1e9 : 0;
}

struct seep_frozen_copy seep_verb_copy(void) {
  const char *text = getenv(SEEP_FROZEN_VARIABLE);
  char *end;
  if (text == NULL) return (struct seep_frozen_copy){0};
  unsigned long of = strtoul(text, &end, 10);
  if (*end != ':' || of > INT_MAX) return (struct seep_frozen_copy){0};
  return (struct seep_frozen_copy){.of = (pid_t)of, .pause_ns = strtoull(end + 1, NULL, 10)};
}
