#include "cmd/export_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { OUT_MAX_BYTES = 256 * 1024 * 1024 };

const char *export_format_name(enum export_format format) {
    return format == EXPORT_AVRO ? "avro" : "jsonl";
}

static enum err failed(const struct export_file *file, const char *what, struct err_info *info) {
    return err_set(info, ERR_IO, "%s %s: %s", what, file->path, strerror(errno));
}

enum err export_file_open(struct export_file *file, const struct export_form *form, const char *path, struct str schema,
                          struct str seed, struct err_info *info) {
    *file = (struct export_file){.form = *form};
    assert(strlen(path) < sizeof file->path);
    memcpy(file->path, path, strlen(path) + 1);
    file->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file->fd < 0) {
        return failed(file, "making", info);
    }
    buf_init(&file->out, OUT_MAX_BYTES);
    if (form->format == EXPORT_AVRO) {
        container_begin(&file->container, form->codec, schema, seed, &file->out);
    }
    return ERR_NONE;
}

/* Writes what waits. */
static enum err drain(struct export_file *file, struct err_info *info) {
    assert(buf_ok(&file->out));
    for (size_t written = 0; written < file->out.len;) {
        ssize_t size = write(file->fd, file->out.data + written, file->out.len - written);
        if (size < 0 && errno != EINTR) {
            return failed(file, "writing", info);
        }
        written += size > 0 ? (size_t)size : 0;
    }
    buf_clear(&file->out);
    return ERR_NONE;
}

enum err export_file_add(struct export_file *file, struct str item, struct err_info *info) {
    file->count++;
    if (file->form.format == EXPORT_AVRO) {
        container_add(&file->container, item, &file->out);
    } else {
        buf_str(&file->out, item);
        buf_byte(&file->out, '\n');
    }
    return file->out.len >= EXPORT_BUFFER_BYTES ? drain(file, info) : ERR_NONE;
}

static void release(struct export_file *file) {
    if (file->form.format == EXPORT_AVRO) {
        container_release(&file->container);
    }
    buf_release(&file->out);
}

enum err export_file_finish(struct export_file *file, struct err_info *info) {
    if (file->form.format == EXPORT_AVRO) {
        container_end(&file->container, &file->out);
    }
    enum err err = drain(file, info);
    if (err == ERR_NONE && fsync(file->fd) != 0) {
        err = failed(file, "writing", info);
    }
    if (close(file->fd) != 0 && err == ERR_NONE) {
        err = failed(file, "closing", info);
    }
    release(file);
    return err;
}

void export_file_discard(struct export_file *file) {
    close(file->fd);
    unlink(file->path);
    release(file);
}
