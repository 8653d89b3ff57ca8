#include "projections/customers/document.h"

#include "gen/json.h"

static bool is_open(const struct sealed *sealed) {
    return !str_is_empty(sealed->plaintext);
}

/* What was opened, as a text. */
static void put_sealed(struct json_writer *writer, const char *name, bool present, const struct sealed *sealed) {
    if (present && is_open(sealed)) {
        json_field_string(writer, name, sealed->plaintext);
    }
}

/* The address was checked against its schema before it was sealed, and nobody without its key could change it since. */
static void put_address(struct json_writer *writer, const struct customer_address *address) {
    json_object_begin(writer);
    json_field_string(writer, "id", address->id);
    if (is_open(&address->address)) {
        json_name(writer, STR("address"));
        json_raw(writer, address->address.plaintext);
    }
    json_object_end(writer);
}

void customer_addresses_write(struct json_writer *writer, const struct customer_state *state) {
    for (uint32_t i = 0; i < state->addresses.count; i++) {
        put_address(writer, &state->addresses.items[i]);
    }
}

static void put_lists(struct json_writer *writer, const struct customer_state *state) {
    json_field_array(writer, "addresses");
    customer_addresses_write(writer, state);
    json_array_end(writer);
    json_field_array(writer, "roles");
    for (uint32_t i = 0; i < state->roles.count; i++) {
        role_grant_write_json(writer, &state->roles.items[i]);
    }
    json_array_end(writer);
    json_field_array(writer, "consents");
    for (uint32_t i = 0; i < state->consents.count; i++) {
        consent_write_json(writer, &state->consents.items[i]);
    }
    json_array_end(writer);
}

static void put_person(struct json_writer *writer, const struct customer_state *state) {
    put_sealed(writer, "email", state->has_email, &state->email);
    put_sealed(writer, "pending_email", state->has_pending_email, &state->pending_email);
    put_sealed(writer, "name", state->has_name, &state->name);
    put_lists(writer, state);
    json_field_string(writer, "totp", str_of_cstr(totp_status_name(state->totp)));
    json_field_bool(writer, "password_change_required", state->once_until != 0);
    if (state->locked_until != 0) {
        json_field_time(writer, "locked_until", state->locked_until);
    }
    if (state->status == CUSTOMER_STATUS_SUSPENDED) {
        json_field_time(writer, "suspended_at", state->suspended_at);
        json_field_string(writer, "suspended_for", state->suspended_for);
    }
}

void customer_document(struct buf *out, struct str stream, int64_t version, const struct customer_state *state) {
    bool is_erased = state->status == CUSTOMER_STATUS_ERASING || state->status == CUSTOMER_STATUS_ERASED;
    struct json_writer writer = json_writer_of(out);
    json_object_begin(&writer);
    json_field_string(&writer, "id", stream);
    json_field_string(&writer, "status", str_of_cstr(customer_status_name(state->status)));
    if (!is_erased) {
        put_person(&writer, state);
    }
    json_field_int(&writer, "version", version);
    json_field_time(&writer, "created_at", state->created_at);
    json_field_time(&writer, "changed_at", state->changed_at);
    json_object_end(&writer);
}

void customer_session_opened_document(struct buf *out, const struct customer_session *session) {
    struct json_writer writer = json_writer_of(out);
    json_object_begin(&writer);
    json_field_int(&writer, "session", session->session);
    json_field_string(&writer, "method", session->method);
    put_sealed(&writer, "client", session->has_client, &session->client);
    json_field_time(&writer, "opened_at", session->opened_at);
    json_object_end(&writer);
}

void customer_session_document(struct buf *out, const struct customer_session *session, bool is_current) {
    struct json_writer writer = json_writer_of(out);
    json_object_begin(&writer);
    json_field_int(&writer, "session", session->session);
    json_field_bool(&writer, "current", is_current);
    json_field_string(&writer, "method", session->method);
    put_sealed(&writer, "client", session->has_client, &session->client);
    json_field_time(&writer, "opened_at", session->opened_at);
    json_field_time(&writer, "used_at", session->used_at);
    json_field_time(&writer, "expires_at", session->expires_at);
    json_object_end(&writer);
}
