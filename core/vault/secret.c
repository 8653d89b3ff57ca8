#include "core/vault/secret.h"

#include <sodium.h>
#include <string.h>

#include "core/vault/key_file.h"

static const char what[] = "the secret";

static enum err read_secret(const char *path, struct secret *ret_secret, struct err_info *info) {
    uint8_t bytes[SECRET_BYTES];
    size_t size = 0;
    enum err err = key_file_read(path, what, bytes, sizeof bytes, &size, info);
    if (err == ERR_NONE && size != SECRET_BYTES) {
        err = err_set(info, ERR_MALFORMED, "the secret %s must hold exactly %d bytes", path, SECRET_BYTES);
    }
    if (err == ERR_NONE) {
        memcpy(ret_secret->bytes, bytes, SECRET_BYTES);
    }
    sodium_memzero(bytes, sizeof bytes);
    return err;
}

static enum err make_secret(const char *path, struct err_info *info) {
    uint8_t bytes[SECRET_BYTES];
    randombytes_buf(bytes, sizeof bytes);
    enum err err = key_file_make(path, what, bytes, sizeof bytes, info);
    sodium_memzero(bytes, sizeof bytes);
    return err;
}

enum err secret_load(const char *path, struct secret *ret_secret, struct err_info *info) {
    if (sodium_init() < 0) {
        return err_set(info, ERR_IO, "libsodium finds no source of randomness");
    }
    enum err err = read_secret(path, ret_secret, info);
    if (err == ERR_NOT_FOUND) {
        err = make_secret(path, info);
        err = err == ERR_NONE ? read_secret(path, ret_secret, info) : err;
    }
    return err;
}

void secret_forget(struct secret *secret) {
    sodium_memzero(secret, sizeof *secret);
}

static void hash_part(crypto_auth_hmacsha256_state *state, struct str part) {
    uint8_t length[4] = {(uint8_t)(part.len >> 24), (uint8_t)(part.len >> 16), (uint8_t)(part.len >> 8),
                         (uint8_t)part.len};
    crypto_auth_hmacsha256_update(state, length, sizeof length);
    crypto_auth_hmacsha256_update(state, (const uint8_t *)part.data, part.len);
}

void secret_hash(const struct secret *secret, const char *label, const struct str *parts, size_t part_count,
                 uint8_t ret_hash[SECRET_HASH_BYTES]) {
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, secret->bytes, sizeof secret->bytes);
    hash_part(&state, str_of_cstr(label));
    for (size_t i = 0; i < part_count; i++) {
        hash_part(&state, parts[i]);
    }
    crypto_auth_hmacsha256_final(&state, ret_hash);
    sodium_memzero(&state, sizeof state);
}
