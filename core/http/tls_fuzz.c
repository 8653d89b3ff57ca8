/* tls_fuzz.c: libFuzzer on what stands between a socket's bytes and a connection's when TLS is spoken.
 *
 * The first byte chooses: bytes of nobody's to a server or to a client; or a conversation of the two, written by
 * the input, in which bytes are cut anywhere and changed on the way. Beyond what the sanitizers see: who has not
 * shaken hands is told nothing; what arrives is the beginning of what was said, whatever happens on the way, and
 * never what was changed; what has failed stays so; and a call makes no more of its bytes than it may.
 */
#include "core/http/tls.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIDE_MAX_BYTES = 4 << 20, INPUT_MAX_BYTES = 32 * 1024, STEP_BYTES = 4, STEPS_MAX = 64, ROUNDS_MAX = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tls_context *server_context, *client_context;

static void require(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "tls_fuzz: %s\n", what);
        abort();
    }
}

/* ---- a certificate, in files that live in memory alone ----------------------------------------------------------- */

static void add_extension(X509 *certificate, int nid, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    require(extension != NULL && X509_add_ext(certificate, extension, -1) == 1, "a certificate has extensions");
    X509_EXTENSION_free(extension);
}

/* Signs for itself, so that it is the authority as well. */
static X509 *certificate_make(EVP_PKEY *key) {
    X509 *made = X509_new();
    X509_set_version(made, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made), 1);
    X509_gmtime_adj(X509_getm_notBefore(made), -60);
    X509_gmtime_adj(X509_getm_notAfter(made), 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_UTF8, (const unsigned char *)"a fuzzer's",
                               -1, -1, 0);
    X509_set_issuer_name(made, X509_get_subject_name(made));
    X509_set_pubkey(made, key);
    add_extension(made, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(made, NID_subject_alt_name, "DNS:localhost");
    require(X509_sign(made, key, EVP_sha256()) > 0, "a certificate is signed");
    return made;
}

static void open_contexts(void) {
    int certificate_fd = memfd_create("certificate", MFD_CLOEXEC), key_fd = memfd_create("key", MFD_CLOEXEC);
    FILE *certificate_file = fdopen(certificate_fd, "w"), *key_file = fdopen(key_fd, "w");
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = certificate_make(key);
    char certificate_path[32], key_path[32];
    struct err_info info = {0};
    require(certificate_file != NULL && key_file != NULL && PEM_write_X509(certificate_file, certificate) == 1 &&
                PEM_write_PrivateKey(key_file, key, NULL, NULL, 0, NULL, NULL) == 1 && fflush(certificate_file) == 0 &&
                fflush(key_file) == 0,
            "there is memory for a certificate");
    snprintf(certificate_path, sizeof certificate_path, "/proc/self/fd/%d", certificate_fd);
    snprintf(key_path, sizeof key_path, "/proc/self/fd/%d", key_fd);
    const struct tls_files files = {.certificate = certificate_path, .key = key_path};
    require(tls_context_open(&files, &server_context, &info) == ERR_NONE &&
                tls_client_context_open(certificate_path, &client_context, &info) == ERR_NONE,
            info.text);
    fclose(certificate_file);
    fclose(key_file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

/* ---- sides ------------------------------------------------------------------------------------------------------- */

struct side {
    struct tls *tls;
    struct buf plain; /* what it has heard */
    struct buf wire;  /* what is on its way to the other */
    struct buf said;
    enum tls_state state;
};

static void side_begin(struct side *side, bool is_client) {
    *side =
        (struct side){.tls = tls_begin(is_client ? client_context : server_context, is_client ? "localhost" : NULL)};
    buf_init(&side->plain, SIDE_MAX_BYTES);
    buf_init(&side->wire, SIDE_MAX_BYTES);
    buf_init(&side->said, SIDE_MAX_BYTES);
}

static void side_end(struct side *side) {
    tls_free(side->tls);
    buf_release(&side->said);
    buf_release(&side->wire);
    buf_release(&side->plain);
}

static void receive(struct side *side, struct str bytes) {
    size_t before = side->plain.len;
    bool had_failed = side->state == TLS_FAILED;
    enum tls_state state = tls_received(side->tls, bytes, &side->plain, &side->wire);
    require(!had_failed || state == TLS_FAILED, "what has failed stays so");
    require(state != TLS_FAILED || !tls_is_open(side->tls), "what has failed is not open");
    require(side->plain.len - before <= (size_t)bytes.len + TLS_RECORD_MAX_BYTES, "no more is heard than may be");
    side->state = state;
}

/* In pieces of `piece` bytes. */
static void receive_all(struct side *side, struct str bytes, uint32_t piece) {
    do {
        receive(side, str_first(bytes, piece));
        bytes = str_from(bytes, piece);
    } while (bytes.len > 0);
}

/* ---- bytes of nobody's ------------------------------------------------------------------------------------------- */

static void fuzz_stranger(struct str bytes, uint32_t piece, bool to_client) {
    struct side side;
    side_begin(&side, to_client);
    if (to_client) {
        receive(&side, STR(""));
        require(side.wire.len > 0, "a client speaks first");
    }
    receive_all(&side, bytes, piece);
    require(side.plain.len == 0 && !tls_is_open(side.tls), "who has not shaken hands is told nothing");
    tls_end(side.tls, &side.wire);
    side_end(&side);
}

/* ---- a conversation ---------------------------------------------------------------------------------------------- */

/* Hands over what is on its way; `change` is put over one byte of it, where it is not 0. *was_changed says whether
 * anything ever was. */
static void deliver(struct side *from, struct side *to, uint32_t piece, uint32_t place, uint8_t change,
                    bool *was_changed) {
    struct buf bytes = from->wire;
    buf_init(&from->wire, SIDE_MAX_BYTES);
    bool is_changed = change != 0 && bytes.len > 0, was_open = tls_is_open(from->tls) && tls_is_open(to->tls);
    bool has_news = from->said.len > to->plain.len && was_open;
    *was_changed = *was_changed || is_changed;
    if (is_changed) {
        bytes.data[place % bytes.len] = (char)(bytes.data[place % bytes.len] ^ change);
    }
    receive_all(to, buf_text(&bytes), piece);
    require(to->plain.len <= from->said.len &&
                (to->plain.len == 0 || memcmp(to->plain.data, from->said.data, to->plain.len) == 0),
            "what arrives is the beginning of what was said");
    require(!is_changed || !has_news || to->plain.len < from->said.len, "what was changed does not arrive");
    require(*was_changed || !has_news || to->plain.len == from->said.len, "what was not, does");
    buf_release(&bytes);
}

static void say(struct side *side, uint32_t size, char byte) {
    size_t before = side->wire.len;
    if (!tls_is_open(side->tls)) {
        return;
    }
    char *text = buf_reserve(&side->said, size);
    require(text != NULL, "there is room for what is said");
    memset(text, byte, size);
    side->said.len += size;
    require(tls_send(side->tls, str_of(text, size), &side->wire), "who is open can speak");
    require(side->wire.len - before <= size + size / 16 + TLS_RECORD_MAX_BYTES, "what is sent grows by little");
}

/* Steps of four bytes: who does it and what, how much or how it is cut, which byte is changed, how. */
static void fuzz_conversation(struct str steps) {
    struct side client, server;
    side_begin(&client, true);
    side_begin(&server, false);
    receive(&client, STR(""));
    bool is_changed = false;
    for (int i = 0; steps.len >= STEP_BYTES && i < STEPS_MAX; i++) {
        const uint8_t *step = (const uint8_t *)steps.data;
        struct side *one = (step[0] & 1) != 0 ? &client : &server, *other = one == &client ? &server : &client;
        if ((step[0] & 2) != 0) {
            say(one, (uint32_t)(step[1] << (step[2] % 8)) + 1, (char)step[3]);
        } else {
            deliver(one, other, step[1] + 1u, (uint32_t)step[2] << 3, step[3], &is_changed);
        }
        steps = str_from(steps, STEP_BYTES);
    }
    for (int i = 0; i < ROUNDS_MAX && !is_changed; i++) {
        deliver(&client, &server, UINT32_MAX, 0, 0, &is_changed);
        deliver(&server, &client, UINT32_MAX, 0, 0, &is_changed);
    }
    require(is_changed || (tls_is_open(client.tls) && tls_is_open(server.tls)), "two who are left alone shake hands");
    require(is_changed || (client.plain.len == server.said.len && server.plain.len == client.said.len),
            "and hear each other");
    side_end(&server);
    side_end(&client);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2 || size > INPUT_MAX_BYTES) {
        return 0;
    }
    if (server_context == NULL) {
        open_contexts();
    }
    struct str text = str_of((const char *)data + 2, size - 2);
    switch (data[0] % 4) {
    case 0:
        fuzz_stranger(text, data[1] + 1u, false);
        break;
    case 1:
        fuzz_stranger(text, data[1] + 1u, true);
        break;
    default:
        fuzz_conversation(text);
        break;
    }
    return 0;
}
