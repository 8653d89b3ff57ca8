/* store.h: a shard's state store: streams, sub-states, the window, timers and progress, in LMDB.
 *
 * Purpose  a cache of the fold, so that deciding needs no replay. Losing it costs a replay, never data.
 * Promise  store_write changes everything or nothing, and only when the store still stands where this handle last saw
 *          it (ERR_CONFLICT otherwise: somebody else has moved it on, and the shard is to be taken over again).
 * Crashes  MDB_NOSYNC without MDB_WRITEMAP. A killed process leaves its pages in the kernel's cache: LMDB writes a
 *          transaction's pages with pwrite before the meta page that names them, so what the next process finds is
 *          the last whole transaction. A stopped operating system may have kept any subset of the pages: the file
 *          `boot` beside the data, synced before the first write, holds the boot's id, and a store that another boot
 *          left open is thrown away before LMDB looks at it. WRITEMAP would be a little faster, but turns a full
 *          disk into SIGBUS and a stray pointer into a broken store.
 * Bounds   the map begins at map_initial_bytes and doubles up to STORE_MAP_MAX_BYTES (ERR_STORE past it; it is address
 *          space, not disk). Keys of at most STORE_KEY_MAX bytes.
 * Memory   bytes that store_get lends are good until store_rest or store_write.
 * Thread   one at a time a store. A folder is open at most once a process (LMDB demands it); the registry of open
 *          folders has a lock of its own. May use: base, log, LMDB.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/err.h"
#include "core/log/topics.h"

enum {
    STORE_KEY_MAX = 511, /* LMDB's default */
    STORE_FORMAT = 4,    /* raise it when what is stored changes its form: older stores are then discarded */
    STORE_HASH_BYTES = 32,
    STORE_CLUSTER_MAX = 64,
    STORE_FORMS_MAX = 1024,
};

#define STORE_MAP_INITIAL_BYTES ((size_t)256 * 1024 * 1024)
#define STORE_MAP_MAX_BYTES ((size_t)1024 * 1024 * 1024 * 1024)

enum store_table {
    STORE_STREAMS,      /* store_stream_key -> StoredStream */
    STORE_SUBS,         /* store_sub_key -> sub-state */
    STORE_WINDOW,       /* 16 bytes of command id -> WindowEntry */
    STORE_WINDOW_TIMES, /* seen_at, command id -> nothing */
    STORE_TIMERS,       /* deadline, stream id -> nothing */
    STORE_META,
    STORE_TABLES
};

/* How far the store has come in one partition: the last record that was applied. */
struct store_applied {
    int64_t offset; /* -1: none yet */
    uint8_t hash[STORE_HASH_BYTES];
};

struct store_progress {
    int64_t log_time_us;                      /* the newest time that the broker wrote on a record of this shard */
    struct store_applied topics[TOPIC_COUNT]; /* outcomes and events; the others stay at -1 */
};

struct store;

struct store_options {
    const char *data_dir; /* the store is the folder shard-<n> in it; both are made */
    int32_t shard;
    const char *cluster_id;   /* a store of another cluster is discarded */
    const char *forms;        /* NULL: STATE_SCHEMA_IDS. A store whose values were written by others is discarded */
    const char *boot_id;      /* NULL: this machine's */
    size_t map_initial_bytes; /* 0: STORE_MAP_INITIAL_BYTES */
};

/* ERR_STORE; retriable when another worker of this process has not closed the folder yet. *ret_why_discarded tells
 * why what was there was thrown away; NULL when nothing was. */
MUST_CHECK enum err store_open(const struct store_options *options, struct store **ret_store,
                               const char **ret_why_discarded, struct err_info *info);

/* `synced`: brings it to the disk and marks it clean, so that the machine may be stopped. Without, it is good for as
 * long as this boot lasts. */
void store_close(struct store *store, bool synced);

/* Empties it: the next replay begins at offset 0. */
MUST_CHECK enum err store_discard(struct store *store, struct err_info *info);

/* Where the store stood when this handle last read or wrote it. */
const struct store_progress *store_progress(const struct store *store);

MUST_CHECK enum err store_get(struct store *store, enum store_table table, struct str key, bool *ret_found,
                              struct str *ret_value, struct err_info *info);

/* Ends the reading view: the next store_get sees what was written since. */
void store_rest(struct store *store);

struct store_timer {
    int64_t deadline_us;
    struct str stream;
};

struct store_timer_array {
    struct store_timer *items;
    uint32_t count, capacity;
};

/* The first timers due at now_us, at most `most`, the earliest first; texts in the arena. */
MUST_CHECK enum err store_timers_due(struct store *store, int64_t now_us, uint32_t most, struct arena *arena,
                                     struct store_timer_array *ret_timers, struct err_info *info);

/* A write transaction, as its filler sees it. */
struct store_writer;

/* Puts what is to be written; may be called again from the start when the map had to grow. */
typedef enum err store_fill(struct store_writer *writer, void *context, struct err_info *info);

MUST_CHECK enum err store_write(struct store *store, const struct store_progress *progress, store_fill *fill,
                                void *context, struct err_info *info);

MUST_CHECK enum err store_put(struct store_writer *writer, enum store_table table, struct str key, struct str value,
                              struct err_info *info);
/* What is not there is deleted already. */
MUST_CHECK enum err store_delete(struct store_writer *writer, enum store_table table, struct str key,
                                 struct err_info *info);

/* Forgets commands of the window seen before horizon_us, at most `most`. */
MUST_CHECK enum err store_prune_window(struct store_writer *writer, int64_t horizon_us, uint32_t most,
                                       struct err_info *info);

/* Keys under which rows lie near each other that are written together: a cart, its order and the payment, by what their
 * ids have in common (shard_key); an order's reservations, whatever the SKU. Of a SKU's own rows: by its code. An id
 * has at most 128 bytes, a sub-key 255. */
struct str store_stream_key(struct str stream, char ret_key[STORE_KEY_MAX]);
struct str store_sub_key(struct str stream, struct str sub_key, char ret_key[STORE_KEY_MAX]);

/* Keys that sort by time: 8 bytes big-endian, then the rest. Negative times are our bug. */
enum { STORE_TIME_KEY_MAX = STORE_KEY_MAX };
struct str store_time_key(int64_t time_us, struct str rest, char ret_key[STORE_TIME_KEY_MAX]);

/* How many entries a table has; for tests and metrics. */
MUST_CHECK enum err store_count(struct store *store, enum store_table table, uint64_t *ret_count,
                                struct err_info *info);
