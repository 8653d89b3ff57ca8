#include "cmd/load_source.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/memory.h"

enum err load_source_open(struct load_source *source, const char *path, struct err_info *info) {
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return err_set(info, ERR_IO, "cannot open %s: %s", path, strerror(errno));
    }
    char *line = malloc_or_end(LOAD_LINE_MAX_BYTES + 2);
    struct stat stat;
    bool is_plain = fstat(fileno(file), &stat) == 0 && S_ISREG(stat.st_mode);
    *source = (struct load_source){.file = file, .line = line, .bytes_total = is_plain ? stat.st_size : 0};
    return ERR_NONE;
}

void load_source_close(struct load_source *source) {
    if (source->file != NULL) {
        fclose(source->file);
    }
    free(source->line);
    *source = (struct load_source){0};
}

enum err load_source_next(struct load_source *source, struct str *ret_line, struct err_info *info) {
    for (;;) {
        if (fgets(source->line, LOAD_LINE_MAX_BYTES + 2, source->file) == NULL) {
            return ferror(source->file) ? err_set(info, ERR_IO, "cannot read on: %s", strerror(errno)) : ERR_NOT_FOUND;
        }
        size_t len = strlen(source->line);
        source->line_number++;
        source->bytes_read += (int64_t)len;
        if (len > LOAD_LINE_MAX_BYTES && source->line[len - 1] != '\n') {
            return err_set(info, ERR_TOO_LARGE, "line %lld has more than %d bytes", (long long)source->line_number,
                           LOAD_LINE_MAX_BYTES);
        }
        while (len > 0 && (source->line[len - 1] == '\n' || source->line[len - 1] == '\r')) {
            len--;
        }
        if (len > 0) {
            *ret_line = str_of(source->line, len);
            return ERR_NONE;
        }
    }
}

enum err load_source_rewind(struct load_source *source, struct err_info *info) {
    if (fseek(source->file, 0, SEEK_SET) != 0) {
        return err_set(info, ERR_IO, "cannot begin again: %s", strerror(errno));
    }
    source->line_number = 0;
    return ERR_NONE;
}
