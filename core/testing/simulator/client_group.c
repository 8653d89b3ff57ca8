#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/testing/simulator/client.h"
#include "core/testing/simulator/uv.h"

enum { JOIN_PAUSE_US = 100 * 1000, JOIN_GRACE_MS = 3000 };

/* ---- joining ----------------------------------------------------------------------------------------------------- */

struct join_request {
    struct wire_request request;
    rd_kafka_t *client;
    uint64_t joins;
    char member[BROKER_NAME_MAX];
    int32_t generation;
    int32_t partitions[64];
    size_t count;
};

static void heartbeat_later(rd_kafka_t *client);

/* The assignment is on its way: the answer to the join. */
static void assignment_arrives(void *context) {
    struct join_request *join = context;
    rd_kafka_t *client = join->client;
    struct client_member *member = &client->member;
    if (client->is_destroyed || member->is_closed || join->joins != member->joins) {
        return; /* the join was given up: this member is not heard of again, and thrown out */
    }
    memcpy(member->id, join->member, sizeof member->id);
    member->generation = join->generation;
    memcpy(member->partitions, join->partitions, sizeof member->partitions);
    member->partition_count = join->count;
    member->is_joining = false;
    member->must_assign = true;
    member->heard_us = sim_now_us();
    SIM_TRACE("%s: assigned %zu partitions in generation %d", client->name, join->count, join->generation);
    sim_wake(client);
    if (client->event_fd >= 0) {
        sim_uv_fd_ready(client->event_fd); /* whoever watches the descriptor polls */
    }
    heartbeat_later(client);
}

static void on_assigned(void *context, int32_t generation, const int32_t *partitions, size_t count) {
    struct join_request *join = context;
    join->generation = generation;
    join->count = count;
    memcpy(join->partitions, partitions, count * sizeof *partitions);
    sim_after(sim_between(100, 2000), join->client->process, assignment_arrives, join);
}

static rd_kafka_resp_err_t join_handle(struct wire_request *request) {
    struct join_request *join = (struct join_request *)request;
    const struct broker_member_terms terms = {
        .topic = join->client->member.topic,
        .session_ms = (int32_t)client_number(join->client, "session.timeout.ms", 45000),
        .rebalance_ms = (int32_t)client_number(join->client, "max.poll.interval.ms", 300000),
        .on_assigned = on_assigned,
        .context = join,
    };
    broker_group_join(client_setting(join->client, "group.id"), join->member, &terms);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void join_again(void *context) {
    rd_kafka_t *client = context;
    if (!client->is_destroyed && !client->member.is_closed && client->member.is_joining) {
        client->member.is_joining = false;
        member_join(client);
    }
}

static void join_answered(struct wire_request *request, rd_kafka_resp_err_t error) {
    struct join_request *join = (struct join_request *)request;
    rd_kafka_t *client = join->client;
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR && !client->is_destroyed && join->joins == client->member.joins) {
        client->member.joins++; /* whatever this one is still answered */
        client_troubled(client);
        sim_after(JOIN_PAUSE_US, client->process, join_again, client);
    }
}

static void join_release(struct wire_request *request) {
    (void)request; /* the broker holds it until it has shared out */
}

static const struct wire_type join_type = {"JoinGroup", join_handle, join_answered, join_release};

/* A request that was late took the place of the one that is waited for, and its answer went nowhere. */
struct join_due {
    rd_kafka_t *client;
    uint64_t joins;
};

static void join_overdue(void *context) {
    struct join_due *due = context;
    if (due->joins == due->client->member.joins && due->client->member.is_joining) {
        due->client->member.joins++;
        join_again(due->client);
    }
    free(due);
}

void member_join(rd_kafka_t *client) {
    struct client_member *member = &client->member;
    if (member->is_joining || member->is_closed) {
        return;
    }
    if (member->id[0] == '\0') {
        /* Like a UUID, the order of ids has nothing to do with the order of coming. */
        snprintf(member->id, sizeof member->id, "member-%016llx", (unsigned long long)sim_random((uint64_t)1 << 62));
    }
    member->is_joining = true;
    member->generation = -1;
    member->beats++;
    struct join_request *join = calloc(1, sizeof *join);
    assert(join != NULL);
    join->request.type = &join_type;
    join->client = client;
    join->joins = ++member->joins;
    memcpy(join->member, member->id, sizeof join->member);
    struct join_due *due = malloc(sizeof *due);
    assert(due != NULL);
    *due = (struct join_due){client, join->joins};
    int64_t patience_ms = client_number(client, "max.poll.interval.ms", 300000) + JOIN_GRACE_MS;
    sim_after(patience_ms * 1000, client->process, join_overdue, due);
    wire_send(&client->group_wire, &join->request);
}

rd_kafka_resp_err_t rd_kafka_subscribe(rd_kafka_t *client, const rd_kafka_topic_partition_list_t *topics) {
    struct client_member *member = &client->member;
    assert(topics->cnt >= 1 && topics->cnt <= CLIENT_TOPICS_MAX);
    for (int i = 0; i < topics->cnt; i++) {
        member->topics[member->topic_count++] = strdup(topics->elems[i].topic);
        assert(broker_topic_partitions(member->topics[i]) == broker_topic_partitions(member->topics[0]));
    }
    member->topic = member->topics[0];
    client->group_wire.is_of_group = true;
    member_join(client);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* ---- staying ----------------------------------------------------------------------------------------------------- */

struct beat_request {
    struct wire_request request;
    rd_kafka_t *client;
    uint64_t beats;
    char member[BROKER_NAME_MAX];
    int32_t generation;
};

static rd_kafka_resp_err_t beat_handle(struct wire_request *request) {
    const struct beat_request *beat = (const struct beat_request *)request;
    return broker_group_heartbeat(client_setting(beat->client, "group.id"), beat->member, beat->generation);
}

/* What it has is to be taken back; lost: others may have it already. */
static void must_revoke(rd_kafka_t *client, bool is_lost, bool is_unknown) {
    struct client_member *member = &client->member;
    member->beats++;
    member->is_lost = is_lost;
    if (is_lost) {
        member->generation = -1;
    }
    if (is_unknown) {
        member->id[0] = '\0';
    }
    if (member->has_assignment) {
        member->must_revoke = true;
        sim_wake(client);
    } else {
        member->must_assign = false;
        member_join(client);
    }
}

static void beat_answered(struct wire_request *request, rd_kafka_resp_err_t error) {
    const struct beat_request *beat = (const struct beat_request *)request;
    rd_kafka_t *client = beat->client;
    struct client_member *member = &client->member;
    if (client->is_destroyed || member->is_closed || beat->beats != member->beats) {
        return;
    }
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        member->heard_us = sim_now_us();
    } else if (error == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS) {
        must_revoke(client, false, false);
        return;
    } else if (!client_error_is_retried(error)) {
        must_revoke(client, true, error == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
        return;
    }
    if (sim_now_us() - member->heard_us > client_number(client, "session.timeout.ms", 45000) * 1000) {
        must_revoke(client, true, false); /* the group must have forgotten us */
        return;
    }
    heartbeat_later(client);
}

static void beat_release(struct wire_request *request) {
    free(request);
}

static const struct wire_type beat_type = {"Heartbeat", beat_handle, beat_answered, beat_release};

struct beat_due {
    rd_kafka_t *client;
    uint64_t beats;
};

static void beat_send(void *context) {
    struct beat_due *due = context;
    rd_kafka_t *client = due->client;
    if (!client->is_destroyed && due->beats == client->member.beats && !client->member.is_closed) {
        struct beat_request *beat = calloc(1, sizeof *beat);
        assert(beat != NULL);
        *beat = (struct beat_request){.request = {.type = &beat_type},
                                      .client = client,
                                      .beats = due->beats,
                                      .generation = client->member.generation};
        memcpy(beat->member, client->member.id, sizeof beat->member);
        wire_send(&client->group_wire, &beat->request);
    }
    free(due);
}

static void heartbeat_later(rd_kafka_t *client) {
    struct beat_due *due = malloc(sizeof *due);
    assert(due != NULL);
    *due = (struct beat_due){client, client->member.beats};
    sim_after(client_number(client, "heartbeat.interval.ms", 3000) * 1000, client->process, beat_send, due);
}

/* ---- what the application is told -------------------------------------------------------------------------------- */

static rd_kafka_topic_partition_list_t *assigned_list(const rd_kafka_t *client) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    const struct client_member *member = &client->member;
    for (size_t i = 0; i < member->topic_count * member->partition_count; i++) {
        rd_kafka_topic_partition_list_add(list, member->topics[i / member->partition_count],
                                          member->partitions[i % member->partition_count]);
    }
    return list;
}

static void revoke_tell(rd_kafka_t *client) {
    struct client_member *member = &client->member;
    member->must_revoke = false;
    rd_kafka_topic_partition_list_t *list = assigned_list(client);
    client->conf.on_rebalance(client, RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS, list, client->conf.opaque);
    rd_kafka_topic_partition_list_destroy(list);
    member->has_assignment = false;
    member->is_lost = false;
}

/* Within poll, as librdkafka does it. */
void consumer_rebalance_serve(rd_kafka_t *client) {
    struct client_member *member = &client->member;
    if (member->topic == NULL || member->is_closed) {
        return;
    }
    if (member->must_revoke) {
        revoke_tell(client);
        member_join(client);
    }
    if (member->must_assign) {
        member->must_assign = false;
        member->has_assignment = true;
        rd_kafka_topic_partition_list_t *list = assigned_list(client);
        client->conf.on_rebalance(client, RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS, list, client->conf.opaque);
        rd_kafka_topic_partition_list_destroy(list);
    }
}

int rd_kafka_assignment_lost(rd_kafka_t *client) {
    return client->member.is_lost;
}

char *rd_kafka_memberid(const rd_kafka_t *client) {
    return strdup(client->member.id);
}

rd_kafka_consumer_group_metadata_t *rd_kafka_consumer_group_metadata(rd_kafka_t *client) {
    rd_kafka_consumer_group_metadata_t *metadata = calloc(1, sizeof *metadata);
    assert(metadata != NULL);
    metadata->group = strdup(client_setting(client, "group.id"));
    memcpy(metadata->member, client->member.id, sizeof metadata->member);
    metadata->generation = client->member.generation;
    return metadata;
}

void rd_kafka_consumer_group_metadata_destroy(rd_kafka_consumer_group_metadata_t *metadata) {
    free(metadata->group);
    free(metadata);
}

/* ---- leaving ----------------------------------------------------------------------------------------------------- */

struct leave_request {
    struct wire_request request;
    const char *group;
    char member[BROKER_NAME_MAX];
};

static rd_kafka_resp_err_t leave_handle(struct wire_request *request) {
    const struct leave_request *leave = (const struct leave_request *)request;
    broker_group_leave(leave->group, leave->member);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void leave_answered(struct wire_request *request, rd_kafka_resp_err_t error) {
    (void)request, (void)error; /* without it the session runs out */
}

static void leave_release(struct wire_request *request) {
    free(request);
}

static const struct wire_type leave_type = {"LeaveGroup", leave_handle, leave_answered, leave_release};

void member_leave(rd_kafka_t *client) {
    client->member.is_closed = true;
    if (client->member.id[0] == '\0') {
        return;
    }
    struct leave_request *leave = calloc(1, sizeof *leave);
    assert(leave != NULL);
    leave->request.type = &leave_type;
    leave->group = client_setting(client, "group.id");
    memcpy(leave->member, client->member.id, sizeof leave->member);
    wire_send(&client->group_wire, &leave->request);
}

rd_kafka_resp_err_t rd_kafka_consumer_close(rd_kafka_t *client) {
    struct client_member *member = &client->member;
    client->is_closing = true;
    if (member->topic != NULL && !member->is_closed) {
        if (member->has_assignment) {
            revoke_tell(client);
        }
        member_leave(client);
        sim_sleep(sim_between(500, 5000)); /* the answer, or not */
    }
    client->in_count = 0;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* ---- offsets that a member commits ------------------------------------------------------------------------------- */

enum { OFFSETS_MAX = 64 };

struct commit_request {
    struct wire_request request;
    char group[BROKER_NAME_MAX], member[BROKER_NAME_MAX];
    int32_t generation;
    struct broker_offset offsets[OFFSETS_MAX];
    size_t count;
    rd_kafka_resp_err_t result;
    bool is_answered, is_waited_for;
};

static rd_kafka_resp_err_t commit_handle(struct wire_request *request) {
    struct commit_request *commit = (struct commit_request *)request;
    return broker_group_commit(commit->group, commit->member, commit->generation, commit->offsets, commit->count);
}

static void commit_answered(struct wire_request *request, rd_kafka_resp_err_t error) {
    struct commit_request *commit = (struct commit_request *)request;
    commit->result = error;
    commit->is_answered = true;
    sim_wake(commit);
}

static void commit_release(struct wire_request *request) {
    struct commit_request *commit = (struct commit_request *)request;
    if (!commit->is_waited_for) {
        free(commit);
    }
}

static const struct wire_type commit_type = {"OffsetCommit", commit_handle, commit_answered, commit_release};

rd_kafka_resp_err_t rd_kafka_commit(rd_kafka_t *client, const rd_kafka_topic_partition_list_t *list, int is_async) {
    struct commit_request *commit = calloc(1, sizeof *commit);
    assert(commit != NULL && list->cnt <= OFFSETS_MAX);
    commit->request.type = &commit_type;
    snprintf(commit->group, sizeof commit->group, "%s", client_setting(client, "group.id"));
    memcpy(commit->member, client->member.id, sizeof commit->member);
    commit->generation = client->member.generation;
    for (int i = 0; i < list->cnt; i++) {
        commit->offsets[commit->count++] = client_offset(&list->elems[i]);
    }
    commit->is_waited_for = !is_async;
    wire_send(&client->wire, &commit->request);
    while (!is_async && !commit->is_answered) {
        sim_wait(commit, -1);
    }
    return is_async ? RD_KAFKA_RESP_ERR_NO_ERROR : commit->result;
}
