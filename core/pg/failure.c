#include "core/pg/failure.h"

#include "core/base/str.h"

#include <string.h>

/* libpq ends its messages with a newline and may add DETAIL lines: the first line is the sentence. */
static struct str first_line(const char *message) {
    return str_of(message, strcspn(message, "\n"));
}

enum err pg_failure(const PGresult *result, const PGconn *connection, const char *what, struct err_info *info) {
    const char *state = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = result == NULL ? NULL : PQresultErrorMessage(result);
    if (message == NULL || message[0] == '\0') {
        message = PQerrorMessage(connection);
    }
    struct str line = first_line(message);
    if (state == NULL) {
        return err_set_retriable(info, ERR_POSTGRES, "%s: %.*s", what, STR_ARGS(line));
    }
    /* query_canceled, as by statement_timeout; lock_not_available, as by lock_timeout. */
    if (strcmp(state, "57014") == 0 || strcmp(state, "55P03") == 0) {
        return err_set_retriable(info, ERR_TIMEOUT, "%s: %.*s", what, STR_ARGS(line));
    }
    struct str class = str_of(state, 2);
    /* 54 is program_limit_exceeded: a text too long for an index, say. */
    if (str_equal(class, STR("22")) || str_equal(class, STR("23")) || str_equal(class, STR("54"))) {
        return err_set(info, ERR_MALFORMED, "%s: %.*s", what, STR_ARGS(line));
    }
    bool passes = str_equal(class, STR("08")) || str_equal(class, STR("40")) || str_equal(class, STR("53")) ||
                  str_equal(class, STR("57"));
    if (passes) {
        return err_set_retriable(info, ERR_POSTGRES, "%s: %.*s", what, STR_ARGS(line));
    }
    return err_set(info, ERR_POSTGRES, "%s: %.*s", what, STR_ARGS(line));
}
