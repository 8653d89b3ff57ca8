#include "projections/products/question.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/buf.h"
#include "core/base/text.h"

/* ---- which words ------------------------------------------------------------------------------------------------ */

static bool is_letter(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (uint8_t)byte >= 0x80;
}

/* A sentence's signs around a word are no part of it. */
static struct str without_signs(struct str chunk) {
    while (!str_is_empty(chunk) && strchr("(", chunk.data[0]) != NULL) {
        chunk = str_from(chunk, 1);
    }
    while (!str_is_empty(chunk) && strchr(",.;:!?)", chunk.data[chunk.len - 1]) != NULL) {
        chunk.len--;
    }
    return chunk;
}

static bool is_plain(struct str word) {
    bool is_or = word.len == 2 && (word.data[0] | 0x20) == 'o' && (word.data[1] | 0x20) == 'r';
    bool is_plain = word.len >= 2 && word.len <= QUESTION_WORD_MAX_BYTES && !is_or;
    for (uint32_t i = 0; i < word.len && is_plain; i++) {
        is_plain = is_letter(word.data[i]);
    }
    return is_plain;
}

/* What stands between spaces and quotes. */
static uint32_t chunk_length(struct str text) {
    uint32_t length = 0;
    while (length < text.len && text.data[length] != ' ' && text.data[length] != '"') {
        length++;
    }
    return length;
}

/* One within a word excludes nothing. */
static size_t count_excluded(struct str text) {
    size_t count = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        char before = i == 0 ? ' ' : text.data[i - 1];
        count += text.data[i] == '-' && !is_letter(before) && !(before >= '0' && before <= '9');
    }
    return count;
}

struct products_question products_question_read(struct str text) {
    struct products_question question = {.text = text, .excluded_count = count_excluded(text)};
    bool is_quoted = false;
    for (uint32_t at = 0; at < text.len;) {
        uint32_t length = chunk_length(str_from(text, at));
        struct str word = without_signs(str_first(str_from(text, at), length));
        if (!is_quoted && question.word_count < QUESTION_WORDS_MAX && is_plain(word)) {
            question.words[question.word_count++] = word;
            question.is_typed = word.data + word.len == text.data + text.len;
        }
        at += length;
        is_quoted ^= at < text.len && text.data[at] == '"';
        at += at < text.len;
    }
    return question;
}

/* ---- asking for them -------------------------------------------------------------------------------------------- */

/* A word that only descriptions have is known, but never proposed. Counted and not EXISTS, for which PostgreSQL would
 * walk through the table, believing that it meets such a product soon. */
#define IS_KNOWN                                                                                                       \
    "(lexeme IS NULL OR EXISTS (SELECT FROM products.words AS w WHERE w.lexeme = a.lexeme)"                            \
    " OR (SELECT count(*) FROM products.products AS p WHERE p.status = 'published'"                                    \
    " AND p.search @@ quote_literal(a.lexeme)::tsquery) > 0)"

const struct pg_statement products_words = {
    .name = "products_words",
    .sql = "WITH asked AS MATERIALIZED (SELECT *, " IS_KNOWN " AS is_known"
           " FROM (SELECT place, lower(word) AS word, (ts_lexize('english_stem', word))[1] AS lexeme"
           " FROM unnest($1::text[]) WITH ORDINALITY AS u (word, place)) AS a)"
           " SELECT place, CASE WHEN is_known THEN 'known' ELSE 'unknown' END AS kind, word AS asked, word, lexeme,"
           " 0::bigint AS products FROM asked"
           " UNION ALL SELECT a.place, 'alike', a.word, w.word, w.lexeme, w.products"
           " FROM asked AS a, LATERAL products.words_alike(a.word) AS w WHERE NOT a.is_known"
           " UNION ALL (SELECT 0, 'begun', $2::text, lexeme, lexeme, sum(products)::bigint FROM products.words"
           /* Behind all that begin like it: the last character that there is. */
           " WHERE word >= lower($2::text) AND word < lower($2::text) || chr(1114111)"
           " GROUP BY lexeme ORDER BY sum(products) DESC, lexeme LIMIT 8)",
    .parameter_count = PRODUCTS_WORDS_PARAMETERS,
};
static_assert(QUESTION_BEGUN_MAX == 8, "the statement's LIMIT");

void products_words_parameters(struct arena *arena, const struct products_question *question,
                               struct str ret_parameters[PRODUCTS_WORDS_PARAMETERS]) {
    struct str words = STR("");
    for (size_t i = 0; i < question->word_count; i++) {
        /* Letters need no quotes, but one word might be NULL. */
        words = arena_printf(arena, "%.*s%s\"%.*s\"", STR_ARGS(words), i == 0 ? "" : ",", STR_ARGS(question->words[i]));
    }
    ret_parameters[0] = arena_printf(arena, "{%.*s}", STR_ARGS(words));
    ret_parameters[1] = question->is_typed ? question->words[question->word_count - 1] : (struct str){0};
}

/* ---- how far two words are from each other ---------------------------------------------------------------------- */

struct letters {
    struct str items[QUESTION_WORD_MAX_BYTES + 2];
    size_t count;
};

/* False when it has none, or too many, as lower case may grow. */
static bool letters_of(struct str word, struct letters *ret_letters) {
    ret_letters->count = 0;
    while (!str_is_empty(word)) {
        uint32_t bytes = utf8_first(word);
        if (bytes == 0 || ret_letters->count == ARRAY_LENGTH(ret_letters->items)) {
            return false;
        }
        ret_letters->items[ret_letters->count++] = str_first(word, bytes);
        word = str_from(word, bytes);
    }
    return ret_letters->count > 0;
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Letters added, left out, replaced, or changed places with their neighbour (optimal string alignment). */
static size_t distance(const struct letters *a, const struct letters *b) {
    enum { PLACES = QUESTION_WORD_MAX_BYTES + 3 };
    size_t rows[3][PLACES]; /* of the letters of `a` before this one, up to this one and the one before that */
    for (size_t j = 0; j <= b->count; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a->count; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b->count; j++) {
            bool is_same = str_equal(a->items[i - 1], b->items[j - 1]);
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + !is_same);
            if (i > 1 && j > 1 && str_equal(a->items[i - 1], b->items[j - 2]) &&
                str_equal(a->items[i - 2], b->items[j - 1])) {
                row[j] = least(row[j], before[j - 2] + 1);
            }
        }
    }
    return rows[a->count % 3][b->count];
}

static size_t distance_most(const struct letters *asked) {
    return asked->count < QUESTION_SHORT_LETTERS ? 0 : asked->count < QUESTION_LONG_LETTERS ? 1 : 2;
}

/* ---- what they mean --------------------------------------------------------------------------------------------- */

enum { PLACE, KIND, ASKED, WORD, LEXEME, PRODUCTS };

struct candidate {
    struct str word; /* NULL data pointer: none yet */
    size_t distance;
    bool begins_alike;
    int64_t products;
};

static bool is_better(const struct candidate *a, const struct candidate *b) {
    if (b->word.data == NULL || a->distance != b->distance) {
        return b->word.data == NULL || a->distance < b->distance;
    }
    if (a->begins_alike != b->begins_alike) {
        return a->begins_alike;
    }
    return a->products != b->products ? a->products > b->products : str_compare(a->word, b->word) < 0;
}

static bool is_kind(const PGresult *rows, int row, const char *kind) {
    return str_equal(pg_value(rows, row, KIND), str_of_cstr(kind));
}

/* The place of the word that the row is about, from 0; -1 for none. */
static int place_of(const PGresult *rows, int row) {
    int64_t place;
    return int64_read(pg_value(rows, row, PLACE), &place) ? (int)place - 1 : -1;
}

static void consider(struct candidate *best, const PGresult *rows, int row) {
    struct letters asked, word;
    struct candidate candidate = {.word = pg_value(rows, row, WORD)};
    if (!letters_of(pg_value(rows, row, ASKED), &asked) || !letters_of(candidate.word, &word) ||
        !int64_read(pg_value(rows, row, PRODUCTS), &candidate.products)) {
        return;
    }
    candidate.distance = distance(&asked, &word);
    candidate.begins_alike = str_equal(asked.items[0], word.items[0]);
    if (candidate.distance <= distance_most(&asked) && is_better(&candidate, best)) {
        *best = candidate;
    }
}

/* The text with the words that were found in the place of those that were asked. */
static struct str replace(struct arena *arena, const struct products_question *question,
                          const struct candidate *candidates) {
    struct str text = STR("");
    uint32_t at = 0;
    for (size_t i = 0; i < question->word_count; i++) {
        if (candidates[i].word.data != NULL) {
            uint32_t start = (uint32_t)(question->words[i].data - question->text.data);
            text = arena_printf(arena, "%.*s%.*s%.*s", STR_ARGS(text), (int)(start - at), question->text.data + at,
                                STR_ARGS(candidates[i].word));
            at = start + question->words[i].len;
        }
    }
    return arena_join(arena, text, str_from(question->text, at));
}

/* What the typed word is stemmed to, and the lexemes that it begins. A stop word is completed where it is all that was
 * asked: "on" may become an onion, "made in" asks for what was made. */
static void take_begun(struct arena *arena, const struct products_question *question, const PGresult *rows,
                       struct products_meaning *meaning) {
    struct str typed = {0}, begun = {0};
    for (int row = 0; row < PQntuples(rows); row++) {
        struct str lexeme = pg_value(rows, row, LEXEME);
        if (place_of(rows, row) == (int)question->word_count - 1 && !is_kind(rows, row, "alike") && lexeme.len > 0) {
            typed = arena_printf(arena, "'%.*s'", STR_ARGS(lexeme));
        }
    }
    bool is_alone = question->words[question->word_count - 1].len == question->text.len;
    for (int row = 0; row < PQntuples(rows) && (typed.data != NULL || is_alone); row++) {
        struct str lexeme = arena_printf(arena, "'%.*s'", STR_ARGS(pg_value(rows, row, LEXEME)));
        if (is_kind(rows, row, "begun") && !str_equal(lexeme, typed)) {
            struct str before = begun.data == NULL ? typed : begun;
            begun = arena_printf(arena, "%.*s%s%.*s", STR_ARGS(before), before.len > 0 ? " | " : "", STR_ARGS(lexeme));
        }
    }
    if (begun.data != NULL) {
        meaning->typed = typed;
        meaning->begun = begun;
    }
}

struct products_meaning products_question_mean(struct arena *arena, const struct products_question *question,
                                               const PGresult *rows) {
    struct products_meaning meaning = products_question_literal(question);
    struct candidate candidates[QUESTION_WORDS_MAX] = {0};
    if (question->is_typed) {
        take_begun(arena, question, rows, &meaning);
    }
    for (int row = 0; row < PQntuples(rows); row++) {
        int place = place_of(rows, row);
        bool is_begun = meaning.begun.data != NULL && place == (int)question->word_count - 1;
        if (is_kind(rows, row, "alike") && place >= 0 && place < (int)question->word_count && !is_begun) {
            consider(&candidates[place], rows, row);
            meaning.is_corrected |= candidates[place].word.data != NULL;
        }
    }
    if (meaning.is_corrected) {
        meaning.text = replace(arena, question, candidates);
    }
    return meaning;
}

struct products_meaning products_question_literal(const struct products_question *question) {
    return (struct products_meaning){.text = question->text};
}

/* ---- with a cursor ---------------------------------------------------------------------------------------------- */

/* No text of a request has it in it, and no word. */
#define SEPARATOR '\x1f'

struct str products_meaning_write(struct arena *arena, const struct products_meaning *meaning, struct str cursor) {
    struct str text = meaning->is_corrected ? meaning->text : STR("");
    struct str whole =
        arena_printf(arena, "%.*s%c%.*s%c%.*s%c%.*s", STR_ARGS(text), SEPARATOR, STR_ARGS(meaning->typed), SEPARATOR,
                     STR_ARGS(meaning->begun), SEPARATOR, STR_ARGS(cursor));
    assert(whole.len <= cursor.len + QUESTION_CURSOR_MAX_BYTES);
    return whole;
}

static bool take_part(struct str *rest, struct str *ret_part) {
    uint32_t end = str_find(*rest, SEPARATOR);
    if (end == rest->len) {
        return false;
    }
    struct str part = str_first(*rest, end);
    *rest = str_from(*rest, end + 1);
    *ret_part = part.len > 0 ? part : (struct str){0};
    return true;
}

bool products_meaning_read(struct str text, struct str asked, struct products_meaning *ret_meaning,
                           struct str *ret_cursor) {
    struct products_meaning meaning;
    struct str corrected;
    if (!take_part(&text, &corrected) || !take_part(&text, &meaning.typed) || !take_part(&text, &meaning.begun)) {
        return false;
    }
    meaning.is_corrected = corrected.data != NULL;
    meaning.text = meaning.is_corrected ? corrected : asked;
    *ret_meaning = meaning;
    *ret_cursor = text;
    return true;
}
