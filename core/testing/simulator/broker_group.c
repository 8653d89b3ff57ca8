#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/testing/simulator/broker_parts.h"
#include "core/testing/simulator/world.h"

enum { MEMBERS_MAX = 32, PARTITIONS_MAX = 64, DOWN_PAUSE_US = 50 * 1000 };

struct member {
    char id[BROKER_NAME_MAX]; /* empty: the place is free */
    uint64_t number;          /* among all that ever were */
    struct broker_member_terms terms;
    bool has_joined; /* for the generation that is being made */
    int64_t heard_us;
};

/* An offset as it stands in the coordinator's log. Of two the later appended counts, in whatever order their
 * transactions were ended. */
struct appended {
    struct broker_offset offset;
    uint64_t number;
};

/* One that a transaction holds back. */
struct pending {
    int64_t producer_id;
    struct appended appended;
    struct pending *next;
};

struct group {
    const char *name;
    int32_t generation;
    bool is_rebalancing;
    uint64_t rebalances; /* how many were begun */
    struct member members[MEMBERS_MAX];
    struct appended *offsets;
    size_t offset_count;
    struct pending *pending;
    /* As they were at the moment that was kept. */
    struct appended *kept_offsets;
    size_t kept_offset_count;
    struct pending *kept_pending;
    /* As its coordinator of before has them. */
    struct appended *old_offsets;
    size_t old_offset_count;
    struct group *next;
};

static struct group *groups;
static uint64_t members_ever, offsets_ever;
static int64_t old_until_us;
static uint32_t old_salt;

static struct group *group_of(const char *name) {
    struct group *group = groups;
    while (group != NULL && strcmp(group->name, name) != 0) {
        group = group->next;
    }
    if (group == NULL) {
        group = calloc(1, sizeof *group);
        assert(group != NULL);
        group->name = strdup(name);
        group->next = groups;
        groups = group;
    }
    return group;
}

static struct member *member_of(struct group *group, const char *id) {
    for (size_t i = 0; i < MEMBERS_MAX && id[0] != '\0'; i++) {
        if (strcmp(group->members[i].id, id) == 0) {
            return &group->members[i];
        }
    }
    return NULL;
}

/* ---- sharing out ------------------------------------------------------------------------------------------------- */

static size_t members_sorted(struct group *group, struct member *ret_members[MEMBERS_MAX]) {
    size_t count = 0;
    for (size_t i = 0; i < MEMBERS_MAX; i++) {
        struct member *member = &group->members[i];
        if (member->id[0] == '\0') {
            continue;
        }
        size_t at = count++;
        while (at > 0 && strcmp(ret_members[at - 1]->id, member->id) > 0) {
            ret_members[at] = ret_members[at - 1];
            at--;
        }
        ret_members[at] = member;
    }
    return count;
}

/* The range assignor: the first members have one more where it does not come out even. */
static void shared_out(struct group *group) {
    struct member *members[MEMBERS_MAX];
    size_t count = members_sorted(group, members);
    group->generation++;
    group->is_rebalancing = false;
    SIM_TRACE("broker: group %s has generation %d with %zu members", group->name, group->generation, count);
    int32_t next = 0;
    for (size_t i = 0; i < count; i++) {
        int32_t partitions = broker_topic_partitions(members[i]->terms.topic);
        int32_t share = partitions / (int32_t)count + ((int32_t)i < partitions % (int32_t)count);
        int32_t numbers[PARTITIONS_MAX];
        assert(share <= PARTITIONS_MAX);
        for (int32_t j = 0; j < share; j++) {
            numbers[j] = next++;
        }
        members[i]->has_joined = false;
        members[i]->heard_us = sim_now_us();
        members[i]->terms.on_assigned(members[i]->terms.context, group->generation, numbers, (size_t)share);
    }
}

static void shared_out_when_complete(struct group *group) {
    bool is_complete = true, is_empty = true;
    for (size_t i = 0; i < MEMBERS_MAX; i++) {
        bool is_member = group->members[i].id[0] != '\0';
        is_empty = is_empty && !is_member;
        is_complete = is_complete && (!is_member || group->members[i].has_joined);
    }
    if (group->is_rebalancing && is_empty) {
        group->is_rebalancing = false;
        group->generation++;
    } else if (group->is_rebalancing && is_complete) {
        shared_out(group);
    }
}

struct rebalance {
    struct group *group;
    uint64_t number;
};

/* Whoever did not join again in time is out. */
static void rebalance_over(void *context) {
    struct rebalance *rebalance = context;
    struct group *group = rebalance->group;
    if (group->is_rebalancing && group->rebalances == rebalance->number) {
        for (size_t i = 0; i < MEMBERS_MAX; i++) {
            if (!group->members[i].has_joined) {
                group->members[i].id[0] = '\0';
            }
        }
        shared_out_when_complete(group);
    }
    free(rebalance);
}

static void rebalance_begin(struct group *group) {
    if (group->is_rebalancing) {
        return;
    }
    group->is_rebalancing = true;
    group->rebalances++;
    int64_t longest_ms = 0;
    for (size_t i = 0; i < MEMBERS_MAX; i++) {
        group->members[i].has_joined = false;
        bool is_member = group->members[i].id[0] != '\0';
        longest_ms = is_member && group->members[i].terms.rebalance_ms > longest_ms
                         ? group->members[i].terms.rebalance_ms
                         : longest_ms;
    }
    struct rebalance *rebalance = malloc(sizeof *rebalance);
    assert(rebalance != NULL);
    *rebalance = (struct rebalance){group, group->rebalances};
    sim_after(longest_ms * 1000, NULL, rebalance_over, rebalance);
}

/* ---- members ----------------------------------------------------------------------------------------------------- */

struct session {
    struct group *group;
    struct member *member;
    uint64_t number;
};

static void session_check(void *context) {
    struct session *session = context;
    struct member *member = session->member;
    if (member->id[0] == '\0' || member->number != session->number) {
        free(session);
        return;
    }
    if (!broker_is_up() || (session->group->is_rebalancing && member->has_joined)) {
        /* Nobody can be heard, and back again each has a whole session; or it waits for our answer, and is silent. */
        member->heard_us = sim_now_us();
        sim_after(DOWN_PAUSE_US, NULL, session_check, session);
        return;
    }
    int64_t left_us = member->heard_us + (int64_t)member->terms.session_ms * 1000 - sim_now_us();
    if (left_us > 0) {
        sim_after(left_us, NULL, session_check, session);
        return;
    }
    SIM_TRACE("broker: %s was not heard of and is out of group %s", member->id, session->group->name);
    member->id[0] = '\0';
    rebalance_begin(session->group);
    shared_out_when_complete(session->group);
    free(session);
}

static struct member *member_new(struct group *group, const char id[BROKER_NAME_MAX],
                                 const struct broker_member_terms *terms) {
    for (size_t i = 0; i < MEMBERS_MAX; i++) {
        struct member *member = &group->members[i];
        if (member->id[0] != '\0') {
            continue;
        }
        *member = (struct member){.number = ++members_ever, .terms = *terms, .heard_us = sim_now_us()};
        memcpy(member->id, id, sizeof member->id);
        struct session *session = malloc(sizeof *session);
        assert(session != NULL);
        *session = (struct session){group, member, member->number};
        sim_after((int64_t)terms->session_ms * 1000, NULL, session_check, session);
        return member;
    }
    abort();
}

void broker_group_join(const char *name, const char id[BROKER_NAME_MAX], const struct broker_member_terms *terms) {
    struct group *group = group_of(name);
    rebalance_begin(group);
    struct member *member = member_of(group, id);
    if (member == NULL) {
        member = member_new(group, id, terms);
    }
    member->terms = *terms;
    member->has_joined = true;
    member->heard_us = sim_now_us();
    shared_out_when_complete(group);
}

void broker_group_leave(const char *name, const char *id) {
    struct group *group = group_of(name);
    struct member *member = member_of(group, id);
    if (member != NULL) {
        member->id[0] = '\0';
        rebalance_begin(group);
        shared_out_when_complete(group);
    }
}

rd_kafka_resp_err_t broker_group_heartbeat(const char *name, const char *id, int32_t generation) {
    struct group *group = group_of(name);
    struct member *member = member_of(group, id);
    if (member == NULL) {
        return RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID;
    }
    member->heard_us = sim_now_us();
    if (generation != group->generation) {
        return RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION;
    }
    return group->is_rebalancing ? RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS : RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* ---- offsets ----------------------------------------------------------------------------------------------------- */

static void offset_set(struct group *group, const struct appended *appended) {
    for (size_t i = 0; i < group->offset_count; i++) {
        struct appended *known = &group->offsets[i];
        if (known->offset.partition == appended->offset.partition &&
            strcmp(known->offset.topic, appended->offset.topic) == 0) {
            *known = known->number < appended->number ? *appended : *known;
            return;
        }
    }
    group->offsets = realloc(group->offsets, (group->offset_count + 1) * sizeof *group->offsets);
    assert(group->offsets != NULL);
    group->offsets[group->offset_count++] = *appended;
}

static struct appended offset_appended(const struct broker_offset *offset) {
    const struct broker_partition *partition = broker_partition(offset->topic, offset->partition);
    assert(partition != NULL);
    struct appended appended = {*offset, ++offsets_ever};
    appended.offset.topic = partition->topic; /* the caller's name may not last */
    return appended;
}

/* Offsets that name neither a member nor a generation are taken from anybody, as from clients older than KIP-447. */
static rd_kafka_resp_err_t member_verify(struct group *group, const char *id, int32_t generation) {
    if (id[0] == '\0' && generation < 0) {
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    if (member_of(group, id) == NULL) {
        return RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID;
    }
    return generation == group->generation ? RD_KAFKA_RESP_ERR_NO_ERROR : RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION;
}

rd_kafka_resp_err_t broker_txn_offsets(const struct broker_producer *producer, const char *name, const char *member,
                                       int32_t generation, const struct broker_offset *offsets, size_t count) {
    struct group *group = group_of(name);
    rd_kafka_resp_err_t refusal = member_verify(group, member, generation);
    refusal = refusal == RD_KAFKA_RESP_ERR_NO_ERROR ? txn_verify_group(producer, name) : refusal;
    for (size_t i = 0; i < count && refusal == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        struct pending *pending = malloc(sizeof *pending);
        assert(pending != NULL);
        *pending = (struct pending){producer->id, offset_appended(&offsets[i]), group->pending};
        group->pending = pending;
    }
    return refusal;
}

void group_end_txn(const char *name, int64_t producer_id, bool commit) {
    struct group *group = group_of(name);
    struct pending **at = &group->pending;
    while (*at != NULL) {
        struct pending *pending = *at;
        if (pending->producer_id == producer_id) {
            if (commit) {
                offset_set(group, &pending->appended);
            }
            *at = pending->next;
            free(pending);
        } else {
            at = &pending->next;
        }
    }
}

rd_kafka_resp_err_t broker_group_commit(const char *name, const char *member, int32_t generation,
                                        const struct broker_offset *offsets, size_t count) {
    struct group *group = group_of(name);
    rd_kafka_resp_err_t refusal = member_verify(group, member, generation);
    for (size_t i = 0; i < count && refusal == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        const struct appended appended = offset_appended(&offsets[i]);
        offset_set(group, &appended);
    }
    return refusal;
}

static struct appended *offsets_copied(const struct appended *offsets, size_t count) {
    struct appended *copy = calloc(count + 1, sizeof *copy);
    assert(copy != NULL);
    for (size_t i = 0; i < count; i++) {
        copy[i] = offsets[i];
    }
    return copy;
}

void broker_new_coordinator(int64_t until_us) {
    old_until_us = until_us;
    old_salt = (uint32_t)sim_random(UINT32_MAX);
    for (struct group *group = groups; group != NULL; group = group->next) {
        free(group->old_offsets);
        group->old_offsets = offsets_copied(group->offsets, group->offset_count);
        group->old_offset_count = group->offset_count;
    }
}

rd_kafka_resp_err_t broker_group_offset(const char *name, const char *topic, int32_t partition, bool stable,
                                        const char *client, struct broker_offset *ret_offset) {
    const struct group *group = group_of(name);
    bool is_old = client != NULL && sim_now_us() < old_until_us && group->old_offsets != NULL &&
                  asks_old_broker(old_salt, client);
    for (const struct pending *pending = group->pending; pending != NULL && stable && !is_old;
         pending = pending->next) {
        const struct broker_offset *held = &pending->appended.offset;
        if (held->partition == partition && strcmp(held->topic, topic) == 0) {
            return RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT;
        }
    }
    *ret_offset = (struct broker_offset){.topic = topic, .partition = partition, .offset = -1};
    const struct appended *offsets = is_old ? group->old_offsets : group->offsets;
    for (size_t i = 0, count = is_old ? group->old_offset_count : group->offset_count; i < count; i++) {
        const struct broker_offset *known = &offsets[i].offset;
        if (known->partition == partition && strcmp(known->topic, topic) == 0) {
            *ret_offset = *known;
        }
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* ---- back to a moment -------------------------------------------------------------------------------------------- */

static void pending_free(struct pending *pending) {
    while (pending != NULL) {
        struct pending *next = pending->next;
        free(pending);
        pending = next;
    }
}

static struct pending *pending_copied(const struct pending *pending) {
    struct pending *first = NULL, **last = &first;
    for (; pending != NULL; pending = pending->next) {
        *last = malloc(sizeof **last);
        assert(*last != NULL);
        **last = *pending;
        (*last)->next = NULL;
        last = &(*last)->next;
    }
    return first;
}

void groups_keep(void) {
    for (struct group *group = groups; group != NULL; group = group->next) {
        free(group->kept_offsets);
        pending_free(group->kept_pending);
        group->kept_offsets = offsets_copied(group->offsets, group->offset_count);
        group->kept_offset_count = group->offset_count;
        group->kept_pending = pending_copied(group->pending);
    }
}

void groups_set_back(void) {
    old_until_us = 0;
    for (struct group *group = groups; group != NULL; group = group->next) {
        free(group->offsets);
        pending_free(group->pending);
        group->offsets = group->kept_offsets;
        group->offset_count = group->kept_offset_count;
        group->pending = NULL;
        for (const struct pending *pending = group->kept_pending; pending != NULL; pending = pending->next) {
            if (txn_would_commit(pending->producer_id)) {
                offset_set(group, &pending->appended);
            }
        }
        pending_free(group->kept_pending);
        group->kept_offsets = NULL;
        group->kept_offset_count = 0;
        group->kept_pending = NULL;
        for (size_t i = 0; i < MEMBERS_MAX; i++) {
            group->members[i].id[0] = '\0';
        }
        group->is_rebalancing = false;
        group->rebalances++; /* its time-out is void */
        group->generation++;
    }
}
