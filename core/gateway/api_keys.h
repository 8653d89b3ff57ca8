/* api_keys.h: the keys of services, all that live, in the front's memory: a request with one asks nobody.
 *
 *      view `keys` -- NOTIFY, or every API_KEYS_REREAD_MS --> one loop reads all of them --> every loop finds
 *
 * Promise  a key that was made, rotated or revoked is known so as soon as the view has told of it, and after
 *          API_KEYS_REREAD_MS where a notice was lost. While the database is away what was read last holds: a front
 *          that cannot read does not lock out services, and does not hear that one was revoked (a metric tells how old
 *          its knowledge is). A front that has read nothing yet says so: nobody is told that his key is none.
 *          What is kept are hashes (BLAKE2b-256), compared in the same time wherever the difference is.
 * Use      the first time an hour that a front lets a key in, it sends NoteApiKeyUse under an id that derives from key
 *          and hour: of however many fronts, the log has one event. It is best effort: a front that dies loses it. What
 *          is used in the first minute of an hour counts for the one before: no clock is ahead of the log's by more.
 * Bounds   API_KEYS_LIVE_MAX keys (projections/keys/query.h), the oldest; of younger ones nothing is known, and the log
 *          says so.
 * Memory   its own. What is found is copied into the arena that is given.
 * Thread   api_keys_find, _are_known and _counts: any. The others: the loop that reads.
 *          May use: base, pg, vault, views' queries.
 */
#pragma once

#include "core/base/arena.h"
#include "core/gateway/principal.h"
#include "core/pg/pool.h"

enum {
    API_KEYS_REREAD_MS = 30000,
    API_KEYS_APART_MS = 250,  /* between two readings: notices that come meanwhile are one */
    API_KEYS_AGAIN_MS = 1000, /* after what failed: a reading, or a use that could not be sent */
    API_KEYS_USES_MAX = 64,   /* told in one tick */
};

struct api_keys;

struct api_keys_ports {
    struct pg_pool *pg;
    void (*ask)(struct pg_pool *pg, const struct pg_statement *statement, const struct str *parameters,
                pg_result_cb *on_result, void *context);
    /* False: it could not be sent, and is tried again. */
    bool (*note_use)(void *context, struct str key, int64_t hour);
    void *context;
};

struct api_keys *api_keys_open(void);
void api_keys_close(struct api_keys *keys); /* when the pool answers no more; NULL is allowed */

/* From now on that loop reads. */
void api_keys_begin(struct api_keys *keys, const struct api_keys_ports *ports, int64_t now_boot_us);
/* The view has moved, or notices may have been missed. */
void api_keys_moved(struct api_keys *keys, int64_t now_boot_us);
void api_keys_tick(struct api_keys *keys, int64_t now_boot_us);

/* Whether they were ever read. Until then the answer to whoever brings a key is 503 database_unavailable. */
bool api_keys_are_known(struct api_keys *keys);

/* Whose key the text is, if it is one now (`now_us` since 1970): fills in identity, id, vendor and capacities of the
 * principal, and nothing else. False: it is none, has expired, was revoked, or was rotated away. */
MUST_CHECK bool api_keys_find(struct api_keys *keys, struct arena *arena, struct str text, int64_t now_us,
                              struct principal *ret_principal);

struct api_keys_counts {
    size_t keys;
    int64_t read_at_boot_us; /* when they were asked for, as they are known now; 0: never */
    uint64_t readings_total, failures_total;
};
struct api_keys_counts api_keys_counts(struct api_keys *keys);
