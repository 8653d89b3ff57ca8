/* outcome_questions.h: which questions about commands one loop has in the log and not answered yet.
 *
 * Purpose  a question is a record in the log, and anybody may ask: so the same one is asked once at a time, and there
 *          are few of them at any time.
 * Promise  a question ends with its answer, or QUESTION_MAX_MS after it was asked: it may have got lost, and then is
 *          asked again.
 * Bounds   `questions_max`, at most QUESTIONS_MAX.
 * Thread   the loop's.          May use: base.
 */
#pragma once

#include "core/base/str.h"

#include <stddef.h>
#include <stdint.h>

enum { QUESTIONS_MAX = 64, QUESTION_MAX_MS = 2000, QUESTION_ID_MAX = 32 };

struct outcome_question {
    char command_id[QUESTION_ID_MAX];
    uint32_t id_len;
    int64_t until_boot_us;
};

struct outcome_questions {
    struct outcome_question items[QUESTIONS_MAX];
    size_t count, questions_max;
};

enum question {
    QUESTION_NEW,      /* it is to be asked, and counts from now on */
    QUESTION_ASKED,    /* it is on its way: its answer will do */
    QUESTION_TOO_MANY, /* not now */
};

void outcome_questions_init(struct outcome_questions *questions, size_t questions_max);

enum question outcome_questions_begin(struct outcome_questions *questions, struct str command_id, int64_t now_boot_us);
/* It is answered, or could not be sent. */
void outcome_questions_end(struct outcome_questions *questions, struct str command_id);
