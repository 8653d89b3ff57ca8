/* oracle_lives.c: which rows of the aggregates' tables of status changes a run has seen.
 *
 * To judge by the domain's own tables would be no judgement; to count by them is what they are good for.
 */
#include "core/testing/simulator/oracle_parts.h"

#include <assert.h>
#include <inttypes.h>

#include "core/domain/cart/cart.h"
#include "core/domain/customer/customer.h"
#include "core/domain/order/order.h"
#include "core/domain/payment/payment.h"
#include "core/domain/product/product.h"
#include "core/domain/sku/sku.h"

/* ---- the tables -------------------------------------------------------------------------------------------------- */

static const char *product_name(int status) {
    return product_status_name((enum product_status)status);
}

static const char *cart_name(int status) {
    return cart_status_name((enum cart_status)status);
}

static const char *order_name(int status) {
    return order_status_name((enum order_status)status);
}

static const char *payment_name(int status) {
    return payment_status_name((enum payment_status)status);
}

static const char *reservation_name(int status) {
    return reservation_status_name((enum reservation_status)status);
}

static const char *customer_name(int status) {
    return customer_status_name((enum customer_status)status);
}

/* A SKU has no status; its reservations do, by whom they are for. */
static const struct life {
    const char *noun;
    const struct aggregate *aggregate;
    const char *(*status_name)(int status);
} lives[] = {
    {"product", &product_aggregate, product_name}, {"reservation", &sku_aggregate, reservation_name},
    {"cart", &cart_aggregate, cart_name},          {"order", &order_aggregate, order_name},
    {"payment", &payment_aggregate, payment_name}, {"customer", &customer_aggregate, customer_name},
};

static const struct status_table *table_of(const struct life *life) {
    return life->aggregate == &sku_aggregate ? &reservation_life : life->aggregate->life;
}

/* Where a life's rows begin among those of all. */
static size_t first_row(const struct life *of) {
    size_t first = 0;
    for (const struct life *life = lives; life != of; life++) {
        first += table_of(life)->count;
    }
    assert(first + table_of(of)->count <= COVERAGE_CHANGES_MAX);
    return first;
}

/* ---- counting ---------------------------------------------------------------------------------------------------- */

static void step(struct coverage *coverage, const struct life *life, uint16_t event, int *status) {
    const struct status_table *table = table_of(life);
    for (size_t i = 0; i < table->count; i++) {
        if (table->changes[i].event == event && table->changes[i].from == *status) {
            coverage->changes[first_row(life) + i]++;
        }
    }
    *status = status_evolved(table, event, *status);
}

static void cover_stream(struct oracle *oracle, const struct seen_stream *stream, const struct life *life) {
    struct map statuses; /* of its parts, or of the whole */
    map_init(&statuses, &oracle->arena);
    for (uint32_t i = 0; i < stream->events.count; i++) {
        const struct event *event = &stream->events.items[i]->event;
        bool has_parts = life->aggregate == &sku_aggregate;
        struct str part = has_parts ? life->aggregate->event_sub_key(event, &oracle->arena) : STR("the whole");
        if (str_is_empty(part)) {
            continue;
        }
        void **at = map_at(&statuses, part);
        if (*at == NULL) {
            *at = arena_alloc(&oracle->arena, sizeof(int));
        }
        step(&oracle->coverage, life, event->type, *at);
    }
}

void lives_cover(struct oracle *oracle) {
    for (uint32_t i = 0; i < oracle->streams.count; i++) {
        const struct seen_stream *stream = oracle->streams.entries[i].value;
        for (size_t j = 0; j < ARRAY_LENGTH(lives); j++) {
            if (str_starts_with(stream->id, lives[j].aggregate->prefix)) {
                cover_stream(oracle, stream, &lives[j]);
            }
        }
    }
}

/* ---- for people -------------------------------------------------------------------------------------------------- */

void lives_write(const struct coverage *coverage, FILE *file) {
    size_t seen = 0, rows = 0;
    fputs("\nchanges of status never seen:", file);
    for (size_t i = 0; i < ARRAY_LENGTH(lives); i++) {
        const struct status_table *table = table_of(&lives[i]);
        for (size_t j = 0; j < table->count; j++, rows++) {
            const struct status_change *change = &table->changes[j];
            if (coverage->changes[first_row(&lives[i]) + j] > 0) {
                seen++;
            } else {
                fprintf(file, " %s %s -> %s by %s,", lives[i].noun, lives[i].status_name(change->from),
                        lives[i].status_name(change->to), event_info(change->event)->name);
            }
        }
    }
    fprintf(file, "\nchanges of status seen: %zu of %zu", seen, rows);
}
