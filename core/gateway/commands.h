/* commands.h: the way of a command: check, attach facts, seal, send, wait, answer.
 *
 * Purpose  one request that changes something. Everything here happens on the loop's thread, in steps between which the
 *          loop goes on with others:
 *
 *            intake -> prepare (prepared.h) -> wait for views -> price facts -> seal -> log ... outcome -> answer
 *
 * Promise  what is answered 2xx or by a refusal of decide stands in the log; what is not known is answered 202 with a
 *          Location, never as a failure; 503 means that nothing was written (safe to send again, with the same key
 *          to be sure).
 * Second try  a checkout whose facts did not cover the cart (our hint was stale, the view behind) is refused
 *          `cart_changed` naming the SKUs. The gateway then fetches just these and tries once more under a second
 *          command id, which derives from the first one: so a retry of the client takes the same two steps and finds
 *          both outcomes recorded. Only the second refusal is the client's.
 * Lost answers  an outcome that does not come in time is asked for (AskOutcome), at growing intervals, once for all who
 *          wait for the command: a reply is best effort.
 * Lost clients  who goes before his command was sent has sent none; who goes later waits no longer. At most JOINERS_MAX
 *          requests wait for one command; whoever comes then is told 202.
 * Size     commands.c is long because all steps between which a request waits share how it ends.
 * Thread   the loop's.          May use: http, log, pg, vault.
 */
#pragma once

#include <stdbool.h>

struct request;

/* What every COMMAND_ROUTE is answered by. */
void command_received(struct request *request);

/* A command that the gateway itself made of a request (a webhook): its type, payload, stream and id are set. It is sent
 * and its outcome answered; `accepted_body` is the answer when accepted, with status 200. */
struct command;
void command_send_made(struct request *request, const struct command *command, const char *accepted_body);

/* ETag, Daybook-Position, Location and the mark of a replay. `seen`: the position that the request brought; `is_asked`:
 * the outcome was asked for afterwards. */
struct outcome_answer;
struct position;
void command_answer_fields(struct request *request, const struct outcome_answer *answer, const struct position *seen,
                           bool is_asked);
