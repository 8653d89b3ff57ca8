/* document.h: a customer, and a session of his, as clients see them: JSON, made from the aggregate's state.
 *
 * Sealed   what has its `plaintext` is shown; what was not opened is left out, as if it were not there. The verifier of
 *          the password is never shown. So the same renderer serves whoever may read the person and whoever may not.
 * Thread   pure; any.            May use: base, generated structs.
 */
#pragma once

#include "core/base/buf.h"
#include "gen/state.h"
#include "projections/customers/sessions.h"

/* {id, status, email?, pending_email?, name?, addresses[] ({id, address?}), roles[], consents[], totp,
 * password_change_required, locked_until?, version, created_at, changed_at}, appended to `out`; of one who is being
 * erased, or was, {id, status, version, created_at, changed_at}. The plaintext of an address is the JSON of an Address
 * and is written as it is. */
void customer_document(struct buf *out, struct str stream, int64_t version, const struct customer_state *state);

/* The items of its `addresses`, into an array that was begun. */
struct json_writer;
void customer_addresses_write(struct json_writer *writer, const struct customer_state *state);

/* {session, current, method, client?, opened_at, used_at, expires_at}. */
void customer_session_document(struct buf *out, const struct customer_session *session, bool is_current);

/* {session, method, client?, opened_at}: of one that may have ended. */
void customer_session_opened_document(struct buf *out, const struct customer_session *session);
