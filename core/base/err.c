#include "core/base/err.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

static const char *const err_texts[] = {
#define ERR_ROW(name, text) [ERR_##name] = (text),
    ERR_TABLE(ERR_ROW)
#undef ERR_ROW
};

const char *err_text(enum err code) {
    return err_texts[code];
}

void err_fill(struct err_info *info, enum err code, bool retriable, const char *format, ...) {
    if (info == NULL) {
        return;
    }
    info->code = code;
    info->retriable = retriable;
    va_list args;
    va_start(args, format);
    vsnprintf(info->text, sizeof info->text, format, args);
    va_end(args);
}
