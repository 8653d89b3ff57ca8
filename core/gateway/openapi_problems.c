#include "core/gateway/openapi_problems.h"

#include <stdio.h>
#include <string.h>

#include "core/domain/rejection.h"
#include "core/http/refusal.h"

struct problem_code {
    int status;
    const char *code;
    const char *of;
    const char *meaning;
};

enum { ANY_STATUS, CODES_MAX = 192 };

/* A code stands once for each status that it has; what a refusal of the server says of one case is not its meaning. */
static const struct problem_code codes[] = {
#define PROBLEM_CODE(status_, code_, of_, meaning_) {status_, code_, of_, meaning_},
#include "core/gateway/problem_codes.def"
#undef PROBLEM_CODE
#define REJECTION(name, code_, status_, of_, text_) {status_, code_, of_, text_},
#include "core/domain/rejection.def"
#undef REJECTION
};

static const int rejection_statuses[] = {
#define REJECTION(name, code_, status_, of_, text_) status_,
#include "core/domain/rejection.def"
#undef REJECTION
};

static const struct problem_code server_codes[] = {
#define SERVER_CODE(name, status_, code_, detail_) {status_, code_, "", detail_},
    HTTP_REFUSAL_TABLE(SERVER_CODE)
#undef SERVER_CODE
};
_Static_assert(ARRAY_LENGTH(codes) + ARRAY_LENGTH(server_codes) <= CODES_MAX, "CODES_MAX is too small");

struct code_list {
    const struct problem_code *items[CODES_MAX];
    size_t count;
};

/* Whether one of the words is among those that the code is of. */
static bool is_of(const struct problem_code *code, const char *words) {
    if (words == NULL || code->of[0] == '\0') {
        return true;
    }
    for (struct str rest = str_of_cstr(code->of); !str_is_empty(rest);) {
        struct str one = str_first(rest, str_find(rest, ' '));
        rest = str_from(rest, one.len + 1);
        char word[64];
        (void)snprintf(word, sizeof word, " %.*s ", STR_ARGS(one));
        if (strstr(words, word) != NULL) {
            return true;
        }
    }
    return false;
}

static bool has_code(const struct code_list *list, const char *code) {
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i]->code, code) == 0) {
            return true;
        }
    }
    return false;
}

/* Of one status, or of any; a code that is there already is passed over. */
static void add_codes(struct code_list *list, const struct problem_code *from, size_t count, int status,
                      const char *words) {
    for (size_t i = 0; i < count; i++) {
        bool is_wanted = (status == ANY_STATUS || from[i].status == status) && is_of(&from[i], words);
        if (is_wanted && !has_code(list, from[i].code)) {
            list->items[list->count++] = &from[i];
        }
    }
}

static void write_enum(struct json_writer *writer, const struct code_list *list) {
    json_field_array(writer, "enum");
    for (size_t i = 0; i < list->count; i++) {
        json_text(writer, str_of_cstr(list->items[i]->code));
    }
    json_array_end(writer);
}

/* ---- the schema -------------------------------------------------------------------------------------------------- */

static void write_member(struct json_writer *writer, const char *name, const char *schema) {
    json_field_raw(writer, name, schema);
}

void openapi_problem_schema_write(struct json_writer *writer) {
    struct code_list list = {0};
    add_codes(&list, codes, ARRAY_LENGTH(codes), ANY_STATUS, NULL);
    add_codes(&list, server_codes, ARRAY_LENGTH(server_codes), ANY_STATUS, NULL);
    json_field_object(writer, "Problem");
    json_field_cstr(writer, "type", "object");
    json_field_cstr(writer, "description", "Why a request was refused (RFC 9457). Switch on `code`.");
    json_field_object(writer, "properties");
    json_field_object(writer, "code");
    json_field_cstr(writer, "type", "string");
    json_field_cstr(writer, "description", "Stable, for programs.");
    write_enum(writer, &list);
    /* As Redoc and others show the meaning of an enum's words. */
    json_field_object(writer, "x-enumDescriptions");
    for (size_t i = 0; i < list.count; i++) {
        json_field_cstr(writer, list.items[i]->code, list.items[i]->meaning);
    }
    json_object_end(writer);
    json_object_end(writer);
    write_member(writer, "status", "{\"type\":\"integer\",\"description\":\"The answer's status.\"}");
    write_member(writer, "type", "{\"type\":\"string\",\"description\":\"urn:daybook:problem: and the code.\"}");
    write_member(writer, "title", "{\"type\":\"string\",\"description\":\"The status in words.\"}");
    write_member(writer, "detail",
                 "{\"type\":\"string\",\"description\":\"A sentence for the developer who called.\"}");
    write_member(writer, "pointer",
                 "{\"type\":\"string\",\"description\":\"Which field of the body is meant (RFC 6901).\"}");
    write_member(
        writer, "trace_id",
        "{\"type\":\"string\",\"pattern\":\"^[0-9a-f]{32}$\",\"description\":\"Finds the request in logs and in "
        "the headers of its events.\"}");
    write_member(writer, "parameter",
                 "{\"type\":\"string\",\"description\":\"invalid_parameter, unknown_parameter: its name.\"}");
    write_member(writer, "skus",
                 "{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"description\":\"What the refusal is about; "
                 "out_of_stock: what is missing.\"}");
    write_member(writer, "order",
                 "{\"type\":\"string\",\"description\":\"payment_declined: the order that waits for another payment. "
                 "out_of_stock: the one that was rejected.\"}");
    json_object_end(writer);
    json_field_raw(writer, "required", "[\"type\",\"title\",\"status\",\"code\"]");
    json_object_end(writer);
}

/* ---- the answers ------------------------------------------------------------------------------------------------- */

static void write_list(struct json_writer *writer, const char *title, const struct code_list *list) {
    struct buf text;
    buf_init(&text, 64 * 1024);
    buf_printf(&text, "%s\n", title);
    for (size_t i = 0; i < list->count; i++) {
        buf_printf(&text, "\n- `%s`: %s", list->items[i]->code, list->items[i]->meaning);
    }
    json_field_string(writer, "description", buf_text(&text));
    buf_release(&text);
}

static void write_code_schema(struct json_writer *writer, const struct code_list *list, int status) {
    json_field_array(writer, "allOf");
    json_raw(writer, STR("{\"$ref\":\"#/components/schemas/Problem\"}"));
    json_object_begin(writer);
    json_field_object(writer, "properties");
    if (status != ANY_STATUS) {
        json_field_object(writer, "status");
        json_field_int(writer, "const", status);
        json_object_end(writer);
    }
    json_field_object(writer, "code");
    write_enum(writer, list);
    json_object_end(writer);
    json_object_end(writer);
    json_object_end(writer);
    json_array_end(writer);
}

/* A refusal that was decided is an outcome, and told like one. */
static bool is_decided(int status) {
    for (size_t i = 0; i < ARRAY_LENGTH(rejection_statuses); i++) {
        if (rejection_statuses[i] == status) {
            return true;
        }
    }
    return false;
}

static void write_header(struct json_writer *writer, const char *name) {
    char text[64];
    (void)snprintf(text, sizeof text, "{\"$ref\":\"#/components/headers/%s\"}", name);
    json_field_raw(writer, name, text);
}

static void write_headers(struct json_writer *writer, int status) {
    json_field_object(writer, "headers");
    if (status != ANY_STATUS) {
        write_header(writer, "traceparent");
    }
    if (status == 429 || status == 503) {
        write_header(writer, "Retry-After");
    }
    if (status == 401) {
        write_header(writer, "WWW-Authenticate");
        write_header(writer, "Set-Cookie"); /* by a cookie that is good for nothing */
    }
    if (status != ANY_STATUS) {
        write_header(writer, "Cache-Control");
        write_header(writer, "RateLimit-Policy");
        write_header(writer, "RateLimit");
    }
    if (is_decided(status)) {
        write_header(writer, "Daybook-Position");
        write_header(writer, "Idempotent-Replayed");
        write_header(writer, "Preference-Applied");
    }
    json_object_end(writer);
}

static void write_answer(struct json_writer *writer, const char *name, const char *title, const struct code_list *list,
                         int status) {
    json_field_object(writer, name);
    write_list(writer, title, list);
    write_headers(writer, status);
    json_field_object(writer, "content");
    json_field_object(writer, "application/problem+json");
    json_field_object(writer, "schema");
    write_code_schema(writer, list, status);
    json_object_end(writer);
    json_object_end(writer);
    json_object_end(writer);
    json_object_end(writer);
}

static const char *title_of(int status) {
    switch (status) {
    case 400:
        return "The request is malformed.";
    case 401:
        return "It is not proved who asks, or a webhook is not genuine.";
    case 402:
        return "The payment was declined.";
    case 403:
        return "It is for others, or who asks may not.";
    case 404:
        return "There is no such thing.";
    case 409:
        return "It cannot be done as things stand.";
    case 410:
        return "It is too late.";
    case 412:
        return "If-Match was not met.";
    case 413:
        return "The request is too large.";
    case 415:
        return "The body is of another media type.";
    case 422:
        return "The request is well-formed, and cannot be meant.";
    case 429:
        return "Too much was asked at once; send it again after Retry-After.";
    case 503:
        return "Nothing was done; send it again after Retry-After.";
    default:
        return "A problem.";
    }
}

static void collect(struct code_list *list, int status, const char *words) {
    add_codes(list, codes, ARRAY_LENGTH(codes), status, words);
    if (list->count > 0) {
        add_codes(list, server_codes, ARRAY_LENGTH(server_codes), status, NULL);
    }
}

/* Whether all who answer with this status have the same codes. */
static bool is_alike(int status) {
    bool is_of_all = false;
    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++) {
        if (codes[i].status == status) {
            if (codes[i].of[0] != '\0') {
                return false;
            }
            is_of_all = true;
        }
    }
    return is_of_all;
}

void openapi_problem_responses_write(struct json_writer *writer) {
    for (int status = 400; status < 600; status++) {
        if (is_alike(status) && status != 405) { /* which is of paths that have no such route: no route refers to it */
            struct code_list list = {0};
            char name[32];
            collect(&list, status, NULL);
            (void)snprintf(name, sizeof name, "Problem%d", status);
            write_answer(writer, name, title_of(status), &list, status);
        }
    }
    struct code_list list = {0};
    add_codes(&list, server_codes, ARRAY_LENGTH(server_codes), ANY_STATUS, NULL);
    write_answer(writer, "ServerProblem",
                 "What the server refuses before it knows what is asked for. It closes the connection.", &list,
                 ANY_STATUS);
}

void openapi_problem_write(struct json_writer *writer, int status, const char *words) {
    char name[8];
    (void)snprintf(name, sizeof name, "%d", status);
    if (is_alike(status)) {
        char text[64];
        (void)snprintf(text, sizeof text, "{\"$ref\":\"#/components/responses/Problem%d\"}", status);
        json_field_raw(writer, name, text);
        return;
    }
    struct code_list list = {0};
    collect(&list, status, words);
    if (list.count > 0) {
        write_answer(writer, name, title_of(status), &list, status);
    }
}
