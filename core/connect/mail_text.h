/* mail_text.h: the mails that people get, each from a template in two parts, text and HTML (core/connect/mails/).
 *
 *      mails/verify.txt    Subject: Confirm your address           {{name}} stands for a value.
 *                          (an empty line)                         {{#name}}..{{/name}} is left out where it is empty.
 *                          Open {{public_url}}/...                 {{#lines}}..{{/lines}} comes once for each row.
 *      mails/verify.html   the same once more                      Nothing else is understood; a part has none within.
 *
 *                          A line's end right behind {{#..}} or {{/..}} belongs to it.
 *
 * Promise  a mail is RFC 5322 and MIME: multipart/alternative, text first, UTF-8 as quoted-printable; ASCII, lines end
 *          in CRLF and have 76 characters at most (those of addresses and Message-ID aside). The same mail is the same
 *          bytes. Values are escaped for HTML. No value can become a header field: control characters are refused.
 * Bounds   MAIL_MAX_BYTES a mail, MAIL_VALUE_MAX_BYTES a value; who makes rows bounds how many (mails.h).
 * Rule     links have their token behind a '#', so that it is sent to no server and stands in no log.
 * Thread   pure; any.            May use: base, mime, http_date, the templates.
 */
#pragma once

#include <stddef.h>

#include "core/base/buf.h"
#include "core/base/macros.h"

enum { MAIL_MAX_BYTES = 64 * 1024, MAIL_VALUE_MAX_BYTES = 512, MAIL_NAME_MAX_BYTES = 128 };

/* Each template with its values, beside public_url, which all have: to whom it goes is said by its event. Times are
 * texts for people. */
#define MAIL_TABLE(ROW)                                                                                                \
    ROW(verify, "customer token until")       /* prove that the mailbox is yours, and begin */                         \
    ROW(reset, "customer token until")        /* choose a new password */                                              \
    ROW(email_change, "customer token until") /* to the new address: prove that it is yours */                         \
    ROW(email_changed, "when")                /* to the address before */                                              \
    ROW(password_changed, "when")                                                                                      \
    ROW(locked, "until")        /* so many wrong passwords or codes that nobody can log in for a while */              \
    ROW(locked_within, "until") /* the same within a session: whoever has it may not be its owner */                   \
    ROW(reused, "when")         /* a session's token was used twice: it may have been stolen */                        \
    ROW(totp_enabled, "when")   /* an authenticator's codes are asked for */                                           \
    ROW(totp_ended, "when")                                                                                            \
    ROW(suspended, "when")  /* the house lets nobody in with this account */                                           \
    ROW(reinstated, "when") /* and does again */                                                                       \
    ROW(order_confirmed, "order reference total more lines")

struct mail_kind {
    const char *name;
    const char *values; /* their names, with spaces between */
    const char *text, *html;
};

extern const struct mail_kind mail_kinds[];
extern const size_t mail_kind_count;

struct mail_value {
    const char *name;
    struct str text; /* one line */
};

/* What {{#lines}} is repeated for: `count` times `value_count` values, row by row. */
struct mail_rows {
    const struct mail_value *values;
    size_t count, value_count;
};

struct mail {
    const char *name; /* of its template */
    struct str to;
    struct str public_url; /* FORMAT_URL */
    struct str message_id; /* <evt_..@host>: the same whenever this mail is sent again */
    const struct mail_value *values;
    size_t value_count;
    struct mail_rows rows;
    int64_t date_us;
};

/* `from` is an address, or `Name <address>`. False: `ret_why` says what is not as it must be, and nothing is written. A
 * template that there is not, or without a value of its own, is our bug. */
MUST_CHECK bool mail_write(struct buf *out, const struct mail *mail, struct str from, const char **ret_why);

/* The two parts of `Name <address>`, for the envelope; the name may stand in quotes, and is empty when there is none.
 * False when it is neither that nor an address. */
MUST_CHECK bool mail_sender_read(struct str from, struct str *ret_name, struct str *ret_address);
