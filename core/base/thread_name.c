#include "core/base/thread_name.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

enum { NAME_SIZE = 16 };

void thread_name(const char *format, ...) {
    char name[NAME_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(name, sizeof name, format, args);
    va_end(args);
    (void)pthread_setname_np(pthread_self(), name); /* nothing depends on it */
}
