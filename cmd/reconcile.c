/* reconcile.c: `daybook reconcile FILE`: what a payment provider settled, held against the log. */
#include "cmd/command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/installation.h"
#include "core/base/csv.h"
#include "core/base/format.h"
#include "core/base/json_write.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "core/log/reconcile.h"
#include "core/log/record.h"
#include "core/log/topics.h"
#include "core/log/walk.h"

enum { LINE_MAX_BYTES = 4096 };

enum column { COLUMN_KIND, COLUMN_PAYMENT, COLUMN_AMOUNT, COLUMN_CURRENCY, COLUMN_COUNT };
static const char *const columns[COLUMN_COUNT] = {"kind", "payment", "amount", "currency"};

struct settlement {
    const char *path; /* "-": standard input */
    bool json;
    int64_t from_us, to_us;
    struct reconcile reconcile;
    int64_t rows;
    struct arena arena; /* of a record's event */
    struct err_info failure;
    bool has_failed;
};

static int wrong_usage(const char *what, const char *text) {
    fprintf(stderr, "daybook reconcile: %s%s\nusage: daybook reconcile %s\n", what, text, reconcile_command.usage);
    return EXIT_WRONG_USAGE;
}

static int arguments_read(int argc, char **argv, struct settlement *settlement) {
    for (int i = 1; i < argc; i++) {
        bool is_from = strcmp(argv[i], "--from") == 0, is_to = strcmp(argv[i], "--to") == 0;
        if (strcmp(argv[i], "--json") == 0) {
            settlement->json = true;
        } else if (is_from || is_to) {
            int64_t *time_us = is_from ? &settlement->from_us : &settlement->to_us;
            if (i + 1 == argc || !timestamp_read(str_of_cstr(argv[i + 1]), time_us)) {
                return wrong_usage("a time of RFC 3339, as 2026-11-01T00:00:00Z, belongs behind ", argv[i]);
            }
            i++;
        } else if (argv[i][0] == '-' && argv[i][1] != '\0') {
            return wrong_usage("there is no option ", argv[i]);
        } else if (settlement->path != NULL) {
            return wrong_usage("one file at a time; too much: ", argv[i]);
        } else {
            settlement->path = argv[i];
        }
    }
    if (settlement->path == NULL) {
        return wrong_usage("which file?", "");
    }
    return settlement->from_us < settlement->to_us ? EXIT_DONE : wrong_usage("--to must be later than --from", "");
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

/* Where each of our columns stands; others are passed over. */
static enum err header_read(const struct csv_row *row, uint32_t ret_places[COLUMN_COUNT], struct err_info *info) {
    for (uint32_t column = 0; column < COLUMN_COUNT; column++) {
        ret_places[column] = UINT32_MAX;
        for (uint32_t i = 0; i < row->count; i++) {
            if (!str_equal(row->fields[i], str_of_cstr(columns[column]))) {
                continue;
            }
            if (ret_places[column] != UINT32_MAX) {
                return err_set(info, ERR_MALFORMED, "line %" PRId64 ": there are two columns %s", row->line,
                               columns[column]);
            }
            ret_places[column] = i;
        }
        if (ret_places[column] == UINT32_MAX) {
            return err_set(info, ERR_MALFORMED,
                           "line %" PRId64 ": there is no column %s (kind, payment, amount, currency)", row->line,
                           columns[column]);
        }
    }
    return ERR_NONE;
}

static enum err wrong_field(const struct csv_row *row, enum column column, const char *what, struct err_info *info) {
    return err_set(info, ERR_MALFORMED, "line %" PRId64 ": %s %s", row->line, columns[column], what);
}

static enum err row_take(struct settlement *settlement, const struct csv_row *row, const uint32_t places[COLUMN_COUNT],
                         uint32_t width, struct err_info *info) {
    if (row->count != width) {
        return err_set(info, ERR_MALFORMED, "line %" PRId64 ": it has %u fields, the first line has %u", row->line,
                       row->count, width);
    }
    enum movement movement;
    struct str payment = row->fields[places[COLUMN_PAYMENT]];
    struct money amount = {.currency = row->fields[places[COLUMN_CURRENCY]]};
    if (!movement_named(row->fields[places[COLUMN_KIND]], &movement)) {
        return wrong_field(row, COLUMN_KIND, "is none of charge, refund, dispute, dispute_reversal", info);
    }
    if (str_is_empty(payment) || payment.len > RECONCILE_PAYMENT_MAX_BYTES) {
        return wrong_field(row, COLUMN_PAYMENT, "must have 1 to 128 bytes", info);
    }
    if (!int64_read(row->fields[places[COLUMN_AMOUNT]], &amount.amount) || amount.amount < 0) {
        return wrong_field(row, COLUMN_AMOUNT, "is no whole number of minor units (1999 for 19.99)", info);
    }
    if (!format_matches(FORMAT_CURRENCY, amount.currency)) {
        return wrong_field(row, COLUMN_CURRENCY, "is no code of ISO 4217", info);
    }
    if (!reconcile_row(&settlement->reconcile, movement, payment, amount, row->line)) {
        return wrong_field(row, COLUMN_AMOUNT, "makes a sum beyond what can be counted", info);
    }
    settlement->rows++;
    return ERR_NONE;
}

static enum err rows_read(struct settlement *settlement, struct csv *csv, struct err_info *info) {
    struct csv_row row = {0};
    uint32_t places[COLUMN_COUNT];
    enum err err = csv_next(csv, &row, info);
    if (err == ERR_NOT_FOUND) {
        return err_set(info, ERR_MALFORMED, "the file is empty");
    }
    if (err == ERR_NONE) {
        err = header_read(&row, places, info);
    }
    uint32_t width = row.count;
    while (err == ERR_NONE && (err = csv_next(csv, &row, info)) == ERR_NONE) {
        err = row_take(settlement, &row, places, width, info);
    }
    return err == ERR_NOT_FOUND ? ERR_NONE : err;
}

/* Nothing of a file that is wrong somewhere is compared: half of it would be missing from the other half. */
static int file_read(struct settlement *settlement) {
    bool is_input = strcmp(settlement->path, "-") == 0;
    FILE *file = is_input ? stdin : fopen(settlement->path, "r");
    if (file == NULL) {
        fprintf(stderr, "daybook reconcile: %s: %s\n", settlement->path, strerror(errno));
        return EXIT_WORLD_FAILED;
    }
    struct csv csv;
    struct err_info info = {0};
    csv_begin(&csv, file);
    enum err err = rows_read(settlement, &csv, &info);
    csv_end(&csv);
    if (!is_input) {
        fclose(file);
    }
    if (err != ERR_NONE) {
        fprintf(stderr, "daybook reconcile: %s: %s\n", settlement->path, info.text);
        return err == ERR_IO ? EXIT_WORLD_FAILED : EXIT_WRONG_USAGE;
    }
    return EXIT_DONE;
}

/* ---- the log ----------------------------------------------------------------------------------------------------- */

static bool on_record(void *context, const struct log_record *record) {
    struct settlement *settlement = context;
    struct event event;
    arena_reset(&settlement->arena);
    if (event_record_read(&settlement->arena, record->value, &event, &settlement->failure) != ERR_NONE) {
        settlement->has_failed = true;
    } else if (!reconcile_event(&settlement->reconcile, &event)) {
        err_set(&settlement->failure, ERR_TOO_LARGE,
                "a payment has an id, a time or a sum that no payment of ours has; `daybook verify` tells which");
        settlement->has_failed = true;
    }
    return !settlement->has_failed;
}

static int log_read(struct settlement *settlement, const struct config *config) {
    struct log_topics topics;
    log_topics_name(&topics, config->topic_prefix);
    struct log_partition *partitions = calloc_or_end((size_t)config->shards, sizeof *partitions);
    for (int32_t shard = 0; shard < (int32_t)config->shards; shard++) {
        partitions[shard] = (struct log_partition){topics.names[TOPIC_PAYMENTS], shard, WALK_FROM_FIRST};
    }
    const struct log_walk walk = {.brokers = config->kafka_brokers,
                                  .client_id = "daybook-reconcile",
                                  .context = settlement,
                                  .on_record = on_record};
    struct err_info info = {0};
    enum err err = log_walk(&walk, partitions, (size_t)config->shards, &info);
    free(partitions);
    if (err == ERR_NONE && !settlement->has_failed) {
        return EXIT_DONE;
    }
    fprintf(stderr, "daybook reconcile: %s\n", err != ERR_NONE ? info.text : settlement->failure.text);
    return EXIT_WORLD_FAILED;
}

/* ---- what differs ------------------------------------------------------------------------------------------------ */

static void write_side(struct buf *out, const char *side, int64_t minor, bool is_there, const char *where) {
    if (is_there) {
        buf_printf(out, "%s %" PRId64 " (%s)", side, minor, where);
    } else {
        buf_printf(out, "%s nothing", side);
    }
}

static void write_line(struct buf *out, const struct reconcile_difference *difference) {
    char line[32], time[TIMESTAMP_TEXT_MAX + 1] = "";
    snprintf(line, sizeof line, "line %" PRId64, difference->line);
    if (difference->at_us != 0) {
        timestamp_write(difference->at_us, time);
    }
    text_write_shown(out, difference->payment);
    buf_printf(out, ": %s in %.*s: ", movement_name(difference->movement), STR_ARGS(difference->currency));
    write_side(out, "the file has", difference->sums.file_minor, difference->line != 0, line);
    write_side(out, ", the log", difference->sums.log_minor, difference->at_us != 0, time);
}

static void write_object(struct buf *out, const struct reconcile_difference *difference) {
    struct json_writer writer = json_writer_of(out);
    json_object_begin(&writer);
    json_field_string(&writer, "payment", difference->payment);
    json_field_string(&writer, "kind", str_of_cstr(movement_name(difference->movement)));
    json_field_string(&writer, "currency", difference->currency);
    json_field_int(&writer, "file", difference->sums.file_minor);
    json_field_int(&writer, "log", difference->sums.log_minor);
    if (difference->line != 0) {
        json_field_int(&writer, "line", difference->line);
    }
    if (difference->at_us != 0) {
        json_field_time(&writer, "occurred_at", difference->at_us);
    }
    json_object_end(&writer);
}

static void on_difference(void *context, const struct reconcile_difference *difference) {
    const struct settlement *settlement = context;
    struct buf out;
    buf_init(&out, LINE_MAX_BYTES);
    if (settlement->json) {
        write_object(&out, difference);
    } else {
        write_line(&out, difference);
    }
    printf("%.*s\n", (int)out.len, out.data);
    buf_release(&out);
}

/* On standard error where standard output is for a program. */
static void print_totals(const struct settlement *settlement, int64_t differences) {
    FILE *out = settlement->json ? stderr : stdout;
    for (uint32_t i = 0; i < reconcile_total_count(&settlement->reconcile); i++) {
        const struct reconcile_total *total = reconcile_total_at(&settlement->reconcile, i);
        for (uint32_t k = 0; k < MOVEMENT_COUNT; k++) {
            struct reconcile_sums sums = total->sums[k];
            if (sums.file_minor != 0 || sums.log_minor != 0) {
                fprintf(out, "%.*s %-16s %16" PRId64 " in the file, %16" PRId64 " in the log\n",
                        STR_ARGS(total->currency), movement_name((enum movement)k), sums.file_minor, sums.log_minor);
            }
        }
    }
    fprintf(out, "%" PRId64 " rows: %" PRId64 " differences\n", settlement->rows, differences);
}

static int compare(struct settlement *settlement, const struct config *config) {
    int code = file_read(settlement);
    if (code == EXIT_DONE) {
        code = log_read(settlement, config);
    }
    if (code != EXIT_DONE) {
        return code;
    }
    int64_t differences = reconcile_tell(&settlement->reconcile, on_difference, settlement);
    print_totals(settlement, differences);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fputs("daybook reconcile: standard output takes no more\n", stderr);
        return EXIT_WORLD_FAILED;
    }
    return differences == 0 ? EXIT_DONE : EXIT_DIFFERENCE;
}

static int run(const struct config *config, int argc, char **argv) {
    struct settlement settlement = {.from_us = 0, .to_us = INT64_MAX};
    int code = arguments_read(argc, argv, &settlement);
    if (code == EXIT_DONE) {
        code = installation_log_check(config, "reconcile");
    }
    if (code != EXIT_DONE) {
        return code;
    }
    reconcile_begin(&settlement.reconcile, settlement.from_us, settlement.to_us);
    arena_init(&settlement.arena, (size_t)64 << 20);
    code = compare(&settlement, config);
    arena_release(&settlement.arena);
    reconcile_end(&settlement.reconcile);
    return code;
}

const struct command_line reconcile_command = {
    .name = "reconcile",
    .usage = "FILE [--from TIME] [--to TIME] [--json]",
    .summary = "hold a payment provider's settlement file against the log",
    .help = "FILE (- for standard input) is comma-separated values as in RFC 4180, its first line the names of its "
            "columns.\n"
            "Four of them are read, in any order; others are passed over:\n"
            "  kind      charge, refund, dispute or dispute_reversal (a dispute that was won)\n"
            "  payment   Daybook's id of the payment, which the provider was told: pay_...\n"
            "  amount    in minor units, never negative: 1999 for 19.99\n"
            "  currency  ISO 4217\n"
            "Of each payment and kind the sums of both sides are compared, and what differs is a line (--json: an "
            "object).\n\n"
            "  --from TIME  of the log, what occurred at this time or later (RFC 3339)\n"
            "  --to TIME    and before this time: the days that the file is of\n\n"
            "A file that is wrong anywhere is refused with the line, and nothing of it is compared.\n\n"
            "Memory: 250 bytes a payment. Exit codes: 0 all agree, 1 the file or the log cannot be read, 2 wrong usage "
            "or a\n"
            "file that is none, 3 there are differences.\n\n"
            "  daybook reconcile october.csv --from 2026-10-01T00:00:00Z --to 2026-11-01T00:00:00Z",
    .run = run,
};
