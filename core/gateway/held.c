#include "core/gateway/held.h"

#include "core/base/timestamp.h"
#include "core/gateway/loop.h"

struct held_answer {
    struct held_answer *next;
    struct request *request;
    int64_t leaves_boot_us;
    int status;
    struct str body;
    struct problem problem; /* its status is 0: the body is answered */
};

static void take_out(struct held_answers *answers, struct held_answer *held) {
    struct held_answer **at = &answers->first;
    while (*at != held) {
        at = &(*at)->next;
    }
    *at = held->next;
    answers->count--;
}

static void on_lost(struct request *request) {
    take_out(&request->loop->held_answers, request->waiting);
    request_drop(request);
}

static int64_t end_of_span(int64_t since_us, int64_t now_us, int64_t span_us) {
    return since_us + ((now_us - since_us) / span_us + 1) * span_us;
}

static struct held_answer *hold(struct request *request, int64_t hold_ms) {
    struct held_answers *answers = &request->loop->held_answers;
    struct held_answer *held = arena_alloc(request_arena(request), sizeof *held);
    held->request = request;
    held->leaves_boot_us =
        end_of_span(request->exchange->received_at_boot_us, clock_boot_us(), hold_ms * MICROS_PER_MS);
    held->next = answers->first;
    answers->first = held;
    answers->count++;
    request->on_lost = on_lost;
    request->waiting = held;
    request_leaves_shard(request);
    return held;
}

void held_answer_json(struct request *request, int status, struct str body, int64_t hold_ms) {
    struct held_answer *held = hold(request, hold_ms);
    held->status = status;
    held->body = body;
}

void held_answer_problem(struct request *request, const struct problem *problem, int64_t hold_ms) {
    hold(request, hold_ms)->problem = *problem;
}

static void answer_held(const struct held_answer *held) {
    if (held->problem.status != 0) {
        request_problem(held->request, &held->problem);
    } else {
        request_answer_json(held->request, held->status, held->body);
    }
}

/* Answering one may bring the next request of its connection, which may be held in turn: so begins anew after each. */
void held_answers_tick(struct held_answers *answers, int64_t now_boot_us) {
    struct held_answer *held = answers->first;
    while (held != NULL) {
        if (now_boot_us < held->leaves_boot_us) {
            held = held->next;
            continue;
        }
        take_out(answers, held);
        answer_held(held);
        held = answers->first;
    }
}
