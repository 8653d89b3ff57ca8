/* refusal_log.h: who was refused what, for whoever watches over the front: a line of the log each, so many at most.
 *
 * Purpose  refused rights, credentials that are none, forged words of a provider, limits that were met, fields that are
 *          not the client's to send, and requests that are no HTTP (ASVS 5.0, 16.3.2, 16.3.3). What an honest client
 *          meets every day is not in it: a token that has had its time, a code that is still to be sent.
 * Line     "refused", with kind, status, code, method, route, who, trace and left_out.
 *          `route` is the pattern of routes.def, never what was asked for; `who` is an id (cus_, key_), guest:<hash> or
 *          anonymous. Nothing that the client wrote is in it but his trace id, which is hexadecimal; no address, no
 *          personal data, no secret.
 * Bounds   of each kind, and apart of those who are known and of all others, REFUSALS_AT_ONCE lines and then one in
 *          REFUSAL_EVERY_US: a flood of one kind hides no other, and who floods as nobody hides nobody who is known.
 *          What is left out is counted, and the next line of the same sort says how many (`left_out`); /metrics counts
 *          all.
 * Thread   the loop's.           May use: base.
 */
#pragma once

#include <stdint.h>

#include "core/base/str.h"

enum { REFUSALS_AT_ONCE = 20, REFUSAL_EVERY_US = 1000 * 1000 };

#define REFUSAL_KIND_TABLE(ROW)                                                                                        \
    ROW(RIGHTS, "rights")           /* who asks may not, or must not know of it */                                     \
    ROW(CREDENTIALS, "credentials") /* what he says who he is by is none */                                            \
    ROW(FORGED, "forged")           /* a signature or a keyed hash is not ours, or not the provider's */               \
    ROW(LIMITS, "limits")                                                                                              \
    ROW(INPUT, "input")         /* a field that is not a client's to send */                                           \
    ROW(MALFORMED, "malformed") /* no HTTP/1.1, or past its bounds: refused before it was a request */

enum refusal_kind {
    REFUSAL_NOT_TOLD,
#define REFUSAL_KIND_ENUM(name, text) REFUSAL_##name,
    REFUSAL_KIND_TABLE(REFUSAL_KIND_ENUM)
#undef REFUSAL_KIND_ENUM
        REFUSAL_KINDS
};

/* Of an answer to a request; `is_for_everybody`: its route is, or there is none. */
enum refusal_kind refusal_kind_of(int status, const char *code, bool is_for_everybody);
/* Of what the server refuses by itself (core/http/refusal.h). */
enum refusal_kind refusal_kind_of_server(int status);

/* Zeroed it is empty. */
struct refusal_log {
    struct refusal_sort {
        int64_t next_at_us; /* when the last line that was written would have been, one after the other */
        uint64_t left_out;
    } sorts[REFUSAL_KINDS][2];
};

struct refusal {
    enum refusal_kind kind;
    int status;
    const char *code;
    const char *method, *route; /* "" where there is none */
    struct str who;             /* empty: anonymous */
    bool is_known;              /* a person or an API key */
    struct str trace_id;        /* empty: none */
};

/* Writes the line, or counts it as left out; nothing for REFUSAL_NOT_TOLD. */
void refusal_log_note(struct refusal_log *log, const struct refusal *refusal, int64_t now_us);
