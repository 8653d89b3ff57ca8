#include "core/gateway/authentication.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

#include "core/base/timestamp.h"

#define RING "a AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
#define ADA "cus_01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define KEY "key_01ARZ3NDEKTSV4RRFFQ69G5FAV"

static struct arena arena;
static const struct secret secret = {{7}};
static struct master_ring *ring;
static struct revocations revocations;
static struct cors_origins origins;
static struct authentication authentication;
static struct http_exchange exchange;
static struct http_field fields[16];
static struct principal principal;
static struct problem problem;

static void open_authentication(void) {
    struct err_info info = {0};
    if (authentication_open(&authentication, &secret, ring, "https://shop.example", "daybook", &revocations, &origins,
                            &info) != ERR_NONE) {
        fail_msg("%s", info.text);
    }
}

static int set_up(void **state) {
    (void)state;
    struct err_info info = {0};
    arena_init(&arena, 16 << 20);
    exchange = (struct http_exchange){.fields = fields};
    arena_init(&exchange.arena, 16 << 20);
    revocations_init(&revocations);
    revocations_set_known(&revocations);
    assert_int_equal(cors_read("https://other.example", &origins, &info), ERR_NONE);
    assert_int_equal(master_load("", RING, &ring, &info), ERR_NONE);
    open_authentication();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    authentication_close(&authentication);
    revocations_release(&revocations);
    master_free(ring);
    arena_release(&exchange.arena);
    arena_release(&arena);
    return 0;
}

static int64_t now_s(void) {
    return authentication_now_us(&authentication) / MICROS_PER_SECOND;
}

static struct access_claims claims_of(uint32_t roles) {
    return (struct access_claims){
        .customer = STR(ADA), .session = 7, .roles = roles, .issued_at_s = now_s() - 10, .expires_at_s = now_s() + 590};
}

static struct str token_of(const struct access_claims *claims) {
    return access_token_write(authentication.signing, &arena, claims);
}

static struct str plain_token(void) {
    struct access_claims claims = claims_of(0);
    return token_of(&claims);
}

static void header(const char *name, struct str value) {
    fields[exchange.field_count++] = (struct http_field){str_of_cstr(name), value};
}

static void bearer(struct str token) {
    header("Authorization", arena_printf(&arena, "Bearer %.*s", STR_ARGS(token)));
}

static void cookie(struct str token) {
    header("Cookie", arena_printf(&arena, "theme=dark; " ACCESS_COOKIE "=%.*s; a=b", STR_ARGS(token)));
}

/* A request of nobody until something says more. */
static void request(enum http_method method) {
    exchange.method = method;
    exchange.field_count = 0;
    principal = (struct principal){.identity = STR("anonymous")};
    problem = (struct problem){0};
}

static enum credentials look(void) {
    return authentication_read(&authentication, &exchange, true, &principal, &problem);
}

static void assert_401(enum credentials expected, const char *code) {
    assert_int_equal(look(), expected);
    assert_int_equal(problem.status, 401);
    assert_string_equal(problem.code, code);
    assert_non_null(problem.detail);
}

static void assert_refused(const char *code) {
    assert_401(CREDENTIALS_REFUSED, code);
}

/* It was ours. */
static void assert_over(const char *code) {
    assert_401(CREDENTIALS_OVER, code);
}

static void assert_is_ada(void) {
    assert_true(str_equal(principal.identity, STR(ADA)));
    assert_true(str_equal(principal.id, STR(ADA)));
    assert_int_equal(principal.session, 7);
}

/* ---- tokens of sessions ------------------------------------------------------------------------------------------ */

static void who_brings_nothing_is_nobody(void **state) {
    (void)state;
    request(HTTP_GET_);
    assert_int_equal(look(), CREDENTIALS_NONE);
    assert_true(str_equal(principal.identity, STR("anonymous")));
    assert_int_equal(principal.by, BY_NOTHING);
}

static void a_token_says_who_and_as_what(void **state) {
    (void)state;
    struct access_claims claims = claims_of(TOKEN_ROLE_ADMIN | TOKEN_ROLE_VENDOR);
    claims.vendor = STR("Röster");
    for (int again = 0; again < 2; again++) { /* the second time it is remembered */
        request(HTTP_POST_);
        bearer(token_of(&claims));
        assert_int_equal(look(), CREDENTIALS_GOOD);
        assert_is_ada();
        assert_int_equal(principal.by, BY_TOKEN);
        assert_false(principal.is_once);
        assert_true(str_equal(principal.vendor, STR("Röster")));
        assert_int_equal(principal.capacities, 1U << CAPACITY_ADMIN | 1U << CAPACITY_VENDOR | 1U << CAPACITY_CUSTOMER);
    }
}

static void each_role_is_the_capacity_of_its_name(void **state) {
    (void)state;
    static const struct {
        uint32_t role;
        enum capacity capacity;
    } pairs[] = {{TOKEN_ROLE_SUPPORT, CAPACITY_SUPPORT},
                 {TOKEN_ROLE_ANALYST, CAPACITY_ANALYST},
                 {TOKEN_ROLE_AUDITOR, CAPACITY_AUDITOR},
                 {TOKEN_ROLE_SERVICE, CAPACITY_SERVICE}};
    for (size_t i = 0; i < ARRAY_LENGTH(pairs); i++) {
        struct access_claims claims = claims_of(pairs[i].role);
        request(HTTP_GET_);
        bearer(token_of(&claims));
        assert_int_equal(look(), CREDENTIALS_GOOD);
        assert_int_equal(principal.capacities, 1U << pairs[i].capacity | 1U << CAPACITY_CUSTOMER);
    }
}

static void where_roles_need_a_factor_they_are_withheld_without_one(void **state) {
    (void)state;
    const uint32_t roles = 1U << CAPACITY_ADMIN | 1U << CAPACITY_VENDOR, customer = 1U << CAPACITY_CUSTOMER;
    struct access_claims claims = claims_of(TOKEN_ROLE_ADMIN | TOKEN_ROLE_VENDOR);
    claims.vendor = STR("Röster");
    authentication.roles_need_factor = true;
    for (int given = 0; given <= 1; given++) {
        claims.was_code_given = given;
        for (int again = 0; again < 2; again++) { /* the second time it is remembered */
            request(HTTP_POST_);
            bearer(token_of(&claims));
            assert_int_equal(look(), CREDENTIALS_GOOD);
            assert_is_ada();
            assert_int_equal(principal.capacities, given ? roles | customer : customer);
            assert_int_equal(principal.withheld, given ? 0 : roles);
            assert_int_equal(principal.vendor.len > 0, given);
        }
    }
    claims = claims_of(0); /* who has no role lacks nothing */
    request(HTTP_POST_);
    bearer(token_of(&claims));
    assert_int_equal(look(), CREDENTIALS_GOOD);
    assert_int_equal(principal.capacities, customer);
    assert_int_equal(principal.withheld, 0);
}

static void a_password_for_one_use_is_told(void **state) {
    (void)state;
    struct access_claims claims = claims_of(0);
    claims.is_once = true;
    for (int again = 0; again < 2; again++) {
        request(HTTP_GET_);
        bearer(token_of(&claims));
        assert_int_equal(look(), CREDENTIALS_GOOD);
        assert_true(principal.is_once);
    }
}

static void what_is_none_of_ours_is_refused(void **state) {
    (void)state;
    struct str good = plain_token();
    char *forged = arena_alloc(&arena, good.len);
    memcpy(forged, good.data, good.len);
    forged[good.len - 10] ^= 1;
    const struct str bad[] = {str_of(forged, good.len), str_first(good, good.len - 1), STR("x"), STR(""),
                              arena_printf(&arena, "%.*s ", STR_ARGS(str_first(good, 20)))};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        request(HTTP_GET_);
        bearer(bad[i]);
        assert_refused("invalid_token");
        assert_true(str_is_empty(principal.id));
    }
}

static void another_scheme_is_refused_and_none_is_guessed(void **state) {
    (void)state;
    static const char *const values[] = {"Basic YTpi", "", "Bearer", "Bearer  ", "Bearerx"};
    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
        request(HTTP_GET_);
        header("Authorization", str_of_cstr(values[i]));
        assert_refused("invalid_token");
    }
    request(HTTP_GET_);
    header("authorization", arena_printf(&arena, "bEARER %.*s", STR_ARGS(plain_token())));
    assert_int_equal(look(), CREDENTIALS_GOOD);
    /* What differs from a space by one bit is none. */
    request(HTTP_GET_);
    header("authorization", arena_join(&arena, str_of("Bearer", 7), plain_token()));
    assert_refused("invalid_token");
}

static void two_authorizations_are_none(void **state) {
    (void)state;
    request(HTTP_GET_);
    bearer(plain_token());
    bearer(plain_token());
    assert_refused("invalid_token");
}

static void a_token_dies_in_time_remembered_or_not_and_stays_dead(void **state) {
    (void)state;
    struct str token = plain_token();
    request(HTTP_GET_);
    bearer(token);
    assert_int_equal(look(), CREDENTIALS_GOOD);
    /* The clock of the front is ten minutes further. */
    authentication.clock.ahead_of_boot_us += INT64_C(590) * MICROS_PER_SECOND;
    request(HTTP_GET_);
    bearer(token);
    assert_over("token_expired");
    lru_clear(&authentication.known);
    request(HTTP_GET_);
    bearer(token);
    assert_over("token_expired");
}

static void an_ended_session_lets_in_nobody_from_then_on(void **state) {
    (void)state;
    struct str token = plain_token();
    request(HTTP_GET_);
    bearer(token);
    assert_int_equal(look(), CREDENTIALS_GOOD);
    const struct session_end end = {.customer = STR(ADA), .session = 7, .ended_at = 1};
    revocations_add(&revocations, &end);
    request(HTTP_GET_);
    bearer(token);
    assert_over("invalid_token");
    assert_true(str_is_empty(principal.id));
}

/* Whoever signed for another name of this front, or by a clock that is ahead, was us. */
static void what_we_signed_for_others_or_too_early_is_ours_all_the_same(void **state) {
    (void)state;
    struct err_info info = {0};
    struct authentication other;
    assert_int_equal(
        authentication_open(&other, &secret, ring, "https://old.example", "daybook", &revocations, &origins, &info),
        ERR_NONE);
    struct access_claims claims = claims_of(0);
    request(HTTP_GET_);
    bearer(access_token_write(other.signing, &arena, &claims));
    assert_over("invalid_token");
    authentication_close(&other);
    claims.issued_at_s += 10 + ACCESS_EARLY_MAX_S + 5;
    claims.expires_at_s += 100;
    request(HTTP_GET_);
    bearer(token_of(&claims));
    assert_over("invalid_token");
}

/* As when a front has just started: what it knew before it has forgotten. */
static void until_ends_were_read_no_token_is_believed(void **state) {
    (void)state;
    struct str token = plain_token();
    atomic_store(&revocations.are_known, false);
    for (int again = 0; again < 2; again++) { /* the second time it is remembered */
        request(HTTP_GET_);
        bearer(token);
        assert_int_equal(look(), CREDENTIALS_UNSURE);
        assert_true(str_is_empty(principal.id));
    }
    request(HTTP_GET_);
    cookie(token);
    assert_int_equal(look(), CREDENTIALS_UNSURE);
    request(HTTP_GET_);
    bearer(STR("x"));
    assert_refused("invalid_token");
    revocations_set_known(&revocations);
    request(HTTP_GET_);
    bearer(token);
    assert_int_equal(look(), CREDENTIALS_GOOD);
    atomic_store(&revocations.are_known, false);
    authentication.clock.ahead_of_boot_us += INT64_C(590) * MICROS_PER_SECOND;
    request(HTTP_GET_);
    bearer(token);
    assert_over("token_expired"); /* which it knows all the same */
}

/* Whoever reads this process's memory finds no heap of tokens there. */
static void what_is_remembered_of_a_token_lets_nobody_in(void **state) {
    (void)state;
    struct str token = plain_token();
    request(HTTP_GET_);
    bearer(token);
    assert_int_equal(look(), CREDENTIALS_GOOD);
    const struct lru_entry *entry = authentication.known.newest;
    assert_non_null(entry);
    assert_int_equal(entry->name.len, 16);
    assert_null(memmem(token.data, token.len, entry->name.data, entry->name.len));
    assert_null(memmem(entry->value.data, entry->value.len, token.data, 16));
    request(HTTP_GET_);
    bearer(token);
    assert_int_equal(look(), CREDENTIALS_GOOD);
    assert_int_equal(authentication.known.count, 1); /* it was found by that */
}

static void tokens_are_remembered_up_to_a_bound(void **state) {
    (void)state;
    struct access_claims claims = claims_of(0);
    for (int32_t i = 1; i <= 64; i++) {
        claims.session = i;
        request(HTTP_GET_);
        bearer(token_of(&claims));
        assert_int_equal(look(), CREDENTIALS_GOOD);
        assert_int_equal(principal.session, i);
    }
    assert_int_equal(authentication.known.count, 64);
    assert_true(authentication.known.bytes <= AUTHENTICATION_KNOWN_BYTES / AUTHENTICATION_KNOWN * 64);
}

/* ---- API keys ---------------------------------------------------------------------------------------------------- */

/* In the place of api_keys_find. */
static bool are_read;

static bool are_known(struct api_keys *keys) {
    assert_null(keys);
    return are_read;
}

static bool find_one(struct api_keys *keys, struct arena *of_request, struct str text, int64_t now_us,
                     struct principal *ret_principal) {
    assert_null(keys);
    assert_ptr_equal(of_request, &exchange.arena);
    assert_true(now_us > 0);
    if (!str_equal(text, STR("dbk_good"))) {
        return false;
    }
    *ret_principal = (struct principal){
        .identity = STR(KEY), .id = STR(KEY), .vendor = STR("Röster"), .capacities = 1U << CAPACITY_SERVICE};
    return true;
}

static void a_key_is_looked_for_among_the_keys(void **state) {
    (void)state;
    request(HTTP_POST_);
    bearer(STR("dbk_good"));
    assert_refused("invalid_token"); /* there are none */
    authentication.key_finder = (struct key_finder){.find = find_one, .are_known = are_known};
    are_read = false;
    request(HTTP_POST_);
    bearer(STR("dbk_good"));
    assert_int_equal(look(), CREDENTIALS_UNSURE);
    are_read = true;
    request(HTTP_POST_);
    bearer(STR("dbk_good"));
    assert_int_equal(look(), CREDENTIALS_GOOD);
    assert_true(str_equal(principal.identity, STR(KEY)));
    assert_true(str_equal(principal.vendor, STR("Röster")));
    assert_int_equal(principal.capacities, 1U << CAPACITY_SERVICE); /* and no customer */
    assert_int_equal(principal.by, BY_KEY);
    assert_int_equal(principal.session, 0);
    request(HTTP_POST_);
    bearer(STR("dbk_bad"));
    assert_refused("invalid_token");
}

/* ---- cookies ----------------------------------------------------------------------------------------------------- */

static void csrf(void) {
    header("Daybook-CSRF", mail_token_write(&arena, &secret, CSRF_USE, STR(ADA), 7));
}

static void a_cookie_reads(void **state) {
    (void)state;
    request(HTTP_GET_);
    cookie(plain_token());
    assert_int_equal(look(), CREDENTIALS_GOOD);
    assert_is_ada();
    assert_int_equal(principal.by, BY_COOKIE);
}

static void a_bad_cookie_is_refused_as_well(void **state) {
    (void)state;
    request(HTTP_GET_);
    cookie(STR("x"));
    assert_refused("invalid_token");
}

static void a_cookie_that_stands_twice_is_none(void **state) {
    (void)state;
    request(HTTP_GET_);
    cookie(plain_token());
    cookie(STR("x"));
    assert_int_equal(look(), CREDENTIALS_NONE);
    request(HTTP_GET_);
    header("Cookie", STR(ACCESS_COOKIE "x=1; x" ACCESS_COOKIE "=1; " ACCESS_COOKIE));
    assert_int_equal(look(), CREDENTIALS_NONE);
}

static void beside_an_authorization_a_cookie_is_not_looked_at(void **state) {
    (void)state;
    request(HTTP_POST_);
    cookie(STR("x"));
    bearer(plain_token());
    assert_int_equal(look(), CREDENTIALS_GOOD);
    assert_int_equal(principal.by, BY_TOKEN); /* so nothing is asked of the page */
    request(HTTP_POST_);
    cookie(plain_token());
    csrf();
    bearer(STR("x"));
    assert_refused("invalid_token");
}

static void who_comes_to_log_in_is_not_held_by_an_old_cookie(void **state) {
    (void)state;
    request(HTTP_POST_);
    cookie(STR("x"));
    assert_int_equal(authentication_read(&authentication, &exchange, false, &principal, &problem), CREDENTIALS_NONE);
}

static void a_cookie_changes_nothing_without_the_sessions_own_token(void **state) {
    (void)state;
    static const enum http_method methods[] = {HTTP_POST_, HTTP_PUT_, HTTP_PATCH_, HTTP_DELETE_};
    for (size_t i = 0; i < ARRAY_LENGTH(methods); i++) {
        request(methods[i]);
        cookie(plain_token());
        assert_int_equal(look(), CREDENTIALS_STRANGE);
        assert_int_equal(problem.status, 403);
        assert_string_equal(problem.code, "csrf_failed");
        request(methods[i]);
        cookie(plain_token());
        csrf();
        assert_int_equal(look(), CREDENTIALS_GOOD);
    }
    request(HTTP_POST_);
    cookie(plain_token());
    header("Daybook-CSRF", mail_token_write(&arena, &secret, CSRF_USE, STR(ADA), 8)); /* of another session */
    assert_int_equal(look(), CREDENTIALS_STRANGE);
}

static bool comes_from(const char *site, const char *origin) {
    request(HTTP_POST_);
    cookie(plain_token());
    csrf();
    if (site != NULL) {
        header("Sec-Fetch-Site", str_of_cstr(site));
    }
    if (origin != NULL) {
        header("Origin", str_of_cstr(origin));
    }
    return look() == CREDENTIALS_GOOD;
}

static void pages_of_others_change_nothing(void **state) {
    (void)state;
    assert_true(comes_from(NULL, NULL));
    assert_true(comes_from("same-origin", NULL));
    assert_true(comes_from("none", NULL));
    assert_true(comes_from("same-origin", "https://shop.example"));
    assert_true(comes_from("same-site", "https://other.example")); /* named in cors_origins */
    assert_true(comes_from(NULL, "https://shop.example"));
    assert_false(comes_from("cross-site", NULL));
    assert_false(comes_from("same-site", NULL));
    assert_false(comes_from("cross-site", "https://evil.example"));
    assert_false(comes_from(NULL, "https://evil.example"));
    assert_false(comes_from(NULL, "null"));
    assert_false(comes_from(NULL, "https://shop.example.evil.example"));
    assert_false(comes_from(NULL, ""));
}

/* ---- settings ---------------------------------------------------------------------------------------------------- */

static void where_people_find_the_front_is_an_origin(void **state) {
    (void)state;
    struct authentication other;
    static const char *const bad[] = {"", "shop.example", "https://shop.example/", "https://Shop.example"};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        struct err_info info = {0};
        assert_int_equal(authentication_open(&other, &secret, ring, bad[i], "daybook", &revocations, &origins, &info),
                         ERR_CONFIG);
        assert_non_null(strstr(info.text, "public_url"));
    }
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH(who_brings_nothing_is_nobody),
        WITH(a_token_says_who_and_as_what),
        WITH(each_role_is_the_capacity_of_its_name),
        WITH(where_roles_need_a_factor_they_are_withheld_without_one),
        WITH(a_password_for_one_use_is_told),
        WITH(what_is_none_of_ours_is_refused),
        WITH(another_scheme_is_refused_and_none_is_guessed),
        WITH(two_authorizations_are_none),
        WITH(a_token_dies_in_time_remembered_or_not_and_stays_dead),
        WITH(an_ended_session_lets_in_nobody_from_then_on),
        WITH(what_we_signed_for_others_or_too_early_is_ours_all_the_same),
        WITH(until_ends_were_read_no_token_is_believed),
        WITH(what_is_remembered_of_a_token_lets_nobody_in),
        WITH(tokens_are_remembered_up_to_a_bound),
        WITH(a_key_is_looked_for_among_the_keys),
        WITH(a_cookie_reads),
        WITH(a_bad_cookie_is_refused_as_well),
        WITH(a_cookie_that_stands_twice_is_none),
        WITH(beside_an_authorization_a_cookie_is_not_looked_at),
        WITH(who_comes_to_log_in_is_not_held_by_an_old_cookie),
        WITH(a_cookie_changes_nothing_without_the_sessions_own_token),
        WITH(pages_of_others_change_nothing),
        WITH(where_people_find_the_front_is_an_origin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
