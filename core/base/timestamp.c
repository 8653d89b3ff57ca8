#include "core/base/timestamp.h"

#include <assert.h>
#include <time.h>

enum { SECONDS_PER_DAY = 86400, YEAR_LEAST = 1970, YEAR_MOST = 9999 };

/* Days since 1970-01-01 in the Gregorian calendar. The year is thought to begin in March, so that a leap day is
 * its last day and months' lengths follow one line (Hinnant, "chrono-compatible low-level date algorithms"). */
static int64_t days_of(int64_t year, int64_t month, int64_t day) {
    int64_t march_year = month <= 2 ? year - 1 : year;
    int64_t march_month = month <= 2 ? month + 9 : month - 3;
    int64_t era = march_year / 400;
    int64_t year_of_era = march_year - era * 400;
    int64_t day_of_year = (153 * march_month + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_of(int64_t days, int64_t *ret_year, int64_t *ret_month, int64_t *ret_day) {
    int64_t shifted = days + 719468;
    int64_t era = shifted / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;
    *ret_day = day_of_year - (153 * march_month + 2) / 5 + 1;
    *ret_month = march_month < 10 ? march_month + 3 : march_month - 9;
    *ret_year = year_of_era + era * 400 + (*ret_month <= 2 ? 1 : 0);
}

static char *put_digits(char *at, int64_t value, int count) {
    for (int i = count - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + count;
}

size_t timestamp_write(int64_t time_us, char ret_text[TIMESTAMP_TEXT_MAX + 1]) {
    assert(time_us >= 0 && time_us <= TIMESTAMP_MOST_US);
    int64_t seconds = time_us / MICROS_PER_SECOND;
    int64_t second_of_day = seconds % SECONDS_PER_DAY;
    int64_t year, month, day;
    date_of(seconds / SECONDS_PER_DAY, &year, &month, &day);
    char *at = put_digits(ret_text, year, 4);
    *at++ = '-';
    at = put_digits(at, month, 2);
    *at++ = '-';
    at = put_digits(at, day, 2);
    *at++ = 'T';
    at = put_digits(at, second_of_day / 3600, 2);
    *at++ = ':';
    at = put_digits(at, second_of_day / 60 % 60, 2);
    *at++ = ':';
    at = put_digits(at, second_of_day % 60, 2);
    *at++ = '.';
    at = put_digits(at, time_us % MICROS_PER_SECOND, 6);
    *at++ = 'Z';
    *at = '\0';
    return (size_t)(at - ret_text);
}

/* What is left of a text that is read from its front; the first mismatch sets `failed`. */
struct scan {
    struct str left;
    bool failed;
};

static char take(struct scan *scan) {
    if (scan->failed || scan->left.len == 0) {
        scan->failed = true;
        return '\0';
    }
    char byte = scan->left.data[0];
    scan->left = str_from(scan->left, 1);
    return byte;
}

static void expect(struct scan *scan, char upper, char lower) {
    char byte = take(scan);
    scan->failed = scan->failed || (byte != upper && byte != lower);
}

static int64_t take_number(struct scan *scan, int digits, int64_t least, int64_t most) {
    int64_t number = 0;
    for (int i = 0; i < digits; i++) {
        char byte = take(scan);
        scan->failed = scan->failed || byte < '0' || byte > '9';
        number = number * 10 + (byte - '0');
    }
    scan->failed = scan->failed || number < least || number > most;
    return scan->failed ? least : number;
}

static int64_t month_days(int64_t year, int64_t month) {
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    static const int64_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return lengths[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* ".5" up to ".123456789", or nothing; in microseconds, what is finer is cut. */
static int64_t take_fraction_us(struct scan *scan) {
    if (scan->failed || scan->left.len == 0 || scan->left.data[0] != '.') {
        return 0;
    }
    take(scan);
    int64_t fraction_us = 0;
    int64_t place_us = MICROS_PER_SECOND / 10;
    int digits = 0;
    while (scan->left.len > 0 && scan->left.data[0] >= '0' && scan->left.data[0] <= '9') {
        fraction_us += place_us * (take(scan) - '0');
        place_us /= 10;
        digits++;
    }
    scan->failed = scan->failed || digits == 0 || digits > 9;
    return fraction_us;
}

/* "Z", "+01:00", "-09:30": what local time is ahead of UTC, in seconds. */
static int64_t take_offset_s(struct scan *scan) {
    char sign = take(scan);
    if (sign == 'Z' || sign == 'z') {
        return 0;
    }
    scan->failed = scan->failed || (sign != '+' && sign != '-');
    int64_t hours = take_number(scan, 2, 0, 23);
    expect(scan, ':', ':');
    int64_t minutes = take_number(scan, 2, 0, 59);
    int64_t offset_s = hours * 3600 + minutes * 60;
    return sign == '-' ? -offset_s : offset_s;
}

bool timestamp_read(struct str text, int64_t *ret_time_us) {
    struct scan scan = {.left = text};
    /* A year before, so that 1969-12-31T23:00:00-05:00, which is in 1970, can be read. */
    int64_t year = take_number(&scan, 4, YEAR_LEAST - 1, YEAR_MOST);
    expect(&scan, '-', '-');
    int64_t month = take_number(&scan, 2, 1, 12);
    expect(&scan, '-', '-');
    int64_t day = take_number(&scan, 2, 1, month_days(year, month));
    expect(&scan, 'T', 't');
    int64_t hour = take_number(&scan, 2, 0, 23);
    expect(&scan, ':', ':');
    int64_t minute = take_number(&scan, 2, 0, 59);
    expect(&scan, ':', ':');
    int64_t second = take_number(&scan, 2, 0, 60);
    int64_t fraction_us = take_fraction_us(&scan);
    int64_t offset_s = take_offset_s(&scan);
    if (scan.failed || scan.left.len > 0) {
        return false;
    }
    int64_t seconds = days_of(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second - offset_s;
    /* A leap second ends a UTC day; it is the next day's first second in POSIX time. */
    if (second == 60 && seconds % SECONDS_PER_DAY != 0) {
        return false;
    }
    int64_t time_us = seconds * MICROS_PER_SECOND + fraction_us;
    if (time_us < 0 || time_us > TIMESTAMP_MOST_US) {
        return false;
    }
    *ret_time_us = time_us;
    return true;
}

static int64_t clock_us(clockid_t clock) {
    struct timespec now;
    int failed = clock_gettime(clock, &now);
    assert(failed == 0);
    return (int64_t)now.tv_sec * MICROS_PER_SECOND + now.tv_nsec / 1000;
}

int64_t clock_wall_us(void) {
    return clock_us(CLOCK_REALTIME);
}

int64_t clock_boot_us(void) {
    return clock_us(CLOCK_BOOTTIME);
}
