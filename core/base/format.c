#include "core/base/format.h"

#include <assert.h>

enum {
    SKU_MAX_BYTES = 64,
    SLUG_MAX_BYTES = 64,
    EMAIL_MAX_BYTES = 254, /* RFC 5321, 4.5.3.1.3 (a path of 256 with its brackets); RFC erratum 1690 */
    EMAIL_LOCAL_MAX_BYTES = 64,
    DOMAIN_MAX_BYTES = 253,
    LABEL_MAX_BYTES = 63,
    URL_MAX_BYTES = 2048,
};

/* ISO 4217 list one as of 2026-01-01 (amendment 180: the lev has become the euro), without the X.. codes of metals
 * and accounting units (save the CFA, CFP, East Caribbean and Caribbean currencies) and without funds codes. */
static const char active_currencies[][4] = {
    "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BHD", "BIF", "BMD", "BND",
    "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF", "CLP", "CNY", "COP", "CRC", "CUP", "CVE",
    "CZK", "DJF", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD",
    "GNF", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IQD", "IRR", "ISK", "JMD", "JOD", "JPY",
    "KES", "KGS", "KHR", "KMF", "KPW", "KRW", "KWD", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "LYD", "MAD",
    "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN", "MYR", "MZN", "NAD", "NGN", "NIO",
    "NOK", "NPR", "NZD", "OMR", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "PYG", "QAR", "RON", "RSD", "RUB", "RWF",
    "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN", "SVC", "SYP", "SZL", "THB",
    "TJS", "TMT", "TND", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "UGX", "USD", "UYU", "UZS", "VED", "VES", "VND",
    "VUV", "WST", "XAF", "XCD", "XCG", "XOF", "XPF", "YER", "ZAR", "ZMW", "ZWG",
};

static bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

static bool is_lower(char byte) {
    return byte >= 'a' && byte <= 'z';
}

static bool is_letter(char byte) {
    return is_lower(byte) || (byte >= 'A' && byte <= 'Z');
}

/* strchr finds the NUL of its string too, which is in no set. */
static bool is_one_of(char byte, const char *set) {
    return byte != '\0' && strchr(set, byte) != NULL;
}

static bool is_sku(struct str text) {
    for (uint32_t i = 0; i < text.len; i++) {
        if (!is_letter(text.data[i]) && !is_digit(text.data[i]) && !is_one_of(text.data[i], "._-")) {
            return false;
        }
    }
    return text.len >= 1 && text.len <= SKU_MAX_BYTES;
}

/* Whether each dot has something that is no dot on both sides. */
static bool dots_separate(struct str text) {
    for (uint32_t i = 0; i < text.len; i++) {
        if (text.data[i] == '.' && (i == 0 || i + 1 == text.len || text.data[i + 1] == '.')) {
            return false;
        }
    }
    return true;
}

static bool is_slug(struct str text) {
    for (uint32_t i = 0; i < text.len; i++) {
        if (!is_lower(text.data[i]) && !is_digit(text.data[i]) && !is_one_of(text.data[i], "._-")) {
            return false;
        }
    }
    return text.len >= 1 && text.len <= SLUG_MAX_BYTES && dots_separate(text);
}

static bool is_currency(struct str text) {
    if (text.len != 3) {
        return false;
    }
    size_t low = 0;
    size_t high = sizeof active_currencies / sizeof active_currencies[0];
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = memcmp(text.data, active_currencies[middle], 3);
        if (order == 0) {
            return true;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return false;
}

/* Letters, digits and inner hyphens, labels of 1 to 63. */
static bool is_domain(struct str text) {
    uint32_t label_len = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        char byte = text.data[i];
        if (byte == '.') {
            label_len = 0;
            continue;
        }
        bool at_edge = label_len == 0 || i + 1 == text.len || text.data[i + 1] == '.';
        if (!is_letter(byte) && !is_digit(byte) && (byte != '-' || at_edge)) {
            return false;
        }
        if (++label_len > LABEL_MAX_BYTES) {
            return false;
        }
    }
    return text.len >= 1 && text.len <= DOMAIN_MAX_BYTES && dots_separate(text);
}

/* Mail goes to a domain with a top level, which never is a number (RFC 3696, section 2). */
static bool has_top_level(struct str domain) {
    uint32_t last_dot = domain.len;
    for (uint32_t i = 0; i < domain.len; i++) {
        last_dot = domain.data[i] == '.' ? i : last_dot;
    }
    return last_dot < domain.len && is_letter(domain.data[last_dot + 1]);
}

static bool is_email(struct str text) {
    struct str local = str_first(text, str_find(text, '@'));
    if (text.len > EMAIL_MAX_BYTES || local.len == text.len || local.len == 0 || local.len > EMAIL_LOCAL_MAX_BYTES ||
        !dots_separate(local)) {
        return false;
    }
    for (uint32_t i = 0; i < local.len; i++) {
        /* atext of RFC 5322, 3.2.3 */
        if (!is_letter(local.data[i]) && !is_digit(local.data[i]) &&
            !is_one_of(local.data[i], ".!#$%&'*+-/=?^_`{|}~")) {
            return false;
        }
    }
    struct str domain = str_from(text, local.len + 1);
    return is_domain(domain) && has_top_level(domain);
}

/* `[` hexadecimal, colons and dots `]`: as strict as a URL that is only stored needs. */
static bool is_ip6_literal(struct str host) {
    for (uint32_t i = 1; i + 1 < host.len; i++) {
        if (!is_digit(host.data[i]) && !is_one_of(host.data[i], "abcdefABCDEF:.")) {
            return false;
        }
    }
    return host.len >= 4 && host.data[0] == '[' && host.data[host.len - 1] == ']';
}

static bool is_port(struct str text) {
    uint32_t port = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        if (!is_digit(text.data[i])) {
            return false;
        }
        port = port * 10 + (uint32_t)(text.data[i] - '0');
    }
    return text.len >= 1 && text.len <= 5 && port <= 65535;
}

static bool is_authority(struct str text) {
    uint32_t host_end = text.len > 0 && text.data[0] == '[' ? str_find(text, ']') + 1 : str_find(text, ':');
    struct str host = str_first(text, host_end);
    struct str port = str_from(text, host.len);
    if (port.len > 0 && (port.data[0] != ':' || !is_port(str_from(port, 1)))) {
        return false;
    }
    return is_domain(host) || is_ip6_literal(host);
}

static bool is_hex_digit(char byte) {
    return is_digit(byte) || is_one_of(byte, "abcdefABCDEF");
}

/* Path, query and fragment in the characters of RFC 3986; a percent sign begins a triplet. */
static bool is_url_rest(struct str text) {
    for (uint32_t i = 0; i < text.len; i++) {
        char byte = text.data[i];
        if (byte == '%') {
            if (text.len - i < 3 || !is_hex_digit(text.data[i + 1]) || !is_hex_digit(text.data[i + 2])) {
                return false;
            }
        } else if (!is_letter(byte) && !is_digit(byte) && !is_one_of(byte, "-._~!$&'()*+,;=:@/?#[]")) {
            return false;
        }
    }
    return true;
}

static bool is_url(struct str text) {
    struct str rest;
    if (str_starts_with(text, STR("https://"))) {
        rest = str_from(text, STR("https://").len);
    } else if (str_starts_with(text, STR("http://"))) {
        rest = str_from(text, STR("http://").len);
    } else {
        return false;
    }
    uint32_t authority_len = 0;
    while (authority_len < rest.len && !is_one_of(rest.data[authority_len], "/?#")) {
        authority_len++;
    }
    return text.len <= URL_MAX_BYTES && is_authority(str_first(rest, authority_len)) &&
           is_url_rest(str_from(rest, authority_len));
}

bool format_matches(enum text_format format, struct str text) {
    switch (format) {
    case FORMAT_SKU:
        return is_sku(text);
    case FORMAT_SLUG:
        return is_slug(text);
    case FORMAT_CURRENCY:
        return is_currency(text);
    case FORMAT_EMAIL:
        return is_email(text);
    case FORMAT_URL:
        return is_url(text);
    }
    assert(!"every format returns above");
    return false;
}
