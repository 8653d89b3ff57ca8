/* openapi_problems.h: which problems there are, for /openapi.json: their codes, what each means, and an answer for each
 * status that has some.
 *
 * Source   problem_codes.def, core/domain/rejection.def and core/http/refusal.h: no code is named here.
 * Thread   pure; any.            May use: base, domain, http.
 */
#pragma once

#include "core/base/json_write.h"

/* The schema of a problem of any code, as the member `Problem` of the object that the writer is in. */
void openapi_problem_schema_write(struct json_writer *writer);

/* Whether there is a Problem<status> among the answers. */
bool openapi_has_problem(int status);

/* The answers Problem400, Problem401 ..., each with the codes of its status, and ServerProblem with those of what the
 * server refuses before it knows the route; as members of the object that the writer is in. */
void openapi_problem_responses_write(struct json_writer *writer);
