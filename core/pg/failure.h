/* failure.h: what PostgreSQL answered, as an enum err.
 *
 * Source   SQLSTATE classes, PostgreSQL 15 manual, appendix A. Retriable are a lost connection (08), a refused or
 *          stopping server (53, 57), a deadlock or serialization failure (40): the same call may work later. Classes
 *          22, 23 and 54 say that the data is at fault: ERR_MALFORMED. 57014 and 55P03 are our own statement_timeout
 *          and lock_timeout: ERR_TIMEOUT, retriable.
 * Thread   any.          May use: base.
 */
#pragma once

#include <libpq-fe.h>

#include "core/base/err.h"

/* `result` may be NULL: then the connection is what failed. `what` says what was being done. */
enum err pg_failure(const PGresult *result, const PGconn *connection, const char *what, struct err_info *info);
