/* compat.h: what may change from one version of a record to another.
 *
 * Rules    all records: today's struct must be readable from every version, so a field keeps its type, and one that an
 *          older version lacks has a default; an enum keeps its symbols (it may get more).
 *          Events, which others read as well: FULL_TRANSITIVE, so any version must also be readable as any other: a
 *          field that only one of them has needs a default there, and enums do not change at all.
 * Chain    a record of version 1 comes out as if it had gone through every version up to today's, though one reader
 *          takes it there at once: a default never changes under records that take it, a retired name never comes back,
 *          and a field that takes over an older one's values names all that went before it in its aliases. Readers of
 *          other makes, which resolve in one step, thus see the same.
 * Source   Confluent Schema Registry, "Schema Evolution and Compatibility"; Avro 1.11, "Schema Resolution", "Aliases".
 * Thread   the generator has one.        May use: model.
 */
#pragma once

#include "schemas/codegen/model.h"

/* Ends the program at the first violation. */
void check_versions(struct model *model);
