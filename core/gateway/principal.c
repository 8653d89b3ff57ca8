#include "core/gateway/principal.h"

#include "core/base/text.h"
#include "core/gateway/identity.h"

bool principal_read(struct http_exchange *exchange, const struct secret *secret, struct principal *ret_principal,
                    struct problem *ret_problem) {
    struct str token = http_request_field(exchange, "daybook-cart-token");
    uint8_t bytes[CART_TOKEN_BYTES];
    bool is_one = base64url_read(token, bytes, sizeof bytes) == CART_TOKEN_BYTES;
    /* A field that is sent empty is not absent: whoever sends it believes that it speaks for him. */
    if (token.data != NULL && !is_one) {
        *ret_problem =
            (struct problem){.status = 400,
                             .code = "invalid_cart_token",
                             .detail = "Daybook-Cart-Token is not the token of a cart, as POST /v1/carts answers it."};
        return false;
    }
    *ret_principal =
        (struct principal){.identity = identity_principal(&exchange->arena, secret, token), .cart_token = token};
    return true;
}
