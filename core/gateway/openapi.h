/* openapi.h: GET /openapi.json (OpenAPI 3.1) and GET /docs, the same for people.
 *
 * Source   both are made from routes.def, what the generator says of the commands and shared records, the document.json
 *          beside each view's renderer, and the table of refusals: nothing is said twice. That answers are as they are
 *          described, integration-tests/test_openapi.py sees to.
 * Memory   each is made when it is asked for; it is asked for seldom.
 * Thread   the loop's.           May use: http, domain, generated tables.
 */
#pragma once

#include "core/base/buf.h"

struct request;

void openapi_document(struct request *request);
void openapi_page(struct request *request);

/* The document, appended; for the tests as well. */
void openapi_write(struct buf *out);
