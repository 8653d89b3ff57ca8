#include "projections/payments/document.h"

#include "core/domain/payment/payment.h"
#include "gen/json.h"

/* All amounts of a payment are in the currency of what was asked for. */
static void put_amount(struct json_writer *writer, struct str name, const struct payment_state *state, int64_t minor) {
    struct money amount = {.amount = minor, .currency = state->amount.currency};
    json_name(writer, name);
    money_write_json(writer, &amount);
}

static void put_refunds(struct json_writer *writer, const struct payment_state *state) {
    json_name(writer, STR("refunds"));
    json_array_begin(writer);
    for (uint32_t i = 0; i < state->refunds.count; i++) {
        const struct refund *refund = &state->refunds.items[i];
        json_object_begin(writer);
        json_field_int(writer, "refund", refund->refund);
        json_name(writer, STR("amount"));
        money_write_json(writer, &refund->amount);
        json_field_string(writer, "reason", refund->reason);
        json_field_string(writer, "status", refund->status);
        json_object_end(writer);
    }
    json_array_end(writer);
}

static void put_disputes(struct json_writer *writer, const struct payment_state *state) {
    json_name(writer, STR("disputes"));
    json_array_begin(writer);
    for (uint32_t i = 0; i < state->disputes.count; i++) {
        const struct dispute *dispute = &state->disputes.items[i];
        json_object_begin(writer);
        json_field_string(writer, "dispute", dispute->dispute);
        json_name(writer, STR("amount"));
        money_write_json(writer, &dispute->amount);
        json_field_string(writer, "reason", dispute->reason);
        json_field_string(writer, "status", dispute->status);
        if (dispute->has_respond_by) {
            json_field_time(writer, "respond_by", dispute->respond_by);
        }
        json_object_end(writer);
    }
    json_array_end(writer);
}

void payment_document(struct buf *out, struct str stream, int64_t version, const struct payment_state *state) {
    struct json_writer writer = json_writer_of(out);
    json_object_begin(&writer);
    json_field_string(&writer, "id", stream);
    json_field_string(&writer, "order", state->order);
    json_field_string(&writer, "status", str_of_cstr(payment_status_name(state->status)));
    json_field_string(&writer, "provider", state->provider);
    json_field_string(&writer, "method", state->method);
    put_amount(&writer, STR("amount"), state, state->amount.amount);
    put_amount(&writer, STR("authorized"), state, state->authorized);
    put_amount(&writer, STR("captured"), state, state->captured);
    put_amount(&writer, STR("refund_pending"), state, state->refund_pending);
    put_amount(&writer, STR("refunded"), state, state->refunded);
    put_amount(&writer, STR("contested"), state, payment_contested_now(state));
    put_amount(&writer, STR("lost"), state, payment_lost(state));
    put_refunds(&writer, state);
    put_disputes(&writer, state);
    if (!str_is_empty(state->refund_owed)) {
        json_field_string(&writer, "refund_owed", state->refund_owed);
    }
    if (!str_is_empty(state->provider_ref)) {
        json_field_string(&writer, "provider_ref", state->provider_ref);
    }
    if (!str_is_empty(state->failure_code)) {
        json_field_string(&writer, "failure_code", state->failure_code);
    }
    if (state->has_action_url) {
        json_field_string(&writer, "action_url", state->action_url);
    }
    json_field_int(&writer, "version", version);
    json_field_time(&writer, "created_at", state->created_at);
    json_field_time(&writer, "changed_at", state->changed_at);
    json_object_end(&writer);
}
