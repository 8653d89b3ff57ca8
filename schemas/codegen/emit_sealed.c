/* emit_sealed.c: visiting what is sealed in a record: of commands, before they are sealed; of stored states, before
 * they are shown, and to see that nothing is left. */
#include "schemas/codegen/emit.h"
#include "schemas/codegen/names.h"

static bool holds_sealed(const struct type *type) {
    if (type->kind == TYPE_ARRAY) {
        return holds_sealed(type->items);
    }
    bool holds = is_type_name(type, "daybook.Sealed");
    for (size_t i = 0; type->kind == TYPE_RECORD && i < type->definition->field_count; i++) {
        holds = holds || holds_sealed(&type->definition->fields[i].type);
    }
    return holds;
}

/* A loop or a step for everything on the way to a Sealed. `depth` numbers the loops' variables. */
static void emit_seal_field(struct emitter *emitter, struct buf *out, const struct field *field, const char *prefix,
                            int indent, int depth) {
    struct arena *arena = &emitter->model->arena;
    if (!holds_sealed(&field->type)) {
        return;
    }
    const char *value = text_of(arena, "%s%s", prefix, field->name);
    if (field->optional) {
        buf_printf(out, "%*sif (%shas_%s) {\n", indent, "", prefix, field->name);
        indent += 4;
    }
    const struct type *type = &field->type;
    int inner = indent;
    if (type->kind == TYPE_ARRAY) {
        buf_printf(out, "%*sfor (uint32_t i%d = 0; i%d < %s.count; i%d++) {\n", indent, "", depth, depth, value, depth);
        value = text_of(arena, "%s.items[i%d]", value, depth);
        type = type->items;
        inner += 4;
    }
    if (is_type_name(type, "daybook.Sealed")) {
        buf_printf(out, "%*sif (!visit(context, &%s)) {\n%*sreturn false;\n%*s}\n", inner, "", value, inner + 4, "",
                   inner, "");
    } else {
        for (size_t i = 0; i < type->definition->field_count; i++) {
            emit_seal_field(emitter, out, &type->definition->fields[i], text_of(arena, "%s.", value), inner, depth + 1);
        }
    }
    if (field->type.kind == TYPE_ARRAY) {
        buf_printf(out, "%*s}\n", indent, "");
    }
    if (field->optional) {
        buf_printf(out, "%*s}\n", indent - 4, "");
    }
}

bool record_holds_sealed(const struct definition *record, size_t first) {
    for (size_t i = first; i < record->field_count; i++) {
        if (holds_sealed(&record->fields[i].type)) {
            return true;
        }
    }
    return false;
}

void emit_sealed_visits(struct emitter *emitter, struct buf *out, const struct definition *record, size_t first,
                        const char *prefix, int indent) {
    for (size_t i = first; i < record->field_count; i++) {
        emit_seal_field(emitter, out, &record->fields[i], prefix, indent, 1);
    }
}

void emit_state_visits(struct emitter *emitter, struct buf *out, const struct subject *subject) {
    const struct definition *record = subject->newest->record;
    if (subject->kind != SCHEMA_STATE || !record_holds_sealed(record, 0)) {
        return;
    }
    buf_printf(out,
               "\nbool %s_each_sealed(struct %s *value, bool (*visit)(void *context, struct sealed *sealed),\n"
               "    void *context) {\n",
               record->snake, record->snake);
    emit_sealed_visits(emitter, out, record, 0, "value->", 4);
    buf_str(out, STR("    return true;\n}\n"));
}
