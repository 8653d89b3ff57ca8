#include "projections/keys/document.h"

#include "core/base/timestamp.h"
#include "gen/json.h"

/* The hour before the year 10000, behind which a time has no text (core/base/timestamp.h). */
static const int64_t last_hour = INT64_C(70389527);

int64_t api_key_used_at(const struct api_key_state *state) {
    int64_t hour = state->used_hour < last_hour ? state->used_hour : last_hour;
    return hour * 3600 * MICROS_PER_SECOND;
}

void api_key_document(struct buf *out, struct str stream, int64_t version, const struct api_key_state *state) {
    struct json_writer writer = json_writer_of(out);
    json_object_begin(&writer);
    json_field_string(&writer, "id", stream);
    json_field_string(&writer, "name", state->name);
    json_field_string(&writer, "status", str_of_cstr(api_key_status_name(state->status)));
    json_field_array(&writer, "roles");
    for (uint32_t i = 0; i < state->roles.count; i++) {
        role_grant_write_json(&writer, &state->roles.items[i]);
    }
    json_array_end(&writer);
    json_field_int(&writer, "generation", state->generation);
    if (!str_is_empty(state->previous_hash)) {
        json_field_time(&writer, "previous_until", state->previous_until);
    }
    if (state->has_expires_at) {
        json_field_time(&writer, "expires_at", state->expires_at);
    }
    if (state->used_hour > 0) {
        json_field_time(&writer, "used_at", api_key_used_at(state));
    }
    if (state->has_reason) {
        json_field_string(&writer, "reason", state->reason);
    }
    json_field_int(&writer, "version", version);
    json_field_time(&writer, "created_at", state->created_at);
    json_field_time(&writer, "changed_at", state->changed_at);
    json_object_end(&writer);
}
