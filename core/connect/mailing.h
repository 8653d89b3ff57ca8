/* mailing.h: one mail's way to the server: its address is unsealed, it is written, and handed over.
 *
 *      vault: the key of the address -> unsealed -> mail_write -> smtp_send -> told
 *
 * Promise  each mail is told of exactly once, on the loop's thread, may be before mailing_send returns.
 * Bounds   MAILING_MAX at once; whoever sends asks mailing_has_room before.
 * Privacy  what is told names no address, and none is kept.
 * Thread   the loop's.          May use: base, mails, smtp_calls, vault.
 */
#pragma once

#include "core/connect/open_errands.h"
#include "core/connect/smtp_calls.h"
#include "core/vault/vault.h"

enum { MAILING_MAX = SMTP_CALLS_MAX };

enum mail_end {
    MAIL_SENT,
    MAIL_DEFERRED, /* the server did not take it, and may later */
    MAIL_REFUSED,  /* it never will */
    MAIL_ERASED,   /* the key is destroyed: nobody can know any more to whom it was to go */
    MAIL_NOT_NOW,  /* it did not come to the server, for reasons of ours; a key that the vault has lost is one */
};

struct mail_result {
    enum mail_end end;
    int code;        /* the server's last answer; 0: none came */
    const char *why; /* for an operator; NULL when sent. Lives as long as the callback. */
};

typedef void mail_done_cb(struct errand *errand, const struct mail_result *result);

struct mailing;

struct mailing_options {
    struct vault *vault;
    const struct secret *secret;
    struct smtp_calls *calls;
    const char *from;       /* an address, or Name <address> */
    const char *public_url; /* FORMAT_URL */
};

/* ERR_CONFIG when the settings cannot work. What the options name must outlive it. */
MUST_CHECK enum err mailing_open(const struct mailing_options *options, struct mailing **ret_mailing,
                                 struct err_info *info);
/* When vault and calls tell nothing more. NULL is allowed. */
void mailing_close(struct mailing *mailing);

bool mailing_has_room(const struct mailing *mailing);
/* The errand must live until it is told. */
void mailing_send(struct mailing *mailing, struct errand *errand, mail_done_cb *on_done);
