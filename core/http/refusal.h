/* refusal.h: everything the server refuses by itself: one table of status, stable code, and what to tell the caller.
 *
 * Source   RFC 9112 (framing; 3 request line, 5 fields, 6 body), RFC 9110 (15 status codes).
 * Promise  every refusal closes the connection: after a malformed message nobody knows where the next one begins.
 * Thread   values; any.          May use: libc.
 */
#pragma once

#define HTTP_REFUSAL_TABLE(ROW)                                                                                        \
    ROW(REQUEST_LINE, 400, "malformed_request", "The request line is not: method, space, path, space, HTTP/1.1.")      \
    ROW(CONTROL_BYTE, 400, "malformed_request", "A control byte (NUL, CR or LF alone) stands in the header block.")    \
    ROW(OBS_FOLD, 400, "malformed_request", "A header field is folded over several lines.")                            \
    ROW(FIELD_NAME, 400, "malformed_request", "A header field's name is no token, or no colon follows it at once.")    \
    ROW(HEAD_GRAMMAR, 400, "malformed_request", "The header block is not HTTP/1.1.")                                   \
    ROW(TARGET_FORM, 400, "malformed_request", "The request target must be a path that begins with a slash.")          \
    ROW(HOST, 400, "malformed_request", "HTTP/1.1 asks for exactly one valid Host field.")                             \
    ROW(CONTENT_LENGTH, 400, "malformed_request", "Content-Length is repeated or is not a number.")                    \
    ROW(TRANSFER_ENCODING, 400, "malformed_request",                                                                   \
        "Transfer-Encoding must be chunked, once, in HTTP/1.1, and without Content-Length.")                           \
    ROW(CHUNK, 400, "malformed_request", "The chunked body is malformed, or has extensions or trailers.")              \
    ROW(TIMEOUT, 408, "request_timeout", "The request did not arrive in time.")                                        \
    ROW(BODY_TOO_LARGE, 413, "body_too_large", "The body is larger than this server takes.")                           \
    ROW(TARGET_TOO_LONG, 414, "target_too_long", "The request target is longer than 8 KiB.")                           \
    ROW(EXPECTATION, 417, "expectation_failed", "The only expectation that can be met is 100-continue.")               \
    ROW(ADDRESS_CROWDED, 429, "too_many_connections",                                                                  \
        "Your address has as many connections as it may have, each owed an answer; use them, or end one.")             \
    ROW(HEAD_TOO_LARGE, 431, "headers_too_large", "The header block has more than 16 KiB or 100 fields.")              \
    ROW(OVERLOADED, 503, "overloaded", "The server has as many connections or bodies as it can hold; try again.")      \
    ROW(VERSION, 505, "http_version_not_supported", "The server speaks HTTP/1.1 and HTTP/1.0.")

enum http_refusal {
    HTTP_REFUSAL_NONE,
#define HTTP_REFUSAL_ENUM(name, status, code, detail) HTTP_REFUSAL_##name,
    HTTP_REFUSAL_TABLE(HTTP_REFUSAL_ENUM)
#undef HTTP_REFUSAL_ENUM
};

struct http_refusal_row {
    int status;
    const char *code;
    const char *detail;
};

/* The table's row; not for HTTP_REFUSAL_NONE. */
struct http_refusal_row http_refusal_row(enum http_refusal refusal);
