#include "projections/sales/list.h"

#include <assert.h>
#include <string.h>

#include "core/base/timestamp.h"

#define DAY_US (INT64_C(24) * 3600 * MICROS_PER_SECOND)

const struct pg_statement sales_knows_zone = {
    .name = "sales_knows_zone",
    .sql = "SELECT sales.knows_zone($1::text)",
    .parameter_count = 1,
};

/* How a report is made of the range. */
static const struct kind {
    const char *name;
    const char *unit;  /* of date_trunc; NULL: it is not by time */
    const char *label; /* to_char's form of a row's beginning in the zone */
    int days_max;
    struct pg_order order;
} kinds[SALES_BY_COUNT] = {
    /* Three months: each quarter of an hour is put into its hour by itself. */
    [SALES_BY_HOUR] = {"hour", "hour", "YYYY-MM-DD\"T\"HH24:MI", 93, {"", "s.starts", "timestamptz", false}},
    [SALES_BY_DAY] = {"day", "day", "YYYY-MM-DD", 1100, {"", "s.starts", "timestamptz", false}},
    [SALES_BY_WEEK] = {"week", "week", "IYYY-\"W\"IW", 3660, {"", "s.starts", "timestamptz", false}},
    [SALES_BY_MONTH] = {"month", "month", "YYYY-MM", 3660, {"", "s.starts", "timestamptz", false}},
    [SALES_BY_CATEGORY] = {"category", NULL, NULL, 3660, {"", "s.key", "text", false}},
    [SALES_BY_VENDOR] = {"vendor", NULL, NULL, 3660, {"", "s.key", "text", false}},
    [SALES_BY_PRODUCT] = {"product", NULL, NULL, 3660, {"", "s.key", "text", false}},
    [SALES_BY_CURRENCY] = {"currency", NULL, NULL, 3660, {"", "s.currency", "text", false}},
};

const char *sales_by_name(enum sales_by by) {
    return kinds[by].name;
}

bool sales_is_by_time(enum sales_by by) {
    return kinds[by].unit != NULL;
}

int sales_days_max(enum sales_by by) {
    return kinds[by].days_max;
}

/* ---- what the report is made of ---------------------------------------------------------------------------------- */

#define SUM_OF(name) "sum(t." name ")::bigint AS " name
#define GOODS_SUMS                                                                                                     \
    SUM_OF("units") ", " SUM_OF("gross_minor") ", " SUM_OF("cancelled_units") ", " SUM_OF("cancelled_minor")
#define ORDERS_SUMS GOODS_SUMS ", " SUM_OF("orders") ", " SUM_OF("cancelled_orders")
#define TOTALS_SUMS ORDERS_SUMS ", " SUM_OF("refunded_minor")

#define UTC_TEXT(time) "to_char(" time " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
#define MONEY(name) "json_build_object('amount', s." name "_minor, 'currency', s.currency)"
#define GOODS                                                                                                          \
    "'currency', s.currency, 'units', s.units, 'gross', " MONEY("gross") ", 'cancelled_units', s.cancelled_units,"     \
                                                                         " 'cancelled', " MONEY("cancelled")
#define ORDERS GOODS ", 'orders', s.orders, 'cancelled_orders', s.cancelled_orders"
#define TOTALS ORDERS ", 'refunded', " MONEY("refunded")

/* The parameters' numbers. */
struct range {
    int from, to, zone;
};

static int add_time(struct pg_select *select, struct arena *arena, int64_t time_us) {
    char *text = arena_alloc(arena, TIMESTAMP_TEXT_MAX + 1);
    return pg_select_value(select, str_of(text, (uint32_t)timestamp_write(time_us, text)));
}

/* An hour that comes twice has two rows, and each ends an hour after it began: so it is told on Lord Howe Island as
 * well, where clocks are set by half an hour and one night has an hour of half the length. */
static void add_hours(struct pg_select *select, const struct range *range) {
    pg_select_add(select,
                  "(SELECT h.*, h.starts + interval '1 hour' AS ends, to_char(h.starts AT TIME ZONE $%d::text, '%s') AS"
                  " key FROM (SELECT date_trunc('hour', t.at, $%d::text) AS starts, t.currency, " TOTALS_SUMS
                  " FROM sales.totals AS t WHERE t.at >= $%d::timestamptz AND t.at < $%d::timestamptz GROUP BY 1, 2)"
                  " AS h)",
                  range->zone, kinds[SALES_BY_HOUR].label, range->zone, range->from, range->to);
}

/* The days, weeks or months first, of each then its quarters by the key: to put each quarter into its day would ask the
 * zone a hundred times a day. One more is looked at before the first: of a midnight that comes twice the second begins
 * the day. */
static void add_spans(struct pg_select *select, const struct kind *kind, const struct range *range) {
    pg_select_add(select,
                  "(SELECT b.starts, b.ends, to_char(b.wall, '%s') AS key, t.* FROM (SELECT wall,"
                  " wall AT TIME ZONE $%d::text AS starts, (wall + interval '1 %s') AT TIME ZONE $%d::text AS ends"
                  " FROM generate_series(date_trunc('%s', $%d::timestamptz AT TIME ZONE $%d::text) - interval '1 %s',"
                  " $%d::timestamptz AT TIME ZONE $%d::text, interval '1 %s') AS wall) AS b",
                  kind->label, range->zone, kind->unit, range->zone, kind->unit, range->from, range->zone, kind->unit,
                  range->to, range->zone, kind->unit);
    pg_select_add(select,
                  " CROSS JOIN LATERAL (SELECT t.currency, " TOTALS_SUMS " FROM sales.totals AS t"
                  " WHERE t.at >= greatest(b.starts, $%d::timestamptz) AND t.at < least(b.ends, $%d::timestamptz)"
                  " GROUP BY t.currency) AS t)",
                  range->from, range->to);
}

/* ---- by whose goods they were ------------------------------------------------------------------------------------ */

static void add_piece(struct pg_select *select, const char *kind, const char *span, int from, int to) {
    pg_select_add(select,
                  "SELECT g.* FROM sales.groups AS g WHERE g.kind = '%s' AND g.span = '%s' AND g.at >= $%d::timestamptz"
                  " AND g.at < $%d::timestamptz",
                  kind, span, from, to);
}

/* The beginning of the time's month of UTC. */
static int64_t month_of(int64_t time_us) {
    static const char first[] = "01T00:00:00.000000Z"; /* behind the year and the month */
    char text[TIMESTAMP_TEXT_MAX + 1];
    size_t len = timestamp_write(time_us, text);
    int64_t month_us;
    memcpy(text + len - (sizeof first - 1), first, sizeof first - 1);
    bool is_time = timestamp_read(str_of(text, (uint32_t)len), &month_us);
    assert(is_time);
    return month_us;
}

/* The whole months between two days, which may be none. */
static void months_between(int64_t first_us, int64_t last_us, int64_t *ret_first_us, int64_t *ret_last_us) {
    int64_t month_us = month_of(first_us), in_next_us = month_us + 32 * DAY_US;
    *ret_first_us = *ret_last_us = last_us;
    if (month_us == first_us) {
        *ret_first_us = month_us;
        *ret_last_us = month_of(last_us);
    } else if (in_next_us < last_us) {
        *ret_first_us = month_of(in_next_us);
        *ret_last_us = month_of(last_us);
    }
}

/* The days from one to another, whose parameters `first` and `last` are: whole months, and the days before and behind
 * them. */
static void add_days(struct pg_select *select, struct arena *arena, const char *kind, int64_t first_us, int64_t last_us,
                     int first, int last) {
    int64_t first_month_us, last_month_us;
    months_between(first_us, last_us, &first_month_us, &last_month_us);
    if (first_month_us >= last_month_us) {
        add_piece(select, kind, "day", first, last);
        return;
    }
    int first_month = add_time(select, arena, first_month_us), last_month = add_time(select, arena, last_month_us);
    add_piece(select, kind, "month", first_month, last_month);
    pg_select_add(select, " UNION ALL ");
    add_piece(select, kind, "day", first, first_month);
    pg_select_add(select, " UNION ALL ");
    add_piece(select, kind, "day", last_month, last);
}

/* The whole months and days of UTC in the range, and the quarters before and behind them. */
static void add_groups(struct pg_select *select, struct arena *arena, const struct sales_filter *filter,
                       const struct range *range) {
    const char *kind = kinds[filter->by].name;
    int64_t first_us = (filter->from_us + DAY_US - 1) / DAY_US * DAY_US, last_us = filter->to_us / DAY_US * DAY_US;
    pg_select_add(select, "(SELECT t.name AS key, t.currency, " GOODS_SUMS " FROM (");
    if (first_us >= last_us) {
        add_piece(select, kind, "quarter", range->from, range->to);
    } else {
        int first = add_time(select, arena, first_us), last = add_time(select, arena, last_us);
        add_piece(select, kind, "quarter", range->from, first);
        pg_select_add(select, " UNION ALL ");
        add_piece(select, kind, "quarter", last, range->to);
        pg_select_add(select, " UNION ALL ");
        add_days(select, arena, kind, first_us, last_us, first, last);
    }
    pg_select_add(select, ") AS t GROUP BY t.name, t.currency)");
}

/* A page's worth, read in the key's order. The title is that of today. */
static void add_products(struct pg_select *select, const struct sales_filter *filter, const struct range *range,
                         struct str rows) {
    static const struct pg_order by_product = {"", "t.product", "text", false};
    pg_select_add(select, "(SELECT p.*, f.title FROM (SELECT t.product AS key, t.currency, " ORDERS_SUMS
                          " FROM sales.products AS t WHERE ");
    pg_order_after(select, &by_product, "t.currency", &filter->after);
    pg_select_add(select,
                  " AND t.at >= $%d::timestamptz AND t.at < $%d::timestamptz GROUP BY t.product, t.currency"
                  " ORDER BY t.product, t.currency LIMIT $%d::bigint) AS p LEFT JOIN sales.facts AS f"
                  " ON f.product = p.key)",
                  range->from, range->to, pg_select_value(select, rows));
}

/* ---- the report -------------------------------------------------------------------------------------------------- */

static void add_document(struct pg_select *select, const struct sales_filter *filter, const struct range *range) {
    switch (filter->by) {
    case SALES_BY_HOUR:
    case SALES_BY_DAY:
    case SALES_BY_WEEK:
    case SALES_BY_MONTH:
        pg_select_add(select,
                      "json_build_object('key', s.key, 'from', " UTC_TEXT(
                          "greatest(s.starts, $%d::timestamptz)") ", 'to', " UTC_TEXT("least(s.ends,"
                                                                                      " $%d::timestamptz)") ", " TOTALS
                                                                                                            ")",
                      range->from, range->to);
        break;
    case SALES_BY_CATEGORY:
    case SALES_BY_VENDOR:
        pg_select_add(select, "json_build_object('key', nullif(s.key, ''), " GOODS ")");
        break;
    case SALES_BY_PRODUCT:
        pg_select_add(select, "json_build_object('key', s.key, 'title', s.title, " ORDERS ")");
        break;
    case SALES_BY_CURRENCY:
        pg_select_add(select, "json_build_object('key', s.currency, " TOTALS ")");
        break;
    }
}

static void add_rows(struct pg_select *select, struct arena *arena, const struct sales_filter *filter,
                     const struct range *range, struct str rows) {
    switch (filter->by) {
    case SALES_BY_HOUR:
        add_hours(select, range);
        break;
    case SALES_BY_DAY:
    case SALES_BY_WEEK:
    case SALES_BY_MONTH:
        add_spans(select, &kinds[filter->by], range);
        break;
    case SALES_BY_CATEGORY:
    case SALES_BY_VENDOR:
        add_groups(select, arena, filter, range);
        break;
    case SALES_BY_PRODUCT:
        add_products(select, filter, range, rows);
        break;
    case SALES_BY_CURRENCY:
        pg_select_add(select,
                      "(SELECT t.currency, " TOTALS_SUMS " FROM sales.totals AS t WHERE t.at >= $%d::timestamptz"
                      " AND t.at < $%d::timestamptz GROUP BY t.currency)",
                      range->from, range->to);
        break;
    }
}

void sales_list(struct pg_select *select, struct arena *arena, const struct sales_filter *filter, struct str rows) {
    const struct pg_order *order = &kinds[filter->by].order;
    pg_select_begin(select, "sales_list");
    struct range range = {.from = add_time(select, arena, filter->from_us),
                          .to = add_time(select, arena, filter->to_us)};
    range.zone = sales_is_by_time(filter->by) ? pg_select_value(select, filter->zone) : 0;
    pg_select_add(select, "SELECT ");
    add_document(select, filter, &range);
    pg_select_add(select, " AS document, ");
    pg_order_column(select, order, "s.currency");
    pg_select_add(select, " FROM ");
    add_rows(select, arena, filter, &range, rows);
    pg_select_add(select, " AS s WHERE ");
    pg_order_after(select, order, "s.currency", &filter->after);
    pg_order_by(select, order, "s.currency");
    pg_select_add(select, " LIMIT $%d::bigint", pg_select_value(select, rows));
    pg_select_end(select, arena);
}
