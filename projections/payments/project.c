/* project.c: payments, from their events. */
#include "core/base/embed.h"
#include "core/domain/payment/payment.h"
#include "projections/payments/document.h"
#include "projections/runtime/view.h"

EMBED_TEXT(payments_sql, "projections/payments/view.sql");

enum { PAYMENTS };

static void project(struct view_batch *batch, struct arena *arena, const struct event *event, const void *state,
                    bool last) {
    if (!last) {
        return;
    }
    const struct payment_state *payment = state;
    struct buf *document = view_scratch(batch);
    payment_document(document, event->meta.stream, event->meta.version, payment);
    view_upsert(batch, PAYMENTS,
                (struct view_value[]){
                    view_text(event->meta.stream),
                    view_text(payment->order),
                    view_text(str_of_cstr(payment_status_name(payment->status))),
                    view_text(payment->provider),
                    view_text(payment->method),
                    view_number(payment->amount.amount),
                    view_number(payment->authorized),
                    view_number(payment->captured),
                    view_number(payment->refund_pending),
                    view_number(payment->refunded),
                    view_number(payment_contested_now(payment)),
                    view_number(payment_lost(payment)),
                    view_text(payment->amount.currency),
                    view_text(arena_str_copy(arena, buf_text(document))),
                    view_number(event->meta.version),
                    view_number(payment->created_at),
                    view_number(payment->changed_at),
                });
}

const struct view payments_view = {
    .name = "payments",
    .sql = payments_sql,
    .format = 2,
    .families = {"payments"},
    .tables = {[PAYMENTS] = {.name = "payments",
                             .columns = {{"id", VIEW_TEXT, .key = true},
                                         {"order_id", VIEW_TEXT},
                                         {"status", VIEW_TEXT},
                                         {"provider", VIEW_TEXT},
                                         {"method", VIEW_TEXT},
                                         {"amount_minor", VIEW_BIGINT},
                                         {"authorized_minor", VIEW_BIGINT},
                                         {"captured_minor", VIEW_BIGINT},
                                         {"refund_pending_minor", VIEW_BIGINT},
                                         {"refunded_minor", VIEW_BIGINT},
                                         {"contested_minor", VIEW_BIGINT},
                                         {"lost_minor", VIEW_BIGINT},
                                         {"currency", VIEW_TEXT},
                                         {"document", VIEW_JSON},
                                         {"version", VIEW_BIGINT},
                                         {"created_at", VIEW_TIMESTAMP},
                                         {"changed_at", VIEW_TIMESTAMP}},
                             .column_count = 17}},
    .table_count = 1,
    .fold = &payment_aggregate,
    .project = project,
};
