/* smtp_calls.h: mails handed to one SMTP server, on a uv loop, by libcurl.
 *
 * Promise  each message's callback is called exactly once, on the loop's thread, and not before smtp_send has returned.
 *          SMTP_SENT is the server's 250 after the whole message: it answers for it from there on. Whoever sends again
 *          after SMTP_TRY_LATER may send twice (the 250 may be what was lost): under one Message-ID, therefore.
 * Results  SMTP_REFUSED is the server's 5xx to the recipient or to the message: they will not do tomorrow either. All
 *          else is SMTP_TRY_LATER: 4xx, no connection, a time-out, and 5xx before that, which is about us: a password,
 *          a sender it does not know, our address on a list. Somebody can mend that.
 * TLS      smtps:// from the first byte; smtp:// by STARTTLS, without which nothing is sent, not even a password, and
 *          the certificate must be for the host. Only to a host that is this machine's own mail goes as it is, unless
 *          there is a ca_file.
 * Bounds   SMTP_CALLS_MAX messages of SMTP_MESSAGE_MAX_BYTES; past that smtp_send answers ERR_TOO_LARGE, retriable when
 *          it is their number. At most connections_max go at once and the others wait, in their order; each
 *          has timeout_ms from when it goes, a second attempt included. A connection is kept for the next message, for
 *          SMTP_KEPT_S.
 * Privacy  what is told of a failure names no address.
 * Memory   settings and messages are copied.
 * Thread   the loop's, which never waits for the server.         May use: base, http/tls, libcurl.
 */
#pragma once

#include <uv.h>

#include "core/base/err.h"
#include "core/base/str.h"

enum {
    SMTP_CALLS_MAX = 16,
    SMTP_CONNECTIONS_MAX = 4,
    SMTP_TIMEOUT_MS = 30000,
    SMTP_KEPT_S = 60,
    SMTP_MESSAGE_MAX_BYTES = 1024 * 1024,
};

struct smtp_server {
    const char *url; /* smtp[s]://HOST[:PORT][/NAME]; NAME is what we call ourselves (EHLO), else the machine's name */
    const char *username, *password; /* NULL or empty: none */
    const char *ca_file;             /* PEM, the authorities to be trusted; NULL or empty: the system's */
    int timeout_ms;                  /* 0: SMTP_TIMEOUT_MS */
    int connections_max;             /* 0: SMTP_CONNECTIONS_MAX, which is the most */
};

struct smtp_message {
    struct str from, to; /* FORMAT_EMAIL */
    struct str data;     /* RFC 5322, lines end in CRLF */
};

enum smtp_result { SMTP_SENT, SMTP_TRY_LATER, SMTP_REFUSED };

struct smtp_outcome {
    enum smtp_result result;
    int code;        /* the server's last answer to this message, or in its connection's beginning; 0: none came */
    const char *why; /* for an operator; NULL when sent. Lives as long as the callback. */
};

/* May send the next. */
typedef void smtp_done_cb(void *context, const struct smtp_outcome *outcome);

struct smtp_calls;

/* ERR_CONFIG when the settings cannot work. Nothing is connected yet. */
MUST_CHECK enum err smtp_calls_open(uv_loop_t *loop, const struct smtp_server *server, struct smtp_calls **ret_calls,
                                    struct err_info *info);

/* Ends what is in flight or waits (told SMTP_TRY_LATER), then calls on_closed (may be NULL); the memory is gone after
 * it. */
void smtp_calls_close(struct smtp_calls *calls, void (*on_closed)(void *context), void *context);

/* ERR_MALFORMED when an address is none. */
MUST_CHECK enum err smtp_send(struct smtp_calls *calls, const struct smtp_message *message, smtp_done_cb *on_done,
                              void *context, struct err_info *info);

/* In flight or waiting. */
int smtp_calls_open_count(const struct smtp_calls *calls);
