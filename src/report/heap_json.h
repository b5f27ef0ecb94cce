/* What the JSON outputs about heaps share. */
#ifndef SEEP_HEAP_JSON_H
#define SEEP_HEAP_JSON_H

#include "report/heap.h"
#include "report/json_parts.h"

/* Puts a text, made valid UTF-8, under `key`, and frees it. */
void seep_json_put_owned(json_t *object, const char *key, char *text);

/* "vm", "pid", "command", "taken", "pause_ms". */
void seep_heap_json_head(json_t *root, const struct seep_heap_report *report);

/* An array in an object that seep_json_write_open began, written row by row because there can be very many. */
struct seep_json_rows {
  const struct seep_heap_report *report;
  FILE *out;
  bool done;    /* nothing failed yet */
  bool first;
};
void seep_json_rows_begin(struct seep_json_rows *rows, const char *key);
void seep_json_rows_add(struct seep_json_rows *rows, json_t *object);  /* takes the object over */
void seep_json_rows_end(struct seep_json_rows *rows);

#endif
