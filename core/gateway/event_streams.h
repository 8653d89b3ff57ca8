/* event_streams.h: clients that stay connected and are told each new version of a document.
 *
 *      a view's notice ─► subject: one document ─► read once, whoever waits for it ─► delivery ─► its readers
 *      the sweep ────────►  (hash of its stream)                                       (slices)
 *
 * Promise  a reader is sent versions that only grow, each once, and whatever happens the newest one in the end: who is
 *          behind is told the newest and not what was in between, because then nothing has to be kept for anybody. A
 *          reader that does not read delays nobody: he is sent nothing before he has taken what he was sent last.
 *          A lost notice, a lost connection of the database and a failed reading are made good by the sweep, which
 *          asks for the versions of all subjects.
 * Whose    a document that not all may follow says its owner with each reading; who opens a stream is judged by that
 *          one. What was read of another owner since is sent to nobody who was judged before: his stream ends, and when
 *          he comes again he is judged anew.
 * Opening  answered by a reading that began after the request came, so that what its Daybook-Position waited for is in
 *          it. All that wait for one subject share it.
 * Bounds   streams_max readers, streams_per_address of one address; EVENT_DOCUMENTS_MAX documents read or delivered at
 *          a time, EVENT_MAX_BYTES each; EVENT_SLICE readers are served in a turn of the loop and EVENT_RATE_MAX in a
 *          second, so that others have most of the loop however much changes: versions that come meanwhile are passed
 *          over. What a reader may leave unread is one event (core/http/stream.h).
 * Memory   a reader costs 136 bytes beside its connection (1 KiB), a subject 160 and its names; no document is kept.
 *          A subject without readers is there only while its document is read or delivered: their number is bounded.
 * Size     event_streams.c is long because readers, readings, deliveries and the sweep end one subject's life together.
 * Thread   the loop's. What others call only notes what is to be done; event_streams_work does it.
 *          May use: http, pg, projections' contracts.
 */
#pragma once

#include "core/base/address_counts.h"
#include "core/gateway/view_wait.h"
#include "core/http/deadline.h"
#include "core/http/stream.h"
#include "projections/runtime/behind.h"

enum {
    EVENT_HEARTBEAT_MS = 15000, /* nothing was sent for so long: a comment is, as the specification advises */
    EVENT_RETRY_MIN_MS = 1000,  /* a client comes again after a time between the two, each after another: */
    EVENT_RETRY_MAX_MS = 4000,  /* a front that ends sends thousands to the others */
    EVENT_DOCUMENTS_MAX = 64,
    EVENT_MAX_BYTES = 4 * 1024 * 1024,
    EVENT_SLICE = 256,
    EVENT_RATE_MAX = 40000, /* events a second */
    EVENT_BURST_MAX = 4000, /* that may go at once, after a while of less */
    EVENT_SWEEP_MS = 1000,
    EVENT_SWEEP_SOON_MS = 250, /* when a notice said that anything may have changed */
    EVENT_SWEEP_STREAMS = 512, /* about so many in one statement, so that others of the connection wait a millisecond */
    EVENT_VIEWS_MAX = 16,
};

struct event_streams;

/* A kind of document that can be followed. */
struct event_source {
    const char *view;
    enum log_topic topic;             /* of its stream */
    const struct pg_statement *by_id; /* document, version, owner; by one parameter */
    bool has_owner;                   /* the statement has that column */
    const char *without;              /* the member of the document that these readers are not shown; NULL: all of it */
};

enum event_found {
    EVENT_THERE,
    EVENT_UNKNOWN,  /* there is no such document, or the view has not seen it yet */
    EVENT_FAILED,   /* the reading, with the database's error */
    EVENT_TOO_MANY, /* readers already */
    EVENT_TOO_MANY_OF_ADDRESS,
    EVENT_STOPPING,
};

/* What a reader is told when his stream opens, or does not. */
struct event_opening {
    enum event_found found;
    enum err failure; /* with EVENT_FAILED */
    struct str owner; /* with EVENT_THERE: whose it is (access.h); empty: everybody's */
};

/* Answers the request. With EVENT_THERE it begins the stream, and says whether that is open; the document follows. */
typedef bool event_answer(void *context, const struct event_opening *opening, struct http_stream *stream);

/* Who wants to follow what. */
struct event_wish {
    const struct event_source *source;
    struct str stream;    /* copied, like the next one */
    struct str parameter; /* the statement's */
    int64_t version_seen; /* nothing up to it is sent; 0: the client has seen nothing */
    uint8_t client[ADDRESS_BYTES];
    event_answer *answer;
    void *context;
};

struct event_reader {
    struct http_stream stream;
    struct event_subject *subject;
    struct event_reader *previous, *next; /* of the subject */
    struct address_count *of_address;     /* NULL: they are not counted */
    struct deadline heartbeat;            /* set as long as it lives */
    int64_t version;                      /* it has */
    uint64_t reading;                     /* by which it is answered, or a later one */
    uint64_t owner_number;                /* of whose it was when it opened */
    event_answer *answer;                 /* NULL once it is open */
    void *context;
};

struct event_subject {
    struct event_streams *streams;
    const struct event_source *source;
    struct event_subject *next_in_slot;
    struct event_subject *previous_due, *next_due;
    struct str stream, parameter;
    uint64_t hash;
    struct event_reader *readers; /* newest first */
    int64_t version;              /* the newest that was read */
    struct buf owner;             /* whose it was then, where the source says it */
    uint64_t owner_number;        /* counts the owners that were read */
    uint64_t readings;            /* begun so far */
    bool is_due;                  /* to be read, for readers that it has */
    bool is_reading;              /* a statement is on its way */
    bool is_changed;              /* since that began, or since its delivery did: it is due again then */
    bool has_failed;              /* its last reading */
    struct event_delivery *delivery;
};

/* A view whose documents are followed. */
struct event_view {
    struct event_streams *streams;
    const char *name;
    bool is_asking;   /* a statement of the sweep is on its way */
    bool is_unclear;  /* a notice did not say what has changed */
    size_t next_slot; /* where the sweep goes on */
    int64_t sweep_due_us, sweep_due_soon_us;
};

struct event_streams_stats {
    uint64_t open, sent_total, documents_total; /* events sent, and how often documents were read for them */
    uint64_t unread_total;                      /* streams that ended with an event not taken by the reader */
    uint64_t crowded_total;                     /* that were refused because their address had as many as it may */
};

struct event_streams_options {
    struct pg_pool *pg;
    view_ask *ask;               /* pg_pool_query, or a test's */
    size_t streams_max;          /* readers at once */
    size_t streams_per_address;  /* of these, of one address (IPv6: of one /64); 0: no bound */
    void (*wake)(void *context); /* event_streams_work is to be called in the loop's next turn */
    void *context;
};

struct event_streams {
    struct event_streams_options options;
    struct event_subject **slots; /* by hash */
    size_t slot_count;            /* a power of two */
    size_t reader_count;
    struct address_counts by_address;
    struct event_view views[EVENT_VIEWS_MAX]; /* by the place in `views` */
    struct event_subject *first_due, *last_due;
    struct event_delivery *first_delivery, **last_delivery;
    size_t documents; /* being read, or delivered */
    struct deadline_queue heartbeats;
    struct buf scratch;
    int64_t now_us, allowed_at_us;
    int64_t allowed; /* so many events, until the next tick */
    bool is_stopping;
    struct event_streams_stats stats;
};

void event_streams_init(struct event_streams *streams, const struct event_streams_options *options,
                        int64_t now_boot_us);
/* No statement of its own may be on its way, and no reader be left. */
void event_streams_release(struct event_streams *streams);

/* The wish's `answer` is called once: later, or, when there are too many or the end has come, at once; then there is no
 * reader (NULL). */
struct event_reader *event_streams_join(struct event_streams *streams, const struct event_wish *wish);
/* Whoever was to be answered is gone; `answer` is not called any more. */
void event_streams_leave(struct event_reader *reader);

/* What a view told of a commit. */
void event_streams_moved(struct event_streams *streams, struct view_notice notice);
void event_streams_tick(struct event_streams *streams, int64_t now_boot_us);
/* What was noted; whether there is more, for the next turn. */
MUST_CHECK bool event_streams_work(struct event_streams *streams, int64_t now_boot_us);

/* Ends all streams: those whose readers have taken all with a last word, the others at once. */
void event_streams_stop(struct event_streams *streams);
