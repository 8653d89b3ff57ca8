/* hashing.h: threads on which passwords are hashed, beside the loops, where 25 ms would hold up everybody else.
 *
 *      loop: hashing_submit -> queue -> thread: password_verify, password_make -> outlet -> loop: on_done
 *
 * Promise  a job that was taken is answered exactly once, by on_done on its outlet's loop, also where the outlet is
 *          closed meanwhile; save one that was withdrawn while it waited. What could not be looked at is told
 *          HASHING_NOT_DONE and never HASHING_WRONG: nobody is counted as a guesser because there was no room for him.
 * Bounds   `threads` hashings at once, each with PASSWORD_MEMORY_BYTES, and queue_max that wait, for which only their
 *          passwords are kept.
 * Memory   a job is the caller's until on_done. The password is copied when it is submitted, and wiped when it was
 *          hashed, before on_done.
 * Thread   an outlet is its loop's; open and close, and hashing_count, any. The threads are niced: whoever logs in
 *          waits, rather than whoever shops.          May use: base, vault, libuv, libsodium.
 */
#pragma once

#include <uv.h>

#include "core/base/err.h"
#include "core/vault/password.h"

enum { HASHING_THREADS_MAX = 16 };

struct hashing;

enum hashing_result {
    HASHING_DONE,     /* it was right; or the verifier is made */
    HASHING_WRONG,    /* another password, or no verifier */
    HASHING_NOT_DONE, /* no memory, or the outlet was closed before its turn */
};

struct hashing_job {
    struct hashing_job *next; /* ours */
    struct hashing_outlet *outlet;
    bool makes;                           /* a verifier of the password; else compares it with the one given */
    char verifier[PASSWORD_VERIFIER_MAX]; /* in, or out; ends in NUL */
    char *password;                       /* until it is submitted, the caller's; then our copy, until it is hashed */
    uint32_t password_len;                /* at most PASSWORD_MAX_BYTES */
    enum hashing_result result;
    bool needs_rehash; /* right, but of another cost than today's */
    void (*on_done)(struct hashing_job *job);
    void *context;
};

/* Where a loop is told; the members are ours. */
struct hashing_outlet {
    struct hashing *hashing;
    uv_async_t wake;
    struct hashing_job *done, **done_last; /* guarded by the hashing's lock, as all of these */
    size_t being_hashed;
    bool is_closing;
};

struct hashing_counts {
    size_t waiting;
    uint64_t done_total, refused_total /* the queue was full */;
};

/* `threads`: 1 to HASHING_THREADS_MAX. ERR_IO: a thread cannot be started. */
MUST_CHECK enum err hashing_open(int threads, size_t queue_max, struct hashing **ret_hashing, struct err_info *info);
/* After its outlets. */
void hashing_close(struct hashing *hashing);

MUST_CHECK enum err hashing_outlet_open(struct hashing_outlet *outlet, struct hashing *hashing, uv_loop_t *loop,
                                        struct err_info *info);
/* On the loop. What waits is not done; what is being hashed is waited for; on_done is called for all of it before this
 * returns. Then the loop must run once more. */
void hashing_outlet_close(struct hashing_outlet *outlet);

/* On the outlet's loop. False, and nothing was taken or copied: the queue is full, or the outlet is closing. */
MUST_CHECK bool hashing_submit(struct hashing_outlet *outlet, struct hashing_job *job);

/* On the outlet's loop. True: the job still waited; it is the caller's again, its copy of the password is wiped, and
 * on_done will not be called. False: it does not wait: it is being hashed, was, or was never taken. */
MUST_CHECK bool hashing_withdraw(struct hashing_outlet *outlet, struct hashing_job *job);

struct hashing_counts hashing_count(struct hashing *hashing);
