#include "core/handler/store.h"

#include <assert.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/array.h"
#include "core/base/memory.h"
#include "core/base/shard.h"
#include "core/handler/store_folder.h"
#include "gen/codec.h"

enum { TIME_KEY_BYTES = 8, READERS_MAX = 8, ORIGIN_MAX = STORE_CLUSTER_MAX + STORE_FORMS_MAX + 16 };

static_assert(sizeof STATE_SCHEMA_IDS <= STORE_FORMS_MAX, "raise STORE_FORMS_MAX");

struct store {
    struct store_folder folder;
    char origin[ORIGIN_MAX]; /* what it must have been written under: see origin_write */
    size_t map_initial_bytes;
    size_t map_bytes;
    MDB_env *env;
    MDB_dbi tables[STORE_TABLES];
    MDB_txn *reading; /* NULL: none was made yet */
    bool is_reading;  /* `reading` holds a view */
    struct store_progress progress;
};

struct store_writer {
    struct store *store;
    MDB_txn *txn;
    bool map_full; /* the filler's error is that the map must grow */
};

static const char *const table_names[STORE_TABLES] = {
    [STORE_STREAMS] = "streams",           [STORE_SUBS] = "subs",     [STORE_WINDOW] = "window",
    [STORE_WINDOW_TIMES] = "window_times", [STORE_TIMERS] = "timers", [STORE_META] = "meta",
};

static const struct str progress_key = STR("progress");
static const struct str origin_key = STR("origin");

/* The bytes of struct store_progress are stored as they are: a store never leaves its machine. */
static_assert(sizeof(struct store_progress) == 8 + TOPIC_COUNT * (8 + STORE_HASH_BYTES), "no padding");

static enum err store_failed(const struct store *store, const char *what, int code, struct err_info *info) {
    return err_set(info, ERR_STORE, "%s, %s: %s", store->folder.path, what, mdb_strerror(code));
}

static MDB_val val_of(struct str bytes) {
    return (MDB_val){.mv_size = bytes.len, .mv_data = (void *)bytes.data};
}

static struct str str_of_val(MDB_val val) {
    return str_of(val.mv_data, val.mv_size);
}

static void progress_clear(struct store_progress *progress) {
    *progress = (struct store_progress){0};
    for (int i = 0; i < TOPIC_COUNT; i++) {
        progress->topics[i].offset = -1;
    }
}

struct str store_time_key(int64_t time_us, struct str rest, char ret_key[STORE_TIME_KEY_MAX]) {
    assert(time_us >= 0 && rest.len + TIME_KEY_BYTES <= STORE_TIME_KEY_MAX);
    for (int i = 0; i < TIME_KEY_BYTES; i++) {
        ret_key[i] = (char)(uint8_t)((uint64_t)time_us >> (8 * (TIME_KEY_BYTES - 1 - i)));
    }
    memcpy(ret_key + TIME_KEY_BYTES, rest.data, rest.len);
    return str_of(ret_key, TIME_KEY_BYTES + rest.len);
}

/* What ids have in common first, then what stands before and behind it. No part holds a NUL. */
static struct str apart(struct str id, struct str rest, char ret_key[STORE_KEY_MAX]) {
    struct str common = shard_key(id);
    uint32_t before = (uint32_t)(common.data - id.data);
    const struct str parts[] = {common, str_first(id, before), str_from(id, before + common.len), rest};
    uint32_t len = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
        assert(len + parts[i].len < STORE_KEY_MAX);
        memcpy(ret_key + len, parts[i].data, parts[i].len);
        len += parts[i].len;
        ret_key[len++] = '\0';
    }
    return str_of(ret_key, len - 1);
}

struct str store_stream_key(struct str stream, char ret_key[STORE_KEY_MAX]) {
    return apart(stream, STR(""), ret_key);
}

struct str store_sub_key(struct str stream, struct str sub_key, char ret_key[STORE_KEY_MAX]) {
    return apart(sub_key, stream, ret_key);
}

static int64_t time_of_key(struct str key) {
    uint64_t time = 0;
    for (int i = 0; i < TIME_KEY_BYTES; i++) {
        time = time << 8 | (uint8_t)key.data[i];
    }
    return (int64_t)time;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static int tables_open(struct store *store) {
    MDB_txn *txn;
    int code = mdb_txn_begin(store->env, NULL, 0, &txn);
    if (code != 0) {
        return code;
    }
    for (int i = 0; i < STORE_TABLES && code == 0; i++) {
        code = mdb_dbi_open(txn, table_names[i], MDB_CREATE, &store->tables[i]);
    }
    if (code != 0) {
        mdb_txn_abort(txn);
        return code;
    }
    return mdb_txn_commit(txn);
}

static void env_close(struct store *store) {
    if (store->reading != NULL) {
        mdb_txn_abort(store->reading);
        store->reading = NULL;
        store->is_reading = false;
    }
    if (store->env != NULL) {
        mdb_env_close(store->env);
        store->env = NULL;
    }
}

static int env_open(struct store *store) {
    int code = mdb_env_create(&store->env);
    if (code != 0) {
        return code;
    }
    int dead;
    MDB_envinfo found;
    if ((code = mdb_env_set_maxdbs(store->env, STORE_TABLES)) == 0 &&
        (code = mdb_env_set_maxreaders(store->env, READERS_MAX)) == 0 &&
        (code = mdb_env_set_mapsize(store->env, store->map_initial_bytes)) == 0 &&
        (code = folder_make_room(&store->folder)) == 0 &&
        /* NOTLS: a reading view may be open while this thread writes. NORDAHEAD: reads are at random. */
        (code = mdb_env_open(store->env, store->folder.path, MDB_NOSYNC | MDB_NOTLS | MDB_NORDAHEAD, 0600)) == 0 &&
        (code = mdb_reader_check(store->env, &dead)) == 0 && (code = mdb_env_info(store->env, &found)) == 0) {
        /* LMDB raises the size to what the file holds already. */
        store->map_bytes = found.me_mapsize;
        code = tables_open(store);
    }
    if (code != 0) {
        env_close(store);
    }
    return code;
}

static enum err origin_put(struct store_writer *writer, void *context, struct err_info *info) {
    const struct store *store = context;
    return store_put(writer, STORE_META, origin_key, str_of_cstr(store->origin), info);
}

/* What the store must have been written under: the format, the cluster whose log it folds, and the forms of its values,
 * which their codecs read in no other version. */
static void origin_write(struct store *store, const struct store_options *options) {
    const char *forms = options->forms != NULL ? options->forms : STATE_SCHEMA_IDS;
    int len = snprintf(store->origin, sizeof store->origin, "%d %.*s %s", STORE_FORMAT, STORE_CLUSTER_MAX - 1,
                       options->cluster_id, forms);
    assert(len > 0 && (size_t)len < sizeof store->origin);
}

/* Reads progress; *ret_fits is false when the store is of another origin. An empty store is given its own. */
static enum err origin_check(struct store *store, bool *ret_fits, struct err_info *info) {
    bool found, has_progress;
    struct str value, progress;
    enum err err = store_get(store, STORE_META, origin_key, &found, &value, info);
    err = err == ERR_NONE ? store_get(store, STORE_META, progress_key, &has_progress, &progress, info) : err;
    if (err != ERR_NONE) {
        return err;
    }
    if (!found) {
        progress_clear(&store->progress);
        *ret_fits = true;
        return store_write(store, &store->progress, origin_put, store, info);
    }
    *ret_fits = str_equal(value, str_of_cstr(store->origin)) && has_progress && progress.len == sizeof store->progress;
    if (*ret_fits) {
        memcpy(&store->progress, progress.data, sizeof store->progress);
    }
    store_rest(store);
    return ERR_NONE;
}

enum err store_open(const struct store_options *options, struct store **ret_store, const char **ret_why_discarded,
                    struct err_info *info) {
    struct store *store = calloc_or_end(1, sizeof *store);
    origin_write(store, options);
    store->map_initial_bytes = options->map_initial_bytes > 0 ? options->map_initial_bytes : STORE_MAP_INITIAL_BYTES;
    const char *why = NULL;
    enum err err = folder_open(&store->folder, options->data_dir, options->shard, options->boot_id, &why, info);
    if (err != ERR_NONE) {
        free(store);
        return err;
    }
    bool fits = false;
    int code = env_open(store);
    if (code == 0) {
        err = origin_check(store, &fits, info);
    }
    if (code == 0 && err == ERR_NONE && !fits) {
        why = "it is of another release's form or of another Kafka cluster";
    } else if (code == MDB_INVALID || code == MDB_VERSION_MISMATCH || code == MDB_CORRUPTED) {
        why = mdb_strerror(code);
        code = 0;
    }
    if (code != 0) {
        err = store_failed(store, "opening", code, info);
    } else if (err == ERR_NONE && !fits) {
        err = store_discard(store, info);
    }
    if (err != ERR_NONE) {
        env_close(store);
        folder_close(&store->folder, false);
        free(store);
        return err;
    }
    *ret_store = store;
    *ret_why_discarded = why;
    return ERR_NONE;
}

void store_close(struct store *store, bool synced) {
    if (store == NULL) {
        return;
    }
    synced = synced && store->env != NULL && mdb_env_sync(store->env, 1) == 0;
    env_close(store);
    folder_close(&store->folder, synced);
    free(store);
}

enum err store_discard(struct store *store, struct err_info *info) {
    env_close(store);
    enum err err = folder_empty(&store->folder, info);
    if (err != ERR_NONE) {
        return err;
    }
    int code = env_open(store);
    if (code != 0) {
        return store_failed(store, "opening it anew", code, info);
    }
    bool fits;
    return origin_check(store, &fits, info);
}

const struct store_progress *store_progress(const struct store *store) {
    return &store->progress;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static enum err read_view(struct store *store, struct err_info *info) {
    if (store->is_reading) {
        return ERR_NONE;
    }
    if (store->env == NULL) {
        return err_set(info, ERR_STORE, "%s could not be opened anew", store->folder.path);
    }
    int code = store->reading == NULL ? mdb_txn_begin(store->env, NULL, MDB_RDONLY, &store->reading)
                                      : mdb_txn_renew(store->reading);
    if (code != 0) {
        return store_failed(store, "beginning to read", code, info);
    }
    store->is_reading = true;
    return ERR_NONE;
}

void store_rest(struct store *store) {
    if (store->is_reading) {
        mdb_txn_reset(store->reading);
        store->is_reading = false;
    }
}

enum err store_get(struct store *store, enum store_table table, struct str key, bool *ret_found, struct str *ret_value,
                   struct err_info *info) {
    assert(key.len > 0 && key.len <= STORE_KEY_MAX);
    enum err err = read_view(store, info);
    if (err != ERR_NONE) {
        return err;
    }
    MDB_val k = val_of(key), v;
    int code = mdb_get(store->reading, store->tables[table], &k, &v);
    if (code != 0 && code != MDB_NOTFOUND) {
        return store_failed(store, "reading", code, info);
    }
    *ret_found = code == 0;
    *ret_value = code == 0 ? str_of_val(v) : (struct str){0};
    return ERR_NONE;
}

enum err store_timers_due(struct store *store, int64_t now_us, uint32_t most, struct arena *arena,
                          struct store_timer_array *ret_timers, struct err_info *info) {
    enum err err = read_view(store, info);
    if (err != ERR_NONE) {
        return err;
    }
    MDB_cursor *cursor;
    int code = mdb_cursor_open(store->reading, store->tables[STORE_TIMERS], &cursor);
    if (code != 0) {
        return store_failed(store, "reading timers", code, info);
    }
    struct store_timer_array due = {0};
    MDB_val k, v;
    for (code = mdb_cursor_get(cursor, &k, &v, MDB_FIRST); code == 0 && due.count < most;
         code = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
        struct str key = str_of_val(k);
        if (time_of_key(key) > now_us) {
            break;
        }
        struct store_timer *timer = ARRAY_PUSH(arena, &due);
        timer->deadline_us = time_of_key(key);
        timer->stream = arena_str_copy(arena, str_from(key, TIME_KEY_BYTES));
    }
    mdb_cursor_close(cursor);
    if (code != 0 && code != MDB_NOTFOUND) {
        return store_failed(store, "reading timers", code, info);
    }
    *ret_timers = due;
    return ERR_NONE;
}

enum err store_count(struct store *store, enum store_table table, uint64_t *ret_count, struct err_info *info) {
    enum err err = read_view(store, info);
    if (err != ERR_NONE) {
        return err;
    }
    MDB_stat stat;
    int code = mdb_stat(store->reading, store->tables[table], &stat);
    if (code != 0) {
        return store_failed(store, "counting", code, info);
    }
    *ret_count = stat.ms_entries;
    return ERR_NONE;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static enum err writer_failed(struct store_writer *writer, int code, struct err_info *info) {
    writer->map_full = code == MDB_MAP_FULL;
    return store_failed(writer->store, "writing", code, info);
}

enum err store_put(struct store_writer *writer, enum store_table table, struct str key, struct str value,
                   struct err_info *info) {
    assert(key.len > 0 && key.len <= STORE_KEY_MAX);
    MDB_val k = val_of(key), v = val_of(value);
    int code = mdb_put(writer->txn, writer->store->tables[table], &k, &v, 0);
    return code == 0 ? ERR_NONE : writer_failed(writer, code, info);
}

enum err store_delete(struct store_writer *writer, enum store_table table, struct str key, struct err_info *info) {
    MDB_val k = val_of(key);
    int code = mdb_del(writer->txn, writer->store->tables[table], &k, NULL);
    return code == 0 || code == MDB_NOTFOUND ? ERR_NONE : writer_failed(writer, code, info);
}

enum err store_prune_window(struct store_writer *writer, int64_t horizon_us, uint32_t most, struct err_info *info) {
    MDB_cursor *cursor;
    int code = mdb_cursor_open(writer->txn, writer->store->tables[STORE_WINDOW_TIMES], &cursor);
    if (code != 0) {
        return writer_failed(writer, code, info);
    }
    MDB_val k, v;
    for (uint32_t pruned = 0; pruned < most; pruned++) {
        code = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
        if (code != 0 || time_of_key(str_of_val(k)) >= horizon_us) {
            break;
        }
        /* A copy: what LMDB lends is good only until the next change. */
        char copy[STORE_KEY_MAX];
        struct str rest = str_from(str_of_val(k), TIME_KEY_BYTES);
        memcpy(copy, rest.data, rest.len);
        MDB_val id = val_of(str_of(copy, rest.len));
        code = mdb_del(writer->txn, writer->store->tables[STORE_WINDOW], &id, NULL);
        code = code == 0 || code == MDB_NOTFOUND ? mdb_cursor_del(cursor, 0) : code;
        if (code != 0) {
            break;
        }
    }
    mdb_cursor_close(cursor);
    return code == 0 || code == MDB_NOTFOUND ? ERR_NONE : writer_failed(writer, code, info);
}

/* Whether the store stands where this handle saw it last: a store that another owner moved on must not be touched. */
static enum err standing_check(struct store_writer *writer, struct err_info *info) {
    const struct store *store = writer->store;
    MDB_val k = val_of(progress_key), v;
    int code = mdb_get(writer->txn, store->tables[STORE_META], &k, &v);
    if (code == MDB_NOTFOUND) {
        return ERR_NONE; /* it is empty */
    }
    if (code != 0) {
        return writer_failed(writer, code, info);
    }
    if (v.mv_size != sizeof store->progress || memcmp(v.mv_data, &store->progress, v.mv_size) != 0) {
        return err_set(info, ERR_CONFLICT, "%s does not stand where this owner left it", store->folder.path);
    }
    return ERR_NONE;
}

/* One try; writer->map_full says that the map is to grow before the next. */
static enum err write_once(struct store_writer *writer, const struct store_progress *progress, store_fill *fill,
                           void *context, struct err_info *info) {
    int code = mdb_txn_begin(writer->store->env, NULL, 0, &writer->txn);
    if (code != 0) {
        return writer_failed(writer, code, info);
    }
    enum err err = standing_check(writer, info);
    err = err == ERR_NONE ? fill(writer, context, info) : err;
    struct str bytes = str_of((const char *)progress, sizeof *progress);
    err = err == ERR_NONE ? store_put(writer, STORE_META, progress_key, bytes, info) : err;
    if (err != ERR_NONE) {
        mdb_txn_abort(writer->txn);
        return err;
    }
    code = mdb_txn_commit(writer->txn);
    return code == 0 ? ERR_NONE : writer_failed(writer, code, info);
}

enum err store_write(struct store *store, const struct store_progress *progress, store_fill *fill, void *context,
                     struct err_info *info) {
    store_rest(store);
    if (store->env == NULL) {
        return err_set(info, ERR_STORE, "%s could not be opened anew", store->folder.path);
    }
    for (;;) {
        struct store_writer writer = {.store = store};
        enum err err = write_once(&writer, progress, fill, context, info);
        if (err == ERR_NONE) {
            store->progress = *progress;
            return ERR_NONE;
        }
        if (!writer.map_full || store->map_bytes > STORE_MAP_MAX_BYTES / 2) {
            return err;
        }
        int code = mdb_env_set_mapsize(store->env, store->map_bytes * 2);
        if (code != 0) {
            return store_failed(store, "growing the map", code, info);
        }
        store->map_bytes *= 2;
    }
}
