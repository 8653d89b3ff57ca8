#include "core/gateway/refusal_log.h"

#include <string.h>

#include "core/base/logger.h"
#include "core/base/macros.h"

static const char *const kind_names[REFUSAL_KINDS] = {
#define REFUSAL_KIND_NAME(name, text) [REFUSAL_##name] = (text),
    REFUSAL_KIND_TABLE(REFUSAL_KIND_NAME)
#undef REFUSAL_KIND_NAME
};

/* What is not told by its status alone. */
static const struct {
    const char *code;
    int status;
    enum refusal_kind kind;
} by_code[] = {
    {"unknown_field", 400, REFUSAL_INPUT},      {"invalid_cart_token", 400, REFUSAL_FORGED},
    {"invalid_position", 400, REFUSAL_FORGED},  {"unauthenticated", 401, REFUSAL_RIGHTS},
    {"invalid_signature", 401, REFUSAL_FORGED}, {"stale_signature", 401, REFUSAL_FORGED},
    {"token_expired", 401, REFUSAL_NOT_TOLD},   {"session_ended", 401, REFUSAL_NOT_TOLD},
    {"code_required", 401, REFUSAL_NOT_TOLD},
};

enum refusal_kind refusal_kind_of(int status, const char *code, bool is_for_everybody) {
    for (size_t i = 0; i < ARRAY_LENGTH(by_code); i++) {
        if (by_code[i].status == status && strcmp(by_code[i].code, code) == 0) {
            return by_code[i].kind;
        }
    }
    switch (status) {
    case 401:
        return REFUSAL_CREDENTIALS;
    case 403:
        return REFUSAL_RIGHTS;
    case 404: /* what is not his is told as what is not there */
        return is_for_everybody ? REFUSAL_NOT_TOLD : REFUSAL_RIGHTS;
    case 429:
        return REFUSAL_LIMITS;
    default:
        return REFUSAL_NOT_TOLD;
    }
}

enum refusal_kind refusal_kind_of_server(int status) {
    switch (status) {
    case 408: /* slow lines are honest as well */
    case 503:
        return REFUSAL_NOT_TOLD;
    case 429:
        return REFUSAL_LIMITS;
    default:
        return REFUSAL_MALFORMED;
    }
}

/* False: too many of this sort were written of late. */
static bool takes_place(struct refusal_sort *sort, int64_t now_us) {
    int64_t begins_us = sort->next_at_us > now_us ? sort->next_at_us : now_us;
    if (begins_us - now_us > (int64_t)(REFUSALS_AT_ONCE - 1) * REFUSAL_EVERY_US) {
        return false;
    }
    sort->next_at_us = begins_us + REFUSAL_EVERY_US;
    return true;
}

void refusal_log_note(struct refusal_log *log, const struct refusal *refusal, int64_t now_us) {
    if (refusal->kind == REFUSAL_NOT_TOLD) {
        return;
    }
    struct refusal_sort *sort = &log->sorts[refusal->kind][refusal->is_known];
    if (!takes_place(sort, now_us)) {
        sort->left_out++;
        return;
    }
    log_line(LOG_INFO, "gateway", "refused", LOG_CSTR("kind", kind_names[refusal->kind]),
             LOG_INT("status", refusal->status), LOG_CSTR("code", refusal->code), LOG_CSTR("method", refusal->method),
             LOG_CSTR("route", refusal->route), LOG_STR("who", refusal->who.len > 0 ? refusal->who : STR("anonymous")),
             LOG_STR("trace", refusal->trace_id), LOG_INT("left_out", sort->left_out));
    sort->left_out = 0;
}
