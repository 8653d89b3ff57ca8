/* wire.h: requests on their way to the broker and answers on their way back: late, lost, and in order.
 *
 * Purpose  the one place where the network between a process and the broker misbehaves. A connection keeps the order
 *          of its requests; one that breaks loses the answer, and a request that had left may still arrive seconds
 *          later (what makes EndTxn of version 1 dangerous).
 * Promise  `answer` is called exactly once a request, as an event of the process, unless the process dies first: with
 *          what the broker said, or RD_KAFKA_RESP_ERR__TRANSPORT when nobody knows. `handle` is called at most once.
 * Memory   a request is freed once neither can be called any more.
 * Thread   one.                  May use: world, broker.
 */
#pragma once

#include <librdkafka/rdkafka.h>

#include "core/testing/simulator/world.h"

struct wire_request;

struct wire_type {
    const char *api; /* names the points: "EndTxn: sent" */
    rd_kafka_resp_err_t (*handle)(struct wire_request *request);
    void (*answer)(struct wire_request *request, rd_kafka_resp_err_t error);
    void (*release)(struct wire_request *request); /* frees it, and what it holds */
};

/* Embedded as the first member of what is asked. */
struct wire_request {
    const struct wire_type *type;
    struct sim_process *process;
    bool is_of_group; /* as its connection is */
    int references;
    uint64_t broker_life;
    rd_kafka_resp_err_t result;
};

/* One connection: what is sent on it arrives in order. */
struct wire {
    int64_t newest_arrival_us;
    bool is_of_group; /* a member's connection to the group's coordinator: joins and heartbeats */
};

void wire_send(struct wire *wire, struct wire_request *request);

/* ---- faults ------------------------------------------------------------------------------------------------------ */

/* How often, in a million requests. All 0: a network that does what it should. */
struct wire_faults {
    uint32_t request_lost; /* the connection broke before it left */
    uint32_t answer_lost;  /* the connection broke after it was handled */
    uint32_t late;         /* the connection broke, and the request arrives all the same, up to late_most_us later */
    int64_t late_most_us;
    uint32_t slow; /* takes up to slow_most_us, in order */
    int64_t slow_most_us;
};

extern struct wire_faults wire_faults;

enum wire_state {
    WIRE_WHOLE,
    WIRE_CUT,          /* nothing of the process reaches the broker */
    WIRE_ANSWERS_LOST, /* requests arrive, answers do not */
    WIRE_GROUP_CUT,    /* its members are not heard of any more, while all else goes on: other connections */
};

void wire_cut(struct sim_process *process, enum wire_state state);
