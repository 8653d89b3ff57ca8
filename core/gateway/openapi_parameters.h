/* openapi_parameters.h: what stands in the path, behind the '?' and in the header of a request, for /openapi.json.
 *
 * Source   which parameters a route has is in routes.def, in which order a list can be sorted in the list's own table;
 *          the rest is a row of a table here for each parameter, which tests and `make lint` see to.
 * Thread   pure; any.            May use: base, projections' lists.
 */
#pragma once

#include "core/base/json_write.h"
#include "core/gateway/router.h"

/* The route's `parameters`, as a member of the operation that the writer is in. */
void openapi_parameters_write(struct json_writer *writer, const struct route *route);

/* Whether GET answers with an ETag: it is one stream's document. */
bool openapi_has_etag(const struct route *route);
