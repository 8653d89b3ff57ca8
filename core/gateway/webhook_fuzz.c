/* webhook_fuzz.c: libFuzzer on webhooks: the field with the signature, and the body.
 *
 * Four lines and the rest: what stands before and behind the genuine signature, when it was signed, and what is
 * changed; the rest is the body. Beyond what the sanitizers see: no field is genuine whose signature is not of
 * these very bytes and of now; the provider's own always is; and what a body becomes reads as it was written,
 * whatever the order and the spaces of its members.
 */
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/format.h"
#include "core/base/text.h"
#include "core/gateway/identity.h"
#include "core/gateway/json_text.h"
#include "core/gateway/webhook.h"
#include "core/log/record.h"

enum { ARENA_MAX_BYTES = 16 << 20, BUF_MAX_BYTES = 2 << 20, NOW_S = 1700000000, TEXT_MAX = 512 };

#define SECRET STR("a secret that two of us know")

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "webhook_fuzz: %s\n", what);
        abort();
    }
}

static struct str take_line(struct str *text) {
    struct str line = str_first(*text, str_find(*text, '\n'));
    *text = str_from(*text, line.len + 1);
    return line;
}

/* The text of HMAC-SHA-256 over "<time>.<body>". */
static struct str signature_of(struct arena *arena, struct str time, struct str body) {
    struct str text = arena_printf(arena, "%.*s.", STR_ARGS(time));
    uint8_t hash[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_state state;
    text = arena_join(arena, text, body);
    crypto_auth_hmacsha256_init(&state, (const uint8_t *)SECRET.data, SECRET.len);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)text.data, text.len);
    crypto_auth_hmacsha256_final(&state, hash);
    char *hex = arena_alloc(arena, 2 * sizeof hash + 1);
    return str_of_cstr(sodium_bin2hex(hex, 2 * sizeof hash + 1, hash, sizeof hash));
}

/* Whether the field says so: its first time, and that time's signature, somewhere behind or before it. */
static bool is_signed(struct arena *arena, struct str field, struct str body, struct str *ret_time) {
    const char *at = str_starts_with(field, STR("t=")) ? field.data : memmem(field.data, field.len, ",t=", 3);
    while (at != NULL) { /* an empty one does not count */
        struct str rest = str_from(field, (uint32_t)(at - field.data) + (*at == ',' ? 3 : 2));
        *ret_time = str_first(rest, str_find(rest, ','));
        if (ret_time->len > 0) {
            struct str signature = arena_join(arena, STR("v1="), signature_of(arena, *ret_time, body));
            return memmem(field.data, field.len, signature.data, signature.len) != NULL;
        }
        at = memmem(rest.data, rest.len, ",t=", 3);
    }
    return false;
}

static void check_field(struct arena *arena, struct str field, struct str body) {
    struct str time = {0};
    int64_t time_s = 0;
    enum webhook_check said = webhook_check(SECRET, field, body, NOW_S);
    bool is_of_us = is_signed(arena, field, body, &time) && int64_read(time, &time_s);
    bool is_in_time = time_s >= NOW_S - WEBHOOK_TOLERANCE_S && time_s <= NOW_S + WEBHOOK_TOLERANCE_S;
    require(said == WEBHOOK_FORGED || is_of_us, "what is not signed is forged");
    require(said != WEBHOOK_GENUINE || is_in_time, "what is stale is not genuine");
    require(webhook_check(STR(""), field, body, NOW_S) == WEBHOOK_FORGED, "without a secret nothing is genuine");
}

/* The field that a provider sends, which is genuine; and once with one byte of it, or of the body, changed. */
static void check_genuine(struct arena *arena, struct str offset, struct str change, struct str body) {
    int64_t offset_s = 0;
    bool is_offset = int64_read(offset, &offset_s) && offset_s > -1000000 && offset_s < 1000000;
    struct str time = arena_printf(arena, "%lld", (long long)(NOW_S + (is_offset ? offset_s : 0)));
    struct str field = arena_printf(arena, "t=%.*s,v1=%.*s", STR_ARGS(time), STR_ARGS(signature_of(arena, time, body)));
    bool is_stale = is_offset && (offset_s > WEBHOOK_TOLERANCE_S || offset_s < -WEBHOOK_TOLERANCE_S);
    require(webhook_check(SECRET, field, body, NOW_S) == (is_stale ? WEBHOOK_STALE : WEBHOOK_GENUINE),
            "the provider's own is genuine for its time");
    if (change.len < 3 || change.data[2] == 0) {
        return;
    }
    struct str both = arena_join(arena, field, body);
    uint32_t place = ((uint32_t)(uint8_t)change.data[0] << 8 | (uint8_t)change.data[1]) % both.len;
    char *changed = (char *)both.data;
    changed[place] = (char)(changed[place] ^ change.data[2]);
    struct str changed_field = str_first(both, field.len), changed_body = str_from(both, field.len);
    check_field(arena, changed_field, changed_body);
    require(webhook_check(SECRET, changed_field, changed_body, NOW_S) == WEBHOOK_FORGED, "what is changed is forged");
}

static bool is_text(struct str text) {
    return text.len <= TEXT_MAX && utf8_is_valid(text);
}

static void check_command(struct arena *arena, const struct command *command, struct buf *out) {
    const struct record_provider_outcome *outcome = &command->as.record_provider_outcome;
    require(str_starts_with(command->meta.stream, STR("pay_")), "a webhook is about a payment");
    require(outcome->intent.len > 0 && is_text(outcome->intent) && is_text(outcome->result) &&
                is_text(outcome->provider_ref) && is_text(outcome->code) && is_text(outcome->message),
            "its texts are short");
    require(outcome->amount.amount >= 0 && (outcome->amount.currency.len == 0 || outcome->amount.currency.len == 3),
            "an amount is not negative");
    require(!outcome->has_action_url || format_matches(FORMAT_URL, outcome->action_url),
            "a shopper is sent to http or https");
    struct command named = *command, again;
    static const struct secret secret = {{3}};
    named.meta.command_id = identity_provider_outcome(arena, &secret, outcome->intent, outcome->result, outcome->amount,
                                                      outcome->provider_ref);
    named.meta.correlation_id = named.meta.causation_id = named.meta.command_id;
    named.meta.actor = STR("provider:test");
    command_record_write(out, &named);
    struct err_info info = {0};
    require(buf_ok(out) && command_record_read(arena, buf_text(out), &again, &info) == ERR_NONE,
            "what is taken can be read from the log");
    require(str_equal(again.as.record_provider_outcome.message, outcome->message) &&
                str_equal(again.meta.stream, command->meta.stream),
            "and says the same");
}

static void check_body(struct arena *arena, struct str body) {
    struct command command, again;
    struct problem problem = {0};
    if (!webhook_command(arena, body, &command, &problem)) {
        require(problem.status == 400 && problem.code != NULL && problem.detail != NULL, "a refusal says why");
        return;
    }
    struct buf once, twice;
    struct json_text_problem why;
    buf_init(&once, BUF_MAX_BYTES);
    buf_init(&twice, BUF_MAX_BYTES);
    check_command(arena, &command, &once);
    json_t *json = json_text_read(arena, body, &why);
    require(json != NULL, "what was taken is JSON");
    struct str canonical = json_text_canonical(arena, json);
    json_decref(json);
    require(webhook_command(arena, canonical, &again, &problem), "so it is in another order");
    check_command(arena, &again, &twice);
    require(str_equal(buf_text(&once), buf_text(&twice)), "and says the same, under the same name");
    buf_release(&twice);
    buf_release(&once);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 64 * 1024) {
        return 0;
    }
    struct arena arena;
    arena_init(&arena, ARENA_MAX_BYTES);
    struct str body = str_of((const char *)data, size);
    struct str before = take_line(&body), behind = take_line(&body), offset = take_line(&body),
               change = take_line(&body);
    struct str time = STR("1700000000");
    struct str genuine =
        arena_printf(&arena, "t=%.*s,v1=%.*s", STR_ARGS(time), STR_ARGS(signature_of(&arena, time, body)));
    check_field(&arena, arena_join(&arena, arena_join(&arena, before, genuine), behind), body);
    check_field(&arena, before, body);
    check_genuine(&arena, offset, change, body);
    check_body(&arena, body);
    arena_release(&arena);
    return 0;
}
