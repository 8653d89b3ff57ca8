#include "core/gateway/hashing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/text.h"

/* Of "password", for 256 KiB; and of nothing, for 64 MiB sixteen times, which takes most of a second. */
#define CHEAP "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQAAAAAAAAAAA$TCsNUutWgv3lowstIasFJbdiamKiq8qPUdz2wSvQ4rw"
#define SLOW "$argon2id$v=19$m=65536,t=16,p=1$c29tZXNhbHQAAAAAAAAAAA$TCsNUutWgv3lowstIasFJbdiamKiq8qPUdz2wSvQ4rw"

enum { JOBS_MAX = 256 };

static struct hashing *hashing;
static uv_loop_t loop;
static struct hashing_outlet outlet;
static struct hashing_job jobs[JOBS_MAX];
static int told[JOBS_MAX], told_count;

static void on_done(struct hashing_job *job) {
    assert_null(job->password); /* wiped and given back */
    told[job - jobs]++;
    told_count++;
}

static void begin(int threads, size_t queue_max) {
    struct err_info info = {0};
    memset(told, 0, sizeof told);
    told_count = 0;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(hashing_open(threads, queue_max, &hashing, &info), ERR_NONE);
    assert_int_equal(hashing_outlet_open(&outlet, hashing, &loop, &info), ERR_NONE);
}

static void end(void) {
    hashing_outlet_close(&outlet);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    hashing_close(hashing);
}

static bool submit(int number, const char *verifier, const char *password) {
    static char text[PASSWORD_MAX_BYTES]; /* of the request, which is used for something else at once */
    struct hashing_job *job = &jobs[number];
    *job = (struct hashing_job){.makes = verifier == NULL, .on_done = on_done};
    if (verifier != NULL) {
        memcpy(job->verifier, verifier, strlen(verifier) + 1);
    }
    job->password_len = (uint32_t)strlen(password);
    memcpy(text, password, job->password_len);
    job->password = text;
    bool is_taken = hashing_submit(&outlet, job);
    memset(text, 'x', job->password_len);
    return is_taken;
}

/* Until so many have been told in all. */
static void run_until_told(int count) {
    while (told_count < count) {
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
}

/* Until the thread is at work on the slow one. */
static void submit_slow(int number) {
    assert_true(submit(number, SLOW, "password"));
    while (hashing_count(hashing).waiting > 0) {
        (void)sched_yield();
    }
}

static void a_verifier_is_made_and_compared(void **state) {
    (void)state;
    begin(1, 8);
    assert_true(submit(0, NULL, "correct horse"));
    run_until_told(1);
    assert_int_equal(jobs[0].result, HASHING_DONE);
    assert_true(submit(1, jobs[0].verifier, "correct horse"));
    assert_true(submit(2, jobs[0].verifier, "correct horsf"));
    assert_true(submit(3, jobs[0].verifier, ""));
    assert_true(submit(4, CHEAP, "password"));
    assert_true(submit(5, "no verifier", "password"));
    run_until_told(6);
    assert_int_equal(jobs[1].result, HASHING_DONE);
    assert_false(jobs[1].needs_rehash);
    assert_int_equal(jobs[2].result, HASHING_WRONG);
    assert_int_equal(jobs[3].result, HASHING_WRONG);
    assert_int_equal(jobs[4].result, HASHING_DONE);
    assert_true(jobs[4].needs_rehash);
    assert_int_equal(jobs[5].result, HASHING_WRONG);
    static char wrong[] = "passwort";
    jobs[4].password = wrong; /* the job is used again */
    assert_true(hashing_submit(&outlet, &jobs[4]));
    run_until_told(7);
    assert_int_equal(jobs[4].result, HASHING_WRONG);
    assert_false(jobs[4].needs_rehash);
    assert_int_equal(hashing_count(hashing).done_total, 7);
    end();
}

static void a_full_queue_refuses(void **state) {
    (void)state;
    enum { QUEUE_MAX = 5 };
    begin(1, QUEUE_MAX);
    submit_slow(0);
    for (int i = 1; i <= QUEUE_MAX; i++) {
        assert_true(submit(i, CHEAP, "password"));
    }
    assert_int_equal(hashing_count(hashing).waiting, QUEUE_MAX);
    assert_false(submit(QUEUE_MAX + 1, CHEAP, "password"));
    assert_int_equal(hashing_count(hashing).refused_total, 1);
    run_until_told(QUEUE_MAX + 1);
    assert_int_equal(told[QUEUE_MAX + 1], 0);
    assert_true(submit(QUEUE_MAX + 1, CHEAP, "password"));
    run_until_told(QUEUE_MAX + 2);
    end();
    for (int i = 0; i <= QUEUE_MAX + 1; i++) {
        assert_int_equal(told[i], 1);
    }
}

/* From the middle, the end and the front of the queue; all others are hashed. */
static void what_waits_can_be_withdrawn(void **state) {
    (void)state;
    begin(1, 8);
    submit_slow(0);
    for (int i = 1; i <= 4; i++) {
        assert_true(submit(i, CHEAP, "password"));
    }
    assert_false(hashing_withdraw(&outlet, &jobs[0])); /* it is being hashed */
    assert_false(hashing_withdraw(&outlet, &jobs[5])); /* it was never taken */
    assert_true(hashing_withdraw(&outlet, &jobs[2]));
    assert_null(jobs[2].password);
    assert_true(hashing_withdraw(&outlet, &jobs[4]));
    assert_true(hashing_withdraw(&outlet, &jobs[1]));
    assert_false(hashing_withdraw(&outlet, &jobs[1]));
    assert_int_equal(hashing_count(hashing).waiting, 1);
    assert_true(submit(6, CHEAP, "password")); /* behind the last that is left */
    run_until_told(3);
    assert_int_equal(jobs[6].result, HASHING_DONE);
    assert_false(hashing_withdraw(&outlet, &jobs[6]));
    assert_true(submit(7, CHEAP, "password"));
    run_until_told(4);
    assert_int_equal(told[1] + told[2] + told[4], 0);
    assert_int_equal(hashing_count(hashing).done_total, 4);
    end();
}

static void an_outlet_that_closes_answers_all_that_was_taken(void **state) {
    (void)state;
    enum { WAITING = 20 };
    begin(1, WAITING);
    assert_true(submit(0, CHEAP, "password"));
    while (hashing_count(hashing).done_total < 1) {
        (void)sched_yield();
    }
    submit_slow(1);
    assert_int_equal(told_count, 0); /* the first is hashed, and the loop has not run since */
    for (int i = 2; i < 2 + WAITING; i++) {
        assert_true(submit(i, CHEAP, "password"));
    }
    hashing_outlet_close(&outlet);
    assert_int_equal(told_count, 2 + WAITING);
    for (int i = 0; i < 2 + WAITING; i++) {
        assert_int_equal(told[i], 1);
        assert_int_equal(jobs[i].result, i == 0 ? HASHING_DONE : i == 1 ? HASHING_WRONG : HASHING_NOT_DONE);
    }
    assert_false(submit(0, CHEAP, "password"));
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(hashing_count(hashing).waiting, 0);
    hashing_close(hashing);
    assert_int_equal(told_count, 2 + WAITING);
}

/* What waits for others stays, in its order, and more can come behind it. */
static void a_closing_outlet_takes_nothing_from_others(void **state) {
    (void)state;
    begin(1, 16);
    struct hashing_outlet other;
    struct err_info info = {0};
    assert_int_equal(hashing_outlet_open(&other, hashing, &loop, &info), ERR_NONE);
    submit_slow(0);
    struct hashing_outlet *const order[] = {&other, &outlet, &other, &outlet, &other};
    static char password[] = "password";
    for (int i = 1; i <= 5; i++) {
        jobs[i] = (struct hashing_job){.password = password, .password_len = 8, .verifier = CHEAP, .on_done = on_done};
        assert_true(hashing_submit(order[i - 1], &jobs[i]));
    }
    hashing_outlet_close(&other); /* the slow one is not its own, so it waits for nothing */
    assert_int_equal(told_count, 3);
    jobs[6] = (struct hashing_job){.password = password, .password_len = 8, .verifier = CHEAP, .on_done = on_done};
    assert_true(hashing_submit(&outlet, &jobs[6]));
    run_until_told(7);
    for (int i = 0; i <= 6; i++) {
        assert_int_equal(told[i], 1);
    }
    assert_int_equal(jobs[1].result, HASHING_NOT_DONE);
    assert_int_equal(jobs[2].result, HASHING_DONE);
    assert_int_equal(jobs[3].result, HASHING_NOT_DONE);
    assert_int_equal(jobs[4].result, HASHING_DONE);
    assert_int_equal(jobs[5].result, HASHING_NOT_DONE);
    assert_int_equal(jobs[6].result, HASHING_DONE);
    end();
}

/* ---- whoever was told submits again, as a login does: verify, then make anew ---- */

static void on_verified(struct hashing_job *job) {
    on_done(job);
    assert_int_equal(job->result, HASHING_DONE);
    assert_true(submit(1, NULL, "password"));
}

static void whoever_was_told_may_submit_again(void **state) {
    (void)state;
    begin(1, 1);
    static char password[] = "password";
    jobs[0] = (struct hashing_job){.password = password, .password_len = 8, .verifier = CHEAP, .on_done = on_verified};
    assert_true(hashing_submit(&outlet, &jobs[0]));
    run_until_told(2);
    assert_int_equal(jobs[1].result, HASHING_DONE);
    assert_true(str_starts_with(str_of_cstr(jobs[1].verifier), STR("$argon2id$v=19$m=19456,t=2,p=1$")));
    end();
}

/* ---- several loops ---- */

enum { LOOPS = 3, JOBS_EACH = 200 };

struct talker {
    pthread_t thread;
    uv_loop_t loop;
    struct hashing_outlet outlet;
    struct hashing_job jobs[JOBS_EACH];
    int told_count, wrong_count;
};

static void on_talker_done(struct hashing_job *job) {
    struct talker *talker = job->context;
    assert_true(pthread_equal(pthread_self(), talker->thread));
    talker->told_count++;
    talker->wrong_count += job->result == HASHING_WRONG;
}

static void *talker_run(void *argument) {
    struct talker *talker = argument;
    static const char *const passwords[] = {"password", "passwort"};
    struct err_info info = {0};
    assert_int_equal(uv_loop_init(&talker->loop), 0);
    assert_int_equal(hashing_outlet_open(&talker->outlet, hashing, &talker->loop, &info), ERR_NONE);
    talker->thread = pthread_self();
    for (int i = 0; i < JOBS_EACH; i++) {
        talker->jobs[i] = (struct hashing_job){.password = (char *)passwords[i % 2],
                                               .password_len = 8,
                                               .verifier = CHEAP,
                                               .on_done = on_talker_done,
                                               .context = talker};
        while (!hashing_submit(&talker->outlet, &talker->jobs[i])) {
            (void)uv_run(&talker->loop, UV_RUN_NOWAIT);
        }
    }
    while (talker->told_count < JOBS_EACH) {
        (void)uv_run(&talker->loop, UV_RUN_ONCE);
    }
    hashing_outlet_close(&talker->outlet);
    assert_int_equal(uv_run(&talker->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&talker->loop), 0);
    return NULL;
}

static void each_loop_is_told_of_its_own_on_its_own_thread(void **state) {
    (void)state;
    static struct talker talkers[LOOPS];
    struct err_info info = {0};
    memset(talkers, 0, sizeof talkers);
    assert_int_equal(hashing_open(4, 8, &hashing, &info), ERR_NONE);
    pthread_t threads[LOOPS];
    for (int i = 0; i < LOOPS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, talker_run, &talkers[i]), 0);
    }
    for (int i = 0; i < LOOPS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(talkers[i].told_count, JOBS_EACH);
        assert_int_equal(talkers[i].wrong_count, JOBS_EACH / 2);
    }
    assert_int_equal(hashing_count(hashing).done_total, LOOPS * JOBS_EACH);
    hashing_close(hashing);
}

/* ---- memory ---- */

/* The most that was resident since the last call, in KiB. */
static int64_t most_resident_kib(void) {
    char line[256];
    int64_t kib = -1;
    FILE *status = fopen("/proc/self/status", "r");
    assert_non_null(status);
    while (fgets(line, sizeof line, status) != NULL) {
        struct str text = str_of_cstr(line);
        if (str_starts_with(text, STR("VmHWM:"))) {
            uint32_t begin = 6;
            while (line[begin] == ' ' || line[begin] == '\t') {
                begin++;
            }
            text = str_from(text, begin);
            assert_true(int64_read(str_first(text, str_find(text, ' ')), &kib));
        }
    }
    assert_int_equal(fclose(status), 0);
    FILE *refs = fopen("/proc/self/clear_refs", "w");
    assert_non_null(refs);
    assert_int_equal(fputs("5", refs) < 0, 0);
    assert_int_equal(fclose(refs), 0);
    return kib;
}

/* CHECKS 27: a stuffing run costs one hashing's memory a thread, however many come. */
static void two_hundred_at_once_take_the_memory_of_one(void **state) {
    (void)state;
    enum { AT_ONCE = 200, QUEUE_MAX = 64, MORE_KIB = 2048 };
    int64_t one_kib = (int64_t)(PASSWORD_MEMORY_BYTES / 1024);
#ifdef __SANITIZE_ADDRESS__
    one_kib += one_kib / 8; /* the sanitizer's own memory of it */
#endif
    begin(1, QUEUE_MAX);
    assert_true(submit(0, NULL, "password")); /* so that what is needed once is there */
    run_until_told(1);
    (void)most_resident_kib();
    int64_t before_kib = most_resident_kib();
    int taken = 0;
    for (int i = 1; i <= AT_ONCE; i++) {
        taken += submit(i, NULL, "password");
    }
    assert_in_range(taken, QUEUE_MAX, QUEUE_MAX + 16);
    run_until_told(1 + taken);
    assert_in_range(most_resident_kib() - before_kib, 1, one_kib + MORE_KIB);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_verifier_is_made_and_compared),
        cmocka_unit_test(a_full_queue_refuses),
        cmocka_unit_test(what_waits_can_be_withdrawn),
        cmocka_unit_test(an_outlet_that_closes_answers_all_that_was_taken),
        cmocka_unit_test(a_closing_outlet_takes_nothing_from_others),
        cmocka_unit_test(whoever_was_told_may_submit_again),
        cmocka_unit_test(each_loop_is_told_of_its_own_on_its_own_thread),
        cmocka_unit_test(two_hundred_at_once_take_the_memory_of_one),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests_name("hashing", tests, NULL, NULL);
}
