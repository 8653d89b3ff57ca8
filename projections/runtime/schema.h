/* schema.h: a view's PostgreSQL schemas: which there are, how one is made, filled, locked, and what it says of itself.
 *
 * Names    `orders` is the live one, which the front's queries name. Beside it may stand `orders_rebuild`, a new one,
 *          filled; `orders_old`, which was live before the last switch; and for a while `orders_filling` and
 *          `orders_compare`, which are being made.
 * Thread   the session's.        May use: pg.
 */
#pragma once

#include "core/pg/session.h"
#include "projections/runtime/feed.h"

enum { SCHEMA_NAME_MAX = 64, VIEW_EPOCH_MAX = 40 };

enum view_schema { VIEW_LIVE, VIEW_REBUILT, VIEW_OLD, VIEW_FILLING, VIEW_COMPARED, VIEW_SCHEMAS };

void view_schema_name(const struct view *view, enum view_schema which, char ret_name[SCHEMA_NAME_MAX]);

/* What a schema says of itself. */
struct view_about {
    bool is_there;              /* and has all that this program looks for; else nothing below is set */
    int64_t format;             /* of its rows (struct view) */
    char epoch[VIEW_EPOCH_MAX]; /* see parking.sql */
};
MUST_CHECK enum err view_schema_about(struct pg_session *session, const char *schema, struct view_about *ret_about,
                                      struct err_info *info);

/* ERR_CONFLICT, and which program is to be asked instead, when a live schema is not this program's to change. */
MUST_CHECK enum err view_schema_must_fit(const struct view *view, const struct view_about *about,
                                         struct err_info *info);

/* Makes the view's tables in `schema`, or brings them up to date, and lets the roles of core/pg/grants.h use them;
 * `ret_steps` (may be NULL): how many steps were run.
 */
MUST_CHECK enum err view_schema_migrate(struct pg_session *session, const struct view *view, const char *schema,
                                        int *ret_steps, struct err_info *info);

/* Drops the schema's indexes, save those that keep keys unique, and tells how to make them again. Each row of a large
 * table that is filled goes faster into an index that is made at the end of it all. The result is the caller's. */
MUST_CHECK enum err view_schema_drop_indexes(struct pg_session *session, const char *schema, PGresult **ret_indexes,
                                             struct err_info *info);
MUST_CHECK enum err view_schema_make_indexes(struct pg_session *session, const PGresult *indexes,
                                             struct err_info *info);

/* Where the view in `schema` stands, all at one moment: next_offset of each of the partitions, which the caller named;
 * 0 where it has not begun. */
MUST_CHECK enum err view_schema_positions(struct pg_session *session, const char *schema,
                                          struct feed_partition *partitions, size_t count, struct err_info *info);

/* In a transaction that holds projectors off: they drop what they remember. search_path must be the schema. */
#define VIEW_NEW_EPOCH "UPDATE about SET epoch = gen_random_uuid()"

/* How long a lock is waited for, while others may have to wait behind us, and how often it is tried. */
enum { VIEW_LOCK_MS = 1000, VIEW_LOCK_TRIES = 20 };
/* And how long PostgreSQL lets a holder stand still, who was stopped, say: then its transaction is over. */
enum { VIEW_HOLDER_IDLE_MS = 10000 };

/* Begins a transaction in which no projector writes to the schema; queries go on. ERR_TIMEOUT: somebody, a projector
 * that stands still in the middle of its transaction, has kept it for VIEW_LOCK_MS; nothing is open then. */
MUST_CHECK enum err view_schema_lock(struct pg_session *session, const char *schema, struct err_info *info);
/* The same, VIEW_LOCK_TRIES times with a pause. */
MUST_CHECK enum err view_schema_lock_patiently(struct pg_session *session, const char *schema, struct err_info *info);

/* Tells the planner how large the view's tables are, which nobody has looked at yet. */
MUST_CHECK enum err view_schema_analyze(struct pg_session *session, const struct view *view, const char *schema,
                                        struct err_info *info);

/* Whoever fills a schema claims its name first, until its session ends. ERR_CONFLICT: for all of some
 * seconds another command had it. */
MUST_CHECK enum err view_schema_claim(struct pg_session *session, const char *schema, struct err_info *info);

/* Drops the schema, once nobody reads it any more: never longer than VIEW_LOCK_MS in others' way, VIEW_LOCK_TRIES
 * times. A switch that is under way goes first: what has the name after it is meant. ERR_NOT_FOUND: there is none. */
MUST_CHECK enum err view_schema_drop(struct pg_session *session, const char *schema, struct err_info *info);
