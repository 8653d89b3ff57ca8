/* address_test.c: addresses as text, lists of networks, the client behind proxies, and counting by address. */
#include "core/base/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "core/base/address_counts.h"

static const uint8_t *address_at(const char *text, uint8_t bytes[ADDRESS_BYTES]) {
    if (!address_read(str_of_cstr(text), bytes)) {
        fail_msg("%s is an address", text);
    }
    return bytes;
}

static void assert_address(const uint8_t address[ADDRESS_BYTES], const char *expected, const char *of) {
    char text[ADDRESS_TEXT_MAX];
    address_write(address, text);
    if (strcmp(text, expected) != 0) {
        fail_msg("%s: %s instead of %s", of, text, expected);
    }
}

static void an_address_is_one_whatever_its_family(void **state) {
    (void)state;
    static const struct {
        const char *text, *written;
    } rows[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"2001:DB8:0:0::1", "2001:db8::1"},
        {"::1", "::1"},
        {"::", "::"},
    };
    uint8_t bytes[ADDRESS_BYTES];
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_address(address_at(rows[i].text, bytes), rows[i].written, rows[i].text);
    }
}

static void what_is_no_address_is_refused_and_changes_nothing(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        "1.2.3",
                                        "1.2.3.4.5",
                                        "256.1.1.1",
                                        "01.2.3.4",
                                        "1.2.3.4:80",
                                        "[::1]",
                                        "::1%lo",
                                        "fe80::1%eth0",
                                        " 1.2.3.4",
                                        "1.2.3.4 ",
                                        "localhost",
                                        "::1::2",
                                        "12345::1",
                                        "0x7f.1",
                                        "0000:0000:0000:0000:0000:ffff:192.168.100.228.1.1.1"};
    uint8_t bytes[ADDRESS_BYTES] = {7};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        if (address_read(str_of_cstr(texts[i]), bytes)) {
            fail_msg("%s was taken", texts[i]);
        }
    }
    assert_false(address_read(STR("1.2.3.4\0.5"), bytes));
    assert_int_equal(bytes[0], 7);
}

static void a_socket_has_an_address(void **state) {
    (void)state;
    uint8_t bytes[ADDRESS_BYTES];
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000203)};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr local = {.sa_family = AF_UNIX};
    assert_true(address_of_socket((const struct sockaddr *)&ipv4, bytes));
    assert_address(bytes, "127.0.2.3", "a socket of IPv4");
    assert_true(address_of_socket((const struct sockaddr *)&ipv6, bytes));
    assert_address(bytes, "::1", "a socket of IPv6");
    assert_false(address_of_socket(&local, bytes));
}

static void who_has_a_network_of_ipv6_is_one_holder(void **state) {
    (void)state;
    static const struct {
        const char *address, *holder;
    } rows[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
        {"2001:db8:1:3:3:4:5:6", "2001:db8:1:3::"},
    };
    uint8_t bytes[ADDRESS_BYTES];
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        address_holder(address_at(rows[i].address, bytes), bytes);
        assert_address(bytes, rows[i].holder, rows[i].address);
    }
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

static void a_list_has_what_its_networks_have(void **state) {
    (void)state;
    struct address_list list;
    struct err_info info = {0};
    uint8_t bytes[ADDRESS_BYTES];
    assert_int_equal(address_list_read(" 10.0.0.0/8,192.0.2.64/27  2001:db8::/33 ::1 198.51.100.7 ", &list, &info),
                     ERR_NONE);
    assert_int_equal(list.count, 5);
    static const struct {
        const char *address;
        bool is_in;
    } rows[] = {
        {"10.0.0.0", true},
        {"10.255.255.255", true},
        {"11.0.0.0", false},
        {"9.255.255.255", false},
        {"192.0.2.63", false},
        {"192.0.2.64", true},
        {"192.0.2.95", true},
        {"192.0.2.96", false},
        {"2001:db8:7fff::", true},
        {"2001:db8:8000::", false},
        {"::1", true},
        {"::2", false},
        {"198.51.100.7", true},
        {"198.51.100.8", false},
        {"::ffff:10.1.2.3", true},
        {"a00::", false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (address_list_has(&list, address_at(rows[i].address, bytes)) != rows[i].is_in) {
            fail_msg("%s", rows[i].address);
        }
    }
    assert_int_equal(address_list_read("0.0.0.0/0", &list, &info), ERR_NONE);
    assert_true(address_list_has(&list, address_at("203.0.113.9", bytes)));
    assert_false(address_list_has(&list, address_at("2001:db8::1", bytes)));
    assert_int_equal(address_list_read("", &list, &info), ERR_NONE);
    assert_false(address_list_has(&list, address_at("203.0.113.9", bytes)));
}

static void what_is_no_network_is_named(void **state) {
    (void)state;
    static const char *const words[] = {"10.0.0.0/33",   "10.0.0.1/8",  "10.0.0.0/",      "10.0.0.0/-1",
                                        "10.0.0.0/08",   "/8",          "2001:db8::/129", "2001:db8::1/64",
                                        "proxy.example", "10.0.0.0/8/8"};
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        char text[64];
        struct address_list list = {.count = 3};
        struct err_info info = {0};
        snprintf(text, sizeof text, "::1 %s", words[i]);
        assert_int_equal(address_list_read(text, &list, &info), ERR_CONFIG);
        assert_non_null(strstr(info.text, words[i]));
        assert_int_equal(list.count, 3);
    }
}

static void a_list_has_a_bound(void **state) {
    (void)state;
    char text[ADDRESS_LIST_MAX * 16 + 32];
    size_t len = 0;
    for (int i = 0; i < ADDRESS_LIST_MAX; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "10.0.0.%d ", i);
    }
    struct address_list list;
    struct err_info info = {0};
    assert_int_equal(address_list_read(text, &list, &info), ERR_NONE);
    assert_int_equal(list.count, ADDRESS_LIST_MAX);
    snprintf(text + len, sizeof text - len, "10.0.1.0");
    assert_int_equal(address_list_read(text, &list, &info), ERR_CONFIG);
}

/* ---- the client behind proxies ----------------------------------------------------------------------------------- */

#define PEER "10.0.0.1"

static void assert_client(const char *forwarded, const char *x_forwarded_for, const char *expected) {
    struct address_list trusted;
    struct err_info info = {0};
    uint8_t peer[ADDRESS_BYTES], client[ADDRESS_BYTES];
    assert_int_equal(address_list_read("10.0.0.0/8 2001:db8:1::/48", &trusted, &info), ERR_NONE);
    address_of_client(&trusted, address_at(PEER, peer), str_of_cstr(forwarded), str_of_cstr(x_forwarded_for), client);
    char of[256];
    snprintf(of, sizeof of, "Forwarded: %.100s, X-Forwarded-For: %.100s", forwarded, x_forwarded_for);
    assert_address(client, expected, of);
}

static void the_nearest_address_that_is_no_trusted_proxy_is_the_client(void **state) {
    (void)state;
    static const struct {
        const char *x_forwarded_for, *client;
    } rows[] = {
        {"", PEER},
        {"192.0.2.1", "192.0.2.1"},
        {"192.0.2.1:4711", "192.0.2.1"},
        {"203.0.113.9, 192.0.2.1", "192.0.2.1"}, /* the first is what the client made up */
        {"203.0.113.9,192.0.2.1 ,\t10.2.3.4", "192.0.2.1"},
        {"192.0.2.1, 10.2.3.4, 10.9.9.9", "192.0.2.1"},
        {"10.2.3.4, 10.9.9.9", "10.2.3.4"}, /* a client of our own network */
        {"2001:db8:2::7", "2001:db8:2::7"},
        {"[2001:db8:2::7]:80", "2001:db8:2::7"},
        {"[2001:db8:2::7]", "2001:db8:2::7"},
        {"192.0.2.1, 2001:db8:1::5", "192.0.2.1"},
        {"garbage, 192.0.2.1", "192.0.2.1"},
        {"192.0.2.1, garbage", PEER},
        {"192.0.2.1, unknown, 10.7.7.7", "10.7.7.7"}, /* which proxy hid him */
        {"192.0.2.1,", "192.0.2.1"},
        {"192.0.2.1,,10.7.7.7", "10.7.7.7"},
        {"[2001:db8:2::7", PEER},
        {"[2001:db8:2::7]80", PEER},
        {"1.2.3.4.5", PEER},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_client("", rows[i].x_forwarded_for, rows[i].client);
    }
}

static void forwarded_is_read_as_its_rfc_has_it(void **state) {
    (void)state;
    static const struct {
        const char *forwarded, *client;
    } rows[] = {
        {"for=192.0.2.1", "192.0.2.1"},
        {"For=192.0.2.1;proto=https;by=203.0.113.43", "192.0.2.1"},
        {"proto=https;FOR=\"192.0.2.1:4711\"", "192.0.2.1"},
        {"for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"},
        {"for=\"[2001:db8:cafe::17]:_port\"", "2001:db8:cafe::17"},
        {"for=203.0.113.9, for=192.0.2.1, for=10.1.1.1", "192.0.2.1"},
        {"for=203.0.113.9;by=\"a,b;c\" , for=192.0.2.1", "192.0.2.1"},
        {"for=\"a\\\",\", for=192.0.2.1", "192.0.2.1"},
        {"for=192.0.2.1 ; proto=http", "192.0.2.1"},
        {"for=192.0.2.1, for=_hidden", PEER},
        {"for=192.0.2.1, for=unknown, for=10.1.1.1", "10.1.1.1"},
        {"for=192.0.2.1, proto=http", PEER}, /* the nearest proxy does not say */
        {"for=\"x, for=192.0.2.1", PEER},    /* a quotation that swallows what was appended */
        {"for=192.0.2.1;for=192.0.2.2", PEER},
        {"for", PEER},
        {"192.0.2.1", PEER},
        {"for=192.0.2.1, for", PEER},
        {"for=\"192.0.2.1\"x", PEER},
        {"for=", PEER},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_client(rows[i].forwarded, "", rows[i].client);
    }
}

/* A proxy writes the one and may let the other through as its client made it up. */
static void two_fields_count_when_they_agree(void **state) {
    (void)state;
    assert_client("for=192.0.2.1", "192.0.2.1", "192.0.2.1");
    assert_client("for=192.0.2.1", "192.0.2.2", PEER);
    assert_client("for=\"", "192.0.2.2", PEER);
    assert_client("for=unknown", "192.0.2.2", PEER);
}

static void who_is_no_trusted_proxy_is_the_client_whatever_he_says(void **state) {
    (void)state;
    struct address_list none = {0};
    uint8_t peer[ADDRESS_BYTES], client[ADDRESS_BYTES];
    address_of_client(&none, address_at(PEER, peer), STR("for=192.0.2.1"), STR("192.0.2.1"), client);
    assert_address(client, PEER, "an untrusted peer");
}

static void so_many_hops_are_looked_at(void **state) {
    (void)state;
    char text[64 * 16];
    for (int hops = ADDRESS_HOPS_MAX - 1; hops <= ADDRESS_HOPS_MAX; hops++) {
        size_t len = (size_t)snprintf(text, sizeof text, "192.0.2.1");
        for (int i = 0; i < hops; i++) {
            len += (size_t)snprintf(text + len, sizeof text - len, ", 10.1.1.%d", i);
        }
        assert_client("", text, hops < ADDRESS_HOPS_MAX ? "192.0.2.1" : "10.1.1.0");
    }
    size_t len = 0;
    for (int i = 0; i < 50; i++) { /* what a client made up hides nobody */
        len += (size_t)snprintf(text + len, sizeof text - len, "203.0.113.%d,", i);
    }
    snprintf(text + len, sizeof text - len, "192.0.2.1");
    assert_client("", text, "192.0.2.1");
}

/* ---- counting ---------------------------------------------------------------------------------------------------- */

enum { MANY = 5000 };

static void each_address_is_counted_for_itself(void **state) {
    (void)state;
    struct address_counts counts = {0};
    struct address_count *rows[MANY];
    uint8_t bytes[ADDRESS_BYTES] = {0x20, 0x01};
    assert_null(address_counts_find(&counts, bytes));
    for (int i = 0; i < MANY; i++) { /* each address twice */
        bytes[6] = (uint8_t)(i / 2);
        bytes[7] = (uint8_t)(i / 2 / 256);
        rows[i] = address_counts_add(&counts, bytes);
        assert_int_equal(rows[i]->count, 1 + i % 2);
        assert_ptr_equal(rows[i], rows[i / 2 * 2]);
    }
    assert_int_equal(counts.row_count, MANY / 2);
    for (int i = 0; i < MANY; i += 2) {
        address_counts_remove(&counts, rows[i]);
    }
    assert_int_equal(counts.row_count, MANY / 2);
    for (int i = 1; i < MANY - 2; i += 2) {
        address_counts_remove(&counts, rows[i]);
    }
    assert_int_equal(counts.row_count, 1);
    assert_ptr_equal(address_counts_find(&counts, bytes), rows[MANY - 1]);
    address_counts_release(&counts);
}

static void what_is_sent_to_this_machine_itself_is_told_apart(void **state) {
    (void)state;
    static const char *const OWN[] = {"localhost", "127.0.0.1",   "127.255.255.254", "::1",
                                      "[::1]",     "[127.0.0.1]", "::ffff:127.0.0.1"};
    static const char *const OTHERS[] = {
        "",   "db",  "localhost.", "localhost.example", "[localhost",         "128.0.0.1", "126.0.0.1", "0.0.0.0",
        "::", "::2", "[]",         "10.0.0.127",        "127.0.0.1.nip.test", "127.1",     "1::1"};
    for (size_t i = 0; i < ARRAY_LENGTH(OWN); i++) {
        if (!address_is_this_machine(str_of_cstr(OWN[i]))) {
            fail_msg("%s is this machine", OWN[i]);
        }
    }
    for (size_t i = 0; i < ARRAY_LENGTH(OTHERS); i++) {
        if (address_is_this_machine(str_of_cstr(OTHERS[i]))) {
            fail_msg("%s is not known to be this machine", OTHERS[i]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_one_whatever_its_family),
        cmocka_unit_test(what_is_no_address_is_refused_and_changes_nothing),
        cmocka_unit_test(a_socket_has_an_address),
        cmocka_unit_test(what_is_sent_to_this_machine_itself_is_told_apart),
        cmocka_unit_test(who_has_a_network_of_ipv6_is_one_holder),
        cmocka_unit_test(a_list_has_what_its_networks_have),
        cmocka_unit_test(what_is_no_network_is_named),
        cmocka_unit_test(a_list_has_a_bound),
        cmocka_unit_test(the_nearest_address_that_is_no_trusted_proxy_is_the_client),
        cmocka_unit_test(forwarded_is_read_as_its_rfc_has_it),
        cmocka_unit_test(two_fields_count_when_they_agree),
        cmocka_unit_test(who_is_no_trusted_proxy_is_the_client_whatever_he_says),
        cmocka_unit_test(so_many_hops_are_looked_at),
        cmocka_unit_test(each_address_is_counted_for_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
