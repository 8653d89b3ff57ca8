#include "core/testing/simulator/postgres_sql.h"

#include <stdio.h>
#include <stdlib.h>

#include "projections/runtime/tables.h"

static const char *const texts[] = {
#define SQL_TEXT(kind, text) (text),
    SQL_TABLE(SQL_TEXT)
#undef SQL_TEXT
};

void sql_unknown(const char *why, struct str text) {
    fprintf(stderr, "the simulator's PostgreSQL: %s: %.*s\n", why, STR_ARGS(text));
    abort();
}

/* ---- telling statements apart ------------------------------------------------------------------------------------ */

static bool is_of_word(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '_';
}

static uint32_t word_length(struct str text) {
    uint32_t length = 0;
    while (length < text.len && is_of_word(text.data[length])) {
        length++;
    }
    return length;
}

static bool matches(struct str text, const char *pattern, struct str *ret_words) {
    size_t words = 0;
    uint32_t at = 0;
    for (; *pattern != '\0'; pattern++) {
        struct str rest = str_from(text, at);
        uint32_t length = 1;
        if (*pattern == '@' || *pattern == '~') {
            length = *pattern == '@' ? word_length(rest) : str_find(rest, '\'');
            ret_words[words++] = str_first(rest, length);
        } else if (str_is_empty(rest) || rest.data[0] != *pattern) {
            return false;
        }
        if (length == 0) {
            return false;
        }
        at += length;
    }
    return at == text.len;
}

/* Cuts `literal` off the beginning. */
static bool take(struct str *text, const char *literal) {
    struct str wanted = str_of_cstr(literal);
    if (!str_starts_with(*text, wanted)) {
        return false;
    }
    *text = str_from(*text, wanted.len);
    return true;
}

static struct str take_word(struct str *text) {
    struct str word = str_first(*text, word_length(*text));
    *text = str_from(*text, word.len);
    return word;
}

/* "... FROM schema.table ORDER BY key" */
static void read_cursor(struct str text, struct sql *sql) {
    static const char from[] = " FROM ";
    const char *found = memmem(text.data, text.len, from, sizeof from - 1);
    struct str rest = found == NULL ? STR("") : str_from(text, (uint32_t)(found - text.data) + sizeof from - 1);
    sql->words[0] = take_word(&rest);
    (void)take(&rest, ".");
    sql->words[1] = take_word(&rest);
}

/* The statements that name a table's columns; sql_check_rows compares their whole text. */
static bool read_made(struct str text, struct sql *sql) {
    struct str rest = text;
    if (take(&rest, "INSERT INTO ")) {
        sql->words[0] = take_word(&rest);
        sql->kind = SQL_INSERT_ROWS;
        sql->adds = memmem(text.data, text.len, STR(" ON CONFLICT ").data, STR(" ON CONFLICT ").len) == NULL;
        return str_starts_with(rest, STR(" AS t ("));
    }
    if (take(&rest, "DELETE FROM ")) {
        sql->words[0] = take_word(&rest);
        sql->kind = SQL_DELETE_ROWS;
        return str_starts_with(rest, STR(" AS t USING "));
    }
    if (take(&rest, "DECLARE side CURSOR FOR ")) {
        sql->kind = SQL_OPEN_CURSOR;
        read_cursor(text, sql);
        return true;
    }
    return false;
}

static struct sql read_one(struct str text) {
    struct sql sql = {.text = text};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct str words[SQL_WORDS_MAX] = {0};
        if (matches(text, texts[i], words)) {
            sql.kind = (enum sql_kind)i;
            memcpy(sql.words, words, sizeof words);
            return sql;
        }
    }
    if (!read_made(text, &sql)) {
        sql_unknown("a statement that it does not know", text);
    }
    return sql;
}

/* The texts that are files of several statements. */
static bool read_file(struct str text, struct sql *sql) {
    *sql = (struct sql){.text = text};
    if (str_equal(text, str_of_cstr(runtime_sql))) {
        sql->kind = SQL_CREATE_RUNTIME;
        return true;
    }
    if (str_equal(text, str_of_cstr(parking_sql))) {
        sql->kind = SQL_CREATE_PARKING;
        return true;
    }
    for (size_t i = 0; i < view_count; i++) {
        if (str_equal(text, str_of_cstr(views[i]->sql))) {
            sql->kind = SQL_CREATE_VIEW;
            sql->view = views[i];
            return true;
        }
    }
    return false;
}

static struct str trimmed(struct str text) {
    while (text.len > 0 && text.data[0] == ' ') {
        text = str_from(text, 1);
    }
    while (text.len > 0 && text.data[text.len - 1] == ' ') {
        text.len--;
    }
    return text;
}

size_t sql_read(struct str text, struct sql *ret_statements, size_t capacity) {
    if (read_file(text, &ret_statements[0])) {
        return 1;
    }
    size_t count = 0;
    while (text.len > 0) {
        uint32_t length = str_find(text, ';');
        struct str one = trimmed(str_first(text, length));
        if (count == capacity) {
            sql_unknown("too many statements in one text", text);
        }
        ret_statements[count++] = read_one(one);
        text = str_from(text, length + 1);
    }
    return count;
}

/* ---- texts that are made from a table's shape -------------------------------------------------------------------- */

/* Written down here once more, and not asked of statements.c: a change there is to be noticed. */
static const char *const array_types[] = {
    [VIEW_TEXT] = "text[]",       [VIEW_BIGINT] = "bigint[]",
    [VIEW_BOOLEAN] = "boolean[]", [VIEW_TIMESTAMP] = "timestamptz[]",
    [VIEW_BYTEA] = "bytea[]",     [VIEW_JSON] = "json[]",
    [VIEW_TEXT_ARRAY] = "text[]",
};

enum columns { ALL, KEYS, VALUES };

/* `each` is printed for each column that is chosen: '#' stands for its name, '%' for its number, '^' for its type. */
static void put_each(struct buf *sql, const struct view_table *shape, enum columns chosen, const char *each) {
    int number = 0;
    for (size_t i = 0; i < shape->column_count; i++) {
        const struct view_column *column = &shape->columns[i];
        if (chosen != ALL && column->key != (chosen == KEYS)) {
            continue;
        }
        buf_printf(sql, number++ == 0 ? "" : ", ");
        for (const char *at = each; *at != '\0'; at++) {
            switch (*at) {
            case '#':
                buf_printf(sql, "%s", column->name);
                break;
            case '%':
                buf_printf(sql, "%d", number);
                break;
            case '^':
                buf_printf(sql, "%s%s", array_types[column->type],
                           chosen == ALL && column->type == VIEW_TEXT_ARRAY ? ")::text[]"
                           : chosen == ALL                                  ? ")"
                                                                            : "");
                break;
            default:
                buf_byte(sql, *at);
            }
        }
    }
}

static void put_updates(struct buf *sql, const struct view_table *shape) {
    const char *comma = "";
    for (size_t i = 0; i < shape->column_count; i++) {
        const char *name = shape->columns[i].name;
        if (shape->columns[i].additive) {
            buf_printf(sql, "%s%s = t.%s + excluded.%s", comma, name, name, name);
        } else if (!shape->columns[i].key) {
            buf_printf(sql, "%s%s = excluded.%s", comma, name, name);
        }
        comma = shape->columns[i].key ? comma : ", ";
    }
}

static void put_insert(struct buf *sql, const struct view_table *shape, bool adds) {
    buf_printf(sql, "INSERT INTO %s AS t (", shape->name);
    put_each(sql, shape, ALL, "#");
    buf_printf(sql, ") SELECT ");
    put_each(sql, shape, ALL, "unnest($%::^");
    if (!shape->append_only && !adds) {
        buf_printf(sql, " ON CONFLICT (");
        put_each(sql, shape, KEYS, "#");
        buf_printf(sql, ") DO UPDATE SET ");
        put_updates(sql, shape);
    }
}

static void put_delete(struct buf *sql, const struct view_table *shape) {
    buf_printf(sql, "DELETE FROM %s AS t USING unnest(", shape->name);
    put_each(sql, shape, KEYS, "$%::^");
    buf_printf(sql, ") AS r (");
    put_each(sql, shape, KEYS, "#");
    buf_printf(sql, ") WHERE (");
    put_each(sql, shape, KEYS, "t.#");
    buf_printf(sql, ") = (");
    put_each(sql, shape, KEYS, "r.#");
    buf_printf(sql, ")");
}

static void put_cursor(struct buf *sql, struct str schema, const struct view_table *shape) {
    buf_printf(sql, "DECLARE side CURSOR FOR SELECT ROW(");
    put_each(sql, shape, KEYS, "#");
    buf_printf(sql, ")::text COLLATE \"C\" AS key");
    for (size_t i = 0; i < shape->column_count; i++) {
        if (!shape->columns[i].key) {
            buf_printf(sql, ", md5(%s::text)", shape->columns[i].name);
        }
    }
    buf_printf(sql, " FROM %.*s.%s ORDER BY key", STR_ARGS(schema), shape->name);
}

void sql_check_rows(const struct sql *sql, const struct view_table *shape) {
    struct buf expected;
    buf_init(&expected, UINT32_MAX);
    if (sql->kind == SQL_INSERT_ROWS) {
        put_insert(&expected, shape, sql->adds);
    } else if (sql->kind == SQL_DELETE_ROWS) {
        put_delete(&expected, shape);
    } else {
        put_cursor(&expected, sql->words[0], shape);
    }
    if (!str_equal(sql->text, buf_text(&expected))) {
        fprintf(stderr, "the simulator's PostgreSQL: a statement is not what it does with %s, which is\n  %.*s\n",
                shape->name, STR_ARGS(buf_text(&expected)));
        sql_unknown("the statement", sql->text);
    }
    buf_release(&expected);
}
