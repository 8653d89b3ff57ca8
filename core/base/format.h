/* format.h: the named forms of text that a schema's attribute `format` asks for.
 *
 * Promise  a text either has the form or has not; nothing is trimmed, folded or repaired. What matches is ASCII
 *          without control characters, so that it can stand in a URL path, a log line or a header.
 *   sku       1 to 64 of A-Z a-z 0-9 . _ -
 *   slug      1 to 64 of a-z 0-9 _ -, and dots inside, no two in a row: the names of locations, categories, providers
 *   currency  an active currency of ISO 4217 that prices can be in: no metals, no funds, no test codes
 *   email     an address in the everyday part of RFC 5321: dot-atom @ domain name, at most 254 bytes
 *   url       http or https, a host without user and password, RFC 3986 characters, at most 2048 bytes
 * Thread   pure; any.            May use: libc.
 */
#pragma once

#include "core/base/str.h"

enum text_format { FORMAT_SKU, FORMAT_SLUG, FORMAT_CURRENCY, FORMAT_EMAIL, FORMAT_URL };

bool format_matches(enum text_format format, struct str text);
