/* See answer.h. */
#define _GNU_SOURCE
#include "lua/answer.h"

#include <setjmp.h>
#include <stdlib.h>

#include "base/text.h"
#include "report/report.h"

static __thread jmp_buf *way_out;

static void leave(void) { longjmp(*way_out, 1); }

enum seep_status seep_answer_guarded(void (*work)(void *argument), void *argument, struct seep_error *error) {
  jmp_buf here;
  if (setjmp(here) != 0) {
    seep_on_no_memory = NULL;
    return seep_error_set(error, SEEP_E_MEMORY, "no memory to read the capture");
  }
  way_out = &here;
  seep_on_no_memory = leave;
  work(argument);
  seep_on_no_memory = NULL;
  return SEEP_OK;
}

enum seep_status seep_answer_open(struct seep_answer *answer, const char *path, struct seep_error *error) {
  return seep_reader_open(path, &answer->reader, error);
}

struct profile_work {
  struct seep_answer *answer;
  struct seep_profile_request request;
};

static void build_profile(void *argument) {
  struct profile_work *work = argument;
  work->answer->has_profile = true;
  seep_profile_build_request(&work->request, &work->answer->profile);
}

enum seep_status seep_answer_profile(struct seep_answer *answer, const struct seep_profile_request *request,
                                     struct seep_error *error) {
  struct profile_work work = {.answer = answer, .request = *request};
  work.request.reader = answer->reader;
  return seep_answer_guarded(build_profile, &work, error);
}

static void judge(void *argument) {
  struct seep_answer *answer = argument;
  seep_findings_build(&answer->profile, &answer->findings);
  answer->has_findings = true;
}

enum seep_status seep_answer_judge(struct seep_answer *answer, struct seep_error *error) {
  return seep_answer_guarded(judge, answer, error);
}

struct table_work {
  struct seep_answer *answer;
  uint32_t limit;
};

static void print_table(void *argument) {
  struct table_work *work = argument;
  seep_report_table(&work->answer->profile, NULL, work->limit, work->answer->stream);
}

enum seep_status seep_answer_table(struct seep_answer *answer, uint32_t limit, struct seep_error *error) {
  struct table_work work = {.answer = answer, .limit = limit};
  answer->stream = open_memstream(&answer->text, &answer->text_bytes);
  if (answer->stream == NULL) return seep_error_set(error, SEEP_E_MEMORY, "no memory for the table");
  enum seep_status status = seep_answer_guarded(print_table, &work, error);
  bool written = fclose(answer->stream) == 0;
  answer->stream = NULL;
  if (status != SEEP_OK || written) return status;
  return seep_error_set(error, SEEP_E_MEMORY, "no memory for the table");
}

struct mark_work {
  struct seep_answer *answer;
  struct seep_mark *mark;
};

static void take_mark(void *argument) {
  struct mark_work *work = argument;
  work->mark = seep_mark_take(work->answer->reader);
}

enum seep_status seep_answer_mark(struct seep_answer *answer, struct seep_mark **out, struct seep_error *error) {
  struct mark_work work = {.answer = answer};
  enum seep_status status = seep_answer_guarded(take_mark, &work, error);
  if (status == SEEP_OK) *out = work.mark;
  return status;
}

void seep_answer_close(struct seep_answer *answer) {
  if (answer->has_findings) seep_findings_free(&answer->findings);
  if (answer->has_profile) seep_profile_free(&answer->profile);
  if (answer->reader != NULL && !answer->borrowed) seep_reader_close(answer->reader);
  if (answer->stream != NULL) fclose(answer->stream);
  free(answer->text);
  *answer = (struct seep_answer){0};
}
