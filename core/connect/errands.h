/* errands.h: what is done for people because of an event: mails are sent, keys of who is erased are destroyed, and the
 * log is told. One thread with a uv loop beside the connector's; these calls are for cmd/ and any thread.
 *
 *      event that is told to somebody -> mail -> RecordMail -> CustomerMailed
 *      OrderPlaced and OrderConfirmed, or OrderConfirmationRequested -> mail -> RecordOrderMail -> OrderMailed
 *      CustomerErasureRequested -> keys destroyed -> RecordErasure -> CustomerErased
 *
 * Promise  an errand is done when the log says so, not when the server did: whatever dies in between, it is done again,
 *          a mail under the same Message-ID, a destruction without harm. So a mail is sent at least once, and an
 *          acknowledged erasure has happened.
 * Mails    that are not taken are tried again after 1 minute, 2, 4 .. 60, ERRAND_TRIES in all since this process began;
 *          then they have failed. Without smtp_url they wait, as long as they are of use (mails.h) by the log's time
 *          (log_clock.h). One that was told, and that no handler has decided, is sent again after a restart.
 * Orders   are read only where smtp_url is set: without it no order costs anything here, and none of its day's mails
 *          waits. The confirmation of one that is cancelled is not sent, and nothing recorded of it, be it that it was
 *          handed over already.
 * Keys     of addresses that somebody else has by now are left alone (vault/upkeep.h).
 * Upkeep   soon after the start, and every vault_vacuum_s, the keys' table is written anew, when some were destroyed or
 *          replaced since.
 *          May use: log, domain, vault, pg.
 */
#pragma once

#include "core/base/buf.h"
#include "core/base/config.h"
#include "core/base/err.h"

enum { ERRAND_TRIES = 12 };

struct errands;

/* ERR_CONFIG: the settings of mails cannot work. Neither log nor database nor mail server need answer yet. */
MUST_CHECK enum err errands_start(const struct config *config, struct errands **ret_errands, struct err_info *info);
void errands_stop(struct errands *errands);
bool errands_is_ready(const struct errands *errands);
void errands_metrics(const struct errands *errands, struct buf *out);
