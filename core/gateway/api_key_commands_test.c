/* What the front adds to commands about API keys; api_key_rotation is looked at in integration-tests/test_keys.py. */
#include "core/gateway/api_key_commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/log/record.h"
#include "core/vault/token.h"
#include "gen/codec.h"

#define KEY "key_01ARZ3NDEKTSV4RRFFQ69G5FAV"

static const struct secret secret = {{9}};
static struct arena arena;

static int set_up(void **state) {
    (void)state;
    arena_init(&arena, 1 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_release(&arena);
    return 0;
}

/* Of a key that was made or rotated to this generation. */
static struct outcome outcome_at(int32_t generation) {
    const struct api_key_state state = {.status = API_KEY_STATUS_ACTIVE, .name = STR("a"), .generation = generation};
    struct buf framed;
    buf_init(&framed, 1 << 16);
    frame_write(&framed, API_KEY_STATE_SCHEMA_ID);
    api_key_state_encode(&framed, &state);
    struct outcome outcome = {.status = OUTCOME_STATUS_ACCEPTED,
                              .stream = STR(KEY),
                              .version = 9,
                              .resource = arena_str_copy(&arena, buf_text(&framed))};
    buf_release(&framed);
    return outcome;
}

/* As it was sent, with or without a client's key. */
static struct command creation(bool client_key) {
    return (struct command){.type = COMMAND_CREATE_API_KEY, .meta = {.stream = STR(KEY), .client_key = client_key}};
}

static struct command rotation(int32_t generation, bool client_key) {
    return (struct command){.type = COMMAND_ROTATE_API_KEY,
                            .meta = {.stream = STR(KEY), .client_key = client_key},
                            .as.rotate_api_key.generation = generation};
}

static void the_log_is_told_the_hash_of_what_the_answer_shows(void **state) {
    (void)state;
    struct command command = creation(false);
    assert_true(api_key_is_made_by(&command));
    api_key_complete(&arena, &secret, &command);
    struct outcome outcome = outcome_at(1);
    struct str text = api_key_of_outcome(&arena, &secret, &command, &outcome);
    uint8_t hash[API_KEY_HASH_BYTES];
    char stream[API_KEY_STREAM_LEN];
    api_key_hash(text, hash);
    assert_true(str_equal(command.as.create_api_key.hash, str_of((const char *)hash, sizeof hash)));
    assert_true(api_key_parse(text, stream));
    assert_memory_equal(stream, KEY, sizeof stream);
}

/* Of a rotation that is sent again the front makes another generation, and what was decided is told. */
static void a_replay_shows_the_secret_of_its_own_generation(void **state) {
    (void)state;
    struct command first = rotation(2, true), again = rotation(3, true);
    struct outcome outcome = outcome_at(2), replayed = outcome_at(2);
    replayed.replayed = true;
    struct str text = api_key_of_outcome(&arena, &secret, &first, &outcome);
    assert_int_equal(text.len, API_KEY_LEN);
    assert_true(str_equal(text, api_key_of_outcome(&arena, &secret, &again, &replayed)));
    struct str shown = arena_printf(&arena, "{\"id\":1,\"secret\":\"%.*s\"}", STR_ARGS(text));
    assert_true(str_equal(api_key_shown(&arena, &secret, &first, &outcome, STR("{\"id\":1}")), shown));
}

/* Without a key no outcome is kept: whoever lost his reply is told the key as it is by then. */
static void what_somebody_else_has_made_since_is_not_shown(void **state) {
    (void)state;
    struct outcome rotated_since = outcome_at(3);
    rotated_since.replayed = true;
    const struct command lost[] = {creation(false), rotation(2, false)};
    for (size_t i = 0; i < ARRAY_LENGTH(lost); i++) {
        assert_true(str_is_empty(api_key_of_outcome(&arena, &secret, &lost[i], &rotated_since)));
        assert_true(str_equal(api_key_shown(&arena, &secret, &lost[i], &rotated_since, STR("{}")), STR("{}")));
    }
    struct command last = rotation(3, false);
    assert_int_equal(api_key_of_outcome(&arena, &secret, &last, &rotated_since).len, API_KEY_LEN);
}

static void an_outcome_without_a_key_has_no_secret(void **state) {
    (void)state;
    struct command command = creation(true);
    struct outcome outcome = outcome_at(1);
    outcome.resource = (struct str){0};
    assert_true(str_is_empty(api_key_of_outcome(&arena, &secret, &command, &outcome)));
    assert_true(str_equal(api_key_shown(&arena, &secret, &command, &outcome, STR("{}")), STR("{}")));
    outcome.resource = STR("\0\0\0\0\xff garbage");
    assert_true(str_is_empty(api_key_of_outcome(&arena, &secret, &command, &outcome)));
}

static void other_commands_are_as_they_were(void **state) {
    (void)state;
    struct command revoke = {.type = COMMAND_REVOKE_API_KEY, .meta.stream = STR(KEY)}, before = revoke;
    assert_false(api_key_is_made_by(&revoke));
    api_key_complete(&arena, &secret, &revoke);
    assert_memory_equal(&revoke, &before, sizeof revoke);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_is_told_the_hash_of_what_the_answer_shows),
        cmocka_unit_test(a_replay_shows_the_secret_of_its_own_generation),
        cmocka_unit_test(what_somebody_else_has_made_since_is_not_shown),
        cmocka_unit_test(an_outcome_without_a_key_has_no_secret),
        cmocka_unit_test(other_commands_are_as_they_were),
    };
    return cmocka_run_group_tests_name("api_key_commands", tests, set_up, tear_down);
}
