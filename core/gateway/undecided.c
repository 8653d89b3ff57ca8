#include "core/gateway/undecided.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/memory.h"
#include "core/base/timestamp.h"
#include "core/gateway/identity.h"
#include "core/gateway/loop.h"
#include "core/gateway/request.h"

struct undecided {
    struct outcome_waiter waiter;
    struct gateway_loop *loop;
    int32_t shard;
    char command_id[COMMAND_ID_LEN];
};

static void end(struct undecided *undecided, bool is_decided) {
    undecided->loop->undecided_count--;
    admission_leave(&undecided->loop->admission, undecided->shard, is_decided, clock_boot_us());
    free(undecided);
}

static bool on_outcome(struct outcome_waiter *waiter, const struct outcome *outcome) {
    if (!outcome_is_final(outcome)) {
        return false;
    }
    end(waiter->context, true);
    return true;
}

static bool on_delivered(struct outcome_waiter *waiter) {
    (void)waiter;
    return false;
}

static void on_failed(struct outcome_waiter *waiter, bool is_certain) {
    (void)is_certain;
    end(waiter->context, false);
}

static void on_deadline(struct outcome_waiter *waiter) {
    end(waiter->context, false);
}

void undecided_keep(struct request *request, struct str command_id, bool is_in_doubt) {
    if (!request->is_admitted) {
        return;
    }
    int kept_ms = is_in_doubt ? UNDECIDED_IN_DOUBT_KEPT_MS : UNDECIDED_KEPT_MS;
    struct undecided *undecided = calloc_or_end(1, sizeof *undecided);
    assert(command_id.len <= sizeof undecided->command_id);
    memcpy(undecided->command_id, command_id.data, command_id.len);
    undecided->loop = request->loop;
    undecided->shard = request->shard;
    undecided->waiter = (struct outcome_waiter){
        /* No submission: it does not ask what became of the command, as one with a client does. */
        .command_id = str_of(undecided->command_id, command_id.len),
        .deadline_boot_us = clock_boot_us() + (int64_t)kept_ms * MICROS_PER_MS,
        .on_outcome = on_outcome,
        .on_delivered = on_delivered,
        .on_failed = on_failed,
        .on_deadline = on_deadline,
        .context = undecided,
    };
    if (outcome_waiters_add(&request->loop->waiters, &undecided->waiter)) {
        request->loop->undecided_count++;
        request->is_admitted = false; /* the place is the command's own now */
    } else {
        free(undecided);
    }
}
