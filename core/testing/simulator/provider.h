/* provider.h: the simulated payment provider: what it answers, what it does later, and how all of it goes wrong.
 *
 * Purpose  stands behind the double of core/connect/http_calls.h (http_calls.c), so that the real connector and the
 *          real http_provider.c talk to it. It is no process: it outlives whoever asked, and what has been asked of it
 *          is done although he was killed since. What it did is in provider_ledger.h.
 * Protocol core/connect/http_provider.h. A charge's method chooses how it goes (sim_method_named); faults come on top.
 * Promise  the connection loses, delays and repeats what it carries, the provider fails before and after it has done
 *          what it should, and stays away for a while; but it does nothing that a provider with idempotency keys may
 *          not do. Each fault's frequency is drawn once a run, and many are off: a run with all of them would hide what
 *          each of them does alone.
 * Memory   for the length of the run.
 * Thread   events of the world and any fiber.          May use: base, jansson, world, provider_ledger.
 */
#pragma once

#include "core/base/buf.h"
#include "core/testing/simulator/provider_ledger.h"

/* A provider that is up and does what it should, an empty ledger. */
void sim_provider_begin(void);

/* ---- faults ------------------------------------------------------------------------------------------------------ */

/* How often, in a million requests. */
struct sim_provider_faults {
    uint32_t request_lost;  /* nothing arrives; the caller's time runs out */
    uint32_t request_twice; /* the same bytes again, as a client sends them whose kept connection broke */
    uint32_t answer_lost;
    uint32_t late;         /* request or answer takes up to late_most_us, which may be past the caller's time */
    uint32_t error_before; /* 5xx or 429, and nothing was done */
    uint32_t error_after;  /* 5xx, and it was done */
    uint32_t torn;         /* 200, and half of the body */
    uint32_t busy;         /* 409 to a request whose first one is some seconds old */
    uint32_t webhook;      /* tells an outcome by webhook that was answered as well */
    uint32_t webhook_lost; /* never tells what a lookup would find: not of a late_success, which nobody looks up */
    int64_t late_most_us;
};
extern struct sim_provider_faults sim_provider_faults;

/* SILENT: what is sent to it or comes from it is lost. REFUSING: connections are refused. */
enum sim_provider_condition { SIM_PROVIDER_UP, SIM_PROVIDER_SILENT, SIM_PROVIDER_REFUSING };
extern enum sim_provider_condition sim_provider_condition;

/* Draws the frequencies, how soon it forgets keys, and some times until `until_us` of the world at which it is away for
 * up to five minutes. */
void sim_provider_draw_faults(int64_t until_us);
/* No faults from here on, and it is there. What is on its way stays late. */
void sim_provider_heal(void);

/* ---- what others do with it -------------------------------------------------------------------------------------- */

/* The shopper of this payment takes the step that a charge waits for. Nothing, when none waits. Fits
 * shoppers_act_at_provider (shopper.h). */
void sim_provider_act(struct str payment);
/* So many in a million shoppers take it by themselves; 0 where sim_provider_act is called. */
extern uint32_t sim_provider_shoppers_act;

/* A webhook: as an event of the world, at some time after the row was made, before or after the answer. on_taken is
 * called once, later or at once, with whether it was answered 200; else it is told again, ever more seldom. NULL: the
 * provider sends no webhooks (a late_success is then never heard of). */
extern void (*sim_provider_on_decided)(const struct sim_ledger_entry *entry,
                                       void (*on_taken)(void *context, bool is_taken), void *context);
/* Webhooks that are yet to be told. */
uint32_t sim_provider_webhooks_open(void);

/* provider_ref of a row, the same for all that it comes to. */
struct str sim_provider_ref(const struct sim_ledger_entry *entry, char ret_text[32]);

/* ---- for http_calls.c -------------------------------------------------------------------------------------------- */

struct sim_provider_request {
    struct str method; /* "POST" */
    struct str path;   /* "/charges" */
    struct str key;    /* of the Idempotency-Key; empty for none */
    struct str body;
};

struct sim_provider_answer {
    int status;       /* 0: it never answers */
    int64_t after_us; /* so long it takes */
};

/* A request arrives, and what it asks for is done. The body is appended to `ret_body`. A request that no provider could
 * read is a bug of who asks, and asserts. */
struct sim_provider_answer sim_provider_take(const struct sim_provider_request *request, struct buf *ret_body);
