/* What the JSON outputs share. The values are jansson's; a failure to make one ends
 * the program: no memory is left then. */
#ifndef SEEP_JSON_PARTS_H
#define SEEP_JSON_PARTS_H

#include <jansson.h>
#include <stdio.h>

#include "verdict/verdict.h"

json_t *seep_json_integer(uint64_t value);

/* "2026-11-25T10:00:00Z", from nanoseconds since 1970. */
json_t *seep_json_time(uint64_t wall_ns);

/* Puts `value`, which it takes over, under `key`. */
void seep_json_put(json_t *object, const char *key, json_t *value);

/* "held_by", unless the list is empty. */
void seep_json_put_held(json_t *object, const struct seep_held_list *list);

/* {"file","line","function"} and what is special about the frame. */
json_t *seep_json_frame(const struct seep_profile_frame *frame);

/* The frames of a stack, leaf first. */
json_t *seep_json_stack(const struct seep_profile_frame *const *frames, uint32_t count);

/* Writes one value and lets it go. False when writing failed. */
bool seep_json_write(json_t *value, FILE *out);

/* The same for an object, without its closing brace, so that more can follow. */
bool seep_json_write_open(json_t *object, FILE *out);

#endif
