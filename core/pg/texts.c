#include "core/pg/texts.h"

#include <string.h>

#include "core/base/memory.h"

bool pg_texts_make(const struct str *parameters, int count, char ***ret_block) {
    size_t size = (size_t)count * sizeof(char *);
    for (int i = 0; i < count; i++) {
        if (parameters[i].data != NULL && str_find(parameters[i], '\0') != parameters[i].len) {
            return false;
        }
        size += (size_t)parameters[i].len + 1;
    }
    char **texts = malloc_or_end(size + 1);
    char *at = (char *)(texts + count);
    for (int i = 0; i < count; i++) {
        if (parameters[i].data == NULL) {
            texts[i] = NULL;
            continue;
        }
        memcpy(at, parameters[i].data, parameters[i].len);
        at[parameters[i].len] = '\0';
        texts[i] = at;
        at += parameters[i].len + 1;
    }
    *ret_block = texts;
    return true;
}
