/* compat.h: what may change from one version of a record to another.
 *
 * Rules    all records: today's struct must be readable from every version, so a field keeps its type, and one that an
 *          older version lacks has a default; an enum keeps its symbols (it may get more).
 *          Events, which others read as well: FULL_TRANSITIVE, so any version must also be readable as any other: a
 *          field that only one of them has needs a default there, and enums do not change at all.
 * Source   Confluent Schema Registry, "Schema Evolution and Compatibility".
 * Thread   the generator has one.        May use: model.
 */
#pragma once

#include "schemas/codegen/model.h"

/* Ends the program at the first violation. */
void check_versions(struct model *model);
