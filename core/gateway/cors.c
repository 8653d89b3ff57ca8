#include "core/gateway/cors.h"

#include <string.h>

#define REQUEST_FIELDS                                                                                                 \
    "Authorization, Content-Type, Daybook-CSRF, Daybook-Cart-Token, Daybook-Position, Idempotency-Key, If-Match, "     \
    "If-None-Match, Last-Event-ID, Prefer, traceparent"
#define ANSWER_FIELDS                                                                                                  \
    "Content-Location, Daybook-Position, ETag, Idempotent-Replayed, Location, Preference-Applied, RateLimit, "         \
    "RateLimit-Policy, Retry-After, traceparent"

static bool is_lower_or_digit(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
}

/* scheme "://" host [ ":" port ], as browsers write it (RFC 6454, 6.2): in lower case, nothing behind it. */
bool cors_is_origin(struct str text) {
    if (str_starts_with(text, STR("https://"))) {
        text = str_from(text, 8);
    } else if (str_starts_with(text, STR("http://"))) {
        text = str_from(text, 7);
    } else {
        return false;
    }
    bool is_ipv6 = !str_is_empty(text) && text.data[0] == '[';
    uint32_t host_len = is_ipv6 ? str_find(text, ']') + 1 : str_find(text, ':');
    if (host_len <= (is_ipv6 ? 2 : 0) || host_len > text.len) {
        return false;
    }
    for (uint32_t i = is_ipv6; i < host_len - is_ipv6; i++) {
        char byte = text.data[i];
        if (!is_lower_or_digit(byte) && byte != '.' && byte != '-' && !(is_ipv6 && byte == ':')) {
            return false;
        }
    }
    struct str port = str_from(text, host_len);
    for (uint32_t i = 1; i < port.len; i++) {
        if (port.data[i] < '0' || port.data[i] > '9') {
            return false;
        }
    }
    return port.len == 0 || (port.data[0] == ':' && port.len > 1 && port.len <= 6);
}

enum err cors_read(const char *text, struct cors_origins *ret_origins, struct err_info *info) {
    *ret_origins = (struct cors_origins){0};
    for (struct str rest = str_of_cstr(text); !str_is_empty(rest);) {
        struct str one = str_first(rest, str_find(rest, ' '));
        rest = str_from(rest, one.len + 1);
        if (str_is_empty(one)) {
            continue;
        }
        if (one.len > CORS_ORIGIN_MAX_BYTES || !cors_is_origin(one)) {
            return err_set(
                info, ERR_CONFIG,
                "cors_origins: \"%.*s\" is no origin; one is https://host or https://host:port, in lower case",
                (int)(one.len > CORS_ORIGIN_MAX_BYTES ? CORS_ORIGIN_MAX_BYTES : one.len), one.data);
        }
        if (ret_origins->count == CORS_ORIGINS_MAX) {
            return err_set(info, ERR_CONFIG, "cors_origins: at most %d origins are taken", CORS_ORIGINS_MAX);
        }
        ret_origins->items[ret_origins->count++] = one;
    }
    return ERR_NONE;
}

/* The origin of the request when it is in the list; else empty. */
static struct str allowed_origin(const struct cors_origins *origins, const struct http_exchange *exchange) {
    struct str origin = http_request_field(exchange, "origin");
    for (size_t i = 0; i < origins->count && !str_is_empty(origin); i++) {
        if (str_equal(origin, origins->items[i])) {
            return origins->items[i];
        }
    }
    return (struct str){0};
}

void cors_answer(const struct cors_origins *origins, struct http_exchange *exchange) {
    if (origins->count == 0) {
        return;
    }
    http_answer_field(exchange, "Vary", STR("Origin"));
    struct str origin = allowed_origin(origins, exchange);
    if (!str_is_empty(origin)) {
        http_answer_field(exchange, "Access-Control-Allow-Origin", origin);
        http_answer_field(exchange, "Access-Control-Allow-Credentials", STR("true"));
        http_answer_field(exchange, "Access-Control-Expose-Headers", STR(ANSWER_FIELDS));
    }
}

void cors_answer_preflight(const struct cors_origins *origins, struct http_exchange *exchange, struct str methods) {
    bool is_preflight = !str_is_empty(http_request_field(exchange, "access-control-request-method"));
    if (is_preflight && !str_is_empty(allowed_origin(origins, exchange))) {
        http_answer_field(exchange, "Access-Control-Allow-Methods", methods);
        http_answer_field(exchange, "Access-Control-Allow-Headers", STR(REQUEST_FIELDS));
        http_answer_field(exchange, "Access-Control-Max-Age",
                          arena_printf(&exchange->arena, "%d", CORS_PREFLIGHT_KEPT_S));
    }
}
