/* address.h: internet addresses: of the peer of a connection, of the client behind proxies, and lists of them.
 *
 * Form     16 bytes as IPv6 has them; an IPv4 address is mapped (::ffff:a.b.c.d), so that one client is one address
 *          however he comes.
 * Source   RFC 4291 (text, mapped addresses), RFC 4632 (prefixes), RFC 7239 (Forwarded). X-Forwarded-For has no RFC:
 *          addresses with commas between, each proxy appends whom it heard it from.
 * Bounds   ADDRESS_LIST_MAX networks a list; ADDRESS_HOPS_MAX hops are looked at, from the nearest on.
 * Thread   pure; any.            May use: libc.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/macros.h"
#include "core/base/str.h"

enum {
    ADDRESS_BYTES = 16,
    ADDRESS_TEXT_MAX = 46, /* with its NUL */
    ADDRESS_LIST_MAX = 64,
    ADDRESS_HOPS_MAX = 32,
};

struct sockaddr;

/* An address alone: no port, no brackets, no zone. */
MUST_CHECK bool address_read(struct str text, uint8_t ret_address[ADDRESS_BYTES]);
void address_write(const uint8_t address[ADDRESS_BYTES], char ret_text[ADDRESS_TEXT_MAX]);

/* Whether what is sent to that host never leaves this machine: `localhost`, or an address of the loopback network, in
 * brackets or without. No name is looked up: another one may be anybody's tomorrow. */
bool address_is_this_machine(struct str host);

/* False for other families than IPv4 and IPv6. */
MUST_CHECK bool address_of_socket(const struct sockaddr *socket, uint8_t ret_address[ADDRESS_BYTES]);

/* Whom the address belongs to, as far as it tells: an IPv6 customer is given a /64 at least and changes addresses in it
 * as he likes (RFC 6177, RFC 8981); an IPv4 address stays as it is. */
void address_holder(const uint8_t address[ADDRESS_BYTES], uint8_t ret_holder[ADDRESS_BYTES]);

struct address_network {
    uint8_t address[ADDRESS_BYTES];
    unsigned prefix_bits; /* of 128 */
};

/* Zeroed it is empty. */
struct address_list {
    struct address_network networks[ADDRESS_LIST_MAX];
    size_t count;
};

/* Addresses and networks (10.0.0.0/8, 2001:db8::/32), with spaces or commas between. ERR_CONFIG names what is none; a
 * network with bits beyond its prefix is none, because one of the two is a mistake. */
MUST_CHECK enum err address_list_read(const char *text, struct address_list *ret_list, struct err_info *info);
bool address_list_has(const struct address_list *list, const uint8_t address[ADDRESS_BYTES]);

/* Who speaks: the peer; or, when that is a trusted proxy, the nearest hop that it and trusted proxies behind it tell of
 * and that is no such proxy itself. What a hop beyond that says is anybody's to make up and is not looked at. Where a
 * hop is no address (`unknown`, a made-up name, garbage) the proxy that told of it stands for whom it hides.
 * The values of the two fields, all of one name joined by commas; empty when absent. A proxy writes one of them and may
 * let the other through as its client made it up: when both are there and do not lead to the same client, it is the
 * peer. */
void address_of_client(const struct address_list *trusted, const uint8_t peer[ADDRESS_BYTES], struct str forwarded,
                       struct str x_forwarded_for, uint8_t ret_client[ADDRESS_BYTES]);
