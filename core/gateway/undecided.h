/* undecided.h: the places of commands whose clients were told "not known yet", or have gone.
 *
 * Purpose  such a command still waits in the log for its shard, so its place among the shard's commands (admission.h)
 *          is kept until its outcome comes: else whoever does not wait for outcomes (`Prefer: respond-async`) could
 *          fill the log faster than it is decided.
 * Bounds   each holds a place, so there are no more than places. After UNDECIDED_KEPT_MS the place is free again, for
 *          an outcome may have got lost; sooner when it is in doubt whether the command stands in the log at all.
 * Thread   the loop's.
 */
#pragma once

#include "core/base/str.h"

struct request;

enum { UNDECIDED_KEPT_MS = 10 * 1000, UNDECIDED_IN_DOUBT_KEPT_MS = 1000 };

/* Takes over the request's place, if it has one. Without room among the loop's waiters the place stays the request's,
 * and is free when it is answered. */
void undecided_keep(struct request *request, struct str command_id, bool is_in_doubt);
