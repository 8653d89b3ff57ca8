/* test_pool.h: for tests: a pool of the database without one. What pool.h declares is defined here, save for
 * pg_pool_query, which is the test's: it answers each statement with rows of its own.
 * Thread   the loop's.
 */
#pragma once

#include <string.h>

#include "core/pg/pool.h"

enum err pg_pool_open(uv_loop_t *uv, const struct pg_pool_options *options, struct pg_pool **ret_pool,
                      struct err_info *info) {
    (void)uv;
    (void)options;
    (void)ret_pool;
    return err_set(info, ERR_POSTGRES, "there is none");
}

void pg_pool_close(struct pg_pool *pool, void (*on_closed)(void *context), void *context) {
    (void)pool;
    on_closed(context);
}

bool pg_pool_is_up(const struct pg_pool *pool) {
    (void)pool;
    return true;
}

struct str pg_value(const PGresult *result, int row, int column) {
    return str_of(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
}

/* Rows of at most so many columns. */
static inline PGresult *test_rows(int columns) {
    static PGresAttDesc names[] = {
        {.name = (char *)"a"}, {.name = (char *)"b"}, {.name = (char *)"c"}, {.name = (char *)"d"}};
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PQsetResultAttrs(result, columns, names);
    return result;
}

/* NULL is NULL. */
static inline void test_add_values(PGresult *result, const char *const *values, int count) {
    int row = PQntuples(result);
    for (int i = 0; i < count; i++) {
        PQsetvalue(result, row, i, (char *)values[i], values[i] != NULL ? (int)strlen(values[i]) : -1);
    }
}
