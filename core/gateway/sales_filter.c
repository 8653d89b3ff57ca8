#include "core/gateway/sales_filter.h"

#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "projections/sales/quarter.h"

enum { BY_MAX = 32, ZONE_MAX = 64, ZONE_HOURS_MAX = 14 };

#define A_QUARTER "a whole quarter of an hour, e.g. 2026-11-23T06:15:00Z"
#define A_ZONE "a time zone of the IANA database, e.g. Europe/Berlin"
static const int64_t day_us = INT64_C(24) * 3600 * MICROS_PER_SECOND;

static bool take_by(struct http_exchange *exchange, enum sales_by *ret_by, struct problem *ret_problem) {
    struct str name, names = {0};
    if (!query_string_text(exchange, "by", BY_MAX, &name, ret_problem)) {
        return false;
    }
    for (enum sales_by by = 0; by <= SALES_BY_CURRENCY; by++) {
        if (str_equal(name, str_of_cstr(sales_by_name(by)))) {
            *ret_by = by;
            return true;
        }
        names = arena_printf(&exchange->arena, "%.*s%s%s", STR_ARGS(names), by == 0 ? "" : ", ", sales_by_name(by));
    }
    return query_string_refuse(exchange, "by", arena_printf(&exchange->arena, "one of %s", names.data).data,
                               ret_problem);
}

static bool take_end(struct http_exchange *exchange, const char *name, int64_t *ret_time_us,
                     struct problem *ret_problem) {
    struct str text;
    if (!query_string_time(exchange, name, &text, ret_problem)) {
        return false;
    }
    return (text.data != NULL && timestamp_read(text, ret_time_us) && *ret_time_us % QUARTER_US == 0) ||
           query_string_refuse(exchange, name, A_QUARTER, ret_problem);
}

static bool take_range(struct http_exchange *exchange, struct sales_filter *filter, struct problem *ret_problem) {
    if (!take_end(exchange, "from", &filter->from_us, ret_problem) ||
        !take_end(exchange, "to", &filter->to_us, ret_problem)) {
        return false;
    }
    int days_max = sales_days_max(filter->by);
    bool is_range = filter->to_us > filter->from_us && filter->to_us - filter->from_us <= days_max * day_us;
    const char *must_be = arena_printf(&exchange->arena, "after from, and by %s at most %d days later",
                                       sales_by_name(filter->by), days_max)
                              .data;
    return is_range || query_string_refuse(exchange, "to", must_be, ret_problem);
}

/* ---- zones ------------------------------------------------------------------------------------------------------- */

/* Etc/GMT+5: digits stand in no other name. */
static bool is_hours(struct str text) {
    int64_t hours;
    bool is_signed = text.len > 1 && (text.data[0] == '+' || text.data[0] == '-');
    return is_signed && text.data[1] >= '0' && text.data[1] <= '9' && int64_read(str_from(text, 1), &hours) &&
           hours <= ZONE_HOURS_MAX;
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Area/Place, or Area/Land/Place: words of letters, with _ or - between them. */
static bool is_place(struct str name) {
    uint32_t slashes = 0;
    for (uint32_t i = 0; i < name.len; i++) {
        bool joins = name.data[i] == '/' || name.data[i] == '_' || name.data[i] == '-';
        bool is_between = i > 0 && i + 1 < name.len && is_letter(name.data[i - 1]) && is_letter(name.data[i + 1]);
        if (joins ? !is_between : !is_letter(name.data[i])) {
            return false;
        }
        slashes += name.data[i] == '/' ? 1 : 0;
    }
    return slashes == 1 || slashes == 2;
}

static bool is_zone(struct str name) {
    static const char hours[] = "Etc/GMT";
    return str_equal(name, STR("UTC")) || is_place(name) ||
           (str_starts_with(name, STR("Etc/GMT")) && is_hours(str_from(name, sizeof hours - 1)));
}

bool sales_filter_refuse_zone(struct http_exchange *exchange, struct problem *ret_problem) {
    return query_string_refuse(exchange, "tz", A_ZONE, ret_problem);
}

static bool take_zone(struct http_exchange *exchange, struct sales_filter *filter, struct problem *ret_problem) {
    if (!query_string_text(exchange, "tz", ZONE_MAX, &filter->zone, ret_problem)) {
        return false;
    }
    if (filter->zone.data == NULL) {
        filter->zone = STR("UTC");
    } else if (!sales_is_by_time(filter->by)) {
        return query_string_refuse(exchange, "tz", "left out unless by is hour, day, week or month", ret_problem);
    }
    return is_zone(filter->zone) || sales_filter_refuse_zone(exchange, ret_problem);
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

bool sales_filter_read(struct http_exchange *exchange, const struct list_page *page, struct sales_filter *ret_filter,
                       struct problem *ret_problem) {
    struct sales_filter *filter = ret_filter;
    *filter = (struct sales_filter){0};
    return take_by(exchange, &filter->by, ret_problem) && take_range(exchange, filter, ret_problem) &&
           take_zone(exchange, filter, ret_problem) &&
           (page->cursor.data == NULL || pg_cursor_read(page->cursor, &filter->after) ||
            query_string_refuse(exchange, "cursor", "a next_cursor of this list", ret_problem));
}
