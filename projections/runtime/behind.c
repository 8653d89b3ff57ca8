#include "projections/runtime/behind.h"

#include "core/base/text.h"
#include "core/log/topics.h"

#include <inttypes.h>

/* The high bits of a stream's hash are the index of its topic among the event topics: a view looks only at its own.
 * Only the branch of the asked view is executed, as the others' condition is a constant. */
#define REACHED(view, topics)                                                                                          \
    " SELECT min(s.version) FROM " view ".streams AS s WHERE $1::text = '" view "' AND s.hash = want.hash"
#define TOPICS_OF_VIEW(view, topics) " WHEN '" view "' THEN '{" topics "}'"

/* TOPIC_CATALOG - TOPIC_FIRST_EVENTS and so on, as text. */
_Static_assert(TOPIC_CATALOG == TOPIC_FIRST_EVENTS && TOPIC_STOCK == TOPIC_FIRST_EVENTS + 1 &&
                   TOPIC_CARTS == TOPIC_FIRST_EVENTS + 2 && TOPIC_ORDERS == TOPIC_FIRST_EVENTS + 3 &&
                   TOPIC_PAYMENTS == TOPIC_FIRST_EVENTS + 4 && TOPIC_CUSTOMERS == TOPIC_FIRST_EVENTS + 6 &&
                   TOPIC_KEYS == TOPIC_FIRST_EVENTS + 7 && TOPIC_CATEGORIES == TOPIC_FIRST_EVENTS + 8,
               "the numbers in VIEW_TOPICS");
#define VIEW_TOPICS(ROW, BETWEEN)                                                                                      \
    ROW("products", "0")                                                                                               \
    BETWEEN ROW("stock", "1") BETWEEN ROW("carts", "2") BETWEEN ROW("orders", "3") BETWEEN ROW("payments", "4")        \
        BETWEEN ROW("customers", "6") BETWEEN ROW("keys", "7") BETWEEN ROW("sales", "0,3,4")                           \
            BETWEEN ROW("categories", "8")

const struct pg_statement view_reached = {
    .name = "view_reached",
    .sql = "SELECT want.hash, CASE WHEN (want.hash >> 60) & 15 = ANY ((CASE $1::text" VIEW_TOPICS(
        TOPICS_OF_VIEW, ) " END)::bigint[])"
                          " THEN coalesce((SELECT min(reached.min) FROM (" VIEW_TOPICS(
                              REACHED, " UNION ALL") ") AS reached), 0) ELSE 0 END"
                                                     " FROM unnest($2::bigint[]) AS want (hash)",
    .parameter_count = 2,
};

enum { HASH_BYTES = 8, HASH_DIGITS = 2 * HASH_BYTES };

bool view_notice_add(struct buf *notice, int64_t hash) {
    if (notice->len + 1 + HASH_DIGITS > VIEW_NOTICE_MAX_BYTES) {
        return false;
    }
    buf_printf(notice, " %016" PRIx64, (uint64_t)hash);
    return true;
}

struct view_notice view_notice_read(struct str payload) {
    uint32_t end = str_find(payload, ' ');
    return (struct view_notice){.view = str_first(payload, end), .hashes = str_from(payload, end)};
}

bool view_notice_next(struct view_notice *notice, int64_t *ret_hash) {
    uint8_t bytes[HASH_BYTES];
    struct str digits = str_first(str_from(notice->hashes, 1), HASH_DIGITS);
    if (digits.len != HASH_DIGITS || !hex_read(digits, bytes, sizeof bytes)) {
        return false;
    }
    uint64_t hash = 0;
    for (size_t i = 0; i < HASH_BYTES; i++) {
        hash = hash << 8 | bytes[i];
    }
    *ret_hash = (int64_t)hash;
    notice->hashes = str_from(notice->hashes, 1 + HASH_DIGITS);
    return true;
}
