#include "core/gateway/refusal_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/base/logger.h"
#include "core/base/macros.h"

enum { SECOND_US = 1000 * 1000, LINES_MAX_BYTES = 64 * 1024 };

/* Standard error goes into a file while one test runs. */
static struct {
    FILE *file;
    int stderr_before;
    char text[LINES_MAX_BYTES];
} captured;

static int set_up(void **state) {
    (void)state;
    captured.file = tmpfile();
    captured.stderr_before = dup(STDERR_FILENO);
    log_set_level(LOG_INFO);
    return captured.file == NULL || dup2(fileno(captured.file), STDERR_FILENO) < 0;
}

static int tear_down(void **state) {
    (void)state;
    dup2(captured.stderr_before, STDERR_FILENO);
    close(captured.stderr_before);
    return fclose(captured.file);
}

/* What was written since the last look. */
static char *lines_written(void) {
    rewind(captured.file);
    size_t len = fread(captured.text, 1, sizeof captured.text - 1, captured.file);
    captured.text[len] = '\0';
    rewind(captured.file);
    assert_int_equal(ftruncate(fileno(captured.file), 0), 0);
    assert_int_equal(lseek(STDERR_FILENO, 0, SEEK_SET), 0);
    return captured.text;
}

static size_t count_in(const char *lines) {
    size_t count = 0;
    for (const char *at = lines; (at = strstr(at, "\"refused\"")) != NULL; at++) {
        count++;
    }
    return count;
}

static size_t count_written(void) {
    return count_in(lines_written());
}

static struct refusal refusal_of(enum refusal_kind kind, bool is_known) {
    return (struct refusal){.kind = kind,
                            .status = 403,
                            .code = "forbidden",
                            .method = "PUT",
                            .route = "/v1/customers/{customer}/roles",
                            .who = is_known ? STR("cus_01ARZ3NDEKTSV4RRFFQ69G5FB0") : (struct str){0},
                            .is_known = is_known,
                            .trace_id = STR("0af7651916cd43dd8448eb211c80319c")};
}

static void a_line_says_who_was_refused_what_and_why(void **state) {
    (void)state;
    struct refusal_log log = {0};
    struct refusal refusal = refusal_of(REFUSAL_RIGHTS, true);
    refusal_log_note(&log, &refusal, 5 * SECOND_US);
    json_t *line = json_loads(lines_written(), JSON_DISABLE_EOF_CHECK, NULL);
    static const char *const expected[][2] = {
        {"level", "info"},
        {"role", "gateway"},
        {"message", "refused"},
        {"kind", "rights"},
        {"code", "forbidden"},
        {"method", "PUT"},
        {"route", "/v1/customers/{customer}/roles"},
        {"who", "cus_01ARZ3NDEKTSV4RRFFQ69G5FB0"},
        {"trace", "0af7651916cd43dd8448eb211c80319c"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(expected); i++) {
        const char *text = json_string_value(json_object_get(line, expected[i][0]));
        assert_non_null(text);
        assert_string_equal(text, expected[i][1]);
    }
    assert_int_equal(json_integer_value(json_object_get(line, "status")), 403);
    assert_int_equal(json_integer_value(json_object_get(line, "left_out")), 0);
    assert_int_equal(json_object_size(line), 12); /* with the time; nothing else is told */
    json_decref(line);
    refusal = refusal_of(REFUSAL_RIGHTS, false);
    refusal_log_note(&log, &refusal, 5 * SECOND_US);
    assert_non_null(strstr(lines_written(), "\"who\":\"anonymous\""));
}

static void a_flood_is_cut_and_the_next_line_says_how_much(void **state) {
    (void)state;
    struct refusal_log log = {0};
    struct refusal refusal = refusal_of(REFUSAL_LIMITS, false);
    int64_t now_us = 100 * (int64_t)SECOND_US;
    for (int i = 0; i < 1000; i++) {
        refusal_log_note(&log, &refusal, now_us);
    }
    assert_int_equal(count_written(), REFUSALS_AT_ONCE);
    refusal_log_note(&log, &refusal, now_us + REFUSAL_EVERY_US - 1);
    assert_int_equal(count_written(), 0);
    refusal_log_note(&log, &refusal, now_us + REFUSAL_EVERY_US);
    assert_non_null(strstr(lines_written(), "\"left_out\":981"));
    refusal_log_note(&log, &refusal, now_us + REFUSAL_EVERY_US);
    assert_int_equal(count_written(), 0);
    /* After a silence as many at once as in the beginning, and no more. */
    now_us += 1000 * (int64_t)SECOND_US;
    for (int i = 0; i < 1000; i++) {
        refusal_log_note(&log, &refusal, now_us);
    }
    const char *lines = lines_written();
    assert_non_null(strstr(lines, "\"left_out\":1}")); /* of before the silence; and each is told once */
    assert_null(strstr(strstr(lines, "\"left_out\":1}") + 1, "\"left_out\":1}"));
    assert_int_equal(count_in(lines), REFUSALS_AT_ONCE);
}

static void a_flood_of_one_sort_hides_no_other(void **state) {
    (void)state;
    struct refusal_log log = {0};
    struct refusal flood = refusal_of(REFUSAL_CREDENTIALS, false);
    for (int i = 0; i < 1000; i++) {
        refusal_log_note(&log, &flood, SECOND_US);
    }
    (void)lines_written();
    for (int kind = REFUSAL_NOT_TOLD + 1; kind < REFUSAL_KINDS; kind++) {
        struct refusal known = refusal_of((enum refusal_kind)kind, true);
        refusal_log_note(&log, &known, SECOND_US);
        struct refusal nobody = refusal_of((enum refusal_kind)kind, false);
        refusal_log_note(&log, &nobody, SECOND_US);
    }
    assert_int_equal(count_written(), 2 * (REFUSAL_KINDS - 1) - 1);
}

static void what_an_honest_client_meets_is_not_told(void **state) {
    (void)state;
    static const struct {
        int status;
        const char *code;
        bool is_for_everybody;
        enum refusal_kind kind;
    } ROWS[] = {
        {401, "unauthenticated", false, REFUSAL_RIGHTS},
        {401, "invalid_token", true, REFUSAL_CREDENTIALS},
        {401, "invalid_credentials", true, REFUSAL_CREDENTIALS},
        {401, "token_expired", false, REFUSAL_NOT_TOLD},
        {401, "code_required", true, REFUSAL_NOT_TOLD},
        {401, "session_ended", true, REFUSAL_NOT_TOLD},
        {401, "invalid_signature", true, REFUSAL_FORGED},
        {401, "stale_signature", true, REFUSAL_FORGED},
        {400, "invalid_cart_token", true, REFUSAL_FORGED},
        {400, "invalid_position", true, REFUSAL_FORGED},
        {400, "unknown_field", true, REFUSAL_INPUT},
        {400, "missing_field", false, REFUSAL_NOT_TOLD},
        {403, "forbidden", false, REFUSAL_RIGHTS},
        {403, "csrf_failed", false, REFUSAL_RIGHTS},
        {404, "unknown_order", false, REFUSAL_RIGHTS},
        {404, "unknown_product", true, REFUSAL_NOT_TOLD},
        {409, "insufficient_stock", false, REFUSAL_NOT_TOLD},
        {422, "password_known", true, REFUSAL_NOT_TOLD},
        {429, "rate_limited", true, REFUSAL_LIMITS},
        {503, "overloaded", true, REFUSAL_NOT_TOLD},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(ROWS); i++) {
        if (refusal_kind_of(ROWS[i].status, ROWS[i].code, ROWS[i].is_for_everybody) != ROWS[i].kind) {
            fail_msg("%d %s", ROWS[i].status, ROWS[i].code);
        }
    }
    assert_int_equal(refusal_kind_of_server(400), REFUSAL_MALFORMED);
    assert_int_equal(refusal_kind_of_server(431), REFUSAL_MALFORMED);
    assert_int_equal(refusal_kind_of_server(408), REFUSAL_NOT_TOLD);
    assert_int_equal(refusal_kind_of_server(503), REFUSAL_NOT_TOLD);
    assert_int_equal(refusal_kind_of_server(429), REFUSAL_LIMITS);
    struct refusal_log log = {0};
    struct refusal refusal = refusal_of(REFUSAL_NOT_TOLD, true);
    refusal_log_note(&log, &refusal, SECOND_US);
    assert_int_equal(count_written(), 0);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH(a_line_says_who_was_refused_what_and_why),
        WITH(a_flood_is_cut_and_the_next_line_says_how_much),
        WITH(a_flood_of_one_sort_hides_no_other),
        WITH(what_an_honest_client_meets_is_not_told),
    };
    return cmocka_run_group_tests_name("refusal_log", tests, NULL, NULL);
}
