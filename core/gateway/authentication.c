#include "core/gateway/authentication.h"

#include <sodium.h>
#include <stddef.h>

#include "core/base/text.h"
#include "core/base/timestamp.h"

/* What a token that was good says, as it is remembered; the vendor's name follows. */
struct known_token {
    int64_t expires_at_s;
    int32_t session;
    uint32_t roles;
    char customer[CUSTOMER_ID_LEN];
    bool is_once, was_code_given;
};

/* ---- life cycle -------------------------------------------------------------------------------------------------- */

enum err authentication_open(struct authentication *authentication, const struct secret *secret,
                             const struct master_ring *masters, const char *public_url, const char *token_audience,
                             struct revocations *revocations, const struct cors_origins *origins,
                             struct err_info *info) {
    *authentication = (struct authentication){
        .secret = secret,
        .revocations = revocations,
        .origins = origins,
        .own_origin = str_of_cstr(public_url),
    };
    if (!cors_is_origin(authentication->own_origin)) {
        return err_set(info, ERR_CONFIG,
                       "public_url: \"%.200s\" is no origin; one is https://host or https://host:port, in lower case",
                       public_url);
    }
    steady_clock_init(&authentication->clock, clock_wall_us(), clock_boot_us());
    lru_init(&authentication->known, AUTHENTICATION_KNOWN_BYTES);
    randombytes_buf(authentication->known_key, sizeof authentication->known_key);
    return signing_open(masters, public_url, token_audience, authentication_now_us(authentication) / MICROS_PER_SECOND,
                        &authentication->signing, info);
}

void authentication_close(struct authentication *authentication) {
    if (authentication->signing != NULL) {
        signing_close(authentication->signing);
    }
    lru_release(&authentication->known);
}

int64_t authentication_now_us(struct authentication *authentication) {
    return steady_clock_now(&authentication->clock, clock_wall_us(), clock_boot_us());
}

void authentication_tick(struct authentication *authentication) {
    signing_turn(authentication->signing, authentication_now_us(authentication) / MICROS_PER_SECOND);
}

/* ---- access tokens ----------------------------------------------------------------------------------------------- */

static const struct problem invalid_token = {
    .status = 401,
    .code = "invalid_token",
    .detail = "What was sent to say who asks is none of ours, or was revoked.",
};

static enum credentials refuse_token(struct problem *ret_problem) {
    *ret_problem = invalid_token;
    return CREDENTIALS_REFUSED;
}

static enum credentials refuse_revoked(struct problem *ret_problem) {
    *ret_problem = invalid_token;
    return CREDENTIALS_OVER;
}

static enum credentials refuse_expired(struct problem *ret_problem) {
    *ret_problem = (struct problem){
        .status = 401, .code = "token_expired", .detail = "The access token has had its time; refresh the session."};
    return CREDENTIALS_OVER;
}

/* Of those that are signed by us nobody has made up one. */
static enum credentials refuse_by(enum token_verdict verdict, struct problem *ret_problem) {
    switch (verdict) {
    case TOKEN_EXPIRED:
        return refuse_expired(ret_problem);
    case TOKEN_FOR_OTHERS:
    case TOKEN_NOT_YET:
        return refuse_revoked(ret_problem);
    case TOKEN_FINE:
    case TOKEN_MALFORMED:
    case TOKEN_UNKNOWN_KEY:
    case TOKEN_FORGED:
        break;
    }
    return refuse_token(ret_problem);
}

/* A cache of tokens would be one of what lets people in: it knows them by a keyed hash. SipHash-2-4 of 128 bits is a
 * pseudorandom function under a key that nobody sees and that dies with the process: a token that is none of ours meets
 * one of those that are known with a probability of 2^-115. It is taken of each request, in a quarter of BLAKE2b's
 * time. */
struct token_name {
    uint8_t bytes[crypto_shorthash_siphashx24_BYTES];
};

static struct token_name name_of(const struct authentication *authentication, struct str token) {
    struct token_name name;
    crypto_shorthash_siphashx24(name.bytes, (const unsigned char *)token.data, token.len, authentication->known_key);
    return name;
}

static struct str name_text(const struct token_name *name) {
    return str_of((const char *)name->bytes, sizeof name->bytes);
}

static int64_t name_hash(const struct token_name *name) {
    int64_t hash;
    memcpy(&hash, name->bytes, sizeof hash);
    return hash;
}

static void remember(struct authentication *authentication, struct arena *arena, const struct token_name *name,
                     const struct access_claims *claims) {
    size_t size = sizeof(struct known_token) + claims->vendor.len;
    char *bytes = arena_alloc(arena, size);
    struct known_token known = {.expires_at_s = claims->expires_at_s,
                                .session = claims->session,
                                .roles = claims->roles,
                                .is_once = claims->is_once,
                                .was_code_given = claims->was_code_given};
    memcpy(known.customer, claims->customer.data, CUSTOMER_ID_LEN);
    memcpy(bytes, &known, sizeof known);
    if (claims->vendor.len > 0) {
        memcpy(bytes + sizeof known, claims->vendor.data, claims->vendor.len);
    }
    const struct lru_entry entry = {.name = name_text(name), .hash = name_hash(name), .value = str_of(bytes, size)};
    lru_put(&authentication->known, &entry);
}

/* What the cache lends is copied: it is gone with the next token. */
static bool recall(struct authentication *authentication, struct arena *arena, const struct token_name *name,
                   struct access_claims *ret_claims) {
    const struct lru_entry *entry = lru_get(&authentication->known, name_text(name), name_hash(name));
    if (entry == NULL) {
        return false;
    }
    struct known_token known;
    memcpy(&known, entry->value.data, sizeof known);
    struct str vendor = str_from(entry->value, sizeof known);
    *ret_claims = (struct access_claims){
        .customer = arena_str_copy(arena, str_of(known.customer, CUSTOMER_ID_LEN)),
        .session = known.session,
        .roles = known.roles,
        .is_once = known.is_once,
        .was_code_given = known.was_code_given,
        .vendor = str_is_empty(vendor) ? (struct str){0} : arena_str_copy(arena, vendor),
        .expires_at_s = known.expires_at_s,
    };
    return true;
}

/* The roles of tokens and the capacities of routes have the same names. */
static uint32_t capacities_of(uint32_t roles) {
    static const struct {
        uint32_t role;
        enum capacity capacity;
    } same[] = {
#define SAME(name, text, place) {TOKEN_ROLE_##name, CAPACITY_##name},
        TOKEN_ROLE_TABLE(SAME)
#undef SAME
    };
    uint32_t capacities = 1U << CAPACITY_CUSTOMER; /* which every person is */
    for (size_t i = 0; i < ARRAY_LENGTH(same); i++) {
        capacities |= (roles & same[i].role) != 0 ? 1U << same[i].capacity : 0;
    }
    return capacities;
}

static void become(const struct access_claims *claims, bool roles_need_factor, struct principal *principal) {
    uint32_t capacities = capacities_of(claims->roles);
    bool is_customer_alone = roles_need_factor && !claims->was_code_given;
    principal->identity = claims->customer;
    principal->id = claims->customer;
    principal->vendor = is_customer_alone ? (struct str){0} : claims->vendor;
    principal->capacities = is_customer_alone ? capacities_of(0) : capacities;
    principal->withheld = capacities & ~principal->capacities;
    principal->session = claims->session;
    principal->is_once = claims->is_once;
}

static enum credentials take_access_token(struct authentication *authentication, struct arena *arena, struct str token,
                                          struct principal *principal, struct problem *ret_problem) {
    int64_t now_s = authentication_now_us(authentication) / MICROS_PER_SECOND;
    struct access_claims claims;
    struct token_name name = name_of(authentication, token);
    if (!recall(authentication, arena, &name, &claims)) {
        enum token_verdict verdict = access_token_read(authentication->signing, arena, token, now_s, &claims);
        if (verdict != TOKEN_FINE) {
            return refuse_by(verdict, ret_problem);
        }
        claims.customer = arena_str_copy(arena, claims.customer);
        remember(authentication, arena, &name, &claims);
    }
    if (now_s >= claims.expires_at_s) {
        return refuse_expired(ret_problem);
    }
    if (!revocations_are_known(authentication->revocations)) { /* before they are looked at: they are read elsewhere */
        return CREDENTIALS_UNSURE;
    }
    if (revocations_has(authentication->revocations, claims.customer, claims.session)) {
        return refuse_revoked(ret_problem);
    }
    become(&claims, authentication->roles_need_factor, principal);
    return CREDENTIALS_GOOD;
}

/* ---- cookies ----------------------------------------------------------------------------------------------------- */

static struct str trim(struct str text) {
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text = str_from(text, 1);
    }
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

/* RFC 6265, 4.2: pairs with `;` between; a browser may split them over fields. */
struct str cookie_find(const struct http_exchange *exchange, const char *name) {
    struct str found = {0};
    size_t count = 0;
    for (size_t i = 0; i < exchange->field_count; i++) {
        struct str rest =
            http_name_equal(exchange->fields[i].name, "cookie") ? exchange->fields[i].value : (struct str){0};
        while (!str_is_empty(rest)) {
            struct str pair = str_first(rest, str_find(rest, ';'));
            rest = str_from(rest, pair.len + 1);
            pair = trim(pair);
            if (str_equal(str_first(pair, str_find(pair, '=')), str_of_cstr(name)) && str_find(pair, '=') < pair.len) {
                found = str_from(pair, str_find(pair, '=') + 1);
                count++;
            }
        }
    }
    return count == 1 ? found : (struct str){0};
}

struct str cookie_write(struct arena *arena, const char *name, const char *path, struct str value, int64_t life_s) {
    return arena_printf(arena, "%s=%.*s; Path=%s; Max-Age=%lld; Secure; HttpOnly; SameSite=Strict", name,
                        STR_ARGS(value), path, (long long)life_s);
}

void cookie_forget_access(struct http_exchange *exchange) {
    http_answer_field(exchange, "Set-Cookie", cookie_write(&exchange->arena, ACCESS_COOKIE, "/", STR(""), 0));
}

static bool is_own_origin(const struct authentication *authentication, struct str origin) {
    bool is_own = str_equal(origin, authentication->own_origin);
    for (size_t i = 0; i < authentication->origins->count && !is_own; i++) {
        is_own = str_equal(origin, authentication->origins->items[i]);
    }
    return is_own;
}

/* What a browser says of the page (Fetch Metadata; RFC 6454); one that says nothing is judged by the token alone. */
static bool comes_from_ours(const struct authentication *authentication, const struct http_exchange *exchange) {
    struct str site = http_request_field(exchange, "sec-fetch-site"), origin = http_request_field(exchange, "origin");
    if (site.data == NULL && origin.data == NULL) {
        return true;
    }
    bool is_same = site.data != NULL && (str_equal(site, STR("same-origin")) || str_equal(site, STR("none")));
    return is_same || (origin.data != NULL && is_own_origin(authentication, origin));
}

bool csrf_is_met(const struct authentication *authentication, const struct http_exchange *exchange, struct str customer,
                 int32_t session, struct problem *ret_problem) {
    struct str token = http_request_field(exchange, "daybook-csrf");
    bool is_met = mail_token_read(authentication->secret, CSRF_USE, customer, session, token) &&
                  comes_from_ours(authentication, exchange);
    if (!is_met) {
        *ret_problem = (struct problem){
            .status = 403,
            .code = "csrf_failed",
            .detail =
                "With cookies a change needs Daybook-CSRF, the session's csrf_token, and comes from a page of ours."};
    }
    return is_met;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static bool starts_with_scheme(struct str text) {
    return http_name_equal(str_first(text, 7), "bearer ");
}

static enum credentials take_key(struct authentication *authentication, struct arena *arena, struct str text,
                                 struct principal *principal, struct problem *ret_problem) {
    const struct key_finder *finder = &authentication->key_finder;
    struct principal found = {0};
    if (finder->find == NULL) {
        return refuse_token(ret_problem);
    }
    if (!finder->are_known(finder->keys)) {
        return CREDENTIALS_UNSURE;
    }
    if (!finder->find(finder->keys, arena, text, authentication_now_us(authentication), &found)) {
        return refuse_token(ret_problem);
    }
    principal->identity = found.identity;
    principal->id = found.id;
    principal->vendor = found.vendor;
    principal->capacities = found.capacities;
    principal->by = BY_KEY;
    return CREDENTIALS_GOOD;
}

static enum credentials take_authorization(struct authentication *authentication, struct http_exchange *exchange,
                                           struct str field, struct principal *principal, struct problem *ret_problem) {
    if (!starts_with_scheme(field)) {
        return refuse_token(ret_problem);
    }
    struct str text = trim(str_from(field, 7));
    if (str_starts_with(text, STR("dbk_"))) {
        return take_key(authentication, &exchange->arena, text, principal, ret_problem);
    }
    principal->by = BY_TOKEN;
    return take_access_token(authentication, &exchange->arena, text, principal, ret_problem);
}

static enum credentials take_cookie(struct authentication *authentication, struct http_exchange *exchange,
                                    struct str token, struct principal *principal, struct problem *ret_problem) {
    principal->by = BY_COOKIE;
    enum credentials credentials = take_access_token(authentication, &exchange->arena, token, principal, ret_problem);
    bool is_read = exchange->method == HTTP_GET_ || exchange->method == HTTP_HEAD_;
    if (credentials == CREDENTIALS_GOOD && !is_read &&
        !csrf_is_met(authentication, exchange, principal->id, principal->session, ret_problem)) {
        return CREDENTIALS_STRANGE;
    }
    return credentials;
}

/* Two of them are as good as none that can be meant, and so refused. */
static bool has_one_authorization(const struct http_exchange *exchange) {
    size_t count = 0;
    for (size_t i = 0; i < exchange->field_count; i++) {
        count += http_name_equal(exchange->fields[i].name, "authorization");
    }
    return count == 1;
}

enum credentials authentication_read(struct authentication *authentication, struct http_exchange *exchange,
                                     bool takes_cookie, struct principal *principal, struct problem *ret_problem) {
    struct str field = http_request_field(exchange, "authorization");
    if (field.data != NULL) {
        return has_one_authorization(exchange)
                   ? take_authorization(authentication, exchange, field, principal, ret_problem)
                   : refuse_token(ret_problem);
    }
    struct str token = takes_cookie ? cookie_find(exchange, ACCESS_COOKIE) : (struct str){0};
    return str_is_empty(token) ? CREDENTIALS_NONE
                               : take_cookie(authentication, exchange, token, principal, ret_problem);
}
