/* From a profile to verdicts: which lines leak, called from where, and why the
 * other lines that hold memory do not.
 *
 * Model: the rows of one line are one *group*, whatever their types and stacks: a
 * table, its parts and its strings that one line makes belong together. A group's
 * curves (curve.h) are added up and judged. Where that is no leak, the groups
 * of its callers are judged, and theirs, so that a helper that allocates for many
 * is seen to leak for one of them. Where a line leaks and one of its callers
 * has all the growth while others allocate as well, that caller is named.
 *
 * Uses malloc and ends the program when there is none left, like model/. */
#ifndef SEEP_VERDICT_H
#define SEEP_VERDICT_H

#include "model/profile.h"
#include "verdict/curve.h"

/* Objects behind one path, `_G.app.listeners[*]`. */
struct seep_held {
  char *path;
  uint64_t count, bytes;
  bool is_estimate;    /* from the objects that were sampled */
  bool are_parts;      /* of the objects behind the path: a table's array, a thread's stack */
};

/* To be freed item by item (path) and as a whole. */
struct seep_held_list {
  uint32_t count;
  struct seep_held *items;
};

struct seep_finding {
  enum seep_verdict verdict;
  double confidence;             /* 0 to 1 */
  const char *file, *function;   /* of the line, as in a profile's row */
  uint32_t line;
  int type;                      /* enum seep_type: what most of the growth is */
  bool exact;
  const struct seep_profile_frame *caller;  /* the frame that sets the growing calls apart, or NULL */
  uint32_t frame_count;          /* the stack that grows most, leaf first */
  const struct seep_profile_frame **frames;
  uint64_t live_bytes, live_count, survivor_bytes;
  double survivor_bytes_per_epoch;
  double weight;                 /* that claims are ranked by */
  char *evidence;                /* one sentence */
  uint64_t *keys;                /* merge_key of the rows that it speaks of: of the caller's, if there is one */
  uint32_t key_count;
  struct seep_held_list held_by; /* what holds it, where a heap was joined: filled by whoever has one */
};

struct seep_findings {
  uint32_t count;
  struct seep_finding *rows;     /* leaks first, the worst first in each verdict */
  uint32_t leak_count;
  uint64_t epochs;               /* of the state that had most */
  bool few;                      /* too few collections to tell, or none in the second half */
};

/* Judges a profile that was built with SEEP_BY_STATE. The findings point into the
 * profile: free them before it. */
void seep_findings_build(const struct seep_profile *profile, struct seep_findings *out);
void seep_findings_free(struct seep_findings *findings);

void seep_held_list_free(struct seep_held_list *list);

/* "leak", "saturating", … as in JSON. */
const char *seep_verdict_name(enum seep_verdict verdict);

#endif
