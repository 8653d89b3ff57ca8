/* client.h: what the files of the simulated librdkafka share. Not for others: they include <librdkafka/rdkafka.h>.
 *
 * Purpose  the functions of librdkafka that Daybook calls, over broker.h and wire.h, with the behaviour of 2.0.2 as far
 *          as Daybook depends on it: which errors are retriable, abortable or fatal (its transactions' states, KIP-98
 *          and KIP-360), what is retried by itself, what callbacks run where. A function that Daybook does not call is
 *          not here, and the link fails when it begins to.
 *
 * client.c           configuration, errors, topics, headers, queues, questions to the broker.
 * client_producer.c  records as they are handed over, and reports of them.
 * client_batch.c     records on their way out.
 * client_txn.c       transactions.
 * client_consumer.c  records on their way in.
 * client_group.c     membership, offsets.
 */
#pragma once

#include <librdkafka/rdkafka.h>

#include "core/testing/simulator/broker.h"
#include "core/testing/simulator/wire.h"
#include "core/testing/simulator/world.h"

enum { CLIENT_SETTINGS_MAX = 48, RETRY_PAUSE_US = 20 * 1000 };

/* Named as librdkafka's header declares them. */
struct rd_kafka_conf_s {
    struct {
        char *name, *value;
    } settings[CLIENT_SETTINGS_MAX];
    size_t count;
    void *opaque;
    void (*on_report)(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque);
    void (*on_rebalance)(rd_kafka_t *client, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t *partitions,
                         void *opaque);
    void (*on_error)(rd_kafka_t *client, int error, const char *reason, void *opaque);
    rd_kafka_interceptor_f_on_new_t *on_new;
    void *on_new_context;
};

struct rd_kafka_topic_s {
    char *name;
};

struct rd_kafka_error_s {
    rd_kafka_resp_err_t code;
    bool is_fatal, is_retriable, requires_abort;
    char text[128];
};

struct rd_kafka_headers_s {
    struct broker_header items[BROKER_HEADERS_MAX];
    size_t count;
};

/* A message and what librdkafka keeps beside it. `shown` comes first: that is what callers hold. */
struct message {
    rd_kafka_message_t shown;
    struct message *next;
    int64_t timestamp_ms;
    rd_kafka_msg_status_t status;
    rd_kafka_headers_t headers;
    int64_t queued_at_us;   /* of one to be sent */
    bool is_error_callback; /* not a message: the client is told of a trouble */
    bool is_report;         /* a delivery report */
};

struct message_queue {
    struct message *first, **last;
    size_t count;
};

/* A partition that a producer sends to. */
struct out_partition {
    rd_kafka_topic_t *topic;
    int32_t number;
    struct message_queue waiting;
    struct message *in_flight; /* a batch, in order; NULL: none */
    size_t in_flight_count;    /* 0: a batch that is to be sent again */
    int32_t next_sequence;
    bool is_added; /* to the transaction, as the coordinator has answered */
    bool is_asked; /* a request to add it is on its way */
    struct out_partition *next;
};

/* A partition that a consumer reads. */
struct in_partition {
    rd_kafka_topic_t *topic;
    int32_t number;
    int64_t next_offset; /* -1: not known yet, asks for the group's */
    int64_t told_end;    /* the end that was told last; -1: none */
    bool is_broken;      /* its offset does not exist: told, and given up */
};

enum txn_step { STEP_INIT, STEP_READY, STEP_BEGUN, STEP_COMMITTING, STEP_ABORTING, STEP_ABORTABLE, STEP_FATAL };

enum { CLIENT_TOPICS_MAX = 4 };

struct client_member {
    char *topic; /* the first that it subscribed to; NULL: it is in no group */
    char *topics[CLIENT_TOPICS_MAX];
    size_t topic_count;
    char id[BROKER_NAME_MAX];
    int32_t generation; /* -1: it is no member */
    bool is_joining;
    bool has_assignment; /* told to the application, and not yet taken back */
    bool is_lost;        /* what is taken back cannot be committed any more */
    bool must_revoke;    /* to be told */
    bool must_assign;
    bool is_closed;
    int32_t partitions[64]; /* of each topic: they have the same number of them, and the members of a group all read
                               the same, so that the range assignor gives the same of each */
    size_t partition_count;
    uint64_t joins;
    int64_t heard_us; /* the coordinator's last good answer */
    uint64_t beats;   /* heartbeats of an older membership end themselves */
};

struct rd_kafka_s {
    rd_kafka_type_t type;
    struct rd_kafka_conf_s conf;
    struct sim_process *process;
    const char *name;
    struct wire wire, group_wire;
    bool is_destroyed;
    struct message_queue queue; /* what the application polls */
    bool is_yielded;
    bool is_closing; /* of a consumer: librdkafka 2.0.2 takes a yield then for the end of the closing */
    int event_fd;    /* -1: none */
    rd_kafka_t *next;

    /* a producer's */
    struct broker_producer producer;
    bool has_id, asks_for_id, must_renew_id;
    struct out_partition *out;
    size_t out_count; /* messages not yet reported */
    rd_kafka_resp_err_t fatal;
    rd_kafka_interceptor_f_on_request_sent_t *on_request_sent;
    void *on_request_sent_context;
    enum txn_step step;
    rd_kafka_resp_err_t txn_error;
    char txn_error_text[128];
    bool txn_asked; /* something was asked of the coordinator: it must be ended */
    uint64_t txn_number;
    rd_kafka_resp_err_t call_result; /* of the coordinator's answer that a call waits for */
    bool call_is_answered;
    uint64_t call_number;

    /* a consumer's */
    struct in_partition in[64];
    size_t in_count;
    uint64_t assignment;
    bool is_fetching;
    uint64_t fetches;
    int64_t troubled_us; /* when it was last told that no broker answers */
    struct client_member member;
};

struct rd_kafka_queue_s {
    rd_kafka_t *client;
};

struct rd_kafka_consumer_group_metadata_s {
    char *group;
    char member[BROKER_NAME_MAX];
    int32_t generation;
};

/* ---- client.c ---------------------------------------------------------------------------------------------------- */

const char *client_setting(const rd_kafka_t *client, const char *name);
int64_t client_number(const rd_kafka_t *client, const char *name, int64_t otherwise);
/* isolation.level; librdkafka's default is read_committed. */
bool client_reads_committed(const rd_kafka_t *client);
/* A place of a list, as a request carries it: offset, and the note that stands beside it. */
struct broker_offset client_offset(const rd_kafka_topic_partition_t *place);
bool client_error_is_retried(rd_kafka_resp_err_t error);
rd_kafka_error_t *client_error_new(rd_kafka_resp_err_t code, const char *format, ...) PRINTF_LIKE(2, 3);
rd_kafka_topic_t *client_topic(const char *name);

void queue_push(struct message_queue *queue, struct message *message);
struct message *queue_pop(struct message_queue *queue);
/* For the application: wakes whoever polls. */
void client_push(rd_kafka_t *client, struct message *message);
struct message *message_new(void);
/* Waits until something is in the queue, or the time is over; false: it is. */
bool client_await(rd_kafka_t *client, int64_t until_us);
int64_t client_until(int timeout_ms);
/* Tells the application, as librdkafka does when no broker can be reached. */
void client_troubled(rd_kafka_t *client);

/* A question that a call waits for, answered or not within the time: RD_KAFKA_RESP_ERR__TIMED_OUT. `ask` is run at the
 * broker with `context`, which is copied there and back. It is asked again while the answer is one to retry. */
rd_kafka_resp_err_t client_ask(rd_kafka_t *client, const char *api, rd_kafka_resp_err_t (*ask)(void *context),
                               void *context, size_t size, int64_t until_us);

/* ---- client_producer.c ------------------------------------------------------------------------------------------- */

/* NULL for NULL; else the caller's to free, with a zero behind it. */
void *bytes_copied(const void *bytes, size_t size);
/* What became of it, for the application. */
void message_report(rd_kafka_t *client, struct message *message, rd_kafka_resp_err_t error,
                    rd_kafka_msg_status_t status);
/* Serves delivery reports that are there. */
void producer_reports_serve(rd_kafka_t *client);
void producer_purge(rd_kafka_t *client);

/* ---- client_batch.c ---------------------------------------------------------------------------------------------- */

/* Sends what waits and may go. */
void producer_kick(rd_kafka_t *client);

/* ---- client_txn.c ------------------------------------------------------------------------------------------------ */

void txn_abortable(rd_kafka_t *client, rd_kafka_resp_err_t error, const char *what);
void txn_fatal(rd_kafka_t *client, rd_kafka_resp_err_t error, const char *what);
void txn_add_partition(rd_kafka_t *client, struct out_partition *partition);

/* ---- client_consumer.c ------------------------------------------------------------------------------------------- */

void consumer_fetch(rd_kafka_t *client, int64_t delay_us);
void consumer_rebalance_serve(rd_kafka_t *client);

/* ---- client_group.c ---------------------------------------------------------------------------------------------- */

void member_join(rd_kafka_t *client);
void member_leave(rd_kafka_t *client);
