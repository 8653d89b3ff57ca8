/* query_string.h: the parameters behind the '?', read strictly.
 * Promise  every failure fills in a 400 problem that names the parameter. Thread: the exchange's. May use: http.
 */
#pragma once

#include "core/http/problem.h"
#include "core/http/server.h"

enum { LIST_LIMIT_DEFAULT = 50, LIST_LIMIT_MAX = 200 };

/* Whether every parameter is one of `allowed`, names separated by spaces. */
MUST_CHECK bool query_string_has_only(struct http_exchange *exchange, const char *allowed, struct problem *ret_problem);
/* Empty with a NULL data pointer when absent; 1 to max_len bytes without control characters otherwise. */
MUST_CHECK bool query_string_text(struct http_exchange *exchange, const char *name, uint32_t max_len,
                                  struct str *ret_value, struct problem *ret_problem);
/* A time of RFC 3339, written out again in UTC; absent as above. */
MUST_CHECK bool query_string_time(struct http_exchange *exchange, const char *name, struct str *ret_value,
                                  struct problem *ret_problem);
/* `limit`. */
MUST_CHECK bool query_string_limit(struct http_exchange *exchange, int64_t *ret_limit, struct problem *ret_problem);

/* 400 invalid_parameter. */
bool query_string_refuse(struct http_exchange *exchange, const char *name, const char *must_be,
                         struct problem *ret_problem);
