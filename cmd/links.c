#include "cmd/links.h"

#include <libpq-fe.h>
#include <string.h>
#include <strings.h>

#include "core/base/address.h"
#include "core/base/logger.h"
#include "core/base/macros.h"
#include "core/base/str.h"

/* ---- PostgreSQL -------------------------------------------------------------------------------------------------- */

/* NULL: it is not there, or empty. */
static const char *part_of(const PQconninfoOption *parts, const char *keyword) {
    for (const PQconninfoOption *part = parts; part != NULL && part->keyword != NULL; part++) {
        if (strcmp(part->keyword, keyword) == 0) {
            return part->val == NULL || *part->val == '\0' ? NULL : part->val;
        }
    }
    return NULL;
}

/* A socket of this machine, as libpq tells it from a name. */
static bool is_socket(struct str host) {
    return host.len == 0 || host.data[0] == '/' || host.data[0] == '@';
}

static bool are_all_here(const char *hosts) {
    struct str rest = str_of_cstr(hosts);
    for (;;) {
        struct str host = str_first(rest, str_find(rest, ','));
        if (!is_socket(host) && !address_is_this_machine(host)) {
            return false;
        }
        if (host.len == rest.len) {
            return true;
        }
        rest = str_from(rest, host.len + 1);
    }
}

/* What the string leaves open the variables say, or their service file; but not where the string names a service, whose
 * file would have to be read as libpq reads it. */
static bool is_protected_by(const PQconninfoOption *parts, const PQconninfoOption *defaults) {
    bool has_service = part_of(parts, "service") != NULL;
    const PQconninfoOption *others = has_service ? NULL : defaults;
    const char *mode = part_of(parts, "sslmode");
    mode = mode == NULL ? part_of(others, "sslmode") : mode;
    if (mode != NULL && strcmp(mode, "verify-full") == 0) {
        return true;
    }
    static const char *const wheres[] = {"hostaddr", "host"}; /* the former is where it connects, when it is there */
    for (size_t i = 0; i < ARRAY_LENGTH(wheres); i++) {
        const char *hosts = part_of(parts, wheres[i]);
        hosts = hosts == NULL ? part_of(others, wheres[i]) : hosts;
        if (hosts != NULL) {
            return are_all_here(hosts);
        }
    }
    return !has_service; /* libpq's own default is a socket */
}

/* One that cannot be read is told by who connects. */
static bool is_conninfo_protected(const char *conninfo) {
    PQconninfoOption *parts = PQconninfoParse(conninfo, NULL);
    PQconninfoOption *defaults = PQconndefaults();
    bool is_protected = parts == NULL || is_protected_by(parts, defaults);
    PQconninfoFree(parts);
    PQconninfoFree(defaults);
    return is_protected;
}

static bool is_postgres_protected(const struct config *config) {
    return is_conninfo_protected(config->postgres) &&
           (*config->vault_postgres == '\0' || is_conninfo_protected(config->vault_postgres));
}

/* ---- the others -------------------------------------------------------------------------------------------------- */

/* Of HOST:PORT, [ADDRESS]:PORT, or a host alone. */
static struct str host_of(struct str authority) {
    if (authority.len > 0 && authority.data[0] == '[') {
        return str_first(authority, str_find(authority, ']') + 1);
    }
    return str_first(authority, str_find(authority, ':'));
}

static struct str trimmed(struct str text) {
    while (text.len > 0 && text.data[0] == ' ') {
        text = str_from(text, 1);
    }
    return text;
}

static bool is_kafka_protected(const struct config *config) {
    bool is_protected = true;
    for (struct str rest = str_of_cstr(config->kafka_brokers); rest.len > 0 && is_protected;) {
        struct str broker = str_first(rest, str_find(rest, ','));
        rest = str_from(rest, broker.len + 1);
        is_protected = address_is_this_machine(host_of(trimmed(broker)));
    }
    return is_protected || strcmp(config->kafka_security, "plaintext") != 0;
}

/* As libcurl reads it: a scheme in whatever case, http where there is none. A user before the host could look like a
 * machine of ours, so whoever names one has to have TLS. */
static bool is_provider_protected(const struct config *config) {
    static const char tls[] = "https://", plain[] = "http://";
    const char *url = config->provider_url;
    if (strncasecmp(url, tls, sizeof tls - 1) == 0) {
        return true;
    }
    bool has_scheme = strncasecmp(url, plain, sizeof plain - 1) == 0;
    struct str rest = str_of_cstr(has_scheme ? url + sizeof plain - 1 : url);
    struct str authority = str_first(rest, str_find(rest, '/'));
    return str_find(authority, '@') == authority.len && address_is_this_machine(host_of(authority));
}

static bool is_front_protected(const struct config *config) {
    return *config->tls_certificate != '\0' || address_is_this_machine(str_of_cstr(config->http_host));
}

static bool is_admin_protected(const struct config *config) {
    return config->admin_port == 0 || address_is_this_machine(str_of_cstr(config->admin_host));
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static const struct link {
    const char *name;
    bool (*is_protected)(const struct config *config);
    const char *remedy;
} links[] = {
    {"kafka", is_kafka_protected, "kafka_security = sasl_ssl or ssl"},
    {"postgres", is_postgres_protected, "sslmode=verify-full in the connection string, with sslrootcert"},
    {"provider", is_provider_protected, "an https:// address in provider_url"},
    {"admin", is_admin_protected, "admin_host = 127.0.0.1, with a proxy before it that speaks TLS"},
    {"front", is_front_protected, "tls_certificate and tls_key"},
};

static bool holds_word(const char *list, struct str word) {
    for (struct str rest = str_of_cstr(list); rest.len > 0;) {
        struct str one = str_first(rest, str_find(rest, ' '));
        if (str_equal(one, word)) {
            return true;
        }
        rest = str_from(rest, one.len + 1);
    }
    return false;
}

static bool may_be_unprotected(const struct config *config, const struct link *link) {
    return holds_word(config->unprotected_links, str_of_cstr(link->name));
}

static enum err check_words(const struct config *config, struct err_info *info) {
    for (struct str rest = str_of_cstr(config->unprotected_links); rest.len > 0;) {
        struct str word = str_first(rest, str_find(rest, ' '));
        rest = str_from(rest, word.len + 1);
        bool is_one = word.len == 0;
        for (size_t i = 0; i < ARRAY_LENGTH(links); i++) {
            is_one |= str_equal(word, str_of_cstr(links[i].name));
        }
        if (!is_one) {
            return err_set(info, ERR_CONFIG,
                           "unprotected_links: there is no '%.*s'; there are kafka postgres provider admin front",
                           STR_ARGS(str_first(word, 64)));
        }
    }
    return ERR_NONE;
}

enum err links_check(const struct config *config, struct err_info *info) {
    enum err err = check_words(config, info);
    for (size_t i = 0; i < ARRAY_LENGTH(links) && err == ERR_NONE && !config->development; i++) {
        if (!links[i].is_protected(config) && !may_be_unprotected(config, &links[i])) {
            err = err_set(info, ERR_CONFIG,
                          "%s: the way to another machine is not protected: it takes %s; or, where the network between "
                          "is protected by itself, `%s` in unprotected_links",
                          links[i].name, links[i].remedy, links[i].name);
        }
    }
    return err;
}

void links_warn(const struct config *config) {
    for (size_t i = 0; i < ARRAY_LENGTH(links); i++) {
        if (!config->development && !links[i].is_protected(config)) {
            log_line(LOG_WARN, "serve",
                     "the way to another machine is not protected, as unprotected_links allows: whoever is on it reads "
                     "and changes what is said",
                     LOG_CSTR("link", links[i].name), LOG_CSTR("remedy", links[i].remedy));
        }
    }
}
