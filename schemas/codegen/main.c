/* codegen: from schemas to C.
 *
 *   codegen --schemas DIR --out DIR            write structs, codecs and tables into DIR
 *   codegen --schemas DIR --register           give new schema files their ids in DIR/registry.tsv, and golden bytes
 *   codegen --schemas DIR --check              fail when the registry, the files and their versions do not agree
 *   codegen --schemas DIR --check-against FILE the same, and fail unless the registry begins with FILE, an older one
 *   codegen --schemas DIR --golden             write missing golden bytes into DIR/golden, by avro-c
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schemas/codegen/compat.h"
#include "schemas/codegen/emit.h"
#include "schemas/codegen/golden.h"
#include "schemas/codegen/names.h"
#include "schemas/codegen/registry.h"
#include "schemas/codegen/report.h"

enum mode { MODE_NONE, MODE_OUT, MODE_REGISTER, MODE_CHECK, MODE_CHECK_AGAINST, MODE_GOLDEN };

struct options {
    const char *schemas;
    enum mode mode;
    const char *argument; /* of --out and --check-against */
};

static _Noreturn void usage(void) {
    fputs("usage: codegen --schemas DIR (--out DIR | --register | --check | --check-against FILE | --golden)\n",
          stderr);
    exit(2);
}

static struct options read_options(int argc, char **argv) {
    static const struct {
        const char *name;
        enum mode mode;
        bool has_argument;
    } modes[] = {{"--out", MODE_OUT, true},
                 {"--register", MODE_REGISTER, false},
                 {"--check", MODE_CHECK, false},
                 {"--check-against", MODE_CHECK_AGAINST, true},
                 {"--golden", MODE_GOLDEN, false}};
    struct options options = {0};
    for (int i = 1; i < argc; i++) {
        bool known = strcmp(argv[i], "--schemas") == 0 && i + 1 < argc;
        if (known) {
            options.schemas = argv[++i];
        }
        for (size_t m = 0; !known && m < ARRAY_LENGTH(modes); m++) {
            if (strcmp(argv[i], modes[m].name) == 0 && options.mode == MODE_NONE &&
                (!modes[m].has_argument || i + 1 < argc)) {
                options.mode = modes[m].mode;
                options.argument = modes[m].has_argument ? argv[++i] : NULL;
                known = true;
            }
        }
        if (!known) {
            usage();
        }
    }
    if (options.schemas == NULL || options.mode == MODE_NONE) {
        usage();
    }
    return options;
}

static void generate(struct model *model, const char *folder) {
    struct emitter emitter;
    emit_start(&emitter, model, folder);
    emit_types(&emitter);
    emit_codec(&emitter);
    emit_tables(&emitter);
    emit_json_write(&emitter);
    emit_json_read(&emitter);
    emit_json_dispatch(&emitter);
    emit_openapi(&emitter);
    emit_finish(&emitter);
}

int main(int argc, char **argv) {
    struct options options = read_options(argc, argv);
    static struct model model;
    model_load(&model, options.schemas);
    check_versions(&model);
    const char *registry = text_of(&model.arena, "%s/registry.tsv", options.schemas);
    if (options.mode == MODE_REGISTER) {
        printf("%zu new ids in %s\n", registry_append(&model, registry), registry);
        golden_write(&model);
    } else {
        registry_apply(&model, registry, NULL);
    }
    if (options.mode == MODE_OUT) {
        generate(&model, options.argument);
    } else if (options.mode == MODE_CHECK_AGAINST) {
        registry_check_grown(&model, registry, options.argument);
    } else if (options.mode == MODE_GOLDEN) {
        golden_write(&model);
    }
    arena_release(&model.arena);
    return EXIT_SUCCESS;
}
