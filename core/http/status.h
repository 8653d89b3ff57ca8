/* status.h: the reason phrases of RFC 9110, 15, which are also the titles of problems.
 * Thread   pure; any.            May use: libc.
 */
#pragma once

/* "Not Found"; for a status that is not in the RFC, the name of its class. */
const char *http_status_text(int status);
