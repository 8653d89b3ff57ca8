#include "core/gateway/customer_read.h"

#include <assert.h>

#include "core/gateway/intake.h"
#include "core/gateway/loop.h"
#include "core/gateway/query_run.h"
#include "gen/codec.h"
#include "projections/customers/document.h"

enum { DOCUMENT_MAX_BYTES = 1024 * 1024 };

/* ---- what is sealed ---------------------------------------------------------------------------------------------- */

struct opening {
    struct unsealing *unsealing;
    const struct sealed *left_out;
};

static bool open_the_rest(void *context, struct sealed *value) {
    const struct opening *opening = context;
    return value == opening->left_out || unsealing_add(opening->unsealing, value);
}

void customer_state_open(struct unsealing *unsealing, struct customer_state *state, struct vault *vault) {
    struct opening opening = {.unsealing = unsealing, .left_out = &state->password};
    bool are_all = customer_state_each_sealed(state, open_the_rest, &opening);
    assert(are_all && "a customer has fewer sealed texts than may be opened at once");
    unsealing_begin(unsealing, vault);
}

void customer_refuse_unopened(struct request *request, enum vault_found found) {
    if (found == VAULT_NO_MASTER) {
        request_no_key(request);
    } else {
        request_no_database(request);
    }
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void on_opened(struct unsealing *unsealing, enum vault_found found) {
    struct customer_reading *reading = unsealing->context;
    if (reading->request->is_lost) {
        request_drop(reading->request);
    } else if (!customer_is_opened(found)) {
        customer_refuse_unopened(reading->request, found);
    } else {
        reading->answer(reading);
    }
}

static void on_found(struct customer_finding *finding) {
    struct customer_reading *reading = finding->request->waiting;
    if (!finding->is_there) {
        reading->answer(reading);
        return;
    }
    reading->unsealing =
        (struct unsealing){.arena = request_arena(reading->request), .on_done = on_opened, .context = reading};
    customer_state_open(&reading->unsealing, &finding->customer.state, reading->request->loop->vault);
}

/* While the database or the vault is asked, its answer comes first. */
static void on_lost(struct request *request) {
    struct customer_reading *reading = request->waiting;
    if (customer_finding_cancel(&reading->finding)) {
        request_drop(request);
    }
}

/* NULL: the request was answered. */
static struct customer_reading *begin(struct request *request, void (*answer)(struct customer_reading *reading)) {
    struct customer_reading *reading = arena_alloc(request_arena(request), sizeof *reading);
    struct problem problem;
    request->exchange->holds_secrets = true; /* what is opened */
    reading->request = request;
    reading->answer = answer;
    request->on_lost = on_lost;
    request->waiting = reading;
    if (!intake_position(http_request_field(request->exchange, "daybook-position"), &request->loop->gateway->secret,
                         &reading->position, &problem)) {
        request_problem(request, &problem);
        return NULL;
    }
    return reading;
}

void customer_read_by_id(struct request *request, struct str customer,
                         void (*answer)(struct customer_reading *reading)) {
    struct customer_reading *reading = begin(request, answer);
    if (reading != NULL) {
        customer_find_by_id(&reading->finding, request, customer, &reading->position, on_found);
    }
}

void customer_read_by_identity(struct request *request, struct str identity,
                               void (*answer)(struct customer_reading *reading)) {
    struct customer_reading *reading = begin(request, answer);
    if (reading != NULL) {
        customer_find_by_identity(&reading->finding, request, identity, &reading->position, on_found);
    }
}

/* ---- answering --------------------------------------------------------------------------------------------------- */

void customer_reading_write(const struct customer_reading *reading, struct buf *out) {
    const struct customer_row *customer = &reading->finding.customer;
    customer_document(out, customer->id, customer->version, &customer->state);
}

void customer_reading_answer(struct customer_reading *reading) {
    struct request *request = reading->request;
    if (!reading->finding.is_there) {
        request_refuse(request, 404, "unknown_customer", REQUEST_UNKNOWN_THING);
        return;
    }
    struct buf document;
    buf_init_wiping(&document, DOCUMENT_MAX_BYTES);
    customer_reading_write(reading, &document);
    assert(buf_ok(&document));
    struct str version = arena_printf(request_arena(request), "%lld", (long long)reading->finding.customer.version);
    struct query_run run = {.request = request}; /* who is let in is shown all of it */
    query_run_answer_document(&run, version, buf_text(&document));
    buf_release(&document);
}
