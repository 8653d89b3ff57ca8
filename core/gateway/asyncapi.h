/* asyncapi.h: GET /asyncapi.json (AsyncAPI 3.0): the event streams, for whoever writes a consumer.
 *
 * Source   made from the table of topics, the schemas and what the log promises of each record (core/log/record.h):
 *          nothing is said twice. What Daybook reads itself, and nobody else is to build on (commands, outcomes,
 *          replies), is not told. Members that begin with x- are ours; each says in words what it means.
 * Memory   made when it is asked for; it is asked for seldom.
 * Thread   the loop's.           May use: http, log, generated tables.
 */
#pragma once

struct request;

void asyncapi_document(struct request *request);
