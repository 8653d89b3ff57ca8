#include "projections/runtime/behind.h"

#include "core/log/topics.h"

/* The high bits of a stream's hash are the index of its topic among the event topics: a view looks only at its own.
 * Only the branch of the asked view is executed, as the others' condition is a constant. */
#define REACHED(view, topic_index)                                                                                     \
    " SELECT min(s.version) FROM " view ".streams AS s WHERE $1::text = '" view "' AND s.hash = want.hash"
#define TOPIC_OF_VIEW(view, topic_index) " WHEN '" view "' THEN " #topic_index

/* TOPIC_CATALOG - TOPIC_FIRST_EVENTS and so on, as text. */
_Static_assert(TOPIC_CATALOG == TOPIC_FIRST_EVENTS && TOPIC_STOCK == TOPIC_FIRST_EVENTS + 1 &&
                   TOPIC_CARTS == TOPIC_FIRST_EVENTS + 2 && TOPIC_ORDERS == TOPIC_FIRST_EVENTS + 3 &&
                   TOPIC_PAYMENTS == TOPIC_FIRST_EVENTS + 4,
               "the numbers in VIEW_TOPICS");
#define VIEW_TOPICS(ROW, BETWEEN)                                                                                      \
    ROW("products", 0)                                                                                                 \
    BETWEEN ROW("stock", 1) BETWEEN ROW("carts", 2) BETWEEN ROW("orders", 3) BETWEEN ROW("payments", 4)

const struct pg_statement view_reached = {
    .name = "view_reached",
    .sql = "SELECT want.hash, CASE WHEN (want.hash >> 60) & 15 = CASE $1::text" VIEW_TOPICS(
        TOPIC_OF_VIEW, ) " END"
                         " THEN coalesce((SELECT min(reached.min) FROM (" VIEW_TOPICS(
                             REACHED, " UNION ALL") ") AS reached), 0) ELSE 0 END"
                                                    " FROM unnest($2::bigint[]) AS want (hash)",
    .parameter_count = 2,
};
