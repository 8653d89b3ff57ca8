/* config.h: the settings of a process: one file, overridden by DAYBOOK_* variables.
 *
 * Purpose  config.def is the one table of settings: name, type, default, range, and the sentence that
 *          `daybook config` prints. A setting `kafka_brokers` is `kafka_brokers = ...` in the file and
 *          DAYBOOK_KAFKA_BROKERS in the environment.
 * Promise  an unknown name, a value of the wrong type or out of range is an ERR_CONFIG that says which line, and
 *          nothing starts; nor does it with `access` open where `development` is not set. Text values live as long as
 *          the struct. A secret is printed as a comment, and the mark that stands for it is refused as a value: what
 *          `daybook config` prints can be saved and read again.
 * Secrets  a setting whose name ends in _secret or _password is one, and any that holds a password. The former, and
 *          those that end in postgres, may be `file:/absolute/path`: then the first line of that file is the value,
 *          read once, at the start.
 * Thread   loaded once before threads start; then read-only.     May use: base.
 */
#pragma once

#include "core/base/buf.h"
#include "core/base/err.h"

struct config {
#define CONFIG_TEXT(name, default_value, help) const char *name;
#define CONFIG_CHOICE(name, default_value, values, help) const char *name;
#define CONFIG_NUMBER(name, default_value, least, most, help) int64_t name;
#define CONFIG_FLAG(name, default_value, help) bool name;
#include "core/base/config.def"
#undef CONFIG_TEXT
#undef CONFIG_CHOICE
#undef CONFIG_NUMBER
#undef CONFIG_FLAG
};

/* Defaults, then the file, then the environment. NULL: the file that DAYBOOK_CONFIG names, or none. */
MUST_CHECK enum err config_load(struct config *config, const char *path, struct err_info *info);
void config_release(struct config *config);

/* The connection string of the vault. */
static inline const char *config_vault_postgres(const struct config *config) {
    return *config->vault_postgres == '\0' ? config->postgres : config->vault_postgres;
}

/* Whether the setting of that name, which there must be, stands as it does in config.def. */
bool config_is_default(const struct config *config, const char *name);

/* Whether NAME=VALUE of the environment is one of our settings and holds a secret. */
bool config_variable_is_secret(const char *entry);

/* Every setting with its value and its documentation, in the form of the file. A secret is a
 * comment: it must be given again, or comes from the environment. */
void config_print(const struct config *config, struct buf *out);
