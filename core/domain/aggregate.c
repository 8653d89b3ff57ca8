#include "core/domain/aggregate.h"

#include <assert.h>

#include "core/domain/apikey/apikey.h"
#include "core/domain/cart/cart.h"
#include "core/domain/category/category.h"
#include "core/domain/customer/customer.h"
#include "core/domain/identity/identity.h"
#include "core/domain/order/order.h"
#include "core/domain/payment/payment.h"
#include "core/domain/product/product.h"
#include "core/domain/sku/sku.h"

static const struct aggregate *const aggregates[] = {
    &product_aggregate,  &sku_aggregate,      &cart_aggregate,   &order_aggregate,    &payment_aggregate,
    &identity_aggregate, &customer_aggregate, &apikey_aggregate, &category_aggregate,
};

/* Indexed by the command's type, whose values are small and dense. */
static const struct command_info command_infos[] = {
#define COMMAND(command, name, decider, answered)                                                                      \
    [COMMAND_##command] = {COMMAND_##command, name, &decider##_aggregate, ANSWER_##answered},
#include "core/domain/commands.def"
#undef COMMAND
};

const struct aggregate *aggregate_of_stream(struct str stream) {
    for (size_t i = 0; i < ARRAY_LENGTH(aggregates); i++) {
        if (str_starts_with(stream, aggregates[i]->prefix)) {
            return aggregates[i];
        }
    }
    return NULL;
}

const struct command_info *command_info(uint16_t command_type) {
    if (command_type >= ARRAY_LENGTH(command_infos) || command_infos[command_type].aggregate == NULL) {
        return NULL;
    }
    return &command_infos[command_type];
}

struct event *decision_event(struct decision *decision, uint16_t event_type) {
    struct event *event = ARRAY_PUSH(decision->arena, &decision->events);
    event->type = event_type;
    return event;
}

enum rejection decision_reject(struct decision *decision, enum rejection why, struct str pointer) {
    assert(why != ACCEPTED);
    decision->pointer = pointer;
    return why;
}

enum rejection decision_hide(struct decision *decision, enum rejection unknown) {
    decision->is_hidden = true;
    return unknown;
}

struct command *react_command(struct reactions *reactions, struct str stream, uint16_t command_type) {
    struct command *command = ARRAY_PUSH(reactions->arena, &reactions->commands);
    command->type = command_type;
    command->meta.stream = stream;
    return command;
}

struct answer *react_answer(struct reactions *reactions, struct str command_id, enum rejection rejection) {
    struct answer *answer = ARRAY_PUSH(reactions->arena, &reactions->answers);
    answer->command_id = command_id;
    answer->rejection = rejection;
    return answer;
}
