/* openapi_parameters.h: what may stand behind the '?' of a query, for /openapi.json.
 *
 * Source   which parameters a route has is in routes.def, in which order a list can be sorted in the list's own table;
 *          the rest is a row of the table here for each parameter, which a test sees to.
 * Thread   pure; any.            May use: base, projections' lists.
 */
#pragma once

#include "core/base/json_write.h"
#include "core/gateway/router.h"

/* Its parameter objects, into the array that the writer is in. */
void openapi_parameters_write(struct json_writer *writer, const struct route *route);
