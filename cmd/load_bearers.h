/* load_bearers.h: whose requests `daybook load` sends: a file of access tokens or API keys, one a line; a line that is
 * a dash is a guest, who brings none.
 *
 * Promise  which of them an item is sent with depends on its line alone, so that it is the same one's whenever and by
 *          whichever process it is sent again: an Idempotency-Key counts for the one who uses it. What a journal says
 *          was sent by one of them is sent by him: a cart is checked out by whoever opened it.
 * Bounds   LOAD_BEARERS_MAX lines of at most LOAD_BEARER_MAX_BYTES.
 * Secrets  no error shows what a line holds; what is kept of them is wiped when it is released.
 * Thread   one.                  May use: base.
 */
#pragma once

#include <stdint.h>

#include "core/base/err.h"
#include "core/base/str.h"

enum { LOAD_BEARERS_MAX = 10000, LOAD_BEARER_MAX_BYTES = 2048 };

/* All zero: there are none. */
struct load_bearers {
    struct str *values; /* of Authorization, empty of a guest; owned, and so are their texts */
    size_t count;
};

/* ERR_CONFIG names the line that is none, or says that there is none or that there are too many; ERR_IO. */
MUST_CHECK enum err load_bearers_read(const char *path, struct load_bearers *ret_bearers, struct err_info *info);
void load_bearers_release(struct load_bearers *bearers);

/* Whose turn it is at the item of that line, which is 1 or more: a line of this file; 0 when there are none. */
int64_t load_bearers_turn(const struct load_bearers *bearers, int64_t line_number);

/* The Authorization of that turn; empty of a guest, and when there are none. */
struct str load_bearers_of(const struct load_bearers *bearers, int64_t turn);
