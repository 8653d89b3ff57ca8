#include "core/gateway/openapi.h"

#include <assert.h>
#include <jansson.h>

#include "core/base/json_write.h"
#include "core/domain/rejection.h"
#include "core/gateway/openapi_parameters.h"
#include "core/gateway/request.h"
#include "core/gateway/router.h"
#include "gen/codec.h"

enum { DOCUMENT_MAX_BYTES = 4 * 1024 * 1024 };

static void release_json(json_t **json) {
    json_decref(*json);
}

static void field(struct json_writer *writer, const char *name, const char *text) {
    json_field_string(writer, name, str_of_cstr(text));
}

static void object(struct json_writer *writer, const char *name) {
    json_name(writer, str_of_cstr(name));
    json_object_begin(writer);
}

/* ---- schemas of bodies --------------------------------------------------------------------------------------------
 */

static void write_type(struct json_writer *writer, const json_t *type, const json_t *rules);

static const char *text_at(const json_t *object_, const char *name) {
    const char *text = json_string_value(json_object_get(object_, name));
    return text == NULL ? "" : text;
}

static bool is(const char *text, const char *expected) {
    return strcmp(text, expected) == 0;
}

/* A bound of ours under the name that JSON Schema has for it. */
static void copy_number(struct json_writer *writer, const json_t *rules, const char *ours, const char *theirs) {
    const json_t *value = json_object_get(rules, ours);
    if (json_is_integer(value)) {
        json_field_int(writer, theirs, json_integer_value(value));
    }
}

static void write_text(struct json_writer *writer, const json_t *rules) {
    field(writer, "type", "string");
    copy_number(writer, rules, "minLength", "minLength");
    copy_number(writer, rules, "maxLength", "maxLength");
    const char *format = text_at(rules, "format");
    if (is(format, "sku")) {
        field(writer, "pattern", "^[A-Za-z0-9._-]{1,64}$");
    } else if (is(format, "currency")) {
        field(writer, "pattern", "^[A-Z]{3}$");
    } else if (is(format, "slug")) {
        field(writer, "pattern", "^[a-z0-9_.-]{1,64}$");
    } else if (is(format, "url")) {
        field(writer, "format", "uri");
    } else if (*format != '\0') {
        field(writer, "format", format);
    }
}

static void write_number(struct json_writer *writer, const json_t *rules) {
    field(writer, "type", "integer");
    copy_number(writer, rules, "min", "minimum");
    copy_number(writer, rules, "max", "maximum");
}

static bool is_optional(const json_t *type) {
    return json_is_array(type); /* [null, T] */
}

static bool is_from_body(const json_t *member) {
    const char *from = text_at(member, "from");
    return *from == '\0' || is(from, "body");
}

/* An array has an empty one as its default, unless the schema wants items. */
static bool is_required(const json_t *member) {
    const json_t *type = json_object_get(member, "type");
    bool may_be_empty = is(text_at(type, "type"), "array") && json_object_get(member, "minItems") == NULL;
    return !is_optional(type) && !may_be_empty;
}

static void write_members(struct json_writer *writer, const json_t *record) {
    const json_t *members = json_object_get(record, "fields");
    field(writer, "type", "object");
    object(writer, "properties");
    for (size_t i = 0; i < json_array_size(members); i++) {
        const json_t *member = json_array_get(members, i);
        if (is_from_body(member)) {
            object(writer, text_at(member, "name"));
            write_type(writer, json_object_get(member, "type"), member);
            field(writer, "description", text_at(member, "doc"));
            json_object_end(writer);
        }
    }
    json_object_end(writer);
    json_name(writer, STR("required"));
    json_array_begin(writer);
    for (size_t i = 0; i < json_array_size(members); i++) {
        const json_t *member = json_array_get(members, i);
        if (is_from_body(member) && is_required(member)) {
            json_text(writer, str_of_cstr(text_at(member, "name")));
        }
    }
    json_array_end(writer);
    json_field_bool(writer, "additionalProperties", false);
}

static void write_array(struct json_writer *writer, const json_t *type, const json_t *rules) {
    if (is(text_at(rules, "json"), "object")) {
        field(writer, "type", "object");
        copy_number(writer, rules, "maxItems", "maxProperties");
        object(writer, "additionalProperties");
        field(writer, "type", "string");
        json_object_end(writer);
        return;
    }
    field(writer, "type", "array");
    copy_number(writer, rules, "minItems", "minItems");
    copy_number(writer, rules, "maxItems", "maxItems");
    object(writer, "items");
    write_type(writer, json_object_get(type, "items"), json_object_get(rules, "item"));
    json_object_end(writer);
}

/* Money is named by all commands, so it stands once among the components. */
static void write_reference(struct json_writer *writer, const char *name) {
    field(writer, "$ref", name);
}

static void write_type(struct json_writer *writer, const json_t *type, const json_t *rules) {
    if (json_is_array(type)) {
        write_type(writer, json_array_get(type, 1), rules);
        return;
    }
    const char *name = json_is_string(type) ? json_string_value(type) : text_at(type, "type");
    if (is(name, "daybook.Money") || is(text_at(type, "name"), "Money")) {
        write_reference(writer, "#/components/schemas/Money");
    } else if (is(text_at(type, "name"), "Sealed") || is(name, "string")) {
        write_text(writer, rules);
    } else if (is(name, "int") || is(name, "long")) {
        write_number(writer, rules);
    } else if (is(name, "boolean")) {
        field(writer, "type", "boolean");
    } else if (is(name, "array")) {
        write_array(writer, type, rules);
    } else if (is(name, "record")) {
        write_members(writer, type);
    }
}

static const struct schema *schema_of_command(uint16_t type) {
    return schema_by_id(command_schema_id(type));
}

static void write_command_schema(struct json_writer *writer, uint16_t type) {
    const struct schema *schema = schema_of_command(type);
    CLEANUP(release_json) json_t *record = json_loads(schema->json, 0, NULL);
    assert(record != NULL);
    object(writer, schema->name);
    field(writer, "description", text_at(record, "doc"));
    write_members(writer, record);
    json_object_end(writer);
}

static void write_money_schema(struct json_writer *writer) {
    json_name(writer, STR("Money"));
    json_raw(writer, STR("{\"type\":\"object\",\"properties\":{\"amount\":{\"type\":\"integer\",\"minimum\":0,"
                         "\"description\":\"Minor units.\"},\"currency\":{\"type\":\"string\","
                         "\"pattern\":\"^[A-Z]{3}$\"}},\"required\":[\"amount\",\"currency\"],"
                         "\"additionalProperties\":false}"));
}

static void write_problem_schema(struct json_writer *writer) {
    object(writer, "Problem");
    field(writer, "type", "object");
    object(writer, "properties");
    json_name(writer, STR("code"));
    json_object_begin(writer);
    field(writer, "type", "string");
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
    field(writer, "in", in);
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

static void write_parameters(struct json_writer *writer, const struct route *route) {
    json_name(writer, STR("parameters"));
    json_array_begin(writer);
    write_path_parameters(writer, route);
    openapi_parameters_write(writer, route);
    if (route->command_type != 0) {
        write_parameter(writer, "header", STR("Idempotency-Key"), route->key_required,
                        "{\"type\":\"string\",\"minLength\":22,\"maxLength\":255,\"pattern\":\"^[!-~]+$\"}");
    }
    if (route->stream_parameter != NULL) {
        write_parameter(writer, "header", STR("If-Match"), false, "{\"type\":\"string\"}");
    }
    if (route->command_type != 0 || route->query != NULL) {
        write_parameter(writer, "header", STR("Daybook-Position"), false, "{\"type\":\"string\"}");
    }
    json_array_end(writer);
}

static void write_body(struct json_writer *writer, const struct route *route) {
    const struct schema *schema = schema_of_command(route->command_type);
    object(writer, "requestBody");
    object(writer, "content");
    object(writer, "application/json");
    object(writer, "schema");
    json_name(writer, STR("$ref"));
    buf_printf(writer->out, "\"#/components/schemas/%s\"", schema->name);
    json_object_end(writer);
    json_object_end(writer);
    json_object_end(writer);
    json_object_end(writer);
}

static void write_response(struct json_writer *writer, const char *status, const char *description,
                           const char *media_type, const char *schema) {
    object(writer, status);
    field(writer, "description", description);
    object(writer, "content");
    object(writer, media_type);
    json_name(writer, STR("schema"));
    json_raw(writer, str_of_cstr(schema));
    json_object_end(writer);
    json_object_end(writer);
    json_object_end(writer);
}

static void write_responses(struct json_writer *writer, const struct route *route) {
    object(writer, "responses");
    const char *status = route->status == 201 ? "201" : "200";
    write_response(writer, status, "Done.", "application/json", "{}");
    if (route->command_type != 0) {
        write_response(writer, "202", "Not decided yet; ask at Location.", "application/json", "{\"type\":\"object\"}");
    }
    write_response(writer, "default", "A problem.", "application/problem+json",
                   "{\"$ref\":\"#/components/schemas/Problem\"}");
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
        field(writer, "operationId", command_name(route->command_type));
    }
    field(writer, "x-roles", route->roles);
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
    object(writer, "paths");
    for (size_t row = 0; row < route_count; row++) {
        if (!is_first_of_path(row)) {
            continue;
        }
        object(writer, routes[row].pattern);
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
    field(&writer, "openapi", "3.1.0");
    json_name(&writer, STR("info"));
    json_raw(&writer, STR("{\"title\":\"Daybook\",\"version\":\"1\",\"description\":\"An event-sourced order and "
                          "inventory system. The conventions are in docs/http.md.\"}"));
    write_paths(&writer);
    object(&writer, "components");
    object(&writer, "schemas");
    write_money_schema(&writer);
    write_problem_schema(&writer);
    for (size_t i = 0; i < route_count; i++) {
        if (routes[i].command_type != 0) {
            write_command_schema(&writer, routes[i].command_type);
        }
    }
    json_object_end(&writer);
    json_object_end(&writer);
    json_object_end(&writer);
}

void openapi_document(struct request *request) {
    struct buf document;
    buf_init(&document, DOCUMENT_MAX_BYTES);
    openapi_write(&document);
    assert(buf_ok(&document));
    request_answer_json(request, 200, buf_text(&document));
    buf_release(&document);
}

/* ---- for people ----------------------------------------------------------------------------------------------------
 */

static void write_row(struct buf *out, const struct route *route) {
    buf_printf(out, "<tr><td>%s<td><code>%s</code><td>%s<td>", route->method_name, route->pattern, route->roles);
    if (route->command_type != 0) {
        CLEANUP(release_json) json_t *record = json_loads(schema_of_command(route->command_type)->json, 0, NULL);
        buf_printf(out, "%s%s", text_at(record, "doc"), route->key_required ? " <b>Idempotency-Key required.</b>" : "");
    } else if (route->query != NULL && *route->query != '\0') {
        buf_printf(out, "<code>?%s</code>", route->query);
    }
    buf_str(out, STR("\n"));
}

void openapi_page(struct request *request) {
    struct buf page;
    buf_init(&page, DOCUMENT_MAX_BYTES);
    buf_str(&page, STR("<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Daybook</title>\n"
                       "<style>body{font:16px/1.5 system-ui;margin:2rem auto;max-width:64rem;padding:0 1rem}"
                       "td{padding:.2rem .8rem .2rem 0;vertical-align:top}</style>\n<h1>Daybook</h1>\n"
                       "<p>Machines read <a href=\"/openapi.json\">/openapi.json</a>. Roles: P public, C customer, "
                       "V vendor, A admin, S service key, U auditor.\n<table>\n"));
    for (size_t i = 0; i < route_count; i++) {
        write_row(&page, &routes[i]);
    }
    buf_str(&page, STR("</table>\n"));
    request_answer(request, 200, "text/html; charset=utf-8", buf_text(&page));
    buf_release(&page);
}
