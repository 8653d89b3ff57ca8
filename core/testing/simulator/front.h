/* front.h: stands in for core/gateway: a process that sends commands to the log and hears what became of them.
 *
 * Purpose  clients (shopper.h) make requests of it as they would over HTTP. It sends through the real producer, reads
 *          its partition of replies with the real reader, joins requests for the same command, asks for an outcome that
 *          does not come (after 2 s, then after twice that ...), and answers what it knows by then, as
 *          core/gateway/{submit,replies,commands,outcome_query}.c do. What it leaves out is HTTP, views and sealing.
 * Promise  every request is answered once, as an event of the world, unless the client has gone: at the latest when the
 *          client's patience is over. A front that was killed leaves its clients without an answer, and is started
 *          again.
 * Memory   requests are the caller's, for the length of the run; so are the texts of their commands.
 * Thread   one.                  May use: base, log, core/gateway/identity.h, world.
 */
#pragma once

#include "core/base/config.h"
#include "core/testing/simulator/journal.h"

struct front_request {
    struct journal_entry *entry;
    struct command command; /* not of a question */
    bool is_torn;           /* the record breaks off somewhere */
    int64_t age_us;         /* it is sent as one that was made so long ago */
    bool may_join; /* it may share the answer of another one for the same command, as on one loop of one gateway */
    int64_t patience_us;                              /* so long the client waits */
    void (*on_answer)(struct front_request *request); /* entry->told says what; NULL: nobody is there to hear it */
    void *context;

    /* The front's own: */
    bool is_over; /* answered, or the client went */
    uint64_t submission;
    int64_t answer_by_us, ask_at_us, ask_interval_us; /* by CLOCK_BOOTTIME */
    bool has_asked;
    struct journal_told told;
    struct front_request *previous, *next;
};

struct front_options {
    const struct config *config;
    struct journal *journal;
    const char *instance;              /* "front": its process's name */
    int64_t hop_least_us, hop_most_us; /* between a client and the front, one way */
    uint32_t lost_answers_per_million;
};

struct front;

/* Starts the process. */
struct front *front_start(const struct front_options *options);

/* From any event or fiber. */
void front_send(struct front *front, struct front_request *request);

/* From now on no answer is lost on its way to a client. */
void front_answers_all(struct front *front);

/* Ids and hashes of requests are made with this. */
const struct secret *front_secret(void);

/* A webhook of the payment provider, as core/gateway/webhook.c takes it. `on_taken` (may be NULL) hears once, as an
 * event of the world, whether it was answered 200: else the provider tells it again later. Texts are copied. */
void front_webhook(struct front *front, struct str payment, const struct record_provider_outcome *outcome,
                   void (*on_taken)(void *context, bool is_taken), void *context);
