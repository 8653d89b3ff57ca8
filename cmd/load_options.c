#include "cmd/load_options.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/text.h"

static const char *const KIND_NAMES[] = {
    [LOAD_PRODUCTS] = "products", [LOAD_STOCK] = "stock",         [LOAD_BASKETS] = "baskets",
    [LOAD_CARTS] = "carts",       [LOAD_CHECKOUTS] = "checkouts", [LOAD_CART_UPDATES] = "cart-updates",
    [LOAD_READS] = "reads",
};

const char *load_kind_name(enum load_kind kind) {
    return KIND_NAMES[kind];
}

static enum err read_kind(const char *text, enum load_kind *ret_kind, struct err_info *info) {
    for (size_t i = 0; i < ARRAY_LENGTH(KIND_NAMES); i++) {
        if (strcmp(KIND_NAMES[i], text) == 0) {
            *ret_kind = (enum load_kind)i;
            return ERR_NONE;
        }
    }
    return err_set(info, ERR_CONFIG,
                   "--kind %s: it is products, stock, baskets, carts, checkouts, cart-updates or reads", text);
}

static enum err read_number(const char *name, const char *text, int64_t least, int64_t most, int64_t *ret_number,
                            struct err_info *info) {
    int64_t number;
    if (!int64_read(str_of_cstr(text), &number) || number < least || number > most) {
        return err_set(info, ERR_CONFIG, "--%s %s: it must be a number from %lld to %lld", name, text, (long long)least,
                       (long long)most);
    }
    *ret_number = number;
    return ERR_NONE;
}

static enum err read_rate(const char *text, double *ret_rate, struct err_info *info) {
    char *end;
    double rate = strtod(text, &end);
    if (end == text || *end != '\0' || !(rate > 0 && rate <= 1e6)) {
        return err_set(info, ERR_CONFIG, "--rate %s: it must be a number of items a second, at most 1000000", text);
    }
    *ret_rate = rate;
    return ERR_NONE;
}

/* http://HOST[:PORT] or https://, with nothing behind it but a slash. */
static enum err read_url(const char *text, struct load_options *options, struct err_info *info) {
    struct str rest = str_of_cstr(text);
    struct str scheme = str_starts_with(rest, STR("https://")) ? STR("https://") : STR("http://");
    if (!str_starts_with(rest, scheme)) {
        return err_set(info, ERR_CONFIG, "--url %s: it must begin with http:// or https://", text);
    }
    options->is_https = str_equal(scheme, STR("https://"));
    rest = str_from(rest, scheme.len);
    rest = str_first(rest, str_find(rest, '/'));
    uint32_t colon = str_find(rest, ':');
    struct str host = str_first(rest, colon);
    int64_t port = options->is_https ? 443 : 80;
    bool has_port = colon < rest.len;
    if (has_port && (!int64_read(str_from(rest, colon + 1), &port) || port < 1 || port > 65535)) {
        return err_set(info, ERR_CONFIG, "--url %s: the port must be a number from 1 to 65535", text);
    }
    if (host.len == 0 || host.len >= sizeof options->host) {
        return err_set(info, ERR_CONFIG, "--url %s: it names no host", text);
    }
    memcpy(options->host, host.data, host.len);
    options->host[host.len] = '\0';
    options->port = (int)port;
    return ERR_NONE;
}

/* PROVIDER:METHOD; `text` is the argument itself and is cut in two. */
static enum err read_payment(char *text, struct load_options *options, struct err_info *info) {
    char *colon = strchr(text, ':');
    if (colon == NULL || colon == text || colon[1] == '\0') {
        return err_set(info, ERR_CONFIG, "--payment %s: it must be PROVIDER:METHOD, such as test:approve", text);
    }
    *colon = '\0';
    options->provider = text;
    options->method = colon + 1;
    return ERR_NONE;
}

enum option_id {
    OPTION_URL = 1,
    OPTION_CA,
    OPTION_BEARER_FILE,
    OPTION_KIND,
    OPTION_CLOSED,
    OPTION_RATE,
    OPTION_IN_FLIGHT,
    OPTION_ROTATE,
    OPTION_CONNECT_FIRST,
    OPTION_DURATION,
    OPTION_MAX,
    OPTION_RETRY,
    OPTION_TIMEOUT,
    OPTION_JOURNAL,
    OPTION_RESUME,
    OPTION_AGAIN,
    OPTION_REPORT,
    OPTION_SALT,
    OPTION_PAYMENT,
    OPTION_KEYLESS_CARTS,
};

static const struct option OPTIONS[] = {
    {"url", required_argument, NULL, OPTION_URL},
    {"ca", required_argument, NULL, OPTION_CA},
    {"bearer-file", required_argument, NULL, OPTION_BEARER_FILE},
    {"kind", required_argument, NULL, OPTION_KIND},
    {"closed", required_argument, NULL, OPTION_CLOSED},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"in-flight", required_argument, NULL, OPTION_IN_FLIGHT},
    {"rotate", no_argument, NULL, OPTION_ROTATE},
    {"connect-first", no_argument, NULL, OPTION_CONNECT_FIRST},
    {"duration", required_argument, NULL, OPTION_DURATION},
    {"max", required_argument, NULL, OPTION_MAX},
    {"retry-seconds", required_argument, NULL, OPTION_RETRY},
    {"timeout-ms", required_argument, NULL, OPTION_TIMEOUT},
    {"journal", required_argument, NULL, OPTION_JOURNAL},
    {"resume", no_argument, NULL, OPTION_RESUME},
    {"again", no_argument, NULL, OPTION_AGAIN},
    {"report", required_argument, NULL, OPTION_REPORT},
    {"salt", required_argument, NULL, OPTION_SALT},
    {"payment", required_argument, NULL, OPTION_PAYMENT},
    {"keyless-carts", no_argument, NULL, OPTION_KEYLESS_CARTS},
    {0},
};

static enum err take_option(int id, char *value, struct load_options *options, int64_t *closed, struct err_info *info) {
    switch ((enum option_id)id) {
    case OPTION_URL:
        return read_url(value, options, info);
    case OPTION_CA:
        options->ca_file = value;
        return ERR_NONE;
    case OPTION_BEARER_FILE:
        options->bearer_file = value;
        return ERR_NONE;
    case OPTION_KIND:
        return read_kind(value, &options->kind, info);
    case OPTION_CLOSED:
        return read_number("closed", value, 1, LOAD_IN_FLIGHT_MAX, closed, info);
    case OPTION_RATE:
        return read_rate(value, &options->rate_per_s, info);
    case OPTION_IN_FLIGHT:
        return read_number("in-flight", value, 1, LOAD_IN_FLIGHT_MAX, &options->in_flight, info);
    case OPTION_ROTATE:
        options->rotates = true;
        return ERR_NONE;
    case OPTION_CONNECT_FIRST:
        options->connects_first = true;
        return ERR_NONE;
    case OPTION_DURATION:
        return read_number("duration", value, 1, 7 * 86400, &options->duration_s, info);
    case OPTION_MAX:
        return read_number("max", value, 1, INT64_MAX, &options->items_max, info);
    case OPTION_RETRY:
        return read_number("retry-seconds", value, 0, 86400, &options->retry_s, info);
    case OPTION_TIMEOUT:
        return read_number("timeout-ms", value, 10, 600000, &options->timeout_ms, info);
    case OPTION_JOURNAL:
        options->journal = value;
        return ERR_NONE;
    case OPTION_RESUME:
        options->resumes = true;
        return ERR_NONE;
    case OPTION_AGAIN:
        options->comes_again = true;
        return ERR_NONE;
    case OPTION_REPORT:
        options->report = value;
        return ERR_NONE;
    case OPTION_SALT:
        options->salt = value;
        return ERR_NONE;
    case OPTION_PAYMENT:
        return read_payment(value, options, info);
    case OPTION_KEYLESS_CARTS:
        options->keyless_carts = true;
        return ERR_NONE;
    }
    assert(!"every option returns above");
    return ERR_CONFIG;
}

/* What only makes sense together. */
static enum err check_together(struct load_options *options, int64_t closed, struct err_info *info) {
    if (closed > 0 && options->rate_per_s > 0) {
        return err_set(info, ERR_CONFIG, "--closed and --rate are two ways to pace; give one");
    }
    if (closed > 0) {
        options->in_flight = closed;
    } else if (options->in_flight == 0) {
        options->in_flight = options->rate_per_s > 0 ? LOAD_IN_FLIGHT_OPEN_DEFAULT : LOAD_IN_FLIGHT_DEFAULT;
    }
    if (options->ca_file != NULL && !options->is_https) {
        return err_set(info, ERR_CONFIG, "--ca is for a --url that begins with https://");
    }
    bool is_endless = options->kind == LOAD_CART_UPDATES || options->kind == LOAD_READS;
    if (options->comes_again && options->duration_s == 0 && options->items_max == 0) {
        return err_set(info, ERR_CONFIG,
                       "--again begins the file again as long as there is no answer: give --duration "
                       "or --max");
    }
    if (is_endless && options->duration_s == 0 && options->items_max == 0) {
        return err_set(info, ERR_CONFIG, "--kind %s goes round and round: give --duration or --max",
                       load_kind_name(options->kind));
    }
    if (options->resumes && options->journal == NULL) {
        return err_set(info, ERR_CONFIG, "--resume goes on from a journal: give --journal");
    }
    if (options->keyless_carts && (options->resumes || options->comes_again)) {
        return err_set(info, ERR_CONFIG,
                       "--keyless-carts: a basket that comes again would open another cart and buy twice; without "
                       "--resume and --again");
    }
    if (options->comes_again && options->journal == NULL) {
        return err_set(info, ERR_CONFIG, "--again looks into the journal for what has no answer: give --journal");
    }
    return ERR_NONE;
}

enum err load_options_read(int argc, char **argv, struct load_options *ret_options, struct err_info *info) {
    struct load_options options = {
        .host = "127.0.0.1",
        .port = 8080,
        .kind = LOAD_BASKETS,
        .retry_s = LOAD_RETRY_S_DEFAULT,
        .timeout_ms = LOAD_TIMEOUT_MS_DEFAULT,
        .salt = "",
        .provider = "test",
        .method = "approve",
    };
    int64_t closed = 0;
    optind = 0; /* glibc: begin anew, whatever was read before */
    opterr = 0;
    int id;
    while ((id = getopt_long(argc, argv, ":", OPTIONS, NULL)) != -1) {
        if (id == ':') {
            return err_set(info, ERR_CONFIG, "%s needs a value; see `daybook load --help`", argv[optind - 1]);
        }
        if (id == '?') {
            char letter[] = {'-', (char)optopt, '\0'}; /* optopt is 0 for a long one */
            return err_set(info, ERR_CONFIG, "there is no option '%s'; see `daybook load --help`",
                           optopt == 0 ? argv[optind - 1] : letter);
        }
        enum err err = take_option(id, optarg, &options, &closed, info);
        if (err != ERR_NONE) {
            return err;
        }
    }
    if (optind + 1 != argc) {
        return err_set(info, ERR_CONFIG, "give one file; see `daybook load --help`");
    }
    options.file = argv[optind];
    enum err err = check_together(&options, closed, info);
    if (err == ERR_NONE) {
        *ret_options = options;
    }
    return err;
}
