/* address_fuzz.c: libFuzzer on addresses, networks, and what clients write into Forwarded and X-Forwarded-For.
 *
 * The first byte chooses the reader. Beyond what the sanitizers see: an address says the same when written and read
 * again; and whatever a client writes before what a proxy appends, nobody is taken for somebody he chose.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/address.h"
#include "core/base/buf.h"

enum { VALUE_MAX_BYTES = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "address_fuzz: %s\n", what);
        abort();
    }
}

static bool is_same(const uint8_t *one, const uint8_t *other) {
    return memcmp(one, other, ADDRESS_BYTES) == 0;
}

static void fuzz_address(struct str text) {
    uint8_t address[ADDRESS_BYTES], again[ADDRESS_BYTES];
    char written[ADDRESS_TEXT_MAX];
    if (address_read(text, address)) {
        address_write(address, written);
        require(address_read(str_of_cstr(written), again) && is_same(address, again), "an address is what it says");
    }
}

static void fuzz_list(struct str text) {
    struct address_list list;
    struct err_info info = {0};
    char *cstr = strndup(text.data, text.len);
    if (cstr != NULL && address_list_read(cstr, &list, &info) == ERR_NONE) {
        require(list.count <= ADDRESS_LIST_MAX, "a list has a bound");
        for (size_t i = 0; i < list.count; i++) {
            require(address_list_has(&list, list.networks[i].address), "a network has its first address");
        }
    } else {
        require(cstr == NULL || info.code == ERR_CONFIG, "a refusal says why");
    }
    free(cstr);
}

/* `text` is what a client wrote, `appended` what a trusted proxy wrote behind it. */
static void fuzz_client(struct str text, bool is_forwarded) {
    struct address_list trusted;
    uint8_t peer[ADDRESS_BYTES], genuine[ADDRESS_BYTES], client[ADDRESS_BYTES];
    bool is_read = address_list_read("10.0.0.0/8", &trusted, NULL) == ERR_NONE && address_read(STR("10.0.0.1"), peer) &&
                   address_read(STR("192.0.2.1"), genuine);
    require(is_read, "these are addresses");
    struct buf value;
    struct str none = {0};
    buf_init(&value, VALUE_MAX_BYTES);
    buf_str(&value, text);
    buf_str(&value, is_forwarded ? STR(", for=192.0.2.1") : STR(", 192.0.2.1"));
    if (buf_ok(&value)) {
        struct str all = buf_text(&value);
        address_of_client(&trusted, peer, is_forwarded ? all : none, is_forwarded ? none : all, client);
        require(is_same(client, genuine) || (is_forwarded && is_same(client, peer)), "nobody chooses who he is");
        address_of_client(&(struct address_list){0}, peer, all, all, client);
        require(is_same(client, peer), "who is no proxy speaks for himself");
    }
    buf_release(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    struct str text = str_of((const char *)data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        fuzz_address(text);
        break;
    case 1:
        fuzz_list(text);
        break;
    case 2:
        fuzz_client(text, false);
        break;
    default:
        fuzz_client(text, true);
        break;
    }
    return 0;
}
