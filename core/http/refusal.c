#include "core/http/refusal.h"

#include <assert.h>
#include <stddef.h>

static const struct http_refusal_row ROWS[] = {
#define HTTP_REFUSAL_ROW(name, status_, code_, detail_)                                                                \
    [HTTP_REFUSAL_##name] = {.status = (status_), .code = (code_), .detail = (detail_)},
    HTTP_REFUSAL_TABLE(HTTP_REFUSAL_ROW)
#undef HTTP_REFUSAL_ROW
};

struct http_refusal_row http_refusal_row(enum http_refusal refusal) {
    assert(refusal != HTTP_REFUSAL_NONE && (size_t)refusal < sizeof ROWS / sizeof ROWS[0]);
    return ROWS[refusal];
}
