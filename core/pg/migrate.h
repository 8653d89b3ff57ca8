/* migrate.h: the tables of one schema, brought up to date by numbered steps.
 *
 * Promise  the steps that a schema has not had are run in the order of their numbers, all in one transaction under an
 *          advisory lock: several processes may do it at once, and a failure leaves the schema as it was. Running it
 *          again changes nothing. A step is never edited once it has been released; a change is a new step.
 *          A schema that knows a step that we do not was made by a newer Daybook: ERR_CONFLICT, untouched.
 * How      the schema's table `migrations` has a row for each step it had. SQL finds its schema by search_path.
 * Thread   the session's.        May use: base.
 */
#pragma once

#include "core/pg/session.h"

struct pg_migration {
    int number; /* 1, 2, 3 ... in ascending order */
    const char *name;
    const char *sql;
};

/* Runs SQL that is no step, and changes nothing when run again, in a transaction under the same lock: without it two at
 * once may both find that something is missing. */
MUST_CHECK enum err pg_migrate_again(struct pg_session *session, const char *sql, struct err_info *info);

/* `ret_applied` (may be NULL): how many steps were run. */
MUST_CHECK enum err pg_migrate(struct pg_session *session, const char *schema, const struct pg_migration *migrations,
                               size_t count, int *ret_applied, struct err_info *info);
