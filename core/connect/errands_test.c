/* What is done about open errands, and what the log is told: a test plays vault, mail server and log. */
#include "core/connect/errands_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/logger.h"
#include "core/base/shard.h"
#include "core/connect/errand_command.h"
#include "core/connect/test_orders.h"
#include "core/log/record.h"

enum { SHARDS = 2, COMMANDS_MAX = 64 };

#define HOUR_US (INT64_C(3600) * MICROS_PER_SECOND)

/* ---- the world --------------------------------------------------------------------------------------------------- */

static struct {
    bool is_full; /* no mail can go */
    struct errand *mail;
    mail_done_cb *on_mail_done;
    int mails;

    bool is_destroying;
    erasing_done_cb *on_destroyed, *on_vacuumed;
    size_t keys, batch;             /* of all destructions, of the last */
    struct vault_doomed doomed[16]; /* the first of the last; its texts are the errands' */
    int destructions, vacuums, forgotten;

    int lines; /* of the process's log */
    char line[128];

    enum err log_err;
    struct command commands[COMMANDS_MAX];
    int command_count;
} world;

static struct arena commands_arena;

bool mailing_has_room(const struct mailing *mailing) {
    (void)mailing;
    return !world.is_full;
}

void mailing_send(struct mailing *mailing, struct errand *errand, mail_done_cb *on_done) {
    (void)mailing;
    world.mail = errand;
    world.on_mail_done = on_done;
    world.mails++;
}

bool erasing_is_busy(const struct erasing *erasing) {
    (void)erasing;
    return world.is_destroying;
}

void erasing_destroy(struct erasing *erasing, const struct vault_doomed *doomed, size_t count, erasing_done_cb *on_done,
                     void *context) {
    (void)erasing, (void)context;
    for (size_t i = 0; i < count; i++) {
        assert_true(str_starts_with(doomed[i].key_id, STR("per_")));
        if (i < ARRAY_LENGTH(world.doomed)) {
            world.doomed[i] = doomed[i];
        }
    }
    world.is_destroying = true;
    world.keys += count;
    world.batch = count;
    world.destructions++;
    world.on_destroyed = on_done;
}

void erasing_vacuum(struct erasing *erasing, erasing_done_cb *on_done, void *context) {
    (void)erasing, (void)context;
    world.is_destroying = true;
    world.vacuums++;
    world.on_vacuumed = on_done;
}

void vault_forget(struct vault *vault, struct str key_id) {
    (void)vault;
    world.forgotten += str_starts_with(key_id, STR("per_"));
}

enum err log_producer_send(struct log_producer *producer, const char *topic, int32_t partition, struct str key,
                           struct str value, const struct log_header *headers, size_t header_count,
                           log_delivered_cb *on_delivered, void *context, struct err_info *info) {
    (void)producer, (void)headers, (void)on_delivered, (void)context, (void)info;
    if (world.log_err != ERR_NONE) {
        return world.log_err;
    }
    assert_string_equal(topic, "daybook.commands");
    assert_int_equal(partition, shard_of_stream(A_CUSTOMER, SHARDS));
    assert_true(str_equal(key, shard_key(A_CUSTOMER)));
    assert_int_equal(header_count, 1);
    assert_true(world.command_count < COMMANDS_MAX);
    struct err_info why;
    struct command *command = &world.commands[world.command_count++];
    assert_int_equal(command_record_read(&commands_arena, arena_str_copy(&commands_arena, value), command, &why),
                     ERR_NONE);
    return ERR_NONE;
}

size_t errands_shard_count(const struct errands *errands) {
    return (size_t)errands->config->shards;
}

void log_write(enum log_level level, const char *role, const char *message, const struct log_field *fields) {
    (void)fields;
    assert_true(level >= LOG_INFO);
    assert_string_equal(role, "errands");
    world.lines++;
    snprintf(world.line, sizeof world.line, "%s", message);
}

/* ---- the test's side --------------------------------------------------------------------------------------------- */

static struct config config;
static struct errand_shard shards[SHARDS];
static struct errands errands;
static char a_mailing;
static int64_t next_offset;
static struct str keys[] = {STR("per_1"), STR("per_2")};

static void on_more(uv_async_t *async) {
    (void)async;
}

static int set_up(void **state) {
    (void)state;
    memset(&world, 0, sizeof world);
    memset(shards, 0, sizeof shards);
    config = (struct config){.shards = SHARDS, .topic_prefix = "daybook", .vault_vacuum_s = 3600};
    errands = (struct errands){.config = &config, .shards = shards, .mailing = (struct mailing *)&a_mailing};
    log_topics_name(&errands.topics, config.topic_prefix);
    arena_init(&errands.arena, 1 << 20);
    arena_init(&commands_arena, 1 << 20);
    uv_loop_init(&errands.loop);
    uv_async_init(&errands.loop, &errands.more, on_more);
    for (size_t i = 0; i < SHARDS; i++) {
        shards[i].open = open_errands_create((struct errand_bounds){100, 100, 100});
        shards[i].is_live = true;
    }
    next_offset = 1;
    log_clock_record(&errands.clock, clock_wall_us(), clock_boot_us(), true);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    for (size_t i = 0; i < SHARDS; i++) {
        open_errands_free(shards[i].open, errand_on_revoked);
    }
    uv_close((uv_handle_t *)&errands.more, NULL);
    uv_run(&errands.loop, UV_RUN_DEFAULT);
    uv_loop_close(&errands.loop);
    arena_release(&errands.arena);
    arena_release(&commands_arena);
    return 0;
}

static struct errand *happened(struct event event) {
    return open_errands_apply(shards[0].open, next_offset++, &event,
                              STR("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), errand_on_closed);
}

static struct errand *a_mail(void) {
    return happened(verification_requested(STR("evt_1"), 1));
}

static void answer(enum mail_end end, int code) {
    world.on_mail_done(world.mail, &(struct mail_result){.end = end, .code = code, .why = "a reason"});
}

static void destroyed_but(enum err err, int64_t keys_left) {
    const struct err_info info = {.code = err, .text = "a reason"};
    const struct erased erased = {.keys_left = keys_left};
    world.is_destroying = false;
    world.on_destroyed(&errands, err, &erased, &info);
}

static void destroyed(enum err err) {
    destroyed_but(err, 0);
}

/* Its time has come. */
static void make_due(struct errand *errand) {
    errand->progress.due_at_us = 0;
    errands_begin_due(&errands);
}

/* In how many seconds it is due, without what is drawn: a quarter at most. */
static void expect_due_in(const struct errand *errand, int64_t seconds) {
    int64_t left_us = errand->progress.due_at_us - clock_boot_us();
    assert_in_range(left_us, (seconds - 1) * MICROS_PER_SECOND,
                    seconds * 5 / 4 * MICROS_PER_SECOND + MICROS_PER_SECOND);
}

static const struct record_mail *told(int count) {
    assert_int_equal(world.command_count, count);
    const struct command *command = &world.commands[count - 1];
    assert_int_equal(command->type, COMMAND_RECORD_MAIL);
    assert_true(str_equal(command->meta.stream, A_CUSTOMER));
    assert_true(str_equal(command->meta.causation_id, STR("evt_1")));
    assert_true(str_equal(command->meta.correlation_id, STR("cmd_1")));
    assert_true(str_equal(command->meta.actor, STR("system")));
    assert_int_equal(command->meta.reply_partition, -1);
    return &command->as.record_mail;
}

static void a_mail_that_was_sent_is_told_and_open_until_the_log_shows_it(void **state) {
    (void)state;
    struct errand *errand = a_mail();
    errands_begin_due(&errands);
    errands_begin_due(&errands); /* it is under way */
    assert_int_equal(world.mails, 1);
    answer(MAIL_SENT, 250);
    const struct record_mail *said = told(1);
    assert_true(str_equal(said->cause, STR("evt_1")));
    assert_true(str_equal(said->template, STR("verify")));
    assert_true(str_equal(said->result, STR("sent")));
    assert_true(str_equal(said->code, STR("250")));
    assert_int_equal(said->attempt, 1);
    errands_begin_due(&errands);
    assert_int_equal(world.mails, 1);
    expect_due_in(errand, 10);
    happened(mailed(STR("evt_2"), STR("evt_1")));
    assert_int_equal(open_errands_count(shards[0].open, ERRAND_MAIL), 0);
    assert_int_equal(errands.counts.mails_sent, 1);
}

static void a_command_that_the_log_does_not_show_is_sent_again_and_the_mail_is_not(void **state) {
    (void)state;
    struct errand *errand = a_mail();
    errands_begin_due(&errands);
    answer(MAIL_SENT, 250);
    make_due(errand);
    (void)told(2);
    assert_int_equal(world.mails, 1);
    assert_true(str_equal(world.commands[0].meta.command_id, world.commands[1].meta.command_id));
    expect_due_in(errand, 20);
}

static void a_command_that_was_set_aside_is_followed_by_another_that_says_the_same(void **state) {
    (void)state;
    struct errand *errand = a_mail();
    errands_begin_due(&errands);
    answer(MAIL_SENT, 250);
    for (int i = 1; i < ERRAND_SENDS_OVERDUE; i++) {
        make_due(errand);
        assert_true(str_equal(world.commands[0].meta.command_id, world.commands[i].meta.command_id));
    }
    make_due(errand);
    (void)told(ERRAND_SENDS_OVERDUE + 1);
    const struct command *other = &world.commands[ERRAND_SENDS_OVERDUE];
    assert_false(str_equal(world.commands[0].meta.command_id, other->meta.command_id));
    assert_int_equal(other->as.record_mail.attempt, 1);
    expect_due_in(errand, 320);
}

static void a_command_that_could_not_be_sent_is_sent_later_and_the_mail_is_not(void **state) {
    (void)state;
    world.log_err = ERR_KAFKA;
    struct errand *errand = a_mail();
    errands_begin_due(&errands);
    answer(MAIL_SENT, 250);
    expect_due_in(errand, 1);
    world.log_err = ERR_NONE;
    make_due(errand);
    (void)told(1);
    assert_int_equal(world.mails, 1);
}

static void a_mail_that_is_not_taken_is_tried_twelve_times_ever_more_seldom(void **state) {
    (void)state;
    static const int64_t minutes[ERRAND_TRIES - 1] = {1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60};
    struct errand *errand = a_mail();
    errands_begin_due(&errands);
    for (int i = 0; i < ERRAND_TRIES - 1; i++) {
        answer(MAIL_DEFERRED, 450);
        assert_int_equal(world.command_count, 0);
        expect_due_in(errand, minutes[i] * 60);
        make_due(errand);
        assert_int_equal(world.mails, i + 2);
    }
    answer(MAIL_DEFERRED, 451);
    const struct record_mail *said = told(1);
    assert_true(str_equal(said->result, STR("failed")));
    assert_true(str_equal(said->code, STR("451")));
    assert_int_equal(said->attempt, ERRAND_TRIES);
    assert_int_equal(errands.counts.mails_deferred, ERRAND_TRIES - 1);
    assert_int_equal(errands.counts.mails_failed, 1);
}

static void what_is_refused_has_failed_at_once(void **state) {
    (void)state;
    a_mail();
    errands_begin_due(&errands);
    answer(MAIL_REFUSED, 550);
    const struct record_mail *said = told(1);
    assert_true(str_equal(said->result, STR("failed")));
    assert_true(str_equal(said->code, STR("550")));
}

/* The domain would refuse another for good, and it would be told for ever. */
static void whatever_a_server_answered_three_digits_of_it_are_told_or_none(void **state) {
    (void)state;
    static const struct {
        int code;
        const char *told;
    } rows[] = {{0, ""}, {-1, ""}, {7, "007"}, {55, "055"}, {999, "999"}, {1000, ""}, {25055, ""}};
    a_mail();
    errands_begin_due(&errands);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        answer(MAIL_REFUSED, rows[i].code);
        assert_true(str_equal(told((int)i + 1)->code, str_of_cstr(rows[i].told)));
    }
}

static void a_mail_to_who_was_erased_is_told_so(void **state) {
    (void)state;
    a_mail();
    errands_begin_due(&errands);
    answer(MAIL_ERASED, 0);
    const struct record_mail *said = told(1);
    assert_true(str_equal(said->result, STR("erased")));
    assert_true(str_equal(said->code, STR("")));
    assert_int_equal(errands.counts.mails_erased, 1);
}

static void reasons_of_our_own_count_as_no_try(void **state) {
    (void)state;
    struct errand *errand = a_mail();
    errands_begin_due(&errands);
    for (int i = 0; i < 2 * ERRAND_TRIES; i++) {
        answer(MAIL_NOT_NOW, 0);
        assert_int_equal(world.command_count, 0);
        make_due(errand);
    }
    answer(MAIL_NOT_NOW, 0);
    expect_due_in(errand, 60);
    make_due(errand);
    answer(MAIL_SENT, 250);
    assert_int_equal(told(1)->attempt, 1);
}

static void without_a_server_mails_wait_and_are_counted(void **state) {
    (void)state;
    errands.mailing = NULL;
    a_mail();
    happened(verification_requested(STR("evt_2"), 2));
    errands_begin_due(&errands);
    errands_count(&errands);
    assert_int_equal(errands.counts.mails_waiting, 2);
    assert_int_equal(world.mails + world.command_count, 0);
}

static void a_mail_of_no_use_is_not_sent(void **state) {
    (void)state;
    errands.mailing = NULL; /* nor does it wait for ever */
    struct event event = verification_requested(STR("evt_1"), 1);
    event.meta.occurred_at -= 25 * HOUR_US;
    happened(event);
    errands_begin_due(&errands);
    const struct record_mail *said = told(1);
    assert_true(str_equal(said->result, STR("failed")));
    assert_true(str_equal(said->code, STR("")));
    assert_int_equal(world.mails, 0);
}

/* That it is 25 hours old is this machine's opinion: in the log it is 23 hours. */
static void a_mail_is_not_ended_by_the_machine_s_clock(void **state) {
    (void)state;
    struct event event = verification_requested(STR("evt_1"), 1);
    event.meta.occurred_at -= 25 * HOUR_US;
    log_clock_record(&errands.clock, event.meta.occurred_at + 23 * HOUR_US, clock_boot_us(), true);
    happened(event);
    errands_begin_due(&errands);
    assert_int_equal(world.mails, 1);
    assert_int_equal(world.command_count, 0);
    answer(MAIL_SENT, 250);
    (void)told(1);
    assert_in_range(world.commands[0].meta.issued_at - event.meta.occurred_at, 23 * HOUR_US,
                    23 * HOUR_US + 60 * MICROS_PER_SECOND);
}

/* Who knows, after a start into a quiet log. */
static void a_mail_that_may_be_of_no_use_waits_for_the_log_to_say_so(void **state) {
    (void)state;
    struct event event = verification_requested(STR("evt_1"), 1);
    event.meta.occurred_at -= 25 * HOUR_US;
    errands.clock = (struct log_clock){0};
    log_clock_record(&errands.clock, event.meta.occurred_at, clock_boot_us(), false);
    struct errand *errand = happened(event);
    errands_begin_due(&errands);
    assert_int_equal(world.mails + world.command_count, 0);
    assert_string_equal(world.line, "mails wait");
    expect_due_in(errand, 60);
    log_clock_record(&errands.clock, clock_wall_us(), clock_boot_us(), true);
    make_due(errand);
    assert_true(str_equal(told(1)->result, STR("failed")));
}

static void nothing_is_begun_before_the_end_was_read_or_behind_a_newer_release(void **state) {
    (void)state;
    a_mail();
    happened(erasure_requested(STR("evt_2"), keys, 2));
    shards[0].is_live = false;
    errands_begin_due(&errands);
    shards[0].is_live = true;
    shards[0].is_stopped = true;
    errands_begin_due(&errands);
    assert_int_equal(world.mails + world.destructions, 0);
    errands_count(&errands);
    assert_int_equal(errands.counts.shards_stopped, 1);
    shards[0].is_stopped = false;
    errands_begin_due(&errands);
    assert_int_equal(world.mails, 1);
    assert_int_equal(world.destructions, 1);
    answer(MAIL_SENT, 250);
    destroyed(ERR_NONE);
}

static void mails_that_find_no_room_go_later(void **state) {
    (void)state;
    a_mail();
    world.is_full = true;
    errands_begin_due(&errands);
    assert_int_equal(world.mails, 0);
    world.is_full = false;
    errands_begin_due(&errands);
    assert_int_equal(world.mails, 1);
    answer(MAIL_SENT, 250);
}

static void a_mail_that_the_log_closed_meanwhile_is_told_no_more(void **state) {
    (void)state;
    a_mail();
    errands_begin_due(&errands);
    happened(of_customer(EVENT_CUSTOMER_ERASED, STR("evt_2")));
    answer(MAIL_SENT, 250); /* frees it: ASan would say if not */
    assert_int_equal(world.command_count, 0);
}

/* The domain refuses what is said of the mails of who is erased, so the log never shows it. */
static void nothing_more_is_told_of_a_mail_to_who_is_erased(void **state) {
    (void)state;
    a_mail();
    errands_begin_due(&errands);
    answer(MAIL_SENT, 250);
    (void)told(1);
    happened(of_customer(EVENT_CUSTOMER_ERASED, STR("evt_2")));
    assert_null(open_errands_first(shards[0].open));
    assert_int_equal(open_errands_resume_offset(shards[0].open), next_offset);
}

static void the_next_owner_hears_of_a_mail_that_was_sent_meanwhile(void **state) {
    (void)state;
    a_mail();
    errands_begin_due(&errands);
    open_errands_free(shards[0].open, errand_on_revoked);
    shards[0].open = open_errands_create((struct errand_bounds){100, 100, 100});
    answer(MAIL_SENT, 250);
    (void)told(1);
}

static void and_hears_nothing_of_one_that_was_not(void **state) {
    (void)state;
    a_mail();
    errands_begin_due(&errands);
    open_errands_free(shards[0].open, errand_on_revoked);
    shards[0].open = open_errands_create((struct errand_bounds){100, 100, 100});
    answer(MAIL_DEFERRED, 0);
    assert_int_equal(world.command_count, 0);
}

static void a_stop_says_nothing_of_a_mail(void **state) {
    (void)state;
    struct errand *errand = a_mail();
    errands_begin_due(&errands);
    errands.stopping = true;
    answer(MAIL_DEFERRED, 0);
    assert_int_equal(errand->progress.tries, 0);
    assert_int_equal(world.command_count, 0);
}

static void keys_are_destroyed_before_it_is_told(void **state) {
    (void)state;
    struct errand *errand = happened(erasure_requested(STR("evt_1"), keys, 2));
    errands_begin_due(&errands);
    assert_int_equal(world.keys, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(str_equal(world.doomed[i].key_id, keys[i]));
        assert_true(str_equal(world.doomed[i].cause, STR("evt_1")));
        assert_int_equal(world.doomed[i].asked_at_us, errand->asked_at_us);
        assert_int_equal(world.doomed[i].may_be_anew, i > 0); /* the first is his own */
    }
    assert_int_equal(world.command_count, 0);
    errands_begin_due(&errands);
    assert_int_equal(world.destructions, 1);
    destroyed(ERR_NONE);
    assert_int_equal(world.command_count, 1);
    assert_int_equal(world.commands[0].type, COMMAND_RECORD_ERASURE);
    assert_true(str_equal(world.commands[0].meta.causation_id, STR("evt_1")));
    assert_int_equal(world.forgotten, 2);
    assert_int_equal(errands.counts.erasures, 1);
    make_due(errand); /* the log does not show it: it is told again, and nothing destroyed */
    assert_int_equal(world.command_count, 2);
    assert_true(str_equal(world.commands[0].meta.command_id, world.commands[1].meta.command_id));
    assert_int_equal(world.destructions, 1);
    happened(of_customer(EVENT_CUSTOMER_ERASED, STR("evt_2")));
    assert_int_equal(open_errands_count(shards[0].open, ERRAND_ERASURE), 0);
}

static void a_destruction_that_failed_is_not_told_and_done_again(void **state) {
    (void)state;
    struct errand *errand = happened(erasure_requested(STR("evt_1"), keys, 1));
    errands_begin_due(&errands);
    destroyed(ERR_POSTGRES);
    assert_int_equal(world.command_count + world.forgotten, 0);
    expect_due_in(errand, 1);
    make_due(errand);
    assert_int_equal(world.destructions, 2);
    destroyed(ERR_NONE);
    assert_int_equal(world.command_count, 1);
}

static void many_erasures_go_together_and_the_rest_behind_them(void **state) {
    (void)state;
    char ids[ERASURES_AT_ONCE + 1][8];
    for (size_t i = 0; i < ERASURES_AT_ONCE + 1; i++) {
        snprintf(ids[i], sizeof ids[i], "evt_%zu", i);
        happened(erasure_requested(str_of_cstr(ids[i]), keys, 1));
    }
    errands_begin_due(&errands);
    assert_int_equal(world.keys, ERASURES_AT_ONCE);
    destroyed(ERR_NONE);
    assert_int_equal(world.command_count, ERASURES_AT_ONCE);
    world.command_count = 0;
    errands_begin_due(&errands);
    assert_int_equal(world.keys, ERASURES_AT_ONCE + 1);
    destroyed(ERR_NONE);
    assert_int_equal(world.command_count, 1);
}

static void keys_that_are_somebody_else_s_by_now_are_counted(void **state) {
    (void)state;
    happened(erasure_requested(STR("evt_1"), keys, 2));
    errands_begin_due(&errands);
    destroyed_but(ERR_NONE, 1);
    assert_int_equal(errands.counts.keys_left, 1);
    assert_int_equal(world.command_count, 1);
}

/* A key's id that no database takes fails the statement for all that it names. */
static void one_that_cannot_be_erased_holds_up_no_other(void **state) {
    (void)state;
    struct errand *bad = happened(erasure_requested(STR("evt_0"), keys, 1));
    char ids[ERASURES_AT_ONCE - 1][8];
    for (size_t i = 0; i < ARRAY_LENGTH(ids); i++) {
        snprintf(ids[i], sizeof ids[i], "evt_%zu", i + 1);
        happened(erasure_requested(str_of_cstr(ids[i]), keys, 1));
    }
    errands_begin_due(&errands);
    assert_int_equal(world.batch, ERASURES_AT_ONCE);
    destroyed(ERR_MALFORMED);
    for (struct errand *errand = bad; errand != NULL; errand = errand->next) {
        errand->progress.due_at_us = 0;
    }
    for (size_t i = 0; i < ERASURES_AT_ONCE; i++) {
        errands_begin_due(&errands);
        assert_int_equal(world.batch, 1);
        destroyed(str_equal(world.doomed[0].cause, STR("evt_0")) ? ERR_MALFORMED : ERR_NONE);
    }
    assert_int_equal(world.command_count, ERASURES_AT_ONCE - 1);
    assert_int_equal(bad->progress.state, ERRAND_WAITS);
    assert_string_equal(world.line, "somebody's keys cannot be destroyed");
}

static void one_behind_one_that_goes_alone_waits_for_its_turn(void **state) {
    (void)state;
    struct errand *bad = happened(erasure_requested(STR("evt_1"), keys, 1));
    errands_begin_due(&errands);
    destroyed(ERR_MALFORMED);
    assert_string_equal(world.line, "somebody's keys cannot be destroyed");
    happened(erasure_requested(STR("evt_2"), keys, 1));
    happened(erasure_requested(STR("evt_3"), keys, 1));
    make_due(bad);
    assert_int_equal(world.batch, 1);
    destroyed(ERR_MALFORMED);
    errands_begin_due(&errands);
    assert_int_equal(world.batch, 2);
    destroyed(ERR_NONE);
    assert_int_equal(world.command_count, 2);
}

/* What passes, or is the installation's fault, is nobody's in particular. */
static void a_database_that_is_away_parts_nobody(void **state) {
    (void)state;
    struct errand *first = happened(erasure_requested(STR("evt_1"), keys, 1));
    struct errand *second = happened(erasure_requested(STR("evt_2"), keys, 1));
    errands_begin_due(&errands);
    destroyed(ERR_POSTGRES);
    first->progress.due_at_us = second->progress.due_at_us = 0;
    errands_begin_due(&errands);
    assert_int_equal(world.batch, 2);
    destroyed(ERR_NONE);
}

static void an_erasure_is_not_lost_when_another_process_has_its_shard(void **state) {
    (void)state;
    happened(erasure_requested(STR("evt_1"), keys, 1));
    errands_begin_due(&errands);
    open_errands_free(shards[0].open, errand_on_revoked);
    shards[0].open = open_errands_create((struct errand_bounds){100, 100, 100});
    destroyed(ERR_NONE); /* that one destroys once more, and tells */
    assert_int_equal(world.command_count, 0);
    assert_int_equal(world.forgotten, 1);
}

/* One kind of trouble must not hide another. */
static void each_kind_of_warning_is_a_line_by_itself_and_of_each_there_is_one_in_ten_seconds(void **state) {
    (void)state;
    a_mail();
    happened(erasure_requested(STR("evt_2"), keys, 1));
    errands_begin_due(&errands);
    answer(MAIL_NOT_NOW, 0);
    assert_string_equal(world.line, "mails wait");
    destroyed(ERR_POSTGRES);
    assert_string_equal(world.line, "keys of people who are to be erased could not be destroyed yet");
    for (size_t i = 0; i < ERRAND_WARNINGS; i++) {
        errands_warn(&errands, (enum errand_warning)i, "a reason");
    }
    assert_int_equal(world.lines, ERRAND_WARNINGS);
    assert_in_range(errands.next_warning_us[ERRANDS_WAIT] - clock_boot_us(), 9 * MICROS_PER_SECOND,
                    10 * MICROS_PER_SECOND);
    errands.next_warning_us[ERRANDS_WAIT] = 0;
    errands_warn(&errands, ERRANDS_WAIT, "a reason");
    assert_int_equal(world.lines, ERRAND_WARNINGS + 1);
}

static void shards_are_counted_as_they_are(void **state) {
    (void)state;
    errands_count(&errands);
    assert_int_equal(errands.counts.shards_live, 2);
    assert_int_equal(errands.counts.shards_not_live, 0);
    shards[0].is_live = false;
    shards[1].is_stopped = true;
    errands_count(&errands);
    assert_int_equal(errands.counts.shards_live, 0);
    assert_int_equal(errands.counts.shards_not_live, 1);
    assert_int_equal(errands.counts.shards_stopped, 1);
}

static void vacuumed(enum err err) {
    const struct err_info info = {.code = err, .text = "a reason"};
    const struct erased erased = {.was_due = err == ERR_NONE};
    world.is_destroying = false;
    world.on_vacuumed(&errands, err, &erased, &info);
}

static void expect_vacuum_in(int64_t seconds) {
    assert_in_range(errands.next_vacuum_us - clock_boot_us(), (seconds - 1) * MICROS_PER_SECOND,
                    seconds * MICROS_PER_SECOND);
}

static void the_table_of_keys_is_written_anew_soon_after_the_start_and_then_once_an_hour(void **state) {
    (void)state;
    errands_vacuum_when_due(&errands);
    assert_int_equal(world.vacuums, 0);
    expect_vacuum_in(60);
    errands.next_vacuum_us = 1;
    world.is_destroying = true; /* one at a time */
    errands_vacuum_when_due(&errands);
    assert_int_equal(world.vacuums, 0);
    world.is_destroying = false;
    errands_vacuum_when_due(&errands);
    assert_int_equal(world.vacuums, 1);
    vacuumed(ERR_NONE);
    expect_vacuum_in(3600);
    errands.next_vacuum_us = 1;
    errands_vacuum_when_due(&errands);
    vacuumed(ERR_TIMEOUT); /* somebody read the table all that time */
    expect_vacuum_in(60);
    errands.next_vacuum_us = 1;
    errands_vacuum_when_due(&errands);
    vacuumed(ERR_POSTGRES);
    expect_vacuum_in(3600);
    config.vault_vacuum_s = 1;
    errands.next_vacuum_us = 0;
    errands_vacuum_when_due(&errands);
    expect_vacuum_in(1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* ---- orders ------------------------------------------------------------------------------------------------------ */

static void a_mail_that_is_foreseen_is_not_begun_before_its_order_is_confirmed(void **state) {
    (void)state;
    assert_null(happened(placed(STR("evt_0"))));
    errands_begin_due(&errands);
    assert_null(world.mail);
    errands_count(&errands);
    assert_int_equal(errands.counts.mails_waiting, 0);
    assert_non_null(happened(of_order(EVENT_ORDER_CONFIRMED, STR("evt_1"))));
    errands_begin_due(&errands);
    assert_non_null(world.mail);
    answer(MAIL_SENT, 250);
    assert_int_equal(world.command_count, 1);
    const struct command *command = &world.commands[0];
    assert_int_equal(command->type, COMMAND_RECORD_ORDER_MAIL);
    assert_true(str_equal(command->meta.stream, AN_ORDER));
    assert_true(str_equal(command->meta.causation_id, STR("evt_1")));
    const struct record_order_mail *told = &command->as.record_order_mail;
    assert_true(str_equal(told->cause, STR("evt_1")));
    assert_true(str_equal(told->template, STR("order_confirmed")));
    assert_true(str_equal(told->result, STR("sent")));
    assert_true(str_equal(told->code, STR("250")));
    assert_int_equal(told->attempt, 1);
    happened(order_told(STR("evt_2"), STR("evt_1")));
    assert_int_equal(open_errands_count(shards[0].open, ERRAND_MAIL), 0);
}

static void a_confirmation_that_comes_too_late_ends_without_a_word(void **state) {
    (void)state;
    struct event late = confirmation_requested(STR("evt_1"));
    late.meta.occurred_at -= (int64_t)(MAIL_ORDER_S + 60) * MICROS_PER_SECOND;
    late.meta.stream = ANOTHER_ORDER;
    assert_non_null(happened(late));
    assert_non_null(happened(confirmation_requested(STR("evt_2"))));
    errands_begin_due(&errands);
    assert_int_equal(world.command_count, 0);
    assert_int_equal(errands.counts.mails_late, 1);
    assert_int_equal(open_errands_count(shards[0].open, ERRAND_MAIL), 1);
    assert_true(str_equal(world.mail->cause, STR("evt_2"))); /* it holds up none behind it */
    answer(MAIL_SENT, 250);
}

static void what_was_told_and_what_is_under_way_does_not_end_for_being_late(void **state) {
    (void)state;
    assert_non_null(happened(confirmation_requested(STR("evt_1"))));
    errands_begin_due(&errands);
    errands_end_late(&errands, &shards[0], INT64_MAX);
    assert_int_equal(errands.counts.mails_late, 0);
    answer(MAIL_SENT, 250);
    errands_end_late(&errands, &shards[0], INT64_MAX);
    assert_int_equal(errands.counts.mails_late, 0);
    assert_int_equal(open_errands_count(shards[0].open, ERRAND_MAIL), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_mail_that_was_sent_is_told_and_open_until_the_log_shows_it),
        TEST(a_command_that_the_log_does_not_show_is_sent_again_and_the_mail_is_not),
        TEST(a_command_that_was_set_aside_is_followed_by_another_that_says_the_same),
        TEST(a_command_that_could_not_be_sent_is_sent_later_and_the_mail_is_not),
        TEST(a_mail_that_is_not_taken_is_tried_twelve_times_ever_more_seldom),
        TEST(what_is_refused_has_failed_at_once),
        TEST(whatever_a_server_answered_three_digits_of_it_are_told_or_none),
        TEST(a_mail_to_who_was_erased_is_told_so),
        TEST(reasons_of_our_own_count_as_no_try),
        TEST(without_a_server_mails_wait_and_are_counted),
        TEST(a_mail_of_no_use_is_not_sent),
        TEST(a_mail_is_not_ended_by_the_machine_s_clock),
        TEST(a_mail_that_may_be_of_no_use_waits_for_the_log_to_say_so),
        TEST(nothing_is_begun_before_the_end_was_read_or_behind_a_newer_release),
        TEST(mails_that_find_no_room_go_later),
        TEST(a_mail_that_the_log_closed_meanwhile_is_told_no_more),
        TEST(nothing_more_is_told_of_a_mail_to_who_is_erased),
        TEST(the_next_owner_hears_of_a_mail_that_was_sent_meanwhile),
        TEST(and_hears_nothing_of_one_that_was_not),
        TEST(a_stop_says_nothing_of_a_mail),
        TEST(keys_are_destroyed_before_it_is_told),
        TEST(a_destruction_that_failed_is_not_told_and_done_again),
        TEST(many_erasures_go_together_and_the_rest_behind_them),
        TEST(an_erasure_is_not_lost_when_another_process_has_its_shard),
        TEST(keys_that_are_somebody_else_s_by_now_are_counted),
        TEST(one_that_cannot_be_erased_holds_up_no_other),
        TEST(one_behind_one_that_goes_alone_waits_for_its_turn),
        TEST(a_database_that_is_away_parts_nobody),
        TEST(each_kind_of_warning_is_a_line_by_itself_and_of_each_there_is_one_in_ten_seconds),
        TEST(shards_are_counted_as_they_are),
        TEST(the_table_of_keys_is_written_anew_soon_after_the_start_and_then_once_an_hour),
        TEST(a_mail_that_is_foreseen_is_not_begun_before_its_order_is_confirmed),
        TEST(a_confirmation_that_comes_too_late_ends_without_a_word),
        TEST(what_was_told_and_what_is_under_way_does_not_end_for_being_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
