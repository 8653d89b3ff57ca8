#include "core/testing/simulator/wire.h"

#include <stdlib.h>

#include "core/testing/simulator/broker.h"

enum {
    HOP_LEAST_US = 80,
    HOP_MOST_US = 400,
    BROKEN_LEAST_US = 500, /* until a client notices that its connection broke */
    BROKEN_MOST_US = 60000,
    CUTS_MAX = 64,
};

struct wire_faults wire_faults;

static struct cut {
    const struct sim_process *process;
    enum wire_state state;
} cuts[CUTS_MAX];

static struct cut *cut_of(const struct sim_process *process) {
    for (size_t i = 0; i < CUTS_MAX; i++) {
        if (cuts[i].process == process) {
            return &cuts[i];
        }
    }
    return NULL;
}

void wire_cut(struct sim_process *process, enum wire_state state) {
    static const char *const names[] = {"whole", "CUT", "CUT one way", "CUT to the group"};
    SIM_TRACE("the link of %s is %s", process->name, names[state]);
    struct cut *cut = cut_of(process);
    cut = cut == NULL ? cut_of(NULL) : cut;
    if (cut != NULL) {
        *cut = state == WIRE_WHOLE ? (struct cut){0} : (struct cut){process, state};
    }
}

static enum wire_state state_for(const struct wire_request *request) {
    const struct cut *cut = cut_of(request->process);
    bool is_spared = cut != NULL && cut->state == WIRE_GROUP_CUT && !request->is_of_group;
    return cut == NULL || is_spared ? WIRE_WHOLE : cut->state;
}

static bool can_arrive(const struct wire_request *request) {
    enum wire_state state = state_for(request);
    return broker_is_up() && (state == WIRE_WHOLE || state == WIRE_ANSWERS_LOST);
}

/* Rises each time that the broker went down: answers of an earlier life never arrive. */
static uint64_t broker_life(void) {
    static uint64_t life;
    static bool was_up = true;
    life += was_up && !broker_is_up();
    was_up = broker_is_up();
    return life;
}

static void let_go(struct wire_request *request) {
    if (--request->references == 0) {
        request->type->release(request);
    }
}

static void answer_arrives(void *context) {
    struct wire_request *request = context;
    bool is_lost = state_for(request) != WIRE_WHOLE || request->broker_life != broker_life();
    rd_kafka_resp_err_t error = is_lost ? RD_KAFKA_RESP_ERR__TRANSPORT : request->result;
    request->type->answer(request, error);
    let_go(request);
}

static void answer_after(struct wire_request *request, int64_t delay_us) {
    request->references++;
    sim_after(delay_us, request->process, answer_arrives, request);
}

static int64_t hop_us(void) {
    int64_t us = sim_between(HOP_LEAST_US, HOP_MOST_US);
    if (wire_faults.slow > 0 && sim_chance(wire_faults.slow)) {
        us += sim_between(0, wire_faults.slow_most_us);
    }
    return us;
}

static void breaks(struct wire_request *request) {
    request->result = RD_KAFKA_RESP_ERR__TRANSPORT;
    answer_after(request, sim_between(BROKEN_LEAST_US, BROKEN_MOST_US));
}

static void request_arrives(void *context) {
    struct wire_request *request = context;
    if (!can_arrive(request)) {
        breaks(request);
    } else {
        request->broker_life = broker_life();
        request->result = request->type->handle(request);
        if (wire_faults.answer_lost > 0 && sim_chance(wire_faults.answer_lost)) {
            SIM_TRACE("the answer to %s of %s is LOST", request->type->api, request->process->name);
            breaks(request);
        } else {
            answer_after(request, hop_us());
        }
    }
    let_go(request);
}

/* Its connection has broken; the answer was told as lost already. */
static void request_arrives_late(void *context) {
    struct wire_request *request = context;
    if (can_arrive(request)) {
        rd_kafka_resp_err_t late = request->type->handle(request);
        SIM_TRACE("%s of %s arrives LATE: %d", request->type->api, request->process->name, late);
    }
    let_go(request);
}

void wire_send(struct wire *wire, struct wire_request *request) {
    request->process = sim_self();
    request->is_of_group = wire->is_of_group;
    request->references = 1;
    if (wire_faults.request_lost > 0 && sim_chance(wire_faults.request_lost)) {
        SIM_TRACE("%s of %s is LOST", request->type->api, request->process->name);
        breaks(request);
        let_go(request);
        return;
    }
    if (wire_faults.late > 0 && sim_chance(wire_faults.late)) {
        SIM_TRACE("%s of %s will be late", request->type->api, request->process->name);
        breaks(request);
        sim_after(sim_between(0, wire_faults.late_most_us), NULL, request_arrives_late, request);
        return;
    }
    int64_t arrival_us = sim_now_us() + hop_us();
    if (arrival_us <= wire->newest_arrival_us) {
        arrival_us = wire->newest_arrival_us + 1;
    }
    wire->newest_arrival_us = arrival_us;
    sim_after(arrival_us - sim_now_us(), NULL, request_arrives, request);
}
