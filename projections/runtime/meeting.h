/* meeting.h: a view's live schema and another one, brought to the same place in the log and held there for a moment.
 *
 * Purpose  what a switch and a comparison begin with. The other one is brought up by a feed of ours, at full speed, or
 *          by whoever follows it: another format's program, when it is not of ours.
 * Promise  queries are never held up. Projectors are, from when the two are close: for VIEW_LOCK_MS and MEETING_HOLD_MS
 *          at most, then they are let go and it is tried again, MEETING_TRIES times.
 * Thread   one at a time; blocks.        May use: log, pg, domain.
 */
#pragma once

#include "projections/runtime/rebuild.h"

enum { MEETING_HOLD_MS = 2000, MEETING_TRIES = 20 };

struct meeting {
    const struct rebuild_options *options;
    char live[SCHEMA_NAME_MAX], side[SCHEMA_NAME_MAX];
    struct view_about side_about;
    struct log_topics topics;
    struct pg_session *session;
    struct feed *feed; /* of the side; NULL until it has to be brought up */
    struct feed_partition *live_at, *side_at;
    size_t count;
};

/* ERR_NOT_FOUND: there is no such schema. To be ended in any case. */
MUST_CHECK enum err meeting_begin(struct meeting *meeting, const struct rebuild_options *options, enum view_schema side,
                                  struct err_info *info);
/* Afterwards the side has seen all that the live one has, and nothing more when `exactly`; a transaction of `session`
 * holds both there until it ends. ERR_TIMEOUT: they do not meet. */
MUST_CHECK enum err meeting_hold(struct meeting *meeting, bool exactly, struct err_info *info);
void meeting_end(struct meeting *meeting);
