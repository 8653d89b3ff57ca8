/* golden.h: one file of bytes for every schema version, made once and kept for ever.
 *
 * Purpose  what was written with a schema must stay readable by every later build. <family>/<Name>.<n>.hex holds two
 *          records, one a line: one with every optional field there, one with none. <Name>.<n>.json holds the same two
 *          values for readers in other languages: an array of objects, absent fields null, times as microseconds,
 *          bytes and fixed as hexadecimal.
 * Promise  made by avro-c, not by the code that is tested with it; the values depend on the schema alone. A file that
 *          is there is never written again.
 * Thread   the generator has one.        May use: base, model, avro-c.
 */
#pragma once

#include "schemas/codegen/model.h"

void golden_write(struct model *model);
