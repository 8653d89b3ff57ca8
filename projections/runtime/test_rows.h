/* test_rows.h: for tests: the rows of a query's answer, as the pool hands them over.
 * Thread   any.          May use: cmocka, pg.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <libpq-fe.h>

enum { TEST_COLUMNS_MAX = 16 };

/* One row of texts, NULL for SQL NULL. The caller's to PQclear. */
static inline PGresult *test_row_of(const char *const *texts, int count) {
    char name[] = "column";
    PGresAttDesc columns[TEST_COLUMNS_MAX] = {0};
    assert_true(count <= TEST_COLUMNS_MAX);
    for (int i = 0; i < count; i++) {
        columns[i].name = name;
    }
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_non_null(result);
    assert_int_equal(PQsetResultAttrs(result, count, columns), 1);
    for (int i = 0; i < count; i++) {
        char copy[4096] = "";
        int len = texts[i] == NULL ? -1 : snprintf(copy, sizeof copy, "%s", texts[i]);
        assert_true(len < (int)sizeof copy);
        assert_int_equal(PQsetvalue(result, 0, i, len < 0 ? NULL : copy, len), 1);
    }
    return result;
}
