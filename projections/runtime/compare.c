#include "projections/runtime/compare.h"

#include <stdlib.h>

#include "core/base/memory.h"
#include "projections/runtime/meeting.h"

enum { FETCH_ROWS = 10000, SQL_MAX_BYTES = 64 * 1024, COLUMNS_MAX = 64 };

/* One side's session, the columns of its tables, and its rows of one table, through a cursor. */
struct side {
    struct pg_session *session;
    const char *schema;
    PGresult *columns;
    PGresult *rows;
    int at;
};

/* The columns of a table that both sides have. */
struct common {
    const char *table;
    const char *keys[COLUMNS_MAX], *values[COLUMNS_MAX];
    int key_count, value_count;
};

struct comparison {
    struct side live, rebuilt;
    difference_cb *on_difference;
    void *context;
    struct buf columns; /* that differ */
    struct compare_result result;
};

static void differ(struct comparison *work, enum difference_kind kind, const char *table, struct str key,
                   struct str columns) {
    work->result.differences++;
    const struct difference difference = {kind, table, key, columns};
    work->on_difference(work->context, &difference);
}

/* ---- rows -----------------------------------------------------------------------------------------------------------
 */

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

static struct str key_at(const struct side *side) {
    return pg_get_bytes(side->rows, side->at, 0);
}

static enum err open_rows(struct side *side, const struct common *common, struct err_info *info) {
    struct buf sql;
    buf_init(&sql, SQL_MAX_BYTES);
    buf_printf(&sql, "DECLARE side CURSOR FOR SELECT ROW(");
    for (int i = 0; i < common->key_count; i++) {
        buf_printf(&sql, "%s%s", i == 0 ? "" : ", ", common->keys[i]);
    }
    buf_printf(&sql, ")::text COLLATE \"C\" AS key");
    for (int i = 0; i < common->value_count; i++) {
        buf_printf(&sql, ", md5(%s::text)", common->values[i]);
    }
    buf_printf(&sql, " FROM %s.%s ORDER BY key", side->schema, common->table);
    buf_byte(&sql, '\0');
    enum err failure = buf_ok(&sql) ? pg_session_exec(side->session, sql.data, info)
                                    : err_set(info, ERR_TOO_LARGE, "table %s has too many columns", common->table);
    buf_release(&sql);
    return failure != ERR_NONE ? failure : fetch(side, info);
}

/* Fills in which columns differ in the rows that the two are at, which have the same key. */
static bool values_differ(struct comparison *work, const struct common *common) {
    const struct side *live = &work->live, *rebuilt = &work->rebuilt;
    buf_clear(&work->columns);
    for (int i = 0; i < common->value_count; i++) {
        bool is_null = PQgetisnull(live->rows, live->at, i + 1) != 0;
        bool is_same =
            is_null == (PQgetisnull(rebuilt->rows, rebuilt->at, i + 1) != 0) &&
            str_equal(pg_get_bytes(live->rows, live->at, i + 1), pg_get_bytes(rebuilt->rows, rebuilt->at, i + 1));
        if (!is_same) {
            buf_printf(&work->columns, "%s%s", work->columns.len == 0 ? "" : ", ", common->values[i]);
        }
    }
    return work->columns.len > 0;
}

/* Both sides are at a row, or one is at its end; moves on past the smaller key. */
static enum err compare_row(struct comparison *work, const struct common *common, struct err_info *info) {
    struct side *live = &work->live, *rebuilt = &work->rebuilt;
    int order = at_end(live) ? 1 : at_end(rebuilt) ? -1 : str_compare(key_at(live), key_at(rebuilt));
    work->result.rows++;
    if (order < 0) {
        differ(work, ONLY_LIVE, common->table, key_at(live), STR(""));
        return advance(live, info);
    }
    if (order > 0) {
        differ(work, ONLY_REBUILT, common->table, key_at(rebuilt), STR(""));
        return advance(rebuilt, info);
    }
    if (values_differ(work, common)) {
        differ(work, NOT_EQUAL, common->table, key_at(live), buf_text(&work->columns));
    }
    enum err failure = advance(live, info);
    return failure != ERR_NONE ? failure : advance(rebuilt, info);
}

static enum err compare_rows(struct comparison *work, const struct common *common, struct err_info *info) {
    enum err failure = open_rows(&work->live, common, info);
    failure = failure != ERR_NONE ? failure : open_rows(&work->rebuilt, common, info);
    while (failure == ERR_NONE && !(at_end(&work->live) && at_end(&work->rebuilt))) {
        failure = compare_row(work, common, info);
    }
    failure = failure != ERR_NONE ? failure : pg_session_exec(work->live.session, "CLOSE side", info);
    return failure != ERR_NONE ? failure : pg_session_exec(work->rebuilt.session, "CLOSE side", info);
}

/* ---- tables and columns ---------------------------------------------------------------------------------------------
 */

enum { OF_TABLE, OF_COLUMN, OF_KEY };

/* What PostgreSQL computes by itself, of other columns, is not compared: it may be computed otherwise by now. */
static enum err find_columns(struct side *side, struct err_info *info) {
    static const char find[] =
        "SELECT quote_ident(c.relname), quote_ident(a.attname), coalesce(a.attnum = ANY (i.indkey), false)"
        " FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid"
        " LEFT JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisprimary"
        " WHERE c.relnamespace = $1::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped"
        " AND a.attgenerated = '' AND c.relname NOT IN ('about', 'migrations', 'position')"
        " ORDER BY c.relname, a.attnum";
    return pg_session_query(side->session, find, &PG_TEXT(str_of_cstr(side->schema)), 1, false, &side->columns, info);
}

static const char *column_text(const struct side *side, int row, int what) {
    return PQgetvalue(side->columns, row, what);
}

static bool is_of_table(const struct side *side, int row, const char *table) {
    return strcmp(column_text(side, row, OF_TABLE), table) == 0;
}

static bool is_key(const struct side *side, int row) {
    return column_text(side, row, OF_KEY)[0] == 't';
}

/* The row of that column, or of the table's first one (`column` NULL); -1: there is none. */
static int column_find(const struct side *side, const char *table, const char *column) {
    for (int row = 0; row < PQntuples(side->columns); row++) {
        if (is_of_table(side, row, table) &&
            (column == NULL || strcmp(column_text(side, row, OF_COLUMN), column) == 0)) {
            return row;
        }
    }
    return -1;
}

/* Tells the columns of `side` that `other` has not. */
static void tell_columns(struct comparison *work, const struct side *side, const struct side *other, const char *table,
                         enum difference_kind kind) {
    for (int row = 0; row < PQntuples(side->columns); row++) {
        const char *column = column_text(side, row, OF_COLUMN);
        if (is_of_table(side, row, table) && column_find(other, table, column) < 0) {
            differ(work, kind, table, STR(""), str_of_cstr(column));
        }
    }
}

static int keys_of(const struct side *side, const char *table) {
    int count = 0;
    for (int row = 0; row < PQntuples(side->columns); row++) {
        count += is_of_table(side, row, table) && is_key(side, row);
    }
    return count;
}

/* False when their keys are not the same, so that no row can be told to be another's, or with too many columns. */
static bool common_columns(const struct comparison *work, const char *table, struct common *ret_common) {
    struct common common = {.table = table};
    const struct side *live = &work->live, *rebuilt = &work->rebuilt;
    for (int row = 0; row < PQntuples(live->columns); row++) {
        const char *column = column_text(live, row, OF_COLUMN);
        int other = is_of_table(live, row, table) ? column_find(rebuilt, table, column) : -1;
        if (other < 0) {
            continue;
        }
        if (common.key_count + common.value_count == COLUMNS_MAX) {
            return false;
        }
        if (is_key(live, row) && is_key(rebuilt, other)) {
            common.keys[common.key_count++] = column;
        } else {
            common.values[common.value_count++] = column;
        }
    }
    *ret_common = common;
    return common.key_count > 0 && common.key_count == keys_of(live, table) &&
           common.key_count == keys_of(rebuilt, table);
}

static enum err compare_table(struct comparison *work, const char *table, struct err_info *info) {
    if (column_find(&work->rebuilt, table, NULL) < 0) {
        differ(work, ONLY_LIVE, table, STR(""), STR(""));
        return ERR_NONE;
    }
    tell_columns(work, &work->live, &work->rebuilt, table, ONLY_LIVE);
    tell_columns(work, &work->rebuilt, &work->live, table, ONLY_REBUILT);
    struct common common;
    if (!common_columns(work, table, &common)) {
        differ(work, NOT_EQUAL, table, STR(""), STR("its key"));
        return ERR_NONE;
    }
    return compare_rows(work, &common, info);
}

static bool is_first_of_table(const struct side *side, int row) {
    return row == 0 || !is_of_table(side, row - 1, column_text(side, row, OF_TABLE));
}

static enum err compare_tables(struct comparison *work, struct err_info *info) {
    enum err failure = find_columns(&work->live, info);
    failure = failure != ERR_NONE ? failure : find_columns(&work->rebuilt, info);
    for (int row = 0; failure == ERR_NONE && row < PQntuples(work->live.columns); row++) {
        if (is_first_of_table(&work->live, row)) {
            failure = compare_table(work, column_text(&work->live, row, OF_TABLE), info);
        }
    }
    for (int row = 0; failure == ERR_NONE && row < PQntuples(work->rebuilt.columns); row++) {
        const char *table = column_text(&work->rebuilt, row, OF_TABLE);
        if (is_first_of_table(&work->rebuilt, row) && column_find(&work->live, table, NULL) < 0) {
            differ(work, ONLY_REBUILT, table, STR(""), STR(""));
        }
    }
    return failure;
}

/* ---- the two sides --------------------------------------------------------------------------------------------------
 */

/* The positions of a schema, whose reading also begins its session's snapshot. `ret_at` may be NULL. */
static enum err begin_snapshot(struct side *side, const struct rebuild_options *options, int64_t *ret_at,
                               struct err_info *info) {
    struct log_topics topics;
    log_topics_name(&topics, options->config->topic_prefix);
    size_t count = feed_partition_count(options->view, options->config);
    struct feed_partition *partitions = calloc_or_end(count, sizeof *partitions);
    feed_name_partitions(options->view, options->config, &topics, partitions);
    enum err failure = view_schema_positions(side->session, side->schema, partitions, count, info);
    for (size_t i = 0; i < count && failure == ERR_NONE && ret_at != NULL; i++) {
        ret_at[i] = partitions[i].next_offset;
    }
    free(partitions);
    return failure;
}

/* A session in a transaction that sees one moment. */
static enum err open_side(struct side *side, const struct rebuild_options *options, const char *schema, int64_t *ret_at,
                          struct err_info *info) {
    side->schema = schema;
    enum err failure = pg_session_open(options->config->postgres, "daybook-compare", &side->session, info);
    if (failure == ERR_NONE) {
        failure = pg_session_exec(side->session,
                                  "SET work_mem TO '64MB'; SET TimeZone TO 'UTC'; SET extra_float_digits TO 3;"
                                  "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                                  info);
    }
    return failure == ERR_NONE ? begin_snapshot(side, options, ret_at, info) : failure;
}

static void close_side(struct side *side) {
    PQclear(side->columns);
    PQclear(side->rows);
    pg_session_close(side->session);
}

/* With what the log says. */
static enum err open_with_log(struct comparison *work, struct rebuild_options *options, const char *live,
                              struct err_info *info) {
    int64_t *until = calloc_or_end(feed_partition_count(options->view, options->config), sizeof *until);
    view_schema_name(options->view, VIEW_COMPARED, work->result.side);
    enum err failure = open_side(&work->live, options, live, until, info);
    options->until = until;
    struct rebuild_result ignored;
    failure = failure != ERR_NONE ? failure : view_fill(options, work->result.side, &ignored, info);
    options->until = NULL;
    free(until);
    return failure != ERR_NONE ? failure : open_side(&work->rebuilt, options, work->result.side, NULL, info);
}

/* With what stands beside it: their snapshots are taken while both are held. */
static enum err open_with_rebuilt(struct comparison *work, struct rebuild_options *options, const char *live,
                                  struct meeting *meeting, struct err_info *info) {
    snprintf(work->result.side, sizeof work->result.side, "%s", meeting->side);
    enum err failure = meeting_hold(meeting, true, info);
    failure = failure != ERR_NONE ? failure : open_side(&work->live, options, live, NULL, info);
    failure = failure != ERR_NONE ? failure : open_side(&work->rebuilt, options, work->result.side, NULL, info);
    pg_session_rollback(meeting->session);
    return failure;
}

static enum err open_sides(struct comparison *work, struct rebuild_options *options, const char *live,
                           struct err_info *info) {
    struct meeting meeting;
    enum err failure = meeting_begin(&meeting, options, VIEW_REBUILT, info);
    if (failure == ERR_NONE) {
        failure = open_with_rebuilt(work, options, live, &meeting, info);
    } else if (failure == ERR_NOT_FOUND) {
        failure = open_with_log(work, options, live, info);
    }
    meeting_end(&meeting);
    return failure;
}

/* What was made for the comparison alone goes, unless it is to be looked at. */
static enum err clear_up(struct comparison *work, const struct rebuild_options *options, struct err_info *info) {
    char made[SCHEMA_NAME_MAX];
    view_schema_name(options->view, VIEW_COMPARED, made);
    if (work->result.differences > 0 || strcmp(made, work->result.side) != 0) {
        return ERR_NONE;
    }
    pg_session_rollback(work->rebuilt.session); /* its snapshot reads those tables */
    return pg_session_execf(work->rebuilt.session, info, "DROP SCHEMA IF EXISTS %s CASCADE", made);
}

enum err view_compare(struct rebuild_options options, difference_cb *on_difference, void *context,
                      struct compare_result *ret_result, struct err_info *info) {
    struct comparison work = {.on_difference = on_difference, .context = context};
    buf_init(&work.columns, SQL_MAX_BYTES);
    char live[SCHEMA_NAME_MAX];
    view_schema_name(options.view, VIEW_LIVE, live);
    enum err failure = open_sides(&work, &options, live, info);
    failure = failure != ERR_NONE ? failure : compare_tables(&work, info);
    failure = failure != ERR_NONE ? failure : clear_up(&work, &options, info);
    close_side(&work.live);
    close_side(&work.rebuilt);
    buf_release(&work.columns);
    if (failure == ERR_NONE) {
        *ret_result = work.result;
    }
    return failure;
}
