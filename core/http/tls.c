#include "core/http/tls.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/memory.h"

/* By what a file is known to be another one. */
struct file_stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

struct tls_context {
    pthread_mutex_t lock;
    SSL_CTX *newest; /* guarded by lock; each connection holds its own reference */
    _Atomic int64_t expires_at_s;
    char *certificate, *key;                    /* paths; NULL: a client's */
    struct file_stamp certificate_was, key_was; /* of what was loaded last */
};

struct tls {
    SSL *ssl;
    struct str input; /* not taken by OpenSSL yet; during tls_received alone */
    struct buf *wire; /* where its output goes; during a call alone */
    bool is_server;
    bool has_failed;
};

/* ---- the BIO ------------------------------------------------------------------------------------------------- */

static int bio_read(BIO *bio, char *out, size_t size, size_t *ret_size) {
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    size_t given = tls->input.len < size ? tls->input.len : size;
    if (given == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(out, tls->input.data, given);
    tls->input = str_from(tls->input, (uint32_t)given);
    *ret_size = given;
    return 1;
}

/* It never has to wait: what does not fit into the bound is a failure. */
static int bio_write(BIO *bio, const char *bytes, size_t size, size_t *ret_size) {
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    assert(tls->wire != NULL && "OpenSSL writes when it is called");
    buf_bytes(tls->wire, bytes, size);
    *ret_size = size;
    return buf_ok(tls->wire) ? 1 : 0;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *bio_method;
static pthread_once_t bio_once = PTHREAD_ONCE_INIT;

static void make_bio_method(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");
    if (method == NULL || !BIO_meth_set_read_ex(method, bio_read) || !BIO_meth_set_write_ex(method, bio_write) ||
        !BIO_meth_set_ctrl(method, bio_ctrl)) {
        out_of_memory("OpenSSL");
    }
    bio_method = method; /* for the life of the process */
}

/* ---- contexts ------------------------------------------------------------------------------------------------ */

static const char PROTOCOL[] = "\x08http/1.1";

/* Who offers protocols must offer ours (RFC 7301, 3.2); who offers none is taken to speak it. */
static int choose_protocol(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_len,
                           const unsigned char *offered, unsigned offered_len, void *context) {
    (void)ssl, (void)context;
    unsigned char *chosen;
    int found = SSL_select_next_proto(&chosen, ret_len, (const unsigned char *)PROTOCOL, sizeof PROTOCOL - 1, offered,
                                      offered_len);
    *ret_name = chosen;
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Without it OpenSSL asks at the terminal. */
static int no_passphrase(char *out, int size, int writes, void *context) {
    (void)out, (void)size, (void)writes, (void)context;
    return 0;
}

/* Mozilla's intermediate profile (wiki.mozilla.org/Security/Server_Side_TLS, 5.7). AES-128 is first because it is the
 * cheapest; a client that puts ChaCha20 first has no instructions for AES, and gets it. */
static SSL_CTX *profile_create(const SSL_METHOD *method) {
    SSL_CTX *made = SSL_CTX_new(method);
    bool is_set =
        made != NULL && SSL_CTX_set_min_proto_version(made, TLS1_2_VERSION) &&
        SSL_CTX_set_cipher_list(made, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                      "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                      "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305") &&
        SSL_CTX_set_ciphersuites(made, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") &&
        SSL_CTX_set1_groups_list(made, "X25519:P-256:P-384") && SSL_CTX_set_num_tickets(made, 0);
    if (!is_set) {
        out_of_memory("OpenSSL"); /* all of it is in every OpenSSL since 1.1.1 */
    }
    SSL_CTX_set_options(made, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                  SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                  SSL_OP_CLEANSE_PLAINTEXT);
    SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(made, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_default_passwd_cb(made, no_passphrase);
    return made;
}

/* By what a server signs: no SHA-1, and with an RSA key PSS alone, in TLS 1.2 as in 1.3, where PKCS#1 v1.5 is gone (RFC
 * 8446, 4.2.3; ASVS 5.0, 11.6.1). A client of TLS 1.2 without PSS needs a certificate of ECDSA. */
static const char SIGNATURES[] = "ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:ecdsa_secp521r1_sha512:ed25519:ed448:"
                                 "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:"
                                 "rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512";

static SSL_CTX *server_profile_create(void) {
    SSL_CTX *made = profile_create(TLS_server_method());
    if (!SSL_CTX_set1_sigalgs_list(made, SIGNATURES)) {
        out_of_memory("OpenSSL"); /* as in profile_create */
    }
    SSL_CTX_set_alpn_select_cb(made, choose_protocol, NULL);
    return made;
}

/* What OpenSSL says of its last failure. */
static const char *reason_of_failure(void) {
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    return reason != NULL ? reason : "no reason given";
}

/* ---- files --------------------------------------------------------------------------------------------------- */

static struct file_stamp stamp_of(const struct stat *stat) {
    return (struct file_stamp){.device = stat->st_dev,
                               .inode = stat->st_ino,
                               .size = stat->st_size,
                               .modified = stat->st_mtim,
                               .changed = stat->st_ctim};
}

static bool is_same_time(struct timespec a, struct timespec b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_unchanged(const char *path, const struct file_stamp *was) {
    struct stat now;
    return stat(path, &now) == 0 && now.st_dev == was->device && now.st_ino == was->inode && now.st_size == was->size &&
           is_same_time(now.st_mtim, was->modified) && is_same_time(now.st_ctim, was->changed);
}

static enum err read_all(int fd, const char *path, struct buf *content, struct err_info *info) {
    for (;;) {
        enum { CHUNK_BYTES = 8 * 1024 };
        char *at = buf_reserve(content, CHUNK_BYTES);
        if (at == NULL) {
            return err_set(info, ERR_CONFIG, "%.150s: larger than %d bytes", path, TLS_FILE_MAX_BYTES);
        }
        ssize_t size = read(fd, at, CHUNK_BYTES);
        if (size < 0) {
            return err_set(info, ERR_CONFIG, "%.150s: %s", path, strerror(errno));
        }
        if (size == 0) {
            return ERR_NONE;
        }
        content->len += (size_t)size;
    }
}

/* The file's bytes, and the stamp of the very file that they are from. Opening does not wait, whatever stands there. */
static enum err read_file(const char *path, struct buf *content, struct file_stamp *ret_stamp, struct err_info *info) {
    struct stat stat;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &stat) != 0) {
        enum err err = err_set(info, ERR_CONFIG, "%.150s: %s", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return err;
    }
    enum err err = ERR_NONE;
    if (!S_ISREG(stat.st_mode)) {
        err = err_set(info, ERR_CONFIG, "%.150s: it is no file", path);
    } else {
        err = read_all(fd, path, content, info);
    }
    close(fd);
    if (err == ERR_NONE) {
        *ret_stamp = stamp_of(&stat);
    }
    return err;
}

/* ---- the certificate ----------------------------------------------------------------------------------------- */

static BIO *bio_over(const struct buf *content) {
    BIO *bio = BIO_new_mem_buf(content->len > 0 ? content->data : "", (int)content->len);
    if (bio == NULL) {
        out_of_memory("OpenSSL");
    }
    return bio;
}

static enum err check_dates(X509 *leaf, const char *path, int64_t *ret_expires_at_s, struct err_info *info) {
    struct tm ends;
    if (!ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &ends)) {
        return err_set(info, ERR_CONFIG, "%.150s: the certificate's end cannot be read", path);
    }
    if (X509_cmp_current_time(X509_get0_notAfter(leaf)) < 0) {
        return err_set(info, ERR_CONFIG, "%.150s: the certificate has expired", path);
    }
    if (X509_cmp_current_time(X509_get0_notBefore(leaf)) > 0) {
        return err_set(info, ERR_CONFIG, "%.150s: the certificate is not valid yet", path);
    }
    *ret_expires_at_s = timegm(&ends);
    return ERR_NONE;
}

/* Those behind the leaf, to the file's end. */
static enum err add_chain(SSL_CTX *made, BIO *bio, const char *path, struct err_info *info) {
    X509 *next;
    while ((next = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
        if (!SSL_CTX_add0_chain_cert(made, next)) {
            X509_free(next);
            return err_set(info, ERR_CONFIG, "%.150s: %s", path, reason_of_failure());
        }
    }
    unsigned long code = ERR_peek_last_error();
    bool is_at_end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
    return is_at_end ? ERR_NONE : err_set(info, ERR_CONFIG, "%.150s: %s", path, reason_of_failure());
}

static enum err use_certificate(SSL_CTX *made, const struct buf *content, const char *path, int64_t *ret_expires_at_s,
                                struct err_info *info) {
    BIO *bio = bio_over(content);
    X509 *leaf = PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL);
    enum err err = ERR_NONE;
    if (leaf == NULL) {
        err = err_set(info, ERR_CONFIG, "%.150s: no certificate in PEM: %s", path, reason_of_failure());
    } else if (!SSL_CTX_use_certificate(made, leaf)) {
        err = err_set(info, ERR_CONFIG, "%.150s: %s", path, reason_of_failure());
    } else {
        err = check_dates(leaf, path, ret_expires_at_s, info);
    }
    if (err == ERR_NONE) {
        err = add_chain(made, bio, path, info);
    }
    X509_free(leaf);
    BIO_free(bio);
    return err;
}

static enum err use_key(SSL_CTX *made, const struct buf *content, const char *path, const char *certificate_path,
                        struct err_info *info) {
    BIO *bio = bio_over(content);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    enum err err = ERR_NONE;
    if (key == NULL) {
        err = err_set(info, ERR_CONFIG, "%.150s: no key without a passphrase in PEM: %s", path, reason_of_failure());
    } else if (!SSL_CTX_use_PrivateKey(made, key) || !SSL_CTX_check_private_key(made)) {
        err = err_set(info, ERR_CONFIG, "%.110s is not the key of %.110s", path, certificate_path);
    }
    EVP_PKEY_free(key);
    BIO_free(bio);
    return err;
}

/* What the two files make, whole. */
struct loaded {
    SSL_CTX *made;
    int64_t expires_at_s;
    struct file_stamp certificate, key;
};

static enum err load(const char *certificate, const char *key, struct loaded *ret_loaded, struct err_info *info) {
    struct loaded loaded = {0};
    struct buf certificate_text, key_text;
    buf_init(&certificate_text, TLS_FILE_MAX_BYTES);
    buf_init(&key_text, TLS_FILE_MAX_BYTES);
    ERR_clear_error();
    enum err err = read_file(certificate, &certificate_text, &loaded.certificate, info);
    if (err == ERR_NONE) {
        err = read_file(key, &key_text, &loaded.key, info);
    }
    if (err == ERR_NONE) {
        loaded.made = server_profile_create();
        err = use_certificate(loaded.made, &certificate_text, certificate, &loaded.expires_at_s, info);
    }
    if (err == ERR_NONE) {
        err = use_key(loaded.made, &key_text, key, certificate, info);
    }
    if (key_text.data != NULL) {
        OPENSSL_cleanse(key_text.data, key_text.capacity);
    }
    buf_release(&key_text);
    buf_release(&certificate_text);
    ERR_clear_error();
    if (err != ERR_NONE) {
        SSL_CTX_free(loaded.made);
        return err;
    }
    *ret_loaded = loaded;
    return ERR_NONE;
}

static void take(struct tls_context *context, const struct loaded *loaded) {
    context->certificate_was = loaded->certificate;
    context->key_was = loaded->key;
    atomic_store(&context->expires_at_s, loaded->expires_at_s);
    pthread_mutex_lock(&context->lock);
    SSL_CTX *before = context->newest;
    context->newest = loaded->made;
    pthread_mutex_unlock(&context->lock);
    SSL_CTX_free(before); /* connections that began with it hold it on */
}

static struct tls_context *context_create(void) {
    struct tls_context *context = calloc_or_end(1, sizeof *context);
    pthread_mutex_init(&context->lock, NULL);
    return context;
}

enum err tls_context_open(const struct tls_files *files, struct tls_context **ret_context, struct err_info *info) {
    struct loaded loaded;
    enum err err = load(files->certificate, files->key, &loaded, info);
    if (err != ERR_NONE) {
        return err;
    }
    struct tls_context *context = context_create();
    context->certificate = strdup_or_end(files->certificate);
    context->key = strdup_or_end(files->key);
    take(context, &loaded);
    *ret_context = context;
    return ERR_NONE;
}

enum err tls_context_reload(struct tls_context *context, bool *ret_changed, struct err_info *info) {
    if (is_unchanged(context->certificate, &context->certificate_was) &&
        is_unchanged(context->key, &context->key_was)) {
        *ret_changed = false;
        return ERR_NONE;
    }
    struct loaded loaded;
    enum err err = load(context->certificate, context->key, &loaded, info);
    if (err == ERR_NONE) {
        take(context, &loaded);
        *ret_changed = true;
    }
    return err;
}

int64_t tls_context_expires_at_s(const struct tls_context *context) {
    return atomic_load(&context->expires_at_s);
}

enum err tls_client_context_open(const char *ca_file, struct tls_context **ret_context, struct err_info *info) {
    ERR_clear_error();
    SSL_CTX *made = profile_create(TLS_client_method());
    bool is_loaded = ca_file != NULL ? SSL_CTX_load_verify_file(made, ca_file) : SSL_CTX_set_default_verify_paths(made);
    if (!is_loaded) {
        enum err err = err_set(info, ERR_CONFIG, "%.150s: no certificates of authorities: %s",
                               ca_file != NULL ? ca_file : "the system's", reason_of_failure());
        ERR_clear_error();
        SSL_CTX_free(made);
        return err;
    }
    if (SSL_CTX_set_alpn_protos(made, (const unsigned char *)PROTOCOL, sizeof PROTOCOL - 1) != 0) {
        out_of_memory("OpenSSL");
    }
    SSL_CTX_set_verify(made, SSL_VERIFY_PEER, NULL);
    struct tls_context *context = context_create();
    context->newest = made;
    *ret_context = context;
    return ERR_NONE;
}

void tls_context_close(struct tls_context *context) {
    if (context == NULL) {
        return;
    }
    SSL_CTX_free(context->newest);
    pthread_mutex_destroy(&context->lock);
    free(context->certificate);
    free(context->key);
    free(context);
}

/* ---- connections --------------------------------------------------------------------------------------------- */

/* The certificate must be for this name, or address; a name is told to the server as well (RFC 6066, 3). */
static bool expect_peer(SSL *ssl, const char *name) {
    struct in6_addr address;
    if (inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name);
    }
    return SSL_set1_host(ssl, name) && SSL_set_tlsext_host_name(ssl, name);
}

struct tls *tls_begin(struct tls_context *context, const char *peer_name) {
    struct tls *tls = calloc_or_end(1, sizeof *tls);
    pthread_once(&bio_once, make_bio_method);
    pthread_mutex_lock(&context->lock);
    SSL *ssl = SSL_new(context->newest);
    pthread_mutex_unlock(&context->lock);
    BIO *bio = BIO_new(bio_method);
    if (ssl == NULL || bio == NULL || (peer_name != NULL && !expect_peer(ssl, peer_name))) {
        out_of_memory("OpenSSL");
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    tls->ssl = ssl;
    tls->is_server = peer_name == NULL;
    if (tls->is_server) {
        SSL_set_accept_state(ssl);
    } else {
        SSL_set_connect_state(ssl);
    }
    return tls;
}

void tls_free(struct tls *tls) {
    if (tls != NULL) {
        SSL_free(tls->ssl);
        free(tls);
    }
}

static enum tls_state fail(struct tls *tls) {
    tls->has_failed = true;
    return TLS_FAILED;
}

/* What a call that did not work means: more bytes are needed, the peer has ended, or it is over. */
static enum tls_state state_after(struct tls *tls, int result) {
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return TLS_GOES_ON;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_ENDED;
    default:
        return fail(tls);
    }
}

static enum tls_state take_input(struct tls *tls, struct buf *plain) {
    ERR_clear_error(); /* else SSL_get_error tells of an older failure on this thread */
    if (!SSL_is_init_finished(tls->ssl)) {
        int result = SSL_do_handshake(tls->ssl);
        if (result != 1) {
            return state_after(tls, result);
        }
    }
    for (;;) {
        char *at = buf_reserve(plain, SSL3_RT_MAX_PLAIN_LENGTH);
        size_t size = 0;
        if (at == NULL) {
            return fail(tls);
        }
        int result = SSL_read_ex(tls->ssl, at, SSL3_RT_MAX_PLAIN_LENGTH, &size);
        if (result != 1) {
            return state_after(tls, result);
        }
        plain->len += size;
    }
}

enum tls_state tls_received(struct tls *tls, struct str ciphertext, struct buf *plain, struct buf *wire) {
    if (tls->has_failed) {
        return TLS_FAILED;
    }
    tls->input = ciphertext;
    tls->wire = wire;
    enum tls_state state = take_input(tls, plain);
    tls->wire = NULL;
    tls->input = (struct str){0};
    return state;
}

bool tls_send(struct tls *tls, struct str plain, struct buf *wire) {
    assert(tls_is_open(tls));
    size_t written = 0;
    ERR_clear_error();
    tls->wire = wire;
    bool is_sent = SSL_write_ex(tls->ssl, plain.data, plain.len, &written) == 1 && written == plain.len;
    tls->wire = NULL;
    tls->has_failed |= !is_sent;
    return is_sent;
}

void tls_end(struct tls *tls, struct buf *wire) {
    if (!tls_is_open(tls) || (SSL_get_shutdown(tls->ssl) & SSL_SENT_SHUTDOWN) != 0) {
        return;
    }
    ERR_clear_error();
    tls->wire = wire;
    (void)SSL_shutdown(tls->ssl);
    tls->wire = NULL;
}

bool tls_is_open(const struct tls *tls) {
    return !tls->has_failed && SSL_is_init_finished(tls->ssl);
}

bool tls_distrusts(const struct tls *tls) {
    return tls->has_failed && !tls->is_server && SSL_get_verify_result(tls->ssl) != X509_V_OK;
}
