#include "schemas/codegen/compat.h"

#include <assert.h>

#include "schemas/codegen/report.h"

/* Can what `writer` wrote be read as `reader`? `where` is the file to blame. */
struct comparison {
    const char *where;
    const char *against;
    bool enums_are_fixed;
};

static void check_record(const struct comparison *comparison, const struct definition *reader,
                         const struct definition *writer);

static void check_symbols(const struct comparison *comparison, const char *field, const struct definition *reader,
                          const struct definition *writer) {
    for (size_t i = 0; i < writer->symbol_count; i++) {
        bool found = false;
        for (size_t j = 0; j < reader->symbol_count && !found; j++) {
            found = strcmp(reader->symbols[j], writer->symbols[i]) == 0;
        }
        if (!found) {
            fail_at(comparison->where, field, "symbol `%s` of %s is not in %s", writer->symbols[i], writer->full_name,
                    comparison->against);
        }
    }
    if (comparison->enums_are_fixed && !same_wire_form(reader, writer)) {
        fail_at(comparison->where, field, "an event's enum %s differs from %s; use a string for open sets",
                reader->full_name, comparison->against);
    }
}

static void check_type(const struct comparison *comparison, const char *field, const struct type *reader,
                       const struct type *writer) {
    const struct definition *read = reader->definition, *written = writer->definition;
    bool same_name =
        read == written || (read != NULL && written != NULL && strcmp(read->full_name, written->full_name) == 0);
    if (reader->kind != writer->kind || !same_name) {
        fail_at(comparison->where, field, "its type differs from %s", comparison->against);
    }
    switch (reader->kind) {
    case TYPE_ARRAY:
        check_type(comparison, field, reader->items, writer->items);
        return;
    case TYPE_RECORD:
        assert(read != NULL && written != NULL);
        check_record(comparison, read, written);
        return;
    case TYPE_ENUM:
        assert(read != NULL && written != NULL);
        check_symbols(comparison, field, read, written);
        return;
    case TYPE_FIXED:
        assert(read != NULL && written != NULL);
        if (read->fixed_size != written->fixed_size) {
            fail_at(comparison->where, field, "its size differs from %s", comparison->against);
        }
        return;
    case TYPE_BOOLEAN:
    case TYPE_INT:
    case TYPE_LONG:
    case TYPE_TIMESTAMP:
    case TYPE_STRING:
    case TYPE_BYTES:
        return;
    }
}

static void check_record(const struct comparison *comparison, const struct definition *reader,
                         const struct definition *writer) {
    for (size_t i = 0; i < reader->field_count; i++) {
        const struct field *field = &reader->fields[i];
        const struct field *written = field_by_name(writer, field->name);
        if (written == NULL) {
            if (field->default_value == NULL) {
                fail_at(comparison->where, field->name, "%s has it and needs a default for it: %s has it not",
                        reader->path, writer->path);
            }
            continue;
        }
        if (field->optional != written->optional) {
            fail_at(comparison->where, field->name, "it is optional in one, and not in %s", comparison->against);
        }
        check_type(comparison, field->name, &field->type, &written->type);
    }
}

static void check_pair(const struct schema_file *older, const struct schema_file *newer, bool newest) {
    struct comparison comparison = {
        .where = newer->path, .against = older->path, .enums_are_fixed = newer->kind == SCHEMA_EVENT};
    if (newer->kind == SCHEMA_EVENT) {
        check_record(&comparison, newer->record, older->record);
        check_record(&comparison, older->record, newer->record);
    } else if (newest) {
        check_record(&comparison, newer->record, older->record);
    }
}

void check_versions(struct model *model) {
    for (size_t s = 0; s < model->subject_count; s++) {
        const struct subject *subject = &model->subjects[s];
        for (size_t newer = 1; newer < subject->version_count; newer++) {
            for (size_t older = 0; older < newer; older++) {
                check_pair(subject->versions[older], subject->versions[newer], newer + 1 == subject->version_count);
            }
        }
    }
}
