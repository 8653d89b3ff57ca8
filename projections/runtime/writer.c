#include "projections/runtime/writer.h"

#include "projections/runtime/behind.h"
#include "projections/runtime/schema.h"
#include "projections/runtime/statements.h"
#include "projections/runtime/tables.h"

#include "core/base/memory.h"
#include "core/pg/array.h"

#include <assert.h>
#include <stdlib.h>

enum {
    SQL_MAX_BYTES = 16 * 1024,
    NAME_MAX_BYTES = 64,
    TABLES_MAX = VIEW_TABLES_MAX + RUNTIME_TABLES,
    /* Rows go out in pieces of about this size: each is held as arrays, in libpq's buffer and by the server at once. */
    PIECE_BYTES = 1024 * 1024,
    ARRAY_MAX_BYTES = 128 * 1024 * 1024,
    POSITION_ARRAYS = 4,
    PLACE_ARRAYS = 3, /* topic, shard, offset */
};

/* The prepared statements of one table. */
struct table_writer {
    const struct view_table *shape;
    char insert[NAME_MAX_BYTES];
    char add[NAME_MAX_BYTES];
    char delete[NAME_MAX_BYTES];
};

struct view_writer {
    struct pg_session *session;
    const struct view *view;
    char epoch[VIEW_EPOCH_MAX];
    struct table_writer tables[TABLES_MAX];
    size_t table_count; /* the view's own, then the runtime's */
    struct pg_array arrays[VIEW_COLUMNS_MAX];
};

/* ---- the statements ------------------------------------------------------------------------------------------------
 */

static enum err prepare(struct pg_session *session, const char *name, struct buf *sql, struct err_info *info) {
    buf_byte(sql, '\0');
    assert(buf_ok(sql));
    enum err failure = pg_session_prepare(session, name, sql->data, info);
    buf_clear(sql);
    return failure;
}

static enum err prepare_table(struct pg_session *session, struct table_writer *table, const struct view_table *shape,
                              struct err_info *info) {
    *table = (struct table_writer){.shape = shape};
    snprintf(table->insert, sizeof table->insert, "insert_%s", shape->name);
    snprintf(table->add, sizeof table->add, "add_%s", shape->name);
    snprintf(table->delete, sizeof table->delete, "delete_%s", shape->name);
    struct buf sql;
    buf_init(&sql, SQL_MAX_BYTES);
    statement_insert(&sql, shape);
    enum err failure = prepare(session, table->insert, &sql, info);
    if (failure == ERR_NONE && !shape->append_only) {
        statement_add(&sql, shape);
        failure = prepare(session, table->add, &sql, info);
    }
    if (failure == ERR_NONE && !shape->append_only) {
        statement_delete(&sql, shape);
        failure = prepare(session, table->delete, &sql, info);
    }
    buf_release(&sql);
    return failure;
}

/* The statements that are the same in every view. */
static enum err prepare_common(struct view_writer *writer, struct err_info *info) {
    struct pg_session *session = writer->session;
    enum err failure = pg_session_prepare(session, "begin", "BEGIN", info);
    if (failure == ERR_NONE) {
        failure = pg_session_prepare(session, "move",
                                     "UPDATE position AS p SET next_offset = m.next_offset"
                                     " FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])"
                                     " AS m (topic, shard, expected, next_offset)"
                                     " WHERE p.topic = m.topic AND p.shard = m.shard AND p.next_offset = m.expected"
                                     " AND (SELECT epoch FROM about) = $5::uuid",
                                     info);
    }
    if (failure == ERR_NONE) {
        failure = pg_session_prepare(session, "unpark",
                                     "DELETE FROM parked AS p"
                                     " USING unnest($1::text[], $2::bigint[], $3::bigint[])"
                                     " AS r (topic, shard, log_offset)"
                                     " WHERE (p.topic, p.shard, p.log_offset) = (r.topic, r.shard, r.log_offset)",
                                     info);
    }
    if (failure == ERR_NONE) {
        failure = pg_session_prepare(session, "load",
                                     "SELECT stream, version, parked, state FROM streams"
                                     " WHERE stream = ANY ($1::text[])",
                                     info);
    }
    if (failure == ERR_NONE) {
        failure = pg_session_prepare(session, "notify", "SELECT pg_notify('" VIEW_CHANNEL "', $1)", info);
    }
    return failure;
}

/* Plans are made once, while the tables may still be empty, and everything here goes by key: so the planner is not to
 * find that reading a whole table, as small as it is now, is as good. */
/* A projector that is stopped between the rows and COMMIT holds the position's lock no longer than that; one that waits
 * for somebody's lock says so in the log after ten seconds, and tries again. */
static const char session_settings[] =
    "SET idle_in_transaction_session_timeout TO 30000; SET lock_timeout TO 10000; SET search_path TO %s; SET "
    "synchronous_commit TO off; SET "
    "plan_cache_mode TO force_generic_plan;"
    "SET enable_seqscan TO off; SET enable_hashjoin TO off; SET enable_mergejoin TO off; SET jit TO off";

enum err view_writer_open(struct pg_session *session, const struct view *view, const char *schema, const char *epoch,
                          struct view_writer **ret_writer, struct err_info *info) {
    struct view_writer *writer = calloc_or_end(1, sizeof *writer);
    *writer = (struct view_writer){.session = session, .view = view};
    snprintf(writer->epoch, sizeof writer->epoch, "%s", epoch);
    for (size_t i = 0; i < ARRAY_LENGTH(writer->arrays); i++) {
        pg_array_init(&writer->arrays[i], ARRAY_MAX_BYTES);
    }
    enum err failure = pg_session_execf(session, info, session_settings, schema);
    failure = failure != ERR_NONE ? failure : prepare_common(writer, info);
    for (size_t i = 0; i < view->table_count + RUNTIME_TABLES && failure == ERR_NONE; i++) {
        const struct view_table *shape =
            i < view->table_count ? &view->tables[i] : &runtime_tables[i - view->table_count];
        failure = prepare_table(session, &writer->tables[writer->table_count++], shape, info);
    }
    if (failure != ERR_NONE) {
        view_writer_close(writer);
        return failure;
    }
    *ret_writer = writer;
    return ERR_NONE;
}

void view_writer_close(struct view_writer *writer) {
    if (writer == NULL) {
        return;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(writer->arrays); i++) {
        pg_array_release(&writer->arrays[i]);
    }
    free(writer);
}

/* ---- rows -----------------------------------------------------------------------------------------------------------
 */

static enum pg_element element_type(enum view_column_type type) {
    switch (type) {
    case VIEW_TEXT:
    case VIEW_TEXT_ARRAY:
        return PG_ELEMENT_TEXT;
    case VIEW_BYTEA:
        return PG_ELEMENT_BYTEA;
    case VIEW_JSON:
        return PG_ELEMENT_JSON;
    case VIEW_BIGINT:
        return PG_ELEMENT_INT8;
    case VIEW_BOOLEAN:
        return PG_ELEMENT_BOOL;
    case VIEW_TIMESTAMP:
        return PG_ELEMENT_TIMESTAMPTZ;
    }
    assert(false);
}

static void put_value(struct pg_array *array, const struct view_column *column, const struct view_value *value) {
    if (value->is_null) {
        pg_array_null(array);
        return;
    }
    switch (column->type) {
    case VIEW_TEXT:
    case VIEW_BYTEA:
    case VIEW_JSON:
        pg_array_bytes(array, value->text);
        break;
    case VIEW_BIGINT:
        pg_array_int8(array, value->number);
        break;
    case VIEW_BOOLEAN:
        pg_array_bool(array, value->number != 0);
        break;
    case VIEW_TIMESTAMP:
        pg_array_timestamp(array, value->number);
        break;
    case VIEW_TEXT_ARRAY:
        pg_array_literal(array, value->items, value->item_count);
        break;
    }
}

/* Arrays for a piece of rows: of all columns, or the key's; how many. */
static int begin_piece(struct view_writer *writer, const struct view_table *shape, bool keys_only) {
    int count = 0;
    for (size_t i = 0; i < shape->column_count; i++) {
        if (!keys_only || shape->columns[i].key) {
            pg_array_begin(&writer->arrays[count++], element_type(shape->columns[i].type));
        }
    }
    return count;
}

/* Returns how many bytes the piece has now. */
static size_t put_row(struct view_writer *writer, const struct view_table *shape, const struct view_value *values,
                      bool keys_only) {
    struct pg_array *array = writer->arrays;
    size_t bytes = 0;
    for (size_t i = 0; i < shape->column_count; i++) {
        if (!keys_only || shape->columns[i].key) {
            put_value(array, &shape->columns[i], &values[i]);
            bytes += array->bytes.len;
            array++;
        }
    }
    return bytes;
}

/* Ends the arrays and makes them the statement's first parameters. */
static void end_arrays(struct view_writer *writer, struct pg_param *params, int count) {
    for (int i = 0; i < count; i++) {
        params[i] = PG_BINARY(pg_array_end(&writer->arrays[i]));
    }
}

static void send_arrays(struct view_writer *writer, struct pg_pipeline *pipeline, const char *statement, int count) {
    struct pg_param params[VIEW_COLUMNS_MAX];
    end_arrays(writer, params, count);
    pg_pipeline_send(pipeline, statement, params, count);
}

/* Those that go, by their keys; those that are new; all others that are there afterwards. */
enum row_kind { ROWS_GONE, ROWS_NEW, ROWS_SET };

static bool is_of_kind(const struct row_change *change, enum row_kind kind) {
    switch (kind) {
    case ROWS_GONE:
        return change->deleted;
    case ROWS_NEW:
        return change->present && change->is_new;
    case ROWS_SET:
        return change->present && !change->is_new;
    }
    assert(false);
}

/* A key is in `changes` once, so ON CONFLICT never meets one twice. */
static void send_rows(struct view_writer *writer, struct pg_pipeline *pipeline, const struct table_writer *table,
                      const struct table_changes *changes, enum row_kind kind) {
    const char *statement = kind == ROWS_GONE ? table->delete : kind == ROWS_NEW ? table->add : table->insert;
    bool keys_only = kind == ROWS_GONE;
    int array_count = begin_piece(writer, table->shape, keys_only);
    for (const struct row_change *change = changes->first; change != NULL; change = change->next) {
        if (!is_of_kind(change, kind)) {
            continue;
        }
        if (put_row(writer, table->shape, change->values, keys_only) >= PIECE_BYTES) {
            send_arrays(writer, pipeline, statement, array_count);
            begin_piece(writer, table->shape, keys_only);
        }
    }
    if (writer->arrays[0].count > 0) {
        send_arrays(writer, pipeline, statement, array_count);
    }
}

/* ---- the runtime's own rows -----------------------------------------------------------------------------------------
 */

static void add_row(struct table_changes *changes, struct arena *arena, const struct view_value *values,
                    size_t column_count, bool is_new) {
    struct row_change *change = arena_alloc(arena, sizeof *change);
    change->present = true;
    change->is_new = is_new;
    changes->new_count += is_new;
    change->values = arena_alloc(arena, column_count * sizeof *values);
    memcpy(change->values, values, column_count * sizeof *values);
    change->next = changes->first;
    changes->first = change;
    changes->present_count++;
}

static void changed_streams(const struct fold *fold, struct table_changes *changes) {
    for (uint32_t i = 0; i < fold->streams.count; i++) {
        const struct fold_stream *stream = fold->streams.entries[i].value;
        if (stream->changed) {
            struct view_value row[] = {view_text(stream->name), view_number(stream->hash), view_number(stream->version),
                                       view_number(stream->parked), view_text(stream->state)};
            add_row(changes, fold->arena, row, ARRAY_LENGTH(row), stream->is_new);
        }
    }
}

static void parked_events(const struct fold *fold, struct table_changes *changes) {
    for (size_t i = 0; i < fold->item_count; i++) {
        const struct fold_item *item = &fold->items[i];
        if (item->fate != FOLD_PARKED && item->fate != FOLD_UNREADABLE) {
            continue;
        }
        bool read = item->stream != NULL;
        struct view_value version = read ? view_number(item->event.meta.version) : view_null();
        struct view_value row[] = {view_text(str_of_cstr(item->record->topic)),
                                   view_number(item->record->partition),
                                   view_number(item->record->offset),
                                   view_text_or_null(read, read ? item->stream->name : STR("")),
                                   version,
                                   view_number(item->record->timestamp_us),
                                   view_text(item->why)};
        add_row(changes, fold->arena, row, ARRAY_LENGTH(row), false);
    }
}

/* ---- the transaction ------------------------------------------------------------------------------------------------
 */

static void send_moves(struct view_writer *writer, struct pg_pipeline *pipeline, const struct position_move *moves,
                       size_t count) {
    struct pg_array *arrays = writer->arrays;
    for (int i = 0; i < POSITION_ARRAYS; i++) {
        pg_array_begin(&arrays[i], i == 0 ? PG_ELEMENT_TEXT : PG_ELEMENT_INT8);
    }
    for (size_t i = 0; i < count; i++) {
        pg_array_bytes(&arrays[0], moves[i].topic);
        pg_array_int8(&arrays[1], moves[i].shard);
        pg_array_int8(&arrays[2], moves[i].expected);
        pg_array_int8(&arrays[3], moves[i].next_offset);
    }
    struct pg_param params[POSITION_ARRAYS + 1];
    end_arrays(writer, params, POSITION_ARRAYS);
    params[POSITION_ARRAYS] = PG_TEXT(str_of_cstr(writer->epoch));
    pg_pipeline_send(pipeline, "move", params, POSITION_ARRAYS + 1);
}

static void send_tables(struct view_writer *writer, struct pg_pipeline *pipeline, const struct view_batch *batch,
                        const struct fold *fold) {
    struct table_changes own[RUNTIME_TABLES] = {0};
    changed_streams(fold, &own[RUNTIME_STREAMS]);
    parked_events(fold, &own[RUNTIME_PARKED]);
    size_t of_view = writer->view->table_count;
    for (size_t i = 0; i < writer->table_count; i++) {
        const struct table_changes *changes = i < of_view ? &batch->tables[i] : &own[i - of_view];
        if (changes->deleted_count > 0) {
            send_rows(writer, pipeline, &writer->tables[i], changes, ROWS_GONE);
        }
        if (changes->new_count > 0) {
            send_rows(writer, pipeline, &writer->tables[i], changes, ROWS_NEW);
        }
        if (changes->present_count > changes->new_count) {
            send_rows(writer, pipeline, &writer->tables[i], changes, ROWS_SET);
        }
    }
}

/* Tells who is interested which streams have changed. */
static void send_notice(struct view_writer *writer, struct pg_pipeline *pipeline, const struct fold *fold) {
    struct buf notice;
    buf_init(&notice, VIEW_NOTICE_MAX_BYTES + 1);
    buf_str(&notice, str_of_cstr(writer->view->name));
    bool fits = true;
    for (uint32_t i = 0; i < fold->streams.count && fits; i++) {
        const struct fold_stream *stream = fold->streams.entries[i].value;
        fits = !stream->changed || view_notice_add(&notice, stream->hash);
    }
    if (!fits) {
        notice.len = strlen(writer->view->name);
    }
    pg_pipeline_send(pipeline, "notify", &PG_TEXT(buf_text(&notice)), 1);
    buf_release(&notice);
}

/* All but the commit, in one round trip. Where the fence is gone the rows were tried for nothing, and what they met is
 * no fault of theirs: the other projector's rows. */
static enum err write_all(struct view_writer *writer, const struct view_batch *batch, const struct fold *fold,
                          const struct position_move *moves, size_t move_count, bool notify, struct err_info *info) {
    struct pg_pipeline pipeline;
    pg_pipeline_begin(&pipeline, writer->session);
    pg_pipeline_send(&pipeline, "begin", NULL, 0);
    send_moves(writer, &pipeline, moves, move_count);
    send_tables(writer, &pipeline, batch, fold);
    if (notify) {
        send_notice(writer, &pipeline, fold);
    }
    int64_t rows[2]; /* of BEGIN and of the fence */
    enum err failure = pg_pipeline_end(&pipeline, rows, ARRAY_LENGTH(rows), info);
    bool fence_was_told = rows[1] >= 0;
    if (fence_was_told && rows[1] != (int64_t)move_count) {
        failure =
            err_set_retriable(info, ERR_FENCED, "another projector moved the position of view %s", writer->view->name);
    }
    return failure;
}

enum err view_writer_write(struct view_writer *writer, struct view_batch *batch, const struct fold *fold,
                           const struct position_move *moves, size_t move_count, bool notify, struct err_info *info) {
    enum err failure = write_all(writer, batch, fold, moves, move_count, notify, info);
    if (failure == ERR_NONE) {
        failure = pg_session_exec(writer->session, "COMMIT", info);
    }
    if (failure != ERR_NONE) {
        pg_session_rollback(writer->session);
    }
    return failure;
}

static void send_unpark(struct view_writer *writer, struct pg_pipeline *pipeline, const struct fold *fold) {
    struct pg_array *arrays = writer->arrays;
    for (int i = 0; i < PLACE_ARRAYS; i++) {
        pg_array_begin(&arrays[i], i == 0 ? PG_ELEMENT_TEXT : PG_ELEMENT_INT8);
    }
    for (size_t i = 0; i < fold->item_count; i++) {
        const struct log_record *record = fold->items[i].record;
        pg_array_bytes(&arrays[0], str_of_cstr(record->topic));
        pg_array_int8(&arrays[1], record->partition);
        pg_array_int8(&arrays[2], record->offset);
    }
    send_arrays(writer, pipeline, "unpark", PLACE_ARRAYS);
}

enum err view_writer_settle(struct view_writer *writer, struct view_batch *batch, const struct fold *fold,
                            int64_t *ret_taken, struct err_info *info) {
    struct pg_pipeline pipeline;
    pg_pipeline_begin(&pipeline, writer->session);
    send_unpark(writer, &pipeline, fold);
    send_tables(writer, &pipeline, batch, fold);
    send_notice(writer, &pipeline, fold);
    return pg_pipeline_end(&pipeline, ret_taken, 1, info);
}

enum err view_writer_load(struct view_writer *writer, struct fold *fold, struct err_info *info) {
    struct pg_array *names = &writer->arrays[0];
    pg_array_begin(names, PG_ELEMENT_TEXT);
    for (uint32_t i = 0; i < fold->streams.count; i++) {
        const struct fold_stream *stream = fold->streams.entries[i].value;
        if (!stream->loaded && !stream->is_new) {
            pg_array_bytes(names, stream->name);
        }
    }
    if (names->count == 0) {
        return ERR_NONE;
    }
    struct pg_param param = PG_BINARY(pg_array_end(names));
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    enum err failure = pg_session_query_prepared(writer->session, "load", &param, 1, true, &result, info);
    for (int row = 0; failure == ERR_NONE && row < PQntuples(result); row++) {
        struct fold_stream *stream = map_get(&fold->streams, pg_get_bytes(result, row, 0));
        assert(stream != NULL);
        stream->version = pg_get_int8(result, row, 1);
        stream->parked = pg_get_bool(result, row, 2);
        stream->state = arena_str_copy(fold->arena, pg_get_bytes(result, row, 3));
    }
    return failure;
}
