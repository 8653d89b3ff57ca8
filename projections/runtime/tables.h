/* tables.h: the tables that the runtime keeps for every view (runtime.sql, parking.sql). Those that a projector writes
 * rows to are described like a view's own.
 * Thread   constants.            May use: base.
 */
#pragma once

#include "projections/runtime/view.h"

enum { RUNTIME_STREAMS, RUNTIME_PARKED, RUNTIME_TABLES };

extern const struct view_table runtime_tables[RUNTIME_TABLES];
extern const char runtime_sql[], parking_sql[];
