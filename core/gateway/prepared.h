/* prepared.h: which commands something must be found out for before they are sent: one row each.
 *
 *      intake -> prepare: whose is it, is it proved, what is sealed under whose key -> seal -> log ... outcome ->
 *      answer
 *
 * Purpose  a command about people states as facts what only a front can find out: whether a password was right, which
 *          of the mails a token is of. The decision counts these facts; here they are made. All else is as with any
 *          command (commands.h).
 * Id       what was found out belongs to the command's id (preparation_end, `within`): with an Idempotency-Key alone
 *          nobody is given the answer of whoever has proved something.
 * Scope    whoever proves something with the request itself is nobody before: the keys of all who do so count
 *          together, whatever else they bring, so that a retry finds its command also after other credentials have had
 *          their time.
 * Discreet a row whose answers must not tell whether there is such a person, or whether a password was right that is
 *          refused for another reason. Then no id of the command is told, not by a Location and not by a trace, since
 *          ids begin as their streams do, and the trace is one of chance; nor a position or that it is a replay, but
 *          where it succeeded. It is not answered sooner for who does not want to wait.
 * Memory   the request's arena, which is overwritten when the request ends, however it does: it holds secrets. Those
 *          of the command are wiped as soon as they were used (preparation_wipe); what the log is told has none
 *          (schemas: `secret`).
 * Thread   the loop's.          May use: http, vault, pg.
 */
#pragma once

#include <jansson.h>

#include "core/domain/rejection.h"
#include "core/gateway/customer_find.h"
#include "core/gateway/hashing.h"
#include "core/gateway/intake.h"
#include "core/gateway/unsealing.h"

struct outcome;

struct prepared_command;

/* Within this, either of two that must not be told apart is done. See held.h. */
enum { DISCREET_ANSWER_MS = 250 };

struct preparation {
    const struct prepared_command *row;
    struct request *request;
    struct intake *intake; /* the command: its facts are to be filled in */
    /* Whose key seals the command's texts, where it has any. */
    struct str seal_key_id;
    enum vault_wish seal_wish;
    /* The steps' own: */
    struct customer_finding finding;
    struct unsealing unsealing;
    struct hashing_job job;
    struct sealed sealed; /* what is compared with, where it is no member of the state */
    struct str stream;    /* of the customer, or of nobody */
    bool is_compared;     /* with a verifier that is the customer's */
    bool has_cookie;      /* what proves something came as a cookie, and so do the answer's tokens */
    bool is_asked;        /* set for `answer`: the outcome was asked for once more */
    /* Of one's own commands (me.h): what is compared, and what comes next. */
    struct str *secret;
    void (*on_found)(struct preparation *preparation);
    void (*on_proved)(struct preparation *preparation, bool is_proved);
    /* Whoever sends it: goes on with the command. */
    void (*on_prepared)(struct preparation *preparation, struct str stream, struct str within);
    void *context;
};

struct prepared_command {
    uint16_t type;
    bool is_discreet;
    bool has_one_scope; /* see Scope */
    /* Ends in preparation_end, or answers the request. */
    void (*prepare)(struct preparation *preparation);
    /* Answers the request by what was decided, which is lent for the call. NULL: as any command is answered. */
    void (*answer)(struct preparation *preparation, const struct outcome *outcome);
    /* What counts as the body where none was sent: a new reference, or NULL. NULL: nothing does. */
    json_t *(*absent_body)(struct request *request);
};

/* The row of a command; NULL when it needs none. */
const struct prepared_command *prepared_command(uint16_t type);
/* The same of what a route sends: what somebody does to himself has a row of its own, whoever else may do it to him. */
struct route;
const struct prepared_command *prepared_command_of(const struct route *route);

/* Within what an Idempotency-Key of the request counts. */
struct str preparation_scope(const struct request *request);

/* Of a request whose command is taken in next; NULL when it needs none. What stands for a body that was not sent is a
 * new reference, or NULL. */
struct preparation *preparation_create(struct request *request, struct intake *intake,
                                       void (*on_prepared)(struct preparation *preparation, struct str stream,
                                                           struct str within),
                                       void *context, json_t **ret_absent_body);
/* The bytes that were sent may hold secrets: once they are read they are wiped. */
void preparation_wipe_body(struct preparation *preparation);
/* The command has been taken in. */
void preparation_begin(struct preparation *preparation);

/* The command is whole. `within`: what its id must hold besides the stream. A command that creates its stream has its
 * name already, and keeps it. */
void preparation_end(struct preparation *preparation, struct str stream, struct str within);

/* The client is gone: true when the request may be dropped at once; else it is, by what is on its way. NULL: false. */
MUST_CHECK bool preparation_cancel(struct preparation *preparation);

/* ---- steps ------------------------------------------------------------------------------------------------------- */

/* Whether the client has gone while others worked for him; then the request is dropped. */
MUST_CHECK bool preparation_is_abandoned(struct preparation *preparation);

/* Opens one sealed value; on_done tells what came of it. */
void preparation_unseal(struct preparation *preparation, struct sealed *value,
                        void (*on_done)(struct unsealing *unsealing, enum vault_found found));

/* Whether it was opened as far as it can be; false: the request was answered, or dropped. */
MUST_CHECK bool preparation_was_unsealed(struct preparation *preparation, enum vault_found found);

/* Compares the password with the verifier; or, without one, makes one of it. The job tells what became of it, unless
 * the request was answered 429. The job has a copy of the password; this one is wiped, unless it is needed again. */
void preparation_hash(struct preparation *preparation, struct str *password, bool is_needed_again, struct str verifier,
                      void (*on_done)(struct hashing_job *job));
/* The same of what is not needed: false where there is no room for it, and then nothing was done or answered. */
MUST_CHECK bool preparation_try_hash(struct preparation *preparation, const struct str *password, struct str verifier,
                                     void (*on_done)(struct hashing_job *job));
/* Whether it was hashed; false: the request was answered, or dropped. */
MUST_CHECK bool preparation_was_hashed(struct preparation *preparation);

/* As whom it is decided: as the customer who has proved to be himself; before that as nobody, whoever else asks. */
void preparation_act_as(struct preparation *preparation, struct str customer);
void preparation_act_as_nobody(struct preparation *preparation);

/* 401 or 403 with the words of the refusal: proofs that failed count for the client's address. `hold_ms`: see held.h.
 * */
void preparation_refuse(struct preparation *preparation, enum rejection rejection, struct str pointer, int64_t hold_ms);
/* The key that seals is not there. Where it was to be made it was destroyed, and stays so: that is final. Else 503. */
void preparation_refuse_key(struct preparation *preparation);
/* What was decided, alike; the problem without a trace where the request's own is to be told. */
struct problem preparation_problem(const struct preparation *preparation, const struct outcome *outcome);
void preparation_refuse_by(struct preparation *preparation, const struct outcome *outcome, int64_t hold_ms);
/* Position, and that it is a replay: of what succeeded. */
void preparation_answer_fields(struct preparation *preparation, const struct outcome *outcome);
/* 202 without an id, and no sooner than any other answer. */
void preparation_answer_pending(struct preparation *preparation);
/* The customer as the outcome has him; false: this front cannot read him. */
MUST_CHECK bool preparation_customer(struct preparation *preparation, const struct outcome *outcome,
                                     struct customer_state *ret_state);

/* Whether what is sealed of passwords are verifiers: so it is from when a command was prepared. */
bool preparation_hides_passwords(const struct command *command);

void preparation_wipe(struct str *secret);
