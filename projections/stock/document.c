#include "projections/stock/document.h"

#include "core/base/json_write.h"
#include "core/domain/ids.h"
#include "core/domain/sku/sku.h"

void stock_document(struct buf *out, struct str stream, int64_t version, const struct sku_state *state) {
    struct json_writer writer = json_writer_of(out);
    json_object_begin(&writer);
    json_field_string(&writer, "sku", sku_of_stream(stream));
    json_field_int(&writer, "available", sku_available(state));
    json_name(&writer, STR("locations"));
    json_array_begin(&writer);
    for (uint32_t i = 0; i < state->levels.count; i++) {
        const struct stock_level *level = &state->levels.items[i];
        json_object_begin(&writer);
        json_field_string(&writer, "location", level->location);
        json_field_int(&writer, "on_hand", level->on_hand);
        json_field_int(&writer, "reserved", level->reserved);
        json_field_int(&writer, "available", level->on_hand - level->reserved);
        json_object_end(&writer);
    }
    json_array_end(&writer);
    json_field_int(&writer, "version", version);
    json_object_end(&writer);
}
