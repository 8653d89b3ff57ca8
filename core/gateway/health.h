/* health.h: GET /health/live and /health/ready.
 *
 * live     the loop turns.
 * ready    the log and the database answer and every other role of the process is ready; otherwise 503 with the
 *          names of those that are not: {"ready":false,"waiting_for":["log"]}. Shards that stand still are named in
 *          stopped_shards, with 200: the others are served, and a front that is taken out would stop them, too.
 * Thread   the loop's.          May use: http.
 */
#pragma once

struct request;

void health_live(struct request *request);
void health_ready(struct request *request);
