#include "core/http/tls.h"

#include <malloc.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>

#include "core/http/test_tls.h"

enum { WIRE_BYTES = 1 << 20, MESSAGE_BYTES = 100 * 1000, ALERT_RECORD = 21 };

static struct test_authority authority;
static struct tls_context *server_context, *client_context;

static int begin(void **state) {
    (void)state;
    test_authority_begin(&authority);
    test_certificate_write(&authority, (struct test_certificate){.name = "server"});
    server_context = test_server_context(&authority, "server");
    client_context = test_client_context(&authority);
    return 0;
}

static int end(void **state) {
    (void)state;
    tls_context_close(server_context);
    tls_context_close(client_context);
    test_authority_end(&authority);
    return 0;
}

/* ---- two ends and the wires between them --------------------------------------------------------------------- */

struct side {
    struct tls *tls;
    struct buf wire; /* from it, not delivered yet */
    struct buf plain;
    enum tls_state state;
};

struct pair {
    struct side client, server;
};

static void side_begin(struct side *side, struct tls_context *context, const char *peer_name) {
    *side = (struct side){.tls = tls_begin(context, peer_name)};
    buf_init(&side->wire, WIRE_BYTES);
    buf_init(&side->plain, WIRE_BYTES);
}

static void side_end(struct side *side) {
    tls_free(side->tls);
    buf_release(&side->wire);
    buf_release(&side->plain);
}

static void receive(struct side *side, struct str bytes) {
    side->state = tls_received(side->tls, bytes, &side->plain, &side->wire);
}

/* Delivers what is on the wire in pieces of so many bytes. */
static void deliver(struct side *from, struct side *to, uint32_t piece) {
    struct buf bytes = from->wire;
    buf_init(&from->wire, WIRE_BYTES);
    for (struct str rest = buf_text(&bytes); rest.len > 0 && to->state == TLS_GOES_ON; rest = str_from(rest, piece)) {
        receive(to, str_first(rest, piece));
    }
    buf_release(&bytes);
}

static void shake_hands_in_pieces(struct pair *pair, const char *peer_name, uint32_t piece) {
    side_begin(&pair->client, client_context, peer_name);
    side_begin(&pair->server, server_context, NULL);
    receive(&pair->client, (struct str){0});
    while (pair->client.wire.len > 0 || pair->server.wire.len > 0) {
        deliver(&pair->client, &pair->server, piece);
        deliver(&pair->server, &pair->client, piece);
    }
}

static void shake_hands(struct pair *pair) {
    shake_hands_in_pieces(pair, "localhost", UINT32_MAX);
    assert_true(tls_is_open(pair->client.tls) && tls_is_open(pair->server.tls));
}

static void pair_end(struct pair *pair) {
    side_end(&pair->client);
    side_end(&pair->server);
}

static void say(struct side *from, struct str text) {
    assert_true(tls_send(from->tls, text, &from->wire));
}

static void assert_heard(struct side *side, struct str text) {
    assert_int_equal(side->plain.len, text.len);
    assert_memory_equal(side->plain.data, text.data, text.len);
    buf_clear(&side->plain);
}

/* ---- bytes --------------------------------------------------------------------------------------------------- */

static void bytes_may_be_cut_anywhere(void **state) {
    (void)state;
    static const uint32_t PIECES[] = {1, 2, 3, 4, 5, 6, 7, 11, 64, 100, 1000, UINT32_MAX};
    static char message[MESSAGE_BYTES];
    for (size_t i = 0; i < sizeof message; i++) {
        message[i] = (char)(i % 251);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(PIECES); i++) {
        struct pair pair;
        shake_hands_in_pieces(&pair, "localhost", PIECES[i]);
        assert_true(tls_is_open(pair.client.tls) && tls_is_open(pair.server.tls));
        say(&pair.client, str_of(message, sizeof message));
        deliver(&pair.client, &pair.server, PIECES[i]);
        assert_heard(&pair.server, str_of(message, sizeof message));
        say(&pair.server, STR("an answer"));
        say(&pair.server, STR(" in two"));
        deliver(&pair.server, &pair.client, PIECES[i]);
        assert_heard(&pair.client, STR("an answer in two"));
        pair_end(&pair);
    }
}

static void two_records_cut_at_each_of_their_bytes_say_the_same(void **state) {
    (void)state;
    struct pair pair;
    shake_hands(&pair);
    say(&pair.client, STR("first"));
    say(&pair.client, STR("second"));
    uint32_t len = (uint32_t)pair.client.wire.len;
    deliver(&pair.client, &pair.server, UINT32_MAX);
    assert_heard(&pair.server, STR("firstsecond"));
    for (uint32_t at = 1; at < len; at++) {
        say(&pair.client, STR("first"));
        say(&pair.client, STR("second"));
        assert_int_equal(pair.client.wire.len, len);
        receive(&pair.server, str_first(buf_text(&pair.client.wire), at));
        receive(&pair.server, str_from(buf_text(&pair.client.wire), at));
        buf_clear(&pair.client.wire);
        assert_heard(&pair.server, STR("firstsecond"));
    }
    pair_end(&pair);
}

static void an_announced_end_is_told_and_the_other_side_may_still_send(void **state) {
    (void)state;
    struct pair pair;
    shake_hands(&pair);
    say(&pair.client, STR("the last"));
    tls_end(pair.client.tls, &pair.client.wire);
    size_t len = pair.client.wire.len;
    tls_end(pair.client.tls, &pair.client.wire);
    assert_int_equal(pair.client.wire.len, len); /* it is said once */
    deliver(&pair.client, &pair.server, UINT32_MAX);
    assert_int_equal(pair.server.state, TLS_ENDED);
    assert_heard(&pair.server, STR("the last"));
    say(&pair.server, STR("an answer all the same"));
    tls_end(pair.server.tls, &pair.server.wire);
    deliver(&pair.server, &pair.client, UINT32_MAX);
    assert_heard(&pair.client, STR("an answer all the same"));
    assert_int_equal(pair.client.state, TLS_ENDED);
    pair_end(&pair);
}

static void a_changed_byte_is_a_failure_with_an_alert(void **state) {
    (void)state;
    struct pair pair;
    shake_hands(&pair);
    say(&pair.client, STR("pay 10"));
    pair.client.wire.data[pair.client.wire.len - 1] ^= 1;
    deliver(&pair.client, &pair.server, UINT32_MAX);
    assert_int_equal(pair.server.state, TLS_FAILED);
    assert_int_equal(pair.server.plain.len, 0);
    assert_true(pair.server.wire.len > 0);
    assert_false(tls_is_open(pair.server.tls));
    size_t len = pair.server.wire.len;
    tls_end(pair.server.tls, &pair.server.wire);
    receive(&pair.server, STR("more"));
    assert_int_equal(pair.server.state, TLS_FAILED);
    assert_int_equal(pair.server.wire.len, len);
    pair_end(&pair);
}

static void what_does_not_fit_into_its_bound_is_a_failure(void **state) {
    (void)state;
    static char message[MESSAGE_BYTES];
    struct pair pair;
    shake_hands(&pair);
    pair.client.wire.max_bytes = MESSAGE_BYTES;
    assert_false(tls_send(pair.client.tls, str_of(message, sizeof message), &pair.client.wire));
    assert_false(tls_is_open(pair.client.tls));
    pair_end(&pair);
    shake_hands(&pair);
    say(&pair.client, str_of(message, sizeof message));
    pair.server.plain.max_bytes = MESSAGE_BYTES / 2;
    deliver(&pair.client, &pair.server, UINT32_MAX);
    assert_int_equal(pair.server.state, TLS_FAILED);
    pair_end(&pair);
}

/* connection.c has this much room for what one read says. */
static void plaintext_is_less_than_its_ciphertext_and_one_record(void **state) {
    (void)state;
    static char message[MESSAGE_BYTES];
    struct pair pair;
    shake_hands(&pair);
    say(&pair.client, str_of(message, sizeof message));
    struct str wire = buf_text(&pair.client.wire);
    uint32_t before = 16 * 1024; /* the first record, but for its last bytes */
    receive(&pair.server, str_first(wire, before));
    assert_int_equal(pair.server.plain.len, 0);
    receive(&pair.server, str_from(wire, before));
    assert_int_equal(pair.server.plain.len, sizeof message);
    assert_true(pair.server.plain.len < wire.len - before + TLS_RECORD_MAX_BYTES);
    assert_true(wire.len < sizeof message + sizeof message / 16 + TLS_RECORD_MAX_BYTES);
    pair_end(&pair);
}

/* ---- who is let in ------------------------------------------------------------------------------------------- */

/* A client of OpenSSL's own, with whatever it is asked to offer. */
struct foreign {
    SSL_CTX *context;
    SSL *ssl;
    BIO *in, *out;
    struct side server;
};

struct offer {
    const char *what;
    int oldest, newest;
    const char *ciphers; /* of 1.2 and older; NULL: all */
    const char *groups;  /* NULL: all */
    const char *protocols;
    const char *signatures; /* NULL: all that OpenSSL offers by itself */
    bool is_let_in;
};

static void foreign_begin(struct foreign *foreign, const struct offer *offer) {
    foreign->context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(foreign->context, 0);
    SSL_CTX_set_min_proto_version(foreign->context, offer->oldest);
    SSL_CTX_set_max_proto_version(foreign->context, offer->newest);
    assert_int_equal(
        SSL_CTX_set_cipher_list(foreign->context, offer->ciphers != NULL ? offer->ciphers : "ALL:@SECLEVEL=0"), 1);
    if (offer->groups != NULL) {
        assert_int_equal(SSL_CTX_set1_groups_list(foreign->context, offer->groups), 1);
    }
    if (offer->signatures != NULL) {
        assert_int_equal(SSL_CTX_set1_sigalgs_list(foreign->context, offer->signatures), 1);
    }
    foreign->ssl = SSL_new(foreign->context);
    if (offer->protocols != NULL) {
        SSL_set_alpn_protos(foreign->ssl, (const unsigned char *)offer->protocols, (unsigned)strlen(offer->protocols));
    }
    foreign->in = BIO_new(BIO_s_mem());
    foreign->out = BIO_new(BIO_s_mem());
    SSL_set_bio(foreign->ssl, foreign->in, foreign->out);
    SSL_set_connect_state(foreign->ssl);
    side_begin(&foreign->server, server_context, NULL);
}

/* Bytes to the server, and back. */
static void foreign_turn(struct foreign *foreign) {
    char *bytes;
    long len = BIO_get_mem_data(foreign->out, &bytes);
    receive(&foreign->server, str_of(bytes, (size_t)len));
    (void)BIO_reset(foreign->out);
    if (foreign->server.wire.len > 0) {
        BIO_write(foreign->in, foreign->server.wire.data, (int)foreign->server.wire.len);
        buf_clear(&foreign->server.wire);
    }
}

static bool foreign_shakes_hands(struct foreign *foreign) {
    for (int turns = 0; turns < 10; turns++) {
        ERR_clear_error();
        (void)SSL_do_handshake(foreign->ssl);
        foreign_turn(foreign);
    }
    return SSL_is_init_finished(foreign->ssl) && tls_is_open(foreign->server.tls);
}

static void foreign_end(struct foreign *foreign) {
    SSL_free(foreign->ssl);
    SSL_CTX_free(foreign->context);
    side_end(&foreign->server);
}

static const struct offer OFFERS[] = {
    {"TLS 1.3", TLS1_3_VERSION, TLS1_3_VERSION, .is_let_in = true},
    {"TLS 1.2", TLS1_2_VERSION, TLS1_2_VERSION, .is_let_in = true},
    {"TLS 1.1", TLS1_1_VERSION, TLS1_1_VERSION, .is_let_in = false},
    {"TLS 1.0", TLS1_VERSION, TLS1_VERSION, .is_let_in = false},
    {"1.0 to 1.3", TLS1_VERSION, TLS1_3_VERSION, .is_let_in = true},
    {"AES-128", TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", .is_let_in = true},
    {"AES-256", TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", .is_let_in = true},
    {"ChaCha20", TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", .is_let_in = true},
    {"CBC", TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA", .is_let_in = false},
    {"CCM", TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-CCM", .is_let_in = false},
    {"no forward secrecy", TLS1_2_VERSION, TLS1_2_VERSION, "AES128-GCM-SHA256:AES256-SHA", .is_let_in = false},
    {"DHE", TLS1_2_VERSION, TLS1_2_VERSION, "DHE-RSA-AES128-GCM-SHA256", .is_let_in = false},
    {"no key", TLS1_2_VERSION, TLS1_2_VERSION, "aNULL:eNULL:@SECLEVEL=0", .is_let_in = false},
    {"X25519", TLS1_3_VERSION, TLS1_3_VERSION, .groups = "X25519", .is_let_in = true},
    {"P-384", TLS1_3_VERSION, TLS1_3_VERSION, .groups = "P-384", .is_let_in = true},
    {"P-521", TLS1_3_VERSION, TLS1_3_VERSION, .groups = "P-521", .is_let_in = false},
    {"HTTP/1.1", TLS1_2_VERSION, TLS1_3_VERSION, .protocols = "\x08http/1.1", .is_let_in = true},
    {"h2 before HTTP/1.1", TLS1_2_VERSION, TLS1_3_VERSION, .protocols = "\x02h2\x08http/1.1", .is_let_in = true},
    {"h2 alone", TLS1_2_VERSION, TLS1_3_VERSION, .protocols = "\x02h2", .is_let_in = false},
    {"ECDSA with SHA-256", TLS1_2_VERSION, TLS1_3_VERSION, .signatures = "ECDSA+SHA256", .is_let_in = true},
    {"ECDSA with SHA-1", TLS1_2_VERSION, TLS1_2_VERSION, .signatures = "ECDSA+SHA1", .is_let_in = false},
};

static void only_mozillas_intermediate_profile_is_let_in(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(OFFERS); i++) {
        struct foreign foreign;
        foreign_begin(&foreign, &OFFERS[i]);
        bool is_let_in = foreign_shakes_hands(&foreign);
        enum tls_state ended = foreign.server.state;
        foreign_end(&foreign);
        if (is_let_in != OFFERS[i].is_let_in || ended != (is_let_in ? TLS_GOES_ON : TLS_FAILED)) {
            fail_msg("%s: let in %d, state %d", OFFERS[i].what, is_let_in, ended);
        }
    }
}

static void http_1_1_is_chosen_of_what_is_offered_and_the_cheapest_cipher(void **state) {
    (void)state;
    struct foreign foreign;
    foreign_begin(&foreign, &(struct offer){.newest = TLS1_3_VERSION, .protocols = "\x02h2\x08http/1.1"});
    assert_true(foreign_shakes_hands(&foreign));
    const unsigned char *name;
    unsigned len;
    SSL_get0_alpn_selected(foreign.ssl, &name, &len);
    assert_int_equal(len, 8);
    assert_memory_equal(name, "http/1.1", 8);
    assert_string_equal(SSL_get_cipher_name(foreign.ssl), "TLS_AES_128_GCM_SHA256");
    assert_int_equal(SSL_get_negotiated_group(foreign.ssl), NID_X25519);
    foreign_end(&foreign);
}

/* PKCS#1 v1.5 is what a client of TLS 1.2 may ask for first, and alone. */
static void an_rsa_key_signs_by_pss_and_by_nothing_else(void **state) {
    (void)state;
    static const struct offer ROWS[] = {
        {"TLS 1.3", TLS1_3_VERSION, TLS1_3_VERSION, .is_let_in = true},
        {"TLS 1.2", TLS1_2_VERSION, TLS1_2_VERSION, .is_let_in = true},
        {"PKCS#1 first", TLS1_2_VERSION, TLS1_2_VERSION, .signatures = "RSA+SHA256:rsa_pss_rsae_sha512",
         .is_let_in = true},
        {"PKCS#1 alone", TLS1_2_VERSION, TLS1_2_VERSION, .signatures = "RSA+SHA256:RSA+SHA512", .is_let_in = false},
        {"SHA-1", TLS1_2_VERSION, TLS1_2_VERSION, .signatures = "RSA+SHA1", .is_let_in = false},
    };
    struct tls_context *before = server_context;
    test_certificate_write(&authority, (struct test_certificate){.name = "signer", .is_rsa = true});
    server_context = test_server_context(&authority, "signer");
    for (size_t i = 0; i < ARRAY_LENGTH(ROWS); i++) {
        struct foreign foreign;
        int signed_by = NID_undef;
        foreign_begin(&foreign, &ROWS[i]);
        bool is_let_in = foreign_shakes_hands(&foreign);
        (void)SSL_get_peer_signature_type_nid(foreign.ssl, &signed_by);
        foreign_end(&foreign);
        if (is_let_in != ROWS[i].is_let_in || (is_let_in && signed_by != EVP_PKEY_RSA_PSS)) {
            fail_msg("%s: let in %d, signed by %s", ROWS[i].what, is_let_in, OBJ_nid2sn(signed_by));
        }
    }
    tls_context_close(server_context);
    server_context = before;
}

static void nothing_is_kept_for_another_handshake(void **state) {
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct foreign foreign;
        foreign_begin(&foreign, &(struct offer){.oldest = version, .newest = version});
        assert_true(foreign_shakes_hands(&foreign));
        char byte;
        assert_int_equal(SSL_read(foreign.ssl, &byte, 1), -1); /* a ticket would be taken here */
        SSL_SESSION *session = SSL_get1_session(foreign.ssl);
        assert_int_equal(SSL_SESSION_is_resumable(session), 0);
        SSL_SESSION_free(session);
        foreign_end(&foreign);
    }
}

static void nobody_renegotiates(void **state) {
    (void)state;
    struct foreign foreign;
    foreign_begin(&foreign, &(struct offer){.newest = TLS1_2_VERSION});
    assert_true(foreign_shakes_hands(&foreign));
    assert_int_equal(SSL_renegotiate(foreign.ssl), 1);
    (void)SSL_do_handshake(foreign.ssl);
    foreign_turn(&foreign);
    char byte;
    ERR_clear_error();
    assert_int_equal(SSL_read(foreign.ssl, &byte, 1), -1);
    assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_NO_RENEGOTIATION);
    foreign_end(&foreign);
}

static void what_is_no_tls_fails_with_an_alert_at_most(void **state) {
    (void)state;
    static const struct str SENT[] = {
        STR("GET /v1/products HTTP/1.1\r\nHost: a\r\n\r\n"),
        STR("\x16\x03\x01\xff\xff and no record is so long"),
        STR("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00 a hello of one byte"),
        STR("\x15\x03\x01\x00\x02\x02\x28"),
        STR("\x17\x03\x03\x00\x05hello"),
        STR("\x80\x10\x01\x03\x01 an old hello of SSL 2"),
        STR("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
    };
    for (size_t i = 0; i < ARRAY_LENGTH(SENT); i++) {
        struct side server;
        side_begin(&server, server_context, NULL);
        receive(&server, SENT[i]);
        if (server.state != TLS_FAILED || server.plain.len > 0 || tls_is_open(server.tls)) {
            fail_msg("%zu: state %d", i, server.state);
        }
        if (server.wire.len > 0) {
            assert_int_equal(server.wire.data[0], ALERT_RECORD);
        }
        side_end(&server);
    }
}

static void a_hello_that_does_not_end_waits_and_is_freed(void **state) {
    (void)state;
    struct pair pair;
    side_begin(&pair.client, client_context, "localhost");
    side_begin(&pair.server, server_context, NULL);
    receive(&pair.client, (struct str){0});
    struct str hello = buf_text(&pair.client.wire);
    receive(&pair.server, str_first(hello, hello.len - 1));
    assert_int_equal(pair.server.state, TLS_GOES_ON);
    assert_false(tls_is_open(pair.server.tls));
    assert_int_equal(pair.server.wire.len, 0);
    pair_end(&pair);
}

/* ---- the client's trust -------------------------------------------------------------------------------------- */

static void assert_trusts(const char *peer_name, bool trusts) {
    struct pair pair;
    shake_hands_in_pieces(&pair, peer_name, UINT32_MAX);
    bool is_open = tls_is_open(pair.client.tls), distrusts = tls_distrusts(pair.client.tls);
    assert_false(tls_distrusts(pair.server.tls));
    pair_end(&pair);
    if (is_open != trusts || distrusts == trusts) {
        fail_msg("%s: open %d, distrusted %d", peer_name, is_open, distrusts);
    }
}

static void a_client_trusts_its_authority_for_the_name_it_asked_for_alone(void **state) {
    (void)state;
    assert_trusts("localhost", true);
    assert_trusts("127.0.0.1", true);
    assert_trusts("127.0.0.2", false);
    assert_trusts("::1", false);
    assert_trusts("example.com", false);
    struct tls_context *mine = client_context, *system = NULL;
    struct test_authority other;
    test_authority_begin(&other);
    client_context = test_client_context(&other);
    assert_trusts("localhost", false);
    tls_context_close(client_context);
    test_authority_end(&other);
    assert_int_equal(tls_client_context_open(NULL, &system, NULL), ERR_NONE);
    client_context = system;
    assert_trusts("localhost", false);
    tls_context_close(system);
    client_context = mine;
}

static void authorities_that_cannot_be_read_are_told(void **state) {
    (void)state;
    struct tls_context *context = NULL;
    struct err_info info = {0};
    assert_int_equal(tls_client_context_open("/nowhere/ca.pem", &context, &info), ERR_CONFIG);
    assert_non_null(strstr(info.text, "/nowhere/ca.pem"));
    assert_null(context);
}

/* ---- certificates -------------------------------------------------------------------------------------------- */

static void write_text(const char *name, const char *end, const char *text, size_t len) {
    char path[TEST_PATH_MAX];
    test_path(path, &authority, name, end);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    fclose(file);
}

static void assert_refused(const char *certificate, const char *key, const char *text) {
    char certificate_path[TEST_PATH_MAX], key_path[TEST_PATH_MAX];
    test_path(certificate_path, &authority, certificate, "");
    test_path(key_path, &authority, key, "");
    struct tls_context *context = NULL;
    struct err_info info = {0};
    const struct tls_files files = {.certificate = certificate_path, .key = key_path};
    assert_int_equal(tls_context_open(&files, &context, &info), ERR_CONFIG);
    assert_null(context);
    if (strstr(info.text, text) == NULL || strstr(info.text, authority.folder) == NULL) {
        fail_msg("expected '%s' in: %s", text, info.text);
    }
}

static void write_encrypted_key(void) {
    char path[TEST_PATH_MAX];
    test_path(path, &authority, "locked", ".key");
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    static const unsigned char PASSPHRASE[] = "secret";
    assert_int_equal(PEM_write_PrivateKey(file, authority.key, EVP_aes_128_cbc(), PASSPHRASE, 6, NULL, NULL), 1);
    fclose(file);
}

static void files_that_cannot_serve_are_told_by_name(void **state) {
    (void)state;
    static char large[TLS_FILE_MAX_BYTES + 1];
    char folder[TEST_PATH_MAX];
    test_certificate_write(&authority, (struct test_certificate){.name = "other"});
    test_certificate_write(&authority,
                           (struct test_certificate){.name = "past", .begins_in_s = -TEST_DAY_S, .ends_in_s = -5});
    test_certificate_write(&authority, (struct test_certificate){.name = "future", .begins_in_s = 3600});
    write_text("empty", ".pem", "", 0);
    write_text("text", ".pem", "no certificate", 14);
    write_text("large", ".pem", large, sizeof large);
    write_encrypted_key();
    test_path(folder, &authority, "folder", "");
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_refused("nowhere.pem", "server.key", "No such file");
    assert_refused("server.pem", "nowhere.key", "No such file");
    assert_refused("folder", "server.key", "it is no file");
    assert_refused("empty.pem", "server.key", "no certificate in PEM");
    assert_refused("text.pem", "server.key", "no certificate in PEM");
    assert_refused("large.pem", "server.key", "larger than");
    assert_refused("server.pem", "text.pem", "no key without a passphrase");
    assert_refused("server.pem", "locked.key", "no key without a passphrase");
    assert_refused("server.pem", "other.key", "is not the key of");
    assert_refused("past.pem", "past.key", "has expired");
    assert_refused("future.pem", "future.key", "not valid yet");
}

static void a_chain_that_is_cut_in_the_middle_is_refused(void **state) {
    (void)state;
    char path[TEST_PATH_MAX], text[8192];
    test_certificate_write(&authority, (struct test_certificate){.name = "chain", .has_chain = true});
    tls_context_close(test_server_context(&authority, "chain"));
    test_path(path, &authority, "chain", ".pem");
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t len = fread(text, 1, sizeof text, file);
    fclose(file);
    write_text("chain", ".pem", text, len - 60);
    assert_refused("chain.pem", "chain.key", "");
}

/* Of the certificate that the server shows. */
static long serial_seen(void) {
    struct foreign foreign;
    foreign_begin(&foreign, &(struct offer){.newest = TLS1_3_VERSION});
    assert_true(foreign_shakes_hands(&foreign));
    X509 *shown = SSL_get1_peer_certificate(foreign.ssl);
    long serial = ASN1_INTEGER_get(X509_get_serialNumber(shown));
    X509_free(shown);
    foreign_end(&foreign);
    return serial;
}

static void assert_reload(bool changes) {
    bool changed = !changes;
    struct err_info info = {0};
    if (tls_context_reload(server_context, &changed, &info) != ERR_NONE) {
        fail_msg("%s", info.text);
    }
    assert_int_equal(changed, changes);
}

static void assert_reload_fails(const char *text) {
    bool changed = false;
    struct err_info info = {0};
    assert_int_equal(tls_context_reload(server_context, &changed, &info), ERR_CONFIG);
    assert_false(changed);
    assert_non_null(strstr(info.text, text));
}

static void a_new_certificate_is_for_new_connections_and_old_ones_go_on(void **state) {
    (void)state;
    struct pair old;
    shake_hands(&old);
    assert_reload(false);
    long serial = serial_seen();
    int64_t expires_at_s = tls_context_expires_at_s(server_context);
    assert_in_range(expires_at_s - time(NULL), TEST_DAY_S - 60, TEST_DAY_S);
    test_certificate_write(&authority, (struct test_certificate){.name = "server", .ends_in_s = 2L * TEST_DAY_S});
    assert_reload(true);
    assert_reload(false);
    assert_int_equal(serial_seen(), authority.serial);
    assert_int_not_equal(serial_seen(), serial);
    assert_in_range(tls_context_expires_at_s(server_context) - expires_at_s, TEST_DAY_S - 60, TEST_DAY_S + 60);
    say(&old.client, STR("as before"));
    deliver(&old.client, &old.server, UINT32_MAX);
    assert_heard(&old.server, STR("as before"));
    test_certificate_write(&authority, (struct test_certificate){.name = "server", .is_rsa = true});
    assert_reload(true);
    assert_int_equal(serial_seen(), authority.serial);
    pair_end(&old);
}

static void files_that_are_broken_leave_what_was_loaded_until_they_are_mended(void **state) {
    (void)state;
    long serial = serial_seen();
    int64_t expires_at_s = tls_context_expires_at_s(server_context);
    char from[TEST_PATH_MAX], to[TEST_PATH_MAX];
    write_text("server", ".pem", "half a certif", 13);
    assert_reload_fails("no certificate in PEM");
    test_certificate_write(&authority,
                           (struct test_certificate){.name = "server", .begins_in_s = -TEST_DAY_S, .ends_in_s = -5});
    assert_reload_fails("has expired");
    /* A pair of which one half is there. */
    test_certificate_write(&authority, (struct test_certificate){.name = "next"});
    long next = authority.serial;
    test_path(from, &authority, "next", ".pem");
    test_path(to, &authority, "server", ".pem");
    assert_int_equal(rename(from, to), 0);
    assert_reload_fails("is not the key of");
    assert_reload_fails("is not the key of"); /* though nothing has changed since */
    assert_int_equal(serial_seen(), serial);
    assert_int_equal(tls_context_expires_at_s(server_context), expires_at_s);
    test_path(from, &authority, "next", ".key");
    test_path(to, &authority, "server", ".key");
    assert_int_equal(rename(from, to), 0);
    assert_reload(true);
    assert_int_equal(serial_seen(), next);
    assert_int_equal(unlink(to), 0);
    assert_reload_fails("No such file");
    assert_int_equal(serial_seen(), next);
}

static void connections_outlive_their_context(void **state) {
    (void)state;
    struct tls_context *kept = server_context;
    server_context = test_server_context(&authority, "server");
    struct pair pair;
    shake_hands(&pair);
    tls_context_close(server_context);
    server_context = kept;
    say(&pair.server, STR("still here"));
    deliver(&pair.server, &pair.client, UINT32_MAX);
    assert_heard(&pair.client, STR("still here"));
    pair_end(&pair);
}

/* ---- threads and memory -------------------------------------------------------------------------------------- */

enum { BEGINNERS = 3, BEGINNINGS = 100 };

static void *begin_and_end(void *context) {
    for (int i = 0; i < BEGINNINGS; i++) {
        struct side server;
        side_begin(&server, server_context, NULL);
        receive(&server, STR("no hello"));
        side_end(&server);
        (void)tls_context_expires_at_s(server_context);
    }
    atomic_fetch_sub((_Atomic int *)context, 1);
    return NULL;
}

static void loops_begin_connections_while_one_reloads(void **state) {
    (void)state;
    pthread_t threads[BEGINNERS];
    _Atomic int running = BEGINNERS;
    for (int i = 0; i < BEGINNERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, begin_and_end, &running), 0);
    }
    do {
        test_certificate_write(&authority, (struct test_certificate){.name = "server"});
        assert_reload(true);
    } while (atomic_load(&running) > 0);
    for (int i = 0; i < BEGINNERS; i++) {
        pthread_join(threads[i], NULL);
    }
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { MEMORY_IS_MEASURED = 0 }; /* the sanitizers' malloc counts nothing */
#else
enum { MEMORY_IS_MEASURED = 1 };
#endif

static void an_idle_connection_holds_no_buffers(void **state) {
    (void)state;
    enum { IDLE = 1000 };
    static struct tls *idle[IDLE];
    size_t before = 0;
    for (int i = 0; i < IDLE; i++) {
        if (i == 1) { /* what is made once is made */
            before = mallinfo2().uordblks + mallinfo2().hblkhd;
        }
        struct pair pair;
        shake_hands(&pair);
        say(&pair.client, STR("GET / HTTP/1.1\r\n\r\n"));
        deliver(&pair.client, &pair.server, UINT32_MAX);
        say(&pair.server, STR("HTTP/1.1 204 No Content\r\n\r\n"));
        idle[i] = pair.server.tls;
        pair.server.tls = NULL;
        pair_end(&pair);
    }
    size_t each = (mallinfo2().uordblks + mallinfo2().hblkhd - before) / (IDLE - 1);
    print_message("%zu bytes for an idle connection's TLS\n", each);
    if (MEMORY_IS_MEASURED) {
        assert_in_range(each, 1, TLS_IDLE_MAX_BYTES);
    }
    for (int i = 0; i < IDLE; i++) {
        tls_free(idle[i]);
    }
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH(bytes_may_be_cut_anywhere),
        WITH(two_records_cut_at_each_of_their_bytes_say_the_same),
        WITH(an_announced_end_is_told_and_the_other_side_may_still_send),
        WITH(a_changed_byte_is_a_failure_with_an_alert),
        WITH(what_does_not_fit_into_its_bound_is_a_failure),
        WITH(plaintext_is_less_than_its_ciphertext_and_one_record),
        WITH(only_mozillas_intermediate_profile_is_let_in),
        WITH(http_1_1_is_chosen_of_what_is_offered_and_the_cheapest_cipher),
        WITH(an_rsa_key_signs_by_pss_and_by_nothing_else),
        WITH(nothing_is_kept_for_another_handshake),
        WITH(nobody_renegotiates),
        WITH(what_is_no_tls_fails_with_an_alert_at_most),
        WITH(a_hello_that_does_not_end_waits_and_is_freed),
        WITH(a_client_trusts_its_authority_for_the_name_it_asked_for_alone),
        WITH(authorities_that_cannot_be_read_are_told),
        WITH(files_that_cannot_serve_are_told_by_name),
        WITH(a_chain_that_is_cut_in_the_middle_is_refused),
        WITH(a_new_certificate_is_for_new_connections_and_old_ones_go_on),
        WITH(files_that_are_broken_leave_what_was_loaded_until_they_are_mended),
        WITH(connections_outlive_their_context),
        WITH(loops_begin_connections_while_one_reloads),
        WITH(an_idle_connection_holds_no_buffers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
