#include "projections/products/question.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

static struct arena arena;
static struct products_question question;
static PGresult *rows;

static int set_up(void **state) {
    (void)state;
    arena_init(&arena, 1 << 20);
    rows = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    static char names[][10] = {"place", "kind", "asked", "word", "lexeme", "products"};
    PGresAttDesc columns[ARRAY_LENGTH(names)] = {{0}};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        columns[i].name = names[i];
    }
    return PQsetResultAttrs(rows, ARRAY_LENGTH(names), columns) ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    PQclear(rows);
    arena_release(&arena);
    return 0;
}

static void ask(const char *text) {
    question = products_question_read(str_of_cstr(text));
}

/* A row that the catalogue answers. An empty lexeme is a stop word's. */
static void told(int place, const char *kind, const char *asked, const char *word, const char *lexeme, int products) {
    char texts[6][64];
    snprintf(texts[0], sizeof texts[0], "%d", place);
    snprintf(texts[1], sizeof texts[1], "%s", kind);
    snprintf(texts[2], sizeof texts[2], "%s", asked);
    snprintf(texts[3], sizeof texts[3], "%s", word);
    snprintf(texts[4], sizeof texts[4], "%s", lexeme);
    snprintf(texts[5], sizeof texts[5], "%d", products);
    int row = PQntuples(rows);
    for (int column = 0; column < 6; column++) {
        bool is_null = column == 4 && lexeme[0] == '\0';
        assert_true(
            PQsetvalue(rows, row, column, is_null ? NULL : texts[column], is_null ? -1 : (int)strlen(texts[column])));
    }
}

static void assert_text(struct str text, const char *expected) {
    if (expected == NULL ? text.data != NULL : !str_equal(text, str_of_cstr(expected))) {
        fail_msg("\"%.*s\", not \"%s\"", STR_ARGS(text), expected == NULL ? "" : expected);
    }
}

static void assert_means(const char *text, bool is_corrected, const char *typed, const char *begun) {
    struct products_meaning meaning = products_question_mean(&arena, &question, rows);
    assert_text(meaning.text, text);
    assert_int_equal(meaning.is_corrected, is_corrected);
    assert_text(meaning.typed, typed);
    assert_text(meaning.begun, begun);
}

/* ---- which words ---- */

static void plain_words_alone_are_asked_for(void **state) {
    (void)state;
    static const struct {
        const char *text, *words;
        bool is_typed;
    } cases[] = {
        {"red tea", "red,tea", true},
        {"red tea ", "red,tea", false},
        {"  Red   TEA, ", "Red,TEA", false},
        {"tea?", "tea", false},
        {"tea -milk", "tea", false},
        {"tea or OR coffee", "tea,coffee", true},
        {"\"green tea\" leaf", "leaf", true},
        {"leaf \"green tea\"", "leaf", false},
        {"leaf \"green tea", "leaf", false},
        {"pre\"green tea\"post", "pre,post", true},
        {"TEA-100 4006381333931 100g a&b don't x_y a", "", false},
        {"th\xc3\xa9 vert", "th\xc3\xa9,vert", true},
        {"(tea)", "tea", false},
        {"abcdefghijklmnopqrstuvwxyzabcdef abcdefghijklmnopqrstuvwxyzabcdefg", "abcdefghijklmnopqrstuvwxyzabcdef",
         false},
        {"", "", false},
        {"\"\"\" - -- :* %_ !)(", "", false},
        {"aa bb cc dd ee ff gg hh ii jj kk ll mm nn oo pp qq", "aa,bb,cc,dd,ee,ff,gg,hh,ii,jj,kk,ll,mm,nn,oo,pp",
         false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        ask(cases[i].text);
        struct str words = STR("");
        for (size_t word = 0; word < question.word_count; word++) {
            words = arena_printf(&arena, "%.*s%s%.*s", STR_ARGS(words), word == 0 ? "" : ",",
                                 STR_ARGS(question.words[word]));
        }
        assert_text(words, cases[i].words);
        assert_int_equal(question.is_typed, cases[i].is_typed);
    }
}

static void signs_that_exclude_are_counted(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t count;
    } cases[] = {
        {"tea", 0}, {"garden-furniture KX-1-2 th\xc3\xa9-vert", 0}, {"-milk tea -sugar", 2}, {"- -- -\"a\"", 4}};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        ask(cases[i].text);
        assert_int_equal(question.excluded_count, cases[i].count);
    }
}

static void words_are_asked_for_as_an_array_and_the_typed_one_again(void **state) {
    (void)state;
    struct str parameters[PRODUCTS_WORDS_PARAMETERS];
    ask("null tea");
    products_words_parameters(&arena, &question, parameters);
    assert_text(parameters[0], "{\"null\",\"tea\"}");
    assert_text(parameters[1], "tea");
    ask("tea ");
    products_words_parameters(&arena, &question, parameters);
    assert_text(parameters[0], "{\"tea\"}");
    assert_text(parameters[1], NULL);
}

/* ---- what they mean ---- */

static void what_the_catalogue_knows_stays_as_it_is(void **state) {
    (void)state;
    ask("dark tea ");
    told(1, "known", "dark", "dark", "dark", 0);
    told(2, "known", "tea", "tea", "tea", 0);
    assert_means("dark tea ", false, NULL, NULL);
}

static void a_misspelt_word_is_replaced_where_it_stands(void **state) {
    (void)state;
    ask("dark Choclate -milk cookis ");
    told(1, "known", "dark", "dark", "dark", 0);
    told(2, "unknown", "choclate", "choclate", "choclat", 0);
    told(3, "unknown", "cookis", "cookis", "cooki", 0);
    told(2, "alike", "choclate", "chocolate", "chocol", 812);
    told(2, "alike", "choclate", "chocolates", "chocol", 9000);
    told(3, "alike", "cookis", "cookies", "cooki", 30);
    assert_means("dark chocolate -milk cookies ", true, NULL, NULL);
}

/* The word that `asked` is taken for, of those after it, which are told with their products. */
static void assert_taken_for(const char *asked, const char *expected, size_t count, ...) {
    tear_down(NULL);
    set_up(NULL);
    ask(arena_printf(&arena, "%s ", asked).data);
    told(1, "unknown", asked, asked, asked, 0);
    va_list words;
    va_start(words, count);
    for (size_t i = 0; i < count; i++) {
        const char *word = va_arg(words, const char *);
        told(1, "alike", asked, word, word, va_arg(words, int));
    }
    va_end(words);
    struct products_meaning meaning = products_question_mean(&arena, &question, rows);
    assert_text(meaning.text, arena_printf(&arena, "%s ", expected == NULL ? asked : expected).data);
    assert_int_equal(meaning.is_corrected, expected != NULL);
}

static void the_nearest_word_is_taken_then_the_one_that_begins_alike_then_the_most_frequent(void **state) {
    (void)state;
    assert_taken_for("tost", "toast", 3, "tossed", 900, "toast", 20, "most", 500);
    assert_taken_for("tost", "toss", 3, "toast", 20, "toss", 40, "host", 900);
    assert_taken_for("tost", "toast", 2, "toss", 20, "toast", 20);
    assert_taken_for("tae", "tea", 1, "tea", 5);
    assert_taken_for("mlik", "milk", 2, "milk", 5, "malik", 3);
    assert_taken_for("caf\xc3\xa9s", "cafes", 1, "cafes", 1);
}

static void few_letters_allow_few_mistakes(void **state) {
    (void)state;
    assert_taken_for("ta", NULL, 1, "tea", 900);
    assert_taken_for("bread", NULL, 1, "broad beans", 900);
    assert_taken_for("breda", "bread", 1, "bread", 1);
    assert_taken_for("bra", NULL, 1, "bread", 900);
    assert_taken_for("bananna", "banana", 2, "bandanna", 1, "banana", 900);
    assert_taken_for("bnaanna", "banana", 1, "banana", 900);
    assert_taken_for("bnaannas", NULL, 1, "banana", 900);
    assert_taken_for("zzzzzz", NULL, 0);
}

static void a_half_typed_word_finds_what_it_begins_as_well(void **state) {
    (void)state;
    ask("dark choc");
    told(1, "known", "dark", "dark", "dark", 0);
    told(2, "known", "choc", "choc", "choc", 0);
    told(0, "begun", "choc", "chocol", "chocol", 812);
    told(0, "begun", "choc", "choc", "choc", 40);
    told(0, "begun", "choc", "chocolati", "chocolati", 3);
    assert_means("dark choc", false, "'choc'", "'choc' | 'chocol' | 'chocolati'");
}

static void a_half_typed_word_that_begins_one_is_not_misspelt(void **state) {
    (void)state;
    ask("choco");
    told(1, "unknown", "choco", "choco", "choco", 0);
    told(1, "alike", "choco", "chico", "chico", 900);
    told(0, "begun", "choco", "chocol", "chocol", 812);
    assert_means("choco", false, "'choco'", "'choco' | 'chocol'");
}

static void a_half_typed_word_that_begins_none_is_misspelt(void **state) {
    (void)state;
    ask("dark choclat");
    told(1, "known", "dark", "dark", "dark", 0);
    told(2, "unknown", "choclat", "choclat", "choclat", 0);
    told(2, "alike", "choclat", "chocolate", "chocol", 812);
    assert_means("dark chocolate", true, NULL, NULL);
}

static void a_word_that_begins_only_itself_is_as_it_is(void **state) {
    (void)state;
    ask("teas");
    told(1, "known", "teas", "teas", "tea", 0);
    told(0, "begun", "teas", "tea", "tea", 3);
    assert_means("teas", false, NULL, NULL);
}

static void a_stop_word_is_half_a_word_only_when_it_is_all_there_is(void **state) {
    (void)state;
    ask("on");
    told(1, "known", "on", "on", "", 0);
    told(0, "begun", "on", "onion", "onion", 3);
    told(0, "begun", "on", "onyx", "onyx", 2);
    assert_means("on", false, NULL, "'onion' | 'onyx'");
    ask("made on");
    assert_means("made on", false, NULL, NULL);
}

/* ---- with a cursor ---- */

static void a_meaning_travels_with_a_cursor(void **state) {
    (void)state;
    const struct products_meaning meanings[] = {
        {.text = STR("tost")},
        {.text = STR("toast"), .is_corrected = true},
        {.text = STR("tost"), .typed = STR("'tost'"), .begun = STR("'tost' | 'tostada'")},
        {.text = STR("tost"), .begun = STR("'tost' | 'tostada'")},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(meanings); i++) {
        struct str text = products_meaning_write(&arena, &meanings[i], STR("prod_1 a title")), cursor;
        struct products_meaning meaning;
        assert_true(products_meaning_read(text, STR("tost"), &meaning, &cursor));
        assert_text(cursor, "prod_1 a title");
        assert_true(str_equal(meaning.text, meanings[i].text));
        assert_int_equal(meaning.is_corrected, meanings[i].is_corrected);
        assert_text(meaning.typed, meanings[i].typed.data);
        assert_text(meaning.begun, meanings[i].begun.data);
    }
    struct products_meaning meaning;
    struct str cursor;
    assert_false(products_meaning_read(STR("prod_1 a title"), STR("tost"), &meaning, &cursor));
}

/* As long as it can be: 16 words of a question of 256 bytes, each replaced by a longer one. */
static void the_longest_meaning_has_room_in_a_cursor(void **state) {
    (void)state;
    struct str text = STR("");
    for (int i = 0; i < QUESTION_WORDS_MAX; i++) {
        text = arena_printf(&arena, "%.*saaaaaaaaaaaaaa%s", STR_ARGS(text), i == QUESTION_WORDS_MAX - 1 ? "" : " ");
    }
    ask(text.data);
    assert_int_equal(question.word_count, QUESTION_WORDS_MAX);
    for (int i = 1; i <= QUESTION_WORDS_MAX; i++) {
        told(i, "unknown", "aaaaaaaaaaaaaa", "aaaaaaaaaaaaaa", "aaaaaaaaaaaaaa", 0);
        told(i, "alike", "aaaaaaaaaaaaaa", "aaaaaaaaaaaaaa\xf0\x9d\x92\xb6\xf0\x9d\x92\xb6", "a", 1);
    }
    for (int i = 0; i < QUESTION_BEGUN_MAX; i++) {
        told(0, "begun", "a", "a", arena_printf(&arena, "%cbcdefghijklmnopqrstuvwxyzabcdef", 'a' + i).data, 1);
    }
    struct products_meaning meaning = products_question_mean(&arena, &question, rows);
    assert_true(meaning.is_corrected);
    struct str cursor = products_meaning_write(&arena, &meaning, STR("prod_1 1"));
    assert_true(cursor.len <= QUESTION_CURSOR_MAX_BYTES + 8);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(plain_words_alone_are_asked_for),
        TEST(signs_that_exclude_are_counted),
        TEST(words_are_asked_for_as_an_array_and_the_typed_one_again),
        TEST(what_the_catalogue_knows_stays_as_it_is),
        TEST(a_misspelt_word_is_replaced_where_it_stands),
        TEST(the_nearest_word_is_taken_then_the_one_that_begins_alike_then_the_most_frequent),
        TEST(few_letters_allow_few_mistakes),
        TEST(a_half_typed_word_finds_what_it_begins_as_well),
        TEST(a_half_typed_word_that_begins_one_is_not_misspelt),
        TEST(a_half_typed_word_that_begins_none_is_misspelt),
        TEST(a_word_that_begins_only_itself_is_as_it_is),
        TEST(a_stop_word_is_half_a_word_only_when_it_is_all_there_is),
        TEST(a_meaning_travels_with_a_cursor),
        TEST(the_longest_meaning_has_room_in_a_cursor),
    };
    return cmocka_run_group_tests_name("question", tests, NULL, NULL);
}
