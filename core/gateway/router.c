#include "core/gateway/router.h"

#include <string.h>

#include "core/domain/category/category.h"
#include "core/gateway/asyncapi.h"
#include "core/gateway/commands.h"
#include "core/gateway/customers_admin.h"
#include "core/gateway/docs.h"
#include "core/gateway/event_routes.h"
#include "core/gateway/export_person.h"
#include "core/gateway/health.h"
#include "core/gateway/lists.h"
#include "core/gateway/me.h"
#include "core/gateway/metrics.h"
#include "core/gateway/openapi.h"
#include "core/gateway/outcome_query.h"
#include "core/gateway/queries.h"
#include "core/gateway/registry.h"
#include "core/gateway/sessions.h"
#include "core/gateway/webhook.h"
#include "gen/commands.h"

#define OPTIONAL false
#define REQUIRED true
#define AT(parameter) .stream_parameter = (parameter)
#define ANY NULL
#define AS(media_, schema_) (schema_), .answer_media = (media_)
#define FOUND .stream_parameter = NULL
#define NEW(prefix) .created_prefix = (prefix)
#define SELF .is_of_self = true
#define THE(stream) .the_stream = (stream)
#define SELF_AS(operation_) .is_of_self = true, .operation = (operation_)

const struct route routes[] = {
#define COMMAND_ROUTE(method_, pattern_, may_, limit_, command_, stream_, key_, status_, schema_)                      \
    {.method = HTTP_##method_##_,                                                                                      \
     .method_name = #method_,                                                                                          \
     .pattern = pattern_,                                                                                              \
     .may = may_,                                                                                                      \
     .limit = LIMIT_##limit_,                                                                                          \
     .command_type = COMMAND_##command_,                                                                               \
     stream_,                                                                                                          \
     .key_required = key_,                                                                                             \
     .status = status_,                                                                                                \
     .answer_schema = (schema_),                                                                                       \
     .answer = command_received},
#define QUERY_ROUTE(method_, pattern_, may_, limit_, answer_, query_, schema_, meaning_)                               \
    {.method = HTTP_##method_##_,                                                                                      \
     .method_name = #method_,                                                                                          \
     .pattern = pattern_,                                                                                              \
     .may = may_,                                                                                                      \
     .limit = LIMIT_##limit_,                                                                                          \
     .query = query_,                                                                                                  \
     .status = 200,                                                                                                    \
     .answer_schema = schema_,                                                                                         \
     .meaning = (meaning_),                                                                                            \
     .operation = #answer_,                                                                                            \
     .answer = answer_},
#define STREAM_ROUTE(pattern_, may_, limit_, answer_, query_, schema_, meaning_)                                       \
    {.method = HTTP_GET_,                                                                                              \
     .method_name = "GET",                                                                                             \
     .pattern = pattern_,                                                                                              \
     .may = may_,                                                                                                      \
     .limit = LIMIT_##limit_,                                                                                          \
     .query = query_,                                                                                                  \
     .status = 200,                                                                                                    \
     .answer_schema = (schema_),                                                                                       \
     .answer_media = "text/event-stream",                                                                              \
     .is_stream = true,                                                                                                \
     .meaning = (meaning_),                                                                                            \
     .operation = #answer_,                                                                                            \
     .answer = answer_},
#include "core/gateway/routes.def"
#undef COMMAND_ROUTE
#undef QUERY_ROUTE
#undef STREAM_ROUTE
};
const size_t route_count = ARRAY_LENGTH(routes);

/* The text up to the next slash, taken off `rest`. */
static struct str take_segment(struct str *rest) {
    struct str segment = str_first(*rest, str_find(*rest, '/'));
    *rest = str_from(*rest, segment.len + 1);
    return segment;
}

static bool is_parameter(struct str pattern_segment) {
    return pattern_segment.len > 2 && pattern_segment.data[0] == '{';
}

/* Whether the path has the pattern's form; its parameters are noted still encoded. */
static bool matches(const struct route *route, struct str path, struct route_match *ret_match) {
    struct str pattern_rest = str_from(str_of_cstr(route->pattern), 1);
    struct str path_rest = str_from(path, 1);
    size_t count = 0;
    while (!str_is_empty(pattern_rest) && !str_is_empty(path_rest)) {
        bool path_ends_in_slash = path_rest.data[path_rest.len - 1] == '/';
        struct str expected = take_segment(&pattern_rest);
        struct str actual = take_segment(&path_rest);
        if (str_is_empty(actual) || path_ends_in_slash) {
            return false;
        }
        if (is_parameter(expected)) {
            ret_match->names[count] = str_of(expected.data + 1, expected.len - 2);
            ret_match->values[count++] = actual;
        } else if (!str_equal(expected, actual)) {
            return false;
        }
    }
    ret_match->parameter_count = count;
    ret_match->route = route;
    return str_is_empty(pattern_rest) && str_is_empty(path_rest);
}

static bool decode_parameters(struct arena *arena, struct route_match *match) {
    for (size_t i = 0; i < match->parameter_count; i++) {
        if (!http_percent_decode(arena, match->values[i], false, &match->values[i])) {
            return false;
        }
    }
    return true;
}

enum route_found router_find(struct arena *arena, enum http_method method, struct str path,
                             struct route_match *ret_match) {
    enum http_method wanted = method == HTTP_HEAD_ ? HTTP_GET_ : method;
    struct str allowed = {0};
    for (size_t i = 0; i < route_count; i++) {
        struct route_match match = {0};
        if (!matches(&routes[i], path, &match)) {
            continue;
        }
        if (routes[i].method == wanted) {
            if (!decode_parameters(arena, &match)) {
                return ROUTE_BAD_ESCAPE;
            }
            *ret_match = match;
            return ROUTE_FOUND;
        }
        allowed = arena_printf(arena, "%.*s%s%s%s", STR_ARGS(allowed), allowed.len > 0 ? ", " : "",
                               routes[i].method_name, routes[i].method == HTTP_GET_ ? ", HEAD" : "");
    }
    ret_match->allowed = allowed;
    return str_is_empty(allowed) ? ROUTE_UNKNOWN_PATH : ROUTE_WRONG_METHOD;
}

struct str route_parameter(const struct route_match *match, const char *name) {
    for (size_t i = 0; i < match->parameter_count; i++) {
        if (str_equal(match->names[i], str_of_cstr(name))) {
            return match->values[i];
        }
    }
    return (struct str){0};
}

struct str route_path(struct arena *arena, const struct route_match *match) {
    struct str rest = str_from(str_of_cstr(match->route->pattern), 1);
    struct str path = STR("");
    size_t count = 0;
    while (!str_is_empty(rest)) {
        struct str segment = take_segment(&rest);
        if (is_parameter(segment)) {
            segment = match->values[count++];
        }
        path = arena_printf(arena, "%.*s/%.*s", STR_ARGS(path), STR_ARGS(segment));
    }
    return path;
}

bool route_is_for_everybody(const struct route *route) {
    return strchr(route->may, 'P') != NULL;
}

/* With what they know (a password, a token of a mail) or what is theirs alone (a refresh token): then the front finds
 * out whose stream it is. */
bool route_is_door(const struct route *route) {
    bool is_found_out = route->command_type != 0 && route->stream_parameter == NULL && route->created_prefix == NULL;
    return route_is_for_everybody(route) && (route->limit == LIMIT_LOGIN || is_found_out);
}

bool route_may_be_kept(const struct route *route) {
    return strcmp(route->may, "P") == 0 && route->method == HTTP_GET_ && route->answer != query_command;
}
