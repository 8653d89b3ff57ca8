#include "core/testing/simulator/scenario.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>

#include "core/log/topics.h"
#include "core/testing/simulator/files.h"
#include "core/testing/simulator/interpose.h"
#include "core/testing/simulator/node.h"
#include "core/testing/simulator/postgres.h"
#include "core/testing/simulator/provider.h"
#include "core/testing/simulator/shopper.h"
#include "core/testing/simulator/views_check.h"
#include "core/testing/simulator/views_operator.h"

#define SECOND_US ((int64_t)1000 * 1000)
#define CLIENTS_MOST_US (900 * SECOND_US) /* until the clients are done, whatever happens */
#define ASK_MOST_US (3600 * SECOND_US)    /* until nobody asks on; aftermath.c gives up long before */
#define SETTLE_MOST_US (1800 * SECOND_US) /* until all is at rest after that: deadlines of payments among it */
#define STEP_US SECOND_US

static const char *root; /* where processes have their files */

/* Files of the installation, which all its processes read. */
static void installation_make(struct config *config) {
    static char secret_file[PATH_MAX], master_key_file[PATH_MAX];
    snprintf(secret_file, sizeof secret_file, "%s/secret", root);
    snprintf(master_key_file, sizeof master_key_file, "%s/master", root);
    config->secret_file = secret_file;
    config->master_key_file = master_key_file;
    config->smtp_url = "smtp://mail.example.com";
    config->mail_from = "The Shop <shop@example.com>";
}

static void topics_make(const struct config *config) {
    struct log_topics topics = {0};
    log_topics_name(&topics, config->topic_prefix);
    for (int i = 0; i < TOPIC_COUNT; i++) {
        broker_topic_create(topics.names[i], (int32_t)config->shards);
    }
}

static void system_start(const struct config *config) {
    static const char *const names[] = {"handler-1", "handler-2", "handler-3"};
    size_t handlers = 1 + (size_t)sim_random(ARRAY_LENGTH(names));
    assert(handlers <= ARRAY_LENGTH(names));
    for (size_t i = 0; i < handlers; i++) {
        (void)node_add(NODE_HANDLER, names[i], config, sim_between(1, 2), root);
    }
    (void)node_add(NODE_CONNECTOR, "connector-1", config, 0, root);
    if (sim_chance(300 * 1000)) {
        (void)node_add(NODE_CONNECTOR, "connector-2", config, 0, root);
    }
    (void)node_add(NODE_PROJECTOR, "projector-1", config, 0, root);
    if (sim_chance(300 * 1000)) {
        (void)node_add(NODE_PROJECTOR, "projector-2", config, 0, root);
    }
}

static bool clients_run_until(int64_t until_us) {
    while (!shoppers_are_done() && sim_now_us() < until_us) {
        sim_run(sim_now_us() + STEP_US);
    }
    return shoppers_are_done();
}

static void history_write(struct oracle *oracle, const char *folder, uint64_t seed) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%" PRIu64 ".jsonl", folder, seed);
    FILE *file = fopen(path, "we");
    if (file != NULL) {
        oracle_history_write(oracle, file);
    }
    if (file == NULL || fclose(file) != 0) {
        fprintf(stderr, "%s cannot be written\n", path);
        abort();
    }
}

static void judged(const struct oracle_options *options, uint64_t seed, const char *histories,
                   struct scenario_report *report) {
    struct oracle *oracle = oracle_judge(options);
    if (histories != NULL && options->cut_until_us == 0) { /* with answers taken back there is nothing to judge */
        history_write(oracle, histories, seed);
    }
    report->violations = oracle_violation_count(oracle);
    oracle_report(oracle, stderr);
    report->coverage = *oracle_coverage(oracle);
    oracle_free(oracle);
}

static int64_t records_ever(void) {
    int64_t sum = 0;
    for (size_t i = 0; i < broker_topic_count(); i++) {
        for (int32_t j = 0; j < broker_topic_partitions(broker_topic_name(i)); j++) {
            sum += broker_partition(broker_topic_name(i), j)->count;
        }
    }
    return sum;
}

static void rest_awaited(struct oracle_options *options, int64_t until_us) {
    do {
        sim_run(sim_now_us() + 10 * STEP_US);
        options->now_wall_us = SIM_WORLD_BEGINS_US + sim_now_us();
    } while ((sim_provider_webhooks_open() > 0 || !oracle_is_settled(options, NULL)) && sim_now_us() < until_us);
}

/* From here on nothing goes wrong. All that was asked for is asked about, and comes to rest. */
static void settled(struct oracle_options *options, const struct config *config) {
    (void)clients_run_until(sim_now_us() + ASK_MOST_US);
    shoppers_ask_unanswered();
    bool are_done = clients_run_until(sim_now_us() + ASK_MOST_US); /* else what is asked last may be undecided */
    int64_t until_us = sim_now_us() + SETTLE_MOST_US;
    rest_awaited(options, until_us);
    /* Orders that wait for their shoppers are at rest until their deadline comes: it is to be seen as well. */
    sim_run(sim_now_us() + config->payment_deadline_s * SECOND_US);
    rest_awaited(options, until_us);
    options->settled_us = are_done ? sim_now_us() : -1;
    int64_t records;
    bool is_quiet;
    do {
        records = records_ever();
        (void)views_rebuild(config, 60 * SECOND_US);
        sim_run(sim_now_us() + 10 * STEP_US); /* the live views are at the end as well by now */
        /* A provider may think of something yet, after all seemed to be told. */
        is_quiet = records == records_ever() && sim_provider_webhooks_open() == 0 && oracle_is_settled(options, NULL);
        options->now_wall_us = SIM_WORLD_BEGINS_US + sim_now_us();
    } while (!is_quiet && sim_now_us() < until_us);
}

static void world_make(uint64_t seed, struct config *config) {
    sim_begin(seed);
    interpose_begin();
    root = files_root_make();
    struct err_info info;
    if (config_load(config, NULL, &info) != ERR_NONE) {
        fprintf(stderr, "%s\n", info.text);
        abort();
    }
    config->shards = sim_between(1, 4);
    config->payment_deadline_s = sim_between(30, 120);
    config->standby_stores = sim_chance(500 * 1000) ? 0 : sim_between(1, config->shards);
    installation_make(config);
    topics_make(config);
    sim_provider_begin();
    sim_postgres_begin();
    sim_postgres_migrate();
}

void scenario_run(uint64_t seed, const struct scenario_options *run, struct scenario_report *ret_report) {
    sim_is_traced = run->is_traced;
    struct config config = {0};
    world_make(seed, &config);
    struct shopper_plan plan;
    shopper_plan_draw(&plan);
    if (run->is_traced) {
        shopper_plan_write(&plan, stderr);
    }
    system_start(&config);
    shoppers_start(&config, &plan);
    shoppers_meet_provider();
    if (!run->is_gentle) {
        faults_begin(CLIENTS_MOST_US);
    }
    views_operator_begin(&config, CLIENTS_MOST_US);
    (void)clients_run_until(CLIENTS_MOST_US);
    views_operator_end();
    faults_heal();
    struct oracle_options options = {
        .config = &config,
        .sources = &oracle_world,
        .journal = shoppers_journal(),
        .deadline_grace_us = 60 * SECOND_US,
        .healed_us = sim_now_us(),
        .settle_most_us = 2 * ASK_MOST_US + SETTLE_MOST_US,
        .dead_letters_are_fine = true,
        .compare_views = views_compare,
    };
    faults_log_cut(&options.cut_from_us, &options.cut_until_us);
    settled(&options, &config);
    judged(&options, seed, run->histories, ret_report);
    ret_report->simulated_us = sim_now_us();
    ret_report->digest = sim_digest();
    ret_report->faults = *faults_counts();
    files_remove(root);
}

void scenario_report_add(struct scenario_report *sum, const struct scenario_report *one) {
    sum->violations += one->violations;
    sum->digest ^= one->digest;
    sum->simulated_us += one->simulated_us;
    coverage_add(&sum->coverage, &one->coverage);
    fault_counts_add(&sum->faults, &one->faults);
}

void scenario_report_write(const struct scenario_report *report, FILE *file) {
    coverage_write(&report->coverage, file);
    fault_counts_write(&report->faults, file);
    fprintf(file, "digest %016" PRIx64 "\n", report->digest);
}
