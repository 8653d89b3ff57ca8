/* conditions_fuzz.c: libFuzzer on fields that say under which condition, for which page and in which trace
 * something is asked, and on the settings of origins and limits.
 *
 * The first byte chooses which. Beyond what the sanitizers see, each is held against a second reading of its
 * standard: what a client knows (RFC 9110, 13.1.2), which pages may read (WHATWG Fetch), a trace (W3C Trace
 * Context); and a limit lets through exactly what its text says.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/text.h"
#include "core/gateway/cors.h"
#include "core/gateway/limits.h"
#include "core/gateway/request.h"
#include "core/gateway/trace.h"

enum { INPUT_MAX_BYTES = 4096, ARENA_MAX_BYTES = 1 << 20, BURST_TRIED_MAX = 200 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "conditions_fuzz: %s\n", what);
        abort();
    }
}

static const char *cstr_of(struct arena *arena, struct str text) {
    char *copy = arena_alloc(arena, text.len + 1);
    if (text.len > 0) {
        memcpy(copy, text.data, text.len);
    }
    return copy;
}

/* ---- If-None-Match ----------------------------------------------------------------------------------------------- */

static void skip_space(struct str *rest) {
    while (rest->len > 0 && (rest->data[0] == ' ' || rest->data[0] == '\t')) {
        *rest = str_from(*rest, 1);
    }
}

/* `#entity-tag` (RFC 9110, 5.6.1 and 8.8.3). False: it is no such list. */
static bool read_tags(struct str rest, struct str wanted, bool *ret_has) {
    *ret_has = false;
    for (;;) {
        skip_space(&rest);
        bool is_weak = str_starts_with(rest, STR("W/"));
        rest = str_from(rest, is_weak ? 2 : 0);
        if (rest.len > 0 && rest.data[0] == '"') {
            uint32_t end = 1 + str_find(str_from(rest, 1), '"');
            if (end >= rest.len) {
                return false;
            }
            for (uint32_t i = 1; i < end; i++) {
                if ((uint8_t)rest.data[i] <= ' ' || rest.data[i] == 0x7f) {
                    return false;
                }
            }
            *ret_has = *ret_has || str_equal(str_first(rest, end + 1), wanted);
            rest = str_from(rest, end + 1);
        } else if (is_weak) {
            return false;
        }
        skip_space(&rest);
        if (rest.len == 0) {
            return true;
        }
        if (rest.data[0] != ',') {
            return false;
        }
        rest = str_from(rest, 1);
    }
}

static void fuzz_if_none_match(struct http_exchange *exchange, struct str text) {
    struct http_field field = {STR("If-None-Match"), text};
    exchange->fields = &field;
    exchange->field_count = 1;
    struct request request = {.exchange = exchange};
    struct str etag = STR("\"3\"");
    bool has = false, knows = request_knows(&request, etag), is_list = read_tags(text, etag, &has);
    if (is_list) {
        require(knows == has, "a client knows what its list names");
    } else if (str_equal(text, STR("*"))) {
        require(knows, "who has anything knows what is there");
    } else {
        require(!knows || memmem(text.data, text.len, etag.data, etag.len) != NULL,
                "nobody knows what he does not name");
    }
}

/* ---- origins ----------------------------------------------------------------------------------------------------- */

/* The setting, and behind a line's end the field. */
static void fuzz_origin(struct http_exchange *exchange, struct str text) {
    struct str setting = str_first(text, str_find(text, '\n')), origin = str_from(text, setting.len + 1);
    struct cors_origins origins;
    struct err_info info = {0};
    const char *words = cstr_of(&exchange->arena, setting);
    if (cors_read(words, &origins, &info) != ERR_NONE) {
        require(info.code == ERR_CONFIG && info.text[0] != '\0', "a refusal says why");
        return;
    }
    struct http_field field = {STR("Origin"), origin};
    bool is_listed = false;
    for (size_t i = 0; i < origins.count; i++) {
        require(cors_is_origin(origins.items[i]) &&
                    !cors_is_origin(arena_join(&exchange->arena, origins.items[i], STR("/"))),
                "an origin ends with its port");
        is_listed = is_listed || str_equal(origins.items[i], origin);
    }
    exchange->fields = &field;
    exchange->field_count = 1;
    cors_answer(&origins, exchange);
    cors_answer_preflight(&origins, exchange, STR("GET"));
    bool is_told = false;
    for (size_t i = 0; i < exchange->answer_field_count; i++) {
        const struct http_field *told = &exchange->answer_fields[i];
        if (http_name_equal(told->name, "access-control-allow-origin")) {
            require(str_equal(told->value, origin), "an origin is told of itself alone");
            is_told = true;
        }
    }
    require(is_told == is_listed, "who is listed may read, and nobody else");
    require((exchange->answer_field_count > 0) == (origins.count > 0), "with a list each answer varies");
}

/* ---- traces ------------------------------------------------------------------------------------------------------ */

static void fuzz_trace(struct arena *arena, struct str text) {
    struct str trace, again;
    if (!trace_read(text, &trace)) {
        return;
    }
    uint8_t bytes[TRACE_ID_LEN / 2] = {0};
    uint8_t all = 0;
    require(trace.len == TRACE_ID_LEN && hex_read(trace, bytes, sizeof bytes), "a trace has 32 digits");
    for (size_t i = 0; i < sizeof bytes; i++) {
        all |= bytes[i];
    }
    require(all != 0, "which are not all zero");
    require(trace_read(trace_parent(arena, trace), &again) && str_equal(again, trace), "and goes on under its name");
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

static void fuzz_limits(struct arena *arena, struct str text) {
    struct limits *limits = NULL;
    struct err_info info = {0};
    const char *setting = cstr_of(arena, text);
    if (limits_open(setting, &limits, &info) != ERR_NONE) {
        require(info.code == ERR_CONFIG && info.text[0] != '\0', "a refusal says why");
        return;
    }
    static const uint8_t client[ADDRESS_BYTES] = {1};
    for (int class = LIMIT_NONE + 1; limits != NULL && class < LIMIT_CLASSES; class ++) {
        int64_t burst = 0, passed = 0;
        enum limit_class limit = (enum limit_class) class;
        if (!limits_look(limits, limit, client, 0).is_limited) {
            continue;
        }
        struct str policy = limits_policy(limits, limit);
        const char *quota = memmem(policy.data, policy.len, ";q=", 3);
        require(quota != NULL, "a policy has a quota");
        struct str rest = str_from(policy, (uint32_t)(quota - policy.data) + 3);
        require(int64_read(str_first(rest, str_find(rest, ';')), &burst) && burst >= 1, "which is a number");
        for (int i = 0; i < BURST_TRIED_MAX; i++) {
            struct limit_answer answer = limits_take(limits, limit, client, 0);
            passed += answer.passes;
            require(answer.remaining >= 0 && answer.reset_s >= 0 && (answer.passes || answer.retry_after_s >= 1),
                    "what is left is not negative");
            (void)limits_state(arena, limit, &answer);
        }
        require(passed == (burst < BURST_TRIED_MAX ? burst : BURST_TRIED_MAX), "a burst is what it says");
    }
    limits_close(limits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size > INPUT_MAX_BYTES) {
        return 0;
    }
    struct http_exchange exchange = {0};
    arena_init(&exchange.arena, ARENA_MAX_BYTES);
    struct str text = str_of((const char *)data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        fuzz_if_none_match(&exchange, text);
        break;
    case 1:
        fuzz_origin(&exchange, text);
        break;
    case 2:
        fuzz_trace(&exchange.arena, text);
        break;
    default:
        fuzz_limits(&exchange.arena, text);
        break;
    }
    arena_release(&exchange.arena);
    return 0;
}
