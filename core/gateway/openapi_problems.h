/* openapi_problems.h: which problems there are, for /openapi.json: their codes, what each means, and with which of them
 * a route may answer.
 *
 * Source   problem_codes.def, core/domain/rejection.def and core/http/refusal.h: no code is named here.
 * Thread   pure; any.            May use: base, domain, http.
 */
#pragma once

#include "core/base/json_write.h"

/* The schema of a problem of any code, as the member `Problem` of the object that the writer is in. */
void openapi_problem_schema_write(struct json_writer *writer);

/* The answers that many routes have alike, each with the codes of its status, and ServerProblem with what the server
 * refuses before it knows the route; as members of the object that the writer is in. */
void openapi_problem_responses_write(struct json_writer *writer);

/* A route's answer with this status, as a member of the object that the writer is in; nothing where no code has it.
 * `words`, with spaces around each: whose codes they are (`of` in the two tables); NULL: anybody's. */
void openapi_problem_write(struct json_writer *writer, int status, const char *words);
