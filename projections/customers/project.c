/* project.c: customers, their sessions and their history, from the events of customers. */
#include "core/base/embed.h"
#include "core/domain/customer/customer.h"
#include "gen/codec.h"
#include "gen/json.h"
#include "projections/runtime/view.h"

EMBED_TEXT(customers_sql, "projections/customers/view.sql");

enum { CUSTOMERS, SESSIONS, SESSION_USES, SESSION_ENDS, CUSTOMER_HISTORY };

/* ---- history ----------------------------------------------------------------------------------------------------- */

/* A session is refreshed every few minutes: that would be most of the table. Its last refresh is in session_uses. */
static bool is_kept(const struct event *event) {
    return event->type != EVENT_SESSION_REFRESHED;
}

static void put_history(struct view_batch *batch, struct arena *arena, const struct event *event) {
    const struct event_meta *meta = &event->meta;
    uint8_t *hash = arena_alloc(arena, VIEW_HASH_BYTES);
    view_record_hash(batch, hash);
    struct buf *text = view_scratch(batch);
    struct json_writer writer = json_writer_of(text);
    event_write_json(&writer, event);
    view_upsert(batch, CUSTOMER_HISTORY,
                (struct view_value[]){
                    view_text(meta->stream),
                    view_number(meta->version),
                    view_number(meta->occurred_at),
                    view_text(str_of_cstr(event_info(event->type)->name)),
                    view_text(meta->actor),
                    view_text(meta->command_id),
                    view_text(meta->causation_id),
                    view_text(str_of((const char *)hash, VIEW_HASH_BYTES)),
                    view_text(arena_str_copy(arena, buf_text(text))),
                });
}

/* ---- sessions ---------------------------------------------------------------------------------------------------- */

static void put_use(struct view_batch *batch, const struct event *event, int32_t session, int32_t generation,
                    int64_t expires_at) {
    view_upsert(batch, SESSION_USES,
                (struct view_value[]){
                    view_text(event->meta.stream),
                    view_number(session),
                    view_number(event->meta.occurred_at),
                    view_number(generation),
                    view_number(expires_at),
                });
}

static void put_opened(struct view_batch *batch, const struct event *event) {
    const struct session_opened *opened = &event->as.session_opened;
    view_upsert(batch, SESSIONS,
                (struct view_value[]){
                    view_text(event->meta.stream),
                    view_number(opened->session),
                    view_number(event->meta.occurred_at),
                    view_text(opened->method),
                    view_text_or_null(opened->has_client, opened->client.key_id),
                    view_text_or_null(opened->has_client, opened->client.nonce),
                    view_text_or_null(opened->has_client, opened->client.ciphertext),
                });
    put_use(batch, event, opened->session, 1, opened->expires_at);
}

static void put_end(struct view_batch *batch, const struct event *event, int32_t session, bool is_upto, int32_t kept,
                    struct str reason) {
    view_upsert(batch, SESSION_ENDS,
                (struct view_value[]){
                    view_text(event->meta.stream),
                    view_number(event->meta.version),
                    view_number(session),
                    view_number(is_upto),
                    view_number(kept),
                    view_number(event->meta.occurred_at),
                    view_text(reason),
                });
}

static void put_sessions(struct view_batch *batch, const struct event *event) {
    switch ((int)event->type) {
    case EVENT_SESSION_OPENED:
        put_opened(batch, event);
        break;
    case EVENT_SESSION_REFRESHED: {
        const struct session_refreshed *refreshed = &event->as.session_refreshed;
        put_use(batch, event, refreshed->session, refreshed->generation, refreshed->expires_at);
        break;
    }
    case EVENT_SESSION_ENDED: {
        const struct session_ended *ended = &event->as.session_ended;
        put_end(batch, event, ended->session, false, 0, ended->reason);
        view_delete(batch, SESSION_USES,
                    (struct view_value[]){view_text(event->meta.stream), view_number(ended->session), view_null(),
                                          view_null(), view_null()});
        break;
    }
    case EVENT_SESSIONS_ENDED: {
        const struct sessions_ended *ended = &event->as.sessions_ended;
        put_end(batch, event, ended->before, true, ended->kept, ended->reason);
        break;
    }
    default:
        break;
    }
}

/* ---- customers --------------------------------------------------------------------------------------------------- */

/* There is no more to be known of one who is to be erased than his id, and that he was. */
static bool is_known(const struct customer_state *state) {
    return state->status == CUSTOMER_STATUS_UNVERIFIED || state->status == CUSTOMER_STATUS_ACTIVE ||
           state->status == CUSTOMER_STATUS_SUSPENDED;
}

static void put_customer(struct view_batch *batch, struct arena *arena, const struct event *event,
                         const struct customer_state *state) {
    uint32_t count = is_known(state) ? state->roles.count : 0;
    struct str *roles = arena_alloc(arena, (count + 1) * sizeof *roles);
    const struct role_grant *of_vendor = NULL;
    for (uint32_t i = 0; i < count; i++) {
        roles[i] = state->roles.items[i].role;
        of_vendor = state->roles.items[i].has_vendor ? &state->roles.items[i] : of_vendor;
    }
    view_upsert(batch, CUSTOMERS,
                (struct view_value[]){
                    view_text(event->meta.stream),
                    view_text(str_of_cstr(customer_status_name(state->status))),
                    view_text_or_null(is_known(state), state->identity),
                    view_texts(roles, count),
                    of_vendor == NULL ? view_null() : view_text(of_vendor->vendor),
                    view_number(state->sessions_from),
                    view_number(state->session_kept),
                    view_number(CUSTOMER_STATE_SCHEMA_ID),
                    view_number(event->meta.version),
                    view_number(state->created_at),
                    view_number(state->changed_at),
                });
}

/* ---- the view ---------------------------------------------------------------------------------------------------- */

static void project(struct view_batch *batch, struct arena *arena, const struct event *event, const void *state,
                    bool last) {
    if (is_kept(event)) {
        put_history(batch, arena, event);
    }
    put_sessions(batch, event);
    if (last) {
        put_customer(batch, arena, event, state);
    }
}

const struct view customers_view = {
    .name = "customers",
    .sql = customers_sql,
    .format = 3,
    .families = {"customers"},
    .tables = {[CUSTOMERS] = {.name = "customers",
                              .columns = {{"id", VIEW_TEXT, .key = true},
                                          {"status", VIEW_TEXT},
                                          {"identity", VIEW_TEXT},
                                          {"roles", VIEW_TEXT_ARRAY},
                                          {"vendor", VIEW_TEXT},
                                          {"sessions_from", VIEW_BIGINT},
                                          {"session_kept", VIEW_BIGINT},
                                          {"state_schema", VIEW_BIGINT},
                                          {"version", VIEW_BIGINT},
                                          {"created_at", VIEW_TIMESTAMP},
                                          {"changed_at", VIEW_TIMESTAMP}},
                              .column_count = 11},
               [SESSIONS] = {.name = "sessions",
                             .columns = {{"customer", VIEW_TEXT, .key = true},
                                         {"session", VIEW_BIGINT, .key = true},
                                         {"opened_at", VIEW_TIMESTAMP},
                                         {"method", VIEW_TEXT},
                                         {"client_key", VIEW_TEXT},
                                         {"client_nonce", VIEW_BYTEA},
                                         {"client", VIEW_BYTEA, .personal = true}},
                             .column_count = 7,
                             .append_only = true},
               [SESSION_USES] = {.name = "session_uses",
                                 .columns = {{"customer", VIEW_TEXT, .key = true},
                                             {"session", VIEW_BIGINT, .key = true},
                                             {"used_at", VIEW_TIMESTAMP},
                                             {"generation", VIEW_BIGINT},
                                             {"expires_at", VIEW_TIMESTAMP}},
                                 .column_count = 5},
               [SESSION_ENDS] = {.name = "session_ends",
                                 .columns = {{"customer", VIEW_TEXT, .key = true},
                                             {"version", VIEW_BIGINT, .key = true},
                                             {"session", VIEW_BIGINT},
                                             {"upto", VIEW_BOOLEAN},
                                             {"kept", VIEW_BIGINT},
                                             {"ended_at", VIEW_TIMESTAMP},
                                             {"reason", VIEW_TEXT}},
                                 .column_count = 7,
                                 .append_only = true},
               [CUSTOMER_HISTORY] = {.name = "customer_history",
                                     .columns = {{"customer", VIEW_TEXT, .key = true},
                                                 {"version", VIEW_BIGINT, .key = true},
                                                 {"occurred_at", VIEW_TIMESTAMP},
                                                 {"type", VIEW_TEXT},
                                                 {"actor", VIEW_TEXT},
                                                 {"command_id", VIEW_TEXT},
                                                 {"causation_id", VIEW_TEXT},
                                                 {"hash", VIEW_BYTEA},
                                                 {"event", VIEW_JSON}},
                                     .column_count = 9,
                                     .append_only = true}},
    .table_count = 5,
    .fold = &customer_aggregate,
    .project = project,
};
