/* fold.h: events and outcomes into state: the one fold, for what is decided now and for what is replayed.
 *
 * Promise  an event is folded only when it continues its stream: the next version, the chain's hash, a time that does
 *          not go back. ERR_BROKEN_HISTORY otherwise: nothing may be decided on such a history.
 *          Records that are none of ours (no frame) are passed over and counted. A framed event that cannot be read is
 *          ERR_BROKEN_HISTORY: a newer release may have written it, and were it the last of its stream, nothing later
 *          would show that it is missing.
 * Window   an event puts its command into the window, an outcome puts the answer beside it; in either order, for the
 *          two come from different topics. Follow-ups that were decided with their cause are not kept: no log holds
 *          them, so nothing brings them a second time (docs/adr/0017).
 * Memory   the overlay's arena; the texts of the record must live as long.
 * Thread   the overlay's.        May use: base, domain, log.
 */
#pragma once

#include "core/handler/overlay.h"
#include "core/log/reader.h"

/* `value` is the event's record, framed; seen_at_us the broker's time of it, or of the command while deciding. */
MUST_CHECK enum err fold_event(struct overlay *overlay, struct live_stream *stream, const struct event *event,
                               struct str value, int64_t seen_at_us, struct err_info *info);

/* `value` is the Outcome, framed. */
MUST_CHECK enum err fold_outcome(struct overlay *overlay, const struct outcome *outcome, struct str value,
                                 int64_t seen_at_us, struct err_info *info);

/* One record of an event topic or of outcomes, and the overlay's progress past it. *ret_foreign: it was passed over. */
MUST_CHECK enum err fold_record(struct overlay *overlay, enum log_topic topic, const struct log_record *record,
                                bool *ret_foreign, struct err_info *info);
