#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/testing/simulator/client.h"

enum { API_KEY_END_TXN = 26 };

/* ---- what state a producer is in --------------------------------------------------------------------------------- */

void txn_abortable(rd_kafka_t *client, rd_kafka_resp_err_t error, const char *what) {
    if (client->step != STEP_BEGUN && client->step != STEP_COMMITTING) {
        return;
    }
    SIM_TRACE("%s: the transaction must be aborted: %s: %s", client->name, what, rd_kafka_err2str(error));
    client->step = STEP_ABORTABLE;
    client->txn_error = error;
    snprintf(client->txn_error_text, sizeof client->txn_error_text, "%s: %s", what, rd_kafka_err2str(error));
}

void txn_fatal(rd_kafka_t *client, rd_kafka_resp_err_t error, const char *what) {
    SIM_TRACE("%s: fatal: %s: %s", client->name, what, rd_kafka_err2str(error));
    client->step = STEP_FATAL;
    client->fatal = client->txn_error = error;
    snprintf(client->txn_error_text, sizeof client->txn_error_text, "%s: %s", what, rd_kafka_err2str(error));
}

static bool is_fencing(rd_kafka_resp_err_t error) {
    return error == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH || error == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
           error == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING;
}

/* librdkafka tells the transaction's own error where it has one, else that the call does not fit the state. */
static rd_kafka_error_t *state_refusal(const rd_kafka_t *client, const char *what) {
    rd_kafka_error_t *error;
    if (client->step == STEP_FATAL) {
        error = client_error_new(RD_KAFKA_RESP_ERR__FATAL, "%s", client->txn_error_text);
        error->is_fatal = true;
    } else if (client->step == STEP_ABORTABLE) {
        error = client_error_new(client->txn_error, "%s", client->txn_error_text);
        error->requires_abort = true;
    } else {
        error = client_error_new(RD_KAFKA_RESP_ERR__STATE, "%s does not fit state %d", what, client->step);
    }
    return error;
}

static rd_kafka_error_t *timed_out(const char *what) {
    rd_kafka_error_t *error = client_error_new(RD_KAFKA_RESP_ERR__TIMED_OUT, "%s: timed out", what);
    error->is_retriable = true;
    return error;
}

/* ---- adding partitions, beside the application ------------------------------------------------------------------- */

struct add_request {
    struct wire_request request;
    rd_kafka_t *client;
    struct out_partition *partition;
    struct broker_producer producer;
    uint64_t txn_number;
};

static rd_kafka_resp_err_t add_handle(struct wire_request *request) {
    const struct add_request *add = (const struct add_request *)request;
    return broker_add_partition(&add->producer, add->partition->topic->name, add->partition->number);
}

static void add_retry(void *context) {
    struct add_request *add = context;
    rd_kafka_t *client = add->client;
    if (!client->is_destroyed && add->txn_number == client->txn_number && client->step == STEP_BEGUN) {
        txn_add_partition(client, add->partition);
    }
    free(add);
}

static void add_answered(struct wire_request *request, rd_kafka_resp_err_t error) {
    const struct add_request *add = (const struct add_request *)request;
    rd_kafka_t *client = add->client;
    if (client->is_destroyed || add->txn_number != client->txn_number) {
        return;
    }
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        add->partition->is_asked = false;
        add->partition->is_added = true;
        producer_kick(client);
    } else if (client_error_is_retried(error)) {
        struct add_request *again = malloc(sizeof *again);
        assert(again != NULL);
        *again = *add;
        sim_after(client_number(client, "retry.backoff.ms", 100) * 1000, client->process, add_retry, again);
    } else if (is_fencing(error)) {
        txn_fatal(client, error, "AddPartitionsToTxn");
    } else {
        txn_abortable(client, error, "AddPartitionsToTxn");
    }
    sim_wake(client);
}

static void add_release(struct wire_request *request) {
    free(request);
}

static const struct wire_type add_type = {"AddPartitionsToTxn", add_handle, add_answered, add_release};

void txn_add_partition(rd_kafka_t *client, struct out_partition *partition) {
    struct add_request *add = calloc(1, sizeof *add);
    assert(add != NULL);
    *add = (struct add_request){.request = {.type = &add_type},
                                .client = client,
                                .partition = partition,
                                .producer = client->producer,
                                .txn_number = client->txn_number};
    partition->is_asked = true;
    client->txn_asked = true;
    wire_send(&client->wire, &add->request);
}

/* ---- init and begin ---------------------------------------------------------------------------------------------- */

struct init_question {
    const char *transactional_id;
    int32_t timeout_ms;
    struct broker_producer producer;
};

static rd_kafka_resp_err_t init_ask(void *context) {
    struct init_question *question = context;
    return broker_init_producer(question->transactional_id, question->timeout_ms, &question->producer);
}

rd_kafka_error_t *rd_kafka_init_transactions(rd_kafka_t *client, int timeout_ms) {
    sim_point("InitProducerId");
    struct init_question question = {.transactional_id = client_setting(client, "transactional.id"),
                                     .timeout_ms = (int32_t)client_number(client, "transaction.timeout.ms", 60000)};
    rd_kafka_resp_err_t error =
        client_ask(client, "InitProducerId", init_ask, &question, sizeof question, client_until(timeout_ms));
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return client_error_is_retried(error) ? timed_out("InitProducerId")
                                              : client_error_new(error, "InitProducerId: %s", rd_kafka_err2str(error));
    }
    client->producer = question.producer;
    client->has_id = true;
    client->step = STEP_READY;
    return NULL;
}

rd_kafka_error_t *rd_kafka_begin_transaction(rd_kafka_t *client) {
    sim_point("begin_transaction");
    if (client->step != STEP_READY) {
        return state_refusal(client, "begin_transaction");
    }
    client->step = STEP_BEGUN;
    client->txn_number++;
    client->txn_asked = false;
    for (struct out_partition *partition = client->out; partition != NULL; partition = partition->next) {
        partition->is_added = partition->is_asked = false;
    }
    return NULL;
}

/* ---- offsets ----------------------------------------------------------------------------------------------------- */

enum { OFFSETS_MAX = 64 };

struct offsets_question {
    struct broker_producer producer;
    char group[BROKER_NAME_MAX], member[BROKER_NAME_MAX];
    int32_t generation;
    struct broker_offset offsets[OFFSETS_MAX];
    size_t count;
};

static rd_kafka_resp_err_t add_group_ask(void *context) {
    const struct offsets_question *question = context;
    return broker_add_group(&question->producer, question->group);
}

static rd_kafka_resp_err_t offsets_ask(void *context) {
    const struct offsets_question *question = context;
    return broker_txn_offsets(&question->producer, question->group, question->member, question->generation,
                              question->offsets, question->count);
}

static rd_kafka_error_t *offsets_refused(rd_kafka_t *client, rd_kafka_resp_err_t error, const char *what) {
    if (client_error_is_retried(error)) {
        return timed_out(what);
    }
    if (is_fencing(error)) {
        txn_fatal(client, error, what);
    } else {
        txn_abortable(client, error, what);
    }
    return state_refusal(client, what);
}

rd_kafka_error_t *rd_kafka_send_offsets_to_transaction(rd_kafka_t *client, const rd_kafka_topic_partition_list_t *list,
                                                       const rd_kafka_consumer_group_metadata_t *group,
                                                       int timeout_ms) {
    if (client->step != STEP_BEGUN) {
        return state_refusal(client, "send_offsets_to_transaction");
    }
    struct offsets_question question = {.producer = client->producer, .generation = group->generation};
    snprintf(question.group, sizeof question.group, "%s", group->group);
    memcpy(question.member, group->member, sizeof question.member);
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *place = &list->elems[i];
        if (place->offset < 0) {
            continue; /* skipped in silence, as librdkafka does */
        }
        assert(question.count < OFFSETS_MAX);
        question.offsets[question.count++] = client_offset(place);
    }
    if (question.count == 0) {
        return NULL; /* accepted, and fences nothing */
    }
    client->txn_asked = true;
    sim_point("AddOffsetsToTxn");
    int64_t until_us = client_until(timeout_ms);
    rd_kafka_resp_err_t error =
        client_ask(client, "AddOffsetsToTxn", add_group_ask, &question, sizeof question, until_us);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return offsets_refused(client, error, "AddOffsetsToTxn");
    }
    sim_point("TxnOffsetCommit");
    error = client_ask(client, "TxnOffsetCommit", offsets_ask, &question, sizeof question, until_us);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? NULL : offsets_refused(client, error, "TxnOffsetCommit");
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

struct end_request {
    struct wire_request request;
    rd_kafka_t *client;
    struct broker_producer producer;
    bool commit;
    uint64_t call_number;
};

static rd_kafka_resp_err_t end_handle(struct wire_request *request) {
    const struct end_request *end = (const struct end_request *)request;
    return broker_end_txn(&end->producer, end->commit);
}

static void end_answered(struct wire_request *request, rd_kafka_resp_err_t error) {
    const struct end_request *end = (const struct end_request *)request;
    rd_kafka_t *client = end->client;
    if (!client->is_destroyed && end->call_number == client->call_number) {
        client->call_result = error;
        client->call_is_answered = true;
        sim_wake(&client->call_number);
    }
}

static void end_release(struct wire_request *request) {
    free(request);
}

static const struct wire_type end_type = {"EndTxn", end_handle, end_answered, end_release};

static void end_send(rd_kafka_t *client, bool commit) {
    struct end_request *end = calloc(1, sizeof *end);
    assert(end != NULL);
    *end = (struct end_request){.request = {.type = &end_type},
                                .client = client,
                                .producer = client->producer,
                                .commit = commit,
                                .call_number = ++client->call_number};
    client->call_is_answered = false;
    if (client->on_request_sent != NULL) {
        client->on_request_sent(client, -1, "simulated", 0, API_KEY_END_TXN, 1, 0, 0, client->on_request_sent_context);
    }
    wire_send(&client->wire, &end->request);
}

/* Sends EndTxn, again and again while it is not answered for good; NULL once it was. */
static rd_kafka_error_t *ended(rd_kafka_t *client, bool commit, int64_t until_us) {
    const char *what = commit ? "EndTxn (commit)" : "EndTxn (abort)";
    for (;;) {
        sim_point("EndTxn: before");
        end_send(client, commit);
        sim_point("EndTxn: sent");
        while (!client->call_is_answered) {
            if (sim_now_us() >= until_us) {
                return timed_out(what);
            }
            sim_wait(&client->call_number, until_us - sim_now_us());
        }
        rd_kafka_resp_err_t error = client->call_result;
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
            client->step = STEP_READY;
            sim_point("EndTxn: answered");
            return NULL;
        }
        if (!client_error_is_retried(error)) {
            txn_fatal(client, error, what);
            return state_refusal(client, what);
        }
        if (sim_now_us() >= until_us) {
            return timed_out(what);
        }
        sim_sleep(client_number(client, "retry.backoff.ms", 100) * 1000);
    }
}

rd_kafka_error_t *rd_kafka_commit_transaction(rd_kafka_t *client, int timeout_ms) {
    int64_t until_us = client_until(timeout_ms);
    if (client->step == STEP_BEGUN) {
        sim_point("commit: before the records are out");
        producer_kick(client);
        while (client->out_count > 0 && client->step == STEP_BEGUN) {
            client->is_yielded = false;
            if (!client_await(client, until_us) && sim_now_us() >= until_us) {
                return timed_out("the records of a transaction");
            }
            producer_reports_serve(client);
        }
    }
    if (client->step != STEP_BEGUN && client->step != STEP_COMMITTING) {
        return state_refusal(client, "commit_transaction");
    }
    client->step = STEP_COMMITTING;
    if (!client->txn_asked) {
        client->step = STEP_READY;
        return NULL;
    }
    return ended(client, true, until_us);
}

rd_kafka_error_t *rd_kafka_abort_transaction(rd_kafka_t *client, int timeout_ms) {
    if (client->step != STEP_BEGUN && client->step != STEP_ABORTABLE && client->step != STEP_ABORTING) {
        return state_refusal(client, "abort_transaction");
    }
    client->step = STEP_ABORTING;
    for (const struct out_partition *partition = client->out; partition != NULL; partition = partition->next) {
        /* What is in flight may stand or not, and its sequence numbers with it: KIP-360's new epoch closes the gap. */
        client->must_renew_id = client->must_renew_id || partition->in_flight != NULL;
    }
    rd_kafka_purge(client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    producer_reports_serve(client);
    client->txn_number++; /* answers to what was in flight concern nobody any more */
    if (!client->txn_asked) {
        client->step = STEP_READY;
        return NULL;
    }
    rd_kafka_error_t *error = ended(client, false, client_until(timeout_ms));
    if (error == NULL && client->must_renew_id) {
        client->must_renew_id = false;
        rd_kafka_error_t *renewed = rd_kafka_init_transactions(client, timeout_ms);
        for (struct out_partition *partition = client->out; partition != NULL; partition = partition->next) {
            partition->next_sequence = 0;
        }
        return renewed;
    }
    return error;
}
