/* http_date.h: the Date field's text, made once a second.
 * Source   RFC 9110, 5.6.7 (IMF-fixdate); independent of the locale.
 * Thread   one at a time.        May use: base.
 */
#pragma once

#include <stdint.h>

#include "core/base/str.h"

enum { HTTP_DATE_LEN = 29 }; /* Mon, 23 Nov 2026 06:22:51 GMT */

struct http_date {
    int64_t second;
    char text[HTTP_DATE_LEN + 1];
};

/* The date's text at this second since 1970; lives until the next call. */
struct str http_date_at(struct http_date *date, int64_t second);
