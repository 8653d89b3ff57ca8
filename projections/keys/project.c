/* project.c: API keys, from their events. */
#include "core/base/embed.h"
#include "core/domain/apikey/apikey.h"
#include "projections/keys/document.h"
#include "projections/runtime/view.h"

EMBED_TEXT(keys_sql, "projections/keys/view.sql");

enum { KEYS };

static struct view_value time_or_null(bool present, int64_t time_us) {
    return present ? view_number(time_us) : view_null();
}

static void project(struct view_batch *batch, struct arena *arena, const struct event *event, const void *state,
                    bool last) {
    if (!last) {
        return;
    }
    const struct api_key_state *key = state;
    struct str *roles = arena_alloc(arena, (key->roles.count + 1) * sizeof *roles);
    const struct role_grant *of_vendor = NULL;
    for (uint32_t i = 0; i < key->roles.count; i++) {
        roles[i] = key->roles.items[i].role;
        of_vendor = key->roles.items[i].has_vendor ? &key->roles.items[i] : of_vendor;
    }
    bool has_previous = !str_is_empty(key->previous_hash);
    struct buf *document = view_scratch(batch);
    api_key_document(document, event->meta.stream, event->meta.version, key);
    view_upsert(batch, KEYS,
                (struct view_value[]){
                    view_text(event->meta.stream),
                    view_text(key->name),
                    view_text(str_of_cstr(api_key_status_name(key->status))),
                    view_texts(roles, key->roles.count),
                    of_vendor == NULL ? view_null() : view_text(of_vendor->vendor),
                    view_text(key->hash),
                    view_text_or_null(has_previous, key->previous_hash),
                    time_or_null(has_previous, key->previous_until),
                    time_or_null(key->has_expires_at, key->expires_at),
                    time_or_null(key->used_hour > 0, api_key_used_at(key)),
                    view_text(arena_str_copy(arena, buf_text(document))),
                    view_number(event->meta.version),
                    view_number(key->created_at),
                    view_number(key->changed_at),
                });
}

const struct view keys_view = {
    .name = "keys",
    .sql = keys_sql,
    .format = 1,
    .families = {"keys"},
    .tables = {[KEYS] = {.name = "keys",
                         .columns = {{"id", VIEW_TEXT, .key = true},
                                     {"name", VIEW_TEXT},
                                     {"status", VIEW_TEXT},
                                     {"roles", VIEW_TEXT_ARRAY},
                                     {"vendor", VIEW_TEXT},
                                     {"hash", VIEW_BYTEA},
                                     {"previous_hash", VIEW_BYTEA},
                                     {"previous_until", VIEW_TIMESTAMP},
                                     {"expires_at", VIEW_TIMESTAMP},
                                     {"used_at", VIEW_TIMESTAMP},
                                     {"document", VIEW_JSON},
                                     {"version", VIEW_BIGINT},
                                     {"created_at", VIEW_TIMESTAMP},
                                     {"changed_at", VIEW_TIMESTAMP}},
                         .column_count = 14}},
    .table_count = 1,
    .fold = &apikey_aggregate,
    .project = project,
};
