/* In a file of its own: it needs no libpq, so the simulator's sessions are served by it as well. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/memory.h"
#include "core/pg/session.h"

enum err pg_session_execf(struct pg_session *session, struct err_info *info, const char *format, ...) {
    char *sql = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&sql, format, args);
    va_end(args);
    if (length < 0) {
        out_of_memory("a statement");
    }
    enum err result = pg_session_exec(session, sql, info);
    free(sql);
    return result;
}
