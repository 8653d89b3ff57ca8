#include "core/domain/product/claim.h"

#include "core/domain/ids.h"

static void ask_for(struct str sku, struct str product, struct reactions *reactions) {
    struct command *claim = react_command(reactions, sku_stream(reactions->arena, sku), COMMAND_CLAIM_SKU);
    claim->as.claim_sku.product = product;
}

static void answer(const struct event *event, enum rejection rejection, struct str sku, struct reactions *reactions) {
    /* What began it all is the AddVariant or DefineProduct that waits. */
    struct answer *given = react_answer(reactions, event->meta.correlation_id, rejection);
    if (!str_is_empty(sku)) {
        *ARRAY_PUSH(reactions->arena, &given->skus) = sku;
    }
}

void claim_after_product(const struct product_state *state, const struct event *event, const struct command *cause,
                         struct reactions *reactions) {
    bool answered_as_a_whole = state->status == PRODUCT_STATUS_DEFINING;
    switch ((enum catalog_event)event->type) {
    case EVENT_PRODUCT_DEFINED:
        for (uint32_t i = 0; i < event->as.product_defined.proposed.count; i++) {
            ask_for(event->as.product_defined.proposed.items[i].sku, event->meta.stream, reactions);
        }
        break;
    case EVENT_VARIANT_PROPOSED:
        ask_for(event->as.variant_proposed.variant.sku, event->meta.stream, reactions);
        break;
    case EVENT_VARIANT_ADDED:
        if (!answered_as_a_whole) {
            answer(event, ACCEPTED, STR(""), reactions);
        }
        break;
    case EVENT_VARIANT_REFUSED:
        if (!answered_as_a_whole) {
            answer(event, REJECT_SKU_TAKEN, event->as.variant_refused.sku, reactions);
        }
        break;
    case EVENT_VARIANT_REMOVED: {
        struct str sku = event->as.variant_removed.sku;
        struct command *release = react_command(reactions, sku_stream(reactions->arena, sku), COMMAND_RELEASE_SKU);
        release->as.release_sku.product = event->meta.stream;
        /* Granted when the product had been archived meanwhile: it is given back, and who asked is told. */
        if (cause->type == COMMAND_RECORD_SKU_CLAIM && state->status == PRODUCT_STATUS_ARCHIVED) {
            answer(event, REJECT_PRODUCT_ARCHIVED, STR(""), reactions);
        }
        break;
    }
    case EVENT_PRODUCT_ARCHIVED:
        if (state->refused_skus.count > 0) {
            react_answer(reactions, event->meta.correlation_id, REJECT_SKU_TAKEN)->skus = state->refused_skus;
        }
        break;
    case EVENT_PRODUCT_CHANGED:
    case EVENT_PRODUCT_PUBLISHED:
    case EVENT_VARIANT_CHANGED:
        break;
    }
}

static void tell_product(const struct event *event, struct str product, bool granted, struct str holder,
                         struct reactions *reactions) {
    react_command(reactions, product, COMMAND_RECORD_SKU_CLAIM)->as.record_sku_claim = (struct record_sku_claim){
        .sku = sku_of_stream(event->meta.stream),
        .granted = granted,
        .holder = holder,
    };
}

void claim_after_sku(const struct event *event, struct reactions *reactions) {
    switch ((enum stock_event)event->type) {
    case EVENT_SKU_CLAIMED: {
        struct str product = event->as.sku_claimed.product;
        tell_product(event, product, true, product, reactions);
        break;
    }
    case EVENT_SKU_CLAIM_REFUSED:
        tell_product(event, event->as.sku_claim_refused.product, false, event->as.sku_claim_refused.holder, reactions);
        break;
    case EVENT_SKU_RELEASED:
        tell_product(event, event->as.sku_released.product, false, STR(""), reactions);
        break;
    case EVENT_STOCK_RECEIVED:
    case EVENT_STOCK_ADJUSTED:
    case EVENT_STOCK_TRANSFERRED:
    case EVENT_STOCK_RESERVED:
    case EVENT_STOCK_RESERVATION_REFUSED:
    case EVENT_RESERVATION_CONFIRMED:
    case EVENT_RESERVATION_RELEASED:
        break;
    }
}
