#include "core/gateway/intake.h"

#include "core/base/text.h"
#include "core/gateway/identity.h"
#include "core/gateway/json_text.h"
#include "core/gateway/path_id.h"
#include "gen/json.h"

enum { NUMBER_OF_VERSION_MAX = 19 };

static bool refuse(struct problem *ret_problem, int status, const char *code, const char *detail) {
    *ret_problem = (struct problem){.status = status, .code = code, .detail = detail};
    return false;
}

/* Whether the text is 1 to `most` visible ASCII characters, without spaces. */
static bool is_visible_ascii(struct str text, uint32_t most) {
    if (text.len == 0 || text.len > most) {
        return false;
    }
    for (uint32_t i = 0; i < text.len; i++) {
        if (text.data[i] < 0x21 || text.data[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

/* ---- the body ---------------------------------------------------------------------------------------------------- */

static bool equals_ignoring_case(struct str text, const char *lower_case) {
    return http_name_equal(text, lower_case);
}

static struct str trim(struct str text) {
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text = str_from(text, 1);
    }
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

bool intake_json(struct http_exchange *exchange, json_t **ret_body, struct problem *ret_problem) {
    *ret_body = NULL;
    if (exchange->body.len == 0) {
        return true;
    }
    struct str type = http_request_field(exchange, "content-type");
    if (!equals_ignoring_case(trim(str_first(type, str_find(type, ';'))), "application/json")) {
        return refuse(ret_problem, 415, "unsupported_media_type", "The body must be application/json.");
    }
    struct json_text_problem problem;
    json_t *body = json_text_read(&exchange->arena, exchange->body, &problem);
    if (body == NULL) {
        *ret_problem =
            (struct problem){.status = 400, .code = problem.code, .detail = problem.detail, .pointer = problem.pointer};
        return false;
    }
    *ret_body = body;
    return true;
}

static bool refuse_field(struct arena *arena, const struct json_problem *field, struct problem *ret_problem) {
    *ret_problem = (struct problem){.status = 400,
                                    .code = field->code,
                                    .detail = arena_printf(arena, "%.*s", STR_ARGS(field->detail)).data,
                                    .pointer = field->pointer};
    return false;
}

/* ---- the headers ------------------------------------------------------------------------------------------------- */

/* A field that is sent empty is not absent: whoever sends it believes that his request is protected by it. */

bool intake_position(struct str text, const struct secret *secret, struct position *ret_position,
                     struct problem *ret_problem) {
    *ret_position = (struct position){0};
    if (text.data != NULL && !position_header_read(secret, text, ret_position)) {
        return refuse(ret_problem, 400, "invalid_position", "Daybook-Position must be sent back as it was received.");
    }
    return true;
}

/* The key, empty when there is none and none is needed. */
static bool read_key(const struct intake_source *source, struct str *ret_key, struct problem *ret_problem) {
    struct str key = http_request_field(source->exchange, "idempotency-key");
    if (key.data == NULL) {
        *ret_key = (struct str){0};
        return !source->match->route->key_required ||
               refuse(ret_problem, 400, "idempotency_key_required",
                      "This must not be done twice: an Idempotency-Key is needed here, the same one for a retry.");
    }
    if (!is_visible_ascii(key, IDEMPOTENCY_KEY_MAX)) {
        return refuse(ret_problem, 400, "idempotency_key_invalid",
                      "An Idempotency-Key is 1 to 255 visible ASCII characters.");
    }
    if (str_equal(source->scope, STR("anonymous")) && key.len < ANONYMOUS_KEY_MIN) {
        return refuse(ret_problem, 400, "idempotency_key_too_weak",
                      "Where all callers' keys count together an Idempotency-Key must have at least 22 characters.");
    }
    *ret_key = key;
    return true;
}

/* An ETag of ours is "<version>". `*` asks only that there be something, which every change of a stream does. */
static bool read_if_match(struct http_exchange *exchange, struct command_meta *meta, struct problem *ret_problem) {
    struct str header = http_request_field(exchange, "if-match");
    if (header.data == NULL || str_equal(header, STR("*"))) {
        return true;
    }
    struct str inner = header.len > 2 ? str_of(header.data + 1, header.len - 2) : (struct str){0};
    bool is_quoted = header.len > 2 && header.data[0] == '"' && header.data[header.len - 1] == '"';
    if (!is_quoted || inner.len > NUMBER_OF_VERSION_MAX || !int64_read(inner, &meta->expected_version) ||
        meta->expected_version < 1) {
        return refuse(ret_problem, 400, "invalid_if_match", "If-Match must be one ETag of ours, e.g. \"3\".");
    }
    meta->has_expected_version = true;
    return true;
}

/* Prefer: respond-async, wait=N (RFC 7240). What is not understood is ignored, as the standard asks. */
static void read_prefer(const struct intake_source *source, struct intake *intake) {
    intake->wait_ms = source->wait_default_ms;
    struct str rest = http_request_field(source->exchange, "prefer");
    while (!str_is_empty(rest)) {
        struct str item = trim(str_first(rest, str_find(rest, ',')));
        rest = str_from(rest, str_find(rest, ',') + 1);
        int64_t seconds;
        if (equals_ignoring_case(item, "respond-async")) {
            intake->responds_async = true;
            intake->preference_applied = STR("respond-async");
        } else if (str_starts_with(item, STR("wait=")) && int64_read(str_from(item, 5), &seconds) && seconds >= 0) {
            intake->wait_ms = (seconds < PREFER_WAIT_MAX_S ? seconds : PREFER_WAIT_MAX_S) * 1000;
            intake->preference_applied = item;
        }
    }
}

/* ---- the path ---------------------------------------------------------------------------------------------------- */

/* The field that a parameter of the path is, where that has another name; NULL: it is none, and whoever prepares the
 * command (prepared.h) reads it. */
static const char *field_of_parameter(struct arena *arena, struct str name) {
    if (str_equal(name, STR("session"))) {
        return NULL;
    }
    if (str_equal(name, STR("category"))) {
        return "slug";
    }
    return str_equal(name, STR("address")) ? "id" : arena_printf(arena, "%.*s", STR_ARGS(name)).data;
}

/* The stream that the route or the path names, if one does, and the other parameters as the command's fields. */
static bool read_path(const struct intake_source *source, struct command *command, struct problem *ret_problem) {
    struct arena *arena = &source->exchange->arena;
    const struct route_match *match = source->match;
    if (match->route->the_stream != NULL) {
        command->meta.stream = str_of_cstr(match->route->the_stream);
    }
    for (size_t i = 0; i < match->parameter_count; i++) {
        const char *stream_parameter = match->route->stream_parameter;
        struct json_problem field;
        if (stream_parameter != NULL && str_equal(match->names[i], str_of_cstr(stream_parameter))) {
            if (!path_id_stream(arena, match->names[i], match->values[i], &command->meta.stream, ret_problem)) {
                return false;
            }
            continue;
        }
        const char *name = field_of_parameter(arena, match->names[i]);
        if (name != NULL && !command_path_field(command, arena, name, match->values[i], &field)) {
            (void)refuse_field(arena, &field, ret_problem);
            ret_problem->status = 404; /* it is part of the address */
            ret_problem->code = "malformed_id";
            return false;
        }
    }
    return true;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static void release_json(json_t **json) {
    json_decref(*json);
}

/* An absent body and an empty object are the same request. What is secret is not looked at: from a hash of it, whoever
 * has the installation's secret could try passwords as fast as hashes are made. */
static bool hash_request(const struct intake_source *source, const json_t *body, struct command_meta *meta,
                         struct problem *ret_problem) {
    struct arena *arena = &source->exchange->arena;
    struct str canonical = STR("{}");
    if (body != NULL) {
        CLEANUP(release_json) json_t *without = command_body_without_secrets(source->match->route->command_type, body);
        canonical = json_text_canonical(arena, without);
    }
    if (str_is_empty(canonical)) {
        return refuse(ret_problem, 413, "body_too_large", "The body is too large.");
    }
    meta->request_hash = identity_request_hash(arena, source->secret, str_of_cstr(source->match->route->method_name),
                                               route_path(arena, source->match), canonical);
    return true;
}

/* What jansson has copied of it is overwritten as it is freed (cmd/main.c). */
static bool read_body(const struct intake_source *source, struct command *command, struct problem *ret_problem) {
    struct arena *arena = &source->exchange->arena;
    CLEANUP(release_json) json_t *body = NULL;
    if (!intake_json(source->exchange, &body, ret_problem)) {
        return false;
    }
    if (body == NULL && source->absent_body != NULL) {
        body = json_deep_copy(source->absent_body);
    }
    struct json_problem field;
    uint16_t type = source->match->route->command_type;
    bool is_read = command_body_from_json(type, body, arena, command, &field);
    return is_read ? hash_request(source, body, &command->meta, ret_problem) : refuse_field(arena, &field, ret_problem);
}

static void name_command(const struct intake_source *source, struct str key, struct command_meta *meta) {
    struct arena *arena = &source->exchange->arena;
    meta->client_key = !str_is_empty(key);
    meta->actor = source->actor;
    meta->issued_at = source->now_us;
    meta->reply_partition = -1;
    bool creates = source->match->route->created_prefix != NULL;
    if (!creates && str_is_empty(meta->stream)) {
        return; /* see intake_name */
    }
    struct str stream = creates ? (struct str){0} : meta->stream;
    meta->command_id = meta->client_key ? identity_command(arena, source->secret, source->scope,
                                                           str_of_cstr(source->match->route->method_name),
                                                           route_path(arena, source->match), key, stream)
                                        : identity_fresh(arena, stream, source->now_us);
    if (creates) {
        meta->stream =
            identity_stream(arena, source->secret, str_of_cstr(source->match->route->created_prefix), meta->command_id);
    }
    meta->correlation_id = meta->command_id;
    meta->causation_id = meta->command_id;
}

void intake_name(const struct intake_source *source, struct str stream, struct str within, struct intake *intake) {
    struct arena *arena = &source->exchange->arena;
    struct command_meta *meta = &intake->command.meta;
    meta->stream = stream;
    meta->client_key = !str_is_empty(intake->key);
    meta->command_id = meta->client_key
                           ? identity_command_within(arena, source->secret, source->scope,
                                                     str_of_cstr(source->match->route->method_name),
                                                     route_path(arena, source->match), intake->key, stream, within)
                           : identity_fresh(arena, stream, source->now_us);
    meta->correlation_id = meta->command_id;
    meta->causation_id = meta->command_id;
}

bool intake_command(const struct intake_source *source, struct intake *ret_intake, struct problem *ret_problem) {
    struct intake intake = {0};
    bool is_taken = read_key(source, &intake.key, ret_problem) && read_body(source, &intake.command, ret_problem) &&
                    read_path(source, &intake.command, ret_problem) &&
                    read_if_match(source->exchange, &intake.command.meta, ret_problem) &&
                    intake_position(http_request_field(source->exchange, "daybook-position"), source->secret,
                                    &intake.position, ret_problem);
    if (!is_taken) {
        return false;
    }
    name_command(source, intake.key, &intake.command.meta);
    read_prefer(source, &intake);
    *ret_intake = intake;
    return true;
}
