#include "projections/runtime/tables.h"

#include "core/base/embed.h"

EMBED_TEXT(runtime_sql, "projections/runtime/runtime.sql");
EMBED_TEXT(parking_sql, "projections/runtime/parking.sql");

const struct view_table runtime_tables[RUNTIME_TABLES] = {
    [RUNTIME_STREAMS] =
        {
            .name = "streams",
            .columns = {{"stream", VIEW_TEXT, .key = true},
                        {"hash", VIEW_BIGINT},
                        {"version", VIEW_BIGINT},
                        {"parked", VIEW_BOOLEAN},
                        {"state", VIEW_BYTEA}},
            .column_count = 5,
        },
    [RUNTIME_PARKED] =
        {
            .name = "parked",
            .columns = {{"topic", VIEW_TEXT, .key = true},
                        {"shard", VIEW_BIGINT, .key = true},
                        {"log_offset", VIEW_BIGINT, .key = true},
                        {"stream", VIEW_TEXT},
                        {"version", VIEW_BIGINT},
                        {"appended_at", VIEW_TIMESTAMP},
                        {"reason", VIEW_TEXT}},
            .column_count = 7,
            .append_only = true,
        },
};
