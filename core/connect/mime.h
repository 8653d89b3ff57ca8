/* mime.h: text in a mail's body and header fields, whatever its language, as bytes that every server passes on.
 *
 * Promise  what is written is ASCII, its lines end in CRLF and have MIME_LINE_MAX characters at most (a quoted address
 *          aside), and a mail reader makes the same text of it again.
 * Source   RFC 2045, 6.7 (quoted-printable); RFC 2047 (encoded words); RFC 5322, 3.2 (phrases, folding).
 * Thread   pure; any.            May use: base.
 */
#pragma once

#include "core/base/buf.h"

enum { MIME_LINE_MAX = 76 };

/* Lines of `text` end in LF. None that is written begins with a dot or "From ", which servers and mailboxes alter. */
void mime_write_body(struct buf *out, struct str text);

/* A field's whole line: `Subject: ...`. The text is UTF-8 without control characters. */
void mime_write_text_field(struct buf *out, const char *name, struct str text);

/* `From: "Name" <address>`, or the address alone when the name is empty. The address is ASCII; the name as above. */
void mime_write_address_field(struct buf *out, const char *name, struct str display_name, struct str address);
