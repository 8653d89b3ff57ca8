/* limits.h: how often each client may ask, by what it costs to answer him.
 *
 *      request -> class (routes.def: limit) -> the client's place in the class's table -> goes on | 429
 *              -> who is known -> his place in the same table                          -> goes on | 429
 *
 * Whom     an address, before anything else is looked at; then who is known by his credentials, wherever he asks from;
 *          and names, for what many clients may ask about one person. An address is no name, whatever is written.
 * Form     GCRA, the generic cell rate algorithm (ITU-T I.371): of each client one time is kept, at which all that he
 *          took would have been earned at the steady rate. A request moves it on by one interval; it is refused when
 *          that would be further ahead than the burst is worth. So a burst is let through at once, then the rate, and
 *          what is refused costs nothing.
 * Promise  limits of one class do not touch those of another, nor one client another's.
 * Bounds   each class that has a limit remembers LIMITS_SLOTS of them, 16 bytes each, in sets of four. In a full set
 *          the one who is nearest to having earned all back gives way: others, however many, do not make it forget who
 *          is being refused before they are being refused themselves.
 * Scope    one process: its loops share the table; several fronts each allow the whole, and a restart forgets it.
 * Thread   any, LIMITS_LOCKS locks for the sets.     May use: base, sodium.
 */
#pragma once

#include <stdint.h>

#include "core/base/address.h"
#include "core/base/arena.h"
#include "core/base/err.h"

enum {
    LIMITS_SLOTS = 65536,
    LIMITS_LOCKS = 256,
    LIMITS_TEXT_MAX = 64,
    LIMITS_TIMES_MAX = 100, /* so that the greatest rate, so many times, is still some nanoseconds apart */
};

/* NONE is of routes that are not limited. The name is what `limits` (config.def) and RateLimit call it. */
#define LIMIT_CLASS_TABLE(ROW)                                                                                         \
    ROW(READ, "read")         /* one thing by its name, documents about the API, what is refused before its route */   \
    ROW(SEARCH, "search")     /* lists: the database has to look for them */                                           \
    ROW(WRITE, "write")       /* commands */                                                                           \
    ROW(CHECKOUT, "checkout") /* those that hold stock, or ask a provider of payments */                               \
    ROW(LOGIN, "login")       /* where passwords are hashed, or mails are sent, for anybody */                         \
    ROW(MAIL, "mail")         /* registrations of one e-mail address, whoever sends them: each is mailed to it */      \
    ROW(AUTH, "auth")         /* credentials that were refused; taken from when they were, looked at before */

enum limit_class {
    LIMIT_NONE,
#define LIMIT_CLASS_ENUM(name, text) LIMIT_##name,
    LIMIT_CLASS_TABLE(LIMIT_CLASS_ENUM)
#undef LIMIT_CLASS_ENUM
        LIMIT_CLASSES
};

struct limits;

/* `text`: `read=200/s:1000 checkout=30/m:60`: a rate for s, m or h and how many may come at once; a class that is not
 * named has no limit. `off`: none has. ERR_CONFIG names what is wrong with it. *ret_limits is NULL for `off`: every
 * call below takes that. */
MUST_CHECK enum err limits_open(const char *text, struct limits **ret_limits, struct err_info *info);
void limits_close(struct limits *limits);

const char *limit_class_name(enum limit_class limit);

struct limit_answer {
    bool is_limited; /* false: there is no limit, and nothing else is set */
    bool passes;
    int64_t remaining;     /* so many more may come at once */
    int64_t reset_s;       /* until it is the whole burst again */
    int64_t retry_after_s; /* of a refusal: until one passes; at least 1 */
};

/* One more request of this client (IPv6: of his /64). Time is of a clock that does not jump (clock_boot_us). */
struct limit_answer limits_take(struct limits *limits, enum limit_class limit, const uint8_t client[ADDRESS_BYTES],
                                int64_t now_us);
/* The same of a name: whoever is known, by his id, or something many clients may ask about. It may take `times` as much
 * as a client (1 to LIMITS_TIMES_MAX), at once and then. Names of different kinds begin differently. */
struct limit_answer limits_take_name(struct limits *limits, enum limit_class limit, struct str name, int64_t times,
                                     int64_t now_us);
/* What limits_take would say; nothing is taken. */
struct limit_answer limits_look(struct limits *limits, enum limit_class limit, const uint8_t client[ADDRESS_BYTES],
                                int64_t now_us);

/* RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-10): the burst and how long it takes to earn,
 * what is left of it and when it is whole again. The policy's text lives as long as `limits`. */
struct str limits_policy(const struct limits *limits, enum limit_class limit);
struct str limits_state(struct arena *arena, enum limit_class limit, const struct limit_answer *answer);
