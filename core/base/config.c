#include "core/base/config.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/memory.h"
#include "core/base/text.h"

enum { CONFIG_FILE_MAX_BYTES = 256 * 1024, SECRET_LINE_MAX_BYTES = 4096 };

enum setting_kind { SETTING_TEXT, SETTING_NUMBER, SETTING_FLAG };

struct setting {
    const char *name;
    enum setting_kind kind;
    size_t offset; /* of its field in struct config */
    const char *default_text;
    int64_t default_number; /* also of a flag */
    int64_t least, most;
    const char *choices; /* of a text: words separated by spaces; NULL: any text will do */
    const char *help;
};

static const struct setting settings[] = {
#define CONFIG_TEXT(field, value, sentence)                                                                            \
    {.name = #field,                                                                                                   \
     .kind = SETTING_TEXT,                                                                                             \
     .offset = offsetof(struct config, field),                                                                         \
     .default_text = (value),                                                                                          \
     .help = (sentence)},
#define CONFIG_CHOICE(field, value, words, sentence)                                                                   \
    {.name = #field,                                                                                                   \
     .kind = SETTING_TEXT,                                                                                             \
     .offset = offsetof(struct config, field),                                                                         \
     .default_text = (value),                                                                                          \
     .choices = (words),                                                                                               \
     .help = (sentence)},
#define CONFIG_NUMBER(field, value, lowest, highest, sentence)                                                         \
    {.name = #field,                                                                                                   \
     .kind = SETTING_NUMBER,                                                                                           \
     .offset = offsetof(struct config, field),                                                                         \
     .default_number = (value),                                                                                        \
     .least = (lowest),                                                                                                \
     .most = (highest),                                                                                                \
     .help = (sentence)},
#define CONFIG_FLAG(field, value, sentence)                                                                            \
    {.name = #field,                                                                                                   \
     .kind = SETTING_FLAG,                                                                                             \
     .offset = offsetof(struct config, field),                                                                         \
     .default_number = (value),                                                                                        \
     .help = (sentence)},
#include "core/base/config.def"
#undef CONFIG_TEXT
#undef CONFIG_CHOICE
#undef CONFIG_NUMBER
#undef CONFIG_FLAG
};

/* Variables that begin like settings and are none: the file's name, and what scripts of deploy/local and tests read.
 * One that ends in _ stands for all that begin so. */
static const char *const foreign_variables[] = {"DAYBOOK_CONFIG", "DAYBOOK_KAFKA_LIBS", "DAYBOOK_LOCAL_",
                                                "DAYBOOK_TEST_"};

#define VARIABLE_PREFIX STR("DAYBOOK_")

static const struct setting *setting_by_name(struct str name) {
    for (size_t i = 0; i < ARRAY_LENGTH(settings); i++) {
        if (str_equal(name, str_of_cstr(settings[i].name))) {
            return &settings[i];
        }
    }
    return NULL;
}

static const char **text_of(struct config *config, const struct setting *setting) {
    return (const char **)((char *)config + setting->offset);
}

static int64_t *number_of(struct config *config, const struct setting *setting) {
    return (int64_t *)((char *)config + setting->offset);
}

static bool *flag_of(struct config *config, const struct setting *setting) {
    return (bool *)((char *)config + setting->offset);
}

static void set_text(struct config *config, const struct setting *setting, struct str value) {
    char *copy = strndup(value.data, value.len);
    if (copy == NULL) {
        out_of_memory("a setting");
    }
    const char **field = text_of(config, setting);
    free((char *)*field);
    *field = copy;
}

static void set_defaults(struct config *config) {
    *config = (struct config){0};
    for (size_t i = 0; i < ARRAY_LENGTH(settings); i++) {
        const struct setting *setting = &settings[i];
        switch (setting->kind) {
        case SETTING_TEXT:
            set_text(config, setting, str_of_cstr(setting->default_text));
            break;
        case SETTING_NUMBER:
            *number_of(config, setting) = setting->default_number;
            break;
        case SETTING_FLAG:
            *flag_of(config, setting) = setting->default_number != 0;
            break;
        }
    }
}

/* What is printed in the place of a secret. */
#define SECRET_MARK "(set)"

static bool is_choice(const char *choices, struct str value) {
    struct str rest = str_of_cstr(choices);
    while (rest.len > 0) {
        struct str word = str_first(rest, str_find(rest, ' '));
        if (str_equal(word, value)) {
            return true;
        }
        rest = str_from(rest, word.len + 1);
    }
    return false;
}

static bool ends_in(const char *name, struct str ending) {
    struct str whole = str_of_cstr(name);
    return whole.len >= ending.len && str_equal(str_from(whole, whole.len - ending.len), ending);
}

static bool is_secret_name(const char *name) {
    return ends_in(name, STR("_secret")) || ends_in(name, STR("_password"));
}

/* A connection string is no secret by itself, but may carry one. */
static bool may_stand_in_a_file(const char *name) {
    return is_secret_name(name) || ends_in(name, STR("postgres"));
}

static void close_file(int *fd) {
    if (*fd >= 0) {
        (void)close(*fd);
    }
}

/* The first line of what a file:/path names, into line[SECRET_LINE_MAX_BYTES + 1]. Of a regular file alone: anything
 * else could be waited for without an end. */
static enum err read_first_line(struct str path, char *line, struct str *ret_line, const char *where,
                                struct err_info *info) {
    char name[FILENAME_MAX];
    if (path.len == 0 || path.data[0] != '/' || path.len >= sizeof name) {
        return err_set(info, ERR_CONFIG, "%s: file: is followed by an absolute path", where);
    }
    memcpy(name, path.data, path.len);
    name[path.len] = '\0';
    CLEANUP(close_file) int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat about;
    if (fd < 0 || fstat(fd, &about) != 0) {
        return err_set(info, ERR_CONFIG, "%s: %.120s: %s", where, name, strerror(errno));
    }
    if (!S_ISREG(about.st_mode)) {
        return err_set(info, ERR_CONFIG, "%s: %.120s is not a regular file", where, name);
    }
    uint32_t filled = 0;
    while (filled <= SECRET_LINE_MAX_BYTES) {
        ssize_t got = read(fd, line + filled, SECRET_LINE_MAX_BYTES + 1 - filled);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return err_set(info, ERR_CONFIG, "%s: %.120s: %s", where, name, strerror(errno));
        }
        if (got == 0) {
            break;
        }
        filled += (uint32_t)got;
    }
    struct str first = str_first(str_of(line, filled), str_find(str_of(line, filled), '\n'));
    if (first.len > 0 && first.data[first.len - 1] == '\r') {
        first.len--;
    }
    if (first.len == 0) {
        return err_set(info, ERR_CONFIG, "%s: the first line of %.120s is empty", where, name);
    }
    if (first.len > SECRET_LINE_MAX_BYTES) {
        return err_set(info, ERR_CONFIG, "%s: the first line of %.120s is longer than %d bytes", where, name,
                       SECRET_LINE_MAX_BYTES);
    }
    *ret_line = first;
    return ERR_NONE;
}

static enum err set_text_checked(struct config *config, const struct setting *setting, struct str value,
                                 const char *where, struct err_info *info) {
    if (str_find(value, '\0') < value.len) {
        return err_set(info, ERR_CONFIG, "%s: %s holds a NUL byte", where, setting->name);
    }
    if (str_equal(value, STR(SECRET_MARK))) {
        return err_set(info, ERR_CONFIG,
                       "%s: %s is " SECRET_MARK ", which `daybook config` prints for a secret; give the secret itself",
                       where, setting->name);
    }
    if (setting->choices != NULL && !is_choice(setting->choices, value)) {
        return err_set(info, ERR_CONFIG, "%s: %s must be one of: %s; not '%.*s'", where, setting->name,
                       setting->choices, STR_ARGS(str_first(value, 64)));
    }
    set_text(config, setting, value);
    return ERR_NONE;
}

#define FILE_PREFIX STR("file:")

static enum err set_text_of_file(struct config *config, const struct setting *setting, struct str value,
                                 const char *where, struct err_info *info) {
    char line[SECRET_LINE_MAX_BYTES + 1];
    struct str first;
    enum err err = read_first_line(str_from(value, FILE_PREFIX.len), line, &first, where, info);
    err = err == ERR_NONE ? set_text_checked(config, setting, first, where, info) : err;
    explicit_bzero(line, sizeof line);
    return err;
}

/* `where` names the line or the variable in the error's text. */
static enum err set_value(struct config *config, const struct setting *setting, struct str value, const char *where,
                          struct err_info *info) {
    int64_t number;
    switch (setting->kind) {
    case SETTING_TEXT:
        return str_starts_with(value, FILE_PREFIX) && may_stand_in_a_file(setting->name)
                   ? set_text_of_file(config, setting, value, where, info)
                   : set_text_checked(config, setting, value, where, info);
    case SETTING_NUMBER:
        if (!int64_read(value, &number) || number < setting->least || number > setting->most) {
            return err_set(info, ERR_CONFIG, "%s: %s must be a number from %" PRId64 " to %" PRId64 ", not '%.*s'",
                           where, setting->name, setting->least, setting->most, STR_ARGS(str_first(value, 64)));
        }
        *number_of(config, setting) = number;
        return ERR_NONE;
    case SETTING_FLAG:
        if (!str_equal(value, STR("true")) && !str_equal(value, STR("false"))) {
            return err_set(info, ERR_CONFIG, "%s: %s must be true or false, not '%.*s'", where, setting->name,
                           STR_ARGS(str_first(value, 64)));
        }
        *flag_of(config, setting) = str_equal(value, STR("true"));
        return ERR_NONE;
    }
    assert(!"every kind of setting returns above");
    return ERR_CONFIG;
}

static struct str trimmed(struct str text) {
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text = str_from(text, 1);
    }
    while (text.len > 0 && strchr(" \t\r", text.data[text.len - 1]) != NULL && text.data[text.len - 1] != '\0') {
        text.len--;
    }
    return text;
}

/* `name = value`; an empty line; or a comment, which has # as its first character. */
static enum err take_line(struct config *config, struct str line, const char *where, struct err_info *info) {
    struct str text = trimmed(line);
    if (text.len == 0 || text.data[0] == '#') {
        return ERR_NONE;
    }
    uint32_t equals = str_find(text, '=');
    if (equals == text.len) {
        return err_set(info, ERR_CONFIG, "%s: a line is 'name = value'", where);
    }
    struct str name = trimmed(str_first(text, equals));
    const struct setting *setting = setting_by_name(name);
    if (setting == NULL) {
        return err_set(info, ERR_CONFIG, "%s: there is no setting '%.*s'", where, STR_ARGS(str_first(name, 64)));
    }
    return set_value(config, setting, trimmed(str_from(text, equals + 1)), where, info);
}

static enum err take_lines(struct config *config, const char *path, struct str content, struct err_info *info) {
    uint32_t line_number = 0;
    while (content.len > 0) {
        struct str line = str_first(content, str_find(content, '\n'));
        content = str_from(content, line.len + 1);
        line_number++;
        char where[128];
        snprintf(where, sizeof where, "%.100s:%" PRIu32, path, line_number);
        enum err err = take_line(config, line, where, info);
        if (err != ERR_NONE) {
            return err;
        }
    }
    return ERR_NONE;
}

/* `--config` of a login, a unit or a container. Empty is as good as not set. */
static const char *file_of_environment(void) {
    const char *path = getenv("DAYBOOK_CONFIG");
    return path != NULL && *path != '\0' ? path : NULL;
}

static enum err take_file(struct config *config, const char *path, struct err_info *info) {
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return err_set(info, ERR_CONFIG, "%.100s: %s", path, strerror(errno));
    }
    struct buf content;
    buf_init(&content, CONFIG_FILE_MAX_BYTES);
    enum err err = ERR_NONE;
    while (err == ERR_NONE && !feof(file)) {
        enum { CHUNK_BYTES = 4096 };
        char *at = buf_reserve(&content, CHUNK_BYTES);
        if (at == NULL) {
            err = err_set(info, ERR_CONFIG, "%.100s: larger than %d bytes", path, CONFIG_FILE_MAX_BYTES);
            break;
        }
        content.len += fread(at, 1, CHUNK_BYTES, file);
        if (ferror(file)) {
            err = err_set(info, ERR_CONFIG, "%.100s: %s", path, strerror(errno));
        }
    }
    fclose(file);
    if (err == ERR_NONE) {
        err = take_lines(config, path, buf_text(&content), info);
    }
    buf_release(&content);
    return err;
}

static bool is_foreign(struct str variable) {
    for (size_t i = 0; i < ARRAY_LENGTH(foreign_variables); i++) {
        struct str foreign = str_of_cstr(foreign_variables[i]);
        bool is_prefix = foreign.data[foreign.len - 1] == '_';
        if (is_prefix ? str_starts_with(variable, foreign) : str_equal(variable, foreign)) {
            return true;
        }
    }
    return false;
}

/* DAYBOOK_HTTP_PORT names the setting http_port. */
static const struct setting *setting_of_variable(struct str variable) {
    struct str upper = str_from(variable, VARIABLE_PREFIX.len);
    char name[64];
    if (upper.len >= sizeof name) {
        return NULL;
    }
    for (uint32_t i = 0; i < upper.len; i++) {
        if (upper.data[i] >= 'a' && upper.data[i] <= 'z') {
            return NULL;
        }
        name[i] = (char)(upper.data[i] >= 'A' && upper.data[i] <= 'Z' ? upper.data[i] - 'A' + 'a' : upper.data[i]);
    }
    return setting_by_name(str_of(name, upper.len));
}

static enum err take_environment(struct config *config, struct err_info *info) {
    for (char **at = environ; at != NULL && *at != NULL; at++) {
        struct str entry = str_of_cstr(*at);
        struct str variable = str_first(entry, str_find(entry, '='));
        if (!str_starts_with(variable, VARIABLE_PREFIX) || is_foreign(variable)) {
            continue;
        }
        char where[80];
        snprintf(where, sizeof where, "%.*s", STR_ARGS(str_first(variable, sizeof where - 1)));
        const struct setting *setting = setting_of_variable(variable);
        if (setting == NULL) {
            return err_set(info, ERR_CONFIG, "%s: there is no such setting", where);
        }
        enum err err = set_value(config, setting, str_from(entry, variable.len + 1), where, info);
        if (err != ERR_NONE) {
            return err;
        }
    }
    return ERR_NONE;
}

/* What one setting says of another. */
static enum err check_together(const struct config *config, struct err_info *info) {
    if (strcmp(config->access, "open") == 0 && !config->development) {
        return err_set(
            info, ERR_CONFIG,
            "access = open makes whoever reaches a front its administrator: it needs development = true, and is "
            "for a developer's machine alone");
    }
    return ERR_NONE;
}

enum err config_load(struct config *config, const char *path, struct err_info *info) {
    struct config loaded;
    set_defaults(&loaded);
    path = path == NULL ? file_of_environment() : path;
    enum err err = path == NULL ? ERR_NONE : take_file(&loaded, path, info);
    if (err == ERR_NONE) {
        err = take_environment(&loaded, info);
    }
    if (err == ERR_NONE) {
        err = check_together(&loaded, info);
    }
    if (err != ERR_NONE) {
        config_release(&loaded);
        return err;
    }
    *config = loaded;
    return ERR_NONE;
}

void config_release(struct config *config) {
    for (size_t i = 0; i < ARRAY_LENGTH(settings); i++) {
        if (settings[i].kind == SETTING_TEXT) {
            free((char *)*text_of(config, &settings[i]));
        }
    }
    *config = (struct config){0};
}

bool config_is_default(const struct config *config, const char *name) {
    const struct setting *setting = setting_by_name(str_of_cstr(name));
    assert(setting != NULL);
    struct config *readable = (struct config *)config; /* as in config_print */
    switch (setting->kind) {
    case SETTING_TEXT:
        return strcmp(*text_of(readable, setting), setting->default_text) == 0;
    case SETTING_NUMBER:
        return *number_of(readable, setting) == setting->default_number;
    case SETTING_FLAG:
        return *flag_of(readable, setting) == (setting->default_number != 0);
    }
    assert(!"every kind of setting returns above");
    return false;
}

/* By its name; a connection string, and any other text, by a password in it: `password=` or `//user:password@`. None of
 * these is shown. */
static bool carries_secret(const char *name, const char *value) {
    if (is_secret_name(name)) {
        return *value != '\0';
    }
    const char *authority = strstr(value, "://");
    return strstr(value, "password") != NULL || (authority != NULL && strchr(authority, '@') != NULL);
}

bool config_variable_is_secret(const char *entry) {
    struct str whole = str_of_cstr(entry);
    struct str variable = str_first(whole, str_find(whole, '='));
    if (variable.len == whole.len || !str_starts_with(variable, VARIABLE_PREFIX)) {
        return false;
    }
    const struct setting *setting = setting_of_variable(variable);
    return setting != NULL && setting->kind == SETTING_TEXT && carries_secret(setting->name, entry + variable.len + 1);
}

void config_print(const struct config *config, struct buf *out) {
    /* The accessors give places to write to; here they are only read. */
    struct config *readable = (struct config *)config;
    for (size_t i = 0; i < ARRAY_LENGTH(settings); i++) {
        const struct setting *setting = &settings[i];
        buf_printf(out, "%s# %s\n", i == 0 ? "" : "\n", setting->help);
        switch (setting->kind) {
        case SETTING_TEXT: {
            const char *value = *text_of(readable, setting);
            if (setting->choices != NULL) {
                buf_printf(out, "# One of: %s.\n", setting->choices);
            }
            if (carries_secret(setting->name, value)) {
                buf_printf(out, "# %s = " SECRET_MARK "\n", setting->name);
            } else {
                buf_printf(out, "%s = %s\n", setting->name, value);
            }
            break;
        }
        case SETTING_NUMBER:
            buf_printf(out, "# A number from %" PRId64 " to %" PRId64 ".\n", setting->least, setting->most);
            buf_printf(out, "%s = %" PRId64 "\n", setting->name, *number_of(readable, setting));
            break;
        case SETTING_FLAG:
            buf_printf(out, "%s = %s\n", setting->name, *flag_of(readable, setting) ? "true" : "false");
            break;
        }
    }
}
