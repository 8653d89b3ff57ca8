#include "projections/runtime/skips.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

enum { SKIPS_MAX_BYTES = 16 * 1024 * 1024 };

struct skip {
    int64_t version;
    struct skip *next;
};

void skips_init(struct skips *skips) {
    arena_init(&skips->arena, SKIPS_MAX_BYTES);
    map_init(&skips->versions, &skips->arena);
    skips->place_count = 0;
}

void skips_release(struct skips *skips) {
    arena_release(&skips->arena);
}

void skips_add(struct skips *skips, struct str stream, int64_t version) {
    void **place = map_at(&skips->versions, stream);
    struct skip *skip = arena_alloc(&skips->arena, sizeof *skip);
    *skip = (struct skip){.version = version, .next = *place};
    *place = skip;
    skips->place_count += version == 0;
}

enum err skips_load(struct skips *skips, struct pg_session *session, struct err_info *info) {
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    enum err failure = pg_session_query(session, "SELECT stream, version FROM skipped", NULL, 0, true, &result, info);
    if (failure != ERR_NONE) {
        return failure;
    }
    if (PQntuples(result) > SKIPS_MAX) {
        return err_set(info, ERR_TOO_LARGE, "%d events are skipped, more than %d: rebuild the view without them",
                       PQntuples(result), SKIPS_MAX);
    }
    for (int row = 0; row < PQntuples(result); row++) {
        skips_add(skips, pg_get_bytes(result, row, 0), pg_get_int8(result, row, 1));
    }
    return ERR_NONE;
}

bool skips_has(const struct skips *skips, struct str stream, int64_t version) {
    if (skips == NULL || skips->versions.count == 0) {
        return false;
    }
    const struct skip *skip = map_get(&skips->versions, stream);
    while (skip != NULL && skip->version != version) {
        skip = skip->next;
    }
    return skip != NULL;
}

bool skips_has_place(const struct skips *skips, const char *topic, int32_t shard, int64_t offset) {
    char text[SKIP_PLACE_MAX];
    return skips != NULL && skips->place_count > 0 && skips_has(skips, skip_place(topic, shard, offset, text), 0);
}

struct str skip_place(const char *topic, int32_t shard, int64_t offset, char ret_text[SKIP_PLACE_MAX]) {
    int length = snprintf(ret_text, SKIP_PLACE_MAX, "%s/%" PRId32 "/%" PRId64, topic, shard, offset);
    assert(length > 0 && length < SKIP_PLACE_MAX);
    return str_of(ret_text, (size_t)length);
}
