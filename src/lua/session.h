/* What one Lua state does with the module: whether it records, where, and since
 * when it looks.
 *
 * Model: a process records at most once. Under `seepline run` that recording is
 * there already; a state that starts then opens a *view* on it, a mark from
 * which on it looks, and stopping closes the view: it keeps what it saw. Without
 * it the state records itself (record/process.h).
 * One session per state, in its registry, gone when the state is closed. Thread
 * rule: on the thread that runs the state. */
#ifndef SEEP_LUA_SESSION_H
#define SEEP_LUA_SESSION_H

#include <limits.h>

#include "lua/compat.h"
#include "model/mark.h"

struct seep_session {
  bool recording;               /* started, and not stopped */
  bool is_view;                 /* of `seepline run`'s recording */
  bool is_by_hooks, used_hooks; /* of the state's own recording; now, and ever */
  bool has_recorded;            /* there is something to show */
  uintptr_t global;             /* of the state, 0 before the first recording of its own */
  char path[PATH_MAX];          /* of the capture that rows are in at the moment */
  char shown_path[PATH_MAX];    /* of the user's own last recording */
  uint32_t state_index;         /* in the capture */
  struct seep_mark *view;       /* where the view begins */
  struct seep_reader *frozen;   /* what a closed view saw last */
};

/* What to record, and where. */
struct seep_session_request {
  const char *out;              /* NULL: the default name in the current folder */
  const char *program;          /* for the default name and messages; a path */
  enum seep_mode mode;
  uint32_t interval;            /* mode sample: bytes; mode count: VM instructions */
};

/* The session of L's state, made at first use. May raise a Lua error (memory). */
struct seep_session *seep_session_of(lua_State *L);

/* Errors are messages for the caller; SEEP_E_USAGE: already (or not) recording. */
enum seep_status seep_session_start(struct seep_session *session, lua_State *L,
                                    const struct seep_session_request *request, struct seep_error *error);
enum seep_status seep_session_stop(struct seep_session *session, lua_State *L, struct seep_error *error);

/* The same for a recording that the user does not see (`check`): what is shown
 * later is still what he recorded last. Not while the state is recorded. */
enum seep_status seep_session_start_quietly(struct seep_session *session, lua_State *L,
                                            const struct seep_session_request *request, struct seep_error *error);
void seep_session_stop_quietly(struct seep_session *session);

/* Makes the capture's rows of this state add up and notes where it is: before
 * reading it. False when the state is not recorded at the moment, by anybody. */
bool seep_session_settle(struct seep_session *session, lua_State *L);

#endif
