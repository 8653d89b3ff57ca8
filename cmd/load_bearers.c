#include "cmd/load_bearers.h"

#include <stdlib.h>
#include <string.h>

#include "cmd/load_source.h"
#include "core/base/memory.h"

#define SCHEME STR("Bearer ")
#define GUEST STR("-")

/* RFC 6750, 2.1: b68token. */
static bool is_token(struct str text) {
    for (uint32_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                        memchr("-._~+/=", c, 7) != NULL;
        if (!is_plain) {
            return false;
        }
    }
    return text.len > 0 && text.len <= LOAD_BEARER_MAX_BYTES;
}

static struct str value_of(struct str token) {
    if (str_equal(token, GUEST)) {
        return (struct str){0};
    }
    char *value = malloc_or_end(SCHEME.len + token.len);
    memcpy(value, SCHEME.data, SCHEME.len);
    memcpy(value + SCHEME.len, token.data, token.len);
    return str_of(value, SCHEME.len + token.len);
}

static enum err read_lines(struct load_source *source, const char *path, struct load_bearers *bearers,
                           struct err_info *info) {
    struct str line;
    enum err err;
    while ((err = load_source_next(source, &line, info)) == ERR_NONE) {
        if (!is_token(line)) {
            return err_set(info, ERR_CONFIG, "%.120s: line %lld is no access token or API key", path,
                           (long long)source->line_number);
        }
        if (bearers->count == LOAD_BEARERS_MAX) {
            return err_set(info, ERR_CONFIG, "%.120s: it has more than %d lines", path, LOAD_BEARERS_MAX);
        }
        bearers->values[bearers->count++] = value_of(line);
    }
    if (err == ERR_NOT_FOUND) { /* the end of the file */
        err = bearers->count > 0 ? ERR_NONE : err_set(info, ERR_CONFIG, "%.120s: it is empty", path);
    }
    return err;
}

enum err load_bearers_read(const char *path, struct load_bearers *ret_bearers, struct err_info *info) {
    struct load_source source;
    enum err err = load_source_open(&source, path, info);
    if (err != ERR_NONE) {
        return err;
    }
    struct load_bearers bearers = {.values = calloc_or_end(LOAD_BEARERS_MAX, sizeof *bearers.values)};
    err = read_lines(&source, path, &bearers, info);
    explicit_bzero(source.line, LOAD_LINE_MAX_BYTES + 2);
    load_source_close(&source);
    if (err != ERR_NONE) {
        load_bearers_release(&bearers);
        return err;
    }
    *ret_bearers = bearers;
    return ERR_NONE;
}

void load_bearers_release(struct load_bearers *bearers) {
    for (size_t i = 0; i < bearers->count; i++) {
        char *value = (char *)bearers->values[i].data; /* ours: value_of made it */
        if (value != NULL) {
            explicit_bzero(value, bearers->values[i].len);
            free(value);
        }
    }
    free(bearers->values);
    *bearers = (struct load_bearers){0};
}

int64_t load_bearers_turn(const struct load_bearers *bearers, int64_t line_number) {
    return bearers->count == 0 ? 0 : (line_number - 1) % (int64_t)bearers->count + 1;
}

struct str load_bearers_of(const struct load_bearers *bearers, int64_t turn) {
    return bearers->count == 0 ? (struct str){0} : bearers->values[turn - 1];
}
