/* peers.h: the other roles of a process, as its operator's pages show them: /metrics and /health/ready.
 *
 * Purpose  the front serves the pages of all roles of its process; a process without the front has a small server for
 *          them (admin.h). Both ask the roles here.
 * Thread   any.          May use: base.
 */
#pragma once

#include "core/base/buf.h"
#include "core/base/json_write.h"

struct gateway_peer {
    const char *name; /* "handler" */
    void (*metrics)(const void *peer, struct buf *out);
    bool (*is_ready)(const void *peer);
    void (*describe)(const void *peer, struct json_writer *writer); /* further members of /health/ready; may be NULL */
    const void *peer;
};

/* The answer of /health/ready. `awaited` are names that the caller waits for himself. */
void peers_readiness_write(const struct gateway_peer *peers, size_t count, const char *const *awaited,
                           size_t awaited_count, struct buf *out, bool *ret_is_ready);

void peers_metrics_write(const struct gateway_peer *peers, size_t count, struct buf *out);
