/* test_tls.h: for tests: an authority and its certificates, made when they are wanted, in a folder of their own.
 * Thread   the test's.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/http/tls.h"

enum { TEST_PATH_MAX = 128, TEST_DAY_S = 86400 };

struct test_authority {
    char folder[TEST_PATH_MAX];
    char file[TEST_PATH_MAX]; /* its own certificate */
    EVP_PKEY *key;
    X509 *certificate;
    long serial;
};

/* What is asked of a certificate; zeros are a test's defaults. */
struct test_certificate {
    const char *name;            /* of its files: NAME.pem, NAME.key */
    long begins_in_s, ends_in_s; /* from now; ends_in_s 0: in a day */
    const char *hosts;           /* NULL: DNS:localhost,IP:127.0.0.1 */
    bool is_rsa;
    bool has_chain; /* the authority's certificate stands behind it */
};

static inline void test_path(char *ret_path, const struct test_authority *authority, const char *name,
                             const char *end) {
    snprintf(ret_path, TEST_PATH_MAX, "%.60s/%.40s%.10s", authority->folder, name, end);
}

static inline void test_add_extension(X509 *certificate, X509 *issuer, int nid, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static inline X509 *test_certificate_begin(struct test_authority *authority, EVP_PKEY *key, const char *name,
                                           long begins_in_s, long ends_in_s) {
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++authority->serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), begins_in_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), ends_in_s);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8, (const unsigned char *)name, -1,
                               -1, 0);
    X509_set_pubkey(certificate, key);
    return certificate;
}

static inline void test_write_pem(const char *path, X509 *const *certificates, size_t count, EVP_PKEY *key) {
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(PEM_write_X509(file, certificates[i]), 1);
    }
    if (key != NULL) {
        assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    }
    fclose(file);
}

static inline void test_authority_begin(struct test_authority *authority) {
    *authority = (struct test_authority){.folder = "/tmp/daybook-tls-XXXXXX"};
    assert_non_null(mkdtemp(authority->folder));
    authority->key = EVP_EC_gen("P-256");
    X509 *made = test_certificate_begin(authority, authority->key, "a test's authority", -TEST_DAY_S, TEST_DAY_S);
    X509_set_issuer_name(made, X509_get_subject_name(made));
    test_add_extension(made, made, NID_basic_constraints, "critical,CA:TRUE");
    test_add_extension(made, made, NID_key_usage, "critical,keyCertSign,cRLSign");
    assert_true(X509_sign(made, authority->key, EVP_sha256()) > 0);
    authority->certificate = made;
    test_path(authority->file, authority, "ca", ".pem");
    test_write_pem(authority->file, &made, 1, NULL);
}

/* Written whole, beside, and put into its place, as tools do that renew certificates. */
static inline void test_certificate_write(struct test_authority *authority, struct test_certificate asked) {
    char certificate_path[TEST_PATH_MAX], key_path[TEST_PATH_MAX], new_path[TEST_PATH_MAX];
    test_path(certificate_path, authority, asked.name, ".pem");
    test_path(key_path, authority, asked.name, ".key");
    test_path(new_path, authority, asked.name, ".new");
    EVP_PKEY *key = asked.is_rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    long ends_in_s = asked.ends_in_s == 0 ? TEST_DAY_S : asked.ends_in_s;
    X509 *made = test_certificate_begin(authority, key, asked.name, asked.begins_in_s - 60, ends_in_s);
    X509_set_issuer_name(made, X509_get_subject_name(authority->certificate));
    test_add_extension(made, authority->certificate, NID_subject_alt_name,
                       asked.hosts != NULL ? asked.hosts : "DNS:localhost,IP:127.0.0.1");
    assert_true(X509_sign(made, authority->key, EVP_sha256()) > 0);
    X509 *chain[] = {made, authority->certificate};
    test_write_pem(new_path, chain, asked.has_chain ? 2 : 1, NULL);
    assert_int_equal(rename(new_path, certificate_path), 0);
    test_write_pem(new_path, NULL, 0, key);
    assert_int_equal(rename(new_path, key_path), 0);
    X509_free(made);
    EVP_PKEY_free(key);
}

static inline void test_authority_end(struct test_authority *authority) {
    char path[TEST_PATH_MAX];
    DIR *folder = opendir(authority->folder);
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] != '.') {
            test_path(path, authority, entry->d_name, "");
            assert_int_equal(remove(path), 0);
        }
    }
    closedir(folder);
    assert_int_equal(rmdir(authority->folder), 0);
    X509_free(authority->certificate);
    EVP_PKEY_free(authority->key);
}

static inline struct tls_context *test_server_context(const struct test_authority *authority, const char *name) {
    char certificate[TEST_PATH_MAX], key[TEST_PATH_MAX];
    struct tls_context *context = NULL;
    struct err_info info = {0};
    test_path(certificate, authority, name, ".pem");
    test_path(key, authority, name, ".key");
    if (tls_context_open(&(struct tls_files){.certificate = certificate, .key = key}, &context, &info) != ERR_NONE) {
        fail_msg("%s", info.text);
    }
    return context;
}

static inline struct tls_context *test_client_context(const struct test_authority *authority) {
    struct tls_context *context = NULL;
    struct err_info info = {0};
    if (tls_client_context_open(authority->file, &context, &info) != ERR_NONE) {
        fail_msg("%s", info.text);
    }
    return context;
}
