/* err.h: the world failing: a broker, a database, a disk, a malformed record.
 *
 * Three kinds of going wrong are never mixed: our own bug is an assert, which stays on in production; a business
 * refusal is an `enum rejection` from decide (core/domain/rejection.h); the world failing is an `enum err`.
 *
 * Promise  a function that can fail returns enum err, ERR_NONE when it worked, and fills the caller's err_info when
 *          one is given. Outputs (`ret_...`) are untouched on failure. Libraries never log; cmd/ and the loops do.
 * Thread   values; any.          May use: libc.
 */
#pragma once

#include "core/base/macros.h"

#include <stdbool.h>

#define ERR_TABLE(ROW)                                                                                                 \
    ROW(NONE, "no error")                                                                                              \
    ROW(IO, "an input or output operation failed")                                                                     \
    ROW(KAFKA, "the log refused or could not be reached")                                                              \
    ROW(FENCED, "another owner has taken over")                                                                        \
    ROW(IN_DOUBT, "it is not known whether the commit happened")                                                       \
    ROW(POSTGRES, "the database refused or could not be reached")                                                      \
    ROW(STORE, "the local state store failed")                                                                         \
    ROW(MALFORMED, "the bytes do not have the form they must have")                                                    \
    ROW(TOO_LARGE, "a limit on size was passed")                                                                       \
    ROW(NOT_FOUND, "it does not exist")                                                                                \
    ROW(CONFLICT, "it is not as the caller expected")                                                                  \
    ROW(TIMEOUT, "the time for it ran out")                                                                            \
    ROW(BROKEN_HISTORY, "the event log is not contiguous or its hash chain is broken")                                 \
    ROW(CONFIG, "the configuration is wrong")

enum err {
#define ERR_ENUM(name, text) ERR_##name,
    ERR_TABLE(ERR_ENUM)
#undef ERR_ENUM
};

struct err_info {
    enum err code;
    bool retriable; /* the same call may work later */
    char text[256]; /* one sentence for an operator: what failed, on what, why */
};

/* The table's text for a code. */
const char *err_text(enum err code);

/* Fills info (may be NULL) and gives code, so that `return err_set(info, ERR_IO, "...")` reads well. Macros, so that
 * analyzers see that what comes back is never ERR_NONE. */
#define err_set(info, code, ...) ERR_SET((info), (code), false, __VA_ARGS__)
#define err_set_retriable(info, code, ...) ERR_SET((info), (code), true, __VA_ARGS__)

#define ERR_SET(info, code, retriable, ...)                                                                            \
    ({                                                                                                                 \
        const enum err err_being_set = (code);                                                                         \
        err_fill((info), err_being_set, (retriable), __VA_ARGS__);                                                     \
        err_being_set;                                                                                                 \
    })

void err_fill(struct err_info *info, enum err code, bool retriable, const char *format, ...) PRINTF_LIKE(4, 5);
