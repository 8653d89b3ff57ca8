#include "core/gateway/certificate.h"

#include <string.h>

#include "core/base/address.h"
#include "core/base/logger.h"
#include "core/base/timestamp.h"

static void log_certificate(const struct certificate *certificate, const char *message) {
    char expires[TIMESTAMP_TEXT_MAX + 1];
    size_t len = timestamp_write(tls_context_expires_at_s(certificate->tls) * MICROS_PER_SECOND, expires);
    log_line(LOG_INFO, "gateway", message, LOG_STR("expires_at", str_of(expires, len)));
}

/* What is sent in the clear (passwords, tokens, orders) is read and changed by whoever is on its way. */
static enum err check_plain(const struct config *config, struct err_info *info) {
    bool may_be = config->development || *config->trusted_proxies != '\0' ||
                  address_is_this_machine(str_of_cstr(config->http_host));
    return may_be ? ERR_NONE
                  : err_set(
                        info, ERR_CONFIG,
                        "http_host %.64s is reached from other machines, and what is sent there would be in the clear: "
                        "give tls_certificate and tls_key, or name the proxies before it in trusted_proxies",
                        config->http_host);
}

enum err certificate_open(struct certificate *certificate, const struct config *config, struct err_info *info) {
    const struct tls_files files = {.certificate = config->tls_certificate, .key = config->tls_key};
    if (files.certificate[0] == '\0' && files.key[0] == '\0') {
        return check_plain(config, info);
    }
    if (files.certificate[0] == '\0' || files.key[0] == '\0') {
        return err_set(info, ERR_CONFIG, "tls_certificate and tls_key belong together: give both, or neither");
    }
    enum err err = tls_context_open(&files, &certificate->tls, info);
    if (err == ERR_NONE) {
        log_certificate(certificate, "the front has a certificate");
    }
    return err;
}

/* Once for each reason, however often the files are looked at. */
static void log_refusal(struct certificate *certificate, const struct err_info *refusal) {
    if (certificate->refusal.code == refusal->code && strcmp(certificate->refusal.text, refusal->text) == 0) {
        return;
    }
    certificate->refusal = *refusal;
    log_line(LOG_WARN, "gateway", "the certificate's files cannot be taken; what was loaded before is served on",
             LOG_CSTR("reason", refusal->text));
}

void certificate_tick(struct certificate *certificate, int64_t now_boot_us) {
    bool is_time = now_boot_us - certificate->looked_at_boot_us >= (int64_t)CERTIFICATE_LOOK_MS * MICROS_PER_MS;
    if (certificate->tls == NULL || !is_time) {
        return;
    }
    certificate->looked_at_boot_us = now_boot_us;
    bool has_changed = false;
    struct err_info info = {0};
    enum err err = tls_context_reload(certificate->tls, &has_changed, &info);
    atomic_store(&certificate->is_refused, err != ERR_NONE);
    if (err != ERR_NONE) {
        log_refusal(certificate, &info);
        return;
    }
    certificate->refusal = (struct err_info){0};
    if (has_changed) {
        atomic_fetch_add(&certificate->reloads_total, 1);
        log_certificate(certificate, "a new certificate is served");
    }
}

void certificate_close(struct certificate *certificate) {
    tls_context_close(certificate->tls);
}
