/* registry.h: schemas/registry.tsv: which schema has which id, for ever.
 *
 * Form     a header line, then one line a schema version, fields separated by tabs: id, subject, version, and the
 *          SHA-256 of the schema's JSON without spaces. Ids count up from 1 without gaps. Lines are only ever added.
 * Thread   the generator has one.        May use: base, model.
 */
#pragma once

#include "schemas/codegen/model.h"

/* Gives every file of the model its id. Ends the program when the registry is malformed, when a registered file is
 * missing or was changed, and, unless `ret_unregistered` is given to count them, when a file is not in it. */
void registry_apply(struct model *model, const char *path, size_t *ret_unregistered);

/* Appends lines for the files that have no id yet; returns how many. */
size_t registry_append(struct model *model, const char *path);

/* Ends the program unless the registry begins with every line of the older one. */
void registry_check_grown(struct model *model, const char *path, const char *older_path);
