#include "cmd/confinement.h"

#include <assert.h>
#include <libpq-fe.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/sandbox.h"
#include "core/base/files.h"
#include "core/base/logger.h"
#include "core/base/memory.h"
#include "core/vault/master.h"
#include "core/vault/secret.h"

/* ---- which files ------------------------------------------------------------------------------------------------- */

/* Of the libraries: shared objects, names of hosts, certificates of authorities, processors, memory, randomness. */
static const struct sandbox_path system_paths[] = {
    {"/usr", SANDBOX_READ},
    {"/lib", SANDBOX_READ},
    {"/lib64", SANDBOX_READ},
    {"/etc", SANDBOX_READ},
    /* Whole, as the folder of one process has no identity that lasts; Landlock keeps other processes' memory and
     * environment closed. */
    {"/proc", SANDBOX_READ},
    {"/sys/devices/system", SANDBOX_READ},
    {"/sys/fs/cgroup", SANDBOX_READ},
    {"/dev/null", SANDBOX_WRITE_FILE},
    {"/dev/zero", SANDBOX_READ},
    {"/dev/random", SANDBOX_READ},
    {"/dev/urandom", SANDBOX_READ},
    /* Where /etc/resolv.conf may point. */
    {"/run/systemd/resolve", SANDBOX_READ},
    {"/run/NetworkManager", SANDBOX_READ},
    {"/run/resolvconf", SANDBOX_READ},
};

/* Variables by which libpq and OpenSSL are told of files. */
static const char *const variables_of_paths[] = {"SSL_CERT_FILE", "SSL_CERT_DIR", "OPENSSL_CONF", "PGSERVICEFILE",
                                                 "PGSYSCONFDIR"};
/* Parts of a connection string, and their variables (PGSSLROOTCERT ...), that name files. libpq reads them at each
 * connection, and certificates are exchanged for others meanwhile. */
static const struct {
    const char *keyword;
    bool is_exchanged;
} parts_of_paths[] = {{"passfile", false},   {"sslcert", true}, {"sslkey", true},
                      {"sslrootcert", true}, {"sslcrl", true},  {"sslcrldir", false}};
/* What libpq looks for in its user's folder. */
static const char *const paths_at_home[] = {".pgpass", ".pg_service.conf", ".postgresql"};

enum {
    EXTRA_READS_MAX = 64,
    PATHS_MAX = ARRAY_LENGTH(system_paths) + ARRAY_LENGTH(variables_of_paths) + 3 * ARRAY_LENGTH(parts_of_paths) +
                ARRAY_LENGTH(paths_at_home) + EXTRA_READS_MAX + 8 /* of the configuration */
};

/* The texts are ours. */
struct reach {
    struct sandbox_path paths[PATHS_MAX];
    size_t count;
};

static void reach_release(struct reach *reach) {
    for (size_t i = 0; i < reach->count; i++) {
        free((char *)reach->paths[i].path);
    }
}

static void reach_add(struct reach *reach, struct str path, enum sandbox_access access) {
    if (path.len == 0) {
        return;
    }
    assert(reach->count < PATHS_MAX);
    char *copy = malloc_or_end(path.len + 1);
    memcpy(copy, path.data, path.len);
    copy[path.len] = '\0';
    reach->paths[reach->count++] = (struct sandbox_path){.path = copy, .access = access};
}

static void reach_add_text(struct reach *reach, const char *path, enum sandbox_access access) {
    if (path != NULL) {
        reach_add(reach, str_of_cstr(path), access);
    }
}

/* The folder of a file that is exchanged for another one while we run: the new one is another file to the kernel. */
static void reach_add_folder(struct reach *reach, struct str path) {
    uint32_t slash = path.len;
    while (slash > 0 && path.data[slash - 1] != '/') {
        slash--;
    }
    if (path.len > 0) {
        reach_add(reach, slash > 0 ? str_first(path, slash) : STR("."), SANDBOX_READ);
    }
}

/* Of a list of libpq's, each part that names a file. */
static void reach_add_parts(struct reach *reach, PQconninfoOption *parts) {
    for (const PQconninfoOption *part = parts; part != NULL && part->keyword != NULL; part++) {
        for (size_t i = 0; i < ARRAY_LENGTH(parts_of_paths); i++) {
            if (part->val == NULL || strcmp(part->keyword, parts_of_paths[i].keyword) != 0) {
                continue;
            }
            if (parts_of_paths[i].is_exchanged) {
                reach_add_folder(reach, str_of_cstr(part->val));
            } else {
                reach_add_text(reach, part->val, SANDBOX_READ);
            }
        }
    }
    PQconninfoFree(parts);
}

static void reach_add_home(struct reach *reach) {
    const char *home = getenv("HOME");
    struct passwd user, *found = NULL;
    char texts[4096];
    if (home == NULL || *home == '\0') {
        bool is_known = getpwuid_r(geteuid(), &user, texts, sizeof texts, &found) == 0 && found != NULL;
        home = is_known ? user.pw_dir : NULL;
    }
    for (size_t i = 0; home != NULL && i < ARRAY_LENGTH(paths_at_home); i++) {
        char path[PATH_MAX];
        int len = snprintf(path, sizeof path, "%s/%s", home, paths_at_home[i]);
        if (len > 0 && (size_t)len < sizeof path) {
            reach_add(reach, str_of(path, (size_t)len), SANDBOX_READ);
        }
    }
}

static enum err reach_add_extra(struct reach *reach, const char *list, struct err_info *info) {
    size_t count = 0;
    for (struct str rest = str_of_cstr(list); rest.len > 0;) {
        struct str path = str_first(rest, str_find(rest, ':'));
        if (++count > EXTRA_READS_MAX) {
            return err_set(info, ERR_CONFIG, "sandbox_reads has more than %d paths", EXTRA_READS_MAX);
        }
        reach_add(reach, path, SANDBOX_READ);
        rest = str_from(rest, path.len + 1);
    }
    return ERR_NONE;
}

/* Whoever unseals, seals or destroys what is sealed. */
static bool has_keys(struct confinement roles) {
    return roles.has_front || roles.has_connector;
}

static enum err reach_of(const struct config *config, struct confinement roles, struct reach *reach,
                         struct err_info *info) {
    for (size_t i = 0; i < ARRAY_LENGTH(system_paths); i++) {
        reach_add_text(reach, system_paths[i].path, system_paths[i].access);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(variables_of_paths); i++) {
        reach_add_text(reach, getenv(variables_of_paths[i]), SANDBOX_READ);
    }
    reach_add_parts(reach, PQconndefaults());
    reach_add_parts(reach, PQconninfoParse(config->postgres, NULL)); /* a wrong one is told by who connects */
    reach_add_home(reach);
    if (roles.keeps_data) {
        reach_add_text(reach, config->data_dir, SANDBOX_WRITE);
    }
    if (has_keys(roles)) {
        reach_add_text(reach, config->secret_file, SANDBOX_READ);
        if (*config->master_keys_secret == '\0') {
            reach_add_text(reach, config->master_key_file, SANDBOX_READ);
        }
        reach_add_parts(reach, PQconninfoParse(config_vault_postgres(config), NULL));
    }
    if (roles.has_connector) {
        reach_add_folder(reach, str_of_cstr(config->smtp_ca_file));
    }
    if (roles.has_front) {
        reach_add_text(reach, config->docs_dir, SANDBOX_READ);
        reach_add_text(reach, config->password_list, SANDBOX_READ);
        reach_add_folder(reach, str_of_cstr(config->tls_certificate));
        reach_add_folder(reach, str_of_cstr(config->tls_key));
    }
    /* kafka_ca_file was read before (core/log/client_security.h), and is not read again. */
    if (config->development) {
        reach_add_text(reach, ".", SANDBOX_WRITE); /* where a core file goes */
    }
    return reach_add_extra(reach, config->sandbox_reads, info);
}

/* ---- entering ---------------------------------------------------------------------------------------------------- */

static enum err refuse_root(const struct config *config, struct err_info *info) {
    if (geteuid() != 0) {
        return ERR_NONE;
    }
    if (!config->development) {
        return err_set(info, ERR_CONFIG,
                       "root may not serve: a hole in this process would be one in the machine. Start it as a user of "
                       "its own; docs/operations.md, \"As whom it runs\", says how");
    }
    log_line(LOG_WARN, "serve", "root serves, as development is set; never do so where money is real");
    return ERR_NONE;
}

/* What the roles would make at their start. What goes wrong here they meet themselves, but would then be told of the
 * sandbox; so it is told here. */
static void make_ready(const struct config *config, struct confinement roles) {
    struct err_info info = {0};
    if (roles.keeps_data && folders_make(config->data_dir, &info) != ERR_NONE) {
        log_line(LOG_WARN, "serve", "data_dir cannot be made", LOG_CSTR("why", info.text));
    }
    struct secret secret;
    if (has_keys(roles) && secret_load(config->secret_file, &secret, &info) != ERR_NONE) {
        log_line(LOG_WARN, "serve", "the secret cannot be read", LOG_CSTR("why", info.text));
    } else if (has_keys(roles)) {
        secret_forget(&secret);
    }
    struct master_ring *ring = NULL;
    if (has_keys(roles) && master_load(config->master_key_file, config->master_keys_secret, &ring, &info) != ERR_NONE) {
        log_line(LOG_WARN, "serve", "the master keys cannot be read", LOG_CSTR("why", info.text));
    }
    master_free(ring);
}

static enum err enter_sandbox(const struct config *config, struct confinement roles, struct err_info *info) {
    struct reach reach = {.count = 0};
    struct err_info about_files = {0}, about_calls = {0};
    enum err files = reach_of(config, roles, &reach, info);
    if (files != ERR_NONE) {
        reach_release(&reach);
        return files;
    }
    files = sandbox_files(reach.paths, reach.count, &about_files);
    reach_release(&reach);
    if (files != ERR_NONE && files != ERR_NOT_FOUND) {
        *info = about_files;
        return files;
    }
    enum err calls = sandbox_calls(&about_calls);
    if (files != ERR_NONE || calls != ERR_NONE) {
        log_line(LOG_WARN, "serve", "this kernel has no whole sandbox for the process; it serves without",
                 LOG_CSTR("files", files == ERR_NONE ? "confined" : about_files.text),
                 LOG_CSTR("calls", calls == ERR_NONE ? "confined" : about_calls.text));
    }
    return ERR_NONE;
}

enum err confinement_enter(const struct config *config, struct confinement roles, struct err_info *info) {
    enum err err = refuse_root(config, info);
    if (err != ERR_NONE || !config->sandbox) {
        return err;
    }
    make_ready(config, roles);
    return enter_sandbox(config, roles, info);
}
