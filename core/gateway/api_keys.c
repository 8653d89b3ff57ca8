#include "core/gateway/api_keys.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/logger.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "core/vault/token.h"
#include "projections/keys/query.h"

enum { VENDOR_MAX = 128, ROW_ARENA_BYTES = 256 * 1024 };
#define HOUR_US (INT64_C(3600) * MICROS_PER_SECOND)
#define USE_SLACK_US (INT64_C(60) * MICROS_PER_SECOND)

static_assert((int)API_KEY_HASH_BYTES == (int)API_KEY_ROW_HASH_BYTES, "the view keeps what the token makes");

struct live_key {
    uint8_t ulid[ULID_BYTES]; /* of its stream; they are sorted by it */
    uint8_t hash[API_KEY_HASH_BYTES], previous_hash[API_KEY_HASH_BYTES];
    int64_t previous_until, expires_at; /* INT64_MIN: there is none before; INT64_MAX: it does not expire */
    uint32_t capacities;
    uint32_t vendor_len;
    char vendor[VENDOR_MAX];
    int64_t used_hour, told_hour; /* since 1970 */
};

struct live_keys {
    struct live_key *items;
    size_t count;
};

struct api_keys {
    /* Guarded by the lock; `live.items` and `told_hour` are changed by the reading loop alone. */
    pthread_mutex_t lock;
    struct live_keys live;
    bool has_uses; /* some may not have been told */
    struct api_keys_counts counts;
    /* Of the reading loop: */
    struct api_keys_ports ports;
    struct arena row_arena;
    bool has_begun, is_asking, has_failed;
    bool is_stale; /* the view has moved since they were asked for */
    int64_t asked_at_boot_us, ask_at_boot_us, tell_at_boot_us;
};

static int64_t ms(int64_t milliseconds) {
    return milliseconds * MICROS_PER_MS;
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

static int compare_keys(const void *left, const void *right) {
    return memcmp(((const struct live_key *)left)->ulid, ((const struct live_key *)right)->ulid, ULID_BYTES);
}

static int compare_ulid(const void *ulid, const void *key) {
    return memcmp(ulid, ((const struct live_key *)key)->ulid, ULID_BYTES);
}

static struct live_key *key_of(const struct live_keys *live, const uint8_t ulid[ULID_BYTES]) {
    return live->count == 0 ? NULL : bsearch(ulid, live->items, live->count, sizeof *live->items, compare_ulid);
}

static bool lets_in(const struct live_key *key, const uint8_t hash[API_KEY_HASH_BYTES], int64_t now_us) {
    bool is_of_now = sodium_memcmp(key->hash, hash, API_KEY_HASH_BYTES) == 0;
    bool is_of_before = sodium_memcmp(key->previous_hash, hash, API_KEY_HASH_BYTES) == 0;
    return now_us < key->expires_at && (is_of_now || (is_of_before && now_us < key->previous_until));
}

static void note_use(struct api_keys *keys, struct live_key *key, int64_t hour) {
    if (hour > key->used_hour) {
        key->used_hour = hour;
        keys->has_uses = true;
    }
}

bool api_keys_find(struct api_keys *keys, struct arena *arena, struct str text, int64_t now_us,
                   struct principal *ret_principal) {
    char stream[API_KEY_STREAM_LEN];
    uint8_t ulid[ULID_BYTES], hash[API_KEY_HASH_BYTES];
    if (!api_key_parse(text, stream) || !ulid_read(str_from(str_of(stream, sizeof stream), 4), ulid)) {
        return false;
    }
    api_key_hash(text, hash);
    struct live_key found = {0};
    pthread_mutex_lock(&keys->lock);
    struct live_key *key = key_of(&keys->live, ulid);
    bool is_found = key != NULL && lets_in(key, hash, now_us);
    if (is_found) {
        note_use(keys, key, (now_us - USE_SLACK_US) / HOUR_US);
        found = *key;
    }
    pthread_mutex_unlock(&keys->lock);
    if (is_found) {
        ret_principal->id = arena_str_copy(arena, str_of(stream, sizeof stream));
        ret_principal->identity = ret_principal->id;
        ret_principal->vendor = arena_str_copy(arena, str_of(found.vendor, found.vendor_len));
        ret_principal->capacities = found.capacities;
    }
    return is_found;
}

bool api_keys_are_known(struct api_keys *keys) {
    return api_keys_counts(keys).read_at_boot_us != 0;
}

struct api_keys_counts api_keys_counts(struct api_keys *keys) {
    pthread_mutex_lock(&keys->lock);
    struct api_keys_counts counts = keys->counts;
    pthread_mutex_unlock(&keys->lock);
    return counts;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* A role that this release does not know lets in nowhere. */
static uint32_t capacity_of(struct str role) {
#define CAPACITY_BIT(name, letter, text)                                                                               \
    if (str_equal(role, STR(text))) {                                                                                  \
        return 1U << CAPACITY_##name;                                                                                  \
    }
    CAPACITY_TABLE(CAPACITY_BIT)
#undef CAPACITY_BIT
    return 0;
}

/* False: no key of ours. */
static bool take_roles(const struct role_grant_array *roles, struct live_key *key) {
    for (uint32_t i = 0; i < roles->count; i++) {
        const struct role_grant *grant = &roles->items[i];
        key->capacities |= capacity_of(grant->role);
        if (grant->has_vendor && grant->vendor.len > VENDOR_MAX) {
            return false;
        }
        if (grant->has_vendor) {
            memcpy(key->vendor, grant->vendor.data, grant->vendor.len);
            key->vendor_len = grant->vendor.len;
        }
    }
    return true;
}

static bool take_row(struct api_keys *keys, const PGresult *rows, int at, struct live_key *ret_key) {
    struct api_key_row row;
    arena_reset(&keys->row_arena);
    if (!api_key_row_read(&keys->row_arena, rows, at, &row) || !str_starts_with(row.id, STR("key_")) ||
        !ulid_read(str_from(row.id, 4), ret_key->ulid)) {
        return false;
    }
    memcpy(ret_key->hash, row.hash, sizeof row.hash);
    memcpy(ret_key->previous_hash, row.previous_hash, sizeof row.previous_hash);
    ret_key->previous_until = row.has_previous ? row.previous_until : INT64_MIN;
    ret_key->expires_at = row.has_expires_at ? row.expires_at : INT64_MAX;
    return take_roles(&row.roles, ret_key);
}

static void take_rows(struct api_keys *keys, const PGresult *rows, struct live_keys *ret_live) {
    int count = PQntuples(rows), most = count < API_KEYS_LIVE_MAX ? count : API_KEYS_LIVE_MAX, unread = 0;
    *ret_live = (struct live_keys){.items = calloc_or_end((size_t)most + 1, sizeof *ret_live->items)};
    for (int at = 0; at < most; at++) {
        struct live_key *key = &ret_live->items[ret_live->count];
        if (take_row(keys, rows, at, key)) {
            ret_live->count++;
        } else {
            unread++;
            *key = (struct live_key){0};
        }
    }
    qsort(ret_live->items, ret_live->count, sizeof *ret_live->items, compare_keys);
    if (count > API_KEYS_LIVE_MAX) {
        log_line(LOG_ERROR, "gateway", "there are more API keys than a front knows; revoke those that nobody uses",
                 LOG_INT("known", API_KEYS_LIVE_MAX));
    }
    if (unread > 0) {
        log_line(LOG_ERROR, "gateway", "rows of the view `keys` cannot be read, and their keys let nobody in",
                 LOG_INT("rows", unread));
    }
}

/* What was told of a key's use is not told again. Both are sorted: whoever waits for the lock waits for one pass. */
static void keep_uses(const struct live_keys *before, struct live_keys *live) {
    size_t at = 0;
    for (size_t i = 0; i < live->count; i++) {
        struct live_key *key = &live->items[i];
        while (at < before->count && compare_keys(&before->items[at], key) < 0) {
            at++;
        }
        if (at < before->count && compare_keys(&before->items[at], key) == 0) {
            key->used_hour = before->items[at].used_hour;
            key->told_hour = before->items[at].told_hour;
        }
    }
}

static void replace(struct api_keys *keys, struct live_keys *live) {
    struct live_keys before = keys->live;
    pthread_mutex_lock(&keys->lock);
    keep_uses(&before, live);
    keys->live = *live;
    keys->counts.keys = live->count;
    keys->counts.read_at_boot_us = keys->asked_at_boot_us;
    keys->counts.readings_total++;
    pthread_mutex_unlock(&keys->lock);
    free(before.items);
}

static void fail(struct api_keys *keys, const struct err_info *error) {
    if (!error->retriable && !keys->has_failed) { /* that the database is away, the loop says */
        log_line(LOG_ERROR, "gateway", "the API keys cannot be read; those that are known hold",
                 LOG_CSTR("why", error->text));
    }
    keys->has_failed = true;
    pthread_mutex_lock(&keys->lock);
    keys->counts.failures_total++;
    pthread_mutex_unlock(&keys->lock);
}

static void on_rows(void *context, const PGresult *rows, const struct err_info *error) {
    struct api_keys *keys = context;
    keys->is_asking = false;
    if (error != NULL) {
        fail(keys, error);
        keys->ask_at_boot_us = keys->asked_at_boot_us + ms(API_KEYS_AGAIN_MS);
        return;
    }
    struct live_keys live;
    take_rows(keys, rows, &live);
    replace(keys, &live);
    keys->has_failed = false;
    keys->ask_at_boot_us = keys->asked_at_boot_us + ms(keys->is_stale ? API_KEYS_APART_MS : API_KEYS_REREAD_MS);
}

static void ask_when_due(struct api_keys *keys, int64_t now_boot_us) {
    if (!keys->has_begun || keys->is_asking || now_boot_us < keys->ask_at_boot_us) {
        return;
    }
    char now[TIMESTAMP_TEXT_MAX + 1];
    struct str parameter = str_of(now, timestamp_write(clock_wall_us(), now));
    keys->is_asking = true;
    keys->is_stale = false;
    keys->asked_at_boot_us = now_boot_us;
    keys->ports.ask(keys->ports.pg, &api_keys_live, &parameter, on_rows, keys);
}

void api_keys_moved(struct api_keys *keys, int64_t now_boot_us) {
    int64_t soon = keys->asked_at_boot_us + ms(API_KEYS_APART_MS);
    keys->is_stale = true;
    if (!keys->has_failed && soon < keys->ask_at_boot_us) {
        keys->ask_at_boot_us = soon;
    }
    ask_when_due(keys, now_boot_us);
}

/* ---- telling of their use ---------------------------------------------------------------------------------------- */

struct use {
    size_t at;
    int64_t hour;
};

static size_t take_uses(struct api_keys *keys, struct use ret_uses[API_KEYS_USES_MAX]) {
    size_t count = 0;
    pthread_mutex_lock(&keys->lock);
    for (size_t i = 0; keys->has_uses && i < keys->live.count && count < API_KEYS_USES_MAX; i++) {
        if (keys->live.items[i].used_hour > keys->live.items[i].told_hour) {
            ret_uses[count++] = (struct use){.at = i, .hour = keys->live.items[i].used_hour};
        }
    }
    keys->has_uses = count == API_KEYS_USES_MAX; /* there may be more */
    pthread_mutex_unlock(&keys->lock);
    return count;
}

/* False: it could not be sent. */
static bool tell_use(struct api_keys *keys, const struct use *use) {
    char id[API_KEY_STREAM_LEN];
    struct live_key *key = &keys->live.items[use->at];
    memcpy(id, "key_", 4);
    ulid_write(key->ulid, id + 4);
    bool is_sent = keys->ports.note_use(keys->ports.context, str_of(id, sizeof id), use->hour);
    pthread_mutex_lock(&keys->lock);
    key->told_hour = is_sent ? use->hour : key->told_hour;
    keys->has_uses = keys->has_uses || !is_sent;
    pthread_mutex_unlock(&keys->lock);
    return is_sent;
}

static void tell_uses(struct api_keys *keys, int64_t now_boot_us) {
    struct use uses[API_KEYS_USES_MAX];
    if (!keys->has_begun || now_boot_us < keys->tell_at_boot_us) {
        return;
    }
    size_t count = take_uses(keys, uses);
    for (size_t i = 0; i < count; i++) {
        if (!tell_use(keys, &uses[i])) {
            keys->tell_at_boot_us = now_boot_us + ms(API_KEYS_AGAIN_MS);
            return;
        }
    }
}

/* ---- life cycle -------------------------------------------------------------------------------------------------- */

struct api_keys *api_keys_open(void) {
    struct api_keys *keys = calloc_or_end(1, sizeof *keys);
    int failed = pthread_mutex_init(&keys->lock, NULL);
    assert(failed == 0);
    arena_init(&keys->row_arena, ROW_ARENA_BYTES);
    return keys;
}

void api_keys_begin(struct api_keys *keys, const struct api_keys_ports *ports, int64_t now_boot_us) {
    keys->ports = *ports;
    keys->has_begun = true;
    keys->ask_at_boot_us = now_boot_us;
}

void api_keys_tick(struct api_keys *keys, int64_t now_boot_us) {
    ask_when_due(keys, now_boot_us);
    tell_uses(keys, now_boot_us);
}

void api_keys_close(struct api_keys *keys) {
    if (keys == NULL) {
        return;
    }
    arena_release(&keys->row_arena);
    free(keys->live.items);
    pthread_mutex_destroy(&keys->lock);
    free(keys);
}
