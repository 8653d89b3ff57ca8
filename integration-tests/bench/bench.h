/* bench.h: what the programs of make bench share. They serve one run: a failure ends them.
 * Thread   one.                  May use: base, log.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "core/base/text.h"
#include "core/log/producer.h"

/* `info` may be NULL. */
static inline void die(const char *what, const struct err_info *info) {
    fprintf(stderr, "%s: %s\n", what, info != NULL ? info->text : "");
    exit(EXIT_FAILURE);
}

/* A number from 1 to `most`. */
static inline bool number_read(const char *text, int64_t most, int64_t *ret_number) {
    return int64_read(str_of_cstr(text), ret_number) && *ret_number >= 1 && *ret_number <= most;
}

/* The producer's queue is bounded: sends on as it empties. */
static inline void send_one(struct log_producer *producer, const char *topic, int32_t partition, struct str key,
                            struct str value) {
    struct err_info info;
    enum err err;
    do {
        err = log_producer_send(producer, topic, partition, key, value, NULL, 0, NULL, NULL, &info);
    } while (err != ERR_NONE && info.retriable);
    if (err != ERR_NONE) {
        die("sending a record", &info);
    }
}
