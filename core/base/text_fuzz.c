/* text_fuzz.c: libFuzzer on the readers and writers of text that everything else stands on.
 *
 * The first byte chooses which. Beyond what the sanitizers see: what is read is written again to the same bytes,
 * so that no two texts name one thing; what is cut, shown or escaped is still UTF-8, and JSON reads from it what
 * was written; and of a document without a member jansson sees everything else, and that member not.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/format.h"
#include "core/base/json_cut.h"
#include "core/base/json_write.h"
#include "core/base/text.h"
#include "core/base/timestamp.h"

enum { TEXT_MAX_BYTES = 4096, BUF_MAX_BYTES = 16 * TEXT_MAX_BYTES };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "text_fuzz: %s\n", what);
        abort();
    }
}

static void fuzz_bytes(struct str text, struct buf *out) {
    uint8_t bytes[TEXT_MAX_BYTES], ulid[ULID_BYTES];
    char ulid_text[ULID_TEXT_LEN];
    if (hex_read(text, bytes, text.len / 2)) {
        hex_write(out, str_of((const char *)bytes, text.len / 2));
        require(str_equal(buf_text(out), text), "bytes have one hexadecimal text");
    }
    buf_clear(out);
    int count = base64url_read(text, bytes, sizeof bytes);
    if (count >= 0) {
        base64url_write(out, str_of((const char *)bytes, (size_t)count));
        require(str_equal(buf_text(out), text), "bytes have one text in base 64");
    }
    require(text.len < 2 || base64url_read(text, bytes, text.len * 3 / 4 - 1) < 0,
            "more than there is room for is refused");
    buf_clear(out);
    base64url_write(out, text);
    require(base64url_read(buf_text(out), bytes, sizeof bytes) == (int)text.len &&
                (text.len == 0 || memcmp(bytes, text.data, text.len) == 0),
            "what was written in base 64 is read");
    if (ulid_read(text, ulid)) {
        ulid_write(ulid, ulid_text);
        require(str_equal(str_of(ulid_text, sizeof ulid_text), text), "a ULID has one text");
    }
}

static void fuzz_numbers(struct str text) {
    int64_t number, time_us, again_us;
    char written[32], time[TIMESTAMP_TEXT_MAX + 1];
    if (int64_read(text, &number)) {
        int len = snprintf(written, sizeof written, "%" PRId64, number);
        require(str_equal(str_of(written, (size_t)len), text), "a number has one text");
    }
    if (timestamp_read(text, &time_us)) {
        size_t len = timestamp_write(time_us, time); /* asserts that it is within its years */
        require(timestamp_read(str_of(time, len), &again_us) && again_us == time_us, "a time is what it says");
    }
}

/* RFC 3629 in another way than text.c has it: by the number that the bits make. */
static bool is_utf8(struct str text) {
    for (uint32_t i = 0; i < text.len;) {
        uint8_t first = (uint8_t)text.data[i];
        uint32_t more = first < 0x80 ? 0 : first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
        uint32_t point = more == 0 ? first : first & (0x3fu >> more);
        if ((first >= 0x80 && first < 0xc0) || first >= 0xf8 || text.len - i <= more) {
            return false;
        }
        for (uint32_t k = 1; k <= more; k++) {
            uint8_t byte = (uint8_t)text.data[i + k];
            if (byte >> 6 != 2) {
                return false;
            }
            point = point << 6 | (byte & 0x3fu);
        }
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        if (point < least[more] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) {
            return false;
        }
        i += more + 1;
    }
    return true;
}

static void require_shown(struct str shown) {
    require(utf8_is_valid(shown), "what is shown is UTF-8");
    for (uint32_t i = 0; i < shown.len; i++) {
        uint8_t byte = (uint8_t)shown.data[i], second = i + 1 < shown.len ? (uint8_t)shown.data[i + 1] : 0;
        uint8_t third = i + 2 < shown.len ? (uint8_t)shown.data[i + 2] : 0;
        require(byte >= 0x20 && byte != 0x7f && !(byte == 0xc2 && second < 0xa0), "no terminal obeys it");
        bool turns = byte == 0xe2 && ((second == 0x80 && third >= 0xa8 && third <= 0xae) ||
                                      (second == 0x81 && third >= 0xa6 && third <= 0xa9));
        require(!turns, "nothing turns its direction or ends its line");
    }
}

/* The first byte says how much is to be left. */
static void fuzz_utf8(struct str text, struct buf *out) {
    uint32_t most = text.len > 0 ? (uint8_t)text.data[0] : 0;
    text = str_from(text, 1);
    require(utf8_is_valid(text) == is_utf8(text), "two readers agree on what is UTF-8");
    struct str cut = utf8_cut(text, most);
    require(cut.len <= most && str_starts_with(text, cut), "a cut text is a beginning");
    if (is_utf8(text)) {
        require(is_utf8(cut), "no character is cut");
        require(cut.len == text.len || cut.len + 4 > most, "as much is left as may be");
    }
    text_write_shown(out, text);
    require_shown(buf_text(out));
}

/* In front of a text of JSON: what is shown of it says the same. */
static void fuzz_shown_json(struct str text, struct buf *out) {
    for (uint32_t i = 0; i < text.len; i++) {
        if ((uint8_t)text.data[i] < 0x20) {
            return; /* between its values, where no escape may stand */
        }
    }
    json_t *value = json_loadb(text.data, text.len, JSON_DECODE_ANY, NULL);
    text_write_shown(out, text);
    json_t *again = value == NULL ? NULL : json_loadb(out->data, out->len, JSON_DECODE_ANY, NULL);
    require(value == NULL || (again != NULL && json_equal(value, again)), "JSON stays the same JSON");
    json_decref(again);
    json_decref(value);
}

static void fuzz_written_json(struct str text, struct buf *out) {
    struct json_writer writer = json_writer_of(out);
    json_array_begin(&writer);
    json_text(&writer, text);
    json_object_begin(&writer);
    json_name(&writer, text);
    json_int(&writer, INT64_MIN);
    json_object_end(&writer);
    json_array_end(&writer);
    json_t *read = json_loadb(out->data, out->len, JSON_ALLOW_NUL, NULL);
    bool has_nul = str_find(text, '\0') < text.len; /* which jansson takes for no key */
    require((read != NULL) == (utf8_is_valid(text) && !has_nul), "what is written of UTF-8 is JSON");
    if (read != NULL) {
        json_t *first = json_array_get(read, 0), *object = json_array_get(read, 1);
        require(str_equal(str_of(json_string_value(first), json_string_length(first)), text), "a text reads as it was");
        require(json_integer_value(json_object_iter_value(json_object_iter(object))) == INT64_MIN,
                "and so does its value");
    }
    json_decref(read);
}

static void fuzz_cut_json(struct str text, struct buf *out) {
    if (json_without_member(out, text, "secret")) {
        require(memmem(out->data, out->len, ",,", 2) == NULL || memmem(text.data, text.len, ",,", 2) != NULL,
                "no member leaves its comma");
    }
    json_t *value = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    char *compact = json_is_object(value) ? json_dumps(value, JSON_COMPACT) : NULL;
    if (compact != NULL) {
        buf_clear(out);
        require(json_without_member(out, str_of_cstr(compact), "secret"), "a document can be shown without a member");
        json_t *left = json_loadb(out->data, out->len, JSON_REJECT_DUPLICATES, NULL);
        (void)json_object_del(value, "secret");
        require(left != NULL && json_equal(left, value), "everything else is there, and it is not");
        json_decref(left);
    }
    free(compact);
    json_decref(value);
}

static void fuzz_formats(struct str text) {
    for (int format = FORMAT_SKU; format <= FORMAT_URL; format++) {
        bool matches = format_matches((enum text_format)format, text);
        for (uint32_t i = 0; matches && i < text.len; i++) {
            require(text.data[i] > ' ' && text.data[i] <= '~', "what has a form can stand in a header");
        }
        require(!matches || (text.len >= 1 && text.len <= 2048), "what has a form is short");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size > TEXT_MAX_BYTES / 2) {
        return 0;
    }
    struct str text = str_of((const char *)data + 1, size - 1);
    struct buf out;
    buf_init(&out, BUF_MAX_BYTES);
    switch (data[0] % 7) {
    case 0:
        fuzz_bytes(text, &out);
        break;
    case 1:
        fuzz_numbers(text);
        break;
    case 2:
        fuzz_utf8(text, &out);
        break;
    case 3:
        fuzz_shown_json(text, &out);
        break;
    case 4:
        fuzz_written_json(text, &out);
        break;
    case 5:
        fuzz_cut_json(text, &out);
        break;
    default:
        fuzz_formats(text);
        break;
    }
    buf_release(&out);
    return 0;
}
