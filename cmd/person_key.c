#include "cmd/person_key.h"

#include "core/base/timestamp.h"

enum { LOOK_EVERY_MS = 20 };

struct key_question {
    struct vault *vault;
    struct pg_pool *pool;
    struct str key_id;
    enum vault_wish wish;
    bool is_asked, is_answered;
    int64_t until_boot_us;
    enum vault_found found;
    struct vault_key key;
};

static void on_key(void *context, enum vault_found found, const struct vault_key *key) {
    struct key_question *question = context;
    question->is_answered = true;
    question->found = found;
    if (found == VAULT_THERE) {
        question->key = *key;
        question->key.id = question->key_id;
    }
}

static void on_closed(void *context) {
    (void)context;
}

/* The pool connects by itself, and tells nobody when it has. */
static void on_look(uv_timer_t *timer) {
    struct key_question *question = timer->data;
    bool is_late = clock_boot_us() >= question->until_boot_us;
    if (!question->is_asked && !is_late && pg_pool_is_up(question->pool)) {
        question->is_asked = true;
        vault_key_of(question->vault, question->key_id, question->wish, on_key, question);
    }
    if (question->is_answered || is_late) {
        (void)uv_timer_stop(timer);
        uv_close((uv_handle_t *)timer, NULL);
        pg_pool_close(question->pool, on_closed, NULL);
    }
}

static enum err result_of(const struct key_question *question, struct err_info *info) {
    if (!question->is_answered || question->found == VAULT_NO_DATABASE) {
        return err_set_retriable(info, ERR_POSTGRES, "the vault's database does not answer");
    }
    if (question->found == VAULT_NO_MASTER) {
        return err_set(info, ERR_CONFIG, "the person's key cannot be opened with this ring of master keys");
    }
    if (question->found == VAULT_NONE) {
        return err_set(info, ERR_NOT_FOUND, "the vault has no key of that person, or it was destroyed");
    }
    return ERR_NONE;
}

enum err person_key(const struct config *config, const struct master_ring *ring, struct str key_id,
                    enum vault_wish wish, struct vault_key *ret_key, struct err_info *info) {
    struct key_question question = {
        .key_id = key_id,
        .wish = wish,
        .until_boot_us = clock_boot_us() + (int64_t)PERSON_KEY_WAIT_S * MICROS_PER_SECOND,
    };
    uv_loop_t loop;
    uv_timer_t look;
    int failed = uv_loop_init(&loop);
    if (failed != 0) {
        return err_set(info, ERR_IO, "cannot make an event loop: %s", uv_strerror(failed));
    }
    const struct pg_pool_options options = {.conninfo = config_vault_postgres(config)};
    enum err err = pg_pool_open(&loop, &options, &question.pool, info);
    if (err == ERR_NONE) {
        question.vault = vault_open(question.pool, ring);
        (void)uv_timer_init(&loop, &look);
        look.data = &question;
        (void)uv_timer_start(&look, on_look, 0, LOOK_EVERY_MS);
        (void)uv_run(&loop, UV_RUN_DEFAULT);
        vault_close(question.vault);
        err = result_of(&question, info);
    }
    (void)uv_loop_close(&loop);
    if (err == ERR_NONE) {
        *ret_key = question.key;
    }
    explicit_bzero(&question.key, sizeof question.key);
    return err;
}
