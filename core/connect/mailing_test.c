/* One mail's way, with a vault and a mail server that say what a test tells them. */
#include "core/connect/mailing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/connect/test_people.h"

/* ---- the vault and the server ------------------------------------------------------------------------------------ */

static struct {
    enum vault_found found;
    enum vault_end end;
    const char *address; /* NULL: another key has its place */
    enum err send_err;
    bool send_is_retriable;
    int sends;
    char from[64], to[64], data[MAIL_MAX_BYTES];
    smtp_done_cb *on_done;
    void *context;
} world;

void vault_key_of(struct vault *vault, struct str key_id, enum vault_wish wish, vault_key_cb *on_key, void *context) {
    (void)vault;
    assert_int_equal(wish, VAULT_FIND);
    assert_true(str_equal(key_id, A_KEY));
    const struct vault_key key = {.id = key_id};
    on_key(context, world.found, world.found == VAULT_THERE ? &key : NULL);
}

void vault_end_of(struct vault *vault, struct str key_id, vault_end_cb *on_end, void *context) {
    (void)vault;
    assert_true(str_equal(key_id, A_KEY));
    on_end(context, world.end);
}

bool vault_unseal(const struct vault_key *key, struct arena *arena, const struct sealed *sealed,
                  struct str *ret_plaintext) {
    assert_true(str_equal(key->id, sealed->key_id));
    assert_true(str_equal(sealed->ciphertext, STR("a ciphertext")));
    if (world.address == NULL) {
        return false;
    }
    *ret_plaintext = arena_str_copy(arena, str_of_cstr(world.address));
    return true;
}

static void keep(char *to, size_t size, struct str text) {
    assert_true(text.len < size);
    memcpy(to, text.data, text.len);
    to[text.len] = '\0';
}

enum err smtp_send(struct smtp_calls *calls, const struct smtp_message *message, smtp_done_cb *on_done, void *context,
                   struct err_info *info) {
    (void)calls;
    if (world.send_err != ERR_NONE) {
        *info = (struct err_info){.code = world.send_err, .retriable = world.send_is_retriable, .text = "no"};
        return world.send_err;
    }
    world.sends++;
    keep(world.from, sizeof world.from, message->from);
    keep(world.to, sizeof world.to, message->to);
    keep(world.data, sizeof world.data, message->data);
    world.on_done = on_done;
    world.context = context;
    return ERR_NONE;
}

/* ---- the test's side --------------------------------------------------------------------------------------------- */

static const struct secret secret;
static struct mailing *mailing;
static struct open_errands *owed;
static struct errand *errand;
static int told;
static struct mail_result result;

static void on_done(struct errand *of, const struct mail_result *said) {
    assert_ptr_equal(of, errand);
    told++;
    result = *said;
}

static int set_up(void **state) {
    (void)state;
    memset(&world, 0, sizeof world);
    world.found = VAULT_THERE;
    world.address = "you@example.com";
    told = 0;
    const struct mailing_options options = {
        .secret = &secret, .from = "The Shop <shop@shop.example>", .public_url = "https://shop.example"};
    struct err_info info;
    assert_int_equal(mailing_open(&options, &mailing, &info), ERR_NONE);
    owed = open_errands_create((struct errand_bounds){1, 1, 1});
    struct event event = verification_requested(STR("evt_1"), 1);
    event.meta.occurred_at = 0;
    errand = open_errands_apply(owed, 1, &event, STR(""), NULL);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    mailing_close(mailing);
    open_errands_free(owed, NULL);
    return 0;
}

static void answer(enum smtp_result how, int code, const char *why) {
    world.on_done(world.context, &(struct smtp_outcome){.result = how, .code = code, .why = why});
}

static void expect(enum mail_end end, int code) {
    assert_int_equal(told, 1);
    assert_int_equal(result.end, end);
    assert_int_equal(result.code, code);
}

static void a_mail_goes_to_the_unsealed_address_and_is_told_when_the_server_has_it(void **state) {
    (void)state;
    mailing_send(mailing, errand, on_done);
    assert_int_equal(told, 0);
    assert_string_equal(world.from, "shop@shop.example");
    assert_string_equal(world.to, "you@example.com");
    assert_non_null(strstr(world.data, "\r\nTo: you@example.com\r\n"));
    assert_non_null(strstr(world.data, "\r\nMessage-ID: <evt_1@shop.example>\r\n"));
    assert_non_null(strstr(world.data, "\r\nDate: Thu, 01 Jan 1970 00:00:00 +0000\r\n"));
    answer(SMTP_SENT, 250, NULL);
    expect(MAIL_SENT, 250);
}

static void sent_again_it_is_the_same_mail(void **state) {
    (void)state;
    char *first = malloc(sizeof world.data);
    assert_non_null(first);
    mailing_send(mailing, errand, on_done);
    memcpy(first, world.data, sizeof world.data);
    answer(SMTP_TRY_LATER, 0, "cut off");
    expect(MAIL_DEFERRED, 0);
    mailing_send(mailing, errand, on_done);
    assert_string_equal(world.data, first);
    free(first);
    answer(SMTP_SENT, 250, NULL);
}

static void what_the_server_never_takes_is_refused(void **state) {
    (void)state;
    mailing_send(mailing, errand, on_done);
    answer(SMTP_REFUSED, 550, "the server answered 550 to the recipient");
    expect(MAIL_REFUSED, 550);
}

/* There is none, or another one, which opens nothing. */
static void expect_without_key(enum vault_end end, enum mail_end expected) {
    for (int i = 0; i < 2; i++) {
        told = 0;
        world.found = i == 0 ? VAULT_NONE : VAULT_THERE;
        world.address = NULL;
        world.end = end;
        mailing_send(mailing, errand, on_done);
        expect(expected, 0);
        assert_int_equal(world.sends, 0);
    }
}

static void whose_key_was_destroyed_was_erased(void **state) {
    (void)state;
    expect_without_key(VAULT_DESTROYED, MAIL_ERASED);
}

/* The dump of before yesterday was restored, say. */
static void a_vault_that_has_lost_a_key_has_erased_nobody(void **state) {
    (void)state;
    expect_without_key(VAULT_NEVER_DESTROYED, MAIL_NOT_NOW);
    expect_without_key(VAULT_END_UNKNOWN, MAIL_NOT_NOW);
}

static void without_the_vault_it_is_not_the_time_for_mails(void **state) {
    (void)state;
    const enum vault_found founds[] = {VAULT_NO_DATABASE, VAULT_NO_MASTER};
    for (size_t i = 0; i < ARRAY_LENGTH(founds); i++) {
        told = 0;
        world.found = founds[i];
        mailing_send(mailing, errand, on_done);
        expect(MAIL_NOT_NOW, 0);
    }
}

static void what_is_no_address_is_refused_without_asking_the_server(void **state) {
    (void)state;
    world.address = "you@example.com\r\nBcc: all@example.com";
    mailing_send(mailing, errand, on_done);
    expect(MAIL_REFUSED, 0);
    assert_int_equal(world.sends, 0);
}

static void what_cannot_be_handed_over_waits_or_is_refused(void **state) {
    (void)state;
    world.send_err = ERR_TOO_LARGE;
    world.send_is_retriable = true;
    mailing_send(mailing, errand, on_done);
    expect(MAIL_NOT_NOW, 0);
    told = 0;
    world.send_is_retriable = false;
    mailing_send(mailing, errand, on_done);
    expect(MAIL_REFUSED, 0);
}

static void so_many_at_once_as_the_server_is_handed(void **state) {
    (void)state;
    smtp_done_cb *done = NULL;
    void *contexts[MAILING_MAX];
    for (int i = 0; i < MAILING_MAX; i++) {
        assert_true(mailing_has_room(mailing));
        mailing_send(mailing, errand, on_done);
        done = world.on_done;
        contexts[i] = world.context;
    }
    assert_false(mailing_has_room(mailing));
    const struct smtp_outcome sent = {.result = SMTP_SENT, .code = 250};
    for (int i = 0; i < MAILING_MAX; i++) {
        done(contexts[i], &sent);
        assert_true(mailing_has_room(mailing));
    }
    assert_int_equal(told, MAILING_MAX);
}

static void settings_that_cannot_work_are_told_at_the_start(void **state) {
    (void)state;
    struct mailing *none = NULL;
    struct err_info info;
    struct mailing_options options = {.secret = &secret, .from = "The Shop", .public_url = "https://shop.example"};
    assert_int_equal(mailing_open(&options, &none, &info), ERR_CONFIG);
    assert_non_null(strstr(info.text, "mail_from"));
    options.from = "shop@shop.example";
    options.public_url = "shop.example";
    assert_int_equal(mailing_open(&options, &none, &info), ERR_CONFIG);
    assert_non_null(strstr(info.text, "public_url"));
    assert_null(none);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_mail_goes_to_the_unsealed_address_and_is_told_when_the_server_has_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(sent_again_it_is_the_same_mail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_server_never_takes_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(whose_key_was_destroyed_was_erased, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_vault_that_has_lost_a_key_has_erased_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_the_vault_it_is_not_the_time_for_mails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_address_is_refused_without_asking_the_server, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_handed_over_waits_or_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(so_many_at_once_as_the_server_is_handed, set_up, tear_down),
        cmocka_unit_test(settings_that_cannot_work_are_told_at_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
