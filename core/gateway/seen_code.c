#include "core/gateway/seen_code.h"

#include <sodium.h>

#include "core/base/timestamp.h"
#include "core/gateway/loop.h"
#include "core/vault/totp.h"

struct seen_code seen_code_of(struct gateway_loop *loop, struct str customer, int32_t totp_number, struct str code) {
    const struct secret *secret = &loop->gateway->secret;
    int64_t now_s = authentication_now_us(&loop->authentication) / MICROS_PER_SECOND;
    uint8_t of_app[TOTP_SECRET_BYTES];
    struct seen_code seen = {0};
    totp_secret_derive(secret, customer, totp_number, of_app);
    bool is_right = totp_check(of_app, code, now_s, -1, &seen.step);
    sodium_memzero(of_app, sizeof of_app);
    if (!is_right) {
        int recovery = recovery_code_find(secret, customer, totp_number, code);
        seen = (struct seen_code){.step = recovery < 0 ? -1 : 0, .recovery = recovery + 1};
    }
    return seen;
}
