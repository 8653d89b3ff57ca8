#include "projections/orders/document.h"

#include "gen/json.h"

static void put_payment(struct json_writer *writer, const struct order_payment *payment) {
    json_object_begin(writer);
    json_field_string(writer, "id", payment->payment);
    json_name(writer, STR("amount"));
    money_write_json(writer, &payment->amount);
    json_field_string(writer, "provider", payment->choice.provider);
    json_field_string(writer, "method", payment->choice.method);
    json_field_string(writer, "result", payment->result);
    if (!str_is_empty(payment->code)) {
        json_field_string(writer, "code", payment->code);
    }
    if (payment->has_action_url) {
        json_field_string(writer, "action_url", payment->action_url);
    }
    json_object_end(writer);
}

static void put_lists(struct json_writer *writer, const struct order_state *state) {
    json_name(writer, STR("lines"));
    json_array_begin(writer);
    for (uint32_t i = 0; i < state->lines.count; i++) {
        cart_line_write_json(writer, &state->lines.items[i]);
    }
    json_array_end(writer);
    json_name(writer, STR("total"));
    money_write_json(writer, &state->total);
    json_name(writer, STR("payments"));
    json_array_begin(writer);
    for (uint32_t i = 0; i < state->payments.count; i++) {
        put_payment(writer, &state->payments.items[i]);
    }
    json_array_end(writer);
    json_name(writer, STR("shortages"));
    json_array_begin(writer);
    for (uint32_t i = 0; i < state->shortages.count; i++) {
        stock_shortage_write_json(writer, &state->shortages.items[i]);
    }
    json_array_end(writer);
}

void order_document(struct buf *out, struct str stream, int64_t version, const struct order_state *state) {
    struct json_writer writer = json_writer_of(out);
    json_object_begin(&writer);
    json_field_string(&writer, "id", stream);
    json_field_string(&writer, "status", str_of_cstr(order_status_name(state->status)));
    json_field_string(&writer, "cart", state->cart);
    if (state->has_customer) {
        json_field_string(&writer, "customer", state->customer);
    }
    if (state->has_reference) {
        json_field_string(&writer, "reference", state->reference);
    }
    put_lists(&writer, state);
    json_field_time(&writer, "deadline_at", state->deadline_at);
    if (!str_is_empty(state->cancel_reason)) {
        json_field_string(&writer, "cancel_reason", state->cancel_reason);
    }
    json_field_int(&writer, "version", version);
    json_field_time(&writer, "created_at", state->created_at);
    json_field_time(&writer, "changed_at", state->changed_at);
    json_object_end(&writer);
}
