/* event_routes.h: GET .../stream: a document and its changes, as Server-Sent Events.
 *
 * Event    its id is the version, its data the document that the path without /stream answers, byte for byte.
 * Promise  answered like that path (404, Daybook-Position, 503), and then as core/gateway/event_streams.h has it.
 *          Last-Event-ID says what the client has. A browser's EventSource can set no header: `position` may stand
 *          behind the '?'.
 * Thread   the loop's.          May use: http, projections' statements.
 */
#pragma once

struct request;

void query_order_stream(struct request *request);
void query_stock_stream(struct request *request);
