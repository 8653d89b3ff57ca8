/* http_fuzz.c: libFuzzer on everything between the socket and the application.
 *
 * Each input is read twice: whole, and cut into the pieces that its first byte asks for. Both readings must give the
 * same requests, byte for byte, and the same refusal; that no byte makes the code misbehave is the sanitizers' part.
 * What was accepted must obey the rules that keep two hops from reading one message differently.
 *
 *   clang -fsanitize=fuzzer,address,undefined ... core/http/http_fuzz.c <http, base, llhttp>
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/http/request_reader.h"

enum { FUZZ_BODY_MAX = 256, FUZZ_REQUESTS_MAX = 64, FUZZ_RECORD_MAX = 4 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "http_fuzz: %s\n", what);
        abort();
    }
}

static void check_request(struct http_exchange *request) {
    require(request->path.len > 0 && request->path.data[0] == '/', "a path begins with a slash");
    require(request->body.len <= FUZZ_BODY_MAX, "a body is bounded");
    uint32_t lengths = 0, codings = 0, hosts = 0;
    for (size_t i = 0; i < request->field_count; i++) {
        struct http_field field = request->fields[i];
        require(field.name.len > 0, "a field has a name");
        for (uint32_t j = 0; j < field.name.len; j++) {
            require(http_is_token_byte(field.name.data[j]), "a name is a token");
        }
        for (uint32_t j = 0; j < field.value.len; j++) {
            unsigned char byte = (unsigned char)field.value.data[j];
            require((byte >= 0x20 || byte == '\t') && byte != 0x7f, "a value has no control bytes");
        }
        lengths += http_name_equal(field.name, "content-length");
        codings += http_name_equal(field.name, "transfer-encoding");
        hosts += http_name_equal(field.name, "host");
    }
    require(lengths + codings <= 1 && hosts <= 1, "framing fields stand once");
    struct str value;
    bool is_present;
    (void)!http_query_parameter(request, "q", &is_present, &value);
}

static void record_request(struct buf *record, const struct http_exchange *request) {
    buf_printf(record, "%d %.*s?%.*s\n", (int)request->method, STR_ARGS(request->path), STR_ARGS(request->query));
    for (size_t i = 0; i < request->field_count; i++) {
        buf_printf(record, "%.*s:", STR_ARGS(request->fields[i].name));
        buf_str(record, request->fields[i].value);
    }
    buf_str(record, request->body);
}

/* Reads `input` in pieces of `piece` bytes and writes down what came of it. */
static void read_all(struct str input, uint32_t piece, struct buf *record) {
    struct exchange_pool pool = {.body_max_bytes = FUZZ_BODY_MAX, .bodies_max_bytes = SIZE_MAX};
    struct request_reader reader;
    request_reader_init(&reader, &pool);
    int requests = 0;
    while (input.len > 0 && requests < FUZZ_REQUESTS_MAX && reader.state != READER_REFUSED) {
        struct str bytes = str_first(input, piece);
        size_t used = 0;
        struct exchange *exchange = NULL;
        enum http_refusal refusal = HTTP_REFUSAL_NONE;
        switch (request_reader_feed(&reader, bytes, &used, &exchange, &refusal)) {
        case READER_MORE:
            require(used == bytes.len, "a reader that wants more has taken all");
            break;
        case READER_REQUEST:
            check_request(&exchange->public);
            record_request(record, &exchange->public);
            exchange_free(exchange);
            requests++;
            break;
        case READER_REFUSAL:
            buf_printf(record, "refused %d", (int)refusal);
            break;
        }
        input = str_from(input, (uint32_t)used);
    }
    request_reader_release(&reader);
    exchange_pool_release(&pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2 || size > 64 * 1024) {
        return 0;
    }
    struct str input = str_of((const char *)data + 1, size - 1);
    struct buf whole, pieces;
    buf_init(&whole, FUZZ_RECORD_MAX);
    buf_init(&pieces, FUZZ_RECORD_MAX);
    read_all(input, input.len, &whole);
    read_all(input, data[0] % 32 + 1u, &pieces);
    require(str_equal(buf_text(&whole), buf_text(&pieces)), "how bytes are cut changes what is read");
    buf_release(&whole);
    buf_release(&pieces);
    return 0;
}
