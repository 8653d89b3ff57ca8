#include "core/vault/vault.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"
#include "core/base/text.h"

_Static_assert((int)VAULT_KEY_BYTES == (int)crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "the cipher's key");
_Static_assert((int)VAULT_NONCE_BYTES == (int)crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "the cipher's nonce");
_Static_assert((int)VAULT_TAG_BYTES == (int)crypto_aead_xchacha20poly1305_ietf_ABYTES, "the cipher's tag");

const char *const vault_sql = "CREATE SCHEMA IF NOT EXISTS vault;\n"
                              "CREATE TABLE IF NOT EXISTS vault.keys (\n"
                              "  key_id text PRIMARY KEY,\n"
                              "  key bytea NOT NULL CHECK (length(key) = 32),\n"
                              "  created_at timestamptz NOT NULL DEFAULT now()\n"
                              ");\n"
                              "CREATE TABLE IF NOT EXISTS vault.installation (\n"
                              "  only_row bool PRIMARY KEY DEFAULT true CHECK (only_row),\n"
                              "  secret_fingerprint text NOT NULL\n"
                              ");\n";

static const struct pg_statement key_find = {
    .name = "vault_key_find",
    .sql = "SELECT encode(key, 'hex') FROM vault.keys WHERE key_id = $1::text",
    .parameter_count = 1,
};

static const struct pg_statement key_add = {
    .name = "vault_key_add",
    .sql = "INSERT INTO vault.keys (key_id, key) VALUES ($1::text, decode($2::text, 'hex')) ON CONFLICT DO NOTHING",
    .parameter_count = 2,
};

/* per_ and 26 characters. */
enum { KEY_ID_LEN = 4 + ULID_TEXT_LEN };

struct cached_key {
    char id[KEY_ID_LEN];
    bool is_used;
    uint8_t bytes[VAULT_KEY_BYTES];
};

struct vault {
    struct pg_pool *pg;
    const struct secret *secret;
    struct cached_key *cache; /* each id has one place; a newer key takes it over */
};

struct key_request {
    struct vault *vault;
    struct str key_id;
    bool was_added;
    void (*on_key)(void *context, const struct vault_key *key);
    void *context;
};

struct vault *vault_open(struct pg_pool *pg, const struct secret *secret) {
    struct vault *vault = calloc_or_end(1, sizeof *vault);
    vault->pg = pg;
    vault->secret = secret;
    vault->cache = sodium_allocarray(VAULT_CACHE_KEYS, sizeof *vault->cache);
    assert(vault->cache != NULL);
    memset(vault->cache, 0, VAULT_CACHE_KEYS * sizeof *vault->cache);
    return vault;
}

void vault_close(struct vault *vault) {
    if (vault != NULL) {
        sodium_free(vault->cache); /* wipes it */
        free(vault);
    }
}

enum err vault_check_secret(struct pg_session *session, const struct secret *secret, struct err_info *info) {
    uint8_t hash[SECRET_HASH_BYTES];
    char text[2 * SECRET_HASH_BYTES + 1];
    secret_hash(secret, "fingerprint", NULL, 0, hash);
    sodium_bin2hex(text, sizeof text, hash, sizeof hash);
    const struct pg_param param = PG_TEXT(str_of_cstr(text));
    enum err err = pg_session_query(session,
                                    "INSERT INTO vault.installation (secret_fingerprint) VALUES ($1::text) "
                                    "ON CONFLICT DO NOTHING",
                                    &param, 1, false, NULL, info);
    if (err != ERR_NONE) {
        return err;
    }
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    err = pg_session_query(session, "SELECT secret_fingerprint FROM vault.installation", NULL, 0, false, &result, info);
    if (err != ERR_NONE) {
        return err;
    }
    bool is_same = PQntuples(result) == 1 && strcmp(PQgetvalue(result, 0, 0), text) == 0;
    return is_same
               ? ERR_NONE
               : err_set(info, ERR_CONFIG,
                         "the secret in secret_file is not the one of this installation: copy the file from another "
                         "front or from the backup, or retries would take effect twice");
}

struct str vault_key_id(struct arena *arena, const struct secret *secret, struct str email) {
    char *lower = arena_alloc(arena, email.len + 1);
    for (uint32_t i = 0; i < email.len; i++) {
        char c = email.data[i];
        lower[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    struct str part = str_of(lower, email.len);
    uint8_t hash[SECRET_HASH_BYTES];
    secret_hash(secret, "person", &part, 1, hash);
    char text[ULID_TEXT_LEN];
    ulid_write(hash, text);
    return arena_printf(arena, "per_%.*s", ULID_TEXT_LEN, text);
}

/* The id is a hash already: its last characters choose the place. */
static struct cached_key *place_of(const struct vault *vault, struct str key_id) {
    uint32_t sum = 0;
    for (uint32_t i = key_id.len < 8 ? 0 : key_id.len - 8; i < key_id.len; i++) {
        sum = sum * 31 + (uint8_t)key_id.data[i];
    }
    return &vault->cache[sum % VAULT_CACHE_KEYS];
}

static void tell(const struct key_request *request, const uint8_t bytes[VAULT_KEY_BYTES]) {
    struct vault_key key = {.id = request->key_id};
    if (bytes != NULL) {
        memcpy(key.bytes, bytes, sizeof key.bytes);
    }
    request->on_key(request->context, bytes == NULL ? NULL : &key);
    sodium_memzero(&key, sizeof key);
}

static void on_found(void *context, const PGresult *result, const struct err_info *error);

static void find_key(struct key_request *request) {
    pg_pool_query(request->vault->pg, &key_find, &request->key_id, on_found, request);
}

static void on_added(void *context, const PGresult *result, const struct err_info *error) {
    (void)result;
    struct key_request *request = context;
    if (error != NULL) {
        tell(request, NULL);
        free(request);
        return;
    }
    request->was_added = true;
    find_key(request); /* what stands there is the key, ours or another front's */
}

static void add_key(struct key_request *request) {
    uint8_t bytes[VAULT_KEY_BYTES];
    randombytes_buf(bytes, sizeof bytes);
    char hex[2 * VAULT_KEY_BYTES + 1];
    sodium_bin2hex(hex, sizeof hex, bytes, sizeof bytes);
    const struct str parameters[] = {request->key_id, str_of(hex, sizeof hex - 1)};
    pg_pool_query(request->vault->pg, &key_add, parameters, on_added, request);
    sodium_memzero(bytes, sizeof bytes);
    sodium_memzero(hex, sizeof hex);
}

static void on_found(void *context, const PGresult *result, const struct err_info *error) {
    struct key_request *request = context;
    if (error == NULL && PQntuples(result) == 0 && !request->was_added) {
        add_key(request);
        return;
    }
    uint8_t bytes[VAULT_KEY_BYTES];
    bool is_found = error == NULL && PQntuples(result) == 1 && hex_read(pg_value(result, 0, 0), bytes, sizeof bytes);
    if (is_found) {
        struct cached_key *place = place_of(request->vault, request->key_id);
        memcpy(place->id, request->key_id.data, KEY_ID_LEN);
        memcpy(place->bytes, bytes, sizeof bytes);
        place->is_used = true;
    }
    tell(request, is_found ? bytes : NULL);
    sodium_memzero(bytes, sizeof bytes);
    free(request);
}

void vault_key_of(struct vault *vault, struct str key_id, void (*on_key)(void *context, const struct vault_key *key),
                  void *context) {
    assert(key_id.len == KEY_ID_LEN);
    struct key_request now = {.vault = vault, .key_id = key_id, .on_key = on_key, .context = context};
    const struct cached_key *place = place_of(vault, key_id);
    if (place->is_used && memcmp(place->id, key_id.data, KEY_ID_LEN) == 0) {
        tell(&now, place->bytes);
        return;
    }
    struct key_request *request = malloc_or_end(sizeof *request);
    *request = now;
    find_key(request);
}

void vault_seal(const struct vault_key *key, struct arena *arena, struct sealed *sealed) {
    uint8_t *nonce = arena_alloc(arena, VAULT_NONCE_BYTES);
    randombytes_buf(nonce, VAULT_NONCE_BYTES);
    size_t size = sealed->plaintext.len + VAULT_TAG_BYTES;
    uint8_t *ciphertext = arena_alloc(arena, size);
    crypto_aead_xchacha20poly1305_ietf_encrypt(ciphertext, NULL, (const uint8_t *)sealed->plaintext.data,
                                               sealed->plaintext.len, (const uint8_t *)key->id.data, key->id.len, NULL,
                                               nonce, key->bytes);
    sealed->key_id = arena_str_copy(arena, key->id);
    sealed->nonce = str_of((const char *)nonce, VAULT_NONCE_BYTES);
    sealed->ciphertext = str_of((const char *)ciphertext, size);
}

bool vault_unseal(const struct vault_key *key, struct arena *arena, const struct sealed *sealed,
                  struct str *ret_plaintext) {
    if (!str_equal(key->id, sealed->key_id) || sealed->nonce.len != VAULT_NONCE_BYTES ||
        sealed->ciphertext.len < VAULT_TAG_BYTES) {
        return false;
    }
    size_t size = sealed->ciphertext.len - VAULT_TAG_BYTES;
    char *plaintext = arena_try(arena, size + 1);
    if (plaintext == NULL ||
        crypto_aead_xchacha20poly1305_ietf_decrypt(
            (uint8_t *)plaintext, NULL, NULL, (const uint8_t *)sealed->ciphertext.data, sealed->ciphertext.len,
            (const uint8_t *)key->id.data, key->id.len, (const uint8_t *)sealed->nonce.data, key->bytes) != 0) {
        return false;
    }
    *ret_plaintext = str_of(plaintext, size);
    return true;
}
