#include "core/vault/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_file(int *fd) {
    if (*fd >= 0) {
        (void)close(*fd);
    }
}

/* Reads the whole file; one byte more than there may be, to see that it is not longer. */
static enum err read_secret(int fd, const char *path, struct secret *ret_secret, struct err_info *info) {
    uint8_t bytes[SECRET_BYTES + 1];
    size_t filled = 0;
    while (filled < sizeof bytes) {
        ssize_t got = read(fd, bytes + filled, sizeof bytes - filled);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return err_set(info, ERR_IO, "cannot read the secret %s: %s", path, strerror(errno));
        }
        if (got == 0) {
            break;
        }
        filled += (size_t)got;
    }
    if (filled != SECRET_BYTES) {
        return err_set(info, ERR_MALFORMED, "the secret %s must hold exactly %d bytes", path, SECRET_BYTES);
    }
    memcpy(ret_secret->bytes, bytes, SECRET_BYTES);
    sodium_memzero(bytes, sizeof bytes);
    return ERR_NONE;
}

/* mkdir -p of the file's folder; what exists is left as it is. */
static void make_folder_of(const char *path) {
    char folder[PATH_MAX];
    size_t length = strlen(path);
    if (length >= sizeof folder) {
        return; /* opening the file will say so */
    }
    memcpy(folder, path, length + 1);
    for (size_t i = 1; i < length; i++) {
        if (folder[i] == '/') {
            folder[i] = '\0';
            (void)mkdir(folder, 0700);
            folder[i] = '/';
        }
    }
}

/* A new secret under a name of our own, then linked to its place: whoever links first wins, and nobody ever sees a
 * half-written file. */
static enum err make_secret(const char *path, struct err_info *info) {
    char draft[PATH_MAX];
    int length = snprintf(draft, sizeof draft, "%s.%ld.%u", path, (long)getpid(), randombytes_random());
    if (length < 0 || (size_t)length >= sizeof draft) {
        return err_set(info, ERR_IO, "the path of the secret is too long: %s", path);
    }
    make_folder_of(path);
    CLEANUP(close_file) int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_set(info, ERR_IO, "cannot make the secret %s: %s", draft, strerror(errno));
    }
    uint8_t bytes[SECRET_BYTES];
    randombytes_buf(bytes, sizeof bytes);
    bool is_written = write(fd, bytes, sizeof bytes) == (ssize_t)sizeof bytes && fsync(fd) == 0;
    sodium_memzero(bytes, sizeof bytes);
    bool is_linked = is_written && (link(draft, path) == 0 || errno == EEXIST);
    int why = errno;
    (void)unlink(draft);
    return is_linked ? ERR_NONE : err_set(info, ERR_IO, "cannot make the secret %s: %s", path, strerror(why));
}

enum err secret_load(const char *path, struct secret *ret_secret, struct err_info *info) {
    if (sodium_init() < 0) {
        return err_set(info, ERR_IO, "libsodium finds no source of randomness");
    }
    CLEANUP(close_file) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        enum err made = make_secret(path, info);
        if (made != ERR_NONE) {
            return made;
        }
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0) {
        return err_set(info, ERR_IO, "cannot open the secret %s: %s", path, strerror(errno));
    }
    return read_secret(fd, path, ret_secret, info);
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
