/* csv_fuzz.c: libFuzzer on files of comma-separated values.
 *
 * Beyond what the sanitizers see: whatever was read, written with each field in quotes, is read again as the same rows.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/csv.h"

enum { AGAIN_MAX_BYTES = 8 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "csv_fuzz: %s\n", what);
        abort();
    }
}

static void write_row(struct buf *out, const struct csv_row *row) {
    for (uint32_t i = 0; i < row->count; i++) {
        buf_str(out, i == 0 ? STR("\"") : STR(",\""));
        for (uint32_t k = 0; k < row->fields[i].len; k++) {
            buf_str(out, row->fields[i].data[k] == '"' ? STR("\"\"") : str_of(row->fields[i].data + k, 1));
        }
        buf_byte(out, '"');
    }
    buf_str(out, STR("\r\n"));
}

/* The rows up to the end or the first error, each field in quotes; how many. */
static int64_t rewrite(struct str text, struct buf *out, enum err *ret_end) {
    FILE *file = fmemopen((void *)text.data, text.len, "r");
    require(file != NULL, "memory");
    struct csv csv;
    static struct csv_row row;
    struct err_info info = {0};
    int64_t rows = 0, line = 0;
    csv_begin(&csv, file);
    while ((*ret_end = csv_next(&csv, &row, &info)) == ERR_NONE) {
        require(row.count >= 1 && row.count <= CSV_FIELDS_MAX, "a row has 1 to 256 fields");
        require(row.line > line, "each row begins on a later line");
        line = row.line;
        write_row(out, &row);
        rows++;
    }
    csv_end(&csv);
    fclose(file);
    return rows;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0; /* fmemopen takes no empty one */
    }
    struct buf once, twice;
    buf_init(&once, AGAIN_MAX_BYTES);
    buf_init(&twice, AGAIN_MAX_BYTES);
    enum err end, again;
    int64_t rows = rewrite(str_of((const char *)data, size), &once, &end);
    if (rows > 0 && buf_ok(&once)) {
        require(rewrite(buf_text(&once), &twice, &again) == rows && again == ERR_NOT_FOUND, "all rows are read again");
        require(str_equal(buf_text(&once), buf_text(&twice)), "a row is what it was");
    }
    buf_release(&once);
    buf_release(&twice);
    return 0;
}
