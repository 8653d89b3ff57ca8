/* What a failing malloc does to the decoders and to a batch: the first allocation fails, then the second, and so on to
 * the last, each in a process of its own. It must come out the same, be refused with an error, or end the process with
 * a message; it must never crash, hang or be wrong, and whoever takes the shard over afterwards finds the state from
 * before the batch or from after it.
 *
 * malloc, calloc and realloc are defined here, over glibc's own, so that also what LMDB and jansson ask for can fail.
 * The sanitizers have an allocator of their own: the Makefile leaves this test out there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <lmdb.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/handler/fake_log.h"
#include "gen/json.h"

/* ---- the fault --------------------------------------------------------------------------------------------------- */

/* By these names glibc exports its own for whoever defines malloc. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static bool is_armed;
static long calls_left; /* until the one that fails; 0 or less: it has */

static bool is_the_one(void) {
    if (!is_armed || --calls_left != 0) {
        return false;
    }
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size) {
    return is_the_one() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    return is_the_one() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    return is_the_one() ? NULL : __libc_realloc(old, size);
}

/* ---- a process for each ------------------------------------------------------------------------------------------ */

/* How a piece of work ends by itself. Exit codes that nothing else here has. */
enum ending { ENDS_SAME = 40, ENDS_REFUSED, ENDS_WRONG, ENDS_UNTOUCHED };

typedef enum ending work(void *context);

enum { HANGS_AFTER_S = 20, CALLS_MAX = 20000 };

struct tally {
    long same, refused, ended;
};

static int status_of_child(work *run, void *context, long fails_at, int errors) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(errors, STDERR_FILENO);
        setrlimit(RLIMIT_CORE, &(struct rlimit){0});
        /* cmocka's handlers would turn a crash into a report of its own. */
        signal(SIGSEGV, SIG_DFL);
        signal(SIGABRT, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        alarm(HANGS_AFTER_S);
        calls_left = fails_at;
        is_armed = fails_at > 0;
        enum ending ending = run(context);
        is_armed = false;
        _exit(ending == ENDS_SAME && fails_at > 0 && calls_left > 0 ? ENDS_UNTOUCHED : ending);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* Runs the work with its allocation number `fails_at` failing; false when it has not so many. */
static bool survives(work *run, void *context, long fails_at, const char *what, struct tally *tally) {
    int errors = memfd_create("stderr", MFD_CLOEXEC);
    assert_true(errors >= 0);
    int status = status_of_child(run, context, fails_at, errors);
    char said[200] = {0};
    ssize_t length = pread(errors, said, sizeof said - 1, 0);
    close(errors);
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    bool ended_orderly = (code == EXIT_FAILURE || (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT)) && length > 0;
    if (code != ENDS_SAME && code != ENDS_REFUSED && code != ENDS_UNTOUCHED && !ended_orderly) {
        fail_msg("%s, allocation %ld fails: exit code %d, signal %d, '%s'", what, fails_at, code,
                 WIFSIGNALED(status) ? WTERMSIG(status) : 0, said);
    }
    tally->same += code == ENDS_SAME;
    tally->refused += code == ENDS_REFUSED;
    tally->ended += ended_orderly;
    return code != ENDS_UNTOUCHED;
}

static void for_every_allocation(work *run, void *context, const char *what, struct tally *tally) {
    long number = 1;
    while (survives(run, context, number, what, tally)) {
        assert_true(++number < CALLS_MAX);
    }
}

static void tell(const char *what, const struct tally *tally) {
    print_message("%s: %ld came out the same, %ld were refused, %ld ended the process\n", what, tally->same,
                  tally->refused, tally->ended);
    assert_true(tally->same + tally->refused + tally->ended > 0);
}

/* ---- decoders ---------------------------------------------------------------------------------------------------- */

enum { DECODED_MAX_BYTES = 4 << 20 };

struct record_case {
    const struct schema *schema;
    struct str avro;
    struct str expected; /* as it is written again */
};

/* Decodes and writes again; false when refused. */
static bool there_and_back(const struct schema *schema, struct str avro, struct buf *out) {
    struct arena arena;
    arena_init(&arena, DECODED_MAX_BYTES);
    buf_init(out, DECODED_MAX_BYTES);
    const char *why = NULL;
    struct event event;
    struct command command;
    bool is_event = event_type_by_name(str_of_cstr(schema->name)) == schema->type;
    bool decoded = is_event ? event_decode(&arena, schema->id, avro, &event, &why)
                            : command_decode(&arena, schema->id, avro, &command, &why);
    if (decoded && is_event) {
        event_encode(out, &event);
    } else if (decoded) {
        command_encode(out, &command);
    }
    arena_release(&arena);
    return decoded && buf_ok(out);
}

static enum ending decodes(void *context) {
    const struct record_case *one = context;
    struct buf out;
    if (!there_and_back(one->schema, one->avro, &out)) {
        return ENDS_REFUSED;
    }
    return str_equal(buf_text(&out), one->expected) ? ENDS_SAME : ENDS_WRONG;
}

/* The golden record with everything in it. */
static bool golden(const struct schema *schema, char text[64 * 1024], uint8_t bytes[32 * 1024], struct str *ret_avro) {
    char path[256];
    snprintf(path, sizeof path, "schemas/golden/%s/%s.%d.hex", schema->family, schema->name, (int)schema->version);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return false;
    }
    bool read = fgets(text, 64 * 1024, file) != NULL;
    fclose(file);
    assert_true(read);
    struct str hex = str_first(str_of_cstr(text), (uint32_t)strcspn(text, "\n"));
    *ret_avro = str_of((char *)bytes, hex.len / 2);
    assert_true(hex_read(hex, bytes, hex.len / 2));
    return true;
}

static void every_allocation_of_every_decoder_may_fail(void **state) {
    (void)state;
    static char text[64 * 1024];
    static uint8_t bytes[32 * 1024];
    struct tally tally = {0};
    for (size_t i = 0; i < schemas_count; i++) {
        struct record_case one = {.schema = &schemas[i]};
        struct buf expected;
        if (schemas[i].type == 0 || !golden(&schemas[i], text, bytes, &one.avro)) {
            continue; /* states and outcomes are decoded by a batch, below */
        }
        assert_true(there_and_back(&schemas[i], one.avro, &expected));
        one.expected = buf_text(&expected);
        for_every_allocation(decodes, &one, schemas[i].name, &tally);
        buf_release(&expected);
    }
    tell("decoders", &tally);
}

static const char body[] =
    "{\"email\":\"somebody@example.com\",\"payment\":{\"provider\":\"test\",\"method\":\"approve\"}}";

static enum ending reads_a_body(void *context) {
    const struct str *expected = context;
    struct arena arena;
    arena_init(&arena, DECODED_MAX_BYTES);
    struct command command = {0};
    struct json_problem problem;
    json_t *json = json_loadb(body, sizeof body - 1, 0, NULL);
    if (json == NULL) {
        return ENDS_WRONG; /* it cannot be told from a malformed text, so no memory has to end the process */
    }
    if (!command_body_from_json(COMMAND_CHECK_OUT_CART, json, &arena, &command, &problem)) {
        return ENDS_REFUSED;
    }
    struct buf out;
    buf_init(&out, DECODED_MAX_BYTES);
    command_encode(&out, &command);
    return str_equal(buf_text(&out), *expected) ? ENDS_SAME : ENDS_WRONG;
}

static void every_allocation_of_a_body_may_fail(void **state) {
    (void)state;
    json_set_alloc_funcs(malloc_or_end, free_wiping); /* as main.c does */
    struct arena arena;
    arena_init(&arena, DECODED_MAX_BYTES);
    struct command command = {0};
    struct json_problem problem;
    json_t *json = json_loadb(body, sizeof body - 1, 0, NULL);
    assert_true(command_body_from_json(COMMAND_CHECK_OUT_CART, json, &arena, &command, &problem));
    struct buf out;
    buf_init(&out, DECODED_MAX_BYTES);
    command_encode(&out, &command);
    struct str expected = buf_text(&out);
    struct tally tally = {0};
    for_every_allocation(reads_a_body, &expected, "a check-out's body", &tally);
    tell("a body", &tally);
    buf_release(&out);
    json_decref(json);
    arena_release(&arena);
}

/* ---- a batch ----------------------------------------------------------------------------------------------------- */

struct batch_case {
    struct fake_log *before; /* the batch's commands lie in it, undecided */
    struct fake_log *after;  /* the same, decided */
    char untouched[96];      /* the folder of the stores before */
    uint8_t expected[CHAIN_HASH_BYTES];
    bool *committed; /* shared with the child */
};

__attribute__((format(printf, 1, 2))) static void must_run(const char *format, ...) {
    char command[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    assert_int_equal(system(command), 0);
}

static void own_both(struct fake_log *log) {
    fake_own(log, 0);
    fake_own(log, 1);
}

static void disown_both(struct fake_log *log) {
    fake_disown(log, 0);
    fake_disown(log, 1);
}

static struct command on_cart(struct fake_log *log, uint16_t type, uint32_t number) {
    struct command command =
        fake_command(log, type, fake_cart_on(log, 1 - shard_of_stream(STR(FAKE_SKU_STREAM), FAKE_SHARDS)), number);
    if (type == COMMAND_OPEN_CART) {
        command.as.open_cart.currency = STR("EUR");
    } else if (type == COMMAND_SET_CART_LINE) {
        command.as.set_cart_line.sku = STR("A");
        command.as.set_cart_line.quantity = 3;
    }
    return command;
}

/* A cart stands in log and stores; a change of it, a refusal and a check-out over two shards wait to be decided. */
static struct fake_log *log_before(void) {
    struct fake_log *log = fake_log_new();
    own_both(log);
    struct command opening = on_cart(log, COMMAND_OPEN_CART, 1);
    fake_send(log, &opening);
    fake_run(log);
    disown_both(log);
    const struct command waiting[] = {on_cart(log, COMMAND_SET_CART_LINE, 2), on_cart(log, COMMAND_OPEN_CART, 3),
                                      on_cart(log, COMMAND_CHECK_OUT_CART, 4)};
    for (size_t i = 0; i < ARRAY_LENGTH(waiting); i++) {
        fake_send(log, &waiting[i]);
    }
    return log;
}

/* What a store holds, read past store.c: streams, sub-states and timers as they are, of the window the commands (when
 * each was seen is the command's time live, and the event's in a replay). */
static void store_digest(const char *dir, struct buf *text) {
    static const char *const tables[] = {"streams", "subs", "timers", "window"};
    for (int shard = 0; shard < FAKE_SHARDS; shard++) {
        char path[128];
        snprintf(path, sizeof path, "%s/shard-%d", dir, shard);
        MDB_env *env;
        MDB_txn *txn;
        assert_int_equal(mdb_env_create(&env), 0);
        assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
        assert_int_equal(mdb_env_open(env, path, MDB_RDONLY, 0600), 0);
        assert_int_equal(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0);
        for (size_t i = 0; i < ARRAY_LENGTH(tables); i++) {
            MDB_dbi table;
            MDB_cursor *cursor;
            MDB_val key, value;
            assert_int_equal(mdb_dbi_open(txn, tables[i], 0, &table), 0);
            assert_int_equal(mdb_cursor_open(txn, table, &cursor), 0);
            while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
                buf_str(text, str_of(key.mv_data, key.mv_size));
                buf_str(text, strcmp(tables[i], "window") == 0 ? STR(";") : str_of(value.mv_data, value.mv_size));
            }
            mdb_cursor_close(cursor);
        }
        mdb_txn_abort(txn);
        mdb_env_close(env);
    }
}

/* Log and stores together. */
static void world_digest(const struct fake_log *log, uint8_t ret_hash[CHAIN_HASH_BYTES]) {
    struct buf text;
    buf_init(&text, 16 << 20);
    for (int topic = 0; topic < TOPIC_COUNT; topic++) {
        for (int shard = 0; shard < FAKE_SHARDS; shard++) {
            const struct fake_partition *partition = &log->partitions[topic][shard];
            for (int64_t offset = 0; offset < partition->end; offset++) {
                buf_printf(&text, "%d.%d.%d ", topic, shard, (int)offset);
                buf_str(&text, partition->records[offset].value);
            }
        }
    }
    store_digest(log->dir, &text);
    assert_true(buf_ok(&text));
    chain_hash(buf_text(&text), ret_hash);
    buf_release(&text);
}

/* As a worker does it: whatever is refused drops the batch, or leaves the stores behind. */
static enum ending runs_a_batch(void *context) {
    struct batch_case *one = context;
    struct fake_log *log = one->before;
    struct takeover takeover;
    struct err_info info = {0};
    int64_t next[FAKE_SHARDS];
    for (int32_t shard = 0; shard < FAKE_SHARDS; shard++) {
        if (fake_take_over(log, shard, &takeover, &info) != ERR_NONE) {
            return ENDS_REFUSED;
        }
    }
    if (fake_decide(log, 0, next, &info) != ERR_NONE) {
        return ENDS_REFUSED;
    }
    /* The log is the test's own: nothing fails in it, and it counts as Kafka's from here on. */
    is_armed = false;
    fake_commit(log, next);
    *one->committed = true;
    is_armed = calls_left > 0;
    engine_batch_landed(&log->engine);
    enum err err = ERR_NONE;
    for (int32_t shard = 0; shard < FAKE_SHARDS && err == ERR_NONE; shard++) {
        err = engine_apply(&log->engine, shard, &info);
    }
    if (err == ERR_NONE) {
        disown_both(log);
    }
    return err == ERR_NONE ? ENDS_SAME : ENDS_REFUSED;
}

/* The next owner: it finds what was committed and nothing else, and ends where the batch would have. */
static enum ending takes_over(void *context) {
    struct batch_case *one = context;
    struct fake_log *log = *one->committed ? one->after : one->before;
    memcpy(log->dir, one->before->dir, sizeof log->dir);
    struct takeover takeover;
    struct err_info info = {0};
    for (int32_t shard = 0; shard < FAKE_SHARDS; shard++) {
        enum err err = fake_take_over(log, shard, &takeover, &info);
        if (err != ERR_NONE || takeover.replay.discarded != NULL) {
            fprintf(stderr, "shard %d: %s %s", (int)shard, info.text, err == ERR_NONE ? takeover.replay.discarded : "");
            return ENDS_WRONG;
        }
    }
    fake_run(log);
    disown_both(log);
    uint8_t found[CHAIN_HASH_BYTES];
    world_digest(log, found);
    return memcmp(found, one->expected, sizeof found) == 0 ? ENDS_SAME : ENDS_WRONG;
}

static void every_allocation_of_a_batch_may_fail_and_the_next_owner_finds_all_or_nothing(void **state) {
    (void)state;
    struct batch_case one = {.before = log_before(), .after = log_before()};
    own_both(one.after);
    fake_run(one.after);
    disown_both(one.after);
    assert_int_equal(fake_count(one.after, TOPIC_ORDERS), 2);
    world_digest(one.after, one.expected);
    one.committed = mmap(NULL, sizeof *one.committed, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(one.committed != MAP_FAILED);
    snprintf(one.untouched, sizeof one.untouched, "%s.untouched", one.before->dir);
    must_run("mv %s %s", one.before->dir, one.untouched);
    struct tally batches = {0}, takeovers = {0};
    bool goes_on = true;
    long commits = 0;
    for (long number = 1; goes_on; number++) {
        must_run("cp -r %s %s", one.untouched, one.before->dir);
        *one.committed = false;
        goes_on = survives(runs_a_batch, &one, number, "a batch", &batches);
        (void)survives(takes_over, &one, 0, *one.committed ? "after a commit" : "without a commit", &takeovers);
        must_run("rm -rf %s%s", one.before->dir, "");
        commits += *one.committed && goes_on;
    }
    tell("a batch", &batches);
    assert_int_equal(takeovers.refused + takeovers.ended, 0);
    assert_true(commits > 0 && commits < takeovers.same - 1); /* it failed on both sides of the commit */
    must_run("rm -rf %s%s", one.untouched, "");
    munmap(one.committed, sizeof *one.committed);
    fake_log_free(one.after);
    fake_log_free(one.before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_of_every_decoder_may_fail),
        cmocka_unit_test(every_allocation_of_a_body_may_fail),
        cmocka_unit_test(every_allocation_of_a_batch_may_fail_and_the_next_owner_finds_all_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
