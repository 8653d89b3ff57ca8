#include "core/vault/password.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/text.h"

static char path[] = "/tmp/daybook-password-test-XXXXXX";

static int set_up(void **state) {
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 || close(fd) != 0 || sodium_init() < 0;
}

static int tear_down(void **state) {
    (void)state;
    return unlink(path);
}

static void write_file(struct str text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text.data, 1, text.len, file), text.len);
    assert_int_equal(fclose(file), 0);
}

static struct password_list *list_of(struct str text) {
    struct password_list *list = NULL;
    struct err_info info = {0};
    write_file(text);
    if (password_list_load(path, &list, &info) != ERR_NONE) {
        fail_msg("%s", info.text);
    }
    return list;
}

static const struct house_words no_words;

static enum password_verdict judged(const struct password_list *list, struct str password) {
    return password_judge(list, &no_words, password, STR("somebody.else@example.com"));
}

/* ---- the list ---- */

static void listed_passwords_are_known_in_any_case(void **state) {
    (void)state;
    struct password_list *list = list_of(STR("correcthorse\nQwertyuiop12\r\nno newline at the end"));
    assert_int_equal(password_list_count(list), 3);
    assert_int_equal(judged(list, STR("correcthorse")), PASSWORD_KNOWN);
    assert_int_equal(judged(list, STR("CorrectHorse")), PASSWORD_KNOWN);
    assert_int_equal(judged(list, STR("qwertyuiop12")), PASSWORD_KNOWN);
    assert_int_equal(judged(list, STR("QWERTYUIOP12")), PASSWORD_KNOWN);
    assert_int_equal(judged(list, STR("no newline at the end")), PASSWORD_KNOWN);
    assert_int_equal(judged(list, STR("correcthorse ")), PASSWORD_FINE);
    assert_int_equal(judged(list, STR("correcthorsf")), PASSWORD_FINE);
    password_list_free(list);
}

/* printf correcthorse | sha1sum, and Password1234 in the form of haveibeenpwned.com. */
static void sha1_sums_are_known_as_they_are(void **state) {
    (void)state;
    struct password_list *list = list_of(STR("0e4cecb0f76c0600f8fc5995fa087260ba91640b\r\n"
                                             "5B96672AE7709EAB297550CAE362D5BEE468C57D:77\n"
                                             "0e4cecb0f76c0600f8fc5995fa087260ba91640\n"
                                             "0e4cecb0f76c0600f8fc5995fa087260ba91640x\n"));
    assert_int_equal(password_list_count(list), 4);
    assert_int_equal(judged(list, STR("correcthorse")), PASSWORD_KNOWN);
    assert_int_equal(judged(list, STR("Password1234")), PASSWORD_KNOWN);
    assert_int_equal(judged(list, STR("password1234")), PASSWORD_FINE); /* nobody was seen to use that one */
    assert_int_equal(judged(list, STR("0e4cecb0f76c0600f8fc5995fa087260ba91640")), PASSWORD_KNOWN);
    assert_int_equal(judged(list, STR("0e4cecb0f76c0600f8fc5995fa087260ba91640x")), PASSWORD_KNOWN);
    password_list_free(list);
}

static void what_is_too_short_to_be_chosen_takes_no_room(void **state) {
    (void)state;
    struct password_list *list = list_of(STR("\n123456\npassword\n\n\r\n123456789\n1234567890\n"));
    assert_int_equal(password_list_count(list), 1);
    assert_int_equal(judged(list, STR("1234567890")), PASSWORD_KNOWN);
    password_list_free(list);
}

static void an_empty_list_and_none_know_nothing(void **state) {
    (void)state;
    struct password_list *list = list_of(STR(""));
    assert_int_equal(password_list_count(list), 0);
    assert_int_equal(judged(list, STR("1234567890")), PASSWORD_FINE);
    assert_int_equal(judged(NULL, STR("1234567890")), PASSWORD_FINE);
    password_list_free(list);
    password_list_free(NULL);
}

/* Many reads, lines on their borders, each found again. */
static void long_lists_are_read_whole(void **state) {
    (void)state;
    enum { LINES = 60000 };
    struct buf text;
    char line[64];
    buf_init(&text, 1 << 24);
    for (int i = 0; i < LINES; i++) {
        buf_printf(&text, "password%0*d\n", 4 + i % 37, i);
    }
    struct password_list *list = list_of(buf_text(&text));
    assert_int_equal(password_list_count(list), LINES);
    for (int i = 0; i < LINES; i++) {
        int len = snprintf(line, sizeof line, "password%0*d", 4 + i % 37, i);
        assert_int_equal(judged(list, str_of(line, (size_t)len)), PASSWORD_KNOWN);
        line[len - 1] = 'x';
        assert_int_equal(judged(list, str_of(line, (size_t)len)), PASSWORD_FINE);
    }
    password_list_free(list);
    buf_release(&text);
}

static void a_line_has_a_bound(void **state) {
    (void)state;
    struct password_list *list = NULL;
    struct err_info info = {0};
    struct buf text;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < PASSWORD_MAX_BYTES; i++) {
        buf_byte(&text, 'a');
    }
    struct str longest = buf_text(&text);
    list = list_of(longest);
    assert_int_equal(judged(list, longest), PASSWORD_KNOWN);
    password_list_free(list);
    buf_str(&text, STR("\r\n"));
    list = list_of(buf_text(&text));
    assert_int_equal(judged(list, str_first(buf_text(&text), PASSWORD_MAX_BYTES)), PASSWORD_KNOWN);
    password_list_free(list);
    list = NULL;
    static const char *const behind[] = {"a", "a\n", "aaa", "\r\r\n"};
    for (size_t i = 0; i < ARRAY_LENGTH(behind); i++) {
        text.len = PASSWORD_MAX_BYTES;
        buf_str(&text, str_of_cstr(behind[i]));
        write_file(buf_text(&text));
        assert_int_equal(password_list_load(path, &list, &info), ERR_CONFIG);
        assert_non_null(strstr(info.text, ":1: the line is longer"));
    }
    text.len = 0;
    buf_str(&text, STR("1234567890\n"));
    for (int i = 0; i < 200000; i++) {
        buf_byte(&text, 'a');
    }
    write_file(buf_text(&text));
    assert_int_equal(password_list_load(path, &list, &info), ERR_CONFIG);
    assert_non_null(strstr(info.text, ":2: the line is longer"));
    assert_null(list);
    buf_release(&text);
}

static void a_list_has_a_bound(void **state) {
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 26);
    for (int i = 0; i < PASSWORD_LIST_MAX; i++) {
        buf_printf(&text, "%010d\n", i);
    }
    struct password_list *list = list_of(buf_text(&text));
    assert_int_equal(password_list_count(list), PASSWORD_LIST_MAX);
    assert_int_equal(judged(list, STR("0001999999")), PASSWORD_KNOWN);
    assert_int_equal(judged(list, STR("0002000000")), PASSWORD_FINE);
    password_list_free(list);
    buf_str(&text, STR("0002000000"));
    write_file(buf_text(&text));
    struct err_info info = {0};
    list = NULL;
    assert_int_equal(password_list_load(path, &list, &info), ERR_CONFIG);
    assert_non_null(strstr(info.text, "may hold 2000000"));
    assert_null(list);
    buf_release(&text);
}

static void what_is_no_file_is_refused_at_once(void **state) {
    (void)state;
    struct password_list *list = NULL;
    struct err_info info = {0};
    assert_int_equal(password_list_load("/nowhere/passwords", &list, &info), ERR_CONFIG);
    assert_non_null(strstr(info.text, "/nowhere/passwords"));
    assert_int_equal(password_list_load("/tmp", &list, &info), ERR_CONFIG);
    char pipe_path[sizeof path + 8];
    snprintf(pipe_path, sizeof pipe_path, "%s.pipe", path);
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    assert_int_equal(password_list_load(pipe_path, &list, &info), ERR_CONFIG);
    assert_int_equal(unlink(pipe_path), 0);
    assert_null(list);
}

/* ---- judging ---- */

static void ten_characters_are_enough_whatever_they_are(void **state) {
    (void)state;
    assert_int_equal(judged(NULL, (struct str){0}), PASSWORD_TOO_SHORT);
    assert_int_equal(judged(NULL, STR("123456789")), PASSWORD_TOO_SHORT);
    assert_int_equal(judged(NULL, STR("1234567890")), PASSWORD_FINE);
    assert_int_equal(judged(NULL, STR("          ")), PASSWORD_FINE);
    /* Nine characters of 36 bytes, and ten of 20. */
    assert_int_equal(judged(NULL, STR("\xf0\x9f\x90\xb4\xf0\x9f\x90\xb4\xf0\x9f\x90\xb4\xf0\x9f\x90\xb4\xf0\x9f\x90\xb4"
                                      "\xf0\x9f\x90\xb4\xf0\x9f\x90\xb4\xf0\x9f\x90\xb4\xf0\x9f\x90\xb4")),
                     PASSWORD_TOO_SHORT);
    assert_int_equal(
        judged(NULL, STR("\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc")),
        PASSWORD_FINE);
    char text[PASSWORD_MAX_BYTES + 1];
    memset(text, 'a', sizeof text);
    assert_int_equal(judged(NULL, str_of(text, PASSWORD_MAX_BYTES)), PASSWORD_FINE);
    assert_int_equal(judged(NULL, str_of(text, PASSWORD_MAX_BYTES + 1)), PASSWORD_TOO_LONG);
}

static void nobodys_address_is_his_password(void **state) {
    (void)state;
    struct str email = STR("Alexandra.Smith@example.com");
    assert_int_equal(password_judge(NULL, &no_words, STR("alexandra.smith@EXAMPLE.com"), email), PASSWORD_KNOWN);
    assert_int_equal(password_judge(NULL, &no_words, STR("alexandra.SMITH"), email), PASSWORD_KNOWN);
    assert_int_equal(password_judge(NULL, &no_words, STR("alexandra.smith1"), email), PASSWORD_FINE);
    assert_int_equal(password_judge(NULL, &no_words, STR("alexandra.smith@"), email), PASSWORD_FINE);
    assert_int_equal(password_judge(NULL, &no_words, STR("alexandra.smith"), (struct str){0}), PASSWORD_FINE);
}

/* The list is asked first: it is the better reason. */
static void words_of_the_house_count_for_nothing(void **state) {
    (void)state;
    struct house_words house;
    assert_int_equal(house_words_read("daybook heron", &house, NULL), ERR_NONE);
    static const struct {
        struct str password;
        enum password_verdict verdict;
    } ROWS[] = {
        {STR("Daybook2026"), PASSWORD_OF_THE_HOUSE},
        {STR("heronHERONheron"), PASSWORD_OF_THE_HOUSE},
        {STR("daybook-123456789"), PASSWORD_FINE}, /* ten without it */
        {STR("daybook-12345678"), PASSWORD_OF_THE_HOUSE},
        {STR("a heron reads its daybook"), PASSWORD_FINE},
        {STR("daybook"), PASSWORD_TOO_SHORT},
        {STR("heronsteps"), PASSWORD_KNOWN},
    };
    struct password_list *list = list_of(STR("heronsteps\n"));
    for (size_t i = 0; i < ARRAY_LENGTH(ROWS); i++) {
        enum password_verdict verdict = password_judge(list, &house, ROWS[i].password, STR("ada@example.com"));
        if (verdict != ROWS[i].verdict) {
            fail_msg("row %zu: %d", i, verdict);
        }
    }
    password_list_free(list);
}

/* ---- verifiers ---- */

static enum password_answer answered(const char *verifier, struct str password) {
    bool needs_rehash = false;
    return password_verify(str_of_cstr(verifier), password, &needs_rehash);
}

/* Made with the reference implementation, for libsodium's length of salts: "somesalt" and eight zeros. */
static void known_vectors_are_right_and_to_be_made_anew(void **state) {
    (void)state;
    static const struct {
        const char *verifier, *password;
    } vectors[] = {
        {"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQAAAAAAAAAAA$TCsNUutWgv3lowstIasFJbdiamKiq8qPUdz2wSvQ4rw", "password"},
        {"$argon2id$v=19$m=65536,t=1,p=1$c29tZXNhbHQAAAAAAAAAAA$b7sLmBJ4YGj/yOjMnUDWC1dvrtZr7EPdMT6zB9Fq0pk",
         "password"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(vectors); i++) {
        bool needs_rehash = false;
        assert_int_equal(
            password_verify(str_of_cstr(vectors[i].verifier), str_of_cstr(vectors[i].password), &needs_rehash),
            PASSWORD_RIGHT);
        assert_true(needs_rehash);
        assert_int_equal(answered(vectors[i].verifier, STR("differentpassword")), PASSWORD_WRONG);
    }
}

static void what_is_made_is_verified_and_current(void **state) {
    (void)state;
    char verifier[PASSWORD_VERIFIER_MAX], other[PASSWORD_VERIFIER_MAX];
    struct str password = STR("correct horse \x00 staple");
    assert_true(password_make(password, verifier));
    assert_true(str_starts_with(str_of_cstr(verifier), STR("$argon2id$v=19$m=19456,t=2,p=1$")));
    bool needs_rehash = true;
    assert_int_equal(password_verify(str_of_cstr(verifier), password, &needs_rehash), PASSWORD_RIGHT);
    assert_false(needs_rehash);
    assert_int_equal(answered(verifier, str_first(password, password.len - 1)), PASSWORD_WRONG);
    assert_int_equal(answered(verifier, STR("correct horse ")), PASSWORD_WRONG); /* nothing ends at a NUL */
    assert_true(password_make(password, other));
    assert_string_not_equal(verifier, other);
}

static void a_cheaper_verifier_is_answered_and_to_be_made_anew(void **state) {
    (void)state;
    char verifier[PASSWORD_VERIFIER_MAX];
    assert_int_equal(crypto_pwhash_str_alg(verifier, "1234567890", 10, 1, 8 << 20, crypto_pwhash_ALG_ARGON2ID13), 0);
    bool needs_rehash = false;
    assert_int_equal(password_verify(str_of_cstr(verifier), STR("1234567890"), &needs_rehash), PASSWORD_RIGHT);
    assert_true(needs_rehash);
    needs_rehash = false;
    assert_int_equal(password_verify(str_of_cstr(verifier), STR("1234567891"), &needs_rehash), PASSWORD_WRONG);
    assert_false(needs_rehash);
}

static void what_is_no_verifier_is_nobodys(void **state) {
    (void)state;
    static const char *const verifiers[] = {
        "",
        "$",
        "password",
        "$argon2id$v=19$",
        "$argon2id$v=19$m=256,t=2,p=1$",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQAAAAAAAAAAA",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQAAAAAAAAAAA$",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQAAAAAAAAAAA$TCsNUutWgv3lowstIasFJbdiamKiq8qPUd",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQAAAAAAAAAAA$TCsNUutWgv3lowstIasFJbdiamKiq8qPUdz2wSvQ4rwA",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQAAAAAAAAAAA$TCsNUutWgv3lowstIasFJbdiamKiq8qPUdz2wSvQ4rw=",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQAAAAAAAAAAA$TCsNUutWgv3lowstIasFJbdiamKiq8qPUdz2wSvQ4rw$a",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQAAAAAAAAAAA$TCsNUutWgv3lowstIasFJbdiamKiq8qPUdz2wSvQ4rw ",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQAAAAAAAAAAA$TCsNUutWgv3lowstIasFJbdiamKiq8qPUdz2wSvQ4rx",
        "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQAAAAAAAAAAA$TCsNUutWgv3lowstIasFJbdiamKiq8qPUdz2wSvQ4rw",
        "$argon2id$v=16$m=256,t=2,p=1$c29tZXNhbHQAAAAAAAAAAA$TCsNUutWgv3lowstIasFJbdiamKiq8qPUdz2wSvQ4rw",
        "$argon2id$m=256,t=2,p=1$c29tZXNhbHQAAAAAAAAAAA$TCsNUutWgv3lowstIasFJbdiamKiq8qPUdz2wSvQ4rw",
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQAAAAAAAAAAA$TCsNUutWgv3lowstIasFJbdiamKiq8qPUdz2wSvQ4rw",
        "$argon2id$v=19$t=2,m=256,p=1$c29tZXNhbHQAAAAAAAAAAA$TCsNUutWgv3lowstIasFJbdiamKiq8qPUdz2wSvQ4rw",
        "$argon2id$v=19$m=0256,t=2,p=1$c29tZXNhbHQAAAAAAAAAAA$TCsNUutWgv3lowstIasFJbdiamKiq8qPUdz2wSvQ4rw",
        "$argon2id$v=19$m=-1,t=2,p=1$c29tZXNhbHQAAAAAAAAAAA$TCsNUutWgv3lowstIasFJbdiamKiq8qPUdz2wSvQ4rw",
        "$argon2id$v=19$m=7,t=2,p=1$c29tZXNhbHQAAAAAAAAAAA$TCsNUutWgv3lowstIasFJbdiamKiq8qPUdz2wSvQ4rw",
        "$argon2id$v=19$m=256,t=0,p=1$c29tZXNhbHQAAAAAAAAAAA$TCsNUutWgv3lowstIasFJbdiamKiq8qPUdz2wSvQ4rw",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        /* Dear ones: 64 MiB and 1 KiB, 4 TiB, 17 passes. */
        "$argon2id$v=19$m=65537,t=1,p=1$c29tZXNhbHQAAAAAAAAAAA$TCsNUutWgv3lowstIasFJbdiamKiq8qPUdz2wSvQ4rw",
        "$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQAAAAAAAAAAA$TCsNUutWgv3lowstIasFJbdiamKiq8qPUdz2wSvQ4rw",
        "$argon2id$v=19$m=256,t=17,p=1$c29tZXNhbHQAAAAAAAAAAA$TCsNUutWgv3lowstIasFJbdiamKiq8qPUdz2wSvQ4rw",
        "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(verifiers); i++) {
        if (answered(verifiers[i], STR("password")) != PASSWORD_WRONG) {
            fail_msg("%s is taken", verifiers[i]);
        }
    }
    char long_verifier[2 * PASSWORD_VERIFIER_MAX];
    memset(long_verifier, 'a', sizeof long_verifier);
    bool needs_rehash = false;
    assert_int_equal(password_verify(str_of(long_verifier, sizeof long_verifier), STR("password"), &needs_rehash),
                     PASSWORD_WRONG);
    struct str whole =
        STR("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQAAAAAAAAAAA$TCsNUutWgv3lowstIasFJbdiamKiq8qPUdz2wSvQ4rw\x00");
    assert_int_equal(password_verify(whole, STR("password"), &needs_rehash), PASSWORD_WRONG);
    assert_int_equal(password_verify(str_first(whole, whole.len - 1), STR("password"), &needs_rehash), PASSWORD_RIGHT);
}

/* Sanitizers take memory of their own wherever they go. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static void without_memory_nobody_is_told_that_he_is_wrong(void **state) {
    (void)state;
    char verifier[PASSWORD_VERIFIER_MAX], other[PASSWORD_VERIFIER_MAX];
    struct rlimit before, little;
    int64_t pages = 0;
    char line[128];
    struct str password = STR("correct horse");
    assert_true(password_make(password, verifier));
    FILE *statm = fopen("/proc/self/statm", "r");
    assert_non_null(statm);
    assert_non_null(fgets(line, sizeof line, statm));
    assert_true(int64_read(str_first(str_of_cstr(line), str_find(str_of_cstr(line), ' ')), &pages));
    assert_int_equal(fclose(statm), 0);
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    little = before;
    little.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (4 << 20);
    assert_int_equal(setrlimit(RLIMIT_AS, &little), 0);
    bool needs_rehash = false, is_made = password_make(password, other);
    enum password_answer right = password_verify(str_of_cstr(verifier), password, &needs_rehash);
    enum password_answer wrong = password_verify(str_of_cstr(verifier), STR("correct horsf"), &needs_rehash);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_false(is_made);
    assert_int_equal(right, PASSWORD_NO_MEMORY);
    assert_int_equal(wrong, PASSWORD_NO_MEMORY);
    assert_int_equal(answered(verifier, password), PASSWORD_RIGHT);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listed_passwords_are_known_in_any_case),
        cmocka_unit_test(sha1_sums_are_known_as_they_are),
        cmocka_unit_test(what_is_too_short_to_be_chosen_takes_no_room),
        cmocka_unit_test(an_empty_list_and_none_know_nothing),
        cmocka_unit_test(long_lists_are_read_whole),
        cmocka_unit_test(a_line_has_a_bound),
        cmocka_unit_test(a_list_has_a_bound),
        cmocka_unit_test(what_is_no_file_is_refused_at_once),
        cmocka_unit_test(ten_characters_are_enough_whatever_they_are),
        cmocka_unit_test(nobodys_address_is_his_password),
        cmocka_unit_test(words_of_the_house_count_for_nothing),
        cmocka_unit_test(known_vectors_are_right_and_to_be_made_anew),
        cmocka_unit_test(what_is_made_is_verified_and_current),
        cmocka_unit_test(a_cheaper_verifier_is_answered_and_to_be_made_anew),
        cmocka_unit_test(what_is_no_verifier_is_nobodys),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        cmocka_unit_test(without_memory_nobody_is_told_that_he_is_wrong),
#endif
    };
    return cmocka_run_group_tests_name("password", tests, set_up, tear_down);
}
