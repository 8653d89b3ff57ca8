/* sessions.h: the sessions of customers, and which of them have ended, for fronts that let in whoever shows a token.
 *
 * Open     a session that has not ended, by itself or with all others of its customer, and has not expired.
 * Ended    a row a SessionEnded or SessionsEnded, kept for ever; of what expires there is none. They become visible in
 *          the order of the log, not quite in that of their times: whoever asks for those since the last answer asks
 *          for some seconds more, and for all that a token can outlive from time to time.
 * Memory   what a row is read into lives in the arena; texts of an end are the result's.
 * Thread   constants; reading is pure, any.            May use: pg, generated structs.
 */
#pragma once

#include "core/base/arena.h"
#include "core/pg/pool.h"
#include "gen/common.h"

/* The customer's open sessions, the newest first. $1 customer, $2 the time now (RFC 3339), $3 rows at most */
extern const struct pg_statement customer_sessions;

/* Each session that the customer ever opened, the first first, with what is known of it for ever: used_at and
 * expires_at are when it was opened, the generation is 1. $1 customer, $2 rows at most, $3 cursor: the number of the
 * last one (NULL: from the beginning) */
extern const struct pg_statement customer_sessions_opened;

struct customer_session {
    int32_t session;
    struct str method; /* password, totp, recovery */
    int64_t opened_at;
    int64_t used_at; /* when its last tokens were given out */
    int64_t expires_at;
    int32_t generation; /* of these tokens */
    bool has_client;
    struct sealed client; /* from where it was opened */
};

MUST_CHECK bool customer_session_read(struct arena *arena, const PGresult *rows, int row,
                                      struct customer_session *ret_session);

/* What ended at this time or later, the earliest first. $1 time (RFC 3339), $2 rows at most: whoever is given as many
 * asks again from the last one's time on, and may get some twice. */
extern const struct pg_statement session_ends_since;

struct session_end {
    struct str customer;
    int32_t session;
    bool is_upto; /* all sessions before that one, save `kept` (0: none); else that one */
    int32_t kept;
    int64_t ended_at;
};

MUST_CHECK bool session_end_read(const PGresult *rows, int row, struct session_end *ret_end);

/* Whether the session, which is of the same customer, ended with it. */
static inline bool session_end_ends(const struct session_end *end, int32_t session) {
    return end->is_upto ? session < end->session && session != end->kept : session == end->session;
}
