#include "core/domain/rejection.h"

#include <assert.h>

static const struct rejection_info rejections[REJECTION_COUNT] = {
#define REJECTION(name, code, http_status, of, text) [REJECT_##name] = {code, http_status, text},
#include "core/domain/rejection.def"
#undef REJECTION
};

const struct rejection_info *rejection_info(enum rejection rejection) {
    assert(rejection > ACCEPTED && rejection < REJECTION_COUNT);
    return &rejections[rejection];
}

bool rejection_by_code(struct str code, enum rejection *ret_rejection) {
    if (str_is_empty(code)) {
        *ret_rejection = ACCEPTED;
        return true;
    }
    for (int i = ACCEPTED + 1; i < REJECTION_COUNT; i++) {
        if (str_equal(code, str_of_cstr(rejections[i].code))) {
            *ret_rejection = (enum rejection)i;
            return true;
        }
    }
    return false;
}
