/* health.h: GET /health/live and /health/ready.
 *
 * live     the loop turns.
 * ready    the log and the database answer and every other role of the process is ready; otherwise 503 with the
 *          names of those that are not: {"ready":false,"waiting_for":["log"]}. Shards that stand still are named in
 *          stopped_shards, with 200: the others are served, and a front that is taken out would stop them, too.
 *          A front that cannot judge credentials yet waits for the database, since it refuses whoever brings one.
 * Thread   the loop's.          May use: http.
 */
#pragma once

#include <stdbool.h>

struct gateway;
struct request;

void health_live(struct request *request);
void health_ready(struct request *request);

/* Whether it was read which sessions have ended, and which API keys live. Until then the answer to who brings a
 * session's token or a key is 503 (authentication.h). */
bool health_judges_credentials(const struct gateway *gateway);
