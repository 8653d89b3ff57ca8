#include "core/vault/master.h"

#include <assert.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/vault/key_file.h"
#include "core/vault/secret.h"

_Static_assert((int)MASTER_KEY_BYTES == (int)crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "the cipher's key");
_Static_assert((int)MASTER_KEY_BYTES == (int)SECRET_BYTES, "what secret_hash takes");
_Static_assert((int)MASTER_SEED_BYTES == (int)SECRET_HASH_BYTES, "what secret_hash gives");

enum {
    NONCE_BYTES = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    KEY_BYTES = 32,
    KEY_TEXT_LEN = 43,
    ABOUT_MAX = MASTER_KEY_ID_MAX + 1 + MASTER_ID_MAX,
    MADE_ID_BYTES = 6, /* random: two hosts that each make a ring do not give them one name */
};
_Static_assert(NONCE_BYTES + KEY_BYTES + (int)crypto_aead_xchacha20poly1305_ietf_ABYTES == (int)MASTER_WRAPPED_BYTES,
               "nonce, key, tag");

static const char what[] = "the master keys";

struct master_key {
    char id[MASTER_ID_MAX + 1];
    struct secret key;
};

struct master_ring {
    size_t count;
    struct master_key keys[MASTER_KEYS_MAX];
};

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bool is_id(struct str id) {
    for (uint32_t i = 0; i < id.len; i++) {
        char c = id.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) {
            return false;
        }
    }
    return id.len >= 1 && id.len <= MASTER_ID_MAX;
}

/* NULL, or what is wrong. */
static const char *take_line(struct master_ring *ring, struct str line) {
    if (ring->count == MASTER_KEYS_MAX) {
        return "there are too many";
    }
    struct str id = str_first(line, str_find(line, ' '));
    struct master_key *key = &ring->keys[ring->count];
    if (!is_id(id)) {
        return "an id is 1 to 32 of a-z, 0-9 and -";
    }
    if (master_find(ring, id) < ring->count) {
        return "the id stands there twice";
    }
    if (base64url_read(str_from(line, id.len + 1), key->key.bytes, MASTER_KEY_BYTES) != MASTER_KEY_BYTES) {
        return "the id is followed by a space and 32 bytes in base64url, 43 characters";
    }
    memcpy(key->id, id.data, id.len);
    key->id[id.len] = '\0';
    ring->count++;
    return NULL;
}

/* `where` names the file or the setting. */
static enum err take_text(struct master_ring *ring, struct str text, const char *where, struct err_info *info) {
    for (unsigned number = 1; text.len > 0; number++) {
        struct str line = str_first(text, str_find(text, '\n'));
        line = str_first(line, str_find(line, ','));
        text = str_from(text, line.len + 1);
        const char *wrong = line.len == 0 ? NULL : take_line(ring, line);
        if (wrong != NULL) {
            return err_set(info, ERR_CONFIG, "%.120s: master key %u: %s", where, number, wrong);
        }
    }
    return ring->count > 0 ? ERR_NONE : err_set(info, ERR_CONFIG, "%.120s: there is no master key in it", where);
}

static struct master_ring *ring_make(void) {
    struct master_ring *ring = sodium_malloc(sizeof *ring);
    if (ring == NULL) {
        out_of_memory("the master keys");
    }
    memset(ring, 0, sizeof *ring);
    return ring;
}

/* ERR_NOT_FOUND when there is none. */
static enum err read_file(const char *path, struct master_ring *ring, struct err_info *info) {
    uint8_t *bytes = sodium_malloc(MASTER_TEXT_MAX);
    if (bytes == NULL) {
        out_of_memory("the master keys");
    }
    size_t size;
    enum err err = key_file_read(path, what, bytes, MASTER_TEXT_MAX, &size, info);
    if (err == ERR_NONE) {
        err = take_text(ring, str_of((const char *)bytes, size), path, info);
    } else if (err == ERR_MALFORMED) {
        err = err_set(info, ERR_CONFIG, "%.120s: it is no ring of master keys, it is too large", path);
    }
    sodium_free(bytes);
    return err;
}

static enum err init_sodium(struct err_info *info) {
    return sodium_init() < 0 ? err_set(info, ERR_IO, "libsodium finds no source of randomness") : ERR_NONE;
}

static void make_line(char ret_line[MASTER_LINE_MAX + 1]) {
    uint8_t name[MADE_ID_BYTES], key[MASTER_KEY_BYTES];
    char name_text[2 * sizeof name + 1], key_text[KEY_TEXT_LEN + 1];
    randombytes_buf(name, sizeof name);
    randombytes_buf(key, sizeof key);
    sodium_bin2hex(name_text, sizeof name_text, name, sizeof name);
    sodium_bin2base64(key_text, sizeof key_text, key, sizeof key, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    (void)snprintf(ret_line, MASTER_LINE_MAX + 1, "m-%s %s\n", name_text, key_text);
    sodium_memzero(key, sizeof key);
    sodium_memzero(key_text, sizeof key_text);
}

enum err master_new_line(char ret_line[MASTER_LINE_MAX + 1], struct err_info *info) {
    enum err err = init_sodium(info);
    if (err == ERR_NONE) {
        make_line(ret_line);
    }
    return err;
}

static enum err make_file(const char *path, struct err_info *info) {
    char line[MASTER_LINE_MAX + 1];
    make_line(line);
    enum err err = key_file_make(path, what, (const uint8_t *)line, strlen(line), info);
    sodium_memzero(line, sizeof line);
    return err;
}

bool master_exists(const char *path, const char *text) {
    return (text != NULL && *text != '\0') || access(path, F_OK) == 0;
}

enum err master_load(const char *path, const char *text, struct master_ring **ret_ring, struct err_info *info) {
    enum err err = init_sodium(info);
    if (err != ERR_NONE) {
        return err;
    }
    struct master_ring *ring = ring_make();
    err = text == NULL || *text == '\0' ? read_file(path, ring, info)
                                        : take_text(ring, str_of_cstr(text), "master_keys_secret", info);
    if (err == ERR_NOT_FOUND) {
        err = make_file(path, info);
        err = err == ERR_NONE ? read_file(path, ring, info) : err;
    }
    if (err != ERR_NONE) {
        sodium_free(ring);
        return err;
    }
    (void)sodium_mprotect_readonly(ring);
    *ret_ring = ring;
    return ERR_NONE;
}

void master_free(struct master_ring *ring) {
    sodium_free(ring); /* wipes it */
}

/* ---- using ------------------------------------------------------------------------------------------------------- */

size_t master_count(const struct master_ring *ring) {
    return ring->count;
}

struct str master_id(const struct master_ring *ring, size_t index) {
    assert(index < ring->count);
    return str_of_cstr(ring->keys[index].id);
}

size_t master_find(const struct master_ring *ring, struct str id) {
    size_t index = 0;
    while (index < ring->count && !str_equal(str_of_cstr(ring->keys[index].id), id)) {
        index++;
    }
    return index;
}

/* Whose key it is, and under which master: neither id has a | in it. */
static size_t write_about(char about[ABOUT_MAX], struct str key_id, struct str id) {
    memcpy(about, key_id.data, key_id.len);
    about[key_id.len] = '|';
    memcpy(about + key_id.len + 1, id.data, id.len);
    return key_id.len + 1 + id.len;
}

void master_wrap(const struct master_ring *ring, struct str key_id, const uint8_t key[32],
                 uint8_t ret_wrapped[MASTER_WRAPPED_BYTES]) {
    assert(key_id.len <= MASTER_KEY_ID_MAX);
    char about[ABOUT_MAX];
    size_t about_size = write_about(about, key_id, master_id(ring, 0));
    randombytes_buf(ret_wrapped, NONCE_BYTES);
    crypto_aead_xchacha20poly1305_ietf_encrypt(ret_wrapped + NONCE_BYTES, NULL, key, KEY_BYTES, (const uint8_t *)about,
                                               about_size, NULL, ret_wrapped, ring->keys[0].key.bytes);
}

bool master_unwrap(const struct master_ring *ring, struct str id, struct str key_id, struct str wrapped,
                   uint8_t ret_key[32]) {
    size_t index = master_find(ring, id);
    if (index == ring->count || key_id.len > MASTER_KEY_ID_MAX || wrapped.len != MASTER_WRAPPED_BYTES) {
        return false;
    }
    char about[ABOUT_MAX];
    size_t about_size = write_about(about, key_id, id);
    const uint8_t *bytes = (const uint8_t *)wrapped.data;
    uint8_t key[KEY_BYTES];
    bool is_its_own = crypto_aead_xchacha20poly1305_ietf_decrypt(
                          key, NULL, NULL, bytes + NONCE_BYTES, MASTER_WRAPPED_BYTES - NONCE_BYTES,
                          (const uint8_t *)about, about_size, bytes, ring->keys[index].key.bytes) == 0;
    if (is_its_own) {
        memcpy(ret_key, key, sizeof key);
    }
    sodium_memzero(key, sizeof key);
    return is_its_own;
}

void master_seed(const struct master_ring *ring, size_t index, const char *label, uint64_t number,
                 uint8_t ret_seed[MASTER_SEED_BYTES]) {
    assert(index < ring->count);
    char bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)(number >> (56 - 8 * i));
    }
    const struct str part = str_of(bytes, sizeof bytes);
    secret_hash(&ring->keys[index].key, label, &part, 1, ret_seed);
}

/* ---- changing the file ------------------------------------------------------------------------------------------- */

/* The file that is replaced is held, so that of two who change it one does not undo the other's. */
struct ring_file {
    const char *path;
    int fd;
    struct master_ring *ring;
};

static void ring_file_release(struct ring_file *file) {
    if (file->fd >= 0) {
        (void)close(file->fd);
    }
    master_free(file->ring);
}

static enum err ring_file_open(struct ring_file *file, struct err_info *info) {
    file->fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat held, named;
    if (file->fd >= 0 &&
        (flock(file->fd, LOCK_EX | LOCK_NB) != 0 || fstat(file->fd, &held) != 0 || stat(file->path, &named) != 0 ||
         held.st_ino != named.st_ino || held.st_dev != named.st_dev)) {
        return err_set_retriable(info, ERR_CONFLICT, "another process changes %.120s", file->path);
    }
    file->ring = ring_make();
    return read_file(file->path, file->ring, info);
}

static enum err ring_file_write(const struct ring_file *file, struct err_info *info) {
    char *text = sodium_malloc(MASTER_TEXT_MAX);
    if (text == NULL) {
        out_of_memory("the master keys");
    }
    size_t len = 0;
    for (size_t i = 0; i < file->ring->count; i++) {
        const struct master_key *key = &file->ring->keys[i];
        size_t id_len = strlen(key->id);
        memcpy(text + len, key->id, id_len);
        text[len + id_len] = ' ';
        len += id_len + 1;
        sodium_bin2base64(text + len, KEY_TEXT_LEN + 1, key->key.bytes, MASTER_KEY_BYTES,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        text[len + KEY_TEXT_LEN] = '\n'; /* where it had put its NUL */
        len += KEY_TEXT_LEN + 1;
    }
    enum err err = key_file_replace(file->path, what, (const uint8_t *)text, len, info);
    sodium_free(text);
    return err;
}
_Static_assert(MASTER_KEYS_MAX *MASTER_LINE_MAX <= MASTER_TEXT_MAX, "a full ring can be read");

enum err master_add(const char *path, char ret_id[MASTER_ID_MAX + 1], struct err_info *info) {
    struct master_ring *made = NULL;
    if (!master_exists(path, NULL)) { /* else a new file is told apart from one with a new key in it */
        enum err err = master_load(path, NULL, &made, info);
        if (err == ERR_NONE) {
            memcpy(ret_id, made->keys[0].id, sizeof made->keys[0].id);
            master_free(made);
        }
        return err;
    }
    CLEANUP(ring_file_release) struct ring_file file = {.path = path, .fd = -1};
    enum err err = init_sodium(info);
    err = err == ERR_NONE ? ring_file_open(&file, info) : err;
    if (err != ERR_NONE) {
        return err;
    }
    if (file.ring->count == MASTER_KEYS_MAX) {
        return err_set(info, ERR_TOO_LARGE, "%.120s has %d master keys, and may have no more", path, MASTER_KEYS_MAX);
    }
    char line[MASTER_LINE_MAX + 1];
    make_line(line);
    const char *wrong = take_line(file.ring, str_of(line, strlen(line) - 1));
    sodium_memzero(line, sizeof line);
    assert(wrong == NULL);
    err = ring_file_write(&file, info);
    if (err == ERR_NONE) {
        const struct master_key *added = &file.ring->keys[file.ring->count - 1];
        memcpy(ret_id, added->id, sizeof added->id);
    }
    return err;
}

/* Opens the ring and finds the key. */
static enum err open_at(struct ring_file *file, struct str id, size_t *ret_index, struct err_info *info) {
    enum err err = init_sodium(info);
    err = err == ERR_NONE ? ring_file_open(file, info) : err;
    if (err == ERR_NONE) {
        *ret_index = master_find(file->ring, id);
        if (*ret_index == file->ring->count) {
            err = err_set(info, ERR_NOT_FOUND, "%.120s has no master key '%.*s'", file->path,
                          STR_ARGS(str_first(id, MASTER_ID_MAX)));
        }
    }
    return err;
}

enum err master_use(const char *path, struct str id, struct err_info *info) {
    CLEANUP(ring_file_release) struct ring_file file = {.path = path, .fd = -1};
    size_t index;
    enum err err = open_at(&file, id, &index, info);
    if (err != ERR_NONE || index == 0) {
        return err;
    }
    struct master_ring *ring = file.ring;
    struct master_key used = ring->keys[index];
    memmove(&ring->keys[1], &ring->keys[0], index * sizeof used);
    ring->keys[0] = used;
    sodium_memzero(&used, sizeof used);
    return ring_file_write(&file, info);
}

enum err master_drop(const char *path, struct str id, struct err_info *info) {
    CLEANUP(ring_file_release) struct ring_file file = {.path = path, .fd = -1};
    size_t index;
    enum err err = open_at(&file, id, &index, info);
    if (err != ERR_NONE) {
        return err;
    }
    if (index == 0) {
        return err_set(info, ERR_CONFLICT, "'%.*s' is the master key that wraps; use another one first", STR_ARGS(id));
    }
    struct master_ring *ring = file.ring;
    ring->count--;
    memmove(&ring->keys[index], &ring->keys[index + 1], (ring->count - index) * sizeof ring->keys[0]);
    return ring_file_write(&file, info);
}
