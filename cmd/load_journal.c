#include "cmd/load_journal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/load_source.h"
#include "core/base/memory.h"

enum { LINE_NUMBER_MAX = 1 << 30 };

static enum err mark(struct load_journal *journal, int64_t line_number, struct err_info *info) {
    if (line_number < 1 || line_number > LINE_NUMBER_MAX) {
        return err_set(info, ERR_MALFORMED, "%s: an entry has no line number", journal->path);
    }
    size_t byte = (size_t)line_number / 8;
    if (byte >= journal->decided_bytes) {
        size_t wanted = byte * 2 + 1024;
        uint8_t *grown = realloc_or_end(journal->decided, wanted);
        memset(grown + journal->decided_bytes, 0, wanted - journal->decided_bytes);
        journal->decided = grown;
        journal->decided_bytes = wanted;
    }
    uint8_t bit = (uint8_t)(1u << (line_number % 8));
    journal->decided_count += (journal->decided[byte] & bit) == 0;
    journal->decided[byte] |= bit;
    return ERR_NONE;
}

/* Reads all whole entries; *ret_end is where the last of them ends. */
static enum err read_entries(struct load_journal *journal, struct load_source *source, int64_t *ret_end,
                             struct err_info *info) {
    struct str line;
    enum err err;
    while ((err = load_source_next(source, &line, info)) == ERR_NONE) {
        json_t *entry = json_loadb(line.data, line.len, 0, NULL);
        bool is_whole = entry != NULL && source->line[line.len] == '\n';
        if (!is_whole) {
            json_decref(entry);
            return ERR_NONE; /* torn: the run was killed while it wrote */
        }
        *ret_end = source->bytes_read;
        if (json_is_true(json_object_get(entry, "decided"))) {
            err = mark(journal, json_integer_value(json_object_get(entry, "line")), info);
        }
        json_decref(entry);
        if (err != ERR_NONE) {
            return err;
        }
    }
    return err == ERR_NOT_FOUND ? ERR_NONE : err;
}

static enum err read_earlier_run(struct load_journal *journal, struct err_info *info) {
    struct load_source source;
    enum err err = load_source_open(&source, journal->path, info);
    if (err != ERR_NONE) {
        return err;
    }
    int64_t end = 0;
    err = read_entries(journal, &source, &end, info);
    load_source_close(&source);
    if (err == ERR_NONE && truncate(journal->path, end) != 0) {
        err = err_set(info, ERR_IO, "cannot cut the torn end off %s: %s", journal->path, strerror(errno));
    }
    return err;
}

enum err load_journal_open(struct load_journal *journal, const char *path, bool resumes, struct err_info *info) {
    *journal = (struct load_journal){.path = path};
    bool exists = access(path, F_OK) == 0;
    if (resumes && exists) {
        enum err err = read_earlier_run(journal, info);
        if (err != ERR_NONE) {
            free(journal->decided);
            return err;
        }
    }
    journal->file = fopen(path, "ae");
    if (journal->file == NULL) {
        free(journal->decided);
        return err_set(info, ERR_IO, "cannot open %s: %s", path, strerror(errno));
    }
    struct stat stat;
    if (!resumes && fstat(fileno(journal->file), &stat) == 0 && stat.st_size > 0) {
        fclose(journal->file);
        return err_set(info, ERR_CONFIG, "%s holds a journal already: go on with --resume, or move it away", path);
    }
    return ERR_NONE;
}

bool load_journal_has(const struct load_journal *journal, int64_t line_number) {
    size_t byte = (size_t)line_number / 8;
    return byte < journal->decided_bytes && (journal->decided[byte] & (1u << (line_number % 8))) != 0;
}

void load_journal_write(struct load_journal *journal, json_t *entry) {
    if (json_is_true(json_object_get(entry, "decided"))) {
        /* It fails for want of memory alone; then the line may come again, under its key. */
        (void)!mark(journal, json_integer_value(json_object_get(entry, "line")), NULL);
    }
    /* A failure stays in the FILE's error flag, which is looked at in the end. */
    (void)json_dumpf(entry, journal->file, JSON_COMPACT | JSON_PRESERVE_ORDER);
    (void)fputc('\n', journal->file);
}

enum err load_journal_close(struct load_journal *journal, struct err_info *info) {
    bool is_written = fflush(journal->file) == 0 && !ferror(journal->file) && fsync(fileno(journal->file)) == 0;
    int why = errno;
    is_written &= fclose(journal->file) == 0;
    free(journal->decided);
    journal->decided = NULL;
    return is_written ? ERR_NONE : err_set(info, ERR_IO, "cannot write %s: %s", journal->path, strerror(why));
}
