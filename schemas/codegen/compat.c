#include "schemas/codegen/compat.h"

#include <assert.h>

#include "schemas/codegen/names.h"
#include "schemas/codegen/report.h"

/* ---- can what one version wrote be read as another? --------------------------------------------------------- */

struct comparison {
    struct model *model;
    const struct schema_file *newer, *older; /* the newer one is to blame */
    bool reader_is_older;
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
            fail_at(comparison->newer->path, field, "symbol `%s` of %s is in %s and not in %s, which must read it",
                    writer->symbols[i], writer->full_name, writer->path, reader->path);
        }
    }
    if (comparison->newer->kind == SCHEMA_EVENT && !same_wire_form(reader, writer)) {
        fail_at(comparison->newer->path, field, "an event's enum %s differs from %s; use a string for open sets",
                reader->full_name, comparison->older->path);
    }
}

static const char *type_text(struct model *model, const struct type *type) {
    static const char *const names[] = {
        [TYPE_BOOLEAN] = "boolean", [TYPE_INT] = "int",     [TYPE_LONG] = "long", [TYPE_TIMESTAMP] = "timestamp-micros",
        [TYPE_STRING] = "string",   [TYPE_BYTES] = "bytes", [TYPE_ARRAY] = NULL};
    if (type->definition != NULL) {
        return type->definition->full_name;
    }
    return type->kind == TYPE_ARRAY ? text_of(&model->arena, "array of %s", type_text(model, type->items))
                                    : names[type->kind];
}

static void check_type(const struct comparison *comparison, const char *field, const struct type *reader,
                       const struct type *writer) {
    const struct definition *read = reader->definition, *written = writer->definition;
    bool same_name =
        read == written || (read != NULL && written != NULL && strcmp(read->full_name, written->full_name) == 0);
    if (reader->kind != writer->kind || !same_name) {
        fail_at(comparison->newer->path, field,
                "its type differs from %s: %s was %s, and a type never changes; retire the field, and add one of "
                "another name",
                comparison->older->path, type_text(comparison->model, reader), type_text(comparison->model, writer));
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
            fail_at(comparison->newer->path, field, "its size differs from %s", comparison->older->path);
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
        const struct field *field = &reader->fields[i], *written = field_written_for(writer, field);
        if (written == NULL && field->default_value == NULL) {
            fail_at(comparison->newer->path, field->name,
                    comparison->reader_is_older
                        ? "it is gone (or called otherwise), but %s has no default for it, and needs one to read what "
                          "is written as %s: keep the field, or write a new event"
                        : "it was added without a default, and %s needs one to read what was written as %s",
                    reader->path, writer->path);
        }
        if (written == NULL) {
            continue;
        }
        if (field->optional != written->optional) {
            fail_at(comparison->newer->path, field->name,
                    "it is optional in one, and not in the other: here, and in %s; that never changes",
                    comparison->older->path);
        }
        check_type(comparison, field->name, &field->type, &written->type);
    }
}

static void check_pair(struct model *model, const struct schema_file *older, const struct schema_file *newer,
                       bool newest) {
    struct comparison comparison = {.model = model, .newer = newer, .older = older};
    if (newer->kind == SCHEMA_EVENT || newest) {
        check_record(&comparison, newer->record, older->record);
    }
    if (newer->kind == SCHEMA_EVENT) {
        comparison.reader_is_older = true;
        check_record(&comparison, older->record, newer->record);
    }
}

/* ---- one record, version after version ---------------------------------------------------------------------- */

/* A record's definitions in the versions of one file that have it, oldest first. */
struct chain {
    const struct definition **links;
    size_t count;
    bool is_nested; /* shared with other files, where it may have gone through versions that are not among these */
};

static void check_default_stays(const struct chain *chain, size_t link, const struct field *field) {
    const struct definition *before = chain->links[link - 1];
    const struct field *then = field_by_name(before, field->name);
    bool is_taken = false; /* by records of an even older version */
    for (size_t i = 0; i + 1 < link; i++) {
        is_taken = is_taken || field_written_for(chain->links[i], field) == NULL;
    }
    bool is_same = then->default_value == NULL || field->default_value == NULL
                       ? then->default_value == field->default_value
                       : json_equal(then->default_value, field->default_value) != 0;
    if (is_taken && !is_same) {
        fail_at(chain->links[link]->path, field->name,
                "its default is not that of %s: what was written before the field was there would mean something else "
                "from now on",
                before->path);
    }
}

static void check_aliases_stay(const struct chain *chain, size_t link, const struct field *field) {
    const struct definition *before = chain->links[link - 1];
    const struct field *then = field_by_name(before, field->name);
    bool same = then->alias_count == field->alias_count;
    for (size_t i = 0; i < then->alias_count; i++) {
        same = same && has_alias(field, then->aliases[i]);
    }
    if (!same) {
        fail_at(chain->links[link]->path, field->name,
                "its aliases are not those of %s: they are given when the field is added, and stay as long as it does",
                before->path);
    }
}

/* A new field that takes over what a field of the version before has: that one ends here, and all names that it ever
 * had go on. */
static void check_takes_over(const struct chain *chain, size_t link, const struct field *field) {
    const struct definition *here = chain->links[link], *before = chain->links[link - 1];
    const struct field *predecessor = NULL;
    for (size_t i = 0; i < field->alias_count && predecessor == NULL; i++) {
        predecessor = field_by_name(before, field->aliases[i]);
    }
    if (predecessor == NULL) {
        if (!chain->is_nested) {
            fail_at(here->path, field->name, "its alias `%s` is no field of %s, whose values it could take over",
                    field->aliases[0], before->path);
        }
        return;
    }
    for (size_t i = 0; i < predecessor->alias_count; i++) {
        if (!has_alias(field, predecessor->aliases[i])) {
            fail_at(here->path, field->name,
                    "it takes over `%s` of %s, which took over `%s`: that must be among its aliases as well, or older "
                    "records lose the value",
                    predecessor->name, before->path, predecessor->aliases[i]);
        }
    }
    for (size_t i = 0; !chain->is_nested && i < field->alias_count; i++) {
        if (strcmp(field->aliases[i], predecessor->name) != 0 && !has_alias(predecessor, field->aliases[i])) {
            fail_at(here->path, field->name, "its alias `%s` is no name that `%s` of %s ever had", field->aliases[i],
                    predecessor->name, before->path);
        }
    }
}

/* A field that the version before lacks. */
static void check_new_field(const struct chain *chain, size_t link, const struct field *field) {
    for (size_t i = link - 1; i-- > 0;) {
        if (field_by_name(chain->links[i], field->name) != NULL) {
            fail_at(chain->links[link]->path, field->name,
                    "%s had a field of this name, which %s retired: a retired name never comes back, or old records "
                    "would be read as the new field",
                    chain->links[i]->path, chain->links[i + 1]->path);
        }
    }
    if (field->alias_count > 0) {
        check_takes_over(chain, link, field);
    }
}

static void check_chain(const struct chain *chain) {
    const struct definition *first = chain->links[0];
    for (size_t i = 0; !chain->is_nested && i < first->field_count; i++) {
        if (first->fields[i].alias_count > 0) {
            fail_at(first->path, first->fields[i].name,
                    "version 1 has no version before it whose fields it could take "
                    "over by an alias");
        }
    }
    for (size_t link = 1; link < chain->count; link++) {
        for (size_t i = 0; i < chain->links[link]->field_count; i++) {
            const struct field *field = &chain->links[link]->fields[i];
            if (field_by_name(chain->links[link - 1], field->name) == NULL) {
                check_new_field(chain, link, field);
            } else {
                check_default_stays(chain, link, field);
                check_aliases_stay(chain, link, field);
            }
        }
    }
}

/* The record that the newest version of a subject has under this name, as each version has it. */
static void check_history(struct model *model, const struct subject *subject, const struct definition *newest) {
    struct chain chain = {.links = arena_alloc(&model->arena, subject->version_count * sizeof(void *)),
                          .is_nested = newest != subject->newest->record};
    for (size_t v = 0; v < subject->version_count; v++) {
        const struct definition *link = definition_list_find(&subject->versions[v]->definitions, newest->full_name);
        if (link != NULL) {
            chain.links[chain.count++] = link;
        }
    }
    check_chain(&chain);
}

void check_versions(struct model *model) {
    for (size_t s = 0; s < model->subject_count; s++) {
        const struct subject *subject = &model->subjects[s];
        for (size_t newer = 1; newer < subject->version_count; newer++) {
            for (size_t older = 0; older < newer; older++) {
                check_pair(model, subject->versions[older], subject->versions[newer],
                           newer + 1 == subject->version_count);
            }
        }
        for (size_t i = 0; i < subject->newest->definitions.count; i++) {
            check_history(model, subject, subject->newest->definitions.items[i]);
        }
    }
}
