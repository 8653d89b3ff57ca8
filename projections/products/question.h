/* question.h: what the words of `q` are taken to mean, where the catalogue does not have them as they are.
 *
 * Purpose  a shopper misspells, and a search box asks while he is typing. The words of published products, counted in
 *          the table `words`, say what he may have meant.
 * Words    plain ones: letters alone, 2 to QUESTION_WORD_MAX_BYTES, the first QUESTION_WORDS_MAX. What stands in quotes
 *          or behind a -, has a digit or a sign in it (SKUs, barcodes), or is `or`, is looked for as it is.
 * Typed    a plain word that the text ends with, with nothing behind it, may be half a word: what begins with it is
 *          found as well, by the QUESTION_BEGUN_MAX lexemes that most products have.
 * Alike    a plain word that no product has, and that begins none when it is being typed, is replaced by the one that
 *          is most like it: at most one letter added, left out, replaced or changed places with its neighbour, two
 *          from QUESTION_LONG_LETTERS letters on, none below QUESTION_SHORT_LETTERS. Among those of the same distance,
 *          one that begins with the same letter, then the one that most products have. Where there is none it stays.
 * Excluded PostgreSQL reads no question with more than 32 signs of exclusion one behind the other; more than
 *          QUESTION_EXCLUDED_MAX in all are to be refused.
 * Cursor   a meaning goes with the cursor of a page, so that the next page does not change its mind when the catalogue
 *          does.
 * Memory   the arena's; parts point into the texts given.
 * Thread   pure; any.            May use: base, pg.
 */
#pragma once

#include "core/base/arena.h"
#include "core/pg/pool.h"

enum {
    QUESTION_WORDS_MAX = 16,
    QUESTION_WORD_MAX_BYTES = 32, /* of the words in view.sql as well */
    QUESTION_BEGUN_MAX = 8,
    QUESTION_SHORT_LETTERS = 3,
    QUESTION_LONG_LETTERS = 6,
    QUESTION_EXCLUDED_MAX = 16,
};

struct products_question {
    struct str text;
    struct str words[QUESTION_WORDS_MAX]; /* the plain ones: parts of the text, in its order */
    size_t word_count;
    bool is_typed;         /* the last of them */
    size_t excluded_count; /* signs that stand where they exclude what follows */
};

struct products_question products_question_read(struct str text);

/* Asks the catalogue for those words. $1 text[] of them, $2 the typed one or NULL. Columns: place (of the word, from
 * 1), kind, asked, word, lexeme, products. A row for each word asked (`known` or `unknown`, with what it is stemmed
 * to), for each word that an unknown one may have meant (`alike`), and for each lexeme that the typed one begins
 * (`begun`). */
extern const struct pg_statement products_words;
enum { PRODUCTS_WORDS_PARAMETERS = 2 };
void products_words_parameters(struct arena *arena, const struct products_question *question,
                               struct str ret_parameters[PRODUCTS_WORDS_PARAMETERS]);

struct products_meaning {
    struct str text;   /* what is looked for, for websearch_to_tsquery */
    bool is_corrected; /* it is not what was asked */
    /* Where a word was begun: a tsquery of its own lexeme, which a stop word has not (NULL data pointer), and one of
     * that and what it begins. NULL data pointers: none was. */
    struct str typed, begun;
};

/* By the rows of products_words. */
struct products_meaning products_question_mean(struct arena *arena, const struct products_question *question,
                                               const PGresult *rows);
/* As it is, when nothing was asked. */
struct products_meaning products_question_literal(const struct products_question *question);

/* A cursor of a list's statement with the meaning before it, QUESTION_CURSOR_MAX_BYTES more; and the two again. False:
 * it is none. */
enum { QUESTION_CURSOR_MAX_BYTES = 1024 };
struct str products_meaning_write(struct arena *arena, const struct products_meaning *meaning, struct str cursor);
MUST_CHECK bool products_meaning_read(struct str text, struct str asked, struct products_meaning *ret_meaning,
                                      struct str *ret_cursor);
