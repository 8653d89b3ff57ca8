#include "core/http/http_date.h"

#include <time.h>

static void write_digits(char *at, int value, int digits) {
    for (int i = digits - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

struct str http_date_at(struct http_date *date, int64_t second) {
    static const char DAYS[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char MONTHS[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    if (date->text[0] == '\0' || date->second != second) {
        time_t time = (time_t)second;
        struct tm tm;
        gmtime_r(&time, &tm);
        memcpy(date->text, "___, 00 ___ 0000 00:00:00 GMT", HTTP_DATE_LEN + 1);
        memcpy(date->text, DAYS[tm.tm_wday], 3);
        write_digits(date->text + 5, tm.tm_mday, 2);
        memcpy(date->text + 8, MONTHS[tm.tm_mon], 3);
        write_digits(date->text + 12, tm.tm_year + 1900, 4);
        write_digits(date->text + 17, tm.tm_hour, 2);
        write_digits(date->text + 20, tm.tm_min, 2);
        write_digits(date->text + 23, tm.tm_sec, 2);
        date->second = second;
    }
    return str_of(date->text, HTTP_DATE_LEN);
}
