#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "projections/runtime/statements.h"

static const struct view_table sums = {
    .name = "sums",
    .columns = {{"a", VIEW_TEXT, .key = true},
                {"b", VIEW_BIGINT, .key = true},
                {"n", VIEW_BIGINT, .additive = true},
                {"tags", VIEW_TEXT_ARRAY}},
    .column_count = 4,
};

static void assert_makes(void (*make)(struct buf *, const struct view_table *), const struct view_table *shape,
                         const char *expected) {
    struct buf sql;
    buf_init(&sql, 4096);
    make(&sql, shape);
    buf_byte(&sql, '\0');
    assert_string_equal(sql.data, expected);
    buf_release(&sql);
}

static void a_row_that_is_there_is_replaced_and_its_additive_columns_are_added_to(void **state) {
    (void)state;
    assert_makes(statement_insert, &sums,
                 "INSERT INTO sums AS t (a, b, n, tags) SELECT unnest($1::text[]), unnest($2::bigint[]),"
                 " unnest($3::bigint[]), unnest($4::text[])::text[]"
                 " ON CONFLICT (a, b) DO UPDATE SET n = t.n + excluded.n, tags = excluded.tags");
}

static void a_row_of_an_append_only_table_never_replaces_another(void **state) {
    (void)state;
    struct view_table ledger = {
        .name = "ledger",
        .columns = {{"id", VIEW_TEXT, .key = true}, {"at", VIEW_TIMESTAMP}, {"event", VIEW_JSON}},
        .column_count = 3,
        .append_only = true,
    };
    assert_makes(statement_insert, &ledger,
                 "INSERT INTO ledger AS t (id, at, event) SELECT unnest($1::text[]), unnest($2::timestamptz[]),"
                 " unnest($3::json[])");
}

static void a_row_that_is_new_is_added(void **state) {
    (void)state;
    assert_makes(statement_add, &sums,
                 "INSERT INTO sums AS t (a, b, n, tags) SELECT unnest($1::text[]), unnest($2::bigint[]),"
                 " unnest($3::bigint[]), unnest($4::text[])::text[]");
}

static void rows_are_deleted_by_their_keys(void **state) {
    (void)state;
    assert_makes(statement_delete, &sums,
                 "DELETE FROM sums AS t USING unnest($1::text[], $2::bigint[]) AS r (a, b)"
                 " WHERE (t.a, t.b) = (r.a, r.b)");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_that_is_there_is_replaced_and_its_additive_columns_are_added_to),
        cmocka_unit_test(a_row_of_an_append_only_table_never_replaces_another),
        cmocka_unit_test(a_row_that_is_new_is_added),
        cmocka_unit_test(rows_are_deleted_by_their_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
