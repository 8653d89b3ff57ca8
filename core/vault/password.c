#include "core/vault/password.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/memory.h"
#include "core/base/text.h"

_Static_assert((int)PASSWORD_VERIFIER_MAX == (int)crypto_pwhash_STRBYTES, "a verifier's text");

enum {
    SHA1_BYTES = 20,
    SHA1_HEX_LEN = 2 * SHA1_BYTES,
    LINE_MAX_BYTES = PASSWORD_MAX_BYTES,
    READ_BYTES = 64 * 1024,
    FIRST_CAPACITY = 4096,
    VERIFIER_HASH_BYTES = 32,
    KIB_LEAST = 8, /* libsodium's */
};

struct password_list {
    uint8_t key[crypto_shorthash_KEYBYTES]; /* so that nobody can make a password look known, or unknown */
    size_t count, capacity;
    uint64_t *hashes;
};

static char lower_of(char byte) {
    return (char)(byte >= 'A' && byte <= 'Z' ? byte - 'A' + 'a' : byte);
}

static size_t count_characters(struct str text) {
    size_t count = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        count += ((uint8_t)text.data[i] & 0xc0) != 0x80;
    }
    return count;
}

static bool is_same_but_for_case(struct str one, struct str other) {
    bool is_same = one.len == other.len;
    for (uint32_t i = 0; is_same && i < one.len; i++) {
        is_same = lower_of(one.data[i]) == lower_of(other.data[i]);
    }
    return is_same;
}

/* ---- the list ---- */

static uint64_t hash_of_sha1(const struct password_list *list, const uint8_t sha1[SHA1_BYTES]) {
    uint64_t hash;
    _Static_assert(sizeof hash == crypto_shorthash_BYTES, "eight bytes a password");
    crypto_shorthash((uint8_t *)&hash, sha1, SHA1_BYTES, list->key);
    return hash;
}

/* `text` has PASSWORD_MAX_BYTES at most. */
static uint64_t hash_of_text(const struct password_list *list, struct str text, bool is_lowered) {
    char lowered[PASSWORD_MAX_BYTES];
    uint8_t sha1[SHA1_BYTES];
    assert(text.len <= sizeof lowered);
    for (uint32_t i = 0; i < text.len; i++) {
        lowered[i] = is_lowered ? lower_of(text.data[i]) : text.data[i];
    }
    if (EVP_Digest(lowered, text.len, sha1, NULL, EVP_sha1(), NULL) != 1) {
        out_of_memory("SHA-1");
    }
    uint64_t hash = hash_of_sha1(list, sha1);
    sodium_memzero(lowered, text.len);
    sodium_memzero(sha1, sizeof sha1);
    return hash;
}

static int compare_hashes(const void *one, const void *other) {
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return (a > b) - (a < b);
}

static bool is_listed(const struct password_list *list, uint64_t hash) {
    return bsearch(&hash, list->hashes, list->count, sizeof hash, compare_hashes) != NULL;
}

static bool add_hash(struct password_list *list, uint64_t hash) {
    if (list->count == PASSWORD_LIST_MAX) {
        return false;
    }
    if (list->count == list->capacity) {
        size_t doubled = list->capacity == 0 ? FIRST_CAPACITY : 2 * list->capacity;
        list->capacity = doubled > PASSWORD_LIST_MAX ? PASSWORD_LIST_MAX : doubled;
        list->hashes = realloc_or_end(list->hashes, list->capacity * sizeof *list->hashes);
    }
    list->hashes[list->count++] = hash;
    return true;
}

/* 40 hexadecimal digits in either case, alone or before a colon. */
static bool is_sha1(struct str line, uint8_t ret_sha1[SHA1_BYTES]) {
    struct str digits = str_first(line, str_find(line, ':'));
    size_t size = 0;
    return digits.len == SHA1_HEX_LEN &&
           sodium_hex2bin(ret_sha1, SHA1_BYTES, digits.data, digits.len, NULL, &size, NULL) == 0 && size == SHA1_BYTES;
}

static bool take_line(struct password_list *list, struct str line) {
    uint8_t sha1[SHA1_BYTES];
    if (is_sha1(line, sha1)) {
        return add_hash(list, hash_of_sha1(list, sha1));
    }
    return count_characters(line) < PASSWORD_MIN_CHARACTERS || add_hash(list, hash_of_text(list, line, true));
}

/* The lines of the file, one after the other, of which one may begin in what was read and end in what will be. */
struct lines {
    int fd;
    size_t begin, end, number;
    char bytes[READ_BYTES];
};

/* More behind what is there, which moves to the front. False at the file's end, and when it failed: errno is 0 or says
 * why. */
static bool read_more(struct lines *lines) {
    memmove(lines->bytes, lines->bytes + lines->begin, lines->end - lines->begin);
    lines->end -= lines->begin;
    lines->begin = 0;
    ssize_t got;
    do {
        errno = 0;
        got = read(lines->fd, lines->bytes + lines->end, sizeof lines->bytes - lines->end);
    } while (got < 0 && errno == EINTR);
    lines->end += got > 0 ? (size_t)got : 0;
    return got > 0;
}

static struct str without_return(struct str line) {
    return line.len > 0 && line.data[line.len - 1] == '\r' ? str_first(line, line.len - 1) : line;
}

static enum err read_lines(struct password_list *list, struct lines *lines, const char *path, struct err_info *info) {
    for (bool is_last = false; !is_last || lines->begin < lines->end;) {
        const char *begin = lines->bytes + lines->begin;
        size_t size = lines->end - lines->begin;
        const char *feed = memchr(begin, '\n', size);
        size_t len = feed == NULL ? size : (size_t)(feed - begin);
        if (feed == NULL && !is_last && len <= LINE_MAX_BYTES + 1 /* a carriage return */) {
            is_last = !read_more(lines);
            if (is_last && errno != 0) {
                return err_set(info, ERR_CONFIG, "cannot read the passwords in %.150s: %s", path, strerror(errno));
            }
            continue;
        }
        struct str line = without_return(str_of(begin, len));
        lines->begin += len + (feed != NULL);
        lines->number++;
        if (line.len > LINE_MAX_BYTES) {
            return err_set(info, ERR_CONFIG, "%.150s:%zu: the line is longer than %d bytes", path, lines->number,
                           LINE_MAX_BYTES);
        }
        if (!take_line(list, line)) {
            return err_set(info, ERR_CONFIG, "%.150s: a list may hold %d passwords", path, PASSWORD_LIST_MAX);
        }
    }
    return ERR_NONE;
}

static void close_file(int *fd) {
    if (*fd >= 0) {
        (void)close(*fd);
    }
}

static enum err load(struct password_list *list, const char *path, struct err_info *info) {
    CLEANUP(close_file) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat about;
    if (fd < 0 || fstat(fd, &about) != 0) {
        return err_set(info, ERR_CONFIG, "cannot read the passwords in %.150s: %s", path, strerror(errno));
    }
    if (!S_ISREG(about.st_mode)) {
        return err_set(info, ERR_CONFIG, "the list of passwords %.150s is not a regular file", path);
    }
    struct lines *lines = calloc_or_end(1, sizeof *lines);
    lines->fd = fd;
    enum err err = read_lines(list, lines, path, info);
    free(lines);
    if (err == ERR_NONE && list->count > 0) {
        qsort(list->hashes, list->count, sizeof *list->hashes, compare_hashes);
    }
    return err;
}

enum err password_list_load(const char *path, struct password_list **ret_list, struct err_info *info) {
    if (sodium_init() < 0) {
        return err_set(info, ERR_IO, "libsodium finds no source of randomness");
    }
    struct password_list *list = calloc_or_end(1, sizeof *list);
    crypto_shorthash_keygen(list->key);
    enum err err = load(list, path, info);
    if (err != ERR_NONE) {
        password_list_free(list);
        return err;
    }
    *ret_list = list;
    return ERR_NONE;
}

void password_list_free(struct password_list *list) {
    if (list != NULL) {
        free(list->hashes);
        free(list);
    }
}

size_t password_list_count(const struct password_list *list) {
    return list->count;
}

enum password_verdict password_judge(const struct password_list *list, const struct house_words *house,
                                     struct str password, struct str email) {
    if (count_characters(password) < PASSWORD_MIN_CHARACTERS) {
        return PASSWORD_TOO_SHORT;
    }
    if (password.len > PASSWORD_MAX_BYTES) {
        return PASSWORD_TOO_LONG;
    }
    bool is_address =
        is_same_but_for_case(password, email) || is_same_but_for_case(password, str_first(email, str_find(email, '@')));
    bool is_known =
        list != NULL && list->count > 0 &&
        (is_listed(list, hash_of_text(list, password, false)) || is_listed(list, hash_of_text(list, password, true)));
    if (is_address || is_known) {
        return PASSWORD_KNOWN;
    }
    return house_words_left(house, password) < PASSWORD_MIN_CHARACTERS ? PASSWORD_OF_THE_HOUSE : PASSWORD_FINE;
}

/* ---- verifiers ---- */

bool password_make(struct str password, char ret_verifier[PASSWORD_VERIFIER_MAX]) {
    return crypto_pwhash_str_alg(ret_verifier, password.data, password.len, PASSWORD_PASSES, PASSWORD_MEMORY_BYTES,
                                 crypto_pwhash_ALG_ARGON2ID13) == 0;
}

static bool take(struct str *rest, struct str literal) {
    bool is_there = str_starts_with(*rest, literal);
    if (is_there) {
        *rest = str_from(*rest, literal.len);
    }
    return is_there;
}

/* A number and what stands behind it. */
static bool take_number(struct str *rest, char end, int64_t *ret_number) {
    struct str digits = str_first(*rest, str_find(*rest, end));
    *rest = str_from(*rest, digits.len);
    return rest->len > 0 && int64_read(digits, ret_number);
}

struct verifier {
    int64_t kib, passes;
    uint8_t salt[crypto_pwhash_SALTBYTES], hash[VERIFIER_HASH_BYTES];
};

/* Base 64 without padding, up to the end of the text or a dollar, which is taken as well. */
static bool take_bytes(struct str *rest, uint8_t *ret_bytes, size_t size) {
    struct str digits = str_first(*rest, str_find(*rest, '$'));
    size_t decoded = 0;
    *rest = str_from(*rest, digits.len + 1);
    return sodium_base642bin(ret_bytes, size, digits.data, digits.len, NULL, &decoded, NULL,
                             sodium_base64_VARIANT_ORIGINAL_NO_PADDING) == 0 &&
           decoded == size;
}

/* The only form that is ours: $argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>. */
static bool read_verifier(struct str text, struct verifier *ret_verifier) {
    struct str rest = text;
    bool is_read = take(&rest, STR("$argon2id$v=19$m=")) && take_number(&rest, ',', &ret_verifier->kib) &&
                   take(&rest, STR(",t=")) && take_number(&rest, ',', &ret_verifier->passes) &&
                   take(&rest, STR(",p=1$")) && take_bytes(&rest, ret_verifier->salt, sizeof ret_verifier->salt) &&
                   take_bytes(&rest, ret_verifier->hash, sizeof ret_verifier->hash) && rest.len == 0;
    return is_read && ret_verifier->kib >= KIB_LEAST &&
           ret_verifier->kib <= (int64_t)(PASSWORD_MEMORY_MOST_BYTES / 1024) && ret_verifier->passes >= 1 &&
           ret_verifier->passes <= PASSWORD_PASSES_MOST;
}

/* Not by libsodium's own function for it, to which no memory is the same as another password. */
enum password_answer password_verify(struct str verifier, struct str password, bool *ret_rehash) {
    struct verifier wanted;
    uint8_t hash[VERIFIER_HASH_BYTES];
    if (!read_verifier(verifier, &wanted)) {
        return PASSWORD_WRONG;
    }
    if (crypto_pwhash(hash, sizeof hash, password.data, password.len, wanted.salt, (uint64_t)wanted.passes,
                      (size_t)wanted.kib * 1024, crypto_pwhash_ALG_ARGON2ID13) != 0) {
        return PASSWORD_NO_MEMORY;
    }
    bool is_right = sodium_memcmp(hash, wanted.hash, sizeof hash) == 0;
    sodium_memzero(hash, sizeof hash);
    if (!is_right) {
        return PASSWORD_WRONG;
    }
    *ret_rehash = wanted.kib != (int64_t)(PASSWORD_MEMORY_BYTES / 1024) || wanted.passes != PASSWORD_PASSES;
    return PASSWORD_RIGHT;
}
