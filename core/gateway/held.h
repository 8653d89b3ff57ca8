/* held.h: answers that leave no earlier than some time after their requests came, so that the time says nothing.
 *
 * Purpose  what is done for an address that somebody has takes a little longer, or shorter, than for one that nobody
 *          has. Where that must not be learnt, the answer waits until more time has passed than either takes.
 * Promise  each is sent once, at the first tick after its time: a whole number of spans after its request came, so that
 *          also where one span was not enough the time tells no more than how many were. A client that leaves is
 *          forgotten. The request's place
 *          among the commands of its shard is given back at once.
 * Bounds   as many as there are requests.
 * Memory   in the exchange's arena.
 * Thread   the loop's.          May use: http.
 */
#pragma once

#include "core/gateway/request.h"

struct held_answer;

struct held_answers {
    struct held_answer *first;
    size_t count;
};

/* The body, or the problem, must live in the request's arena. `hold_ms`: the span, counted from when the request came;
 * the answer leaves at the end of the span that runs now. */
void held_answer_json(struct request *request, int status, struct str body, int64_t hold_ms);
void held_answer_problem(struct request *request, const struct problem *problem, int64_t hold_ms);

void held_answers_tick(struct held_answers *answers, int64_t now_boot_us);
