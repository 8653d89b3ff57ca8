/* people.h: the doors of people who are not logged in: registering, proving a mailbox, another password, another
 * address.
 *
 * Promise  registering is answered alike whether the address is somebody's or not, and so is asking for another
 *          password: with the same words, and a whole number of RESET_ANSWER_MS after the request came. A token of a
 *          mail proves nothing but what it was mailed for. What is answered of a customer is his id and where he
 *          stands: whoever sends a request again is told no more than that.
 * Rule     a password is judged (core/vault/password.h) before anything else is done for it.
 * Thread   the loop's.          May use: http, vault, pg.
 */
#pragma once

#include "core/gateway/prepared.h"

enum { RESET_ANSWER_MS = DISCREET_ANSWER_MS };

/* For the table of prepared.c. */
void people_prepare_registration(struct preparation *preparation);
void people_prepare_verification(struct preparation *preparation);
void people_prepare_reset_request(struct preparation *preparation);
void people_prepare_reset(struct preparation *preparation);
void people_prepare_email(struct preparation *preparation);
void people_answer_standing(struct preparation *preparation, const struct outcome *outcome);
void people_answer_reset_request(struct preparation *preparation, const struct outcome *outcome);

/* A command that ends sessions is waited for, whoever would rather not: else its outcome would not be noted here. Not
 * an erasure: its outcome comes when all is erased, long after its sessions have ended. */
void people_wait_for_end(struct intake *intake);

/* Of whoever sets a password, known or not: whether it is taken. False: the request was answered 422, or 400. */
MUST_CHECK bool people_takes_password(struct request *request, struct str password, struct str email);
/* The verifier that the preparation's job has made; it stands in the place of the password, and is sealed. */
struct str people_verifier_made(struct preparation *preparation);

/* True: the house's request to erase somebody was refused. It has no password to give, so none is taken, that would be
 * looked at nowhere; and who would erase himself this way would be told that his password is wrong. */
bool people_refuse_erasure(struct request *request, const struct command *command);

/* What of the outcome concerns tokens that are out: sessions that it has ended let in nobody any more, at this front
 * from now on, at others when their views tell them. */
struct revocations;
void people_note_outcome(struct revocations *revocations, struct arena *arena, const struct command *command,
                         const struct outcome *outcome);
