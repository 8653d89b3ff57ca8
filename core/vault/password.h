/* password.h: which passwords are taken, and how they are kept: as verifiers of Argon2id, from which nobody reads them.
 *
 * Rules    a password has PASSWORD_MIN_CHARACTERS at least and PASSWORD_MAX_BYTES at most; it is not one that is known
 *          (the list), and not its owner's address or the part of it before the @. Words of the house count for nothing
 *          (house_words.h). Nothing else is asked for, no digits and no capitals (NIST SP 800-63B). Bytes are taken as
 *          they were sent: nothing is cut, folded or trimmed.
 * Cost     Argon2id, 19,456 KiB and two passes (OWASP's Password Storage Cheat Sheet): some 25 ms, which only threads
 *          of core/gateway/hashing.h can afford. A verifier of another cost is still answered, and to be made anew.
 * Bounds   a list of PASSWORD_LIST_MAX passwords, 8 bytes each. A verifier asks for PASSWORD_MEMORY_MOST_BYTES and
 *          PASSWORD_PASSES_MOST at most, whoever wrote it; else it is nobody's.
 * Memory   the caller's, and a list's own. What is computed from a password is wiped.
 * Thread   pure; any. A list is read-only.          May use: base, libsodium, openssl (SHA-1, which libsodium has not).
 */
#pragma once

#include <stddef.h>

#include "core/base/err.h"
#include "core/base/str.h"
#include "core/vault/house_words.h"

enum {
    PASSWORD_MIN_CHARACTERS = 10, /* of UTF-8: a character of four bytes is one */
    PASSWORD_MAX_BYTES = 1024,
    PASSWORD_VERIFIER_MAX = 128, /* with its NUL: crypto_pwhash_STRBYTES */
    PASSWORD_LIST_MAX = 2000000,
    PASSWORD_PASSES = 2,
    PASSWORD_PASSES_MOST = 16,
};
#define PASSWORD_MEMORY_BYTES ((size_t)19456 * 1024)
#define PASSWORD_MEMORY_MOST_BYTES ((size_t)65536 * 1024)

/* Passwords that are known: keyed hashes of their SHA-1, sorted. */
struct password_list;

/* A file of lines: a password, which then is known in upper and lower case alike; or 40 hexadecimal digits, the SHA-1
 * of one, and whatever follows behind a colon: the form of haveibeenpwned.com. What is too short to be chosen is left
 * out. ERR_CONFIG: no regular file, cannot be read, a line or the list too long. */
MUST_CHECK enum err password_list_load(const char *path, struct password_list **ret_list, struct err_info *info);
void password_list_free(struct password_list *list); /* NULL is allowed */
size_t password_list_count(const struct password_list *list);

enum password_verdict {
    PASSWORD_FINE,
    PASSWORD_TOO_SHORT,
    PASSWORD_TOO_LONG,
    PASSWORD_KNOWN,        /* listed, or the owner's address or its part before the @ */
    PASSWORD_OF_THE_HOUSE, /* too short without the words of the house */
};

/* `list` may be NULL: nothing is known. */
enum password_verdict password_judge(const struct password_list *list, const struct house_words *house,
                                     struct str password, struct str email);

/* False: there was no memory for it. */
MUST_CHECK bool password_make(struct str password, char ret_verifier[PASSWORD_VERIFIER_MAX]);

enum password_answer {
    PASSWORD_RIGHT,
    PASSWORD_WRONG,     /* or the verifier is none */
    PASSWORD_NO_MEMORY, /* nobody knows */
};

/* ret_rehash, where it is right: the verifier's cost is another than that of new ones. */
MUST_CHECK enum password_answer password_verify(struct str verifier, struct str password, bool *ret_rehash);
