/* outcome_query.h: GET /v1/commands/{command}: what became of a command, asked afterwards.
 *
 * Promise  what this front has seen itself is answered from memory; else the command's shard is asked, once for all who
 *          ask at a time. What is not known in OUTCOME_QUERY_WAIT_MS is 202: "unknown yet" is no failure.
 * Bounds   outcome_questions.h, outcome_waiters.h. Who goes before the answer waits no longer.
 * Thread   the loop's.          May use: http, log.
 */
#pragma once

struct request;

void query_command(struct request *request);
