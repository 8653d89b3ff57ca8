#include "core/testing/simulator/shopper_parts.h"

#include <assert.h>
#include <stdlib.h>

#include "core/domain/rejection.h"
#include "core/gateway/identity.h"
#include "gen/codec.h"

enum { CHANGED_BODY_MOST_US = 3 * 1000 * 1000, DOUBLE_CLICK_MOST_US = 300 * 1000 };

struct clients clients;

void actor_is_busy(void) {
    clients.busy++;
}

void actor_is_idle(void) {
    assert(clients.busy > 0);
    clients.busy--;
}

void actor_thinks(sim_action *then, void *context) {
    sim_after(sim_between(clients.plan.think_least_us, clients.plan.think_most_us), NULL, then, context);
}

static struct front *any_front(void) {
    return clients.fronts[sim_random(clients.plan.fronts)];
}

/* ---- identity ---------------------------------------------------------------------------------------------------- */

/* The body is what the client says: neither what the front attaches nor where it goes. */
static struct str hash_of(const struct command *command) {
    struct arena *arena = &clients.arena;
    struct command body = *command;
    body.meta = (struct command_meta){.command_id = STR(""), .stream = STR("")};
    if (body.type == COMMAND_OPEN_CART) {
        body.as.open_cart.price_facts = (struct price_fact_array){0};
        body.as.open_cart.has_customer = false;
    } else if (body.type == COMMAND_SET_CART_LINE) {
        body.as.set_cart_line.price_facts = (struct price_fact_array){0};
    } else if (body.type == COMMAND_CHECK_OUT_CART) {
        body.as.check_out_cart.price_facts = (struct price_fact_array){0};
        body.as.check_out_cart.has_customer = false;
    }
    struct buf text;
    buf_init(&text, RECORD_MAX_BYTES);
    command_encode(&text, &body);
    assert(buf_ok(&text));
    struct str hash = identity_request_hash(arena, front_secret(), STR("POST"), str_of_cstr(command_name(body.type)),
                                            buf_text(&text));
    buf_release(&text);
    return hash;
}

/* The path has the command's name and its stream; enough to tell requests apart, as method and path do. */
static struct str path_of(const struct errand *errand) {
    return arena_printf(&clients.arena, "/%s/%.*s", command_name(errand->command.type),
                        STR_ARGS(errand->command.meta.stream));
}

/* Ids for one more request of the errand: the same again when it has a key. */
static void name_command(const struct errand *errand, struct command *command) {
    struct arena *arena = &clients.arena;
    struct command_meta *meta = &command->meta;
    meta->actor = errand->actor != NULL ? str_of_cstr(errand->actor) : arena_printf(arena, "guest:%u", errand->client);
    meta->client_key = errand->has_key;
    struct str stream = errand->created_prefix != NULL ? STR("") : meta->stream;
    meta->command_id = errand->has_key ? identity_command(arena, front_secret(), meta->actor, STR("POST"),
                                                          path_of(errand), errand->key, stream)
                                       : identity_fresh(arena, stream, sim_now_us());
    if (errand->created_prefix != NULL) {
        meta->stream = identity_stream(arena, front_secret(), str_of_cstr(errand->created_prefix), meta->command_id);
    }
    if (errand->is_second_try) {
        meta->command_id = identity_second_try(arena, front_secret(), meta->command_id);
    }
    meta->correlation_id = meta->causation_id = meta->command_id;
    meta->request_hash = hash_of(command);
    meta->reply_partition = -1;
}

/* ---- shadows: requests whose answers nobody goes by -------------------------------------------------------------- */

static void on_shadow_answer(struct front_request *request) {
    (void)request;
    actor_is_idle();
}

static void shadow_send(void *context) {
    front_send(any_front(), context);
}

static void shadow_begin(uint32_t client, const struct command *command, int64_t delay_us) {
    struct front_request *request = arena_alloc(&clients.arena, sizeof *request);
    request->entry = journal_add(&clients.journal, client, command);
    request->command = *command;
    request->may_join = sim_random(2) == 0;
    request->patience_us = clients.plan.patience_us;
    request->on_answer = on_shadow_answer;
    actor_is_busy();
    sim_after(delay_us, NULL, shadow_send, request);
}

static struct str another_method(struct str method) {
    return str_equal(method, STR("approve")) ? STR("decline") : STR("approve");
}

/* Makes the body another one. False: there is nothing to change in it. */
static bool change_body(struct command *command) {
    switch (command->type) {
    case COMMAND_CHECK_OUT_CART:
        command->as.check_out_cart.payment.method = another_method(command->as.check_out_cart.payment.method);
        return true;
    case COMMAND_RETRY_ORDER_PAYMENT:
        command->as.retry_order_payment.method = another_method(command->as.retry_order_payment.method);
        return true;
    case COMMAND_RECEIVE_STOCK:
        command->as.receive_stock.quantity++;
        return true;
    case COMMAND_ADJUST_STOCK:
        command->as.adjust_stock.delta += command->as.adjust_stock.delta == -1 ? 2 : 1;
        return true;
    case COMMAND_TRANSFER_STOCK:
        command->as.transfer_stock.quantity++;
        return true;
    case COMMAND_CANCEL_ORDER:
        command->as.cancel_order.reason = STR("another reason");
        return true;
    default:
        return false;
    }
}

static void do_mischief(const struct errand *errand, const struct command *command) {
    if (!errand->has_key) {
        return;
    }
    if (sim_chance(clients.plan.double_click)) {
        shadow_begin(errand->client, command, sim_between(0, DOUBLE_CLICK_MOST_US));
    }
    struct command changed = *command;
    if (sim_chance(clients.plan.changed_body) && change_body(&changed)) {
        changed.meta.request_hash = hash_of(&changed);
        shadow_begin(errand->client, &changed, sim_between(0, CHANGED_BODY_MOST_US));
    }
}

/* ---- the errand -------------------------------------------------------------------------------------------------- */

static void on_answer(struct front_request *request);

static struct front_request *request_of(struct errand *errand) {
    struct front_request *request = arena_alloc(&clients.arena, sizeof *request);
    request->may_join = sim_random(2) == 0;
    request->patience_us = clients.plan.patience_us;
    request->on_answer = on_answer;
    request->context = errand;
    return request;
}

static void errand_send(struct errand *errand) {
    struct front_request *request = request_of(errand);
    bool is_first = errand->entry == NULL;
    request->command = errand->command;
    request->is_torn = errand->is_torn && is_first;
    request->age_us = errand->age_us;
    name_command(errand, &request->command);
    catalogue_attach(&request->command, &errand->fact_skus, errand->is_second_try);
    request->entry = journal_add(&clients.journal, errand->client, &request->command);
    request->entry->is_torn = request->is_torn;
    errand->entry = request->entry;
    front_send(any_front(), request);
    if (is_first) {
        do_mischief(errand, &request->command);
    }
}

static void errand_ask(struct errand *errand) {
    struct front_request *request = request_of(errand);
    request->entry = journal_add_question(&clients.journal, errand->entry);
    errand->entry = request->entry;
    front_send(any_front(), request);
}

static void errand_end(struct errand *errand, bool is_decided) {
    errand->is_decided = is_decided;
    if (errand->on_end != NULL) {
        errand->on_end(errand);
    }
    actor_is_idle();
}

static void errand_again(void *context) {
    struct errand *errand = context;
    bool may_ask = errand->has_key && errand->entry->told.answer != JOURNAL_UNKNOWN;
    if (may_ask && sim_chance(clients.plan.ask)) {
        errand_ask(errand);
    } else {
        errand->is_second_try = false; /* as a front does it that has never heard of the request */
        errand_send(errand);
    }
}

/* As wants_second_try in core/gateway/commands.c. */
static bool wants_second_try(const struct errand *errand) {
    return errand->command.type == COMMAND_CHECK_OUT_CART && !errand->is_second_try &&
           errand->entry->told.skus.count > 0 && errand_is_refused(errand, rejection_info(REJECT_CART_CHANGED)->code);
}

static void on_answer(struct front_request *request) {
    struct errand *errand = request->context;
    switch (request->entry->told.answer) {
    case JOURNAL_ACCEPTED:
    case JOURNAL_REFUSED:
        errand->is_decided = true;
        if (wants_second_try(errand)) {
            errand->is_decided = false;
            errand->is_second_try = true;
            errand_send(errand);
        } else {
            errand_end(errand, true);
        }
        return;
    case JOURNAL_UNANSWERED:
    case JOURNAL_PENDING:
    case JOURNAL_NOT_SENT:
    case JOURNAL_UNKNOWN:
        if (--errand->tries_left == 0) {
            errand_end(errand, false);
        } else {
            sim_after(sim_between(clients.plan.backoff_least_us, clients.plan.backoff_most_us), NULL, errand_again,
                      errand);
        }
    }
}

struct errand *errand_begin(const struct errand *from) {
    struct errand *errand = arena_alloc(&clients.arena, sizeof *errand);
    *errand = *from;
    errand->tries_left = from->tries_left > 0 ? from->tries_left : clients.plan.tries;
    errand->key = arena_printf(&clients.arena, "simulated-client-key-%u", ++clients.errands);
    actor_is_busy();
    errand_send(errand);
    return errand;
}

struct errand errand_of(uint32_t client, uint16_t command_type, struct str stream,
                        void (*on_end)(struct errand *errand), void *context) {
    return (struct errand){.client = client,
                           .actor = client == CLERK_NUMBER ? "admin:key_01ARZ3NDEKTSV4RRFFQ69G5FAW" : NULL,
                           .command = {.type = command_type, .meta.stream = stream},
                           .has_key = true,
                           .on_end = on_end,
                           .context = context};
}

bool errand_is_accepted(const struct errand *errand) {
    return errand->is_decided && errand->entry->told.answer == JOURNAL_ACCEPTED;
}

bool errand_is_refused(const struct errand *errand, const char *code) {
    return errand->is_decided && errand->entry->told.answer == JOURNAL_REFUSED &&
           str_equal(errand->entry->told.rejection, str_of_cstr(code));
}
