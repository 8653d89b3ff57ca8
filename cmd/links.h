/* links.h: whether what this process speaks to on other machines is spoken to in TLS, and known by its certificate.
 *
 * Rule     outside of `development` a link to another machine is protected, or named in `unprotected_links`:
 *            kafka     kafka_security is ssl or sasl_ssl, which always look at the name
 *            postgres  sslmode=verify-full, in `postgres` or `vault_postgres`, or by libpq's variables and service file
 *            provider  provider_url is https://
 *            admin     admin_port, which has no TLS, listens on this machine alone
 *            front     http_port has a certificate, or listens on this machine alone: also where proxies of ours come
 *                      (certificate.h asks besides that they are named)
 *          Mails have a rule of their own (smtp_calls.h). ASVS 5.0, 12.3.1 to 12.3.3.
 * Limits   settings are looked at, not what they lead to: brokers on this machine may name others, and a service file
 *          that a connection string names is not read, so `sslmode` must stand in the string then.
 * Thread   any; before others, since libpq reads the environment.       May use: base, libpq.
 */
#pragma once

#include "core/base/config.h"

/* ERR_CONFIG names the first link that is not protected and may not be so; or a word of `unprotected_links` that is
 * none. */
MUST_CHECK enum err links_check(const struct config *config, struct err_info *info);

/* A line of the log for each link that is not protected because it may be so. */
void links_warn(const struct config *config);
