/* load_run.h: sends the items of a file and waits for their outcomes.
 *
 *   file -> next item -> slot: request -> answer -> next request ... -> outcome -> journal, report
 *                                 ^          |
 *                                 '- again --'  503, 429, 500, 502, 504, no connection, no answer: same key, later
 *                                               202: asks its Location until it is decided; where only that much is
 *                                               told, the request goes out again under its key
 *
 * Promise  an item ends with a final answer, or, after retry_s without one, as unknown; "unknown yet" is never counted
 *          as refused. Whatever is sent again is sent with the same Idempotency-Key, so that a server killed at any
 *          moment ends with each item done once.
 * Bounds   in_flight items; each holds its line and one request.
 * Thread   the loop's.           May use: base, http, jansson.
 */
#pragma once

#include <uv.h>

#include "cmd/load_journal.h"
#include "cmd/load_report.h"

struct load_run;

/* Begins; the loop runs until all is done. `journal` may be NULL. All must outlive the loop's run. */
MUST_CHECK enum err load_run_start(uv_loop_t *loop, const struct load_options *options, struct load_report *report,
                                   struct load_journal *journal, struct load_run **ret_run, struct err_info *info);

/* Starts nothing more and repeats nothing more; the answers to what was sent are waited for. */
void load_run_stop(struct load_run *run);

/* After the loop ended: frees it; what went wrong with the file, if anything. */
MUST_CHECK enum err load_run_finish(struct load_run *run, struct err_info *info);
