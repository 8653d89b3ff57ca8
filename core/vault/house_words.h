/* house_words.h: words that whoever guesses a shop's passwords tries first: its name, its host, its brands.
 *
 * Rule     a password may have such words in it, but they count for nothing: without them it must be as long as any has
 *          to be (password.h). So "daybook-2026" is refused, and "a heron reads its daybook" is not.
 * Form     words with spaces between, of HOUSE_WORD_MIN_BYTES to HOUSE_WORD_MAX_BYTES, HOUSE_WORDS_MAX of them. Upper
 *          and lower case of ASCII are the same; other letters are compared as their bytes are.
 * Memory   words point into the text that they were read from.
 * Thread   pure; any.          May use: base.
 */
#pragma once

#include <stddef.h>

#include "core/base/err.h"
#include "core/base/str.h"

enum {
    HOUSE_WORDS_MAX = 64,
    HOUSE_WORD_MIN_BYTES = 3, /* of shorter ones a password is full by chance */
    HOUSE_WORD_MAX_BYTES = 64,
};

/* Zeroed there are none. */
struct house_words {
    size_t count;
    struct str words[HOUSE_WORDS_MAX];
};

/* `text` lives as long as the words. ERR_CONFIG: a word too short or too long, or too many; ret_words is untouched. */
MUST_CHECK enum err house_words_read(const char *text, struct house_words *ret_words, struct err_info *info);

/* How many characters of UTF-8 the password has that stand in none of the words; where two words meet, the longest that
 * begins first counts. */
size_t house_words_left(const struct house_words *house, struct str password);
