/* verify_parts.h: what verify.c shares with its checks of stock, money, people, categories and outcomes. For them
 * alone. */
#pragma once

#include "core/log/digest_map.h"
#include "core/log/verify.h"
#include "gen/events.h"
#include "gen/messages.h"

/* Of one stock location, and of a SKU in all its locations. */
struct stock_maps {
    struct digest_map levels;
    struct digest_map totals;
    struct digest_map holds;
};

struct money_maps {
    struct digest_map payments;
    struct digest_map refunds;
    struct digest_map disputes; /* payment, name -> struct dispute_record */
    struct digest_map intents;
};

struct people_maps {
    struct digest_map claims; /* by address */
    struct digest_map persons;
    struct digest_map sessions;
};

struct verify {
    uint32_t shard_count;
    verify_violation_cb *on_violation;
    void *context;
    struct arena arena; /* of the record in hand */

    struct digest_map streams;
    struct digest_map event_ids;
    struct digest_map mail_causes; /* the events by which an order's mail is due */
    struct stock_maps stock;
    struct money_maps money;
    struct people_maps people;
    struct digest_map categories;
    struct digest_map outcomes;

    struct violation at; /* where the record in hand stands */
    struct verify_summary summary;
};

/* Tells of one violation, at the record in hand. */
void verify_tell(struct verify *verify, const char *rule, const char *format, ...) PRINTF_LIKE(3, 4);

void stock_maps_init(struct stock_maps *maps);
void stock_maps_release(struct stock_maps *maps);
void verify_stock(struct verify *verify, const struct event *event);

void money_maps_init(struct money_maps *maps);
void money_maps_release(struct money_maps *maps);
void verify_payment(struct verify *verify, const struct event *event);

void people_maps_init(struct people_maps *maps);
void people_maps_release(struct people_maps *maps);
void verify_identity(struct verify *verify, const struct event *event);
void verify_customer(struct verify *verify, const struct event *event);

void category_map_init(struct digest_map *map);
void verify_category(struct verify *verify, const struct event *event);

void outcome_map_init(struct digest_map *map);
void verify_outcome(struct verify *verify, const struct outcome *outcome);
