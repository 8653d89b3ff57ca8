/* load_greeting.h: all connections are opened before the time begins, so that requests are measured on connections
 * that are kept, and not what comes before them: TCP's and TLS's handshakes.
 *
 * Promise  on_done is called once, when each connection has had an answer to GET /health/live, or has failed; one that
 *          failed is opened again by the request that takes it. Nothing is told of the answers.
 * Bounds   the client's own: its connections, and its time for a request.
 * Thread   the client's loop's.          May use: base, http.
 */
#pragma once

#include "core/http/client.h"

struct load_greeting {
    size_t waiting; /* for so many answers */
    void (*on_done)(void *context);
    void *context;
};

/* `count` of the client's connections, none of which is in use; on_done is never called from inside. */
void load_greeting_send(struct load_greeting *greeting, struct http_client *client, size_t count,
                        void (*on_done)(void *context), void *context);
