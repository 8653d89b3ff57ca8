#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/macros.h"
#include "core/http/header_scan.h"

struct row {
    struct str bytes;
    enum scan_step step;
    enum http_refusal refusal; /* when refused */
    uint32_t used;             /* when ended */
};

static const struct row ROWS[] = {
    {STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), SCAN_END, HTTP_REFUSAL_NONE, 27},
    {STR("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /"), SCAN_END, HTTP_REFUSAL_NONE, 27},
    {STR("\r\nGET / HTTP/1.1\r\n\r\n"), SCAN_END, HTTP_REFUSAL_NONE, 20},
    {STR("GET / HTTP/1.1\r\n\r"), SCAN_MORE, HTTP_REFUSAL_NONE, 0},
    {STR("G"), SCAN_MORE, HTTP_REFUSAL_NONE, 0},
    {STR("GET / HTTP/1.1\r\nX:\t\200\377 ~\r\n\r\n"), SCAN_END, HTTP_REFUSAL_NONE, 27},
    {STR("GET / HTTP/1.1\n"), SCAN_REFUSED, HTTP_REFUSAL_CONTROL_BYTE, 0},
    {STR("GET / HTTP/1.1\rX"), SCAN_REFUSED, HTTP_REFUSAL_CONTROL_BYTE, 0},
    {STR("GET / HTTP/1.1\r\n\n"), SCAN_REFUSED, HTTP_REFUSAL_CONTROL_BYTE, 0},
    {STR("GET / HTTP/1.1\r\nX: \0"), SCAN_REFUSED, HTTP_REFUSAL_CONTROL_BYTE, 0},
    {STR("GET / HTTP/1.1\r\nX\0: "), SCAN_REFUSED, HTTP_REFUSAL_CONTROL_BYTE, 0},
    {STR("GET / HTTP/1.1\r\nX: a\nY"), SCAN_REFUSED, HTTP_REFUSAL_CONTROL_BYTE, 0},
    {STR("\n"), SCAN_REFUSED, HTTP_REFUSAL_CONTROL_BYTE, 0},
    {STR("GET / HTTP/1.1\r\nX: a\r\n b"), SCAN_REFUSED, HTTP_REFUSAL_OBS_FOLD, 0},
    {STR("GET / HTTP/1.1\r\n\tb"), SCAN_REFUSED, HTTP_REFUSAL_OBS_FOLD, 0},
    {STR("GET / HTTP/1.1\r\nX : a"), SCAN_REFUSED, HTTP_REFUSAL_FIELD_NAME, 0},
    {STR("GET / HTTP/1.1\r\n: a"), SCAN_REFUSED, HTTP_REFUSAL_FIELD_NAME, 0},
    {STR("GET / HTTP/1.1\r\nX(: a"), SCAN_REFUSED, HTTP_REFUSAL_FIELD_NAME, 0},
    {STR("GET / HTTP/1.1\r\nX\r\n"), SCAN_REFUSED, HTTP_REFUSAL_CONTROL_BYTE, 0},
    {STR("GET  / HTTP/1.1"), SCAN_REFUSED, HTTP_REFUSAL_REQUEST_LINE, 0},
    {STR("GET / HTTP/11"), SCAN_REFUSED, HTTP_REFUSAL_REQUEST_LINE, 0},
    {STR("GET / HTTP/1.10"), SCAN_REFUSED, HTTP_REFUSAL_REQUEST_LINE, 0},
    {STR("GET / http/1.1"), SCAN_REFUSED, HTTP_REFUSAL_REQUEST_LINE, 0},
    {STR("GET /#"), SCAN_REFUSED, HTTP_REFUSAL_REQUEST_LINE, 0},
    {STR("G{T"), SCAN_REFUSED, HTTP_REFUSAL_REQUEST_LINE, 0},
    {STR("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG"), SCAN_REFUSED, HTTP_REFUSAL_REQUEST_LINE, 0},
};

/* Gives the bytes in pieces; how many were used, or the refusal. */
static enum scan_step scan_in_pieces(struct str bytes, uint32_t piece, uint32_t *ret_used,
                                     enum http_refusal *ret_refusal) {
    struct header_scan scan = {0};
    *ret_used = 0;
    for (uint32_t at = 0; at < bytes.len; at += piece) {
        size_t used = 0;
        enum scan_step step = header_scan(&scan, str_first(str_from(bytes, at), piece), &used, ret_refusal);
        *ret_used += (uint32_t)used;
        if (step != SCAN_MORE) {
            return step;
        }
    }
    return SCAN_MORE;
}

static void each_block_is_judged_alike_however_it_is_cut(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(ROWS); i++) {
        const struct row *row = &ROWS[i];
        for (uint32_t piece = 1; piece <= row->bytes.len; piece++) {
            uint32_t used = 0;
            enum http_refusal refusal = HTTP_REFUSAL_NONE;
            enum scan_step step = scan_in_pieces(row->bytes, piece, &used, &refusal);
            if (step != row->step || refusal != row->refusal || (step == SCAN_END && used != row->used)) {
                fail_msg("row %zu in pieces of %u: step %d, refusal %d, used %u", i, piece, step, refusal, used);
            }
        }
    }
}

/* A block of exactly `size` bytes with one long field. */
static void fill_block(char *block, size_t size) {
    static const char BEGIN[] = "GET / HTTP/1.1\r\nX: ";
    memcpy(block, BEGIN, sizeof BEGIN - 1);
    memset(block + sizeof BEGIN - 1, 'x', size - (sizeof BEGIN - 1));
    memcpy(block + size - 4, "\r\n\r\n", 4);
}

static void a_block_may_have_16_kib_and_not_a_byte_more(void **state) {
    (void)state;
    static char block[HTTP_HEAD_MAX_BYTES + 1];
    for (size_t size = HTTP_HEAD_MAX_BYTES; size <= HTTP_HEAD_MAX_BYTES + 1; size++) {
        fill_block(block, size);
        for (uint32_t piece = 1; piece <= size; piece += 1021) {
            uint32_t used = 0;
            enum http_refusal refusal = HTTP_REFUSAL_NONE;
            enum scan_step step = scan_in_pieces(str_of(block, size), piece, &used, &refusal);
            assert_int_equal(step, size == HTTP_HEAD_MAX_BYTES ? SCAN_END : SCAN_REFUSED);
            assert_int_equal(refusal, size == HTTP_HEAD_MAX_BYTES ? HTTP_REFUSAL_NONE : HTTP_REFUSAL_HEAD_TOO_LARGE);
        }
    }
}

static void fields_are_counted(void **state) {
    (void)state;
    struct header_scan scan = {0};
    size_t used;
    enum http_refusal refusal;
    struct str block = STR("GET / HTTP/1.1\r\nA: 1\r\nB:\r\nC: 3\r\n\r\n");
    assert_int_equal(header_scan(&scan, block, &used, &refusal), SCAN_END);
    assert_int_equal(scan.field_count, 3);
    assert_int_equal(used, block.len);
}

static void tokens_are_those_of_rfc_9110(void **state) {
    (void)state;
    static const char TOKENS[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (int byte = 0; byte < 256; byte++) {
        bool expected = byte != 0 && strchr(TOKENS, byte) != NULL;
        assert_int_equal(http_is_token_byte((char)byte), expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_block_is_judged_alike_however_it_is_cut),
        cmocka_unit_test(a_block_may_have_16_kib_and_not_a_byte_more),
        cmocka_unit_test(fields_are_counted),
        cmocka_unit_test(tokens_are_those_of_rfc_9110),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
