#include "core/vault/house_words.h"

static char lower_of(char byte) {
    return (char)(byte >= 'A' && byte <= 'Z' ? byte - 'A' + 'a' : byte);
}

static bool begins_with(struct str text, struct str word) {
    bool begins = text.len >= word.len;
    for (uint32_t i = 0; begins && i < word.len; i++) {
        begins = lower_of(text.data[i]) == lower_of(word.data[i]);
    }
    return begins;
}

enum err house_words_read(const char *text, struct house_words *ret_words, struct err_info *info) {
    struct house_words read = {0};
    for (struct str rest = str_of_cstr(text); rest.len > 0;) {
        struct str word = str_first(rest, str_find(rest, ' '));
        rest = str_from(rest, word.len + 1);
        if (word.len == 0) {
            continue;
        }
        if (word.len < HOUSE_WORD_MIN_BYTES || word.len > HOUSE_WORD_MAX_BYTES) {
            return err_set(info, ERR_CONFIG, "password_words: a word has %d to %d bytes, not '%.*s'",
                           HOUSE_WORD_MIN_BYTES, HOUSE_WORD_MAX_BYTES, STR_ARGS(str_first(word, HOUSE_WORD_MAX_BYTES)));
        }
        if (read.count == HOUSE_WORDS_MAX) {
            return err_set(info, ERR_CONFIG, "password_words: more than %d words", HOUSE_WORDS_MAX);
        }
        read.words[read.count++] = word;
    }
    *ret_words = read;
    return ERR_NONE;
}

/* Of the longest word that begins here; 0: none does. */
static uint32_t word_len_at(const struct house_words *house, struct str text) {
    uint32_t longest = 0;
    for (size_t i = 0; i < house->count; i++) {
        if (house->words[i].len > longest && begins_with(text, house->words[i])) {
            longest = house->words[i].len;
        }
    }
    return longest;
}

size_t house_words_left(const struct house_words *house, struct str password) {
    size_t left = 0;
    for (struct str rest = password; rest.len > 0;) {
        uint32_t word_len = word_len_at(house, rest);
        left += word_len == 0 && ((uint8_t)rest.data[0] & 0xc0) != 0x80;
        rest = str_from(rest, word_len == 0 ? 1 : word_len);
    }
    return left;
}
