/* query_string.h: the parameters behind the '?', read strictly.
 * Promise  every failure fills in a 400 problem that names the parameter. Thread: the exchange's. May use: http.
 */
#pragma once

#include "core/http/problem.h"
#include "core/http/server.h"

enum { LIST_LIMIT_DEFAULT = 50, LIST_LIMIT_MAX = 200 };

/* Whether every parameter is one of `allowed`, names separated by spaces. One that ends in NAME stands for all that
 * begin like it: attr.NAME. */
MUST_CHECK bool query_string_has_only(struct http_exchange *exchange, const char *allowed, struct problem *ret_problem);
/* Empty with a NULL data pointer when absent; 1 to max_len bytes without control characters otherwise. */
MUST_CHECK bool query_string_text(struct http_exchange *exchange, const char *name, uint32_t max_len,
                                  struct str *ret_value, struct problem *ret_problem);
/* A time of RFC 3339, written out again in UTC; absent as above. */
MUST_CHECK bool query_string_time(struct http_exchange *exchange, const char *name, struct str *ret_value,
                                  struct problem *ret_problem);
/* A whole number of at least 0 and at most `max`, as it was written; absent as above. */
MUST_CHECK bool query_string_number(struct http_exchange *exchange, const char *name, int64_t max,
                                    struct str *ret_value, struct problem *ret_problem);
/* `limit`. */
MUST_CHECK bool query_string_limit(struct http_exchange *exchange, int64_t *ret_limit, struct problem *ret_problem);

struct query_pair {
    struct str name, value;
};
/* The parameters whose names begin with `prefix`, which is cut off; at most `most`, else they are refused. Each once,
 * with a name of 1 to max_name_len bytes and a value of 1 to max_value_len, without control characters. */
MUST_CHECK bool query_string_prefixed(struct http_exchange *exchange, const char *prefix, size_t most,
                                      uint32_t max_name_len, uint32_t max_value_len, struct query_pair *ret_pairs,
                                      size_t *ret_count, struct problem *ret_problem);

/* What the query asks for, page by page the same: `list` and all parameters but limit and cursor, decoded, in the order
 * of their names. Ends in NUL. */
MUST_CHECK bool query_string_identity(struct http_exchange *exchange, const char *list, struct str *ret_identity,
                                      struct problem *ret_problem);

/* 400 invalid_parameter; its member `parameter` is the name. */
bool query_string_refuse(struct http_exchange *exchange, const char *name, const char *must_be,
                         struct problem *ret_problem);
