/* submit.h: commands of one loop on their way to the log.
 *
 * Promise  the record goes to its stream's shard and asks for the answer at this loop. How its delivery went comes
 *          back as a letter (core/gateway/mailbox.h) that names the submission: failures always, success when asked
 *          for.
 * Thread   the loop's.          May use: log.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/err.h"
#include "core/gateway/identity.h"
#include "gen/commands.h"

struct gateway_loop;

enum submitted {
    SUBMITTED,
    SUBMIT_OVERLOADED, /* too much waits to be sent already */
    SUBMIT_TOO_LARGE,  /* no record may be so large */
    SUBMIT_NO_LOG,
};

/* What a letter about a delivery says. */
struct submission {
    char command_id[COMMAND_ID_LEN];
    uint64_t number;
};
MUST_CHECK bool submission_read(struct str letter, struct submission *ret_submission);

/* A number that no other submission of this loop has. */
uint64_t submit_number(struct gateway_loop *loop);

/* Fills in the command's reply address. `traceparent` goes along as a header. */
MUST_CHECK enum submitted submit_command(struct gateway_loop *loop, struct command *command, uint64_t number,
                                         struct str traceparent, bool tells_delivery);

/* Asks the shard's window what became of a command; the answer reaches those who wait for that command. */
MUST_CHECK enum submitted submit_outcome_ask(struct gateway_loop *loop, struct arena *arena, struct str command_id,
                                             int32_t shard, struct str traceparent);

/* The stream's shard, and with it the command's public id: where GET /v1/commands/{id} must ask. */
int32_t submit_shard(const struct gateway_loop *loop, struct str stream);
