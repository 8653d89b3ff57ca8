#include "core/log/client_security.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/memory.h"
#include "core/base/timestamp.h"

/* Before it librdkafka repeated the client's part of the nonce (RFC 5802, section 5.1), and brokers of Kafka 4 call
 * that wrong credentials (that older ones did not look was CVE-2024-56128). */
enum { SCRAM_SINCE = 0x020601ff };

#define PLAINTEXT "plaintext"
#define SASL_SSL "sasl_ssl"

static struct {
    struct client_security security; /* protocol NULL: in the clear */
    char *authorities;               /* what stands in ca_file; NULL: those of the machine */
} own;

/* ---- what was set ------------------------------------------------------------------------------------------------ */

static enum err check(const struct client_security *security, struct err_info *info) {
    bool is_plain = strcmp(security->protocol, PLAINTEXT) == 0;
    bool has_name = *security->username != '\0' || *security->password != '\0';
    if (is_plain && *security->ca_file != '\0') {
        return err_set(info, ERR_CONFIG,
                       "kafka_ca_file is set, but with kafka_security = plaintext no broker shows a certificate: set "
                       "kafka_security to ssl or sasl_ssl");
    }
    if (strcmp(security->protocol, SASL_SSL) != 0) {
        return has_name ? err_set(info, ERR_CONFIG,
                                  "kafka_username or kafka_password is set, but with kafka_security = %s no broker "
                                  "asks for them: set it to sasl_ssl",
                                  security->protocol)
                        : ERR_NONE;
    }
    if (*security->username == '\0' || *security->password == '\0') {
        return err_set(info, ERR_CONFIG, "kafka_security = sasl_ssl needs kafka_username and kafka_password");
    }
    return strncmp(security->mechanism, "SCRAM-", 6) == 0 && rd_kafka_version() < SCRAM_SINCE
               ? err_set(
                     info, ERR_CONFIG,
                     "kafka_mechanism is %s, which brokers of Kafka 4 refuse from librdkafka %s: set it to PLAIN, or "
                     "install librdkafka 2.6.1 or newer",
                     security->mechanism, rd_kafka_version_str())
               : ERR_NONE;
}

static enum err read_all(FILE *file, const char *path, struct buf *content, struct err_info *info) {
    enum { CHUNK_BYTES = 4096 };
    while (!feof(file)) {
        char *at = buf_reserve(content, CHUNK_BYTES);
        if (at == NULL) {
            return err_set(info, ERR_CONFIG, "kafka_ca_file: %.100s is larger than %d bytes", path,
                           CLIENT_CA_MAX_BYTES);
        }
        content->len += (uint32_t)fread(at, 1, CHUNK_BYTES, file);
        if (ferror(file)) {
            return err_set(info, ERR_CONFIG, "kafka_ca_file: %.100s: %s", path, strerror(errno));
        }
    }
    return ERR_NONE;
}

/* librdkafka would take a file without any certificate, and then know no authority at all. */
static enum err check_authorities(struct str content, const char *path, struct err_info *info) {
    static const char begin[] = "-----BEGIN CERTIFICATE-----";
    bool has_one = memmem(content.data, content.len, begin, sizeof begin - 1) != NULL;
    return has_one && str_find(content, '\0') == content.len
               ? ERR_NONE
               : err_set(info, ERR_CONFIG, "kafka_ca_file: in %.100s stands no certificate in PEM", path);
}

static enum err read_authorities(const char *path, char **ret_text, struct err_info *info) {
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return err_set(info, ERR_CONFIG, "kafka_ca_file: %.100s: %s", path, strerror(errno));
    }
    struct buf content;
    buf_init(&content, CLIENT_CA_MAX_BYTES);
    enum err err = read_all(file, path, &content, info);
    (void)fclose(file);
    err = err != ERR_NONE ? err : check_authorities(buf_text(&content), path, info);
    if (err == ERR_NONE) {
        *ret_text = malloc_or_end(content.len + 1);
        memcpy(*ret_text, content.data, content.len);
        (*ret_text)[content.len] = '\0';
    }
    buf_release(&content);
    return err;
}

enum err client_security_set(const struct client_security *security, struct err_info *info) {
    char *authorities = NULL;
    enum err err = check(security, info);
    if (err == ERR_NONE && *security->ca_file != '\0') {
        err = read_authorities(security->ca_file, &authorities, info);
    }
    if (err != ERR_NONE) {
        return err;
    }
    client_security_clear();
    own.security = *security;
    own.authorities = authorities;
    return ERR_NONE;
}

/* ---- why we are refused ------------------------------------------------------------------------------------------ */

/* "[thrd:ssl://b:1/bootstrap]: ssl://b:1/bootstrap: Disconnected (after 3ms in state SSL_HANDSHAKE, 2 identical ...)":
 * what it was about when it was cut off may be all that is known. */
void client_line_told(const char *line, char *ret_text, size_t size) {
    static const char thread[] = "[thrd:", thread_end[] = "]: ", in_state[] = " in state ";
    const char *begin = strncmp(line, thread, sizeof thread - 1) == 0 ? strstr(line, thread_end) : NULL;
    begin = begin == NULL ? line : begin + sizeof thread_end - 1;
    const char *after = strstr(begin, " (after ");
    const char *state = after == NULL ? NULL : strstr(after, in_state);
    if (state == NULL) {
        (void)snprintf(ret_text, size, "%s", begin);
        return;
    }
    state += sizeof in_state - 1;
    (void)snprintf(ret_text, size, "%.*s (in state %.*s)", (int)(after - begin), begin, (int)strcspn(state, ",)"),
                   state);
}

static struct {
    _Atomic bool is_there; /* so that nobody takes the lock as long as all is well */
    pthread_mutex_t lock;
    char text[CLIENT_TROUBLE_MAX];
    int64_t at_us; /* of the boot clock */
} trouble = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void trouble_set(const char *line, int64_t now_us) {
    pthread_mutex_lock(&trouble.lock);
    client_line_told(line, trouble.text, sizeof trouble.text);
    trouble.at_us = now_us;
    pthread_mutex_unlock(&trouble.lock);
    atomic_store(&trouble.is_there, *line != '\0');
}

bool client_security_trouble(char ret_text[CLIENT_TROUBLE_MAX]) {
    if (!atomic_load(&trouble.is_there)) {
        return false;
    }
    int64_t now_us = clock_boot_us();
    pthread_mutex_lock(&trouble.lock);
    bool is_fresh = now_us - trouble.at_us < CLIENT_TROUBLE_KEPT_S * (int64_t)MICROS_PER_SECOND;
    if (is_fresh) {
        memcpy(ret_text, trouble.text, sizeof trouble.text);
    }
    pthread_mutex_unlock(&trouble.lock);
    return is_fresh;
}

/* Names of brokers have the protocol in small letters, so these words are librdkafka's and OpenSSL's own: "SSL
 * handshake failed", "SASL authentication error", and, of a client in the clear, "(connecting to a SSL listener?)". */
static void on_line(const rd_kafka_t *client, int level, const char *facility, const char *line) {
    (void)client, (void)level;
    bool is_refusal = strcmp(facility, "FAIL") == 0 && (strstr(line, "SSL") != NULL || strstr(line, "SASL") != NULL);
    if (is_refusal) {
        trouble_set(line, clock_boot_us());
    }
}

/* ---- at a client ------------------------------------------------------------------------------------------------- */

void client_security_clear(void) {
    free(own.authorities);
    own.authorities = NULL;
    own.security = (struct client_security){0};
    trouble_set("", 0);
}

/* Of a text there is none that these settings refuse; what is wrong with a certificate rd_kafka_new tells. */
static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, name, value, NULL, 0);
    assert(result == RD_KAFKA_CONF_OK);
}

void client_security_apply(rd_kafka_conf_t *conf) {
    const struct client_security *security = &own.security;
    rd_kafka_conf_set_log_cb(conf, on_line);
    if (security->protocol == NULL || strcmp(security->protocol, PLAINTEXT) == 0) {
        return;
    }
    set(conf, "security.protocol", security->protocol);
    set(conf, "ssl.endpoint.identification.algorithm", "https");
    if (own.authorities != NULL) {
        set(conf, "ssl.ca.pem", own.authorities);
    }
    if (strcmp(security->protocol, SASL_SSL) == 0) {
        set(conf, "sasl.mechanism", security->mechanism);
        set(conf, "sasl.username", security->username);
        set(conf, "sasl.password", security->password);
    }
}
