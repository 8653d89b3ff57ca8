/* tls.h: TLS 1.2 and 1.3 between a socket's bytes and a connection's: no sockets, no loop.
 *
 *      socket -> ciphertext -> tls_received -> plain -> connection
 *                                   |  (handshake, alerts)
 *      socket <- wire <-------------+------- tls_send <- connection
 *
 * Why      libuv owns the socket and its back-pressure, so OpenSSL gets a BIO of our own that reads what was received
 *          and writes into a buffer (docs/adr/0036-tls-over-memory.md).
 * Profile  Mozilla's intermediate: TLS 1.2 and 1.3; ECDHE with AES-GCM or ChaCha20-Poly1305; X25519, P-256, P-384; a
 *          server signs by ECDSA, EdDSA or RSA-PSS. No
 *          DHE (no parameters to keep), compression, renegotiation, tickets, session cache, or early data: each
 *          connection is a whole handshake, and lives long. ALPN http/1.1; who offers other protocols alone is refused.
 * Promise  bytes are taken wherever they are cut. After TLS_FAILED `wire` ends with the alert that tells the peer why,
 *          where there is one, and nothing more can be sent or received. A context outlives its last connection by
 *          itself: a reload or tls_context_close leaves those that are open alone.
 * Bounds   files of TLS_FILE_MAX_BYTES; plaintext of one tls_received is less than its ciphertext and one record
 *          (TLS_RECORD_MAX_BYTES); what is sent grows by less than 1/16 and TLS_RECORD_MAX_BYTES. `plain` and `wire`
 *          have bounds of their own: past them it fails.
 * Memory   an idle connection holds no buffers: less than TLS_IDLE_MAX_BYTES.
 * Thread   a context: any thread. A struct tls: one at a time.          May use: base, openssl.
 */
#pragma once

#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/err.h"

enum {
    TLS_FILE_MAX_BYTES = 1024 * 1024,
    TLS_RECORD_MAX_BYTES = 16 * 1024 + 256, /* RFC 8446, 5.2; TLS 1.2's are smaller with our ciphers */
    TLS_IDLE_MAX_BYTES = 24 * 1024,
};

struct tls_context;

/* PEM: the chain, leaf first; its key, without a passphrase. */
struct tls_files {
    const char *certificate, *key;
};

/* ERR_CONFIG when they cannot be read, do not fit, or the certificate is not valid now. */
MUST_CHECK enum err tls_context_open(const struct tls_files *files, struct tls_context **ret_context,
                                     struct err_info *info);

/* Loads them anew when they are no longer those that were loaded (device, inode, times, size), both or none: on failure
 * what was loaded stays, and the next call tries again. Reads files; one caller at a time. */
MUST_CHECK enum err tls_context_reload(struct tls_context *context, bool *ret_changed, struct err_info *info);

/* When the certificate that new connections get ends to be valid, in seconds since 1970. */
int64_t tls_context_expires_at_s(const struct tls_context *context);

void tls_context_close(struct tls_context *context);

/* For clients: servers must show a certificate of one of the authorities in `ca_file` (PEM); NULL: of the system's. */
MUST_CHECK enum err tls_client_context_open(const char *ca_file, struct tls_context **ret_context,
                                            struct err_info *info);

struct tls;

/* One side of a connection. `peer_name` is the server's name or address, which its certificate must be for; NULL on the
 * server's side. A client's first bytes are made by tls_received of nothing. */
struct tls *tls_begin(struct tls_context *context, const char *peer_name);
void tls_free(struct tls *tls);

enum tls_state {
    TLS_GOES_ON,
    TLS_ENDED, /* the peer sends no more (close_notify); it may still read */
    TLS_FAILED,
};

/* Takes ciphertext; appends plaintext, and what must be sent because of it. All is taken, save after the end. */
MUST_CHECK enum tls_state tls_received(struct tls *tls, struct str ciphertext, struct buf *plain, struct buf *wire);

/* Appends to `wire` what tells the peer these bytes, when tls_is_open. False: it has failed. */
MUST_CHECK bool tls_send(struct tls *tls, struct str plain, struct buf *wire);

/* Nothing more is sent: appends close_notify, once, when tls_is_open. */
void tls_end(struct tls *tls, struct buf *wire);

/* The handshake is over, and nothing has failed since. */
bool tls_is_open(const struct tls *tls);

/* After TLS_FAILED on a client's side: the server's certificate is not to be trusted, or for another name. */
bool tls_distrusts(const struct tls *tls);
