#include "core/vault/vault.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/base/timestamp.h"

_Static_assert((int)VAULT_KEY_BYTES == (int)crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "the cipher's key");
_Static_assert((int)VAULT_NONCE_BYTES == (int)crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "the cipher's nonce");
_Static_assert((int)VAULT_TAG_BYTES == (int)crypto_aead_xchacha20poly1305_ietf_ABYTES, "the cipher's tag");

/* What is read of each key; nothing of one that was destroyed. Without a master it stands in the clear. */
#define KEY_COLUMNS "key_id, encode(coalesce(wrapped, key), 'hex'), coalesce(master, '')"
enum { COLUMN_ID, COLUMN_BYTES, COLUMN_MASTER };

static const struct pg_statement key_find = {
    .name = "vault_key_find",
    .sql = "SELECT " KEY_COLUMNS " FROM vault.keys WHERE key_id = $1::text AND erased_at IS NULL",
    .parameter_count = 1,
};

static const struct pg_statement keys_find = {
    .name = "vault_keys_find",
    .sql = "SELECT " KEY_COLUMNS " FROM vault.keys WHERE key_id = ANY($1::text[]) AND erased_at IS NULL",
    .parameter_count = 1,
};

static const struct pg_statement key_end = {
    .name = "vault_key_end",
    .sql = "SELECT FROM vault.keys WHERE key_id = $1::text AND (erased_at IS NOT NULL OR erased_for IS NOT NULL)",
    .parameter_count = 1,
};

#define KEY_ADD                                                                                                        \
    "INSERT INTO vault.keys AS k (key_id, wrapped, master) VALUES ($1::text, decode($2::text, 'hex'), $3::text) "      \
    "ON CONFLICT (key_id) DO "

static const struct pg_statement key_add = {
    .name = "vault_key_add",
    .sql = KEY_ADD "NOTHING",
    .parameter_count = 3,
};

static const struct pg_statement key_add_anew = {
    .name = "vault_key_add_anew",
    .sql = KEY_ADD "UPDATE SET wrapped = excluded.wrapped, master = excluded.master, created_at = now(), "
                   "erased_at = NULL WHERE k.erased_at IS NOT NULL",
    .parameter_count = 3,
};

/* per_ and 26 characters. */
enum { KEY_ID_LEN = 4 + ULID_TEXT_LEN };

struct cached_key {
    char id[KEY_ID_LEN];
    int64_t until_boot_us; /* 0: no key is here */
    uint8_t bytes[VAULT_KEY_BYTES];
};

struct vault {
    struct vault_ports ports;
    struct pg_pool *pg;
    const struct master_ring *ring;
    struct cached_key *cache; /* each id has one place; a newer key takes it over */
    uint64_t unopened;
};

/* ---- opening ----------------------------------------------------------------------------------------------------- */

struct vault *vault_open_by(const struct vault_ports *ports, struct pg_pool *pg, const struct master_ring *ring) {
    struct vault *vault = calloc_or_end(1, sizeof *vault);
    vault->ports = *ports;
    vault->pg = pg;
    vault->ring = ring;
    vault->cache = sodium_allocarray(VAULT_CACHE_KEYS, sizeof *vault->cache);
    if (vault->cache == NULL) {
        out_of_memory("persons' keys");
    }
    memset(vault->cache, 0, VAULT_CACHE_KEYS * sizeof *vault->cache);
    return vault;
}

struct vault *vault_open(struct pg_pool *pg, const struct master_ring *ring) {
    return vault_open_by(&(struct vault_ports){.query = pg_pool_query, .now_boot_us = clock_boot_us}, pg, ring);
}

void vault_close(struct vault *vault) {
    if (vault != NULL) {
        sodium_free(vault->cache); /* wipes it */
        free(vault);
    }
}

uint64_t vault_unopened(const struct vault *vault) {
    return vault->unopened;
}

/* ---- whose key --------------------------------------------------------------------------------------------------- */

static struct str key_id_of(struct arena *arena, const struct secret *secret, const char *label, struct str whose) {
    uint8_t hash[SECRET_HASH_BYTES];
    secret_hash(secret, label, &whose, 1, hash);
    char text[ULID_TEXT_LEN];
    ulid_write(hash, text);
    return arena_printf(arena, "per_%.*s", ULID_TEXT_LEN, text);
}

struct str vault_key_id_of_email(struct arena *arena, const struct secret *secret, struct str email) {
    char *lower = arena_alloc(arena, email.len + 1);
    for (uint32_t i = 0; i < email.len; i++) {
        char c = email.data[i];
        lower[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    return key_id_of(arena, secret, "person", str_of(lower, email.len));
}

struct str vault_key_id_of_customer(struct arena *arena, const struct secret *secret, struct str customer) {
    return key_id_of(arena, secret, "person of customer", customer);
}

/* What came out of the log may be anything. */
static bool is_key_id(struct str key_id) {
    uint8_t bytes[ULID_BYTES];
    return key_id.len == KEY_ID_LEN && str_starts_with(key_id, STR("per_")) && ulid_read(str_from(key_id, 4), bytes);
}

/* ---- remembering ------------------------------------------------------------------------------------------------- */

/* The id is a hash already: its last characters choose the place. */
static struct cached_key *place_of(const struct vault *vault, struct str key_id) {
    uint32_t sum = 0;
    for (uint32_t i = key_id.len - 8; i < key_id.len; i++) {
        sum = sum * 31 + (uint8_t)key_id.data[i];
    }
    return &vault->cache[sum % VAULT_CACHE_KEYS];
}

/* NULL when it is not remembered, or no more. */
static const struct cached_key *remembered(const struct vault *vault, struct str key_id) {
    const struct cached_key *place = place_of(vault, key_id);
    bool is_it = place->until_boot_us > vault->ports.now_boot_us() && memcmp(place->id, key_id.data, KEY_ID_LEN) == 0;
    return is_it ? place : NULL;
}

static void remember(struct vault *vault, struct str key_id, const uint8_t bytes[VAULT_KEY_BYTES]) {
    struct cached_key *place = place_of(vault, key_id);
    memcpy(place->id, key_id.data, KEY_ID_LEN);
    memcpy(place->bytes, bytes, VAULT_KEY_BYTES);
    place->until_boot_us = vault->ports.now_boot_us() + (int64_t)VAULT_KEPT_S * MICROS_PER_SECOND;
}

void vault_forget(struct vault *vault, struct str key_id) {
    if (is_key_id(key_id) && memcmp(place_of(vault, key_id)->id, key_id.data, KEY_ID_LEN) == 0) {
        sodium_memzero(place_of(vault, key_id), sizeof(struct cached_key));
    }
}

/* A row of KEY_COLUMNS: the key of this id, which is remembered. */
static enum vault_found open_row(struct vault *vault, const PGresult *result, int row, struct str key_id,
                                 uint8_t ret_bytes[VAULT_KEY_BYTES]) {
    struct str master = pg_value(result, row, COLUMN_MASTER), hex = pg_value(result, row, COLUMN_BYTES);
    uint8_t wrapped[MASTER_WRAPPED_BYTES];
    bool is_open = master.len == 0 ? hex_read(hex, ret_bytes, VAULT_KEY_BYTES)
                                   : hex_read(hex, wrapped, sizeof wrapped) &&
                                         master_unwrap(vault->ring, master, key_id,
                                                       str_of((const char *)wrapped, sizeof wrapped), ret_bytes);
    if (!is_open) {
        vault->unopened++;
        return VAULT_NO_MASTER;
    }
    remember(vault, key_id, ret_bytes);
    return VAULT_THERE;
}

/* ---- one key ----------------------------------------------------------------------------------------------------- */

struct key_request {
    struct vault *vault;
    char id[KEY_ID_LEN];
    enum vault_wish wish; /* VAULT_FIND once it has been made */
    vault_key_cb *on_key;
    void *context;
};

static struct str id_of(const struct key_request *request) {
    return str_of(request->id, KEY_ID_LEN);
}

static void tell(const struct key_request *request, enum vault_found found, const uint8_t bytes[VAULT_KEY_BYTES]) {
    struct vault_key key = {.id = id_of(request)};
    if (found == VAULT_THERE) {
        memcpy(key.bytes, bytes, sizeof key.bytes);
    }
    request->on_key(request->context, found, found == VAULT_THERE ? &key : NULL);
    sodium_memzero(&key, sizeof key);
}

static void on_found(void *context, const PGresult *result, const struct err_info *error);

static void find_key(struct key_request *request) {
    const struct str id = id_of(request);
    request->vault->ports.query(request->vault->pg, &key_find, &id, on_found, request);
}

static void on_added(void *context, const PGresult *result, const struct err_info *error) {
    (void)result;
    struct key_request *request = context;
    if (error != NULL) {
        tell(request, VAULT_NO_DATABASE, NULL);
        free(request);
        return;
    }
    request->wish = VAULT_FIND;
    find_key(request); /* what stands there is the key, ours or another front's */
}

static void add_key(struct key_request *request) {
    const struct vault *vault = request->vault;
    uint8_t bytes[VAULT_KEY_BYTES], wrapped[MASTER_WRAPPED_BYTES];
    randombytes_buf(bytes, sizeof bytes);
    master_wrap(vault->ring, id_of(request), bytes, wrapped);
    sodium_memzero(bytes, sizeof bytes);
    char hex[2 * MASTER_WRAPPED_BYTES + 1];
    sodium_bin2hex(hex, sizeof hex, wrapped, sizeof wrapped);
    const struct str parameters[] = {id_of(request), str_of(hex, sizeof hex - 1), master_id(vault->ring, 0)};
    vault->ports.query(vault->pg, request->wish == VAULT_MAKE_ANEW ? &key_add_anew : &key_add, parameters, on_added,
                       request);
}

static void on_found(void *context, const PGresult *result, const struct err_info *error) {
    struct key_request *request = context;
    if (error == NULL && PQntuples(result) == 0 && request->wish != VAULT_FIND) {
        add_key(request);
        return;
    }
    uint8_t bytes[VAULT_KEY_BYTES];
    enum vault_found found = error != NULL            ? VAULT_NO_DATABASE
                             : PQntuples(result) == 0 ? VAULT_NONE
                                                      : open_row(request->vault, result, 0, id_of(request), bytes);
    tell(request, found, bytes);
    sodium_memzero(bytes, sizeof bytes);
    free(request);
}

void vault_key_of(struct vault *vault, struct str key_id, enum vault_wish wish, vault_key_cb *on_key, void *context) {
    if (!is_key_id(key_id)) {
        on_key(context, VAULT_NONE, NULL);
        return;
    }
    struct key_request now = {.vault = vault, .wish = wish, .on_key = on_key, .context = context};
    memcpy(now.id, key_id.data, KEY_ID_LEN);
    const struct cached_key *place = remembered(vault, key_id);
    if (place != NULL) {
        tell(&now, VAULT_THERE, place->bytes);
        return;
    }
    struct key_request *request = malloc_or_end(sizeof *request);
    *request = now;
    find_key(request);
}

/* ---- the end of a key -------------------------------------------------------------------------------------------- */

struct end_request {
    vault_end_cb *on_end;
    void *context;
};

static void on_end_found(void *context, const PGresult *result, const struct err_info *error) {
    struct end_request *request = context;
    request->on_end(request->context, error != NULL            ? VAULT_END_UNKNOWN
                                      : PQntuples(result) == 0 ? VAULT_NEVER_DESTROYED
                                                               : VAULT_DESTROYED);
    free(request);
}

void vault_end_of(struct vault *vault, struct str key_id, vault_end_cb *on_end, void *context) {
    if (!is_key_id(key_id)) {
        on_end(context, VAULT_NEVER_DESTROYED);
        return;
    }
    struct end_request *request = malloc_or_end(sizeof *request);
    *request = (struct end_request){.on_end = on_end, .context = context};
    vault->ports.query(vault->pg, &key_end, &key_id, on_end_found, request);
}

/* ---- many keys --------------------------------------------------------------------------------------------------- */

struct keys_request {
    struct vault *vault;
    const struct str *ids;
    size_t count;
    vault_keys_cb *on_keys;
    void *context;
    struct vault_key keys[]; /* `count` of them */
};

static void end_keys(struct keys_request *request, enum vault_found found) {
    bool are_there = found != VAULT_NO_DATABASE;
    request->on_keys(request->context, found, are_there ? request->keys : NULL, are_there ? request->count : 0);
    sodium_memzero(request->keys, request->count * sizeof *request->keys);
    free(request);
}

static void on_keys_found(void *context, const PGresult *result, const struct err_info *error) {
    struct keys_request *request = context;
    enum vault_found found = error == NULL ? VAULT_THERE : VAULT_NO_DATABASE;
    for (int row = 0; error == NULL && row < PQntuples(result); row++) {
        struct str id = pg_value(result, row, COLUMN_ID);
        for (size_t i = 0; i < request->count; i++) {
            struct vault_key *key = &request->keys[i];
            if (!str_equal(request->ids[i], id) || !str_is_empty(key->id)) {
                continue;
            }
            if (open_row(request->vault, result, row, id, key->bytes) == VAULT_THERE) {
                key->id = request->ids[i];
            } else {
                found = VAULT_NO_MASTER;
            }
        }
    }
    end_keys(request, found);
}

static void keys_of(struct vault *vault, const struct str *key_ids, size_t count, bool is_cached,
                    vault_keys_cb *on_keys, void *context) {
    assert(count <= VAULT_BATCH_MAX);
    struct keys_request *request = calloc_or_end(1, sizeof *request + count * sizeof *request->keys);
    *request =
        (struct keys_request){.vault = vault, .ids = key_ids, .count = count, .on_keys = on_keys, .context = context};
    char list[2 + VAULT_BATCH_MAX * (KEY_ID_LEN + 1)] = "{"; /* nothing in an id is to be quoted */
    size_t len = 1;
    for (size_t i = 0; i < count; i++) {
        const struct cached_key *place = is_cached && is_key_id(key_ids[i]) ? remembered(vault, key_ids[i]) : NULL;
        if (place != NULL) {
            request->keys[i].id = key_ids[i];
            memcpy(request->keys[i].bytes, place->bytes, VAULT_KEY_BYTES);
        } else if (is_key_id(key_ids[i])) {
            list[len] = ',';
            len += len > 1;
            memcpy(list + len, key_ids[i].data, KEY_ID_LEN);
            len += KEY_ID_LEN;
        }
    }
    if (len == 1) {
        end_keys(request, VAULT_THERE);
        return;
    }
    list[len++] = '}';
    const struct str parameter = str_of(list, len);
    vault->ports.query(vault->pg, &keys_find, &parameter, on_keys_found, request);
}

void vault_keys_of(struct vault *vault, const struct str *key_ids, size_t count, vault_keys_cb *on_keys,
                   void *context) {
    keys_of(vault, key_ids, count, true, on_keys, context);
}

void vault_keys_of_store(struct vault *vault, const struct str *key_ids, size_t count, vault_keys_cb *on_keys,
                         void *context) {
    keys_of(vault, key_ids, count, false, on_keys, context);
}

/* ---- sealing ----------------------------------------------------------------------------------------------------- */

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
