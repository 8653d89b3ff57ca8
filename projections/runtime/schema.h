/* schema.h: a view's PostgreSQL schema: made, filled beside the live one, switched.
 *
 * Thread   the session's.        May use: pg.
 */
#pragma once

#include "core/pg/session.h"
#include "projections/runtime/feed.h"

enum { SCHEMA_NAME_MAX = 64 };

/* Makes the view's tables in `schema`, or brings them up to date; `ret_steps` (may be NULL): how many steps were run.
 */
MUST_CHECK enum err view_schema_migrate(struct pg_session *session, const struct view *view, const char *schema,
                                        int *ret_steps, struct err_info *info);

/* Drops the schema's indexes, save those that keep keys unique, and tells how to make them again. Each row of a large
 * table that is filled goes faster into an index that is made at the end of it all. The result is the caller's. */
MUST_CHECK enum err view_schema_drop_indexes(struct pg_session *session, const char *schema, PGresult **ret_indexes,
                                             struct err_info *info);
MUST_CHECK enum err view_schema_make_indexes(struct pg_session *session, const PGresult *indexes,
                                             struct err_info *info);

/* Where the view in `schema` stands: next_offset of each of the partitions, which the caller named. */
MUST_CHECK enum err view_schema_positions(struct pg_session *session, const char *schema,
                                          struct feed_partition *partitions, size_t count, struct err_info *info);
