#include "core/log/topics.h"

#include <assert.h>
#include <stdio.h>

static const char *const suffixes[] = {
#define TOPIC_ROW(id, suffix, retention) [TOPIC_##id] = (suffix),
    LOG_TOPIC_TABLE(TOPIC_ROW)
#undef TOPIC_ROW
};

void log_topics_name(struct log_topics *topics, const char *prefix) {
    for (int i = 0; i < TOPIC_COUNT; i++) {
        int length = snprintf(topics->names[i], sizeof topics->names[i], "%s.%s", prefix, suffixes[i]);
        assert(length > 0 && (size_t)length < sizeof topics->names[i]);
    }
}

enum log_topic log_topic_of_family(struct str family) {
    for (int i = TOPIC_FIRST_EVENTS; i < TOPIC_COUNT; i++) {
        if (str_equal(family, str_of_cstr(suffixes[i]))) {
            return (enum log_topic)i;
        }
    }
    return TOPIC_COUNT;
}

const char *log_topic_family(enum log_topic topic) {
    assert(topic >= TOPIC_FIRST_EVENTS && topic < TOPIC_COUNT);
    return suffixes[topic];
}
