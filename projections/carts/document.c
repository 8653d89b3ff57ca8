#include "projections/carts/document.h"

#include "gen/json.h"

void cart_document(struct buf *out, struct str stream, int64_t version, const struct cart_state *state) {
    struct json_writer writer = json_writer_of(out);
    json_object_begin(&writer);
    json_field_string(&writer, "id", stream);
    json_field_string(&writer, "status", str_of_cstr(cart_status_name(state->status)));
    if (state->has_customer) {
        json_field_string(&writer, "customer", state->customer);
    }
    json_field_string(&writer, "currency", state->currency);
    if (state->has_reference) {
        json_field_string(&writer, "reference", state->reference);
    }
    json_name(&writer, STR("lines"));
    json_array_begin(&writer);
    for (uint32_t i = 0; i < state->lines.count; i++) {
        cart_line_write_json(&writer, &state->lines.items[i]);
    }
    json_array_end(&writer);
    json_name(&writer, STR("total"));
    money_write_json(&writer, &state->total);
    if (!str_is_empty(state->order)) {
        json_field_string(&writer, "order", state->order);
    }
    json_field_int(&writer, "version", version);
    json_field_time(&writer, "created_at", state->created_at);
    json_field_time(&writer, "changed_at", state->changed_at);
    json_object_end(&writer);
}
