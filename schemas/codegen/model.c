#include "schemas/codegen/model.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#include "schemas/codegen/names.h"
#include "schemas/codegen/report.h"

enum { MODEL_MAX_BYTES = 512 * 1024 * 1024, SUBJECTS_MAX = 10000 };

/* ---- small questions ---------------------------------------------------------------------------------------- */

void definition_list_add(struct model *model, struct definition_list *list, const struct definition *definition) {
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 8 : list->capacity * 2;
        const struct definition **items = arena_alloc(&model->arena, list->capacity * sizeof *items);
        if (list->count > 0) {
            memcpy(items, list->items, list->count * sizeof *items);
        }
        list->items = items;
    }
    list->items[list->count++] = definition;
}

const struct definition *definition_list_find(const struct definition_list *list, const char *full_name) {
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i]->full_name, full_name) == 0) {
            return list->items[i];
        }
    }
    return NULL;
}

const struct field *field_by_name(const struct definition *record, const char *name) {
    for (size_t i = 0; i < record->field_count; i++) {
        if (strcmp(record->fields[i].name, name) == 0) {
            return &record->fields[i];
        }
    }
    return NULL;
}

bool has_alias(const struct field *field, const char *name) {
    for (size_t i = 0; i < field->alias_count; i++) {
        if (strcmp(field->aliases[i], name) == 0) {
            return true;
        }
    }
    return false;
}

const struct field *field_for_written(const struct definition *reader, const char *name) {
    const struct field *same = field_by_name(reader, name);
    for (size_t i = 0; same == NULL && i < reader->field_count; i++) {
        same = has_alias(&reader->fields[i], name) ? &reader->fields[i] : NULL;
    }
    return same;
}

const struct field *field_written_for(const struct definition *writer, const struct field *field) {
    const struct field *same = field_by_name(writer, field->name);
    for (size_t i = 0; same == NULL && i < field->alias_count; i++) {
        same = field_by_name(writer, field->aliases[i]);
    }
    return same;
}

bool is_type_name(const struct type *type, const char *full_name) {
    return type->definition != NULL && strcmp(type->definition->full_name, full_name) == 0;
}

bool has_payload(const struct definition *record) {
    return record->field_count > 1;
}

size_t min_wire_bytes(const struct type *type) {
    if (type->kind == TYPE_FIXED) {
        return type->definition->fixed_size;
    }
    if (type->kind != TYPE_RECORD) {
        return 1;
    }
    size_t sum = 0;
    for (size_t i = 0; i < type->definition->field_count; i++) {
        const struct field *field = &type->definition->fields[i];
        sum += field->optional ? 1 : min_wire_bytes(&field->type);
    }
    return sum;
}

bool same_wire_type(const struct type *a, const struct type *b) {
    if (a->kind != b->kind) {
        return false;
    }
    if (a->kind == TYPE_ARRAY) {
        return same_wire_type(a->items, b->items);
    }
    return a->definition == NULL || same_wire_form(a->definition, b->definition);
}

bool same_wire_form(const struct definition *a, const struct definition *b) {
    if (a == b) {
        return true;
    }
    if (a->kind != b->kind || strcmp(a->full_name, b->full_name) != 0 || a->field_count != b->field_count ||
        a->symbol_count != b->symbol_count || a->fixed_size != b->fixed_size) {
        return false;
    }
    for (size_t i = 0; i < a->field_count; i++) {
        const struct field *x = &a->fields[i], *y = &b->fields[i];
        if (strcmp(x->name, y->name) != 0 || x->optional != y->optional || !same_wire_type(&x->type, &y->type)) {
            return false;
        }
    }
    for (size_t i = 0; i < a->symbol_count; i++) {
        if (strcmp(a->symbols[i], b->symbols[i]) != 0) {
            return false;
        }
    }
    return true;
}

static bool same_text(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_aliases(const struct field *a, const struct field *b) {
    for (size_t i = 0; i < a->alias_count; i++) {
        if (!has_alias(b, a->aliases[i])) {
            return false;
        }
    }
    return a->alias_count == b->alias_count;
}

static bool same_rules(const struct rules *a, const struct rules *b) {
    bool same_item = a->item == b->item || (a->item != NULL && b->item != NULL && same_rules(a->item, b->item));
    return same_item && a->min == b->min && a->max == b->max && a->has_min == b->has_min && a->has_max == b->has_max &&
           a->positive == b->positive && a->min_length == b->min_length && a->max_length == b->max_length &&
           same_text(a->format, b->format) && a->min_items == b->min_items && a->max_items == b->max_items &&
           a->json_object == b->json_object && a->source == b->source && a->secret == b->secret &&
           same_text(a->of, b->of);
}

/* What differs between two definitions of one shared name, rules, defaults and docs included; NULL when nothing does.
 * Nested names are compared on their own. */
static const char *difference(struct model *model, const struct definition *a, const struct definition *b) {
    if (!same_text(a->doc, b->doc)) {
        return "its doc";
    }
    for (size_t i = 0; i < a->field_count && i < b->field_count; i++) {
        const struct field *x = &a->fields[i], *y = &b->fields[i];
        bool same_default =
            x->default_value == y->default_value ||
            (x->default_value != NULL && y->default_value != NULL && json_equal(x->default_value, y->default_value));
        if (strcmp(x->name, y->name) != 0 || !same_text(x->doc, y->doc) || x->optional != y->optional ||
            !same_default || !same_aliases(x, y) || !same_rules(&x->rules, &y->rules) ||
            !same_wire_type(&x->type, &y->type)) {
            return text_of(&model->arena, "field %s", x->name);
        }
    }
    return same_wire_form(a, b) ? NULL : "its fields, symbols or size";
}

/* ---- the folder --------------------------------------------------------------------------------------------- */

static int is_visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

/* The visible names in a folder, sorted; NULL when it is no folder. */
static const char **list_folder(struct model *model, const char *path, size_t *ret_count) {
    struct dirent **entries;
    int count = scandir(path, &entries, is_visible, alphasort);
    *ret_count = 0;
    if (count < 0) {
        return NULL;
    }
    const char **names = arena_alloc(&model->arena, (size_t)count * sizeof *names);
    for (int i = 0; i < count; i++) {
        names[i] = text_of(&model->arena, "%s", entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    *ret_count = (size_t)count;
    return names;
}

/* Every version stays, so there is no gap: the one after it could not tell what it changed. */
static void check_gapless(struct model *model, const char *folder, const char **names, size_t count) {
    for (size_t version = 1; version <= count; version++) {
        const char *expected = text_of(&model->arena, "%zu.avsc", version);
        bool found = false;
        for (size_t i = 0; i < count && !found; i++) {
            found = strcmp(names[i], expected) == 0;
        }
        if (!found) {
            fail_at(folder, NULL,
                    "%s is missing: versions count up from 1 without a gap, every one of them stays, and "
                    "nothing else is in the folder",
                    expected);
        }
    }
}

static void load_versions(struct model *model, struct subject *subject) {
    const char *folder = text_of(&model->arena, "%s/%s/%s", model->root, subject->family, subject->name);
    size_t count = 0;
    const char **names = list_folder(model, folder, &count);
    check_gapless(model, folder, names, count);
    subject->versions = arena_alloc(&model->arena, count * sizeof(void *));
    subject->version_count = count;
    for (size_t i = 0; i < count; i++) {
        struct schema_file *file = arena_alloc(&model->arena, sizeof *file);
        file->path = text_of(&model->arena, "%s/%zu.avsc", folder, i + 1);
        file->family = subject->family;
        file->name = subject->name;
        file->version = (int)i + 1;
        parse_schema_file(model, file);
        subject->versions[i] = file;
        if (file->kind != subject->versions[0]->kind) {
            fail_at(file->path, NULL, "its namespace is not that of version 1");
        }
    }
    subject->newest = subject->versions[count - 1];
    subject->kind = subject->newest->kind;
}

static void load_family(struct model *model, const char *family) {
    const char *folder = text_of(&model->arena, "%s/%s", model->root, family);
    size_t count;
    const char **names = list_folder(model, folder, &count);
    for (size_t i = 0; i < count; i++) {
        size_t version_count = 0;
        const char *path = text_of(&model->arena, "%s/%s", folder, names[i]);
        if (list_folder(model, path, &version_count) == NULL || version_count == 0) {
            fail_at(path, NULL, "expected a folder named like a record, with 1.avsc in it");
        }
        if (model->subject_count == SUBJECTS_MAX) {
            fail_at(model->root, NULL, "more than %d records", SUBJECTS_MAX);
        }
        struct subject *subject = &model->subjects[model->subject_count++];
        *subject = (struct subject){.family = family, .name = names[i]};
        load_versions(model, subject);
    }
}

/* Every folder below the root with schemas in it is a family; the generator's own and the golden bytes are none. */
static void load_families(struct model *model) {
    size_t count;
    const char **names = list_folder(model, model->root, &count);
    if (names == NULL) {
        fail_at(model->root, NULL, "cannot read the folder: %s", strerror(errno));
    }
    model->subjects = arena_alloc(&model->arena, SUBJECTS_MAX * sizeof *model->subjects);
    model->families = names;
    for (size_t i = 0; i < count; i++) {
        size_t entries;
        const char *path = text_of(&model->arena, "%s/%s", model->root, names[i]);
        bool skipped = strcmp(names[i], "codegen") == 0 || strcmp(names[i], "golden") == 0;
        if (!skipped && list_folder(model, path, &entries) != NULL) {
            const char *family = names[i];
            model->families[model->family_count++] = family;
            load_family(model, family);
        }
    }
}

/* ---- what holds across files -------------------------------------------------------------------------------- */

/* A shared name means one thing today; only files that have a newer version may still define it the old way. */
static void collect_shared(struct model *model) {
    for (size_t s = 0; s < model->subject_count; s++) {
        const struct schema_file *newest = model->subjects[s].newest;
        for (size_t i = 0; i + 1 < newest->definitions.count; i++) {
            const struct definition *definition = newest->definitions.items[i];
            const struct definition *known = definition_list_find(&model->shared, definition->full_name);
            if (known == NULL) {
                definition_list_add(model, &model->shared, definition);
                continue;
            }
            const char *what = difference(model, known, definition);
            if (what != NULL) {
                fail_at(newest->path, NULL, "%s differs from its definition in %s: %s", definition->full_name,
                        known->path, what);
            }
        }
    }
}

/* All records share C's names, whatever their namespaces: struct cart_opened, cart_state_encode, ... */
static void check_names_unique(struct model *model) {
    for (size_t s = 0; s < model->subject_count; s++) {
        const struct definition *record = model->subjects[s].newest->record;
        for (size_t t = 0; t < s; t++) {
            if (strcmp(model->subjects[t].newest->record->snake, record->snake) == 0) {
                fail_at(record->path, NULL, "%s has the same name in C", model->subjects[t].newest->path);
            }
        }
        for (size_t i = 0; i < model->shared.count; i++) {
            if (strcmp(model->shared.items[i]->snake, record->snake) == 0) {
                fail_at(record->path, NULL, "the shared %s has the same name in C", model->shared.items[i]->full_name);
            }
        }
    }
}

/* What the plaintext of a Sealed is JSON of: a message of the same family, bounded as a request must be. */
static const struct definition *find_message(struct model *model, const struct schema_file *user, const char *field,
                                             const char *name) {
    for (size_t s = 0; s < model->subject_count; s++) {
        const struct subject *subject = &model->subjects[s];
        if (subject->kind == SCHEMA_MESSAGE && strcmp(subject->name, name) == 0 &&
            strcmp(subject->family, user->family) == 0) {
            require_bounded(model, subject->versions[subject->version_count - 1]);
            return subject->newest->record;
        }
    }
    fail_at(user->path, field, "`of` names no message (namespace daybook.messages) of the family: `%s`", name);
}

static void resolve_messages(struct model *model) {
    for (size_t s = 0; s < model->subject_count; s++) {
        const struct schema_file *newest = model->subjects[s].newest;
        for (size_t i = 0; i < newest->record->field_count; i++) {
            struct field *field = &newest->record->fields[i];
            if (field->rules.of != NULL) {
                field->rules.of_record = find_message(model, newest, field->name, field->rules.of);
            }
        }
    }
}

static void number_types(struct model *model) {
    int events = 0, commands = 0;
    for (size_t s = 0; s < model->subject_count; s++) {
        struct subject *subject = &model->subjects[s];
        if (subject->kind == SCHEMA_EVENT) {
            subject->type = ++events;
        } else if (subject->kind == SCHEMA_COMMAND) {
            subject->type = ++commands;
        }
    }
}

void model_load(struct model *model, const char *root) {
    *model = (struct model){.root = root};
    arena_init(&model->arena, MODEL_MAX_BYTES);
    load_families(model);
    if (model->subject_count == 0) {
        fail_at(root, NULL, "no schemas below it (<family>/<Name>/<n>.avsc)");
    }
    collect_shared(model);
    check_names_unique(model);
    resolve_messages(model);
    number_types(model);
}
