/* router.h: which route a request takes.
 *
 * Purpose  routes.def is the one table of routes; this finds the row of a method and a path, and the path's
 *          parameters.
 * Promise  a path matches segment by segment, an empty segment never; parameters come percent-decoded (UTF-8,
 *          without NUL). HEAD takes the route of GET.
 * Memory   the parameters live in the request's arena.
 * Thread   pure; any.          May use: base, http.
 */
#pragma once

#include "core/gateway/limits.h"
#include "core/http/server.h"

enum { ROUTE_PARAMETERS_MAX = 2 };

struct request;

struct route {
    enum http_method method;
    const char *method_name;
    const char *pattern;
    const char *may; /* letters of routes.def */
    enum limit_class limit;
    uint16_t command_type; /* 0: not a command, see `answer` */
    const char
        *stream_parameter;      /* which parameter names the stream; NULL: the command creates it, or it is found out */
    const char *created_prefix; /* of the stream it creates; NULL: see stream_parameter */
    const char *the_stream;     /* there is but one; NULL: see above */
    bool is_of_self;            /* the stream is whoever asks */
    bool key_required;
    int status;                /* when accepted */
    const char *query;         /* allowed parameters, separated by spaces; NULL: any are passed over */
    const char *answer_schema; /* when accepted, in /openapi.json */
    const char *answer_media;  /* NULL: application/json */
    const char *meaning;       /* one line; NULL: the command's schema says it */
    const char *operation;     /* its name in /openapi.json; NULL: the command's */
    bool is_stream;            /* it is the data of each of its events */
    void (*answer)(struct request *request);
};

extern const struct route routes[];
extern const size_t route_count;

enum route_found { ROUTE_FOUND, ROUTE_UNKNOWN_PATH, ROUTE_WRONG_METHOD, ROUTE_BAD_ESCAPE };

struct route_match {
    const struct route *route;
    struct str names[ROUTE_PARAMETERS_MAX]; /* of the pattern, without braces */
    struct str values[ROUTE_PARAMETERS_MAX];
    size_t parameter_count;
    struct str allowed; /* with ROUTE_WRONG_METHOD: for Allow, e.g. "GET, HEAD, PATCH" */
};

enum route_found router_find(struct arena *arena, enum http_method method, struct str path,
                             struct route_match *ret_match);

/* Whether anybody may take it, though perhaps not as others may. */
bool route_is_for_everybody(const struct route *route);
/* Whether people who are not known yet come here to prove who they are. */
bool route_is_door(const struct route *route);
/* Whether a cache may keep its answers: they are the same for all who ask, which they are not where others than
 * anybody are named as well. */
bool route_may_be_kept(const struct route *route);

/* The path as a pattern's parameters make it: the same for all spellings (percent-encodings) of one address. */
struct str route_path(struct arena *arena, const struct route_match *match);

/* The parameter's value; empty when the pattern has none of that name. */
struct str route_parameter(const struct route_match *match, const char *name);
