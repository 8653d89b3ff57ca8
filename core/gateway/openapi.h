/* openapi.h: GET /openapi.json (OpenAPI 3.1).
 *
 * Source   made from routes.def, what the generator says of the commands and shared records, the document.json beside
 *          each view's renderer, the tables of problems (openapi_problems.h), docs/http.md for what all requests have
 *          in common, and an example of each command (openapi_examples.json): nothing is said twice. That answers are
 *          as they are described, and examples are accepted, integration-tests/test_openapi.py sees to.
 * Memory   made once, by whoever asks first.
 * Thread   the loop's; openapi_write and openapi_meaning are pure.           May use: http, domain, generated tables.
 */
#pragma once

#include "core/base/buf.h"

enum { OPENAPI_MEANING_MAX = 512 };

struct request;
struct route;

void openapi_document(struct request *request);

/* The document, appended; for the tests as well. */
void openapi_write(struct buf *out);

/* What the route does, in a line; ret_text is where it may be put. */
const char *openapi_meaning(const struct route *route, char ret_text[OPENAPI_MEANING_MAX]);
