/* vault_fuzz.c: libFuzzer on what the vault reads from files, from rows and from the log: the ring of master keys,
 * wrapped keys, sealed texts, lists of passwords, verifiers, and what a code's app is given.
 *
 * The first byte chooses which. Beyond what the sanitizers see: what was made is opened again, and nothing that
 * was changed, moved to somebody else or made up is; what a list says is refused, in whatever case; and what an app
 * is told decodes to what it was made of.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/text.h"
#include "core/vault/password.h"
#include "core/vault/totp.h"
#include "core/vault/vault.h"

enum { INPUT_MAX_BYTES = 8 * 1024, ARENA_MAX_BYTES = 1 << 20, KIB_TRIED_MAX = 256, PASSES_TRIED_MAX = 2 };

#define CUSTOMER STR("cus_01ARZ3NDEKTSV4RRFFQ69G5FAV")

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct secret secret = {{5}};

static void require(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "vault_fuzz: %s\n", what);
        abort();
    }
}

/* ---- the ring ---------------------------------------------------------------------------------------------------- */

static void check_ring(const struct master_ring *ring) {
    uint8_t key[32], opened[32], wrapped[MASTER_WRAPPED_BYTES];
    memset(key, 7, sizeof key);
    size_t count = master_count(ring);
    require(count >= 1 && count <= MASTER_KEYS_MAX, "a ring has some keys");
    for (size_t i = 0; i < count; i++) {
        require(master_find(ring, master_id(ring, i)) == i, "each has a name of its own");
    }
    master_wrap(ring, STR("a"), key, wrapped);
    struct str text = str_of((const char *)wrapped, sizeof wrapped);
    require(master_unwrap(ring, master_id(ring, 0), STR("a"), text, opened) && memcmp(opened, key, sizeof key) == 0,
            "what the first wraps it opens");
    require(!master_unwrap(ring, master_id(ring, 0), STR("b"), text, opened), "for its own person alone");
    for (size_t i = 1; i < count; i++) {
        require(!master_unwrap(ring, master_id(ring, i), STR("a"), text, opened), "under its own master alone");
    }
}

static void fuzz_ring(struct str text) {
    struct master_ring *ring = NULL;
    struct err_info info = {0};
    char *setting = strndup(text.data, text.len);
    if (setting != NULL && *setting != '\0') {
        if (master_load("", setting, &ring, &info) == ERR_NONE) {
            check_ring(ring);
            master_free(ring);
        } else {
            require(info.code == ERR_CONFIG && info.text[0] != '\0', "a refusal says why");
        }
    }
    free(setting);
}

/* As a row of the vault would have it. */
static void fuzz_wrapped(struct str text) {
    static struct master_ring *ring;
    struct err_info info = {0};
    uint8_t opened[32];
    require(ring != NULL || master_load("", "a AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &ring, &info) == ERR_NONE,
            "there is a ring");
    struct str id = str_first(text, str_find(text, '\n')), wrapped = str_from(text, id.len + 1);
    require(!master_unwrap(ring, id, STR("a"), wrapped, opened) &&
                !master_unwrap(ring, STR("a"), STR("a"), wrapped, opened),
            "nobody makes a wrapped key up");
}

/* ---- sealed texts ------------------------------------------------------------------------------------------------ */

/* Two bytes say which byte is changed, one how; the rest is what is sealed. */
static void fuzz_sealed(struct arena *arena, struct str text) {
    struct vault_key key = {.id = STR("k1"), .bytes = {1}}, other = {.id = STR("k2"), .bytes = {1}};
    uint32_t place = text.len > 2 ? (uint32_t)(uint8_t)text.data[0] << 8 | (uint8_t)text.data[1] : 0;
    uint8_t change = text.len > 2 ? (uint8_t)text.data[2] : 0;
    struct sealed sealed = {.plaintext = str_from(text, 3)}, moved;
    struct str opened;
    vault_seal(&key, arena, &sealed);
    require(vault_unseal(&key, arena, &sealed, &opened) && str_equal(opened, str_from(text, 3)),
            "what was sealed is opened");
    moved = sealed;
    moved.key_id = other.id;
    require(!vault_unseal(&other, arena, &sealed, &opened) && !vault_unseal(&other, arena, &moved, &opened),
            "and cannot be moved to somebody else");
    if (change != 0) {
        char *byte = (char *)sealed.ciphertext.data + place % sealed.ciphertext.len;
        *byte = (char)(*byte ^ change);
        require(!vault_unseal(&key, arena, &sealed, &opened), "nor changed");
    }
}

/* Lines: the key's id, the nonce; the rest is the ciphertext. */
static void fuzz_made_up(struct arena *arena, struct str text) {
    struct vault_key key = {.id = STR("k1"), .bytes = {1}};
    struct sealed sealed = {.key_id = str_first(text, str_find(text, '\n'))};
    struct str rest = str_from(text, sealed.key_id.len + 1), opened;
    sealed.nonce = str_first(rest, VAULT_NONCE_BYTES);
    sealed.ciphertext = str_from(rest, VAULT_NONCE_BYTES);
    require(!vault_unseal(&key, arena, &sealed, &opened), "nobody makes a sealed text up");
}

/* ---- passwords --------------------------------------------------------------------------------------------------- */

static size_t count_characters(struct str text) {
    size_t count = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        count += ((uint8_t)text.data[i] & 0xc0) != 0x80;
    }
    return count;
}

/* 40 hexadecimal digits before a colon are the hash of a password, not one. */
static bool is_hash(struct str line) {
    uint32_t digits = str_find(line, ':');
    for (uint32_t i = 0; i < digits; i++) {
        if (strchr("0123456789abcdefABCDEF", line.data[i]) == NULL || line.data[i] == '\0') {
            return false;
        }
    }
    return digits == 40;
}

static const struct house_words no_words;

static void check_listed(const struct password_list *list, struct str line) {
    char upper[PASSWORD_MAX_BYTES];
    bool can_be_one =
        line.len <= PASSWORD_MAX_BYTES && count_characters(line) >= PASSWORD_MIN_CHARACTERS && !is_hash(line);
    for (uint32_t i = 0; can_be_one && i < line.len; i++) {
        bool is_lower = line.data[i] >= 'a' && line.data[i] <= 'z';
        upper[i] = (char)(is_lower ? line.data[i] - 'a' + 'A' : line.data[i]);
    }
    require(!can_be_one || password_judge(list, &no_words, line, STR("ada@shop.example")) == PASSWORD_KNOWN,
            "what is listed is known");
    require(!can_be_one ||
                password_judge(list, &no_words, str_of(upper, line.len), STR("ada@shop.example")) == PASSWORD_KNOWN,
            "in capitals, too");
}

static void fuzz_list(struct str text) {
    struct password_list *list = NULL;
    struct err_info info = {0};
    char path[32];
    int fd = memfd_create("passwords", MFD_CLOEXEC);
    require(fd >= 0 && write(fd, text.data, text.len) == (ssize_t)text.len, "there is memory for a file");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (password_list_load(path, &list, &info) == ERR_NONE) {
        size_t line_count = 0;
        for (struct str rest = text; rest.len > 0; line_count++) {
            struct str line = str_first(rest, str_find(rest, '\n'));
            rest = str_from(rest, line.len + 1);
            line.len -= line.len > 0 && line.data[line.len - 1] == '\r';
            check_listed(list, line);
        }
        require(password_list_count(list) <= line_count, "a line is one password at most");
        require(password_list_count(list) > 0 ||
                    password_judge(list, &no_words, STR("nobody has listed this"), STR("")) == PASSWORD_FINE,
                "of an empty list nothing is known");
        password_list_free(list);
    } else {
        require(info.code == ERR_CONFIG && info.text[0] != '\0', "a refusal says why");
    }
    close(fd);
}

static int64_t number_behind(struct str text, const char *mark) {
    const char *at = memmem(text.data, text.len, mark, strlen(mark));
    int64_t number = 0;
    struct str rest =
        at == NULL ? (struct str){0} : str_from(text, (uint32_t)(at - text.data) + (uint32_t)strlen(mark));
    uint32_t len = 0;
    while (len < rest.len && rest.data[len] >= '0' && rest.data[len] <= '9') {
        len++;
    }
    return int64_read(str_first(rest, len), &number) ? number : INT64_MAX;
}

/* What a row says is a verifier; those that take long are passed over. Who is let in by one libsodium lets in, too. */
static void fuzz_verifier(struct str text) {
    bool needs_rehash = false;
    if (number_behind(text, "$m=") > KIB_TRIED_MAX || number_behind(text, ",t=") > PASSES_TRIED_MAX) {
        return;
    }
    if (password_verify(text, STR("password"), &needs_rehash) == PASSWORD_RIGHT) {
        char verifier[PASSWORD_VERIFIER_MAX] = {0};
        require(text.len < sizeof verifier, "a verifier is short");
        memcpy(verifier, text.data, text.len);
        require(crypto_pwhash_str_verify(verifier, "password", 8) == 0, "two readers agree on a verifier");
        require(needs_rehash, "one of so little cost is made anew");
    }
}

/* ---- codes ------------------------------------------------------------------------------------------------------- */

/* RFC 4648, 6. */
static void check_base32(struct str text, const uint8_t *bytes, size_t size) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    size_t bit = 0;
    require(text.len * 5 == size * 8, "an app's secret has its length");
    for (uint32_t i = 0; i < text.len; i++) {
        const char *at = memchr(digits, text.data[i], 32);
        require(at != NULL, "an app's secret has digits");
        for (int k = 4; k >= 0; k--, bit++) {
            require(((at - digits) >> k & 1) == (bytes[bit / 8] >> (7 - bit % 8) & 1), "an app's secret is ours");
        }
    }
}

static bool unescape(struct str text, struct buf *out) {
    while (text.len > 0) {
        uint8_t byte;
        char lower[2];
        if (text.data[0] != '%') {
            buf_byte(out, text.data[0]);
            text = str_from(text, 1);
            continue;
        }
        for (uint32_t i = 0; i < 2; i++) {
            char digit = i + 1 < text.len ? text.data[i + 1] : '\0';
            lower[i] = (char)(digit >= 'A' && digit <= 'F' ? digit - 'A' + 'a' : digit);
        }
        if (!hex_read(str_of(lower, 2), &byte, 1)) {
            return false;
        }
        buf_byte(out, (char)byte);
        text = str_from(text, 3);
    }
    return true;
}

/* The first bytes are the app's secret, the rest is whose it is. */
static void fuzz_app(struct arena *arena, struct str text) {
    uint8_t app[TOTP_SECRET_BYTES] = {0};
    struct str label = str_first(str_from(text, sizeof app), TOTP_LABEL_MAX), begin = STR("otpauth://totp/Shop%201:");
    if (text.len > 0) {
        memcpy(app, text.data, text.len < sizeof app ? text.len : sizeof app);
    }
    check_base32(totp_secret_text(arena, app), app, sizeof app);
    struct str uri = totp_uri(arena, app, STR("Shop 1"), label);
    require(str_starts_with(uri, begin), "a URI begins with its issuer");
    for (uint32_t i = 0; i < uri.len; i++) {
        require(uri.data[i] > ' ' && uri.data[i] <= '~' && strchr("\"<>\\^`{|}#", uri.data[i]) == NULL, "a URI is one");
    }
    struct str rest = str_from(uri, begin.len);
    struct buf read;
    buf_init(&read, INPUT_MAX_BYTES);
    require(unescape(str_first(rest, str_find(rest, '?')), &read) && str_equal(buf_text(&read), label),
            "and says whose it is");
    buf_release(&read);
}

static void fuzz_recovery(struct arena *arena, struct str text) {
    int index = recovery_code_find(&secret, CUSTOMER, 1, text);
    require(index < RECOVERY_CODES, "there are so many");
    if (index >= 0) { /* in whatever case, with a hyphen or without */
        struct str code = recovery_code_write(arena, &secret, CUSTOMER, 1, index);
        require(text.len == code.len || text.len + 1 == code.len, "a code is whole");
    }
    for (int i = 0; i < RECOVERY_CODES; i++) {
        struct str code = recovery_code_write(arena, &secret, CUSTOMER, 1, i);
        require(recovery_code_find(&secret, CUSTOMER, 1, code) == i, "each is found again");
        require(recovery_code_find(&secret, CUSTOMER, 2, code) < 0, "of its own enrolment alone");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size > INPUT_MAX_BYTES || sodium_init() < 0) {
        return 0;
    }
    struct arena arena;
    arena_init(&arena, ARENA_MAX_BYTES);
    struct str text = str_of((const char *)data + 1, size - 1);
    switch (data[0] % 8) {
    case 0:
        fuzz_ring(text);
        break;
    case 1:
        fuzz_wrapped(text);
        break;
    case 2:
        fuzz_sealed(&arena, text);
        break;
    case 3:
        fuzz_made_up(&arena, text);
        break;
    case 4:
        fuzz_list(text);
        break;
    case 5:
        fuzz_verifier(text);
        break;
    case 6:
        fuzz_app(&arena, text);
        break;
    default:
        fuzz_recovery(&arena, text);
        break;
    }
    arena_release(&arena);
    return 0;
}
