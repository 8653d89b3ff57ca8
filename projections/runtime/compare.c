#include "projections/runtime/compare.h"

#include <stdlib.h>

#include "core/base/memory.h"
#include "projections/runtime/tables.h"

enum { FETCH_ROWS = 10000, SQL_MAX_BYTES = 16 * 1024 };

/* One side's rows of one table, through a cursor. */
struct side {
    struct pg_session *session;
    const char *schema;
    PGresult *rows;
    int at;
};

static enum err fetch(struct side *side, struct err_info *info) {
    PQclear(side->rows);
    side->rows = NULL;
    side->at = 0;
    char sql[64];
    snprintf(sql, sizeof sql, "FETCH %d FROM side", FETCH_ROWS);
    return pg_session_query(side->session, sql, NULL, 0, false, &side->rows, info);
}

static enum err advance(struct side *side, struct err_info *info) {
    side->at++;
    return side->at == PQntuples(side->rows) ? fetch(side, info) : ERR_NONE;
}

static bool at_end(const struct side *side) {
    return side->at >= PQntuples(side->rows);
}

static struct str field(const struct side *side, int column) {
    return pg_get_bytes(side->rows, side->at, column);
}

static enum err open_rows(struct side *side, const struct view_table *table, struct err_info *info) {
    struct buf sql;
    buf_init(&sql, SQL_MAX_BYTES);
    buf_printf(&sql, "DECLARE side CURSOR FOR SELECT ROW(");
    const char *comma = "";
    for (size_t i = 0; i < table->column_count; i++) {
        if (table->columns[i].key) {
            buf_printf(&sql, "%s%s", comma, table->columns[i].name);
            comma = ", ";
        }
    }
    buf_printf(&sql, ")::text COLLATE \"C\" AS key, md5(ROW(");
    for (size_t i = 0; i < table->column_count; i++) {
        buf_printf(&sql, "%s%s", i == 0 ? "" : ", ", table->columns[i].name);
    }
    buf_printf(&sql, ")::text) FROM %s.%s ORDER BY key", side->schema, table->name);
    buf_byte(&sql, '\0');
    enum err failure = pg_session_exec(side->session, sql.data, info);
    buf_release(&sql);
    return failure != ERR_NONE ? failure : fetch(side, info);
}

struct comparison {
    struct side live, rebuilt;
    difference_cb *on_difference;
    void *context;
    struct compare_result result;
};

static void differ(struct comparison *work, const char *table, struct str key, enum difference difference) {
    work->result.differences++;
    work->on_difference(work->context, table, key, difference);
}

/* Both sides are at a row, or one is at its end; moves on past the smaller key. */
static enum err compare_row(struct comparison *work, const char *table, struct err_info *info) {
    struct side *live = &work->live, *rebuilt = &work->rebuilt;
    int order = at_end(live) ? 1 : at_end(rebuilt) ? -1 : str_compare(field(live, 0), field(rebuilt, 0));
    work->result.rows++;
    if (order < 0) {
        differ(work, table, field(live, 0), ONLY_LIVE);
        return advance(live, info);
    }
    if (order > 0) {
        differ(work, table, field(rebuilt, 0), ONLY_REBUILT);
        return advance(rebuilt, info);
    }
    if (!str_equal(field(live, 1), field(rebuilt, 1))) {
        differ(work, table, field(live, 0), NOT_EQUAL);
    }
    enum err failure = advance(live, info);
    return failure != ERR_NONE ? failure : advance(rebuilt, info);
}

static enum err compare_table(struct comparison *work, const struct view_table *table, struct err_info *info) {
    enum err failure = open_rows(&work->live, table, info);
    failure = failure != ERR_NONE ? failure : open_rows(&work->rebuilt, table, info);
    while (failure == ERR_NONE && !(at_end(&work->live) && at_end(&work->rebuilt))) {
        failure = compare_row(work, table->name, info);
    }
    failure = failure != ERR_NONE ? failure : pg_session_exec(work->live.session, "CLOSE side", info);
    failure = failure != ERR_NONE ? failure : pg_session_exec(work->rebuilt.session, "CLOSE side", info);
    return failure;
}

/* A session in a transaction that sees one moment. */
static enum err open_side(struct side *side, const struct config *config, const char *schema, struct err_info *info) {
    side->schema = schema;
    enum err failure = pg_session_open(config->postgres, "daybook-compare", &side->session, info);
    if (failure == ERR_NONE) {
        failure = pg_session_exec(side->session,
                                  "SET work_mem TO '64MB'; SET TimeZone TO 'UTC'; SET extra_float_digits TO 3;"
                                  "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                                  info);
    }
    return failure;
}

static void close_side(struct side *side) {
    PQclear(side->rows);
    pg_session_close(side->session);
}

/* The live view's positions, which also begin its session's snapshot. */
static enum err live_positions(struct side *live, const struct rebuild_options *options, int64_t *ret_until,
                               struct err_info *info) {
    struct log_topics topics;
    log_topics_name(&topics, options->config->topic_prefix);
    size_t count = feed_partition_count(options->view, options->config);
    struct feed_partition *partitions = calloc_or_end(count, sizeof *partitions);
    feed_name_partitions(options->view, options->config, &topics, partitions);
    enum err failure = view_schema_positions(live->session, options->view->name, partitions, count, info);
    for (size_t i = 0; i < count && failure == ERR_NONE; i++) {
        ret_until[i] = partitions[i].next_offset;
    }
    free(partitions);
    return failure;
}

static enum err compare_all(struct comparison *work, struct rebuild_options *options, const char *side_schema,
                            struct err_info *info) {
    int64_t *until = calloc_or_end(feed_partition_count(options->view, options->config), sizeof *until);
    enum err failure = open_side(&work->live, options->config, options->view->name, info);
    failure = failure != ERR_NONE ? failure : live_positions(&work->live, options, until, info);
    struct feed_counts counts;
    options->until = until;
    failure = failure != ERR_NONE ? failure : view_rebuild(options, &counts, info);
    free(until);
    failure = failure != ERR_NONE ? failure : open_side(&work->rebuilt, options->config, side_schema, info);
    for (size_t i = 0; failure == ERR_NONE && i < options->view->table_count; i++) {
        failure = compare_table(work, &options->view->tables[i], info);
    }
    for (size_t i = 0; failure == ERR_NONE && i < RUNTIME_TABLES; i++) {
        failure = compare_table(work, &runtime_tables[i], info);
    }
    return failure;
}

enum err view_compare(struct rebuild_options options, difference_cb *on_difference, void *context,
                      struct compare_result *ret_result, struct err_info *info) {
    struct comparison work = {.on_difference = on_difference, .context = context};
    char side_schema[SCHEMA_NAME_MAX];
    rebuild_schema_name(options.view, side_schema);
    enum err failure = compare_all(&work, &options, side_schema, info);
    close_side(&work.live);
    close_side(&work.rebuilt);
    if (failure == ERR_NONE) {
        *ret_result = work.result;
    }
    return failure;
}
