#include "schemas/codegen/registry.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/text.h"
#include "schemas/codegen/names.h"
#include "schemas/codegen/report.h"

enum { HASH_HEX_LEN = 2 * crypto_hash_sha256_BYTES };

static const char header[] = "id\tsubject\tversion\tsha256\n";

static void hash_hex(const char *bytes, size_t size, char ret_hex[HASH_HEX_LEN + 1]) {
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, (const unsigned char *)bytes, size);
    sodium_bin2hex(ret_hex, HASH_HEX_LEN + 1, hash, sizeof hash);
}

enum { REGISTRY_MAX_BYTES = 16 * 1024 * 1024 };

/* The whole file, or an empty text when it does not exist. */
static struct str read_all(struct model *model, const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        if (errno == ENOENT) {
            return str_of("", 0);
        }
        fail_at(path, NULL, "cannot read: %s", strerror(errno));
    }
    char *text = arena_alloc(&model->arena, REGISTRY_MAX_BYTES);
    size_t len = fread(text, 1, REGISTRY_MAX_BYTES, file);
    if (ferror(file) || len == REGISTRY_MAX_BYTES) {
        fail_at(path, NULL, "cannot read it, or it is too large");
    }
    fclose(file);
    return str_of(text, len);
}

/* Cuts what stands before `separator` off the front of `rest`. */
static struct str cut(struct str *rest, char separator) {
    uint32_t len = str_find(*rest, separator);
    struct str piece = str_first(*rest, len);
    *rest = str_from(*rest, len + 1 > rest->len ? rest->len : len + 1);
    return piece;
}

static struct schema_file *find_file(struct model *model, struct str subject, int64_t version) {
    for (size_t s = 0; s < model->subject_count; s++) {
        struct subject *candidate = &model->subjects[s];
        if (str_equal(str_of_cstr(candidate->newest->subject), subject)) {
            return version >= 1 && version <= (int64_t)candidate->version_count ? candidate->versions[version - 1]
                                                                                : NULL;
        }
    }
    return NULL;
}

static void apply_line(struct model *model, const char *path, struct str line, uint32_t expected_id) {
    struct str rest = line;
    struct str id_text = cut(&rest, '\t'), subject = cut(&rest, '\t'), version_text = cut(&rest, '\t'), hash = rest;
    int64_t id, version;
    if (!int64_read(id_text, &id) || id != expected_id || !int64_read(version_text, &version) ||
        hash.len != HASH_HEX_LEN) {
        fail_at(path, NULL,
                "malformed: expected id %u (ids count up from 1, and none ever changes), a subject, a version "
                "and a hash in `%.*s`",
                expected_id, STR_ARGS(line));
    }
    struct schema_file *file = find_file(model, subject, version);
    if (file == NULL) {
        fail_at(path, NULL,
                "the schema with id %u is missing: %.*s, version %lld; what was written with it stays in the log, so "
                "its file stays",
                expected_id, STR_ARGS(subject), (long long)version);
    }
    char actual[HASH_HEX_LEN + 1];
    hash_hex(file->compact, strlen(file->compact), actual);
    if (!str_equal(str_of_cstr(actual), hash)) {
        fail_at(file->path, NULL,
                "it was changed after it had been registered; put it back, and write the change as version %zu.avsc",
                (size_t)file->version + 1);
    }
    if (file->id != 0) {
        fail_at(path, NULL, "%.*s, version %lld, is in it twice", STR_ARGS(subject), (long long)version);
    }
    file->id = expected_id;
}

void registry_apply(struct model *model, const char *path, size_t *ret_unregistered) {
    struct str rest = read_all(model, path);
    if (rest.len > 0 && !str_starts_with(rest, str_of_cstr(header))) {
        fail_at(path, NULL, "its first line must be: %s", header);
    }
    rest = str_from(rest, sizeof header - 1);
    for (uint32_t id = 1; rest.len > 0; id++) {
        apply_line(model, path, cut(&rest, '\n'), id);
    }
    size_t unregistered = 0;
    for (size_t s = 0; s < model->subject_count; s++) {
        for (size_t v = 0; v < model->subjects[s].version_count; v++) {
            const struct schema_file *file = model->subjects[s].versions[v];
            unregistered += file->id == 0;
            if (file->id == 0 && ret_unregistered == NULL) {
                fail_at(file->path, NULL, "it has no id in %s yet: run `make registry`, and commit the file", path);
            }
        }
    }
    if (ret_unregistered != NULL) {
        *ret_unregistered = unregistered;
    }
}

size_t registry_append(struct model *model, const char *path) {
    size_t unregistered;
    registry_apply(model, path, &unregistered);
    if (unregistered == 0) {
        return 0;
    }
    uint32_t next_id = 1;
    for (size_t s = 0; s < model->subject_count; s++) {
        for (size_t v = 0; v < model->subjects[s].version_count; v++) {
            next_id += model->subjects[s].versions[v]->id != 0;
        }
    }
    FILE *file = fopen(path, "ab");
    if (file == NULL) {
        fail_at(path, NULL, "cannot write: %s", strerror(errno));
    }
    if (next_id == 1 && ftell(file) == 0) {
        fputs(header, file);
    }
    for (size_t s = 0; s < model->subject_count; s++) {
        for (size_t v = 0; v < model->subjects[s].version_count; v++) {
            struct schema_file *schema = model->subjects[s].versions[v];
            if (schema->id == 0) {
                char hash[HASH_HEX_LEN + 1];
                hash_hex(schema->compact, strlen(schema->compact), hash);
                schema->id = next_id++;
                fprintf(file, "%u\t%s\t%d\t%s\n", schema->id, schema->subject, schema->version, hash);
            }
        }
    }
    if (fclose(file) != 0) {
        fail_at(path, NULL, "cannot write: %s", strerror(errno));
    }
    return unregistered;
}

void registry_check_grown(struct model *model, const char *path, const char *older_path) {
    struct str older = read_all(model, older_path), now = read_all(model, path);
    while (older.len > 0) {
        struct str line = cut(&older, '\n');
        if (!str_equal(line, cut(&now, '\n'))) {
            fail_at(path, NULL,
                    "this line of %s was changed or removed, but the registry only ever grows, because the "
                    "log names schemas by their ids for ever: %.*s",
                    older_path, STR_ARGS(line));
        }
    }
}
