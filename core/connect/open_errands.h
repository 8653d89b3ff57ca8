/* open_errands.h: what people are still owed, as the fold of a partition: mails, and the destruction of their keys.
 *
 * Purpose  a mail is opened by the event that asks for it (mails.h) and closed by the one that says what came of it; a
 *          destruction by CustomerErasureRequested and CustomerErased, which also closes all mails of its stream: it
 *          takes nothing more. errands.c does what is open, and nothing before it has read to the end.
 *          A mail that is foreseen is kept beside them, at the offset of the event that foresees it, until another one
 *          of its stream makes it due or takes it off: what it says stands in the first.
 * Promise  pure over events. open_errands_resume_offset is the offset before which nothing is open: committing it loses
 *          nothing, however the process dies.
 * Bounds   so many of each kind as `struct errand_bounds` says, so that mails that no server takes hold up nobody's
 *          erasure. Past one of these, further ones of that kind are passed over, while events that close are still
 *          taken in; when there is room, open_errands_rewind says from where to read again, and what is known by then
 *          opens nothing.
 * Memory   owns what is open. An errand that is closed is given away: errand_free.
 * Thread   one at a time.          May use: base, mails, generated structs.
 */
#pragma once

#include "core/base/macros.h"
#include "core/connect/mails.h"
#include "gen/events.h"

enum errand_kind { ERRAND_MAIL, ERRAND_ERASURE, ERRAND_FORESEEN /* a mail; nothing is to be done yet */ };
enum { ERRAND_KINDS = 3, ERRAND_TRACE_MAX = 64, ERRAND_CODE_SIZE = 4 };

enum errand_state {
    ERRAND_WAITS,
    ERRAND_IS_DONE, /* right now: whoever does it holds the errand */
    ERRAND_IS_TOLD, /* a command says what became of it, and the log does not show that yet */
};

/* What errands.c is doing about it. */
struct errand_progress {
    void *owner;
    enum errand_state state;
    bool is_closed, is_revoked;  /* it is not among the open ones any more; another process may have it */
    int tries;                   /* that have failed, and count */
    int waits;                   /* in a row that do not count */
    int sends;                   /* of the command */
    bool goes_alone;             /* of an erasure: with others it failed, and one of them is at fault */
    int64_t due_at_us;           /* clock_boot_us */
    const char *result;          /* of a mail that is told: sent, failed, erased */
    char code[ERRAND_CODE_SIZE]; /* of the server, three digits; empty: none. No other is recorded */
};

struct errand {
    struct errand *next, *previous; /* in the order of their offsets */
    struct errand *next_in_bucket;
    int64_t offset; /* of the event that opened it, or that foresaw it */
    enum errand_kind kind;
    struct str cause, stream, correlation_id; /* cause: the event's id */
    struct str traceparent;                   /* of the event's record, W3C; empty for none */
    struct mail_due mail;
    int64_t asked_at_us; /* the event's time; whoever knows the broker's, and finds it later, sets that */
    struct errand_progress progress;
    size_t key_count;
    struct str keys[]; /* that are to be destroyed, the person's own first; then the mail's lines, and all texts */
};

/* How many there may be of each kind. */
struct errand_bounds {
    uint32_t mails, erasures, foreseen;
};

struct open_errands;

/* Takes over an errand that is closed. */
typedef void errand_closed_cb(struct errand *errand);

struct open_errands *open_errands_create(struct errand_bounds bounds);
/* `on_drop` takes over what is still open; NULL: it is freed. */
void open_errands_free(struct open_errands *open, errand_closed_cb *on_drop);
void errand_free(struct errand *errand);

/* One event of the partition. The errand that is due by it is the answer (NULL when none), what it closes is given to
 * on_closed (NULL: freed). An event at or before the newest applied offset changes nothing. */
struct errand *open_errands_apply(struct open_errands *open, int64_t offset, const struct event *event,
                                  struct str traceparent, errand_closed_cb *on_closed);

/* Whether some were passed over and at most half of their room is taken: then all is to be read again from *ret_offset,
 * before anything that lies behind what was read last, and open_errands_resume_offset tells nothing until it was. Asked
 * again it answers false until some are passed over anew. */
bool open_errands_rewind(struct open_errands *open, int64_t *ret_offset);

/* One that is open ends without a word of the log. */
void open_errands_end(struct open_errands *open, struct errand *errand, errand_closed_cb *on_closed);

/* The oldest, or NULL; walk by ->next. */
struct errand *open_errands_first(const struct open_errands *open);
uint32_t open_errands_count(const struct open_errands *open, enum errand_kind kind);
/* Whether there are more than are open: some were passed over. */
bool open_errands_are_more(const struct open_errands *open);
int64_t open_errands_resume_offset(const struct open_errands *open);
