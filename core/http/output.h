/* output.h: where a connection's bytes leave: encrypted where there is TLS, written as the socket takes them.
 *
 * Promise  what is in `wire` and `output` of a connection when output_send is called leaves in that order, as one
 *          write, and nothing is encrypted before the write that it leaves with: what waits is counted once.
 * Bounds   OUTPUT_MAX_BYTES of answers, and of ciphertext 1/16 more; past them the connection is aborted.
 * Memory   ciphertext is made in a buffer that all connections of a server share; what the socket does not take at once
 *          stays with its connection.
 * Thread   the loop's.           May use: base.
 */
#pragma once

#include "core/http/connection.h"

enum {
    OUTPUT_MAX_BYTES = 64 * 1024 * 1024,
    WIRE_MAX_BYTES = OUTPUT_MAX_BYTES + OUTPUT_MAX_BYTES / 16,
};

void output_init(struct connection *connection);
void output_release(struct connection *connection);

/* What has not been taken by the socket. */
size_t output_bytes(const struct connection *connection);

/* Sends what can be sent, perhaps nothing; not while `is_writing`. May abort the connection. */
void output_send(struct connection *connection);

/* Its time for being read is over. */
void output_timed_out(struct connection *connection);
