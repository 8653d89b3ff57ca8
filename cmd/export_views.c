#include "cmd/export_views.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/export_rows.h"
#include "core/base/json_write.h"
#include "core/base/timestamp.h"
#include "core/pg/session.h"
#include "projections/runtime/schema.h"

enum {
    SQL_MAX_BYTES = 16 * 1024,
    SCHEMA_MAX_BYTES = 64 * 1024,
    ROW_MAX_BYTES = 64 * 1024 * 1024,
    POSITION_MAX_BYTES = 1024 * 1024,
    PROGRESS_ROWS = 50 * EXPORT_FETCH_ROWS,
};

enum { COLUMN_TOPIC, COLUMN_SHARD, COLUMN_NEXT_OFFSET, COLUMN_NOW };

/* A table on its way into files. */
struct table_export {
    struct export_views *views;
    const struct view *view;
    const struct view_table *table;
    struct buf schema;
    struct buf row;
    struct export_file file;
    bool is_open;
    int64_t file_bytes;
    int number; /* of the next file */
};

/* ---- files ------------------------------------------------------------------------------------------------------ */

static enum err open_file(struct table_export *job, struct err_info *info) {
    char path[EXPORT_PATH_MAX], name[EXPORT_PATH_MAX];
    const struct export_form *form = &job->views->state->plan.form;
    int len = snprintf(name, sizeof name, ".staging/views/%s/%s/%06d.%s", job->view->name, job->table->name,
                       job->number, export_format_name(form->format));
    enum err err = len < (int)sizeof name ? ERR_NONE : err_set(info, ERR_CONFIG, "a file's name is too long");
    err = err != ERR_NONE ? err : export_folder_path(job->views->folder, path, info, "%s", name);
    err = err != ERR_NONE ? err
                          : export_file_open(&job->file, form, path, buf_text(&job->schema), str_of_cstr(name), info);
    job->is_open = err == ERR_NONE;
    job->file_bytes = 0;
    job->number++;
    return err;
}

static enum err finish_file(struct table_export *job, struct err_info *info) {
    job->is_open = false;
    job->views->file_count++;
    return export_file_finish(&job->file, info);
}

static enum err add_row(struct table_export *job, const PGresult *rows, int row, struct err_info *info) {
    enum err err = ERR_NONE;
    if (!job->is_open) {
        err = open_file(job, info);
    }
    buf_clear(&job->row);
    if (err == ERR_NONE) {
        bool is_avro = job->views->state->plan.form.format == EXPORT_AVRO;
        err = (is_avro ? export_row_avro : export_row_json)(&job->row, job->table, rows, row, info);
    }
    if (err == ERR_NONE && !buf_ok(&job->row)) {
        err = err_set(info, ERR_TOO_LARGE, "a row of %s.%s is too large", job->view->name, job->table->name);
    }
    err = err != ERR_NONE ? err : export_file_add(&job->file, buf_text(&job->row), info);
    job->file_bytes += (int64_t)job->row.len;
    return err != ERR_NONE || job->file_bytes < EXPORT_VIEW_FILE_BYTES ? err : finish_file(job, info);
}

/* ---- a table ---------------------------------------------------------------------------------------------------- */

static enum err add_rows(struct table_export *job, struct pg_session *session, int64_t *rows_before,
                         struct err_info *info) {
    char fetch[64];
    snprintf(fetch, sizeof fetch, "FETCH %d FROM exported", EXPORT_FETCH_ROWS);
    for (;;) {
        CLEANUP(pg_result_clear) PGresult *rows = NULL;
        enum err err = pg_session_query(session, fetch, NULL, 0, true, &rows, info);
        int count = err == ERR_NONE ? PQntuples(rows) : 0;
        for (int row = 0; row < count && err == ERR_NONE; row++) {
            err = add_row(job, rows, row, info);
        }
        if (err != ERR_NONE || count == 0) {
            return err;
        }
        *rows_before += count;
        job->views->row_count += count;
        if (*rows_before % PROGRESS_ROWS < EXPORT_FETCH_ROWS) {
            job->views->on_progress(job->views->context, job->view->name, *rows_before);
        }
    }
}

static enum err declare(struct table_export *job, struct pg_session *session, struct err_info *info) {
    struct buf sql;
    buf_init(&sql, SQL_MAX_BYTES);
    buf_str(&sql, STR("DECLARE exported NO SCROLL CURSOR FOR "));
    export_rows_select(&sql, job->view, job->table);
    buf_byte(&sql, '\0');
    enum err err = pg_session_exec(session, sql.data, info);
    buf_release(&sql);
    return err;
}

/* A table without rows has one file all the same, which tells that it is there, and in Avro its columns. */
static enum err export_table(struct export_views *work, const struct view *view, const struct view_table *table,
                             struct pg_session *session, int64_t *rows_before, struct err_info *info) {
    char folder[EXPORT_PATH_MAX];
    struct table_export job = {.views = work, .view = view, .table = table};
    buf_init(&job.schema, SCHEMA_MAX_BYTES);
    buf_init(&job.row, ROW_MAX_BYTES);
    export_rows_schema(&job.schema, view, table);
    snprintf(folder, sizeof folder, ".staging/views/%s/%s", view->name, table->name);
    enum err err = export_folder_make(work->folder, folder, info);
    err = err != ERR_NONE ? err : open_file(&job, info);
    err = err != ERR_NONE ? err : declare(&job, session, info);
    err = err != ERR_NONE ? err : add_rows(&job, session, rows_before, info);
    if (job.is_open) {
        enum err finished = finish_file(&job, err == ERR_NONE ? info : NULL);
        err = err != ERR_NONE ? err : finished;
    }
    err = err != ERR_NONE ? err : pg_session_exec(session, "CLOSE exported", info);
    err = err != ERR_NONE ? err : export_folder_sync(work->folder, folder, info);
    buf_release(&job.schema);
    buf_release(&job.row);
    return err;
}

/* ---- a view ----------------------------------------------------------------------------------------------------- */

/* How far the view was, and when: which events are in its rows. */
static enum err export_position(struct export_views *work, const struct view *view, struct pg_session *session,
                                struct err_info *info) {
    char sql[256], name[EXPORT_PATH_MAX];
    snprintf(sql, sizeof sql, "SELECT topic, shard, next_offset, now() FROM %s.position ORDER BY topic, shard",
             view->name);
    CLEANUP(pg_result_clear) PGresult *rows = NULL;
    enum err err = pg_session_query(session, sql, NULL, 0, true, &rows, info);
    if (err != ERR_NONE) {
        return err;
    }
    struct buf text;
    buf_init(&text, POSITION_MAX_BYTES);
    struct json_writer writer = json_writer_of(&text);
    json_object_begin(&writer);
    json_field_cstr(&writer, "view", view->name);
    json_field_int(&writer, "format", view->format);
    if (PQntuples(rows) > 0) {
        json_field_time(&writer, "taken_at", pg_get_timestamp(rows, 0, COLUMN_NOW));
    }
    json_field_array(&writer, "position");
    for (int row = 0; row < PQntuples(rows); row++) {
        json_object_begin(&writer);
        json_field_string(&writer, "topic", pg_get_bytes(rows, row, COLUMN_TOPIC));
        json_field_int(&writer, "partition", pg_get_int8(rows, row, COLUMN_SHARD));
        json_field_int(&writer, "next_offset", pg_get_int8(rows, row, COLUMN_NEXT_OFFSET));
        json_object_end(&writer);
    }
    json_array_end(&writer);
    json_object_end(&writer);
    snprintf(name, sizeof name, ".staging/views/%s/position.json", view->name);
    err = export_folder_write(work->folder, name, buf_text(&text), info);
    buf_release(&text);
    return err;
}

/* The schema that has the view's name now. */
static enum err read_about(const struct view *view, struct pg_session *session, struct view_about *ret_about,
                           struct err_info *info) {
    enum err err = view_schema_about(session, view->name, ret_about, info);
    if (err == ERR_NONE && !ret_about->is_there) {
        err = err_set(info, ERR_NOT_FOUND, "there is no view %s that this version knows: run `daybook migrate`",
                      view->name);
    } else if (err == ERR_NONE && ret_about->format != view->format) {
        err = err_set(info, ERR_CONFLICT, "the view %s has format %" PRId64 ", this version reads %d: rebuild it",
                      view->name, ret_about->format, view->format);
    }
    return err;
}

/* A transaction sees rows as of its beginning, but each statement looks names up anew: after a switch the same name is
 * that of other tables, which as of then may not have been full. */
static enum err check_not_switched(const struct view *view, const struct view_about *before, struct pg_session *session,
                                   struct err_info *info) {
    struct view_about now;
    enum err err = view_schema_about(session, view->name, &now, info);
    if (err == ERR_NONE && (!now.is_there || strcmp(now.epoch, before->epoch) != 0)) {
        err = err_set(info, ERR_CONFLICT, "the view %s was switched while it was read: begin again", view->name);
    }
    return err;
}

static enum err export_tables(struct export_views *work, const struct view *view, struct pg_session *session,
                              struct err_info *info) {
    int64_t rows = 0;
    struct view_about about;
    enum err err = pg_session_exec(session, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", info);
    err = err != ERR_NONE ? err : read_about(view, session, &about, info);
    for (size_t i = 0; i < view->table_count && err == ERR_NONE; i++) {
        if (!view->tables[i].opaque) {
            err = export_table(work, view, &view->tables[i], session, &rows, info);
        }
    }
    err = err != ERR_NONE ? err : export_position(work, view, session, info);
    err = err != ERR_NONE ? err : check_not_switched(view, &about, session, info);
    if (err != ERR_NONE) {
        pg_session_rollback(session);
        return err;
    }
    return pg_session_exec(session, "COMMIT", info);
}

static enum err put_view(struct export_views *work, const struct view *view, struct err_info *info) {
    char from[EXPORT_PATH_MAX], name[EXPORT_PATH_MAX];
    snprintf(name, sizeof name, "views/%s", view->name);
    enum err err = export_folder_path(work->folder, from, info, ".staging/%s", name);
    err = err != ERR_NONE ? err : export_folder_make(work->folder, "views", info);
    return err != ERR_NONE ? err : export_folder_put(work->folder, from, name, info);
}

enum err export_views_run(struct export_views *work, struct err_info *info) {
    struct pg_session *session = NULL;
    enum err err = pg_session_open(work->config->postgres, "daybook-export", &session, info);
    for (size_t i = 0; i < view_count && err == ERR_NONE; i++) {
        if (work->state->plan.views[i] && !work->state->view_is_done[i]) {
            err = export_tables(work, views[i], session, info);
            err = err != ERR_NONE ? err : put_view(work, views[i], info);
            work->state->view_is_done[i] = err == ERR_NONE;
            err = err != ERR_NONE ? err : export_state_write(work->state, work->folder, info);
        }
    }
    pg_session_close(session);
    return err;
}
