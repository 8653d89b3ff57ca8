#include "core/gateway/openapi.h"

#include <assert.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/embed.h"
#include "core/base/json_write.h"
#include "core/domain/rejection.h"
#include "core/gateway/health.h"
#include "core/gateway/openapi_parameters.h"
#include "core/gateway/outcome_query.h"
#include "core/gateway/request.h"
#include "core/gateway/router.h"
#include "gen/codec.h"

enum { DOCUMENT_MAX_BYTES = 4 * 1024 * 1024 };

static bool is(const char *text, const char *expected) {
    return strcmp(text, expected) == 0;
}

/* ---- schemas ------------------------------------------------------------------------------------------------------
 */

/* Bodies and what they hold come from the generator; each document's schema stands beside its renderer. */
EMBED_TEXT(openapi_generated, "build/gen/openapi_schemas.json");
EMBED_TEXT(openapi_common, "core/gateway/openapi_common.json");
EMBED_TEXT(openapi_products, "projections/products/document.json");
EMBED_TEXT(openapi_stock, "projections/stock/document.json");
EMBED_TEXT(openapi_carts, "projections/carts/document.json");
EMBED_TEXT(openapi_orders, "projections/orders/document.json");
EMBED_TEXT(openapi_payments, "projections/payments/document.json");

static const char *const schema_files[] = {openapi_generated, openapi_common, openapi_products, openapi_stock,
                                           openapi_carts,     openapi_orders, openapi_payments};

/* Commands that come from inside alone are nobody's to send. */
static bool is_internal_command(const char *name) {
    uint16_t type = command_type_by_name(str_of_cstr(name));
    bool is_routed = type == 0;
    for (size_t i = 0; i < route_count && !is_routed; i++) {
        is_routed = routes[i].command_type == type;
    }
    return !is_routed;
}

/* A file is one object with a schema a member. */
static void write_schemas_of(struct json_writer *writer, const char *file) {
    json_auto_t *file_schemas = json_loads(file, JSON_REJECT_DUPLICATES, NULL);
    assert(file_schemas != NULL);
    const char *name;
    json_t *schema;
    json_object_foreach(file_schemas, name, schema) {
        if (is_internal_command(name)) {
            continue;
        }
        char *text = json_dumps(schema, JSON_COMPACT);
        assert(text != NULL);
        json_name(writer, str_of_cstr(name));
        json_raw(writer, str_of_cstr(text));
        free(text);
    }
}

static const struct schema *schema_of_command(uint16_t type) {
    return schema_by_id(command_schema_id(type));
}

static json_t *record_of_command(uint16_t type) {
    json_t *record = json_loads(schema_of_command(type)->json, 0, NULL);
    assert(record != NULL);
    return record;
}

static void write_problem_schema(struct json_writer *writer) {
    json_field_object(writer, "Problem");
    json_field_cstr(writer, "type", "object");
    json_field_object(writer, "properties");
    json_name(writer, STR("code"));
    json_object_begin(writer);
    json_field_cstr(writer, "type", "string");
    json_name(writer, STR("examples"));
    json_array_begin(writer);
    for (enum rejection rejection = ACCEPTED + 1; rejection < REJECTION_COUNT; rejection++) {
        json_text(writer, str_of_cstr(rejection_info(rejection)->code));
    }
    json_array_end(writer);
    json_object_end(writer);
    json_name(writer, STR("status"));
    json_raw(writer, STR("{\"type\":\"integer\"}"));
    static const char *const texts[] = {"type", "title", "detail", "pointer", "trace_id"};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        json_name(writer, str_of_cstr(texts[i]));
        json_raw(writer, STR("{\"type\":\"string\"}"));
    }
    json_object_end(writer);
    json_name(writer, STR("required"));
    json_raw(writer, STR("[\"type\",\"title\",\"status\",\"code\"]"));
    json_object_end(writer);
}

/* ---- paths --------------------------------------------------------------------------------------------------------
 */

static void write_parameter(struct json_writer *writer, const char *in, struct str name, bool is_required_,
                            const char *schema) {
    json_object_begin(writer);
    json_field_string(writer, "name", name);
    json_field_cstr(writer, "in", in);
    json_field_bool(writer, "required", is_required_);
    json_name(writer, STR("schema"));
    json_raw(writer, str_of_cstr(schema));
    json_object_end(writer);
}

static void write_path_parameters(struct json_writer *writer, const struct route *route) {
    struct str rest = str_of_cstr(route->pattern);
    while (str_find(rest, '{') < rest.len) {
        rest = str_from(rest, str_find(rest, '{') + 1);
        struct str name = str_first(rest, str_find(rest, '}'));
        write_parameter(writer, "path", name, true, "{\"type\":\"string\"}");
    }
}

static void write_command_headers(struct json_writer *writer, const struct route *route) {
    write_parameter(writer, "header", STR("Idempotency-Key"), route->key_required,
                    "{\"type\":\"string\",\"minLength\":1,\"maxLength\":255,\"pattern\":\"^[!-~]+$\",\"description\":"
                    "\"Without a Daybook-Cart-Token it must have at least 22 characters.\"}");
    write_parameter(writer, "header", STR("Daybook-Cart-Token"), false,
                    "{\"type\":\"string\",\"minLength\":1,\"maxLength\":128,\"pattern\":\"^[!-~]+$\",\"description\":"
                    "\"The token of a cart makes its bearer a principal of his own.\"}");
    write_parameter(writer, "header", STR("Prefer"), false,
                    "{\"type\":\"string\",\"examples\":[\"respond-async\",\"wait=10\"],\"description\":"
                    "\"RFC 7240: how long the outcome is waited for, at most 60 s.\"}");
}

static void write_parameters(struct json_writer *writer, const struct route *route) {
    json_name(writer, STR("parameters"));
    json_array_begin(writer);
    write_path_parameters(writer, route);
    openapi_parameters_write(writer, route);
    if (route->command_type != 0) {
        write_command_headers(writer, route);
    }
    if (route->stream_parameter != NULL) {
        write_parameter(writer, "header", STR("If-Match"), false, "{\"type\":\"string\"}");
    }
    if (route->is_stream) {
        write_parameter(writer, "header", STR("Last-Event-ID"), false,
                        "{\"type\":\"string\",\"pattern\":\"^[1-9][0-9]*$\",\"description\":"
                        "\"The id of the last event that was received: nothing up to it is sent.\"}");
    }
    if (route->command_type != 0 || route->query != NULL) {
        write_parameter(writer, "header", STR("Daybook-Position"), false, "{\"type\":\"string\"}");
    }
    json_array_end(writer);
}

static void write_body(struct json_writer *writer, const struct route *route) {
    const struct schema *schema = schema_of_command(route->command_type);
    json_field_object(writer, "requestBody");
    json_field_object(writer, "content");
    json_field_object(writer, "application/json");
    json_field_object(writer, "schema");
    json_name(writer, STR("$ref"));
    buf_printf(writer->out, "\"#/components/schemas/%s\"", schema->name);
    json_object_end(writer);
    json_object_end(writer);
    json_object_end(writer);
    json_object_end(writer);
}

/* One of the components; NULL: the answer is described by its sentence alone. */
static void write_response(struct json_writer *writer, const char *status, const char *description,
                           const char *media_type, const char *schema) {
    json_field_object(writer, status);
    json_field_cstr(writer, "description", description);
    if (schema != NULL) {
        json_field_object(writer, "content");
        json_field_object(writer, media_type);
        json_field_object(writer, "schema");
        json_name(writer, STR("$ref"));
        buf_printf(writer->out, "\"#/components/schemas/%s\"", schema);
        json_object_end(writer);
        json_object_end(writer);
        json_object_end(writer);
    }
    json_object_end(writer);
}

/* OpenAPI has no word for a sequence of texts that hold JSON. */
static void write_event_stream(struct json_writer *writer, const struct route *route) {
    json_field_object(writer, "200");
    json_field_cstr(writer, "description",
                    "Server-Sent Events: an event for each version that is seen, its id the version, its data the "
                    "document (x-event-data). Comes again after `retry`.");
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

static void write_responses(struct json_writer *writer, const struct route *route) {
    json_field_object(writer, "responses");
    if (route->is_stream) {
        write_event_stream(writer, route);
    } else {
        write_response(writer, route->status == 201 ? "201" : "200", "Done.", "application/json", route->answer_schema);
    }
    if (route->command_type != 0 || route->answer == query_command) {
        write_response(writer, "202", "Not decided yet; ask at Location.", "application/json", "PendingCommand");
    }
    if (route->answer == health_ready) {
        write_response(writer, "503", "Not ready.", "application/json", route->answer_schema);
    }
    write_response(writer, "default", "A problem.", "application/problem+json", "Problem");
    json_object_end(writer);
}

static struct str method_in_lower_case(const struct route *route, char ret_text[16]) {
    size_t len = 0;
    for (; len < 15 && route->method_name[len] != '\0'; len++) {
        ret_text[len] = (char)(route->method_name[len] - 'A' + 'a');
    }
    return str_of(ret_text, len);
}

static void write_operation(struct json_writer *writer, const struct route *route) {
    char method[16];
    json_name(writer, method_in_lower_case(route, method));
    json_object_begin(writer);
    if (route->command_type != 0) {
        json_field_cstr(writer, "operationId", command_name(route->command_type));
    }
    json_field_cstr(writer, "x-roles", route->roles);
    write_parameters(writer, route);
    if (route->command_type != 0) {
        write_body(writer, route);
    }
    write_responses(writer, route);
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
    json_name(&writer, STR("info"));
    json_raw(&writer, STR("{\"title\":\"Daybook\",\"version\":\"1\",\"description\":\"An event-sourced order and "
                          "inventory system. The conventions are in docs/http.md.\"}"));
    write_paths(&writer);
    json_field_object(&writer, "components");
    json_field_object(&writer, "schemas");
    write_problem_schema(&writer);
    for (size_t i = 0; i < ARRAY_LENGTH(schema_files); i++) {
        write_schemas_of(&writer, schema_files[i]);
    }
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

/* ---- for people ----------------------------------------------------------------------------------------------------
 */

static void write_row(struct buf *out, const struct route *route) {
    buf_printf(out, "<tr><td>%s<td><code>%s</code><td>%s<td>", route->method_name, route->pattern, route->roles);
    if (route->command_type != 0) {
        json_auto_t *record = record_of_command(route->command_type);
        buf_printf(out, "%s%s", json_string_value(json_object_get(record, "doc")),
                   route->key_required ? " <b>Idempotency-Key required.</b>" : "");
    } else if (route->query != NULL && *route->query != '\0') {
        buf_printf(out, "<code>?%s</code>", route->query);
    }
    buf_str(out, STR("\n"));
}

void openapi_page(struct request *request) {
    struct buf page;
    buf_init(&page, DOCUMENT_MAX_BYTES);
    buf_str(&page,
            STR("<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Daybook</title>\n"
                "<style>body{font:16px/1.5 system-ui;margin:2rem auto;max-width:64rem;padding:0 1rem}"
                "td{padding:.2rem .8rem .2rem 0;vertical-align:top}</style>\n<h1>Daybook</h1>\n"
                "<p>Machines read <a href=\"/openapi.json\">/openapi.json</a>, "
                "and of the event streams <a href=\"/asyncapi.json\">/asyncapi.json</a>. Roles: P public, C customer, "
                "V vendor, A admin, S service key, U auditor.\n<table>\n"));
    for (size_t i = 0; i < route_count; i++) {
        write_row(&page, &routes[i]);
    }
    buf_str(&page, STR("</table>\n"));
    request_answer(request, 200, "text/html; charset=utf-8", buf_text(&page));
    buf_release(&page);
}
