#include "core/http/problem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/http/deadline.h"
#include "core/http/http_date.h"
#include "core/http/refusal.h"
#include "core/http/status.h"

static void assert_written(const struct problem *problem, struct str expected) {
    struct buf out;
    buf_init(&out, 4096);
    problem_write(&out, problem);
    if (!str_equal(buf_text(&out), expected)) {
        fail_msg("%.*s", (int)out.len, out.data);
    }
    buf_release(&out);
}

static void a_problem_has_the_members_that_it_was_given(void **state) {
    (void)state;
    assert_written(&(struct problem){.status = 404, .code = "not_found"},
                   STR("{\"type\":\"urn:daybook:problem:not_found\",\"title\":\"Not Found\",\"status\":404,"
                       "\"code\":\"not_found\"}"));
    assert_written(&(struct problem){.status = 409,
                                     .code = "out_of_stock",
                                     .detail = "There is \"less\".",
                                     .pointer = STR("/lines/0/a~1b"),
                                     .trace_id = STR("0123456789abcdef0123456789abcdef"),
                                     .members = STR("\"skus\":[\"A\"]")},
                   STR("{\"type\":\"urn:daybook:problem:out_of_stock\",\"title\":\"Conflict\",\"status\":409,"
                       "\"code\":\"out_of_stock\",\"detail\":\"There is \\\"less\\\".\",\"pointer\":\"/lines/0/a~1b\","
                       "\"trace_id\":\"0123456789abcdef0123456789abcdef\",\"skus\":[\"A\"]}"));
}

static void every_refusal_has_a_status_a_code_and_a_sentence(void **state) {
    (void)state;
    static const enum http_refusal ALL[] = {
#define REFUSAL_ITEM(name, status, code, detail) HTTP_REFUSAL_##name,
        HTTP_REFUSAL_TABLE(REFUSAL_ITEM)
#undef REFUSAL_ITEM
    };
    for (size_t i = 0; i < ARRAY_LENGTH(ALL); i++) {
        struct http_refusal_row row = http_refusal_row(ALL[i]);
        assert_in_range(row.status, 400, 599);
        assert_string_not_equal(http_status_text(row.status), "Unknown");
        assert_true(strlen(row.code) > 0);
        assert_int_equal(row.detail[strlen(row.detail) - 1], '.');
    }
}

static void a_status_without_a_phrase_has_its_class(void **state) {
    (void)state;
    assert_string_equal(http_status_text(201), "Created");
    assert_string_equal(http_status_text(418), "Client Error");
    assert_string_equal(http_status_text(599), "Server Error");
    assert_string_equal(http_status_text(99), "Unknown");
    assert_string_equal(http_status_text(600), "Unknown");
}

static void the_date_is_in_the_form_of_rfc_9110(void **state) {
    (void)state;
    struct http_date date = {0};
    assert_true(str_equal(http_date_at(&date, 784111777), STR("Sun, 06 Nov 1994 08:49:37 GMT")));
    assert_true(str_equal(http_date_at(&date, 0), STR("Thu, 01 Jan 1970 00:00:00 GMT")));
    assert_true(str_equal(http_date_at(&date, 1709251199), STR("Thu, 29 Feb 2024 23:59:59 GMT")));
}

static void deadlines_come_due_in_the_order_they_were_set(void **state) {
    (void)state;
    struct deadline_queue queue = {.after_ms = 100}, other = {.after_ms = 10};
    struct deadline a = {0}, b = {0}, c = {0};
    deadline_set(&queue, &a, 0);
    deadline_set(&queue, &b, 10);
    deadline_set(&queue, &c, 20);
    deadline_set(&queue, &a, 30);
    assert_null(deadline_take_due(&queue, 109));
    assert_ptr_equal(deadline_take_due(&queue, 110), &b);
    assert_null(deadline_take_due(&queue, 119));
    deadline_set(&other, &c, 110);
    assert_null(deadline_take_due(&queue, 129));
    assert_ptr_equal(deadline_take_due(&queue, 130), &a);
    assert_null(deadline_take_due(&queue, 1000));
    assert_ptr_equal(deadline_take_due(&other, 120), &c);
    deadline_clear(&c);
    assert_null(queue.first);
    assert_null(other.last);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_problem_has_the_members_that_it_was_given),
        cmocka_unit_test(every_refusal_has_a_status_a_code_and_a_sentence),
        cmocka_unit_test(a_status_without_a_phrase_has_its_class),
        cmocka_unit_test(the_date_is_in_the_form_of_rfc_9110),
        cmocka_unit_test(deadlines_come_due_in_the_order_they_were_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
