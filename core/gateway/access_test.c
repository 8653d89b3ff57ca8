#include "core/gateway/access.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/gateway/identity.h"

#define ULID "01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define OTHER_ULID "01ARZ3NDEKTSV4RRFFQ69G5FAW"
#define PERSON "cus_01ARZ3NDEKTSV4RRFFQ69G5FB0"
#define KEY "key_01ARZ3NDEKTSV4RRFFQ69G5FB1"

enum { CALLERS_MAX = 16, LINE_MAX_BYTES = 512 };

static struct arena arena;
static const struct secret secret = {{3}};

static int set_up(void **state) {
    (void)state;
    arena_init(&arena, 4 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_release(&arena);
    return 0;
}

/* ---- callers ----------------------------------------------------------------------------------------------------- */

static struct str token_of(const char *cart) {
    return identity_cart_token(&arena, &secret, str_of_cstr(cart));
}

static struct principal guest(struct str token) {
    return (struct principal){.identity = identity_principal(&arena, &secret, token), .cart_token = token};
}

static struct principal known(const char *id, uint32_t capacities) {
    return (struct principal){
        .identity = str_of_cstr(id), .id = str_of_cstr(id), .vendor = STR("Röster"), .capacities = capacities};
}

static struct principal person(enum capacity capacity) {
    return known(PERSON, 1U << CAPACITY_CUSTOMER | 1U << capacity);
}

/* By the name of a column of access.tsv. */
static struct principal caller(struct str name) {
    static const struct {
        const char *name;
        enum capacity capacity;
    } people[] = {{"customer", CAPACITY_CUSTOMER}, {"vendor", CAPACITY_VENDOR},   {"support", CAPACITY_SUPPORT},
                  {"admin", CAPACITY_ADMIN},       {"analyst", CAPACITY_ANALYST}, {"auditor", CAPACITY_AUDITOR}};
    for (size_t i = 0; i < ARRAY_LENGTH(people); i++) {
        if (str_equal(name, str_of_cstr(people[i].name))) {
            return person(people[i].capacity);
        }
    }
    if (str_equal(name, STR("token"))) {
        return guest(token_of("cart_" ULID));
    }
    if (str_equal(name, STR("wrong"))) {
        return guest(token_of("cart_" OTHER_ULID));
    }
    if (str_equal(name, STR("service"))) {
        return known(KEY, 1U << CAPACITY_SERVICE);
    }
    if (str_equal(name, STR("vendor_key"))) {
        return known(KEY, 1U << CAPACITY_VENDOR);
    }
    struct principal nobody = guest((struct str){0});
    nobody.is_operator = str_equal(name, STR("operator"));
    assert_true(nobody.is_operator || str_equal(name, STR("nobody")));
    return nobody;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

/* A path of the pattern, with ids that can be. */
static struct str path_of(const char *pattern) {
    static const struct {
        const char *parameter, *value;
    } values[] = {
        {"{product}", "prod_" ULID},       {"{cart}", "cart_" ULID}, {"{order}", "ord_" ULID ".2"}, {"{sku}", "A-1"},
        {"{payment}", "pay_" ULID ".2.1"}, {"{customer}", PERSON},   {"{key}", "key_" ULID}};
    struct str path = STR("");
    for (const char *at = pattern; *at != '\0';) {
        const char *value = NULL;
        for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
            size_t len = strlen(values[i].parameter);
            if (strncmp(at, values[i].parameter, len) == 0) {
                value = values[i].value;
                at += len;
                break;
            }
        }
        path = value != NULL ? arena_printf(&arena, "%.*s%s", STR_ARGS(path), value)
                             : arena_printf(&arena, "%.*s%c", STR_ARGS(path), *at++);
    }
    return path;
}

static struct route_match match_of(enum http_method method, const char *pattern) {
    struct route_match match;
    assert_int_equal(router_find(&arena, method, path_of(pattern), &match), ROUTE_FOUND);
    assert_string_equal(match.route->pattern, pattern);
    return match;
}

static const char *said(const struct route *route, const struct access *access) {
    switch (access->verdict) {
    case ACCESS_GRANTED:
        if (access->by == 'P' && route->method == HTTP_GET_ && strpbrk(route->may, "vSHANU") != NULL) {
            return "public";
        }
        return access_is_own(access) ? "own" : str_starts_with(access->actor, STR("guest:")) ? "guest" : "yes";
    case ACCESS_UNAUTHENTICATED:
        return "401";
    case ACCESS_FORBIDDEN:
        return "403";
    case ACCESS_HIDDEN:
        return "404";
    }
    return "";
}

static size_t take_fields(char *line, struct str *fields) {
    size_t count = 0;
    for (char *rest = line, *field; (field = strsep(&rest, "\t\n")) != NULL && *field != '\0';) {
        assert_true(count < CALLERS_MAX);
        fields[count++] = str_of_cstr(field);
    }
    return count;
}

static void expect_row(const struct route *route, const struct str *callers, const struct str *fields, size_t count) {
    for (size_t i = 2; i < count; i++) {
        struct principal principal = caller(callers[i]);
        struct route_match match = match_of(route->method, route->pattern);
        struct access access = access_judge(&arena, &secret, false, &match, &principal);
        const char *told = said(route, &access);
        /* Where anybody may, a token makes no difference but who it was. */
        bool is_anybody = str_equal(fields[i], STR("yes")) && strcmp(told, "guest") == 0;
        if (!is_anybody && !str_equal(fields[i], str_of_cstr(told))) {
            fail_msg("%s %s: %.*s is told %s, not %.*s", route->method_name, route->pattern, STR_ARGS(callers[i]), told,
                     STR_ARGS(fields[i]));
        }
    }
}

static const struct route *route_of(struct str method, struct str pattern) {
    for (size_t i = 0; i < route_count; i++) {
        if (str_equal(method, str_of_cstr(routes[i].method_name)) &&
            str_equal(pattern, str_of_cstr(routes[i].pattern))) {
            return &routes[i];
        }
    }
    fail_msg("no such route: %.*s %.*s", STR_ARGS(method), STR_ARGS(pattern));
    return NULL;
}

static void each_route_lets_in_whom_the_table_says(void **state) {
    (void)state;
    FILE *file = fopen("integration-tests/access.tsv", "re");
    assert_non_null(file);
    char head[LINE_MAX_BYTES] = "", line[LINE_MAX_BYTES];
    struct str callers[CALLERS_MAX], fields[CALLERS_MAX];
    size_t caller_count = 0, rows = 0;
    bool is_seen[128] = {0};
    assert_true(route_count <= ARRAY_LENGTH(is_seen));
    while (fgets(line, sizeof line, file) != NULL) {
        if (line[0] == '#') {
            continue;
        }
        if (caller_count == 0) {
            memcpy(head, line, sizeof head);
            caller_count = take_fields(head, callers);
            continue;
        }
        assert_int_equal(take_fields(line, fields), caller_count);
        const struct route *route = route_of(fields[0], fields[1]);
        is_seen[route - routes] = true;
        rows++;
        expect_row(route, callers, fields, caller_count);
    }
    (void)fclose(file);
    assert_int_equal(caller_count, 14);
    assert_int_equal(rows, route_count);
    for (size_t i = 0; i < route_count; i++) {
        if (!is_seen[i]) {
            fail_msg("access.tsv has no row for %s %s", routes[i].method_name, routes[i].pattern);
        }
    }
}

/* ---- who it was, and for what ------------------------------------------------------------------------------------ */

static void assert_actor(enum http_method method, const char *pattern, const struct principal *principal,
                         const char *expected) {
    struct route_match match = match_of(method, pattern);
    struct access access = access_judge(&arena, &secret, false, &match, principal);
    assert_int_equal(access.verdict, ACCESS_GRANTED);
    if (!str_equal(access.actor, str_of_cstr(expected))) {
        fail_msg("%s: the actor is %.*s, not %s", pattern, STR_ARGS(access.actor), expected);
    }
}

static void the_most_powerful_capacity_that_the_route_takes_is_the_actor(void **state) {
    (void)state;
    struct principal all = known(PERSON, (1U << CAPACITY_COUNT) - 1);
    assert_actor(HTTP_POST_, "/v1/products", &all, "admin:" PERSON);
    all.capacities &= ~(1U << CAPACITY_ADMIN);
    assert_actor(HTTP_POST_, "/v1/products", &all, "vendor:" PERSON ":Röster");
    assert_actor(HTTP_GET_, "/v1/payments/{payment}", &all, "support:" PERSON);
    all.capacities &= ~(1U << CAPACITY_SUPPORT);
    assert_actor(HTTP_POST_, "/v1/stock/{sku}/receipts", &all, "service:" PERSON);
    assert_actor(HTTP_GET_, "/v1/orders/{order}/history", &all, "auditor:" PERSON);
    all.capacities &= ~(1U << CAPACITY_AUDITOR);
    assert_actor(HTTP_GET_, "/v1/orders/{order}/history", &all, "customer:" PERSON);
    assert_actor(HTTP_GET_, "/v1/orders", &all, "analyst:" PERSON);
    struct principal key = known(KEY, 1U << CAPACITY_SERVICE);
    assert_actor(HTTP_POST_, "/v1/carts", &key, "service:" KEY);
    struct principal nobody = guest((struct str){0});
    assert_actor(HTTP_POST_, "/v1/carts", &nobody, "anonymous");
}

/* The token itself is never the actor: actors are in the log. */
static void who_is_known_and_brings_a_guests_token_acts_as_that_guest(void **state) {
    (void)state;
    struct principal customer = person(CAPACITY_CUSTOMER);
    customer.cart_token = token_of("cart_" ULID);
    struct str guest = identity_principal(&arena, &secret, customer.cart_token);
    struct str expected = arena_printf(&arena, "%.*s:%s", STR_ARGS(guest), PERSON);
    assert_actor(HTTP_POST_, "/v1/carts/{cart}/checkout", &customer, expected.data);
    assert_actor(HTTP_GET_, "/v1/orders/{order}", &customer, expected.data);
    customer.cart_token = token_of("cart_" OTHER_ULID);
    assert_actor(HTTP_GET_, "/v1/orders/{order}", &customer, "customer:" PERSON);
    struct principal admin = person(CAPACITY_ADMIN);
    admin.cart_token = token_of("cart_" ULID);
    assert_actor(HTTP_POST_, "/v1/carts/{cart}/checkout", &admin, "admin:" PERSON);
    struct principal key = known(KEY, 1U << CAPACITY_CUSTOMER); /* no such key is made; were it, it is no person */
    key.cart_token = token_of("cart_" ULID);
    assert_actor(HTTP_GET_, "/v1/orders/{order}", &key, guest.data);
}

/* What somebody creates is his, as what ever he was let in; what a key creates is nobody's. */
static void a_person_is_the_customer_of_what_he_creates(void **state) {
    (void)state;
    struct route_match match = match_of(HTTP_POST_, "/v1/carts");
    for (enum capacity capacity = 0; capacity < CAPACITY_COUNT; capacity++) {
        struct principal one = person(capacity), key = known(KEY, 1U << capacity);
        assert_true(str_equal(access_judge(&arena, &secret, false, &match, &one).customer, STR(PERSON)));
        assert_true(str_is_empty(access_judge(&arena, &secret, false, &match, &key).customer));
    }
    struct principal nobody = guest(token_of("cart_" ULID));
    assert_true(str_is_empty(access_judge(&arena, &secret, false, &match, &nobody).customer));
    assert_true(str_is_empty(access_judge(&arena, &secret, true, &match, &nobody).customer));
}

/* ---- whose it is ------------------------------------------------------------------------------------------------- */

/* Who was let in by a letter sees what is everybody's, a guest's, his own, another's, his goods, and other goods. */
static void what_is_shown_depends_on_whose_it_is(void **state) {
    (void)state;
    static const char *const owners[] = {"", "guest", PERSON, "cus_other", OWNER_VENDOR "Röster", OWNER_VENDOR "Other"};
    static const struct {
        char by;
        bool sees[ARRAY_LENGTH(owners)];
    } rows[] = {
        {'P', {true, false, false, false, false, false}},    {'m', {true, false, false, false, false, false}},
        {'p', {true, true, true, false, false, false}},      {'c', {true, false, true, false, false, false}},
        {'v', {true, false, true, false, true, false}},      {'H', {true, true, true, true, true, true}},
        {'A', {true, true, true, true, true, true}},         {'N', {true, true, true, true, true, true}},
        {'U', {true, true, true, true, true, true}},         {'S', {true, true, true, true, true, true}},
        {ACCESS_OPEN, {true, true, true, true, true, true}},
    };
    struct principal vendor = person(CAPACITY_VENDOR), nobody = guest(token_of("cart_" ULID));
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct access access = {.verdict = ACCESS_GRANTED, .by = rows[i].by};
        for (size_t owner = 0; owner < ARRAY_LENGTH(owners); owner++) {
            if (access_shows(&access, &vendor, str_of_cstr(owners[owner])) != rows[i].sees[owner]) {
                fail_msg("%c and what is of '%s'", rows[i].by, owners[owner]);
            }
        }
        bool is_staff = strchr("HANUS*", rows[i].by) != NULL;
        assert_int_equal(access_shows(&access, &nobody, STR(PERSON)), is_staff);
        assert_int_equal(access_shows(&access, &nobody, STR(OWNER_VENDOR)), is_staff);
    }
}

/* A part of an answer may be for fewer than the route. */
static void a_part_is_judged_by_its_own_letters(void **state) {
    (void)state;
    struct route_match match = match_of(HTTP_GET_, "/v1/products/{product}");
    struct principal support = person(CAPACITY_SUPPORT), nobody = guest((struct str){0});
    struct principal both = known(PERSON, 1U << CAPACITY_SUPPORT | 1U << CAPACITY_AUDITOR);
    assert_int_equal(access_judge_for(&arena, &secret, false, &match, &support, "vAU").verdict, ACCESS_FORBIDDEN);
    assert_int_equal(access_judge_for(&arena, &secret, false, &match, &nobody, "vAU").verdict, ACCESS_UNAUTHENTICATED);
    assert_int_equal(access_judge_for(&arena, &secret, false, &match, &both, "vAU").by, 'U');
    assert_int_equal(access_judge_for(&arena, &secret, true, &match, &nobody, "vAU").by, ACCESS_OPEN);
}

static void a_token_speaks_for_its_own_cart_and_what_came_of_it_alone(void **state) {
    (void)state;
    static const char *const paths[] = {"/v1/carts/cart_" ULID, "/v1/orders/ord_" ULID ".7",
                                        "/v1/orders/ord_" ULID ".7/stream"};
    struct str token = token_of("cart_" ULID);
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        struct route_match match;
        assert_int_equal(router_find(&arena, HTTP_GET_, str_of_cstr(paths[i]), &match), ROUTE_FOUND);
        struct principal holder = guest(token);
        assert_int_equal(access_judge(&arena, &secret, false, &match, &holder).verdict, ACCESS_GRANTED);
        for (uint32_t at = 0; at < token.len; at++) { /* any other character, anywhere */
            struct str changed = arena_str_copy(&arena, token);
            ((char *)changed.data)[at] = changed.data[at] == 'A' ? 'B' : 'A';
            struct principal forger = guest(changed);
            assert_int_equal(access_judge(&arena, &secret, false, &match, &forger).verdict, ACCESS_HIDDEN);
        }
        struct principal shorter = guest(str_first(token, token.len - 1));
        assert_int_equal(access_judge(&arena, &secret, false, &match, &shorter).verdict, ACCESS_HIDDEN);
        static const struct secret other_secret = {{4}};
        assert_int_equal(access_judge(&arena, &other_secret, false, &match, &holder).verdict, ACCESS_HIDDEN);
    }
}

static bool shows_of(const struct principal *principal, const char *stream, const char *owner) {
    struct str text = owner != NULL ? str_of_cstr(owner) : (struct str){0};
    return access_shows_outcome(&arena, &secret, false, principal, str_of_cstr(stream), text);
}

/* A refusal: nobody knows whose the thing is. */
static bool shows(const struct principal *principal, const char *stream) {
    return shows_of(principal, stream, NULL);
}

static void what_became_of_a_command_is_told_to_those_whom_it_concerns(void **state) {
    (void)state;
    struct principal holder = guest(token_of("cart_" ULID)), other = guest(token_of("cart_" OTHER_ULID));
    struct principal nobody = guest((struct str){0}), admin = person(CAPACITY_ADMIN);
    static const char *const streams[] = {"cart_" ULID, "ord_" ULID ".1"};
    for (size_t i = 0; i < ARRAY_LENGTH(streams); i++) {
        assert_true(shows(&holder, streams[i]));
        assert_true(shows(&admin, streams[i]));
        assert_false(shows(&other, streams[i]));
        assert_false(shows(&nobody, streams[i]));
        assert_true(access_shows_outcome(&arena, &secret, true, &nobody, str_of_cstr(streams[i]), STR(PERSON)));
        struct principal customer = person(CAPACITY_CUSTOMER);
        assert_false(shows(&customer, streams[i]));
        assert_true(shows_of(&customer, streams[i], PERSON));
        assert_false(shows_of(&customer, streams[i], "cus_other"));
        assert_true(shows_of(&holder, streams[i], "guest"));
        assert_false(shows_of(&holder, streams[i], PERSON)); /* it is a customer's now */
        customer.cart_token = holder.cart_token;
        assert_true(shows_of(&customer, streams[i], "guest"));
    }
    struct principal vendor = person(CAPACITY_VENDOR), service = known(KEY, 1U << CAPACITY_SERVICE);
    assert_true(shows_of(&vendor, "prod_" ULID, OWNER_VENDOR "Röster"));
    assert_false(shows_of(&vendor, "prod_" ULID, OWNER_VENDOR "Other"));
    assert_true(shows(&service, "sku_A-1"));
    assert_false(shows(&service, "prod_" ULID));
    assert_false(shows(&service, "ord_" ULID ".1"));
    assert_false(shows(&holder, "prod_" ULID));
    assert_false(shows(&holder, "pay_" ULID ".1.1")); /* it has what a provider said: for staff, as the document is */
    assert_false(shows(&holder, ""));
    struct principal support = person(CAPACITY_SUPPORT);
    assert_true(shows(&support, "cus_" ULID));
    assert_false(shows(&support, "key_" ULID));
    assert_true(shows(&admin, "key_" ULID));
    static const char *const of_people[] = {"cus_" ULID, "idn_" ULID, "key_" ULID};
    for (size_t i = 0; i < ARRAY_LENGTH(of_people); i++) { /* also where access is open */
        struct str stream = str_of_cstr(of_people[i]);
        assert_false(access_shows_outcome(&arena, &secret, true, &nobody, stream, (struct str){0}));
        assert_true(access_shows_outcome(&arena, &secret, true, &admin, stream, (struct str){0}));
    }
    assert_true(access_shows_outcome(&arena, &secret, true, &nobody, STR(""), (struct str){0}));
}

/* So that its route tells what is wrong with it. */
static void an_id_that_none_has_hides_nothing(void **state) {
    (void)state;
    static const char *const paths[] = {"/v1/carts/cart_0", "/v1/carts/prod_" ULID, "/v1/orders/cart_" ULID};
    struct principal nobody = guest((struct str){0});
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        struct route_match match;
        assert_int_equal(router_find(&arena, HTTP_GET_, str_of_cstr(paths[i]), &match), ROUTE_FOUND);
        assert_int_equal(access_judge(&arena, &secret, false, &match, &nobody).verdict, ACCESS_GRANTED);
    }
}

static void what_is_hidden_is_told_by_its_kind(void **state) {
    (void)state;
    struct route_match match = match_of(HTTP_GET_, "/v1/carts/{cart}");
    assert_string_equal(access_hidden_code(&match), "unknown_cart");
    match = match_of(HTTP_POST_, "/v1/orders/{order}/cancel");
    assert_string_equal(access_hidden_code(&match), "unknown_order");
}

/* Of these nobody is let in, however open access is, who does not say who he is. */
static const char *const of_people_alone[] = {
    "PUT /v1/customers/{customer}/roles",
    "POST /v1/customers/{customer}/unlock",
    "POST /v1/customers/{customer}/suspend",
    "POST /v1/customers/{customer}/reinstate",
    "DELETE /v1/customers/{customer}/sessions",
    "DELETE /v1/customers/{customer}/totp",
    "DELETE /v1/customers/{customer}",
    "GET /v1/customers/{customer}",
    "GET /v1/customers/{customer}/export",
    "GET /v1/customers",
    "POST /v1/customers/lookup",
    "POST /v1/api-keys",
    "GET /v1/api-keys",
    "GET /v1/api-keys/{key}",
    "DELETE /v1/api-keys/{key}",
    "POST /v1/api-keys/{key}/rotate",
    "POST /v1/me/email-verification",
    "DELETE /v1/sessions/current",
};

static bool is_of_people_alone(const struct route *route) {
    struct str line = arena_printf(&arena, "%s %s", route->method_name, route->pattern);
    bool is_of_people = strncmp(route->pattern, "/v1/me", 6) == 0;
    for (size_t i = 0; i < ARRAY_LENGTH(of_people_alone); i++) {
        is_of_people = is_of_people || str_equal(line, str_of_cstr(of_people_alone[i]));
    }
    return is_of_people;
}

static void where_access_is_open_who_is_not_known_may_do_all_but_what_is_of_people(void **state) {
    (void)state;
    struct principal nobody = guest((struct str){0}), customer = person(CAPACITY_CUSTOMER);
    struct principal admin = person(CAPACITY_ADMIN);
    size_t refused = 0;
    for (size_t i = 0; i < route_count; i++) {
        struct route_match match = {.route = &routes[i]};
        struct access access = access_judge(&arena, &secret, true, &match, &nobody);
        if (is_of_people_alone(&routes[i])) {
            assert_int_equal(access.verdict, ACCESS_UNAUTHENTICATED);
            refused++;
        } else if (access.verdict != ACCESS_GRANTED || !str_equal(access.actor, STR("anonymous"))) {
            fail_msg("%s %s is not open", routes[i].method_name, routes[i].pattern);
        }
    }
    assert_true(refused >= ARRAY_LENGTH(of_people_alone));
    struct route_match match = match_of(HTTP_POST_, "/v1/products");
    assert_int_equal(access_judge(&arena, &secret, true, &match, &customer).verdict, ACCESS_FORBIDDEN);
    match = match_of(HTTP_POST_, "/v1/api-keys");
    assert_int_equal(access_judge(&arena, &secret, true, &match, &customer).verdict, ACCESS_FORBIDDEN);
    assert_int_equal(access_judge(&arena, &secret, true, &match, &admin).by, 'A');
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_route_lets_in_whom_the_table_says),
        cmocka_unit_test(the_most_powerful_capacity_that_the_route_takes_is_the_actor),
        cmocka_unit_test(who_is_known_and_brings_a_guests_token_acts_as_that_guest),
        cmocka_unit_test(a_person_is_the_customer_of_what_he_creates),
        cmocka_unit_test(what_is_shown_depends_on_whose_it_is),
        cmocka_unit_test(a_part_is_judged_by_its_own_letters),
        cmocka_unit_test(a_token_speaks_for_its_own_cart_and_what_came_of_it_alone),
        cmocka_unit_test(what_became_of_a_command_is_told_to_those_whom_it_concerns),
        cmocka_unit_test(an_id_that_none_has_hides_nothing),
        cmocka_unit_test(what_is_hidden_is_told_by_its_kind),
        cmocka_unit_test(where_access_is_open_who_is_not_known_may_do_all_but_what_is_of_people),
    };
    return cmocka_run_group_tests_name("access", tests, set_up, tear_down);
}
