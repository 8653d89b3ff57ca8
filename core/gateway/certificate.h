/* certificate.h: the front's certificate: loaded at the start, and again when its files change.
 *
 * Promise  a pair of files is taken whole or not at all: while they do not fit, cannot be read, or are not valid now,
 *          what was loaded is served on, and they are looked at again after CERTIFICATE_LOOK_MS. The log says so once
 *          for each reason. Connections that are open keep the certificate that they began with.
 * Thread   opened before the loops run; certificate_tick is one loop's; the metrics are atomic.   May use: base, http.
 */
#pragma once

#include <stdatomic.h>

#include "core/base/config.h"
#include "core/http/tls.h"

enum { CERTIFICATE_LOOK_MS = 5000 };

struct certificate {
    struct tls_context *tls; /* NULL: the front speaks plain HTTP */
    int64_t looked_at_boot_us;
    struct err_info refusal; /* as last told to the log; the code is ERR_NONE when there is none */
    _Atomic uint64_t reloads_total;
    _Atomic bool is_refused;
};

/* ERR_CONFIG: half of the settings, files that cannot be taken, or none where others are on the way: http_host is
 * reached from other machines, and no proxy is named that speaks TLS to them (`trusted_proxies`). A developer
 * (`development`) may do as he likes. */
MUST_CHECK enum err certificate_open(struct certificate *certificate, const struct config *config,
                                     struct err_info *info);
/* Looks at the files when it is time to. They are small and local: the loop waits for them. */
void certificate_tick(struct certificate *certificate, int64_t now_boot_us);
void certificate_close(struct certificate *certificate);
