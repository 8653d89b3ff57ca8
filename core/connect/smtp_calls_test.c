/* Given a server that takes, refuses, defers, hangs or is lost, what becomes of a mail? */
#include "core/connect/smtp_calls.h"

#include <signal.h>

#include "core/base/timestamp.h"
#include "core/connect/test_smtp.h"
#include "core/http/test_tls.h"

enum { MANY = SMTP_CALLS_MAX };

/* What one mail's callback was told. */
struct told {
    int count;
    enum smtp_result result;
    int code;
    char why[256];
};

struct scene {
    struct test_smtp server;
    uv_loop_t loop;
    uv_timer_t guard;
    struct smtp_calls *calls;
    char url[64];
    struct told told[MANY + 1];
    int sent, told_count;
    bool has_closed;
};

static const char plain_mail[] = "Subject: a\r\n\r\n.\r\n..dots\r\nlast line\r\n";

static void on_done(void *context, const struct smtp_outcome *outcome) {
    struct told *told = context;
    told->count++;
    told->result = outcome->result;
    told->code = outcome->code;
    snprintf(told->why, sizeof told->why, "%s", outcome->why == NULL ? "" : outcome->why);
}

static void on_overdue(uv_timer_t *timer) {
    (void)timer;
    fail_msg("nothing came of it in time");
}

static void scene_open(struct scene *scene, struct smtp_server settings) {
    struct err_info info = {0};
    uv_loop_init(&scene->loop);
    uv_timer_init(&scene->loop, &scene->guard);
    uv_timer_start(&scene->guard, on_overdue, TEST_SMTP_WAIT_S * 1000, 0);
    uv_unref((uv_handle_t *)&scene->guard);
    if (settings.url == NULL) {
        snprintf(scene->url, sizeof scene->url, "smtp://127.0.0.1:%d/shop.example", scene->server.port);
        settings.url = scene->url;
    }
    if (smtp_calls_open(&scene->loop, &settings, &scene->calls, &info) != ERR_NONE) {
        fail_msg("%s", info.text);
    }
}

static void scene_begin(struct scene *scene, struct test_smtp_options options, struct smtp_server settings) {
    *scene = (struct scene){0};
    test_smtp_start(&scene->server, options);
    scene_open(scene, settings);
}

static enum err try_send(struct scene *scene, const char *to, struct err_info *info) {
    struct smtp_message message = {
        .from = STR("shop@shop.example"), .to = str_of_cstr(to), .data = str_of_cstr(plain_mail)};
    enum err err = smtp_send(scene->calls, &message, on_done, &scene->told[scene->sent], info);
    scene->sent += err == ERR_NONE;
    return err;
}

static void send_to(struct scene *scene, const char *to) {
    struct err_info info = {0};
    if (try_send(scene, to, &info) != ERR_NONE) {
        fail_msg("%s", info.text);
    }
}

static int count_told(const struct scene *scene) {
    int count = 0;
    for (int i = 0; i < scene->sent; i++) {
        count += scene->told[i].count;
    }
    return count;
}

static void run_until_told(struct scene *scene) {
    while (count_told(scene) < scene->sent) {
        uv_run(&scene->loop, UV_RUN_ONCE);
    }
}

static void on_closed(void *context) {
    struct scene *scene = context;
    scene->has_closed = true;
}

static void scene_close(struct scene *scene) {
    smtp_calls_close(scene->calls, on_closed, scene);
    while (!scene->has_closed) {
        uv_run(&scene->loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&scene->guard, NULL);
    uv_run(&scene->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&scene->loop), 0);
    test_smtp_stop(&scene->server);
    for (int i = 0; i < scene->sent; i++) {
        assert_int_equal(scene->told[i].count, 1);
    }
}

static void scene_end(struct scene *scene) {
    scene_close(scene);
    test_smtp_release(&scene->server);
}

static void assert_told(const struct told *told, enum smtp_result result, int code) {
    if (told->count != 1 || told->result != result || told->code != code) {
        fail_msg("told %d times, result %d, code %d: %s", told->count, told->result, told->code, told->why);
    }
    assert_int_equal(told->why[0] == '\0', result == SMTP_SENT);
    assert_null(strchr(told->why, '@'));
}

/* ---- what becomes of a mail -------------------------------------------------------------------------------------- */

static void a_mail_arrives_as_it_was_written(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene, (struct test_smtp_options){0}, (struct smtp_server){0});
    send_to(&scene, "you@example.com");
    assert_int_equal(smtp_calls_open_count(scene.calls), 1);
    assert_int_equal(count_told(&scene), 0);
    run_until_told(&scene);
    assert_int_equal(smtp_calls_open_count(scene.calls), 0);
    scene_close(&scene);
    assert_told(&scene.told[0], SMTP_SENT, 250);
    assert_int_equal(scene.server.mail_count, 1);
    const struct test_smtp_mail *mail = &scene.server.mails[0];
    assert_non_null(strstr(mail->from, "<shop@shop.example>"));
    assert_string_equal(mail->to, "<you@example.com>");
    assert_true(str_equal(buf_text(&mail->data), STR("Subject: a\r\n\r\n.\r\n..dots\r\nlast line\r\n")));
    test_smtp_release(&scene.server);
}

static void what_the_server_says_of_the_mail_is_told_apart(void **state) {
    (void)state;
    static const struct {
        const char *to;
        enum smtp_result result;
        int code;
    } rows[] = {
        {"refused@example.com", SMTP_REFUSED, 550},    {"spam@example.com", SMTP_REFUSED, 554},
        {"deferred@example.com", SMTP_TRY_LATER, 450}, {"busy@example.com", SMTP_TRY_LATER, 451},
        {"lost@example.com", SMTP_TRY_LATER, 250},     {"vanishing@example.com", SMTP_TRY_LATER, 354},
        {"you@example.com", SMTP_SENT, 250},
    };
    struct scene scene;
    scene_begin(&scene, (struct test_smtp_options){0}, (struct smtp_server){0});
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        send_to(&scene, rows[i].to);
    }
    run_until_told(&scene);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_told(&scene.told[i], rows[i].result, rows[i].code);
    }
    assert_string_equal(scene.told[0].why, "the server answered 550 to the recipient");
    assert_string_equal(scene.told[1].why, "the server answered 554 to the message");
    scene_end(&scene);
    assert_int_equal(scene.server.mail_count, 1);
}

/* Somebody can mend what is wrong with us; the mail is as good as before. */
static void a_refusal_of_ourselves_is_not_one_of_the_mail(void **state) {
    (void)state;
    static const struct {
        struct test_smtp_options options;
        int code;
    } rows[] = {
        {{.greeting = "554 we know you\r\n"}, 554},
        {{.to_sender = "550 not from you\r\n"}, 550},
        {{.login = "AHVzZXIAb3RoZXI="}, 535},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct scene scene;
        scene_begin(&scene, rows[i].options, (struct smtp_server){.username = "user", .password = "password"});
        send_to(&scene, "you@example.com");
        run_until_told(&scene);
        assert_told(&scene.told[0], SMTP_TRY_LATER, rows[i].code);
        scene_end(&scene);
    }
}

static void where_nobody_listens_it_is_tried_later(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene, (struct test_smtp_options){0}, (struct smtp_server){.url = "smtp://127.0.0.1:1"});
    send_to(&scene, "you@example.com");
    run_until_told(&scene);
    assert_told(&scene.told[0], SMTP_TRY_LATER, 0);
    scene_end(&scene);
}

static void a_server_that_hangs_is_left_and_the_next_mail_goes(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene, (struct test_smtp_options){0}, (struct smtp_server){.timeout_ms = 300, .connections_max = 1});
    int64_t began_us = clock_boot_us();
    send_to(&scene, "hanging@example.com");
    send_to(&scene, "you@example.com");
    run_until_told(&scene);
    int64_t took_ms = (clock_boot_us() - began_us) / MICROS_PER_MS;
    assert_told(&scene.told[0], SMTP_TRY_LATER, 250);
    assert_told(&scene.told[1], SMTP_SENT, 250);
    assert_true(took_ms >= 300);
    scene_end(&scene);
    assert_int_equal(scene.server.connections, 2);
}

/* ---- connections ------------------------------------------------------------------------------------------------- */

static void two_at_once_share_a_connection(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene, (struct test_smtp_options){0}, (struct smtp_server){.connections_max = 1});
    send_to(&scene, "first@example.com");
    send_to(&scene, "second@example.com");
    assert_int_equal(smtp_calls_open_count(scene.calls), 2);
    run_until_told(&scene);
    scene_end(&scene);
    assert_int_equal(scene.server.connections, 1);
    assert_int_equal(scene.server.mail_count, 2);
    assert_string_equal(scene.server.mails[0].to, "<first@example.com>");
    assert_string_equal(scene.server.mails[1].to, "<second@example.com>");
    assert_int_equal(scene.server.quits, 1); /* it is left politely */
}

static void two_at_once_go_beside_each_other_and_no_more(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene, (struct test_smtp_options){.greets_when_open = 2}, (struct smtp_server){.connections_max = 2});
    for (int i = 0; i < MANY; i++) {
        send_to(&scene, "you@example.com");
    }
    run_until_told(&scene);
    scene_end(&scene);
    assert_int_equal(scene.server.open_most, 2);
    assert_int_equal(scene.server.connections, 2);
    assert_int_equal(scene.server.mail_count, MANY);
}

static void one_more_than_may_wait_is_refused_and_changes_nothing(void **state) {
    (void)state;
    struct scene scene;
    struct err_info info = {0};
    scene_begin(&scene, (struct test_smtp_options){0}, (struct smtp_server){0});
    for (int i = 0; i < MANY; i++) {
        send_to(&scene, "you@example.com");
    }
    assert_int_equal(try_send(&scene, "you@example.com", &info), ERR_TOO_LARGE);
    assert_true(info.retriable);
    assert_int_equal(smtp_calls_open_count(scene.calls), MANY);
    run_until_told(&scene);
    send_to(&scene, "you@example.com");
    run_until_told(&scene);
    scene_end(&scene);
    assert_int_equal(scene.server.mail_count, MANY + 1);
}

static void connections_closed_in_idleness_cost_no_mail(void **state) {
    (void)state;
    static const char *const farewells[] = {"", "421 you were idle\r\n"};
    for (size_t i = 0; i < ARRAY_LENGTH(farewells); i++) {
        struct scene scene;
        scene_begin(&scene, (struct test_smtp_options){.farewell = farewells[i], .greets_when_open = 2},
                    (struct smtp_server){0});
        send_to(&scene, "you@example.com");
        for (int mail = 1; mail < 4; mail++) {
            send_to(&scene, "you@example.com");
            run_until_told(&scene);
            test_smtp_wait_closed(&scene.server);
        }
        for (int mail = 0; mail < 4; mail++) {
            assert_told(&scene.told[mail], SMTP_SENT, 250);
        }
        scene_end(&scene);
        assert_int_equal(scene.server.connections, 4);
        assert_int_equal(scene.server.mail_count, 4);
    }
}

/* libcurl would wait two minutes for the answer, and the loop with it. */
static void nobody_waits_for_the_answer_to_a_farewell(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene, (struct test_smtp_options){.is_mute_at_quit = true}, (struct smtp_server){0});
    int64_t began_us = clock_boot_us();
    send_to(&scene, "refused@example.com");
    run_until_told(&scene);
    assert_told(&scene.told[0], SMTP_REFUSED, 550);
    send_to(&scene, "you@example.com");
    run_until_told(&scene);
    assert_told(&scene.told[1], SMTP_SENT, 250);
    scene_end(&scene);
    assert_true(clock_boot_us() - began_us < 5 * MICROS_PER_SECOND);
    assert_int_equal(scene.server.quits, 2);
}

static void closing_tells_all_that_are_under_way(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene, (struct test_smtp_options){0}, (struct smtp_server){.connections_max = 1});
    send_to(&scene, "hanging@example.com");
    send_to(&scene, "you@example.com");
    while (test_smtp_senders(&scene.server) == 0) {
        uv_run(&scene.loop, UV_RUN_ONCE);
    }
    scene_end(&scene);
    assert_int_equal(scene.told[0].result, SMTP_TRY_LATER);
    assert_int_equal(scene.told[1].result, SMTP_TRY_LATER);
    assert_int_equal(scene.server.mail_count, 0);
}

/* ---- TLS and passwords ------------------------------------------------------------------------------------------- */

struct certificates {
    struct test_authority authority;
    struct tls_context *server, *stranger;
};

static int make_certificates(void **state) {
    struct certificates *made = calloc(1, sizeof *made);
    test_authority_begin(&made->authority);
    test_certificate_write(&made->authority, (struct test_certificate){.name = "server"});
    test_certificate_write(&made->authority,
                           (struct test_certificate){.name = "stranger", .hosts = "DNS:mail.example.com"});
    made->server = test_server_context(&made->authority, "server");
    made->stranger = test_server_context(&made->authority, "stranger");
    *state = made;
    return 0;
}

static int release_certificates(void **state) {
    struct certificates *made = *state;
    tls_context_close(made->server);
    tls_context_close(made->stranger);
    test_authority_end(&made->authority);
    free(made);
    return 0;
}

/* AUTH PLAIN's \0user\0password. */
static const char login[] = "AHVzZXIAcGFzc3dvcmQ=";

static void mails_and_passwords_go_encrypted(void **state) {
    const struct certificates *certificates = *state;
    for (int begins_with_tls = 0; begins_with_tls < 2; begins_with_tls++) {
        struct scene scene = {0};
        struct test_smtp_options options = {
            .tls = certificates->server, .login = login, .begins_with_tls = begins_with_tls};
        test_smtp_start(&scene.server, options);
        snprintf(scene.url, sizeof scene.url, "smtp%s://localhost:%d", begins_with_tls ? "s" : "", scene.server.port);
        scene_open(&scene, (struct smtp_server){.url = scene.url,
                                                .username = "user",
                                                .password = "password",
                                                .ca_file = certificates->authority.file,
                                                .connections_max = 1});
        send_to(&scene, "you@example.com");
        send_to(&scene, "refused@example.com");
        run_until_told(&scene);
        assert_told(&scene.told[0], SMTP_SENT, 250);
        assert_told(&scene.told[1], SMTP_REFUSED, 550);
        scene_end(&scene);
        assert_true(scene.server.mails[0].was_encrypted);
        assert_true(scene.server.mails[0].was_logged_in);
        assert_int_equal(scene.server.connections, 1);
    }
}

static void without_trust_nothing_is_said(void **state) {
    const struct certificates *certificates = *state;
    const struct {
        struct tls_context *tls;
        bool begins_with_tls, trusts_the_system;
    } rows[] = {
        {.tls = NULL},                                            /* no STARTTLS */
        {.tls = certificates->stranger},                          /* another host's */
        {.tls = certificates->stranger, .begins_with_tls = true}, /* the same */
        {.tls = certificates->server,
         .begins_with_tls = true,
         .trusts_the_system = true}, /* an authority of nobody's */
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct scene scene = {0};
        struct test_smtp_options options = {
            .tls = rows[i].tls, .login = login, .begins_with_tls = rows[i].begins_with_tls};
        test_smtp_start(&scene.server, options);
        snprintf(scene.url, sizeof scene.url, "smtp%s://localhost:%d", rows[i].begins_with_tls ? "s" : "",
                 scene.server.port);
        scene_open(&scene,
                   (struct smtp_server){.url = scene.url,
                                        .username = "user",
                                        .password = "password",
                                        .ca_file = rows[i].trusts_the_system ? NULL : certificates->authority.file});
        send_to(&scene, "you@example.com");
        run_until_told(&scene);
        assert_int_equal(scene.told[0].result, SMTP_TRY_LATER);
        scene_end(&scene);
        assert_int_equal(scene.server.passwords, 0);
        assert_int_equal(scene.server.senders, 0);
    }
}

/* ---- what is refused at once ------------------------------------------------------------------------------------- */

static void settings_that_cannot_work_are_refused(void **state) {
    (void)state;
    static const struct smtp_server rows[] = {
        {.url = ""},
        {.url = "mail.example.com"},
        {.url = "http://mail.example.com"},
        {.url = "smtp://user:secret@mail.example.com"},
        {.url = "smtp://mail.example.com/a/b"},
        {.url = "smtp://mail.example.com/a%0d%0ab"},
        {.url = "smtp://mail.example.com?a"},
        {.url = "smtp://mail.example.com#a"},
        {.url = "smtp://mail.example.com:99999"},
        {.url = "smtp://mail.example.com", .username = "user"},
        {.url = "smtp://mail.example.com", .password = "password"},
        {.url = "smtp://mail.example.com", .ca_file = "/there/is/none.pem"},
    };
    uv_loop_t loop;
    uv_loop_init(&loop);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct smtp_calls *calls = NULL;
        struct err_info info = {0};
        assert_int_equal(smtp_calls_open(&loop, &rows[i], &calls, &info), ERR_CONFIG);
        assert_true(info.text[0] != '\0');
        assert_null(strstr(info.text, "secret"));
        assert_null(calls);
    }
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void what_is_no_address_or_no_mail_is_refused(void **state) {
    (void)state;
    struct scene scene;
    struct err_info info = {0};
    scene_begin(&scene, (struct test_smtp_options){0}, (struct smtp_server){0});
    assert_int_equal(try_send(&scene, "", &info), ERR_MALFORMED);
    assert_int_equal(try_send(&scene, "you@example.com>\r\nRCPT TO:<other@example.com", &info), ERR_MALFORMED);
    static char large[SMTP_MESSAGE_MAX_BYTES + 1];
    struct smtp_message message = {
        .from = STR("shop@shop.example"), .to = STR("you@example.com"), .data = str_of(large, sizeof large)};
    assert_int_equal(smtp_send(scene.calls, &message, on_done, NULL, &info), ERR_TOO_LARGE);
    assert_false(info.retriable);
    message.data.len = 0;
    assert_int_equal(smtp_send(scene.calls, &message, on_done, NULL, &info), ERR_TOO_LARGE);
    assert_int_equal(smtp_calls_open_count(scene.calls), 0);
    scene_end(&scene);
    assert_int_equal(scene.server.connections, 0);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN); /* as the program does */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mail_arrives_as_it_was_written),
        cmocka_unit_test(what_the_server_says_of_the_mail_is_told_apart),
        cmocka_unit_test(a_refusal_of_ourselves_is_not_one_of_the_mail),
        cmocka_unit_test(where_nobody_listens_it_is_tried_later),
        cmocka_unit_test(a_server_that_hangs_is_left_and_the_next_mail_goes),
        cmocka_unit_test(two_at_once_share_a_connection),
        cmocka_unit_test(two_at_once_go_beside_each_other_and_no_more),
        cmocka_unit_test(one_more_than_may_wait_is_refused_and_changes_nothing),
        cmocka_unit_test(connections_closed_in_idleness_cost_no_mail),
        cmocka_unit_test(nobody_waits_for_the_answer_to_a_farewell),
        cmocka_unit_test(closing_tells_all_that_are_under_way),
        cmocka_unit_test_setup_teardown(mails_and_passwords_go_encrypted, make_certificates, release_certificates),
        cmocka_unit_test_setup_teardown(without_trust_nothing_is_said, make_certificates, release_certificates),
        cmocka_unit_test(settings_that_cannot_work_are_refused),
        cmocka_unit_test(what_is_no_address_or_no_mail_is_refused),
    };
    return cmocka_run_group_tests_name("smtp_calls", tests, NULL, NULL);
}
