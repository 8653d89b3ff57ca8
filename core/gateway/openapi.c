#include "core/gateway/openapi.h"

#include <assert.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/embed.h"
#include "core/base/json_write.h"
#include "core/gateway/authentication.h"
#include "core/gateway/customers_admin.h"
#include "core/gateway/docs.h"
#include "core/gateway/export_person.h"
#include "core/gateway/health.h"
#include "core/gateway/openapi_parameters.h"
#include "core/gateway/openapi_problems.h"
#include "core/gateway/outcome_query.h"
#include "core/gateway/prepared.h"
#include "core/gateway/registry.h"
#include "core/gateway/request.h"
#include "core/gateway/router.h"
#include "core/gateway/sessions.h"
#include "core/gateway/webhook.h"
#include "gen/codec.h"

enum { DOCUMENT_MAX_BYTES = 4 * 1024 * 1024, WORDS_MAX = 128 };

static bool is(const char *text, const char *expected) {
    return strcmp(text, expected) == 0;
}

/* ---- schemas ------------------------------------------------------------------------------------------------------
 */

/* Bodies and what they hold come from the generator; each document's schema stands beside its renderer. */
EMBED_TEXT(openapi_generated, "gen/openapi_schemas.json");
EMBED_TEXT(openapi_common, "core/gateway/openapi_common.json");
EMBED_TEXT(openapi_headers, "core/gateway/openapi_headers.json");
EMBED_TEXT(openapi_examples, "core/gateway/openapi_examples.json");
EMBED_TEXT(openapi_conventions, "docs/http.md");
EMBED_TEXT(openapi_products, "projections/products/document.json");
EMBED_TEXT(openapi_stock, "projections/stock/document.json");
EMBED_TEXT(openapi_carts, "projections/carts/document.json");
EMBED_TEXT(openapi_orders, "projections/orders/document.json");
EMBED_TEXT(openapi_payments, "projections/payments/document.json");
EMBED_TEXT(openapi_customers, "projections/customers/document.json");
EMBED_TEXT(openapi_keys, "projections/keys/document.json");
EMBED_TEXT(openapi_sales, "projections/sales/document.json");
EMBED_TEXT(openapi_categories, "projections/categories/document.json");

static const char *const schema_files[] = {openapi_generated, openapi_common, openapi_products,  openapi_stock,
                                           openapi_carts,     openapi_orders, openapi_payments,  openapi_customers,
                                           openapi_keys,      openapi_sales,  openapi_categories};

/* Whether anything that was written until now refers to it. */
static bool is_referred_to(const struct buf *out, const char *schema) {
    char reference[128];
    int len = snprintf(reference, sizeof reference, "\"#/components/schemas/%s\"", schema);
    assert(len > 0 && (size_t)len < sizeof reference);
    return memmem(out->data, out->len, reference, (size_t)len) != NULL;
}

/* Those alone that something leads to, once the rest of the document stands: commands from inside are nobody's
 * to send, and what only they are made of is nobody's to know. What is written refers to others in turn. */
static void write_schemas(struct json_writer *writer) {
    json_auto_t *left = json_object();
    for (size_t i = 0; i < ARRAY_LENGTH(schema_files); i++) {
        json_auto_t *of_file = json_loads(schema_files[i], JSON_REJECT_DUPLICATES, NULL);
        assert(of_file != NULL);
        size_t count = json_object_size(left) + json_object_size(of_file);
        int failed = json_object_update(left, of_file);
        assert(failed == 0);
        assert(json_object_size(left) == count && "no name is given to two schemas");
    }
    bool is_more = true;
    while (is_more) {
        is_more = false;
        const char *name;
        void *next;
        json_t *schema;
        json_object_foreach_safe(left, next, name, schema) {
            if (is_referred_to(writer->out, name)) {
                char *text = json_dumps(schema, JSON_COMPACT);
                assert(text != NULL);
                json_field_raw(writer, name, text);
                free(text);
                (void)json_object_del(left, name);
                is_more = true;
            }
        }
    }
}

/* ---- answers ------------------------------------------------------------------------------------------------------
 */

static void write_header_ref(struct json_writer *writer, const char *name) {
    char text[64];
    (void)snprintf(text, sizeof text, "{\"$ref\":\"#/components/headers/%s\"}", name);
    json_field_raw(writer, name, text);
}

/* Whether its answers say how long they may be kept; most of those that may be kept leave it open. */
static bool has_cache_control(const struct route *route) {
    return !route_may_be_kept(route) || route->answer == jwks_document || route->answer == docs_renderer;
}

static void write_header_refs(struct json_writer *writer, const struct route *route, const char *const *names) {
    json_field_object(writer, "headers");
    for (; *names != NULL; names++) {
        write_header_ref(writer, *names);
    }
    if (has_cache_control(route) && !route->is_stream) {
        write_header_ref(writer, "Cache-Control");
    }
    if (route->limit != LIMIT_NONE) {
        write_header_ref(writer, "RateLimit-Policy");
        write_header_ref(writer, "RateLimit");
    }
    json_object_end(writer);
}

static void write_schema_ref(struct json_writer *writer, const char *schema) {
    json_field_object(writer, "schema");
    json_name(writer, STR("$ref"));
    buf_printf(writer->out, "\"#/components/schemas/%s\"", schema);
    json_object_end(writer);
}

static void write_answer(struct json_writer *writer, const struct route *route, int status, const char *description,
                         const char *const *headers, const char *media_type, const char *schema) {
    char name[8];
    (void)snprintf(name, sizeof name, "%d", status);
    json_field_object(writer, name);
    json_field_cstr(writer, "description", description);
    write_header_refs(writer, route, headers);
    json_field_object(writer, "content");
    json_field_object(writer, media_type);
    write_schema_ref(writer, schema);
    json_object_end(writer);
    json_object_end(writer);
    json_object_end(writer);
}

/* OpenAPI 3.1 has no word for a sequence of texts that hold JSON. */
static void write_event_stream(struct json_writer *writer, const struct route *route) {
    static const char *const headers[] = {"Cache-Control", "traceparent", NULL};
    json_field_object(writer, "200");
    json_field_cstr(writer, "description",
                    "Server-Sent Events: an event for each version that is seen, its id the version, its data the "
                    "document (x-event-data). Comes again after `retry`.");
    write_header_refs(writer, route, headers);
    json_field_object(writer, "content");
    json_field_object(writer, "text/event-stream");
    json_field_object(writer, "schema");
    json_field_cstr(writer, "type", "string");
    json_field_object(writer, "x-event-data");
    json_name(writer, STR("$ref"));
    buf_printf(writer->out, "\"#/components/schemas/%s\"", route->answer_schema);
    json_object_end(writer);
    json_object_end(writer);
    json_object_end(writer);
    json_object_end(writer);
    json_object_end(writer);
}

/* What tells nothing of a command's id, nor where it can be asked for. */
static void write_discreet(struct json_writer *writer, const struct route *route) {
    static const char *const tokens[] = {"Daybook-Position", "Idempotent-Replayed", "Set-Cookie", "traceparent", NULL};
    static const char *const standing[] = {"Daybook-Position", "ETag", "Idempotent-Replayed", "traceparent", NULL};
    static const char *const asked[] = {"traceparent", NULL};
    static const char *const pending[] = {"Retry-After", "traceparent", NULL};
    if (route->status == 202) {
        write_answer(writer, route, 202, "Asked for.", asked, "application/json", route->answer_schema);
        return;
    }
    write_answer(writer, route, route->status, route->status == 201 ? "Created." : "Done.",
                 route->command_type == COMMAND_VERIFY_CUSTOMER ? standing : tokens, "application/json",
                 route->answer_schema);
    write_answer(writer, route, 202, "Not decided yet; send it again.", pending, "application/json", "PendingProof");
}

static bool is_discreet(const struct route *route) {
    const struct prepared_command *prepared = route->command_type == 0 ? NULL : prepared_command_of(route);
    return prepared != NULL && prepared->is_discreet;
}

static bool is_export(const struct route *route) {
    return route->answer == query_my_export || route->answer == query_customer_export;
}

static void write_accepted(struct json_writer *writer, const struct route *route) {
    static const char *const none[] = {NULL};
    static const char *const document[] = {"ETag", "traceparent", NULL};
    static const char *const file[] = {"Content-Disposition", "traceparent", NULL};
    static const char *const outcome[] = {"ETag", "Daybook-Position", "Content-Location", "traceparent", NULL};
    static const char *const changed[] = {
        "ETag", "Daybook-Position", "Idempotent-Replayed", "Preference-Applied", "traceparent", NULL};
    static const char *const created[] = {
        "Location", "ETag", "Daybook-Position", "Idempotent-Replayed", "Preference-Applied", "traceparent", NULL};
    static const char *const pending[] = {"Location", "Retry-After", "Preference-Applied", "traceparent", NULL};
    const char *media_type = route->answer_media == NULL ? "application/json" : route->answer_media;
    bool is_command = route->command_type != 0;
    bool is_outcome = route->answer == query_command;
    if (route->is_stream) {
        write_event_stream(writer, route);
        return;
    }
    if (is_discreet(route)) {
        write_discreet(writer, route);
        return;
    }
    if (is_command) {
        write_answer(writer, route, route->status, route->status == 201 ? "Created." : "Done.",
                     route->status == 201 ? created : changed, media_type, route->answer_schema);
    } else {
        write_answer(writer, route, 200, "Here it is.",
                     is_outcome                ? outcome
                     : is_export(route)        ? file
                     : openapi_has_etag(route) ? document
                                               : none,
                     media_type, route->answer_schema);
    }
    if (is_command || is_outcome || route->answer == webhook_received) {
        write_answer(writer, route, 202, "Not decided yet; ask at Location.", pending, media_type, "PendingCommand");
    }
    if (!is_command && openapi_has_etag(route)) {
        json_field_raw(writer, "304", "{\"description\":\"It is still the one that If-None-Match names.\"}");
    }
}

/* ---- problems -----------------------------------------------------------------------------------------------------
 */

static bool is_registry(const struct route *route) {
    return route->answer_media != NULL && strcmp(route->answer_media, REGISTRY_TYPE) == 0;
}

static bool has_parameter(const struct route *route) {
    return strchr(route->pattern, '{') != NULL;
}

static bool is_query_with_body(const struct route *route) {
    return route->answer == webhook_received || route->answer == query_customer_lookup;
}

/* With what statuses of problem_codes.def and rejection.def a request to the route may be refused. */
static bool may_answer(const struct route *route, int status) {
    bool is_command = route->command_type != 0;
    bool is_outcome = route->answer == query_command || route->answer == webhook_received;
    switch (status) {
    case 400:
    case 503:
        return true;
    case 401: /* whoever says who he is, and is not, is refused everywhere */
    case 403:
        return !route_is_for_everybody(route) || route->limit != LIMIT_NONE || is_outcome;
    case 429:
        return route->limit != LIMIT_NONE || route->answer == webhook_received;
    case 404:
        return !is_registry(route) && (is_command || has_parameter(route) || route->answer == docs_renderer);
    case 413:
        return is_command || is_query_with_body(route);
    case 415:
        return is_command || route->answer == query_customer_lookup;
    case 422:
        return !is_registry(route) && (is_command || (has_parameter(route) && route->query != NULL) || is_outcome);
    default: /* 405 is of paths that have no such route */
        return status != 405 && (is_command || is_outcome);
    }
}

/* Whose refusals a route tells: those of the command's aggregate, and of a purchase when its end is waited for; of a
 * query what the path names; of a command that is asked for, anybody's. */
static const char *words_of(const struct route *route, char ret_words[WORDS_MAX]) {
    static const char *const aggregates[] = {
#define COMMAND(name, text, aggregate, answered) [COMMAND_##name] = #aggregate,
#include "core/domain/commands.def"
#undef COMMAND
    };
    if (route->answer == query_command) {
        return NULL;
    }
    if (route->command_type != 0) {
        bool is_purchase =
            route->command_type == COMMAND_CHECK_OUT_CART || route->command_type == COMMAND_RETRY_ORDER_PAYMENT;
        (void)snprintf(ret_words, WORDS_MAX, " %s %s ", aggregates[route->command_type], is_purchase ? "checkout" : "");
        return ret_words;
    }
    (void)snprintf(ret_words, WORDS_MAX, "%s %s", route->pattern, route->answer == webhook_received ? "payment " : "");
    for (char *at = ret_words; *at != '\0'; at++) {
        *at = *at == '/' || *at == '{' || *at == '}' ? ' ' : *at;
    }
    return ret_words;
}

static void write_problems(struct json_writer *writer, const struct route *route) {
    char text[WORDS_MAX];
    const char *words = words_of(route, text);
    for (int status = 400; status < 600; status++) {
        if (may_answer(route, status) && !(status == 503 && route->answer == health_ready)) {
            openapi_problem_write(writer, status, words);
        }
    }
    json_field_raw(writer, "default", "{\"$ref\":\"#/components/responses/ServerProblem\"}");
}

static void write_answers(struct json_writer *writer, const struct route *route) {
    static const char *const none[] = {NULL};
    json_field_object(writer, "responses");
    write_accepted(writer, route);
    if (is_registry(route) && has_parameter(route)) {
        write_answer(writer, route, 404, "There is no such schema, subject or version.", none, REGISTRY_TYPE,
                     "RegistryError");
    }
    if (route->answer == registry_version) {
        write_answer(writer, route, 422, "This is no version.", none, REGISTRY_TYPE, "RegistryError");
    }
    if (route->answer == health_ready) {
        write_answer(writer, route, 503, "Not ready.", none, "application/json", route->answer_schema);
    }
    write_problems(writer, route);
    json_object_end(writer);
}

/* ---- paths --------------------------------------------------------------------------------------------------------
 */

/* The first tag whose paths begin so. */
static const struct tag {
    const char *begin, *name, *meaning;
} tags[] = {
    {"/v1/products", "Catalogue", "Products, their variants and prices."},
    {"/v1/variants", "Catalogue", NULL},
    {"/v1/barcodes", "Catalogue", NULL},
    {"/v1/stock", "Stock", "What there is, where, and every change of it."},
    {"/v1/carts", "Carts", "What a shopper wants, until it is checked out."},
    {"/v1/orders", "Orders", "Checkouts, and what came of them."},
    {"/v1/payments", "Payments", "Money: captured, voided, given back."},
    {"/v1/webhooks", "Payments", NULL},
    {"/v1/customers", "People", "Who buys, and who works here: registering, and proving to be somebody."},
    {"/v1/sessions", "People", NULL},
    {"/v1/me", "People", NULL},
    {"/v1/api-keys", "API keys", "With which services come in."},
    {"/v1/commands", "Commands", "What became of a request that was answered 202."},
    {"/registry", "Schema registry", "The read API of a Confluent Schema Registry."},
    {"/", "Operation", "Documents, health and figures."},
};

static const char *tag_of(const struct route *route) {
    size_t i = 0;
    while (strncmp(route->pattern, tags[i].begin, strlen(tags[i].begin)) != 0) {
        i++; /* the last one is of all */
    }
    return tags[i].name;
}

static void write_tags(struct json_writer *writer) {
    json_field_array(writer, "tags");
    for (size_t i = 0; i < ARRAY_LENGTH(tags); i++) {
        if (tags[i].meaning != NULL) {
            json_object_begin(writer);
            json_field_cstr(writer, "name", tags[i].name);
            json_field_cstr(writer, "description", tags[i].meaning);
            json_object_end(writer);
        }
    }
    json_array_end(writer);
}

static void write_body(struct json_writer *writer, const char *schema, bool is_required_, const char *example) {
    json_field_object(writer, "requestBody");
    json_field_bool(writer, "required", is_required_);
    json_field_object(writer, "content");
    json_field_object(writer, "application/json");
    write_schema_ref(writer, schema);
    if (example != NULL) {
        json_field_raw(writer, "example", example);
    }
    json_object_end(writer);
    json_object_end(writer);
    json_object_end(writer);
}

/* The house, which names whom, erases without the password that is all the command's body. */
static bool takes_no_body(const struct route *route) {
    return route->command_type == COMMAND_ERASE_CUSTOMER && route->stream_parameter != NULL;
}

/* A body without required fields may be left out. */
static void write_command_body(struct json_writer *writer, const struct route *route) {
    if (takes_no_body(route)) {
        return;
    }
    const char *name = command_name(route->command_type);
    json_auto_t *bodies = json_loads(openapi_generated, 0, NULL);
    json_auto_t *examples = json_loads(openapi_examples, JSON_REJECT_DUPLICATES, NULL);
    assert(bodies != NULL && examples != NULL);
    json_t *example = json_object_get(examples, name);
    char *text = example == NULL ? NULL : json_dumps(example, JSON_COMPACT);
    write_body(writer, name, json_object_get(json_object_get(bodies, name), "required") != NULL, text);
    free(text);
}

static struct str method_in_lower_case(const struct route *route, char ret_text[16]) {
    size_t len = 0;
    for (; len < 15 && route->method_name[len] != '\0'; len++) {
        ret_text[len] = (char)(route->method_name[len] - 'A' + 'a');
    }
    return str_of(ret_text, len);
}

const char *openapi_meaning(const struct route *route, char ret_text[OPENAPI_MEANING_MAX]) {
    if (route->command_type == 0) {
        return route->meaning;
    }
    json_auto_t *record = json_loads(schema_by_id(command_schema_id(route->command_type))->json, 0, NULL);
    (void)snprintf(ret_text, OPENAPI_MEANING_MAX, "%s", json_string_value(json_object_get(record, "doc")));
    return ret_text;
}

static void write_operation(struct json_writer *writer, const struct route *route) {
    char method[16];
    json_name(writer, method_in_lower_case(route, method));
    json_object_begin(writer);
    bool is_command = route->command_type != 0;
    json_field_cstr(writer, "operationId",
                    route->operation != NULL ? route->operation : command_name(route->command_type));
    json_field_array(writer, "tags");
    json_text(writer, str_of_cstr(tag_of(route)));
    json_array_end(writer);
    char meaning[OPENAPI_MEANING_MAX];
    json_field_cstr(writer, "summary", openapi_meaning(route, meaning));
    json_field_cstr(writer, "x-access", route->may);
    openapi_parameters_write(writer, route);
    if (is_command) {
        write_command_body(writer, route);
    } else if (route->answer == webhook_received) {
        write_body(writer, "PaymentNotice", true, NULL);
    } else if (route->answer == query_customer_lookup) {
        write_body(writer, "CustomerLookup", true, "{\"email\":\"you@example.com\"}");
    }
    write_answers(writer, route);
    json_object_end(writer);
}

/* Routes of one path stand together in the document, wherever they stand in the table. */
static bool is_first_of_path(size_t row) {
    for (size_t i = 0; i < row; i++) {
        if (is(routes[i].pattern, routes[row].pattern)) {
            return false;
        }
    }
    return true;
}

static void write_paths(struct json_writer *writer) {
    json_field_object(writer, "paths");
    for (size_t row = 0; row < route_count; row++) {
        if (!is_first_of_path(row)) {
            continue;
        }
        json_field_object(writer, routes[row].pattern);
        for (size_t i = row; i < route_count; i++) {
            if (is(routes[i].pattern, routes[row].pattern)) {
                write_operation(writer, &routes[i]);
            }
        }
        json_object_end(writer);
    }
    json_object_end(writer);
}

void openapi_write(struct buf *out) {
    struct json_writer writer = json_writer_of(out);
    json_object_begin(&writer);
    json_field_cstr(&writer, "openapi", "3.1.0");
    json_field_object(&writer, "info");
    json_field_cstr(&writer, "title", "Daybook");
    json_field_cstr(&writer, "version", "1");
    json_field_cstr(&writer, "summary", "An event-sourced order and inventory system.");
    json_field_cstr(&writer, "description", openapi_conventions);
    json_object_end(&writer);
    /* Where the document was fetched; x-access says where nobody is asked who he is. */
    json_field_raw(&writer, "servers", "[{\"url\":\"/\"}]");
    json_field_raw(&writer, "security", "[{},{\"token\":[]},{\"cookie\":[]}]");
    write_tags(&writer);
    write_paths(&writer);
    json_field_object(&writer, "components");
    json_field_raw(
        &writer, "securitySchemes",
        "{\"token\":{\"type\":\"http\",\"scheme\":\"bearer\",\"description\":\"An access token of a session, or an API "
        "key.\"},\"cookie\":{\"type\":\"apiKey\",\"in\":\"cookie\",\"name\":\"" ACCESS_COOKIE
        "\",\"description\":\"The same token, as browsers keep it.\"}}");
    json_field_raw(&writer, "headers", openapi_headers);
    json_field_object(&writer, "responses");
    openapi_problem_responses_write(&writer);
    json_object_end(&writer);
    json_field_object(&writer, "schemas");
    openapi_problem_schema_write(&writer);
    write_schemas(&writer);
    json_object_end(&writer);
    json_object_end(&writer);
    json_object_end(&writer);
}

/* Made once, by the first loop that is asked: it follows from the program alone. */
static struct buf document;
static pthread_once_t document_once = PTHREAD_ONCE_INIT;

static void make_document(void) {
    buf_init(&document, DOCUMENT_MAX_BYTES);
    openapi_write(&document);
    assert(buf_ok(&document));
}

void openapi_document(struct request *request) {
    (void)pthread_once(&document_once, make_document);
    request_answer_json(request, 200, buf_text(&document));
}
