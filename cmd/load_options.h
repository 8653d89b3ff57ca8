/* load_options.h: the arguments of `daybook load`.
 * Thread   one.                  May use: base.
 */
#pragma once

#include <stdint.h>

#include "core/base/err.h"

enum load_kind { LOAD_PRODUCTS, LOAD_STOCK, LOAD_BASKETS, LOAD_CARTS, LOAD_CHECKOUTS, LOAD_CART_UPDATES, LOAD_READS };

enum {
    LOAD_IN_FLIGHT_DEFAULT = 64,
    LOAD_IN_FLIGHT_OPEN_DEFAULT = 512,
    LOAD_IN_FLIGHT_MAX = 10000,
    LOAD_RETRY_S_DEFAULT = 60,
    LOAD_TIMEOUT_MS_DEFAULT = 15000,
};

struct load_options {
    const char *file;
    char host[256];
    int port;
    bool is_https;
    const char *ca_file;     /* whose certificates the server may show; NULL: the system's */
    const char *bearer_file; /* who sends the requests (load_bearers.h); NULL: nobody who is known */
    enum load_kind kind;
    int64_t in_flight;    /* at most, in both loops */
    double rate_per_s;    /* open loop; 0: closed loop */
    bool rotates;         /* all connections in turn */
    bool connects_first;  /* load_greeting.h */
    int64_t duration_s;   /* 0: until the file ends */
    int64_t items_max;    /* 0: all */
    int64_t retry_s;      /* how long one request is repeated before its outcome is given up as unknown */
    int64_t timeout_ms;   /* of one attempt */
    const char *journal;  /* NULL: none */
    const char *report;   /* NULL: none */
    const char *salt;     /* part of every Idempotency-Key: another salt makes the same file new requests */
    const char *provider; /* of baskets that name no payment */
    const char *method;
    bool keyless_carts;
    bool resumes;
    bool comes_again; /* lines without a final answer, at the file's end */
};

/* `daybook load --help` describes them. */
MUST_CHECK enum err load_options_read(int argc, char **argv, struct load_options *ret_options, struct err_info *info);

const char *load_kind_name(enum load_kind kind);
