/* array_fuzz.c: libFuzzer on arrays as PostgreSQL sends and takes them.
 *
 * Beyond what the sanitizers see: texts that were written are read again, each as it was; and of bytes from
 * elsewhere no text lies outside of them.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/pg/array.h"
#include "core/pg/texts.h"

enum { ARRAY_MAX_BYTES = 1 << 20, INPUT_MAX_BYTES = 16 * 1024, TEXTS_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "array_fuzz: %s\n", what);
        abort();
    }
}

static void read_any(struct str bytes) {
    struct pg_array_reader reader;
    struct str text;
    if (!pg_array_read(bytes, &reader)) {
        return;
    }
    size_t total = 0;
    while (pg_array_next(&reader, &text)) {
        require(text.data >= bytes.data && text.data + text.len <= bytes.data + bytes.len, "a text lies in its array");
        uint32_t len;
        memcpy(&len, text.data - sizeof len, sizeof len);
        require(ntohl(len) == text.len, "and is as long as it says");
        total += text.len + sizeof(uint32_t);
    }
    require(total <= bytes.len, "no byte is in two texts");
}

/* Lines are the texts. */
static void write_and_read(struct str lines) {
    struct str texts[TEXTS_MAX], read, rest = lines;
    struct pg_array array;
    struct pg_array_reader reader;
    size_t count = 0;
    pg_array_init(&array, ARRAY_MAX_BYTES);
    pg_array_begin(&array, PG_ELEMENT_TEXT);
    while (rest.len > 0 && count < TEXTS_MAX) {
        texts[count] = str_first(rest, str_find(rest, '\n'));
        rest = str_from(rest, texts[count].len + 1);
        pg_array_bytes(&array, texts[count++]);
    }
    require(pg_array_read(pg_array_end(&array), &reader), "what is written is an array");
    for (size_t i = 0; i < count; i++) {
        require(pg_array_next(&reader, &read) && str_equal(read, texts[i]), "a text comes out as it went in");
    }
    require(!pg_array_next(&reader, &read), "and there are no more");
    pg_array_release(&array);

    char **block = NULL;
    if (pg_texts_make(texts, (int)count, &block)) {
        for (size_t i = 0; i < count; i++) {
            require(block[i] == NULL ? texts[i].data == NULL : str_equal(str_of_cstr(block[i]), texts[i]),
                    "a parameter is what it was");
        }
        free(block);
    } else {
        require(memchr(lines.data, '\0', lines.len) != NULL, "only a NUL byte is refused");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size > INPUT_MAX_BYTES) {
        return 0;
    }
    struct str text = str_of((const char *)data, size);
    read_any(text);
    write_and_read(text);
    return 0;
}
