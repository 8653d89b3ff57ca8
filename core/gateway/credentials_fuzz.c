/* credentials_fuzz.c: libFuzzer on the fields by which a request says who it is from.
 *
 * The first byte says the method and whether cookies count; then a field a line, `name: value`. As nobody can
 * make up what is ours, the bytes 1 to 5 in a value stand for it: an access token, an API key, the session's CSRF
 * token, a token whose session has ended, and one that another installation has signed. Beyond what the sanitizers
 * see: he who is let in is the one whose credentials are there, whole, once and in their place; with a cookie
 * nothing is changed without the CSRF token and from a page that may; and who brings nothing is nobody.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/timestamp.h"
#include "core/gateway/authentication.h"

enum { FIELDS_MAX = 16, INPUT_MAX_BYTES = 8 * 1024, ARENA_MAX_BYTES = 4 << 20, MADE_FOR_S = 300 };

#define ADA "cus_01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define KEY "key_01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define RING "a AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define OTHER_RING "a BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define OWN_ORIGIN "https://shop.example"
#define OTHER_ORIGIN "https://other.example"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SESSION = 7, ENDED_SESSION = 8 };

/* What stands for each byte from 1 on. */
enum { OURS_TOKEN, OURS_KEY, OURS_CSRF, OURS_ENDED, OURS_FOREIGN, OURS_COUNT };

static const struct secret secret = {{7}};
static struct revocations revocations;
static struct cors_origins origins;
static struct authentication authentication;
static struct signing *foreign;
static struct arena kept;
static struct str ours[OURS_COUNT];
static int64_t made_at_s = INT64_MIN;

static void require(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "credentials_fuzz: %s\n", what);
        abort();
    }
}

/* ---- the world --------------------------------------------------------------------------------------------------- */

static bool find_key(struct api_keys *keys, struct arena *arena, struct str text, int64_t now_us,
                     struct principal *ret_principal) {
    (void)keys, (void)arena, (void)now_us;
    if (!str_equal(text, ours[OURS_KEY])) {
        return false;
    }
    *ret_principal = (struct principal){.identity = STR(KEY), .id = STR(KEY), .capacities = 1U << CAPACITY_SERVICE};
    return true;
}

static bool keys_are_known(struct api_keys *keys) {
    (void)keys;
    return true;
}

static int64_t now_s(void) {
    return authentication_now_us(&authentication) / MICROS_PER_SECOND;
}

static struct str token_of(const struct signing *signing, int32_t session) {
    return access_token_write(signing, &kept,
                              &(struct access_claims){.customer = STR(ADA),
                                                      .session = session,
                                                      .roles = TOKEN_ROLE_SUPPORT,
                                                      .issued_at_s = now_s() - 1,
                                                      .expires_at_s = now_s() + ACCESS_LIFE_MAX_S - 1});
}

static void open_once(void) {
    struct err_info info = {0};
    struct master_ring *ring = NULL, *other_ring = NULL;
    revocations_init(&revocations);
    revocations_set_known(&revocations);
    revocations_add(&revocations, &(struct session_end){.customer = STR(ADA), .session = ENDED_SESSION, .ended_at = 1});
    bool is_open =
        cors_read(OTHER_ORIGIN, &origins, &info) == ERR_NONE && master_load("", RING, &ring, &info) == ERR_NONE &&
        master_load("", OTHER_RING, &other_ring, &info) == ERR_NONE &&
        authentication_open(&authentication, &secret, ring, OWN_ORIGIN, "daybook", &revocations, &origins, &info) ==
            ERR_NONE &&
        signing_open(other_ring, OWN_ORIGIN, "daybook", now_s(), &foreign, &info) == ERR_NONE;
    require(is_open, "there are keys to sign with");
    authentication.key_finder = (struct key_finder){.find = find_key, .are_known = keys_are_known};
    arena_init(&kept, ARENA_MAX_BYTES);
}

/* Tokens die; a run lasts longer. */
static void make_ours(void) {
    if (made_at_s == INT64_MIN) {
        open_once();
    }
    if (made_at_s > now_s() - MADE_FOR_S) {
        return;
    }
    made_at_s = now_s();
    arena_reset(&kept);
    ours[OURS_TOKEN] = token_of(authentication.signing, SESSION);
    ours[OURS_KEY] = api_key_write(&kept, &secret, STR(KEY), 1);
    ours[OURS_CSRF] = mail_token_write(&kept, &secret, CSRF_USE, STR(ADA), SESSION);
    ours[OURS_ENDED] = token_of(authentication.signing, ENDED_SESSION);
    ours[OURS_FOREIGN] = token_of(foreign, SESSION);
}

static struct str expanded(struct arena *arena, struct str value) {
    struct buf out;
    buf_init(&out, INPUT_MAX_BYTES * 1024);
    for (uint32_t i = 0; i < value.len; i++) {
        uint8_t byte = (uint8_t)value.data[i];
        if (byte >= 1 && byte <= OURS_COUNT) {
            buf_str(&out, ours[byte - 1]);
        } else {
            buf_byte(&out, (char)byte);
        }
    }
    struct str text = {0};
    bool fits = arena_str_try(arena, buf_text(&out), &text);
    buf_release(&out);
    return fits && text.len > 0 ? text : STR(""); /* a field that is there has data, also when it is empty */
}

/* ---- the oracle -------------------------------------------------------------------------------------------------- */

static size_t count_fields(const struct http_exchange *exchange, const char *name) {
    size_t count = 0;
    for (size_t i = 0; i < exchange->field_count; i++) {
        count += http_name_equal(exchange->fields[i].name, name);
    }
    return count;
}

static bool has_field(const struct http_exchange *exchange, const char *name, struct str value) {
    for (size_t i = 0; i < exchange->field_count; i++) {
        if (http_name_equal(exchange->fields[i].name, name) && str_equal(exchange->fields[i].value, value)) {
            return true;
        }
    }
    return false;
}

static struct str without_space(struct str text) {
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text = str_from(text, 1);
    }
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

/* How many pairs of all cookies begin so, and whether this is one of them. */
static size_t count_pairs(const struct http_exchange *exchange, struct str name_and_sign, struct str pair,
                          bool *ret_has) {
    size_t count = 0;
    *ret_has = false;
    for (size_t i = 0; i < exchange->field_count; i++) {
        struct str rest = http_name_equal(exchange->fields[i].name, "cookie") ? exchange->fields[i].value : STR("");
        while (rest.len > 0) {
            uint32_t end = str_find(rest, ';');
            struct str one = without_space(str_first(rest, end));
            rest = str_from(rest, end + 1);
            count += str_starts_with(one, name_and_sign);
            *ret_has = *ret_has || str_equal(one, pair);
        }
    }
    return count;
}

/* `Bearer`, spaces, and nothing but that. */
static bool bears(const struct http_exchange *exchange, struct str credentials) {
    struct str value = http_request_field(exchange, "authorization");
    static const char scheme[] = "BEARER ";
    for (uint32_t i = 0; i < 7; i++) {
        char byte = i < value.len ? value.data[i] : '\0';
        if ((byte >= 'a' && byte <= 'z' ? byte - 'a' + 'A' : byte) != scheme[i]) {
            return false;
        }
    }
    return str_equal(without_space(str_from(value, 7)), credentials);
}

static void check_bearer(const struct http_exchange *exchange, enum credentials said,
                         const struct principal *principal) {
    bool is_alone = count_fields(exchange, "authorization") == 1;
    bool has_token = is_alone && bears(exchange, ours[OURS_TOKEN]),
         has_key = is_alone && bears(exchange, ours[OURS_KEY]);
    bool has_ended = is_alone && bears(exchange, ours[OURS_ENDED]);
    enum credentials expected = has_token || has_key ? CREDENTIALS_GOOD
                                : has_ended          ? CREDENTIALS_OVER
                                                     : CREDENTIALS_REFUSED;
    require(said == expected, "who bears what is ours, and nothing else, is known");
    if (said == CREDENTIALS_GOOD) {
        require(principal->by == (has_key ? BY_KEY : BY_TOKEN), "by what he is known");
    }
}

static void check_cookie(const struct http_exchange *exchange, enum credentials said, const struct principal *principal,
                         struct arena *arena) {
    struct str pair = arena_join(arena, STR(ACCESS_COOKIE "="), ours[OURS_TOKEN]);
    bool is_read = exchange->method == HTTP_GET_ || exchange->method == HTTP_HEAD_;
    if (said != CREDENTIALS_GOOD && said != CREDENTIALS_STRANGE) {
        return;
    }
    bool has = false;
    require(count_pairs(exchange, STR(ACCESS_COOKIE "="), pair, &has) == 1 && has, "the cookie is there, once");
    require(principal->by == BY_COOKIE, "he is known by his cookie");
    if (said == CREDENTIALS_GOOD && !is_read) {
        struct str site = http_request_field(exchange, "sec-fetch-site");
        struct str origin = http_request_field(exchange, "origin");
        require(has_field(exchange, "daybook-csrf", ours[OURS_CSRF]), "what is changed has its CSRF token");
        require(str_equal(site, STR("same-origin")) || str_equal(site, STR("none")) ||
                    str_equal(origin, STR(OWN_ORIGIN)) || str_equal(origin, STR(OTHER_ORIGIN)) ||
                    (site.data == NULL && origin.data == NULL),
                "and comes from a page that may");
    }
}

static void check(struct http_exchange *exchange, bool takes_cookie) {
    struct principal principal = {.identity = STR("anonymous")};
    struct problem problem = {0};
    enum credentials said = authentication_read(&authentication, exchange, takes_cookie, &principal, &problem);
    if (count_fields(exchange, "authorization") > 0) {
        check_bearer(exchange, said, &principal);
    } else if (takes_cookie) {
        check_cookie(exchange, said, &principal, &exchange->arena);
    } else {
        require(said == CREDENTIALS_NONE, "a cookie that does not count is not looked at");
    }
    switch (said) {
    case CREDENTIALS_NONE:
        require(principal.id.len == 0 && principal.capacities == 0, "who brings nothing is nobody");
        return;
    case CREDENTIALS_GOOD: {
        bool is_key = principal.by == BY_KEY;
        uint32_t person = 1U << CAPACITY_CUSTOMER | 1U << CAPACITY_SUPPORT;
        require(str_equal(principal.id, is_key ? STR(KEY) : STR(ADA)) && str_equal(principal.identity, principal.id) &&
                    principal.capacities == (is_key ? 1U << CAPACITY_SERVICE : person) &&
                    principal.session == (is_key ? 0 : SESSION),
                "he is who he is, and no more");
        return;
    }
    case CREDENTIALS_REFUSED:
    case CREDENTIALS_OVER:
        require(problem.status == 401 && problem.code != NULL && principal.id.len == 0, "who is refused is nobody");
        return;
    case CREDENTIALS_STRANGE:
        require(problem.status == 403 && problem.code != NULL, "a strange page is told so");
        return;
    case CREDENTIALS_UNSURE:
        require(false, "all is known here");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size > INPUT_MAX_BYTES) {
        return 0;
    }
    make_ours();
    struct http_field fields[FIELDS_MAX];
    struct http_exchange exchange = {.fields = fields, .method = (enum http_method)(data[0] % HTTP_OTHER_)};
    arena_init(&exchange.arena, ARENA_MAX_BYTES);
    struct str rest = str_of((const char *)data + 1, size - 1);
    while (rest.len > 0 && exchange.field_count < FIELDS_MAX) {
        struct str line = str_first(rest, str_find(rest, '\n'));
        rest = str_from(rest, line.len + 1);
        struct str name = str_first(line, str_find(line, ':')), value = str_from(line, name.len + 1);
        value = str_starts_with(value, STR(" ")) ? str_from(value, 1) : value;
        fields[exchange.field_count++] = (struct http_field){name, expanded(&exchange.arena, value)};
    }
    struct str found = cookie_find(&exchange, ACCESS_COOKIE);
    require(str_find(found, ';') == found.len, "a cookie's value ends with its pair");
    struct principal guest;
    struct problem problem = {0};
    bool is_guest = principal_read(&exchange, &secret, &guest, &problem);
    require(is_guest ? guest.id.len == 0 && guest.capacities == 0 : problem.status == 400,
            "a cart's token makes nobody known");
    check(&exchange, (data[0] & 0x80) != 0);
    arena_release(&exchange.arena);
    return 0;
}
