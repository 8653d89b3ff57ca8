/* mails.h: which events are told to people by mail, to whom, and what stands in it. The table is in mails.c.
 *
 *      CustomerVerificationRequested  verify             a link with a token, for a day
 *      CustomerPasswordResetRequested reset              the same, for an hour
 *      CustomerEmailChangeRequested   email_change       the same, for a day, to the new address
 *      CustomerEmailChanged           email_changed      to the address before
 *      CustomerPasswordChanged        password_changed
 *      LoginFailed                    locked             when it locked the login
 *                                     locked_within      when it was within a session, and locked what is done there
 *      SessionEnded                   reused             when a token came back that had been used
 *      CustomerTotpEnabled            totp_enabled
 *      CustomerTotpEnded              totp_ended
 *      CustomerSuspended              suspended          since no answer at the door says so
 *      CustomerReinstated             reinstated
 *      OrderPlaced                    order_confirmed    says to whom and what was bought; it is foreseen, and
 *      OrderConfirmed                                    due now
 *      OrderConfirmationRequested     order_confirmed    the same once more
 *      OrderRejected, OrderCancelled  none any more, neither foreseen nor due
 *
 * Rule     an event that is told to somebody says to whom (`to`, sealed): whoever sends the mail folds no customer. How
 *          many there may be a day is the domain's (customer.h, Mail).
 *          An order's first mail is the exception: what it says stands where the order was placed, in the same stream,
 *          and orders bear it but once (open_errands.h folds the two).
 * Useless  a link that opens nothing any more is not sent, nor is a notice that is MAIL_NOTICE_S old, nor the
 *          confirmation of an order after MAIL_ORDER_S: so nothing waits for ever where no server takes mails. Of the
 *          last the log is told nothing: no shop shall get an event for each of its old orders on the day that it
 *          begins to send mails.
 * Promise  the same event always gives the same mail, byte for byte, with the same Message-ID.
 * Memory   the arena; an event's texts are lent.
 * Thread   pure; any.            May use: base, domain's times and money, mail_text, vault/token, generated structs.
 */
#pragma once

#include "core/base/arena.h"
#include "core/connect/mail_text.h"
#include "core/vault/secret.h"
#include "gen/events.h"

enum {
    MAIL_NOTICE_S = 7 * 24 * 3600,
    MAIL_ORDER_S = 24 * 3600,
    MAIL_VALUES_MAX = 8,
    MAIL_TIME_MAX = 48,   /* 31 September 9999, 23:59 UTC, and its NUL */
    MAIL_LINES_MAX = 50,  /* of an order that a mail lists; how many more there are it says */
    MAIL_TITLE_MAX = 120, /* bytes of a title that it shows */
};

/* A mail that is due. */
struct mail_due {
    const char *kind;      /* of its template */
    const char *token_use; /* as mail_token_write has it; NULL: there is no token in it */
    int32_t number;        /* the token's */
    int64_t asked_at_us;   /* the event's; the mail's Date */
    int64_t time_us;       /* the one that it tells of */
    int64_t useless_at_us; /* from then on it is not sent */
    struct sealed to;      /* an e-mail address */
    uint16_t told_by;      /* the type of the command that says what became of it */
    bool ends_quietly;     /* useless, it ends without that command */
    /* Of an order: */
    struct str reference; /* the storefront's own; empty for none */
    struct money total;
    const struct cart_line *lines; /* the first MAIL_LINES_MAX of them at most are read */
    uint32_t line_count;           /* of all */
};

/* Whether the event is told to somebody. */
MUST_CHECK bool mail_due_of(const struct event *event, struct mail_due *ret_due);

/* Whether the event foresees a mail: one that is due as soon as its stream says so. Its times are not known yet. */
MUST_CHECK bool mail_foreseen(const struct event *event, struct mail_due *ret_due);
/* Whether by the event the mail is due that its stream foresaw; `due` gets its times. */
MUST_CHECK bool mail_falls_due(const struct event *event, struct mail_due *due);
/* Whether after the event none of its stream's mails is to be sent any more. */
bool mails_are_off(const struct event *event);

/* Whether the event says what became of a mail: of the one that was due by the event of this id. */
MUST_CHECK bool mail_told(const struct event *event, struct str *ret_cause);

/* The texts of its template; all that there are of any template. */
void mail_values(struct arena *arena, const struct secret *secret, struct str stream, const struct mail_due *due,
                 struct mail_value ret_values[MAIL_VALUES_MAX]);

/* The lines of an order as rows of its template. */
struct mail_rows mail_rows(struct arena *arena, const struct mail_due *due);

/* <evt_..@domain>, with the domain of who sends it (`from_address`). */
struct str mail_message_id(struct arena *arena, struct str cause, struct str from_address);

/* 23 November 2026, 06:22 UTC: for people, whatever the locale. */
void mail_time_write(int64_t time_us, char ret_text[MAIL_TIME_MAX]);
