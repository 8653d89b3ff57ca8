/* test_people.h: events of one customer, as tests of errands give them.
 * Thread   one.          May use: generated structs.
 */
#pragma once

#include "core/base/timestamp.h"
#include "gen/events.h"

#define A_CUSTOMER STR("cus_01ARZ3NDEKTSV4RRFFQ69G5FAV")
#define ANOTHER_CUSTOMER STR("cus_01ARZ3NDEKTSV4RRFFQ69G5FAW")
#define A_KEY STR("per_01ARZ3NDEKTSV4RRFFQ69G5FAV")

static inline struct event of_customer(uint16_t type, struct str event_id) {
    return (struct event){.type = type,
                          .meta = {.stream = A_CUSTOMER,
                                   .event_id = event_id,
                                   .correlation_id = STR("cmd_1"),
                                   .occurred_at = clock_wall_us()}};
}

static inline struct sealed sealed_address(void) {
    return (struct sealed){.key_id = A_KEY, .nonce = STR("a nonce"), .ciphertext = STR("a ciphertext")};
}

static inline struct event verification_requested(struct str event_id, int32_t number) {
    struct event event = of_customer(EVENT_CUSTOMER_VERIFICATION_REQUESTED, event_id);
    event.as.customer_verification_requested =
        (struct customer_verification_requested){.number = number, .to = sealed_address()};
    return event;
}

static inline struct event mailed(struct str event_id, struct str cause) {
    struct event event = of_customer(EVENT_CUSTOMER_MAILED, event_id);
    event.as.customer_mailed =
        (struct customer_mailed){.cause = cause, .template = STR("verify"), .result = STR("sent"), .attempt = 1};
    return event;
}

static inline struct event erasure_requested(struct str event_id, struct str *keys, uint32_t count) {
    struct event event = of_customer(EVENT_CUSTOMER_ERASURE_REQUESTED, event_id);
    event.as.customer_erasure_requested.keys = (struct str_array){keys, count, count};
    return event;
}
