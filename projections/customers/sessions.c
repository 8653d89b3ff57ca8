#include "projections/customers/sessions.h"

#include "projections/runtime/row_read.h"

enum {
    SESSION_NUMBER,
    SESSION_METHOD,
    SESSION_OPENED_AT,
    SESSION_USED_AT,
    SESSION_EXPIRES_AT,
    SESSION_GENERATION,
    SESSION_CLIENT_KEY,
    SESSION_CLIENT_NONCE,
    SESSION_CLIENT,
};

/* One that has ended by itself has no use any more. */
const struct pg_statement customer_sessions = {
    .name = "customer_sessions",
    .sql = "SELECT s.session, s.method, " ROW_MICROS("s.opened_at") ", " ROW_MICROS("u.used_at") ", " ROW_MICROS(
        "u.expires_at") ", u.generation, s.client_key, encode(s.client_nonce, 'hex'), encode(s.client, 'hex')"
                        " FROM customers.customers AS c JOIN customers.session_uses AS u ON u.customer = c.id"
                        " JOIN customers.sessions AS s ON s.customer = u.customer AND s.session = u.session"
                        " WHERE c.id = $1::text AND c.status = 'active'"
                        " AND (u.session >= c.sessions_from OR u.session = c.session_kept)"
                        " AND u.expires_at > $2::timestamptz ORDER BY u.session DESC LIMIT $3::bigint",
    .parameter_count = 3,
};

/* Of one that has ended by itself, `session_uses` has no row. */
const struct pg_statement customer_sessions_opened = {
    .name = "customer_sessions_opened",
    .sql = "SELECT s.session, s.method, " ROW_MICROS("s.opened_at") ", " ROW_MICROS("s.opened_at") ", " ROW_MICROS(
        "s.opened_at") ", 1, s.client_key, encode(s.client_nonce, 'hex'), encode(s.client, 'hex')"
                       " FROM customers.sessions AS s WHERE s.customer = $1::text"
                       " AND s.session > coalesce($3::bigint, 0) ORDER BY s.session LIMIT $2::bigint",
    .parameter_count = 3,
};

static bool read_client(struct arena *arena, const PGresult *rows, int row, struct sealed *ret_client) {
    struct sealed client = {.key_id = arena_str_copy(arena, pg_value(rows, row, SESSION_CLIENT_KEY))};
    if (!row_bytes(arena, rows, row, SESSION_CLIENT_NONCE, &client.nonce) ||
        !row_bytes(arena, rows, row, SESSION_CLIENT, &client.ciphertext)) {
        return false;
    }
    *ret_client = client;
    return true;
}

bool customer_session_read(struct arena *arena, const PGresult *rows, int row, struct customer_session *ret_session) {
    struct customer_session session = {.has_client = PQgetisnull(rows, row, SESSION_CLIENT) == 0};
    if (!row_int32(rows, row, SESSION_NUMBER, &session.session) ||
        !row_int64(rows, row, SESSION_OPENED_AT, &session.opened_at) ||
        !row_int64(rows, row, SESSION_USED_AT, &session.used_at) ||
        !row_int64(rows, row, SESSION_EXPIRES_AT, &session.expires_at) ||
        !row_int32(rows, row, SESSION_GENERATION, &session.generation) ||
        (session.has_client && !read_client(arena, rows, row, &session.client))) {
        return false;
    }
    session.method = arena_str_copy(arena, pg_value(rows, row, SESSION_METHOD));
    *ret_session = session;
    return true;
}

enum { END_CUSTOMER, END_SESSION, END_UPTO, END_KEPT, END_TIME };

const struct pg_statement session_ends_since = {
    .name = "session_ends_since",
    .sql = "SELECT customer, session, upto, kept, " ROW_MICROS("ended_at") " FROM customers.session_ends"
                                                                           " WHERE ended_at >= $1::timestamptz"
                                                                           " ORDER BY ended_at, customer, version"
                                                                           " LIMIT $2::bigint",
    .parameter_count = 2,
};

bool session_end_read(const PGresult *rows, int row, struct session_end *ret_end) {
    struct session_end end = {.customer = pg_value(rows, row, END_CUSTOMER),
                              .is_upto = str_equal(pg_value(rows, row, END_UPTO), STR("t"))};
    if (!row_int32(rows, row, END_SESSION, &end.session) || !row_int32(rows, row, END_KEPT, &end.kept) ||
        !row_int64(rows, row, END_TIME, &end.ended_at)) {
        return false;
    }
    *ret_end = end;
    return true;
}
