#include "schemas/codegen/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

_Noreturn void fail_at(const char *file, const char *field, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("codegen: ", stderr);
    if (file != NULL) {
        fprintf(stderr, "%s: ", file);
    }
    if (field != NULL) {
        fprintf(stderr, "field %s: ", field);
    }
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(EXIT_FAILURE);
}
