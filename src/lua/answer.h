/* What a capture says, for the module: read by the ordinary reader and model, on
 * the C heap, inside a host. Running out of memory there is an error here, never
 * the end of the program. No Lua in this file. */
#ifndef SEEP_LUA_ANSWER_H
#define SEEP_LUA_ANSWER_H

#include <stdio.h>

#include "verdict/verdict.h"

struct seep_answer {
  struct seep_reader *reader;
  bool borrowed;                 /* the reader is somebody else's */
  bool has_profile;
  struct seep_profile profile;
  bool has_findings;
  struct seep_findings findings; /* of seep_answer_judge */
  FILE *stream;
  char *text;                    /* of seep_answer_table, text_bytes long */
  size_t text_bytes;
};

/* All of these: SEEP_OK, or an error with a message; what was made until then is
 * freed by close. An answer begins as zeros. */
enum seep_status seep_answer_open(struct seep_answer *answer, const char *path, struct seep_error *error);
enum seep_status seep_answer_profile(struct seep_answer *answer, const struct seep_profile_request *request,
                                     struct seep_error *error);
enum seep_status seep_answer_judge(struct seep_answer *answer, struct seep_error *error); /* the profile, by state */
enum seep_status seep_answer_table(struct seep_answer *answer, uint32_t limit, struct seep_error *error);
enum seep_status seep_answer_mark(struct seep_answer *answer, struct seep_mark **out, struct seep_error *error);
void seep_answer_close(struct seep_answer *answer);

/* Runs `work`, which may use seep_must_alloc and its like: SEEP_E_MEMORY when
 * there was none. */
enum seep_status seep_answer_guarded(void (*work)(void *argument), void *argument, struct seep_error *error);

#endif
