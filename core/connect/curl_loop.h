/* curl_loop.h: libcurl's multi interface on a uv loop: its timer, its sockets, and who is told when a transfer ends.
 *
 *      curl_transfer_init -> options on transfer->easy -> curl_transfer_start -> on_done -> curl_transfer_release
 *
 * Promise  a transfer that was started is told of its end exactly once, on the loop's thread.
 * Bounds   connections that nobody uses are kept, `connections_max` at most; whoever starts transfers bounds these.
 * Memory   a transfer stands in its owner's struct, from init to release where it is.
 * Thread   the loop's.          May use: base, libcurl.
 */
#pragma once

#include <curl/curl.h>
#include <uv.h>

#include "core/base/err.h"

struct curl_loop;
struct curl_transfer;

/* May start other transfers, and releases this one at last. */
typedef void curl_done_cb(struct curl_transfer *transfer, CURLcode code);

struct curl_transfer {
    struct curl_loop *loop;
    struct curl_transfer *next, **link; /* all of the loop, for its close */
    CURL *easy;
    curl_done_cb *on_done;
    curl_socket_t socket; /* the one that libcurl had watched last; CURL_SOCKET_BAD before the first */
};

MUST_CHECK enum err curl_loop_open(uv_loop_t *loop, int connections_max, struct curl_loop **ret_loop,
                                   struct err_info *info);

/* Ends what is under way (told CURLE_ABORTED_BY_CALLBACK), closes the connections, then calls on_closed (may be NULL);
 * the memory is gone before it. */
void curl_loop_close(struct curl_loop *loop, void (*on_closed)(void *context), void *context);

/* Makes transfer->easy, whose CURLOPT_PRIVATE is taken. A failure is retriable and leaves nothing to release. */
MUST_CHECK enum err curl_transfer_init(struct curl_loop *loop, struct curl_transfer *transfer, curl_done_cb *on_done,
                                       struct err_info *info);

/* A failure is retriable; the transfer is not told, and still has to be released. */
MUST_CHECK enum err curl_transfer_start(struct curl_transfer *transfer, struct err_info *info);

void curl_transfer_release(struct curl_transfer *transfer);
