#include "core/base/csv.h"

#include <assert.h>
#include <errno.h>

#include "core/base/text.h"

void csv_begin(struct csv *csv, FILE *file) {
    csv->file = file;
    csv->line = 1;
    csv->ahead_count = csv->ahead_taken = 0;
    csv->has_begun = false;
    buf_init(&csv->row, CSV_ROW_MAX_BYTES);
}

void csv_end(struct csv *csv) {
    buf_release(&csv->row);
}

static void pass_byte_order_mark(struct csv *csv) {
    static const uint8_t mark[] = {0xef, 0xbb, 0xbf}; /* U+FEFF in UTF-8 */
    csv->ahead_count = (uint32_t)fread(csv->ahead, 1, sizeof csv->ahead, csv->file);
    if (csv->ahead_count == sizeof mark && memcmp(csv->ahead, mark, sizeof mark) == 0) {
        csv->ahead_taken = csv->ahead_count;
    }
}

static int read_byte(struct csv *csv) {
    return csv->ahead_taken < csv->ahead_count ? csv->ahead[csv->ahead_taken++] : getc_unlocked(csv->file);
}

/* ---- a row, byte by byte ----------------------------------------------------------------------------------------- */

enum place { FIELD_BEGINS, IN_PLAIN, IN_QUOTES, BEHIND_QUOTES, ROW_ENDS };

struct reading {
    struct csv *csv;
    enum place place;
    uint32_t fields;
    const char *why; /* what is wrong with the row */
};

static void end_field(struct reading *reading, enum place next) {
    if (reading->fields == CSV_FIELDS_MAX) {
        reading->why = "a row has at most 256 fields";
        return;
    }
    reading->csv->ends[reading->fields++] = (uint32_t)reading->csv->row.len;
    reading->place = next;
}

/* CR is a line's end only before LF. */
static int next_byte(struct reading *reading) {
    int byte = read_byte(reading->csv);
    if (byte != '\r' || reading->place == IN_QUOTES) {
        return byte;
    }
    int following = read_byte(reading->csv);
    if (following != '\n') {
        reading->why = "a carriage return stands alone";
    }
    return '\n';
}

static void take_byte(struct reading *reading, char byte) {
    switch (reading->place) {
    case FIELD_BEGINS:
        if (byte == '"') {
            reading->place = IN_QUOTES;
            return;
        }
        reading->place = IN_PLAIN;
        take_byte(reading, byte);
        return;
    case IN_PLAIN:
    case BEHIND_QUOTES:
        if (byte == ',') {
            end_field(reading, FIELD_BEGINS);
        } else if (byte == '\n') {
            end_field(reading, ROW_ENDS);
        } else if (byte == '"' && reading->place == BEHIND_QUOTES) {
            buf_byte(&reading->csv->row, '"'); /* two of them are one */
            reading->place = IN_QUOTES;
        } else if (reading->place == BEHIND_QUOTES) {
            reading->why = "text stands behind a closing quote";
        } else if (byte == '"') {
            reading->why = "a quote stands within a field that does not begin with one";
        } else {
            buf_byte(&reading->csv->row, byte);
        }
        return;
    case IN_QUOTES:
        if (byte == '"') {
            reading->place = BEHIND_QUOTES;
        } else {
            buf_byte(&reading->csv->row, byte);
        }
        return;
    case ROW_ENDS:
        assert(!"a row is read to its end");
    }
}

/* Up to the end of a row, or of the file. */
static void read_row(struct reading *reading) {
    struct csv *csv = reading->csv;
    while (reading->place != ROW_ENDS && reading->why == NULL && buf_ok(&csv->row)) {
        int byte = next_byte(reading);
        if (byte == EOF && reading->place == IN_QUOTES) {
            reading->why = "a quote is never closed";
        } else if (byte == EOF) {
            if (reading->place != FIELD_BEGINS || reading->fields > 0) {
                end_field(reading, ROW_ENDS);
            }
            return;
        } else {
            csv->line += byte == '\n';
            take_byte(reading, (char)byte);
        }
    }
}

/* ---- the next row ------------------------------------------------------------------------------------------------ */

static bool is_empty_line(const struct csv *csv, const struct reading *reading) {
    return reading->place == ROW_ENDS && reading->fields == 1 && csv->row.len == 0;
}

static enum err check_row(const struct csv *csv, const struct reading *reading, int64_t line, struct err_info *info) {
    struct str text = buf_text(&csv->row);
    if (ferror(csv->file)) {
        return err_set(info, ERR_IO, "line %lld: %s", (long long)line, strerror(errno));
    }
    if (!buf_ok(&csv->row)) {
        return err_set(info, ERR_TOO_LARGE, "line %lld: a row has at most %d bytes", (long long)line,
                       CSV_ROW_MAX_BYTES);
    }
    if (reading->why != NULL) {
        return err_set(info, ERR_MALFORMED, "line %lld: %s", (long long)line, reading->why);
    }
    if (!utf8_is_valid(text) || memchr(text.data, '\0', text.len) != NULL) {
        return err_set(info, ERR_MALFORMED, "line %lld: the text is not UTF-8", (long long)line);
    }
    return ERR_NONE;
}

enum err csv_next(struct csv *csv, struct csv_row *ret_row, struct err_info *info) {
    if (!csv->has_begun) {
        csv->has_begun = true;
        pass_byte_order_mark(csv);
    }
    struct reading reading;
    int64_t line;
    do {
        buf_clear(&csv->row);
        buf_byte(&csv->row, ' '); /* so that the row's bytes are somewhere, also when all of its fields are empty */
        csv->row.len = 0;
        reading = (struct reading){.csv = csv};
        line = csv->line;
        read_row(&reading);
    } while (is_empty_line(csv, &reading));
    enum err err = check_row(csv, &reading, line, info);
    if (err != ERR_NONE) {
        return err;
    }
    if (reading.place != ROW_ENDS) {
        return err_set(info, ERR_NOT_FOUND, "line %lld: there are no more rows", (long long)line);
    }
    *ret_row = (struct csv_row){.line = line, .count = reading.fields};
    uint32_t begin = 0;
    for (uint32_t i = 0; i < reading.fields; i++) {
        ret_row->fields[i] = str_of(csv->row.data + begin, csv->ends[i] - begin);
        begin = csv->ends[i];
    }
    return ERR_NONE;
}
