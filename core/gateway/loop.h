/* loop.h: one event loop of the gateway, and what all loops share. For core/gateway alone.
 *
 * Thread   a loop's members belong to its thread, save the mailbox and the metrics, which have locks. What is in
 *          struct gateway is set before the loops run and then read-only, or atomic.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "core/base/config.h"
#include "core/base/text.h"
#include "core/gateway/admission.h"
#include "core/gateway/api_keys.h"
#include "core/gateway/authentication.h"
#include "core/gateway/certificate.h"
#include "core/gateway/cors.h"
#include "core/gateway/docs.h"
#include "core/gateway/event_streams.h"
#include "core/gateway/export_person.h"
#include "core/gateway/facts.h"
#include "core/gateway/gateway.h"
#include "core/gateway/hashing.h"
#include "core/gateway/held.h"
#include "core/gateway/limits.h"
#include "core/gateway/mailbox.h"
#include "core/gateway/metrics.h"
#include "core/gateway/outcome_questions.h"
#include "core/gateway/outcome_waiters.h"
#include "core/gateway/page_cache.h"
#include "core/gateway/password_rules.h"
#include "core/gateway/recent_carts.h"
#include "core/gateway/recent_outcomes.h"
#include "core/gateway/refusal_log.h"
#include "core/gateway/revocations.h"
#include "core/gateway/view_wait.h"
#include "core/http/server.h"
#include "core/log/producer.h"
#include "core/log/topics.h"
#include "core/pg/pool.h"
#include "core/vault/master.h"
#include "core/vault/secret.h"
#include "core/vault/vault.h"

enum {
    GATEWAY_QUESTIONS_MAX = 64, /* outcomes asked of the log at a time by GET /v1/commands/{id}, all loops together */
    LOOP_WAITERS_MAX = 16384,   /* commands in flight a loop; past it 503 */
    LOOP_LETTERS_MAX = 65536,   /* answers not yet handled by a loop; past it dropped, see mailbox.h */
    LOOP_LETTERS_MAX_BYTES = 128 * 1024 * 1024,
    LOOP_SCRATCH_MAX = 4 * 1024 * 1024,
    LOOP_LISTS_MAX = 256, /* lists in flight a loop; past it 503 */
    LOOP_LIST_TIMEOUT_MS = 2000,
    HASHINGS_MAX = 64, /* passwords that wait to be hashed, all loops together; past it 429 */
};

struct replies;

struct gateway_loop {
    struct gateway *gateway;
    unsigned number;
    uv_loop_t uv;
    pthread_t thread;
    struct http_server *server;
    /* Connections of their own, because on one each statement waits for those before it: nobody's list may hold up a
     * checkout's prices, nor what others read by id. */
    struct pg_pool *pg;       /* what commands need: price facts, vault keys, where views stand; hears the views */
    struct pg_pool *query_pg; /* documents by id, those that are followed too */
    struct pg_pool *list_pg;  /* lists: few at a time, and not for long */
    struct pg_pool *vault_pg; /* persons' keys; NULL unless vault_postgres is set: then `pg` is asked for them */
    unsigned open_pools;
    struct vault *vault;
    struct mailbox mailbox;
    struct admission admission;
    struct outcome_waiters waiters;
    size_t undecided_count; /* of the waiters: those that no client waits for (undecided.h) */
    struct outcome_questions questions;
    uint64_t last_submission;
    struct view_waits view_waits;
    struct facts_cache facts;
    struct page_cache pages;
    struct authentication authentication;
    struct hashing_outlet hashing_outlet;
    struct held_answers held_answers;
    size_t customers_pages;                     /* that wait for the vault (customers_admin.h) */
    struct revocation_reader revocation_reader; /* the first loop reads for all */
    struct event_streams event_streams;
    struct person_exports exports;
    uv_idle_t event_work; /* runs while they have something to do */
    struct metrics metrics;
    struct refusal_log refusals;
    char reply_instance_text[ULID_TEXT_LEN + 16];
    struct str reply_instance; /* the gateway's instance id, a dot and the loop's number */
    uv_timer_t tick;
    uv_async_t stop;
    struct buf scratch;        /* for what is written and at once copied: records, documents */
    struct arena letter_arena; /* for one outcome at a time */
    bool database_was_up;      /* as last told to the log */
    uint64_t unopened_told;    /* of the vault's keys that could not be opened, those told to the log */
    int64_t unopened_told_at_boot_us;
    int64_t clock_told_at_boot_us; /* that the clocks differ; 0: they do not */
};

struct gateway {
    const struct config *config;
    const struct gateway_peer *peers;
    size_t peer_count;
    struct secret secret;
    struct master_ring *masters;
    struct log_topics topics;
    struct log_producer *producer;
    struct replies *replies;
    struct local_replies *local_replies; /* NULL: no handler in this process */
    struct recent_carts recent_carts;
    struct recent_outcomes recent_outcomes;
    struct revocations revocations;
    struct hashing *hashing;
    struct password_rules passwords;
    char nobodys_verifier
        [PASSWORD_VERIFIER_MAX]; /* of a password that nobody knows, for whom there is none to compare */
    struct docs docs;
    struct api_keys *api_keys; /* the first loop reads them */
    struct limits *limits;     /* NULL: none */
    bool roles_need_factor;    /* setting `staff_second_factor` */
    bool is_open;              /* setting `access`: whoever brings no credentials may do everything */
    struct address_list trusted_proxies, metrics_from;
    _Atomic bool has_warned_of_proxy;
    struct cors_origins cors;
    struct certificate certificate; /* the first loop looks at it */
    struct gateway_loop *loops;
    size_t loop_count;
    char instance[ULID_TEXT_LEN + 1]; /* this start of this process */
    int32_t reply_partition;
    _Atomic bool stopping;
};

MUST_CHECK enum err loop_open(struct gateway_loop *loop, struct gateway *gateway, unsigned number, int port,
                              struct err_info *info);
/* The thread's body: runs until loop_stop. */
void *loop_run(void *gateway_loop);
/* From any thread: the loop answers what it has in hand (GATEWAY_GRACE_MS at most) and ends. */
void loop_stop(struct gateway_loop *loop);
void loop_release(struct gateway_loop *loop);
/* All its connections stand. */
bool loop_database_is_up(const struct gateway_loop *loop);
