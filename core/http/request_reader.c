#include "core/http/request_reader.h"

#include <assert.h>

#include "core/base/timestamp.h"
#include "core/http/request_head.h"

void request_reader_init(struct request_reader *reader, struct exchange_pool *pool) {
    *reader = (struct request_reader){.pool = pool};
    buf_init_wiping(&reader->head, HTTP_HEAD_MAX_BYTES);
}

void request_reader_release(struct request_reader *reader) {
    buf_release(&reader->head);
    if (reader->exchange != NULL) {
        exchange_free(reader->exchange);
        reader->exchange = NULL;
    }
}

bool request_reader_is_idle(const struct request_reader *reader) {
    return reader->state == READER_AT_HEAD && reader->scan.bytes == reader->scan.skipped_bytes;
}

static void split_target(struct str target, struct http_exchange *public) {
    public->path = str_first(target, str_find(target, '?'));
    public->query = str_from(target, public->path.len + 1);
}

/* Whoever has them is who they say (RFC 9110, 11.6.2; RFC 6265, 5.4). */
static bool has_credentials(const struct request_head *head) {
    bool has = false;
    for (size_t i = 0; i < head->field_count && !has; i++) {
        has = http_name_equal(head->fields[i].name, "authorization") || http_name_equal(head->fields[i].name, "cookie");
    }
    return has;
}

/* The header block is whole: makes the exchange that the body, if any, goes into. */
static enum http_refusal begin_exchange(struct request_reader *reader, struct str head_bytes) {
    struct exchange *exchange = exchange_create(reader->pool);
    reader->exchange = exchange;
    struct arena *arena = &exchange->public.arena;
    struct str head_text = arena_str_copy(arena, head_bytes);
    struct request_head head;
    exchange->public.holds_secrets = true; /* it may, until it is read */
    enum http_refusal refusal = request_head_read(head_text, reader->scan.field_count, arena, &head);
    if (refusal != HTTP_REFUSAL_NONE) {
        return refusal;
    }
    exchange->public.holds_secrets = has_credentials(&head);
    exchange->public.method = head.method;
    split_target(head.target, &exchange->public);
    exchange->public.fields = head.fields;
    exchange->public.field_count = head.field_count;
    exchange->is_http_1_0 = head.is_http_1_0;
    exchange->closes = !head.keeps_alive;
    if (head.content_length > reader->pool->body_max_bytes) {
        return HTTP_REFUSAL_BODY_TOO_LARGE;
    }
    reader->body = body_decoder_of(head.is_chunked, head.content_length, reader->pool->body_max_bytes);
    reader->owes_continue = head.expects_continue && reader->body.state != BODY_ENDED;
    reader->state = READER_AT_BODY;
    return HTTP_REFUSAL_NONE;
}

static enum http_refusal feed_head(struct request_reader *reader, struct str bytes, size_t *ret_used) {
    enum http_refusal refusal = HTTP_REFUSAL_NONE;
    switch (header_scan(&reader->scan, bytes, ret_used, &refusal)) {
    case SCAN_REFUSED:
        return refusal;
    case SCAN_MORE:
        buf_bytes(&reader->head, bytes.data, bytes.len);
        assert(buf_ok(&reader->head) && "the scan counts the same bytes");
        return HTTP_REFUSAL_NONE;
    case SCAN_END:
        break;
    }
    struct str whole = str_first(bytes, (uint32_t)*ret_used);
    if (reader->head.len > 0) {
        buf_bytes(&reader->head, whole.data, whole.len);
        assert(buf_ok(&reader->head) && "the scan counts the same bytes");
        whole = buf_text(&reader->head);
    }
    refusal = begin_exchange(reader, str_from(whole, reader->scan.skipped_bytes));
    buf_release(&reader->head);
    reader->scan = (struct header_scan){0};
    return refusal;
}

static enum http_refusal feed_body(struct request_reader *reader, struct str bytes, size_t *ret_used) {
    struct buf *body = &reader->exchange->body;
    if (bytes.len > 0) {
        reader->owes_continue = false; /* it did not wait (RFC 9110, 10.1.1) */
    }
    enum http_refusal refusal = body_decode(&reader->body, bytes, body, ret_used);
    assert(buf_ok(body) && "the decoder keeps the same bound");
    exchange_charge(reader->exchange, body->len);
    return refusal;
}

static enum reader_step refuse(struct request_reader *reader, enum http_refusal refusal,
                               enum http_refusal *ret_refusal) {
    request_reader_release(reader);
    reader->state = READER_REFUSED;
    *ret_refusal = refusal;
    return READER_REFUSAL;
}

enum reader_step request_reader_feed(struct request_reader *reader, struct str bytes, size_t *ret_used,
                                     struct exchange **ret_exchange, enum http_refusal *ret_refusal) {
    assert(reader->state != READER_REFUSED);
    size_t head_used = 0, body_used = 0;
    if (reader->state == READER_AT_HEAD) {
        enum http_refusal refusal = feed_head(reader, bytes, &head_used);
        if (refusal != HTTP_REFUSAL_NONE) {
            return refuse(reader, refusal, ret_refusal);
        }
    }
    if (reader->state == READER_AT_BODY) {
        enum http_refusal refusal = feed_body(reader, str_from(bytes, (uint32_t)head_used), &body_used);
        if (refusal != HTTP_REFUSAL_NONE) {
            return refuse(reader, refusal, ret_refusal);
        }
    }
    *ret_used = head_used + body_used;
    if (reader->state == READER_AT_HEAD || reader->body.state != BODY_ENDED) {
        return READER_MORE;
    }
    struct exchange *exchange = reader->exchange;
    exchange->public.body = buf_text(&exchange->body);
    exchange->public.received_at_boot_us = clock_boot_us();
    reader->exchange = NULL;
    reader->state = READER_AT_HEAD;
    *ret_exchange = exchange;
    return READER_REQUEST;
}
