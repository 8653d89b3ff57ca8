#include "core/gateway/identity.h"

#include <assert.h>
#include <sodium.h>

#include "core/base/text.h"
#include "core/log/record.h"

static struct str ulid_text(struct arena *arena, const char *prefix, const uint8_t bytes[ULID_BYTES]) {
    char text[ULID_TEXT_LEN];
    ulid_write(bytes, text);
    return arena_printf(arena, "%s%.*s", prefix, ULID_TEXT_LEN, text);
}

/* An id of 16 bytes of the keyed hash, which begins as `near` does unless that is empty. The 80 bits that are left are
 * enough that no two requests of one cart ever meet, nor two carts of a millisecond. */
static struct str derived_id(struct arena *arena, const struct secret *secret, const char *prefix, struct str near,
                             const char *label, const struct str *parts, size_t part_count) {
    uint8_t hash[SECRET_HASH_BYTES];
    secret_hash(secret, label, parts, part_count, hash);
    hash[0] &= (uint8_t)~COMMAND_AT_ONCE_BIT;
    if (!str_is_empty(near)) {
        id_lead(near, hash);
    }
    return ulid_text(arena, prefix, hash);
}

static struct str base64url_text(struct arena *arena, const char *prefix, const uint8_t *bytes, size_t size) {
    struct buf text;
    buf_init(&text, 256);
    buf_str(&text, str_of_cstr(prefix));
    base64url_write(&text, str_of((const char *)bytes, size));
    struct str copy = arena_str_copy(arena, buf_text(&text));
    buf_release(&text);
    return copy;
}

struct str identity_principal(struct arena *arena, const struct secret *secret, struct str cart_token) {
    if (str_is_empty(cart_token)) {
        return STR("anonymous");
    }
    uint8_t hash[SECRET_HASH_BYTES];
    secret_hash(secret, "principal of cart token", &cart_token, 1, hash);
    return base64url_text(arena, "guest:", hash, 16);
}

struct str identity_cart_token(struct arena *arena, const struct secret *secret, struct str cart) {
    uint8_t hash[SECRET_HASH_BYTES];
    secret_hash(secret, "cart token", &cart, 1, hash);
    return base64url_text(arena, "", hash, CART_TOKEN_BYTES);
}

struct str identity_command(struct arena *arena, const struct secret *secret, struct str principal, struct str method,
                            struct str path, struct str key, struct str stream) {
    const struct str parts[] = {principal, method, path, key};
    return derived_id(arena, secret, "cmd_", stream, "command", parts, 4);
}

struct str identity_command_within(struct arena *arena, const struct secret *secret, struct str principal,
                                   struct str method, struct str path, struct str key, struct str stream,
                                   struct str within) {
    const struct str parts[] = {principal, method, path, key, stream, within};
    return derived_id(arena, secret, "cmd_", stream, "command within", parts, ARRAY_LENGTH(parts));
}

struct str identity_fresh(struct arena *arena, struct str stream, int64_t now_us) {
    uint8_t bytes[ULID_BYTES];
    uint64_t now_ms = (uint64_t)now_us / 1000;
    for (int i = 0; i < ID_LEAD_BYTES; i++) {
        bytes[i] = (uint8_t)(now_ms >> (8 * (ID_LEAD_BYTES - 1 - i)));
    }
    if (!str_is_empty(stream)) {
        id_lead(stream, bytes);
    }
    randombytes_buf(bytes + ID_LEAD_BYTES, sizeof bytes - ID_LEAD_BYTES);
    return ulid_text(arena, "cmd_", bytes);
}

struct str identity_second_try(struct arena *arena, const struct secret *secret, struct str command_id) {
    return derived_id(arena, secret, "cmd_", command_id, "second try", &command_id, 1);
}

struct str identity_provider_outcome(struct arena *arena, const struct secret *secret, struct str intent,
                                     struct str result, struct money amount, struct str provider_ref) {
    struct str amount_text = arena_printf(arena, "%lld", (long long)amount.amount);
    const struct str parts[] = {intent, result, amount_text, amount.currency, provider_ref};
    return derived_id(arena, secret, "cmd_", intent, "provider outcome", parts, ARRAY_LENGTH(parts));
}

struct str identity_key_use(struct arena *arena, const struct secret *secret, struct str key, int64_t hour) {
    const struct str parts[] = {key, arena_printf(arena, "%lld", (long long)hour)};
    return derived_id(arena, secret, "cmd_", key, "key use", parts, 2);
}

struct str identity_first_admin(struct arena *arena, const struct secret *secret) {
    return derived_id(arena, secret, "cus_", (struct str){0}, "first admin", NULL, 0);
}

struct str identity_stream(struct arena *arena, const struct secret *secret, struct str prefix, struct str command_id) {
    const struct str parts[] = {prefix, command_id};
    struct str bare = derived_id(arena, secret, "", command_id, "stream", parts, 2);
    return arena_printf(arena, "%.*s%.*s", STR_ARGS(prefix), STR_ARGS(bare));
}

struct str identity_of_email(struct arena *arena, const struct secret *secret, struct str email) {
    char *lower = arena_alloc(arena, email.len + 1);
    for (uint32_t i = 0; i < email.len; i++) { /* FORMAT_EMAIL is ASCII */
        bool is_upper = email.data[i] >= 'A' && email.data[i] <= 'Z';
        lower[i] = (char)(is_upper ? email.data[i] - 'A' + 'a' : email.data[i]);
    }
    const struct str normalised = str_of(lower, email.len);
    return derived_id(arena, secret, "idn_", (struct str){0}, "identity", &normalised, 1);
}

struct str identity_nobody(struct arena *arena, const struct secret *secret, struct str identity) {
    return derived_id(arena, secret, "cus_", (struct str){0}, "nobody", &identity, 1);
}

struct str identity_request_hash(struct arena *arena, const struct secret *secret, struct str method, struct str path,
                                 struct str canonical_body) {
    uint8_t hash[SECRET_HASH_BYTES];
    const struct str parts[] = {method, path, canonical_body};
    secret_hash(secret, "request", parts, 3, hash);
    return arena_str_copy(arena, str_of((const char *)hash, sizeof hash));
}

struct str identity_trace(struct arena *arena, struct str command_id) {
    uint8_t bytes[ULID_BYTES];
    bool is_ulid = command_id.len == COMMAND_ID_LEN && ulid_read(str_from(command_id, 4), bytes);
    assert(is_ulid);
    char *text = arena_alloc(arena, 33);
    sodium_bin2hex(text, 33, bytes, sizeof bytes);
    return str_of(text, 32);
}
