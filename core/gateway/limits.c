#include "core/gateway/limits.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/base/timestamp.h"

enum { SET_SLOTS = 4, SETS = LIMITS_SLOTS / SET_SLOTS };
enum { RATE_MAX = 1000000, BURST_MAX = 1000000 };

#define NANOS_PER_SECOND ((int64_t)1000000000)

/* Whose it is and when all that he took is earned; 0 in both: nobody's. */
struct slot {
    uint64_t who;
    int64_t earned_at_ns;
};

/* As large as a line of the processor's cache. */
struct slot_set {
    _Alignas(64) struct slot slots[SET_SLOTS];
};

struct limit {
    int64_t interval_ns; /* between two requests at the steady rate; 0: no limit */
    int64_t burst;
    char policy[LIMITS_TEXT_MAX];
    struct str policy_text;
    struct slot_set *sets;
};

struct limits {
    unsigned char address_key[crypto_shorthash_KEYBYTES], name_key[crypto_shorthash_KEYBYTES];
    struct limit limits[LIMIT_CLASSES];
    pthread_mutex_t locks[LIMITS_LOCKS];
};

static const char *const class_names[LIMIT_CLASSES] = {[LIMIT_NONE] = "none",
#define LIMIT_CLASS_NAME(name, text) [LIMIT_##name] = (text),
                                                       LIMIT_CLASS_TABLE(LIMIT_CLASS_NAME)
#undef LIMIT_CLASS_NAME
};

/* ", read, search, ..." */
#define LIMIT_CLASS_LISTED(name, text) ", " text
static const char class_list[] = LIMIT_CLASS_TABLE(LIMIT_CLASS_LISTED);
#undef LIMIT_CLASS_LISTED

const char *limit_class_name(enum limit_class limit) {
    return class_names[limit];
}

/* ---- the setting ------------------------------------------------------------------------------------------------- */

static enum limit_class class_named(struct str name) {
    for (size_t i = LIMIT_NONE + 1; i < LIMIT_CLASSES; i++) {
        if (str_equal(name, str_of_cstr(class_names[i]))) {
            return (enum limit_class)i;
        }
    }
    return LIMIT_NONE;
}

static int64_t seconds_of(struct str unit) {
    return str_equal(unit, STR("s")) ? 1 : str_equal(unit, STR("m")) ? 60 : str_equal(unit, STR("h")) ? 3600 : 0;
}

static bool read_count(struct str text, int64_t most, int64_t *ret_count) {
    return int64_read(text, ret_count) && *ret_count >= 1 && *ret_count <= most;
}

/* 200/s:1000 */
static bool read_rate(struct str text, struct limit *ret_limit) {
    struct str rate = str_first(text, str_find(text, '/'));
    struct str rest = str_from(text, rate.len + 1);
    struct str unit = str_first(rest, str_find(rest, ':'));
    int64_t count, window_s = seconds_of(unit);
    if (window_s == 0 || !read_count(rate, RATE_MAX, &count) ||
        !read_count(str_from(rest, unit.len + 1), BURST_MAX, &ret_limit->burst)) {
        return false;
    }
    ret_limit->interval_ns = window_s * NANOS_PER_SECOND / count;
    return true;
}

static int64_t seconds_up(int64_t ns) {
    return (ns + NANOS_PER_SECOND - 1) / NANOS_PER_SECOND;
}

static enum err read_word(struct str word, struct limits *limits, struct err_info *info) {
    struct str name = str_first(word, str_find(word, '='));
    enum limit_class which = class_named(name);
    struct limit *limit = &limits->limits[which];
    struct str shown = str_first(word, LIMITS_TEXT_MAX);
    if (which == LIMIT_NONE) {
        return err_set(info, ERR_CONFIG, "limits: %.*s names no class (%s), nor is it off", STR_ARGS(shown),
                       class_list + 2);
    }
    if (limit->interval_ns > 0) {
        return err_set(info, ERR_CONFIG, "limits: %s is given twice", class_names[which]);
    }
    if (!read_rate(str_from(word, name.len + 1), limit)) {
        return err_set(
            info, ERR_CONFIG,
            "limits: %.*s is not of the form %s=200/s:1000 (how many in s, m or h, and how many at once; 1 to "
            "%d)",
            STR_ARGS(shown), class_names[which], RATE_MAX);
    }
    int len = snprintf(limit->policy, sizeof limit->policy, "\"%s\";q=%lld;w=%lld", class_names[which],
                       (long long)limit->burst, (long long)seconds_up(limit->burst * limit->interval_ns));
    assert(len > 0 && (size_t)len < sizeof limit->policy);
    limit->policy_text = str_of(limit->policy, (size_t)len);
    limit->sets = aligned_alloc(_Alignof(struct slot_set), SETS * sizeof *limit->sets);
    if (limit->sets == NULL) {
        out_of_memory("a table of limits");
    }
    memset(limit->sets, 0, SETS * sizeof *limit->sets);
    return ERR_NONE;
}

enum err limits_open(const char *text, struct limits **ret_limits, struct err_info *info) {
    struct str rest = str_of_cstr(text);
    if (str_equal(rest, STR("off"))) {
        *ret_limits = NULL;
        return ERR_NONE;
    }
    struct limits *limits = calloc_or_end(1, sizeof *limits);
    crypto_shorthash_keygen(limits->address_key);
    crypto_shorthash_keygen(limits->name_key);
    for (size_t i = 0; i < LIMITS_LOCKS; i++) {
        pthread_mutex_init(&limits->locks[i], NULL);
    }
    while (!str_is_empty(rest)) {
        struct str word = str_first(rest, str_find(rest, ' '));
        rest = str_from(rest, word.len + 1);
        enum err err = str_is_empty(word) ? ERR_NONE : read_word(word, limits, info);
        if (err != ERR_NONE) {
            limits_close(limits);
            return err;
        }
    }
    *ret_limits = limits;
    return ERR_NONE;
}

void limits_close(struct limits *limits) {
    if (limits == NULL) {
        return;
    }
    for (size_t i = 0; i < LIMIT_CLASSES; i++) {
        free(limits->limits[i].sets);
    }
    for (size_t i = 0; i < LIMITS_LOCKS; i++) {
        pthread_mutex_destroy(&limits->locks[i]);
    }
    free(limits);
}

/* ---- taking ------------------------------------------------------------------------------------------------------ */

/* Never 0, which is nobody. */
static uint64_t who_is(struct str text, const unsigned char key[crypto_shorthash_KEYBYTES]) {
    uint64_t who;
    crypto_shorthash((unsigned char *)&who, (const unsigned char *)text.data, text.len, key);
    return who == 0 ? 1 : who;
}

/* His slot; else the one whose owner has most nearly earned all back, which nobody's has longest. */
static struct slot *slot_for(struct slot_set *set, uint64_t who) {
    struct slot *oldest = &set->slots[0];
    for (size_t i = 0; i < SET_SLOTS; i++) {
        struct slot *slot = &set->slots[i];
        if (slot->who == who) {
            return slot;
        }
        if (slot->earned_at_ns < oldest->earned_at_ns) {
            oldest = slot;
        }
    }
    return oldest;
}

/* What is owed, the request itself included, may be worth as much as the burst. Who may take more than a client owes
 * less for each. */
static struct limit_answer judge(const struct limit *limit, int64_t interval_ns, int64_t owed_ns) {
    int64_t most_ns = limit->burst * limit->interval_ns, owed_with_ns = owed_ns + interval_ns;
    struct limit_answer answer = {.is_limited = true, .passes = owed_with_ns <= most_ns};
    if (answer.passes) {
        answer.remaining = (most_ns - owed_with_ns) / interval_ns;
        answer.reset_s = seconds_up(owed_with_ns);
    } else {
        answer.reset_s = seconds_up(owed_ns);
        answer.retry_after_s = seconds_up(owed_with_ns - most_ns);
    }
    return answer;
}

static bool has_limit(const struct limits *limits, enum limit_class class) {
    return limits != NULL && limits->limits[class].interval_ns > 0;
}

static struct limit_answer ask(struct limits *limits, enum limit_class class, uint64_t who, int64_t times,
                               int64_t now_us, bool takes) {
    struct limit *limit = &limits->limits[class];
    size_t number = who % SETS;
    int64_t now_ns = now_us * (NANOS_PER_SECOND / MICROS_PER_SECOND), interval_ns = limit->interval_ns / times;
    pthread_mutex_t *lock = &limits->locks[number % LIMITS_LOCKS];
    pthread_mutex_lock(lock);
    struct slot *slot = slot_for(&limit->sets[number], who);
    int64_t owed_ns = slot->who == who && slot->earned_at_ns > now_ns ? slot->earned_at_ns - now_ns : 0;
    struct limit_answer answer = judge(limit, interval_ns, owed_ns);
    if (takes && answer.passes) {
        *slot = (struct slot){.who = who, .earned_at_ns = now_ns + owed_ns + interval_ns};
    }
    pthread_mutex_unlock(lock);
    return answer;
}

static struct limit_answer ask_of_address(struct limits *limits, enum limit_class limit,
                                          const uint8_t client[ADDRESS_BYTES], int64_t now_us, bool takes) {
    if (!has_limit(limits, limit)) {
        return (struct limit_answer){.passes = true};
    }
    uint8_t holder[ADDRESS_BYTES];
    address_holder(client, holder);
    uint64_t who = who_is(str_of((const char *)holder, sizeof holder), limits->address_key);
    return ask(limits, limit, who, 1, now_us, takes);
}

struct limit_answer limits_take(struct limits *limits, enum limit_class limit, const uint8_t client[ADDRESS_BYTES],
                                int64_t now_us) {
    return ask_of_address(limits, limit, client, now_us, true);
}

struct limit_answer limits_look(struct limits *limits, enum limit_class limit, const uint8_t client[ADDRESS_BYTES],
                                int64_t now_us) {
    return ask_of_address(limits, limit, client, now_us, false);
}

struct limit_answer limits_take_name(struct limits *limits, enum limit_class limit, struct str name, int64_t times,
                                     int64_t now_us) {
    assert(times >= 1 && times <= LIMITS_TIMES_MAX);
    if (!has_limit(limits, limit)) {
        return (struct limit_answer){.passes = true};
    }
    return ask(limits, limit, who_is(name, limits->name_key), times, now_us, true);
}

/* ---- telling ----------------------------------------------------------------------------------------------------- */

struct str limits_policy(const struct limits *limits, enum limit_class limit) {
    return limits->limits[limit].policy_text;
}

/* Every answer has it: without printf. */
static uint32_t write_number(char *at, uint64_t value) {
    char digits[20];
    uint32_t first = sizeof digits;
    do {
        digits[--first] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    uint32_t len = sizeof digits - first;
    memcpy(at, digits + first, len);
    return len;
}

static uint32_t write_text(char *at, struct str text) {
    memcpy(at, text.data, text.len);
    return text.len;
}

struct str limits_state(struct arena *arena, enum limit_class limit, const struct limit_answer *answer) {
    char *text = arena_alloc(arena, LIMITS_TEXT_MAX);
    uint32_t len = write_text(text, STR("\""));
    len += write_text(text + len, str_of_cstr(class_names[limit]));
    len += write_text(text + len, STR("\";r="));
    len += write_number(text + len, (uint64_t)answer->remaining);
    len += write_text(text + len, STR(";t="));
    len += write_number(text + len, (uint64_t)answer->reset_s);
    assert(len <= LIMITS_TEXT_MAX);
    return str_of(text, len);
}
