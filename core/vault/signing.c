#include "core/vault/signing.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#include "core/base/json_write.h"
#include "core/base/memory.h"
#include "core/base/text.h"

_Static_assert((int)SIGNING_PUBLIC_BYTES == (int)crypto_sign_PUBLICKEYBYTES, "Ed25519's public key");
_Static_assert((int)SIGNING_SIGNATURE_BYTES == (int)crypto_sign_BYTES, "Ed25519's signature");
_Static_assert(sizeof((struct signing_pair *)0)->private_key == crypto_sign_SECRETKEYBYTES, "Ed25519's private key");

struct public_key {
    char kid[SIGNING_KID_LEN];
    uint8_t bytes[SIGNING_PUBLIC_BYTES];
};

struct signing {
    const struct master_ring *ring;
    int64_t epoch;
    size_t key_count;
    struct public_key keys[SIGNING_KEYS_MAX];
    uint32_t issuer_len, audience_len;
    char names[SIGNING_NAMES_MAX_BYTES]; /* the issuer, then the audience */
};

static int64_t epoch_of(int64_t time_s) {
    assert(time_s >= 0);
    return time_s / SIGNING_EPOCH_S;
}

static void write_kid(const uint8_t public_key[SIGNING_PUBLIC_BYTES], char ret_kid[SIGNING_KID_LEN]) {
    uint8_t hash[32];
    char text[SIGNING_KID_LEN + 1];
    int failed = crypto_generichash(hash, sizeof hash, public_key, SIGNING_PUBLIC_BYTES, NULL, 0);
    assert(failed == 0);
    sodium_bin2hex(text, sizeof text, hash, SIGNING_KID_LEN / 2);
    memcpy(ret_kid, text, SIGNING_KID_LEN);
}

static void derive(const struct master_ring *ring, size_t index, int64_t epoch, struct public_key *ret_public,
                   uint8_t ret_private[crypto_sign_SECRETKEYBYTES]) {
    uint8_t seed[crypto_sign_SEEDBYTES];
    master_seed(ring, index, "signing", (uint64_t)epoch, seed);
    int failed = crypto_sign_seed_keypair(ret_public->bytes, ret_private, seed);
    assert(failed == 0);
    sodium_memzero(seed, sizeof seed);
    write_kid(ret_public->bytes, ret_public->kid);
}

static void derive_accepted(struct signing *signing, int64_t epoch) {
    size_t count = 0;
    uint8_t private_key[crypto_sign_SECRETKEYBYTES];
    for (size_t index = 0; index < master_count(signing->ring); index++) {
        for (int64_t one = epoch == 0 ? 0 : epoch - 1; one <= epoch + 1; one++) {
            assert(count < SIGNING_KEYS_MAX);
            derive(signing->ring, index, one, &signing->keys[count++], private_key);
        }
    }
    sodium_memzero(private_key, sizeof private_key);
    signing->key_count = count;
    signing->epoch = epoch;
}

/* Both as texts of JSON, one behind the other. */
static enum err take_names(struct signing *signing, const char *issuer, const char *audience, struct err_info *info) {
    if (issuer[0] == '\0' || audience[0] == '\0' || !utf8_is_valid(str_of_cstr(issuer)) ||
        !utf8_is_valid(str_of_cstr(audience))) {
        return err_set(info, ERR_CONFIG, "the issuer and the audience of tokens must be texts that are not empty");
    }
    struct buf names;
    buf_init(&names, SIGNING_NAMES_MAX_BYTES);
    struct json_writer writer = json_writer_of(&names);
    json_text(&writer, str_of_cstr(issuer));
    signing->issuer_len = (uint32_t)names.len;
    writer = json_writer_of(&names);
    json_text(&writer, str_of_cstr(audience));
    signing->audience_len = (uint32_t)names.len - signing->issuer_len;
    bool is_whole = buf_ok(&names);
    if (is_whole) {
        memcpy(signing->names, names.data, names.len);
    }
    buf_release(&names);
    return is_whole ? ERR_NONE
                    : err_set(info, ERR_CONFIG, "the issuer and the audience of tokens may have %d bytes together",
                              SIGNING_NAMES_MAX_BYTES - 4);
}

enum err signing_open(const struct master_ring *ring, const char *issuer, const char *audience, int64_t now_s,
                      struct signing **ret_signing, struct err_info *info) {
    assert(master_count(ring) > 0);
    struct signing *signing = calloc_or_end(1, sizeof *signing);
    signing->ring = ring;
    enum err err = take_names(signing, issuer, audience, info);
    if (err != ERR_NONE) {
        free(signing);
        return err;
    }
    derive_accepted(signing, epoch_of(now_s));
    *ret_signing = signing;
    return ERR_NONE;
}

void signing_close(struct signing *signing) {
    free(signing);
}

void signing_turn(struct signing *signing, int64_t now_s) {
    int64_t epoch = epoch_of(now_s);
    if (epoch != signing->epoch) {
        derive_accepted(signing, epoch);
    }
}

void signing_pair_derive(const struct signing *signing, int64_t at_s, struct signing_pair *ret_pair) {
    struct public_key public_key;
    derive(signing->ring, 0, epoch_of(at_s), &public_key, ret_pair->private_key);
    memcpy(ret_pair->kid, public_key.kid, sizeof ret_pair->kid);
}

void signing_pair_sign(struct signing_pair *pair, struct str text, uint8_t ret_signature[SIGNING_SIGNATURE_BYTES]) {
    int failed = crypto_sign_detached(ret_signature, NULL, (const uint8_t *)text.data, text.len, pair->private_key);
    assert(failed == 0);
    sodium_memzero(pair, sizeof *pair);
}

const uint8_t *signing_key_named(const struct signing *signing, struct str kid) {
    for (size_t i = 0; i < signing->key_count; i++) {
        if (str_equal(kid, str_of(signing->keys[i].kid, SIGNING_KID_LEN))) {
            return signing->keys[i].bytes;
        }
    }
    return NULL;
}

bool signing_is_signed(const uint8_t *key, struct str text, const uint8_t signature[SIGNING_SIGNATURE_BYTES]) {
    return crypto_sign_verify_detached(signature, (const uint8_t *)text.data, text.len, key) == 0;
}

struct str signing_issuer(const struct signing *signing) {
    return str_of(signing->names, signing->issuer_len);
}

struct str signing_audience(const struct signing *signing) {
    return str_of(signing->names + signing->issuer_len, signing->audience_len);
}

void jwks_write(const struct signing *signing, struct buf *out) {
    struct json_writer writer = json_writer_of(out);
    json_object_begin(&writer);
    json_field_array(&writer, "keys");
    for (size_t i = 0; i < signing->key_count; i++) {
        const struct public_key *key = &signing->keys[i];
        json_object_begin(&writer);
        json_field_cstr(&writer, "kty", "OKP");
        json_field_cstr(&writer, "crv", "Ed25519");
        json_field_cstr(&writer, "use", "sig");
        json_field_cstr(&writer, "alg", "EdDSA");
        json_field_string(&writer, "kid", str_of(key->kid, SIGNING_KID_LEN));
        json_name(&writer, STR("x"));
        json_base64url(&writer, str_of((const char *)key->bytes, SIGNING_PUBLIC_BYTES));
        json_object_end(&writer);
    }
    json_array_end(&writer);
    json_object_end(&writer);
}
