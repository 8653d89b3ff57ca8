#include "core/gateway/commands.h"

#include <assert.h>

#include "core/base/array.h"
#include "core/base/timestamp.h"
#include "core/domain/rejection.h"
#include "core/gateway/answers.h"
#include "core/gateway/api_key_commands.h"
#include "core/gateway/buyer_address.h"
#include "core/gateway/facts.h"
#include "core/gateway/identity.h"
#include "core/gateway/intake.h"
#include "core/gateway/loop.h"
#include "core/gateway/people.h"
#include "core/gateway/prepared.h"
#include "core/gateway/priced.h"
#include "core/gateway/request.h"
#include "core/gateway/sku_owner.h"
#include "core/gateway/submit.h"
#include "core/gateway/trace.h"
#include "core/gateway/undecided.h"
#include "core/log/record.h"
#include "gen/codec.h"
#include "gen/json.h"

enum {
    JOINERS_MAX = 64,    /* requests that wait for one command */
    SEALED_MAX = 4,      /* sealed texts of one command; its schema has fewer */
    FIRST_ASK_MS = 2000, /* after this an outcome is asked for, then after twice that ... */
};

struct command_request {
    struct request *request;
    struct preparation *preparation; /* NULL: nothing is to be found out */
    struct intake intake;
    struct outcome_waiter waiter;
    struct view_wait view_wait;
    struct api_key_rotation rotation;
    struct facts_request facts;
    struct buyer_address address;
    struct sealed *sealed[SEALED_MAX];
    size_t sealed_count, sealed_next;
    bool is_second_try;
    struct str_array missing_skus; /* for the second try */
    int64_t answer_by_boot_us, ask_interval_us;
    bool has_asked;
    const char *accepted_body; /* see command_send_made */
};

static void seal_next(struct command_request *cr);
static void wait_for_catalogue(struct command_request *cr);
static void attach_facts(struct command_request *cr);
static void send_command(struct command_request *cr);

static struct command *command_of(struct command_request *cr) {
    return &cr->intake.command;
}

static struct gateway_loop *loop_of(const struct command_request *cr) {
    return cr->request->loop;
}

/* Whether no answer may tell its id. */
static bool is_discreet(const struct command_request *cr) {
    return cr->preparation != NULL && cr->preparation->row->is_discreet;
}

/* ---- answering --------------------------------------------------------------------------------------------------- */

static struct str public_id(struct command_request *cr) {
    const struct command_meta *meta = &command_of(cr)->meta;
    return arena_printf(request_arena(cr->request), "%.*s.%d", STR_ARGS(meta->command_id),
                        submit_shard(loop_of(cr), meta->stream));
}

static void add_preference(struct command_request *cr) {
    if (!str_is_empty(cr->intake.preference_applied)) {
        http_answer_field(cr->request->exchange, "Preference-Applied", cr->intake.preference_applied);
    }
}

/* The command stands in the log, or may, and whoever asked for it is about to leave. */
static void leave_undecided(struct command_request *cr, bool is_in_doubt) {
    if (!cr->request->is_decided && cr->waiter.submission != 0) {
        undecided_keep(cr->request, cr->waiter.command_id, is_in_doubt);
    }
}

/* It is not known yet what became of it, and that is what is said. */
static void answer_undecided(struct command_request *cr) {
    leave_undecided(cr, false);
    if (is_discreet(cr)) {
        preparation_answer_pending(cr->preparation);
        return;
    }
    struct arena *arena = request_arena(cr->request);
    struct str id = public_id(cr);
    http_answer_field(cr->request->exchange, "Location", arena_printf(arena, "/v1/commands/%.*s", STR_ARGS(id)));
    http_answer_field(cr->request->exchange, "Retry-After", STR("1"));
    add_preference(cr);
    request_answer_json(cr->request, 202,
                        arena_printf(arena, "{\"command\":\"%.*s\",\"status\":\"pending\"}", STR_ARGS(id)));
}

void command_answer_fields(struct request *request, const struct outcome_answer *answer, const struct position *seen,
                           bool is_asked) {
    struct http_exchange *exchange = request->exchange;
    if (!str_is_empty(answer->etag)) {
        http_answer_field(exchange, "ETag", answer->etag);
    }
    if (!str_is_empty(answer->position)) {
        struct arena *arena = request_arena(request);
        http_answer_field(exchange, "Daybook-Position",
                          position_header_write(arena, &request->loop->gateway->secret,
                                                position_after(arena, answer->position, seen)));
    }
    if (answer->status == 201 && !str_is_empty(answer->location)) {
        http_answer_field(exchange, "Location", answer->location);
    }
    if (answer->is_replayed && !is_asked) {
        http_answer_field(exchange, "Idempotent-Replayed", STR("true"));
    }
}

/* A guest learns the token that speaks for his new cart: one more member of the document. A customer's needs none,
 * and no token speaks for it. */
static struct str with_cart_token(struct command_request *cr, struct str document) {
    struct arena *arena = request_arena(cr->request);
    struct str token = identity_cart_token(arena, &loop_of(cr)->gateway->secret, command_of(cr)->meta.stream);
    return arena_printf(arena, "%.*s,\"token\":\"%.*s\"}", (int)document.len - 1, document.data, STR_ARGS(token));
}

static void answer_outcome(struct command_request *cr, const struct outcome *outcome) {
    struct request *request = cr->request;
    if (cr->preparation != NULL && cr->preparation->row->answer != NULL) {
        add_preference(cr);
        cr->preparation->is_asked = cr->has_asked;
        cr->preparation->row->answer(cr->preparation, outcome);
        return;
    }
    struct outcome_answer answer = answer_of_outcome(request_arena(request), outcome, request->match.route->status);
    command_answer_fields(request, &answer, &cr->intake.position, cr->has_asked);
    add_preference(cr);
    if (answer.is_problem) {
        request_problem(request, &answer.problem);
        return;
    }
    if (cr->accepted_body != NULL) {
        answer.body = str_of_cstr(cr->accepted_body);
    } else if (command_of(cr)->type == COMMAND_OPEN_CART && !command_of(cr)->as.open_cart.has_customer) {
        answer.body = with_cart_token(cr, answer.body);
    } else if (api_key_is_made_by(command_of(cr))) {
        request->exchange->holds_secrets = true;
        answer.body =
            api_key_shown(request_arena(request), &loop_of(cr)->gateway->secret, command_of(cr), outcome, answer.body);
    }
    request_answer_json(request, answer.status, answer.body);
}

/* ---- outcomes -----------------------------------------------------------------------------------------------------
 */

/* What is in the cart now is what its checkout will ask for. */
static void note_cart(struct command_request *cr, const struct outcome *outcome) {
    uint32_t schema_id;
    struct str avro;
    struct cart_state state;
    const char *why;
    if (outcome->status == OUTCOME_STATUS_ACCEPTED && str_starts_with(outcome->stream, STR("cart_")) &&
        frame_read(outcome->resource, &schema_id, &avro) &&
        cart_state_decode_as(request_arena(cr->request), schema_id, avro, &state, &why)) {
        recent_carts_note(&loop_of(cr)->gateway->recent_carts, outcome->stream, &state.lines);
    }
}

static bool wants_second_try(const struct command_request *cr, const struct outcome *outcome) {
    enum rejection rejection;
    return cr->intake.command.type == COMMAND_CHECK_OUT_CART && !cr->is_second_try && outcome->skus.count > 0 &&
           outcome->skus.count <= FACTS_SKUS_MAX && outcome->status == OUTCOME_STATUS_REJECTED &&
           rejection_by_code(outcome->rejection, &rejection) && rejection == REJECT_CART_CHANGED;
}

static void begin_second_try(struct command_request *cr, const struct outcome *outcome) {
    struct arena *arena = request_arena(cr->request);
    struct command_meta *meta = &command_of(cr)->meta;
    cr->is_second_try = true;
    for (uint32_t i = 0; i < outcome->skus.count; i++) {
        *ARRAY_PUSH(arena, &cr->missing_skus) = arena_str_copy(arena, outcome->skus.items[i]);
    }
    meta->command_id = identity_second_try(arena, &loop_of(cr)->gateway->secret, meta->command_id);
    meta->correlation_id = meta->command_id;
    meta->causation_id = meta->command_id;
    cr->waiter = (struct outcome_waiter){0}; /* it waited for the first */
    metrics_second_try(&loop_of(cr)->metrics);
    attach_facts(cr);
}

static bool on_outcome(struct outcome_waiter *waiter, const struct outcome *outcome) {
    struct command_request *cr = waiter->context;
    bool is_of_other_request =
        outcome->request_hash.len > 0 && !str_equal(outcome->request_hash, command_of(cr)->meta.request_hash);
    if (is_of_other_request || !outcome_is_final(outcome)) {
        return false;
    }
    note_cart(cr, outcome);
    people_note_outcome(&loop_of(cr)->gateway->revocations, request_arena(cr->request), command_of(cr), outcome);
    bool tries_again = !cr->intake.responds_async && wants_second_try(cr, outcome);
    cr->request->is_decided = !tries_again;
    if (cr->intake.responds_async) {
        answer_undecided(cr); /* it overtook the report of its delivery: who asked not to wait is told the same */
    } else if (tries_again) {
        begin_second_try(cr, outcome);
    } else {
        answer_outcome(cr, outcome);
    }
    return true;
}

static bool on_delivered(struct outcome_waiter *waiter) {
    struct command_request *cr = waiter->context;
    if (!cr->intake.responds_async) {
        return false;
    }
    answer_undecided(cr);
    return true;
}

static void on_failed(struct outcome_waiter *waiter, bool is_certain) {
    struct command_request *cr = waiter->context;
    if (is_certain) {
        request_no_log(cr->request);
    } else {
        leave_undecided(cr, true);
        answer_undecided(cr);
    }
}

static int64_t next_deadline(const struct command_request *cr, int64_t now_boot_us) {
    int64_t ask_at = now_boot_us + cr->ask_interval_us;
    return ask_at < cr->answer_by_boot_us ? ask_at : cr->answer_by_boot_us;
}

/* The answer to one question is told to all who wait for the command. */
static bool others_have_asked(const struct command_request *cr, int64_t now_boot_us) {
    const struct outcome_waiter *other = outcome_waiters_find(&loop_of(cr)->waiters, cr->waiter.command_id);
    while (other != NULL && other->asked_boot_us + (int64_t)FIRST_ASK_MS * MICROS_PER_MS <= now_boot_us) {
        other = outcome_waiters_next(other);
    }
    return other != NULL;
}

/* Either the client has waited long enough, or the answer has got lost and is asked for. */
static void on_deadline(struct outcome_waiter *waiter) {
    struct command_request *cr = waiter->context;
    int64_t now_boot_us = clock_boot_us();
    if (now_boot_us >= cr->answer_by_boot_us || outcome_waiters_end(&loop_of(cr)->waiters, now_boot_us)) {
        answer_undecided(cr);
        return;
    }
    if (!others_have_asked(cr, now_boot_us)) {
        struct arena *arena = request_arena(cr->request);
        const struct command_meta *meta = &command_of(cr)->meta;
        /* That it could not be sent is no harm: it is sent again. */
        (void)!submit_outcome_ask(loop_of(cr), arena, meta->command_id, submit_shard(loop_of(cr), meta->stream),
                                  trace_parent(arena, cr->request->trace_id));
        waiter->asked_boot_us = now_boot_us;
    }
    cr->has_asked = true;
    cr->ask_interval_us *= 2;
    waiter->deadline_boot_us = next_deadline(cr, now_boot_us);
    if (!outcome_waiters_add(&loop_of(cr)->waiters, waiter)) {
        answer_undecided(cr);
    }
}

/* ---- sending ------------------------------------------------------------------------------------------------------
 */

static void refuse_submission(struct command_request *cr, enum submitted submitted) {
    if (submitted == SUBMIT_OVERLOADED) {
        request_overloaded(cr->request);
    } else if (submitted == SUBMIT_TOO_LARGE) {
        request_refuse(cr->request, 413, "command_too_large", "With what belongs to it the request is too large.");
    } else {
        request_no_log(cr->request);
    }
}

/* The same request on its way already, whose outcome is this one's as well; NULL when there is none. A question
 * (GET /v1/commands/{id}) sends no command. */
static const struct outcome_waiter *in_flight(struct command_request *cr, size_t *ret_count) {
    const struct outcome_waiter *found = NULL;
    const struct outcome_waiter *other = outcome_waiters_find(&loop_of(cr)->waiters, command_of(cr)->meta.command_id);
    for (*ret_count = 0; other != NULL; other = outcome_waiters_next(other)) {
        struct command_request *first = other->on_outcome == on_outcome ? other->context : NULL;
        if (first != NULL && str_equal(command_of(first)->meta.request_hash, command_of(cr)->meta.request_hash)) {
            found = other;
            ++*ret_count;
        }
    }
    return found;
}

static void on_lost(struct request *request) {
    struct command_request *cr = request->waiting;
    if (cr->waiter.waits) {
        outcome_waiters_remove(&loop_of(cr)->waiters, &cr->waiter);
        leave_undecided(cr, false);
        request_drop(request);
    } else if (view_wait_cancel(&cr->view_wait) || api_key_rotation_cancel(&cr->rotation) ||
               preparation_cancel(cr->preparation)) {
        request_drop(request);
    } /* else the database's answer comes first, see is_abandoned */
}

/* The client went while the database was asked: nothing was sent yet, and nothing will be. */
static bool is_abandoned(struct command_request *cr) {
    if (cr->request->is_lost) {
        request_drop(cr->request);
        return true;
    }
    return false;
}

static void send_command(struct command_request *cr) {
    struct gateway_loop *loop = loop_of(cr);
    struct arena *arena = request_arena(cr->request);
    size_t joined_count;
    const struct outcome_waiter *joined = in_flight(cr, &joined_count);
    if (joined_count >= JOINERS_MAX) {
        answer_undecided(cr);
        return;
    }
    cr->ask_interval_us = (int64_t)FIRST_ASK_MS * MICROS_PER_MS;
    cr->waiter = (struct outcome_waiter){
        .command_id = command_of(cr)->meta.command_id,
        .submission = joined != NULL ? joined->submission : submit_number(loop),
        .deadline_boot_us = next_deadline(cr, clock_boot_us()),
        .on_outcome = on_outcome,
        .on_delivered = on_delivered,
        .on_failed = on_failed,
        .on_deadline = on_deadline,
        .context = cr,
    };
    if (!outcome_waiters_add(&loop->waiters, &cr->waiter)) {
        request_overloaded(cr->request);
        return;
    }
    if (joined != NULL) {
        return;
    }
    enum submitted submitted = submit_command(loop, command_of(cr), cr->waiter.submission,
                                              trace_parent(arena, cr->request->trace_id), cr->intake.responds_async);
    if (submitted != SUBMITTED) {
        outcome_waiters_remove(&loop->waiters, &cr->waiter);
        refuse_submission(cr, submitted);
    }
}

/* ---- facts --------------------------------------------------------------------------------------------------------
 */

static void on_facts(void *context, const struct price_fact_array *facts) {
    struct command_request *cr = context;
    if (is_abandoned(cr)) {
        return;
    }
    if (facts == NULL) {
        request_no_database(cr->request);
        return;
    }
    struct price_fact_array *all = priced_command(command_of(cr)->type)->facts(command_of(cr));
    if (all->count == 0) {
        *all = *facts;
    } else { /* a second try adds to what the first one had */
        for (uint32_t i = 0; i < facts->count && all->count < FACTS_SKUS_MAX; i++) {
            *ARRAY_PUSH(request_arena(cr->request), all) = facts->items[i];
        }
    }
    seal_next(cr);
}

/* Of what is in the cart, as far as that is known here. */
static void attach_cart_facts(struct command_request *cr, bool are_fresh) {
    struct str_array skus;
    if (cr->is_second_try) {
        facts_of_skus(&cr->facts, cr->missing_skus.items, cr->missing_skus.count, true);
    } else if (recent_carts_skus(&loop_of(cr)->gateway->recent_carts, request_arena(cr->request),
                                 command_of(cr)->meta.stream, &skus)) {
        facts_of_skus(&cr->facts, skus.items, skus.count, are_fresh);
    } else {
        facts_of_cart(&cr->facts, command_of(cr)->meta.stream);
    }
}

static void attach_facts(struct command_request *cr) {
    const struct priced_command *priced = priced_command(command_of(cr)->type);
    if (priced == NULL) {
        seal_next(cr);
        return;
    }
    bool are_fresh = position_names(&cr->intake.position, TOPIC_CATALOG);
    cr->facts = (struct facts_request){.cache = &loop_of(cr)->facts,
                                       .pg = loop_of(cr)->pg,
                                       .arena = request_arena(cr->request),
                                       .on_facts = on_facts,
                                       .context = cr};
    if (priced->skus == NULL) {
        attach_cart_facts(cr, are_fresh);
        return;
    }
    struct str_array skus = priced->skus(request_arena(cr->request), command_of(cr));
    if (skus.count == 0) {
        seal_next(cr);
    } else {
        facts_of_skus(&cr->facts, skus.items, skus.count, are_fresh);
    }
}

/* ---- views --------------------------------------------------------------------------------------------------------
 */

static void on_catalogue(void *context, enum view_state state) {
    struct command_request *cr = context;
    if (state == VIEW_CAUGHT_UP) {
        attach_facts(cr);
    } else {
        request_view_is_not_there(cr->request, state);
    }
}

/* A cart that is opened empty prices nothing. */
static bool needs_catalogue(struct command_request *cr) {
    const struct priced_command *priced = priced_command(command_of(cr)->type);
    return priced != NULL &&
           (priced->skus == NULL || priced->skus(request_arena(cr->request), command_of(cr)).count > 0);
}

/* A client that has just put something on sale, and says so by its position, can sell it at once. */
static void wait_for_catalogue(struct command_request *cr) {
    struct gateway_loop *loop = loop_of(cr);
    if (cr->intake.position.count == 0 || !needs_catalogue(cr)) {
        attach_facts(cr);
        return;
    }
    int64_t until = clock_boot_us() + loop->gateway->config->view_wait_ms * MICROS_PER_MS;
    view_wait_begin(&loop->view_waits, &cr->view_wait, "products", &cr->intake.position, until, on_catalogue, cr);
}

/* ---- sealing ------------------------------------------------------------------------------------------------------
 */

static bool collect_sealed(void *context, struct sealed *sealed) {
    struct command_request *cr = context;
    if (cr->sealed_count == SEALED_MAX) {
        return false;
    }
    cr->sealed[cr->sealed_count++] = sealed;
    return true;
}

/* Whether what is given with the command is his who sends it, and known: what he buys himself, which is his then. Staff
 * give what is somebody else's, as like as not. */
static bool seals_as_customer(const struct command_request *cr) {
    const struct access *access = &cr->request->access;
    return !str_is_empty(access->customer) && (access_is_own(access) || access->by == 'p');
}

static void on_key(void *context, enum vault_found found, const struct vault_key *key) {
    struct command_request *cr = context;
    if (is_abandoned(cr)) {
        return;
    }
    if (found == VAULT_NO_DATABASE) {
        request_no_database(cr->request);
        return;
    }
    if (found == VAULT_NONE && cr->preparation != NULL) {
        preparation_refuse_key(cr->preparation);
        return;
    }
    if (found == VAULT_NONE && seals_as_customer(cr)) { /* his key ended, and with it what he said */
        request_refuse(cr->request, 409, "customer_erased", "You were erased: nothing personal is taken of you.");
        return;
    }
    if (found != VAULT_THERE) { /* the ring cannot open it; or it was destroyed between being made and being read */
        request_no_key(cr->request);
        return;
    }
    vault_seal(key, request_arena(cr->request), cr->sealed[cr->sealed_next++]);
    seal_next(cr);
}

static void on_address(void *context) {
    struct command_request *cr = context;
    if (!is_abandoned(cr)) {
        send_command(cr);
    }
}

/* What is sealed for the command is sealed. Of a customer who checks out without an address his own comes along. */
static void send_with_address(struct command_request *cr) {
    struct check_out_cart *ask =
        command_of(cr)->type == COMMAND_CHECK_OUT_CART ? &command_of(cr)->as.check_out_cart : NULL;
    if (ask == NULL || ask->has_email || !seals_as_customer(cr)) {
        send_command(cr);
        return;
    }
    cr->address =
        (struct buyer_address){.arena = request_arena(cr->request), .ask = ask, .on_done = on_address, .context = cr};
    buyer_address_attach(&cr->address, loop_of(cr)->pg, cr->request->access.customer);
}

/* Last, so that nothing is kept of a request that is refused before; a second try finds its texts sealed. Whoever
 * prepared a text says whose key it is. All else are addresses: a customer's is sealed with his own key, so that it
 * ends with him, and that key is never made here; others' keys belong to whoever has the address: after he was erased,
 * the next who gives it has a new one. */
static void seal_next(struct command_request *cr) {
    if (cr->sealed_next == cr->sealed_count) {
        send_with_address(cr);
        return;
    }
    struct arena *arena = request_arena(cr->request);
    const struct secret *secret = &loop_of(cr)->gateway->secret;
    if (cr->preparation != NULL) {
        assert(!str_is_empty(cr->preparation->seal_key_id) && "whoever prepares a text says whose it is");
        vault_key_of(loop_of(cr)->vault, cr->preparation->seal_key_id, cr->preparation->seal_wish, on_key, cr);
        return;
    }
    if (seals_as_customer(cr)) {
        struct str key_id = vault_key_id_of_customer(arena, secret, cr->request->access.customer);
        vault_key_of(loop_of(cr)->vault, key_id, VAULT_FIND, on_key, cr);
        return;
    }
    struct str key_id = vault_key_id_of_email(arena, secret, cr->sealed[cr->sealed_next]->plaintext);
    vault_key_of(loop_of(cr)->vault, key_id, VAULT_MAKE_ANEW, on_key, cr);
}

/* ---- beginning ----------------------------------------------------------------------------------------------------
 */

static struct command_request *command_request_create(struct request *request) {
    struct command_request *cr = arena_alloc(request_arena(request), sizeof *cr);
    cr->request = request;
    request->on_lost = on_lost;
    request->waiting = cr;
    return cr;
}

static void on_rotation(void *context) {
    wait_for_catalogue(context);
}

static void begin(struct command_request *cr) {
    struct request *request = cr->request;
    if (!request->has_client_trace) {
        const struct command_meta *meta = &command_of(cr)->meta;
        request->trace_id = is_discreet(cr) ? trace_begin(request_arena(request))
                                            : identity_trace(request_arena(request), meta->command_id);
    }
    cr->answer_by_boot_us = request->exchange->received_at_boot_us + cr->intake.wait_ms * MICROS_PER_MS;
    assert(preparation_hides_passwords(command_of(cr)) && "what is sealed of a password is its verifier");
    bool are_collected = command_each_sealed(command_of(cr), collect_sealed, cr);
    if (!are_collected) {
        request_refuse(request, 413, "command_too_large", "The request holds too much personal data.");
        return;
    }
    request->exchange->holds_secrets |= api_key_is_made_by(command_of(cr)); /* also where it is not shown */
    if (command_of(cr)->type == COMMAND_ROTATE_API_KEY) {
        api_key_rotation_begin(&cr->rotation, request, command_of(cr), &cr->intake.position, on_rotation, cr);
        return;
    }
    api_key_complete(request_arena(request), &loop_of(cr)->gateway->secret, command_of(cr));
    wait_for_catalogue(cr);
}

/* A person's are the carts that he opens and the orders that he places. */
static void attach_customer(struct command *command, struct str customer) {
    if (str_is_empty(customer)) {
        return;
    }
    if (command->type == COMMAND_OPEN_CART) {
        command->as.open_cart.has_customer = true;
        command->as.open_cart.customer = customer;
    } else if (command->type == COMMAND_CHECK_OUT_CART) {
        command->as.check_out_cart.has_customer = true;
        command->as.check_out_cart.customer = customer;
    }
}

static struct intake_source source_of(struct request *request) {
    const struct gateway *gateway = request->loop->gateway;
    return (struct intake_source){
        .exchange = request->exchange,
        .match = &request->match,
        .secret = &gateway->secret,
        .scope = preparation_scope(request),
        .actor = request->access.actor,
        .now_us = clock_wall_us(),
        .wait_default_ms = gateway->config->command_wait_ms,
    };
}

static void admit(struct command_request *cr) {
    struct request *request = cr->request;
    size_t joined_count;
    if (in_flight(cr, &joined_count) == NULL) { /* who joins one adds nothing to what the shard has to decide */
        request->shard = submit_shard(request->loop, command_of(cr)->meta.stream);
        request->is_admitted = admission_enter(&request->loop->admission, request->shard, clock_boot_us());
        if (!request->is_admitted) {
            request_overloaded(request);
            return;
        }
    }
    begin(cr);
}

static void on_prepared(struct preparation *preparation, struct str stream, struct str within) {
    struct command_request *cr = preparation->context;
    if (cr->request->match.route->created_prefix == NULL) {
        const struct intake_source source = source_of(cr->request);
        intake_name(&source, stream, within, &cr->intake);
    }
    admit(cr);
}

static void release_json(json_t **json) {
    json_decref(*json);
}

static void take_command(struct request *request) {
    struct command_request *cr = command_request_create(request);
    struct intake_source source = source_of(request);
    CLEANUP(release_json) json_t *absent_body = NULL;
    cr->preparation = preparation_create(request, &cr->intake, on_prepared, cr, &absent_body);
    source.absent_body = absent_body;
    struct problem problem;
    bool is_taken = intake_command(&source, &cr->intake, &problem);
    if (cr->preparation != NULL) {
        preparation_wipe_body(cr->preparation);
    }
    if (!is_taken) {
        request_problem(request, &problem);
        return;
    }
    http_body_done(request->exchange);
    if (cr->preparation == NULL && people_refuse_erasure(request, command_of(cr))) {
        return;
    }
    people_wait_for_end(&cr->intake);
    attach_customer(command_of(cr), request->access.customer);
    if (cr->preparation != NULL) {
        preparation_begin(cr->preparation);
    } else {
        admit(cr);
    }
}

/* Of a SKU that is another's he is told what he would be told if there were none. */
static void on_stock_owned(struct request *request, bool is_his) {
    if (is_his) {
        take_command(request);
    } else {
        const struct rejection_info *info = rejection_info(REJECT_UNKNOWN_SKU);
        request_refuse(request, info->http_status, info->code, info->text);
    }
}

/* What a vendor does to stock is decided by a stream that does not know whose goods they are: the catalogue is asked
 * first. */
void command_received(struct request *request) {
    const char *stream = request->match.route->stream_parameter;
    bool is_about_stock = stream != NULL && strcmp(stream, "sku") == 0;
    if (is_about_stock && request->access.by == 'v') {
        sku_owner_ask(request, on_stock_owned);
    } else {
        take_command(request);
    }
}

void command_send_made(struct request *request, const struct command *command, const char *accepted_body) {
    struct command_request *cr = command_request_create(request);
    cr->intake.command = *command;
    cr->intake.wait_ms = request->loop->gateway->config->command_wait_ms;
    cr->accepted_body = accepted_body;
    begin(cr);
}
