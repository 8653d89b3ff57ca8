/* Given a server that answers, holds or is not there, what is a caller told, and is the loop left clean? */
#include "core/connect/http_calls.h"

#include "core/http/test_server.h"

enum { CALLS_MAX = 3, TOLD_MAX = 8 };

struct told {
    struct scene *scene;
    int count, status;
    bool has_error;
    char body[64];
    const char *next_path; /* what is asked when this is answered */
};

struct scene {
    struct test_server server;
    uv_loop_t loop;
    struct http_calls *calls;
    struct told told[TOLD_MAX];
    int begun;
    bool has_closed;
};

static enum err try_call(struct scene *scene, const char *path, struct str body, struct err_info *info);

static void on_done(void *context, const struct http_call_result *result) {
    struct told *told = context;
    told->count++;
    told->status = result->status;
    told->has_error = result->error != NULL;
    snprintf(told->body, sizeof told->body, "%.*s", STR_ARGS(result->body));
    if (told->next_path != NULL) {
        assert_int_equal(try_call(told->scene, told->next_path, (struct str){0}, NULL), ERR_NONE);
    }
}

static enum err try_call(struct scene *scene, const char *path, struct str body, struct err_info *info) {
    char url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", scene->server.port, path);
    const char *headers[] = {"Content-Type: text/plain", NULL};
    struct http_call_request request = {.method = body.len > 0 ? "POST" : "GET",
                                        .url = path[0] == '/' ? url : path,
                                        .headers = headers,
                                        .body = body,
                                        .timeout_ms = TEST_WAIT_S * 1000};
    struct told *told = &scene->told[scene->begun];
    told->scene = scene;
    enum err err = http_call(scene->calls, &request, on_done, told, info);
    scene->begun += err == ERR_NONE;
    return err;
}

static struct told *call(struct scene *scene, const char *path, struct str body) {
    struct err_info info = {0};
    if (try_call(scene, path, body, &info) != ERR_NONE) {
        fail_msg("%s", info.text);
    }
    return &scene->told[scene->begun - 1];
}

static void scene_begin(struct scene *scene) {
    *scene = (struct scene){0};
    test_server_start(&scene->server, (struct http_server_options){0});
    uv_loop_init(&scene->loop);
    assert_int_equal(http_calls_open(&scene->loop, CALLS_MAX, &scene->calls, NULL), ERR_NONE);
}

static void run_until_told(struct scene *scene) {
    while (http_calls_in_flight(scene->calls) > 0) {
        uv_run(&scene->loop, UV_RUN_ONCE);
    }
}

static void on_closed(void *context) {
    struct scene *scene = context;
    scene->has_closed = true;
}

static void scene_end(struct scene *scene) {
    http_calls_close(scene->calls, on_closed, scene);
    assert_false(scene->has_closed);
    uv_run(&scene->loop, UV_RUN_DEFAULT);
    assert_true(scene->has_closed);
    assert_int_equal(uv_loop_close(&scene->loop), 0);
    for (int i = 0; i < scene->begun; i++) {
        assert_int_equal(scene->told[i].count, 1);
    }
    test_server_stop(&scene->server);
}

static void an_answer_is_told_with_its_body(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    const struct told *hello = call(&scene, "/hello", (struct str){0});
    const struct told *echo = call(&scene, "/echo", STR("said"));
    const struct told *nothing = call(&scene, "/nothing", (struct str){0});
    run_until_told(&scene);
    assert_int_equal(hello->status, 200);
    assert_string_equal(hello->body, "hello");
    assert_string_equal(echo->body, "said");
    assert_int_equal(nothing->status, 404);
    assert_false(hello->has_error || echo->has_error || nothing->has_error);
    scene_end(&scene);
}

static void where_nobody_listens_nothing_is_known(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    const struct told *told = call(&scene, "http://127.0.0.1:1/", (struct str){0});
    run_until_told(&scene);
    assert_int_equal(told->status, 0);
    assert_true(told->has_error);
    scene_end(&scene);
}

static void a_connection_is_kept_for_the_next_call(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    call(&scene, "/hello", (struct str){0})->next_path = "/later";
    run_until_told(&scene);
    assert_string_equal(scene.told[1].body, "later");
    scene_end(&scene);
    assert_int_equal(scene.server.stats.connections_total, 1);
}

static void one_call_too_many_is_refused(void **state) {
    (void)state;
    struct scene scene;
    struct err_info info = {0};
    scene_begin(&scene);
    for (int i = 0; i < CALLS_MAX; i++) {
        call(&scene, "/later", (struct str){0});
    }
    assert_int_equal(try_call(&scene, "/later", (struct str){0}, &info), ERR_TOO_LARGE);
    assert_true(info.retriable);
    run_until_told(&scene);
    call(&scene, "/hello", (struct str){0});
    run_until_told(&scene);
    scene_end(&scene);
}

static void closing_tells_all_that_are_under_way(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    call(&scene, "/hold", (struct str){0});
    call(&scene, "/hold", (struct str){0});
    while (uv_sem_trywait(&scene.server.held) != 0) {
        uv_run(&scene.loop, UV_RUN_NOWAIT);
    }
    scene_end(&scene);
    assert_int_equal(scene.told[0].status, 0);
    assert_int_equal(scene.told[1].status, 0);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN); /* as the program does */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_told_with_its_body),
        cmocka_unit_test(where_nobody_listens_nothing_is_known),
        cmocka_unit_test(a_connection_is_kept_for_the_next_call),
        cmocka_unit_test(one_call_too_many_is_refused),
        cmocka_unit_test(closing_tells_all_that_are_under_way),
    };
    return cmocka_run_group_tests_name("http_calls", tests, NULL, NULL);
}
