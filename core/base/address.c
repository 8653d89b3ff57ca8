#include "core/base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "core/base/text.h"

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

enum { IPV4_AT = 12, IPV4_BYTES = 4, BITS = 8 * ADDRESS_BYTES };

static bool is_ipv4(const uint8_t address[ADDRESS_BYTES]) {
    return memcmp(address, mapped_prefix, sizeof mapped_prefix) == 0;
}

static void map_ipv4(const void *bytes, uint8_t ret_address[ADDRESS_BYTES]) {
    memcpy(ret_address, mapped_prefix, sizeof mapped_prefix);
    memcpy(ret_address + IPV4_AT, bytes, IPV4_BYTES);
}

bool address_read(struct str text, uint8_t ret_address[ADDRESS_BYTES]) {
    char cstr[ADDRESS_TEXT_MAX];
    if (text.len == 0 || text.len >= sizeof cstr || str_find(text, '\0') < text.len) {
        return false;
    }
    memcpy(cstr, text.data, text.len);
    cstr[text.len] = '\0';
    struct in_addr ipv4;
    struct in6_addr ipv6;
    if (inet_pton(AF_INET, cstr, &ipv4) == 1) {
        map_ipv4(&ipv4, ret_address);
        return true;
    }
    if (inet_pton(AF_INET6, cstr, &ipv6) == 1) {
        memcpy(ret_address, &ipv6, ADDRESS_BYTES);
        return true;
    }
    return false;
}

void address_write(const uint8_t address[ADDRESS_BYTES], char ret_text[ADDRESS_TEXT_MAX]) {
    if (is_ipv4(address)) {
        (void)inet_ntop(AF_INET, address + IPV4_AT, ret_text, ADDRESS_TEXT_MAX);
    } else {
        (void)inet_ntop(AF_INET6, address, ret_text, ADDRESS_TEXT_MAX);
    }
}

bool address_is_this_machine(struct str host) {
    static const uint8_t loopback[ADDRESS_BYTES] = {[ADDRESS_BYTES - 1] = 1};
    uint8_t address[ADDRESS_BYTES];
    if (host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']') {
        host = str_of(host.data + 1, host.len - 2);
    }
    return str_equal(host, STR("localhost")) ||
           (address_read(host, address) && ((is_ipv4(address) && address[IPV4_AT] == IN_LOOPBACKNET) ||
                                            memcmp(address, loopback, sizeof loopback) == 0));
}

bool address_of_socket(const struct sockaddr *socket, uint8_t ret_address[ADDRESS_BYTES]) {
    if (socket->sa_family == AF_INET) {
        struct sockaddr_in ipv4;
        memcpy(&ipv4, socket, sizeof ipv4);
        map_ipv4(&ipv4.sin_addr, ret_address);
        return true;
    }
    if (socket->sa_family == AF_INET6) {
        struct sockaddr_in6 ipv6;
        memcpy(&ipv6, socket, sizeof ipv6);
        memcpy(ret_address, &ipv6.sin6_addr, ADDRESS_BYTES);
        return true;
    }
    return false;
}

void address_holder(const uint8_t address[ADDRESS_BYTES], uint8_t ret_holder[ADDRESS_BYTES]) {
    uint8_t holder[ADDRESS_BYTES] = {0};
    memcpy(holder, address, is_ipv4(address) ? ADDRESS_BYTES : ADDRESS_BYTES / 2);
    memcpy(ret_holder, holder, ADDRESS_BYTES);
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

/* Whether they are equal in their first `bits`. */
static bool is_equal_in(const uint8_t *one, const uint8_t *other, unsigned bits) {
    unsigned bytes = bits / 8, rest = bits % 8;
    return memcmp(one, other, bytes) == 0 && (rest == 0 || (one[bytes] ^ other[bytes]) >> (8 - rest) == 0);
}

static bool has_bits_beyond(const struct address_network *network) {
    for (unsigned bit = network->prefix_bits; bit < BITS; bit++) {
        if ((network->address[bit / 8] >> (7 - bit % 8) & 1) != 0) {
            return true;
        }
    }
    return false;
}

static bool read_network(struct str text, struct address_network *ret_network) {
    struct str address = str_first(text, str_find(text, '/'));
    if (!address_read(address, ret_network->address)) {
        return false;
    }
    ret_network->prefix_bits = BITS;
    if (address.len == text.len) {
        return true;
    }
    bool is_short = str_find(address, ':') == address.len; /* a prefix of IPv4 is one of 32 bits */
    int64_t bits, most = is_short ? 8 * IPV4_BYTES : BITS;
    if (!int64_read(str_from(text, address.len + 1), &bits) || bits < 0 || bits > most) {
        return false;
    }
    ret_network->prefix_bits = (unsigned)(BITS - most + bits);
    return !has_bits_beyond(ret_network);
}

static bool is_separator(char byte) {
    return byte == ' ' || byte == ',' || byte == '\t';
}

/* The next word, taken off `rest`; empty at the end. */
static struct str take_word(struct str *rest) {
    while (rest->len > 0 && is_separator(rest->data[0])) {
        *rest = str_from(*rest, 1);
    }
    uint32_t len = 0;
    while (len < rest->len && !is_separator(rest->data[len])) {
        len++;
    }
    struct str word = str_first(*rest, len);
    *rest = str_from(*rest, len);
    return word;
}

enum err address_list_read(const char *text, struct address_list *ret_list, struct err_info *info) {
    struct address_list list = {0};
    struct str rest = str_of_cstr(text);
    for (struct str word; !str_is_empty(word = take_word(&rest));) {
        if (list.count == ADDRESS_LIST_MAX) {
            return err_set(info, ERR_CONFIG, "there are more than %d addresses and networks", ADDRESS_LIST_MAX);
        }
        if (!read_network(word, &list.networks[list.count])) {
            return err_set(info, ERR_CONFIG, "%.*s is no address and no network (as 10.0.0.0/8 or 2001:db8::/32)",
                           (int)str_first(word, 64).len, word.data);
        }
        list.count++;
    }
    *ret_list = list;
    return ERR_NONE;
}

bool address_list_has(const struct address_list *list, const uint8_t address[ADDRESS_BYTES]) {
    for (size_t i = 0; i < list->count; i++) {
        if (is_equal_in(list->networks[i].address, address, list->networks[i].prefix_bits)) {
            return true;
        }
    }
    return false;
}

/* ---- the client behind proxies ----------------------------------------------------------------------------------- */

/* Who asked whom, the nearest last; of more than there is room for, the nearest. Empty: no address. */
struct hops {
    struct str items[ADDRESS_HOPS_MAX];
    size_t count; /* so far; item i stands at i % ADDRESS_HOPS_MAX */
};

static void add_hop(struct hops *hops, struct str item) {
    hops->items[hops->count++ % ADDRESS_HOPS_MAX] = item;
}

static bool is_space(char byte) {
    return byte == ' ' || byte == '\t';
}

static struct str trim(struct str text) {
    while (text.len > 0 && is_space(text.data[0])) {
        text = str_from(text, 1);
    }
    while (text.len > 0 && is_space(text.data[text.len - 1])) {
        text = str_first(text, text.len - 1);
    }
    return text;
}

/* The port behind a colon may be a number or a made-up name (RFC 7239, 6.2, 6.3): it says nothing of the client. */
static bool read_node(struct str node, uint8_t ret_address[ADDRESS_BYTES]) {
    if (node.len > 0 && node.data[0] == '[') {
        uint32_t end = str_find(node, ']');
        bool is_whole = end < node.len && (end + 1 == node.len || node.data[end + 1] == ':');
        return is_whole && address_read(str_from(str_first(node, end), 1), ret_address);
    }
    if (address_read(node, ret_address)) {
        return true;
    }
    struct str host = str_first(node, str_find(node, ':'));
    return host.len < node.len && str_find(host, '.') < host.len && address_read(host, ret_address);
}

static void find_client(const struct address_list *trusted, const uint8_t peer[ADDRESS_BYTES], const struct hops *hops,
                        uint8_t ret_client[ADDRESS_BYTES]) {
    size_t kept = hops->count < ADDRESS_HOPS_MAX ? hops->count : ADDRESS_HOPS_MAX;
    memcpy(ret_client, peer, ADDRESS_BYTES);
    for (size_t i = 0; i < kept && address_list_has(trusted, ret_client); i++) {
        uint8_t hop[ADDRESS_BYTES];
        if (!read_node(hops->items[(hops->count - 1 - i) % ADDRESS_HOPS_MAX], hop)) {
            return;
        }
        memcpy(ret_client, hop, ADDRESS_BYTES);
    }
}

static void split_x_forwarded_for(struct str value, struct hops *hops) {
    while (!str_is_empty(value)) {
        struct str item = str_first(value, str_find(value, ','));
        add_hop(hops, trim(item));
        value = str_from(value, item.len + 1);
    }
}

/* A token or a quoted string, as written, up to what may stand behind it; taken off `rest`. False when a quotation has
 * no end. */
static bool take_value(struct str *rest, struct str *ret_value) {
    uint32_t at = 0;
    if (rest->len == 0 || rest->data[0] != '"') {
        while (at < rest->len && rest->data[at] != ',' && rest->data[at] != ';') {
            at++;
        }
        *ret_value = trim(str_first(*rest, at));
        *rest = str_from(*rest, at);
        return true;
    }
    for (at = 1; at < rest->len && rest->data[at] != '"'; at++) {
        at += rest->data[at] == '\\';
    }
    if (at >= rest->len) {
        return false;
    }
    *ret_value = str_from(str_first(*rest, at), 1);
    *rest = trim(str_from(*rest, at + 1));
    return true;
}

static bool is_for(struct str name) {
    return name.len == 3 && (name.data[0] | 0x20) == 'f' && (name.data[1] | 0x20) == 'o' &&
           (name.data[2] | 0x20) == 'r';
}

/* Forwarded: for=192.0.2.43;proto=https, for="[2001:db8::1]:4711". False when it is malformed: then nothing in it is
 * believed, since a client may have begun a quotation that swallows what proxies appended. */
static bool split_forwarded(struct str rest, struct hops *hops) {
    struct str node = {0};
    bool has_node = false;
    rest = trim(rest);
    while (!str_is_empty(rest)) {
        struct str name = str_first(rest, str_find(rest, '='));
        struct str value;
        bool is_one_pair = name.len < rest.len && str_find(name, ',') == name.len && str_find(name, ';') == name.len;
        rest = str_from(rest, name.len + 1);
        if (!is_one_pair || !take_value(&rest, &value)) {
            return false;
        }
        if (is_for(name)) {
            if (has_node) {
                return false;
            }
            node = value;
            has_node = true;
        }
        if (str_is_empty(rest) || rest.data[0] == ',') {
            add_hop(hops, node);
            node = (struct str){0};
            has_node = false;
        } else if (rest.data[0] != ';') {
            return false;
        }
        rest = trim(str_from(rest, 1));
    }
    return true;
}

void address_of_client(const struct address_list *trusted, const uint8_t peer[ADDRESS_BYTES], struct str forwarded,
                       struct str x_forwarded_for, uint8_t ret_client[ADDRESS_BYTES]) {
    uint8_t by_forwarded[ADDRESS_BYTES], by_x[ADDRESS_BYTES];
    memcpy(ret_client, peer, ADDRESS_BYTES);
    if (!address_list_has(trusted, peer)) {
        return;
    }
    struct hops of_forwarded = {0}, of_x = {0};
    if (!split_forwarded(forwarded, &of_forwarded)) {
        return;
    }
    split_x_forwarded_for(x_forwarded_for, &of_x);
    find_client(trusted, peer, &of_forwarded, by_forwarded);
    find_client(trusted, peer, &of_x, by_x);
    bool has_both = !str_is_empty(forwarded) && !str_is_empty(x_forwarded_for);
    if (has_both && memcmp(by_forwarded, by_x, ADDRESS_BYTES) != 0) {
        return;
    }
    memcpy(ret_client, str_is_empty(forwarded) ? by_x : by_forwarded, ADDRESS_BYTES);
}
