#include "projections/products/document.h"

#include "gen/json.h"

static void put_texts(struct json_writer *writer, struct str name, const struct str_array *texts) {
    json_name(writer, name);
    json_array_begin(writer);
    for (uint32_t i = 0; i < texts->count; i++) {
        json_text(writer, texts->items[i]);
    }
    json_array_end(writer);
}

static void put_details(struct json_writer *writer, const struct product_details *details) {
    json_field_string(writer, "title", details->title);
    if (details->has_description) {
        json_field_string(writer, "description", details->description);
    }
    if (details->has_vendor) {
        json_field_string(writer, "vendor", details->vendor);
    }
    put_texts(writer, STR("categories"), &details->categories);
    put_texts(writer, STR("tags"), &details->tags);
    json_name(writer, STR("attributes"));
    json_object_begin(writer);
    for (uint32_t i = 0; i < details->attributes.count; i++) {
        json_name(writer, details->attributes.items[i].name);
        json_text(writer, details->attributes.items[i].value);
    }
    json_object_end(writer);
    put_texts(writer, STR("images"), &details->images);
}

void product_document(struct buf *out, struct str stream, int64_t version, const struct product_state *state) {
    struct json_writer writer = json_writer_of(out);
    json_object_begin(&writer);
    json_field_string(&writer, "id", stream);
    json_field_string(&writer, "status", str_of_cstr(product_status_name(state->status)));
    put_details(&writer, &state->details);
    json_name(&writer, STR("variants"));
    json_array_begin(&writer);
    for (uint32_t i = 0; i < state->variants.count; i++) {
        variant_write_json(&writer, &state->variants.items[i]);
    }
    json_array_end(&writer);
    json_field_int(&writer, "version", version);
    json_field_time(&writer, "created_at", state->created_at);
    json_field_time(&writer, "changed_at", state->changed_at);
    json_object_end(&writer);
}
