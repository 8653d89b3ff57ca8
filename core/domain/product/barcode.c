#include "core/domain/product/barcode.h"

enum { GTIN_8 = 8, GTIN_12 = 12, GTIN_13 = 13, GTIN_14 = 14 };

static bool is_digits(struct str code) {
    for (uint32_t i = 0; i < code.len; i++) {
        if (code.data[i] < '0' || code.data[i] > '9') {
            return false;
        }
    }
    return true;
}

static bool check_digit_fits(const char *digits, uint32_t count) {
    int sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        int weight = (count - i) % 2 == 0 ? 3 : 1; /* the last one, the check digit itself, has 1 */
        sum += weight * (digits[i] - '0');
    }
    return sum % 10 == 0;
}

/* A UPC-E leaves out zeros of a UPC-A; its last digit but one says which. */
static bool upc_e_fits(const char *short_form) {
    char number_system = short_form[0], last = short_form[6], check = short_form[7];
    const char *d = short_form + 1;
    if (number_system > '1') {
        return false;
    }
    char upc_a[GTIN_12];
    memset(upc_a, '0', sizeof upc_a);
    upc_a[0] = number_system;
    upc_a[1] = d[0];
    upc_a[2] = d[1];
    upc_a[GTIN_12 - 1] = check;
    if (last <= '2') {
        upc_a[3] = last;
        memcpy(upc_a + 8, d + 2, 3);
    } else if (last == '3') {
        upc_a[3] = d[2];
        memcpy(upc_a + 9, d + 3, 2);
    } else if (last == '4') {
        memcpy(upc_a + 3, d + 2, 2);
        upc_a[10] = d[4];
    } else {
        memcpy(upc_a + 3, d + 2, 3);
        upc_a[10] = last;
    }
    return check_digit_fits(upc_a, GTIN_12);
}

bool barcode_can_be(struct str code) {
    bool is_gtin = code.len == GTIN_8 || code.len == GTIN_12 || code.len == GTIN_13 || code.len == GTIN_14;
    if (!is_gtin || !is_digits(code)) {
        return true;
    }
    return check_digit_fits(code.data, code.len) || (code.len == GTIN_8 && upc_e_fits(code.data));
}
