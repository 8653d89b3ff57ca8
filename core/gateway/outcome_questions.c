#include "core/gateway/outcome_questions.h"

#include <assert.h>
#include <string.h>

#include "core/base/timestamp.h"

void outcome_questions_init(struct outcome_questions *questions, size_t questions_max) {
    assert(questions_max > 0);
    questions->count = 0;
    questions->questions_max = questions_max < QUESTIONS_MAX ? questions_max : QUESTIONS_MAX;
}

static void drop(struct outcome_questions *questions, size_t at) {
    questions->items[at] = questions->items[--questions->count];
}

static void drop_late(struct outcome_questions *questions, int64_t now_boot_us) {
    for (size_t i = questions->count; i > 0; i--) {
        if (questions->items[i - 1].until_boot_us <= now_boot_us) {
            drop(questions, i - 1);
        }
    }
}

/* Its index, or `count`. */
static size_t find(const struct outcome_questions *questions, struct str command_id) {
    size_t at = 0;
    while (at < questions->count &&
           !str_equal(str_of(questions->items[at].command_id, questions->items[at].id_len), command_id)) {
        at++;
    }
    return at;
}

enum question outcome_questions_begin(struct outcome_questions *questions, struct str command_id, int64_t now_boot_us) {
    assert(command_id.len <= QUESTION_ID_MAX);
    drop_late(questions, now_boot_us);
    if (find(questions, command_id) < questions->count) {
        return QUESTION_ASKED;
    }
    if (questions->count >= questions->questions_max) {
        return QUESTION_TOO_MANY;
    }
    struct outcome_question *question = &questions->items[questions->count++];
    memcpy(question->command_id, command_id.data, command_id.len);
    question->id_len = command_id.len;
    question->until_boot_us = now_boot_us + (int64_t)QUESTION_MAX_MS * MICROS_PER_MS;
    return QUESTION_NEW;
}

void outcome_questions_end(struct outcome_questions *questions, struct str command_id) {
    size_t at = find(questions, command_id);
    if (at < questions->count) {
        drop(questions, at);
    }
}
