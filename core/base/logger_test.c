#include "core/base/logger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>

enum { LINE_MAX_BYTES = 4096 };

struct capture {
    int reading_end;
    int stderr_before;
    char line[2 * LINE_MAX_BYTES];
};

/* Standard error goes into a pipe while one test runs. */
static int capture_setup(void **state) {
    static struct capture capture;
    int ends[2];
    if (pipe(ends) != 0) {
        return -1;
    }
    capture.reading_end = ends[0];
    capture.stderr_before = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    log_set_level(LOG_INFO);
    *state = &capture;
    return 0;
}

static int capture_teardown(void **state) {
    struct capture *capture = *state;
    dup2(capture->stderr_before, STDERR_FILENO);
    close(capture->stderr_before);
    close(capture->reading_end);
    return 0;
}

/* One read(2) gets what one write(2) wrote. */
static struct str captured(struct capture *capture) {
    ssize_t len = read(capture->reading_end, capture->line, sizeof capture->line);
    assert_true(len > 0);
    return str_of(capture->line, (size_t)len);
}

static json_t *captured_json(struct capture *capture) {
    struct str line = captured(capture);
    assert_int_equal(line.data[line.len - 1], '\n');
    assert_int_equal(str_find(line, '\n'), line.len - 1);
    json_t *json = json_loadb(line.data, line.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    assert_non_null(json);
    return json;
}

static const char *text_at(const json_t *json, const char *name) {
    return json_string_value(json_object_get(json, name));
}

static void a_line_says_when_how_grave_who_and_what(void **state) {
    log_line(LOG_WARN, "handler", "shard taken over", LOG_INT("shard", 3), LOG_CSTR("stream", "cart_X"));
    json_t *json = captured_json(*state);
    assert_int_equal(strlen(text_at(json, "time")), strlen("2026-11-23T06:22:51.123456Z"));
    assert_string_equal(text_at(json, "level"), "warn");
    assert_string_equal(text_at(json, "role"), "handler");
    assert_string_equal(text_at(json, "message"), "shard taken over");
    assert_int_equal(json_integer_value(json_object_get(json, "shard")), 3);
    assert_string_equal(text_at(json, "stream"), "cart_X");
    assert_int_equal(json_object_size(json), 6);
    json_decref(json);
}

static void a_line_needs_no_fields(void **state) {
    log_line(LOG_INFO, "serve", "ready");
    json_t *json = captured_json(*state);
    assert_int_equal(json_object_size(json), 4);
    json_decref(json);
}

static void lines_below_the_level_are_not_written(void **state) {
    log_line(LOG_DEBUG, "serve", "unseen");
    log_set_level(LOG_ERROR);
    log_line(LOG_WARN, "serve", "unseen");
    log_line(LOG_ERROR, "serve", "seen");
    json_t *json = captured_json(*state);
    assert_string_equal(text_at(json, "message"), "seen");
    json_decref(json);
}

static void whatever_text_is_given_the_line_is_json(void **state) {
    log_line(LOG_INFO, "serve", "text", LOG_STR("text", STR("\"\\\n\x01\x7f\0\xff\xc3 €")));
    json_t *json = captured_json(*state);
    const json_t *text = json_object_get(json, "text");
    static const char expected[] = "\"\\\n\x01\x7f\0\xef\xbf\xbd\xef\xbf\xbd €";
    assert_int_equal(json_string_length(text), sizeof expected - 1);
    assert_memory_equal(json_string_value(text), expected, sizeof expected - 1);
    json_decref(json);
}

static void a_line_that_is_too_long_is_cut_says_so_and_is_json_still(void **state) {
    char text[3 * LINE_MAX_BYTES];
    static const char *const fillers[] = {"x", "\n", "€", "\"", "\xff"};
    for (size_t filler = 0; filler < ARRAY_LENGTH(fillers); filler++) {
        for (size_t before = 0; before < 8; before++) {
            size_t len = before;
            memset(text, 'a', before);
            while (len + 4 < sizeof text) {
                memcpy(text + len, fillers[filler], strlen(fillers[filler]));
                len += strlen(fillers[filler]);
            }
            log_line(LOG_INFO, "serve", "long", LOG_STR("text", str_of(text, len)), LOG_INT("number", INT64_MIN),
                     LOG_CSTR("more", "text"));
            json_t *json = captured_json(*state);
            assert_true(json_is_true(json_object_get(json, "cut")));
            assert_true(json_string_length(json_object_get(json, "text")) > LINE_MAX_BYTES / 8);
            json_decref(json);
        }
    }
}

static void a_field_that_just_does_not_fit_is_left_out(void **state) {
    char text[LINE_MAX_BYTES];
    memset(text, 'x', sizeof text);
    for (size_t len = LINE_MAX_BYTES - 250; len < LINE_MAX_BYTES; len++) {
        log_line(LOG_INFO, "serve", "long", LOG_STR("text", str_of(text, len)), LOG_INT("number", INT64_MIN),
                 LOG_CSTR("more", "text"));
        struct str line = captured(*state);
        assert_true(line.len <= LINE_MAX_BYTES);
        json_t *json = json_loadb(line.data, line.len, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(json);
        json_decref(json);
    }
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

enum { WRITERS = 4, LINES_EACH = 200, PIPE_BYTES = 1 << 20 /* for all of them */ };

static void *write_lines(void *argument) {
    char text[200];
    int writer = (int)(uintptr_t)argument;
    memset(text, 'a' + writer, sizeof text);
    for (int i = 0; i < LINES_EACH; i++) {
        log_line(LOG_INFO, "serve", "told", LOG_INT("writer", writer), LOG_INT("number", i),
                 LOG_STR("text", str_of(text, (size_t)i % sizeof text)));
        log_line(LOG_DEBUG, "serve", "kept back");
    }
    return NULL;
}

/* Lines are whole, and each thread's in its order. */
static void lines_of_many_threads_do_not_mix(void **state) {
    struct capture *capture = *state;
    pthread_t threads[WRITERS];
    int64_t next[WRITERS] = {0};
    FILE *lines = fdopen(dup(capture->reading_end), "r");
    char *line = NULL;
    size_t capacity = 0;
    assert_non_null(lines);
    assert_true(fcntl(capture->reading_end, F_SETPIPE_SZ, PIPE_BYTES) >= PIPE_BYTES);
    for (uintptr_t i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, (void *)i), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    dup2(capture->stderr_before, STDERR_FILENO); /* so that the pipe ends */
    for (ssize_t len; (len = getline(&line, &capacity, lines)) > 0;) {
        json_t *json = json_loadb(line, (size_t)len, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(json);
        json_int_t writer = json_integer_value(json_object_get(json, "writer"));
        assert_in_range(writer, 0, WRITERS - 1);
        assert_int_equal(json_integer_value(json_object_get(json, "number")), next[writer]++);
        json_decref(json);
    }
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(next[i], LINES_EACH);
    }
    free(line);
    fclose(lines);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_says_when_how_grave_who_and_what, capture_setup, capture_teardown),
        cmocka_unit_test_setup_teardown(a_line_needs_no_fields, capture_setup, capture_teardown),
        cmocka_unit_test_setup_teardown(lines_below_the_level_are_not_written, capture_setup, capture_teardown),
        cmocka_unit_test_setup_teardown(whatever_text_is_given_the_line_is_json, capture_setup, capture_teardown),
        cmocka_unit_test_setup_teardown(a_line_that_is_too_long_is_cut_says_so_and_is_json_still, capture_setup,
                                        capture_teardown),
        cmocka_unit_test_setup_teardown(a_field_that_just_does_not_fit_is_left_out, capture_setup, capture_teardown),
        cmocka_unit_test_setup_teardown(lines_of_many_threads_do_not_mix, capture_setup, capture_teardown),
    };
    return cmocka_run_group_tests_name("logger", tests, NULL, NULL);
}
